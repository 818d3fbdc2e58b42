/* What skein consume is made of: where the last N records begin, which records pass, how they are printed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/build.h"
#include "record_filter.h"
#include "record_print.h"
#include "tail.h"
#include "value.h"

/* ---- tail: against logs with gaps, of which some records count ---- */

enum { LOG_MAX = 3000 };

struct log {
	int64_t first, end;
	char    at[LOG_MAX];		/* by offset: ' ' a gap, '-' does not count, '+' counts */
};

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void draw(struct log *l, uint32_t *seed)
{
	uint32_t gaps = next(seed) % 101, counts = next(seed) % 3 == 0 ? next(seed) % 3 : next(seed) % 101;

	l->first = next(seed) % 100;
	l->end = l->first + next(seed) % (LOG_MAX - 100);
	for (int64_t i = 0; i < LOG_MAX; i++)
		l->at[i] = next(seed) % 100 < gaps ? ' ' : next(seed) % 100 < counts ? '+' : '-';
}

/* As a consumer does: from t->from on, until the tail says that it is over, or the log ends. */
static int64_t search(const struct log *l, int64_t n, int64_t *looked_at)
{
	struct tail t;
	int64_t place;

	tail_init(&t, n, l->first, l->end);
	*looked_at = 0;
	for (int windows = 0; n > 0; windows++) {
		ck_assert_int_lt(windows, 30);
		for (int64_t i = t.from; i < l->end + 50; i++) {	/* records come in meanwhile */
			if (l->at[i] == ' ')
				continue;
			(*looked_at)++;
			if (tail_record(&t, i, l->at[i] == '+'))
				break;
		}
		if (!tail_turn(&t))
			break;
	}
	place = t.from;
	tail_fini(&t);
	return place;
}

START_TEST(the_tail_begins_at_the_nth_record_from_the_end)
{
	uint32_t seed = (uint32_t)_i + 1;
	struct log l;

	for (int k = 0; k < 40; k++) {
		int64_t n, place, left = 0, looked_at, there = 0;
		draw(&l, &seed);
		n = next(&seed) % 4 == 0 ? next(&seed) % 2000 : next(&seed) % 20;
		place = search(&l, n, &looked_at);
		for (int64_t i = l.first; i < l.end; i++)
			there += l.at[i] == '+';
		for (int64_t i = place; i < l.end; i++)
			left += l.at[i] == '+';
		ck_assert_msg(place >= l.first && place <= l.end, "seed %d round %d: %lld", _i + 1, k, (long long)place);
		ck_assert_msg(left == MIN(n, there), "seed %d round %d: %lld records from %lld on, of %lld", _i + 1, k, (long long)left, (long long)place, (long long)n);
		ck_assert_msg(left == 0 || l.at[place] == '+', "seed %d round %d: begins before its first record", _i + 1, k);
		ck_assert_int_le(looked_at, l.end - l.first + 2 * 30 + 50);
	}
}
END_TEST

/* ---- filters ---- */

START_TEST(patterns)
{
	static const struct { const char *pattern, *text; bool matches; } cases[] = {
		{ "", "", true }, { "", "a", false }, { "a", "a", true }, { "a", "ab", false }, { "*", "", true }, { "*", "abc", true }, { "a*", "abc", true },
		{ "*c", "abc", true }, { "*c", "abd", false }, { "a*c", "ac", true }, { "a*b*c", "axbxbxc", true }, { "a*b*c", "axcxb", false },
		{ "a?c", "abc", true }, { "a?c", "ac", false }, { "?", "", false }, { "\\*", "*", true }, { "\\*", "a", false }, { "\\?", "a", false },
		{ "a\\", "a\\", true }, { "\\\\", "\\", true }, { "**", "x", true }, { "*?*", "", false }, { "*aab", "aaaab", true } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(filter_matches(cases[i].pattern, slice_str(cases[i].text)) == cases[i].matches, "\"%s\" on \"%s\"", cases[i].pattern, cases[i].text);
	ck_assert(!filter_matches("*", SLICE_NULL));
	ck_assert(filter_matches("a?b", SLICE_LIT("a\0b")));
	ck_assert(filter_matches("a*\xff", SLICE_LIT("a\0\0\xff")));
}
END_TEST

/* A record's headers as they stand in a batch: count, then lengths and bytes. Short ones: a length is one zigzag byte. */
static void add_header(struct strbuf *out, struct slice key, struct slice value)
{
	strbuf_add_char(out, (char)(key.len * 2));
	strbuf_add_slice(out, key);
	strbuf_add_char(out, slice_is_null(value) ? 1 : (char)(value.len * 2));
	strbuf_add_slice(out, value);
}

START_TEST(filters)
{
	struct record_filter f = { .key = NULL };
	struct strbuf headers = STRBUF_INIT;
	char odd[] = "odd=1", any[] = "n", none[] = "=x", empty[] = "", wrong[] = "odd=2", null_value[] = "n=*", error[100] = "";
	struct record r = { .key = SLICE_LIT("k\0" "1"), .value = SLICE_LIT("one\0two"), .header_count = 2 };

	add_header(&headers, SLICE_LIT("odd"), SLICE_LIT("1"));
	add_header(&headers, SLICE_LIT("n"), SLICE_NULL);
	r.headers = strbuf_slice(&headers);
	ck_assert(record_filter_passes(&f, &r));
	f.key = "k?1";
	ck_assert(record_filter_header(&f, odd) && record_filter_header(&f, any));
	ck_assert(record_filter_value(&f, "^one", error));
	ck_assert(record_filter_passes(&f, &r));
	ck_assert(record_filter_value(&f, "two$", error));
	ck_assert(record_filter_passes(&f, &r));
	ck_assert(record_filter_header(&f, null_value));
	ck_assert(!record_filter_passes(&f, &r));
	f.header_count = 0;
	ck_assert(record_filter_header(&f, wrong) && !record_filter_passes(&f, &r));
	f.header_count = 0;
	ck_assert(!record_filter_header(&f, none) && !record_filter_header(&f, empty));
	r.value = SLICE_NULL;
	ck_assert(!record_filter_passes(&f, &r));
	ck_assert(!record_filter_value(&f, "(", error) && error[0] != '\0');
	record_filter_fini(&f);
	strbuf_fini(&headers);
}
END_TEST

/* ---- printing ---- */

static void check_print(struct record_print *p, const struct consumer_event *e, struct slice expected)
{
	struct strbuf out = STRBUF_INIT;

	record_print_add(&out, p, e, true);
	ck_assert_msg(slice_eq(strbuf_slice(&out), expected), "%s", strbuf_cstr(&out));
	strbuf_fini(&out);
}

START_TEST(printing)
{
	struct record_print p = RECORD_PRINT_INIT;
	struct consumer_event e = { .topic = "t", .partition = 3, .offset = 7, .leader_epoch = 2,
				    .record = { .key = SLICE_LIT("k"), .value = SLICE_LIT("a\nb"), .timestamp = 1700000000250 } };
	char error[100];

	check_print(&p, &e, SLICE_LIT("a\nb\n"));
	strbuf_add_str(&p.key_separator, ":");
	check_print(&p, &e, SLICE_LIT("k:a\nb\n"));
	ck_assert(record_print_set(&p, "wide", error));
	p.place_width = 5;
	check_print(&p, &e, SLICE_LIT("t/3           7  2023-11-14T22:13:20.250Z  k  a\\nb\n"));
	e.record.key = SLICE_NULL;
	e.record.value = SLICE_EMPTY;
	e.record.timestamp = -1;
	check_print(&p, &e, SLICE_LIT("t/3           7  -1  null  \"\"\n"));
	e.record.timestamp = INT64_MAX;
	check_print(&p, &e, SLICE_LIT("t/3           7  9223372036854775807  null  \"\"\n"));
	ck_assert(record_print_set(&p, "%t/%p@%o/%e %k=%v %K,%S %H %h%%\\0", error));
	check_print(&p, &e, SLICE_LIT("t/3@7/2 = -1,0 0 %\0"));
	ck_assert(!record_print_set(&p, "%", error) && !record_print_set(&p, "%x", error) && !record_print_set(&p, "", error));
	ck_assert(!record_print_set_format(&p, "\\xg0", error));
	ck_assert(record_print_set_format(&p, "", error));
	check_print(&p, &e, SLICE_EMPTY);
	e.is_control = true;
	e.producer_id = 9;
	e.record.key = SLICE_LIT("\0\0\0\1");
	e.record.value = SLICE_LIT("\0\0\0\0\0\5");
	ck_assert(record_print_set_format(&p, "%s", error));
	check_print(&p, &e, SLICE_LIT("commit of producer 9, epoch 0, coordinator epoch 5"));
	e.record.key = SLICE_LIT("\0\0");
	check_print(&p, &e, SLICE_LIT("control record of type -1"));
	record_print_fini(&p);
}
END_TEST

START_TEST(durations)
{
	static const struct { const char *text; int64_t ms; } good[] = {
		{ "90s", 90000 }, { "2h", 7200000 }, { "1d12h", 129600000 }, { "1500ms", 1500 }, { "2w", 1209600000 }, { "1m30s250ms", 90250 }, { "0s", 0 } };
	static const char *const bad[] = { "", "2", "h", "2x", "2h3", "30s1m", "1h1h", "-1h", " 1h", "1 h", "99999999999h", "2H" };
	int64_t v;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_msg(value_duration(good[i].text, &v) && v == good[i].ms, "%s", good[i].text);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!value_duration(bad[i], &v), "%s", bad[i]);
	ck_assert(value_since("1h", 7200000, &v) && v == 3600000);
	ck_assert(value_since("1h", 1000, &v) && v == 0);
	ck_assert(value_since("2023-11-14T22:13:20Z", 0, &v) && v == 1700000000000);
	ck_assert(value_since("@5", 0, &v) && v == 5);
	ck_assert(value_since("1795897111383", 0, &v) && v == 1795897111383);
	ck_assert(!value_since("99999999999", 0, &v));		/* an age that lacks its unit */
	ck_assert(value_since("2024-02-29", 0, &v) && v == 1709164800000);
	ck_assert(!value_since("2026-02-29", 0, &v) && !value_since("2026-04-31T10:00", 0, &v) && !value_since("@2026-02-30", 0, &v));
	ck_assert(!value_since("5", 0, &v));
}
END_TEST

/* What is shown can be typed again, and nothing in it is obeyed by a terminal. */
START_TEST(text_that_may_be_shown)
{
	static const struct { const char *text, *shown; } all[] = {
		{ "plain \xc3\xa4 \xe2\x82\xac", "plain \xc3\xa4 \xe2\x82\xac" }, { "a\nb\tc\\d", "a\\nb\\tc\\\\d" }, { "\x1b[31m\x7f", "\\x1b[31m\\x7f" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m" }, { "\xe2\x80\xae" "abc", "\\xe2\\x80\\xaeabc" }, { "\xd8\x9c\xe2\x81\xa6", "\\xd8\\x9c\\xe2\\x81\\xa6" },
		{ "\xff\xc3", "\\xff\\xc3" }, { "\xe2\x80\x94", "\xe2\x80\x94" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct strbuf out = STRBUF_INIT, back = STRBUF_INIT;

		value_add_visible(&out, slice_str(all[i].text));
		ck_assert_str_eq(strbuf_cstr(&out), all[i].shown);
		ck_assert(value_unescape(&back, strbuf_cstr(&out)));
		ck_assert_str_eq(strbuf_cstr(&back), all[i].text);
		strbuf_fini(&out);
		strbuf_fini(&back);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("consume");
	TCase *tc = tcase_create("consume");
	int failed;

	tcase_add_loop_test(tc, the_tail_begins_at_the_nth_record_from_the_end, 0, 50);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, printing);
	tcase_add_test(tc, durations);
	tcase_add_test(tc, text_that_may_be_shown);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
