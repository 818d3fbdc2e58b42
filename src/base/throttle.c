/*
 * Windows are numbered by the clock. Who records first in a new one takes its place in the ring over: the bytes that lie there are read before the number changes and taken
 * off afterwards, so that what others add in between is neither lost nor counted twice.
 */
#include "base/throttle.h"

#include <stdlib.h>

struct throttle_window {
	int64_t  number;	/* -1: never used */
	uint64_t bytes;
};

void throttle_init(struct throttle *t, int32_t windows, mono_ms window_ms)
{
	ASSERT(windows > 0 && window_ms > 0);
	*t = (struct throttle){ .count = windows, .window_ms = window_ms, .limit = INT64_MAX };
	t->windows = mem_calloc((size_t)windows, sizeof(*t->windows));
	for (int32_t i = 0; i < windows; i++)
		t->windows[i].number = -1;
}

void throttle_fini(struct throttle *t)
{
	free(t->windows);
	t->windows = NULL;
}

void throttle_set_limit(struct throttle *t, int64_t bytes_per_s)
{
	__atomic_store_n(&t->limit, bytes_per_s, __ATOMIC_RELAXED);
}

int64_t throttle_limit(const struct throttle *t)
{
	return __atomic_load_n(&t->limit, __ATOMIC_RELAXED);
}

void throttle_record(struct throttle *t, mono_ms now, uint64_t bytes)
{
	int64_t number = now / t->window_ms;
	struct throttle_window *w = &t->windows[number % t->count];
	int64_t seen = __atomic_load_n(&w->number, __ATOMIC_ACQUIRE);
	uint64_t left = __atomic_load_n(&w->bytes, __ATOMIC_ACQUIRE);

	if (seen < number && __atomic_compare_exchange_n(&w->number, &seen, number, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		__atomic_fetch_sub(&w->bytes, left, __ATOMIC_ACQ_REL);
	__atomic_fetch_add(&w->bytes, bytes, __ATOMIC_ACQ_REL);
}

/* Would it be exceeded at that time, were nothing recorded until then? */
static bool is_exceeded_at(const struct throttle *t, mono_ms at)
{
	int64_t number = at / t->window_ms, limit = throttle_limit(t);
	mono_ms span = (t->count - 1) * t->window_ms + at % t->window_ms;
	uint64_t total = 0;

	if (limit == INT64_MAX)
		return false;
	for (int32_t i = 0; i < t->count; i++) {
		int64_t of = __atomic_load_n(&t->windows[i].number, __ATOMIC_ACQUIRE);
		if (of >= 0 && of > number - t->count && of <= number)
			total += __atomic_load_n(&t->windows[i].bytes, __ATOMIC_ACQUIRE);
	}
	return (double)total * 1000 > (double)limit * (double)MAX(span, 1);
}

bool throttle_is_exceeded(const struct throttle *t, mono_ms now)
{
	return is_exceeded_at(t, now);
}

mono_ms throttle_wait(const struct throttle *t, mono_ms now)
{
	mono_ms at = now;

	for (int32_t i = 0; i <= t->count && is_exceeded_at(t, at); i++)
		at = (at / t->window_ms + 1) * t->window_ms;
	return at - now;
}
