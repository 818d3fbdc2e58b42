/*
 * One batch in a pass of the cleaner: what of it stays. Kafka's rules (RecordFilter, MemoryRecords.filterTo), for format 2.
 * Owner:  the pass. Memory: the rebuilt batch is appended to the caller's buffer; a bit per record, and what codecs keep.
 */
#ifndef SKEIN_STORAGE_CLEAN_BATCH_H
#define SKEIN_STORAGE_CLEAN_BATCH_H

#include "record/build.h"
#include "storage/offset_map.h"

struct batch_cleaner {
	/* of the pass */
	const struct offset_map *map;
	int64_t              latest_offset;	/* of what the map knows: what lies behind stays */
	time_ms              now, horizon;	/* horizon: of what a pass keeps for the first time */
	/* its own */
	struct decompressor *decompressor;
	struct compressor   *compressor;
	uint8_t             *kept;		/* a byte per record */
	size_t               kept_room;
};

struct clean_question {
	struct slice batch;		/* whole */
	bool may_go;			/* data: of an aborted transaction; a marker: nothing of its transaction is left */
	/* Where no record stays, the batch does: it is the last word about its producer, or about where the segment ends. Only the former keeps its time, which else would be the time of records that nobody finds. */
	bool is_last_of_producer, is_last_of_segment;
};

void batch_cleaner_init(struct batch_cleaner *c, const struct offset_map *map, int64_t latest_offset, time_ms now, int64_t delete_retention_ms);
void batch_cleaner_fini(struct batch_cleaner *c);
/* Appends to out what stays of it: as it is, rebuilt, or nothing. ERR_CORRUPT, ERR_UNSUPPORTED (codec): it cannot be read. ERR_TOO_LARGE: no batch can be so large. */
enum err clean_batch(struct batch_cleaner *c, const struct clean_question *q, struct strbuf *out) MUST_CHECK;

/* Keys into the map. *is_full: not all of them; *latest is the offset of the last one that is. ERR_CORRUPT, ERR_UNSUPPORTED. */
enum err clean_batch_map(struct offset_map *map, struct decompressor *d, struct slice batch, int64_t from_offset, int64_t *latest, bool *is_full) MUST_CHECK;

#endif
