/*
 * The way to each member: a queue, one request in flight, in order, tried until it is answered or the broker is gone. A member depends on that order: which word about a partition
 * is the newer one it knows by their arrival.
 *
 * UpdateMetadata that waits is merged with its neighbours (active_merge.c): so what waits is told in as few round trips as its order allows.
 *
 * A request whose answer was lost is sent again: members take the repetition. The queue is bounded by the member's session: who does not answer loses it, and with it the queue.
 *
 * This broker's own member side gets the same requests without a connection; its queue is the member side's.
 */
#include "controller/active_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"

#define RETRY_MS 100

static const void *request_of(const struct active_request *r)
{
	return &r->request;
}

static void answered(struct controller *c, struct active_request *r)
{
	const struct update_metadata_response *um = r->answer;

	if (r->key == API_LEADER_AND_ISR) {
		active_enqueue_leader_and_isr_answer(c, r);
		return;
	}
	if (r->key == API_STOP_REPLICA) {
		active_enqueue_stop_answer(c, r);
		return;
	}
	if (um->error_code != NONE)
		LOG_WARN(&c->actor.log, member_refused, KV_I32("broker", r->broker), KV_STR("error", kafka_error_name(um->error_code)));
	active_request_free(r);
}

/* --- to ourselves ------------------------------------------------------------------------------------------------------------------------ */

static void own_done(struct controller *c, struct own_request *own)
{
	struct active_request *r = CONTAINER_OF(own, struct active_request, own);

	if (r->active == NULL) {
		active_request_free(r);
		return;
	}
	list_remove(&r->link);
	c->active->own_done++;
	r->answer = &r->own_answer;
	answered(c, r);
	active_look_at_waiters(c);
}

static void send_own(struct controller *c, struct active_request *r)
{
	r->own.request = (struct controller_request){ .key = r->key, .version = r->version, .request = request_of(r), .response = &r->own_answer, .arena = &r->arena };
	r->own.done = own_done;
	if (r->key == API_LEADER_AND_ISR)
		leader_and_isr_response_init(&r->own_answer.leader_and_isr);
	else if (r->key == API_UPDATE_METADATA)
		update_metadata_response_init(&r->own_answer.update_metadata);
	else
		stop_replica_response_init(&r->own_answer.stop_replica);
	list_push_back(&c->active->own_requests, &r->link);
	c->active->own_sent++;
	member_enqueue_own(c, &r->own);
}

/* --- to others ----------------------------------------------------------------------------------------------------------------------------- */

static struct active_request *first(struct active_channel *ch)
{
	return LIST_ENTRY(ch->requests.next, struct active_request, link);
}

static void send_next(struct controller *c, struct active_channel *ch)
{
	if (ch->is_busy || list_empty(&ch->requests) || ch->is_waiting)
		return;
	active_merge_waiting(&ch->requests);
	struct active_request *r = first(ch);
	struct channel_call *call = &r->call;

	r->was_sent = true;

	channel_call_init(call, &c->actor);
	call->msg.context = r;
	call->broker = r->broker;
	call->line = CHANNEL_TO_MEMBER;
	call->host = r->host;
	call->port = ch->port;
	call->key = r->key;
	call->version = r->version;
	call->request = request_of(r);
	call->connect_timeout_ms = c->config->controller_socket_timeout_ms;
	call->timeout_ms = c->config->request_timeout_ms;
	bool sent = actor_ask(&c->actor, channels_actor(c->spec.channels), &call->msg);
	ASSERT(sent);		/* one per broker: the lane holds more than a cluster has */
	ch->is_busy = true;
}

static void on_retry(struct controller *c, struct controller_timer *t)
{
	struct active_channel *ch = CONTAINER_OF(t, struct active_channel, retry);

	ch->is_waiting = false;
	send_next(c, ch);
}

void active_channel_send(struct controller *c, struct active_broker *b, struct active_request *r)
{
	if (b->info.id == c->broker_id) {
		send_own(c, r);
		return;
	}
	if (c->spec.channels == NULL || b->channel.port == 0) {	/* no way there */
		active_request_free(r);
		return;
	}
	snprintf(r->host, sizeof(r->host), "%s", b->channel.host);
	list_push_back(&b->channel.requests, &r->link);
	send_next(c, &b->channel);
}

void active_channel_open(struct controller *c, struct active_broker *b)
{
	const struct cluster_endpoint *e = controller_inter_broker_endpoint(c, &b->info);

	b->channel = (struct active_channel){ .retry = { .at = MONO_NEVER, .fire = on_retry } };
	list_init(&b->channel.requests);
	if (e == NULL) {
		LOG_ERROR(&c->actor.log, member_unreachable, KV_I32("broker", b->info.id));
		return;
	}
	snprintf(b->channel.host, sizeof(b->channel.host), "%s", e->host);
	b->channel.port = e->port;
}

void active_channel_close(struct controller *c, struct active_broker *b)
{
	struct active_channel *ch = &b->channel;
	struct list *e;

	controller_timer_set(c, &ch->retry, MONO_NEVER);
	if (ch->is_busy) {	/* freed when it is home */
		struct active_request *r = first(ch);

		list_remove(&r->link);
		r->active = NULL;
	}
	while ((e = list_pop_front(&ch->requests)) != NULL)
		active_request_free(LIST_ENTRY(e, struct active_request, link));
	if (b->info.id != c->broker_id && c->spec.channels != NULL)
		controller_close_line(c, b->info.id, CHANNEL_TO_MEMBER);
}

static void on_call_home(struct controller *c, struct active_request *r)
{
	if (r->active == NULL) {
		active_request_free(r);
		return;
	}
	struct active_broker *b = active_broker_get(c->active, r->broker);
	struct active_channel *ch = &b->channel;

	ch->is_busy = false;
	if (r->call.result != OK) {
		LOG_WARN(&c->actor.log, member_not_told, KV_I32("broker", r->broker), KV_I32("api", r->key), KV_I32("version", r->version),
		         KV_STR("problem", r->call.problem));
		channel_call_fini(&r->call);
		ch->is_waiting = true;
		controller_timer_set(c, &ch->retry, os_mono_ms(c->os) + RETRY_MS);
		return;
	}
	list_remove(&r->link);
	r->answer = r->call.response;
	answered(c, r);
	send_next(c, ch);
}

void active_on_channel_home(struct controller *c, struct msg *m)
{
	if (m->kind == CHANNEL_CLOSE)
		free(CONTAINER_OF(m, struct channel_close, msg));
	else
		on_call_home(c, m->context);
}
