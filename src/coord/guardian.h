/*
 * The guardian: a child of the broker that closes the broker's session with ZooKeeper when the broker is gone and could not do it itself.
 *
 * A killed broker's ephemeral nodes would stand until its session times out, and so long nobody would lead in its place. That no thread of the process will run again is
 * certain to the kernel at once, and from it to the guardian (os/child.h). Stopped or cut off is not gone: then the guardian does nothing. If it is killed as well, the session
 * times out as it would without it.
 */
#ifndef SKEIN_COORD_GUARDIAN_H
#define SKEIN_COORD_GUARDIAN_H

#include "coord/session.h"

struct guardian;

/* Forks: before any thread is started. */
enum err guardian_start(struct guardian **out) MUST_CHECK;
/* The session to be closed, instead of any that was told before; id 0: none. Never waits. Any thread, one at a time. An error: it is gone. */
enum err guardian_tell(struct guardian *g, const struct session *s) MUST_CHECK;
/* There is nothing to be closed any more: it ends, and is waited for a moment. */
void     guardian_end(struct guardian **g);

#endif
