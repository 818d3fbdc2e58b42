/*
 * One topic that is written at a rate, and many consumers that read all of it: what compare puts on brokers for its row "fan-out". One line of JSON.
 *
 *	fan_bench PORT TOPIC CONSUMERS SECONDS MB-PER-S PID FILE	TOPIC: empty, of one partition. FILE: its log
 *	fan_bench bare FILE BYTES					the floor alone, with so many bytes a call
 *
 * Clients on plain sockets, that throw away what they get without copying it: librdkafka takes several times what a broker does, and there would be little left for that. A consumer
 * asks for what comes next as soon as it has been answered, for 1 MiB at most, and waits for it at the end. The floor: a process that does nothing but sendfile of the same file.
 *
 * The processor time is the broker's, for taking what is written as well: a GB written is many GB read.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

#define RECORDS      250		/* in a batch, of 1 KiB */
#define FETCH_BYTES  (1 << 20)
#define WAIT_SECONDS 20		/* for consumers to come to the end */
#define FLOOR_BYTES  4e9

struct reader_at {
	int      fd;
	int64_t  batches;		/* read so far */
	uint8_t  size[4];
	size_t   size_got, left, len;	/* of the answer */
	bool     is_asking;		/* an answer is to come */
};

struct fan {
	uint16_t          port;
	const char       *topic;
	double            seconds, rate;	/* rate: batches a second */
	struct bench_batch batch;
	int64_t           written;	/* batches; the writer's thread counts */
	int64_t           late;		/* batches that were not written when they were due: the broker, or the machine, was slower */
	bool              is_over;
	uint64_t          got;		/* bytes of answers */
};

/* When each batch is due is known before. */
static void *write_at_rate(void *arg)
{
	struct fan *f = arg;
	int fd = client_connect(f->port);
	double began = bench_now();
	int64_t total = (int64_t)(f->rate * f->seconds);
	struct writer w;

	writer_init(&w);
	client_make_produce(&w, f->topic, 0, 1, f->batch.batch);
	for (int64_t i = 0; i < total && bench_now() - began < 2 * f->seconds; i++) {
		double early = began + (double)i / f->rate - bench_now();

		if (early > 0)
			bench_sleep(early);
		f->late += early < -1;
		client_send(fd, slice_of(w.buf, w.len));
		if (client_produce_error(client_receive(fd)) != 0)
			bench_die("a batch was refused");
		__atomic_add_fetch(&f->written, 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&f->is_over, true, __ATOMIC_RELEASE);
	writer_fini(&w);
	close(fd);
	return NULL;
}

static void ask(struct fan *f, struct reader_at *r)
{
	struct writer w;

	writer_init(&w);
	client_make_fetch(&w, f->topic, r->batches * RECORDS, FETCH_BYTES);
	client_send(r->fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	r->size_got = 0;
	r->is_asking = true;
}

/* What is there of the answer. What it holds follows from its length: all batches are of one size, and what is around them is shorter than one. */
static void take(struct fan *f, struct reader_at *r)
{
	ssize_t n = r->size_got < sizeof(r->size) ? recv(r->fd, r->size + r->size_got, sizeof(r->size) - r->size_got, MSG_DONTWAIT)
						   : recv(r->fd, NULL, r->left, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return;
	if (n == 0)
		bench_die("the broker has closed a consumer's connection");
	if (r->size_got < sizeof(r->size)) {
		r->size_got += (size_t)n;
		r->left = r->len = load_be32(r->size);
		return;
	}
	r->left -= (size_t)n;
	f->got += (uint64_t)n;
	if (r->left > 0)
		return;
	r->batches += (int64_t)(r->len / f->batch.batch.len);
	r->is_asking = false;
}

/* True when all have read all, or the time for it is over. */
static bool are_done(struct fan *f, const struct reader_at *readers, int count, double deadline)
{
	int64_t least = INT64_MAX;

	if (!__atomic_load_n(&f->is_over, __ATOMIC_ACQUIRE))
		return false;
	for (int i = 0; i < count; i++)
		least = MIN(least, readers[i].batches);
	return least >= f->written || bench_now() > deadline;
}

static void read_all(struct fan *f, struct reader_at *readers, int count)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);
	double deadline = bench_now() + 2 * f->seconds + WAIT_SECONDS;
	struct epoll_event events[64];

	for (int i = 0; i < count; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &readers[i] };

		readers[i].fd = client_connect(f->port);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, readers[i].fd, &e) != 0)
			bench_die("epoll_ctl");
		ask(f, &readers[i]);
	}
	while (!are_done(f, readers, count, deadline)) {
		int n = epoll_wait(poller, events, ARRAY_LEN(events), 100);

		for (int i = 0; i < n; i++) {
			struct reader_at *r = events[i].data.ptr;

			take(f, r);
			if (!r->is_asking)
				ask(f, r);
		}
	}
	for (int i = 0; i < count; i++)
		close(readers[i].fd);
	close(poller);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "bare") == 0) {
		printf("{\"bare_s_per_gb\":%.6f}\n", load_sendfile(argv[2], atoi(argv[3]), (uint64_t)FLOOR_BYTES));
		return 0;
	}
	if (argc != 8)
		bench_die("usage: fan_bench PORT TOPIC CONSUMERS SECONDS MB-PER-S PID FILE, or fan_bench bare FILE BYTES");
	struct fan f = { .port = (uint16_t)atoi(argv[1]), .topic = argv[2], .seconds = atof(argv[4]) };
	int count = atoi(argv[3]);
	pid_t pid = atoi(argv[6]);
	pthread_t writer;

	bench_batch_init(&f.batch, CODEC_NONE, RECORDS, 1024);
	f.rate = atof(argv[5]) * 1e6 / (double)f.batch.batch.len;
	struct reader_at *readers = mem_calloc((size_t)count + 1, sizeof(*readers));
	double began = bench_now();
	struct bench_cost before = process_cost(pid);
	if (pthread_create(&writer, NULL, write_at_rate, &f) != 0)
		bench_die("pthread_create");
	read_all(&f, readers, count);
	pthread_join(writer, NULL);
	double ended = bench_now();
	struct bench_cost after = process_cost(pid);
	int64_t behind = 0;
	for (int i = 0; i < count; i++)
		behind = MAX(behind, f.written - readers[i].batches);
	double bare = load_sendfile(argv[7], FETCH_BYTES, (uint64_t)FLOOR_BYTES);
	printf("{\"written\":%.0f,\"bytes\":%llu,\"seconds\":%.3f,\"cpu_s\":%.6f,\"late\":%lld,\"behind\":%lld,\"bare_s_per_gb\":%.6f}\n",
	       (double)f.written * (double)f.batch.batch.len, (unsigned long long)f.got, ended - began, after.cpu_s - before.cpu_s, (long long)f.late, (long long)behind, bare);
	free(readers);
	bench_batch_fini(&f.batch);
	return 0;
}
