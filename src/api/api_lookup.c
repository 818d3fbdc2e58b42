/*
 * What several handlers do alike: looking things up in the picture, and asking what a caller may
 * do.
 */
#include <stdlib.h>

#include "api/api.h"

enum kafka_error api_find_partition(struct call *c, const struct cluster_topic *topic,
                                    int32_t partition, struct partition_addr **out)
{
	(void)c;
	*out = NULL;
	if (topic == NULL)
		return UNKNOWN_TOPIC_OR_PARTITION;
	const struct cluster_partition *p = cluster_topic_partition(topic, partition);
	if (p == NULL)
		return UNKNOWN_TOPIC_OR_PARTITION;
	if (p->local == NULL)
		return NOT_LEADER_OR_FOLLOWER;
	*out = partition_addr_ref(CONTAINER_OF(p->local, struct partition_addr, counted));
	return NONE;
}

void api_current_leader(const struct cluster_topic *topic, int32_t partition, int32_t *leader_id,
                        int32_t *leader_epoch)
{
	const struct cluster_partition *p = topic != NULL
		? cluster_topic_partition(topic, partition) : NULL;

	*leader_id = p != NULL ? p->leader : -1;
	*leader_epoch = p != NULL ? p->leader_epoch : -1;
}

bool api_is_controller(struct call *c)
{
	const struct cluster *cluster = call_cluster(c);

	return cluster->controller_id == cluster->broker_id;
}

const struct cluster_endpoint *api_endpoint(struct call *c, int32_t broker_id)
{
	const struct cluster_broker *b = cluster_broker(call_cluster(c), broker_id);

	return b != NULL ? cluster_broker_endpoint(b, c->listener) : NULL;
}

void api_leaders_add(struct call *c, struct api_leaders *l, int32_t broker_id)
{
	const struct cluster_endpoint *e = api_endpoint(c, broker_id);

	if (e == NULL)
		return;
	for (int32_t i = 0; i < l->count; i++) {
		if (l->list[i].id == broker_id)
			return;
	}
	if (l->list == NULL)
		l->list = arena_calloc(&c->arena, (size_t)call_cluster(c)->broker_count,
		                       sizeof(*l->list));
	if (l->list == NULL)
		return;
	l->list[l->count].id = broker_id;
	l->list[l->count++].endpoint = e;
}

/* --- what a caller may do --------------------------------------------------------------------- */

/* Operations each kind of resource knows, one bit each. */
#define TOPIC_OPERATIONS \
	(1 << ACL_READ | 1 << ACL_WRITE | 1 << ACL_CREATE | 1 << ACL_DELETE | 1 << ACL_ALTER | \
	 1 << ACL_DESCRIBE | 1 << ACL_DESCRIBE_CONFIGS | 1 << ACL_ALTER_CONFIGS)
#define GROUP_OPERATIONS (1 << ACL_READ | 1 << ACL_DELETE | 1 << ACL_DESCRIBE)
#define CLUSTER_OPERATIONS \
	(1 << ACL_CREATE | 1 << ACL_ALTER | 1 << ACL_DESCRIBE | 1 << ACL_CLUSTER_ACTION | \
	 1 << ACL_DESCRIBE_CONFIGS | 1 << ACL_ALTER_CONFIGS | 1 << ACL_IDEMPOTENT_WRITE)

int32_t api_authorized_operations(struct call *c, enum acl_resource resource, struct slice name)
{
	int32_t known = resource == ACL_TOPIC ? TOPIC_OPERATIONS : resource == ACL_GROUP ? GROUP_OPERATIONS : CLUSTER_OPERATIONS, allowed = 0;

	for (enum acl_operation op = ACL_READ; op <= ACL_IDEMPOTENT_WRITE; op++) {
		if ((known & 1 << op) != 0 && call_authorize(c, op, resource, name))
			allowed |= 1 << op;
	}
	return allowed;
}

int32_t api_cluster_operations(struct call *c)
{
	if (!call_authorize(c, ACL_DESCRIBE, ACL_CLUSTER, API_CLUSTER_NAME))
		return 0;
	return api_authorized_operations(c, ACL_CLUSTER, API_CLUSTER_NAME);
}

struct any_topic {
	struct call *call;
	bool         may_write;
};

static void look_at_topic(void *arg, const struct cluster_topic *t)
{
	struct any_topic *any = arg;

	any->may_write = any->may_write || call_authorize(any->call, ACL_WRITE, ACL_TOPIC,
	                                                  slice_of(t->name, t->name_len));
}

bool api_may_write_any_topic(struct call *c)
{
	struct any_topic any = { .call = c };

	cluster_each_topic(call_cluster(c), look_at_topic, &any);
	return any.may_write;
}

bool api_has_transactions(struct call *c)
{
	return cluster_topic(call_cluster(c), SLICE_LIT(TOPIC_TRANSACTION_STATE)) != NULL;
}

/* --- small change ----------------------------------------------------------------------------- */

void api_no_answers(struct call *c, struct msg *m)
{
	(void)c;
	ASSERT(m == NULL);	/* nobody was asked */
}

void api_nothing_left(struct call *c)
{
	(void)c;
}

void api_fill_payer(struct call *c, struct controller_payer *p, int16_t strict_from)
{
	*p = (struct controller_payer){
		.principal = arena_copy(&c->arena, c->principal), .client_id = c->client_id,
		.is_strict = c->version >= strict_from,
	};
}

void api_take_throttle(struct call *c, const struct controller_payer *p, int32_t *throttle_time_ms)
{
	*throttle_time_ms = p->throttle_ms;
	c->throttle_ms = MAX(c->throttle_ms, p->throttle_ms);
}

struct slice api_take_message(struct call *c, char **message)
{
	struct slice text = arena_copy(&c->arena, slice_str(*message));

	free(*message);
	*message = NULL;
	return text;
}
