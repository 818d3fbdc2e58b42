/*
 * What members of a group say to one another through the coordinator: subscriptions and assignments, and how the leader makes the second from the first.
 */
#include "client/group_priv.h"

#include <stdlib.h>

#include "base/map.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/gen/join_group.h"
#include "wire/gen/sync_group.h"
#include "wire/subscription.h"

#define SUBSCRIPTION_VERSION 3
#define ASSIGNMENT_VERSION   1

/* ---- lists of partitions ---- */

void group_list_add(struct group_list *l, struct group_partition p)
{
	if (l->count == l->room) {
		l->room = MAX(2 * l->room, 16);
		l->p = mem_realloc_array(l->p, (size_t)l->room, sizeof(*l->p));
	}
	l->p[l->count++] = p;
}

struct group_partition *group_list_find(const struct group_list *l, int32_t *at, const char *topic, int32_t partition)
{
	for (int32_t i = 0; i < l->count; i++) {
		int32_t place = (*at + i) % l->count;

		if (l->p[place].partition != partition || l->p[place].topic != topic)
			continue;
		*at = place + 1;
		return &l->p[place];
	}
	return NULL;
}

/* The list's partitions of one topic, in the call's memory. */
static int32_t *numbers_of(struct client_call *call, const struct group_list *l, const char *topic, int32_t *count)
{
	int32_t *numbers, n = 0;

	for (int32_t i = 0; i < l->count; i++)
		n += l->p[i].topic == topic;
	numbers = group_alloc(call, (size_t)n, sizeof(*numbers));
	*count = n;
	for (int32_t i = l->count - 1; i >= 0; i--) {
		if (l->p[i].topic == topic)
			numbers[--n] = l->p[i].partition;
	}
	return numbers;
}

/* ---- subscriptions ---- */

/* What a member of strategy sticky says besides, in the form of Java's StickyAssignor: what it had, and in which generation. */
static void put_previous(struct client_call *call, const struct group_member *m, struct writer *w)
{
	int32_t topics = 0, count;

	for (int32_t t = 0; t < m->spec.topic_count; t++) {
		(void)numbers_of(call, &m->previous, m->topics[t]->name, &count);
		topics += count > 0;
	}
	put_i32(w, topics);
	for (int32_t t = 0; t < m->spec.topic_count; t++) {
		const int32_t *numbers = numbers_of(call, &m->previous, m->topics[t]->name, &count);

		if (count == 0)
			continue;
		put_string(w, false, false, slice_str(m->topics[t]->name));
		put_i32(w, count);
		for (int32_t i = 0; i < count; i++)
			put_i32(w, numbers[i]);
	}
	put_i32(w, m->previous_generation);
}

static void get_previous(struct client_call *call, struct slice data, struct consumer_protocol_subscription *s)
{
	struct reader r = reader_of(data);
	int32_t topics = get_i32(&r);

	if (r.failed || topics < 0 || (size_t)topics > data.len / 6)
		return;
	s->owned_partitions = group_alloc(call, (size_t)topics, sizeof(*s->owned_partitions));
	for (int32_t t = 0; t < topics; t++) {
		struct consumer_protocol_subscription_owned_partition *o = &s->owned_partitions[t];
		struct slice name = get_string(&r, false, false);
		int32_t count = get_i32(&r);

		if (r.failed || count < 0 || (size_t)count > reader_left(&r) / 4)
			return;
		o->topic = name;
		o->partitions = group_alloc(call, (size_t)count, sizeof(*o->partitions));
		for (int32_t i = 0; i < count; i++)
			o->partitions[i] = get_i32(&r);
		o->partitions_count = count;
		s->owned_partitions_count = t + 1;
	}
	if (reader_left(&r) >= 4)
		s->generation_id = get_i32(&r);
}

/* What the protocol puts in front of its data: the version. */
struct slice group_subscription(struct client_call *call, const struct group_member *m, enum assign_strategy strategy)
{
	struct consumer_protocol_subscription s;
	struct slice bytes;
	struct writer w, data;
	bool ok;

	consumer_protocol_subscription_init(&s);
	s.topics = group_alloc(call, (size_t)m->spec.topic_count, sizeof(*s.topics));
	s.owned_partitions = group_alloc(call, (size_t)m->spec.topic_count, sizeof(*s.owned_partitions));
	for (int32_t t = 0; t < m->spec.topic_count; t++) {
		struct consumer_protocol_subscription_owned_partition *o = &s.owned_partitions[s.owned_partitions_count];

		s.topics[s.topics_count++] = slice_str(m->topics[t]->name);
		o->topic = slice_str(m->topics[t]->name);
		o->partitions = numbers_of(call, &m->held, m->topics[t]->name, &o->partitions_count);
		s.owned_partitions_count += o->partitions_count > 0;
	}
	s.generation_id = m->held.count > 0 ? m->previous_generation : -1;
	s.user_data = SLICE_NULL;
	writer_init(&data);
	if (strategy == ASSIGN_STICKY && m->previous.count > 0) {
		put_previous(call, m, &data);
		s.user_data = slice_of(data.buf, data.len);
	}
	writer_init(&w);
	put_i16(&w, SUBSCRIPTION_VERSION);
	ok = consumer_protocol_subscription_encode(&s, &w, SUBSCRIPTION_VERSION);
	ASSERT(ok);
	bytes = arena_copy(&call->arena, slice_of(w.buf, w.len));
	writer_fini(&w);
	writer_fini(&data);
	return bytes;
}

/* The subscriptions of all, by place; one that cannot be read gets nothing. */
static struct consumer_protocol_subscription *read_subscriptions(const struct group_member *m, struct client_call *joined)
{
	const struct join_group_response *r = joined->response;
	struct consumer_protocol_subscription *all = group_alloc(joined, (size_t)r->members_count, sizeof(*all));

	for (int32_t i = 0; i < r->members_count; i++) {
		int16_t version;

		if (!subscription_read(r->members[i].metadata, &all[i], &version, &joined->arena))
			continue;
		if (m->strategy == ASSIGN_STICKY && !slice_is_null(all[i].user_data))
			get_previous(joined, all[i].user_data, &all[i]);
		if (m->strategy == ASSIGN_COOPERATIVE && all[i].generation_id < 0 && all[i].user_data.len >= 4) {	/* as members before version 2 say it */
			struct reader data = reader_of(all[i].user_data);

			all[i].generation_id = get_i32(&data);
		}
	}
	return all;
}

/* ---- the leader assigns ---- */

/* What is to be assigned: topics sorted by name, each known to the members by its place. */
struct leading {
	struct group_member  *m;
	struct client_call   *joined;
	struct map            places;		/* topic's name -> its place + 1, as a pointer */
	struct assign_topic  *topics;
	int32_t               topic_count;
	struct assign_member *members;
	int32_t               member_count;
};

static int by_name(const void *a, const void *b)
{
	return slice_cmp(((const struct assign_topic *)a)->name, ((const struct assign_topic *)b)->name);
}

static int by_number(const void *a, const void *b)
{
	return *(const int32_t *)a - *(const int32_t *)b;
}

/* Every topic that somebody subscribes to, once; false: more than there may be. */
static bool list_topics(struct leading *l)
{
	for (int32_t i = 0; i < l->member_count; i++) {
		const struct consumer_protocol_subscription *s = &l->m->subscriptions[i];

		for (int32_t t = 0; t < s->topics_count && map_count(&l->places) <= GROUP_TOPICS_MAX; t++)
			map_put(&l->places, s->topics[t], l);
	}
	if (map_count(&l->places) > GROUP_TOPICS_MAX)
		return false;
	l->topics = group_alloc(l->joined, map_count(&l->places), sizeof(*l->topics));
	MAP_FOREACH(e, &l->places)
		l->topics[l->topic_count++].name = e->key;
	qsort(l->topics, (size_t)l->topic_count, sizeof(*l->topics), by_name);
	for (int32_t t = 0; t < l->topic_count; t++)
		map_put(&l->places, l->topics[t].name, (void *)(intptr_t)(t + 1));
	return true;
}

static bool are_topics_known(struct leading *l)
{
	bool known = true;

	for (int32_t t = 0; t < l->topic_count; t++) {
		const struct client_topic *info = client_topic(l->m->client, l->topics[t].name);

		known &= info->is_known;
		l->topics[t].partition_count = info->partition_count;
	}
	return known;
}

static void add_owned(struct leading *l, struct assign_member *out, const struct consumer_protocol_subscription *s)
{
	struct assign_partition *owned;
	size_t count = 0;

	for (int32_t t = 0; t < s->owned_partitions_count; t++)
		count += (size_t)s->owned_partitions[t].partitions_count;
	out->owned = owned = group_alloc(l->joined, count, sizeof(*owned));
	for (int32_t t = 0; t < s->owned_partitions_count; t++) {
		int32_t place = (int32_t)(intptr_t)map_get(&l->places, s->owned_partitions[t].topic) - 1;

		for (int32_t i = 0; place >= 0 && i < s->owned_partitions[t].partitions_count; i++)
			owned[out->owned_count++] = (struct assign_partition){ place, s->owned_partitions[t].partitions[i] };
	}
}

static void list_members(struct leading *l)
{
	const struct join_group_response *r = l->joined->response;

	l->members = group_alloc(l->joined, (size_t)l->member_count, sizeof(*l->members));
	for (int32_t i = 0; i < l->member_count; i++) {
		const struct consumer_protocol_subscription *s = &l->m->subscriptions[i];
		struct assign_member *out = &l->members[i];
		int32_t *places = group_alloc(l->joined, (size_t)s->topics_count, sizeof(*places)), n = 0;

		out->id = r->members[i].member_id;
		out->instance_id = r->members[i].group_instance_id;
		out->generation = s->generation_id;
		for (int32_t t = 0; t < s->topics_count; t++)
			places[t] = (int32_t)(intptr_t)map_get(&l->places, s->topics[t]) - 1;
		if (s->topics_count > 0)
			qsort(places, (size_t)s->topics_count, sizeof(*places), by_number);
		for (int32_t t = 0; t < s->topics_count; t++) {
			if (n == 0 || places[n - 1] != places[t])
				places[n++] = places[t];
		}
		out->topics = places;
		out->topic_count = n;
		add_owned(l, out, s);
	}
}

static struct slice encoded_assignment(struct client_call *call, const struct consumer_protocol_assignment *a)
{
	struct slice bytes;
	struct writer w;

	writer_init(&w);
	put_i16(&w, ASSIGNMENT_VERSION);
	bool ok = consumer_protocol_assignment_encode(a, &w, ASSIGNMENT_VERSION);
	ASSERT(ok);
	bytes = arena_copy(&call->arena, slice_of(w.buf, w.len));
	writer_fini(&w);
	return bytes;
}

/* places: of the member's partitions among all, ascending. */
static struct slice assignment_of(struct leading *l, struct client_call *sync, const int32_t *places, int32_t count)
{
	struct consumer_protocol_assignment a;
	int32_t *numbers = group_alloc(l->joined, (size_t)count, sizeof(*numbers)), topic = 0;

	consumer_protocol_assignment_init(&a);
	a.user_data = SLICE_NULL;
	a.assigned_partitions = group_alloc(l->joined, (size_t)MIN(count, l->topic_count), sizeof(*a.assigned_partitions));
	for (int32_t i = 0; i < count; i++) {
		int32_t was = topic;

		while (places[i] >= l->topics[topic].first + l->topics[topic].partition_count)
			topic++;
		if (i == 0 || topic != was)
			a.assigned_partitions[a.assigned_partitions_count++] =
				(struct consumer_protocol_assignment_assigned_partition){ .topic = l->topics[topic].name, .partitions = &numbers[i] };
		a.assigned_partitions[a.assigned_partitions_count - 1].partitions_count++;
		numbers[i] = places[i] - l->topics[topic].first;
	}
	return encoded_assignment(sync, &a);
}

static void share_out(struct leading *l, struct client_call *sync, int32_t partition_count)
{
	int32_t *owner = group_alloc(l->joined, (size_t)partition_count, sizeof(*owner));
	int32_t *places = group_alloc(l->joined, (size_t)partition_count, sizeof(*places));
	int32_t *first = group_alloc(l->joined, (size_t)l->member_count + 2, sizeof(*first));	/* of each member's in places, one place on */
	struct sync_group_request *q = sync->request;

	assign_partitions(l->m->strategy, l->topics, l->topic_count, l->members, l->member_count, owner);
	for (int32_t i = 0; i < partition_count; i++)
		first[owner[i] + 2] += owner[i] >= 0;
	for (int32_t i = 0; i < l->member_count; i++)
		first[i + 2] += first[i + 1];
	for (int32_t i = 0; i < partition_count; i++) {
		if (owner[i] >= 0)
			places[first[owner[i] + 1]++] = i;
	}
	q->assignments = group_alloc(sync, (size_t)l->member_count, sizeof(*q->assignments));
	for (int32_t i = 0; i < l->member_count; i++)
		q->assignments[q->assignments_count++] = (struct sync_group_request_assignment){
			.member_id = arena_copy(&sync->arena, l->members[i].id),
			.assignment = assignment_of(l, sync, places + first[i], first[i + 1] - first[i]),
		};
}

static void watch_topics(struct leading *l)
{
	struct group_member *m = l->m;

	free(m->watched);
	m->watched = mem_calloc((size_t)l->topic_count + 1, sizeof(*m->watched));
	m->watched_count = l->topic_count;
	for (int32_t t = 0; t < l->topic_count; t++)
		m->watched[t] = (struct group_watched){ client_topic(m->client, l->topics[t].name), l->topics[t].partition_count };
}

static size_t said_bytes(const struct join_group_response *r)
{
	size_t sum = 0;

	for (int32_t i = 0; i < r->members_count; i++)
		sum += r->members[i].metadata.len + r->members[i].member_id.len;
	return sum;
}

enum group_assigning group_assign(struct group_member *m, struct client_call *sync)
{
	const struct join_group_response *r = m->joined->response;
	struct leading l = { .m = m, .joined = m->joined, .places = MAP_INIT, .member_count = r->members_count };
	enum group_assigning result = GROUP_ASSIGNED_ALL;
	int64_t partition_count;

	if (said_bytes(r) > GROUP_SUBSCRIPTIONS_MAX)
		return GROUP_TOO_MUCH;
	if (m->subscriptions == NULL)
		m->subscriptions = read_subscriptions(m, m->joined);
	if (!list_topics(&l)) {
		result = GROUP_TOO_MUCH;
	} else if (!are_topics_known(&l)) {
		result = GROUP_NOT_YET;
	} else {
		partition_count = assign_partition_count(l.topics, l.topic_count);
		list_members(&l);
		if (partition_count > GROUP_PARTITIONS_MAX || partition_count * l.member_count > GROUP_WORK_MAX)
			result = GROUP_TOO_MUCH;
		else
			share_out(&l, sync, (int32_t)partition_count);
	}
	if (result == GROUP_ASSIGNED_ALL)
		watch_topics(&l);
	map_fini(&l.places);
	return result;
}

/* ---- being told ---- */

static const struct client_topic *subscribed(const struct group_member *m, struct slice name)
{
	for (int32_t t = 0; t < m->spec.topic_count; t++) {
		if (slice_eq_str(name, m->topics[t]->name))
			return m->topics[t];
	}
	return NULL;
}

static int by_partition(const void *a, const void *b)
{
	const struct group_partition *x = a, *y = b;

	return x->topic == y->topic ? (x->partition > y->partition) - (x->partition < y->partition) : strcmp(x->topic, y->topic);
}

/* Whatever the leader says, nobody reads a partition twice. */
static void sort_once(struct group_list *l)
{
	int32_t n = 0;

	if (l->count > 0)
		qsort(l->p, (size_t)l->count, sizeof(*l->p), by_partition);
	for (int32_t i = 0; i < l->count; i++) {
		if (n == 0 || by_partition(&l->p[n - 1], &l->p[i]) != 0)
			l->p[n++] = l->p[i];
	}
	l->count = n;
}

bool group_read_assignment(struct group_member *m, struct client_call *call, struct slice bytes, struct group_list *out)
{
	struct consumer_protocol_assignment a = { .assigned_partitions_count = 0 };
	struct reader r = reader_of(bytes);
	int16_t version = bytes.len > 0 ? get_i16(&r) : 0;

	if (bytes.len > 0 && (r.failed || version < 0 || !consumer_protocol_assignment_decode(&a, &r, MIN(version, 3), &call->arena)))
		return false;
	for (int32_t t = 0; t < a.assigned_partitions_count; t++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &a.assigned_partitions[t];
		const struct client_topic *topic = subscribed(m, p->topic);

		for (int32_t i = 0; topic != NULL && i < p->partitions_count; i++) {
			if (p->partitions[i] >= 0)
				group_list_add(out, (struct group_partition){ .topic = topic->name, .partition = p->partitions[i], .offset = -1, .leader_epoch = -1 });
		}
	}
	sort_once(out);
	return true;
}
