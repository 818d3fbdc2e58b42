/*
 * Making the log durable without waiting for it: one fdatasync, run by a worker, serves everything that arrived while the last one ran.
 *
 * A failed sync is never retried: the kernel may have dropped the dirty pages and would call the next one a success. The log directory goes offline.
 */
#include "partition/partition_priv.h"

#define FLUSH_RETRY_MS 500	/* after a disk was too full for the small files */

bool partition_is_durable(const struct partition *p, int64_t offset)
{
	return log_synced_offset(p->log) >= offset;
}

/* What was promised by a larger set now rests on this replica alone: all of it, before the next acks=all answer counts on it. */
void partition_flush_all(struct partition *p)
{
	if (p->spec.flush_acks != FLUSH_ACKS_NEVER)
		p->flush_wanted = true;
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

void partition_flush_if_wanted(struct partition *p, mono_ms now)
{
	if (p->flush.is_out || partition_copy_wants_log(p) || now < p->flush_retry || (!p->flush_wanted && !log_wants_flush(p->log) && !flush_is_due(p, now)))
		return;
	p->flush_wanted = false;
	p->flush_due = MONO_NEVER;
	if (!log_flush_begin(p->log, &p->flush.flush))
		return;
	msg_init(&p->flush.job.msg, PARTITION_job, &p->actor);
	p->flush.job.run = flush_run;
	p->flush.is_out = true;
	workers_submit(p->spec.workers, &p->actor, &p->flush.job);
}

mono_ms partition_flush_deadline(const struct partition *p)
{
	if (p->flush.is_out || partition_copy_wants_log(p))
		return MONO_NEVER;	/* its coming home, or that of what the swap waits for, is a wake */
	return p->flush_wanted ? MIN(p->flush_due, p->flush_retry) : p->flush_due;
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
	p->flush_wanted = p->flush_wanted || p->flush.flush.has_more || flush_is_awaited(p);
	partition_remove_below_start(p);	/* the recovery point may have passed them now */
}
