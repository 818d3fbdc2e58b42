#include "cluster_groups.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "group/group_priv.h"
#include "partition/partition_priv.h"
#include "record/record.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/group_metadata_key.h"
#include "wire/gen/group_metadata_value.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_commit_key.h"
#include "wire/gen/offset_commit_value.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/sync_group.h"

#define OFFSETS_TOPIC  "__consumer_offsets"
#define SESSION_MS     500
#define REBALANCE_MS   400

enum { KEY_OFFSET_COMMIT = 8, KEY_OFFSET_FETCH = 9, KEY_FIND_COORDINATOR = 10, KEY_JOIN = 11, KEY_HEARTBEAT = 12, KEY_LEAVE = 13, KEY_SYNC = 14 };
enum { VERSION_OFFSET_COMMIT = 8, VERSION_OFFSET_FETCH = 7, VERSION_FIND_COORDINATOR = 3, VERSION_JOIN = 9, VERSION_HEARTBEAT = 4, VERSION_LEAVE = 5, VERSION_SYNC = 5 };

#define WRAP(api) \
	static bool encode_##api(const void *m, struct writer *w, int v) { return api##_request_encode(m, w, v); }
WRAP(find_coordinator)
WRAP(join_group)
WRAP(sync_group)
WRAP(heartbeat)
WRAP(leave_group)
WRAP(offset_commit)
WRAP(offset_fetch)

static uint64_t draw(struct groups *g, uint64_t n)
{
	return client_draw(&g->random, n);
}

static struct slice group_name(const struct groups_member *m, char name[8])
{
	snprintf(name, 8, "%c%d", m->is_simple ? 's' : 'g', m->group);
	return slice_str(name);
}

static struct slice instance_of(const struct groups_member *m)
{
	return m->is_static ? slice_str(m->instance) : SLICE_NULL;
}

static void set_id(struct groups_member *m, struct slice id)
{
	ck_assert_uint_lt(id.len, sizeof(m->id));
	memcpy(m->id, id.ptr, id.len);
	m->id[id.len] = 0;
}

/* --- questions ------------------------------------------------------------------------------------------------------------------------------ */

static void ask_topic(struct groups_member *m)
{
	struct find_coordinator_request q;

	find_coordinator_request_init(&q);
	q.key = SLICE_LIT("g0");
	m->asked = KEY_FIND_COORDINATOR;
	link_ask(&m->link, KEY_FIND_COORDINATOR, VERSION_FIND_COORDINATOR, encode_find_coordinator, &q, m);
}

static void ask_join(struct groups_member *m)
{
	struct join_group_request q;
	struct join_group_request_protocol p;
	char name[8];

	join_group_request_init(&q);
	join_group_request_protocol_init(&p);
	q.group_id = group_name(m, name);
	q.session_timeout_ms = SESSION_MS;
	q.rebalance_timeout_ms = REBALANCE_MS;
	q.member_id = slice_str(m->id);
	q.group_instance_id = instance_of(m);
	q.protocol_type = SLICE_LIT("sim");
	q.protocols = &p;
	q.protocols_count = 1;
	p.name = SLICE_LIT("p");
	p.metadata = SLICE_EMPTY;
	m->asked = KEY_JOIN;
	link_ask(&m->link, KEY_JOIN, VERSION_JOIN, encode_join_group, &q, m);
}

/* The number of the assignment and the share, 5 bytes for each. */
static void ask_sync(struct groups *g, struct groups_member *m)
{
	struct sync_group_request q;
	struct sync_group_request_assignment assignments[8];
	uint8_t bytes[8][5] = { { 0 } };
	char name[8];

	sync_group_request_init(&q);
	q.group_id = group_name(m, name);
	q.generation_id = m->generation;
	q.member_id = slice_str(m->id);
	q.group_instance_id = instance_of(m);
	q.protocol_type = SLICE_LIT("sim");
	q.protocol_name = SLICE_LIT("p");
	q.assignments = assignments;
	if (m->is_leader && !m->skips_assignment) {
		g->assignment_count++;
		for (int i = 0; i < m->other_count; i++) {
			store_be32(bytes[i], g->assignment_count);
			sync_group_request_assignment_init(&assignments[i]);
			assignments[i].member_id = slice_str(m->others[i]);
			assignments[i].assignment = slice_of(bytes[i], sizeof(bytes[i]));
		}
		for (int p = 0; p < GROUPS_PARTITIONS; p++)
			bytes[p % m->other_count][4] |= (uint8_t)(1 << p);
		q.assignments_count = m->other_count;
	}
	m->asked = KEY_SYNC;
	link_ask(&m->link, KEY_SYNC, VERSION_SYNC, encode_sync_group, &q, m);
}

static void ask_heartbeat(struct groups_member *m)
{
	struct heartbeat_request q;
	char name[8];

	heartbeat_request_init(&q);
	q.group_id = group_name(m, name);
	q.generation_id = m->generation;
	q.member_id = slice_str(m->id);
	q.group_instance_id = instance_of(m);
	m->asked = KEY_HEARTBEAT;
	link_ask(&m->link, KEY_HEARTBEAT, VERSION_HEARTBEAT, encode_heartbeat, &q, m);
}

static void ask_leave(struct groups_member *m)
{
	struct leave_group_request q;
	struct leave_group_request_member one;
	char name[8];

	leave_group_request_init(&q);
	leave_group_request_member_init(&one);
	q.group_id = group_name(m, name);
	q.members = &one;
	q.members_count = 1;
	one.member_id = slice_str(m->id);
	one.group_instance_id = instance_of(m);
	m->asked = KEY_LEAVE;
	link_ask(&m->link, KEY_LEAVE, VERSION_LEAVE, encode_leave_group, &q, m);
}

static void ask_commit(struct groups *g, struct groups_member *m, int partition)
{
	struct offset_commit_request_partition p;
	struct offset_commit_request_topic t;
	struct offset_commit_request q;
	char name[8];

	ck_assert_int_lt(g->commit_count, GROUPS_COMMITS);
	m->out = &g->commits[g->commit_count];
	*m->out = (struct groups_commit){ .group = m->group, .partition = partition, .generation = m->is_simple ? -1 : m->generation, .fate = COMMIT_OUT };
	offset_commit_request_init(&q);
	offset_commit_request_topic_init(&t);
	offset_commit_request_partition_init(&p);
	q.group_id = group_name(m, name);
	q.generation_id_or_member_epoch = m->out->generation;
	q.member_id = m->is_simple ? SLICE_EMPTY : slice_str(m->id);
	q.group_instance_id = instance_of(m);
	q.topics = &t;
	q.topics_count = 1;
	t.name = SLICE_LIT(OFFSETS_TOPIC);		/* any topic that is there */
	t.partitions = &p;
	t.partitions_count = 1;
	p.partition_index = partition;
	p.committed_offset = g->commit_count++;
	p.committed_metadata = SLICE_EMPTY;
	m->asked = KEY_OFFSET_COMMIT;
	link_ask(&m->link, KEY_OFFSET_COMMIT, VERSION_OFFSET_COMMIT, encode_offset_commit, &q, m);
}

static void ask_fetch(struct groups *g, struct groups_member *m)
{
	struct offset_fetch_request_topic t;
	struct offset_fetch_request q;
	int32_t partition = (int32_t)draw(g, GROUPS_PARTITIONS);
	char name[8];

	offset_fetch_request_init(&q);
	offset_fetch_request_topic_init(&t);
	q.group_id = group_name(m, name);
	q.topics = &t;
	q.topics_count = 1;
	q.require_stable = draw(g, 2) == 0;
	t.name = SLICE_LIT(OFFSETS_TOPIC);
	t.partition_indexes = &partition;
	t.partition_indexes_count = 1;
	m->asked = KEY_OFFSET_FETCH;
	link_ask(&m->link, KEY_OFFSET_FETCH, VERSION_OFFSET_FETCH, encode_offset_fetch, &q, m);
}

/* --- answers -------------------------------------------------------------------------------------------------------------------------------- */

/* What is wrong with the member, as it was told; true: it goes on as it is. */
static bool take_error(struct groups *g, struct groups_member *m, enum kafka_error error)
{
	switch ((int)error) {
	case NONE:
		return true;
	case NOT_COORDINATOR:
		m->link.is_wrong = true;
		return false;
	case COORDINATOR_NOT_AVAILABLE:		/* also of a cut off coordinator, whose followers are gone */
	case COORDINATOR_LOAD_IN_PROGRESS:
	case REQUEST_TIMED_OUT:
	case UNKNOWN_TOPIC_OR_PARTITION:	/* this broker does not know yet */
		m->link.is_wrong = draw(g, 3) == 0;
		return false;
	case REBALANCE_IN_PROGRESS:
	case ILLEGAL_GENERATION:
		m->phase = MEMBER_OUT;
		return false;
	case UNKNOWN_MEMBER_ID:
	case FENCED_INSTANCE_ID:
		m->phase = MEMBER_OUT;
		m->id[0] = 0;
		return false;
	default:
		cluster_fail(g->c, "request %d of member %d is answered with %s", m->asked, m->number, kafka_error_name((int16_t)error));
	}
}

static void take_join(struct groups *g, struct groups_member *m, const struct join_group_response *a)
{
	if (a->error_code == MEMBER_ID_REQUIRED) {
		set_id(m, a->member_id);
		return;
	}
	if (!take_error(g, m, (enum kafka_error)a->error_code))
		return;
	set_id(m, a->member_id);
	m->generation = a->generation_id;
	m->is_leader = slice_eq(a->leader, a->member_id);
	m->skips_assignment = a->skip_assignment;
	m->phase = MEMBER_JOINED;
	m->other_count = 0;
	CLUSTER_CHECK(g->c, !m->is_leader || a->members_count > 0, "member %d leads nobody in generation %d", m->number, m->generation);
	for (int32_t i = 0; i < a->members_count; i++) {
		CLUSTER_CHECK(g->c, m->other_count < (int)ARRAY_LEN(m->others) && a->members[i].member_id.len < sizeof(m->others[0]), "generation %d has %d members",
		              m->generation, a->members_count);
		snprintf(m->others[m->other_count++], sizeof(m->others[0]), SLICE_FMT, SLICE_ARG(a->members[i].member_id));
	}
}

static void take_sync(struct groups *g, struct groups_member *m, const struct sync_group_response *a)
{
	if (!take_error(g, m, (enum kafka_error)a->error_code))
		return;
	CLUSTER_CHECK(g->c, a->assignment.len == 0 || a->assignment.len == 5, "member %d is assigned %zu bytes", m->number, a->assignment.len);
	CLUSTER_CHECK(g->c, m->generation >= 0 && m->generation < GROUPS_GENERATIONS, "generation %d", m->generation);
	m->assignment = a->assignment.len == 5 ? load_be32(a->assignment.ptr) : 0;	/* none: it came after the leader had looked */
	m->share = a->assignment.len == 5 ? a->assignment.ptr[4] : 0;
	m->phase = MEMBER_STABLE;
	g->syncs++;
	uint32_t *told = &g->assignments[m->group][m->generation];
	if (m->assignment == 0)
		return;
	CLUSTER_CHECK(g->c, *told == 0 || *told == m->assignment, "group %d: generation %d has assignment %u and assignment %u", m->group, m->generation, *told,
	              m->assignment);
	*told = m->assignment;
}

/* Refused for sure: only where it was looked at and not written. */
static void take_commit(struct groups *g, struct groups_member *m, enum kafka_error error)
{
	switch ((int)error) {
	case NONE:
		m->out->fate = COMMIT_ACKNOWLEDGED;
		g->acknowledged++;
		m->done++;
		break;
	case ILLEGAL_GENERATION: case UNKNOWN_MEMBER_ID: case FENCED_INSTANCE_ID: case REBALANCE_IN_PROGRESS: case COORDINATOR_LOAD_IN_PROGRESS:
	case UNKNOWN_TOPIC_OR_PARTITION:
		m->out->fate = COMMIT_REFUSED;
		g->refused++;
		break;
	default:
		m->out->fate = COMMIT_UNKNOWN;
		g->unknown++;
		break;
	}
	m->out = NULL;
	(void)take_error(g, m, error);
}

static void check_offset(struct groups *g, const struct groups_member *m, int partition, int64_t offset)
{
	const struct groups_commit *c = offset >= 0 && offset < g->commit_count ? &g->commits[offset] : NULL;

	CLUSTER_CHECK(g->c, offset == -1 || (c != NULL && c->group == m->group && c->partition == partition && c->fate != COMMIT_REFUSED),
	              "member %d is told offset %lld of partition %d, which nobody committed", m->number, (long long)offset, partition);
}

static void take_fetched(struct groups *g, struct groups_member *m, const struct offset_fetch_response *a)
{
	if (a->error_code != NONE) {
		(void)take_error(g, m, (enum kafka_error)a->error_code);
		return;
	}
	for (int32_t i = 0; i < a->topics_count; i++) {
		const struct offset_fetch_response_partition *p = &a->topics[i].partitions[0];

		if (p->error_code != UNSTABLE_OFFSET_COMMIT)
			check_offset(g, m, p->partition_index, p->committed_offset);
	}
}

static void take_answer(struct groups *g, struct groups_member *m, struct slice body)
{
	union {
		struct find_coordinator_response find;
		struct join_group_response       join;
		struct sync_group_response       sync;
		struct heartbeat_response        heartbeat;
		struct offset_commit_response    commit;
		struct offset_fetch_response     fetch;
	} a;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 16);
	switch (m->asked) {
	case KEY_FIND_COORDINATOR:
		ck_assert(find_coordinator_response_decode(&a.find, &r, VERSION_FIND_COORDINATOR, &arena));
		g->has_topic = a.find.error_code == NONE;
		break;
	case KEY_JOIN:
		ck_assert(join_group_response_decode(&a.join, &r, VERSION_JOIN, &arena));
		take_join(g, m, &a.join);
		break;
	case KEY_SYNC:
		ck_assert(sync_group_response_decode(&a.sync, &r, VERSION_SYNC, &arena));
		take_sync(g, m, &a.sync);
		break;
	case KEY_HEARTBEAT:
		ck_assert(heartbeat_response_decode(&a.heartbeat, &r, VERSION_HEARTBEAT, &arena));
		(void)take_error(g, m, (enum kafka_error)a.heartbeat.error_code);
		break;
	case KEY_OFFSET_COMMIT:
		ck_assert(offset_commit_response_decode(&a.commit, &r, VERSION_OFFSET_COMMIT, &arena));
		take_commit(g, m, (enum kafka_error)a.commit.topics[0].partitions[0].error_code);
		break;
	case KEY_OFFSET_FETCH:
		ck_assert(offset_fetch_response_decode(&a.fetch, &r, VERSION_OFFSET_FETCH, &arena));
		take_fetched(g, m, &a.fetch);
		break;
	default:			/* whoever leaves does not wait for a yes */
		m->phase = MEMBER_OUT;
		m->id[0] = 0;
		g->leaves++;
		break;
	}
	arena_fini(&arena);
}

static void lose_answer(struct groups *g, struct groups_member *m)
{
	if (m->out != NULL) {
		m->out->fate = COMMIT_UNKNOWN;
		m->out = NULL;
		g->unknown++;
	}
	if (m->is_static && m->asked == KEY_JOIN)	/* which of its ids counts is not known: it begins anew, as after a restart */
		m->id[0] = 0;
}

/* --- a member ------------------------------------------------------------------------------------------------------------------------------- */

static void act_stable(struct groups *g, struct groups_member *m)
{
	int partition = (int)draw(g, GROUPS_PARTITIONS);

	if (!g->is_ending && draw(g, 30) == 0) {
		if (m->is_static && draw(g, 3) > 0) {		/* it is restarted, and comes back under another id */
			m->phase = MEMBER_OUT;
			m->id[0] = 0;
		} else {
			ask_leave(m);
		}
	} else if (draw(g, 4) == 0) {
		ask_fetch(g, m);
	} else if ((m->share & 1u << partition) != 0 || draw(g, 8) == 0) {	/* now and then also what is not its own: that is the client's affair */
		ask_commit(g, m, partition);
	} else {
		ask_heartbeat(m);
	}
}

static void act(struct groups *g, struct groups_member *m)
{
	m->next_at = cluster_now(g->c) + 10 + (mono_ms)draw(g, 60);
	if (!g->has_topic) {
		ask_topic(m);
	} else if (m->is_simple) {
		if (draw(g, 4) == 0)
			ask_fetch(g, m);
		else
			ask_commit(g, m, (int)draw(g, GROUPS_PARTITIONS));
	} else {
		switch (m->phase) {
		case MEMBER_OUT:    ask_join(m); break;
		case MEMBER_JOINED: ask_sync(g, m); break;
		case MEMBER_STABLE: act_stable(g, m); break;
		}
	}
}

static void tend(struct groups *g, struct groups_member *m)
{
	struct slice body;
	bool has_gone;
	void *tag;

	while (link_answer(&m->link, &tag, &body))
		take_answer(g, m, body);
	bool is_there = link_tend(&m->link, &has_gone);
	if (has_gone)
		lose_answer(g, m);
	if (is_there && !m->link.is_wrong && m->link.client.asked_count == 0 && cluster_now(g->c) >= m->next_at && g->commit_count < GROUPS_COMMITS)
		act(g, m);
}

static int groups_step(struct actor *a, mono_ms now)
{
	struct groups *g = CONTAINER_OF(a, struct groups, actor);

	for (int i = 0; i < g->count && !a->stop_wanted; i++)
		tend(g, &g->members[i]);
	a->deadline = a->stop_wanted ? MONO_NEVER : now + 2 + (mono_ms)draw(g, 6);
	return 0;
}

static const struct actor_ops groups_ops = { .module = "groups", .step = groups_step };

static void add_member(struct groups *g, int group, bool is_simple, bool is_static)
{
	struct groups_member *m = &g->members[g->count];

	m->number = g->count++;
	m->group = group;
	m->is_simple = is_simple;
	m->is_static = is_static;
	snprintf(m->instance, sizeof(m->instance), "i%d", m->number);
	link_init(&m->link, g->c, &g->random);
}

void groups_init(struct groups *g, struct cluster_sim *c, struct cluster_watch *w)
{
	memset(g, 0, sizeof(*g));
	g->c = c;
	g->w = w;
	g->random = c->seed * UINT64_C(0xd1342543de82ef95) + 3;
	for (int i = 0; i < GROUPS_COUNT * GROUPS_MEMBERS; i++)
		add_member(g, i / GROUPS_MEMBERS, false, i % GROUPS_MEMBERS == 0);
	for (int i = 0; i < GROUPS_SIMPLE; i++)
		add_member(g, GROUPS_COUNT + i, true, false);
	actor_init(&g->actor, c->sched, &groups_ops, LANE_NONE, "groups");
	ck_assert_int_eq(actor_start(&g->actor, 0), OK);
}

void groups_fini(struct groups *g)
{
	actor_stop(&g->actor);
	actor_join(&g->actor);
	actor_fini(&g->actor);
	for (int i = 0; i < g->count; i++)
		sim_client_fini(&g->members[i].link.client);
}

void groups_wind_down(struct groups *g)
{
	g->is_ending = true;
	for (int i = 0; i < g->count; i++)
		g->members[i].done = 0;
}

bool groups_are_done(const struct groups *g, char why[256])
{
	for (int i = 0; i < g->count; i++) {
		const struct groups_member *m = &g->members[i], *first = &g->members[m->is_simple ? i : m->group * GROUPS_MEMBERS];

		if (!m->is_simple && (m->phase != MEMBER_STABLE || m->generation != first->generation || m->assignment != first->assignment)) {
			snprintf(why, 256, "member %d is not in one generation with the others: %d", m->number, m->generation);
			return false;
		}
		if (m->done == 0) {
			snprintf(why, 256, "member %d has committed nothing since", m->number);
			return false;
		}
	}
	return true;
}

/* --- the log -------------------------------------------------------------------------------------------------------------------------------- */

struct log_story {
	struct groups *g;
	int32_t        generation[GROUPS_COUNT];		/* of the last record; -1: none */
	uint32_t       assignment[GROUPS_COUNT];
	int64_t        last[GROUPS_COUNT + GROUPS_SIMPLE][GROUPS_PARTITIONS];	/* the last that was acknowledged; -1: none */
	int64_t        at;
};

static int group_number(struct slice name)
{
	return name.len == 2 ? name.ptr[1] - '0' : -1;
}

static void read_offset(struct log_story *s, struct slice group, int32_t partition, int64_t offset)
{
	struct groups *g = s->g;
	struct groups_commit *c;

	CLUSTER_CHECK(g->c, offset >= 0 && offset < g->commit_count, "the log has offset %lld at %lld, which nobody committed", (long long)offset, (long long)s->at);
	c = &g->commits[offset];
	CLUSTER_CHECK(g->c, c->group == group_number(group) && c->partition == partition, "commit %lld stands at group %d and partition %d", (long long)offset,
	              group_number(group), partition);
	CLUSTER_CHECK(g->c, c->fate != COMMIT_REFUSED, "commit %lld of generation %d was refused, and is in the log at %lld", (long long)offset, c->generation,
	              (long long)s->at);
	CLUSTER_CHECK(g->c, c->found++ == 0, "commit %lld is in the log twice", (long long)offset);
	CLUSTER_CHECK(g->c, c->generation < 0 || c->generation == s->generation[c->group], "commit %lld of generation %d is in the log behind generation %d",
	              (long long)offset, c->generation, s->generation[c->group]);
	c->log_offset = s->at;
	if (c->fate == COMMIT_ACKNOWLEDGED)
		s->last[c->group][partition] = offset;
}

static void read_group(struct log_story *s, struct slice group, const struct group_metadata_value *v)
{
	int n = group_number(group);
	uint32_t assignment = 0;

	CLUSTER_CHECK(s->g->c, n >= 0 && n < GROUPS_COUNT, "the log has a group that nobody is in");
	for (int32_t i = 0; i < v->members_count; i++) {
		uint32_t of_member = v->members[i].assignment.len == 5 ? load_be32(v->members[i].assignment.ptr) : 0;

		CLUSTER_CHECK(s->g->c, assignment == 0 || of_member == 0 || of_member == assignment, "group %d: generation %d is stored with two assignments", n, v->generation);
		assignment = MAX(assignment, of_member);
	}
	CLUSTER_CHECK(s->g->c, v->generation > s->generation[n] || (v->generation == s->generation[n] && assignment == s->assignment[n]),
	              "group %d: generation %d with assignment %u is stored behind generation %d with assignment %u", n, v->generation, assignment, s->generation[n],
	              s->assignment[n]);
	s->generation[n] = v->generation;
	s->assignment[n] = assignment;
}

static void read_record(struct log_story *s, const struct record *rec)
{
	struct reader key = reader_of(rec->key), value = reader_of(rec->value);
	struct arena arena;
	int16_t kind = get_i16(&key), version = get_i16(&value);

	CLUSTER_CHECK(s->g->c, !slice_is_null(rec->value), "something is deleted at %lld, which nobody asked for", (long long)s->at);
	arena_init(&arena, 1 << 16);
	if (kind == 2) {
		struct group_metadata_key k;
		struct group_metadata_value v;

		ck_assert(group_metadata_key_decode(&k, &key, kind, &arena) && group_metadata_value_decode(&v, &value, version, &arena));
		read_group(s, k.group, &v);
	} else {
		struct offset_commit_key k;
		struct offset_commit_value v;

		ck_assert(offset_commit_key_decode(&k, &key, kind, &arena) && offset_commit_value_decode(&v, &value, version, &arena));
		read_offset(s, k.group, k.partition, v.offset);
	}
	arena_fini(&arena);
}

static void read_log(struct log_story *s, struct slice bytes)
{
	struct record_iter it;
	struct slice batch;
	struct record rec;

	while (batch_next(&bytes, &batch) == OK) {
		s->at = batch_base_offset(batch.ptr);
		record_iter_init(&it, batch, NULL, 1 << 20);
		while (record_iter_next(&it, &rec))
			read_record(s, &rec);
		ck_assert_int_eq(it.err, OK);
		record_iter_fini(&it);
	}
}

/* Of a commit that was answered with a time-out a coordinator need not know that it is in the log, as in Kafka: it lasts until the next one reads it. */
static bool is_known(const struct log_story *s, const struct groups_member *m, int32_t partition, int64_t offset)
{
	int64_t last = s->last[m->group][partition];
	const struct groups_commit *c = offset >= 0 && offset < s->g->commit_count ? &s->g->commits[offset] : NULL;

	if (c == NULL)
		return offset == -1 && last == -1;
	return c->group == m->group && c->partition == partition && c->found == 1 && (last == -1 || c->log_offset >= s->g->commits[last].log_offset);
}

/* What the coordinators know is what the log says. */
static void check_memory(struct log_story *s, const struct seen_partition *p)
{
	const struct coordinator *c = p->logs[p->leader - 1].partition->addr->hook_state;

	for (int i = 0; i < s->g->count; i++) {
		const struct groups_member *m = &s->g->members[i];
		char name[8];
		const struct group *group = coordinator_group(c, group_name(m, name));

		if (cluster_coordinator_partition(group_name(m, name), GROUPS_PARTITIONS) != p->id)
			continue;
		for (int32_t k = 0; k < GROUPS_PARTITIONS; k++) {
			const struct stored_offset *o = group != NULL ? offsets_find(group, SLICE_LIT(OFFSETS_TOPIC), k) : NULL;
			int64_t known = o != NULL && o->has_value ? o->offset : -1;

			CLUSTER_CHECK(s->g->c, is_known(s, m, k, known), "group %s: the coordinator knows offset %lld of partition %d, the log says %lld", name,
			              (long long)known, k, (long long)s->last[m->group][k]);
		}
	}
}

bool groups_have_loaded(struct groups *g, char why[256])
{
	for (int i = 0; i < GROUPS_PARTITIONS; i++) {
		const struct seen_partition *p = cluster_watch_find(g->w, OFFSETS_TOPIC, i);
		const struct coordinator *c = p->logs[p->leader - 1].partition->addr->hook_state;

		if (c == NULL || c->state != COORDINATOR_ACTIVE) {
			snprintf(why, 256, "the coordinator of partition %d is still reading", i);
			return false;
		}
	}
	return true;
}

void groups_compare(struct groups *g)
{
	struct log_story s = { .g = g };
	struct strbuf bytes = STRBUF_INIT;

	memset(s.generation, -1, sizeof(s.generation));
	memset(s.last, -1, sizeof(s.last));
	for (int i = 0; i < GROUPS_PARTITIONS; i++) {
		const struct seen_partition *p = cluster_watch_find(g->w, OFFSETS_TOPIC, i);

		ck_assert_ptr_nonnull(p);
		strbuf_reset(&bytes);
		cluster_watch_bytes(g->w, p, p->leader - 1, &bytes);
		read_log(&s, strbuf_slice(&bytes));
		check_memory(&s, p);
	}
	strbuf_fini(&bytes);
	for (int i = 0; i < g->commit_count; i++)
		CLUSTER_CHECK(g->c, g->commits[i].fate != COMMIT_ACKNOWLEDGED || g->commits[i].found == 1, "commit %d of generation %d was acknowledged, and is not in the log",
		              i, g->commits[i].generation);
}
