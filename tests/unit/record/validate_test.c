/*
 * Validation: what Kafka answered to the same bytes (codes and texts are a broker's own), what it stored for them (golden
 * logs), and the property of tests/fuzz/batch_fuzz.c over damaged batches.
 */
#include "config.h"

#include "../../fuzz/batch_fuzz.c"

#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "base/varint.h"
#include "record_test_util.h"

static struct batch_scratch scratch;
static struct compressor *compressor;
static struct strbuf sent, rebuilt;
static struct batch_verdict v;
static struct topic_config config;
static struct batch_policy policy;

#define T0 ((time_ms)1700000000000)

static void setup(void)
{
	batch_scratch_init(&scratch);
	compressor = compressor_create();
	config = (struct topic_config){
		.max_message_bytes = 1048588, .compression_type = COMPRESSION_PRODUCER, .compression_gzip_level = -1,
		.compression_lz4_level = 9, .compression_zstd_level = 3, .cleanup_policy = CLEANUP_DELETE,
		.timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX,
	};
	policy = (struct batch_policy){ &config, SLICE_LIT("pr-x8compact"), 0, OUT_MAX };
}

static void teardown(void)
{
	batch_scratch_fini(&scratch);
	compressor_destroy(&compressor);
	strbuf_fini(&sent);
	strbuf_fini(&rebuilt);
}

static int level_of(int codec)
{
	return codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
}

/* Three records into sent: ("k", "v"), (null, "hello" with a header), ("k2", null). */
static uint8_t *three_records(int codec)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct record_header header = { SLICE_LIT("h"), SLICE_NULL };
	struct batch_builder b;
	struct slice batch;

	spec.codec = (enum codec)codec;
	spec.level = level_of(codec);
	strbuf_reset(&sent);
	batch_build_begin(&b, &spec, compressor, &sent, SIZE_MAX);
	batch_build_add(&b, T0, SLICE_LIT("k"), SLICE_LIT("v"), NULL, 0);
	batch_build_add(&b, T0 + 5, SLICE_NULL, SLICE_LIT("hello"), &header, 1);
	batch_build_add(&b, T0 + 2, SLICE_LIT("k2"), SLICE_NULL, NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	return (uint8_t *)sent.ptr;
}

/* Seals and validates what is in sent, in memory of exactly its size. v.batch of an in-place batch is copied back to sent. */
static enum kafka_error validate_sent(time_ms now)
{
	uint8_t *exact = mem_alloc(sent.len);

	batch_seal((uint8_t *)sent.ptr, sent.len);
	memcpy(exact, sent.ptr, sent.len);
	batch_validate(exact, sent.len, &policy, now, &scratch, &rebuilt, &v);
	if (v.error != NONE)
		ck_assert_mem_eq(exact, sent.ptr, sent.len);	/* refused: untouched */
	else if (v.batch == exact)
		v.batch = memcpy(sent.ptr, exact, sent.len);
	free(exact);
	return v.error;
}

static void refused(enum kafka_error error, bool is_log_start_known)
{
	ck_assert_int_eq(validate_sent(T0), error);
	ck_assert_int_eq(v.is_log_start_known, is_log_start_known);
	ck_assert_int_eq(v.record_errors_total, 0);
}

/* ---- form ---- */

static struct records_form form;

static void check_form(struct slice records, int version, enum kafka_error request_error, enum kafka_error error)
{
	records_form_check(records, (int16_t)version, &form);
	ck_assert_int_eq(form.request_error, request_error);
	if (request_error == NONE)
		ck_assert_int_eq(form.error, error);
	ck_assert_int_eq(slice_is_null(form.batch), error != NONE || request_error != NONE);
}

START_TEST(form_as_kafka_answers)
{
	uint8_t zeros[17] = { 0 }, two[400];
	uint8_t *b = three_records(CODEC_NONE);
	size_t size = sent.len;

	check_form(slice_of(b, size), 3, NONE, NONE);
	ck_assert_uint_eq(form.batch.len, size);
	ck_assert(!form.is_transactional);
	check_form(SLICE_NULL, 3, NONE, INVALID_RECORD);
	check_form(SLICE_EMPTY, 3, NONE, INVALID_RECORD);
	check_form(slice_of(b, 5), 3, NONE, INVALID_RECORD);
	check_form(slice_of(b, size - 1), 3, NONE, INVALID_RECORD);
	check_form(slice_of(zeros, 17), 3, CORRUPT_MESSAGE, NONE);
	ck_assert_str_eq(form.message, "Record size 0 is less than the minimum record overhead (14)");
	memcpy(two, b, size);
	memcpy(two + size, b, size);
	check_form(slice_of(two, size + 50), 3, NONE, NONE);		/* a batch and half a batch */
	ck_assert_uint_eq(form.batch.len, size);
	check_form(slice_of(two, 2 * size), 3, NONE, INVALID_RECORD);
	memcpy(two + size, zeros, 17);
	check_form(slice_of(two, size + 17), 3, CORRUPT_MESSAGE, NONE);
	two[BATCH_MAGIC_POS] = 3;
	check_form(slice_of(two, size), 3, CORRUPT_MESSAGE, NONE);
	ck_assert_str_eq(form.message, "Invalid magic found in record: 3");
	two[BATCH_MAGIC_POS] = 1;
	check_form(slice_of(two, size), 3, NONE, INVALID_RECORD);
	two[BATCH_MAGIC_POS] = 2;
	two[BATCH_ATTRIBUTES_POS + 1] = BATCH_TRANSACTIONAL;
	check_form(slice_of(two, size), 3, NONE, NONE);
	ck_assert(form.is_transactional);
	two[BATCH_ATTRIBUTES_POS + 1] = CODEC_ZSTD;
	check_form(slice_of(two, size), 6, NONE, UNSUPPORTED_COMPRESSION_TYPE);
	check_form(slice_of(two, size), 7, NONE, NONE);
	store_be32(two + BATCH_LENGTH_POS, 20);				/* whole, but shorter than a header */
	check_form(slice_of(two, 32), 7, NONE, CORRUPT_MESSAGE);
}
END_TEST

/* ---- batches refused as a whole ---- */

static void set32(uint8_t *b, size_t pos, int32_t value) { store_be32(b + pos, (uint32_t)value); }

START_TEST(headers_that_are_refused)
{
	uint8_t *b = three_records(_i);

	batch_set_base_offset(b, 5);
	refused(INVALID_RECORD, true);
	b = three_records(_i);
	set32(b, BATCH_LAST_OFFSET_DELTA_POS, 3);
	refused(INVALID_RECORD, true);
	b = three_records(_i);
	set32(b, BATCH_LAST_OFFSET_DELTA_POS, -1);
	refused(INVALID_RECORD, true);
	set32(b, BATCH_RECORD_COUNT_POS, 0);
	refused(INVALID_RECORD, true);
	set32(b, BATCH_LAST_OFFSET_DELTA_POS, INT32_MIN);
	set32(b, BATCH_RECORD_COUNT_POS, INT32_MIN + 1);
	refused(INVALID_RECORD, true);
	for (int count = 2; count <= 4; count += 2) {		/* both say the same, the records do not */
		b = three_records(_i);
		set32(b, BATCH_LAST_OFFSET_DELTA_POS, count - 1);
		set32(b, BATCH_RECORD_COUNT_POS, count);
		refused(INVALID_RECORD, true);
	}
	b = three_records(_i);
	b[BATCH_ATTRIBUTES_POS + 1] |= BATCH_CONTROL;
	refused(INVALID_RECORD, true);
	b = three_records(_i);
	store_be64(b + BATCH_PRODUCER_ID_POS, 7);		/* a producer without sequence */
	refused(INVALID_RECORD, true);
	b = three_records(_i);
	b[BATCH_ATTRIBUTES_POS + 1] = 5;			/* no such codec */
	refused(UNKNOWN_SERVER_ERROR, true);
	b = three_records(_i);
	config.max_message_bytes = (int32_t)sent.len - 1;
	refused(MESSAGE_TOO_LARGE, false);
	config.max_message_bytes++;
	ck_assert_int_eq(validate_sent(T0), NONE);
}
END_TEST

START_TEST(a_wrong_crc_comes_before_everything_under_it)
{
	uint8_t *b = three_records(CODEC_NONE);

	for (size_t pos = BATCH_CRC_POS; pos < sent.len; pos++) {
		b[pos] ^= 1;
		batch_validate(b, sent.len, &policy, T0, &scratch, &rebuilt, &v);
		ck_assert_int_eq(v.error, CORRUPT_MESSAGE);
		ck_assert(!v.is_log_start_known);
		b[pos] ^= 1;
	}
}
END_TEST

START_TEST(a_whole_refusal_forgets_single_ones)
{
	uint8_t *b = three_records(CODEC_NONE);

	config.cleanup_policy = CLEANUP_COMPACT;		/* the second record has no key, the third does not fit */
	b[sent.len - 1] = 2;
	refused(INVALID_RECORD, true);
}
END_TEST

START_TEST(records_that_do_not_fit)
{
	uint8_t *b = three_records(CODEC_NONE);

	b[BATCH_HEADER_SIZE + 4] = 0x7e;		/* the first record's key is longer than the record */
	refused(INVALID_RECORD, true);
	b = three_records(CODEC_NONE);
	b[BATCH_HEADER_SIZE] = 0x0e;			/* a record one byte shorter than it is */
	refused(INVALID_RECORD, true);
	b = three_records(CODEC_NONE);
	b[BATCH_HEADER_SIZE] = 0x01;			/* length -1 */
	refused(INVALID_RECORD, true);
}
END_TEST

/* The section of a batch whose header says codec, put together by hand. */
static void send_section(int codec, const void *section, size_t len, int32_t count)
{
	uint8_t *b = three_records(CODEC_NONE);

	b[BATCH_ATTRIBUTES_POS + 1] = (uint8_t)codec;
	set32(b, BATCH_RECORD_COUNT_POS, count);
	set32(b, BATCH_LAST_OFFSET_DELTA_POS, count - 1);
	strbuf_truncate(&sent, BATCH_HEADER_SIZE);
	strbuf_add(&sent, section, len);
	set32((uint8_t *)sent.ptr, BATCH_LENGTH_POS, (int32_t)sent.len - BATCH_LOG_OVERHEAD);
}

START_TEST(compressed_bytes_that_are_none)
{
	send_section(_i, "this is not compressed", 22, 1);
	refused(UNKNOWN_SERVER_ERROR, true);
	send_section(_i, "", 0, 1);
	refused(UNKNOWN_SERVER_ERROR, true);
	config.compression_type = COMPRESSION_UNCOMPRESSED;
	refused(UNKNOWN_SERVER_ERROR, true);
}
END_TEST

/* The bytes as a xerial stream of blocks of n bytes: records, and numbers inside them, lie across as many pieces as wanted. */
static void add_xerial(struct strbuf *b, struct slice bytes, size_t n)
{
	strbuf_add(b, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
	for (size_t at = 0; at < bytes.len; at += n) {
		size_t len = MIN(n, bytes.len - at);
		uint8_t head[6] = { 0, 0, 0, (uint8_t)(len + 2), (uint8_t)len, (uint8_t)((len - 1) << 2) };
		strbuf_add(b, head, sizeof(head));	/* a literal of at most 60 bytes */
		strbuf_add(b, bytes.ptr + at, len);
	}
}

/* Damaged or not: however a section is cut into pieces, the answer is the same, and so are the bytes a rebuild gives. */
START_TEST(pieces_make_no_difference)
{
	struct strbuf section = STRBUF_INIT, pieces = STRBUF_INIT, first = STRBUF_INIT;
	int accepted = 0;

	config.compression_type = COMPRESSION_UNCOMPRESSED;
	for (int n = 0; n < 4000; n++) {
		static const size_t sizes[] = { 60, 1, 2, 3, 7 };
		enum kafka_error error = NONE;
		uint8_t *b = three_records(CODEC_NONE);
		strbuf_reset(&section);
		strbuf_add(&section, b + BATCH_HEADER_SIZE, sent.len - BATCH_HEADER_SIZE);
		for (int flips = n % 4; flips > 0; flips--)
			section.ptr[(size_t)random() % section.len] ^= (char)(1 << random() % 7);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			strbuf_reset(&pieces);
			add_xerial(&pieces, strbuf_slice(&section), sizes[i]);
			send_section(CODEC_SNAPPY, pieces.ptr, pieces.len, 3);
			validate_sent(T0);
			if (i == 0) {
				error = v.error;
				strbuf_reset(&first);
				strbuf_add_slice(&first, v.error == NONE ? strbuf_slice(&rebuilt) : SLICE_EMPTY);
			}
			ck_assert_int_eq(v.error, error);
			if (v.error == NONE)
				ck_assert(slice_eq(strbuf_slice(&rebuilt), strbuf_slice(&first)));
		}
		accepted += error == NONE;
		ck_assert(error == NONE || n % 4 != 0);
	}
	ck_assert_int_ge(accepted, 1000);
	strbuf_fini(&section);
	strbuf_fini(&pieces);
	strbuf_fini(&first);
}
END_TEST

/* A section of bytes repeated n times after a beginning, compressed with codec _i. */
static void send_bomb(int codec, struct slice head, size_t zeros, int32_t count)
{
	static const uint8_t block[65536];
	struct strbuf packed = STRBUF_INIT;

	compress_begin(compressor, (enum codec)codec, level_of(codec), &packed, SIZE_MAX);
	compress_write(compressor, head.ptr, head.len);
	for (; zeros != 0; zeros -= MIN(zeros, sizeof(block)))
		compress_write(compressor, block, MIN(zeros, sizeof(block)));
	ck_assert_int_eq(compress_end(compressor), OK);
	send_section(codec, packed.ptr, packed.len, count);
	strbuf_fini(&packed);
	config.max_message_bytes = INT32_MAX;
}

START_TEST(bombs_are_walked_or_refused)
{
	static const uint8_t small[] = { 0x0c, 0, 0, 0, 1, 1, 0 };
	const int32_t value = 100000000;
	uint8_t head[20] = { 0 };
	size_t n = put_varint(head, (int32_t)(4 + varint_size(value) + 1) + value);

	n += 3;					/* attributes and deltas */
	head[n++] = 1;				/* null key */
	n += put_varint(head + n, value);
	send_bomb(_i, slice_of(head, n), (size_t)value + 1, 1);
	ck_assert_int_eq(validate_sent(T0), NONE);
	policy.decompressed_max = 10 << 20;
	refused(MESSAGE_TOO_LARGE, false);
	/* one record and a hundred million bytes nobody announced: given up at once, not at the limit */
	send_bomb(_i, slice_of(small, sizeof(small)), 100000000, 1);
	refused(INVALID_RECORD, true);
	/* a record of length 0, which is no record, again and again */
	send_bomb(_i, SLICE_EMPTY, 100000000, INT32_MAX);
	refused(INVALID_RECORD, true);
}
END_TEST

START_TEST(offsets_with_gaps)
{
	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		struct batch_spec spec = BATCH_SPEC_INIT;
		struct batch_builder b;
		struct slice batch;
		struct record r = { .timestamp = T0, .key = SLICE_LIT("k"), .value = SLICE_LIT("v"), .headers = SLICE_EMPTY };

		config.compression_type = COMPRESSION_PRODUCER;
		spec.codec = (enum codec)codec;
		spec.level = level_of(codec);
		spec.last_offset_delta = 1;
		strbuf_reset(&sent);
		batch_build_begin(&b, &spec, compressor, &sent, SIZE_MAX);
		batch_build_add_record(&b, &r);
		r.offset = 5;
		batch_build_add_record(&b, &r);
		ck_assert_int_eq(batch_build_end(&b, &batch), OK);
		if (codec == CODEC_NONE)	/* stored as it is */
			ck_assert_int_eq(validate_sent(T0), NONE);
		else
			refused(UNKNOWN_SERVER_ERROR, true);
		config.compression_type = codec == CODEC_NONE ? COMPRESSION_GZIP : COMPRESSION_UNCOMPRESSED;
		ck_assert_int_eq(validate_sent(T0), NONE);	/* numbered anew */
	}
}
END_TEST

/* ---- single records refused ---- */

static struct arena arena;

static void check_text(struct slice got, const char *want)
{
	ck_assert_msg(slice_eq_str(got, want), "got  " SLICE_FMT "\nwant %s", SLICE_ARG(got), want);
}

START_TEST(null_keys_on_a_compacted_topic)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;

	arena_init(&arena, 1 << 20);
	batch_build_begin(&b, &spec, NULL, &sent, SIZE_MAX);
	batch_build_add(&b, T0, SLICE_LIT("k"), SLICE_LIT("a"), NULL, 0);
	batch_build_add(&b, T0, SLICE_NULL, SLICE_LIT("b"), NULL, 0);
	batch_build_add(&b, T0, SLICE_NULL, SLICE_LIT("c"), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	config.cleanup_policy = CLEANUP_COMPACT | CLEANUP_DELETE;
	ck_assert_int_eq(validate_sent(T0), INVALID_RECORD);
	ck_assert(v.is_log_start_known);
	ck_assert_int_eq(v.record_errors_total, 2);
	ck_assert_int_eq(v.record_errors_listed, 2);
	ck_assert_int_eq(v.record_errors[0].batch_index, 1);
	ck_assert_int_eq(v.record_errors[1].batch_index, 2);
	check_text(record_error_text(&v, &policy, 0, &arena),
		   "Compacted topic cannot accept message without key in topic partition pr-x8compact-0");
	check_text(batch_error_text(&v, &policy, &arena),
		   "One or more records have been rejected due to 2 record errors in total, and only showing the first three errors at "
		   "most: [RecordError(batchIndex=1, message='Compacted topic cannot accept message without key in topic partition "
		   "pr-x8compact-0'), RecordError(batchIndex=2, message='Compacted topic cannot accept message without key in topic "
		   "partition pr-x8compact-0')]");
	arena_fini(&arena);
}
END_TEST

START_TEST(timestamps_out_of_range)
{
	const time_ms now = 1795370361797;

	arena_init(&arena, 1 << 20);
	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		struct batch_spec spec = BATCH_SPEC_INIT;
		struct batch_builder b;
		struct slice batch;
		spec.codec = (enum codec)codec;
		spec.level = level_of(codec);
		strbuf_reset(&sent);
		batch_build_begin(&b, &spec, compressor, &sent, SIZE_MAX);
		batch_build_add(&b, 4102444800000, SLICE_NULL, SLICE_LIT("a"), NULL, 0);
		batch_build_add(&b, 4102444800005, SLICE_NULL, SLICE_LIT("b"), NULL, 0);
		batch_build_add(&b, NO_TIMESTAMP, SLICE_NULL, SLICE_LIT("c"), NULL, 0);
		batch_build_add(&b, now + 1000, SLICE_NULL, SLICE_LIT("d"), NULL, 0);
		ck_assert_int_eq(batch_build_end(&b, &batch), OK);
		config.timestamp_after_max_ms = INT64_MAX;
		ck_assert_int_eq(validate_sent(now), NONE);
		config.timestamp_after_max_ms = 1000;
		ck_assert_int_eq(validate_sent(now), INVALID_TIMESTAMP);
		ck_assert(v.is_log_start_known);
		ck_assert_int_eq(v.record_errors_total, 2);
		check_text(record_error_text(&v, &policy, 0, &arena), "Timestamp 4102444800000 of message with offset 0 is out of range. "
			   "The timestamp should be within [-9223370241484414010, 1795370362797]");
		check_text(record_error_text(&v, &policy, 1, &arena), "Timestamp 4102444800005 of message with offset 1 is out of range. "
			   "The timestamp should be within [-9223370241484414010, 1795370362797]");
		check_text(batch_error_text(&v, &policy, &arena), "One or more records have been rejected due to invalid timestamp");
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(the_append_time_bit_is_not_the_producers)
{
	uint8_t *b;

	arena_init(&arena, 1 << 20);
	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		b = three_records(codec);
		b[BATCH_ATTRIBUTES_POS + 1] |= BATCH_LOG_APPEND_TIME;
		config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
		ck_assert_int_eq(validate_sent(T0), INVALID_TIMESTAMP);
		ck_assert_int_eq(v.record_errors_total, 3);
		check_text(record_error_text(&v, &policy, 1, &arena), codec == CODEC_NONE
			   ? "Invalid timestamp type in message DefaultRecord(offset=1, timestamp=1700000000005, key=0 bytes, value=5 bytes). "
			     "Producer should not set timestamp type to LogAppendTime."
			   : "Invalid timestamp type in message PartialDefaultRecord(offset=1, timestamp=1700000000005, key=-1 bytes, value=5 bytes). "
			     "Producer should not set timestamp type to LogAppendTime.");
		config.timestamp_type = TIMESTAMP_CREATE_TIME;
		ck_assert_int_eq(validate_sent(T0), NONE);		/* cleared, the max timestamp is every record's */
		ck_assert(!batch_is_log_append_time(v.batch));
		store_be64(b + BATCH_MAX_TIMESTAMP_POS, (uint64_t)NO_TIMESTAMP);
		b[BATCH_ATTRIBUTES_POS + 1] |= BATCH_LOG_APPEND_TIME;
		ck_assert_int_eq(validate_sent(T0), INVALID_TIMESTAMP);
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(many_errors_are_counted_and_some_listed)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;

	batch_build_begin(&b, &spec, NULL, &sent, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		batch_build_add(&b, i == 999 ? T0 + 5000 : T0, i == 999 ? SLICE_LIT("k") : SLICE_NULL, SLICE_LIT("v"), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	config.cleanup_policy = CLEANUP_COMPACT;
	config.timestamp_after_max_ms = 1000;
	ck_assert_int_eq(validate_sent(T0), INVALID_TIMESTAMP);		/* one timestamp outweighs 999 keys */
	ck_assert_int_eq(v.record_errors_total, 1000);
	ck_assert_int_eq(v.record_errors_listed, RECORD_ERRORS_MAX);
}
END_TEST

/* ---- what is changed ---- */

/* As a producer would have sent a stored batch. */
static void send_golden(const char *log, int n)
{
	size_t size;
	uint8_t *b = test_golden_batch(log, n, &size);

	batch_set_base_offset(b, 0);
	batch_set_leader_epoch(b, -1);
	strbuf_reset(&sent);
	strbuf_add(&sent, b, size);
	free(b);
}

START_TEST(a_right_batch_is_left_as_it_is)
{
	struct strbuf before = STRBUF_INIT;

	send_golden("codecs/codecs-0/00000000000000000000.log", _i);
	strbuf_add_slice(&before, strbuf_slice(&sent));
	ck_assert_int_eq(validate_sent(T0), NONE);
	ck_assert_uint_eq(v.batch_bytes, before.len);
	ck_assert_mem_eq(v.batch, before.ptr, before.len);
	ck_assert_int_eq(v.record_count, 3);
	ck_assert_int_eq(v.log_append_time, NO_TIMESTAMP);
	ck_assert_int_eq(v.max_timestamp, batch_max_timestamp((const uint8_t *)before.ptr));
	strbuf_fini(&before);
}
END_TEST

START_TEST(the_max_timestamp_is_ours_to_say)
{
	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		uint8_t *b = three_records(codec);
		store_be64(b + BATCH_MAX_TIMESTAMP_POS, 12345);
		b[BATCH_ATTRIBUTES_POS] = 0x01;			/* meaningless bits: cleared with the correction */
		b[BATCH_ATTRIBUTES_POS + 1] |= 0x80 | BATCH_DELETE_HORIZON;
		ck_assert_int_eq(validate_sent(T0), NONE);
		ck_assert_int_eq(v.max_timestamp, T0 + 5);
		ck_assert_int_eq(batch_max_timestamp(v.batch), T0 + 5);
		ck_assert_int_eq(batch_attributes(v.batch), codec | BATCH_DELETE_HORIZON);
		ck_assert(batch_check_crc(slice_of(v.batch, v.batch_bytes)));
		b[BATCH_ATTRIBUTES_POS] = 0x01;			/* without one they are kept */
		ck_assert_int_eq(validate_sent(T0), NONE);
		ck_assert_int_eq(batch_attributes(v.batch), 0x100 | codec | BATCH_DELETE_HORIZON);
	}
}
END_TEST

START_TEST(append_time_is_stamped)
{
	config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
	for (int codec = 0; codec < CODEC_COUNT; codec++) {
		three_records(codec);
		ck_assert_int_eq(validate_sent(T0 + 777), NONE);
		ck_assert_int_eq(v.log_append_time, T0 + 777);
		ck_assert_int_eq(batch_max_timestamp(v.batch), T0 + 777);
		ck_assert_int_eq(batch_base_timestamp(v.batch), T0);
		ck_assert_int_eq(batch_attributes(v.batch), codec | BATCH_LOG_APPEND_TIME);
		ck_assert(batch_check_crc(slice_of(v.batch, v.batch_bytes)));
	}
}
END_TEST

/* What the broker stored when a topic forced a codec, from what was sent: the same records in another codec. */
START_TEST(a_forced_codec_gives_the_stored_bytes)
{
	static const char *const logs[CODEC_COUNT] = {
		"codecs/forced-uncompressed-0/00000000000000000000.log", "codecs/forced-gzip-0/00000000000000000000.log",
		"codecs/forced-snappy-0/00000000000000000000.log", "codecs/forced-lz4-0/00000000000000000000.log",
		"codecs/forced-zstd-0/00000000000000000000.log",
	};
	int target = _i / CODEC_COUNT, from = _i % CODEC_COUNT;

	for (int n = 0; n < 2 && from != target; n++) {
		size_t size;
		uint8_t *golden = test_golden_batch(logs[target], n, &size);
		struct batch_spec spec = BATCH_SPEC_INIT;
		struct batch_builder b;
		struct record_iter it;
		struct record r;
		struct slice batch;

		spec.codec = (enum codec)from;
		spec.level = level_of(from);
		spec.base_offset = batch_base_offset(golden);
		strbuf_reset(&sent);
		batch_build_begin(&b, &spec, compressor, &sent, SIZE_MAX);
		for (record_iter_init(&it, slice_of(golden, size), scratch.decompressor, OUT_MAX); record_iter_next(&it, &r);)
			batch_build_add_record(&b, &r);
		record_iter_fini(&it);
		ck_assert_int_eq(batch_build_end(&b, &batch), OK);
		batch_set_base_offset((uint8_t *)sent.ptr, 0);

		config.compression_type = target;
		ck_assert_int_eq(validate_sent(T0), NONE);
		ck_assert_ptr_eq(v.batch, rebuilt.ptr);
		batch_set_base_offset(v.batch, batch_base_offset(golden));
		batch_set_leader_epoch(v.batch, batch_leader_epoch(golden));
		if (target != CODEC_ZSTD) {
			ck_assert_uint_eq(v.batch_bytes, size);
			ck_assert_mem_eq(v.batch, golden, size);
		} else {	/* Kafka's frame ends in an empty block, ours does not */
			ck_assert_uint_eq(v.batch_bytes, size - 3);
			ck_assert_mem_eq(v.batch + BATCH_ATTRIBUTES_POS, golden + BATCH_ATTRIBUTES_POS, BATCH_HEADER_SIZE - BATCH_ATTRIBUTES_POS);
		}
		free(golden);
	}
}
END_TEST

START_TEST(a_rebuilt_batch_is_measured_again)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	static const uint8_t zeros[100000];
	struct batch_builder b;
	struct slice batch;

	spec.codec = CODEC_ZSTD;
	spec.level = LEVEL_DEFAULT_ZSTD;
	batch_build_begin(&b, &spec, compressor, &sent, SIZE_MAX);
	batch_build_add(&b, T0, SLICE_LIT("k"), slice_of(zeros, sizeof(zeros)), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	config.compression_type = COMPRESSION_UNCOMPRESSED;
	ck_assert_int_eq(validate_sent(T0), NONE);
	config.max_message_bytes = (int32_t)v.batch_bytes;
	ck_assert_int_eq(validate_sent(T0), NONE);
	config.max_message_bytes--;
	refused(MESSAGE_TOO_LARGE, false);
}
END_TEST

START_TEST(rebuilding_wants_whole_producers_and_timestamps)
{
	uint8_t *b = three_records(CODEC_NONE);

	config.compression_type = COMPRESSION_LZ4;
	b[BATCH_ATTRIBUTES_POS + 1] = BATCH_TRANSACTIONAL;
	refused(UNKNOWN_SERVER_ERROR, true);			/* transactional without a producer */
	b = three_records(CODEC_NONE);
	store_be64(b + BATCH_PRODUCER_ID_POS, 7);
	set32(b, BATCH_BASE_SEQUENCE_POS, 4);
	refused(UNKNOWN_SERVER_ERROR, true);			/* without an epoch */
	store_be16(b + BATCH_PRODUCER_EPOCH_POS, 1);
	ck_assert_int_eq(validate_sent(T0), NONE);
	ck_assert_int_eq(batch_producer_id(v.batch), 7);
	ck_assert_int_eq(batch_base_sequence(v.batch), 4);
	store_be64(b + BATCH_BASE_TIMESTAMP_POS, (uint64_t)-2);
	refused(UNKNOWN_SERVER_ERROR, true);			/* a timestamp below -1 */
	config.compression_type = COMPRESSION_PRODUCER;
	ck_assert_int_eq(validate_sent(T0), NONE);
}
END_TEST

/* ---- memory ---- */

/* Bytes this thread has ever allocated; 0 when nobody counts (another allocator, as under a sanitizer). */
static uint64_t allocated(void)
{
	uint64_t bytes = 0;
#ifdef HAVE_JEMALLOC
	size_t size = sizeof(bytes);
	if (mallctl("thread.allocated", &bytes, &size, NULL, 0) != 0)
		abort();
#endif
	return bytes;
}

START_TEST(steady_traffic_allocates_nothing)
{
	uint8_t *b = three_records(_i % CODEC_COUNT);

	config.compression_type = _i / CODEC_COUNT - 1;
	batch_seal(b, sent.len);
	for (int warm = 0; warm < 2; warm++)
		batch_validate(b, sent.len, &policy, T0, &scratch, &rebuilt, &v);
	uint64_t before = allocated();
	for (int n = 0; n < 1000; n++) {
		batch_validate(b, sent.len, &policy, T0, &scratch, &rebuilt, &v);
		if (v.error != NONE)
			break;
	}
	uint64_t spent = allocated() - before;
	ck_assert_int_eq(v.error, NONE);
	/* libsnappy takes its working memory anew for every block it compresses, and offers no other way */
	if (config.compression_type != COMPRESSION_SNAPPY || _i % CODEC_COUNT == CODEC_SNAPPY)
		ck_assert_uint_eq(spent, 0);
}
END_TEST

/* ---- any bytes ---- */

START_TEST(damaged_batches_do_no_harm)
{
	for (int n = 0; n < 3000; n++) {
		static const char *const logs[] = { "codecs/codecs-0/00000000000000000000.log", "raw-produce/raw-0/00000000000000000000.log" };
		send_golden(logs[n & 1], (int)random() % 5);
		uint8_t *input = mem_alloc(POLICY_BYTES + sent.len);
		for (int i = 0; i < POLICY_BYTES; i++)
			input[i] = (uint8_t)(random() % 3 == 0 ? random() : 1);
		memcpy(input + POLICY_BYTES, sent.ptr, sent.len);
		for (int flips = (int)random() % 4; flips > 0; flips--)
			input[POLICY_BYTES + BATCH_ATTRIBUTES_POS + (size_t)random() % (sent.len - BATCH_ATTRIBUTES_POS)] ^= (uint8_t)(1 << random() % 8);
		LLVMFuzzerTestOneInput(input, POLICY_BYTES + sent.len);
		free(input);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("validate");
	TCase *t = tcase_create("validate");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, form_as_kafka_answers);
	tcase_add_loop_test(t, headers_that_are_refused, 0, CODEC_COUNT);
	tcase_add_test(t, a_wrong_crc_comes_before_everything_under_it);
	tcase_add_test(t, records_that_do_not_fit);
	tcase_add_test(t, a_whole_refusal_forgets_single_ones);
	tcase_add_loop_test(t, compressed_bytes_that_are_none, 1, CODEC_COUNT);
	tcase_add_test(t, pieces_make_no_difference);
	tcase_add_loop_test(t, bombs_are_walked_or_refused, 1, CODEC_COUNT);
	tcase_add_test(t, offsets_with_gaps);
	tcase_add_test(t, null_keys_on_a_compacted_topic);
	tcase_add_test(t, timestamps_out_of_range);
	tcase_add_test(t, the_append_time_bit_is_not_the_producers);
	tcase_add_test(t, many_errors_are_counted_and_some_listed);
	tcase_add_loop_test(t, a_right_batch_is_left_as_it_is, 0, CODEC_COUNT);
	tcase_add_test(t, the_max_timestamp_is_ours_to_say);
	tcase_add_test(t, append_time_is_stamped);
	tcase_add_loop_test(t, a_forced_codec_gives_the_stored_bytes, 0, CODEC_COUNT * CODEC_COUNT);
	tcase_add_test(t, a_rebuilt_batch_is_measured_again);
	tcase_add_test(t, rebuilding_wants_whole_producers_and_timestamps);
	tcase_add_loop_test(t, steady_traffic_allocates_nothing, 0, CODEC_COUNT * (CODEC_COUNT + 1));
	tcase_add_test(t, damaged_batches_do_no_harm);
	suite_add_tcase(s, t);
	return test_main(s);
}
