#include "client/murmur2.h"

#define M 0x5bd1e995u
#define R 24

uint32_t murmur2(struct slice key)
{
	const uint8_t *p = key.ptr;
	size_t left = key.len;
	uint32_t h = 0x9747b28cu ^ (uint32_t)key.len;

	for (; left >= 4; p += 4, left -= 4) {
		uint32_t k;
		memcpy(&k, p, 4);	/* little endian, which base/bytes.h asserts */
		k *= M;
		k ^= k >> R;
		k *= M;
		h = h * M ^ k;
	}
	if (left > 2)
		h ^= (uint32_t)p[2] << 16;
	if (left > 1)
		h ^= (uint32_t)p[1] << 8;
	if (left > 0)
		h = (h ^ p[0]) * M;
	h ^= h >> 13;
	h *= M;
	return h ^ (h >> 15);
}
