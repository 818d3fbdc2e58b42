/*
 * Channels: one actor with the connections by which a broker asks other brokers what is not replication: what the controller tells the members (LeaderAndIsr, UpdateMetadata,
 * StopReplica), and what members ask of the controller (AlterPartition, ControlledShutdown, AllocateProducerIds).
 *
 * A call goes to a broker on a line. Each (broker, line) is one connection with one request in flight at a time, in the order of asking. Nothing is tried again here: the
 * asker, who knows whether it still matters, does that.
 */
#ifndef SKEIN_CLIENT_CHANNEL_H
#define SKEIN_CLIENT_CHANNEL_H

#include "actor/actor.h"
#include "base/arena.h"
#include "base/err.h"
#include "wire/gen/api_table.h"

enum { CHANNEL_CALL = MSG_BASE_CHANNEL, CHANNEL_CLOSE };

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
	enum api_key      key;
	int16_t           version;	/* TO_MEMBER: to be used; TO_CONTROLLER: the highest that may be */
	const void       *request;	/* struct x_request, borrowed until the answer */
	int32_t           connect_timeout_ms, timeout_ms;
	/* answer */
	enum err          result;	/* OK; ERR_REFUSED, ERR_UNREACHABLE, ERR_TIMEOUT, ERR_CLOSED, ERR_CORRUPT, ERR_UNSUPPORTED (no common version) */
	bool              maybe_applied;	/* with an error: the broker may have received it */
	int16_t           version_used;
	void             *response;	/* struct x_response in the call's memory; NULL with an error */
	char              problem[200];	/* a sentence with an error */
	void             *internal;	/* the channel's; what channel_call_fini frees */
};
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
