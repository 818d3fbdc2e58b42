/*
 * What the files of this module share. See README.md for the terms.
 */
#ifndef SKEIN_FETCHER_PRIV_H
#define SKEIN_FETCHER_PRIV_H

#include "base/map.h"
#include "client/client_call.h"
#include "replica/fetcher.h"
#include "replica/session.h"
#include "base/throttle.h"

enum pull_state {
	PULL_FETCHING,
	PULL_CUTTING,		/* nothing is known of our epochs: to be cut to the high watermark */
	PULL_ASKING_EPOCH,	/* OffsetForLeaderEpoch: where does the leader's history part from ours? */
	PULL_ASKING_END,	/* out of range: where does the leader's log end, */
	PULL_ASKING_START,	/* and where does it begin? */
	PULL_FAILED,		/* until the next assignment with another epoch */
};

/* One partition pulled from one leader under one epoch. */
struct pull {
	struct list            link;		/* of the leader; who brought records goes behind the others */
	struct fetcher        *fetcher;
	struct leader         *leader;
	struct partition_addr *addr;		/* a reference */
	enum pull_state        state;
	int32_t                leader_epoch;
	struct uuid            topic_id;
	bool                   is_throttled;
	bool                   is_in_sync;	/* was at the leader's high watermark when last heard of */
	int64_t                fetch_offset;	/* the log end, as the partition last said */
	int64_t                high_watermark;	/* CUTTING: where to */
	int32_t                last_epoch;	/* -1: none */
	int64_t                told_high_watermark, told_log_start_offset;	/* the leader's, that the partition knows; -1: none */
	mono_ms                ready_at;	/* after trouble: not before */
	int                    early;		/* answers in a row that only say that the leader has not heard of its role yet */
	uint32_t               asked_in;	/* the leader's question that asks about it; 0: none does */
	struct session_entry  *entry;		/* in the leader's session; NULL: none */
	/* at the partition: at most one of the two */
	bool                   is_out;
	struct partition_replicate replicate;
	struct partition_truncate  truncate;
	struct list            assigns;		/* struct fetcher_assign, parked until it is home */
	uint16_t               key_len;
	uint8_t                key[];		/* topic, then the partition */
};

/* A broker that is pulled from: one connection, one question at a time. */
struct leader {
	struct list         link;
	struct fetcher     *fetcher;
	int32_t             id;
	struct list         pulls;
	struct session      session;
	uint32_t            number;		/* of the question; never 0 once asked */
	struct client_call *call;		/* under way; NULL: none */
	struct client_call *answer;		/* what is lent to partitions points into it */
	int                 out;		/* messages at partitions */
	mono_ms             asked_at;		/* when the question went out */
	mono_ms             ready_at;		/* for the next: not before */
	mono_ms             next_look;		/* for the next question */
	bool                is_waiting;		/* the question under way waits at the leader for records */
	bool                has_newcomers;	/* somebody was assigned since the question went out */
	mono_ms             hurried_at;		/* when a question was last dropped for their sake */
	mono_ms             hurry_pause;	/* from then on, until the next may be */
	int                 failures;		/* in a row */
	bool                had_session_error;	/* the last Fetch was answered so */
};

struct fetcher {
	struct actor        actor;
	struct fetchers    *all;
	int                 index;
	struct client      *client;
	struct list         leaders;
	struct map          pulls;		/* by key */
	mono_ms             now;
	int64_t             broker_epoch;	/* ours, as last told; -1 unknown */
	int64_t             throttle_limit;	/* as of the last look */
	struct fetcher_counters counters;	/* written here only */
	uint64_t            lost;		/* atomic: the leader that closed its connection last, + 1, in the upper half, when in the lower (ms); 0: none, or it is back */
};

struct fetchers {
	struct broker_config *config;
	int32_t               broker_id;
	int16_t               fetch_version, list_offsets_version, epoch_version;	/* epoch_version -1: not asked */
	bool                  truncates_on_fetch;
	struct throttle       throttle;
	int                   count;
	struct fetcher       *fetchers;
};

static inline void fetcher_count(uint64_t *counter, int64_t n)
{
	__atomic_store_n(counter, *counter + (uint64_t)n, __ATOMIC_RELAXED);
}

/* When somebody who rests from now on may be asked about again. Never at once, or trouble would be a loop. */
static inline mono_ms fetcher_rested(const struct fetcher *f)
{
	return f->now + MAX(f->all->config->replica_fetch_backoff_ms, 1);
}

#define EARLY_PAUSE_MS 5	/* doubled up to replica.fetch.backoff.ms */

/* fetcher.c */
struct pull *fetcher_find(struct fetcher *f, struct slice topic, int32_t partition);	/* NULL: not pulled here */
void pull_back_off(struct pull *p);
void pull_is_early(struct pull *p);		/* asks again soon */
void pull_fail(struct pull *p, const char *why);
void pull_is_outdated(struct pull *p);	/* there is a newer epoch: the leader, or the replica itself, has heard of it before us. The new role, which is on its way, goes on */
void pull_start(struct pull *p);		/* chooses the state from last_epoch */

/* leader.c: whose turn it is, and what came of it */
int  leader_turn(struct leader *l);
void leader_look(struct leader *l);		/* something has changed: look in this step */
struct client_call *leader_call(struct leader *l, enum api_key key, int16_t version, void (*on_done)(struct client_call *));
void leader_send(struct leader *l);
void leader_failed(struct leader *l, const char *problem);
void leader_succeeded(struct leader *l);
void leader_is_lost(struct leader *l);		/* it has closed the connection */
bool leader_lend(struct pull *p, struct msg *m);	/* to the pull's partition; false: it has stopped */

/* pull_fetch.c */
bool pull_is_fetchable(struct pull *p, mono_ms *next);	/* false: *next is when it may be */
void leader_ask_fetch(struct leader *l);
void pull_on_replicated(struct pull *p);

/* pull_truncate.c */
void leader_ask_epochs(struct leader *l);
void leader_ask_offsets(struct leader *l, enum pull_state state);
void pull_cut(struct pull *p);
void pull_truncate(struct pull *p, enum partition_truncate_how how, int32_t epoch, int64_t end_offset);
void pull_on_truncated(struct pull *p);

#endif
