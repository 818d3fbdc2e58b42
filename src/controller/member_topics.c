/*
 * What this broker knows of topics: what the controller of the cluster said last, which replicas are hosted here, and the configuration the store holds. A topic is
 * remembered as long as anything of it is known or hosted.
 */
#include "controller/controller_priv.h"

#include <stdlib.h>

void id_list_set(struct id_list *l, const int32_t *ids, int32_t n)
{
	if (n != l->count) {
		l->ids = n > 0 ? mem_realloc_array(l->ids, (size_t)n, sizeof(*l->ids)) : (free(l->ids), NULL);
		l->count = n;
	}
	if (n > 0)
		memcpy(l->ids, ids, (size_t)n * sizeof(*ids));
}

bool id_list_has(const struct id_list *l, int32_t id)
{
	for (int32_t i = 0; i < l->count; i++) {
		if (l->ids[i] == id)
			return true;
	}
	return false;
}

struct topic_state *topic_state_get(const struct controller *c, struct slice name)
{
	return map_get(&c->topics, name);
}

struct topic_state *topic_state_make(struct controller *c, struct slice name)
{
	struct topic_state *t = topic_state_get(c, name);

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strndup((const char *)name.ptr, name.len);
	map_put(&c->topics, slice_str(t->name), t);
	return t;
}

struct partition_state *topic_state_partition(struct topic_state *t, int32_t id, bool make)
{
	int32_t low = 0, high = t->partition_count;

	while (low < high) {
		int32_t middle = low + (high - low) / 2;

		if (t->partitions[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < t->partition_count && t->partitions[low].id == id)
		return &t->partitions[low];
	if (!make)
		return NULL;
	t->partitions = mem_realloc_array(t->partitions, (size_t)t->partition_count + 1, sizeof(*t->partitions));
	memmove(&t->partitions[low + 1], &t->partitions[low], (size_t)(t->partition_count - low) * sizeof(*t->partitions));
	t->partition_count++;
	t->partitions[low] = (struct partition_state){ .id = id, .leader = -1, .leader_epoch = -1, .role_epoch = -1 };
	return &t->partitions[low];
}

static void partition_state_fini(struct partition_state *p)
{
	free(p->replicas.ids);
	free(p->isr.ids);
	free(p->offline.ids);
	if (p->local != NULL)
		partition_addr_unref(&p->local);
}

void topic_state_free(struct topic_state *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		partition_state_fini(&t->partitions[i]);
	free(t->partitions);
	if (t->overrides != NULL)
		counted_unref(&t->overrides->counted);
	free(t->name);
	free(t);
}

void topic_state_drop_if_empty(struct controller *c, struct topic_state *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i].is_known || t->partitions[i].local != NULL)
			return;
	}
	if (t->is_in_picture)
		return;
	map_remove(&c->topics, slice_str(t->name));
	topic_state_free(t);
}

void member_forget_gone(struct controller *c, const struct coord_op *topics, const struct coord_op *going)
{
	struct cluster *next = NULL;
	struct map stored = MAP_INIT;

	for (int32_t i = 0; i < topics->name_count; i++)
		map_put(&stored, topics->names[i], &topics->names[i]);
	for (int32_t i = 0; i < going->name_count; i++)
		map_remove(&stored, going->names[i]);
	MAP_FOREACH(e, &c->topics) {
		struct topic_state *t = e->value;

		if (!t->is_in_picture || map_get(&stored, e->key) != NULL)
			continue;
		for (int32_t i = 0; i < t->partition_count; i++)
			t->partitions[i].is_known = false;
		if (next == NULL)
			next = controller_next_picture(c);
		controller_put_topic(c, next, t);
		topic_state_drop_if_empty(c, t);
	}
	map_fini(&stored);
	if (next != NULL)
		controller_publish(c, next);
}
