/*
 * Writing compressed sections in the form Kafka's producers write them, so that whoever reads theirs reads ours:
 *
 *   gzip     one member, header without time, system byte 255
 *   snappy   xerial stream of 32 KiB blocks
 *   lz4      frame with FLG 0x60 and BD 0x40: independent blocks of 64 KiB, no checksums, no sizes
 *   zstd     one frame without content size
 *
 * Bytes that come in go into a block first (snappy, lz4: they are compressed block by block; gzip, zstd: records are
 * small and a library call is not).
 */
#include "record/compress.h"

#include <lz4.h>
#include <lz4hc.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"

#define BLOCK_SIZE        (64u << 10)
#define SNAPPY_BLOCK_SIZE (32u << 10)
#define OUT_STEP          (16u << 10)	/* room made for a streaming codec's output at a time */

struct compressor {
	enum codec     codec;
	int            level;
	struct strbuf *out;
	size_t         out_max;
	enum err       err;

	uint8_t       *block;
	size_t         block_len, block_cap;	/* cap: of this stream's codec */

	z_stream       deflate;
	bool           has_deflate;
	int            deflate_level;
	gz_header      gzip_header;
	ZSTD_CCtx     *zstd;
	void          *lz4_fast, *lz4_high;
};

struct compressor *compressor_create(void)
{
	struct compressor *c = mem_calloc(1, sizeof(*c));

	c->block = mem_alloc(BLOCK_SIZE);
	return c;
}

void compressor_destroy(struct compressor **cp)
{
	struct compressor *c = *cp;

	if (c == NULL)
		return;
	if (c->has_deflate)
		deflateEnd(&c->deflate);
	ZSTD_freeCCtx(c->zstd);
	free(c->lz4_fast);
	free(c->lz4_high);
	free(c->block);
	free(c);
	*cp = NULL;
}

static void put(struct compressor *c, const void *p, size_t len)
{
	if (c->out->len + len > c->out_max)
		c->err = ERR_TOO_LARGE;
	else
		strbuf_add(c->out, p, len);
}

/* Room for len bytes behind the text; put_done takes what was used. The limit is looked at afterwards. */
static uint8_t *put_room(struct compressor *c, size_t len)
{
	strbuf_reserve(c->out, len);
	return (uint8_t *)c->out->ptr + c->out->len;
}

static void put_done(struct compressor *c, size_t len)
{
	c->out->len += len;
	c->out->ptr[c->out->len] = '\0';
	if (c->out->len > c->out_max)
		c->err = ERR_TOO_LARGE;
}

/* ---- gzip ---- */

static void gzip_begin(struct compressor *c)
{
	if (c->has_deflate && c->deflate_level != c->level) {
		deflateEnd(&c->deflate);
		c->has_deflate = false;
	}
	if (!c->has_deflate) {
		c->deflate = (z_stream){ 0 };
		ASSERT(deflateInit2(&c->deflate, c->level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
		c->has_deflate = true;
		c->deflate_level = c->level;
	}
	ASSERT(deflateReset(&c->deflate) == Z_OK);
	c->gzip_header = (gz_header){ .os = 255 };
	ASSERT(deflateSetHeader(&c->deflate, &c->gzip_header) == Z_OK);
}

static void gzip_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	int rc;

	c->deflate.next_in = (Bytef *)(uintptr_t)p;
	c->deflate.avail_in = (uInt)len;
	do {
		c->deflate.next_out = put_room(c, OUT_STEP);
		c->deflate.avail_out = OUT_STEP;
		rc = deflate(&c->deflate, is_last ? Z_FINISH : Z_NO_FLUSH);
		put_done(c, OUT_STEP - c->deflate.avail_out);
	} while (c->err == OK && rc == Z_OK && (c->deflate.avail_out == 0 || is_last));
}

/* ---- snappy ---- */

static void snappy_begin(struct compressor *c)
{
	static const uint8_t header[16] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1 };

	put(c, header, sizeof(header));
}

static void snappy_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	size_t size = snappy_max_compressed_length(len);
	uint8_t *room;

	(void)is_last;		/* the stream has no end mark */
	if (len == 0)
		return;
	room = put_room(c, 4 + size);
	ASSERT(snappy_compress((const char *)p, len, (char *)room + 4, &size) == SNAPPY_OK);
	store_be32(room, (uint32_t)size);
	put_done(c, 4 + size);
}

/* ---- lz4 ---- */

#define LZ4_RAW_BLOCK  0x80000000u
#define LZ4_LEVEL_FAST LEVEL_DEFAULT_LZ4	/* Kafka's default level stands for the fast compressor; others are those of the high one */

static void store_le32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void lz4_begin(struct compressor *c)
{
	uint8_t header[7] = { 0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0 };

	header[6] = (uint8_t)(xxh32(header + 4, 2) >> 8);
	put(c, header, sizeof(header));
	if (c->level == LZ4_LEVEL_FAST && c->lz4_fast == NULL)
		c->lz4_fast = mem_alloc((size_t)LZ4_sizeofState());
	if (c->level != LZ4_LEVEL_FAST && c->lz4_high == NULL)
		c->lz4_high = mem_alloc((size_t)LZ4_sizeofStateHC());
}

static void lz4_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	if (len != 0) {
		int bound = LZ4_compressBound((int)len);
		uint8_t *room = put_room(c, 4 + (size_t)bound);
		char *dst = (char *)room + 4;
		int n = c->level == LZ4_LEVEL_FAST
			? LZ4_compress_fast_extState(c->lz4_fast, (const char *)p, dst, (int)len, bound, 1)
			: LZ4_compress_HC_extStateHC(c->lz4_high, (const char *)p, dst, (int)len, bound, c->level);
		if (n <= 0 || (size_t)n >= len) {
			memcpy(dst, p, len);
			store_le32(room, (uint32_t)len | LZ4_RAW_BLOCK);
			put_done(c, 4 + len);
		} else {
			store_le32(room, (uint32_t)n);
			put_done(c, 4 + (size_t)n);
		}
	}
	if (is_last && c->err == OK)
		put(c, "\0\0\0\0", 4);
}

/* ---- zstd ---- */

static void zstd_begin(struct compressor *c)
{
	if (c->zstd == NULL)
		c->zstd = ZSTD_createCCtx();
	ASSERT(c->zstd != NULL);
	ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only);
	ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, c->level)));
}

/* Ending in a call of its own keeps the content size out of the frame, as a stream that did not know it would. */
static void zstd_step(struct compressor *c, const uint8_t *p, size_t len, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { p, len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { put_room(c, OUT_STEP), OUT_STEP, 0 };
		left = ZSTD_compressStream2(c->zstd, &out, &in, how);
		if (ZSTD_isError(left)) {
			c->err = ERR_INTERNAL;
			return;
		}
		put_done(c, out.pos);
	} while (c->err == OK && (in.pos < in.size || (how == ZSTD_e_end && left != 0)));
}

static void zstd_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	zstd_step(c, p, len, ZSTD_e_continue);
	if (is_last && c->err == OK)
		zstd_step(c, p, 0, ZSTD_e_end);
}

/* ---- none ---- */

static void none_begin(struct compressor *c)
{
	(void)c;
}

static void none_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	(void)is_last;
	put(c, p, len);
}

/* ---- all ---- */

static const struct {
	void (*begin)(struct compressor *c);
	void (*block)(struct compressor *c, const uint8_t *p, size_t len, bool is_last);
	size_t block_size;
} writers[CODEC_COUNT] = {
	[CODEC_NONE]   = { none_begin,   none_block,   BLOCK_SIZE },
	[CODEC_GZIP]   = { gzip_begin,   gzip_block,   BLOCK_SIZE },
	[CODEC_SNAPPY] = { snappy_begin, snappy_block, SNAPPY_BLOCK_SIZE },
	[CODEC_LZ4]    = { lz4_begin,    lz4_block,    BLOCK_SIZE },
	[CODEC_ZSTD]   = { zstd_begin,   zstd_block,   BLOCK_SIZE },
};

void compress_begin(struct compressor *c, enum codec codec, int level, struct strbuf *out, size_t out_max)
{
	ASSERT((unsigned)codec < CODEC_COUNT);
	c->codec = codec;
	c->level = level;
	c->out = out;
	c->out_max = out_max;
	c->err = OK;
	c->block_len = 0;
	c->block_cap = writers[codec].block_size;
	writers[codec].begin(c);
}

static void write_block(struct compressor *c, const uint8_t *p, size_t len, bool is_last)
{
	if (c->err == OK)
		writers[c->codec].block(c, p, len, is_last);
}

void compress_write(struct compressor *c, const void *ptr, size_t len)
{
	const uint8_t *p = ptr;

	if (c->codec == CODEC_NONE) {
		write_block(c, p, len, false);
		return;
	}
	while (len != 0 && c->err == OK) {
		if (c->block_len == 0 && len >= c->block_cap) {	/* no need to go through the block */
			write_block(c, p, c->block_cap, false);
			p += c->block_cap;
			len -= c->block_cap;
			continue;
		}
		size_t n = MIN(len, c->block_cap - c->block_len);
		memcpy(c->block + c->block_len, p, n);
		c->block_len += n;
		p += n;
		len -= n;
		if (c->block_len == c->block_cap) {
			write_block(c, c->block, c->block_len, false);
			c->block_len = 0;
		}
	}
}

enum err compress_end(struct compressor *c)
{
	write_block(c, c->block, c->block_len, true);
	c->block_len = 0;
	c->out = NULL;
	return c->err;
}
