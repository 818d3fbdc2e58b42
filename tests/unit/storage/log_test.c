/*
 * The log on a real disk: what goes in comes out, files are those of Kafka, golden partitions open.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_kit.h"
#include "os/sim.h"

static const struct batch_spec PLAIN = BATCH_SPEC_INIT;

START_TEST(a_new_log_is_empty_and_reopens)
{
	struct kit k;
	struct log_range r;

	kit_temporary(&k, "t-0");
	kit_open(&k);
	ck_assert_int_eq(log_start_offset(k.log), 0);
	ck_assert_int_eq(log_end_offset(k.log), 0);
	ck_assert_int_eq(log_latest_epoch(k.log), -1);
	ck_assert_int_eq(log_read(k.log, 0, 0, 1000, true, &r), OK);
	ck_assert_ptr_null(r.file);
	ck_assert_int_eq(log_read(k.log, 1, 1, 1000, true, &r), ERR_OUT_OF_RANGE);
	kit_reopen_clean(&k);
	ck_assert_int_eq(log_end_offset(k.log), 0);
	ck_assert_int_eq(k.recovery.bytes_scanned, 0);
	kit_fini(&k);
}
END_TEST

/* Every offset is found in the batch that holds it, whatever the bound and the size. */
static void check_reads(struct kit *k, int batches, int per_batch)
{
	struct log_range r;
	int64_t end = (int64_t)batches * per_batch;

	for (int64_t offset = 0; offset < end; offset++) {
		ck_assert_int_eq(log_read(k->log, offset, end, 1, true, &r), OK);
		ck_assert_int_eq(r.first_batch_offset, offset / per_batch * per_batch);
		ck_assert_uint_eq(r.len, r.first_batch_bytes);
		struct slice bytes = take_range(k, &r), rest = bytes, batch;
		ck_assert_int_eq(batch_next(&rest, &batch), OK);
		ck_assert(batch_check_crc(batch));
		ck_assert_int_eq(batch_base_offset(batch.ptr), offset / per_batch * per_batch);
		free((void *)(uintptr_t)bytes.ptr);

		int64_t bound = offset + 3 * per_batch;
		if (bound > end)
			continue;
		ck_assert_int_eq(log_read(k->log, offset, bound, 1 << 20, true, &r), OK);
		bytes = take_range(k, &r);
		rest = bytes;
		while (batch_next(&rest, &batch) == OK)
			ck_assert_int_lt(batch_last_offset(batch.ptr), bound);
		ck_assert_uint_eq(rest.len, 0);
		free((void *)(uintptr_t)bytes.ptr);
	}
	ck_assert_int_eq(log_read(k->log, 0, end, 1, false, &r), OK);
	ck_assert_uint_eq(r.len, 0);
	ck_assert_ptr_null(r.file);
}

START_TEST(what_is_appended_is_read)
{
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 2000;
	k.config.index_interval_bytes = 200;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 100; i++) {
		struct log_append a = append_one(k.log,
			make_batch(&PLAIN, 3, 1700000000000 + i, "value"), false, 1700000000000);
		ck_assert_int_eq(a.error, NONE);
		ck_assert_int_eq(a.base_offset, 3 * i);
		ck_assert_int_eq(a.last_offset, 3 * i + 2);
	}
	kit_replicate(&k);
	ck_assert_int_gt(log_segment_count(k.log), 3);
	check_reads(&k, 100, 3);
	kit_reopen_clean(&k);
	ck_assert_int_eq(log_end_offset(k.log), 300);
	ck_assert_int_eq(log_high_watermark(k.log), 300);
	ck_assert_int_eq(log_latest_epoch(k.log), 0);
	ck_assert_int_eq(k.recovery.bytes_scanned, 0);
	check_reads(&k, 100, 3);
	append_one(k.log, make_batch(&PLAIN, 3, 1700000000999, "value"), false, 1700000000000);
	check_reads(&k, 101, 3);
	kit_fini(&k);
}
END_TEST

/* Many appends in one call, over several segments, are answered each. */
START_TEST(a_call_may_span_segments)
{
	struct kit k;
	struct log_append appends[LOG_APPEND_MAX], *list[LOG_APPEND_MAX];
	struct strbuf bytes[LOG_APPEND_MAX] = { STRBUF_INIT };

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 1000;
	kit_open(&k);
	for (int i = 0; i < LOG_APPEND_MAX; i++) {
		struct slice b = make_batch(&PLAIN, 2, 1700000000000 + i, "0123456789");
		strbuf_add_slice(&bytes[i], b);
		appends[i] = (struct log_append){ .batch = (uint8_t *)bytes[i].ptr,
			.batch_bytes = (uint32_t)bytes[i].len };
		list[i] = &appends[i];
	}
	ck_assert_int_eq(log_append(k.log, list, LOG_APPEND_MAX, 5, 1700000000000), OK);
	for (int i = 0; i < LOG_APPEND_MAX; i++) {
		ck_assert_int_eq(appends[i].error, NONE);
		ck_assert_int_eq(appends[i].base_offset, 2 * i);
		strbuf_fini(&bytes[i]);
	}
	kit_replicate(&k);
	ck_assert_int_eq(log_latest_epoch(k.log), 5);
	ck_assert_int_gt(log_segment_count(k.log), 10);
	check_reads(&k, LOG_APPEND_MAX, 2);
	kit_fini(&k);
}
END_TEST

/* A look-up by time runs elsewhere while its log goes on. */
START_TEST(a_look_up_notices_what_was_cut)
{
	struct log_time_lookup before = { .target = 1700000000050 }, behind = { .target = 1700000000099 }, late = { .target = 1700000000000 };
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 2000;
	k.config.index_interval_bytes = 200;
	kit_open(&k);
	for (int i = 0; i < 100; i++)
		append_one(k.log, make_batch(&PLAIN, 1, 1700000000000 + i, "value"), false, 1700000000000);
	log_time_lookup_begin(k.log, &before);
	append_one(k.log, make_batch(&PLAIN, 1, 1700000000200, "value"), false, 1700000000000);
	log_time_lookup_run(&before);
	ck_assert_int_eq(log_time_lookup_end(k.log, &before), OK);
	ck_assert_int_eq(before.found.offset, 50);

	log_time_lookup_begin(k.log, &behind);
	ck_assert_int_eq(log_truncate_to(k.log, 60), OK);
	log_time_lookup_run(&behind);
	ck_assert_int_eq(log_time_lookup_end(k.log, &behind), ERR_AGAIN);
	ck_assert_int_eq(look_up(k.log, 1700000000099).offset, -1);
	ck_assert_int_eq(look_up(k.log, LOG_TIME_LARGEST).offset, 59);

	log_time_lookup_begin(k.log, &late);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	log_close(&k.log);
	log_time_lookup_run(&late);
	ck_assert_int_eq(log_time_lookup_end(NULL, &late), OK);
	ck_assert_int_eq(late.found.offset, 0);
	kit_open(&k);
	kit_fini(&k);
}
END_TEST

static void flush_all(struct log *log)
{
	struct log_flush f;

	while (log_flush_begin(log, &f)) {
		log_flush_run(&f);
		ck_assert_int_eq(log_flush_end(log, &f), OK);
	}
}

static void append_as_of(struct log *log, int32_t epoch, int n)
{
	for (int i = 0; i < n; i++) {
		struct slice batch = make_batch(&PLAIN, 1, 1700000000000, "value");

		batch_set_base_offset((uint8_t *)(uintptr_t)batch.ptr, log_end_offset(log));
		batch_set_leader_epoch((uint8_t *)(uintptr_t)batch.ptr, epoch);
		ck_assert_int_eq(log_append_fetched(log, batch, 1700000000000), OK);
	}
}

/* Killed behind a truncation, while the checkpoint still names a recovery point above it: recovery begins where the cut was. */
START_TEST(a_cut_below_the_checkpoint_is_remembered)
{
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 1000;
	kit_open(&k);
	append_as_of(k.log, 1, 50);
	append_as_of(k.log, 3, 50);
	flush_all(k.log);
	k.spec.recovery_point = log_recovery_point(k.log);
	ck_assert_int_gt(k.spec.recovery_point, 80);
	ck_assert_int_eq(log_truncate_to(k.log, 20), OK);
	append_as_of(k.log, 2, 20);
	append_as_of(k.log, 4, 20);
	log_close(&k.log);

	kit_open(&k);
	ck_assert_int_eq(log_end_offset(k.log), 60);
	ck_assert_int_eq(log_epoch_at(k.log, 19), 1);
	ck_assert_int_eq(log_epoch_at(k.log, 20), 2);
	ck_assert_int_eq(log_epoch_at(k.log, 40), 4);
	ck_assert_int_gt(k.recovery.bytes_scanned, 40 * 61);		/* all behind the cut */
	ck_assert_int_le(log_recovery_point(k.log), 20);
	/* once it has come so far again the checkpoint is believed */
	append_as_of(k.log, 4, 60);
	flush_all(k.log);
	ck_assert_int_gt(log_recovery_point(k.log), k.spec.recovery_point);
	k.spec.recovery_point = log_recovery_point(k.log);
	log_close(&k.log);
	kit_open(&k);
	ck_assert_int_lt(k.recovery.bytes_scanned, 1100);
	ck_assert_int_eq(log_end_offset(k.log), 120);
	kit_fini(&k);
}
END_TEST

static void written_at(struct kit *k, int64_t base, time_ms at)
{
	char path[700];
	struct timespec times[2] = { { .tv_sec = at / 1000 }, { .tv_sec = at / 1000 } };

	snprintf(path, sizeof(path), "%s/%020lld.log", k->dir, (long long)base);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* What version 0 of ListOffsets is told, as text: newest first. */
static const char *listed(struct log *log, time_ms target, int64_t cap, int max)
{
	static char text[200];
	struct log_time_lookup l = { .target = target, .lists_segments = true, .cap = cap, .max = max };
	size_t len = 0;

	log_time_lookup_begin(log, &l);
	log_time_lookup_run(&l);
	text[0] = '\0';
	for (int i = 0; i < l.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%lld ", (long long)l.offsets[i]);
	ck_assert_int_eq(log_time_lookup_end(log, &l), OK);
	return text;
}

/* Four segments of one batch of two records, the last of them active. */
START_TEST(segments_are_listed_by_when_they_were_written)
{
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 100;
	kit_open(&k);
	for (int i = 0; i < 4; i++)
		append_one(k.log, make_batch(&PLAIN, 2, 1700000000000, "value"), false, 1700000000000);
	ck_assert_int_eq(log_segment_count(k.log), 4);
	for (int i = 0; i < 4; i++)
		written_at(&k, 2 * i, 1000000 + i * 10000);
	ck_assert_str_eq(listed(k.log, -1, INT64_MAX, 10), "8 6 4 2 0 ");
	ck_assert_str_eq(listed(k.log, -2, INT64_MAX, 10), "0 ");
	ck_assert_str_eq(listed(k.log, 1020000, INT64_MAX, 10), "4 2 0 ");
	ck_assert_str_eq(listed(k.log, 1019999, INT64_MAX, 10), "2 0 ");
	ck_assert_str_eq(listed(k.log, 999999, INT64_MAX, 10), "");
	ck_assert_str_eq(listed(k.log, os_time_ms(k.os) + 100000, INT64_MAX, 10), "8 6 4 2 0 ");
	ck_assert_str_eq(listed(k.log, -1, 5, 10), "5 4 2 0 ");	/* cap stands once for 8 and 6 */
	ck_assert_str_eq(listed(k.log, -1, INT64_MAX, 2), "8 6 ");
	ck_assert_str_eq(listed(k.log, -1, INT64_MAX, 0), "");
	kit_replicate(&k);
	ck_assert_int_eq(log_raise_start_offset(k.log, 3), OK);
	ck_assert_str_eq(listed(k.log, -2, INT64_MAX, 10), "3 ");
	ck_assert_str_eq(listed(k.log, -1, INT64_MAX, 10), "8 6 4 3 ");
	kit_fini(&k);
}
END_TEST

/* --- a device that refuses -------------------------------------------------------------------- */

/* The nth operation of an append fails: what was there is there, nothing else is, and the next
 * append succeeds. */
static bool append_with_failure(enum sim_op op, enum err refusal, uint64_t nth)
{
	struct sim_os *machine = sim_create(NULL, "m", nth);
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct kit k;
	int64_t end = 0;
	bool has_failed = false;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_bytes = 400;
	k.config.index_interval_bytes = 0;
	k.config.segment_index_bytes = 1200;
	kit_open(&k);
	spec.producer_id = 1;
	spec.producer_epoch = 0;
	spec.base_sequence = 0;
	sim_fail(machine, op, "/data", nth, refusal);
	while (spec.base_sequence < 24) {
		struct slice b = make_batch(&spec, 2, 1700000000000 + spec.base_sequence,
			"some value");
		struct log_append a = { .batch = (uint8_t *)(uintptr_t)b.ptr,
			.batch_bytes = (uint32_t)b.len }, *list[] = { &a };
		enum err e = log_append(k.log, list, 1, 0, 1700000000000);
		if (e != OK) {
			ck_assert_int_eq(e, refusal);
			ck_assert(!has_failed);
			ck_assert_int_eq(a.error, KAFKA_STORAGE_ERROR);
			ck_assert_int_eq(log_end_offset(k.log), end);
			has_failed = true;
			continue;	/* the same sequence again: nothing of the first attempt is
					 * known */
		}
		ck_assert_int_eq(a.error, NONE);
		ck_assert(!a.is_duplicate);
		ck_assert_int_eq(a.base_offset, end);
		end += 2;
		spec.base_sequence += 2;
	}
	sim_fail(machine, op, NULL, 0, OK);
	kit_replicate(&k);
	check_reads(&k, 12, 2);
	log_close(&k.log);		/* what a recovery makes of it is the same */
	kit_open(&k);
	ck_assert_int_eq(log_end_offset(k.log), end);
	ck_assert_int_eq(k.recovery.bytes_cut, 0);
	kit_replicate(&k);
	check_reads(&k, 12, 2);
	log_close(&k.log);
	sim_destroy(&machine);
	return has_failed;
}

START_TEST(no_space_leaves_no_trace)
{
	static const enum sim_op ops[] = { SIM_WRITE, SIM_NAME };
	uint64_t nth = 1;

	while (append_with_failure(ops[_i], ERR_NO_SPACE, nth))
		nth++;
	ck_assert_uint_gt(nth, 8);	/* it did fail so many different ways */
}
END_TEST

/* --- opening on a full disk ------------------------------------------------------------------- */

enum before_full { BEFORE_NOTHING, BEFORE_DIRECTORY, BEFORE_CLEAN_STOP, BEFORE_KILL, BEFORE_KILL_EARLY_MARK, BEFORE_REBOOT, BEFORE_KINDS };

#define FULL_TIME 1700000000000

/* Batch i of two records, from a producer whose retries must be recognised. */
static struct slice numbered_batch(int i)
{
	struct batch_spec spec = BATCH_SPEC_INIT;

	spec.producer_id = 1;
	spec.producer_epoch = 0;
	spec.base_sequence = 2 * i;
	return make_batch(&spec, 2, FULL_TIME + i, "some value");
}

static enum err append_numbered(struct kit *k, int i, struct log_append *a)
{
	struct slice b = numbered_batch(i);
	struct log_append *list[] = { a };

	*a = (struct log_append){ .batch = (uint8_t *)(uintptr_t)b.ptr, .batch_bytes = (uint32_t)b.len };
	return log_append(k->log, list, 1, 0, FULL_TIME);
}

static void fill_and_stop(struct kit *k, enum before_full how, int batches)
{
	struct log_append a;

	kit_open(k);
	for (int i = 0; i < batches; i++) {
		ck_assert_int_eq(append_numbered(k, i, &a), OK);
		if (how == BEFORE_KILL || (how == BEFORE_KILL_EARLY_MARK && i == batches / 3))
			log_progress(k->log, &k->spec.mark);
	}
	if (how == BEFORE_CLEAN_STOP) {
		ck_assert_int_eq(log_close_clean(k->log), OK);
		k->spec.had_clean_shutdown = true;
	}
	k->spec.recovery_point = log_recovery_point(k->log);
	log_close(&k->log);
	if (how == BEFORE_REBOOT)	/* the indexes are older than the log */
		k->spec.recovery_point = 0;
}

static void check_all(struct kit *k, int batches)
{
	ck_assert_int_eq(log_end_offset(k->log), 2 * batches);
	kit_replicate(k);
	if (batches > 0)
		check_reads(k, batches, 2);
	for (int i = 0; i < batches; i++)
		ck_assert_int_eq(look_up(k->log, FULL_TIME + i).offset, 2 * i);
	ck_assert_int_eq(look_up(k->log, FULL_TIME + batches).offset, -1);
}

/* Opened where there is no room for anything, or where only the nth write finds none: read, refused, and going on when there is. */
static bool open_on_full(enum before_full how, uint64_t nth)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	int batches = how <= BEFORE_DIRECTORY ? 0 : 12;
	uint64_t ops;
	struct log_append a;
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_bytes = 400;
	k.config.index_interval_bytes = 0;
	k.config.segment_index_bytes = 1200;
	if (how == BEFORE_DIRECTORY)
		ck_assert_int_eq(os_mkdir(k.os, k.dir), OK);
	else if (how != BEFORE_NOTHING)
		fill_and_stop(&k, how, batches);
	if (nth > 0) {
		sim_fail(machine, SIM_WRITE, "/data", nth, ERR_NO_SPACE);
	} else {
		sim_fail_often(machine, SIM_WRITE, "/data", 1000000, ERR_NO_SPACE);
		sim_fail_often(machine, SIM_NAME, "/data", 1000000, ERR_NO_SPACE);
	}
	ops = sim_disk_ops(machine);
	kit_open(&k);
	check_all(&k, batches);
	if (nth == 0) {
		ck_assert_int_eq(append_numbered(&k, batches, &a), ERR_NO_SPACE);
		ck_assert_int_eq(a.error, KAFKA_STORAGE_ERROR);
		check_all(&k, batches);
		sim_fail_often(machine, SIM_WRITE, NULL, 0, OK);
		sim_fail_often(machine, SIM_NAME, NULL, 0, OK);
	}
	ops = sim_disk_ops(machine) - ops;
	sim_fail(machine, SIM_WRITE, NULL, 0, OK);
	ck_assert_int_eq(append_numbered(&k, batches, &a), OK);
	ck_assert_int_eq(a.base_offset, 2 * batches);
	check_all(&k, batches + 1);
	k.spec.had_clean_shutdown = false;
	log_progress(k.log, &k.spec.mark);
	log_close(&k.log);
	kit_open(&k);			/* killed again, with room */
	check_all(&k, batches + 1);
	ck_assert_int_eq(append_numbered(&k, batches, &a), OK);
	ck_assert(a.is_duplicate);
	kit_reopen_clean(&k);
	check_all(&k, batches + 1);
	log_close(&k.log);
	sim_destroy(&machine);
	return nth <= ops;
}

START_TEST(a_log_opens_on_a_full_disk)
{
	uint64_t nth = 0;

	while (open_on_full((enum before_full)_i, nth))
		nth++;
}
END_TEST

/* The nth operation of an open that makes an index anew is the last before a kill. What was aborted, and when things were, is known all the same. */
static bool killed_while_remaking(uint64_t nth)
{
	struct sim_os *machine = sim_create(NULL, "m", nth);
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct log_aborted aborted[4];
	struct log_append a;
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_bytes = 400;
	k.config.index_interval_bytes = 0;
	k.config.segment_index_bytes = 1200;
	kit_open(&k);
	spec.producer_id = 7;
	spec.producer_epoch = 0;
	spec.base_sequence = 0;
	spec.is_transactional = true;
	append_one(k.log, make_batch(&spec, 1, FULL_TIME, "gone"), false, FULL_TIME);
	struct strbuf out = STRBUF_INIT;
	struct marker marker = { MARKER_ABORT, 7, 0, 0, FULL_TIME };
	append_one(k.log, marker_build(&marker, &out), true, FULL_TIME);
	strbuf_fini(&out);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	ck_assert_int_gt(log_segment_count(k.log), 2);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	k.spec.recovery_point = log_recovery_point(k.log);
	k.spec.had_clean_shutdown = true;
	log_progress(k.log, &k.spec.mark);
	log_close(&k.log);
	ck_assert_int_eq(os_unlink(k.os, "/data/t-0/00000000000000000000.index"), OK);
	sim_crash_after_ops(machine, nth);
	if (log_open(&k.log, &k.spec, &k.recovery) == OK)
		log_close(&k.log);
	bool has_died = sim_is_dead(machine);
	sim_crash_after_ops(machine, 0);
	if (has_died)
		sim_crash(machine, SIM_CRASH_PROCESS);
	k.spec.had_clean_shutdown = false;
	kit_open(&k);
	kit_replicate(&k);
	ck_assert_int_eq(log_aborted_transactions(k.log, 0, 2, aborted, 4), 1);
	ck_assert_int_eq(aborted[0].producer_id, 7);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(look_up(k.log, FULL_TIME + i).offset, i == 0 ? 0 : 2 + 2 * i);
	log_close(&k.log);
	sim_destroy(&machine);
	return has_died;
}

START_TEST(a_kill_while_indexes_are_remade_leaves_none_half)
{
	uint64_t nth = 1;

	while (killed_while_remaking(nth))
		nth++;
	ck_assert_uint_gt(nth, 8);
}
END_TEST

/* What is appended next would lie before such an entry, or the walk to the end begin behind it. */
static const struct {
	bool     is_clean;
	uint32_t relative_offset, file_pos;
} lies[] = {
	{ false, 1000000, 0 }, { false, 19, 1000000 }, { false, 1000000, 1000000 }, { false, UINT32_MAX, UINT32_MAX },
	{ true,  1000000, 0 }, { true,  19, 1000000 }, { true,  1000000, 1000000 }, { true,  UINT32_MAX, UINT32_MAX },
};

START_TEST(an_index_that_lies_is_made_anew)
{
	uint8_t entry[8];
	struct log_append a;
	struct kit k;
	char path[600];
	os_fd fd;

	kit_temporary(&k, "t-0");
	k.config.index_interval_bytes = 0;
	kit_open(&k);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	flush_all(k.log);		/* else the mark stands before the first epoch */
	if (lies[_i].is_clean)
		ck_assert_int_eq(log_close_clean(k.log), OK);
	log_progress(k.log, &k.spec.mark);
	k.spec.had_clean_shutdown = lies[_i].is_clean;
	k.spec.recovery_point = lies[_i].is_clean ? log_recovery_point(k.log) : 0;
	ck_assert_uint_eq(k.spec.mark.offset_entries, 9);
	log_close(&k.log);
	snprintf(path, sizeof(path), "%s/00000000000000000000.index", k.dir);
	store_be32(entry, lies[_i].relative_offset);
	store_be32(entry + 4, lies[_i].file_pos);
	ck_assert_int_eq(os_open(k.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(k.os, fd, entry, sizeof(entry), 8 * sizeof(entry)), OK);
	os_close(k.os, &fd);
	kit_open(&k);
	ck_assert_int_eq(log_end_offset(k.log), a.last_offset + 1);
	for (int i = 10; i < 20; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	kit_replicate(&k);
	check_reads(&k, 20, 2);
	kit_fini(&k);
}
END_TEST

/* What a Java broker leaves that came between and was killed: its own entries, fewer than the mark has counted, and behind them zeros or what was there before. */
static const struct {
	const char *index;
	size_t      entry_bytes;
	uint32_t    from, copy_of;	/* entries from there on: copies of these; 0: zeros */
} anothers[] = {
	{ "timeindex", 12, 8, 0 }, { "timeindex", 12, 5, 0 }, { "timeindex", 12, 8, 7 }, { "timeindex", 12, 4, 3 }, { "timeindex", 12, 0, 0 },
	{ "index",      8, 8, 0 }, { "index",      8, 4, 3 },
};

START_TEST(a_mark_does_not_vouch_for_the_indexes_of_another)
{
	uint8_t entries[9 * 12], made[32 * 12];
	size_t n = anothers[_i].entry_bytes, got;
	uint32_t from = anothers[_i].from, copy_of = anothers[_i].copy_of;
	struct log_append a;
	struct kit k;
	char path[600];
	os_fd fd;

	kit_temporary(&k, "t-0");
	k.config.index_interval_bytes = 0;
	kit_open(&k);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	flush_all(k.log);
	log_progress(k.log, &k.spec.mark);
	k.spec.had_clean_shutdown = false;
	ck_assert_uint_eq(k.spec.mark.offset_entries, 9);
	ck_assert_uint_eq(k.spec.mark.time_entries, 9);
	log_close(&k.log);
	snprintf(path, sizeof(path), "%s/00000000000000000000.%s", k.dir, anothers[_i].index);
	ck_assert_int_eq(os_open(k.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pread(k.os, fd, entries, 9 * n, 0, &got), OK);
	ck_assert_uint_eq(got, 9 * n);
	if (copy_of > 0)
		memmove(entries + from * n, entries + copy_of * n, (9 - from) * n);
	else
		memset(entries + from * n, 0, (9 - from) * n);
	ck_assert_int_eq(os_pwrite(k.os, fd, entries, 9 * n, 0), OK);
	os_close(k.os, &fd);
	kit_open(&k);
	for (int i = 10; i < 20; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	kit_replicate(&k);
	check_reads(&k, 20, 2);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(look_up(k.log, FULL_TIME + i).offset, 2 * i);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	ck_assert_int_eq(os_open(k.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pread(k.os, fd, made, sizeof(made), 0, &got), OK);
	os_close(k.os, &fd);
	ck_assert_uint_ge(got, 19 * n);
	for (size_t at = n; at < got; at += n)	/* timestamps, or offsets, ascend */
		ck_assert_int_lt(memcmp(made + at - n, made + at, n == 12 ? 8 : 4), 0);
	kit_fini(&k);
}
END_TEST

/* Made anew since, with entries for other batches: the mark's last one lies behind what the mark has seen, and an epoch begins between. */
START_TEST(a_mark_does_not_vouch_for_entries_behind_it)
{
	uint8_t entries[18 * 8];
	struct log_append a;
	struct kit k;
	char path[600];
	size_t got;
	os_fd fd;

	kit_temporary(&k, "t-0");
	k.config.index_interval_bytes = 0;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	flush_all(k.log);
	log_progress(k.log, &k.spec.mark);
	ck_assert_uint_eq(k.spec.mark.offset_entries, 9);
	k.spec.had_clean_shutdown = false;
	append_as_of(k.log, 1, 10);
	log_close(&k.log);
	snprintf(path, sizeof(path), "%s/00000000000000000000.index", k.dir);
	ck_assert_int_eq(os_open(k.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pread(k.os, fd, entries, sizeof(entries), 0, &got), OK);
	ck_assert_uint_eq(got, sizeof(entries));
	ck_assert_int_eq(os_pwrite(k.os, fd, entries + 9 * 8, 9 * 8, 0), OK);
	os_close(k.os, &fd);
	kit_open(&k);
	ck_assert_int_eq(log_epoch_at(k.log, 19), 0);
	ck_assert_int_eq(log_epoch_at(k.log, 20), 1);
	kit_fini(&k);
}
END_TEST

/* A new log for which there was no room, stopped or deleted before there is. */
START_TEST(a_log_without_files_can_be_ended)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	struct kit k;
	struct os_stat st;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	sim_fail_often(machine, SIM_NAME, "/data", 1000000, ERR_NO_SPACE);
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 3), OK);
	ck_assert(!log_wants_flush(k.log));
	ck_assert_int_eq(log_truncate_fully_and_start_at(k.log, 7), OK);
	ck_assert_int_eq(log_roll(k.log, 1), OK);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	log_close(&k.log);
	kit_open(&k);
	ck_assert_int_eq(log_delete(&k.log), OK);
	ck_assert_int_eq(os_stat(k.os, k.dir, &st), ERR_NOT_FOUND);
	kit_open(&k);
	sim_fail_often(machine, SIM_NAME, NULL, 0, OK);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	ck_assert_int_eq(os_stat(k.os, k.dir, &st), OK);
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

static void kill_and_open(struct kit *k, struct sim_os *machine)
{
	log_close(&k->log);
	sim_crash(machine, SIM_CRASH_PROCESS);
	k->spec.had_clean_shutdown = false;
	kit_open(k);
}

/* Two thousand of these are to open again in no time. But what was written, or flushed once, is looked for. */
START_TEST(a_log_without_records_is_new_after_a_kill)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	struct log_append a;
	struct log_flush f;
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	sim_fail_often(machine, SIM_SYNC, NULL, 1000000, ERR_IO);
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	kill_and_open(&k, machine);
	ck_assert(!log_wants_flush(k.log));
	ck_assert_int_eq(log_begin_epoch(k.log, 1), OK);
	ck_assert(!log_wants_flush(k.log));
	ck_assert_int_eq(append_numbered(&k, 0, &a), OK);
	sim_fail_often(machine, SIM_SYNC, NULL, 0, OK);
	kill_and_open(&k, machine);
	ck_assert_int_eq(log_end_offset(k.log), a.base_offset + 2);
	ck_assert(log_wants_flush(k.log));
	ck_assert_int_eq(log_truncate_to(k.log, 0), OK);
	ck_assert(log_flush_begin(k.log, &f));
	log_flush_run(&f);
	ck_assert_int_eq(log_flush_end(k.log, &f), OK);
	kill_and_open(&k, machine);
	ck_assert(log_wants_flush(k.log));	/* its epochs are in a file: it is not new */
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

static void count_name(void *arg, const char *name, bool is_dir)
{
	(void)name;
	(void)is_dir;
	++*(int *)arg;
}

/* Room comes from what goes, and a follower must be able to cut. */
START_TEST(segments_go_from_a_full_disk)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	int before = 0, after = 0, removed;
	struct log_append a;
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_bytes = 200;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	if (_i == 1) {		/* a cut below what was checkpointed needs a note first */
		kit_replicate(&k);
		flush_all(k.log);
	}
	ck_assert_int_eq(os_list_dir(k.os, k.dir, count_name, &before), OK);
	sim_fail_often(machine, SIM_NAME, NULL, 1000000, ERR_NO_SPACE);
	sim_fail_often(machine, SIM_WRITE, NULL, 1000000, ERR_NO_SPACE);
	if (_i == 0) {
		ck_assert_int_eq(log_truncate_to(k.log, 20), OK);
		ck_assert_int_eq(log_end_offset(k.log), 20);
	} else {
		ck_assert_int_eq(log_raise_start_offset(k.log, 40), OK);
		ck_assert_int_eq(log_remove_segments_below_start(k.log, &removed), OK);
		ck_assert_int_gt(removed, 2);
	}
	ck_assert_int_eq(os_list_dir(k.os, k.dir, count_name, &after), OK);
	ck_assert_int_lt(after, before - 6);
	sim_fail_often(machine, SIM_NAME, NULL, 0, OK);
	sim_fail_often(machine, SIM_WRITE, NULL, 0, OK);
	ck_assert_int_eq(append_numbered(&k, _i == 0 ? 10 : 30, &a), OK);
	ck_assert_int_eq(a.base_offset, _i == 0 ? 20 : 60);
	kill_and_open(&k, machine);
	ck_assert_int_eq(log_end_offset(k.log), a.base_offset + 2);
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

/* With thousands of logs every sync and every file that is made here is seen: what is owed goes with the first flush. */
START_TEST(a_log_with_few_records_opens_without_syncs_or_new_files)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	int before = 0, after = 0;
	struct log_append a;
	struct kit k;
	char old[600];

	kit_init(&k, sim_os(machine), "/data", "t-0");
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(append_numbered(&k, i, &a), OK);
	ck_assert_int_eq(os_list_dir(k.os, k.dir, count_name, &before), OK);
	sim_fail_often(machine, SIM_SYNC, NULL, 1000000, ERR_IO);
	for (int i = 0; i < 3; i++) {
		kill_and_open(&k, machine);
		ck_assert_int_eq(log_end_offset(k.log), a.base_offset + 2);
		ck_assert_int_eq(k.recovery.records_replayed, 20);
	}
	ck_assert_int_eq(os_list_dir(k.os, k.dir, count_name, &after), OK);
	ck_assert_int_eq(after, before);
	/* A truncation that was killed: were the segment to come back, it would lie behind what is appended from now on. */
	snprintf(old, sizeof(old), "%s/00000000000000000020.log.deleted", k.dir);
	file_put(k.os, old, (const uint8_t *)"", 0);
	log_close(&k.log);
	ck_assert_int_eq(log_open(&k.log, &k.spec, &k.recovery), ERR_IO);
	sim_fail_often(machine, SIM_SYNC, NULL, 0, OK);
	kit_open(&k);
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

START_TEST(an_io_error_is_told)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_index_bytes = 1200;
	kit_open(&k);
	append_one(k.log, make_batch(&PLAIN, 1, 1, "x"), false, 1);
	sim_fail_often(machine, SIM_ANY, "/data", 1000000, ERR_IO);
	struct slice b = make_batch(&PLAIN, 1, 1, "x");
	struct log_append a = { .batch = (uint8_t *)(uintptr_t)b.ptr,
		.batch_bytes = (uint32_t)b.len }, *list[] = { &a };
	ck_assert_int_eq(log_append(k.log, list, 1, 0, 1), ERR_IO);
	ck_assert_int_eq(a.error, KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(log_end_offset(k.log), 1);
	sim_fail_often(machine, SIM_ANY, NULL, 0, OK);
	/* it could not be cut back: only a restart helps */
	ck_assert_int_eq(log_append(k.log, list, 1, 0, 1), ERR_IO);
	log_close(&k.log);
	kit_open(&k);
	ck_assert_int_ge(log_end_offset(k.log), 1);
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

/* --- golden partitions ------------------------------------------------------------------------ */

/* Batches of a golden .log, to be appended again. */
struct stored {
	struct slice files[64];
	int          count;
};

static void load_stored(void *arg, const char *name, bool is_dir)
{
	struct stored *s = arg;
	char path[1024];

	if (is_dir || strlen(name) != 24 || strcmp(name + 20, ".log") != 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", copy_from, name);
	s->files[s->count++] = file_bytes(os_real(), path);
}

struct comparison {
	struct kit *k;
	const char *dir;
	int files;
};

/* A file that stands in the one must be the same in the other. */
static void compare_one(void *arg, const char *name, bool is_dir)
{
	struct comparison *c = arg;
	char a[1024], b[1024];

	if (is_dir || strcmp(name, "partition.metadata") == 0)
		return;
	snprintf(a, sizeof(a), "%s/%s", c->dir, name);
	snprintf(b, sizeof(b), "%s/%s", c->k->dir, name);
	ck_assert_msg(file_exists(c->k->os, b), "%s is missing", b);
	struct slice want = file_bytes(os_real(), a), got = file_bytes(c->k->os, b);
	assert_same_bytes(got, want, name);
	free((void *)(uintptr_t)want.ptr);
	free((void *)(uintptr_t)got.ptr);
	c->files++;
}

static void no_more_than(void *arg, const char *name, bool is_dir)
{
	struct comparison *c = arg;
	char path[1024];

	if (is_dir || strstr(name, ".skein-batches") != NULL || strstr(name, ".deleted") != NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	ck_assert_msg(file_exists(os_real(), path), "%s is there, and Kafka has none", name);
}

static void compare_with_golden(struct kit *k, const char *name)
{
	struct comparison c = { k, golden(name), 0 };

	ck_assert_int_eq(os_list_dir(os_real(), c.dir, compare_one, &c), OK);
	ck_assert_int_gt(c.files, 2);
	ck_assert_int_eq(os_list_dir(k->os, k->dir, no_more_than, &c), OK);
}

struct recipe {
	const char *name;
	int32_t segment_bytes, index_interval_bytes;
	int64_t segment_ms;
	bool is_control_now;		/* markers carry the wall clock */
};

static const struct recipe recipes[] = {
	{ "segments/segments-0", 3000, 300, 604800000, false },
	{ "segments/segtime-0", 1073741824, 0, 60000, false },
	{ "segments/interval-0", 1073741824, 300, 604800000, false },
	{ "idempotent/idem-0", 1073741824, 4096, 604800000, false },
	{ "transactions/txn-0", 1073741824, 4096, 604800000, false },
	{ "transactions/txn2-0", 1073741824, 4096, 604800000, false },
	{ "transactions/txn-open-0", 1073741824, 4096, 604800000, false },
	{ "records/records-0", 1073741824, 4096, 604800000, false },
	{ "codecs/codecs-large-0", 1073741824, 4096, 604800000, false },
	{ "raw-produce/raw-idem-0", 1073741824, 4096, 604800000, false },
};

/* The same batches, appended one by one with the same configuration, give every file byte for
 * byte. */
START_TEST(the_same_appends_give_the_same_files)
{
	const struct recipe *recipe = &recipes[_i];
	struct stored stored = { .count = 0 };
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = recipe->segment_bytes;
	k.config.index_interval_bytes = recipe->index_interval_bytes;
	k.config.segment_ms = recipe->segment_ms;
	k.spec.topic_id = (struct uuid){ { 1 } };
	copy_from = golden(recipe->name);
	ck_assert_int_eq(os_list_dir(os_real(), copy_from, load_stored, &stored), OK);
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < stored.count; i++) {
		struct slice rest = stored.files[i], batch;
		while (batch_next(&rest, &batch) == OK) {
			int64_t base = batch_base_offset(batch.ptr);
			struct log_append a = append_one(k.log, batch, batch_is_control(batch.ptr),
				1700000000000);
			ck_assert_int_eq(a.error, NONE);
			ck_assert_int_eq(a.base_offset, base);
		}
		free((void *)(uintptr_t)stored.files[i].ptr);
	}
	kit_replicate(&k);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	compare_with_golden(&k, recipe->name);
	kit_fini(&k);
}
END_TEST

/* Before: after a kill, and damaged by hand. After: what Kafka made of it. */
static const struct recipe recoveries[] = {
	{ "killed-0", 3000, 300, 604800000, false },
	{ "epochs-0", 1073741824, 4096, 604800000, false },
	{ "segments-0", 3000, 300, 604800000, false },
	{ "interval-0", 1073741824, 300, 604800000, false },
	{ "idem-0", 1073741824, 4096, 604800000, false },
};

START_TEST(recovery_gives_what_kafka_gives)
{
	const struct recipe *recipe = &recoveries[_i];
	char name[64];
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = recipe->segment_bytes;
	k.config.index_interval_bytes = recipe->index_interval_bytes;
	snprintf(name, sizeof(name), "recovery-before/%s", recipe->name);
	kit_copy_golden(&k, name);
	kit_open(&k);
	ck_assert_int_gt(k.recovery.bytes_scanned, 0);
	ck_assert_int_eq(log_close_clean(k.log), OK);
	snprintf(name, sizeof(name), "recovery-after/%s", recipe->name);
	compare_with_golden(&k, name);
	kit_fini(&k);
}
END_TEST

/* 100 batches of 3 records, a second apart, in segments of 2000 bytes; all committed and on the device. */
static void retained_log(struct kit *k)
{
	kit_temporary(k, "t-0");
	k->config.segment_bytes = 2000;
	k->config.retention_ms = -1;
	kit_open(k);
	ck_assert_int_eq(log_begin_epoch(k->log, 0), OK);
	for (int i = 0; i < 100; i++)
		append_one(k->log, make_batch(&PLAIN, 3, 1700000000000 + i * 1000, "value"), false, 1700000000000 + i * 1000);
	kit_replicate(k);
	ck_assert_int_eq(log_flush_now(k->log), OK);
	ck_assert_int_gt(log_segment_count(k->log), 4);
}

static void retain(struct kit *k, time_ms now)
{
	int removed;

	log_set_config(k->log, &k->config);
	ck_assert_int_eq(log_retain(k->log, now, &removed), OK);
	ck_assert_int_eq(log_flush_now(k->log), OK);	/* files stay until the recovery point has passed them */
	ck_assert_int_eq(log_remove_segments_below_start(k->log, &removed), OK);
	ck_assert_int_eq(log_start_offset(k->log), log_first_segment_base(k->log));
}

START_TEST(too_many_bytes_go)
{
	struct kit k;

	retained_log(&k);
	int64_t all = log_size_bytes(k.log), segment = all / log_segment_count(k.log);

	retain(&k, 1700000100000);
	ck_assert_int_eq(log_start_offset(k.log), 0);
	k.config.retention_bytes = all - 1;		/* less than a segment too much: none goes */
	retain(&k, 1700000100000);
	ck_assert_int_eq(log_start_offset(k.log), 0);
	k.config.retention_bytes = 4000;
	k.config.cleanup_policy = CLEANUP_COMPACT;
	retain(&k, 1700000100000);
	ck_assert_int_eq(log_start_offset(k.log), 0);
	k.config.cleanup_policy = CLEANUP_DELETE;
	log_set_config(k.log, &k.config);
	retain(&k, 1700000100000);
	ck_assert_int_ge(log_size_bytes(k.log), 4000);
	ck_assert_int_lt(log_size_bytes(k.log), 4000 + segment * 2);
	ck_assert_int_gt(log_start_offset(k.log), 0);
	ck_assert_int_eq(log_end_offset(k.log), 300);
	int64_t start = log_start_offset(k.log);
	kit_reopen_clean(&k);
	ck_assert_int_eq(log_start_offset(k.log), start);
	ck_assert_int_eq(log_epoch_at(k.log, start), 0);
	kit_fini(&k);
}
END_TEST

START_TEST(old_records_go)
{
	struct kit k;
	struct log_range r;

	retained_log(&k);
	k.config.retention_ms = 50000;
	retain(&k, 1700000100000);
	/* the segment that holds the 50th batch stays whole */
	ck_assert_int_gt(log_start_offset(k.log), 50);
	ck_assert_int_le(log_start_offset(k.log), 150);
	int64_t start = log_start_offset(k.log);
	ck_assert_int_eq(log_read(k.log, start - 1, 300, 100, true, &r), ERR_OUT_OF_RANGE);
	/* everything is old: the active segment goes too, and a new one begins at the end */
	retain(&k, 1700000000000 + 86400000);
	ck_assert_int_eq(log_start_offset(k.log), 300);
	ck_assert_int_eq(log_segment_count(k.log), 1);
	ck_assert_int_eq(log_size_bytes(k.log), 0);
	ck_assert_int_eq(append_one(k.log, make_batch(&PLAIN, 3, 1700086400000, "value"), false, 1700086400000).base_offset, 300);
	retain(&k, 1700086400000);
	kit_reopen_clean(&k);
	ck_assert_int_eq(log_start_offset(k.log), 300);
	ck_assert_int_eq(log_end_offset(k.log), 303);
	kit_fini(&k);
}
END_TEST

START_TEST(what_is_not_committed_stays)
{
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 2000;
	k.config.retention_ms = 1;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 100; i++)
		append_one(k.log, make_batch(&PLAIN, 3, 1700000000000, "value"), false, 1700000000000);
	log_set_high_watermark(k.log, 100);
	ck_assert_int_eq(log_flush_now(k.log), OK);
	retain(&k, 1800000000000);
	ck_assert_int_gt(log_start_offset(k.log), 0);
	ck_assert_int_le(log_start_offset(k.log), 100);
	kit_fini(&k);
}
END_TEST

START_TEST(a_time_to_come_holds_all_behind_it)
{
	struct kit k;

	kit_temporary(&k, "t-0");
	k.config.segment_bytes = 2000;
	k.config.retention_ms = 1000;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 100; i++)
		append_one(k.log, make_batch(&PLAIN, 3, i == 0 ? 1900000000000 : 1700000000000, "value"), false, 1700000000000);
	kit_replicate(&k);
	ck_assert_int_eq(log_flush_now(k.log), OK);
	retain(&k, 1800000000000);
	ck_assert_int_eq(log_start_offset(k.log), 0);
	kit_fini(&k);
}
END_TEST

/* What it has ahead for the next appends others may need more. */
START_TEST(an_idle_log_has_no_blocks_ahead)
{
	struct kit k;
	struct stat st;
	char path[600], *value = mem_calloc(1, 900001);

	memset(value, 'v', 900000);
	kit_temporary(&k, "t-0");
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (int i = 0; i < 20; i++)
		append_one(k.log, make_batch(&PLAIN, 1, 1700000000000, value), false, 1700000000000);
	snprintf(path, sizeof(path), "%s/00000000000000000000.log", k.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_gt((long long)st.st_blocks * 512, (long long)st.st_size + (8 << 20));
	log_release_files(k.log);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt((long long)st.st_blocks * 512, (long long)st.st_size + (1 << 20));
	append_one(k.log, make_batch(&PLAIN, 1, 1700000000000, value), false, 1700000000000);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_gt((long long)st.st_blocks * 512, (long long)st.st_size + (8 << 20));
	kit_fini(&k);
	free(value);
}
END_TEST

static int fds_of(struct kit *k)
{
	const char *const suffixes[] = { "log", "index", "timeindex" };
	char path[600];
	struct stat st, open_one;
	int n = 0;

	for (unsigned i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(path, sizeof(path), "%s/00000000000000000000.%s", k->dir, suffixes[i]);
		if (stat(path, &st) != 0)
			continue;
		for (int fd = 3; fd < 1024; fd++)
			n += fstat(fd, &open_one) == 0 && open_one.st_dev == st.st_dev && open_one.st_ino == st.st_ino;
	}
	return n;
}

/* With a quarter of the descriptors taken indexes are given back, with three quarters all files; but not what a reader has. */
START_TEST(files_that_others_need_more_are_closed)
{
	struct rlimit plenty, few;
	struct log_range range;
	struct kit k;
	int taken[40], base;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &plenty), 0);
	kit_temporary(&k, "t-0");
	k.config.index_interval_bytes = 0;
	kit_open(&k);
	ck_assert_int_eq(log_begin_epoch(k.log, 0), OK);
	for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
		base = taken[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int part = 0; part < 3; part++) {
		/* plenty; more than a quarter and less than three; more than three */
		few = plenty;
		few.rlim_cur = part == 0 ? (rlim_t)base * 10 : part == 1 ? (rlim_t)base * 2 : (rlim_t)base + 5;
		log_release_files(k.log);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		append_one(k.log, make_batch(&PLAIN, 1, 1700000000000, "value"), false, 1700000000000);
		append_one(k.log, make_batch(&PLAIN, 1, 1700000000000 + part + 1, "value"), false, 1700000000000);
		kit_replicate(&k);
		ck_assert_int_eq(fds_of(&k), 3);
		ck_assert_int_eq(log_read(k.log, 0, log_end_offset(k.log), 1000, true, &range), OK);
		ck_assert_int_eq(log_release_spare_files(k.log), part == 2);
		ck_assert_int_eq(fds_of(&k), part == 0 ? 3 : 1);
		log_file_unref(&range.file);
		ck_assert(!log_release_spare_files(k.log));
		ck_assert_int_eq(fds_of(&k), part == 0 ? 3 : part == 1 ? 1 : 0);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &plenty), 0);
	}
	for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
		close(taken[i]);
	kit_fini(&k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_new_log_is_empty_and_reopens);
	tcase_add_test(t, an_idle_log_has_no_blocks_ahead);
	tcase_add_test(t, files_that_others_need_more_are_closed);
	tcase_add_test(t, what_is_appended_is_read);
	tcase_add_test(t, a_call_may_span_segments);
	tcase_add_test(t, a_look_up_notices_what_was_cut);
	tcase_add_test(t, segments_are_listed_by_when_they_were_written);
	tcase_add_test(t, a_cut_below_the_checkpoint_is_remembered);
	tcase_add_test(t, too_many_bytes_go);
	tcase_add_test(t, old_records_go);
	tcase_add_test(t, what_is_not_committed_stays);
	tcase_add_test(t, a_time_to_come_holds_all_behind_it);
	tcase_add_loop_test(t, no_space_leaves_no_trace, 0, 2);
	tcase_add_loop_test(t, a_log_opens_on_a_full_disk, 0, BEFORE_KINDS);
	tcase_add_test(t, a_mark_does_not_vouch_for_entries_behind_it);
	tcase_add_test(t, a_log_without_files_can_be_ended);
	tcase_add_test(t, a_kill_while_indexes_are_remade_leaves_none_half);
	tcase_add_loop_test(t, an_index_that_lies_is_made_anew, 0, ARRAY_LEN(lies));
	tcase_add_loop_test(t, a_mark_does_not_vouch_for_the_indexes_of_another, 0, ARRAY_LEN(anothers));
	tcase_add_test(t, a_log_without_records_is_new_after_a_kill);
	tcase_add_loop_test(t, segments_go_from_a_full_disk, 0, 2);
	tcase_add_test(t, a_log_with_few_records_opens_without_syncs_or_new_files);
	tcase_add_test(t, an_io_error_is_told);
	tcase_add_loop_test(t, the_same_appends_give_the_same_files, 0, ARRAY_LEN(recipes));
	tcase_add_loop_test(t, recovery_gives_what_kafka_gives, 0, ARRAY_LEN(recoveries));
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
