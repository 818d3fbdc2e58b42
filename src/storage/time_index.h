/*
 * The time index of a segment: 12 bytes per entry, int64 timestamp, int32 (offset - base offset).
 * An entry says: this is the largest timestamp up to here, and the earliest batch that carries it
 * ends with this offset. Timestamps ascend, offsets do not descend.
 */
#ifndef SKEIN_STORAGE_TIME_INDEX_H
#define SKEIN_STORAGE_TIME_INDEX_H

#include "storage/index_file.h"

#define TIME_ENTRY_BYTES 12

struct time_entry {
	time_ms timestamp;	/* -1: none */
	int64_t offset;
};

void time_entry_encode(uint8_t out[TIME_ENTRY_BYTES], int64_t base_offset, struct time_entry entry);
struct time_entry time_entry_decode(const uint8_t *in, int64_t base_offset);

/* The entry with the largest timestamp <= wanted; none: (-1, base). */
enum err time_index_lookup(const struct index_file *x, struct os *os, os_fd fd, int64_t base_offset,
	time_ms wanted,
			   struct time_entry *out) MUST_CHECK;
/* As offset_index_check: do its timestamps ascend? One that begins with the timestamp 0 is none. */
enum err time_index_check(const struct index_file *x, struct os *os, os_fd fd, bool *ascends) MUST_CHECK;
/* How many entries have offset < bound. */
enum err time_index_count_below(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t bound,
				uint32_t *count) MUST_CHECK;

#endif
