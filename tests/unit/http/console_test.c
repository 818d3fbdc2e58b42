/* What the console writes and reads: JSON of any bytes, hosts, numbers, and the refusals of a request for JSON. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/console_priv.h"

/* A copy that ends where it ends, for the sanitizer to see who reads on. */
static struct slice exact(const void *bytes, size_t len)
{
	uint8_t *p = mem_alloc(MAX(len, 1));

	memcpy(p, bytes, len);
	return slice_of(p, len);
}

static void free_exact(struct slice s)
{
	free((void *)(uintptr_t)s.ptr);
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

START_TEST(commas_come_by_themselves)
{
	struct strbuf b = STRBUF_INIT;

	json_open(&b, '{');
	json_member_i64(&b, "a", -1);
	json_name(&b, "b");
	json_open(&b, '[');
	json_open(&b, '[');
	json_close(&b, ']');
	json_open(&b, '{');
	json_close(&b, '}');
	json_str(&b, "{");
	json_str(&b, NULL);
	json_bool(&b, false);
	json_close(&b, ']');
	json_member_bool(&b, "c", true);
	json_close(&b, '}');
	ck_assert_str_eq(strbuf_cstr(&b), "{\"a\":-1,\"b\":[[],{},\"{\",null,false],\"c\":true}");
	strbuf_fini(&b);
}
END_TEST

START_TEST(numbers_lose_no_digit)
{
	struct strbuf b = STRBUF_INIT;

	json_open(&b, '[');
	json_i64(&b, INT64_C(9007199254740991));
	json_i64(&b, INT64_C(-9007199254740991));
	json_i64(&b, INT64_C(9007199254740992));
	json_i64(&b, INT64_MIN);
	json_u64(&b, UINT64_MAX);
	json_close(&b, ']');
	ck_assert_str_eq(strbuf_cstr(&b), "[9007199254740991,-9007199254740991,\"9007199254740992\",\"-9223372036854775808\",\"18446744073709551615\"]");
	strbuf_fini(&b);
}
END_TEST

static const struct { struct slice in; const char *out; } texts[] = {
	{ SLICE_LIT(""), "\"\"" },
	{ SLICE_LIT("a\"\\b/"), "\"a\\\"\\\\b/\"" },
	{ SLICE_LIT("<b>&"), "\"\\u003cb\\u003e\\u0026\"" },
	{ SLICE_LIT("\0\n\x1f\x7f"), "\"\\u0000\\u000a\\u001f\\u007f\"" },
	{ SLICE_LIT("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
	{ SLICE_LIT("\xc2\x85|\xc2"), "\"\\u0085|\xef\xbf\xbd\"" },
	{ SLICE_LIT("\xff\xc0\x80\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ SLICE_LIT("\xf0\x9f\x98"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

START_TEST(bytes_of_a_client_become_text)
{
	struct strbuf b = STRBUF_INIT;
	struct slice s = exact(texts[_i].in.ptr, texts[_i].in.len);

	json_text(&b, s);
	ck_assert_str_eq(strbuf_cstr(&b), texts[_i].out);
	free_exact(s);
	strbuf_fini(&b);
}
END_TEST

static const struct { struct slice in; size_t max; const char *out; } contents[] = {
	{ { NULL, 0 }, 9, "null" },
	{ SLICE_LIT(""), 9, "{\"size\":0,\"text\":\"\"}" },
	{ SLICE_LIT("a\tb\n"), 9, "{\"size\":4,\"text\":\"a\\u0009b\\u000a\"}" },
	{ SLICE_LIT("\0\xff"), 9, "{\"size\":2,\"hex\":\"00ff\"}" },
	{ SLICE_LIT("abc\xff"), 9, "{\"size\":4,\"hex\":\"616263ff\"}" },
	{ SLICE_LIT("abcdef"), 3, "{\"size\":6,\"text\":\"abc\",\"cut\":true}" },
	{ SLICE_LIT("ab\xc3\xa4x"), 3, "{\"size\":5,\"text\":\"ab\",\"cut\":true}" },
	{ SLICE_LIT("ab\xff\xff"), 3, "{\"size\":4,\"hex\":\"6162ff\",\"cut\":true}" },
	{ SLICE_LIT("abc\xff"), 3, "{\"size\":4,\"text\":\"abc\",\"cut\":true}" },
};

START_TEST(contents_are_text_or_hex)
{
	struct strbuf b = STRBUF_INIT;
	struct slice s = contents[_i].in.ptr != NULL ? exact(contents[_i].in.ptr, contents[_i].in.len) : SLICE_NULL;

	json_content(&b, s, contents[_i].max);
	ck_assert_str_eq(strbuf_cstr(&b), contents[_i].out);
	free_exact(s);
	strbuf_fini(&b);
}
END_TEST

START_TEST(bytes_go_out_as_hex_and_come_back)
{
	static const char *const wrong[] = { "0", "0g", "0A", "00 ", "zz" };
	struct strbuf b = STRBUF_INIT, back = STRBUF_INIT;

	json_hex(&b, SLICE_LIT("a\0\xff\n"));
	ck_assert_str_eq(strbuf_cstr(&b), "\"6100ff0a\"");
	ck_assert(json_unhex(SLICE_LIT("6100ff0a"), &back));
	ck_assert(slice_eq(strbuf_slice(&back), SLICE_LIT("a\0\xff\n")));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		strbuf_reset(&back);
		ck_assert(!json_unhex(slice_str(wrong[i]), &back));
	}
	ck_assert(json_is_text(SLICE_LIT("")) && json_is_text(SLICE_LIT("Zo\xc3\xab")) && !json_is_text(SLICE_LIT("a\n")) && !json_is_text(SLICE_LIT("a\xff")));
	strbuf_fini(&b);
	strbuf_fini(&back);
}
END_TEST

/* Any bytes give what is well-formed: printable ASCII and UTF-8, quotes closed. */
START_TEST(no_bytes_break_out)
{
	uint32_t random = 1;

	for (int round = 0; round < 20000; round++) {
		struct strbuf b = STRBUF_INIT;
		uint8_t bytes[12];
		size_t len = (size_t)round % sizeof(bytes);

		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = (random >> 28) < 4 ? (uint8_t)"\"\\<\xc2"[random >> 28] : (uint8_t)(random >> 20);
		}
		struct slice s = exact(bytes, len);
		json_text(&b, s);
		bool is_escaped = false;
		for (size_t i = 1; i + 1 < b.len; i++) {
			ck_assert((uint8_t)b.ptr[i] >= 0x20 && strchr("<>&", b.ptr[i]) == NULL);
			ck_assert(b.ptr[i] != '"' || is_escaped);
			is_escaped = b.ptr[i] == '\\' && !is_escaped;
		}
		ck_assert(!is_escaped && b.ptr[0] == '"' && b.ptr[b.len - 1] == '"');
		strbuf_reset(&b);
		json_content(&b, s, (size_t)round % 7);
		ck_assert_int_eq(b.ptr[b.len - 1], '}');
		free_exact(s);
		strbuf_fini(&b);
	}
}
END_TEST

/* --- hosts and numbers ------------------------------------------------------------------------------------------ */

static const struct { const char *host; bool is_fine; } hosts[] = {
	{ "127.0.0.1", true }, { "127.0.0.1:9644", true }, { "[::1]", true }, { "[::1]:9644", true }, { "localhost", true }, { "LocalHost:1", true },
	{ "a.example", true }, { "B.example:80", true },
	{ "", false }, { ":", false }, { ":80", false }, { "a.example:", false }, { "a.example:x", false }, { "127.0.0.1:123456", false }, { "a.example.", false },
	{ "xa.example", false }, { "example", false }, { "localhost.evil", false }, { "127.0.0.1.evil", false }, { "127.1", false }, { "0x7f.0.0.1", false },
	{ "::1", false }, { "[::1", false }, { "[::1]x", false }, { "[]", false }, { "[127.0.0.1]", false }, { "[fe80::1%lo]", false }, { "[", false }, { "a.example,b.example", false },
};

START_TEST(hosts_that_are_served)
{
	struct slice host = exact(hosts[_i].host, strlen(hosts[_i].host));

	ck_assert_msg(console_host_is_fine(host, SLICE_LIT("a.example, b.example")) == hosts[_i].is_fine, "%s", hosts[_i].host);
	free_exact(host);
}
END_TEST

static const struct { const char *text; bool is_number; int64_t n; } numbers[] = {
	{ "0", true, 0 }, { "-1", true, -1 }, { "007", true, 7 }, { "9223372036854775807", true, INT64_MAX }, { "-9223372036854775808", true, INT64_MIN },
	{ "9223372036854775808", false, 0 }, { "-9223372036854775809", false, 0 }, { "", false, 0 }, { "-", false, 0 }, { "+1", false, 0 }, { "1 ", false, 0 }, { "1e3", false, 0 },
};

START_TEST(numbers_are_whole)
{
	struct slice text = exact(numbers[_i].text, strlen(numbers[_i].text));
	int64_t n = 0;

	ck_assert_msg(console_number(text, &n) == numbers[_i].is_number, "%s", numbers[_i].text);
	if (numbers[_i].is_number)
		ck_assert_int_eq(n, numbers[_i].n);
	free_exact(text);
}
END_TEST

/* --- requests ------------------------------------------------------------------------------------------------------ */

/* from: pairs of names and values, ended by NULL */
static struct slice argument_from(const void *from, const char *name)
{
	for (const char *const *a = from; *a != NULL; a += 2) {
		if (strcmp(a[0], name) == 0)
			return slice_str(a[1]);
	}
	return SLICE_NULL;
}

static const struct { const char *path, *arguments[6]; unsigned status; } requests[] = {
	{ "/api/nothing", { NULL }, 404 },
	{ "/api/topics", { NULL }, 200 },
	{ "/api/topics", { "from", "5", "count", "500", NULL }, 200 },
	{ "/api/topics", { "count", "501", NULL }, 400 },
	{ "/api/topics", { "from", "-1", NULL }, 400 },
	{ "/api/topic", { NULL }, 404 },
	{ "/api/topic", { "topic", "", NULL }, 404 },
	{ "/api/group", { "name", "g", NULL }, 404 },
	{ "/api/groups", { NULL }, 200 },
	{ "/api/messages", { "topic", "t", NULL }, 404 },
	{ "/api/brokers", { NULL }, 200 },
};

START_TEST(requests_of_an_empty_cluster)
{
	struct cluster *picture = cluster_create("c", 1);
	struct metrics_world w = { .picture = picture };
	struct console_request r = { requests[_i].path, argument_from, requests[_i].arguments };
	struct console *c = console_create(&(struct console_spec){ .shows_messages = true });
	struct inquiry *q = console_ask(c, &w, &r);
	size_t len;

	ck_assert(q != NULL && inquiry_is_done(q));
	ck_assert_uint_eq(inquiry_status(q), requests[_i].status);
	char *text = inquiry_take(q, &len);
	ck_assert(len > 2 && text[0] == '{' && text[len - 1] == '}');
	free(text);
	inquiry_end(&q);
	console_destroy(&c);
	cluster_unref(&picture);
}
END_TEST

START_TEST(no_more_than_so_many_at_once)
{
	struct cluster *picture = cluster_create("c", 1);
	struct metrics_world w = { .picture = picture };
	struct console_request r = { "/api/messages", argument_from, (const char *[]){ NULL } };
	struct console *c = console_create(&(struct console_spec){ .shows_messages = false });
	struct inquiry *q[INQUIRIES_MAX];

	for (int i = 0; i < INQUIRIES_MAX; i++) {
		q[i] = console_ask(c, &w, &r);
		ck_assert(q[i] != NULL);
		ck_assert_uint_eq(inquiry_status(q[i]), 403);
	}
	ck_assert(console_ask(c, &w, &r) == NULL);
	inquiry_end(&q[3]);
	q[3] = console_ask(c, &w, &r);
	ck_assert(q[3] != NULL);
	for (int i = 0; i < INQUIRIES_MAX; i++)
		inquiry_end(&q[i]);
	console_destroy(&c);
	cluster_unref(&picture);
}
END_TEST

START_TEST(files_are_there_by_their_names_only)
{
	ck_assert(console_file("/") != NULL && console_file("/console/console.js") != NULL);
	ck_assert(console_file("") == NULL && console_file("/console/") == NULL && console_file("/console/index.html") == NULL && console_file("/console/../console/console.js") == NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("console");
	TCase *t = tcase_create("console");

	tcase_add_test(t, commas_come_by_themselves);
	tcase_add_test(t, numbers_lose_no_digit);
	tcase_add_loop_test(t, bytes_of_a_client_become_text, 0, ARRAY_LEN(texts));
	tcase_add_loop_test(t, contents_are_text_or_hex, 0, ARRAY_LEN(contents));
	tcase_add_test(t, no_bytes_break_out);
	tcase_add_test(t, bytes_go_out_as_hex_and_come_back);
	tcase_add_loop_test(t, hosts_that_are_served, 0, ARRAY_LEN(hosts));
	tcase_add_loop_test(t, numbers_are_whole, 0, ARRAY_LEN(numbers));
	tcase_add_loop_test(t, requests_of_an_empty_cluster, 0, ARRAY_LEN(requests));
	tcase_add_test(t, no_more_than_so_many_at_once);
	tcase_add_test(t, files_are_there_by_their_names_only);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);

	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);

	srunner_free(r);
	return failed != 0;
}
