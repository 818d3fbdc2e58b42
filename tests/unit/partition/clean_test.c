/*
 * Compaction crossed by everything that may come to a partition: appends, truncation, a move to another log directory, a stop, a kill, a failing
 * device, a topic that is not compacted any more. Each seed is a
 * story of its own. Whatever came between: what was committed of the newest round of keys is there, every question is answered, and no pass is left behind.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_controller.h"
#include "os/sim.h"
#include "partition/partition_checkpoint.h"
#include "record/record.h"
#include "../storage/seed_range.h"

#define SEEDS 250
#define OPS   60
#define KEYS  8

static struct rig r;
static struct fake_controller controller;
static uint64_t state;
static int32_t epoch;
static int64_t newest[KEYS];		/* offset of the last record of the key that was appended and not cut */
static int64_t end;
static int passes, moves, cuts, restarts;

static uint64_t draw(uint64_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

static void append(void)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;
	struct ask a;
	char key[16];
	int k = (int)draw(KEYS);

	ask_append(&a, 1, 5000, 1);
	snprintf(key, sizeof(key), "key %d", k);
	batch_build_begin(&b, &spec, NULL, &out, sizeof(a.batch));
	batch_build_add(&b, os_time_ms(r.os), slice_str(key), slice_of("..................................................", 10 + draw(40)), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	memcpy(a.batch, batch.ptr, batch.len);
	a.append.append.batch_bytes = (uint32_t)batch.len;
	strbuf_fini(&out);
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.append.error, NONE);
	newest[k] = a.append.append.base_offset;
	end = a.append.append.base_offset + 1;
}

struct found {
	int64_t at[KEYS];
};

static void see(void *arg, struct slice batch)
{
	struct found *f = arg;
	struct record_iter it;
	struct record rec;

	record_iter_init(&it, batch, NULL, UINT64_MAX);
	while (record_iter_next(&it, &rec)) {
		ck_assert_uint_gt(rec.key.len, 4);
		f->at[rec.key.ptr[4] - '0'] = rec.offset;
	}
	ck_assert_int_eq(it.err, OK);
	record_iter_fini(&it);
}

static void check_log(void)
{
	struct found f;

	for (int k = 0; k < KEYS; k++)
		f.at[k] = -1;
	rig_read_all(&r, 0, see, &f);
	for (int k = 0; k < KEYS; k++)
		rig_expect_msg(f.at[k] == newest[k], "key %d: %lld, should be %lld", k, (long long)f.at[k], (long long)newest[k]);
}

static void role(int32_t leader)
{
	struct ask a;

	rig_ask(&r, ask_role(&a, leader, ++epoch, 1));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
}

/* As a follower whose leader has lost its last records; what is left of them is not the newest of its key any more, so every key is written again. */
static void cut(void)
{
	struct ask a;
	int tries = 0;
	int64_t to = end - (int64_t)draw((uint64_t)MIN(end, 60) + 1);

	role(1);
	do {
		memset(&a, 0, sizeof(a));
		msg_init(&a.msg, PARTITION_truncate, NULL);
		a.truncate.leader_epoch = epoch;
		a.truncate.how = TRUNCATE_TO;
		a.truncate.end_offset = to;
		rig_ask(&r, &a);
		rig_wait(&r, &a);
		if (a.truncate.error != NONE)
			rig_pass(&r, 10);
		ck_assert_int_lt(tries++, 200);
	} while (a.truncate.error == CORRUPT_MESSAGE);
	ck_assert_int_eq(a.truncate.error, NONE);
	ck_assert_int_eq(partition_log_end_offset(r.addr), to);
	ck_assert_int_le(r.addr->dirty_offset, to);
	end = to;
	role(RIG_BROKER);
	for (int k = 0; k < KEYS; k++)
		newest[k] = -2;
	for (int k = 0; k < KEYS * 20; k++)
		append();
	for (int k = 0; k < KEYS; k++)
		while (newest[k] == -2)
			append();
	cuts++;
}

/* What r.config says. */
static void tell_config(void)
{
	struct ask a;

	memset(&a, 0, sizeof(a));
	msg_init(&a.msg, PARTITION_config, NULL);
	a.config.config = r.config;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
}

static void restart(enum partition_stop_how how)
{
	passes += r.addr->dirty_offset > 0;
	rig_down(&r, how);
	ck_assert_uint_eq(r.cleaners.running, 0);
	if (how != STOP_CLEAN)
		sim_crash(r.sim, SIM_CRASH_PROCESS);
	ck_assert_int_eq(rig_up(&r), OK);
	role(RIG_BROKER);
	check_log();
	restarts++;
}

static void move(void)
{
	struct ask a;

	rig_ask(&r, ask_move(&a, r.dirs[draw(2)]));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.move.error, NONE);
	moves++;
}

/* Somewhere in a pass, or in something else. */
static void break_device(void)
{
	struct ask a;

	sim_fail(r.sim, SIM_ANY, NULL, 1 + draw(60), ERR_IO);
	for (int i = 0; i < 30; i++) {
		rig_ask(&r, ask_append(&a, 1, 5000, 3));
		rig_wait(&r, &a);
		rig_pass(&r, (mono_ms)draw(30));
	}
}

static void run_seed(uint64_t seed)
{
	state = seed * 2654435761u + 99;
	end = epoch = 0;
	rig_init(&r, seed);
	r.has_two_dirs = r.has_cleaners = true;
	r.config.cleanup_policy = CLEANUP_COMPACT;
	r.config.segment_bytes = 600 + (int32_t)draw(2000);
	r.config.min_cleanable_dirty_ratio = 0.01;
	r.config.file_delete_delay_ms = 50;
	r.cleaners.threads = 1;
	r.cleaners.backoff_ms = 20;
	r.cleaners.map_bytes = draw(3) == 0 ? 24 * 5 : 1 << 20;
	r.cleaners.load_permille = 900;
	r.cleaners.io_bytes = 2000;
	throttle_set_limit(&r.cleaners.throttle, draw(2) == 0 ? INT64_MAX : 20000);
	r.cleaners.running = 0;
	for (int k = 0; k < KEYS; k++)
		newest[k] = -1;
	fake_controller_start(&controller, &r);
	ck_assert_int_eq(rig_up(&r), OK);
	role(RIG_BROKER);
	for (int op = 0; op < OPS; op++) {
		switch (draw(16)) {
		case 0: case 1: case 2: case 3: case 4: case 5:
			for (int i = (int)draw(20); i >= 0; i--)
				append();
			break;
		case 6: case 7: rig_pass(&r, (mono_ms)draw(60)); break;
		case 8: rig_run(&r, (int)draw(60)); break;
		case 9: check_log(); break;
		case 10: move(); break;
		case 11:
			if (draw(3) == 0)
				cut();
			break;
		case 12:
			if (draw(3) == 0)
				restart(STOP_CLEAN);
			break;
		case 13:
			if (draw(3) == 0)
				restart(STOP_ABANDON);
			break;
		case 14:
			r.config.cleanup_policy = draw(3) == 0 ? CLEANUP_DELETE : CLEANUP_COMPACT;
			tell_config();
			break;
		case 15: role(RIG_BROKER); break;
		}
	}
	check_log();
	passes += r.addr->dirty_offset > 0;
	if (draw(3) == 0)
		break_device();
	rig_down(&r, STOP_CLEAN);
	ck_assert_uint_eq(r.cleaners.running, 0);
	fake_controller_stop(&controller);
	rig_fini(&r);
}

static void up_with_backoff(uint64_t seed, int64_t backoff_ms)
{
	state = seed;
	rig_init(&r, seed);
	r.has_cleaners = true;
	r.config.cleanup_policy = CLEANUP_COMPACT;
	r.config.segment_bytes = 800;
	r.config.min_cleanable_dirty_ratio = 0.01;
	r.cleaners = (struct partition_cleaners){ .throttle = r.cleaners.throttle, .threads = 1, .backoff_ms = backoff_ms, .map_bytes = 1 << 20, .load_permille = 900, .io_bytes = 2000 };
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	epoch = 1;
}

static void append_until_synced_beyond(int64_t offset)
{
	while (r.addr->recovery_point <= offset)
		append();
}

/* When there is nothing to clean, or not enough, nobody looks again and again. */
START_TEST(a_partition_without_news_sleeps)
{
	up_with_backoff(5, 100);
	rig_rests(&r);
	for (int i = 0; i < 60; i++)
		append();
	rig_pass(&r, 5000);
	ck_assert_int_gt(r.addr->dirty_offset, 0);
	int64_t cleaned = r.addr->dirty_offset;
	r.config.min_cleanable_dirty_ratio = 1;		/* there will always be something that is clean */
	tell_config();
	rig_rests(&r);
	append_until_synced_beyond(cleaned);
	rig_pass(&r, 5000);
	rig_rests(&r);
	ck_assert_int_eq(r.addr->dirty_offset, cleaned);
	r.config.min_cleanable_dirty_ratio = 0.01;	/* enough now, without a record more */
	tell_config();
	rig_pass(&r, 5000);
	ck_assert_int_gt(r.addr->dirty_offset, cleaned);
	rig_rests(&r);

	r.cleaners.backoff_ms = 600000;
	cleaned = r.addr->dirty_offset;
	append_until_synced_beyond(r.addr->recovery_point);
	rig_pass(&r, 5000);				/* the first look after so long is at once */
	ck_assert_int_gt(r.addr->dirty_offset, cleaned);
	cleaned = r.addr->dirty_offset;
	append_until_synced_beyond(r.addr->recovery_point);
	rig_pass(&r, 60000);
	ck_assert_int_eq(r.addr->dirty_offset, cleaned);
	r.cleaners.backoff_ms = 100;			/* nobody waits for the ten minutes any more */
	rig_pass(&r, 20000);
	ck_assert_int_gt(r.addr->dirty_offset, cleaned);
	rig_rests(&r);
	rig_down(&r, STOP_CLEAN);
	ck_assert_uint_eq(r.cleaners.running, 0);
	rig_fini(&r);
}
END_TEST

/* Who is woken to write it down finds it published; after a truncation, too. */
START_TEST(the_end_of_a_pass_is_to_be_written_at_once)
{
	up_with_backoff(6, 20000);
	append_until_synced_beyond(20);
	for (int i = 0; r.writer.wanted == 0; i++) {
		ck_assert_int_lt(i, 100000);
		rig_run(&r, 1);
	}
	ck_assert_uint_eq(r.writer.wanted, CHECKPOINT_CLEANER);
	ck_assert_int_gt(r.addr->dirty_offset, 20);
	r.writer.wanted = 0;
	rig_pass(&r, 5000);
	ck_assert_uint_eq(r.writer.wanted, 0);		/* nothing new */
	role(1);
	struct ask a;
	memset(&a, 0, sizeof(a));
	msg_init(&a.msg, PARTITION_truncate, NULL);
	a.truncate.leader_epoch = epoch;
	a.truncate.how = TRUNCATE_TO;
	a.truncate.end_offset = 3;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.truncate.error, NONE);
	ck_assert_int_eq(r.addr->dirty_offset, 3);
	ck_assert_uint_eq(r.writer.wanted, CHECKPOINT_CLEANER);
	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
}
END_TEST

/* The backoff lies between two looks, not between news and a look. */
START_TEST(the_first_look_after_a_quiet_time_is_at_once)
{
	up_with_backoff(7, 20000);
	rig_pass(&r, 60000);
	append_until_synced_beyond(20);
	rig_pass(&r, 100);
	ck_assert_int_gt(r.addr->dirty_offset, 0);
	rig_pass(&r, 5000);		/* behind a pass there is another look */
	int64_t cleaned = r.addr->dirty_offset;
	append_until_synced_beyond(r.addr->recovery_point);
	rig_pass(&r, 15000);
	ck_assert_int_eq(r.addr->dirty_offset, cleaned);
	rig_pass(&r, 6000);
	ck_assert_int_gt(r.addr->dirty_offset, cleaned);
	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
}
END_TEST

START_TEST(whatever_comes_between)
{
	struct seed_range range = seed_range_begin(SEEDS);

	for (seed_now = range.from; seed_now < range.from + range.count; seed_now++)
		run_seed(seed_now);
	seed_now = 0;
	printf("%llu seeds: %d cleaned, %d moves, %d cuts, %d restarts\n", (unsigned long long)range.count, passes, moves, cuts, restarts);
	ck_assert(!range.is_usual || (passes > SEEDS / 2 && moves > SEEDS && cuts > SEEDS / 4));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition cleaned");
	TCase *t = tcase_create("clean");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, a_partition_without_news_sleeps);
	tcase_add_test(t, the_end_of_a_pass_is_to_be_written_at_once);
	tcase_add_test(t, the_first_look_after_a_quiet_time_is_at_once);
	tcase_add_test(t, whatever_comes_between);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
