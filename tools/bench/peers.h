/*
 * Many clients on one thread: each gets its turn when its sockets or its time say so.
 *
 * A descriptor that becomes readable at a given nanosecond ends the wait too, because a poller knows milliseconds only.
 */
#ifndef SKEIN_BENCH_PEERS_H
#define SKEIN_BENCH_PEERS_H

#include "client/client.h"

struct peer {
	struct client *client;
	mono_ms        next;		/* its turn at the latest */
	bool           is_ready;	/* has something to do; set by whoever gives it something */
};

struct peers {
	struct os_poller *poller;
	os_fd             timer;
	struct peer      *peers;
	int               count, max;
};

#define PEERS_INIT { .timer = -1 }

enum err peers_init(struct peers *s, int max) MUST_CHECK;
void     peers_fini(struct peers *s);		/* with all clients */
/* Connects one more. NULL after saying why, *code set. */
struct peer *peers_add(struct peers *s, int *code);
/* One turn of all that are ready, then a wait: until one is, or `at` has come (MONO_NEVER: none), or 0.1 s are over; may_sleep false: none. False: nothing happened. */
bool peers_turn(struct peers *s, mono_ns at, bool may_sleep);

#endif
