#include "base/utf16.h"

#include "base/base.h"

uint32_t utf8_take(struct slice *s)
{
	static const struct { uint8_t mask, lead; uint32_t least; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};

	for (size_t n = 0; n < ARRAY_LEN(forms) && n < s->len; n++) {
		if ((s->ptr[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t point = s->ptr[0] & (uint8_t)~forms[n].mask;
		bool ok = true;

		for (size_t i = 1; i <= n; i++) {
			ok &= (s->ptr[i] & 0xc0) == 0x80;
			point = point << 6 | (s->ptr[i] & 0x3f);
		}
		if (!ok || point < forms[n].least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			break;
		*s = slice_of(s->ptr + n + 1, s->len - n - 1);
		return point;
	}
	*s = slice_of(s->ptr + 1, s->len - 1);
	return UTF8_REPLACEMENT;
}

size_t utf16_length(struct slice s)
{
	size_t n = 0;

	while (s.len > 0)
		n += utf8_take(&s) >= 0x10000 ? 2 : 1;
	return n;
}

uint32_t utf16_hash(struct slice s)
{
	uint32_t hash = 0;

	while (s.len > 0) {
		uint32_t point = utf8_take(&s);

		if (point >= 0x10000) {
			hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
			point = 0xdc00 + ((point - 0x10000) & 0x3ff);
		}
		hash = hash * 31 + point;
	}
	return hash;
}
