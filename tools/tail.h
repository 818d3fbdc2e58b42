/*
 * Which offset to begin at so that the last N records of a partition follow that somebody counts: those without control records, without what
 * compaction has taken, and only those that pass a filter. Offsets cannot tell, so the log is looked through backwards, in windows of ascending size:
 *
 *	tail_init(&t, n, first, end);
 *	read from t.from:  tail_record(&t, offset, counts) of each record; it is over at true, or at the end of the log
 *	tail_turn(&t):     true: read the window that begins at t.from now; false: t.from is the place
 *
 * Pure. Memory: at most N offsets. Cost: what lies between the place and the end is read twice at most, for N records that lie close together; a filter
 * that few pass costs reading the partition to its beginning, and once more.
 */
#ifndef SKEIN_TOOL_TAIL_H
#define SKEIN_TOOL_TAIL_H

#include "base/base.h"

struct tail {
	int64_t  from, to;		/* the window; to: exclusive */
	int64_t  first, end;		/* of the log; end: exclusive, as of the beginning */
	int64_t  wanted;		/* how many more; in this window */
	int64_t *offsets;		/* a ring of the last ones in this window */
	int64_t  capacity, count;	/* count: of all in the window */
	int64_t  earliest;		/* of those in later windows; end: none */
};

void tail_init(struct tail *t, int64_t n, int64_t first, int64_t end);
void tail_fini(struct tail *t);

/* Records of a window ascend. True: this one lies behind it, and the window is over. */
bool tail_record(struct tail *t, int64_t offset, bool counts) MUST_CHECK;

/* After a window. */
bool tail_turn(struct tail *t) MUST_CHECK;

#endif
