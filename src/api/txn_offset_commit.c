/*
 * TxnOffsetCommit (28): offsets that count when the producer's transaction commits; the group's coordinator sets them aside until then. Each partition is answered by
 * itself; what is wrong with the whole stands at each.
 *
 * Kafka asks the transaction's coordinator whether the transaction is open and knows of the group (KIP-890); that is not asked here. But where no topic for their state exists no
 * transaction can have begun: offsets would be set aside for a marker that nobody writes, and hold up readers and compaction for ever.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/txn_offset_commit.h"

struct txn_commit_item {
	struct txn_offset_commit_response_partition *out;
	enum kafka_error                             error;
	int32_t                                      asked;	/* place in the question; -1: not asked */
};

struct txn_commit_state {
	struct txn_commit_item      *items;	/* in the request's order */
	int32_t                      count;
	struct partition_addr       *addr;
	struct group_offset_commit  *ask;
};

static bool lay_out(struct call *c, struct txn_commit_state *s)
{
	const struct txn_offset_commit_request *r = c->request;
	struct txn_offset_commit_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partitions_count;
	struct txn_offset_commit_response_partition *parts = arena_calloc(&c->arena, n, sizeof(*parts));
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	if (parts == NULL || s->items == NULL || out->topics == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct txn_offset_commit_request_topic *topic = &r->topics[t];

		out->topics[t] = (struct txn_offset_commit_response_topic){
			.name = topic->name, .partitions = parts + s->count, .partitions_count = topic->partitions_count,
		};
		for (int32_t p = 0; p < topic->partitions_count; p++, s->count++) {
			parts[s->count].partition_index = topic->partitions[p].partition_index;
			s->items[s->count] = (struct txn_commit_item){ .out = &parts[s->count], .asked = -1 };
		}
	}
	out->topics_count = r->topics_count;
	return true;
}

static enum kafka_error check_all(struct call *c)
{
	const struct txn_offset_commit_request *r = c->request;

	if (!call_authorize(c, ACL_WRITE, ACL_TRANSACTIONAL_ID, r->transactional_id))
		return TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (!call_authorize(c, ACL_READ, ACL_GROUP, r->group_id))
		return GROUP_AUTHORIZATION_FAILED;
	return api_has_transactions(c) ? NONE : INVALID_TXN_STATE;
}

/* How many are left to be asked about. */
static int32_t check_items(struct call *c, struct txn_commit_state *s)
{
	const struct txn_offset_commit_request *r = c->request;
	enum kafka_error all = check_all(c);
	struct txn_commit_item *it = s->items;
	int32_t left = 0;

	for (int32_t t = 0; t < r->topics_count; t++) {
		bool may_read = all == NONE && call_authorize(c, ACL_READ, ACL_TOPIC, r->topics[t].name);

		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++) {
			it->error = all != NONE ? all : api_check_committed(c, r->topics[t].name, may_read, r->topics[t].partitions[p].partition_index);
			if (it->error == NONE)
				it->asked = left++;
		}
	}
	return left;
}

static void fill_offsets(struct call *c, struct txn_commit_state *s)
{
	const struct txn_offset_commit_request *r = c->request;
	const struct txn_commit_item *it = s->items;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++) {
			const struct txn_offset_commit_request_partition *from = &r->topics[t].partitions[p];

			if (it->asked >= 0)
				s->ask->offsets[it->asked] = (struct group_offset){
					.topic = r->topics[t].name, .partition = from->partition_index, .offset = from->committed_offset,
					.leader_epoch = from->committed_leader_epoch, .commit_time = -1,
					.metadata = slice_is_null(from->committed_metadata) ? SLICE_EMPTY : from->committed_metadata,
				};
		}
	}
}

static void ask_coordinator(struct call *c, struct txn_commit_state *s, int32_t count)
{
	const struct txn_offset_commit_request *r = c->request;

	s->ask = api_commit_question(c, &(struct group_caller){
		.group = r->group_id, .member_id = r->member_id, .instance_id = r->group_instance_id, .generation = r->generation_id,
	}, count);
	if (s->ask == NULL)
		return;
	s->ask->retention_ms = -1;
	s->ask->is_transactional = true;
	s->ask->producer_id = r->producer_id;
	s->ask->producer_epoch = r->producer_epoch;
	fill_offsets(c, s);
	enum kafka_error error = api_ask_group(c, ACL_READ, r->group_id, true, &s->ask->q, &s->addr);
	if (error != NONE)
		s->ask->q.error = error;	/* else it is the coordinator's, which may have answered by now */
}

static void txn_offset_commit_begin(struct call *c)
{
	struct txn_commit_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	int32_t left;

	c->state = s;
	if (s == NULL || !lay_out(c, s)) {
		c->wants_close = true;
		return;
	}
	left = check_items(c, s);
	if (left > 0)
		ask_coordinator(c, s, left);
}

static void txn_offset_commit_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

/* Producers of the first versions know of no coordinator that is loading. */
static enum kafka_error as_known(const struct call *c, enum kafka_error error)
{
	return c->version < 2 && error == COORDINATOR_LOAD_IN_PROGRESS ? COORDINATOR_NOT_AVAILABLE : error;
}

static void txn_offset_commit_end(struct call *c)
{
	struct txn_commit_state *s = c->state;

	for (int32_t i = 0; s != NULL && !c->wants_close && i < s->count; i++) {
		const struct txn_commit_item *it = &s->items[i];
		enum kafka_error error = it->asked < 0 ? it->error : s->ask->q.error != NONE ? s->ask->q.error : s->ask->offsets[it->asked].error;

		it->out->error_code = (int16_t)as_known(c, error);
	}
	if (s != NULL && s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(txn_offset_commit)

const struct api_row txn_offset_commit_row = {
	.key = 28, .version_min = 0, .version_max = 4, .name = "TxnOffsetCommit",
	.operation = ACL_WRITE, .resource = ACL_TRANSACTIONAL_ID,
	API_CODEC_FIELDS(txn_offset_commit),
	.begin = txn_offset_commit_begin, .on_answer = txn_offset_commit_on_answer, .end = txn_offset_commit_end,
};
