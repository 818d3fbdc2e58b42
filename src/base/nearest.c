#include "base/nearest.h"

#define NEAREST_NAME_MAX 96

/*
 * How many characters must be changed, put in, left out, or swapped with the next one (Levenshtein's distance, and swaps); given up, with more than limit, as soon as
 * two rows are above it.
 */
static size_t edit_distance(struct slice a, struct slice b, size_t limit)
{
	size_t rows[3][NEAREST_NAME_MAX + 1], before = 0;	/* this row and the two before it, in turns */

	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *swap = rows[(i + 1) % 3], best = i;
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t replaced = last[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
			row[j] = MIN(replaced, MIN(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
				row[j] = MIN(row[j], swap[j - 2] + 1);
			best = MIN(best, row[j]);
		}
		if (best > limit && before > limit)
			return limit + 1;
		before = best;
	}
	return rows[a.len % 3][b.len];
}

void nearest_init(struct nearest *n, struct slice wanted)
{
	*n = (struct nearest){ .wanted = wanted, .limit = MAX(wanted.len / 4, (size_t)1) };
}

bool nearest_offer(struct nearest *n, struct slice known)
{
	if (n->wanted.len > NEAREST_NAME_MAX || known.len > NEAREST_NAME_MAX)
		return false;
	size_t d = edit_distance(n->wanted, known, n->limit);
	if (d > n->limit || (d == n->limit && !slice_is_null(n->name)))
		return false;
	n->name = known;
	n->limit = d;
	return true;
}
