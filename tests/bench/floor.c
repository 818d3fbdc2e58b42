/*
 * What any broker must cost at least: a process that librdkafka takes for a broker with one partition per topic, and that does nothing else.
 *
 *	floor null PORT		frames and acknowledges
 *	floor loop PORT FILE	recv, CRC-32C of the batch, pwritev to the file, reply
 *
 * One thread, one buffer per connection, as much as there is with one recv, one send for all answers to it. It speaks ApiVersions 0, Metadata 1 and Produce 3, of which the
 * layout is fixed. It trusts its client: whatever it does not understand ends it.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "wire/gen/api_table.h"

#define FRAME_MAX   (4 << 20)
#define ANSWERS_MAX (1 << 20)
#define FILE_MAX    (INT64_C(1) << 30)	/* then the next one begins, as segments roll: to write over pages that are there is cheaper than any log */
#define BATCH_CRC   17
#define BATCH_AFTER_CRC 21
#define UNSUPPORTED 35

struct connection {
	int     fd;
	size_t  filled;
	uint8_t in[FRAME_MAX];
};

struct floor_server {
	uint16_t port;
	const char *path;
	int      file;		/* -1: null */
	int      files;		/* begun so far; the one before the last is there as well */
	off_t    end;
	int64_t  offset;
	struct writer out;
};

static const uint8_t *take_string(const uint8_t *p, struct slice *out)
{
	int16_t len = (int16_t)load_be16(p);

	*out = len < 0 ? SLICE_NULL : slice_of(p + 2, (size_t)len);
	return p + 2 + (len < 0 ? 0 : len);
}

static void answer_api_versions(struct floor_server *f, int version)
{
	static const int16_t apis[][3] = { { API_PRODUCE, 0, 3 }, { API_FETCH, 0, 4 }, { API_METADATA, 0, 1 }, { API_FIND_COORDINATOR, 0, 0 }, { API_API_VERSIONS, 0, 0 } };

	put_i16(&f->out, version == 0 ? 0 : UNSUPPORTED);
	put_i32(&f->out, (int32_t)ARRAY_LEN(apis));
	for (size_t i = 0; i < ARRAY_LEN(apis); i++)
		for (int n = 0; n < 3; n++)
			put_i16(&f->out, apis[i][n]);
}

/* Every topic that is asked for is here. */
static void answer_metadata(struct floor_server *f, const uint8_t *p)
{
	int32_t count = (int32_t)load_be32(p);
	struct slice name;

	put_i32(&f->out, 1);
	put_i32(&f->out, 1);
	put_string(&f->out, false, false, SLICE_LIT("127.0.0.1"));
	put_i32(&f->out, f->port);
	put_i16(&f->out, -1);
	put_i32(&f->out, 1);
	put_i32(&f->out, MAX(count, 0));
	p += 4;
	for (int32_t i = 0; i < count; i++) {
		p = take_string(p, &name);
		put_i16(&f->out, 0);
		put_string(&f->out, false, false, name);
		put_i8(&f->out, 0);
		put_i32(&f->out, 1);	/* partition: no error, number 0, leader 1, replicas [1], in sync [1] */
		put_i16(&f->out, 0);
		put_i32(&f->out, 0);
		for (int n = 0; n < 5; n++)
			put_i32(&f->out, 1);
	}
}

static void begin_file(struct floor_server *f)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s.%d", f->path, f->files++ % 2);
	if (f->file >= 0)
		close(f->file);
	(void)unlink(name);
	if ((f->file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		bench_die("%s: %m", name);
	f->end = 0;
}

static void keep(struct floor_server *f, struct slice batch)
{
	struct iovec iov = { (void *)(uintptr_t)batch.ptr, batch.len };

	if (f->file < 0)
		return;
	if (batch.len < BATCH_AFTER_CRC || crc32c(0, batch.ptr + BATCH_AFTER_CRC, batch.len - BATCH_AFTER_CRC) != load_be32(batch.ptr + BATCH_CRC))
		bench_die("a batch of %zu bytes does not match its CRC", batch.len);
	if (pwritev(f->file, &iov, 1, f->end) != (ssize_t)batch.len)
		bench_die("pwritev: %m");
	f->end += (off_t)batch.len;
	if (f->end >= FILE_MAX)
		begin_file(f);
}

/* One topic, one partition, as the client sends to a leader of one. */
static bool answer_produce(struct floor_server *f, const uint8_t *p)
{
	struct slice transaction, topic;

	p = take_string(p, &transaction);
	int16_t acks = (int16_t)load_be16(p);
	int32_t topics = (int32_t)load_be32(p + 6);
	p = take_string(p + 10, &topic);
	int32_t partitions = (int32_t)load_be32(p), number = (int32_t)load_be32(p + 4);
	if (topics != 1 || partitions != 1)
		bench_die("a Produce of %d topics and %d partitions", topics, partitions);
	keep(f, slice_of(p + 12, load_be32(p + 8)));
	if (acks == 0)
		return false;
	put_i32(&f->out, 1);
	put_string(&f->out, false, false, topic);
	put_i32(&f->out, 1);
	put_i32(&f->out, number);
	put_i16(&f->out, 0);
	put_i64(&f->out, f->offset++);
	put_i64(&f->out, -1);
	put_i32(&f->out, 0);
	return true;
}

static void answer(struct floor_server *f, const uint8_t *frame, size_t len)
{
	size_t begin = f->out.len;
	struct slice client;

	if (len < 10)
		bench_die("a request of %zu bytes", len);
	int key = load_be16(frame), version = load_be16(frame + 2);
	const uint8_t *body = take_string(frame + 8, &client);
	put_i32(&f->out, 0);
	put_i32(&f->out, (int32_t)load_be32(frame + 4));	/* the correlation id */
	switch (key) {
	case API_API_VERSIONS: answer_api_versions(f, version); break;
	case API_METADATA:     answer_metadata(f, body); break;
	case API_PRODUCE:
		if (!answer_produce(f, body)) {
			f->out.len = begin;
			return;
		}
		break;
	default: bench_die("request %d is not answered here", key);
	}
	store_be32(f->out.buf + begin, (uint32_t)(f->out.len - begin - 4));
}

static bool serve(struct floor_server *f, struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->filled, sizeof(c->in) - c->filled, 0);
	size_t at = 0;

	if (n <= 0) {
		close(c->fd);
		free(c);
		return false;
	}
	c->filled += (size_t)n;
	writer_reset(&f->out);
	while (c->filled - at >= 4) {
		size_t len = load_be32(c->in + at);
		if (len > sizeof(c->in) - 4)
			bench_die("a request of %zu bytes", len);
		if (c->filled - at - 4 < len)
			break;
		answer(f, c->in + at + 4, len);
		at += 4 + len;
	}
	memmove(c->in, c->in + at, c->filled - at);
	c->filled -= at;
	if (f->out.len > 0)
		client_send(c->fd, slice_of(f->out.buf, f->out.len));
	return true;
}

static void watch(int poller, int fd, void *data)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = data };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0)
		bench_die("epoll_ctl: %m");
}

int main(int argc, char **argv)
{
	struct floor_server f = { .file = -1 };
	struct epoll_event events[64];
	int on = 1;

	if (argc < 3 || (strcmp(argv[1], "null") != 0 && (strcmp(argv[1], "loop") != 0 || argc < 4)))
		bench_die("usage: floor null PORT | loop PORT FILE");
	f.port = (uint16_t)atoi(argv[2]);
	f.path = argv[3];
	if (argv[1][0] == 'l')
		begin_file(&f);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(f.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), poller = epoll_create1(EPOLL_CLOEXEC);
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0
	    || listen(listener, 100) != 0)
		bench_die("port %d: %m", f.port);
	writer_init(&f.out);
	watch(poller, listener, NULL);
	for (;;) {
		int n = epoll_wait(poller, events, ARRAY_LEN(events), -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr != NULL) {
				(void)serve(&f, events[i].data.ptr);
				continue;
			}
			struct connection *c = mem_alloc(sizeof(*c));
			c->filled = 0;
			c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			watch(poller, c->fd, c);
		}
	}
}
