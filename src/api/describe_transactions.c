/*
 * DescribeTransactions (65): asked of the coordinator of each transactional id, which no broker of
 * ours is yet.
 */
#include "api/api.h"
#include "wire/gen/describe_transactions.h"

static enum kafka_error refusal(struct call *c, struct slice id)
{
	if (id.len == 0)
		return INVALID_REQUEST;
	if (!call_authorize(c, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, id))
		return TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	return NOT_COORDINATOR;
}

static void describe_transactions_begin(struct call *c)
{
	const struct describe_transactions_request *r = c->request;
	struct describe_transactions_response *out = c->response;

	out->transaction_states = arena_calloc(&c->arena, (size_t)r->transactional_ids_count,
	                                       sizeof(*out->transaction_states));
	if (out->transaction_states == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < r->transactional_ids_count; i++) {
		struct describe_transactions_response_transaction_state *t =
			&out->transaction_states[out->transaction_states_count++];

		describe_transactions_response_transaction_state_init(t);
		t->transactional_id = r->transactional_ids[i];
		t->error_code = (int16_t)refusal(c, t->transactional_id);
	}
}

API_CODEC(describe_transactions)

const struct api_row describe_transactions_row = {
	.key = 65, .version_min = 0, .version_max = 0, .name = "DescribeTransactions",
	.operation = ACL_DESCRIBE, .resource = ACL_TRANSACTIONAL_ID,
	API_CODEC_FIELDS(describe_transactions),
	.begin = describe_transactions_begin, .on_answer = api_no_answers,
	.end = api_nothing_left,
};
