/*
 * The questions a partition answers. Each is a message of its asker, parked here while it waits; see partition/README.md.
 * Every answer carries enum kafka_error; NONE is success.
 */
#ifndef SKEIN_PARTITION_MSG_H
#define SKEIN_PARTITION_MSG_H

#include "actor/actor.h"
#include "base/list.h"
#include "storage/log.h"

/* X(name, struct): the enum, the dispatch switch and the names in dumps come from here. */
#define PARTITION_MSG_TABLE(X) \
	X(append) X(read) X(watch) X(list_offsets) X(epoch_end) X(describe) \
	X(role) X(config) X(stop) X(job)

enum partition_msg_kind {
	PARTITION_MSG_FIRST = MSG_BASE_PARTITION,
#define X(name) PARTITION_##name,
	PARTITION_MSG_TABLE(X)
#undef X
};

enum isolation { ISOLATION_READ_UNCOMMITTED = 0, ISOLATION_READ_COMMITTED = 1 };

#define REPLICA_CONSUMER (-1)
#define REPLICA_DEBUG    (-2)

/* Append one batch. Parked on the high watermark and the flush rule (design: "what acks=all promises") until answered. */
struct partition_append {
	struct msg  msg;
	/* question */
	struct log_append append;	/* batch: borrowed until the answer; it must have passed batch_validate */
	int16_t     acks;		/* -1, 0, 1 */
	int32_t     timeout_ms;		/* for acks -1, from the end of the append; <= 0: E(7) at once when not satisfied */
	struct uuid topic_id;		/* zero: not checked */
	/* answer */
	enum kafka_error error;
	int64_t     base_offset;	/* -1 on a refusal; the real one with E(7), E(20), E(6) while waiting */
	int64_t     log_start_offset;
	time_ms     log_append_time;	/* of a duplicate: the stored maximum timestamp; else -1 (the asker knows LogAppendTime) */
	int32_t     leader_id, leader_epoch;	/* with E(6): who leads, -1 unknown */
	/* partition's while it is parked */
	struct list wait;
	int64_t     need_offset;	/* last offset + 1 */
	mono_ms     deadline;
	bool        is_durable_wanted;	/* the answer needs synced >= need_offset, whatever the in-sync set is */
};

/* Read a range as a fetch wants it; answered at once, never parked: waiting is the network actor's (struct partition_watch). */
struct partition_read {
	struct msg  msg;
	/* question */
	int64_t     fetch_offset;
	int32_t     replica_id;			/* REPLICA_CONSUMER, REPLICA_DEBUG, or a follower's broker id */
	int64_t     replica_epoch;		/* follower's broker epoch, -1 unknown */
	int64_t     follower_log_start_offset;	/* -1: not told */
	int32_t     current_leader_epoch;	/* < 0: do not check */
	int32_t     last_fetched_epoch;		/* < 0: do not check */
	enum isolation isolation;
	bool        any_replica;		/* consumers of Fetch v11+ may read from followers */
	uint32_t    max_bytes;
	bool        first_whole;		/* the first batch comes whole, whatever max_bytes says */
	struct uuid topic_id;			/* zero: not checked; else E(103) on mismatch */
	/* answer */
	enum kafka_error error;
	struct log_range range;			/* range.file: a reference that is now the asker's */
	int64_t     high_watermark, last_stable_offset, log_start_offset;	/* -1 on error */
	int32_t     diverging_epoch;		/* -1: none; then diverging_end_offset counts */
	int64_t     diverging_end_offset;
	int32_t     leader_id, leader_epoch;	/* with E(6), E(74) */
	struct log_aborted *aborted;		/* asker's room, aborted_max entries; read_committed only */
	int         aborted_max, aborted_count;	/* count > max: ask again with more room */
	uint64_t    bytes_to_bound;		/* available from fetch_offset to the isolation bound, capped at 2^31 */
};

/* Lent until something a reader waits for has changed: one per (asker, partition). Answered when any of the values differs from `seen`,
 * at once if it does already; also when the role changes or the partition stops. */
struct partition_watch {
	struct msg  msg;
	int64_t     seen_high_watermark, seen_last_stable_offset, seen_log_end_offset;	/* INT64_MIN in the last: not interested */
	int32_t     seen_leader_epoch;
	struct list wait;
};

enum { LIST_OFFSETS_LATEST = -1, LIST_OFFSETS_EARLIEST = -2, LIST_OFFSETS_MAX_TIMESTAMP = -3,
       LIST_OFFSETS_EARLIEST_LOCAL = -4, LIST_OFFSETS_LATEST_TIERED = -5 };

struct partition_list_offsets {
	struct msg  msg;
	int64_t     timestamp;			/* >= 0 or one of the above */
	int32_t     replica_id;
	int32_t     current_leader_epoch;	/* -1: do not check */
	enum isolation isolation;
	bool        old_style;			/* v0: offsets[] of segments at or before timestamp */
	int32_t     max_offsets;		/* v0 */
	/* answer */
	enum kafka_error error;			/* E(78) where v4 and older get E(5): the handler's business */
	struct log_time_offset found;
	int64_t    *offsets;			/* v0: asker's room for offsets_max; newest first */
	int32_t     offsets_max, offsets_count;
	/* partition's while it is parked: by time, until a worker has looked */
	struct list wait;
};

struct partition_epoch_end {
	struct msg  msg;
	int32_t     leader_epoch, current_leader_epoch;
	enum kafka_error error;
	int32_t     epoch;
	int64_t     end_offset;
};

struct partition_describe {			/* DescribeProducers, DescribeLogDirs */
	struct msg  msg;
	struct log_producer *producers;		/* asker's room; NULL: not wanted */
	int32_t     producers_max, producers_count;
	enum kafka_error error;
	int64_t     size_bytes, log_end_offset, high_watermark;
};

/* --- from the controller -------------------------------------------------------------------------------------------------------- */
#define REPLICAS_MAX 64		/* of one partition; a longer list from the coordination store is refused by its reader */

struct partition_role {
	struct msg  msg;
	int32_t     leader, leader_epoch, controller_epoch, partition_epoch;	/* leader -1: none */
	bool        is_new;			/* the replica is just being created */
	struct uuid topic_id;			/* zero: unknown */
	int32_t     replicas[REPLICAS_MAX], isr[REPLICAS_MAX], adding[REPLICAS_MAX], removing[REPLICAS_MAX];
	int32_t     replica_count, isr_count, adding_count, removing_count;
	/* answer: E(11)-like staleness is the asker's to map */
	enum kafka_error error;			/* NONE; STALE_CONTROLLER_EPOCH (older leader epoch); KAFKA_STORAGE_ERROR; INCONSISTENT_TOPIC_ID */
};

struct partition_config {
	struct msg  msg;
	struct topic_config config;
};

enum partition_stop_how { STOP_CLEAN, STOP_DELETE, STOP_ABANDON };	/* close cleanly; delete the replica; leave as a crash would */
struct partition_stop {
	struct msg  msg;
	enum partition_stop_how how;
	enum err    result;	/* after this answer the actor ends by itself: join it */
};

#endif
