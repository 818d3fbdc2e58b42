/*
 * Bytes that real clients and a real broker exchanged: read completely, written again as the same bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/wire/codec_list.h"
#include "wire/header.h"

#define LINE_MAX_BYTES 20000

static struct arena arena;
static struct writer w;
static int lines_of_kind[4];

static void setup(void)
{
	arena_init(&arena, 1 << 20);
	writer_init(&w);
}

static void teardown(void)
{
	arena_fini(&arena);
	writer_fini(&w);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[n++] = (uint8_t)byte;
	return n;
}

static bool decode_request(struct request_header *h, void *m, const struct codec **c, struct reader *r)
{
	if (!header_decode_request(h, r))
		return false;
	*c = codec_find(CODEC_REQUEST, h->request_api_key);
	return (*c)->decode(m, r, h->request_api_version, &arena);
}

static void check_written(struct slice bytes, struct reader *r, const char *line)
{
	ck_assert_msg(reader_left(r) == 0 && w.len == bytes.len && memcmp(w.buf, bytes.ptr, w.len) == 0, "%.60s", line);
}

static void check_request(int key, int v, struct slice bytes, const char *line)
{
	struct reader r = reader_of(bytes);
	const struct codec *c = NULL;
	struct request_header h;
	void *m = arena_alloc(&arena, 4096);

	ck_assert_msg(decode_request(&h, m, &c, &r), "%.60s", line);
	ck_assert_int_eq(h.request_api_key, key);
	ck_assert_int_eq(h.request_api_version, v);
	ck_assert(!slice_is_null(h.client_id));
	ck_assert(header_encode_request(&h, &w) && c->encode(m, &w, v));
	check_written(bytes, &r, line);
}

static void check_response(int key, int v, struct slice bytes, const char *line)
{
	struct reader r = reader_of(bytes);
	const struct codec *c = codec_find(CODEC_RESPONSE, key);
	int32_t correlation_id;
	void *m = arena_alloc(&arena, 4096);

	ck_assert_msg(header_decode_response(&correlation_id, &r, key, v), "%.60s", line);
	ck_assert_msg(c->decode(m, &r, v, &arena), "%.60s", line);
	ck_assert(header_encode_response(correlation_id, &w, key, v) && c->encode(m, &w, v));
	check_written(bytes, &r, line);
}

static void check_border(bool accepted, struct slice bytes, const char *line)
{
	struct reader r = reader_of(bytes);
	const struct codec *c = NULL;
	struct request_header h;

	ck_assert_msg(decode_request(&h, arena_alloc(&arena, 4096), &c, &r) == accepted, "%.100s", line);
}

static void check_line(const char *line)
{
	static const char *const kinds[] = { "request", "response", "accepted", "refused" };
	static uint8_t bytes[LINE_MAX_BYTES / 2];
	char kind[16];
	int key, v, at;

	ck_assert_msg(sscanf(line, "%15s %d %d %n", kind, &key, &v, &at) == 3, "%.60s", line);
	struct slice s = slice_of(bytes, from_hex(line + at, bytes));
	arena_reset(&arena);
	writer_reset(&w);
	size_t i = 0;
	while (i < ARRAY_LEN(kinds) && strcmp(kind, kinds[i]) != 0)
		i++;
	ck_assert_msg(i < ARRAY_LEN(kinds), "%.60s", line);
	lines_of_kind[i]++;
	if (i == 0)
		check_request(key, v, s, line);
	else if (i == 1)
		check_response(key, v, s, line);
	else
		check_border(i == 2, s, line);
}

START_TEST(captured_messages_are_read_and_written_as_they_were)
{
	static char line[LINE_MAX_BYTES];
	const char *data = getenv("SKEIN_TEST_DATA");
	char path[1000];

	snprintf(path, sizeof(path), "%s/golden/wire/captures.txt", data != NULL ? data : "tests");
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		ck_assert_ptr_nonnull(strchr(line, '\n'));
		if (line[0] != '#')
			check_line(line);
	}
	fclose(f);
	for (size_t i = 0; i < ARRAY_LEN(lines_of_kind); i++)
		ck_assert_int_gt(lines_of_kind[i], 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("captures");
	TCase *t = tcase_create("captures");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, captured_messages_are_read_and_written_as_they_were);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
