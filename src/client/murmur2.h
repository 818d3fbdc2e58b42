/*
 * The hash by which Kafka's clients choose a partition for a key: MurmurHash2, 32 bits, seed 0x9747b28c. All clients of a
 * topic must agree on it, or records of one key are spread.
 */
#ifndef SKEIN_CLIENT_MURMUR2_H
#define SKEIN_CLIENT_MURMUR2_H

#include "base/slice.h"

uint32_t murmur2(struct slice key);

/* partition_count > 0. The sign bit is dropped, not the sign: that is what Java's toPositive does. */
static inline int32_t murmur2_partition(struct slice key, int32_t partition_count)
{
	return (int32_t)((murmur2(key) & 0x7fffffff) % (uint32_t)partition_count);
}

#endif
