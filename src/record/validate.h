/*
 * What a leader checks in a client's batch before it asks the partition, and what it changes in it: everything that needs no
 * log state. Any thread; a network actor for small batches, a worker for large compressed ones.
 *
 *   records_form_check   is there exactly one batch of format 2? (decided for the whole request first)
 *   batch_validate       the batch itself; leaves bytes that may be appended as they are, but for base offset and leader epoch
 *
 * The order of the checks is Kafka's, because the first that fails is what the client sees.
 */
#ifndef SKEIN_VALIDATE_H
#define SKEIN_VALIDATE_H

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "record/batch.h"
#include "record/compress.h"

/* ---- the form of a Produce request's records field, version 3 and up ---- */

struct records_form {
	enum kafka_error request_error;		/* CORRUPT_MESSAGE fails the whole request, whatever its other partitions hold */
	enum kafka_error error;			/* this partition's: INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE, CORRUPT_MESSAGE */
	struct slice     batch;			/* the one batch, when both are NONE */
	bool             is_transactional;	/* any whole batch is; known also when error is set */
	char             message[80];		/* of request_error, for versions that carry one; else "" */
};

/*
 * Null records count as empty. What follows a whole batch without being one is ignored. Look at request_error of all
 * partitions first, then at transactional ids, then at error.
 */
void records_form_check(struct slice records, int16_t version, struct records_form *out);

/* ---- the batch ---- */

/* Borrowed for the call, and for the texts of its errors. */
struct batch_policy {
	const struct topic_config *config;	/* limits, compression, timestamps, compaction */
	struct slice               topic;	/* named in messages */
	int32_t                    partition;
	uint64_t                   decompressed_max;	/* bytes the records section may expand to; beyond: MESSAGE_TOO_LARGE */
};

/* A bound that refuses nothing a default batch of 1 MiB can hold but zstd's repeated bytes: deflate expands 1032-fold at most. */
#define BATCH_DECOMPRESSED_MAX ((uint64_t)1 << 30)

/* One per thread: codec contexts, made at first use and kept. */
struct batch_scratch {
	struct decompressor *decompressor;
	struct compressor   *compressor;
};

void batch_scratch_init(struct batch_scratch *s);
void batch_scratch_fini(struct batch_scratch *s);

enum record_error_kind {
	RECORD_NO_KEY,			/* on a compacted topic */
	RECORD_TIMESTAMP_RANGE,
	RECORD_TIMESTAMP_TYPE,		/* the producer set the append-time bit where it may not */
};

struct record_error {
	int32_t                batch_index;	/* the record's place in the batch, from 0 */
	int32_t                key_bytes, value_bytes;	/* -1 null */
	enum record_error_kind kind;
	int64_t                offset;		/* as the client numbered it */
	time_ms                timestamp;
};

#define RECORD_ERRORS_MAX 32	/* listed one by one; further ones are only counted (Kafka lists all) */

struct batch_verdict {
	enum kafka_error    error;
	bool                is_log_start_known;	/* an error's answer carries the log start offset; otherwise -1 */

	/* error NONE */
	uint8_t            *batch;		/* the caller's bytes, changed in place, or rebuilt ones in the caller's buffer */
	size_t              batch_bytes;
	int32_t             record_count;
	time_ms             max_timestamp;
	time_ms             log_append_time;	/* -1 on CreateTime topics: what the answer carries */

	/* single records were refused */
	int32_t             record_errors_total;	/* 0: the batch as a whole was refused */
	int32_t             record_errors_listed;
	bool                is_partial;		/* keys and values were not looked at: part of the wording */
	time_ms             now;
	struct record_error record_errors[RECORD_ERRORS_MAX];
};

/*
 * batch: one whole batch of format 2 (records_form_check), in memory that may be written to. It is changed only if that is all it
 * takes, and unchanged on an error. rebuilt: emptied and filled when the topic wants another codec; belongs to the caller, because it
 * must live until the append. Allocates nothing unless it rebuilds (rebuilt grows to at most max.message.bytes and a little).
 */
void batch_validate(uint8_t *batch, size_t size, const struct batch_policy *policy, time_ms now,
		    struct batch_scratch *scratch, struct strbuf *rebuilt, struct batch_verdict *out);

/* Kafka's texts. The null slice when the arena is full, and from the second when no single record was refused. */
struct slice record_error_text(const struct batch_verdict *v, const struct batch_policy *policy, int32_t i, struct arena *a) MUST_CHECK;
struct slice batch_error_text(const struct batch_verdict *v, const struct batch_policy *policy, struct arena *a) MUST_CHECK;

#endif
