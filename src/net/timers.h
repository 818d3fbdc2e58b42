/*
 * Deadlines of one network actor: parked calls, muted connections. A binary heap whose elements lie
 * in what they time. Owner:  one thread. Memory: the heap grows to the largest number of timers
 * that were ever set at once.
 */
#ifndef SKEIN_NET_TIMERS_H
#define SKEIN_NET_TIMERS_H

#include "base/base.h"

struct timer {			/* all zero: not set */
	mono_ms  deadline;
	uint32_t place;		/* in the heap, from 1; 0 = not set */
};

struct timers {			/* all zero: empty */
	struct timer **heap;	/* [0] is unused */
	uint32_t       count, size;
};

void timers_fini(struct timers *ts);
/* moves it when it is set already */
void timers_set(struct timers *ts, struct timer *t, mono_ms deadline);
void timers_clear(struct timers *ts, struct timer *t);	/* nothing happens when it is not set */
mono_ms timers_next(const struct timers *ts);				/* MONO_NEVER when empty */
/* one whose deadline has come, cleared; NULL: none */
struct timer *timers_pop(struct timers *ts, mono_ms now);

static inline bool timer_is_set(const struct timer *t)
{
	return t->place != 0;
}

#endif
