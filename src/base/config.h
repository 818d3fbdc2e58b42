/*
 * Configuration as the rest of the broker sees it: plain fields with units. Where the values come from (file, command line,
 * dynamic changes, defaults) and what is allowed is told by config_table.h, config_set.h and config_file.h.
 *
 * A topic_config is plain data and may be copied at will. A broker_config is frozen and counted: a dynamic change makes a
 * new one, and who still reads the old one is not disturbed.
 */
#ifndef SKEIN_CONFIG_H
#define SKEIN_CONFIG_H

#include "base/counted.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct config_set;
struct config_layers;

/* --- topics ------------------------------------------------------------------------------------------------------- */

enum cleanup_policy {			/* bits of topic_config.cleanup_policy; none: nothing is ever removed */
	CLEANUP_COMPACT = 1,
	CLEANUP_DELETE  = 2,
};

enum compression_type {			/* codec ids as in the attributes of a record batch; PRODUCER keeps what came */
	COMPRESSION_PRODUCER     = -1,
	COMPRESSION_UNCOMPRESSED = 0,
	COMPRESSION_GZIP         = 1,
	COMPRESSION_SNAPPY       = 2,
	COMPRESSION_LZ4          = 3,
	COMPRESSION_ZSTD         = 4,
};

enum timestamp_type {
	TIMESTAMP_CREATE_TIME     = 0,
	TIMESTAMP_LOG_APPEND_TIME = 1,
};

/* What holds for one topic after its overrides and the broker's defaults are put together. INT64_MAX: no limit. */
struct topic_config {
	int32_t  segment_bytes;				/* roll before a segment grows beyond */
	int64_t  segment_ms;				/* roll when its first record is this old */
	int64_t  segment_jitter_ms;			/* at most this much sooner, by chance */
	int32_t  segment_index_bytes;			/* room of each index */
	int32_t  index_interval_bytes;
	int32_t  max_message_bytes;			/* largest batch, after compression */
	int64_t  retention_ms;				/* -1 none */
	int64_t  retention_bytes;			/* per partition; -1 none */
	uint32_t cleanup_policy;			/* enum cleanup_policy, ored */
	int64_t  delete_retention_ms;			/* life of tombstones and markers after cleaning */
	int64_t  min_compaction_lag_ms, max_compaction_lag_ms;
	double   min_cleanable_dirty_ratio;
	int64_t  file_delete_delay_ms;			/* between the rename to .deleted and the unlink */
	int64_t  flush_messages;
	int64_t  flush_ms;
	int32_t  compression_type;			/* enum compression_type: what is stored */
	int32_t  compression_gzip_level;		/* 1..9, -1 the library's default */
	int32_t  compression_lz4_level;
	int32_t  compression_zstd_level;
	int32_t  timestamp_type;			/* enum timestamp_type */
	int64_t  timestamp_difference_max_ms;		/* deprecated: already part of the two below */
	int64_t  timestamp_before_max_ms;		/* a record may be this much older than the broker's clock */
	int64_t  timestamp_after_max_ms;		/* and this much newer */
	int32_t  min_insync_replicas;			/* for acks=all */
	bool     preallocate;
	bool     is_unclean_election_allowed;
	bool     is_downconversion_allowed;		/* to old Fetch versions */
	int32_t  message_format_version;		/* KAFKA_VERSION(...); without effect since 3.0 */
	int64_t  local_retention_ms, local_retention_bytes;	/* tiered storage only */
	bool     is_remote_storage_enabled, is_remote_copy_disabled, is_remote_deleted_on_disable;
};

/* Kafka's defaults, no broker asked: for tests and tools. */
void topic_config_init(struct topic_config *c);

/* --- brokers ------------------------------------------------------------------------------------------------------ */

/* "3.9-IV0" as one number that can be compared; 0.x versions have four parts: 0.10.2-IV0 is KAFKA_VERSION(0, 102, 0). */
#define KAFKA_VERSION(major, minor, iv) (((major) * 1000 + (minor)) * 100 + (iv))
#define KAFKA_VERSION_LATEST KAFKA_VERSION(3, 9, 0)

#endif
