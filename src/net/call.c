/*
 * The life of a call: taken from the pool with a whole frame, begun, answered when nothing is out,
 * sent, given back. And what handlers may ask for.
 */
#include "base/probe.h"
#include "net/net_priv.h"
#include "wire/header.h"

#include <stdlib.h>

/* --- the pool -------------------------------------------------------------------------------- */

static struct net_call *call_take(struct network *n)
{
	struct list *free_one = list_pop_front(&n->free_calls);
	struct net_call *nc;

	if (free_one != NULL) {
		n->free_call_count--;
		nc = LIST_ENTRY(free_one, struct net_call, in_connection);
	} else {
		nc = mem_calloc(1, sizeof(*nc));
		arena_init(&nc->call.arena, NET_ARENA_BYTES);
		writer_init(&nc->out);
	}
	n->calls_in_use++;
	return nc;
}

static void call_destroy(struct net_call *nc)
{
	arena_fini(&nc->call.arena);
	writer_fini(&nc->out);
	free(nc);
}

/* Keeps the memory of arena and writer for the next call; all else is as after mem_calloc. */
static void call_give_back(struct network *n, struct net_call *nc)
{
	struct arena arena;
	struct writer out;

	if (n->free_call_count >= NET_WARM) {
		call_destroy(nc);
		return;
	}
	arena_reset(&nc->call.arena);
	writer_reset(&nc->out);
	arena = nc->call.arena;
	out = nc->out;
	*nc = (struct net_call){ .call.arena = arena, .out = out };
	list_push_front(&n->free_calls, &nc->in_connection);	/* the warmest first */
	n->free_call_count++;
}

static void release_files(struct net_call *nc)
{
	for (size_t i = 0; i < nc->out.gaps_count; i++) {
		struct log_range *range = (struct log_range *)(uintptr_t)nc->out.gaps[i].file;
		log_file_unref(&range->file);
	}
}

void call_detach(struct net_call *nc)
{
	struct connection *c = nc->call.connection;

	list_remove(&nc->in_connection);
	nc->call.connection = NULL;
	c->running -= nc->phase == CALL_RUNNING;
	if (--c->call_count == 0)
		c->network->busy_connections--;
	if (c->is_open)
		network_add_work(c);
	call_resume(&nc->call);
}

void call_free(struct net_call *nc)
{
	struct network *n = nc->call.network;

	ASSERT(nc->call.waiting == 0 && !nc->call.is_parked);
	if (nc->call.connection != NULL)
		call_detach(nc);
	release_files(nc);
	frame_end(&n->frames, &nc->frame);
	n->calls_in_use--;
	call_give_back(n, nc);
}

void calls_fini(struct network *n)
{
	struct list *e;

	ASSERT(n->calls_in_use == 0);
	while ((e = list_pop_front(&n->free_calls)) != NULL)
		call_destroy(LIST_ENTRY(e, struct net_call, in_connection));
}

/* --- from begin to answer -------------------------------------------------------------------- */

static void encode(struct net_call *nc)
{
	struct call *c = &nc->call;
	struct writer *w = &nc->out;
	bool ok;

	writer_begin_frame(w);
	ok = header_encode_response(c->correlation_id, w, c->api->key, c->version)
	  && c->api->encode(c->response, w, c->version);
	ok = writer_end_frame(w) && ok;
	if (ok)
		return;
	LOG_ERROR(&c->network->actor.log, net_answer_not_encodable, KV_STR("api", c->api->name),
	          KV_I32("version", c->version));
	c->wants_close = true;
}

static void mute(struct connection *conn, mono_ms until)
{
	if (timer_is_set(&conn->mute))
		until = MAX(until, conn->mute.deadline);
	timers_set(&conn->network->mutes, &conn->mute, until);
}

static void put_in_line(struct net_call *nc)
{
	struct connection *conn = nc->call.connection;

	nc->phase = CALL_ANSWERED;
	conn->running--;
	conn->unsent += nc->out.len;
	if (nc->call.throttle_ms > 0)
		mute(conn, conn->network->now + nc->call.throttle_ms);
	network_add_work(conn);
}

static void call_end(struct net_call *nc)
{
	struct call *c = &nc->call;

	c->api->end(c);
	c->stage[STAGE_ANSWERED] = c->network->now_ns;
	if (c->connection == NULL || (c->wants_no_response && !c->wants_close)) {
		PROBE(request__end, c, c->api->name, c->version, c->frame.len);
		call_free(nc);
		return;
	}
	if (!c->wants_close)
		encode(nc);
	put_in_line(nc);
}

static void call_look(struct net_call *nc)
{
	if (nc->call.waiting == 0 && !nc->call.is_parked)
		call_end(nc);
}

static void attach(struct net_call *nc, struct connection *c)
{
	struct network *n = c->network;

	nc->call.network = n;
	nc->call.connection = c;
	nc->call.listener = n->net->spec->listeners[c->listener].name;
	nc->call.principal = SLICE_LIT("User:ANONYMOUS");
	nc->frame = c->frame;
	c->frame = (struct frame){ 0 };
	nc->call.frame = slice_of(nc->frame.buf, nc->frame.size);
	nc->call.stage[STAGE_RECEIVED] = c->frame_received;
	nc->call.stage[STAGE_BEGUN] = n->now_ns;
	nc->call.written_at = 0;
	nc->phase = CALL_RUNNING;
	list_push_back(&c->calls, &nc->in_connection);
	c->running++;
	if (c->call_count++ == 0)
		n->busy_connections++;
}

const char *call_start(struct connection *c)
{
	struct net_call *nc = call_take(c->network);
	const char *why;

	attach(nc, c);
	why = request_open(nc);
	if (why != NULL) {
		call_free(nc);
		return why;
	}
	COUNT(c->network, requests, 1);
	if (request_wants_versions(nc)) {
		request_answer_versions(nc);
		put_in_line(nc);
		return NULL;
	}
	/* Peers and clients know of a broker as soon as it is registered, it knows of topics with the first picture:
	 * an answer before would say that there are none, and producers then forget their sequence numbers. They come again. */
	if (c->network->cluster == NULL && !nc->call.api->needs_no_picture) {
		nc->call.wants_close = true;
		put_in_line(nc);
		return NULL;
	}
	PROBE(request__begin, &nc->call, nc->call.api->name, nc->call.version, nc->call.frame.len, nc->call.client_id.ptr, nc->call.client_id.len);
	nc->call.api->begin(&nc->call);
	call_look(nc);
	return NULL;
}

void call_answered(struct call *c, struct msg *m)
{
	ASSERT(c->waiting > 0);
	bool held = c->holds_connection;

	c->waiting--;
	c->api->on_answer(c, m);
	if (held && !c->holds_connection && c->connection != NULL)
		network_add_work(c->connection);
	call_look(net_call_of(c));
}

void call_woken(struct net_call *nc)
{
	ASSERT(nc->call.is_parked);
	nc->call.is_parked = false;
	nc->call.api->on_wakeup(&nc->call);
	call_look(nc);
}

/* --- for handlers ---------------------------------------------------------------------------- */

void call_ask(struct call *c, struct actor *to, struct msg *m)
{
	ASSERT_OWNER(&c->network->actor);
	m->context = c;
	c->waiting++;
	network_ask(c->network, to, m);
}

bool call_ask_partition(struct call *c, struct partition_addr *to, struct msg *m)
{
	m->context = c;
	c->waiting++;
	if (network_ask_partition(c->network, to, m))
		return true;
	c->waiting--;
	return false;
}

void *call_message(struct call *c, size_t size, uint16_t kind)
{
	struct msg *m = arena_calloc(&c->arena, 1, size);

	if (m != NULL)
		msg_init(m, kind, &c->network->actor);
	return m;
}

void call_park(struct call *c, mono_ms deadline)
{
	struct network *n = c->network;

	ASSERT_OWNER(&n->actor);
	ASSERT(!c->is_parked && c->api->on_wakeup != NULL);
	c->is_parked = true;
	if (c->connection == NULL || n->is_stopping)
		call_resume(c);
	else
		timers_set(&n->parks, &net_call_of(c)->park, deadline);
}

void call_resume(struct call *c)
{
	struct net_call *nc = net_call_of(c);

	ASSERT_OWNER(&c->network->actor);
	if (!c->is_parked || list_linked(&nc->in_resumed))
		return;
	timers_clear(&c->network->parks, &nc->park);
	list_push_back(&c->network->resumed, &nc->in_resumed);
}

struct cluster *call_cluster(struct call *c)
{
	ASSERT(c->network->cluster != NULL || c->api->needs_no_picture);
	return c->network->cluster;
}

mono_ms call_now(struct call *c)
{
	return c->network->now;
}

mono_ms call_connection_age(struct call *c)
{
	return c->connection != NULL ? c->network->now - c->connection->opened : 0;
}

time_ms call_time(struct call *c)
{
	return os_time_ms(c->network->os);
}

/* Everybody may do everything until an authoriser is configured: the broker refuses to start with
 * one that it does not know. */
bool call_authorize(struct call *c UNUSED, enum acl_operation op UNUSED,
                    enum acl_resource resource UNUSED, struct slice name UNUSED)
{
	return true;
}

const char *call_peer_host(struct call *c, char buf[64])
{
	char text[64], *host = text;

	buf[0] = 0;
	if (c->connection == NULL)
		return buf;
	os_addr_text(&c->connection->peer, text);
	*strrchr(text, ':') = 0;		/* the port */
	if (*host == '[') {
		host++;
		host[strlen(host) - 1] = 0;
	}
	strcpy(buf, host);
	return buf;
}

void call_count(struct call *c, enum net_data what, uint64_t n)
{
	COUNT(c->network, data[what], n);
}

void call_book(struct call *c, uint64_t bytes_in, uint64_t bytes_out)
{
	COUNT(c->network, record_bytes_in, bytes_in);
	COUNT(c->network, record_bytes_out, bytes_out);
}
