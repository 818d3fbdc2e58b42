/*
 * Fault points: named places where a test can make "the nth hit from now" fail.
 *
 *	enum err e = FAULT_POINT(segment_append_write);
 *	if (e == OK)
 *		e = os_pwritev(...);
 *
 * In production nothing is ever armed, and a point costs one branch on a flag that is never
 * written. A loop that arms the 1st, 2nd, nth hit of any point until nothing fails any more visits
 * every one of them.
 * Threads: armed and disarmed while nothing else runs; hits come from any thread.
 */
#ifndef SKEIN_FAULT_H
#define SKEIN_FAULT_H

#include "base/err.h"

#include "base/fault_points.def"
enum fault_point {
#define X(name, what) FAULT_##name,
	FAULT_POINT_TABLE(X)
#undef X
	FAULT_COUNT,
	FAULT_ANY = FAULT_COUNT		/* for fault_arm: whichever point is hit */
};

extern bool fault_is_armed;		/* private to the macro */
enum err fault_hit(enum fault_point p);

#define FAULT_POINT(name) (UNLIKELY(fault_is_armed) ? fault_hit(FAULT_##name) : OK)

/* The nth hit (1 = the next one) of the point returns e, once. nth 0: only count hits. Replaces what was armed before. */
void        fault_arm(enum fault_point p, uint64_t nth, enum err e);
void        fault_disarm(void);
bool        fault_has_fired(void);			/* since it was armed */
uint64_t    fault_hits(enum fault_point p);		/* since it was armed; FAULT_ANY: of all */
const char *fault_point_name(enum fault_point p);

#endif
