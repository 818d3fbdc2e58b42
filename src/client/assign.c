#include "client/assign.h"

#include <stdlib.h>

const char *const assign_names[ASSIGN_STRATEGY_COUNT + 1] = { "range", "roundrobin", "sticky", "cooperative-sticky", NULL };

struct assigning {
	const struct assign_topic  *topics;
	int32_t                     topic_count;
	const struct assign_member *members;
	int32_t                     member_count;
	int32_t                     partition_count;
	int32_t                    *owner;
	const struct assign_member **order;	/* the members, those with an instance id first, by that; the others by member id */
};

int64_t assign_partition_count(const struct assign_topic *topics, int32_t topic_count)
{
	int64_t sum = 0;

	for (int32_t t = 0; t < topic_count; t++)
		sum += topics[t].partition_count;
	return sum;
}

static int by_member(const void *a, const void *b)
{
	const struct assign_member *x = *(const struct assign_member *const *)a, *y = *(const struct assign_member *const *)b;
	bool x_is_static = !slice_is_null(x->instance_id), y_is_static = !slice_is_null(y->instance_id);

	if (x_is_static != y_is_static)
		return x_is_static ? -1 : 1;
	return x_is_static ? slice_cmp(x->instance_id, y->instance_id) : slice_cmp(x->id, y->id);
}

static bool subscribes(const struct assign_member *m, int32_t topic)
{
	int32_t low = 0, high = m->topic_count;

	while (low < high) {
		int32_t mid = low + (high - low) / 2;

		if (m->topics[mid] < topic)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->topic_count && m->topics[low] == topic;
}

static int32_t place_of(const struct assigning *a, const struct assign_member *m)
{
	return (int32_t)(m - a->members);
}

static void assign_range(struct assigning *a)
{
	for (int32_t t = 0; t < a->topic_count; t++) {
		int32_t takers = 0, next = a->topics[t].first, taker = 0;

		for (int32_t i = 0; i < a->member_count; i++)
			takers += subscribes(a->order[i], t);
		for (int32_t i = 0; i < a->member_count; i++) {
			int32_t share;

			if (!subscribes(a->order[i], t))
				continue;
			share = a->topics[t].partition_count / takers + (taker++ < a->topics[t].partition_count % takers);
			while (share-- > 0)
				a->owner[next++] = place_of(a, a->order[i]);
		}
	}
}

static void assign_round_robin(struct assigning *a)
{
	int32_t at = 0;

	for (int32_t t = 0; t < a->topic_count; t++) {
		for (int32_t p = 0; p < a->topics[t].partition_count; p++) {
			int32_t tried = 0;

			while (tried < a->member_count && !subscribes(a->order[at], t)) {
				at = (at + 1) % a->member_count;
				tried++;
			}
			if (tried == a->member_count)
				break;		/* nobody reads this topic */
			a->owner[a->topics[t].first + p] = place_of(a, a->order[at]);
			at = (at + 1) % a->member_count;
		}
	}
}

/* ---- sticky ---- */

struct claim {
	int32_t member;		/* -1: nobody has it; the one of the latest generation */
	int32_t claimants;	/* of that generation: two contradict each other, and neither is believed */
	bool    is_disputed;	/* by members of any generation */
};

static void read_claims(const struct assigning *a, struct claim *claims)
{
	for (int32_t i = 0; i < a->partition_count; i++)
		claims[i] = (struct claim){ .member = -1 };
	for (int32_t m = 0; m < a->member_count; m++) {
		for (int32_t i = 0; i < a->members[m].owned_count; i++) {
			struct assign_partition p = a->members[m].owned[i];
			struct claim *c;

			if (p.topic < 0 || p.topic >= a->topic_count || p.partition < 0 || p.partition >= a->topics[p.topic].partition_count ||
			    !subscribes(&a->members[m], p.topic))
				continue;
			c = &claims[a->topics[p.topic].first + p.partition];
			if (c->member == m)
				continue;	/* said twice */
			c->is_disputed = c->member >= 0;
			if (c->member < 0 || a->members[m].generation > a->members[c->member].generation) {
				c->member = m;
				c->claimants = 1;
			} else if (a->members[m].generation == a->members[c->member].generation) {
				c->claimants++;
			}
		}
	}
}

/* Of those who read this topic the one with the least; -1: nobody does. */
static int32_t least_loaded(const struct assigning *a, const int32_t *load, int32_t topic)
{
	int32_t best = -1;

	for (int32_t i = 0; i < a->member_count; i++) {
		int32_t m = place_of(a, a->order[i]);

		if ((best < 0 || load[m] < load[best]) && subscribes(a->order[i], topic))
			best = m;
	}
	return best;
}

/* Partitions go from who has more to who has less, one at a time, until nobody would be better off. Each move makes the sum of squares smaller, so there is an end. */
static void even_out(struct assigning *a, int32_t *load)
{
	bool has_moved;

	do {
		has_moved = false;
		for (int32_t t = 0; t < a->topic_count; t++) {
			int32_t least = -1;

			for (int32_t p = 0; p < a->topics[t].partition_count; p++) {
				int32_t *owner = &a->owner[a->topics[t].first + p];

				if (least < 0)
					least = least_loaded(a, load, t);
				if (*owner < 0 || load[*owner] <= load[least] + 1)
					continue;
				load[*owner]--;
				load[least]++;
				*owner = least;
				has_moved = true;
				least = -1;
			}
		}
	} while (has_moved);
}

static void assign_sticky(struct assigning *a, bool is_cooperative)
{
	struct claim *claims = mem_calloc((size_t)a->partition_count + 1, sizeof(*claims));
	int32_t *load = mem_calloc((size_t)a->member_count + 1, sizeof(*load));

	read_claims(a, claims);
	for (int32_t i = 0; i < a->partition_count; i++) {
		if (claims[i].member < 0 || claims[i].claimants > 1)
			continue;
		a->owner[i] = claims[i].member;
		load[claims[i].member]++;
	}
	for (int32_t t = 0; t < a->topic_count; t++) {
		for (int32_t p = 0; p < a->topics[t].partition_count; p++) {
			int32_t *owner = &a->owner[a->topics[t].first + p];

			if (*owner < 0)
				*owner = least_loaded(a, load, t);
			else
				continue;
			if (*owner < 0)
				break;
			load[*owner]++;
		}
	}
	even_out(a, load);
	for (int32_t i = 0; is_cooperative && i < a->partition_count; i++) {
		if (claims[i].is_disputed || (claims[i].member >= 0 && claims[i].member != a->owner[i]))
			a->owner[i] = -1;
	}
	free(claims);
	free(load);
}

void assign_partitions(enum assign_strategy strategy, struct assign_topic *topics, int32_t topic_count, const struct assign_member *members, int32_t member_count, int32_t *owner)
{
	struct assigning a = { topics, topic_count, members, member_count, 0, owner, NULL };

	for (int32_t t = 0; t < topic_count; t++) {
		topics[t].first = a.partition_count;
		a.partition_count += topics[t].partition_count;
	}
	for (int32_t i = 0; i < a.partition_count; i++)
		owner[i] = -1;
	if (member_count == 0)
		return;
	a.order = mem_calloc((size_t)member_count, sizeof(*a.order));
	for (int32_t i = 0; i < member_count; i++)
		a.order[i] = &members[i];
	qsort(a.order, (size_t)member_count, sizeof(*a.order), by_member);
	switch (strategy) {
	case ASSIGN_RANGE:       assign_range(&a); break;
	case ASSIGN_ROUND_ROBIN: assign_round_robin(&a); break;
	case ASSIGN_STICKY:      assign_sticky(&a, false); break;
	case ASSIGN_COOPERATIVE: assign_sticky(&a, true); break;
	}
	free(a.order);
}
