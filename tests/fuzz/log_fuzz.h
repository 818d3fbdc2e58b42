/*
 * What the two fuzz targets of the log share: a partition directory from the fuzzer's bytes on a simulated machine, and
 * everything that may be asked of a log that was opened from it.
 *
 * Input: one byte that says how the broker ended before, then files one after the other: a byte that chooses the name, two
 * bytes (big endian) of length, the content; the last may be cut.
 */
#ifndef SKEIN_TESTS_FUZZ_LOG_FUZZ_H
#define SKEIN_TESTS_FUZZ_LOG_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "os/sim.h"
#include "record/build.h"
#include "storage/log.h"

#define FUZZ_DIR   "/data/t-0"
#define FUZZ_NOW   ((time_ms)1700000000000)
#define FUZZ_READS_MAX 4096

struct fuzz_log {
	struct sim_os      *machine;
	struct os          *os;
	struct topic_config config;
	struct log_source   source;
	struct log_spec     spec;
	struct log         *log;
};

static UNUSED void fuzz_quiet(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

static UNUSED void fuzz_init(struct fuzz_log *f)
{
	memset(f, 0, sizeof(*f));
	log_set_sink(fuzz_quiet, NULL);
	f->machine = sim_create(NULL, "m", 1);
	f->os = sim_os(f->machine);
	topic_config_init(&f->config);
	f->config.segment_bytes = 600;
	f->config.index_interval_bytes = 100;
	f->config.segment_index_bytes = 600;
	log_source_init(&f->source, "fuzz", "t-0");
	f->spec = (struct log_spec){
		.os = f->os, .log = &f->source, .dir = FUZZ_DIR, .topic = "t", .config = &f->config,
		.producer_id_expiration_ms = INT32_MAX, .recovery_point = -1, .log_start_offset = -1, .high_watermark = -1,
		.now = FUZZ_NOW,
	};
	enum err e = os_mkdir_all(f->os, FUZZ_DIR);
	ASSERT(e == OK);
}

static UNUSED void fuzz_fini(struct fuzz_log *f)
{
	log_close(&f->log);
	sim_destroy(&f->machine);
}

/* How the broker ended before, and what its checkpoints say; they may be wrong. */
static UNUSED void fuzz_set_start(struct fuzz_log *f, uint8_t how)
{
	static const int64_t points[] = { -1, 0, 5, 1000 };

	f->spec.had_clean_shutdown = (how & 1) != 0;
	f->spec.recovery_point = points[how >> 1 & 3];
	f->spec.log_start_offset = points[how >> 3 & 3];
	f->spec.high_watermark = points[how >> 5 & 3];
	f->config.cleanup_policy = (how & 128) != 0 ? CLEANUP_COMPACT : CLEANUP_DELETE;
}

static UNUSED void fuzz_put(struct fuzz_log *f, const char *name, struct slice bytes)
{
	char path[128];
	os_fd fd;
	enum err e;

	snprintf(path, sizeof(path), FUZZ_DIR "/%s", name);
	e = os_open(f->os, path, OS_RDWR | OS_CREATE | OS_TRUNC, &fd);
	ASSERT(e == OK);
	if (bytes.len > 0)
		e = os_pwrite(f->os, fd, bytes.ptr, bytes.len, 0);
	ASSERT(e == OK);
	os_close(f->os, &fd);
}

/* The next file of the input. False: none is left. */
static UNUSED bool fuzz_next_file(struct slice *rest, uint8_t *which, struct slice *bytes)
{
	if (rest->len < 3)
		return false;
	*which = rest->ptr[0];
	size_t len = MIN((size_t)load_be16(rest->ptr + 1), rest->len - 3);
	*bytes = slice_of(rest->ptr + 3, len);
	*rest = slice_of(rest->ptr + 3 + len, rest->len - 3 - len);
	return true;
}

/* --- what is asked of it ------------------------------------------------------------------------ */

static UNUSED void fuzz_check_offsets(const struct log *log)
{
	ASSERT(log_first_segment_base(log) <= log_start_offset(log) || log_segment_count(log) == 1);
	ASSERT(log_start_offset(log) <= log_last_stable_offset(log));
	ASSERT(log_last_stable_offset(log) <= log_high_watermark(log));
	ASSERT(log_high_watermark(log) <= log_end_offset(log));
	ASSERT(log_recovery_point(log) <= log_synced_offset(log) && log_synced_offset(log) <= log_end_offset(log));
}

/*
 * Reads from the start to the end; every batch holds the wanted offset or comes behind it. Returns the number of batches. An
 * error is one only where a clean stop was claimed, so that nobody looked at the bytes before.
 */
static UNUSED int fuzz_read_all(struct fuzz_log *f, bool was_recovered)
{
	int64_t offset = log_start_offset(f->log), end = log_end_offset(f->log);
	struct log_range r;
	int count = 0;

	for (int i = 0; offset < end && i < FUZZ_READS_MAX; i++) {
		enum err e = log_read(f->log, offset, end, 1000, true, &r);
		ASSERT(e == OK || (e == ERR_CORRUPT && !was_recovered));
		if (e != OK || r.len == 0)
			break;
		uint8_t *bytes = mem_alloc(r.len);
		size_t got;
		e = os_pread(f->os, log_file_fd(r.file), bytes, r.len, r.file_pos, &got);
		ASSERT(e == OK && got == r.len);
		log_file_unref(&r.file);
		struct slice rest = slice_of(bytes, got), batch;
		int here = 0;
		for (; batch_next(&rest, &batch) == OK; here++) {
			if (batch_last_offset(batch.ptr) < offset && !was_recovered)
				break;
			ASSERT(batch_last_offset(batch.ptr) >= offset);
			ASSERT(!was_recovered || batch_check_crc(batch));
			offset = batch_last_offset(batch.ptr) + 1;
		}
		free(bytes);
		ASSERT(here > 0 || !was_recovered);
		if (here == 0)
			break;
		count += here;
	}
	return count;
}

static enum err fuzz_look_up_time(struct log *log, time_ms target, struct log_time_offset *found)
{
	struct log_time_lookup l = { .target = target };

	log_time_lookup_begin(log, &l);
	log_time_lookup_run(&l);
	enum err e = log_time_lookup_end(log, &l);
	*found = l.found;
	return e;
}

static void fuzz_list_segments(struct log *log, time_ms target)
{
	struct log_time_lookup l = { .target = target, .lists_segments = true, .cap = log_end_offset(log), .max = 8 };

	log_time_lookup_begin(log, &l);
	log_time_lookup_run(&l);
	ASSERT(l.count >= 0 && l.count <= 8);
	for (int i = 0; i < l.count; i++)
		ASSERT(l.offsets[i] >= log_start_offset(log) && l.offsets[i] <= l.cap);
	enum err e = log_time_lookup_end(log, &l);
	ASSERT(e == OK);
}

static UNUSED void fuzz_look_up(struct log *log)
{
	static const time_ms times[] = { LOG_TIME_LARGEST, 0, 1, FUZZ_NOW - 1, FUZZ_NOW, FUZZ_NOW + 5, INT64_MAX };
	struct log_time_offset found;
	struct log_aborted aborted[4];
	struct log_producer producers[4];
	int64_t start = log_start_offset(log), end = log_end_offset(log), end_of;
	int32_t epoch;

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (fuzz_look_up_time(log, times[i], &found) == OK && found.offset >= 0)
			ASSERT(found.timestamp >= times[i] && found.offset >= start);
		fuzz_list_segments(log, times[i]);
	}
	ASSERT(log_bytes_between(log, start, end, 1 << 20) <= 1 << 20);
	ASSERT(log_aborted_transactions(log, start, end, aborted, 4) >= 0);
	ASSERT(log_producers(log, producers, 4) >= 0);
	log_end_offset_for_epoch(log, log_latest_epoch(log), &epoch, &end_of);
	ASSERT(log_epoch_at(log, start) <= log_latest_epoch(log));
}

/* One batch without a producer, one that begins a transaction of a producer the files may know. */
static UNUSED void fuzz_append(struct log *log, int64_t producer_id)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;

	spec.producer_id = producer_id;
	spec.producer_epoch = producer_id < 0 ? NO_PRODUCER_EPOCH : 0;
	spec.base_sequence = producer_id < 0 ? NO_SEQUENCE : 0;
	spec.is_transactional = producer_id >= 0;
	batch_build_begin(&b, &spec, NULL, &out, 1 << 16);
	batch_build_add(&b, FUZZ_NOW, SLICE_NULL, SLICE_LIT("value"), NULL, 0);
	enum err e = batch_build_end(&b, &batch);
	ASSERT(e == OK);
	struct log_append a = { .batch = (uint8_t *)out.ptr, .batch_bytes = (uint32_t)out.len }, *list[] = { &a };
	int64_t end = log_end_offset(log);
	e = log_append(log, list, 1, MAX(log_latest_epoch(log), 0), FUZZ_NOW);
	ASSERT(e == OK && (a.error == NONE || producer_id >= 0));
	ASSERT(log_end_offset(log) == end + (a.error == NONE && !a.is_duplicate));
	strbuf_fini(&out);
}

/* After a clean close it opens as it was, without looking at any batch. */
static UNUSED void fuzz_reopen(struct fuzz_log *f)
{
	struct log_recovery recovery;
	int64_t start = log_start_offset(f->log), end = log_end_offset(f->log);
	enum err e = log_close_clean(f->log);

	ASSERT(e == OK);
	f->spec.recovery_point = log_recovery_point(f->log);
	f->spec.log_start_offset = start;
	f->spec.high_watermark = log_high_watermark(f->log);
	f->spec.had_clean_shutdown = true;
	log_close(&f->log);
	e = log_open(&f->log, &f->spec, &recovery);
	ASSERT(e == OK);
	ASSERT(log_start_offset(f->log) == start && log_end_offset(f->log) == end);
}

#endif
