/*
 * The questions a partition answers. Each is a message of its asker, parked here while it waits; see partition/README.md.
 * Every answer carries enum kafka_error; NONE is success.
 */
#ifndef SKEIN_PARTITION_MSG_H
#define SKEIN_PARTITION_MSG_H

#include "actor/actor.h"
#include "base/list.h"
#include "storage/log.h"

#define REPLICAS_MAX 64		/* of one partition; a longer list from the coordination store is refused by its reader */
#define LIGHT_APPEND_BYTES (16 * 1024)	/* to write so much, of a producer or a leader, takes no longer than to wake the partition: msg.is_light */
#define LONE_APPEND_BYTES  (256 * 1024)	/* from here on it is cheaper to write where the bytes were received and checked, for they lie in that processor's cache */

/* X(name, struct): the enum, the dispatch switch and the names in dumps come from here. */
#define PARTITION_MSG_TABLE(X) \
	X(append) X(read) X(watch) X(list_offsets) X(epoch_end) X(describe) X(delete_records) \
	X(replicate) X(truncate) \
	X(role) X(config) X(move) X(topics_gone) X(stop) X(offline) X(job)

enum partition_msg_kind {
	PARTITION_MSG_FIRST = MSG_BASE_PARTITION,
#define X(name) PARTITION_##name,
	PARTITION_MSG_TABLE(X)
#undef X
};

/* What a partition asks of, or tells, the controller of its broker (struct partition_spec). */
enum { PARTITION_ISR_CHANGE = MSG_BASE_PARTITION + 0x80, PARTITION_DIR_FAILED, PARTITION_MOVED };

/*
 * What a coordinator is asked (struct partition_hook) begins so, whatever its kind: a partition refuses questions that it does not know. NOT_COORDINATOR where no
 * coordinator is at work.
 */
struct coordinator_question {
	struct msg       msg;
	enum kafka_error error;
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
	mono_ms     written_at;		/* when it was in the log, and then waited for replicas or the disk; 0: it did not wait */
	int32_t     leader_id, leader_epoch;	/* with E(6): who leads, -1 unknown; in a hook's question the epoch it is made in */
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
	/* of a follower's fetch: only its first look at the partition says how far the follower has come, what it finds later in the wait for more does not */
	bool        is_first_look;
	bool        follower_is_live;		/* registered, as the picture says: may join the in-sync set */
	mono_ms     received;			/* when the request came in */
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
	/* of a consumer, when the leader is to choose a replica for it (KIP-392): asker's room, NULL: not wanted. In-sync replicas that hold fetch_offset, the leader first. */
	struct partition_reader_choice *choices;
	int         choices_max, choices_count;
};

struct partition_reader_choice {
	int32_t broker_id;
	int64_t log_end_offset;
	mono_ms caught_up;			/* when it was last at the leader's end; MONO_NEVER for the leader */
};

/* Lent until something a reader waits for has changed: one per (asker, partition). Answered when any of the values differs from `seen`,
 * at once if it does already; also when the role changes or the partition stops. */
struct partition_watch {
	struct msg  msg;
	int64_t     seen_high_watermark, seen_last_stable_offset, seen_log_end_offset;	/* INT64_MIN: not interested in that one */
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

#define DELETE_RECORDS_TO_HIGH_WATERMARK (-1)

/* The log start goes up to `offset`; parked until that of every replica which is alive has come as far. Asked once more, with what it came home with, it goes on waiting. */
struct partition_delete_records {
	struct msg  msg;
	/* question */
	int64_t     offset;			/* or as above; the partition then writes here what it was */
	int32_t     timeout_ms;			/* <= 0: E(7) at once when the others have not come as far */
	int32_t     live[REPLICAS_MAX], live_count;	/* brokers that are alive, as the picture says: others are not waited for */
	/* answer */
	enum kafka_error error;			/* NONE, NOT_LEADER_OR_FOLLOWER, POLICY_VIOLATION (the topic is only compacted), OFFSET_OUT_OF_RANGE, REQUEST_TIMED_OUT */
	int64_t     low_watermark;		/* the smallest log start of those that count, -1 with an error */
	/* partition's while it is parked */
	struct list wait;
	mono_ms     deadline;
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

/* --- from the replica fetchers: this replica follows ---------------------------------------------------------------------------- */

/*
 * Batches as the leader sent them, appended unchanged; also an empty answer, which brings watermarks. Refused with FENCED_LEADER_EPOCH when the role has moved on
 * from leader_epoch (or this replica leads): what was fetched under another epoch is never appended. Replication.md section 4.5.
 */
struct partition_replicate {
	struct msg   msg;
	/* question */
	int32_t      leader_epoch;		/* of the role under which it was fetched */
	int64_t      fetch_offset;		/* must be the log end, else OFFSET_OUT_OF_RANGE */
	struct slice batches;			/* borrowed until the answer; an incomplete last batch is left out; null or empty: none */
	int64_t      leader_high_watermark, leader_log_start_offset;
	/* answer */
	enum kafka_error error;			/* NONE, FENCED_LEADER_EPOCH, OFFSET_OUT_OF_RANGE (also: the leader's log starts behind our end), CORRUPT_MESSAGE (fetch again
						 * after a pause: damaged bytes, an old format, or a full disk here), KAFKA_STORAGE_ERROR (give up) */
	int64_t      log_end_offset, log_start_offset;	/* -1 with FENCED_LEADER_EPOCH, KAFKA_STORAGE_ERROR */
	int32_t      last_epoch;		/* latest in the epoch cache, -1: none */
};

enum partition_truncate_how {
	TRUNCATE_DIVERGING,	/* the leader's history is (epoch, end_offset) where ours parts from it: the rule of replication.md section 10.3 */
	TRUNCATE_TO,		/* to end_offset, if it is below the log end */
	TRUNCATE_RESTART,	/* everything goes, the log begins anew at end_offset */
};
struct partition_truncate {
	struct msg  msg;
	int32_t     leader_epoch;		/* as in partition_replicate */
	enum partition_truncate_how how;
	int32_t     epoch;			/* TRUNCATE_DIVERGING: -1 unknown to the leader */
	int64_t     end_offset;			/* TRUNCATE_DIVERGING: -1: to the high watermark */
	/* answer */
	enum kafka_error error;			/* NONE, FENCED_LEADER_EPOCH, OFFSET_OUT_OF_RANGE (a negative end), KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE (a full disk:
						 * nothing was cut; ask again after a pause) */
	bool        is_complete;		/* false: ask the leader again, with last_epoch */
	int64_t     log_end_offset;
	int32_t     last_epoch;
};

/* --- from the controller -------------------------------------------------------------------------------------------------------- */
struct partition_role {
	struct msg  msg;
	int32_t     leader, leader_epoch, controller_epoch, partition_epoch;	/* leader -1: none */
	bool        is_new;			/* the replica is just being created */
	bool        is_recovering;		/* elected uncleanly (leader recovery state 1) */
	bool        is_gone;			/* this broker is none of the replicas any more; `leader` is another then */
	struct uuid topic_id;			/* zero: unknown */
	int32_t     replicas[REPLICAS_MAX], isr[REPLICAS_MAX], adding[REPLICAS_MAX], removing[REPLICAS_MAX];
	int32_t     replica_count, isr_count, adding_count, removing_count;
	/* answer */
	enum kafka_error error;			/* NONE (also when partition_epoch is older than the one in force: nothing done); STALE_CONTROLLER_EPOCH (leader epoch not
						 * newer); KAFKA_STORAGE_ERROR; INCONSISTENT_TOPIC_ID; UNKNOWN_TOPIC_OR_PARTITION (not one of the replicas) */
	bool        is_changed;			/* a new leader epoch is in force: fetching stops, or starts anew from here: */
	int64_t     log_end_offset, high_watermark;
	int32_t     last_epoch;			/* latest in the epoch cache, -1: none */
};

/* For a coordinator that lives here: these topics were deleted. Without one it is answered all the same. */
struct partition_topics_gone {
	struct msg          msg;
	const struct slice *topics;
	int32_t             count;
};

struct partition_config {
	struct msg  msg;
	struct topic_config config;
};

/* The log directory has failed: the log is closed as it is, everything from here on is answered KAFKA_STORAGE_ERROR. */
struct partition_offline {
	struct msg  msg;
};

/*
 * The replica is to live in another log directory: README.md, "Moving to another directory". Answered at once; that it has moved is told by PARTITION_MOVED. Asked to be where
 * it is, a move that is under way ends; one to yet another directory begins anew.
 */
struct partition_move {
	struct msg     msg;
	struct logdir *dir;
	enum kafka_error error;			/* NONE, KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION (the name of the copy would be too long) */
};

enum partition_stop_how { STOP_CLEAN, STOP_DELETE, STOP_ABANDON };	/* close cleanly; delete the replica; leave as a crash would */
struct partition_stop {
	struct msg  msg;
	enum partition_stop_how how;
	enum err    result;	/* after this answer the actor ends by itself: join it */
};

/* --- to the controller of this broker --------------------------------------------------------------------------------------------- */

/*
 * The leader wishes the in-sync set changed (AlterPartition, or the state node where the protocol version is older). One is out per partition at most; it is answered when
 * the outcome is known, or when it no longer matters. What follows from each error: replication.md section 7.
 */
struct partition_isr_change {
	struct msg  msg;			/* kind PARTITION_ISR_CHANGE */
	/* question */
	struct partition_addr *partition;	/* a reference the asker holds until the answer */
	int32_t     leader_epoch, partition_epoch;
	int32_t     isr[REPLICAS_MAX];
	int32_t     isr_count;
	/* answer */
	enum kafka_error error;
	int32_t     leader, new_leader_epoch, new_partition_epoch;	/* with NONE */
	int32_t     new_isr[REPLICAS_MAX];
	int32_t     new_isr_count;
	struct list wait;			/* the controller's while it has it */
};

/* A log directory has failed: told once per replica that met it, and by the upkeep of the directories. */
struct partition_dir_failed {
	struct msg     msg;			/* kind PARTITION_DIR_FAILED */
	struct logdir *dir;
};

/* The replica lives in this directory from now on. Each is one's own, and home before the replica can stop. */
struct partition_moved {
	struct msg             msg;		/* kind PARTITION_MOVED */
	struct partition_addr *partition;
	struct logdir         *dir;
};

#endif
