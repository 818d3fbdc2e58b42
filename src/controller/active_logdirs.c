/*
 * Log directories that fail. A broker says so in /log_dir_event_notification, without saying which replicas were there: it is told its roles again, unchanged, and its answers
 * tell which replicas it cannot serve. Those have gone offline, as if their broker had, for these partitions only.
 *
 * Every answer to LeaderAndIsr is looked at that way, whatever it was sent for: a directory may fail at any moment, and come back with a restart.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

/* --- notices ------------------------------------------------------------------------------------------------------------------------------ */

enum scan_stage { SCAN_LIST, SCAN_READ, SCAN_TAKE, SCAN_DELETE, SCAN_END };

struct dir_scan_task {
	struct task         task;
	char              **paths;	/* what is read is deleted: what came meanwhile is not */
	int32_t             path_count;
	struct id_list      brokers;
	struct replica_list replicas;
};

static void scan_fini(struct controller *c, struct task *t)
{
	struct dir_scan_task *st = (struct dir_scan_task *)t;

	(void)c;
	active_free_paths(st->paths, st->path_count);
	free(st->brokers.ids);
	active_replicas_fini(&st->replicas);
}

static void take_notice(struct controller *c, struct dir_scan_task *st, struct store_call *s)
{
	int32_t *ids, broker;

	if (s->call.result == ERR_NOT_FOUND)
		return;
	if (s->call.result != OK || !znode_log_dir_event_decode(store_call_op(s)->out, &broker)) {
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", s->path), KV_ERR(store_call_problem(s)));
		return;
	}
	if (id_list_has(&st->brokers, broker))
		return;
	LOG_WARN(&c->actor.log, directories_failed, KV_I32("broker", broker));
	ids = mem_realloc_array(st->brokers.ids, (size_t)st->brokers.count + 1, sizeof(*ids));
	ids[st->brokers.count++] = broker;
	st->brokers.ids = ids;
}

static enum task_result scan_take(struct controller *c, struct dir_scan_task *st)
{
	LIST_FOREACH(e, &st->task.calls)
		take_notice(c, st, LIST_ENTRY(e, struct store_call, link));
	task_drop_calls(&st->task);
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		for (int32_t i = 0; i < st->brokers.count; i++) {
			if (id_list_has(&p->replicas, st->brokers.ids[i]))
				active_replicas_add(&st->replicas, p, st->brokers.ids[i]);
		}
	}
	st->task.stage = SCAN_DELETE;
	active_push_replicas(c, &st->replicas, REPLICA_ONLINE);
	return TASK_AGAIN;
}

static enum task_result scan_run(struct controller *c, struct task *t)
{
	struct dir_scan_task *st = (struct dir_scan_task *)t;

	switch ((enum scan_stage)t->stage) {
	case SCAN_LIST:
		c->active->is_dir_scan_queued = false;
		task_children(c, t, true, "/log_dir_event_notification");
		t->stage = SCAN_READ;
		return task_submit(c, t);
	case SCAN_READ:
		active_take_paths(t->last, &st->paths, &st->path_count);
		task_drop_calls(t);
		t->stage = SCAN_TAKE;
		for (int32_t i = 0; i < st->path_count; i++)
			task_get(c, t, false, "%s", st->paths[i]);
		return task_submit(c, t);
	case SCAN_TAKE:
		return scan_take(c, st);
	case SCAN_DELETE:
		t->stage = SCAN_END;
		for (int32_t i = 0; i < st->path_count; i++)
			task_delete_node(c, t, true, COORD_ANY_VERSION, "%s", st->paths[i]);
		return task_submit(c, t);
	case SCAN_END:
		return active_is_fenced_off(t) ? active_moved(c, t) : TASK_DONE;
	}
	return TASK_DONE;
}

static const struct task_kind scan_kind = { .name = "directory notices", .run = scan_run, .fini = scan_fini };

void active_enqueue_dir_scan(struct controller *c)
{
	if (c->active->is_dir_scan_queued)
		return;
	c->active->is_dir_scan_queued = true;
	task_enqueue(task_create(&c->active_queue, &scan_kind, sizeof(struct dir_scan_task), NULL));
}

/* --- answers to LeaderAndIsr ------------------------------------------------------------------------------------------------------------- */

struct answer_task {
	struct task            task;
	struct active_request *request;
	struct replica_list    failed;
};

static void answer_fini(struct controller *c, struct task *t)
{
	struct answer_task *at = (struct answer_task *)t;

	(void)c;
	active_request_free(at->request);
	active_replicas_fini(&at->failed);
}

static void take_error(struct answer_task *at, const struct active_topic *topic, const struct leader_and_isr_response_partition_error *e)
{
	struct active_partition *p = topic != NULL ? active_partition_get(topic, e->partition_index) : NULL;
	struct active_replica *r = p != NULL ? active_replica_get(p, at->request->broker) : NULL;

	if (r == NULL)
		return;
	if (e->error_code == NONE)
		r->is_dir_offline = false;
	if (e->error_code == KAFKA_STORAGE_ERROR && !r->is_dir_offline) {
		r->is_dir_offline = true;
		active_replicas_add(&at->failed, p, r->broker);
	}
}

/* Version 5 names topics by their ids. */
static void take_answer(struct controller *c, struct answer_task *at, const struct leader_and_isr_response *m)
{
	for (int32_t i = 0; i < m->partition_errors_count; i++)
		take_error(at, active_topic_get(c, m->partition_errors[i].topic_name), &m->partition_errors[i]);
	for (int32_t i = 0; i < m->topics_count; i++) {
		const struct active_topic *topic = active_topic_by_id(c->active, m->topics[i].topic_id);

		for (int32_t k = 0; k < m->topics[i].partition_errors_count; k++)
			take_error(at, topic, &m->topics[i].partition_errors[k]);
	}
}

static enum task_result answer_run(struct controller *c, struct task *t)
{
	struct answer_task *at = (struct answer_task *)t;
	const struct leader_and_isr_response *m = at->request->answer;

	if (t->stage++ > 0)
		return TASK_DONE;
	if (m->error_code != NONE) {
		LOG_WARN(&c->actor.log, leader_and_isr_failed, KV_I32("broker", at->request->broker), KV_STR("error", kafka_error_name(m->error_code)));
		return TASK_DONE;
	}
	take_answer(c, at, m);
	if (at->failed.count == 0)
		return TASK_DONE;
	LOG_WARN(&c->actor.log, directories_failed, KV_I32("broker", at->request->broker), KV_I32("replicas", at->failed.count));
	active_push_replicas_failed(c, &at->failed);
	return TASK_AGAIN;
}

static const struct task_kind answer_kind = { .name = "LeaderAndIsr answered", .run = answer_run, .fini = answer_fini };

void active_enqueue_leader_and_isr_answer(struct controller *c, struct active_request *r)
{
	struct answer_task *at = (struct answer_task *)task_create(&c->active_queue, &answer_kind, sizeof(*at), NULL);

	at->request = r;
	task_enqueue(&at->task);
}
