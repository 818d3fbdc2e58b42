/*
 * IncrementalAlterConfigs (44): single values are set or deleted, members added to lists and taken
 * out of them.
 */
#include "api/config_alter.h"
#include "wire/gen/incremental_alter_configs.h"

static bool take_request(struct call *c, struct config_alter *a)
{
	const struct incremental_alter_configs_request *r = c->request;

	a->mode = CONFIG_INCREMENT;
	a->validate_only = r->validate_only;
	for (int32_t i = 0; i < a->count; i++) {
		const struct incremental_alter_configs_request_resource *from = &r->resources[i];
		struct config_alter_item *it = &a->items[i];

		it->type = from->resource_type;
		it->name = from->resource_name;
		if (!config_alter_item_reserve(c, it, from->configs_count))
			return false;
		for (int32_t k = 0; k < from->configs_count; k++)
			it->changes[k] = (struct config_change){
				.name = from->configs[k].name,
				.op = from->configs[k].config_operation,
				.value = from->configs[k].value,
			};
	}
	return true;
}

static void incremental_alter_configs_begin(struct call *c)
{
	const struct incremental_alter_configs_request *r = c->request;

	config_alter_begin(c, r->resources_count, take_request);
}

CONFIG_ALTER_END(incremental_alter_configs)
API_CODEC(incremental_alter_configs)

const struct api_row incremental_alter_configs_row = {
	.key = 44, .version_min = 0, .version_max = 1, .name = "IncrementalAlterConfigs",
	.operation = ACL_ALTER_CONFIGS, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(incremental_alter_configs),
	.begin = incremental_alter_configs_begin, .on_answer = config_alter_on_answer,
	.end = incremental_alter_configs_end,
};
