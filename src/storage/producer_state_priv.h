/*
 * The shape of producer state, for the two files that look inside: the rules (producer_state.c) and
 * the disk (producer_snapshot.c).
 */
#ifndef SKEIN_STORAGE_PRODUCER_STATE_PRIV_H
#define SKEIN_STORAGE_PRODUCER_STATE_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "storage/producer_state.h"

struct producer_batch {
	int32_t last_sequence;
	/* Last - base, of offsets and of sequences (which wrap) alike */
	int32_t offset_delta;
	int64_t last_offset;
	time_ms timestamp;
};

struct producer_facts {			/* what a batch may change and a rollback puts back */
	int64_t txn_first_offset;	/* -1: no transaction is open */
	time_ms last_timestamp;		/* of the newest batch or marker */
	int32_t coordinator_epoch;	/* -1: no marker yet */
	int16_t epoch;			/* -1: known by name only */
	uint8_t batch_count;
	struct producer_batch batches[PRODUCER_BATCHES];	/* newest first */
};

struct producer {
	int64_t               id;
	struct list           link;	/* open or recent */
	struct producer_facts facts;
};

/* One applied batch; undone from the newest to the oldest */
struct staged {
	struct producer      *producer;
	struct producer_facts before;
	bool                  is_new;	/* the entry did not exist before */
	/* Offset of the marker that ended before.txn_first_offset; -1 */
	int64_t               ended_at;
};

/* An ended transaction whose marker may still be at or above the high watermark */
struct completed {
	int64_t first_offset, marker_offset;
};

struct producer_state {
	/* id, as its 8 bytes in memory -> struct producer */
	struct map        producers;
	/* Producers with an open transaction, by its first offset */
	struct list       open;
	struct list       recent;		/* the others, silent longest first */
	struct staged    *staged;
	int               staged_count, staged_room;
	/* Ring, both offsets ascending: see complete(). */
	struct completed *completed;
	uint32_t          completed_head, completed_count, completed_room;
	int64_t           expiration_ms;
	int64_t           high_watermark;
	int64_t           end_offset;		/* staged batches included */
	int64_t           committed_end_offset;
	int64_t           snapshot_offset;	/* of the newest snapshot; -1: none */
	/* Size that Java's hash table would have: the order of its snapshots */
	uint32_t          java_buckets;
	/* What snapshots are made in: one in the midst of appends shall not allocate */
	struct strbuf     order, snapshot, batches;
};

/* The entry for an id, created when new. Makes no room and stages nothing: for loading. */
struct producer *producer_state_put(struct producer_state *s, int64_t producer_id, bool *is_new);
struct producer *producer_state_find(const struct producer_state *s, int64_t producer_id);
/* Entries were put and filled in: sorts them into the lists, forgets the longest silent beyond
 * PRODUCERS_MAX. */
void producer_state_settle(struct producer_state *s);
void producer_state_reset(struct producer_state *s, int64_t end_offset, int64_t snapshot_offset);
/* For the snapshot of one producer; of more, when there are more. */
void producer_snapshot_make_room(struct producer_state *s);
bool producer_is_expired(const struct producer_state *s, const struct producer_facts *f,
	time_ms now);

static inline int32_t producer_batch_base_sequence(const struct producer_batch *b)
{
	/* Sequences have 31 bits: one before 0 comes 2147483647. */
	return (int32_t)(((uint32_t)b->last_sequence - (uint32_t)b->offset_delta) & INT32_MAX);
}

#endif
