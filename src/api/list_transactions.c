/*
 * ListTransactions (66): those that this broker coordinates. It coordinates none yet; what is left
 * to say is which of the states that were asked for there are not.
 */
#include "api/api.h"
#include "wire/gen/list_transactions.h"

static bool is_state(struct slice name)
{
	static const char *const states[] = {
		"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit",
		"CompleteAbort", "Dead", "PrepareEpochFence",
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (slice_eq_str(name, states[i]))
			return true;
	}
	return false;
}

static void list_transactions_begin(struct call *c)
{
	const struct list_transactions_request *r = c->request;
	struct list_transactions_response *out = c->response;

	out->unknown_state_filters = arena_calloc(&c->arena, (size_t)r->state_filters_count,
	                                          sizeof(*out->unknown_state_filters));
	if (out->unknown_state_filters == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < r->state_filters_count; i++) {
		if (!is_state(r->state_filters[i]))
			out->unknown_state_filters[out->unknown_state_filters_count++] =
				r->state_filters[i];
	}
}

API_CODEC(list_transactions)

const struct api_row list_transactions_row = {
	.key = 66, .version_min = 0, .version_max = 1, .name = "ListTransactions",
	.operation = ACL_DESCRIBE, .resource = ACL_TRANSACTIONAL_ID,
	API_CODEC_FIELDS(list_transactions),
	.begin = list_transactions_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
