/*
 * Sockets of the real machine: TCP, non-blocking, close-on-exec, TCP_NODELAY (answers are written
 * whole; Nagle would only delay the last piece) and SO_KEEPALIVE (a peer that lost its power must
 * not hold a connection for ever). IPv4 addresses get AF_INET sockets, so that a kernel without
 * IPv6 serves them.
 */
#include "os/os_priv.h"
#include "os/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

union sockaddr_any {
	struct sockaddr     any;
	struct sockaddr_in  in;
	struct sockaddr_in6 in6;
};

/* Closes a socket that could not be set up, keeping the errno that says why. */
static enum err give_up(os_fd *fd)
{
	int e = errno;

	close(*fd);
	*fd = -1;
	errno = e;
	return err_from_errno(e);
}

static socklen_t to_sockaddr(const struct os_addr *a, union sockaddr_any *out)
{
	struct in6_addr ip;

	memset(out, 0, sizeof(*out));
	memcpy(&ip, a->ip, 16);
	if (IN6_IS_ADDR_V4MAPPED(&ip)) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(a->port);
		memcpy(&out->in.sin_addr, a->ip + 12, 4);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(a->port);
	out->in6.sin6_addr = ip;
	return sizeof(out->in6);
}

static void from_sockaddr(const union sockaddr_any *sa, struct os_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (sa->any.sa_family == AF_INET6) {
		memcpy(out->ip, &sa->in6.sin6_addr, 16);
		out->port = ntohs(sa->in6.sin6_port);
	} else if (sa->any.sa_family == AF_INET) {
		memset(out->ip + 10, 0xff, 2);
		memcpy(out->ip + 12, &sa->in.sin_addr, 4);
		out->port = ntohs(sa->in.sin_port);
	}
}

static enum err err_from_gai(int code)
{
	switch (code) {
	case EAI_SYSTEM: return err_from_errno(errno);
	case EAI_MEMORY: return ERR_LIMIT;
	case EAI_AGAIN:  return ERR_UNREACHABLE;	/* the name server, not the host: but the caller waits and tries again */
	default:         return ERR_NOT_FOUND;
	}
}

static enum err real_resolve(struct os *os UNUSED, const char *host, uint16_t port, struct os_addr *out, int max, int *n)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int code = getaddrinfo(host, NULL, &hints, &found);

	if (code != 0)
		return err_from_gai(code);
	for (struct addrinfo *ai = found; ai != NULL && *n < max; ai = ai->ai_next) {
		union sockaddr_any sa = { 0 };
		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		memcpy(&sa, ai->ai_addr, MIN(ai->ai_addrlen, sizeof(sa)));
		from_sockaddr(&sa, &out[*n]);
		out[(*n)++].port = port;
	}
	freeaddrinfo(found);
	return *n > 0 ? OK : ERR_NOT_FOUND;
}

static void set_flag(os_fd fd, int level, int option)
{
	int on = 1;

	(void)setsockopt(fd, level, option, &on, sizeof(on));	/* a socket without it works, only less well */
}

static void set_stream_options(os_fd fd)
{
	set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
	set_flag(fd, SOL_SOCKET, SO_KEEPALIVE);
}

static enum err new_socket(int family, os_fd *out)
{
	*out = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *out >= 0 ? OK : err_from_errno(errno);
}

static enum err bind_at(const union sockaddr_any *sa, socklen_t len, os_fd *out, uint16_t *bound)
{
	union sockaddr_any local;
	socklen_t local_len = sizeof(local);
	struct os_addr addr;
	int off = 0;
	enum err e = new_socket(sa->any.sa_family, out);

	if (e != OK)
		return e;
	set_flag(*out, SOL_SOCKET, SO_REUSEADDR);
	if (sa->any.sa_family == AF_INET6)	/* "::" takes IPv4 as well, whatever the system's default */
		(void)setsockopt(*out, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(*out, &sa->any, len) != 0 || getsockname(*out, &local.any, &local_len) != 0)
		return give_up(out);
	from_sockaddr(&local, &addr);
	*bound = addr.port;
	return OK;
}

/* --- sockets that the service manager has opened ------------------------------------------------ */

#define INHERITED_FIRST 3	/* sd_listen_fds(3) */
#define INHERITED_MAX   32

static struct inherited {
	os_fd          fd;	/* -1: given to a listener */
	struct os_addr addr;
} inherited[INHERITED_MAX];
static int inherited_count;

static bool is_listening(os_fd fd)
{
	int on = 0, type = 0;
	socklen_t len = sizeof(on), type_len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0 &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM;
}

enum err process_inherit_sockets(int *count)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

	*count = 0;
	if (pid == NULL || n == NULL || atoll(pid) != getpid() || atoi(n) <= 0)
		return OK;
	if (atoi(n) > INHERITED_MAX)
		return ERR_LIMIT;
	for (int i = 0; i < atoi(n); i++) {
		os_fd fd = INHERITED_FIRST + i;
		union sockaddr_any sa = { 0 };
		socklen_t len = sizeof(sa);
		int flags = fcntl(fd, F_GETFL);

		if (!is_listening(fd) || getsockname(fd, &sa.any, &len) != 0 || (sa.any.sa_family != AF_INET && sa.any.sa_family != AF_INET6) ||
		    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
			return ERR_INVALID;
		inherited[i].fd = fd;
		from_sockaddr(&sa, &inherited[i].addr);
	}
	*count = inherited_count = atoi(n);
	return OK;
}

bool process_has_socket_left(char *text, size_t size)
{
	for (int i = 0; i < inherited_count; i++) {
		char ip[INET6_ADDRSTRLEN] = "";

		if (inherited[i].fd < 0)
			continue;
		inet_ntop(AF_INET6, inherited[i].addr.ip, ip, sizeof(ip));
		snprintf(text, size, "[%s]:%d", ip, inherited[i].addr.port);
		return true;
	}
	return false;
}

/* Every address may be written 0.0.0.0, too. */
static bool is_every_address(const struct os_addr *a)
{
	static const uint8_t none[16], none_v4[16] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->ip, none, 16) == 0 || memcmp(a->ip, none_v4, 16) == 0;
}

/* Before there are threads that listen: one at a time. */
static bool take_inherited(const struct os_addr *addr, os_fd *out)
{
	for (int i = 0; i < inherited_count; i++) {
		const struct os_addr *a = &inherited[i].addr;

		if (inherited[i].fd < 0 || a->port != addr->port || (memcmp(a->ip, addr->ip, 16) != 0 && !(is_every_address(a) && is_every_address(addr))))
			continue;
		*out = inherited[i].fd;
		inherited[i].fd = -1;
		return true;
	}
	return false;
}

static enum err real_bind(struct os *os, const char *host, uint16_t port, os_fd *out, uint16_t *bound)
{
	struct os_addr addr = { .port = port };		/* all zeros: every address */
	union sockaddr_any sa;
	int n = 0;

	if (host[0] != '\0') {
		enum err e = real_resolve(os, host, port, &addr, 1, &n);
		if (e != OK)
			return e;
	}
	if (take_inherited(&addr, out)) {
		*bound = port;
		return OK;
	}
	socklen_t len = to_sockaddr(&addr, &sa);
	enum err e = bind_at(&sa, len, out, bound);
	if (e != OK && host[0] == '\0' && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {	/* no IPv6 here */
		memset(addr.ip + 10, 0xff, 2);
		len = to_sockaddr(&addr, &sa);
		e = bind_at(&sa, len, out, bound);
	}
	return e;
}

/* Of an inherited one, which listens, this sets the backlog. */
static enum err real_listen(struct os *os UNUSED, os_fd bound, int backlog)
{
	return listen(bound, backlog) == 0 ? OK : err_from_errno(errno);
}

static enum err real_accept(struct os *os UNUSED, os_fd listener, os_fd *out, struct os_addr *peer)
{
	for (;;) {
		union sockaddr_any sa = { 0 };
		socklen_t len = sizeof(sa);
		*out = accept4(listener, &sa.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (*out >= 0) {
			set_stream_options(*out);
			if (peer != NULL)
				from_sockaddr(&sa, peer);
			return OK;
		}
		switch (errno) {	/* accept(2): errors of the new connection, already gone; the next may be well */
		case EINTR: case ECONNABORTED: case EPROTO: case ENOPROTOOPT: case ENETDOWN: case EHOSTDOWN:
		case ENONET: case EHOSTUNREACH: case ENETUNREACH:
			continue;
		case ENOBUFS:
			return ERR_LIMIT;
		default:
			return err_from_errno(errno);
		}
	}
}

static enum err real_connect(struct os *os UNUSED, const struct os_addr *to, os_fd *out)
{
	union sockaddr_any sa;
	socklen_t len = to_sockaddr(to, &sa);
	enum err e = new_socket(sa.any.sa_family, out);

	if (e != OK)
		return e;
	set_stream_options(*out);
	if (connect(*out, &sa.any, len) == 0)
		return OK;
	if (errno == EINPROGRESS || errno == EINTR)	/* interrupted or not: it goes on by itself */
		return ERR_AGAIN;
	e = give_up(out);
	return e == ERR_AGAIN ? ERR_LIMIT : e;	/* EAGAIN of connect: no local port is free */
}

static enum err real_connect_result(struct os *os UNUSED, os_fd fd)
{
	union sockaddr_any sa;
	int code = 0;
	socklen_t len = sizeof(code), sa_len = sizeof(sa);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
		return err_from_errno(errno);
	errno = code;
	if (code != 0)
		return err_from_errno(code);
	if (getpeername(fd, &sa.any, &sa_len) == 0)
		return OK;
	return errno == ENOTCONN ? ERR_AGAIN : err_from_errno(errno);
}

static enum err real_recv(struct os *os UNUSED, os_fd fd, void *buf, size_t len, size_t *got)
{
	ssize_t n;

	do {
		n = recv(fd, buf, len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_from_errno(errno);
	*got = (size_t)n;
	return OK;
}

static enum err real_sendv(struct os *os UNUSED, os_fd fd, const struct iovec *iov, int n, size_t *sent)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
	ssize_t w;

	do {
		w = sendmsg(fd, &m, MSG_NOSIGNAL);
	} while (w < 0 && errno == EINTR);
	if (w < 0)
		return err_from_errno(errno);
	*sent = (size_t)w;
	return OK;
}

static enum err real_sendfile(struct os *os UNUSED, os_fd socket, os_fd file, int64_t pos, size_t len, size_t *sent)
{
	off_t from = pos;
	ssize_t n;

	do {
		n = sendfile(socket, file, &from, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_from_errno(errno);
	*sent = (size_t)n;
	return OK;
}

static enum err real_socket_buffers(struct os *os UNUSED, os_fd fd, int send_bytes, int recv_bytes)
{
	if (send_bytes >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) != 0)
		return err_from_errno(errno);
	if (recv_bytes >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &recv_bytes, sizeof(recv_bytes)) != 0)
		return err_from_errno(errno);
	return OK;
}

static enum err real_shutdown_send(struct os *os UNUSED, os_fd fd)
{
	return shutdown(fd, SHUT_WR) == 0 ? OK : err_from_errno(errno);
}

void os_real_socket_ops(struct os_ops *ops)
{
	ops->resolve = real_resolve;
	ops->bind = real_bind;
	ops->listen = real_listen;
	ops->accept = real_accept;
	ops->connect = real_connect;
	ops->connect_result = real_connect_result;
	ops->recv = real_recv;
	ops->sendv = real_sendv;
	ops->sendfile = real_sendfile;
	ops->socket_buffers = real_socket_buffers;
	ops->shutdown_send = real_shutdown_send;
}
