/*
 * Making the log durable without waiting for it: one fdatasync, run by a worker, serves everything that arrived while the last one ran.
 *
 * A failed sync is never retried: the kernel may have dropped the dirty pages and would call the next one a success. The log directory goes offline.
 */
#include "partition/partition_priv.h"

#define FLUSH_RETRY_MS 500	/* after a disk was too full for the small files */
#define TURN_MS        2	/* between flushes that nobody waits for: a fast device is not busy with them, and ... */
#define TURNS_AT_ONCE  2	/* ... a slow one is left to others, as workers are */

bool partition_is_durable(const struct partition *p, int64_t offset)
{
	return log_synced_offset(p->log) >= offset;
}

/* What was promised by a larger set now rests on this replica alone: all of it, before the next acks=all answer counts on it. */
void partition_flush_all(struct partition *p)
{
	if (p->spec.flush_acks == FLUSH_ACKS_NEVER)
		return;
	p->flush_wished = true;
	p->flush_wanted = p->flush_wanted || !list_empty(&p->waiting);	/* who comes later asks for itself */
}

static void flush_run(struct job *j)
{
	log_flush_run(&CONTAINER_OF(j, struct partition_flush_job, job)->flush);
}

static bool flush_is_due(struct partition *p, mono_ms now)
{
	int64_t unsynced = log_end_offset(p->log) - log_synced_offset(p->log);

	if (unsynced == 0) {
		p->flush_due = MONO_NEVER;
		return false;
	}
	if (unsynced >= p->config.flush_messages)
		return true;
	if (p->config.flush_ms == INT64_MAX)
		return false;
	if (p->flush_due == MONO_NEVER)
		p->flush_due = now + p->config.flush_ms;
	return now >= p->flush_due;
}

static mono_ms take_turn(struct partition_flush_turns *t, mono_ms now)
{
	mono_ms next = __atomic_load_n(&t->next, __ATOMIC_RELAXED), turn;

	do {
		turn = MAX(next, now);
	} while (!__atomic_compare_exchange_n(&t->next, &next, turn + TURN_MS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return turn;
}

/* What nobody waits for: the log's own wish, or that all of it be safe. */
static bool wish_has_its_turn(struct partition *p, mono_ms now)
{
	struct partition_flush_turns *t = p->spec.flush_turns;

	if (!p->flush_wished && !log_wants_flush(p->log)) {
		p->flush_turn = MONO_NEVER;
		return false;
	}
	if (t == NULL)
		return true;
	if (p->flush_turn == MONO_NEVER)
		p->flush_turn = take_turn(t, now);
	if (now >= p->flush_turn && __atomic_load_n(&t->out, __ATOMIC_RELAXED) >= TURNS_AT_ONCE)
		p->flush_turn = take_turn(t, now + TURN_MS);
	return now >= p->flush_turn;
}

static void end_turn(struct partition *p)
{
	if (p->flush.has_turn)
		__atomic_sub_fetch(&p->spec.flush_turns->out, 1, __ATOMIC_RELAXED);
	p->flush.has_turn = false;
}

void partition_flush_if_wanted(struct partition *p, mono_ms now)
{
	if (p->flush.is_out || partition_copy_wants_log(p) || now < p->flush_retry)
		return;
	bool is_awaited = p->flush_wanted || flush_is_due(p, now);
	if (!is_awaited && !wish_has_its_turn(p, now))
		return;
	p->flush_wanted = p->flush_wished = false;
	p->flush_due = p->flush_turn = MONO_NEVER;
	if (!log_flush_begin(p->log, &p->flush.flush))
		return;
	p->flush.has_turn = !is_awaited && p->spec.flush_turns != NULL;
	if (p->flush.has_turn)
		__atomic_add_fetch(&p->spec.flush_turns->out, 1, __ATOMIC_RELAXED);
	msg_init(&p->flush.job.msg, PARTITION_job, &p->actor);
	p->flush.job.run = flush_run;
	p->flush.is_out = true;
	workers_submit(p->spec.workers, &p->actor, &p->flush.job);
}

mono_ms partition_flush_deadline(const struct partition *p)
{
	if (p->flush.is_out || partition_copy_wants_log(p))
		return MONO_NEVER;	/* its coming home, or that of what the swap waits for, is a wake */
	return MIN(p->flush_due, p->flush_wanted ? p->flush_retry : p->flush_turn);
}

/* Does anything parked still need a sync? */
static bool flush_is_awaited(const struct partition *p)
{
	if (list_empty(&p->waiting) || p->spec.flush_acks == FLUSH_ACKS_NEVER)
		return false;
	int64_t furthest = LIST_ENTRY(p->waiting.prev, struct partition_append, wait)->need_offset;

	return !partition_is_durable(p, furthest) && (p->spec.flush_acks == FLUSH_ACKS_ALWAYS || p->isr_count_sure < 2);
}

void partition_on_flush_home(struct partition *p)
{
	p->flush.is_out = false;
	end_turn(p);
	enum err e = log_flush_end(p->log, &p->flush.flush);
	if (p->refusal == KAFKA_STORAGE_ERROR) {	/* the directory failed meanwhile */
		log_close(&p->log);
		return;
	}
	if (err_is_passing(e)) {	/* what small files are owed finds no room: nothing is lost, it is tried again */
		if (!p->is_full)
			LOG_WARN(&p->actor.log, disk_full, KV_STR("dir", p->dir), KV_ERR(e));
		p->is_full = true;
		p->flush_wanted = true;
		p->flush_retry = os_mono_ms(p->spec.log.os) + FLUSH_RETRY_MS;
		return;
	}
	if (e != OK) {
		partition_storage_failed(p, "sync", e);
		return;
	}
	p->flush_wanted = p->flush_wanted || flush_is_awaited(p);
	p->flush_wished = p->flush_wished || p->flush.flush.has_more;
	partition_remove_below_start(p);	/* the recovery point may have passed them now */
}
