/*
 * Assertions and the allocation that must not fail. Any thread.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local void (*assert_dump)(void *);
static _Thread_local void *assert_dump_arg;

void assert_set_dump(void (*dump)(void *), void *arg)
{
	assert_dump = dump;
	assert_dump_arg = arg;
}

void assert_failed(const char *cond, const char *file, int line, const char *func)
{
	fprintf(stderr, "skein: assertion failed: %s, in %s (%s:%d)\n", cond, func, file, line);
	if (assert_dump != NULL) {
		void (*dump)(void *) = assert_dump;
		assert_dump = NULL;	/* an assertion that fails inside the dump must not come back here */
		dump(assert_dump_arg);
	}
	abort();
}

static void *checked(void *p, size_t size)
{
	if (UNLIKELY(p == NULL && size != 0)) {
		fprintf(stderr, "skein: out of memory: %zu bytes were wanted\n", size);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size), size);
}

void *mem_calloc(size_t n, size_t size)
{
	return checked(calloc(n, size), n * size);
}

void *mem_realloc_array(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n, size), n * size);
}

char *mem_strdup(const char *s)
{
	return checked(strdup(s), strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t len)
{
	return checked(strndup(s, len), len + 1);
}
