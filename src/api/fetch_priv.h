/*
 * A fetch call: what fetch.c (the row), fetch_want.c (which partitions), fetch_round.c (reading them) and fetch_answer.c (the response) share.
 */
#ifndef SKEIN_API_FETCH_PRIV_H
#define SKEIN_API_FETCH_PRIV_H

#include "api/api.h"
#include "api/fetch_session.h"
#include "api/fetch_watch.h"
#include "wire/gen/fetch.h"

struct fetch_item;
struct fetch_read {			/* a question, and whose it is */
	struct partition_read ask;
	struct fetch_item    *item;
};

struct fetch_item {
	struct fetch_want         *want;
	/* of the answer: name as asked, or empty with an id */
	struct slice               topic;
	struct partition_addr     *addr;	/* a reference; NULL: refused before reading */
	/* in a fetch_read, made at the first round that asks */
	struct partition_read     *read;
	bool                       has_range;	/* read->range.file is a reference of ours */
	struct fetch_stand         stand;
	bool                       is_in_sync;	/* the follower that asks, by the picture */
	bool                       is_throttled;	/* its bytes count for the throttle */
	bool                       is_held;	/* and it gets none in this round */
	/* result of the round */
	enum kafka_error           error;
	uint32_t                   len;		/* bytes given, after the budget */
	int64_t                    high_watermark, last_stable_offset, log_start_offset;
	int64_t                    log_end_offset;	/* before the round looked */
	int32_t                    preferred;		/* replica to read from; -1: this one */
	int32_t                    diverging_epoch;
	int64_t                    diverging_end_offset;
	int32_t                    leader_id, leader_epoch;
	struct log_aborted        *aborted;
	int                        aborted_count, aborted_max;
};

struct fetch_state {
	struct fetch_session *session;		/* token held; NULL: none */
	bool                  is_incremental;
	enum kafka_error      error;		/* of the whole */
	struct fetch_item    *items;
	int32_t               count;
	int32_t               replica_id;
	enum isolation        isolation;
	uint32_t              max_bytes, min_bytes;
	mono_ms               deadline, received;
	/* of a client whose rack is not this broker's: the leader chooses a replica for it */
	bool                  wants_choice;
	bool                  is_first_round, is_last_round;
	bool                  is_standing;
};

/* --- fetch_want.c: false when the arena's limit is reached ---------------------------------------------------------------------- */
bool fetch_want_full(struct call *c, struct fetch_state *s, const struct fetch_request *r);
bool fetch_want_incremental(struct call *c, struct fetch_state *s, const struct fetch_request *r);

/* --- fetch_round.c ---------------------------------------------------------------------------------------------------------------- */
void fetch_item_reset(struct fetch_item *it);
/* Does a replica have to be chosen for whom asks? */
bool fetch_wants_choice(struct call *c, const struct fetch_request *r, int32_t replica_id);
void fetch_round_begin(struct call *c, struct fetch_state *s);
void fetch_round_answer(struct call *c, struct fetch_state *s, struct fetch_item *it);	/* a partition's, which is in it->read */
void fetch_round_after(struct call *c, struct fetch_state *s);		/* when nothing is out: answers, or parks */
void fetch_round_leave(struct fetch_state *s);				/* stands nowhere any more */

/* --- fetch_answer.c: false when the arena's limit is reached -------------------------------------------------------------------- */
bool fetch_fill_response(struct call *c, struct fetch_state *s, uint64_t *bytes);

#endif
