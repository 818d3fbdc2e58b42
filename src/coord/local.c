/*
 * The embedded and the tree side: an actor that applies calls to a tree engine.
 *
 * The owner pushes calls on a stack and wakes the actor. The actor takes all there are as one batch, applies them in order, commits once, and only
 * then sends home, in one order, the events and answers it made: so an event arrives before an answer that shows its change and after
 * the answer that armed its watch. What is submitted during a commit is the next batch.
 *
 * A connection does not exist here; the faults pretend one. `is_down` is the time between a lost answer and the CONNECTED event that
 * tells the owner to try again; watch events wait meanwhile, as a ZooKeeper server would send them after the reconnect.
 */
#include <stdio.h>
#include <stdlib.h>

#include "coord/coord_priv.h"
#include "coord/faults.h"
#include "coord/store_file.h"
#include "coord/tree.h"

#define BATCH_CALLS_MAX 4096
#define BATCH_BYTES_MAX ((size_t)8 << 20)	/* of data: bounds a transaction's pages */
#define STACK_BYTES     (256u << 10)
#define HEARTBEATS      3			/* in a session timeout */

struct outbox {			/* linked through msg.link */
	struct msg *first, *last;
};

struct local {
	struct coord       face;
	struct actor       actor;
	struct coord_call *submitted;	/* from the owner's thread */
	struct coord_call  reopen;	/* a mark among the submitted: a new session from here on */
	struct coord_faults *faults_next;	/* from the owner's thread: taken by the actor, which frees it */
	int64_t            session_id;	/* read by the owner's thread */

	/* the actor's */
	struct coord_tree   *tree;
	bool                 owns_tree;
	bool                 has_started;
	bool                 is_crashed;
	mono_ms              timeout;		/* 0: the session never expires by the clock */
	mono_ms              heartbeat_at;
	struct tree_session *session;		/* NULL: not yet, or expired */
	struct coord_call   *first, *last;	/* the queue, next in `internal` */
	struct outbox        out;
	struct outbox        held;		/* watch events while is_down */
	bool                 is_serving;	/* a batch is at hand: events go to the outbox */
	bool                 is_down;
	mono_ms              up_at;
	mono_ms              ready_at;		/* of the queue's head; MONO_NEVER: not drawn yet */
	struct coord_faults  faults;
};

static struct local *local_of(struct coord *c)
{
	return CONTAINER_OF(c, struct local, face);
}

/* --- what goes home -------------------------------------------------------------------------------------------------------- */

static void outbox_add(struct outbox *o, struct msg *m)
{
	m->link.next = NULL;
	if (o->first == NULL)
		o->first = m;
	else
		o->last->link.next = &m->link;
	o->last = m;
}

static struct msg *outbox_pop(struct outbox *o)
{
	struct msg *m = o->first;

	if (m != NULL)
		o->first = m->link.next != NULL ? CONTAINER_OF(m->link.next, struct msg, link) : NULL;
	return m;
}

static void outbox_send(struct local *c, struct outbox *o)
{
	struct msg *m;

	while ((m = outbox_pop(o)) != NULL) {
		if (m->kind == COORD_EVENT)
			actor_post(m);
		else
			actor_answer(&c->actor, m);
	}
}

/* Events only; the calls are the owner's and are applied again. */
static void outbox_drop(struct outbox *o)
{
	struct msg *m;

	while ((m = outbox_pop(o)) != NULL)
		if (m->kind == COORD_EVENT)
			coord_event_free((struct coord_event *)m);
}

static void tell(struct local *c, enum coord_event_kind kind)
{
	actor_post(&coord_event_create(c->face.owner, kind, c->session_id, NULL)->msg);
}

static void on_watch(void *arg, enum coord_event_kind kind, const char *path)
{
	struct local *c = arg;
	struct coord_event *e = coord_event_create(c->face.owner, kind, c->session_id, path);

	if (c->is_down)
		outbox_add(&c->held, &e->msg);
	else if (c->is_serving)
		outbox_add(&c->out, &e->msg);
	else
		actor_post(&e->msg);
}

/* --- the session ----------------------------------------------------------------------------------------------------------- */

static void fail_queue(struct local *c, enum err e)
{
	for (; c->first != NULL && c->first != &c->reopen; ) {
		struct coord_call *call = c->first;

		c->first = call->internal;
		coord_call_fail(call, e);
		actor_answer(&c->actor, &call->msg);
	}
	c->ready_at = MONO_NEVER;
}

static void on_expired(void *arg)
{
	struct local *c = arg;

	c->session = NULL;
	c->is_down = false;
	outbox_drop(&c->held);
	tell(c, COORD_EVENT_EXPIRED);
}

static void open_session(struct local *c, mono_ms now)
{
	c->session = tree_session_open(c->tree, c->timeout, now);
	c->session->on_watch = on_watch;
	c->session->on_expired = on_expired;
	c->session->arg = c;
	c->heartbeat_at = c->timeout > 0 ? now + c->timeout / HEARTBEATS : MONO_NEVER;
	__atomic_store_n(&c->session_id, c->session->id, __ATOMIC_RELEASE);
	tell(c, COORD_EVENT_CONNECTED);
}

/* The clock: reconnecting, heartbeat, and the end of sessions that have not been heard of, whosever they are. */
static int live(struct local *c, mono_ms now)
{
	int work = 0;

	if (!c->has_started) {
		c->has_started = true;
		open_session(c, now);
		work++;
	}
	if (c->is_down && now >= c->up_at) {
		c->is_down = false;
		c->heartbeat_at = now;
		tell(c, COORD_EVENT_CONNECTED);
		outbox_send(c, &c->held);
		work++;
	}
	if (c->session != NULL && !c->is_down && now >= c->heartbeat_at) {
		c->session->expires_at = now + c->timeout;
		c->heartbeat_at = now + c->timeout / HEARTBEATS;
	}
	tree_expire(c->tree, now);
	return work;
}

static void break_connection(struct local *c, mono_ms now)
{
	c->is_down = true;
	c->up_at = now + 1 + faults_draw_delay(&c->faults);
	tell(c, COORD_EVENT_DISCONNECTED);
	fail_queue(c, ERR_CONN_LOSS);
}

/* --- serving --------------------------------------------------------------------------------------------------------------- */

static size_t data_bytes(const struct coord_call *call)
{
	size_t n = 0;

	for (int i = 0; i < call->op_count; i++)
		n += call->ops[i].data.len;
	return n;
}

/* Cuts up to max calls off the queue's head; the last one's `internal` is NULL. */
static struct coord_call *take_batch(struct local *c, int max)
{
	struct coord_call *batch = c->first, *end = NULL;
	size_t bytes = 0;

	for (int n = 0; n < max && c->first != NULL && c->first != &c->reopen && bytes < BATCH_BYTES_MAX; n++) {
		bytes += data_bytes(c->first);
		end = c->first;
		c->first = end->internal;
	}
	if (end == NULL)
		return NULL;
	end->internal = NULL;
	return batch;
}

static void apply_batch(struct local *c, struct coord_call *batch, enum err refuse)
{
	c->is_serving = true;
	for (struct coord_call *call = batch; call != NULL; call = call->internal) {
		tree_apply(c->tree, c->session, call, refuse);
		outbox_add(&c->out, &call->msg);
	}
	c->is_serving = false;
}

static void log_refused(struct local *c, enum err e)
{
	if (e == ERR_NO_SPACE)
		LOG_WARN(&c->actor.log, coord_file_full);
	else
		LOG_ERROR(&c->actor.log, coord_file_failed, KV_ERR(e));
}

/* Applied and on the device; what goes home lies in the outbox. */
static void settle_batch(struct local *c, struct coord_call *batch)
{
	apply_batch(c, batch, OK);
	enum err e = tree_commit(c->tree);
	if (e == OK)
		return;
	log_refused(c, e);
	outbox_drop(&c->out);
	apply_batch(c, batch, e);
	enum err again = tree_commit(c->tree);
	ASSERT(again == OK);	/* every change was refused: there is nothing to write */
}

static int serve_all(struct local *c)
{
	struct coord_call *batch = take_batch(c, BATCH_CALLS_MAX);

	if (batch == NULL)
		return 0;
	settle_batch(c, batch);
	outbox_send(c, &c->out);
	return 1;
}

/* The head, and as many behind it as the store got before the connection broke, are applied; all of them count as lost. */
static void serve_and_lose(struct local *c, int applied, bool is_twice, mono_ms now)
{
	struct coord_call *batch = take_batch(c, applied);

	for (int i = 0; i < (is_twice ? 2 : 1); i++) {
		settle_batch(c, batch);
		while (c->out.first != NULL) {
			struct msg *m = outbox_pop(&c->out);

			if (m->kind == COORD_EVENT)
				actor_post(m);
		}
	}
	struct coord_call *last = batch;
	while (last->internal != NULL)
		last = last->internal;
	last->internal = c->first;	/* back to the queue, to be failed with the rest */
	c->first = batch;
	if (last->internal == NULL)
		c->last = last;
	break_connection(c, now);
}

static int serve_one_faulty(struct local *c, mono_ms now)
{
	if (c->first == NULL || c->first == &c->reopen)
		return 0;
	if (c->ready_at == MONO_NEVER)
		c->ready_at = now + faults_draw_delay(&c->faults);
	if (now < c->ready_at)
		return 0;
	c->ready_at = MONO_NEVER;
	switch (faults_draw(&c->faults)) {
	case COORD_FAULT_NONE:
		settle_batch(c, take_batch(c, 1));
		outbox_send(c, &c->out);
		break;
	case COORD_FAULT_LOSE_BEFORE:
		break_connection(c, now);
		break;
	case COORD_FAULT_LOSE_AFTER:
		serve_and_lose(c, 1 + (int)faults_draw_below(&c->faults, 4), false, now);
		break;
	case COORD_FAULT_TWICE:
		serve_and_lose(c, 1, true, now);
		break;
	case COORD_FAULT_EXPIRE:
		tree_session_close(c->tree, &c->session);
		on_expired(c);
		break;
	}
	return 1;
}

static int serve(struct local *c, mono_ms now)
{
	if (c->session == NULL) {
		int work = c->first != NULL;

		fail_queue(c, ERR_EXPIRED);
		if (c->first != NULL) {
			ASSERT(c->first == &c->reopen);
			c->first = c->reopen.internal;
			open_session(c, now);
		}
		return work;
	}
	ASSERT(c->first != &c->reopen);		/* asked for without an expiry */
	if (c->is_down) {
		int work = c->first != NULL;

		fail_queue(c, ERR_CONN_LOSS);
		return work;
	}
	return faults_are_set(&c->faults) ? serve_one_faulty(c, now) : serve_all(c);
}

static void take_submitted(struct local *c)
{
	struct coord_call *call = coord_stack_take(&c->submitted);

	if (call == NULL)
		return;
	if (c->first == NULL)
		c->first = call;
	else
		c->last->internal = call;
	while (call->internal != NULL)
		call = call->internal;
	c->last = call;
}

/* After the calls were taken: those submitted after the faults were set meet them. */
static void take_faults(struct local *c)
{
	if (LIKELY(__atomic_load_n(&c->faults_next, __ATOMIC_RELAXED) == NULL))
		return;
	struct coord_faults *f = __atomic_exchange_n(&c->faults_next, NULL, __ATOMIC_ACQ_REL);
	c->faults = *f;
	free(f);
}

static int local_step(struct actor *a, mono_ms now)
{
	struct local *c = CONTAINER_OF(a, struct local, actor);
	int work;

	a->deadline = MONO_NEVER;
	if (c->is_crashed)
		return 0;
	take_submitted(c);
	take_faults(c);
	work = live(c, now);
	work += serve(c, now);
	a->deadline = tree_next_expiry(c->tree);
	if (c->session != NULL && c->is_down)
		a->deadline = MIN(a->deadline, c->up_at);
	else if (c->session != NULL)
		a->deadline = MIN(a->deadline, c->heartbeat_at);
	if (c->first != NULL)
		a->deadline = MIN(a->deadline, c->ready_at);
	return work;
}

static void local_dump(struct actor *a, int fd)
{
	const struct local *c = CONTAINER_OF(a, struct local, actor);

	dprintf(fd, "  coord: session %lld, %zu nodes%s\n", (long long)c->session_id, tree_node_count(c->tree), c->is_down ? ", down" : "");
}

static const struct actor_ops local_actor_ops = { .module = "coord", .step = local_step, .dump = local_dump };

/* --- the face -------------------------------------------------------------------------------------------------------------- */

static void local_submit(struct coord *face, struct coord_call *call)
{
	struct local *c = local_of(face);

	coord_stack_push(&c->submitted, call);
	actor_wake(&c->actor);
}

static int64_t local_session_id(const struct coord *face)
{
	return __atomic_load_n(&CONTAINER_OF(face, const struct local, face)->session_id, __ATOMIC_ACQUIRE);
}

static enum err local_reopen(struct coord *face)
{
	struct local *c = local_of(face);

	coord_stack_push(&c->submitted, &c->reopen);
	actor_wake(&c->actor);
	return OK;
}

static void local_set_faults(struct coord *face, const struct coord_faults *f)
{
	struct coord_faults *copy = mem_alloc(sizeof(*copy));

	*copy = *f;
	free(__atomic_exchange_n(&local_of(face)->faults_next, copy, __ATOMIC_ACQ_REL));
}

/* The process dies: nobody hears of the session any more until its time is over. What was under way is lost. */
static void abandon(struct local *c)
{
	take_submitted(c);
	while (c->first != NULL) {
		struct coord_call *call = c->first;

		c->first = call->internal;
		if (call == &c->reopen)
			continue;
		coord_call_fail(call, ERR_CONN_LOSS);
		actor_answer(NULL, &call->msg);
	}
	if (c->session != NULL)
		tree_session_detach(c->session);
	c->session = NULL;
}

static void local_close(struct coord *face, bool is_crash)
{
	struct local *c = local_of(face);

	if (is_crash)		/* in simulations, where the actor is not running now */
		c->is_crashed = true;
	actor_stop(&c->actor);
	actor_join(&c->actor);
	if (is_crash)
		abandon(c);
	take_submitted(c);
	ASSERT(c->first == NULL || c->first == &c->reopen);	/* all calls are home */
	outbox_drop(&c->held);
	if (c->session != NULL)
		tree_session_close(c->tree, &c->session);
	if (c->owns_tree)
		coord_tree_destroy(&c->tree);
	actor_fini(&c->actor);
	free(c->faults_next);
	free(c);
}

static const struct coord_ops local_ops = {
	.submit = local_submit, .session_id = local_session_id, .reopen = local_reopen, .close = local_close,
	.set_faults = local_set_faults,
};

static enum err start(struct coord **out, struct actor *owner, struct coord_tree *tree, bool owns_tree, mono_ms timeout)
{
	struct local *c = mem_calloc(1, sizeof(*c));

	c->face = (struct coord){ .ops = &local_ops, .owner = owner };
	c->tree = tree;
	c->owns_tree = owns_tree;
	c->timeout = timeout;
	c->ready_at = c->heartbeat_at = MONO_NEVER;
	actor_init(&c->actor, owner->sched, &local_actor_ops, LANE_NONE, "coord");
	enum err e = actor_start(&c->actor, STACK_BYTES);
	if (e != OK) {
		actor_fini(&c->actor);
		free(c);
		return e;
	}
	*out = &c->face;
	return OK;
}

enum err coord_open_tree(struct coord **out, struct actor *owner, struct coord_tree *tree, int32_t session_timeout_ms)
{
	ASSERT(sched_is_sim(owner->sched));	/* nothing locks the tree */
	return start(out, owner, tree, false, session_timeout_ms);
}

enum err coord_open_embedded(struct coord **out, struct actor *owner, const char *file, char *problem, size_t problem_size)
{
	struct store_file *f;
	enum err e = store_file_open(&f, sched_os(owner->sched), file, problem, problem_size);

	if (e != OK)
		return e;
	struct coord_tree *tree = tree_open(f);
	e = tree_load(tree, problem, problem_size);
	if (e == OK) {
		e = start(out, owner, tree, true, 0);
		if (e != OK)
			snprintf(problem, problem_size, "cannot start the thread of the coordination store: %s", err_text(e));
	}
	if (e != OK)
		coord_tree_destroy(&tree);
	return e;
}
