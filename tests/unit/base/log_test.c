#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "../document.h"

static char    last[LOG_RECORD_MAX + 1];
static int     lines;
static time_ms now;
static struct log_source src;

static void catch_line(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg;
	ck_assert_int_eq(level, LOG_LEVEL_INFO);
	bool is_journal = strncmp(line, "SYSLOG_IDENTIFIER", 17) == 0;
	ck_assert_uint_le(len, is_journal ? LOG_RECORD_MAX : LOG_LINE_MAX);
	ck_assert(len > 0 && line[len - 1] == '\n' && (is_journal || memchr(line, '\n', len - 1) == NULL));
	memcpy(last, line, len - 1);
	last[len - 1] = '\0';
	lines++;
}

static time_ms test_clock(void *arg)
{
	(void)arg;
	return now;
}

static void setup(void)
{
	last[0] = '\0';
	lines = 0;
	now = 86400000LL * 20000 + 12 * 3600000 + 4 * 60000 + 11482;
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(catch_line, NULL);
	log_set_clock(NULL, NULL);
	log_source_init(&src, "partition", "%s/%d", "orders", 3);
}

START_TEST(a_line)
{
	log_set_clock(test_clock, NULL);
	LOG_INFO(&src, broker_started, KV_STR("role", "leader"), KV_I32("leader_epoch", 7), KV_BOOL("clean", true));
	ck_assert_str_eq(last, "12:04:11.482 INFO partition orders/3 broker_started role=leader leader_epoch=7 clean=true");
	log_set_clock(NULL, NULL);
	log_source_init(&src, "broker", "%s", "");
	LOG_INFO(&src, broker_stopped);
	ck_assert_str_eq(last, "INFO broker broker_stopped");
}
END_TEST

START_TEST(values)
{
	LOG_INFO(&src, broker_stopped, KV_ERRNO(99999));
	ck_assert_str_eq(last, "INFO partition orders/3 broker_stopped errno=99999");
	LOG_INFO(&src, broker_started, KV_STR("a", "two words"), KV_STR("b", ""), KV_STR("c", NULL), KV_STR("d", "x=\"y\\\""),
		 KV_I64("e", INT64_MIN), KV_ERRNO(ENOSPC), KV_ERR(ERR_TIMEOUT), KV_SLICE("s", SLICE_LIT("a\0b")));
	ck_assert_str_eq(last, "INFO partition orders/3 broker_started a=\"two words\" b=\"\" c=null d=\"x=\\\"y\\\\\\\"\" "
			 "e=-9223372036854775808 errno=ENOSPC error=\"timed out\" s=\"a\\x00b\"");
}
END_TEST

static const struct { const char *raw, *shown; } texts[] = {
	{ "a\nERROR forged", "\"a\\nERROR forged\"" },
	{ "\x1b[2J", "\"\\x1b[2J\"" },
	{ "\x7f", "\"\\x7f\"" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },		/* good UTF-8 stays */
	{ "\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "\xc2\x9b" "1m", "\\xc2\\x9b1m" },			/* C1 control */
	{ "\xff\xc3", "\\xff\\xc3" },				/* no UTF-8; cut off */
	{ "\xc0\xaf", "\\xc0\\xaf" },				/* overlong */
	{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },			/* surrogate */
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },		/* beyond Unicode */
};

START_TEST(hostile_text_is_escaped)
{
	char want[128];

	LOG_INFO(&src, broker_started, KV_STR("k", texts[_i].raw));
	snprintf(want, sizeof(want), "INFO partition orders/3 broker_started k=%s", texts[_i].shown);
	ck_assert_str_eq(last, want);
	log_source_init(&src, "net", "%s", "evil\nname");
	LOG_INFO(&src, broker_started);
	ck_assert_str_eq(last, "INFO net evil\\nname broker_started");
}
END_TEST

START_TEST(long_lines_are_cut)
{
	char big[3000];

	for (size_t n = 900; n < 1100; n++) {
		memset(big, 'x', n);
		big[n] = '\0';
		LOG_INFO(&src, broker_started, KV_STR("k", big), KV_STR("after", "y"));
		ck_assert_uint_lt(strlen(last), LOG_LINE_MAX);
		bool is_cut = strstr(last, "after=y") == NULL;
		ck_assert(is_cut == (strcmp(last + strlen(last) - 3, "...") == 0));
	}
	ck_assert_ptr_null(strstr(last, "after"));
}
END_TEST

START_TEST(levels)
{
	ck_assert(!log_is_on(LOG_LEVEL_DEBUG));
	ck_assert(log_is_on(LOG_LEVEL_INFO));
	log_set_level(LOG_LEVEL_ERROR);
	uint64_t before = log_event_count(EV_broker_started);
	LOG_INFO(&src, broker_started);
	ck_assert_int_eq(lines, 0);
	ck_assert_uint_eq(log_event_count(EV_broker_started), before);
}
END_TEST

START_TEST(loggers_follow_the_root_until_they_have_a_level)
{
	struct log_source net, stranger;

	log_source_init(&net, "net", "0");
	log_source_init(&stranger, "not a module", "0");
	ck_assert_str_eq(log_logger_name(LOGGER_ROOT), "root");
	ck_assert_str_eq(log_logger_name(LOGGER_net), "net");
	log_logger_set(LOGGER_net, LOG_LEVEL_WARN);
	ck_assert(log_is_on(LOG_LEVEL_INFO));
	ck_assert(!log_passes(&net, LOG_LEVEL_INFO) && log_passes(&net, LOG_LEVEL_WARN));
	ck_assert(log_passes(&src, LOG_LEVEL_INFO) && log_passes(&stranger, LOG_LEVEL_INFO));
	LOG_INFO(&net, broker_started);
	ck_assert_int_eq(lines, 0);

	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(log_logger_level(LOGGER_net), LOG_LEVEL_WARN);
	ck_assert_int_eq(log_logger_level(LOGGER_partition), LOG_LEVEL_ERROR);
	ck_assert(log_is_on(LOG_LEVEL_WARN) && !log_is_on(LOG_LEVEL_INFO) && log_is_on(LOG_LEVEL_ERROR));
	ck_assert(!log_passes(&stranger, LOG_LEVEL_WARN) && log_passes(&stranger, LOG_LEVEL_ERROR));

	log_set_level(LOG_LEVEL_DEBUG);
	log_logger_clear(LOGGER_net);
	ck_assert(log_passes(&net, LOG_LEVEL_DEBUG));
	log_set_level(LOG_LEVEL_INFO);
	ck_assert(!log_passes(&net, LOG_LEVEL_DEBUG) && !log_is_on(LOG_LEVEL_DEBUG));
}
END_TEST

START_TEST(levels_as_one_text)
{
	static const char *const bad[] = { "LOUD", "net=", "=WARN", "nothing=INFO", "INFO,,WARN", "net=WARN;INFO", "info", "net=INFO=WARN" };

	log_levels_set(slice_str(" WARN, net = DEBUG,partition=ERROR"));
	ck_assert_int_eq(log_logger_level(LOGGER_ROOT), LOG_LEVEL_WARN);
	ck_assert_int_eq(log_logger_level(LOGGER_net), LOG_LEVEL_DEBUG);
	ck_assert_int_eq(log_logger_level(LOGGER_partition), LOG_LEVEL_ERROR);
	ck_assert_int_eq(log_logger_level(LOGGER_storage), LOG_LEVEL_WARN);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!log_levels_are_valid(slice_str(bad[i])), "%s", bad[i]);
		log_levels_set(slice_str(bad[i]));
		ck_assert_int_eq(log_logger_level(LOGGER_net), LOG_LEVEL_DEBUG);
	}
	log_levels_set(slice_str("net=ERROR"));		/* who is not named is as he is without a word */
	ck_assert_int_eq(log_logger_level(LOGGER_ROOT), LOG_LEVEL_INFO);
	ck_assert_int_eq(log_logger_level(LOGGER_partition), LOG_LEVEL_INFO);
	ck_assert_int_eq(log_logger_level(LOGGER_net), LOG_LEVEL_ERROR);
	log_levels_set(slice_str(""));
	ck_assert_int_eq(log_logger_level(LOGGER_net), LOG_LEVEL_INFO);
}
END_TEST

START_TEST(forms_for_programs)
{
	log_set_clock(test_clock, NULL);
	log_set_format(LOG_FORMAT_LOGFMT);
	LOG_INFO(&src, broker_started, KV_STR("role", "two words"), KV_BOOL("clean", true), KV_ERR(ERR_TIMEOUT));
	ck_assert_str_eq(last, "time=2024-10-04T12:04:11.482Z level=INFO module=partition subject=orders/3 event=broker_started role=\"two words\" clean=true "
			 "error=\"timed out\"");
	log_set_format(LOG_FORMAT_JSON);
	LOG_INFO(&src, broker_stopped, KV_STR("a", "x\"\\y"), KV_STR("b", NULL), KV_I64("c", -7), KV_BOOL("d", false), KV_ERRNO(ENOSPC), KV_SLICE("e", SLICE_LIT("a\0b\n\xff")));
	ck_assert_str_eq(last, "{\"time\":\"2024-10-04T12:04:11.482Z\",\"level\":\"INFO\",\"module\":\"partition\",\"subject\":\"orders/3\","
			 "\"event\":\"broker_stopped\",\"a\":\"x\\\"\\\\y\",\"b\":null,\"c\":-7,\"d\":false,\"errno\":\"ENOSPC\",\"e\":\"a\\u0000b\\n\\\\xff\"}");
	log_set_clock(NULL, NULL);
	log_source_init(&src, "broker", "%s", "");
	LOG_INFO(&src, broker_stopped);
	ck_assert_str_eq(last, "{\"level\":\"INFO\",\"module\":\"broker\",\"event\":\"broker_stopped\"}");
	log_set_format(LOG_FORMAT_TEXT);
}
END_TEST

START_TEST(for_journald)
{
	char big[2000];

	log_set_clock(test_clock, NULL);
	log_set_format(LOG_FORMAT_JOURNAL);
	LOG_INFO(&src, broker_started, KV_STR("topic", "two\nlines"), KV_I64("log_ms", 7));
	ck_assert_str_eq(last, "SYSLOG_IDENTIFIER=skein\nPRIORITY=6\nMESSAGE=INFO partition orders/3 broker_started topic=\"two\\nlines\" log_ms=7\n"
			 "SKEIN_MODULE=partition\nSKEIN_SUBJECT=orders/3\nSKEIN_EVENT=broker_started\nSKEIN_TOPIC=\"two\\nlines\"\nSKEIN_LOG_MS=7");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	now += 2000;
	LOG_INFO(&src, broker_started, KV_STR("topic", "t"), KV_STR("long", big), KV_I64("after", 1));
	ck_assert_ptr_nonnull(strstr(last, "...\nSKEIN_MODULE="));
	ck_assert_ptr_nonnull(strstr(last, "\nSKEIN_TOPIC=t\n"));
	log_set_format(LOG_FORMAT_TEXT);
}
END_TEST

/* Cut at any place it is still one object: quotes pair, and what is open is closed. */
START_TEST(a_cut_json_line_is_well_formed)
{
	char big[3000];

	log_set_format(LOG_FORMAT_JSON);
	for (size_t n = 850; n < 1050; n++) {
		memset(big, n % 2 == 0 ? 'x' : '"', n / 2);
		memset(big + n / 2, 'y', n - n / 2);
		big[n] = '\0';
		LOG_INFO(&src, broker_started, KV_STR("k", big), KV_I64("number", 1234567890123), KV_STR("after", "z"));
		bool in_string = false, is_well_formed = true;
		for (const char *p = last; *p != 0; p++) {
			if (*p == '\\')
				p++;
			else if (*p == '"')
				in_string = !in_string;
			is_well_formed &= in_string || *p != 'x';
		}
		ck_assert(is_well_formed && !in_string && last[0] == '{' && last[strlen(last) - 1] == '}');
		ck_assert((strstr(last, ",\"after\":\"z\"}") != NULL) == (strstr(last, ",\"cut\":true}") == NULL));
		ck_assert(strstr(last, "\"number\":,") == NULL && strstr(last, "\"number\":}") == NULL);
	}
	ck_assert_ptr_nonnull(strstr(last, ",\"cut\":true}"));
	log_set_format(LOG_FORMAT_TEXT);
}
END_TEST

START_TEST(repeats_are_counted)
{
	struct log_source other;
	uint64_t before = log_event_count(EV_broker_started);

	log_set_clock(test_clock, NULL);
	log_source_init(&other, "partition", "orders/4");
	for (int i = 0; i < 10; i++, now += 10)
		LOG_INFO(&src, broker_started, KV_I32("i", i));
	ck_assert_int_eq(lines, 1);
	ck_assert_uint_eq(log_event_count(EV_broker_started), before + 10);
	LOG_INFO(&other, broker_started);	/* another subject, another event: printed */
	LOG_INFO(&src, broker_stopped);
	ck_assert_int_eq(lines, 3);
	now += 1000;
	LOG_INFO(&src, broker_started);
	ck_assert_int_eq(lines, 4);
	ck_assert_ptr_nonnull(strstr(last, "broker_started repeated=9"));
	now += 1000;
	LOG_INFO(&src, broker_started);
	ck_assert_ptr_null(strstr(last, "repeated"));
	now -= 5000;				/* the wall clock was set back: no silence until it has caught up */
	LOG_INFO(&src, broker_started);
	ck_assert_int_eq(lines, 6);
}
END_TEST

/* The last of a series: nothing comes behind them. */
START_TEST(repeats_with_nothing_behind_them_are_told)
{
	struct log_source other;

	log_set_clock(test_clock, NULL);
	log_source_init(&other, "partition", "orders/4");
	ck_assert_int_eq(log_tell_repeats(false), -1);
	for (int i = 0; i < 10; i++, now += 10)
		LOG_INFO(&src, broker_started, KV_I32("i", i));
	LOG_INFO(&other, broker_stopped);
	ck_assert_int_eq(lines, 2);
	now += 400;
	ck_assert_int_eq(log_tell_repeats(false), LOG_TAIL_MS - 500);
	ck_assert_int_eq(lines, 2);
	now += LOG_TAIL_MS - 500;
	ck_assert_int_eq(log_tell_repeats(false), 100);	/* the other's */
	ck_assert_int_eq(lines, 3);
	ck_assert_ptr_nonnull(strstr(last, " INFO "));
	ck_assert_ptr_nonnull(strstr(last, src.subject));
	ck_assert_ptr_nonnull(strstr(last, " broker_started repeated=9"));
	ck_assert_ptr_null(strstr(last, "i="));
	now += LOG_TAIL_MS;
	ck_assert_int_eq(log_tell_repeats(false), -1);
	ck_assert_int_eq(lines, 3);
	LOG_INFO(&src, broker_started);		/* told is told */
	ck_assert_ptr_null(strstr(last, "repeated"));
	LOG_INFO(&src, broker_started);
	ck_assert_int_eq(lines, 4);
	ck_assert_int_eq(log_tell_repeats(true), LOG_TAIL_MS);	/* at the end no matter when */
	ck_assert_int_eq(lines, 5);
	ck_assert_ptr_nonnull(strstr(last, "broker_started repeated=1"));
}
END_TEST

START_TEST(what_is_named_is_no_repeat)
{
	log_set_clock(test_clock, NULL);
	for (int32_t i = 0; i < 3; i++)
		LOG_INFO(&src, broker_started, KV_STR("topic", "orders"), KV_I32("partition", i), KV_I32("end", i));
	ck_assert_int_eq(lines, 3);
	LOG_INFO(&src, broker_started, KV_SLICE("topic", slice_str("orders")), KV_I32("partition", 2), KV_I32("end", 9));
	ck_assert_int_eq(lines, 3);
	LOG_INFO(&src, broker_started, KV_STR("topic", "payments"), KV_I32("partition", 2));
	ck_assert_int_eq(lines, 4);
	now += 1000;
	LOG_INFO(&src, broker_started, KV_STR("topic", "orders"), KV_I32("partition", 2));
	ck_assert_ptr_nonnull(strstr(last, "partition=2 repeated=1"));
}
END_TEST

START_TEST(every_event_is_named_and_explained)
{
	for (int e = 0; e < EV_COUNT; e++) {
		ck_assert_uint_gt(strlen(log_event_name((enum log_event)e)), 3);
		ck_assert_uint_gt(strlen(log_event_meaning((enum log_event)e)), 10);
	}
}
END_TEST

static const char *const remedies[EV_COUNT] = {
#define R(name, text) [EV_##name] = text,
#include "base/log_remedies.def"
#undef R
};
START_TEST(who_must_act_is_told_what_to_do)
{
	static const char *const levels_shown[] = { "DEBUG", "INFO", "WARN", "ERROR" };
	struct strbuf rows = STRBUF_INIT;

	for (int e = 0; e < EV_COUNT; e++) {
		ck_assert_msg(log_event_level((enum log_event)e) < LOG_LEVEL_WARN || remedies[e] != NULL, "%s has no row in log_remedies.def", log_event_name((enum log_event)e));
		strbuf_printf(&rows, "| `%s` | %s | %s | %s |\n", log_event_name((enum log_event)e), levels_shown[log_event_level((enum log_event)e)], log_event_meaning((enum log_event)e),
		              remedies[e] != NULL ? remedies[e] : "");
	}
	check_document("EVENTS.md", "|---|---|---|---|\n", strbuf_cstr(&rows), "src/base/log_events.def");
	strbuf_fini(&rows);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_line);
	tcase_add_test(tc, values);
	tcase_add_loop_test(tc, hostile_text_is_escaped, 0, (int)ARRAY_LEN(texts));
	tcase_add_test(tc, long_lines_are_cut);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, loggers_follow_the_root_until_they_have_a_level);
	tcase_add_test(tc, levels_as_one_text);
	tcase_add_test(tc, forms_for_programs);
	tcase_add_test(tc, for_journald);
	tcase_add_test(tc, a_cut_json_line_is_well_formed);
	tcase_add_test(tc, repeats_are_counted);
	tcase_add_test(tc, repeats_with_nothing_behind_them_are_told);
	tcase_add_test(tc, what_is_named_is_no_repeat);
	tcase_add_test(tc, every_event_is_named_and_explained);
	tcase_add_test(tc, who_must_act_is_told_what_to_do);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
