/*
 * Committed offsets: taken, shown, deleted, expired.
 *
 * A commit is one batch. What it says becomes visible when it is committed in the log, which a question is answered by; until then it counts as pending, which is what a
 * reader that must have stable offsets waits for. Within a transaction it is set aside when it is in the log (transactions.c). Commits come home in the order in which they were written, so the later one wins.
 */
#include "group/group_priv.h"

#include <stdlib.h>

#include "base/utf16.h"

/* --- what is stored ---------------------------------------------------------------------------------------------------------------- */

static size_t fill_key(uint8_t *key, struct slice topic, int32_t partition)
{
	store_be32(key, (uint32_t)partition);
	if (topic.len > 0)
		memcpy(key + 4, topic.ptr, topic.len);
	return 4 + topic.len;
}

struct stored_offset *offsets_find(const struct group *g, struct slice topic, int32_t partition)
{
	uint8_t key[4 + INT16_MAX];

	if (topic.len > INT16_MAX)
		return NULL;
	return map_get(&g->offsets, slice_of(key, fill_key(key, topic, partition)));
}

struct stored_offset *offsets_make(struct group *g, struct slice topic, int32_t partition)
{
	struct stored_offset *o = offsets_find(g, topic, partition);

	if (o != NULL)
		return o;
	o = mem_calloc(1, sizeof(*o) + 4 + topic.len);
	size_t len = fill_key(o->key, topic, partition);
	o->topic = slice_of(o->key + 4, topic.len);
	o->partition = partition;
	o->log_offset = -1;
	map_put(&g->offsets, slice_of(o->key, len), o);
	return o;
}

static void set_metadata(struct stored_offset *o, struct slice metadata)
{
	free(o->metadata);
	o->metadata = metadata.len > 0 ? copy_text(metadata) : NULL;
	o->metadata_len = metadata.len;
}

void offsets_set(struct stored_offset *o, int64_t log_offset, int64_t offset, int32_t leader_epoch, struct slice metadata, time_ms commit_time, time_ms expire_time)
{
	o->has_value = true;
	o->log_offset = log_offset;
	o->offset = offset;
	o->leader_epoch = leader_epoch;
	o->commit_time = commit_time;
	o->expire_time = expire_time;
	set_metadata(o, metadata);
}

void offsets_drop(struct group *g, struct stored_offset *o)
{
	o->has_value = false;
	o->deletions++;
	if (o->pending > 0)
		return;
	map_remove(&g->offsets, slice_of(o->key, 4 + o->topic.len));
	free(o->metadata);
	free(o);
}

void offsets_end_pending(struct group *g, struct stored_offset *o, const struct stored_offset *value, int64_t log_offset, bool counts)
{
	o->pending--;
	if (counts && value->deletions == o->deletions && log_offset >= o->log_offset)
		offsets_set(o, log_offset, value->offset, value->leader_epoch, slice_of(value->metadata != NULL ? value->metadata : "", value->metadata_len),
		            value->commit_time, value->expire_time);
	if (!o->has_value && o->pending == 0)
		offsets_drop(g, o);
}

void offsets_free_all(struct group *g)
{
	MAP_FOREACH(e, &g->offsets) {
		struct stored_offset *o = e->value;

		free(o->metadata);
		free(o);
	}
}

/* --- commit ------------------------------------------------------------------------------------------------------------------------ */

static void refuse_all(struct coordinator *c, struct group_offset_commit *m, enum kafka_error error)
{
	for (int32_t i = 0; i < m->count; i++)
		m->offsets[i].error = error;
	coordinator_answer(c, &m->q, error);
}

/* Both may be whatever a client said. */
static time_ms later(time_ms base, int64_t ms)
{
	time_ms sum;

	return __builtin_add_overflow(base, ms, &sum) ? INT64_MAX : sum;
}

static enum kafka_error check_commit(struct coordinator *c, struct group_offset_commit *m, struct group **g, mono_ms now)
{
	*g = coordinator_group(c, m->caller.group);
	if (*g == NULL && m->caller.generation >= 0 && !m->is_transactional)
		return ILLEGAL_GENERATION;
	if (*g == NULL)
		*g = coordinator_make_group(c, m->caller.group);
	return group_check_commit(*g, &m->caller, m->is_transactional, now);
}

void coordinator_on_offset_commit(struct coordinator *c, struct group_offset_commit *m, mono_ms now)
{
	struct group *g;
	enum kafka_error error = check_commit(c, m, &g, now);
	size_t metadata_max = (size_t)MAX(coordinator_config(c)->offset_metadata_max_bytes, 0);
	time_ms time = coordinator_time(c);
	struct store *s;
	int32_t taken = 0;

	if (error != NONE) {
		refuse_all(c, m, error);
		return;
	}
	s = m->is_transactional ? coordinator_store_begin_in(c, m) : coordinator_store_begin(c);
	s->offsets = mem_calloc((size_t)m->count + 1, sizeof(struct stored_offset *));
	s->values = mem_calloc((size_t)m->count + 1, sizeof(*s->values));
	s->count = m->count;
	for (int32_t i = 0; i < m->count; i++) {
		struct group_offset *o = &m->offsets[i];
		struct stored_offset *v = &s->values[i];

		o->error = utf16_length(o->metadata) > metadata_max ? OFFSET_METADATA_TOO_LARGE : NONE;
		if (o->error != NONE)
			continue;
		*v = (struct stored_offset){
			.offset = o->offset, .leader_epoch = o->leader_epoch, .commit_time = o->commit_time >= 0 ? o->commit_time : time,
			.expire_time = m->retention_ms >= 0 ? later(time, m->retention_ms) : -1,
		};
		set_metadata(v, o->metadata);
		s->offsets[i] = offsets_make(g, o->topic, o->partition);
		s->offsets[i]->pending++;
		v->deletions = s->offsets[i]->deletions;
		records_offset_key(&s->scratch, g->id, o->topic, o->partition);
		size_t key_len = s->scratch.len;
		records_offset_value(&s->scratch, coordinator_config(c)->inter_broker_protocol_version, v);
		coordinator_store_add(c, s, key_len, false);
		taken++;
	}
	s->group = g;
	g->refs++;
	s->commit = m;
	coordinator_store_submit(c, s, taken > 0 ? coordinator_config(c)->offsets_commit_required_acks : 0);
}

/* --- fetch ------------------------------------------------------------------------------------------------------------------------- */

static bool show(struct group_offset *to, const struct stored_offset *o, struct arena *arena)
{
	to->offset = o->offset;
	to->leader_epoch = o->leader_epoch;
	to->commit_time = o->commit_time;
	to->metadata = arena_copy(arena, slice_of(o->metadata != NULL ? o->metadata : "", o->metadata_len));
	return !slice_is_null(to->metadata);
}

static bool fetch_one(const struct group *g, struct group_offset_fetch *m, struct group_offset *to)
{
	const struct stored_offset *o = g != NULL ? offsets_find(g, to->topic, to->partition) : NULL;

	to->offset = to->leader_epoch = -1;
	to->metadata = SLICE_EMPTY;
	to->error = NONE;
	if (o != NULL && o->pending > 0 && m->is_stable_required)
		to->error = UNSTABLE_OFFSET_COMMIT;
	else if (o != NULL && o->has_value)
		return show(to, o, &m->arena);
	return true;
}

static int by_topic(const void *a, const void *b)
{
	const struct group_offset *x = a, *y = b;
	int order = slice_cmp(x->topic, y->topic);

	return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool fetch_all(const struct group *g, struct group_offset_fetch *m)
{
	m->count = 0;
	m->offsets = arena_calloc(&m->arena, g != NULL ? map_count(&g->offsets) : 0, sizeof(*m->offsets));
	if (m->offsets == NULL)
		return false;
	if (g == NULL)
		return true;
	MAP_FOREACH(e, &g->offsets) {
		const struct stored_offset *o = e->value;
		struct group_offset *to = &m->offsets[m->count];

		if (!o->has_value)
			continue;
		to->topic = arena_copy(&m->arena, o->topic);
		to->partition = o->partition;
		if (slice_is_null(to->topic) || !fetch_one(g, m, to))
			return false;
		m->count++;
	}
	if (m->count > 0)
		qsort(m->offsets, (size_t)m->count, sizeof(*m->offsets), by_topic);
	return true;
}

void coordinator_on_offset_fetch(struct coordinator *c, struct group_offset_fetch *m)
{
	const struct group *g = coordinator_group(c, m->group);
	bool ok = true;

	if (m->wants_all)
		ok = fetch_all(g, m);
	for (int32_t i = 0; !m->wants_all && ok && i < m->count; i++)
		ok = fetch_one(g, m, &m->offsets[i]);
	coordinator_answer(c, &m->q, ok ? NONE : UNKNOWN_SERVER_ERROR);
}

/* --- delete, expire ----------------------------------------------------------------------------------------------------------------- */

static bool is_of_consumers(const struct group *g)
{
	return g->protocol_type != NULL && strcmp(g->protocol_type, "consumer") == 0;
}

void coordinator_on_offset_delete(struct coordinator *c, struct group_offset_delete *m)
{
	struct group *g = coordinator_group(c, m->group);
	struct group_topics subscribed;
	struct store *s;

	if (g == NULL) {
		coordinator_answer(c, &m->q, GROUP_ID_NOT_FOUND);
		return;
	}
	if (g->state != GROUP_EMPTY && !is_of_consumers(g)) {
		coordinator_answer(c, &m->q, NON_EMPTY_GROUP);
		return;
	}
	group_topics_init(&subscribed, g);
	s = coordinator_store_begin(c);
	for (int32_t i = 0; i < m->count; i++) {
		struct stored_offset *o = offsets_find(g, m->offsets[i].topic, m->offsets[i].partition);

		m->offsets[i].error = g->state != GROUP_EMPTY && group_topics_has(&subscribed, m->offsets[i].topic) ? GROUP_SUBSCRIBED_TO_TOPIC : NONE;
		if (m->offsets[i].error != NONE || o == NULL)
			continue;
		s = coordinator_add_offset_tombstone(c, s, g, o);
		offsets_drop(g, o);
	}
	group_topics_fini(&subscribed);
	s->question = &m->q;
	coordinator_store_submit(c, s, 1);
}

void coordinator_forget_topic(struct coordinator *c, struct slice topic)
{
	MAP_FOREACH(e, &c->groups) {
		struct group *g = e->value;
		struct store *s = NULL;

		MAP_FOREACH(f, &g->offsets) {
			struct stored_offset *o = f->value;

			if (!slice_eq(o->topic, topic))
				continue;
			s = coordinator_add_offset_tombstone(c, s, g, o);
			offsets_drop(g, o);
		}
		if (s != NULL)
			coordinator_store_submit(c, s, 1);
	}
}

/* When this offset's time is over; INT64_MAX: not as things are. */
static time_ms end_of(const struct group *g, const struct stored_offset *o, const struct group_topics *subscribed, time_ms retention)
{
	time_ms base = o->commit_time;

	if (g->protocol_type != NULL && g->state == GROUP_EMPTY)
		base = g->state_since >= 0 ? g->state_since : o->commit_time;
	else if (g->protocol_type != NULL && (g->state != GROUP_STABLE || !is_of_consumers(g) || group_topics_has(subscribed, o->topic)))
		return INT64_MAX;
	return o->expire_time >= 0 ? o->expire_time : later(base, retention);
}

static void expire_group(struct coordinator *c, struct group *g, time_ms now)
{
	time_ms retention = coordinator_config(c)->offsets_retention_minutes * (time_ms)60000;
	struct group_topics subscribed;
	struct store *s = NULL;

	group_topics_init(&subscribed, g);
	MAP_FOREACH(e, &g->offsets) {
		struct stored_offset *o = e->value;

		if (!o->has_value || o->pending > 0 || end_of(g, o, &subscribed, retention) > now)
			continue;
		s = coordinator_add_offset_tombstone(c, s, g, o);
		offsets_drop(g, o);
	}
	group_topics_fini(&subscribed);
	if (g->state == GROUP_EMPTY && map_count(&g->offsets) == 0 && map_count(&g->pending) == 0) {
		if (g->generation > 0) {
			if (s == NULL)
				s = coordinator_store_begin(c);
			coordinator_add_group_tombstone(c, s, g);
		}
		coordinator_remove_group(c, g);
	}
	if (s != NULL)
		coordinator_store_submit(c, s, 1);
}

void coordinator_expire_offsets(struct coordinator *c, time_ms now)
{
	MAP_FOREACH(e, &c->groups)
		expire_group(c, e->value, now);
}
