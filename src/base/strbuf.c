/*
 * Growable text. Any thread, one at a time per buffer.
 */
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>

#define STRBUF_MIN 64

void strbuf_init(struct strbuf *b)
{
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_fini(struct strbuf *b)
{
	free(b->ptr);
	strbuf_init(b);
}

void strbuf_reset(struct strbuf *b)
{
	if (b->ptr != NULL)
		strbuf_truncate(b, 0);
}

void strbuf_reserve(struct strbuf *b, size_t more)
{
	ASSERT(more < SIZE_MAX / 2 - b->len);
	size_t want = b->len + more + 1;

	if (want <= b->cap)
		return;
	size_t cap = MAX(b->cap * 2, (size_t)STRBUF_MIN);
	cap = MAX(cap, want);
	b->ptr = mem_realloc_array(b->ptr, cap, 1);
	b->ptr[b->len] = '\0';
	b->cap = cap;
}

void strbuf_add(struct strbuf *b, const void *p, size_t len)
{
	strbuf_reserve(b, len);
	if (len != 0)
		memcpy(b->ptr + b->len, p, len);
	b->len += len;
	b->ptr[b->len] = '\0';
}

void strbuf_add_slice(struct strbuf *b, struct slice s)
{
	strbuf_add(b, s.ptr, s.len);
}

void strbuf_add_str(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_add_char(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;

	/* Most texts fit at the first try; the second knows the length. */
	strbuf_reserve(b, STRBUF_MIN - 1);
	va_copy(again, ap);
	int n = vsnprintf(b->ptr + b->len, b->cap - b->len, fmt, ap);
	ASSERT(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		strbuf_reserve(b, (size_t)n);
		n = vsnprintf(b->ptr + b->len, b->cap - b->len, fmt, again);
		ASSERT(n >= 0 && (size_t)n < b->cap - b->len);
	}
	va_end(again);
	b->len += (size_t)n;
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(b, fmt, ap);
	va_end(ap);
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
	ASSERT(len <= b->len);
	if (b->ptr == NULL)
		return;
	b->len = len;
	b->ptr[len] = '\0';
}

const char *strbuf_cstr(const struct strbuf *b)
{
	return b->ptr != NULL ? b->ptr : "";
}

char *strbuf_steal(struct strbuf *b)
{
	strbuf_reserve(b, 0);
	char *p = b->ptr;

	strbuf_init(b);
	return p;
}
