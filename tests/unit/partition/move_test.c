/*
 * A replica moves from one log directory to another: what is promised, what may come between, and what ends it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_controller.h"
#include "os/sim.h"

static struct rig r;
static struct fake_controller controller;

static uint64_t capacity;	/* of the second; 0: plenty */

static void setup(void)
{
	rig_init(&r, 1);
	r.has_two_dirs = true;
	if (capacity != 0)
		sim_set_capacity(r.sim, RIG_DIR_2, capacity);
	fake_controller_start(&controller, &r);
	ck_assert_int_eq(rig_up(&r), OK);
}

static void teardown(void)
{
	rig_down(&r, STOP_CLEAN);
	fake_controller_stop(&controller);
	rig_fini(&r);
}

static struct logdir *first(void)  { return r.dirs[0]; }
static struct logdir *second(void) { return r.dirs[1]; }

static enum kafka_error move_to(struct logdir *dir)
{
	struct ask a;

	rig_ask(&r, ask_move(&a, dir));
	rig_wait(&r, &a);
	return a.move.error;
}

/* So many batches of 3 records; the sequences of one producer go on. */
static int sequence;

static void append(int batches)
{
	struct ask a;

	for (int i = 0; i < batches; i++, sequence += 3) {
		rig_ask(&r, ask_append_as(&a, -1, 5000, 3, 7, sequence));
		rig_wait(&r, &a);
		ck_assert_int_eq(a.append.error, NONE);
	}
}

static void begin(int batches)
{
	sequence = 0;
	rig_lead(&r, 1);
	append(batches);
}

/* Names in a directory that end or begin so, besides checkpoints and the like. */
struct names {
	const char *part;
	int         count;
};

static void count_name(void *arg, const char *name, bool is_dir)
{
	struct names *n = arg;

	n->count += is_dir && strstr(name, n->part) != NULL;
}

static int names_with(const struct logdir *dir, const char *part)
{
	struct names n = { .part = part };

	ck_assert_int_eq(os_list_dir(r.os, logdir_path(dir), count_name, &n), OK);
	return n.count;
}

static bool is_there(const struct logdir *dir)
{
	char path[64];
	struct os_stat st;

	snprintf(path, sizeof(path), "%s/t-0", logdir_path(dir));
	return os_stat(r.os, path, &st) == OK;
}

static void check_moved(struct logdir *from, struct logdir *to)
{
	ck_assert_ptr_eq(partition_dir(r.addr), to);
	ck_assert_ptr_null(r.addr->copy_dir);
	ck_assert(is_there(to));
	ck_assert(!is_there(from));
	ck_assert_int_eq(names_with(to, "-future"), 0);
	ck_assert_ptr_eq(controller.last_moved_to, to);
}

static void check_stays(struct logdir *dir, struct logdir *other)
{
	ck_assert_ptr_eq(partition_dir(r.addr), dir);
	ck_assert(is_there(dir));
	ck_assert(!is_there(other));
	ck_assert_int_eq(controller.moved, 0);
}

static void come_again(enum partition_stop_how how)
{
	rig_down(&r, how);
	if (how == STOP_ABANDON)
		sim_crash(r.sim, SIM_CRASH_PROCESS);
	ck_assert_int_eq(rig_up(&r), OK);
}

/* --- the usual ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(all_that_there_is_moves)
{
	r.config.segment_bytes = 600;
	come_again(STOP_CLEAN);
	begin(40);
	int64_t size = r.addr->size_bytes;

	ck_assert_int_eq(move_to(second()), NONE);
	ck_assert_ptr_eq(r.addr->copy_dir, second());	/* told as soon as it is answered */
	rig_settle(&r);
	check_moved(first(), second());
	ck_assert_int_eq(names_with(first(), "-delete"), 1);
	ck_assert_int_eq(r.addr->size_bytes, size);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 40);
	append(5);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 45);
	come_again(STOP_CLEAN);
	ck_assert_ptr_eq(r.dir, second());
	rig_lead(&r, 2);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 45);
}
END_TEST

START_TEST(there_and_back_again)
{
	begin(10);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(move_to(i % 2 == 0 ? second() : first()), NONE);
		rig_settle(&r);
		check_moved(i % 2 == 0 ? first() : second(), i % 2 == 0 ? second() : first());
		append(1);
	}
	ck_assert_int_eq(controller.moved, 6);
	come_again(STOP_ABANDON);
	rig_lead(&r, 2);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 16);
}
END_TEST

START_TEST(an_empty_replica_moves)
{
	rig_lead(&r, 1);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_settle(&r);
	check_moved(first(), second());
	sequence = 0;
	append(2);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 2);
}
END_TEST

START_TEST(a_retry_is_known_after_the_move)
{
	struct ask again;

	begin(10);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_settle(&r);
	for (int i = 5; i < 10; i++) {
		rig_ask(&r, ask_append_as(&again, 1, 1000, 3, 7, 3 * i));
		rig_wait(&r, &again);
		ck_assert_int_eq(again.append.error, NONE);
		ck_assert_int_eq(again.append.base_offset, 3 * i);
	}
	ck_assert_int_eq(partition_log_end_offset(r.addr), 30);
}
END_TEST

static struct partition_epoch_end epoch_end(int32_t epoch)
{
	struct ask q = { 0 };

	msg_init(&q.msg, PARTITION_epoch_end, NULL);
	q.epoch_end.leader_epoch = epoch;
	q.epoch_end.current_leader_epoch = -1;
	rig_ask(&r, &q);
	rig_wait(&r, &q);
	ck_assert_int_eq(q.epoch_end.error, NONE);
	return q.epoch_end;
}

/* The epoch in which nothing was appended is known nowhere in the batches, and followers ask for it. */
START_TEST(an_epoch_without_records_moves_too)
{
	struct partition_epoch_end before[6];

	begin(2);
	rig_lead(&r, 2);
	rig_lead(&r, 3);
	append(1);
	rig_lead(&r, 4);
	for (int32_t epoch = 1; epoch <= 5; epoch++)
		before[epoch] = epoch_end(epoch);
	ck_assert_int_eq(before[4].epoch, 4);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_settle(&r);
	check_moved(first(), second());
	for (int32_t epoch = 1; epoch <= 5; epoch++) {
		ck_assert_int_eq(epoch_end(epoch).epoch, before[epoch].epoch);
		ck_assert_int_eq(epoch_end(epoch).end_offset, before[epoch].end_offset);
	}
}
END_TEST

/* Nothing is refused, and the order of one asker's questions is kept. */
START_TEST(producers_and_readers_notice_nothing)
{
	enum { N = 300 };
	struct ask *appends = mem_calloc(N, sizeof(*appends));
	struct ask read;
	int64_t last = -1;

	begin(3);
	ck_assert_int_eq(move_to(second()), NONE);
	for (int i = 0; i < N; i++) {
		rig_ask(&r, ask_append(&appends[i], -1, 5000, 1));
		if (i % 3 == 0) {
			rig_ask(&r, ask_read(&read, 0, 1000));
			rig_wait(&r, &read);
			ck_assert_int_eq(read.read.error, NONE);
			ck_assert_uint_gt(read.read.range.len, 0);
			log_file_unref(&read.read.range.file);
		}
		rig_run(&r, 3);
	}
	rig_wait_all(&r);
	rig_settle(&r);
	check_moved(first(), second());
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(appends[i].append.error, NONE);
		ck_assert_int_eq(appends[i].append.base_offset, last < 0 ? 9 : last + 1);
		last = appends[i].append.base_offset;
	}
	free(appends);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), N + 3);
}
END_TEST

/* Who has a file of the log goes on reading it. */
START_TEST(a_reader_keeps_what_it_was_given)
{
	struct ask q;
	uint8_t byte;
	size_t got;

	begin(5);
	rig_ask(&r, ask_read(&q, 0, 1000));
	rig_wait(&r, &q);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_settle(&r);
	check_moved(first(), second());
	ck_assert_int_eq(os_pread(r.os, log_file_fd(q.read.range.file), &byte, 1, q.read.range.file_pos, &got), OK);
	ck_assert_uint_eq(got, 1);
	ck_assert_uint_eq(log_file_generation(q.read.range.file), q.read.range.generation);
	log_file_unref(&q.read.range.file);
}
END_TEST

START_TEST(the_log_start_moves_too)
{
	struct ask a;
	uint8_t batch[512];

	rig_ask(&r, ask_role(&a, 1, 1, 2));
	rig_wait(&r, &a);
	for (int i = 0; i < 10; i++) {
		ask_append(&a, 1, 0, 3);
		batch_set_base_offset(a.batch, 3 * i);
		batch_set_leader_epoch(a.batch, 1);
		uint32_t len = a.append.append.batch_bytes;
		memcpy(batch, a.batch, len);
		memset(&a, 0, sizeof(a));
		msg_init(&a.msg, PARTITION_replicate, NULL);
		a.replicate.leader_epoch = 1;
		a.replicate.fetch_offset = 3 * i;
		a.replicate.batches = slice_of(batch, len);
		a.replicate.leader_high_watermark = 3 * i + 3;
		a.replicate.leader_log_start_offset = i == 9 ? 8 : 0;
		rig_ask(&r, &a);
		rig_wait(&r, &a);
		ck_assert_int_eq(a.replicate.error, NONE);
	}
	ck_assert_int_eq(partition_log_start_offset(r.addr), 8);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_settle(&r);
	check_moved(first(), second());
	ck_assert_int_eq(partition_log_start_offset(r.addr), 8);
	ck_assert_int_eq(partition_high_watermark(r.addr), 30);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 30);
}
END_TEST

/* --- what comes between --------------------------------------------------------------------------------------------------------------- */

static void slow(int64_t bytes_per_s)
{
	throttle_set_limit(&r.movers.throttle, bytes_per_s);
}

START_TEST(a_throttle_holds_it_back)
{
	begin(40);		/* some 5 KB */
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 3000);
	ck_assert_ptr_eq(r.addr->copy_dir, second());
	ck_assert_int_gt(r.addr->copy_size_bytes, 0);
	ck_assert_int_eq(r.addr->copy_end_offset, 120);
	check_stays(first(), second());
	rig_pass(&r, 15000);	/* all windows are over by then */
	check_moved(first(), second());
}
END_TEST

START_TEST(asked_back_to_where_it_is)
{
	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	ck_assert_int_eq(names_with(second(), "-future"), 1);
	ck_assert_int_eq(move_to(first()), NONE);
	rig_settle(&r);
	ck_assert_ptr_null(r.addr->copy_dir);
	check_stays(first(), second());
	ck_assert_int_eq(names_with(second(), "-future"), 0);
	ck_assert_int_eq(names_with(second(), "-delete"), 1);
	/* while a job is out */
	slow(INT64_MAX);
	ck_assert_int_eq(move_to(second()), NONE);
	ck_assert_int_eq(move_to(first()), NONE);
	ck_assert_int_eq(move_to(second()), NONE);
	ck_assert_int_eq(move_to(second()), NONE);	/* on its way there already */
	rig_settle(&r);
	check_moved(first(), second());
	ck_assert_int_eq(controller.moved, 1);
	append(1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 41);
}
END_TEST

START_TEST(a_replica_that_is_deleted_takes_its_copy_along)
{
	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	rig_down(&r, STOP_DELETE);
	ck_assert_int_eq(rig_up(&r), OK);
	ck_assert_int_eq(names_with(first(), "-delete"), 1);
	ck_assert_int_eq(names_with(second(), "-delete"), 1);
	ck_assert_int_eq(names_with(second(), "-future"), 0);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 0);
}
END_TEST

START_TEST(a_restart_goes_on_with_the_copy)
{
	enum partition_stop_how how = _i == 0 ? STOP_CLEAN : STOP_ABANDON;

	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	append(3);
	come_again(how);
	slow(INT64_MAX);
	ck_assert_ptr_eq(r.dir, first());
	rig_settle(&r);
	check_moved(first(), second());
	rig_lead(&r, 2);
	append(2);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 45);
}
END_TEST

static void count_deleted(void *arg, const char *name, bool is_dir UNUSED)
{
	*(int *)arg += strstr(name, ".deleted") != NULL;
}

static void look_into_copy(void *arg, const char *name, bool is_dir UNUSED)
{
	char path[128];

	if (strstr(name, "-future") == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", logdir_path(second()), name);
	ck_assert_int_eq(os_list_dir(r.os, path, count_deleted, arg), OK);
}

/* It may be what fills the directory that the copy grows in. */
START_TEST(what_a_copy_does_not_need_any_more_is_removed)
{
	const int32_t live[] = { RIG_BROKER };
	struct ask a = { 0 };
	int deleted = 0;

	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	append(40);
	msg_init(&a.msg, PARTITION_delete_records, NULL);
	a.delete_records.offset = 231;
	a.delete_records.live_count = 1;
	memcpy(a.delete_records.live, live, sizeof(live));
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.delete_records.error, NONE);
	rig_pass(&r, 2000);
	ck_assert_int_eq(names_with(second(), "-future"), 1);
	ck_assert_int_eq(os_list_dir(r.os, logdir_path(second()), look_into_copy, &deleted), OK);
	ck_assert_int_eq(deleted, 0);
	slow(INT64_MAX);
	rig_pass(&r, 5000);
	check_moved(first(), second());
	ck_assert_int_eq(rig_read_all(&r, 231, NULL, NULL), 3);
}
END_TEST

static void follow(int32_t epoch)
{
	struct ask a;

	rig_ask(&r, ask_role(&a, 1, epoch, 2));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
}

static void cut(int32_t epoch, int64_t to)
{
	struct ask a = { 0 };

	msg_init(&a.msg, PARTITION_truncate, NULL);
	a.truncate.leader_epoch = epoch;
	a.truncate.how = TRUNCATE_TO;
	a.truncate.end_offset = to;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.truncate.error, NONE);
}

static int32_t wanted_epoch;

static void check_epoch(void *arg, struct slice batch)
{
	ck_assert_int_eq(batch_leader_epoch(batch.ptr), batch_base_offset(batch.ptr) < *(int64_t *)arg ? 1 : wanted_epoch);
}

/* What the copy had of the log's old end is gone, also where the log has grown over it since; in the same process, and in the next one. */
START_TEST(a_truncation_cuts_the_copy)
{
	int64_t kept = 60;

	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	ck_assert_int_eq(r.addr->copy_end_offset, 120);
	if (_i == 1 || _i == 3)
		rig_down(&r, STOP_CLEAN);
	r.has_two_dirs = _i != 1;	/* the copy cannot hear of it: its directory is away in that life */
	if (_i == 1 || _i == 3)
		ck_assert_int_eq(rig_up(&r), OK);
	follow(2);
	cut(2, _i == 2 ? 61 : kept);
	if (_i == 1) {
		rig_down(&r, STOP_CLEAN);
		r.has_two_dirs = true;
		ck_assert_int_eq(rig_up(&r), OK);
	}
	wanted_epoch = 3;
	rig_lead(&r, 3);
	sequence = 60;
	append(20);
	slow(INT64_MAX);
	rig_pass(&r, 30000);
	check_moved(first(), second());
	int64_t end = partition_log_end_offset(r.addr);
	ck_assert_int_eq(end, _i == 2 ? 121 : 120);
	if (_i != 2)
		ck_assert_int_eq(rig_read_all(&r, 0, check_epoch, &kept), 40);
}
END_TEST

START_TEST(a_role_changes_meanwhile)
{
	begin(40);
	slow(100);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 100);
	follow(2);
	rig_pass(&r, 100);
	rig_lead(&r, 3);
	append(1);
	rig_pass(&r, 20000);
	check_moved(first(), second());
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 41);
	rig_rests(&r);
}
END_TEST

/* --- what fails -------------------------------------------------------------------------------------------------------------------------- */

START_TEST(the_other_directory_is_full)
{
	teardown();
	capacity = 3000;
	setup();
	begin(40);
	ck_assert_int_eq(move_to(second()), NONE);
	rig_pass(&r, 5000);
	ck_assert_ptr_eq(r.addr->copy_dir, second());
	check_stays(first(), second());
	append(1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 41);
	ck_assert_int_eq(controller.dirs_failed, 0);
	ck_assert_int_eq(move_to(first()), NONE);
	ck_assert_ptr_null(r.addr->copy_dir);
	check_stays(first(), second());
}
END_TEST

/* No descriptor, or no room, for one operation: the move is made all the same, and no directory is taken for broken. */
START_TEST(what_passes_ends_no_move)
{
	static const enum sim_op ops[] = { SIM_OPEN, SIM_WRITE, SIM_NAME };

	teardown();
	/* the old directory's last rename is the one thing that must not fail */
	for (size_t op = 0; op < ARRAY_LEN(ops) - (_i == 1); op++) {
		for (uint64_t nth = 1; nth <= 25; nth++) {
			setup();
			begin(20);
			rig_lead(&r, 2);
			append(1);
			sim_fail(r.sim, ops[op], _i == 0 ? RIG_DIR_2 : RIG_DIR, nth, ops[op] == SIM_WRITE ? ERR_NO_SPACE : ERR_LIMIT);
			ck_assert_int_eq(move_to(second()), NONE);
			rig_pass(&r, 10000);
			sim_fail(r.sim, ops[op], NULL, 0, OK);
			ck_assert_msg(!logdir_is_offline(first()) && !logdir_is_offline(second()), "op %d, %d", (int)ops[op], (int)nth);
			check_moved(first(), second());
			append(2);
			ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 23);
			come_again(STOP_ABANDON);
			rig_lead(&r, 3);
			ck_assert_ptr_eq(partition_dir(r.addr), second());
			ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 23);
			teardown();
		}
	}
	setup();
}
END_TEST

/* Whatever the operation: the replica serves on, where it is or where it was to go, or its only good directory is gone. */
START_TEST(the_other_directory_fails)
{
	int failed = 0;

	teardown();
	for (int op = 0; op < SIM_OP_COUNT; op++) {
		for (uint64_t nth = 1; nth <= 25; nth++) {
			setup();
			begin(20);
			sim_fail(r.sim, (enum sim_op)op, RIG_DIR_2, nth, ERR_IO);
			ck_assert_int_eq(move_to(second()), NONE);
			rig_pass(&r, 3000);
			sim_fail(r.sim, (enum sim_op)op, NULL, 0, OK);
			bool is_in_second = partition_dir(r.addr) == second();

			if (logdir_is_offline(second())) {
				failed++;
				ck_assert_int_eq(controller.dirs_failed, 1);
				ck_assert_ptr_eq(controller.last_failed, second());
				ck_assert_int_eq(move_to(second()), KAFKA_STORAGE_ERROR);
			}
			ck_assert(!logdir_is_offline(first()));
			if (!r.addr->is_offline) {
				append(2);
				ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 22);
			} else {
				ck_assert(is_in_second);
			}
			rig_down(&r, STOP_ABANDON);
			ck_assert_int_eq(rig_up(&r), OK);
			rig_lead(&r, 2);
			ck_assert_int_ge(rig_read_all(&r, 0, NULL, NULL), 20);
			teardown();
		}
	}
	ck_assert_int_gt(failed, 20);
	setup();
}
END_TEST

START_TEST(the_old_directory_fails)
{
	int failed = 0;

	teardown();
	for (int op = 0; op < SIM_OP_COUNT; op++) {
		for (uint64_t nth = 1; nth <= 6; nth++) {
			setup();
			begin(20);
			sim_fail(r.sim, (enum sim_op)op, RIG_DIR, nth, ERR_IO);
			ck_assert_int_eq(move_to(second()), NONE);
			rig_pass(&r, 3000);
			sim_fail(r.sim, (enum sim_op)op, NULL, 0, OK);
			ck_assert(!logdir_is_offline(second()));
			if (logdir_is_offline(first())) {
				failed++;
				ck_assert_ptr_eq(controller.last_failed, first());
			}
			if (!r.addr->is_offline) {
				append(2);
				ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 22);
			}
			rig_down(&r, STOP_ABANDON);
			ck_assert_int_eq(rig_up(&r), OK);
			rig_lead(&r, 2);
			ck_assert_int_ge(rig_read_all(&r, 0, NULL, NULL), 20);
			teardown();
		}
	}
	ck_assert_int_gt(failed, 2);
	setup();
}
END_TEST

START_TEST(an_offline_directory_is_refused)
{
	begin(1);
	logdir_set_offline(second(), ERR_IO, "test");
	ck_assert_int_eq(move_to(second()), KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(move_to(first()), NONE);
	check_stays(first(), second());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("moves between log directories");
	TCase *t = tcase_create("moves");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, all_that_there_is_moves);
	tcase_add_test(t, there_and_back_again);
	tcase_add_test(t, an_empty_replica_moves);
	tcase_add_test(t, a_retry_is_known_after_the_move);
	tcase_add_test(t, an_epoch_without_records_moves_too);
	tcase_add_test(t, producers_and_readers_notice_nothing);
	tcase_add_test(t, a_reader_keeps_what_it_was_given);
	tcase_add_test(t, the_log_start_moves_too);
	tcase_add_test(t, a_throttle_holds_it_back);
	tcase_add_test(t, asked_back_to_where_it_is);
	tcase_add_test(t, a_replica_that_is_deleted_takes_its_copy_along);
	tcase_add_loop_test(t, a_restart_goes_on_with_the_copy, 0, 2);
	tcase_add_test(t, what_a_copy_does_not_need_any_more_is_removed);
	tcase_add_loop_test(t, a_truncation_cuts_the_copy, 0, 4);
	tcase_add_test(t, a_role_changes_meanwhile);
	tcase_add_test(t, the_other_directory_is_full);
	tcase_add_loop_test(t, what_passes_ends_no_move, 0, 2);
	tcase_add_test(t, the_other_directory_fails);
	tcase_add_test(t, the_old_directory_fails);
	tcase_add_test(t, an_offline_directory_is_refused);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
