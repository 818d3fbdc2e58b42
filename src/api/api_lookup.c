/*
 * Looking partitions and endpoints up in the picture: what several handlers do alike.
 */
#include "api/api.h"

enum kafka_error api_find_partition(struct call *c, const struct cluster_topic *topic, int32_t partition, struct partition_addr **out)
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

void api_current_leader(const struct cluster_topic *topic, int32_t partition, int32_t *leader_id, int32_t *leader_epoch)
{
	const struct cluster_partition *p = topic != NULL ? cluster_topic_partition(topic, partition) : NULL;

	*leader_id = p != NULL ? p->leader : -1;
	*leader_epoch = p != NULL ? p->leader_epoch : -1;
}

const struct cluster_endpoint *api_endpoint(struct call *c, int32_t broker_id)
{
	const struct cluster_broker *b = cluster_broker(call_cluster(c), broker_id);

	return b != NULL ? cluster_broker_endpoint(b, c->listener) : NULL;
}
