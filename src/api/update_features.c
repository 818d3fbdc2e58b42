/*
 * UpdateFeatures (57): a broker that keeps its cluster's state in ZooKeeper supports no feature, as
 * Kafka's; so nothing can be finalized, and nothing is there to be deleted. The checks of a request
 * are Kafka's, in its order and words.
 */
#include "api/api.h"
#include "api/broker_view.h"
#include "wire/gen/update_features.h"

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

static int upgrade_type(const struct call *c, const struct update_features_request_feature_update *u)
{
	if (c->version == 0)
		return u->allow_downgrade ? SAFE_DOWNGRADE : UPGRADE;
	return u->upgrade_type;
}

static struct slice problem(struct call *c, const struct update_features_request_feature_update *u)
{
	int type = upgrade_type(c, u);

	if (u->feature.len == 0)
		return SLICE_LIT("Feature name can not be empty.");
	if (type < UPGRADE || type > UNSAFE_DOWNGRADE)
		return SLICE_LIT("Received unknown upgrade type.");
	if (u->max_version_level < 1 && type != UPGRADE)
		return SLICE_LIT("Can not delete non-existing finalized feature.");
	if (u->max_version_level < 1)
		return arena_printf(&c->arena, "Can not provide maxVersionLevel: %d less than 1 "
		                    "without setting the allowDowngrade flag to true in the "
		                    "request.", u->max_version_level);
	return SLICE_LIT("Could not apply finalized feature update because the provided feature is "
	                 "not supported.");
}

static enum kafka_error check(struct call *c)
{
	if (!call_authorize(c, ACL_ALTER, ACL_CLUSTER, API_CLUSTER_NAME))
		return CLUSTER_AUTHORIZATION_FAILED;
	if (broker_view_now(c)->config->inter_broker_protocol_version < KAFKA_VERSION(2, 7, 0))
		return INVALID_REQUEST;
	return api_is_controller(c) ? NONE : NOT_CONTROLLER;
}

static void update_features_begin(struct call *c)
{
	const struct update_features_request *r = c->request;
	struct update_features_response *out = c->response;

	out->error_message = SLICE_NULL;
	out->error_code = (int16_t)check(c);
	if (out->error_code != NONE) {
		out->error_message = out->error_code == INVALID_REQUEST
			? SLICE_LIT("Feature versioning system is disabled.")
			: slice_str(kafka_error_text((enum kafka_error)out->error_code));
		return;
	}
	out->results = arena_calloc(&c->arena, (size_t)r->feature_updates_count,
	                            sizeof(*out->results));
	if (out->results == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < r->feature_updates_count; i++)
		out->results[out->results_count++] = (struct update_features_response_result){
			.feature = r->feature_updates[i].feature, .error_code = INVALID_REQUEST,
			.error_message = problem(c, &r->feature_updates[i]),
		};
}

API_CODEC(update_features)

const struct api_row update_features_row = {
	.key = 57, .version_min = 0, .version_max = 1, .name = "UpdateFeatures",
	.operation = ACL_ALTER, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(update_features),
	.begin = update_features_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
