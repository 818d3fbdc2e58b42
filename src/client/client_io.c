/*
 * Frames in and out of a node's socket. A broker answers in the order of the questions: the oldest call under way is the one
 * that a frame must belong to, anything else ends the connection.
 *
 * The bytes come from a stranger: a size is believed only as far as bytes follow it, so that a peer that claims 200 MiB and
 * sends none costs FRAME_BYTES_MIN.
 */
#include "client/client_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "wire/header.h"

void client_io_wait(struct client_node *node, int events)
{
	struct client *c = node->client;

	if (node->events == events)
		return;
	node->events = events;
	enum err e = os_poller_change(c->os, c->poller, node->fd, events, node);
	ASSERT(e == OK);
}

static void drop_frame(struct client_node *node)
{
	free(node->frame);
	node->frame = NULL;
	node->frame_size = node->frame_got = node->frame_room = 0;
	node->head_got = 0;
}

void client_io_close(struct client_node *node)
{
	struct client *c = node->client;

	drop_frame(node);
	writer_reset(&node->out);
	node->out_sent = 0;
	if (node->fd < 0)
		return;
	os_poller_remove(c->os, c->poller, node->fd);
	os_close(c->os, &node->fd);
	for (int i = 0; i < c->event_count; i++)	/* found and not handed out yet: the socket's, not the node's */
		if (c->events[i].data == node)
			c->events[i] = (struct os_event){ node, 0 };
}

static void fail(struct client_node *node, enum err err, const char *what)
{
	char name[ADDRESS_TEXT_SIZE];
	struct client_error why;

	client_node_name(node, name);
	client_error_set(&why, err, "%s %s", name, what);
	client_node_fail(node, &why);
}

/* ---- out ---- */

/* Appends the call's frame to what is to be sent. False: the call has failed and the node with it. */
bool client_io_encode(struct client_node *node, struct client_call *call)
{
	struct client *c = node->client;
	const struct request_header h = {
		.request_api_key = call->api->key,
		.request_api_version = call->version,
		.correlation_id = c->next_correlation_id,
		.client_id = slice_str(c->spec.client_id),
	};

	c->next_correlation_id = c->next_correlation_id == INT32_MAX ? 0 : c->next_correlation_id + 1;
	call->correlation_id = h.correlation_id;
	call->at = CALL_IN_FLIGHT;
	if (call->answer_timeout_ms > 0)
		call->deadline = os_mono_ms(c->os) + call->answer_timeout_ms;
	list_push_back(&node->in_flight, &call->link);
	writer_begin_frame(&node->out);
	if (header_encode_request(&h, &node->out) && call->api->encode(call->request, &node->out, call->version) &&
	    writer_end_frame(&node->out))
		return true;
	char what[100];
	snprintf(what, sizeof(what), "speaks too old a version of %s (%d) for this request", api_info(call->api->key)->name,
		 call->version);
	fail(node, ERR_UNSUPPORTED, what);
	return false;
}

/* Questions without an answer are done when the kernel has them. */
static void finish_one_way(struct client_node *node)
{
	LIST_FOREACH(e, &node->in_flight) {
		struct client_call *call = LIST_ENTRY(e, struct client_call, link);
		if (call->is_one_way)
			client_call_finish(call, OK);
	}
}

void client_io_flush(struct client_node *node)
{
	struct client *c = node->client;

	while (node->out_sent < node->out.len) {
		struct iovec iov = { node->out.buf + node->out_sent, node->out.len - node->out_sent };
		size_t sent = 0;
		enum err e = os_sendv(c->os, node->fd, &iov, 1, &sent);
		if (e == ERR_AGAIN) {
			client_io_wait(node, OS_READABLE | OS_WRITABLE);
			return;
		}
		if (e != OK) {
			fail(node, ERR_CLOSED, "has closed the connection");
			return;
		}
		node->out_sent += sent;
	}
	writer_reset(&node->out);
	node->out_sent = 0;
	finish_one_way(node);
	client_io_wait(node, OS_READABLE);
}

/* ---- in ---- */

/* A broker that does not know our version of ApiVersions answers in version 0, whatever we asked in. */
static int answer_version(const struct client_call *call, const struct reader *r)
{
	if (call->api->key == API_API_VERSIONS && reader_left(r) >= 2 && load_i16(r->ptr) == UNSUPPORTED_VERSION)
		return 0;
	return call->version;
}

static void take_frame(struct client_node *node)
{
	struct client_call *call;
	struct reader r = reader_of(slice_of(node->frame, node->frame_size));
	int32_t correlation_id;

	if (list_empty(&node->in_flight)) {
		fail(node, ERR_CLOSED, "has answered what nobody asked");
		return;
	}
	call = LIST_ENTRY(node->in_flight.next, struct client_call, link);
	if (!header_decode_response(&correlation_id, &r, call->api->key, call->version) ||
	    correlation_id != call->correlation_id) {
		fail(node, ERR_CLOSED, "has answered out of order");
		return;
	}
	call->frame = node->frame;
	node->frame = NULL;
	drop_frame(node);
	call->response = arena_alloc(&call->arena, call->api->response_size);
	if (call->response == NULL ||
	    !call->api->decode(call->response, &r, answer_version(call, &r), &call->arena)) {
		char what[100];
		snprintf(what, sizeof(what), "has sent a malformed answer to %s", api_info(call->api->key)->name);
		call->response = NULL;
		fail(node, ERR_CORRUPT, what);
		return;
	}
	client_call_finish(call, OK);
}

/* The first bytes tell who is there when it is no broker. */
static bool take_size(struct client_node *node)
{
	uint32_t size = load_be32(node->head), max = node->state == NODE_NEGOTIATING ? VERSIONS_BYTES_MAX : FRAME_BYTES_MAX;

	if (memcmp(node->head, "HTTP", 4) == 0)
		fail(node, ERR_UNSUPPORTED, "is a web server, not a Kafka broker");
	else if (node->head[0] == 0x15 && node->head[1] == 0x03)
		fail(node, ERR_UNSUPPORTED, "speaks TLS on this port");
	else if (size < 4 || size > max)
		fail(node, ERR_CORRUPT, "has sent a frame of impossible size; is it a Kafka broker?");
	else {
		node->frame_size = size;
		return true;
	}
	return false;
}

static void make_room(struct client_node *node)
{
	size_t room = node->frame_room != 0 ? 2 * node->frame_room : FRAME_BYTES_MIN;

	if (node->frame_got < node->frame_room)
		return;
	node->frame_room = MIN(room, node->frame_size);
	node->frame = mem_realloc_array(node->frame, node->frame_room, 1);
}

/* One receive. False: nothing more now, or the connection is gone. */
static bool receive(struct client_node *node)
{
	struct os *os = node->client->os;
	size_t got = 0;
	enum err e;

	if (node->head_got < sizeof(node->head)) {
		e = os_recv(os, node->fd, node->head + node->head_got, sizeof(node->head) - node->head_got, &got);
	} else {
		make_room(node);
		e = os_recv(os, node->fd, node->frame + node->frame_got, node->frame_room - node->frame_got, &got);
	}
	if (e == ERR_AGAIN)
		return false;
	if (e != OK || got == 0) {
		fail(node, ERR_CLOSED, node->state == NODE_NEGOTIATING ?
		     "has closed the connection at the first request: does this port want TLS or SASL?" :
		     "has closed the connection");
		return false;
	}
	if (node->head_got < sizeof(node->head)) {
		node->head_got += got;
		return node->head_got < sizeof(node->head) || take_size(node);
	}
	node->frame_got += got;
	if (node->frame_got == node->frame_size)
		take_frame(node);
	return node->state != NODE_IDLE;
}

#define RECEIVES_MAX 64		/* per turn, so that a fast broker does not starve the others */

void client_io_readable(struct client_node *node)
{
	for (int i = 0; i < RECEIVES_MAX; i++)
		if (!receive(node))
			return;
}
