/*
 * How often a time was how long: a histogram whose slots grow with what they count, so that a nanosecond and a quarter of an hour are told with the same precision.
 *
 * Precision: a value comes back at most 1/128 too large, never too small. Values above HISTOGRAM_MAX count as that.
 * Memory:    all inside; all zero bytes are an empty one. Owner: whoever holds it.
 */
#ifndef SKEIN_BENCH_HISTOGRAM_H
#define SKEIN_BENCH_HISTOGRAM_H

#include "base/base.h"

#define HISTOGRAM_BITS  7
#define HISTOGRAM_MAX   ((UINT64_C(1) << 41) - 1)	/* ns: 36 minutes */
#define HISTOGRAM_SLOTS ((41 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t count, sum, min, max;		/* min, max: as they were, not their slots'; 0 when empty */
	uint64_t slots[HISTOGRAM_SLOTS];
};

void     histogram_add(struct histogram *h, uint64_t value);
void     histogram_merge(struct histogram *to, const struct histogram *from);
/* The least value that so many of all (0 ... 1) do not exceed; 1: the greatest; 0 when empty. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
