/*
 * libskein: a client of brokers that speak Apache Kafka's protocol. This header has what all of it shares: errors, configuration, the client.
 *
 *	struct skein_config *config = skein_config_create();
 *	skein_config_set(config, "bootstrap.servers", "127.0.0.1:9092", &error);
 *	skein_client_create(&client, config, &error);
 *	... skein_producer_create, skein_consumer_create (skein/producer.h, skein/consumer.h) ...
 *	skein_client_destroy(&client);		(after those that were made with it)
 *
 * Threads:   a client, and all that is made with it, belongs to one thread at a time. No thread is started and nothing is global: several clients, in as many
 *            threads, know nothing of one another. Only skein_wake may be called by other threads, and by signal handlers.
 * Blocking:  a function that may wait has a timeout among its parameters, in milliseconds, and waits no longer; every other returns at once. The one
 *            exception is the resolving of host names, for which the system has no other way: a step that connects to a name may wait for it.
 * Two ways:  with blocking calls, or in an event loop of yours: wait until skein_fd is readable, or the time that skein_step named is over; then call skein_step.
 * Errors:    are values. A function that can fail returns a code, and when it fails fills in *error with a sentence; error NULL: it is not wanted.
 * Memory:    what you hand in is copied before the function returns, unless its comment says otherwise. Handles are opaque; X_destroy(&x) makes x NULL.
 *            Memory that cannot be had ends the process, with a line on stderr; so does breaking a rule of these headers that no error is named for.
 */
#ifndef SKEIN_SKEIN_H
#define SKEIN_SKEIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SKEIN_VERSION "0.1.0"
const char *skein_version(void);	/* of the library that runs */

/* ---- errors ---- */

enum skein_code {
	SKEIN_OK           = 0,
	SKEIN_AGAIN        = 1,		/* not now: call skein_step and try again */
	SKEIN_INVALID      = 2,		/* what was asked for cannot be */
	SKEIN_NOT_FOUND    = 3,
	SKEIN_EXISTS       = 4,
	SKEIN_DENIED       = 5,
	SKEIN_TOO_LARGE    = 6,
	SKEIN_OUT_OF_RANGE = 7,		/* no such offset */
	SKEIN_UNSUPPORTED  = 8,
	SKEIN_TIMED_OUT    = 9,
	SKEIN_UNREACHABLE  = 10,
	SKEIN_CLOSED       = 11,	/* the connection, or the handle, was closed first */
	SKEIN_DAMAGED      = 12,	/* bytes that cannot be right */
	SKEIN_FAILED       = 13,	/* anything else; the sentence says what */
};
const char *skein_code_name(enum skein_code code);	/* "SKEIN_AGAIN" */

struct skein_error {
	enum skein_code code;		/* SKEIN_OK: none */
	int             kafka;		/* the broker's own code, 3 for UNKNOWN_TOPIC_OR_PARTITION; 0: the trouble was not the broker's */
	bool            is_retriable;	/* the same may succeed later */
	char            text[320];	/* a sentence without full stop */
};

/* Bytes that are somebody's. ptr NULL: null, where Kafka knows null; empty is another thing: ptr not NULL, len 0. */
struct skein_bytes {
	const void *ptr;
	size_t      len;
};

/* ---- configuration ---- */

/* Properties by the names that Kafka's Java clients use, for the client and all that is made with it: docs/LIBRARY.md lists them. */
struct skein_config;
struct skein_config *skein_config_create(void);
void skein_config_destroy(struct skein_config **config);	/* any time: clients have their own copy */
/* SKEIN_NOT_FOUND: there is no such property, and the sentence names the nearest; SKEIN_INVALID: a value it cannot have. */
enum skein_code skein_config_set(struct skein_config *config, const char *name, const char *value, struct skein_error *error);
/* Writes the value, a default too, NUL-terminated and cut to size. SKEIN_NOT_FOUND as above. */
enum skein_code skein_config_get(const struct skein_config *config, const char *name, char *out, size_t size, struct skein_error *error);
/* All that there are, in a fixed order: the name of the nth from 0; NULL behind the last. */
const char *skein_config_name(int n);

/* ---- the client: one cluster, its connections, and the turn in which everything moves ---- */

struct skein_client;
/* SKEIN_INVALID: bootstrap.servers. Nothing is connected yet. */
enum skein_code skein_client_create(struct skein_client **out, const struct skein_config *config, struct skein_error *error);
void skein_client_destroy(struct skein_client **client);

/* Waits until the cluster is known. Not needed, but the way to learn early that it cannot be reached: SKEIN_UNREACHABLE names each address with its cause. */
enum skein_code skein_connect(struct skein_client *client, int64_t timeout_ms, struct skein_error *error);

/*
 * One bounded turn of everything: sends, receives, calls you back. Waits for something to do for at most timeout_ms (0: not at all, -1: for ever).
 * Returns after how many milliseconds it wants to be called again at the latest; -1: only when skein_fd is readable, or after you have called
 * something else of this library.
 */
int64_t skein_step(struct skein_client *client, int64_t timeout_ms);
/*
 * A descriptor to wait for with poll, select, epoll, ...: readable when skein_step has something to do, also because of what you have called since the last step.
 * It stays the client's. Ask for it before the first call that counts.
 */
int  skein_fd(struct skein_client *client);
void skein_wake(struct skein_client *client);	/* ends the wait of the current or next skein_step or skein_next_wait; any thread, signal handlers */

const char *skein_cluster_id(const struct skein_client *client);	/* "" while unknown */
/* Why the last attempt to reach the cluster failed, SKEIN_OK after a success: what a call that waits is waiting for. */
enum skein_code skein_last_error(const struct skein_client *client, struct skein_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
