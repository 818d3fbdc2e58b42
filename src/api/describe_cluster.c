/*
 * DescribeCluster (60): the brokers and the controller, from the picture. No permission is needed
 * for the list.
 */
#include "api/api.h"
#include "wire/gen/describe_cluster.h"

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

static bool check_endpoint_type(struct call *c)
{
	const struct describe_cluster_request *r = c->request;
	struct describe_cluster_response *out = c->response;

	if (r->endpoint_type == ENDPOINT_BROKER)
		return true;
	out->cluster_id = SLICE_EMPTY;
	if (r->endpoint_type == ENDPOINT_CONTROLLER) {
		out->error_code = MISMATCHED_ENDPOINT_TYPE;
		out->error_message =
			SLICE_LIT("The request was sent to an endpoint of type BROKER, "
		                               "but we wanted an endpoint of type CONTROLLER");
	} else {
		out->error_code = UNSUPPORTED_ENDPOINT_TYPE;
		out->error_message = arena_printf(&c->arena, "Unsupported endpoint type %d",
		                                  r->endpoint_type);
	}
	return false;
}

static void describe_cluster_begin(struct call *c)
{
	const struct describe_cluster_request *r = c->request;
	struct describe_cluster_response *out = c->response;
	const struct cluster *cluster = call_cluster(c);

	if (!check_endpoint_type(c))
		return;
	out->brokers = arena_calloc(&c->arena, (size_t)cluster->broker_count,
	                            sizeof(*out->brokers));
	if (out->brokers == NULL) {
		c->wants_close = true;
		return;
	}
	for (int i = 0; i < cluster->broker_count; i++) {
		const struct cluster_broker *b = &cluster->brokers[i];
		const struct cluster_endpoint *e = cluster_broker_endpoint(b, c->listener);

		if (e == NULL)
			continue;
		out->brokers[out->brokers_count++] = (struct describe_cluster_response_broker){
			.broker_id = b->id, .host = slice_str(e->host), .port = e->port,
			.rack = b->has_rack ? slice_str(b->rack) : SLICE_NULL,
		};
		if (b->id == cluster->controller_id)
			out->controller_id = b->id;
	}
	out->cluster_id = slice_str(cluster->cluster_id);
	if (r->include_cluster_authorized_operations)
		out->cluster_authorized_operations = api_cluster_operations(c);
}

API_CODEC(describe_cluster)

const struct api_row describe_cluster_row = {
	.key = 60, .version_min = 0, .version_max = 1, .name = "DescribeCluster",
	.operation = ACL_DESCRIBE, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(describe_cluster),
	.begin = describe_cluster_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
