/*
 * What a fetch is told: partitions with their ranges of files, and where leaders are that the client has wrong.
 */
#include "api/broker_view.h"
#include "api/fetch_priv.h"

/* An incremental answer holds only what has changed. */
static bool must_tell(const struct fetch_state *s, const struct fetch_item *it)
{
	const struct fetch_want *w = it->want;

	return !s->is_incremental || it->len > 0 || it->error != NONE || it->diverging_epoch >= 0 ||
	       it->preferred >= 0 || w->told_high_watermark != it->high_watermark ||
	       w->told_log_start_offset != it->log_start_offset;
}

static void remember_told(struct fetch_state *s, struct fetch_item *it)
{
	struct fetch_want *w = it->want;

	/* after an error the next healthy answer is told whatever it holds; a follower that is told to cut its log does not look at the watermark beside it */
	w->told_high_watermark = it->error != NONE || it->diverging_epoch >= 0 ? -1 : it->high_watermark;
	w->told_log_start_offset = it->log_start_offset;
	/* who had data goes to the end, so that the others get their turn */
	if (it->len > 0 && s->is_incremental) {
		list_remove(&w->order);
		list_push_back(&s->session->order, &w->order);
	}
}

static bool fill_aborted(struct call *c, const struct fetch_state *s, const struct fetch_item *it,
                         struct fetch_response_partition *out)
{
	bool never = it->error == UNKNOWN_TOPIC_OR_PARTITION || it->error == UNKNOWN_TOPIC_ID ||
		it->error == UNSUPPORTED_COMPRESSION_TYPE;

	out->aborted_transactions_count = -1;
	if (never || (it->error == NONE && s->isolation == ISOLATION_READ_COMMITTED &&
	              s->replica_id < 0 && it->preferred < 0))
		out->aborted_transactions_count = 0;
	if (it->error != NONE || it->len == 0 || it->aborted_count == 0)
		return true;
	out->aborted_transactions = arena_calloc(&c->arena, (size_t)it->aborted_count,
	                                         sizeof(*out->aborted_transactions));
	if (out->aborted_transactions == NULL)
		return false;
	out->aborted_transactions_count = it->aborted_count;
	for (int i = 0; i < it->aborted_count; i++)
		out->aborted_transactions[i] =
			(struct fetch_response_aborted_transaction){ it->aborted[i].producer_id,
			it->aborted[i].first_offset };
	return true;
}

static bool fill_partition(struct call *c, const struct fetch_state *s, struct fetch_item *it,
                           struct fetch_response_partition *out)
{
	fetch_response_partition_init(out);
	out->partition_index = it->want->partition;
	out->error_code = (int16_t)(it->error == KAFKA_STORAGE_ERROR && c->version <= 5
	                            ? NOT_LEADER_OR_FOLLOWER : it->error);
	out->high_watermark = it->high_watermark;
	out->last_stable_offset = it->last_stable_offset;
	out->log_start_offset = it->log_start_offset;
	out->preferred_read_replica = it->preferred;
	out->diverging_epoch.epoch = it->diverging_epoch;
	out->diverging_epoch.end_offset = it->diverging_epoch >= 0 ? it->diverging_end_offset : -1;
	if (c->version >= 16 && (it->error == NOT_LEADER_OR_FOLLOWER ||
	                         it->error == FENCED_LEADER_EPOCH)) {
		out->current_leader.leader_id = it->leader_id;
		out->current_leader.leader_epoch = it->leader_epoch;
	}
	out->records = (struct wire_records){ .ptr = (const uint8_t *)"", .len = 0 };
	if (it->len > 0) {
		out->records.len = it->len;
		/* net sends from it, and lets the file go */
		out->records.file = &it->read->range;
		out->records.file_pos = it->read->range.file_pos;
	}
	return fill_aborted(c, s, it, out);
}

static void fill_endpoints(struct call *c, const struct fetch_state *s, struct fetch_response *out)
{
	struct api_leaders leaders = { 0 };

	for (int32_t i = 0; c->version >= 16 && i < s->count; i++) {
		const struct fetch_item *it = &s->items[i];

		if (it->error == NOT_LEADER_OR_FOLLOWER || it->error == FENCED_LEADER_EPOCH)
			api_leaders_add(c, &leaders, it->leader_id);
	}
	if (leaders.count > 0)
		API_LEADERS_RESPOND(c, &leaders, out, fetch_response_node_endpoint);
}

/*
 * Consecutive partitions of one topic stand together; a topic may come again. Refused ones of a
 * sessionless fetch come last.
 */
bool fetch_fill_response(struct call *c, struct fetch_state *s, uint64_t *bytes)
{
	struct fetch_response *out = c->response;
	struct fetch_response_partition *parts = arena_calloc(&c->arena, (size_t)s->count,
	                                                      sizeof(*parts));
	int32_t n = 0;

	out->responses = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->responses));
	if (parts == NULL || out->responses == NULL)
		return false;
	for (int pass = 0; pass < 2; pass++) {
		for (int32_t i = 0; i < s->count; i++) {
			struct fetch_item *it = &s->items[i];
			struct fetch_response_response *t = out->responses_count > 0
				? &out->responses[out->responses_count - 1] : NULL;
			bool is_refused = it->error != NONE && it->addr == NULL &&
				s->session == NULL;

			if (is_refused != (pass == 1) || !must_tell(s, it))
				continue;
			if (t == NULL || !slice_eq(t->topic, it->topic) ||
			    !uuid_eq(t->topic_id, it->want->topic_id)) {
				t = &out->responses[out->responses_count++];
				t->topic = it->topic;
				t->topic_id = it->want->topic_id;
				t->partitions = &parts[n];
			}
			if (!fill_partition(c, s, it, &parts[n]))
				return false;
			*bytes += it->len;
			n++;
			t->partitions_count++;
			if (s->session != NULL)
				remember_told(s, it);
		}
	}
	fill_endpoints(c, s, out);
	return true;
}
