/*
 * Records inside a batch: decoding one, and walking all of them, decompressing on the way.
 *
 *	varint  length (of what follows)      varint key length, -1 null     then key
 *	int8    attributes, unused            varint value length, -1 null   then value
 *	varlong timestamp delta               varint header count
 *	varint  offset delta                  per header: varint key length, key, varint value length (-1 null), value
 *
 * Any negative length of a key or value reads as null, as Java reads it; a header's key cannot be null.
 */
#ifndef SKEIN_RECORD_H
#define SKEIN_RECORD_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "record/batch.h"
#include "record/compress.h"

struct record {
	int64_t      offset;		/* filled in by the iterator only */
	time_ms      timestamp;		/* likewise; the append time if the batch says so */
	int64_t      timestamp_delta;
	int32_t      offset_delta;
	int32_t      header_count;
	struct slice key, value;	/* may be null */
	struct slice headers;		/* header_count of them, checked: record_header_next */
};

struct record_header {
	struct slice key;		/* never null */
	struct slice value;		/* may be null */
};

/*
 * Decodes the body of one record (what follows its length) from exactly p[0..len). The slices point into it.
 * false: the structure does not fit the length.
 */
bool record_decode_body(const uint8_t *p, size_t len, struct record *out) MUST_CHECK;

/* Takes the next header off record.headers (a copy of it). false: none is left. */
bool record_header_next(struct slice *headers, struct record_header *out);

/*
 * Where records come from: plain bytes, or the pieces of a decompressed section. p == end means that the next piece is due.
 * Open so that it can live on a stack; use the functions.
 */
struct record_source {
	const uint8_t       *p, *end;
	struct decompressor *stream;	/* NULL: plain bytes, one piece */
	enum err             err;	/* the stream failed (not: records were wrong) */
	bool                 is_over;
};

/*
 * Over the records section of a whole batch. stream serves this source alone until the end; who passes NULL reads only what is
 * not compressed and gets ERR_UNSUPPORTED otherwise. out_max bounds the decompressed bytes.
 */
void record_source_init(struct record_source *s, struct slice batch, struct decompressor *stream,
			enum decompress_mode mode, uint64_t out_max);

/* Makes bytes available. false: none are left, or the stream failed (s->err). */
bool record_source_fill(struct record_source *s);
bool record_source_at_end(struct record_source *s);

/*
 * for (record_iter_init(&it, batch, stream, max); record_iter_next(&it, &r);) ...; if (it.err != OK) ...
 *
 * Yields record_count records and checks that they are exactly what the section holds.
 * Memory: a record that lies across pieces is gathered in a buffer that the iterator owns; it grows with the bytes that
 * are really there, up to out_max. Its slices are valid until the next call.
 */
struct record_iter {
	struct record_source source;
	struct strbuf        gathered;
	int64_t              base_offset;
	time_ms              base_timestamp, append_time;
	int32_t              left;
	bool                 has_append_time;
	enum err             err;	/* ERR_CORRUPT, ERR_TOO_LARGE, ERR_UNSUPPORTED (codec) */
};

/* batch is whole and outlives the iterator; its CRC is the caller's business. Always follow with record_iter_fini. */
void record_iter_init(struct record_iter *it, struct slice batch, struct decompressor *stream, uint64_t out_max);
bool record_iter_next(struct record_iter *it, struct record *out);
void record_iter_fini(struct record_iter *it);

#endif
