/*
 * Wishes to move partitions, from a request, from the node, from a failover or an event: checked, and carried out one after the other.
 */
#include "controller/active_reassign.h"

#include <stdlib.h>

#include "wire/gen/alter_partition_reassignments.h"

enum move_how { MOVE_TO, MOVE_BACK, MOVE_ON, MOVE_IF_COMPLETE };	/* to a target, cancel, go on with what is wanted already, complete it if possible */

struct move_item {			/* names, because a topic may be gone when its turn comes */
	char            *topic;
	int32_t          partition;
	enum move_how    how;
	int32_t         *target;
	int32_t          target_count;
	enum kafka_error error;
	char            *message;	/* NULL: the error's own */
};

enum moves_stage { MOVES_LOOK, MOVES_READ, MOVES_TAKE, MOVES_CHECK, MOVES_NEXT };

struct moves_task {
	struct active_ask_task base;		/* asks nothing when it was the node, or an event */
	struct move_item      *items;
	int32_t                count, room, at;
	bool                   is_of_node;	/* what fails is taken out of the node */
	bool                   is_failover;	/* all that is being reassigned follows */
};

static void moves_fini(struct controller *c, struct task *t)
{
	struct moves_task *mt = (struct moves_task *)t;

	active_ask_task_fini(c, t);
	for (int32_t i = 0; i < mt->count; i++) {
		free(mt->items[i].topic);
		free(mt->items[i].target);
		free(mt->items[i].message);
	}
	free(mt->items);
}

static struct move_item *add_move(struct moves_task *mt, struct slice topic, int32_t partition, enum move_how how)
{
	struct move_item *item;

	if (mt->count == mt->room) {
		mt->room = MAX(8, mt->room * 2);
		mt->items = mem_realloc_array(mt->items, (size_t)mt->room, sizeof(*mt->items));
	}
	item = &mt->items[mt->count++];
	*item = (struct move_item){ .topic = mem_strndup((const char *)topic.ptr, topic.len), .partition = partition, .how = how };
	return item;
}

static void set_target(struct move_item *item, const int32_t *target, int32_t n)
{
	item->target = mem_calloc((size_t)n + 1, sizeof(*item->target));
	if (n > 0)
		memcpy(item->target, target, (size_t)n * sizeof(*target));
	item->target_count = n;
}

static void push_move(struct controller *c, struct move_item *item, struct active_partition *p)
{
	struct active_assignment to = { 0 };

	if (item->how == MOVE_TO || item->how == MOVE_BACK)
		active_assignment_to(&to, p, item->target, item->target_count);
	else
		active_assignment_copy(&to, p);
	reassign_push_move(c, p, &to, item->how == MOVE_IF_COMPLETE, &item->error);
}

static void list_ids(struct strbuf *out, const int32_t *ids, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		strbuf_printf(out, "%s%d", i > 0 ? ", " : "", ids[i]);
}

static enum kafka_error refuse(struct move_item *item, enum kafka_error error, struct strbuf *text)
{
	item->message = strbuf_steal(text);
	return error;
}

/* A target as a request, or the node, has it. Whether new replicas are live matters to requests only. */
static enum kafka_error check_target(struct controller *c, struct move_item *item, const struct active_partition *p, bool must_be_live)
{
	static const struct active_partition unknown = { .id = -1 };
	const char *problem = active_target_problem(item->target, item->target_count);
	struct active_assignment to;
	struct strbuf text = STRBUF_INIT;
	enum kafka_error error = NONE;

	if (problem != NULL) {
		strbuf_add_str(&text, problem);
		list_ids(&text, item->target, item->target_count);
		return refuse(item, INVALID_REPLICA_ASSIGNMENT, &text);
	}
	active_assignment_to(&to, p != NULL ? p : &unknown, item->target, item->target_count);
	for (int32_t i = 0; must_be_live && error == NONE && i < to.adding_count; i++) {
		if (active_is_live(c->active, to.adding[i]))
			continue;
		strbuf_add_str(&text, "Replica assignment has brokers that are not alive. Replica list: ");
		list_ids(&text, to.adding, to.adding_count);
		strbuf_add_str(&text, ", live broker list:");
		for (int b = 0; b < c->active->broker_count; b++) {
			if (!c->active->brokers[b]->is_shutting_down)
				strbuf_printf(&text, " %d", c->active->brokers[b]->info.id);
		}
		error = refuse(item, INVALID_REPLICA_ASSIGNMENT, &text);
	}
	if (error == NONE && to.replica_count > REPLICAS_MAX) {
		strbuf_printf(&text, "A partition can have at most %d replicas, with those that leave.", REPLICAS_MAX);
		error = refuse(item, INVALID_REPLICA_ASSIGNMENT, &text);
	}
	if (error == NONE && to.adding_count > controller_replica_room(c)) {
		strbuf_add_str(&text, "There is no room for more replicas.");
		error = refuse(item, INVALID_REPLICA_ASSIGNMENT, &text);
	}
	active_assignment_fini(&to);
	return error;
}

static enum kafka_error check_move(struct controller *c, struct move_item *item, bool must_be_live)
{
	const struct active_partition *p = active_partition_find(c, slice_str(item->topic), item->partition);

	if (item->how == MOVE_TO)
		return check_target(c, item, p, must_be_live);
	return p != NULL && active_has_changes(p) ? NONE : NO_REASSIGNMENT_IN_PROGRESS;
}

bool active_is_moving(const struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i]->is_reassigning)
			return true;
	}
	return false;
}

/* --- from a request ------------------------------------------------------------------------------------------------------------------------------------- */

/* What is asked by request goes before what was asked by the node. */
static enum task_result moves_check(struct controller *c, struct moves_task *mt)
{
	const struct alter_partition_reassignments_request *q = mt->base.ask.request->request;
	struct znode_partition_name *names;
	int32_t n = 0;

	for (int32_t i = 0; i < q->topics_count; i++) {
		for (int32_t k = 0; k < q->topics[i].partitions_count; k++) {
			const struct alter_partition_reassignments_request_partition *p = &q->topics[i].partitions[k];
			struct move_item *item = add_move(mt, q->topics[i].name, p->partition_index, p->replicas_count < 0 ? MOVE_BACK : MOVE_TO);

			if (p->replicas_count >= 0)
				set_target(item, p->replicas, p->replicas_count);
			item->error = check_move(c, item, true);
		}
	}
	names = mem_calloc((size_t)mt->count + 1, sizeof(*names));
	for (int32_t i = 0; i < mt->count; i++) {
		if (mt->items[i].error == NONE)
			reassign_name(&names[n++], mt->items[i].topic, mt->items[i].partition, NULL, 0);
	}
	mt->base.task.stage = MOVES_NEXT;
	if (n > 0)
		reassign_push_prune(c, names, n);
	else
		free(names);
	return TASK_AGAIN;
}

static struct slice error_text(const struct move_item *item, struct arena *arena)
{
	if (item->error == NONE)
		return SLICE_NULL;
	if (item->message != NULL)
		return arena_copy(arena, slice_str(item->message));
	if (item->error == UNKNOWN_TOPIC_OR_PARTITION)
		return SLICE_LIT("The partition does not exist.");
	return slice_str(kafka_error_text((int16_t)item->error));
}

static bool fill_alter_response(const struct moves_task *mt, struct arena *arena)
{
	const struct alter_partition_reassignments_request *q = mt->base.ask.request->request;
	struct alter_partition_reassignments_response *out = mt->base.ask.request->response;
	const struct move_item *item = mt->items;

	out->responses = arena_calloc(arena, (size_t)q->topics_count, sizeof(*out->responses));
	if (out->responses == NULL)
		return false;
	for (int32_t i = 0; i < q->topics_count; i++) {
		struct alter_partition_reassignments_response_response *r = &out->responses[out->responses_count++];

		r->name = q->topics[i].name;
		r->partitions = arena_calloc(arena, (size_t)q->topics[i].partitions_count, sizeof(*r->partitions));
		if (r->partitions == NULL)
			return false;
		for (int32_t k = 0; k < q->topics[i].partitions_count; k++, item++) {
			r->partitions[r->partitions_count++] = (struct alter_partition_reassignments_response_partition){
				.partition_index = item->partition, .error_code = (int16_t)item->error, .error_message = error_text(item, arena),
			};
		}
	}
	return true;
}

/* --- from the node ----------------------------------------------------------------------------------------------------------------------------------------- */

static enum task_result moves_take(struct controller *c, struct moves_task *mt)
{
	struct task *t = &mt->base.task;
	struct znode_partition_name *entries;
	int32_t n = 0;

	if (t->last->call.result == OK && !znode_reassign_decode(store_call_op(t->last)->out, &entries, &n, &t->last->call.arena))
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", t->last->path), KV_ERR(ERR_INVALID));
	for (int32_t i = 0; i < n; i++) {
		struct move_item *item = add_move(mt, entries[i].topic, entries[i].partition, MOVE_TO);

		set_target(item, entries[i].replicas, entries[i].replica_count);
		item->error = check_move(c, item, false);
	}
	task_drop_calls(t);
	mt->is_of_node = true;
	t->stage = MOVES_NEXT;
	return TASK_AGAIN;
}

static bool push_prune_failed(struct controller *c, struct moves_task *mt)
{
	struct znode_partition_name *names = mem_calloc((size_t)mt->count + 1, sizeof(*names));
	int32_t n = 0;

	mt->is_of_node = false;
	for (int32_t i = 0; i < mt->count; i++) {
		const struct move_item *item = &mt->items[i];

		if (item->error == NONE)
			continue;
		LOG_WARN(&c->actor.log, reassignment_failed, KV_STR("topic", item->topic), KV_I32("partition", item->partition), KV_STR("why", kafka_error_name((int16_t)item->error)));
		reassign_name(&names[n++], item->topic, item->partition, NULL, 0);
	}
	if (n > 0)
		reassign_push_prune(c, names, n);
	else
		free(names);
	return n > 0;
}

static bool was_moved(const struct moves_task *mt, int32_t n, const struct active_partition *p)
{
	for (int32_t i = 0; i < n; i++) {
		if (mt->items[i].error == NONE && mt->items[i].partition == p->id && strcmp(mt->items[i].topic, p->topic->name) == 0)
			return true;
	}
	return false;
}

static void add_all_reassigning(struct controller *c, struct moves_task *mt)
{
	int32_t n = mt->count;

	mt->is_failover = false;
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (p->is_reassigning && !was_moved(mt, n, p))
			add_move(mt, slice_str(p->topic->name), p->id, MOVE_ON);
	}
}

/* --- one after the other -------------------------------------------------------------------------------------------------------------------------------------- */

static enum task_result moves_next(struct controller *c, struct moves_task *mt)
{
	while (mt->at < mt->count) {
		struct move_item *item = &mt->items[mt->at++];
		struct active_partition *p = active_partition_find(c, slice_str(item->topic), item->partition);
		bool is_wish = item->how == MOVE_TO || item->how == MOVE_BACK;

		if (item->error != NONE)
			continue;
		if (p == NULL || p->replicas.count == 0 || (is_wish && p->topic->is_queued)) {	/* what runs already goes on: the deletion waits for it */
			item->error = UNKNOWN_TOPIC_OR_PARTITION;
		} else if (is_wish || p->is_reassigning) {
			push_move(c, item, p);
			return TASK_AGAIN;
		}
	}
	if (mt->is_of_node && push_prune_failed(c, mt))
		return TASK_AGAIN;
	if (mt->is_failover) {
		add_all_reassigning(c, mt);
		return TASK_AGAIN;
	}
	if (mt->base.ask.request != NULL && !fill_alter_response(mt, mt->base.ask.request->arena)) {
		((struct alter_partition_reassignments_response *)mt->base.ask.request->response)->responses_count = 0;
		((struct alter_partition_reassignments_response *)mt->base.ask.request->response)->error_code = UNKNOWN_SERVER_ERROR;
	}
	return TASK_DONE;
}

static enum task_result moves_run(struct controller *c, struct task *t)
{
	struct moves_task *mt = (struct moves_task *)t;

	switch ((enum moves_stage)t->stage) {
	case MOVES_LOOK:	/* arms the watch, whether it is there or not */
		task_exists(c, t, true, REASSIGN_NODE);
		t->stage = MOVES_READ;
		return task_submit(c, t);
	case MOVES_READ:
		t->stage = t->last->call.result == OK ? MOVES_TAKE : MOVES_NEXT;
		task_drop_calls(t);
		if (t->stage == MOVES_TAKE)
			task_get(c, t, false, REASSIGN_NODE);
		return task_submit(c, t);
	case MOVES_TAKE:
		return moves_take(c, mt);
	case MOVES_CHECK:
		return moves_check(c, mt);
	case MOVES_NEXT:
		return moves_next(c, mt);
	}
	return TASK_DONE;
}

static const struct task_kind moves_kind = { .name = "reassignments", .run = moves_run, .fini = moves_fini };

static struct moves_task *moves_create(struct controller *c, struct active_ask *ask, enum moves_stage begin)
{
	struct active_ask nobody = { .request = NULL };
	struct moves_task *mt = (struct moves_task *)active_ask_task_create(c, &moves_kind, sizeof(*mt), ask != NULL ? ask : &nobody);

	mt->base.task.stage = begin;
	return mt;
}

void active_enqueue_alter_reassignments(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&moves_create(c, ask, MOVES_CHECK)->base.task);
}

void active_enqueue_reassign_node(struct controller *c)
{
	task_enqueue(&moves_create(c, NULL, MOVES_LOOK)->base.task);
}

void active_push_resume_reassignments(struct controller *c)
{
	struct moves_task *mt = moves_create(c, NULL, MOVES_LOOK);

	mt->is_failover = true;
	task_push(&mt->base.task);
}

void active_push_reassignments_of_broker(struct controller *c, int32_t broker)
{
	struct moves_task *mt = moves_create(c, NULL, MOVES_NEXT);

	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (p->is_reassigning && active_is_target(p, broker))
			add_move(mt, slice_str(p->topic->name), p->id, MOVE_ON);
	}
	task_push(&mt->base.task);
}

void active_push_reassignments_of(struct controller *c, struct partition_list *l)
{
	struct moves_task *mt = moves_create(c, NULL, MOVES_NEXT);

	for (int32_t i = 0; i < l->count; i++)
		add_move(mt, slice_str(l->items[i].p->topic->name), l->items[i].p->id, MOVE_IF_COMPLETE);
	task_push(&mt->base.task);
}

bool active_on_state_watch(struct controller *c, const char *path)
{
	static const char prefix[] = "/brokers/topics/", middle[] = "/partitions/", suffix[] = "/state";
	const char *topic = path + sizeof(prefix) - 1;
	const char *number = strstr(path, middle), *end = strrchr(path, '/');
	int32_t id;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || number == NULL || number < topic || strcmp(end, suffix) != 0)
		return false;
	if (end < number + sizeof(middle) - 1 || !znode_int_decode(slice_of(number + sizeof(middle) - 1, (size_t)(end - number) - (sizeof(middle) - 1)), &id))
		return false;
	struct moves_task *mt = moves_create(c, NULL, MOVES_NEXT);
	add_move(mt, slice_of(topic, (size_t)(number - topic)), id, MOVE_IF_COMPLETE);
	task_enqueue(&mt->base.task);
	return true;
}
