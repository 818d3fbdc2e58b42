/* One thread plays all parts: what a hand-over keeps in order, counts and declines. The races are torture_test's. */
#include <check.h>
#include <signal.h>

#include "actor/actor_priv.h"

struct question {
	struct msg msg;
	int        asker, number;
};

static int no_step(struct actor *a UNUSED, mono_ms now UNUSED)
{
	return 0;
}

static const struct actor_ops ops = { .module = "test", .step = no_step };
static struct sched *sched;
static struct actor controller, left, right, laneless, receiver;
static struct question got[1024];
static int got_count;

static void setup(void)
{
	sched = sched_sim_create(os_real(), 1);
	actor_init(&controller, sched, &ops, LANE_CONTROLLER, "controller");
	actor_init(&left, sched, &ops, 1, "left");
	actor_init(&right, sched, &ops, 62, "right");
	actor_init(&laneless, sched, &ops, LANE_NONE, "laneless");
	actor_init(&receiver, sched, &ops, LANE_NONE, "receiver");
	receiver.lane_slots = 128;
	got_count = 0;
}

static void teardown(void)
{
	actor_set_current(NULL);
	actor_fini(&controller);
	actor_fini(&left);
	actor_fini(&right);
	actor_fini(&laneless);
	actor_fini(&receiver);
	sched_destroy(&sched);
}

/* The question is answered at once: got[] is a copy. */
static void keep_and_answer(void *arg, struct msg *m)
{
	got[got_count++] = *CONTAINER_OF(m, struct question, msg);
	actor_answer(arg, m);
}

static void keep(void *arg UNUSED, struct msg *m)
{
	got[got_count++] = *CONTAINER_OF(m, struct question, msg);
}

static void ask(struct actor *from, struct question *q, int count)
{
	actor_set_current(from);
	for (int i = 0; i < count; i++) {
		msg_init(&q[i].msg, MSG_BASE_BROKER, from);
		q[i].asker = from->lane;
		q[i].number = i;
		ck_assert(actor_ask(from, &receiver, &q[i].msg));
	}
}

static int drain(int max)
{
	actor_set_current(&receiver);
	return actor_drain_questions(&receiver, max, keep_and_answer, &receiver);
}

static int take_home(struct actor *a)
{
	actor_set_current(a);
	got_count = 0;
	return actor_drain_answers(a, keep, NULL);
}

START_TEST(a_message_is_a_round_trip)
{
	struct question q;

	ask(&left, &q, 1);
	ck_assert_int_eq(q.msg.at, MSG_TO_RECEIVER);
	ck_assert_ptr_eq(q.msg.to, &receiver);
	ck_assert_int_eq(left.messages_out, 1);
	ck_assert(actor_has_mail(&receiver));
	ck_assert_int_eq(drain(10), 1);
	ck_assert(!actor_has_mail(&receiver));
	ck_assert_int_eq(got[0].msg.at, MSG_AT_RECEIVER);
	ck_assert(actor_has_mail(&left));
	ck_assert_int_eq(take_home(&left), 1);
	ck_assert_int_eq(q.msg.at, MSG_HOME);
	ck_assert_int_eq(left.messages_out, 0);
	ck_assert_uint_eq(left.counters.answers, 1);
	ck_assert_uint_eq(receiver.counters.questions, 1);
}
END_TEST

START_TEST(a_full_lane_declines_and_keeps_nothing)
{
	struct question q[4];

	receiver.lane_slots = 4;
	ask(&left, q, 3);
	msg_init(&q[3].msg, MSG_BASE_BROKER, &left);
	ck_assert(!actor_ask(&left, &receiver, &q[3].msg));
	ck_assert_int_eq(q[3].msg.at, MSG_HOME);
	ck_assert_int_eq(left.messages_out, 3);
	ck_assert_uint_eq(left.counters.lane_full, 1);
	ck_assert_int_eq(drain(1), 1);
	actor_set_current(&left);
	ck_assert(actor_ask(&left, &receiver, &q[3].msg));
	ck_assert_int_eq(drain(10), 3);
	ck_assert_int_eq(take_home(&left), 4);
}
END_TEST

START_TEST(the_controller_comes_first)
{
	struct question l[5], c[5];

	ask(&left, l, 5);
	ask(&controller, c, 5);
	ck_assert_int_eq(drain(7), 7);
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(got[i].asker, i < 5 ? LANE_CONTROLLER : left.lane);
		ck_assert_int_eq(got[i].number, i % 5);
	}
	ck_assert(actor_has_mail(&receiver));
	ck_assert_int_eq(drain(7), 3);
	take_home(&left);
	take_home(&controller);
}
END_TEST

/* Three askers with more than a drain takes: each gets its turn, in its own order, whatever the bound of a drain. */
START_TEST(no_asker_starves)
{
	enum { EACH = 100 };
	static struct question l[EACH], r[EACH], s[EACH];
	int next[3] = { 0 }, waited[3] = { 0 };

	ask(&left, l, EACH);
	ask(&right, r, EACH);
	ask(&laneless, s, EACH);
	while (drain(_i) > 0)
		;
	ck_assert_int_eq(got_count, 3 * EACH);
	for (int i = 0; i < got_count; i++) {
		int who = got[i].asker == left.lane ? 0 : got[i].asker == right.lane ? 1 : 2;

		ck_assert_int_eq(got[i].number, next[who]++);
		for (int k = 0; k < 3; k++)
			waited[k] = k == who || next[k] == EACH ? 0 : waited[k] + 1;
		ck_assert_int_le(MAX(waited[0], MAX(waited[1], waited[2])), 2 * 16);
	}
	ck_assert_int_eq(take_home(&left) + take_home(&right) + take_home(&laneless), 3 * EACH);
}
END_TEST

START_TEST(answers_come_in_the_order_they_were_sent)
{
	struct question q[50];

	ask(&left, q, 50);
	drain(50);
	ck_assert_int_eq(take_home(&left), 50);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(got[i].number, i);
}
END_TEST

static void ask_again(void *arg, struct msg *m)
{
	struct question *q = CONTAINER_OF(m, struct question, msg);

	if (q->number++ < 3)
		ck_assert(actor_ask(arg, &receiver, m));
}

START_TEST(an_answer_may_be_asked_again_while_draining)
{
	struct question q[3];

	ask(&laneless, q, 3);
	for (int i = 0; i < 4; i++) {
		drain(10);
		actor_set_current(&laneless);
		actor_drain_answers(&laneless, ask_again, &laneless);
	}
	ck_assert_int_eq(laneless.messages_out, 0);
	ck_assert_uint_eq(laneless.counters.answers, 4 + 3 + 2);
}
END_TEST

START_TEST(lent_and_posted_messages_come_home)
{
	struct question lent, news;

	msg_init(&lent.msg, MSG_BASE_BROKER, &left);
	msg_init(&news.msg, MSG_BASE_BROKER, &left);
	actor_set_current(&left);
	actor_lend(&left, &lent.msg);
	ck_assert_int_eq(left.messages_out, 1);
	actor_set_current(NULL);
	actor_post(&news.msg);
	actor_answer(NULL, &lent.msg);
	ck_assert_int_eq(take_home(&left), 2);
	ck_assert_int_eq(left.messages_out, 0);
	ck_assert_int_eq(news.msg.at, MSG_HOME);
}
END_TEST

/* A sleeper is put down once, and the list is worked off when it is full. */
START_TEST(wakes_are_collected)
{
	enum { SLEEPERS = 40 };
	static struct actor sleeper[SLEEPERS];
	static struct question q[2 * SLEEPERS];

	actor_set_current(&left);
	for (int i = 0; i < 2 * SLEEPERS; i++) {
		struct actor *to = &sleeper[i / 2];

		if (i % 2 == 0) {
			actor_init(to, sched, &ops, LANE_NONE, "sleeper-%d", i / 2);
			to->rest = ACTOR_ASLEEP;
		}
		msg_init(&q[i].msg, MSG_BASE_BROKER, &left);
		ck_assert(actor_ask(&left, to, &q[i].msg));
	}
	ck_assert_uint_eq(left.counters.wakes_sent, 32);
	ck_assert_int_eq(left.wake_count, 8);
	sleeper[39].rest = ACTOR_AWAKE;		/* woke by itself */
	actor_flush_wakes(&left);
	ck_assert_uint_eq(left.counters.wakes_sent, 39);
	for (int i = 0; i < SLEEPERS; i++) {
		ck_assert_uint_eq(sleeper[i].rest, i < 39 ? ACTOR_POKED : ACTOR_AWAKE);
		actor_set_current(&sleeper[i]);
		actor_drain_questions(&sleeper[i], 2, keep_and_answer, &sleeper[i]);
	}
	take_home(&left);
	for (int i = 0; i < SLEEPERS; i++)
		actor_fini(&sleeper[i]);
}
END_TEST

START_TEST(asking_with_a_message_that_is_out_fails)
{
	struct question q;

	ask(&left, &q, 1);
	(void)!actor_ask(&left, &receiver, &q.msg);
}
END_TEST

START_TEST(two_askers_with_one_lane_fail)
{
	struct question q;
	struct actor twin;

	ask(&left, &q, 1);
	actor_init(&twin, sched, &ops, left.lane, "twin");
	ask(&twin, &q, 1);
}
END_TEST

START_TEST(a_stranger_may_not_drain)
{
	actor_set_current(&left);
	actor_drain_questions(&receiver, 1, keep, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("inbox");
	TCase *t = tcase_create("inbox");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_message_is_a_round_trip);
	tcase_add_test(t, a_full_lane_declines_and_keeps_nothing);
	tcase_add_test(t, the_controller_comes_first);
	tcase_add_loop_test(t, no_asker_starves, 1, 60);
	tcase_add_test(t, answers_come_in_the_order_they_were_sent);
	tcase_add_test(t, an_answer_may_be_asked_again_while_draining);
	tcase_add_test(t, lent_and_posted_messages_come_home);
	tcase_add_test(t, wakes_are_collected);
	if (srunner_fork_status(sr) == CK_FORK) {
		tcase_add_test_raise_signal(t, asking_with_a_message_that_is_out_fails, SIGABRT);
		tcase_add_test_raise_signal(t, two_askers_with_one_lane_fail, SIGABRT);
		tcase_add_test_raise_signal(t, a_stranger_may_not_drain, SIGABRT);
	}
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
