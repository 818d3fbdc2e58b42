/*
 * What every file may use: units, attributes, small macros, and ASSERT.
 */
#ifndef SKEIN_BASE_H
#define SKEIN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two clocks, two types: a deadline is never compared with a record's timestamp. */
typedef int64_t mono_ms;	/* monotonic milliseconds, from os_mono_ms() */
typedef int64_t mono_ns;	/* monotonic nanoseconds, from os_mono_ns() */
typedef int64_t time_ms;	/* wall clock milliseconds since 1970, from os_time_ms(); -1 = none */

#define MONO_NEVER INT64_MAX	/* a deadline that does not come */

#define MUST_CHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define NORETURN      __attribute__((noreturn))
#define UNUSED        __attribute__((unused))
#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define CACHE_LINE    64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

#define ARRAY_LEN(a)  (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/*
 * ASSERT stays on in production: it states what only a programmer can break. What comes from a socket, a disk or
 * ZooKeeper is checked and answered, never asserted. A failed one prints the place and the actor at work, then aborts.
 */
#define ASSERT(cond) (LIKELY(cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__, __func__))
NORETURN void assert_failed(const char *cond, const char *file, int line, const char *func);

/* Called by assert_failed before it aborts, to print what the running actor was doing. One per thread; NULL clears. */
void assert_set_dump(void (*dump)(void *), void *arg);

/*
 * Allocation for create, open and admin paths: never returns NULL, a failure ends the process with a message. Free with
 * free(). mem_calloc zeroes. mem_realloc_array checks n * size for overflow.
 */
void *mem_alloc(size_t size) MUST_CHECK;
void *mem_calloc(size_t n, size_t size) MUST_CHECK;
void *mem_realloc_array(void *p, size_t n, size_t size) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;
char *mem_strndup(const char *s, size_t len) MUST_CHECK;

#endif
