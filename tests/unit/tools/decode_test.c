/* The internal topics that Kafka wrote, decoded and compared with what an independent decoder made of them. */
#include "decode.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "json_record.h"
#include "os/os.h"
#include "record/record.h"

#define FILE_MAX (1 << 20)

static char *read_golden(const char *name, size_t *len)
{
	const char *data = getenv("SKEIN_TEST_DATA");
	char path[1024], *bytes;

	snprintf(path, sizeof(path), "%s/golden/storage/%s", data != NULL ? data : "tests", name);
	ck_assert_msg(os_read_file(os_real(), path, FILE_MAX, &bytes, len) == OK, "%s", path);
	return bytes;
}

/* What is in `want` is in `got`, but for what the other decoder leaves as bytes. */
static void assert_has(json_t *got, json_t *want, const char *where)
{
	const char *name;
	json_t *value;

	json_object_foreach(want, name, value) {
		json_t *mine = json_object_get(got, name);

		if (strcmp(name, "subscription") == 0 || strcmp(name, "assignment") == 0) {
			if (strcmp(json_string_value(value), "hex:") > 0)
				ck_assert_msg(json_is_object(mine) && json_object_get(mine, "version") != NULL, "%s %s", where, name);
		} else if (strcmp(name, "members") == 0) {
			ck_assert_uint_eq(json_array_size(mine), json_array_size(value));
			for (size_t i = 0; i < json_array_size(value); i++)
				assert_has(json_array_get(mine, i), json_array_get(value, i), where);
		} else {
			ck_assert_msg(mine != NULL && json_equal(mine, value), "%s %s: %s", where, name,
				      mine != NULL ? json_dumps(mine, JSON_ENCODE_ANY) : "absent");
		}
	}
}

struct seen { int records, values, groups, assigned; };

static void compare(const struct record *r, json_t *decoded, enum decode_kind kind, const char *where, struct seen *seen)
{
	struct strbuf text = STRBUF_INIT;
	json_error_t error;

	ck_assert_int_eq(decode_record(kind, r->key, r->value, &text), OK);
	json_t *got = json_loadb(text.ptr, text.len, 0, &error);
	ck_assert_msg(got != NULL, "%s: %s in %s", where, error.text, strbuf_cstr(&text));
	assert_has(json_object_get(got, "key"), json_object_get(decoded, "key"), where);
	if (json_is_null(json_object_get(decoded, "value")))
		ck_assert(json_is_null(json_object_get(got, "value")));
	else
		assert_has(json_object_get(got, "value"), json_object_get(decoded, "value"), where);
	seen->records++;
	seen->values += !json_is_null(json_object_get(got, "value"));
	seen->groups += strstr(strbuf_cstr(&text), "group_metadata") != NULL;
	seen->assigned += strstr(strbuf_cstr(&text), "\"assigned_partitions\":[{") != NULL;
	json_decref(got);
	strbuf_fini(&text);
}

/* The records of the file's batches that are no control batches, in order. */
static void compare_file(const char *file, json_t *content, const char *folder, enum decode_kind kind, struct seen *seen)
{
	char name[512];
	size_t len, at = 0;
	struct slice rest, batch;
	struct record_iter it;
	struct record r;

	snprintf(name, sizeof(name), "%s/%s", folder, file);
	char *bytes = read_golden(name, &len);
	rest = slice_of(bytes, len);
	while (batch_next(&rest, &batch) == OK) {
		json_t *records = json_object_get(json_array_get(json_object_get(content, "batches"), at++), "records");
		size_t n = 0;

		if (batch_is_control(batch.ptr))
			continue;
		record_iter_init(&it, batch, NULL, FILE_MAX);
		while (record_iter_next(&it, &r))
			compare(&r, json_object_get(json_array_get(records, n++), "decoded"), kind, name, seen);
		ck_assert_int_eq(it.err, OK);
		record_iter_fini(&it);
	}
	ck_assert_uint_eq(rest.len, 0);
	free(bytes);
}

static struct seen compare_folder(const char *folder, enum decode_kind kind)
{
	struct seen seen = { 0, 0, 0, 0 };
	char name[512];
	const char *file;
	json_error_t error;
	json_t *content;
	size_t len;

	snprintf(name, sizeof(name), "%s/expected.json", folder);
	char *text = read_golden(name, &len);
	json_t *expected = json_loadb(text, len, 0, &error);
	ck_assert(expected != NULL);
	json_object_foreach(expected, file, content)
		if (json_object_get(content, "batches") != NULL)
			compare_file(file, content, folder, kind, &seen);
	json_decref(expected);
	free(text);
	return seen;
}

START_TEST(what_kafka_wrote_of_groups)
{
	struct seen seen = compare_folder("consumer-offsets", DECODE_OFFSETS);

	ck_assert_int_gt(seen.records, 10);
	ck_assert_int_gt(seen.groups, 1);
	ck_assert_int_gt(seen.assigned, 0);
	ck_assert_int_lt(seen.values, seen.records);	/* tombstones, too */
}
END_TEST

START_TEST(what_kafka_wrote_of_transactions)
{
	struct seen seen = compare_folder("transaction-state", DECODE_TRANSACTIONS);

	ck_assert_int_gt(seen.records, 20);
}
END_TEST

START_TEST(every_version_of_an_offset)
{
	static const struct { const char *value; size_t len; const char *json; } cases[] = {
		{ "\0\0" "\0\0\0\0\0\0\0\7" "\0\1m" "\0\0\0\0\0\0\0\5", 21,
		  "{\"version\":0,\"offset\":7,\"metadata\":\"m\",\"commit_timestamp\":5}" },
		{ "\0\1" "\0\0\0\0\0\0\0\7" "\0\1m" "\0\0\0\0\0\0\0\5" "\0\0\0\0\0\0\0\6", 29,
		  "{\"version\":1,\"offset\":7,\"metadata\":\"m\",\"commit_timestamp\":5,\"expire_timestamp\":6}" },
		{ "\0\2" "\0\0\0\0\0\0\0\7" "\0\1m" "\0\0\0\0\0\0\0\5", 21,
		  "{\"version\":2,\"offset\":7,\"metadata\":\"m\",\"commit_timestamp\":5}" },
		{ "\0\3" "\0\0\0\0\0\0\0\7" "\0\0\0\3" "\0\1\xff" "\0\0\0\0\0\0\0\5", 25,
		  "{\"version\":3,\"offset\":7,\"leader_epoch\":3,\"metadata_base64\":\"/w==\",\"commit_timestamp\":5}" },
		{ "\0\4" "\0\0\0\0\0\0\0\7" "\0\0\0\3" "\2m" "\0\0\0\0\0\0\0\5" "\0", 25,
		  "{\"version\":4,\"offset\":7,\"leader_epoch\":3,\"metadata\":\"m\",\"commit_timestamp\":5}" },
	};
	struct slice key = slice_of("\0\0" "\0\1g" "\0\1t" "\0\0\0\2", 12);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf out = STRBUF_INIT, want = STRBUF_INIT;

		strbuf_printf(&want, "{\"type\":\"offset_commit\",\"key\":{\"version\":0,\"group\":\"g\",\"topic\":\"t\",\"partition\":2},\"value\":%s}",
			      cases[i].json);
		ck_assert_int_eq(decode_record(DECODE_OFFSETS, key, slice_of(cases[i].value, cases[i].len), &out), OK);
		ck_assert_str_eq(strbuf_cstr(&out), strbuf_cstr(&want));
		for (size_t cut = 0; cut < cases[i].len; cut++) {	/* exactly so many bytes, that a sanitizer sees a read beyond them */
			uint8_t *bytes = mem_alloc(cut + 1);

			memcpy(bytes, cases[i].value, cut);
			bytes = realloc(bytes, cut + (cut == 0));
			ck_assert_int_eq(decode_record(DECODE_OFFSETS, key, slice_of(bytes, cut), &out), ERR_CORRUPT);
			ck_assert_uint_eq(out.len, want.len);
			free(bytes);
		}
		strbuf_fini(&out);
		strbuf_fini(&want);
	}
}
END_TEST

START_TEST(what_is_not_known)
{
	struct strbuf out = STRBUF_INIT;
	enum decode_kind kind;

	ck_assert_int_eq(decode_record(DECODE_OFFSETS, slice_of("\0\3x", 3), SLICE_NULL, &out), ERR_UNSUPPORTED);
	ck_assert_int_eq(decode_record(DECODE_TRANSACTIONS, slice_of("\0\1x", 3), SLICE_NULL, &out), ERR_UNSUPPORTED);
	ck_assert_int_eq(decode_record(DECODE_OFFSETS, SLICE_NULL, SLICE_NULL, &out), ERR_CORRUPT);
	ck_assert_int_eq(decode_record(DECODE_OFFSETS, slice_of("\xff\xff", 2), SLICE_NULL, &out), ERR_CORRUPT);
	ck_assert_int_eq(decode_record(DECODE_OFFSETS, slice_of("\0\2\0\1g", 5), slice_of("\0\5", 2), &out), ERR_UNSUPPORTED);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(decode_record(DECODE_OFFSETS, slice_of("\0\2\0\1g", 5), SLICE_NULL, &out), OK);
	ck_assert_str_eq(strbuf_cstr(&out), "{\"type\":\"group_metadata\",\"key\":{\"version\":2,\"group\":\"g\"},\"value\":null}");
	strbuf_fini(&out);
	ck_assert(decode_kind_parse("offsets", &kind) && kind == DECODE_OFFSETS);
	ck_assert(!decode_kind_parse("offset", &kind));
	ck_assert_int_eq(decode_kind_of("__transaction_state"), DECODE_TRANSACTIONS);
	ck_assert_int_eq(decode_kind_of("orders"), DECODE_NONE);
}
END_TEST

START_TEST(text_that_is_no_utf8_is_still_json)
{
	struct strbuf out = STRBUF_INIT;

	json_write_string(&out, slice_of("a\xc3\xa4\xff\"\\\x01", 7));
	ck_assert_str_eq(strbuf_cstr(&out), "\"a\xc3\xa4\\ufffd\\\"\\\\\\u0001\"");
	strbuf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("decode");
	TCase *t = tcase_create("decode");

	tcase_add_test(t, what_kafka_wrote_of_groups);
	tcase_add_test(t, what_kafka_wrote_of_transactions);
	tcase_add_test(t, every_version_of_an_offset);
	tcase_add_test(t, what_is_not_known);
	tcase_add_test(t, text_that_is_no_utf8_is_still_json);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
