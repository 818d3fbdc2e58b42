/*
 * An owner in the test's own thread, and one set of stores to try: what the sides must have in common is tested by one body.
 *
 * The owner's actor is never started: the test stands in for its thread, submits, and pumps until all calls are home. Everything that comes
 * home is noted in one string, so that the order of events and answers can be compared: "3" is the answer of the call numbered 3,
 * "changed:/a" an event.
 */
#ifndef SKEIN_TEST_COORD_HARNESS_H
#define SKEIN_TEST_COORD_HARNESS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "actor/actor_priv.h"
#include "base/strbuf.h"
#include "coord/coord.h"
#include "os/sim.h"

#define CALLS_MAX 4096
#define PUMP_MS   15000

struct owner {
	struct actor   actor;
	struct coord  *coord;
	struct strbuf  seen;		/* in the order of arrival, separated by blanks */
	int            events[COORD_EVENT_CHILDREN + 1];
	int            out;		/* calls */
};

struct call {
	struct coord_call call;
	struct coord_op   ops[4];
	int               number;	/* in `seen`; 0: not noted */
};

static struct sched *sched;
static struct sim_os *sim;

static int no_step(struct actor *a UNUSED, mono_ms now UNUSED)
{
	return 0;
}

static const struct actor_ops owner_ops = { .module = "owner", .step = no_step };

static const char *event_name(enum coord_event_kind k)
{
	static const char *const names[] = { "connected", "disconnected", "expired", "auth_failed", "created", "deleted", "changed", "children" };

	return names[k];
}

static void on_home(void *arg, struct msg *m)
{
	struct owner *o = arg;

	if (m->kind == COORD_EVENT) {
		struct coord_event *e = (struct coord_event *)m;

		o->events[e->kind]++;
		strbuf_printf(&o->seen, "%s%s%s ", event_name(e->kind), e->path[0] != 0 ? ":" : "", e->path);
		coord_event_free(e);
	} else {
		struct call *c = CONTAINER_OF(CONTAINER_OF(m, struct coord_call, msg), struct call, call);

		ck_assert_int_eq(m->kind, COORD_CALL);
		o->out--;
		if (c->number != 0)
			strbuf_printf(&o->seen, "%d ", c->number);
	}
}

static void as(struct owner *o)
{
	actor_set_current(&o->actor);
}

static void pump_once(struct owner *o)
{
	as(o);
	actor_flush_wakes(&o->actor);	/* the end of a step */
	if (actor_drain_answers(&o->actor, on_home, o) > 0)
		return;
	if (sched_is_sim(sched))
		sched_sim_step(sched);
	else
		os_sleep_ms(sched_os(sched), 1);
}

/* Until so many of these events have come in all. */
static void pump_events(struct owner *o, enum coord_event_kind kind, int n)
{
	for (int i = 0; i < PUMP_MS && o->events[kind] < n; i++)
		pump_once(o);
	ck_assert_msg(o->events[kind] >= n, "no %s: %s", event_name(kind), strbuf_cstr(&o->seen));
}

static void pump_home(struct owner *o)
{
	for (int i = 0; i < PUMP_MS && o->out > 0; i++)
		pump_once(o);
	ck_assert_int_eq(o->out, 0);
}

static void owner_init(struct owner *o)
{
	*o = (struct owner){ 0 };
	actor_init(&o->actor, sched, &owner_ops, LANE_CONTROLLER, "test");
	as(o);
}

static void owner_fini(struct owner *o)
{
	pump_home(o);
	actor_set_current(NULL);	/* as when the owner has ended: nobody here sends its collected wakes */
	if (o->coord != NULL)
		coord_close(&o->coord);
	as(o);
	actor_drain_answers(&o->actor, on_home, o);
	actor_set_current(NULL);
	actor_fini(&o->actor);
	strbuf_fini(&o->seen);
}

static void seen_is(struct owner *o, const char *expected)
{
	ck_assert_str_eq(strbuf_cstr(&o->seen), expected);
	strbuf_reset(&o->seen);
}

/* --- schedulers ------------------------------------------------------------------------------------------------------------ */

static void sched_open(bool is_sim, uint64_t seed)
{
	if (is_sim) {
		sim = sim_create(NULL, "a", seed);
		sched = sched_sim_create(sim_os(sim), seed);
		sched_sim_set_clock(sched, sim_clock_next_event, sim_clock_advance, sim);
	} else {
		sched = sched_threads_create(os_real());
	}
}

static void sched_close(void)
{
	sched_destroy(&sched);
	if (sim != NULL)
		sim_destroy(&sim);
}

/* --- calls ----------------------------------------------------------------------------------------------------------------- */

static void submit(struct owner *o, struct call *c)
{
	as(o);
	o->out++;
	coord_submit(o->coord, &c->call);
}

static void call_init(struct owner *o, struct call *c, int op_count)
{
	*c = (struct call){ 0 };
	coord_call_init(&c->call, &o->actor, c->ops, op_count);
	c->call.is_multi = op_count > 1;
}

static enum err ask(struct owner *o, struct call *c)
{
	submit(o, c);
	pump_home(o);
	return c->call.result;
}

static UNUSED struct coord_op op_create(const char *path, struct slice data, int flags)
{
	return (struct coord_op){ .kind = COORD_CREATE, .path = path, .data = data, .flags = flags };
}

static UNUSED struct coord_op op_set(const char *path, struct slice data, int32_t version)
{
	return (struct coord_op){ .kind = COORD_SET, .path = path, .data = data, .version = version };
}

static UNUSED struct coord_op op_delete(const char *path, int32_t version)
{
	return (struct coord_op){ .kind = COORD_DELETE, .path = path, .version = version };
}

static UNUSED struct coord_op op_check(const char *path, int32_t version)
{
	return (struct coord_op){ .kind = COORD_CHECK, .path = path, .version = version };
}

static UNUSED struct coord_op op_read(enum coord_op_kind kind, const char *path, bool watch)
{
	return (struct coord_op){ .kind = kind, .path = path, .watch = watch };
}

/* One operation, asked and done; the call's memory is the test's until the next one. */
static struct call last_call;
static bool has_last_call;

static enum err do_op(struct owner *o, struct coord_op op)
{
	if (has_last_call)
		coord_call_fini(&last_call.call);
	has_last_call = true;
	call_init(o, &last_call, 1);
	last_call.ops[0] = op;
	return ask(o, &last_call);
}

static const struct coord_op *result(void)
{
	return &last_call.ops[0];
}

static void create(struct owner *o, const char *path, const char *data)
{
	ck_assert_int_eq(do_op(o, op_create(path, slice_str(data), 0)), OK);
}

static struct coord_stat stat_of(struct owner *o, const char *path)
{
	ck_assert_int_eq(do_op(o, op_read(COORD_EXISTS, path, false)), OK);
	return result()->stat;
}

static bool is_there(struct owner *o, const char *path)
{
	enum err e = do_op(o, op_read(COORD_EXISTS, path, false));

	ck_assert(e == OK || e == ERR_NOT_FOUND);
	return e == OK;
}

#endif
