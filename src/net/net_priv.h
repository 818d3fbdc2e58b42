/*
 * What the files of this folder share. Everything here belongs to one network actor, except struct
 * net, which is frozen after net_create but for `accepting`, and struct acceptor, which is its own
 * actor.
 */
#ifndef SKEIN_NET_PRIV_H
#define SKEIN_NET_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "net/frames.h"
#include "net/net.h"
#include "net/timers.h"

#define NET_CHUNK    (32u << 10)	/* receive room, shared by an actor's connections */
#define NET_UNSENT   (64u << 10)	/* unsent answers beyond which no request begins */
#define NET_SEATS    64			/* free ones that a network actor lends the acceptor */
#define NET_WARM     64			/* free calls that keep their memory */
#define NET_EVENTS   256
#define NET_MAX_LISTENERS 16

enum {					/* kinds beside CLUSTER_PICTURE */
	NET_SEAT = MSG_BASE_NET + 0x80,	/* struct connection, to the acceptor */
	NET_LOAD,			/* struct net_load, a job */
};

/* --- a connection is the seat it sits on ----------------------------------------------------- */
/*
 * A seat is a round trip: a network actor lends free seats to the acceptor, which answers with a
 * connection on one, or never. When that connection is gone the seat goes out again and tells so.
 * Thus accepting needs no lane towards network actors, and stops by itself when they do not keep
 * up.
 */
struct connection {
	struct msg      msg;		/* NET_SEAT */
	/* question */
	bool            has_left;	/* the connection from `peer` that sat here is gone */
	/* keep the seat until there is a connection; else answer at once */
	bool            wants_next;
	/* answer */
	uint8_t         listener;	/* index */
	os_fd           fd;		/* -1: none */
	struct os_addr  peer;
	struct list     waiting;	/* the acceptor's, while it has the seat */

	/* the network actor's */
	struct network *network;
	/* n->open while open, n->closed until the end of the step in which it closed */
	struct list     in_open;
	struct list     in_work;	/* n->work: to be settled in this step */
	struct list     in_stalled;	/* n->stalled: has a whole request, waits for a call */
	mono_ms         opened, last_event;
	bool            is_open;
	bool            has_ended;	/* the peer sends no more; what has arrived is answered */
	/* it sent what we do not take: closes when earlier requests are answered */
	bool            is_refused;
	bool            is_blocked;	/* output waits for the socket to be writable */
	uint8_t         interest;	/* what the poller reports: enum OS_x */

	uint8_t         size[4];	/* the next frame's, as far as it has arrived */
	uint8_t         size_filled;
	struct frame    frame;		/* the request being read, or whole and waiting to begin */
	mono_ns         frame_received;
	struct frame    stash;		/* bytes behind a request that waits */
	uint32_t        stash_pos;

	struct list     calls;		/* in request order: running, or answered and not sent */
	int             call_count;
	int             running;	/* of these, not answered */
	int             asks_waiting;	/* questions of its calls that wait for a lane */
	struct timer    mute;		/* throttled until */

	size_t          unsent;		/* bytes of memory in answers not sent */
	size_t          out_pos;	/* of the first call's answer: bytes of the buffer sent, */
	size_t          out_gap;	/* gaps sent, */
	uint32_t        out_gap_sent;	/* and bytes of the next gap, */
	uint32_t        out_gap_ready;	/* so many of which are in memory */
	struct net_load *load;		/* a job that fetches what the next gap needs; NULL: none */
};

/* --- a call ---------------------------------------------------------------------------------- */
enum call_phase { CALL_RUNNING, CALL_ANSWERED };

struct net_call {
	struct call        call;
	struct list        in_connection;	/* or n->free_calls */
	struct list        in_resumed;		/* n->resumed: to be woken in this step */
	struct timer       park;
	struct frame       frame;
	struct writer      out;			/* the answer, from its size on */
	enum call_phase    phase;
};

static inline struct net_call *net_call_of(struct call *c)
{
	return CONTAINER_OF(c, struct net_call, call);
}

/* --- a network actor ------------------------------------------------------------------------- */
struct ask {				/* a question that found its lane full */
	struct msg            *m;
	struct actor          *to;	/* one of the two */
	struct partition_addr *partition;	/* a reference */
};

struct asks {
	struct ask *items;		/* in order */
	int         count, size;
};

struct network {
	struct actor      actor;
	struct net       *net;
	struct os        *os;
	int               index;
	struct os_poller *poller;
	struct os_event   events[NET_EVENTS];
	int               event_count;
	bool              has_polled;	/* events are those of the wait before this step */
	bool              serves_many;	/* see has_many_busy. These six are its thread's, also while a turn is on loan */
	uint32_t          spin_skip, spin_pause;	/* see look_again */
	bool              is_stopping;	/* no call begins any more; read by anyone */
	bool              is_quiet;	/* stopping, and no call is left; read by anyone */
	mono_ms           now;		/* of this step */
	mono_ns           now_ns;	/* of this phase of the step */
	struct cluster   *cluster;	/* NULL until the first picture came */
	uint8_t          *chunk;	/* NET_CHUNK bytes */

	struct list       open;		/* connections, least recent event first */
	struct list       closed, work, stalled;
	int               seats_lent;	/* with wants_next */
	struct timers     mutes;

	struct list       free_calls, resumed;
	int               free_call_count, calls_in_use;
	int               busy_connections;	/* open ones with a call */
	mono_ns           held_until;	/* see network_serves_one */
	struct timers     parks;
	struct asks       asks;
	struct frame_pool frames;
	void             *slots[NETWORK_SLOT_COUNT];
	struct net_counters counters;	/* one writer; read by anyone */
	struct net_api_times *times;	/* by API key; NULL: not measured. The same */
};

#define COUNT(n, field, by) \
	__atomic_store_n(&(n)->counters.field, (n)->counters.field + (uint64_t)(by), \
	                 __ATOMIC_RELAXED)

void network_request_sent(struct call *c);	/* its answer has left */

/* --- the acceptor and the whole -------------------------------------------------------------- */
/* stopped: connections are closed too */
enum net_accepting { NET_NOT_YET, NET_ACCEPTING, NET_STOPPED };

struct door {			/* a listening socket */
	os_fd fd;			/* -1 when closed */
	bool  is_polled, is_in_poller;
};

struct acceptor {
	struct actor      actor;
	struct net       *net;
	struct os_poller *poller;
	struct os_event   events[NET_MAX_LISTENERS];
	int               event_count;
	bool              has_polled;
	struct door   doors[NET_MAX_LISTENERS];
	struct list       seats[NETWORK_THREADS_MAX];	/* lent by each network actor */
	int               seat_count[NETWORK_THREADS_MAX];
	int               open;		/* connections of the broker */
	bool              is_full_told;	/* since they were fewer by a tenth */
	struct map        by_ip;	/* struct ip_count */
	mono_ms           retry_at;	/* accepting failed: not before */
	uint64_t          refused;	/* read by anyone */
};

enum net_doors { DOORS_BOUND, DOORS_OPENING, DOORS_OPEN, DOORS_SHUT };

struct net {
	struct net_spec  *spec;
	struct os        *os;
	/* enum net_accepting; written by the broker, read by all actors */
	uint32_t          accepting;
	/* enum net_doors: with listens_late whoever listens, and who closes, must not meet */
	uint32_t          doors;
	struct acceptor   acceptor;
	int               network_count;	/* initialised */
	int               started;		/* of these, with a running actor */
	bool              is_acceptor_started;
	bool              may_spin;	/* there is more than one CPU */
	struct network   *networks;
};

/* acceptor.c */
enum err acceptor_init(struct acceptor *a, struct net *net, char *problem,
                       size_t problem_size) MUST_CHECK;
enum err acceptor_listen(struct acceptor *a, char *problem, size_t problem_size) MUST_CHECK;
void     acceptor_fini(struct acceptor *a);

static inline bool network_has_call(const struct network *n)
{
	return n->calls_in_use - n->busy_connections < NET_CALLS;
}

/* network.c */
enum err network_init(struct network *n, struct net *net, int index) MUST_CHECK;
void network_fini(struct network *n);
/* c is settled before this step ends; may be said again and again */
void network_add_work(struct connection *c);
/* never fails; see struct asks */
void network_ask(struct network *n, struct actor *to, struct msg *m);
/* false: it has stopped */
bool network_ask_partition(struct network *n, struct partition_addr *to, struct msg *m) MUST_CHECK;

/* connection.c */
void connection_open(struct connection *c);		/* fd, peer and listener are set */
void connection_close(struct connection *c);
void connection_touch(struct connection *c);	/* its socket did something: it is not idle */
void connection_on_event(struct connection *c, int events);
void connection_refuse(struct connection *c, const char *why);	/* it sent what we do not take */
void connection_settle(struct connection *c);

/* call.c */
/* c->frame becomes a call and begins. Not NULL: why it is refused */
const char *call_start(struct connection *c);
void call_woken(struct net_call *nc);			/* its park has ended */
void call_answered(struct call *c, struct msg *m);
void call_detach(struct net_call *nc);			/* its connection is gone */
void call_free(struct net_call *nc);
void calls_fini(struct network *n);

/* request.c */
/* NULL: not served */
const struct api_row *request_row(struct network *n, const struct frame *f);
const char *request_open(struct net_call *nc);	/* header and body. Not NULL: why it is refused */
/* an ApiVersions request in a version we do not know */
bool request_wants_versions(const struct net_call *nc);
void request_answer_versions(struct net_call *nc);

/* output.c */
void output_flush(struct connection *c);		/* sends what can be sent; may close c */
void output_loaded(struct msg *m);		/* the job is home */
void output_forget(struct connection *c);		/* c is closing */

#endif
