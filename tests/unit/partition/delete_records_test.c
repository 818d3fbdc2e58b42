/*
 * DeleteRecords at the leader: what is refused, how far the log start goes, whom the answer waits for.
 */
#include <check.h>
#include <stdlib.h>

#include "rig.h"

#define FOREVER  3600000
#define IDS(...) (int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (const int32_t[]){ __VA_ARGS__ }

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

static void append(int n)
{
	struct ask a;

	for (int i = 0; i < n; i++) {
		rig_ask(&r, ask_append(&a, 1, FOREVER, 1));
		rig_wait(&r, &a);
		ck_assert_int_eq(a.append.error, NONE);
	}
}

/* Replicas 0, 1, 2, of which the first is leader; all are in sync. */
static void lead_three(int32_t epoch)
{
	struct ask a;

	ask_role(&a, RIG_BROKER, epoch, 3);
	a.role.replica_count = 3;
	a.role.replicas[2] = a.role.isr[2] = 2;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
}

static void fetch(int32_t replica, int64_t offset, int64_t its_start)
{
	struct ask a;

	ask_read(&a, offset, 4096);
	a.read.replica_id = replica;
	a.read.is_first_look = a.read.follower_is_live = true;
	a.read.follower_log_start_offset = its_start;
	a.read.received = os_mono_ms(r.os);
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.read.error, NONE);
	if (a.read.range.file != NULL)
		log_file_unref(&a.read.range.file);
}

static struct ask *ask_delete(struct ask *a, int64_t offset, int32_t timeout_ms, int n, const int32_t *live)
{
	memset(a, 0, sizeof(*a));
	msg_init(&a->msg, PARTITION_delete_records, NULL);
	a->delete_records.offset = offset;
	a->delete_records.timeout_ms = timeout_ms;
	a->delete_records.live_count = n;
	memcpy(a->delete_records.live, live, (size_t)n * sizeof(*live));
	return a;
}

static void expect(const struct ask *a, enum kafka_error error, int64_t low_watermark)
{
	ck_assert_int_ne(a->order, 0);
	ck_assert_int_eq(a->delete_records.error, error);
	ck_assert_int_eq(a->delete_records.low_watermark, low_watermark);
}

/* Of a replica that is alone: answered at once. */
static void delete_alone(int64_t offset, enum kafka_error error, int64_t low_watermark)
{
	struct ask a;

	rig_ask(&r, ask_delete(&a, offset, 0, IDS(0)));
	rig_wait(&r, &a);
	expect(&a, error, low_watermark);
}

static int64_t start(void)
{
	return partition_log_start_offset(r.addr);
}

static enum kafka_error read_at(int64_t offset)
{
	struct ask a;

	rig_ask(&r, ask_read(&a, offset, 4096));
	rig_wait(&r, &a);
	if (a.read.range.file != NULL)
		log_file_unref(&a.read.range.file);
	return a.read.error;
}

START_TEST(as_far_as_asked)
{
	struct ask a;

	rig_lead(&r, 1);
	append(5);
	delete_alone(2, NONE, 2);
	ck_assert_int_eq(start(), 2);
	ck_assert_int_eq(read_at(1), OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(read_at(2), NONE);
	delete_alone(1, NONE, 2);		/* is gone already */
	delete_alone(0, NONE, 2);
	delete_alone(-2, OFFSET_OUT_OF_RANGE, -1);
	delete_alone(INT64_MIN, OFFSET_OUT_OF_RANGE, -1);
	delete_alone(6, OFFSET_OUT_OF_RANGE, -1);
	delete_alone(INT64_MAX, OFFSET_OUT_OF_RANGE, -1);
	ck_assert_int_eq(start(), 2);
	delete_alone(DELETE_RECORDS_TO_HIGH_WATERMARK, NONE, 5);
	delete_alone(5, NONE, 5);
	ck_assert_int_eq(start(), 5);
	rig_ask(&r, ask_list(&a, LIST_OFFSETS_EARLIEST));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.found.offset, 5);
	append(1);
	ck_assert_int_eq(read_at(5), NONE);
	rig_down(&r, STOP_CLEAN);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_lead(&r, 2);
	ck_assert_int_eq(start(), 5);
}
END_TEST

START_TEST(who_may_not)
{
	struct ask a;

	delete_alone(0, NOT_LEADER_OR_FOLLOWER, -1);
	rig_ask(&r, ask_role(&a, 1, 1, 2));
	rig_wait(&r, &a);
	delete_alone(0, NOT_LEADER_OR_FOLLOWER, -1);
	rig_lead(&r, 2);
	memset(&a, 0, sizeof(a));
	msg_init(&a.msg, PARTITION_config, NULL);
	a.config.config = r.config;
	a.config.config.cleanup_policy = CLEANUP_COMPACT;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	delete_alone(0, POLICY_VIOLATION, -1);
	a.order = 0;
	a.config.config.cleanup_policy = CLEANUP_COMPACT | CLEANUP_DELETE;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	delete_alone(0, NONE, 0);
}
END_TEST

START_TEST(all_who_live_are_waited_for)
{
	struct ask all, one;

	lead_three(1);
	append(4);
	for (int32_t i = 1; i < 3; i++)
		fetch(i, 4, 0);
	rig_ask(&r, ask_delete(&all, 3, FOREVER, IDS(0, 1, 2)));
	rig_ask(&r, ask_delete(&one, DELETE_RECORDS_TO_HIGH_WATERMARK, FOREVER, IDS(0, 2)));
	rig_pass(&r, 10);
	ck_assert_int_eq(start(), 4);
	ck_assert_int_eq(all.order, 0);
	ck_assert_int_eq(one.order, 0);
	fetch(2, 4, 4);
	rig_wait(&r, &one);
	expect(&one, NONE, 4);
	ck_assert_int_eq(one.delete_records.offset, 4);
	ck_assert_int_eq(all.order, 0);
	fetch(1, 4, 2);
	ck_assert_int_eq(all.order, 0);
	fetch(1, 4, 3);
	rig_wait(&r, &all);
	expect(&all, NONE, 3);
}
END_TEST

START_TEST(who_has_not_told_is_waited_for)
{
	struct ask a;

	lead_three(1);
	rig_ask(&r, ask_delete(&a, 0, FOREVER, IDS(0, 1)));
	rig_pass(&r, 10);
	ck_assert_int_eq(a.order, 0);
	fetch(1, 0, 0);
	rig_wait(&r, &a);
	expect(&a, NONE, 0);
}
END_TEST

START_TEST(not_for_longer_than_asked)
{
	struct ask a, again;

	lead_three(1);
	append(2);
	for (int32_t i = 1; i < 3; i++)
		fetch(i, 2, 0);
	rig_ask(&r, ask_delete(&a, 2, 0, IDS(0, 1, 2)));
	rig_wait(&r, &a);
	expect(&a, REQUEST_TIMED_OUT, -1);
	ck_assert_int_eq(start(), 2);		/* it is done here all the same */
	mono_ms before = os_mono_ms(r.os);
	rig_ask(&r, ask_delete(&again, DELETE_RECORDS_TO_HIGH_WATERMARK, 500, IDS(0, 1, 2)));
	rig_wait(&r, &again);
	expect(&again, REQUEST_TIMED_OUT, -1);
	ck_assert_int_ge(again.answered_at - before, 500);
	ck_assert_int_le(again.answered_at - before, 520);
	fetch(1, 2, 2);
	again.order = 0;
	again.delete_records.live_count = 2;	/* the third has died meanwhile */
	rig_ask(&r, &again);
	rig_wait(&r, &again);
	expect(&again, NONE, 2);
}
END_TEST

enum ending { ENDS_FOLLOWING, ENDS_OFFLINE, ENDS_STOPPED, ENDING_KINDS };

/* Whatever ends the wait: answered once, by what happened. */
START_TEST(the_wait_ends)
{
	struct ask a, end;

	lead_three(1);
	append(2);
	for (int32_t i = 1; i < 3; i++)
		fetch(i, 2, 0);
	rig_ask(&r, ask_delete(&a, 2, FOREVER, IDS(0, 1, 2)));
	rig_pass(&r, 10);
	ck_assert_int_eq(a.order, 0);
	switch ((enum ending)_i) {
	case ENDS_FOLLOWING:
		rig_ask(&r, ask_role(&end, 1, 2, 2));
		rig_wait(&r, &a);
		expect(&a, NOT_LEADER_OR_FOLLOWER, -1);
		break;
	case ENDS_OFFLINE:
		memset(&end, 0, sizeof(end));
		msg_init(&end.msg, PARTITION_offline, NULL);
		rig_ask(&r, &end);
		rig_wait(&r, &a);
		expect(&a, KAFKA_STORAGE_ERROR, -1);
		delete_alone(0, KAFKA_STORAGE_ERROR, -1);
		break;
	case ENDS_STOPPED:
	case ENDING_KINDS:
		rig_down(&r, STOP_CLEAN);
		expect(&a, NOT_LEADER_OR_FOLLOWER, -1);
		ck_assert_int_eq(rig_up(&r), OK);
		break;
	}
	rig_wait_all(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("delete records");
	TCase *t = tcase_create("leader");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, as_far_as_asked);
	tcase_add_test(t, who_may_not);
	tcase_add_test(t, all_who_live_are_waited_for);
	tcase_add_test(t, who_has_not_told_is_waited_for);
	tcase_add_test(t, not_for_longer_than_asked);
	tcase_add_loop_test(t, the_wait_ends, 0, ENDING_KINDS);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
