/*
 * Writes a partition directory by random operations, for a judge that shares no code with us: appends with every codec,
 * idempotent and transactional producers, markers, rolls, truncations, clean stops and stops as by a kill.
 *
 *	skein-write-log DIR SEED	makes DIR/t-0, the checkpoints beside it, and DIR/written: how it
 *					ended, which index entries of the active segment count, and every batch
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/build.h"
#include "storage/checkpoint.h"
#include "storage/log.h"

#define OPS         150
#define BATCHES_MAX 1024
#define PRODUCERS   4
#define NOW         ((time_ms)1700000000000)

struct written {
	int64_t base, last;
	int64_t producer_id;
	int32_t next_sequence;		/* of that producer, after this batch */
	bool    is_transactional, is_marker;
};

struct world {
	uint64_t            random;
	struct topic_config config;
	struct log_source   source;
	struct log_spec     spec;
	struct log         *log;
	struct compressor  *compressor;
	char                partition_dir[512];
	struct written      batches[BATCHES_MAX];
	int                 count;
	int32_t             epoch;
};

static uint64_t draw(struct world *w, uint64_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % n;
}

static void open_log(struct world *w)
{
	struct log_recovery recovery;
	enum err e = log_open(&w->log, &w->spec, &recovery);

	ASSERT(e == OK);
	log_set_high_watermark(w->log, log_end_offset(w->log));
}

static void append(struct world *w, struct strbuf *bytes, struct written b, bool is_marker)
{
	struct log_append a = { .batch = (uint8_t *)bytes->ptr, .batch_bytes = (uint32_t)bytes->len, .is_coordinator = is_marker };
	struct log_append *list[] = { &a };
	enum err e = log_append(w->log, list, 1, w->epoch, NOW);

	ASSERT(e == OK && a.error == NONE && !a.is_duplicate);
	b.base = a.base_offset;
	b.last = a.last_offset;
	w->batches[w->count++] = b;
	if (draw(w, 3) > 0)
		log_set_high_watermark(w->log, log_end_offset(w->log));
}

/* Where a producer stands: what his last batch left. */
static struct written stand_of(const struct world *w, int64_t producer_id)
{
	struct written stand = { .producer_id = producer_id };

	for (int i = 0; i < w->count; i++) {
		if (w->batches[i].producer_id == producer_id)
			stand = w->batches[i];
	}
	return stand;
}

static void add_records(struct world *w, struct batch_builder *b, int n)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog, the quick brown fox jumps over the lazy dog";
	struct record_header header = { SLICE_LIT("h"), SLICE_LIT("\xc3\xa9") };

	for (int i = 0; i < n; i++) {
		struct slice key = draw(w, 3) == 0 ? SLICE_NULL : slice_of((const uint8_t *)text, draw(w, 8));
		struct slice value = draw(w, 6) == 0 ? SLICE_NULL : slice_of((const uint8_t *)text, draw(w, sizeof(text)));
		batch_build_add(b, NOW + (time_ms)draw(w, 5000), key, value, &header, (int32_t)draw(w, 2));
	}
}

static void do_append(struct world *w)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct written stand = stand_of(w, (int64_t)draw(w, PRODUCERS + 1) - 1);
	struct strbuf bytes = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;
	int n = 1 + (int)draw(w, 6);

	spec.codec = (enum codec)draw(w, CODEC_COUNT);
	spec.level = spec.codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : spec.codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
	if (stand.producer_id >= 0) {
		bool in_txn = stand.is_transactional && !stand.is_marker;
		stand.is_transactional = in_txn || draw(w, 2) == 0;
		stand.is_marker = false;
		spec.producer_id = stand.producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = stand.next_sequence;
		spec.is_transactional = stand.is_transactional;
		stand.next_sequence += n;
	}
	batch_build_begin(&b, &spec, w->compressor, &bytes, 1 << 20);
	add_records(w, &b, n);
	enum err e = batch_build_end(&b, &batch);
	ASSERT(e == OK);
	append(w, &bytes, stand, false);
	strbuf_fini(&bytes);
}

/* Ends the transaction of a producer who is in one. */
static void do_marker(struct world *w)
{
	struct written stand = stand_of(w, (int64_t)draw(w, PRODUCERS));
	struct strbuf bytes = STRBUF_INIT;

	if (!stand.is_transactional || stand.is_marker)
		return;
	struct marker m = { draw(w, 3) == 0 ? MARKER_COMMIT : MARKER_ABORT, stand.producer_id, 0, w->count / 50, NOW + 9000 };
	stand.is_marker = true;
	marker_build(&m, &bytes);
	append(w, &bytes, stand, true);
	strbuf_fini(&bytes);
}

static void do_truncate(struct world *w)
{
	int keep = w->count - (int)draw(w, 5);

	if (keep < 0 || keep == w->count)
		return;
	enum err e = log_truncate_to(w->log, keep == 0 ? 0 : w->batches[keep - 1].last + 1);
	ASSERT(e == OK);
	w->count = keep;
	log_set_high_watermark(w->log, log_end_offset(w->log));
	w->epoch++;
	e = log_begin_epoch(w->log, w->epoch);
	ASSERT(e == OK);
}

static void do_restart(struct world *w, bool is_clean)
{
	if (is_clean) {
		enum err e = log_close_clean(w->log);
		ASSERT(e == OK);
	}
	w->spec.recovery_point = log_recovery_point(w->log);
	w->spec.had_clean_shutdown = is_clean;
	log_close(&w->log);
	open_log(w);
}

static void do_flush(struct world *w)
{
	struct log_flush f;

	while (log_flush_begin(w->log, &f)) {
		log_flush_run(&f);
		enum err e = log_flush_end(w->log, &f);
		ASSERT(e == OK);
		if (!f.has_more)
			break;
	}
}

static void step(struct world *w)
{
	switch (draw(w, 16)) {
	case 0:  do_restart(w, draw(w, 2) == 0); break;
	case 1:  do_truncate(w); break;
	case 2:  do_flush(w); break;
	case 3:  case 4: case 5: do_marker(w); break;
	default: do_append(w); break;
	}
}

static void write_checkpoint(const struct world *w, const char *dir, const char *name, int64_t offset)
{
	const struct checkpoint_entry entry = { SLICE_LIT("t"), 0, offset };
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	enum err e = checkpoint_write(w->spec.os, path, &entry, 1);
	ASSERT(e == OK);
}

static void write_list(const struct world *w, const char *dir, bool is_clean)
{
	struct log_progress_mark mark;
	char path[600];

	snprintf(path, sizeof(path), "%s/written", dir);
	FILE *f = fopen(path, "w");
	ASSERT(f != NULL);
	log_progress(w->log, &mark);
	fprintf(f, "%s %lld %lld %u %u\n", is_clean ? "clean" : "killed", (long long)log_end_offset(w->log),
		(long long)mark.segment_base, mark.offset_entries, mark.time_entries);
	for (int i = 0; i < w->count; i++)
		fprintf(f, "%lld %lld\n", (long long)w->batches[i].base, (long long)w->batches[i].last);
	ASSERT(fclose(f) == 0);
}

static void world_init(struct world *w, const char *dir, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->random = seed * 0x9e3779b97f4a7c15u + 1;
	topic_config_init(&w->config);
	w->config.segment_bytes = 1000 + (int32_t)draw(w, 4000);
	w->config.index_interval_bytes = (int32_t)draw(w, 500);
	w->config.segment_index_bytes = 4096;
	log_source_init(&w->source, "writer", "t-0");
	snprintf(w->partition_dir, sizeof(w->partition_dir), "%s/t-0", dir);
	w->spec = (struct log_spec){
		.os = os_real(), .log = &w->source, .dir = w->partition_dir, .topic = "t", .topic_id = { { 1, 2, 3 } }, .config = &w->config,
		.producer_id_expiration_ms = INT32_MAX, .recovery_point = -1, .log_start_offset = -1, .high_watermark = -1, .now = NOW,
	};
	w->compressor = compressor_create();
	open_log(w);
	enum err e = log_begin_epoch(w->log, 0);
	ASSERT(e == OK);
}

int main(int argc, char **argv)
{
	static struct world w;

	if (argc != 3) {
		fprintf(stderr, "usage: skein-write-log DIR SEED\n");
		return 2;
	}
	uint64_t seed = strtoull(argv[2], NULL, 10);
	bool is_clean = seed % 3 != 0;
	world_init(&w, argv[1], seed);
	for (int i = 0; i < OPS && w.count < BATCHES_MAX; i++)
		step(&w);
	if (is_clean) {
		enum err e = log_close_clean(w.log);
		ASSERT(e == OK);
	}
	write_checkpoint(&w, argv[1], "recovery-point-offset-checkpoint", log_recovery_point(w.log));
	write_checkpoint(&w, argv[1], "replication-offset-checkpoint", log_high_watermark(w.log));
	write_list(&w, argv[1], is_clean);
	log_close(&w.log);
	compressor_destroy(&w.compressor);
	return 0;
}
