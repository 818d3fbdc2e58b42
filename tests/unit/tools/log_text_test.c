/* Names, times, bytes and batches as skein log prints them. */
#include "log.h"

#include <check.h>
#include <stdio.h>

#include "storage/inspect.h"

START_TEST(names)
{
	static const struct { const char *path; int kind; int64_t base; } cases[] = {
		{ "/x/orders-3/00000000000000000042.log", FILE_LOG, 42 }, { "00000000000000000042.index", FILE_INDEX, 42 },
		{ "a/00000000000000000000.timeindex", FILE_TIMEINDEX, 0 }, { "00000000000000000007.txnindex.swap", FILE_TXNINDEX, 7 },
		{ "00000000000000000007.snapshot.deleted", FILE_SNAPSHOT, 7 }, { "00000000000000000007.log.cleaned", FILE_LOG, 7 },
		{ "leader-epoch-checkpoint", FILE_LEADER_EPOCHS, -1 }, { "/d/cleaner-offset-checkpoint", FILE_CHECKPOINT, -1 },
		{ "log-start-offset-checkpoint.tmp", FILE_CHECKPOINT, -1 }, { "partition.metadata", FILE_PARTITION_METADATA, -1 },
		{ "meta.properties", FILE_META_PROPERTIES, -1 },
		{ "42.log", FILE_UNKNOWN, -1 }, { "00000000000000000042.logs", FILE_UNKNOWN, 42 }, { "", FILE_UNKNOWN, -1 }, { "/", FILE_UNKNOWN, -1 },
		{ "99999999999999999999.log", FILE_UNKNOWN, -1 }, { ".log", FILE_UNKNOWN, -1 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct log_file_name n;

		log_file_name(cases[i].path, &n);
		ck_assert_msg((int)n.kind == cases[i].kind, "%s: %d", cases[i].path, n.kind);
		ck_assert_msg(n.base_offset == cases[i].base, "%s: %lld", cases[i].path, (long long)n.base_offset);
		ck_assert_int_eq(n.partition, -1);	/* none of these is there */
	}
}
END_TEST

static void assert_time(time_ms t, const char *want)
{
	struct strbuf out = STRBUF_INIT;

	log_add_time(&out, t);
	ck_assert_str_eq(strbuf_cstr(&out), want);
	strbuf_fini(&out);
}

START_TEST(times)
{
	assert_time(0, "1970-01-01T00:00:00.000Z");
	assert_time(1700000000123, "2023-11-14T22:13:20.123Z");
	assert_time(-1, "none");
	assert_time(-2, "-2");
	assert_time(INT64_MAX, "292278994-08-17T07:12:55.807Z");
	assert_time(INT64_MIN, "-9223372036854775808");
}
END_TEST

static void assert_bytes(const char *bytes, size_t len, size_t max, const char *want)
{
	struct strbuf out = STRBUF_INIT;

	log_add_bytes(&out, bytes != NULL ? slice_of(bytes, len) : SLICE_NULL, max);
	ck_assert_str_eq(strbuf_cstr(&out), want);
	strbuf_fini(&out);
}

START_TEST(bytes)
{
	assert_bytes(NULL, 0, 10, "null");
	assert_bytes("", 0, 10, "\"\"");
	assert_bytes("a\"b\\\n\t\r", 7, 10, "\"a\\\"b\\\\\\n\\t\\r\"");
	assert_bytes("\0\x1b[31m\x7f\xff", 8, 10, "\"\\x00\\x1b[31m\\x7f\\xff\"");
	assert_bytes("abcdef", 6, 3, "\"abc\"... (6 bytes)");
}
END_TEST

START_TEST(findings)
{
	struct inspect_finding f = { .weight = INSPECT_DAMAGE, .file = "a\x1b.log", .what = "\"w\"", .then = "t" };
	struct strbuf out = STRBUF_INIT;

	log_add_finding(&out, "d", &f);
	ck_assert_str_eq(strbuf_cstr(&out), "d/a\\x1b.log: \"w\"; t");
	strbuf_reset(&out);
	f.has_pos = f.has_offset = true;
	f.file_pos = 7;
	f.offset = 9;
	f.size = 5;
	f.weight = INSPECT_NOTE;
	f.then = "";
	log_add_finding(&out, "d", &f);
	ck_assert_str_eq(strbuf_cstr(&out), "d/a\\x1b.log at 7 (offset 9): note: \"w\"");
	strbuf_reset(&out);
	log_json_finding(&out, "d", &f);
	ck_assert_str_eq(strbuf_cstr(&out), "{\"dir\":\"d\",\"file\":\"a\\u001b.log\",\"position\":7,\"size\":5,\"offset\":9,\"note\":\"\\\"w\\\"\",\"then\":\"\"}");
	strbuf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log_text");
	TCase *t = tcase_create("log_text");

	tcase_add_test(t, names);
	tcase_add_test(t, times);
	tcase_add_test(t, bytes);
	tcase_add_test(t, findings);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
