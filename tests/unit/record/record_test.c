/*
 * Every batch of every golden log: header, CRC and records must be what the decoded description beside it says. Then the
 * structures that no broker writes: batches cut off, lengths that lie.
 */
#include <dirent.h>
#include <jansson.h>

#include "base/varint.h"
#include "record_test_util.h"

static struct decompressor *stream;

static void setup(void)    { stream = decompressor_create(); }
static void teardown(void) { decompressor_destroy(&stream); }

/* ---- golden ---- */

static int64_t field(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	ck_assert_msg(json_is_integer(v), "%s is missing", name);
	return json_integer_value(v);
}

/* A byte string as the descriptions show it: text, "hex:..." or null. Other kinds (decoded structures) are not compared. */
static void check_bytes(const json_t *want, struct slice got)
{
	if (json_is_null(want)) {
		ck_assert(slice_is_null(got));
		return;
	}
	if (!json_is_string(want))
		return;
	const char *text = json_string_value(want);
	ck_assert(!slice_is_null(got));
	if (strncmp(text, "hex:", 4) != 0) {
		ck_assert(slice_eq_str(got, text));
		return;
	}
	ck_assert_uint_eq(strlen(text + 4), 2 * got.len);
	for (size_t i = 0; i < got.len; i++) {
		char hex[3];
		snprintf(hex, sizeof(hex), "%02x", got.ptr[i]);
		ck_assert(memcmp(hex, text + 4 + 2 * i, 2) == 0);
	}
}

static void check_record(const json_t *want, const struct record *got)
{
	struct slice headers = got->headers;
	struct record_header h;
	size_t n = 0;

	ck_assert_int_eq(got->offset, field(want, "offset"));
	ck_assert_int_eq(got->timestamp, field(want, "timestamp"));
	ck_assert_int_eq(got->timestamp_delta, field(want, "timestamp_delta"));
	ck_assert_int_eq(got->offset_delta, field(want, "offset_delta"));
	check_bytes(json_object_get(want, "key"), got->key);
	check_bytes(json_object_get(want, "value"), got->value);
	const json_t *list = json_object_get(want, "headers");
	for (; record_header_next(&headers, &h); n++) {
		check_bytes(json_array_get(json_array_get(list, n), 0), h.key);
		check_bytes(json_array_get(json_array_get(list, n), 1), h.value);
	}
	ck_assert_uint_eq(n, json_array_size(list));
	ck_assert_uint_eq(n, (size_t)got->header_count);
}

static void check_header(const json_t *want, struct slice batch)
{
	const uint8_t *b = batch.ptr;

	ck_assert_uint_eq(batch.len, (size_t)field(want, "size"));
	ck_assert_int_eq(batch_base_offset(b), field(want, "base_offset"));
	ck_assert_int_eq(batch_length(b), field(want, "batch_length"));
	ck_assert_int_eq(batch_leader_epoch(b), field(want, "partition_leader_epoch"));
	ck_assert_int_eq(batch_magic(b), field(want, "magic"));
	ck_assert_int_eq(batch_crc(b), field(want, "crc"));
	ck_assert_int_eq(batch_attributes(b), field(want, "attributes"));
	ck_assert_int_eq(batch_last_offset_delta(b), field(want, "last_offset_delta"));
	ck_assert_int_eq(batch_base_timestamp(b), field(want, "base_timestamp"));
	ck_assert_int_eq(batch_max_timestamp(b), field(want, "max_timestamp"));
	ck_assert_int_eq(batch_producer_id(b), field(want, "producer_id"));
	ck_assert_int_eq(batch_producer_epoch(b), field(want, "producer_epoch"));
	ck_assert_int_eq(batch_base_sequence(b), field(want, "base_sequence"));
	ck_assert_int_eq(batch_record_count(b), field(want, "record_count"));
	ck_assert_int_eq(batch_last_offset(b), field(want, "last_offset"));
	ck_assert_int_eq(batch_is_log_append_time(b), json_is_true(json_object_get(want, "log_append_time")));
	ck_assert_int_eq(batch_is_transactional(b), json_is_true(json_object_get(want, "transactional")));
	ck_assert_int_eq(batch_is_control(b), json_is_true(json_object_get(want, "control")));
	ck_assert_int_eq(batch_has_delete_horizon(b), json_is_true(json_object_get(want, "delete_horizon")));
}

static int batches_seen, records_seen;

static void check_batch(const json_t *want, struct slice batch)
{
	bool is_whole = json_is_true(json_object_get(want, "crc_ok"));
	struct record_iter it;
	struct record r;
	size_t n = 0;

	check_header(want, batch);
	ck_assert_int_eq(batch_check_crc(batch), is_whole);
	batches_seen++;
	if (!is_whole)
		return;
	const json_t *list = json_object_get(want, "records");
	for (record_iter_init(&it, batch, stream, OUT_MAX); record_iter_next(&it, &r); n++)
		check_record(json_array_get(list, n), &r);
	ck_assert_int_eq(it.err, OK);
	ck_assert_uint_eq(n, json_array_size(list));
	records_seen += (int)n;
	record_iter_fini(&it);
}

static void check_log(const char *path, const json_t *want)
{
	size_t len, n = 0;
	uint8_t *file = test_read_path(path, &len);
	struct slice rest = slice_of(file, len), batch;
	const json_t *list = json_object_get(want, "batches");
	enum err err;

	for (; (err = batch_next(&rest, &batch)) == OK; n++)
		check_batch(json_array_get(list, n), batch);
	ck_assert_int_eq(err, ERR_INCOMPLETE);
	ck_assert_uint_eq(n, json_array_size(list));
	ck_assert_int_eq(len - rest.len, field(want, "valid_bytes"));
	free(file);
}

START_TEST(golden_logs_read_as_described)
{
	char root[1024], path[2048];
	struct dirent *e;
	int logs = 0;

	snprintf(root, sizeof(root), "%s/golden/storage", test_data());
	DIR *dir = opendir(root);
	ck_assert_msg(dir != NULL, "cannot open %s", root);
	while ((e = readdir(dir)) != NULL) {
		const char *name;
		json_t *file;
		snprintf(path, sizeof(path), "%s/%s/expected.json", root, e->d_name);
		json_t *all = json_load_file(path, 0, NULL);
		json_object_foreach(all, name, file) {
			size_t len = strlen(name);
			if (len < 4 || strcmp(name + len - 4, ".log") != 0)
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", root, e->d_name, name);
			check_log(path, file);
			logs++;
		}
		json_decref(all);
	}
	closedir(dir);
	/* That the walk found what it should. */
	ck_assert_int_ge(logs, 100);
	ck_assert_int_ge(batches_seen, 1000);
	ck_assert_int_ge(records_seen, 1000);
}
END_TEST

/* ---- batch_next ---- */

START_TEST(a_cut_batch_is_an_ordinary_end)
{
	size_t size;
	uint8_t *b = test_golden_batch("records/records-0/00000000000000000000.log", 0, &size);
	struct slice batch;

	for (size_t len = 0; len <= size; len++) {
		uint8_t *cut = mem_alloc(len + (len == 0));
		memcpy(cut, b, len);
		struct slice rest = slice_of(cut, len);
		ck_assert_int_eq(batch_next(&rest, &batch), len == size ? OK : ERR_INCOMPLETE);
		ck_assert_uint_eq(rest.len, len == size ? 0 : len);
		free(cut);
	}
	free(b);
}
END_TEST

static enum err next_of(const uint8_t *b, size_t len)
{
	struct slice rest = slice_of(b, len), batch;

	return batch_next(&rest, &batch);
}

START_TEST(impossible_sizes_and_magics_are_damage)
{
	uint8_t b[200] = { 0 };

	b[BATCH_MAGIC_POS] = 2;
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_CORRUPT);		/* length 0 */
	ck_assert_int_eq(next_of(b, 12), ERR_CORRUPT);			/* seen before the magic is there */
	store_be32(b + BATCH_LENGTH_POS, 48);
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_CORRUPT);		/* too short for format 2 */
	store_be32(b + BATCH_LENGTH_POS, 49);
	ck_assert_int_eq(next_of(b, sizeof(b)), OK);
	store_be32(b + BATCH_LENGTH_POS, 0x7fffffff);
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_INCOMPLETE);
	store_be32(b + BATCH_LENGTH_POS, 0x80000000);
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_CORRUPT);
	store_be32(b + BATCH_LENGTH_POS, 49);
	b[BATCH_MAGIC_POS] = 3;
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_CORRUPT);
	b[BATCH_MAGIC_POS] = 0xff;
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_CORRUPT);
	b[BATCH_MAGIC_POS] = 1;
	store_be32(b + BATCH_LENGTH_POS, 14);
	ck_assert_int_eq(next_of(b, sizeof(b)), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(one_flipped_bit_breaks_the_crc)
{
	size_t size;
	uint8_t *b = test_golden_batch("records/records-0/00000000000000000000.log", 0, &size);

	for (size_t bit = 0; bit < size * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(batch_check_crc(slice_of(b, size)), bit / 8 < BATCH_CRC_POS);
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	batch_set_base_offset(b, 1234567890123);
	batch_set_leader_epoch(b, 77);
	ck_assert(batch_check_crc(slice_of(b, size)));
	ck_assert_int_eq(batch_base_offset(b), 1234567890123);
	ck_assert_int_eq(batch_leader_epoch(b), 77);
	free(b);
}
END_TEST

START_TEST(sequences_wrap_at_31_bits)
{
	ck_assert_int_eq(sequence_add(2147483647, 1), 0);
	ck_assert_int_eq(sequence_add(2147483646, 3), 1);
	ck_assert_int_eq(sequence_add(5, 4), 9);
}
END_TEST

/* ---- records that do not fit ---- */

/* A record body: attributes, timestamp delta, offset delta, then what the test gives. */
static bool decodes(const char *bytes, size_t len)
{
	uint8_t *body = mem_alloc(3 + len);
	struct record r;

	memcpy(body, "\0\0\0", 3);
	memcpy(body + 3, bytes, len);
	bool fits = record_decode_body(body, 3 + len, &r);
	free(body);
	return fits;
}

#define DECODES(bytes) decodes(bytes, sizeof(bytes) - 1)

START_TEST(a_record_uses_its_length_exactly)
{
	struct record r;

	ck_assert(DECODES("\x01\x01\x00"));			/* null, null, no headers */
	ck_assert(DECODES("\x02k\x02v\x00"));
	ck_assert(DECODES("\x09\x01\x00"));			/* key length -5: null, as Java reads it */
	ck_assert(DECODES("\x01\x01\x02\x02h\x01"));		/* one header, null value */
	ck_assert(DECODES("\x01\x01\x04\x00\x00\x02h\x02x"));	/* two, an empty key first */
	ck_assert(!DECODES(""));
	ck_assert(!DECODES("\x01\x01"));
	ck_assert(!DECODES("\x01\x01\x00\x00"));		/* a byte too many */
	ck_assert(!DECODES("\x04k"));				/* key longer than the record */
	ck_assert(!DECODES("\x02k\x04v\x00"));
	ck_assert(!DECODES("\xfe\xff\xff\xff\x0f\x00\x00"));	/* key length 2147483647 */
	ck_assert(!DECODES("\x01\x01\x01"));			/* header count -1 */
	ck_assert(!DECODES("\x01\x01\x02"));			/* a header that is not there */
	ck_assert(!DECODES("\x01\x01\x02\x01\x01"));		/* null header key */
	ck_assert(!DECODES("\x01\x01\xfe\xff\xff\xff\x0f"));	/* 2147483647 headers */
	ck_assert(!DECODES("\x80\x80\x80\x80\x80\x01\x01\x00"));	/* a varint of six bytes */
	ck_assert(!record_decode_body((const uint8_t *)"", 0, &r));
}
END_TEST

static enum err iterate(struct slice batch, int *count)
{
	struct record_iter it;
	struct record r;

	*count = 0;
	for (record_iter_init(&it, batch, stream, OUT_MAX); record_iter_next(&it, &r);)
		++*count;
	enum err err = it.err;
	record_iter_fini(&it);
	return err;
}

START_TEST(the_count_must_be_what_is_there)
{
	static const char *const logs[] = {
		"codecs/codecs-0/00000000000000000000.log", "codecs/codecs-0/00000000000000000000.log",
		"codecs/codecs-0/00000000000000000000.log", "codecs/codecs-0/00000000000000000000.log",
		"codecs/codecs-0/00000000000000000000.log",
	};

	for (int i = 0; i < (int)ARRAY_LEN(logs); i++) {
		size_t size;
		int count;
		uint8_t *b = test_golden_batch(logs[i], i, &size);
		ck_assert_int_eq(batch_codec(b), i);
		ck_assert_int_eq(iterate(slice_of(b, size), &count), OK);
		ck_assert_int_eq(count, 3);
		store_be32(b + BATCH_RECORD_COUNT_POS, 4);
		ck_assert_int_eq(iterate(slice_of(b, size), &count), ERR_CORRUPT);
		ck_assert_int_eq(count, 3);
		store_be32(b + BATCH_RECORD_COUNT_POS, 2);
		ck_assert_int_eq(iterate(slice_of(b, size), &count), ERR_CORRUPT);
		ck_assert_int_eq(count, 2);
		store_be32(b + BATCH_RECORD_COUNT_POS, 0xffffffff);
		ck_assert_int_eq(iterate(slice_of(b, size), &count), ERR_CORRUPT);
		ck_assert_int_eq(count, 0);
		b[BATCH_ATTRIBUTES_POS + 1] = 7;
		store_be32(b + BATCH_RECORD_COUNT_POS, 3);
		ck_assert_int_eq(iterate(slice_of(b, size), &count), ERR_UNSUPPORTED);
		free(b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record");
	TCase *t = tcase_create("record");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, golden_logs_read_as_described);
	tcase_add_test(t, a_cut_batch_is_an_ordinary_end);
	tcase_add_test(t, impossible_sizes_and_magics_are_damage);
	tcase_add_test(t, one_flipped_bit_breaks_the_crc);
	tcase_add_test(t, sequences_wrap_at_31_bits);
	tcase_add_test(t, a_record_uses_its_length_exactly);
	tcase_add_test(t, the_count_must_be_what_is_there);
	suite_add_tcase(s, t);
	return test_main(s);
}
