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
struct broker_config;

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
	int32_t  message_format_version;		/* KAFKA_VERSION(...); of effect where inter.broker.protocol.version is below 3.0-IV1: config_wants_old_format */
	int64_t  local_retention_ms, local_retention_bytes;	/* tiered storage only */
	bool     is_remote_storage_enabled, is_remote_copy_disabled, is_remote_deleted_on_disable;
};

/* Kafka's defaults, no broker asked: for tests and tools. */
void topic_config_init(struct topic_config *c);

/*
 * The broker's defaults, and over them what the topic overrides. Values that cannot be read (somebody else wrote them into
 * the store) are left at the default, counted and named in skipped, which may be NULL.
 */
int topic_config_resolve(struct topic_config *out, const struct config_set *overrides, const struct broker_config *broker,
			 struct strbuf *skipped);

/* --- brokers ------------------------------------------------------------------------------------------------------ */

/* "3.9-IV0" as one number that can be compared; 0.x versions have four parts: 0.10.2-IV0 is KAFKA_VERSION(0, 102, 0). */
#define KAFKA_VERSION(major, minor, iv) (((major) * 1000 + (minor)) * 100 + (iv))

enum security_protocol {		/* Kafka's ids */
	PROTOCOL_PLAINTEXT      = 0,
	PROTOCOL_SSL            = 1,
	PROTOCOL_SASL_PLAINTEXT = 2,
	PROTOCOL_SASL_SSL       = 3,
};

enum flush_acks {			/* when an answer to a write waits for the disk: log.flush.acks */
	FLUSH_ACKS_AUTO,		/* acks=all waits unless two or more replicas are in sync */
	FLUSH_ACKS_ALWAYS,		/* acks=1 and acks=all wait */
	FLUSH_ACKS_NEVER,
};

struct listener {
	const char             *name;		/* upper case */
	enum security_protocol  protocol;
	const char             *host;		/* without brackets; "": listen on all interfaces, advertise this host's name */
	int32_t                 port;		/* 0: the kernel chooses one */
};

struct text_list {
	const char **items;
	int          count;
};

/*
 * What holds for this broker. Everything is inside the object: texts, lists, listeners. The _text fields are what the
 * configuration says, already taken apart in the fields beside them.
 */
#define EVENT_LOG_AUTO 4	/* behind those of enum log_format */

struct broker_config {
	struct counted counted;

	/* identity and cluster */
	int32_t     broker_id;				/* -1: to be generated */
	int32_t     node_id;				/* equal to broker_id */
	bool        is_broker_id_generated;
	int32_t     reserved_broker_max_id;
	const char *rack;				/* NULL: none */
	bool        is_alone;				/* no zookeeper.connect: the cluster's state is kept by this broker */
	const char *zookeeper_connect;			/* NULL when alone */
	int32_t     zookeeper_connection_timeout_ms;
	int32_t     zookeeper_session_timeout_ms;
	int32_t     zookeeper_max_in_flight_requests;
	bool        is_session_guarded;
	bool        is_sandboxed;
	bool        is_controller_eligible;
	const char *metrics_listener_text;		/* NULL or "": no HTTP */
	const char *metrics_host;			/* NULL: no HTTP; "": every interface */
	int32_t     metrics_port;
	int32_t     group_lag_interval_ms;		/* 0: lag is not looked at */
	int32_t     group_lag_series_max;
	const char *console_hosts;			/* config_list_next */
	bool        is_console_showing_messages;
	int32_t     event_log_format;			/* enum log_format, or EVENT_LOG_AUTO: text on a terminal, logfmt elsewhere */
	const char *event_log_levels;			/* log_levels_set */
	int32_t     slow_request_log_ms;		/* 0: slow requests are not told */
	int32_t     inter_broker_protocol_version;	/* KAFKA_VERSION(...) */
	int32_t     request_timeout_ms;			/* as a client of other brokers */

	/* topics that are created without saying how */
	bool        is_auto_create_enabled;
	bool        is_topic_deletion_enabled;
	int32_t     num_partitions;
	int32_t     default_replication_factor;

	/* groups */
	int32_t     group_initial_rebalance_delay_ms;
	int32_t     group_min_session_timeout_ms, group_max_session_timeout_ms;
	int32_t     group_max_size;
	int16_t     offsets_commit_required_acks;
	int32_t     offsets_commit_timeout_ms;
	int32_t     offsets_load_buffer_size;
	int64_t     offsets_retention_check_interval_ms;
	int32_t     offsets_retention_minutes;
	int32_t     offsets_topic_compression_codec;
	int32_t     offset_metadata_max_bytes;		/* in UTF-16 code units, whatever the name says */

	/* the topic for group state, when it is created */
	int32_t     offsets_topic_num_partitions;
	int16_t     offsets_topic_replication_factor;
	int32_t     offsets_topic_segment_bytes;

	/* network */
	const char *listeners_text, *advertised_listeners_text, *listener_protocol_map_text;
	const char *inter_broker_listener_name;		/* upper case; never NULL */
	const struct listener *listeners;
	int         listeners_count;
	const struct listener *advertised;		/* what clients are told */
	int         advertised_count;
	int32_t     num_network_threads;
	int32_t     background_threads;
	int32_t     socket_request_max_bytes;
	int32_t     socket_send_buffer_bytes;		/* -1: the kernel's default */
	int32_t     socket_receive_buffer_bytes;	/* -1: the kernel's default */
	int32_t     socket_listen_backlog_size;
	int64_t     connections_max_idle_ms;		/* negative: never */
	int32_t     max_connections;
	int32_t     max_connections_per_ip;
	int32_t     fetch_max_bytes;
	int32_t     fetch_session_slots;

	/* replication */
	bool        is_controlled_shutdown_enabled;
	int32_t     controlled_shutdown_retries;
	int64_t     controlled_shutdown_backoff_ms;
	int32_t     num_replica_fetchers;
	int32_t     replica_fetch_backoff_ms;
	int32_t     replica_fetch_max_bytes, replica_fetch_min_bytes;	/* per partition; per request */
	int32_t     replica_fetch_response_max_bytes;
	int32_t     replica_fetch_wait_max_ms;
	int64_t     replica_lag_time_max_ms;
	const char *replica_selector_class;
	bool        is_selector_rack_aware;		/* what it comes to; false: consumers read from leaders */
	int32_t     replica_socket_timeout_ms;
	int64_t     leader_throttled_rate, follower_throttled_rate;	/* bytes/s of throttled replicas */
	int32_t     replication_quota_window_num, replication_quota_window_size_s;	/* over which those are means */
	int64_t     alter_log_dirs_rate;		/* bytes/s of replicas that move between log directories */
	int32_t     alter_log_dirs_window_num, alter_log_dirs_window_size_s;
	int32_t     alter_log_dirs_threads;		/* FIELD_UNSET_INT: one per log directory */
	bool        is_cleaner_enabled;
	int32_t     cleaner_threads, cleaner_io_bytes;
	int64_t     cleaner_backoff_ms, cleaner_dedupe_bytes;
	double      cleaner_load_factor, cleaner_io_rate;	/* bytes/s read and written */
	int32_t     controller_quota_window_num, controller_quota_window_size_s;	/* what a client may ask of the controller at once */
	bool        is_auto_rebalance_enabled;
	int64_t     imbalance_check_interval_s;
	int32_t     imbalance_percentage;
	int32_t     controller_socket_timeout_ms;

	/* data */
	const char *log_dir, *log_dirs_text;
	struct text_list log_dirs;			/* at least one, all different */
	int32_t     num_recovery_threads_per_data_dir;
	int32_t     flush_acks;				/* enum flush_acks */
	int64_t     log_flush_scheduler_interval_ms;
	int32_t     log_flush_offset_checkpoint_interval_ms;
	int32_t     log_flush_start_offset_checkpoint_interval_ms;
	int64_t     high_watermark_checkpoint_interval_ms;
	int64_t     log_retention_check_interval_ms;
	int32_t     producer_id_expiration_ms;

	/* Several names for one thing; FIELD_UNSET where a name is not set. Read the result in topic. */
	int64_t     log_roll_ms, log_roll_jitter_ms, log_retention_ms, log_flush_interval_ms;
	int32_t     log_roll_hours, log_roll_jitter_hours, log_retention_hours, log_retention_minutes;

	struct topic_config topic;			/* what a topic has that overrides nothing */
};

/*
 * Puts the layers together, takes them apart into fields and checks what belongs together. false: why says which value of
 * which file and line is wrong and what is allowed. *out is frozen, with one reference for the caller.
 */
bool broker_config_create(struct broker_config **out, const struct config_layers *layers,
			  struct strbuf *why) MUST_CHECK;

/* Would Java brokers of this cluster write messages of format 0 or 1 into the topic? Not from inter.broker.protocol.version 3.0-IV1 on. */
bool config_wants_old_format(const struct broker_config *broker, const struct topic_config *topic);

static inline void broker_config_unref(struct broker_config **c)
{
	counted_unref(&(*c)->counted);
	*c = NULL;
}

#endif
