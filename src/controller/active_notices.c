/*
 * What the notification queues of the active side share, and what a new controller does with what is left in them: it reads everything anew anyway, so they are emptied first.
 */
#include "controller/active_priv.h"

#include <stdio.h>
#include <stdlib.h>

void active_take_paths(struct store_call *list, char ***paths, int32_t *n)
{
	const struct coord_op *op = store_call_op(list);

	*n = 0;
	*paths = mem_calloc((size_t)op->name_count + 1, sizeof(**paths));
	for (int32_t i = 0; list->call.result == OK && i < op->name_count; i++) {
		size_t room = strlen(list->path) + op->names[i].len + 2;
		char *path = mem_alloc(room);

		snprintf(path, room, "%s/" SLICE_FMT, list->path, SLICE_ARG(op->names[i]));
		(*paths)[(*n)++] = path;
	}
}

void active_free_paths(char **paths, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
}

enum clear_stage { CLEAR_LIST, CLEAR_DELETE, CLEAR_END };

static void delete_children(struct controller *c, struct task *t, char **paths, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		task_delete_node(c, t, true, COORD_ANY_VERSION, "%s", paths[i]);
	active_free_paths(paths, n);
}

static enum task_result clear_delete(struct controller *c, struct task *t)
{
	struct store_call *dirs = LIST_ENTRY(t->calls.next, struct store_call, link), *isrs = t->last;
	char **dir_paths, **isr_paths;
	int32_t dir_count, isr_count;

	active_take_paths(dirs, &dir_paths, &dir_count);
	active_take_paths(isrs, &isr_paths, &isr_count);
	task_drop_calls(t);
	delete_children(c, t, dir_paths, dir_count);
	delete_children(c, t, isr_paths, isr_count);
	t->stage = CLEAR_END;
	return task_submit(c, t);
}

static enum task_result clear_run(struct controller *c, struct task *t)
{
	switch ((enum clear_stage)t->stage) {
	case CLEAR_LIST:
		task_children(c, t, true, "/log_dir_event_notification");
		task_children(c, t, true, "/isr_change_notification");
		t->stage = CLEAR_DELETE;
		return task_submit(c, t);
	case CLEAR_DELETE:
		return clear_delete(c, t);
	case CLEAR_END:
		return active_is_fenced_off(t) ? active_moved(c, t) : TASK_DONE;
	}
	return TASK_DONE;
}

static const struct task_kind clear_kind = { .name = "clear notices", .run = clear_run };

void active_push_clear_notifications(struct controller *c)
{
	task_push(task_create(&c->active_queue, &clear_kind, sizeof(struct task), NULL));
}
