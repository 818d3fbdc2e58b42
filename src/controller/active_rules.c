/*
 * Rules of the active side that are pure functions: what a reassignment makes of an assignment, when it is complete, what a leader may do to its in-sync set, when leaders are out of
 * balance.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

static bool has(const int32_t *ids, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static bool same(const int32_t *a, int32_t a_count, const struct id_list *b)
{
	return a_count == b->count && (a_count == 0 || memcmp(a, b->ids, (size_t)a_count * sizeof(*a)) == 0);
}

/* --- assignments ------------------------------------------------------------------------------------------------------------------------ */

static bool is_origin(const struct active_partition *p, int32_t id)
{
	return has(p->replicas.ids, p->replicas.count, id) && !has(p->adding.ids, p->adding.count, id);
}

static void make_room(struct active_assignment *out, int32_t room)
{
	*out = (struct active_assignment){ .replicas = mem_calloc((size_t)room * 3 + 1, sizeof(*out->replicas)) };
	out->adding = out->replicas + room;
	out->removing = out->adding + room;
}

static void add_replica(struct active_assignment *out, int32_t id)
{
	if (!has(out->replicas, out->replica_count, id))
		out->replicas[out->replica_count++] = id;
}

void active_assignment_to(struct active_assignment *out, const struct active_partition *p, const int32_t *target, int32_t n)
{
	make_room(out, n + p->replicas.count);
	for (int32_t i = 0; target != NULL && i < n; i++)
		add_replica(out, target[i]);
	for (int32_t i = 0; i < p->replicas.count; i++) {
		if (is_origin(p, p->replicas.ids[i]))
			add_replica(out, p->replicas.ids[i]);
	}
	for (int32_t i = 0; i < out->replica_count; i++) {
		if (!is_origin(p, out->replicas[i]))
			out->adding[out->adding_count++] = out->replicas[i];
		if (target != NULL && !has(target, n, out->replicas[i]))
			out->removing[out->removing_count++] = out->replicas[i];
	}
}

void active_assignment_copy(struct active_assignment *out, const struct active_partition *p)
{
	make_room(out, p->replicas.count + p->adding.count + p->removing.count);
	for (int32_t i = 0; i < p->replicas.count; i++)
		out->replicas[out->replica_count++] = p->replicas.ids[i];
	for (int32_t i = 0; i < p->adding.count; i++)
		out->adding[out->adding_count++] = p->adding.ids[i];
	for (int32_t i = 0; i < p->removing.count; i++)
		out->removing[out->removing_count++] = p->removing.ids[i];
}

void active_assignment_target(struct active_assignment *out, const struct active_partition *p)
{
	make_room(out, p->replicas.count);
	for (int32_t i = 0; i < p->replicas.count; i++) {
		if (!has(p->removing.ids, p->removing.count, p->replicas.ids[i]))
			add_replica(out, p->replicas.ids[i]);
	}
}

void active_assignment_fini(struct active_assignment *a)
{
	free(a->replicas);
	*a = (struct active_assignment){ 0 };
}

bool active_assignment_is_of(const struct active_assignment *a, const struct active_partition *p)
{
	return same(a->replicas, a->replica_count, &p->replicas) && same(a->adding, a->adding_count, &p->adding) &&
	       same(a->removing, a->removing_count, &p->removing);
}

bool active_has_changes(const struct active_partition *p)
{
	return p->adding.count > 0 || p->removing.count > 0;
}

bool active_covers_target(const struct active_partition *p, const int32_t *isr, int32_t n)
{
	for (int32_t i = 0; i < p->replicas.count; i++) {
		int32_t id = p->replicas.ids[i];

		if (!has(p->removing.ids, p->removing.count, id) && !has(isr, n, id))
			return false;
	}
	return true;
}

const char *active_target_problem(const int32_t *target, int32_t n)
{
	if (n == 0)
		return "Empty replica list specified in partition reassignment.";
	for (int32_t i = 1; i < n; i++) {
		if (has(target, i, target[i]))
			return "Duplicate replica ids in partition reassignment replica list: ";
	}
	for (int32_t i = 0; i < n; i++) {
		if (target[i] < 0)
			return "Invalid broker id in replica list: ";
	}
	return NULL;
}

/* --- in-sync sets ------------------------------------------------------------------------------------------------------------------------- */

bool isr_claim_is_met(const struct isr_claim *claim, const struct active_partition *p)
{
	return claim->leader == p->leader && claim->leader_epoch == p->leader_epoch && claim->is_recovering == p->is_recovering &&
	       same(claim->isr, claim->isr_count, &p->isr);
}

/* In Kafka's order. A claim that is met is no error also when it names an older partition epoch: then its first answer was lost. */
enum kafka_error isr_claim_check(const struct isr_claim *claim, const struct active_partition *p, bool are_live, int16_t version)
{
	if (p == NULL || !p->has_leadership)
		return UNKNOWN_TOPIC_OR_PARTITION;
	if (claim->partition_epoch > p->partition_epoch || claim->leader_epoch > p->leader_epoch)
		return NOT_CONTROLLER;		/* it knows what we do not: somebody else is controller */
	if (claim->leader_epoch < p->leader_epoch)
		return FENCED_LEADER_EPOCH;
	if (isr_claim_is_met(claim, p))
		return NONE;
	if (claim->partition_epoch < p->partition_epoch)
		return INVALID_UPDATE_VERSION;
	if (claim->is_recovering && (claim->isr_count > 1 || !p->is_recovering))
		return INVALID_REQUEST;
	if (!are_live)
		return version >= 2 ? INELIGIBLE_REPLICA : OPERATION_NOT_ATTEMPTED;
	return NONE;
}

/* --- balance ------------------------------------------------------------------------------------------------------------------------------- */

bool active_is_imbalanced(int32_t preferred, int32_t elsewhere, int32_t percentage)
{
	return (int64_t)elsewhere * 100 > (int64_t)preferred * percentage;
}
