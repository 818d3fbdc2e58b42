#include "broker/watch.h"

#include <string.h>

#include "os/sandbox.h"

#define LOOK_MS      10000	/* where nobody asks */
#define STUCK_MS     30000
#define LOOK_MS_MIN  50

void watch_init(struct watch *w, struct sched *sched, const struct log_source *log, mono_ms watchdog_ms)
{
	*w = (struct watch){ .sched = sched, .log = log, .interval = LOOK_MS, .limit = STUCK_MS };
	if (watchdog_ms > 0) {
		w->interval = MAX(watchdog_ms / 4, LOOK_MS_MIN);
		w->limit = watchdog_ms / 2;
	}
}

static void seen(void *arg, struct actor *a, mono_ms stuck_ms)
{
	struct watch *w = arg;

	w->partitions += strcmp(a->ops->module, "partition") == 0;
	if (stuck_ms < w->limit)
		return;
	w->stuck++;
	w->longest = MAX(w->longest, stuck_ms);
	LOG_ERROR(&a->log, actor_stuck, KV_I64("ms", stuck_ms), KV_I64("steps", (int64_t)__atomic_load_n(&a->counters.steps, __ATOMIC_RELAXED)));
}

static void tell_refused_calls(struct watch *w)
{
	const char *last;
	uint64_t n = sandbox_refused(&last);

	if (n > w->refused)
		LOG_ERROR(w->log, call_refused, KV_I64("count", (int64_t)n), KV_STR("last", last));
	w->refused = n;
}

bool watch_look(struct watch *w, mono_ms now)
{
	int stuck_before = w->stuck;

	if (now < w->next)
		return false;
	w->next = now + w->interval;
	w->stuck = w->partitions = 0;
	w->longest = 0;
	sched_watch(w->sched, now, seen, w);
	tell_refused_calls(w);
	sched_set_stuck(w->sched, w->stuck);
	if (stuck_before > 0 && w->stuck == 0)
		LOG_INFO(w->log, actors_go_on, KV_I32("were_stuck", stuck_before));
	return true;
}
