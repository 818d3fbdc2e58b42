/*
 * Inside of a pass: what log_clean.c (the owner's side) and log_clean_run.c (the jobs) share. Between a run and the next the pass is the owner's,
 * during one the worker's.
 */
#ifndef SKEIN_STORAGE_LOG_CLEAN_PRIV_H
#define SKEIN_STORAGE_LOG_CLEAN_PRIV_H

#include "storage/clean_batch.h"
#include "storage/clean_txns.h"
#include "storage/log_clean.h"
#include "storage/log_priv.h"

enum clean_phase {
	CLEAN_MAP,		/* run: keys of the dirty section */
	CLEAN_WRITE,		/* run: a group into .cleaned */
	CLEAN_SYNC,		/* run: its files to the device; step: is the log still as it was? */
	CLEAN_NAME,		/* run: .cleaned to .swap, on the device; step: in the place of the sources */
	CLEAN_SETTLE,		/* run: that they are gone, on the device; step: the final names */
	CLEAN_DONE,
};

struct clean_producer {
	int64_t producer_id, last_offset;	/* of its newest data batch; -1 none */
	int16_t epoch;
};

struct clean_reader {			/* batches of one source, one after the other */
	int      at;			/* number of the source */
	int64_t  file_pos;		/* of the next batch */
	int64_t  next_offset;		/* the least it may begin with */
	uint8_t *buf;
	size_t   buf_room, buf_len;
	int64_t  buf_pos;		/* of buf in the file */
};

struct log_clean {
	struct segment_store   store, out_store;	/* to read sources, to write .cleaned; with files of their own */
	struct topic_config    config;
	struct log_clean_limits limits;
	time_ms                now;
	int64_t                first_dirty, first_uncleanable;
	int64_t                end;		/* behind the last offset that is mapped; known after CLEAN_MAP */
	uint32_t               truncations;	/* of the log when this began */

	struct segment        *segments;	/* copies: of the sources, and of all behind them for their aborted transactions */
	int                    segment_count;
	int                    mapped_count;	/* sources that may be mapped: below first_uncleanable */
	int                    source_count;	/* sources that begin below end */
	struct clean_producer *producers;	/* by id */
	int                    producer_count;

	enum clean_phase       phase, ran;	/* what the next run is to do, what the last one has done */
	struct clean_reader    reader;
	struct clean_txns      txns;
	struct offset_map     *map;
	struct batch_cleaner   batches;
	int64_t                latest;		/* mapped */
	/* the group at hand: sources [reader.at ...) while it is written */
	int                    group_at, group_count;
	int                    group_last;	/* number of its last source that is not empty; -1 */
	struct segment        *out;		/* NULL: not begun */
	struct segment_stage  *stage;
	struct strbuf          staged;
	struct segment        *placed;		/* the log's: out, after it took the place of the sources, until it has its final names */

	uint64_t               bytes;		/* for log_clean_take_bytes */
	struct log_clean_result told;
	bool                   leaves_files;
	enum err               result;		/* of the last run */
};

/* base offset of what follows the source */
int64_t clean_source_end(const struct log_clean *c, int at);

#endif
