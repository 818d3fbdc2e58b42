/*
 * Which known name a mistyped one was meant to be. Pure; names are borrowed.
 *
 *	nearest_init(&n, wanted);
 *	for (each known name)
 *		nearest_offer(&n, known);
 *	if (!slice_is_null(n.name))
 *		"did you mean ..."
 */
#ifndef SKEIN_NEAREST_H
#define SKEIN_NEAREST_H

#include "base/slice.h"

struct nearest {
	struct slice wanted;
	struct slice name;	/* the nearest so far; null: none is near, any other would be a guess */
	size_t       limit;	/* in characters to be changed, put in, left out, or swapped with the next */
};

void nearest_init(struct nearest *n, struct slice wanted);
bool nearest_offer(struct nearest *n, struct slice known);	/* true: it is the nearest now. Of two that are as near the first one is */

#endif
