/*
 * Reassignment: one partition moves from some replicas to others.
 *
 * What is wanted is written into the topic's node first, as the union of old and new replicas with those that come and those that go beside it; the node is shortened last. So a crash
 * anywhere is gone on from there. In between, new replicas are started (phase A) and enter the in-sync set by themselves; when all wanted ones are in it the old ones are
 * dropped (phase B). Whatever may complete a move only looks again: the in-sync set in the store decides.
 *
 * A new wish supersedes a running one, cancelling is the wish to be back, and both are the same procedure.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/list_partition_reassignments.h"

/* --- dropping replicas ------------------------------------------------------------------------------------------------------------------ */

/* Out of the in-sync set, stopped, deleted, forgotten. Whether a member really deleted its files is not waited for: it may be away. */
struct drop_task {
	struct task         task;
	struct replica_list list;
};

static enum task_result drop_run(struct controller *c, struct task *t)
{
	static const enum active_replica_state steps[] = { REPLICA_OFFLINE, REPLICA_DELETION_STARTED, REPLICA_DELETION_SUCCESSFUL, REPLICA_NON_EXISTENT };
	struct drop_task *d = (struct drop_task *)t;

	if (t->stage == (int)ARRAY_LEN(steps) || d->list.count == 0)
		return TASK_DONE;
	active_push_replicas(c, &d->list, steps[t->stage++]);
	return TASK_AGAIN;
}

static void drop_fini(struct controller *c, struct task *t)
{
	(void)c;
	active_replicas_fini(&((struct drop_task *)t)->list);
}

static const struct task_kind drop_kind = { .name = "drop replicas", .run = drop_run, .fini = drop_fini };

static void push_drop(struct controller *c, const struct replica_list *l)
{
	struct drop_task *d = (struct drop_task *)task_create(&c->active_queue, &drop_kind, sizeof(*d), NULL);

	for (int32_t i = 0; i < l->count; i++)
		active_replicas_add(&d->list, l->items[i].p, l->items[i].broker);
	task_push(&d->task);
}

/* --- /admin/reassign_partitions: taking entries out ----------------------------------------------------------------------------------------- */

#define NODE_PATH "/admin/reassign_partitions"

enum prune_stage { PRUNE_LOOK, PRUNE_READ, PRUNE_WRITE, PRUNE_WRITTEN };

struct prune_task {
	struct task                  task;
	struct znode_partition_name *names;	/* to be taken out; without replicas: whatever is wanted of them. Owned, with what it points to */
	int32_t                      count;
};

static void names_free(struct znode_partition_name *names, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)names[i].topic.ptr);
		free(names[i].replicas);
	}
	free(names);
}

static void prune_fini(struct controller *c, struct task *t)
{
	(void)c;
	names_free(((struct prune_task *)t)->names, ((struct prune_task *)t)->count);
}

static bool is_pruned(const struct prune_task *pt, const struct znode_partition_name *entry)
{
	for (int32_t i = 0; i < pt->count; i++) {
		const struct znode_partition_name *n = &pt->names[i];

		if (n->partition != entry->partition || !slice_eq(n->topic, entry->topic))
			continue;
		if (n->replicas == NULL || (n->replica_count == entry->replica_count &&
		                            memcmp(n->replicas, entry->replicas, (size_t)n->replica_count * sizeof(int32_t)) == 0))
			return true;
	}
	return false;
}

/* Deleted when nothing is left, or nothing can be read. */
static enum task_result prune_write(struct controller *c, struct prune_task *pt)
{
	struct store_call *s = pt->task.last;
	struct znode_partition_name *entries;
	int32_t n = 0, kept = 0;

	if (s->call.result != OK)
		return TASK_DONE;
	if (!znode_reassign_decode(store_call_op(s)->out, &entries, &n, &s->call.arena))
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", s->path), KV_ERR(ERR_INVALID));
	for (int32_t i = 0; i < n; i++) {
		if (!is_pruned(pt, &entries[i]))
			entries[kept++] = entries[i];
	}
	if (kept == n && n > 0)
		return TASK_DONE;
	strbuf_reset(&c->text);
	if (kept > 0)
		znode_reassign_encode(entries, kept, &c->text);
	task_drop_calls(&pt->task);
	if (kept > 0)
		task_set_node(c, &pt->task, true, COORD_ANY_VERSION, NODE_PATH);
	else
		task_delete_node(c, &pt->task, true, COORD_ANY_VERSION, NODE_PATH);
	pt->task.stage = PRUNE_WRITTEN;
	return task_submit(c, &pt->task);
}

static enum task_result prune_run(struct controller *c, struct task *t)
{
	struct prune_task *pt = (struct prune_task *)t;

	switch ((enum prune_stage)t->stage) {
	case PRUNE_LOOK:
		task_exists(c, t, true, NODE_PATH);
		t->stage = PRUNE_READ;
		return task_submit(c, t);
	case PRUNE_READ:
		if (t->last->call.result != OK)
			return TASK_DONE;
		task_drop_calls(t);
		task_get(c, t, false, NODE_PATH);
		t->stage = PRUNE_WRITE;
		return task_submit(c, t);
	case PRUNE_WRITE:
		return prune_write(c, pt);
	case PRUNE_WRITTEN:
		if (active_is_fenced_off(t))
			return active_moved(c, t);
		if (store_call_op(t->last)->kind == COORD_DELETE)
			active_enqueue_reassign_node(c);	/* arms the watch for the next one */
		break;
	}
	return TASK_DONE;
}

static const struct task_kind prune_kind = { .name = "prune reassignment node", .run = prune_run, .fini = prune_fini };

static void push_prune(struct controller *c, struct znode_partition_name *names, int32_t n)	/* takes names */
{
	struct prune_task *pt = (struct prune_task *)task_create(&c->active_queue, &prune_kind, sizeof(*pt), NULL);

	pt->names = names;
	pt->count = n;
	task_push(&pt->task);
}

static void name_set(struct znode_partition_name *n, const char *topic, int32_t partition, const int32_t *replicas, int32_t replica_count)
{
	*n = (struct znode_partition_name){ .topic = slice_str(mem_strdup(topic)), .partition = partition, .replica_count = replica_count };
	if (replicas != NULL) {
		n->replicas = mem_calloc((size_t)replica_count + 1, sizeof(int32_t));
		memcpy(n->replicas, replicas, (size_t)replica_count * sizeof(int32_t));
	}
}

/* --- moving one partition -------------------------------------------------------------------------------------------------------------------- */

enum move_stage {
	MOVE_BEGIN, MOVE_WRITTEN, MOVE_LOOK, MOVE_DECIDE,
	MOVE_START, MOVE_START_TELL, MOVE_START_NEW,						/* phase A */
	MOVE_ONLINE, MOVE_LEADER, MOVE_LEADER_TELL, MOVE_DROP, MOVE_SHORTEN, MOVE_SHORTENED, MOVE_TELL, MOVE_END,	/* phase B */
};

struct move_task {
	struct task              task;
	struct active_partition *p;
	struct active_assignment to;		/* what is wanted */
	bool                     only_to_complete;	/* nothing happens unless it can be completed */
	enum kafka_error        *error;		/* the pusher's */
	struct replica_list      adding, removing, one;
	int32_t                  at;		/* in adding */
	struct state_changes     bump;
	struct partition_list    self;
};

static void move_fini(struct controller *c, struct task *t)
{
	struct move_task *m = (struct move_task *)t;

	(void)c;
	active_assignment_fini(&m->to);
	active_replicas_fini(&m->adding);
	active_replicas_fini(&m->removing);
	active_replicas_fini(&m->one);
	state_changes_fini(&m->bump);
	active_partitions_fini(&m->self);
}

static enum task_result go(struct move_task *m, enum move_stage stage)
{
	m->task.stage = stage;
	return TASK_AGAIN;
}

static enum task_result move_failed(struct controller *c, struct move_task *m, enum err e)
{
	LOG_WARN(&c->actor.log, reassignment_failed, KV_STR("topic", m->p->topic->name), KV_I32("partition", m->p->id), KV_ERR(e));
	*m->error = UNKNOWN_SERVER_ERROR;
	return TASK_DONE;
}

static void take_assignment(struct controller *c, struct active_partition *p, const struct active_assignment *to)
{
	active_set_assignment(c->active, p, to->replicas, to->replica_count, to->adding, to->adding_count, to->removing, to->removing_count);
}

static void list_replicas(struct replica_list *l, struct active_partition *p, const struct id_list *ids)
{
	for (int32_t i = 0; i < ids->count; i++)
		active_replicas_add(l, p, ids->ids[i]);
}

static enum task_result move_begin(struct controller *c, struct move_task *m)
{
	if (m->only_to_complete || active_assignment_is_of(&m->to, m->p))
		return go(m, MOVE_LOOK);
	active_encode_topic_with(c, m->p->topic, m->p, &m->to);
	task_set_node(c, &m->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", m->p->topic->name);
	m->task.stage = MOVE_WRITTEN;
	return task_submit(c, &m->task);
}

/* Written: the wish is the assignment. Replicas that an older wish was adding and this one does not want are dropped at once. */
static enum task_result move_written(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;
	struct store_call *s = m->task.last;
	struct replica_list unneeded = { 0 };
	struct id_list wanted = { .ids = m->to.replicas, .count = m->to.replica_count };

	if (active_is_fenced_off(&m->task))
		return active_moved(c, &m->task);
	if (s->call.result != OK)
		return move_failed(c, m, s->call.result);
	p->topic->version = store_call_op(s)->stat.version;
	task_drop_calls(&m->task);
	for (int32_t i = 0; i < p->replicas.count; i++) {
		if (!id_list_has(&wanted, p->replicas.ids[i]))
			active_replicas_add(&unneeded, p, p->replicas.ids[i]);
	}
	take_assignment(c, p, &m->to);
	LOG_INFO(&c->actor.log, reassignment_begun, KV_STR("topic", p->topic->name), KV_I32("partition", p->id), KV_I32("adding", p->adding.count),
	         KV_I32("removing", p->removing.count));
	push_drop(c, &unneeded);
	active_replicas_fini(&unneeded);
	return go(m, MOVE_LOOK);
}

/* The in-sync set as the store has it: leaders of older protocol versions write it themselves, and are watched meanwhile. */
static enum task_result move_look(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;

	p->is_reassigning = true;
	if (!active_has_changes(p))
		return go(m, MOVE_ONLINE);
	task_get(c, &m->task, !active_has_version(c, KAFKA_VERSION(2, 7, 2)), "/brokers/topics/%s/partitions/%d/state", p->topic->name, p->id);
	m->task.stage = MOVE_DECIDE;
	return task_submit(c, &m->task);
}

static enum task_result move_decide(struct move_task *m)
{
	struct store_call *s = m->task.last;
	struct znode_state z;
	bool is_complete = s->call.result == OK && znode_state_decode(&z, store_call_op(s)->out, &s->call.arena) &&
	                   active_covers_target(m->p, z.isr, z.isr_count);

	task_drop_calls(&m->task);
	if (!is_complete && m->only_to_complete)
		return TASK_DONE;
	return go(m, is_complete ? MOVE_ONLINE : MOVE_START);
}

/* --- phase A: new replicas start ---------------------------------------------------------------------------------------------------------------- */

static enum task_result push_bump(struct controller *c, struct move_task *m, enum move_stage then)
{
	m->bump.decide = active_bump_epoch;
	state_changes_add(&m->bump, m->p);
	active_push_state_changes(c, &m->bump);
	return go(m, then);
}

/* Members take a role only with a new leader epoch; new replicas may be made in any directory, the others may not: their data may be in one that has failed. */
static void tell_assignment(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;

	if (m->bump.items[0].error != NONE) {
		LOG_WARN(&c->actor.log, reassignment_failed, KV_STR("topic", p->topic->name), KV_I32("partition", p->id), KV_ERR(ERR_INTERNAL));
		return;
	}
	for (int32_t i = 0; i < p->replicas.count; i++)
		active_batch_leader_and_isr(c->active, p, p->replicas.ids[i], id_list_has(&p->adding, p->replicas.ids[i]));
	active_batch_send(c);
}

static enum task_result move_start_tell(struct controller *c, struct move_task *m)
{
	tell_assignment(c, m);
	list_replicas(&m->adding, m->p, &m->p->adding);
	return go(m, MOVE_START_NEW);
}

static enum task_result move_start_new(struct controller *c, struct move_task *m)
{
	if (m->at == m->adding.count)
		return TASK_DONE;
	m->one.count = 0;
	active_replicas_add(&m->one, m->p, m->adding.items[m->at++].broker);
	active_push_replicas(c, &m->one, REPLICA_NEW);
	return TASK_AGAIN;
}

/* --- phase B: old replicas go ---------------------------------------------------------------------------------------------------------------------- */

static enum task_result move_online(struct controller *c, struct move_task *m)
{
	list_replicas(&m->adding, m->p, &m->p->adding);
	list_replicas(&m->removing, m->p, &m->p->removing);
	active_push_replicas(c, &m->adding, REPLICA_ONLINE);
	return go(m, MOVE_LEADER);
}

static enum task_result move_leader(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;

	active_assignment_fini(&m->to);
	active_assignment_target(&m->to, p);
	take_assignment(c, p, &m->to);
	if (p->has_leadership && id_list_has(&p->replicas, p->leader) && active_is_replica_online(c->active, p, p->leader))
		return push_bump(c, m, MOVE_LEADER_TELL);
	active_partitions_add(&m->self, p);
	active_push_partitions(c, &m->self, PARTITION_ONLINE, ELECT_REASSIGN);
	return go(m, MOVE_DROP);
}

static enum task_result move_shorten(struct controller *c, struct move_task *m)
{
	active_encode_topic(c, m->p->topic);
	task_set_node(c, &m->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", m->p->topic->name);
	m->task.stage = MOVE_SHORTENED;
	return task_submit(c, &m->task);
}

static enum task_result move_shortened(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;
	struct store_call *s = m->task.last;
	struct znode_partition_name *name;

	if (active_is_fenced_off(&m->task))
		return active_moved(c, &m->task);
	if (s->call.result != OK)
		return move_failed(c, m, s->call.result);
	p->topic->version = store_call_op(s)->stat.version;
	task_drop_calls(&m->task);
	name = mem_calloc(1, sizeof(*name));
	name_set(name, p->topic->name, p->id, p->replicas.ids, p->replicas.count);
	push_prune(c, name, 1);
	return go(m, MOVE_TELL);
}

/* Nothing of the partition is touched after this: its topic may be deleted now. */
static enum task_result move_tell(struct controller *c, struct move_task *m)
{
	struct active_partition *p = m->p;

	p->is_reassigning = false;
	LOG_INFO(&c->actor.log, reassignment_done, KV_STR("topic", p->topic->name), KV_I32("partition", p->id));
	active_batch_update(c->active, p);
	active_batch_send(c);
	m->task.stage = MOVE_END;
	if (p->topic->is_queued) {
		active_deletion_retry(c->active, p->topic);
		active_push_resume_deletions(c);
	}
	return TASK_AGAIN;
}

static enum task_result move_run(struct controller *c, struct task *t)
{
	struct move_task *m = (struct move_task *)t;

	switch ((enum move_stage)t->stage) {
	case MOVE_BEGIN:      return move_begin(c, m);
	case MOVE_WRITTEN:    return move_written(c, m);
	case MOVE_LOOK:       return move_look(c, m);
	case MOVE_DECIDE:     return move_decide(m);
	case MOVE_START:      return push_bump(c, m, MOVE_START_TELL);
	case MOVE_START_TELL: return move_start_tell(c, m);
	case MOVE_START_NEW:  return move_start_new(c, m);
	case MOVE_ONLINE:     return move_online(c, m);
	case MOVE_LEADER:     return move_leader(c, m);
	case MOVE_LEADER_TELL:
		tell_assignment(c, m);
		return go(m, MOVE_DROP);
	case MOVE_DROP:
		push_drop(c, &m->removing);
		return go(m, MOVE_SHORTEN);
	case MOVE_SHORTEN:    return move_shorten(c, m);
	case MOVE_SHORTENED:  return move_shortened(c, m);
	case MOVE_TELL:       return move_tell(c, m);
	case MOVE_END:        break;
	}
	return TASK_DONE;
}

static const struct task_kind move_kind = { .name = "reassign", .run = move_run, .fini = move_fini };

/* --- many of them, one after the other -------------------------------------------------------------------------------------------------------------- */

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
	struct move_task *m = (struct move_task *)task_create(&c->active_queue, &move_kind, sizeof(*m), NULL);

	m->p = p;
	m->error = &item->error;
	m->only_to_complete = item->how == MOVE_IF_COMPLETE;
	if (item->how == MOVE_TO || item->how == MOVE_BACK)
		active_assignment_to(&m->to, p, item->target, item->target_count);
	else
		active_assignment_copy(&m->to, p);
	task_push(&m->task);
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
			name_set(&names[n++], mt->items[i].topic, mt->items[i].partition, NULL, 0);
	}
	mt->base.task.stage = MOVES_NEXT;
	if (n > 0)
		push_prune(c, names, n);
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
		name_set(&names[n++], item->topic, item->partition, NULL, 0);
	}
	if (n > 0)
		push_prune(c, names, n);
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
		task_exists(c, t, true, NODE_PATH);
		t->stage = MOVES_READ;
		return task_submit(c, t);
	case MOVES_READ:
		t->stage = t->last->call.result == OK ? MOVES_TAKE : MOVES_NEXT;
		task_drop_calls(t);
		if (t->stage == MOVES_TAKE)
			task_get(c, t, false, NODE_PATH);
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

/* --- ListPartitionReassignments -------------------------------------------------------------------------------------------------------------------------- */

static bool copy_ids(int32_t **out, int32_t *n, const struct id_list *l, struct arena *arena)
{
	*n = l->count;
	*out = arena_calloc(arena, (size_t)l->count, sizeof(**out));
	if (*out != NULL && l->count > 0)
		memcpy(*out, l->ids, (size_t)l->count * sizeof(**out));
	return *out != NULL;
}

static bool fill_moving(struct list_partition_reassignments_response_topic *t, const struct active_partition *p, struct arena *arena)
{
	struct list_partition_reassignments_response_partition *out = &t->partitions[t->partitions_count++];

	out->partition_index = p->id;
	return copy_ids(&out->replicas, &out->replicas_count, &p->replicas, arena) &&
	       copy_ids(&out->adding_replicas, &out->adding_replicas_count, &p->adding, arena) &&
	       copy_ids(&out->removing_replicas, &out->removing_replicas_count, &p->removing, arena);
}

/* Of a topic, those partitions that are moving: of the ones asked for, or of all. The topic is listed if there are any. */
static bool list_topic(struct list_partition_reassignments_response *out, const struct active_topic *topic, const int32_t *wanted, int32_t n, struct arena *arena)
{
	struct list_partition_reassignments_response_topic *t = &out->topics[out->topics_count];

	t->partitions_count = 0;
	t->name = arena_copy(arena, slice_str(topic->name));
	t->partitions = arena_calloc(arena, (size_t)n, sizeof(*t->partitions));
	if (slice_is_null(t->name) || t->partitions == NULL)
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct active_partition *p = wanted != NULL ? active_partition_get(topic, wanted[i]) : topic->partitions[i];

		if (p != NULL && active_has_changes(p) && !fill_moving(t, p, arena))
			return false;
	}
	out->topics_count += t->partitions_count > 0;
	return true;
}

static bool is_any_moving(const struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (active_has_changes(t->partitions[i]))
			return true;
	}
	return false;
}

static bool list_all(const struct active *a, struct list_partition_reassignments_response *out, struct arena *arena)
{
	bool ok = true;

	out->topics = arena_calloc(arena, map_count(&a->topics) + 1, sizeof(*out->topics));
	uint32_t at = 0;
	for (struct map_entry *e; out->topics != NULL && (e = map_next(&a->topics, &at)) != NULL; ) {
		const struct active_topic *t = e->value;

		if (is_any_moving(t))
			ok &= list_topic(out, t, NULL, t->partition_count, arena);
	}
	return ok && out->topics != NULL;
}

static bool list_wanted(struct controller *c, const struct list_partition_reassignments_request *q, struct list_partition_reassignments_response *out,
                        struct arena *arena)
{
	bool ok = true;

	out->topics = arena_calloc(arena, (size_t)q->topics_count + 1, sizeof(*out->topics));
	for (int32_t i = 0; out->topics != NULL && i < q->topics_count; i++) {
		const struct active_topic *t = active_topic_get(c, q->topics[i].name);

		if (t != NULL)
			ok &= list_topic(out, t, q->topics[i].partition_indexes, q->topics[i].partition_indexes_count, arena);
	}
	return ok && out->topics != NULL;
}

static enum task_result list_run(struct controller *c, struct task *t)
{
	struct controller_request *m = ((struct active_ask_task *)t)->ask.request;
	const struct list_partition_reassignments_request *q = m->request;
	struct list_partition_reassignments_response *out = m->response;

	if (!(q->topics_count < 0 ? list_all(c->active, out, m->arena) : list_wanted(c, q, out, m->arena))) {
		out->topics_count = 0;
		out->error_code = UNKNOWN_SERVER_ERROR;
	}
	return TASK_DONE;
}

static const struct task_kind list_kind = { .name = "list reassignments", .run = list_run, .fini = active_ask_task_fini };

void active_enqueue_list_reassignments(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &list_kind, sizeof(struct active_ask_task), ask)->task);
}
