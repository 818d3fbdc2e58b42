/*
 * The simulation: all actors of one or more machines and all workers' jobs, stepped on the calling
 * thread in an order drawn from a seed.
 *
 * What it must be able to show: every order of steps that threads could produce, or a bug is
 * hidden; and the same order again from the same seed, or a bug is lost. So all choices go through
 * choose(), which feeds the hash, and nothing here depends on addresses.
 *
 * Who may run: an actor that worked in its last step, has mail, was poked or whose deadline has
 * come. An actor that waits in a poller of the machine cannot be asked whether there are events; it
 * may look once after anything happened (`happenings`), and an idle look is not a happening, so
 * that the looking ends. A job takes a while, as on a device, and so comes home in any order.
 */
#include "actor/actor_priv.h"
#include "base/list.h"

#include <stdlib.h>

#define JOB_DELAY_MS_MAX   20
#define STALL_ODDS         256		/* one in so many choices lets time pass instead */
#define STALL_MS_MAX       10
#define JOIN_STEPS_MAX     100000000	/* an actor that does not end by then never will */
#define SPINS_MAX          64		/* what draws its deadlines may draw "now" a few times; a mistake goes on for ever */

struct sim_world {
	int         machines;		/* scheds that share it */
	struct list actors;		/* in the order of their start */
	struct list jobs;		/* in the order of submission */
	uint64_t    random;		/* state */
	uint64_t    hash;
	uint64_t    happenings;
	uint32_t    started;
	struct list **choices;		/* of the step at hand: links of sim_actor, then of sim_job */
	size_t      choice_count, choice_room;
	mono_ms   (*next_event)(void *arg);
	void      (*advance)(void *arg, mono_ms by);
	void       *clock_arg;
	void      (*stepped)(void *arg, struct actor *a);
	void       *observer;
};

struct sched_sim {			/* a machine */
	struct sched      sched;
	struct sim_world *world;
	bool              is_paused;
};

struct sim_actor {
	struct list   link;
	struct actor *actor;
	uint32_t      number;
	bool          is_busy;		/* the last step did something, or there was none yet */
	bool          is_stepping;	/* further down on the stack */
	bool          has_ended;
	uint64_t      looked;		/* happenings when its poller had nothing */
	int           spins;		/* steps for nothing in a row: notice_spinning */
};

struct sim_job {
	struct list   link;
	struct job   *job;
	struct sched *sched;
	mono_ms       due;
};

static const struct sched_sim *machine_of(const struct sched *s)
{
	ASSERT(s->ops == &sched_sim_ops);
	return CONTAINER_OF(s, const struct sched_sim, sched);
}

static struct sim_world *world_of(const struct sched *s)
{
	return machine_of(s)->world;
}

/* --- choices ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)		/* the finisher of splitmix64 */
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void note(struct sim_world *w, uint64_t what)
{
	w->hash = mix(w->hash ^ what) + UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t choose(struct sim_world *w, uint64_t n)
{
	uint64_t x;

	w->random += UINT64_C(0x9e3779b97f4a7c15);
	x = n == 0 ? mix(w->random) : mix(w->random) % n;
	note(w, x);
	return x;
}

uint64_t sched_sim_random(struct sched *s)
{
	return choose(world_of(s), 0);
}

uint64_t sched_sim_hash(const struct sched *s)
{
	return world_of(s)->hash;
}

/* --- one choice ------------------------------------------------------------------------------- */

static mono_ms now_of(const struct sched *s)
{
	return os_mono_ms(s->os);
}

static bool may_step(const struct sim_world *w, const struct sim_actor *sa)
{
	const struct actor *a = sa->actor;

	if (sa->is_stepping || sa->has_ended || machine_of(a->sched)->is_paused)
		return false;
	return sa->is_busy || actor_has_mail(a) || a->rest == ACTOR_POKED
	    || (a->deadline != MONO_NEVER && a->deadline <= now_of(a->sched))
	    || (a->ops->wait != NULL && sa->looked != w->happenings);
}

static int step_as(struct actor *a)
{
	struct actor *caller = actor_current();
	int work;

	actor_set_current(a);
	work = a->ops->step(a, now_of(a->sched));
	ASSERT(work >= 0);
	actor_flush_wakes(a);
	actor_set_current(caller);
	counter_add(&a->counters.steps, 1);
	return work;
}

/*
 * Steps that did nothing, after which the actor is to run again at once, though nothing came for it: it will do nothing again. On a thread that is a CPU lost until
 * the broker ends; here it would only make the simulation slow, and nobody would look.
 */
static void notice_spinning(struct sim_actor *sa, mono_ms stepped_at)
{
	struct actor *a = sa->actor, *caller = actor_current();
	bool is_due = a->deadline <= stepped_at && !actor_has_mail(a) && a->rest != ACTOR_POKED;

	sa->spins = !sa->is_busy && !sa->has_ended && is_due ? sa->spins + 1 : 0;
	actor_set_current(a);	/* for what a failed assertion says */
	ASSERT(sa->spins < SPINS_MAX);
	actor_set_current(caller);
}

static void step_actor(struct sim_world *w, struct sim_actor *sa)
{
	struct actor *a = sa->actor;
	mono_ms now;

	note(w, sa->number);
	sa->is_stepping = true;
	a->rest = ACTOR_AWAKE;
	if (!sa->is_busy && a->ops->wait != NULL)
		a->ops->wait(a, now_of(a->sched));
	now = now_of(a->sched);
	sa->is_busy = step_as(a) > 0;
	sa->is_stepping = false;
	if (sa->is_busy)
		w->happenings++;
	else
		sa->has_ended = actor_may_end(a);
	notice_spinning(sa, now);
	sa->looked = w->happenings;
	if (w->stepped != NULL)
		w->stepped(w->observer, a);
}

static void run_job(struct sim_world *w, struct sim_job *sj)
{
	struct actor *caller = actor_current();

	actor_set_current(NULL);
	sj->job->run(sj->job);
	actor_answer(NULL, &sj->job->msg);
	actor_set_current(caller);
	list_remove(&sj->link);
	free(sj);
	w->happenings++;
}

static mono_ms wait_until(mono_ms deadline, const struct sched *s)
{
	return deadline == MONO_NEVER ? MONO_NEVER : MAX(deadline - now_of(s), 0);
}

/* In how many milliseconds something happens by itself; MONO_NEVER. */
static mono_ms quiet_time(struct sim_world *w)
{
	mono_ms quiet = w->next_event != NULL ? w->next_event(w->clock_arg) : MONO_NEVER;

	LIST_FOREACH(link, &w->actors) {
		const struct sim_actor *sa = LIST_ENTRY(link, struct sim_actor, link);

		if (!sa->is_stepping && !sa->has_ended && !machine_of(sa->actor->sched)->is_paused)
			quiet = MIN(quiet, wait_until(sa->actor->deadline, sa->actor->sched));
	}
	LIST_FOREACH(link, &w->jobs) {
		const struct sim_job *sj = LIST_ENTRY(link, struct sim_job, link);

		if (!machine_of(sj->sched)->is_paused)
			quiet = MIN(quiet, wait_until(sj->due, sj->sched));
	}
	return quiet;
}

static void let_time_pass(struct sim_world *w, mono_ms by)
{
	ASSERT(w->advance != NULL);
	note(w, (uint64_t)by);
	/* At least 1: an event that is due and did not come yet must not stop the clock. */
	w->advance(w->clock_arg, MAX(by, 1));
	w->happenings++;
}

static bool may_run(const struct sim_job *sj)
{
	return sj->due <= now_of(sj->sched) && !machine_of(sj->sched)->is_paused;
}

static void add_choice(struct sim_world *w, struct list *link)
{
	if (w->choice_count == w->choice_room) {
		w->choice_room = MAX(64, w->choice_room * 2);
		w->choices = mem_realloc_array(w->choices, w->choice_room, sizeof(*w->choices));
	}
	w->choices[w->choice_count++] = link;
}

/* Actors first: so many. */
static size_t find_choices(struct sim_world *w)
{
	size_t actors;

	w->choice_count = 0;
	LIST_FOREACH(link, &w->actors) {
		if (may_step(w, LIST_ENTRY(link, struct sim_actor, link)))
			add_choice(w, link);
	}
	actors = w->choice_count;
	LIST_FOREACH(link, &w->jobs) {
		if (may_run(LIST_ENTRY(link, struct sim_job, link)))
			add_choice(w, link);
	}
	return actors;
}

bool sched_sim_step(struct sched *s)
{
	struct sim_world *w = world_of(s);
	size_t actors = find_choices(w), n = w->choice_count;

	if (n == 0) {
		mono_ms quiet = quiet_time(w);

		if (quiet == MONO_NEVER)
			return false;
		let_time_pass(w, quiet);
	} else if (w->advance != NULL && choose(w, STALL_ODDS) == 0) {
		let_time_pass(w, (mono_ms)choose(w, STALL_MS_MAX) + 1);
	} else {
		size_t k = (size_t)choose(w, n);

		if (k < actors)
			step_actor(w, LIST_ENTRY(w->choices[k], struct sim_actor, link));
		else
			run_job(w, LIST_ENTRY(w->choices[k], struct sim_job, link));
	}
	return true;
}

void sched_sim_submit(struct sched *s, struct job *j)
{
	struct sim_world *w = world_of(s);
	struct sim_job *sj = mem_alloc(sizeof(*sj));
	mono_ms delay = 0;

	if (w->advance != NULL && choose(w, 2) != 0)
		delay = (mono_ms)choose(w, JOB_DELAY_MS_MAX) + 1;
	*sj = (struct sim_job){ .job = j, .sched = s, .due = now_of(s) + delay };
	list_push_back(&w->jobs, &sj->link);
}

/* --- the scheduler's face --------------------------------------------------------------------- */

static enum err sim_start(struct actor *a, size_t stack_bytes UNUSED)
{
	struct sim_world *w = world_of(a->sched);
	struct sim_actor *sa = mem_calloc(1, sizeof(*sa));

	sa->actor = a;
	sa->number = w->started++;
	sa->is_busy = true;
	a->sched_slot = sa;
	list_push_back(&w->actors, &sa->link);
	return OK;
}

static void sim_join(struct actor *a)
{
	struct sim_actor *sa = a->sched_slot;

	for (int64_t n = 0; !sa->has_ended; n++) {
		bool goes_on = sched_sim_step(a->sched);

		ASSERT(goes_on);	/* else all wait for ever */
		ASSERT(n < JOIN_STEPS_MAX);
	}
	while (actor_has_mail(a)) {
		int work = step_as(a);

		ASSERT(work > 0 || !actor_has_mail(a));	/* a stopped actor still answers */
	}
	list_remove(&sa->link);
	a->sched_slot = NULL;
	free(sa);
}

static void sim_destroy(struct sched *s)
{
	struct sim_world *w = world_of(s);

	LIST_FOREACH(link, &w->actors)
		ASSERT(LIST_ENTRY(link, struct sim_actor, link)->actor->sched != s);
	LIST_FOREACH(link, &w->jobs)
		ASSERT(LIST_ENTRY(link, struct sim_job, link)->sched != s);
	if (--w->machines == 0) {
		free(w->choices);
		free(w);
	}
	free(CONTAINER_OF(s, struct sched_sim, sched));
}

const struct sched_ops sched_sim_ops = { sim_start, sim_join, sim_destroy, NULL, NULL, NULL };

static struct sched *machine_create(struct sim_world *w, struct os *os)
{
	struct sched_sim *s = mem_calloc(1, sizeof(*s));

	s->sched = (struct sched){ .ops = &sched_sim_ops, .os = os, .is_sim = true };
	s->world = w;
	w->machines++;
	return &s->sched;
}

struct sched *sched_sim_create(struct os *os, uint64_t seed)
{
	struct sim_world *w = mem_calloc(1, sizeof(*w));

	list_init(&w->actors);
	list_init(&w->jobs);
	w->random = seed;
	return machine_create(w, os);
}

struct sched *sched_sim_add_machine(struct sched *first, struct os *os)
{
	return machine_create(world_of(first), os);
}

void sched_sim_pause(struct sched *machine, bool is_paused)
{
	ASSERT(machine->ops == &sched_sim_ops);
	CONTAINER_OF(machine, struct sched_sim, sched)->is_paused = is_paused;
}

void sched_sim_set_observer(struct sched *s, void (*stepped)(void *arg, struct actor *a), void *arg)
{
	struct sim_world *w = world_of(s);

	w->stepped = stepped;
	w->observer = arg;
}

void sched_sim_set_clock(struct sched *s, mono_ms (*next_event)(void *arg),
			 void (*advance)(void *arg, mono_ms by), void *arg)
{
	struct sim_world *w = world_of(s);

	w->next_event = next_event;
	w->advance = advance;
	w->clock_arg = arg;
}
