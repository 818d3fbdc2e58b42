/*
 * Each operation is an attempt that is repeated until there is a final answer. An attempt makes a call, waits for it, and
 * leaves in *error what the broker said.
 */
#include "client/admin_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/client_call.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"

#define GONE_AFTER 5		/* attempts at a broker that the cluster does not name: about two seconds */

struct operation admin_begin(struct client *c, mono_ms timeout_ms, struct client_error *error)
{
	return (struct operation){ .client = c, .error = error, .deadline = os_mono_ms(client_os(c)) + timeout_ms };
}

mono_ms admin_time_left(const struct operation *o)
{
	return MAX(o->deadline - os_mono_ms(client_os(o->client)), 1);
}

bool admin_ask(struct operation *o, struct client_call *call, int32_t node_id)
{
	o->attempts++;
	if (client_call_wait(call, node_id, admin_time_left(o)) == OK)
		return true;
	*o->error = call->error;
	if (node_id >= 0 && call->error.err == ERR_UNREACHABLE && o->attempts >= GONE_AFTER && !client_knows_broker(o->client, node_id))
		o->deadline = 0;	/* it may be on its way back; but not for so long as whoever asks would wait for an answer */
	if (call->maybe_applied && node_id == NODE_CONTROLLER && !o->is_question) {
		client_error_set(o->error, call->error.err, "%.250s; it may have been done all the same%s", call->error.text,
				 call->error.err == ERR_TIMEOUT ? " (a controller that does not answer may be waiting for ZooKeeper)" : "");
		o->deadline = 0;	/* no further attempt */
	}
	return false;
}

void admin_answered(struct operation *o, int16_t code, const char *kind, const char *name, struct slice message)
{
	char subject[300];

	snprintf(subject, sizeof(subject), "%s %.280s", kind, name);
	*o->error = CLIENT_ERROR_NONE;
	if (code == UNKNOWN_TOPIC_OR_PARTITION && message.len == 0)
		message = SLICE_LIT("there is none of this name");
	if (code != NONE)
		client_error_set_kafka(o->error, code, subject, message);
}

void admin_left_out(struct operation *o)
{
	client_error_set(o->error, ERR_CORRUPT, "the broker's answer leaves out what was asked");
}

bool admin_again(struct operation *o)
{
	struct os *os = client_os(o->client);
	mono_ms until = os_mono_ms(os) + client_backoff(o->client, 100, 1000, o->attempts);

	if (o->error->err == OK || !client_error_is_retriable(o->error) || until >= o->deadline ||
	    o->error->kafka == UNKNOWN_TOPIC_OR_PARTITION)	/* retriable for who knows that it is there */
		return false;
	client_topic_refresh(o->client);	/* the controller may be another one */
	for (mono_ms now; (now = os_mono_ms(os)) < until;)
		client_step(o->client, until - now);
	return true;
}

/* ---- topics ---- */

static void try_create(struct operation *o, const char *name, int32_t partition_count, int16_t replication_factor,
		       const struct admin_config *configs, int config_count)
{
	struct client_call *call = client_call_create(o->client, API_CREATE_TOPICS, NULL, NULL);
	struct create_topics_request *q = call->request;
	const struct create_topics_response *r;
	struct create_topics_request_topic topic;
	struct create_topics_request_config *list = mem_calloc((size_t)MAX(config_count, 1), sizeof(*list));

	create_topics_request_topic_init(&topic);
	topic.name = slice_str(name);
	topic.num_partitions = partition_count;
	topic.replication_factor = replication_factor;
	topic.configs = list;
	topic.configs_count = config_count;
	for (int i = 0; i < config_count; i++)
		list[i] = (struct create_topics_request_config){ slice_str(configs[i].name), slice_str(configs[i].value) };
	q->topics = &topic;
	q->topics_count = 1;
	q->timeout_ms = (int32_t)MIN(admin_time_left(o), 30000);
	if (admin_ask(o, call, NODE_CONTROLLER)) {
		r = call->response;
		if (r->topics_count == 1)
			admin_answered(o, r->topics[0].error_code, "topic", name, r->topics[0].error_message);
		else
			admin_left_out(o);
	}
	client_call_destroy(&call);
	free(list);
}

enum err admin_create_topic(struct client *c, const char *name, int32_t partition_count, int16_t replication_factor,
			    const struct admin_config *configs, int config_count, mono_ms timeout_ms,
			    struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	do
		try_create(&o, name, partition_count, replication_factor, configs, config_count);
	while (admin_again(&o));
	return error->err;
}

enum err admin_create_topics(struct client *c, const char *const *names, int count, int32_t partition_count, int16_t replication_factor,
			     mono_ms timeout_ms, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);
	struct client_call *call = client_call_create(o.client, API_CREATE_TOPICS, NULL, NULL);
	struct create_topics_request *q = call->request;
	const struct create_topics_response *r;
	struct create_topics_request_topic *topics = mem_calloc((size_t)count, sizeof(*topics));

	for (int i = 0; i < count; i++) {
		create_topics_request_topic_init(&topics[i]);
		topics[i].name = slice_str(names[i]);
		topics[i].num_partitions = partition_count;
		topics[i].replication_factor = replication_factor;
	}
	q->topics = topics;
	q->topics_count = count;
	q->timeout_ms = (int32_t)MIN(admin_time_left(&o), INT32_MAX);
	if (admin_ask(&o, call, NODE_CONTROLLER)) {
		r = call->response;
		if (r->topics_count != count)
			admin_left_out(&o);
		for (int i = 0; i < r->topics_count && error->err == OK; i++) {
			char name[300];

			snprintf(name, sizeof(name), "%.*s", (int)r->topics[i].name.len, (const char *)r->topics[i].name.ptr);
			admin_answered(&o, r->topics[i].error_code, "topic", name, r->topics[i].error_message);
		}
	}
	client_call_destroy(&call);
	free(topics);
	return error->err;
}

static void try_delete(struct operation *o, const char *name)
{
	struct client_call *call = client_call_create(o->client, API_DELETE_TOPICS, NULL, NULL);
	struct delete_topics_request *q = call->request;
	const struct delete_topics_response *r;
	struct slice names[1] = { slice_str(name) };

	q->topic_names = names;
	q->topic_names_count = 1;
	q->timeout_ms = (int32_t)MIN(admin_time_left(o), 30000);
	if (admin_ask(o, call, NODE_CONTROLLER)) {
		r = call->response;
		if (r->responses_count == 1)
			admin_answered(o, r->responses[0].error_code, "topic", name, r->responses[0].error_message);
		else
			admin_left_out(o);
	}
	client_call_destroy(&call);
}

enum err admin_delete_topic(struct client *c, const char *name, mono_ms timeout_ms, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	do
		try_delete(&o, name);
	while (admin_again(&o));
	return error->err;
}

static void try_grow(struct operation *o, const char *name, int32_t partition_count)
{
	struct client_call *call = client_call_create(o->client, API_CREATE_PARTITIONS, NULL, NULL);
	struct create_partitions_request *q = call->request;
	const struct create_partitions_response *r;
	struct create_partitions_request_topic topic;

	create_partitions_request_topic_init(&topic);
	topic.name = slice_str(name);
	topic.count = partition_count;
	topic.assignments_count = -1;	/* null: the controller places them */
	q->topics = &topic;
	q->topics_count = 1;
	q->timeout_ms = (int32_t)MIN(admin_time_left(o), 30000);
	if (admin_ask(o, call, NODE_CONTROLLER)) {
		r = call->response;
		if (r->results_count == 1)
			admin_answered(o, r->results[0].error_code, "topic", name, r->results[0].error_message);
		else
			admin_left_out(o);
	}
	client_call_destroy(&call);
}

enum err admin_grow_topic(struct client *c, const char *name, int32_t partition_count, mono_ms timeout_ms,
			  struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	do
		try_grow(&o, name, partition_count);
	while (admin_again(&o));
	return error->err;
}

/* ---- descriptions ---- */

static const struct metadata_response *try_describe_topics(struct operation *o, const char *const *names, int count,
							   struct client_call **answer)
{
	struct client_call *call = client_call_create(o->client, API_METADATA, NULL, NULL);
	struct metadata_request *q = call->request;
	struct metadata_request_topic *topics = mem_calloc((size_t)MAX(count, 1), sizeof(*topics));

	for (int i = 0; i < count; i++) {
		metadata_request_topic_init(&topics[i]);
		topics[i].name = slice_str(names[i]);
	}
	q->topics = topics;
	q->topics_count = count > 0 ? count : -1;
	q->allow_auto_topic_creation = false;
	*answer = call;
	*o->error = CLIENT_ERROR_NONE;
	(void)admin_ask(o, call, NODE_ANY);
	free(topics);
	return call->response;
}

enum err admin_describe_topics(struct client *c, const char *const *names, int count, mono_ms timeout_ms,
			       struct client_call **answer, const struct metadata_response **out,
			       struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	*answer = NULL;
	do {
		client_call_destroy(answer);
		*out = try_describe_topics(&o, names, count, answer);
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

enum err admin_describe_brokers(struct client *c, mono_ms timeout_ms, struct client_call **answer, const struct metadata_response **out, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	*answer = NULL;
	do {
		client_call_destroy(answer);
		*answer = client_call_create(c, API_METADATA, NULL, NULL);
		((struct metadata_request *)(*answer)->request)->topics_count = 0;
		*error = CLIENT_ERROR_NONE;
		if (admin_ask(&o, *answer, NODE_ANY))
			*out = (*answer)->response;
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

/* ---- who leads, and who holds replicas ---- */

/* How many partitions from the first on are of its topic. */
static int topic_run(const struct admin_partition *p, int count)
{
	int n = 1;

	while (n < count && strcmp(p[n].topic, p[0].topic) == 0)
		n++;
	return n;
}

void *admin_alloc(struct client_call *call, size_t n, size_t size)
{
	void *p = arena_calloc(&call->arena, MAX(n, 1u), size);

	ASSERT(p != NULL);	/* what the caller could hold, the arena can */
	return p;
}

static void set_elections(struct client_call *call, const struct admin_partition *p, int count)
{
	struct elect_leaders_request *q = call->request;

	q->topic_partitions = admin_alloc(call, (size_t)count, sizeof(*q->topic_partitions));
	for (int n; count > 0; p += n, count -= n) {
		struct elect_leaders_request_topic_partition *t = &q->topic_partitions[q->topic_partitions_count++];
		n = topic_run(p, count);
		elect_leaders_request_topic_partition_init(t);
		t->topic = slice_str(p->topic);
		t->partitions = admin_alloc(call, (size_t)n, sizeof(*t->partitions));
		for (; t->partitions_count < n; t->partitions_count++)
			t->partitions[t->partitions_count] = p[t->partitions_count].partition;
	}
}

/* A broker that is not the controller says so for each partition. */
static int16_t election_error(const struct elect_leaders_response *r)
{
	if (r->error_code != NONE || r->replica_election_results_count == 0 ||
	    r->replica_election_results[0].partition_result_count == 0)
		return r->error_code;
	return r->replica_election_results[0].partition_result[0].error_code == NOT_CONTROLLER ? NOT_CONTROLLER : NONE;
}

enum err admin_elect_leaders(struct client *c, enum admin_election type, const struct admin_partition *partitions, int count,
			     mono_ms timeout_ms, struct client_call **answer, const struct elect_leaders_response **out,
			     struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	*answer = NULL;
	do {
		client_call_destroy(answer);
		*answer = client_call_create(c, API_ELECT_LEADERS, NULL, NULL);
		struct elect_leaders_request *q = (*answer)->request;
		q->election_type = (int8_t)type;
		q->timeout_ms = (int32_t)MIN(admin_time_left(&o), 30000);
		set_elections(*answer, partitions, count);
		if (count == 0)
			q->topic_partitions_count = -1;		/* null: all */
		if (admin_ask(&o, *answer, NODE_CONTROLLER)) {
			*out = (*answer)->response;
			admin_answered(&o, election_error(*out), "election of", "leaders", SLICE_NULL);
		}
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

static void set_reassignments(struct client_call *call, const struct admin_partition *p, int count)
{
	struct alter_partition_reassignments_request *q = call->request;

	q->topics = admin_alloc(call, (size_t)count, sizeof(*q->topics));
	for (int n; count > 0; p += n, count -= n) {
		struct alter_partition_reassignments_request_topic *t = &q->topics[q->topics_count++];
		n = topic_run(p, count);
		alter_partition_reassignments_request_topic_init(t);
		t->name = slice_str(p->topic);
		t->partitions = admin_alloc(call, (size_t)n, sizeof(*t->partitions));
		for (; t->partitions_count < n; t->partitions_count++) {
			struct alter_partition_reassignments_request_partition *to = &t->partitions[t->partitions_count];
			alter_partition_reassignments_request_partition_init(to);
			to->partition_index = p[t->partitions_count].partition;
			to->replicas = (int32_t *)(uintptr_t)p[t->partitions_count].replicas;	/* only read by the encoder */
			to->replicas_count = p[t->partitions_count].replica_count;
		}
	}
}

enum err admin_reassign(struct client *c, const struct admin_partition *partitions, int count, mono_ms timeout_ms,
			struct client_call **answer, const struct alter_partition_reassignments_response **out,
			struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	*answer = NULL;
	do {
		client_call_destroy(answer);
		*answer = client_call_create(c, API_ALTER_PARTITION_REASSIGNMENTS, NULL, NULL);
		struct alter_partition_reassignments_request *q = (*answer)->request;
		q->timeout_ms = (int32_t)MIN(admin_time_left(&o), 30000);
		set_reassignments(*answer, partitions, count);
		if (admin_ask(&o, *answer, NODE_CONTROLLER)) {
			*out = (*answer)->response;
			admin_answered(&o, (*out)->error_code, "reassignment of", "replicas", (*out)->error_message);
		}
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

enum err admin_list_reassignments(struct client *c, mono_ms timeout_ms, struct client_call **answer,
				  const struct list_partition_reassignments_response **out, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	o.is_question = true;
	*answer = NULL;
	do {
		client_call_destroy(answer);
		*answer = client_call_create(c, API_LIST_PARTITION_REASSIGNMENTS, NULL, NULL);
		struct list_partition_reassignments_request *q = (*answer)->request;
		q->timeout_ms = (int32_t)MIN(admin_time_left(&o), 30000);
		q->topics_count = -1;	/* null: all */
		if (admin_ask(&o, *answer, NODE_CONTROLLER)) {
			*out = (*answer)->response;
			admin_answered(&o, (*out)->error_code, "list of", "reassignments", (*out)->error_message);
		}
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

/* ---- log directories ---- */

enum err admin_describe_log_dirs(struct client *c, int32_t broker_id, mono_ms timeout_ms, struct client_call **answer,
				 const struct describe_log_dirs_response **out, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	o.is_question = true;
	*answer = NULL;
	do {
		client_call_destroy(answer);
		*answer = client_call_create(c, API_DESCRIBE_LOG_DIRS, NULL, NULL);
		struct describe_log_dirs_request *q = (*answer)->request;
		q->topics_count = -1;	/* null: all */
		if (admin_ask(&o, *answer, broker_id)) {
			*out = (*answer)->response;
			admin_answered(&o, (*out)->error_code, "list of", "log directories", SLICE_NULL);
		}
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

static void try_place(struct operation *o, int32_t broker_id, const char *topic, int32_t partition, const char *dir)
{
	struct client_call *call = client_call_create(o->client, API_ALTER_REPLICA_LOG_DIRS, NULL, NULL);
	struct alter_replica_log_dirs_request *q = call->request;
	struct alter_replica_log_dirs_request_topic t = { .name = slice_str(topic), .partitions = &partition, .partitions_count = 1 };
	struct alter_replica_log_dirs_request_dir d = { .path = slice_str(dir), .topics = &t, .topics_count = 1 };
	const struct alter_replica_log_dirs_response *r;

	q->dirs = &d;
	q->dirs_count = 1;
	if (admin_ask(o, call, broker_id)) {
		r = call->response;
		if (r->results_count != 1 || r->results[0].partitions_count != 1)
			admin_left_out(o);
		else if (r->results[0].partitions[0].error_code == REPLICA_NOT_AVAILABLE)	/* remembered until it is made */
			admin_answered(o, NONE, "replica of", topic, SLICE_NULL);
		else
			admin_answered(o, r->results[0].partitions[0].error_code, "replica of", topic, SLICE_NULL);
	}
	client_call_destroy(&call);
}

enum err admin_place_replica(struct client *c, int32_t broker_id, const char *topic, int32_t partition, const char *dir, mono_ms timeout_ms,
			     struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	do
		try_place(&o, broker_id, topic, partition, dir);
	while (admin_again(&o));
	return error->err;
}

void admin_answer_destroy(struct client_call **answer)
{
	client_call_destroy(answer);
}
