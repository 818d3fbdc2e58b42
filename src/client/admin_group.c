/*
 * An operation on a group asks any broker for the coordinator and then the coordinator, in every attempt anew: a coordinator that has moved, and one that is only
 * coming up, say so with errors that are tried again.
 */
#include "client/admin_group.h"

#include <stdlib.h>
#include <string.h>

#include "client/admin_priv.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"

/* ---- the coordinator ---- */

/* What is asked, and how its answer is looked at: of the whole, in the error of the operation. */
struct group_question {
	enum api_key key;
	const char  *group;
	void       (*fill)(struct client_call *call, const struct group_question *q);
	int16_t    (*look)(struct client_call *call, const struct group_question *q);
	struct admin_offset *offsets;
	int          count;
};

#define LEFT_OUT INT16_MIN	/* instead of an error code: the answer does not hold what was asked */

static bool find_coordinator(struct operation *o, const char *group, int32_t *node_id)
{
	struct client_call *call = client_call_create(o->client, API_FIND_COORDINATOR, NULL, NULL);
	struct find_coordinator_request *q = call->request;
	bool ok = false;

	q->key = slice_str(group);
	if (admin_ask(o, call, NODE_ANY)) {
		const struct find_coordinator_response *r = call->response;

		admin_answered(o, r->error_code, "group", group, r->error_code == NONE ? SLICE_NULL : r->error_message);
		*node_id = r->node_id;
		ok = r->error_code == NONE;
	}
	client_call_destroy(&call);
	return ok;
}

/* The answer is the caller's when all went well; else it is gone. */
static enum err ask_coordinator(struct client *c, const struct group_question *q, mono_ms timeout_ms, struct client_call **answer,
				struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);
	int32_t node_id;

	*answer = NULL;
	do {
		client_call_destroy(answer);
		if (!find_coordinator(&o, q->group, &node_id))
			continue;
		*answer = client_call_create(c, q->key, NULL, NULL);
		q->fill(*answer, q);
		if (!admin_ask(&o, *answer, node_id))
			continue;
		int16_t code = q->look(*answer, q);
		if (code == LEFT_OUT)
			admin_left_out(&o);
		else
			admin_answered(&o, code, "group", q->group, SLICE_NULL);
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

/* ---- groups ---- */

static bool list_of_broker(struct operation *o, int32_t node_id, const char *state,
			   void (*each)(void *arg, const struct list_groups_response_group *g), void *arg)
{
	struct client_call *call = client_call_create(o->client, API_LIST_GROUPS, NULL, NULL);
	struct list_groups_request *q = call->request;
	struct slice states[1] = { slice_str(state) };
	bool ok = false;

	q->states_filter = states;
	q->states_filter_count = state != NULL ? 1 : 0;
	if (admin_ask(o, call, node_id)) {
		const struct list_groups_response *r = call->response;

		admin_answered(o, r->error_code, "list of", "groups", SLICE_NULL);
		ok = r->error_code == NONE;
		for (int32_t i = 0; ok && i < r->groups_count; i++)
			each(arg, &r->groups[i]);
	}
	client_call_destroy(&call);
	return ok;
}

enum err admin_list_groups(struct client *c, const char *state, void (*each)(void *arg, const struct list_groups_response_group *g), void *arg,
			   mono_ms timeout_ms, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);
	struct client_call *brokers;
	const struct metadata_response *r = NULL;

	if (admin_describe_brokers(c, timeout_ms, &brokers, &r, error) != OK)
		return error->err;
	for (int32_t i = 0; error->err == OK && i < r->brokers_count; i++) {
		o.attempts = 0;
		do
			(void)list_of_broker(&o, r->brokers[i].node_id, state, each, arg);
		while (admin_again(&o));
	}
	client_call_destroy(&brokers);
	return error->err;
}

static void fill_describe(struct client_call *call, const struct group_question *q)
{
	struct describe_groups_request *m = call->request;

	m->groups = admin_alloc(call, 1, sizeof(*m->groups));
	m->groups[0] = slice_str(q->group);
	m->groups_count = 1;
}

static int16_t look_at_description(struct client_call *call, const struct group_question *q UNUSED)
{
	const struct describe_groups_response *r = call->response;

	if (r->groups_count != 1)
		return LEFT_OUT;
	/* a group that is not there is described as dead */
	if (r->groups[0].error_code == NONE && slice_eq_str(r->groups[0].group_state, "Dead"))
		return GROUP_ID_NOT_FOUND;
	return r->groups[0].error_code;
}

enum err admin_describe_group(struct client *c, const char *group, mono_ms timeout_ms, struct client_call **answer,
			      const struct describe_groups_response_group **out, struct client_error *error)
{
	struct group_question q = { .key = API_DESCRIBE_GROUPS, .group = group, .fill = fill_describe, .look = look_at_description };
	enum err e = ask_coordinator(c, &q, timeout_ms, answer, error);

	if (e == OK)
		*out = &((const struct describe_groups_response *)(*answer)->response)->groups[0];
	return e;
}

static void fill_delete(struct client_call *call, const struct group_question *q)
{
	struct delete_groups_request *m = call->request;

	m->groups_names = admin_alloc(call, 1, sizeof(*m->groups_names));
	m->groups_names[0] = slice_str(q->group);
	m->groups_names_count = 1;
}

static int16_t look_at_deletion(struct client_call *call, const struct group_question *q UNUSED)
{
	const struct delete_groups_response *r = call->response;

	return r->results_count == 1 ? r->results[0].error_code : LEFT_OUT;
}

enum err admin_delete_group(struct client *c, const char *group, mono_ms timeout_ms, struct client_error *error)
{
	struct group_question q = { .key = API_DELETE_GROUPS, .group = group, .fill = fill_delete, .look = look_at_deletion };
	struct client_call *answer;

	(void)ask_coordinator(c, &q, timeout_ms, &answer, error);
	client_call_destroy(&answer);
	return error->err;
}

/* ---- committed offsets ---- */

static void fill_fetch(struct client_call *call, const struct group_question *q)
{
	struct offset_fetch_request *m = call->request;

	m->group_id = slice_str(q->group);
	m->topics_count = -1;	/* null: all */
}

static int16_t look_at_fetched(struct client_call *call, const struct group_question *q UNUSED)
{
	return ((const struct offset_fetch_response *)call->response)->error_code;
}

enum err admin_fetch_offsets(struct client *c, const char *group, mono_ms timeout_ms, struct client_call **answer,
			     const struct offset_fetch_response **out, struct client_error *error)
{
	struct group_question q = { .key = API_OFFSET_FETCH, .group = group, .fill = fill_fetch, .look = look_at_fetched };
	enum err e = ask_coordinator(c, &q, timeout_ms, answer, error);

	if (e == OK)
		*out = (*answer)->response;
	return e;
}

/* How many from the first on are of its topic. */
static int topic_run(const struct admin_offset *o, int count)
{
	int n = 1;

	while (n < count && strcmp(o[n].topic, o[0].topic) == 0)
		n++;
	return n;
}

/* Looks from *at on, which moves on: answers mostly come in the order of the question. */
static struct admin_offset *find_offset(struct admin_offset *o, int count, int *at, struct slice topic, int32_t partition)
{
	for (int i = 0; i < count; i++) {
		struct admin_offset *x = &o[(*at + i) % count];

		if (x->partition != partition || !slice_eq_str(topic, x->topic))
			continue;
		*at = (int)(x - o) + 1;
		return x;
	}
	return NULL;
}

/* An error of the group comes with each partition: the first that concerns all is one of the whole. */
static bool is_of_group(int16_t code)
{
	return code == NOT_COORDINATOR || code == COORDINATOR_NOT_AVAILABLE || code == COORDINATOR_LOAD_IN_PROGRESS || code == GROUP_AUTHORIZATION_FAILED ||
	       code == UNKNOWN_MEMBER_ID || code == ILLEGAL_GENERATION || code == REBALANCE_IN_PROGRESS || code == INVALID_GROUP_ID;
}

static void fill_commit(struct client_call *call, const struct group_question *q)
{
	struct offset_commit_request *m = call->request;
	const struct admin_offset *o = q->offsets;

	m->group_id = slice_str(q->group);
	m->topics = admin_alloc(call, (size_t)q->count, sizeof(*m->topics));
	for (int n, left = q->count; left > 0; o += n, left -= n) {
		struct offset_commit_request_topic *t = &m->topics[m->topics_count++];

		n = topic_run(o, left);
		offset_commit_request_topic_init(t);
		t->name = slice_str(o->topic);
		t->partitions = admin_alloc(call, (size_t)n, sizeof(*t->partitions));
		for (; t->partitions_count < n; t->partitions_count++) {
			struct offset_commit_request_partition *p = &t->partitions[t->partitions_count];

			offset_commit_request_partition_init(p);
			p->partition_index = o[t->partitions_count].partition;
			p->committed_offset = o[t->partitions_count].offset;
			p->committed_metadata = SLICE_EMPTY;
		}
	}
}

static int16_t look_at_commit(struct client_call *call, const struct group_question *q)
{
	const struct offset_commit_response *r = call->response;
	int found = 0, at = 0;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct offset_commit_response_partition *answer = &r->topics[t].partitions[p];
			struct admin_offset *o = find_offset(q->offsets, q->count, &at, r->topics[t].name, answer->partition_index);

			if (o == NULL)
				continue;
			if (is_of_group(answer->error_code))
				return answer->error_code;
			o->error = answer->error_code;
			found++;
		}
	}
	return found == q->count ? NONE : LEFT_OUT;
}

enum err admin_commit_offsets(struct client *c, const char *group, struct admin_offset *offsets, int count, mono_ms timeout_ms,
			      struct client_error *error)
{
	struct group_question q = { .key = API_OFFSET_COMMIT, .group = group, .fill = fill_commit, .look = look_at_commit, .offsets = offsets, .count = count };
	struct client_call *answer;

	(void)ask_coordinator(c, &q, timeout_ms, &answer, error);
	client_call_destroy(&answer);
	return error->err;
}

static void fill_offset_delete(struct client_call *call, const struct group_question *q)
{
	struct offset_delete_request *m = call->request;
	const struct admin_offset *o = q->offsets;

	m->group_id = slice_str(q->group);
	m->topics = admin_alloc(call, (size_t)q->count, sizeof(*m->topics));
	for (int n, left = q->count; left > 0; o += n, left -= n) {
		struct offset_delete_request_topic *t = &m->topics[m->topics_count++];

		n = topic_run(o, left);
		t->name = slice_str(o->topic);
		t->partitions = admin_alloc(call, (size_t)n, sizeof(*t->partitions));
		for (; t->partitions_count < n; t->partitions_count++)
			t->partitions[t->partitions_count].partition_index = o[t->partitions_count].partition;
	}
}

static int16_t look_at_offset_deletion(struct client_call *call, const struct group_question *q)
{
	const struct offset_delete_response *r = call->response;
	int found = 0, at = 0;

	if (r->error_code != NONE)
		return r->error_code;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct offset_delete_response_partition *answer = &r->topics[t].partitions[p];
			struct admin_offset *o = find_offset(q->offsets, q->count, &at, r->topics[t].name, answer->partition_index);

			if (o == NULL)
				continue;
			o->error = answer->error_code;
			found++;
		}
	}
	return found == q->count ? NONE : LEFT_OUT;
}

enum err admin_delete_offsets(struct client *c, const char *group, struct admin_offset *offsets, int count, mono_ms timeout_ms,
			      struct client_error *error)
{
	struct group_question q = { .key = API_OFFSET_DELETE, .group = group, .fill = fill_offset_delete, .look = look_at_offset_deletion,
				    .offsets = offsets, .count = count };
	struct client_call *answer;

	(void)ask_coordinator(c, &q, timeout_ms, &answer, error);
	client_call_destroy(&answer);
	return error->err;
}

/* ---- offsets of logs ---- */

/* Leaders as the answer to Metadata tells them, by place in offsets; -1: none, and the error is set. */
static void find_leaders(const struct metadata_response *r, struct admin_offset *offsets, int count, int32_t *leaders)
{
	int at = 0;

	for (int i = 0; i < count; i++) {
		leaders[i] = -1;
		offsets[i].error = UNKNOWN_TOPIC_OR_PARTITION;
	}
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct metadata_response_partition *known = &r->topics[t].partitions[p];
			struct admin_offset *o = find_offset(offsets, count, &at, r->topics[t].name, known->partition_index);

			if (o == NULL)
				continue;
			leaders[o - offsets] = known->leader_id;
			o->error = known->leader_id < 0 ? LEADER_NOT_AVAILABLE : NONE;
		}
	}
}

/* What is asked of each leader, about the partitions it leads. */
struct leader_question {
	enum api_key key;
	/* adds one partition to the question; and takes what its answer says */
	void (*add)(struct client_call *call, const struct admin_offset *o);
	void (*take)(const void *response, struct admin_offset *offsets, int count);
};

static void add_list(struct client_call *call, const struct admin_offset *o)
{
	struct list_offsets_request *m = call->request;
	struct list_offsets_request_topic *t = &m->topics[m->topics_count++];

	m->replica_id = -1;
	list_offsets_request_topic_init(t);
	t->name = slice_str(o->topic);
	t->partitions = admin_alloc(call, 1, sizeof(*t->partitions));
	t->partitions_count = 1;
	list_offsets_request_partition_init(&t->partitions[0]);
	t->partitions[0].partition_index = o->partition;
	t->partitions[0].timestamp = o->timestamp;
}

static void take_list(const void *response, struct admin_offset *offsets, int count)
{
	const struct list_offsets_response *r = response;
	int at = 0;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct list_offsets_response_partition *found = &r->topics[t].partitions[p];
			struct admin_offset *o = find_offset(offsets, count, &at, r->topics[t].name, found->partition_index);

			if (o == NULL)
				continue;
			o->error = found->error_code;
			o->offset = found->offset;
			o->found_at = found->timestamp;
		}
	}
}

static void add_deletion(struct client_call *call, const struct admin_offset *o)
{
	struct delete_records_request *m = call->request;
	struct delete_records_request_topic *t = &m->topics[m->topics_count++];

	t->name = slice_str(o->topic);
	t->partitions = admin_alloc(call, 1, sizeof(*t->partitions));
	t->partitions_count = 1;
	t->partitions[0] = (struct delete_records_request_partition){ .partition_index = o->partition, .offset = o->offset };
}

static void take_deletion(const void *response, struct admin_offset *offsets, int count)
{
	const struct delete_records_response *r = response;
	int at = 0;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct delete_records_response_partition *found = &r->topics[t].partitions[p];
			struct admin_offset *o = find_offset(offsets, count, &at, r->topics[t].name, found->partition_index);

			if (o == NULL)
				continue;
			o->error = found->error_code;
			if (found->error_code == NONE)
				o->offset = found->low_watermark;
		}
	}
}

/* Room for all of them; both requests have their topics at another place. */
static void begin_question(struct client_call *call, const struct operation *o, int count)
{
	struct list_offsets_request *list = call->request;
	struct delete_records_request *deletion = call->request;

	if (call->api == client_call_api(API_LIST_OFFSETS)) {
		list->topics = admin_alloc(call, (size_t)count, sizeof(*list->topics));
	} else {
		deletion->topics = admin_alloc(call, (size_t)count, sizeof(*deletion->topics));
		deletion->timeout_ms = (int32_t)MIN(admin_time_left(o), 30000);
	}
}

/* One question to each leader. */
static void ask_leaders(struct operation *o, const struct leader_question *q, const struct metadata_response *r, struct admin_offset *offsets, int count)
{
	int32_t *leaders = mem_calloc((size_t)MAX(count, 1), sizeof(*leaders));
	bool ok = true;

	find_leaders(r, offsets, count, leaders);
	for (int32_t b = 0; ok && b < r->brokers_count; b++) {
		struct client_call *call = client_call_create(o->client, q->key, NULL, NULL);
		bool is_asked = false;

		begin_question(call, o, count);
		for (int i = 0; i < count; i++) {
			if (leaders[i] != r->brokers[b].node_id)
				continue;
			q->add(call, &offsets[i]);
			is_asked = true;
		}
		if (is_asked) {
			ok = admin_ask(o, call, r->brokers[b].node_id);
			if (ok)
				q->take(call->response, offsets, count);
		}
		client_call_destroy(&call);
	}
	free(leaders);
}

static enum err ask_about_logs(struct client *c, const struct leader_question *q, struct admin_offset *offsets, int count, mono_ms timeout_ms,
			       struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);
	const char **names = mem_calloc((size_t)MAX(count, 1), sizeof(*names));
	const struct metadata_response *r;
	struct client_call *brokers = NULL;
	int topics = 0;

	for (int i = 0, n; i < count; i += n) {
		n = topic_run(offsets + i, count - i);
		names[topics++] = offsets[i].topic;
	}
	*error = CLIENT_ERROR_NONE;
	if (topics > 0) {
		do {
			admin_answer_destroy(&brokers);
			if (admin_describe_topics(c, names, topics, admin_time_left(&o), &brokers, &r, error) == OK)
				ask_leaders(&o, q, r, offsets, count);
		} while (admin_again(&o));
	}
	admin_answer_destroy(&brokers);
	free(names);
	return error->err;
}

enum err admin_list_offsets(struct client *c, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error)
{
	static const struct leader_question q = { API_LIST_OFFSETS, add_list, take_list };

	return ask_about_logs(c, &q, offsets, count, timeout_ms, error);
}

enum err admin_delete_records(struct client *c, struct admin_offset *offsets, int count, mono_ms timeout_ms, struct client_error *error)
{
	static const struct leader_question q = { API_DELETE_RECORDS, add_deletion, take_deletion };

	return ask_about_logs(c, &q, offsets, count, timeout_ms, error);
}
