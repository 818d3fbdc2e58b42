/* The assignors: what each promises, over random groups; and the orders that Java's have. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/assign.h"

#define TOPICS_MAX  5
#define MEMBERS_MAX 7

struct group {
	struct assign_topic  topics[TOPICS_MAX];
	struct assign_member members[MEMBERS_MAX];
	int32_t              subscriptions[MEMBERS_MAX][TOPICS_MAX];
	int32_t              topic_count, member_count, partition_count;
	int32_t              owner[200];
};

static uint32_t seed;
static int32_t chance(int32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (int32_t)((seed >> 8) % (uint32_t)n);
}

static bool reads(const struct group *g, int32_t m, int32_t topic)
{
	for (int32_t i = 0; i < g->members[m].topic_count; i++) {
		if (g->members[m].topics[i] == topic)
			return true;
	}
	return false;
}

static void group_init(struct group *g, bool is_equal)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	static const char *const ids[] = { "m3", "m1", "m6", "m2", "m5", "m0", "m4" };

	memset(g, 0, sizeof(*g));
	g->topic_count = 1 + chance(TOPICS_MAX);
	g->member_count = 1 + chance(MEMBERS_MAX);
	for (int32_t t = 0; t < g->topic_count; t++)
		g->topics[t] = (struct assign_topic){ .name = slice_str(names[t]), .partition_count = chance(12) };
	for (int32_t m = 0; m < g->member_count; m++) {
		g->members[m] = (struct assign_member){ .id = slice_str(ids[m]), .instance_id = SLICE_NULL, .topics = g->subscriptions[m], .generation = -1 };
		for (int32_t t = 0; t < g->topic_count; t++) {
			if (is_equal || chance(3) > 0)
				g->subscriptions[m][g->members[m].topic_count++] = t;
		}
	}
	g->partition_count = (int32_t)assign_partition_count(g->topics, g->topic_count);
}

static void run(struct group *g, enum assign_strategy s)
{
	assign_partitions(s, g->topics, g->topic_count, g->members, g->member_count, g->owner);
}

/* Every partition that somebody reads has an owner who reads its topic. */
static void check_complete(const struct group *g)
{
	for (int32_t t = 0; t < g->topic_count; t++) {
		for (int32_t p = 0; p < g->topics[t].partition_count; p++) {
			int32_t owner = g->owner[g->topics[t].first + p];
			bool is_read = false;

			for (int32_t m = 0; m < g->member_count; m++)
				is_read |= reads(g, m, t);
			ck_assert_int_eq(owner >= 0, is_read);
			ck_assert(owner < 0 || reads(g, owner, t));
		}
	}
}

static int32_t load(const struct group *g, int32_t m)
{
	int32_t n = 0;

	for (int32_t i = 0; i < g->partition_count; i++)
		n += g->owner[i] == m;
	return n;
}

static void check_even(const struct group *g)
{
	int32_t least = INT32_MAX, most = 0;

	for (int32_t m = 0; m < g->member_count; m++) {
		int32_t n = load(g, m);

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	ck_assert_int_le(most - least, 1);
}

/* The next generation's claims: what was given in this one. */
static void keep(struct group *g, struct assign_partition owned[MEMBERS_MAX][200], int32_t generation)
{
	for (int32_t m = 0; m < g->member_count; m++) {
		g->members[m].owned = owned[m];
		g->members[m].owned_count = 0;
		g->members[m].generation = generation;
	}
	for (int32_t t = 0; t < g->topic_count; t++) {
		for (int32_t p = 0; p < g->topics[t].partition_count; p++) {
			int32_t m = g->owner[g->topics[t].first + p];

			if (m >= 0)
				owned[m][g->members[m].owned_count++] = (struct assign_partition){ t, p };
		}
	}
}

START_TEST(everything_has_one_owner)
{
	for (seed = (uint32_t)_i; seed < 400000; seed += 100003) {
		for (enum assign_strategy s = ASSIGN_RANGE; s <= ASSIGN_COOPERATIVE; s++) {
			struct group g;
			uint32_t was = seed;

			group_init(&g, false);
			run(&g, s);
			check_complete(&g);
			group_init(&g, true);
			run(&g, s);
			check_complete(&g);
			if (s != ASSIGN_RANGE)
				check_even(&g);
			seed = was;
		}
	}
}
END_TEST

/* A member comes and one goes: nothing moves but what has to. */
START_TEST(sticky_moves_no_more_than_it_must)
{
	static struct assign_partition owned[MEMBERS_MAX][200];
	int32_t before[200];
	struct group g;

	seed = (uint32_t)_i + 1;
	group_init(&g, true);
	run(&g, ASSIGN_STICKY);
	memcpy(before, g.owner, sizeof(before));
	keep(&g, owned, 7);
	run(&g, ASSIGN_STICKY);
	ck_assert_mem_eq(before, g.owner, (size_t)g.partition_count * sizeof(int32_t));
	if (g.member_count == MEMBERS_MAX)
		return;
	g.members[g.member_count] = (struct assign_member){ .id = SLICE_LIT("new"), .instance_id = SLICE_NULL, .topics = g.members[0].topics,
							     .topic_count = g.members[0].topic_count, .generation = -1 };
	g.member_count++;
	run(&g, ASSIGN_STICKY);
	check_complete(&g);
	check_even(&g);
	for (int32_t i = 0; i < g.partition_count; i++)
		ck_assert(g.owner[i] == before[i] || g.owner[i] == g.member_count - 1);
}
END_TEST

/* Two rounds: first who has too much lets go, then the others get it; at no time do two have the same. */
START_TEST(cooperative_gives_nobody_what_another_holds)
{
	static struct assign_partition owned[MEMBERS_MAX][200];
	int32_t before[200];
	struct group g;

	seed = (uint32_t)_i + 1;
	group_init(&g, _i % 2 == 0);
	run(&g, ASSIGN_COOPERATIVE);
	for (int round = 0; round < 4; round++) {
		memcpy(before, g.owner, sizeof(before));
		keep(&g, owned, round);
		if (round == 0 && g.member_count < MEMBERS_MAX) {
			g.members[g.member_count] = (struct assign_member){ .id = SLICE_LIT("new"), .instance_id = SLICE_NULL, .topics = g.members[0].topics,
									     .topic_count = g.members[0].topic_count, .generation = -1 };
			g.member_count++;
		}
		run(&g, ASSIGN_COOPERATIVE);
		for (int32_t i = 0; i < g.partition_count; i++)
			ck_assert(g.owner[i] == before[i] || before[i] < 0 || g.owner[i] < 0);
	}
	check_complete(&g);
	if (_i % 2 == 0)
		check_even(&g);
}
END_TEST

static void two_members(struct group *g, int32_t partitions)
{
	memset(g, 0, sizeof(*g));
	g->topic_count = 1;
	g->member_count = 2;
	g->topics[0] = (struct assign_topic){ .name = SLICE_LIT("t"), .partition_count = partitions };
	for (int32_t m = 0; m < 2; m++)
		g->members[m] = (struct assign_member){ .id = m == 0 ? SLICE_LIT("a") : SLICE_LIT("b"), .instance_id = SLICE_NULL, .topics = g->subscriptions[0],
							 .topic_count = 1, .generation = -1 };
	g->partition_count = partitions;
}

/* Who was away, and believes that he still has what another was given since, is not believed. */
START_TEST(the_later_generation_is_believed)
{
	static const struct assign_partition both[] = { { 0, 0 }, { 0, 1 } }, wrong[] = { { 0, 0 }, { 0, 99 }, { 3, 0 }, { -1, -1 } };
	struct group g;

	two_members(&g, 2);
	g.members[0].owned = wrong;
	g.members[0].owned_count = 4;
	g.members[0].generation = 4;
	g.members[1].owned = both;
	g.members[1].owned_count = 2;
	g.members[1].generation = 5;
	run(&g, ASSIGN_STICKY);
	ck_assert_int_ne(g.owner[0], g.owner[1]);
	run(&g, ASSIGN_COOPERATIVE);
	ck_assert_int_eq(g.owner[0], -1);	/* two say they have it: both let go first */
	ck_assert_int_ne(g.owner[1], 0);
}
END_TEST

/* As Java's order them: static members by instance id, then the others by member id; the first get one more. */
START_TEST(members_have_one_order)
{
	struct group g;

	two_members(&g, 5);
	g.members[1].instance_id = SLICE_LIT("z");
	run(&g, ASSIGN_RANGE);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(g.owner[i], i < 3 ? 1 : 0);
	run(&g, ASSIGN_ROUND_ROBIN);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(g.owner[i], i % 2 == 0 ? 1 : 0);
	g.members[1].instance_id = SLICE_NULL;
	run(&g, ASSIGN_RANGE);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(g.owner[i], i < 3 ? 0 : 1);
	g.member_count = 0;
	run(&g, ASSIGN_STICKY);
	ck_assert_int_eq(g.owner[0], -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("assignors");
	TCase *t = tcase_create("assign");

	tcase_add_loop_test(t, everything_has_one_owner, 0, 20);
	tcase_add_loop_test(t, sticky_moves_no_more_than_it_must, 0, 200);
	tcase_add_loop_test(t, cooperative_gives_nobody_what_another_holds, 0, 200);
	tcase_add_test(t, the_later_generation_is_believed);
	tcase_add_test(t, members_have_one_order);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
