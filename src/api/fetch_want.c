/*
 * Which partitions a fetch is about: those of the request, those of a session, or those of a session and what the request changes in it.
 */
#include "api/fetch_priv.h"

static void want_update(struct fetch_want *w, const struct fetch_request_partition *p)
{
	w->noted_by = NULL;
	/* a follower in a new epoch has not looked at what was on its way to it in the old one */
	if (w->current_leader_epoch != p->current_leader_epoch)
		w->told_high_watermark = -1;
	w->fetch_offset = p->fetch_offset;
	w->max_bytes = p->partition_max_bytes;
	w->current_leader_epoch = p->current_leader_epoch;
	w->last_fetched_epoch = p->last_fetched_epoch;
	w->follower_log_start_offset = p->log_start_offset;
}

static void session_add_all(struct fetch_session *session, const struct fetch_request *r)
{
	bool is_new;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct fetch_request_partition *part = &r->topics[t].partitions[p];

			want_update(fetch_session_want(session, r->topics[t].topic,
			                               r->topics[t].topic_id, part->partition,
			                               &is_new), part);
		}
	}
}

static void session_forget_all(struct fetch_session *session, const struct fetch_request *r)
{
	for (int32_t t = 0; t < r->forgotten_topics_data_count; t++) {
		const struct fetch_request_forgotten_topics_data *f = &r->forgotten_topics_data[t];

		for (int32_t p = 0; p < f->partitions_count; p++)
			fetch_session_forget(session, f->topic, f->topic_id, f->partitions[p]);
	}
}

static bool items_reserve(struct call *c, struct fetch_state *s, int32_t n)
{
	s->items = arena_calloc(&c->arena, (size_t)n, sizeof(*s->items));
	return s->items != NULL;
}

static bool items_from_session(struct call *c, struct fetch_state *s)
{
	if (!items_reserve(c, s, (int32_t)map_count(&s->session->wants)))
		return false;
	LIST_FOREACH(e, &s->session->order) {
		s->items[s->count].want = LIST_ENTRY(e, struct fetch_want, order);
		s->items[s->count].topic = s->items[s->count].want->topic;
		s->count++;
	}
	return true;
}

/*
 * Entries outside a session live in the call. A partition listed twice counts as its last entry,
 * with one answer.
 */
static bool items_from_request(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	int32_t n = 0;
	bool ok = true;
	struct map seen = MAP_INIT;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += MAX(r->topics[t].partitions_count, 0);
	if (!items_reserve(c, s, n))
		return false;
	for (int32_t t = 0; ok && t < r->topics_count; t++) {
		for (int32_t p = 0; ok && p < r->topics[t].partitions_count; p++) {
			const struct fetch_request_topic *topic = &r->topics[t];
			struct fetch_want *w = arena_alloc(&c->arena,
			                                   fetch_want_size(topic->topic,
			                                                   topic->topic_id));

			ok = w != NULL;
			if (!ok)
				break;
			fetch_want_init(w, topic->topic, topic->topic_id,
			                topic->partitions[p].partition);
			struct fetch_want *old = n > 1
				? map_get(&seen, slice_of(w->key, w->key_len)) : NULL;
			if (old != NULL)
				w = old;
			else if (n > 1)
				map_put(&seen, slice_of(w->key, w->key_len), w);
			want_update(w, &topic->partitions[p]);
			if (old == NULL) {
				s->items[s->count].want = w;
				s->items[s->count++].topic = w->topic;
			}
		}
	}
	map_fini(&seen);
	return ok;
}

/* Full fetches: the old session goes; epoch 0 asks for a new one. */
bool fetch_want_full(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	struct fetch_sessions *sessions = call_api(c)->sessions;
	bool is_busy;

	if (r->session_id != 0) {
		struct fetch_session *old = fetch_session_take(sessions, r->session_id, &is_busy);

		if (old != NULL)
			fetch_session_remove(sessions, old);
	}
	if (r->session_epoch == 0 && c->version >= 7)
		s->session = fetch_session_create(sessions, c->version >= 13, s->replica_id >= 0,
		                                  call_now(c));
	if (s->session == NULL)
		return items_from_request(c, s, r);
	session_add_all(s->session, r);
	return items_from_session(c, s);
}

static enum kafka_error session_check(const struct fetch_session *session,
                                      const struct fetch_request *r, int16_t version)
{
	if (session->uses_ids != (version >= 13))
		return FETCH_SESSION_TOPIC_ID_ERROR;
	if (session->next_epoch != r->session_epoch)
		return INVALID_FETCH_SESSION_EPOCH;
	return NONE;
}

bool fetch_want_incremental(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	bool is_busy;

	if (r->session_id == 0 || r->session_epoch < 0) {
		s->error = FETCH_SESSION_ID_NOT_FOUND;
		return true;
	}
	s->session = fetch_session_take(call_api(c)->sessions, r->session_id, &is_busy);
	if (s->session == NULL) {
		s->error = is_busy ? INVALID_FETCH_SESSION_EPOCH : FETCH_SESSION_ID_NOT_FOUND;
		return true;
	}
	s->error = session_check(s->session, r, c->version);
	if (s->error != NONE) {
		fetch_session_give(call_api(c)->sessions, s->session, s->session->used);
		s->session = NULL;
		return true;
	}
	session_add_all(s->session, r);
	session_forget_all(s->session, r);
	s->session->next_epoch = s->session->next_epoch == INT32_MAX ? 1
		: s->session->next_epoch + 1;
	s->is_incremental = true;
	/* nothing left: the session ends, the answer belongs to none */
	if (map_count(&s->session->wants) == 0) {
		fetch_session_remove(call_api(c)->sessions, s->session);
		s->session = NULL;
		s->is_incremental = false;
		return true;
	}
	return items_from_session(c, s);
}
