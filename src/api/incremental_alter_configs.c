/*
 * IncrementalAlterConfigs (44). Which resource is meant, and whether it may be changed, is decided
 * here; what the changes come to and whether the result may stand is the controller's to say,
 * because it applies them to what is stored now. Loggers are changed here: they are nobody's but
 * this process's.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_loggers.h"
#include "api/config_resource.h"
#include "base/map.h"
#include "wire/gen/incremental_alter_configs.h"

struct alter_item {
	const struct incremental_alter_configs_request_resource *asked;
	struct controller_altered_resource *resource;	/* NULL: settled here */
	enum kafka_error                    error;
	struct slice                        message;
	bool                                is_listed_twice;
};

struct alter_state {
	struct alter_item               *items;
	struct controller_alter_configs *ask;
};

static void refuse(struct alter_item *it, enum kafka_error error, struct slice message)
{
	it->error = error;
	it->message = message;
}

static struct config_change *changes_of(
	struct call *c, const struct incremental_alter_configs_request_resource *asked)
{
	struct config_change *changes = arena_calloc(&c->arena, (size_t)asked->configs_count,
	                                             sizeof(*changes));

	for (int32_t i = 0; changes != NULL && i < asked->configs_count; i++)
		changes[i] = (struct config_change){
			.name = asked->configs[i].name, .op = asked->configs[i].config_operation,
			.value = asked->configs[i].value,
		};
	return changes;
}

/* --- kinds of resources ----------------------------------------------------------------------- */

static void begin_topic(struct call *c, struct alter_item *it,
                        struct controller_altered_resource *r)
{
	struct slice name = it->asked->resource_name;

	if (!call_authorize(c, ACL_ALTER_CONFIGS, ACL_TOPIC, name)) {
		refuse(it, TOPIC_AUTHORIZATION_FAILED, SLICE_LIT("Topic authorization failed."));
	} else if (name.len == 0) {
		refuse(it, INVALID_REQUEST, SLICE_LIT("Default topic resources are not allowed."));
	} else if (cluster_topic(call_cluster(c), name) == NULL) {
		refuse(it, UNKNOWN_TOPIC_OR_PARTITION,
		       arena_printf(&c->arena, "The topic '" SLICE_FMT "' does not exist.",
		                    SLICE_ARG(name)));
	} else {
		r->entity = ENTITY_TOPIC;
		r->name = name;
		it->resource = r;
	}
}

static bool may_alter_cluster(struct call *c, struct alter_item *it)
{
	if (call_authorize(c, ACL_ALTER_CONFIGS, ACL_CLUSTER, API_CLUSTER_NAME))
		return true;
	refuse(it, CLUSTER_AUTHORIZATION_FAILED, SLICE_LIT("Cluster authorization failed."));
	return false;
}

/* Only the broker itself can change what it alone has. */
static bool is_own_name(struct call *c, struct alter_item *it, const char *expected)
{
	struct slice name = it->asked->resource_name;
	int32_t own_id = call_cluster(c)->broker_id, id;

	if (!config_resource_id(name, &id)) {
		refuse(it, INVALID_REQUEST,
		       arena_printf(&c->arena, "Node id must be an integer, but it is: " SLICE_FMT,
		                    SLICE_ARG(name)));
		return false;
	}
	if (id != own_id) {
		refuse(it, INVALID_REQUEST, arena_printf(&c->arena, "%s %d, but received %d",
		                                         expected, own_id, id));
		return false;
	}
	return true;
}

static void begin_broker(struct call *c, struct alter_item *it,
                         struct controller_altered_resource *r)
{
	if (!may_alter_cluster(c, it))
		return;
	if (it->asked->resource_name.len == 0)
		r->entity = ENTITY_BROKER_DEFAULT;
	else if (is_own_name(c, it, "Unexpected broker id, expected"))
		r->entity = ENTITY_BROKER;
	else
		return;
	it->resource = r;
}

static void change_loggers(struct call *c, struct alter_item *it,
                           const struct config_change *changes)
{
	const struct incremental_alter_configs_request *request = c->request;
	struct config_refusal refusal = { .text = STRBUF_INIT };

	if (!may_alter_cluster(c, it) || !is_own_name(c, it, "Unexpected node id. Expected"))
		return;
	if (!broker_loggers_change(changes, it->asked->configs_count, request->validate_only,
	                           &refusal))
		refuse(it, refusal.error, arena_copy(&c->arena, strbuf_slice(&refusal.text)));
	strbuf_fini(&refusal.text);
}

static void begin_item(struct call *c, struct alter_item *it, struct controller_altered_resource *r,
                       const struct config_change *changes)
{
	*r = (struct controller_altered_resource){
		.mode = CONFIG_INCREMENT, .changes = changes,
		.change_count = it->asked->configs_count,
	};
	if (it->is_listed_twice) {
		refuse(it, INVALID_REQUEST, SLICE_LIT("Each resource must appear at most once."));
		return;
	}
	switch (it->asked->resource_type) {
	case RESOURCE_TOPIC:
		begin_topic(c, it, r);
		break;
	case RESOURCE_BROKER:
		begin_broker(c, it, r);
		break;
	case RESOURCE_BROKER_LOGGER:
		change_loggers(c, it, changes);
		break;
	case RESOURCE_CLIENT_METRICS:
		refuse(it, INVALID_REQUEST,
		       SLICE_LIT("AlterConfigs is only supported for topics and brokers, "
		                 "but resource type is CLIENT_METRICS"));
		break;
	default:
		refuse(it, INVALID_REQUEST, arena_printf(&c->arena, "Unknown resource type %d",
		                                         it->asked->resource_type));
	}
}

/* --- the request as a whole ------------------------------------------------------------------- */

/* Equal type and name, wherever they stand. */
static bool mark_duplicates(struct call *c, struct alter_item *items, int32_t n)
{
	struct map seen = MAP_INIT;
	bool ok = true;

	for (int32_t i = 0; ok && i < n; i++) {
		const struct incremental_alter_configs_request_resource *asked = items[i].asked;
		struct slice key = arena_printf(&c->arena, "%d/" SLICE_FMT, asked->resource_type,
		                                SLICE_ARG(asked->resource_name));
		struct alter_item *old = map_get(&seen, key);

		ok = !slice_is_null(key);
		if (old != NULL)
			old->is_listed_twice = items[i].is_listed_twice = true;
		else if (ok)
			map_put(&seen, key, &items[i]);
	}
	map_fini(&seen);
	return ok;
}

static bool begin_items(struct call *c, struct alter_state *s)
{
	const struct incremental_alter_configs_request *r = c->request;
	int32_t n = r->resources_count;
	struct controller_altered_resource *resources =
		arena_calloc(&c->arena, (size_t)n, sizeof(*resources));

	s->items = arena_calloc(&c->arena, (size_t)n, sizeof(*s->items));
	s->ask = call_message(c, sizeof(*s->ask), CONTROLLER_alter_configs);
	if (resources == NULL || s->items == NULL || s->ask == NULL)
		return false;
	s->ask->validate_only = r->validate_only;
	s->ask->resources = resources;
	for (int32_t i = 0; i < n; i++)
		s->items[i].asked = &r->resources[i];
	if (!mark_duplicates(c, s->items, n))
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct config_change *changes = changes_of(c, &r->resources[i]);

		if (changes == NULL)
			return false;
		begin_item(c, &s->items[i], &resources[s->ask->resource_count], changes);
		s->ask->resource_count += s->items[i].resource != NULL;
	}
	return true;
}

static void incremental_alter_configs_begin(struct call *c)
{
	struct alter_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !begin_items(c, s))
		c->wants_close = true;
	else if (s->ask->resource_count > 0)
		call_ask(c, call_api(c)->controller, &s->ask->msg);
}

static void incremental_alter_configs_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

static void fill_response(struct call *c, struct alter_state *s)
{
	const struct incremental_alter_configs_request *r = c->request;
	struct incremental_alter_configs_response *out = c->response;

	out->responses = arena_calloc(&c->arena, (size_t)r->resources_count,
	                              sizeof(*out->responses));
	if (out->responses == NULL) {
		c->wants_close = true;
		return;
	}
	for (; out->responses_count < r->resources_count; out->responses_count++) {
		struct alter_item *it = &s->items[out->responses_count];

		if (it->resource != NULL)
			refuse(it, it->resource->error,
			       api_take_message(c, &it->resource->message));
		out->responses[out->responses_count] =
			(struct incremental_alter_configs_response_response){
			.error_code = (int16_t)it->error, .error_message = it->message,
			.resource_type = it->asked->resource_type,
			.resource_name = it->asked->resource_name,
		};
	}
}

static void incremental_alter_configs_end(struct call *c)
{
	struct alter_state *s = c->state;

	if (!c->wants_close)
		fill_response(c, s);
	for (int32_t i = 0; s != NULL && s->ask != NULL && i < s->ask->resource_count; i++)
		free(s->ask->resources[i].message);
}

API_CODEC(incremental_alter_configs)

const struct api_row incremental_alter_configs_row = {
	.key = 44, .version_min = 0, .version_max = 1, .name = "IncrementalAlterConfigs",
	.operation = ACL_ALTER_CONFIGS, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(incremental_alter_configs),
	.begin = incremental_alter_configs_begin, .on_answer = incremental_alter_configs_on_answer,
	.end = incremental_alter_configs_end,
};
