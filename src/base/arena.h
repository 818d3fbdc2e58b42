/*
 * An arena hands out memory that is given back all at once. One call (request) has one; reset after the answer.
 * Owner:   one thread.
 * Memory:  chunks; the first (ARENA_CHUNK) is kept over a reset, so that steady traffic allocates nothing.
 * Bound:   the limit given at init. arena_alloc returns NULL beyond it: the caller refuses the request. Who sizes the
 *          limit bounds what one request may cost.
 */
#ifndef SKEIN_ARENA_H
#define SKEIN_ARENA_H

#include "base/slice.h"

#define ARENA_CHUNK 8192

struct arena_chunk;

struct arena {
	struct arena_chunk *first;	/* newest chunk at the head; kept: the last */
	size_t              used;	/* in the newest chunk */
	size_t              total;	/* bytes reserved in all chunks */
	size_t              limit;
};

void arena_init(struct arena *a, size_t limit);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);

/* Aligned to 16, not zeroed. NULL when the limit would be passed; size 0 gives a pointer that is not NULL. */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;

/* Zeroed array; checks n * size. NULL as above. */
void *arena_calloc(struct arena *a, size_t n, size_t size) MUST_CHECK;

/* A copy that ends in NUL, which len does not count. Null stays null. ptr is NULL for a failure too: check when src is not. */
struct slice arena_copy(struct arena *a, struct slice src) MUST_CHECK;

/* Formatted text as a slice (NUL behind it). The null slice when the limit is passed. */
struct slice arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

#endif
