/*
 * A binary heap, smallest deadline first: parent of i is i / 2. Every element knows its place, so
 * that clearing one in the middle is as cheap as taking the first.
 */
#include "net/timers.h"

#include <stdlib.h>

void timers_fini(struct timers *ts)
{
	ASSERT(ts->count == 0);
	free(ts->heap);
	*ts = (struct timers){ 0 };
}

static void put(struct timers *ts, uint32_t place, struct timer *t)
{
	ts->heap[place] = t;
	t->place = place;
}

static void sift_up(struct timers *ts, uint32_t place, struct timer *t)
{
	while (place > 1 && ts->heap[place / 2]->deadline > t->deadline) {
		put(ts, place, ts->heap[place / 2]);
		place /= 2;
	}
	put(ts, place, t);
}

static void sift_down(struct timers *ts, uint32_t place, struct timer *t)
{
	for (;;) {
		uint32_t child = place * 2;

		if (child < ts->count && ts->heap[child + 1]->deadline < ts->heap[child]->deadline)
			child++;
		if (child > ts->count || ts->heap[child]->deadline >= t->deadline)
			break;
		put(ts, place, ts->heap[child]);
		place = child;
	}
	put(ts, place, t);
}

static void settle(struct timers *ts, uint32_t place, struct timer *t)
{
	if (place > 1 && ts->heap[place / 2]->deadline > t->deadline)
		sift_up(ts, place, t);
	else
		sift_down(ts, place, t);
}

void timers_set(struct timers *ts, struct timer *t, mono_ms deadline)
{
	t->deadline = deadline;
	if (timer_is_set(t)) {
		settle(ts, t->place, t);
		return;
	}
	if (ts->count + 1 >= ts->size) {
		ts->size = MAX(ts->size * 2, 64u);
		ts->heap = mem_realloc_array(ts->heap, ts->size, sizeof(struct timer *));
	}
	ts->count++;
	sift_up(ts, ts->count, t);
}

void timers_clear(struct timers *ts, struct timer *t)
{
	uint32_t place = t->place;
	struct timer *last;

	if (place == 0)
		return;
	ASSERT(place <= ts->count && ts->heap[place] == t);
	t->place = 0;
	last = ts->heap[ts->count--];
	if (last != t)
		settle(ts, place, last);
}

mono_ms timers_next(const struct timers *ts)
{
	return ts->count > 0 ? ts->heap[1]->deadline : MONO_NEVER;
}

struct timer *timers_pop(struct timers *ts, mono_ms now)
{
	struct timer *t = ts->count > 0 ? ts->heap[1] : NULL;

	if (t == NULL || t->deadline > now)
		return NULL;
	timers_clear(ts, t);
	return t;
}
