/*
 * The five codecs as streams. Reading hands out pieces of bounded size, so that a batch that expands a thousandfold is
 * walked, never held; writing appends to a buffer and stops at a limit.
 * Owner:   one thread, one stream at a time. A thread makes one of each and keeps it: contexts and windows are made at
 *          first use of a codec and reused, so that steady traffic allocates nothing.
 * Memory:  a decompressor keeps a window of 64 KiB for gzip and zstd, one block for lz4 and snappy, and zstd's own window. An
 *          lz4 block has 4 MiB at most, by the format; a snappy block what its compressed bytes can expand to, 22-fold;
 *          zstd's window 128 MiB. What is above 4 MiB (block) or 16 MiB (zstd) is given back when the next stream begins.
 *          A compressor keeps a block of 64 KiB and its codecs' contexts, about 4 MiB when all were used.
 */
#ifndef SKEIN_COMPRESS_H
#define SKEIN_COMPRESS_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "record/codec.h"

struct decompressor;
struct compressor;

struct decompressor *decompressor_create(void);
void decompressor_destroy(struct decompressor **d);

/* Who wrote the bytes decides how much is forgiven. */
enum decompress_mode {
	DECOMPRESS_STRICT,	/* what a broker accepts from a producer: lz4 blocks that depend on one another are refused, because
				 * Java's readers cannot read them */
	DECOMPRESS_LENIENT,	/* what a consumer or a log reader accepts */
};

/* Begins a stream; ends the one before. in stays valid until the end. Total output beyond out_max fails. */
void decompress_begin(struct decompressor *d, enum codec codec, struct slice in, enum decompress_mode mode, uint64_t out_max);

/*
 * The next bytes, valid until the next call; piece->len is 0 at the end of the stream and otherwise positive.
 * ERR_CORRUPT: not a stream of this codec. ERR_TOO_LARGE: out_max is passed. After an error the stream is over.
 */
enum err decompress_next(struct decompressor *d, struct slice *piece) MUST_CHECK;

#define LEVEL_DEFAULT_GZIP (-1)
#define LEVEL_DEFAULT_LZ4  9
#define LEVEL_DEFAULT_ZSTD 3

struct compressor *compressor_create(void);
void compressor_destroy(struct compressor **c);

/*
 * Begins a stream that is appended to out (borrowed until compress_end), in the form Kafka writes. Level: as in
 * compression.{gzip,lz4,zstd}.level, not looked at for other codecs. out->len may not pass out_max.
 */
void compress_begin(struct compressor *c, enum codec codec, int level, struct strbuf *out, size_t out_max);

/* ERR_TOO_LARGE: out_max is passed, the stream is over and out holds rubbish behind its old end. Sticky until the end. */
void compress_write(struct compressor *c, const void *p, size_t len);
enum err compress_end(struct compressor *c) MUST_CHECK;

/* XXH32 with seed 0, the checksum of lz4 frames. */
uint32_t xxh32(const void *p, size_t len);

#endif
