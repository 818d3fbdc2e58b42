/*
 * What a partition remembers of its producers: for each producer id the epoch, its five newest
 * batches (so that a retry is recognised), the coordinator's epoch and the open transaction; and,
 * over all producers, which transactions hold the last stable offset back.
 *
 * Owner:     the log that created it, on its thread.
 * Staging:   at most LOG_APPEND_MAX batches are checked and applied one after the other (a later
 *            batch of one producer sees the earlier one), but nothing is final until
 *            producer_state_commit: producer_state_rollback puts everything back as it was after
 *            the last commit.
 * Memory:    a known producer costs nothing more on append. A new producer id allocates its entry
 *            (about 300 bytes with its map slot); the undo list grows to the longest run of staged
 *            batches (LOG_APPEND_MAX, never more) and is kept.
 * Bound:     ids come from outside and an unknown one is accepted, so there are at most
 *            PRODUCERS_MAX entries (30 MiB): the next new id takes the place of the producer that
 *            has been silent longest and has no open transaction. To lose an entry early is to
 *            expire early: its next batch is accepted as an unknown producer's. When every entry
 *            has an open transaction the batch is refused with POLICY_VIOLATION: nothing that the
 *            last stable offset depends on may be forgotten.
 * Invariant: open transactions are kept in the order of their first offsets; a producer is on
 *            exactly one of the lists open and recent.
 */
#ifndef SKEIN_STORAGE_PRODUCER_STATE_H
#define SKEIN_STORAGE_PRODUCER_STATE_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "os/os.h"

/* Newest batches remembered per producer: as many as a client has in flight. */
#define PRODUCER_BATCHES 5
#define PRODUCERS_MAX    100000

struct producer_state;

void producer_state_create(struct producer_state **out, int64_t expiration_ms);
void producer_state_destroy(struct producer_state **s);
/* Forgets everything, as for an empty log that starts at `offset`. */
void producer_state_clear(struct producer_state *s, int64_t offset);

/* --- appending -------------------------------------------------------------------------------- */
enum producer_origin {
	PRODUCER_CLIENT,	/* every rule */
	PRODUCER_COORDINATOR,	/* epochs only */
	/* Fetched or recovered: the leader has checked, nothing is refused */
	PRODUCER_REPLICATED,
};

enum producer_marker { PRODUCER_MARKER_NONE, PRODUCER_MARKER_ABORT, PRODUCER_MARKER_COMMIT };

struct producer_append {
	/* question: what the batch's header and, for a control batch, its one record say */
	enum producer_origin origin;
	/* >= 0; batches without a producer do not come here (but see producer_state_advance) */
	int64_t  producer_id;
	int16_t  producer_epoch;
	int32_t  base_sequence, last_sequence;
	/* As assigned; 0 <= last - base <= INT32_MAX, which the caller has checked */
	int64_t  base_offset, last_offset;
	time_ms  max_timestamp;
	bool     is_transactional;
	/* Then the marker; NONE (emptied by compaction, or of an unknown type) changes nothing */
	bool     is_control;
	enum producer_marker marker;
	int32_t  coordinator_epoch;	/* of the marker */
	/*
	 * KIP-890, kept by the caller: verification is a question to the transaction coordinator,
	 * not a property of the log. False and -1 while verification is off: a transactional batch
	 * that opens a transaction here lacks one; the lowest sequence seen while one is open.
	 */
	bool     lacks_verification;
	int32_t  verified_sequence;

	/* answer */
	/* Error NONE, nothing staged; these are the first time's: */
	bool     is_duplicate;
	int64_t  first_base_offset, first_last_offset;
	time_ms  first_timestamp;
	bool     has_ended;		/* the marker ended a transaction that had data here */
	int64_t  txn_first_offset;	/* of that transaction */
	/* Right after the marker: first offset of the oldest other open one, else the next */
	int64_t  txn_last_stable_offset;
};

/* NONE: staged, or a duplicate. Otherwise nothing is staged; the rules, in their order:
 *   OUT_OF_ORDER_SEQUENCE_NUMBER  a gap, an old or a partly overlapping range, or a new epoch that
 *                                 does not begin with 0
 *   INVALID_PRODUCER_EPOCH        older than the known epoch
 *   INVALID_TXN_STATE             unverified, or not transactional while a transaction is open
 *   TRANSACTION_COORDINATOR_FENCED  a marker of an older coordinator
 *   POLICY_VIOLATION              PRODUCERS_MAX, see above */
enum kafka_error producer_state_stage(struct producer_state *s,
	struct producer_append *a) MUST_CHECK;
void producer_state_commit(struct producer_state *s);
void producer_state_rollback(struct producer_state *s);

/* Every append moves the end, also of batches without producer: a snapshot is due when the end is
 * beyond the last one. Not while batches are staged: it is not taken back. */
void    producer_state_advance(struct producer_state *s, int64_t end_offset);
int64_t producer_state_end_offset(const struct producer_state *s);

/* --- transactions ----------------------------------------------------------------------------- */
/* Smallest first offset of an open transaction, or of a completed one whose marker is at or above
 * the high watermark; -1: none. Staged batches count once committed. The caller bounds it below by
 * the log start offset. */
int64_t producer_state_first_unstable_offset(const struct producer_state *s);
/* Completed transactions whose marker is below it no longer hold anything back. Never goes down but
 * by clear. */
void    producer_state_set_high_watermark(struct producer_state *s, int64_t high_watermark);

/* --- upkeep ----------------------------------------------------------------------------------- */
struct producer_info {
	int64_t producer_id, last_timestamp, current_txn_first_offset;	/* -1 none */
	int32_t last_sequence, coordinator_epoch;	/* -1 none */
	int64_t last_offset;				/* of the newest data batch, -1 none */
	int16_t producer_epoch;
};

void producer_state_set_expiration(struct producer_state *s, int64_t expiration_ms);
/* How many went; those with an open transaction stay */
int  producer_state_expire(struct producer_state *s, time_ms now);
int  producer_state_count(const struct producer_state *s);
bool producer_state_get(const struct producer_state *s, int64_t producer_id,
	struct producer_info *out);
/* In order of first appearance, at most max; returns the whole number. */
int  producer_state_list(const struct producer_state *s, struct producer_info *out, int max);
/* The i-th newest batch of a producer, 0 the newest: for tests and for comparing two states. */
bool producer_state_batch(const struct producer_state *s, int64_t producer_id, int i,
	int32_t *base_sequence, int32_t *last_sequence, int64_t *base_offset, int64_t *last_offset,
	time_ms *timestamp);

#endif
