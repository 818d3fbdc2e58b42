/*
 * The aborted transactions whose markers lie in one segment: `<base>.txnindex`, 34 bytes each,
 * created with the first.
 *
 * Owner:   the segment. The struct holds no memory and no descriptor, so that a segment without
 *          aborts costs nothing: the file is opened for each use. An abort is rare, and a query
 *          opens only files that have entries.
 * Memory:  none is allocated.
 */
#ifndef SKEIN_STORAGE_TXN_INDEX_H
#define SKEIN_STORAGE_TXN_INDEX_H

#include "base/err.h"
#include "os/os.h"

#define TXN_INDEX_ENTRY_SIZE 34

struct txn_index {
	int64_t  base_offset;		/* of the segment: the file's name */
	uint32_t count;
	int64_t  newest_last_offset;	/* -1: empty */
	const char *extra;		/* behind the file's name; NULL: nothing */
};

struct aborted_txn {
	int64_t producer_id;
	int64_t first_offset, last_offset;	/* last: the marker's own offset */
	int64_t last_stable_offset;		/* right after the marker */
};

/* One entry as it lies in the file. False: not of version 0. */
bool txn_index_decode(const uint8_t *p, struct aborted_txn *a);
/* Looks at the file; absent: empty. Every entry is checked (version, order, offsets at or above the
 * base): ERR_CORRUPT means recover the segment. */
enum err txn_index_open(struct txn_index *x, struct os *os, const char *dir,
	int64_t base_offset) MUST_CHECK;
/* last_offset beyond that of the newest entry. After an error the file is as before. */
enum err txn_index_append(struct txn_index *x, struct os *os, const char *dir,
	const struct aborted_txn *a) MUST_CHECK;
/* Drops entries with last_offset >= end_offset: truncation, and taking an append back. */
enum err txn_index_truncate(struct txn_index *x, struct os *os, const char *dir,
	int64_t end_offset) MUST_CHECK;
/* To rebuild: empties the file when there is one. */
enum err txn_index_reset(struct txn_index *x, struct os *os, const char *dir) MUST_CHECK;

/* Calls each() for the transactions of this segment that overlap [from, to), in index order.
 * *is_complete: no later segment can have one (an entry said that nothing below `to` was open any
 * more); otherwise go on with the next segment. */
enum err txn_index_query(const struct txn_index *x, struct os *os, const char *dir,
	int64_t from, int64_t to, void (*each)(void *arg, const struct aborted_txn *a), void *arg,
	bool *is_complete) MUST_CHECK;

#endif
