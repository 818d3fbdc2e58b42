/*
 * Arena. Large requests get a chunk of their own, in front; the small first chunk stays for the next round.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_chunk {
	struct arena_chunk *next;
	size_t              size;	/* of data */
	_Alignas(16) uint8_t data[];
};

void arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){ .limit = limit };
}

void arena_reset(struct arena *a)
{
	while (a->first != NULL && a->first->next != NULL) {
		struct arena_chunk *c = a->first;

		a->first = c->next;
		free(c);
	}
	a->used = 0;
	a->total = a->first != NULL ? a->first->size : 0;
}

void arena_fini(struct arena *a)
{
	arena_reset(a);
	free(a->first);
	*a = (struct arena){ 0 };
}

static bool arena_grow(struct arena *a, size_t size)
{
	size_t want = MAX(size, (size_t)ARENA_CHUNK);

	if (a->first != NULL)	/* doubling keeps the number of chunks logarithmic; the limit still holds */
		want = MAX(want, MIN(a->total, (size_t)1 << 20));
	if (want > a->limit - MIN(a->total, a->limit))
		want = size;
	if (want > a->limit - MIN(a->total, a->limit))
		return false;
	struct arena_chunk *c = mem_alloc(sizeof(*c) + want);
	c->size = want;
	c->next = a->first;
	a->first = c;
	a->used = 0;
	a->total += want;
	return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (a->first == NULL || size > a->first->size - a->used) {
		if (!arena_grow(a, size))
			return NULL;
	}
	void *p = a->first->data + a->used;
	a->used += size;
	return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	void *p = arena_alloc(a, bytes);
	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

struct slice arena_copy(struct arena *a, struct slice src)
{
	if (slice_is_null(src))
		return SLICE_NULL;
	uint8_t *p = arena_alloc(a, src.len + 1);
	if (p == NULL)
		return SLICE_NULL;
	memcpy(p, src.ptr, src.len);
	p[src.len] = 0;
	return slice_of(p, src.len);
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(len >= 0);
	char *p = arena_alloc(a, (size_t)len + 1);
	if (p == NULL)
		return SLICE_NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return slice_of(p, (size_t)len);
}
