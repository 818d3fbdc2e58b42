/*
 * From end to end without a client library: what the broker and the kernel take of it, and what the kernel takes alone.
 *
 *	raw_e2e PORT TOPIC RATE SECONDS	one connection produces a record of 100 B a request, acks=1, another one waits in Fetch; the topic is created
 *	raw_e2e relay RATE SECONDS	the same bytes through a process that does nothing but recv and send
 *
 * One thread with both sockets. When each record is due is known before the first, and is where its times count from. The first half second is not counted.
 * One line of JSON, in microseconds.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX   (64u << 10)
#define LAST_WAIT   1.0		/* seconds for what is on its way */
#define RELAY_BYTES 170		/* a batch of one such record */

struct times {
	double *values;
	int     count;
};

struct run {
	int      in, out;		/* who produces, who consumes */
	bool     is_relay;
	double   zero, rate;
	int      total, sent;
	int64_t  base, next;		/* offset of record 0; the next one to be fetched */
	struct times ack, end_to_end;
	uint8_t  bytes[2][BYTES_MAX];	/* answers as far as they have arrived, of in and out */
	size_t   filled[2];
	const char *topic;
};

static double due_at(const struct run *r, int record)
{
	return r->zero + record / r->rate;
}

static void note(struct run *r, struct times *t)
{
	if (t->count == r->total)
		bench_die("more answers than records");
	t->values[t->count] = bench_now() - due_at(r, t->count);
	t->count++;
}

static void ask(struct run *r)
{
	struct writer w;

	writer_init(&w);
	client_make_fetch(&w, r->topic, r->next, BYTES_MAX / 2);
	client_send(r->out, slice_of(w.buf, w.len));
	writer_fini(&w);
}

/* The batches of a Fetch answer have one record each, and stand behind one another. */
static void take_fetched(struct run *r, struct slice answer)
{
	size_t at = 0;

	while (at + BATCH_HEADER_SIZE <= answer.len && ((int64_t)load_be64(answer.ptr + at) != r->next || answer.ptr[at + 16] != 2))
		at++;
	for (; at + BATCH_HEADER_SIZE <= answer.len && (int64_t)load_be64(answer.ptr + at) == r->next; r->next++) {
		if (r->next >= r->base)
			note(r, &r->end_to_end);
		at += 12 + load_be32(answer.ptr + at + 8);
	}
	ask(r);
}

static void take_answers(struct run *r, int which)
{
	uint8_t *bytes = r->bytes[which];
	ssize_t n = recv(which == 0 ? r->in : r->out, bytes + r->filled[which], BYTES_MAX - r->filled[which], 0);
	size_t at = 0, left;

	if (n <= 0)
		bench_die("recv: the connection has been closed");
	r->filled[which] += (size_t)n;
	for (; (left = r->filled[which] - at) >= 4;) {
		size_t len = r->is_relay ? RELAY_BYTES : 4 + (size_t)load_be32(bytes + at);

		if (len > BYTES_MAX)
			bench_die("an answer of %zu bytes", len);
		if (left < len)
			break;
		if (which == 0 && client_produce_error(slice_of(bytes + at + 4, len - 4)) != 0)
			bench_die("a record was refused");
		if (which == 0)
			note(r, &r->ack);
		else if (r->is_relay)
			note(r, &r->end_to_end);
		else
			take_fetched(r, slice_of(bytes + at, len));
		at += len;
	}
	memmove(bytes, bytes + at, left);
	r->filled[which] = left;
}

static void load(struct run *r, struct slice frame)
{
	struct pollfd fds[] = { { .fd = r->in, .events = POLLIN }, { .fd = r->out, .events = POLLIN } };
	double until = due_at(r, r->total) + LAST_WAIT;

	while (r->end_to_end.count < r->total || (!r->is_relay && r->ack.count < r->total)) {
		double left = (r->sent < r->total ? due_at(r, r->sent) : until) - bench_now();
		struct timespec wait = { .tv_sec = (time_t)MAX(left, 0), .tv_nsec = (long)((MAX(left, 0) - (double)(time_t)MAX(left, 0)) * 1e9) };

		if (bench_now() > until)
			bench_die("not all has arrived");
		if (left <= 0 && r->sent < r->total) {
			client_send(r->in, frame);
			r->sent++;
			continue;
		}
		if (ppoll(fds, 2, &wait, NULL) <= 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents != 0)
				take_answers(r, i);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void tell(const struct run *r, const char *what, const struct times *t)
{
	int skipped = (int)MIN(r->rate / 2, t->count / 2), n = t->count - skipped;

	if (n <= 0)
		return;
	qsort(t->values + skipped, (size_t)n, sizeof(double), compare);
	const double *v = t->values + skipped;
	printf(",\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99_9\":%.1f,\"max\":%.1f}", what, v[n / 2] * 1e6, v[(int)(n * 0.9)] * 1e6, v[(int)(n * 0.99)] * 1e6,
	       v[(int)(n * 0.999)] * 1e6, v[n - 1] * 1e6);
}

/* A child: from the first connection to the second. */
static void start_relay(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	fflush(NULL);
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 2) != 0)
		_exit(1);
	int from = accept(listener, NULL, NULL), to = accept(listener, NULL, NULL);
	char buf[4096];
	for (ssize_t n; (n = recv(from, buf, sizeof(buf), 0)) > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	static struct run r;
	struct bench_batch batch;
	struct writer w;

	r.is_relay = argc == 4 && strcmp(argv[1], "relay") == 0;
	if (!r.is_relay && argc != 5)
		bench_die("usage: raw_e2e PORT TOPIC RATE SECONDS, or raw_e2e relay RATE SECONDS");
	r.rate = atof(argv[argc - 2]);
	r.total = (int)(r.rate * atof(argv[argc - 1]));
	if (r.rate <= 0 || r.total <= 0)
		bench_die("no rate, or no time");
	r.ack.values = mem_calloc((size_t)r.total, sizeof(double));
	r.end_to_end.values = mem_calloc((size_t)r.total, sizeof(double));
	uint16_t port = r.is_relay ? process_free_port() : (uint16_t)atoi(argv[1]);
	if (r.is_relay)
		start_relay(port);
	r.in = client_connect(port);
	r.out = client_connect(port);
	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	if (!r.is_relay) {
		r.topic = argv[2];
		if (!client_create_topics(r.in, r.topic, 1, 1, 1))
			bench_die("the topic %s was not created", r.topic);
		client_make_produce(&w, r.topic, 0, 1, batch.batch);
		client_produce_until_acked(r.in, slice_of(w.buf, w.len));
		r.base = r.next = 1;
		ask(&r);
	}
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	r.zero = bench_now() + 0.05;
	static const uint8_t relayed[RELAY_BYTES];
	load(&r, r.is_relay ? slice_of(relayed, sizeof(relayed)) : slice_of(w.buf, w.len));
	printf("{\"records\":%d", r.end_to_end.count);
	tell(&r, "ack_us", &r.ack);
	tell(&r, "end_to_end_us", &r.end_to_end);
	printf("}\n");
	writer_fini(&w);
	bench_batch_fini(&batch);
	free(r.ack.values);
	free(r.end_to_end.values);
	return 0;
}
