/*
 * Do a segment's batches stand in the order that a log's batches have: offsets ascend from the segment's base, leader epochs do not descend? Neither is under a CRC,
 * so a number that was damaged says something wrong without anybody noticing; which one it was is told by those around it.
 * Owner: whoever holds the struct. Memory: none.
 */
#ifndef SKEIN_STORAGE_BATCH_ORDER_H
#define SKEIN_STORAGE_BATCH_ORDER_H

#include "record/batch.h"

struct batch_order {
	int64_t base;			/* of the segment; -1: not known */
	int64_t next, next_before;	/* the least that the next batch may begin with; the same one batch ago */
	int32_t epoch, epoch_before;
	bool    is_contiguous;		/* the last batch began where the one before it ended */
};

void batch_order_init(struct batch_order *o, int64_t segment_base, int32_t epoch);

/* The next batch, whose CRC holds. NULL: in order. Else what is wrong; *blames_before: with the batch before it, as far as its neighbours tell. */
const char *batch_order_take(struct batch_order *o, const uint8_t *header, bool *blames_before);

#endif
