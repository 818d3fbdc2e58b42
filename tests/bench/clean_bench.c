/*
 * What compaction costs: a log of records of 1 KiB, of which each key is written twice, is cleaned once; bytes of the log per second of CPU.
 *
 *	tests/bench/clean_bench [directory, default /tmp] [records, default 1000000] [records per batch, default 16] [codec, default none]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/build.h"
#include "storage/log_clean.h"
#include "storage/logdir.h"

#define VALUE_BYTES 1000

static struct os *os;

static void check(enum err e, const char *what)
{
	if (e == OK)
		return;
	fprintf(stderr, "clean_bench: %s: %s\n", what, err_text(e));
	exit(1);
}

static double cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void fill(struct log *log, int64_t records, int per_batch, enum codec codec)
{
	struct compressor *c = compressor_create();
	struct strbuf out = STRBUF_INIT;
	char key[32], value[VALUE_BYTES];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = "0123456789abcdef"[os_random_u64(os) % 16];
	for (int64_t i = 0; i < records;) {
		struct batch_spec spec = BATCH_SPEC_INIT;
		struct batch_builder b;
		struct slice batch;

		spec.codec = codec;
		spec.level = codec == CODEC_ZSTD ? LEVEL_DEFAULT_ZSTD : codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_GZIP;
		strbuf_reset(&out);
		batch_build_begin(&b, &spec, c, &out, 64 << 20);
		for (int k = 0; k < per_batch; k++, i++) {
			/* a key's two records lie half the log apart, beside other neighbours */
			int64_t n = i % (records / 2 + 1) * 7919 % (records / 2 + 1);
			snprintf(key, sizeof(key), "key-%012lld", (long long)n);
			memcpy(value, key, strlen(key));
			batch_build_add(&b, os_time_ms(os), slice_str(key), slice_of(value, sizeof(value)), NULL, 0);
		}
		check(batch_build_end(&b, &batch), "batch");
		struct log_append a = { .batch = (uint8_t *)(uintptr_t)batch.ptr, .batch_bytes = (uint32_t)batch.len }, *list[] = { &a };
		check(log_append(log, list, 1, 0, os_time_ms(os)), "append");
	}
	strbuf_fini(&out);
	compressor_destroy(&c);
	check(log_roll(log, os_time_ms(os)), "roll");
	check(log_flush_now(log), "flush");
	log_set_high_watermark(log, log_end_offset(log));
}

static void clean(struct log *log)
{
	struct log_clean_limits limits = { .map_bytes = 128 << 20, .load_factor = 0.9, .io_bytes = 262144, .slice_bytes = 8 << 20 };
	struct log_clean_result told;
	struct log_dirt d;
	bool has_more, leaves_files;
	double cpu = cpu_s();
	mono_ms begun = os_mono_ms(os);

	check(log_dirt(log, os_time_ms(os), &d), "dirt");
	struct log_clean *c = log_clean_begin(log, &d, &limits, os_time_ms(os));
	do {
		log_clean_run(c);
		check(log_clean_step(log, c, &has_more), "step");
	} while (has_more);
	log_clean_told(c, &told);
	log_clean_end(log, &c, &leaves_files);
	cpu = cpu_s() - cpu;
	double s = (double)MAX(os_mono_ms(os) - begun, 1) / 1000, mb = (double)told.bytes_before / 1e6;
	printf("%.0f MB to %.0f MB, %llu keys: %.2f s of CPU, %.2f s; %.0f MB per second of CPU, %.0f MB/s\n", mb, (double)told.bytes_after / 1e6,
		(unsigned long long)told.keys, cpu, s, mb / cpu, mb / s);
}

int main(int argc, char **argv)
{
	const char *parent = argc > 1 ? argv[1] : "/tmp";
	int64_t records = argc > 2 ? atoll(argv[2]) : 1000000;
	int per_batch = argc > 3 ? atoi(argv[3]) : 16;
	enum codec codec = CODEC_NONE;
	struct log_source source;
	struct log_recovery recovery;
	struct topic_config config;
	struct log *log;
	char dir[512], name[300];

	for (int i = 0; argc > 4 && i < CODEC_COUNT; i++) {
		if (strcmp(argv[4], codec_name((enum codec)i)) == 0)
			codec = (enum codec)i;
	}
	if (records < 2 || per_batch < 1) {
		fprintf(stderr, "usage: clean_bench [directory] [records] [records per batch] [codec]\n");
		return 2;
	}
	os = os_real();
	snprintf(name, sizeof(name), "%.200s/skein-clean-bench-%llx", parent, (unsigned long long)os_random_u64(os));
	snprintf(dir, sizeof(dir), "%s/bench-0", name);
	check(os_mkdir_all(os, name), "mkdir");
	log_source_init(&source, "bench", "bench-0");
	topic_config_init(&config);
	config.cleanup_policy = CLEANUP_COMPACT;
	config.segment_bytes = 256 << 20;
	struct log_spec spec = {
		.os = os, .log = &source, .dir = dir, .topic = "bench", .config = &config, .producer_id_expiration_ms = 86400000,
		.recovery_point = -1, .log_start_offset = -1, .high_watermark = -1, .cleaner_offset = -1, .now = os_time_ms(os),
	};
	check(log_open(&log, &spec, &recovery), "open");
	check(log_begin_epoch(log, 0), "epoch");
	fill(log, records, per_batch, codec);
	clean(log);
	log_close(&log);
	check(logdir_purge(os, dir), "purge");
	check(os_rmdir(os, name), "rmdir");
	return 0;
}
