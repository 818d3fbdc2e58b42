/*
 * Building batches: the two worked examples of the format, byte by byte; every golden batch built again from what was
 * read out of it; markers.
 */
#include <dirent.h>

#include "record/build.h"
#include "record_test_util.h"

static struct decompressor *in;
static struct compressor *compressor;
static struct strbuf out;

static void setup(void)
{
	in = decompressor_create();
	compressor = compressor_create();
}

static void teardown(void)
{
	decompressor_destroy(&in);
	compressor_destroy(&compressor);
	strbuf_fini(&out);
}

START_TEST(worked_example_of_a_data_batch)
{
	static const uint8_t want[85] = {
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x49, 0xff, 0xff, 0xff, 0xff, 0x02, 0xaf, 0x2f, 0xf9, 0xf6,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x05,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x02,
		0x10, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x02, 0x76, 0x00,
		0x1c, 0x00, 0x0a, 0x02, 0x01, 0x0a, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x02, 0x02, 0x68, 0x01,
	};
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct record_header header = { SLICE_LIT("h"), SLICE_NULL };
	struct batch_builder b;
	struct slice batch;

	batch_build_begin(&b, &spec, NULL, &out, SIZE_MAX);
	batch_build_add(&b, 1700000000000, SLICE_LIT("k"), SLICE_LIT("v"), NULL, 0);
	batch_build_add(&b, 1700000000005, SLICE_NULL, SLICE_LIT("hello"), &header, 1);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	ck_assert_uint_eq(batch.len, sizeof(want));
	ck_assert_mem_eq(batch.ptr, want, sizeof(want));
	ck_assert_uint_eq(b.plain_bytes, sizeof(want));
}
END_TEST

START_TEST(worked_example_of_a_marker)
{
	static const uint8_t want[78] = {
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x42, 0x00, 0x00, 0x00, 0x04, 0x02, 0xbc, 0x60, 0x3f, 0x58,
		0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x03, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
		0x20, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00,
	};
	struct marker m = { .type = MARKER_COMMIT, .producer_id = 7, .producer_epoch = 3, .coordinator_epoch = 2,
			    .timestamp = 1700000000000 };
	struct marker back;
	struct slice batch = marker_build(&m, &out);

	batch_set_base_offset((uint8_t *)out.ptr, 10);
	batch_set_leader_epoch((uint8_t *)out.ptr, 4);
	ck_assert_uint_eq(batch.len, sizeof(want));
	ck_assert_mem_eq(batch.ptr, want, sizeof(want));
	ck_assert_int_eq(marker_read(batch, &back), OK);
	ck_assert_int_eq(back.type, MARKER_COMMIT);
	ck_assert_int_eq(back.producer_id, 7);
	ck_assert_int_eq(back.producer_epoch, 3);
	ck_assert_int_eq(back.coordinator_epoch, 2);
	ck_assert_int_eq(back.timestamp, 1700000000000);
}
END_TEST

/* ---- golden batches, built again ---- */

static int built, built_equal, markers;

static void rebuild(struct slice golden)
{
	const uint8_t *g = golden.ptr;
	struct batch_spec spec = {
		.codec = (enum codec)batch_codec(g), .base_offset = batch_base_offset(g), .leader_epoch = batch_leader_epoch(g),
		.producer_id = batch_producer_id(g), .producer_epoch = batch_producer_epoch(g), .base_sequence = batch_base_sequence(g),
		.is_transactional = batch_is_transactional(g), .is_control = batch_is_control(g),
		.is_log_append_time = batch_is_log_append_time(g), .has_delete_horizon = batch_has_delete_horizon(g),
		.delete_horizon = batch_base_timestamp(g), .max_timestamp = batch_max_timestamp(g),
		.last_offset_delta = batch_last_offset_delta(g),
	};
	struct batch_builder b;
	struct record_iter it;
	struct record r;
	struct slice batch;

	spec.level = spec.codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : spec.codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
	strbuf_reset(&out);
	batch_build_begin(&b, &spec, compressor, &out, SIZE_MAX);
	for (record_iter_init(&it, golden, in, OUT_MAX); record_iter_next(&it, &r);) {
		if (spec.is_log_append_time)	/* the deltas below it are the producer's */
			r.timestamp = batch_base_timestamp(g) + r.timestamp_delta;
		batch_build_add_record(&b, &r);
	}
	ck_assert_int_eq(it.err, OK);
	record_iter_fini(&it);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	built++;
	if (slice_eq(batch, golden))
		built_equal++;
	else	/* only another compressor may make a difference */
		ck_assert_int_ne(spec.codec, CODEC_NONE);
	ck_assert_mem_eq(batch.ptr + BATCH_LAST_OFFSET_DELTA_POS, g + BATCH_LAST_OFFSET_DELTA_POS,
			 BATCH_HEADER_SIZE - BATCH_LAST_OFFSET_DELTA_POS);
}

static void check_marker(struct slice golden)
{
	struct marker m;

	if (batch_record_count(golden.ptr) == 0) {
		ck_assert_int_eq(marker_read(golden, &m), ERR_NOT_FOUND);
		return;
	}
	ck_assert_int_eq(marker_read(golden, &m), OK);
	markers++;
	if (batch_has_delete_horizon(golden.ptr))
		return;
	strbuf_reset(&out);
	struct slice batch = marker_build(&m, &out);
	batch_set_base_offset((uint8_t *)out.ptr, batch_base_offset(golden.ptr));
	batch_set_leader_epoch((uint8_t *)out.ptr, batch_leader_epoch(golden.ptr));
	ck_assert(slice_eq(batch, golden));
}

static void rebuild_log(const char *path)
{
	size_t len;
	uint8_t *file = test_read_path(path, &len);
	struct slice rest = slice_of(file, len), batch;

	while (batch_next(&rest, &batch) == OK) {
		/* a producer's meaningless attribute bits are kept in the log, and not ours to write */
		if (!batch_check_crc(batch) || (batch_attributes(batch.ptr) & 0xff80) != 0)
			continue;
		/* likewise offset deltas that do not ascend, and a header whose base timestamp is not the first record's */
		if (strstr(path, "/raw-") != NULL)
			continue;
		rebuild(batch);
		if (batch_is_control(batch.ptr))
			check_marker(batch);
	}
	free(file);
}

static void rebuild_under(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[2048];

	ck_assert_msg(d != NULL, "cannot open %s", dir);
	while ((e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (len > 4 && strcmp(e->d_name + len - 4, ".log") == 0)
			rebuild_log(path);
		else if (e->d_type == DT_DIR && e->d_name[0] != '.' && depth > 0)
			rebuild_under(path, depth - 1);
	}
	closedir(d);
}

START_TEST(golden_batches_built_again_are_the_same)
{
	char root[1024];

	snprintf(root, sizeof(root), "%s/golden/storage", test_data());
	rebuild_under(root, 4);
	ck_assert_int_ge(built, 1000);
	ck_assert_int_ge(built_equal, 1000);
	ck_assert_int_ge(markers, 20);
}
END_TEST

/* ---- records larger than a piece ---- */

START_TEST(records_of_all_sizes_come_back)
{
	static const size_t sizes[] = { 0, 1, 60000, 65530, 65536, 200000, 3, 131072, 1000000, 10 };
	struct record_header header = { SLICE_LIT("name"), SLICE_LIT("value") };
	struct batch_spec spec = BATCH_SPEC_INIT;
	uint8_t *bytes = mem_alloc(1000000);
	struct batch_builder b;
	struct record_iter it;
	struct record r;
	struct slice batch;
	size_t n = 0;

	for (size_t i = 0; i < 1000000; i++)
		bytes[i] = (uint8_t)(random() % 17);
	spec.codec = (enum codec)_i;
	spec.level = _i == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : _i == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
	batch_build_begin(&b, &spec, compressor, &out, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		batch_build_add(&b, (time_ms)i, slice_of(bytes, sizes[i]), slice_of(bytes, 1000000 - sizes[i]), &header, (int32_t)(i % 2));
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	for (record_iter_init(&it, batch, in, OUT_MAX); record_iter_next(&it, &r); n++) {
		ck_assert(slice_eq(r.key, slice_of(bytes, sizes[n])));
		ck_assert(slice_eq(r.value, slice_of(bytes, 1000000 - sizes[n])));
		ck_assert_int_eq(r.offset, n);
		ck_assert_int_eq(r.header_count, n % 2);
	}
	ck_assert_int_eq(it.err, OK);
	ck_assert_uint_eq(n, ARRAY_LEN(sizes));
	record_iter_fini(&it);
	if (_i != CODEC_NONE) {			/* and no more than was allowed */
		for (record_iter_init(&it, batch, in, 3000000); record_iter_next(&it, &r);)
			;
		ck_assert_int_eq(it.err, ERR_TOO_LARGE);
		record_iter_fini(&it);
		for (record_iter_init(&it, batch, NULL, OUT_MAX); record_iter_next(&it, &r);)
			;
		ck_assert_int_eq(it.err, ERR_UNSUPPORTED);
		record_iter_fini(&it);
	}
	free(bytes);
}
END_TEST

/* ---- limits and other records ---- */

START_TEST(a_batch_beyond_its_limit_leaves_no_trace)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;

	spec.codec = (enum codec)_i;
	spec.level = _i == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : _i == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
	strbuf_add_str(&out, "before");
	batch_build_begin(&b, &spec, compressor, &out, 1000);
	for (int i = 0; i < 1000; i++) {
		int64_t noise[4] = { random(), random(), random(), random() };
		batch_build_add(&b, i, SLICE_NULL, slice_of(noise, sizeof(noise)), NULL, 0);
	}
	ck_assert_int_eq(batch_build_end(&b, &batch), ERR_TOO_LARGE);
	ck_assert(slice_is_null(batch));
	ck_assert_str_eq(strbuf_cstr(&out), "before");
}
END_TEST

START_TEST(the_size_of_a_record_is_bounded)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct record_header headers[] = { { SLICE_LIT("name"), SLICE_LIT("value") }, { SLICE_EMPTY, SLICE_NULL } };
	struct batch_builder b;
	struct slice batch;

	batch_build_begin(&b, &spec, NULL, &out, SIZE_MAX);
	for (int i = 0; i < 300; i++) {
		size_t before = b.plain_bytes;
		struct slice value = i % 3 == 0 ? SLICE_NULL : slice_of("some bytes to write", (size_t)i % 20);
		batch_build_add(&b, INT64_MAX - i, SLICE_LIT("key"), value, headers, i % 3);
		ck_assert_uint_le(b.plain_bytes - before, record_size_max(SLICE_LIT("key"), value, headers, i % 3));
	}
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	ck_assert_uint_eq(batch.len, b.plain_bytes);
}
END_TEST

START_TEST(control_records_of_other_kinds_are_skipped)
{
	struct marker m = { .type = MARKER_ABORT }, back;
	struct slice batch = marker_build(&m, &out);
	uint8_t *b = (uint8_t *)out.ptr;

	ck_assert_int_eq(marker_read(batch, &back), OK);
	b[BATCH_HEADER_SIZE + 8] = 2;			/* the type: leader change */
	ck_assert_int_eq(marker_read(batch, &back), ERR_NOT_FOUND);
	b[BATCH_HEADER_SIZE + 8] = 1;
	b[BATCH_HEADER_SIZE + 5] = 1;			/* the key's version: read as far as known */
	ck_assert_int_eq(marker_read(batch, &back), OK);
	ck_assert_int_eq(back.type, MARKER_COMMIT);
	store_be32(b + BATCH_RECORD_COUNT_POS, 2);
	ck_assert_int_eq(marker_read(batch, &back), ERR_CORRUPT);
	store_be32(b + BATCH_RECORD_COUNT_POS, 1);
	b[BATCH_ATTRIBUTES_POS + 1] = BATCH_TRANSACTIONAL;
	ck_assert_int_eq(marker_read(batch, &back), ERR_CORRUPT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build");
	TCase *t = tcase_create("build");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, worked_example_of_a_data_batch);
	tcase_add_test(t, worked_example_of_a_marker);
	tcase_add_test(t, golden_batches_built_again_are_the_same);
	tcase_add_loop_test(t, records_of_all_sizes_come_back, 0, CODEC_COUNT);
	tcase_add_loop_test(t, a_batch_beyond_its_limit_leaves_no_trace, 0, CODEC_COUNT);
	tcase_add_test(t, the_size_of_a_record_is_bounded);
	tcase_add_test(t, control_records_of_other_kinds_are_skipped);
	suite_add_tcase(s, t);
	return test_main(s);
}
