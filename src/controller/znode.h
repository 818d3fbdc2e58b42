/*
 * Kafka's znodes: paths and payloads, both ways. Payloads are JSON; key order does not matter to readers, types do: "1" is not 1.
 * Encoders append to a strbuf. Decoders give false for what Kafka's reader would refuse; what they return lives in the arena.
 * Source of the facts: the znode layout of Kafka 2.0 to 3.9.
 */
#ifndef SKEIN_CONTROLLER_ZNODE_H
#define SKEIN_CONTROLLER_ZNODE_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "cluster/cluster.h"
#include "partition/partition_msg.h"

#define ZNODE_PATH_MAX 512

struct znode_partition {		/* one partition of a topic's assignment */
	int32_t  id;
	int32_t *replicas, *adding, *removing;
	int32_t  replica_count, adding_count, removing_count;
};

struct znode_topic {
	struct uuid id;			/* zero: none */
	struct znode_partition *partitions;	/* by id, ascending */
	int32_t     partition_count;
};

struct znode_state {
	int32_t  leader, leader_epoch, controller_epoch;
	int32_t *isr;
	int32_t  isr_count;
	bool     is_recovering;		/* leader_recovery_state 1 */
};

struct znode_partition_name {		/* one partition of a list of them */
	struct slice topic;
	int32_t      partition;
	int32_t     *replicas;		/* /admin/reassign_partitions: the wanted ones, as written; NULL elsewhere */
	int32_t      replica_count;
};

struct znode_feature_level {
	struct slice name;
	int32_t      min, max;		/* min: version 1; else 1 */
};
struct znode_feature {			/* /feature */
	int32_t version;		/* 1 or 2 */
	bool    is_enabled;
	struct znode_feature_level *levels;
	int32_t level_count;
};

void znode_topic_encode(const struct znode_topic *t, struct strbuf *out);
/* Refused, though Kafka takes it: a partition without replicas, a replica that is named twice, a negative id; in states the same of in-sync sets, which may be empty. */
bool znode_topic_decode(struct znode_topic *t, struct slice json, struct arena *a) MUST_CHECK;
void znode_state_encode(const struct znode_state *s, struct strbuf *out);
bool znode_state_decode(struct znode_state *s, struct slice json, struct arena *a) MUST_CHECK;
/* {"version":1,"config":{...}}. A node without data or with content that is no such thing counts as empty: *n is then 0. */
void znode_config_encode(const struct cluster_override *pairs, int32_t n, struct strbuf *out);
void znode_config_decode(struct slice json, struct cluster_override **pairs, int32_t *n, struct arena *a);
void znode_broker_encode(const struct cluster_broker *b, time_ms now, struct strbuf *out);
bool znode_broker_decode(struct cluster_broker *b, bool *is_skein, struct slice json) MUST_CHECK;
bool znode_broker_has_features(struct slice json) MUST_CHECK;	/* version 5 of the registration: inter.broker.protocol.version is 2.7 or later */
void znode_cluster_id_encode(const char *id, struct strbuf *out);
bool znode_cluster_id_decode(struct slice json, char out[64]) MUST_CHECK;
void znode_controller_encode(int32_t broker_id, time_ms now, struct strbuf *out);
bool znode_controller_decode(struct slice json, int32_t *broker_id, int32_t *kraft_epoch) MUST_CHECK;
void znode_change_encode(const char *entity_path, struct strbuf *out);
/* Both versions; out gets "topics/t", "brokers/1", ... */
bool znode_change_decode(struct slice json, char *out, size_t size) MUST_CHECK;
/* Of /log_dir_event_notification: a directory of this broker has failed. */
void znode_log_dir_event_encode(int32_t broker_id, struct strbuf *out);
bool znode_log_dir_event_decode(struct slice json, int32_t *broker_id) MUST_CHECK;
void znode_producer_block_encode(int32_t broker_id, int64_t first, int64_t last, struct strbuf *out);
bool znode_producer_block_decode(struct slice json, int64_t *last) MUST_CHECK;
/* /admin/preferred_replica_election and the entries of /isr_change_notification. */
void znode_partitions_encode(const struct znode_partition_name *names, int32_t n, struct strbuf *out);
bool znode_partitions_decode(struct slice json, struct znode_partition_name **names, int32_t *n, struct arena *a) MUST_CHECK;
/* /admin/reassign_partitions. Keys that Kafka does not know make its reader refuse the whole. */
void znode_reassign_encode(const struct znode_partition_name *names, int32_t n, struct strbuf *out);
bool znode_reassign_decode(struct slice json, struct znode_partition_name **names, int32_t *n, struct arena *a) MUST_CHECK;
void znode_feature_encode(const struct znode_feature *f, struct strbuf *out);
bool znode_feature_decode(struct znode_feature *f, struct slice json, struct arena *a) MUST_CHECK;
bool znode_int_decode(struct slice text, int32_t *out) MUST_CHECK;	/* /controller_epoch: plain digits */

#endif
