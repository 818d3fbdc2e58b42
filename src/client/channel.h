/*
 * Channels: one actor with the connections by which a broker asks other brokers what is not replication: what the controller tells the members (LeaderAndIsr, UpdateMetadata,
 * StopReplica), and what members ask of the controller (AlterPartition, ControlledShutdown, AllocateProducerIds).
 *
 * A call goes to a broker on a line. Each (broker, line) is one connection with one request in flight at a time, in the order of asking. Nothing is tried again here: the
 * asker, who knows whether it still matters, does that. A call that fails brings home what waits behind it on its line, with the same error and not applied: so what is
 * asked again keeps its order.
 *
 * Pauses: after a failed connection the next attempt waits CHANNEL_REST_MS; the call waits with it.
 * Owner:  the actor's thread. Bounds: what askers own; one answer is at most 256 MiB and is believed only as far as bytes come.
 */
#ifndef SKEIN_CLIENT_CHANNEL_H
#define SKEIN_CLIENT_CHANNEL_H

#include "actor/actor.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "wire/gen/api_table.h"

enum { CHANNEL_CALL = MSG_BASE_CHANNEL, CHANNEL_CLOSE };

#define CHANNEL_REST_MS 50	/* as between Kafka's brokers */

enum channel_line {
	CHANNEL_TO_MEMBER,		/* what a controller says: versions are fixed, ApiVersions is not asked */
	CHANNEL_TO_CONTROLLER,		/* versions are negotiated by ApiVersions */
};

struct channel_call {
	struct msg        msg;		/* kind CHANNEL_CALL */
	/* question */
	int32_t           broker;
	enum channel_line line;
	const char       *host;		/* borrowed until the answer; an address that differs from the connection's makes a new one */
	uint16_t          port;
	enum api_key      key;		/* one of CLIENT_API_TABLE (client_call.h) */
	int16_t           version;	/* TO_MEMBER: to be used; TO_CONTROLLER: the highest that may be */
	const void       *request;	/* struct x_request, borrowed until the answer */
	int32_t           connect_timeout_ms;	/* until the request goes out, counted from its turn on the line */
	int32_t           timeout_ms;		/* from then on, for the answer */
	/* answer */
	enum err          result;	/* OK; ERR_UNREACHABLE (refused, unknown host), ERR_TIMEOUT, ERR_CLOSED, ERR_CORRUPT, ERR_UNSUPPORTED (no common version) */
	bool              maybe_applied;	/* with an error: the broker may have received it */
	int16_t           version_used;
	void             *response;	/* struct x_response in the call's memory; NULL with an error */
	char              problem[200];	/* a sentence with an error */
	void             *internal;	/* the channel's; what channel_call_fini frees */
	struct list       link;		/* the channel's while it waits */
};
/* Zeroes all but the message's head. */
void channel_call_init(struct channel_call *call, struct actor *home);
void channel_call_fini(struct channel_call *call);	/* at home: frees the answer's memory; may be filled in and asked again after channel_call_init */

/* A broker is gone, or has come back as another incarnation: its connections are closed, calls to it come home with ERR_CLOSED, before this is answered. */
struct channel_close {
	struct msg msg;			/* kind CHANNEL_CLOSE */
	int32_t    broker;		/* -1: all */
	enum channel_line line;
};

struct channels;
enum err channels_create(struct channels **out, struct sched *s, const char *client_id) MUST_CHECK;	/* client_id: this broker's id, as in Kafka */
void     channels_destroy(struct channels **c);		/* after every call is home */
struct actor *channels_actor(struct channels *c);	/* whom to ask */

#endif
