/*
 * Many askers, many receivers, tiny lanes, real threads. Built with --enable-tsan it proves that
 * every hand-over orders the content of its message; without, that nothing is lost, doubled,
 * reordered or left asleep. A lost wake shows as a timeout. All of it twice: with actors whose threads
 * alone run their steps, and with actors that lend their turns to whoever has something for them.
 *
 * torture_test --planted-race changes a message after it was sent: ThreadSanitizer must report it
 * (if it does not, the suppressions or the annotations hide too much).
 */
#include <check.h>
#include <string.h>

#include "actor/actor.h"

enum { ASKERS = 4, LANELESS = 2, RECEIVERS = 6, POOL = 12, WORDS = 4 };

#if defined(__SANITIZE_THREAD__)
#define QUESTIONS 5000
#else
#define QUESTIONS 20000
#endif

static bool with_planted_race;

struct question {
	struct job job;			/* a question, or now and then a job for the workers */
	int        asker, receiver;
	uint64_t   number;
	uint64_t   content[WORDS];
	uint64_t   planted;		/* written by the asker after it sent the question: only with --planted-race */
};

struct asker {
	struct actor    actor;
	int             id;
	uint64_t        random, sent[RECEIVERS], home, jobs;
	uint64_t        own_steps;	/* its thread counts */
	struct os_poller *poller;	/* LENDS_TO_ITS_LIKE: what it sleeps in */
	int             free_count;
	struct question pool[POOL], *free[POOL];
};

struct receiver {
	struct actor     actor;
	int              id;
	uint64_t         expected[ASKERS + LANELESS], random;
	struct question *parked[(ASKERS + LANELESS) * POOL];
	int              parked_count;
	uint64_t         planted_sum;
	mono_ms          parked_until;
};

static struct sched *sched;
static struct workers *workers;
static struct asker asker[ASKERS + LANELESS];
static struct receiver receiver[RECEIVERS];

static uint64_t draw(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

static void fill(struct question *q, uint64_t salt)
{
	for (int i = 0; i < WORDS; i++)
		q->content[i] = q->number * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i + salt;
}

static void check(const struct question *q, uint64_t salt)
{
	for (int i = 0; i < WORDS; i++)
		ASSERT(q->content[i] == q->number * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i + salt);
}

/* --- receivers -------------------------------------------------------------------------------- */

static void answer(struct receiver *r, struct question *q)
{
	fill(q, 2);
	actor_answer(&r->actor, &q->job.msg);
}

static void on_question(void *arg, struct msg *m)
{
	struct receiver *r = arg;
	struct question *q = CONTAINER_OF(m, struct question, job.msg);

	ASSERT(q->receiver == r->id);
	ASSERT(q->number == r->expected[q->asker]);
	r->expected[q->asker]++;
	check(q, 1);
	r->planted_sum += q->planted;
	if (draw(&r->random, 8) == 0)
		r->parked[r->parked_count++] = q;
	else
		answer(r, q);
}

static int receiver_step(struct actor *a, mono_ms now)
{
	struct receiver *r = CONTAINER_OF(a, struct receiver, actor);
	int work;

	if (r->parked_count == 0)
		r->parked_until = now + 1;
	work = actor_drain_questions(a, 8, on_question, r);
	if (r->parked_count > 0 && (now >= r->parked_until || r->parked_count >= POOL)) {
		work += r->parked_count;
		while (r->parked_count > 0)
			answer(r, r->parked[--r->parked_count]);
	}
	a->deadline = r->parked_count > 0 ? r->parked_until : MONO_NEVER;
	return work;
}

/* --- askers ----------------------------------------------------------------------------------- */

static void run_job(struct job *j)
{
	struct question *q = CONTAINER_OF(j, struct question, job);

	ASSERT(actor_current() == NULL);
	check(q, 1);
	fill(q, 2);
}

static void on_answer(void *arg, struct msg *m)
{
	struct asker *k = arg;
	struct question *q = CONTAINER_OF(m, struct question, job.msg);

	ASSERT(q->asker == k->id);
	check(q, 2);
	k->free[k->free_count++] = q;
	k->home++;
}

static bool ask(struct asker *k)
{
	struct question *q = k->free[k->free_count - 1];
	int to = (int)draw(&k->random, RECEIVERS);

	q->receiver = to;
	q->asker = k->id;
	if (draw(&k->random, 16) == 0) {
		q->number = k->jobs++;
		fill(q, 1);
		workers_submit(workers, &k->actor, &q->job);
	} else {
		q->number = k->sent[to];
		fill(q, 1);
		q->job.msg.is_light = draw(&k->random, 4) > 0;
		if (!actor_ask(&k->actor, &receiver[to].actor, &q->job.msg))
			return false;
		k->sent[to]++;
		if (with_planted_race)
			q->planted = k->sent[to];
	}
	k->free_count--;
	return true;
}

static int asker_step(struct actor *a, mono_ms now UNUSED)
{
	struct asker *k = CONTAINER_OF(a, struct asker, actor);
	int work = actor_drain_answers(a, on_answer, k);
	int burst = 1 + (int)draw(&k->random, 8);

	if (!a->is_on_loan)
		k->own_steps++;

	while (burst-- > 0 && k->free_count > 0 && k->home + (uint64_t)(POOL - k->free_count) < QUESTIONS && ask(k))
		work++;
	a->deadline = MONO_NEVER;
	return work;
}

/* As a network actor waits: while its turns are on loan, on what is its thread's. */
static void asker_wait(struct actor *a, mono_ms until)
{
	struct asker *k = CONTAINER_OF(a, struct asker, actor);
	struct os_event none[1];

	ck_assert_int_eq(until, MONO_NEVER);
	k->own_steps++;
	ck_assert_int_eq(os_poller_wait(os_real(), k->poller, none, 1, -1), 0);
}

static void asker_wake(struct actor *a)
{
	os_poller_wake(os_real(), CONTAINER_OF(a, struct asker, actor)->poller);
}

/* --- the run ---------------------------------------------------------------------------------- */

enum lending { LENDS_NOTHING, LENDS_TO_ALL, LENDS_TO_ITS_LIKE };

static void create_all(enum lending lending)
{
	static struct actor_ops asker_ops = { .module = "asker", .step = asker_step };
	static struct actor_ops receiver_ops = { .module = "receiver", .is_many = true, .step = receiver_step };
	bool has_pollers = lending == LENDS_TO_ITS_LIKE;

	asker_ops.lends_turns = lending == LENDS_TO_ALL;
	asker_ops.lends_to_its_like = has_pollers;
	asker_ops.wait = has_pollers ? asker_wait : NULL;
	asker_ops.wake = has_pollers ? asker_wake : NULL;
	receiver_ops.lends_turns = lending != LENDS_NOTHING;
	workers = workers_create(sched, 3);
	for (int i = 0; i < RECEIVERS; i++) {
		receiver[i] = (struct receiver){ .id = i, .random = (uint64_t)i };
		actor_init(&receiver[i].actor, sched, &receiver_ops, LANE_NONE, "receiver-%d", i);
		receiver[i].actor.lane_slots = 4;
		ck_assert_int_eq(actor_start(&receiver[i].actor, 0), OK);
	}
	for (int i = 0; i < ASKERS + LANELESS; i++) {
		struct asker *k = &asker[i];

		*k = (struct asker){ .id = i, .random = (uint64_t)i + 100 };
		if (has_pollers)
			ck_assert_int_eq(os_poller_create(os_real(), &k->poller), OK);
		actor_init(&k->actor, sched, &asker_ops, i < ASKERS ? i : LANE_NONE, "asker-%d", i);
		for (int q = 0; q < POOL; q++) {
			msg_init(&k->pool[q].job.msg, MSG_BASE_BROKER, &k->actor);
			k->pool[q].job.run = run_job;
			k->free[k->free_count++] = &k->pool[q];
		}
		ck_assert_int_eq(actor_start(&k->actor, 0), OK);
	}
}

static void destroy_all(void)
{
	for (int i = 0; i < ASKERS + LANELESS; i++)
		actor_stop(&asker[i].actor);
	for (int i = 0; i < ASKERS + LANELESS; i++)
		actor_join(&asker[i].actor);
	for (int i = 0; i < RECEIVERS; i++) {
		actor_stop(&receiver[i].actor);
		actor_join(&receiver[i].actor);
	}
	workers_destroy(&workers);
}

static void check_sums(enum lending lending)
{
	uint64_t asked[RECEIVERS] = { 0 }, full = 0, lent_by_askers = 0, lent_by_receivers = 0;

	for (int i = 0; i < ASKERS + LANELESS; i++) {
		uint64_t sum = asker[i].jobs;

		for (int r = 0; r < RECEIVERS; r++) {
			sum += asker[i].sent[r];
			asked[r] += asker[i].sent[r];
			ck_assert_uint_eq(receiver[r].expected[i], asker[i].sent[r]);
		}
		ck_assert_uint_eq(sum, QUESTIONS);
		ck_assert_uint_eq(asker[i].home, QUESTIONS);
		ck_assert_uint_gt(asker[i].jobs, 0);
		full += asker[i].actor.counters.lane_full;
		lent_by_askers += asker[i].actor.counters.turns_lent;
		actor_fini(&asker[i].actor);
		if (asker[i].poller != NULL)
			os_poller_destroy(os_real(), &asker[i].poller);
	}
	for (int r = 0; r < RECEIVERS; r++) {
		ck_assert_uint_eq(receiver[r].actor.counters.questions, asked[r]);
		lent_by_receivers += receiver[r].actor.counters.turns_lent;
		actor_fini(&receiver[r].actor);
	}
	ck_assert_uint_gt(full, 0);	/* else back-pressure was not tried */
	/* To workers that brought a job home; or to askers that had borrowed a receiver's turn. */
	ck_assert_int_eq(lent_by_askers > 0, lending != LENDS_NOTHING);
	ck_assert_int_eq(lent_by_receivers > 0, lending != LENDS_NOTHING);
}

START_TEST(every_message_comes_home_once_and_in_order)
{
	sched = sched_threads_create(os_real());
	create_all((enum lending)_i);
	destroy_all();
	check_sums((enum lending)_i);
	sched_destroy(&sched);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("torture");
	TCase *t = tcase_create("torture");
	SRunner *sr = srunner_create(s);

	with_planted_race = argc > 1 && strcmp(argv[1], "--planted-race") == 0;
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, every_message_comes_home_once_and_in_order, 0, LENDS_TO_ITS_LIKE + 1);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
