/*
 * SipHash, whose rounds the caller counts: how many per word, and how many at the end, is a matter of what a stranger could gain by a collision. Values are this machine's own: not
 * for files or the wire. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the long result as in their reference code.
 */
#ifndef SKEIN_SIPHASH_H
#define SKEIN_SIPHASH_H

#include <string.h>

#include "base/slice.h"

struct siphash {
	uint64_t v[4];
};

static inline uint64_t siphash_rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void siphash_rounds(struct siphash *s, int n)
{
	uint64_t *v = s->v;

	for (; n > 0; n--) {
		v[0] += v[1]; v[1] = siphash_rotl(v[1], 13); v[1] ^= v[0]; v[0] = siphash_rotl(v[0], 32);
		v[2] += v[3]; v[3] = siphash_rotl(v[3], 16); v[3] ^= v[2];
		v[0] += v[3]; v[3] = siphash_rotl(v[3], 21); v[3] ^= v[0];
		v[2] += v[1]; v[1] = siphash_rotl(v[1], 17); v[1] ^= v[2]; v[2] = siphash_rotl(v[2], 32);
	}
}

static inline void siphash_begin(struct siphash *s, uint64_t k0, uint64_t k1)
{
	*s = (struct siphash){ { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573 } };
}

static inline void siphash_word(struct siphash *s, uint64_t word, int rounds)
{
	s->v[3] ^= word;
	siphash_rounds(s, rounds);
	s->v[0] ^= word;
}

/* All of it: nothing can follow. */
static inline void siphash_bytes(struct siphash *s, struct slice bytes, int rounds)
{
	const uint8_t *p = bytes.ptr;
	size_t left = bytes.len;
	uint64_t word;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, 8);
		siphash_word(s, word, rounds);
	}
	word = (uint64_t)bytes.len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	siphash_word(s, word, rounds);
}

static inline uint64_t siphash_result(const struct siphash *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

#endif
