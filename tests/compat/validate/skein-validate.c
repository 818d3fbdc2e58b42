/*
 * Our side of the comparison with Kafka's validator: makes batches at random, right ones and damaged ones, validates them,
 * and prints one line for each, which ValidateJudge.java judges:
 *
 *	batch target append-time compacted before after now | code | stored batch or error text [|index:text ...]
 *
 *	skein-validate SEED COUNT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/build.h"
#include "record/validate.h"

#define NOW ((time_ms)1700000000100)

static uint64_t state;

static uint32_t below(uint32_t n)	/* a number in [0, n) */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 11) % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static int level_of(int codec)
{
	return codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
}

static time_ms some_time(bool is_odd)
{
	static const time_ms odd[] = { NOW, NOW - 5000, NOW + 5000, -1, -2, 0, 4102444800000 };

	return is_odd ? odd[below(ARRAY_LEN(odd))] : NOW - below(100);
}

static struct slice some_value(void)
{
	static uint8_t big[200000];
	uint32_t len = below((uint32_t)sizeof(big)), letters = 1 + below(30);

	if (one_in(6))
		return SLICE_NULL;
	if (!one_in(40))
		return slice_of("value value value", below(17));
	for (uint32_t i = 0; i < len; i++)
		big[i] = (uint8_t)below(letters);
	return slice_of(big, len);
}

static int make_batch(struct compressor *c, struct strbuf *out)
{
	const struct record_header headers[] = { { SLICE_LIT("h"), SLICE_NULL }, { SLICE_LIT("hh"), SLICE_LIT("x") } };
	struct batch_spec spec = BATCH_SPEC_INIT;
	int count = 1 + (int)below(5);
	bool is_odd = one_in(6), has_gap = one_in(10);
	struct batch_builder b;
	struct slice batch;

	spec.codec = (enum codec)below(CODEC_COUNT);
	spec.level = level_of(spec.codec);
	if (one_in(3)) {
		spec.producer_id = below(5);
		spec.producer_epoch = one_in(10) ? NO_PRODUCER_EPOCH : 1;
		spec.base_sequence = one_in(10) ? NO_SEQUENCE : (int32_t)below(10);
		spec.is_transactional = one_in(2);
	}
	spec.last_offset_delta = count - 1;
	strbuf_reset(out);
	batch_build_begin(&b, &spec, c, out, SIZE_MAX);
	if (has_gap)
		b.last_delta += 1 + (int)below(2);
	for (int i = 0; i < count; i++)
		batch_build_add(&b, some_time(is_odd), one_in(4) ? SLICE_NULL : slice_of("keykey", below(6)), some_value(),
				headers, one_in(4) ? (int32_t)below(3) : 0);
	if (batch_build_end(&b, &batch) != OK)
		exit(1);
	return count;
}

static void damage(struct strbuf *out, int count)
{
	uint8_t *b = (uint8_t *)out->ptr;
	uint32_t section = (uint32_t)out->len - BATCH_HEADER_SIZE;

	switch (below(7)) {
	case 0:
		for (int flips = 1 + (int)below(3); flips > 0; flips--)
			b[BATCH_HEADER_SIZE + below(section)] ^= (uint8_t)(1 << below(8));
		break;
	case 1:
		out->len -= below(section);
		store_be32(b + BATCH_LENGTH_POS, (uint32_t)out->len - BATCH_LOG_OVERHEAD);
		break;
	case 2:
		store_be32(b + BATCH_RECORD_COUNT_POS, (uint32_t)count + below(3) - 1);
		break;
	case 3:
		store_be32(b + BATCH_RECORD_COUNT_POS, (uint32_t)count + below(3) - 1);
		store_be32(b + BATCH_LAST_OFFSET_DELTA_POS, load_be32(b + BATCH_RECORD_COUNT_POS) - 1);
		break;
	case 4:
		b[BATCH_ATTRIBUTES_POS + 1] ^= (uint8_t)(1 << below(7));
		b[BATCH_ATTRIBUTES_POS] = (uint8_t)below(2);
		break;
	case 5:
		store_be64(b + BATCH_MAX_TIMESTAMP_POS, (uint64_t)some_time(true));
		b[BATCH_ATTRIBUTES_POS + 1] ^= one_in(2) ? BATCH_LOG_APPEND_TIME : 0;
		break;
	default:
		store_be64(b + BATCH_BASE_TIMESTAMP_POS, (uint64_t)some_time(true));
		b[BATCH_ATTRIBUTES_POS + 1] ^= one_in(2) ? BATCH_DELETE_HORIZON : 0;
		break;
	}
	batch_seal(b, out->len);
}

static void print_hex(const uint8_t *p, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		putchar(digit[p[i] >> 4]);
		putchar(digit[p[i] & 15]);
	}
}

static void print_verdict(const struct batch_verdict *v, const struct batch_policy *policy)
{
	struct arena a;

	printf("|%d|", v->error);
	if (v->error == NONE) {
		batch_set_leader_epoch(v->batch, 0);
		print_hex(v->batch, v->batch_bytes);
	} else if (v->record_errors_total != 0) {
		arena_init(&a, 1 << 20);
		printf(SLICE_FMT, SLICE_ARG(batch_error_text(v, policy, &a)));
		for (int32_t i = 0; i < v->record_errors_listed; i++)
			printf("|%" PRId32 ":" SLICE_FMT, v->record_errors[i].batch_index, SLICE_ARG(record_error_text(v, policy, i, &a)));
		arena_fini(&a);
	}
	putchar('\n');
}

static void one_case(struct strbuf *out, struct batch_scratch *scratch, struct strbuf *rebuilt)
{
	struct topic_config config = {
		.max_message_bytes = INT32_MAX, .compression_type = one_in(2) ? COMPRESSION_PRODUCER : (int)below(CODEC_COUNT),
		.compression_gzip_level = -1, .compression_lz4_level = 9, .compression_zstd_level = 3,
		.timestamp_type = one_in(4) ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME,
		.cleanup_policy = one_in(5) ? CLEANUP_COMPACT : CLEANUP_DELETE,
		.timestamp_before_max_ms = one_in(5) ? 1000 : INT64_MAX, .timestamp_after_max_ms = one_in(5) ? 1000 : INT64_MAX,
	};
	struct batch_policy policy = { &config, SLICE_LIT("t"), 0, BATCH_DECOMPRESSED_MAX };
	struct batch_verdict v;
	int count = make_batch(scratch->compressor, out);

	if (one_in(2))
		damage(out, count);
	print_hex((const uint8_t *)out->ptr, out->len);
	printf(" %d %d %d %" PRId64 " %" PRId64 " %" PRId64, config.compression_type, config.timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
	       config.cleanup_policy == CLEANUP_COMPACT, config.timestamp_before_max_ms, config.timestamp_after_max_ms, NOW);
	batch_validate((uint8_t *)out->ptr, out->len, &policy, NOW, scratch, rebuilt, &v);
	print_verdict(&v, &policy);
}

int main(int argc, char **argv)
{
	struct batch_scratch scratch;
	struct strbuf out = STRBUF_INIT, rebuilt = STRBUF_INIT;

	if (argc != 3)
		return 2;
	state = strtoull(argv[1], NULL, 10) * 2654435761u + 88172645463325252u;
	batch_scratch_init(&scratch);
	for (int64_t n = strtoll(argv[2], NULL, 10); n > 0; n--)
		one_case(&out, &scratch, &rebuilt);
	batch_scratch_fini(&scratch);
	strbuf_fini(&out);
	strbuf_fini(&rebuilt);
	return 0;
}
