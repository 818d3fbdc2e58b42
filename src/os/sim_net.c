/*
 * Streams between simulated machines. Whatever crosses the network is an event with a time of
 * arrival, kept in the order of arrival; sim_net_advance delivers what is due. Pieces of one stream
 * never overtake each other: each arrives no earlier than the one before it.
 *
 * A sender may have WINDOW bytes that its peer has not read yet, under way or waiting; beyond it
 * os_sendv answers ERR_AGAIN. Room comes back when the peer reads. A cut link holds what is under
 * way (its time is MONO_NEVER) until the heal gives it a new time, as TCP would resend; connections
 * that hang longer than a broker's patience are its own affair.
 *
 * As in Linux: closing with bytes unread, or bytes that arrive after the close, reset the
 * connection; bytes that arrived before a reset can still be read; a listener whose queue is full
 * ignores the newcomer, who asks again after a second.
 *
 * Lifetimes: peers point at each other and go together, when both are closed and no event names
 *            either.
 */
#include "os/sim_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define WINDOW       65536
#define SYN_RETRY_NS ((mono_ns)1000000000)
#define SYN_TRIES    120		/* then ERR_TIMEOUT: about two minutes, as in Linux */
#define PARTIAL      250000		/* per million, at the start: see sim_net_set_partial */

enum socket_state { LISTENING, CONNECTING, CONNECTED, FAILED };

struct sim_socket {
	struct list       link;		/* on net->sockets */
	struct list       queue_link;	/* on its listener's queue until it is accepted */
	struct sim_os    *machine;	/* NULL: the machine is destroyed */
	bool              is_closed;	/* has no descriptor any more */
	int               events;	/* under way to it */
	enum socket_state state;
	enum err          error;	/* why FAILED */
	struct os_addr    local, remote;	/* a listener on every address: all zeros */
	int               backlog, queued;
	struct list       queue;	/* of a listener: connections not accepted yet */
	uint64_t           connection;	/* its number; 0 of a listener */
	bool               is_client;
	struct sim_socket *peer;	/* NULL until the listener has seen it; peer->peer is this */
	mono_ns           last_arrival;	/* of what this side sent */
	size_t            unread;	/* bytes sent to this side: under way and in `in` */
	struct sim_bytes  in;		/* arrived; in.at[in_pos] is the next to read */
	size_t            in_pos;
	bool              has_end;	/* the peer's end of stream has arrived */
	bool              has_ended;	/* we have ended ours */
};

enum event_kind { NET_SYN, NET_ACCEPTED, NET_REFUSED, NET_DATA, NET_END, NET_RESET };

struct sim_event {
	struct list        link;
	mono_ns            at;
	enum event_kind    kind;
	struct sim_os     *from, *to;
	struct sim_socket *target;	/* who receives it; NET_SYN: who connects */
	int                tries;	/* NET_SYN */
	size_t             len;
	uint8_t            data[];
};

struct sim_cut {
	struct list    link;
	struct sim_os *from, *to;
};

void sim_net_init(struct sim_net *net, uint64_t seed, mono_ns now)
{
	net->now = now;
	net->rng.state = seed;
	net->delay_min_us = 1000;
	net->delay_max_us = 3000;
	net->partial_per_million = PARTIAL;
	list_init(&net->machines);
	list_init(&net->sockets);
	list_init(&net->cuts);
	list_init(&net->events);
}

/* --- what is under way ------------------------------------------------------------------------ */

static struct sim_cut *find_cut(struct sim_net *net, const struct sim_os *from, const struct sim_os *to)
{
	LIST_FOREACH(l, &net->cuts) {
		struct sim_cut *c = LIST_ENTRY(l, struct sim_cut, link);
		if (c->from == from && c->to == to)
			return c;
	}
	return NULL;
}

/* Gives the event its time and its place. The sender is whoever's stream must keep its order. */
static void event_schedule(struct sim_net *net, struct sim_event *e)
{
	struct sim_socket *sender = e->kind != NET_SYN && e->target->peer != NULL ? e->target->peer : e->target;
	uint64_t spread = (uint64_t)(net->delay_max_us - net->delay_min_us + 1);
	struct list *at = &net->events;

	e->at = MONO_NEVER;
	if (find_cut(net, e->from, e->to) == NULL) {
		e->at = net->now + (net->delay_min_us + (int64_t)sim_rng_below(&net->rng, spread)) * 1000;
		e->at = sender->last_arrival = MAX(e->at, sender->last_arrival);
	}
	while (at->prev != &net->events && LIST_ENTRY(at->prev, struct sim_event, link)->at > e->at)
		at = at->prev;
	list_insert_before(at, &e->link);
}

static void event_send(struct sim_os *from, struct sim_os *to, enum event_kind kind, struct sim_socket *target,
		       const void *data, size_t len)
{
	if (from == NULL || to == NULL)
		return;		/* a machine that does not exist any more */
	struct sim_event *e = mem_calloc(1, sizeof(*e) + len);
	e->kind = kind;
	e->from = from;
	e->to = to;
	e->target = target;
	e->len = len;
	if (len != 0)
		memcpy(e->data, data, len);
	target->events++;
	event_schedule(from->net, e);
}

static void send_to_peer(struct sim_socket *s, enum event_kind kind, const void *data, size_t len)
{
	event_send(s->machine, s->peer->machine, kind, s->peer, data, len);
}

static bool is_over(const struct sim_socket *s)
{
	return s->is_closed && s->events == 0;
}

static void socket_free(struct sim_socket *s)
{
	list_remove(&s->link);
	free(s->in.at);
	free(s);
}

static void socket_free_if_over(struct sim_socket *s)
{
	struct sim_socket *peer = s->peer;

	if (!is_over(s) || (peer != NULL && !is_over(peer)))
		return;
	if (peer != NULL)
		socket_free(peer);
	socket_free(s);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static struct sim_socket *socket_create(struct sim_os *m, enum socket_state state)
{
	struct sim_socket *s = mem_calloc(1, sizeof(*s));

	s->machine = m;
	s->state = state;
	list_init(&s->queue);
	list_push_back(&m->net->sockets, &s->link);
	return s;
}

static void socket_fail(struct sim_socket *s, enum err e)
{
	s->state = FAILED;
	s->error = e;
}

static size_t socket_waiting(const struct sim_socket *s)
{
	return s->in.size - s->in_pos;
}

static void socket_shut(struct sim_socket *s, bool is_silent)
{
	s->is_closed = true;
	if (!is_silent && s->peer != NULL && s->state != FAILED) {
		if (socket_waiting(s) != 0)
			send_to_peer(s, NET_RESET, NULL, 0);
		else if (!s->has_ended)
			send_to_peer(s, NET_END, NULL, 0);
	}
	socket_free_if_over(s);
}

void sim_socket_close(struct sim_socket *s, os_fd fd, bool is_silent)
{
	sim_poll_forget(s->machine, fd);
	while (!list_empty(&s->queue)) {	/* nobody will accept these */
		struct sim_socket *waiting = LIST_ENTRY(list_pop_front(&s->queue), struct sim_socket, queue_link);
		if (!is_silent && waiting->state != FAILED)
			send_to_peer(waiting, NET_RESET, NULL, 0);
		socket_shut(waiting, true);
	}
	socket_shut(s, is_silent);
}

int sim_socket_events(const struct sim_socket *s)
{
	int events = 0;

	switch (s->state) {
	case LISTENING:
		return s->queued != 0 ? OS_READABLE : 0;
	case CONNECTING:
		return 0;
	case FAILED:
		return OS_READABLE | OS_WRITABLE | OS_HANGUP;
	case CONNECTED:
		break;
	}
	if (socket_waiting(s) != 0 || s->has_end)
		events |= OS_READABLE;
	if (s->has_ended || s->peer->unread < WINDOW)
		events |= OS_WRITABLE;
	if (s->has_end && s->has_ended)
		events |= OS_HANGUP;
	return events;
}

/* --- delivery --------------------------------------------------------------------------------- */

/* Who has bound that port at that address; ip NULL: at any. Without a backlog it does not listen yet. */
static struct sim_socket *find_listener(struct sim_os *m, const uint8_t *ip, uint16_t port)
{
	static const uint8_t every[16];

	LIST_FOREACH(l, &m->net->sockets) {
		struct sim_socket *s = LIST_ENTRY(l, struct sim_socket, link);
		if (s->machine == m && s->state == LISTENING && !s->is_closed && s->local.port == port
		    && (ip == NULL || memcmp(s->local.ip, every, 16) == 0 || memcmp(s->local.ip, ip, 16) == 0))
			return s;
	}
	return NULL;
}

/* True: the event was used up. False: it was put back, to be tried again. */
static bool deliver_syn(struct sim_net *net, struct sim_event *e)
{
	struct sim_socket *client = e->target;
	struct sim_socket *listener = find_listener(e->to, client->remote.ip, client->remote.port);

	if (listener == NULL || listener->backlog < 0) {
		event_send(e->to, e->from, NET_REFUSED, client, NULL, 0);
		return true;
	}
	if (listener->queued < MAX(listener->backlog, 1)) {
		struct sim_socket *server = socket_create(e->to, CONNECTED);
		server->local = client->remote;
		server->remote = client->local;
		server->peer = client;
		server->connection = client->connection;
		client->peer = server;
		list_push_back(&listener->queue, &server->queue_link);
		listener->queued++;
		event_send(e->to, e->from, NET_ACCEPTED, client, NULL, 0);
		return true;
	}
	if (++e->tries >= SYN_TRIES) {
		socket_fail(client, ERR_TIMEOUT);
		return true;
	}
	client->last_arrival = net->now + SYN_RETRY_NS;
	event_schedule(net, e);
	return false;
}

static void deliver_data(struct sim_event *e)
{
	struct sim_socket *s = e->target;

	if (s->in_pos == s->in.size)
		s->in_pos = s->in.size = 0;
	if (s->in.size + e->len > s->in.capacity) {
		s->in.capacity = MAX(s->in.size + e->len, s->in.capacity * 2);
		s->in.at = mem_realloc_array(s->in.at, s->in.capacity, 1);
	}
	memcpy(s->in.at + s->in.size, e->data, e->len);
	s->in.size += e->len;
}

static bool deliver(struct sim_net *net, struct sim_event *e)
{
	struct sim_socket *s = e->target;

	if (s->is_closed) {
		if (e->kind == NET_DATA && s->peer->state != FAILED && !s->peer->is_closed)
			send_to_peer(s, NET_RESET, NULL, 0);
		return true;
	}
	if (s->state == FAILED)
		return true;
	switch (e->kind) {
	case NET_SYN:      return deliver_syn(net, e);
	case NET_ACCEPTED: s->state = CONNECTED; break;
	case NET_REFUSED:  socket_fail(s, ERR_REFUSED); break;
	case NET_DATA:     deliver_data(e); break;
	case NET_END:      s->has_end = true; break;
	case NET_RESET:    socket_fail(s, ERR_CLOSED); break;
	}
	return true;
}

static void event_free(struct sim_event *e)
{
	e->target->events--;
	socket_free_if_over(e->target);
	free(e);
}

void sim_net_advance(struct sim_net *net, mono_ns to)
{
	while (!list_empty(&net->events)) {
		struct sim_event *e = LIST_ENTRY(net->events.next, struct sim_event, link);
		if (e->at > to)
			break;
		list_remove(&e->link);
		net->now = MAX(net->now, e->at);
		if (deliver(net, e))
			event_free(e);
	}
	net->now = to;
}

mono_ms sim_next_event_ms(const struct sim_os *m)
{
	if (list_empty(&m->net->events))
		return MONO_NEVER;
	mono_ns at = LIST_ENTRY(m->net->events.next, struct sim_event, link)->at;
	return at == MONO_NEVER ? MONO_NEVER : (at - m->net->now + 999999) / 1000000;
}

/* --- what a test does to the network ---------------------------------------------------------- */

void sim_net_set_delay(struct sim_net *net, int64_t min_us, int64_t max_us)
{
	ASSERT(min_us >= 1 && max_us >= min_us);
	net->delay_min_us = min_us;
	net->delay_max_us = max_us;
}

void sim_net_set_partial(struct sim_net *net, unsigned per_million)
{
	net->partial_per_million = per_million;
}

/* Everything under way between the two gets a new time, in its old order: never while the link is cut. */
static void reschedule(struct sim_net *net, const struct sim_os *from, const struct sim_os *to)
{
	struct list moved;

	list_init(&moved);
	LIST_FOREACH(l, &net->events) {
		struct sim_event *e = LIST_ENTRY(l, struct sim_event, link);
		if (e->from == from && e->to == to) {
			list_remove(&e->link);
			list_push_back(&moved, &e->link);
		}
	}
	while (!list_empty(&moved))
		event_schedule(net, LIST_ENTRY(list_pop_front(&moved), struct sim_event, link));
}

void sim_net_cut(struct sim_os *from, struct sim_os *to)
{
	struct sim_net *net = from->net;

	ASSERT(to->net == net);
	if (find_cut(net, from, to) != NULL)
		return;
	struct sim_cut *c = mem_calloc(1, sizeof(*c));
	c->from = from;
	c->to = to;
	list_push_back(&net->cuts, &c->link);
	reschedule(net, from, to);
}

void sim_net_heal(struct sim_os *from, struct sim_os *to)
{
	struct sim_cut *c = find_cut(from->net, from, to);

	if (c == NULL)
		return;
	list_remove(&c->link);
	free(c);
	reschedule(from->net, from, to);
}

void sim_net_set_observer(struct sim_net *net, void (*sent)(void *arg, const struct sim_piece *p), void *arg)
{
	net->sent = sent;
	net->observer = arg;
}

int sim_net_connections(const struct sim_net *net)
{
	int n = 0;

	LIST_FOREACH(l, &net->sockets) {
		const struct sim_socket *s = LIST_ENTRY(l, struct sim_socket, link);

		n += s->is_client && s->state == CONNECTED && !s->is_closed && !s->peer->is_closed;
	}
	return n;
}

void sim_net_reset(struct sim_os *a, struct sim_os *b)
{
	LIST_FOREACH(l, &a->net->sockets) {
		struct sim_socket *s = LIST_ENTRY(l, struct sim_socket, link);
		if (s->machine != a || s->peer == NULL || s->peer->machine != b)
			continue;
		if (s->state != FAILED)
			socket_fail(s, ERR_CLOSED);
		if (s->peer->state != FAILED)
			socket_fail(s->peer, ERR_CLOSED);
	}
}

void sim_net_leave(struct sim_os *m)
{
	struct sim_net *net = m->net;

	LIST_FOREACH(l, &net->cuts) {
		struct sim_cut *c = LIST_ENTRY(l, struct sim_cut, link);
		if (c->from != m && c->to != m)
			continue;
		list_remove(&c->link);
		free(c);
	}
	LIST_FOREACH(l, &net->events) {
		struct sim_event *e = LIST_ENTRY(l, struct sim_event, link);
		if (e->from != m && e->to != m)
			continue;
		list_remove(&e->link);
		event_free(e);
	}
	LIST_FOREACH(l, &net->sockets) {
		struct sim_socket *s = LIST_ENTRY(l, struct sim_socket, link);
		if (s->machine == m)
			s->machine = NULL;
	}
}

/* --- os.h's sockets --------------------------------------------------------------------------- */

static const uint8_t loopback[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };

static bool find_host(struct sim_os *m, const char *host, uint8_t ip[16])
{
	uint8_t v4[4];

	if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0) {
		memcpy(ip, loopback, 16);
		return true;
	}
	if (inet_pton(AF_INET, host, v4) == 1) {
		memcpy(ip, loopback, 12);
		memcpy(ip + 12, v4, 4);
		return true;
	}
	LIST_FOREACH(l, &m->net->machines) {
		struct sim_os *other = LIST_ENTRY(l, struct sim_os, link);
		if (strcmp(other->host, host) == 0) {
			memcpy(ip, other->ip, 16);
			return true;
		}
	}
	return false;
}

static enum err sim_resolve(struct os *os, const char *host, uint16_t port, struct os_addr *out, int max UNUSED, int *n)
{
	struct sim_os *m = sim_of(os);

	if (m->is_dead)
		return ERR_CLOSED;
	if (!find_host(m, host, out->ip))
		return sim_done(m, "resolve", port, 0, ERR_NOT_FOUND);
	out->port = port;
	*n = 1;
	return sim_done(m, "resolve", port, out->ip[15], OK);
}

static uint16_t free_port(struct sim_os *m)
{
	for (;;) {
		uint16_t port = m->next_port++;
		if (m->next_port == 0)
			m->next_port = 40000;
		if (find_listener(m, NULL, port) == NULL)
			return port;
	}
}

static enum err sim_bind(struct os *os, const char *host, uint16_t port, os_fd *out, uint16_t *bound)
{
	struct sim_os *m = sim_of(os);
	struct os_addr a = { .port = port };
	bool is_any = host[0] == '\0';

	if (m->is_dead)
		return ERR_CLOSED;
	if (!is_any && !find_host(m, host, a.ip))
		return sim_done(m, "bind", port, 0, ERR_NOT_FOUND);
	if (!is_any && memcmp(a.ip, loopback, 16) != 0 && memcmp(a.ip, m->ip, 16) != 0)
		return sim_done(m, "bind", port, 0, sim_errno(EADDRNOTAVAIL));
	if (port == 0)
		a.port = free_port(m);
	else if (find_listener(m, is_any ? NULL : a.ip, port) != NULL)
		return sim_done(m, "bind", port, 0, sim_errno(EADDRINUSE));
	struct sim_socket *s = socket_create(m, LISTENING);
	s->local = a;
	s->backlog = -1;
	*out = sim_fd_add(m, (struct sim_fd){ .socket = s });
	*bound = a.port;
	return sim_done(m, "bind", a.port, 0, OK);
}

struct sim_socket *sim_socket_of(struct sim_os *m, os_fd fd)
{
	struct sim_fd *f = sim_fd_get(m, fd);

	if (f == NULL)
		return NULL;
	ASSERT(f->socket != NULL);
	return f->socket;
}

static enum err sim_listen(struct os *os, os_fd bound, int backlog)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, bound);

	if (s == NULL)
		return ERR_CLOSED;
	ASSERT(s->state == LISTENING);
	s->backlog = backlog;
	return sim_done(m, "listen", s->local.port, (uint64_t)backlog, OK);
}

static enum err sim_accept(struct os *os, os_fd listener, os_fd *out, struct os_addr *peer)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, listener);

	if (s == NULL)
		return ERR_CLOSED;
	ASSERT(s->state == LISTENING);
	if (s->queued == 0)
		return sim_done(m, "accept", (uint64_t)listener, 0, sim_errno(EAGAIN));
	struct sim_socket *new = LIST_ENTRY(list_pop_front(&s->queue), struct sim_socket, queue_link);
	s->queued--;
	if (peer != NULL)
		*peer = new->remote;
	*out = sim_fd_add(m, (struct sim_fd){ .socket = new });
	return sim_done(m, "accept", (uint64_t)listener, (uint64_t)*out, OK);
}

static struct sim_os *machine_at(struct sim_os *m, const uint8_t ip[16])
{
	if (memcmp(ip, loopback, 16) == 0)
		return m;
	LIST_FOREACH(l, &m->net->machines) {
		struct sim_os *other = LIST_ENTRY(l, struct sim_os, link);
		if (memcmp(other->ip, ip, 16) == 0)
			return other;
	}
	return NULL;
}

static enum err sim_connect(struct os *os, const struct os_addr *to, os_fd *out)
{
	struct sim_os *m = sim_of(os), *there = machine_at(m, to->ip);

	if (m->is_dead)
		return ERR_CLOSED;
	if (there == NULL)
		return sim_done(m, "connect", to->port, to->ip[15], sim_errno(EHOSTUNREACH));
	struct sim_socket *s = socket_create(m, CONNECTING);
	s->remote = *to;
	memcpy(s->local.ip, memcmp(to->ip, loopback, 16) == 0 ? loopback : m->ip, 16);
	s->local.port = free_port(m);
	s->connection = ++m->net->connects;
	s->is_client = true;
	*out = sim_fd_add(m, (struct sim_fd){ .socket = s });
	event_send(m, there, NET_SYN, s, NULL, 0);
	return sim_done(m, "connect", to->port, to->ip[15], sim_errno(EINPROGRESS));
}

static enum err failed_with(const struct sim_socket *s)
{
	errno = s->error == ERR_REFUSED ? ECONNREFUSED : s->error == ERR_TIMEOUT ? ETIMEDOUT : ECONNRESET;
	return s->error;
}

static enum err sim_connect_result(struct os *os, os_fd fd)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, fd);

	if (s == NULL)
		return ERR_CLOSED;
	enum err e = s->state == FAILED ? failed_with(s) : s->state == CONNECTED ? OK : sim_errno(EINPROGRESS);
	return sim_done(m, "connect_result", (uint64_t)fd, 0, e);
}

static size_t maybe_less(struct sim_net *net, size_t n)
{
	return n > 1 && sim_rng_chance(&net->rng, net->partial_per_million) ? 1 + (size_t)sim_rng_below(&net->rng, n) : n;
}

static enum err sim_recv(struct os *os, os_fd fd, void *buf, size_t len, size_t *got)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, fd);
	enum err e = OK;

	if (s == NULL)
		return ERR_CLOSED;
	ASSERT(s->state != LISTENING);
	if (socket_waiting(s) != 0) {
		*got = maybe_less(m->net, MIN(len, socket_waiting(s)));
		memcpy(buf, s->in.at + s->in_pos, *got);
		s->in_pos += *got;
		s->unread -= *got;
	} else if (s->state == FAILED) {
		e = failed_with(s);
	} else if (!s->has_end) {
		e = sim_errno(EAGAIN);
	}
	return sim_done(m, "recv", (uint64_t)fd, *got, e);
}

/* How much may be sent now; 0 and why not. */
static size_t send_room(struct sim_socket *s, enum err *e)
{
	*e = OK;
	if (s->state == FAILED || s->has_ended)
		*e = sim_errno(EPIPE);
	else if (s->state == CONNECTING || s->peer->unread >= WINDOW)
		*e = sim_errno(EAGAIN);
	return *e == OK ? WINDOW - s->peer->unread : 0;
}

static void send_bytes(struct sim_socket *s, const void *data, size_t len)
{
	const struct sim_net *net = s->machine->net;

	s->peer->unread += len;
	send_to_peer(s, NET_DATA, data, len);
	if (net->sent != NULL)
		net->sent(net->observer, &(struct sim_piece){ s->connection, s->machine, s->peer->machine, s->is_client, slice_of(data, len) });
}

static enum err sim_sendv(struct os *os, os_fd fd, const struct iovec *iov, int n, size_t *sent)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, fd);
	uint8_t *joined;
	size_t len = 0, fill = 0;
	enum err e;

	if (s == NULL)
		return ERR_CLOSED;
	size_t room = send_room(s, &e);
	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (e != OK || len == 0)
		return sim_done(m, "sendv", (uint64_t)fd, 0, e);
	len = maybe_less(m->net, MIN(len, room));
	joined = mem_alloc(len);
	for (int i = 0; fill < len; i++) {
		size_t piece = MIN(iov[i].iov_len, len - fill);
		if (piece != 0)
			memcpy(joined + fill, iov[i].iov_base, piece);
		fill += piece;
	}
	send_bytes(s, joined, len);
	free(joined);
	*sent = len;
	return sim_done(m, "sendv", (uint64_t)fd, len, OK);
}

static enum err sim_sendfile(struct os *os, os_fd socket, os_fd file, int64_t pos, size_t len, size_t *sent)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, socket);
	struct sim_fd *f = sim_fd_get(m, file);
	enum err e;

	if (s == NULL || f == NULL)
		return ERR_CLOSED;
	ASSERT(f->inode != NULL);
	size_t room = send_room(s, &e);
	size_t there = f->inode->now.size > (uint64_t)pos ? f->inode->now.size - (size_t)pos : 0;
	len = MIN(len, there);
	if (e == OK && len != 0) {
		*sent = maybe_less(m->net, MIN(len, room));
		send_bytes(s, f->inode->now.at + pos, *sent);
	}
	return sim_done(m, "sendfile", (uint64_t)socket, sim_mix((uint64_t)pos, *sent), e);
}

static enum err sim_socket_buffers(struct os *os, os_fd fd, int send_bytes_max UNUSED, int recv_bytes_max UNUSED)
{
	return sim_socket_of(sim_of(os), fd) != NULL ? OK : ERR_CLOSED;	/* one window fits all */
}

static enum err sim_shutdown_send(struct os *os, os_fd fd)
{
	struct sim_os *m = sim_of(os);
	struct sim_socket *s = sim_socket_of(m, fd);
	enum err e = OK;

	if (s == NULL)
		return ERR_CLOSED;
	if (s->state != CONNECTED)
		e = sim_errno(ENOTCONN);
	else if (!s->has_ended)
		send_to_peer(s, NET_END, NULL, 0);
	s->has_ended = true;
	return sim_done(m, "shutdown", (uint64_t)fd, 0, e);
}

void sim_net_ops(struct os_ops *ops)
{
	ops->resolve = sim_resolve;
	ops->bind = sim_bind;
	ops->listen = sim_listen;
	ops->accept = sim_accept;
	ops->connect = sim_connect;
	ops->connect_result = sim_connect_result;
	ops->recv = sim_recv;
	ops->sendv = sim_sendv;
	ops->sendfile = sim_sendfile;
	ops->socket_buffers = sim_socket_buffers;
	ops->shutdown_send = sim_shutdown_send;
}
