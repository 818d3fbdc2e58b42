/*
 * Reading compressed sections, piece by piece.
 *
 * gzip and zstd are streams: they fill a window of 64 KiB at a time. lz4 and snappy are sequences of blocks, which have
 * to be decoded whole: a piece is a block. What a block may expand to is known before memory is taken for it: for lz4
 * from the frame's header, for snappy from its format (three bytes give at most 64).
 *
 * The lz4 frame is taken apart here, not by liblz4, because Kafka's reader differs from it on purpose or by history: the
 * content checksum is not verified, what follows the end mark is ignored, dependent blocks are refused.
 */
#include "record/compress.h"

#include <lz4.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"

#define WINDOW_SIZE      (64u << 10)
#define LZ4_HISTORY      (64u << 10)			/* how far back a dependent block refers */
#define BLOCK_KEEP       ((4u << 20) + LZ4_HISTORY)	/* a larger block buffer does not outlive its stream */
#define ZSTD_KEEP        (16u << 20)
#define SNAPPY_EXPANSION 22

struct decompressor {
	enum codec           codec;
	enum decompress_mode mode;
	struct slice         in;		/* what is left */
	uint64_t             out_left;
	bool                 is_begun, is_over;
	enum err             err;		/* what ended the stream */

	uint8_t             *window;
	uint8_t             *block;
	size_t               block_cap;

	z_stream             inflate;
	bool                 has_inflate;
	ZSTD_DCtx           *zstd;
	size_t               zstd_hint;		/* 0: between frames */

	struct {
		uint32_t block_max;
		uint32_t history;		/* bytes before the block that a dependent one may refer to */
		uint32_t last;			/* length of the block before */
		bool     is_dependent, has_block_checksum;
	} lz4;
	bool                 is_xerial;
};

struct decompressor *decompressor_create(void)
{
	return mem_calloc(1, sizeof(struct decompressor));
}

void decompressor_destroy(struct decompressor **dp)
{
	struct decompressor *d = *dp;

	if (d == NULL)
		return;
	if (d->has_inflate)
		inflateEnd(&d->inflate);
	ZSTD_freeDCtx(d->zstd);
	free(d->window);
	free(d->block);
	free(d);
	*dp = NULL;
}

static void take(struct decompressor *d, size_t n)
{
	d->in.ptr += n;
	d->in.len -= n;
}

static void want_window(struct decompressor *d)
{
	if (d->window == NULL)
		d->window = mem_alloc(WINDOW_SIZE);
}

static void want_block(struct decompressor *d, size_t cap)
{
	if (d->block_cap >= cap)
		return;
	free(d->block);
	d->block = mem_alloc(cap);
	d->block_cap = cap;
}

void decompress_begin(struct decompressor *d, enum codec codec, struct slice in, enum decompress_mode mode, uint64_t out_max)
{
	d->codec = codec;
	d->mode = mode;
	d->in = in;
	d->out_left = out_max;
	d->is_begun = d->is_over = false;
	d->err = OK;
	if (d->block_cap > BLOCK_KEEP) {
		free(d->block);
		d->block = NULL;
		d->block_cap = 0;
	}
}

/* ---- none ---- */

static enum err none_next(struct decompressor *d, struct slice *piece)
{
	*piece = d->in;
	take(d, d->in.len);
	return OK;
}

/* ---- gzip: one or more members; bytes behind the last that begin no other member are ignored, as Java does ---- */

#define GZIP_WINDOW_BITS (15 + 16)	/* a gzip header and trailer, verified */

static enum err gzip_begin(struct decompressor *d)
{
	want_window(d);
	if (!d->has_inflate) {
		ASSERT(inflateInit2(&d->inflate, GZIP_WINDOW_BITS) == Z_OK);
		d->has_inflate = true;
	}
	return inflateReset2(&d->inflate, GZIP_WINDOW_BITS) == Z_OK && d->in.len != 0 ? OK : ERR_CORRUPT;
}

static bool gzip_another_member(struct decompressor *d)
{
	return d->in.len >= 2 && d->in.ptr[0] == 0x1f && d->in.ptr[1] == 0x8b && inflateReset(&d->inflate) == Z_OK;
}

static enum err gzip_next(struct decompressor *d, struct slice *piece)
{
	while (!d->is_over) {
		d->inflate.next_in = (Bytef *)(uintptr_t)d->in.ptr;
		d->inflate.avail_in = (uInt)MIN(d->in.len, UINT32_MAX);
		d->inflate.next_out = d->window;
		d->inflate.avail_out = WINDOW_SIZE;
		int rc = inflate(&d->inflate, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return ERR_CORRUPT;	/* Z_BUF_ERROR: cut off inside a member */
		take(d, (size_t)(d->inflate.next_in - d->in.ptr));
		if (rc == Z_STREAM_END)
			d->is_over = !gzip_another_member(d);
		*piece = slice_of(d->window, WINDOW_SIZE - d->inflate.avail_out);
		if (piece->len != 0)
			break;
	}
	return OK;
}

/* ---- snappy: blocks of the xerial stream, or one raw block ---- */

static const uint8_t xerial_magic[8] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };
#define XERIAL_HEADER_SIZE 16	/* magic and two versions, at which Java's reader does not look either */

static bool xerial_at_header(const struct decompressor *d)
{
	return d->in.len >= sizeof(xerial_magic) && memcmp(d->in.ptr, xerial_magic, sizeof(xerial_magic)) == 0;
}

static enum err snappy_begin(struct decompressor *d)
{
	d->is_xerial = xerial_at_header(d);
	return d->in.len != 0 ? OK : ERR_CORRUPT;
}

static enum err snappy_block(struct decompressor *d, size_t len, struct slice *piece)
{
	const char *p = (const char *)d->in.ptr;
	size_t size;

	if (len > d->in.len || snappy_uncompressed_length(p, len, &size) != SNAPPY_OK || size / SNAPPY_EXPANSION > len)
		return ERR_CORRUPT;
	if (size > d->out_left)
		return ERR_TOO_LARGE;
	want_block(d, MAX(size, WINDOW_SIZE));
	if (snappy_uncompress(p, len, (char *)d->block, &size) != SNAPPY_OK)
		return ERR_CORRUPT;
	take(d, len);
	*piece = slice_of(d->block, size);
	return OK;
}

static enum err xerial_next(struct decompressor *d, struct slice *piece)
{
	while (d->in.len != 0) {
		if (xerial_at_header(d)) {	/* at the beginning, and wherever streams were concatenated */
			if (d->in.len < XERIAL_HEADER_SIZE)
				return ERR_CORRUPT;
			take(d, XERIAL_HEADER_SIZE);
			continue;
		}
		if (d->in.len < 4)
			return ERR_CORRUPT;
		size_t len = load_be32(d->in.ptr);
		take(d, 4);
		enum err err = snappy_block(d, len, piece);
		if (err != OK || piece->len != 0)
			return err;
	}
	return OK;
}

static enum err snappy_next(struct decompressor *d, struct slice *piece)
{
	if (d->is_xerial)
		return xerial_next(d, piece);
	return d->in.len != 0 ? snappy_block(d, d->in.len, piece) : OK;
}

/* ---- lz4 frame ---- */

#define LZ4_MAGIC           0x184d2204u
#define LZ4_FLG_VERSION     0xc0	/* must be 01 */
#define LZ4_FLG_INDEPENDENT 0x20
#define LZ4_FLG_BLOCK_SUM   0x10
#define LZ4_FLG_SIZE        0x08
#define LZ4_FLG_CONTENT_SUM 0x04	/* of no interest: nothing is read behind the end mark */
#define LZ4_FLG_REFUSED     0x03	/* reserved, dictionary */
#define LZ4_RAW_BLOCK       0x80000000u

static uint32_t load_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static enum err lz4_begin(struct decompressor *d)
{
	const uint8_t *p = d->in.ptr;

	if (d->in.len < 7 || load_le32(p) != LZ4_MAGIC)
		return ERR_CORRUPT;
	uint8_t flg = p[4], bd = p[5];
	size_t described = (flg & LZ4_FLG_SIZE) != 0 ? 10 : 2;
	if ((flg & LZ4_FLG_VERSION) != 0x40 || (flg & LZ4_FLG_REFUSED) != 0 || (bd & 0x8f) != 0 || bd < 0x40)
		return ERR_CORRUPT;
	if (d->in.len < 4 + described + 1 || p[4 + described] != (uint8_t)(xxh32(p + 4, described) >> 8))
		return ERR_CORRUPT;
	d->lz4.is_dependent = (flg & LZ4_FLG_INDEPENDENT) == 0;
	if (d->lz4.is_dependent && d->mode == DECOMPRESS_STRICT)
		return ERR_CORRUPT;
	d->lz4.has_block_checksum = (flg & LZ4_FLG_BLOCK_SUM) != 0;
	d->lz4.block_max = 1u << (8 + 2 * (bd >> 4));	/* 4: 64 KiB ... 7: 4 MiB */
	d->lz4.history = d->lz4.last = 0;
	take(d, 4 + described + 1);
	want_block(d, (d->lz4.is_dependent ? LZ4_HISTORY : 0) + d->lz4.block_max);
	return OK;
}

/* Decodes to behind the history; -1: damaged. */
static int lz4_decode(struct decompressor *d, const uint8_t *src, size_t len, bool is_raw)
{
	uint8_t *dst = d->block + d->lz4.history;

	if (is_raw) {
		memcpy(dst, src, len);
		return (int)len;
	}
	return LZ4_decompress_safe_usingDict((const char *)src, (char *)dst, (int)len, (int)d->lz4.block_max,
					     (const char *)d->block, (int)d->lz4.history);
}

/* The block before becomes history. */
static void lz4_slide(struct decompressor *d)
{
	uint32_t all = d->lz4.history + d->lz4.last;
	uint32_t keep = MIN(all, LZ4_HISTORY);

	memmove(d->block, d->block + all - keep, keep);
	d->lz4.history = keep;
}

static enum err lz4_block(struct decompressor *d, uint32_t word, struct slice *piece)
{
	size_t len = word & ~LZ4_RAW_BLOCK;
	size_t sum = d->lz4.has_block_checksum ? 4 : 0;

	if (len > d->lz4.block_max || len + sum > d->in.len)
		return ERR_CORRUPT;
	const uint8_t *src = d->in.ptr;
	if (sum != 0 && load_le32(src + len) != xxh32(src, len))
		return ERR_CORRUPT;
	take(d, len + sum);
	int n = lz4_decode(d, src, len, (word & LZ4_RAW_BLOCK) != 0);
	if (n < 0)
		return ERR_CORRUPT;
	d->lz4.last = (uint32_t)n;
	*piece = slice_of(d->block + d->lz4.history, (size_t)n);
	return OK;
}

static enum err lz4_next(struct decompressor *d, struct slice *piece)
{
	for (;;) {
		if (d->lz4.is_dependent)
			lz4_slide(d);
		if (d->in.len < 4)
			return ERR_CORRUPT;	/* no end mark */
		uint32_t word = load_le32(d->in.ptr);
		take(d, 4);
		if ((word & ~LZ4_RAW_BLOCK) == 0) {
			d->is_over = true;
			return OK;
		}
		enum err err = lz4_block(d, word, piece);
		if (err != OK || piece->len != 0)
			return err;
	}
}

/* ---- zstd ---- */

static enum err zstd_begin(struct decompressor *d)
{
	want_window(d);
	if (d->zstd != NULL && ZSTD_sizeof_DCtx(d->zstd) > ZSTD_KEEP) {
		ZSTD_freeDCtx(d->zstd);
		d->zstd = NULL;
	}
	if (d->zstd == NULL)
		d->zstd = ZSTD_createDCtx();
	ASSERT(d->zstd != NULL);
	ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
	d->zstd_hint = 0;
	return d->in.len != 0 ? OK : ERR_CORRUPT;
}

static enum err zstd_next(struct decompressor *d, struct slice *piece)
{
	ZSTD_inBuffer in = { d->in.ptr, d->in.len, 0 };
	ZSTD_outBuffer out = { d->window, WINDOW_SIZE, 0 };

	while (out.pos == 0) {
		size_t before = in.pos;
		if (in.pos == in.size && d->zstd_hint == 0)
			break;			/* behind a frame: the end */
		d->zstd_hint = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(d->zstd_hint))
			return ERR_CORRUPT;
		if (out.pos == 0 && in.pos == before && d->zstd_hint != 0)
			return ERR_CORRUPT;	/* wants more than there is */
	}
	take(d, in.pos);
	*piece = slice_of(d->window, out.pos);
	return OK;
}

/* ---- all ---- */

static const struct {
	enum err (*begin)(struct decompressor *d);
	enum err (*next)(struct decompressor *d, struct slice *piece);
} readers[CODEC_COUNT] = {
	[CODEC_NONE]   = { NULL,         none_next },
	[CODEC_GZIP]   = { gzip_begin,   gzip_next },
	[CODEC_SNAPPY] = { snappy_begin, snappy_next },
	[CODEC_LZ4]    = { lz4_begin,    lz4_next },
	[CODEC_ZSTD]   = { zstd_begin,   zstd_next },
};

static enum err next_piece(struct decompressor *d, struct slice *piece)
{
	if ((unsigned)d->codec >= CODEC_COUNT)
		return ERR_UNSUPPORTED;
	if (!d->is_begun && readers[d->codec].begin != NULL) {
		enum err err = readers[d->codec].begin(d);
		if (err != OK)
			return err;
	}
	d->is_begun = true;
	enum err err = d->is_over ? OK : readers[d->codec].next(d, piece);
	if (err == OK && piece->len > d->out_left)
		return ERR_TOO_LARGE;
	return err;
}

enum err decompress_next(struct decompressor *d, struct slice *piece)
{
	*piece = SLICE_NULL;
	if (d->err == OK)
		d->err = next_piece(d, piece);
	if (d->err != OK)
		*piece = SLICE_NULL;
	d->out_left -= piece->len;
	return d->err;
}

/* ---- XXH32 ---- */

#define XXH_PRIME1 0x9e3779b1u
#define XXH_PRIME2 0x85ebca77u
#define XXH_PRIME3 0xc2b2ae3du
#define XXH_PRIME4 0x27d4eb2fu
#define XXH_PRIME5 0x165667b1u

static uint32_t rotate(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static uint32_t xxh_round(uint32_t acc, const uint8_t *p)
{
	return rotate(acc + load_le32(p) * XXH_PRIME2, 13) * XXH_PRIME1;
}

uint32_t xxh32(const void *ptr, size_t len)
{
	const uint8_t *p = ptr, *end = p + len;
	uint32_t h = XXH_PRIME5;

	if (len >= 16) {
		uint32_t a = XXH_PRIME1 + XXH_PRIME2, b = XXH_PRIME2, c = 0, e = 0u - XXH_PRIME1;
		for (; end - p >= 16; p += 16) {
			a = xxh_round(a, p);
			b = xxh_round(b, p + 4);
			c = xxh_round(c, p + 8);
			e = xxh_round(e, p + 12);
		}
		h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(e, 18);
	}
	h += (uint32_t)len;
	for (; end - p >= 4; p += 4)
		h = rotate(h + load_le32(p) * XXH_PRIME3, 17) * XXH_PRIME4;
	for (; p < end; p++)
		h = rotate(h + *p * XXH_PRIME5, 11) * XXH_PRIME1;
	h = (h ^ h >> 15) * XXH_PRIME2;
	h = (h ^ h >> 13) * XXH_PRIME3;
	return h ^ h >> 16;
}
