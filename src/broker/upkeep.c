/*
 * Upkeep of the log directories. Owner: its own actor. The list of replicas is rebuilt from each picture; while a job is out the list belongs to the job.
 */
#include "broker/upkeep.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster/cluster_msg.h"
#include "partition/partition_checkpoint.h"
#include "partition/partition_msg.h"

enum { UPKEEP_JOB = MSG_BASE_LOGDIR };

#define PURGE_INTERVAL_MS 10000
#define ASKED_PAUSE_MS    100	/* between writes that partitions have asked for */

struct upkeep {
	struct actor            actor;
	struct upkeep_spec      spec;
	struct log_source       log;
	struct cluster         *picture;
	struct msg             *last;		/* to be answered when the job is home; NULL */
	struct actor           *controller;	/* who sends pictures */
	struct partition_dir_failed failed;
	bool                    is_telling;	/* failed is on its way */
	bool                   *is_told;	/* of each directory: that it has failed */
	/* the job: owner's while is_out is false */
	struct job              job;
	bool                    is_out;
	unsigned                what;		/* CHECKPOINT_* */
	unsigned                owed;		/* of what partitions have asked for: found no room; the next round */
	bool                    purge;
	struct cluster         *job_picture;	/* keeps the addresses alive */
	mono_ms                 watermark_due, recovery_due, starts_due, purge_due;
	mono_ms                 asked_due;	/* not before what partitions have asked for, and only if they have */
};

struct collect {
	struct partition_addr **addrs;
	int                     count, room;
};

static void collect_topic(void *arg, const struct cluster_topic *t)
{
	struct collect *c = arg;

	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i].local == NULL)
			continue;
		if (c->count == c->room) {
			c->room = MAX(64, c->room * 2);
			c->addrs = mem_realloc_array(c->addrs, (size_t)c->room, sizeof(*c->addrs));
		}
		c->addrs[c->count++] = CONTAINER_OF(t->partitions[i].local, struct partition_addr, counted);
	}
}

struct purge {
	struct upkeep *u;
	struct logdir *dir;
	time_ms        before;
};

static void purge_entry(void *arg, const struct logdir_entry *e)
{
	struct purge *p = arg;
	char path[1024];
	struct os_stat st;
	struct os *os = sched_os(p->u->spec.sched);

	if (e->kind != LOGDIR_DELETED)
		return;
	snprintf(path, sizeof(path), "%s/%s", logdir_path(p->dir), e->name);
	if (os_stat(os, path, &st) != OK || st.mtime > p->before)
		return;
	enum err r = logdir_purge(os, path);
	if (r != OK)
		LOG_WARN(&p->u->actor.log, purge_failed, KV_STR("path", path), KV_ERR(r));
}

/* On a worker. */
static void upkeep_run(struct job *j)
{
	struct upkeep *u = CONTAINER_OF(j, struct upkeep, job);
	struct collect c = { 0 };
	char problem[LOGDIR_ERROR_MAX];

	if (u->job_picture != NULL)
		cluster_each_topic(u->job_picture, collect_topic, &c);
	for (int i = 0; i < u->spec.dir_count; i++) {
		struct logdir *d = u->spec.dirs[i];
		struct purge p = { .u = u, .dir = d, .before = os_time_ms(sched_os(u->spec.sched)) - u->spec.delete_delay_ms };

		if (logdir_is_offline(d))
			continue;
		logdir_look_at_space(d);
		enum err e = (u->what & CHECKPOINT_WATERMARK) != 0 ? logdir_check_place(d) : OK;
		if (e != OK && !err_is_passing(e)) {
			logdir_set_offline(d, e, "its meta.properties: was the directory emptied, or its file system taken away?");
			continue;
		}
		e = u->job_picture != NULL ? partition_write_checkpoints(d, c.addrs, c.count, u->what) : OK;
		/* a full disk is no damage: what stands is older but right, and the next round tries again */
		if (e != OK && !err_is_passing(e))
			logdir_set_offline(d, e, "checkpoints");
		if (e != OK)
			u->owed |= u->what & CHECKPOINT_CLEANER;
		if (u->purge && logdir_scan(d, purge_entry, &p, problem) != OK)
			LOG_WARN(&u->actor.log, purge_failed, KV_STR("path", problem), KV_ERR(ERR_IO));
	}
	free(c.addrs);
}

static void upkeep_on_question(void *arg, struct msg *m)
{
	struct upkeep *u = arg;
	struct cluster_picture *p = (struct cluster_picture *)m;

	ASSERT(m->kind == CLUSTER_PICTURE);
	u->controller = m->home;
	if (u->picture != NULL)
		cluster_unref(&u->picture);
	u->picture = p->cluster;
	/* The picture without topics is the end: who gets this answer writes the directories' files himself. */
	if (u->is_out && u->picture->topic_count == 0)
		u->last = m;
	else
		actor_answer(&u->actor, m);
}

static void upkeep_on_home(void *arg, struct msg *m)
{
	struct upkeep *u = arg;

	if (m == &u->failed.msg) {
		u->is_telling = false;
		return;
	}
	ASSERT(m == &u->job.msg);
	u->is_out = false;
	if (u->job_picture != NULL)
		cluster_unref(&u->job_picture);
	if (u->last != NULL)
		actor_answer(&u->actor, u->last);
	u->last = NULL;
}

/*
 * Whoever has met a failure, a worker or the controller's own jobs: the replicas that are there go on with the files that they have open, and would meet it late or never. Nothing is told
 * before there are replicas, and nothing at the end.
 */
static void tell_failed(struct upkeep *u)
{
	for (int i = 0; i < u->spec.dir_count && !u->is_telling && u->picture != NULL && u->picture->topic_count > 0; i++) {
		if (u->is_told[i] || !logdir_is_offline(u->spec.dirs[i]))
			continue;
		msg_init(&u->failed.msg, PARTITION_DIR_FAILED, &u->actor);
		u->failed.dir = u->spec.dirs[i];
		bool is_asked = actor_ask(&u->actor, u->controller, &u->failed.msg);
		ASSERT(is_asked);	/* who has no lane is never declined */
		u->is_telling = u->is_told[i] = true;
	}
}

static bool due(mono_ms *at, mono_ms now, mono_ms interval)
{
	if (now < *at)
		return false;
	*at = now + interval;
	return true;
}

static bool has_replicas(const struct upkeep *u)
{
	return u->picture->topic_count > 0 && u->picture->has_replicas;
}

/* What partitions have asked for since it was last begun. */
static unsigned asked(struct upkeep *u, mono_ms now)
{
	unsigned what = has_replicas(u) && now >= u->asked_due ? __atomic_exchange_n(&u->spec.writer->wanted, 0, __ATOMIC_ACQ_REL) : 0;

	if (what != 0)
		u->asked_due = now + ASKED_PAUSE_MS;
	return what;
}

static int upkeep_step(struct actor *a, mono_ms now)
{
	struct upkeep *u = CONTAINER_OF(a, struct upkeep, actor);
	int work = actor_drain_answers(a, upkeep_on_home, u) + actor_drain_questions(a, 64, upkeep_on_question, u);

	if (!a->stop_wanted)
		tell_failed(u);
	if (!u->is_out && u->picture != NULL && !a->stop_wanted) {
		u->what = asked(u, now);
		if (due(&u->watermark_due, now, u->spec.watermark_interval_ms)) {
			u->what |= CHECKPOINT_WATERMARK | CHECKPOINT_MARKS | u->owed;
			u->owed = 0;
		}
		if (due(&u->recovery_due, now, u->spec.recovery_interval_ms))
			u->what |= CHECKPOINT_RECOVERY;
		if (due(&u->starts_due, now, u->spec.starts_interval_ms))
			u->what |= CHECKPOINT_STARTS;
		if (!has_replicas(u))
			u->what = 0;	/* nothing to say (yet); and at the end the last word is the controller's */
		u->purge = due(&u->purge_due, now, PURGE_INTERVAL_MS);
		if (u->what != 0 || u->purge) {
			u->job_picture = cluster_ref(u->picture);
			msg_init(&u->job.msg, UPKEEP_JOB, a);
			u->job.run = upkeep_run;
			u->is_out = true;
			workers_submit(u->spec.workers, a, &u->job);
			work++;
		}
	}
	if (u->is_out || u->picture == NULL) {
		a->deadline = MONO_NEVER;
	} else {
		a->deadline = MIN(MIN(u->watermark_due, u->purge_due), MIN(u->recovery_due, u->starts_due));
		if (has_replicas(u) && __atomic_load_n(&u->spec.writer->wanted, __ATOMIC_ACQUIRE) != 0)
			a->deadline = MIN(a->deadline, MAX(u->asked_due, now + 1));
	}
	return work;
}

static const struct actor_ops upkeep_ops = { .module = "upkeep", .step = upkeep_step };

enum err upkeep_start(struct upkeep **out, const struct upkeep_spec *spec)
{
	struct upkeep *u = mem_calloc(1, sizeof(*u));
	mono_ms now = os_mono_ms(sched_os(spec->sched));

	u->spec = *spec;
	u->is_told = mem_calloc((size_t)spec->dir_count, sizeof(*u->is_told));
	u->watermark_due = now + spec->watermark_interval_ms;
	u->recovery_due = now + spec->recovery_interval_ms;
	u->starts_due = now + spec->starts_interval_ms;
	u->purge_due = now + PURGE_INTERVAL_MS;
	actor_init(&u->actor, spec->sched, &upkeep_ops, LANE_NONE, "log directories");
	enum err e = actor_start(&u->actor, 128 * 1024);
	if (e != OK) {
		actor_fini(&u->actor);
		free(u->is_told);
		free(u);
		return e;
	}
	spec->writer->actor = &u->actor;
	*out = u;
	return OK;
}

struct actor *upkeep_actor(struct upkeep *u)
{
	return &u->actor;
}

void upkeep_destroy(struct upkeep **up)
{
	struct upkeep *u = *up;

	actor_stop(&u->actor);
	actor_join(&u->actor);
	if (u->picture != NULL)
		cluster_unref(&u->picture);
	actor_fini(&u->actor);
	free(u->is_told);
	free(u);
	*up = NULL;
}
