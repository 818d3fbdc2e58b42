/*
 * The request batch: what one step of a procedure has to tell the members, collected, merged and sent at its end.
 *
 * A partition that is added twice is told once, as it is when the batch is sent; "new" and "delete" stick. So a member hears one consistent word per step. The order of the three
 * kinds matters to it: a role first, then who leads what, then which replicas go.
 *
 * UpdateMetadata says the same to everybody: its states are built once and shared.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

struct active_body {
	int          refs;
	struct arena arena;
};

static struct active_body *body_create(void)
{
	struct active_body *b = mem_calloc(1, sizeof(*b));

	b->refs = 1;
	arena_init(&b->arena, SIZE_MAX);
	return b;
}

static void body_unref(struct active_body *b)
{
	if (--b->refs > 0)
		return;
	arena_fini(&b->arena);
	free(b);
}

/* --- collecting ----------------------------------------------------------------------------------------------------------------------- */

static void batch_add(struct batch_list *l, struct batch_entry e)
{
	if (l->count == l->room) {
		l->room = MAX(64, l->room * 2);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	e.order = l->count;
	l->items[l->count++] = e;
}

static void add_update(struct active *a, struct active_partition *p)
{
	struct batch_list *l = &a->batch.update;

	if (l->count == 0 || l->items[l->count - 1].p != p)
		batch_add(l, (struct batch_entry){ .p = p });
}

void active_batch_leader_and_isr(struct active *a, struct active_partition *p, int32_t broker, bool is_new)
{
	if (!p->has_leadership)
		return;
	if (broker >= 0)
		batch_add(&a->batch.leader_and_isr, (struct batch_entry){ .p = p, .broker = broker, .flag = is_new });
	active_batch_update(a, p);
}

void active_batch_update(struct active *a, struct active_partition *p)
{
	a->batch.update_to_all = true;
	add_update(a, p);
}

void active_batch_update_all(struct active *a)
{
	a->batch.update_to_all = true;
}

void active_batch_update_to(struct active *a, int32_t broker, struct active_partition *p)
{
	struct id_list *to = &a->batch.update_to;

	if (!id_list_has(to, broker)) {
		int32_t *ids = mem_calloc((size_t)to->count + 1, sizeof(*ids));

		if (to->count > 0)
			memcpy(ids, to->ids, (size_t)to->count * sizeof(*ids));
		ids[to->count] = broker;
		id_list_set(to, ids, to->count + 1);
		free(ids);
	}
	if (p != NULL)
		add_update(a, p);
}

void active_batch_stop(struct active *a, struct active_partition *p, int32_t broker, bool with_delete)
{
	int32_t epoch = p->topic->is_queued ? EPOCH_BEING_DELETED : p->has_leadership ? p->leader_epoch : EPOCH_UNKNOWN;

	if (broker >= 0)
		batch_add(&a->batch.stop, (struct batch_entry){ .p = p, .broker = broker, .leader_epoch = epoch, .flag = with_delete });
}

bool active_batch_is_empty(const struct active *a)
{
	const struct active_batch *b = &a->batch;

	return b->leader_and_isr.count == 0 && b->stop.count == 0 && b->update.count == 0 && !b->update_to_all && b->update_to.count == 0;
}

static void batch_clear(struct active_batch *b)
{
	b->leader_and_isr.count = b->stop.count = b->update.count = 0;
	b->update_to_all = false;
	id_list_set(&b->update_to, NULL, 0);
}

void active_batch_fini(struct active_batch *b)
{
	batch_clear(b);
	free(b->leader_and_isr.items);
	free(b->stop.items);
	free(b->update.items);
	*b = (struct active_batch){ 0 };
}

static int by_broker_and_partition(const void *x, const void *y)
{
	const struct batch_entry *a = x, *b = y;

	if (a->broker != b->broker)
		return a->broker < b->broker ? -1 : 1;
	if (a->p->topic != b->p->topic)
		return a->p->topic->number < b->p->topic->number ? -1 : 1;
	if (a->p->id != b->p->id)
		return a->p->id < b->p->id ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

/* Sorted, each (broker, partition) once: the last word counts, the flag sticks. */
static void batch_merge(struct batch_list *l)
{
	int32_t n = 0;

	if (l->count > 0)
		qsort(l->items, (size_t)l->count, sizeof(*l->items), by_broker_and_partition);
	for (int32_t i = 0; i < l->count; i++) {
		struct batch_entry e = l->items[i];

		if (n > 0 && l->items[n - 1].p == e.p && l->items[n - 1].broker == e.broker) {
			e.flag |= l->items[n - 1].flag;
			n--;
		}
		l->items[n++] = e;
	}
	l->count = n;
}

/* --- versions --------------------------------------------------------------------------------------------------------------------------- */

/* By inter.broker.protocol.version, newest first: nothing is negotiated. */
static const struct version_row {
	int32_t since;
	int16_t leader_and_isr, update_metadata, stop_replica;
} version_table[] = {
	{ KAFKA_VERSION(3, 4, 0), 7, 8, 4 },
	{ KAFKA_VERSION(3, 2, 0), 6, 7, 3 },
	{ KAFKA_VERSION(2, 8, 1), 5, 7, 3 },
	{ KAFKA_VERSION(2, 6, 0), 4, 6, 3 },
	{ KAFKA_VERSION(2, 4, 1), 4, 6, 2 },
	{ KAFKA_VERSION(2, 4, 0), 3, 5, 1 },
	{ KAFKA_VERSION(2, 2, 0), 2, 5, 1 },
	{ KAFKA_VERSION(1, 0, 0), 1, 4, 0 },
	{ 0, 0, 3, 0 },
};

static const struct version_row *versions(const struct controller *c)
{
	const struct version_row *row = version_table;

	while (!active_has_version(c, row->since))
		row++;
	return row;
}

/* --- building ---------------------------------------------------------------------------------------------------------------------------- */

static struct active_request *request_create(struct controller *c, const struct active_broker *b, enum api_key key, int16_t version)
{
	struct active_request *r = mem_calloc(1, sizeof(*r));

	r->active = c->active;
	r->broker = b->info.id;
	r->key = key;
	r->version = version;
	list_init(&r->merged);
	arena_init(&r->arena, SIZE_MAX);
	return r;
}

void active_request_free(struct active_request *r)
{
	struct list *e;

	while ((e = list_pop_front(&r->merged)) != NULL)
		active_request_free(LIST_ENTRY(e, struct active_request, link));
	channel_call_fini(&r->call);
	arena_fini(&r->arena);
	body_unref(r->body);
	free(r);
}

static int32_t *copy_ids(struct arena *a, const int32_t *ids, int32_t n)
{
	int32_t *out = arena_calloc(a, (size_t)n + 1, sizeof(*out));

	if (n > 0)
		memcpy(out, ids, (size_t)n * sizeof(*out));
	return out;
}

static struct slice copy_name(struct arena *a, const struct active_topic *t)
{
	return arena_copy(a, slice_str(t->name));
}

/* Entries from `at` on that are of the same topic (and broker). */
static int32_t topic_run(const struct batch_list *l, int32_t at)
{
	int32_t n = 1;

	while (at + n < l->count && l->items[at + n].p->topic == l->items[at].p->topic && l->items[at + n].broker == l->items[at].broker)
		n++;
	return n;
}

static int32_t broker_run(const struct batch_list *l, int32_t at)
{
	int32_t n = 0;

	while (at + n < l->count && l->items[at + n].broker == l->items[at].broker)
		n++;
	return n;
}

static int32_t count_topics(const struct batch_list *l, int32_t at, int32_t n)
{
	int32_t topics = 0;

	for (int32_t i = at; i < at + n; i += topic_run(l, i))
		topics++;
	return topics;
}

/* --- LeaderAndIsr ------------------------------------------------------------------------------------------------------------------------- */

static void fill_leader_and_isr(struct leader_and_isr_request_partition_state *s, const struct batch_entry *e, struct arena *arena)
{
	const struct active_partition *p = e->p;

	leader_and_isr_request_partition_state_init(s);
	s->partition_index = p->id;
	s->controller_epoch = p->controller_epoch;
	s->leader = p->leader;
	s->leader_epoch = p->leader_epoch;
	s->isr = copy_ids(arena, p->isr.ids, p->isr.count);
	s->isr_count = p->isr.count;
	s->partition_epoch = p->partition_epoch;
	s->replicas = copy_ids(arena, p->replicas.ids, p->replicas.count);
	s->replicas_count = p->replicas.count;
	s->adding_replicas = copy_ids(arena, p->adding.ids, p->adding.count);
	s->adding_replicas_count = p->adding.count;
	s->removing_replicas = copy_ids(arena, p->removing.ids, p->removing.count);
	s->removing_replicas_count = p->removing.count;
	s->is_new = e->flag;
	s->leader_recovery_state = p->is_recovering ? 1 : 0;
}

static void fill_live_leaders(struct controller *c, struct leader_and_isr_request *m, const struct batch_entry *entries, int32_t n, struct arena *arena)
{
	struct active *a = c->active;

	m->live_leaders = arena_calloc(arena, (size_t)a->broker_count + 1, sizeof(*m->live_leaders));
	for (int i = 0; i < a->broker_count; i++) {
		const struct cluster_broker *b = &a->brokers[i]->info;
		const struct cluster_endpoint *at = controller_inter_broker_endpoint(c, b);
		bool leads = false;

		for (int32_t k = 0; k < n && !leads; k++)
			leads = entries[k].p->leader == b->id;
		if (!leads || at == NULL)
			continue;
		m->live_leaders[m->live_leaders_count++] = (struct leader_and_isr_request_live_leader){
			.broker_id = b->id, .host_name = arena_copy(arena, slice_str(at->host)), .port = at->port,
		};
	}
}

/* Versions 0 and 1 list partitions without topics around them. */
static void ungroup_leader_and_isr(struct leader_and_isr_request *m, int32_t n, struct arena *arena)
{
	m->ungrouped_partition_states = arena_calloc(arena, (size_t)n, sizeof(*m->ungrouped_partition_states));
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++) {
			struct leader_and_isr_request_partition_state *s = &m->ungrouped_partition_states[m->ungrouped_partition_states_count++];

			*s = m->topic_states[i].partition_states[k];
			s->topic_name = m->topic_states[i].topic_name;
		}
	}
	m->topic_states_count = 0;
}

static void send_leader_and_isr(struct controller *c, struct active_broker *b, const struct batch_list *l, int32_t at, int32_t n)
{
	struct active_request *r = request_create(c, b, API_LEADER_AND_ISR, versions(c)->leader_and_isr);
	struct leader_and_isr_request *m = &r->request.leader_and_isr;

	r->body = body_create();
	struct arena *arena = &r->body->arena;
	leader_and_isr_request_init(m);
	m->controller_id = c->broker_id;
	m->controller_epoch = c->controller_epoch;
	m->broker_epoch = b->info.epoch;
	m->topic_states = arena_calloc(arena, (size_t)count_topics(l, at, n), sizeof(*m->topic_states));
	for (int32_t i = at; i < at + n; ) {
		struct leader_and_isr_request_topic_state *t = &m->topic_states[m->topic_states_count++];
		const struct active_topic *topic = l->items[i].p->topic;
		int32_t run = topic_run(l, i);

		leader_and_isr_request_topic_state_init(t);
		t->topic_name = copy_name(arena, topic);
		t->topic_id = topic->id;
		t->partition_states = arena_calloc(arena, (size_t)run, sizeof(*t->partition_states));
		for (; t->partition_states_count < run; i++)
			fill_leader_and_isr(&t->partition_states[t->partition_states_count++], &l->items[i], arena);
	}
	if (r->version < 2)
		ungroup_leader_and_isr(m, n, arena);
	fill_live_leaders(c, m, &l->items[at], n, arena);
	active_channel_send(c, b, r);
}

/* --- UpdateMetadata ------------------------------------------------------------------------------------------------------------------------ */

static void fill_update(struct active *a, struct update_metadata_request_partition_state *s, const struct active_partition *p, struct arena *arena)
{
	bool is_going = p->topic->is_queued;

	update_metadata_request_partition_state_init(s);
	s->partition_index = p->id;
	s->controller_epoch = p->controller_epoch;
	s->leader = is_going ? LEADER_BEING_DELETED : p->leader;
	s->leader_epoch = is_going ? 0 : p->leader_epoch;
	s->isr = copy_ids(arena, p->isr.ids, p->isr.count);
	s->isr_count = p->isr.count;
	s->zk_version = is_going ? 0 : p->partition_epoch;
	s->replicas = copy_ids(arena, p->replicas.ids, p->replicas.count);
	s->replicas_count = p->replicas.count;
	s->offline_replicas = arena_calloc(arena, (size_t)p->replicas.count + 1, sizeof(*s->offline_replicas));
	for (int32_t i = 0; i < p->replicas.count; i++) {
		if (!active_is_replica_online(a, p, p->replicas.ids[i]))
			s->offline_replicas[s->offline_replicas_count++] = p->replicas.ids[i];
	}
}

static void fill_update_topics(struct active *a, struct update_metadata_request *m, const struct batch_list *l, struct arena *arena)
{
	m->topic_states = arena_calloc(arena, (size_t)count_topics(l, 0, l->count) + 1, sizeof(*m->topic_states));
	for (int32_t i = 0; i < l->count; ) {
		struct update_metadata_request_topic_state *t = &m->topic_states[m->topic_states_count];
		const struct active_topic *topic = l->items[i].p->topic;
		int32_t run = topic_run(l, i);

		update_metadata_request_topic_state_init(t);
		t->topic_name = copy_name(arena, topic);
		t->topic_id = topic->id;
		t->partition_states = arena_calloc(arena, (size_t)run, sizeof(*t->partition_states));
		for (int32_t end = i + run; i < end; i++) {
			/* One that is being deleted also when its state node is gone already: its members may still know it, and nobody would tell them later. */
			if (l->items[i].p->has_leadership || topic->is_queued)
				fill_update(a, &t->partition_states[t->partition_states_count++], l->items[i].p, arena);
		}
		m->topic_states_count += t->partition_states_count > 0;
	}
}

/* Versions up to 4 list partitions without topics around them. */
static void ungroup_update(struct update_metadata_request *m, int32_t n, struct arena *arena)
{
	m->ungrouped_partition_states = arena_calloc(arena, (size_t)n + 1, sizeof(*m->ungrouped_partition_states));
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++) {
			struct update_metadata_request_partition_state *s = &m->ungrouped_partition_states[m->ungrouped_partition_states_count++];

			*s = m->topic_states[i].partition_states[k];
			s->topic_name = m->topic_states[i].topic_name;
		}
	}
	m->topic_states_count = 0;
}

static int16_t protocol_number(const char *name)
{
	static const char *const names[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0)
			return (int16_t)i;
	}
	return 0;
}

static void fill_live_brokers(struct active *a, struct update_metadata_request *m, struct arena *arena)
{
	m->live_brokers = arena_calloc(arena, (size_t)a->broker_count + 1, sizeof(*m->live_brokers));
	for (int i = 0; i < a->broker_count; i++) {
		const struct cluster_broker *b = &a->brokers[i]->info;
		struct update_metadata_request_live_broker *out = &m->live_brokers[m->live_brokers_count++];

		update_metadata_request_live_broker_init(out);
		out->id = b->id;
		out->rack = b->has_rack ? arena_copy(arena, slice_str(b->rack)) : SLICE_NULL;
		out->endpoints = arena_calloc(arena, (size_t)b->endpoint_count + 1, sizeof(*out->endpoints));
		for (int k = 0; k < b->endpoint_count; k++) {
			const struct cluster_endpoint *e = &b->endpoints[k];

			out->endpoints[out->endpoints_count++] = (struct update_metadata_request_endpoint){
				.port = e->port, .host = arena_copy(arena, slice_str(e->host)), .listener = arena_copy(arena, slice_str(e->listener)),
				.security_protocol = protocol_number(e->protocol),
			};
		}
	}
}

static void send_updates(struct controller *c)
{
	struct active *a = c->active;
	struct active_batch *batch = &a->batch;
	struct active_body *body = body_create();
	struct update_metadata_request m;
	int16_t version = versions(c)->update_metadata;

	update_metadata_request_init(&m);
	m.controller_id = c->broker_id;
	m.controller_epoch = c->controller_epoch;
	fill_update_topics(a, &m, &batch->update, &body->arena);
	if (version < 5)
		ungroup_update(&m, batch->update.count, &body->arena);
	fill_live_brokers(a, &m, &body->arena);
	for (int i = 0; i < a->broker_count; i++) {
		struct active_broker *b = a->brokers[i];

		if (!batch->update_to_all && !id_list_has(&batch->update_to, b->info.id))
			continue;
		struct active_request *r = request_create(c, b, API_UPDATE_METADATA, version);
		r->body = body;
		body->refs++;
		r->request.update_metadata = m;
		r->request.update_metadata.broker_epoch = b->info.epoch;
		active_channel_send(c, b, r);
	}
	body_unref(body);
}

/* --- StopReplica --------------------------------------------------------------------------------------------------------------------------- */

static void fill_stop_states(struct stop_replica_request *m, const struct batch_list *l, int32_t at, int32_t n, struct arena *arena)
{
	m->topic_states = arena_calloc(arena, (size_t)count_topics(l, at, n), sizeof(*m->topic_states));
	for (int32_t i = at; i < at + n; ) {
		struct stop_replica_request_topic_state *t = &m->topic_states[m->topic_states_count++];
		int32_t run = topic_run(l, i);

		t->topic_name = copy_name(arena, l->items[i].p->topic);
		t->partition_states = arena_calloc(arena, (size_t)run, sizeof(*t->partition_states));
		for (; t->partition_states_count < run; i++) {
			t->partition_states[t->partition_states_count++] = (struct stop_replica_request_partition_state){
				.partition_index = l->items[i].p->id, .leader_epoch = l->items[i].leader_epoch, .delete_partition = l->items[i].flag,
			};
		}
	}
}

/* Up to version 2 a request is for deletion or not as a whole, and says no more than which partitions; those of the other kind are left out. */
static void flatten_stop(struct active_request *r, bool with_delete, int32_t n)
{
	struct stop_replica_request *m = &r->request.stop_replica;
	struct arena *arena = &r->body->arena;

	m->delete_partitions = with_delete;
	m->topics = arena_calloc(arena, (size_t)m->topic_states_count, sizeof(*m->topics));
	m->ungrouped_partitions = arena_calloc(arena, (size_t)n, sizeof(*m->ungrouped_partitions));
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		struct stop_replica_request_topic_state *from = &m->topic_states[i];
		struct stop_replica_request_topic *t = &m->topics[m->topics_count];
		int32_t kept = 0;

		t->name = from->topic_name;
		t->partition_indexes = arena_calloc(arena, (size_t)from->partition_states_count, sizeof(*t->partition_indexes));
		for (int32_t k = 0; k < from->partition_states_count; k++) {
			if (from->partition_states[k].delete_partition != with_delete)
				continue;
			from->partition_states[kept++] = from->partition_states[k];
			t->partition_indexes[t->partition_indexes_count++] = from->partition_states[k].partition_index;
			m->ungrouped_partitions[m->ungrouped_partitions_count++] = (struct stop_replica_request_ungrouped_partition){
				.topic_name = t->name, .partition_index = from->partition_states[k].partition_index,
			};
		}
		from->partition_states_count = kept;
		m->topics_count += kept > 0;
	}
	m->topic_states_count = 0;
	if (r->version == 0)
		m->topics_count = 0;
	else
		m->ungrouped_partitions_count = 0;
}

static struct active_request *build_stop(struct controller *c, struct active_broker *b, const struct batch_list *l, int32_t at, int32_t n)
{
	struct active_request *r = request_create(c, b, API_STOP_REPLICA, versions(c)->stop_replica);
	struct stop_replica_request *m = &r->request.stop_replica;

	r->body = body_create();
	stop_replica_request_init(m);
	m->controller_id = c->broker_id;
	m->controller_epoch = c->controller_epoch;
	m->broker_epoch = b->info.epoch;
	fill_stop_states(m, l, at, n, &r->body->arena);
	r->stop_states = m->topic_states;
	r->stop_state_count = m->topic_states_count;
	return r;
}

static void send_stop(struct controller *c, struct active_broker *b, const struct batch_list *l, int32_t at, int32_t n)
{
	if (versions(c)->stop_replica >= 3) {
		active_channel_send(c, b, build_stop(c, b, l, at, n));
		return;
	}
	for (int with_delete = 0; with_delete < 2; with_delete++) {
		struct active_request *r = build_stop(c, b, l, at, n);

		flatten_stop(r, with_delete != 0, n);
		if (r->request.stop_replica.topics_count + r->request.stop_replica.ungrouped_partitions_count > 0)
			active_channel_send(c, b, r);
		else
			active_request_free(r);
	}
}

/* --- sending --------------------------------------------------------------------------------------------------------------------------------- */

static void send_list(struct controller *c, struct batch_list *l,
                      void (*send)(struct controller *c, struct active_broker *b, const struct batch_list *l, int32_t at, int32_t n))
{
	batch_merge(l);
	for (int32_t at = 0; at < l->count; ) {
		struct active_broker *b = active_broker_get(c->active, l->items[at].broker);
		int32_t n = broker_run(l, at);

		if (b != NULL)
			send(c, b, l, at, n);
		at += n;
	}
}

void active_batch_send(struct controller *c)
{
	struct active_batch *b = &c->active->batch;

	send_list(c, &b->leader_and_isr, send_leader_and_isr);
	batch_merge(&b->update);
	if (b->update_to_all || b->update_to.count > 0)
		send_updates(c);
	send_list(c, &b->stop, send_stop);
	batch_clear(b);
}
