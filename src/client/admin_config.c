/*
 * Configuration of topics and brokers, and levels of their loggers.
 */
#include <stdlib.h>

#include "client/admin_priv.h"
#include "client/client_call.h"
#include "wire/gen/incremental_alter_configs.h"

static void answered(struct operation *o, int16_t code, enum admin_resource type, const char *name, struct slice message)
{
	if (type == ADMIN_BROKER && *name == '\0')
		admin_answered(o, code, "default of", "all brokers", message);
	else
		admin_answered(o, code, type == ADMIN_TOPIC ? "topic" : type == ADMIN_LOGGER ? "loggers of broker" : "broker", name, message);
}

/* Changes of a broker's own configuration are for that broker. */
static int32_t node_for(enum admin_resource type, const char *name, int32_t otherwise)
{
	return type != ADMIN_TOPIC && *name != '\0' ? (int32_t)strtol(name, NULL, 10) : otherwise;
}

static void try_alter(struct operation *o, enum admin_resource type, const char *name, const struct admin_change *changes,
		      int change_count, bool validate_only)
{
	struct client_call *call = client_call_create(o->client, API_INCREMENTAL_ALTER_CONFIGS, NULL, NULL);
	struct incremental_alter_configs_request *q = call->request;
	const struct incremental_alter_configs_response *r;
	struct incremental_alter_configs_request_resource resource;
	struct incremental_alter_configs_request_config *list = mem_calloc((size_t)MAX(change_count, 1), sizeof(*list));

	incremental_alter_configs_request_resource_init(&resource);
	resource.resource_type = (int8_t)type;
	resource.resource_name = slice_str(name);
	resource.configs = list;
	resource.configs_count = change_count;
	for (int i = 0; i < change_count; i++)
		list[i] = (struct incremental_alter_configs_request_config){
			.name = slice_str(changes[i].name), .value = slice_str(changes[i].value),
			.config_operation = (int8_t)changes[i].op };
	q->resources = &resource;
	q->resources_count = 1;
	q->validate_only = validate_only;
	o->is_question = validate_only;
	if (admin_ask(o, call, node_for(type, name, NODE_CONTROLLER))) {
		r = call->response;
		if (r->responses_count == 1)
			answered(o, r->responses[0].error_code, type, name, r->responses[0].error_message);
		else
			admin_left_out(o);
	}
	client_call_destroy(&call);
	free(list);
}

enum err admin_change_configs(struct client *c, enum admin_resource type, const char *name, const struct admin_change *changes,
			      int change_count, bool validate_only, mono_ms timeout_ms, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	do
		try_alter(&o, type, name, changes, change_count, validate_only);
	while (admin_again(&o));
	return error->err;
}

enum err admin_alter_configs(struct client *c, enum admin_resource type, const char *name,
			     const struct admin_config *changes, int change_count, mono_ms timeout_ms,
			     struct client_error *error)
{
	struct admin_change *list = mem_calloc((size_t)MAX(change_count, 1), sizeof(*list));

	for (int i = 0; i < change_count; i++)
		list[i] = (struct admin_change){ changes[i].name, changes[i].value, changes[i].value != NULL ? ADMIN_SET : ADMIN_UNSET };
	enum err e = admin_change_configs(c, type, name, list, change_count, false, timeout_ms, error);
	free(list);
	return e;
}

static const struct describe_configs_response_result *try_describe_configs(struct operation *o, enum admin_resource type,
									    const char *name, bool with_synonyms,
									    struct client_call **answer)
{
	struct client_call *call = client_call_create(o->client, API_DESCRIBE_CONFIGS, NULL, NULL);
	struct describe_configs_request *q = call->request;
	const struct describe_configs_response *r;
	struct describe_configs_request_resource resource;

	describe_configs_request_resource_init(&resource);
	resource.resource_type = (int8_t)type;
	resource.resource_name = slice_str(name);
	resource.configuration_keys_count = -1;		/* null: all */
	q->resources = &resource;
	q->resources_count = 1;
	q->include_synonyms = with_synonyms;
	*answer = call;
	if (!admin_ask(o, call, node_for(type, name, NODE_ANY)))
		return NULL;
	r = call->response;
	if (r->results_count != 1) {
		admin_left_out(o);
		return NULL;
	}
	answered(o, r->results[0].error_code, type, name, r->results[0].error_message);
	return &r->results[0];
}

static enum err describe(struct client *c, enum admin_resource type, const char *name, bool with_synonyms, mono_ms timeout_ms,
			 struct client_call **answer, const struct describe_configs_response_result **out, struct client_error *error)
{
	struct operation o = admin_begin(c, timeout_ms, error);

	*answer = NULL;
	do {
		client_call_destroy(answer);
		*out = try_describe_configs(&o, type, name, with_synonyms, answer);
	} while (admin_again(&o));
	if (error->err != OK)
		client_call_destroy(answer);
	return error->err;
}

enum err admin_describe_configs(struct client *c, enum admin_resource type, const char *name, mono_ms timeout_ms,
				struct client_call **answer, const struct describe_configs_response_result **out,
				struct client_error *error)
{
	return describe(c, type, name, false, timeout_ms, answer, out, error);
}

enum err admin_explain_configs(struct client *c, enum admin_resource type, const char *name, mono_ms timeout_ms,
			       struct client_call **answer, const struct describe_configs_response_result **out,
			       struct client_error *error)
{
	return describe(c, type, name, true, timeout_ms, answer, out, error);
}
