/*
 * Replica fetchers: they pull from leaders what local replicas do not have yet, and hand it to them.
 *
 * There are num.replica.fetchers actors; a partition always belongs to the same one (Kafka's |31 * hash(topic) + partition| mod n). Each has one connection, and
 * one fetch session, per leader it pulls from, and at most one Fetch under way on it.
 *
 * What is fetched under one leader epoch is never appended under another: every question to a partition carries the epoch of the assignment, and the partition
 * refuses what does not fit its role. So the controller may change a role first and the assignment second.
 */
#ifndef SKEIN_REPLICA_FETCHER_H
#define SKEIN_REPLICA_FETCHER_H

#include "base/config.h"
#include "partition/partition.h"

enum { FETCHER_ASSIGN = MSG_BASE_REPLICA };

#define LANE_FETCHER_FIRST 40		/* behind the network actors' */
#define FETCHERS_MAX       22

/*
 * From the controller: pull this partition from this leader from now on, or no more. Replaces what was said before; the same leader and epoch again changes only topic id,
 * address and throttling, also of a partition that was given up. Answered when nothing of the former assignment is on its way to the partition any more; after
 * is_removed the partition may be stopped. A replica without a leader is removed, not assigned.
 */
struct fetcher_assign {
	struct msg   msg;
	struct partition_addr *partition;	/* the asker holds a reference until the answer; the fetcher takes its own */
	bool         is_removed;		/* the rest is then unused */
	int32_t      leader;			/* >= 0; the latest assignment says where it is, for all that is pulled from it */
	char         host[256];			/* of the leader, on the inter-broker listener */
	uint16_t     port;
	int32_t      leader_epoch;
	struct uuid  topic_id;			/* zero: none known */
	/* the answer of the partition_role that made this replica a follower */
	int64_t      log_end_offset, high_watermark;
	int32_t      last_epoch;
	int64_t      broker_epoch;		/* ours, for the requests; -1 unknown */
	/* the topic's configuration in force: follower.replication.throttled.replicas names this replica */
	bool         is_throttled;
	struct list  wait;			/* the fetcher's while it is parked */
};

struct fetchers;

struct fetchers_spec {
	struct sched         *sched;
	struct broker_config *config;	/* shared, frozen: protocol version, replica.fetch.*, num.replica.fetchers; a reference is taken */
	int32_t               broker_id;
};

/* Starts the actors. */
enum err fetchers_create(struct fetchers **out, const struct fetchers_spec *spec) MUST_CHECK;
/* Asks them to end and waits; every assignment has been removed. */
void     fetchers_destroy(struct fetchers **f);
struct actor *fetchers_actor(struct fetchers *f, const char *topic, int32_t partition);
/* Takes effect at once; bytes per second of throttled replicas. Any thread. */
void     fetchers_set_throttle(struct fetchers *f, int64_t bytes_per_s);

/* Did this leader (-1: any) close its connection within the last `within_ms`, and has not answered since? As one does that was killed: who follows him hears of it first. Any thread. */
bool     fetchers_have_lost(const struct fetchers *f, int32_t leader, mono_ms within_ms);

struct fetcher_counters {		/* sums over the actors; any thread */
	uint64_t requests, bytes, errors;
	uint64_t failed_partitions;	/* given up until the next assignment */
};
void     fetchers_counters(const struct fetchers *f, struct fetcher_counters *out);

#endif
