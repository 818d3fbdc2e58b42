/*
 * The places for HTTP connections: who gets one, for how long, and who gives his back when others wait. The library that speaks HTTP is given sockets one by one, because left
 * to itself it would spin where descriptors are short, and let those who send a byte now and then keep everybody else out.
 *
 * A connection is *asking* (no whole request is there) or *answered*. Asking may take SEAT_ASKING_MS, an answer SEAT_ANSWER_MS, all of it SEAT_KEEP_MS. When every place is
 * taken and somebody knocks, the connection that has been there longest goes, unless it has had hardly time for its question: so health checks are answered within seconds
 * whatever others do. Who has to go is shut down, which the library sees as its peer's end.
 * Owner: the http actor.
 */
#ifndef SKEIN_HTTP_SEATS_H
#define SKEIN_HTTP_SEATS_H

#include "base/log.h"
#include "os/os.h"

#define SEATS_MAX       64
#define SEAT_ASKING_MS  10000
#define SEAT_ANSWER_MS  60000
#define SEAT_KEEP_MS    600000

struct seat {
	os_fd   fd;		/* the library's; -1: a free place */
	mono_ms opened;
	mono_ms since;		/* the present question or answer */
	bool    is_answered;
	bool    is_held;	/* its answer waits for an actor, and the library does not look at it: it cannot go */
	bool    is_shut;	/* the library will see that it has ended */
};

struct seats {
	struct os               *os;
	struct os_poller        *poller;
	const struct log_source *log;
	os_fd                    listener, reserve;	/* reserve: a descriptor kept for when there is none, so that one may ask all the same */
	uint16_t                 port;			/* the bound one */
	int                      taken;
	bool                     is_polled;
	mono_ms                  retry_at;
	struct seat              seats[SEATS_MAX];
};

/* The listener's events in the poller come with s as their data. ERR_x: nothing is open. */
enum err seats_open(struct seats *s, struct os *os, struct os_poller *poller, const struct log_source *log, const char *host, uint16_t port) MUST_CHECK;
void     seats_close(struct seats *s);		/* the listener; connections are the library's. Nothing, when it was not opened */

/* Somebody knocks. False: every place is taken; who has to go for him is gone soon. */
bool     seats_have_room(struct seats *s, mono_ms now);
/* The next one who knocks: the caller takes the socket, and the library tells seats_take. False: nobody, or not now. */
bool     seats_accept(struct seats *s, mono_ms now, os_fd *fd, struct os_addr *peer);
struct seat *seats_take(struct seats *s, os_fd fd, mono_ms now);
void     seats_leave(struct seats *s, struct seat *seat);	/* before its socket is closed */
void     seat_begin(struct seat *seat, mono_ms now);	/* the request is there */
void     seat_hold(struct seat *seat, bool is_held);
void     seat_end(struct seat *seat, mono_ms now);	/* its answer is sent; another request may follow */

/* Ends what has lasted too long, and looks at the listener or away from it; when it is to be called again at the latest. */
mono_ms  seats_step(struct seats *s, mono_ms now);

#endif
