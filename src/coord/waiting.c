/*
 * The caller's thread lends an array of calls to the actor and sleeps on a word that the actor writes when the last of them is home: the array is the actor's in between.
 */
#include "coord/waiting.h"

#include <stdio.h>
#include <stdlib.h>

struct coord_waiting {
	struct actor  actor;
	struct sched *sched;
	struct os    *os;
	struct coord *coord;

	struct coord_call *calls;	/* written by the caller, taken by the actor; NULL: none wanted */
	int                count;
	int                out;		/* the actor's */
	bool               closes;	/* written by the caller: the store is wanted no more */
	uint32_t           is_home;	/* the caller's futex word; the actor writes 1 */
};

static void wake_caller(struct coord_waiting *w)
{
	__atomic_store_n(&w->is_home, 1, __ATOMIC_RELEASE);
	os_futex_wake(w->os, &w->is_home, 1);
}

static void wait_for_actor(struct coord_waiting *w)
{
	actor_wake(&w->actor);
	while (__atomic_load_n(&w->is_home, __ATOMIC_ACQUIRE) == 0)
		os_futex_wait(w->os, &w->is_home, 0, MONO_NEVER);
}

static void on_home(void *arg, struct msg *m)
{
	struct coord_waiting *w = arg;

	if (m->kind == COORD_EVENT) {
		coord_event_free((struct coord_event *)m);
		return;
	}
	if (--w->out == 0)
		wake_caller(w);
}

static int waiting_step(struct actor *a, mono_ms now UNUSED)
{
	struct coord_waiting *w = CONTAINER_OF(a, struct coord_waiting, actor);
	struct coord_call *calls = __atomic_exchange_n(&w->calls, NULL, __ATOMIC_ACQUIRE);
	int work = 0;

	if (calls != NULL) {
		w->out = w->count;
		for (int i = 0; i < w->count; i++)
			coord_submit(w->coord, &calls[i]);
		work++;
	}
	work += actor_drain_answers(a, on_home, w);
	if (__atomic_load_n(&w->closes, __ATOMIC_ACQUIRE) && w->coord != NULL) {
		coord_close(&w->coord);
		wake_caller(w);
		work++;
	}
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops waiting_ops = { .module = "coord", .step = waiting_step };

enum err coord_waiting_open(struct coord_waiting **out, struct os *os, const struct coord_zookeeper_spec *spec, char *problem, size_t problem_size)
{
	struct coord_waiting *w = mem_calloc(1, sizeof(*w));

	w->os = os;
	w->sched = sched_threads_create(os);
	actor_init(&w->actor, w->sched, &waiting_ops, LANE_NONE, "store");
	enum err e = actor_start(&w->actor, 0);
	if (e != OK) {
		snprintf(problem, problem_size, "cannot start a thread: %s", err_text(e));
		goto fail;
	}
	e = coord_open_zookeeper(&w->coord, &w->actor, spec, problem, problem_size);
	if (e != OK)
		goto fail_stop;
	*out = w;
	return OK;
fail_stop:
	actor_stop(&w->actor);
	actor_join(&w->actor);
fail:
	actor_fini(&w->actor);
	sched_destroy(&w->sched);
	free(w);
	return e;
}

void coord_waiting_close(struct coord_waiting **wp)
{
	struct coord_waiting *w = *wp;

	if (w == NULL)
		return;
	__atomic_store_n(&w->is_home, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&w->closes, true, __ATOMIC_RELEASE);
	wait_for_actor(w);
	actor_stop(&w->actor);
	actor_join(&w->actor);
	actor_fini(&w->actor);
	sched_destroy(&w->sched);
	free(w);
	*wp = NULL;
}

void coord_waiting_call_init(struct coord_waiting *w, struct coord_call *call, struct coord_op *ops, int op_count)
{
	coord_call_init(call, &w->actor, ops, op_count);
}

void coord_waiting_run(struct coord_waiting *w, struct coord_call *calls, int count)
{
	if (count == 0)
		return;
	__atomic_store_n(&w->is_home, 0, __ATOMIC_RELAXED);
	w->count = count;
	__atomic_store_n(&w->calls, calls, __ATOMIC_RELEASE);
	wait_for_actor(w);
}
