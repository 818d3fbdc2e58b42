/*
 * A map from bytes to pointer: topic names, members, producers, sessions.
 * Owner:     whoever holds the struct; all zero bytes are a valid empty one (MAP_INIT).
 * Memory:    keys and values are borrowed: a key must live, unchanged, as long as its entry (it is usually a field of the
 *            value). put may allocate; get, remove and iteration do not. 4 bytes per index slot, 40 per entry.
 * Order:     iteration goes by insertion, whatever the seed: answers and simulated runs are repeatable.
 * Seed:      keys come from strangers, so the hash (SipHash-1-3) is keyed: map_seed_set once at start, before any map.
 */
#ifndef SKEIN_MAP_H
#define SKEIN_MAP_H

#include "base/slice.h"

struct map_entry {
	struct slice key;
	void        *value;	/* NULL: removed, the place waits for the next rebuild */
	uint64_t     hash;
};

struct map {
	struct map_entry *entries;	/* in order of insertion */
	uint32_t         *index;	/* open addressing: number of an entry + 1; 0 = free */
	uint32_t          mask;		/* index slots - 1 */
	uint32_t          used;		/* entries written, removed ones included */
	uint32_t          count;	/* entries alive */
};

#define MAP_INIT { NULL, NULL, 0, 0, 0 }

void map_seed_set(uint64_t k0, uint64_t k1);
uint64_t map_hash(struct slice key);	/* the keyed hash, for tables of other shapes */

void map_init(struct map *m);
void map_fini(struct map *m);			/* the entries' keys and values are the caller's affair */
void map_clear(struct map *m);			/* empty, the memory is kept */
void map_reserve(struct map *m, uint32_t count);	/* so many entries fit without allocating */

void *map_get(const struct map *m, struct slice key);	/* NULL when absent */

/* value is not NULL. When the key is there, entry and key are replaced in place and the old value is returned, else NULL. */
void *map_put(struct map *m, struct slice key, void *value);

void *map_remove(struct map *m, struct slice key);	/* the value that was there, or NULL */

static inline uint32_t map_count(const struct map *m)
{
	return m->count;
}

/* The next living entry at or behind position *at, which moves on; NULL at the end. Start with 0. */
static inline struct map_entry *map_next(const struct map *m, uint32_t *at)
{
	while (*at < m->used) {
		struct map_entry *e = &m->entries[(*at)++];
		if (e->value != NULL)
			return e;
	}
	return NULL;
}

/* The body may remove entries, any of them; it must not put. */
#define MAP_FOREACH(e, m) \
	for (uint32_t e##_at = 0, e##_once = 1; e##_once != 0; e##_once = 0) \
		for (struct map_entry *e = map_next((m), &e##_at); e != NULL; e = map_next((m), &e##_at))

#endif
