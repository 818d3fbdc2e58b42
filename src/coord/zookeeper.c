/*
 * ZooKeeper, through libzookeeper_mt.
 *
 * The owner's thread submits; the library sends and receives on a thread of its own and calls back on another one. A callback writes into
 * the call, which is lent to us, and sends it home, or makes an event. Both travel through the library's one queue of completions
 * and from its one thread, so an event stays before the answer that shows its change.
 *
 * What the library leaves to us:
 *  - A request it refuses at once (a bad path) would overtake the answers before it. Such a call travels as a harmless read and is failed when
 *    that comes back.
 *  - When a handle is closed, completions may be dropped without a callback (one that was queued while the thread was ending). The owner keeps a
 *    list of requests, which outlive the calls; after the library's threads are gone, what is not done is failed.
 *  - Making a handle resolves the servers' names, which takes as long as it takes, and fails when they do not resolve. After an expiry a thread of ours, the
 *    opener, does that, again and again; the owner goes on meanwhile. It is there from the start, so that it cannot be missing when it is needed.
 *  - It has no limit for packets it receives (Java's is jute.maxbuffer), and none for what it sends: a server drops the connection at a larger one,
 *    which would look like a loss to be retried for ever. So what Kafka's client would not send is refused here.
 */
#include "config.h"	/* THREADED: the library's face with threads */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zookeeper/zookeeper.h>

#include "base/address.h"
#include "base/config_value.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "coord/coord_priv.h"

#define REQUEST_BYTES_MAX ((size_t)(4 << 20) - 1024)	/* Kafka raises its client's limit to 4 MiB; headers and paths are in it */
#define SEQUENCE_DIGITS   10
#define POLL_MS           5
#define REOPEN_PAUSE_MS     500		/* doubled after each failure, up to */
#define REOPEN_PAUSE_MAX_MS 16000
#define LIBRARY_THREADS   2	/* of a handle */
#define OPENER_STACK_BYTES  (256u << 10)	/* the resolver's modules run on it */

enum opener { OPENER_RESTS, OPENER_OPENS, OPENER_ENDS };

struct request {
	struct list        link;	/* zookeeper.requests, in the order of submission: the owner's */
	struct coord_call *call;	/* not to be touched once is_done */
	bool               is_done;	/* set by the library's thread before the call goes home */
	enum err           refusal;	/* not sent for this reason */
	zoo_op_result_t   *results;	/* of a multi, in the call's arena; where a create's path and a set's stat are put */
	struct Stat       *stats;
};

struct zookeeper {
	struct coord face;
	zhandle_t   *handle;		/* the owner's; NULL while there is none. Put there by the opener, or by the library's thread that says "connected" before it */
	char        *connect;		/* fixed */
	struct os_thread *opener;
	uint32_t     opener_does;	/* enum opener; the opener's futex word: the owner asks and ends, the opener goes to rest */
	int32_t      session_timeout_ms;
	void       (*on_session)(void *arg, const struct zk_session *s);
	void        *on_session_arg;
	struct zk_session session;		/* as it was told last; the servers: the opener's, before it makes a handle; the rest: the library's thread's */
	struct list  requests;
	int64_t      session_id;	/* written by the library's thread */
	bool         is_connected;	/* ... ever, by this handle */
};

static struct zookeeper *zookeeper_of(struct coord *c)
{
	return CONTAINER_OF(c, struct zookeeper, face);
}

static zhandle_t *handle_of(struct zookeeper *z)
{
	return __atomic_load_n(&z->handle, __ATOMIC_ACQUIRE);
}

static struct os *os_of(const struct zookeeper *z)
{
	return sched_os(z->face.owner->sched);
}

/* --- errors and log -------------------------------------------------------------------------------------------------------- */

static enum err err_of(int rc)
{
	switch (rc) {
	case ZOK:                      return OK;
	case ZNONODE:                  return ERR_NOT_FOUND;
	case ZNODEEXISTS:              return ERR_EXISTS;
	case ZBADVERSION:              return ERR_BAD_VERSION;
	case ZNOTEMPTY:                return ERR_NOT_EMPTY;
	case ZNOCHILDRENFOREPHEMERALS:
	case ZBADARGUMENTS:            return ERR_INVALID;
	case ZNOAUTH:
	case ZAUTHFAILED:
	case ZINVALIDACL:
	case ZSESSIONCLOSEDREQUIRESASLAUTH: return ERR_ACCESS;
	case ZSESSIONEXPIRED:
	case ZINVALIDSTATE:
	case ZCLOSING:                 return ERR_EXPIRED;
	case ZCONNECTIONLOSS:
	case ZOPERATIONTIMEOUT:		/* the server was silent too long: the library dropped the connection */
	case ZRUNTIMEINCONSISTENCY:	/* of a whole call: an answer out of order, and the connection was dropped */
	case ZSYSTEMERROR:             return ERR_CONN_LOSS;
	case ZUNIMPLEMENTED:           return ERR_UNSUPPORTED;
	default:                       return ERR_IO;
	}
}

/* Within a failed multi the operations behind the guilty one. */
static enum err op_err_of(int rc)
{
	return rc == ZRUNTIMEINCONSISTENCY ? ERR_AGAIN : err_of(rc);
}

static const struct log_source library_log = { .module = "zookeeper" };

#define FORGIVEN_MS 1000

/*
 * A server that has just been started accepts connections before it serves sessions, and closes them. Who is started beside it meets that, and the library tries again 40 times a
 * second: what fails in the first second of a process, before it has had a session, is not worth a warning. Any thread.
 */
static mono_ms forgiven_until;		/* 0: nobody has tried yet; MONO_NEVER: nothing is forgiven any more */

static bool is_forgiven(void)
{
	mono_ms now = os_mono_ms(os_real()), until = 0;	/* the library is of this machine only */

	if (__atomic_compare_exchange_n(&forgiven_until, &until, now + FORGIVEN_MS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return true;
	return until != MONO_NEVER && now < until;
}

/* "time:pid(thread):ZOO_WARN@function@line: text". Its errors are our warnings: lost connections, which are handled. */
static void on_log(const char *message)
{
	bool is_warning = strstr(message, ":ZOO_ERROR@") != NULL || strstr(message, ":ZOO_WARN@") != NULL;
	const char *text = strstr(message, ": ");
	struct slice s = slice_str(text != NULL ? text + 2 : message);

	while (s.len > 0 && s.ptr[s.len - 1] == '\n')
		s.len--;
	if (is_warning && !is_forgiven())
		LOG_WARN(&library_log, zookeeper_trouble, KV_SLICE("text", s));
	else
		LOG_DEBUG(&library_log, zookeeper_says, KV_SLICE("text", s));
}

/* --- answers: the library's thread ----------------------------------------------------------------------------------------- */

static void finish(struct request *r)
{
	struct coord_call *call = r->call;

	__atomic_store_n(&r->is_done, true, __ATOMIC_RELEASE);	/* r is the owner's from here on */
	actor_answer(NULL, &call->msg);
}

static void finish_single(struct request *r, enum err e)
{
	r->call->result = r->call->ops[0].result = e;
	finish(r);
}

static struct coord_stat from_stat(const struct Stat *s)
{
	return (struct coord_stat){ .czxid = s->czxid, .mzxid = s->mzxid, .ephemeral_owner = s->ephemeralOwner, .version = s->version,
				    .children_version = s->cversion, .children = s->numChildren };
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
	struct request *r = (struct request *)data;

	if (r->refusal != OK) {		/* sent as a read of the root to keep its place */
		coord_call_fail(r->call, rc == ZOK || rc == ZNONODE ? r->refusal : err_of(rc));
		finish(r);
		return;
	}
	if (rc == ZOK && stat != NULL)
		r->call->ops[0].stat = from_stat(stat);
	finish_single(r, err_of(rc));
}

static void on_void(int rc, const void *data)
{
	finish_single((struct request *)data, err_of(rc));
}

static void on_created(int rc, const char *path, const struct Stat *stat, const void *data)
{
	struct request *r = (struct request *)data;
	struct coord_op *op = &r->call->ops[0];
	enum err e = err_of(rc);

	if (e == OK) {
		op->out = arena_copy(&r->call->arena, slice_str(path));
		op->stat = from_stat(stat);
		if (slice_is_null(op->out))
			e = ERR_TOO_LARGE;
	}
	finish_single(r, e);
}

static void on_data(int rc, const char *value, int value_len, const struct Stat *stat, const void *data)
{
	struct request *r = (struct request *)data;
	struct coord_op *op = &r->call->ops[0];
	enum err e = err_of(rc);

	if (e == OK) {
		bool is_null = value_len < 0;

		op->stat = from_stat(stat);
		if (!is_null)
			op->out = arena_copy(&r->call->arena, value_len > 0 ? slice_of(value, (size_t)value_len) : SLICE_EMPTY);
		if (!is_null && slice_is_null(op->out))
			e = ERR_TOO_LARGE;
	}
	finish_single(r, e);
}

static enum err copy_names(struct coord_op *op, struct arena *arena, const struct String_vector *names)
{
	op->names = arena_calloc(arena, (size_t)MAX(names->count, 0), sizeof(*op->names));
	if (op->names == NULL)
		return ERR_TOO_LARGE;
	for (int i = 0; i < names->count; i++) {
		op->names[i] = arena_copy(arena, slice_str(names->data[i]));
		if (slice_is_null(op->names[i]))
			return ERR_TOO_LARGE;
	}
	op->name_count = MAX(names->count, 0);
	return OK;
}

static void on_names(int rc, const struct String_vector *names, const struct Stat *stat, const void *data)
{
	struct request *r = (struct request *)data;
	struct coord_op *op = &r->call->ops[0];
	enum err e = err_of(rc);

	if (e == OK) {
		op->stat = from_stat(stat);
		e = copy_names(op, &r->call->arena, names);
	}
	finish_single(r, e);
}

static void on_multi(int rc, const void *data)
{
	struct request *r = (struct request *)data;
	struct coord_call *call = r->call;
	enum err e = err_of(rc);

	if (e == ERR_CONN_LOSS || e == ERR_EXPIRED) {
		coord_call_fail(call, e);
		finish(r);
		return;
	}
	call->result = e;
	for (int i = 0; i < call->op_count; i++) {
		struct coord_op *op = &call->ops[i];

		op->result = op_err_of(r->results[i].err);
		if (e != OK)
			continue;
		if (op->kind == COORD_SET)
			op->stat = from_stat(&r->stats[i]);
		if (op->kind == COORD_CREATE)
			op->out = slice_str(r->results[i].value);
	}
	finish(r);
}

static enum coord_event_kind session_event(int state, bool *is_known)
{
	*is_known = true;
	if (state == ZOO_CONNECTED_STATE)
		return COORD_EVENT_CONNECTED;
	if (state == ZOO_EXPIRED_SESSION_STATE)
		return COORD_EVENT_EXPIRED;
	if (state == ZOO_AUTH_FAILED_STATE)
		return COORD_EVENT_AUTH_FAILED;
	*is_known = state == ZOO_CONNECTING_STATE;
	return COORD_EVENT_DISCONNECTED;
}

static enum coord_event_kind watch_event(int type, bool *is_known)
{
	*is_known = true;
	if (type == ZOO_CREATED_EVENT)
		return COORD_EVENT_CREATED;
	if (type == ZOO_DELETED_EVENT)
		return COORD_EVENT_DELETED;
	if (type == ZOO_CHANGED_EVENT)
		return COORD_EVENT_CHANGED;
	*is_known = type == ZOO_CHILD_EVENT;
	return COORD_EVENT_CHILDREN;
}

/* Reconnected within the same session: nothing new. */
static void tell_session(struct zookeeper *z, const clientid_t *client)
{
	_Static_assert(sizeof(client->passwd) == SESSION_PASSWORD_BYTES, "as on the wire");

	if (z->on_session == NULL || client->client_id == z->session.id)
		return;
	z->session.id = client->client_id;
	memcpy(z->session.password, client->passwd, SESSION_PASSWORD_BYTES);
	z->on_session(z->on_session_arg, &z->session);
}

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zookeeper *z = context;
	bool is_session = type == ZOO_SESSION_EVENT, is_known;
	enum coord_event_kind kind = is_session ? session_event(state, &is_known) : watch_event(type, &is_known);

	if (!is_known)
		return;
	if (kind == COORD_EVENT_CONNECTED) {
		__atomic_store_n(&forgiven_until, MONO_NEVER, __ATOMIC_RELAXED);
		__atomic_store_n(&z->handle, handle, __ATOMIC_RELEASE);	/* its opener may not have come so far */
		tell_session(z, zoo_client_id(handle));
		__atomic_store_n(&z->session_id, zoo_client_id(handle)->client_id, __ATOMIC_RELEASE);
		__atomic_store_n(&z->is_connected, true, __ATOMIC_RELEASE);
	}
	int64_t id = __atomic_load_n(&z->session_id, __ATOMIC_ACQUIRE);
	actor_post(&coord_event_create(z->face.owner, kind, id, is_session ? NULL : path)->msg);
}

/* --- questions: the owner's thread ----------------------------------------------------------------------------------------- */

/* Completions come in order, so the done ones are at the head. */
static void reap(struct zookeeper *z)
{
	while (!list_empty(&z->requests)) {
		struct request *r = LIST_ENTRY(z->requests.next, struct request, link);

		if (!__atomic_load_n(&r->is_done, __ATOMIC_ACQUIRE))
			return;
		list_remove(&r->link);
		free(r);
	}
}

static int data_len(struct slice data)
{
	return slice_is_null(data) ? -1 : (int)data.len;	/* null has length -1 on the wire */
}

static int create_mode(int flags)
{
	bool is_ephemeral = flags & COORD_EPHEMERAL, is_sequence = flags & COORD_SEQUENCE;

	if (is_sequence)
		return is_ephemeral ? ZOO_EPHEMERAL_SEQUENTIAL : ZOO_PERSISTENT_SEQUENTIAL;
	return is_ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT;
}

static int send_single(zhandle_t *handle, struct request *r)
{
	const struct coord_op *op = &r->call->ops[0];
	const char *data = (const char *)op->data.ptr;

	switch (op->kind) {
	case COORD_CREATE:
		return zoo_acreate2(handle, op->path, data, data_len(op->data), &ZOO_OPEN_ACL_UNSAFE, create_mode(op->flags), on_created, r);
	case COORD_SET:
		return zoo_aset(handle, op->path, data, data_len(op->data), op->version, on_stat, r);
	case COORD_DELETE:
		return zoo_adelete(handle, op->path, op->version, on_void, r);
	case COORD_GET:
		return zoo_aget(handle, op->path, op->watch, on_data, r);
	case COORD_EXISTS:
		return zoo_aexists(handle, op->path, op->watch, on_stat, r);
	case COORD_CHILDREN:
		return zoo_aget_children2(handle, op->path, op->watch, on_names, r);
	case COORD_CHECK:
		break;
	}
	ASSERT(!"only within a multi");
}

/* The path as the server's rules have it; zoo_amulti leaks when it finds a bad one itself. */
static bool is_sendable_path(const char *path, int flags)
{
	size_t len = strlen(path);

	return path[0] == '/' && (len == 1 || path[len - 1] != '/' || (flags & COORD_SEQUENCE)) && strstr(path, "//") == NULL
	    && strstr(path, "/./") == NULL && strstr(path, "/../") == NULL;
}

static void multi_op_init(struct request *r, zoo_op_t *out, int i)
{
	struct coord_op *op = &r->call->ops[i];
	const char *data = (const char *)op->data.ptr;
	size_t room;
	char *path;

	switch (op->kind) {
	case COORD_CREATE:
		room = strlen(op->path) + SEQUENCE_DIGITS + 2;
		path = arena_alloc(&r->call->arena, room);
		zoo_create_op_init(out, op->path, data, data_len(op->data), &ZOO_OPEN_ACL_UNSAFE, create_mode(op->flags), path, path != NULL ? (int)room : 0);
		return;
	case COORD_SET:
		zoo_set_op_init(out, op->path, data, data_len(op->data), op->version, &r->stats[i]);
		return;
	case COORD_DELETE:
		zoo_delete_op_init(out, op->path, op->version);
		return;
	case COORD_CHECK:
		zoo_check_op_init(out, op->path, op->version);
		return;
	case COORD_GET:
	case COORD_EXISTS:
	case COORD_CHILDREN:
		break;
	}
	ASSERT(!"not within a multi");
}

static int send_multi(zhandle_t *handle, struct request *r)
{
	struct coord_call *call = r->call;
	size_t n = (size_t)call->op_count;
	zoo_op_t *ops = arena_calloc(&call->arena, n, sizeof(*ops));

	r->results = arena_calloc(&call->arena, n, sizeof(*r->results));
	r->stats = arena_calloc(&call->arena, n, sizeof(*r->stats));
	if (ops == NULL || r->results == NULL || r->stats == NULL) {
		r->refusal = ERR_TOO_LARGE;
		return ZBADARGUMENTS;
	}
	for (int i = 0; i < call->op_count; i++)
		multi_op_init(r, &ops[i], i);
	return zoo_amulti(handle, call->op_count, ops, r->results, on_multi, r);
}

/* What must not be sent, and why. */
static enum err refusal_of(const struct coord_call *call)
{
	size_t bytes = 0;

	for (int i = 0; i < call->op_count; i++) {
		if (!is_sendable_path(call->ops[i].path, call->ops[i].flags))
			return ERR_INVALID;
		bytes += strlen(call->ops[i].path) + call->ops[i].data.len;
	}
	return bytes > REQUEST_BYTES_MAX ? ERR_TOO_LARGE : OK;
}

static void results_clear(struct coord_call *call)
{
	coord_call_fail(call, OK);
}

static void zookeeper_submit(struct coord *face, struct coord_call *call)
{
	struct zookeeper *z = zookeeper_of(face);
	struct request *r = mem_calloc(1, sizeof(*r));
	zhandle_t *handle = handle_of(z);
	int rc;

	reap(z);
	r->call = call;
	r->refusal = refusal_of(call);
	list_push_back(&z->requests, &r->link);
	results_clear(call);
	/* Once a send succeeds, the call may be home already: neither it nor r->call is touched after that. */
	if (handle == NULL)
		rc = ZINVALIDSTATE;
	else if (r->refusal != OK)
		rc = ZBADARGUMENTS;
	else
		rc = call->is_multi || call->op_count > 1 ? send_multi(handle, r) : send_single(handle, r);
	if (rc == ZBADARGUMENTS) {
		r->refusal = r->refusal != OK ? r->refusal : ERR_INVALID;
		rc = zoo_aexists(handle, "/", 0, on_stat, r);
	}
	if (rc == ZOK)
		return;
	coord_call_fail(call, err_of(rc) == ERR_CONN_LOSS ? ERR_IO : err_of(rc));	/* no reconnect would follow such a loss */
	__atomic_store_n(&r->is_done, true, __ATOMIC_RELEASE);
	actor_answer(face->owner, &call->msg);
}

static int64_t zookeeper_session_id(const struct coord *face)
{
	return __atomic_load_n(&CONTAINER_OF(face, const struct zookeeper, face)->session_id, __ATOMIC_ACQUIRE);
}

/* --- handles --------------------------------------------------------------------------------------------------------------- */

static void wait_for_gate(void *arg)
{
	uint32_t *gate = arg;

	while (__atomic_load_n(gate, __ATOMIC_ACQUIRE) == 0)
		os_futex_wait(os_real(), gate, 0, MONO_NEVER);
}

/* The library ends the process when it does not get its threads; so others are started before, all at once. */
static bool can_have_threads(void)
{
	struct os_thread *threads[LIBRARY_THREADS];
	uint32_t gate = 0;
	int n = 0;

	while (n < LIBRARY_THREADS && os_thread_start(os_real(), &threads[n], "zookeeper", 0, wait_for_gate, &gate) == OK)
		n++;
	__atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
	os_futex_wake(os_real(), &gate, LIBRARY_THREADS);
	for (int i = 0; i < n; i++)
		os_thread_join(os_real(), &threads[i]);
	return n == LIBRARY_THREADS;
}

static enum err handle_open(zhandle_t **out, const char *connect, watcher_fn watcher, int32_t timeout_ms, void *context)
{
	*out = NULL;
	if (!can_have_threads())
		return ERR_NO_THREAD;
	zoo_set_debug_level(ZOO_LOG_LEVEL_INFO);
	*out = zookeeper_init2(connect, watcher, timeout_ms, NULL, context, ZOO_NO_LOG_CLIENTENV, on_log);
	return *out != NULL ? OK : ERR_UNREACHABLE;
}

static void say_not_open(enum err e, const char *connect, char *problem, size_t size)
{
	if (e == ERR_NO_THREAD)
		snprintf(problem, size, "cannot start a thread: %s", err_text(e));
	else
		snprintf(problem, size, "cannot resolve the ZooKeeper servers %s: %s", connect, strerror(errno));
}

/* The library's threads are gone after this, and with them whoever could still finish a request. */
static void handle_close(struct zookeeper *z, enum err e)
{
	if (handle_of(z) != NULL)
		zookeeper_close(handle_of(z));
	__atomic_store_n(&z->handle, NULL, __ATOMIC_RELEASE);	/* only now: a last "connected" would have put it back */
	while (!list_empty(&z->requests)) {
		struct request *r = LIST_ENTRY(list_pop_front(&z->requests), struct request, link);

		if (!r->is_done) {
			coord_call_fail(r->call, e);
			actor_answer(NULL, &r->call->msg);
		}
		free(r);
	}
}

static enum err open_handle(struct zookeeper *z)
{
	zhandle_t *handle;

	if (z->on_session != NULL)
		zk_session_resolve(os_of(z), z->connect, &z->session);
	enum err e = handle_open(&handle, z->connect, on_event, z->session_timeout_ms, z);

	if (handle != NULL)
		__atomic_store_n(&z->handle, handle, __ATOMIC_RELEASE);
	return e;
}

/* What is wanted of the opener changes from OPENS in two ways only: it has opened, or it shall end. */
static void opener_run(void *arg)
{
	struct zookeeper *z = arg;
	mono_ms pause = REOPEN_PAUSE_MS;
	uint32_t does;
	enum err e;

	while ((does = __atomic_load_n(&z->opener_does, __ATOMIC_ACQUIRE)) != OPENER_ENDS) {
		if (does == OPENER_RESTS) {
			os_futex_wait(os_of(z), &z->opener_does, OPENER_RESTS, MONO_NEVER);
			pause = REOPEN_PAUSE_MS;
		} else if ((e = open_handle(z)) == OK) {
			__atomic_compare_exchange_n(&z->opener_does, &does, OPENER_RESTS, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
		} else {
			LOG_WARN(&library_log, zookeeper_trouble, KV_STR("text", e == ERR_NO_THREAD ? "no new session yet: no thread can be started for it"
			                                                                            : "no new session yet: the servers' names do not resolve"));
			os_futex_wait(os_of(z), &z->opener_does, OPENER_OPENS, (os_mono_ms(os_of(z)) + pause) * 1000000);
			pause = MIN(pause * 2, (mono_ms)REOPEN_PAUSE_MAX_MS);
		}
	}
}

static void opener_tell(struct zookeeper *z, enum opener what)
{
	__atomic_store_n(&z->opener_does, what, __ATOMIC_RELEASE);
	os_futex_wake(os_of(z), &z->opener_does, 1);
}

static enum err zookeeper_reopen(struct coord *face)
{
	struct zookeeper *z = zookeeper_of(face);

	/* Its handle may have been connected and expired before it goes to rest: that is a matter of microseconds. */
	while (__atomic_load_n(&z->opener_does, __ATOMIC_ACQUIRE) == OPENER_OPENS && handle_of(z) != NULL)
		os_sleep_ms(os_of(z), 1);
	handle_close(z, ERR_EXPIRED);
	opener_tell(z, OPENER_OPENS);
	return OK;
}

static void zookeeper_close_side(struct coord *face, bool is_crash)
{
	struct zookeeper *z = zookeeper_of(face);

	ASSERT(!is_crash);	/* for simulations, and this is none */
	if (z->opener != NULL) {	/* when it resolves a name just now, this waits until it has */
		opener_tell(z, OPENER_ENDS);
		os_thread_join(os_of(z), &z->opener);
	}
	handle_close(z, ERR_CONN_LOSS);
	free(z->connect);
	free(z);
}

static const struct coord_ops zookeeper_ops = {
	.submit = zookeeper_submit, .session_id = zookeeper_session_id, .reopen = zookeeper_reopen, .close = zookeeper_close_side,
};

/* --- open ------------------------------------------------------------------------------------------------------------------ */

/* A throw-away session: only whether it is connected. */
static void on_first_event(zhandle_t *handle UNUSED, int type, int state, const char *path UNUSED, void *context)
{
	if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
		__atomic_store_n((bool *)context, true, __ATOMIC_RELEASE);
}

static bool wait_until(struct os *os, const bool *flag, mono_ms deadline, bool (*is_given_up)(void))
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
		if (os_mono_ms(os) >= deadline || (is_given_up != NULL && is_given_up()))
			return false;
		os_sleep_ms(os, POLL_MS);
	}
	return true;
}

static enum err not_connected(const char *connect, const struct coord_zookeeper_spec *spec, char *problem, size_t size)
{
	if (spec->is_given_up != NULL && spec->is_given_up()) {
		snprintf(problem, size, "no connection to ZooKeeper at %s until it was wanted no longer", connect);
		return ERR_CLOSED;
	}
	snprintf(problem, size, "no connection to ZooKeeper at %s within %d ms (zookeeper.connection.timeout.ms)", connect, spec->connection_timeout_ms);
	return ERR_TIMEOUT;
}

/* As the library wants it: the servers without blanks and each with its port, then the chroot. */
static char *library_connect(const char *connect, const char *chroot)
{
	struct slice rest = slice_of(connect, strcspn(connect, "/")), item, host;
	struct strbuf out = STRBUF_INIT;
	char address[ADDRESS_TEXT_SIZE];
	uint16_t port;

	while (config_list_next(&rest, &item)) {
		if (!config_zookeeper_server(item, &host, &port))
			continue;
		strbuf_printf(&out, "%s%s", out.len > 0 ? "," : "", address_text(address, host, port));
	}
	strbuf_add_str(&out, chroot);
	char *text = mem_strdup(strbuf_cstr(&out));
	strbuf_fini(&out);
	return text;
}

/* Each part of the path in turn, with null data; what exists is fine. */
static int make_path(zhandle_t *handle, const char *path)
{
	char *part = mem_strdup(path);
	int rc = ZOK;

	for (char *slash = part; slash != NULL && (rc == ZOK || rc == ZNODEEXISTS); ) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		rc = zoo_create(handle, part, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, NULL, 0);
		if (slash != NULL)
			*slash = '/';
	}
	free(part);
	return rc == ZNODEEXISTS ? ZOK : rc;
}

static enum err make_chroot(struct os *os, const struct coord_zookeeper_spec *spec, const char *chroot, mono_ms deadline, char *problem, size_t size)
{
	char *hosts = library_connect(spec->connect, "");
	bool is_connected = false;
	zhandle_t *handle;
	enum err e = handle_open(&handle, hosts, on_first_event, spec->session_timeout_ms, &is_connected);

	if (e != OK) {
		say_not_open(e, hosts, problem, size);
	} else if (!wait_until(os, &is_connected, deadline, spec->is_given_up)) {
		e = not_connected(hosts, spec, problem, size);
	} else {
		int rc = make_path(handle, chroot);

		e = err_of(rc);
		if (e != OK)
			snprintf(problem, size, "cannot create %s in ZooKeeper at %s: %s", chroot, hosts, zerror(rc));
	}
	if (handle != NULL)
		zookeeper_close(handle);
	free(hosts);
	return e;
}

enum err coord_open_zookeeper(struct coord **out, struct actor *owner, const struct coord_zookeeper_spec *spec, char *problem, size_t problem_size)
{
	struct os *os = sched_os(owner->sched);
	mono_ms deadline = os_mono_ms(os) + spec->connection_timeout_ms;
	const char *chroot = strchr(spec->connect, '/');
	bool has_chroot = chroot != NULL && chroot[1] != '\0';

	ASSERT(!sched_is_sim(owner->sched));
	if (has_chroot && !is_sendable_path(chroot, 0)) {
		snprintf(problem, problem_size, "the path %s in zookeeper.connect is not a valid one", chroot);
		return ERR_INVALID;
	}
	if (has_chroot) {
		enum err e = make_chroot(os, spec, chroot, deadline, problem, problem_size);
		if (e != OK)
			return e;
	}
	struct zookeeper *z = mem_calloc(1, sizeof(*z));
	z->face = (struct coord){ .ops = &zookeeper_ops, .owner = owner };
	z->connect = library_connect(spec->connect, has_chroot ? chroot : "");
	z->session_timeout_ms = z->session.timeout_ms = spec->session_timeout_ms;
	z->on_session = spec->on_session;
	z->on_session_arg = spec->on_session_arg;
	list_init(&z->requests);
	enum err e = os_thread_start(os, &z->opener, "zookeeper", OPENER_STACK_BYTES, opener_run, z);
	if (e != OK) {
		z->opener = NULL;
		snprintf(problem, problem_size, "cannot start a thread: %s", err_text(e));
	} else if ((e = open_handle(z)) != OK) {
		say_not_open(e, z->connect, problem, problem_size);
	} else if (!wait_until(os, &z->is_connected, deadline, spec->is_given_up)) {
		e = not_connected(z->connect, spec, problem, problem_size);
	}
	if (e != OK) {
		zookeeper_close_side(&z->face, false);
		return e;
	}
	*out = &z->face;
	return OK;
}
