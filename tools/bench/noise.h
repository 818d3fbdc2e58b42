/*
 * How quiet the machine was while something was measured: what else is told of times means nothing without it.
 *
 * A hiccup is what an idle thread waits longer than it asked for; steal is what the hypervisor gave to others; busy is what the processors did in all.
 */
#ifndef SKEIN_BENCH_NOISE_H
#define SKEIN_BENCH_NOISE_H

#include "histogram.h"
#include "os/os.h"

#define NOISE_STEAL_PERCENT  1.0	/* beyond these a machine is not quiet */
#define NOISE_HICCUP_NS      1000000	/* of one in a thousand */

struct noise {
	struct os_thread *thread;
	uint32_t          is_ending;	/* written by the owner, read by the thread */
	struct histogram  hiccups;	/* the thread's until noise_end */
	uint64_t          total, idle, steal;	/* at the begin, in ticks of all processors */
	double            steal_percent, busy_percent, load;	/* after noise_end; -1: not known */
};

enum err noise_begin(struct noise *n) MUST_CHECK;
void     noise_end(struct noise *n);	/* nothing when it did not begin */
bool     noise_is_quiet(const struct noise *n);

#endif
