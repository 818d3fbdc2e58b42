/*
 * Replica assignment.
 *
 * Without racks: first replicas go round the brokers from `start`; the others follow at a distance that grows by one each time the round is complete, so that the
 * replicas of one broker's partitions are spread over all others. With racks the brokers are first put into an order that alternates racks, and a
 * broker is passed over while its rack has a replica already and another rack has none.
 */
#include "controller/assignment.h"

#include <stdlib.h>
#include <string.h>

static int replica_index(int first, int shift, int replica, int n)
{
	return (first + 1 + (shift + replica) % (n - 1)) % n;
}

static void assign_plain(int32_t *replicas, int32_t partitions, int32_t factor, int32_t first_partition,
                         const struct cluster_broker *brokers, int n, uint32_t start, uint32_t shift)
{
	for (int32_t i = 0; i < partitions; i++) {
		uint32_t id = (uint32_t)(first_partition + i);

		if (id > 0 && id % (uint32_t)n == 0)
			shift++;
		int first = (int)((id + start) % (uint32_t)n);
		replicas[i * factor] = brokers[first].id;
		for (int32_t r = 0; r + 1 < factor; r++)
			replicas[i * factor + r + 1] = brokers[replica_index(first, (int)(shift % (uint32_t)MAX(n - 1, 1)), r, n)].id;
	}
}

struct racked {
	const struct cluster_broker *broker;
	int rank_in_rack;
};

static int by_rack(const void *a, const void *b)
{
	const struct racked *x = a, *y = b;
	int c = strcmp(x->broker->rack, y->broker->rack);

	return c != 0 ? c : (x->broker->id > y->broker->id) - (x->broker->id < y->broker->id);
}

static int by_rank(const void *a, const void *b)
{
	const struct racked *x = a, *y = b;

	return x->rank_in_rack != y->rank_in_rack ? x->rank_in_rack - y->rank_in_rack : strcmp(x->broker->rack, y->broker->rack);
}

/* Rack a's first broker, rack b's first, ..., rack a's second, ... Returns the number of racks. */
static int alternate_racks(struct racked *list, const struct cluster_broker *brokers, int n)
{
	int racks = 0;

	for (int i = 0; i < n; i++)
		list[i].broker = &brokers[i];
	qsort(list, (size_t)n, sizeof(*list), by_rack);
	for (int i = 0; i < n; i++) {
		bool same = i > 0 && strcmp(list[i].broker->rack, list[i - 1].broker->rack) == 0;

		list[i].rank_in_rack = same ? list[i - 1].rank_in_rack + 1 : 0;
		racks += !same;
	}
	qsort(list, (size_t)n, sizeof(*list), by_rank);
	return racks;
}

static bool rack_is_used(const struct racked *list, const int *used, int used_count, const char *rack)
{
	for (int i = 0; i < used_count; i++) {
		if (strcmp(list[used[i]].broker->rack, rack) == 0)
			return true;
	}
	return false;
}

static bool broker_is_used(const int *used, int used_count, int index)
{
	for (int i = 0; i < used_count; i++) {
		if (used[i] == index)
			return true;
	}
	return false;
}

static int racks_used(const struct racked *list, const int *used, int used_count)
{
	int racks = 0;

	for (int i = 0; i < used_count; i++)
		racks += !rack_is_used(list, used, i, list[used[i]].broker->rack);
	return racks;
}

static void assign_racked(int32_t *replicas, int32_t partitions, int32_t factor, int32_t first_partition,
                          const struct cluster_broker *brokers, int n, uint32_t start, uint32_t shift)
{
	struct racked *list = mem_calloc((size_t)n, sizeof(*list));
	int *used = mem_calloc((size_t)factor, sizeof(*used));
	int racks = alternate_racks(list, brokers, n);

	for (int32_t i = 0; i < partitions; i++) {
		uint32_t id = (uint32_t)(first_partition + i);
		int k = 0;

		if (id > 0 && id % (uint32_t)n == 0)
			shift++;
		int first = (int)((id + start) % (uint32_t)n);
		used[0] = first;
		for (int32_t r = 1; r < factor; r++) {
			bool done = false;

			while (!done) {
				/* the step from one candidate to the next goes by racks, so that a round meets every rack */
				int at = (first + 1 + (int)((shift * (uint32_t)racks + (uint32_t)k) % (uint32_t)(n - 1))) % n;
				bool rack_ok = !rack_is_used(list, used, r, list[at].broker->rack) || racks_used(list, used, r) == racks;

				done = rack_ok && (!broker_is_used(used, r, at) || r == n);
				if (done)
					used[r] = at;
				k++;
			}
		}
		for (int32_t r = 0; r < factor; r++)
			replicas[i * factor + r] = list[used[r]].broker->id;
	}
	free(used);
	free(list);
}

enum err assign_replicas(int32_t *replicas, int32_t partitions, int32_t replication_factor, int32_t first_partition,
                         const struct cluster_broker *brokers, int n, uint32_t start, uint32_t shift)
{
	int with_rack = 0;

	ASSERT(replication_factor > 0 && replication_factor <= n);
	for (int i = 0; i < n; i++)
		with_rack += brokers[i].has_rack;
	if (with_rack != 0 && with_rack != n)
		return ERR_INVALID;
	if (with_rack == n)
		assign_racked(replicas, partitions, replication_factor, first_partition, brokers, n, start, shift);
	else
		assign_plain(replicas, partitions, replication_factor, first_partition, brokers, n, start, shift);
	return OK;
}
