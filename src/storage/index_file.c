/*
 * Entries are written with pwrite and found with pread: no mapping, so that neither a full device
 * nor a file cut short by somebody else can kill the process. A search narrows down to one block of
 * entries by reading the first entry of candidate blocks, then reads that block once: about
 * log2(entries / 64) + 1 reads from the page cache.
 */
#include "storage/index_file.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_ENTRIES 64u
#define READ_TRIES    3
#define READ_BYTES    ((size_t)65536)
#define CHECK_ENTRIES 2048u	/* that a check of all reads at a time */

void index_file_set_size_max(struct index_file *x, int32_t size_max)
{
	x->count_max = (uint32_t)MAX(size_max, 0) / x->entry_bytes;
}

void index_file_init(struct index_file *x, uint8_t entry_bytes, uint32_t count, int32_t size_max)
{
	ASSERT(entry_bytes <= INDEX_ENTRY_MAX);
	*x = (struct index_file){ .entry_bytes = entry_bytes, .count = count };
	index_file_set_size_max(x, size_max);
}

static int64_t position(const struct index_file *x, uint32_t at)
{
	return (int64_t)at * x->entry_bytes;
}

enum err index_file_reserve(struct index_file *x, struct os *os, os_fd fd)
{
	enum err e = os_ftruncate(os, fd, position(x, MAX(x->count_max, x->count)));

	x->is_reserved = e == OK;
	return e;
}

enum err index_file_trim(struct index_file *x, struct os *os, os_fd fd)
{
	x->is_reserved = false;
	return os_ftruncate(os, fd, position(x, x->count));
}

enum err index_file_write(const struct index_file *x, struct os *os, os_fd fd,
	const uint8_t *entries, uint32_t n)
{
	return os_pwrite(os, fd, entries, (size_t)n * x->entry_bytes, position(x, x->count));
}

static enum err read_entries(const struct index_file *x, struct os *os, os_fd fd, uint32_t at,
	uint32_t n, uint8_t *out)
{
	size_t got, want = (size_t)n * x->entry_bytes;
	enum err e = os_pread(os, fd, out, want, position(x, at), &got);

	if (e != OK)
		return e;
	return got == want ? OK : ERR_CORRUPT;
}

enum err index_file_read(const struct index_file *x, struct os *os, os_fd fd, uint32_t at,
	uint8_t *entry)
{
	ASSERT(at < x->count);
	return read_entries(x, os, fd, at, 1, entry);
}

enum err index_file_check(const struct index_file *x, struct os *os, os_fd fd,
	int64_t (*key)(const uint8_t *entry), bool *ascends)
{
	uint8_t block[CHECK_ENTRIES * INDEX_ENTRY_MAX];
	int64_t before = 0;

	*ascends = true;
	for (uint32_t at = 0; at < x->count && *ascends; at += CHECK_ENTRIES) {
		uint32_t n = MIN(x->count - at, CHECK_ENTRIES);
		enum err e = read_entries(x, os, fd, at, n, block);
		if (e != OK)
			return e;
		for (uint32_t i = 0; i < n && *ascends; i++) {
			int64_t now = key(block + (size_t)i * x->entry_bytes);
			*ascends = now > before;
			before = now;
		}
	}
	return OK;
}

enum err index_file_search(const struct index_file *x, struct os *os, os_fd fd,
	int64_t (*key)(const uint8_t *entry),
			   int64_t wanted, uint32_t *count)
{
	uint8_t block[BLOCK_ENTRIES * INDEX_ENTRY_MAX];
	uint32_t low = 0, high = x->count;	/* entries below low are <= wanted, from high on
						 * they are > wanted */
	enum err e;

	while (high - low > BLOCK_ENTRIES) {
		uint32_t mid = low + (high - low) / 2;
		if ((e = read_entries(x, os, fd, mid, 1, block)) != OK)
			return e;
		if (key(block) <= wanted)
			low = mid + 1;
		else
			high = mid;
	}
	if (high > low && (e = read_entries(x, os, fd, low, high - low, block)) != OK)
		return e;
	for (const uint8_t *at = block; low < high && key(at) <= wanted; at += x->entry_bytes)
		low++;
	*count = low;
	return OK;
}

static bool is_zero(const char *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static enum err read_used(struct os *os, os_fd fd, size_t max, char **out, size_t *len, int64_t *size)
{
	struct os_stat st;
	size_t got = READ_BYTES, room = 0;
	enum err e = os_fstat(os, fd, &st);

	if (e != OK)
		return e;
	if (st.size > max)
		return ERR_TOO_LARGE;
	*size = (int64_t)st.size;
	while (got == READ_BYTES) {
		if (*len + READ_BYTES > room) {
			room = MAX(2 * room, READ_BYTES);
			*out = mem_realloc_array(*out, room, 1);
		}
		if ((e = os_pread(os, fd, *out + *len, READ_BYTES, (int64_t)*len, &got)) != OK)
			return e;
		if (is_zero(*out + *len, got))
			return OK;
		*len += got;
	}
	*size = (int64_t)*len;
	return OK;
}

enum err index_file_read_used(struct os *os, const char *path, size_t entry_bytes, size_t max, char **out, size_t *len, int64_t *size)
{
	enum err e = OK;

	*out = NULL;
	for (int tries = 0; e == OK && tries <= READ_TRIES && (tries == 0 || *size % (int64_t)entry_bytes != 0); tries++) {
		os_fd fd;

		*len = 0;
		if ((e = os_open(os, path, OS_RDONLY, &fd)) != OK)
			break;
		e = read_used(os, fd, max, out, len, size);
		os_close(os, &fd);
	}
	if (e != OK) {
		free(*out);
		*out = NULL;
	}
	return e;
}
