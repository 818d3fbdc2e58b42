/*
 * Topics as the store has them: reading their nodes, and bringing up what is new.
 *
 * One way in: whoever made a topic or gave it more partitions, we ourselves or another broker, its node is read, and partitions that are not known yet are brought up. What is known
 * already stays as it is: only the controller changes assignments.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "os/os.h"

/* --- the cache ------------------------------------------------------------------------------------------------------------------------- */

static void partition_free(struct active_partition *p)
{
	free(p->isr.ids);
	free(p->replicas.ids);
	free(p->adding.ids);
	free(p->removing.ids);
	free(p->states);
	free(p);
}

void active_topic_free(struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		partition_free(t->partitions[i]);
	free(t->partitions);
	free(t->name);
	free(t);
}

static struct slice id_key(const struct active_topic *t)
{
	return slice_of(t->id.bytes, sizeof(t->id.bytes));
}

static void set_id(struct active *a, struct active_topic *t, struct uuid id)
{
	t->id = id;
	map_put(&a->topic_ids, id_key(t), t);
}

void active_topic_forget(struct active *a, struct active_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		a->replica_count -= t->partitions[i]->replicas.count;
	a->queued_count -= t->is_queued;
	if (active_topic_by_id(a, t->id) == t)
		map_remove(&a->topic_ids, id_key(t));
	map_remove(&a->topics, slice_str(t->name));
	active_topic_free(t);
}

static struct active_topic *topic_make(struct active *a, const char *name)
{
	struct active_topic *t = map_get(&a->topics, slice_str(name));

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strdup(name);
	t->number = a->next_number++;
	map_put(&a->topics, slice_str(t->name), t);
	return t;
}

static struct active_partition *partition_make(struct active *a, struct active_topic *t, const struct znode_partition *z)
{
	struct active_partition *p = mem_calloc(1, sizeof(*p));

	p->topic = t;
	p->id = z->id;
	active_set_assignment(a, p, z->replicas, z->replica_count, z->adding, z->adding_count, z->removing, z->removing_count);
	p->is_reassigning = z->adding_count > 0 || z->removing_count > 0;
	return p;
}

/* Both ascend. */
static void take_partitions(struct active *a, struct active_topic *t, const struct znode_topic *z)
{
	struct active_partition **next = mem_calloc((size_t)(t->partition_count + z->partition_count) + 1, sizeof(*next));
	int32_t n = 0, k = 0;

	for (int32_t i = 0; i < z->partition_count; i++) {
		while (k < t->partition_count && t->partitions[k]->id < z->partitions[i].id)
			next[n++] = t->partitions[k++];
		if (k < t->partition_count && t->partitions[k]->id == z->partitions[i].id)
			next[n++] = t->partitions[k++];
		else
			next[n++] = partition_make(a, t, &z->partitions[i]);
	}
	while (k < t->partition_count)
		next[n++] = t->partitions[k++];
	free(t->partitions);
	t->partitions = next;
	t->partition_count = n;
}

void active_encode_topic_with(struct controller *c, const struct active_topic *t, const struct active_partition *changed, const struct active_assignment *to)
{
	struct znode_partition *parts = mem_calloc((size_t)t->partition_count + 1, sizeof(*parts));
	struct znode_topic z = { .id = t->id, .partitions = parts, .partition_count = t->partition_count };

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct active_partition *p = t->partitions[i];

		if (p == changed)
			parts[i] = (struct znode_partition){
				.id = p->id, .replicas = to->replicas, .replica_count = to->replica_count, .adding = to->adding, .adding_count = to->adding_count,
				.removing = to->removing, .removing_count = to->removing_count,
			};
		else
			parts[i] = (struct znode_partition){
				.id = p->id, .replicas = p->replicas.ids, .replica_count = p->replicas.count, .adding = p->adding.ids,
				.adding_count = p->adding.count, .removing = p->removing.ids, .removing_count = p->removing.count,
			};
	}
	strbuf_reset(&c->text);
	znode_topic_encode(&z, &c->text);
	free(parts);
}

void active_encode_topic(struct controller *c, const struct active_topic *t)
{
	active_encode_topic_with(c, t, NULL, NULL);
}

/* Random, as version 4; a text that begins with '-' would be taken for an option by tools. */
struct uuid active_new_topic_id(struct controller *c)
{
	struct uuid id;
	char text[UUID_TEXT_LEN + 1];

	do {
		os_random(c->os, id.bytes, sizeof(id.bytes));
		id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
		id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	} while (uuid_to_text(id, text)[0] == '-');
	return id;
}

/* --- reading and bringing up -------------------------------------------------------------------------------------------------------------- */

enum topics_stage { TOPICS_LIST, TOPICS_READ, TOPICS_TAKE, TOPICS_IDS, TOPICS_ONLINE, TOPICS_REPLICAS, TOPICS_DONE };

struct topics_task {
	struct task           task;
	bool                  is_load;	/* failover: into the cache, no more */
	char                **names;
	int32_t               count;
	struct partition_list fresh;
	struct replica_list   replicas;
};

static void topics_fini(struct controller *c, struct task *t)
{
	struct topics_task *tt = (struct topics_task *)t;

	(void)c;
	for (int32_t i = 0; i < tt->count; i++)
		free(tt->names[i]);
	free(tt->names);
	active_partitions_fini(&tt->fresh);
	active_replicas_fini(&tt->replicas);
}

static void add_name(struct topics_task *tt, struct slice name)
{
	tt->names[tt->count++] = mem_strndup((const char *)name.ptr, name.len);
}

static bool is_listed(const struct map *names, const struct active_topic *t)
{
	return map_get(names, slice_str(t->name)) != NULL;
}

/* Topics whose node is gone though we did not delete them: no more is known of them. */
static void forget_vanished(struct controller *c, const struct coord_op *list)
{
	struct active *a = c->active;
	struct map names = MAP_INIT;

	for (int32_t i = 0; i < list->name_count; i++)
		map_put(&names, list->names[i], &list->names[i]);
	MAP_FOREACH(e, &a->topics) {
		if (!is_listed(&names, e->value))
			active_topic_forget(a, e->value);
	}
	map_fini(&names);
}

static enum task_result topics_listed(struct controller *c, struct topics_task *tt)
{
	struct store_call *call = tt->task.last;
	const struct coord_op *list = store_call_op(call);

	if (call->call.result != OK) {
		LOG_ERROR(&c->actor.log, store_refused, KV_STR("path", call->path), KV_ERR(call->call.result));
		return TASK_DONE;
	}
	forget_vanished(c, list);
	tt->names = mem_calloc((size_t)list->name_count + 1, sizeof(*tt->names));
	for (int32_t i = 0; i < list->name_count; i++) {
		if (active_topic_get(c, list->names[i]) == NULL)
			add_name(tt, list->names[i]);
	}
	tt->task.stage = TOPICS_READ;
	return TASK_AGAIN;
}

static enum task_result topics_read(struct controller *c, struct topics_task *tt)
{
	task_drop_calls(&tt->task);
	for (int32_t i = 0; i < tt->count; i++)
		task_get(c, &tt->task, true, "/brokers/topics/%s", tt->names[i])->mark = tt->names[i];
	tt->task.stage = TOPICS_TAKE;
	return task_submit(c, &tt->task);
}

static void take_topic(struct controller *c, struct store_call *call)
{
	struct active *a = c->active;
	struct znode_topic z;
	const char *name = call->mark;

	if (call->call.result == ERR_NOT_FOUND)
		return;		/* deleted meanwhile */
	if (call->call.result != OK || !znode_topic_decode(&z, store_call_op(call)->out, &call->call.arena)) {
		LOG_ERROR(&c->actor.log, topic_unreadable, KV_STR("topic", name));
		return;
	}
	struct active_topic *t = topic_make(a, name);
	t->version = store_call_op(call)->stat.version;
	if (uuid_is_zero(t->id) && !uuid_is_zero(z.id))
		set_id(a, t, z.id);
	take_partitions(a, t, &z);
}

/* Topics made by older brokers get an id, once and for all. */
static enum task_result topics_take(struct controller *c, struct topics_task *tt)
{
	for (struct list *e = tt->task.calls.next; e != &tt->task.calls; e = e->next)
		take_topic(c, LIST_ENTRY(e, struct store_call, link));
	task_drop_calls(&tt->task);
	for (int32_t i = 0; i < tt->count && active_has_version(c, KAFKA_VERSION(2, 8, 0)); i++) {
		struct active_topic *t = active_topic_get(c, slice_str(tt->names[i]));

		if (t == NULL || !uuid_is_zero(t->id))
			continue;
		set_id(c->active, t, active_new_topic_id(c));
		active_encode_topic(c, t);
		task_set_node(c, &tt->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", t->name)->mark = t;
	}
	tt->task.stage = TOPICS_IDS;
	return task_submit(c, &tt->task);
}

static void collect_fresh(struct controller *c, struct topics_task *tt)
{
	for (int32_t i = 0; i < tt->count; i++) {
		struct active_topic *t = active_topic_get(c, slice_str(tt->names[i]));

		for (int32_t k = 0; t != NULL && !t->is_queued && k < t->partition_count; k++) {
			struct active_partition *p = t->partitions[k];

			if (p->state != PARTITION_NON_EXISTENT)
				continue;
			active_partitions_add(&tt->fresh, p);
			for (int32_t r = 0; r < p->replicas.count; r++)
				active_replicas_add(&tt->replicas, p, p->replicas.ids[r]);
		}
	}
}

static enum task_result topics_new(struct controller *c, struct topics_task *tt)
{
	if (active_is_fenced_off(&tt->task))
		return active_moved(c, &tt->task);
	LIST_FOREACH(e, &tt->task.calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);

		if (call->call.result == OK)
			((struct active_topic *)call->mark)->version = store_call_op(call)->stat.version;
	}
	task_drop_calls(&tt->task);
	if (tt->is_load)
		return TASK_DONE;
	collect_fresh(c, tt);
	if (tt->fresh.count == 0)
		return TASK_DONE;
	tt->task.stage = TOPICS_ONLINE;
	active_push_partitions(c, &tt->fresh, PARTITION_NEW, ELECT_OFFLINE);
	active_push_replicas(c, &tt->replicas, REPLICA_NEW);
	return TASK_WAIT;
}

static enum task_result topics_run(struct controller *c, struct task *t)
{
	struct topics_task *tt = (struct topics_task *)t;

	switch ((enum topics_stage)t->stage) {
	case TOPICS_LIST:
		if (t->last != NULL)
			return topics_listed(c, tt);
		task_children(c, t, true, "/brokers/topics");
		return task_submit(c, t);
	case TOPICS_READ: return topics_read(c, tt);
	case TOPICS_TAKE: return topics_take(c, tt);
	case TOPICS_IDS:  return topics_new(c, tt);
	case TOPICS_ONLINE:
		t->stage = TOPICS_REPLICAS;
		active_push_partitions(c, &tt->fresh, PARTITION_ONLINE, ELECT_OFFLINE);
		return TASK_WAIT;
	case TOPICS_REPLICAS:
		t->stage = TOPICS_DONE;
		active_push_replicas(c, &tt->replicas, REPLICA_ONLINE);
		return TASK_WAIT;
	case TOPICS_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind topics_kind = { .name = "topics changed", .run = topics_run, .fini = topics_fini };

static struct topics_task *topics_task(struct controller *c)
{
	return (struct topics_task *)task_create(&c->active_queue, &topics_kind, sizeof(struct topics_task), NULL);
}

void active_enqueue_topic_scan(struct controller *c)
{
	task_enqueue(&topics_task(c)->task);
}

void active_push_load_topics(struct controller *c)
{
	struct topics_task *tt = topics_task(c);

	tt->is_load = true;
	task_push(&tt->task);
}

void active_push_new_topics(struct controller *c, char **names, int n)
{
	struct topics_task *tt = topics_task(c);

	tt->names = mem_calloc((size_t)n + 1, sizeof(*tt->names));
	for (int i = 0; i < n; i++)
		add_name(tt, slice_str(names[i]));
	tt->task.stage = TOPICS_READ;
	task_push(&tt->task);
}

/* --- one topic's node was written --------------------------------------------------------------------------------------------------------------- */

struct changed_task {
	struct task task;
	char       *name;
};

static void changed_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct changed_task *)t)->name);
}

/* A topic on its way out grows no more: its partitions are put back as they were. */
static enum task_result restore(struct controller *c, struct task *t, const struct active_topic *topic)
{
	struct znode_topic z;
	struct store_call *call = t->last;

	if (call->call.result != OK || !znode_topic_decode(&z, store_call_op(call)->out, &call->call.arena) || z.partition_count <= topic->partition_count)
		return TASK_DONE;
	task_drop_calls(t);
	active_encode_topic(c, topic);
	task_set_node(c, t, true, COORD_ANY_VERSION, "/brokers/topics/%s", topic->name);
	t->stage = 2;
	return task_submit(c, t);
}

static enum task_result changed_run(struct controller *c, struct task *t)
{
	struct changed_task *ct = (struct changed_task *)t;
	const struct active_topic *topic = active_topic_get(c, slice_str(ct->name));

	if (t->stage == 2)
		return active_is_fenced_off(t) ? active_moved(c, t) : TASK_DONE;
	if (topic == NULL || t->stage == 3)
		return TASK_DONE;		/* the list of topics tells of it */
	if (t->stage == 1)
		return restore(c, t, topic);
	t->stage = topic->is_queued ? 1 : 3;
	if (!topic->is_queued) {
		active_push_new_topics(c, &ct->name, 1);
		return TASK_WAIT;
	}
	task_get(c, t, true, "/brokers/topics/%s", ct->name);
	return task_submit(c, t);
}

static const struct task_kind changed_kind = { .name = "topic changed", .run = changed_run, .fini = changed_fini };

void active_enqueue_topic_changed(struct controller *c, const char *name)
{
	struct changed_task *t = (struct changed_task *)task_create(&c->active_queue, &changed_kind, sizeof(*t), NULL);

	t->name = mem_strdup(name);
	task_enqueue(&t->task);
}
