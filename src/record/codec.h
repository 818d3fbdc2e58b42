/*
 * The codecs of a batch's records section. Values are those of attribute bits 0-2.
 */
#ifndef SKEIN_CODEC_H
#define SKEIN_CODEC_H

#include "base/base.h"

enum codec {
	CODEC_PRODUCER = -1,	/* a topic's wish to keep what the producer chose; never in a batch */
	CODEC_NONE = 0,
	CODEC_GZIP,
	CODEC_SNAPPY,
	CODEC_LZ4,
	CODEC_ZSTD,
};
#define CODEC_COUNT 5		/* ids at or beyond it are refused */

/* As in compression.type: "producer", "uncompressed", "gzip", ... */
static inline const char *codec_name(enum codec c)
{
	static const char *const names[] = { "producer", "uncompressed", "gzip", "snappy", "lz4", "zstd" };

	return names[c + 1];
}

#endif
