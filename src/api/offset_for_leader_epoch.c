/*
 * OffsetForLeaderEpoch (23): where a leader epoch ended, asked of each partition's leader.
 */
#include "api/api.h"
#include "wire/gen/offset_for_leader_epoch.h"

struct epoch_item {
	struct partition_epoch_end ask;
	struct partition_addr     *addr;	/* a reference; NULL: refused before it was asked */
	struct offset_for_leader_epoch_response_partition *out;
};

struct epoch_state {
	struct epoch_item *items;
	int32_t            count;
};

static enum kafka_error begin_item(struct call *c, struct epoch_item *it,
                                   const struct cluster_topic *topic, struct slice name,
                                   const struct offset_for_leader_epoch_request_partition *p)
{
	enum kafka_error error;

	if (!call_authorize(c, ACL_CLUSTER_ACTION, ACL_CLUSTER, API_CLUSTER_NAME) &&
	    !call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, name))
		return TOPIC_AUTHORIZATION_FAILED;
	error = api_find_partition(c, topic, p->partition, &it->addr);
	if (error != NONE)
		return error;
	msg_init(&it->ask.msg, PARTITION_epoch_end, network_actor(c->network));
	it->ask.leader_epoch = p->leader_epoch;
	it->ask.current_leader_epoch = p->current_leader_epoch;
	return call_ask_partition(c, it->addr, &it->ask.msg) ? NONE : NOT_LEADER_OR_FOLLOWER;
}

static bool begin_all(struct call *c, struct epoch_state *s)
{
	const struct offset_for_leader_epoch_request *r = c->request;
	struct offset_for_leader_epoch_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partitions_count;
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	struct offset_for_leader_epoch_response_partition *parts =
		arena_calloc(&c->arena, n, sizeof(*parts));
	if (s->items == NULL || out->topics == NULL || parts == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct offset_for_leader_epoch_request_topic *asked = &r->topics[t];
		const struct cluster_topic *topic = cluster_topic(call_cluster(c), asked->topic);

		out->topics[t].topic = asked->topic;
		out->topics[t].partitions = parts + s->count;
		out->topics[t].partitions_count = asked->partitions_count;
		for (int32_t p = 0; p < asked->partitions_count; p++) {
			struct epoch_item *it = &s->items[s->count];

			it->out = &parts[s->count++];
			offset_for_leader_epoch_response_partition_init(it->out);
			it->out->partition = asked->partitions[p].partition;
			it->out->error_code = (int16_t)begin_item(c, it, topic, asked->topic,
			                                          &asked->partitions[p]);
		}
	}
	out->topics_count = r->topics_count;
	return true;
}

static void offset_for_leader_epoch_begin(struct call *c)
{
	c->state = arena_calloc(&c->arena, 1, sizeof(struct epoch_state));
	if (c->state == NULL || !begin_all(c, c->state))
		c->wants_close = true;
}

static void offset_for_leader_epoch_on_answer(struct call *c, struct msg *m)
{
	struct epoch_item *it = CONTAINER_OF(m, struct epoch_item, ask.msg);

	(void)c;
	it->out->error_code = (int16_t)it->ask.error;
	if (it->ask.error == NONE) {
		it->out->leader_epoch = it->ask.epoch;
		it->out->end_offset = it->ask.end_offset;
	}
}

static void offset_for_leader_epoch_end(struct call *c)
{
	struct epoch_state *s = c->state;

	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(offset_for_leader_epoch)

const struct api_row offset_for_leader_epoch_row = {
	.key = 23, .version_min = 0, .version_max = 4, .name = "OffsetForLeaderEpoch",
	.operation = ACL_DESCRIBE, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(offset_for_leader_epoch),
	.begin = offset_for_leader_epoch_begin, .on_answer = offset_for_leader_epoch_on_answer,
	.end = offset_for_leader_epoch_end,
};
