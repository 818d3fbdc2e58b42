#include "storage/time_index.h"

#include "base/bytes.h"

void time_entry_encode(uint8_t out[TIME_ENTRY_BYTES], int64_t base_offset, struct time_entry entry)
{
	store_be64(out, (uint64_t)entry.timestamp);
	store_be32(out + 8, (uint32_t)(entry.offset - base_offset));
}

struct time_entry time_entry_decode(const uint8_t *in, int64_t base_offset)
{
	return (struct time_entry){ .timestamp = (int64_t)load_be64(in),
		.offset = base_offset + (int32_t)load_be32(in + 8) };
}

static int64_t timestamp(const uint8_t *entry)
{
	return (int64_t)load_be64(entry);
}

static int64_t relative_offset(const uint8_t *entry)
{
	return (int32_t)load_be32(entry + 8);
}

enum err time_index_lookup(const struct index_file *x, struct os *os, os_fd fd, int64_t base_offset,
	time_ms wanted,
			   struct time_entry *out)
{
	uint8_t entry[TIME_ENTRY_BYTES];
	uint32_t count;
	enum err e = index_file_search(x, os, fd, timestamp, wanted, &count);

	*out = (struct time_entry){ .timestamp = -1, .offset = base_offset };
	if (e != OK || count == 0)
		return e;
	if ((e = index_file_read(x, os, fd, count - 1, entry)) == OK)
		*out = time_entry_decode(entry, base_offset);
	return e;
}

enum err time_index_check(const struct index_file *x, struct os *os, os_fd fd, bool *ascends)
{
	return index_file_check(x, os, fd, timestamp, ascends);
}

enum err time_index_count_below(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t bound,
				uint32_t *count)
{
	return index_file_search(x, os, fd, relative_offset, bound - 1 - base_offset, count);
}
