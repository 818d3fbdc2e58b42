/*
 * Groups of a look: each broker names those it coordinates, and is asked at once what these have committed and who is in them. When all is there, the first record that a
 * group has not consumed is read, for its timestamp: several partitions with one Fetch, each once per round, so that every round answers at least one of each leader.
 */
#include "look_priv.h"

#include <stdlib.h>

#include "record/record.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_fetch.h"

#define RECORDS_BYTES   (64 << 10)	/* of a partition: one batch mostly. More when the first of an answer is larger */
#define ANSWER_BYTES    (2 << 20)
#define PARTITIONS_MAX  256		/* per question */
#define BATCH_BYTES_MAX (256u << 20)	/* of a batch, decompressed */

/* ---- finding ---- */

static int place_of_group(const struct look *l, struct slice id)
{
	int low = 0, high = l->group_count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (slice_cmp(l->groups[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct look_group *look_group_of(const struct look *l, struct slice id)
{
	int at = place_of_group(l, id);

	return at < l->group_count && slice_eq(l->groups[at]->id, id) ? l->groups[at] : NULL;
}

static int compare_offsets(const void *a, const void *b)
{
	const struct look_offset *x = a, *y = b;
	int order = slice_cmp(x->topic, y->topic);

	return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static struct look_offset *offset_of(const struct look_group *g, struct slice topic, int32_t partition)
{
	struct look_offset key = { .topic = topic, .partition = partition };

	return g->offset_count > 0 ? bsearch(&key, g->offsets, (size_t)g->offset_count, sizeof(key), compare_offsets) : NULL;
}

/* ---- what groups have committed ---- */

static void on_offsets(struct client_call *call)
{
	struct look *l = call->owner;
	const struct offset_fetch_request *q = call->request;
	const struct offset_fetch_response *r = call->response;
	struct look_group *g = look_group_of(l, q->group_id);
	int64_t count = 0;

	if (!look_came_home(call) || g == NULL)
		return;
	g->error = r->error_code;
	g->has_offsets = r->error_code == NONE;
	for (int32_t t = 0; t < r->topics_count; t++)
		count += MAX(r->topics[t].partitions_count, 0);
	g->offsets = look_alloc(l, (size_t)count, sizeof(*g->offsets));
	g->offset_count = 0;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct offset_fetch_response_partition *is = &r->topics[t].partitions[p];

			if (is->error_code == NONE && is->committed_offset >= 0)
				g->offsets[g->offset_count++] = (struct look_offset){ .topic = r->topics[t].name, .partition = is->partition_index,
										      .committed = is->committed_offset, .end = -1, .lag = -1, .first_at = -1 };
		}
	}
	if (g->offset_count > 0)
		qsort(g->offsets, (size_t)g->offset_count, sizeof(*g->offsets), compare_offsets);
}

static void ask_committed(struct look *l, const struct look_group *g)
{
	struct client_call *call = look_call(l, API_OFFSET_FETCH, on_offsets);
	struct offset_fetch_request *q = call->request;

	q->group_id = g->id;
	q->topics_count = -1;	/* null: all */
	look_send(l, call, g->coordinator);
}

/* ---- members ---- */

/* What a member reads, as far as members follow the consumer's protocol; nothing where it cannot be read. */
static struct consumer_protocol_assignment assignment_of(struct look *l, const struct describe_groups_response_group *is, int32_t member)
{
	struct consumer_protocol_assignment a = { .assigned_partitions_count = 0 };
	struct reader r = reader_of(is->members[member].member_assignment);
	int16_t version = slice_eq_str(is->protocol_type, "consumer") ? get_i16(&r) : -1;

	if (r.failed || version < 0 || !consumer_protocol_assignment_decode(&a, &r, MIN(version, 3), &l->arena))
		a.assigned_partitions_count = 0;
	return a;
}

/* The partitions that the group has committed for learn who reads them. Adds the others to `more`, or, with more NULL, only counts them. */
static int64_t take_assignment(struct look_group *g, const struct look_member *m, const struct consumer_protocol_assignment *a, struct look_offset *more)
{
	int64_t count = 0;

	for (int32_t t = 0; t < a->assigned_partitions_count; t++) {
		for (int32_t p = 0; p < a->assigned_partitions[t].partitions_count; p++) {
			struct slice topic = a->assigned_partitions[t].topic;
			int32_t number = a->assigned_partitions[t].partitions[p];
			struct look_offset *known = offset_of(g, topic, number);

			if (known != NULL)
				known->member = m;
			else if (more != NULL)
				more[count] = (struct look_offset){ .topic = topic, .partition = number, .committed = -1, .end = -1,
						.lag = -1, .first_at = -1, .member = m };
			count += known == NULL;
		}
	}
	return count;
}

/* What members read, and nobody has committed an offset for, joins the offsets. */
static void take_members(struct look *l, struct look_group *g, const struct describe_groups_response_group *is)
{
	int32_t count = MAX(is->members_count, 0);
	struct look_member *members = look_alloc(l, (size_t)count, sizeof(*members));
	struct consumer_protocol_assignment *read = look_alloc(l, (size_t)count, sizeof(*read));
	int64_t more = 0, n;

	g->state = is->group_state;
	g->members = count;
	for (int32_t i = 0; i < count; i++) {
		members[i] = (struct look_member){ .id = is->members[i].member_id, .instance_id = is->members[i].group_instance_id,
						   .client_id = is->members[i].client_id, .host = is->members[i].client_host };
		read[i] = assignment_of(l, is, i);
		more += take_assignment(g, &members[i], &read[i], NULL);
	}
	if (more == 0)
		return;
	struct look_offset *all = look_alloc(l, (size_t)(g->offset_count + more), sizeof(*all));

	n = g->offset_count;
	if (n > 0)
		memcpy(all, g->offsets, (size_t)n * sizeof(*all));
	for (int32_t i = 0; i < count; i++)
		n += take_assignment(g, &members[i], &read[i], all + n);
	g->offsets = all;
	g->offset_count = (int)MIN(n, INT32_MAX);
	qsort(g->offsets, (size_t)g->offset_count, sizeof(*g->offsets), compare_offsets);
}

/* Asked behind the offsets on the same connection, so these are there. */
static void on_members(struct client_call *call)
{
	struct look *l = call->owner;
	const struct describe_groups_response *r = call->response;

	if (!look_came_home(call))
		return;
	for (int32_t i = 0; i < r->groups_count; i++) {
		struct look_group *g = look_group_of(l, r->groups[i].group_id);

		if (g != NULL && g->coordinator == call->node_id && r->groups[i].error_code == NONE && g->members < 0)	/* others are not this one's to describe */
			take_members(l, g, &r->groups[i]);
	}
}

/* ---- which groups there are ---- */

static bool is_wanted(const struct look *l, struct slice id)
{
	for (int i = 0; i < l->group_name_count; i++) {
		if (slice_eq_str(id, l->group_names[i]))
			return true;
	}
	return l->group_name_count == 0;
}

static struct look_group *add_group(struct look *l, const struct list_groups_response_group *is, int32_t broker)
{
	int at = place_of_group(l, is->group_id);
	struct look_group *g = look_alloc(l, 1, sizeof(*g));

	*g = (struct look_group){ .id = is->group_id, .state = is->group_state, .protocol_type = is->protocol_type, .coordinator = broker, .members = -1, .lag = -1, .age_ms = -1 };
	if (l->group_count == l->group_room) {
		l->group_room = MAX(2 * l->group_room, 32);
		l->groups = mem_realloc_array(l->groups, (size_t)l->group_room, sizeof(struct look_group *));
	}
	memmove(&l->groups[at + 1], &l->groups[at], (size_t)(l->group_count - at) * sizeof(struct look_group *));
	l->groups[at] = g;
	l->group_count++;
	return g;
}

/* A group that moves while it is looked for may be named twice: the first one counts. */
static void on_groups(struct client_call *call)
{
	struct look *l = call->owner;
	const struct list_groups_response *r = call->response;
	struct look_broker *b = look_broker_of(l, call->node_id);

	if (!look_came_home(call) || b == NULL)
		return;
	if (r->error_code != NONE) {
		client_error_set_kafka(&b->error, r->error_code, "list of groups", SLICE_NULL);
		return;
	}
	struct client_call *members = (l->parts & LOOK_MEMBERS) && r->groups_count > 0 ? look_call(l, API_DESCRIBE_GROUPS, on_members) : NULL;
	struct describe_groups_request *q = members != NULL ? members->request : NULL;

	if (members != NULL)
		q->groups = call_alloc(members, (size_t)r->groups_count, sizeof(*q->groups));
	for (int32_t i = 0; i < r->groups_count; i++) {
		if (!is_wanted(l, r->groups[i].group_id) || look_group_of(l, r->groups[i].group_id) != NULL)
			continue;
		struct look_group *g = add_group(l, &r->groups[i], call->node_id);

		ask_committed(l, g);
		if (members != NULL)
			q->groups[q->groups_count++] = g->id;
	}
	if (members != NULL && q->groups_count > 0)
		look_send(l, members, call->node_id);
}

void look_ask_groups(struct look *l, int32_t broker)
{
	look_send(l, look_call(l, API_LIST_GROUPS, on_groups), broker);
}

/* ---- how old the first record is that was not consumed ---- */

static int64_t first_wanted(const struct look_offset *o, const struct look_partition *p)
{
	return MAX(o->committed, p->start);
}

/* The timestamp of the first record from the offset on; -1 when it is not among these. */
static time_ms time_of(struct slice records, int64_t offset, struct decompressor *stream)
{
	struct slice batch;
	time_ms found = -1;

	while (found < 0 && batch_next(&records, &batch) == OK) {
		struct record_iter it;
		struct record r;

		if (batch_last_offset(batch.ptr) < offset || !batch_check_crc(batch))
			continue;
		record_iter_init(&it, batch, stream, BATCH_BYTES_MAX);
		while (found < 0 && record_iter_next(&it, &r)) {
			if (r.offset >= offset)
				found = r.timestamp;
		}
		record_iter_fini(&it);
	}
	return found;
}

static void take_records(struct look *l, struct slice topic, const struct fetch_response_partition *is, struct decompressor *stream)
{
	struct look_topic *t = look_topic_of(l, topic);
	struct look_partition *p = t != NULL ? look_partition_of(t, is->partition_index) : NULL;

	if (p == NULL || is->error_code != NONE || is->records.len == 0)
		return;
	for (int i = 0; i < l->group_count; i++) {
		struct look_offset *o = offset_of(l->groups[i], topic, is->partition_index);

		if (o != NULL && o->first_at < 0 && o->lag > 0 && first_wanted(o, p) >= p->asked_from)
			o->first_at = time_of(slice_of(is->records.ptr, is->records.len), first_wanted(o, p), stream);
	}
}

static void on_records(struct client_call *call)
{
	struct look *l = call->owner;
	const struct fetch_response *r = call->response;

	if (!look_came_home(call))
		return;
	struct decompressor *stream = decompressor_create();

	for (int32_t t = 0; t < r->responses_count; t++) {
		for (int32_t p = 0; p < r->responses[t].partitions_count; p++)
			take_records(l, r->responses[t].topic, &r->responses[t].partitions[p], stream);
	}
	decompressor_destroy(&stream);
}

/* Partitions of the leader of which a record is wanted, each once: of several offsets the first. */
static bool ask_records(struct look *l, int32_t leader)
{
	struct client_call *call = look_call(l, API_FETCH, on_records);
	struct fetch_request *m = call->request;
	struct fetch_request_partition *parts = call_alloc(call, PARTITIONS_MAX, sizeof(*parts));

	m->max_bytes = ANSWER_BYTES;
	m->rack_id = SLICE_EMPTY;
	m->topics = call_alloc(call, PARTITIONS_MAX, sizeof(*m->topics));
	for (int i = 0; i < l->group_count; i++) {
		for (int k = 0; k < l->groups[i]->offset_count && m->topics_count < PARTITIONS_MAX; k++) {
			const struct look_offset *o = &l->groups[i]->offsets[k];
			struct look_topic *t = o->lag > 0 && o->first_at < 0 ? look_topic_of(l, o->topic) : NULL;
			struct look_partition *p = t != NULL ? look_partition_of(t, o->partition) : NULL;

			if (p == NULL || p->is->leader_id != leader || p->asked_round == l->round)
				continue;
			p->asked_round = l->round;
			p->asked_from = first_wanted(o, p);
			struct fetch_request_partition *q = &parts[m->topics_count];

			fetch_request_partition_init(q);
			q->partition = o->partition;
			q->fetch_offset = p->asked_from;
			q->partition_max_bytes = RECORDS_BYTES;
			m->topics[m->topics_count++] = (struct fetch_request_topic){ .topic = o->topic, .partitions = q, .partitions_count = 1 };
		}
	}
	if (m->topics_count > 0)
		look_send(l, call, leader);
	return m->topics_count > 0;
}

int64_t look_age(const struct look *l, const struct look_offset *o)
{
	return o->lag == 0 ? 0 : o->lag < 0 || o->first_at < 0 ? -1 : MAX(l->time - o->first_at, 0);
}

/* What was known before and is the same offset is as old as it was. */
static void weigh(struct look *l, struct look_group *g)
{
	const struct look_group *was = l->before != NULL ? look_group_of(l->before, g->id) : NULL;

	for (int i = 0; i < g->offset_count; i++) {
		struct look_offset *o = &g->offsets[i];
		const struct look_topic *t = look_topic_of(l, o->topic);
		const struct look_partition *p = t != NULL ? look_partition_of(t, o->partition) : NULL;
		const struct look_offset *known = was != NULL ? offset_of(was, o->topic, o->partition) : NULL;

		o->end = p != NULL ? p->end : -1;
		o->lag = o->end >= 0 && o->committed >= 0 ? MAX(o->end - o->committed, 0) : -1;
		if (o->first_at < 0 && known != NULL && known->committed == o->committed && known->lag > 0 && o->lag > 0)
			o->first_at = known->first_at;
	}
}

static void sum_up(struct look *l, struct look_group *g)
{
	bool is_unknown = false;

	g->lag = g->offset_count == 0 && g->has_offsets ? 0 : -1;
	g->age_ms = (l->parts & LOOK_AGES) && g->lag == 0 ? 0 : -1;
	for (int i = 0; i < g->offset_count; i++) {
		int64_t age = look_age(l, &g->offsets[i]);

		g->lag = look_sum(g->lag, g->offsets[i].lag);
		g->age_ms = MAX(g->age_ms, age);
		is_unknown |= age < 0 && g->offsets[i].lag > 0;
	}
	if (is_unknown && g->age_ms == 0)
		g->age_ms = -1;		/* what is known is nothing, and there is more */
}

void look_want_partitions(struct look *l)
{
	for (int i = 0; i < l->group_count; i++) {
		for (int k = 0; k < l->groups[i]->offset_count; k++) {
			struct look_topic *t = look_topic_of(l, l->groups[i]->offsets[k].topic);
			struct look_partition *p = t != NULL ? look_partition_of(t, l->groups[i]->offsets[k].partition) : NULL;

			if (p != NULL)
				p->is_wanted = true;
		}
	}
}

bool look_weigh_groups(struct look *l)
{
	bool goes_on = false;

	for (int i = 0; i < l->group_count; i++)
		weigh(l, l->groups[i]);
	while (!goes_on && l->age_rounds > l->round && os_mono_ms(client_os(l->client)) < l->until) {
		l->round++;
		for (int i = 0; i < l->broker_count; i++) {
			if (look_is_known(&l->brokers[i]))
				goes_on |= ask_records(l, l->brokers[i].id);
		}
		if (!goes_on)
			break;
	}
	for (int i = 0; i < l->group_count; i++)
		sum_up(l, l->groups[i]);
	return goes_on;
}
