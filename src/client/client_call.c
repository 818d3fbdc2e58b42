/*
 * Calls: made, sent to the right broker, brought home. Every way a call can end goes through client_call_finish, which only
 * queues it: on_done runs from client_calls_deliver, so that nobody's callback runs inside somebody's loop over calls.
 */
#include "client/client_priv.h"

#include <stdlib.h>

struct client_call *client_call_create(struct client *c, enum api_key key, void (*on_done)(struct client_call *),
				       void *owner)
{
	struct client_call *call = mem_calloc(1, sizeof(*call));

	call->client = c;
	call->api = client_call_api(key);
	call->version_max = INT16_MAX;
	call->on_done = on_done;
	call->owner = owner;
	arena_init(&call->arena, ARENA_BYTES_MAX);
	call->request = arena_alloc(&call->arena, call->api->request_size);
	ASSERT(call->request != NULL);
	call->api->init(call->request);
	return call;
}

static void free_call(struct client_call *call)
{
	arena_fini(&call->arena);
	free(call->frame);
	free(call);
}

void client_call_discard(struct client_call *call)
{
	free_call(call);
}

void client_call_destroy(struct client_call **callp)
{
	struct client_call *call = *callp;

	*callp = NULL;
	if (call == NULL)
		return;
	if (call->at == CALL_WAITING) {		/* not encoded: nobody has seen it */
		list_remove(&call->link);
		call->at = CALL_YOURS;
	}
	if (call->at == CALL_YOURS)
		free_call(call);
	else
		call->on_done = client_call_discard;
}

void client_call_finish(struct client_call *call, enum err err)
{
	ASSERT(call->at != CALL_DONE);
	if (list_linked(&call->link))
		list_remove(&call->link);
	call->error.err = err;
	call->at = CALL_DONE;
	list_push_back(&call->client->done, &call->link);
}

void client_call_fail(struct client_call *call, const struct client_error *why)
{
	ASSERT(why->err != OK);
	call->maybe_applied = call->at == CALL_IN_FLIGHT;
	call->error = *why;
	client_call_finish(call, why->err);
}

int client_calls_deliver(struct client *c)
{
	int n = 0;
	struct list *link;

	while ((link = list_pop_front(&c->done)) != NULL) {
		struct client_call *call = LIST_ENTRY(link, struct client_call, link);
		call->at = CALL_YOURS;
		call->on_done(call);
		n++;
	}
	return n;
}

void client_call_send(struct client_call *call, int32_t node_id, mono_ms timeout_ms)
{
	struct client *c = call->client;
	struct client_node *node;

	ASSERT(call->at == CALL_YOURS && call->response == NULL);
	call->node_id = node_id;
	call->error = CLIENT_ERROR_NONE;
	call->deadline = os_mono_ms(c->os) + (timeout_ms > 0 ? timeout_ms : c->spec.request_timeout_ms);
	if (node_id == NODE_CONTROLLER && c->controller_id >= 0)
		node = client_node_find(c, c->controller_id, call->line);
	else if (node_id < 0)
		node = client_node_any(c);
	else
		node = client_node_on_line(c, node_id, call->line);
	if (node == NULL) {
		struct client_error why;
		client_error_set(&why, ERR_UNREACHABLE, "broker %d is not part of the cluster now", node_id);
		client_topic_refresh(c);
		client_call_fail(call, &why);
		return;
	}
	client_node_send(node, call);
}

static void on_wait_done(struct client_call *call)
{
	*(bool *)call->owner = true;
}

enum err client_call_wait(struct client_call *call, int32_t node_id, mono_ms timeout_ms)
{
	bool is_done = false;

	call->on_done = on_wait_done;
	call->owner = &is_done;
	client_call_send(call, node_id, timeout_ms);
	while (!is_done)
		client_step(call->client, -1);
	return call->error.err;
}
