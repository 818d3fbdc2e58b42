/*
 * Decoding records. Every length is held against what is left of the record, every record against what is left of the
 * section, and at the end nothing may be left: a batch that says one thing twice must say the same.
 */
#include "record/record_priv.h"

static bool headers_fit(const uint8_t *p, const uint8_t *end, int32_t count)
{
	struct slice key = SLICE_NULL, value;

	for (; count > 0 && p != NULL; count--) {
		p = take_bytes(p, end, &key);
		if (p == NULL || key.ptr == NULL)
			return false;
		p = take_bytes(p, end, &value);
	}
	return p == end;
}

bool record_decode_body(const uint8_t *p, size_t len, struct record *out)
{
	const uint8_t *end = p + len;

	if (len == 0)
		return false;
	p = take_varlong(p + 1, end, &out->timestamp_delta);
	p = take_varint(p, end, &out->offset_delta);
	p = take_bytes(p, end, &out->key);
	p = take_bytes(p, end, &out->value);
	p = take_varint(p, end, &out->header_count);
	if (p == NULL || out->header_count < 0)
		return false;
	out->headers = slice_of(p, (size_t)(end - p));
	if (LIKELY(out->header_count == 0))
		return p == end;
	return headers_fit(p, end, out->header_count);
}

bool record_header_next(struct slice *headers, struct record_header *out)
{
	const uint8_t *end = headers->ptr + headers->len;
	const uint8_t *p;

	if (headers->len == 0)
		return false;
	p = take_bytes(headers->ptr, end, &out->key);
	p = take_bytes(p, end, &out->value);
	ASSERT(p != NULL);		/* record_decode_body has seen them all */
	*headers = slice_of(p, (size_t)(end - p));
	return true;
}

/* ---- sources ---- */

void record_source_init(struct record_source *s, struct slice batch, struct decompressor *stream,
			enum decompress_mode mode, uint64_t out_max)
{
	ASSERT(batch.len >= BATCH_HEADER_SIZE);
	struct slice section = slice_of(batch.ptr + BATCH_HEADER_SIZE, batch.len - BATCH_HEADER_SIZE);
	int codec = batch_codec(batch.ptr);

	*s = (struct record_source){ .p = section.ptr, .end = section.ptr };
	if (codec == CODEC_NONE) {
		s->end += section.len;
	} else if (codec >= CODEC_COUNT || stream == NULL) {
		s->err = ERR_UNSUPPORTED;
		s->is_over = true;
	} else {
		s->stream = stream;
		decompress_begin(stream, (enum codec)codec, section, mode, out_max);
	}
}

bool record_source_fill(struct record_source *s)
{
	struct slice piece = SLICE_NULL;

	if (s->p != s->end)
		return true;
	if (s->stream == NULL || s->is_over)
		return false;
	s->err = decompress_next(s->stream, &piece);
	if (s->err != OK || piece.len == 0) {
		s->is_over = true;
		return false;
	}
	s->p = piece.ptr;
	s->end = piece.ptr + piece.len;
	return true;
}

bool record_source_at_end(struct record_source *s)
{
	return !record_source_fill(s) && s->err == OK;
}

bool source_byte(struct record_source *s, int64_t *left, uint8_t *out)
{
	if (*left < 1 || !record_source_fill(s))
		return false;
	*out = *s->p++;
	*left -= 1;
	return true;
}

bool source_varlong(struct record_source *s, int64_t *left, int64_t *out)
{
	uint8_t bytes[VARLONG_MAX];
	size_t n = 0;

	do {
		if (n == VARLONG_MAX || !source_byte(s, left, &bytes[n]))
			return false;
	} while (bytes[n++] >= 0x80);
	return get_varlong(bytes, n, out) == n;
}

bool source_varint(struct record_source *s, int64_t *left, int32_t *out)
{
	uint8_t bytes[VARINT_MAX];
	size_t n = 0;

	do {
		if (n == VARINT_MAX || !source_byte(s, left, &bytes[n]))
			return false;
	} while (bytes[n++] >= 0x80);
	return get_varint(bytes, n, out) == n;
}

bool source_skip(struct record_source *s, int64_t *left, int64_t n)
{
	if (n > *left)
		return false;
	*left -= n;
	while (n > 0) {
		if (!record_source_fill(s))
			return false;
		int64_t step = MIN(n, s->end - s->p);
		s->p += step;
		n -= step;
	}
	return true;
}

/* ---- the iterator ---- */

void record_iter_init(struct record_iter *it, struct slice batch, struct decompressor *stream, uint64_t out_max)
{
	*it = (struct record_iter){
		.base_offset     = batch_base_offset(batch.ptr),
		.base_timestamp  = batch_base_timestamp(batch.ptr),
		.append_time     = batch_max_timestamp(batch.ptr),
		.has_append_time = batch_is_log_append_time(batch.ptr),
		.left            = batch_record_count(batch.ptr),
	};
	record_source_init(&it->source, batch, stream, DECOMPRESS_LENIENT, out_max);
	if (it->left < 0)
		it->err = ERR_CORRUPT;
}

void record_iter_fini(struct record_iter *it)
{
	strbuf_fini(&it->gathered);
}

/* The record's body as one run of bytes: in place when the piece holds all of it. */
static bool iter_body(struct record_iter *it, size_t len, struct slice *body)
{
	struct record_source *s = &it->source;

	if (len <= (size_t)(s->end - s->p)) {
		*body = slice_of(s->p, len);
		s->p += len;
		return true;
	}
	strbuf_reset(&it->gathered);
	while (it->gathered.len < len) {
		if (!record_source_fill(s))
			return false;
		size_t n = MIN((size_t)(s->end - s->p), len - it->gathered.len);
		strbuf_add(&it->gathered, s->p, n);
		s->p += n;
	}
	*body = strbuf_slice(&it->gathered);
	return true;
}

static bool iter_record(struct record_iter *it, struct record *out)
{
	int64_t unbounded = INT64_MAX;
	struct slice body;
	int32_t len;

	if (!source_varint(&it->source, &unbounded, &len) || len < 0 || !iter_body(it, (size_t)len, &body) ||
	    !record_decode_body(body.ptr, body.len, out))
		return false;
	/* Deltas come from outside and may overflow: they wrap, as in Java. */
	out->offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)(int64_t)out->offset_delta);
	out->timestamp = it->has_append_time ? it->append_time
					     : (time_ms)((uint64_t)it->base_timestamp + (uint64_t)out->timestamp_delta);
	return true;
}

bool record_iter_next(struct record_iter *it, struct record *out)
{
	if (it->err != OK)
		return false;
	if (it->left == 0) {
		if (!record_source_at_end(&it->source))
			it->err = it->source.err != OK ? it->source.err : ERR_CORRUPT;
		return false;
	}
	it->left--;
	if (!iter_record(it, out)) {
		it->err = it->source.err != OK ? it->source.err : ERR_CORRUPT;
		return false;
	}
	return true;
}
