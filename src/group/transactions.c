/*
 * Offsets within transactions. A producer's offsets are set aside here when they are in the log, and count from its commit marker on, or never: until then they are
 * pending at their partitions, as commits under way are. The same rules hold when the log is read after an election, so both find the same.
 *
 * The marker is no question of the coordinator's: it comes when its partition has committed it. By then all that this producer wrote before it is committed, too, but
 * perhaps not home yet; what the log has of it is taken first. A store that came home with an error, and is in the log, counts as well: the next coordinator will find it.
 */
#include "group/group_priv.h"

#include <stdlib.h>

struct txn_offset {
	struct group         *group;		/* a reference */
	struct stored_offset *to;
	int64_t               log_offset;
	struct stored_offset  value;
};

/* What one producer has set aside. The later offset of a partition takes the earlier one's place. */
struct txn {
	uint8_t    key[8];			/* producer id */
	struct map offsets;			/* by the address of `to` */
};

static struct slice place_of(struct stored_offset *const *to)
{
	return slice_of(to, sizeof(*to));
}

static struct txn *txn_get(const struct coordinator *c, int64_t producer_id)
{
	uint8_t key[8];

	store_be64(key, (uint64_t)producer_id);
	return map_get(&c->txns, slice_of(key, sizeof(key)));
}

static struct txn *txn_make(struct coordinator *c, int64_t producer_id)
{
	struct txn *t = txn_get(c, producer_id);

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	store_be64(t->key, (uint64_t)producer_id);
	map_put(&c->txns, slice_of(t->key, sizeof(t->key)), t);
	return t;
}

static void txn_offset_end(struct txn_offset *x, bool counts)
{
	offsets_end_pending(x->group, x->to, &x->value, x->log_offset, counts);
	free(x->value.metadata);
	group_unref(x->group);
	free(x);
}

void txn_add(struct coordinator *c, int64_t producer_id, struct group *g, struct stored_offset *to, struct stored_offset *value, int64_t log_offset)
{
	struct txn *t = txn_make(c, producer_id);
	struct txn_offset *x = mem_calloc(1, sizeof(*x)), *before = map_get(&t->offsets, place_of(&to));

	*x = (struct txn_offset){ .group = g, .to = to, .value = *value, .log_offset = log_offset };
	value->metadata = NULL;
	g->refs++;
	to->pending++;
	map_put(&t->offsets, place_of(&x->to), x);
	if (before != NULL)
		txn_offset_end(before, false);
}

void txn_remove(struct coordinator *c, int64_t producer_id, struct stored_offset *to)
{
	struct txn *t = txn_get(c, producer_id);
	struct txn_offset *x = t != NULL ? map_remove(&t->offsets, place_of(&to)) : NULL;

	if (x != NULL)
		txn_offset_end(x, false);
}

static void txn_free(struct txn *t, bool counts)
{
	MAP_FOREACH(e, &t->offsets)
		txn_offset_end(e->value, counts);
	map_fini(&t->offsets);
	free(t);
}

void txn_end(struct coordinator *c, const struct marker *marker)
{
	struct txn *t = txn_get(c, marker->producer_id);

	if (t == NULL)
		return;
	map_remove(&c->txns, slice_of(t->key, sizeof(t->key)));
	txn_free(t, marker->type == MARKER_COMMIT);
}

void txn_drop_all(struct coordinator *c)
{
	MAP_FOREACH(e, &c->txns)
		txn_free(e->value, false);
	map_clear(&c->txns);
}

void txn_take_store(struct coordinator *c, struct store *s)
{
	if (s->is_set_aside || s->append.base_offset < 0)
		return;
	s->is_set_aside = true;
	for (int32_t i = 0; i < s->count; i++) {
		if (s->offsets[i] != NULL)
			txn_add(c, s->commit->producer_id, s->group, s->offsets[i], &s->values[i], s->append.base_offset);
	}
}

void txn_on_marker(struct coordinator *c, struct slice batch)
{
	struct marker marker;

	if (marker_read(batch, &marker) != OK)
		return;
	LIST_FOREACH(e, &c->stores) {
		struct store *s = LIST_ENTRY(e, struct store, link);

		if (s->commit != NULL && s->commit->is_transactional && s->commit->producer_id == marker.producer_id &&
		    s->leader_epoch == c->leader_epoch && s->append.base_offset < batch_base_offset(batch.ptr))
			txn_take_store(c, s);
	}
	txn_end(c, &marker);
}
