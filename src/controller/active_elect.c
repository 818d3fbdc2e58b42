/*
 * Electing a partition's leader: pure functions of what is known of one partition.
 *
 * The order of the candidates is that of the assignment, not of the in-sync set. Who is elected was in sync, unless nobody of the in-sync set is there and an unclean election is
 * allowed: then records may be lost, and the new leader is the whole in-sync set.
 */
#include "controller/active_priv.h"

static bool has(const int32_t *ids, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static bool is_online(const struct elect_spec *s, int32_t id)
{
	return has(s->online, s->online_count, id);
}

static bool is_leaving(const struct elect_spec *s, int32_t id)
{
	return s->how == ELECT_SHUTDOWN && has(s->shutting_down, s->shutting_down_count, id);
}

static int32_t clean_candidate(const struct elect_spec *s)
{
	int32_t n = s->how == ELECT_PREFERRED ? MIN(s->replica_count, 1) : s->replica_count;

	for (int32_t i = 0; i < n; i++) {
		if (is_online(s, s->replicas[i]) && has(s->isr, s->isr_count, s->replicas[i]) && !is_leaving(s, s->replicas[i]))
			return s->replicas[i];
	}
	return LEADER_NONE;
}

static bool is_offline_election(const struct elect_spec *s)
{
	return s->how == ELECT_OFFLINE || s->how == ELECT_OFFLINE_UNCLEAN;
}

/* Only while nobody of the in-sync set is online, in the assignment or not. */
static int32_t unclean_candidate(const struct elect_spec *s)
{
	if (!is_offline_election(s) || !s->may_be_unclean)
		return LEADER_NONE;
	for (int32_t i = 0; i < s->isr_count; i++) {
		if (is_online(s, s->isr[i]))
			return LEADER_NONE;
	}
	for (int32_t i = 0; i < s->replica_count; i++) {
		if (is_online(s, s->replicas[i]))
			return s->replicas[i];
	}
	return LEADER_NONE;
}

static void next_isr(const struct elect_spec *s, struct elect_result *r)
{
	r->isr_count = 0;
	if (r->is_unclean) {
		r->isr[r->isr_count++] = r->leader;
		return;
	}
	for (int32_t i = 0; i < s->isr_count; i++) {
		if ((!is_offline_election(s) || is_online(s, s->isr[i])) && !is_leaving(s, s->isr[i]))
			r->isr[r->isr_count++] = s->isr[i];
	}
}

static void recipients(const struct elect_spec *s, struct elect_result *r)
{
	bool everybody = s->how == ELECT_REASSIGN || s->how == ELECT_PREFERRED;

	r->recipient_count = 0;
	for (int32_t i = 0; i < s->replica_count; i++) {
		if (everybody || is_online(s, s->replicas[i]))
			r->recipients[r->recipient_count++] = s->replicas[i];
	}
}

bool elect_leader(const struct elect_spec *s, struct elect_result *r)
{
	r->leader = clean_candidate(s);
	r->is_unclean = false;
	if (r->leader == LEADER_NONE) {
		r->leader = unclean_candidate(s);
		r->is_unclean = r->leader != LEADER_NONE;
	}
	if (r->leader == LEADER_NONE)
		return false;
	next_isr(s, r);
	recipients(s, r);
	return true;
}
