/*
 * Building batches. The header is written last, over the room left for it. A section without records is not even begun:
 * the cleaner's header-only batches carry no codec.
 */
#include "record/build.h"

#include "base/varint.h"

void batch_build_begin(struct batch_builder *b, const struct batch_spec *spec, struct compressor *c, struct strbuf *out, size_t out_max)
{
	static const uint8_t header[BATCH_HEADER_SIZE];

	*b = (struct batch_builder){
		.spec = *spec, .compressor = c, .out = out, .start = out->len, .out_max = out_max,
		.plain_bytes = BATCH_HEADER_SIZE, .last_delta = -1, .max_timestamp = NO_TIMESTAMP,
		.base_timestamp = spec->has_delete_horizon ? spec->delete_horizon : NO_TIMESTAMP,
	};
	strbuf_add(out, header, sizeof(header));
}

static size_t bytes_size(struct slice s)
{
	return varint_size(slice_is_null(s) ? -1 : (int32_t)s.len) + s.len;
}

static size_t header_list_size(const struct record_header *headers, int32_t count)
{
	size_t size = 0;

	for (int32_t i = 0; i < count; i++)
		size += bytes_size(headers[i].key) + bytes_size(headers[i].value);
	return size;
}

size_t record_size_max(struct slice key, struct slice value, const struct record_header *headers, int32_t header_count)
{
	return VARINT_MAX + 1 + VARLONG_MAX + VARINT_MAX + bytes_size(key) + bytes_size(value) +
	       varint_size(header_count) + header_list_size(headers, header_count);
}

static void emit(struct batch_builder *b, const void *p, size_t len)
{
	if (b->spec.codec != CODEC_NONE)
		compress_write(b->compressor, p, len);
	else if (b->out->len <= b->out_max)	/* beyond it the batch is lost anyway */
		strbuf_add(b->out, p, len);
}

static void emit_varint(struct batch_builder *b, int32_t v)
{
	uint8_t bytes[VARINT_MAX];

	emit(b, bytes, put_varint(bytes, v));
}

static void emit_bytes(struct batch_builder *b, struct slice s)
{
	emit_varint(b, slice_is_null(s) ? -1 : (int32_t)s.len);
	if (s.len != 0)
		emit(b, s.ptr, s.len);
}

/* All of a record but its headers; header_bytes is what the caller writes next. */
static void add_record(struct batch_builder *b, int32_t offset_delta, time_ms timestamp, struct slice key, struct slice value,
		       int32_t header_count, size_t header_bytes)
{
	uint8_t head[VARINT_MAX + 1 + VARLONG_MAX + VARINT_MAX];
	size_t n, body;

	ASSERT(offset_delta > b->last_delta);
	if (b->record_count == 0 && !b->spec.has_delete_horizon)
		b->base_timestamp = timestamp;
	if (b->record_count == 0 && b->spec.codec != CODEC_NONE)
		compress_begin(b->compressor, b->spec.codec, b->spec.level, b->out, b->out_max);
	int64_t timestamp_delta = (int64_t)((uint64_t)timestamp - (uint64_t)b->base_timestamp);
	body = 1 + varlong_size(timestamp_delta) + varint_size(offset_delta) + bytes_size(key) + bytes_size(value) +
	       varint_size(header_count) + header_bytes;
	ASSERT(body <= INT32_MAX);
	n = put_varint(head, (int32_t)body);
	b->plain_bytes += n + body;
	head[n++] = 0;
	n += put_varlong(head + n, timestamp_delta);
	n += put_varint(head + n, offset_delta);
	emit(b, head, n);
	emit_bytes(b, key);
	emit_bytes(b, value);
	emit_varint(b, header_count);
	b->record_count++;
	b->last_delta = offset_delta;
	b->max_timestamp = MAX(b->max_timestamp, timestamp);
}

void batch_build_add(struct batch_builder *b, time_ms timestamp, struct slice key, struct slice value,
		     const struct record_header *headers, int32_t header_count)
{
	add_record(b, b->last_delta + 1, timestamp, key, value, header_count, header_list_size(headers, header_count));
	for (int32_t i = 0; i < header_count; i++) {
		ASSERT(!slice_is_null(headers[i].key));
		emit_bytes(b, headers[i].key);
		emit_bytes(b, headers[i].value);
	}
}

void batch_build_add_record(struct batch_builder *b, const struct record *r)
{
	int64_t delta = r->offset - b->spec.base_offset;

	ASSERT(delta >= 0 && delta <= INT32_MAX);
	add_record(b, (int32_t)delta, r->timestamp, r->key, r->value, r->header_count, r->headers.len);
	emit(b, r->headers.ptr, r->headers.len);
}

static int build_attributes(const struct batch_builder *b)
{
	const struct batch_spec *s = &b->spec;

	return (b->record_count != 0 ? (int)s->codec : CODEC_NONE) |
	       (s->is_log_append_time ? BATCH_LOG_APPEND_TIME : 0) | (s->is_transactional ? BATCH_TRANSACTIONAL : 0) |
	       (s->is_control ? BATCH_CONTROL : 0) | (s->has_delete_horizon ? BATCH_DELETE_HORIZON : 0);
}

static void build_header(const struct batch_builder *b, uint8_t *p, size_t size)
{
	const struct batch_spec *s = &b->spec;
	bool is_given = s->is_log_append_time || b->record_count == 0;

	store_be64(p + BATCH_BASE_OFFSET_POS, (uint64_t)s->base_offset);
	store_be32(p + BATCH_LENGTH_POS, (uint32_t)(size - BATCH_LOG_OVERHEAD));
	store_be32(p + BATCH_LEADER_EPOCH_POS, (uint32_t)s->leader_epoch);
	p[BATCH_MAGIC_POS] = BATCH_MAGIC;
	store_be16(p + BATCH_ATTRIBUTES_POS, (uint16_t)build_attributes(b));
	store_be32(p + BATCH_LAST_OFFSET_DELTA_POS, (uint32_t)(s->last_offset_delta >= 0 ? s->last_offset_delta : b->last_delta));
	store_be64(p + BATCH_BASE_TIMESTAMP_POS, (uint64_t)b->base_timestamp);
	store_be64(p + BATCH_MAX_TIMESTAMP_POS, (uint64_t)(is_given ? s->max_timestamp : b->max_timestamp));
	store_be64(p + BATCH_PRODUCER_ID_POS, (uint64_t)s->producer_id);
	store_be16(p + BATCH_PRODUCER_EPOCH_POS, (uint16_t)s->producer_epoch);
	store_be32(p + BATCH_BASE_SEQUENCE_POS, (uint32_t)s->base_sequence);
	store_be32(p + BATCH_RECORD_COUNT_POS, (uint32_t)b->record_count);
	batch_seal(p, size);
}

enum err batch_build_end(struct batch_builder *b, struct slice *batch)
{
	enum err err = b->record_count != 0 && b->spec.codec != CODEC_NONE ? compress_end(b->compressor) : OK;
	size_t size = b->out->len - b->start;

	ASSERT(b->record_count != 0 || b->spec.last_offset_delta >= 0);
	if (err == OK && (b->out->len > b->out_max || size > INT32_MAX))
		err = ERR_TOO_LARGE;
	if (err != OK) {
		strbuf_truncate(b->out, b->start);
		*batch = SLICE_NULL;
		return err;
	}
	build_header(b, (uint8_t *)b->out->ptr + b->start, size);
	*batch = slice_of(b->out->ptr + b->start, size);
	return OK;
}

/* ---- markers ---- */

#define MARKER_KEY_SIZE   4	/* version, type */
#define MARKER_VALUE_SIZE 6	/* version, coordinator epoch */

struct slice marker_build(const struct marker *m, struct strbuf *out)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	uint8_t key[MARKER_KEY_SIZE] = { 0 }, value[MARKER_VALUE_SIZE] = { 0 };
	struct batch_builder b;
	struct slice batch;

	store_be16(key + 2, (uint16_t)m->type);
	store_be32(value + 2, (uint32_t)m->coordinator_epoch);
	spec.producer_id = m->producer_id;
	spec.producer_epoch = m->producer_epoch;
	spec.is_transactional = spec.is_control = true;
	batch_build_begin(&b, &spec, NULL, out, SIZE_MAX);
	batch_build_add(&b, m->timestamp, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), NULL, 0);
	enum err err = batch_build_end(&b, &batch);
	ASSERT(err == OK);
	return batch;
}

static enum err marker_decode(const struct record *r, struct marker *out)
{
	if (r->key.len < MARKER_KEY_SIZE)
		return ERR_CORRUPT;
	uint16_t type = load_be16(r->key.ptr + 2);
	if (type != MARKER_ABORT && type != MARKER_COMMIT)
		return ERR_NOT_FOUND;
	if (r->value.len < MARKER_VALUE_SIZE)
		return ERR_CORRUPT;
	out->type = (enum marker_type)type;
	out->coordinator_epoch = (int32_t)load_be32(r->value.ptr + 2);
	out->timestamp = r->timestamp;
	return OK;
}

enum err marker_read(struct slice batch, struct marker *out)
{
	struct record_iter it;
	struct record r;
	enum err err;

	out->producer_id = batch_producer_id(batch.ptr);
	out->producer_epoch = batch_producer_epoch(batch.ptr);
	if (!batch_is_control(batch.ptr) || batch_codec(batch.ptr) != CODEC_NONE)
		return ERR_CORRUPT;
	if (batch_record_count(batch.ptr) == 0)
		return ERR_NOT_FOUND;
	record_iter_init(&it, batch, NULL, 0);
	err = record_iter_next(&it, &r) ? marker_decode(&r, out) : ERR_CORRUPT;
	if (err == OK && (record_iter_next(&it, &r) || it.err != OK))
		err = ERR_CORRUPT;
	record_iter_fini(&it);
	return err;
}
