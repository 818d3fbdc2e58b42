/*
 * One thread per actor: step, send the wakes, and when there was nothing to do announce sleep, look
 * again, wait.
 *
 * The hard part is the end. Somebody may still be about to touch an actor whose thread has ended:
 * an answerer after its push looks whether the home sleeps, a wake list is worked off at the end of
 * a step, an asker read a published address just before the owner withdrew it. None of them may
 * take a lock or count references per message. So each actor counts its turns, odd while it is in a
 * step, and actor_join waits until every turn that was odd has passed (a grace period, as in RCU).
 * One grace period serves all actors that had ended before it began, so that stopping ten thousand
 * does not look at a hundred million turns.
 *
 *	asker:   T  turn := odd			owner:   W  withdraw the address, end
 *	         F  fence: T before L		joiner:  F' fence: W before O (thread join)
 *	         L  load the address, touch	         O  read turn; if odd, wait until it changed
 *	If L saw the address, W comes after L, so O sees T (or a later turn: after the touch).
 */
#include "actor/actor_priv.h"
#include "base/list.h"
#include "os/process.h"

#include <pthread.h>
#include <stdlib.h>

#include "config.h"
#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#pragma weak mallctl	/* tests and small tools are linked without jemalloc */
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_MIN (1u << 20)	/* red zones and shadow frames */
#else
#define STACK_MIN (64u << 10)
#endif

struct sched_threads {
	struct sched    sched;
	pthread_mutex_t mutex;		/* the fields below; taken outside of turns: turn_leave */
	pthread_mutex_t list_mutex;	/* runners may be read under either and changed under both: who watches does not wait for a grace period */
	struct list     runners;
	uint64_t        graces_begun;	/* read by ending threads without the mutex */
	uint64_t        graces_done;
};

struct runner {				/* an actor's thread */
	struct list   link;
	struct actor *actor;
	uint64_t      graces_at_end;	/* graces_begun then; a later one covers it */
	char          pad[CACHE_LINE];
	uint64_t      turn;		/* odd: in a step */
	char          pad_end[CACHE_LINE - sizeof(uint64_t)];
	bool          has_ended;	/* nothing is to be expected of it */
	int           clock;		/* of its thread; 0 until that runs */
	uint64_t      watched_turn;	/* sched_watch's: what it saw last, and since when */
	mono_ms       watched_since;
};

static struct sched_threads *threads_of(struct sched *s)
{
	ASSERT(s->ops == &sched_threads_ops);
	return CONTAINER_OF(s, struct sched_threads, sched);
}

/* --- turns and grace periods ------------------------------------------------------------------ */

static void turn_begin(struct runner *r)
{
	__atomic_exchange_n(&r->turn, r->turn + 1, __ATOMIC_SEQ_CST);
	ck_pr_fence_atomic_load();	/* F */
}

static void turn_end(struct runner *r)
{
	__atomic_store_n(&r->turn, r->turn + 1, __ATOMIC_RELEASE);
}

/*
 * An actor that waits within a step (for the mutex, for a thread to end) must not hold up a grace
 * period that others wait for: it leaves its turn meanwhile. It may, because it is inside no
 * message function and its wakes are sent. NULL: not an actor.
 */
static struct runner *turn_leave(struct sched_threads *s)
{
	struct actor *a = actor_current();
	struct runner *self = a != NULL && a->sched == &s->sched ? a->sched_slot : NULL;

	if (self != NULL) {
		actor_flush_wakes(a);
		turn_end(self);
	}
	return self;
}

static void turn_resume(struct runner *self)
{
	if (self != NULL)
		turn_begin(self);
}

static void registry_add(struct sched_threads *s, struct runner *r)
{
	struct runner *self = turn_leave(s);

	pthread_mutex_lock(&s->mutex);
	pthread_mutex_lock(&s->list_mutex);
	list_push_back(&s->runners, &r->link);
	pthread_mutex_unlock(&s->list_mutex);
	pthread_mutex_unlock(&s->mutex);
	turn_resume(self);
}

static void registry_remove(struct sched_threads *s, struct runner *r)
{
	struct runner *self = turn_leave(s);

	pthread_mutex_lock(&s->mutex);
	pthread_mutex_lock(&s->list_mutex);
	list_remove(&r->link);
	pthread_mutex_unlock(&s->list_mutex);
	pthread_mutex_unlock(&s->mutex);
	turn_resume(self);
}

/* Under the mutex. */
static void wait_for_grace(struct sched_threads *s)
{
	uint64_t number = s->graces_begun + 1;

	__atomic_store_n(&s->graces_begun, number, __ATOMIC_SEQ_CST);
	ck_pr_fence_memory();	/* F' */
	LIST_FOREACH(link, &s->runners) {
		struct runner *r = LIST_ENTRY(link, struct runner, link);
		uint64_t turn = __atomic_load_n(&r->turn, __ATOMIC_SEQ_CST);

		while (turn % 2 == 1 && __atomic_load_n(&r->turn, __ATOMIC_ACQUIRE) == turn)
			os_sleep_ms(s->sched.os, 1);
	}
	while (__atomic_load_n(&s->sched.outsiders, __ATOMIC_SEQ_CST) != 0)
		os_sleep_ms(s->sched.os, 1);
	s->graces_done = number;
}

/* --- sleep ------------------------------------------------------------------------------------ */

static void allocator_cache_off(void)
{
#ifdef HAVE_JEMALLOC
	bool off = false;

	if (mallctl != NULL)
		(void)mallctl("thread.tcache.enabled", NULL, NULL, &off, sizeof(off));
#endif
}

static mono_ns ns_of(mono_ms deadline)
{
	return deadline > MONO_NEVER / 1000000 ? MONO_NEVER : deadline * 1000000;
}

/* Until it is poked or the deadline has come. Whether its turns are on loan meanwhile is nothing to it. */
static void sleep_on_word(struct actor *a)
{
	struct os *os = a->sched->os;

	for (;;) {
		uint32_t seen = __atomic_load_n(&a->rest, __ATOMIC_SEQ_CST);

		if ((seen != ACTOR_ASLEEP && seen != ACTOR_ON_LOAN)
		    || (a->armed != MONO_NEVER && os_mono_ms(os) >= a->armed))
			return;
		os_futex_wait(os, &a->rest, seen, ns_of(a->armed));
	}
}

/* The turn comes back to its owner: what a borrower, or who poked, wrote before is seen after this. */
static void take_back(struct actor *a)
{
	for (;;) {
		uint32_t seen = __atomic_load_n(&a->rest, __ATOMIC_SEQ_CST);

		if (seen == ACTOR_AWAITED)
			os_futex_wait(a->sched->os, &a->rest, ACTOR_AWAITED, MONO_NEVER);
		else if (seen == ACTOR_ON_LOAN || seen == ACTOR_RECALLED)
			(void)actor_rest_swap(a, seen, ACTOR_AWAITED);
		else if (actor_rest_swap(a, seen, ACTOR_AWAKE) == seen)
			return;
	}
}

static void rest(struct actor *a)
{
	a->armed = a->deadline;
	if (a->todo != 0)
		return;		/* the turn's own: not to be looked at once it is announced */
	if (actor_rest_swap(a, ACTOR_AWAKE, ACTOR_ASLEEP) == ACTOR_AWAKE) {
		ck_pr_fence_memory();	/* F2 of inbox.c: rest before the look at the mail */
		if (!actor_has_new_mail(a)) {
			counter_add(&a->counters.sleeps, 1);
			if (a->ops->wait != NULL)
				a->ops->wait(a, a->armed);
			else
				sleep_on_word(a);
		}
	}
	take_back(a);
}

static int step(struct actor *a, mono_ms now)
{
	int work = a->ops->step(a, now);

	ASSERT(work >= 0);
	counter_add(&a->counters.steps, 1);
	actor_flush_wakes(a);
	return work;
}

/* --- borrowed turns --------------------------------------------------------------------------- */

#define LOAN_STEPS 4	/* who gets more work than this is busy, and wants its own thread */

/* Steps until there is nothing to do. False: its own thread is wanted, to go on, to sleep less long, or to end. */
static bool step_on_loan(struct actor *a, struct actor *borrower)
{
	struct runner *r = a->sched_slot;
	bool is_over = false;

	turn_begin(r);
	a->is_on_loan = true;
	a->borrower = borrower;
	for (int i = 0; !is_over && i < LOAN_STEPS; i++)
		is_over = step(a, os_mono_ms(a->sched->os)) == 0 || a->is_settled;
	a->is_on_loan = false;
	turn_end(r);
	return is_over && a->todo == 0 && a->deadline >= a->armed && !__atomic_load_n(&a->stop_wanted, __ATOMIC_ACQUIRE);
}

/* Its own thread is to go on: it waits for the word, or in a wait of its own. */
static void end_loan(struct actor *a)
{
	uint32_t was = __atomic_exchange_n(&a->rest, ACTOR_POKED, __ATOMIC_SEQ_CST);

	if (was != ACTOR_AWAITED && a->ops->wake != NULL)
		a->ops->wake(a);
	else
		os_futex_wake(a->sched->os, &a->rest, 1);
}

/*
 * The caller is in a turn of its own or counted as an outsider, so a cannot be freed before it has
 * let go, even if a ends as soon as the turn is given back.
 */
static void threads_borrow_turns(struct actor *a)
{
	struct actor *caller = actor_current();

	actor_set_current(a);
	for (int i = 1; actor_rest_swap(a, ACTOR_ASLEEP, ACTOR_ON_LOAN) == ACTOR_ASLEEP; i++) {
		counter_add(&a->counters.turns_lent, 1);
		if (!step_on_loan(a, caller) || i == LOAN_STEPS || actor_rest_swap(a, ACTOR_ON_LOAN, ACTOR_ASLEEP) != ACTOR_ON_LOAN) {
			end_loan(a);
			break;
		}
		ck_pr_fence_memory();	/* F2, in the receiver's place */
		if (!actor_has_new_mail(a))
			break;
	}
	actor_set_current(caller);
}

/* --- an actor's thread, from its first turn to its last --------------------------------------- */

static void run(void *arg)
{
	struct runner *r = arg;
	struct actor *a = r->actor;
	struct sched_threads *s = threads_of(a->sched);

	if (a->ops->is_many)
		allocator_cache_off();
	__atomic_store_n(&r->clock, process_thread_clock(), __ATOMIC_RELAXED);
	actor_set_current(a);
	for (;;) {
		int work;

		turn_begin(r);
		work = step(a, os_mono_ms(s->sched.os));
		turn_end(r);
		if (work > 0 && (!a->is_settled || __atomic_load_n(&a->stop_wanted, __ATOMIC_ACQUIRE)))
			continue;
		if (work == 0 && actor_may_end(a))
			break;
		rest(a);
	}
	actor_set_current(NULL);
	if (a->ops->is_many)
		sched_add_ended(a->sched, a, process_thread_cpu_ns(r->clock));
	__atomic_store_n(&r->has_ended, true, __ATOMIC_RELEASE);
	r->graces_at_end = __atomic_load_n(&s->graces_begun, __ATOMIC_SEQ_CST);
}

static enum err threads_start(struct actor *a, size_t stack_bytes)
{
	struct sched_threads *s = threads_of(a->sched);
	struct runner *r = mem_calloc(1, sizeof(*r));
	enum err err;

	r->actor = a;
	r->watched_since = os_mono_ms(s->sched.os);
	a->sched_slot = r;
	registry_add(s, r);
	stack_bytes = MAX(stack_bytes != 0 ? stack_bytes : ACTOR_STACK_DEFAULT, STACK_MIN);
	err = os_thread_start(s->sched.os, &a->thread, a->log.subject, stack_bytes, run, r);
	if (err != OK) {
		registry_remove(s, r);
		a->sched_slot = NULL;
		free(r);
	}
	return err;
}

/* What came in between the last step and the end of the grace period: a turn of a on ours. */
static void answer_latecomers(struct actor *a, struct runner *r)
{
	struct actor *caller = actor_current();

	actor_set_current(a);
	turn_begin(r);
	while (actor_has_mail(a)) {
		int work = step(a, os_mono_ms(a->sched->os));

		ASSERT(work > 0 || !actor_has_mail(a));	/* a stopped actor still answers */
	}
	turn_end(r);
	actor_set_current(caller);
}

static void threads_join(struct actor *a)
{
	struct sched_threads *s = threads_of(a->sched);
	struct runner *r = a->sched_slot;
	struct runner *self = turn_leave(s);

	os_thread_join(s->sched.os, &a->thread);
	pthread_mutex_lock(&s->mutex);
	if (s->graces_done <= r->graces_at_end)
		wait_for_grace(s);
	pthread_mutex_unlock(&s->mutex);
	answer_latecomers(a, r);
	turn_resume(self);
	registry_remove(s, r);
	a->sched_slot = NULL;
	free(r);
}

/* --- who goes on ------------------------------------------------------------------------------ */

/* Inside a step, about to make one, or asleep before mail. */
static bool has_work(const struct runner *r, uint64_t turn)
{
	return turn % 2 == 1 || __atomic_load_n(&r->actor->rest, __ATOMIC_RELAXED) != ACTOR_ASLEEP || actor_has_new_mail(r->actor);
}

/* Of many, those that have ended are in sched_ended already. */
static void threads_each(struct sched *sched, sched_visit *visit, void *arg)
{
	struct sched_threads *s = threads_of(sched);

	pthread_mutex_lock(&s->list_mutex);
	LIST_FOREACH(link, &s->runners) {
		const struct runner *r = LIST_ENTRY(link, struct runner, link);

		if (!__atomic_load_n(&r->has_ended, __ATOMIC_ACQUIRE))
			visit(arg, r->actor, process_thread_cpu_ns(__atomic_load_n(&r->clock, __ATOMIC_RELAXED)));
	}
	pthread_mutex_unlock(&s->list_mutex);
}

/* An actor has a runner from before its first step until actor_join is done with it: it is there while the list is held. */
static void threads_watch(struct sched *sched, mono_ms now, sched_seen *seen, void *arg)
{
	struct sched_threads *s = threads_of(sched);

	pthread_mutex_lock(&s->list_mutex);
	LIST_FOREACH(link, &s->runners) {
		struct runner *r = LIST_ENTRY(link, struct runner, link);
		uint64_t turn = __atomic_load_n(&r->turn, __ATOMIC_RELAXED);

		if (turn != r->watched_turn || __atomic_load_n(&r->has_ended, __ATOMIC_RELAXED) || !has_work(r, turn)) {
			r->watched_turn = turn;
			r->watched_since = now;
		}
		seen(arg, r->actor, now - r->watched_since);
	}
	pthread_mutex_unlock(&s->list_mutex);
}

static void threads_destroy(struct sched *sched)
{
	struct sched_threads *s = threads_of(sched);

	ASSERT(list_empty(&s->runners));
	pthread_mutex_destroy(&s->list_mutex);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

const struct sched_ops sched_threads_ops = { threads_start, threads_join, threads_destroy, threads_borrow_turns, threads_each, threads_watch };

struct sched *sched_threads_create(struct os *os)
{
	struct sched_threads *s = mem_calloc(1, sizeof(*s));

	s->sched = (struct sched){ .ops = &sched_threads_ops, .os = os };
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->list_mutex, NULL);
	list_init(&s->runners);
	return &s->sched;
}
