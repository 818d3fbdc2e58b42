/*
 * Fetch sessions: a table of slots with tokens.
 *
 * A slot is FREE, IDLE (a session rests in it) or TAKEN (somebody holds the token). All changes of
 * a slot's content happen while it is TAKEN, so the only races are for the state word: FREE ->
 * TAKEN to create, IDLE -> TAKEN to use or evict. The acquire of a take orders the content written
 * before the release of the last give. The id is published beside the state so that a look-up
 * touches one slot; it is checked again under the token.
 */
#include "api/fetch_session.h"

#include <stdlib.h>

#include "base/bytes.h"

enum slot_state { SLOT_FREE, SLOT_IDLE, SLOT_TAKEN };

struct session_slot {
	uint32_t             state;
	int32_t              id;		/* 0 while free */
	/* copy of the session's, for who looks for a victim */
	int64_t              used;
	bool                 is_follower;
	int32_t              partitions;
	struct fetch_session session;
};

struct fetch_sessions {
	struct os           *os;
	int32_t              count;
	uint64_t             evictions;
	struct session_slot  slots[];
};

struct fetch_sessions *fetch_sessions_create(struct os *os, int32_t slots)
{
	struct fetch_sessions *s = mem_calloc(1, sizeof(*s) + (size_t)slots * sizeof(s->slots[0]));

	s->os = os;
	s->count = slots;
	return s;
}

static void session_clear(struct fetch_session *session)
{
	struct list *e;

	while ((e = list_pop_front(&session->order)) != NULL)
		free(LIST_ENTRY(e, struct fetch_want, order));
	map_fini(&session->wants);
}

void fetch_sessions_destroy(struct fetch_sessions **s)
{
	for (int32_t i = 0; i < (*s)->count; i++) {
		ASSERT((*s)->slots[i].state != SLOT_TAKEN);
		if ((*s)->slots[i].state == SLOT_IDLE)
			session_clear(&(*s)->slots[i].session);
	}
	free(*s);
	*s = NULL;
}

static bool slot_take(struct session_slot *slot, uint32_t from)
{
	return __atomic_compare_exchange_n(&slot->state, &from, SLOT_TAKEN, false, __ATOMIC_ACQUIRE,
	                                   __ATOMIC_RELAXED);
}

static void slot_leave(struct session_slot *slot, uint32_t to)
{
	__atomic_store_n(&slot->state, to, __ATOMIC_RELEASE);
}

static struct session_slot *slot_of(struct fetch_session *session)
{
	return CONTAINER_OF(session, struct session_slot, session);
}

/* The slot's number is part of the id, so that finding a session is one look. */
static int32_t new_id(struct fetch_sessions *s, int32_t slot)
{
	uint32_t rounds = (uint32_t)INT32_MAX / (uint32_t)s->count - 1;

	uint32_t round = (uint32_t)(os_random_u64(s->os) % rounds);

	return (int32_t)(round * (uint32_t)s->count) + slot + s->count;
}

struct fetch_session *fetch_session_take(struct fetch_sessions *s, int32_t id, bool *is_busy)
{
	*is_busy = false;
	if (id <= 0 || s->count == 0)
		return NULL;
	struct session_slot *slot = &s->slots[id % s->count];

	if (__atomic_load_n(&slot->id, __ATOMIC_RELAXED) != id)
		return NULL;
	if (!slot_take(slot, SLOT_IDLE)) {
		*is_busy = true;
		return NULL;
	}
	if (slot->id != id) {		/* evicted between the two looks */
		slot_leave(slot, SLOT_IDLE);
		return NULL;
	}
	return &slot->session;
}

static struct session_slot *take_free(struct fetch_sessions *s)
{
	uint32_t at = (uint32_t)os_random_u64(s->os) % (uint32_t)s->count;

	for (int32_t i = 0; i < s->count; i++) {
		struct session_slot *slot = &s->slots[(at + (uint32_t)i) % (uint32_t)s->count];

		if (__atomic_load_n(&slot->state, __ATOMIC_RELAXED) == SLOT_FREE &&
		    slot_take(slot, SLOT_FREE))
			return slot;
	}
	return NULL;
}

/*
 * Any session that was idle for long; else, for a follower, the consumer's that was idle longest.
 */
static struct session_slot *take_victim(struct fetch_sessions *s, bool for_follower, mono_ms now)
{
	struct session_slot *oldest = NULL;

	for (int32_t i = 0; i < s->count; i++) {
		struct session_slot *slot = &s->slots[i];
		mono_ms used = __atomic_load_n(&slot->used, __ATOMIC_RELAXED);
		bool is_stale = now - used > SESSION_IDLE_MS;
		bool gives_way = for_follower && !__atomic_load_n(&slot->is_follower,
		                                                  __ATOMIC_RELAXED);

		if ((is_stale || gives_way) && (oldest == NULL ||
		                                used < __atomic_load_n(&oldest->used,
		                                                       __ATOMIC_RELAXED)))
			oldest = slot;
	}
	if (oldest == NULL || !slot_take(oldest, SLOT_IDLE))
		return NULL;
	session_clear(&oldest->session);
	__atomic_fetch_add(&s->evictions, 1, __ATOMIC_RELAXED);
	return oldest;
}

struct fetch_session *fetch_session_create(struct fetch_sessions *s, bool uses_ids,
                                           bool is_follower, mono_ms now)
{
	if (s->count == 0)
		return NULL;
	struct session_slot *slot = take_free(s);
	if (slot == NULL)
		slot = take_victim(s, is_follower, now);
	if (slot == NULL)
		return NULL;
	int32_t id = new_id(s, (int32_t)(slot - s->slots));
	slot->session = (struct fetch_session){ .id = id, .next_epoch = 1, .uses_ids = uses_ids,
		.is_follower = is_follower, .used = now };
	list_init(&slot->session.order);
	map_init(&slot->session.wants);
	slot->is_follower = is_follower;
	__atomic_store_n(&slot->used, now, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->id, id, __ATOMIC_RELAXED);
	return &slot->session;
}

void fetch_session_give(struct fetch_sessions *s, struct fetch_session *session, mono_ms now)
{
	struct session_slot *slot = slot_of(session);

	(void)s;
	session->used = now;
	__atomic_store_n(&slot->used, now, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->partitions, (int32_t)map_count(&session->wants), __ATOMIC_RELAXED);
	slot_leave(slot, SLOT_IDLE);
}

void fetch_session_remove(struct fetch_sessions *s, struct fetch_session *session)
{
	struct session_slot *slot = slot_of(session);

	(void)s;
	session_clear(session);
	__atomic_store_n(&slot->id, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->partitions, 0, __ATOMIC_RELAXED);
	slot_leave(slot, SLOT_FREE);
}

/* --- entries ---------------------------------------------------------------------------------- */

static struct slice topic_key(struct slice topic, const struct uuid *id)
{
	return uuid_is_zero(*id) ? topic : slice_of(id->bytes, sizeof(id->bytes));
}

size_t fetch_want_size(struct slice topic, struct uuid id)
{
	return sizeof(struct fetch_want) + topic_key(topic, &id).len + sizeof(uint32_t);
}

void fetch_want_init(struct fetch_want *w, struct slice topic, struct uuid id, int32_t partition)
{
	struct slice key = topic_key(topic, &id);

	*w = (struct fetch_want){
		.topic_id = id, .partition = partition,
		.told_high_watermark = INT64_MIN, .told_log_start_offset = INT64_MIN,
	};
	if (key.len > 0)
		memcpy(w->key, key.ptr, key.len);
	store_be32(w->key + key.len, (uint32_t)partition);
	w->key_len = key.len + sizeof(uint32_t);
	w->topic = uuid_is_zero(id) ? slice_of(w->key, key.len) : SLICE_EMPTY;
}

struct fetch_want *fetch_session_want(struct fetch_session *session, struct slice topic,
                                      struct uuid id, int32_t partition, bool *is_new)
{
	struct fetch_want *w = mem_alloc(fetch_want_size(topic, id));

	fetch_want_init(w, topic, id, partition);
	struct fetch_want *old = map_get(&session->wants, slice_of(w->key, w->key_len));
	*is_new = old == NULL;
	if (old != NULL) {
		free(w);
		return old;
	}
	map_put(&session->wants, slice_of(w->key, w->key_len), w);
	list_push_back(&session->order, &w->order);
	return w;
}

void fetch_session_forget(struct fetch_session *session, struct slice topic, struct uuid id,
                          int32_t partition)
{
	struct fetch_want *key = mem_alloc(fetch_want_size(topic, id));

	fetch_want_init(key, topic, id, partition);
	struct fetch_want *w = map_remove(&session->wants, slice_of(key->key, key->key_len));
	free(key);
	if (w != NULL) {
		list_remove(&w->order);
		free(w);
	}
}

void fetch_sessions_count(const struct fetch_sessions *s, struct fetch_session_counts *out)
{
	*out = (struct fetch_session_counts){
		.evictions = __atomic_load_n(&s->evictions, __ATOMIC_RELAXED),
	};
	for (int32_t i = 0; i < s->count; i++) {
		if (__atomic_load_n(&s->slots[i].state, __ATOMIC_RELAXED) == SLOT_FREE)
			continue;
		out->sessions++;
		out->partitions += (uint64_t)__atomic_load_n(&s->slots[i].partitions,
		                                             __ATOMIC_RELAXED);
	}
}
