/*
 * UpdateMetadata: who is there, and who leads what. The list of brokers is always whole; partitions are those that changed. Nothing but the order of arrival protects a
 * partition's entry here, which is why requests are carried out one after the other.
 *
 * Roles are LeaderAndIsr's, with one exception: who was moved away while it could not be reached, and whose StopReplica died with that controller, is told by nothing else that
 * it is no replica any more. It must not lead on in its old epoch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "wire/gen/update_metadata.h"

#define LEADER_DURING_DELETE (-2)	/* forget the partition */

enum metadata_stage { METADATA_CHECK, METADATA_CONFIGS, METADATA_VISIBLE, METADATA_TOLD };

struct metadata_item {
	const struct update_metadata_request_partition_state *said;
	struct slice        name;
	struct uuid         topic_id;
	struct topic_state *topic;
};

struct departure {			/* of a replica here that is none any more */
	struct topic_state    *topic;
	int32_t                partition;
	struct partition_role  role;
	struct fetcher_assign  assign;
};

struct metadata_task {
	struct control_task   control;
	struct metadata_item *items;
	int32_t               count;
	struct departure     *departures;
	int32_t               departure_count;
	/* what the coordinators of groups are told */
	struct slice         *gone;		/* topics; NULL: none */
	int32_t               gone_count;
	struct partition_topics_gone *notes;	/* one per coordinator here */
};

static void metadata_flatten(struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	int32_t n = q->ungrouped_partition_states_count;

	for (int32_t i = 0; i < q->topic_states_count; i++)
		n += q->topic_states[i].partition_states_count;
	u->items = mem_calloc((size_t)n + 1, sizeof(*u->items));
	for (int32_t i = 0; i < q->ungrouped_partition_states_count; i++) {
		u->items[u->count].said = &q->ungrouped_partition_states[i];
		u->items[u->count++].name = q->ungrouped_partition_states[i].topic_name;
	}
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		const struct update_metadata_request_topic_state *t = &q->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			u->items[u->count].said = &t->partition_states[k];
			u->items[u->count].name = t->topic_name;
			u->items[u->count++].topic_id = t->topic_id;
		}
	}
}

static bool metadata_is_usable(const struct metadata_item *it)
{
	char text[512];

	return topic_name_problem(it->name, text, sizeof(text)) == NULL && it->said->partition_index >= 0 && it->said->replicas_count <= REPLICAS_MAX &&
	       it->said->isr_count <= REPLICAS_MAX && it->said->offline_replicas_count <= REPLICAS_MAX;
}

static enum task_result metadata_check(struct controller *c, struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	struct update_metadata_response *out = u->control.m->response;

	out->error_code = (int16_t)member_control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
	if (out->error_code != NONE) {
		u->control.task.stage = METADATA_VISIBLE;
		return TASK_AGAIN;
	}
	metadata_flatten(u);
	for (int32_t i = 0; i < u->count; i++) {
		struct metadata_item *it = &u->items[i];

		if (!metadata_is_usable(it))
			continue;
		it->topic = it->said->leader == LEADER_DURING_DELETE ? topic_state_get(c, it->name) : topic_state_make(c, it->name);
		if (it->topic != NULL && it->said->leader != LEADER_DURING_DELETE)
			member_want_config(c, &u->control.task, it->topic);
	}
	u->control.task.stage = METADATA_CONFIGS;
	return task_submit(c, &u->control.task);
}

static bool same_ids(const struct id_list *l, const int32_t *ids, int32_t n)
{
	return l->count == n && (n == 0 || memcmp(l->ids, ids, (size_t)n * sizeof(*ids)) == 0);
}

/* True: clients see a difference. */
static bool metadata_take(struct metadata_item *it)
{
	const struct update_metadata_request_partition_state *s = it->said;
	struct topic_state *t = it->topic;
	struct partition_state *p = topic_state_partition(t, s->partition_index, s->leader != LEADER_DURING_DELETE);

	if (s->leader == LEADER_DURING_DELETE) {
		bool was_known = p != NULL && p->is_known;

		if (was_known)
			p->is_known = false;
		return was_known;
	}
	bool is_same = p->is_known && p->leader == s->leader && p->leader_epoch == s->leader_epoch && p->controller_epoch == s->controller_epoch &&
	               p->partition_epoch == s->zk_version && same_ids(&p->replicas, s->replicas, s->replicas_count) &&
	               same_ids(&p->isr, s->isr, s->isr_count) && same_ids(&p->offline, s->offline_replicas, s->offline_replicas_count) &&
	               uuid_eq(t->id, it->topic_id);
	if (is_same)
		return false;
	t->id = it->topic_id;
	p->is_known = true;
	p->leader = s->leader;
	p->leader_epoch = s->leader_epoch;
	p->controller_epoch = s->controller_epoch;
	p->partition_epoch = s->zk_version;
	id_list_set(&p->replicas, s->replicas, s->replicas_count);
	id_list_set(&p->isr, s->isr, s->isr_count);
	id_list_set(&p->offline, s->offline_replicas, s->offline_replicas_count);
	return true;
}

/* --- replicas that are none any more --------------------------------------------------------------------------------------------------------- */

/* Where this broker is named its word comes by LeaderAndIsr, often right behind, and in this same epoch: that must still be news then. */
static bool is_departure(const struct controller *c, const struct metadata_item *it)
{
	const struct update_metadata_request_partition_state *s = it->said;
	const struct partition_state *p = it->topic != NULL ? topic_state_partition(it->topic, s->partition_index, false) : NULL;

	if (p == NULL || p->local == NULL || p->is_hidden || p->role_epoch < 0 || s->leader_epoch <= p->role_epoch)
		return false;
	for (int32_t i = 0; i < s->replicas_count; i++) {
		if (s->replicas[i] == c->broker_id)
			return false;
	}
	return true;
}

static void depart(struct controller *c, struct metadata_task *u, struct departure *d, const struct metadata_item *it)
{
	const struct update_metadata_request_partition_state *s = it->said;
	struct partition_state *p = topic_state_partition(it->topic, s->partition_index, false);

	d->topic = it->topic;
	d->partition = p->id;
	msg_init(&d->role.msg, PARTITION_role, &c->actor);
	d->role.is_gone = true;
	d->role.leader = s->leader;
	d->role.leader_epoch = s->leader_epoch;
	d->role.controller_epoch = s->controller_epoch;
	d->role.partition_epoch = s->zk_version;
	d->role.topic_id = it->topic_id;
	task_ask(c, &u->control.task, p->local, &d->role.msg);
	if (!p->is_following || c->spec.fetchers == NULL)
		return;
	msg_init(&d->assign.msg, FETCHER_ASSIGN, &c->actor);
	d->assign.partition = p->local;
	d->assign.is_removed = true;
	p->is_following = false;
	task_ask_actor(c, &u->control.task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &d->assign.msg);
}

static void metadata_depart(struct controller *c, struct metadata_task *u)
{
	int32_t n = 0;

	for (int32_t i = 0; i < u->count; i++)
		n += is_departure(c, &u->items[i]);
	u->departures = mem_calloc((size_t)n + 1, sizeof(*u->departures));
	for (int32_t i = 0; i < u->count && u->departure_count < n; i++) {
		if (is_departure(c, &u->items[i]))
			depart(c, u, &u->departures[u->departure_count++], &u->items[i]);
	}
}

static void metadata_departed(struct metadata_task *u)
{
	for (int32_t i = 0; i < u->departure_count; i++) {
		const struct departure *d = &u->departures[i];
		struct partition_state *p = topic_state_partition(d->topic, d->partition, false);

		if (p != NULL && d->role.error == NONE && d->role.is_changed)
			p->role_epoch = d->role.leader_epoch;
	}
}

/* --- brokers ------------------------------------------------------------------------------------------------------------------------------ */

static const char *protocol_name(int16_t id)
{
	switch ((enum security_protocol)id) {
	case PROTOCOL_SSL:            return "SSL";
	case PROTOCOL_SASL_PLAINTEXT: return "SASL_PLAINTEXT";
	case PROTOCOL_SASL_SSL:       return "SASL_SSL";
	case PROTOCOL_PLAINTEXT:      break;
	}
	return "PLAINTEXT";
}

static void take_broker(struct cluster_broker *b, const struct update_metadata_request_live_broker *said)
{
	b->id = said->id;
	b->epoch = -1;		/* is not told */
	b->has_rack = !slice_is_null(said->rack);
	snprintf(b->rack, sizeof(b->rack), SLICE_FMT, SLICE_ARG(said->rack));
	for (int32_t i = 0; i < said->endpoints_count && b->endpoint_count < (int)ARRAY_LEN(b->endpoints); i++) {
		const struct update_metadata_request_endpoint *from = &said->endpoints[i];
		struct cluster_endpoint *e = &b->endpoints[b->endpoint_count];

		if (from->port <= 0 || from->port > UINT16_MAX || from->host.len >= sizeof(e->host) || from->listener.len >= sizeof(e->listener))
			continue;
		snprintf(e->protocol, sizeof(e->protocol), "%s", protocol_name(from->security_protocol));
		snprintf(e->host, sizeof(e->host), SLICE_FMT, SLICE_ARG(from->host));
		/* before version 3 a listener was named after its protocol */
		if (slice_is_null(from->listener) || from->listener.len == 0)
			memcpy(e->listener, e->protocol, sizeof(e->protocol));	/* with its end */
		else
			snprintf(e->listener, sizeof(e->listener), SLICE_FMT, SLICE_ARG(from->listener));
		e->port = (uint16_t)from->port;
		b->endpoint_count++;
	}
}

static int by_broker_id(const void *a, const void *b)
{
	const struct cluster_broker *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* A broker that is named twice is taken once: pictures hold each id once, and what is said here comes from the network. */
static int32_t sort_brokers(struct cluster_broker *brokers, int32_t n)
{
	int32_t kept = 0;

	qsort(brokers, (size_t)n, sizeof(*brokers), by_broker_id);
	for (int32_t i = 0; i < n; i++) {
		if (kept == 0 || brokers[kept - 1].id != brokers[i].id)
			brokers[kept++] = brokers[i];
	}
	return kept;
}

/* The list is always whole. True: the picture says something else. Whose the office is this broker may know already, by its own look at the store, and not have shown yet. */
static bool take_brokers(struct controller *c, const struct update_metadata_request *q)
{
	struct cluster_broker *next = mem_calloc((size_t)q->live_brokers_count + 1, sizeof(*next));

	for (int32_t i = 0; i < q->live_brokers_count; i++)
		take_broker(&next[i], &q->live_brokers[i]);
	int32_t n = sort_brokers(next, q->live_brokers_count);
	bool is_same = c->broker_count == n && memcmp(c->brokers, next, (size_t)n * sizeof(*next)) == 0 && c->picture != NULL &&
		c->picture->controller_id == q->controller_id;
	free(c->brokers);
	c->brokers = next;
	c->broker_count = n;
	c->controller_id = q->controller_id;
	member_asks_controller_changed(c);
	return !is_same;
}

static enum task_result metadata_apply(struct controller *c, struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	struct topic_state **changed = mem_calloc((size_t)u->count + 1, sizeof(*changed));
	int32_t n = 0;

	member_take_configs(c, &u->control.task);
	u->control.task.is_past_store = true;
	bool differs = take_brokers(c, q);
	for (int32_t i = 0; i < u->count; i++) {
		if (u->items[i].topic != NULL && metadata_take(&u->items[i]))
			changed[n++] = u->items[i].topic;
	}
	metadata_depart(c, u);
	enum task_result result = TASK_AGAIN;
	u->control.task.stage = METADATA_VISIBLE;
	if (n > 0 || differs)
		result = member_publish_topics(c, &u->control.task, changed, n, METADATA_VISIBLE);
	free(changed);
	return result;
}

static bool has_known_partition(const struct topic_state *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i].is_known)
			return true;
	}
	return false;
}

/* Topics that have just been forgotten, each once: their partitions stand together. */
static void list_gone(struct metadata_task *u)
{
	u->gone = mem_calloc((size_t)u->count + 1, sizeof(*u->gone));
	for (int32_t i = 0; i < u->count; i++) {
		const struct metadata_item *it = &u->items[i];
		bool is_new = u->gone_count == 0 || !slice_eq(u->gone[u->gone_count - 1], it->name);

		if (it->topic != NULL && it->said->leader == LEADER_DURING_DELETE && is_new && !has_known_partition(it->topic))
			u->gone[u->gone_count++] = it->name;
	}
}

/* Groups have committed offsets for them. */
static enum task_result metadata_tell_coordinators(struct controller *c, struct metadata_task *u)
{
	struct topic_state *offsets = topic_state_get(c, SLICE_LIT(TOPIC_CONSUMER_OFFSETS));

	u->control.task.stage = METADATA_TOLD;
	list_gone(u);
	if (u->gone_count == 0 || offsets == NULL)
		return TASK_AGAIN;
	u->notes = mem_calloc((size_t)offsets->partition_count + 1, sizeof(*u->notes));
	for (int32_t i = 0; i < offsets->partition_count; i++) {
		if (offsets->partitions[i].local == NULL)
			continue;
		msg_init(&u->notes[i].msg, PARTITION_topics_gone, &c->actor);
		u->notes[i].topics = u->gone;
		u->notes[i].count = u->gone_count;
		task_ask(c, &u->control.task, offsets->partitions[i].local, &u->notes[i].msg);
	}
	return TASK_WAIT;
}

static enum task_result metadata_run(struct controller *c, struct task *t)
{
	struct metadata_task *u = (struct metadata_task *)t;

	switch ((enum metadata_stage)t->stage) {
	case METADATA_CHECK:   return metadata_check(c, u);
	case METADATA_CONFIGS: return metadata_apply(c, u);
	case METADATA_VISIBLE: return metadata_tell_coordinators(c, u);
	case METADATA_TOLD:
		metadata_departed(u);
		u->control.is_done = true;
		break;
	}
	return TASK_DONE;
}

static void metadata_fini(struct controller *c, struct task *t)
{
	struct metadata_task *u = (struct metadata_task *)t;

	for (int32_t i = 0; i < u->count; i++)
		member_drop_if_empty(c, u->items[i].name);
	member_control_end(c, &u->control);
	free(u->items);
	free(u->departures);
	free(u->gone);
	free(u->notes);
}

const struct task_kind member_metadata_kind = { .size = sizeof(struct metadata_task), .name = "UpdateMetadata", .run = metadata_run, .fini = metadata_fini, .is_storeless = true };
