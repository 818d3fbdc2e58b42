/*
 * Who pays for changes of topics, from which bucket, and how long he waits.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/mutation_quota.h"

static struct mutation_quotas q;

static void setup(void)    { mutation_quotas_init(&q, 11); }
static void teardown(void) { mutation_quotas_fini(&q); }

/* 0: let through; else the time to wait, negative when it was refused. */
static int32_t charge(const char *user, const char *client, int32_t partitions, mono_ms now, bool is_strict)
{
	struct mutation_payer p = { .user = slice_str(user), .client_id = slice_str(client), .is_strict = is_strict };
	int32_t wait = 0;
	bool ok = mutation_quotas_charge(&q, &p, partitions, now, &wait);

	return ok ? wait : -wait;
}

START_TEST(without_rules_everything_goes)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(charge("u", "c", 100000, i, true), 0);
	ck_assert_uint_eq(map_count(&q.buckets), 0);
}
END_TEST

/* 2 per second, 11 seconds' worth: 22 at first. */
START_TEST(a_strict_client_is_refused_while_it_owes)
{
	mutation_quotas_set(&q, "users/u", "2");
	ck_assert_int_eq(charge("u", "c", 20, 0, true), 0);
	ck_assert_int_eq(charge("u", "c", 10, 0, true), 0);	/* one large request goes below */
	ck_assert_int_eq(charge("u", "c", 1, 0, true), -4000);
	ck_assert_int_eq(charge("u", "c", 1, 1000, true), -3000);	/* a refused one costs nothing */
	ck_assert_int_eq(charge("u", "c", 1, 4000, true), 0);
	ck_assert_int_eq(charge("u", "c", 1, 4000, true), -500);
	ck_assert_int_eq(charge("u", "c", 22, 100000, true), 0);	/* no fuller than full */
	ck_assert_int_eq(charge("u", "c", 1, 100000, true), 0);
	ck_assert_int_eq(charge("u", "c", 1, 100000, true), -500);
}
END_TEST

START_TEST(others_are_only_made_to_wait)
{
	mutation_quotas_set(&q, "users/u", "2");
	ck_assert_int_eq(charge("u", "c", 22, 0, false), 0);
	ck_assert_int_eq(charge("u", "c", 10, 0, false), 5000);
	ck_assert_int_eq(charge("u", "c", 10, 0, false), 10000);
}
END_TEST

/* Each rule is the one that holds, as long as those before it in Kafka's order are not there. */
START_TEST(the_most_specific_rule_holds)
{
	static const char *const order[] = {
		"users/u/clients/c", "users/u/clients/<default>", "users/u", "users/<default>/clients/c", "users/<default>/clients/<default>", "users/<default>",
		"clients/c", "clients/<default>",
	};
	char rate[16];

	for (int i = 0; i < (int)ARRAY_LEN(order); i++) {
		snprintf(rate, sizeof(rate), "%d", 100 + i);
		mutation_quotas_set(&q, order[i], rate);
	}
	for (int i = 0; i < (int)ARRAY_LEN(order); i++) {
		int32_t burst = (100 + i) * 11;

		/* a time at which every bucket is full again */
		ck_assert_int_eq(charge("u", "c", burst + 100 + i, (i + 1) * 1000000, true), 0);
		ck_assert_int_eq(charge("u", "c", 1, (i + 1) * 1000000, true), -1000);
		mutation_quotas_set(&q, order[i], NULL);
	}
	ck_assert_int_eq(charge("u", "c", 100000, 0, true), 0);
	ck_assert_int_eq(charge("u", "c", 1, 0, true), 0);
}
END_TEST

START_TEST(whom_a_rule_counts_for)
{
	mutation_quotas_set(&q, "users/<default>", "1");
	ck_assert_int_eq(charge("a", "x", 12, 0, true), 0);
	ck_assert_int_eq(charge("a", "y", 1, 0, true), -1000);	/* all clients of a user */
	ck_assert_int_eq(charge("b", "x", 11, 0, true), 0);	/* another user */
	mutation_quotas_set(&q, "users/<default>", NULL);
	mutation_quotas_set(&q, "clients/<default>", "1");
	ck_assert_int_eq(charge("a", "x", 12, 0, true), 0);
	ck_assert_int_eq(charge("b", "x", 1, 0, true), -1000);	/* all users of a client */
	ck_assert_int_eq(charge("a", "z", 11, 0, true), 0);
	ck_assert_int_eq(charge("a", "", 10000, 0, true), 0);	/* who has no name is no client */
	ck_assert_int_eq(charge("a", "", 1, 0, true), 0);
	mutation_quotas_set(&q, "users/<default>/clients/<default>", "1");
	ck_assert_int_eq(charge("a", "x", 12, 0, true), 0);
	ck_assert_int_eq(charge("a", "x", 1, 0, true), -1000);
	ck_assert_int_eq(charge("b", "x", 11, 0, true), 0);
	ck_assert_int_eq(charge("a", "y", 11, 0, true), 0);
}
END_TEST

START_TEST(names_as_the_store_spells_them)
{
	mutation_quotas_set(&q, "users/CN%3Dme%2COU%3Dx%20y%2A", "1");
	ck_assert_int_eq(charge("CN=me,OU=x y*", "c", 12, 0, true), 0);
	ck_assert_int_eq(charge("CN=me,OU=x y*", "c", 1, 0, true), -1000);
}
END_TEST

START_TEST(rates_that_are_none)
{
	static const char *const bad[] = { "", "x", "1x", "0", "-1", "nan", "inf", "1e999" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		mutation_quotas_set(&q, "users/u", "1");
		mutation_quotas_set(&q, "users/u", bad[i]);
		ck_assert_int_eq(charge("u", "c", 1000, 0, true), 0);
		ck_assert_int_eq(charge("u", "c", 1, 0, true), 0);
	}
	mutation_quotas_set(&q, "users/u", "0.000001");
	ck_assert_int_eq(charge("u", "c", 1000000, 0, true), 0);
	ck_assert_int_eq(charge("u", "c", 1, 0, true), -INT32_MAX);
}
END_TEST

START_TEST(a_rate_that_changes)
{
	mutation_quotas_set(&q, "users/u", "10");
	ck_assert_int_eq(charge("u", "c", 10, 0, true), 0);	/* 100 left */
	mutation_quotas_set(&q, "users/u", "1");
	ck_assert_int_eq(charge("u", "c", 12, 0, true), 0);	/* no more than 11 of them */
	ck_assert_int_eq(charge("u", "c", 1, 0, true), -1000);
	mutation_quotas_set(&q, "users/u", "4");
	ck_assert_int_eq(charge("u", "c", 1, 0, true), -250);
}
END_TEST

START_TEST(buckets_are_bounded)
{
	char user[32];

	mutation_quotas_set(&q, "users/<default>", "1");
	for (int i = 0; i < MUTATION_BUCKETS_MAX + 500; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		ck_assert_int_eq(charge(user, "c", 100, i, true), 0);
	}
	ck_assert_uint_eq(map_count(&q.buckets), MUTATION_BUCKETS_MAX);
	ck_assert_int_eq(charge(user, "c", 1, MUTATION_BUCKETS_MAX + 499, true), -89000);
	ck_assert_int_eq(charge("late", "c", 1, 10000000, true), 0);	/* all are full again */
	ck_assert_uint_eq(map_count(&q.buckets), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutation quotas");
	TCase *t = tcase_create("quotas");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, without_rules_everything_goes);
	tcase_add_test(t, a_strict_client_is_refused_while_it_owes);
	tcase_add_test(t, others_are_only_made_to_wait);
	tcase_add_test(t, the_most_specific_rule_holds);
	tcase_add_test(t, whom_a_rule_counts_for);
	tcase_add_test(t, names_as_the_store_spells_them);
	tcase_add_test(t, rates_that_are_none);
	tcase_add_test(t, a_rate_that_changes);
	tcase_add_test(t, buckets_are_bounded);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
