/*
 * Listeners, connections and calls. A network actor owns its connections: it frames, decodes,
 * starts a handler, counts the answers that come home, and writes responses in request order.
 *
 * A call is one request from its last byte to its answer's last byte. Its handler (an api_row) is
 * three short functions:
 *   begin      decode is done; ask whom it must (call_ask counts what is out);
 *   on_answer  one message came home;
 *   end        nothing is out any more: fill the response in; net encodes and sends it.
 * After begin, on_answer and on_wakeup net looks: nothing out and not parked means end. end runs
 * once for every call that has begun, also when nobody is there to hear any more (call->connection
 * is NULL): what a handler holds is given back there. begin runs in arrival order per connection,
 * and waits for all earlier answers of that connection unless the row overlaps_itself and all that
 * is out is of the same row. A call outlives its connection: it ends when its last message is home.
 * When the connection goes, a parked call is resumed.
 *
 * A message whose context is a call comes home to on_answer; call_ask sets it.
 *
 * Bytes of segment files are sent without a copy: a records field of the response has file = a
 * struct log_range (storage/log.h) in the call's arena, whose reference becomes net's when the
 * response is encoded. If the file is cut before it is sent the connection is closed. When nothing
 * is encoded (connection is NULL, or wants_close) the references stay the handler's, to be given
 * back in end.
 *
 * Bounds: calls of one connection (NET_PIPELINE), calls beyond the first of each connection
 * (NET_CALLS per network actor), bytes of a frame (socket.request.max.bytes), arena per call
 * (NET_ARENA_BYTES). When one is reached the connection is not read from until something comes
 * free; beyond the arena call_message and arena_alloc answer NULL. Nothing is dropped.
 */
#ifndef SKEIN_NET_H
#define SKEIN_NET_H

#include "actor/actor.h"
#include "base/arena.h"
#include "cluster/cluster_msg.h"
#include "partition/partition.h"
#include "wire/wire.h"

#define NET_PIPELINE    16		/* calls of one connection, unsent answers included */
#define NET_CALLS       1024		/* per actor, beyond the first of each connection */
#define NET_ARENA_BYTES (128u << 20)	/* decoded request, messages and response of one call */

struct network;			/* one network actor: private to net */
struct connection;
struct call;

/* Who may do what: security.md. The default authoriser allows everything. */
enum acl_operation {
	ACL_NONE, ACL_READ = 3, ACL_WRITE, ACL_CREATE, ACL_DELETE, ACL_ALTER, ACL_DESCRIBE,
	ACL_CLUSTER_ACTION, ACL_DESCRIBE_CONFIGS, ACL_ALTER_CONFIGS, ACL_IDEMPOTENT_WRITE,
};
enum acl_resource { ACL_NO_RESOURCE, ACL_TOPIC = 2, ACL_GROUP, ACL_CLUSTER, ACL_TRANSACTIONAL_ID };

struct api_row {
	/* what is advertised; ApiVersions answers from this table */
	int16_t      key, version_min, version_max;
	/* below it: advertised (clients probe), decoded, refused by begin */
	int16_t      serve_min;
	const char  *name;
	enum acl_operation operation;			/* what the request needs, on ... */
	enum acl_resource  resource;
	/* Produce: consecutive ones of a connection may be out together */
	bool         overlaps_itself;
	bool         is_exempt_from_quota;
	/* served before the first picture, too: what brings it. Of all else the connection closes. */
	bool         needs_no_picture;
	/* waits for something to happen, as long as the client likes: that is not slow */
	bool         waits_for_news;
	/* of the decoded structs, allocated in the call's arena */
	size_t       request_size, response_size;
	bool       (*decode)(void *request, struct reader *r, int version, struct arena *arena);
	bool       (*encode)(const void *response, struct writer *w, int version);
	/* sets the schema's defaults, before begin; NULL: zeros */
	void       (*response_init)(void *response);
	void       (*begin)(struct call *c);
	void       (*on_answer)(struct call *c, struct msg *m);
	void       (*end)(struct call *c);
	/* a call_park deadline came, or call_resume was called; NULL: never parks */
	void       (*on_wakeup)(struct call *c);
};

enum call_stage { STAGE_RECEIVED, STAGE_BEGUN, STAGE_ANSWERED, STAGE_SENT, STAGE_COUNT };

struct call {
	struct network    *network;
	struct connection *connection;		/* NULL once closed; for comparison, nothing else */
	const struct api_row *api;
	/* name of the listener the request came in on; lives as long as net */
	const char        *listener;
	struct slice       principal;		/* "User:ANONYMOUS" */
	int16_t            version;
	int32_t            correlation_id;
	struct slice       client_id;		/* into the frame; never null */
	/* the whole request; valid, and writable by the handler, until the call ends */
	struct slice       frame;
	struct arena       arena;		/* reset after the answer */
	/* decoded; response_init has set the response's defaults */
	void              *request, *response;
	void              *state;		/* the handler's own, in the arena */
	/* messages out: who sends adds (call_ask does), net subtracts before on_answer */
	int32_t            waiting;
	bool               wants_no_response;	/* Produce acks=0 */
	/* close instead of answering, after earlier answers are sent; until end returns */
	bool               wants_close;
	/* set by the handler: nothing behind this call on its connection begins while it is set */
	bool               holds_connection;
	bool               is_parked;
	/* > 0: the answer leaves at once, but nothing is read for so long */
	int32_t            throttle_ms;
	mono_ns            stage[STAGE_COUNT];
	/* the handler's: when all that it wrote was in the log, and it waited for other replicas or the disk; 0: it did not */
	mono_ms            written_at;
};

/* --- for handlers (all on the network actor's thread) ---------------------------------------- */
/* Sends m (its home must be the network's actor; its context becomes the call) and counts it in
 * c->waiting. A full lane: m waits in the network actor, in order, and is sent when there is room;
 * meanwhile nothing new begins on this call's connection. Never fails. */
void call_ask(struct call *c, struct actor *to, struct msg *m);
/* Like call_ask for a partition. False when it has stopped: nothing was sent, nothing counted. If
 * it stops while m waits for room, m comes to on_answer as a stopped partition would have answered
 * it (partition_refuse). */
bool call_ask_partition(struct call *c, struct partition_addr *to, struct msg *m) MUST_CHECK;
/* A zeroed message from the call's arena, initialised (kind, home). NULL: the arena's limit; answer
 * the item with an error. */
void *call_message(struct call *c, size_t size, uint16_t kind) MUST_CHECK;
/* Parks until the deadline or call_resume: on_wakeup is then called (from the actor's step, never
 * from within these two), is_parked is false again, and it may park anew. Parking is not waiting:
 * answers of questions still come to on_answer. A deadline that has passed, a closed connection, or
 * a stopping broker mean: at once. */
void call_park(struct call *c, mono_ms deadline);
void call_resume(struct call *c);			/* nothing happens when it is not parked */

/* this actor's current picture; borrowed until the handler returns. NULL before the first one, which
 * only a row that needs_no_picture can meet. */
struct cluster *call_cluster(struct call *c);
mono_ms         call_now(struct call *c);		/* of this step; not the clock itself */
time_ms         call_time(struct call *c);
mono_ms         call_connection_age(struct call *c);	/* 0: it is closed */
/* May the caller do op on the named resource? The one question every handler asks per item. */
bool call_authorize(struct call *c, enum acl_operation op, enum acl_resource resource,
                    struct slice name);
/* The address of the peer, without its port, as text in buf; "" when the connection is gone. */
const char *call_peer_host(struct call *c, char buf[64]);
/* bytes of records and requests for the account of who pays: quotas hang here */
void call_book(struct call *c, uint64_t bytes_in, uint64_t bytes_out);

/* What clients and followers did, for metrics. */
enum net_data {
	NET_MESSAGES_IN,		/* records appended for clients, */
	NET_BYTES_IN,			/* and the bytes of their batches */
	NET_BYTES_OUT,			/* bytes of batches given to consumers, */
	NET_REPLICATION_BYTES_OUT,	/* and to followers */
	NET_PRODUCE_REQUESTS, NET_PRODUCE_FAILED,	/* by topic-partition in a request, as Kafka counts */
	NET_FETCH_REQUESTS, NET_FETCH_FAILED,
	NET_DATA_COUNT
};
void call_count(struct call *c, enum net_data what, uint64_t n);

/* What belongs to no call: watches, scratch memory. One slot per handler module, set in
 * network_created. */
enum { NETWORK_SLOT_API, NETWORK_SLOT_COUNT };
void *network_slot(struct network *n, int slot);
void  network_set_slot(struct network *n, int slot, void *value);
/* In a handler: no other connection of this actor waits for an answer, and nobody whose step it ran has held it up lately. Then more may be done on its thread: msg.is_light. */
bool          network_serves_one(const struct network *n);
struct actor *network_actor(struct network *n);		/* home of all messages */
void *network_app(struct network *n);
int   network_index(const struct network *n);

/* --- for the broker -------------------------------------------------------------------------- */
struct net_listener_spec {
	char     name[64];		/* upper case */
	char     host[256];		/* "": all */
	uint16_t port;			/* 0: any */
	uint16_t bound_port;		/* filled by net_create */
};

struct net_spec {
	struct sched   *sched;
	struct workers *workers;
	const struct api_row *const *rows;	/* by API key; NULL = not served (close) */
	int             row_count;
	int             network_threads;	/* lanes LANE_NETWORK_FIRST ... */
	int             max_request_bytes, backlog, send_buffer, recv_buffer;
	mono_ms         max_idle_ms;
	bool            measures;		/* keeps net_api_times */
	int32_t         slow_request_ms;	/* a request that took so long is told in the log; 0: none is */
	int             max_connections;	/* of the broker: at the limit accepting waits */
	int             max_connections_per_ip;	/* one more is closed right after accept */
	struct net_listener_spec *listeners;
	int             listener_count;
	bool            listens_late;		/* not before net_listen: who connects meanwhile is refused */
	void           *app;	/* the handlers' world: struct api_context of src/api */
	/* each may be NULL */
	/* fills slots; before the thread starts */
	void          (*network_created)(struct network *n, void *app);
	/* a message that belongs to no call (context NULL) came home */
	void          (*on_home)(struct network *n, void *app, struct msg *m);
	/* after its thread has ended: frees slots */
	void          (*network_ended)(struct network *n, void *app);
};

#define LANE_NETWORK_FIRST 1
#define NETWORK_THREADS_MAX 32

struct net;
/* Binds every listener (nothing is accepted yet), then starts the actors. *spec and what it points
 * to must outlive net. On error `problem` says which listener, for people. */
enum err net_create(struct net **out, struct net_spec *spec, char *problem,
                    size_t problem_size) MUST_CHECK;
/* With listens_late: from now on who connects waits until net_start. Any thread, any number of times. problem: which listener, for people. */
enum err net_listen(struct net *n, char *problem, size_t problem_size) MUST_CHECK;
/* begins to accept; by then every network actor must have a picture */
void     net_start(struct net *n);
/*
 * The end has three steps, because calls wait at partitions and coordinators, for replicas and for
 * members that may never come, and partitions hold watches of the network actors until they end
 * themselves. net_hush closes listeners and connections and resumes every parked call: no call
 * begins any more, and the actors go on receiving messages. When partitions and coordinators have
 * let go of what waits, net_stop returns, because no call is left. Then net_destroy joins the
 * actors. Each does what is before it when that was not called.
 */
void     net_hush(struct net *n);
void     net_stop(struct net *n);
void     net_destroy(struct net **n);
int      net_network_count(const struct net *n);
struct network *net_network(struct net *n, int i);
int      net_row_count(const struct net *n);
const struct api_row *net_row(const struct net *n, int key);	/* NULL: not served */

/* A network actor answers one question, struct cluster_picture of cluster/cluster_msg.h: the
 * controller's new picture. */

struct net_counters {			/* sums over the actors; any thread */
	uint64_t connections_open, connections_accepted, connections_closed;
	uint64_t requests, bytes_in, bytes_out;
	uint64_t record_bytes_in, record_bytes_out;	/* what call_book was told */
	uint64_t data[NET_DATA_COUNT];	/* what call_count was told */
	uint64_t bad_requests;		/* connections closed for what they sent */
	uint64_t idle_closed, refused;	/* refused: max.connections.per.ip */
	uint64_t asks_delayed;		/* questions that found their lane full */
};
void net_counters(const struct net *n, struct net_counters *out);

/*
 * How long requests of one API took, from their last byte to the last byte of the answer; kept only with net_spec.measures. Requests without an
 * answer (acks=0, closed connections) are counted in the connection's figures alone.
 */
#define NET_TIME_BUCKETS 16
extern const uint32_t net_time_bounds_us[NET_TIME_BUCKETS - 1];	/* inclusive, ascending; the last bucket has none */
struct net_api_times {
	uint64_t buckets[NET_TIME_BUCKETS];
	/* sums: all of it; until its handler began; until the answer was there; until it was sent */
	uint64_t total_us, queue_us, local_us, send_us;
};
void net_api_times(const struct net *n, int key, struct net_api_times *out);	/* sums over the actors; any thread. Zeros without net_spec.measures */

#endif
