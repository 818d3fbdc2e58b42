/*
 * The state machine of partitions.
 *
 *	NonExistent -> New -> Online <-> Offline -> NonExistent		(Online -> Online: another leader; New -> Offline)
 *
 * Only the way to Online does something: a partition that has never had a leader gets its first one, and its state node; the others are elected for. All that one transition
 * of many partitions writes travels together; what it tells the members is sent once, at its end.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

enum online_stage { ONLINE_CREATE, ONLINE_CREATED, ONLINE_FOUND, ONLINE_ELECT, ONLINE_ELECTED };

struct online_task {
	struct task            task;
	struct partition_list *list;
	enum election          how;
	struct state_changes   contests;	/* of list, those that have a state node, in its order */
	struct partition_list  found;		/* whose node existed though we did not know it */
};

static void online_fini(struct controller *c, struct task *t)
{
	struct online_task *o = (struct online_task *)t;

	(void)c;
	state_changes_fini(&o->contests);
	active_partitions_fini(&o->found);
}

static bool may_become(const struct active_partition *p, enum active_partition_state to)
{
	switch (to) {
	case PARTITION_NEW:          return p->state == PARTITION_NON_EXISTENT;
	case PARTITION_ONLINE:
	case PARTITION_OFFLINE:      return p->state != PARTITION_NON_EXISTENT;
	case PARTITION_NON_EXISTENT: return p->state == PARTITION_OFFLINE;
	}
	return false;
}

/* --- the first leader ------------------------------------------------------------------------------------------------------------------- */

/* The first replica in the order of the assignment that is there; all that are there are in sync, as all are empty. False: nobody is. */
static bool first_state(struct controller *c, struct active_partition *p)
{
	int32_t *isr = mem_calloc((size_t)p->replicas.count + 1, sizeof(*isr));
	struct znode_state z = { .isr = isr, .controller_epoch = c->controller_epoch };

	for (int32_t i = 0; i < p->replicas.count; i++) {
		if (active_is_replica_online(c->active, p, p->replicas.ids[i]))
			isr[z.isr_count++] = p->replicas.ids[i];
	}
	z.leader = z.isr_count > 0 ? isr[0] : LEADER_NONE;
	if (z.isr_count > 0)
		active_take_state(p, &z, 0);
	p->has_leadership = false;	/* until it is written */
	free(isr);
	return z.isr_count > 0;
}

static void create_state(struct controller *c, struct online_task *o, struct partition_item *item)
{
	struct active_partition *p = item->p;
	struct znode_state z = {
		.leader = p->leader, .leader_epoch = p->leader_epoch, .controller_epoch = p->controller_epoch, .isr = p->isr.ids, .isr_count = p->isr.count,
	};

	strbuf_reset(&c->text);
	znode_state_encode(&z, &c->text);
	task_create_node(c, &o->task, true, true, 0, "/brokers/topics/%s/partitions/%d/state", p->topic->name, p->id)->mark = item;
}

/* Parents first, over all partitions, as Kafka writes them; they may be there already. One submission: the store keeps the order. */
static enum task_result online_create(struct controller *c, struct online_task *o)
{
	struct partition_list *l = o->list;
	const struct active_topic *last = NULL;

	for (int32_t i = 0; i < l->count; i++) {
		struct active_partition *p = l->items[i].p;

		l->items[i].is_new = p->state == PARTITION_NEW;
		l->items[i].error = may_become(p, PARTITION_ONLINE) ? NONE : UNKNOWN_SERVER_ERROR;
		if (l->items[i].is_new && !first_state(c, p)) {
			LOG_WARN(&c->actor.log, election_failed, KV_STR("topic", p->topic->name), KV_I32("partition", p->id));
			l->items[i].error = ELIGIBLE_LEADERS_NOT_AVAILABLE;
		}
	}
	for (int round = 0; round < 3; round++) {
		for (int32_t i = 0; i < l->count; i++) {
			struct active_partition *p = l->items[i].p;

			if (l->items[i].error != NONE || !l->items[i].is_new)
				continue;
			if (round == 0 && p->topic != last)
				task_create_node(c, &o->task, true, false, 0, "/brokers/topics/%s/partitions", p->topic->name);
			if (round == 1)
				task_create_node(c, &o->task, true, false, 0, "/brokers/topics/%s/partitions/%d", p->topic->name, p->id);
			if (round == 2)
				create_state(c, o, &l->items[i]);
			last = p->topic;
		}
	}
	o->task.stage = ONLINE_CREATED;
	return task_submit(c, &o->task);
}

static void tell_first_leader(struct controller *c, struct active_partition *p)
{
	p->state = PARTITION_ONLINE;
	for (int32_t i = 0; i < p->isr.count; i++)
		active_batch_leader_and_isr(c->active, p, p->isr.ids[i], true);
}

static enum task_result online_created(struct controller *c, struct online_task *o)
{
	if (active_is_fenced_off(&o->task))
		return active_moved(c, &o->task);
	LIST_FOREACH(e, &o->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct partition_item *item = s->mark;

		if (item == NULL)
			continue;
		if (s->call.result == OK) {
			item->p->has_leadership = true;
			tell_first_leader(c, item->p);
		} else if (s->call.result == ERR_EXISTS) {
			active_partitions_add(&o->found, item->p);
		} else {
			item->error = UNKNOWN_SERVER_ERROR;
		}
	}
	task_drop_calls(&o->task);
	o->task.stage = ONLINE_FOUND;
	if (o->found.count == 0)
		return TASK_AGAIN;
	active_push_read_states(c, &o->found);
	return TASK_WAIT;
}

/* Our own creation, when its answer was lost; else another's, of which nobody knows how much it holds: it is elected for like any other. */
static void take_found(struct controller *c, struct online_task *o)
{
	for (int32_t i = 0; i < o->found.count; i++) {
		struct active_partition *p = o->found.items[i].p;

		if (p->has_leadership && p->controller_epoch == c->controller_epoch && p->partition_epoch == 0)
			tell_first_leader(c, p);
		else if (p->has_leadership)
			p->state = PARTITION_OFFLINE;
	}
}

/* --- elections ----------------------------------------------------------------------------------------------------------------------------- */

static struct id_list candidates(const struct active_partition *p, enum election how)
{
	struct id_list l = { 0 };

	id_list_set(&l, p->replicas.ids, p->replicas.count);
	if (how == ELECT_REASSIGN) {
		l.count = 0;
		for (int32_t i = 0; i < p->replicas.count; i++) {
			if (!id_list_has(&p->removing, p->replicas.ids[i]))
				l.ids[l.count++] = p->replicas.ids[i];
		}
	}
	return l;
}

static bool counts_as_online(const struct active *a, const struct active_partition *p, int32_t id, enum election how)
{
	return how == ELECT_SHUTDOWN ? active_is_replica_reachable(a, p, id) : active_is_replica_online(a, p, id);
}

static int32_t list_online(const struct active *a, const struct state_change *s, const struct id_list *replicas, enum election how, int32_t *out)
{
	int32_t n = 0;

	for (int32_t i = 0; i < replicas->count; i++) {
		if (counts_as_online(a, s->p, replicas->ids[i], how))
			out[n++] = replicas->ids[i];
	}
	for (int32_t i = 0; i < s->isr.count; i++) {
		if (!id_list_has(replicas, s->isr.ids[i]) && counts_as_online(a, s->p, s->isr.ids[i], how))
			out[n++] = s->isr.ids[i];
	}
	return n;
}

static int32_t list_shutting_down(const struct active *a, int32_t *out)
{
	int32_t n = 0;

	for (int i = 0; i < a->broker_count; i++) {
		if (a->brokers[i]->is_shutting_down)
			out[n++] = a->brokers[i]->info.id;
	}
	return n;
}

static enum state_verdict decide_leader(struct controller *c, const struct state_changes *l, struct state_change *s)
{
	struct active *a = c->active;
	struct id_list replicas = candidates(s->p, l->how);
	int32_t room = replicas.count + s->isr.count + 1;
	int32_t *ids = mem_calloc((size_t)(3 * room + a->broker_count), sizeof(*ids));
	struct elect_spec spec = {
		.how = l->how, .replicas = replicas.ids, .replica_count = replicas.count, .isr = s->isr.ids, .isr_count = s->isr.count, .online = ids,
		.shutting_down = ids + 3 * room, .may_be_unclean = s->may_be_unclean || l->how == ELECT_OFFLINE_UNCLEAN,
	};
	struct elect_result r = { .isr = ids + room, .recipients = ids + 2 * room };

	spec.online_count = list_online(a, s, &replicas, l->how, ids);
	spec.shutting_down_count = list_shutting_down(a, ids + 3 * room);
	bool ok = elect_leader(&spec, &r);
	if (ok) {
		if (r.is_unclean)
			active_report_unclean(c, s->p, r.leader, &s->isr, s->leader_epoch);
		s->leader = r.leader;
		id_list_set(&s->isr, r.isr, r.isr_count);
		id_list_set(&s->recipients, r.recipients, r.recipient_count);
		if (r.is_unclean)
			s->is_recovering = active_has_version(c, KAFKA_VERSION(3, 2, 0));
	} else {
		LOG_WARN(&c->actor.log, election_failed, KV_STR("topic", s->p->topic->name), KV_I32("partition", s->p->id));
		s->error = l->how == ELECT_PREFERRED ? PREFERRED_LEADER_NOT_AVAILABLE : ELIGIBLE_LEADERS_NOT_AVAILABLE;
	}
	free(ids);
	free(replicas.ids);
	return ok ? STATE_WRITE : STATE_FAIL;
}

static enum task_result online_elect(struct controller *c, struct online_task *o)
{
	take_found(c, o);
	o->contests.how = o->how;
	o->contests.decide = decide_leader;
	o->contests.wants_unclean = o->how == ELECT_OFFLINE;
	for (int32_t i = 0; i < o->list->count; i++) {
		struct partition_item *item = &o->list->items[i];

		if (item->error == NONE && (!item->is_new || item->p->state == PARTITION_OFFLINE))
			state_changes_add(&o->contests, item->p);
	}
	o->task.stage = ONLINE_ELECTED;
	if (o->contests.count == 0)
		return TASK_AGAIN;
	active_push_state_changes(c, &o->contests);
	return TASK_WAIT;
}

static void tell_elected(struct controller *c, struct state_change *s)
{
	s->p->state = PARTITION_ONLINE;
	active_batch_update(c->active, s->p);
	for (int32_t i = 0; i < s->recipients.count; i++)
		active_batch_leader_and_isr(c->active, s->p, s->recipients.ids[i], false);
}

static enum task_result online_elected(struct controller *c, struct online_task *o)
{
	int32_t at = 0;

	for (int32_t i = 0; i < o->list->count && at < o->contests.count; i++) {
		struct state_change *s = &o->contests.items[at];

		if (o->list->items[i].p != s->p)
			continue;
		at++;
		o->list->items[i].error = s->error;
		if (s->error == NONE)
			tell_elected(c, s);
	}
	active_batch_send(c);
	return TASK_DONE;
}

static enum task_result online_run(struct controller *c, struct task *t)
{
	struct online_task *o = (struct online_task *)t;

	switch ((enum online_stage)t->stage) {
	case ONLINE_CREATE:  return online_create(c, o);
	case ONLINE_CREATED: return online_created(c, o);
	case ONLINE_FOUND:
	case ONLINE_ELECT:   return online_elect(c, o);
	case ONLINE_ELECTED: return online_elected(c, o);
	}
	return TASK_DONE;
}

static const struct task_kind online_kind = { .name = "partitions online", .run = online_run, .fini = online_fini };

void active_push_partitions(struct controller *c, struct partition_list *l, enum active_partition_state to, enum election how)
{
	if (to == PARTITION_ONLINE) {
		struct online_task *o = (struct online_task *)task_create(&c->active_queue, &online_kind, sizeof(*o), NULL);

		o->list = l;
		o->how = how;
		task_push(&o->task);
		return;
	}
	for (int32_t i = 0; i < l->count; i++) {
		l->items[i].error = may_become(l->items[i].p, to) ? NONE : UNKNOWN_SERVER_ERROR;
		if (l->items[i].error == NONE)
			l->items[i].p->state = (uint8_t)to;
	}
}

/* --- all that has no leader ------------------------------------------------------------------------------------------------------------------ */

struct retry_task {
	struct task           task;
	char                 *topic;	/* NULL: all */
	struct partition_list list;
};

static void retry_fini(struct controller *c, struct task *t)
{
	struct retry_task *r = (struct retry_task *)t;

	(void)c;
	free(r->topic);
	active_partitions_fini(&r->list);
}

static enum task_result retry_run(struct controller *c, struct task *t)
{
	struct retry_task *r = (struct retry_task *)t;

	if (t->stage == 1) {
		for (int32_t i = 0; i < r->list.count; i++)
			c->active->elected_count += r->list.items[i].error == NONE;
		return TASK_DONE;
	}
	c->active->elected_count = 0;
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		bool is_wanted = r->topic == NULL || strcmp(p->topic->name, r->topic) == 0;

		if (is_wanted && !p->topic->is_queued && (p->state == PARTITION_OFFLINE || p->state == PARTITION_NEW))
			active_partitions_add(&r->list, p);
	}
	if (r->list.count == 0)
		return TASK_DONE;
	t->stage = 1;
	active_push_partitions(c, &r->list, PARTITION_ONLINE, ELECT_OFFLINE);
	return TASK_WAIT;
}

static const struct task_kind retry_kind = { .name = "elect what has no leader", .run = retry_run, .fini = retry_fini };

void active_push_online(struct controller *c)
{
	task_push(task_create(&c->active_queue, &retry_kind, sizeof(struct retry_task), NULL));
}

void active_enqueue_online(struct controller *c, const char *topic)
{
	struct retry_task *r = (struct retry_task *)task_create(&c->active_queue, &retry_kind, sizeof(*r), NULL);

	r->topic = topic != NULL ? mem_strdup(topic) : NULL;
	task_enqueue(&r->task);
}
