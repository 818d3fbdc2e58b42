/*
 * Requests that the controller actor answers by itself: what the cluster's controller tells this
 * broker (LeaderAndIsr, UpdateMetadata, StopReplica), what brokers ask of it (ControlledShutdown,
 * AlterPartition, AllocateProducerIds), and what administrators do to replicas. They are decoded, permitted and
 * encoded here; what they mean, src/controller knows. So one table and one pair of functions serve
 * all of them.
 *
 * Control requests of one connection begin in the order in which they came (net.h), and the
 * controller works on them in the order of asking: no decision overtakes an older one.
 */
#include "api/api.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"

/* X(key, codec, name, last version, what it needs on the cluster, between brokers) */
#define CONTROLLER_REQUESTS(X) \
	X(LEADER_AND_ISR, leader_and_isr, "LeaderAndIsr", 7, ACL_CLUSTER_ACTION, true) \
	X(STOP_REPLICA, stop_replica, "StopReplica", 4, ACL_CLUSTER_ACTION, true) \
	X(UPDATE_METADATA, update_metadata, "UpdateMetadata", 8, ACL_CLUSTER_ACTION, true) \
	X(CONTROLLED_SHUTDOWN, controlled_shutdown, "ControlledShutdown", 3, \
	  ACL_CLUSTER_ACTION, true) \
	X(ALTER_PARTITION, alter_partition, "AlterPartition", 3, ACL_CLUSTER_ACTION, true) \
	X(ALLOCATE_PRODUCER_IDS, allocate_producer_ids, "AllocateProducerIds", 0, \
	  ACL_CLUSTER_ACTION, true) \
	X(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, \
	  "AlterPartitionReassignments", 0, ACL_ALTER, false) \
	X(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, \
	  "ListPartitionReassignments", 0, ACL_DESCRIBE, false) \
	X(ELECT_LEADERS, elect_leaders, "ElectLeaders", 2, ACL_ALTER, false) \
	X(ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, "AlterReplicaLogDirs", 2, ACL_ALTER, \
	  false)

enum { ELECTION_TYPES = 2 };		/* preferred, unclean */

/* --- answers to what is refused ---------------------------------------------------------------- */
/* Each names what the request named, with the error. False: the arena's limit. */

static bool refuse_partition_states(struct call *c, enum kafka_error error,
                                    const struct leader_and_isr_request_partition_state *asked,
                                    int32_t n, struct slice topic,
                                    struct leader_and_isr_response_partition_error **out)
{
	*out = arena_calloc(&c->arena, (size_t)n, sizeof(**out));
	for (int32_t i = 0; *out != NULL && i < n; i++)
		(*out)[i] = (struct leader_and_isr_response_partition_error){
			.topic_name = c->version < 2 ? asked[i].topic_name : topic,
			.partition_index = asked[i].partition_index, .error_code = (int16_t)error,
		};
	return *out != NULL;
}

/* Up to version 4 partitions are answered in one list, from 5 on by topic id. */
static bool refuse_leader_and_isr(struct call *c, enum kafka_error error)
{
	const struct leader_and_isr_request *r = c->request;
	struct leader_and_isr_response *out = c->response;
	struct leader_and_isr_response_partition_error *errors;
	int32_t n = 0;

	out->error_code = (int16_t)error;
	if (c->version < 2) {
		out->partition_errors_count = r->ungrouped_partition_states_count;
		return refuse_partition_states(c, error, r->ungrouped_partition_states,
		                               r->ungrouped_partition_states_count, SLICE_EMPTY,
		                               &out->partition_errors);
	}
	for (int32_t t = 0; t < r->topic_states_count; t++)
		n += r->topic_states[t].partition_states_count;
	out->topics = arena_calloc(&c->arena, (size_t)r->topic_states_count, sizeof(*out->topics));
	out->partition_errors = arena_calloc(&c->arena, (size_t)n, sizeof(*out->partition_errors));
	if (out->topics == NULL || out->partition_errors == NULL)
		return false;
	for (int32_t t = 0; t < r->topic_states_count; t++) {
		const struct leader_and_isr_request_topic_state *asked = &r->topic_states[t];
		int32_t count = asked->partition_states_count;

		if (!refuse_partition_states(c, error, asked->partition_states, count,
		                             asked->topic_name, &errors))
			return false;
		if (c->version >= 5) {
			out->topics[out->topics_count++] = (struct leader_and_isr_response_topic){
				.topic_id = asked->topic_id, .partition_errors = errors,
				.partition_errors_count = count,
			};
			continue;
		}
		for (int32_t p = 0; p < count; p++)
			out->partition_errors[out->partition_errors_count++] = errors[p];
	}
	return true;
}

static void add_stop_error(struct stop_replica_response *out, struct slice topic,
                           int32_t partition, enum kafka_error error)
{
	out->partition_errors[out->partition_errors_count++] =
		(struct stop_replica_response_partition_error){
			.topic_name = topic, .partition_index = partition,
			.error_code = (int16_t)error,
		};
}

/* The three forms the request has had: one of the arrays is in use, the others are empty. */
static bool refuse_stop_replica(struct call *c, enum kafka_error error)
{
	const struct stop_replica_request *r = c->request;
	struct stop_replica_response *out = c->response;
	int32_t n = r->ungrouped_partitions_count;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += r->topics[t].partition_indexes_count;
	for (int32_t t = 0; t < r->topic_states_count; t++)
		n += r->topic_states[t].partition_states_count;
	out->error_code = (int16_t)error;
	out->partition_errors = arena_calloc(&c->arena, (size_t)n, sizeof(*out->partition_errors));
	if (out->partition_errors == NULL)
		return false;
	for (int32_t i = 0; i < r->ungrouped_partitions_count; i++)
		add_stop_error(out, r->ungrouped_partitions[i].topic_name,
		               r->ungrouped_partitions[i].partition_index, error);
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partition_indexes_count; p++)
			add_stop_error(out, r->topics[t].name, r->topics[t].partition_indexes[p],
			               error);
	}
	for (int32_t t = 0; t < r->topic_states_count; t++) {
		const struct stop_replica_request_topic_state *asked = &r->topic_states[t];

		for (int32_t p = 0; p < asked->partition_states_count; p++)
			add_stop_error(out, asked->topic_name,
			               asked->partition_states[p].partition_index, error);
	}
	return true;
}

static bool refuse_update_metadata(struct call *c, enum kafka_error error)
{
	((struct update_metadata_response *)c->response)->error_code = (int16_t)error;
	return true;
}

static bool refuse_controlled_shutdown(struct call *c, enum kafka_error error)
{
	((struct controlled_shutdown_response *)c->response)->error_code = (int16_t)error;
	return true;
}

static bool refuse_alter_partition(struct call *c, enum kafka_error error)
{
	((struct alter_partition_response *)c->response)->error_code = (int16_t)error;
	return true;
}

static bool refuse_allocate_producer_ids(struct call *c, enum kafka_error error)
{
	((struct allocate_producer_ids_response *)c->response)->error_code = (int16_t)error;
	return true;
}

static bool refuse_alter_partition_reassignments(struct call *c, enum kafka_error error)
{
	const struct alter_partition_reassignments_request *r = c->request;
	struct alter_partition_reassignments_response *out = c->response;
	struct slice text = slice_str(kafka_error_text(error));

	out->error_code = (int16_t)error;
	out->error_message = text;
	out->responses = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->responses));
	if (out->responses == NULL)
		return false;
	for (; out->responses_count < r->topics_count; out->responses_count++) {
		const struct alter_partition_reassignments_request_topic *asked =
			&r->topics[out->responses_count];
		struct alter_partition_reassignments_response_response *t =
			&out->responses[out->responses_count];

		t->name = asked->name;
		t->partitions = arena_calloc(&c->arena, (size_t)asked->partitions_count,
		                             sizeof(*t->partitions));
		if (t->partitions == NULL)
			return false;
		t->partitions_count = asked->partitions_count;
		for (int32_t p = 0; p < asked->partitions_count; p++) {
			t->partitions[p].partition_index = asked->partitions[p].partition_index;
			t->partitions[p].error_code = (int16_t)error;
			t->partitions[p].error_message = text;
		}
	}
	return true;
}

static bool refuse_list_partition_reassignments(struct call *c, enum kafka_error error)
{
	const struct list_partition_reassignments_request *r = c->request;
	struct list_partition_reassignments_response *out = c->response;
	int32_t n = MAX(r->topics_count, 0);	/* null: all */

	out->error_code = (int16_t)error;
	out->error_message = slice_str(kafka_error_text(error));
	out->topics = arena_calloc(&c->arena, (size_t)n, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	for (; out->topics_count < n; out->topics_count++) {
		const struct list_partition_reassignments_request_topic *asked =
			&r->topics[out->topics_count];
		struct list_partition_reassignments_response_topic *t =
			&out->topics[out->topics_count];

		t->name = asked->name;
		t->partitions = arena_calloc(&c->arena, (size_t)asked->partition_indexes_count,
		                             sizeof(*t->partitions));
		if (t->partitions == NULL)
			return false;
		t->partitions_count = asked->partition_indexes_count;
		for (int32_t p = 0; p < asked->partition_indexes_count; p++)
			t->partitions[p].partition_index = asked->partition_indexes[p];
	}
	return true;
}

/* Version 0 has no error of the whole. */
static bool refuse_elect_leaders(struct call *c, enum kafka_error error)
{
	const struct elect_leaders_request *r = c->request;
	struct elect_leaders_response *out = c->response;
	int32_t n = MAX(r->topic_partitions_count, 0);	/* null: all */

	out->error_code = (int16_t)(c->version >= 1 ? error : NONE);
	out->replica_election_results = arena_calloc(&c->arena, (size_t)n,
	                                             sizeof(*out->replica_election_results));
	if (out->replica_election_results == NULL)
		return false;
	out->replica_election_results_count = n;
	for (int32_t i = 0; i < n; i++) {
		const struct elect_leaders_request_topic_partition *asked = &r->topic_partitions[i];
		struct elect_leaders_response_replica_election_result *t =
			&out->replica_election_results[i];

		t->topic = asked->topic;
		t->partition_result = arena_calloc(&c->arena, (size_t)asked->partitions_count,
		                                   sizeof(*t->partition_result));
		if (t->partition_result == NULL)
			return false;
		t->partition_result_count = asked->partitions_count;
		for (int32_t p = 0; p < asked->partitions_count; p++) {
			t->partition_result[p].partition_id = asked->partitions[p];
			t->partition_result[p].error_code = (int16_t)error;
			t->partition_result[p].error_message = SLICE_NULL;
		}
	}
	return true;
}

static bool refuse_alter_replica_log_dirs(struct call *c, enum kafka_error error)
{
	const struct alter_replica_log_dirs_request *r = c->request;
	struct alter_replica_log_dirs_response *out = c->response;
	int32_t n = 0;

	for (int32_t d = 0; d < r->dirs_count; d++)
		n += r->dirs[d].topics_count;
	out->results = arena_calloc(&c->arena, (size_t)n, sizeof(*out->results));
	if (out->results == NULL)
		return false;
	for (int32_t d = 0; d < r->dirs_count; d++) {
		for (int32_t t = 0; t < r->dirs[d].topics_count; t++) {
			const struct alter_replica_log_dirs_request_topic *asked =
				&r->dirs[d].topics[t];
			struct alter_replica_log_dirs_response_result *to =
				&out->results[out->results_count++];

			to->topic_name = asked->name;
			to->partitions = arena_calloc(&c->arena, (size_t)asked->partitions_count,
			                              sizeof(*to->partitions));
			if (to->partitions == NULL)
				return false;
			to->partitions_count = asked->partitions_count;
			for (int32_t p = 0; p < asked->partitions_count; p++) {
				to->partitions[p].partition_index = asked->partitions[p];
				to->partitions[p].error_code = (int16_t)error;
			}
		}
	}
	return true;
}

static bool refuse(struct call *c, enum kafka_error error)
{
	switch (c->api->key) {
#define X(constant, codec, name, last, operation, between_brokers) \
	case API_##constant: return refuse_##codec(c, error);
	CONTROLLER_REQUESTS(X)
#undef X
	}
	ASSERT(!"one of the rows below");
	return false;
}

/* --- the functions of the rows ---------------------------------------------------------------- */

static enum kafka_error check(struct call *c)
{
	if (!call_authorize(c, c->api->operation, ACL_CLUSTER, API_CLUSTER_NAME))
		return CLUSTER_AUTHORIZATION_FAILED;
	if (c->api->key == API_ELECT_LEADERS) {
		int8_t type = ((struct elect_leaders_request *)c->request)->election_type;

		return type >= 0 && type < ELECTION_TYPES ? NONE : UNKNOWN_SERVER_ERROR;
	}
	return NONE;
}

static void request_begin(struct call *c)
{
	enum kafka_error error = check(c);
	struct controller_request *m;

	if (error != NONE) {
		c->wants_close = !refuse(c, error);
		return;
	}
	m = call_message(c, sizeof(*m), CONTROLLER_request);
	if (m == NULL) {
		c->wants_close = true;
		return;
	}
	m->key = (enum api_key)c->api->key;
	m->version = c->version;
	m->request = c->request;
	m->response = c->response;
	m->arena = &c->arena;
	call_ask(c, call_api(c)->controller, &m->msg);
}

static void request_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* the controller has filled the response in */
}

#define X(constant, codec, text, last, needs, between_brokers) \
	API_CODEC(codec) \
	const struct api_row codec##_row = { \
		.key = API_##constant, .version_min = 0, .version_max = last, .name = text, \
		.operation = needs, .resource = ACL_CLUSTER, \
		.is_exempt_from_quota = between_brokers, .needs_no_picture = true, \
		API_CODEC_FIELDS(codec), \
		.begin = request_begin, .on_answer = request_on_answer, .end = api_nothing_left, \
	};
CONTROLLER_REQUESTS(X)
#undef X
