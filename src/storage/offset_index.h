/*
 * The offset index of a segment: 8 bytes per entry, int32 (last offset of a batch - base offset),
 * int32 position where that batch starts. Sparse: an entry about every index.interval.bytes.
 * Offsets and positions ascend.
 */
#ifndef SKEIN_STORAGE_OFFSET_INDEX_H
#define SKEIN_STORAGE_OFFSET_INDEX_H

#include "storage/index_file.h"

#define OFFSET_ENTRY_BYTES 8

struct offset_entry {
	int64_t  offset;	/* the batch's last one */
	uint32_t file_pos;	/* its first byte */
};

void offset_entry_encode(uint8_t out[OFFSET_ENTRY_BYTES], int64_t base_offset,
	struct offset_entry entry);
struct offset_entry offset_entry_decode(const uint8_t *in, int64_t base_offset);

/* Where to start looking for the batch that holds the offset: the entry with the largest offset <=
 * wanted; none: (base, 0). */
enum err offset_index_lookup(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t wanted,
			     struct offset_entry *out) MUST_CHECK;
/* The first entry whose batch starts at file_pos or behind. False in *is_found: there is none. */
enum err offset_index_first_from(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, uint32_t file_pos,
				 struct offset_entry *out, bool *is_found) MUST_CHECK;
/* Could it be one: do its offsets ascend? Zeros, or the remains of another index behind the entries of a
 * shorter one, do not. */
enum err offset_index_check(const struct index_file *x, struct os *os, os_fd fd, bool *ascends) MUST_CHECK;
/* How many entries have offset < bound: what remains after a truncation to bound. */
enum err offset_index_count_below(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t bound,
				  uint32_t *count) MUST_CHECK;

#endif
