/*
 * What is known about the cluster: brokers and the topics somebody has asked about. One Metadata call at a time, to any
 * broker; the answer is applied in place. A refresh that somebody wants again and again is held back by the backoff.
 */
#include "client/client_priv.h"

#include <stdlib.h>

#define TOPIC_NAME_MAX 249	/* of Kafka's */
#define MAKING_ANSWERS 10	/* so often a topic that we may have made is asked for again at once */

/* The topics are those the caller has named, so their number is the caller's to bound, and those that were found, which are CLIENT_FOUND_MAX at most. */
static struct client_topic *topic_get(struct client *c, struct slice name)
{
	return map_get(&c->topics, name);
}

static void revive(struct client *c, struct client_topic *t)
{
	if (!t->is_lost)
		return;
	t->is_lost = false;
	client_topic_refresh(c);
}

const struct client_topic *client_topic(struct client *c, struct slice name)
{
	struct client_topic *t = topic_get(c, name);

	if (t != NULL) {
		revive(c, t);
		return t;
	}
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strndup((const char *)name.ptr, name.len);
	map_put(&c->topics, slice_str(t->name), t);
	if (name.len > TOPIC_NAME_MAX) {	/* in no request: a longer string cannot be encoded, and the topics beside it would not be asked for either */
		t->is_known = true;
		t->error = INVALID_TOPIC_EXCEPTION;
		return t;
	}
	c->metadata_at = 0;	/* a new topic does not wait for the backoff of others */
	client_topic_refresh(c);
	return t;
}

const struct client_topic *client_topic_found(struct client *c, struct slice name)
{
	struct client_topic *t = topic_get(c, name);

	if (t == NULL) {
		if (c->found_count == CLIENT_FOUND_MAX)
			return NULL;
		c->found_count++;
		client_topic(c, name);
		t = topic_get(c, name);
		t->is_found = true;
	}
	revive(c, t);
	return t;
}

void client_topic_lost(struct client *c, const char *name)
{
	struct client_topic *t = topic_get(c, slice_str(name));

	t->is_lost = t->is_found;
}

/* Who asks for it between two turns, and waits for a descriptor, is to find that there is something to do. */
void client_topic_refresh(struct client *c)
{
	if (!c->metadata_is_due)
		client_wake(c);
	c->metadata_is_due = true;
}

void client_metadata_fini(struct client *c)
{
	MAP_FOREACH(e, &c->topics) {
		struct client_topic *t = e->value;
		free(t->name);
		free(t->partitions);
		free(t);
	}
	map_fini(&c->topics);
}

/* ---- the answer ---- */

static void apply_broker(struct client *c, const struct metadata_response_broker *b)
{
	struct client_node *node;
	char host[256];
	bool is_known = false;
	int count = 0;

	if (b->node_id < 0 || b->host.len == 0 || b->host.len >= sizeof(host) || b->port < 1 || b->port > 65535)
		return;
	memcpy(host, b->host.ptr, b->host.len);
	host[b->host.len] = '\0';
	LIST_FOREACH(e, &c->nodes) {
		node = LIST_ENTRY(e, struct client_node, link);
		count++;
		if (node->id != b->node_id)
			continue;
		(void)client_node_move(node, host, (uint16_t)b->port);
		is_known = true;
	}
	if (is_known || count >= NODES_MAX)
		return;
	/* A bootstrap address that is the broker's own becomes the broker, with the connection it has. */
	LIST_FOREACH(e, &c->nodes) {
		node = LIST_ENTRY(e, struct client_node, link);
		if (node->id < 0 && strcmp(node->host, host) == 0 && node->port == b->port) {
			node->id = b->node_id;
			return;
		}
	}
	client_node_create(c, b->node_id, host, (uint16_t)b->port);
}

static void apply_topic(struct client *c, const struct metadata_response_topic *m)
{
	struct client_topic *t = topic_get(c, m->name);

	if (t == NULL)
		return;
	t->is_known = true;
	t->error = m->error_code;
	t->version++;
	/* one that is being made: the question that asked for it does not wait for it */
	if (m->error_code == LEADER_NOT_AVAILABLE ||
	    (m->error_code == UNKNOWN_TOPIC_OR_PARTITION && c->spec.allow_auto_create && !t->is_found && t->version < MAKING_ANSWERS))
		c->metadata_is_due = true;
	if (m->error_code != NONE)
		return;		/* the partitions stay as they were known */
	if (m->partitions_count > t->partition_count)
		t->partitions = mem_realloc_array(t->partitions, (size_t)m->partitions_count, sizeof(*t->partitions));
	t->partition_count = MAX(m->partitions_count, 0);
	for (int32_t i = 0; i < t->partition_count; i++)
		t->partitions[i] = (struct client_partition){ LEADER_NOT_AVAILABLE, -1, -1 };
	for (int32_t i = 0; i < m->partitions_count; i++) {
		const struct metadata_response_partition *p = &m->partitions[i];
		if (p->partition_index < 0 || p->partition_index >= t->partition_count)
			continue;
		t->partitions[p->partition_index] = (struct client_partition){ p->error_code, p->leader_id, p->leader_epoch };
		if (p->leader_id < 0)
			c->metadata_is_due = true;
	}
}

static void apply(struct client *c, const struct metadata_response *r)
{
	for (int32_t i = 0; i < r->brokers_count; i++)
		apply_broker(c, &r->brokers[i]);
	for (int32_t i = 0; i < r->topics_count; i++)
		apply_topic(c, &r->topics[i]);
	c->controller_id = r->controller_id;
	if (c->cluster_id == NULL && r->cluster_id.len > 0)
		c->cluster_id = mem_strndup((const char *)r->cluster_id.ptr, r->cluster_id.len);
	c->is_connected = r->brokers_count > 0;
	if (!c->is_connected)	/* a broker that has just started may not know itself yet */
		c->metadata_is_due = true;
}

static void on_metadata(struct client_call *call)
{
	struct client *c = call->owner;
	mono_ms now = os_mono_ms(c->os);

	c->metadata_call = NULL;
	if (call->error.err != OK) {
		c->error = call->error;
		c->metadata_is_due = true;
		client_bootstrap_again(c);
		c->metadata_at = c->is_connected ? now + client_backoff(c, c->spec.retry_backoff_ms,
					c->spec.retry_backoff_max_ms, ++c->metadata_failures) : now;
	} else {
		c->error = CLIENT_ERROR_NONE;
		c->metadata_failures = 0;
		c->metadata_at = now + client_backoff(c, c->spec.retry_backoff_ms, c->spec.retry_backoff_max_ms, 1);
		c->metadata_expires = now + c->spec.metadata_max_age_ms;
		apply(c, call->response);
	}
	client_call_destroy(&call);
}

/* ---- the question ---- */

static bool is_there(const struct client_topic *t)
{
	return t->is_known && t->error == NONE;
}

/*
 * Some topic that the caller has named may have to be made, or is being made. A request says it for all its topics, so those that were found and may be gone are left
 * out of it; the next one asks for them, and makes nothing.
 */
static bool may_make(struct client *c)
{
	MAP_FOREACH(e, &c->topics) {
		const struct client_topic *t = e->value;

		if (!t->is_found && !is_there(t))
			return c->spec.allow_auto_create && !c->has_left_out;
	}
	return false;
}

static void ask(struct client *c)
{
	struct client_call *call = client_call_create(c, API_METADATA, on_metadata, c);
	struct metadata_request *q = call->request;
	uint32_t count = map_count(&c->topics);
	int32_t n = 0;

	q->allow_auto_topic_creation = may_make(c);
	c->has_left_out = false;
	q->topics = arena_alloc(&call->arena, MAX(count, 1u) * sizeof(*q->topics));
	ASSERT(q->topics != NULL);
	MAP_FOREACH(e, &c->topics) {
		const struct client_topic *t = e->value;

		if (e->key.len > TOPIC_NAME_MAX || t->is_lost)
			continue;
		if (q->allow_auto_topic_creation && t->is_found && !is_there(t)) {
			c->has_left_out = true;
			continue;
		}
		metadata_request_topic_init(&q->topics[n]);
		q->topics[n++].name = e->key;
	}
	q->topics_count = n;
	c->metadata_call = call;
	c->metadata_is_due = c->has_left_out;
	client_call_send(call, NODE_ANY, 0);
}

mono_ms client_metadata_turn(struct client *c, mono_ms now)
{
	if (c->metadata_call != NULL)
		return MONO_NEVER;
	if (c->metadata_expires <= now)
		c->metadata_is_due = true;
	if (!c->metadata_is_due)
		return c->metadata_expires;
	if (c->metadata_at > now)
		return c->metadata_at;
	ask(c);
	return MONO_NEVER;
}
