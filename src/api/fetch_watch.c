/*
 * Watches and the calls that stand at them. A partition's entry is made when the first call stands
 * there and freed when its watch comes home to nobody.
 */
#include "api/fetch_watch.h"

#include <stdlib.h>

#include "base/map.h"

struct watch_entry {
	struct partition_watch watch;
	struct partition_addr *partition;	/* a reference */
	struct list            standing;	/* fetch_stand */
	bool                   is_lent;
};

struct fetch_watches {
	struct network *network;
	struct map      entries;		/* by the address's own pointer, as bytes */
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
		partition_addr_unref(&entry->partition);
		free(entry);
	}
	map_fini(&(*w)->entries);
	free(*w);
	*w = NULL;
}

static struct slice key_of(struct partition_addr *const *partition)
{
	return slice_of(partition, sizeof(*partition));
}

static struct watch_entry *entry_of(struct fetch_watches *w, struct partition_addr *partition)
{
	struct watch_entry *e = map_get(&w->entries, key_of(&partition));

	if (e != NULL)
		return e;
	e = mem_calloc(1, sizeof(*e));
	e->partition = partition_addr_ref(partition);
	list_init(&e->standing);
	msg_init(&e->watch.msg, PARTITION_watch, network_actor(w->network));
	map_put(&w->entries, key_of(&e->partition), e);
	return e;
}

static void entry_free(struct fetch_watches *w, struct watch_entry *e)
{
	map_remove(&w->entries, key_of(&e->partition));
	partition_addr_unref(&e->partition);
	free(e);
}

bool fetch_stand_at(struct fetch_watches *w, struct partition_addr *partition,
                    const struct fetch_seen *seen, struct fetch_stand *stand, struct call *call)
{
	struct watch_entry *e = entry_of(w, partition);

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
	}
	if (seen->log_end_offset != INT64_MIN && e->watch.seen_log_end_offset == INT64_MIN)
		/* lent for consumers only: it would sleep through what this one waits for */
		return false;
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
