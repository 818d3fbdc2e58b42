/*
 * A node is a broker as the client sees it: an address, at most one connection, and the calls that go there. A connection is
 * made when a call wants it and lost with everything that was under way: who sent the calls decides about them. After a
 * failure the node rests, longer each time, and calls sent meanwhile wait with it until their deadlines.
 */
#include "client/client_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "wire/gen/api_versions.h"

struct client_node *client_node_create(struct client *c, int32_t id, const char *host, uint16_t port)
{
	struct client_node *node = mem_calloc(1, sizeof(*node));

	node->client = c;
	node->id = id;
	node->host = mem_strdup(host);
	node->port = port;
	node->fd = -1;
	list_init(&node->waiting);
	list_init(&node->in_flight);
	writer_init(&node->out);
	list_push_back(&c->nodes, &node->link);
	return node;
}

void client_node_destroy(struct client_node **nodep)
{
	struct client_node *node = *nodep;

	*nodep = NULL;
	client_io_close(node);
	list_remove(&node->link);
	writer_fini(&node->out);
	free(node->host);
	free(node);
}

void client_node_name(const struct client_node *node, char out[ADDRESS_TEXT_SIZE])
{
	address_text(out, slice_str(node->host), node->port);
}

struct client_node *client_node_find(struct client *c, int32_t id, int line)
{
	LIST_FOREACH(e, &c->nodes) {
		struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		if (node->id == id && node->line == line)
			return node;
	}
	return NULL;
}

bool client_knows_broker(struct client *c, int32_t id)
{
	return client_node_find(c, id, 0) != NULL;
}

struct client_node *client_node_on_line(struct client *c, int32_t id, int line)
{
	struct client_node *node = client_node_find(c, id, line), *first;

	if (node != NULL || line == 0 || c->spec.bootstrap == NULL)
		return node;
	first = client_node_find(c, id, 0);
	if (first == NULL)
		return NULL;
	node = client_node_create(c, id, first->host, first->port);
	node->line = line;
	return node;
}

static int count_calls(const struct list *head)
{
	int n = 0;

	LIST_FOREACH(e, head)
		n++;
	return n;
}

int client_node_load(struct client *c, int32_t node_id)
{
	const struct client_node *node = client_node_find(c, node_id, 0);

	return node != NULL ? count_calls(&node->waiting) + count_calls(&node->in_flight) : 0;
}

/*
 * For questions that any broker answers: a connection that is there, else a node that may be tried now, those never tried
 * first, else the one whose rest ends first.
 */
struct client_node *client_node_any(struct client *c)
{
	struct client_node *best = NULL;

	LIST_FOREACH(e, &c->nodes) {
		struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		if (node->line != 0 && c->spec.bootstrap != NULL)
			continue;	/* questions wait there */
		if (node->state == NODE_READY)
			return node;
		if (best == NULL || (best->was_tried && !node->was_tried) ||
		    (best->was_tried == node->was_tried && node->retry_at < best->retry_at))
			best = node;
	}
	return best;
}

/* True: the broker has moved: the next connection goes to the new place. */
bool client_node_move(struct client_node *node, const char *host, uint16_t port)
{
	struct client_error why;

	if (strcmp(node->host, host) == 0 && node->port == port)
		return false;
	if (node->state != NODE_IDLE) {
		client_error_set(&why, ERR_CLOSED, "broker %d has moved to %s:%d", node->id, host, port);
		client_node_fail(node, &why);
	}
	free(node->host);
	node->host = mem_strdup(host);
	node->port = port;
	node->addr_count = 0;
	node->failures = 0;
	node->retry_at = 0;
	return true;
}

/* ---- failing ---- */

static void fail_all(struct list *head, const struct client_error *why)
{
	LIST_FOREACH(e, head)
		client_call_fail(LIST_ENTRY(e, struct client_call, link), why);
}

/* Loses the connection and everything that was under way or waiting for it. */
void client_node_fail(struct client_node *node, const struct client_error *why)
{
	struct client *c = node->client;

	client_io_close(node);
	node->state = NODE_IDLE;
	node->negotiation = NULL;
	node->error = *why;
	node->retry_at = os_mono_ms(c->os) + client_backoff(c, c->spec.reconnect_backoff_ms,
							    c->spec.reconnect_backoff_max_ms, ++node->failures);
	c->error = *why;
	client_topic_refresh(c);
	fail_all(&node->in_flight, why);
	fail_all(&node->waiting, why);
}

/* ---- told from outside ---- */

bool client_node_put(struct client *c, int32_t node_id, int line, const char *host, uint16_t port, bool has_fixed_versions)
{
	struct client_node *node = client_node_find(c, node_id, line);

	ASSERT(c->spec.bootstrap == NULL && node_id >= 0);
	if (node != NULL)
		return client_node_move(node, host, port);
	node = client_node_create(c, node_id, host, port);
	node->line = line;
	node->has_fixed_versions = has_fixed_versions;
	return false;
}

void client_node_hang_up(struct client *c, int32_t node_id, int line)
{
	struct client_node *node = client_node_find(c, node_id, line);
	struct client_error why;

	if (node == NULL || node->state != NODE_READY)
		return;
	client_error_set(&why, ERR_CLOSED, "the connection was ended from here");
	client_node_fail(node, &why);
	node->failures = 0;	/* nobody has failed: no pause */
	node->retry_at = 0;
}

void client_node_drop(struct client *c, int32_t node_id, int line, const struct client_error *why)
{
	struct client_node *node = client_node_find(c, node_id, line);

	if (node == NULL)
		return;
	client_node_fail(node, why);
	client_node_destroy(&node);
}

/* ---- connecting ---- */

static void fail_resolve(struct client_node *node, enum err err)
{
	char name[ADDRESS_TEXT_SIZE];
	struct client_error why;

	client_node_name(node, name);
	if (node->id >= 0)
		client_error_set(&why, ERR_UNREACHABLE, "advertised listener %s of broker %d does not resolve (%s): "
				 "see the broker's advertised.listeners", name, node->id, err_text(err));
	else
		client_error_set(&why, ERR_UNREACHABLE, "%s does not resolve (%s)", name, err_text(err));
	client_node_fail(node, &why);
}

static void fail_connect(struct client_node *node, enum err err)
{
	char name[ADDRESS_TEXT_SIZE], addr[64];
	struct client_error why;

	client_node_name(node, name);
	os_addr_text(&node->addrs[node->addr_next - 1], addr);
	const char *said = err == ERR_REFUSED ? "refused the connection" : err == ERR_TIMEOUT ? "does not answer" : err_text(err);
	if (node->id >= 0)
		client_error_set(&why, ERR_UNREACHABLE, "%s, the advertised listener of broker %d, %s%s%s", name, node->id, said,
				 strcmp(name, addr) != 0 ? " at " : "", strcmp(name, addr) != 0 ? addr : "");
	else
		client_error_set(&why, ERR_UNREACHABLE, "%s%s%s %s", name, strcmp(name, addr) != 0 ? " at " : "",
				 strcmp(name, addr) != 0 ? addr : "", said);
	client_node_fail(node, &why);
}

/* Tries the host's addresses one after the other; a failed one leads to the next, the last one fails the node. */
static void try_next_address(struct client_node *node, enum err last)
{
	struct client *c = node->client;

	client_io_close(node);
	while (node->addr_next < node->addr_count) {
		enum err e = os_connect(c->os, &node->addrs[node->addr_next++], &node->fd);
		if (e == OK || e == ERR_AGAIN) {
			node->state = NODE_CONNECTING;
			node->state_deadline = os_mono_ms(c->os) + c->spec.connect_timeout_ms;
			node->events = OS_WRITABLE;
			e = os_poller_add(c->os, c->poller, node->fd, node->events, node);
			if (e == OK)
				return;
			os_close(c->os, &node->fd);
		}
		last = e;
	}
	fail_connect(node, last);
}

static void start_connect(struct client_node *node)
{
	struct client *c = node->client;
	int n = 0;
	enum err e = os_resolve(c->os, node->host, node->port, node->addrs, NODE_ADDR_MAX, &n);

	node->was_tried = true;
	if (e != OK || n == 0) {
		fail_resolve(node, e != OK ? e : ERR_NOT_FOUND);
		return;
	}
	node->addr_count = n;
	node->addr_next = 0;
	try_next_address(node, ERR_UNREACHABLE);
}

/* ---- which versions both sides speak ---- */

static void start_negotiation(struct client_node *node, int version);

static void be_ready(struct client_node *node)
{
	node->state = NODE_READY;	/* what waits is sent in its turn */
	node->failures = 0;
	node->error = CLIENT_ERROR_NONE;
}

static void on_versions(struct client_call *call)
{
	struct client_node *node = call->owner;
	const struct api_versions_response *r = call->response;
	char name[ADDRESS_TEXT_SIZE];
	struct client_error why;

	if (call->error.err != OK || node->negotiation != call)
		goto out;	/* the connection has failed, and said so; perhaps behind this answer, before it was looked at */
	node->negotiation = NULL;
	for (int i = 0; i < API_KEY_COUNT; i++)
		node->version_max[i] = -1;
	for (int32_t i = 0; i < r->api_keys_count; i++) {
		int16_t key = r->api_keys[i].api_key;
		if (key < 0 || key >= API_KEY_COUNT)
			continue;
		node->version_min[key] = r->api_keys[i].min_version;
		node->version_max[key] = r->api_keys[i].max_version;
	}
	if (r->error_code == UNSUPPORTED_VERSION && call->version > 0) {	/* older than we are; it says how old */
		int16_t max = node->version_max[API_API_VERSIONS];
		start_negotiation(node, max >= 0 && max < call->version ? max : 0);
		goto out;
	}
	if (r->error_code != NONE) {
		client_node_name(node, name);
		client_error_set_kafka(&why, r->error_code, name, SLICE_NULL);
		client_node_fail(node, &why);
		goto out;
	}
	be_ready(node);
out:
	client_call_destroy(&call);
}

static void start_negotiation(struct client_node *node, int version)
{
	struct client *c = node->client;
	struct client_call *call = client_call_create(c, API_API_VERSIONS, on_versions, node);
	struct api_versions_request *q = call->request;

	node->state = NODE_NEGOTIATING;
	node->negotiation = call;
	call->version = (int16_t)version;
	call->deadline = node->state_deadline;
	if (version >= 3) {
		q->client_software_name = SLICE_LIT("skein");
		q->client_software_version = SLICE_LIT(PACKAGE_VERSION);
	}
	if (client_io_encode(node, call))
		client_io_flush(node);
}

static void on_connected(struct client_node *node)
{
	enum err e = os_connect_result(node->client->os, node->fd);

	if (e == ERR_AGAIN)
		return;
	if (e != OK) {
		try_next_address(node, e);
		return;
	}
	client_io_wait(node, OS_READABLE);
	if (node->has_fixed_versions)
		be_ready(node);
	else
		start_negotiation(node, client_call_api(API_API_VERSIONS)->version_max);
}

void client_node_event(struct client_node *node, int events)
{
	if (node->state == NODE_CONNECTING) {
		on_connected(node);
		return;
	}
	if ((events & OS_WRITABLE) != 0)
		client_io_flush(node);
	if (node->state != NODE_IDLE && (events & (OS_READABLE | OS_HANGUP)) != 0)
		client_io_readable(node);
}

/* ---- calls ---- */

static bool is_spoken(struct client_node *node, struct client_call *call)
{
	const struct client_api *api = call->api;
	int16_t low = MAX(api->version_min, node->version_min[api->key]);
	int16_t high = MIN(MIN(api->version_max, call->version_max), node->version_max[api->key]);

	if (node->has_fixed_versions)
		return true;
	if (low > high) {
		char name[ADDRESS_TEXT_SIZE];
		struct client_error why;
		client_node_name(node, name);
		client_error_set(&why, ERR_UNSUPPORTED, "%s does not speak a version of %s that we speak", name,
				 api_info(api->key)->name);
		client_call_fail(call, &why);
		return false;
	}
	call->version = high;
	return true;
}

static void send_waiting(struct client_node *node)
{
	LIST_FOREACH(e, &node->waiting) {
		struct client_call *call = LIST_ENTRY(e, struct client_call, link);
		if (!is_spoken(node, call))
			continue;
		list_remove(&call->link);
		if (!client_io_encode(node, call))
			return;
	}
	client_io_flush(node);
}

void client_node_send(struct client_node *node, struct client_call *call)
{
	call->at = CALL_WAITING;
	list_push_back(&node->waiting, &call->link);
	if (node->state == NODE_READY)
		send_waiting(node);
}

/* A call that waits fails alone; one that is under way takes the connection with it, as its answer would come at any time. */
static mono_ms check_deadlines(struct client_node *node, mono_ms now)
{
	mono_ms next = MONO_NEVER;
	char name[ADDRESS_TEXT_SIZE];
	struct client_error why;

	LIST_FOREACH(e, &node->in_flight) {
		struct client_call *call = LIST_ENTRY(e, struct client_call, link);
		if (call->deadline <= now) {
			client_node_name(node, name);
			client_error_set(&why, ERR_TIMEOUT, "%s has not answered %s in time%s", name, api_info(call->api->key)->name,
					 call->api->key == API_API_VERSIONS ? ": it hangs, or is no Kafka broker" : "");
			client_node_fail(node, &why);
			return node->retry_at;
		}
		next = MIN(next, call->deadline);
	}
	LIST_FOREACH(e, &node->waiting) {
		struct client_call *call = LIST_ENTRY(e, struct client_call, link);
		if (call->deadline <= now) {
			client_node_name(node, name);
			if (node->error.err != OK)
				why = node->error;
			else
				client_error_set(&why, ERR_TIMEOUT, "no connection to %s in time", name);
			client_call_fail(call, &why);
			continue;
		}
		next = MIN(next, call->deadline);
	}
	return next;
}

mono_ms client_node_turn(struct client_node *node, mono_ms now)
{
	mono_ms next = check_deadlines(node, now);

	switch (node->state) {
	case NODE_IDLE:
		if (list_empty(&node->waiting))
			return next;
		if (node->retry_at > now)
			return MIN(next, node->retry_at);
		start_connect(node);
		return node->state == NODE_IDLE ? now : MIN(next, node->state_deadline);	/* who waits may be tired of it sooner */
	case NODE_CONNECTING:
		if (node->state_deadline <= now)
			try_next_address(node, ERR_TIMEOUT);
		return MIN(next, node->state_deadline);
	case NODE_NEGOTIATING:
		return next;		/* the call's deadline is the state's */
	case NODE_READY:
		if (!list_empty(&node->waiting))
			send_waiting(node);
		return next;
	}
	return next;
}
