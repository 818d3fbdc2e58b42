/*
 * Deleting topics.
 *
 * /admin/delete_topics/<t> asks for it; from then on the topic is queued, and members hear of its partitions only that they are going. Its replicas are stopped, then deleted; when every
 * broker has said so, the topic's nodes go, the one that asks for it last: each step leaves something from which the next controller goes on. A replica that cannot be
 * deleted now, because its broker is away, keeps the whole topic queued until the broker is back.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

static bool all_replicas_in(const struct active_topic *t, enum active_replica_state state)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct active_partition *p = t->partitions[i];

		for (int32_t k = 0; k < p->replicas.count; k++) {
			const struct active_replica *r = active_replica_get(p, p->replicas.ids[k]);

			if (r == NULL || r->state != state)
				return false;
		}
	}
	return true;
}

/* Those in the state; also without a list: whether there are any. */
static bool collect_in(const struct active_topic *t, enum active_replica_state state, struct replica_list *out)
{
	bool any = false;

	for (int32_t i = 0; i < t->partition_count; i++) {
		struct active_partition *p = t->partitions[i];

		for (int32_t k = 0; k < p->state_count; k++) {
			if (p->states[k].state != state)
				continue;
			any = true;
			if (out != NULL)
				active_replicas_add(out, p, p->states[k].broker);
		}
	}
	return any;
}

void active_deletion_retry(struct active *a, struct active_topic *t)
{
	(void)a;
	t->is_ineligible = false;
}

static void queue(struct controller *c, struct active_topic *t)
{
	if (t->is_queued)
		return;
	t->is_queued = true;
	c->active->queued_count++;
	for (int32_t i = 0; i < t->partition_count; i++)
		t->is_ineligible |= t->partitions[i]->is_reassigning;
}

/* --- the end of topics: their nodes ------------------------------------------------------------------------------------------------------ */

enum complete_stage { COMPLETE_LOOK, COMPLETE_NODES, COMPLETE_DONE };

struct complete_task {
	struct task task;
	char      **names;
	int32_t     count;
};

static void complete_fini(struct controller *c, struct task *t)
{
	struct complete_task *ct = (struct complete_task *)t;

	(void)c;
	for (int32_t i = 0; i < ct->count; i++)
		free(ct->names[i]);
	free(ct->names);
}

/* What is below a topic's node is asked for: it may be more than we know of. */
static enum task_result complete_look(struct controller *c, struct complete_task *ct)
{
	for (int32_t i = 0; i < ct->count; i++)
		task_children(c, &ct->task, false, "/brokers/topics/%s/partitions", ct->names[i])->mark = ct->names[i];
	ct->task.stage = COMPLETE_NODES;
	return task_submit(c, &ct->task);
}

struct doomed {
	const char *topic;
	char      **partitions;
	int32_t     count;
};

static void take_doomed(struct doomed *d, struct store_call *call)
{
	const struct coord_op *op = store_call_op(call);

	d->topic = call->mark;
	if (call->call.result != OK)
		return;
	d->partitions = mem_calloc((size_t)op->name_count + 1, sizeof(*d->partitions));
	for (int32_t i = 0; i < op->name_count; i++)
		d->partitions[d->count++] = mem_strndup((const char *)op->names[i].ptr, op->names[i].len);
}

static void delete_nodes(struct controller *c, struct task *t, struct doomed *d)
{
	for (int32_t i = 0; i < d->count; i++) {
		task_delete_node(c, t, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions/%s/state", d->topic, d->partitions[i]);
		task_delete_node(c, t, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions/%s", d->topic, d->partitions[i]);
		free(d->partitions[i]);
	}
	free(d->partitions);
	task_delete_node(c, t, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions", d->topic);
	task_delete_node(c, t, true, COORD_ANY_VERSION, "/brokers/topics/%s", d->topic);
	task_delete_node(c, t, true, COORD_ANY_VERSION, "/config/topics/%s", d->topic);
	task_delete_node(c, t, true, COORD_ANY_VERSION, "/admin/delete_topics/%s", d->topic);
}

static enum task_result complete_nodes(struct controller *c, struct complete_task *ct)
{
	struct doomed *doomed = mem_calloc((size_t)ct->count + 1, sizeof(*doomed));
	int32_t n = 0;

	LIST_FOREACH(e, &ct->task.calls)
		take_doomed(&doomed[n++], LIST_ENTRY(e, struct store_call, link));
	task_drop_calls(&ct->task);
	for (int32_t i = 0; i < n; i++)
		delete_nodes(c, &ct->task, &doomed[i]);
	free(doomed);
	ct->task.stage = COMPLETE_DONE;
	return task_submit(c, &ct->task);
}

static enum task_result complete_done(struct controller *c, struct complete_task *ct)
{
	if (active_is_fenced_off(&ct->task))
		return active_moved(c, &ct->task);
	LIST_FOREACH(e, &ct->task.calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);

		if (call->call.result != OK && call->call.result != ERR_NOT_FOUND)
			LOG_ERROR(&c->actor.log, store_refused, KV_STR("path", call->path), KV_ERR(call->call.result));
	}
	for (int32_t i = 0; i < ct->count; i++) {
		struct active_topic *t = active_topic_get(c, slice_str(ct->names[i]));

		LOG_INFO(&c->actor.log, topic_deleted, KV_STR("topic", ct->names[i]));
		if (t != NULL)
			active_topic_forget(c->active, t);
	}
	active_look_at_waiters(c);
	return TASK_DONE;
}

static enum task_result complete_run(struct controller *c, struct task *t)
{
	struct complete_task *ct = (struct complete_task *)t;

	switch ((enum complete_stage)t->stage) {
	case COMPLETE_LOOK:  return complete_look(c, ct);
	case COMPLETE_NODES: return complete_nodes(c, ct);
	case COMPLETE_DONE:  return complete_done(c, ct);
	}
	return TASK_DONE;
}

static const struct task_kind complete_kind = { .name = "topics deleted", .run = complete_run, .fini = complete_fini };

static struct complete_task *complete_task(struct controller *c, uint32_t room)
{
	struct complete_task *ct = (struct complete_task *)task_create(&c->active_queue, &complete_kind, sizeof(*ct), NULL);

	ct->names = mem_calloc((size_t)room + 1, sizeof(*ct->names));
	return ct;
}

/* --- starting: partitions go, replicas are stopped and deleted ------------------------------------------------------------------------------ */

enum begin_stage { BEGIN_TELL, BEGIN_STOP, BEGIN_DELETE, BEGIN_HALT };

struct begin_task {
	struct task           task;
	struct active_topic **topics;
	int32_t               count;
	struct replica_list   alive, dead;
};

static void begin_fini(struct controller *c, struct task *t)
{
	struct begin_task *b = (struct begin_task *)t;

	(void)c;
	free(b->topics);
	active_replicas_fini(&b->alive);
	active_replicas_fini(&b->dead);
}

static void begin_collect(const struct active *a, struct begin_task *b, struct active_topic *t, struct partition_list *unseen)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		struct active_partition *p = t->partitions[i];

		if (!t->is_deletion_started)
			active_partitions_add(unseen, p);
		for (int32_t k = 0; k < p->replicas.count; k++) {
			const struct active_replica *r = active_replica_get(p, p->replicas.ids[k]);

			if (!active_is_replica_online(a, p, p->replicas.ids[k]))
				active_replicas_add(&b->dead, p, p->replicas.ids[k]);
			else if (r == NULL || r->state != REPLICA_DELETION_SUCCESSFUL)
				active_replicas_add(&b->alive, p, p->replicas.ids[k]);
		}
	}
}

static enum task_result begin_tell(struct controller *c, struct begin_task *b)
{
	struct active *a = c->active;
	struct partition_list unseen = { 0 };

	for (int32_t i = 0; i < b->count; i++)
		begin_collect(a, b, b->topics[i], &unseen);
	active_push_partitions(c, &unseen, PARTITION_OFFLINE, ELECT_OFFLINE);
	active_push_partitions(c, &unseen, PARTITION_NON_EXISTENT, ELECT_OFFLINE);
	active_partitions_fini(&unseen);
	for (int32_t i = 0; i < b->count; i++) {
		b->topics[i]->is_deletion_started = true;
		for (int32_t k = 0; k < b->topics[i]->partition_count; k++)
			active_batch_update(a, b->topics[i]->partitions[k]);
	}
	active_batch_send(c);
	b->task.stage = BEGIN_STOP;
	active_push_replicas(c, &b->dead, REPLICA_DELETION_INELIGIBLE);
	return TASK_WAIT;
}

static enum task_result begin_run(struct controller *c, struct task *t)
{
	struct begin_task *b = (struct begin_task *)t;

	switch ((enum begin_stage)t->stage) {
	case BEGIN_TELL:
		return begin_tell(c, b);
	case BEGIN_STOP:
		t->stage = BEGIN_DELETE;
		active_push_replicas(c, &b->alive, REPLICA_OFFLINE);
		return TASK_WAIT;
	case BEGIN_DELETE:
		t->stage = BEGIN_HALT;
		active_push_replicas(c, &b->alive, REPLICA_DELETION_STARTED);
		return TASK_WAIT;
	case BEGIN_HALT:
		for (int32_t i = 0; i < b->dead.count; i++) {
			struct active_topic *topic = b->dead.items[i].p->topic;

			if (!topic->is_ineligible)
				LOG_INFO(&c->actor.log, topic_deletion_waits, KV_STR("topic", topic->name));
			topic->is_ineligible = true;
		}
		active_look_at_waiters(c);
		break;
	}
	return TASK_DONE;
}

static const struct task_kind begin_kind = { .name = "delete topics", .run = begin_run, .fini = begin_fini };

/* --- going on where it can ---------------------------------------------------------------------------------------------------------------------- */

enum resume_stage { RESUME_RETRY, RESUME_COMPLETE, RESUME_BEGIN, RESUME_DONE };

/* To Offline again, what could not be deleted when it was tried, so that it is tried again. */
static enum task_result resume_retry(struct controller *c, struct task *t)
{
	struct replica_list l = { 0 };

	MAP_FOREACH(e, &c->active->topics) {
		const struct active_topic *topic = e->value;

		if (topic->is_queued && !all_replicas_in(topic, REPLICA_DELETION_SUCCESSFUL) && !collect_in(topic, REPLICA_DELETION_STARTED, NULL))
			collect_in(topic, REPLICA_DELETION_INELIGIBLE, &l);
	}
	t->stage = RESUME_COMPLETE;
	if (l.count > 0)
		active_push_replicas(c, &l, REPLICA_OFFLINE);
	active_replicas_fini(&l);
	return TASK_WAIT;
}

static enum task_result resume_complete(struct controller *c, struct task *t)
{
	struct active *a = c->active;
	struct complete_task *ct = complete_task(c, map_count(&a->topics));

	MAP_FOREACH(e, &a->topics) {
		const struct active_topic *topic = e->value;

		if (topic->is_queued && all_replicas_in(topic, REPLICA_DELETION_SUCCESSFUL))
			ct->names[ct->count++] = mem_strdup(topic->name);
	}
	t->stage = RESUME_BEGIN;
	task_push(&ct->task);	/* with nothing to do it ends at once */
	return TASK_WAIT;
}

static enum task_result resume_begin(struct controller *c, struct task *t)
{
	struct active *a = c->active;
	struct begin_task *b = (struct begin_task *)task_create(&c->active_queue, &begin_kind, sizeof(*b), NULL);

	b->topics = mem_calloc((size_t)map_count(&a->topics) + 1, sizeof(struct active_topic *));
	MAP_FOREACH(e, &a->topics) {
		struct active_topic *topic = e->value;

		if (topic->is_queued && !topic->is_ineligible && !active_is_moving(topic) && !collect_in(topic, REPLICA_DELETION_STARTED, NULL))
			b->topics[b->count++] = topic;
	}
	t->stage = RESUME_DONE;
	task_push(&b->task);
	return TASK_WAIT;
}

static enum task_result resume_run(struct controller *c, struct task *t)
{
	if (c->active->queued_count == 0)
		return TASK_DONE;
	switch ((enum resume_stage)t->stage) {
	case RESUME_RETRY:    return resume_retry(c, t);
	case RESUME_COMPLETE: return resume_complete(c, t);
	case RESUME_BEGIN:    return resume_begin(c, t);
	case RESUME_DONE:     break;
	}
	return TASK_DONE;
}

static const struct task_kind resume_kind = { .name = "resume deletions", .run = resume_run };

void active_push_resume_deletions(struct controller *c)
{
	task_push(task_create(&c->active_queue, &resume_kind, sizeof(struct task), NULL));
}

/* --- replicas that could not be deleted, and those that were ------------------------------------------------------------------------------------------ */

enum outcome_stage { OUTCOME_FAILED, OUTCOME_DELETED, OUTCOME_RESUME, OUTCOME_DONE };

struct outcome_task {
	struct task            task;
	struct replica_list    failed, deleted;
	struct active_request *request;		/* whose answer it is; NULL: the replicas are given */
};

static void outcome_fini(struct controller *c, struct task *t)
{
	struct outcome_task *o = (struct outcome_task *)t;

	(void)c;
	if (o->request != NULL)
		active_request_free(o->request);
	active_replicas_fini(&o->failed);
	active_replicas_fini(&o->deleted);
}

/* Answers come in the order of the request, or nearly: *hint is where the last one was. */
static bool was_to_be_deleted(const struct active_request *r, struct slice topic, int32_t partition, int32_t *hint)
{
	for (int32_t i = 0; i < r->stop_state_count; i++, *hint = (*hint + 1) % r->stop_state_count) {
		const struct stop_replica_request_topic_state *t = &r->stop_states[*hint];

		if (!slice_eq(t->topic_name, topic))
			continue;
		for (int32_t k = 0; k < t->partition_states_count; k++) {
			if (t->partition_states[k].partition_index == partition)
				return t->partition_states[k].delete_partition;
		}
		break;
	}
	return false;
}

static void take_outcome(struct controller *c, struct outcome_task *o)
{
	const struct stop_replica_response *m = o->request->answer;
	int32_t hint = 0;

	if (m->error_code != NONE)
		LOG_WARN(&c->actor.log, member_refused, KV_I32("broker", o->request->broker), KV_STR("error", kafka_error_name(m->error_code)));
	for (int32_t i = 0; i < m->partition_errors_count; i++) {
		const struct stop_replica_response_partition_error *e = &m->partition_errors[i];
		struct active_partition *p = active_partition_find(c, e->topic_name, e->partition_index);

		if (p == NULL || !p->topic->is_deletion_started || !was_to_be_deleted(o->request, e->topic_name, e->partition_index, &hint))
			continue;
		active_replicas_add(m->error_code != NONE || e->error_code != NONE ? &o->failed : &o->deleted, p, o->request->broker);
	}
}

static enum task_result outcome_failed(struct controller *c, struct outcome_task *o)
{
	if (o->request != NULL)
		take_outcome(c, o);
	for (int32_t i = 0; i < o->failed.count; i++) {
		struct active_topic *topic = o->failed.items[i].p->topic;

		if (!topic->is_ineligible)
			LOG_INFO(&c->actor.log, topic_deletion_waits, KV_STR("topic", topic->name));
		topic->is_ineligible = true;
	}
	o->task.stage = o->failed.count + o->deleted.count > 0 ? OUTCOME_DELETED : OUTCOME_DONE;
	if (o->failed.count > 0)
		active_push_replicas(c, &o->failed, REPLICA_DELETION_INELIGIBLE);
	return TASK_WAIT;
}

static enum task_result outcome_run(struct controller *c, struct task *t)
{
	struct outcome_task *o = (struct outcome_task *)t;

	switch ((enum outcome_stage)t->stage) {
	case OUTCOME_FAILED:
		return outcome_failed(c, o);
	case OUTCOME_DELETED:
		t->stage = OUTCOME_RESUME;
		if (o->deleted.count > 0)
			active_push_replicas(c, &o->deleted, REPLICA_DELETION_SUCCESSFUL);
		return TASK_WAIT;
	case OUTCOME_RESUME:
		t->stage = OUTCOME_DONE;
		active_push_resume_deletions(c);
		return TASK_WAIT;
	case OUTCOME_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind outcome_kind = { .name = "replicas deleted", .run = outcome_run, .fini = outcome_fini };

void active_push_fail_deletions(struct controller *c, struct replica_list *l)
{
	struct outcome_task *o = (struct outcome_task *)task_create(&c->active_queue, &outcome_kind, sizeof(*o), NULL);

	for (int32_t i = 0; i < l->count; i++)
		active_replicas_add(&o->failed, l->items[i].p, l->items[i].broker);
	task_push(&o->task);
}

void active_enqueue_stop_answer(struct controller *c, struct active_request *r)
{
	struct outcome_task *o = (struct outcome_task *)task_create(&c->active_queue, &outcome_kind, sizeof(*o), NULL);

	o->request = r;
	task_enqueue(&o->task);
}

/* --- what is asked for -------------------------------------------------------------------------------------------------------------------------------- */

enum ask_stage { ASK_LIST, ASK_TAKE, ASK_REMOVED, ASK_DONE };

struct ask_task {
	struct task task;
	bool        is_load;	/* failover: mark them, no more; what is left of topics that are gone goes, too */
};

static bool has_offline_replica(const struct active *a, const struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		for (int32_t k = 0; k < t->partitions[i]->replicas.count; k++) {
			if (!active_is_replica_online(a, t->partitions[i], t->partitions[i]->replicas.ids[k]))
				return true;
		}
	}
	return false;
}

static enum task_result ask_take(struct controller *c, struct ask_task *at)
{
	struct store_call *list = at->task.last;
	struct complete_task *gone = complete_task(c, (uint32_t)store_call_op(list)->name_count);
	char **refused = mem_calloc((size_t)store_call_op(list)->name_count + 1, sizeof(*refused));
	int32_t n = 0;

	for (int32_t i = 0; list->call.result == OK && i < store_call_op(list)->name_count; i++) {
		struct slice name = store_call_op(list)->names[i];
		struct active_topic *t = active_topic_get(c, name);

		if (!c->config->is_topic_deletion_enabled || (t == NULL && !at->is_load)) {
			refused[n++] = mem_strndup((const char *)name.ptr, name.len);
		} else if (t == NULL) {
			gone->names[gone->count++] = mem_strndup((const char *)name.ptr, name.len);
		} else {
			queue(c, t);
			t->is_ineligible |= at->is_load && has_offline_replica(c->active, t);
		}
	}
	task_drop_calls(&at->task);
	for (int32_t i = 0; i < n; i++) {
		task_delete_node(c, &at->task, true, COORD_ANY_VERSION, "/admin/delete_topics/%s", refused[i]);
		free(refused[i]);
	}
	free(refused);
	at->task.stage = ASK_REMOVED;
	task_push(&gone->task);
	(void)task_submit(c, &at->task);
	return TASK_WAIT;
}

static enum task_result ask_run(struct controller *c, struct task *t)
{
	struct ask_task *at = (struct ask_task *)t;

	switch ((enum ask_stage)t->stage) {
	case ASK_LIST:
		task_children(c, t, true, "/admin/delete_topics");
		t->stage = ASK_TAKE;
		return task_submit(c, t);
	case ASK_TAKE:
		return ask_take(c, at);
	case ASK_REMOVED:
		if (active_is_fenced_off(t))
			return active_moved(c, t);
		t->stage = ASK_DONE;
		if (!at->is_load)
			active_push_resume_deletions(c);
		return TASK_WAIT;
	case ASK_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind ask_kind = { .name = "deletions wanted", .run = ask_run };

static struct ask_task *ask_task(struct controller *c)
{
	return (struct ask_task *)task_create(&c->active_queue, &ask_kind, sizeof(struct ask_task), NULL);
}

void active_enqueue_deletion_scan(struct controller *c)
{
	task_enqueue(&ask_task(c)->task);
}

void active_push_deletions(struct controller *c)
{
	task_push(&ask_task(c)->task);
}

void active_push_load_deletions(struct controller *c)
{
	struct ask_task *at = ask_task(c);

	at->is_load = true;
	task_push(&at->task);
}
