#include "http/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

#define EXACT_MAX INT64_C(9007199254740991)	/* 2^53 - 1 */

static void value_begin(struct strbuf *b)
{
	if (b->len > 0 && strchr("{[:", b->ptr[b->len - 1]) == NULL)
		strbuf_add_char(b, ',');
}

void json_open(struct strbuf *b, char bracket)
{
	value_begin(b);
	strbuf_add_char(b, bracket);
}

void json_close(struct strbuf *b, char bracket)
{
	strbuf_add_char(b, bracket);
}

void json_name(struct strbuf *b, const char *name)
{
	value_begin(b);
	strbuf_add_char(b, '"');
	strbuf_add_str(b, name);
	strbuf_add_str(b, "\":");
}

/* One that stands for itself, or is written otherwise. Gives the bytes used. */
static size_t character(struct strbuf *b, const uint8_t *p, size_t len)
{
	size_t n = utf8_printable_at(p, len);

	if (n == 0 && p[0] >= 0x80 && !(p[0] == 0xc2 && len > 1 && p[1] >= 0x80 && p[1] < 0xa0)) {
		strbuf_add_str(b, "\xef\xbf\xbd");	/* U+FFFD */
		return 1;
	}
	if (p[0] == 0xc2 && n == 0) {
		strbuf_printf(b, "\\u%04x", p[1]);	/* a C1 control */
		return 2;
	}
	if (n == 0 || strchr("<>&", p[0]) != NULL) {
		strbuf_printf(b, "\\u%04x", p[0]);
		return 1;
	}
	if (p[0] == '"' || p[0] == '\\')
		strbuf_add_char(b, '\\');
	strbuf_add(b, p, n);
	return n;
}

void json_text(struct strbuf *b, struct slice s)
{
	value_begin(b);
	if (slice_is_null(s)) {
		strbuf_add_str(b, "null");
		return;
	}
	strbuf_add_char(b, '"');
	for (size_t i = 0; i < s.len; )
		i += character(b, s.ptr + i, s.len - i);
	strbuf_add_char(b, '"');
}

void json_str(struct strbuf *b, const char *s)
{
	json_text(b, slice_str(s));
}

void json_i64(struct strbuf *b, int64_t n)
{
	bool is_exact = n >= -EXACT_MAX && n <= EXACT_MAX;

	value_begin(b);
	strbuf_printf(b, is_exact ? "%" PRId64 : "\"%" PRId64 "\"", n);
}

void json_u64(struct strbuf *b, uint64_t n)
{
	value_begin(b);
	strbuf_printf(b, n <= (uint64_t)EXACT_MAX ? "%" PRIu64 : "\"%" PRIu64 "\"", n);
}

void json_bool(struct strbuf *b, bool is_true)
{
	value_begin(b);
	strbuf_add_str(b, is_true ? "true" : "false");
}

void json_hex(struct strbuf *b, struct slice s)
{
	value_begin(b);
	strbuf_add_char(b, '"');
	for (size_t i = 0; i < s.len; i++)
		strbuf_add(b, (char[]){ "0123456789abcdef"[s.ptr[i] >> 4], "0123456789abcdef"[s.ptr[i] & 15] }, 2);
	strbuf_add_char(b, '"');
}

static int digit_of(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool json_unhex(struct slice hex, struct strbuf *out)
{
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		int high = digit_of(hex.ptr[i]), low = digit_of(hex.ptr[i + 1]);

		if (high < 0 || low < 0)
			return false;
		strbuf_add_char(out, (char)(high << 4 | low));
	}
	return hex.len % 2 == 0;
}

bool json_is_text(struct slice s)
{
	for (size_t i = 0, n; i < s.len; i += n)
		if ((n = utf8_printable_at(s.ptr + i, s.len - i)) == 0)
			return false;
	return true;
}

/* How many of the first bytes are text, all of them or, when the rest is left out, all but a character that begins there. 0 of more: it is none. */
static size_t text_len(struct slice s, size_t shown)
{
	size_t i = 0;

	while (i < shown) {
		size_t n = utf8_printable_at(s.ptr + i, s.len - i);

		if (n == 0 && memchr("\t\n\r", s.ptr[i], 3) == NULL)
			return 0;
		if (i + MAX(n, 1) > shown)
			return i;
		i += MAX(n, 1);
	}
	return i;
}

void json_content(struct strbuf *b, struct slice s, size_t max)
{
	if (slice_is_null(s)) {
		json_text(b, s);
		return;
	}
	size_t shown = MIN(s.len, max), text = text_len(s, shown);

	json_open(b, '{');
	json_member_u64(b, "size", s.len);
	if (text > 0 || shown == 0) {
		json_member_text(b, "text", slice_of(s.len > 0 ? s.ptr : (const uint8_t *)"", text));
	} else {
		json_name(b, "hex");
		json_hex(b, slice_of(s.ptr, shown));
	}
	if (shown < s.len)
		json_member_bool(b, "cut", true);
	json_close(b, '}');
}

void json_member_str(struct strbuf *b, const char *name, const char *s)
{
	json_name(b, name);
	json_str(b, s);
}

void json_member_text(struct strbuf *b, const char *name, struct slice s)
{
	json_name(b, name);
	json_text(b, s);
}

void json_member_i64(struct strbuf *b, const char *name, int64_t n)
{
	json_name(b, name);
	json_i64(b, n);
}

void json_member_u64(struct strbuf *b, const char *name, uint64_t n)
{
	json_name(b, name);
	json_u64(b, n);
}

void json_member_bool(struct strbuf *b, const char *name, bool is_true)
{
	json_name(b, name);
	json_bool(b, is_true);
}
