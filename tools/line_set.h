/*
 * What has become of the lines of an input, exactly, while answers to many of them come in any order: all lines up to `base` are settled, one bit says so
 * for each line behind it, and those that were settled by failing are kept as ranges.
 *
 * Pure. Memory: a bit per line between base and the last one that was settled, and 16 bytes per range of failures.
 */
#ifndef SKEIN_TOOL_LINE_SET_H
#define SKEIN_TOOL_LINE_SET_H

#include "base/base.h"

struct line_range {
	int64_t first, last;		/* both inclusive; lines count from 1 */
};

/* All zero bytes are an empty one. */
struct line_set {
	int64_t            base;
	uint64_t          *words;	/* a ring, by line / 64; the first is that of line base + 1 */
	int64_t            first_word, word_count;
	struct line_range *failed;	/* ascending, none next to another */
	int64_t            failed_count, failed_capacity;
};

void line_set_fini(struct line_set *s);

/* To begin with, instead of empty: lines up to `settled`, of which `failed` (ascending) have failed. */
void line_set_begin(struct line_set *s, int64_t settled, const struct line_range *failed, int64_t failed_count);

/* Each line once; and once more if it had failed. */
void line_set_done(struct line_set *s, int64_t line);
void line_set_failed(struct line_set *s, int64_t line);

/* The ranges of lines up to `last` that have failed or are not settled. Nothing may be settled between begin and the last of them. */
struct line_gaps {
	const struct line_set *set;
	int64_t                last, at, failed_at;
};
void line_gaps_begin(struct line_gaps *g, const struct line_set *s, int64_t last);
bool line_gaps_next(struct line_gaps *g, struct line_range *out);

#endif
