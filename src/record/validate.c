/*
 * Validating a client's batch, in one pass over its records.
 *
 * Most batches are appended as they came: then at most the timestamp type, the max timestamp (which is not the producer's to
 * decide: the time index is built from it) and with them the CRC are changed. A batch whose codec is not the topic's is
 * written anew, in a second pass, after the first has accepted it: two simple walks instead of one that can fail halfway
 * through its own output.
 *
 * Compressed records are never held together: they are decoded within a piece, or across pieces byte by byte.
 */
#include "record/validate.h"

#include <inttypes.h>

#include "record/record_priv.h"

_Static_assert((int)CODEC_PRODUCER == (int)COMPRESSION_PRODUCER && (int)CODEC_ZSTD == (int)COMPRESSION_ZSTD,
	       "a topic's compression.type is a codec");

void batch_scratch_init(struct batch_scratch *s)
{
	s->decompressor = decompressor_create();
	s->compressor = compressor_create();
}

void batch_scratch_fini(struct batch_scratch *s)
{
	decompressor_destroy(&s->decompressor);
	compressor_destroy(&s->compressor);
}

/* ---- one record ---- */

/* What validation wants to know of a record. Lengths: -1 null. */
struct glimpse {
	int64_t timestamp_delta;
	int32_t offset_delta;
	int32_t key_bytes, value_bytes;
};

static int32_t bytes_of(struct slice s)
{
	return slice_is_null(s) ? -1 : (int32_t)s.len;
}

static bool glimpse_headers(struct record_source *s, int64_t *left)
{
	int32_t count, len;

	if (!source_varint(s, left, &count) || count < 0)
		return false;
	for (; count > 0; count--) {		/* bounded by *left: a header takes two bytes at least */
		if (!source_varint(s, left, &len) || len < 0 || !source_skip(s, left, len) ||
		    !source_varint(s, left, &len) || !source_skip(s, left, MAX(len, 0)))
			return false;
	}
	return *left == 0;
}

static bool glimpse_across_pieces(struct record_source *s, int64_t left, struct glimpse *g)
{
	uint8_t attributes;

	return source_byte(s, &left, &attributes) && source_varlong(s, &left, &g->timestamp_delta) &&
	       source_varint(s, &left, &g->offset_delta) &&
	       source_varint(s, &left, &g->key_bytes) && source_skip(s, &left, MAX(g->key_bytes, 0)) &&
	       source_varint(s, &left, &g->value_bytes) && source_skip(s, &left, MAX(g->value_bytes, 0)) &&
	       glimpse_headers(s, &left);
}

static bool record_length(struct record_source *s, int32_t *len)
{
	int64_t unbounded = INT64_MAX;
	const uint8_t *p = take_varint(s->p, s->end, len);

	if (LIKELY(p != NULL)) {
		s->p = p;
		return *len >= 0;
	}
	return source_varint(s, &unbounded, len) && *len >= 0;
}

static bool glimpse_next(struct record_source *s, struct glimpse *g)
{
	struct record r;
	int32_t len;

	if (!record_length(s, &len))
		return false;
	if (len > s->end - s->p)
		return glimpse_across_pieces(s, len, g);
	if (!record_decode_body(s->p, (size_t)len, &r))
		return false;
	s->p += len;
	*g = (struct glimpse){ r.timestamp_delta, r.offset_delta, bytes_of(r.key), bytes_of(r.value) };
	return true;
}

/* ---- all records ---- */

struct walk {
	const uint8_t             *batch;
	const struct topic_config *config;
	struct batch_verdict      *verdict;
	time_ms                    now;
	time_ms                    first_timestamp, max_timestamp;
	bool                       has_offset_gap;	/* offset deltas other than 0, 1, 2, ... */
	bool                       has_odd_timestamp;	/* below -1 */
};

static int64_t wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t wrap_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

static time_ms record_time(const uint8_t *batch, int64_t delta)
{
	return batch_is_log_append_time(batch) ? batch_max_timestamp(batch)
					       : wrap_add(batch_base_timestamp(batch), delta);
}

static bool timestamp_is_out_of_range(const struct walk *w, time_ms timestamp)
{
	int64_t age = wrap_sub(w->now, timestamp);

	return age > w->config->timestamp_before_max_ms || wrap_sub(0, age) > w->config->timestamp_after_max_ms;
}

static void refuse_record(struct walk *w, int32_t index, enum record_error_kind kind, const struct glimpse *g, time_ms timestamp)
{
	struct batch_verdict *v = w->verdict;

	if (kind != RECORD_NO_KEY)
		v->error = INVALID_TIMESTAMP;		/* weighs more than a missing key */
	else if (v->error == NONE)
		v->error = INVALID_RECORD;
	v->record_errors_total++;
	if (v->record_errors_listed == RECORD_ERRORS_MAX)
		return;
	v->record_errors[v->record_errors_listed++] = (struct record_error){
		.batch_index = index, .kind = kind, .timestamp = timestamp,
		.offset = wrap_add(batch_base_offset(w->batch), g->offset_delta),
		.key_bytes = g->key_bytes, .value_bytes = g->value_bytes,
	};
}

static void check_record(struct walk *w, int32_t index, const struct glimpse *g)
{
	bool is_create_time = w->config->timestamp_type == TIMESTAMP_CREATE_TIME;
	time_ms timestamp = record_time(w->batch, g->timestamp_delta);

	if (g->key_bytes < 0 && (w->config->cleanup_policy & CLEANUP_COMPACT) != 0) {
		refuse_record(w, index, RECORD_NO_KEY, g, timestamp);
	} else if (is_create_time && timestamp != NO_TIMESTAMP) {
		if (timestamp_is_out_of_range(w, timestamp))
			refuse_record(w, index, RECORD_TIMESTAMP_RANGE, g, timestamp);
	} else if (batch_is_log_append_time(w->batch)) {
		refuse_record(w, index, RECORD_TIMESTAMP_TYPE, g, timestamp);
	}
	if (index == 0)
		w->first_timestamp = timestamp;
	w->max_timestamp = MAX(w->max_timestamp, timestamp);
	w->has_offset_gap |= g->offset_delta != index;
	w->has_odd_timestamp |= timestamp < NO_TIMESTAMP;
}

static enum kafka_error stream_error(enum err err)
{
	return err == ERR_TOO_LARGE ? MESSAGE_TOO_LARGE : UNKNOWN_SERVER_ERROR;
}

/* The records as a whole are wrong: what was found about single ones does not count. */
static enum kafka_error refuse_all(struct walk *w, const struct record_source *s)
{
	w->verdict->record_errors_total = w->verdict->record_errors_listed = 0;
	return s->err != OK ? stream_error(s->err) : INVALID_RECORD;
}

static enum kafka_error walk_records(struct walk *w, struct record_source *s)
{
	int32_t count = batch_record_count(w->batch);
	struct glimpse g;

	for (int32_t i = 0; i < count; i++) {
		if (!glimpse_next(s, &g))
			return refuse_all(w, s);
		check_record(w, i, &g);
	}
	return record_source_at_end(s) ? w->verdict->error : refuse_all(w, s);
}

static bool is_append_time(const struct walk *w)
{
	return w->config->timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
}

static time_ms stored_max_timestamp(const struct walk *w)
{
	return is_append_time(w) ? w->now : w->max_timestamp;
}

static void accept(const struct walk *w, uint8_t *batch, size_t size)
{
	struct batch_verdict *v = w->verdict;

	v->batch = batch;
	v->batch_bytes = size;
	v->record_count = batch_record_count(batch);
	v->max_timestamp = stored_max_timestamp(w);
	v->log_append_time = is_append_time(w) ? w->now : NO_TIMESTAMP;
}

/* ---- keeping ---- */

#define KEPT_ATTRIBUTES (BATCH_CODEC_MASK | BATCH_TRANSACTIONAL | BATCH_CONTROL | BATCH_DELETE_HORIZON)

/*
 * Timestamp type and max timestamp in place; the CRC is computed anew only if one of them changes, and then the attribute
 * bits without meaning are cleared too.
 */
static enum kafka_error keep(const struct walk *w, uint8_t *batch, size_t size)
{
	int attributes = batch_attributes(batch) & KEPT_ATTRIBUTES;
	time_ms max_timestamp = stored_max_timestamp(w);

	/* Kafka fails inside on a compressed batch whose offsets have gaps, and stores an uncompressed one as it is. */
	if (w->has_offset_gap && batch_codec(batch) != CODEC_NONE)
		return UNKNOWN_SERVER_ERROR;
	if (batch_is_log_append_time(batch) != is_append_time(w) || batch_max_timestamp(batch) != max_timestamp) {
		attributes |= is_append_time(w) ? BATCH_LOG_APPEND_TIME : 0;
		store_be16(batch + BATCH_ATTRIBUTES_POS, (uint16_t)attributes);
		store_be64(batch + BATCH_MAX_TIMESTAMP_POS, (uint64_t)max_timestamp);
		batch_seal(batch, size);
	}
	accept(w, batch, size);
	return NONE;
}

/* ---- rebuilding ---- */

static int policy_level(const struct topic_config *c, enum codec codec)
{
	return codec == CODEC_GZIP ? c->compression_gzip_level :
	       codec == CODEC_LZ4  ? c->compression_lz4_level :
	       codec == CODEC_ZSTD ? c->compression_zstd_level : 0;
}

/* One record, numbered anew and dated from the new base: only its first fields change, the rest is passed on in pieces. */
static bool rebuild_record(const struct walk *w, struct record_source *s, int32_t index, struct compressor *c)
{
	uint8_t head[VARINT_MAX + 1 + VARLONG_MAX + VARINT_MAX];
	int32_t len, offset_delta;
	int64_t left, delta;
	uint8_t attributes;
	size_t n;

	if (!record_length(s, &len))
		return false;
	left = len;
	if (!source_byte(s, &left, &attributes) || !source_varlong(s, &left, &delta) ||
	    !source_varint(s, &left, &offset_delta))
		return false;
	delta = wrap_sub(record_time(w->batch, delta), w->first_timestamp);
	n = put_varint(head, (int32_t)(1 + (int64_t)varlong_size(delta) + (int64_t)varint_size(index) + left));
	head[n++] = 0;
	n += put_varlong(head + n, delta);
	n += put_varint(head + n, index);
	compress_write(c, head, n);
	while (left > 0) {
		if (!record_source_fill(s))
			return false;
		int64_t step = MIN(left, s->end - s->p);
		compress_write(c, s->p, (size_t)step);
		s->p += step;
		left -= step;
	}
	return true;
}

static void rebuild_header(const struct walk *w, enum codec target, struct strbuf *out)
{
	const uint8_t *from = w->batch;
	int attributes = (int)target | (is_append_time(w) ? BATCH_LOG_APPEND_TIME : 0) |
			 (batch_attributes(from) & BATCH_TRANSACTIONAL);
	uint8_t *b = (uint8_t *)out->ptr;

	memcpy(b, from, BATCH_HEADER_SIZE);	/* producer, count, last offset delta */
	store_be32(b + BATCH_LENGTH_POS, (uint32_t)(out->len - BATCH_LOG_OVERHEAD));
	store_be16(b + BATCH_ATTRIBUTES_POS, (uint16_t)attributes);
	store_be64(b + BATCH_BASE_TIMESTAMP_POS, (uint64_t)w->first_timestamp);
	store_be64(b + BATCH_MAX_TIMESTAMP_POS, (uint64_t)stored_max_timestamp(w));
	batch_seal(b, out->len);
}

/* What Kafka's builder wants of a batch it writes anew; one that is kept as it came may be without. */
static bool producer_is_whole(const uint8_t *batch)
{
	if (batch_producer_id(batch) == NO_PRODUCER_ID)
		return !batch_is_transactional(batch);
	return batch_producer_epoch(batch) != NO_PRODUCER_EPOCH && batch_base_sequence(batch) >= 0;
}

static enum kafka_error rebuild(const struct walk *w, struct record_source *s, struct compressor *c, enum codec target, struct strbuf *out)
{
	size_t out_max = (size_t)MAX(w->config->max_message_bytes, 0);
	uint8_t header[BATCH_HEADER_SIZE] = { 0 };
	bool is_whole = true;

	if (w->has_odd_timestamp || !producer_is_whole(w->batch))
		return UNKNOWN_SERVER_ERROR;
	strbuf_reset(out);
	strbuf_add(out, header, sizeof(header));
	compress_begin(c, target, policy_level(w->config, target), out, out_max);
	for (int32_t i = 0; i < batch_record_count(w->batch) && is_whole; i++)
		is_whole = rebuild_record(w, s, i, c);
	enum err err = compress_end(c);
	if (!is_whole)
		return UNKNOWN_SERVER_ERROR;	/* the first walk found it whole: the memory was changed under us */
	if (err != OK)
		return stream_error(err);
	rebuild_header(w, target, out);
	accept(w, (uint8_t *)out->ptr, out->len);
	return NONE;
}

/* ---- the batch ---- */

/* Refusals that say nothing about the log come without its start offset. */
static enum kafka_error check_envelope(const uint8_t *batch, size_t size, const struct topic_config *c, bool *is_log_start_known)
{
	*is_log_start_known = true;
	if (batch_base_offset(batch) != 0)
		return INVALID_RECORD;
	*is_log_start_known = false;
	if (size > (size_t)MAX(c->max_message_bytes, 0))
		return MESSAGE_TOO_LARGE;
	if (!batch_check_crc(slice_of(batch, size)))
		return CORRUPT_MESSAGE;
	*is_log_start_known = true;
	if (batch_codec(batch) >= CODEC_COUNT)
		return UNKNOWN_SERVER_ERROR;
	if (batch_last_offset_delta(batch) < 0 || batch_record_count(batch) <= 0 ||
	    batch_record_count(batch) - 1 != batch_last_offset_delta(batch))
		return INVALID_RECORD;
	if (batch_is_control(batch))
		return INVALID_RECORD;
	if (batch_has_producer(batch) && batch_base_sequence(batch) < 0)
		return INVALID_RECORD;
	return NONE;
}

void batch_validate(uint8_t *batch, size_t size, const struct batch_policy *policy, time_ms now,
		    struct batch_scratch *scratch, struct strbuf *rebuilt, struct batch_verdict *v)
{
	const struct topic_config *config = policy->config;
	struct walk w = { .batch = batch, .config = config, .verdict = v, .now = now, .max_timestamp = NO_TIMESTAMP };
	struct slice whole = slice_of(batch, size);
	struct record_source source;

	ASSERT(size >= BATCH_HEADER_SIZE && batch_size(batch) == size);
	v->record_errors_total = v->record_errors_listed = 0;
	v->now = now;
	v->error = check_envelope(batch, size, config, &v->is_log_start_known);
	if (v->error != NONE)
		return;

	int came = batch_codec(batch);
	int target = config->compression_type == COMPRESSION_PRODUCER ? came : config->compression_type;
	v->is_partial = came != CODEC_NONE && came == target;
	record_source_init(&source, whole, scratch->decompressor, DECOMPRESS_STRICT, policy->decompressed_max);
	v->error = walk_records(&w, &source);
	if (v->error == NONE && came == target) {
		v->error = keep(&w, batch, size);
	} else if (v->error == NONE) {
		record_source_init(&source, whole, scratch->decompressor, DECOMPRESS_STRICT, policy->decompressed_max);
		v->error = rebuild(&w, &source, scratch->compressor, (enum codec)target, rebuilt);
	}
	if (v->error == MESSAGE_TOO_LARGE)
		v->is_log_start_known = false;
}

/* ---- texts ---- */

static void add_record_error(struct strbuf *b, const struct batch_verdict *v, const struct batch_policy *policy, int32_t i)
{
	const struct record_error *e = &v->record_errors[i];

	switch (e->kind) {
	case RECORD_NO_KEY:
		strbuf_printf(b, "Compacted topic cannot accept message without key in topic partition " SLICE_FMT "-%" PRId32,
			      SLICE_ARG(policy->topic), policy->partition);
		break;
	case RECORD_TIMESTAMP_RANGE:
		strbuf_printf(b, "Timestamp %" PRId64 " of message with offset %" PRId64 " is out of range. "
			      "The timestamp should be within [%" PRId64 ", %" PRId64 "]", e->timestamp, e->offset,
			      wrap_sub(v->now, policy->config->timestamp_before_max_ms),
			      wrap_add(v->now, policy->config->timestamp_after_max_ms));
		break;
	case RECORD_TIMESTAMP_TYPE:
		strbuf_printf(b, "Invalid timestamp type in message %s(offset=%" PRId64 ", timestamp=%" PRId64 ", key=%" PRId32
			      " bytes, value=%" PRId32 " bytes). Producer should not set timestamp type to LogAppendTime.",
			      v->is_partial ? "PartialDefaultRecord" : "DefaultRecord", e->offset, e->timestamp,
			      v->is_partial ? e->key_bytes : MAX(e->key_bytes, 0), v->is_partial ? e->value_bytes : MAX(e->value_bytes, 0));
		break;
	}
}

static struct slice into_arena(struct strbuf *b, struct arena *a)
{
	struct slice copy = arena_copy(a, strbuf_slice(b));

	strbuf_fini(b);
	return copy;
}

struct slice record_error_text(const struct batch_verdict *v, const struct batch_policy *policy, int32_t i, struct arena *a)
{
	struct strbuf b = STRBUF_INIT;

	ASSERT(i >= 0 && i < v->record_errors_listed);
	add_record_error(&b, v, policy, i);
	return into_arena(&b, a);
}

#define SUMMARY_MAX 3

struct slice batch_error_text(const struct batch_verdict *v, const struct batch_policy *policy, struct arena *a)
{
	struct strbuf b = STRBUF_INIT;

	if (v->record_errors_total == 0)
		return SLICE_NULL;
	if (v->error == INVALID_TIMESTAMP) {
		strbuf_add_str(&b, "One or more records have been rejected due to invalid timestamp");
		return into_arena(&b, a);
	}
	strbuf_printf(&b, "One or more records have been rejected due to %" PRId32 " record errors in total, "
		      "and only showing the first three errors at most: [", v->record_errors_total);
	for (int32_t i = 0; i < MIN(v->record_errors_listed, SUMMARY_MAX); i++) {
		strbuf_printf(&b, "%sRecordError(batchIndex=%" PRId32 ", message='", i == 0 ? "" : ", ", v->record_errors[i].batch_index);
		add_record_error(&b, v, policy, i);
		strbuf_add_str(&b, "')");
	}
	strbuf_add_char(&b, ']');
	return into_arena(&b, a);
}
