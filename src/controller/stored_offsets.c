/*
 * Offsets that clients of the first protocol versions keep in the store itself: /consumers/<group>/offsets/<topic>/<partition> holds the number as text. Any broker
 * reads and writes them; the last who writes has said it.
 */
#include "controller/controller_priv.h"

#include <stdlib.h>

struct offsets_task {
	struct task                      task;
	struct controller_stored_offsets *ask;
};

/* A path ends at a zero byte, and this group's would be another's. The store refuses what else cannot be in one. */
static bool is_path_part(struct slice s)
{
	return s.len > 0 && memchr(s.ptr, '\0', s.len) == NULL;
}

static void write_offset(struct controller *c, struct offsets_task *o, int32_t i)
{
	struct controller_stored_offset *it = &o->ask->offsets[i];

	if (i == 0 || !slice_eq(it->topic, it[-1].topic))
		task_create_node(c, &o->task, false, false, 0, "/consumers/" SLICE_FMT "/offsets/" SLICE_FMT, SLICE_ARG(o->ask->group), SLICE_ARG(it->topic));
	strbuf_reset(&c->text);
	strbuf_printf(&c->text, "%lld", (long long)it->offset);
	/* one of the two succeeds */
	task_set_node(c, &o->task, false, COORD_ANY_VERSION, "/consumers/" SLICE_FMT "/offsets/" SLICE_FMT "/%d", SLICE_ARG(o->ask->group),
	              SLICE_ARG(it->topic), it->partition)->mark = it;
	task_create_node(c, &o->task, false, true, 0, "/consumers/" SLICE_FMT "/offsets/" SLICE_FMT "/%d", SLICE_ARG(o->ask->group),
	                 SLICE_ARG(it->topic), it->partition)->mark = it;
}

static enum task_result offsets_submit(struct controller *c, struct offsets_task *o)
{
	struct controller_stored_offsets *ask = o->ask;

	for (int32_t i = 0; i < ask->count; i++)
		ask->offsets[i].error = UNKNOWN_SERVER_ERROR;
	if (!is_path_part(ask->group))
		return TASK_AGAIN;
	if (ask->is_commit && ask->count > 0) {
		task_create_node(c, &o->task, false, false, 0, "/consumers");
		task_create_node(c, &o->task, false, false, 0, "/consumers/" SLICE_FMT, SLICE_ARG(ask->group));
		task_create_node(c, &o->task, false, false, 0, "/consumers/" SLICE_FMT "/offsets", SLICE_ARG(ask->group));
	}
	for (int32_t i = 0; i < ask->count; i++) {
		struct controller_stored_offset *it = &ask->offsets[i];

		if (ask->is_commit)
			write_offset(c, o, i);
		else
			task_get(c, &o->task, false, "/consumers/" SLICE_FMT "/offsets/" SLICE_FMT "/%d", SLICE_ARG(ask->group), SLICE_ARG(it->topic),
			         it->partition)->mark = it;
	}
	return task_submit(c, &o->task);
}

static void take_read(struct controller_stored_offset *it, enum err result, struct slice text)
{
	char digits[24], *end;

	if (result == ERR_NOT_FOUND) {
		it->error = UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	if (result != OK || slice_is_null(text) || text.len == 0 || text.len >= sizeof(digits))
		return;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	long long offset = strtoll(digits, &end, 10);
	if (*end != '\0')
		return;
	it->offset = offset;
	it->error = NONE;
}

static void offsets_take(struct offsets_task *o)
{
	LIST_FOREACH(e, &o->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_stored_offset *it = s->mark;

		if (it == NULL)
			continue;
		if (!o->ask->is_commit)
			take_read(it, s->call.result, store_call_op(s)->out);
		else if (s->call.result == OK || (s->call.result == ERR_EXISTS && s->was_retried))	/* made by the attempt whose answer was lost */
			it->error = NONE;
	}
	task_drop_calls(&o->task);
}

enum offsets_stage { OFFSETS_SUBMIT, OFFSETS_TAKE };

static enum task_result offsets_run(struct controller *c, struct task *t)
{
	struct offsets_task *o = (struct offsets_task *)t;

	switch ((enum offsets_stage)t->stage) {
	case OFFSETS_SUBMIT:
		t->stage = OFFSETS_TAKE;
		return offsets_submit(c, o);
	case OFFSETS_TAKE:
		offsets_take(o);
		break;
	}
	return TASK_DONE;
}

/* Given up: what was not answered is not known. */
static void offsets_fini(struct controller *c, struct task *t)
{
	struct offsets_task *o = (struct offsets_task *)t;

	(void)c;
	for (int32_t i = 0; t->stage == OFFSETS_SUBMIT && i < o->ask->count; i++)
		o->ask->offsets[i].error = UNKNOWN_SERVER_ERROR;
}

static const struct task_kind offsets_kind = { .name = "stored offsets", .run = offsets_run, .fini = offsets_fini };

void controller_enqueue_stored_offsets(struct controller *c, struct controller_stored_offsets *m)
{
	struct offsets_task *t = (struct offsets_task *)task_create(&c->member_queue, &offsets_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}
