/*
 * An entry, big endian: int16 version 0, int64 producer id, int64 first offset, int64 last offset,
 * int64 last stable offset.
 *
 * Entries ascend by last offset (markers enter in log order), so a query begins by bisection and
 * reads on in steps of a stack buffer.
 */
#include "storage/txn_index.h"

#include <stdio.h>

#include "base/bytes.h"

#define PATH_SIZE  1024
#define STEP       64		/* entries read at once: 2 KiB of stack */

static enum err path_of(char out[PATH_SIZE], const char *dir, const struct txn_index *x)
{
	int n = snprintf(out, PATH_SIZE, "%s/%020lld.txnindex%s", dir, (long long)x->base_offset,
		x->extra != NULL ? x->extra : "");

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

static enum err open_file(const struct txn_index *x, struct os *os, const char *dir, int flags,
	os_fd *fd)
{
	char path[PATH_SIZE];
	enum err err = path_of(path, dir, x);

	return err == OK ? os_open(os, path, flags, fd) : err;
}

bool txn_index_decode(const uint8_t *p, struct aborted_txn *a)
{
	*a = (struct aborted_txn){
		.producer_id = (int64_t)load_be64(p + 2),
		.first_offset = (int64_t)load_be64(p + 10),
		.last_offset = (int64_t)load_be64(p + 18),
		.last_stable_offset = (int64_t)load_be64(p + 26),
	};
	return load_be16(p) == 0;
}

static void put(uint8_t *p, const struct aborted_txn *a)
{
	store_be16(p, 0);
	store_be64(p + 2, (uint64_t)a->producer_id);
	store_be64(p + 10, (uint64_t)a->first_offset);
	store_be64(p + 18, (uint64_t)a->last_offset);
	store_be64(p + 26, (uint64_t)a->last_stable_offset);
}

/* Reads entries [i, i + n); fewer bytes than that are damage. */
static enum err read_entries(struct os *os, os_fd fd, uint32_t i, uint32_t n, uint8_t *buf)
{
	size_t got;
	enum err err = os_pread(os, fd, buf, (size_t)n * TXN_INDEX_ENTRY_SIZE,
		(int64_t)i * TXN_INDEX_ENTRY_SIZE, &got);

	if (err == OK && got != (size_t)n * TXN_INDEX_ENTRY_SIZE)
		return ERR_CORRUPT;
	return err;
}

/* Calls see() for entries from i on until it returns false. */
static enum err walk(struct os *os, os_fd fd, uint32_t i, uint32_t count,
	bool (*see)(void *arg, uint32_t i, const struct aborted_txn *a), void *arg)
{
	uint8_t buf[STEP * TXN_INDEX_ENTRY_SIZE];
	struct aborted_txn a;

	while (i < count) {
		uint32_t n = MIN(count - i, (uint32_t)STEP);
		enum err err = read_entries(os, fd, i, n, buf);

		if (err != OK)
			return err;
		for (uint32_t k = 0; k < n; k++) {
			if (!txn_index_decode(buf + (size_t)k * TXN_INDEX_ENTRY_SIZE, &a))
				return ERR_CORRUPT;
			if (!see(arg, i + k, &a))
				return OK;
		}
		i += n;
	}
	return OK;
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool check_entry(void *arg, uint32_t i, const struct aborted_txn *a)
{
	struct txn_index *x = arg;

	/* The transaction may have begun in an earlier segment; its marker is in this one. */
	if (a->producer_id < 0 || a->first_offset < 0 || a->first_offset > a->last_offset ||
	    a->last_stable_offset < 0 || a->last_offset < x->base_offset ||
	    a->last_offset <= x->newest_last_offset)
		return false;
	x->newest_last_offset = a->last_offset;
	x->count = i + 1;
	return true;
}

enum err txn_index_open(struct txn_index *x, struct os *os, const char *dir, int64_t base_offset)
{
	struct os_stat st;
	os_fd fd;
	uint32_t count;
	enum err err;

	*x = (struct txn_index){ .base_offset = base_offset, .newest_last_offset = -1 };
	err = open_file(x, os, dir, OS_RDWR, &fd);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	err = os_fstat(os, fd, &st);
	if (err == OK && (st.size % TXN_INDEX_ENTRY_SIZE != 0 ||
			  st.size / TXN_INDEX_ENTRY_SIZE > INT32_MAX))
		err = ERR_CORRUPT;
	if (err == OK) {
		count = (uint32_t)(st.size / TXN_INDEX_ENTRY_SIZE);
		err = walk(os, fd, 0, count, check_entry, x);
		if (err == OK && x->count != count)
			err = ERR_CORRUPT;
	}
	os_close(os, &fd);
	return err;
}

/* --- changing --------------------------------------------------------------------------------- */

enum err txn_index_append(struct txn_index *x, struct os *os, const char *dir,
	const struct aborted_txn *a)
{
	uint8_t buf[TXN_INDEX_ENTRY_SIZE];
	int64_t pos = (int64_t)x->count * TXN_INDEX_ENTRY_SIZE;
	os_fd fd;
	enum err err, undone;

	ASSERT(a->last_offset > x->newest_last_offset && a->last_offset >= x->base_offset);
	err = open_file(x, os, dir, OS_RDWR | OS_CREATE, &fd);
	if (err != OK)
		return err;
	put(buf, a);
	err = os_pwrite(os, fd, buf, sizeof(buf), pos);
	if (err == OK) {
		x->count++;
		x->newest_last_offset = a->last_offset;
	} else {
		undone = os_ftruncate(os, fd, pos);
		if (undone == ERR_IO)
			err = ERR_IO;
	}
	os_close(os, &fd);
	return err;
}

/* The first entry whose last_offset >= offset; count if none. */
static enum err bisect(const struct txn_index *x, struct os *os, os_fd fd, int64_t offset,
	uint32_t *out)
{
	uint8_t buf[TXN_INDEX_ENTRY_SIZE];
	uint32_t lo = 0, hi = x->count;
	struct aborted_txn a;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		enum err err = read_entries(os, fd, mid, 1, buf);

		if (err != OK)
			return err;
		if (!txn_index_decode(buf, &a))
			return ERR_CORRUPT;
		if (a.last_offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	*out = lo;
	return OK;
}

static enum err cut(struct txn_index *x, struct os *os, os_fd fd, int64_t end_offset)
{
	uint8_t buf[TXN_INDEX_ENTRY_SIZE];
	struct aborted_txn newest = { .last_offset = -1 };
	uint32_t keep;
	enum err err = bisect(x, os, fd, end_offset, &keep);

	if (err == OK && keep > 0) {
		err = read_entries(os, fd, keep - 1, 1, buf);
		if (err == OK && !txn_index_decode(buf, &newest))
			err = ERR_CORRUPT;
	}
	if (err == OK)
		err = os_ftruncate(os, fd, (int64_t)keep * TXN_INDEX_ENTRY_SIZE);
	if (err != OK)
		return err;
	x->count = keep;
	x->newest_last_offset = newest.last_offset;
	return OK;
}

enum err txn_index_truncate(struct txn_index *x, struct os *os, const char *dir, int64_t end_offset)
{
	os_fd fd;
	enum err err;

	if (x->newest_last_offset < end_offset)
		return OK;
	err = open_file(x, os, dir, OS_RDWR, &fd);
	if (err != OK)
		return err;
	err = cut(x, os, fd, end_offset);
	os_close(os, &fd);
	return err;
}

enum err txn_index_reset(struct txn_index *x, struct os *os, const char *dir)
{
	os_fd fd;
	enum err err = open_file(x, os, dir, OS_RDWR, &fd);

	if (err == OK) {
		err = os_ftruncate(os, fd, 0);
		os_close(os, &fd);
	}
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	x->count = 0;
	x->newest_last_offset = -1;
	return OK;
}

/* --- asking ----------------------------------------------------------------------------------- */

struct query {
	int64_t to;
	void  (*each)(void *arg, const struct aborted_txn *a);
	void   *arg;
	bool    is_complete;
};

static bool answer(void *arg, uint32_t i, const struct aborted_txn *a)
{
	struct query *q = arg;

	(void)i;
	if (a->first_offset < q->to)
		q->each(q->arg, a);
	q->is_complete = a->last_stable_offset >= q->to;
	return !q->is_complete;
}

enum err txn_index_query(const struct txn_index *x, struct os *os, const char *dir, int64_t from,
	int64_t to, void (*each)(void *arg, const struct aborted_txn *a), void *arg,
	bool *is_complete)
{
	struct query q = { to, each, arg, false };
	uint32_t first;
	os_fd fd;
	enum err err;

	*is_complete = false;
	if (x->newest_last_offset < from)
		return OK;
	err = open_file(x, os, dir, OS_RDONLY, &fd);
	if (err != OK)
		return err;
	err = bisect(x, os, fd, from, &first);
	if (err == OK)
		err = walk(os, fd, first, x->count, answer, &q);
	os_close(os, &fd);
	*is_complete = q.is_complete;
	return err;
}
