#include "tail.h"

#include <stdlib.h>

#define GROWTH     4		/* of a window over the one behind it */
#define WINDOW_MIN 64		/* offsets */

void tail_init(struct tail *t, int64_t n, int64_t first, int64_t end)
{
	*t = (struct tail){ .first = MIN(first, end), .to = end, .end = end, .wanted = n, .earliest = end };
	t->from = MAX(t->first, end - MAX(n, WINDOW_MIN));
	if (n == 0)
		t->from = end;
}

void tail_fini(struct tail *t)
{
	free(t->offsets);
	*t = (struct tail){ .offsets = NULL };
}

static void keep(struct tail *t, int64_t offset)
{
	if (t->count >= t->capacity && t->capacity < t->wanted) {	/* has not gone round yet */
		t->capacity = MIN(t->wanted, MAX(64, 2 * t->capacity));
		t->offsets = mem_realloc_array(t->offsets, (size_t)t->capacity, sizeof(*t->offsets));
	}
	t->offsets[t->count++ % t->capacity] = offset;
}

bool tail_record(struct tail *t, int64_t offset, bool counts)
{
	if (offset >= t->to)
		return true;
	if (counts && offset >= t->from && t->wanted > 0)
		keep(t, offset);
	return false;
}

bool tail_turn(struct tail *t)
{
	int64_t size = t->to - t->from;

	if (t->count > 0)
		t->earliest = t->count > t->capacity ? t->offsets[t->count % t->capacity] : t->offsets[0];
	t->wanted -= MIN(t->count, t->wanted);
	if (t->wanted == 0 || t->from == t->first) {
		t->from = t->earliest;
		return false;
	}
	t->count = 0;
	t->capacity = MIN(t->capacity, t->wanted);
	t->to = t->from;
	t->from = t->to - t->first > GROWTH * MAX(size, WINDOW_MIN) ? t->to - GROWTH * MAX(size, WINDOW_MIN) : t->first;
	return true;
}
