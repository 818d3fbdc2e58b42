/*
 * What checking a batch costs: CRC, validation of plain and compressed batches, rebuilding. Prints one line per figure; the
 * best of several runs, because everything else only adds.
 *
 *	record_bench [MILLISECONDS per figure]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/crc32c.h"
#include "record/build.h"
#include "record/validate.h"

#define RECORDS 1000
#define RUNS    10

/* Time this thread had a processor: others that want it too do not count. */
static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

struct work {
	void   (*step)(struct work *w);
	uint8_t *bytes;
	size_t   len;
	struct batch_policy   policy;
	struct topic_config   config;
	struct batch_scratch  scratch;
	struct strbuf         rebuilt;
	struct batch_verdict  verdict;
	uint32_t              sum;
};

/* Nanoseconds of one step: the best of RUNS. */
static double measure(struct work *w, int64_t ms)
{
	double best = 1e18;
	int64_t start, ns, steps = 1;

	for (int run = 0; run < RUNS;) {
		start = now_ns();
		for (int64_t i = 0; i < steps; i++)
			w->step(w);
		ns = now_ns() - start;
		best = MIN(best, (double)ns / (double)steps);
		if (ns < ms * 1000000 / RUNS)
			steps *= 2;	/* not long enough to be told from asking for the time */
		else
			run++;
	}
	return best;
}

static void crc_step(struct work *w)
{
	w->sum ^= crc32c(w->sum, w->bytes, w->len);
}

static void validate_step(struct work *w)
{
	batch_validate(w->bytes, w->len, &w->policy, 1700000000000, &w->scratch, &w->rebuilt, &w->verdict);
	if (w->verdict.error != NONE) {
		fprintf(stderr, "refused: %s\n", kafka_error_name((int16_t)w->verdict.error));
		exit(1);
	}
}

static int level_of(int codec)
{
	return codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
}

/* A thousand records whose values are words of a small alphabet: they compress about fourfold, as JSON does. */
static struct strbuf make_batch(int codec, size_t value_bytes)
{
	struct compressor *c = compressor_create();
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;
	char key[16], *value = mem_alloc(value_bytes);

	srandom(1);
	spec.codec = (enum codec)codec;
	spec.level = level_of(codec);
	batch_build_begin(&b, &spec, c, &out, SIZE_MAX);
	for (int i = 0; i < RECORDS; i++) {
		for (size_t at = 0; at < value_bytes; at += 8)
			memcpy(value + at, "\"name\": \"value\", 12345, [1.0, 2.0], {}  " + random() % 32, MIN((size_t)8, value_bytes - at));
		int n = snprintf(key, sizeof(key), "key-%07d", i);
		batch_build_add(&b, 1700000000000 + i, slice_of(key, (size_t)n), slice_of(value, value_bytes), NULL, 0);
	}
	if (batch_build_end(&b, &batch) != OK)
		exit(1);
	compressor_destroy(&c);
	free(value);
	return out;
}

static void bench_crc(struct work *w, int64_t ms)
{
	static const size_t sizes[] = { 100, 1000, 16384, 1 << 20 };

	w->step = crc_step;
	w->bytes = mem_calloc(1, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		w->len = sizes[i];
		double ns = measure(w, ms);
		printf("crc32c %s  %7zu bytes  %8.1f ns  %6.1f GB/s\n", crc32c_kernel(), w->len, ns, (double)w->len / ns);
	}
	free(w->bytes);
}

static void bench_validate(struct work *w, int64_t ms, int codec, int target, size_t value_bytes)
{
	struct strbuf batch = make_batch(codec, value_bytes);

	w->step = validate_step;
	w->bytes = (uint8_t *)batch.ptr;
	w->len = batch.len;
	w->config.compression_type = target;
	double ns = measure(w, ms);
	printf("validate %-12s -> %-12s  %d x %4zu bytes (%7zu)  %7.1f ns/record  %7.0f MB/s plain\n",
	       codec_name((enum codec)codec), codec_name((enum codec)target), RECORDS, value_bytes, batch.len,
	       ns / RECORDS, (double)((value_bytes + 11) * RECORDS) / ns * 1000);
	strbuf_fini(&batch);
}

int main(int argc, char **argv)
{
	int64_t ms = argc > 1 ? atoi(argv[1]) : 200;
	static struct work w;

	w.config = (struct topic_config){
		.max_message_bytes = INT32_MAX, .compression_gzip_level = -1, .compression_lz4_level = 9, .compression_zstd_level = 3,
		.timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX,
	};
	w.policy = (struct batch_policy){ &w.config, SLICE_LIT("topic"), 0, UINT64_MAX };
	batch_scratch_init(&w.scratch);
	bench_crc(&w, ms);
	for (size_t bytes = 100; bytes <= 1024; bytes += 924)
		for (int codec = 0; codec < CODEC_COUNT; codec++)
			bench_validate(&w, ms, codec, CODEC_PRODUCER, bytes);
	for (int codec = 1; codec < CODEC_COUNT; codec++) {
		bench_validate(&w, ms, CODEC_NONE, codec, 100);
		bench_validate(&w, ms, codec, CODEC_NONE, 100);
	}
	batch_scratch_fini(&w.scratch);
	strbuf_fini(&w.rebuilt);
	return 0;
}
