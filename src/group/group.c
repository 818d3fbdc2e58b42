/*
 * The state machine of one group.
 *
 *	EMPTY -> PREPARING (joins are collected) -> COMPLETING (the leader assigns) -> STABLE -> PREPARING ...
 *
 * A question that must wait is parked at its member: a join until the phase is over, a sync until the leader's assignment is in the log. What ends a wait: the phase
 * itself, its deadline, the member's removal, a new rebalance, the end of the group. A member that waits cannot expire, since it is known to be there.
 *
 * Deadlines are numbers; group_tick looks when the earliest may have come. A heartbeat only stores one.
 */
#include "group/group_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/wire.h"

struct group *group_create(struct coordinator *c, struct slice id)
{
	struct group *g = mem_calloc(1, sizeof(*g));

	g->coordinator = c;
	g->id = slice_of(memcpy(mem_alloc(id.len + 1), id.len > 0 ? id.ptr : (const uint8_t *)"", id.len), id.len);
	g->refs = 1;
	g->state_since = coordinator_time(c);
	list_init(&g->in_order);
	g->storing = -1;
	g->join_at = g->sync_at = g->due = MONO_NEVER;
	return g;
}

void group_unref(struct group *g)
{
	if (--g->refs > 0)
		return;
	while (!list_empty(&g->in_order))
		group_remove_member(g, LIST_ENTRY(g->in_order.next, struct member, link));
	MAP_FOREACH(e, &g->pending)
		free(e->value);
	offsets_free_all(g);
	map_fini(&g->members);
	map_fini(&g->statics);
	map_fini(&g->pending);
	map_fini(&g->offsets);
	free(g->protocol_type);
	free(g->protocol);
	free(g->leader_id);
	free((uint8_t *)(uintptr_t)g->id.ptr);
	free(g);
}

static void set_due(struct group *g, mono_ms due)
{
	g->due = MIN(g->due, due);
	coordinator_set_due(g->coordinator, g->due);
}

static void go_to(struct group *g, enum group_state state)
{
	g->state = state;
	g->state_since = coordinator_time(g->coordinator);
}

/* Of a failed append, as members are told: after a time-out they join again. */
static enum kafka_error store_error(enum kafka_error error)
{
	return error == REQUEST_TIMED_OUT ? REBALANCE_IN_PROGRESS : group_append_error(error, UNKNOWN_SERVER_ERROR);
}

static void renew_session(struct group *g, struct member *m, mono_ms now)
{
	m->session_end = now + MAX(m->session_timeout_ms, 1);
	set_due(g, m->session_end);
}

/* --- rebalancing ------------------------------------------------------------------------------------------------------------------- */

static void complete_join(struct group *g, mono_ms now);
static void park_join(struct group *g, struct member *m, struct group_join *j, mono_ms now);

static bool has_all_joined(const struct group *g)
{
	return g->joining_count == (int)map_count(&g->members) && map_count(&g->pending) == 0;
}

static void try_complete_join(struct group *g, mono_ms now)
{
	if (g->state == GROUP_PREPARING && !g->is_initial && has_all_joined(g))
		complete_join(g, now);
}

static void begin_initial_wait(struct group *g, mono_ms now)
{
	int32_t delay = MAX(coordinator_config(g->coordinator)->group_initial_rebalance_delay_ms, 0);

	g->is_initial = true;
	g->has_newcomer = false;
	g->initial_wait_ms = delay;
	g->initial_left_ms = MAX(group_rebalance_timeout(g) - delay, 0);
	g->join_at = now + delay;
}

void group_rebalance(struct group *g, mono_ms now)
{
	bool was_empty = g->state == GROUP_EMPTY, was_completing = g->state == GROUP_COMPLETING;

	g->sync_at = MONO_NEVER;
	g->storing = -1;		/* what is on its way is of a generation that nobody waits for */
	go_to(g, GROUP_PREPARING);
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);
		struct group_join *j = member_take_comeback(m);

		m->owes_sync = false;
		if (was_completing)
			member_set_assignment(m, SLICE_EMPTY);
		if (m->sync != NULL) {
			group_end_sync(g, m, REBALANCE_IN_PROGRESS);
			renew_session(g, m, now);
		}
		if (j != NULL)
			park_join(g, m, j, now);
	}
	if (was_empty)
		begin_initial_wait(g, now);
	else
		g->join_at = now + group_rebalance_timeout(g);
	set_due(g, g->join_at);
	if (was_empty && g->initial_wait_ms <= 0) {
		g->is_initial = false;
		complete_join(g, now);
	} else {
		try_complete_join(g, now);
	}
}

/* Some may have come while the first wait went on: it goes on for them, as long as the members' patience allows. */
static void end_initial_wait(struct group *g, mono_ms now)
{
	if (g->has_newcomer && g->initial_left_ms > 0) {
		int32_t delay = MIN(coordinator_config(g->coordinator)->group_initial_rebalance_delay_ms, g->initial_left_ms);

		g->initial_left_ms = MAX(g->initial_left_ms - g->initial_wait_ms, 0);
		g->initial_wait_ms = delay;
		g->has_newcomer = false;
		g->join_at = now + delay;
		return;
	}
	g->is_initial = false;
	complete_join(g, now);
}

/* Dynamic members that did not come again are out; static ones stay until their session ends. */
static void drop_absent(struct group *g)
{
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);

		if (m->join == NULL && m->instance_id == NULL)
			group_remove_member(g, m);
	}
}

static struct member *any_joined(const struct group *g)
{
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);

		if (m->join != NULL)
			return m;
	}
	return NULL;
}

static void become_empty(struct group *g)
{
	free(g->protocol);
	g->protocol = NULL;
	g->generation++;
	g->join_at = MONO_NEVER;
	go_to(g, GROUP_EMPTY);
	coordinator_store_empty_group(g->coordinator, g);
}

static void complete_join(struct group *g, mono_ms now)
{
	struct member *leader;

	g->is_initial = false;
	drop_absent(g);
	if (list_empty(&g->in_order)) {
		become_empty(g);
		return;
	}
	leader = g->leader_id != NULL ? group_member(g, slice_str(g->leader_id)) : NULL;
	if (leader == NULL || leader->join == NULL)
		leader = any_joined(g);
	if (leader == NULL) {			/* static members, none of whom is there now */
		g->join_at = now + group_rebalance_timeout(g);
		set_due(g, g->join_at);
		return;
	}
	free(g->leader_id);
	g->leader_id = mem_strdup(leader->id);
	free(g->protocol);
	g->protocol = group_vote(g);
	g->generation++;
	g->join_at = MONO_NEVER;
	go_to(g, GROUP_COMPLETING);
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);
		struct group_join *j = m->join;

		m->owes_sync = true;
		if (j == NULL)
			continue;
		m->join = NULL;
		m->is_new = false;
		g->joining_count--;
		renew_session(g, m, now);
		group_answer_join(g, j, m, g->leader_id, m == leader);
	}
	g->sync_at = now + group_rebalance_timeout(g);
	set_due(g, g->sync_at);
}

/* After a member has gone, or has changed what it wants. */
static void member_changed(struct group *g, mono_ms now)
{
	if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
		group_rebalance(g, now);
	else
		try_complete_join(g, now);
}

/* Who has only asked for an id was no member: nobody has to join again for it, but some may have waited for it. */
static void forget_pending(struct group *g, struct pending_member *p, mono_ms now)
{
	group_remove_pending(g, p);
	try_complete_join(g, now);
}

static void take_out(struct group *g, struct member *m)
{
	group_end_join(g, m, UNKNOWN_MEMBER_ID, SLICE_EMPTY);
	group_end_sync(g, m, UNKNOWN_MEMBER_ID);
	group_end_comeback(g, m, UNKNOWN_MEMBER_ID, SLICE_EMPTY);
	group_remove_member(g, m);
}

/* --- joining ---------------------------------------------------------------------------------------------------------------------- */

static void park_join(struct group *g, struct member *m, struct group_join *j, mono_ms now)
{
	if (m->join != NULL)		/* the same member asks again; the older question has lost its connection */
		group_end_join(g, m, UNKNOWN_MEMBER_ID, slice_str(m->id));
	m->join = j;
	g->joining_count++;
	m->session_end = now + JOIN_PATIENCE_MS;
	if (m->is_new)
		set_due(g, m->session_end);
}

static void update_member(struct member *m, const struct group_join *j)
{
	member_set_protocols(m, j->protocols, j->protocol_count);
	m->session_timeout_ms = j->session_timeout_ms;
	m->rebalance_timeout_ms = j->rebalance_timeout_ms;
}

static void add_and_rebalance(struct group *g, struct group_join *j, struct slice id, mono_ms now)
{
	struct member *m = member_create(j, id);
	struct pending_member *p = group_pending(g, id);

	m->is_new = true;
	if (g->state == GROUP_PREPARING && g->generation == 0)
		g->has_newcomer = true;
	if (map_count(&g->members) == 0) {
		free(g->protocol_type);
		g->protocol_type = copy_text(j->protocol_type);
	}
	group_add_member(g, m);
	if (p != NULL)
		group_remove_pending(g, p);
	park_join(g, m, j, now);
	if (g->state != GROUP_PREPARING)
		group_rebalance(g, now);
	else
		try_complete_join(g, now);
}

static void update_and_rebalance(struct group *g, struct member *m, struct group_join *j, mono_ms now)
{
	update_member(m, j);
	park_join(g, m, j, now);
	if (g->state != GROUP_PREPARING)
		group_rebalance(g, now);
	else
		try_complete_join(g, now);
}

/* "<prefix>-<random uuid>"; null: it would be too long to be written, or the arena is full */
static struct slice new_member_id(struct group *g, struct group_join *j)
{
	uint8_t u[16];
	struct slice prefix = slice_is_null(j->caller.instance_id) ? j->client_id : j->caller.instance_id;

	if (prefix.len + 37 > WIRE_STRING_MAX)
		return SLICE_NULL;
	os_random(g->coordinator->context->os, u, sizeof(u));
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	return arena_printf(&j->arena, SLICE_FMT "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", SLICE_ARG(prefix), u[0], u[1], u[2],
	                    u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* The new incarnation of a static member takes the old one's place, its assignment and its leadership. */
static void rename_member(struct group *g, struct member *m, struct slice id)
{
	bool leads = group_is_leader(g, m);

	group_end_join(g, m, FENCED_INSTANCE_ID, slice_str(m->id));
	group_end_sync(g, m, FENCED_INSTANCE_ID);
	group_end_comeback(g, m, FENCED_INSTANCE_ID, slice_str(m->id));
	map_remove(&g->members, slice_str(m->id));
	free(m->id);
	m->id = copy_text(id);
	map_put(&g->members, slice_str(m->id), m);
	if (leads) {
		free(g->leader_id);
		g->leader_id = mem_strdup(m->id);
	}
}

static bool would_keep_protocol(const struct group *g)
{
	char *vote = group_vote(g);
	bool keeps = vote != NULL && g->protocol != NULL && strcmp(vote, g->protocol) == 0;

	free(vote);
	return keeps;
}

/* Nobody else is troubled: what it gets is what its predecessor had. It is told its new id when that is stored, or the next coordinator would take it for an impostor. */
static void begin_comeback(struct group *g, struct member *m, struct group_join *j, const char *old_id, const char *old_leader, mono_ms now)
{
	m->comeback = mem_calloc(1, sizeof(*m->comeback));
	m->comeback->join = j;
	m->comeback->old_id = mem_strdup(old_id);
	m->comeback->old_leader = mem_strdup(old_leader);
	renew_session(g, m, now);
	coordinator_store_group(g->coordinator, g, slice_str(m->id));
}

/* Members are told only to a leader that is known to understand that it need not assign; an older one is told that it follows, and asks for its assignment. */
static void comeback_stored(struct group *g, struct member *m, enum kafka_error error)
{
	char *old_leader = m->comeback->old_leader, *old_id = m->comeback->old_id;
	struct group_join *j;

	m->comeback->old_leader = m->comeback->old_id = NULL;
	j = member_take_comeback(m);
	if (error != NONE) {
		rename_member(g, m, slice_str(old_id));
		group_refuse_join(g, j, store_error(error), SLICE_EMPTY);
	} else if (j->knows_skip_assignment) {
		j->skips_assignment = group_is_leader(g, m);
		group_answer_join(g, j, m, g->leader_id, group_is_leader(g, m));
	} else {
		group_answer_join(g, j, m, old_leader, false);
	}
	free(old_leader);
	free(old_id);
}

static void replace_static(struct group *g, struct member *m, struct group_join *j, struct slice id, mono_ms now)
{
	char *old_leader = mem_strdup(g->leader_id != NULL ? g->leader_id : ""), *old_id = mem_strdup(m->id);

	rename_member(g, m, id);
	update_member(m, j);
	if (g->state == GROUP_STABLE && would_keep_protocol(g)) {
		begin_comeback(g, m, j, old_id, old_leader, now);
	} else {
		park_join(g, m, j, now);
		if (g->state == GROUP_PREPARING)
			try_complete_join(g, now);
		else
			group_rebalance(g, now);
	}
	free(old_leader);
	free(old_id);
}

static void join_unknown(struct group *g, struct group_join *j, mono_ms now)
{
	struct member *m = group_static_member(g, j->caller.instance_id);
	struct slice id = new_member_id(g, j);

	if (slice_is_null(id)) {
		group_refuse_join(g, j, GROUP_ANSWER_FAILED, SLICE_EMPTY);
	} else if (m != NULL) {
		replace_static(g, m, j, id, now);
	} else if (slice_is_null(j->caller.instance_id) && j->knows_member_id_required) {
		group_add_pending(g, id, now + j->session_timeout_ms);
		set_due(g, now + j->session_timeout_ms);
		group_refuse_join(g, j, MEMBER_ID_REQUIRED, id);
	} else {
		add_and_rebalance(g, j, id, now);
	}
}

static void join_known(struct group *g, struct member *m, struct group_join *j, mono_ms now)
{
	bool is_same = member_has_protocols(m, j->protocols, j->protocol_count);

	switch (g->state) {
	case GROUP_PREPARING:
		update_and_rebalance(g, m, j, now);
		break;
	case GROUP_COMPLETING:
		if (is_same)		/* the answer was lost */
			group_answer_join(g, j, m, g->leader_id, group_is_leader(g, m));
		else
			update_and_rebalance(g, m, j, now);
		break;
	case GROUP_STABLE:
		if (group_is_leader(g, m) || !is_same)
			update_and_rebalance(g, m, j, now);
		else
			group_answer_join(g, j, m, g->leader_id, false);
		break;
	case GROUP_EMPTY:
	case GROUP_DEAD:
		group_refuse_join(g, j, UNKNOWN_MEMBER_ID, j->caller.member_id);
		break;
	}
}

static bool has_room(const struct group *g, const struct member *m)
{
	int32_t max = coordinator_config(g->coordinator)->group_max_size;

	switch (g->state) {
	case GROUP_EMPTY:
	case GROUP_DEAD:
		return true;
	case GROUP_PREPARING:
		return (m != NULL && m->join != NULL) || g->joining_count < max;
	case GROUP_COMPLETING:
	case GROUP_STABLE:
		return m != NULL || (int64_t)map_count(&g->members) < max;
	}
	return true;
}

void group_on_join(struct group *g, struct group_join *j, mono_ms now)
{
	struct slice id = j->caller.member_id;
	struct member *m = id.len > 0 ? group_member(g, id) : NULL;

	if (!has_room(g, m)) {
		if (m != NULL) {
			take_out(g, m);
			member_changed(g, now);
		}
		group_refuse_join(g, j, GROUP_MAX_SIZE_REACHED, SLICE_EMPTY);
		return;
	}
	if (!group_supports(g, j) || !group_can_read(j)) {
		group_refuse_join(g, j, INCONSISTENT_GROUP_PROTOCOL, id);
		return;
	}
	if (id.len == 0) {
		join_unknown(g, j, now);
		return;
	}
	if (group_pending(g, id) != NULL) {
		if (slice_is_null(j->caller.instance_id))
			add_and_rebalance(g, j, id, now);
		else
			group_refuse_join(g, j, UNKNOWN_SERVER_ERROR, SLICE_EMPTY);
		return;
	}
	enum kafka_error error = group_check_member(g, &j->caller, &m);
	if (error != NONE)
		group_refuse_join(g, j, error, id);
	else
		join_known(g, m, j, now);
}

/* --- syncing ---------------------------------------------------------------------------------------------------------------------- */

static enum kafka_error check_sync(struct group *g, const struct group_sync *s, struct member **m)
{
	enum kafka_error error = group_check_member(g, &s->caller, m);

	if (error != NONE)
		return error;
	if (s->caller.generation != g->generation)
		return ILLEGAL_GENERATION;
	if (!slice_is_null(s->protocol_type) && (g->protocol_type == NULL || !slice_eq_str(s->protocol_type, g->protocol_type)))
		return INCONSISTENT_GROUP_PROTOCOL;
	if (!slice_is_null(s->protocol) && (g->protocol == NULL || !slice_eq_str(s->protocol, g->protocol)))
		return INCONSISTENT_GROUP_PROTOCOL;
	return g->state == GROUP_PREPARING ? REBALANCE_IN_PROGRESS : NONE;
}

static void drop_sync_phase_if_done(struct group *g)
{
	LIST_FOREACH(e, &g->in_order) {
		if (LIST_ENTRY(e, struct member, link)->owes_sync)
			return;
	}
	g->sync_at = MONO_NEVER;
}

/* Kept with the members already, so that they need not be found again when they are in the log; nobody is told before. */
static void take_assignments(struct group *g, const struct group_sync *s)
{
	LIST_FOREACH(e, &g->in_order)
		member_set_assignment(LIST_ENTRY(e, struct member, link), SLICE_EMPTY);
	for (int32_t i = 0; i < s->assignment_count; i++) {
		struct member *m = group_member(g, s->assignments[i].member_id);

		if (m != NULL)
			member_set_assignment(m, s->assignments[i].bytes);
	}
}

void group_on_sync(struct group *g, struct group_sync *s, mono_ms now)
{
	struct member *m;
	enum kafka_error error = check_sync(g, s, &m);

	if (error == NONE && g->state != GROUP_COMPLETING && g->state != GROUP_STABLE)
		error = UNKNOWN_MEMBER_ID;
	if (error != NONE) {
		coordinator_answer(g->coordinator, &s->q, error);
		return;
	}
	m->owes_sync = false;
	drop_sync_phase_if_done(g);
	renew_session(g, m, now);
	if (g->state == GROUP_STABLE) {
		group_answer_sync(g, s, m);
		return;
	}
	group_end_sync(g, m, UNKNOWN_MEMBER_ID);		/* an older one of the same member: its connection is gone */
	m->sync = s;
	if (group_is_leader(g, m) && g->storing != g->generation) {
		take_assignments(g, s);
		g->storing = g->generation;
		coordinator_store_group(g->coordinator, g, SLICE_NULL);
	}
}

void group_stored(struct group *g, int32_t generation, struct slice comeback, enum kafka_error error, mono_ms now)
{
	struct member *back = slice_is_null(comeback) ? NULL : group_member(g, comeback);

	if (back != NULL && back->comeback != NULL)	/* else it has left, or a rebalance took it along */
		comeback_stored(g, back, error);
	if (!slice_is_null(comeback) || generation != g->storing)
		return;
	g->storing = -1;
	if (error != NONE) {
		LIST_FOREACH(e, &g->in_order) {
			struct member *m = LIST_ENTRY(e, struct member, link);

			member_set_assignment(m, SLICE_EMPTY);
			group_end_sync(g, m, store_error(error));
		}
		group_rebalance(g, now);
		return;
	}
	go_to(g, GROUP_STABLE);
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);
		struct group_sync *s = m->sync;

		if (s == NULL)
			continue;
		m->sync = NULL;
		renew_session(g, m, now);
		group_answer_sync(g, s, m);
	}
}

/* --- the rest ---------------------------------------------------------------------------------------------------------------------- */

enum kafka_error group_check_heartbeat(struct group *g, const struct group_caller *caller, mono_ms now)
{
	struct member *m;
	enum kafka_error error = group_check_member(g, caller, &m);

	if (error != NONE)
		return error;
	if (caller->generation != g->generation)
		return ILLEGAL_GENERATION;
	if (g->state == GROUP_EMPTY)
		return UNKNOWN_MEMBER_ID;
	m->session_end = now + m->session_timeout_ms;	/* never earlier than before: what is due stays */
	return g->state == GROUP_PREPARING ? REBALANCE_IN_PROGRESS : NONE;
}

static enum kafka_error leave_one(struct group *g, const struct group_leaver *l, bool *has_left, mono_ms now)
{
	struct pending_member *p = group_pending(g, l->member_id);
	struct member *m;
	enum kafka_error error = NONE;

	if (p != NULL) {
		forget_pending(g, p, now);
		return NONE;
	}
	if (l->member_id.len == 0) {		/* an operator removes whoever is this instance */
		m = group_static_member(g, l->instance_id);
		error = m != NULL ? NONE : UNKNOWN_MEMBER_ID;
	} else {
		struct group_caller caller = { .member_id = l->member_id, .instance_id = l->instance_id };

		error = group_check_member(g, &caller, &m);
	}
	if (error == NONE) {
		take_out(g, m);
		*has_left = true;
	}
	return error;
}

void group_on_leave(struct group *g, struct group_leave *m, mono_ms now)
{
	bool has_left = false;

	for (int32_t i = 0; i < m->count; i++)
		m->members[i].error = leave_one(g, &m->members[i], &has_left, now);
	coordinator_answer(g->coordinator, &m->q, NONE);
	if (has_left)
		member_changed(g, now);
}

enum kafka_error group_check_commit(struct group *g, const struct group_caller *caller, bool is_transactional, mono_ms now)
{
	struct member *m;
	enum kafka_error error;

	if (caller->generation < 0 && g->state == GROUP_EMPTY)
		return NONE;
	if (caller->generation < 0 && caller->member_id.len == 0 && slice_is_null(caller->instance_id))
		return is_transactional ? NONE : UNKNOWN_MEMBER_ID;	/* producers before 2.5 do not say who consumed */
	error = group_check_member(g, caller, &m);
	if (error != NONE)
		return error;
	if (caller->generation != g->generation)
		return ILLEGAL_GENERATION;
	if (is_transactional)
		return NONE;
	if (g->state == GROUP_COMPLETING)
		return REBALANCE_IN_PROGRESS;
	m->session_end = MAX(m->session_end, now + m->session_timeout_ms);
	return NONE;
}

bool group_subscribes(const struct group *g, struct slice topic)
{
	LIST_FOREACH(e, &g->in_order) {
		bool is_readable;

		if (member_subscribes(LIST_ENTRY(e, struct member, link), g->protocol, topic, &is_readable) || !is_readable)
			return true;
	}
	return false;
}

static bool is_awaited(const struct member *m)
{
	return (m->join != NULL && !m->is_new) || m->sync != NULL;
}

static void expire_members(struct group *g, mono_ms now)
{
	bool has_gone = false;

	MAP_FOREACH(e, &g->pending) {
		struct pending_member *p = e->value;

		if (now >= p->end)
			forget_pending(g, p, now);
	}
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);

		if (!is_awaited(m) && now >= m->session_end) {
			take_out(g, m);
			has_gone = true;
		}
	}
	if (has_gone)
		member_changed(g, now);
}

static void drop_those_without_sync(struct group *g, mono_ms now)
{
	bool has_gone = false;

	g->sync_at = MONO_NEVER;
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);

		if (m->owes_sync) {
			take_out(g, m);
			has_gone = true;
		}
	}
	if (has_gone)
		member_changed(g, now);
}

void group_tick(struct group *g, mono_ms now)
{
	if (now < g->due)
		return;
	if (g->join_at <= now && g->state == GROUP_PREPARING) {
		if (g->is_initial)
			end_initial_wait(g, now);
		else
			complete_join(g, now);
	}
	if (g->sync_at <= now)
		drop_those_without_sync(g, now);
	expire_members(g, now);
	g->due = MIN(g->join_at, g->sync_at);
	MAP_FOREACH(p, &g->pending)
		g->due = MIN(g->due, ((struct pending_member *)p->value)->end);
	LIST_FOREACH(e, &g->in_order) {
		const struct member *m = LIST_ENTRY(e, struct member, link);

		if (!is_awaited(m))
			g->due = MIN(g->due, m->session_end);
	}
}

void group_die(struct group *g, enum kafka_error error)
{
	LIST_FOREACH(e, &g->in_order) {
		struct member *m = LIST_ENTRY(e, struct member, link);

		group_end_join(g, m, error, slice_str(m->id));
		group_end_sync(g, m, error);
		group_end_comeback(g, m, error, slice_str(m->id));
	}
	g->state = GROUP_DEAD;
	g->storing = -1;
	g->join_at = g->sync_at = g->due = MONO_NEVER;
}
