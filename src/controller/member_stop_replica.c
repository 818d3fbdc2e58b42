/*
 * StopReplica: replicas stop following, and with the delete flag they go. A replica is hidden from the picture first, so that nobody can look it up; then its fetcher lets go of it;
 * then its actor ends and its directory is renamed away.
 */
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "wire/gen/stop_replica.h"

#define EPOCH_DURING_DELETE (-2)	/* whatever epoch the replica has */

enum stop_stage { STOP_CHECK, STOP_HIDDEN, STOP_UNFOLLOWED, STOP_STOPPED };

struct stop_item {
	struct slice          name;
	int32_t               partition, leader_epoch;
	bool                  is_delete, is_stopping;
	enum kafka_error      error;
	struct topic_state   *topic;
	struct fetcher_assign assign;
	struct partition_stop stop;
};

struct stop_task {
	struct control_task control;
	struct stop_item   *items;
	int32_t             count;
};

static void stop_add(struct stop_task *s, struct slice name, int32_t partition, int32_t leader_epoch, bool is_delete)
{
	s->items[s->count++] = (struct stop_item){ .name = name, .partition = partition, .leader_epoch = leader_epoch, .is_delete = is_delete };
}

static void stop_flatten(struct stop_task *s)
{
	const struct stop_replica_request *q = s->control.m->request;
	int32_t n = q->ungrouped_partitions_count;

	for (int32_t i = 0; i < q->topics_count; i++)
		n += q->topics[i].partition_indexes_count;
	for (int32_t i = 0; i < q->topic_states_count; i++)
		n += q->topic_states[i].partition_states_count;
	s->items = mem_calloc((size_t)n + 1, sizeof(*s->items));
	for (int32_t i = 0; i < q->ungrouped_partitions_count; i++)
		stop_add(s, q->ungrouped_partitions[i].topic_name, q->ungrouped_partitions[i].partition_index, -1, q->delete_partitions);
	for (int32_t i = 0; i < q->topics_count; i++) {
		for (int32_t k = 0; k < q->topics[i].partition_indexes_count; k++)
			stop_add(s, q->topics[i].name, q->topics[i].partition_indexes[k], -1, q->delete_partitions);
	}
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		const struct stop_replica_request_topic_state *t = &q->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++)
			stop_add(s, t->topic_name, t->partition_states[k].partition_index, t->partition_states[k].leader_epoch,
			         t->partition_states[k].delete_partition);
	}
}

static struct partition_state *stop_partition(const struct stop_item *it)
{
	return it->topic != NULL ? topic_state_partition(it->topic, it->partition, false) : NULL;
}

/* Which of them are to stop. An equal epoch does: the deletion may follow a decision that changed nothing else. */
static void stop_decide(struct controller *c, struct stop_item *it)
{
	it->topic = topic_state_get(c, it->name);
	struct partition_state *p = stop_partition(it);

	if (p == NULL || p->local == NULL) {
		if (it->is_delete)
			it->error = member_delete_unhosted(c, it->name, it->partition);
		return;
	}
	if (partition_dir(p->local) != NULL && logdir_is_offline(partition_dir(p->local)))
		it->error = KAFKA_STORAGE_ERROR;
	else if (it->leader_epoch != EPOCH_DURING_DELETE && it->leader_epoch != -1 && it->leader_epoch < p->role_epoch)
		it->error = FENCED_LEADER_EPOCH;
	else
		it->is_stopping = !p->is_hidden;	/* a partition that is listed twice is deleted once */
}

static enum task_result stop_check(struct controller *c, struct stop_task *s)
{
	const struct stop_replica_request *q = s->control.m->request;
	struct stop_replica_response *out = s->control.m->response;
	struct topic_state **changed;
	int32_t n = 0;

	out->error_code = (int16_t)member_control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
	if (out->error_code != NONE) {
		s->control.task.stage = STOP_STOPPED;
		return TASK_AGAIN;
	}
	stop_flatten(s);
	s->control.task.is_past_store = true;	/* it asks the store for nothing */
	changed = mem_calloc((size_t)s->count + 1, sizeof(*changed));
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];

		stop_decide(c, it);
		if (!it->is_stopping || !it->is_delete)
			continue;
		stop_partition(it)->is_hidden = true;
		if (it->topic->is_in_picture)
			changed[n++] = it->topic;
	}
	s->control.task.stage = STOP_HIDDEN;
	enum task_result result = n > 0 ? member_publish_topics(c, &s->control.task, changed, n, STOP_HIDDEN) : TASK_AGAIN;
	free(changed);
	return result;
}

/* Nobody can look the replicas up any more: the fetchers let go of them. */
static enum task_result stop_unfollow(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];
		struct partition_state *p = stop_partition(it);

		if (!it->is_stopping || !p->is_following)
			continue;
		msg_init(&it->assign.msg, FETCHER_ASSIGN, &c->actor);
		it->assign.partition = p->local;
		it->assign.is_removed = true;
		p->is_following = false;
		task_ask_actor(c, &s->control.task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &it->assign.msg);
	}
	s->control.task.stage = STOP_UNFOLLOWED;
	return s->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result stop_stop(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];

		if (!it->is_stopping || !it->is_delete)
			continue;
		msg_init(&it->stop.msg, PARTITION_stop, &c->actor);
		it->stop.how = STOP_DELETE;
		task_ask(c, &s->control.task, stop_partition(it)->local, &it->stop.msg);
	}
	s->control.task.stage = STOP_STOPPED;
	return s->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static void stop_finish(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];
		struct partition_state *p = stop_partition(it);

		if (!it->is_stopping || !it->is_delete || p == NULL || p->local == NULL)
			continue;
		partition_join(p->local);
		partition_addr_unref(&p->local);
		p->is_hidden = false;
		p->role_epoch = -1;
		it->error = it->stop.result == OK ? NONE : KAFKA_STORAGE_ERROR;
		member_forget_dir(c, it->topic->name, it->partition);
		LOG_INFO(&c->actor.log, replica_deleted, KV_STR("topic", it->topic->name), KV_I32("partition", it->partition));
	}
}

static bool stop_answer(struct stop_task *s)
{
	struct stop_replica_response *out = s->control.m->response;

	out->partition_errors = arena_calloc(s->control.m->arena, (size_t)s->count, sizeof(*out->partition_errors));
	if (out->partition_errors == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++) {
		stop_replica_response_partition_error_init(&out->partition_errors[i]);
		out->partition_errors[i].topic_name = s->items[i].name;
		out->partition_errors[i].partition_index = s->items[i].partition;
		out->partition_errors[i].error_code = (int16_t)s->items[i].error;
	}
	out->partition_errors_count = s->count;
	return true;
}

static enum task_result stop_run(struct controller *c, struct task *t)
{
	struct stop_task *s = (struct stop_task *)t;

	switch ((enum stop_stage)t->stage) {
	case STOP_CHECK:      return stop_check(c, s);
	case STOP_HIDDEN:     return stop_unfollow(c, s);
	case STOP_UNFOLLOWED: return stop_stop(c, s);
	case STOP_STOPPED:
		stop_finish(c, s);
		s->control.is_done = stop_answer(s);
		break;
	}
	return TASK_DONE;
}

static void stop_fini(struct controller *c, struct task *t)
{
	struct stop_task *s = (struct stop_task *)t;

	/* A replica that was hidden and not stopped is shown again with the next role it gets. */
	for (int32_t i = 0; i < s->count; i++) {
		struct partition_state *p = topic_state_get(c, s->items[i].name) != NULL ? stop_partition(&s->items[i]) : NULL;

		if (p != NULL)
			p->is_hidden = false;
	}
	for (int32_t i = 0; i < s->count; i++)
		member_drop_if_empty(c, s->items[i].name);
	member_control_end(c, &s->control);
	free(s->items);
}

const struct task_kind member_stop_replica_kind = { .size = sizeof(struct stop_task), .name = "StopReplica", .run = stop_run, .fini = stop_fini, .is_storeless = true };
