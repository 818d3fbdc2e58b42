/*
 * The questions the controller actor answers. On every broker there is one; changes of cluster state are made by the active one, configuration changes by
 * whoever is asked.
 *
 * Texts: `message` is NULL or malloc'd by the controller and freed by the asker. Arrays and names are the asker's, borrowed until the answer.
 * Order:  an answer that reports success comes after every network actor of this broker uses a picture that shows the change.
 */
#ifndef SKEIN_CONTROLLER_MSG_H
#define SKEIN_CONTROLLER_MSG_H

#include "actor/actor.h"
#include "base/arena.h"
#include "base/config_change.h"
#include "base/uuid.h"
#include "wire/gen/api_table.h"

#define CONTROLLER_MSG_TABLE(X) \
	X(create_topics) X(delete_topics) X(create_partitions) X(alter_configs) X(stored_offsets) X(allocate_producer_ids) X(request) X(reload) X(retire) X(stop) X(ready)

enum controller_msg_kind {
	CONTROLLER_MSG_FIRST = MSG_BASE_CONTROLLER,
#define X(name) CONTROLLER_##name,
	CONTROLLER_MSG_TABLE(X)
#undef X
};

/* Who asks for a change that quotas count (mutation_quota.h), and how long it is to ask nothing. */
struct controller_payer {
	struct slice principal, client_id;
	bool         is_strict;		/* over its quota it is refused, E(89); else only made to wait */
	int32_t      throttle_ms;	/* answer */
};

struct controller_assignment {
	int32_t        partition;
	const int32_t *brokers;
	int32_t        broker_count;
};

struct controller_config {
	struct slice name, value;	/* value null: as sent */
};

struct controller_new_topic {
	/* question */
	struct slice name;
	int32_t      partitions;	/* -1: num.partitions */
	int16_t      replication_factor;	/* -1: default.replication.factor */
	const struct controller_assignment *assignments;
	int32_t      assignment_count;	/* 0: none given */
	const struct controller_config *configs;
	int32_t      config_count;
	/* answer */
	enum kafka_error error;		/* checks of wire.md section 8.1 behind the authorisation, in that order */
	char        *message;		/* Kafka's wording; NULL on success and E(7) */
	struct uuid  topic_id;		/* zero on error (but E(7)) and with validate_only */
	int32_t      partitions_made;
	int16_t      replication_factor_made;
};

struct controller_create_topics {
	struct msg  msg;
	bool        is_automatic;	/* by any broker, because somebody asked for a topic that is not there; else only the active controller creates */
	bool        validate_only;
	int32_t     timeout_ms;		/* <= 0: created, but the answer is E(7) */
	struct controller_payer payer;
	struct controller_new_topic *topics;	/* names are distinct: the asker has checked */
	int32_t     topic_count;
};

struct controller_old_topic {
	struct slice name;		/* null: by id */
	struct uuid  topic_id;
	enum kafka_error error;		/* NONE, E(3), E(100), E(7), E(73) */
};

struct controller_delete_topics {
	struct msg  msg;
	struct controller_payer payer;
	int32_t     timeout_ms;
	struct controller_old_topic *topics;
	int32_t     topic_count;
};

struct controller_more_partitions {
	struct slice name;
	int32_t      count;		/* wanted in all */
	const struct controller_assignment *assignments;	/* one per new partition, in order; `partition` unused */
	int32_t      assignment_count;	/* -1: none given (null) */
	enum kafka_error error;		/* wire.md section 8.3 */
	char        *message;
};

struct controller_create_partitions {
	struct msg  msg;
	struct controller_payer payer;
	bool        validate_only;
	int32_t     timeout_ms;
	struct controller_more_partitions *topics;
	int32_t     topic_count;
};

/* Changes of one resource's stored configuration: checked, applied to what the store holds now, written (config first, notification second), in effect. */
enum controller_entity { ENTITY_TOPIC, ENTITY_BROKER, ENTITY_BROKER_DEFAULT };
struct controller_altered_resource {
	enum controller_entity entity;
	struct slice  name;		/* topic name; unused for brokers */
	enum config_change_mode mode;	/* CONFIG_REPLACE or CONFIG_INCREMENT */
	const struct config_change *changes;
	int32_t       change_count;
	enum kafka_error error;		/* not NONE in the question: passed over */
	char         *message;
};
struct controller_alter_configs {
	struct msg  msg;
	bool        validate_only;
	struct controller_altered_resource *resources;
	int32_t     resource_count;
};

/* Offsets of a group in the store itself, where clients of OffsetCommit and OffsetFetch 0 keep them. */
struct controller_stored_offset {
	struct slice topic;		/* equal ones stand together */
	int32_t      partition;
	int64_t      offset;		/* commit: to be written; fetch: what was found */
	enum kafka_error error;		/* NONE, E(3): none is stored; E(-1): the store did not take or give it */
};
struct controller_stored_offsets {
	struct msg   msg;
	bool         is_commit;
	struct slice group;
	struct controller_stored_offset *offsets;
	int32_t      count;
};

/*
 * A request of Kafka's protocol that the controller answers by itself: its handler decodes, asks this, and encodes. What the controller of the cluster tells this broker
 * (LeaderAndIsr, UpdateMetadata, StopReplica) is answered by every broker; AlterPartition, AllocateProducerIds, ControlledShutdown, AlterPartitionReassignments,
 * ListPartitionReassignments, ElectLeaders by the active controller, with NOT_CONTROLLER (ControlledShutdown: STALE_CONTROLLER_EPOCH) from the others.
 */
struct controller_request {
	struct msg    msg;
	enum api_key  key;
	int16_t       version;
	const void   *request;		/* struct x_request, borrowed */
	void         *response;		/* struct x_response with its defaults: filled in; what it points to lies in the request, the arena, or is constant */
	struct arena *arena;		/* the asker's, which keeps its hands off it meanwhile */
};

/* Reads this broker's dynamic configs and those of all topics from the store again; answered when they are in effect. */
struct controller_reload {
	struct msg  msg;
};

/* Before the listeners close: leadership goes to other brokers (controlled shutdown), as far as they can take it and the configuration says. Answered when that is done or given up. */
struct controller_retire {
	struct msg  msg;
};

/* A block of producer ids for this broker: [first, first + count). Blocks of 1000, wire.md section 10. */
struct controller_allocate_producer_ids {
	struct msg  msg;
	enum kafka_error error;
	int64_t     first;
	int32_t     count;
};

/* Ends all: partitions are closed (cleanly or as a crash would), the registration is withdrawn, the store closed. */
struct controller_stop {
	struct msg  msg;
	bool        is_clean;			/* false: as a crash would leave it */
	bool        is_clean_everywhere;	/* answer: every log was closed clean; only then may the marker be written */
};

#endif
