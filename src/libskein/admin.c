/*
 * Administration of topics, configuration, replicas and the cluster, in public types. An answer is an arena: what came over the wire is copied into it, strings
 * with a NUL behind them, so that nobody outside sees the wire's structs.
 */
#include <skein/admin.h>

#include <stdlib.h>

#include "client/admin.h"
#include "client/admin_group.h"
#include "client/client_call.h"
#include "libskein/answer.h"

/* ---- answers ---- */

struct skein_answer *answer_create(void)
{
	struct skein_answer *a = mem_calloc(1, sizeof(*a));

	arena_init(&a->arena, SIZE_MAX);	/* what it holds has been in the arena of a call */
	return a;
}

void skein_answer_destroy(struct skein_answer **answer)
{
	FACE_NEEDS(answer);

	if (*answer != NULL)
		arena_fini(&(*answer)->arena);
	free(*answer);
	*answer = NULL;
}

void *answer_array(struct skein_answer *a, int64_t n, size_t size)
{
	void *p = arena_calloc(&a->arena, (size_t)MAX(n, 1), size);

	ASSERT(p != NULL);
	return p;
}

const char *answer_text(struct skein_answer *a, struct slice s)
{
	struct slice copy = arena_copy(&a->arena, s);

	ASSERT(slice_is_null(s) || !slice_is_null(copy));
	return (const char *)copy.ptr;
}

static const int32_t *answer_numbers(struct skein_answer *a, const int32_t *from, int32_t count, int32_t *out_count)
{
	int32_t *to = answer_array(a, count, sizeof(*to));

	*out_count = MAX(count, 0);
	if (count > 0)
		memcpy(to, from, (size_t)count * sizeof(*to));
	return to;
}

const char *skein_kafka_error_name(int code)
{
	return kafka_error_name((int16_t)code);
}

const char *skein_kafka_error_text(int code)
{
	return kafka_error_text((int16_t)code);
}

enum skein_code answer_code(struct skein_error *error, enum err e, const struct client_error *why)
{
	return e == OK ? face_ok(error) : face_error(error, why);
}

/* ---- the cluster, topics ---- */

static void fill_brokers(struct skein_answer *a, struct skein_cluster *out, const struct metadata_response *r)
{
	struct skein_broker *brokers = answer_array(a, r->brokers_count, sizeof(*brokers));

	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct metadata_response_broker *b = &r->brokers[i];

		brokers[i] = (struct skein_broker){ b->node_id, answer_text(a, b->host), b->port, answer_text(a, b->rack) };
	}
	out->brokers = brokers;
	out->broker_count = r->brokers_count;
	out->controller = r->controller_id;
	out->id = slice_is_null(r->cluster_id) ? "" : answer_text(a, r->cluster_id);
}

enum skein_code skein_admin_cluster(struct skein_client *client, int64_t timeout_ms, struct skein_answer **answer, const struct skein_cluster **out,
				    struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);

	struct client_call *call;
	const struct metadata_response *r;
	struct client_error why;
	struct skein_cluster *cluster;

	*answer = NULL;
	*out = NULL;
	if (admin_describe_brokers(client->client, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	*out = cluster = answer_array(*answer, 1, sizeof(*cluster));
	fill_brokers(*answer, cluster, r);
	admin_answer_destroy(&call);
	return face_ok(error);
}

static int count_settings(const struct skein_setting *settings, int32_t count, struct admin_config **out)
{
	*out = mem_calloc((size_t)MAX(count, 0) + 1, sizeof(**out));
	for (int32_t i = 0; i < count; i++) {
		FACE_NEEDS(settings[i].name);
		(*out)[i] = (struct admin_config){ settings[i].name, settings[i].value };
	}
	return MAX(count, 0);
}

enum skein_code skein_admin_create_topic(struct skein_client *client, const char *name, int32_t partition_count, int32_t replication_factor,
					 const struct skein_setting *settings, int32_t setting_count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(name);
	FACE_NEEDS_LIST(settings, setting_count);

	struct admin_config *configs;
	struct client_error why;

	if (replication_factor < SKEIN_DEFAULT || replication_factor > INT16_MAX)
		return face_fail(error, SKEIN_INVALID, "topic %.200s: there cannot be %d replicas", name, replication_factor);
	int count = count_settings(settings, setting_count, &configs);
	enum err e = admin_create_topic(client->client, name, partition_count, (int16_t)replication_factor, configs, count, timeout_ms, &why);
	free(configs);
	return answer_code(error, e, &why);
}

enum skein_code skein_admin_delete_topic(struct skein_client *client, const char *name, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(name);

	struct client_error why;

	return answer_code(error, admin_delete_topic(client->client, name, timeout_ms, &why), &why);
}

enum skein_code skein_admin_grow_topic(struct skein_client *client, const char *name, int32_t partition_count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(name);

	struct client_error why;

	return answer_code(error, admin_grow_topic(client->client, name, partition_count, timeout_ms, &why), &why);
}

static void fill_topic(struct skein_answer *a, struct skein_topic *out, const struct metadata_response_topic *t)
{
	struct skein_topic_partition *partitions = answer_array(a, t->partitions_count, sizeof(*partitions));

	out->name = answer_text(a, t->name);
	memcpy(out->id, &t->topic_id, sizeof(out->id));
	_Static_assert(sizeof(out->id) == sizeof(t->topic_id), "a topic id has 16 bytes");
	out->error = t->error_code;
	out->is_internal = t->is_internal;
	out->partitions = partitions;
	out->partition_count = MAX(t->partitions_count, 0);
	for (int32_t i = 0; i < out->partition_count; i++) {
		const struct metadata_response_partition *p = &t->partitions[i];
		struct skein_topic_partition *o = &partitions[i];

		*o = (struct skein_topic_partition){ .partition = p->partition_index, .error = p->error_code, .leader = p->leader_id, .leader_epoch = p->leader_epoch };
		o->replicas = answer_numbers(a, p->replica_nodes, p->replica_nodes_count, &o->replica_count);
		o->isr = answer_numbers(a, p->isr_nodes, p->isr_nodes_count, &o->isr_count);
		o->offline = answer_numbers(a, p->offline_replicas, p->offline_replicas_count, &o->offline_count);
	}
}

enum skein_code skein_admin_topics(struct skein_client *client, const char *const *names, int32_t count, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_topic **out, int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS_LIST(names, count);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	struct client_call *call;
	const struct metadata_response *r;
	struct client_error why;
	struct skein_topic *topics;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	for (int32_t i = 0; i < count; i++)
		FACE_NEEDS(names[i]);
	if (admin_describe_topics(client->client, names, count, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	topics = answer_array(*answer, r->topics_count, sizeof(*topics));
	for (int32_t i = 0; i < r->topics_count; i++)
		fill_topic(*answer, &topics[i], &r->topics[i]);
	*out = topics;
	*out_count = MAX(r->topics_count, 0);
	admin_answer_destroy(&call);
	return face_ok(error);
}

/* ---- configuration ---- */

static enum skein_source source_of(int8_t wire)
{
	switch (wire) {
	case 1:  return SKEIN_SOURCE_TOPIC;
	case 2:  return SKEIN_SOURCE_BROKER;
	case 3:  return SKEIN_SOURCE_ALL_BROKERS;
	case 4:  return SKEIN_SOURCE_FILE;
	case 5:  return SKEIN_SOURCE_DEFAULT;
	default: return SKEIN_SOURCE_UNKNOWN;
	}
}

enum skein_code skein_admin_config(struct skein_client *client, enum skein_resource type, const char *name, int64_t timeout_ms, struct skein_answer **answer,
				   const struct skein_config_entry **out, int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(name);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	struct client_call *call;
	const struct describe_configs_response_result *r;
	struct client_error why;
	struct skein_config_entry *entries;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	if (admin_describe_configs(client->client, (enum admin_resource)type, name, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	entries = answer_array(*answer, r->configs_count, sizeof(*entries));
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_config *c = &r->configs[i];

		entries[i] = (struct skein_config_entry){ answer_text(*answer, c->name), answer_text(*answer, c->value), source_of(c->config_source), c->read_only,
							  c->is_sensitive };
	}
	*out = entries;
	*out_count = MAX(r->configs_count, 0);
	admin_answer_destroy(&call);
	return face_ok(error);
}

enum skein_code skein_admin_alter_config(struct skein_client *client, enum skein_resource type, const char *name, const struct skein_setting *changes,
					 int32_t change_count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(name);
	FACE_NEEDS_LIST(changes, change_count);

	struct admin_config *configs;
	struct client_error why;
	int count = count_settings(changes, change_count, &configs);

	enum err e = admin_alter_configs(client->client, (enum admin_resource)type, name, configs, count, timeout_ms, &why);
	free(configs);
	return answer_code(error, e, &why);
}

/* ---- replicas ---- */

static void fill_log_dir(struct skein_answer *a, struct skein_log_dir *out, const struct describe_log_dirs_response_result *d)
{
	struct skein_replica *replicas;
	int64_t count = 0;

	for (int32_t t = 0; t < d->topics_count; t++)
		count += MAX(d->topics[t].partitions_count, 0);
	replicas = answer_array(a, count, sizeof(*replicas));
	*out = (struct skein_log_dir){ .path = answer_text(a, d->log_dir), .error = d->error_code, .total = d->total_bytes, .usable = d->usable_bytes, .replicas = replicas };
	for (int32_t t = 0; t < d->topics_count; t++) {
		const char *topic = answer_text(a, d->topics[t].name);

		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			replicas[out->replica_count++] = (struct skein_replica){ topic, p->partition_index, p->partition_size, p->offset_lag, p->is_future_key };
		}
	}
}

enum skein_code skein_admin_log_dirs(struct skein_client *client, int32_t broker, int64_t timeout_ms, struct skein_answer **answer, const struct skein_log_dir **out,
				     int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	struct client_call *call;
	const struct describe_log_dirs_response *r;
	struct client_error why;
	struct skein_log_dir *dirs;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	if (admin_describe_log_dirs(client->client, broker, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	dirs = answer_array(*answer, r->results_count, sizeof(*dirs));
	for (int32_t i = 0; i < r->results_count; i++)
		fill_log_dir(*answer, &dirs[i], &r->results[i]);
	*out = dirs;
	*out_count = MAX(r->results_count, 0);
	admin_answer_destroy(&call);
	return face_ok(error);
}

enum skein_code skein_admin_place_replica(struct skein_client *client, int32_t broker, const char *topic, int32_t partition, const char *dir, int64_t timeout_ms,
					  struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(topic);
	FACE_NEEDS(dir);

	struct client_error why;

	return answer_code(error, admin_place_replica(client->client, broker, topic, partition, dir, timeout_ms, &why), &why);
}

/* Errors of single partitions, which an answer nests by topic. */
static void take_reassign_error(struct skein_reassignment *p, int32_t count, struct slice topic, int32_t partition, int16_t code)
{
	for (int32_t i = 0; i < count; i++) {
		if (p[i].partition == partition && slice_eq_str(topic, p[i].topic))
			p[i].error = code;
	}
}

enum skein_code skein_admin_reassign(struct skein_client *client, struct skein_reassignment *partitions, int32_t count, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS_LIST(partitions, count);

	struct admin_partition *list = mem_calloc((size_t)MAX(count, 0) + 1, sizeof(*list));
	const struct alter_partition_reassignments_response *r;
	struct client_call *call;
	struct client_error why;

	for (int32_t i = 0; i < count; i++) {
		FACE_NEEDS(partitions[i].topic);
		list[i] = (struct admin_partition){ .topic = partitions[i].topic, .partition = partitions[i].partition, .replicas = partitions[i].replicas,
						    .replica_count = partitions[i].replica_count };
		partitions[i].error = 0;
	}
	enum err e = admin_reassign(client->client, list, count, timeout_ms, &call, &r, &why);
	if (e == OK) {
		for (int32_t t = 0; t < r->responses_count; t++)
			for (int32_t i = 0; i < r->responses[t].partitions_count; i++)
				take_reassign_error(partitions, count, r->responses[t].name, r->responses[t].partitions[i].partition_index,
						    r->responses[t].partitions[i].error_code);
		admin_answer_destroy(&call);
	}
	free(list);
	return answer_code(error, e, &why);
}

enum skein_code skein_admin_reassignments(struct skein_client *client, int64_t timeout_ms, struct skein_answer **answer, const struct skein_reassignment **out,
					  int32_t *out_count, struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS(answer);
	FACE_NEEDS(out);
	FACE_NEEDS(out_count);

	const struct list_partition_reassignments_response *r;
	struct skein_reassignment *list;
	struct client_call *call;
	struct client_error why;
	int64_t count = 0;

	*answer = NULL;
	*out = NULL;
	*out_count = 0;
	if (admin_list_reassignments(client->client, timeout_ms, &call, &r, &why) != OK)
		return face_error(error, &why);
	*answer = answer_create();
	for (int32_t t = 0; t < r->topics_count; t++)
		count += MAX(r->topics[t].partitions_count, 0);
	list = answer_array(*answer, count, sizeof(*list));
	*out = list;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const char *topic = answer_text(*answer, r->topics[t].name);

		for (int32_t i = 0; i < r->topics[t].partitions_count; i++) {
			const struct list_partition_reassignments_response_partition *p = &r->topics[t].partitions[i];
			struct skein_reassignment *o = &list[(*out_count)++];

			o->topic = topic;
			o->partition = p->partition_index;
			o->replicas = answer_numbers(*answer, p->replicas, p->replicas_count, &o->replica_count);
			o->adding = answer_numbers(*answer, p->adding_replicas, p->adding_replicas_count, &o->adding_count);
			o->removing = answer_numbers(*answer, p->removing_replicas, p->removing_replicas_count, &o->removing_count);
		}
	}
	admin_answer_destroy(&call);
	return face_ok(error);
}

enum skein_code skein_admin_elect_leaders(struct skein_client *client, enum skein_election type, struct skein_offset *partitions, int32_t count, int64_t timeout_ms,
					  struct skein_error *error)
{
	FACE_NEEDS(client);
	FACE_NEEDS_LIST(partitions, count);

	struct admin_partition *list = mem_calloc((size_t)MAX(count, 0) + 1, sizeof(*list));
	const struct elect_leaders_response *r;
	struct client_call *call;
	struct client_error why;

	for (int32_t i = 0; i < count; i++) {
		FACE_NEEDS(partitions[i].topic);
		list[i] = (struct admin_partition){ .topic = partitions[i].topic, .partition = partitions[i].partition };
		partitions[i].error = 0;
	}
	enum err e = admin_elect_leaders(client->client, (enum admin_election)type, list, count, timeout_ms, &call, &r, &why);
	if (e == OK) {
		for (int32_t t = 0; t < r->replica_election_results_count; t++) {
			const struct elect_leaders_response_replica_election_result *found = &r->replica_election_results[t];

			for (int32_t i = 0; i < found->partition_result_count; i++)
				answer_set_error(partitions, count, found->topic, found->partition_result[i].partition_id, found->partition_result[i].error_code);
		}
		admin_answer_destroy(&call);
	}
	free(list);
	return answer_code(error, e, &why);
}
