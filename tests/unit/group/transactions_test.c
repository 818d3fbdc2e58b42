/*
 * Offsets within transactions: pending until the marker, whether it finds them in memory, on their way, or in the log after an election.
 */
#include <check.h>
#include <stdlib.h>

#include "group/group_priv.h"
#include "group_rig.h"

enum { PRODUCER = 4711 };

static struct group_rig g;

static void setup(void)
{
	group_rig_init(&g, 1);
	ck_assert_int_eq(rig_up(&g.rig), OK);
	group_rig_elect(&g);
}

static void teardown(void)
{
	rig_down(&g.rig, STOP_CLEAN);
	group_rig_fini(&g);
}

static void lead(int32_t isr_count)
{
	struct ask role;

	rig_ask(&g.rig, ask_role(&role, RIG_BROKER, ++g.epoch, isr_count));
	rig_wait(&g.rig, &role);
	ck_assert_int_eq(role.role.error, NONE);
}

/* Another led meanwhile: everything is read again. */
static void reload(void)
{
	struct ask role;

	rig_ask(&g.rig, ask_role(&role, 1, ++g.epoch, 2));
	rig_wait(&g.rig, &role);
	group_rig_elect(&g);
}

static struct one_offset *ask_in_txn(struct one_offset *o, const char *group, int32_t partition, int64_t offset, int64_t producer_id, int16_t epoch)
{
	struct group_offset_commit *m = (struct group_offset_commit *)ask_commit(o, group, "x", partition, offset, "in txn")->ask.other;

	m->is_transactional = true;
	m->producer_id = producer_id;
	m->producer_epoch = epoch;
	return o;
}

static enum kafka_error in_txn(const char *group, int32_t partition, int64_t offset, int64_t producer_id)
{
	struct one_offset o;

	rig_ask(&g.rig, &ask_in_txn(&o, group, partition, offset, producer_id, 0)->ask);
	rig_wait(&g.rig, &o.ask);
	return one_error(&o);
}

static struct ask *ask_marker(struct ask *a, enum marker_type type, int64_t producer_id)
{
	const struct marker marker = { .type = type, .producer_id = producer_id, .timestamp = 1 };
	struct strbuf room = STRBUF_INIT;
	struct slice batch = marker_build(&marker, &room);

	memset(a, 0, sizeof(*a));
	msg_init(&a->msg, PARTITION_append, NULL);
	ck_assert_uint_le(batch.len, sizeof(a->batch));
	memcpy(a->batch, batch.ptr, batch.len);
	a->append.append = (struct log_append){ .batch = a->batch, .batch_bytes = (uint32_t)batch.len, .is_coordinator = true };
	a->append.acks = -1;
	a->append.timeout_ms = 30000;
	strbuf_fini(&room);
	return a;
}

static void end_txn(enum marker_type type, int64_t producer_id)
{
	struct ask a;

	rig_ask(&g.rig, ask_marker(&a, type, producer_id));
	rig_wait(&g.rig, &a);
	ck_assert_int_eq(a.append.error, NONE);
}

static enum kafka_error stable_error(const char *group, int32_t partition)
{
	struct ask a;
	struct group_offset_fetch *m = (struct group_offset_fetch *)a.other;
	struct group_offset o = { .topic = SLICE_LIT("x"), .partition = partition };

	memset(&a, 0, sizeof(a));
	msg_init(&a.msg, GROUP_offset_fetch, NULL);
	m->group = slice_str(group);
	m->is_stable_required = true;
	m->offsets = &o;
	m->count = 1;
	arena_init(&m->arena, 1 << 20);
	rig_ask(&g.rig, &a);
	rig_wait(&g.rig, &a);
	arena_fini(&m->arena);
	return m->q.error != NONE ? m->q.error : o.error;
}

static int txn_count(void)
{
	return (int)map_count(&group_rig_coordinator(&g)->txns);
}

/* _i: with an election after the commits (1), after the marker (2), or both. */
START_TEST(offsets_count_from_the_marker_on)
{
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 1), NONE);
	ck_assert_int_eq(in_txn("a", 0, 5, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("a", 0, 6, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("b", 1, 7, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("a", 2, 8, PRODUCER + 1), NONE);
	if (_i & 1)
		reload();
	ck_assert_int_eq(txn_count(), 2);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
	ck_assert_int_eq(group_fetch(&g, "b", "x", 1), -1);
	ck_assert_int_eq(stable_error("a", 0), UNSTABLE_OFFSET_COMMIT);
	ck_assert_int_eq(stable_error("b", 1), UNSTABLE_OFFSET_COMMIT);
	ck_assert_int_eq(stable_error("a", 1), NONE);
	end_txn(MARKER_COMMIT, PRODUCER);
	if (_i & 2)
		reload();
	ck_assert_int_eq(txn_count(), 1);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 6);
	ck_assert_int_eq(group_fetch(&g, "b", "x", 1), 7);
	ck_assert_int_eq(stable_error("a", 0), NONE);
	ck_assert_int_eq(stable_error("a", 2), UNSTABLE_OFFSET_COMMIT);
	end_txn(MARKER_ABORT, PRODUCER + 1);
	ck_assert_int_eq(txn_count(), 0);
	ck_assert_int_eq(stable_error("a", 2), NONE);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 2), -1);
	if (_i & 2)
		reload();
	ck_assert_int_eq(group_fetch(&g, "a", "x", 2), -1);
}
END_TEST

START_TEST(a_newer_commit_stays)
{
	ck_assert_int_eq(in_txn("a", 0, 5, PRODUCER), NONE);
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 3), NONE);
	if (_i & 1)
		reload();
	end_txn(MARKER_COMMIT, PRODUCER);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 3);
	reload();
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 3);
}
END_TEST

/* What was deleted does not come back by a transaction that began before. */
START_TEST(a_deletion_counts_for_what_is_pending)
{
	ck_assert_int_eq(in_txn("a", 0, 5, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("a", 1, 5, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("b", 0, 6, PRODUCER), NONE);
	ck_assert_int_eq(group_delete_offset(&g, "a", "x", 0), NONE);
	ck_assert_int_eq(group_delete(&g, "b"), NONE);
	if (_i & 1)
		reload();
	end_txn(MARKER_COMMIT, PRODUCER);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(group_fetch(&g, "a", "x", 0), -1);
		ck_assert_int_eq(group_fetch(&g, "a", "x", 1), 5);
		ck_assert_int_eq(group_fetch(&g, "b", "x", 0), -1);
		reload();
	}
}
END_TEST

/* All in one step: the marker finds commits that are not home yet. */
START_TEST(a_marker_overtakes_answers)
{
	struct one_offset o[3];
	struct ask marker;

	for (int i = 0; i < 3; i++)
		rig_ask(&g.rig, &ask_in_txn(&o[i], "a", i, 10 + i, PRODUCER, 0)->ask);
	rig_settle(&g.rig);
	rig_ask(&g.rig, ask_marker(&marker, MARKER_COMMIT, PRODUCER));
	rig_wait(&g.rig, &marker);
	rig_wait_all(&g.rig);
	ck_assert_int_eq(marker.append.error, NONE);
	ck_assert_int_eq(txn_count(), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(one_error(&o[i]), NONE);
		ck_assert_int_eq(group_fetch(&g, "a", "x", i), 10 + i);
		ck_assert_int_eq(stable_error("a", i), NONE);
	}
}
END_TEST

/* The same while a follower holds the high watermark back: commits and marker are answered at once, in the order of the log. */
START_TEST(all_is_committed_together)
{
	struct one_offset o[3];
	struct ask marker;

	lead(2);
	for (int i = 0; i < 3; i++)
		rig_ask(&g.rig, &ask_in_txn(&o[i], "a", i, 10 + i, PRODUCER, 0)->ask);
	rig_pass(&g.rig, 10);
	rig_ask(&g.rig, ask_marker(&marker, MARKER_COMMIT, PRODUCER));
	rig_pass(&g.rig, 10);
	ck_assert_int_eq(marker.order, 0);
	ck_assert_int_eq(stable_error("a", 0), UNSTABLE_OFFSET_COMMIT);
	lead(1);
	rig_wait_all(&g.rig);
	ck_assert_int_eq(marker.append.error, NONE);
	ck_assert_int_eq(txn_count(), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(group_fetch(&g, "a", "x", i), 10 + i);
}
END_TEST

/* It was told that it failed, and is in the log: as the next coordinator will find it. */
START_TEST(what_timed_out_is_in_the_log)
{
	struct one_offset o;

	lead(2);
	rig_ask(&g.rig, &ask_in_txn(&o, "a", 0, 5, PRODUCER, 0)->ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), REQUEST_TIMED_OUT);
	ck_assert_int_eq(stable_error("a", 0), UNSTABLE_OFFSET_COMMIT);
	lead(1);
	end_txn(MARKER_COMMIT, PRODUCER);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 5);
	reload();
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 5);
}
END_TEST

/* Markers come while the log is read; the end of what is read moves on with them. */
START_TEST(a_marker_comes_while_the_log_is_read)
{
	struct ask role, marker;

	g.config->offsets_load_buffer_size = 128;
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(in_txn("a", i, 10 + i, PRODUCER), NONE);
	rig_ask(&g.rig, ask_role(&role, 1, ++g.epoch, 2));
	rig_wait(&g.rig, &role);
	lead(1);
	ck_assert_int_eq(group_fetch_error(&g, "a"), COORDINATOR_LOAD_IN_PROGRESS);
	rig_ask(&g.rig, ask_marker(&marker, MARKER_COMMIT, PRODUCER));
	rig_wait(&g.rig, &marker);
	ck_assert_int_eq(marker.append.error, NONE);
	for (int i = 0; group_fetch_error(&g, "a") == COORDINATOR_LOAD_IN_PROGRESS; i++) {
		ck_assert_int_lt(i, 1000);
		rig_pass(&g.rig, 10);
	}
	ck_assert_int_eq(txn_count(), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(group_fetch(&g, "a", "x", i), 10 + i);
}
END_TEST

START_TEST(what_is_pending_does_not_expire)
{
	ck_assert_int_eq(group_commit(&g, "a", "x", 0, 1), NONE);
	ck_assert_int_eq(in_txn("a", 0, 5, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("b", 0, 6, PRODUCER), NONE);
	ck_assert_int_eq(in_txn("c", 0, 7, PRODUCER + 1), NONE);
	end_txn(MARKER_ABORT, PRODUCER + 1);
	rig_pass(&g.rig, 8 * 86400000LL);
	ck_assert_int_eq(group_fetch(&g, "a", "x", 0), 1);
	ck_assert_str_eq(group_state(&g, "b"), "Empty");
	ck_assert_str_eq(group_state(&g, "c"), "Dead");		/* nothing is left of it */
	end_txn(MARKER_COMMIT, PRODUCER);
	ck_assert_int_eq(group_fetch(&g, "b", "x", 0), 6);
	rig_pass(&g.rig, 8 * 86400000LL);
	ck_assert_str_eq(group_state(&g, "a"), "Dead");
	ck_assert_str_eq(group_state(&g, "b"), "Dead");
}
END_TEST

START_TEST(who_may_commit_in_a_transaction)
{
	struct one_offset o;
	struct group_offset_commit *m = (struct group_offset_commit *)o.ask.other;

	ask_in_txn(&o, "a", 0, 1, PRODUCER, 3);
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), NONE);
	ask_in_txn(&o, "a", 0, 2, PRODUCER, 2);		/* a zombie */
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), INVALID_PRODUCER_EPOCH);
	ask_in_txn(&o, "new", 0, 2, PRODUCER, 3);
	m->caller.generation = 4;			/* of a group that is not known */
	rig_ask(&g.rig, &o.ask);
	rig_wait(&g.rig, &o.ask);
	ck_assert_int_eq(one_error(&o), UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(txn_count(), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("transactions of groups");
	TCase *t = tcase_create("rules");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, offsets_count_from_the_marker_on, 0, 4);
	tcase_add_loop_test(t, a_newer_commit_stays, 0, 2);
	tcase_add_loop_test(t, a_deletion_counts_for_what_is_pending, 0, 2);
	tcase_add_test(t, a_marker_overtakes_answers);
	tcase_add_test(t, all_is_committed_together);
	tcase_add_test(t, what_timed_out_is_in_the_log);
	tcase_add_test(t, a_marker_comes_while_the_log_is_read);
	tcase_add_test(t, what_is_pending_does_not_expire);
	tcase_add_test(t, who_may_commit_in_a_transaction);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);

	SRunner *r = srunner_create(s);

	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
