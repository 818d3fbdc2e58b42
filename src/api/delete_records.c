/*
 * DeleteRecords (21): the log starts of partitions go up. Each is asked of its leader, which answers when every replica that is alive has followed.
 *
 * Who is alive may change while one waits, and only the picture knows: so a partition waits for a moment at a time, and is asked again with who is alive by then, until the
 * request's time is over or nobody wants the answer any more. A broker that has died holds nobody up longer than that moment.
 */
#include "api/api.h"
#include "wire/gen/delete_records.h"

#define LOOK_AGAIN_MS 500

struct deletion_item {
	struct partition_delete_records ask;
	struct partition_addr          *addr;	/* a reference; NULL: refused before it was asked */
	struct slice                    topic;
	struct delete_records_response_partition *out;
};

struct deletion_state {
	struct deletion_item *items;
	int32_t               count;
	mono_ms               deadline;
};

static void note_live(struct call *c, struct deletion_item *it)
{
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), it->topic);
	const struct cluster_partition *p = topic != NULL ? cluster_topic_partition(topic, it->out->partition_index) : NULL;

	it->ask.live_count = 0;
	for (int32_t i = 0; p != NULL && i < p->replica_count && i < REPLICAS_MAX; i++) {
		if (cluster_broker(call_cluster(c), p->replicas[i]) != NULL)
			it->ask.live[it->ask.live_count++] = p->replicas[i];
	}
}

static enum kafka_error ask(struct call *c, struct deletion_item *it)
{
	const struct deletion_state *s = c->state;

	note_live(c, it);
	it->ask.timeout_ms = (int32_t)MIN(MAX(s->deadline - call_now(c), 0), LOOK_AGAIN_MS);
	return call_ask_partition(c, it->addr, &it->ask.msg) ? NONE : NOT_LEADER_OR_FOLLOWER;
}

static enum kafka_error begin_item(struct call *c, struct deletion_item *it, int64_t offset)
{
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), it->topic);
	enum kafka_error error;

	if (!call_authorize(c, ACL_DELETE, ACL_TOPIC, it->topic))
		return TOPIC_AUTHORIZATION_FAILED;
	if (topic == NULL || cluster_topic_partition(topic, it->out->partition_index) == NULL)
		return UNKNOWN_TOPIC_OR_PARTITION;
	if (topic->is_internal)
		return INVALID_TOPIC_EXCEPTION;
	error = api_find_partition(c, topic, it->out->partition_index, &it->addr);
	if (error != NONE)
		return error;
	msg_init(&it->ask.msg, PARTITION_delete_records, network_actor(c->network));
	it->ask.offset = offset;
	return ask(c, it);
}

static bool begin_all(struct call *c, struct deletion_state *s)
{
	const struct delete_records_request *r = c->request;
	struct delete_records_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partitions_count;
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	struct delete_records_response_partition *parts = arena_calloc(&c->arena, n, sizeof(*parts));
	if (s->items == NULL || out->topics == NULL || parts == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct delete_records_request_topic *topic = &r->topics[t];

		out->topics[t].name = topic->name;
		out->topics[t].partitions = parts + s->count;
		out->topics[t].partitions_count = topic->partitions_count;
		for (int32_t p = 0; p < topic->partitions_count; p++) {
			struct deletion_item *it = &s->items[s->count];

			it->topic = topic->name;
			it->out = &parts[s->count++];
			it->out->partition_index = topic->partitions[p].partition_index;
			it->out->low_watermark = -1;
			it->out->error_code = (int16_t)begin_item(c, it, topic->partitions[p].offset);
		}
	}
	out->topics_count = r->topics_count;
	return true;
}

static void delete_records_begin(struct call *c)
{
	const struct delete_records_request *r = c->request;
	struct deletion_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s != NULL)
		s->deadline = call_now(c) + MAX(r->timeout_ms, 0);
	if (s == NULL || !begin_all(c, s))
		c->wants_close = true;
}

static void delete_records_on_answer(struct call *c, struct msg *m)
{
	const struct deletion_state *s = c->state;
	struct deletion_item *it = CONTAINER_OF(m, struct deletion_item, ask.msg);
	enum kafka_error error = it->ask.error;

	if (error == REQUEST_TIMED_OUT && call_now(c) < s->deadline && c->connection != NULL) {
		error = ask(c, it);
		if (error == NONE)
			return;
	}
	it->out->error_code = (int16_t)error;
	it->out->low_watermark = error == NONE ? it->ask.low_watermark : -1;
}

static void delete_records_end(struct call *c)
{
	struct deletion_state *s = c->state;

	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(delete_records)

const struct api_row delete_records_row = {
	.key = 21, .version_min = 0, .version_max = 2, .name = "DeleteRecords",
	.operation = ACL_DELETE, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(delete_records),
	.begin = delete_records_begin, .on_answer = delete_records_on_answer, .end = delete_records_end,
};
