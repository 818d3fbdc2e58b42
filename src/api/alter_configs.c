/*
 * AlterConfigs (33): the resource's whole dynamic configuration is replaced; what is not named
 * reverts. Kafka's own tool still uses it for brokers.
 */
#include "api/config_alter.h"
#include "wire/gen/alter_configs.h"

static bool take_request(struct call *c, struct config_alter *a)
{
	const struct alter_configs_request *r = c->request;

	a->mode = CONFIG_REPLACE;
	a->validate_only = r->validate_only;
	for (int32_t i = 0; i < a->count; i++) {
		const struct alter_configs_request_resource *from = &r->resources[i];
		struct config_alter_item *it = &a->items[i];

		it->type = from->resource_type;
		it->name = from->resource_name;
		if (!config_alter_item_reserve(c, it, from->configs_count))
			return false;
		for (int32_t k = 0; k < from->configs_count; k++)
			it->changes[k] = (struct config_change){
				.name = from->configs[k].name, .value = from->configs[k].value,
			};
	}
	return true;
}

static void alter_configs_begin(struct call *c)
{
	const struct alter_configs_request *r = c->request;

	config_alter_begin(c, r->resources_count, take_request);
}

CONFIG_ALTER_END(alter_configs)
API_CODEC(alter_configs)

const struct api_row alter_configs_row = {
	.key = 33, .version_min = 0, .version_max = 2, .name = "AlterConfigs",
	.operation = ACL_ALTER_CONFIGS, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(alter_configs),
	.begin = alter_configs_begin, .on_answer = config_alter_on_answer,
	.end = alter_configs_end,
};
