/*
 * The acceptor: one actor for all listeners, because it owns what is counted over all of them: the
 * broker's connections, and those of each address.
 *
 * It deals a new connection to the network actor with the fewest, on a seat that this actor has
 * lent it. A listener is looked at only while there is a seat and the broker's limit is not
 * reached; otherwise peers wait in the kernel's backlog.
 */
#include "net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCEPTS_PER_EVENT 16
#define ACCEPT_RETRY_MS   100	/* after an error that is ours: too many open files */

struct ip_count {
	uint8_t ip[16];
	int     open;
};

/* --- counting -------------------------------------------------------------------------------- */

static bool enter(struct acceptor *a, const struct os_addr *peer)
{
	struct slice key = slice_of(peer->ip, sizeof(peer->ip));
	struct ip_count *ip = map_get(&a->by_ip, key);

	if (ip != NULL && ip->open >= a->net->spec->max_connections_per_ip)
		return false;
	if (ip == NULL) {
		ip = mem_calloc(1, sizeof(*ip));
		memcpy(ip->ip, peer->ip, sizeof(ip->ip));
		map_put(&a->by_ip, slice_of(ip->ip, sizeof(ip->ip)), ip);
	}
	ip->open++;
	a->open++;
	return true;
}

static void leave(struct acceptor *a, const struct os_addr *peer)
{
	struct slice key = slice_of(peer->ip, sizeof(peer->ip));
	struct ip_count *ip = map_get(&a->by_ip, key);

	ASSERT(ip != NULL && ip->open > 0 && a->open > 0);
	a->open--;
	if (--ip->open > 0)
		return;
	map_remove(&a->by_ip, key);
	free(ip);
}

/* --- seats ----------------------------------------------------------------------------------- */

static enum net_accepting accepting(const struct acceptor *a)
{
	return __atomic_load_n(&a->net->accepting, __ATOMIC_ACQUIRE);
}

static void on_seat(void *arg, struct msg *m)
{
	struct acceptor *a = arg;
	struct connection *seat = CONTAINER_OF(m, struct connection, msg);

	ASSERT(m->kind == NET_SEAT);
	if (seat->has_left)
		leave(a, &seat->peer);
	seat->fd = -1;
	if (!seat->wants_next || accepting(a) == NET_STOPPED) {
		actor_answer(&a->actor, m);
		return;
	}
	list_push_back(&a->seats[seat->network->index], &seat->waiting);
	a->seat_count[seat->network->index]++;
}

static struct connection *take_seat(struct acceptor *a, int network)
{
	struct list *e = list_pop_front(&a->seats[network]);

	if (e == NULL)
		return NULL;
	a->seat_count[network]--;
	return LIST_ENTRY(e, struct connection, waiting);
}

/* Connections that are open there, and those on their way: seats that are not back yet. */
static int64_t load_of(const struct acceptor *a, int network)
{
	const struct net_counters *c = &a->net->networks[network].counters;
	uint64_t closed = __atomic_load_n(&c->connections_closed, __ATOMIC_RELAXED);
	uint64_t accepted = __atomic_load_n(&c->connections_accepted, __ATOMIC_RELAXED);

	return (int64_t)(accepted - closed) + NET_SEATS - a->seat_count[network];
}

static int least_loaded(const struct acceptor *a)
{
	int best = -1;

	for (int i = 0; i < a->net->network_count; i++)
		if (a->seat_count[i] > 0 && (best < 0 || load_of(a, i) < load_of(a, best)))
			best = i;
	return best;
}

static bool may_accept(const struct acceptor *a, mono_ms now)
{
	return accepting(a) == NET_ACCEPTING && a->open < a->net->spec->max_connections
	    && now >= a->retry_at && least_loaded(a) >= 0;
}

/* --- accepting ------------------------------------------------------------------------------- */

static void refuse(struct acceptor *a, os_fd fd, const struct os_addr *peer)
{
	char text[64];

	os_addr_text(peer, text);
	LOG_WARN(&a->actor.log, net_connection_refused, KV_STR("peer", text));
	__atomic_store_n(&a->refused, a->refused + 1, __ATOMIC_RELAXED);
	os_close(a->net->os, &fd);
}

static void tell_if_full(struct acceptor *a)
{
	int max = a->net->spec->max_connections;

	if (a->open >= max && !a->is_full_told)
		LOG_WARN(&a->actor.log, net_full, KV_I32("connections", a->open));
	a->is_full_told = a->open >= (a->is_full_told ? max - max / 10 : max);
}

static void deal(struct acceptor *a, int listener, os_fd fd, const struct os_addr *peer)
{
	const struct net_spec *spec = a->net->spec;
	struct connection *seat;

	if (!enter(a, peer)) {
		refuse(a, fd, peer);
		return;
	}
	/* else the kernel's choice serves */
	(void)!os_socket_buffers(a->net->os, fd, spec->send_buffer, spec->recv_buffer);
	seat = take_seat(a, least_loaded(a));
	seat->fd = fd;
	seat->peer = *peer;
	seat->listener = (uint8_t)listener;
	actor_answer(&a->actor, &seat->msg);
}

static void accept_some(struct acceptor *a, int listener, mono_ms now)
{
	for (int i = 0; i < ACCEPTS_PER_EVENT && may_accept(a, now); i++) {
		struct os_addr peer;
		os_fd fd;
		enum err err = os_accept(a->net->os, a->doors[listener].fd, &fd, &peer);

		if (err == ERR_AGAIN)
			return;
		if (err != OK) {
			LOG_WARN(&a->actor.log, net_accept_failed, KV_ERR(err));
			a->retry_at = now + ACCEPT_RETRY_MS;
			return;
		}
		deal(a, listener, fd, &peer);
	}
}

/* Looks at the listeners, or away from them. */
static void poll_listeners(struct acceptor *a, bool wanted)
{
	int events = wanted ? OS_READABLE : 0;

	for (int i = 0; i < a->net->spec->listener_count; i++) {
		struct door *d = &a->doors[i];

		if (d->fd < 0 || d->is_polled == wanted)
			continue;
		if (!d->is_in_poller && !(d->is_in_poller = os_poller_add(a->net->os, a->poller, d->fd, 0, d) == OK))
			continue;
		if (os_poller_change(a->net->os, a->poller, d->fd, events, d) == OK)
			d->is_polled = wanted;
	}
}

static void close_listeners(struct acceptor *a)
{
	for (int i = 0; i < a->net->spec->listener_count; i++) {
		if (a->doors[i].fd < 0)
			continue;
		if (a->doors[i].is_in_poller)
			os_poller_remove(a->net->os, a->poller, a->doors[i].fd);
		os_close(a->net->os, &a->doors[i].fd);
	}
}

/* False: somebody makes them listen just now. */
static bool shut_doors(struct net *net)
{
	uint32_t is = __atomic_load_n(&net->doors, __ATOMIC_ACQUIRE);

	return is != DOORS_OPENING && __atomic_compare_exchange_n(&net->doors, &is, DOORS_SHUT, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static int stop_accepting(struct acceptor *a)
{
	struct connection *seat;
	int work = 0;

	if (!shut_doors(a->net))
		return 1;
	close_listeners(a);
	for (int i = 0; i < a->net->network_count; i++)
		for (; (seat = take_seat(a, i)) != NULL; work++)
			actor_answer(&a->actor, &seat->msg);
	return work;
}

static void poll_now(struct acceptor *a, mono_ms timeout_ms)
{
	a->event_count = os_poller_wait(a->net->os, a->poller, a->events, ARRAY_LEN(a->events),
	                                timeout_ms);
}

static int acceptor_step(struct actor *actor, mono_ms now)
{
	struct acceptor *a = CONTAINER_OF(actor, struct acceptor, actor);
	int work = actor_drain_questions(actor, NET_EVENTS, on_seat, a);

	if (accepting(a) == NET_STOPPED)
		work += stop_accepting(a);
	if (!a->has_polled)
		poll_now(a, 0);
	for (int i = 0; i < a->event_count; i++) {
		struct door *d = a->events[i].data;
		if (d->fd >= 0)
			accept_some(a, (int)(d - a->doors), now);
	}
	work += a->event_count;
	a->event_count = 0;
	a->has_polled = false;
	tell_if_full(a);
	poll_listeners(a, may_accept(a, now));
	actor->deadline = a->retry_at > now ? a->retry_at : MONO_NEVER;
	return work;
}

static void acceptor_wait(struct actor *actor, mono_ms until)
{
	struct acceptor *a = CONTAINER_OF(actor, struct acceptor, actor);
	mono_ms ms = until == MONO_NEVER ? -1 : MAX(until - os_mono_ms(a->net->os), 0);

	poll_now(a, ms);
	a->has_polled = true;
}

static void acceptor_wake(struct actor *actor)
{
	struct acceptor *a = CONTAINER_OF(actor, struct acceptor, actor);

	os_poller_wake(a->net->os, a->poller);
}

static const struct actor_ops acceptor_ops = {
	.module = "net", .step = acceptor_step, .wait = acceptor_wait, .wake = acceptor_wake,
};

/* --- beginning and end ----------------------------------------------------------------------- */

static enum err say_which(const struct net_listener_spec *l, enum err err, char *problem, size_t problem_size)
{
	snprintf(problem, problem_size, "listener %s://%s:%d: %s", l->name, l->host, l->port, err_text(err));
	return err;
}

enum err acceptor_listen(struct acceptor *a, char *problem, size_t problem_size)
{
	for (int i = 0; i < a->net->spec->listener_count; i++) {
		enum err err = os_listen_now(a->net->os, a->doors[i].fd, a->net->spec->backlog);

		if (err != OK)
			return say_which(&a->net->spec->listeners[i], err, problem, problem_size);
	}
	return OK;
}

enum err acceptor_init(struct acceptor *a, struct net *net, char *problem, size_t problem_size)
{
	enum err err;

	a->net = net;
	map_init(&a->by_ip);
	for (int i = 0; i < NET_MAX_LISTENERS; i++)
		a->doors[i].fd = -1;
	for (int i = 0; i < NETWORK_THREADS_MAX; i++)
		list_init(&a->seats[i]);
	actor_init(&a->actor, net->spec->sched, &acceptor_ops, LANE_NONE, "acceptor");
	err = os_poller_create(net->os, &a->poller);
	if (err != OK)
		snprintf(problem, problem_size, "poller: %s", err_text(err));
	for (int i = 0; err == OK && i < net->spec->listener_count; i++) {
		struct net_listener_spec *l = &net->spec->listeners[i];
		err = os_bind(net->os, l->host, l->port, &a->doors[i].fd, &l->bound_port);
		if (err != OK)
			(void)say_which(l, err, problem, problem_size);
	}
	return err == OK && !net->spec->listens_late ? net_listen(net, problem, problem_size) : err;
}

void acceptor_fini(struct acceptor *a)
{
	ASSERT(a->open == 0);
	if (a->poller != NULL) {
		close_listeners(a);
		os_poller_destroy(a->net->os, &a->poller);
	}
	map_fini(&a->by_ip);
	actor_fini(&a->actor);
}
