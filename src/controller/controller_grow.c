/*
 * Adding partitions: the topic's assignment is written with more of them, which the active side sees as if somebody else had.
 */
#include <stdlib.h>

#include "controller/assignment.h"
#include "controller/controller_admin.h"

enum grow_stage { GROW_CHECK, GROW_WRITTEN, GROW_UP };

struct grow_task {
	struct task                          task;
	struct controller_create_partitions *ask;
};

static enum kafka_error grow_refuse(struct controller_more_partitions *m, enum kafka_error error, char *message)
{
	m->message = message;
	return error;
}

static enum kafka_error check_growth(struct controller_more_partitions *m, const struct active_topic *t, int64_t *room)
{
	if (t == NULL)
		return grow_refuse(m, UNKNOWN_TOPIC_OR_PARTITION, admin_text("The topic '" SLICE_FMT "' does not exist.", SLICE_ARG(m->name)));
	if (t->is_queued)
		return grow_refuse(m, INVALID_TOPIC_EXCEPTION, admin_text("The topic '%s' is marked for deletion.", t->name));
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i]->is_reassigning)
			return grow_refuse(m, REASSIGNMENT_IN_PROGRESS, admin_text("A partition reassignment is in progress for the topic '%s'.", t->name));
	}
	if (m->count == t->partition_count)
		return grow_refuse(m, INVALID_PARTITIONS, admin_text("Topic already has %d partitions.", t->partition_count));
	if (m->count < t->partition_count)
		return grow_refuse(m, INVALID_PARTITIONS, admin_text("Topic currently has %d partitions, which is higher than the requested %d.", t->partition_count, m->count));
	if (m->assignment_count >= 0 && m->assignment_count != m->count - t->partition_count)
		return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, admin_text("Increasing the number of partitions by %d but %d assignments provided.",
		                                                             m->count - t->partition_count, m->assignment_count));
	int64_t wanted = (int64_t)(m->count - t->partition_count) * (t->partition_count > 0 ? t->partitions[0]->replicas.count : 1);
	if (wanted > *room)
		return grow_refuse(m, INVALID_PARTITIONS, admin_no_room_text(wanted, *room));
	*room -= wanted;
	return NONE;
}

static enum kafka_error check_new_replicas(struct controller *c, struct controller_more_partitions *m, const struct active_topic *t)
{
	int32_t factor = t->partition_count > 0 ? t->partitions[0]->replicas.count : 1;

	for (int32_t i = 0; i < m->assignment_count; i++) {
		const struct controller_assignment *a = &m->assignments[i];

		if (a->broker_count == 0)
			return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, admin_text("Cannot have replication factor of 0 for partition id %d.", t->partition_count + i));
		for (int32_t k = 0; k < a->broker_count; k++) {
			bool is_known = false;

			for (int b = 0; b < c->broker_count; b++)
				is_known |= c->brokers[b].id == a->brokers[k];
			if (!is_known)
				return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, admin_text("Unknown broker(s) in replica assignment: %d.", a->brokers[k]));
			for (int32_t j = 0; j < k; j++) {
				if (a->brokers[j] == a->brokers[k])
					return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, admin_text("Duplicate brokers not allowed in replica assignment: %d for partition id %d.",
					                                                             a->brokers[k], t->partition_count + i));
			}
		}
		if (a->broker_count != factor)
			return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, admin_text("Inconsistent replication factor between partitions, partition 0 has %d while partition %d has "
			                                                             "replication factor %d, respectively.", factor, t->partition_count + i, a->broker_count));
	}
	return NONE;
}

/* Where partition 0 began, so that the new partitions continue its round. */
static uint32_t growth_start(const struct controller *c, const struct active_topic *t)
{
	for (int b = 0; b < c->broker_count; b++) {
		if (t->partition_count > 0 && t->partitions[0]->replicas.count > 0 && c->brokers[b].id >= t->partitions[0]->replicas.ids[0])
			return (uint32_t)b;
	}
	return 0;
}

static enum kafka_error grow_write(struct controller *c, struct grow_task *gt, struct controller_more_partitions *m, const struct active_topic *t)
{
	int32_t more = m->count - t->partition_count, factor = MIN(t->partition_count > 0 ? t->partitions[0]->replicas.count : 1, c->broker_count);
	struct znode_partition *all = mem_calloc((size_t)m->count, sizeof(*all));
	int32_t *ids = mem_calloc((size_t)more * (size_t)MAX(factor, 1), sizeof(*ids));
	struct znode_topic z = { .id = t->id, .partitions = all, .partition_count = m->count };
	enum err e = OK;

	if (m->assignment_count < 0)
		e = assign_replicas(ids, more, factor, t->partition_count, c->brokers, c->broker_count, growth_start(c, t), growth_start(c, t));
	for (int32_t i = 0; e == OK && i < m->count; i++) {
		if (i < t->partition_count) {
			const struct active_partition *p = t->partitions[i];

			all[i] = (struct znode_partition){ .id = p->id, .replicas = p->replicas.ids, .replica_count = p->replicas.count };
		} else if (m->assignment_count >= 0) {
			const struct controller_assignment *a = &m->assignments[i - t->partition_count];

			all[i] = (struct znode_partition){ .id = i, .replicas = (int32_t *)(uintptr_t)a->brokers, .replica_count = a->broker_count };
		} else {
			all[i] = (struct znode_partition){ .id = i, .replicas = ids + (size_t)(i - t->partition_count) * (size_t)factor, .replica_count = factor };
		}
	}
	if (e == OK && !gt->ask->validate_only) {
		strbuf_reset(&c->text);
		znode_topic_encode(&z, &c->text);
		task_set_node(c, &gt->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", t->name)->mark = m;
	}
	free(ids);
	free(all);
	return e == OK ? NONE : UNKNOWN_SERVER_ERROR;
}

static enum task_result grow_check(struct controller *c, struct grow_task *gt)
{
	int64_t room = controller_replica_room(c);

	for (int32_t i = 0; i < gt->ask->topic_count; i++) {
		struct controller_more_partitions *m = &gt->ask->topics[i];
		const struct active_topic *t = active_topic_get(c, m->name);

		if (m->error != NONE)
			continue;
		m->error = admin_is_active(c) ? check_growth(m, t, &room) : NOT_CONTROLLER;
		if (m->error == NONE)
			m->error = check_new_replicas(c, m, t);
		if (m->error == NONE && !gt->ask->validate_only && !admin_may_change(c, &gt->ask->payer, m->count - t->partition_count))
			m->error = grow_refuse(m, THROTTLING_QUOTA_EXCEEDED, admin_over_quota_text());
		if (m->error == NONE)
			m->error = grow_write(c, gt, m, t);
	}
	gt->task.stage = GROW_WRITTEN;
	return task_submit(c, &gt->task);
}

static enum task_result grow_written(struct controller *c, struct grow_task *gt)
{
	char **names;
	int n = 0;

	if (active_is_fenced_off(&gt->task))
		return active_moved(c, &gt->task);
	names = mem_calloc((size_t)gt->ask->topic_count + 1, sizeof(*names));
	LIST_FOREACH(e, &gt->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_more_partitions *m = s->mark;

		if (s->call.result != OK)
			m->error = err_to_kafka(s->call.result);
		else
			names[n++] = mem_strndup((const char *)m->name.ptr, m->name.len);
	}
	task_drop_calls(&gt->task);
	gt->task.stage = GROW_UP;
	if (n > 0)
		active_push_new_topics(c, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0 ? TASK_WAIT : TASK_AGAIN;
}

static void grow_finish(struct controller *c, struct controller_create_partitions *ask)
{
	for (int32_t i = 0; i < ask->topic_count; i++) {
		struct controller_more_partitions *m = &ask->topics[i];
		const struct topic_state *t = topic_state_get(c, m->name);

		if (m->error == NONE && !ask->validate_only && (ask->timeout_ms <= 0 || t == NULL || t->partition_count < m->count))
			m->error = REQUEST_TIMED_OUT;
	}
}

static bool grow_look(struct controller *c, struct active_waiter *waiter, bool is_over)
{
	struct admin_waiter *w = CONTAINER_OF(waiter, struct admin_waiter, waiter);

	(void)is_over;
	grow_finish(c, CONTAINER_OF(w->asker, struct controller_create_partitions, msg));
	admin_answer(c, w);
	return true;
}

static enum task_result grow_run(struct controller *c, struct task *t)
{
	struct grow_task *gt = (struct grow_task *)t;

	switch ((enum grow_stage)t->stage) {
	case GROW_CHECK:   return grow_check(c, gt);
	case GROW_WRITTEN: return grow_written(c, gt);
	case GROW_UP:
		if (admin_is_active(c) && !gt->ask->validate_only)
			active_wait(c, &admin_waiter_create(c, t, gt->ask->timeout_ms, grow_look)->waiter);
		break;
	}
	return TASK_DONE;
}

static void grow_fini(struct controller *c, struct task *t)
{
	struct grow_task *gt = (struct grow_task *)t;

	(void)c;
	for (int32_t i = 0; admin_is_given_up(t) && i < gt->ask->topic_count; i++) {
		if (gt->ask->topics[i].error == NONE)
			gt->ask->topics[i].error = t->stage == GROW_CHECK ? NOT_CONTROLLER : REQUEST_TIMED_OUT;
	}
}

static const struct task_kind grow_kind = { .name = "add partitions", .run = grow_run, .fini = grow_fini };

void controller_enqueue_create_partitions(struct controller *c, struct controller_create_partitions *m)
{
	struct grow_task *t = (struct grow_task *)task_create(&c->active_queue, &grow_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}
