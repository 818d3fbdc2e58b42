/*
 * A slice is a borrowed run of bytes: it owns nothing, and whoever hands one over says how long it stays valid.
 * ptr == NULL means null (where the protocol knows null); an empty slice that is not null has ptr != NULL and len 0.
 */
#ifndef SKEIN_SLICE_H
#define SKEIN_SLICE_H

#include <string.h>

#include "base/base.h"

struct slice {
	const uint8_t *ptr;
	size_t         len;
};

#define SLICE_NULL    ((struct slice){ NULL, 0 })
#define SLICE_EMPTY   ((struct slice){ (const uint8_t *)"", 0 })
#define SLICE_LIT(s)  ((struct slice){ (const uint8_t *)(s), sizeof(s) - 1 })
#define SLICE_FMT     "%.*s"				/* for printf, with SLICE_ARG */
#define SLICE_ARG(s)  (int)(s).len, (const char *)(s).ptr

static inline struct slice slice_of(const void *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

static inline struct slice slice_str(const char *s)	/* NULL gives the null slice */
{
	return (struct slice){ (const uint8_t *)s, s != NULL ? strlen(s) : 0 };
}

static inline bool slice_is_null(struct slice s)
{
	return s.ptr == NULL;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

static inline int slice_cmp(struct slice a, struct slice b)	/* like memcmp, the shorter first */
{
	size_t n = MIN(a.len, b.len);
	int c = n != 0 ? memcmp(a.ptr, b.ptr, n) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
