/*
 * One partition actor on a simulated machine, and a desk that asks it questions.
 *
 * The desk is an actor of its own: a test hands it questions, which it sends in their order in its next step, and each comes back
 * with a number that tells the order of the answers.
 */
#ifndef SKEIN_TESTS_PARTITION_RIG_H
#define SKEIN_TESTS_PARTITION_RIG_H

#include "os/sim.h"
#include "partition/partition.h"
#include "record/build.h"
#include "storage/logdir.h"

#define RIG_BROKER  0
#define RIG_DIR     "/data"
#define RIG_DIR_2   "/data2"
#define RIG_DIRS    2
#define RIG_QUEUE   512

/* One question with all that it borrows. On the test's stack or heap until it is home. */
struct ask {
	union {
		struct msg                    msg;
		struct partition_append       append;
		struct partition_read         read;
		struct partition_watch        watch;
		struct partition_list_offsets list;
		struct partition_epoch_end    epoch_end;
		struct partition_describe     describe;
		struct partition_delete_records delete_records;
		struct partition_replicate    replicate;
		struct partition_truncate     truncate;
		struct partition_role         role;
		struct partition_offline      offline;
		struct partition_config       config;
		struct partition_move         move;
		struct partition_stop         stop;
		uint8_t                       other[1024];	/* a question of another module's */
	};
	int     order;		/* 0: not home yet; else the how-many-th answer it was */
	mono_ms answered_at;
	bool    was_declined;	/* the partition had stopped: never sent */
	uint8_t batch[512];
};

/* For what is stated often: Check writes to a file at each of its own statements. */
#define rig_expect_msg(condition, ...) do { \
	if (UNLIKELY(!(condition))) \
		ck_abort_msg(__VA_ARGS__); \
} while (0)
#define rig_expect(condition) rig_expect_msg(condition, "%s", #condition)

struct rig {
	struct sim_os         *sim;
	struct os             *os;
	struct sched          *sched;
	struct workers        *workers;
	struct log_source      source;
	struct topic_config    config;
	enum flush_acks        flush_acks;
	struct uuid            topic_id;
	int32_t                broker_id;
	int64_t                lag_ms;		/* replica.lag.time.max.ms */
	struct actor          *controller;	/* whom the partition asks; NULL at the start: nobody */
	const struct partition_hook *hooks;
	int                    hook_count;
	bool                   has_two_dirs;	/* set before rig_up: the replica may move */
	struct logdir         *dirs[RIG_DIRS];
	struct partition_movers movers;
	bool                   has_cleaners;	/* set before rig_up: its log is compacted when the topic says so */
	struct partition_cleaners cleaners;
	struct partition_flush_turns flush_turns;	/* as if there were others */
	struct partition_writer writer;		/* what the partition wants written; nobody does, but rig_checkpoint at a test's word */
	int                    swaps_settled;	/* the replica was found twice */
	struct logdir         *dir;		/* where it was when it came up; NULL: down */
	struct partition_addr *addr;
	struct actor           desk;
	struct ask            *queue[RIG_QUEUE];	/* not sent yet */
	int                    queued, answered;
	mono_ms                alarm;		/* the desk wakes then: time does not pass by unseen */
};

void rig_init(struct rig *r, uint64_t seed);
/* Another machine in the same simulation: of the same network and clock, stepped with the first one's actors; ends before it. */
void rig_init_beside(struct rig *r, struct rig *first, int32_t broker_id, uint64_t seed);
void rig_fini(struct rig *r);			/* after rig_down */

/* Opens the log directory and starts the partition from what its files say. An error only when the machine dies or the files are damaged. */
enum err rig_up(struct rig *r) MUST_CHECK;
/* Stops the partition (a dead machine: how it likes) and closes the directory, with the marker after STOP_CLEAN. Every question is home then. */
void     rig_down(struct rig *r, enum partition_stop_how how);
/* As upkeep does: recovery points, log starts, high watermarks, marks. */
enum err rig_checkpoint(struct rig *r) MUST_CHECK;

void rig_ask(struct rig *r, struct ask *a);
void rig_wait(struct rig *r, struct ask *a);	/* until a is home; fails the test when it never comes */
void rig_wait_all(struct rig *r);		/* until nothing is out */
void rig_pass(struct rig *r, mono_ms ms);	/* lets so much time pass */
void rig_run(struct rig *r, int steps);		/* the clock may go to the next deadline, however far */
void rig_rests(struct rig *r);			/* an hour without a question costs the partition next to no step */
/* Until the actors have nothing to do but wait for the clock; questions may be parked then. */
void rig_settle(struct rig *r);

/* Fill a question in. The batch has n records of 20 bytes. */
struct ask *ask_append(struct ask *a, int16_t acks, int32_t timeout_ms, int n);
struct ask *ask_append_as(struct ask *a, int16_t acks, int32_t timeout_ms, int n, int64_t producer_id, int32_t sequence);
struct ask *ask_read(struct ask *a, int64_t offset, uint32_t max_bytes);
struct ask *ask_watch(struct ask *a, const struct rig *r);	/* has seen what is published now */
struct ask *ask_role(struct ask *a, int32_t leader, int32_t epoch, int32_t isr_count);	/* replicas 0, 1; isr the first of them */
struct ask *ask_move(struct ask *a, struct logdir *dir);
struct ask *ask_list(struct ask *a, int64_t timestamp);

/* Leads with this epoch, alone; the first sync is over. */
void rig_lead(struct rig *r, int32_t epoch);

/* The log's bytes from offset to its end, checked: whole batches, CRCs, offsets that ascend. each may be NULL. Returns the number of batches. */
int rig_read_all(struct rig *r, int64_t offset, void (*each)(void *arg, struct slice batch), void *arg);

#endif
