#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/cluster.h"

static struct cluster_topic *topic(const char *name, uint8_t id, int32_t leader)
{
	int32_t replicas[2] = { leader, leader + 1 };
	struct cluster_partition_spec p[2] = {
		{ .id = 0, .leader = leader, .replicas = replicas, .replica_count = 2, .isr = replicas, .isr_count = 1 },
		{ .id = 1, .leader = leader, .replicas = replicas, .replica_count = 1, .isr = replicas, .isr_count = 1 },
	};
	struct topic_config config = { .segment_bytes = 7 };
	struct uuid uuid = { .bytes = { id, 1 } };
	struct cluster_overrides *none = cluster_overrides_create(NULL, 0);
	struct cluster_topic *t = cluster_topic_create(name, id != 0 ? uuid : (struct uuid){ { 0 } }, &config, none, p, 2);

	counted_unref(&none->counted);
	return t;
}

START_TEST(next_picture_leaves_the_old_one)
{
	struct cluster *a = cluster_create("id", 0);
	cluster_put_topic(a, topic("orders", 1, 5));
	struct cluster *b = cluster_next(a);
	cluster_put_topic(b, topic("orders", 2, 6));
	cluster_put_topic(b, topic("clicks", 3, 6));

	ck_assert_int_eq(cluster_topic(a, SLICE_LIT("orders"))->partitions[0].leader, 5);
	ck_assert_int_eq(cluster_topic(b, SLICE_LIT("orders"))->partitions[0].leader, 6);
	ck_assert_ptr_null(cluster_topic(a, SLICE_LIT("clicks")));
	ck_assert_int_eq(a->topic_count, 1);
	ck_assert_int_eq(b->topic_count, 2);
	struct uuid old = { .bytes = { 1, 1 } }, new = { .bytes = { 2, 1 } };
	ck_assert_ptr_nonnull(cluster_topic_by_id(a, old));
	ck_assert_ptr_null(cluster_topic_by_id(b, old));
	ck_assert_ptr_eq(cluster_topic_by_id(b, new), cluster_topic(b, SLICE_LIT("orders")));
	cluster_unref(&a);
	ck_assert_int_eq(cluster_topic_partition(cluster_topic(b, SLICE_LIT("clicks")), 1)->replicas[0], 6);
	ck_assert_ptr_null(cluster_topic_partition(cluster_topic(b, SLICE_LIT("clicks")), 2));
	cluster_unref(&b);
}
END_TEST

static void count_topic(void *arg, const struct cluster_topic *t)
{
	(void)t;
	++*(int *)arg;
}

START_TEST(many_topics_one_by_one)
{
	struct cluster *c = cluster_create("id", 0);
	char name[32];

	for (int i = 0; i < 3000; i++) {
		struct cluster *next = cluster_next(c);
		snprintf(name, sizeof(name), "topic-%d", i);
		cluster_put_topic(next, topic(name, (uint8_t)(i % 255 + 1), i));
		cluster_unref(&c);
		c = next;
	}
	for (int i = 0; i < 3000; i += 2) {
		snprintf(name, sizeof(name), "topic-%d", i);
		cluster_remove_topic(c, slice_str(name));
	}
	int n = 0;
	cluster_each_topic(c, count_topic, &n);
	ck_assert_int_eq(n, 1500);
	ck_assert_int_eq(c->topic_count, 1500);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "topic-%d", i);
		ck_assert_int_eq(cluster_topic(c, slice_str(name)) != NULL, i % 2);
	}
	cluster_unref(&c);
}
END_TEST

START_TEST(names_follow_kafkas_rules)
{
	char buf[512], longest[251];

	memset(longest, 'a', sizeof(longest));
	ck_assert_ptr_null(topic_name_problem(SLICE_LIT("a.b_c-9"), buf, sizeof(buf)));
	ck_assert_ptr_null(topic_name_problem(slice_of(longest, 249), buf, sizeof(buf)));
	ck_assert_ptr_nonnull(topic_name_problem(slice_of(longest, 250), buf, sizeof(buf)));
	ck_assert_ptr_nonnull(topic_name_problem(SLICE_LIT(""), buf, sizeof(buf)));
	ck_assert_ptr_nonnull(topic_name_problem(SLICE_LIT(".."), buf, sizeof(buf)));
	ck_assert_ptr_nonnull(topic_name_problem(SLICE_LIT("a b"), buf, sizeof(buf)));
	ck_assert_ptr_nonnull(topic_name_problem(slice_of("a\0b", 3), buf, sizeof(buf)));
	ck_assert(topic_names_collide(SLICE_LIT("a.b"), SLICE_LIT("a_b")));
	ck_assert(!topic_names_collide(SLICE_LIT("a.b"), SLICE_LIT("a-b")));
	ck_assert(topic_is_internal(SLICE_LIT("__consumer_offsets")));
}
END_TEST

/* Numbers from Java: Math.abs("...".hashCode()) % 50, with 0 for the hash that has no absolute value. */
START_TEST(keys_have_kafkas_partition)
{
	static const struct { const char *key; int32_t partition; } known[] = {
		{ "", 0 }, { "a", 47 }, { "test", 48 }, { "my-group", 12 }, { "group1", 40 }, { "console-consumer-12345", 6 },
		{ "\xf0\x9f\x98\x80", 49 }, { "polygenelubricants", 0 },
	};
	static const char *const not_utf8[] = { "\x80", "\xc0", "\xff", "\xc3" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		ck_assert_int_eq(cluster_coordinator_partition(slice_str(known[i].key), 50), known[i].partition);
	ck_assert_int_eq(cluster_coordinator_partition(SLICE_LIT("test"), 1), 0);
	/* each reads as U+FFFD, as does the text that really holds it */
	for (size_t i = 0; i < ARRAY_LEN(not_utf8); i++)
		ck_assert_int_eq(cluster_coordinator_partition(slice_str(not_utf8[i]), 50), cluster_coordinator_partition(SLICE_LIT("\xef\xbf\xbd"), 50));
	ck_assert_int_eq(cluster_coordinator_partition(SLICE_LIT("\xef\xbf\xbd"), 50), 0xfffd % 50);
}
END_TEST

START_TEST(overrides_are_sorted_and_last_wins)
{
	struct cluster_override in[] = { { "retention.ms", "1" }, { "cleanup.policy", "compact" }, { "retention.ms", "2" } };
	struct cluster_overrides *o = cluster_overrides_create(in, 3);

	ck_assert_int_eq(o->count, 2);
	ck_assert_str_eq(o->pairs[0].name, "cleanup.policy");
	ck_assert_str_eq(cluster_overrides_get(o, "retention.ms"), "2");
	ck_assert_ptr_null(cluster_overrides_get(o, "segment.ms"));
	counted_unref(&o->counted);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cluster");
	TCase *t = tcase_create("cluster");

	tcase_add_test(t, next_picture_leaves_the_old_one);
	tcase_add_test(t, many_topics_one_by_one);
	tcase_add_test(t, names_follow_kafkas_rules);
	tcase_add_test(t, keys_have_kafkas_partition);
	tcase_add_test(t, overrides_are_sorted_and_last_wins);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
