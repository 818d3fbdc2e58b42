/*
 * Open addressing with linear probing: at a load of 0.9 a key that is not there costs some fifty slots, which lie side by side. Nothing is ever removed.
 */
#include "storage/offset_map.h"

#include <stdlib.h>

struct slot {
	uint64_t hash[2];
	int64_t  offset_plus_1;		/* 0: free */
};
_Static_assert(sizeof(struct slot) == OFFSET_MAP_SLOT_BYTES, "a slot");

struct offset_map {
	uint64_t     key[2];
	uint64_t     slot_count, count, count_max;
	struct slot *slots;
};

struct offset_map *offset_map_create(struct os *os, uint64_t slots, double load_factor)
{
	struct offset_map *m = mem_calloc(1, sizeof(*m));

	ASSERT(slots > 1 && load_factor > 0);
	os_random(os, m->key, sizeof(m->key));
	m->slot_count = slots;
	m->count_max = MAX(1, MIN((uint64_t)((double)slots * MIN(load_factor, 1.0)), slots - 1));	/* one stays free, for a search to end */
	m->slots = mem_calloc(slots, sizeof(struct slot));
	return m;
}

void offset_map_destroy(struct offset_map **map)
{
	struct offset_map *m = *map;

	*map = NULL;
	if (m == NULL)
		return;
	free(m->slots);
	free(m);
}

uint64_t offset_map_count(const struct offset_map *m)
{
	return m->count;
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void sip_rounds(uint64_t v[4], int n)
{
	for (; n > 0; n--) {
		v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
		v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
		v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
		v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
	}
}

/* SipHash-2-4 with 128 bits of result. */
static void hash_key(const struct offset_map *m, struct slice key, uint64_t out[2])
{
	uint64_t v[4] = { m->key[0] ^ 0x736f6d6570736575, m->key[1] ^ 0x646f72616e646f6d ^ 0xee,
			  m->key[0] ^ 0x6c7967656e657261, m->key[1] ^ 0x7465646279746573 };
	const uint8_t *p = key.ptr;
	size_t left = key.len;
	uint64_t word;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = (uint64_t)key.len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xee;
	sip_rounds(v, 4);
	out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	sip_rounds(v, 4);
	out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The key's slot, or the free one where it belongs. */
static struct slot *find(const struct offset_map *m, const uint64_t hash[2])
{
	uint64_t at = (uint64_t)(((unsigned __int128)hash[0] * m->slot_count) >> 64);
	struct slot *s = &m->slots[at];

	while (s->offset_plus_1 != 0 && (s->hash[0] != hash[0] || s->hash[1] != hash[1])) {
		at = at + 1 < m->slot_count ? at + 1 : 0;
		s = &m->slots[at];
	}
	return s;
}

bool offset_map_put(struct offset_map *m, struct slice key, int64_t offset)
{
	uint64_t hash[2];

	if (m->count >= m->count_max)
		return false;
	hash_key(m, key, hash);
	struct slot *s = find(m, hash);
	if (s->offset_plus_1 == 0) {
		s->hash[0] = hash[0];
		s->hash[1] = hash[1];
		m->count++;
	}
	ASSERT(s->offset_plus_1 <= offset);
	s->offset_plus_1 = offset + 1;
	return true;
}

int64_t offset_map_get(const struct offset_map *m, struct slice key)
{
	uint64_t hash[2];

	hash_key(m, key, hash);
	return find(m, hash)->offset_plus_1 - 1;
}
