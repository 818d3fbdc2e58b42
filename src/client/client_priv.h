/*
 * What the files client*.c share. See README.md for who does what.
 */
#ifndef SKEIN_CLIENT_PRIV_H
#define SKEIN_CLIENT_PRIV_H

#include "base/address.h"
#include "base/list.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "client/client.h"
#include "client/client_call.h"
#include "wire/gen/metadata.h"
#include "wire/wire.h"

#define NODE_ADDR_MAX   8
#define NODE_BOOTSTRAP  (-100)		/* bootstrap addresses have the ids NODE_BOOTSTRAP, -101, ... until they are known */
#define FRAME_BYTES_MAX (256 << 20)	/* a larger answer closes the connection */
#define VERSIONS_BYTES_MAX (64 << 10)	/* so does one that is larger while the versions are asked for, when nobody knows yet who is there */
#define FRAME_BYTES_MIN (16 << 10)	/* room made before the bytes are there */
#define ARENA_BYTES_MAX (512 << 20)	/* for one answer's arrays, which are linear in its bytes */
#define CLIENT_EVENTS   64
#define NODES_MAX       5000		/* brokers beyond are not learnt: no cluster has so many, and somebody may lie */

enum node_state {
	NODE_IDLE,		/* no socket */
	NODE_CONNECTING,
	NODE_NEGOTIATING,	/* ApiVersions is under way */
	NODE_READY,
};

struct client_node {
	struct list         link;
	struct client      *client;
	int32_t             id;
	int                 line;
	bool                has_fixed_versions;	/* ApiVersions is not asked */
	char               *host;
	uint16_t            port;
	enum node_state     state;
	os_fd               fd;
	int                 events;		/* what the poller waits for */
	struct os_addr      addrs[NODE_ADDR_MAX];
	int                 addr_count, addr_next;
	mono_ms             state_deadline;	/* CONNECTING and NEGOTIATING */
	struct client_call *negotiation;	/* the ApiVersions of this connection, until its answer has been looked at; NULL */
	mono_ms             retry_at;		/* IDLE: not before */
	int                 failures;		/* in a row */
	bool                was_tried;
	struct list         waiting, in_flight;	/* struct client_call */
	struct writer       out;
	size_t              out_sent;
	uint8_t             head[4];		/* size of the frame that comes in */
	size_t              head_got;
	uint8_t            *frame;
	size_t              frame_size, frame_got, frame_room;
	int16_t             version_min[API_KEY_COUNT], version_max[API_KEY_COUNT];	/* max -1: not spoken */
	struct client_error error;		/* why it failed last */
};

struct client {
	struct os          *os;
	struct os_poller   *poller;
	struct client_spec  spec;		/* strings are ours */
	struct list         nodes, users, done;
	int32_t             next_correlation_id;
	struct client_error error;
	char               *cluster_id;
	int32_t             controller_id;
	/* metadata */
	struct map          topics;		/* name -> struct client_topic */
	int                 found_count;	/* of them, by client_topic_found */
	struct client_call *metadata_call;	/* under way, or NULL */
	bool                metadata_is_due, is_connected;
	bool                has_left_out;	/* the last question named not all topics: client_metadata.c */
	mono_ms             metadata_at;	/* not before; and when the next one is due anyway */
	mono_ms             metadata_expires;
	int                 metadata_failures;
	/* the caller's descriptor */
	os_fd               watch_fd;
	bool                watch_is_ready, watch_always;
	/* what client_wait found, until the next turn */
	struct os_event     events[CLIENT_EVENTS];
	int                 event_count;
	bool                has_polled;
};

/* client_api.c */
struct client_api {
	int16_t key, version_min, version_max;
	size_t  request_size, response_size;
	void  (*init)(void *request);
	bool  (*encode)(const void *request, struct writer *w, int v);
	bool  (*decode)(void *response, struct reader *r, int v, struct arena *arena);
};

/* client.c */
void client_bootstrap_again(struct client *c);

/* client_call.c */
void client_call_finish(struct client_call *call, enum err err);	/* off its list, onto the client's done list */
void client_call_fail(struct client_call *call, const struct client_error *why);
int  client_calls_deliver(struct client *c);

/* client_node.c */
struct client_node *client_node_create(struct client *c, int32_t id, const char *host, uint16_t port);
void    client_node_destroy(struct client_node **node);
bool    client_node_move(struct client_node *node, const char *host, uint16_t port);
struct client_node *client_node_find(struct client *c, int32_t id, int line);	/* NULL: not known */
struct client_node *client_node_on_line(struct client *c, int32_t id, int line);	/* makes it, where the broker is known */
struct client_node *client_node_any(struct client *c);
void    client_node_event(struct client_node *node, int events);
mono_ms client_node_turn(struct client_node *node, mono_ms now);
void    client_node_send(struct client_node *node, struct client_call *call);
void    client_node_fail(struct client_node *node, const struct client_error *why);
void    client_node_name(const struct client_node *node, char out[ADDRESS_TEXT_SIZE]);

/* client_io.c: bytes in and out of a node's socket */
void client_io_readable(struct client_node *node);
void client_io_flush(struct client_node *node);
void client_io_wait(struct client_node *node, int events);
bool client_io_encode(struct client_node *node, struct client_call *call);
void client_io_close(struct client_node *node);

/* client_metadata.c */
mono_ms client_metadata_turn(struct client *c, mono_ms now);
void    client_metadata_fini(struct client *c);

#endif
