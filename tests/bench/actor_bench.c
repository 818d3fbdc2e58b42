/*
 * What a hand-over costs: round trips between two actors (on one CPU and on two, 1 to 64 messages
 * in flight), wakes per round trip, one question to each of a thousand sleepers, and ten thousand
 * parked actors.
 *
 *	tests/bench/actor_bench [seconds per line, default 1]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "actor/actor.h"

static struct os *os;
static mono_ns run_ns = 1000000000;

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* --- round trips ------------------------------------------------------------------------------ */

enum { IN_FLIGHT_MAX = 64, RECEIVERS_MAX = 1000 };

struct asker {
	struct actor  actor;
	int           cpu, in_flight, receivers;
	struct actor *to;		/* [receivers] */
	struct msg    pool[RECEIVERS_MAX];
	uint64_t      trips;
	mono_ns       end;
};

static int receiver_cpu;		/* of all receivers of a line; -1: any */
static _Thread_local bool is_pinned;

static void pin(int cpu)
{
	cpu_set_t set;

	if (is_pinned || cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	is_pinned = true;
}

static void answer(void *arg, struct msg *m)
{
	actor_answer(arg, m);
}

static int receiver_step(struct actor *a, mono_ms now UNUSED)
{
	pin(receiver_cpu);
	return actor_drain_questions(a, 64, answer, a);
}

static void must_ask(struct asker *k, struct actor *to, struct msg *m)
{
	if (!actor_ask(&k->actor, to, m))
		abort();
}

static void ask_again(void *arg, struct msg *m)
{
	struct asker *k = arg;

	k->trips++;
	if (os_mono_ns(os) < k->end)
		must_ask(k, m->to, m);
}

static int asker_step(struct actor *a, mono_ms now UNUSED)
{
	struct asker *k = CONTAINER_OF(a, struct asker, actor);

	if (k->end != 0)
		return actor_drain_answers(a, ask_again, k);
	pin(k->cpu);
	k->end = os_mono_ns(os) + run_ns;
	for (int i = 0; i < k->in_flight; i++) {
		msg_init(&k->pool[i], MSG_BASE_BROKER, a);
		must_ask(k, &k->to[i % k->receivers], &k->pool[i]);
	}
	return 1;
}

static const struct actor_ops asker_ops = { .module = "asker", .step = asker_step };
static const struct actor_ops receiver_ops = { .module = "receiver", .is_many = true, .step = receiver_step };

static void must_start(struct actor *a)
{
	if (actor_start(a, 0) != OK) {
		fprintf(stderr, "a thread could not be started\n");
		exit(1);
	}
}

static struct actor *start_many(struct sched *s, int n)
{
	struct actor *a = mem_calloc((size_t)n, sizeof(*a));

	for (int i = 0; i < n; i++) {
		actor_init(&a[i], s, &receiver_ops, LANE_NONE, "receiver-%d", i);
		must_start(&a[i]);
	}
	return a;
}

static void stop_many(struct actor *a, int n)
{
	for (int i = 0; i < n; i++)
		actor_stop(&a[i]);
	for (int i = 0; i < n; i++) {
		actor_join(&a[i]);
		actor_fini(&a[i]);
	}
	free(a);
}

static void round_trips(const char *what, int asker_cpu, int cpu_of_receivers, int receivers, int in_flight)
{
	struct sched *s = sched_threads_create(os);
	static struct asker k;
	struct actor *to;
	uint64_t wakes = 0;
	double cpu, n;

	receiver_cpu = cpu_of_receivers;
	to = start_many(s, receivers);
	k = (struct asker){ .cpu = asker_cpu, .in_flight = in_flight, .receivers = receivers, .to = to };
	actor_init(&k.actor, s, &asker_ops, 1, "one");
	cpu = cpu_seconds();
	must_start(&k.actor);
	actor_stop(&k.actor);
	actor_join(&k.actor);
	cpu = cpu_seconds() - cpu;
	n = (double)k.trips;
	for (int i = 0; i < receivers; i++)
		wakes += to[i].counters.wakes_sent;
	printf("%-24s %4d in flight %9.0f /s %8.2f us each %6.3f wakes %7.2f us of CPU\n", what, in_flight,
	       n / ((double)run_ns / 1e9), (double)run_ns / 1e3 * in_flight / n,
	       (double)(k.actor.counters.wakes_sent + wakes) / n, cpu / n * 1e6);
	actor_fini(&k.actor);
	stop_many(to, receivers);
	sched_destroy(&s);
}

/* --- parked actors ---------------------------------------------------------------------------- */

/* A line "name: <n> kB" of a file of /proc. */
static double kib_of(const char *path, const char *name)
{
	char line[256];
	double kib = 0;
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtod(line + strlen(name) + 1, NULL);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void parked(int n)
{
	struct sched *s = sched_threads_create(os);
	double user = kib_of("/proc/self/status", "VmRSS"), kernel = kib_of("/proc/meminfo", "KernelStack");
	mono_ns begun = os_mono_ns(os), started, slept;
	struct actor *a;
	double cpu;

	receiver_cpu = -1;
	a = start_many(s, n);
	started = os_mono_ns(os);
	os_sleep_ms(os, 200);
	user = kib_of("/proc/self/status", "VmRSS") - user;
	kernel = kib_of("/proc/meminfo", "KernelStack") - kernel;
	cpu = cpu_seconds();
	os_sleep_ms(os, 1000);
	cpu = cpu_seconds() - cpu;
	slept = os_mono_ns(os);
	stop_many(a, n);
	printf("%d parked actors: started in %.2f s, %.1f KiB each and %.1f KiB of kernel stack, %.2f %% of a CPU, stopped in %.2f s\n", n,
	       (double)(started - begun) / 1e9, user / n, kernel / n, cpu * 100, (double)(os_mono_ns(os) - slept) / 1e9);
	sched_destroy(&s);
}

int main(int argc, char **argv)
{
	static const int in_flight[] = { 1, 5, IN_FLIGHT_MAX };

	os = os_real();
	if (argc > 1)
		run_ns = (mono_ns)(atof(argv[1]) * 1e9);
	for (size_t i = 0; i < ARRAY_LEN(in_flight); i++)
		round_trips("same CPU", 0, 0, 1, in_flight[i]);
	for (size_t i = 0; i < ARRAY_LEN(in_flight); i++)
		round_trips("other CPU", 0, 1, 1, in_flight[i]);
	for (size_t i = 0; i < ARRAY_LEN(in_flight); i++)
		round_trips("wherever", -1, -1, 1, in_flight[i]);
	round_trips("100 receivers", -1, -1, 100, 100);
	round_trips("1000 receivers", -1, -1, 1000, 1000);
	parked(10000);
	return 0;
}
