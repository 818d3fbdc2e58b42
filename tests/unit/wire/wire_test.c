/*
 * The rules of the reader, the writer, the headers and the API table, one by one.
 */
#include <check.h>
#include <stdlib.h>

#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/header.h"
#include "wire/subscription.h"

static struct arena arena;
static struct writer w;

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

#define BYTES(...) slice_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define READER(...) reader_of(BYTES(__VA_ARGS__))

static void check_bytes(struct slice want)
{
	ck_assert(!w.failed);
	ck_assert(slice_eq(slice_of(w.buf, w.len), want));
}

/* ---- reader ---- */

START_TEST(past_the_end_come_zeros_and_a_flag)
{
	struct reader r = READER(0xff, 0xff, 0xff);

	ck_assert_int_eq(get_i16(&r), -1);
	ck_assert(!r.failed);
	ck_assert_int_eq(get_i32(&r), 0);
	ck_assert(r.failed);
	ck_assert_int_eq(get_i8(&r), 0);	/* though one byte was left */
	ck_assert(uuid_is_zero(get_uuid(&r)));
	struct slice s = get_string(&r, true, true);
	ck_assert(!slice_is_null(s) && s.len == 0);
	r = reader_of(SLICE_NULL);
	ck_assert_int_eq(get_i8(&r), 0);
	ck_assert(r.failed);
}
END_TEST

START_TEST(null_is_read_only_where_it_is_allowed)
{
	struct reader r = READER(0xff, 0xff);

	ck_assert(slice_is_null(get_string(&r, false, true)) && !r.failed);
	r = READER(0xff, 0xfe);		/* any negative length */
	ck_assert(slice_is_null(get_string(&r, false, true)) && !r.failed);
	r = READER(0xff, 0xff);
	ck_assert(!slice_is_null(get_string(&r, false, false)) && r.failed);
	r = READER(0);
	ck_assert(slice_is_null(get_string(&r, true, true)) && !r.failed);
	r = READER(0);
	ck_assert(!slice_is_null(get_string(&r, true, false)) && r.failed);
	r = READER(0xff, 0xff, 0xff, 0xff);
	ck_assert(wire_records_is_null(get_records(&r, false, true)) && !r.failed);
	r = READER(1);
	struct wire_records b = get_records(&r, true, false);
	ck_assert(!wire_records_is_null(b) && b.len == 0 && !r.failed);
}
END_TEST

START_TEST(a_string_has_at_most_32767_bytes)
{
	static uint8_t bytes[40000];
	struct reader r = reader_of(slice_of(bytes, sizeof(bytes)));

	put_uvarint(bytes, WIRE_STRING_MAX + 1);
	ck_assert_uint_eq(get_string(&r, true, false).len, WIRE_STRING_MAX);
	ck_assert(!r.failed);
	r = reader_of(slice_of(bytes, sizeof(bytes)));
	put_uvarint(bytes, WIRE_STRING_MAX + 2);
	ck_assert_uint_eq(get_string(&r, true, true).len, 0);
	ck_assert(r.failed);
	put_string(&w, true, false, slice_of(bytes, WIRE_STRING_MAX));
	ck_assert(!w.failed);
	put_string(&w, true, false, slice_of(bytes, WIRE_STRING_MAX + 1));
	ck_assert(w.failed);
}
END_TEST

START_TEST(a_count_beyond_the_bytes_left_reserves_nothing)
{
	int32_t count;
	struct reader r = READER(0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);

	ck_assert_ptr_null(get_i32_array(&r, &arena, false, false, &count));
	ck_assert(r.failed && count == 0);
	r = READER(0x7f, 0xff, 0xff, 0xff, 1);
	ck_assert_ptr_null(get_string_array(&r, &arena, false, true, &count));
	ck_assert(r.failed && count == 0);
	ck_assert_uint_eq(arena.total, 0);
	r = READER(0xff, 0xff, 0xff, 0xff);
	ck_assert_ptr_null(get_i32_array(&r, &arena, false, true, &count));
	ck_assert(!r.failed && count == -1);
	r = READER(3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff);
	const int32_t *v = get_i32_array(&r, &arena, true, false, &count);
	ck_assert(!r.failed && count == 2 && v[0] == 1 && v[1] == -1);
}
END_TEST

START_TEST(a_full_arena_refuses_the_message)
{
	int32_t count;
	struct arena small;
	static const uint8_t zeros[100000];
	struct reader r = reader_of(slice_of(zeros, sizeof(zeros)));

	arena_init(&small, 1000);
	ck_assert_ptr_null(get_array(&r, &small, false, false, 1, 1, &count));	/* zero elements need no room */
	ck_assert(!r.failed);
	r = READER(0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	ck_assert_ptr_null(get_array(&r, &small, false, false, 1000, 1, &count));
	ck_assert(r.failed && count == 0);
	arena_fini(&small);
}
END_TEST

/* ---- writer ---- */

START_TEST(compact_and_plain_forms)
{
	put_string(&w, false, true, SLICE_NULL);
	put_string(&w, true, true, SLICE_NULL);
	put_string(&w, false, false, SLICE_LIT("ab"));
	put_string(&w, true, false, SLICE_LIT("ab"));
	put_bytes(&w, false, true, SLICE_NULL);
	put_count(&w, true, true, -1);
	put_count(&w, true, false, 200);
	check_bytes(BYTES(0xff, 0xff, 0, 0, 2, 'a', 'b', 3, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 0xc9, 1));
}
END_TEST

START_TEST(null_is_written_only_where_it_is_allowed)
{
	put_string(&w, true, false, SLICE_NULL);
	ck_assert(w.failed);
	writer_reset(&w);
	put_bytes(&w, false, false, SLICE_NULL);
	ck_assert(w.failed);
	writer_reset(&w);
	put_count(&w, false, false, -1);
	ck_assert(w.failed);
	writer_reset(&w);
	put_count(&w, false, true, -2);
	ck_assert(w.failed);
}
END_TEST

START_TEST(a_tag_is_preceded_by_its_size)
{
	static const uint8_t value[300] = { 1, 2, 3 };

	size_t begin = put_tag(&w, 5);
	put_i16(&w, 7);
	put_tag_end(&w, begin);
	check_bytes(BYTES(5, 2, 0, 7));
	writer_reset(&w);
	begin = put_tag(&w, 5);
	put_bytes(&w, true, false, slice_of(value, sizeof(value)));
	put_tag_end(&w, begin);
	ck_assert_uint_eq(w.len, 1 + 2 + 2 + sizeof(value));
	ck_assert(slice_eq(slice_of(w.buf, 8), BYTES(5, 0xae, 2, 0xad, 2, 1, 2, 3)));
}
END_TEST

START_TEST(records_of_a_file_are_gaps_that_the_frame_counts)
{
	const int file = 0;	/* only its address counts */
	const struct wire_records from_file = { .file = &file, .file_pos = 4096, .len = 1000 };
	const struct wire_records inline_bytes = { .ptr = (const uint8_t *)"xyz", .len = 3 };

	writer_begin_frame(&w);
	put_records(&w, false, true, from_file);
	put_records(&w, true, true, inline_bytes);
	put_records(&w, true, true, from_file);
	ck_assert(writer_end_frame(&w));
	writer_begin_frame(&w);
	put_i8(&w, 1);
	ck_assert(writer_end_frame(&w));
	check_bytes(BYTES(0, 0, 0x07, 0xda, 0, 0, 0x03, 0xe8, 4, 'x', 'y', 'z', 0xe9, 0x07, 0, 0, 0, 1, 1));
	ck_assert_uint_eq(w.gaps_count, 2);
	ck_assert_uint_eq(w.gaps[0].pos, 8);
	ck_assert_uint_eq(w.gaps[1].pos, 14);
	ck_assert_int_eq(w.gaps[1].file_pos, 4096);
	ck_assert_ptr_eq(w.gaps[1].file, &file);
	ck_assert_uint_eq(w.gap_bytes, 2000);
}
END_TEST

START_TEST(a_frame_fits_an_int32)
{
	const int file = 0;
	const struct wire_records half = { .file = &file, .len = 1 << 30 };

	writer_begin_frame(&w);
	put_records(&w, false, true, half);
	ck_assert(writer_end_frame(&w));
	writer_begin_frame(&w);		/* the first frame's gaps do not count here */
	put_records(&w, false, true, half);
	ck_assert(writer_end_frame(&w));
	writer_begin_frame(&w);
	put_records(&w, false, true, half);
	put_records(&w, false, true, half);
	ck_assert(!writer_end_frame(&w));
	ck_assert(w.failed);
	writer_reset(&w);
	ck_assert(!w.failed);
	put_i8(&w, 3);
	check_bytes(BYTES(3));
}
END_TEST

START_TEST(a_failed_writer_goes_on_harmlessly)
{
	static const uint8_t bytes[1];

	writer_begin_frame(&w);
	put_bytes(&w, false, false, slice_of(bytes, (size_t)INT32_MAX + 1));
	size_t begin = put_tag(&w, 1);
	for (int i = 0; i < 5000; i++) {
		put_string(&w, true, false, slice_of(bytes, 1));
		put_i64(&w, 1);
	}
	put_tag_end(&w, begin);
	ck_assert(w.failed);
	ck_assert(!writer_end_frame(&w));
}
END_TEST

/* ---- generated code ---- */

START_TEST(what_a_version_lacks_is_dropped_or_refused)
{
	struct fetch_request m;

	fetch_request_init(&m);
	m.rack_id = SLICE_LIT("r");		/* from version 11, ignorable */
	ck_assert(fetch_request_encode(&m, &w, 10));
	m.replica_state.replica_id = 3;		/* from version 15, not ignorable */
	ck_assert(!fetch_request_encode(&m, &w, 14));
	writer_reset(&w);
	ck_assert(fetch_request_encode(&m, &w, 15));
	m.replica_id = 3;			/* until version 14, not ignorable */
	ck_assert(!fetch_request_encode(&m, &w, 15));
}
END_TEST

START_TEST(absent_fields_have_their_defaults)
{
	struct fetch_request m;
	struct reader r = READER(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0);

	memset(&m, 0x5a, sizeof(m));
	ck_assert(fetch_request_decode(&m, &r, 0, &arena));
	ck_assert_int_eq(m.max_wait_ms, 9);
	ck_assert_int_eq(m.max_bytes, INT32_MAX);
	ck_assert_int_eq(m.session_epoch, -1);
	ck_assert_int_eq(m.replica_state.replica_epoch, -1);
	ck_assert(slice_is_null(m.cluster_id));
	ck_assert(!slice_is_null(m.rack_id) && m.rack_id.len == 0);
	ck_assert(m.forgotten_topics_data_count == 0 && m.forgotten_topics_data == NULL);
}
END_TEST

START_TEST(a_null_array_is_not_an_empty_one)
{
	struct metadata_request m;
	struct reader all = READER(0xff, 0xff, 0xff, 0xff), none = READER(0, 0, 0, 0), v0 = READER(0xff, 0xff, 0xff, 0xff);

	ck_assert(metadata_request_decode(&m, &all, 1, &arena));
	ck_assert_int_eq(m.topics_count, -1);
	ck_assert(metadata_request_decode(&m, &none, 1, &arena));
	ck_assert_int_eq(m.topics_count, 0);
	ck_assert(!metadata_request_decode(&m, &v0, 0, &arena));
}
END_TEST

START_TEST(a_fetch_response_leaves_gaps_for_the_files)
{
	const int file = 0;
	struct fetch_response m;
	struct fetch_response_response topic;
	struct fetch_response_partition partition;

	fetch_response_init(&m);
	fetch_response_response_init(&topic);
	fetch_response_partition_init(&partition);
	partition.records = (struct wire_records){ .file = &file, .len = 77 };
	topic.topic = SLICE_LIT("t");
	topic.partitions = &partition;
	topic.partitions_count = 1;
	m.responses = &topic;
	m.responses_count = 1;
	ck_assert(fetch_response_encode(&m, &w, 12));
	ck_assert_uint_eq(w.gaps_count, 1);
	ck_assert_uint_eq(w.gaps[0].len, 77);
	ck_assert_uint_eq(w.gaps[0].pos, w.len - 3);	/* the tags of partition, topic and message follow */
}
END_TEST

START_TEST(tags_inside_elements_are_read)
{
	struct fetch_request m, again;
	struct fetch_request_topic topic;
	struct fetch_request_partition partition;

	fetch_request_init(&m);
	fetch_request_topic_init(&topic);
	fetch_request_partition_init(&partition);
	partition.replica_directory_id.bytes[15] = 9;
	topic.partitions = &partition;
	topic.partitions_count = 1;
	m.topics = &topic;
	m.topics_count = 1;
	ck_assert(fetch_request_encode(&m, &w, 17));
	struct reader r = reader_of(slice_of(w.buf, w.len));
	ck_assert(fetch_request_decode(&again, &r, 17, &arena));
	ck_assert_uint_eq(again.topics[0].partitions[0].replica_directory_id.bytes[15], 9);
	ck_assert(!fetch_request_decode(&again, &r, 18, &arena));
}
END_TEST

/* ---- headers and table ---- */

START_TEST(header_versions_follow_the_api)
{
	static const struct { int16_t key, version; size_t request, response; } cases[] = {
		{ API_METADATA, 8, 13, 4 },
		{ API_METADATA, 9, 14, 5 },
		{ API_API_VERSIONS, 2, 13, 4 },
		{ API_API_VERSIONS, 3, 14, 4 },		/* the answer's header stays the oldest */
		{ API_API_VERSIONS, 99, 14, 4 },
		{ API_CONTROLLED_SHUTDOWN, 0, 8, 4 },	/* no client id */
		{ API_CONTROLLED_SHUTDOWN, 1, 13, 4 },
		{ API_CONTROLLED_SHUTDOWN, 3, 14, 5 },
		{ API_SASL_HANDSHAKE, 1, 13, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request_header h = { cases[i].key, cases[i].version, 7, SLICE_LIT("abc") }, back;
		int32_t correlation_id = 0;

		writer_reset(&w);
		ck_assert(header_encode_request(&h, &w));
		ck_assert_uint_eq(w.len, cases[i].request);
		struct reader r = reader_of(slice_of(w.buf, w.len));
		ck_assert(header_decode_request(&back, &r) && reader_left(&r) == 0);
		ck_assert_int_eq(back.correlation_id, 7);
		ck_assert(slice_eq_str(back.client_id, cases[i].request == 8 ? "" : "abc"));
		writer_reset(&w);
		ck_assert(header_encode_response(7, &w, h.request_api_key, h.request_api_version));
		ck_assert_uint_eq(w.len, cases[i].response);
		r = reader_of(slice_of(w.buf, w.len));
		ck_assert(header_decode_response(&correlation_id, &r, h.request_api_key, h.request_api_version));
		ck_assert_int_eq(correlation_id, 7);
	}
}
END_TEST

START_TEST(a_client_id_is_never_compact_and_null_reads_as_empty)
{
	struct request_header h;
	struct reader r = READER(0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0);

	ck_assert(header_decode_request(&h, &r) && reader_left(&r) == 0);
	ck_assert(!slice_is_null(h.client_id) && h.client_id.len == 0);
	r = READER(0x7f, 0, 0, 0, 0, 0, 0, 1, 0, 0);	/* no such key */
	ck_assert(!header_decode_request(&h, &r));
	r = READER(0xff, 0xff, 0, 0, 0, 0, 0, 1, 0, 0);
	ck_assert(!header_decode_request(&h, &r));
	r = READER(0, 3, 0);
	ck_assert(!header_decode_request(&h, &r));
}
END_TEST

/* Version 1 as kafka-go writes it, with nothing behind the user data; cut anywhere else it is none. */
START_TEST(a_subscription_may_lack_its_last_fields)
{
	static const uint8_t bytes[] = { 0, 3, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 2, 'u', 'd',
		0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 5, 0, 1, 'r', 'n', 'e', 'w' };
	static const struct { size_t len; int32_t owned, generation; bool has_rack; } good[] = {
		{ 15, 0, -1, false }, { 30, 1, -1, false }, { 34, 1, 5, false }, { 37, 1, 5, true }, { sizeof(bytes), 1, 5, true },
	};
	struct consumer_protocol_subscription s;
	int16_t version;
	size_t next = 0;

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		bool is_good = len > 37 || good[next].len == len;

		arena_reset(&arena);
		ck_assert_int_eq(subscription_read(slice_of(bytes, len), &s, &version, &arena), is_good);
		if (!is_good)
			continue;
		ck_assert_int_eq(version, 3);
		ck_assert_int_eq(s.topics_count, 1);
		ck_assert_int_eq((int)s.user_data.len, 2);
		ck_assert_int_eq(s.owned_partitions_count, good[next].owned);
		ck_assert_int_eq(s.generation_id, good[next].generation);
		ck_assert_int_eq(!slice_is_null(s.rack_id), good[next].has_rack);
		next += len <= 37;
	}
	ck_assert(!subscription_read(SLICE_NULL, &s, &version, &arena));
	ck_assert(!subscription_read(slice_of("\377\377\0\0\0\0", 6), &s, &version, &arena));
}
END_TEST

START_TEST(the_table_knows_every_api)
{
	int known = 0;

	for (int key = -2; key < 1000; key++) {
		const struct api_info *api = api_info(key);
		if (api == NULL)
			continue;
		known++;
		ck_assert_int_eq(api->key, key);
		ck_assert_int_le(api->version_min, api->version_max);
	}
	ck_assert_int_eq(known, 61);
	ck_assert_str_eq(api_info(API_LEADER_AND_ISR)->name, "LeaderAndIsr");
	ck_assert_int_eq(api_info(API_FETCH)->version_max, 17);
	ck_assert_int_eq(api_info(API_FETCH)->version_flexible, 12);
	ck_assert_int_eq(api_info(API_SASL_HANDSHAKE)->version_flexible, API_NEVER_FLEXIBLE);
	ck_assert_ptr_null(api_info(58));
	ck_assert_ptr_null(api_info(INT16_MIN));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, past_the_end_come_zeros_and_a_flag);
	tcase_add_test(t, null_is_read_only_where_it_is_allowed);
	tcase_add_test(t, a_string_has_at_most_32767_bytes);
	tcase_add_test(t, a_count_beyond_the_bytes_left_reserves_nothing);
	tcase_add_test(t, a_full_arena_refuses_the_message);
	tcase_add_test(t, compact_and_plain_forms);
	tcase_add_test(t, null_is_written_only_where_it_is_allowed);
	tcase_add_test(t, a_tag_is_preceded_by_its_size);
	tcase_add_test(t, records_of_a_file_are_gaps_that_the_frame_counts);
	tcase_add_test(t, a_frame_fits_an_int32);
	tcase_add_test(t, a_failed_writer_goes_on_harmlessly);
	tcase_add_test(t, what_a_version_lacks_is_dropped_or_refused);
	tcase_add_test(t, absent_fields_have_their_defaults);
	tcase_add_test(t, a_null_array_is_not_an_empty_one);
	tcase_add_test(t, a_fetch_response_leaves_gaps_for_the_files);
	tcase_add_test(t, tags_inside_elements_are_read);
	tcase_add_test(t, header_versions_follow_the_api);
	tcase_add_test(t, a_client_id_is_never_compact_and_null_reads_as_empty);
	tcase_add_test(t, a_subscription_may_lack_its_last_fields);
	tcase_add_test(t, the_table_knows_every_api);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
