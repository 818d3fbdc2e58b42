/*
 * The worker pool. Submitters push on a stack and never wait; workers take the whole stack at once,
 * turn it round and share it out in the order of submission, under a mutex that only they take.
 *
 * A job must not be left while a worker sleeps:
 *	submitter: push; fence; read idle	worker: read bell; idle + 1; fence; look at the stack;
 *						        wait while the bell is as read
 * One of the two sees the other's write. The bell is an event count: it is read before the last
 * look, so a ring in between makes the futex return at once. A worker that leaves jobs when it takes
 * one is in the place of a submitter for these: it looks at idle too, or a job would wait
 * behind a long one while a worker sleeps. So what a worker itself submits (it brings a job home and
 * runs the turn of its owner) needs no ring: it takes that next, or rings then.
 *
 * Who watches sees what a worker is at under that worker's mutex, so a job cannot go home, and its owner end, while it is looked at. A worker that is stopped
 * where it waits, or between two jobs, is at nothing; then jobs wait, and the count of those that were taken stands still.
 */
#include "actor/actor_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKER_STACK_BYTES (512u << 10)	/* compressors' frames are larger than an actor's */

struct worker {
	struct workers    *pool;
	struct os_thread  *thread;
	char               pad[CACHE_LINE];
	pthread_mutex_t    mutex;	/* the next two; held for a moment */
	const struct job  *at;		/* NULL: none */
	mono_ms            since;
};

struct workers {
	struct sched      *sched;
	int                thread_count;
	struct worker     *crew;
	uint64_t           watched_count;	/* of jobs taken, at the last look, and since when it is so */
	mono_ms            watched_since;
	int                stuck;	/* then */
	pthread_mutex_t    mutex;
	ck_stack_entry_t  *taken;	/* under the mutex: oldest first; what is submitted is popped under it, too */
	uint64_t           taken_count;	/* written under it */

	char       pad[CACHE_LINE];
	ck_stack_t submitted;
	uint32_t   idle;	/* workers that announced that they sleep */
	uint32_t   bell;	/* the futex word: grows with every wake */
	bool       stop_wanted;
};

static _Thread_local const struct workers *serving;	/* whose worker this thread is */

static bool has_jobs(const struct workers *w)
{
	return ck_pr_load_ptr(&w->submitted.head) != NULL
	    || __atomic_load_n(&w->taken, __ATOMIC_SEQ_CST) != NULL;
}

static void ring(struct workers *w, int threads)
{
	__atomic_fetch_add(&w->bell, 1, __ATOMIC_SEQ_CST);
	os_futex_wake(w->sched->os, &w->bell, threads);
}

static void ring_if_idle(struct workers *w)
{
	if (__atomic_load_n(&w->idle, __ATOMIC_SEQ_CST) != 0)
		ring(w, 1);
}

static struct job *take(struct workers *w)
{
	ck_stack_entry_t *e;

	pthread_mutex_lock(&w->mutex);
	e = w->taken;
	if (e == NULL)
		e = msg_list_reverse(ck_stack_batch_pop_upmc(&w->submitted));
	if (e != NULL) {
		__atomic_store_n(&w->taken, e->next, __ATOMIC_SEQ_CST);
		__atomic_store_n(&w->taken_count, w->taken_count + 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&w->mutex);
	if (e == NULL)
		return NULL;
	if (has_jobs(w))
		ring_if_idle(w);
	return CONTAINER_OF(msg_of(e), struct job, msg);
}

static void rest(struct workers *w)
{
	uint32_t seen = __atomic_load_n(&w->bell, __ATOMIC_SEQ_CST);

	__atomic_fetch_add(&w->idle, 1, __ATOMIC_SEQ_CST);
	ck_pr_fence_memory();	/* idle before the look at the stack */
	if (!has_jobs(w) && !__atomic_load_n(&w->stop_wanted, __ATOMIC_SEQ_CST))
		os_futex_wait(w->sched->os, &w->bell, seen, MONO_NEVER);
	__atomic_fetch_sub(&w->idle, 1, __ATOMIC_SEQ_CST);
}

static void set_at(struct worker *me, const struct job *j)
{
	mono_ms now = j != NULL ? os_mono_ms(me->pool->sched->os) : 0;

	pthread_mutex_lock(&me->mutex);
	me->at = j;
	me->since = now;
	pthread_mutex_unlock(&me->mutex);
}

static void run(void *arg)
{
	struct worker *me = arg;
	struct workers *w = me->pool;

	serving = w;
	for (;;) {
		struct job *j = take(w);

		if (j != NULL) {
			set_at(me, j);
			j->run(j);
			set_at(me, NULL);
			actor_answer(NULL, &j->msg);
		} else if (__atomic_load_n(&w->stop_wanted, __ATOMIC_SEQ_CST)) {
			return;
		} else {
			rest(w);
		}
	}
}

void workers_submit(struct workers *w, struct actor *from, struct job *j)
{
	ASSERT(j->run != NULL);
	actor_lend(from, &j->msg);
	if (w->sched->is_sim) {
		sched_sim_submit(w->sched, j);
		return;
	}
	msg_push(&w->submitted, &j->msg);
	ck_pr_fence_atomic_load();	/* the push before the read of idle */
	if (serving != w)		/* else this thread, in a turn it has borrowed, looks at the stack itself when the turn ends */
		ring_if_idle(w);
}

struct workers *workers_create(struct sched *s, int threads)
{
	struct workers *w = mem_calloc(1, sizeof(*w));

	ASSERT(threads > 0);
	w->sched = s;
	pthread_mutex_init(&w->mutex, NULL);
	ck_stack_init(&w->submitted);
	if (s->is_sim)
		return w;
	w->watched_since = os_mono_ms(s->os);
	w->crew = mem_calloc((size_t)threads, sizeof(*w->crew));
	for (; w->thread_count < threads; w->thread_count++) {
		struct worker *one = &w->crew[w->thread_count];
		char name[32];

		one->pool = w;
		pthread_mutex_init(&one->mutex, NULL);
		snprintf(name, sizeof(name), "worker-%d", w->thread_count);
		if (os_thread_start(s->os, &one->thread, name, WORKER_STACK_BYTES, run, one) != OK) {
			pthread_mutex_destroy(&one->mutex);
			break;
		}
	}
	if (w->thread_count == 0)
		workers_destroy(&w);
	return w;
}

void workers_destroy(struct workers **wp)
{
	struct workers *w = *wp;

	ASSERT(!has_jobs(w) && w->taken == NULL);
	__atomic_store_n(&w->stop_wanted, true, __ATOMIC_SEQ_CST);
	if (!w->sched->is_sim)
		ring(w, w->thread_count);
	for (int i = 0; i < w->thread_count; i++) {
		os_thread_join(w->sched->os, &w->crew[i].thread);
		pthread_mutex_destroy(&w->crew[i].mutex);
	}
	pthread_mutex_destroy(&w->mutex);
	free(w->crew);
	free(w);
	*wp = NULL;
}

/* --- who watches ------------------------------------------------------------------------------------ */

/* The oldest of those that wait; NULL: none, or somebody is about to take it. Under the mutex. */
static const struct job *oldest_waiting(const struct workers *w)
{
	ck_stack_entry_t *e = w->taken;

	if (e != NULL)
		return CONTAINER_OF(msg_of(e), struct job, msg);
	for (ck_stack_entry_t *next = ck_pr_load_ptr(&w->submitted.head); next != NULL; next = next->next) {
		TAKEN_OVER(msg_of(next));
		e = next;
	}
	return e != NULL ? CONTAINER_OF(msg_of(e), struct job, msg) : NULL;
}

/* Jobs wait, and it is not because all are at something that may last. */
static bool tell_waiting(struct workers *w, mono_ms now, mono_ms limit_ms, bool are_all_at_lasting, workers_seen *seen, void *arg)
{
	uint64_t count = __atomic_load_n(&w->taken_count, __ATOMIC_RELAXED);

	if (count != w->watched_count || are_all_at_lasting || !has_jobs(w)) {
		w->watched_count = count;
		w->watched_since = now;
	}
	if (now - w->watched_since < limit_ms || pthread_mutex_trylock(&w->mutex) != 0)
		return false;
	const struct job *j = oldest_waiting(w);

	if (j != NULL)
		seen(arg, &j->msg.home->log, now - w->watched_since);
	pthread_mutex_unlock(&w->mutex);
	return j != NULL;
}

int workers_watch(struct workers *w, mono_ms now, mono_ms limit_ms, workers_seen *seen, void *arg)
{
	int stuck = 0, at_lasting = 0;

	if (w->sched->is_sim)
		return 0;
	for (int i = 0; i < w->thread_count; i++) {
		struct worker *one = &w->crew[i];

		pthread_mutex_lock(&one->mutex);
		if (one->at != NULL && one->at->may_last) {
			at_lasting++;
		} else if (one->at != NULL && now - one->since >= limit_ms) {
			seen(arg, &one->at->msg.home->log, now - one->since);
			stuck++;
		}
		pthread_mutex_unlock(&one->mutex);
	}
	stuck += tell_waiting(w, now, limit_ms, at_lasting == w->thread_count, seen, arg);
	__atomic_store_n(&w->stuck, stuck, __ATOMIC_RELAXED);
	return stuck;
}

int workers_stuck(const struct workers *w)
{
	return __atomic_load_n(&w->stuck, __ATOMIC_RELAXED);
}

mono_ms workers_oldest_ms(struct workers *w, mono_ms now)
{
	mono_ms oldest = 0;

	for (int i = 0; i < w->thread_count; i++) {
		struct worker *one = &w->crew[i];

		pthread_mutex_lock(&one->mutex);
		if (one->at != NULL && !one->at->may_last)
			oldest = MAX(oldest, now - one->since);
		pthread_mutex_unlock(&one->mutex);
	}
	return oldest;
}
