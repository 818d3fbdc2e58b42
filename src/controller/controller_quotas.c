/*
 * The quotas that stand in the store: all of them are read at the start, and one anew when its change is announced (controller_config.c). Of what stands there only the rate
 * of changes is used yet (mutation_quota.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"

enum quotas_stage { QUOTAS_LIST, QUOTAS_READ, QUOTAS_PAIRS, QUOTAS_TAKE };

void controller_set_quotas(struct controller *c, const char *entity, const struct cluster_override *pairs, int32_t n)
{
	const char *rate = NULL;

	for (int32_t i = 0; i < n; i++) {
		if (strcmp(pairs[i].name, "controller_mutation_rate") == 0)
			rate = pairs[i].value;
	}
	mutation_quotas_set(&c->quotas, entity, rate);
}

/* The call's path without "/config/". */
static const char *entity_of(const struct store_call *s)
{
	return s->path + sizeof("/config/") - 1;
}

static void take_all(struct controller *c, struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct cluster_override *pairs;
		int32_t n;

		if (s->ops[0].kind != COORD_GET || s->call.result != OK)
			continue;
		znode_config_decode(s->ops[0].out, &pairs, &n, &s->call.arena);
		controller_set_quotas(c, entity_of(s), pairs, n);
	}
}

/* The children that were listed, as paths below /config; the caller's. */
static char **listed(struct task *t, int32_t *count)
{
	char **paths = NULL;

	*count = 0;
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct coord_op *op = store_call_op(s);

		if (op->kind != COORD_CHILDREN || s->call.result != OK)
			continue;
		paths = mem_realloc_array(paths, (size_t)(*count + op->name_count) + 1, sizeof(*paths));
		for (int32_t i = 0; i < op->name_count; i++) {
			int n = asprintf(&paths[(*count)++], "%s/" SLICE_FMT, entity_of(s), SLICE_ARG(op->names[i]));

			ASSERT(n >= 0);
		}
	}
	return paths;
}

/* Each node that was listed is read; those of users may have clients of their own. */
static enum task_result read_listed(struct controller *c, struct task *t, bool lists_clients)
{
	int32_t count;
	char **paths = listed(t, &count);

	task_drop_calls(t);
	for (int32_t i = 0; i < count; i++) {
		task_get(c, t, false, "/config/%s", paths[i]);
		if (lists_clients && strncmp(paths[i], "users/", 6) == 0)
			task_children(c, t, false, "/config/%s/clients", paths[i]);
		free(paths[i]);
	}
	free(paths);
	return task_submit(c, t);
}

static enum task_result quotas_run(struct controller *c, struct task *t)
{
	switch ((enum quotas_stage)t->stage) {
	case QUOTAS_LIST:
		task_children(c, t, false, "/config/users");
		task_children(c, t, false, "/config/clients");
		t->stage = QUOTAS_READ;
		return task_submit(c, t);
	case QUOTAS_READ:
		t->stage = QUOTAS_PAIRS;
		return read_listed(c, t, true);
	case QUOTAS_PAIRS:
		take_all(c, t);
		t->stage = QUOTAS_TAKE;
		return read_listed(c, t, false);
	case QUOTAS_TAKE:
		take_all(c, t);
		break;
	}
	return TASK_DONE;
}

static const struct task_kind quotas_kind = { .name = "read quotas", .run = quotas_run };

void controller_enqueue_quotas(struct controller *c)
{
	task_enqueue(task_create(&c->member_queue, &quotas_kind, sizeof(struct task), NULL));
}
