/*
 * One call is under way at a time besides the heartbeat and the commit, and its answer decides what comes next:
 *
 *	FIND -> JOIN -> SYNC -> FETCH -> STABLE -> (revoked) RELEASING -> JOIN ...
 *
 * A coordinator that has moved, or does not answer, leads back to FIND with the membership kept, and from there to STABLE when the membership was in order: the group need
 * not notice. A membership that is lost leads to JOIN without one, and takes the partitions away. Errors in between are waited out with a growing pause.
 *
 * The calls have a connection of their own: an answer to JoinGroup takes as long as the others need to join, and nothing else may wait behind it.
 */
#include "client/group_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/sync_group.h"

#define PROTOCOL_TYPE  "consumer"
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 1000
#define TROUBLE_TOLD   3	/* this failure, from 0, is told; they come in a row when a step fails each time, though those before it go well */

/* ---- what happens to the member ---- */

static void wake(struct group_member *m)
{
	client_wake(m->client);
}

static void go_to(struct group_member *m, enum group_state state)
{
	if (state == GROUP_STATE_STABLE)
		m->failures = 0;
	m->state = state;
	client_call_destroy(&m->step);		/* its answer would belong to what was before */
	client_call_destroy(&m->joined);
	wake(m);
}

static void copy_list(struct group_list *to, const struct group_list *from)
{
	to->count = 0;
	for (int32_t i = 0; i < from->count; i++)
		group_list_add(to, from->p[i]);
}

/* All that is held, before anything else goes on. */
static void take_all(struct group_member *m, enum group_event_kind kind, enum group_state then)
{
	m->resumes = false;
	if (m->state == GROUP_STATE_RELEASING)		/* is on its way already */
		return;
	if (m->held.count == 0) {
		go_to(m, then);
		return;
	}
	copy_list(&m->taken, &m->held);
	m->held.count = 0;
	m->taken_kind = kind;
	m->tells_taken = true;
	go_to(m, GROUP_STATE_RELEASING);
}

static void rejoin(struct group_member *m)
{
	if (m->is_cooperative && m->state != GROUP_STATE_RELEASING)
		go_to(m, GROUP_STATE_JOIN);
	else
		take_all(m, GROUP_REVOKED, GROUP_STATE_JOIN);
}

static bool subscribes(const struct group_member *m, const char *topic)
{
	for (int32_t i = 0; i < m->spec.topic_count; i++) {
		if (m->topics[i]->name == topic)
			return true;
	}
	return false;
}

/* A cooperative member keeps what it still subscribes to; only for the rest must it be asked how far that was read. */
static void rejoin_resubscribed(struct group_member *m)
{
	int32_t kept = 0;

	m->taken.count = 0;
	for (int32_t i = 0; i < m->held.count && m->is_cooperative; i++) {
		if (subscribes(m, m->held.p[i].topic))
			m->held.p[kept++] = m->held.p[i];
		else
			group_list_add(&m->taken, m->held.p[i]);
	}
	if (m->taken.count == 0) {
		rejoin(m);
		return;
	}
	m->held.count = kept;
	m->taken_kind = GROUP_REVOKED;
	m->tells_taken = true;
	go_to(m, GROUP_STATE_RELEASING);
}

static void lose_membership(struct group_member *m)
{
	free(m->member_id);
	m->member_id = mem_strdup("");
	m->generation = -1;
	if (m->tells_taken)
		m->taken_kind = GROUP_LOST;
	take_all(m, GROUP_LOST, GROUP_STATE_JOIN);
}

static void trouble(struct group_member *m, const struct client_error *error, mono_ms now)
{
	m->error = *error;
	m->tells_trouble |= m->failures == TROUBLE_TOLD;	/* a coordinator that is coming up is no news */
	m->failures++;
	m->retry_at = now + client_backoff(m->client, BACKOFF_MS, BACKOFF_MAX_MS, m->failures);
}

static void trouble_code(struct group_member *m, int16_t code)
{
	struct client_error error;

	client_error_set_kafka(&error, code, m->group, SLICE_NULL);
	if ((code == NOT_COORDINATOR || code == COORDINATOR_NOT_AVAILABLE) && m->failures >= TROUBLE_TOLD)
		client_error_set(&error, ERR_UNREACHABLE, "group %s: its coordinator refuses to serve it (%s); perhaps it cannot write __consumer_offsets, as on a "
				 "full disk: see the broker's log", m->group, kafka_error_name(code));
	trouble(m, &error, os_mono_ms(client_os(m->client)));
}

static void fail(struct group_member *m)
{
	m->held.count = 0;
	m->tells_failed = true;
	go_to(m, GROUP_STATE_FAILED);
}

/* The coordinator is somebody else, or away: who was a member in good order goes on being one. */
static void lose_coordinator(struct group_member *m)
{
	m->coordinator = -1;
	if (m->state == GROUP_STATE_RELEASING || m->state == GROUP_STATE_FAILED)
		return;
	m->resumes |= m->state == GROUP_STATE_STABLE;
	go_to(m, GROUP_STATE_FIND);
}

/* What every answer of the coordinator may say. True: it said so, and what comes next has been decided. */
static bool has_failed(struct group_member *m, int16_t code)
{
	switch (code) {
	case NONE:
		return false;
	case REBALANCE_IN_PROGRESS:
		rejoin(m);
		return true;
	case UNKNOWN_MEMBER_ID:
	case ILLEGAL_GENERATION:
		lose_membership(m);
		return true;
	case NOT_COORDINATOR:
	case COORDINATOR_NOT_AVAILABLE:
		trouble_code(m, code);
		lose_coordinator(m);
		return true;
	default:
		trouble_code(m, code);
		if (!kafka_error_is_retriable(code))
			fail(m);
		else if (m->state == GROUP_STATE_SYNC)	/* what was to be said with it is gone */
			go_to(m, GROUP_STATE_JOIN);
		return true;
	}
}

/* Takes the answer home. False: there is none, and the coordinator is looked for anew. */
static bool has_answer(struct group_member *m, struct client_call *call)
{
	if (call->error.err == OK)
		return true;
	trouble(m, &call->error, os_mono_ms(client_os(m->client)));
	lose_coordinator(m);
	return false;
}

void *group_alloc(struct client_call *call, size_t n, size_t size)
{
	void *p = arena_calloc(&call->arena, MAX(n, 1u), size);

	ASSERT(p != NULL);		/* small beside what the arena can hold: of what others say so much as GROUP_SUBSCRIPTIONS_MAX allows, or as came in one answer */
	return p;
}

static struct client_call *new_call(struct group_member *m, enum api_key key, void (*on_done)(struct client_call *))
{
	struct client_call *call = client_call_create(m->client, key, on_done, m);

	call->line = LINE_GROUP;
	return call;
}

static struct slice instance_of(const struct group_member *m)
{
	return slice_str(m->instance_id);
}

/* ---- finding, joining ---- */

static void find_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct find_coordinator_response *r = call->response;

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, r->error_code)) {
		m->coordinator = r->node_id;
		m->heartbeat_at = 0;
		go_to(m, m->resumes ? GROUP_STATE_STABLE : GROUP_STATE_JOIN);
		m->resumes = false;
	}
	client_call_destroy(&call);
}

static void find(struct group_member *m)
{
	m->step = client_call_create(m->client, API_FIND_COORDINATOR, find_done, m);
	((struct find_coordinator_request *)m->step->request)->key = slice_str(m->group);
	client_call_send(m->step, NODE_ANY, 0);
}

/* False: the group has chosen a strategy that is not ours. */
static bool take_strategy(struct group_member *m, struct slice name)
{
	for (int32_t i = 0; i < m->spec.strategy_count; i++) {
		if (!slice_eq_str(name, assign_names[m->spec.strategies[i]]))
			continue;
		m->strategy = m->spec.strategies[i];
		return true;
	}
	client_error_set(&m->error, ERR_INVALID, "group %s: its coordinator has chosen the assignor \"%.*s\", which this member did not offer", m->group,
			 (int)MIN(name.len, 100u), name.ptr != NULL ? (const char *)name.ptr : "");
	return false;
}

static void join_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct join_group_response *r = call->response;

	m->step = NULL;
	if (has_answer(m, call)) {
		if (r->error_code == MEMBER_ID_REQUIRED || r->error_code == NONE) {
			free(m->member_id);
			m->member_id = mem_strndup((const char *)r->member_id.ptr, r->member_id.len);
			wake(m);
		}
		if (r->error_code != MEMBER_ID_REQUIRED && !has_failed(m, r->error_code)) {
			m->generation = r->generation_id;
			if (!take_strategy(m, r->protocol_name)) {
				fail(m);
			} else {
				go_to(m, GROUP_STATE_SYNC);
				m->joined = call;
				m->subscriptions = NULL;
				return;
			}
		}
	}
	client_call_destroy(&call);
}

static void join(struct group_member *m)
{
	struct client_call *call = m->step = new_call(m, API_JOIN_GROUP, join_done);
	struct join_group_request *q = call->request;

	m->has_resubscribed = false;
	q->group_id = slice_str(m->group);
	q->session_timeout_ms = m->spec.session_timeout_ms;
	q->rebalance_timeout_ms = m->spec.rebalance_timeout_ms;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->group_instance_id = instance_of(m);
	q->protocol_type = SLICE_LIT(PROTOCOL_TYPE);
	q->protocols = group_alloc(call, (size_t)m->spec.strategy_count, sizeof(*q->protocols));
	for (; q->protocols_count < m->spec.strategy_count; q->protocols_count++) {
		enum assign_strategy strategy = m->spec.strategies[q->protocols_count];

		q->protocols[q->protocols_count] = (struct join_group_request_protocol){
			.name = slice_str(assign_names[strategy]), .metadata = group_subscription(call, m, strategy) };
	}
	/* the answer may take as long as the others need to join */
	client_call_send(call, m->coordinator, (mono_ms)m->spec.rebalance_timeout_ms + 5000);
}

/* ---- being told ---- */

static bool holds(const struct group_list *l, int32_t *at, const struct group_partition *p)
{
	return group_list_find(l, at, p->topic, p->partition) != NULL;
}

/* From what is held to what the leader says: what goes is taken away first, and the group assigns again; what comes is fetched. */
static void take_assignment(struct group_member *m, const struct group_list *told)
{
	struct group_list kept = { .count = 0 };
	int32_t at = 0;

	m->taken.count = m->fetching.count = 0;
	for (int32_t i = 0; i < m->held.count; i++)
		group_list_add(holds(told, &at, &m->held.p[i]) ? &kept : &m->taken, m->held.p[i]);
	for (int32_t i = 0; i < told->count && m->taken.count == 0; i++) {
		if (!holds(&m->held, &at, &told->p[i]))
			group_list_add(&m->fetching, told->p[i]);
	}
	free(m->held.p);
	m->held = kept;
	copy_list(&m->previous, told);
	m->previous_generation = m->generation;
	if (m->taken.count > 0) {
		m->taken_kind = GROUP_REVOKED;
		m->tells_taken = true;
		go_to(m, GROUP_STATE_RELEASING);
	} else if (m->fetching.count > 0) {
		go_to(m, GROUP_STATE_FETCH);
	} else {
		m->tells_assigned = true;
		go_to(m, GROUP_STATE_STABLE);
	}
}

static void sync_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct sync_group_response *r = call->response;
	struct group_list told = { .count = 0 };

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, r->error_code)) {
		m->heartbeat_at = os_mono_ms(client_os(m->client)) + m->spec.heartbeat_interval_ms;
		if (group_read_assignment(m, call, r->assignment, &told)) {
			take_assignment(m, &told);
		} else {
			client_error_set(&m->error, ERR_CORRUPT, "group %s: the leader's assignment cannot be read", m->group);
			fail(m);
		}
	}
	free(told.p);
	client_call_destroy(&call);
}

static void sync_group(struct group_member *m)
{
	const struct join_group_response *r = m->joined->response;
	struct client_call *call = new_call(m, API_SYNC_GROUP, sync_done);
	struct sync_group_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->group_instance_id = instance_of(m);
	q->protocol_type = SLICE_LIT(PROTOCOL_TYPE);
	q->protocol_name = slice_str(assign_names[m->strategy]);
	bool leads = slice_eq(r->leader, r->member_id) && !r->skip_assignment;
	enum group_assigning assigning = leads ? group_assign(m, call) : GROUP_ASSIGNED_ALL;
	if (!leads)
		m->watched_count = 0;
	if (assigning != GROUP_ASSIGNED_ALL)
		client_call_destroy(&call);
	if (assigning == GROUP_TOO_MUCH) {
		client_error_set(&m->error, ERR_TOO_LARGE, "group %s: its members subscribe to more than %d topics or %d partitions, or in more than %u bytes, or are "
				 "too many for them", m->group, GROUP_TOPICS_MAX, GROUP_PARTITIONS_MAX, GROUP_SUBSCRIPTIONS_MAX);
		fail(m);
	}
	if (assigning != GROUP_ASSIGNED_ALL)
		return;			/* not yet: the turn comes again when the topics are known */
	m->step = call;
	client_call_destroy(&m->joined);
	client_call_send(call, m->coordinator, (mono_ms)m->spec.rebalance_timeout_ms + 5000);
}

/* ---- where to begin ---- */

/* NONE, or the first error that is there. */
static int16_t take_offsets(struct group_member *m, const struct offset_fetch_response *r)
{
	int16_t code = r->error_code;
	int32_t at = 0;

	for (int32_t t = 0; t < r->topics_count && code == NONE; t++) {
		const struct client_topic *topic = client_topic(m->client, r->topics[t].name);

		for (int32_t i = 0; i < r->topics[t].partitions_count && code == NONE; i++) {
			const struct offset_fetch_response_partition *p = &r->topics[t].partitions[i];
			struct group_partition *mine = group_list_find(&m->fetching, &at, topic->name, p->partition_index);

			code = p->error_code;
			if (mine == NULL || code != NONE)
				continue;
			mine->offset = p->committed_offset;
			mine->leader_epoch = p->committed_leader_epoch;
		}
	}
	return code;
}

static void fetch_done(struct client_call *call)
{
	struct group_member *m = call->owner;

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, take_offsets(m, call->response))) {
		for (int32_t i = 0; i < m->fetching.count; i++) {
			group_list_add(&m->held, m->fetching.p[i]);
			group_list_add(&m->added, m->fetching.p[i]);
		}
		m->fetching.count = 0;
		m->tells_assigned = true;
		go_to(m, GROUP_STATE_STABLE);
	}
	client_call_destroy(&call);
}

/* How many from the first on are of its topic. */
static int32_t topic_run(const struct group_partition *p, int32_t count)
{
	int32_t n = 1;

	while (n < count && p[n].topic == p[0].topic)
		n++;
	return n;
}

static void fetch_offsets(struct group_member *m)
{
	struct client_call *call = m->step = new_call(m, API_OFFSET_FETCH, fetch_done);
	struct offset_fetch_request *q = call->request;
	const struct group_partition *p = m->fetching.p;

	q->group_id = slice_str(m->group);
	q->require_stable = m->spec.wants_stable;
	q->topics = group_alloc(call, (size_t)m->fetching.count, sizeof(*q->topics));
	for (int32_t n, left = m->fetching.count; left > 0; p += n, left -= n) {
		struct offset_fetch_request_topic *t = &q->topics[q->topics_count++];

		n = topic_run(p, left);
		t->name = slice_str(p->topic);
		t->partition_indexes = group_alloc(call, (size_t)n, sizeof(*t->partition_indexes));
		for (; t->partition_indexes_count < n; t->partition_indexes_count++)
			t->partition_indexes[t->partition_indexes_count] = p[t->partition_indexes_count].partition;
	}
	client_call_send(call, m->coordinator, 0);
}

/* ---- heartbeats, commits ---- */

static void heartbeat_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	bool counts = m->state == GROUP_STATE_STABLE || m->state == GROUP_STATE_FETCH || m->state == GROUP_STATE_RELEASING;

	m->heartbeat = NULL;
	if (counts && has_answer(m, call))
		(void)has_failed(m, ((const struct heartbeat_response *)call->response)->error_code);
	client_call_destroy(&call);
}

static void send_heartbeat(struct group_member *m, mono_ms now)
{
	struct client_call *call = m->heartbeat = new_call(m, API_HEARTBEAT, heartbeat_done);
	struct heartbeat_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->group_instance_id = instance_of(m);
	m->heartbeat_at = now + m->spec.heartbeat_interval_ms;
	client_call_send(call, m->coordinator, m->spec.session_timeout_ms);
}

static void commit_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct offset_commit_response *r = call->response;
	int16_t code = NONE;

	m->commit = NULL;
	for (int32_t t = 0; r != NULL && t < r->topics_count; t++) {
		for (int32_t i = 0; i < r->topics[t].partitions_count && code == NONE; i++)
			code = r->topics[t].partitions[i].error_code;
	}
	m->commit_error = call->error;
	if (call->error.err == OK && code != NONE)
		client_error_set_kafka(&m->commit_error, code, m->group, SLICE_NULL);
	m->commit_failures = m->commit_error.err == OK ? 0 : m->commit_failures + 1;
	if (m->commit_failures == TROUBLE_TOLD) {
		m->error = m->commit_error;
		m->tells_trouble = true;
	}
	/* in a rebalance they are committed when they are released; what is lost is read again */
	if (m->state == GROUP_STATE_STABLE && code != REBALANCE_IN_PROGRESS && has_answer(m, call))
		(void)has_failed(m, code);
	client_call_destroy(&call);
	wake(m);
}

static void send_commit(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	struct client_call *call = m->commit = new_call(m, API_OFFSET_COMMIT, commit_done);
	struct offset_commit_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id_or_member_epoch = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->group_instance_id = instance_of(m);
	q->topics = group_alloc(call, (size_t)count, sizeof(*q->topics));
	for (int32_t n; count > 0; offsets += n, count -= n) {
		struct offset_commit_request_topic *t = &q->topics[q->topics_count++];

		n = topic_run(offsets, count);
		t->name = slice_str(offsets->topic);
		t->partitions = group_alloc(call, (size_t)n, sizeof(*t->partitions));
		for (; t->partitions_count < n; t->partitions_count++) {
			struct offset_commit_request_partition *p = &t->partitions[t->partitions_count];

			offset_commit_request_partition_init(p);
			p->partition_index = offsets[t->partitions_count].partition;
			p->committed_offset = offsets[t->partitions_count].offset;
			p->committed_leader_epoch = offsets[t->partitions_count].leader_epoch;
			p->committed_metadata = SLICE_EMPTY;
		}
	}
	client_call_send(call, m->coordinator, 0);
}

bool group_member_commit(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	bool can = m->state == GROUP_STATE_STABLE || m->state == GROUP_STATE_RELEASING ||
		   (m->is_cooperative && m->state == GROUP_STATE_JOIN);	/* before it has joined anew the generation counts */

	if (m->commit != NULL || !can || m->generation < 0 || m->coordinator < 0 || count == 0)
		return m->commit == NULL && count == 0;
	send_commit(m, offsets, count);
	return true;
}

bool group_member_is_committing(const struct group_member *m)
{
	return m->commit != NULL;
}

const struct client_error *group_member_commit_error(const struct group_member *m)
{
	return &m->commit_error;
}

void group_member_release(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	if (m->state != GROUP_STATE_RELEASING)		/* it has failed meanwhile */
		return;
	if (count > 0 && m->taken_kind == GROUP_REVOKED && m->generation >= 0 && m->coordinator >= 0) {
		client_call_destroy(&m->commit);	/* this one says more */
		send_commit(m, offsets, count);
	}
	m->taken.count = 0;
	go_to(m, m->coordinator >= 0 ? GROUP_STATE_JOIN : GROUP_STATE_FIND);
}

/* ---- turns ---- */

static void step(struct group_member *m)
{
	switch (m->state) {
	case GROUP_STATE_FIND:      find(m); break;
	case GROUP_STATE_JOIN:      join(m); break;
	case GROUP_STATE_SYNC:      sync_group(m); break;
	case GROUP_STATE_FETCH:     fetch_offsets(m); break;
	case GROUP_STATE_STABLE:
	case GROUP_STATE_RELEASING:
	case GROUP_STATE_FAILED:    break;
	}
}

/* The leader sees to it that partitions that have come into being are read. */
static bool has_grown(const struct group_member *m)
{
	for (int32_t i = 0; i < m->watched_count; i++) {
		if (m->watched[i].topic->partition_count != m->watched[i].partition_count)
			return true;
	}
	return false;
}

/* A group reads what there is, and waits for the rest; who has mistyped a name is told. One that was found and is gone is no news: it is let go. */
static void tell_missing(struct group_member *m)
{
	char subject[300];

	for (int32_t i = 0; i < m->spec.topic_count; i++) {
		const struct client_topic *t = m->topics[i];
		bool is_missing = t->is_known && t->error != NONE && !kafka_error_is_retriable(t->error);

		is_missing |= t->is_known && t->error == UNKNOWN_TOPIC_OR_PARTITION && m->state == GROUP_STATE_STABLE;
		if (is_missing && !t->is_found && !m->is_missing_told[i]) {
			snprintf(subject, sizeof(subject), "group %.100s: topic %.150s", m->group, t->name);
			client_error_set_kafka(&m->error, t->error, subject, SLICE_NULL);
			m->tells_trouble = true;
			wake(m);
		}
		m->is_missing_told[i] = is_missing;
	}
}

static mono_ms member_turn(struct client_user *u, mono_ms now)
{
	struct group_member *m = CONTAINER_OF(u, struct group_member, user);
	bool beats = m->generation >= 0 && m->coordinator >= 0 &&
		     (m->state == GROUP_STATE_STABLE || m->state == GROUP_STATE_FETCH || m->state == GROUP_STATE_RELEASING);

	tell_missing(m);
	if (m->state == GROUP_STATE_STABLE && has_grown(m)) {
		m->watched_count = 0;
		rejoin(m);
	} else if (m->state == GROUP_STATE_STABLE && m->has_resubscribed) {
		rejoin_resubscribed(m);
	}
	bool has_step = m->state < GROUP_STATE_STABLE && m->step == NULL && m->commit == NULL;	/* a commit is waited for before it joins */
	if (has_step && now >= m->retry_at) {
		m->retry_at = 0;
		step(m);
		has_step = false;
	}
	if (beats && m->heartbeat == NULL && now >= m->heartbeat_at)
		send_heartbeat(m, now);
	if (has_step)
		return m->retry_at;
	return beats && m->heartbeat == NULL ? m->heartbeat_at : MONO_NEVER;
}

bool group_member_next(struct group_member *m, struct group_event *event)
{
	*event = (struct group_event){ .error = &m->error };
	if (m->was_told)
		m->added.count = 0;
	m->was_told = false;
	if (m->tells_trouble) {
		m->tells_trouble = false;
		event->kind = GROUP_TROUBLE;
	} else if (m->tells_assigned) {
		m->tells_assigned = false;
		m->was_told = true;
		event->kind = GROUP_ASSIGNED;
		event->partitions = m->added.p;
		event->count = m->added.count;
	} else if (m->tells_taken) {
		m->tells_taken = false;
		event->kind = m->taken_kind;
		event->partitions = m->taken.p;
		event->count = m->taken.count;
	} else if (m->tells_failed) {
		m->tells_failed = false;
		event->kind = GROUP_FAILED;
	} else {
		return false;
	}
	return true;
}

/* ---- life ---- */

static void set_topics(struct group_member *m, const char *const *topics, int32_t count)
{
	free(m->topics);
	free(m->is_missing_told);
	m->topics = mem_calloc((size_t)count + 1, sizeof(*m->topics));
	m->is_missing_told = mem_calloc((size_t)count + 1, sizeof(*m->is_missing_told));
	m->spec.topics = NULL;		/* the caller's */
	m->spec.topic_count = count;
	for (int32_t i = 0; i < count; i++)
		m->topics[i] = client_topic(m->client, slice_str(topics[i]));
}

void group_member_subscribe(struct group_member *m, const char *const *topics, int32_t topic_count)
{
	bool is_same = topic_count == m->spec.topic_count;

	for (int32_t i = 0; i < topic_count && is_same; i++)
		is_same = subscribes(m, client_topic(m->client, slice_str(topics[i]))->name);
	if (is_same)
		return;
	set_topics(m, topics, topic_count);
	m->has_resubscribed = true;
	wake(m);
}

void group_member_create(struct group_member **out, struct client *c, const struct group_member_spec *spec)
{
	struct group_member *m = mem_calloc(1, sizeof(*m));

	ASSERT(spec->strategy_count > 0 && spec->strategy_count <= ASSIGN_STRATEGY_COUNT);
	m->client = c;
	m->spec = *spec;
	m->group = mem_strdup(spec->group);
	if (spec->instance_id != NULL)
		m->instance_id = mem_strdup(spec->instance_id);
	set_topics(m, spec->topics, spec->topic_count);
	m->is_cooperative = spec->strategy_count == 1 && spec->strategies[0] == ASSIGN_COOPERATIVE;
	m->member_id = mem_strdup("");
	m->generation = m->coordinator = m->previous_generation = -1;
	m->user.on_turn = member_turn;
	client_user_add(c, &m->user);
	*out = m;
}

static void leave(struct group_member *m, mono_ms timeout_ms)
{
	struct client_call *call = new_call(m, API_LEAVE_GROUP, NULL);
	struct leave_group_request *q = call->request;
	struct leave_group_request_member member = { .member_id = slice_str(m->member_id), .group_instance_id = SLICE_NULL,
						     .reason = SLICE_LIT("the consumer is done") };

	q->group_id = slice_str(m->group);
	q->members = &member;
	q->members_count = 1;
	if (client_call_wait(call, m->coordinator, timeout_ms) != OK)
		m->error = call->error;		/* nobody asks: who does not come back is missed soon enough */
	client_call_destroy(&call);
}

enum err group_member_leave(struct group_member *m, const struct group_partition *offsets, int32_t count, mono_ms timeout_ms, struct client_error *error)
{
	struct os *os = client_os(m->client);
	mono_ms deadline = os_mono_ms(os) + timeout_ms;

	*error = CLIENT_ERROR_NONE;
	if (*m->member_id == '\0' || m->coordinator < 0 || m->state == GROUP_STATE_FAILED) {
		if (count > 0)
			client_error_set(error, ERR_CLOSED, "%s: no coordinator, or no member of the group any more", m->group);
		return error->err;
	}
	client_call_destroy(&m->step);
	client_call_destroy(&m->heartbeat);
	client_call_destroy(&m->commit);
	client_call_destroy(&m->joined);
	m->state = GROUP_STATE_FAILED;
	m->commit_error = CLIENT_ERROR_NONE;
	if (count > 0 && m->generation >= 0)
		send_commit(m, offsets, count);
	for (mono_ms now; m->commit != NULL && (now = os_mono_ms(os)) < deadline;)
		client_step(m->client, deadline - now);
	if (m->commit != NULL)
		client_error_set(&m->commit_error, ERR_TIMEOUT, "%s: no answer within %lld ms", m->group, (long long)timeout_ms);
	if (m->instance_id == NULL)		/* else its place is kept until it comes back, or for session_timeout_ms */
		leave(m, MAX(deadline - os_mono_ms(os), 100));
	*error = m->commit_error;
	return error->err;
}

void group_member_destroy(struct group_member **mp)
{
	struct group_member *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	client_user_remove(m->client, &m->user);
	client_call_destroy(&m->step);
	client_call_destroy(&m->heartbeat);
	client_call_destroy(&m->commit);
	client_call_destroy(&m->joined);
	free(m->held.p);
	free(m->fetching.p);
	free(m->added.p);
	free(m->taken.p);
	free(m->previous.p);
	free(m->watched);
	free(m->topics);
	free(m->is_missing_told);
	free(m->member_id);
	free(m->instance_id);
	free(m->group);
	free(m);
}
