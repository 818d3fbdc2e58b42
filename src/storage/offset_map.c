/*
 * Open addressing with linear probing: at a load of 0.9 a key that is not there costs some fifty slots, which lie side by side. Nothing is ever removed.
 */
#include "storage/offset_map.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/siphash.h"

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

/* A look at a random slot costs a miss in the translation buffer beside that in the caches; a hint, so it may be refused. */
static void ask_for_huge_pages(void *memory, size_t bytes)
{
	const uintptr_t page = 4096;
	uintptr_t begin = ((uintptr_t)memory + page - 1) & ~(page - 1), end = ((uintptr_t)memory + bytes) & ~(page - 1);

	if (end > begin)
		madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

struct offset_map *offset_map_create(struct os *os, uint64_t slots, double load_factor)
{
	struct offset_map *m = mem_calloc(1, sizeof(*m));

	ASSERT(slots > 1 && load_factor > 0);
	os_random(os, m->key, sizeof(m->key));
	m->slot_count = slots;
	m->count_max = MAX(1, MIN((uint64_t)((double)slots * MIN(load_factor, 1.0)), slots - 1));	/* one stays free, for a search to end */
	m->slots = mem_calloc(slots, sizeof(struct slot));
	ask_for_huge_pages(m->slots, slots * sizeof(struct slot));
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

static uint64_t home(const struct offset_map *m, const struct offset_map_key *k)
{
	return (uint64_t)(((unsigned __int128)k->hash[0] * m->slot_count) >> 64);
}

/* SipHash-2-4 with 128 bits of result. */
void offset_map_key(const struct offset_map *m, struct slice key, struct offset_map_key *out)
{
	struct siphash s;

	siphash_begin(&s, m->key[0], m->key[1]);
	s.v[1] ^= 0xee;
	siphash_bytes(&s, key, 2);
	s.v[2] ^= 0xee;
	siphash_rounds(&s, 4);
	out->hash[0] = siphash_result(&s);
	s.v[1] ^= 0xdd;
	siphash_rounds(&s, 4);
	out->hash[1] = siphash_result(&s);
	__builtin_prefetch(&m->slots[home(m, out)]);
}

/* The key's slot, or the free one where it belongs. */
static struct slot *find(const struct offset_map *m, const struct offset_map_key *k)
{
	uint64_t at = home(m, k);
	struct slot *s = &m->slots[at];

	while (s->offset_plus_1 != 0 && (s->hash[0] != k->hash[0] || s->hash[1] != k->hash[1])) {
		at = at + 1 < m->slot_count ? at + 1 : 0;
		s = &m->slots[at];
	}
	return s;
}

bool offset_map_put(struct offset_map *m, const struct offset_map_key *k, int64_t offset)
{
	if (m->count >= m->count_max)
		return false;
	struct slot *s = find(m, k);
	if (s->offset_plus_1 == 0) {
		s->hash[0] = k->hash[0];
		s->hash[1] = k->hash[1];
		m->count++;
	}
	ASSERT(s->offset_plus_1 <= offset);
	s->offset_plus_1 = offset + 1;
	return true;
}

int64_t offset_map_get(const struct offset_map *m, const struct offset_map_key *k)
{
	return find(m, k)->offset_plus_1 - 1;
}
