#include "noise.h"

#include <inttypes.h>
#include <stdio.h>

#define SLEEP_MS   1
#define STACK_BYTES 65536

static void sleep_and_look(void *arg)
{
	struct noise *n = arg;
	struct os *os = os_real();
	mono_ns then = os_mono_ns(os);

	while (__atomic_load_n(&n->is_ending, __ATOMIC_ACQUIRE) == 0) {
		os_sleep_ms(os, SLEEP_MS);
		mono_ns now = os_mono_ns(os), slept = now - then;
		histogram_add(&n->hiccups, slept > SLEEP_MS * 1000000 ? (uint64_t)(slept - SLEEP_MS * 1000000) : 0);
		then = now;
	}
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal. False: there is none. */
static bool read_ticks(uint64_t *total, uint64_t *idle, uint64_t *steal)
{
	uint64_t v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "r");
	int n = 0;

	if (f == NULL)
		return false;
	n = fscanf(f, "cpu %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64" %"SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	fclose(f);
	*total = 0;
	for (int i = 0; i < 8; i++)
		*total += v[i];
	*idle = v[3] + v[4];
	*steal = v[7];
	return n == 8;
}

enum err noise_begin(struct noise *n)
{
	*n = (struct noise){ .steal_percent = -1, .busy_percent = -1, .load = -1 };
	if (!read_ticks(&n->total, &n->idle, &n->steal))
		n->total = 0;
	return os_thread_start(os_real(), &n->thread, "hiccups", STACK_BYTES, sleep_and_look, n);
}

void noise_end(struct noise *n)
{
	uint64_t total, idle, steal;
	FILE *f;

	if (n->thread == NULL)
		return;
	__atomic_store_n(&n->is_ending, 1, __ATOMIC_RELEASE);
	os_thread_join(os_real(), &n->thread);
	if (n->total > 0 && read_ticks(&total, &idle, &steal) && total > n->total) {
		double ticks = (double)(total - n->total);
		n->steal_percent = 100.0 * (double)(steal - n->steal) / ticks;
		n->busy_percent = 100.0 - 100.0 * (double)(idle - n->idle) / ticks;
	}
	f = fopen("/proc/loadavg", "r");
	if (f == NULL || fscanf(f, "%lf", &n->load) != 1)
		n->load = -1;
	if (f != NULL)
		fclose(f);
}

bool noise_is_quiet(const struct noise *n)
{
	return n->steal_percent >= 0 && n->steal_percent < NOISE_STEAL_PERCENT && n->hiccups.count > 0
	    && histogram_at(&n->hiccups, 0.999) < NOISE_HICCUP_NS;
}
