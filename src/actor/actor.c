/*
 * The actor's frame: its identity, who runs on this thread, what a failed assertion prints, and the
 * faces of the schedulers.
 */
#include "actor/actor_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct actor *current;

static void print_actor(FILE *out, const char *what, const struct actor *a)
{
	fprintf(out, "skein: %s %s %s\n", what, a->log.module, a->log.subject);
}

/* A thread about to abort: reads what it owns, locks nothing of ours. */
static void dump_current(void *arg)
{
	struct actor *a = arg;
	const struct msg *m = a->at_hand;

	print_actor(stderr, "in actor", a);
	fprintf(stderr, "skein: steps=%llu questions=%llu answers=%llu messages_out=%d",
		(unsigned long long)a->counters.steps, (unsigned long long)a->counters.questions,
		(unsigned long long)a->counters.answers, a->messages_out);
	fprintf(stderr, " pending=%#llx stop_wanted=%d\n",
		(unsigned long long)(a->pending | a->todo), a->stop_wanted);
	if (m != NULL) {
		fprintf(stderr, "skein: message at hand: kind=%#x at=%d\n", m->kind, m->at);
		if (m->home != NULL && m->home != a)
			print_actor(stderr, "message of", m->home);
	}
	fflush(stderr);
	if (a->ops->dump != NULL)
		a->ops->dump(a, fileno(stderr));
}

struct actor *actor_current(void)
{
	return current;
}

void actor_set_current(struct actor *a)
{
	current = a;
	assert_set_dump(a != NULL ? dump_current : NULL, a);
}

void actor_init(struct actor *a, struct sched *s, const struct actor_ops *ops, int lane,
		const char *subject_fmt, ...)
{
	char subject[sizeof(a->log.subject)];
	va_list args;

	ASSERT(lane == LANE_NONE || (lane >= 0 && lane < LANE_SHARED));
	ASSERT(ops->step != NULL);
	ASSERT((ops->wait == NULL) == (ops->wake == NULL));
	memset(a, 0, sizeof(*a));
	a->ops = ops;
	a->sched = s;
	a->lane = lane;
	a->lane_slots = ACTOR_LANE_SLOTS;
	a->deadline = MONO_NEVER;
	ck_stack_init(&a->answers);
	ck_stack_init(&a->shared);
	va_start(args, subject_fmt);
	vsnprintf(subject, sizeof(subject), subject_fmt, args);
	va_end(args);
	log_source_init(&a->log, ops->module, "%s", subject);
}

enum err actor_start(struct actor *a, size_t stack_bytes)
{
	ASSERT(a->sched_slot == NULL);
	return a->sched->ops->start(a, stack_bytes);
}

void actor_stop(struct actor *a)
{
	__atomic_store_n(&a->stop_wanted, true, __ATOMIC_RELEASE);
	actor_wake(a);
}

void actor_join(struct actor *a)
{
	ASSERT(a->sched_slot != NULL);
	ASSERT(actor_current() != a);
	a->sched->ops->join(a);
}

struct os *sched_os(struct sched *s)
{
	return s->os;
}

bool sched_is_sim(const struct sched *s)
{
	return s->is_sim;
}

void sched_watch(struct sched *s, mono_ms now, sched_seen *seen, void *arg)
{
	if (s->ops->watch != NULL)
		s->ops->watch(s, now, seen, arg);
}

void sched_each(struct sched *s, sched_visit *visit, void *arg)
{
	if (s->ops->each != NULL)
		s->ops->each(s, visit, arg);
}

/* All counters are uint64_t. */
#define COUNTERS (sizeof(struct sched_ended) / sizeof(uint64_t))

void sched_ended(const struct sched *s, struct sched_ended *out)
{
	const uint64_t *from = (const uint64_t *)&s->ended;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < COUNTERS; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void sched_add_ended(struct sched *s, const struct actor *a, uint64_t cpu_ns)
{
	struct sched_ended more = { a->counters, cpu_ns };
	const uint64_t *from = (const uint64_t *)&more;
	uint64_t *to = (uint64_t *)&s->ended;

	for (size_t i = 0; i < COUNTERS; i++)
		__atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
}

void sched_set_stuck(struct sched *s, int count)
{
	__atomic_store_n(&s->stuck, (uint32_t)count, __ATOMIC_RELAXED);
}

int sched_stuck(const struct sched *s)
{
	return (int)__atomic_load_n(&s->stuck, __ATOMIC_RELAXED);
}

void sched_destroy(struct sched **s)
{
	(*s)->ops->destroy(*s);
	*s = NULL;
}
