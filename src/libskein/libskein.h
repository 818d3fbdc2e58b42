/*
 * What the files of the installed library share: how its public types map to those of client/. The public headers say what everything does.
 */
#ifndef SKEIN_LIBSKEIN_H
#define SKEIN_LIBSKEIN_H

#include <skein/skein.h>

#include "client/client.h"
#include "libskein/config.h"

struct skein_client {
	struct client      *client;
	struct skein_config config;		/* a copy */
	bool                is_polled;		/* skein_fd was asked for: what is called between steps makes it readable */
	bool                is_woken;		/* it is, until the next step */
	bool                is_called_away;	/* by skein_wake, from any thread: skein_next_wait comes back */
};

/* Each fills in *error, where it is not NULL, and returns its code. */
enum skein_code face_error(struct skein_error *error, const struct client_error *from);
enum skein_code face_fail(struct skein_error *error, enum skein_code code, const char *fmt, ...) PRINTF(3, 4);
enum skein_code face_ok(struct skein_error *error);

/*
 * Rules of the public headers that no error is named for: a pointer that must not be NULL, and one that need not be there for a list of none. Who breaks one is told in a line
 * on stderr that names the function, and the process ends. No error: who has no client cannot be expected to look at one.
 */
#define FACE_NEEDS(p)             (LIKELY((p) != NULL) ? (void)0 : face_null(#p, __func__))
#define FACE_NEEDS_LIST(p, count) (LIKELY((p) != NULL || (int64_t)(count) <= 0) ? (void)0 : face_null(#p, __func__))
NORETURN void face_null(const char *what, const char *function);

/* The next step has something to do. */
void face_touch(struct skein_client *c);

static inline struct slice face_slice(struct skein_bytes b)
{
	return slice_of(b.ptr, b.ptr != NULL ? b.len : 0);
}

static inline struct skein_bytes face_bytes(struct slice s)
{
	return (struct skein_bytes){ s.ptr, s.len };
}

#endif
