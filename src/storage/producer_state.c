/*
 * The rules by which a batch of a producer is accepted, and the bookkeeping that they need.
 *
 * State is changed in place, batch by batch, so that the next batch of the same call sees it;
 * before each change the entry's facts go onto the undo list. Rollback walks that list backwards.
 * What cannot be undone in place (a completed transaction entering the ring) waits for commit,
 * where the undo list says what there is to do.
 */
#include "storage/producer_state_priv.h"

#include <stdlib.h>

#include "storage/log.h"

#define JAVA_BUCKETS_MIN 16
#define COMPLETED_MIN    16

_Static_assert(PRODUCERS_MAX > 2 * LOG_APPEND_MAX,
	"the longest silent producer is never one that was just staged");

static struct slice id_key(const int64_t *id)
{
	return slice_of(id, sizeof(*id));
}

struct producer *producer_state_find(const struct producer_state *s, int64_t producer_id)
{
	return map_get(&s->producers, id_key(&producer_id));
}

struct producer *producer_state_put(struct producer_state *s, int64_t producer_id, bool *is_new)
{
	struct producer *p = producer_state_find(s, producer_id);

	*is_new = p == NULL;
	if (p != NULL)
		return p;
	p = mem_calloc(1, sizeof(*p));
	p->id = producer_id;
	p->facts = (struct producer_facts){ .txn_first_offset = -1, .last_timestamp = -1,
		.coordinator_epoch = -1, .epoch = -1 };
	map_put(&s->producers, id_key(&p->id), p);
	list_push_back(&s->recent, &p->link);
	return p;
}

static void forget(struct producer_state *s, struct producer *p)
{
	map_remove(&s->producers, id_key(&p->id));
	list_remove(&p->link);
	free(p);
}

static int64_t oldest_open(const struct producer_state *s, const struct producer *except)
{
	struct list *e = s->open.next;

	if (e != &s->open && except != NULL && e == &except->link)
		e = e->next;
	return e == &s->open ? -1 : LIST_ENTRY(e, struct producer, link)->facts.txn_first_offset;
}

/* Puts p on the list where its facts say it belongs. Transactions begin at the end of the log, so
 * the place among the open ones is found at once but for a rollback. */
static void relink(struct producer_state *s, struct producer *p)
{
	struct list *at = &s->open;

	list_remove(&p->link);
	if (p->facts.txn_first_offset < 0) {
		list_push_back(&s->recent, &p->link);
		return;
	}
	for (; at->prev != &s->open; at = at->prev) {
		struct producer *before = LIST_ENTRY(at->prev, struct producer, link);

		if (before->facts.txn_first_offset <= p->facts.txn_first_offset)
			break;
	}
	list_insert_before(at, &p->link);
}

/* --- life ------------------------------------------------------------------------------------- */

void producer_state_create(struct producer_state **out, int64_t expiration_ms)
{
	struct producer_state *s = mem_calloc(1, sizeof(*s));

	map_init(&s->producers);
	list_init(&s->open);
	list_init(&s->recent);
	s->expiration_ms = expiration_ms;
	s->snapshot_offset = -1;
	s->java_buckets = JAVA_BUCKETS_MIN;
	producer_snapshot_make_room(s);
	*out = s;
}

void producer_state_reset(struct producer_state *s, int64_t end_offset, int64_t snapshot_offset)
{
	ASSERT(s->staged_count == 0);
	MAP_FOREACH(e, &s->producers)
		free(e->value);
	map_clear(&s->producers);
	list_init(&s->open);
	list_init(&s->recent);
	s->completed_head = s->completed_count = 0;
	s->high_watermark = 0;
	s->end_offset = s->committed_end_offset = end_offset;
	s->snapshot_offset = snapshot_offset;
}

void producer_state_clear(struct producer_state *s, int64_t offset)
{
	producer_state_reset(s, offset, -1);
}

void producer_state_destroy(struct producer_state **sp)
{
	struct producer_state *s = *sp;

	if (s == NULL)
		return;
	s->staged_count = 0;
	producer_state_reset(s, 0, -1);
	map_fini(&s->producers);
	free(s->staged);
	free(s->completed);
	strbuf_fini(&s->order);
	strbuf_fini(&s->snapshot);
	strbuf_fini(&s->batches);
	free(s);
	*sp = NULL;
}

/* --- the rules -------------------------------------------------------------------------------- */

static bool is_duplicate(const struct producer *p, struct producer_append *a)
{
	if (p == NULL || p->facts.epoch != a->producer_epoch)
		return false;
	for (int i = 0; i < p->facts.batch_count; i++) {
		const struct producer_batch *b = &p->facts.batches[i];

		if (b->last_sequence != a->last_sequence ||
			producer_batch_base_sequence(b) != a->base_sequence)
			continue;
		a->is_duplicate = true;
		a->first_base_offset = b->last_offset - b->offset_delta;
		a->first_last_offset = b->last_offset;
		a->first_timestamp = b->timestamp;
		return true;
	}
	return false;
}

/* An unknown producer may begin anywhere: its past may have been lost to retention or expiry, and
 * to refuse it would stop it for good. */
static bool is_in_sequence(const struct producer *p, const struct producer_append *a)
{
	int32_t last;

	if (a->verified_sequence >= 0 && a->base_sequence > a->verified_sequence)
		return false;
	if (p == NULL || p->facts.epoch < 0)
		return true;
	if (p->facts.epoch != a->producer_epoch || p->facts.batch_count == 0)
		return a->base_sequence == 0;
	last = p->facts.batches[0].last_sequence;
	return a->base_sequence == (last == INT32_MAX ? 0 : last + 1);
}

static enum kafka_error check_data(const struct producer *p, const struct producer_append *a)
{
	bool is_open = p != NULL && p->facts.txn_first_offset >= 0;

	if (a->origin == PRODUCER_REPLICATED)
		return NONE;
	if (a->origin == PRODUCER_CLIENT && a->is_transactional && a->lacks_verification &&
	    !(is_open && p->facts.epoch == a->producer_epoch))
		return INVALID_TXN_STATE;
	if (p != NULL && a->producer_epoch < p->facts.epoch)
		return INVALID_PRODUCER_EPOCH;
	if (a->origin == PRODUCER_CLIENT && !is_in_sequence(p, a))
		return OUT_OF_ORDER_SEQUENCE_NUMBER;
	if (is_open && !a->is_transactional)
		return INVALID_TXN_STATE;
	return NONE;
}

static enum kafka_error check_marker(const struct producer *p, const struct producer_append *a)
{
	if (a->origin == PRODUCER_REPLICATED || p == NULL)
		return NONE;
	if (a->producer_epoch < p->facts.epoch)
		return INVALID_PRODUCER_EPOCH;
	if (a->coordinator_epoch < p->facts.coordinator_epoch)
		return TRANSACTION_COORDINATOR_FENCED;
	return NONE;
}

static void take_epoch(struct producer_facts *f, int16_t epoch)
{
	if (f->epoch != epoch)
		f->batch_count = 0;
	f->epoch = epoch;
}

static void apply_data(struct producer_facts *f, const struct producer_append *a)
{
	take_epoch(f, a->producer_epoch);
	memmove(f->batches + 1, f->batches, (PRODUCER_BATCHES - 1) * sizeof(f->batches[0]));
	f->batches[0] = (struct producer_batch){
		.last_sequence = a->last_sequence,
		.offset_delta = (int32_t)(a->last_offset - a->base_offset),
		.last_offset = a->last_offset,
		.timestamp = a->max_timestamp,
	};
	f->batch_count = (uint8_t)MIN(f->batch_count + 1, PRODUCER_BATCHES);
	f->last_timestamp = a->max_timestamp;
	if (a->is_transactional && f->txn_first_offset < 0)
		f->txn_first_offset = a->base_offset;
}

static void apply_marker(struct producer_state *s, struct producer *p, struct producer_append *a)
{
	struct producer_facts *f = &p->facts;

	if (f->txn_first_offset >= 0) {
		int64_t other = oldest_open(s, p);

		a->has_ended = true;
		a->txn_first_offset = f->txn_first_offset;
		a->txn_last_stable_offset = other >= 0 ? other : a->last_offset + 1;
	}
	take_epoch(f, a->producer_epoch);
	f->coordinator_epoch = a->coordinator_epoch;
	f->last_timestamp = a->max_timestamp;
	f->txn_first_offset = -1;
}

static bool make_room(struct producer_state *s)
{
	if (map_count(&s->producers) < PRODUCERS_MAX)
		return true;
	if (list_empty(&s->recent))
		return false;
	forget(s, LIST_ENTRY(s->recent.next, struct producer, link));
	return true;
}

static struct staged *stage(struct producer_state *s, struct producer *p, bool is_new)
{
	struct staged *u;

	ASSERT(s->staged_count < LOG_APPEND_MAX);
	if (s->staged_count == s->staged_room) {
		s->staged_room = MIN(MAX(4, s->staged_room * 2), LOG_APPEND_MAX);
		s->staged = mem_realloc_array(s->staged, (size_t)s->staged_room,
			sizeof(*s->staged));
	}
	u = &s->staged[s->staged_count++];
	*u = (struct staged){ .producer = p, .before = p->facts, .is_new = is_new, .ended_at = -1 };
	return u;
}

enum kafka_error producer_state_stage(struct producer_state *s, struct producer_append *a)
{
	struct producer *p = producer_state_find(s, a->producer_id);
	struct staged *u;
	enum kafka_error error;
	bool is_new;

	ASSERT(a->producer_id >= 0);
	ASSERT(a->last_offset >= a->base_offset && a->last_offset - a->base_offset <= INT32_MAX);
	a->is_duplicate = a->has_ended = false;
	if (a->is_control && a->marker == PRODUCER_MARKER_NONE)
		return NONE;
	if (!a->is_control && a->origin == PRODUCER_CLIENT && is_duplicate(p, a))
		return NONE;
	error = a->is_control ? check_marker(p, a) : check_data(p, a);
	if (error != NONE)
		return error;
	if (p == NULL && !make_room(s))
		return POLICY_VIOLATION;

	p = producer_state_put(s, a->producer_id, &is_new);
	u = stage(s, p, is_new);
	if (a->is_control)
		apply_marker(s, p, a);
	else
		apply_data(&p->facts, a);
	if (a->has_ended)
		u->ended_at = a->last_offset;
	if (u->before.txn_first_offset < 0 || p->facts.txn_first_offset < 0)
		relink(s, p);
	s->end_offset = MAX(s->end_offset, a->last_offset + 1);
	return NONE;
}

/*
 * The first unstable offset wants the smallest first offset among the completed transactions whose
 * marker the high watermark has not passed: the minimum of a sliding window, as markers enter and
 * leave in offset order. One that began no earlier than a later-ended one can never be the minimum
 * again, so it goes when that one enters; what is left ascends in both offsets and the minimum is
 * the head.
 */
static void complete(struct producer_state *s, int64_t first_offset, int64_t marker_offset)
{
	if (marker_offset < s->high_watermark)
		return;
	while (s->completed_count > 0) {
		uint32_t tail = s->completed_head + s->completed_count - 1;

		if (s->completed[tail & (s->completed_room - 1)].first_offset < first_offset)
			break;
		s->completed_count--;
	}
	if (s->completed_count == s->completed_room) {
		uint32_t room = MAX(COMPLETED_MIN, s->completed_room * 2);
		struct completed *ring = mem_calloc(room, sizeof(*ring));

		for (uint32_t i = 0; i < s->completed_count; i++)
			ring[i] = s->completed[(s->completed_head + i) & (s->completed_room - 1)];
		free(s->completed);
		s->completed = ring;
		s->completed_head = 0;
		s->completed_room = room;
	}
	s->completed[(s->completed_head + s->completed_count++) & (s->completed_room - 1)] =
		(struct completed){ first_offset, marker_offset };
}

void producer_state_commit(struct producer_state *s)
{
	for (int i = 0; i < s->staged_count; i++) {
		const struct staged *u = &s->staged[i];

		if (u->ended_at >= 0)
			complete(s, u->before.txn_first_offset, u->ended_at);
	}
	s->staged_count = 0;
	s->committed_end_offset = s->end_offset;
	while (map_count(&s->producers) > s->java_buckets / 4 * 3)
		s->java_buckets *= 2;
}

void producer_state_rollback(struct producer_state *s)
{
	while (s->staged_count > 0) {
		struct staged *u = &s->staged[--s->staged_count];

		u->producer->facts = u->before;
		if (u->is_new)
			forget(s, u->producer);
		else
			relink(s, u->producer);
	}
	s->end_offset = s->committed_end_offset;
	if (s->snapshot_offset > s->end_offset)
		s->snapshot_offset = -1;
}

void producer_state_advance(struct producer_state *s, int64_t end_offset)
{
	ASSERT(s->staged_count == 0 && end_offset >= s->end_offset);
	s->end_offset = s->committed_end_offset = end_offset;
}

int64_t producer_state_end_offset(const struct producer_state *s)
{
	return s->end_offset;
}

/* --- transactions ----------------------------------------------------------------------------- */

int64_t producer_state_first_unstable_offset(const struct producer_state *s)
{
	int64_t open = oldest_open(s, NULL);
	int64_t done = s->completed_count > 0 ? s->completed[s->completed_head].first_offset : -1;

	ASSERT(s->staged_count == 0);
	if (open < 0 || done < 0)
		return MAX(open, done);
	return MIN(open, done);
}

void producer_state_set_high_watermark(struct producer_state *s, int64_t high_watermark)
{
	if (high_watermark <= s->high_watermark)
		return;
	s->high_watermark = high_watermark;
	while (s->completed_count > 0 &&
		s->completed[s->completed_head].marker_offset < high_watermark) {
		s->completed_head = (s->completed_head + 1) & (s->completed_room - 1);
		s->completed_count--;
	}
}

/* --- upkeep ----------------------------------------------------------------------------------- */

void producer_state_set_expiration(struct producer_state *s, int64_t expiration_ms)
{
	s->expiration_ms = expiration_ms;
}

bool producer_is_expired(const struct producer_state *s, const struct producer_facts *f,
	time_ms now)
{
	int64_t idle;

	return f->txn_first_offset < 0 &&
		!__builtin_sub_overflow(now, f->last_timestamp, &idle) && idle >= s->expiration_ms;
}

int producer_state_expire(struct producer_state *s, time_ms now)
{
	int n = 0;

	ASSERT(s->staged_count == 0);
	LIST_FOREACH(e, &s->recent) {
		struct producer *p = LIST_ENTRY(e, struct producer, link);

		if (producer_is_expired(s, &p->facts, now)) {
			forget(s, p);
			n++;
		}
	}
	return n;
}

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int by_first_offset(const void *a, const void *b)
{
	const struct producer *x = *(struct producer *const *)a, *y = *(struct producer *const *)b;

	return compare(x->facts.txn_first_offset, y->facts.txn_first_offset);
}

static int by_timestamp(const void *a, const void *b)
{
	const struct producer *x = *(struct producer *const *)a, *y = *(struct producer *const *)b;

	return compare(x->facts.last_timestamp, y->facts.last_timestamp);
}

void producer_state_settle(struct producer_state *s)
{
	uint32_t count = map_count(&s->producers), open = 0, idle = 0;
	struct producer **all = mem_alloc((count + 1) * sizeof(struct producer *));

	MAP_FOREACH(e, &s->producers) {
		struct producer *p = e->value;

		list_remove(&p->link);
		if (p->facts.txn_first_offset >= 0)
			all[open++] = p;
		else
			all[count - ++idle] = p;
	}
	qsort(all, open, sizeof(all[0]), by_first_offset);
	qsort(all + open, idle, sizeof(all[0]), by_timestamp);
	for (uint32_t i = 0; i < count; i++)
		list_push_back(i < open ? &s->open : &s->recent, &all[i]->link);
	free(all);
	while (map_count(&s->producers) > PRODUCERS_MAX && !list_empty(&s->recent))
		forget(s, LIST_ENTRY(s->recent.next, struct producer, link));
	producer_state_commit(s);
}

int producer_state_count(const struct producer_state *s)
{
	return (int)map_count(&s->producers);
}

static void describe(const struct producer *p, struct producer_info *out)
{
	const struct producer_facts *f = &p->facts;
	bool has_batch = f->batch_count > 0;

	*out = (struct producer_info){
		.producer_id = p->id,
		.producer_epoch = f->epoch,
		.coordinator_epoch = f->coordinator_epoch,
		.last_timestamp = f->last_timestamp,
		.current_txn_first_offset = f->txn_first_offset,
		.last_sequence = has_batch ? f->batches[0].last_sequence : -1,
		.last_offset = has_batch ? f->batches[0].last_offset : -1,
	};
}

bool producer_state_get(const struct producer_state *s, int64_t producer_id,
	struct producer_info *out)
{
	const struct producer *p = producer_state_find(s, producer_id);

	if (p != NULL)
		describe(p, out);
	return p != NULL;
}

int producer_state_list(const struct producer_state *s, struct producer_info *out, int max)
{
	int n = 0;

	MAP_FOREACH(e, &s->producers)
		if (n < max)
			describe(e->value, &out[n++]);
	return producer_state_count(s);
}

bool producer_state_batch(const struct producer_state *s, int64_t producer_id, int i,
	int32_t *base_sequence, int32_t *last_sequence, int64_t *base_offset, int64_t *last_offset,
	time_ms *timestamp)
{
	const struct producer *p = producer_state_find(s, producer_id);
	const struct producer_batch *b;

	if (p == NULL || i < 0 || i >= p->facts.batch_count)
		return false;
	b = &p->facts.batches[i];
	*base_sequence = producer_batch_base_sequence(b);
	*last_sequence = b->last_sequence;
	*base_offset = b->last_offset - b->offset_delta;
	*last_offset = b->last_offset;
	*timestamp = b->timestamp;
	return true;
}
