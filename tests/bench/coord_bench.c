/*
 * What calls to a ZooKeeper server cost as src/coord makes them: all submitted at once, answered in order, as the controller does with the states of partitions.
 *
 *	coord_bench ADDRESS COUNT [PID]		ADDRESS: host:port of a server, with nothing of value below /skein-bench; PID: the server's process, for its CPU
 *
 * One line of JSON per kind of call: how many per second, and microseconds of CPU each took of this process and of the server. Fenced: a multi with a check of another node in front, which
 * is what a controller writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "coord/waiting.h"
#include "os/os.h"

#define PATH_ROOM 64

struct bench {
	struct coord_waiting *zk;
	int                   count, server;
};

struct one {			/* a call and what it points to */
	struct coord_op ops[2];
	char            path[PATH_ROOM];
};

NORETURN static void die(const char *what)
{
	fprintf(stderr, "coord_bench: %s\n", what);
	exit(1);
}

static double own_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* User and system; 0 when it is not known. */
static double cpu_s(int pid)
{
	char path[64], text[1024];
	unsigned long long user, system;
	const char *behind;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = pid > 0 ? fopen(path, "r") : NULL;
	if (f == NULL)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	behind = strrchr(text, ')');
	if (behind == NULL || sscanf(behind + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* State of a partition, as it lies in the store. */
static const char state[] = "{\"controller_epoch\":12,\"leader\":103,\"version\":1,\"leader_epoch\":345,\"isr\":[103,104,105]}";

static void fill(struct one *o, enum coord_op_kind kind, int i, bool is_fenced)
{
	struct coord_op *op = &o->ops[is_fenced];

	memset(o->ops, 0, sizeof(o->ops));
	snprintf(o->path, sizeof(o->path), "/skein-bench/%d", i);
	if (is_fenced)
		o->ops[0] = (struct coord_op){ .kind = COORD_CHECK, .path = "/skein-bench", .version = COORD_ANY_VERSION };
	*op = (struct coord_op){ .kind = kind, .path = o->path, .version = COORD_ANY_VERSION };
	if (kind == COORD_CREATE || kind == COORD_SET)
		op->data = slice_of(state, sizeof(state) - 1);
}

static void run(const struct bench *b, const char *name, enum coord_op_kind kind, bool is_fenced)
{
	struct coord_call *calls = mem_calloc((size_t)b->count, sizeof(*calls));
	struct one *ones = mem_calloc((size_t)b->count, sizeof(*ones));
	double ours = own_cpu_s(), theirs = cpu_s(b->server);
	mono_ns begin = os_mono_ns(os_real());

	for (int i = 0; i < b->count; i++) {
		fill(&ones[i], kind, i, is_fenced);
		coord_waiting_call_init(b->zk, &calls[i], ones[i].ops, 1 + is_fenced);
		calls[i].is_multi = is_fenced;
	}
	coord_waiting_run(b->zk, calls, b->count);
	double seconds = (double)(os_mono_ns(os_real()) - begin) / 1e9;
	for (int i = 0; i < b->count; i++) {
		if (calls[i].result != OK)
			die(err_text(calls[i].result));
		coord_call_fini(&calls[i]);
	}
	printf("{\"coord\": \"%s\", \"count\": %d, \"per_second\": %.0f, \"own_us\": %.1f, \"server_us\": %.1f}\n", name, b->count, (double)b->count / seconds,
	       (own_cpu_s() - ours) * 1e6 / (double)b->count, (cpu_s(b->server) - theirs) * 1e6 / (double)b->count);
	fflush(stdout);
	free(ones);
	free(calls);
}

/* The parent of all; one that is there is left from a run that did not end. */
static void parent(const struct bench *b, enum coord_op_kind kind)
{
	struct coord_op op = { .kind = kind, .path = "/skein-bench", .version = COORD_ANY_VERSION };
	struct coord_call call;

	coord_waiting_call_init(b->zk, &call, &op, 1);
	coord_waiting_run(b->zk, &call, 1);
	if (call.result != OK)
		die(err_text(call.result));
	coord_call_fini(&call);
}

int main(int argc, char **argv)
{
	char problem[256];
	struct bench b = { 0 };

	if (argc < 3 || argc > 4 || atoi(argv[2]) < 1) {
		fputs("usage: coord_bench ADDRESS COUNT [PID]\n", stderr);
		return 2;
	}
	struct coord_zookeeper_spec spec = { .connect = argv[1], .session_timeout_ms = 18000, .connection_timeout_ms = 18000 };
	b.count = atoi(argv[2]);
	b.server = argc == 4 ? atoi(argv[3]) : 0;
	enum err e = coord_waiting_open(&b.zk, os_real(), &spec, problem, sizeof(problem));
	if (e != OK)
		die(problem);
	parent(&b, COORD_CREATE);
	run(&b, "create, fenced", COORD_CREATE, true);
	run(&b, "set, fenced", COORD_SET, true);
	run(&b, "set", COORD_SET, false);
	run(&b, "get", COORD_GET, false);
	run(&b, "delete", COORD_DELETE, false);
	parent(&b, COORD_DELETE);
	coord_waiting_close(&b.zk);
	return 0;
}
