/*
 * ListPartitionReassignments: what is being moved.
 */
#include "controller/active_priv.h"

#include "wire/gen/list_partition_reassignments.h"

static bool copy_ids(int32_t **out, int32_t *n, const struct id_list *l, struct arena *arena)
{
	*n = l->count;
	*out = arena_calloc(arena, (size_t)l->count, sizeof(**out));
	if (*out != NULL && l->count > 0)
		memcpy(*out, l->ids, (size_t)l->count * sizeof(**out));
	return *out != NULL;
}

static bool fill_moving(struct list_partition_reassignments_response_topic *t, const struct active_partition *p, struct arena *arena)
{
	struct list_partition_reassignments_response_partition *out = &t->partitions[t->partitions_count++];

	out->partition_index = p->id;
	return copy_ids(&out->replicas, &out->replicas_count, &p->replicas, arena) &&
	       copy_ids(&out->adding_replicas, &out->adding_replicas_count, &p->adding, arena) &&
	       copy_ids(&out->removing_replicas, &out->removing_replicas_count, &p->removing, arena);
}

/* Of a topic, those partitions that are moving: of the ones asked for, or of all. The topic is listed if there are any. */
static bool list_topic(struct list_partition_reassignments_response *out, const struct active_topic *topic, const int32_t *wanted, int32_t n, struct arena *arena)
{
	struct list_partition_reassignments_response_topic *t = &out->topics[out->topics_count];

	t->partitions_count = 0;
	t->name = arena_copy(arena, slice_str(topic->name));
	t->partitions = arena_calloc(arena, (size_t)n, sizeof(*t->partitions));
	if (slice_is_null(t->name) || t->partitions == NULL)
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct active_partition *p = wanted != NULL ? active_partition_get(topic, wanted[i]) : topic->partitions[i];

		if (p != NULL && active_has_changes(p) && !fill_moving(t, p, arena))
			return false;
	}
	out->topics_count += t->partitions_count > 0;
	return true;
}

static bool is_any_moving(const struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (active_has_changes(t->partitions[i]))
			return true;
	}
	return false;
}

static bool list_all(const struct active *a, struct list_partition_reassignments_response *out, struct arena *arena)
{
	bool ok = true;

	out->topics = arena_calloc(arena, map_count(&a->topics) + 1, sizeof(*out->topics));
	uint32_t at = 0;
	for (struct map_entry *e; out->topics != NULL && (e = map_next(&a->topics, &at)) != NULL; ) {
		const struct active_topic *t = e->value;

		if (is_any_moving(t))
			ok &= list_topic(out, t, NULL, t->partition_count, arena);
	}
	return ok && out->topics != NULL;
}

static bool list_wanted(struct controller *c, const struct list_partition_reassignments_request *q, struct list_partition_reassignments_response *out,
                        struct arena *arena)
{
	bool ok = true;

	out->topics = arena_calloc(arena, (size_t)q->topics_count + 1, sizeof(*out->topics));
	for (int32_t i = 0; out->topics != NULL && i < q->topics_count; i++) {
		const struct active_topic *t = active_topic_get(c, q->topics[i].name);

		if (t != NULL)
			ok &= list_topic(out, t, q->topics[i].partition_indexes, q->topics[i].partition_indexes_count, arena);
	}
	return ok && out->topics != NULL;
}

static enum task_result list_run(struct controller *c, struct task *t)
{
	struct controller_request *m = ((struct active_ask_task *)t)->ask.request;
	const struct list_partition_reassignments_request *q = m->request;
	struct list_partition_reassignments_response *out = m->response;

	if (!(q->topics_count < 0 ? list_all(c->active, out, m->arena) : list_wanted(c, q, out, m->arena))) {
		out->topics_count = 0;
		out->error_code = UNKNOWN_SERVER_ERROR;
	}
	return TASK_DONE;
}

static const struct task_kind list_kind = { .name = "list reassignments", .run = list_run, .fini = active_ask_task_fini };

void active_enqueue_list_reassignments(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &list_kind, sizeof(struct active_ask_task), ask)->task);
}
