/*
 * An actor is a struct and a step function. In production each has its thread; in simulation one
 * thread steps all of them in an order drawn from a seed. Actors share nothing but messages.
 *
 * A message is a round trip: the struct belongs to the asker, is lent to the receiver and comes
 * home carrying the answer, so only the asker allocates and frees. msg.at records which side has
 * it, and every hand-over asserts it.
 *
 * Questions travel in one single-producer ck_ring lane per (asker, receiver), allocated when first
 * used by the asker. A full lane makes actor_ask return false: the asker keeps the message and
 * waits for an answer to come home before it tries again. Answers go home on an intrusive ck_stack
 * and cannot fail. So no two actors ever wait for each other.
 *
 * Wakes: a receiver announces that it sleeps; only then is it woken, once per step of the sender
 * (wakes are collected during a step and sent at its end, or when actor_flush_wakes is called).
 * Instead of waking a sleeper that lends its turns, who sent it something light takes the turn
 * himself, on his thread. Counters tell how often. inbox.c argues why none is lost.
 */
#ifndef SKEIN_ACTOR_H
#define SKEIN_ACTOR_H

#include <ck_ring.h>
#include <ck_stack.h>

#include "base/log.h"
#include "os/os.h"

struct actor;
struct sched;

/* --- messages --------------------------------------------------------------------------------- */
enum msg_at { MSG_HOME = 0, MSG_TO_RECEIVER, MSG_AT_RECEIVER, MSG_TO_HOME, MSG_POSTED };

struct msg {
	ck_stack_entry_t link;		/* on the answer stack of its home; on the shared stack of a receiver */
	struct actor    *home;		/* who asked and gets it back */
	struct actor    *to;		/* who was asked last, for dumps */
	void            *context;	/* the asker's own mark (a network actor's call); nobody else looks at it */
	uint16_t         kind;		/* MSG_BASE_x + enum of the receiver's <module>_msg.h: unique in the process */
	uint8_t          at;		/* enum msg_at */
	bool             is_light;	/* the asker's thread may serve it: it takes no longer than to wake somebody, or nobody else waits for that thread. See
					 * actor_ops.lends_turns. The asker says so after msg_init */
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
	MSG_BASE_CHANNEL    = 0x0b00,
	MSG_BASE_HTTP       = 0x0c00,
};

void msg_init(struct msg *m, uint16_t kind, struct actor *home);

/* --- the actor -------------------------------------------------------------------------------- */
#define ACTOR_LANES      64	/* askers in the process: controller, network actors, fetchers, relay; bound of num.network.threads etc. */
#define ACTOR_LANE_SLOTS 256	/* a lane holds one question less; a full lane is back-pressure on that asker */
#define LANE_NONE        (-1)	/* no lane of its own: see actor_ask */
#define LANE_CONTROLLER  0	/* drained first */
#define LANE_SHARED      63	/* the shared stack, as a bit of `pending`; nobody's lane */

struct actor_ops {
	const char *module;	/* "partition": for logs and dumps */
	bool        is_many;	/* there may be thousands: their threads do without an allocator cache of their own */
	bool        lends_turns;	/* while it sleeps another thread may run its step (one at a time, nothing else changes) */
	/* The same, but only the thread of another actor with these ops may, and answers are light. One with a wait of its own is in that wait meanwhile: so what
	 * this touches is its thread's, and a step looks at it only when a->is_on_loan says no. */
	bool        lends_to_its_like;
	/* One bounded turn: drain questions and answers, do one slice of upkeep. Returns the work done; 0 = may sleep.
	 * Before returning 0 it sets a->deadline to when it wants to run again at the latest
	 * (MONO_NEVER = only when woken): later than now, or it spins, which a simulation asserts. A step that worked may say
	 * a->is_settled: another one would find nothing, but for what others have sent meanwhile. */
	int  (*step)(struct actor *a, mono_ms now);
	/* How this actor sleeps and is woken, when not on its futex word: a network actor waits in its poller. Both or neither.
	 * wait is called only between a step that returned 0 and the next step; in a simulation
	 * with until = now. */
	void (*wait)(struct actor *a, mono_ms until);
	void (*wake)(struct actor *a);			/* any thread */
	void (*dump)(struct actor *a, int fd);		/* for a failed assertion */
};

struct lane;			/* a ck_ring and its slots */

struct actor_counters {		/* written by the actor's thread; read by anyone */
	uint64_t steps;
	uint64_t questions, answers;	/* that it was given by actor_drain_x */
	uint64_t sleeps;		/* announced and waited */
	uint64_t wakes_sent;		/* of others: system calls */
	uint64_t turns_lent;		/* to whoever would have woken it */
	uint64_t lane_full;		/* its questions that were declined */
};

enum actor_rest { ACTOR_AWAKE = 0, ACTOR_ASLEEP, ACTOR_POKED,
	ACTOR_ON_LOAN,			/* its thread sleeps, another one runs its steps */
	ACTOR_RECALLED,			/* the same, and its own thread is to run the next step */
	ACTOR_AWAITED };		/* the same, and waits for that on the word */

/* Embedded in the struct of what it runs. No alignment is asked of the allocator: distance keeps the writers' cache lines apart. */
struct actor {
	const struct actor_ops *ops;
	struct sched           *sched;
	struct log_source       log;
	int                     lane;		/* index as an asker; LANE_NONE */
	unsigned                lane_slots;	/* of each lane into this actor: ACTOR_LANE_SLOTS; before the first question another power of two */
	mono_ms                 deadline;	/* see ops->step */
	bool                    is_settled;	/* the same; who says it says so or not in each step */
	bool                    stop_wanted;	/* actor_stop; see there */

	/* inbox: written by others */
	char                    pad_inbox[CACHE_LINE];
	struct lane            *lanes[ACTOR_LANES];	/* each slot published once by its asker */
	uint64_t                pending;		/* bit per lane that may hold questions */
	ck_stack_t              shared;			/* questions of askers without a lane */
	ck_stack_t              answers;
	uint32_t                rest;			/* enum actor_rest; the futex word */

	/* what the actor's own thread alone touches */
	char                    pad_own[CACHE_LINE];
	uint64_t                todo;		/* bits taken from pending and not drained yet */
	ck_stack_entry_t       *shared_rest;	/* taken from shared and not dispatched yet, oldest first */
	int                     lane_cursor;	/* the lane that was served last */
	int                     messages_out;	/* asked or lent, not home yet */
	const struct msg       *at_hand;	/* being dispatched; for dumps */
	struct actor           *wake_list[32];	/* whom to wake at the end of the step */
	uint32_t                wake_heavy;	/* bit per entry: it got something that is not light */
	int                     wake_count;
	mono_ms                 armed;		/* the deadline its thread sleeps until */
	bool                    is_on_loan;	/* the step at hand is run by a borrower */
	struct actor           *borrower;	/* by this one's thread; NULL: by no actor's. While is_on_loan */
	struct actor_counters   counters;
	struct os_thread       *thread;
	void                   *sched_slot;	/* the scheduler's */
};

void actor_init(struct actor *a, struct sched *s, const struct actor_ops *ops, int lane, const char *subject_fmt, ...) PRINTF(5, 6);
void actor_fini(struct actor *a);		/* after actor_join, or never started; frees its lanes. Asserts that no message is inside or out */

/* Sends a question. Caller: the asker `from` (its own thread). False: the lane is full and m is still the caller's. An asker without
 * a lane (a partition asking the controller) is never declined: its questions share one stack,
 * bounded by what it owns of them. */
bool actor_ask(struct actor *from, struct actor *to, struct msg *m) MUST_CHECK;
/* Sends m home; from = the actor that answers, on its own thread (NULL: any thread, the home is woken at once). */
void actor_answer(struct actor *from, struct msg *m);
/* For what answers without being an actor (the worker pool, a library with threads of its own): m leaves the hands of `from`,
 * whose message it is, and comes back by actor_answer(NULL, m). */
void actor_lend(struct actor *from, struct msg *m);
/* News that nobody asked for: m, at home with its maker, reaches m->home among its answers and is then that actor's. Any thread. */
void actor_post(struct msg *m);
typedef void msg_dispatch(void *arg, struct msg *m);
/* At most max questions, lane 0 first, round robin over the others. dispatch owns each message it is given. Returns the number. */
int  actor_drain_questions(struct actor *a, int max, msg_dispatch *dispatch, void *arg);
/* Answers that came home (and news posted), in the order in which they were sent. Returns the number. */
int  actor_drain_answers(struct actor *a, msg_dispatch *dispatch, void *arg);
bool actor_has_mail(const struct actor *a);	/* who has its turn */
bool actor_has_new_mail(const struct actor *a);	/* of that, what was not taken yet: also without having the turn */
void actor_flush_wakes(struct actor *a);
/* Within a step: who was asked and lends its turns runs now. Its like, and whom these turns ask for in turn, wait for the step's end. */
void actor_hear_asked(struct actor *a);
/* Makes a step again, asleep or not: for news in shared memory that mail does not show. Write the news first. Any thread. */
void actor_wake(struct actor *a);

/* Asserts, in the entries of what an actor owns, that its thread (or the simulation, stepping it) is the caller. */
struct actor *actor_current(void);	/* NULL: not in an actor's step */
#define ASSERT_OWNER(actor_ptr) ASSERT(actor_current() == (actor_ptr))

/* --- schedulers ------------------------------------------------------------------------------- */
struct sched *sched_threads_create(struct os *os);			/* one thread per actor */
struct sched *sched_sim_create(struct os *os, uint64_t seed);		/* all on the calling thread */
void          sched_destroy(struct sched **s);
struct os    *sched_os(struct sched *s);
bool          sched_is_sim(const struct sched *s);
#define ACTOR_STACK_DEFAULT (128u << 10)
enum err      actor_start(struct actor *a, size_t stack_bytes) MUST_CHECK;	/* 0: ACTOR_STACK_DEFAULT; sanitizers get more */
/* Asks it to end; any thread. It ends when a step returns 0 while no mail waits and all its messages are home. */
void          actor_stop(struct actor *a);
/*
 * Waits until it has ended, and then until every other actor has ended the step it was in. So:
 *  - nobody still holds a in a wake list, nor is inside actor_answer towards it: its memory may go after actor_fini;
 *  - who asks in the same step in which it saw a published address of a asks somebody who is still there. Questions that came
 *    in too late for a's thread are given to a->ops->step here, on the caller's thread, until none is left: a step must be able to
 *    answer (or refuse) after the actor has stopped.
 * Caller: any thread or actor but a itself. In a simulation it steps everybody until a has ended.
 */
void          actor_join(struct actor *a);
/*
 * Looks at every actor that was started and not joined yet. stuck_ms: for how long, as far as the looks tell, it has been in one and the same step, or has had
 * work without beginning one; 0: it goes on, or has nothing to do. seen may log and read what is published; it must not start, ask or stop
 * anybody. One thread may watch. A simulation shows nobody.
 */
typedef void  sched_seen(void *arg, struct actor *a, mono_ms stuck_ms);
void          sched_watch(struct sched *s, mono_ms now, sched_seen *seen, void *arg);
/*
 * For metrics: the same actors, by any one thread, with what their threads have used of the CPU (0: not known; turns on loan count for the borrower). ended: what those of
 * actor_ops.is_many had done that have ended, so that sums do not go back.
 */
typedef void  sched_visit(void *arg, const struct actor *a, uint64_t cpu_ns);
struct sched_ended {
	struct actor_counters counters;
	uint64_t              cpu_ns;
};
void          sched_each(struct sched *s, sched_visit *visit, void *arg);
void          sched_ended(const struct sched *s, struct sched_ended *out);
int           actor_waiting(const struct actor *a);	/* questions in its lanes; any thread, so it may be a little off */
/* How many the watcher takes for stuck; read by anyone. */
void          sched_set_stuck(struct sched *s, int count);
int           sched_stuck(const struct sched *s);
/* Simulation only: one step of one runnable actor (or job), chosen by the seed; when none is runnable the clock moves to the next
 * deadline (of actors or of the simulated machine). Now and then time passes though somebody could
 * run, as on a busy machine. False: nothing will ever happen again. */
bool          sched_sim_step(struct sched *s);
uint64_t      sched_sim_hash(const struct sched *s);	/* of every choice made so far: equal seeds give equal hashes */
uint64_t      sched_sim_random(struct sched *s);
/* Another machine (a broker) in the same simulation: actors started on it are stepped together with those of `first`. */
struct sched *sched_sim_add_machine(struct sched *first, struct os *os);
/* The machine stands still: its actors and jobs take no steps until it goes on. Others, and the clock, go on. */
void          sched_sim_pause(struct sched *machine, bool is_paused);
/* Called after every step of any actor of the simulation, also of those within an actor_join. It may look at everything and must change nothing. NULL: nobody. */
void          sched_sim_set_observer(struct sched *s, void (*stepped)(void *arg, struct actor *a), void *arg);
/* What moves the clocks of all its machines: next_event tells in how many milliseconds one of them does something by itself
 * (MONO_NEVER: nothing), advance(arg, by) lets that much time pass. Without it a step that needs
 * time to pass is an error. */
void          sched_sim_set_clock(struct sched *s, mono_ms (*next_event)(void *arg), void (*advance)(void *arg, mono_ms by), void *arg);

/* --- the worker pool: all that may wait for a device or eat much CPU -------------------------- */
struct workers;

/* Code to be run on immutable inputs; the result goes home as an answer. The one message that carries a function: a job is not a
 * question to somebody but a piece of the asker's own work, done elsewhere. */
struct job {
	struct msg  msg;			/* kind chosen by the asker, MSG_BASE_<asker> range */
	void      (*run)(struct job *j);	/* on a worker thread; touches only what the job holds */
	bool        may_last;			/* it reads or writes much: that it takes long is no sign of a device that does not answer */
};

/* With fewer threads than wanted everything still gets done. NULL: not one can be started (ERR_NO_THREAD). */
struct workers *workers_create(struct sched *s, int threads);
void            workers_destroy(struct workers **w);	/* after all jobs came home */
void            workers_submit(struct workers *w, struct actor *from, struct job *j);	/* never blocks, never fails */
/*
 * Looks for jobs that do not come home: a worker has run one for longer than limit_ms, or none has taken one for so long, though not all of them are at jobs that may last.
 * seen gets who waits, and for how long; it may log. Returns how many, which workers_stuck gives to anyone. One thread may watch. A simulation has none.
 */
typedef void    workers_seen(void *arg, const struct log_source *home, mono_ms ms);
int             workers_watch(struct workers *w, mono_ms now, mono_ms limit_ms, workers_seen *seen, void *arg);
int             workers_stuck(const struct workers *w);
mono_ms         workers_oldest_ms(struct workers *w, mono_ms now);	/* how long the oldest job at hand has been run, but those that may last; 0: none. Any thread */

#endif
