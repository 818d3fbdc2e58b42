/*
 * How many bytes per second went through, and whether that is more than allowed: replication throttling (replication.quota.window.*, *.replication.throttled.rate) and that of moves between log
 * directories (alter.log.dirs.replication.quota.window.*, replica.alter.log.dirs.io.max.bytes.per.second).
 *
 * The rate is a mean over the last `windows` windows of window_ms, the current one as far as it has come; so a burst is paid for over the time of all windows. The bound may be
 * passed by what is under way when it is reached.
 * Use:     followers (fetchers) ask throttle_is_exceeded before they ask for throttled replicas, and record what came. A leader asks it before it gives records of a throttled
 *          replica to a follower that is not in sync, and records what it gave. Recorded are the bytes of all throttled replicas, also of those in sync.
 * Threads: any; nothing is lost between them. Who asks beside somebody who begins a window may see the bytes of a window that has ended, for that moment.
 * Memory:  16 bytes per window, once.
 */
#ifndef SKEIN_BASE_THROTTLE_H
#define SKEIN_BASE_THROTTLE_H

#include "base/base.h"

struct throttle_window;

struct throttle {
	int32_t                 count;		/* windows */
	mono_ms                 window_ms;
	int64_t                 limit;		/* bytes per second; INT64_MAX: none */
	struct throttle_window *windows;	/* a ring: number modulo count */
};

void    throttle_init(struct throttle *t, int32_t windows, mono_ms window_ms);	/* both > 0; without limit */
void    throttle_fini(struct throttle *t);
void    throttle_set_limit(struct throttle *t, int64_t bytes_per_s);
int64_t throttle_limit(const struct throttle *t);
void    throttle_record(struct throttle *t, mono_ms now, uint64_t bytes);
bool    throttle_is_exceeded(const struct throttle *t, mono_ms now);
/* In how many ms it is not exceeded any more if nothing else comes; 0: it is not. */
mono_ms throttle_wait(const struct throttle *t, mono_ms now);

#endif
