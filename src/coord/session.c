/*
 * The four frames by which a session is taken over and closed. All integers are big endian, a frame begins with its length (int32).
 *
 *	connect   int32 protocol 0; int64 last zxid seen; int32 timeout, ms; int64 session; int32 16, password; int8 may be read-only
 *	answer    int32 protocol; int32 timeout; int64 session; int32 length, password; (int8 read-only, not from all)		session 0: refused, there is none such
 *	close     int32 xid; int32 type -11
 *	answer    int32 xid; int64 zxid; int32 error
 *
 * No zxid is claimed to have been seen: a server that lags behind would refuse. It asks the leader about the session in any case.
 */
#include "coord/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

#define DEFAULT_PORT  2181
#define HOST_MAX      256
#define FRAME_MAX     128
#define CONNECT_BYTES (4 + 8 + 4 + 8 + 4 + SESSION_PASSWORD_BYTES + 1)
#define GREETING_MIN  (4 + 4 + 8)	/* of the answer: up to the session */
#define CLOSE_XID     1
#define CLOSE_TYPE    (-11)
#define CLOSED_BYTES  (4 + 8 + 4)
#define PAUSE_MS      20		/* after a round in vain, doubled each time, up to */
#define PAUSE_MAX_MS  1000

/* --- servers --------------------------------------------------------------------------------------------------------------------- */

/* "host:port", "[v6]:port", without a port. False: nothing that can be meant. */
static bool split_server(const char *text, size_t len, char host[HOST_MAX], uint16_t *port)
{
	const char *end = text + len, *colon = memrchr(text, ':', len), *bracket = memchr(text, ']', len);
	bool has_port = colon != NULL && (bracket == NULL || colon > bracket);
	const char *host_end = has_port ? colon : end;
	unsigned long n = DEFAULT_PORT;

	if (has_port) {
		char *stop;

		n = strtoul(colon + 1, &stop, 10);
		if (stop == colon + 1 || stop != end || n == 0 || n > UINT16_MAX)
			return false;
	}
	if (text[0] == '[' && bracket != NULL && bracket + 1 == host_end) {
		text++;
		host_end--;
	}
	if (host_end <= text || host_end - text >= HOST_MAX)
		return false;
	memcpy(host, text, (size_t)(host_end - text));
	host[host_end - text] = '\0';
	*port = (uint16_t)n;
	return true;
}

void session_resolve(struct os *os, const char *connect, struct session *s)
{
	const char *at = connect, *end = connect + strcspn(connect, "/");
	char host[HOST_MAX];
	uint16_t port;
	int n;

	s->server_count = 0;
	while (at < end && s->server_count < SESSION_SERVERS_MAX) {
		at += strspn(at, " ,");
		size_t len = MIN(strcspn(at, " ,/"), (size_t)(end - at));

		if (len > 0 && split_server(at, len, host, &port)
		    && os_resolve(os, host, port, &s->servers[s->server_count], SESSION_SERVERS_MAX - s->server_count, &n) == OK)
			s->server_count += n;
		at += len;
	}
}

/* --- one server -------------------------------------------------------------------------------------------------------------------- */

struct attempt {
	struct os        *os;
	struct os_poller *poller;
	os_fd             fd;
	mono_ms           deadline;
};

/* Until the socket can do this, or is broken, which the next call of it tells. */
static enum err wait_for(struct attempt *a, int events, mono_ms deadline)
{
	struct os_event got;

	enum err e = os_poller_change(a->os, a->poller, a->fd, events, a);
	while (e == OK) {
		mono_ms left = deadline - os_mono_ms(a->os);

		if (left <= 0)
			return ERR_TIMEOUT;
		if (os_poller_wait(a->os, a->poller, &got, 1, left) > 0)
			break;
	}
	return e;
}

static enum err connect_to(struct attempt *a, const struct os_addr *server)
{
	enum err e = os_connect(a->os, server, &a->fd);

	if (e != OK && e != ERR_AGAIN)
		return e;
	bool is_under_way = e == ERR_AGAIN;
	e = os_poller_add(a->os, a->poller, a->fd, OS_WRITABLE, a);
	if (e == OK && is_under_way)
		e = wait_for(a, OS_WRITABLE, MIN(a->deadline, os_mono_ms(a->os) + SESSION_CONNECT_MS));
	return e == OK ? os_connect_result(a->os, a->fd) : e;
}

static enum err send_all(struct attempt *a, const uint8_t *p, size_t len)
{
	enum err e = OK;

	while (e == OK && len > 0) {
		struct iovec iov = { (void *)(uintptr_t)p, len };
		size_t sent;

		e = os_sendv(a->os, a->fd, &iov, 1, &sent);
		if (e == ERR_AGAIN)
			e = wait_for(a, OS_WRITABLE, a->deadline);
		p += sent;
		len -= sent;
	}
	return e;
}

static enum err recv_all(struct attempt *a, uint8_t *p, size_t len)
{
	enum err e = OK;

	while (e == OK && len > 0) {
		size_t got;

		e = os_recv(a->os, a->fd, p, len, &got);
		if (e == ERR_AGAIN)
			e = wait_for(a, OS_READABLE, a->deadline);
		else if (e == OK && got == 0)
			e = ERR_CLOSED;
		p += got;
		len -= got;
	}
	return e;
}

static enum err recv_frame(struct attempt *a, uint8_t frame[FRAME_MAX], size_t min, size_t *len)
{
	uint8_t head[4];
	enum err e = recv_all(a, head, sizeof(head));

	if (e != OK)
		return e;
	*len = load_be32(head);
	return *len < min || *len > FRAME_MAX ? ERR_CORRUPT : recv_all(a, frame, *len);
}

static enum err take_over(struct attempt *a, const struct session *s)
{
	uint8_t out[4 + CONNECT_BYTES], in[FRAME_MAX];
	size_t len;

	store_be32(out, CONNECT_BYTES);
	store_be32(out + 4, 0);
	store_be64(out + 8, 0);
	store_be32(out + 16, (uint32_t)s->timeout_ms);
	store_be64(out + 20, (uint64_t)s->id);
	store_be32(out + 28, SESSION_PASSWORD_BYTES);
	memcpy(out + 32, s->password, SESSION_PASSWORD_BYTES);
	out[32 + SESSION_PASSWORD_BYTES] = 0;
	enum err e = send_all(a, out, sizeof(out));
	if (e == OK)
		e = recv_frame(a, in, GREETING_MIN, &len);
	if (e != OK)
		return e;
	int64_t granted = (int64_t)load_be64(in + 8);
	if (granted == 0 || (int32_t)load_be32(in + 4) <= 0)
		return ERR_NOT_FOUND;
	return granted == s->id ? OK : ERR_CORRUPT;	/* whoever's that is: it is not ours to close */
}

static enum err close_it(struct attempt *a)
{
	uint8_t out[4 + 8], in[FRAME_MAX];
	size_t len;

	store_be32(out, 8);
	store_be32(out + 4, CLOSE_XID);
	store_be32(out + 8, (uint32_t)CLOSE_TYPE);
	enum err e = send_all(a, out, sizeof(out));
	if (e == OK)
		e = recv_frame(a, in, CLOSED_BYTES, &len);
	if (e != OK)
		return e;
	return (int32_t)load_be32(in) == CLOSE_XID && load_be32(in + 12) == 0 ? OK : ERR_CORRUPT;
}

static enum err try_server(struct os *os, struct os_poller *poller, const struct session *s, const struct os_addr *server, mono_ms deadline)
{
	struct attempt a = { .os = os, .poller = poller, .fd = -1, .deadline = MIN(deadline, os_mono_ms(os) + SESSION_ANSWER_MS) };
	enum err e = connect_to(&a, server);

	if (e == OK)
		e = take_over(&a, s);
	if (e == OK)
		e = close_it(&a);
	if (a.fd >= 0)
		os_poller_remove(os, poller, a.fd);
	os_close(os, &a.fd);
	return e;
}

/* --- all of them --------------------------------------------------------------------------------------------------------------------- */

/* A close whose answer was lost is found out by the next attempt: there is no such session. */
enum err session_close(struct os *os, const struct session *s, mono_ms deadline)
{
	struct os_poller *poller;
	mono_ms pause = PAUSE_MS;
	enum err e = os_poller_create(os, &poller);

	if (e != OK)
		return e;
	do {
		for (int32_t i = 0; i < s->server_count; i++) {
			e = try_server(os, poller, s, &s->servers[i], deadline);
			if (e == OK || e == ERR_NOT_FOUND)
				goto done;
		}
		os_sleep_ms(os, MAX((mono_ms)0, MIN(pause, deadline - os_mono_ms(os))));
		pause = MIN(pause * 2, (mono_ms)PAUSE_MAX_MS);
	} while (os_mono_ms(os) < deadline && s->server_count > 0);
	e = ERR_TIMEOUT;
done:
	os_poller_destroy(os, &poller);
	return e;
}
