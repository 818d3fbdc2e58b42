/*
 * A strbuf is text or bytes that grow: messages, listings, configuration values. Not for hot paths.
 * Owner:     whoever holds the struct; all zero bytes are a valid empty one (STRBUF_INIT).
 * Memory:    one malloc'd buffer, doubled as needed and kept over a reset; failing to grow ends the process.
 * Invariant: len < cap whenever ptr != NULL, and ptr[len] == 0: the text can always be printed.
 */
#ifndef SKEIN_STRBUF_H
#define SKEIN_STRBUF_H

#include <stdarg.h>

#include "base/slice.h"

struct strbuf {
	char   *ptr;
	size_t  len;	/* without the NUL behind it */
	size_t  cap;
};

#define STRBUF_INIT { NULL, 0, 0 }

void strbuf_init(struct strbuf *b);
void strbuf_fini(struct strbuf *b);	/* frees; empty again afterwards */
void strbuf_reset(struct strbuf *b);	/* empty, the memory is kept */

void strbuf_reserve(struct strbuf *b, size_t more);	/* room for more bytes and the NUL */
void strbuf_add(struct strbuf *b, const void *p, size_t len);
void strbuf_add_slice(struct strbuf *b, struct slice s);
void strbuf_add_str(struct strbuf *b, const char *s);
void strbuf_add_char(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) PRINTF(2, 3);
void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap) PRINTF(2, 0);
void strbuf_truncate(struct strbuf *b, size_t len);	/* len <= b->len */

/* Valid until the next change of b. The empty buffer gives "". */
const char *strbuf_cstr(const struct strbuf *b);

static inline struct slice strbuf_slice(const struct strbuf *b)	/* valid until the next change; never null */
{
	return slice_of(strbuf_cstr(b), b->len);
}

/* Gives the text (NUL behind it) away: free() it. b is empty afterwards. */
char *strbuf_steal(struct strbuf *b) MUST_CHECK;

#endif
