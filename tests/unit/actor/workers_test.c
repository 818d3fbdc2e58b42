/* The worker pool: jobs come home, in order with one worker, side by side with several. */
#include <check.h>
#include <stdio.h>

#include "actor/actor.h"

#if defined(__SANITIZE_THREAD__)
#define ROUNDS 500
#else
#define ROUNDS 5000
#endif

enum { BATCH = 16 };

struct errand {
	struct job job;
	int        number, ran_as;
	uint32_t  *met;		/* who waits for whom: futex word */
};

struct client {
	struct actor    actor;
	struct workers *workers;
	void          (*run)(struct job *j);
	int             batch, rounds, home;
	int             ran;		/* by the one worker */
	bool            in_order;
	uint32_t        met;
	struct errand   errand[BATCH];
};

static void run_counted(struct job *j)
{
	struct errand *e = CONTAINER_OF(j, struct errand, job);
	struct client *c = CONTAINER_OF(j->msg.home, struct client, actor);

	e->ran_as = c->ran++;
}

/* Ends only when every job of the batch has begun. */
static void run_together(struct job *j)
{
	struct errand *e = CONTAINER_OF(j, struct errand, job);
	struct client *c = CONTAINER_OF(j->msg.home, struct client, actor);
	uint32_t met = __atomic_add_fetch(e->met, 1, __ATOMIC_SEQ_CST);

	os_futex_wake(os_real(), e->met, c->batch);
	while (met < (uint32_t)c->batch) {
		os_futex_wait(os_real(), e->met, met, MONO_NEVER);
		met = __atomic_load_n(e->met, __ATOMIC_SEQ_CST);
	}
}

static void on_home(void *arg, struct msg *m)
{
	struct client *c = arg;
	struct errand *e = CONTAINER_OF(m, struct errand, job.msg);

	if (e->ran_as != e->number)
		c->in_order = false;
	c->home++;
}

static int client_step(struct actor *a, mono_ms now UNUSED)
{
	struct client *c = CONTAINER_OF(a, struct client, actor);
	int work = actor_drain_answers(a, on_home, c);

	a->deadline = MONO_NEVER;
	if (c->rounds == 0 || c->home < c->batch)
		return work;
	c->rounds--;
	c->home = c->ran = 0;
	c->met = 0;
	for (int i = 0; i < c->batch; i++) {
		msg_init(&c->errand[i].job.msg, MSG_BASE_BROKER, a);
		c->errand[i].job.run = c->run;
		c->errand[i].number = i;
		c->errand[i].met = &c->met;
		workers_submit(c->workers, a, &c->errand[i].job);
	}
	return 1;
}

/*
 * Runs the rounds to their end; the result is in c. lends_turns: who brings the last job of a round home submits the next one, and the client has been asked to
 * stop long before the last.
 */
static void work_off(struct sched *s, struct client *c, int workers, int batch, void (*run)(struct job *j), bool lends_turns)
{
	static struct actor_ops ops = { .module = "client", .step = client_step };

	ops.lends_turns = lends_turns;
	*c = (struct client){ .workers = workers_create(s, workers), .run = run, .batch = batch, .home = batch,
			      .rounds = ROUNDS, .in_order = true };
	actor_init(&c->actor, s, &ops, LANE_NONE, "client");
	ck_assert_int_eq(actor_start(&c->actor, 0), OK);
	actor_stop(&c->actor);
	actor_join(&c->actor);
	ck_assert_int_eq(c->rounds, 0);
	ck_assert_int_eq(c->home, batch);
	ck_assert_uint_eq(c->actor.counters.answers, (uint64_t)ROUNDS * (uint64_t)batch);
	ck_assert_int_eq(c->actor.counters.turns_lent > 0, lends_turns);
	actor_fini(&c->actor);
	workers_destroy(&c->workers);
}

START_TEST(one_worker_keeps_the_order)
{
	struct sched *s = sched_threads_create(os_real());
	struct client c;

	work_off(s, &c, 1, BATCH, run_counted, _i == 1);
	ck_assert(c.in_order);
	sched_destroy(&s);
}
END_TEST

/* As many jobs as workers, each waiting for all others: one left lying while a worker sleeps hangs the test. */
START_TEST(no_job_waits_while_a_worker_sleeps)
{
	struct sched *s = sched_threads_create(os_real());
	struct client c;

	work_off(s, &c, BATCH, BATCH, run_together, _i == 1);
	sched_destroy(&s);
}
END_TEST

START_TEST(the_simulation_completes_in_any_order)
{
	struct sched *s = sched_sim_create(os_real(), 7);
	struct client c;

	work_off(s, &c, 4, BATCH, run_counted, false);
	ck_assert(!c.in_order);
	sched_destroy(&s);
}
END_TEST

/* --- who watches --- */

enum { LIMIT_MS = 1000 };

struct held {			/* an owner of jobs that end when they are let go */
	struct actor    actor;
	struct workers *workers;
	struct job      job[2];
	int             home;
};

static uint32_t is_let_go, running;

static void run_held(struct job *j UNUSED)
{
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&is_let_go, __ATOMIC_SEQ_CST) == 0)
		os_futex_wait(os_real(), &is_let_go, 0, MONO_NEVER);
}

static void on_held_home(void *arg, struct msg *m UNUSED)
{
	((struct held *)arg)->home++;
}

static int held_step(struct actor *a, mono_ms now UNUSED)
{
	struct held *h = CONTAINER_OF(a, struct held, actor);
	int work = actor_drain_answers(a, on_held_home, h);

	a->deadline = MONO_NEVER;
	if (h->job[0].run != NULL)
		return work;
	for (int i = 0; i < 2; i++) {
		msg_init(&h->job[i].msg, MSG_BASE_BROKER, a);
		h->job[i].run = run_held;
		workers_submit(h->workers, a, &h->job[i]);
	}
	return 1;
}

struct told {
	int     count;
	mono_ms ms[4];
	char    subject[64];
};

static void tell(void *arg, const struct log_source *home, mono_ms ms)
{
	struct told *t = arg;

	ck_assert_int_lt(t->count, 4);
	t->ms[t->count++] = ms;
	snprintf(t->subject, sizeof(t->subject), "%s", home->subject);
}

/* One worker, two jobs: the first does not end, the second is not taken. Times are the watcher's. */
static void watch_held(bool may_last, int wanted_stuck)
{
	static const struct actor_ops ops = { .module = "held", .step = held_step };
	struct sched *s = sched_threads_create(os_real());
	struct held h = { .workers = workers_create(s, 1), .job = { { .may_last = may_last } } };
	struct told t = { 0 };

	is_let_go = running = 0;
	actor_init(&h.actor, s, &ops, LANE_NONE, "orders-3");
	ck_assert_int_eq(actor_start(&h.actor, 0), OK);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) == 0)
		os_sleep_ms(os_real(), 1);
	mono_ms now = os_mono_ms(os_real());
	ck_assert_int_eq(workers_watch(h.workers, now, LIMIT_MS, tell, &t), 0);
	ck_assert_int_eq(t.count, 0);
	now += LIMIT_MS;
	ck_assert_int_eq(workers_watch(h.workers, now, LIMIT_MS, tell, &t), wanted_stuck);
	ck_assert_int_eq(workers_stuck(h.workers), wanted_stuck);
	ck_assert_int_eq(t.count, wanted_stuck);
	if (wanted_stuck > 0) {
		ck_assert_str_eq(t.subject, "orders-3");
		ck_assert_int_eq(t.ms[1], LIMIT_MS);
	}
	ck_assert_int_eq(workers_oldest_ms(h.workers, now) >= LIMIT_MS, wanted_stuck > 0);
	__atomic_store_n(&is_let_go, 1, __ATOMIC_SEQ_CST);
	os_futex_wake(os_real(), &is_let_go, 1);
	actor_stop(&h.actor);
	actor_join(&h.actor);
	ck_assert_int_eq(h.home, 2);
	ck_assert_int_eq(workers_watch(h.workers, now + 2 * LIMIT_MS, LIMIT_MS, tell, &t), 0);
	ck_assert_int_eq(workers_stuck(h.workers), 0);
	ck_assert_int_eq(workers_oldest_ms(h.workers, now), 0);
	actor_fini(&h.actor);
	workers_destroy(&h.workers);
	sched_destroy(&s);
}

START_TEST(jobs_that_do_not_come_back_are_seen_with_who_waits)
{
	watch_held(false, 2);
}
END_TEST

START_TEST(a_job_that_may_last_is_not_stuck_nor_who_waits_behind_it)
{
	watch_held(true, 0);
}
END_TEST

/* Jobs come and go under the eyes of the watcher: what ThreadSanitizer looks at. */
static uint32_t has_watched_enough;

static void watch_on(void *arg)
{
	struct workers *w = arg;
	struct told t;

	while (__atomic_load_n(&has_watched_enough, __ATOMIC_SEQ_CST) == 0) {
		t = (struct told){ 0 };
		workers_watch(w, os_mono_ms(os_real()), 0, tell, &t);
		ck_assert_int_ge(workers_oldest_ms(w, os_mono_ms(os_real())), 0);
	}
}

START_TEST(jobs_may_be_looked_at_while_they_come_and_go)
{
	struct sched *s = sched_threads_create(os_real());
	struct os_thread *watcher;
	struct client c;
	static const struct actor_ops ops = { .module = "client", .step = client_step };

	has_watched_enough = 0;
	c = (struct client){ .workers = workers_create(s, 2), .run = run_counted, .batch = 1, .home = 1, .rounds = ROUNDS, .in_order = true };
	ck_assert_int_eq(os_thread_start(os_real(), &watcher, "watcher", 0, watch_on, c.workers), OK);
	actor_init(&c.actor, s, &ops, LANE_NONE, "client");
	ck_assert_int_eq(actor_start(&c.actor, 0), OK);
	actor_stop(&c.actor);
	actor_join(&c.actor);
	__atomic_store_n(&has_watched_enough, 1, __ATOMIC_SEQ_CST);
	os_thread_join(os_real(), &watcher);
	ck_assert_int_eq(c.rounds, 0);
	actor_fini(&c.actor);
	workers_destroy(&c.workers);
	sched_destroy(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("workers");
	TCase *t = tcase_create("workers");
	SRunner *sr = srunner_create(s);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, one_worker_keeps_the_order, 0, 2);
	tcase_add_loop_test(t, no_job_waits_while_a_worker_sleeps, 0, 2);
	tcase_add_test(t, the_simulation_completes_in_any_order);
	tcase_add_test(t, jobs_that_do_not_come_back_are_seen_with_who_waits);
	tcase_add_test(t, a_job_that_may_last_is_not_stuck_nor_who_waits_behind_it);
	tcase_add_test(t, jobs_may_be_looked_at_while_they_come_and_go);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
