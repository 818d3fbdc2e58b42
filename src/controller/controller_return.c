/*
 * The return of a broker whose machine may have lost its power: what was not on its disk is gone, and the cluster may not know.
 *
 * A broker that is back before its session has ended was never seen to be away: it stays in the in-sync sets of partitions whose end it no longer has. As leader it would go on
 * in its old epoch, and followers would throw away what has been acknowledged. As a follower it could be elected before it has fetched again what it lost. So it registers only
 * when no in-sync set with somebody else in it names it any more: the controller takes it out when it sees the registration go, and a leader lets it in again when it has
 * everything. (A set that names nobody else is left as it is: nobody has more.)
 *
 * Where nobody else is registered there is nobody who would do that or have more: it goes on at once, as after a power cut of the whole cluster. And no wait is without end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"

#define LOOK_AGAIN_MS 100
#define MARGIN_MS     10000	/* beyond the old session: for the controller to be elected, and to write */

enum return_stage { RETURN_OTHERS, RETURN_TOPICS, RETURN_ASSIGNMENTS, RETURN_STATES, RETURN_JUDGE };

struct return_task {
	struct task             task;
	struct controller_timer timer;
	mono_ms                 deadline;
	bool                    has_waited;
	char                  **paths;		/* states of the partitions that are assigned to this broker */
	int32_t                 count, room;
};

static enum task_result go(struct task *t, int stage)
{
	t->stage = stage;
	return TASK_AGAIN;
}

static enum task_result look_at_others(struct controller *c, struct task *t)
{
	task_drop_calls(t);
	if (c->is_stopping)
		return TASK_DONE;
	task_children(c, t, false, "/brokers/ids");
	t->stage = RETURN_TOPICS;
	return task_submit(c, t);
}

/* How many are registered under this broker's id, or under others. */
static int32_t count_ids(const struct controller *c, const struct coord_op *ids, bool own)
{
	int32_t n = 0;

	for (int32_t i = 0; i < ids->name_count; i++) {
		int32_t id;

		n += (znode_int_decode(ids->names[i], &id) && id == c->broker_id) == own;
	}
	return n;
}

/* The assignments are read once: a partition that comes to this broker meanwhile has nothing here to be lost. */
static enum task_result look_at_topics(struct controller *c, struct return_task *r)
{
	struct task *t = &r->task;
	struct coord_op *ids = store_call_op(t->last);
	bool goes_on = t->last->call.result != OK || count_ids(c, ids, false) == 0;

	if (!goes_on && r->paths == NULL && count_ids(c, ids, true) > 0)	/* the first look: this may be no old session, but a second process */
		LOG_WARN(&c->actor.log, registration_taken, KV_I32("broker", c->broker_id));
	task_drop_calls(t);
	if (goes_on)
		return TASK_DONE;
	if (r->paths != NULL)
		return go(t, RETURN_STATES);
	task_children(c, t, false, "/brokers/topics");
	t->stage = RETURN_ASSIGNMENTS;
	return task_submit(c, t);
}

static enum task_result look_at_assignments(struct controller *c, struct return_task *r)
{
	struct task *t = &r->task;
	struct store_call *list = t->last;
	struct coord_op *op = store_call_op(list);
	int32_t n = list->call.result == OK ? op->name_count : 0;

	r->room = n + 1;
	r->paths = mem_calloc((size_t)r->room, sizeof(char *));
	for (int32_t i = 0; i < n; i++)
		task_get(c, t, false, "/brokers/topics/" SLICE_FMT, SLICE_ARG(op->names[i]));
	t->stage = RETURN_STATES;
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		if (s != list)
			task_submit_one(c, t, s);
	}
	return t->out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static bool is_here(const struct znode_partition *p, int32_t broker_id)
{
	for (int32_t i = 0; i < p->replica_count; i++) {
		if (p->replicas[i] == broker_id)
			return true;
	}
	return false;
}

static void take_assignment(const struct controller *c, struct return_task *r, struct store_call *s)
{
	struct znode_topic z;
	char path[512];		/* a topic's name has 249 characters at most; a longer one of whoever wrote it is no topic */

	if (s->ops[0].kind != COORD_GET || s->call.result != OK || !znode_topic_decode(&z, s->ops[0].out, &s->call.arena))
		return;
	for (int32_t i = 0; i < z.partition_count; i++) {
		if (!is_here(&z.partitions[i], c->broker_id))
			continue;
		if (r->count == r->room)
			r->paths = mem_realloc_array(r->paths, (size_t)(r->room *= 2), sizeof(char *));
		int n = snprintf(path, sizeof(path), "%s/partitions/%d/state", s->path, z.partitions[i].id);
		if (n > 0 && n < (int)sizeof(path))
			r->paths[r->count++] = mem_strdup(path);
	}
}

static enum task_result look_at_states(struct controller *c, struct return_task *r)
{
	struct task *t = &r->task;

	LIST_FOREACH(e, &t->calls)
		take_assignment(c, r, LIST_ENTRY(e, struct store_call, link));
	task_drop_calls(t);
	for (int32_t i = 0; i < r->count; i++)
		task_get(c, t, false, "%s", r->paths[i])->mark = &r->paths[i];
	t->stage = RETURN_JUDGE;
	return task_submit(c, t);
}

/* Somebody else may have what this broker has lost, and nobody would ask him. */
static bool is_counted_on(const struct controller *c, struct store_call *s)
{
	struct znode_state z;

	if (s->call.result != OK || !znode_state_decode(&z, s->ops[0].out, &s->call.arena) || z.isr_count < 2)
		return false;
	for (int32_t i = 0; i < z.isr_count; i++) {
		if (z.isr[i] == c->broker_id)
			return true;
	}
	return false;
}

static void on_timer(struct controller *c UNUSED, struct controller_timer *timer)
{
	CONTAINER_OF(timer, struct return_task, timer)->task.out--;
}

/* The places that still count on this broker stay; they are asked again. */
static enum task_result judge(struct controller *c, struct return_task *r)
{
	struct task *t = &r->task;
	mono_ms now = os_mono_ms(c->os);
	int32_t left = 0;

	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		int32_t at = (int32_t)((char **)s->mark - r->paths);

		if (!is_counted_on(c, s)) {
			free(r->paths[at]);
			r->paths[at] = NULL;
		}
	}
	for (int32_t i = 0; i < r->count; i++) {
		if (r->paths[i] != NULL)
			r->paths[left++] = r->paths[i];
	}
	r->count = left;
	task_drop_calls(t);
	if (left > 0 && now >= r->deadline)
		LOG_WARN(&c->actor.log, return_not_seen, KV_I32("partitions", left));
	if (left == 0 || now >= r->deadline)
		return TASK_DONE;
	if (!r->has_waited)
		LOG_INFO(&c->actor.log, return_waits, KV_I32("partitions", left));
	r->has_waited = true;
	t->stage = RETURN_OTHERS;
	t->out = 1;		/* the timer counts it down */
	controller_timer_set(c, &r->timer, now + LOOK_AGAIN_MS);
	return TASK_WAIT;
}

static enum task_result return_run(struct controller *c, struct task *t)
{
	struct return_task *r = (struct return_task *)t;

	switch ((enum return_stage)t->stage) {
	case RETURN_OTHERS:      return look_at_others(c, t);
	case RETURN_TOPICS:      return look_at_topics(c, r);
	case RETURN_ASSIGNMENTS: return look_at_assignments(c, r);
	case RETURN_STATES:      return look_at_states(c, r);
	case RETURN_JUDGE:       return judge(c, r);
	}
	return TASK_DONE;
}

static void return_fini(struct controller *c, struct task *t)
{
	struct return_task *r = (struct return_task *)t;

	controller_timer_set(c, &r->timer, MONO_NEVER);
	for (int32_t i = 0; i < r->count; i++)
		free(r->paths[i]);
	free(r->paths);
}

static const struct task_kind return_kind = { .name = "return", .run = return_run, .fini = return_fini };

void controller_push_return(struct controller *c)
{
	bool has_lost = false;

	for (int i = 0; i < c->spec.dir_count; i++)
		has_lost |= logdir_may_have_lost(c->spec.dirs[i]);
	if (!has_lost || (c->spec.zookeeper == NULL && c->spec.tree == NULL))	/* nobody is beside us in a store of our own */
		return;
	struct return_task *r = (struct return_task *)task_create(&c->member_queue, &return_kind, sizeof(*r), NULL);
	r->timer = (struct controller_timer){ .at = MONO_NEVER, .fire = on_timer };
	r->deadline = os_mono_ms(c->os) + c->config->zookeeper_session_timeout_ms + MARGIN_MS;
	task_push(&r->task);
}
