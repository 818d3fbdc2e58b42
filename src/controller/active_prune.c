/*
 * /admin/reassign_partitions, where old tools write what they want moved: what is done, superseded or impossible is taken out.
 */
#include "controller/active_reassign.h"

#include <stdlib.h>

enum prune_stage { PRUNE_LOOK, PRUNE_READ, PRUNE_WRITE, PRUNE_WRITTEN };

struct prune_task {
	struct task                  task;
	struct znode_partition_name *names;	/* to be taken out; without replicas: whatever is wanted of them. Owned, with what it points to */
	int32_t                      count;
};

static void names_free(struct znode_partition_name *names, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)names[i].topic.ptr);
		free(names[i].replicas);
	}
	free(names);
}

static void prune_fini(struct controller *c, struct task *t)
{
	(void)c;
	names_free(((struct prune_task *)t)->names, ((struct prune_task *)t)->count);
}

static bool is_pruned(const struct prune_task *pt, const struct znode_partition_name *entry)
{
	for (int32_t i = 0; i < pt->count; i++) {
		const struct znode_partition_name *n = &pt->names[i];

		if (n->partition != entry->partition || !slice_eq(n->topic, entry->topic))
			continue;
		if (n->replicas == NULL || (n->replica_count == entry->replica_count &&
		                            memcmp(n->replicas, entry->replicas, (size_t)n->replica_count * sizeof(int32_t)) == 0))
			return true;
	}
	return false;
}

/* Deleted when nothing is left, or nothing can be read. */
static enum task_result prune_write(struct controller *c, struct prune_task *pt)
{
	struct store_call *s = pt->task.last;
	struct znode_partition_name *entries;
	int32_t n = 0, kept = 0;

	if (s->call.result != OK)
		return TASK_DONE;
	if (!znode_reassign_decode(store_call_op(s)->out, &entries, &n, &s->call.arena))
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", s->path), KV_ERR(ERR_INVALID));
	for (int32_t i = 0; i < n; i++) {
		if (!is_pruned(pt, &entries[i]))
			entries[kept++] = entries[i];
	}
	if (kept == n && n > 0)
		return TASK_DONE;
	strbuf_reset(&c->text);
	if (kept > 0)
		znode_reassign_encode(entries, kept, &c->text);
	task_drop_calls(&pt->task);
	if (kept > 0)
		task_set_node(c, &pt->task, true, COORD_ANY_VERSION, REASSIGN_NODE);
	else
		task_delete_node(c, &pt->task, true, COORD_ANY_VERSION, REASSIGN_NODE);
	pt->task.stage = PRUNE_WRITTEN;
	return task_submit(c, &pt->task);
}

static enum task_result prune_run(struct controller *c, struct task *t)
{
	struct prune_task *pt = (struct prune_task *)t;

	switch ((enum prune_stage)t->stage) {
	case PRUNE_LOOK:
		task_exists(c, t, true, REASSIGN_NODE);
		t->stage = PRUNE_READ;
		return task_submit(c, t);
	case PRUNE_READ:
		if (t->last->call.result != OK)
			return TASK_DONE;
		task_drop_calls(t);
		task_get(c, t, false, REASSIGN_NODE);
		t->stage = PRUNE_WRITE;
		return task_submit(c, t);
	case PRUNE_WRITE:
		return prune_write(c, pt);
	case PRUNE_WRITTEN:
		if (active_is_fenced_off(t))
			return active_moved(c, t);
		if (store_call_op(t->last)->kind == COORD_DELETE)
			active_enqueue_reassign_node(c);	/* arms the watch for the next one */
		break;
	}
	return TASK_DONE;
}

static const struct task_kind prune_kind = { .name = "prune reassignment node", .run = prune_run, .fini = prune_fini };

void reassign_push_prune(struct controller *c, struct znode_partition_name *names, int32_t n)
{
	struct prune_task *pt = (struct prune_task *)task_create(&c->active_queue, &prune_kind, sizeof(*pt), NULL);

	pt->names = names;
	pt->count = n;
	task_push(&pt->task);
}

void reassign_name(struct znode_partition_name *n, const char *topic, int32_t partition, const int32_t *replicas, int32_t replica_count)
{
	*n = (struct znode_partition_name){ .topic = slice_str(mem_strdup(topic)), .partition = partition, .replica_count = replica_count };
	if (replicas != NULL) {
		n->replicas = mem_calloc((size_t)replica_count + 1, sizeof(int32_t));
		memcpy(n->replicas, replicas, (size_t)replica_count * sizeof(int32_t));
	}
}
