/*
 * FindCoordinator (10).
 *
 * The coordinator of a group is the leader of a partition of an internal topic, which is made when somebody first asks. The answer waits for that: a client that
 * is told to come again does so after a pause of its own, half a second for some. It waits for a moment only where another broker is the controller, or somebody
 * else has asked to make the topic: then nobody tells when it is there, and it is looked for.
 *
 * No coordinator of transactions is here. Where other brokers have made their topic, a transactional id is led to the leader of its partition; where that is this
 * broker, or there is no such topic, it gets an error that fails initTransactions at once, with the reason.
 */
#include <stdlib.h>

#include "api/api.h"
#include "wire/gen/find_coordinator.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

#define NO_TRANSACTIONS "This broker does not support transactions yet."
#define CREATE_TIMEOUT_MS 5000
#define LOOK_MS           20		/* between two looks whether the topic is there */
#define LOOK_FOR_MS       1000

struct find_state {
	struct controller_create_topics *create;	/* NULL: nothing to create */
	struct controller_new_topic      topic;
	mono_ms                          look_until;
};

struct answer {
	enum kafka_error error;
	struct slice     message;	/* null: the error's standard text */
	int32_t          node_id;
	const struct cluster_endpoint *endpoint;	/* NULL: none */
};

/* The leader of the key's partition, if it can be reached where the request came in. */
static struct answer find_leader(struct call *c, const struct cluster_topic *topic, struct slice key)
{
	struct answer a = { .error = COORDINATOR_NOT_AVAILABLE };

	if (topic == NULL || topic->partition_count == 0)
		return a;
	const struct cluster_partition *p = cluster_topic_partition(topic, cluster_coordinator_partition(key, topic->partition_count));
	if (p == NULL)
		return a;
	a.endpoint = api_endpoint(c, p->leader);
	if (a.endpoint != NULL) {
		a.error = NONE;
		a.node_id = p->leader;
	}
	return a;
}

static struct answer find_transactions(struct call *c, struct slice id)
{
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), SLICE_LIT(TOPIC_TRANSACTION_STATE));
	struct answer a = find_leader(c, topic, id);

	if (topic == NULL || (a.endpoint != NULL && a.node_id == call_cluster(c)->broker_id))
		a = (struct answer){ .error = INVALID_REQUEST, .message = SLICE_LIT(NO_TRANSACTIONS) };
	return a;
}

static const struct cluster_topic *offsets_topic(struct call *c)
{
	return cluster_topic(call_cluster(c), SLICE_LIT(TOPIC_CONSUMER_OFFSETS));
}

static struct answer find(struct call *c, int8_t type, struct slice key)
{
	switch (type) {
	case KEY_GROUP:
		if (!call_authorize(c, ACL_DESCRIBE, ACL_GROUP, key))
			return (struct answer){ .error = GROUP_AUTHORIZATION_FAILED };
		return find_leader(c, offsets_topic(c), key);
	case KEY_TRANSACTION:
		if (!call_authorize(c, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, key))
			return (struct answer){ .error = TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
		return find_transactions(c, key);
	case KEY_SHARE:
		return (struct answer){ .error = c->version >= 6 ? COORDINATOR_NOT_AVAILABLE
			: INVALID_REQUEST };
	default:
		return (struct answer){ .error = INVALID_REQUEST,
			.message = slice_str(kafka_error_text(INVALID_REQUEST)) };
	}
}

/* --- making the topic ------------------------------------------------------------------------- */

static bool wants_topic(struct call *c)
{
	const struct find_coordinator_request *r = c->request;

	if (r->key_type != KEY_GROUP || offsets_topic(c) != NULL)
		return false;
	if (c->version < 4)
		return call_authorize(c, ACL_DESCRIBE, ACL_GROUP, r->key);
	for (int32_t i = 0; i < r->coordinator_keys_count; i++) {
		if (call_authorize(c, ACL_DESCRIBE, ACL_GROUP, r->coordinator_keys[i]))
			return true;
	}
	return false;
}

static void find_coordinator_begin(struct call *c)
{
	struct find_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !wants_topic(c)) {
		c->wants_close = s == NULL;
		return;
	}
	s->topic.name = SLICE_LIT(TOPIC_CONSUMER_OFFSETS);
	if (!api_internal_topic(c, &s->topic) ||
	    (s->create = call_message(c, sizeof(*s->create), CONTROLLER_create_topics)) == NULL) {
		c->wants_close = true;
		return;
	}
	s->create->is_automatic = true;
	api_fill_payer(c, &s->create->payer, PAYER_NEVER_STRICT);
	s->create->timeout_ms = CREATE_TIMEOUT_MS;
	s->create->topics = &s->topic;
	s->create->topic_count = 1;
	call_ask(c, call_api(c)->controller, &s->create->msg);
}

/* Every partition has a leader that can be reached. */
static bool is_topic_up(struct call *c)
{
	const struct cluster_topic *topic = offsets_topic(c);

	for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++) {
		if (api_endpoint(c, topic->partitions[i].leader) == NULL)
			return false;
	}
	return topic != NULL;
}

static void look(struct call *c)
{
	struct find_state *s = c->state;

	if (c->connection != NULL && !is_topic_up(c) && call_now(c) < s->look_until)
		call_park(c, MIN(call_now(c) + LOOK_MS, s->look_until));
}

static void find_coordinator_on_answer(struct call *c, struct msg *m)
{
	struct find_state *s = c->state;

	ASSERT(m == &s->create->msg);
	free(s->topic.message);
	/* what was refused does not come */
	if (s->topic.error != NONE && s->topic.error != TOPIC_ALREADY_EXISTS && s->topic.error != REQUEST_TIMED_OUT)
		return;
	s->look_until = call_now(c) + LOOK_FOR_MS;
	look(c);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void answer_one(struct call *c)
{
	const struct find_coordinator_request *r = c->request;
	struct find_coordinator_response *out = c->response;
	struct answer a = find(c, r->key_type, r->key);

	out->error_code = (int16_t)a.error;
	out->error_message = !slice_is_null(a.message) ? a.message : a.error == NONE ? SLICE_LIT("NONE")
		: slice_str(kafka_error_text((int16_t)a.error));
	out->node_id = a.endpoint != NULL ? a.node_id : -1;
	out->port = a.endpoint != NULL ? a.endpoint->port : -1;
	out->host = a.endpoint != NULL ? slice_str(a.endpoint->host) : SLICE_EMPTY;
}

/* In the batched form a message is given only where it says more than the code. */
static void answer_many(struct call *c)
{
	const struct find_coordinator_request *r = c->request;
	struct find_coordinator_response *out = c->response;

	out->coordinators = arena_calloc(&c->arena, (size_t)r->coordinator_keys_count,
	                                 sizeof(*out->coordinators));
	if (out->coordinators == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < r->coordinator_keys_count; i++) {
		struct answer a = find(c, r->key_type, r->coordinator_keys[i]);

		out->coordinators[i] = (struct find_coordinator_response_coordinator){
			.key = r->coordinator_keys[i],
			.node_id = a.endpoint != NULL ? a.node_id : -1,
			.host = a.endpoint != NULL ? slice_str(a.endpoint->host) : SLICE_EMPTY,
			.port = a.endpoint != NULL ? a.endpoint->port : -1,
			.error_code = (int16_t)a.error,
			.error_message = slice_is_null(a.message) ? SLICE_EMPTY : a.message,
		};
	}
	out->coordinators_count = r->coordinator_keys_count;
}

static void find_coordinator_end(struct call *c)
{
	if (c->wants_close || c->connection == NULL)
		return;
	if (c->version < 4)
		answer_one(c);
	else
		answer_many(c);
}

API_CODEC(find_coordinator)

const struct api_row find_coordinator_row = {
	.key = 10, .version_min = 0, .version_max = 6, .name = "FindCoordinator",
	.operation = ACL_DESCRIBE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(find_coordinator),
	.begin = find_coordinator_begin, .on_answer = find_coordinator_on_answer, .on_wakeup = look, .end = find_coordinator_end,
};
