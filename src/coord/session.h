/*
 * A session with ZooKeeper from the outside: what it takes to end one that somebody else has opened, without the library.
 */
#ifndef SKEIN_COORD_SESSION_H
#define SKEIN_COORD_SESSION_H

#include "os/os.h"

#define SESSION_PASSWORD_BYTES 16
#define SESSION_SERVERS_MAX    16
#define SESSION_CONNECT_MS     500	/* for one server to take a connection, and ... */
#define SESSION_ANSWER_MS      3000	/* ... to have answered */

/* Plain bytes: it travels to the guardian as it is. */
struct session {
	int64_t        id;		/* 0: none */
	uint8_t        password[SESSION_PASSWORD_BYTES];
	int32_t        timeout_ms;	/* as it was asked for: after this, or what the servers make of it, it has ended by itself */
	int32_t        server_count;
	struct os_addr servers[SESSION_SERVERS_MAX];
};

/* The servers of a zookeeper.connect, without its chroot, into s; those beyond the bound, and those whose names do not resolve, are left out. May wait for the resolver. */
void session_resolve(struct os *os, const char *connect, struct session *s);

/*
 * Ends exactly this session, as its owner would: its ephemeral nodes go. Each server is tried, again and again, until the deadline. Waits; nothing is allocated but a poller.
 *   OK             it has ended
 *   ERR_NOT_FOUND  the servers know no such session (any more), or the password is not its own
 *   ERR_TIMEOUT    nobody has said either
 */
enum err session_close(struct os *os, const struct session *s, mono_ms deadline) MUST_CHECK;

#endif
