/*
 * DescribeProducers (61): who has written to a partition lately, and which transactions are open there. Any replica answers, each from what it knows.
 *
 * How many there are is not known beforehand: a partition that has more than there was room for is asked again.
 */
#include "api/api.h"
#include "wire/gen/describe_producers.h"

#define PRODUCERS_FIRST 32		/* room per partition in the first round */

struct producers_item {
	struct partition_describe ask;
	struct partition_addr    *addr;		/* a reference; NULL: refused before it was asked */
	struct describe_producers_response_partition *out;
};

struct producers_state {
	struct producers_item *items;
	int32_t                count;
};

static enum kafka_error ask(struct call *c, struct producers_item *it, int32_t room)
{
	it->ask.producers = arena_calloc(&c->arena, (size_t)room, sizeof(*it->ask.producers));
	it->ask.producers_max = room;
	if (it->ask.producers == NULL) {
		c->wants_close = true;
		return UNKNOWN_SERVER_ERROR;
	}
	return call_ask_partition(c, it->addr, &it->ask.msg) ? NONE : NOT_LEADER_OR_FOLLOWER;
}

/* What is wrong with the topic itself comes with a text; what is wrong with a partition of it does not. */
static enum kafka_error check_topic(struct call *c, struct slice name, struct slice *text)
{
	char buf[512];
	const char *problem = topic_name_problem(name, buf, sizeof(buf));
	enum kafka_error error = NONE;

	if (problem != NULL) {
		*text = arena_copy(&c->arena, slice_str(problem));
		return INVALID_TOPIC_EXCEPTION;
	}
	if (!call_authorize(c, ACL_READ, ACL_TOPIC, name))
		error = TOPIC_AUTHORIZATION_FAILED;
	else if (cluster_topic(call_cluster(c), name) == NULL)
		error = UNKNOWN_TOPIC_OR_PARTITION;
	if (error != NONE)
		*text = slice_str(kafka_error_text((int16_t)error));
	return error;
}

static enum kafka_error begin_item(struct call *c, struct producers_item *it, struct slice name)
{
	enum kafka_error error = check_topic(c, name, &it->out->error_message);

	if (error == NONE)
		error = api_find_partition(c, cluster_topic(call_cluster(c), name), it->out->partition_index, &it->addr);
	if (error != NONE)
		return error;
	msg_init(&it->ask.msg, PARTITION_describe, network_actor(c->network));
	return ask(c, it, PRODUCERS_FIRST);
}

static bool begin_all(struct call *c, struct producers_state *s)
{
	const struct describe_producers_request *r = c->request;
	struct describe_producers_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partition_indexes_count;
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	struct describe_producers_response_partition *parts = arena_calloc(&c->arena, n, sizeof(*parts));
	if (s->items == NULL || out->topics == NULL || parts == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct describe_producers_request_topic *topic = &r->topics[t];

		out->topics[t].name = topic->name;
		out->topics[t].partitions = parts + s->count;
		out->topics[t].partitions_count = topic->partition_indexes_count;
		for (int32_t p = 0; p < topic->partition_indexes_count; p++) {
			struct producers_item *it = &s->items[s->count];

			it->out = &parts[s->count++];
			describe_producers_response_partition_init(it->out);
			it->out->partition_index = topic->partition_indexes[p];
			it->out->error_code = (int16_t)begin_item(c, it, topic->name);
		}
	}
	out->topics_count = r->topics_count;
	return true;
}

static void describe_producers_begin(struct call *c)
{
	c->state = arena_calloc(&c->arena, 1, sizeof(struct producers_state));
	if (c->state == NULL || !begin_all(c, c->state))
		c->wants_close = true;
}

static void list_producers(struct call *c, struct producers_item *it)
{
	int32_t n = it->ask.producers_count;
	struct describe_producers_response_active_producer *list = arena_calloc(&c->arena, (size_t)n, sizeof(*list));

	if (list == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		const struct log_producer *p = &it->ask.producers[i];

		list[i] = (struct describe_producers_response_active_producer){
			.producer_id = p->producer_id, .producer_epoch = p->producer_epoch, .last_sequence = p->last_sequence,
			.last_timestamp = p->last_timestamp, .coordinator_epoch = p->coordinator_epoch,
			.current_txn_start_offset = p->current_txn_first_offset,
		};
	}
	it->out->active_producers = list;
	it->out->active_producers_count = n;
}

static void describe_producers_on_answer(struct call *c, struct msg *m)
{
	struct producers_item *it = CONTAINER_OF(m, struct producers_item, ask.msg);
	enum kafka_error error = it->ask.error;

	if (error == NONE && it->ask.producers_count > it->ask.producers_max) {
		error = ask(c, it, it->ask.producers_count + it->ask.producers_count / 4);
		if (error == NONE)
			return;
	}
	it->out->error_code = (int16_t)error;
	if (error == NONE)
		list_producers(c, it);
}

static void describe_producers_end(struct call *c)
{
	struct producers_state *s = c->state;

	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(describe_producers)

const struct api_row describe_producers_row = {
	.key = 61, .version_min = 0, .version_max = 0, .name = "DescribeProducers",
	.operation = ACL_READ, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(describe_producers),
	.begin = describe_producers_begin, .on_answer = describe_producers_on_answer, .end = describe_producers_end,
};
