#include "storage/clean_txns.h"

#include <stdlib.h>

#include "record/build.h"

struct clean_txn {
	int64_t            producer_id;		/* the key */
	bool               is_aborted;
	bool               was_met;		/* a batch of it */
	struct aborted_txn aborted;
};

static struct slice key_of(const int64_t *producer_id)
{
	return slice_of(producer_id, sizeof(*producer_id));
}

void clean_txns_init(struct clean_txns *t)
{
	*t = (struct clean_txns){ .under_way = MAP_INIT };
}

void clean_txns_fini(struct clean_txns *t)
{
	uint32_t at = 0;
	struct map_entry *e;

	while ((e = map_next(&t->under_way, &at)) != NULL)
		free(e->value);
	map_fini(&t->under_way);
	free(t->ahead);
	clean_txns_init(t);
}

void clean_txns_add(struct clean_txns *t, const struct aborted_txn *a)
{
	if (t->ahead_at > 0) {		/* those behind are done with */
		t->ahead_count -= t->ahead_at;
		memmove(t->ahead, t->ahead + t->ahead_at, (size_t)t->ahead_count * sizeof(*t->ahead));
		t->ahead_at = 0;
	}
	if (t->ahead_count == t->ahead_room) {
		t->ahead_room = MAX(16, t->ahead_room * 2);
		t->ahead = mem_realloc_array(t->ahead, (size_t)t->ahead_room, sizeof(*t->ahead));
	}
	t->ahead[t->ahead_count++] = *a;
}

static int by_first_offset(const void *x, const void *y)
{
	const struct aborted_txn *a = x, *b = y;

	return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

void clean_txns_ready(struct clean_txns *t)
{
	if (t->ahead_count > t->ahead_at)
		qsort(t->ahead + t->ahead_at, (size_t)(t->ahead_count - t->ahead_at), sizeof(*t->ahead), by_first_offset);
}

static struct clean_txn *begin(struct clean_txns *t, int64_t producer_id)
{
	struct clean_txn *x = mem_calloc(1, sizeof(*x));

	x->producer_id = producer_id;
	map_put(&t->under_way, key_of(&x->producer_id), x);
	return x;
}

/* Aborted transactions that have begun by here. One that is listed with two sources is under way already. */
static void go_to(struct clean_txns *t, int64_t offset)
{
	for (; t->ahead_at < t->ahead_count && t->ahead[t->ahead_at].first_offset <= offset; t->ahead_at++) {
		const struct aborted_txn *a = &t->ahead[t->ahead_at];
		struct clean_txn *x = map_get(&t->under_way, key_of(&a->producer_id));

		if (x == NULL)
			x = begin(t, a->producer_id);
		else if (x->is_aborted)
			continue;
		else
			x->was_met = false;	/* of one before, whose marker is gone */
		x->is_aborted = true;
		x->aborted = *a;
	}
}

bool clean_txns_on_batch(struct clean_txns *t, const uint8_t *header)
{
	int64_t producer_id = batch_producer_id(header);

	go_to(t, batch_last_offset(header));
	if (!batch_is_transactional(header))
		return false;
	struct clean_txn *x = map_get(&t->under_way, key_of(&producer_id));
	if (x == NULL)
		x = begin(t, producer_id);
	x->was_met = true;
	return x->is_aborted;
}

enum err clean_txns_on_marker(struct clean_txns *t, struct slice batch, bool *may_go, bool *ended, struct aborted_txn *aborted)
{
	int64_t producer_id = batch_producer_id(batch.ptr);
	struct marker m;

	*ended = false;
	*may_go = true;
	go_to(t, batch_last_offset(batch.ptr));
	if (batch_record_count(batch.ptr) == 0)
		return OK;	/* emptied by an earlier pass */
	enum err e = marker_read(batch, &m);
	if (e != OK) {
		*may_go = false;		/* of a kind that is not known: it stays */
		return e == ERR_NOT_FOUND ? OK : e;
	}
	struct clean_txn *x = map_get(&t->under_way, key_of(&producer_id));
	if (x == NULL)
		return OK;
	*may_go = !x->was_met;		/* also where the index has another opinion of how it ended */
	if (x->is_aborted && x->was_met && m.type == MARKER_ABORT) {
		*ended = true;
		*aborted = x->aborted;
	}
	map_remove(&t->under_way, key_of(&producer_id));
	free(x);
	return OK;
}
