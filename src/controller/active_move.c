/*
 * One partition moves from some replicas to others: the two phases (active_reassign.h).
 */
#include "controller/active_reassign.h"

#include <stdlib.h>

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
	reassign_name(name, p->topic->name, p->id, p->replicas.ids, p->replicas.count);
	reassign_push_prune(c, name, 1);
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

void reassign_push_move(struct controller *c, struct active_partition *p, struct active_assignment *to, bool only_to_complete, enum kafka_error *error)
{
	struct move_task *m = (struct move_task *)task_create(&c->active_queue, &move_kind, sizeof(*m), NULL);

	m->p = p;
	m->to = *to;
	m->error = error;
	m->only_to_complete = only_to_complete;
	task_push(&m->task);
}
