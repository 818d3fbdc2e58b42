/*
 * Channels between brokers: a queue per (broker, line) in front of a client without metadata. The client has the sockets; here is what it does not promise: one request in
 * flight per line, and that what waits behind a failure does not overtake it.
 */
#include "client/channel.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/client_priv.h"

#define QUESTIONS_MAX 64	/* of one step */

struct channel {
	struct list         link;
	struct channels    *all;
	int32_t             broker;
	enum channel_line   line;
	struct list         waiting;	/* struct channel_call, oldest first */
	struct client_call *current;	/* of the call that is under way; NULL: none */
};

struct channels {
	struct actor   actor;
	struct client *client;
	struct list    lines;		/* struct channel; as many as there are brokers, twice at most */
};

/* ---- calls ---- */

void channel_call_init(struct channel_call *call, struct actor *home)
{
	*call = (struct channel_call){ .broker = -1 };
	msg_init(&call->msg, CHANNEL_CALL, home);
}

void channel_call_fini(struct channel_call *call)
{
	struct client_call *inner = call->internal;

	call->internal = NULL;
	call->response = NULL;
	client_call_destroy(&inner);
}

static void answer_failed(struct channels *all, struct channel_call *q, const struct client_error *why, bool maybe_applied)
{
	q->result = why->err;
	q->maybe_applied = maybe_applied;
	q->response = NULL;
	snprintf(q->problem, sizeof(q->problem), "%.*s", (int)sizeof(q->problem) - 1, why->text);
	actor_answer(&all->actor, &q->msg);
}

static void fail_waiting(struct channel *ch, const struct client_error *why)
{
	struct list *e;

	while ((e = list_pop_front(&ch->waiting)) != NULL)
		answer_failed(ch->all, LIST_ENTRY(e, struct channel_call, link), why, false);
}

/* A call that did not get there in time leaves an attempt to connect behind, as hopeless for the next one. */
static void give_up_attempt(struct channel *ch, const struct client_error *why)
{
	const struct client_node *node = client_node_find(ch->all->client, ch->broker, (int)ch->line);

	if (node != NULL && (node->state == NODE_CONNECTING || node->state == NODE_NEGOTIATING))
		client_node_drop(ch->all->client, ch->broker, (int)ch->line, why);
}

static void send_next(struct channel *ch);

static void on_done(struct client_call *call)
{
	struct channel_call *q = call->owner;
	struct channel *ch = q->internal;

	ASSERT(ch->current == call);
	ch->current = NULL;
	q->internal = call;	/* with its memory */
	q->version_used = call->version;
	if (call->error.err != OK) {
		const struct client_error why = call->error;
		give_up_attempt(ch, &why);
		answer_failed(ch->all, q, &why, call->maybe_applied);
		fail_waiting(ch, &why);
		return;
	}
	q->result = OK;
	q->response = call->response;
	actor_answer(&ch->all->actor, &q->msg);
	send_next(ch);
}

static void send_next(struct channel *ch)
{
	struct list *e;
	struct channel_call *q;
	struct client_call *call;

	if (ch->current != NULL || (e = list_pop_front(&ch->waiting)) == NULL)
		return;
	q = LIST_ENTRY(e, struct channel_call, link);
	(void)client_node_put(ch->all->client, ch->broker, (int)ch->line, q->host, q->port, ch->line == CHANNEL_TO_MEMBER);
	call = client_call_create(ch->all->client, q->key, on_done, q);
	call->line = (int)ch->line;
	call->request = (void *)q->request;
	call->answer_timeout_ms = q->timeout_ms;
	if (ch->line == CHANNEL_TO_MEMBER)
		call->version = q->version;
	else
		call->version_max = q->version;
	q->internal = ch;
	ch->current = call;
	client_call_send(call, ch->broker, q->connect_timeout_ms);
}

/* ---- lines ---- */

static struct channel *find_line(struct channels *all, int32_t broker, enum channel_line line)
{
	LIST_FOREACH(e, &all->lines) {
		struct channel *ch = LIST_ENTRY(e, struct channel, link);
		if (ch->broker == broker && ch->line == line)
			return ch;
	}
	return NULL;
}

static void on_call(struct channels *all, struct channel_call *q)
{
	struct channel *ch = find_line(all, q->broker, q->line);

	if (ch == NULL) {
		ch = mem_calloc(1, sizeof(*ch));
		ch->all = all;
		ch->broker = q->broker;
		ch->line = q->line;
		list_init(&ch->waiting);
		list_push_back(&all->lines, &ch->link);
	}
	list_push_back(&ch->waiting, &q->link);
	send_next(ch);
}

static void close_line(struct channel *ch, const struct client_error *why)
{
	struct channels *all = ch->all;

	client_node_drop(all->client, ch->broker, (int)ch->line, why);
	(void)client_calls_deliver(all->client);	/* the one under way, and with it what waits */
	ASSERT(ch->current == NULL && list_empty(&ch->waiting));
	list_remove(&ch->link);
	free(ch);
}

static void on_close(struct channels *all, struct channel_close *q)
{
	struct client_error why;

	client_error_set(&why, ERR_CLOSED, "the connection was closed here");
	LIST_FOREACH(e, &all->lines) {
		struct channel *ch = LIST_ENTRY(e, struct channel, link);
		if (q->broker < 0 || (ch->broker == q->broker && ch->line == q->line))
			close_line(ch, &why);
	}
	actor_answer(&all->actor, &q->msg);
}

/* ---- the actor ---- */

static void on_question(void *arg, struct msg *m)
{
	struct channels *all = arg;

	if (m->kind == CHANNEL_CALL)
		on_call(all, CONTAINER_OF(m, struct channel_call, msg));
	else if (m->kind == CHANNEL_CLOSE)
		on_close(all, CONTAINER_OF(m, struct channel_close, msg));
	else
		ASSERT(!"a question for channels");
}

static int channels_step(struct actor *a, mono_ms now UNUSED)
{
	struct channels *all = CONTAINER_OF(a, struct channels, actor);
	int work = actor_drain_questions(a, QUESTIONS_MAX, on_question, all);

	work += client_turn(all->client, &a->deadline);
	return work;
}

static void channels_wait(struct actor *a, mono_ms until)
{
	client_wait(CONTAINER_OF(a, struct channels, actor)->client, until);
}

static void channels_wake(struct actor *a)
{
	client_wake(CONTAINER_OF(a, struct channels, actor)->client);
}

static const struct actor_ops channels_ops = {
	.module = "channel", .step = channels_step, .wait = channels_wait, .wake = channels_wake,
};

struct actor *channels_actor(struct channels *c)
{
	return &c->actor;
}

static void free_channels(struct channels *c)
{
	client_destroy(&c->client);
	LIST_FOREACH(e, &c->lines)
		free(LIST_ENTRY(e, struct channel, link));
	actor_fini(&c->actor);
	free(c);
}

enum err channels_create(struct channels **out, struct sched *s, const char *client_id)
{
	struct client_spec spec = CLIENT_SPEC_INIT;
	struct channels *c = mem_calloc(1, sizeof(*c));
	struct client_error error;
	enum err e;

	spec.bootstrap = NULL;
	spec.client_id = client_id;
	spec.connect_timeout_ms = INT32_MAX;	/* the call's decides */
	spec.reconnect_backoff_ms = spec.reconnect_backoff_max_ms = CHANNEL_REST_MS;
	list_init(&c->lines);
	actor_init(&c->actor, s, &channels_ops, LANE_NONE, "%s", client_id);
	e = client_create(&c->client, sched_os(s), &spec, &error);
	if (e == OK)
		e = actor_start(&c->actor, 0);
	if (e != OK) {
		free_channels(c);
		return e;
	}
	*out = c;
	return OK;
}

void channels_destroy(struct channels **cp)
{
	struct channels *c = *cp;

	*cp = NULL;
	actor_stop(&c->actor);
	actor_join(&c->actor);
	LIST_FOREACH(e, &c->lines)
		ASSERT(LIST_ENTRY(e, struct channel, link)->current == NULL);
	free_channels(c);
}
