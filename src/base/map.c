/*
 * Entries lie in an array in order of insertion; an index of open addressing with linear probing points into it. Removing
 * closes the gap in the index (no tombstones there: probes never get longer) and leaves a hole among the entries, which the
 * next rebuild squeezes out. So removal never moves an entry, and an iteration survives it.
 */
#include "base/map.h"

#include <stdlib.h>

#include "base/siphash.h"

#define MAP_SLOTS_MIN 8u
#define MAP_COUNT_MAX (1u << 30)

static uint64_t seed_k0 = 0x736b65696e2d6b30, seed_k1 = 0x736b65696e2d6b31;

void map_seed_set(uint64_t k0, uint64_t k1)
{
	seed_k0 = k0;
	seed_k1 = k1;
}

/* One round per word and three at the end: cheap, and a stranger cannot aim at one slot. */
uint64_t map_hash(struct slice key)
{
	struct siphash s;

	siphash_begin(&s, seed_k0, seed_k1);
	siphash_bytes(&s, key, 1);
	s.v[2] ^= 0xff;
	siphash_rounds(&s, 3);
	return siphash_result(&s);
}

void map_init(struct map *m)
{
	*m = (struct map)MAP_INIT;
}

void map_fini(struct map *m)
{
	free(m->entries);
	free(m->index);
	map_init(m);
}

void map_clear(struct map *m)
{
	if (m->index != NULL)
		memset(m->index, 0, ((size_t)m->mask + 1) * sizeof(*m->index));
	m->used = m->count = 0;
}

/* A quarter of the slots stays free: probes end. */
static uint32_t entries_max(uint32_t slots)
{
	return slots - slots / 4;
}

static void index_insert(struct map *m, uint64_t hash, uint32_t entry)
{
	uint32_t slot = (uint32_t)hash & m->mask;

	while (m->index[slot] != 0)
		slot = (slot + 1) & m->mask;
	m->index[slot] = entry + 1;
}

/* Squeezes out the removed entries and gives the index the wanted number of slots, a power of two. */
static void rebuild(struct map *m, uint32_t slots)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->used; i++) {
		if (m->entries[i].value != NULL)
			m->entries[n++] = m->entries[i];
	}
	ASSERT(n == m->count && n <= entries_max(slots));
	if (m->index == NULL || slots != m->mask + 1) {
		m->entries = mem_realloc_array(m->entries, entries_max(slots), sizeof(*m->entries));
		free(m->index);
		m->index = mem_alloc(slots * sizeof(*m->index));
		m->mask = slots - 1;
	}
	memset(m->index, 0, slots * sizeof(*m->index));
	m->used = n;
	for (uint32_t i = 0; i < n; i++)
		index_insert(m, m->entries[i].hash, i);
}

void map_reserve(struct map *m, uint32_t count)
{
	ASSERT(count <= MAP_COUNT_MAX);
	uint32_t slots = m->index != NULL ? m->mask + 1 : MAP_SLOTS_MIN;

	while (entries_max(slots) < count)
		slots *= 2;
	if (m->index == NULL || slots != m->mask + 1)
		rebuild(m, slots);
}

/* The index slot that points at key, or UINT32_MAX. */
static uint32_t find_slot(const struct map *m, struct slice key, uint64_t hash)
{
	if (m->index == NULL)
		return UINT32_MAX;
	for (uint32_t slot = (uint32_t)hash & m->mask; m->index[slot] != 0; slot = (slot + 1) & m->mask) {
		const struct map_entry *e = &m->entries[m->index[slot] - 1];
		if (e->hash == hash && slice_eq(e->key, key))
			return slot;
	}
	return UINT32_MAX;
}

void *map_get(const struct map *m, struct slice key)
{
	if (m->count == 0)
		return NULL;
	uint32_t slot = find_slot(m, key, map_hash(key));

	return slot != UINT32_MAX ? m->entries[m->index[slot] - 1].value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
	ASSERT(value != NULL);
	uint64_t hash = map_hash(key);
	uint32_t slot = find_slot(m, key, hash);

	if (slot != UINT32_MAX) {
		struct map_entry *e = &m->entries[m->index[slot] - 1];
		void *old = e->value;
		e->key = key;
		e->value = value;
		return old;
	}
	if (m->index == NULL) {
		rebuild(m, MAP_SLOTS_MIN);
	} else if (m->used == entries_max(m->mask + 1)) {
		/* Twice the room only if entries fill it, not holes. */
		ASSERT(m->count < MAP_COUNT_MAX);
		rebuild(m, m->count > (m->mask + 1) / 2 ? (m->mask + 1) * 2 : m->mask + 1);
	}
	m->entries[m->used] = (struct map_entry){ key, value, hash };
	index_insert(m, hash, m->used);
	m->used++;
	m->count++;
	return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
	uint32_t hole = find_slot(m, key, map_hash(key));

	if (hole == UINT32_MAX)
		return NULL;
	struct map_entry *e = &m->entries[m->index[hole] - 1];
	void *value = e->value;
	e->value = NULL;
	m->count--;
	/* Pull back every follower whose home does not lie between the hole and its place. */
	for (uint32_t slot = (hole + 1) & m->mask; m->index[slot] != 0; slot = (slot + 1) & m->mask) {
		uint32_t home = (uint32_t)m->entries[m->index[slot] - 1].hash & m->mask;
		if (((slot - home) & m->mask) >= ((slot - hole) & m->mask)) {
			m->index[hole] = m->index[slot];
			hole = slot;
		}
	}
	m->index[hole] = 0;
	return value;
}
