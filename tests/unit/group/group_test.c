/*
 * The state machine of one group, without a log: what is to be stored is noted, and the test says how it went. First rule by rule, then many worlds of members that
 * join, sync, leave, fall silent and come back while time goes on.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "group/group_priv.h"

/* --- what stands in for the coordinator ----------------------------------------------------------------------------------------------- */

static struct broker_config config;
static struct group_context context;
static struct coordinator coordinator;
static struct group *group;
static mono_ms now;
static int stores, empty_stores;

#define STORES_MAX 512
static struct { int32_t generation; char comeback[128]; } on_the_way[STORES_MAX];	/* in their order */
static int on_the_way_count;

time_ms coordinator_time(const struct coordinator *c UNUSED) { return 1000000 + now; }
const struct broker_config *coordinator_config(const struct coordinator *c UNUSED) { return &config; }
void coordinator_set_due(struct coordinator *c, mono_ms due) { c->due = MIN(c->due, due); }

/* A question of the test's: context counts its answers. */
void coordinator_answer(struct coordinator *c UNUSED, struct coordinator_question *q, enum kafka_error error)
{
	int *answers = q->msg.context;

	q->error = error;
	++*answers;
	ck_assert_int_eq(*answers, 1);
}

void coordinator_store_group(struct coordinator *c UNUSED, struct group *g, struct slice comeback)
{
	stores++;
	ck_assert_int_lt(on_the_way_count, STORES_MAX);
	on_the_way[on_the_way_count].generation = g->generation;
	snprintf(on_the_way[on_the_way_count++].comeback, sizeof(on_the_way[0].comeback), SLICE_FMT, SLICE_ARG(comeback));
}

void coordinator_store_empty_group(struct coordinator *c UNUSED, struct group *g)
{
	ck_assert_int_eq(g->state, GROUP_EMPTY);
	empty_stores++;
}

/* Offsets are not asked for here. */
struct group *coordinator_group(const struct coordinator *c UNUSED, struct slice id UNUSED) { ck_abort(); return NULL; }
struct group *coordinator_make_group(struct coordinator *c UNUSED, struct slice id UNUSED) { ck_abort(); return NULL; }
void coordinator_remove_group(struct coordinator *c UNUSED, struct group *g UNUSED) { ck_abort(); }
struct store *coordinator_store_begin(struct coordinator *c UNUSED) { ck_abort(); return NULL; }
void coordinator_store_add(struct coordinator *c UNUSED, struct store *s UNUSED, size_t n UNUSED, bool t UNUSED) { ck_abort(); }
struct store *coordinator_store_begin_in(struct coordinator *c UNUSED, const struct group_offset_commit *txn UNUSED) { ck_abort(); return NULL; }
void coordinator_store_submit(struct coordinator *c UNUSED, struct store *s UNUSED, int16_t acks UNUSED) { ck_abort(); }
void coordinator_add_group_tombstone(struct coordinator *c UNUSED, struct store *s UNUSED, const struct group *g UNUSED) { ck_abort(); }
struct store *coordinator_add_offset_tombstone(struct coordinator *c UNUSED, struct store *s UNUSED, const struct group *g UNUSED, const struct stored_offset *o UNUSED)
{
	ck_abort();
	return NULL;
}

static void setup(void)
{
	config = (struct broker_config){ .group_initial_rebalance_delay_ms = 0, .group_max_size = INT32_MAX };
	context = (struct group_context){ .os = os_real(), .config = &config };
	coordinator = (struct coordinator){ .context = &context, .due = MONO_NEVER };
	now = 0;
	stores = empty_stores = 0;
	on_the_way_count = 0;
	group = group_create(&coordinator, SLICE_LIT("g"));
}

/* The oldest store is over. */
static void store_is_home(enum kafka_error error)
{
	int32_t generation = on_the_way[0].generation;
	char comeback[128];

	ck_assert_int_gt(on_the_way_count, 0);
	memcpy(comeback, on_the_way[0].comeback, sizeof(comeback));
	memmove(on_the_way, on_the_way + 1, (size_t)--on_the_way_count * sizeof(on_the_way[0]));
	group_stored(group, generation, comeback[0] != 0 ? slice_str(comeback) : SLICE_NULL, error, now);
}

static void teardown(void)
{
	group_die(group, NOT_COORDINATOR);
	group_unref(group);
}

/* --- members ---------------------------------------------------------------------------------------------------------------------------- */

/* To no topic; and to no topic, owning nothing. */
#define SUBSCRIPTION SLICE_LIT("\0\0\0\0\0\0\xff\xff\xff\xff")
#define ANOTHER      SLICE_LIT("\0\1\0\0\0\0\xff\xff\xff\xff\0\0\0\0")

struct client {
	char                  id[128];
	const char           *instance_id;
	struct slice          subscription;
	bool                  is_old;		/* joins without the second step */
	int32_t               session_ms, rebalance_ms, generation;
	bool                  prefers_sticky;	/* offers it too, and first */
	bool                  offers_sticky;	/* ... or last */
	struct group_protocol protocols[2];
	struct group_join     join;
	struct group_sync     sync;
	struct group_assignment assignment;
	int                   join_answers, sync_answers;
	bool                  joins, syncs;	/* a question is out */
};

static void end_join_question(struct client *c)
{
	c->joins = false;
	arena_fini(&c->join.arena);
}

static struct client client_of(const char *instance_id)
{
	return (struct client){ .instance_id = instance_id, .subscription = SUBSCRIPTION, .session_ms = 10000, .rebalance_ms = 20000, .generation = -1 };
}

static void ask_to_join(struct client *c)
{
	c->protocols[c->prefers_sticky] = (struct group_protocol){ SLICE_LIT("range"), c->subscription };
	c->protocols[!c->prefers_sticky] = (struct group_protocol){ SLICE_LIT("sticky"), c->subscription };
	c->join = (struct group_join){
		.caller = { .group = SLICE_LIT("g"), .member_id = slice_str(c->id), .instance_id = slice_str(c->instance_id), .generation = -1 },
		.client_id = SLICE_LIT("c"), .client_host = SLICE_LIT("/h"), .session_timeout_ms = c->session_ms, .rebalance_timeout_ms = c->rebalance_ms,
		.protocol_type = SLICE_LIT("consumer"), .protocols = c->protocols, .protocol_count = c->offers_sticky ? 2 : 1, .knows_member_id_required = !c->is_old,
		.knows_skip_assignment = true,
	};
	c->join.q.msg.context = &c->join_answers;
	c->join_answers = 0;
	c->joins = true;
	arena_init(&c->join.arena, 1 << 20);
	group_on_join(group, &c->join, now);
}

/* Takes the answer home, if there is one. */
static bool has_joined(struct client *c, enum kafka_error *error)
{
	if (!c->joins || c->join_answers == 0)
		return false;
	*error = c->join.q.error;
	if (*error == NONE || *error == MEMBER_ID_REQUIRED)
		snprintf(c->id, sizeof(c->id), SLICE_FMT, SLICE_ARG(c->join.member_id));
	if (*error == NONE)
		c->generation = c->join.generation;
	return true;
}

static enum kafka_error join(struct client *c)
{
	enum kafka_error error;

	ask_to_join(c);
	ck_assert(has_joined(c, &error));
	end_join_question(c);
	return error;
}

/* Both steps; parked afterwards, or answered. */
static void join_in_two_steps(struct client *c)
{
	ck_assert_int_eq(join(c), MEMBER_ID_REQUIRED);
	ask_to_join(c);
}

static void ask_to_sync(struct client *c, bool is_leader)
{
	c->assignment = (struct group_assignment){ slice_str(c->id), SLICE_LIT("a") };
	c->sync = (struct group_sync){
		.caller = { .group = SLICE_LIT("g"), .member_id = slice_str(c->id), .instance_id = slice_str(c->instance_id), .generation = c->generation },
		.protocol_type = SLICE_NULL, .protocol = SLICE_NULL, .assignments = &c->assignment, .assignment_count = is_leader ? 1 : 0,
	};
	c->sync.q.msg.context = &c->sync_answers;
	c->sync_answers = 0;
	c->syncs = true;
	arena_init(&c->sync.arena, 1 << 20);
	group_on_sync(group, &c->sync, now);
}

static void end_sync_question(struct client *c)
{
	c->syncs = false;
	arena_fini(&c->sync.arena);
}

static enum kafka_error heartbeat(const struct client *c)
{
	struct group_caller caller = { .member_id = slice_str(c->id), .instance_id = slice_str(c->instance_id), .generation = c->generation };

	return group_check_heartbeat(group, &caller, now);
}

static enum kafka_error leave(const char *id, const char *instance_id)
{
	struct group_leaver leaver = { .member_id = slice_str(id), .instance_id = slice_str(instance_id) };
	struct group_leave m = { .group = SLICE_LIT("g"), .members = &leaver, .count = 1 };
	int answers = 0;

	m.q.msg.context = &answers;
	group_on_leave(group, &m, now);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(m.q.error, NONE);
	return leaver.error;
}

/* Everything that is due until then happens. */
static void pass(mono_ms ms)
{
	for (mono_ms end = now + ms; now < end;) {
		now = MIN(MAX(group->due, now + 1), end);
		group_tick(group, now);
		ck_assert(group->due > now);
	}
}

/* A stable group of one, which leads. */
static void make_stable(struct client *c)
{
	enum kafka_error error;

	ask_to_join(c);
	ck_assert(has_joined(c, &error));
	end_join_question(c);
	if (error == MEMBER_ID_REQUIRED) {
		ask_to_join(c);
		ck_assert(has_joined(c, &error));
		end_join_question(c);
	}
	ck_assert_int_eq(error, NONE);
	ask_to_sync(c, true);
	ck_assert_int_eq(c->sync_answers, 0);
	store_is_home(NONE);
	ck_assert_int_eq(c->sync_answers, 1);
	ck_assert_int_eq(c->sync.q.error, NONE);
	ck_assert(slice_eq_str(c->sync.assignment, "a"));
	end_sync_question(c);
	ck_assert_int_eq(group->state, GROUP_STABLE);
}

/* --- rule by rule ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_member_alone)
{
	struct client a = client_of(NULL);

	make_stable(&a);
	ck_assert_int_eq(a.generation, 1);
	ck_assert_int_eq(strncmp(a.id, "c-", 2), 0);
	ck_assert_uint_eq(strlen(a.id), 38);
	ck_assert_int_eq(heartbeat(&a), NONE);
	ck_assert_int_eq(leave(a.id, NULL), NONE);
	ck_assert_int_eq(group->state, GROUP_EMPTY);
	ck_assert_int_eq(empty_stores, 1);
	ck_assert_int_eq(group->generation, 2);
	ck_assert_int_eq(heartbeat(&a), UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave(a.id, NULL), UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(a_second_member_makes_all_join_again)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	join_in_two_steps(&b);
	ck_assert(!has_joined(&b, &error));
	ck_assert_int_eq(heartbeat(&a), REBALANCE_IN_PROGRESS);
	ask_to_join(&a);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	ck_assert_int_eq(a.generation, 2);
	ck_assert_int_eq(b.generation, 2);
	ck_assert_int_eq(a.join.member_count, 2);		/* the leader assigns */
	ck_assert_int_eq(b.join.member_count, 0);
	ck_assert(slice_eq_str(b.join.leader, a.id));
	end_join_question(&a);
	end_join_question(&b);
	ask_to_sync(&b, false);
	ck_assert_int_eq(b.sync_answers, 0);
	ask_to_sync(&a, true);
	ck_assert_int_eq(a.sync_answers, 0);			/* not before it is stored */
	store_is_home(NONE);
	ck_assert_int_eq(a.sync_answers, 1);
	ck_assert_int_eq(b.sync_answers, 1);
	ck_assert_uint_eq(b.sync.assignment.len, 0);		/* the leader gave it nothing */
	end_sync_question(&a);
	end_sync_question(&b);
}
END_TEST

START_TEST(what_cannot_be_stored_is_begun_again)
{
	struct client a = client_of(NULL);

	ck_assert_int_eq(join(&a), MEMBER_ID_REQUIRED);
	ck_assert_int_eq(join(&a), NONE);
	ask_to_sync(&a, true);
	store_is_home(NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(a.sync.q.error, COORDINATOR_NOT_AVAILABLE);
	end_sync_question(&a);
	ck_assert_int_eq(group->state, GROUP_PREPARING);
	ck_assert_int_eq(join(&a), NONE);
	ck_assert_int_eq(a.generation, 2);
}
END_TEST

START_TEST(who_falls_silent_is_out)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	join_in_two_steps(&b);
	ask_to_join(&a);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	end_join_question(&a);
	end_join_question(&b);
	pass(9000);
	ck_assert_int_eq(heartbeat(&a), NONE);
	pass(2000);				/* b has said nothing for longer than its session */
	ck_assert_int_eq(heartbeat(&b), UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(heartbeat(&a), REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(join(&a), NONE);
	ck_assert_int_eq(a.generation, 3);
	pass(60000);
	ck_assert_int_eq(group->state, GROUP_EMPTY);
}
END_TEST

/* An id that was handed out and never came back holds the group up no longer than its session. */
START_TEST(who_asked_for_an_id_and_went_away)
{
	struct client a = client_of(NULL), b = client_of(NULL), c = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	ck_assert_int_eq(join(&b), MEMBER_ID_REQUIRED);
	join_in_two_steps(&c);
	ask_to_join(&a);
	ck_assert(!has_joined(&a, &error));
	pass(10001);
	ck_assert(has_joined(&a, &error) && has_joined(&c, &error));
	end_join_question(&a);
	end_join_question(&c);
}
END_TEST

/* An id that was handed out and is not used holds up a rebalance; it is no reason for one. */
START_TEST(an_id_that_is_never_used_troubles_nobody)
{
	struct client a = client_of(NULL), b = client_of(NULL), c = client_of(NULL);
	enum kafka_error error;

	a.session_ms = 100000;
	make_stable(&a);
	ck_assert_int_eq(join(&b), MEMBER_ID_REQUIRED);
	ck_assert_int_eq(leave(b.id, NULL), NONE);
	ck_assert_int_eq(group->state, GROUP_STABLE);
	ck_assert_int_eq(leave(b.id, NULL), UNKNOWN_MEMBER_ID);
	b.id[0] = 0;
	ck_assert_int_eq(join(&b), MEMBER_ID_REQUIRED);
	pass(10001);				/* its session is over */
	ck_assert_int_eq(leave(b.id, NULL), UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(group->state, GROUP_STABLE);
	ck_assert_int_eq(heartbeat(&a), NONE);

	b.id[0] = 0;
	ck_assert_int_eq(join(&b), MEMBER_ID_REQUIRED);
	join_in_two_steps(&c);
	ask_to_join(&a);
	ck_assert(!has_joined(&a, &error));
	ck_assert_int_eq(leave(b.id, NULL), NONE);
	ck_assert(has_joined(&a, &error) && has_joined(&c, &error));
	end_join_question(&a);
	end_join_question(&c);
	ck_assert_int_eq(join(&b), UNKNOWN_MEMBER_ID);
	b.id[0] = 0;
	ck_assert_int_eq(join(&b), MEMBER_ID_REQUIRED);
	pass(9000);
	ck_assert_int_eq(heartbeat(&c), NONE);
	pass(1001);				/* also while the leader assigns */
	ck_assert_int_eq(group->state, GROUP_COMPLETING);
	ck_assert_int_eq(group->generation, 2);
}
END_TEST

START_TEST(who_does_not_join_again_in_time_is_out)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	a.session_ms = 100000;
	make_stable(&a);
	join_in_two_steps(&b);
	pass(19999);
	ck_assert(!has_joined(&b, &error));
	pass(2);
	ck_assert(has_joined(&b, &error));
	ck_assert(slice_eq_str(b.join.leader, b.id));
	ck_assert_int_eq(heartbeat(&a), UNKNOWN_MEMBER_ID);
	end_join_question(&b);
	pass(19999);				/* nor does it sync */
	ck_assert_int_eq(group->state, GROUP_EMPTY);
}
END_TEST

START_TEST(the_first_wait_goes_on_while_members_come)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	config.group_initial_rebalance_delay_ms = 3000;
	join_in_two_steps(&a);
	pass(2000);
	join_in_two_steps(&b);
	pass(1500);
	ck_assert(!has_joined(&a, &error));	/* b came within the wait */
	pass(3000);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	ck_assert_int_eq(a.generation, 1);
	end_join_question(&a);
	end_join_question(&b);
}
END_TEST

START_TEST(a_static_member_returns_without_a_rebalance)
{
	struct client a = client_of("i1"), again = client_of("i1");
	enum kafka_error error;
	char old_id[128];

	make_stable(&a);
	snprintf(old_id, sizeof(old_id), "%s", a.id);
	ck_assert_int_eq(strncmp(a.id, "i1-", 3), 0);
	ask_to_join(&again);
	ck_assert(!has_joined(&again, &error));		/* the next coordinator must know its new id, too */
	store_is_home(NONE);
	ck_assert(has_joined(&again, &error));
	end_join_question(&again);
	ck_assert_int_eq(error, NONE);
	ck_assert_int_eq(again.generation, 1);
	ck_assert_str_ne(again.id, old_id);
	ck_assert_int_eq(group->state, GROUP_STABLE);
	ck_assert(again.join.skips_assignment);
	ck_assert_int_eq(stores, 2);		/* the new id is stored */
	ck_assert_int_eq(heartbeat(&a), FENCED_INSTANCE_ID);
	ck_assert_int_eq(heartbeat(&again), NONE);
	ask_to_sync(&again, false);
	ck_assert_int_eq(again.sync_answers, 1);
	ck_assert(slice_eq_str(again.sync.assignment, "a"));	/* what its predecessor had */
	end_sync_question(&again);
	ck_assert_int_eq(leave("", "i1"), NONE);		/* as an operator does */
	ck_assert_int_eq(group->state, GROUP_EMPTY);
}
END_TEST

START_TEST(a_static_member_whose_return_cannot_be_stored)
{
	struct client a = client_of("i1"), again = client_of("i1");
	enum kafka_error error;

	make_stable(&a);
	ask_to_join(&again);
	ck_assert_int_eq(heartbeat(&a), FENCED_INSTANCE_ID);
	store_is_home(NOT_ENOUGH_REPLICAS);
	ck_assert(has_joined(&again, &error));
	end_join_question(&again);
	ck_assert_int_eq(error, COORDINATOR_NOT_AVAILABLE);
	ck_assert_int_eq(heartbeat(&a), NONE);			/* it is who it was */
	ck_assert(slice_eq_str(slice_str(group->leader_id), a.id));
}
END_TEST

START_TEST(a_rebalance_takes_a_returning_member_along)
{
	struct client a = client_of("i1"), again = client_of("i1"), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	ask_to_join(&again);
	join_in_two_steps(&b);			/* before the new id is in the log */
	ck_assert(has_joined(&again, &error) && has_joined(&b, &error));
	ck_assert_int_eq(again.generation, 2);
	ck_assert_int_eq(b.generation, 2);
	end_join_question(&again);
	end_join_question(&b);
	store_is_home(NONE);			/* which nobody waits for any more */
	ck_assert_int_eq(group->state, GROUP_COMPLETING);
	ask_to_sync(&again, true);
	store_is_home(NONE);
	ck_assert_int_eq(again.sync_answers, 1);
	end_sync_question(&again);
	ck_assert_int_eq(group->state, GROUP_STABLE);
}
END_TEST

START_TEST(who_is_not_assigned_anything_has_nothing)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	join_in_two_steps(&b);
	ask_to_join(&a);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	end_join_question(&a);
	end_join_question(&b);
	ask_to_sync(&b, false);
	ask_to_sync(&a, false);			/* the leader assigns nothing to anybody; the generation before it had "a" */
	store_is_home(NONE);
	ck_assert_int_eq(a.sync_answers, 1);
	ck_assert_uint_eq(a.sync.assignment.len, 0);
	end_sync_question(&a);
	end_sync_question(&b);
}
END_TEST

START_TEST(an_id_too_long_to_be_written)
{
	static char name[32767 - 35];		/* and a byte of its end: with "-" and a uuid one too many */
	struct client a = client_of(name);

	memset(name, 'x', sizeof(name) - 1);
	ck_assert_int_eq(join(&a), UNKNOWN_SERVER_ERROR);
	ck_assert_uint_eq(map_count(&group->members), 0);
}
END_TEST

START_TEST(a_join_that_is_repeated)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	join_in_two_steps(&b);
	ask_to_join(&a);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	end_join_question(&a);
	end_join_question(&b);
	ck_assert_int_eq(join(&b), NONE);	/* completing: the same answer again */
	ck_assert_int_eq(b.generation, 2);
	ask_to_sync(&a, true);
	store_is_home(NONE);
	end_sync_question(&a);
	ck_assert_int_eq(join(&b), NONE);	/* stable, and it wants what it wanted */
	ck_assert_int_eq(group->state, GROUP_STABLE);
	b.subscription = ANOTHER;
	ask_to_join(&b);
	ck_assert(!has_joined(&b, &error));	/* it wants something else */
	ck_assert_int_eq(group->state, GROUP_PREPARING);
	ask_to_join(&a);
	ck_assert(has_joined(&a, &error) && has_joined(&b, &error));
	end_join_question(&a);
	end_join_question(&b);
}
END_TEST

START_TEST(a_full_group)
{
	struct client a = client_of(NULL), b = client_of(NULL);

	config.group_max_size = 1;
	make_stable(&a);
	ck_assert_int_eq(join(&b), GROUP_MAX_SIZE_REACHED);
	ck_assert_int_eq(heartbeat(&a), NONE);
	b.id[0] = 'x';
	ck_assert_int_eq(join(&b), GROUP_MAX_SIZE_REACHED);
}
END_TEST

START_TEST(protocols_that_do_not_fit)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	enum kafka_error error;

	make_stable(&a);
	ask_to_join(&b);
	ck_assert(has_joined(&b, &error));
	end_join_question(&b);
	b.join.protocol_type = SLICE_LIT("connect");
	b.join_answers = 0;
	arena_init(&b.join.arena, 1 << 20);
	group_on_join(group, &b.join, now);
	ck_assert_int_eq(b.join.q.error, INCONSISTENT_GROUP_PROTOCOL);
	arena_fini(&b.join.arena);
	b.join_answers = 0;
	b.join.protocol_type = SLICE_LIT("consumer");
	b.protocols[0].name = SLICE_LIT("sticky");
	arena_init(&b.join.arena, 1 << 20);
	group_on_join(group, &b.join, now);
	ck_assert_int_eq(b.join.q.error, INCONSISTENT_GROUP_PROTOCOL);
	arena_fini(&b.join.arena);
}
END_TEST

START_TEST(more_protocols_than_fit_any_group)
{
	struct group_protocol many[PROTOCOLS_MAX + 1];
	struct group_join j = {
		.caller = { .group = SLICE_LIT("g"), .member_id = SLICE_EMPTY, .instance_id = SLICE_NULL }, .protocol_type = SLICE_LIT("x"), .protocols = many,
	};

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		many[i] = (struct group_protocol){ SLICE_LIT("p"), SLICE_EMPTY };
	j.protocol_count = PROTOCOLS_MAX;
	ck_assert(group_supports(group, &j));
	j.protocol_count++;
	ck_assert(!group_supports(group, &j));
}
END_TEST

/* A leader of another make need not survive what no consumer writes. */
START_TEST(metadata_that_cannot_be_read)
{
	static const char *const bad[] = { "", "\0", "\0\0\0\0\0\1", "\xff\xff\0\0\0\0\xff\xff\xff\xff", "\0\0\0\0\0\1\0\1t\xff\xff\xff\xfe",
		"\0\0\0\0\0\1\0\2\xff\xfe\0\0\0\0", "\0\1\0\0\0\1\0\1t\x80\0\0\0\0\0\0\0" };
	static const size_t sizes[] = { 0, 1, 6, 10, 13, 14, 17 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct client a = client_of(NULL);

		a.subscription = slice_of(bad[i], sizes[i]);
		ck_assert_int_eq(join(&a), INCONSISTENT_GROUP_PROTOCOL);
	}
	struct client named = client_of(NULL);

	named.subscription = slice_of("\0\0\0\0\0\1\0\6\xc3\xa9\xef\xbf\xbdt\xff\xff\xff\xff", 18);	/* an accent, and a replacement that is meant */
	ck_assert_int_ne(join(&named), INCONSISTENT_GROUP_PROTOCOL);
}
END_TEST

/* Most members want it, among those that all can. */
START_TEST(the_protocol_is_voted_for)
{
	static const struct { const char *first, *second; } wants[] = { { "a", "range" }, { "range", "b" }, { "b", "range" } };

	for (int i = 0; i < 3; i++) {
		struct group_protocol protocols[] = { { slice_str(wants[i].first), SUBSCRIPTION }, { slice_str(wants[i].second), SUBSCRIPTION } };
		struct group_join j = { .client_id = SLICE_LIT("c"), .client_host = SLICE_LIT("/h"), .protocols = protocols, .protocol_count = 2 };
		char id[] = { 'm', (char)('0' + i), 0 };

		group_add_member(group, member_create(&j, slice_str(id)));
		char *vote = group_vote(group);
		ck_assert_str_eq(vote, i == 0 ? "a" : "range");
		free(vote);
	}
}
END_TEST

START_TEST(commits_of_members_and_strangers)
{
	struct client a = client_of(NULL), b = client_of(NULL);
	struct group_caller stranger = { .member_id = SLICE_EMPTY, .generation = -1 };

	ck_assert_int_eq(group_check_commit(group, &stranger, false, now), NONE);	/* an empty group takes offsets from anybody */
	make_stable(&a);
	struct group_caller member = { .member_id = slice_str(a.id), .generation = a.generation };
	ck_assert_int_eq(group_check_commit(group, &stranger, false, now), UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(group_check_commit(group, &member, false, now), NONE);
	member.generation = 7;
	ck_assert_int_eq(group_check_commit(group, &member, false, now), ILLEGAL_GENERATION);
	member.generation = a.generation;
	join_in_two_steps(&b);
	ck_assert_int_eq(group->state, GROUP_PREPARING);
	ck_assert_int_eq(group_check_commit(group, &member, false, now), NONE);	/* what is taken away is committed */
	ask_to_join(&a);
	ck_assert_int_eq(group->state, GROUP_COMPLETING);
	member.generation = 2;
	ck_assert_int_eq(group_check_commit(group, &member, false, now), REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(group_check_commit(group, &member, true, now), NONE);	/* within a transaction no phase is in the way */
	ck_assert_int_eq(group_check_commit(group, &stranger, true, now), NONE);
	member.generation = 1;
	ck_assert_int_eq(group_check_commit(group, &member, true, now), ILLEGAL_GENERATION);
	end_join_question(&a);
	end_join_question(&b);
}
END_TEST

START_TEST(topics_of_members)
{
	struct client a = client_of(NULL);
	struct group_topics t;
	uint8_t zero[4] = { 0 };

	a.subscription = SLICE_LIT("\0\0\0\0\0\2\0\1x\0\2yz\xff\xff\xff\xff");
	make_stable(&a);
	group_topics_init(&t, group);
	ck_assert(group_topics_has(&t, SLICE_LIT("x")) && group_topics_has(&t, SLICE_LIT("yz")));
	ck_assert(!group_topics_has(&t, SLICE_LIT("y")) && !group_topics_has(&t, SLICE_EMPTY));
	group_topics_fini(&t);
	/* of one of them it cannot be told: it may be any */
	struct group_protocol p = { SLICE_LIT("range"), slice_of(zero, sizeof(zero)) };
	struct group_join j = { .client_id = SLICE_LIT("c"), .client_host = SLICE_LIT("/h"), .protocols = &p, .protocol_count = 1 };
	group_add_member(group, member_create(&j, SLICE_LIT("m")));
	group_topics_init(&t, group);
	ck_assert(group_topics_has(&t, SLICE_LIT("y")));
	group_topics_fini(&t);
}
END_TEST

/* --- worlds ----------------------------------------------------------------------------------------------------------------------------- */

#define CLIENTS 6

static uint64_t random_state;

static int draw(int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int)(random_state % (uint64_t)n);
}

struct world {
	struct client clients[CLIENTS];
	int32_t       generation;		/* the highest that anybody was told */
	char          leader[128], protocol[8];	/* of it */
};

static void check_world(struct world *w)
{
	int joining = 0;

	LIST_FOREACH(e, &group->in_order) {
		const struct member *m = LIST_ENTRY(e, struct member, link);

		joining += m->join != NULL;
		ck_assert(m->join == NULL || m->sync == NULL);
		ck_assert_ptr_eq(group_member(group, slice_str(m->id)), m);
	}
	ck_assert_int_eq(joining, group->joining_count);
	ck_assert(group->leader_id != NULL || list_empty(&group->in_order));
	ck_assert(group->state != GROUP_EMPTY || list_empty(&group->in_order));
	ck_assert_int_ge(group->generation, w->generation);
}

/* All of a generation are told the same. Only a leader that is static may get another id in it, by coming back. */
static void learn_generation(struct world *w, const struct client *c)
{
	ck_assert_int_le(c->generation, group->generation);
	if (c->generation == group->generation)		/* else it has gone on since it answered */
		ck_assert(slice_eq_str(c->join.leader, group->leader_id));
	if (c->generation < w->generation)
		return;
	if (c->generation > w->generation) {
		w->generation = c->generation;
		snprintf(w->protocol, sizeof(w->protocol), SLICE_FMT, SLICE_ARG(c->join.protocol));
	} else {
		ck_assert(slice_eq_str(c->join.protocol, w->protocol));
		ck_assert(slice_eq_str(c->join.leader, w->leader) || strncmp(w->leader, "c-", 2) != 0);
	}
	snprintf(w->leader, sizeof(w->leader), SLICE_FMT, SLICE_ARG(c->join.leader));
}

static void learn(struct world *w, struct client *c)
{
	enum kafka_error error;

	if (has_joined(c, &error)) {
		if (error == NONE)
			learn_generation(w, c);
		if (error == UNKNOWN_MEMBER_ID || error == FENCED_INSTANCE_ID)
			c->id[0] = 0;
		end_join_question(c);
	}
	if (c->syncs && c->sync_answers > 0) {
		if (c->sync.q.error == UNKNOWN_MEMBER_ID || c->sync.q.error == FENCED_INSTANCE_ID)
			c->id[0] = 0;
		end_sync_question(c);
	}
}

static void do_something(struct world *w)
{
	struct client *c = &w->clients[draw(CLIENTS)];
	bool is_free = !c->joins && !c->syncs;

	switch (draw(8)) {
	case 0: case 1:
		c->prefers_sticky = draw(2) == 0;
		if (is_free)
			ask_to_join(c);
		break;
	case 2: case 3:
		if (is_free && c->id[0] != 0)
			ask_to_sync(c, group->leader_id != NULL && strcmp(group->leader_id, c->id) == 0);
		break;
	case 4:
		if (c->id[0] != 0)
			(void)heartbeat(c);
		break;
	case 5:
		if (c->id[0] != 0 && draw(3) == 0 && leave(c->id, c->instance_id) == NONE)
			c->id[0] = 0;
		break;
	case 6:
		if (on_the_way_count > 0)
			store_is_home(draw(8) == 0 ? REQUEST_TIMED_OUT : NONE);
		break;
	default:
		pass(draw(4) == 0 ? draw(12000) : draw(500));
		break;
	}
	if (draw(40) == 0)
		c->id[0] = is_free ? 0 : c->id[0];	/* it has started anew */
}

static void live(uint64_t seed)
{
	static const char *const instances[CLIENTS] = { NULL, NULL, NULL, NULL, "one", "two" };
	struct world w = { .generation = 0 };

	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	setup();
	config.group_initial_rebalance_delay_ms = draw(2) * 1000;
	for (int i = 0; i < CLIENTS; i++) {
		w.clients[i] = client_of(instances[i]);
		w.clients[i].is_old = i == 0;
		w.clients[i].offers_sticky = true;
	}
	for (int i = 0; i < 600; i++) {
		do_something(&w);
		for (int k = 0; k < CLIENTS; k++)
			learn(&w, &w.clients[k]);
		check_world(&w);
	}
	/* Nobody says anything any more: all that waits is answered, and in the end nobody is left. */
	for (int i = 0; i < 20; i++) {
		while (on_the_way_count > 0)
			store_is_home(NONE);
		pass(30000);
		for (int k = 0; k < CLIENTS; k++)
			learn(&w, &w.clients[k]);
		check_world(&w);
	}
	for (int k = 0; k < CLIENTS; k++)
		ck_assert_msg(!w.clients[k].joins && !w.clients[k].syncs, "seed %llu: client %d waits for ever", (unsigned long long)seed, k);
	ck_assert_msg(group->state == GROUP_EMPTY, "seed %llu: %s", (unsigned long long)seed, group_state_name(group->state));
	teardown();
}

START_TEST(many_worlds)
{
	for (uint64_t seed = 1; seed <= 300; seed++)
		live(seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("group");
	TCase *t = tcase_create("rules"), *worlds = tcase_create("worlds");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_member_alone);
	tcase_add_test(t, a_second_member_makes_all_join_again);
	tcase_add_test(t, what_cannot_be_stored_is_begun_again);
	tcase_add_test(t, who_falls_silent_is_out);
	tcase_add_test(t, who_asked_for_an_id_and_went_away);
	tcase_add_test(t, an_id_that_is_never_used_troubles_nobody);
	tcase_add_test(t, who_does_not_join_again_in_time_is_out);
	tcase_add_test(t, the_first_wait_goes_on_while_members_come);
	tcase_add_test(t, a_static_member_returns_without_a_rebalance);
	tcase_add_test(t, a_static_member_whose_return_cannot_be_stored);
	tcase_add_test(t, a_rebalance_takes_a_returning_member_along);
	tcase_add_test(t, who_is_not_assigned_anything_has_nothing);
	tcase_add_test(t, an_id_too_long_to_be_written);
	tcase_add_test(t, a_join_that_is_repeated);
	tcase_add_test(t, a_full_group);
	tcase_add_test(t, protocols_that_do_not_fit);
	tcase_add_test(t, more_protocols_than_fit_any_group);
	tcase_add_test(t, metadata_that_cannot_be_read);
	tcase_add_test(t, the_protocol_is_voted_for);
	tcase_add_test(t, commits_of_members_and_strangers);
	tcase_add_test(t, topics_of_members);
	tcase_add_test(worlds, many_worlds);
	tcase_set_timeout(worlds, 120);
	suite_add_tcase(s, t);
	suite_add_tcase(s, worlds);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
