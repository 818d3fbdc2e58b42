/*
 * libmicrohttpd's loop inside an actor's steps: its epoll descriptor lies in the actor's poller, its time-out is the actor's deadline.
 *
 * A page belongs to the responses that were made of it: the library holds it until the last reader has it, then calls page_unref. That runs on this actor's thread,
 * too, as everything of the library does.
 */
#include "http/http.h"

#include <dlfcn.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/console.h"
#include "http/lag.h"
#include "http/metrics.h"
#include "http/seats.h"

#define HTTP_CONNECTION_BYTES (96 << 10)	/* the library's memory for one: request and headers. A group's name may be long; what is not touched is not there */
#define HTTP_IDLE_SECONDS    10
#define ROOM_NONE_BYTES    (1ull << 20)
#define ROOM_REFUSED_BYTES (256ull << 20)	/* more than the largest request there is by default */
#define PAGE_KEEP_MS         500
#define PAGES_MAX            4

#define LIBRARY "libmicrohttpd.so.12"

/* What is used of the library, found at run time; once loaded it stays. The two functions with a variable list are declared as the header has them. */
struct library {
	void *handle;
	__typeof__(&MHD_start_daemon) start_daemon;
	__typeof__(&MHD_stop_daemon) stop_daemon;
	__typeof__(&MHD_run) run;
	__typeof__(&MHD_get_timeout) get_timeout;
	__typeof__(&MHD_get_daemon_info) get_daemon_info;
	__typeof__(&MHD_get_connection_info) get_connection_info;
	__typeof__(&MHD_add_connection) add_connection;
	__typeof__(&MHD_lookup_connection_value) lookup_connection_value;
	__typeof__(&MHD_lookup_connection_value_n) lookup_connection_value_n;
	__typeof__(&MHD_suspend_connection) suspend_connection;
	__typeof__(&MHD_resume_connection) resume_connection;
	__typeof__(&MHD_create_response_from_buffer) create_response;
	__typeof__(&MHD_create_response_from_buffer_with_free_callback_cls) create_response_freed;
	__typeof__(&MHD_add_response_header) add_response_header;
	__typeof__(&MHD_queue_response) queue_response;
	__typeof__(&MHD_destroy_response) destroy_response;
};

struct page_text {
	struct http *http;
	char        *text;
};

struct kept_page {
	struct MHD_Response *response;	/* one reference; NULL: none */
	mono_ms              made;
};

struct http {
	struct actor       actor;
	struct http_spec   spec;
	struct os         *os;
	struct library     lib;
	struct MHD_Daemon *daemon;
	struct os_poller  *poller;
	struct seats       seats;
	struct os_event    events[2];	/* the library's, the listener's */
	int                event_count;
	time_ms            started;
	bool               is_serving;	/* written by others */
	struct cluster    *picture;	/* NULL until the first came */
	struct lag        *lag;		/* NULL: not wanted */
	struct console    *console;
	struct kept_page   kept[2];	/* of each text format */
	int                pages;	/* in memory */
	mono_ms            now;		/* of this step */
};

/* --- the library ------------------------------------------------------------------------------------------- */

static bool find(struct library *l, const char *name, void *to)
{
	void *at = dlsym(l->handle, name);

	memcpy(to, &at, sizeof(at));	/* ISO C has no cast from an object's to a function's address */
	return at != NULL;
}

static bool library_open(struct library *l)
{
	l->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	return l->handle != NULL && find(l, "MHD_start_daemon", &l->start_daemon) && find(l, "MHD_stop_daemon", &l->stop_daemon) &&
		find(l, "MHD_run", &l->run) && find(l, "MHD_get_timeout", &l->get_timeout) && find(l, "MHD_get_daemon_info", &l->get_daemon_info) &&
		find(l, "MHD_get_connection_info", &l->get_connection_info) && find(l, "MHD_add_connection", &l->add_connection) &&
		find(l, "MHD_lookup_connection_value", &l->lookup_connection_value) && find(l, "MHD_lookup_connection_value_n", &l->lookup_connection_value_n) &&
		find(l, "MHD_suspend_connection", &l->suspend_connection) && find(l, "MHD_resume_connection", &l->resume_connection) &&
		find(l, "MHD_create_response_from_buffer", &l->create_response) &&
		find(l, "MHD_create_response_from_buffer_with_free_callback_cls", &l->create_response_freed) &&
		find(l, "MHD_add_response_header", &l->add_response_header) && find(l, "MHD_queue_response", &l->queue_response) &&
		find(l, "MHD_destroy_response", &l->destroy_response);
}

/* --- answers ------------------------------------------------------------------------------------------------- */

/* Takes the response. */
static enum MHD_Result answer(struct http *h, struct MHD_Connection *c, unsigned int status, struct MHD_Response *r)
{
	if (r == NULL)
		return MHD_NO;	/* no memory: the connection is closed */
	enum MHD_Result result = h->lib.queue_response(c, status, r);

	h->lib.destroy_response(r);
	return result;
}

static enum MHD_Result answer_text(struct http *h, struct MHD_Connection *c, unsigned int status, const char *text)
{
	struct MHD_Response *r = h->lib.create_response(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (r != NULL) {
		h->lib.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
		h->lib.add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
		if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
			h->lib.add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	}
	return answer(h, c, status, r);
}

/* --- /metrics ------------------------------------------------------------------------------------------------- */

static void page_unref(void *arg)
{
	struct page_text *p = arg;

	p->http->pages--;
	free(p->text);
	free(p);
}

static struct metrics_world world(struct http *h)
{
	return (struct metrics_world){
		.sched = h->spec.sched, .net = h->spec.net, .fetchers = h->spec.fetchers, .dirs = h->spec.dirs, .dir_count = h->spec.dir_count, .version = h->spec.version,
		.started = h->started, .now = os_time_ms(h->os), .now_mono_ns = os_mono_ns(h->os), .workers = h->spec.workers, .session = h->spec.session, .is_serving = __atomic_load_n(&h->is_serving, __ATOMIC_RELAXED), .picture = h->picture, .lag = h->lag,
	};
}

static struct MHD_Response *page_make(struct http *h, bool is_open_metrics)
{
	struct page_text *p = mem_calloc(1, sizeof(*p));
	struct strbuf text = STRBUF_INIT;
	struct metrics_world w = world(h);

	metrics_write(&text, &w, is_open_metrics);
	size_t len = text.len;
	p->http = h;
	p->text = strbuf_steal(&text);
	struct MHD_Response *r = h->lib.create_response_freed(len, p->text, page_unref, p);
	h->pages++;
	if (r == NULL) {
		page_unref(p);
		return NULL;
	}
	h->lib.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, is_open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	                                                            : "text/plain; version=0.0.4; charset=utf-8");
	return r;
}

static void page_drop(struct http *h, struct kept_page *k)
{
	if (k->response != NULL)
		h->lib.destroy_response(k->response);
	k->response = NULL;
}

static enum MHD_Result answer_metrics(struct http *h, struct MHD_Connection *c)
{
	const char *accept = h->lib.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool is_open_metrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
	struct kept_page *k = &h->kept[is_open_metrics];

	if (h->lag != NULL)
		lag_look(h->lag, h->now);
	if (k->response == NULL || h->now - k->made >= PAGE_KEEP_MS) {
		page_drop(h, k);
		if (h->pages >= PAGES_MAX)
			return answer_text(h, c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many slow readers of earlier pages\n");
		k->response = page_make(h, is_open_metrics);
		k->made = h->now;
		if (k->response == NULL)
			return MHD_NO;
	}
	return h->lib.queue_response(c, MHD_HTTP_OK, k->response);
}

/* --- /healthz, /readyz ------------------------------------------------------------------------------------------ */

/* Nothing fits any more, or a replica there was refused what is too large for the rest. */
static bool is_full(struct http *h, struct logdir *d, uint64_t *usable)
{
	uint64_t total;

	logdir_seen_space(d, &total, usable);
	if (total == 0 || *usable >= MIN(ROOM_REFUSED_BYTES, total / 20))
		return false;
	return *usable < MIN(ROOM_NONE_BYTES, total / 100) || (h->picture != NULL && metrics_has_replica_without_room(h->picture, d));
}

static int usable_dirs(struct http *h, struct strbuf *reasons)
{
	int usable = 0;
	uint64_t left;

	for (int i = 0; i < h->spec.dir_count; i++) {
		if (logdir_is_offline(h->spec.dirs[i]))
			strbuf_printf(reasons, "log directory %s is offline\n", logdir_path(h->spec.dirs[i]));
		else
			usable++;
		if (!logdir_is_offline(h->spec.dirs[i]) && is_full(h, h->spec.dirs[i], &left))
			strbuf_printf(reasons, "log directory %s is full: %llu bytes are left; what is sent to its partitions is refused, reads go on\n", logdir_path(h->spec.dirs[i]),
			              (unsigned long long)left);
	}
	return usable;
}

/* No reason for a restart, but nobody should be sent here. */
static bool has_stuck_jobs(struct http *h, struct strbuf *reasons)
{
	int stuck = workers_stuck(h->spec.workers);

	if (stuck > 0)
		strbuf_printf(reasons, "a device does not answer: %d jobs (syncs, as a rule) do not come back; the log names who waits for them\n", stuck);
	return stuck > 0;
}

/* What is served goes on being served. At the start it is the start that says so. */
static void tell_lost_session(struct http *h, struct strbuf *reasons)
{
	const struct store_session *s = h->spec.session;

	if (s != NULL && __atomic_load_n(&s->is_connected, __ATOMIC_RELAXED) == 0)
		strbuf_printf(reasons, "no connection to ZooKeeper for %lld s: what is led here is served, but nothing of the cluster can change, and new idempotent producers wait\n",
		              (long long)(h->now - __atomic_load_n(&s->since, __ATOMIC_RELAXED)) / 1000);
}

static enum MHD_Result answer_health(struct http *h, struct MHD_Connection *c, bool wants_ready)
{
	struct strbuf text = STRBUF_INIT;
	bool is_well = usable_dirs(h, &text) > 0;
	int stuck = sched_stuck(h->spec.sched);

	if (stuck > 0) {
		strbuf_printf(&text, "%d actors do not go on; the log names them\n", stuck);
		is_well = false;
	}
	if (has_stuck_jobs(h, &text) && wants_ready)
		is_well = false;
	if (wants_ready && !__atomic_load_n(&h->is_serving, __ATOMIC_ACQUIRE)) {
		strbuf_printf(&text, "%s\n", __atomic_load_n(h->spec.waits_for, __ATOMIC_ACQUIRE));
		is_well = false;
	} else if (wants_ready) {
		tell_lost_session(h, &text);
	}
	if (text.len == 0)
		strbuf_add_str(&text, "ok\n");
	enum MHD_Result r = answer_text(h, c, is_well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, strbuf_cstr(&text));
	strbuf_fini(&text);
	return r;
}

/* --- the console ------------------------------------------------------------------------------------------------ */

/* Nothing from elsewhere, nothing inline, in nobody's frame. */
static void guard_page(struct http *h, struct MHD_Response *r, const char *type)
{
	static const char *const headers[][2] = {
		{ "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
		                             "frame-ancestors 'none'; require-trusted-types-for 'script'" },
		{ "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" }, { "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" }, { "Cross-Origin-Opener-Policy", "same-origin" }, { "Cache-Control", "no-store" },
	};

	h->lib.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		h->lib.add_response_header(r, headers[i][0], headers[i][1]);
}

static enum MHD_Result answer_file(struct http *h, struct MHD_Connection *c, const struct console_file *f)
{
	struct MHD_Response *r = h->lib.create_response(f->len, (void *)(uintptr_t)f->bytes, MHD_RESPMEM_PERSISTENT);

	if (r != NULL)
		guard_page(h, r, f->type);
	return answer(h, c, MHD_HTTP_OK, r);
}

static enum MHD_Result answer_inquiry(struct http *h, struct MHD_Connection *c, struct inquiry *q)
{
	size_t len;
	char *text = inquiry_take(q, &len);
	struct MHD_Response *r = h->lib.create_response(len, text, MHD_RESPMEM_MUST_FREE);

	if (r == NULL)
		free(text);
	else
		guard_page(h, r, "application/json; charset=utf-8");
	return answer(h, c, inquiry_status(q), r);
}

struct asker {
	struct http           *http;
	struct MHD_Connection *connection;
};

static struct slice argument_of(const void *from, const char *name)
{
	const struct asker *a = from;
	const char *value = NULL;
	size_t len = 0;

	if (a->http->lib.lookup_connection_value_n(a->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len) != MHD_YES)
		return SLICE_NULL;
	return slice_of(value != NULL ? value : "", len);
}

static struct seat *seat_of(struct http *h, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = h->lib.get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static void hold(struct http *h, struct MHD_Connection *c, bool is_held)
{
	struct seat *seat = seat_of(h, c);

	if (seat != NULL)
		seat_hold(seat, is_held);
}

/* The mark keeps the inquiry until the library has done with the request; one that is not done waits for it suspended, and comes here again. */
static enum MHD_Result answer_api(struct http *h, struct MHD_Connection *c, const char *url, void **mark)
{
	struct asker a = { h, c };
	struct console_request r = { url, argument_of, &a };
	struct metrics_world w = world(h);

	if (*mark == h) {
		struct inquiry *q = console_ask(h->console, &w, &r);

		if (q == NULL)
			return answer_text(h, c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many ask at once\n");
		*mark = q;
		if (!inquiry_is_done(q)) {
			*inquiry_waiter(q) = c;
			hold(h, c, true);
			h->lib.suspend_connection(c);
			return MHD_YES;
		}
	}
	return answer_inquiry(h, c, *mark);
}

static enum MHD_Result answer_console(struct http *h, struct MHD_Connection *c, const char *url, void **mark)
{
	const char *host = h->lib.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	const struct console_file *f = console_file(url);

	if (f == NULL && strncmp(url, "/api/", 5) != 0)
		return answer_text(h, c, MHD_HTTP_NOT_FOUND, "there is / (for people), /metrics, /healthz and /readyz\n");
	if (host == NULL || !console_serves(h->console, slice_str(host)))
		return answer_text(h, c, MHD_HTTP_FORBIDDEN, "the console is shown to who asks an address, localhost, or a name in console.hosts\n");
	return f != NULL ? answer_file(h, c, f) : answer_api(h, c, url, mark);
}

static void on_request_end(void *arg, struct MHD_Connection *c, void **mark, enum MHD_RequestTerminationCode how UNUSED)
{
	struct http *h = arg;
	struct inquiry *q = *mark != h ? *mark : NULL;
	struct seat *seat = seat_of(h, c);

	if (q != NULL)
		inquiry_end(&q);
	*mark = NULL;
	if (seat != NULL)
		seat_end(seat, h->now);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct http *h = arg;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = seats_take(&h->seats, h->lib.get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, h->now);
	else if (*context != NULL)
		seats_leave(&h->seats, *context);
}

/* The library closes what it does not take. */
static void let_in(struct http *h)
{
	struct os_addr peer;
	os_fd fd;

	if (!seats_have_room(&h->seats, h->now))
		return;
	while (seats_accept(&h->seats, h->now, &fd, &peer)) {
		struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_port = htons(peer.port) };

		memcpy(&from.sin6_addr, peer.ip, sizeof(peer.ip));
		(void)!h->lib.add_connection(h->daemon, fd, (struct sockaddr *)&from, sizeof(from));
	}
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* Called at the end of the headers, and again when the body is over; what is sent as a body is dropped unread. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version UNUSED, const char *body UNUSED,
                                  size_t *body_size, void **mark)
{
	struct http *h = arg;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(h, c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	if (*mark == NULL || *body_size > 0) {
		if (*mark == NULL && seat_of(h, c) != NULL)
			seat_begin(seat_of(h, c), h->now);
		*mark = h;
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(h, c);
	if (strcmp(url, "/healthz") == 0)
		return answer_health(h, c, false);
	if (strcmp(url, "/readyz") == 0)
		return answer_health(h, c, true);
	return answer_console(h, c, url, mark);
}

/* --- the actor ---------------------------------------------------------------------------------------------------- */

static void on_question(void *arg, struct msg *m)
{
	struct http *h = arg;
	struct cluster_picture *q = CONTAINER_OF(m, struct cluster_picture, msg);

	ASSERT(m->kind == CLUSTER_PICTURE);
	if (h->picture != NULL)
		cluster_unref(&h->picture);
	h->picture = q->cluster;
	q->cluster = NULL;
	actor_answer(&h->actor, m);
}

static void on_answer(void *arg, struct msg *m)
{
	struct http *h = arg;

	if (console_has_asked(h->console, m)) {
		struct metrics_world w = world(h);
		struct inquiry *q = console_on_home(h->console, &w, m);

		if (q != NULL) {
			hold(h, *inquiry_waiter(q), false);
			h->lib.resume_connection(*inquiry_waiter(q));
		}
	} else {
		lag_on_home(h->lag, m);
	}
}

static int http_step(struct actor *a, mono_ms now)
{
	struct http *h = CONTAINER_OF(a, struct http, actor);
	int work = actor_drain_questions(a, 64, on_question, h) + actor_drain_answers(a, on_answer, h) + h->event_count;
	unsigned long long wait_ms;
	bool is_knocked = false;

	for (int i = 0; i < h->event_count; i++)
		is_knocked |= h->events[i].data == &h->seats;
	h->now = now;
	h->event_count = 0;
	h->lib.run(h->daemon);
	if (is_knocked)
		let_in(h);
	mono_ms seats_next = seats_step(&h->seats, now);
	for (size_t i = 0; i < ARRAY_LEN(h->kept); i++)
		if (h->kept[i].response != NULL && now - h->kept[i].made >= PAGE_KEEP_MS)
			page_drop(h, &h->kept[i]);
	a->deadline = h->lib.get_timeout(h->daemon, &wait_ms) == MHD_YES ? now + MAX((mono_ms)wait_ms, 1) : MONO_NEVER;
	for (size_t i = 0; i < ARRAY_LEN(h->kept); i++)
		if (h->kept[i].response != NULL)
			a->deadline = MIN(a->deadline, h->kept[i].made + PAGE_KEEP_MS);
	if (h->lag != NULL && !__atomic_load_n(&a->stop_wanted, __ATOMIC_ACQUIRE))
		a->deadline = MIN(a->deadline, lag_step(h->lag, h->picture, now));
	a->deadline = MIN(a->deadline, seats_next);
	return work;
}

static void http_wait(struct actor *a, mono_ms until)
{
	struct http *h = CONTAINER_OF(a, struct http, actor);
	mono_ms now = os_mono_ms(h->os);

	h->event_count = os_poller_wait(h->os, h->poller, h->events, ARRAY_LEN(h->events), until == MONO_NEVER ? -1 : MAX(until - now, 0));
}

static void http_wake(struct actor *a)
{
	struct http *h = CONTAINER_OF(a, struct http, actor);

	os_poller_wake(h->os, h->poller);
}

static const struct actor_ops http_ops = { .module = "http", .step = http_step, .wait = http_wait, .wake = http_wake };

/* --- start and stop ------------------------------------------------------------------------------------------------- */

static enum err listen_and_run(struct http *h, char *problem, size_t problem_size)
{
	enum err e = seats_open(&h->seats, h->os, h->poller, &h->actor.log, h->spec.host, h->spec.port);

	if (e != OK) {
		snprintf(problem, problem_size, "metrics.listener: cannot listen on %s:%d: %s", h->spec.host[0] != 0 ? h->spec.host : "*", h->spec.port, err_text(e));
		return e;
	}
	h->daemon = h->lib.start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, h,
	                                MHD_OPTION_NOTIFY_COMPLETED, on_request_end, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	                                MHD_OPTION_CONNECTION_LIMIT, (unsigned int)SEATS_MAX,
	                                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
	                                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_SECONDS, MHD_OPTION_END);
	if (h->daemon == NULL) {
		snprintf(problem, problem_size, "metrics.listener: " LIBRARY " cannot serve here");
		return ERR_IO;
	}
	const union MHD_DaemonInfo *info = h->lib.get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ASSERT(info != NULL);
	return os_poller_add(h->os, h->poller, info->epoll_fd, OS_READABLE, h);
}

/* Whatever of it there is. */
static void http_free(struct http *h)
{
	if (h->daemon != NULL) {
		for (size_t i = 0; i < ARRAY_LEN(h->kept); i++)
			page_drop(h, &h->kept[i]);
		h->lib.stop_daemon(h->daemon);	/* closes every connection, and so gives the pages back */
	}
	seats_close(&h->seats);
	ASSERT(h->pages == 0);
	if (h->lag != NULL)
		lag_destroy(&h->lag);
	console_destroy(&h->console);
	if (h->poller != NULL)
		os_poller_destroy(h->os, &h->poller);
	if (h->picture != NULL)
		cluster_unref(&h->picture);
	actor_fini(&h->actor);
	free(h);
}

enum err http_start(struct http **out, const struct http_spec *spec, char *problem, size_t problem_size)
{
	struct http *h = mem_calloc(1, sizeof(*h));
	enum err e = ERR_NOT_FOUND;

	h->spec = *spec;
	h->os = sched_os(spec->sched);
	h->started = os_time_ms(h->os);
	actor_init(&h->actor, spec->sched, &http_ops, LANE_NONE, "http");
	struct console_spec console = { .actor = &h->actor, .workers = spec->workers, .hosts = spec->console_hosts, .shows_messages = spec->shows_messages };
	h->console = console_create(&console);
	if (spec->lag_interval_ms > 0) {
		struct lag_spec lag = { .actor = &h->actor, .workers = spec->workers, .interval_ms = spec->lag_interval_ms, .series_max = spec->lag_series_max };

		h->lag = lag_create(&lag);
	}
	if (!library_open(&h->lib)) {
		snprintf(problem, problem_size, "metrics.listener needs " LIBRARY ": apt-get install libmicrohttpd12");
		goto fail;
	}
	if ((e = os_poller_create(h->os, &h->poller)) != OK) {
		snprintf(problem, problem_size, "metrics.listener: %s", err_text(e));
		goto fail;
	}
	if ((e = listen_and_run(h, problem, problem_size)) != OK)
		goto fail;
	if ((e = actor_start(&h->actor, 0)) != OK) {
		snprintf(problem, problem_size, "cannot start a thread");
		goto fail;
	}
	*out = h;
	return OK;

fail:
	http_free(h);
	return e;
}

struct actor *http_actor(struct http *h)
{
	return &h->actor;
}

uint16_t http_port(const struct http *h)
{
	return h->seats.port;
}

void http_set_serving(struct http *h, bool is_serving)
{
	__atomic_store_n(&h->is_serving, is_serving, __ATOMIC_RELEASE);
}

void http_stop(struct http **hp)
{
	actor_stop(&(*hp)->actor);
	actor_join(&(*hp)->actor);
	http_free(*hp);
	*hp = NULL;
}
