/*
 * What of a client's bytes may be shown to people and to programs that read UTF-8.
 */
#ifndef SKEIN_UTF8_H
#define SKEIN_UTF8_H

#include "base/base.h"

/* Length of the well-formed UTF-8 sequence at p that may be shown; 0 for controls (C1 too), strays, surrogates, overlong forms. */
static inline size_t utf8_printable_at(const uint8_t *p, size_t len)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	uint32_t c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	bool is_odd = c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff);
	return is_odd ? 0 : n;
}

/* The same for a terminal: what turns the direction of writing, and with it what stands beside it, may not be shown either. */
static inline size_t utf8_visible_at(const uint8_t *p, size_t len)
{
	size_t n = utf8_printable_at(p, len);
	uint32_t c = n == 2 ? (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU) : n == 3 ? (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU) : 0;

	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? 0 : n;
}

#endif
