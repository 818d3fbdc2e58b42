/*
 * A line at the bottom of a terminal that says how far something is. On stderr, only if that is a terminal that can take a line back (TERM is not dumb),
 * and only if nobody has forbidden it (NO_COLOR). Whoever prints something else calls progress_clear before.
 */
#ifndef SKEIN_TOOL_PROGRESS_H
#define SKEIN_TOOL_PROGRESS_H

#include "base/strbuf.h"
#include "os/os.h"

struct progress_state {
	int64_t done, total;		/* of whatever there is to do: bytes */
	int64_t records;
	double  per_second, records_per_second;		/* lately */
};

/*
 * Pure: the line for a terminal so wide, at most columns - 3 long, so that it does not wrap, not even when a terminal writes ^C behind it:
 *
 *	orders  [==========          ]  50%  1234567 records  81.2k/s  0:12 left
 *
 * What does not fit is left out, the bar first, then the records, then their rate, then the name.
 */
void progress_line(struct strbuf *out, const char *name, const struct progress_state *s, int columns);

struct progress {
	const char *name;
	bool        is_on, is_shown;
	mono_ms     drawn_at;
	bool        has_begun;		/* what had been done before is no measure of speed */
	double      per_second, records_per_second;
	int64_t     last_done, last_records;
	struct strbuf line;
};

/* wanted: there is a total. */
void progress_begin(struct progress *p, const char *name, bool is_wanted);
void progress_fini(struct progress *p);		/* takes the line back */
/* Draws, a few times a second at most; cheap in between. */
void progress_tick(struct progress *p, int64_t done, int64_t total, int64_t records);
void progress_clear(struct progress *p);	/* until the next tick */

#endif
