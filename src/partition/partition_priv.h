/*
 * The owner's side of a partition: what partition.c, _append.c, _read.c, _offsets.c, _role.c, _isr.c, _follow.c and _flush.c share. Nobody else includes this.
 */
#ifndef SKEIN_PARTITION_PRIV_H
#define SKEIN_PARTITION_PRIV_H

#include "base/list.h"
#include "partition/partition.h"

#define PARTITION_DRAIN_MAX 512		/* questions per step: bounds how long a timer or a job's answer waits */
#define PARTITION_REST_MS   10000	/* idle for so long: descriptors are given back */
#define PARTITION_SPARE_MS  100		/* until those that others need are looked at again, which a reader has not brought back yet */
#define PARTITION_MAGIC     0x70617274u

struct partition_flush_job {
	struct job       job;		/* run by a worker, home is the partition */
	struct log_flush flush;
	bool             is_out, has_turn;
};

struct partition_lookup_job {		/* one at a time, as for flushes */
	struct job                     job;
	struct log_time_lookup         lookup;
	struct partition_list_offsets *question;	/* for whom; NULL: answered meanwhile */
	bool                           is_out;
};

/* One replica besides this one, or this one itself, as a leader sees it: replication.md calls it a remote record. */
struct partition_member {
	int32_t broker_id;
	bool    is_replica;		/* in the assignment: only such count for the high watermark */
	bool    is_in_sync;		/* in the committed set */
	bool    is_joining, is_leaving;	/* by the change that is asked for */
	bool    is_live;		/* as its last fetch told; false after the controller has refused it */
	int64_t log_end_offset;		/* where its last fetch began: all below is in its log; -1 unknown */
	int64_t log_start_offset;	/* -1 unknown */
	int64_t leader_end_offset;	/* ours at its last fetch; -1 */
	mono_ms fetched, caught_up;	/* its last fetch; when it was last known to hold all we had. MONO_LONG_AGO: never */
};
#define MONO_LONG_AGO (INT64_MIN / 2)

/* The in-sync set of a leader: committed is what the coordination store holds. */
enum partition_isr_state {
	ISR_COMMITTED,		/* nothing is asked for */
	ISR_ASKED,		/* a change is at the controller, or goes there again when resend_due comes */
	ISR_UNSURE,		/* which set is in force cannot be known: the change stays pending until the next role */
};
struct partition_isr {
	enum partition_isr_state state;
	mono_ms resend_due;	/* MONO_NEVER: the change is out */
	mono_ms check_due;	/* of the members that fall behind; MONO_NEVER: nobody can */
	int64_t even_end;	/* the log's end when last all in sync were there, which they still are: -1: they are not */
	int     count;
	struct partition_member members[];
};

struct partition_copy;			/* partition_move.c */
struct partition_purge;			/* partition_retain.c */
struct partition_clean;			/* partition_clean.c */
struct partition_held { ck_stack_entry_t *first, *last; };	/* messages, by their links */

struct partition {
	struct actor           actor;
	uint32_t               magic;
	struct partition_addr *addr;
	struct partition_spec  spec;
	struct topic_config    config;
	char                   dir[512];
	struct log            *log;		/* NULL: not opened, offline, or stopped */
	enum kafka_error       refusal;		/* what every question gets while log is NULL: NOT_LEADER_OR_FOLLOWER before a role, KAFKA_STORAGE_ERROR */

	/* role, as the controller last said */
	bool                   has_role;
	int32_t                leader, leader_epoch, controller_epoch, partition_epoch;
	int64_t                epoch_start_offset;	/* log end when this leader's epoch began */
	int32_t                replica_count;		/* assigned, also those being added */
	/* Of the committed set; of the maximal one, with those about to join; of those in sync whatever becomes of the change under way. 0 on a follower. */
	int32_t                isr_count, isr_count_max, isr_count_sure;
	struct partition_isr  *isr;			/* NULL: this replica is the only one, or it follows */
	struct partition_isr_change *change;		/* allocated when first needed; one is out at most */
	bool                   is_change_out, is_change_current;	/* current: of the role in force */
	const struct partition_hook *hook;	/* NULL: none for this topic */
	bool                   is_elected;	/* the hook was told so, and not the contrary yet */
	int                    hook_out;	/* appends and jobs of the hook that are not home yet */
	mono_ms                hook_due;
	struct partition_dir_failed *dir_failed;	/* NULL: nothing to tell, or told and home again */

	/* appends collected in this step, written together */
	struct partition_append *batch[LOG_APPEND_MAX];
	int                    batch_count;

	struct list            waiting;		/* partition_append by need_offset, ascending: acks=all, and acks=1 that wants a sync */
	struct list            watches;		/* partition_watch, lent until there is news */

	struct list            deletions;	/* partition_delete_records, until all replicas have followed */

	struct list            lookups;		/* partition_list_offsets by time that wait for the job before theirs */
	struct partition_lookup_job lookup;

	struct partition_flush_job flush;
	bool                   flush_wanted;	/* somebody waits for a sync */
	bool                   flush_wished;	/* of all there is, and nobody waits */
	mono_ms                flush_retry;	/* not before: the last one found the disk full */
	mono_ms                flush_due;	/* flush.ms; MONO_NEVER when everything is synced */
	mono_ms                flush_turn;	/* not before, what nobody waits for; MONO_NEVER: it has asked for no turn */
	int64_t                marked_base, marked_size;	/* of the segment and its bytes for which a progress mark was asked */
	unsigned               unwritten;	/* CHECKPOINT_*: to be asked of the writer when what they say is published */
	mono_ms                rest_due;	/* when it counts as idle */
	bool                   is_damage_told;	/* damaged bytes were met by a read: one log line, not one per fetch */
	bool                   is_full;		/* the last append met ENOSPC: one log line per period, not one per refusal */
	enum kafka_error       excuse;		/* partition_append.c: with what a gap is answered until then; 0: no append was refused so */
	mono_ms                excuses_until;

	struct partition_copy *copy;		/* of a move under way; NULL */
	int                    copies_out;	/* jobs of copies, also of given-up ones */
	struct partition_held  held, held_answers;	/* questions, and the hook's messages come home, while a swap has the log */
	int                    moved_out;	/* partition_moved that are not home yet */

	mono_ms                retain_due;	/* when old records are looked for */
	mono_ms                purge_due;	/* when .deleted files are to go; MONO_NEVER: there are none */
	struct partition_purge *purge;		/* a worker removes them; NULL */

	struct partition_clean *clean;		/* a pass of the cleaner; NULL */
	mono_ms                clean_due;	/* when the log is looked at; MONO_NEVER: when something has changed */
	mono_ms                clean_looked;	/* the last look, or the begin */
	int64_t                clean_seen;	/* the recovery point when the last look found nothing to do; -1 */
	bool                   is_uncleanable;	/* the cleaner has met what it cannot read */

	struct partition_stop *stop;		/* asked to end; answered when nothing of ours is out any more */
};

static inline void partition_count(uint64_t *counter, uint64_t n)	/* of the address: written here only, read by anyone */
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline bool partition_leads(const struct partition *p)
{
	return p->has_role && p->leader == p->spec.broker_id;
}

/* Jobs that hold something of the log, other than an open file: before they are home it can neither be closed for good nor be swapped for its copy. Whoever adds a job of another kind adds it here, and
 * begins none while partition_copy_wants_log. Not those of hooks, which read files; nor their appends, which may wait for a sync. */
static inline bool partition_has_lent_log(const struct partition *p)
{
	return p->flush.is_out || p->lookup.is_out || p->clean != NULL;
}

/* The log may be used: it is open, and its directory has not failed (a flush that is out keeps a failed log in memory). */
static inline bool partition_is_usable(const struct partition *p)
{
	return p->log != NULL && p->refusal != KAFKA_STORAGE_ERROR;
}

/* partition.c */
void partition_publish(struct partition *p);			/* copies the offsets to the address where they changed */
void partition_storage_failed(struct partition *p, const char *what, enum err e);	/* takes the log directory offline, answers all that waits */
void partition_tell_dir_failed(struct partition *p, struct logdir *dir);
bool partition_is_of_topic(const struct partition *p, struct uuid topic_id);	/* or one of the two ids is not known */

/* partition_append.c */
void partition_on_append(struct partition *p, struct partition_append *m);
void partition_write_batch(struct partition *p, mono_ms now);	/* writes what was collected */
void partition_answer_waiting(struct partition *p, mono_ms now);	/* those whose condition holds or whose deadline has come */
void partition_fail_waiting(struct partition *p, enum kafka_error error);
mono_ms partition_waiting_deadline(const struct partition *p);

/* partition_read.c */
void partition_on_read(struct partition *p, struct partition_read *m);
void partition_on_watch(struct partition *p, struct partition_watch *m);
void partition_on_epoch_end(struct partition *p, struct partition_epoch_end *m);
void partition_on_describe(struct partition *p, struct partition_describe *m);
void partition_answer_watches(struct partition *p);		/* those with news */
void partition_drop_watches(struct partition *p);		/* all of them */
int64_t partition_read_bound(const struct partition *p, int32_t replica_id, enum isolation isolation);	/* what this asker may see ends here */
/* Does what the error demands, and says what the asker is told. */
enum kafka_error partition_read_failed(struct partition *p, const char *what, enum err e);

/* partition_offsets.c */
void partition_on_list_offsets(struct partition *p, struct partition_list_offsets *m);
void partition_look_up_next(struct partition *p);		/* gives the next look-up by time to a worker when none is out */
void partition_on_lookup_home(struct partition *p);
void partition_fail_lookups(struct partition *p, enum kafka_error error);

/* partition_role.c */
void partition_on_role(struct partition *p, struct partition_role *m);
void partition_hook_elected(struct partition *p);
void partition_hook_resigned(struct partition *p);		/* no effect where it does not lead */
bool partition_hook_asked(struct partition *p, struct msg *m);	/* false: not of a kind that a hook may know */
void partition_on_topics_gone(struct partition *p, struct partition_topics_gone *m);
void partition_on_config(struct partition *p, struct partition_config *m);
void partition_on_stop(struct partition *p, struct partition_stop *m);
bool partition_finish_stop(struct partition *p);		/* true when the stop was answered in this call */
/* Kafka's order: epoch first, then leadership. NONE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER. */
enum kafka_error partition_check_leader(const struct partition *p, int32_t current_leader_epoch, bool must_lead);

/* partition_isr.c */
/* The members of a new role; what is known of them is kept while this replica goes on leading. */
void partition_isr_begin(struct partition *p, const struct partition_role *role, bool goes_on, mono_ms now);
void partition_isr_end(struct partition *p);			/* it follows now, or ends */
bool partition_isr_has_replica(const struct partition *p, int32_t broker_id);	/* besides this one */
void partition_isr_fetched(struct partition *p, const struct partition_read *m, int64_t leader_end_offset);
void partition_raise_high_watermark(struct partition *p);	/* from the in-sync set */
void partition_isr_upkeep(struct partition *p, mono_ms now);
mono_ms partition_isr_deadline(const struct partition *p);
void partition_on_isr_change_home(struct partition *p);
void partition_isr_choices(const struct partition *p, struct partition_read *m);
/* The smallest log start of this replica and of those that live; -1: one has not told its yet. */
int64_t partition_isr_low_watermark(const struct partition *p, const int32_t *live, int32_t live_count);
int32_t partition_isr_min(const struct partition *p);		/* min.insync.replicas, but never more than there are replicas */

/* partition_follow.c */
void partition_on_replicate(struct partition *p, struct partition_replicate *m);
void partition_on_truncate(struct partition *p, struct partition_truncate *m);

/* partition_delete_records.c */
void partition_on_delete_records(struct partition *p, struct partition_delete_records *m);
void partition_answer_deletions(struct partition *p, mono_ms now);	/* those whose replicas have followed or whose deadline has come */
void partition_fail_deletions(struct partition *p, enum kafka_error error);
mono_ms partition_deletions_deadline(const struct partition *p);

/* partition_flush.c */
bool partition_is_durable(const struct partition *p, int64_t offset);
void partition_flush_all(struct partition *p);		/* the set has come down to this replica */
void partition_flush_if_wanted(struct partition *p, mono_ms now);
mono_ms partition_flush_deadline(const struct partition *p);	/* when the next flush is to begin */
void partition_on_flush_home(struct partition *p);

/* partition_retain.c */
void partition_retain_begin(struct partition *p, mono_ms now);
void partition_retain_upkeep(struct partition *p, mono_ms now);	/* looks for old records when it is time to */
void partition_remove_below_start(struct partition *p);		/* files that are not needed any more, as far as the recovery point allows */
mono_ms partition_retain_deadline(const struct partition *p);
bool partition_purge_on_home(struct partition *p, struct msg *m);	/* false: not its message */
/* Files that were renamed to .deleted are to go after file.delete.delay.ms. */
void partition_purge_later(struct partition *p);

/* partition_clean.c */
void partition_clean_begin(struct partition *p);
void partition_clean_upkeep(struct partition *p, mono_ms now);	/* looks for dirt when it is time to, and goes on with a pass; also while a swap waits for the log */
mono_ms partition_clean_deadline(const struct partition *p);
bool partition_clean_on_home(struct partition *p, struct msg *m);	/* false: not its message */
void partition_clean_drop(struct partition *p);			/* the log is about to be closed; a slice that is out ends the pass when it is home */
/* Before the log is cut, or its replica deleted (to 0): no checkpoint says any more that what comes there again has been cleaned. */
enum err partition_clean_will_cut(struct partition *p, int64_t to) MUST_CHECK;
void partition_clean_moved(struct partition *p);		/* to another log directory: both checkpoints are due */

/* partition_move.c */
void partition_on_move(struct partition *p, struct partition_move *m);
void partition_copy_resume(struct partition *p);		/* after the log was opened: what an earlier process has left */
void partition_copy_upkeep(struct partition *p, mono_ms now);	/* the next piece, or the swap */
mono_ms partition_copy_deadline(const struct partition *p);
bool partition_copy_has_log(const struct partition *p);	/* the swap is under way: the log is not the partition's */
bool partition_copy_wants_log(const struct partition *p);	/* the swap is due: nobody else is to begin anything with the log */
void partition_copy_cut(struct partition *p);			/* the log was truncated */
bool partition_copy_on_home(struct partition *p, struct msg *m);	/* false: none of its messages */
void partition_copy_leave(struct partition *p);			/* the log has failed; the files of the copy stay */
enum err partition_copy_stop(struct partition *p, enum partition_stop_how how);	/* nothing is out any more */
void partition_copy_publish(struct partition *p);

#endif
