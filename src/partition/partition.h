/*
 * A partition is the actor that owns one replica: its log, role, high watermark, in-sync set and everything that waits on them.
 * Others hold a counted address: the inbox and the offsets published as atomics, by which a reader without news is spared a message.
 */
#ifndef SKEIN_PARTITION_H
#define SKEIN_PARTITION_H

#include "base/counted.h"
#include "base/throttle.h"
#include "partition/partition_msg.h"

/* Which flush rule stands before an answer: log.flush.acks. */

struct partition;		/* the owner's side, private */

/* Known mistakes of replication's history, which the simulations must find; each is made by a follower but the last, which both sides make. Set by tests only. */
enum partition_mutant {
	PARTITION_MUTANT_NONE,
	PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK,	/* before KIP-101: a follower cuts to its own high watermark */
	PARTITION_MUTANT_IGNORE_RETURNED_EPOCH,		/* before KIP-279: only the end offset of the leader's answer is looked at */
	PARTITION_MUTANT_NO_VALIDATION,			/* before KIP-320: after a change of leader it goes on fetching where it was */
};
extern enum partition_mutant partition_mutant_for_tests;

/* The address: counted; stays valid after the partition has stopped (questions are then answered KAFKA_STORAGE_ERROR or NOT_LEADER by the
 * asker itself, see partition_is_open). One writer: the partition. Read with the accessors below by anyone. */
struct partition_addr {
	struct counted counted;
	struct actor  *actor;		/* NULL once stopped; use partition_ask */
	const char    *topic;
	int32_t        partition;
	struct uuid    topic_id;
	/* published: relaxed single values, each monotonic in itself within one leader epoch; a reader that needs them together asks */
	int64_t        log_start_offset, high_watermark, last_stable_offset, log_end_offset, recovery_point, size_bytes;
	int32_t        leader_epoch;
	int32_t        leader_id;
	int32_t        isr_count;	/* committed; 0 where the replica follows */
	int32_t        replica_count;
	int64_t        first_segment_base;
	/* for metrics; only ever grow. What went out is counted by those who send it, several threads. */
	uint64_t       records_in, bytes_in;	/* appended by clients here */
	uint64_t       isr_shrinks, isr_expands;
	uint64_t       bytes_out, replication_bytes_out;
	int64_t        dirty_offset;	/* storage/log_clean.h */
	bool           is_leader, is_open, is_offline;
	bool           is_full;		/* the last append was refused for want of room */
	bool           has_log;		/* the offsets above are a log's; false while it is still being opened */
	bool           is_of_another_topic;	/* the log that was found has another topic's id, and was not opened */
	/* the progress mark, several values that belong together: odd while it is written, readers look again */
	uint32_t       mark_sequence;
	struct log_progress_mark mark;
	struct logdir *dir;		/* where the replica lives: partition_dir; NULL in tests */
	struct logdir *copy_dir;	/* where it is being moved to; NULL: it is not */
	int64_t        copy_size_bytes, copy_end_offset;	/* how far that has come */
	struct partition *owner;
	void          *hook_state;	/* the hook's; nobody else looks at it */
};

/*
 * What else lives on a partition's thread: a coordinator whose state is stored in its log. Called by the partition, never at once on two threads for one partition; p is that
 * partition's address, whose hook_state is the hook's own. Each is given for one topic. None of them may wait. Those of the second group may be NULL.
 */
struct partition_hook {
	const char *topic;
	/* Leads from now on, or goes on leading with a new epoch. */
	void (*on_elected)(void *arg, struct partition_addr *p, int32_t leader_epoch);
	/* Once after the last on_elected: another leads, the log has failed, or the partition stops. */
	void (*on_resigned)(void *arg, struct partition_addr *p);
	/* Nothing comes any more, and nothing the hook has sent is out; the actor ends. Also where it never led. */
	void (*on_stop)(void *arg, struct partition_addr *p);

	/* A question of a kind that is not the partition's: struct coordinator_question. Only while elected; to be answered by actor_answer(p->actor, ...) then or later. */
	void (*on_question)(void *arg, struct partition_addr *p, struct msg *m);
	/* An append or a job of the hook's has come home, also after it has resigned. */
	void (*on_home)(void *arg, struct partition_addr *p, struct msg *m);
	/* While elected: these topics were deleted. */
	void (*on_topics_gone)(void *arg, struct partition_addr *p, const struct slice *topics, int32_t count);
	/* While elected: a transaction's marker that a coordinator of ours wrote is committed; its asker is about to be told. */
	void (*on_marker)(void *arg, struct partition_addr *p, struct slice batch);
	/* In every step while elected. When it wants the next at the latest. */
	mono_ms (*on_step)(void *arg, struct partition_addr *p, mono_ms now);
	void *arg;
};

/* Who copies for replicas that move to another log directory: one for all partitions of a broker, which it outlives. */
struct partition_movers {
	struct workers *workers;	/* their own: a copy may be long, and nobody else is to wait behind it */
	struct throttle throttle;
};

/*
 * Who compacts: one for all partitions of a broker, which it outlives. The settings follow the configuration: single values, written by one thread, read by partitions.
 */
struct partition_cleaners {
	struct workers *workers;	/* their own, as a mover's */
	struct throttle throttle;
	int32_t  threads;		/* passes at once */
	int64_t  backoff_ms, map_bytes;	/* map_bytes, io_bytes: of all passes together */
	int32_t  load_permille, io_bytes;
	uint32_t running;		/* atomic: passes under way */
};
/*
 * Who writes checkpoints and progress marks: one for all partitions of a broker. Between its rounds it is asked by partitions for what should not wait for the next: for the marks when
 * they have grown by PARTITION_MARK_BYTES, so that a start after a kill reads no more than about that of each again, however fast it was written; for the dirty offsets when a pass of the
 * cleaner has ended, so that such a start does not clean again what is clean.
 */
#define PARTITION_MARK_BYTES (64 << 20)
struct partition_writer {
	struct actor *actor;
	unsigned      wanted;		/* atomic: CHECKPOINT_*; set, and then the actor is woken */
};
/*
 * Flushes that nobody waits for take turns: after a crash, or with the first records of thousands of partitions, all logs want one at once, and whoever waits for a sync
 * would wait behind them.
 */
struct partition_flush_turns {
	mono_ms  next;			/* atomic: the next turn is not before */
	uint32_t out;			/* atomic: such flushes under way */
};
/* One thread at a time. The throttle is there already. */
void     partition_cleaners_configure(struct partition_cleaners *c, const struct broker_config *config);

/* For hooks, on the partition's thread. */
/* As if a network actor had asked, but for the epoch: in another one than the hook was elected in it is refused. m's home is p->actor. */
void     partition_hook_append(struct partition_addr *p, struct partition_append *m, int32_t leader_epoch);
/* The largest batch that may be written: the topic's max.message.bytes. Whoever builds one compares; the log itself takes what it is given. */
size_t   partition_hook_batch_max(struct partition_addr *p);
void     partition_hook_submit(struct partition_addr *p, struct job *j);	/* to a worker; j's home is p->actor */
/* What lies in the log from the offset on, to its very end: for a job that reads. */
enum err partition_hook_range(struct partition_addr *p, int64_t offset, uint32_t max_bytes, struct log_range *out) MUST_CHECK;
/* Where to go on when nothing more can be read of the segment with this offset. */
int64_t  partition_hook_next_segment(struct partition_addr *p, int64_t offset);
/* What a read of these bytes came to, as of a fetch: a device that fails takes the directory offline, and the hook resigns before this returns. */
void     partition_hook_read_failed(struct partition_addr *p, enum err e);

struct partition_spec {
	struct sched   *sched;
	struct workers *workers;
	struct log_spec log;		/* log.dir etc.; strings copied */
	struct logdir  *dir;		/* told of I/O errors (logdir_set_offline): storage/logdir.h */
	int32_t         broker_id;
	enum flush_acks flush_acks;
	int64_t         replica_lag_time_max_ms;	/* a follower that was not at the end for so long leaves the in-sync set */
	int64_t         retention_check_interval_ms;	/* 0: old records are not looked for (tests) */
	size_t          stack_bytes;
	struct partition_movers *movers;	/* NULL in tests of what does not move */
	struct partition_cleaners *cleaners;	/* NULL: nothing is compacted */
	struct partition_writer *writer;	/* NULL: all is written when it is its time only (tests) */
	struct partition_flush_turns *flush_turns;	/* of all partitions of a broker; NULL: each flushes when it wants (tests) */
	/* An unfinished copy that was found at start: the directory, and its name there (copied). NULL: none. */
	struct logdir  *copy_dir;
	const char     *copy_name;
	/* who is asked for a change of the in-sync set, and told of failed directories; NULL in tests of one replica */
	struct actor   *controller;
	const struct partition_hook *hooks;	/* of all topics that have one; they outlive the partition */
	int             hook_count;
};

/* Creates the actor and starts its thread; the log is opened as the first thing on it (or given opened by recovery). Until a role arrives every
 * question gets NOT_LEADER_OR_FOLLOWER. The caller holds one reference of *out. */
enum err partition_start(struct partition_addr **out, const struct partition_spec *spec) MUST_CHECK;
/* After the answer of a partition_stop: waits for the thread and frees the owner's side. */
void     partition_join(struct partition_addr *p);

static inline struct partition_addr *partition_addr_ref(struct partition_addr *p)
{
	counted_ref(&p->counted);
	return p;
}

static inline void partition_addr_unref(struct partition_addr **p)
{
	counted_unref(&(*p)->counted);
	*p = NULL;
}

/* False: the lane is full (the message is still the caller's) or the partition has stopped (partition_is_open tells). */
bool partition_ask(struct actor *from, struct partition_addr *to, struct msg *m) MUST_CHECK;
/* Fills m's answer in as a partition does that does not serve (any more), without sending it anywhere. */
void partition_refuse(struct msg *m, enum kafka_error error);

static inline bool    partition_is_open(const struct partition_addr *p)            { return __atomic_load_n(&p->is_open, __ATOMIC_ACQUIRE); }
static inline bool    partition_is_leader(const struct partition_addr *p)          { return __atomic_load_n(&p->is_leader, __ATOMIC_RELAXED); }
static inline int64_t partition_high_watermark(const struct partition_addr *p)     { return __atomic_load_n(&p->high_watermark, __ATOMIC_RELAXED); }
static inline int64_t partition_last_stable_offset(const struct partition_addr *p) { return __atomic_load_n(&p->last_stable_offset, __ATOMIC_RELAXED); }
static inline int64_t partition_log_end_offset(const struct partition_addr *p)     { return __atomic_load_n(&p->log_end_offset, __ATOMIC_RELAXED); }
static inline bool    partition_has_log(const struct partition_addr *p)            { return __atomic_load_n(&p->has_log, __ATOMIC_ACQUIRE); }
static inline int64_t partition_log_start_offset(const struct partition_addr *p)   { return __atomic_load_n(&p->log_start_offset, __ATOMIC_RELAXED); }
/* As its leader sees it; false where the replica follows. */
static inline bool    partition_is_under_replicated(const struct partition_addr *p)
{
	return partition_is_leader(p) && __atomic_load_n(&p->isr_count, __ATOMIC_RELAXED) < __atomic_load_n(&p->replica_count, __ATOMIC_RELAXED);
}
/* Bytes of batches were given to a consumer, or to a follower. Any thread. */
static inline void    partition_count_out(struct partition_addr *p, uint64_t bytes, bool to_follower)
{
	__atomic_fetch_add(to_follower ? &p->replication_bytes_out : &p->bytes_out, bytes, __ATOMIC_RELAXED);
}
/* After an answer of the partition. */
static inline bool    partition_is_of_another_topic(const struct partition_addr *p) { return p->is_of_another_topic; }
static inline struct logdir *partition_dir(const struct partition_addr *p)         { return __atomic_load_n(&p->dir, __ATOMIC_ACQUIRE); }
static inline int32_t partition_leader_epoch(const struct partition_addr *p)       { return __atomic_load_n(&p->leader_epoch, __ATOMIC_RELAXED); }

#endif
