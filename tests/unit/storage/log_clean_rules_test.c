/*
 * Compaction rule by rule: Kafka's own compacted logs, what is dirty, a deleted key over every cut, full disks, damage.
 * log_clean_test.c has the random logs.
 */
#include "log_kit.h"
#include "os/sim.h"
#include "record/record.h"
#include "storage/log_clean.h"

/* --- Kafka's own ------------------------------------------------------------------------------ */

static void run_pass(struct kit *k, time_ms now, uint64_t slice_bytes)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 65536, .slice_bytes = slice_bytes };
	struct log_dirt d;
	bool has_more, leaves_files;

	ck_assert_int_eq(log_dirt(k->log, now, &d), OK);
	ck_assert_uint_gt(d.cleanable_bytes, 0);
	struct log_clean *c = log_clean_begin(k->log, &d, &limits, now);
	do {
		log_clean_run(c);
		ck_assert_int_eq(log_clean_step(k->log, c, &has_more), OK);
	} while (has_more);
	log_clean_end(k->log, &c, &leaves_files);
	ck_assert_int_eq(log_dirty_offset(k->log), d.first_uncleanable);
}

static void open_golden(struct kit *k, struct sim_os *machine, const char *name)
{
	kit_init(k, sim_os(machine), "/data", "t-0");
	kit_copy_golden(k, name);
	k->config.segment_bytes = 600;
	k->config.cleanup_policy = CLEANUP_COMPACT;
	k->spec.had_clean_shutdown = true;
	k->spec.cleaner_offset = -1;
	kit_open(k);
	kit_replicate(k);
}

static void all_batches(struct kit *k, struct strbuf *out)
{
	struct log_range range;

	for (int64_t next = log_start_offset(k->log); next < log_end_offset(k->log);) {
		ck_assert_int_eq(log_read(k->log, next, log_end_offset(k->log), 1 << 20, true, &range), OK);
		if (range.file == NULL)
			return;
		struct slice bytes = take_range(k, &range), rest = bytes, batch;
		strbuf_add_slice(out, bytes);
		while (batch_next(&rest, &batch) == OK)
			next = batch_last_offset(batch.ptr) + 1;
		free((void *)(uintptr_t)bytes.ptr);
	}
}

/* Ours may have the last batch of a segment as a header where Kafka has none. */
static void check_same(struct slice ours, struct slice kafkas, int64_t up_to)
{
	struct slice a = SLICE_NULL, b;
	int same = 0;

	while (batch_next(&kafkas, &b) == OK && batch_last_offset(b.ptr) <= up_to) {
		do
			ck_assert_int_eq(batch_next(&ours, &a), OK);
		while (batch_record_count(a.ptr) == 0 && batch_base_offset(a.ptr) < batch_base_offset(b.ptr));
		ck_assert_msg(slice_eq(a, b), "batch %lld: ours at %lld, %zu and %zu bytes", (long long)batch_base_offset(b.ptr), (long long)batch_base_offset(a.ptr), a.len, b.len);
		same++;
	}
	ck_assert_int_gt(same, 3);
}

static void check_golden(const char *from, const char *to, time_ms now, int64_t up_to)
{
	struct sim_os *machine = sim_create(NULL, "m", 1), *other = sim_create(NULL, "n", 1);
	struct strbuf ours = STRBUF_INIT, kafkas = STRBUF_INIT;
	struct kit a, b;

	open_golden(&a, machine, from);
	open_golden(&b, other, to);
	run_pass(&a, now, 100);
	all_batches(&a, &ours);
	all_batches(&b, &kafkas);
	check_same(strbuf_slice(&ours), strbuf_slice(&kafkas), up_to);
	strbuf_fini(&ours);
	strbuf_fini(&kafkas);
	log_close(&a.log);
	log_close(&b.log);
	sim_destroy(&machine);
	sim_destroy(&other);
}

/* What Kafka's cleaner has cleaned, a pass at the same time leaves byte by byte, in every codec. */
START_TEST(what_kafka_has_cleaned_stays_as_it_is)
{
	check_golden("compaction-first-pass/compacted-0", "compaction-first-pass/compacted-0", 1795369137716, 1000);
	check_golden("compaction-first-pass/compacted-appendtime-0", "compaction-first-pass/compacted-appendtime-0", 1795369137509, 1000);
	check_golden("compaction-first-pass/compacted-zstd-0", "compaction-first-pass/compacted-zstd-0", 1795369137509, 1000);
}
END_TEST

/* Markers whose data has gone get a horizon, segments are joined, and the bytes are those of Kafka's second pass. */
START_TEST(a_second_pass_is_kafkas_second_pass)
{
	check_golden("compaction-first-pass/compacted-txn-0", "compaction-second-pass/compacted-txn-0", 1795455716512 - 86400000, 38);
}
END_TEST

/* --- one by one ------------------------------------------------------------------------------- */

static void append_keyed(struct kit *k, const char *key, const char *value)
{
	struct strbuf out = STRBUF_INIT;
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct slice batch;

	batch_build_begin(&builder, &spec, NULL, &out, 1 << 20);
	batch_build_add(&builder, k->spec.now, slice_str(key), value != NULL ? slice_str(value) : SLICE_NULL, NULL, 0);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	ck_assert_int_eq(append_one(k->log, batch, false, k->spec.now).error, NONE);
	strbuf_fini(&out);
}

static void rolled(struct kit *k)
{
	ck_assert_int_eq(log_roll(k->log, k->spec.now), OK);
	ck_assert_int_eq(log_flush_now(k->log), OK);
	kit_replicate(k);
}

/* Of many closed segments each batch leaves its header only. Whoever reads records is not given a single answer without one; who copies the log gets every batch. */
START_TEST(a_reader_of_records_passes_over_what_is_empty)
{
	struct sim_os *machine = sim_create(NULL, "m", 1);
	struct log_range range;
	struct kit k;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	k.config.segment_bytes = 600;
	k.config.cleanup_policy = CLEANUP_COMPACT;
	k.spec.cleaner_offset = -1;
	kit_open(&k);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 6; i++)
			append_keyed(&k, "key", "a value of some length, so that a segment holds six of them");
		rolled(&k);
	}
	run_pass(&k, k.spec.now, 1 << 20);
	int64_t end = log_end_offset(k.log), copied = 0;
	int empty = 0, answers = 0;
	for (int64_t next = 0; next < end; answers++) {
		ck_assert_int_eq(log_read(k.log, next, end, 1 << 20, true, &range), OK);
		struct slice bytes = take_range(&k, &range), rest = bytes, batch;
		copied += (int64_t)bytes.len;
		while (batch_next(&rest, &batch) == OK) {
			empty += batch_record_count(batch.ptr) == 0;
			next = batch_last_offset(batch.ptr) + 1;
		}
		free((void *)(uintptr_t)bytes.ptr);
	}
	ck_assert_int_gt(empty, 20);
	ck_assert_int_gt(answers, 20);
	ck_assert_int_ge(copied, empty * BATCH_HEADER_SIZE);

	/* the one record that is left comes first, whoever asks from where; behind it there is nothing, and an end */
	for (int64_t from = 0; from < end - 1; from += 7) {
		ck_assert_int_eq(log_read_records(k.log, from, end, 1 << 20, true, &range), OK);
		struct slice bytes = take_range(&k, &range), rest = bytes, batch;
		ck_assert_int_eq(batch_next(&rest, &batch), OK);
		ck_assert_int_eq(batch_record_count(batch.ptr), 1);
		ck_assert_int_eq(batch_last_offset(batch.ptr), end - 1);
		free((void *)(uintptr_t)bytes.ptr);
	}
	/* what lies behind the bound is not reached over them; the last that is empty moves the reader on */
	ck_assert_int_eq(log_read_records(k.log, 0, end - 1, 1 << 20, true, &range), OK);
	struct slice bytes = take_range(&k, &range), rest = bytes, batch;
	ck_assert_int_eq(batch_next(&rest, &batch), OK);
	ck_assert_int_eq(batch_record_count(batch.ptr), 0);
	ck_assert_int_gt(batch_last_offset(batch.ptr), end - 20);
	ck_assert_int_lt(batch_last_offset(batch.ptr), end - 1);
	free((void *)(uintptr_t)bytes.ptr);
	log_close(&k.log);
	sim_destroy(&machine);
}
END_TEST

/* Three segments of which nothing stays: a value, its tombstone whose horizon is over, in front of a last one; a kill and a power cut at every operation of the pass that joins them. */
static void cut_a_pass_at(uint64_t op, enum sim_crash kind, bool *was_cut)
{
	struct sim_os *machine = sim_create(NULL, "m", op * 2 + (kind == SIM_CRASH_POWER));
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 100 };
	struct strbuf all = STRBUF_INIT;
	struct log_dirt d;
	struct slice rest, batch;
	struct record_iter it;
	struct record r;
	struct kit k;
	bool has_more = true, leaves_files, is_there = false;
	time_ms now = 1700000000000;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	ck_assert_int_eq(os_fsync_dir(k.os, "/"), OK);
	k.config.cleanup_policy = CLEANUP_COMPACT;
	k.config.segment_bytes = 1000;
	k.config.delete_retention_ms = 1000;
	k.spec.cleaner_offset = -1;
	k.spec.recovery_point = 0;
	kit_open(&k);
	append_keyed(&k, "other", "first");
	append_keyed(&k, "deleted", "value");
	rolled(&k);
	append_keyed(&k, "other", "second");
	rolled(&k);
	append_keyed(&k, "deleted", NULL);
	rolled(&k);
	run_pass(&k, now, 100000);		/* sets the horizon */
	log_set_dirty_offset(k.log, -1);
	append_keyed(&k, "other", "third");
	rolled(&k);
	now += 2000;
	ck_assert_int_eq(log_dirt(k.log, now, &d), OK);
	k.spec.recovery_point = log_recovery_point(k.log);
	k.spec.high_watermark = log_high_watermark(k.log);
	sim_crash_after_ops(machine, op);
	struct log_clean *c = log_clean_begin(k.log, &d, &limits, now);
	while (has_more && !sim_is_dead(machine)) {
		log_clean_run(c);
		(void)!log_clean_step(k.log, c, &has_more);
	}
	*was_cut = sim_is_dead(machine);
	log_clean_end(*was_cut ? NULL : k.log, &c, &leaves_files);
	log_close(&k.log);
	sim_crash_after_ops(machine, 0);
	sim_crash(machine, kind);
	k.spec.had_clean_shutdown = false;
	kit_open(&k);
	ck_assert_int_eq(log_end_offset(k.log), 5);
	all_batches(&k, &all);
	for (rest = strbuf_slice(&all); batch_next(&rest, &batch) == OK;) {
		record_iter_init(&it, batch, NULL, UINT64_MAX);
		while (record_iter_next(&it, &r)) {
			if (slice_eq_str(r.key, "deleted"))
				is_there = !slice_is_null(r.value);
		}
		record_iter_fini(&it);
	}
	ck_assert_msg(!is_there, "operation %llu: the deleted key is back", (unsigned long long)op);
	strbuf_fini(&all);
	log_close(&k.log);
	sim_destroy(&machine);
}

START_TEST(a_deleted_key_does_not_come_back)
{
	bool was_cut = true;

	for (uint64_t op = 1; was_cut; op++) {
		cut_a_pass_at(op, SIM_CRASH_PROCESS, &was_cut);
		cut_a_pass_at(op, SIM_CRASH_POWER, &was_cut);
		ck_assert_uint_lt(op, 500);
	}
}
END_TEST

/* --- what is dirty ---------------------------------------------------------------------------- */

static struct sim_os *plain_machine;
static struct kit plain;

static struct log_dirt dirt_at(time_ms now)
{
	struct log_dirt d;

	ck_assert_int_eq(log_dirt(plain.log, now, &d), OK);
	return d;
}

static void plain_setup(void)
{
	plain_machine = sim_create(NULL, "m", 7);
	kit_init(&plain, sim_os(plain_machine), "/data", "t-0");
	plain.config.cleanup_policy = CLEANUP_COMPACT;
	plain.spec.cleaner_offset = -1;
	kit_open(&plain);
}

static void plain_teardown(void)
{
	log_close(&plain.log);
	sim_destroy(&plain_machine);
}

/* A segment of one record, written at that time. */
static void plain_segment(time_ms at)
{
	plain.spec.now = at;
	append_keyed(&plain, "key", "value");
	rolled(&plain);
}

START_TEST(only_what_is_closed_stable_and_synced_is_cleaned)
{
	struct marker m = { MARKER_COMMIT, 5, 0, 0, 1000 };
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;

	append_keyed(&plain, "key", "value");
	ck_assert_uint_eq(dirt_at(1000).cleanable_bytes, 0);			/* in the active segment */
	ck_assert_int_eq(log_roll(plain.log, 1000), OK);
	kit_replicate(&plain);
	ck_assert_uint_eq(dirt_at(1000).cleanable_bytes, 0);			/* not synced */
	ck_assert_int_eq(log_flush_now(plain.log), OK);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);
	spec.producer_id = 5;
	spec.producer_epoch = 0;
	spec.base_sequence = 0;
	spec.is_transactional = true;
	ck_assert_int_eq(append_one(plain.log, make_batch(&spec, 1, 1000, "x"), false, 1000).error, NONE);
	rolled(&plain);
	append_keyed(&plain, "key", "value");
	rolled(&plain);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);			/* an open transaction */
	ck_assert_int_eq(append_one(plain.log, marker_build(&m, &out), true, 1000).error, NONE);
	strbuf_fini(&out);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);			/* its marker is not replicated */
	kit_replicate(&plain);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 3);
	ck_assert(log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 51, .clean_bytes = 49 }));
	ck_assert(!log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 50, .clean_bytes = 50 }));
	ck_assert(log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 1, .clean_bytes = 99, .is_overdue = true }));
	ck_assert(!log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 0, .clean_bytes = 99, .is_overdue = true }));
}
END_TEST

START_TEST(lags_hold_back_and_hurry)
{
	plain_segment(1000);
	plain_segment(2000);
	plain_segment(3000);
	plain.config.min_compaction_lag_ms = 500;
	log_set_config(plain.log, &plain.config);
	ck_assert_int_eq(dirt_at(2400).first_uncleanable, 1);
	ck_assert_int_eq(dirt_at(2600).first_uncleanable, 2);
	ck_assert_int_eq(dirt_at(9000).first_uncleanable, 3);
	ck_assert_uint_eq(dirt_at(1400).cleanable_bytes, 0);
	ck_assert(!dirt_at(9000).is_overdue);
	plain.config.min_compaction_lag_ms = 0;
	plain.config.max_compaction_lag_ms = 4000;
	log_set_config(plain.log, &plain.config);
	ck_assert(!dirt_at(5000).is_overdue);
	ck_assert(dirt_at(5001).is_overdue);
	log_set_dirty_offset(plain.log, 1);
	ck_assert(!dirt_at(5001).is_overdue);
	ck_assert(dirt_at(6001).is_overdue);
}
END_TEST

START_TEST(a_dirty_offset_that_cannot_be_true_begins_at_the_start)
{
	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	log_set_dirty_offset(plain.log, 2);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 2);
	ck_assert(!dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 5);		/* beyond the end */
	ck_assert_int_eq(dirt_at(1000).first_dirty, 0);
	ck_assert(dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 1);
	ck_assert_int_eq(log_raise_start_offset(plain.log, 3), OK);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 3);
	ck_assert(dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 4);
	ck_assert_int_eq(log_truncate_to(plain.log, 3), OK);
	ck_assert_int_eq(log_dirty_offset(plain.log), 3);
	/* and after a restart that finds less than the checkpoint speaks of */
	plain.spec.cleaner_offset = 4;
	kit_reopen_clean(&plain);
	ck_assert_int_eq(log_dirty_offset(plain.log), 3);
	plain_segment(1000);
	plain_segment(1000);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 3);
}
END_TEST

/* A full disk at each write of a pass: nothing has changed, or the group comes to its end when there is room again. */
START_TEST(a_full_disk_ends_a_pass_or_holds_it_up)
{
	for (uint64_t nth = 1; nth < 60; nth++) {
		struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
		bool has_more = true, leaves_files, has_failed = false;
		enum err e = OK;

		plain_teardown();
		plain_setup();
		for (int i = 0; i < 4; i++)
			plain_segment(1000);
		struct log_dirt d = dirt_at(1000);
		sim_fail(plain_machine, nth % 2 == 0 ? SIM_NAME : SIM_WRITE, NULL, (nth + 1) / 2, ERR_NO_SPACE);
		struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
		while (has_more) {
			log_clean_run(c);
			e = log_clean_step(plain.log, c, &has_more);
			if (e == OK)
				continue;
			ck_assert_int_eq(e, ERR_NO_SPACE);
			has_failed = true;
			has_more = log_is_settling(plain.log);
		}
		log_clean_end(plain.log, &c, &leaves_files);
		sim_fail(plain_machine, SIM_ANY, NULL, 0, OK);
		ck_assert(!log_is_settling(plain.log));
		ck_assert_int_eq(log_dirty_offset(plain.log), e == OK ? 4 : -1);
		ck_assert(e == OK || has_failed);
		if (e != OK)
			run_pass(&plain, 1000, 100);
		ck_assert_int_eq(log_segment_count(plain.log), 2);
		kit_reopen_clean(&plain);
		ck_assert_int_eq(log_end_offset(plain.log), 4);
		ck_assert_int_eq(log_segment_count(plain.log), 2);
	}
}
END_TEST

/* What cannot be read is told, and nothing is changed. */
START_TEST(damage_ends_a_pass_and_is_never_sealed_anew)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
	bool has_more = true, leaves_files;
	char path[600];
	enum err e = OK;
	os_fd fd;

	for (int i = 0; i < 3; i++)
		plain_segment(1000);
	struct log_dirt d = dirt_at(1000);
	snprintf(path, sizeof(path), "%s/00000000000000000001.log", plain.dir);
	ck_assert_int_eq(os_open(plain.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(plain.os, fd, "!", 1, BATCH_HEADER_SIZE + 9), OK);
	os_close(plain.os, &fd);
	struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
	while (has_more && e == OK) {
		log_clean_run(c);
		e = log_clean_step(plain.log, c, &has_more);
	}
	ck_assert_int_eq(e, ERR_CORRUPT);
	log_clean_end(plain.log, &c, &leaves_files);
	ck_assert_int_eq(log_segment_count(plain.log), 4);
	ck_assert_int_eq(log_dirty_offset(plain.log), -1);
}
END_TEST

/* While a group settles the log is not cut below its end; a cut of anything ends a pass before that. */
START_TEST(a_truncation_waits_for_what_settles)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
	bool has_more = true, leaves_files, was_settling = false;

	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	struct log_dirt d = dirt_at(1000);
	struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
	while (has_more) {
		log_clean_run(c);
		ck_assert_int_eq(log_clean_step(plain.log, c, &has_more), OK);
		if (!log_is_settling(plain.log))
			continue;
		was_settling = true;
		ck_assert_int_eq(log_truncate_to(plain.log, 2), ERR_AGAIN);
		ck_assert_int_eq(log_truncate_fully_and_start_at(plain.log, 9), ERR_AGAIN);
		ck_assert_int_eq(log_raise_start_offset(plain.log, 4), OK);
		ck_assert_int_eq(log_remove_segments_below_start(plain.log, NULL), OK);
	}
	ck_assert(was_settling);
	log_clean_end(plain.log, &c, &leaves_files);
	ck_assert(leaves_files);
	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	d = dirt_at(1000);
	c = log_clean_begin(plain.log, &d, &limits, 1000);
	log_clean_run(c);
	ck_assert_int_eq(log_truncate_to(plain.log, 6), OK);
	ck_assert_int_eq(log_clean_step(plain.log, c, &has_more), ERR_AGAIN);
	log_clean_end(plain.log, &c, &leaves_files);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log_clean_rules");
	TCase *t = tcase_create("kafka");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, what_kafka_has_cleaned_stays_as_it_is);
	tcase_add_test(t, a_second_pass_is_kafkas_second_pass);
	tcase_add_test(t, a_deleted_key_does_not_come_back);
	suite_add_tcase(s, t);
	TCase *rules = tcase_create("rules");
	tcase_add_checked_fixture(rules, plain_setup, plain_teardown);
	tcase_add_test(rules, only_what_is_closed_stable_and_synced_is_cleaned);
	tcase_add_test(rules, a_reader_of_records_passes_over_what_is_empty);
	tcase_add_test(rules, lags_hold_back_and_hurry);
	tcase_add_test(rules, a_dirty_offset_that_cannot_be_true_begins_at_the_start);
	tcase_add_test(rules, a_full_disk_ends_a_pass_or_holds_it_up);
	tcase_add_test(rules, damage_ends_a_pass_and_is_never_sealed_anew);
	tcase_add_test(rules, a_truncation_waits_for_what_settles);
	suite_add_tcase(s, rules);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
