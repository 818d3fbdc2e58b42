/*
 * Deleting topics: they are marked in the store, from where the active side (active_deletion.c) takes it.
 */
#include <stdlib.h>

#include "controller/controller_admin.h"

enum remove_stage { REMOVE_MARK, REMOVE_MARKED, REMOVE_BEGUN };

struct remove_task {
	struct task                      task;
	struct controller_delete_topics *ask;
	char                           **names;		/* marked */
	int32_t                          name_count;
};

static struct active_topic *find_old(struct controller *c, struct controller_old_topic *o)
{
	if (!admin_is_active(c))
		return NULL;
	return slice_is_null(o->name) ? active_topic_by_id(c->active, o->topic_id) : active_topic_get(c, o->name);
}

static enum task_result remove_mark(struct controller *c, struct remove_task *rt)
{
	for (int32_t i = 0; i < rt->ask->topic_count; i++) {
		struct controller_old_topic *o = &rt->ask->topics[i];
		struct active_topic *t = find_old(c, o);

		if (o->error != NONE)
			continue;
		if (!admin_is_active(c))
			o->error = NOT_CONTROLLER;
		else if (!c->config->is_topic_deletion_enabled)
			o->error = TOPIC_DELETION_DISABLED;
		else if (t == NULL || t->is_queued)
			o->error = slice_is_null(o->name) ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
		else if (!admin_may_change(c, &rt->ask->payer, t->partition_count))
			o->error = THROTTLING_QUOTA_EXCEEDED;
		else
			task_create_node(c, &rt->task, false, false, 0, "/admin/delete_topics/%s", t->name)->mark = o;
	}
	rt->task.stage = REMOVE_MARKED;
	return task_submit(c, &rt->task);
}

static enum task_result remove_marked(struct controller *c, struct remove_task *rt)
{
	int32_t n = 0;

	rt->names = mem_calloc((size_t)rt->ask->topic_count + 1, sizeof(*rt->names));
	LIST_FOREACH(e, &rt->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_old_topic *o = s->mark;

		if (s->call.result == OK || s->call.result == ERR_EXISTS)
			rt->names[n++] = mem_strdup(strrchr(s->path, '/') + 1);
		else
			o->error = err_to_kafka(s->call.result);
	}
	rt->name_count = n;
	task_drop_calls(&rt->task);
	rt->task.stage = REMOVE_BEGUN;
	if (n > 0)
		active_push_deletions(c);
	return n > 0 ? TASK_WAIT : TASK_AGAIN;
}

/*
 * A topic is deleted for its client when this broker does not show it any more, as in Kafka, though its replicas elsewhere and its nodes may take longer, or wait for a broker. Where all
 * replicas are here it is worth the little while until the name is free again.
 */
static bool is_gone(const struct controller *c, const char *name)
{
	const struct active_topic *t = active_topic_get(c, slice_str(name));

	if (t == NULL || t->is_ineligible)
		return true;
	for (int32_t i = 0; i < t->partition_count; i++) {
		for (int32_t k = 0; k < t->partitions[i]->replicas.count; k++) {
			if (t->partitions[i]->replicas.ids[k] != c->broker_id)
				return true;
		}
	}
	return false;
}

static void remove_finish(struct controller_delete_topics *ask, bool is_late)
{
	for (int32_t i = 0; i < ask->topic_count; i++) {
		if (ask->topics[i].error == NONE && (is_late || ask->timeout_ms <= 0))
			ask->topics[i].error = REQUEST_TIMED_OUT;
	}
}

static bool remove_look(struct controller *c, struct active_waiter *waiter, bool is_over)
{
	struct admin_waiter *w = CONTAINER_OF(waiter, struct admin_waiter, waiter);
	bool is_done = true;

	for (int32_t i = 0; i < w->name_count && is_done; i++)
		is_done = is_gone(c, w->names[i]);
	if (!is_done && !is_over)
		return false;
	remove_finish(CONTAINER_OF(w->asker, struct controller_delete_topics, msg), !is_done);
	admin_answer(c, w);
	return true;
}

static enum task_result remove_wait(struct controller *c, struct remove_task *rt)
{
	struct admin_waiter *w = admin_waiter_create(c, &rt->task, rt->ask->timeout_ms, remove_look);

	w->names = rt->names;
	w->name_count = rt->name_count;
	rt->names = NULL;
	rt->name_count = 0;
	active_wait(c, &w->waiter);
	return TASK_DONE;
}

static enum task_result remove_run(struct controller *c, struct task *t)
{
	struct remove_task *rt = (struct remove_task *)t;

	switch ((enum remove_stage)t->stage) {
	case REMOVE_MARK:   return remove_mark(c, rt);
	case REMOVE_MARKED: return remove_marked(c, rt);
	case REMOVE_BEGUN:
		if (admin_is_active(c))
			return remove_wait(c, rt);
		break;
	}
	return TASK_DONE;
}

static void remove_fini(struct controller *c, struct task *t)
{
	struct remove_task *rt = (struct remove_task *)t;

	(void)c;
	for (int32_t i = 0; admin_is_given_up(t) && i < rt->ask->topic_count; i++) {
		if (rt->ask->topics[i].error == NONE)
			rt->ask->topics[i].error = t->stage == REMOVE_MARK ? NOT_CONTROLLER : REQUEST_TIMED_OUT;
	}
	for (int32_t i = 0; i < rt->name_count; i++)
		free(rt->names[i]);
	free(rt->names);
}

static const struct task_kind remove_kind = { .name = "remove topics", .run = remove_run, .fini = remove_fini };

void controller_enqueue_delete_topics(struct controller *c, struct controller_delete_topics *m)
{
	struct remove_task *t = (struct remove_task *)task_create(&c->active_queue, &remove_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}
