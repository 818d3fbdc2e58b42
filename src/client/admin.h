/*
 * Questions and changes of administration: topics and their configuration, who leads, and which brokers hold replicas.
 *
 * Blocking: all of these turn client_step until the answer is there or timeout_ms have passed (not on a simulated machine).
 *           They go to the controller and follow it when it moves; what the broker asks to try again is tried again. A change
 *           whose answer was lost is not repeated: the error says that it may have been done.
 * Owner:    the client's thread.
 */
#ifndef SKEIN_ADMIN_H
#define SKEIN_ADMIN_H

#include "client/client.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/metadata.h"

struct admin_config {
	const char *name;
	const char *value;	/* NULL when altering: back to the default */
};

#define ADMIN_DEFAULT (-1)	/* the broker's num.partitions, default.replication.factor */

enum err admin_create_topic(struct client *c, const char *name, int32_t partition_count, int16_t replication_factor,
			    const struct admin_config *configs, int config_count, mono_ms timeout_ms,
			    struct client_error *error) MUST_CHECK;
/* Many in one request, which is sent once: the first error that one of them met is told, the others may be made. */
enum err admin_create_topics(struct client *c, const char *const *names, int count, int32_t partition_count, int16_t replication_factor,
			     mono_ms timeout_ms, struct client_error *error) MUST_CHECK;
enum err admin_delete_topic(struct client *c, const char *name, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;
/* partition_count: how many there shall be; never fewer than there are. */
enum err admin_grow_topic(struct client *c, const char *name, int32_t partition_count, mono_ms timeout_ms,
			  struct client_error *error) MUST_CHECK;

enum admin_resource { ADMIN_TOPIC = 2, ADMIN_BROKER = 4, ADMIN_LOGGER = 8 };	/* the wire's numbers. BROKER with the name "": all brokers' default */

/* All changes or none. */
enum err admin_alter_configs(struct client *c, enum admin_resource type, const char *name,
			     const struct admin_config *changes, int change_count, mono_ms timeout_ms,
			     struct client_error *error) MUST_CHECK;

enum admin_op { ADMIN_SET, ADMIN_UNSET, ADMIN_APPEND, ADMIN_SUBTRACT };	/* the wire's numbers; the last two: members of a list */
struct admin_change {
	const char   *name, *value;	/* value: NULL when unset */
	enum admin_op op;
};
/* The same by operations; with validate_only nothing is changed. */
enum err admin_change_configs(struct client *c, enum admin_resource type, const char *name, const struct admin_change *changes,
			      int change_count, bool validate_only, mono_ms timeout_ms, struct client_error *error) MUST_CHECK;

/* ---- answers as they came: destroy them with admin_answer_destroy ---- */

struct client_call;

/* All topics, or only those named (count > 0). A topic that is not there is in the answer with its error. */
enum err admin_describe_topics(struct client *c, const char *const *names, int count, mono_ms timeout_ms,
			       struct client_call **answer, const struct metadata_response **out,
			       struct client_error *error) MUST_CHECK;

/* The brokers, the controller and the cluster's id; no topics. */
enum err admin_describe_brokers(struct client *c, mono_ms timeout_ms, struct client_call **answer, const struct metadata_response **out,
				struct client_error *error) MUST_CHECK;

/* Of one resource, defaults included. */
enum err admin_describe_configs(struct client *c, enum admin_resource type, const char *name, mono_ms timeout_ms,
				struct client_call **answer, const struct describe_configs_response_result **out,
				struct client_error *error) MUST_CHECK;

/* The same, with what stands behind each value: its synonyms. */
enum err admin_explain_configs(struct client *c, enum admin_resource type, const char *name, mono_ms timeout_ms,
			       struct client_call **answer, const struct describe_configs_response_result **out,
			       struct client_error *error) MUST_CHECK;

struct admin_partition {
	const char    *topic;			/* partitions of one topic stand together */
	int32_t        partition;
	const int32_t *replicas;		/* of a reassignment: the brokers that shall hold it, its preferred leader first */
	int32_t        replica_count;		/* -1: the one under way is given up */
	const char   **log_dirs;		/* a plan's: where on its broker each replica shall lie, NULL: anywhere; NULL: anywhere all. Not used here */
};

enum admin_election { ADMIN_PREFERRED, ADMIN_UNCLEAN };		/* the wire's numbers */

/* Of these partitions, or of all (count 0; then those without need of it are not in the answer). The answer holds an error for each. */
enum err admin_elect_leaders(struct client *c, enum admin_election type, const struct admin_partition *partitions, int count,
			     mono_ms timeout_ms, struct client_call **answer, const struct elect_leaders_response **out,
			     struct client_error *error) MUST_CHECK;

/* Begins (or gives up) to move replicas. The answer holds an error for each partition; moving goes on after it. */
enum err admin_reassign(struct client *c, const struct admin_partition *partitions, int count, mono_ms timeout_ms,
			struct client_call **answer, const struct alter_partition_reassignments_response **out,
			struct client_error *error) MUST_CHECK;

/* All that is being moved. */
enum err admin_list_reassignments(struct client *c, mono_ms timeout_ms, struct client_call **answer,
				  const struct list_partition_reassignments_response **out, struct client_error *error) MUST_CHECK;

/* What lies in which log directory of one broker, and what is being moved between them. */
enum err admin_describe_log_dirs(struct client *c, int32_t broker_id, mono_ms timeout_ms, struct client_call **answer,
				 const struct describe_log_dirs_response **out, struct client_error *error) MUST_CHECK;
/* Where the broker's replica shall lie: it begins to move there. One that the broker does not have yet is made there. */
enum err admin_place_replica(struct client *c, int32_t broker_id, const char *topic, int32_t partition, const char *dir, mono_ms timeout_ms,
			     struct client_error *error) MUST_CHECK;

void admin_answer_destroy(struct client_call **answer);

#endif
