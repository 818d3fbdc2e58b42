/*
 * Building a batch, record by record: for clients, coordinators, the cleaner and tests.
 *
 *	batch_build_begin(&b, &spec, compressor, &out, max);
 *	batch_build_add(&b, timestamp, key, value, NULL, 0);
 *	err = batch_build_end(&b, &batch);
 *
 * Owner:  one thread; the compressor serves this batch alone until the end.
 * Memory: the batch grows in out (the caller's), behind what is there already, so that several can follow one another.
 */
#ifndef SKEIN_BUILD_H
#define SKEIN_BUILD_H

#include "record/batch.h"
#include "record/compress.h"
#include "record/record.h"

/* Start from BATCH_SPEC_INIT. */
struct batch_spec {
	enum codec codec;
	int        level;			/* of the codec; LEVEL_DEFAULT_x */
	int64_t    base_offset;			/* 0 in what a client sends */
	int32_t    leader_epoch;
	int64_t    producer_id;
	int16_t    producer_epoch;
	int32_t    base_sequence;
	bool       is_transactional, is_control;
	bool       is_log_append_time;		/* then max_timestamp is the append time */
	bool       has_delete_horizon;		/* then delete_horizon is the base timestamp */
	time_ms    delete_horizon;
	time_ms    max_timestamp;		/* only for is_log_append_time, and for a batch without records */
	int32_t    last_offset_delta;		/* -1: that of the last record; a batch without records must say */
};

#define BATCH_SPEC_INIT { .leader_epoch = -1, .producer_id = NO_PRODUCER_ID, .producer_epoch = NO_PRODUCER_EPOCH, \
			  .base_sequence = NO_SEQUENCE, .max_timestamp = NO_TIMESTAMP, .last_offset_delta = -1 }

struct batch_builder {
	struct batch_spec  spec;
	struct compressor *compressor;
	struct strbuf     *out;
	size_t             start;		/* of the batch in out */
	size_t             out_max;
	size_t             plain_bytes;		/* header and records before compression: for batch.size */
	int32_t            record_count, last_delta;
	time_ms            base_timestamp, max_timestamp;
};

/* out may not pass out_max bytes in all. Pointers are borrowed until the end. c may be NULL for CODEC_NONE. */
void batch_build_begin(struct batch_builder *b, const struct batch_spec *spec, struct compressor *c, struct strbuf *out, size_t out_max);

/* The next record, numbered one after the one before. Key and value may be null, header keys not. Bytes are copied. */
void batch_build_add(struct batch_builder *b, time_ms timestamp, struct slice key, struct slice value,
		     const struct record_header *headers, int32_t header_count);

/* A record from an iterator, as it is: keeps its offset (at or above base_offset, ascending), timestamp and headers. */
void batch_build_add_record(struct batch_builder *b, const struct record *r);

/*
 * Completes the batch; *batch is valid until out changes. ERR_TOO_LARGE: out_max was passed; out is cut back to what it was.
 */
enum err batch_build_end(struct batch_builder *b, struct slice *batch) MUST_CHECK;

/* What a record takes at most before compression, so that a producer knows whether it still fits. */
size_t record_size_max(struct slice key, struct slice value, const struct record_header *headers, int32_t header_count);

/* ---- transaction markers: control batches of one record ---- */

enum marker_type {
	MARKER_ABORT = 0,
	MARKER_COMMIT = 1,
};

struct marker {
	enum marker_type type;
	int64_t          producer_id;
	int16_t          producer_epoch;
	int32_t          coordinator_epoch;
	time_ms          timestamp;
};

/* Appends a marker's batch (base offset 0, leader epoch -1) to out; the slice is valid until out changes. */
struct slice marker_build(const struct marker *m, struct strbuf *out);

/*
 * Reads a control batch. ERR_NOT_FOUND: a control record of another kind, to be skipped, or an emptied batch.
 * ERR_CORRUPT: not a control batch of one record. Higher versions of key and value are read as far as known.
 */
enum err marker_read(struct slice batch, struct marker *out) MUST_CHECK;

#endif
