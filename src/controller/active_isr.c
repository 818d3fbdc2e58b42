/*
 * In-sync sets: what leaders ask for (AlterPartition), and what those of older protocol versions have written themselves (/isr_change_notification).
 *
 * A leader asks again when it hears nothing, so a request may meet its own effect: what is already as it should be is a success, whichever partition epoch it names. And our own
 * write may have been applied although its answer was lost: after a conflict the node is read, and taken for what it is.
 *
 * The leader epoch stays as it is, and no member is told a new role: only the leader knows of its change until UpdateMetadata tells everybody.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"

/* --- AlterPartition ---------------------------------------------------------------------------------------------------------------------- */

enum alter_stage { ALTER_CHECK, ALTER_WRITTEN, ALTER_SETTLE, ALTER_END };

struct alter_item {
	struct alter_partition_response_partition *out;
	struct active_partition *p;	/* NULL: unknown */
	struct isr_claim claim;
	bool was_retried;
	bool is_in_conflict;
};

struct alter_task {
	struct active_ask_task base;
	struct alter_item     *items;	/* all partitions of topics that are known */
	int32_t                count;
	struct partition_list  conflicts, grown;
};

static void alter_fini(struct controller *c, struct task *t)
{
	struct alter_task *at = (struct alter_task *)t;

	active_ask_task_fini(c, t);
	free(at->items);
	active_partitions_fini(&at->conflicts);
	active_partitions_fini(&at->grown);
}

/* False: the asker's arena is full. */
static bool take_isr(struct isr_claim *claim, const struct alter_partition_request_partition *q, int16_t version, struct arena *arena)
{
	int32_t n = version >= 3 ? q->new_isr_with_epochs_count : q->new_isr_count;
	int32_t *isr = arena_calloc(arena, (size_t)n, sizeof(*isr));

	for (int32_t i = 0; isr != NULL && i < n; i++)
		isr[i] = version >= 3 ? q->new_isr_with_epochs[i].broker_id : q->new_isr[i];
	claim->isr = isr;
	claim->isr_count = n;
	return isr != NULL;
}

static bool take_partition(struct alter_task *at, const struct active_topic *topic, const struct alter_partition_request_partition *q,
                           struct alter_partition_response_partition *out)
{
	const struct controller_request *m = at->base.ask.request;
	struct alter_item *item;

	out->partition_index = q->partition_index;
	if (topic == NULL) {
		out->error_code = m->version >= 2 ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
		return true;
	}
	item = &at->items[at->count++];
	*item = (struct alter_item){
		.out = out, .p = active_partition_get(topic, q->partition_index),
		.claim = {
			.leader = ((const struct alter_partition_request *)m->request)->broker_id, .leader_epoch = q->leader_epoch,
			.partition_epoch = q->partition_epoch, .is_recovering = q->leader_recovery_state == 1,
		},
	};
	return take_isr(&item->claim, q, m->version, m->arena);
}

static bool take_topic(struct controller *c, struct alter_task *at, const struct alter_partition_request_topic *q, struct alter_partition_response_topic *out)
{
	const struct controller_request *m = at->base.ask.request;
	const struct active_topic *topic = m->version >= 2 ? active_topic_by_id(c->active, q->topic_id) : active_topic_get(c, q->topic_name);

	out->topic_name = q->topic_name;
	out->topic_id = q->topic_id;
	out->partitions = arena_calloc(m->arena, (size_t)q->partitions_count, sizeof(*out->partitions));
	if (out->partitions == NULL)
		return false;
	for (int32_t i = 0; i < q->partitions_count; i++) {
		alter_partition_response_partition_init(&out->partitions[out->partitions_count]);
		if (!take_partition(at, topic, &q->partitions[i], &out->partitions[out->partitions_count++]))
			return false;
	}
	return true;
}

static bool take_request(struct controller *c, struct alter_task *at)
{
	const struct controller_request *m = at->base.ask.request;
	const struct alter_partition_request *q = m->request;
	struct alter_partition_response *out = m->response;
	size_t n = 0;

	for (int32_t i = 0; i < q->topics_count; i++)
		n += (size_t)q->topics[i].partitions_count;
	at->items = mem_calloc(n + 1, sizeof(*at->items));
	out->topics = arena_calloc(m->arena, (size_t)q->topics_count, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	for (int32_t i = 0; i < q->topics_count; i++) {
		alter_partition_response_topic_init(&out->topics[i]);
		out->topics_count++;
		if (!take_topic(c, at, &q->topics[i], &out->topics[i]))
			return false;
	}
	return true;
}

static bool are_live(const struct active *a, const struct isr_claim *claim)
{
	for (int32_t i = 0; i < claim->isr_count; i++) {
		if (!active_is_live(a, claim->isr[i]))
			return false;
	}
	return true;
}

static void write_claim(struct controller *c, struct alter_task *at, struct alter_item *item)
{
	struct znode_state z = {
		.leader = item->claim.leader, .leader_epoch = item->claim.leader_epoch, .controller_epoch = c->controller_epoch,
		.isr = (int32_t *)(uintptr_t)item->claim.isr, .isr_count = item->claim.isr_count, .is_recovering = item->claim.is_recovering,
	};

	strbuf_reset(&c->text);
	znode_state_encode(&z, &c->text);
	task_set_node(c, &at->base.task, true, item->p->partition_epoch, "/brokers/topics/%s/partitions/%d/state", item->p->topic->name, item->p->id)->mark = item;
}

static enum task_result alter_check(struct controller *c, struct alter_task *at)
{
	const struct controller_request *m = at->base.ask.request;
	const struct alter_partition_request *q = m->request;
	struct alter_partition_response *out = m->response;
	const struct active_broker *sender = active_broker_get(c->active, q->broker_id);

	if (sender == NULL || sender->info.epoch != q->broker_epoch) {
		out->error_code = STALE_BROKER_EPOCH;
		return TASK_DONE;
	}
	if (!take_request(c, at)) {
		out->error_code = UNKNOWN_SERVER_ERROR;
		out->topics_count = 0;
		return TASK_DONE;
	}
	for (int32_t i = 0; i < at->count; i++) {
		struct alter_item *item = &at->items[i];

		item->out->error_code = isr_claim_check(&item->claim, item->p, are_live(c->active, &item->claim), m->version);
		if (item->out->error_code == NONE && !isr_claim_is_met(&item->claim, item->p))
			write_claim(c, at, item);
	}
	at->base.task.stage = ALTER_WRITTEN;
	return task_submit(c, &at->base.task);
}

static void take_written(struct controller *c, struct alter_item *item, int32_t version)
{
	struct znode_state z = {
		.leader = item->claim.leader, .leader_epoch = item->claim.leader_epoch, .controller_epoch = c->controller_epoch,
		.isr = (int32_t *)(uintptr_t)item->claim.isr, .isr_count = item->claim.isr_count, .is_recovering = item->claim.is_recovering,
	};

	active_take_state(item->p, &z, version);
}

static enum task_result alter_written(struct controller *c, struct alter_task *at)
{
	if (active_is_fenced_off(&at->base.task))
		return active_moved(c, &at->base.task);
	LIST_FOREACH(e, &at->base.task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct alter_item *item = s->mark;

		if (s->call.result == OK) {
			take_written(c, item, store_call_op(s)->stat.version);
		} else if (s->call.result == ERR_BAD_VERSION) {
			item->is_in_conflict = true;
			item->was_retried = s->was_retried;
			active_partitions_add(&at->conflicts, item->p);
		} else {
			item->out->error_code = err_to_kafka(s->call.result);
		}
	}
	task_drop_calls(&at->base.task);
	at->base.task.stage = ALTER_SETTLE;
	if (at->conflicts.count > 0)
		active_push_read_states(c, &at->conflicts);
	return TASK_AGAIN;
}

/* Somebody else has written the node, unless a write of ours was applied though its answer was lost. */
static bool was_written_by_us(const struct controller *c, const struct alter_item *item)
{
	return item->was_retried && item->p->has_leadership && item->p->controller_epoch == c->controller_epoch && isr_claim_is_met(&item->claim, item->p);
}

static bool fill_result(struct alter_item *item, struct arena *arena)
{
	struct alter_partition_response_partition *out = item->out;
	const struct active_partition *p = item->p;

	out->isr = arena_calloc(arena, (size_t)p->isr.count, sizeof(*out->isr));
	if (out->isr == NULL)
		return false;
	if (p->isr.count > 0)
		memcpy(out->isr, p->isr.ids, (size_t)p->isr.count * sizeof(*out->isr));
	out->isr_count = p->isr.count;
	out->leader_id = p->leader;
	out->leader_epoch = p->leader_epoch;
	out->leader_recovery_state = p->is_recovering ? 1 : 0;
	out->partition_epoch = p->partition_epoch;
	return true;
}

static enum task_result alter_settle(struct controller *c, struct alter_task *at)
{
	for (int32_t i = 0; i < at->count; i++) {
		struct alter_item *item = &at->items[i];

		if (item->is_in_conflict && !was_written_by_us(c, item))
			item->out->error_code = INVALID_UPDATE_VERSION;
		if (item->out->error_code == NONE && !fill_result(item, at->base.ask.request->arena))
			item->out->error_code = UNKNOWN_SERVER_ERROR;
		if (item->out->error_code == NONE && item->p->is_reassigning)
			active_partitions_add(&at->grown, item->p);
		if (item->p != NULL)
			active_batch_update(c->active, item->p);
	}
	active_batch_update_all(c->active);
	active_batch_send(c);
	active_ask_answer(c, &at->base.ask);
	at->base.task.stage = ALTER_END;
	if (at->grown.count > 0)
		active_push_reassignments_of(c, &at->grown);
	return TASK_AGAIN;
}

static enum task_result alter_run(struct controller *c, struct task *t)
{
	struct alter_task *at = (struct alter_task *)t;

	switch ((enum alter_stage)t->stage) {
	case ALTER_CHECK:   return alter_check(c, at);
	case ALTER_WRITTEN: return alter_written(c, at);
	case ALTER_SETTLE:  return alter_settle(c, at);
	case ALTER_END:     break;
	}
	return TASK_DONE;
}

static const struct task_kind alter_kind = { .name = "alter partition", .run = alter_run, .fini = alter_fini };

void active_enqueue_alter_partition(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &alter_kind, sizeof(struct alter_task), ask)->task);
}

/* --- AllocateProducerIds ---------------------------------------------------------------------------------------------------------------- */

static enum task_result producer_ids_run(struct controller *c, struct task *t)
{
	struct active_ask *ask = &((struct active_ask_task *)t)->ask;
	const struct allocate_producer_ids_request *q = ask->request->request;
	struct allocate_producer_ids_response *out = ask->request->response;
	const struct active_broker *b = active_broker_get(c->active, q->broker_id);

	if (b == NULL) {
		out->error_code = BROKER_ID_NOT_REGISTERED;
	} else if (b->info.epoch != q->broker_epoch) {
		out->error_code = STALE_BROKER_EPOCH;
	} else {
		producer_ids_enqueue(c, &c->active_queue, ask->request, ask->own);
		ask->request = NULL;	/* it answers */
	}
	return TASK_DONE;
}

static const struct task_kind producer_ids_kind = { .name = "allocate producer ids", .run = producer_ids_run, .fini = active_ask_task_fini };

void active_enqueue_producer_ids(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &producer_ids_kind, sizeof(struct active_ask_task), ask)->task);
}

/* --- /isr_change_notification ------------------------------------------------------------------------------------------------------------ */

enum scan_stage { SCAN_LIST, SCAN_READ, SCAN_TAKE, SCAN_TELL, SCAN_DELETE, SCAN_END };

struct isr_scan_task {
	struct task           task;
	char                **paths;	/* what is read is deleted: what came meanwhile is not */
	int32_t               path_count;
	struct partition_list changed, reassigning;
};

static void scan_fini(struct controller *c, struct task *t)
{
	struct isr_scan_task *s = (struct isr_scan_task *)t;

	(void)c;
	active_free_paths(s->paths, s->path_count);
	active_partitions_fini(&s->changed);
	active_partitions_fini(&s->reassigning);
}

static void take_notice(struct controller *c, struct isr_scan_task *st, struct store_call *s)
{
	struct znode_partition_name *names;
	int32_t n;

	if (s->call.result == ERR_NOT_FOUND)
		return;
	if (s->call.result != OK || !znode_partitions_decode(store_call_op(s)->out, &names, &n, &s->call.arena)) {
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", s->path), KV_ERR(store_call_problem(s)));
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		struct active_partition *p = active_partition_find(c, names[i].topic, names[i].partition);

		if (p != NULL)
			active_partitions_add(&st->changed, p);
	}
}

static enum task_result scan_take(struct controller *c, struct isr_scan_task *st)
{
	LIST_FOREACH(e, &st->task.calls)
		take_notice(c, st, LIST_ENTRY(e, struct store_call, link));
	task_drop_calls(&st->task);
	st->task.stage = st->changed.count > 0 ? SCAN_TELL : SCAN_DELETE;
	if (st->changed.count > 0)
		active_push_read_states(c, &st->changed);
	return TASK_AGAIN;
}

static enum task_result scan_tell(struct controller *c, struct isr_scan_task *st)
{
	for (int32_t i = 0; i < st->changed.count; i++) {
		active_batch_update(c->active, st->changed.items[i].p);
		if (st->changed.items[i].p->is_reassigning)
			active_partitions_add(&st->reassigning, st->changed.items[i].p);
	}
	active_batch_send(c);
	st->task.stage = SCAN_DELETE;
	if (st->reassigning.count > 0)
		active_push_reassignments_of(c, &st->reassigning);
	return TASK_AGAIN;
}

static enum task_result scan_run(struct controller *c, struct task *t)
{
	struct isr_scan_task *st = (struct isr_scan_task *)t;

	switch ((enum scan_stage)t->stage) {
	case SCAN_LIST:
		c->active->is_isr_scan_queued = false;
		task_children(c, t, true, "/isr_change_notification");
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
	case SCAN_TELL:
		return scan_tell(c, st);
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

static const struct task_kind scan_kind = { .name = "in-sync notices", .run = scan_run, .fini = scan_fini };

void active_enqueue_isr_scan(struct controller *c)
{
	if (c->active->is_isr_scan_queued)
		return;
	c->active->is_isr_scan_queued = true;
	task_enqueue(task_create(&c->active_queue, &scan_kind, sizeof(struct isr_scan_task), NULL));
}
