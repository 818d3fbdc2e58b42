/*
 * What members and askers are told of a group, and the ends of their waits. Answers are copied into the asker's arena: a group keeps nothing that was lent to it.
 */
#include "group/group_priv.h"

#include <stdlib.h>

const char *group_state_name(enum group_state s)
{
	switch (s) {
	case GROUP_EMPTY:      return "Empty";
	case GROUP_PREPARING:  return "PreparingRebalance";
	case GROUP_COMPLETING: return "CompletingRebalance";
	case GROUP_STABLE:     return "Stable";
	case GROUP_DEAD:       return "Dead";
	}
	return "Dead";
}

bool group_is_leader(const struct group *g, const struct member *m)
{
	return g->leader_id != NULL && strcmp(g->leader_id, m->id) == 0;
}

enum kafka_error group_append_error(enum kafka_error error, enum kafka_error too_large)
{
	switch ((int)error) {
	case UNKNOWN_TOPIC_OR_PARTITION:
	case NOT_ENOUGH_REPLICAS:
	case NOT_ENOUGH_REPLICAS_AFTER_APPEND: return COORDINATOR_NOT_AVAILABLE;
	case NOT_LEADER_OR_FOLLOWER:
	case KAFKA_STORAGE_ERROR:              return NOT_COORDINATOR;
	case MESSAGE_TOO_LARGE:
	case RECORD_LIST_TOO_LARGE:
	case INVALID_FETCH_SIZE:               return too_large;
	default:                               return error;
	}
}

void group_refuse_join(struct group *g, struct group_join *m, enum kafka_error error, struct slice member_id)
{
	m->generation = -1;
	m->protocol = m->group_protocol_type = SLICE_NULL;
	m->leader = SLICE_EMPTY;
	m->member_id = arena_copy(&m->arena, member_id);
	m->member_count = 0;
	m->skips_assignment = false;
	coordinator_answer(g->coordinator, &m->q, error);
}

static bool tell_members(const struct group *g, struct group_join *m)
{
	m->members = arena_calloc(&m->arena, map_count(&g->members), sizeof(*m->members));
	if (m->members == NULL)
		return false;
	LIST_FOREACH(e, &g->in_order) {
		const struct member *other = LIST_ENTRY(e, struct member, link);
		const struct group_protocol *p = member_protocol(other, g->protocol);
		struct group_member_info *to = &m->members[m->member_count++];

		to->member_id = arena_copy(&m->arena, slice_str(other->id));
		to->instance_id = other->instance_id != NULL ? arena_copy(&m->arena, slice_str(other->instance_id)) : SLICE_NULL;
		to->metadata = arena_copy(&m->arena, p != NULL ? p->metadata : SLICE_EMPTY);
		if (slice_is_null(to->member_id) || slice_is_null(to->metadata) || (other->instance_id != NULL && slice_is_null(to->instance_id)))
			return false;
	}
	return true;
}

/* leader: as it is told. */
void group_answer_join(struct group *g, struct group_join *m, const struct member *member, const char *leader, bool with_members)
{
	m->generation = g->generation;
	m->group_protocol_type = arena_copy(&m->arena, slice_str(g->protocol_type));
	m->protocol = arena_copy(&m->arena, slice_str(g->protocol));
	m->leader = arena_copy(&m->arena, slice_str(leader));
	m->member_id = arena_copy(&m->arena, slice_str(member->id));
	m->member_count = 0;
	bool ok = !slice_is_null(m->leader) && !slice_is_null(m->member_id) && (!with_members || tell_members(g, m));
	coordinator_answer(g->coordinator, &m->q, ok ? NONE : GROUP_ANSWER_FAILED);
}

void group_answer_sync(struct group *g, struct group_sync *m, const struct member *member)
{
	m->group_protocol_type = arena_copy(&m->arena, slice_str(g->protocol_type));
	m->group_protocol = arena_copy(&m->arena, slice_str(g->protocol));
	m->assignment = arena_copy(&m->arena, slice_of(member->assignment_bytes > 0 ? member->assignment : (const uint8_t *)"", member->assignment_bytes));
	coordinator_answer(g->coordinator, &m->q, slice_is_null(m->assignment) ? GROUP_ANSWER_FAILED : NONE);
}

void group_end_sync(struct group *g, struct member *m, enum kafka_error error)
{
	struct group_sync *s = m->sync;

	m->sync = NULL;
	if (s != NULL)
		coordinator_answer(g->coordinator, &s->q, error);
}

void group_end_join(struct group *g, struct member *m, enum kafka_error error, struct slice member_id)
{
	struct group_join *j = m->join;

	if (j == NULL)
		return;
	m->join = NULL;
	g->joining_count--;
	group_refuse_join(g, j, error, member_id);
}

/* The join of a member that came back, taken off it; NULL. */
struct group_join *member_take_comeback(struct member *m)
{
	struct group_join *j = NULL;

	if (m->comeback != NULL) {
		j = m->comeback->join;
		free(m->comeback->old_id);
		free(m->comeback->old_leader);
		free(m->comeback);
		m->comeback = NULL;
	}
	return j;
}

void group_end_comeback(struct group *g, struct member *m, enum kafka_error error, struct slice member_id)
{
	struct group_join *j = member_take_comeback(m);

	if (j != NULL)
		group_refuse_join(g, j, error, member_id);
}

/* --- to those who look at it ---------------------------------------------------------------------------------------------------------- */

bool group_describe_members(const struct group *g, struct arena *arena, struct group_describe *d)
{
	bool is_stable = g->state == GROUP_STABLE;

	d->protocol_type = arena_copy(arena, slice_str(g->protocol_type != NULL ? g->protocol_type : ""));
	d->protocol = arena_copy(arena, slice_str(is_stable && g->protocol != NULL ? g->protocol : ""));
	d->members = arena_calloc(arena, map_count(&g->members), sizeof(*d->members));
	if (slice_is_null(d->protocol_type) || slice_is_null(d->protocol) || d->members == NULL)
		return false;
	LIST_FOREACH(e, &g->in_order) {
		const struct member *m = LIST_ENTRY(e, struct member, link);
		const struct group_protocol *p = is_stable ? member_protocol(m, g->protocol) : NULL;
		struct group_member_info *to = &d->members[d->member_count++];

		to->member_id = arena_copy(arena, slice_str(m->id));
		to->instance_id = m->instance_id != NULL ? arena_copy(arena, slice_str(m->instance_id)) : SLICE_NULL;
		to->client_id = arena_copy(arena, slice_str(m->client_id));
		to->client_host = arena_copy(arena, slice_str(m->client_host));
		to->metadata = arena_copy(arena, p != NULL ? p->metadata : SLICE_EMPTY);
		to->assignment = arena_copy(arena, is_stable && m->assignment_bytes > 0 ? slice_of(m->assignment, m->assignment_bytes) : SLICE_EMPTY);
		if (slice_is_null(to->member_id) || slice_is_null(to->client_host) || slice_is_null(to->metadata) || slice_is_null(to->assignment) ||
		    slice_is_null(to->client_id) || (m->instance_id != NULL && slice_is_null(to->instance_id)))
			return false;
	}
	return true;
}
