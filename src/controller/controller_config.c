/*
 * Configurations: the layers of the broker, the overrides of topics, and how changes get into the store and from there into effect.
 *
 * A change is written first and announced second (/config/changes), so that whoever hears of it finds it. What is announced is read anew, whoever wrote it, ourselves
 * included: there is one way from the store into effect.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/config_change.h"
#include "controller/active.h"

#define CHANGE_PREFIX "config_change_"
#define ENTITY_MAX    2048

/* Parts of the broker that follow a change at once; also what stood in the store when it started. */
static void tell_parts(struct controller *c)
{
	if (c->spec.fetchers != NULL)
		fetchers_set_throttle(c->spec.fetchers, c->config->follower_throttled_rate);
	if (c->spec.movers != NULL)
		throttle_set_limit(&c->spec.movers->throttle, c->config->alter_log_dirs_rate);
	if (c->spec.cleaners != NULL)
		partition_cleaners_configure(c->spec.cleaners, c->config);
}

bool controller_resolve_broker(struct controller *c, struct strbuf *why)
{
	struct config_layers layers = { .at = {
		[CONFIG_LEVEL_BROKER] = &c->broker_own, [CONFIG_LEVEL_CLUSTER] = &c->broker_default, [CONFIG_LEVEL_FIXED] = c->spec.config,
	} };
	struct broker_config *next;

	strbuf_reset(why);
	if (!broker_config_create(&next, &layers, why))
		return false;
	if (c->config != NULL)
		broker_config_unref(&c->config);
	c->config = next;
	tell_parts(c);
	return true;
}

static void set_from_overrides(struct config_set *set, const struct cluster_overrides *o)
{
	config_set_init(set);
	for (int32_t i = 0; i < o->count; i++)
		config_set_put(set, slice_str(o->pairs[i].name), slice_str(o->pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
}

void controller_resolve_topic(struct controller *c, struct topic_state *t)
{
	struct config_set set;

	set_from_overrides(&set, t->overrides);
	strbuf_reset(&c->text);
	if (topic_config_resolve(&t->config, &set, c->config, &c->text) > 0)
		LOG_WARN(&c->actor.log, topic_config_ignored, KV_STR("topic", t->name), KV_STR("configs", strbuf_cstr(&c->text)));
	config_set_fini(&set);
}

void controller_set_overrides(struct topic_state *t, const struct cluster_override *pairs, int32_t n)
{
	struct cluster_overrides *next = cluster_overrides_create(pairs, n);

	if (t->overrides != NULL)
		counted_unref(&t->overrides->counted);
	t->overrides = next;
}

static struct cluster_overrides *overrides_of_set(const struct config_set *set)
{
	uint32_t at = 0;
	int32_t n = 0;
	const struct config_entry *e;
	struct cluster_override *pairs = mem_calloc(map_count(&set->entries) + 1, sizeof(*pairs));

	while ((e = config_set_next(set, &at)) != NULL)
		pairs[n++] = (struct cluster_override){ (const char *)e->name.ptr, (const char *)e->text.ptr };
	struct cluster_overrides *o = cluster_overrides_create(pairs, n);
	free(pairs);
	return o;
}

/* --- reloading one entity from the store, as a sub-task ---------------------------------------------------------------------------------- */

enum reload_stage { RELOAD_READ, RELOAD_APPLY, RELOAD_TOLD };

struct reload_task {
	struct task              task;
	char                     entity[ENTITY_MAX];		/* "topics/t", "brokers/0", "brokers/<default>", "users/u/clients/c" */
	struct partition_config *told;				/* one per local replica that was told */
	struct fetcher_assign   *assigns;			/* of those whose throttling changed */
	int32_t                  told_count, assign_count;
};

static void reload_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct reload_task *)t)->told);
	free(((struct reload_task *)t)->assigns);
}

static void tell_throttle(struct controller *c, struct reload_task *r, struct topic_state *t, struct partition_state *p)
{
	bool is_throttled = member_is_throttled(t, p->id, c->broker_id);

	if (!p->is_following || p->is_throttled == is_throttled)
		return;
	struct fetcher_assign *a = &r->assigns[r->assign_count++];
	member_fill_assign(c, a, t, p);
	task_ask_actor(c, &r->task, fetchers_actor(c->spec.fetchers, t->name, p->id), &a->msg);
}

/* The topic's piece anew, and its local replicas told. */
static void refresh_topics(struct controller *c, struct reload_task *r, struct topic_state *only)
{
	struct cluster *next = controller_next_picture(c);
	struct map_entry *e;
	int32_t replicas = 0;

	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; )
		replicas += ((struct topic_state *)e->value)->partition_count;
	if (only == NULL)
		active_on_topic_config(c, NULL);
	r->told = mem_calloc((size_t)replicas + 1, sizeof(*r->told));
	r->assigns = mem_calloc((size_t)replicas + 1, sizeof(*r->assigns));
	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; ) {
		struct topic_state *t = e->value;

		if ((only != NULL && t != only) || !t->is_in_picture)
			continue;
		controller_resolve_topic(c, t);
		if (only != NULL)
			active_on_topic_config(c, t->name);
		controller_put_topic(c, next, t);
		for (int32_t i = 0; i < t->partition_count; i++) {
			struct partition_config *m = &r->told[r->told_count];

			if (t->partitions[i].local == NULL)
				continue;
			msg_init(&m->msg, PARTITION_config, &c->actor);
			m->config = t->config;
			r->told_count++;
			(void)member_is_not_whole(c, t, t->partitions[i].id);	/* it goes on in its role, as far as it gets */
			task_ask(c, &r->task, t->partitions[i].local, &m->msg);
			tell_throttle(c, r, t, &t->partitions[i]);
		}
	}
	if (only == NULL) {
		struct cluster_overrides *defaults = overrides_of_set(&c->broker_default), *own = overrides_of_set(&c->broker_own);

		cluster_set_broker_configs(next, defaults, own);
		counted_unref(&defaults->counted);
		counted_unref(&own->counted);
	}
	controller_publish(c, next);
}

static void apply_broker(struct controller *c, struct reload_task *r, struct config_set *set, const struct cluster_override *pairs, int32_t n)
{
	struct config_set before;

	config_set_copy(&before, set);
	config_set_fini(set);
	config_set_init(set);
	for (int32_t i = 0; i < n; i++)
		config_set_put(set, slice_str(pairs[i].name), slice_str(pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
	if (!controller_resolve_broker(c, &c->text)) {
		LOG_WARN(&c->actor.log, dynamic_config_ignored, KV_STR("problem", strbuf_cstr(&c->text)));
		config_set_fini(set);
		*set = before;
		return;
	}
	config_set_fini(&before);
	refresh_topics(c, r, NULL);
}

static void reload_apply(struct controller *c, struct reload_task *r)
{
	struct store_call *s = r->task.last;
	struct cluster_override *pairs;
	int32_t n;
	char own[32];

	if (s->call.result != OK && s->call.result != ERR_NOT_FOUND)
		return;
	znode_config_decode(s->call.result == OK ? s->ops[0].out : SLICE_NULL, &pairs, &n, &s->call.arena);
	snprintf(own, sizeof(own), "brokers/%d", c->broker_id);
	if (strncmp(r->entity, "topics/", 7) == 0) {
		struct topic_state *t = topic_state_get(c, slice_str(r->entity + 7));

		if (t != NULL) {
			controller_set_overrides(t, pairs, n);
			refresh_topics(c, r, t);
		}
	} else if (strcmp(r->entity, "brokers/<default>") == 0) {
		apply_broker(c, r, &c->broker_default, pairs, n);
	} else if (strcmp(r->entity, own) == 0) {
		apply_broker(c, r, &c->broker_own, pairs, n);
	} else if (strncmp(r->entity, "users/", 6) == 0 || strncmp(r->entity, "clients/", 8) == 0) {
		controller_set_quotas(c, r->entity, pairs, n);
	}
}

static enum task_result reload_run(struct controller *c, struct task *t)
{
	struct reload_task *r = (struct reload_task *)t;

	switch ((enum reload_stage)t->stage) {
	case RELOAD_READ:
		task_get(c, t, false, "/config/%s", r->entity);
		t->stage = RELOAD_APPLY;
		return task_submit(c, t);
	case RELOAD_APPLY:
		reload_apply(c, r);
		t->stage = RELOAD_TOLD;
		controller_wait_visible(c, t);
		return TASK_WAIT;
	case RELOAD_TOLD:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind reload_kind = { .name = "reload config", .run = reload_run, .fini = reload_fini };

static void push_reload(struct controller *c, const char *entity)
{
	struct reload_task *r = (struct reload_task *)task_create(&c->member_queue, &reload_kind, sizeof(*r), NULL);

	snprintf(r->entity, sizeof(r->entity), "%s", entity);
	task_push(&r->task);
}

/* --- hearing of changes ---------------------------------------------------------------------------------------------------------------------- */

enum changes_stage { CHANGES_LIST, CHANGES_READ, CHANGES_APPLY };

struct changes_task {
	struct task task;
	char      **entities;
	int32_t     count, next;
};

static void changes_fini(struct controller *c, struct task *t)
{
	(void)c;
	struct changes_task *ct = (struct changes_task *)t;

	for (int32_t i = 0; i < ct->count; i++)
		free(ct->entities[i]);
	free(ct->entities);
}

static int64_t change_number(struct slice name)
{
	int64_t number;
	size_t prefix = sizeof(CHANGE_PREFIX) - 1;

	if (name.len <= prefix || memcmp(name.ptr, CHANGE_PREFIX, prefix) != 0 ||
	    !checkpoint_number(slice_of(name.ptr + prefix, name.len - prefix), &number))
		return -1;
	return number;
}

static int by_slice(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sequence numbers have ten digits, so the order of names is the order of time. */
static enum task_result changes_list(struct controller *c, struct task *t)
{
	struct store_call *list = t->last;
	struct coord_op *op = store_call_op(list);

	if (list->call.result != OK)
		return TASK_DONE;
	qsort(op->names, (size_t)op->name_count, sizeof(op->names[0]), by_slice);
	t->out = 0;
	for (int32_t i = 0; i < op->name_count; i++) {
		int64_t number = change_number(op->names[i]);

		if (number <= c->last_change)
			continue;
		c->last_change = number;
		struct store_call *s = task_get(c, t, false, "/config/changes/" SLICE_FMT, SLICE_ARG(op->names[i]));
		t->out++;
		coord_submit(c->coord, &s->call);
	}
	t->stage = CHANGES_READ;
	return t->out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result changes_read(struct task *t)
{
	struct changes_task *ct = (struct changes_task *)t;
	char entity[ENTITY_MAX];
	int32_t n = 0;

	LIST_FOREACH(e, &t->calls)
		n++;
	ct->entities = mem_calloc((size_t)n + 1, sizeof(*ct->entities));
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		if (s->ops[0].kind == COORD_GET && s->call.result == OK && znode_change_decode(s->ops[0].out, entity, sizeof(entity)))
			ct->entities[ct->count++] = mem_strdup(entity);
	}
	task_drop_calls(t);
	t->stage = CHANGES_APPLY;
	return TASK_AGAIN;
}

static enum task_result changes_run(struct controller *c, struct task *t)
{
	struct changes_task *ct = (struct changes_task *)t;

	switch ((enum changes_stage)t->stage) {
	case CHANGES_LIST:
		if (list_empty(&t->calls)) {
			task_children(c, t, true, "/config/changes");
			return task_submit(c, t);
		}
		return changes_list(c, t);
	case CHANGES_READ:
		return changes_read(t);
	case CHANGES_APPLY:
		if (ct->next == ct->count)
			return TASK_DONE;
		push_reload(c, ct->entities[ct->next++]);
		return TASK_WAIT;
	}
	return TASK_DONE;
}

static const struct task_kind changes_kind = { .name = "config changes", .run = changes_run, .fini = changes_fini };

void controller_enqueue_config_changes(struct controller *c)
{
	task_enqueue(task_create(&c->member_queue, &changes_kind, sizeof(struct changes_task), NULL));
}

static char *entity_of(const char *kind, const char *name)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_printf(&s, "%s/%s", kind, name);
	return strbuf_steal(&s);
}

/* As if each of them had been announced. */
void controller_enqueue_reload(struct controller *c, struct controller_reload *m)
{
	struct changes_task *ct = (struct changes_task *)task_create(&c->member_queue, &changes_kind, sizeof(*ct), &m->msg);
	struct map_entry *e;
	char own[16];

	ct->entities = mem_calloc((size_t)map_count(&c->topics) + 2, sizeof(*ct->entities));
	snprintf(own, sizeof(own), "%d", c->broker_id);
	ct->entities[ct->count++] = entity_of("brokers", "<default>");
	ct->entities[ct->count++] = entity_of("brokers", own);
	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; )
		ct->entities[ct->count++] = entity_of("topics", ((struct topic_state *)e->value)->name);
	ct->task.stage = CHANGES_APPLY;
	task_enqueue(&ct->task);
}

/* --- being asked for changes -------------------------------------------------------------------------------------------------------------------- */

enum alter_stage { ALTER_NEXT, ALTER_READ, ALTER_WRITTEN, ALTER_ANNOUNCED };

struct alter_task {
	struct task                      task;
	struct controller_alter_configs *ask;
	int32_t                          at;
	char                             entity[LOGDIR_NAME_MAX + 32];
};

static void alter_fini(struct controller *c, struct task *t)
{
	(void)c;
	struct alter_task *a = (struct alter_task *)t;

	for (int32_t i = a->at; t->is_expired && i < a->ask->resource_count; i++)
		a->ask->resources[i].error = REQUEST_TIMED_OUT;
}

static bool entity_path(const struct controller *c, const struct controller_altered_resource *r, char *out, size_t size)
{
	switch (r->entity) {
	case ENTITY_TOPIC:
		snprintf(out, size, "topics/" SLICE_FMT, SLICE_ARG(r->name));
		return topic_state_get(c, r->name) != NULL && topic_state_get(c, r->name)->is_in_picture;
	case ENTITY_BROKER:
		snprintf(out, size, "brokers/%d", c->broker_id);
		return true;
	case ENTITY_BROKER_DEFAULT:
		snprintf(out, size, "brokers/<default>");
		return true;
	}
	return false;
}

/* The resource's overrides as they will be, or why they may not. */
static bool alter_compute(struct controller *c, struct controller_altered_resource *r, struct config_set *set)
{
	struct config_refusal refusal = { .text = STRBUF_INIT };
	struct config_layers now = { .at = {
		[CONFIG_LEVEL_BROKER] = &c->broker_own, [CONFIG_LEVEL_CLUSTER] = &c->broker_default, [CONFIG_LEVEL_FIXED] = c->spec.config,
	} };
	bool is_topic = r->entity == ENTITY_TOPIC;
	bool ok = config_changes_apply(is_topic ? &config_topics : &config_brokers, set, r->changes, r->change_count, r->mode, &refusal);

	if (ok && is_topic)
		ok = config_topic_check(set, c->config, r->name, &refusal);
	if (ok && !is_topic)
		ok = config_broker_check(&now, r->entity == ENTITY_BROKER ? CONFIG_LEVEL_BROKER : CONFIG_LEVEL_CLUSTER, set, &refusal);
	if (!ok) {
		r->error = refusal.error;
		r->message = refusal.text.len > 0 ? mem_strdup(strbuf_cstr(&refusal.text)) : NULL;
	}
	strbuf_fini(&refusal.text);
	return ok;
}

static void alter_submit_write(struct controller *c, struct alter_task *a, const struct config_set *set, bool exists)
{
	struct cluster_overrides *after = overrides_of_set(set);

	strbuf_reset(&c->text);
	znode_config_encode(after->pairs, after->count, &c->text);
	counted_unref(&after->counted);
	if (exists)
		task_set_node(c, &a->task, false, COORD_ANY_VERSION, "/config/%s", a->entity);
	else
		task_create_node(c, &a->task, false, true, 0, "/config/%s", a->entity);
	strbuf_reset(&c->text);
	znode_change_encode(a->entity, &c->text);
	task_create_node(c, &a->task, false, true, COORD_SEQUENCE, "/config/changes/" CHANGE_PREFIX);
}

static enum task_result alter_write(struct controller *c, struct alter_task *a)
{
	struct controller_altered_resource *r = &a->ask->resources[a->at];
	struct store_call *read = a->task.last;
	struct cluster_override *pairs;
	struct config_set set;
	int32_t n;
	bool exists = read->call.result == OK;

	znode_config_decode(exists ? read->ops[0].out : SLICE_NULL, &pairs, &n, &read->call.arena);
	config_set_init(&set);
	for (int32_t i = 0; i < n; i++)
		config_set_put(&set, slice_str(pairs[i].name), slice_str(pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
	bool ok = alter_compute(c, r, &set);
	task_drop_calls(&a->task);
	if (ok && !a->ask->validate_only)
		alter_submit_write(c, a, &set, exists);
	config_set_fini(&set);
	a->task.stage = ok && !a->ask->validate_only ? ALTER_WRITTEN : ALTER_ANNOUNCED;
	return task_submit(c, &a->task);
}

static enum task_result alter_run(struct controller *c, struct task *t)
{
	struct alter_task *a = (struct alter_task *)t;
	struct controller_altered_resource *r = a->at < a->ask->resource_count ? &a->ask->resources[a->at] : NULL;

	switch ((enum alter_stage)t->stage) {
	case ALTER_NEXT:
		while (a->at < a->ask->resource_count && a->ask->resources[a->at].error != NONE)
			a->at++;
		if (a->at == a->ask->resource_count)
			return TASK_DONE;
		r = &a->ask->resources[a->at];
		if (!entity_path(c, r, a->entity, sizeof(a->entity))) {
			r->error = UNKNOWN_TOPIC_OR_PARTITION;
			a->at++;
			return TASK_AGAIN;
		}
		task_get(c, t, false, "/config/%s", a->entity);
		t->stage = ALTER_READ;
		return task_submit(c, t);
	case ALTER_READ:
		return alter_write(c, a);
	case ALTER_WRITTEN: {
		struct store_call *write = LIST_ENTRY(t->calls.next, struct store_call, link);

		if (write->call.result == ERR_EXISTS) {		/* made by somebody else meanwhile: read again */
			task_drop_calls(t);
			t->stage = ALTER_NEXT;
			return TASK_AGAIN;
		}
		r->error = write->call.result == OK ? NONE : err_to_kafka(write->call.result);
		task_drop_calls(t);
		t->stage = ALTER_ANNOUNCED;
		push_reload(c, a->entity);
		return TASK_WAIT;
	}
	case ALTER_ANNOUNCED:
		a->at++;
		t->stage = ALTER_NEXT;
		return TASK_AGAIN;
	}
	return TASK_DONE;
}

static const struct task_kind alter_kind = { .name = "alter configs", .run = alter_run, .fini = alter_fini };

void controller_enqueue_alter(struct controller *c, struct controller_alter_configs *m)
{
	struct alter_task *a = (struct alter_task *)task_create(&c->member_queue, &alter_kind, sizeof(*a), &m->msg);

	a->ask = m;
	task_enqueue(&a->task);
}
