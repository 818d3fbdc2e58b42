/*
 * Administration: topics, configuration, groups and their offsets, log directories, reassignments, elections, the cluster.
 *
 * Blocking:  all of these wait for the answer, for at most timeout_ms, and turn the client meanwhile. Not to be called from callbacks.
 * Again:     what the cluster asks to try again is tried again, and the controller or coordinator is followed when it moves. A change whose answer was lost is not repeated:
 *            the error says that it may have been done.
 * Answers:   what a question finds lives in a skein_answer until you destroy it; after an error there is none.
 * One of many: where a call is about several partitions, the code is that of the whole, and each partition has a broker's code of its own: 0, or skein_kafka_error_name.
 * Threads:   those of the client.
 */
#ifndef SKEIN_ADMIN_API_H
#define SKEIN_ADMIN_API_H

#include <skein/skein.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct skein_answer;
void skein_answer_destroy(struct skein_answer **answer);

const char *skein_kafka_error_name(int code);	/* "UNKNOWN_TOPIC_OR_PARTITION" */
const char *skein_kafka_error_text(int code);	/* a sentence */

/* ---- the cluster ---- */

struct skein_broker {
	int32_t     id;
	const char *host;
	int32_t     port;
	const char *rack;		/* NULL: none */
};

struct skein_cluster {
	const char                *id;
	int32_t                    controller;	/* -1: none */
	const struct skein_broker *brokers;
	int32_t                    broker_count;
};
enum skein_code skein_admin_cluster(struct skein_client *client, int64_t timeout_ms, struct skein_answer **answer, const struct skein_cluster **out,
				    struct skein_error *error);

/* ---- topics ---- */

struct skein_setting {
	const char *name;
	const char *value;		/* altering: NULL, back to the default */
};

#define SKEIN_DEFAULT (-1)		/* the broker's num.partitions, default.replication.factor */
enum skein_code skein_admin_create_topic(struct skein_client *client, const char *name, int32_t partition_count, int32_t replication_factor,
					 const struct skein_setting *settings, int32_t setting_count, int64_t timeout_ms, struct skein_error *error);
enum skein_code skein_admin_delete_topic(struct skein_client *client, const char *name, int64_t timeout_ms, struct skein_error *error);
/* partition_count: how many there shall be; never fewer than there are. */
enum skein_code skein_admin_grow_topic(struct skein_client *client, const char *name, int32_t partition_count, int64_t timeout_ms, struct skein_error *error);

struct skein_topic_partition {
	int32_t        partition;
	int            error;			/* a broker's code */
	int32_t        leader;			/* -1: none */
	int32_t        leader_epoch;		/* -1: not known */
	const int32_t *replicas, *isr, *offline;	/* brokers; the first replica is the preferred leader */
	int32_t        replica_count, isr_count, offline_count;
};

struct skein_topic {
	const char *name;
	uint8_t     id[16];			/* zero: the cluster does not tell */
	int         error;			/* a broker's code: 3, there is none of this name */
	bool        is_internal;
	const struct skein_topic_partition *partitions;
	int32_t     partition_count;
};
/* All topics, or only those named (count > 0), which are then in the answer in any case. */
enum skein_code skein_admin_topics(struct skein_client *client, const char *const *names, int32_t count, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_topic **out, int32_t *out_count, struct skein_error *error);

/* ---- configuration ---- */

enum skein_resource { SKEIN_TOPIC = 2, SKEIN_BROKER = 4 };	/* of a broker the name is its id; "": the default of all */

enum skein_source { SKEIN_SOURCE_UNKNOWN = 0, SKEIN_SOURCE_TOPIC = 1, SKEIN_SOURCE_BROKER = 2, SKEIN_SOURCE_ALL_BROKERS = 3, SKEIN_SOURCE_FILE = 4, SKEIN_SOURCE_DEFAULT = 5 };

struct skein_config_entry {
	const char       *name;
	const char       *value;		/* NULL: none, or a secret */
	enum skein_source source;		/* where the value comes from */
	bool              is_read_only, is_secret;
};
enum skein_code skein_admin_config(struct skein_client *client, enum skein_resource type, const char *name, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_config_entry **out, int32_t *out_count, struct skein_error *error);
/* All changes or none; what is not named stays. */
enum skein_code skein_admin_alter_config(struct skein_client *client, enum skein_resource type, const char *name, const struct skein_setting *changes,
					 int32_t change_count, int64_t timeout_ms, struct skein_error *error);

/* ---- offsets of logs ---- */

struct skein_offset {
	const char *topic;			/* partitions of one topic stand together */
	int32_t     partition;
	int64_t     offset;
	int64_t     timestamp;			/* milliseconds since 1970 */
	int         error;			/* a broker's code */
};

#define SKEIN_AT_END       (-1)
#define SKEIN_AT_BEGINNING (-2)
/*
 * timestamp: of the first record that is wanted, SKEIN_AT_END or SKEIN_AT_BEGINNING. Fills in offset (-1: no record is so late) and error, and in timestamp that of the
 * record that was found (-1: none).
 */
enum skein_code skein_admin_list_offsets(struct skein_client *client, struct skein_offset *offsets, int32_t count, int64_t timeout_ms, struct skein_error *error);
/* Deletes the records before each offset (-1: all of them). Fills in where the log begins now, and error. */
enum skein_code skein_admin_delete_records(struct skein_client *client, struct skein_offset *offsets, int32_t count, int64_t timeout_ms, struct skein_error *error);

/* ---- groups ---- */

struct skein_group_entry {
	const char *id, *state, *protocol_type;		/* "Stable", "Empty", ...; "consumer" */
};
/* state: only those in it; NULL: all. */
enum skein_code skein_admin_groups(struct skein_client *client, const char *state, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_group_entry **out, int32_t *out_count, struct skein_error *error);

struct skein_group_member {
	const char *id, *instance_id, *client_id, *host;	/* instance_id: NULL, none */
	const struct skein_offset *partitions;			/* which it reads; topic and partition only */
	int32_t     partition_count;
};

struct skein_group {
	const char *id, *state, *assignor;
	const struct skein_group_member *members;
	int32_t     member_count;
};
/* SKEIN_NOT_FOUND: there is none of this name. */
enum skein_code skein_admin_group(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_answer **answer, const struct skein_group **out,
				  struct skein_error *error);
enum skein_code skein_admin_delete_group(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_error *error);

/* All offsets the group has committed; timestamp is not known: -1. None for a group that does not exist. */
enum skein_code skein_admin_group_offsets(struct skein_client *client, const char *id, int64_t timeout_ms, struct skein_answer **answer,
					  const struct skein_offset **out, int32_t *out_count, struct skein_error *error);
/* For a group without members: makes it stand at these offsets; fills in the errors. */
enum skein_code skein_admin_set_group_offsets(struct skein_client *client, const char *id, struct skein_offset *offsets, int32_t count, int64_t timeout_ms,
					      struct skein_error *error);
/* Of topics nobody in the group reads; fills in the errors. */
enum skein_code skein_admin_delete_group_offsets(struct skein_client *client, const char *id, struct skein_offset *offsets, int32_t count, int64_t timeout_ms,
						 struct skein_error *error);

/* ---- replicas ---- */

struct skein_replica {
	const char *topic;
	int32_t     partition;
	int64_t     size;			/* bytes */
	int64_t     lag;			/* records; of one that is moving between directories: to the other */
	bool        is_moving;			/* it will take the place of the one in another directory */
};

struct skein_log_dir {
	const char *path;
	int         error;			/* a broker's code: 56, it is offline */
	int64_t     total, usable;		/* bytes of its file system; -1: not known */
	const struct skein_replica *replicas;
	int32_t     replica_count;
};
/* Of one broker. */
enum skein_code skein_admin_log_dirs(struct skein_client *client, int32_t broker, int64_t timeout_ms, struct skein_answer **answer, const struct skein_log_dir **out,
				     int32_t *out_count, struct skein_error *error);
/* The broker's replica begins to move to this directory; one that it does not have yet is made there. */
enum skein_code skein_admin_place_replica(struct skein_client *client, int32_t broker, const char *topic, int32_t partition, const char *dir, int64_t timeout_ms,
					  struct skein_error *error);

struct skein_reassignment {
	const char    *topic;			/* partitions of one topic stand together */
	int32_t        partition;
	const int32_t *replicas;		/* the brokers that shall hold it, its preferred leader first */
	int32_t        replica_count;		/* -1: the one under way is given up */
	const int32_t *adding, *removing;	/* listing only */
	int32_t        adding_count, removing_count;
	int            error;			/* a broker's code */
};
/* Begins to move replicas, which goes on afterwards. Fills in the errors. */
enum skein_code skein_admin_reassign(struct skein_client *client, struct skein_reassignment *partitions, int32_t count, int64_t timeout_ms, struct skein_error *error);
/* All that is being moved. */
enum skein_code skein_admin_reassignments(struct skein_client *client, int64_t timeout_ms, struct skein_answer **answer, const struct skein_reassignment **out,
					  int32_t *out_count, struct skein_error *error);

enum skein_election { SKEIN_PREFERRED = 0, SKEIN_UNCLEAN = 1 };	/* unclean: a replica that lacks records may lead, and they are lost */
/* Of these partitions (topic and partition are read, error is filled in: 84, there was no need), or with count 0 of all that need it. */
enum skein_code skein_admin_elect_leaders(struct skein_client *client, enum skein_election type, struct skein_offset *partitions, int32_t count, int64_t timeout_ms,
					  struct skein_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
