/*
 * The newest offset of each key, for a pass of the cleaner: a table of fixed size that knows a key by a 128-bit hash.
 *
 * Owner:  the pass.
 * Memory: 24 bytes per slot, zeroed by the kernel as it is touched; nothing else, whatever the keys.
 * Truth:  two keys of equal hash would be one to it, and the older record of the other would be dropped. The hash is keyed with random bits of this
 *         map's own, so nobody can look for such keys, and by chance a map of 2^32 keys has two with a probability of 2^-65.
 */
#ifndef SKEIN_STORAGE_OFFSET_MAP_H
#define SKEIN_STORAGE_OFFSET_MAP_H

#include "base/slice.h"
#include "os/os.h"

#define OFFSET_MAP_SLOT_BYTES 24

struct offset_map;

/* What the map knows a key by. */
struct offset_map_key {
	uint64_t hash[2];
};

/* So many slots, of which the given part is used at most (but always one). */
struct offset_map *offset_map_create(struct os *os, uint64_t slots, double load_factor);
void     offset_map_destroy(struct offset_map **m);
/* Asks the memory for the key's slot as well: who has several keys hashes them all first, and waits for the memory once. */
void     offset_map_key(const struct offset_map *m, struct slice key, struct offset_map_key *out);
/* offset >= 0, and not below those that the key had before. False: it is full, and nothing has changed (also for a key that it knows: as in Kafka, where a pass ends there). */
bool     offset_map_put(struct offset_map *m, const struct offset_map_key *k, int64_t offset);
int64_t  offset_map_get(const struct offset_map *m, const struct offset_map_key *k);	/* -1: not there */
uint64_t offset_map_count(const struct offset_map *m);

#endif
