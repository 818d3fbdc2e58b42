/* Values of the command line, lines of input, records as JSON: what the skein command's verbs are made of. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "input.h"
#include "json_record.h"
#include "record/build.h"
#include "value.h"

START_TEST(integers)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1x", "0x1", "9223372036854775808", "11", "-1" };
	int64_t v = 77;

	ck_assert(value_int("10", 0, 10, &v) && v == 10);
	ck_assert(value_int("-5", -5, 10, &v) && v == -5);
	ck_assert(value_int("9223372036854775807", 0, INT64_MAX, &v) && v == INT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!value_int(bad[i], 0, 10, &v), "%s", bad[i]);
}
END_TEST

START_TEST(starts)
{
	static const struct { const char *text; int kind; int64_t at; } good[] = {
		{ "beginning", START_BEGINNING, 0 }, { "end", START_END, 0 }, { "0", START_OFFSET, 0 }, { "17", START_OFFSET, 17 },
		{ "@0", START_TIME, 0 }, { "@1700000000000", START_TIME, 1700000000000 },
		{ "@2023-11-14T22:13:20Z", START_TIME, 1700000000000 }, { "@2023-11-14T22:13:20.250Z", START_TIME, 1700000000250 },
		{ "@2023-11-14T22:13", START_TIME, 1699999980000 }, { "@2023-11-14", START_TIME, 1699920000000 } };
	static const char *const bad[] = { "", "begin", "-1", "@", "@x", "@2023-", "@2023-11-14T", "@2023-13-14", "@2023-11-14 x", "1.5" };
	struct value_start s;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(value_start(good[i].text, &s), "%s", good[i].text);
		ck_assert_int_eq(s.kind, good[i].kind);
		ck_assert_msg(s.at == good[i].at, "%s: %lld", good[i].text, (long long)s.at);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!value_start(bad[i], &s), "%s", bad[i]);
}
END_TEST

START_TEST(lists_of_numbers)
{
	static const char *const bad[] = { "", ",", "1,", "a", "3-1", "-1", "1-", "0-10", "1,,2" };
	int32_t list[8];
	int n;

	ck_assert(value_numbers("5-7,0,2,6", list, 8, &n));
	ck_assert_int_eq(n, 5);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(list[i], ((int32_t[]){ 0, 2, 5, 6, 7 })[i]);
	ck_assert(value_numbers("0-7", list, 8, &n) && n == 8);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!value_numbers(bad[i], list, 8, &n), "%s", bad[i]);
}
END_TEST

START_TEST(words)
{
	enum codec codec;
	int16_t acks;
	char pair[] = "a=b=c", no_name[] = "=x", no_value[] = "x";
	char *name, *value;

	ck_assert(value_codec("zstd", &codec) && codec == CODEC_ZSTD);
	ck_assert(value_codec("none", &codec) && codec == CODEC_NONE);
	ck_assert(!value_codec("ZSTD", &codec));
	ck_assert(value_acks("all", &acks) && acks == -1);
	ck_assert(!value_acks("2", &acks));
	ck_assert(value_pair(pair, &name, &value));
	ck_assert_str_eq(name, "a");
	ck_assert_str_eq(value, "b=c");
	ck_assert(!value_pair(no_name, &name, &value));
	ck_assert(!value_pair(no_value, &name, &value));
}
END_TEST

START_TEST(escapes)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert(value_unescape(&b, "a\\tb\\n\\x41\\\\\\q\\0"));
	ck_assert_uint_eq(b.len, 9);
	ck_assert(memcmp(b.ptr, "a\tb\nA\\\\q", 9) == 0);
	ck_assert(!value_unescape(&b, "\\x4"));
	ck_assert(!value_unescape(&b, "\\xg0"));
	strbuf_fini(&b);
}
END_TEST

/* ---- lines ---- */

START_TEST(lines)
{
	static const char *const text[] = { "one\ntwo", "\n\nth", "ree\n", "last" };
	static const char *const expected[] = { "one", "two", "", "three", "last" };
	struct input in;
	struct slice line;
	int fds[2], got = 0;
	enum err e;

	ck_assert_int_eq(pipe(fds), 0);
	input_init(&in, fds[0], 100);
	for (size_t i = 0; i <= ARRAY_LEN(text); i++) {
		if (i < ARRAY_LEN(text))
			ck_assert_int_eq(write(fds[1], text[i], strlen(text[i])), (ssize_t)strlen(text[i]));
		else
			close(fds[1]);
		ck_assert(input_read(&in));
		while ((e = input_line(&in, &line)) == OK) {
			ck_assert(slice_eq_str(line, expected[got]));
			ck_assert_int_eq(in.line_number, ++got);
		}
		ck_assert_int_eq(e, i < ARRAY_LEN(text) ? ERR_AGAIN : ERR_CLOSED);
	}
	ck_assert_int_eq(got, ARRAY_LEN(expected));
	input_fini(&in);
	close(fds[0]);
}
END_TEST

START_TEST(a_line_without_end)
{
	struct input in;
	struct slice line;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	input_init(&in, fds[0], 3);
	ck_assert_int_eq(write(fds[1], "abc", 3), 3);
	ck_assert(input_read(&in));
	ck_assert_int_eq(input_line(&in, &line), ERR_AGAIN);
	ck_assert_int_eq(write(fds[1], "d", 1), 1);
	ck_assert(input_read(&in));
	ck_assert_int_eq(input_line(&in, &line), ERR_TOO_LARGE);
	input_fini(&in);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* ---- JSON ---- */

static void expect_same(struct slice a, struct slice b)
{
	ck_assert_int_eq(slice_is_null(a), slice_is_null(b));
	ck_assert(slice_eq(a, b));
}

/* Writes a record with these bytes everywhere, reads it back, and compares. */
static void round_trip(struct slice key, struct slice value)
{
	const struct record_header headers[2] = { { SLICE_LIT("h"), value }, { slice_is_null(key) ? SLICE_EMPTY : key, SLICE_NULL } };
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct strbuf bytes = STRBUF_INIT, json = STRBUF_INIT;
	struct consumer_event e = { .topic = "t", .partition = 3, .offset = 9 };
	struct json_record back;
	struct record_iter it;
	struct slice batch;
	char error[200];

	batch_build_begin(&builder, &spec, NULL, &bytes, 1 << 20);
	batch_build_add(&builder, 12345, key, value, headers, 2);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	record_iter_init(&it, batch, NULL, 1 << 20);
	ck_assert(record_iter_next(&it, &e.record));
	json_record_write(&json, &e);
	ck_assert_msg(json_record_read(&back, strbuf_slice(&json), error), "%s: %s", error, strbuf_cstr(&json));
	ck_assert_int_eq(back.record.partition, 3);
	ck_assert_int_eq(back.record.timestamp, 12345);
	ck_assert_int_eq(back.record.header_count, 2);
	expect_same(back.record.key, key);
	expect_same(back.record.value, value);
	for (int i = 0; i < 2; i++) {
		expect_same(back.record.headers[i].key, headers[i].key);
		expect_same(back.record.headers[i].value, headers[i].value);
	}
	json_record_fini(&back);
	record_iter_fini(&it);
	strbuf_fini(&json);
	strbuf_fini(&bytes);
}

START_TEST(json_round_trips)
{
	uint8_t noise[40];

	round_trip(SLICE_NULL, SLICE_NULL);
	round_trip(SLICE_EMPTY, SLICE_EMPTY);
	round_trip(SLICE_LIT("a\"b\\c\n\t\r\x01\x7f/"), SLICE_LIT("a\0b"));
	round_trip(SLICE_LIT("gr\xc3\xbc\xc3\x9f"), SLICE_LIT("\xf0\x9f\x90\x98"));
	round_trip(SLICE_LIT("\xc0\x80"), SLICE_LIT("\xed\xa0\x80"));		/* overlong; a surrogate */
	round_trip(SLICE_LIT("\xf4\x90\x80\x80"), SLICE_LIT("\xc3"));		/* beyond Unicode; cut off */
	srandom(1);
	for (int n = 0; n < 3000; n++) {
		size_t len = (size_t)random() % sizeof(noise);
		for (size_t i = 0; i < len; i++)	/* often near the borders of UTF-8's forms */
			noise[i] = (uint8_t)(random() % 3 ? random() : "\xe0\xed\xf0\xf4\x80\xbf\xc2\x41"[random() % 8]);
		round_trip(slice_of(noise, len), slice_of(noise, len / 2));
	}
}
END_TEST

START_TEST(json_that_is_none)
{
	static const struct { const char *text, *error; } bad[] = {
		{ "", "column" }, { "{\"key\":", "column 7" }, { "[]", "expected an object" }, { "{\"key\":1}", "\"key\"" },
		{ "{\"value\":{}}", "\"value\"" }, { "{\"value_base64\":\"*\"}", "\"value_base64\"" },
		{ "{\"partition\":\"1\"}", "\"partition\"" }, { "{\"partition\":2147483648}", "\"partition\"" },
		{ "{\"timestamp\":-2}", "\"timestamp\"" }, { "{\"headers\":{}}", "\"headers\"" },
		{ "{\"headers\":[{}]}", "\"headers\"" }, { "{\"headers\":[{\"key\":\"a\",\"value\":1}]}", "\"value\"" },
		{ "{\"key\":\"a\",\"key\":\"b\"}", "column" },
		{ "{\"key\":\"a\",\"vlaue\":\"b\"}", "\"vlaue\" is not known: key, " }, { "{\"key\":\"a\",\"vlaue\":\"b\"}", "(column 12)" },
		{ "{\"value\":\"a\",\"value_base64\":\"YQ==\"}", "which of them" } };
	struct json_record r;
	char error[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!json_record_read(&r, slice_str(bad[i].text), error), "%s", bad[i].text);
		ck_assert_msg(strstr(error, bad[i].error) != NULL, "%s: %s", bad[i].text, error);
	}
	ck_assert(json_record_read(&r, SLICE_LIT("{}"), error));
	ck_assert(slice_is_null(r.record.key) && slice_is_null(r.record.value));
	ck_assert_int_eq(r.record.partition, -1);
	ck_assert_int_eq(r.record.timestamp, -1);
	json_record_fini(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("value");
	TCase *tc = tcase_create("value");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_test(tc, integers);
	tcase_add_test(tc, starts);
	tcase_add_test(tc, lists_of_numbers);
	tcase_add_test(tc, words);
	tcase_add_test(tc, escapes);
	tcase_add_test(tc, lines);
	tcase_add_test(tc, a_line_without_end);
	tcase_add_test(tc, json_round_trips);
	tcase_add_test(tc, json_that_is_none);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
