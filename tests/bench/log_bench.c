/*
 * What an append and a read cost, and that neither allocates in the steady state.
 *
 *	tests/bench/log_bench [directory, default /tmp] [batches per line, default 1000000]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "record/build.h"
#include "storage/log.h"
#include "storage/logdir.h"

static struct os *os;

static uint64_t allocated(void)		/* bytes, by this thread, since it began */
{
#ifdef HAVE_JEMALLOC
	uint64_t bytes = 0;
	size_t len = sizeof(bytes);

	if (mallctl("thread.allocated", &bytes, &len, NULL, 0) == 0)
		return bytes;
#endif
	return 0;
}

static struct log *open_log(const char *dir, struct topic_config *config)
{
	static struct log_source source;
	struct log_recovery recovery;
	struct log *log;

	log_source_init(&source, "bench", "bench-0");
	topic_config_init(config);
	struct log_spec spec = {
		.os = os, .log = &source, .dir = dir, .topic = "bench", .config = config,
			.producer_id_expiration_ms = 86400000,
		.recovery_point = -1, .log_start_offset = -1, .high_watermark = -1,
			.now = os_time_ms(os),
	};
	enum err e = log_open(&log, &spec, &recovery);
	if (e != OK) {
		fprintf(stderr, "log_bench: %s: %s\n", dir, err_text(e));
		exit(1);
	}
	return log;
}

static struct strbuf build(size_t bytes, bool has_producer)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;
	static uint8_t value[1 << 20];

	if (has_producer) {
		spec.producer_id = 7;
		spec.producer_epoch = 0;
		spec.base_sequence = 0;
	}
	batch_build_begin(&b, &spec, NULL, &out, 2 << 20);
	batch_build_add(&b, 1700000000000, SLICE_NULL,
		slice_of(value, bytes - BATCH_HEADER_SIZE - 12), NULL, 0);
	if (batch_build_end(&b, &batch) != OK)
		exit(1);
	return out;
}

static void bench_append(const char *dir, size_t bytes, int per_call, bool has_producer,
	int64_t total)
{
	struct topic_config config;
	struct log *log = open_log(dir, &config);
	struct log_append appends[LOG_APPEND_MAX], *list[LOG_APPEND_MAX];
	struct strbuf batches[LOG_APPEND_MAX];
	int32_t sequence = 0;
	int64_t done = 0, warm = 1000;
	mono_ns begun = 0;
	uint64_t before = 0;

	for (int i = 0; i < per_call; i++) {
		batches[i] = build(bytes, has_producer);
		list[i] = &appends[i];
	}
	while (done < total + warm) {
		if (begun == 0 && done >= warm) {
			begun = os_mono_ns(os);
			before = allocated();
		}
		for (int i = 0; i < per_call; i++) {
			if (has_producer)
				store_be32((uint8_t *)batches[i].ptr + BATCH_BASE_SEQUENCE_POS,
					(uint32_t)sequence++);
			appends[i] = (struct log_append){ .batch = (uint8_t *)batches[i].ptr,
				.batch_bytes = (uint32_t)batches[i].len };
		}
		if (log_append(log, list, per_call, 0, 1700000000000) != OK ||
			appends[0].error != NONE)
			exit(1);
		done += per_call;
	}
	double ns = (double)(os_mono_ns(os) - begun) / (double)(done - warm);
	printf("append  %6zu B  %3d a call  %-12s %8.0f ns a batch  %6.2f GB/s  %llu bytes allocated over %lld appends, %d segments\n", bytes, per_call,
	       has_producer ? "idempotent" : "", ns, (double)bytes / ns,
	       	(unsigned long long)(allocated() - before), (long long)(done - warm),
	       log_segment_count(log));
	for (int i = 0; i < per_call; i++)
		strbuf_fini(&batches[i]);
	log_close(&log);
	(void)!logdir_purge(os, dir);
}

static void bench_read(const char *dir, int64_t batches, int64_t total)
{
	struct topic_config config;
	struct log *log = open_log(dir, &config);
	struct strbuf bytes = build(1024, false);
	struct log_append a, *list[] = { &a };
	struct log_range r;
	uint64_t random = 1;

	for (int64_t i = 0; i < batches; i++) {
		a = (struct log_append){ .batch = (uint8_t *)bytes.ptr,
			.batch_bytes = (uint32_t)bytes.len };
		if (log_append(log, list, 1, 0, 1700000000000 + i) != OK)
			exit(1);
	}
	for (int is_tail = 0; is_tail < 2; is_tail++) {
		uint64_t before = allocated();
		mono_ns begun = os_mono_ns(os);
		for (int64_t i = 0; i < total; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			int64_t offset = is_tail ? batches - 1 - (int64_t)(random >> 60)
				: (int64_t)((random >> 20) % (uint64_t)batches);
			if (log_read(log, offset, batches, 1 << 20, true, &r) != OK ||
				r.file == NULL)
				exit(1);
			log_file_unref(&r.file);
		}
		printf("read    %-23s %8.0f ns  %llu bytes allocated over %lld reads\n", is_tail
			? "near the end" : "anywhere",
		       (double)(os_mono_ns(os) - begun) / (double)total,
		       	(unsigned long long)(allocated() - before), (long long)total);
	}
	strbuf_fini(&bytes);
	log_close(&log);
	(void)!logdir_purge(os, dir);
}

int main(int argc, char **argv)
{
	char dir[512];
	int64_t total = argc > 2 ? atoll(argv[2]) : 1000000;

	os = os_real();
	snprintf(dir, sizeof(dir), "%s/skein-log-bench-0", argc > 1 ? argv[1] : "/tmp");
	bench_append(dir, 200, 1, false, total);
	bench_append(dir, 200, 64, false, total);
	bench_append(dir, 200, 64, true, total);
	bench_append(dir, 16384, 1, false, total / 8);
	bench_append(dir, 16384, 16, false, total / 8);
	bench_read(dir, 200000, total / 4);
	return 0;
}
