/*
 * One call is under way at a time besides the heartbeat and the commit, and its answer decides what comes next:
 *
 *	FIND -> JOIN -> SYNC -> FETCH -> STABLE -> (revoked) RELEASING -> JOIN ...
 *
 * A coordinator that has moved, or does not answer, leads back to FIND with the membership kept; a membership that is lost leads to JOIN without one. Both take the
 * partitions away first. Errors in between are waited out with a growing pause.
 */
#include "client/group_member.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "client/client_call.h"
#include "client/range_assign.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/gen/consumer_protocol_subscription.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/sync_group.h"

#define PROTOCOL_TYPE "consumer"
#define PROTOCOL      "range"
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 1000
#define TROUBLE_TOLD   3	/* this failure, from 0, is told; they come in a row when a step fails each time, though those before it go well */
/* What this member is willing to assign, as a leader: so it fits a call's arena, and takes no time to speak of, whatever the others say. */
#define SUBSCRIPTIONS_MAX (4u << 20)	/* bytes of all members' together */
#define TOPICS_MAX        1000

enum state { STATE_FIND, STATE_JOIN, STATE_SYNC, STATE_FETCH, STATE_STABLE, STATE_RELEASING, STATE_FAILED };

struct group_member {
	struct client_user       user;
	struct client           *client;
	struct group_member_spec spec;
	char                    *group, *topic;
	enum state               state;
	int32_t                  coordinator;	/* -1: not known */
	char                    *member_id;	/* never NULL */
	int32_t                  generation;	/* -1: no member */
	struct client_call      *step, *heartbeat, *commit;	/* under way; NULL */
	struct client_call      *joined;	/* the leader's answer to JoinGroup, until every topic in it is known; NULL */
	struct consumer_protocol_subscription *subscriptions;	/* of all in it, in its memory; NULL: not read yet */
	mono_ms                  retry_at;	/* of step; 0: now */
	mono_ms                  heartbeat_at;
	int                      failures;	/* since it was last a member with all it needs */
	int                      commit_failures;	/* since the last commit that was taken */
	struct group_partition  *assigned;
	int32_t                  assigned_count;
	bool                     holds_partitions;	/* GROUP_ASSIGNED was told, and they have not been released */
	bool                     tells_assigned, tells_revoked, tells_trouble, tells_failed;
	struct client_error      error, commit_error;	/* commit_error: of the last one; err OK */
};

/* ---- what happens to the member ---- */

static void wake(struct group_member *m)
{
	client_wake(m->client);
}

/* Partitions that are held are taken away before anything else goes on. */
static void go_to(struct group_member *m, enum state state)
{
	if (state == STATE_STABLE)
		m->failures = 0;
	m->state = m->holds_partitions && state != STATE_STABLE && state != STATE_FAILED ? STATE_RELEASING : state;
	if (m->state == STATE_RELEASING && !m->tells_assigned)
		m->tells_revoked = true;
	else if (m->state == STATE_RELEASING) {		/* nobody was told that there are any */
		m->tells_assigned = m->holds_partitions = false;
		m->state = state;
	}
	client_call_destroy(&m->joined);
	wake(m);
}

static void lose_membership(struct group_member *m)
{
	free(m->member_id);
	m->member_id = mem_strdup("");
	m->generation = -1;
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

/* What every answer of the coordinator may say. True: it said so, and what comes next has been decided. */
static bool has_failed(struct group_member *m, int16_t code)
{
	switch (code) {
	case NONE:
		return false;
	case REBALANCE_IN_PROGRESS:
		go_to(m, STATE_JOIN);
		return true;
	case UNKNOWN_MEMBER_ID:
	case ILLEGAL_GENERATION:
		lose_membership(m);
		go_to(m, STATE_JOIN);
		return true;
	case NOT_COORDINATOR:
	case COORDINATOR_NOT_AVAILABLE:
		m->coordinator = -1;
		trouble_code(m, code);
		go_to(m, STATE_FIND);
		return true;
	default:
		trouble_code(m, code);
		if (!kafka_error_is_retriable(code)) {
			m->tells_failed = true;
			go_to(m, STATE_FAILED);
		}
		return true;
	}
}

/* Takes the answer home. False: there is none, and the coordinator is looked for anew. */
static bool has_answer(struct group_member *m, struct client_call *call)
{
	if (call->error.err == OK)
		return true;
	m->coordinator = -1;
	trouble(m, &call->error, os_mono_ms(client_os(m->client)));
	if (m->state != STATE_FAILED)
		go_to(m, STATE_FIND);
	return false;
}

static void *alloc(struct client_call *call, size_t n, size_t size)
{
	void *p = arena_calloc(&call->arena, MAX(n, 1u), size);

	ASSERT(p != NULL);		/* small beside what the arena can hold: of what others say so much as SUBSCRIPTIONS_MAX allows, or as came in one answer */
	return p;
}

/* ---- finding, joining ---- */

static void find_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct find_coordinator_response *r = call->response;

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, r->error_code)) {
		m->coordinator = r->node_id;
		go_to(m, STATE_JOIN);
	}
	client_call_destroy(&call);
}

static void find(struct group_member *m)
{
	m->step = client_call_create(m->client, API_FIND_COORDINATOR, find_done, m);
	((struct find_coordinator_request *)m->step->request)->key = slice_str(m->group);
	client_call_send(m->step, NODE_ANY, 0);
}

/* What the protocol puts in front of its data: the version. */
static struct slice encoded_subscription(struct client_call *call, const struct group_member *m)
{
	struct consumer_protocol_subscription s;
	struct slice topics[1] = { slice_str(m->topic) }, bytes;
	struct writer w;
	bool ok;

	consumer_protocol_subscription_init(&s);
	s.topics = topics;
	s.topics_count = 1;
	s.user_data = SLICE_NULL;
	writer_init(&w);
	put_i16(&w, 1);
	ok = consumer_protocol_subscription_encode(&s, &w, 1);
	ASSERT(ok);
	bytes = arena_copy(&call->arena, slice_of(w.buf, w.len));
	writer_fini(&w);
	return bytes;
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
			go_to(m, STATE_SYNC);
			m->joined = call;
			m->subscriptions = NULL;
			return;
		}
	}
	client_call_destroy(&call);
}

static void join(struct group_member *m)
{
	struct client_call *call = m->step = client_call_create(m->client, API_JOIN_GROUP, join_done, m);
	struct join_group_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->session_timeout_ms = m->spec.session_timeout_ms;
	q->rebalance_timeout_ms = m->spec.rebalance_timeout_ms;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->protocol_type = SLICE_LIT(PROTOCOL_TYPE);
	q->protocols = alloc(call, 1, sizeof(*q->protocols));
	q->protocols[0] = (struct join_group_request_protocol){ .name = SLICE_LIT(PROTOCOL), .metadata = encoded_subscription(call, m) };
	q->protocols_count = 1;
	/* the answer may take as long as the others need to join */
	client_call_send(call, m->coordinator, m->spec.rebalance_timeout_ms + 5000);
}

/* ---- the leader assigns ---- */

/* The subscriptions of all, by place; one that cannot be read gets nothing. */
static struct consumer_protocol_subscription *read_subscriptions(struct client_call *joined)
{
	const struct join_group_response *r = joined->response;
	struct consumer_protocol_subscription *all = alloc(joined, (size_t)r->members_count, sizeof(*all));

	for (int32_t i = 0; i < r->members_count; i++) {
		struct reader bytes = reader_of(r->members[i].metadata);
		int16_t version = get_i16(&bytes);

		if (bytes.failed || version < 0 || !consumer_protocol_subscription_decode(&all[i], &bytes, MIN(version, 3), &joined->arena))
			all[i].topics_count = 0;
	}
	return all;
}

static bool are_topics_known(struct group_member *m, const struct map *topics)
{
	bool known = true;

	MAP_FOREACH(e, topics)
		known &= client_topic(m->client, e->key)->is_known;
	return known;
}

static bool subscribes(const struct consumer_protocol_subscription *s, struct slice topic)
{
	for (int32_t t = 0; t < s->topics_count; t++) {
		if (slice_eq(s->topics[t], topic))
			return true;
	}
	return false;
}

/* members: room for all. */
static void assign_topic(struct group_member *m, struct client_call *joined, const struct consumer_protocol_subscription *all, struct slice topic,
			 struct range_member *members, struct consumer_protocol_assignment *out)
{
	const struct join_group_response *r = joined->response;
	int32_t count = 0, partitions = client_topic(m->client, topic)->partition_count;

	for (int32_t i = 0; i < r->members_count; i++) {
		if (subscribes(&all[i], topic))
			members[count++] = (struct range_member){ r->members[i].group_instance_id, r->members[i].member_id, i };
	}
	range_sort(members, count);
	for (int32_t i = 0; i < count; i++) {
		struct range range = range_of(i, count, partitions);
		struct consumer_protocol_assignment *to = &out[members[i].place];
		struct consumer_protocol_assignment_assigned_partition *p = &to->assigned_partitions[to->assigned_partitions_count];

		if (range.count == 0)
			continue;
		to->assigned_partitions_count++;
		p->topic = topic;
		p->partitions = alloc(joined, (size_t)range.count, sizeof(*p->partitions));
		for (; p->partitions_count < range.count; p->partitions_count++)
			p->partitions[p->partitions_count] = range.first + p->partitions_count;
	}
}

static struct slice encoded_assignment(struct client_call *call, const struct consumer_protocol_assignment *a)
{
	struct slice bytes;
	struct writer w;

	writer_init(&w);
	put_i16(&w, 1);
	bool ok = consumer_protocol_assignment_encode(a, &w, 1);
	ASSERT(ok);
	bytes = arena_copy(&call->arena, slice_of(w.buf, w.len));
	writer_fini(&w);
	return bytes;
}

static size_t said_bytes(const struct join_group_response *r)
{
	size_t sum = 0;

	for (int32_t i = 0; i < r->members_count; i++)
		sum += r->members[i].metadata.len + r->members[i].member_id.len;
	return sum;
}

enum assigning { ASSIGNED, NOT_YET, TOO_MUCH };

/* Every topic that somebody subscribes to, once; perhaps one more than there may be. */
static struct map list_topics(const struct consumer_protocol_subscription *all, int32_t count)
{
	struct map topics = MAP_INIT;

	for (int32_t i = 0; i < count; i++) {
		for (int32_t t = 0; t < all[i].topics_count && map_count(&topics) <= TOPICS_MAX; t++)
			map_put(&topics, all[i].topics[t], (void *)(uintptr_t)all);
	}
	return topics;
}

static void assign_topics(struct group_member *m, struct client_call *sync, const struct map *topics)
{
	const struct join_group_response *r = m->joined->response;
	const struct consumer_protocol_subscription *all = m->subscriptions;
	struct consumer_protocol_assignment *out = alloc(m->joined, (size_t)r->members_count, sizeof(*out));
	struct range_member *members = alloc(m->joined, (size_t)r->members_count, sizeof(*members));
	struct sync_group_request *q = sync->request;

	for (int32_t i = 0; i < r->members_count; i++) {
		consumer_protocol_assignment_init(&out[i]);
		out[i].user_data = SLICE_NULL;
		out[i].assigned_partitions = alloc(m->joined, (size_t)all[i].topics_count, sizeof(*out[i].assigned_partitions));
	}
	MAP_FOREACH(e, topics)
		assign_topic(m, m->joined, all, e->key, members, out);
	q->assignments = alloc(sync, (size_t)r->members_count, sizeof(*q->assignments));
	for (; q->assignments_count < r->members_count; q->assignments_count++)
		q->assignments[q->assignments_count] = (struct sync_group_request_assignment){
			.member_id = arena_copy(&sync->arena, r->members[q->assignments_count].member_id),
			.assignment = encoded_assignment(sync, &out[q->assignments_count]),
		};
}

/* NOT_YET: some topics are not known. */
static enum assigning assign_all(struct group_member *m, struct client_call *sync)
{
	const struct join_group_response *r = m->joined->response;
	enum assigning result = ASSIGNED;

	if (said_bytes(r) > SUBSCRIPTIONS_MAX)
		return TOO_MUCH;
	if (m->subscriptions == NULL)
		m->subscriptions = read_subscriptions(m->joined);
	struct map topics = list_topics(m->subscriptions, r->members_count);

	if (map_count(&topics) > TOPICS_MAX)
		result = TOO_MUCH;
	else if (!are_topics_known(m, &topics))
		result = NOT_YET;
	else
		assign_topics(m, sync, &topics);
	map_fini(&topics);
	return result;
}

/* ---- being told ---- */

static bool take_assignment(struct group_member *m, struct client_call *call, struct slice bytes)
{
	struct consumer_protocol_assignment a = { .assigned_partitions_count = 0 };
	struct reader r = reader_of(bytes);
	int16_t version = bytes.len > 0 ? get_i16(&r) : 0;

	if (bytes.len > 0 && (r.failed || version < 0 || !consumer_protocol_assignment_decode(&a, &r, MIN(version, 3), &call->arena)))
		return false;
	free(m->assigned);
	m->assigned = NULL;
	m->assigned_count = 0;
	for (int32_t t = 0; t < a.assigned_partitions_count; t++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &a.assigned_partitions[t];

		if (!slice_eq_str(p->topic, m->topic))
			continue;
		m->assigned = mem_realloc_array(m->assigned, (size_t)m->assigned_count + (size_t)p->partitions_count + 1, sizeof(*m->assigned));
		for (int32_t i = 0; i < p->partitions_count; i++)
			m->assigned[m->assigned_count++] = (struct group_partition){ .partition = p->partitions[i], .offset = -1 };
	}
	return true;
}

static void sync_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct sync_group_response *r = call->response;

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, r->error_code)) {
		m->heartbeat_at = os_mono_ms(client_os(m->client)) + m->spec.heartbeat_interval_ms;
		if (take_assignment(m, call, r->assignment)) {
			m->holds_partitions = m->tells_assigned = m->assigned_count == 0;
			go_to(m, m->assigned_count > 0 ? STATE_FETCH : STATE_STABLE);
		} else {
			client_error_set(&m->error, ERR_CORRUPT, "group %s: the leader's assignment cannot be read", m->group);
			m->tells_failed = true;
			go_to(m, STATE_FAILED);
		}
	}
	client_call_destroy(&call);
}

static void sync_group(struct group_member *m)
{
	const struct join_group_response *r = m->joined->response;
	struct client_call *call = client_call_create(m->client, API_SYNC_GROUP, sync_done, m);
	struct sync_group_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->protocol_type = SLICE_LIT(PROTOCOL_TYPE);
	q->protocol_name = SLICE_LIT(PROTOCOL);
	bool leads = slice_eq(r->leader, r->member_id) && !r->skip_assignment;
	enum assigning assigning = leads ? assign_all(m, call) : ASSIGNED;
	if (assigning != ASSIGNED)
		client_call_destroy(&call);
	if (assigning == TOO_MUCH) {
		client_error_set(&m->error, ERR_TOO_LARGE, "group %s: its members subscribe to more than %d topics, or in more than %u bytes", m->group, TOPICS_MAX,
				 SUBSCRIPTIONS_MAX);
		m->tells_failed = true;
		go_to(m, STATE_FAILED);
	}
	if (assigning != ASSIGNED)
		return;			/* not yet: the turn comes again when the topics are known */
	m->step = call;
	client_call_destroy(&m->joined);
	client_call_send(call, m->coordinator, m->spec.rebalance_timeout_ms + 5000);
}

static void take_offset(struct group_member *m, const struct offset_fetch_response_partition *p)
{
	for (int32_t i = 0; i < m->assigned_count; i++) {
		if (m->assigned[i].partition == p->partition_index && p->error_code == NONE)
			m->assigned[i].offset = p->committed_offset;
	}
}

static void fetch_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	const struct offset_fetch_response *r = call->response;

	m->step = NULL;
	if (has_answer(m, call) && !has_failed(m, r->error_code)) {
		for (int32_t t = 0; t < r->topics_count; t++) {
			for (int32_t i = 0; i < r->topics[t].partitions_count; i++)
				take_offset(m, &r->topics[t].partitions[i]);
		}
		m->holds_partitions = m->tells_assigned = true;
		go_to(m, STATE_STABLE);
	}
	client_call_destroy(&call);
}

static void fetch_offsets(struct group_member *m)
{
	struct client_call *call = m->step = client_call_create(m->client, API_OFFSET_FETCH, fetch_done, m);
	struct offset_fetch_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->topics = alloc(call, 1, sizeof(*q->topics));
	q->topics_count = 1;
	q->topics[0].name = slice_str(m->topic);
	q->topics[0].partition_indexes = alloc(call, (size_t)m->assigned_count, sizeof(*q->topics[0].partition_indexes));
	for (int32_t i = 0; i < m->assigned_count; i++)
		q->topics[0].partition_indexes[i] = m->assigned[i].partition;
	q->topics[0].partition_indexes_count = m->assigned_count;
	client_call_send(call, m->coordinator, 0);
}

/* ---- heartbeats, commits ---- */

static void heartbeat_done(struct client_call *call)
{
	struct group_member *m = call->owner;
	bool counts = m->state == STATE_STABLE || m->state == STATE_FETCH;

	m->heartbeat = NULL;
	if (counts && has_answer(m, call))
		(void)has_failed(m, ((const struct heartbeat_response *)call->response)->error_code);
	client_call_destroy(&call);
}

static void send_heartbeat(struct group_member *m, mono_ms now)
{
	struct client_call *call = m->heartbeat = client_call_create(m->client, API_HEARTBEAT, heartbeat_done, m);
	struct heartbeat_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
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
	if (m->state == STATE_STABLE && code != REBALANCE_IN_PROGRESS && has_answer(m, call))
		(void)has_failed(m, code);
	client_call_destroy(&call);
	wake(m);
}

static void send_commit(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	struct client_call *call = m->commit = client_call_create(m->client, API_OFFSET_COMMIT, commit_done, m);
	struct offset_commit_request *q = call->request;

	q->group_id = slice_str(m->group);
	q->generation_id_or_member_epoch = m->generation;
	q->member_id = arena_copy(&call->arena, slice_str(m->member_id));
	q->topics = alloc(call, 1, sizeof(*q->topics));
	q->topics_count = 1;
	q->topics[0].name = slice_str(m->topic);
	q->topics[0].partitions = alloc(call, (size_t)count, sizeof(*q->topics[0].partitions));
	for (int32_t i = 0; i < count; i++) {
		struct offset_commit_request_partition *p = &q->topics[0].partitions[i];

		offset_commit_request_partition_init(p);
		p->partition_index = offsets[i].partition;
		p->committed_offset = offsets[i].offset;
		p->committed_metadata = SLICE_EMPTY;
	}
	q->topics[0].partitions_count = count;
	client_call_send(call, m->coordinator, 0);
}

bool group_member_commit(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	if (m->commit != NULL || m->state != STATE_STABLE || count == 0)
		return m->commit == NULL;
	send_commit(m, offsets, count);
	return true;
}

void group_member_release(struct group_member *m, const struct group_partition *offsets, int32_t count)
{
	ASSERT(m->state == STATE_RELEASING);
	client_call_destroy(&m->commit);	/* this one says more */
	if (count > 0 && m->generation >= 0 && m->coordinator >= 0)
		send_commit(m, offsets, count);
	m->holds_partitions = false;
	go_to(m, m->coordinator >= 0 ? STATE_JOIN : STATE_FIND);
}

/* ---- turns ---- */

static void step(struct group_member *m)
{
	switch (m->state) {
	case STATE_FIND:      find(m); break;
	case STATE_JOIN:      join(m); break;
	case STATE_SYNC:      sync_group(m); break;
	case STATE_FETCH:     fetch_offsets(m); break;
	case STATE_STABLE:
	case STATE_RELEASING:
	case STATE_FAILED:    break;
	}
}

static mono_ms member_turn(struct client_user *u, mono_ms now)
{
	struct group_member *m = CONTAINER_OF(u, struct group_member, user);
	bool has_step = m->state < STATE_STABLE && m->step == NULL && m->commit == NULL;	/* a commit is waited for before it joins */

	if (has_step && now >= m->retry_at) {
		m->retry_at = 0;
		step(m);
		has_step = false;
	}
	if ((m->state == STATE_STABLE || m->state == STATE_FETCH) && m->heartbeat == NULL && now >= m->heartbeat_at)
		send_heartbeat(m, now);
	if (has_step)
		return m->retry_at;
	return m->heartbeat == NULL && (m->state == STATE_STABLE || m->state == STATE_FETCH) ? m->heartbeat_at : MONO_NEVER;
}

bool group_member_next(struct group_member *m, struct group_event *event)
{
	*event = (struct group_event){ .error = &m->error };
	if (m->tells_trouble) {
		m->tells_trouble = false;
		event->kind = GROUP_TROUBLE;
	} else if (m->tells_revoked) {
		m->tells_revoked = false;
		event->kind = GROUP_REVOKED;
	} else if (m->tells_assigned) {
		m->tells_assigned = false;
		event->kind = GROUP_ASSIGNED;
		event->partitions = m->assigned;
		event->count = m->assigned_count;
	} else if (m->tells_failed) {
		m->tells_failed = false;
		event->kind = GROUP_FAILED;
	} else {
		return false;
	}
	return true;
}

/* ---- life ---- */

void group_member_create(struct group_member **out, struct client *c, const struct group_member_spec *spec)
{
	struct group_member *m = mem_calloc(1, sizeof(*m));

	m->client = c;
	m->spec = *spec;
	m->group = mem_strdup(spec->group);
	m->topic = mem_strdup(spec->topic);
	m->member_id = mem_strdup("");
	m->generation = m->coordinator = -1;
	m->user.on_turn = member_turn;
	client_user_add(c, &m->user);
	*out = m;
}

static void leave(struct group_member *m, mono_ms timeout_ms)
{
	struct client_call *call = client_call_create(m->client, API_LEAVE_GROUP, NULL, NULL);
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

	if (*m->member_id == '\0' || m->coordinator < 0 || m->state == STATE_FAILED)
		return OK;
	client_call_destroy(&m->step);
	client_call_destroy(&m->heartbeat);
	client_call_destroy(&m->commit);
	m->state = STATE_FAILED;
	m->commit_error = CLIENT_ERROR_NONE;
	if (m->holds_partitions && count > 0 && m->generation >= 0)
		send_commit(m, offsets, count);
	for (mono_ms now; m->commit != NULL && (now = os_mono_ms(os)) < deadline;)
		client_step(m->client, deadline - now);
	if (m->commit != NULL)
		client_error_set(&m->commit_error, ERR_TIMEOUT, "%s: no answer within %lld ms", m->group, (long long)timeout_ms);
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
	free(m->assigned);
	free(m->member_id);
	free(m->group);
	free(m->topic);
	free(m);
}
