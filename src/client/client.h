/*
 * A client of a Kafka cluster: connections to brokers, what is known about topics, and the turn in which all of it moves.
 * Producers, consumers and admin calls live on top of one.
 *
 *	client_create(&c, os_real(), &spec, &error);
 *	client_connect(c, 10000, &error);
 *	... producer_create(c, ...), consumer_create(c, ...) ...
 *	while (...) client_step(c, 100);
 *	client_destroy(&c);
 *
 * Owner:    one thread, whichever calls client_step; no thread is started and nothing is global. Only client_wake may be
 *           called by others, and by signal handlers.
 * Blocking: client_step waits at most as long as it is told. The one exception is the resolving of host names (os_resolve).
 * Errors:   values (struct client_error) with a sentence for people; what can be retried is retried by the layer that knows
 *           its deadline.
 */
#ifndef SKEIN_CLIENT_H
#define SKEIN_CLIENT_H

#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "os/os.h"

struct client;

struct client_error {
	enum err err;		/* OK: none. Who may retry: client_error_is_retriable */
	int16_t  kafka;		/* the broker's answer; NONE when the trouble was on the way to it or here */
	char     text[320];	/* a sentence without full stop */
};

#define CLIENT_ERROR_NONE ((struct client_error){ .err = OK })

void client_error_set(struct client_error *e, enum err err, const char *fmt, ...) PRINTF(3, 4);
/* subject: what was asked for, "topic orders"; message: the broker's own words, or null. */
void client_error_set_kafka(struct client_error *e, int16_t code, const char *subject, struct slice message);
bool client_error_is_retriable(const struct client_error *e);

/* Start from CLIENT_SPEC_INIT. Names and meanings are those of Kafka's clients. Times in milliseconds. */
struct client_spec {
	const char *bootstrap;			/* "host:port,[::1]:port"; without a port: 9092. NULL: client_call.h, "between brokers" */
	const char *client_id;
	int32_t     request_timeout_ms;		/* an answer that takes longer costs the connection */
	int32_t     connect_timeout_ms;		/* until the broker has said which versions it speaks */
	int32_t     retry_backoff_ms, retry_backoff_max_ms;
	int32_t     reconnect_backoff_ms, reconnect_backoff_max_ms;
	int32_t     metadata_max_age_ms;
	bool        allow_auto_create;		/* unknown topics may be created by the broker's leave */
};

#define CLIENT_SPEC_INIT { .bootstrap = "127.0.0.1:9092", .client_id = "skein", .request_timeout_ms = 30000, \
			   .connect_timeout_ms = 10000, .retry_backoff_ms = 100, .retry_backoff_max_ms = 1000, \
			   .reconnect_backoff_ms = 50, .reconnect_backoff_max_ms = 1000, \
			   .metadata_max_age_ms = 300000 }

/* ERR_INVALID: the bootstrap list. Strings are copied. Nothing is connected yet. */
enum err client_create(struct client **out, struct os *os, const struct client_spec *spec,
		       struct client_error *error) MUST_CHECK;
void     client_destroy(struct client **c);	/* after its producers and consumers */

/*
 * Waits until the cluster is known. Every bootstrap address is tried once; ERR_UNREACHABLE names each with its cause.
 * Not on a simulated machine, whose clock does not move by waiting: there call client_step until client_is_connected.
 */
enum err client_connect(struct client *c, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;
bool     client_is_connected(const struct client *c);	/* has the cluster been described yet? */

/* One bounded turn of everything. Waits for the network at most timeout_ms (0: not, -1: until something happens). */
void client_step(struct client *c, mono_ms timeout_ms);
/*
 * The same for an actor, which waits between its steps and not in them: client_turn never waits, hands out what the last client_wait found,
 * returns what it did (0: may sleep) and when it wants its next turn at the latest; client_wait waits until then (MONO_NEVER: until something happens).
 */
int  client_turn(struct client *c, mono_ms *next);
void client_wait(struct client *c, mono_ms until);
int  client_fd(struct client *c);	/* readable when client_turn has something to do but for time: os_poller_fd */
void client_wake(struct client *c);	/* ends the wait of the current or next client_step; any thread, signal handlers */

/* A descriptor of the caller's (a pipe, a terminal) whose readiness ends the wait too. One at a time. */
enum err client_watch(struct client *c, os_fd fd) MUST_CHECK;
void     client_unwatch(struct client *c);
bool     client_watch_is_ready(const struct client *c);		/* as of the last client_step */

struct os  *client_os(const struct client *c);
const char *client_cluster_id(const struct client *c);		/* "" while unknown */
int32_t     client_controller_id(const struct client *c);	/* -1 while unknown */
/* Why the last attempt to reach the cluster failed; none after a success. */
const struct client_error *client_last_error(const struct client *c);

/* ---- what is known about topics ---- */

struct client_partition {
	int16_t error;			/* LEADER_NOT_AVAILABLE: no leader now */
	int32_t leader;			/* -1: none */
	int32_t leader_epoch;
};

struct client_topic {
	char                    *name;
	int16_t                  error;		/* UNKNOWN_TOPIC_OR_PARTITION: there is none */
	bool                     is_known;	/* has an answer come at all? */
	bool                     is_found;	/* of client_topic_found */
	bool                     is_lost;	/* of client_topic_lost: not asked for any more, and what is known of it is old */
	uint32_t                 version;	/* counts answers */
	int32_t                  partition_count;
	struct client_partition *partitions;	/* by number */
};

/*
 * From the first call the topic is kept up to date. Valid until client_destroy, refreshed in place by client_step: copy what
 * must not change. Leaders that have moved are noticed by whoever asks them: client_topic_refresh.
 */
const struct client_topic *client_topic(struct client *c, struct slice name);
/*
 * The same for one that the cluster has named and nobody else: were it deleted, asking for it would not make it anew where brokers make topics that are asked for.
 * NULL: too many have been found already (CLIENT_FOUND_MAX); no cluster has so many, and somebody may lie.
 */
#define CLIENT_FOUND_MAX 200000
const struct client_topic *client_topic_found(struct client *c, struct slice name);
/* One that was found: the cluster names it no more. It stays where it is, and is kept up to date again when it is found or named again. */
void client_topic_lost(struct client *c, const char *name);
void client_topic_refresh(struct client *c);	/* soon, within the limits of the backoff */

#endif
