/*
 * Property: whatever bytes come as a records field, checking its form, validating its batch and walking it end without
 * harm; what is accepted is a batch any reader can read, and is accepted again as it is.
 *
 * Input: four bytes that choose the policy, then the records field. The CRC is repaired on the way, otherwise nothing would get
 * behind it. tests/unit/record/validate_test.c runs the same property over damaged golden batches.
 */
#include <stdlib.h>

#include "record/build.h"
#include "record/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POLICY_BYTES   4
#define DECOMPRESS_MAX (4u << 20)
#define NOW            ((time_ms)1700000000000)

static void policy_from(const uint8_t *p, struct topic_config *c)
{
	*c = (struct topic_config){
		.max_message_bytes = (p[0] & 1) != 0 ? 1 << 20 : 200,
		.compression_type = (p[1] % 6) - 1,
		.compression_gzip_level = -1, .compression_lz4_level = (p[0] & 8) != 0 ? 9 : 3, .compression_zstd_level = 3,
		.timestamp_type = (p[0] & 2) != 0 ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME,
		.cleanup_policy = (p[0] & 4) != 0 ? CLEANUP_COMPACT : CLEANUP_DELETE,
		.timestamp_before_max_ms = p[2] == 0 ? INT64_MAX : p[2] * 1000,
		.timestamp_after_max_ms = p[3] == 0 ? INT64_MAX : p[3] * 1000,
	};
}

static enum err walk(struct slice batch, struct decompressor *d, int32_t *count, time_ms *max_timestamp)
{
	struct record_iter it;
	struct record r;

	*count = 0;
	*max_timestamp = NO_TIMESTAMP;
	for (record_iter_init(&it, batch, d, DECOMPRESS_MAX); record_iter_next(&it, &r); ++*count) {
		struct slice headers = r.headers;
		struct record_header h;
		int32_t n = 0;
		while (record_header_next(&headers, &h))
			n++;
		ASSERT(n == r.header_count);
		*max_timestamp = MAX(*max_timestamp, r.timestamp);
	}
	enum err err = it.err;
	record_iter_fini(&it);
	return err;
}

static void check_accepted(const struct batch_verdict *v, const struct batch_policy *policy, struct batch_scratch *s,
			   bool came_with_append_time)
{
	struct slice batch = slice_of(v->batch, v->batch_bytes);
	struct records_form form;
	int32_t count;
	time_ms max_timestamp;

	records_form_check(batch, 9, &form);
	ASSERT(form.error == NONE && form.request_error == NONE && form.batch.len == batch.len);
	ASSERT(batch_check_crc(batch));
	ASSERT(batch.len <= (size_t)policy->config->max_message_bytes || v->batch_bytes == batch.len);
	ASSERT(walk(batch, s->decompressor, &count, &max_timestamp) == OK && count == v->record_count);
	ASSERT(batch_max_timestamp(v->batch) == v->max_timestamp);
	/* Where the producer set the append-time bit, its max timestamp passes for every record's, as in Kafka. */
	ASSERT(came_with_append_time || max_timestamp == v->max_timestamp);
	if (policy->config->timestamp_type == TIMESTAMP_LOG_APPEND_TIME || came_with_append_time)
		return;		/* its bit would be refused from a client */

	struct strbuf again = STRBUF_INIT;
	struct batch_verdict w;
	uint8_t *copy = mem_alloc(batch.len);
	memcpy(copy, batch.ptr, batch.len);
	batch_validate(copy, batch.len, policy, NOW, s, &again, &w);
	ASSERT(w.error == NONE && w.batch == copy && memcmp(copy, batch.ptr, batch.len) == 0);
	free(copy);
	strbuf_fini(&again);
}

static void check_texts(const struct batch_verdict *v, const struct batch_policy *policy)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	ASSERT(slice_is_null(batch_error_text(v, policy, &a)) == (v->record_errors_total == 0));
	for (int32_t i = 0; i < v->record_errors_listed; i++)
		ASSERT(record_error_text(v, policy, i, &a).len != 0);
	arena_fini(&a);
}

static void check_batch(uint8_t *batch, size_t size, const struct batch_policy *policy, struct batch_scratch *s)
{
	struct strbuf rebuilt = STRBUF_INIT;
	struct batch_verdict v;
	struct marker marker;
	int32_t count;
	time_ms max_timestamp;

	bool has_append_time = batch_is_log_append_time(batch);
	batch_seal(batch, size);
	(void)!walk(slice_of(batch, size), s->decompressor, &count, &max_timestamp);
	(void)!marker_read(slice_of(batch, size), &marker);
	batch_validate(batch, size, policy, NOW, s, &rebuilt, &v);
	if (v.error == NONE)
		check_accepted(&v, policy, s, has_append_time);
	else
		check_texts(&v, policy);
	strbuf_fini(&rebuilt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct topic_config config;
	struct batch_policy policy = { &config, SLICE_LIT("topic"), 0, DECOMPRESS_MAX };
	struct batch_scratch scratch;
	struct records_form form;

	if (size < POLICY_BYTES)
		return 0;
	policy_from(data, &config);
	size -= POLICY_BYTES;
	uint8_t *copy = mem_alloc(size + 1);	/* exactly the bytes, so that a sanitizer sees a read beyond them */
	memcpy(copy + 1, data + POLICY_BYTES, size);
	batch_scratch_init(&scratch);
	records_form_check(slice_of(copy + 1, size), 9, &form);
	if (form.error == NONE && form.request_error == NONE)
		check_batch(copy + 1, form.batch.len, &policy, &scratch);
	batch_scratch_fini(&scratch);
	free(copy);
	return 0;
}
