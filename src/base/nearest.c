#include "base/nearest.h"

#define NEAREST_NAME_MAX 96

/* Levenshtein distance, given up (returns limit + 1) as soon as a whole row is above limit. */
static size_t edit_distance(struct slice a, struct slice b, size_t limit)
{
	size_t row[NEAREST_NAME_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0], best = i;
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
			diagonal = row[j];
			row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
			best = MIN(best, row[j]);
		}
		if (best > limit)
			return limit + 1;
	}
	return row[b.len];
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
