/*
 * UpdateMetadata that waits in a member's queue: what it has not been told yet of several decisions becomes one request, with the newest state of each partition and the newest
 * list of brokers. So a member that is told slower than decisions are made hears of each partition once per round trip, and not once per decision; without that a broker's return,
 * in which each in-sync set that grows is told to everybody, costs as many bytes as the cube of the number of brokers.
 *
 * Only neighbours are merged: roles before what is known of them, and both before what is stopped, is an order that members depend on. And only what nobody can have heard of yet:
 * a request that was sent once is sent again as it was. Of another incarnation of the broker, or of a topic of the same name with another id, nothing is merged.
 *
 * The states are those of the requests merged, which live as long as the one they have become part of.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#define VERSION_WITH_TOPICS 5	/* before, partitions are listed without topics around them */

struct told {
	const struct update_metadata_request_topic_state *topic;
	struct update_metadata_request_partition_state   *state;
	int32_t order;
};
struct told_list {
	struct told *items;
	int32_t      count;
};

static bool is_mergeable(const struct active_request *first, const struct active_request *r)
{
	const struct update_metadata_request *a = &first->request.update_metadata, *b = &r->request.update_metadata;

	return r->key == API_UPDATE_METADATA && r->version == first->version && !r->was_sent && a->controller_epoch == b->controller_epoch &&
	       a->broker_epoch == b->broker_epoch;
}

/* How many at the head of the queue can be one request. */
static int32_t count_mergeable(const struct list *queue)
{
	const struct active_request *first = LIST_ENTRY(queue->next, struct active_request, link);
	int32_t n = 0;

	if (first->key != API_UPDATE_METADATA || first->version < VERSION_WITH_TOPICS)
		return 0;
	for (const struct list *e = queue->next; e != queue && is_mergeable(first, LIST_ENTRY(e, struct active_request, link)); e = e->next)
		n++;
	return n;
}

static int32_t count_states(const struct list *queue, int32_t n)
{
	const struct list *e = queue->next;
	int32_t states = 0;

	for (; n > 0; n--, e = e->next) {
		const struct update_metadata_request *m = &LIST_ENTRY(e, struct active_request, link)->request.update_metadata;

		for (int32_t i = 0; i < m->topic_states_count; i++)
			states += m->topic_states[i].partition_states_count;
	}
	return states;
}

static void collect(struct told_list *l, const struct list *queue, int32_t n)
{
	const struct list *e = queue->next;

	for (; n > 0; n--, e = e->next) {
		const struct update_metadata_request *m = &LIST_ENTRY(e, struct active_request, link)->request.update_metadata;

		for (int32_t i = 0; i < m->topic_states_count; i++) {
			for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++, l->count++)
				l->items[l->count] = (struct told){ &m->topic_states[i], &m->topic_states[i].partition_states[k], l->count };
		}
	}
}

static int by_partition_and_order(const void *x, const void *y)
{
	const struct told *a = x, *b = y;
	int names = slice_cmp(a->topic->topic_name, b->topic->topic_name);

	if (names != 0)
		return names;
	if (a->state->partition_index != b->state->partition_index)
		return a->state->partition_index < b->state->partition_index ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static bool are_of_one_topic(const struct told *a, const struct told *b)
{
	return slice_eq(a->topic->topic_name, b->topic->topic_name);
}

/* Sorted. False: there are two topics of one name. */
static bool keep_newest(struct told_list *l)
{
	int32_t n = 0;

	for (int32_t i = 0; i < l->count; i++) {
		struct told t = l->items[i];

		if (n > 0 && are_of_one_topic(&l->items[n - 1], &t)) {
			if (!uuid_eq(l->items[n - 1].topic->topic_id, t.topic->topic_id))
				return false;
			n -= l->items[n - 1].state->partition_index == t.state->partition_index;
		}
		l->items[n++] = t;
	}
	l->count = n;
	return true;
}

static void fill(struct update_metadata_request *m, const struct told_list *l, struct arena *arena)
{
	m->topic_states = arena_calloc(arena, (size_t)l->count + 1, sizeof(*m->topic_states));
	m->topic_states_count = 0;
	for (int32_t i = 0; i < l->count; ) {
		struct update_metadata_request_topic_state *t = &m->topic_states[m->topic_states_count++];
		int32_t end = i + 1;

		while (end < l->count && are_of_one_topic(&l->items[i], &l->items[end]))
			end++;
		*t = *l->items[i].topic;
		t->partition_states = arena_calloc(arena, (size_t)(end - i), sizeof(*t->partition_states));
		t->partition_states_count = 0;
		for (; i < end; i++)
			t->partition_states[t->partition_states_count++] = *l->items[i].state;
	}
}

/* The n at the head: the newest of them, which has the newest list of brokers, takes the others in. */
static void take_in(struct list *queue, int32_t n, const struct told_list *l)
{
	struct list *e = queue->next;

	for (int32_t i = 1; i < n; i++)
		e = e->next;
	struct active_request *newest = LIST_ENTRY(e, struct active_request, link);
	fill(&newest->request.update_metadata, l, &newest->arena);
	for (int32_t i = 1; i < n; i++)
		list_push_back(&newest->merged, list_pop_front(queue));
}

void active_merge_waiting(struct list *queue)
{
	int32_t n = count_mergeable(queue);

	if (n < 2)
		return;
	struct told_list l = { .items = mem_calloc((size_t)count_states(queue, n) + 1, sizeof(*l.items)) };
	collect(&l, queue, n);
	if (l.count > 0)
		qsort(l.items, (size_t)l.count, sizeof(*l.items), by_partition_and_order);
	if (keep_newest(&l))
		take_in(queue, n, &l);
	free(l.items);
}
