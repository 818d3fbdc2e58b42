/*
 * Reading: bytes become frames, frames become calls, in order.
 *
 * Bytes arrive in the network actor's one chunk, or, once the size of a frame is known and its room
 * is reserved, directly in the frame. Small requests that came together are cut out of the chunk in
 * one go; an idle connection has no buffer at all.
 *
 * A whole frame begins when may_begin says so, else it stays in c->frame and what came behind it in
 * c->stash; from then on nothing is read, and TCP holds the peer back. Whatever made it wait calls
 * network_add_work when it is over, and settle goes on from there. The poller is told lazily: a
 * peer that waits for its answer sends nothing, so that its interest in reading rarely needs a
 * system call; the first event that comes unwanted takes it away.
 */
#include "base/bytes.h"
#include "net/net_priv.h"

#define RECEIVES_PER_EVENT 4	/* then the other connections have their turn */

static void set_interest(struct connection *c, int wanted)
{
	struct network *n = c->network;

	if (c->interest == wanted)
		return;
	if (os_poller_change(n->os, n->poller, c->fd, wanted, c) != OK) {
		connection_close(c);
		return;
	}
	c->interest = (uint8_t)wanted;
}

void connection_open(struct connection *c)
{
	struct network *n = c->network;

	c->is_open = true;
	c->opened = c->last_event = n->now;
	c->interest = OS_READABLE;
	list_init(&c->calls);
	list_push_back(&n->open, &c->in_open);
	COUNT(n, connections_accepted, 1);
	if (os_poller_add(n->os, n->poller, c->fd, OS_READABLE, c) != OK)
		connection_close(c);
}

static void drop_input(struct connection *c)
{
	frame_end(&c->network->frames, &c->frame);
	frame_end(&c->network->frames, &c->stash);
}

static void leave_list(struct list *e)
{
	if (list_linked(e))
		list_remove(e);
}

/* What is out goes on without it. The seat is used again at the end of the step: events of this
 * step may still name it. */
void connection_close(struct connection *c)
{
	struct network *n = c->network;

	if (!c->is_open)
		return;
	c->is_open = false;
	os_poller_remove(n->os, n->poller, c->fd);
	os_close(n->os, &c->fd);
	drop_input(c);
	output_forget(c);
	timers_clear(&n->mutes, &c->mute);
	leave_list(&c->in_work);
	leave_list(&c->in_stalled);
	list_remove(&c->in_open);
	LIST_FOREACH(e, &c->calls) {
		struct net_call *nc = LIST_ENTRY(e, struct net_call, in_connection);

		if (nc->phase == CALL_ANSWERED)
			call_free(nc);
		else
			call_detach(nc);
	}
	list_push_back(&n->closed, &c->in_open);
	COUNT(n, connections_closed, 1);
}

void connection_refuse(struct connection *c, const char *why)
{
	char peer[64];

	if (c->is_refused)
		return;
	os_addr_text(&c->peer, peer);
	LOG_WARN(&c->network->actor.log, net_bad_request, KV_STR("peer", peer),
	         KV_STR("what", why));
	COUNT(c->network, bad_requests, 1);
	c->is_refused = true;
	drop_input(c);
	network_add_work(c);
}

/* --- when a request may begin ---------------------------------------------------------------- */

/* All that is out is of one row, by this very rule: the last one speaks for all. */
static bool may_overlap(struct connection *c)
{
	struct net_call *last = LIST_ENTRY(c->calls.prev, struct net_call, in_connection);
	const struct api_row *out = last->call.api;

	if (!out->overlaps_itself || request_row(c->network, &c->frame) != out)
		return false;
	LIST_FOREACH(e, &c->calls)
		if (LIST_ENTRY(e, struct net_call, in_connection)->call.holds_connection)
			return false;
	return true;
}

static bool may_begin(struct connection *c)
{
	struct network *n = c->network;

	if (timer_is_set(&c->mute) || c->asks_waiting > 0)
		return false;
	if (c->call_count >= NET_PIPELINE || c->unsent >= NET_UNSENT)
		return false;
	if (c->running > 0 && !may_overlap(c))
		return false;
	if (c->call_count > 0 && !network_has_call(n)) {
		if (!list_linked(&c->in_stalled))
			list_push_back(&n->stalled, &c->in_stalled);
		return false;
	}
	return true;
}

/* False: the whole frame has to wait. */
static bool offer(struct connection *c)
{
	const char *why;

	if (!may_begin(c))
		return false;
	leave_list(&c->in_stalled);
	why = call_start(c);
	if (why != NULL)
		connection_refuse(c, why);
	return true;
}

/* --- bytes to frames ------------------------------------------------------------------------- */

static size_t take_size(struct connection *c, struct slice in)
{
	size_t n = MIN(in.len, sizeof(c->size) - c->size_filled);
	int32_t size;

	memcpy(c->size + c->size_filled, in.ptr, n);
	c->size_filled = (uint8_t)(c->size_filled + n);
	if (c->size_filled < sizeof(c->size))
		return n;
	c->size_filled = 0;
	size = (int32_t)load_be32(c->size);
	if (size <= 0 || size > c->network->net->spec->max_request_bytes)
		connection_refuse(c, "size");
	else
		frame_begin(&c->network->frames, &c->frame, (uint32_t)size);
	return n;
}

static size_t take_body(struct connection *c, struct slice in)
{
	size_t room, n;
	uint8_t *to = frame_room(&c->network->frames, &c->frame, &room);

	n = MIN(in.len, room);
	memcpy(to, in.ptr, n);
	c->frame.filled += (uint32_t)n;
	return n;
}

/* Cuts requests out of `in` and begins them. Returns how many bytes it took: fewer than all when a
 * request has to wait. */
static size_t feed(struct connection *c, struct slice in)
{
	size_t at = 0;

	while (at < in.len && !c->is_refused) {
		struct slice rest = slice_of(in.ptr + at, in.len - at);

		at += c->frame.buf == NULL ? take_size(c, rest) : take_body(c, rest);
		if (!frame_is_whole(&c->frame))
			continue;
		c->frame_received = c->network->now_ns;
		if (!offer(c))
			break;
	}
	return c->is_refused ? in.len : at;
}

static void stash(struct connection *c, struct slice rest)
{
	if (rest.len == 0)
		return;
	frame_begin(&c->network->frames, &c->stash, (uint32_t)rest.len);
	memcpy(c->stash.buf, rest.ptr, rest.len);
	c->stash.filled = (uint32_t)rest.len;
	c->stash_pos = 0;
}

static void unstash(struct connection *c)
{
	struct slice rest = slice_of(c->stash.buf + c->stash_pos, c->stash.filled - c->stash_pos);

	c->stash_pos += (uint32_t)feed(c, rest);
	if (c->stash_pos == c->stash.filled)
		frame_end(&c->network->frames, &c->stash);
}

/* --- events ---------------------------------------------------------------------------------- */

static bool may_receive(const struct connection *c)
{
	return c->is_open && !c->has_ended && !c->is_refused && !timer_is_set(&c->mute)
	    && !frame_is_whole(&c->frame) && c->stash.buf == NULL;
}

/* True: there may be more. */
static bool receive_once(struct connection *c)
{
	struct network *n = c->network;
	size_t room = NET_CHUNK, got = 0;
	uint8_t *to = c->frame.buf != NULL ? frame_room(&n->frames, &c->frame, &room) : n->chunk;
	enum err err = os_recv(n->os, c->fd, to, room, &got);

	if (err == ERR_AGAIN)
		return false;
	if (err != OK) {
		connection_close(c);
		return false;
	}
	if (got == 0) {
		c->has_ended = true;
		network_add_work(c);
		return false;
	}
	COUNT(n, bytes_in, got);
	if (to == n->chunk) {
		size_t taken = feed(c, slice_of(n->chunk, got));
		stash(c, slice_of(n->chunk + taken, got - taken));
	} else {
		c->frame.filled += (uint32_t)got;
		if (frame_is_whole(&c->frame)) {
			c->frame_received = n->now_ns;
			(void)offer(c);
		}
	}
	return got == room;
}

static void receive(struct connection *c)
{
	if (!may_receive(c)) {
		set_interest(c, c->interest & ~OS_READABLE);
		return;
	}
	for (int i = 0; i < RECEIVES_PER_EVENT && may_receive(c); i++)
		if (!receive_once(c))
			break;
}

void connection_touch(struct connection *c)
{
	struct network *n = c->network;

	c->last_event = n->now;
	list_remove(&c->in_open);
	list_push_back(&n->open, &c->in_open);
}

void connection_on_event(struct connection *c, int events)
{
	if (!c->is_open)
		return;
	connection_touch(c);
	if ((events & OS_WRITABLE) != 0) {
		c->is_blocked = false;
		network_add_work(c);
	}
	if ((events & OS_READABLE) != 0)
		receive(c);
	else if ((events & OS_HANGUP) != 0)	/* nobody hears, and nothing is left to read */
		connection_close(c);
}

/* Sends what is ready and begins what waited. The one place that closes a connection which has
 * nothing more to do. */
void connection_settle(struct connection *c)
{
	int wanted;

	output_flush(c);
	if (!c->is_open)
		return;
	while (frame_is_whole(&c->frame) && !c->is_refused && offer(c))
		if (c->stash.buf != NULL)
			unstash(c);
	if ((c->has_ended || c->is_refused) && c->call_count == 0 && !frame_is_whole(&c->frame)) {
		connection_close(c);
		return;
	}
	wanted = may_receive(c) ? OS_READABLE : c->interest & OS_READABLE;
	set_interest(c, c->is_blocked ? wanted | OS_WRITABLE : wanted);
}
