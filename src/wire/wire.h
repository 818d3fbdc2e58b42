/*
 * What the generated codecs are made of: a reader, a writer, and one pair of functions per type of Kafka's protocol.
 * Owner:  the caller's thread; nothing here is shared.
 * Errors: both sides remember failure and go on. Past the end a reader yields zeros, a failed writer writes over itself;
 *         the flag is looked at once per message. So the generated code is straight lines without checks.
 * Bytes:  big endian, any alignment. "flex" chooses the compact forms (uvarint of length + 1) over int16/int32 lengths.
 */
#ifndef SKEIN_WIRE_H
#define SKEIN_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "base/varint.h"

#define WIRE_STRING_MAX 0x7fff		/* of both forms; Kafka refuses longer ones */
#define WIRE_FIXED_MAX  64		/* the longest run of fixed-size fields the generator joins */

/*
 * Record batches inside a message. Decoded: ptr and len, borrowed. To be encoded: ptr and len, or a range of a file
 * (file != NULL, then ptr is not looked at). Null: both pointers NULL.
 */
struct wire_records {
	const uint8_t *ptr;
	uint32_t       len;
	const void    *file;		/* whatever the sender can send from; not touched here */
	int64_t        file_pos;
};

static inline bool wire_records_is_null(struct wire_records b)
{
	return b.ptr == NULL && b.file == NULL;
}

/* ---- reader ---- */

struct reader {
	const uint8_t *ptr;		/* next byte */
	const uint8_t *end;
	bool           failed;		/* once true the message is malformed, and all values since are zeros */
};

static inline struct reader reader_of(struct slice s)
{
	return (struct reader){ s.ptr, s.ptr != NULL ? s.ptr + s.len : NULL, false };
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->ptr);
}

extern const uint8_t wire_zeros[WIRE_FIXED_MAX];

/* From now on the reader is empty, so that loops end soon. */
static inline void reader_fail(struct reader *r)
{
	r->failed = true;
	r->ptr = r->end;
}

/* The next n bytes (n <= WIRE_FIXED_MAX), or as many zeros. */
static inline const uint8_t *get_fixed(struct reader *r, size_t n)
{
	const uint8_t *p = r->ptr;

	if (UNLIKELY(reader_left(r) < n)) {
		reader_fail(r);
		return wire_zeros;
	}
	r->ptr = p + n;
	return p;
}

static inline bool     load_bool(const uint8_t *p) { return p[0] != 0; }
static inline int8_t   load_i8(const uint8_t *p)   { return (int8_t)p[0]; }
static inline int16_t  load_i16(const uint8_t *p)  { return (int16_t)load_be16(p); }
static inline uint16_t load_u16(const uint8_t *p)  { return load_be16(p); }
static inline int32_t  load_i32(const uint8_t *p)  { return (int32_t)load_be32(p); }
static inline int64_t  load_i64(const uint8_t *p)  { return (int64_t)load_be64(p); }

static inline double load_f64(const uint8_t *p)
{
	uint64_t bits = load_be64(p);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline struct uuid load_uuid(const uint8_t *p)
{
	struct uuid u;

	memcpy(u.bytes, p, sizeof(u.bytes));
	return u;
}

static inline bool        get_bool(struct reader *r) { return load_bool(get_fixed(r, 1)); }
static inline int8_t      get_i8(struct reader *r)   { return load_i8(get_fixed(r, 1)); }
static inline int16_t     get_i16(struct reader *r)  { return load_i16(get_fixed(r, 2)); }
static inline uint16_t    get_u16(struct reader *r)  { return load_u16(get_fixed(r, 2)); }
static inline int32_t     get_i32(struct reader *r)  { return load_i32(get_fixed(r, 4)); }
static inline int64_t     get_i64(struct reader *r)  { return load_i64(get_fixed(r, 8)); }
static inline double      get_f64(struct reader *r)  { return load_f64(get_fixed(r, 8)); }
static inline struct uuid get_uuid(struct reader *r) { return load_uuid(get_fixed(r, 16)); }

uint32_t get_uvarint_slow(struct reader *r);

static inline uint32_t get_length(struct reader *r)	/* an unsigned varint; one byte nearly always */
{
	if (LIKELY(r->ptr != r->end && (*r->ptr & 0x80) == 0))
		return *r->ptr++;
	return get_uvarint_slow(r);
}

/* Null comes only where nullable; elsewhere it fails and yields the empty slice. The bytes are borrowed from the reader. */
struct slice        get_string(struct reader *r, bool flex, bool nullable);
struct slice        get_bytes(struct reader *r, bool flex, bool nullable);
struct wire_records get_records(struct reader *r, bool flex, bool nullable);

/*
 * An array's count, and room for its elements from the arena: size is the element's in memory, size_min its least on the
 * wire (> 0). A count that the bytes left cannot hold fails before anything is reserved. *count -1 = null. NULL unless
 * *count > 0. The room is not initialised.
 */
void *get_array(struct reader *r, struct arena *arena, bool flex, bool nullable, size_t size, size_t size_min,
		int32_t *count);

int8_t       *get_i8_array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count);
int32_t      *get_i32_array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count);
int64_t      *get_i64_array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count);
struct uuid  *get_uuid_array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count);
struct slice *get_string_array(struct reader *r, struct arena *arena, bool flex, bool nullable, int32_t *count);

/* Room for a nullable struct that is there. NULL and failed beyond the arena's limit. */
void *get_struct(struct reader *r, struct arena *arena, size_t size);

/*
 * The next tagged field's number and its size, which only serves to skip an unknown one: Kafka reads a known one by its
 * type and goes on behind the value, whatever its size was said to be.
 */
static inline uint32_t get_tag(struct reader *r, uint32_t *size)
{
	uint32_t tag = get_length(r);

	*size = get_length(r);
	return tag;
}

static inline void skip_tag(struct reader *r, uint32_t size)
{
	if (size > reader_left(r))
		reader_fail(r);
	else
		r->ptr += size;
}

void skip_tags_slow(struct reader *r);

static inline void skip_tags(struct reader *r)	/* a whole section; empty nearly always */
{
	if (LIKELY(r->ptr != r->end && *r->ptr == 0))
		r->ptr++;
	else
		skip_tags_slow(r);
}

/* ---- writer ---- */

/* A place in the output where bytes of a file belong. They follow the first pos bytes of the buffer. */
struct wire_gap {
	size_t      pos;
	const void *file;
	int64_t     file_pos;
	uint32_t    len;
};

/*
 * Appends to a buffer of its own, which is kept between messages (a very large one is given back by writer_reset).
 * What leaves is buf[0 .. len) with the gaps, in rising pos, filled in.
 */
struct writer {
	uint8_t         *buf;
	size_t           len;
	size_t           size;		/* of buf */
	struct wire_gap *gaps;
	size_t           gaps_count;
	size_t           gaps_size;
	size_t           gap_bytes;	/* sum of the gaps' len */
	size_t           frame_begin;	/* where the open frame's content begins in buf */
	size_t           frame_gap_bytes;	/* gap_bytes at that time */
	bool             failed;	/* a value does not fit the version, or the whole does not fit an int32 */
};

void writer_init(struct writer *w);
void writer_fini(struct writer *w);
void writer_reset(struct writer *w);
void writer_grow(struct writer *w, size_t n);	/* makes room for n more bytes; not for use in codecs */

/* The int32 size in front of a request or response, gaps counted. Frames follow each other, they do not nest. False = failed. */
void writer_begin_frame(struct writer *w);
bool writer_end_frame(struct writer *w);

static inline void writer_fail(struct writer *w)
{
	w->failed = true;
}

/* Room for the next n bytes (n <= WIRE_FIXED_MAX); to be filled before the next call. */
static inline uint8_t *put_fixed(struct writer *w, size_t n)
{
	if (UNLIKELY(w->size - w->len < n))
		writer_grow(w, n);
	uint8_t *p = w->buf + w->len;
	w->len += n;
	return p;
}

static inline void store_bool(uint8_t *p, bool v)    { p[0] = v ? 1 : 0; }
static inline void store_i8(uint8_t *p, int8_t v)    { p[0] = (uint8_t)v; }
static inline void store_i16(uint8_t *p, int16_t v)  { store_be16(p, (uint16_t)v); }
static inline void store_u16(uint8_t *p, uint16_t v) { store_be16(p, v); }
static inline void store_i32(uint8_t *p, int32_t v)  { store_be32(p, (uint32_t)v); }
static inline void store_i64(uint8_t *p, int64_t v)  { store_be64(p, (uint64_t)v); }

static inline void store_f64(uint8_t *p, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	store_be64(p, bits);
}

static inline void store_uuid(uint8_t *p, struct uuid v) { memcpy(p, v.bytes, sizeof(v.bytes)); }

static inline void put_bool(struct writer *w, bool v)        { store_bool(put_fixed(w, 1), v); }
static inline void put_i8(struct writer *w, int8_t v)        { store_i8(put_fixed(w, 1), v); }
static inline void put_i16(struct writer *w, int16_t v)      { store_i16(put_fixed(w, 2), v); }
static inline void put_u16(struct writer *w, uint16_t v)     { store_u16(put_fixed(w, 2), v); }
static inline void put_i32(struct writer *w, int32_t v)      { store_i32(put_fixed(w, 4), v); }
static inline void put_i64(struct writer *w, int64_t v)      { store_i64(put_fixed(w, 8), v); }
static inline void put_f64(struct writer *w, double v)       { store_f64(put_fixed(w, 8), v); }
static inline void put_uuid(struct writer *w, struct uuid v) { store_uuid(put_fixed(w, 16), v); }

static inline void put_length(struct writer *w, uint32_t v)	/* an unsigned varint */
{
	w->len += put_uvarint(put_fixed(w, VARINT_MAX), v) - VARINT_MAX;
}

/* Null where it is not nullable fails, and so does a string beyond WIRE_STRING_MAX. */
void put_string(struct writer *w, bool flex, bool nullable, struct slice s);
void put_bytes(struct writer *w, bool flex, bool nullable, struct slice s);
void put_records(struct writer *w, bool flex, bool nullable, struct wire_records b);

/* The count in front of an array's elements; -1 = null. */
void put_count(struct writer *w, bool flex, bool nullable, int32_t count);

void put_i8_array(struct writer *w, bool flex, bool nullable, const int8_t *v, int32_t count);
void put_i32_array(struct writer *w, bool flex, bool nullable, const int32_t *v, int32_t count);
void put_i64_array(struct writer *w, bool flex, bool nullable, const int64_t *v, int32_t count);
void put_uuid_array(struct writer *w, bool flex, bool nullable, const struct uuid *v, int32_t count);
void put_string_array(struct writer *w, bool flex, bool nullable, const struct slice *v, int32_t count);

/* One tagged field: the value is written between the two. put_tag returns what put_tag_end wants. No records inside. */
size_t put_tag(struct writer *w, uint32_t tag);
void   put_tag_end(struct writer *w, size_t begin);

#endif
