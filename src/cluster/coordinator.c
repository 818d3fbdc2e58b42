/*
 * Which partition of an internal topic holds the state of a key: a group, or a transactional id. Every broker of a cluster must come to the same answer, so this is
 * Java's String.hashCode, which counts UTF-16 code units.
 */
#include "cluster/cluster.h"

#define REPLACEMENT 0xfffdu	/* what Java reads where bytes are not UTF-8 */

/* Takes one code point off the front. Bytes that begin no valid sequence become one replacement each. */
static uint32_t take_code_point(struct slice *s)
{
	static const struct { uint8_t mask, lead; uint32_t least; } forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

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
	return REPLACEMENT;
}

int32_t cluster_coordinator_partition(struct slice key, int32_t partition_count)
{
	uint32_t hash = 0;

	ASSERT(partition_count > 0);
	while (key.len > 0) {
		uint32_t point = take_code_point(&key);

		if (point >= 0x10000) {
			hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
			point = 0xdc00 + ((point - 0x10000) & 0x3ff);
		}
		hash = hash * 31 + point;
	}
	/* the absolute value of a signed number, where the smallest one has none */
	if (hash == 0x80000000u)
		hash = 0;
	else if (hash > 0x80000000u)
		hash = -hash;
	return (int32_t)(hash % (uint32_t)partition_count);
}
