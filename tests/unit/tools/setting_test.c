/* Settings as they are typed: what is sent for them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "setting.h"

static const char *sent(const char *text)
{
	static char copy[200];
	static struct setting s;

	snprintf(copy, sizeof(copy), "%s", text);
	if (!setting_parse(copy, &s))
		return "refused";
	setting_resolve(&s);
	return s.value;
}

START_TEST(durations_and_sizes_where_they_are_meant)
{
	static const char *const table[][2] = {
		{ "retention.ms=7d", "604800000" }, { "retention.ms=1d12h", "129600000" }, { "segment.ms=90s", "90000" }, { "retention.ms=-1", "-1" },
		{ "retention.ms=5", "5" }, { "retention.ms=soon", "soon" }, { "retention.ms=", "" }, { "segment.bytes=1GiB", "1073741824" },
		{ "max.message.bytes=10MB", "10000000" }, { "log.cleaner.dedupe.buffer.size=128MiB", "134217728" }, { "retention.bytes=-1", "-1" },
		{ "segment.bytes=7d", "7d" }, { "log.dirs=1GiB", "1GiB" }, { "log.retention.hours=7d", "7d" }, { "ms=7d", "7d" },
		{ "a=b=c", "b=c" }, { "=x", "refused" }, { "x", "refused" }, { "+=x", "refused" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		ck_assert_str_eq(sent(table[i][0]), table[i][1]);
}
END_TEST

START_TEST(operations)
{
	char set[] = "cleanup.policy=compact", append[] = "cleanup.policy+=compact", subtract[] = "cleanup.policy-=compact";
	struct setting s;

	ck_assert(setting_parse(set, &s) && s.op == ADMIN_SET);
	ck_assert(setting_parse(append, &s) && s.op == ADMIN_APPEND);
	ck_assert_str_eq(s.name, "cleanup.policy");
	ck_assert(setting_parse(subtract, &s) && s.op == ADMIN_SUBTRACT);
	ck_assert_str_eq(s.name, "cleanup.policy");
	ck_assert_str_eq(s.value, "compact");
}
END_TEST

START_TEST(sizes)
{
	static const struct { const char *text; int64_t bytes; } table[] = {
		{ "0", 0 }, { "512", 512 }, { "512B", 512 }, { "1kB", 1000 }, { "1KB", 1000 }, { "1KiB", 1024 }, { "3TiB", INT64_C(3) << 40 },
		{ "9223372036854775807", INT64_MAX } };
	static const char *const wrong[] = { "", "B", "-1", "1k", "1 KiB", "1.5GiB", "1GiBx", "9223372036854775808", "9000000TiB", "99999999999999999999999999B" };
	int64_t n = -1;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		ck_assert_msg(setting_size(table[i].text, &n) && n == table[i].bytes, "%s", table[i].text);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_msg(!setting_size(wrong[i], &n), "%s", wrong[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("settings");
	TCase *t = tcase_create("typed");
	SRunner *r = srunner_create(s);

	tcase_add_test(t, durations_and_sizes_where_they_are_meant);
	tcase_add_test(t, operations);
	tcase_add_test(t, sizes);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
