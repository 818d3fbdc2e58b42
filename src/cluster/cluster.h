/*
 * The cluster picture: brokers, topics, partitions, configs, frozen and counted. The controller actor builds the next one from the last and
 * hands it to every network actor; each holds its own reference until the next arrives. Nobody locks, nothing changes under a reader.
 *
 * A picture is a tree: a table of CLUSTER_BUCKETS buckets of topics, each bucket and each topic counted by itself. A new picture shares everything
 * it did not change, so creating 2,000 topics one by one copies 2,000 small buckets, not 2,000 pictures.
 */
#ifndef SKEIN_CLUSTER_H
#define SKEIN_CLUSTER_H

#include "base/config.h"
#include "base/counted.h"
#include "base/slice.h"
#include "base/uuid.h"

#define CLUSTER_BUCKETS 256

struct cluster_endpoint {
	char     listener[64];		/* upper case */
	char     protocol[20];		/* PLAINTEXT ... */
	char     host[256];
	uint16_t port;
};

struct cluster_broker {
	int32_t  id;
	int64_t  epoch;			/* czxid of its registration */
	char     rack[256];		/* "": none */
	bool     has_rack;
	int      endpoint_count;
	struct cluster_endpoint endpoints[8];
};

struct cluster_partition {
	int32_t  id;
	int32_t  leader;		/* -1: none, -2: being deleted */
	int32_t  leader_epoch, partition_epoch, controller_epoch;
	int32_t  replica_count, isr_count, offline_count;
	const int32_t *replicas, *isr, *offline;	/* inside the topic's own memory */
	struct counted *local;		/* struct partition_addr of the replica hosted here, a reference of the topic's; NULL: not here */
};

/* Configuration values as they stand in the coordination store, names ascending; frozen and counted. One block. */
struct cluster_overrides {
	struct counted counted;
	int32_t        count;
	struct cluster_override { const char *name, *value; } pairs[];
};
/* Copies names and values; duplicates: the last one counts. The caller owns one reference. */
struct cluster_overrides *cluster_overrides_create(const struct cluster_override *pairs, int32_t n);
const char *cluster_overrides_get(const struct cluster_overrides *o, const char *name);	/* NULL: not there (o may be NULL) */

struct cluster_topic {
	struct counted counted;
	struct uuid    id;		/* zero: unknown */
	const char    *name;		/* NUL-terminated, inside */
	size_t         name_len;
	bool           is_internal;
	int32_t        partition_count;
	struct cluster_partition *partitions;	/* by position; ids ascending 0..n-1 when the store is sound */
	struct topic_config config;		/* resolved for this broker: log module's and validation's view */
	struct cluster_overrides *overrides;	/* never NULL */
};

struct cluster_bucket {
	struct counted counted;
	uint32_t       count;
	struct cluster_topic *topics[];		/* in byte order of names */
};

struct cluster {
	struct counted counted;
	char     cluster_id[64];
	int32_t  controller_id;			/* -1 unknown */
	int32_t  broker_id;			/* this broker */
	bool     has_replicas;			/* the replicas hosted here are in it: before that, files that list them must not be rewritten from it */
	int32_t  feature_version;		/* of /feature: the finalized features epoch of ApiVersions; -1 none */
	int32_t  topic_count;
	int      broker_count;
	const struct cluster_broker *brokers;	/* live ones, ids ascending; inside a counted block */
	struct counted *brokers_block;
	/* dynamic broker configs: cluster-wide default, and this broker's own; never NULL */
	struct cluster_overrides *broker_defaults, *broker_own;
	struct cluster_bucket *buckets[CLUSTER_BUCKETS];	/* by name hash; NULL: empty */
	struct cluster_bucket *ids[CLUSTER_BUCKETS];		/* the same topics by topic id (first byte) */
	uint64_t generation;			/* grows with every picture */
};

struct cluster *cluster_ref(struct cluster *c);
void            cluster_unref(struct cluster **c);

/* Borrowed from the picture. NULL: unknown. */
const struct cluster_topic     *cluster_topic(const struct cluster *c, struct slice name);
const struct cluster_topic     *cluster_topic_by_id(const struct cluster *c, struct uuid id);
const struct cluster_partition *cluster_topic_partition(const struct cluster_topic *t, int32_t partition);
const struct cluster_broker    *cluster_broker(const struct cluster *c, int32_t id);
const struct cluster_endpoint  *cluster_broker_endpoint(const struct cluster_broker *b, const char *listener);
/* Calls each for every topic, ordered by bucket, not by name. */
void cluster_each_topic(const struct cluster *c, void (*each)(void *arg, const struct cluster_topic *t), void *arg);

/* --- building: the controller actor only --------------------------------------------------------------------------------------------- */
struct cluster *cluster_create(const char *cluster_id, int32_t broker_id);
/* A new picture that shares all with `from`; change it before anyone else sees it. */
struct cluster *cluster_next(const struct cluster *from);
void cluster_set_controller(struct cluster *c, int32_t controller_id);
void cluster_set_brokers(struct cluster *c, const struct cluster_broker *brokers, int n);
void cluster_set_broker_configs(struct cluster *c, struct cluster_overrides *defaults, struct cluster_overrides *own);	/* references are taken */
void cluster_put_topic(struct cluster *c, struct cluster_topic *t);	/* takes the caller's reference; replaces one of the same name */
void cluster_remove_topic(struct cluster *c, struct slice name);

struct cluster_partition_spec {
	int32_t id, leader, leader_epoch, partition_epoch, controller_epoch;
	const int32_t *replicas, *isr, *offline;
	int32_t replica_count, isr_count, offline_count;
	struct counted *local;			/* a reference is taken; NULL */
};
/* One allocation; the caller owns one reference. A reference of overrides is taken. */
struct cluster_topic *cluster_topic_create(const char *name, struct uuid id, const struct topic_config *config, struct cluster_overrides *overrides,
                                           const struct cluster_partition_spec *partitions, int32_t n);

/* Kafka's topic name rules (wire.md section 7.2): NULL when legal, else the reason as Kafka words it. '.' and '_' collide. */
const char *topic_name_problem(struct slice name, char *buf, size_t size);
bool        topic_names_collide(struct slice a, struct slice b);
bool        topic_is_internal(struct slice name);

/* Where coordinators keep their state. */
#define TOPIC_CONSUMER_OFFSETS  "__consumer_offsets"
#define TOPIC_TRANSACTION_STATE "__transaction_state"
/* The partition of such a topic that holds the state of a group or transactional id; its leader is the coordinator. partition_count > 0: the topic's. */
int32_t cluster_coordinator_partition(struct slice key, int32_t partition_count);

#endif
