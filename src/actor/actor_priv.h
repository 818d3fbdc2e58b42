/*
 * What the files of this module share: the scheduler's face towards actors, and how ThreadSanitizer
 * is told about hand-overs.
 */
#ifndef SKEIN_ACTOR_PRIV_H
#define SKEIN_ACTOR_PRIV_H

#include "actor/actor.h"

/*
 * ck's atomics are assembly, which ThreadSanitizer does not see. Each hand-over of a message is
 * therefore told to it, on the message itself: what is written before a send happens before what is
 * read after the receive, and nothing else does. Races inside ck_ring.h and ck_stack.h are
 * suppressed in tests/tsan.supp; a race on the content of a message is still found (torture_test
 * --planted-race).
 */
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define HANDED_OVER(m) __tsan_release(m)
#define TAKEN_OVER(m)  __tsan_acquire(m)
/* Of the runtime, in no header of its. Writes between these two are not remembered. */
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define UNSEEN_WRITES_BEGIN() AnnotateIgnoreWritesBegin(__FILE__, __LINE__)
#define UNSEEN_WRITES_END()   AnnotateIgnoreWritesEnd(__FILE__, __LINE__)
#else
#define HANDED_OVER(m) ((void)(m))
#define TAKEN_OVER(m)  ((void)(m))
#define UNSEEN_WRITES_BEGIN() ((void)0)
#define UNSEEN_WRITES_END()   ((void)0)
#endif

struct sched_ops {
	enum err (*start)(struct actor *a, size_t stack_bytes);
	void     (*join)(struct actor *a);
	void     (*destroy)(struct sched *s);
	void     (*borrow_turns)(struct actor *a);	/* a was seen asleep: runs its steps here, unless somebody else was quicker. NULL: nobody ever sleeps */
	void     (*each)(struct sched *s, sched_visit *visit, void *arg);			/* NULL as well */
	void     (*watch)(struct sched *s, mono_ms now, sched_seen *seen, void *arg);	/* NULL: nobody runs by himself */
};

struct sched {			/* first member of each kind */
	const struct sched_ops *ops;
	struct os *os;
	bool       is_sim;
	uint32_t   outsiders;	/* threads that are no actors and are inside actor_answer or actor_post */
	uint32_t   stuck;	/* sched_set_stuck */
	struct sched_ended ended;	/* added to by ending threads */
};

extern const struct sched_ops sched_threads_ops, sched_sim_ops;

void sched_add_ended(struct sched *s, const struct actor *a, uint64_t cpu_ns);

/* Who runs on this thread; also what a failed assertion prints. NULL: nobody. */
void actor_set_current(struct actor *a);
/* True when nothing keeps a stopped actor whose step returned 0. */
bool actor_may_end(const struct actor *a);

/* One writer: plain arithmetic would do, but others read while it is written. */
static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* a->rest := to if it is `from`. Returns what it was. */
static inline uint32_t actor_rest_swap(struct actor *a, uint32_t from, uint32_t to)
{
	__atomic_compare_exchange_n(&a->rest, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return from;
}

/*
 * Pushes m, which is not the caller's from here on. ck links m behind the hand-over that
 * ThreadSanitizer knows of, and the taker reads the link outside of ck: no suppression matches when
 * the pusher's stack has left the runtime's history, so the write is not shown to it.
 */
static inline void msg_push(ck_stack_t *stack, struct msg *m)
{
	HANDED_OVER(m);
	UNSEEN_WRITES_BEGIN();
	ck_stack_push_upmc(stack, &m->link);
	UNSEEN_WRITES_END();
}

/* Turns the list of a popped ck_stack (latest first) round and takes each message over. */
ck_stack_entry_t *msg_list_reverse(ck_stack_entry_t *latest);
static inline struct msg *msg_of(ck_stack_entry_t *link)
{
	return CONTAINER_OF(link, struct msg, link);
}

/* The simulation's worker pool: j is run as one of the next choices. */
void sched_sim_submit(struct sched *s, struct job *j);

#endif
