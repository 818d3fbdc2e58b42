/*
 * The machinery of tasks: one runs at a time, its calls travel together, lost answers are asked for again.
 *
 * A call that comes home with "connection lost" may have been applied. It is sent again as soon as the session is connected, marked was_retried; the order of the
 * calls of a task stays what it was, because none is sent while an earlier one waits. After the session has expired the running task and its parents
 * are given up: what they were about is decided anew from what the store then holds.
 */
#include "controller/controller_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct task *task_create(struct task_queue *q, const struct task_kind *kind, size_t size, struct msg *asker)
{
	struct task *t = mem_calloc(1, size);

	t->kind = kind;
	t->queue = q;
	t->asker = asker;
	list_init(&t->calls);
	return t;
}

void task_enqueue(struct task *t)
{
	list_push_back(&t->queue->tasks, &t->link);
}

void task_push(struct task *t)
{
	t->parent = t->queue->current;
	t->queue->current = t;
}

static void call_free(struct store_call *s)
{
	list_remove(&s->link);
	coord_call_fini(&s->call);
	strbuf_fini(&s->data);
	free(s->path);
	free(s);
}

void task_drop_calls(struct task *t)
{
	while (!list_empty(&t->calls))
		call_free(LIST_ENTRY(t->calls.next, struct store_call, link));
}

static void task_free(struct controller *c, struct task *t)
{
	task_drop_calls(t);
	if (t->kind->fini != NULL)
		t->kind->fini(c, t);
	if (t->asker != NULL)
		actor_answer(&c->actor, t->asker);
	free(t);
}

static void give_up_current(struct controller *c, struct task_queue *q)
{
	while (q->current != NULL) {
		struct task *t = q->current;

		q->current = t->parent;
		t->is_expired = true;
		task_free(c, t);
	}
}

static void drop_waiting(struct controller *c, struct task_queue *q)
{
	struct list *next;

	while ((next = list_pop_front(&q->tasks)) != NULL) {
		struct task *t = LIST_ENTRY(next, struct task, link);

		t->is_expired = true;
		task_free(c, t);
	}
}

/* What runs ends when all that it has sent is home: until then it only counts. */
void task_queue_drop(struct controller *c, struct task_queue *q)
{
	if (q->current != NULL)
		q->current->is_expired = true;
	drop_waiting(c, q);
}

/* False: nothing can be done in this queue now. */
static bool queue_turn(struct controller *c, struct task_queue *q)
{
	struct task *t = q->current;

	if (t == NULL && (c->is_stopped || (c->is_stopping && q == &c->active_queue))) {	/* what still waits has nobody to ask */
		drop_waiting(c, q);
		return false;
	}
	if (t == NULL && c->is_stopping && c->active_queue.current != NULL)
		return false;	/* the end closes the session: not under the feet of what is being asked */
	if (t == NULL) {
		if (list_empty(&q->tasks))
			return false;
		t = LIST_ENTRY(q->tasks.next, struct task, link);
		if (!c->is_connected && !c->is_stopping && !t->kind->is_storeless)
			return false;
		list_remove(&t->link);
		q->current = t;
	}
	if (t->out > 0)
		return false;
	if (t->is_expired && !t->is_past_store) {
		give_up_current(c, q);
		return true;
	}
	if (t->wants_generation != 0) {
		if (!controller_is_visible(c, t->wants_generation - 1))
			return false;
		t->wants_generation = 0;
	}
	if (t->kind->run(c, t) == TASK_DONE) {
		ASSERT(q->current == t && t->out == 0);
		q->current = t->parent;
		task_free(c, t);
	}
	return true;	/* also after TASK_WAIT: what it waits for may be home already */
}

void controller_run_tasks(struct controller *c)
{
	bool moves;

	do {
		moves = queue_turn(c, &c->member_queue);
		moves |= queue_turn(c, &c->active_queue);
	} while (moves);
}

/* --- timers ----------------------------------------------------------------------------------------------------------------------- */

void controller_timer_set(struct controller *c, struct controller_timer *t, mono_ms at)
{
	if (list_linked(&t->link))
		list_remove(&t->link);
	t->at = at;
	if (at == MONO_NEVER)
		return;
	struct list *before = c->timers.prev;
	while (before != &c->timers && LIST_ENTRY(before, struct controller_timer, link)->at > at)
		before = before->prev;
	list_insert_before(before->next, &t->link);
}

mono_ms controller_timers_run(struct controller *c, mono_ms now)
{
	while (!list_empty(&c->timers)) {
		struct controller_timer *t = LIST_ENTRY(c->timers.next, struct controller_timer, link);

		if (t->at > now)
			return t->at;
		list_remove(&t->link);
		t->at = MONO_NEVER;
		t->fire(c, t);
	}
	return MONO_NEVER;
}

/* --- calls ------------------------------------------------------------------------------------------------------------------------- */

static struct store_call *call_new(struct controller *c, struct task *t, int op_count, bool is_multi, char *path)
{
	struct store_call *s = mem_calloc(1, sizeof(*s));

	coord_call_init(&s->call, &c->actor, s->ops, op_count);
	s->call.is_multi = is_multi;
	s->task = t;
	s->path = path;
	s->ops[op_count - 1].path = path;
	s->call.msg.context = s;
	list_push_back(&t->calls, &s->link);
	t->last = s;
	return s;
}

static char *format_path(const char *fmt, va_list ap)
{
	char *path = NULL;
	int n = vasprintf(&path, fmt, ap);

	ASSERT(n > 0);
	return path;
}

struct coord_op *store_call_op(struct store_call *s)
{
	return &s->ops[s->call.op_count - 1];
}

enum err store_call_problem(const struct store_call *s)
{
	return s->call.result != OK ? s->call.result : ERR_INVALID;
}

bool store_call_is_fenced_off(const struct store_call *s)
{
	return s->call.op_count > 1 && s->ops[0].kind == COORD_CHECK && s->ops[0].result == ERR_BAD_VERSION;
}

static struct store_call *read_call(struct controller *c, struct task *t, enum coord_op_kind kind, bool watch, const char *fmt, va_list ap)
{
	struct store_call *s = call_new(c, t, 1, false, format_path(fmt, ap));

	s->ops[0].kind = kind;
	s->ops[0].watch = watch;
	return s;
}

#define READ_CALL(name, op) \
	struct store_call *name(struct controller *c, struct task *t, bool watch, const char *fmt, ...) \
	{ \
		va_list ap; \
		va_start(ap, fmt); \
		struct store_call *s = read_call(c, t, op, watch, fmt, ap); \
		va_end(ap); \
		return s; \
	}
READ_CALL(task_get, COORD_GET)
READ_CALL(task_children, COORD_CHILDREN)
READ_CALL(task_exists, COORD_EXISTS)

/* A write, alone or behind a check of /controller_epoch in one multi. */
static struct store_call *write_call(struct controller *c, struct task *t, bool is_fenced, enum coord_op_kind kind, int32_t version, int flags, bool has_data,
                                     char *path)
{
	struct store_call *s = call_new(c, t, is_fenced ? 2 : 1, is_fenced, path);
	struct coord_op *op = store_call_op(s);

	if (is_fenced)
		s->ops[0] = (struct coord_op){ .kind = COORD_CHECK, .path = "/controller_epoch", .version = c->fence_version };
	op->kind = kind;
	op->version = version;
	op->flags = flags;
	if (has_data) {
		strbuf_add_slice(&s->data, strbuf_slice(&c->text));
		op->data = strbuf_slice(&s->data);
	}
	return s;
}

struct store_call *task_create_node(struct controller *c, struct task *t, bool is_fenced, bool has_data, int flags, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct store_call *s = write_call(c, t, is_fenced, COORD_CREATE, 0, flags, has_data, format_path(fmt, ap));
	va_end(ap);
	return s;
}

struct store_call *task_set_node(struct controller *c, struct task *t, bool is_fenced, int32_t version, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct store_call *s = write_call(c, t, is_fenced, COORD_SET, version, 0, true, format_path(fmt, ap));
	va_end(ap);
	return s;
}

struct store_call *task_delete_node(struct controller *c, struct task *t, bool is_fenced, int32_t version, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct store_call *s = write_call(c, t, is_fenced, COORD_DELETE, version, 0, false, format_path(fmt, ap));
	va_end(ap);
	return s;
}

enum task_result task_submit(struct controller *c, struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		t->out++;
		coord_submit(c->coord, &LIST_ENTRY(e, struct store_call, link)->call);
	}
	return t->out > 0 ? TASK_WAIT : TASK_AGAIN;
}

void controller_on_call_home(struct controller *c, struct store_call *s)
{
	struct task *t = s->task;

	if (s->call.result == ERR_CONN_LOSS && !c->is_stopping) {
		s->was_retried = true;
		list_remove(&s->link);
		list_push_back(&c->unsent, &s->link);
		return;
	}
	if (s->call.result == ERR_EXPIRED)
		t->is_expired = true;
	t->out--;
}

void task_submit_one(struct controller *c, struct task *t, struct store_call *s)
{
	t->out++;
	coord_submit(c->coord, &s->call);
}

void task_ask(struct controller *c, struct task *t, struct partition_addr *to, struct msg *m)
{
	if (!partition_is_open(to))
		return;
	m->context = t;
	/* Our lane of a partition has room for many times what one task asks it. */
	bool sent = actor_ask(&c->actor, to->actor, m);
	ASSERT(sent);
	t->out++;
}

struct held_question {			/* its lane was full */
	struct list   link;
	struct actor *to;
	struct msg   *m;
};

/* Behind those that wait already, so that the order stays; the lane is full of what is yet to come home, and that is when it is tried again. */
void task_ask_actor(struct controller *c, struct task *t, struct actor *to, struct msg *m)
{
	m->context = t;
	t->out++;
	if (list_empty(&c->held) && actor_ask(&c->actor, to, m))
		return;
	struct held_question *h = mem_calloc(1, sizeof(*h));
	h->to = to;
	h->m = m;
	list_push_back(&c->held, &h->link);
}

void controller_ask_held(struct controller *c)
{
	while (!list_empty(&c->held)) {
		struct held_question *h = LIST_ENTRY(c->held.next, struct held_question, link);

		if (!actor_ask(&c->actor, h->to, h->m))
			return;
		list_remove(&h->link);
		free(h);
	}
}
