/*
 * Fetch (1): sessions, limits, the long poll.
 *
 * A round (fetch_round.c) reads what is wanted. If it finds too little, the call parks: it stands at each partition it could read (fetch_watch.h) until one has
 * news or max_wait_ms is over; then the next round reads everything again. What is in the answer is from one round.
 */
#include "api/fetch_priv.h"

static void fetch_begin(struct call *c)
{
	const struct fetch_request *r = c->request;
	struct fetch_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	bool ok;

	c->state = s;
	if (s == NULL) {
		c->wants_close = true;
		return;
	}
	s->replica_id = c->version >= 15 ? r->replica_state.replica_id : r->replica_id;
	s->isolation = r->isolation_level == 1 && s->replica_id < 0 ? ISOLATION_READ_COMMITTED
		: ISOLATION_READ_UNCOMMITTED;
	s->max_bytes = (uint32_t)MIN(MAX(r->max_bytes, 0), call_api(c)->broker->fetch_max_bytes);
	s->min_bytes = (uint32_t)MIN((uint32_t)MAX(r->min_bytes, 0), s->max_bytes);
	s->wants_choice = fetch_wants_choice(c, r, s->replica_id);
	s->is_first_round = true;
	s->is_last_round = r->max_wait_ms <= 0;
	s->received = (mono_ms)(c->stage[STAGE_RECEIVED] / 1000000);
	s->deadline = call_now(c) + MAX(r->max_wait_ms, 0);
	if (c->version < 7 || r->session_epoch == -1 || r->session_epoch == 0)
		ok = fetch_want_full(c, s, r);
	else
		ok = fetch_want_incremental(c, s, r);
	if (!ok) {
		c->wants_close = true;
		return;
	}
	if (s->error == NONE && (r->isolation_level < 0 || r->isolation_level > 1 ||
	                         r->max_bytes < 0)) {
		for (int32_t i = 0; i < s->count; i++) {
			fetch_item_reset(&s->items[i]);
			s->items[i].error = UNKNOWN_SERVER_ERROR;
		}
		return;
	}
	if (s->error != NONE || s->count == 0)
		return;
	fetch_round_begin(c, s);
	fetch_round_after(c, s);
}

static void fetch_on_answer(struct call *c, struct msg *m)
{
	struct fetch_state *s = c->state;

	fetch_round_answer(c, s, CONTAINER_OF(m, struct fetch_read, ask.msg)->item);
	fetch_round_after(c, s);
}

static void fetch_on_wakeup(struct call *c)
{
	struct fetch_state *s = c->state;

	s->is_first_round = false;
	s->is_last_round = call_now(c) >= s->deadline || c->connection == NULL;
	fetch_round_begin(c, s);
	fetch_round_after(c, s);
}

static void tell_counters(struct call *c, const struct fetch_state *s)
{
	uint64_t failed = 0, bytes = 0;

	for (int32_t i = 0; i < s->count; i++) {
		const struct fetch_item *it = &s->items[i];

		failed += it->error != NONE;
		bytes += it->len;
		if (it->addr != NULL && it->len > 0)
			partition_count_out(it->addr, it->len, s->replica_id >= 0);
	}
	call_count(c, NET_FETCH_REQUESTS, (uint64_t)s->count);
	call_count(c, NET_FETCH_FAILED, failed);
	call_count(c, s->replica_id >= 0 ? NET_REPLICATION_BYTES_OUT : NET_BYTES_OUT, bytes);
}

static void fetch_end(struct call *c)
{
	struct fetch_state *s = c->state;
	struct fetch_response *out = c->response;
	uint64_t bytes = 0, throttled = 0;

	if (s == NULL)
		return;
	fetch_round_leave(s);
	out->error_code = (int16_t)s->error;
	out->session_id = s->session != NULL ? s->session->id : 0;
	if (c->connection == NULL)
		c->wants_close = true;
	if (s->error == NONE && !c->wants_close && !fetch_fill_response(c, s, &bytes))
		c->wants_close = true;
	if (!c->wants_close)
		tell_counters(c, s);
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];

		throttled += it->is_throttled ? it->len : 0;
		if (it->has_range && (it->len == 0 || c->wants_close) &&
		    it->read->range.file != NULL)
			log_file_unref(&it->read->range.file);	/* those with bytes are net's now */
		if (it->addr != NULL)
			partition_addr_unref(&it->addr);
	}
	if (s->session != NULL && c->wants_close && c->connection != NULL)	/* too large to be served: it would only grow */
		fetch_session_remove(call_api(c)->sessions, s->session);
	else if (s->session != NULL)
		fetch_session_give(call_api(c)->sessions, s->session, call_now(c));
	if (throttled > 0)
		throttle_record(&call_api(c)->leader_throttle, call_now(c), throttled);
	call_book(c, 0, bytes);
}

API_CODEC(fetch)

const struct api_row fetch_row = {
	.key = 1, .version_min = 4, .version_max = 17, .serve_min = 4, .name = "Fetch",
	.operation = ACL_READ, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(fetch),
	.waits_for_news = true,
	.begin = fetch_begin, .on_answer = fetch_on_answer, .on_wakeup = fetch_on_wakeup,
	.end = fetch_end,
};
