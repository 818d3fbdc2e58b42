/*
 * Listeners, connections and calls. A network actor owns its connections: it frames, decodes, starts a handler, counts the answers that come
 * home, and writes responses in request order.
 *
 * A call is one request from its last byte to its answer's last byte. Its handler (an api_row) is three short functions:
 *   begin      decode is done; ask whom it must, count the questions in call->waiting;
 *   on_answer  one message came home;
 *   end        nothing is out any more: fill the response in; net encodes and sends it.
 * begin runs in arrival order per connection, and waits for all earlier answers of that connection unless both are Produce.
 * A call outlives its connection: it ends when its last message is home, whoever is still there to hear.
 *
 * Bounds: calls per network actor (NET_CALLS), bytes of a frame (socket.request.max.bytes), arena per call; when one is reached the
 * connection is not read from until something comes free. Nothing is dropped.
 */
#ifndef SKEIN_NET_H
#define SKEIN_NET_H

#include "actor/actor.h"
#include "base/arena.h"
#include "base/list.h"
#include "cluster/cluster_msg.h"
#include "wire/wire.h"

#define NET_CALLS 1024

struct network;			/* one network actor: private to net */
struct connection;
struct call;

/* Who may do what: security.md. The default authoriser allows everything. */
enum acl_operation { ACL_NONE, ACL_READ = 3, ACL_WRITE, ACL_CREATE, ACL_DELETE, ACL_ALTER, ACL_DESCRIBE, ACL_CLUSTER_ACTION,
                     ACL_DESCRIBE_CONFIGS, ACL_ALTER_CONFIGS, ACL_IDEMPOTENT_WRITE };
enum acl_resource { ACL_NO_RESOURCE, ACL_TOPIC = 2, ACL_GROUP, ACL_CLUSTER, ACL_TRANSACTIONAL_ID };

struct api_row {
	int16_t      key, version_min, version_max;	/* what is advertised; ApiVersions answers from this table */
	int16_t      serve_min;				/* below it: served as `refuse` says, though advertised (probes) */
	const char  *name;
	enum acl_operation operation;			/* what the request needs, on ... */
	enum acl_resource  resource;
	bool         overlaps_itself;			/* Produce: consecutive ones of a connection may be out together */
	bool         is_exempt_from_quota;
	size_t       request_size, response_size;	/* of the decoded structs, allocated in the call's arena */
	bool       (*decode)(void *request, struct reader *r, int version, struct arena *arena);
	bool       (*encode)(const void *response, struct writer *w, int version);
	void       (*response_init)(void *response);	/* sets the schema's defaults */
	void       (*begin)(struct call *c);
	void       (*on_answer)(struct call *c, struct msg *m);
	void       (*end)(struct call *c);
	void       (*on_wakeup)(struct call *c);	/* a call_park deadline came, or call_resume was called; NULL: never parks */
};

enum call_stage { STAGE_RECEIVED, STAGE_BEGUN, STAGE_ANSWERED, STAGE_SENT, STAGE_COUNT };

struct call {
	struct list        in_connection;	/* in request order */
	struct network    *network;
	struct connection *connection;		/* NULL once closed */
	const struct api_row *api;
	const char        *listener;		/* name of the listener the request came in on; lives as long as net */
	struct slice       principal;		/* "User:ANONYMOUS" */
	int16_t            version;
	int32_t            correlation_id;
	struct slice       client_id;		/* into the frame */
	struct slice       frame;		/* the whole request; valid, and writable by the handler, until the call ends */
	struct arena       arena;		/* reset after the answer */
	void              *request, *response;	/* decoded; zeroed and initialised by the row's sizes */
	void              *state;		/* the handler's own, in the arena */
	int32_t            waiting;		/* messages out; the handler adds, net subtracts before on_answer */
	bool               wants_no_response;	/* Produce acks=0 */
	bool               wants_close;		/* close instead of answering (after earlier answers are sent) */
	bool               holds_connection;	/* set by the handler: nothing behind this call on its connection begins while it is set */
	bool               is_parked;
	mono_ns            stage[STAGE_COUNT];
	int32_t            throttle_ms;
	struct list        park;		/* on the network's timer structure */
	mono_ms            park_deadline;
	uint32_t           park_index;
};

/* --- for handlers (all on the network actor's thread) ----------------------------------------------------------------------------------- */
/* Sends m (its home must be the network's actor, its context is set to the call) and counts it in c->waiting. A full lane: the message is queued in the
 * network actor, in order per receiver, and sent when answers come home; meanwhile no connection is read. Never fails. */
void call_ask(struct call *c, struct actor *to, struct msg *m);
/* Like call_ask for a partition; false when the partition has stopped (nothing was sent, nothing counted). */
struct partition_addr;
bool call_ask_partition(struct call *c, struct partition_addr *to, struct msg *m) MUST_CHECK;
/* A zeroed message from the call's arena, initialised (kind, home). NULL: the arena's limit; answer the item with an error. */
void *call_message(struct call *c, size_t size, uint16_t kind) MUST_CHECK;
/* Ends the call when nothing is out and it is not parked; a handler calls it at the end of begin or on_answer when net need not wait. net itself checks after
 * every begin, on_answer and on_wakeup: call->waiting == 0 && !is_parked means end. */
/* Parks until the deadline (or call_resume): on_wakeup is then called, is_parked is false again. */
void call_park(struct call *c, mono_ms deadline);
void call_resume(struct call *c);
struct cluster *call_cluster(struct call *c);		/* this actor's current picture; borrowed until the handler returns */
struct actor   *network_actor(struct network *n);
mono_ms         call_now(struct call *c);
time_ms         call_time(struct call *c);
/* May the caller do op on the named resource? The one question every handler asks per item. */
bool call_authorize(struct call *c, enum acl_operation op, enum acl_resource resource, struct slice name);
void call_book(struct call *c, uint64_t bytes_in, uint64_t bytes_out);	/* quotas and metrics hang here */
/* Per-network-actor state of a handler module (fetch sessions, watches): created by the module's hook, found by its key. */
void *network_slot(struct network *n, int slot);
enum { NETWORK_SLOT_API, NETWORK_SLOT_COUNT };
void  network_set_slot(struct network *n, int slot, void *value);

/* --- for the broker ------------------------------------------------------------------------------------------------------------------------- */
struct net_listener_spec {
	char     name[64];		/* upper case */
	char     host[256];		/* "": all */
	uint16_t port;
	uint16_t bound_port;		/* filled by net_start */
};

struct net_spec {
	struct sched   *sched;
	struct workers *workers;
	const struct api_row *const *rows;	/* by API key; NULL = not served (close) */
	int             row_count;
	int             network_threads;	/* lanes LANE_NETWORK_FIRST ... */
	int             max_request_bytes, backlog, send_buffer, recv_buffer;
	mono_ms         max_idle_ms;
	int             max_connections, max_connections_per_ip;
	struct net_listener_spec *listeners;
	int             listener_count;
	void           *app;			/* the handlers' world: struct api_context of src/api */
	void          (*network_created)(struct network *n, void *app);	/* fills slots; before the thread starts */
	void          (*on_home)(struct network *n, void *app, struct msg *m);	/* a message of the handlers' that belongs to no call (context NULL) came home */
	void          (*network_ended)(struct network *n, void *app);	/* after its thread ended: frees slots */
};

#define LANE_NETWORK_FIRST 1
#define NETWORK_THREADS_MAX 32

struct net;
/* Binds every listener (nothing is accepted yet), then starts the actors. On error *failed names the listener. */
enum err net_create(struct net **out, struct net_spec *spec, char *problem, size_t problem_size) MUST_CHECK;
enum err net_start(struct net *n) MUST_CHECK;		/* begins to accept */
/* Ends in two steps, because partitions hold watches of the network actors until they end themselves: net_stop closes listeners and connections, wakes every parked
 * call and returns when no call is left; the actors go on receiving messages. After the partitions have ended net_destroy joins them. */
void     net_stop(struct net *n);
void     net_destroy(struct net **n);
int      net_network_count(const struct net *n);
struct network *net_network(struct net *n, int i);
void    *network_app(struct network *n);

/* A network actor answers one question, struct cluster_picture of cluster/cluster_msg.h: the controller's new picture. */

struct net_counters {			/* sums over the actors; any thread */
	uint64_t connections_open, connections_accepted, connections_closed, requests, bytes_in, bytes_out, bad_requests, idle_closed;
};
void net_counters(const struct net *n, struct net_counters *out);

#endif
