/*
 * Where coordinators are: the partitions of the internal topics, and these topics' settings when they are made.
 */
#include <stdio.h>

#include "api/api.h"
#include "group/group_msg.h"

#define INTERNAL_CONFIGS 3

enum kafka_error api_find_group(struct call *c, struct slice group, struct partition_addr **out)
{
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), SLICE_LIT(TOPIC_CONSUMER_OFFSETS));

	*out = NULL;
	if (topic == NULL || topic->partition_count == 0)
		return NOT_COORDINATOR;
	/* whether it leads the partition itself knows best */
	return api_find_partition(c, topic, cluster_coordinator_partition(group, topic->partition_count), out) == NONE ? NONE : NOT_COORDINATOR;
}

enum kafka_error api_ask_group(struct call *c, enum acl_operation op, struct slice group, bool wants_name, struct coordinator_question *q, struct partition_addr **addr)
{
	enum kafka_error error;

	*addr = NULL;
	if (!call_authorize(c, op, ACL_GROUP, group))
		return GROUP_AUTHORIZATION_FAILED;
	if (wants_name && group.len == 0)
		return INVALID_GROUP_ID;
	error = api_find_group(c, group, addr);
	if (error != NONE)
		return error;
	return call_ask_partition(c, *addr, &q->msg) ? NONE : NOT_COORDINATOR;
}

enum kafka_error api_check_committed(struct call *c, struct slice topic, bool may_read, int32_t partition)
{
	const struct cluster_topic *known = cluster_topic(call_cluster(c), topic);

	if (!may_read)
		return TOPIC_AUTHORIZATION_FAILED;
	return known != NULL && cluster_topic_partition(known, partition) != NULL ? NONE : UNKNOWN_TOPIC_OR_PARTITION;
}

struct group_offset_commit *api_commit_question(struct call *c, const struct group_caller *caller, int32_t count)
{
	struct group_offset_commit *ask = call_message(c, sizeof(*ask), GROUP_offset_commit);

	if (ask == NULL || (ask->offsets = arena_calloc(&c->arena, (size_t)count, sizeof(*ask->offsets))) == NULL) {
		c->wants_close = true;
		return NULL;
	}
	ask->caller = *caller;
	ask->count = count;
	return ask;
}

bool api_keep(struct call *c, struct slice *s)
{
	if (slice_is_null(*s))
		return true;
	*s = arena_copy(&c->arena, *s);
	return !slice_is_null(*s);
}

bool api_internal_topic(struct call *c, struct controller_new_topic *t)
{
	const struct broker_config *broker = call_api(c)->broker;
	struct controller_config *configs = arena_calloc(&c->arena, INTERNAL_CONFIGS, sizeof(*configs));
	char text[12];

	ASSERT(slice_eq_str(t->name, TOPIC_CONSUMER_OFFSETS));
	snprintf(text, sizeof(text), "%d", broker->offsets_topic_segment_bytes);
	struct slice segment_bytes = arena_copy(&c->arena, slice_str(text));
	if (configs == NULL || slice_is_null(segment_bytes))
		return false;
	configs[0] = (struct controller_config){ SLICE_LIT("cleanup.policy"), SLICE_LIT("compact") };
	configs[1] = (struct controller_config){ SLICE_LIT("compression.type"), SLICE_LIT("producer") };
	configs[2] = (struct controller_config){ SLICE_LIT("segment.bytes"), segment_bytes };
	t->partitions = broker->offsets_topic_num_partitions;
	t->replication_factor = broker->offsets_topic_replication_factor;
	t->configs = configs;
	t->config_count = INTERNAL_CONFIGS;
	return true;
}
