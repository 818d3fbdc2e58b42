/*
 * FindCoordinator (10).
 *
 * There are no coordinators yet. The API is served because librdkafka takes it as a sign of what a
 * broker can do. Groups get an error that clients come again after; transactional ids get one that
 * fails initTransactions at once, with the reason.
 */
#include "api/api.h"
#include "wire/gen/find_coordinator.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

#define NO_TRANSACTIONS "This broker does not support transactions yet."

struct answer {
	enum kafka_error error;
	struct slice     message;	/* null: the error's standard text */
};

static struct answer find(struct call *c, int8_t type, struct slice key)
{
	switch (type) {
	case KEY_GROUP:
		if (!call_authorize(c, ACL_DESCRIBE, ACL_GROUP, key))
			return (struct answer){ .error = GROUP_AUTHORIZATION_FAILED };
		return (struct answer){ .error = COORDINATOR_NOT_AVAILABLE };
	case KEY_TRANSACTION:
		if (!call_authorize(c, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, key))
			return (struct answer){ .error = TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
		return (struct answer){ INVALID_REQUEST, SLICE_LIT(NO_TRANSACTIONS) };
	case KEY_SHARE:
		return (struct answer){ .error = c->version >= 6 ? COORDINATOR_NOT_AVAILABLE
			: INVALID_REQUEST };
	default:
		return (struct answer){ INVALID_REQUEST,
			slice_str(kafka_error_text(INVALID_REQUEST)) };
	}
}

static void answer_one(struct call *c)
{
	const struct find_coordinator_request *r = c->request;
	struct find_coordinator_response *out = c->response;
	struct answer a = find(c, r->key_type, r->key);

	out->error_code = (int16_t)a.error;
	out->error_message = slice_is_null(a.message)
		? slice_str(kafka_error_text((int16_t)a.error)) : a.message;
	out->node_id = out->port = -1;
	out->host = SLICE_EMPTY;
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
			.key = r->coordinator_keys[i], .node_id = -1, .host = SLICE_EMPTY,
			.port = -1, .error_code = (int16_t)a.error,
			.error_message = slice_is_null(a.message) ? SLICE_EMPTY : a.message,
		};
	}
	out->coordinators_count = r->coordinator_keys_count;
}

static void find_coordinator_begin(struct call *c)
{
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
	.begin = find_coordinator_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
