#include "storage/offset_index.h"

#include "base/bytes.h"

void offset_entry_encode(uint8_t out[OFFSET_ENTRY_BYTES], int64_t base_offset,
	struct offset_entry entry)
{
	store_be32(out, (uint32_t)(entry.offset - base_offset));
	store_be32(out + 4, entry.file_pos);
}

struct offset_entry offset_entry_decode(const uint8_t *in, int64_t base_offset)
{
	return (struct offset_entry){ .offset = base_offset + (int32_t)load_be32(in),
		.file_pos = load_be32(in + 4) };
}

static int64_t relative_offset(const uint8_t *entry)
{
	return (int32_t)load_be32(entry);
}

static int64_t file_position(const uint8_t *entry)
{
	return load_be32(entry + 4);
}

enum err offset_index_lookup(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t wanted,
			     struct offset_entry *out)
{
	uint8_t entry[OFFSET_ENTRY_BYTES];
	uint32_t count;
	enum err e = index_file_search(x, os, fd, relative_offset, wanted - base_offset, &count);

	*out = (struct offset_entry){ .offset = base_offset, .file_pos = 0 };
	if (e != OK || count == 0)
		return e;
	if ((e = index_file_read(x, os, fd, count - 1, entry)) == OK)
		*out = offset_entry_decode(entry, base_offset);
	return e;
}

enum err offset_index_first_from(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, uint32_t file_pos,
				 struct offset_entry *out, bool *is_found)
{
	uint8_t entry[OFFSET_ENTRY_BYTES];
	uint32_t count;
	enum err e = index_file_search(x, os, fd, file_position, (int64_t)file_pos - 1, &count);

	*is_found = e == OK && count < x->count;
	if (!*is_found)
		return e;
	if ((e = index_file_read(x, os, fd, count, entry)) == OK)
		*out = offset_entry_decode(entry, base_offset);
	return e;
}

enum err offset_index_check(const struct index_file *x, struct os *os, os_fd fd, bool *ascends)
{
	return index_file_check(x, os, fd, relative_offset, ascends);
}

enum err offset_index_count_below(const struct index_file *x, struct os *os, os_fd fd,
	int64_t base_offset, int64_t bound,
				  uint32_t *count)
{
	return index_file_search(x, os, fd, relative_offset, bound - 1 - base_offset, count);
}
