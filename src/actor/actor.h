/*
 * An actor is a struct and a step function. In production each has its thread; in simulation one thread steps all of them in
 * an order drawn from a seed. Actors share nothing but messages.
 *
 * A message is a round trip: the struct belongs to the asker, is lent to the receiver and comes home carrying the answer, so
 * only the asker allocates and frees. msg.at records which side has it, and every hand-over asserts it.
 *
 * Questions travel in one single-producer ck_ring lane per (asker, receiver), allocated when first used by the asker. A full lane
 * makes actor_ask return false: the asker keeps the message and waits for an answer to come home before it tries again.
 * Answers go home on an intrusive ck_stack and cannot fail. So no two actors ever wait for each other.
 *
 * Wakes: a receiver announces that it sleeps; only then is it woken, once per step of the sender (wakes are collected during a
 * step and sent at its end, or when actor_flush_wakes is called). Counters tell how often.
 */
#ifndef SKEIN_ACTOR_H
#define SKEIN_ACTOR_H

#include <ck_ring.h>
#include <ck_stack.h>

#include "base/log.h"
#include "os/os.h"

struct actor;
struct sched;

/* --- messages ---------------------------------------------------------------------------------------------------------- */
enum msg_at { MSG_HOME = 0, MSG_TO_RECEIVER, MSG_AT_RECEIVER, MSG_TO_HOME };

struct msg {
	ck_stack_entry_t link;		/* on the answer stack of its home */
	struct actor    *home;		/* who asked and gets it back */
	struct actor    *to;		/* who was asked last, for dumps */
	void            *context;	/* the asker's own mark (a network actor's call); nobody else looks at it */
	uint16_t         kind;		/* MSG_BASE_x + enum of the receiver's <module>_msg.h: unique in the process */
	uint8_t          at;		/* enum msg_at */
};

/* Each receiver module takes one range of kinds. */
enum {
	MSG_BASE_WORKER     = 0x0100,
	MSG_BASE_PARTITION  = 0x0200,
	MSG_BASE_COORD      = 0x0300,
	MSG_BASE_CONTROLLER = 0x0400,
	MSG_BASE_NET        = 0x0500,
	MSG_BASE_LOGDIR     = 0x0600,
	MSG_BASE_GROUP      = 0x0700,
	MSG_BASE_TXN        = 0x0800,
	MSG_BASE_REPLICA    = 0x0900,
	MSG_BASE_BROKER     = 0x0a00,
};

void msg_init(struct msg *m, uint16_t kind, struct actor *home);

/* --- the actor ----------------------------------------------------------------------------------------------------------- */
#define ACTOR_LANES      64	/* askers in the process: controller, network actors, fetchers, relay; bound of num.network.threads etc. */
#define ACTOR_LANE_SLOTS 256	/* questions in one lane; a full lane is back-pressure on that asker */
#define LANE_NONE        (-1)	/* an actor that only answers */
#define LANE_CONTROLLER  0	/* drained first */

struct actor_ops {
	const char *module;	/* "partition": for logs and dumps */
	/* One bounded turn: drain questions and answers, do one slice of upkeep. Returns the work done; 0 = may sleep.
	 * Before returning 0 it sets a->deadline to when it wants to run again at the latest (MONO_NEVER = only when woken). */
	int  (*step)(struct actor *a, mono_ms now);
	/* How this actor sleeps and is woken, when not on its futex word: a network actor waits in its poller. Both or neither. */
	void (*wait)(struct actor *a, mono_ms until);
	void (*wake)(struct actor *a);			/* any thread */
	void (*dump)(struct actor *a, int fd);		/* for a failed assertion */
};

struct lane;			/* a ck_ring and its slots */

struct actor_counters {		/* written by the actor's thread; read by anyone */
	uint64_t steps, questions, answers, sleeps, wakes_sent, lane_full;
};

struct actor {
	const struct actor_ops *ops;
	struct sched           *sched;
	struct log_source       log;
	int                     lane;		/* index as an asker; LANE_NONE */
	mono_ms                 deadline;	/* see ops->step */
	bool                    stop_wanted;	/* set by actor_stop (release); the loop ends when step then returns 0 */

	/* inbox: written by others */
	CACHE_ALIGNED struct lane *lanes[ACTOR_LANES];	/* each slot published once by its asker */
	uint64_t                pending;		/* bit per lane that may hold questions */
	ck_stack_t              answers;
	uint32_t                sleeping;		/* 1: announced; the futex word */

	/* outbox: whom to wake at the end of the step */
	CACHE_ALIGNED struct actor *wake_list[32];
	int                     wake_count;
	struct actor_counters   counters;
	struct os_thread       *thread;
	void                   *sched_slot;		/* the scheduler's */
};

void actor_init(struct actor *a, struct sched *s, const struct actor_ops *ops, int lane, const char *subject_fmt, ...) PRINTF(5, 6);
void actor_fini(struct actor *a);		/* after it stopped; frees its lanes. Asserts that no message is inside */

/* Sends a question. Caller: the asker `from` (its own thread). False: the lane is full and m is still the caller's. */
bool actor_ask(struct actor *from, struct actor *to, struct msg *m) MUST_CHECK;
/* Sends m home; from = the actor that answers, on its own thread (NULL: not an actor's thread, the home is woken at once). */
void actor_answer(struct actor *from, struct msg *m);
/* At most max questions, lane 0 first, round robin over the others. dispatch owns each message it is given. Returns the number. */
int  actor_drain_questions(struct actor *a, int max, void (*dispatch)(void *arg, struct msg *m), void *arg);
/* Answers that came home, oldest first. Returns the number. */
int  actor_drain_answers(struct actor *a, void (*dispatch)(void *arg, struct msg *m), void *arg);
bool actor_has_mail(const struct actor *a);
void actor_flush_wakes(struct actor *a);
void actor_wake(struct actor *a);		/* any thread */

/* Asserts, in the entries of what an actor owns, that its thread (or the simulation, stepping it) is the caller. */
struct actor *actor_current(void);
#define ASSERT_OWNER(actor_ptr) ASSERT(actor_current() == (actor_ptr))

/* --- schedulers ------------------------------------------------------------------------------------------------------------ */
struct sched *sched_threads_create(struct os *os);			/* one thread per actor */
struct sched *sched_sim_create(struct os *os, uint64_t seed);		/* all on the calling thread */
void          sched_destroy(struct sched **s);
struct os    *sched_os(struct sched *s);
bool          sched_is_sim(const struct sched *s);
enum err      actor_start(struct actor *a, size_t stack_bytes) MUST_CHECK;
void          actor_stop(struct actor *a);		/* asks it to end; any thread */
void          actor_join(struct actor *a);		/* waits until it has ended (simulation: steps until then) */
/* Simulation only: one step of one runnable actor (or job), chosen by the seed; when none is runnable the clock moves to the next
 * deadline (of actors or of the simulated machine). False: nothing will ever happen again. */
bool          sched_sim_step(struct sched *s);
uint64_t      sched_sim_hash(const struct sched *s);	/* of every choice made so far: equal seeds give equal hashes */
uint64_t      sched_sim_random(struct sched *s);

/* --- the worker pool: all that may wait for a device or eat much CPU --------------------------------------------------------- */
struct workers;

/* Code to be run on immutable inputs; the result goes home as an answer. The one message that carries a function: a job is not a
 * question to somebody but a piece of the asker's own work, done elsewhere. */
struct job {
	struct msg  msg;			/* kind chosen by the asker, MSG_BASE_<asker> range */
	void      (*run)(struct job *j);	/* on a worker thread; touches only what the job holds */
};

struct workers *workers_create(struct sched *s, int threads);
void            workers_destroy(struct workers **w);	/* after all jobs came home */
void            workers_submit(struct workers *w, struct actor *from, struct job *j);	/* never blocks, never fails */

#endif
