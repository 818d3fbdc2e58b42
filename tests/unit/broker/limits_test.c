/* What a configuration may need of descriptors and threads, and when that is told. */
#include <check.h>
#include <string.h>

#include "base/config_table.h"
#include "broker/limits.h"

static char last[LOG_LINE_MAX + 1];
static int  lines;
static struct log_source source;
static const struct broker_config plain = { .is_alone = true, .max_connections = INT32_MAX, .num_network_threads = 3, .log_dirs.count = 1, .num_replica_fetchers = 100 };

static void catch_line(void *arg UNUSED, enum log_level level UNUSED, const char *line, size_t len)
{
	memcpy(last, line, len - 1);
	last[len - 1] = 0;
	lines++;
}

static void setup(void)
{
	lines = 0;
	log_set_sink(catch_line, NULL);
	log_source_init(&source, "broker", "0");
}

START_TEST(what_is_enough_is_not_mentioned)
{
	struct limits unknown = { .files = 0 }, ample = { .files = 1100 + 300, .threads = 135, .threads_remedy = "raise it" };

	limits_check(&source, &unknown, &plain, 100000);
	limits_check(&source, &ample, &plain, 100);
	ck_assert_int_eq(lines, 0);
	ample.files--;
	limits_check(&source, &ample, &plain, 100);
	ck_assert_int_eq(lines, 1);
	ck_assert_str_eq(last, "WARN broker 0 limit_low what=descriptors limit=1399 wanted=1400 replicas=100 remedy=\"raise LimitNOFILE= of the service (ulimit -Hn)\"");
	ample.files++;
	ample.threads--;
	limits_check(&source, &ample, &plain, 100);
	ck_assert_str_eq(last, "WARN broker 0 limit_low what=threads limit=134 wanted=135 replicas=100 remedy=\"raise it\"");
}
END_TEST

START_TEST(a_start_without_threads_is_told_how_many_there_may_be)
{
	struct limits unknown = { .files = 0 }, few = { .threads = 15, .threads_remedy = "raise it" };
	char problem[200];

	limits_no_thread(&few, &plain, problem, sizeof(problem));
	ck_assert_str_eq(problem, "cannot start a thread: at most 15 are allowed here, and this configuration needs up to 35, and one for each replica: raise it");
	limits_no_thread(&unknown, &plain, problem, sizeof(problem));
	ck_assert_str_eq(problem, "cannot start a thread: the system allows no more; this configuration needs up to 35, and one for each replica");
}
END_TEST

/* Clients may have three quarters: what is left must do for the logs. With a bound on clients there is no such rule. */
START_TEST(logs_need_a_quarter_unless_clients_are_bounded)
{
	struct broker_config bounded = plain;

	bounded.max_connections = 50;
	ck_assert_uint_eq(limits_files_wanted(&plain, 10000), 120000);
	ck_assert_uint_eq(limits_files_wanted(&plain, 0), 1100);
	ck_assert_uint_eq(limits_files_wanted(&bounded, 10000), 30150);
}
END_TEST

START_TEST(threads_are_counted_where_they_exist)
{
	struct broker_config c = plain;

	ck_assert_uint_eq(limits_threads_wanted(&c, 10), 45);
	c.is_alone = false;
	ck_assert_uint_eq(limits_threads_wanted(&c, 10), 145);
	c.is_cleaner_enabled = true;
	c.cleaner_threads = 2;
	c.log_dirs.count = 3;
	c.alter_log_dirs_threads = FIELD_UNSET_INT;
	ck_assert_uint_eq(limits_threads_wanted(&c, 10), 152);
	c.alter_log_dirs_threads = 8;
	ck_assert_uint_eq(limits_threads_wanted(&c, 10), 157);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits");
	TCase *t = tcase_create("limits");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, what_is_enough_is_not_mentioned);
	tcase_add_test(t, logs_need_a_quarter_unless_clients_are_bounded);
	tcase_add_test(t, threads_are_counted_where_they_exist);
	tcase_add_test(t, a_start_without_threads_is_told_how_many_there_may_be);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
