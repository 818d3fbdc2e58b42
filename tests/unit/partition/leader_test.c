/*
 * A leader and its followers: what their fetches mean for the high watermark, who joins and who leaves the in-sync set, what is promised meanwhile.
 */
#include <check.h>
#include <stdlib.h>

#include "fake_controller.h"

#define FOREVER  3600000
#define LAG_MS   30000		/* as the rig says */
#define SET(...) (int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (const int32_t[]){ __VA_ARGS__ }

static struct rig r;
static struct fake_controller controller;

static void setup(void)
{
	rig_init(&r, 1);
	fake_controller_start(&controller, &r);
	ck_assert_int_eq(rig_up(&r), OK);
}

static void teardown(void)
{
	if (controller.held != NULL)
		fake_controller_answer(&controller, OPERATION_NOT_ATTEMPTED);
	rig_down(&r, STOP_CLEAN);
	fake_controller_stop(&controller);
	rig_fini(&r);
}

static void again_with(const struct topic_config *config, enum flush_acks flush_acks)
{
	rig_down(&r, STOP_CLEAN);
	r.config = *config;
	r.flush_acks = flush_acks;
	ck_assert_int_eq(rig_up(&r), OK);
}

/* Replicas 0, 1, 2; this one leads. */
static struct ask *ask_leads(struct ask *a, int32_t epoch, int n, const int32_t *isr)
{
	ask_role(a, RIG_BROKER, epoch, 1);
	a->role.replica_count = 3;
	a->role.isr_count = n;
	for (int32_t i = 0; i < 3; i++)
		a->role.replicas[i] = i;
	memcpy(a->role.isr, isr, (size_t)n * sizeof(*isr));
	return a;
}

static void lead(int32_t epoch, int n, const int32_t *isr)
{
	struct ask a;

	rig_ask(&r, ask_leads(&a, epoch, n, isr));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(a.role.is_changed);
	rig_settle(&r);
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

static struct ask *ask_fetch(struct ask *a, int32_t replica, int64_t offset)
{
	ask_read(a, offset, 4096);
	a->read.replica_id = replica;
	a->read.is_first_look = a->read.follower_is_live = true;
	a->read.follower_log_start_offset = 0;
	a->read.received = os_mono_ms(r.os);
	return a;
}

static enum kafka_error send_fetch(struct ask *a)
{
	rig_ask(&r, a);
	rig_wait(&r, a);
	if (a->read.range.file != NULL)
		log_file_unref(&a->read.range.file);
	rig_pass(&r, 2);		/* what it asks the controller arrives there */
	return a->read.error;
}

/* The high watermark that the follower is told. */
static int64_t fetch(int32_t replica, int64_t offset)
{
	struct ask a;

	ck_assert_int_eq(send_fetch(ask_fetch(&a, replica, offset)), NONE);
	return a.read.high_watermark;
}

static int64_t high_watermark(void)
{
	return partition_high_watermark(r.addr);
}

/* --- the high watermark --------------------------------------------------------------------------------------------------------------- */

START_TEST(the_slowest_in_sync_holds_the_high_watermark)
{
	lead(1, SET(0, 1, 2));
	append(3);
	ck_assert_int_eq(fetch(1, 3), 0);
	ck_assert_int_eq(high_watermark(), 0);
	ck_assert_int_eq(fetch(2, 1), 0);	/* the answer was made before the fetch had its effect */
	ck_assert_int_eq(high_watermark(), 1);
	ck_assert_int_eq(fetch(2, 3), 1);
	ck_assert_int_eq(high_watermark(), 3);
	ck_assert_int_eq(fetch(2, 3), 3);
	ck_assert_ptr_null(controller.held);
}
END_TEST

/* KAFKA-8400: only what succeeds, at the first look, without divergence, acknowledges. */
START_TEST(other_reads_acknowledge_nothing)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(3);
	ck_assert_int_eq(fetch(1, 0), 0);
	ask_fetch(&a, 1, 3);
	a.read.is_first_look = false;
	ck_assert_int_eq(send_fetch(&a), NONE);
	ck_assert_int_eq(high_watermark(), 0);
	ck_assert_int_eq(send_fetch(ask_fetch(&a, 1, 4)), OFFSET_OUT_OF_RANGE);
	ask_fetch(&a, 1, 3);
	a.read.current_leader_epoch = 0;
	ck_assert_int_eq(send_fetch(&a), FENCED_LEADER_EPOCH);
	ask_fetch(&a, 1, 3);
	a.read.last_fetched_epoch = 0;		/* an epoch that ended at 0 */
	ck_assert_int_eq(send_fetch(&a), NONE);
	ck_assert_int_ge(a.read.diverging_end_offset, 0);
	ck_assert_uint_eq(a.read.range.len, 0);
	ck_assert_int_eq(high_watermark(), 0);
	ck_assert_int_eq(fetch(1, 3), 0);
	ck_assert_int_eq(high_watermark(), 3);
}
END_TEST

START_TEST(a_stranger_is_no_follower)
{
	struct ask a;

	lead(1, SET(0, 1));
	ck_assert_int_eq(send_fetch(ask_fetch(&a, 7, 0)), NOT_LEADER_OR_FOLLOWER);
	ask_fetch(&a, 7, 0);
	a.read.current_leader_epoch = 1;
	ck_assert_int_eq(send_fetch(&a), UNKNOWN_LEADER_EPOCH);
	ck_assert_int_eq(send_fetch(ask_fetch(&a, RIG_BROKER, 0)), NOT_LEADER_OR_FOLLOWER);
}
END_TEST

/* A new leader knows nothing of its followers until each has fetched; one elected again keeps what it knows. */
START_TEST(a_new_epoch_of_the_same_leader_keeps_what_followers_hold)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(2);
	fetch(1, 2);
	append(2);
	lead(2, SET(0, 1));
	ck_assert_int_eq(high_watermark(), 2);
	fetch(1, 4);
	ck_assert_int_eq(high_watermark(), 4);
	append(1);
	fetch(1, 5);
	rig_ask(&r, ask_role(&a, 1, 3, 2));
	rig_wait(&r, &a);
	lead(4, SET(0, 1));
	append(1);
	ck_assert_int_eq(high_watermark(), 5);
	fetch(1, 5);
	ck_assert_int_eq(high_watermark(), 5);
	fetch(1, 6);
	ck_assert_int_eq(high_watermark(), 6);
}
END_TEST

/* Epoch 2 was another's, of which this one was never told: the follower may have cut its log meanwhile, so what it once held counts no more. */
START_TEST(what_followers_held_two_epochs_ago_is_forgotten)
{
	lead(1, SET(0, 1, 2));
	append(4);
	fetch(1, 4);
	fetch(2, 2);
	ck_assert_int_eq(high_watermark(), 2);
	lead(3, SET(0, 1));
	ck_assert_int_eq(high_watermark(), 2);
	fetch(1, 3);
	ck_assert_int_eq(high_watermark(), 3);
	fetch(1, 4);
	ck_assert_int_eq(high_watermark(), 4);
}
END_TEST

/* KAFKA-15021: who is caught up but gone does not hold it back; who is about to join does. */
START_TEST(the_dead_are_not_waited_for)
{
	struct ask a;

	lead(1, SET(0));
	append(1);
	ask_fetch(&a, 1, 1);
	a.read.follower_is_live = false;
	ck_assert_int_eq(send_fetch(&a), NONE);
	ck_assert_ptr_null(controller.held);
	append(1);
	ck_assert_int_eq(high_watermark(), 2);

	fetch(1, 2);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	append(1);
	ck_assert_int_eq(high_watermark(), 2);		/* joining: in the maximal set */
	fake_controller_answer(&controller, INELIGIBLE_REPLICA);
	ck_assert_int_eq(high_watermark(), 3);		/* as good as dead until it fetches again */
	ck_assert_int_eq(controller.asked, 1);
	fetch(1, 3);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	fake_controller_answer(&controller, OPERATION_NOT_ATTEMPTED);
	append(1);
	ck_assert_int_eq(high_watermark(), 3);		/* alive and caught up: may ask again any moment */
	fetch(1, 4);
	ck_assert_int_eq(high_watermark(), 4);
}
END_TEST

/* --- joining -------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_follower_joins_when_it_holds_what_is_committed)
{
	lead(1, SET(0, 2));
	append(4);
	fetch(2, 3);
	ck_assert_int_eq(high_watermark(), 3);
	fetch(1, 2);
	ck_assert_ptr_null(controller.held);
	fetch(1, 3);
	ck_assert(fake_controller_holds(&controller, SET(0, 1, 2)));
	fetch(2, 4);
	ck_assert_int_eq(high_watermark(), 3);
	fetch(1, 4);
	ck_assert_int_eq(high_watermark(), 4);
	ck_assert_int_eq(controller.asked, 1);
	ck_assert_int_eq(__atomic_load_n(&r.addr->isr_count, __ATOMIC_RELAXED), 2);
	ck_assert(partition_is_under_replicated(r.addr));
	fake_controller_answer(&controller, NONE);
	ck_assert_int_eq(__atomic_load_n(&r.addr->isr_count, __ATOMIC_RELAXED), 3);
	ck_assert(!partition_is_under_replicated(r.addr));
	append(1);
	fetch(1, 5);
	ck_assert_int_eq(high_watermark(), 4);
	fetch(2, 5);
	ck_assert_int_eq(high_watermark(), 5);
}
END_TEST

/* KAFKA-7128: a new leader's high watermark lags; who has only that much may lack records that were committed before. */
START_TEST(nobody_joins_below_the_start_of_the_epoch)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(5);
	fetch(1, 2);
	rig_ask(&r, ask_role(&a, 1, 2, 2));
	rig_wait(&r, &a);
	lead(3, SET(0, 1));
	ck_assert_int_eq(high_watermark(), 2);
	fetch(2, 2);
	fetch(2, 4);
	ck_assert_ptr_null(controller.held);
	fetch(2, 5);
	ck_assert(fake_controller_holds(&controller, SET(0, 1, 2)));
	ck_assert_int_eq(controller.held->leader_epoch, 3);
}
END_TEST

START_TEST(the_partition_epoch_goes_with_each_change)
{
	struct ask a;

	ask_leads(&a, 1, SET(0));
	a.role.partition_epoch = 40;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	fetch(1, 0);
	ck_assert_int_eq(controller.held->partition_epoch, 40);
	ck_assert_ptr_eq(controller.held->partition, r.addr);
	fake_controller_answer(&controller, NONE);
	fetch(2, 0);
	ck_assert_int_eq(controller.held->partition_epoch, 41);
	ck_assert(fake_controller_holds(&controller, SET(0, 1, 2)));
}
END_TEST

/* --- leaving ---------------------------------------------------------------------------------------------------------------------------- */

START_TEST(who_stays_behind_leaves)
{
	mono_ms begin;

	lead(1, SET(0, 1, 2));
	fetch(1, 0);
	fetch(2, 0);
	append(1);
	begin = os_mono_ms(r.os);
	while (controller.held == NULL) {
		rig_pass(&r, 500);
		fetch(1, 1);
		ck_assert_int_lt(os_mono_ms(r.os) - begin, 2 * LAG_MS);
	}
	ck_assert_int_ge(os_mono_ms(r.os) - begin, LAG_MS - 1000);
	ck_assert_int_le(os_mono_ms(r.os) - begin, LAG_MS + LAG_MS / 2 + 1000);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	ck_assert_int_eq(high_watermark(), 0);		/* it is in the set until the store says otherwise */
	fetch(2, 1);
	ck_assert_int_eq(high_watermark(), 1);
}
END_TEST

/* Its last fetch may be long ago when something is appended: nobody asks again while there is no news. Its time begins with the append. */
START_TEST(who_was_at_the_end_of_an_idle_log_has_time)
{
	mono_ms begin;

	lead(1, SET(0, 1));
	append(1);
	fetch(1, 1);
	rig_pass(&r, 10 * LAG_MS);
	append(1);
	begin = os_mono_ms(r.os);
	while (controller.held == NULL) {
		rig_pass(&r, 500);
		ck_assert_int_lt(os_mono_ms(r.os) - begin, 2 * LAG_MS);
		append(1);		/* this one is no beginning: it was behind before */
	}
	ck_assert_int_ge(os_mono_ms(r.os) - begin, LAG_MS);
	ck_assert_int_le(os_mono_ms(r.os) - begin, LAG_MS + LAG_MS / 2 + 1000);
}
END_TEST

/* A follower that never quite reaches the moving end keeps up all the same: it is where the end was at its last fetch. */
START_TEST(who_follows_a_moving_end_stays)
{
	struct ask a;
	int64_t end = 0, seen = 0;

	lead(1, SET(0, 1));
	for (int i = 0; i < 300; i++) {
		rig_pass(&r, 500);
		append(2);
		end += 2;
		ask_fetch(&a, 1, seen);
		ck_assert_int_eq(send_fetch(&a), NONE);
		seen = end;
	}
	ck_assert_int_eq(controller.asked, 0);
}
END_TEST

/* KAFKA-13091: when the slow one has left, what waited for it is committed. */
START_TEST(a_shrunken_set_commits_what_waited)
{
	struct ask a;

	lead(1, SET(0, 1));
	fetch(1, 0);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_pass(&r, 2 * LAG_MS);
	ck_assert(fake_controller_holds(&controller, SET(0)));
	ck_assert_int_eq(a.order, 0);
	fake_controller_answer(&controller, NONE);
	rig_settle(&r);
	ck_assert_int_eq(high_watermark(), 1);
	ck_assert_int_ne(a.order, 0);
	ck_assert_int_eq(a.append.error, NONE);
	append(1);
	ck_assert_int_eq(high_watermark(), 2);
}
END_TEST

/* KAFKA-9672: the set may name who is no replica any more. */
START_TEST(who_is_no_replica_leaves)
{
	lead(1, SET(0, 1, 9));
	append(1);
	fetch(1, 1);
	ck_assert_int_eq(high_watermark(), 1);		/* nobody waits for what cannot come */
	for (int i = 0; i < 60 && controller.held == NULL; i++) {
		rig_pass(&r, 500);
		fetch(1, 1);
	}
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
}
END_TEST

/* An idle partition asks for no clock, however long. */
START_TEST(an_idle_leader_sleeps)
{
	uint64_t steps;

	lead(1, SET(0, 1, 2));
	append(3);
	fetch(1, 3);
	fetch(2, 3);
	rig_pass(&r, 120000);
	steps = r.addr->actor->counters.steps;
	rig_pass(&r, 24 * FOREVER);
	ck_assert_uint_le(r.addr->actor->counters.steps - steps, 2);
	ck_assert_int_eq(controller.asked, 0);

	/* behind, but nobody can be asked until the answer is there: no clock either */
	append(1);
	rig_pass(&r, 2 * LAG_MS);
	ck_assert_int_eq(controller.asked, 1);
	steps = r.addr->actor->counters.steps;
	rig_pass(&r, FOREVER);
	ck_assert_uint_le(r.addr->actor->counters.steps - steps, 2);
}
END_TEST

/* --- what becomes of a change ------------------------------------------------------------------------------------------------------------- */

enum after { AFTER_COMMITTED, AFTER_TAKEN_BACK, AFTER_UNSURE, AFTER_RESENT };
static const struct { enum kafka_error error; enum after after; } outcomes[] = {
	{ NONE, AFTER_COMMITTED },
	{ OPERATION_NOT_ATTEMPTED, AFTER_TAKEN_BACK }, { INELIGIBLE_REPLICA, AFTER_TAKEN_BACK },
	{ UNKNOWN_TOPIC_OR_PARTITION, AFTER_UNSURE }, { UNKNOWN_TOPIC_ID, AFTER_UNSURE }, { FENCED_LEADER_EPOCH, AFTER_UNSURE },
	{ INVALID_UPDATE_VERSION, AFTER_UNSURE }, { INVALID_REQUEST, AFTER_UNSURE }, { NEW_LEADER_ELECTED, AFTER_UNSURE },
	{ NETWORK_EXCEPTION, AFTER_RESENT }, { UNKNOWN_SERVER_ERROR, AFTER_RESENT }, { NOT_CONTROLLER, AFTER_RESENT },
};

/* An expansion that comes back with this; then the end moves on without the newcomer. */
START_TEST(outcomes_of_a_change)
{
	enum after after = outcomes[_i].after;

	lead(1, SET(0));
	append(1);
	fetch(1, 1);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	fake_controller_answer(&controller, outcomes[_i].error);
	ck_assert(after != AFTER_RESENT || controller.held == NULL);	/* not at once */
	rig_pass(&r, 100);
	ck_assert(after != AFTER_RESENT || fake_controller_holds(&controller, SET(0, 1)));
	ck_assert_int_eq(controller.asked, after == AFTER_RESENT ? 2 : 1);
	append(1);
	rig_pass(&r, 3 * LAG_MS);
	switch (after) {
	case AFTER_COMMITTED:		/* committed, and so it is to leave again */
		ck_assert_int_eq(high_watermark(), 1);
		ck_assert(fake_controller_holds(&controller, SET(0)));
		break;
	case AFTER_TAKEN_BACK:		/* once it falls behind nobody waits for it; the next append tells */
		append(1);
		ck_assert_int_eq(high_watermark(), 3);
		fetch(1, 3);
		ck_assert(fake_controller_holds(&controller, SET(0, 1)));
		break;
	case AFTER_UNSURE:		/* it may be in the set: waited for, for ever, and nothing more is asked, until a role says what is */
		ck_assert_int_eq(high_watermark(), 1);
		fetch(2, 2);
		ck_assert_int_eq(controller.asked, 1);
		ck_assert_ptr_null(controller.held);
		lead(2, SET(0));
		ck_assert_int_eq(high_watermark(), 2);
		fetch(2, 2);
		ck_assert(fake_controller_holds(&controller, SET(0, 2)));
		break;
	case AFTER_RESENT:
		ck_assert_int_eq(high_watermark(), 1);
		ck_assert_int_eq(controller.held->partition_epoch, 0);
		break;
	}
}
END_TEST

/* KAFKA-12686: a new role in between replaces the set; the answer to what was asked under the old one means nothing. */
START_TEST(an_answer_from_before_the_role_is_ignored)
{
	struct ask a;

	lead(1, SET(0));
	append(1);
	fetch(1, 1);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	ask_leads(&a, 2, SET(0, 2));
	a.role.partition_epoch = 7;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	append(1);
	fetch(1, 2);
	ck_assert_int_eq(high_watermark(), 1);
	fake_controller_answer(&controller, NONE);
	ck_assert_int_eq(__atomic_load_n(&r.addr->isr_count, __ATOMIC_RELAXED), 2);
	ck_assert_int_eq(high_watermark(), 1);		/* 2 is waited for */
	fetch(2, 2);
	ck_assert_int_eq(high_watermark(), 2);
	fetch(1, 2);
	ck_assert(fake_controller_holds(&controller, SET(0, 1, 2)));
	ck_assert_int_eq(controller.held->partition_epoch, 7);
}
END_TEST

/* I3: what is older than what is known is not applied. */
START_TEST(an_answer_of_an_older_set_is_not_applied)
{
	struct ask a;

	ask_leads(&a, 1, SET(0));
	a.role.partition_epoch = 7;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	fetch(1, 0);
	controller.held->partition_epoch = 3;		/* what the fake will count from */
	fake_controller_answer(&controller, NONE);
	ck_assert_int_eq(__atomic_load_n(&r.addr->isr_count, __ATOMIC_RELAXED), 1);
	append(1);
	ck_assert_int_eq(high_watermark(), 0);
}
END_TEST

START_TEST(a_stop_waits_for_the_change)
{
	struct ask stop = { .stop = { .how = STOP_CLEAN } };

	lead(1, SET(0));
	fetch(1, 0);
	ck_assert_ptr_nonnull(controller.held);
	msg_init(&stop.msg, PARTITION_stop, &r.desk);
	rig_ask(&r, &stop);
	rig_settle(&r);
	ck_assert_int_eq(stop.order, 0);
	fake_controller_answer(&controller, NETWORK_EXCEPTION);
	rig_wait(&r, &stop);
	ck_assert_int_eq(controller.asked, 1);
	partition_join(r.addr);
	partition_addr_unref(&r.addr);
	logdir_close(&r.dir);
	ck_assert_int_eq(rig_up(&r), OK);
}
END_TEST

/* --- promises ----------------------------------------------------------------------------------------------------------------------------- */

/* Only the committed set is counted on: a set of two that is still asked for spares nobody the sync. */
START_TEST(a_pending_member_is_no_second_copy)
{
	struct ask a, fetched;

	lead(1, SET(0));
	append(1);
	rig_settle(&r);
	fetch(1, 1);
	ck_assert(fake_controller_holds(&controller, SET(0, 1)));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	while (partition_log_end_offset(r.addr) < 2)
		rig_run(&r, 1);
	ask_fetch(&fetched, 1, 2);
	rig_ask(&r, &fetched);
	rig_settle(&r);
	ck_assert_int_eq(a.append.error, KAFKA_STORAGE_ERROR);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* ... and with two in the set no disk is waited for. */
START_TEST(a_committed_pair_needs_no_sync)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(1);
	fetch(1, 1);
	rig_settle(&r);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_settle(&r);
	ck_assert_int_eq(a.order, 0);
	fetch(1, 2);
	rig_settle(&r);
	ck_assert_int_eq(a.append.error, NONE);
	ck_assert(!logdir_is_offline(r.dir));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* Before the set comes down to the leader, what was promised on the strength of two is on its disk; else it does not come down. */
START_TEST(nobody_is_left_alone_with_what_is_not_synced)
{
	lead(1, SET(0, 1));
	append(1);
	fetch(1, 1);
	rig_settle(&r);
	append(1);
	fetch(1, 2);
	append(1);
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_pass(&r, 3 * LAG_MS);
	ck_assert_int_eq(controller.asked, 0);
	ck_assert(logdir_is_offline(r.dir));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* The same while the change is under way: the one that leaves counts no more, though it still holds the high watermark back. */
START_TEST(who_is_leaving_is_no_second_copy)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(1);
	fetch(1, 0);
	rig_pass(&r, 2 * LAG_MS);
	ck_assert(fake_controller_holds(&controller, SET(0)));
	sim_fail_often(r.sim, SIM_SYNC, NULL, 1000000, ERR_IO);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_settle(&r);
	ck_assert_int_eq(a.append.error, KAFKA_STORAGE_ERROR);	/* it asked for a sync */
	sim_fail_often(r.sim, SIM_SYNC, NULL, 0, OK);
}
END_TEST

/* The minimum counts the committed set before an append, the maximal one after it. */
START_TEST(the_minimum_of_replicas_in_sync)
{
	struct topic_config config = r.config;
	struct ask a;

	config.min_insync_replicas = 3;
	again_with(&config, FLUSH_ACKS_ALWAYS);
	lead(1, SET(0, 1));
	append(1);
	fetch(1, 1);
	rig_settle(&r);
	ck_assert_int_eq(high_watermark(), 0);
	fetch(2, 1);
	ck_assert(fake_controller_holds(&controller, SET(0, 1, 2)));
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.append.error, NOT_ENOUGH_REPLICAS);
	fake_controller_answer(&controller, NONE);
	ck_assert_int_eq(high_watermark(), 1);
	rig_ask(&r, ask_append(&a, -1, FOREVER, 1));
	rig_pass(&r, 2);
	fetch(1, 2);
	fetch(2, 2);
	rig_settle(&r);
	ck_assert_int_eq(a.append.error, NONE);
}
END_TEST

/* KIP-207: after an election offsets must not seem to go back. */
START_TEST(the_latest_offset_waits_for_the_high_watermark)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(3);
	lead(2, SET(0, 1));
	rig_ask(&r, ask_list(&a, LIST_OFFSETS_LATEST));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.error, OFFSET_NOT_AVAILABLE);
	rig_ask(&r, ask_list(&a, LIST_OFFSETS_EARLIEST));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.error, NONE);
	ask_list(&a, LIST_OFFSETS_LATEST);
	a.list.replica_id = 1;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.error, NONE);
	ck_assert_int_eq(a.list.found.offset, 3);
	fetch(1, 3);
	rig_ask(&r, ask_list(&a, LIST_OFFSETS_LATEST));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.list.error, NONE);
	ck_assert_int_eq(a.list.found.offset, 3);
}
END_TEST

START_TEST(choices_for_a_reader)
{
	struct partition_reader_choice choices[4];
	struct ask a;

	lead(1, SET(0, 1, 2));
	append(4);
	fetch(1, 3);
	fetch(2, 1);
	ask_read(&a, 1, 4096);
	a.read.any_replica = true;
	a.read.choices = choices;
	a.read.choices_max = 4;
	ck_assert_int_eq(send_fetch(&a), NONE);
	ck_assert_int_eq(a.read.choices_count, 3);
	ck_assert_int_eq(choices[0].broker_id, 0);
	ck_assert_int_eq(choices[0].caught_up, MONO_NEVER);
	ck_assert_int_eq(choices[1].broker_id, 1);
	ck_assert_int_eq(choices[1].log_end_offset, 3);
	ask_read(&a, 2, 4096);
	a.read.choices = choices;
	a.read.choices_max = 4;
	ck_assert_int_eq(send_fetch(&a), NONE);
	ck_assert_int_eq(a.read.choices_count, 2);	/* 2 does not hold it */
}
END_TEST

/* A long poll at the leader hears of what a follower's fetch commits; a follower's watch hears of the end only. */
START_TEST(a_followers_fetch_wakes_readers)
{
	struct ask watch;

	lead(1, SET(0, 1));
	append(1);
	rig_ask(&r, ask_watch(&watch, &r));
	rig_settle(&r);
	ck_assert_int_eq(watch.order, 0);
	fetch(1, 1);
	ck_assert_int_ne(watch.order, 0);
}
END_TEST

/* --- roles ------------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(roles)
{
	struct ask a;

	ask_leads(&a, 3, SET(0, 1));
	a.role.partition_epoch = 10;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(a.role.is_changed);
	ck_assert_int_eq(a.role.last_epoch, 3);		/* KAFKA-7415: the epoch is there before a record of it is */
	ck_assert_int_eq(a.role.log_end_offset, 0);
	/* the same once more */
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, STALE_CONTROLLER_EPOCH);
	ck_assert(!a.role.is_changed);
	/* a newer epoch from somebody older */
	ask_role(&a, 1, 4, 2);
	a.role.partition_epoch = 9;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(!a.role.is_changed);
	ck_assert(partition_is_leader(r.addr));
	/* not for us */
	ask_role(&a, 1, 4, 2);
	a.role.partition_epoch = 11;
	a.role.replicas[0] = 5;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(partition_leader_epoch(r.addr), 3);
	/* a follower whose id is left out is no error */
	ask_role(&a, 1, 5, 2);
	a.role.partition_epoch = 11;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert(a.role.is_changed);
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);		/* no topic id in it, one in the log */
	ck_assert(!a.role.is_changed);
	a.role.topic_id = r.topic_id;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, STALE_CONTROLLER_EPOCH);
	/* nobody leads */
	ask_role(&a, -1, 6, 2);
	a.role.partition_epoch = 12;
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(!partition_is_leader(r.addr));
}
END_TEST

START_TEST(a_log_that_has_no_topic_id_is_given_one)
{
	struct ask a;

	rig_down(&r, STOP_DELETE);
	r.topic_id = (struct uuid){ { 0 } };
	ck_assert_int_eq(rig_up(&r), OK);
	rig_ask(&r, ask_leads(&a, 1, SET(0)));
	rig_wait(&r, &a);
	ask_leads(&a, 1, SET(0));
	a.role.topic_id = (struct uuid){ { 9 } };
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, NONE);
	ck_assert(!a.role.is_changed);
	a.role.topic_id = (struct uuid){ { 8 } };
	rig_ask(&r, &a);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, INCONSISTENT_TOPIC_ID);
}
END_TEST

static void note_elected(void *arg, struct partition_addr *p, int32_t leader_epoch)
{
	struct strbuf *s = arg;

	ck_assert_ptr_eq(p, r.addr);
	ck_assert(partition_is_leader(p));
	ck_assert_ptr_eq(actor_current(), p->actor);
	strbuf_printf(s, "elected %d ", leader_epoch);
}

static void note_resigned(void *arg, struct partition_addr *p UNUSED)
{
	strbuf_printf(arg, "resigned ");
}

static void note_stop(void *arg, struct partition_addr *p UNUSED)
{
	strbuf_printf(arg, "stop ");
}

static void down_and_check(struct strbuf *notes, const char *expected)
{
	rig_down(&r, STOP_CLEAN);
	ck_assert_str_eq(strbuf_cstr(notes), expected);
	strbuf_fini(notes);
	ck_assert_int_eq(rig_up(&r), OK);
}

START_TEST(a_hook_hears_of_elections)
{
	struct strbuf notes = STRBUF_INIT;
	struct partition_hook hooks[] = {
		{ .topic = "other" }, { .topic = "t", .on_elected = note_elected, .on_resigned = note_resigned, .on_stop = note_stop, .arg = &notes },
	};
	struct ask a;

	rig_down(&r, STOP_CLEAN);
	r.hooks = hooks;
	r.hook_count = (int)ARRAY_LEN(hooks);
	ck_assert_int_eq(rig_up(&r), OK);
	lead(1, SET(0));
	lead(2, SET(0));
	rig_ask(&r, ask_leads(&a, 2, SET(0)));		/* a duplicate: nothing */
	rig_wait(&r, &a);
	for (int32_t epoch = 3; epoch < 5; epoch++) {
		rig_ask(&r, ask_role(&a, 1, epoch, 2));
		rig_wait(&r, &a);
	}
	lead(5, SET(0));
	down_and_check(&notes, "elected 1 elected 2 resigned elected 5 resigned stop ");
	down_and_check(&notes, "stop ");
	lead(6, SET(0));
	sim_fail_often(r.sim, SIM_WRITE, NULL, 1000000, ERR_IO);
	rig_ask(&r, ask_append(&a, 1, FOREVER, 1));
	rig_wait(&r, &a);
	ck_assert_str_eq(strbuf_cstr(&notes), "elected 6 resigned ");
	sim_fail_often(r.sim, SIM_WRITE, NULL, 0, OK);
	rig_down(&r, STOP_CLEAN);
	ck_assert_str_eq(strbuf_cstr(&notes), "elected 6 resigned stop ");
	strbuf_fini(&notes);
	r.hook_count = 0;
	ck_assert_int_eq(rig_up(&r), OK);
}
END_TEST

/* --- failures ----------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_failed_directory_is_told_once)
{
	struct ask a, role;

	lead(1, SET(0, 1));
	fetch(1, 0);
	fetch(2, 0);
	ck_assert_ptr_nonnull(controller.held);
	sim_fail_often(r.sim, SIM_WRITE, NULL, 1000000, ERR_IO);
	for (int i = 0; i < 3; i++) {
		rig_ask(&r, ask_append(&a, 1, FOREVER, 1));
		rig_wait(&r, &a);
		ck_assert_int_eq(a.append.error, KAFKA_STORAGE_ERROR);
	}
	rig_settle(&r);
	ck_assert_int_eq(controller.dirs_failed, 1);
	fake_controller_answer(&controller, NONE);	/* nothing may come of it */
	rig_ask(&r, ask_leads(&role, 2, SET(0, 1)));
	rig_wait(&r, &role);
	ck_assert_int_eq(role.role.error, KAFKA_STORAGE_ERROR);
	ck_assert(!role.role.is_changed);
	sim_fail_often(r.sim, SIM_WRITE, NULL, 0, OK);
}
END_TEST

START_TEST(offline_as_the_controller_says)
{
	struct ask parked, offline, read;

	lead(1, SET(0, 1));
	rig_ask(&r, ask_append(&parked, -1, FOREVER, 1));
	rig_settle(&r);
	memset(&offline, 0, sizeof(offline));
	msg_init(&offline.msg, PARTITION_offline, NULL);
	rig_ask(&r, &offline);
	rig_wait(&r, &offline);
	ck_assert_int_eq(parked.append.error, KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(send_fetch(ask_fetch(&read, 1, 0)), KAFKA_STORAGE_ERROR);
	rig_ask(&r, &offline);
	rig_wait(&r, &offline);
	rig_settle(&r);
	ck_assert_int_eq(controller.dirs_failed, 0);	/* it knows */
	ck_assert(!partition_is_leader(r.addr));
}
END_TEST

START_TEST(a_log_that_cannot_be_opened)
{
	struct ask a;

	lead(1, SET(0, 1));
	append(1);
	rig_down(&r, STOP_CLEAN);
	sim_fail_often(r.sim, SIM_OPEN, RIG_DIR "/t-0", 1000000, ERR_IO);
	ck_assert_int_eq(rig_up(&r), OK);
	rig_ask(&r, ask_leads(&a, 2, SET(0, 1)));
	rig_wait(&r, &a);
	ck_assert_int_eq(a.role.error, KAFKA_STORAGE_ERROR);
	rig_settle(&r);
	ck_assert_int_eq(controller.dirs_failed, 1);
	sim_fail_often(r.sim, SIM_OPEN, NULL, 0, OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition as leader");
	TCase *t = tcase_create("leader");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_slowest_in_sync_holds_the_high_watermark);
	tcase_add_test(t, other_reads_acknowledge_nothing);
	tcase_add_test(t, a_stranger_is_no_follower);
	tcase_add_test(t, a_new_epoch_of_the_same_leader_keeps_what_followers_hold);
	tcase_add_test(t, what_followers_held_two_epochs_ago_is_forgotten);
	tcase_add_test(t, the_dead_are_not_waited_for);
	tcase_add_test(t, a_follower_joins_when_it_holds_what_is_committed);
	tcase_add_test(t, nobody_joins_below_the_start_of_the_epoch);
	tcase_add_test(t, the_partition_epoch_goes_with_each_change);
	tcase_add_test(t, who_stays_behind_leaves);
	tcase_add_test(t, who_was_at_the_end_of_an_idle_log_has_time);
	tcase_add_test(t, who_follows_a_moving_end_stays);
	tcase_add_test(t, a_shrunken_set_commits_what_waited);
	tcase_add_test(t, who_is_no_replica_leaves);
	tcase_add_test(t, an_idle_leader_sleeps);
	tcase_add_loop_test(t, outcomes_of_a_change, 0, (int)ARRAY_LEN(outcomes));
	tcase_add_test(t, an_answer_from_before_the_role_is_ignored);
	tcase_add_test(t, an_answer_of_an_older_set_is_not_applied);
	tcase_add_test(t, a_stop_waits_for_the_change);
	tcase_add_test(t, a_pending_member_is_no_second_copy);
	tcase_add_test(t, a_committed_pair_needs_no_sync);
	tcase_add_test(t, nobody_is_left_alone_with_what_is_not_synced);
	tcase_add_test(t, who_is_leaving_is_no_second_copy);
	tcase_add_test(t, the_minimum_of_replicas_in_sync);
	tcase_add_test(t, the_latest_offset_waits_for_the_high_watermark);
	tcase_add_test(t, choices_for_a_reader);
	tcase_add_test(t, a_followers_fetch_wakes_readers);
	tcase_add_test(t, roles);
	tcase_add_test(t, a_log_that_has_no_topic_id_is_given_one);
	tcase_add_test(t, a_hook_hears_of_elections);
	tcase_add_test(t, a_failed_directory_is_told_once);
	tcase_add_test(t, offline_as_the_controller_says);
	tcase_add_test(t, a_log_that_cannot_be_opened);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
