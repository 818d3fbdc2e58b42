/*
 * What a pass of the cleaner knows of transactions while it goes along a log: whether a batch is of an aborted one, and whether anything was met of
 * the one that a marker ends.
 *
 * Aborted transactions come from the segments' transaction indexes, a source at a time: clean_txns_add in any order, those that are known already
 * included; then clean_txns_ready.
 * Owner:  the pass.
 * Memory: an entry per transaction that is under way or ahead in the source at hand.
 */
#ifndef SKEIN_STORAGE_CLEAN_TXNS_H
#define SKEIN_STORAGE_CLEAN_TXNS_H

#include "base/map.h"
#include "storage/txn_index.h"

struct clean_txns {
	struct aborted_txn *ahead;	/* by first offset from ahead_at on */
	int                 ahead_count, ahead_at, ahead_room;
	struct map          under_way;	/* struct clean_txn by its producer id's bytes */
};

void clean_txns_init(struct clean_txns *t);
void clean_txns_fini(struct clean_txns *t);
void clean_txns_add(struct clean_txns *t, const struct aborted_txn *a);
void clean_txns_ready(struct clean_txns *t);

/* A data batch. True: it is of an aborted transaction. */
bool clean_txns_on_batch(struct clean_txns *t, const uint8_t *header);
/* A whole control batch. True: nothing of its transaction was met, so in time it may go. When it ends an aborted one of which something was met, *ended is set, and
 * *aborted what the transaction index is to say. ERR_CORRUPT: no control batch. */
enum err clean_txns_on_marker(struct clean_txns *t, struct slice batch, bool *may_go, bool *ended, struct aborted_txn *aborted) MUST_CHECK;

#endif
