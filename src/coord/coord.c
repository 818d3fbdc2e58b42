/*
 * What all sides share: the face, calls, events, and how calls travel to another thread.
 */
#include <stdlib.h>

#include "coord/coord_priv.h"

/* Room for the largest answer: the names of some hundred thousand children. */
#define CALL_ARENA_MAX ((size_t)64 << 20)

void coord_submit(struct coord *c, struct coord_call *call)
{
	ASSERT_OWNER(c->owner);
	ASSERT(call->op_count > 0);
	ASSERT(call->op_count == 1 || call->is_multi);
	actor_lend(c->owner, &call->msg);
	c->ops->submit(c, call);
}

int64_t coord_session_id(const struct coord *c)
{
	return c->ops->session_id(c);
}

enum err coord_reopen(struct coord *c)
{
	return c->ops->reopen(c);
}

void coord_close(struct coord **c)
{
	(*c)->ops->close(*c, false);
	*c = NULL;
}

void coord_crash(struct coord **c)
{
	(*c)->ops->close(*c, true);
	*c = NULL;
}

void coord_set_faults(struct coord *c, const struct coord_faults *f)
{
	if (c->ops->set_faults != NULL)
		c->ops->set_faults(c, f);
}

void coord_call_init(struct coord_call *call, struct actor *home, struct coord_op *ops, int op_count)
{
	*call = (struct coord_call){ .ops = ops, .op_count = op_count };
	msg_init(&call->msg, COORD_CALL, home);
	arena_init(&call->arena, CALL_ARENA_MAX);
}

void coord_call_fini(struct coord_call *call)
{
	ASSERT(call->msg.at == MSG_HOME);
	arena_fini(&call->arena);
}

void coord_call_fail(struct coord_call *call, enum err e)
{
	call->result = e;
	for (int i = 0; i < call->op_count; i++) {
		call->ops[i].result = e;
		call->ops[i].stat = (struct coord_stat){ 0 };
		call->ops[i].out = SLICE_NULL;
		call->ops[i].names = NULL;
		call->ops[i].name_count = 0;
	}
}

struct coord_event *coord_event_create(struct actor *owner, enum coord_event_kind kind, int64_t session_id, const char *path)
{
	size_t len = path != NULL ? strlen(path) : 0;
	struct coord_event *e = mem_alloc(sizeof(*e) + len + 1);

	msg_init(&e->msg, COORD_EVENT, owner);
	e->kind = kind;
	e->session_id = session_id;
	if (len > 0)
		memcpy(e->path, path, len);
	e->path[len] = '\0';
	return e;
}

void coord_event_free(struct coord_event *e)
{
	free(e);
}

void coord_stack_push(struct coord_call **top, struct coord_call *call)
{
	struct coord_call *old = __atomic_load_n(top, __ATOMIC_RELAXED);

	do {
		call->internal = old;
	} while (!__atomic_compare_exchange_n(top, &old, call, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

struct coord_call *coord_stack_take(struct coord_call **top)
{
	struct coord_call *latest = __atomic_exchange_n(top, NULL, __ATOMIC_ACQUIRE), *oldest = NULL;

	while (latest != NULL) {
		struct coord_call *next = latest->internal;

		latest->internal = oldest;
		oldest = latest;
		latest = next;
	}
	return oldest;
}
