/*
 * What becomes of old records: every log.retention.check.interval.ms segments that are too old or too many go out of the log, and producers that have been silent for too long out of
 * its memory. Leaders and followers alike, each for its own log, as in Kafka.
 *
 * The files are renamed here, and unlinked by a worker after file.delete.delay.ms. The delay is for people who look into the directory: readers hold descriptors.
 */
#include <stdlib.h>

#include "partition/partition_priv.h"
#include "storage/logdir.h"

#define FIRST_CHECK_MS 30000	/* after a start, when the interval is longer: as Kafka */

struct partition_purge {
	struct job job;
	struct os *os;
	enum err   result;
	char       dir[512];
};

void partition_retain_begin(struct partition *p, mono_ms now)
{
	p->purge_due = p->retain_due = MONO_NEVER;
	if (p->spec.retention_check_interval_ms > 0)
		p->retain_due = now + MIN(p->spec.retention_check_interval_ms, FIRST_CHECK_MS);
}

static void purge_run(struct job *j)
{
	struct partition_purge *g = CONTAINER_OF(j, struct partition_purge, job);

	g->result = logdir_purge_files(g->os, g->dir);
}

static void begin_purge(struct partition *p)
{
	p->purge_due = MONO_NEVER;
	p->purge = mem_calloc(1, sizeof(*p->purge));
	p->purge->os = p->spec.log.os;
	memcpy(p->purge->dir, p->dir, sizeof(p->purge->dir));
	msg_init(&p->purge->job.msg, PARTITION_job, &p->actor);
	p->purge->job.run = purge_run;
	workers_submit(p->spec.workers, &p->actor, &p->purge->job);
}

bool partition_purge_on_home(struct partition *p, struct msg *m)
{
	if (p->purge == NULL || m != &p->purge->job.msg)
		return false;
	if (p->purge->result != OK)
		LOG_WARN(&p->actor.log, purge_failed, KV_STR("path", p->purge->dir), KV_ERR(p->purge->result));
	free(p->purge);
	p->purge = NULL;
	return true;
}

void partition_purge_later(struct partition *p)
{
	p->purge_due = MIN(p->purge_due, os_mono_ms(p->spec.log.os) + MIN(p->config.file_delete_delay_ms, INT32_MAX));
}

static void take_result(struct partition *p, enum err e, int removed)
{
	if (removed > 0) {
		LOG_INFO(&p->actor.log, segments_removed, KV_I32("count", removed), KV_I64("start", log_start_offset(p->log)));
		partition_purge_later(p);
	}
	if (e != OK && !err_is_passing(e))
		partition_storage_failed(p, "retention", e);
}

void partition_remove_below_start(struct partition *p)
{
	int removed = 0;
	enum err e = log_remove_segments_below_start(p->log, &removed);

	take_result(p, e, removed);
}

void partition_retain_upkeep(struct partition *p, mono_ms now)
{
	int removed = 0;

	if (now >= p->purge_due && p->purge == NULL)
		begin_purge(p);
	if (now < p->retain_due)
		return;
	p->retain_due = now + p->spec.retention_check_interval_ms;
	time_ms time = os_time_ms(p->spec.log.os);
	enum err e = log_retain(p->log, time, &removed);

	take_result(p, e, removed);
	if (!partition_is_usable(p))
		return;
	log_expire_producers(p->log, time);
	if (p->rest_due == MONO_NEVER && !p->flush.is_out)	/* it has been at rest, and is again: the look may have opened files */
		log_release_files(p->log);
}

mono_ms partition_retain_deadline(const struct partition *p)
{
	if (partition_copy_wants_log(p))
		return MONO_NEVER;	/* the end of the swap is a wake */
	return p->purge == NULL ? MIN(p->retain_due, p->purge_due) : p->retain_due;
}
