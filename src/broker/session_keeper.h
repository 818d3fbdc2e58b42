/*
 * What must outlive the broker to end its session with ZooKeeper when it cannot do so itself: the guardian knows it, and the successor finds it in the first data directory.
 *
 * Owner: the assembly; session_keeper_on_session comes from a thread of the coordination store. A failure here costs the wait for the session's end, no more.
 */
#ifndef SKEIN_BROKER_SESSION_KEEPER_H
#define SKEIN_BROKER_SESSION_KEEPER_H

#include "base/log.h"
#include "coord/guardian.h"

struct session_keeper {
	struct os               *os;
	const struct log_source *log;
	struct guardian         *guardian;	/* NULL: none */
	const char              *dir;		/* locked by this process; NULL: none can be used */
};

/* Ends the session of a killed predecessor, if it is certain to be one; that takes at most limit_ms. */
void session_keeper_begin(const struct session_keeper *k, const char *connect, int32_t session_timeout_ms, mono_ms limit_ms);
void session_keeper_on_session(void *keeper, const struct session *s);
/* The session has been closed. */
void session_keeper_end(const struct session_keeper *k);

#endif
