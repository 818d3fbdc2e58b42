/*
 * What inspect.c (the directory) and inspect_segment.c (a segment and its indexes) share.
 */
#ifndef SKEIN_STORAGE_INSPECT_PRIV_H
#define SKEIN_STORAGE_INSPECT_PRIV_H

#include "base/map.h"
#include "storage/batch_order.h"
#include "storage/inspect.h"
#include "storage/leader_epochs.h"
#include "storage/segment.h"

struct inspection {
	const struct inspect_spec *spec;
	struct inspect_result     *result;
	struct leader_epochs       epochs;	/* of the file; none when it is not there or damaged */
	int32_t                    epoch;	/* of the last sound batch */
	bool                       has_told_epoch;
	struct map                 open;	/* producer id -> struct inspected_txn: transactions with records, whose marker has not come */
};

struct inspected_txn {
	int64_t producer_id;		/* in memory: the key */
};

struct inspected_segment {
	int64_t base_offset;
	bool    is_last;
	bool    may_grow;	/* its files keep room for more: the last one, and where a broker runs the one before, which it may be closing */
	bool    has_log, has_index, has_timeindex, has_txnindex;
};

/* Tells it; what is left out is "", or not known. */
void inspect_say(struct inspection *x, struct inspect_finding f);
/* A file that cannot be read. */
void inspect_unreadable(struct inspection *x, const char *name, enum err e);
#define SAY(x, ...) inspect_say((x), (struct inspect_finding){ __VA_ARGS__ })
#define AT(pos)     .has_pos = true, .file_pos = (pos)
#define OF(o)       .has_offset = true, .offset = (o)

void inspect_forget_txns(struct inspection *x);
/* The offset behind its last sound batch; the base without any. */
int64_t inspect_segment(struct inspection *x, const struct inspected_segment *s);

#endif
