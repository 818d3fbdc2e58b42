/* Threads: sleeping and waking, deadlines, and above all the end: who may still touch an actor that has stopped. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor.h"

#if defined(__SANITIZE_THREAD__)
#define ROUNDS 300
#else
#define ROUNDS 2000
#endif

static struct sched *sched;

static void setup(void)
{
	sched = sched_threads_create(os_real());
}

static void teardown(void)
{
	sched_destroy(&sched);
}

/* --- deadlines and pokes ---------------------------------------------------------------------- */

struct sleeper {
	struct actor actor;
	mono_ms      wants, came;
	uint64_t     news, seen;
	uint32_t     word;		/* grows when news was seen; a futex word for the test's thread */
};

static int deadline_step(struct actor *a, mono_ms now)
{
	struct sleeper *s = CONTAINER_OF(a, struct sleeper, actor);

	if (s->came == 0 && now >= s->wants)
		s->came = now;
	a->deadline = s->came == 0 ? s->wants : MONO_NEVER;
	return 0;
}

START_TEST(an_actor_runs_again_at_its_deadline)
{
	static const struct actor_ops ops = { .module = "sleeper", .step = deadline_step };
	struct sleeper s = { .wants = os_mono_ms(os_real()) + 30 };

	actor_init(&s.actor, sched, &ops, LANE_NONE, "one");
	ck_assert_int_eq(actor_start(&s.actor, 0), OK);
	os_sleep_ms(os_real(), 60);
	actor_stop(&s.actor);
	actor_join(&s.actor);
	ck_assert_int_ge(s.came, s.wants);
	ck_assert_int_lt(s.came, s.wants + 10000);
	ck_assert_uint_le(s.actor.counters.steps, 8);	/* it slept, it did not spin */
	actor_fini(&s.actor);
}
END_TEST

static int news_step(struct actor *a, mono_ms now UNUSED)
{
	struct sleeper *s = CONTAINER_OF(a, struct sleeper, actor);

	s->seen = __atomic_load_n(&s->news, __ATOMIC_RELAXED);
	__atomic_store_n(&s->word, (uint32_t)s->seen, __ATOMIC_SEQ_CST);
	os_futex_wake(os_real(), &s->word, 1);
	return 0;
}

/* News that is in no mail, written before actor_wake, is seen by a step after it. A lost one hangs. */
static void poke_often(const struct actor_ops *ops)
{
	struct sleeper s = { .wants = 0 };

	actor_init(&s.actor, sched, ops, LANE_NONE, "one");
	ck_assert_int_eq(actor_start(&s.actor, 0), OK);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		uint32_t seen;

		__atomic_store_n(&s.news, i, __ATOMIC_RELAXED);
		actor_wake(&s.actor);
		while ((seen = __atomic_load_n(&s.word, __ATOMIC_SEQ_CST)) != i)
			os_futex_wait(os_real(), &s.word, seen, MONO_NEVER);
	}
	actor_stop(&s.actor);
	actor_join(&s.actor);
	actor_fini(&s.actor);
}

START_TEST(a_poke_is_never_lost)
{
	static struct actor_ops ops = { .module = "sleeper", .step = news_step };

	ops.lends_turns = _i == 1;
	poke_often(&ops);
}
END_TEST

static struct os_poller *poller;

static void poller_wait(struct actor *a UNUSED, mono_ms until)
{
	struct os_event e;

	os_poller_wait(os_real(), poller, &e, 1, until == MONO_NEVER ? -1 : MAX(until - os_mono_ms(os_real()), 0));
}

static void poller_wake(struct actor *a UNUSED)
{
	os_poller_wake(os_real(), poller);
}

START_TEST(an_actor_may_sleep_in_its_poller)
{
	static const struct actor_ops ops = { .module = "poller", .step = news_step, .wait = poller_wait, .wake = poller_wake };

	ck_assert_int_eq(os_poller_create(os_real(), &poller), OK);
	poke_often(&ops);
	os_poller_destroy(os_real(), &poller);
}
END_TEST

/* --- one message, to and fro ------------------------------------------------------------------ */

/*
 * The asker does not sleep, so that its question arrives within nanoseconds of the receiver's going
 * to sleep, some before and some after each of its instructions. With one message in existence
 * nothing repairs a lost wake: the test hangs.
 */
struct player {
	struct actor actor;
	struct actor *peer;
	struct msg   ball;
	int          id;
	uint32_t     round, random;
	volatile int pause;
};

static void serve(struct player *p)
{
	p->random = p->random * 1664525 + 1013904223;
	for (p->pause = 0; p->pause < (int)(p->random >> 24) * 2; p->pause++)
		;
	ck_assert(actor_ask(&p->actor, p->peer, &p->ball));
}

static void caught(void *arg, struct msg *m UNUSED)
{
	struct player *p = arg;

	if (++p->round < 20 * ROUNDS)
		serve(p);
}

static int serving_step(struct actor *a, mono_ms now UNUSED)
{
	struct player *p = CONTAINER_OF(a, struct player, actor);

	if (p->round == 0 && a->messages_out == 0)
		serve(p);
	actor_drain_answers(a, caught, p);
	return a->messages_out;		/* never asleep while the ball is away */
}

static void return_ball(void *arg, struct msg *m)
{
	actor_answer(arg, m);
}

static int returning_step(struct actor *a, mono_ms now UNUSED)
{
	return actor_drain_questions(a, 1, return_ball, a);
}

START_TEST(no_wake_is_lost)
{
	static const struct actor_ops serving = { .module = "serving", .step = serving_step };
	static struct actor_ops returning = { .module = "returning", .step = returning_step };
	struct actor returner;
	struct player p = { .peer = &returner };
	bool lends_turns = _i >= 2;

	returning.lends_turns = lends_turns;
	actor_init(&returner, sched, &returning, LANE_NONE, "one");
	actor_init(&p.actor, sched, &serving, _i % 2 == 0 ? 5 : LANE_NONE, "one");
	msg_init(&p.ball, MSG_BASE_BROKER, &p.actor);
	p.ball.is_light = true;
	ck_assert_int_eq(actor_start(&returner, 0), OK);
	ck_assert_int_eq(actor_start(&p.actor, 0), OK);
	actor_stop(&p.actor);
	actor_join(&p.actor);
	actor_stop(&returner);
	actor_join(&returner);
	ck_assert_uint_gt(returner.counters.sleeps, 0);
	ck_assert_int_eq(returner.counters.turns_lent > 0, lends_turns);
	actor_fini(&p.actor);
	actor_fini(&returner);
}
END_TEST

/*
 * Two askers, one ball each, thrown at about the same time in rounds: one of them borrows the receiver's turn, and the other's question arrives within nanoseconds of
 * its giving the turn back. The next round begins when both balls are home, so here too nothing repairs a lost one.
 */
static uint32_t rounds_over[2];

static void caught_one(void *arg, struct msg *m UNUSED)
{
	struct player *p = arg;

	__atomic_store_n(&rounds_over[p->id], p->round, __ATOMIC_RELEASE);
}

static int pair_step(struct actor *a, mono_ms now UNUSED)
{
	struct player *p = CONTAINER_OF(a, struct player, actor);

	actor_drain_answers(a, caught_one, p);
	if (__atomic_load_n(&rounds_over[0], __ATOMIC_ACQUIRE) < p->round || __atomic_load_n(&rounds_over[1], __ATOMIC_ACQUIRE) < p->round)
		return 1;
	if (p->round == ROUNDS * 2)
		return 0;
	p->round++;
	serve(p);
	return 1;
}

/* Long after it has drained: much of what comes meets a turn that is on loan and looks no more. */
static int slow_step(struct actor *a, mono_ms now)
{
	int work = returning_step(a, now);

	for (volatile int pause = 0; pause < 2000; pause++)
		;
	return work;
}

START_TEST(who_borrows_leaves_nothing_behind)
{
	static const struct actor_ops pair = { .module = "pair", .step = pair_step };
	static const struct actor_ops returning = { .module = "returning", .lends_turns = true, .step = slow_step };
	struct actor returner;
	struct player p[2];

	rounds_over[0] = rounds_over[1] = 0;
	actor_init(&returner, sched, &returning, LANE_NONE, "one");
	ck_assert_int_eq(actor_start(&returner, 0), OK);
	for (int i = 0; i < 2; i++) {
		p[i] = (struct player){ .id = i, .peer = &returner, .random = (uint32_t)i };
		actor_init(&p[i].actor, sched, &pair, 5 + i, "player-%d", i);
		msg_init(&p[i].ball, MSG_BASE_BROKER, &p[i].actor);
		p[i].ball.is_light = true;
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(actor_start(&p[i].actor, 0), OK);
	for (int i = 0; i < 2; i++)
		actor_stop(&p[i].actor);
	for (int i = 0; i < 2; i++)
		actor_join(&p[i].actor);
	actor_stop(&returner);
	actor_join(&returner);
	ck_assert_uint_gt(returner.counters.turns_lent, 0);
	for (int i = 0; i < 2; i++)
		actor_fini(&p[i].actor);
	actor_fini(&returner);
}
END_TEST

/* --- receivers that come and go under load ---------------------------------------------------- */

enum { ASKERS = 3, POOL = 8 };

struct visitor {
	struct actor actor;
	struct msg   pool[POOL], *free[POOL];
	int          free_count, visits;
	bool         is_over;
};

/* What a partition's published address is: read by anyone, withdrawn before its owner stops. */
static struct actor *published;
static uint64_t      refused;

static void refuse_or_answer(void *arg, struct msg *m)
{
	struct actor *a = arg;

	if (__atomic_load_n(&published, __ATOMIC_RELAXED) != a)
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
	actor_answer(a, m);
}

static int host_step(struct actor *a, mono_ms now UNUSED)
{
	return actor_drain_questions(a, 4, refuse_or_answer, a);
}

static void keep(void *arg, struct msg *m)
{
	struct visitor *v = arg;

	v->free[v->free_count++] = m;
}

static int visitor_step(struct actor *a, mono_ms now)
{
	struct visitor *v = CONTAINER_OF(a, struct visitor, actor);
	struct actor *to;
	int work = actor_drain_answers(a, keep, v);

	a->deadline = now + 1;
	if (__atomic_load_n(&v->is_over, __ATOMIC_ACQUIRE))
		return work;
	to = __atomic_load_n(&published, __ATOMIC_ACQUIRE);
	if (++v->visits % 16 == 0)
		os_sleep_ms(os_real(), 1);	/* as if preempted: meanwhile the host may stop */
	while (to != NULL && v->free_count > 0 && actor_ask(a, to, v->free[v->free_count - 1])) {
		v->free_count--;
		work++;
	}
	return work;
}

static const struct actor_ops visitor_ops = { .module = "visitor", .step = visitor_step };

START_TEST(nobody_touches_an_actor_that_is_gone)
{
	static struct actor_ops host_ops = { .module = "host", .step = host_step };
	static struct visitor v[ASKERS];
	uint64_t answered = 0;

	host_ops.lends_turns = _i == 1;

	for (int i = 0; i < ASKERS; i++) {
		v[i].free_count = 0;
		v[i].is_over = false;
		actor_init(&v[i].actor, sched, &visitor_ops, i, "visitor-%d", i);
		for (int k = 0; k < POOL; k++) {
			msg_init(&v[i].pool[k], MSG_BASE_BROKER, &v[i].actor);
			v[i].pool[k].is_light = true;
			v[i].free[v[i].free_count++] = &v[i].pool[k];
		}
		ck_assert_int_eq(actor_start(&v[i].actor, 0), OK);
	}
	for (int i = 0; i < ROUNDS / 2; i++) {
		struct actor *host = mem_alloc(sizeof(*host));

		actor_init(host, sched, &host_ops, LANE_NONE, "host-%d", i);
		host->lane_slots = 4;
		ck_assert_int_eq(actor_start(host, 0), OK);
		__atomic_store_n(&published, host, __ATOMIC_RELEASE);
		if (i % 4 == 0)
			os_sleep_ms(os_real(), 1);
		__atomic_store_n(&published, NULL, __ATOMIC_RELEASE);
		actor_stop(host);
		actor_join(host);
		answered += host->counters.questions;
		actor_fini(host);
		memset(host, 0xdd, sizeof(*host));	/* who comes now finds nonsense, or is caught by the sanitizer */
		free(host);
	}
	for (int i = 0; i < ASKERS; i++) {
		__atomic_store_n(&v[i].is_over, true, __ATOMIC_RELEASE);
		actor_stop(&v[i].actor);
		actor_join(&v[i].actor);
		ck_assert_int_eq(v[i].free_count, POOL);
		answered -= v[i].actor.counters.answers;
		actor_fini(&v[i].actor);
	}
	ck_assert_uint_eq(answered, 0);
}
END_TEST

/* --- actors that start and join actors within their steps ------------------------------------- */

struct parent {
	struct actor actor, child;
	int          rounds;
};

static int idle_step(struct actor *a, mono_ms now UNUSED)
{
	a->deadline = MONO_NEVER;
	return 0;
}

static int parent_step(struct actor *a, mono_ms now UNUSED)
{
	static const struct actor_ops ops = { .module = "child", .step = idle_step };
	struct parent *p = CONTAINER_OF(a, struct parent, actor);

	if (p->rounds == 0)
		return 0;
	p->rounds--;
	actor_init(&p->child, sched, &ops, LANE_NONE, "child");
	ck_assert_int_eq(actor_start(&p->child, 0), OK);
	actor_stop(&p->child);
	actor_join(&p->child);
	actor_fini(&p->child);
	return 1;
}

START_TEST(actors_may_join_actors_at_the_same_time)
{
	static const struct actor_ops ops = { .module = "parent", .step = parent_step };
	struct parent p[4];

	for (int i = 0; i < 4; i++) {
		p[i].rounds = ROUNDS / 10;
		actor_init(&p[i].actor, sched, &ops, LANE_NONE, "parent-%d", i);
		ck_assert_int_eq(actor_start(&p[i].actor, 0), OK);
	}
	for (int i = 0; i < 4; i++) {
		actor_stop(&p[i].actor);
		actor_join(&p[i].actor);
		ck_assert_int_eq(p[i].rounds, 0);
		actor_fini(&p[i].actor);
	}
}
END_TEST

START_TEST(many_parked_actors_stop_quickly)
{
	enum { MANY = 1000 };
	static const struct actor_ops ops = { .module = "parked", .is_many = true, .step = idle_step };
	struct actor *a = mem_calloc(MANY, sizeof(*a));
	mono_ms begun;

	for (int i = 0; i < MANY; i++) {
		actor_init(&a[i], sched, &ops, LANE_NONE, "parked-%d", i);
		ck_assert_int_eq(actor_start(&a[i], 0), OK);
	}
	begun = os_mono_ms(os_real());
	for (int i = 0; i < MANY; i++)
		actor_stop(&a[i]);
	for (int i = 0; i < MANY; i++) {
		actor_join(&a[i]);
		actor_fini(&a[i]);
	}
	ck_assert_int_lt(os_mono_ms(os_real()) - begun, 10000);
	free(a);
}
END_TEST

/* --- who goes on ------------------------------------------------------------------------------ */

struct holder {
	struct actor actor;
	uint32_t     is_held;		/* written by the test */
	uint32_t     is_in_step;
};

static int holder_step(struct actor *a, mono_ms now UNUSED)
{
	struct holder *h = CONTAINER_OF(a, struct holder, actor);

	__atomic_store_n(&h->is_in_step, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&h->is_held, __ATOMIC_SEQ_CST) != 0)
		os_sleep_ms(os_real(), 1);
	__atomic_store_n(&h->is_in_step, 0, __ATOMIC_SEQ_CST);
	return 0;
}

struct looked {
	const struct actor *actor[2];
	mono_ms             stuck_ms[2];
	int                 seen;
};

static void look_at(void *arg, struct actor *a, mono_ms stuck_ms)
{
	struct looked *l = arg;

	for (int i = 0; i < 2; i++)
		if (l->actor[i] == a)
			l->stuck_ms[i] = stuck_ms;
	l->seen++;
}

static void wait_until(const uint32_t *word, uint32_t value)
{
	for (int i = 0; i < 10000 && __atomic_load_n(word, __ATOMIC_SEQ_CST) != value; i++)
		os_sleep_ms(os_real(), 1);
	ck_assert_uint_eq(__atomic_load_n(word, __ATOMIC_SEQ_CST), value);
}

/* A step that does not end is found out, by the time of the looks; an idle neighbour and one that went on are not. */
START_TEST(who_does_not_go_on_is_seen)
{
	static const struct actor_ops ops = { .module = "holder", .step = holder_step };
	struct holder h[2] = { { .is_held = 0 } };
	struct looked l = { .actor = { &h[0].actor, &h[1].actor } };
	mono_ms now = os_mono_ms(os_real()) + 1000;	/* of the looks: no step of the test depends on how long it takes */

	for (int i = 0; i < 2; i++) {
		actor_init(&h[i].actor, sched, &ops, LANE_NONE, "%d", i);
		ck_assert_int_eq(actor_start(&h[i].actor, 0), OK);
	}
	for (int i = 0; i < 2; i++)
		wait_until(&h[i].actor.rest, ACTOR_ASLEEP);
	sched_watch(sched, now, look_at, &l);
	ck_assert_int_eq(l.seen, 2);
	__atomic_store_n(&h[0].is_held, 1, __ATOMIC_SEQ_CST);
	actor_wake(&h[0].actor);
	wait_until(&h[0].is_in_step, 1);
	sched_watch(sched, now += 20000, look_at, &l);
	ck_assert_int_eq(l.stuck_ms[0], 0);		/* seen in it for the first time */
	for (int i = 1; i <= 2; i++) {
		sched_watch(sched, now += 20000, look_at, &l);
		ck_assert_int_eq(l.stuck_ms[0], i * 20000);
		ck_assert_int_eq(l.stuck_ms[1], 0);
	}
	__atomic_store_n(&h[0].is_held, 0, __ATOMIC_SEQ_CST);
	wait_until(&h[0].is_in_step, 0);
	wait_until(&h[0].actor.rest, ACTOR_ASLEEP);
	sched_watch(sched, now += 20000, look_at, &l);
	ck_assert_int_eq(l.stuck_ms[0], 0);
	for (int i = 0; i < 2; i++) {
		actor_stop(&h[i].actor);
		actor_join(&h[i].actor);
		actor_fini(&h[i].actor);
	}
	l.seen = 0;
	sched_watch(sched, now, look_at, &l);
	ck_assert_int_eq(l.seen, 0);
}
END_TEST

/* --- what is counted ---------------------------------------------------------------------------- */

static int busy_step(struct actor *a, mono_ms now UNUSED)
{
	struct sleeper *s = CONTAINER_OF(a, struct sleeper, actor);

	while (__atomic_load_n(&s->news, __ATOMIC_RELAXED) == 0)
		;
	return 0;
}

struct counted_cpu {
	const struct actor *of;
	uint64_t            cpu_ns;
};

static void count_cpu(void *arg, const struct actor *a, uint64_t cpu_ns)
{
	struct counted_cpu *c = arg;

	if (a == c->of)
		c->cpu_ns += cpu_ns;
}

/* A thread's CPU is told while it runs, and that of many when they have ended. */
START_TEST(cpu_is_told_by_actor)
{
	static const struct actor_ops ops = { .module = "busy", .is_many = true, .step = busy_step };
	struct sleeper s = { .news = 0 };
	struct counted_cpu c = { .of = &s.actor };
	struct sched_ended ended;

	actor_init(&s.actor, sched, &ops, LANE_NONE, "one");
	ck_assert_int_eq(actor_waiting(&s.actor), 0);
	ck_assert_int_eq(actor_start(&s.actor, 0), OK);
	for (int i = 0; i < 10000 && c.cpu_ns < 5000000; i++) {
		os_sleep_ms(os_real(), 1);
		c.cpu_ns = 0;
		sched_each(sched, count_cpu, &c);
	}
	ck_assert_uint_ge(c.cpu_ns, 5000000);
	sched_ended(sched, &ended);
	ck_assert_uint_eq(ended.cpu_ns, 0);
	__atomic_store_n(&s.news, 1, __ATOMIC_RELAXED);
	actor_stop(&s.actor);
	actor_join(&s.actor);
	sched_ended(sched, &ended);
	ck_assert_uint_ge(ended.cpu_ns, c.cpu_ns);
	ck_assert_uint_eq(ended.counters.steps, s.actor.counters.steps);
	actor_fini(&s.actor);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sched_threads");
	TCase *t = tcase_create("sched_threads");
	SRunner *sr = srunner_create(s);

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_actor_runs_again_at_its_deadline);
	tcase_add_loop_test(t, a_poke_is_never_lost, 0, 2);
	tcase_add_test(t, an_actor_may_sleep_in_its_poller);
	tcase_add_loop_test(t, no_wake_is_lost, 0, 4);
	tcase_add_test(t, who_borrows_leaves_nothing_behind);
	tcase_add_loop_test(t, nobody_touches_an_actor_that_is_gone, 0, 2);
	tcase_add_test(t, actors_may_join_actors_at_the_same_time);
	tcase_add_test(t, many_parked_actors_stop_quickly);
	tcase_add_test(t, who_does_not_go_on_is_seen);
	tcase_add_test(t, cpu_is_told_by_actor);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
