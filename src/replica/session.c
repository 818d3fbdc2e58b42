#include "replica/session.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/err.h"
#include "replica/fetcher_priv.h"

#define TOPIC_MAX 249
#define KEY_MAX   (TOPIC_MAX + 4)

void session_init(struct session *s)
{
	*s = (struct session){ .entries = MAP_INIT };
}

void session_leave(struct pull *pull)
{
	if (pull->entry != NULL)
		pull->entry->pull = NULL;
	pull->entry = NULL;
}

static void remove_entry(struct session *s, struct session_entry *e)
{
	if (e->pull != NULL)
		session_leave(e->pull);
	map_remove(&s->entries, slice_of(e->key, e->key_len));
	free(e);
}

static void remove_all(struct session *s)
{
	MAP_FOREACH(e, &s->entries)
		remove_entry(s, e->value);
}

void session_fini(struct session *s)
{
	remove_all(s);
	map_fini(&s->entries);
}

void session_reset(struct session *s)
{
	s->id = s->epoch = 0;
}

/* --- the request ------------------------------------------------------------------------------------------------------------------ */

static bool is_full(const struct session *s)
{
	return s->epoch == 0;
}

/* 0: not a name that a partition here could have. */
static size_t make_key(uint8_t key[KEY_MAX], bool has_ids, struct slice topic, struct uuid topic_id, int32_t partition)
{
	struct slice name = has_ids ? slice_of(topic_id.bytes, sizeof(topic_id.bytes)) : topic;

	if (name.len > TOPIC_MAX)
		return 0;
	memcpy(key, name.ptr, name.len);
	store_be32(key + name.len, (uint32_t)partition);
	return name.len + 4;
}

/* A session knows topics by names or by ids, never both. */
void session_begin(struct session *s, bool has_ids)
{
	s->number++;
	if (has_ids != s->has_ids && !is_full(s))
		s->epoch = 0;
	s->has_ids = has_ids;
	if (is_full(s))
		remove_all(s);
}

static bool is_told(const struct session_entry *e, const struct fetch_request_partition *told)
{
	return e->told.fetch_offset == told->fetch_offset && e->told.current_leader_epoch == told->current_leader_epoch &&
	       e->told.last_fetched_epoch == told->last_fetched_epoch && e->told.log_start_offset == told->log_start_offset &&
	       e->told.partition_max_bytes == told->partition_max_bytes;
}

void session_want(struct session *s, struct pull *pull, const char *topic, struct uuid topic_id, const struct fetch_request_partition *told)
{
	uint8_t key[KEY_MAX];
	size_t len = make_key(key, s->has_ids, slice_str(topic), topic_id, told->partition);
	struct session_entry *e;

	ASSERT(len > 0);
	e = map_get(&s->entries, slice_of(key, len));
	if (e == NULL) {
		e = mem_calloc(1, sizeof(*e) + len);
		memcpy(e->key, key, len);
		e->key_len = (uint16_t)len;
		e->topic_id = topic_id;
		map_put(&s->entries, slice_of(e->key, len), e);
		e->is_to_be_sent = true;
	} else {
		e->is_to_be_sent = !is_told(e, told);
	}
	if (e->pull != pull) {
		session_leave(pull);
		if (e->pull != NULL)
			session_leave(e->pull);
		e->pull = pull;
		pull->entry = e;
	}
	e->told = *told;
	e->wanted_in = s->number;
}

static struct slice name_of(const struct session *s, const struct session_entry *e)
{
	return s->has_ids ? SLICE_EMPTY : slice_of(e->key, e->key_len - 4u);
}

static bool is_same_topic(const struct session *s, const struct session_entry *a, const struct session_entry *b)
{
	return s->has_ids ? uuid_eq(a->topic_id, b->topic_id) : slice_eq(name_of(s, a), name_of(s, b));
}

/* Neighbours of one topic share its entry, as in a Java follower's request. */
static bool put_topics(struct session *s, struct fetch_request *q, struct arena *arena)
{
	struct fetch_request_partition *parts = arena_calloc(arena, map_count(&s->entries), sizeof(*parts));
	struct fetch_request_topic *t = NULL;
	const struct session_entry *before = NULL;

	q->topics = arena_calloc(arena, map_count(&s->entries), sizeof(*q->topics));
	if (parts == NULL || q->topics == NULL)
		return false;
	MAP_FOREACH(m, &s->entries) {
		const struct session_entry *e = m->value;
		if (e->wanted_in != s->number || !e->is_to_be_sent)
			continue;
		if (before == NULL || !is_same_topic(s, before, e)) {
			t = &q->topics[q->topics_count++];
			fetch_request_topic_init(t);
			t->topic = name_of(s, e);
			t->topic_id = s->has_ids ? e->topic_id : UUID_ZERO;
			t->partitions = parts;
		}
		t->partitions[t->partitions_count++] = e->told;
		parts++;
		before = e;
	}
	return true;
}

static bool put_forgotten(struct session *s, struct fetch_request *q, struct arena *arena)
{
	int32_t *parts = arena_calloc(arena, map_count(&s->entries), sizeof(*parts));
	struct fetch_request_forgotten_topics_data *t;

	q->forgotten_topics_data = arena_calloc(arena, map_count(&s->entries), sizeof(*q->forgotten_topics_data));
	if (parts == NULL || q->forgotten_topics_data == NULL)
		return false;
	MAP_FOREACH(m, &s->entries) {
		struct session_entry *e = m->value;
		if (e->wanted_in == s->number)
			continue;
		t = &q->forgotten_topics_data[q->forgotten_topics_data_count++];
		fetch_request_forgotten_topics_data_init(t);
		t->topic = arena_copy(arena, name_of(s, e));
		if (t->topic.ptr == NULL)
			return false;
		t->topic_id = s->has_ids ? e->topic_id : UUID_ZERO;
		t->partitions = parts;
		t->partitions_count = 1;
		*parts++ = e->told.partition;
		remove_entry(s, e);
	}
	return true;
}

bool session_end(struct session *s, struct fetch_request *q, struct arena *arena)
{
	q->session_id = s->id;
	q->session_epoch = s->epoch;
	return put_topics(s, q, arena) && put_forgotten(s, q, arena);
}

/* --- the answer --------------------------------------------------------------------------------------------------------------------- */

struct session_entry *session_find(struct session *s, const struct fetch_response_response *topic, int32_t partition)
{
	uint8_t key[KEY_MAX];
	size_t len = make_key(key, s->has_ids, topic->topic, topic->topic_id, partition);

	return len > 0 ? map_get(&s->entries, slice_of(key, len)) : NULL;
}

void session_failed(struct session *s)
{
	s->epoch = 0;
}

/* Each named at most once, and all of them known; returns how many, -1: not so. */
static int64_t count_answered(struct session *s, const struct fetch_response *m)
{
	int64_t n = 0;

	for (int32_t i = 0; i < m->responses_count; i++) {
		for (int32_t k = 0; k < m->responses[i].partitions_count; k++, n++) {
			struct session_entry *e = session_find(s, &m->responses[i], m->responses[i].partitions[k].partition_index);
			if (e == NULL || e->answered_in == s->number)
				return -1;
			e->answered_in = s->number;
		}
	}
	return n;
}

bool session_answered(struct session *s, const struct fetch_response *m)
{
	int64_t n = m->error_code == NONE ? count_answered(s, m) : -1;
	bool is_fitting = is_full(s) ? n == map_count(&s->entries) : n >= 0 && (m->session_id == 0 || m->session_id == s->id);

	if (!is_fitting) {
		if (m->error_code == FETCH_SESSION_ID_NOT_FOUND)
			session_reset(s);
		else
			session_failed(s);
		return false;
	}
	if (m->session_id == 0) {	/* there is none, or not any more */
		session_reset(s);
	} else if (is_full(s)) {
		s->id = m->session_id;
		s->epoch = 1;
	} else {
		s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
	}
	return true;
}
