/*
 * DescribeConfigs (32): what base/config_describe.h says of topics, of this broker and of the
 * cluster-wide level, and the levels of the broker's loggers. All of it is at hand: the picture and
 * the configuration of the moment.
 *
 * Texts are copied into the call, because the sets they come from do not live as long as the
 * answer.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_loggers.h"
#include "api/broker_view.h"
#include "api/config_resource.h"
#include "base/config_describe.h"
#include "base/map.h"
#include "wire/gen/describe_configs.h"


static bool refuse(struct describe_configs_response_result *out, enum kafka_error error,
                   struct slice message)
{
	out->error_code = (int16_t)error;
	out->error_message = message;
	return !slice_is_null(message);
}

/* --- one config ------------------------------------------------------------------------------- */

static bool copy_text(struct call *c, struct slice from, struct slice *to)
{
	*to = arena_copy(&c->arena, from);
	return slice_is_null(from) || !slice_is_null(*to);
}

static bool fill_synonyms(struct call *c, const struct config_description *d,
                          struct describe_configs_response_config *out)
{
	out->synonyms = arena_calloc(&c->arena, (size_t)d->synonyms_count, sizeof(*out->synonyms));
	if (out->synonyms == NULL)
		return false;
	for (; out->synonyms_count < d->synonyms_count; out->synonyms_count++) {
		const struct config_synonym *s = &d->synonyms[out->synonyms_count];
		struct describe_configs_response_synonym *to = &out->synonyms[out->synonyms_count];

		to->source = (int8_t)s->source;
		if (!copy_text(c, s->name, &to->name) || !copy_text(c, s->value, &to->value))
			return false;
	}
	return true;
}

/* is_default of version 0 is never set: Kafka stopped doing so when sources came. */
static bool fill_config(struct call *c, const struct config_description *d,
                        struct describe_configs_response_config *out)
{
	const struct describe_configs_request *r = c->request;

	describe_configs_response_config_init(out);
	out->read_only = d->is_read_only;
	out->config_source = (int8_t)d->source;
	out->is_sensitive = d->is_sensitive;
	out->config_type = (int8_t)d->type;
	out->documentation = r->include_documentation ? slice_str(d->doc) : SLICE_NULL;
	return copy_text(c, d->name, &out->name) && copy_text(c, d->value, &out->value) &&
	       (!r->include_synonyms || fill_synonyms(c, d, out));
}

/* --- the configs of one resource -------------------------------------------------------------- */

/* Which names are wanted. None listed: all. */
static void wanted_init(struct map *wanted, const struct describe_configs_request_resource *asked)
{
	map_init(wanted);
	for (int32_t i = 0; i < asked->configuration_keys_count; i++)
		map_put(wanted, asked->configuration_keys[i], wanted);
}

static bool is_wanted(const struct map *wanted, struct slice name)
{
	return map_count(wanted) == 0 || map_get(wanted, name) != NULL;
}

/* room: as many as the iterator can give at most. */
static bool fill_configs(struct call *c, struct config_describe *it, size_t room,
                         const struct map *wanted, struct describe_configs_response_result *out)
{
	struct config_description d;

	out->configs = arena_calloc(&c->arena, room, sizeof(*out->configs));
	if (out->configs == NULL)
		return false;
	while (config_describe_next(it, &d)) {
		if (!is_wanted(wanted, d.name))
			continue;
		ASSERT((size_t)out->configs_count < room);
		if (!fill_config(c, &d, &out->configs[out->configs_count++]))
			return false;
	}
	return !it->is_full;
}

static bool describe_topic(struct call *c, const struct describe_configs_request_resource *asked,
                           const struct map *wanted, struct describe_configs_response_result *out)
{
	const struct cluster_topic *topic;
	const struct broker_view *view = broker_view_now(c);
	struct config_describe it;
	struct config_set overrides;
	char problem[512];

	if (!call_authorize(c, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, asked->resource_name))
		return refuse(out, TOPIC_AUTHORIZATION_FAILED,
		              SLICE_LIT("Topic authorization failed."));
	if (topic_name_problem(asked->resource_name, problem, sizeof(problem)) != NULL)
		return refuse(out, INVALID_TOPIC_EXCEPTION,
		              arena_copy(&c->arena, slice_str(problem)));
	topic = cluster_topic(call_cluster(c), asked->resource_name);
	if (topic == NULL)
		return refuse(out, UNKNOWN_TOPIC_OR_PARTITION, SLICE_EMPTY);
	overrides_to_set(topic->overrides, &overrides);
	config_describe_topic(&it, &view->layers, view->config, &overrides, &c->arena);
	bool ok = fill_configs(c, &it, config_topics.count + (size_t)topic->overrides->count,
	                       wanted, out);
	config_set_fini(&overrides);
	return ok;
}

static bool may_describe_cluster(struct call *c, struct describe_configs_response_result *out)
{
	if (call_authorize(c, ACL_DESCRIBE_CONFIGS, ACL_CLUSTER, API_CLUSTER_NAME))
		return true;
	out->error_code = CLUSTER_AUTHORIZATION_FAILED;
	out->error_message = SLICE_LIT("Cluster authorization failed.");
	return false;
}

static bool describe_broker(struct call *c, const struct describe_configs_request_resource *asked,
                            const struct map *wanted, struct describe_configs_response_result *out)
{
	const struct broker_view *view = broker_view_now(c);
	struct slice name = asked->resource_name;
	int32_t own_id = call_cluster(c)->broker_id, id;
	struct config_describe it;
	size_t room = config_brokers.count;

	if (!may_describe_cluster(c, out))
		return true;
	for (int level = 0; level < CONFIG_LEVEL_COUNT; level++)
		room += map_count(&view->layers.at[level]->entries);
	if (name.len == 0) {
		config_describe_cluster(&it, &view->layers, &c->arena);
		return fill_configs(c, &it, room, wanted, out);
	}
	if (!config_resource_id(name, &id))
		return refuse(out, INVALID_REQUEST,
		              arena_printf(&c->arena,
		                           "Broker id must be an integer, but it is: " SLICE_FMT,
		                           SLICE_ARG(name)));
	if (id != own_id)
		return refuse(out, INVALID_REQUEST,
		              arena_printf(&c->arena, "Unexpected broker id, expected %d or empty "
		                                      "string, but received %d", own_id, id));
	config_describe_broker(&it, &view->layers, &c->arena);
	return fill_configs(c, &it, room, wanted, out);
}

static bool describe_loggers(struct call *c, const struct describe_configs_request_resource *asked,
                             const struct map *wanted, struct describe_configs_response_result *out)
{
	struct slice name = asked->resource_name;
	int32_t own_id = call_cluster(c)->broker_id, id;

	if (!may_describe_cluster(c, out))
		return true;
	if (name.len == 0)
		return refuse(out, INVALID_REQUEST, SLICE_LIT("Broker id must not be empty"));
	if (!config_resource_id(name, &id))
		return refuse(out, INVALID_REQUEST,
		              arena_printf(&c->arena,
		                           "Broker id must be an integer, but it is: " SLICE_FMT,
		                           SLICE_ARG(name)));
	if (id != own_id)
		return refuse(out, INVALID_REQUEST,
		              arena_printf(&c->arena,
		                           "Unexpected broker id, expected %d but received %d",
		                           own_id, id));
	out->configs = arena_calloc(&c->arena, LOGGER_COUNT, sizeof(*out->configs));
	if (out->configs == NULL)
		return false;
	for (int i = 0; i < LOGGER_COUNT; i++) {
		struct describe_configs_response_config *d = &out->configs[out->configs_count];

		if (!is_wanted(wanted, slice_str(log_logger_name(i))))
			continue;
		describe_configs_response_config_init(d);
		d->name = slice_str(log_logger_name(i));
		d->value = slice_str(broker_logger_level(i));
		d->config_source = SOURCE_BROKER_LOGGER;
		d->documentation = SLICE_EMPTY;
		out->configs_count++;
	}
	return true;
}

static bool describe(struct call *c, const struct describe_configs_request_resource *asked,
                     bool is_bad_request, struct describe_configs_response_result *out)
{
	struct map wanted;
	bool ok = true;

	describe_configs_response_result_init(out);
	out->resource_type = asked->resource_type;
	out->resource_name = asked->resource_name;
	out->error_message = SLICE_EMPTY;
	if (is_bad_request)
		return refuse(out, INVALID_REQUEST, slice_str(kafka_error_text(INVALID_REQUEST)));
	wanted_init(&wanted, asked);
	switch (asked->resource_type) {
	case RESOURCE_TOPIC:
		ok = describe_topic(c, asked, &wanted, out);
		break;
	case RESOURCE_BROKER:
		ok = describe_broker(c, asked, &wanted, out);
		break;
	case RESOURCE_BROKER_LOGGER:
		ok = describe_loggers(c, asked, &wanted, out);
		break;
	case RESOURCE_CLIENT_METRICS:
		ok = refuse(out, INVALID_REQUEST,
		            SLICE_LIT("Config type client-metrics is only supported on KRaft "
		                      "clusters"));
		break;
	}
	map_fini(&wanted);
	return ok;
}

/* A resource type nobody knows fails the request as a whole. */
static bool has_unknown_type(const struct describe_configs_request *r)
{
	for (int32_t i = 0; i < r->resources_count; i++) {
		if (!config_resource_is_known(r->resources[i].resource_type))
			return true;
	}
	return false;
}

static void describe_configs_begin(struct call *c)
{
	const struct describe_configs_request *r = c->request;
	struct describe_configs_response *out = c->response;
	bool is_bad_request = has_unknown_type(r);

	out->results = arena_calloc(&c->arena, (size_t)r->resources_count, sizeof(*out->results));
	if (out->results == NULL) {
		c->wants_close = true;
		return;
	}
	for (; out->results_count < r->resources_count; out->results_count++) {
		if (!describe(c, &r->resources[out->results_count], is_bad_request,
		              &out->results[out->results_count])) {
			c->wants_close = true;		/* the arena's limit */
			return;
		}
	}
}

API_CODEC(describe_configs)

const struct api_row describe_configs_row = {
	.key = 32, .version_min = 0, .version_max = 4, .name = "DescribeConfigs",
	.operation = ACL_DESCRIBE_CONFIGS, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(describe_configs),
	.begin = describe_configs_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
