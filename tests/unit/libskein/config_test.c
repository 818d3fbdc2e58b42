/* Properties: every one can be read and set, what cannot be is refused with a sentence, and copies are copies. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "libskein/config.h"

static struct skein_config *config;
static struct skein_error error;
static char value[500];

static void begin(void) { config = skein_config_create(); }
static void end(void) { skein_config_destroy(&config); }

static const char *get(const char *name)
{
	ck_assert_int_eq(skein_config_get(config, name, value, sizeof(value), &error), SKEIN_OK);
	return value;
}

START_TEST(every_property_takes_its_own_value)
{
	int n = 0;

	for (; skein_config_name(n) != NULL; n++) {
		const char *name = skein_config_name(n);

		get(name);
		ck_assert_int_eq(skein_config_set(config, name, value, &error), SKEIN_OK);
		for (int i = 0; i < n; i++)
			ck_assert_str_ne(skein_config_name(i), name);
	}
	ck_assert_int_gt(n, 30);
	ck_assert_ptr_null(skein_config_name(-1));
}
END_TEST

START_TEST(names_that_do_not_exist_name_the_nearest)
{
	ck_assert_int_eq(skein_config_set(config, "linger.msec", "1", &error), SKEIN_NOT_FOUND);
	ck_assert_str_eq(error.text, "there is no property \"linger.msec\"; the nearest is linger.ms");
	ck_assert_int_eq(skein_config_get(config, "group", value, sizeof(value), &error), SKEIN_NOT_FOUND);
	ck_assert_int_eq(error.code, SKEIN_NOT_FOUND);
	ck_assert_int_eq(skein_config_set(config, "", "", NULL), SKEIN_NOT_FOUND);
	ck_assert_int_eq(skein_config_set(config, "ssl.keystore.location", "x", &error), SKEIN_NOT_FOUND);
	ck_assert_str_eq(error.text, "ssl.keystore.location: TLS and SASL are not supported yet");
}
END_TEST

START_TEST(values_that_cannot_be_are_refused)
{
	static const char *const wrong[][2] = {
		{ "linger.ms", "-1" }, { "linger.ms", "1x" }, { "linger.ms", "" }, { "linger.ms", "99999999999999999999" }, { "acks", "2" }, { "acks", "" },
		{ "enable.idempotence", "yes" }, { "compression.type", "zip" }, { "security.protocol", "SSL" }, { "auto.offset.reset", "sometime" },
		{ "partition.assignment.strategy", "best" }, { "partition.assignment.strategy", "" }, { "partition.assignment.strategy", "range,," },
		{ "partition.assignment.strategy", "range,range" }, { "compression.gzip.level", "10" }, { "max.request.size", "10" } };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char before[500];

		strcpy(before, get(wrong[i][0]));
		ck_assert_int_eq(skein_config_set(config, wrong[i][0], wrong[i][1], &error), SKEIN_INVALID);
		ck_assert_msg(strstr(error.text, wrong[i][0]) != NULL && strstr(error.text, "is wanted") != NULL, "%s", error.text);
		ck_assert_str_eq(get(wrong[i][0]), before);
	}
	skein_config_set(config, "acks", "2", &error);
	ck_assert_str_eq(error.text, "acks cannot be \"2\": all, 1 or 0 is wanted");
}
END_TEST

START_TEST(java_s_names_of_assignors)
{
	ck_assert_int_eq(skein_config_set(config, "partition.assignment.strategy",
					  "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, RoundRobinAssignor,sticky", &error), SKEIN_OK);
	ck_assert_str_eq(get("partition.assignment.strategy"), "cooperative-sticky,roundrobin,sticky");
}
END_TEST

START_TEST(weaker_acks_turn_idempotence_off_unless_it_was_asked_for)
{
	ck_assert(config_producer_spec(config).is_idempotent);
	ck_assert_int_eq(skein_config_set(config, "acks", "1", &error), SKEIN_OK);
	ck_assert(!config_producer_spec(config).is_idempotent);
	ck_assert_int_eq(skein_config_set(config, "enable.idempotence", "true", &error), SKEIN_OK);
	ck_assert(config_producer_spec(config).is_idempotent);	/* and is refused when a producer is made */
}
END_TEST

START_TEST(a_copy_is_a_copy)
{
	struct skein_config copy;

	ck_assert_int_eq(skein_config_set(config, "group.id", "first", &error), SKEIN_OK);
	config_copy(&copy, config);
	ck_assert_int_eq(skein_config_set(config, "group.id", "second", &error), SKEIN_OK);
	ck_assert_str_eq(copy.group, "first");
	ck_assert_str_eq(get("group.id"), "second");
	ck_assert_int_eq(skein_config_get(config, "group.id", value, 4, &error), SKEIN_OK);
	ck_assert_str_eq(value, "sec");
	config_fini(&copy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config of the library");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, every_property_takes_its_own_value);
	tcase_add_test(t, names_that_do_not_exist_name_the_nearest);
	tcase_add_test(t, values_that_cannot_be_are_refused);
	tcase_add_test(t, java_s_names_of_assignors);
	tcase_add_test(t, weaker_acks_turn_idempotence_off_unless_it_was_asked_for);
	tcase_add_test(t, a_copy_is_a_copy);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
