/*
 * Watches and the calls that stand at them. An entry, one per partition and kind of reader, is made
 * when the first call stands there and freed when its watch comes home.
 */
#include "api/fetch_watch.h"

#include <stdlib.h>

#include "base/map.h"

struct watch_key {
	struct partition_addr *partition;	/* a reference of the entry's */
	uint64_t               is_follower;	/* as wide as the pointer: no padding in a key */
};

struct watch_entry {
	struct partition_watch watch;
	struct watch_key       key;
	struct list            standing;	/* fetch_stand */
	bool                   is_lent;
};

struct fetch_watches {
	struct network *network;
	struct map      entries;		/* by struct watch_key, as bytes */
};

struct fetch_watches *fetch_watches_create(struct network *n)
{
	struct fetch_watches *w = mem_calloc(1, sizeof(*w));

	w->network = n;
	map_init(&w->entries);
	return w;
}

void fetch_watches_destroy(struct fetch_watches **w)
{
	uint32_t at = 0;
	struct map_entry *e;

	while ((e = map_next(&(*w)->entries, &at)) != NULL) {
		struct watch_entry *entry = e->value;

		ASSERT(!entry->is_lent && list_empty(&entry->standing));
		partition_addr_unref(&entry->key.partition);
		free(entry);
	}
	map_fini(&(*w)->entries);
	free(*w);
	*w = NULL;
}

static struct slice key_of(const struct watch_key *key)
{
	return slice_of(key, sizeof(*key));
}

static struct watch_entry *entry_of(struct fetch_watches *w, struct partition_addr *partition,
                                    bool is_follower)
{
	struct watch_key key = { partition, is_follower };
	struct watch_entry *e = map_get(&w->entries, key_of(&key));

	if (e != NULL)
		return e;
	e = mem_calloc(1, sizeof(*e));
	e->key = (struct watch_key){ partition_addr_ref(partition), is_follower };
	list_init(&e->standing);
	msg_init(&e->watch.msg, PARTITION_watch, network_actor(w->network));
	e->watch.msg.is_light = true;
	map_put(&w->entries, key_of(&e->key), e);
	return e;
}

static void entry_free(struct fetch_watches *w, struct watch_entry *e)
{
	map_remove(&w->entries, key_of(&e->key));
	partition_addr_unref(&e->key.partition);
	free(e);
}

/*
 * A watch that was lent for another call tells this one's news only if both have seen the same: a
 * newer one would sleep through what this one has yet to read.
 */
static bool serves(const struct partition_watch *w, const struct fetch_seen *seen)
{
	bool is_follower = seen->log_end_offset != INT64_MIN;

	return w->seen_leader_epoch == seen->leader_epoch &&
	       w->seen_log_end_offset == seen->log_end_offset &&
	       (is_follower || (w->seen_high_watermark == seen->high_watermark &&
	                        w->seen_last_stable_offset == seen->last_stable_offset));
}

bool fetch_stand_at(struct fetch_watches *w, struct partition_addr *partition,
                    const struct fetch_seen *seen, struct fetch_stand *stand, struct call *call)
{
	struct watch_entry *e = entry_of(w, partition, seen->log_end_offset != INT64_MIN);

	if (!e->is_lent) {
		e->watch.seen_high_watermark = seen->high_watermark;
		e->watch.seen_last_stable_offset = seen->last_stable_offset;
		e->watch.seen_log_end_offset = seen->log_end_offset;
		e->watch.seen_leader_epoch = seen->leader_epoch;
		if (!partition_ask(network_actor(w->network), partition, &e->watch.msg)) {
			if (list_empty(&e->standing))
				entry_free(w, e);
			return false;
		}
		e->is_lent = true;
	} else if (!serves(&e->watch, seen)) {
		return false;
	}
	stand->call = call;
	list_push_back(&e->standing, &stand->at_partition);
	return true;
}

void fetch_stand_leave(struct fetch_stand *stand)
{
	if (list_linked(&stand->at_partition))
		list_remove(&stand->at_partition);
}

bool fetch_watches_on_home(struct fetch_watches *w, struct msg *m)
{
	struct list *s;

	if (m->kind != PARTITION_watch)
		return false;
	struct watch_entry *e = CONTAINER_OF(m, struct watch_entry, watch.msg);

	e->is_lent = false;
	while ((s = list_pop_front(&e->standing)) != NULL)
		call_resume(LIST_ENTRY(s, struct fetch_stand, at_partition)->call);
	entry_free(w, e);
	return true;
}
