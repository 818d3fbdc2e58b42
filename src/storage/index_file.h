/*
 * A sorted file of entries of one size: what the offset index and the time index have in common.
 *
 * Owner:     the log that holds the segment. The descriptor is handed in at every call, because it
 *            is opened on demand.
 * Memory:    none of its own; look-ups read a few small blocks through the page cache.
 * Invariant: the first `count` entries of the file are valid and their keys ascend; what lies
 *            behind them is zero bytes of the
 *            reservation or the remains of a failed append, and is cut off before the file is
 *            closed for good.
 */
#ifndef SKEIN_STORAGE_INDEX_FILE_H
#define SKEIN_STORAGE_INDEX_FILE_H

#include "os/os.h"

#define INDEX_ENTRY_MAX 12	/* bytes */

struct index_file {
	uint8_t  entry_bytes;
	bool     is_reserved;	/* the file has been given its full size (sparse), as the active
				 * segment's indexes have it */
	uint32_t count;		/* entries */
	uint32_t count_max;
};

/* size_max is segment.index.bytes: rounded down to whole entries. */
void index_file_init(struct index_file *x, uint8_t entry_bytes, uint32_t count, int32_t size_max);
void index_file_set_size_max(struct index_file *x, int32_t size_max);

/* Gives the file its full size, or cuts it behind the last entry. */
enum err index_file_reserve(struct index_file *x, struct os *os, os_fd fd) MUST_CHECK;
enum err index_file_trim(struct index_file *x, struct os *os, os_fd fd) MUST_CHECK;

/* n entries behind the last one, without counting them: the caller adds n to count once everything
 * else is written too. */
enum err index_file_write(const struct index_file *x, struct os *os, os_fd fd,
	const uint8_t *entries, uint32_t n) MUST_CHECK;
enum err index_file_read(const struct index_file *x, struct os *os, os_fd fd, uint32_t at,
	uint8_t *entry) MUST_CHECK;

/* For who looks from outside: the bytes of an index up to where 64 KiB of it are zero, which the room that is kept for more
 * entries is; *size: of the file. One that a broker closes at this moment is cut to its length; what was read meanwhile has
 * neither the old nor the new one, and is read again. free() *out. */
enum err index_file_read_used(struct os *os, const char *path, size_t entry_bytes, size_t max, char **out, size_t *len, int64_t *size) MUST_CHECK;

/* Do all keys lie above 0, each above the one before? Reads all entries. */
enum err index_file_check(const struct index_file *x, struct os *os, os_fd fd,
	int64_t (*key)(const uint8_t *entry), bool *ascends) MUST_CHECK;

/* How many entries have key(entry) <= wanted. ERR_CORRUPT: the file is shorter than count says. */
enum err index_file_search(const struct index_file *x, struct os *os, os_fd fd,
	int64_t (*key)(const uint8_t *entry),
			   int64_t wanted, uint32_t *count) MUST_CHECK;

#endif
