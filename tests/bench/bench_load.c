/*
 * Loads. The client keeps a number of requests in flight on each connection, each sent with a
 * system call of its own, as real clients do; all answers are decoded, and an error ends the bench.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define ANSWERS_BYTES   4096

/* --- produce ---------------------------------------------------------------------------------- */

struct lane {				/* one connection */
	int     fd;
	int     in_flight;
	uint8_t answers[ANSWERS_BYTES];	/* as far as they have arrived */
	size_t  filled;
};

struct load {
	const struct load_spec *spec;
	struct lane *lanes;
	int          poller;
	uint64_t     sent, answered;
	double       until;
};

static bool may_send(const struct load *l)
{
	return (l->spec->requests == 0 || l->sent < l->spec->requests)
	    && (l->spec->seconds == 0 || bench_now() < l->until);
}

static void fill_up(struct load *l, struct lane *lane)
{
	while (lane->in_flight < l->spec->in_flight && may_send(l)) {
		client_send(lane->fd, l->spec->frame);
		lane->in_flight++;
		l->sent++;
	}
}

static void receive(struct load *l, struct lane *lane)
{
	ssize_t n = recv(lane->fd, lane->answers + lane->filled, ANSWERS_BYTES - lane->filled, 0);
	size_t at = 0;

	if (n <= 0)
		bench_die("recv: the broker has closed the connection");
	lane->filled += (size_t)n;
	while (lane->filled - at >= 4) {
		size_t len = load_be32(lane->answers + at);

		if (len > ANSWERS_BYTES - 4)
			bench_die("an answer of %zu bytes", len);
		if (lane->filled - at - 4 < len)
			break;
		int error = client_produce_error(slice_of(lane->answers + at + 4, len));
		if (error != 0)
			bench_die("a record was refused, error %d", error);
		at += 4 + len;
		lane->in_flight--;
		l->answered++;
	}
	memmove(lane->answers, lane->answers + at, lane->filled - at);
	lane->filled -= at;
}

static void load_open(struct load *l, const struct load_spec *spec)
{
	*l = (struct load){ .spec = spec, .until = bench_now() + spec->seconds };
	l->lanes = mem_calloc((size_t)spec->connections, sizeof(struct lane));
	l->poller = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < spec->connections; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &l->lanes[i] };

		l->lanes[i].fd = client_connect(spec->broker->port);
		if (epoll_ctl(l->poller, EPOLL_CTL_ADD, l->lanes[i].fd, &e) != 0)
			bench_die("epoll_ctl");
	}
}

static void load_close(struct load *l)
{
	for (int i = 0; i < l->spec->connections; i++)
		close(l->lanes[i].fd);
	close(l->poller);
	free(l->lanes);
}

struct load_result load_produce(const struct load_spec *spec)
{
	struct epoll_event events[64];
	struct load l;

	load_open(&l, spec);
	struct bench_cost before = process_cost(spec->broker->pid);
	double began = bench_now();
	l.until = began + spec->seconds;
	for (int i = 0; i < spec->connections; i++)
		fill_up(&l, &l.lanes[i]);
	while (l.answered < l.sent) {
		int n = epoll_wait(l.poller, events, ARRAY_LEN(events), -1);

		for (int i = 0; i < n; i++) {
			receive(&l, events[i].data.ptr);
			fill_up(&l, events[i].data.ptr);
		}
	}
	double ended = bench_now();
	struct bench_cost after = process_cost(spec->broker->pid);
	load_close(&l);
	return (struct load_result){
		.requests = l.answered, .seconds = ended - began,
		.cpu_s = after.cpu_s - before.cpu_s, .wakes = after.wakes - before.wakes,
	};
}

/* --- fetch, and its floor --------------------------------------------------------------------- */

double load_fetch(const struct bench_broker *b, const struct fetch_spec *spec)
{
	int fd = client_connect(b->port);
	uint64_t got = 0;
	int64_t offset = 0;
	struct writer w;

	writer_init(&w);
	struct bench_cost before = process_cost(b->pid);
	while (got < spec->total) {
		writer_reset(&w);
		client_make_fetch(&w, spec->topic, offset, spec->bytes);
		client_send(fd, slice_of(w.buf, w.len));
		size_t len = client_receive_away(fd);
		if (len < (size_t)spec->bytes / 2)
			bench_die("a Fetch answer of %zu bytes instead of %d", len, spec->bytes);
		got += len;
		offset = offset + spec->step < spec->end ? offset + spec->step : 0;
	}
	struct bench_cost after = process_cost(b->pid);
	writer_fini(&w);
	close(fd);
	return (after.cpu_s - before.cpu_s) / ((double)got / 1e9);
}

struct sendfile_request {		/* also what stands before the bytes, as a frame's size */
	uint32_t len;
	int64_t  pos;
};

NORETURN static void serve_sendfile(int listener, const char *path)
{
	int socket = accept(listener, NULL, NULL), file = open(path, O_RDONLY);
	struct sendfile_request r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(socket, &r, sizeof(r), MSG_WAITALL) == sizeof(r)) {
		off_t pos = r.pos;
		uint8_t size[4];

		store_be32(size, r.len);
		if (send(socket, size, sizeof(size), MSG_MORE) != sizeof(size))
			_exit(1);
		for (size_t left = r.len; left > 0;) {
			ssize_t n = sendfile(socket, file, &pos, left);
			if (n <= 0)
				_exit(1);
			left -= (size_t)n;
		}
	}
	_exit(0);
}

double load_sendfile(const char *file, int32_t bytes, uint64_t total)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t alen = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), file_fd = open(file, O_RDONLY);
	off_t size = lseek(file_fd, 0, SEEK_END);
	struct sendfile_request r = { .len = (uint32_t)bytes };
	uint64_t got = 0;

	close(file_fd);
	if (size < bytes || bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0
	    || listen(listener, 1) != 0
	    || getsockname(listener, (struct sockaddr *)&a, &alen) != 0)
		bench_die("cannot serve %s", file);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		serve_sendfile(listener, file);
	int fd = client_connect(ntohs(a.sin_port));
	struct bench_cost before = process_cost(pid);
	while (got < total) {
		client_send(fd, slice_of(&r, sizeof(r)));
		got += client_receive_away(fd);
		r.pos = r.pos + 2 * bytes <= size ? r.pos + bytes : 0;
	}
	struct bench_cost after = process_cost(pid);
	close(fd);
	close(listener);
	waitpid(pid, NULL, 0);
	return (after.cpu_s - before.cpu_s) / ((double)got / 1e9);
}
