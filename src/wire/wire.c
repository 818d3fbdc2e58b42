/*
 * The types whose codec is more than a load or a store. Everything read here comes from a peer: each length is compared
 * with the bytes left before it is believed, and a failed reader is empty, so that no loop outlives the failure by more
 * than the elements already reserved.
 */
#include "wire/wire.h"

#include <stdlib.h>

#define WRITER_SIZE_MIN  1024
#define WRITER_SIZE_KEEP ((size_t)1 << 20)	/* larger buffers are given back after their message */

const uint8_t wire_zeros[WIRE_FIXED_MAX];

/* ---- reader ---- */

uint32_t get_uvarint_slow(struct reader *r)
{
	uint32_t v = 0;
	size_t n = get_uvarint(r->ptr, reader_left(r), &v);

	if (n == 0) {
		reader_fail(r);
		return 0;
	}
	r->ptr += n;
	return v;
}

/* A length or a count: negative = null. The compact form is one more than the length, read as int32 like Kafka does. */
static int32_t get_size32(struct reader *r, bool flex)
{
	return flex ? (int32_t)(get_length(r) - 1) : get_i32(r);
}

static struct slice get_run(struct reader *r, int32_t len, bool nullable)
{
	if (len < 0) {
		if (!nullable || r->failed) {
			reader_fail(r);
			return SLICE_EMPTY;
		}
		return SLICE_NULL;
	}
	if ((size_t)len > reader_left(r) || r->failed) {
		reader_fail(r);
		return SLICE_EMPTY;
	}
	struct slice s = slice_of(r->ptr, (size_t)len);
	r->ptr += len;
	return s;
}

struct slice get_string(struct reader *r, bool flex, bool nullable)
{
	int32_t len = flex ? (int32_t)(get_length(r) - 1) : get_i16(r);

	if (len > WIRE_STRING_MAX)
		reader_fail(r);
	return get_run(r, len, nullable);
}

struct slice get_bytes(struct reader *r, bool flex, bool nullable)
{
	return get_run(r, get_size32(r, flex), nullable);
}

struct wire_records get_records(struct reader *r, bool flex, bool nullable)
{
	struct slice s = get_bytes(r, flex, nullable);

	return (struct wire_records){ .ptr = s.ptr, .len = (uint32_t)s.len };
}

void *get_array(struct reader *r, struct arena *arena, bool flex, bool nullable, size_t size, size_t size_min,
		int32_t *count)
{
	int32_t n = get_size32(r, flex);

	*count = 0;
	if (r->failed)
		return NULL;
	if (n < 0) {
		*count = -1;
		if (!nullable)
			goto fail;
		return NULL;
	}
	if ((size_t)n > reader_left(r) / size_min)
		goto fail;
	if (n == 0)
		return NULL;
	void *p = arena_alloc(arena, (size_t)n * size);
	if (p == NULL)
		goto fail;
	*count = n;
	return p;
fail:
	reader_fail(r);
	*count = 0;
	return NULL;
}

#define GET_ARRAY(name, type, wire_size, get) \
type *get_ ## name ## _array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count) \
{ \
	type *v = get_array(r, arena, flex, nullable, sizeof(type), wire_size, count); \
	\
	for (int32_t i = 0; i < *count; i++) \
		v[i] = get; \
	return v; \
}
GET_ARRAY(i8, int8_t, 1, get_i8(r))
GET_ARRAY(i32, int32_t, 4, get_i32(r))
GET_ARRAY(i64, int64_t, 8, get_i64(r))
GET_ARRAY(uuid, struct uuid, 16, get_uuid(r))
GET_ARRAY(string, struct slice, flex ? 1 : 2, get_string(r, flex, false))

void *get_struct(struct reader *r, struct arena *arena, size_t size)
{
	void *p = arena_alloc(arena, size);

	if (p == NULL)
		reader_fail(r);
	return p;
}

void skip_tags_slow(struct reader *r)
{
	int32_t n = (int32_t)get_length(r);

	for (; n > 0 && !r->failed; n--) {
		uint32_t size;

		get_tag(r, &size);
		skip_tag(r, size);
	}
}

/* ---- writer ---- */

void writer_init(struct writer *w)
{
	*w = (struct writer){ 0 };
}

void writer_fini(struct writer *w)
{
	free(w->buf);
	free(w->gaps);
	*w = (struct writer){ 0 };
}

void writer_reset(struct writer *w)
{
	w->len = 0;
	w->gaps_count = 0;
	w->gap_bytes = 0;
	w->frame_begin = 0;
	w->frame_gap_bytes = 0;
	w->failed = false;
	if (w->size > WRITER_SIZE_KEEP) {
		free(w->buf);
		w->buf = NULL;
		w->size = 0;
	}
}

/*
 * A frame's size is an int32. Beyond that the writer fails and starts over in the room it has, so that the fixed-size
 * writes of the generated code, which do not ask, find their bytes.
 */
void writer_grow(struct writer *w, size_t n)
{
	size_t size = MAX(w->size, (size_t)WRITER_SIZE_MIN);

	if (n > INT32_MAX || w->len + n > INT32_MAX) {
		writer_fail(w);
		w->len = 0;
		return;
	}
	while (size - w->len < n)
		size *= 2;
	w->buf = mem_realloc_array(w->buf, size, 1);
	w->size = size;
}

static void put_run(struct writer *w, const void *p, size_t n)
{
	if (w->size - w->len < n)
		writer_grow(w, n);
	if (w->failed || n == 0)
		return;
	memcpy(w->buf + w->len, p, n);
	w->len += n;
}

void writer_begin_frame(struct writer *w)
{
	put_fixed(w, 4);
	w->frame_begin = w->len;
	w->frame_gap_bytes = w->gap_bytes;
}

bool writer_end_frame(struct writer *w)
{
	if (w->failed)
		return false;
	size_t size = w->len - w->frame_begin + w->gap_bytes - w->frame_gap_bytes;
	if (size > INT32_MAX) {
		writer_fail(w);
		return false;
	}
	store_i32(w->buf + w->frame_begin - 4, (int32_t)size);
	return true;
}

/* A length (not negative) or a count; null is written as -1, or as 0 in the compact form. */
static void put_size32(struct writer *w, bool flex, size_t n)
{
	if (flex)
		put_length(w, (uint32_t)n + 1);
	else
		put_i32(w, (int32_t)n);
}

static void put_null32(struct writer *w, bool flex, bool nullable)
{
	if (!nullable)
		writer_fail(w);
	else if (flex)
		put_length(w, 0);
	else
		put_i32(w, -1);
}

void put_string(struct writer *w, bool flex, bool nullable, struct slice s)
{
	if (slice_is_null(s)) {
		if (flex || !nullable)
			put_null32(w, flex, nullable);
		else
			put_i16(w, -1);
		return;
	}
	if (s.len > WIRE_STRING_MAX) {
		writer_fail(w);
		return;
	}
	if (flex)
		put_length(w, (uint32_t)s.len + 1);
	else
		put_i16(w, (int16_t)s.len);
	put_run(w, s.ptr, s.len);
}

void put_bytes(struct writer *w, bool flex, bool nullable, struct slice s)
{
	if (slice_is_null(s)) {
		put_null32(w, flex, nullable);
		return;
	}
	if (s.len > INT32_MAX) {
		writer_fail(w);
		return;
	}
	put_size32(w, flex, s.len);
	put_run(w, s.ptr, s.len);
}

static void put_gap(struct writer *w, const struct wire_records *b)
{
	if (w->gaps_count == w->gaps_size) {
		w->gaps_size = MAX(w->gaps_size * 2, (size_t)16);
		w->gaps = mem_realloc_array(w->gaps, w->gaps_size, sizeof(w->gaps[0]));
	}
	w->gaps[w->gaps_count++] = (struct wire_gap){ w->len, b->file, b->file_pos, b->len };
	w->gap_bytes += b->len;
}

void put_records(struct writer *w, bool flex, bool nullable, struct wire_records b)
{
	if (b.file == NULL) {
		put_bytes(w, flex, nullable, slice_of(b.ptr, b.len));
		return;
	}
	if (b.len > INT32_MAX) {
		writer_fail(w);
		return;
	}
	put_size32(w, flex, b.len);
	if (b.len != 0)
		put_gap(w, &b);
}

void put_count(struct writer *w, bool flex, bool nullable, int32_t count)
{
	if (count >= 0)
		put_size32(w, flex, (size_t)count);
	else
		put_null32(w, flex, nullable && count == -1);
}

#define PUT_ARRAY(name, type, put) \
void put_ ## name ## _array(struct writer *w, bool flex, bool nullable, const type *v, int32_t count) \
{ \
	put_count(w, flex, nullable, count); \
	for (int32_t i = 0; i < count; i++) \
		put; \
}
PUT_ARRAY(i8, int8_t, put_i8(w, v[i]))
PUT_ARRAY(i32, int32_t, put_i32(w, v[i]))
PUT_ARRAY(i64, int64_t, put_i64(w, v[i]))
PUT_ARRAY(uuid, struct uuid, put_uuid(w, v[i]))
PUT_ARRAY(string, struct slice, put_string(w, flex, false, v[i]))

/* The size comes before the value, as a varint: leave one byte, which nearly always suffices, and move the value if not. */
size_t put_tag(struct writer *w, uint32_t tag)
{
	put_length(w, tag);
	put_fixed(w, 1);
	return w->len;
}

void put_tag_end(struct writer *w, size_t begin)
{
	uint8_t size[VARINT_MAX];

	if (w->failed)
		return;
	size_t len = w->len - begin;
	size_t n = put_uvarint(size, (uint32_t)len);
	if (n > 1) {
		put_fixed(w, n - 1);
		if (w->failed)
			return;
		memmove(w->buf + begin + n - 1, w->buf + begin, len);
	}
	memcpy(w->buf + begin - 1, size, n);
}
