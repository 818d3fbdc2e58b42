/*
 * OffsetDelete (47). Each partition is answered by itself; an error of the group is of the whole, and then there is nothing else.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/offset_delete.h"

struct delete_state {
	enum kafka_error            error;	/* of the whole */
	enum kafka_error           *errors;	/* of each partition, in the request's order */
	int32_t                    *asked;	/* its place in the question; -1: not asked */
	struct partition_addr      *addr;
	struct group_offset_delete *ask;
};

static int32_t count_partitions(const struct offset_delete_request *r)
{
	int32_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += r->topics[t].partitions_count;
	return n;
}

static enum kafka_error check_item(struct call *c, struct slice topic, int32_t partition)
{
	const struct cluster_topic *known = cluster_topic(call_cluster(c), topic);

	if (!call_authorize(c, ACL_READ, ACL_TOPIC, topic))
		return TOPIC_AUTHORIZATION_FAILED;
	return known != NULL && cluster_topic_partition(known, partition) != NULL ? NONE : UNKNOWN_TOPIC_OR_PARTITION;
}

static bool begin_items(struct call *c, struct delete_state *s)
{
	const struct offset_delete_request *r = c->request;
	size_t n = (size_t)count_partitions(r);
	int32_t at = 0;

	s->errors = arena_calloc(&c->arena, n, sizeof(*s->errors));
	s->asked = arena_calloc(&c->arena, n, sizeof(*s->asked));
	s->ask = call_message(c, sizeof(*s->ask), GROUP_offset_delete);
	if (s->errors == NULL || s->asked == NULL || s->ask == NULL ||
	    (s->ask->offsets = arena_calloc(&c->arena, n, sizeof(*s->ask->offsets))) == NULL)
		return false;
	s->ask->group = r->group_id;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, at++) {
			int32_t partition = r->topics[t].partitions[p].partition_index;

			s->errors[at] = check_item(c, r->topics[t].name, partition);
			s->asked[at] = -1;
			if (s->errors[at] != NONE)
				continue;
			s->asked[at] = s->ask->count;
			s->ask->offsets[s->ask->count++] = (struct group_offset){ .topic = r->topics[t].name, .partition = partition, .metadata = SLICE_EMPTY };
		}
	}
	return true;
}

static void offset_delete_begin(struct call *c)
{
	const struct offset_delete_request *r = c->request;
	struct delete_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !begin_items(c, s))
		c->wants_close = true;
	else
		s->error = api_ask_group(c, ACL_DELETE, r->group_id, true, &s->ask->q, &s->addr);
}

static void offset_delete_on_answer(struct call *c, struct msg *m)
{
	struct delete_state *s = c->state;

	ASSERT(m == &s->ask->q.msg);
	s->error = s->ask->q.error;
}

static bool fill_response(struct call *c, struct delete_state *s)
{
	const struct offset_delete_request *r = c->request;
	struct offset_delete_response *out = c->response;
	int32_t at = 0;

	out->error_code = (int16_t)s->error;
	if (s->error != NONE)
		return true;
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	for (; out->topics_count < r->topics_count; out->topics_count++) {
		const struct offset_delete_request_topic *topic = &r->topics[out->topics_count];
		struct offset_delete_response_topic *to = &out->topics[out->topics_count];

		to->name = topic->name;
		to->partitions = arena_calloc(&c->arena, (size_t)topic->partitions_count, sizeof(*to->partitions));
		if (to->partitions == NULL)
			return false;
		for (; to->partitions_count < topic->partitions_count; to->partitions_count++, at++)
			to->partitions[to->partitions_count] = (struct offset_delete_response_partition){
				.partition_index = topic->partitions[to->partitions_count].partition_index,
				.error_code = (int16_t)(s->asked[at] < 0 ? s->errors[at] : s->ask->offsets[s->asked[at]].error),
			};
	}
	return true;
}

static void offset_delete_end(struct call *c)
{
	struct delete_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	if (s != NULL && s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(offset_delete)

const struct api_row offset_delete_row = {
	.key = 47, .version_min = 0, .version_max = 0, .name = "OffsetDelete",
	.operation = ACL_DELETE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(offset_delete),
	.begin = offset_delete_begin, .on_answer = offset_delete_on_answer, .end = offset_delete_end,
};
