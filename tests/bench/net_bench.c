/*
 * What the network side costs by itself: requests answered on the spot (echo) or by another actor
 * (hop), over loopback.
 *
 *	net_bench [seconds]		a table of connections x requests in flight
 *	net_bench idle N		memory of N idle connections
 *
 * CPU per request is the process's less the client thread's: the broker's side, with the kernel's
 * part of it. The client writes all requests of a round at once and reads until all answers are
 * there.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/net.h"
#include "storage/log.h"

#define KEY_ECHO 3
#define KEY_HOP  0
#define REQUEST_BYTES 128
#define CONNECTIONS_MAX 64
#define DEPTH_MAX 16

/* --- what net needs of modules that are not linked ------------------------------------------- */

struct log_file *log_file_ref(struct log_file *f) { return f; }
void log_file_unref(struct log_file **f) { *f = NULL; }
os_fd log_file_fd(const struct log_file *f UNUSED) { return -1; }
uint32_t log_file_generation(const struct log_file *f UNUSED) { return 0; }
void partition_refuse(struct msg *m UNUSED, enum kafka_error error UNUSED) { }

bool partition_ask(struct actor *from UNUSED, struct partition_addr *to UNUSED,
                   struct msg *m UNUSED)
{
	return false;
}

/* --- the broker ------------------------------------------------------------------------------ */

static struct actor receiver;

static void receiver_answer(void *arg UNUSED, struct msg *m)
{
	actor_answer(&receiver, m);
}

static int receiver_step(struct actor *a, mono_ms now UNUSED)
{
	a->deadline = MONO_NEVER;
	return actor_drain_questions(a, 256, receiver_answer, NULL);
}

static const struct actor_ops receiver_ops = { .module = "receiver", .step = receiver_step };

static bool decode(void *request, struct reader *r, int version UNUSED, struct arena *arena UNUSED)
{
	*(struct slice *)request = slice_of(r->ptr, reader_left(r));
	return true;
}

static bool encode(const void *response, struct writer *w, int version UNUSED)
{
	put_i64(w, *(const int64_t *)response);
	return true;
}

static void begin_echo(struct call *c)
{
	*(int64_t *)c->response = (int64_t)((struct slice *)c->request)->len;
}

static void begin_hop(struct call *c)
{
	struct msg *m = call_message(c, sizeof(*m), MSG_BASE_BROKER);

	call_ask(c, &receiver, m);
}

static void on_answer(struct call *c UNUSED, struct msg *m UNUSED) { }
static void end(struct call *c UNUSED) { }

#define ROW .version_max = 9, .overlaps_itself = true, .needs_no_picture = true, \
	.request_size = sizeof(struct slice), .response_size = sizeof(int64_t), \
	.decode = decode, .encode = encode, .on_answer = on_answer, .end = end
static const struct api_row echo_row = {
	.key = KEY_ECHO, .name = "echo", ROW, .begin = begin_echo
};
static const struct api_row hop_row = { .key = KEY_HOP, .name = "hop", ROW, .begin = begin_hop };
static const struct api_row *const rows[] = { [KEY_ECHO] = &echo_row, [KEY_HOP] = &hop_row };

static struct net_listener_spec listener = { .name = "PLAINTEXT", .host = "127.0.0.1" };
static struct net_spec spec = {
	.rows = rows, .row_count = ARRAY_LEN(rows), .network_threads = 1,
	.max_request_bytes = 100 << 20, .send_buffer = 100 << 10, .recv_buffer = 100 << 10,
	.max_idle_ms = 600000, .max_connections = INT_MAX, .max_connections_per_ip = INT_MAX,
	.listeners = &listener, .listener_count = 1, .backlog = 1000,
};

/* --- the client ------------------------------------------------------------------------------ */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(listener.bound_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double broker_cpu(void)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void receive_all(int fd, size_t len)
{
	static uint8_t sink[65536];

	while (len > 0) {
		ssize_t n = recv(fd, sink, MIN(len, sizeof(sink)), 0);

		if (n <= 0)
			die("recv");
		len -= (size_t)n;
	}
}

static void measure(int key, int connections, int depth, double duration)
{
	static uint8_t frames[DEPTH_MAX * REQUEST_BYTES];
	int fds[CONNECTIONS_MAX];
	uint64_t requests = 0;
	size_t len = (size_t)depth * REQUEST_BYTES;

	for (int i = 0; i < depth; i++) {
		uint8_t *f = frames + i * REQUEST_BYTES;

		store_be32(f, REQUEST_BYTES - 4);
		store_be16(f + 4, (uint16_t)key);
		store_be16(f + 6, 3);
		store_be16(f + 12, 0xffff);
	}
	for (int i = 0; i < connections; i++)
		fds[i] = dial();
	double cpu = broker_cpu(), began = seconds(CLOCK_MONOTONIC), now = began;
	while (now - began < duration) {
		for (int i = 0; i < connections; i++)
			if (send(fds[i], frames, len, MSG_NOSIGNAL) != (ssize_t)len)
				die("send");
		for (int i = 0; i < connections; i++)
			receive_all(fds[i], (size_t)depth * 16);
		requests += (uint64_t)(connections * depth);
		now = seconds(CLOCK_MONOTONIC);
	}
	cpu = broker_cpu() - cpu;
	double each = (now - began) * 1e6 / (double)requests;
	printf("%-5s %11d %9d %12.0f %16.2f %14.1f\n", rows[key]->name, connections, depth,
	       1e6 / each, cpu * 1e6 / (double)requests, each * connections * depth);
	for (int i = 0; i < connections; i++)
		close(fds[i]);
}

static long resident_bytes(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		die("/proc/self/statm");
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void wait_for_connections(struct net *net, uint64_t count)
{
	struct net_counters n = { 0 };

	while (n.connections_open != count) {
		usleep(1000);
		net_counters(net, &n);
	}
}

static void measure_idle(struct net *net, int count)
{
	struct rlimit limit = { (rlim_t)count * 2 + 100, (rlim_t)count * 2 + 100 };
	long before;
	int *fds = mem_calloc((size_t)count, sizeof(int));

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die("setrlimit");
	for (int i = 0; i < 100; i++)		/* what the first ones cost once */
		fds[i] = dial();
	wait_for_connections(net, 100);
	before = resident_bytes();
	for (int i = 100; i < count; i++)
		fds[i] = dial();
	wait_for_connections(net, (uint64_t)count);
	printf("%d idle connections: %.0f bytes of user memory each\n", count,
	       (double)(resident_bytes() - before) / (count - 100));
	for (int i = 0; i < count; i++)
		close(fds[i]);
	free(fds);
}

int main(int argc, char **argv)
{
	static const int connections[] = { 1, 8, 64 }, depths[] = { 1, 5, 16 };
	double duration = argc > 1 && atof(argv[1]) > 0 ? atof(argv[1]) : 1;
	char problem[200];
	struct net *net;

	log_set_level(LOG_LEVEL_WARN);
	spec.sched = sched_threads_create(os_real());
	spec.workers = workers_create(spec.sched, 1);
	actor_init(&receiver, spec.sched, &receiver_ops, LANE_NONE, "receiver");
	if (actor_start(&receiver, 0) != OK
	    || net_create(&net, &spec, problem, sizeof(problem)) != OK)
		die("start");
	net_start(net);
	if (argc > 2 && strcmp(argv[1], "idle") == 0) {
		measure_idle(net, atoi(argv[2]));
	} else {
		printf("row   connections in flight   requests/s  broker us/request  latency us\n");
		for (int key = KEY_HOP; key <= KEY_ECHO; key += KEY_ECHO)
			for (size_t i = 0; i < ARRAY_LEN(connections); i++)
				for (size_t k = 0; k < ARRAY_LEN(depths); k++)
					measure(key, connections[i], depths[k], duration);
	}
	net_destroy(&net);
	actor_stop(&receiver);
	actor_join(&receiver);
	actor_fini(&receiver);
	workers_destroy(&spec.workers);
	sched_destroy(&spec.sched);
	return 0;
}
