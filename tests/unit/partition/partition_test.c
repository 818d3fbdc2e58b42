/*
 * What a partition answers, when, and in which order: roles, the rules of acknowledgement, deadlines, watches, full and broken disks, the end.
 */
#include <check.h>
#include <stdlib.h>

#include "partition/partition_checkpoint.h"
#include "rig.h"

#define FOREVER 3600000

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

static enum kafka_error answer_of(struct ask *a)
{
	rig_ask(&r, a);
	rig_wait(&r, a);
	return a->append.error;
}

static enum kafka_error append_now(int16_t acks)
{
	struct ask a;

	return answer_of(ask_append(&a, acks, FOREVER, 1));
}

static enum kafka_error role_now(int32_t leader, int32_t epoch, int32_t isr_count)
{
	struct ask a;

	rig_ask(&r, ask_role(&a, leader, epoch, isr_count));
	rig_wait(&r, &a);
	return a.role.error;
}

static enum kafka_error read_now(int64_t offset, struct partition_read *out)
{
	struct ask a;

	rig_ask(&r, ask_read(&a, offset, 4096));
	rig_wait(&r, &a);
	if (a.read.range.file != NULL)
		log_file_unref(&a.read.range.file);
	if (out != NULL)
		*out = a.read;
	return a.read.error;
}

/* --- roles ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(nothing_is_served_before_a_role)
{
	struct ask a;

	ck_assert_int_eq(append_now(1), NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(read_now(0, NULL), NOT_LEADER_OR_FOLLOWER);
	rig_ask(&r, ask_list(&a, LIST_OFFSETS_LATEST));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.error, NOT_LEADER_OR_FOLLOWER);
}
END_TEST

START_TEST(a_follower_names_the_leader)
{
	struct ask a;

	ck_assert_int_eq(role_now(1, 5, 2), NONE);
	ck_assert_int_eq(answer_of(ask_append(&a, 1, FOREVER, 1)), NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(a.append.base_offset, -1);
	ck_assert_int_eq(a.append.leader_id, 1);
	ck_assert_int_eq(a.append.leader_epoch, 5);
	ck_assert_int_eq(read_now(0, NULL), NOT_LEADER_OR_FOLLOWER);
	ck_assert(!partition_is_leader(r.addr));
}
END_TEST

START_TEST(epochs_never_go_back)
{
	struct ask a;

	ck_assert_int_eq(role_now(RIG_BROKER, 5, 1), NONE);
	ck_assert_int_eq(role_now(1, 4, 1), STALE_CONTROLLER_EPOCH);
	ck_assert(partition_is_leader(r.addr));
	ck_assert_int_eq(partition_leader_epoch(r.addr), 5);
	ck_assert_int_eq(role_now(RIG_BROKER, 5, 2), STALE_CONTROLLER_EPOCH);	/* another set comes with another epoch, or by our own asking */
	rig_ask(&r, ask_read(&a, 0, 100));
	a.read.current_leader_epoch = 4;
	rig_wait(&r, &a);
	ck_assert_int_eq(a.read.error, FENCED_LEADER_EPOCH);
	rig_ask(&r, ask_read(&a, 0, 100));
	a.read.current_leader_epoch = 6;
	rig_wait(&r, &a);
	ck_assert_int_eq(a.read.error, UNKNOWN_LEADER_EPOCH);
}
END_TEST

START_TEST(another_topic_id_is_refused)
{
	struct ask a;

	rig_ask(&r, ask_role(&a, RIG_BROKER, 1, 1));
	a.role.topic_id = (struct uuid){ { 9 } };
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, INCONSISTENT_TOPIC_ID);
	rig_lead(&r, 1);
	ask_append(&a, 1, FOREVER, 1);
	a.append.topic_id = (struct uuid){ { 9 } };
	ck_assert_int_eq(answer_of(&a), INCONSISTENT_TOPIC_ID);
	ask_append(&a, 1, FOREVER, 1);
	a.append.topic_id = r.topic_id;
	ck_assert_int_eq(answer_of(&a), NONE);
}
END_TEST

START_TEST(lost_leadership_answers_what_is_parked)
{
	struct ask parked[3], role;

	ck_assert_int_eq(role_now(RIG_BROKER, 1, 2), NONE);
	for (int i = 0; i < 3; i++)
		rig_ask(&r, ask_append(&parked[i], -1, FOREVER, 1));
	rig_settle(&r);
	ck_assert_int_eq(parked[2].order, 0);
	rig_ask(&r, ask_role(&role, 1, 2, 2));
	rig_wait_all(&r);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(parked[i].append.error, NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_eq(parked[i].append.leader_id, 1);
		ck_assert_int_eq(parked[i].append.leader_epoch, 2);
		ck_assert_int_eq(parked[i].append.base_offset, i);	/* they are in the log, whatever becomes of them */
		ck_assert(i == 0 || parked[i].order > parked[i - 1].order);
	}
}
END_TEST

/* --- order ---------------------------------------------------------------------------------------------------------------------------- */

START_TEST(answers_keep_the_order_of_questions)
{
	struct ask append[300], read;

	rig_lead(&r, 0);
	for (int i = 0; i < 300; i++)	/* more than one log_append takes */
		rig_ask(&r, ask_append(&append[i], 1, FOREVER, 2));
	rig_ask(&r, ask_read(&read, 0, 100));
	rig_wait_all(&r);
	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(append[i].append.error, NONE);
		ck_assert_int_eq(append[i].append.base_offset, 2 * i);
		ck_assert(i == 0 || append[i].order == append[i - 1].order + 1);
	}
	/* who asks behind a producer sees at least that much */
	ck_assert_int_eq(read.read.high_watermark, 600);
	ck_assert_int_gt(read.order, append[299].order);
	if (read.read.range.file != NULL)
		log_file_unref(&read.read.range.file);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 300);
}
END_TEST

START_TEST(a_retry_is_a_duplicate_also_while_the_first_is_parked)
{
	struct ask first, again, next, gap;

	rig_lead(&r, 0);
	rig_ask(&r, ask_append_as(&first, -1, FOREVER, 2, 77, 0));
	rig_ask(&r, ask_append_as(&again, -1, FOREVER, 2, 77, 0));
	rig_ask(&r, ask_append_as(&next, -1, FOREVER, 1, 77, 2));
	rig_ask(&r, ask_append_as(&gap, -1, FOREVER, 1, 77, 9));
	rig_wait_all(&r);
	ck_assert_int_eq(first.append.error, NONE);
	ck_assert_int_eq(again.append.error, NONE);
	ck_assert_int_eq(again.append.base_offset, 0);
	ck_assert_int_eq(next.append.base_offset, 2);
	ck_assert_int_eq(gap.append.error, OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(gap.append.base_offset, -1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 2);
}
END_TEST

static enum kafka_error sequence_now(int32_t sequence)
{
	struct ask a;

	return answer_of(ask_append_as(&a, 1, FOREVER, 1, 77, sequence));
}

static void set_min_insync_replicas(int32_t n)
{
	struct ask a;

	r.config.min_insync_replicas = n;
	msg_init(&a.msg, PARTITION_config, NULL);
	a.config.config = r.config;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
}

/* What is sent behind a record that came before the controller's word, or while too few were in sync, is no gap: it comes again behind that. */
START_TEST(who_asked_too_early_leaves_no_gap)
{
	struct ask a;

	rig_lead(&r, 0);
	ck_assert_int_eq(sequence_now(0), NONE);
	ck_assert_int_eq(role_now(1, 5, 2), NONE);
	ck_assert_int_eq(sequence_now(1), NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(role_now(0, 6, 1), NONE);
	ck_assert_int_eq(answer_of(ask_append_as(&a, 1, FOREVER, 1, 77, 2)), NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(a.append.base_offset, -1);
	ck_assert_int_eq(a.append.leader_id, 0);
	ck_assert_int_eq(sequence_now(1), NONE);
	ck_assert_int_eq(sequence_now(1), NONE);
	ck_assert_int_eq(sequence_now(2), NONE);
	ck_assert_int_eq(sequence_now(9), NOT_LEADER_OR_FOLLOWER);
	rig_pass(&r, 3000);
	ck_assert_int_eq(sequence_now(9), OUT_OF_ORDER_SEQUENCE_NUMBER);
	set_min_insync_replicas(2);
	ck_assert_int_eq(answer_of(ask_append_as(&a, -1, FOREVER, 1, 77, 3)), NOT_ENOUGH_REPLICAS);
	set_min_insync_replicas(1);
	ck_assert_int_eq(sequence_now(4), NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(sequence_now(3), NONE);
	ck_assert_int_eq(sequence_now(4), NONE);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 5);
}
END_TEST

/* --- acknowledgement -------------------------------------------------------------------------------------------------------------------- */

static const struct { enum flush_acks setting; int16_t acks; bool needs_sync; } acks_rules[] = {
	{ FLUSH_ACKS_AUTO, 0, false },   { FLUSH_ACKS_AUTO, 1, false },   { FLUSH_ACKS_AUTO, -1, true },
	{ FLUSH_ACKS_ALWAYS, 0, false }, { FLUSH_ACKS_ALWAYS, 1, true },  { FLUSH_ACKS_ALWAYS, -1, true },
	{ FLUSH_ACKS_NEVER, 0, false },  { FLUSH_ACKS_NEVER, 1, false },  { FLUSH_ACKS_NEVER, -1, false },
};

/* What needs a sync is not answered with success when no sync succeeds, and what needs none is. */
START_TEST(who_waits_for_the_disk)
{
	rig_down(&r, STOP_CLEAN);
	r.flush_acks = acks_rules[_i].setting;
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	ck_assert_int_eq(append_now(acks_rules[_i].acks), NONE);
	rig_settle(&r);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	ck_assert_int_eq(append_now(acks_rules[_i].acks), acks_rules[_i].needs_sync ? KAFKA_STORAGE_ERROR : NONE);
	rig_settle(&r);
	ck_assert(logdir_is_offline(r.dir) == acks_rules[_i].needs_sync);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

START_TEST(one_sync_serves_all_that_came_meanwhile)
{
	struct ask a[200];
	mono_ms begin;

	rig_lead(&r, 0);
	begin = os_mono_ms(r.os);
	for (int i = 0; i < 200; i++) {
		rig_ask(&r, ask_append(&a[i], -1, FOREVER, 1));
		rig_run(&r, 3);
	}
	rig_wait_all(&r);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(a[i].append.error, NONE);
	ck_assert_int_lt(os_mono_ms(r.os) - begin, 100 * 20);	/* a sync of 20 ms for each would take 4 s */
}
END_TEST

/* A device that other logs keep busy with what nobody waits for. */
START_TEST(who_waits_for_a_sync_goes_before_those_who_take_turns)
{
	rig_lead(&r, 0);
	r.flush_turns.out = 100;
	ck_assert_int_eq(append_now(1), NONE);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_pass(&r, 60000);
	ck_assert(!logdir_is_offline(r.dir));		/* none was asked for */
	if (_i == 0) {
		sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
		ck_assert_int_eq(append_now(-1), NONE);
		ck_assert_uint_eq(r.flush_turns.out, 100);
	} else {
		r.flush_turns.out = 0;
		rig_pass(&r, 100);
		ck_assert(logdir_is_offline(r.dir));	/* its turn has come */
		ck_assert_uint_eq(r.flush_turns.out, 0);
		sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
	}
}
END_TEST

START_TEST(a_set_of_two_waits_for_the_other_replica)
{
	struct ask a, role;

	ck_assert_int_eq(role_now(RIG_BROKER, 1, 2), NONE);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_settle(&r);
	ck_assert_int_eq(a.order, 0);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 1);
	ck_assert_int_eq(append_now(1), NONE);
	/* the set shrinks to the leader: it counts alone, but only what is on its disk */
	rig_ask(&r, ask_role(&role, RIG_BROKER, 2, 1));
	rig_wait_all(&r);
	ck_assert_int_eq(a.append.error, NONE);
	ck_assert_int_eq(a.append.base_offset, 0);
	ck_assert_int_eq(partition_high_watermark(r.addr), 2);
}
END_TEST

START_TEST(a_shrunken_set_syncs_before_it_counts)
{
	struct ask a, role;

	ck_assert_int_eq(role_now(RIG_BROKER, 1, 2), NONE);
	ck_assert_int_eq(append_now(1), NONE);
	rig_settle(&r);		/* the first record takes the log's files to the disk */
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_settle(&r);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_ask(&r, ask_role(&role, RIG_BROKER, 2, 1));
	rig_wait_all(&r);
	ck_assert_int_eq(a.append.error, KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* KAFKA-15583: below min.insync.replicas nothing is committed any more, whatever the acks. */
START_TEST(too_few_replicas_in_sync)
{
	struct ask a;

	rig_down(&r, STOP_CLEAN);
	r.config.min_insync_replicas = 2;
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	ck_assert_int_eq(append_now(-1), NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 0);
	ck_assert_int_eq(append_now(1), NONE);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ck_assert_int_eq(role_now(RIG_BROKER, 2, 2), NONE);
	rig_ask(&r, ask_append(&a, -1, 500, 1));
	ck_assert_int_eq(role_now(RIG_BROKER, 3, 1), NONE);
	rig_wait_all(&r);
	ck_assert_int_eq(a.append.error, REQUEST_TIMED_OUT);	/* the high watermark stands, so nobody can tell what becomes of it */
	ck_assert_int_eq(a.append.base_offset, 1);
	ck_assert_int_eq(partition_high_watermark(r.addr), 0);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 2);
}
END_TEST

/* Committed, but before the answer could be given the minimum is not met any more. */
START_TEST(too_few_replicas_in_sync_by_the_time_of_the_answer)
{
	struct ask a, config;

	rig_lead(&r, 1);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	memset(&config, 0, sizeof(config));
	msg_init(&config.msg, PARTITION_config, NULL);
	config.config.config = r.config;
	config.config.config.min_insync_replicas = 2;
	rig_ask(&r, &config);
	rig_wait_all(&r);
	ck_assert_int_lt(config.order, a.order);	/* it still waited for the disk */
	ck_assert_int_eq(a.append.error, NOT_ENOUGH_REPLICAS_AFTER_APPEND);
	ck_assert_int_eq(a.append.base_offset, 0);
	ck_assert_int_eq(partition_high_watermark(r.addr), 1);
}
END_TEST

START_TEST(deadlines)
{
	struct ask soon, late, never;
	mono_ms begin;

	ck_assert_int_eq(role_now(RIG_BROKER, 1, 2), NONE);
	rig_settle(&r);
	begin = os_mono_ms(r.os);
	rig_ask(&r, ask_append(&late, -1, 500, 1));
	rig_ask(&r, ask_append(&soon, -1, 100, 1));
	rig_ask(&r, ask_append(&never, -1, 0, 1));
	rig_wait_all(&r);
	ck_assert_int_eq(late.append.error, REQUEST_TIMED_OUT);
	ck_assert_int_eq(soon.append.error, REQUEST_TIMED_OUT);
	ck_assert_int_eq(never.append.error, REQUEST_TIMED_OUT);
	ck_assert_int_eq(late.append.base_offset, 0);
	ck_assert_int_eq(never.append.base_offset, 2);
	ck_assert_int_lt(never.order, soon.order);
	ck_assert_int_lt(soon.order, late.order);
	ck_assert_int_ge(soon.answered_at - begin, 100);
	ck_assert_int_lt(soon.answered_at - begin, 200);
	ck_assert_int_ge(late.answered_at - begin, 500);
	ck_assert_int_lt(late.answered_at - begin, 600);
}
END_TEST

/* --- the disk --------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_refuses_appends_until_there_is_room)
{
	int64_t end = 0;
	struct ask a;
	int refused = 0;

	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
	rig_init(&r, 2);
	r.config.segment_bytes = 4000;
	r.config.segment_index_bytes = 400;
	sim_set_capacity(r.sim, RIG_DIR, 100000);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	while (refused < 20) {
		enum kafka_error e = answer_of(ask_append(&a, end % 2 == 0 ? 1 : -1, FOREVER, 3));

		ck_assert(e == NONE || e == KAFKA_STORAGE_ERROR);
		refused += e != NONE;
		ck_assert_int_eq(a.append.base_offset, e == NONE ? end : -1);
		end += e == NONE ? 3 : 0;
		ck_assert_int_lt(end, 10000);
	}
	ck_assert_int_gt(end, 0);
	ck_assert(!logdir_is_offline(r.dir));
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL) * 3, end);
	sim_set_capacity(r.sim, RIG_DIR, 10000000);
	for (int i = 0; i < 100; i++, end += 3) {
		ck_assert_int_eq(answer_of(ask_append(&a, -1, FOREVER, 3)), NONE);
		ck_assert_int_eq(a.append.base_offset, end);
	}
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL) * 3, end);
}
END_TEST

/* The first flush of a new log writes small files as well; when they find no room it is no damage. */
START_TEST(a_disk_too_full_for_the_small_files_is_waited_for)
{
	for (uint64_t nth = 1; nth <= 12; nth++) {
		struct ask a;
		int64_t end = 0;

		rig_down(&r, STOP_CLEAN);
		rig_fini(&r);
		rig_init(&r, 2);
		ck_assert_int_eq(rig_up(&r), OK);
		rig_lead(&r, 0);
		sim_fail(r.sim, SIM_NAME, RIG_DIR, nth, ERR_NO_SPACE);
		for (int i = 0; i < 4; i++) {
			enum kafka_error e = answer_of(ask_append(&a, -1, FOREVER, 3));

			ck_assert(e == NONE || (i == 0 && e == KAFKA_STORAGE_ERROR));
			ck_assert_int_eq(a.append.base_offset, e == NONE ? end : -1);
			end += e == NONE ? 3 : 0;
		}
		ck_assert(!logdir_is_offline(r.dir));
		sim_fail(r.sim, SIM_NAME, RIG_DIR, 0, OK);
	}
}
END_TEST

/* Somebody else has all of the process's descriptors: nothing is wrong with the disk. */
START_TEST(without_a_descriptor_an_append_is_refused_until_there_is_one)
{
	static const enum sim_op ops[] = { SIM_OPEN, SIM_NAME };
	int64_t end = 0;

	rig_down(&r, STOP_CLEAN);
	rig_fini(&r);
	rig_init(&r, 2);
	r.config.segment_bytes = 1000;
	r.config.segment_index_bytes = 400;
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	for (int i = 0; i < 60; i++) {
		enum kafka_error e;

		rig_pass(&r, 3600000);		/* it rests, and has given its descriptors back */
		sim_fail(r.sim, ops[_i], RIG_DIR, (uint64_t)i % 5 + 1, ERR_LIMIT);
		e = append_now(i % 2 == 0 ? -1 : 1);
		ck_assert(e == NONE || e == KAFKA_STORAGE_ERROR);
		end += e == NONE;
		rig_pass(&r, 1000);
		ck_assert_int_eq(rig_checkpoint(&r) == OK || rig_checkpoint(&r) == OK, true);
		ck_assert(!logdir_is_offline(r.dir));
	}
	sim_fail(r.sim, SIM_ANY, NULL, 0, OK);
	ck_assert_int_lt(end, 60);
	ck_assert_int_eq(append_now(-1), NONE);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), end + 1);
}
END_TEST

static void fill_disk(bool is_full)
{
	sim_fail_often(r.sim, SIM_WRITE, RIG_DIR, is_full ? 1000000 : 0, ERR_NO_SPACE);
	sim_fail_often(r.sim, SIM_NAME, RIG_DIR, is_full ? 1000000 : 0, ERR_NO_SPACE);
}

/* After every kind of stop, and when there never was room for it. */
START_TEST(a_partition_starts_on_a_full_disk)
{
	static const enum partition_stop_how ends[] = { STOP_CLEAN, STOP_ABANDON, STOP_ABANDON, STOP_CLEAN };
	struct ask a;
	int64_t end = 0;

	r.config.segment_bytes = 1000;
	r.config.segment_index_bytes = 400;
	if (_i < 3) {
		rig_down(&r, STOP_CLEAN);
		ck_assert_int_eq(rig_up(&r), OK);
		rig_lead(&r, 0);
		for (; end < 90; end += 3) {
			ck_assert_int_eq(answer_of(ask_append(&a, -1, FOREVER, 3)), NONE);
			if (_i == 1 && end == 60)
				ck_assert_int_eq(rig_checkpoint(&r), OK);
		}
	} else {
		rig_down(&r, STOP_DELETE);
		ck_assert_int_eq(rig_up(&r), OK);
		rig_down(&r, STOP_DELETE);
	}
	if (_i == 0)
		fill_disk(true);	/* not even the marker of a clean stop finds room */
	if (_i < 3)
		rig_down(&r, ends[_i]);
	fill_disk(true);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL) * 3, end);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(answer_of(ask_append(&a, i == 1 ? 1 : -1, FOREVER, 3)), KAFKA_STORAGE_ERROR);
	ck_assert(!logdir_is_offline(r.dir));
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL) * 3, end);
	fill_disk(false);
	for (int i = 0; i < 40; i++, end += 3) {
		ck_assert_int_eq(answer_of(ask_append(&a, -1, FOREVER, 3)), NONE);
		ck_assert_int_eq(a.append.base_offset, end);
	}
	rig_down(&r, STOP_ABANDON);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 2);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL) * 3, end);
}
END_TEST

/* A recovery point beyond the end of its log must not outlast the start, also when no better one can be written; one that is true stays. */
START_TEST(an_untrue_recovery_point_goes_from_a_full_disk)
{
	bool is_untrue = _i != 0;
	struct checkpoint_entry said = { .topic = SLICE_LIT("t"), .partition = 0, .offset = is_untrue ? 1000 : 0 };
	struct logdir_known known;

	ck_assert_int_eq(role_now(RIG_BROKER, 0, 1), NONE);
	ck_assert_int_eq(append_now(-1), NONE);
	ck_assert_int_eq(logdir_write_checkpoint(r.dir, LOGDIR_RECOVERY_POINTS, &said, 1), OK);
	rig_down(&r, STOP_ABANDON);
	fill_disk(true);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_settle(&r);
	ck_assert_int_eq(partition_settle_recovery_points(r.dir, &r.addr, 1), is_untrue ? OK : ERR_NO_SPACE);
	fill_disk(false);
	rig_down(&r, STOP_ABANDON);
	ck_assert_int_eq(rig_up(&r), OK);
	logdir_known(r.dir, "t", 0, &known);
	ck_assert_int_eq(known.recovery_point, is_untrue ? -1 : 0);
}
END_TEST

START_TEST(a_broken_disk_takes_the_directory_offline)
{
	struct ask parked, watch, list;

	ck_assert_int_eq(role_now(RIG_BROKER, 0, 2), NONE);
	rig_settle(&r);
	rig_ask(&r, ask_append(&parked, -1, FOREVER, 1));
	rig_settle(&r);
	rig_ask(&r, ask_watch(&watch, &r));
	rig_settle(&r);
	ck_assert_int_eq(parked.order, 0);
	ck_assert_int_eq(watch.order, 0);
	sim_fail(r.sim, SIM_WRITE, NULL, 1, ERR_IO);
	ck_assert_int_eq(append_now(1), KAFKA_STORAGE_ERROR);
	rig_wait_all(&r);
	ck_assert_int_eq(parked.append.error, KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	ck_assert_int_eq(append_now(1), KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(read_now(0, NULL), KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(role_now(RIG_BROKER, 1, 1), KAFKA_STORAGE_ERROR);
	rig_ask(&r, ask_list(&list, LIST_OFFSETS_LATEST));
	rig_wait(&r, &list);
	ck_assert_int_eq(list.list.error, KAFKA_STORAGE_ERROR);
	rig_rests(&r);
}
END_TEST

/* With a sync and a flush by the clock behind it, which set deadlines. */
START_TEST(a_partition_that_nobody_asks_rests)
{
	rig_down(&r, STOP_CLEAN);
	r.config.flush_ms = 1000;
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	rig_rests(&r);
	ck_assert_int_eq(append_now(1), NONE);
	rig_pass(&r, 12000);
	rig_rests(&r);
	ck_assert_int_eq(append_now(-1), NONE);
	rig_pass(&r, 12000);
	rig_rests(&r);
}
END_TEST

/* A sync was due by the clock, or wanted by an append, when the directory failed. */
START_TEST(a_partition_whose_directory_failed_rests)
{
	rig_down(&r, STOP_CLEAN);
	r.config.flush_ms = _i == 0 ? 1000 : INT64_MAX;
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	ck_assert_int_eq(append_now(1), NONE);
	sim_fail(r.sim, _i == 0 ? SIM_WRITE : SIM_SYNC, NULL, 1, ERR_IO);
	ck_assert_int_eq(append_now(_i == 0 ? 1 : -1), KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	rig_rests(&r);
}
END_TEST

/* While a sync is under way the log outlives its failure, but nothing may be served from it. */
START_TEST(nothing_is_served_after_a_failure_during_a_sync)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct ask first, fails, behind, read;

		rig_down(&r, STOP_ABANDON);
		rig_fini(&r);
		rig_init(&r, seed);
		ck_assert_int_eq(rig_up(&r), OK);
		rig_lead(&r, 0);
		rig_ask(&r, ask_append(&first, -1, FOREVER, 1));
		rig_run(&r, 3);
		sim_fail(r.sim, SIM_WRITE, NULL, 1, ERR_IO);
		rig_ask(&r, ask_append(&fails, 1, FOREVER, 1));
		rig_ask(&r, ask_append(&behind, 1, FOREVER, 1));
		rig_ask(&r, ask_read(&read, 0, 4096));
		rig_wait_all(&r);
		ck_assert(first.append.error == NONE || first.append.error == KAFKA_STORAGE_ERROR);
		if (logdir_is_offline(r.dir)) {
			struct ask late;

			ck_assert_int_eq(answer_of(ask_append(&late, 1, FOREVER, 1)), KAFKA_STORAGE_ERROR);
			ck_assert_int_eq(read_now(0, NULL), KAFKA_STORAGE_ERROR);
		}
		if (fails.append.error != NONE)
			ck_assert_int_eq(read.read.error, KAFKA_STORAGE_ERROR);
		if (read.read.range.file != NULL)
			log_file_unref(&read.read.range.file);
	}
}
END_TEST

/* --- watches ------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_watch_sleeps_until_there_is_news)
{
	struct ask watch, append, role, late;

	rig_lead(&r, 0);
	rig_ask(&r, ask_watch(&watch, &r));
	rig_pass(&r, 60000);
	ck_assert_int_eq(watch.order, 0);
	rig_ask(&r, ask_append(&append, 1, FOREVER, 1));
	rig_wait_all(&r);
	ck_assert_int_ne(watch.order, 0);

	/* what it has seen is old already: at once */
	ask_watch(&late, &r);
	late.watch.seen_high_watermark = 0;
	rig_ask(&r, &late);
	rig_wait(&r, &late);

	/* another epoch */
	rig_ask(&r, ask_watch(&watch, &r));
	rig_settle(&r);
	ck_assert_int_eq(watch.order, 0);
	rig_ask(&r, ask_role(&role, RIG_BROKER, 1, 1));
	rig_wait_all(&r);
	ck_assert_int_ne(watch.order, 0);
}
END_TEST

START_TEST(only_a_follower_hears_of_the_log_end)
{
	static struct ask consumer;	/* parked until the teardown */
	struct ask follower, append;

	ck_assert_int_eq(role_now(RIG_BROKER, 0, 2), NONE);
	rig_ask(&r, ask_watch(&consumer, &r));
	ask_watch(&follower, &r);
	follower.watch.seen_log_end_offset = 0;
	rig_ask(&r, &follower);
	rig_ask(&r, ask_append(&append, 1, FOREVER, 1));
	rig_settle(&r);
	ck_assert_int_eq(append.append.error, NONE);
	ck_assert_int_ne(follower.order, 0);
	ck_assert_int_eq(consumer.order, 0);
}
END_TEST

/* --- look-ups ------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(offsets_by_name_and_time)
{
	static const struct { int64_t timestamp, offset; } wanted[] = {
		{ LIST_OFFSETS_LATEST, 10 }, { LIST_OFFSETS_EARLIEST, 0 }, { LIST_OFFSETS_EARLIEST_LOCAL, 0 }, { LIST_OFFSETS_MAX_TIMESTAMP, 9 },
		{ 1700000000004, 4 }, { 1699999999999, 0 }, { 1700000000010, -1 },
	};
	struct ask a;

	rig_lead(&r, 3);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(answer_of(ask_append_as(&a, 1, FOREVER, 1, 5, i)), NONE);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		rig_ask(&r, ask_list(&a, wanted[i].timestamp));
		rig_wait(&r, &a);
		ck_assert_int_eq(a.list.error, NONE);
		ck_assert_int_eq(a.list.found.offset, wanted[i].offset);
		ck_assert_int_eq(a.list.found.leader_epoch, wanted[i].offset < 0 ? -1 : 3);
	}
}
END_TEST

/* Asks for 20 offsets by time at once; each append i has the timestamp 1700000000000 + i. */
static void ask_20_times(struct ask *asks)
{
	for (int i = 0; i < 20; i++)
		rig_ask(&r, ask_list(&asks[i], 1700000000000 + i));
}

static void up_with_20(uint64_t seed)
{
	struct ask a;

	rig_down(&r, STOP_ABANDON);
	rig_fini(&r);
	rig_init(&r, seed);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(answer_of(ask_append_as(&a, 1, FOREVER, 1, -1, i)), NONE);
}

START_TEST(a_look_up_holds_up_nobody)
{
	struct ask asks[20], append;

	up_with_20(1);
	ask_20_times(asks);
	rig_ask(&r, ask_append(&append, 1, FOREVER, 1));
	rig_wait_all(&r);
	ck_assert_int_eq(append.append.error, NONE);
	ck_assert_int_lt(append.order, asks[19].order);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(asks[i].list.error, NONE);
		ck_assert_int_eq(asks[i].list.found.offset, i);
	}
}
END_TEST

/* Stopped at any moment: what was found is an answer, the rest is refused. */
START_TEST(a_stop_answers_look_ups)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct ask asks[20];

		up_with_20(seed);
		ask_20_times(asks);
		rig_run(&r, (int)seed);
		rig_down(&r, STOP_CLEAN);
		for (int i = 0; i < 20; i++) {
			ck_assert_int_ne(asks[i].order, 0);
			if (asks[i].was_declined || asks[i].list.error == NOT_LEADER_OR_FOLLOWER)
				continue;
			ck_assert_int_eq(asks[i].list.error, NONE);
			ck_assert_int_eq(asks[i].list.found.offset, i);
		}
	}
}
END_TEST

START_TEST(lost_leadership_refuses_look_ups)
{
	struct ask asks[20], role;
	int refused = 0;

	up_with_20(1);
	ask_20_times(asks);
	rig_ask(&r, ask_role(&role, 1, 1, 2));
	rig_wait_all(&r);
	for (int i = 0; i < 20; i++) {
		if (asks[i].list.error == NONE)
			ck_assert_int_eq(asks[i].list.found.offset, i);
		else
			ck_assert_int_eq(asks[i].list.error, NOT_LEADER_OR_FOLLOWER);
		refused += asks[i].list.error != NONE;
	}
	ck_assert_int_gt(refused, 10);
}
END_TEST

START_TEST(a_broken_disk_answers_look_ups)
{
	struct ask asks[20];

	up_with_20(1);
	sim_fail_often(r.sim, SIM_READ, NULL, 1000000, ERR_IO);
	ask_20_times(asks);
	rig_wait_all(&r);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(asks[i].list.error, KAFKA_STORAGE_ERROR);
	ck_assert(logdir_is_offline(r.dir));
	sim_fail_often(r.sim, SIM_READ, NULL, 0, OK);
}
END_TEST

/* Damaged bytes are one partition's trouble, not the directory's. */
START_TEST(damage_is_told_and_stays_where_it_is)
{
	static const uint8_t rubbish[] = { 0xff, 0xff, 0xff, 0xff };
	struct ask list;
	os_fd fd;

	up_with_20(1);
	rig_down(&r, STOP_CLEAN);
	ck_assert_int_eq(os_open(r.os, RIG_DIR "/t-0/00000000000000000000.log", OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(r.os, fd, rubbish, sizeof(rubbish), BATCH_HEADER_SIZE), OK);	/* the length of the first record */
	os_close(r.os, &fd);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	rig_ask(&r, ask_list(&list, 1700000000000));
	rig_wait(&r, &list);
	ck_assert_int_eq(list.list.error, CORRUPT_MESSAGE);
	ck_assert(!logdir_is_offline(r.dir));
	ck_assert_int_eq(append_now(1), NONE);
}
END_TEST

START_TEST(reads_stay_within_bounds)
{
	struct partition_read read;

	rig_lead(&r, 0);
	ck_assert_int_eq(append_now(1), NONE);
	ck_assert_int_eq(read_now(-1, NULL), OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(read_now(2, NULL), OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(read_now(1, &read), NONE);
	ck_assert_uint_eq(read.range.len, 0);
	/* with a set of two the high watermark stands still, and no consumer sees further */
	ck_assert_int_eq(role_now(RIG_BROKER, 1, 2), NONE);
	ck_assert_int_eq(append_now(1), NONE);
	ck_assert_int_eq(read_now(1, &read), NONE);
	ck_assert_uint_eq(read.range.len, 0);
	ck_assert_int_eq(read.high_watermark, 1);
}
END_TEST

/* --- the end -------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_stop_answers_everything)
{
	struct ask parked[5], watch, stop = { .stop = { .how = STOP_CLEAN } }, behind;

	ck_assert_int_eq(role_now(RIG_BROKER, 0, 2), NONE);
	for (int i = 0; i < 5; i++)
		rig_ask(&r, ask_append(&parked[i], -1, FOREVER, 1));
	rig_settle(&r);
	rig_ask(&r, ask_watch(&watch, &r));
	msg_init(&stop.msg, PARTITION_stop, NULL);
	rig_ask(&r, &stop);
	rig_ask(&r, ask_append(&behind, 1, FOREVER, 1));
	rig_wait_all(&r);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(parked[i].append.error, NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_lt(parked[i].order, stop.order);
	}
	ck_assert_int_ne(watch.order, 0);
	ck_assert_int_eq(stop.stop.result, OK);
	ck_assert(behind.was_declined || behind.append.error == NOT_LEADER_OR_FOLLOWER);
	ck_assert(!partition_is_open(r.addr));
	partition_join(r.addr);
	partition_addr_unref(&r.addr);
	logdir_close(&r.dir);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 5);
}
END_TEST

static void count_kind(void *arg, const struct logdir_entry *e)
{
	((int *)arg)[e->kind]++;
}

START_TEST(a_deleted_replica_leaves_the_directory)
{
	char problem[LOGDIR_ERROR_MAX];
	int kinds[4] = { 0 };

	rig_lead(&r, 0);
	ck_assert_int_eq(append_now(-1), NONE);
	rig_down(&r, STOP_DELETE);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 0);
	ck_assert_int_eq(partition_log_end_offset(r.addr), 0);
	ck_assert_int_eq(logdir_scan(r.dir, count_kind, kinds, problem), OK);
	ck_assert_int_eq(kinds[LOGDIR_PARTITION], 1);
	ck_assert_int_eq(kinds[LOGDIR_DELETED], 1);
}
END_TEST

START_TEST(everything_is_there_after_a_clean_stop)
{
	struct ask again;

	rig_lead(&r, 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(answer_of(ask_append_as(&again, 1, FOREVER, 1, 7, i)), NONE);
	rig_down(&r, STOP_CLEAN);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 1);
	ck_assert_int_eq(rig_read_all(&r, 0, NULL, NULL), 50);
	ck_assert_int_eq(answer_of(ask_append_as(&again, 1, FOREVER, 1, 7, 49)), NONE);
	ck_assert_int_eq(again.append.base_offset, 49);
	ck_assert_int_eq(answer_of(ask_append_as(&again, 1, FOREVER, 1, 7, 50)), NONE);
	ck_assert_int_eq(again.append.base_offset, 50);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition");
	TCase *t = tcase_create("actor");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, nothing_is_served_before_a_role);
	tcase_add_test(t, a_follower_names_the_leader);
	tcase_add_test(t, epochs_never_go_back);
	tcase_add_test(t, another_topic_id_is_refused);
	tcase_add_test(t, lost_leadership_answers_what_is_parked);
	tcase_add_test(t, answers_keep_the_order_of_questions);
	tcase_add_test(t, a_retry_is_a_duplicate_also_while_the_first_is_parked);
	tcase_add_test(t, who_asked_too_early_leaves_no_gap);
	tcase_add_loop_test(t, who_waits_for_the_disk, 0, (int)ARRAY_LEN(acks_rules));
	tcase_add_test(t, one_sync_serves_all_that_came_meanwhile);
	tcase_add_test(t, a_set_of_two_waits_for_the_other_replica);
	tcase_add_test(t, a_shrunken_set_syncs_before_it_counts);
	tcase_add_loop_test(t, who_waits_for_a_sync_goes_before_those_who_take_turns, 0, 2);
	tcase_add_test(t, too_few_replicas_in_sync);
	tcase_add_test(t, too_few_replicas_in_sync_by_the_time_of_the_answer);
	tcase_add_test(t, deadlines);
	tcase_add_test(t, a_full_disk_refuses_appends_until_there_is_room);
	tcase_add_test(t, a_disk_too_full_for_the_small_files_is_waited_for);
	tcase_add_loop_test(t, without_a_descriptor_an_append_is_refused_until_there_is_one, 0, 2);
	tcase_add_loop_test(t, a_partition_starts_on_a_full_disk, 0, 4);
	tcase_add_loop_test(t, an_untrue_recovery_point_goes_from_a_full_disk, 0, 2);
	tcase_add_test(t, a_broken_disk_takes_the_directory_offline);
	tcase_add_test(t, a_partition_that_nobody_asks_rests);
	tcase_add_loop_test(t, a_partition_whose_directory_failed_rests, 0, 2);
	tcase_add_test(t, nothing_is_served_after_a_failure_during_a_sync);
	tcase_add_test(t, a_watch_sleeps_until_there_is_news);
	tcase_add_test(t, only_a_follower_hears_of_the_log_end);
	tcase_add_test(t, offsets_by_name_and_time);
	tcase_add_test(t, a_look_up_holds_up_nobody);
	tcase_add_test(t, a_stop_answers_look_ups);
	tcase_add_test(t, lost_leadership_refuses_look_ups);
	tcase_add_test(t, a_broken_disk_answers_look_ups);
	tcase_add_test(t, damage_is_told_and_stays_where_it_is);
	tcase_add_test(t, reads_stay_within_bounds);
	tcase_add_test(t, a_stop_answers_everything);
	tcase_add_test(t, a_deleted_replica_leaves_the_directory);
	tcase_add_test(t, everything_is_there_after_a_clean_stop);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
