/*
 * Which resource is meant, and whether it may be changed, is decided here; what the changes come to
 * and whether the result may stand is the controller's to say, because it applies them to what is
 * stored now. Loggers are changed here: they are nobody's but this process's.
 */
#include "api/config_alter.h"

#include "api/broker_loggers.h"
#include "api/config_resource.h"
#include "base/map.h"

bool config_alter_item_reserve(struct call *c, struct config_alter_item *it, int32_t n)
{
	it->changes = arena_calloc(&c->arena, (size_t)n, sizeof(*it->changes));
	it->change_count = n;
	return it->changes != NULL;
}

static void refuse(struct config_alter_item *it, enum kafka_error error, struct slice message)
{
	it->error = error;
	it->message = message;
}

/* --- kinds of resources ----------------------------------------------------------------------- */

static void begin_topic(struct call *c, struct config_alter_item *it,
                        struct controller_altered_resource *r)
{
	if (!call_authorize(c, ACL_ALTER_CONFIGS, ACL_TOPIC, it->name)) {
		refuse(it, TOPIC_AUTHORIZATION_FAILED, SLICE_LIT("Topic authorization failed."));
	} else if (it->name.len == 0) {
		refuse(it, INVALID_REQUEST, SLICE_LIT("Default topic resources are not allowed."));
	} else if (cluster_topic(call_cluster(c), it->name) == NULL) {
		refuse(it, UNKNOWN_TOPIC_OR_PARTITION,
		       arena_printf(&c->arena, "The topic '" SLICE_FMT "' does not exist.",
		                    SLICE_ARG(it->name)));
	} else {
		r->entity = ENTITY_TOPIC;
		r->name = it->name;
		it->resource = r;
	}
}

static bool may_alter_cluster(struct call *c, struct config_alter_item *it)
{
	if (call_authorize(c, ACL_ALTER_CONFIGS, ACL_CLUSTER, API_CLUSTER_NAME))
		return true;
	refuse(it, CLUSTER_AUTHORIZATION_FAILED, SLICE_LIT("Cluster authorization failed."));
	return false;
}

/* Only the broker itself can change what it alone has. */
static bool is_own_name(struct call *c, struct config_alter_item *it, const char *expected)
{
	int32_t own_id = call_cluster(c)->broker_id, id;

	if (!config_resource_id(it->name, &id)) {
		refuse(it, INVALID_REQUEST,
		       arena_printf(&c->arena, "Node id must be an integer, but it is: " SLICE_FMT,
		                    SLICE_ARG(it->name)));
		return false;
	}
	if (id != own_id) {
		refuse(it, INVALID_REQUEST, arena_printf(&c->arena, "%s %d, but received %d",
		                                         expected, own_id, id));
		return false;
	}
	return true;
}

static void begin_broker(struct call *c, struct config_alter_item *it,
                         struct controller_altered_resource *r)
{
	if (!may_alter_cluster(c, it))
		return;
	if (it->name.len == 0)
		r->entity = ENTITY_BROKER_DEFAULT;
	else if (is_own_name(c, it, "Unexpected broker id, expected"))
		r->entity = ENTITY_BROKER;
	else
		return;
	it->resource = r;
}

static void change_loggers(struct call *c, const struct config_alter *a,
                           struct config_alter_item *it)
{
	struct config_refusal refusal = { .text = STRBUF_INIT };

	if (!may_alter_cluster(c, it) || !is_own_name(c, it, "Unexpected node id. Expected"))
		return;
	if (!broker_loggers_change(it->changes, it->change_count, a->validate_only, &refusal))
		refuse(it, refusal.error, arena_copy(&c->arena, strbuf_slice(&refusal.text)));
	strbuf_fini(&refusal.text);
}

static void refuse_type(struct call *c, struct config_alter_item *it)
{
	refuse(it, INVALID_REQUEST, arena_printf(&c->arena, "Unknown resource type %d", it->type));
}

static void begin_item(struct call *c, const struct config_alter *a, struct config_alter_item *it,
                       struct controller_altered_resource *r)
{
	*r = (struct controller_altered_resource){
		.mode = a->mode, .changes = it->changes, .change_count = it->change_count,
	};
	if (it->is_listed_twice) {
		refuse(it, INVALID_REQUEST, SLICE_LIT("Each resource must appear at most once."));
		return;
	}
	switch (it->type) {
	case RESOURCE_TOPIC:
		begin_topic(c, it, r);
		break;
	case RESOURCE_BROKER:
		begin_broker(c, it, r);
		break;
	case RESOURCE_BROKER_LOGGER:	/* a logger has a level, not a set of configs to replace */
		if (a->mode == CONFIG_INCREMENT)
			change_loggers(c, a, it);
		else
			refuse_type(c, it);
		break;
	case RESOURCE_CLIENT_METRICS:
		refuse(it, INVALID_REQUEST,
		       SLICE_LIT("AlterConfigs is only supported for topics and brokers, "
		                 "but resource type is CLIENT_METRICS"));
		break;
	default:
		refuse_type(c, it);
	}
}

/* --- the request as a whole ------------------------------------------------------------------- */

/* Equal type and name, wherever they stand. */
static bool mark_duplicates(struct call *c, struct config_alter *a)
{
	struct map seen = MAP_INIT;
	bool ok = true;

	for (int32_t i = 0; ok && i < a->count; i++) {
		struct config_alter_item *it = &a->items[i], *old;
		struct slice key = arena_printf(&c->arena, "%d/" SLICE_FMT, it->type,
		                                SLICE_ARG(it->name));

		ok = !slice_is_null(key);
		old = map_get(&seen, key);
		if (old != NULL)
			old->is_listed_twice = it->is_listed_twice = true;
		else if (ok)
			map_put(&seen, key, it);
	}
	map_fini(&seen);
	return ok;
}

/* Settles what it can and asks the controller for the rest. False: the arena's limit. */
static bool begin(struct call *c, struct config_alter *a)
{
	struct controller_altered_resource *resources =
		arena_calloc(&c->arena, (size_t)a->count, sizeof(*resources));

	a->ask = call_message(c, sizeof(*a->ask), CONTROLLER_alter_configs);
	if (resources == NULL || a->ask == NULL || !mark_duplicates(c, a))
		return false;
	a->ask->validate_only = a->validate_only;
	a->ask->resources = resources;
	for (int32_t i = 0; i < a->count; i++) {
		begin_item(c, a, &a->items[i], &resources[a->ask->resource_count]);
		a->ask->resource_count += a->items[i].resource != NULL;
	}
	if (a->ask->resource_count > 0)
		call_ask(c, call_api(c)->controller, &a->ask->msg);
	return true;
}

void config_alter_begin(struct call *c, int32_t count,
                        bool (*take)(struct call *c, struct config_alter *a))
{
	struct config_alter *a = arena_calloc(&c->arena, 1, sizeof(*a));

	c->state = a;
	if (a != NULL)
		a->items = arena_calloc(&c->arena, (size_t)count, sizeof(*a->items));
	if (a == NULL || a->items == NULL) {
		c->wants_close = true;
		return;
	}
	a->count = count;
	if (!take(c, a) || !begin(c, a))
		c->wants_close = true;
}

void config_alter_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

const struct config_alter *config_alter_end(struct call *c)
{
	struct config_alter *a = c->state;

	for (int32_t i = 0; a != NULL && i < a->count; i++) {
		struct config_alter_item *it = &a->items[i];

		if (it->resource != NULL)
			refuse(it, it->resource->error,
			       api_take_message(c, &it->resource->message));
	}
	return c->wants_close ? NULL : a;
}
