/*
 * A follower: what a fetcher brings it, and what it cuts off.
 */
#include <check.h>
#include <stdlib.h>

#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r, 1);
	ck_assert_int_eq(rig_up(&r), OK);
}

static void teardown(void)
{
	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
}

static struct partition_role follow(int32_t epoch)
{
	struct ask a;

	rig_ask(&r, ask_role(&a, 1, epoch, 2));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(a.role.is_changed);
	return a.role;
}

/* A batch of n records as a leader of that epoch wrote it at that offset. */
static struct ask *ask_replicate(struct ask *a, int32_t role_epoch, int64_t fetch_offset, int32_t epoch, int64_t base_offset, int n, int64_t leader_high_watermark)
{
	uint8_t batch[512];
	uint32_t len = 0;

	if (n > 0) {
		ask_append(a, 1, 0, n);
		len = a->append.append.batch_bytes;
		batch_set_base_offset(a->batch, base_offset);
		batch_set_leader_epoch(a->batch, epoch);
		memcpy(batch, a->batch, len);
	}
	memset(a, 0, sizeof(*a));
	memcpy(a->batch, batch, len);
	msg_init(&a->msg, PARTITION_replicate, NULL);
	a->replicate.leader_epoch = role_epoch;
	a->replicate.fetch_offset = fetch_offset;
	a->replicate.batches = slice_of(a->batch, len);
	a->replicate.leader_high_watermark = leader_high_watermark;
	return a;
}

static enum kafka_error send(struct ask *a)
{
	rig_ask(&r, a);
	rig_wait(&r, a);
	return a->replicate.error;
}

/* Appends at the end, in the epoch of the role. */
static void bring(int32_t epoch, int n, int64_t leader_high_watermark)
{
	struct ask a;
	int64_t end = partition_log_end_offset(r.addr);

	ck_assert_int_eq(send(ask_replicate(&a, epoch, end, epoch, end, n, leader_high_watermark)), NONE);
	ck_assert_int_eq(a.replicate.log_end_offset, end + n);
	ck_assert_int_eq(a.replicate.last_epoch, epoch);
	rig_settle(&r);
}

static struct ask *ask_truncate(struct ask *a, int32_t role_epoch, enum partition_truncate_how how, int32_t epoch, int64_t end_offset)
{
	memset(a, 0, sizeof(*a));
	msg_init(&a->msg, PARTITION_truncate, NULL);
	a->truncate.leader_epoch = role_epoch;
	a->truncate.how = how;
	a->truncate.epoch = epoch;
	a->truncate.end_offset = end_offset;
	return a;
}

static struct partition_truncate truncate_now(int32_t role_epoch, enum partition_truncate_how how, int32_t epoch, int64_t end_offset)
{
	struct ask a;

	rig_ask(&r, ask_truncate(&a, role_epoch, how, epoch, end_offset));
	rig_wait(&r, &a);
	rig_settle(&r);
	return a.truncate;
}

/* --- appending ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(what_is_fetched_is_appended_and_watermarks_follow)
{
	struct partition_role role = follow(3);
	struct ask a, read, watch;

	ck_assert_int_eq(role.log_end_offset, 0);
	ck_assert_int_eq(role.last_epoch, -1);
	rig_ask(&r, ask_watch(&watch, &r));
	bring(3, 4, 0);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ck_assert_int_eq(watch.order, 0);
	bring(3, 4, 6);
	ck_assert_int_eq(partition_high_watermark(r.addr), 6);
	ck_assert_int_ne(watch.order, 0);			/* a consumer reads here too */
	/* an empty answer brings watermarks; ours never passes our end, and goes down with a new leader's */
	ck_assert_int_eq(send(ask_replicate(&a, 3, 8, 0, 0, 0, 100)), NONE);
	ck_assert_int_eq(a.replicate.last_epoch, 3);
	rig_settle(&r);
	ck_assert_int_eq(partition_high_watermark(r.addr), 8);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 8, 0, 0, 0, 5)), NONE);
	rig_settle(&r);
	ck_assert_int_eq(partition_high_watermark(r.addr), 5);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 8, 0, 0, 0, -1)), NONE);
	rig_settle(&r);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 8, 0, 0, 0, 8)), NONE);
	ask_read(&read, 0, 4096);
	read.read.any_replica = true;
	rig_ask(&r, &read);
	rig_wait(&r, &read);
	ck_assert_int_eq(read.read.error, NONE);
	ck_assert_uint_gt(read.read.range.len, 0);
	log_file_unref(&read.read.range.file);
}
END_TEST

/* I9: what was fetched under another role is never appended. */
START_TEST(what_does_not_fit_the_role_is_refused)
{
	struct ask a;

	ck_assert_int_eq(send(ask_replicate(&a, 0, 0, 0, 0, 1, 1)), FENCED_LEADER_EPOCH);	/* no role yet */
	follow(3);
	bring(3, 2, 0);
	ck_assert_int_eq(send(ask_replicate(&a, 2, 2, 2, 2, 1, 3)), FENCED_LEADER_EPOCH);
	ck_assert_int_eq(send(ask_replicate(&a, 4, 2, 4, 2, 1, 3)), FENCED_LEADER_EPOCH);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 1, 3, 1, 1, 3)), OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 3, 3, 3, 1, 3)), OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 2);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	follow(4);		/* the same leader again: fetching starts anew all the same (KAFKA-7164) */
	ck_assert_int_eq(send(ask_replicate(&a, 3, 2, 3, 2, 1, 3)), FENCED_LEADER_EPOCH);
	rig_lead(&r, 5);
	ck_assert_int_eq(send(ask_replicate(&a, 5, 2, 5, 2, 1, 3)), FENCED_LEADER_EPOCH);
	ck_assert_int_eq(truncate_now(5, TRUNCATE_TO, 0, 0).error, FENCED_LEADER_EPOCH);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 2);
}
END_TEST

START_TEST(damaged_batches_leave_no_trace)
{
	struct ask a;

	follow(3);
	bring(3, 2, 0);
	ask_replicate(&a, 3, 2, 3, 2, 2, 4);
	a.batch[BATCH_HEADER_SIZE + 3] ^= 1;
	ck_assert_int_eq(send(&a), CORRUPT_MESSAGE);
	ck_assert_int_eq(a.replicate.log_end_offset, 2);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 2, 3, 1, 2, 4)), CORRUPT_MESSAGE);	/* begins below the end */
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ask_replicate(&a, 3, 2, 3, 2, 2, 4);
	a.replicate.batches.len -= 5;			/* cut by the leader's byte limit */
	ck_assert_int_eq(send(&a), NONE);
	ck_assert_int_eq(a.replicate.log_end_offset, 2);
	bring(3, 2, 4);
}
END_TEST

START_TEST(the_log_start_follows_the_leaders)
{
	struct ask a;

	follow(3);
	bring(3, 4, 4);
	ask_replicate(&a, 3, 4, 0, 0, 0, 4);
	a.replicate.leader_log_start_offset = 3;
	ck_assert_int_eq(send(&a), NONE);
	ck_assert_int_eq(a.replicate.log_start_offset, 3);
	ask_replicate(&a, 3, 4, 0, 0, 0, 4);
	a.replicate.leader_log_start_offset = 1;
	ck_assert_int_eq(send(&a), NONE);
	ck_assert_int_eq(a.replicate.log_start_offset, 3);
	ask_replicate(&a, 3, 4, 0, 0, 0, 4);
	a.replicate.leader_log_start_offset = 9;	/* nonsense, or far ahead of us */
	ck_assert_int_eq(send(&a), OFFSET_OUT_OF_RANGE);
	rig_settle(&r);
	ck_assert_int_eq(partition_log_start_offset(r.addr), 3);
}
END_TEST

/* The leader's log may start inside a batch; an empty log that begins there takes the batch whole. */
START_TEST(a_first_batch_may_begin_below_an_empty_logs_end)
{
	struct ask a;

	follow(3);
	ck_assert_int_eq(truncate_now(3, TRUNCATE_RESTART, 0, 12).log_end_offset, 12);
	ask_replicate(&a, 3, 12, 3, 10, 5, 15);
	a.replicate.leader_log_start_offset = 12;
	ck_assert_int_eq(send(&a), NONE);
	ck_assert_int_eq(a.replicate.log_end_offset, 15);
	ck_assert_int_eq(a.replicate.log_start_offset, 12);
	rig_settle(&r);
	ck_assert_int_eq(partition_high_watermark(r.addr), 15);
}
END_TEST

START_TEST(a_full_disk_pauses_the_fetcher)
{
	struct ask a;
	enum kafka_error e = NONE;

	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
	rig_init(&r, 1);
	sim_set_capacity(r.sim, RIG_DIR, 60000);
	r.config.segment_bytes = 4000;
	r.config.segment_index_bytes = 400;
	ck_assert_int_eq(rig_up(&r), OK);
	follow(3);
	for (int i = 0; i < 2000 && e == NONE; i++) {
		int64_t end = partition_log_end_offset(r.addr);

		e = send(ask_replicate(&a, 3, end, 3, end, 4, 0));
		rig_pass(&r, 2);
	}
	ck_assert_int_eq(e, CORRUPT_MESSAGE);
	ck_assert_int_eq(a.replicate.log_end_offset, partition_log_end_offset(r.addr));
	ck_assert(!logdir_is_offline(r.dir));
	sim_set_capacity(r.sim, RIG_DIR, 10000000);
	bring(3, 4, 0);
}
END_TEST

START_TEST(a_broken_disk_is_given_up)
{
	struct ask a;

	follow(3);
	bring(3, 1, 0);
	sim_fail(r.sim, SIM_WRITE, NULL, 1, ERR_IO);
	ck_assert_int_eq(send(ask_replicate(&a, 3, 1, 3, 1, 1, 0)), KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	ck_assert_int_eq(send(ask_replicate(&a, 3, 1, 3, 1, 1, 0)), KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(truncate_now(3, TRUNCATE_TO, 0, 0).error, KAFKA_STORAGE_ERROR);
}
END_TEST

/* --- cutting -------------------------------------------------------------------------------------------------------------------------- */

/* Our history: epoch 2 from 0, 4 from 10, 7 from 20, end 25; high watermark 5. */
static void with_history(void)
{
	struct ask a;

	follow(8);
	for (int i = 0; i < 5; i++) {
		static const int32_t epochs[] = { 2, 2, 4, 4, 7 };

		ck_assert_int_eq(send(ask_replicate(&a, 8, 5 * i, epochs[i], 5 * i, 5, 5)), NONE);
	}
	rig_settle(&r);
	ck_assert_int_eq(partition_high_watermark(r.addr), 5);
}

static const struct {
	const char *why;
	int32_t epoch;
	int64_t end_offset;		/* what the leader says */
	int64_t left;			/* our end afterwards; 5 batches of 5, so multiples of it */
	bool    is_complete;
	int32_t last_epoch;
} partings[] = {
	{ "the leader has our last epoch, longer",            7, 40, 25, true, 7 },
	{ "KIP-101: it has our last epoch, shorter",          7, 20, 20, true, 4 },
	{ "it never had our last epoch",                      4, 15, 15, true, 4 },
	{ "its epoch 4 was longer than ours",                 4, 30, 20, true, 4 },
	{ "KIP-279: it names an epoch we never had",          5, 23, 20, false, 4 },
	{ "KIP-279: and one that ended beyond our end",       6, 90, 20, false, 4 },
	{ "one between our first two",                        3, 12, 10, false, 2 },
	{ "below all of ours: its end counts, or our start",  1, 30,  0, true, -1 },
	{ "above all of ours",                                9, 15, 15, true, 4 },
	{ "above all of ours, beyond our end",                9, 70, 25, true, 7 },
	{ "it knows no epochs (an old one)",                 -1, 15, 15, true, 4 },
	{ "it cannot tell: back to the high watermark",      -1, -1,  5, true, 2 },
	{ "it cannot tell, with an epoch",                    4, -1,  5, true, 2 },
};

START_TEST(where_histories_part)
{
	struct partition_truncate t;

	with_history();
	t = truncate_now(8, TRUNCATE_DIVERGING, partings[_i].epoch, partings[_i].end_offset);
	ck_assert_int_eq(t.error, NONE);
	ck_assert_msg(t.log_end_offset == partings[_i].left && t.is_complete == partings[_i].is_complete && t.last_epoch == partings[_i].last_epoch,
	              "%s: end %lld, complete %d, last epoch %d", partings[_i].why, (long long)t.log_end_offset, t.is_complete, t.last_epoch);
	ck_assert_int_eq(partition_log_end_offset(r.addr), t.log_end_offset);
	ck_assert_int_eq(partition_high_watermark(r.addr), MIN(5, t.log_end_offset));	/* KAFKA-14704: never up */
	bring(8, 5, 0);
}
END_TEST

/* KAFKA-10706: a former leader of an epoch in which it never appended. */
START_TEST(an_epoch_without_records_is_forgotten)
{
	struct partition_role role;
	struct partition_truncate t;

	follow(1);
	bring(1, 5, 5);
	rig_lead(&r, 2);
	role = follow(3);
	ck_assert_int_eq(role.last_epoch, 2);
	ck_assert_int_eq(role.log_end_offset, 5);
	t = truncate_now(3, TRUNCATE_DIVERGING, 1, 9);		/* the leader never had 2, and its 1 is longer */
	ck_assert_int_eq(t.log_end_offset, 5);
	ck_assert_int_eq(t.last_epoch, 1);
	ck_assert(t.is_complete);
}
END_TEST

START_TEST(an_unclean_election_cuts_what_was_committed)
{
	uint64_t warned = log_event_count(EV_truncated_below_high_watermark);
	struct partition_truncate t;
	struct ask a;

	follow(1);
	bring(1, 5, 5);
	bring(1, 5, 10);
	follow(2);
	t = truncate_now(2, TRUNCATE_TO, 0, 5);
	ck_assert_int_eq(t.log_end_offset, 5);
	ck_assert_int_eq(partition_high_watermark(r.addr), 5);
	ck_assert_uint_eq(log_event_count(EV_truncated_below_high_watermark), warned + 1);
	ck_assert_int_eq(truncate_now(2, TRUNCATE_TO, 0, 50).log_end_offset, 5);
	ck_assert_int_eq(truncate_now(2, TRUNCATE_TO, 0, -1).error, OFFSET_OUT_OF_RANGE);
	t = truncate_now(2, TRUNCATE_RESTART, 0, 100);
	ck_assert_int_eq(t.log_end_offset, 100);
	ck_assert_int_eq(t.last_epoch, -1);
	ck_assert_int_eq(partition_log_start_offset(r.addr), 100);
	ck_assert_int_eq(partition_high_watermark(r.addr), 100);
	ck_assert_int_eq(send(ask_replicate(&a, 2, 100, 2, 100, 3, 100)), NONE);
}
END_TEST

START_TEST(a_truncation_that_fails_takes_the_directory_offline)
{
	with_history();
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	ck_assert_int_eq(truncate_now(8, TRUNCATE_TO, 0, 10).error, KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* A full disk has no room for the note that a cut below the checkpoint leaves: nothing is cut, and it is asked again. */
START_TEST(a_cut_may_wait_for_room)
{
	rig_down(&r, STOP_CLEAN);
	r.config.segment_bytes = 600;
	ck_assert_int_eq(rig_up(&r), OK);
	with_history();
	ck_assert_int_gt(__atomic_load_n(&r.addr->recovery_point, __ATOMIC_RELAXED), 5);
	sim_fail(r.sim, SIM_NAME, RIG_DIR, 1, ERR_NO_SPACE);
	ck_assert_int_eq(truncate_now(8, TRUNCATE_DIVERGING, 2, 5).error, CORRUPT_MESSAGE);
	ck_assert(!logdir_is_offline(r.dir));
	ck_assert_int_eq(partition_log_end_offset(r.addr), 25);
	ck_assert_int_eq(truncate_now(8, TRUNCATE_DIVERGING, 2, 5).log_end_offset, 5);
	bring(8, 5, 10);
}
END_TEST

/* What was cut is not there after a restart, and what was brought since is. */
START_TEST(a_cut_survives_a_restart)
{
	struct partition_role role;

	with_history();
	ck_assert_int_eq(truncate_now(8, TRUNCATE_DIVERGING, 4, 15).log_end_offset, 15);
	bring(8, 5, 20);
	bring(8, 5, 20);
	rig_down(&r, STOP_CLEAN);
	ck_assert_int_eq(rig_up(&r), OK);
	role = follow(9);
	ck_assert_int_eq(role.log_end_offset, 25);
	ck_assert_int_eq(role.high_watermark, 20);
	ck_assert_int_eq(role.last_epoch, 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition as follower");
	TCase *t = tcase_create("follower");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_is_fetched_is_appended_and_watermarks_follow);
	tcase_add_test(t, what_does_not_fit_the_role_is_refused);
	tcase_add_test(t, damaged_batches_leave_no_trace);
	tcase_add_test(t, the_log_start_follows_the_leaders);
	tcase_add_test(t, a_first_batch_may_begin_below_an_empty_logs_end);
	tcase_add_test(t, a_full_disk_pauses_the_fetcher);
	tcase_add_test(t, a_broken_disk_is_given_up);
	tcase_add_loop_test(t, where_histories_part, 0, (int)ARRAY_LEN(partings));
	tcase_add_test(t, an_epoch_without_records_is_forgotten);
	tcase_add_test(t, an_unclean_election_cuts_what_was_committed);
	tcase_add_test(t, a_truncation_that_fails_takes_the_directory_offline);
	tcase_add_test(t, a_cut_may_wait_for_room);
	tcase_add_test(t, a_cut_survives_a_restart);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
