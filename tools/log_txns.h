/*
 * Which records of a log no committed transaction has: told by the markers in all its segments, not by the transaction indexes.
 * Owner: whoever holds the struct. Memory: 24 bytes per transaction that was aborted or has not ended.
 */
#ifndef SKEIN_TOOL_LOG_TXNS_H
#define SKEIN_TOOL_LOG_TXNS_H

#include "base/err.h"
#include "base/base.h"

struct log_txn {
	int64_t producer_id, first, last;	/* offsets, inclusive; last INT64_MAX: it has not ended */
};

struct log_txns {
	struct log_txn *list;		/* by producer, then offset */
	int             count, room;
};

/* Of a partition's directory. Damaged places are passed over; a file that cannot be read is an error. */
enum err log_txns_read(struct log_txns *t, const char *dir) MUST_CHECK;
void     log_txns_fini(struct log_txns *t);
/* Of a transactional batch that begins there. */
bool     log_txns_has(const struct log_txns *t, int64_t producer_id, int64_t offset);

#endif
