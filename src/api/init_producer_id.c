/*
 * InitProducerId (22) without a transactional id: the next id of this network actor's block.
 *
 * Each network actor has a block of its own, so nobody shares a counter. When it is used up, the
 * first call that finds it so asks the controller for another; calls that come meanwhile park until
 * it is there. Ids left in a block when the broker stops are never used: they are 63 bits wide.
 *
 * Transactions have no coordinator yet. A transactional id is refused with an error that clients do
 * not try again after.
 */
#include <stdlib.h>

#include "api/api.h"
#include "base/list.h"
#include "wire/gen/init_producer_id.h"

/*
 * What a client gets when there is no block, whatever went wrong between the brokers: it comes again
 * after this one, and does not look for a coordinator that it does not need.
 */
#define NO_BLOCK COORDINATOR_LOAD_IN_PROGRESS

struct producer_ids {
	int64_t     next;
	int32_t     left;
	bool        is_asked;		/* a call of this network actor is asking for a block */
	struct list waiting;		/* struct id_wait.link: calls that park until it has one */
};

struct id_wait {
	struct list                              link;
	struct call                             *call;
	struct controller_allocate_producer_ids *ask;	/* NULL: this call has not asked */
};

struct producer_ids *producer_ids_create(void)
{
	struct producer_ids *ids = mem_calloc(1, sizeof(*ids));

	list_init(&ids->waiting);
	return ids;
}

void producer_ids_destroy(struct producer_ids **ids)
{
	ASSERT(!(*ids)->is_asked && list_empty(&(*ids)->waiting));
	free(*ids);
	*ids = NULL;
}

static void finish(struct call *c, enum kafka_error error)
{
	struct init_producer_id_response *out = c->response;
	struct producer_ids *ids = api_slot(c)->producer_ids;

	out->error_code = (int16_t)error;
	out->producer_epoch = -1;
	if (error != NONE)
		return;
	out->producer_id = ids->next++;
	out->producer_epoch = 0;
	ids->left--;
}

static void ask_for_block(struct call *c, struct id_wait *w)
{
	w->ask = call_message(c, sizeof(*w->ask), CONTROLLER_allocate_producer_ids);
	if (w->ask == NULL) {
		finish(c, NO_BLOCK);
		return;
	}
	api_slot(c)->producer_ids->is_asked = true;
	call_ask(c, call_api(c)->controller, &w->ask->msg);
}

static void take_or_wait(struct call *c, struct id_wait *w)
{
	struct producer_ids *ids = api_slot(c)->producer_ids;

	if (ids->left > 0) {
		finish(c, NONE);
	} else if (!ids->is_asked) {
		ask_for_block(c, w);
	} else {
		list_push_back(&ids->waiting, &w->link);
		call_park(c, MONO_NEVER);
	}
}

static enum kafka_error check(struct call *c)
{
	const struct init_producer_id_request *r = c->request;

	if (!slice_is_null(r->transactional_id)) {
		if (!call_authorize(c, ACL_WRITE, ACL_TRANSACTIONAL_ID, r->transactional_id))
			return TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
		return INVALID_REQUEST;
	}
	if (!call_authorize(c, ACL_IDEMPOTENT_WRITE, ACL_CLUSTER, API_CLUSTER_NAME) &&
	    !api_may_write_any_topic(c))
		return CLUSTER_AUTHORIZATION_FAILED;
	return (r->producer_id == -1) != (r->producer_epoch == -1) ? INVALID_REQUEST : NONE;
}

static void init_producer_id_begin(struct call *c)
{
	struct id_wait *w = arena_calloc(&c->arena, 1, sizeof(*w));
	enum kafka_error error;

	c->state = w;
	if (w == NULL) {
		c->wants_close = true;
		return;
	}
	w->call = c;
	error = check(c);
	if (error != NONE)
		finish(c, error);
	else
		take_or_wait(c, w);
}

static void init_producer_id_on_answer(struct call *c, struct msg *m)
{
	struct id_wait *w = c->state;
	struct producer_ids *ids = api_slot(c)->producer_ids;

	ASSERT(m == &w->ask->msg);
	ids->is_asked = false;
	if (w->ask->error == NONE && w->ask->count > 0) {
		ids->next = w->ask->first;
		ids->left = w->ask->count;
	}
	finish(c, ids->left > 0 ? NONE : NO_BLOCK);
	LIST_FOREACH(e, &ids->waiting)
		call_resume(LIST_ENTRY(e, struct id_wait, link)->call);
}

/*
 * The block has come, or it never will: the connection is closed, the broker stops, or there was
 * none for the calls before.
 */
static void init_producer_id_on_wakeup(struct call *c)
{
	struct id_wait *w = c->state;

	list_remove(&w->link);
	if (c->connection == NULL || api_slot(c)->producer_ids->is_asked)
		finish(c, NO_BLOCK);
	else
		take_or_wait(c, w);
}

API_CODEC(init_producer_id)

const struct api_row init_producer_id_row = {
	.key = 22, .version_min = 0, .version_max = 5, .name = "InitProducerId",
	.operation = ACL_IDEMPOTENT_WRITE, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(init_producer_id),
	.begin = init_producer_id_begin, .on_answer = init_producer_id_on_answer,
	.on_wakeup = init_producer_id_on_wakeup,
	.end = api_nothing_left,
};
