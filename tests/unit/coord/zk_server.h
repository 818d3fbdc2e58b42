/*
 * A ZooKeeper server that says what a test tells it to, on a thread of its own: it takes connections one after the other, and does with each what the next script wants. What came in is kept.
 */
#ifndef SKEIN_TEST_ZK_SERVER_H
#define SKEIN_TEST_ZK_SERVER_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "coord/session.h"

#define SCRIPTS_MAX 8
#define BYTES_MAX   256

struct script {
	const uint8_t *greeting, *closed;	/* what is sent after the first and the second frame; NULL: the connection is closed instead */
	size_t         greeting_len, closed_len;
	bool           is_deaf;			/* nothing is read nor sent, until the peer goes */
};

struct zk_server {
	struct script  scripts[SCRIPTS_MAX];
	int            script_count;
	int            listener;
	struct os_addr at;
	pthread_t      thread;
	int            connections;	/* that were taken, atomic */
	int            done;		/* that were dealt with, atomic */
	struct {
		uint8_t bytes[BYTES_MAX];
		size_t  len;
	} heard[SCRIPTS_MAX];
};

/* The answer to a connect: session 0x0102030405060708, 18 s. As ZooKeeper 3.8 sends it. */
static UNUSED const uint8_t zk_granted[] = {
	0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x46, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 16, 'p', 'a', 's', 's', 'w', 'o', 'r', 'd', ' ', 'o', 'f', ' ', '1', '6', ' ', 'b', 0,
};
static UNUSED const uint8_t zk_refused[] = {	/* no such session */
	0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static UNUSED const uint8_t zk_closed[] = { 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0 };

/* What a client that closes that session has to say: two frames. */
static UNUSED const uint8_t zk_wanted[] = {
	0, 0, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x46, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 16,
	'p', 'a', 's', 's', 'w', 'o', 'r', 'd', ' ', 'o', 'f', ' ', '1', '6', ' ', 'b', 0,
	0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf5,
};
#define ZK_CONNECT_BYTES 49

#define SCRIPT_OK      { .greeting = zk_granted, .greeting_len = sizeof(zk_granted), .closed = zk_closed, .closed_len = sizeof(zk_closed) }
#define SCRIPT_REFUSES { .greeting = zk_refused, .greeting_len = sizeof(zk_refused) }
#define SCRIPT_HANGS_UP { .greeting = NULL }

/* One frame is added to what was heard. False: the peer went. */
static bool zk_hear(struct zk_server *z, int at, int fd)
{
	size_t from = z->heard[at].len, want = 4;

	while (z->heard[at].len < from + want) {
		ssize_t n = recv(fd, z->heard[at].bytes + z->heard[at].len, from + want - z->heard[at].len, 0);

		if (n <= 0)
			return false;
		z->heard[at].len += (size_t)n;
		if (z->heard[at].len == from + 4) {
			want = 4 + load_be32(z->heard[at].bytes + from);
			ck_assert_uint_le(from + want, BYTES_MAX);
		}
	}
	return true;
}

static void zk_answer(int fd, const uint8_t *p, size_t len)
{
	if (p != NULL)
		ck_assert_int_eq(send(fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void zk_serve_one(struct zk_server *z, int at, int fd)
{
	const struct script *s = &z->scripts[at];
	char byte;

	if (s->is_deaf) {
		while (recv(fd, &byte, 1, 0) > 0)
			;
		return;
	}
	if (!zk_hear(z, at, fd) || s->greeting == NULL)
		return;
	zk_answer(fd, s->greeting, s->greeting_len);
	if (s->closed == NULL) {	/* whatever else it wants to say */
		shutdown(fd, SHUT_WR);
		while (zk_hear(z, at, fd))
			;
	} else if (zk_hear(z, at, fd)) {
		zk_answer(fd, s->closed, s->closed_len);
	}
}

static void *zk_run(void *arg)
{
	struct zk_server *z = arg;

	for (int i = 0; i < z->script_count; i++) {
		int fd = accept(z->listener, NULL, NULL);

		if (fd < 0)
			break;
		__atomic_store_n(&z->connections, i + 1, __ATOMIC_RELEASE);
		zk_serve_one(z, i, fd);
		close(fd);
		__atomic_store_n(&z->done, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static UNUSED void zk_listen(struct zk_server *z)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	z->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(z->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(z->listener, 16), 0);
	ck_assert_int_eq(getsockname(z->listener, (struct sockaddr *)&sa, &len), 0);
	z->at = (struct os_addr){ .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 }, .port = ntohs(sa.sin_port) };
}

/* script_count of them, one connection each; then no more. */
static UNUSED void zk_serve(struct zk_server *z)
{
	ck_assert_int_eq(pthread_create(&z->thread, NULL, zk_run, z), 0);
}

static UNUSED void zk_end(struct zk_server *z)
{
	shutdown(z->listener, SHUT_RDWR);
	pthread_join(z->thread, NULL);
	close(z->listener);
}

static UNUSED struct session zk_session(const struct zk_server *z)
{
	struct session s = { .id = 0x0102030405060708, .timeout_ms = 18000, .server_count = 1, .servers = { z->at } };

	memcpy(s.password, "password of 16 b", SESSION_PASSWORD_BYTES);
	return s;
}

#endif
