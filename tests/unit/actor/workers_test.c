/* The worker pool: jobs come home, in order with one worker, side by side with several. */
#include <check.h>

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

int main(void)
{
	Suite *s = suite_create("workers");
	TCase *t = tcase_create("workers");
	SRunner *sr = srunner_create(s);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, one_worker_keeps_the_order, 0, 2);
	tcase_add_loop_test(t, no_job_waits_while_a_worker_sleeps, 0, 2);
	tcase_add_test(t, the_simulation_completes_in_any_order);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
