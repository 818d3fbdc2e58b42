/*
 * The state machine of replicas.
 *
 *	NonExistent -> New -> Online <-> Offline -> DeletionStarted -> DeletionSuccessful -> NonExistent
 *	Offline, DeletionStarted -> DeletionIneligible -> Online, Offline
 *
 * A replica that goes offline leaves the in-sync set (unless it is the last of it) and leads no more: that is written first. Brokers are gone through one after the other,
 * because two replicas of one partition that go offline are two changes of one node; what members are told is sent once, at the end.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

enum replicas_stage { REPLICAS_BROKER, REPLICAS_SHRUNK };

struct replicas_task {
	struct task               task;
	struct replica_list       list;		/* a copy, by brokers */
	int32_t                   at, end;	/* those of the broker being gone through */
	enum active_replica_state to;
	struct state_changes      shrinks;
};

static void replicas_fini(struct controller *c, struct task *t)
{
	struct replicas_task *r = (struct replicas_task *)t;

	(void)c;
	state_changes_fini(&r->shrinks);
	active_replicas_fini(&r->list);
}

static bool may_become(enum active_replica_state from, enum active_replica_state to)
{
	static const unsigned previous[] = {	/* a bit per state */
		[REPLICA_NON_EXISTENT] = 1u << REPLICA_DELETION_SUCCESSFUL,
		[REPLICA_NEW] = 1u << REPLICA_NON_EXISTENT,
		[REPLICA_ONLINE] = 1u << REPLICA_NEW | 1u << REPLICA_ONLINE | 1u << REPLICA_OFFLINE | 1u << REPLICA_DELETION_INELIGIBLE,
		[REPLICA_OFFLINE] = 1u << REPLICA_NEW | 1u << REPLICA_ONLINE | 1u << REPLICA_OFFLINE | 1u << REPLICA_DELETION_INELIGIBLE,
		[REPLICA_DELETION_STARTED] = 1u << REPLICA_OFFLINE,
		[REPLICA_DELETION_SUCCESSFUL] = 1u << REPLICA_DELETION_STARTED,
		[REPLICA_DELETION_INELIGIBLE] = 1u << REPLICA_OFFLINE | 1u << REPLICA_DELETION_STARTED,
	};

	return (previous[to] & 1u << from) != 0;
}

static enum active_replica_state state_of(const struct replica_item *i)
{
	const struct active_replica *r = active_replica_get(i->p, i->broker);

	return r != NULL ? (enum active_replica_state)r->state : REPLICA_NON_EXISTENT;
}

/* --- to Online, New, NonExistent: nothing is written ---------------------------------------------------------------------------------------- */

static void append_replica(struct active *a, struct active_partition *p, int32_t broker)
{
	int32_t n = p->replicas.count;
	int32_t *ids = mem_calloc((size_t)n + 1, sizeof(*ids));

	if (n > 0)
		memcpy(ids, p->replicas.ids, (size_t)n * sizeof(*ids));
	ids[n] = broker;
	id_list_set(&p->replicas, ids, n + 1);
	a->replica_count++;
	free(ids);
}

static void become_online(struct active *a, const struct replica_item *i)
{
	if (state_of(i) != REPLICA_NEW)
		active_batch_leader_and_isr(a, i->p, i->broker, false);
	else if (!id_list_has(&i->p->replicas, i->broker))
		append_replica(a, i->p, i->broker);
	active_replica_set(i->p, i->broker, REPLICA_ONLINE);
}

static void become_new(struct active *a, const struct replica_item *i)
{
	if (i->p->has_leadership && i->p->leader == i->broker)
		return;		/* a leader is not new */
	active_batch_leader_and_isr(a, i->p, i->broker, true);
	active_replica_set(i->p, i->broker, REPLICA_NEW);
}

static void drop_id(struct id_list *l, int32_t id)
{
	int32_t n = 0;

	for (int32_t i = 0; i < l->count; i++) {
		if (l->ids[i] != id)
			l->ids[n++] = l->ids[i];
	}
	l->count = n;
}

static void become_non_existent(struct active *a, const struct replica_item *i)
{
	a->replica_count -= id_list_has(&i->p->replicas, i->broker) ? 1 : 0;
	drop_id(&i->p->replicas, i->broker);
	drop_id(&i->p->adding, i->broker);
	drop_id(&i->p->removing, i->broker);
	active_replica_set(i->p, i->broker, REPLICA_NON_EXISTENT);
}

static void become(struct controller *c, const struct replica_item *i, enum active_replica_state to)
{
	struct active *a = c->active;

	switch (to) {
	case REPLICA_ONLINE:
		become_online(a, i);
		break;
	case REPLICA_NEW:
		become_new(a, i);
		break;
	case REPLICA_NON_EXISTENT:
		become_non_existent(a, i);
		break;
	case REPLICA_DELETION_STARTED:
		active_batch_stop(a, i->p, i->broker, true);
		active_replica_set(i->p, i->broker, to);
		break;
	case REPLICA_OFFLINE:			/* below */
	case REPLICA_DELETION_SUCCESSFUL:
	case REPLICA_DELETION_INELIGIBLE:
		active_replica_set(i->p, i->broker, to);
		break;
	}
}

/* --- to Offline ------------------------------------------------------------------------------------------------------------------------------- */

/* The last member of the in-sync set stays in it: nobody else has the records. Who was not in the set changes nothing. */
static enum state_verdict decide_shrink(struct controller *c, const struct state_changes *l, struct state_change *s)
{
	(void)c;
	if (!id_list_has(&s->isr, l->replica))
		return STATE_KEEP;
	if (s->leader == l->replica)
		s->leader = LEADER_NONE;
	if (s->isr.count > 1)
		drop_id(&s->isr, l->replica);
	return STATE_WRITE;
}

static enum task_result go_offline(struct controller *c, struct replicas_task *r)
{
	r->shrinks.decide = decide_shrink;
	r->shrinks.replica = r->list.items[r->at].broker;
	for (int32_t i = r->at; i < r->end; i++) {
		const struct replica_item *item = &r->list.items[i];

		if (!may_become(state_of(item), REPLICA_OFFLINE))
			continue;
		active_batch_stop(c->active, item->p, item->broker, false);
		if (item->p->has_leadership) {
			state_changes_add(&r->shrinks, item->p);
		} else {
			active_batch_update(c->active, item->p);
			become(c, item, REPLICA_OFFLINE);
		}
	}
	r->task.stage = REPLICAS_SHRUNK;
	if (r->shrinks.count == 0)
		return TASK_AGAIN;
	active_push_state_changes(c, &r->shrinks);
	return TASK_WAIT;
}

static enum task_result gone_offline(struct controller *c, struct replicas_task *r)
{
	int32_t broker = r->shrinks.replica;

	for (int32_t i = 0; i < r->shrinks.count; i++) {
		struct active_partition *p = r->shrinks.items[i].p;

		if (r->shrinks.items[i].error != NONE)
			continue;
		active_replica_set(p, broker, REPLICA_OFFLINE);
		if (p->topic->is_queued)
			continue;
		active_batch_update(c->active, p);
		for (int32_t k = 0; k < p->replicas.count; k++) {
			if (p->replicas.ids[k] != broker)
				active_batch_leader_and_isr(c->active, p, p->replicas.ids[k], false);
		}
	}
	state_changes_fini(&r->shrinks);
	r->at = r->end;
	r->task.stage = REPLICAS_BROKER;
	return TASK_AGAIN;
}

/* --- broker by broker --------------------------------------------------------------------------------------------------------------------------- */

static enum task_result next_broker(struct controller *c, struct replicas_task *r)
{
	if (r->at == r->list.count) {
		active_batch_send(c);
		return TASK_DONE;
	}
	r->end = r->at + 1;
	while (r->end < r->list.count && r->list.items[r->end].broker == r->list.items[r->at].broker)
		r->end++;
	if (r->to == REPLICA_OFFLINE)
		return go_offline(c, r);
	for (; r->at < r->end; r->at++) {
		if (may_become(state_of(&r->list.items[r->at]), r->to))
			become(c, &r->list.items[r->at], r->to);
	}
	return TASK_AGAIN;
}

static enum task_result replicas_run(struct controller *c, struct task *t)
{
	struct replicas_task *r = (struct replicas_task *)t;

	switch ((enum replicas_stage)t->stage) {
	case REPLICAS_BROKER: return next_broker(c, r);
	case REPLICAS_SHRUNK: return gone_offline(c, r);
	}
	return TASK_DONE;
}

static const struct task_kind replicas_kind = { .name = "replicas", .run = replicas_run, .fini = replicas_fini };

static int by_broker(const void *x, const void *y)
{
	const struct replica_item *a = x, *b = y;

	if (a->broker != b->broker)
		return a->broker < b->broker ? -1 : 1;
	if (a->p->topic != b->p->topic)
		return a->p->topic->number < b->p->topic->number ? -1 : 1;
	return (a->p->id > b->p->id) - (a->p->id < b->p->id);
}

void active_push_replicas(struct controller *c, struct replica_list *l, enum active_replica_state to)
{
	struct replicas_task *r = (struct replicas_task *)task_create(&c->active_queue, &replicas_kind, sizeof(*r), NULL);

	for (int32_t i = 0; i < l->count; i++)
		active_replicas_add(&r->list, l->items[i].p, l->items[i].broker);
	if (r->list.count > 0)
		qsort(r->list.items, (size_t)r->list.count, sizeof(*r->list.items), by_broker);
	r->to = to;
	task_push(&r->task);
}
