/*
 * The client's life and its turn. A turn asks everybody who has something to do (producers and consumers, metadata, nodes)
 * and when they next will, waits until then at most, hands out what the sockets brought, and brings finished calls home.
 */
#include "client/client_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_DEFAULT 9092

/* ---- errors ---- */

void client_error_set(struct client_error *e, enum err err, const char *fmt, ...)
{
	va_list ap;

	*e = (struct client_error){ .err = err };
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

static enum err err_of_kafka(int16_t code)
{
	switch (code) {
	case NONE:                          return OK;
	case UNKNOWN_TOPIC_OR_PARTITION:
	case UNKNOWN_TOPIC_ID:
	case GROUP_ID_NOT_FOUND:            return ERR_NOT_FOUND;
	case TOPIC_ALREADY_EXISTS:          return ERR_EXISTS;
	case TOPIC_AUTHORIZATION_FAILED:
	case GROUP_AUTHORIZATION_FAILED:
	case CLUSTER_AUTHORIZATION_FAILED:
	case SASL_AUTHENTICATION_FAILED:    return ERR_ACCESS;
	case MESSAGE_TOO_LARGE:
	case RECORD_LIST_TOO_LARGE:         return ERR_TOO_LARGE;
	case OFFSET_OUT_OF_RANGE:           return ERR_OUT_OF_RANGE;
	case UNSUPPORTED_VERSION:           return ERR_UNSUPPORTED;
	case REQUEST_TIMED_OUT:             return ERR_TIMEOUT;
	case CORRUPT_MESSAGE:               return ERR_CORRUPT;
	default:                            return ERR_INVALID;
	}
}

void client_error_set_kafka(struct client_error *e, int16_t code, const char *subject, struct slice message)
{
	const char *text = kafka_error_text(code);

	client_error_set(e, err_of_kafka(code), "%s: "SLICE_FMT" (%s)", subject,
			 slice_is_null(message) ? (int)strlen(text) : (int)MIN(message.len, 200u),
			 slice_is_null(message) ? text : (const char *)message.ptr, kafka_error_name(code));
	e->kafka = code;
}

bool client_error_is_retriable(const struct client_error *e)
{
	if (e->kafka != NONE)
		return kafka_error_is_retriable(e->kafka);
	return e->err == ERR_CLOSED || e->err == ERR_UNREACHABLE || e->err == ERR_TIMEOUT;
}

/* ---- create, destroy ---- */

/* "host", "host:port", "[::1]:port" between begin and end. */
static bool add_bootstrap(struct client *c, const char *begin, const char *end, int32_t id)
{
	const char *host = begin, *host_end, *colon;
	char text[256], *rest;
	long port = PORT_DEFAULT;

	if (begin < end && *begin == '[') {
		host = begin + 1;
		host_end = host + strcspn(host, "],");
		if (*host_end != ']')
			return false;
		colon = host_end + 1;
	} else {
		host_end = colon = begin + strcspn(begin, ":,");
	}
	if (colon < end) {
		port = *colon == ':' ? strtol(colon + 1, &rest, 10) : 0;
		if (port < 1 || port > 65535 || rest != end)
			return false;
	}
	if (host_end == host || (size_t)(host_end - host) >= sizeof(text))
		return false;
	memcpy(text, host, (size_t)(host_end - host));
	text[host_end - host] = '\0';
	client_node_create(c, id, text, (uint16_t)port);
	return true;
}

static bool add_bootstraps(struct client *c)
{
	const char *at = c->spec.bootstrap;

	for (int32_t id = NODE_BOOTSTRAP;; id--) {
		const char *end = at + strcspn(at, ",");
		if (!add_bootstrap(c, at, end, id))
			return false;
		if (*end == '\0')
			return true;
		at = end + 1;
	}
}

/*
 * Brokers may all have moved since their addresses were learnt, and the bootstrap addresses have become theirs: when none of them can be reached it begins as it began at
 * first.
 */
void client_bootstrap_again(struct client *c)
{
	LIST_FOREACH(e, &c->nodes) {
		const struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		if (node->id < 0 || (node->line == 0 && node->failures == 0))
			return;
	}
	(void)add_bootstraps(c);	/* was a list when the client was created */
}

enum err client_create(struct client **out, struct os *os, const struct client_spec *spec, struct client_error *error)
{
	struct client *c = mem_calloc(1, sizeof(*c));
	enum err e;

	c->os = os;
	c->spec = *spec;
	if (spec->bootstrap != NULL)
		c->spec.bootstrap = mem_strdup(spec->bootstrap);
	c->spec.client_id = mem_strdup(spec->client_id);
	c->controller_id = -1;
	c->watch_fd = -1;
	c->metadata_is_due = true;
	c->metadata_expires = MONO_NEVER;
	list_init(&c->nodes);
	list_init(&c->users);
	list_init(&c->done);
	e = os_poller_create(os, &c->poller);
	if (e != OK)
		client_error_set(error, e, "cannot wait for sockets: %s", err_text(e));
	else if (spec->bootstrap != NULL && !add_bootstraps(c))
		client_error_set(error, e = ERR_INVALID, "\"%s\" is not a list of host:port", spec->bootstrap);
	if (e != OK) {
		client_destroy(&c);
		return e;
	}
	*out = c;
	return OK;
}

void client_destroy(struct client **cp)
{
	struct client *c = *cp;
	struct client_error why;

	*cp = NULL;
	if (c == NULL)
		return;
	ASSERT(list_empty(&c->users));
	client_error_set(&why, ERR_CLOSED, "the client is closed");
	client_call_destroy(&c->metadata_call);
	LIST_FOREACH(e, &c->nodes)
		client_node_fail(LIST_ENTRY(e, struct client_node, link), &why);
	(void)client_calls_deliver(c);
	LIST_FOREACH(e, &c->nodes) {
		struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		client_node_destroy(&node);
	}
	client_unwatch(c);
	if (c->poller != NULL)
		os_poller_destroy(c->os, &c->poller);
	client_metadata_fini(c);
	free(c->cluster_id);
	free((char *)c->spec.bootstrap);
	free((char *)c->spec.client_id);
	free(c);
}

/* ---- the turn ---- */

static mono_ms take_turns(struct client *c)
{
	mono_ms now = os_mono_ms(c->os), next = MONO_NEVER;

	LIST_FOREACH(e, &c->users) {
		struct client_user *u = LIST_ENTRY(e, struct client_user, link);
		next = MIN(next, u->on_turn(u, now));
	}
	if (c->spec.bootstrap != NULL)
		next = MIN(next, client_metadata_turn(c, now));
	LIST_FOREACH(e, &c->nodes)
		next = MIN(next, client_node_turn(LIST_ENTRY(e, struct client_node, link), now));
	return next;
}

static mono_ms wait_at_most(struct client *c, mono_ms timeout_ms, mono_ms next)
{
	mono_ms now = os_mono_ms(c->os);

	if (!list_empty(&c->done) || c->watch_always || next <= now)
		return 0;
	if (next == MONO_NEVER)
		return timeout_ms;
	return timeout_ms < 0 ? next - now : MIN(timeout_ms, next - now);
}

static void poll_sockets(struct client *c, mono_ms timeout_ms)
{
	c->event_count = os_poller_wait(c->os, c->poller, c->events, CLIENT_EVENTS, timeout_ms);
	c->has_polled = true;
}

/* What the poller found, and the calls that came to their end by it. Returns how much. */
static int hand_out(struct client *c)
{
	int n = c->event_count;

	c->watch_is_ready = c->watch_always;
	for (int i = 0; i < n; i++) {
		if (c->events[i].data == c)
			c->watch_is_ready = true;
		else if (c->events[i].events != 0)
			client_node_event(c->events[i].data, c->events[i].events);
	}
	c->event_count = 0;
	c->has_polled = false;
	return n + client_calls_deliver(c);
}

void client_step(struct client *c, mono_ms timeout_ms)
{
	mono_ms next = take_turns(c);

	poll_sockets(c, wait_at_most(c, timeout_ms, next));
	hand_out(c);
}

int client_turn(struct client *c, mono_ms *next)
{
	int work;

	if (!c->has_polled)
		poll_sockets(c, 0);
	work = hand_out(c);
	*next = take_turns(c);
	return work + client_calls_deliver(c);
}

void client_wait(struct client *c, mono_ms until)
{
	poll_sockets(c, wait_at_most(c, -1, until));
}

int client_fd(struct client *c)
{
	return os_poller_fd(c->os, c->poller);
}

void client_wake(struct client *c)
{
	os_poller_wake(c->os, c->poller);
}

void client_user_add(struct client *c, struct client_user *u)
{
	list_push_back(&c->users, &u->link);
}

void client_user_remove(struct client *c UNUSED, struct client_user *u)
{
	list_remove(&u->link);
}

/* ---- the caller's descriptor ---- */

enum err client_watch(struct client *c, os_fd fd)
{
	enum err e = os_poller_add(c->os, c->poller, fd, OS_READABLE, c);

	if (e == ERR_ACCESS) {	/* EPERM: a plain file, which is always ready and cannot be waited for */
		c->watch_always = true;
		return OK;
	}
	if (e == OK)
		c->watch_fd = fd;
	return e;
}

void client_unwatch(struct client *c)
{
	if (c->watch_fd >= 0)
		os_poller_remove(c->os, c->poller, c->watch_fd);
	c->watch_fd = -1;
	c->watch_always = c->watch_is_ready = false;
}

bool client_watch_is_ready(const struct client *c)
{
	return c->watch_is_ready;
}

/* ---- connecting to the cluster ---- */

static bool is_all_tried(const struct client *c)
{
	LIST_FOREACH(e, &c->nodes) {
		const struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		if (node->failures == 0)
			return false;
	}
	return true;
}

/* The causes of all nodes in one sentence; each names its address. */
static void tell_causes(const struct client *c, struct client_error *error)
{
	struct strbuf text = STRBUF_INIT;

	LIST_FOREACH(e, &c->nodes) {
		const struct client_node *node = LIST_ENTRY(e, struct client_node, link);
		if (node->error.err != OK)
			strbuf_printf(&text, "%s%s", text.len > 0 ? "; " : "", node->error.text);
	}
	client_error_set(error, ERR_UNREACHABLE, "%s", text.len > 0 ? strbuf_cstr(&text) : "no answer from the cluster in time");
	strbuf_fini(&text);
}

enum err client_connect(struct client *c, mono_ms timeout_ms, struct client_error *error)
{
	mono_ms deadline = os_mono_ms(c->os) + timeout_ms;

	while (!c->is_connected) {
		mono_ms now = os_mono_ms(c->os);
		if (is_all_tried(c) || now >= deadline) {
			tell_causes(c, error);
			return error->err;
		}
		client_step(c, deadline - now);
	}
	return OK;
}

bool client_is_connected(const struct client *c)
{
	return c->is_connected;
}

struct os *client_os(const struct client *c)
{
	return c->os;
}

const char *client_cluster_id(const struct client *c)
{
	return c->cluster_id != NULL ? c->cluster_id : "";
}

int32_t client_controller_id(const struct client *c)
{
	return c->controller_id;
}

const struct client_error *client_last_error(const struct client *c)
{
	return &c->error;
}

mono_ms client_backoff(struct client *c, mono_ms first, mono_ms max, int nth)
{
	mono_ms wait = first;

	for (int i = 1; i < nth && wait < max; i++)
		wait *= 2;
	wait = MIN(wait, max);
	return wait * 4 / 5 + (mono_ms)(os_random_u64(c->os) % (uint64_t)(wait * 2 / 5 + 1));
}
