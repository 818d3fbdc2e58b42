/*
 * CreateTopics (19). What concerns the request as such is decided here (names listed twice,
 * permissions); the controller checks and creates. From version 5 on the answer lists the topic's
 * configs, which are described here as DescribeConfigs would: from what the request says and what
 * the broker's own configuration adds.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_view.h"
#include "base/config_describe.h"
#include "base/map.h"
#include "wire/gen/create_topics.h"

struct create_item {
	const struct create_topics_request_topic *asked;
	struct controller_new_topic              *topic;	/* NULL: refused here */
	enum kafka_error                          error;
	const char                               *message;
};

struct create_state {
	struct create_item              *items;
	struct controller_create_topics *ask;		/* NULL: nothing to create */
};

/* --- the question ----------------------------------------------------------------------------- */

static bool is_listed_twice(const struct map *counts, struct slice name)
{
	return (uintptr_t)map_get(counts, name) > 1;
}

static void check_item(struct call *c, struct create_item *it, const struct map *counts)
{
	if (!api_is_controller(c)) {
		it->error = NOT_CONTROLLER;
	} else if (slice_eq_str(it->asked->name, "__cluster_metadata")) {
		it->error = INVALID_REQUEST;
		it->message = "Creation of internal topic __cluster_metadata is prohibited.";
	} else if (is_listed_twice(counts, it->asked->name)) {
		it->error = INVALID_REQUEST;
		it->message = "Found multiple entries for this topic.";
	} else if (!call_authorize(c, ACL_CREATE, ACL_CLUSTER, API_CLUSTER_NAME) &&
	           !call_authorize(c, ACL_CREATE, ACL_TOPIC, it->asked->name)) {
		it->error = TOPIC_AUTHORIZATION_FAILED;
		it->message = "Authorization failed.";
	}
}

static bool fill_question(struct call *c, struct controller_new_topic *t,
                          const struct create_topics_request_topic *asked)
{
	struct controller_assignment *assignments =
		arena_calloc(&c->arena, (size_t)asked->assignments_count, sizeof(*assignments));
	struct controller_config *configs = arena_calloc(&c->arena, (size_t)asked->configs_count,
	                                                 sizeof(*configs));

	if (assignments == NULL || configs == NULL)
		return false;
	for (int32_t i = 0; i < asked->assignments_count; i++)
		assignments[i] = (struct controller_assignment){
			.partition = asked->assignments[i].partition_index,
			.brokers = asked->assignments[i].broker_ids,
			.broker_count = asked->assignments[i].broker_ids_count,
		};
	for (int32_t i = 0; i < asked->configs_count; i++)
		configs[i] = (struct controller_config){
			.name = asked->configs[i].name, .value = asked->configs[i].value,
		};
	*t = (struct controller_new_topic){
		.name = asked->name, .partitions = asked->num_partitions,
		.replication_factor = asked->replication_factor,
		.assignments = assignments, .assignment_count = asked->assignments_count,
		.configs = configs, .config_count = asked->configs_count,
	};
	return true;
}

static void count_names(const struct create_topics_request *r, struct map *counts)
{
	for (int32_t i = 0; i < r->topics_count; i++) {
		uintptr_t n = (uintptr_t)map_get(counts, r->topics[i].name);

		map_put(counts, r->topics[i].name, (void *)(n + 1));
	}
}

static bool begin_items(struct call *c, struct create_state *s, const struct map *counts)
{
	const struct create_topics_request *r = c->request;
	struct controller_new_topic *topics = arena_calloc(&c->arena, (size_t)r->topics_count,
	                                                   sizeof(*topics));

	s->items = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*s->items));
	s->ask = call_message(c, sizeof(*s->ask), CONTROLLER_create_topics);
	if (topics == NULL || s->items == NULL || s->ask == NULL)
		return false;
	s->ask->topics = topics;
	s->ask->validate_only = r->validate_only;
	s->ask->timeout_ms = r->timeout_ms;
	api_fill_payer(c, &s->ask->payer, 6);
	for (int32_t i = 0; i < r->topics_count; i++) {
		struct create_item *it = &s->items[i];

		it->asked = &r->topics[i];
		check_item(c, it, counts);
		if (it->error != NONE)
			continue;
		it->topic = &topics[s->ask->topic_count++];
		if (!fill_question(c, it->topic, it->asked))
			return false;
	}
	return true;
}

static void create_topics_begin(struct call *c)
{
	struct create_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	struct map counts = MAP_INIT;
	bool ok;

	c->state = s;
	if (s == NULL) {
		c->wants_close = true;
		return;
	}
	count_names(c->request, &counts);
	ok = begin_items(c, s, &counts);
	map_fini(&counts);
	if (!ok)
		c->wants_close = true;
	else if (s->ask->topic_count > 0)
		call_ask(c, call_api(c)->controller, &s->ask->msg);
}

static void create_topics_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Of a config that is given twice the last value counts, as in the controller. */
static bool fill_configs(struct call *c, const struct create_topics_request_topic *asked,
                         struct create_topics_response_topic *out)
{
	const struct broker_view *view = broker_view_now(c);
	struct config_set overrides;
	struct config_describe it;
	struct config_description d;

	out->configs = arena_calloc(&c->arena, config_topics.count, sizeof(*out->configs));
	if (out->configs == NULL)
		return false;
	config_set_init(&overrides);
	for (int32_t i = 0; i < asked->configs_count; i++)
		config_set_put(&overrides, asked->configs[i].name, asked->configs[i].value,
		               (struct config_place){ .origin = CONFIG_FROM_STORE });
	config_describe_topic(&it, &view->layers, view->config, &overrides, &c->arena);
	while (config_describe_next(&it, &d) && (size_t)out->configs_count < config_topics.count)
		out->configs[out->configs_count++] = (struct create_topics_response_config){
			.name = arena_copy(&c->arena, d.name),
			.value = arena_copy(&c->arena, d.value),
			.read_only = d.is_read_only, .config_source = (int8_t)d.source,
			.is_sensitive = d.is_sensitive,
		};
	config_set_fini(&overrides);
	return !it.is_full;
}

static bool fill_topic(struct call *c, struct create_item *it,
                       struct create_topics_response_topic *out)
{
	struct controller_new_topic *t = it->topic;

	create_topics_response_topic_init(out);
	out->name = it->asked->name;
	out->error_code = (int16_t)it->error;
	out->error_message = slice_str(it->message);
	if (t == NULL)
		return true;
	out->error_code = (int16_t)t->error;
	out->error_message = api_take_message(c, &t->message);
	out->topic_id = t->topic_id;
	if (t->error != NONE || c->version < 5)
		return true;
	if (!call_authorize(c, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, t->name)) {
		out->topic_config_error_code = TOPIC_AUTHORIZATION_FAILED;
		return true;
	}
	out->num_partitions = t->partitions_made;
	out->replication_factor = t->replication_factor_made;
	return fill_configs(c, it->asked, out);
}

static bool fill_response(struct call *c, struct create_state *s)
{
	const struct create_topics_request *r = c->request;
	struct create_topics_response *out = c->response;

	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	api_take_throttle(c, &s->ask->payer, &out->throttle_time_ms);
	for (; out->topics_count < r->topics_count; out->topics_count++) {
		if (!fill_topic(c, &s->items[out->topics_count], &out->topics[out->topics_count]))
			return false;
	}
	return true;
}

static void create_topics_end(struct call *c)
{
	struct create_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; s != NULL && s->ask != NULL && i < s->ask->topic_count; i++)
		free(s->ask->topics[i].message);
}

API_CODEC(create_topics)

const struct api_row create_topics_row = {
	.key = 19, .version_min = 0, .version_max = 7, .name = "CreateTopics",
	.operation = ACL_CREATE, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(create_topics),
	.begin = create_topics_begin, .on_answer = create_topics_on_answer,
	.end = create_topics_end,
};
