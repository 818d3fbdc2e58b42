/*
 * ListOffsets (2): offsets by time or by kind (earliest, latest, ...), asked of each partition.
 *
 * Version 0 is another request in the same clothes: it asks for the base offsets of segments, as
 * many as max_num_offsets. Their number is not known beforehand, so a partition that fills the room
 * it was given is asked again with more.
 */
#include <stdlib.h>

#include "api/api.h"
#include "wire/gen/list_offsets.h"

#define OLD_OFFSETS_FIRST 16		/* room per partition in the first round */
#define OLD_OFFSETS_MOST  65536

struct offsets_item {
	struct partition_list_offsets ask;
	struct partition_addr        *addr;	/* a reference; NULL: refused before it was asked */
	struct slice                  topic;
	int32_t                       max_num_offsets;
	bool                          is_duplicate;
	struct list_offsets_response_partition *out;
};

struct offsets_state {
	struct offsets_item *items;
	int32_t              count;
};

/* --- what is asked ---------------------------------------------------------------------------- */

static int by_topic_and_partition(const void *a, const void *b)
{
	const struct offsets_item *x = *(struct offsets_item *const *)a;
	const struct offsets_item *y = *(struct offsets_item *const *)b;
	int32_t px = x->out->partition_index, py = y->out->partition_index;
	int order = slice_cmp(x->topic, y->topic);

	return order != 0 ? order : (px > py) - (px < py);
}

/* A partition that is listed twice is refused at both places; version 0 answers both. */
static bool mark_duplicates(struct call *c, struct offsets_state *s)
{
	if (c->version == 0 || s->count < 2)
		return true;
	struct offsets_item **sorted = arena_calloc(&c->arena, (size_t)s->count, sizeof(*sorted));
	if (sorted == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++)
		sorted[i] = &s->items[i];
	qsort(sorted, (size_t)s->count, sizeof(*sorted), by_topic_and_partition);
	for (int32_t i = 0; i + 1 < s->count; i++) {
		if (by_topic_and_partition(&sorted[i], &sorted[i + 1]) == 0)
			sorted[i]->is_duplicate = sorted[i + 1]->is_duplicate = true;
	}
	return true;
}

static enum kafka_error check_time(int64_t timestamp, int version)
{
	static const struct {
		int64_t timestamp;
		int     version_min;
	} special[] = {
		{ LIST_OFFSETS_LATEST, 0 },
		{ LIST_OFFSETS_EARLIEST, 0 },
		{ LIST_OFFSETS_MAX_TIMESTAMP, 7 },
		{ LIST_OFFSETS_EARLIEST_LOCAL, 8 },
		{ LIST_OFFSETS_LATEST_TIERED, 9 },
	};

	if (timestamp >= 0)
		return NONE;
	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		if (special[i].timestamp == timestamp && version >= special[i].version_min)
			return NONE;
	}
	return UNSUPPORTED_VERSION;
}

/* Every other negative id asks as a broker would: of the leader, up to its end. */
static int32_t asker_of(struct call *c, int32_t replica_id)
{
	return replica_id >= REPLICA_DEBUG ? replica_id : call_cluster(c)->broker_id;
}

static enum kafka_error ask(struct call *c, struct offsets_item *it,
                            const struct list_offsets_request_partition *p)
{
	const struct list_offsets_request *r = c->request;
	struct partition_list_offsets *m = &it->ask;

	msg_init(&m->msg, PARTITION_list_offsets, network_actor(c->network));
	m->timestamp = p->timestamp;
	m->replica_id = asker_of(c, r->replica_id);
	m->current_leader_epoch = p->current_leader_epoch;
	m->isolation = (enum isolation)r->isolation_level;
	if (c->version == 0) {
		m->old_style = true;
		m->max_offsets = it->max_num_offsets =
			MIN(MAX(p->max_num_offsets, 0), OLD_OFFSETS_MOST);
		m->offsets_max = MIN(m->max_offsets, OLD_OFFSETS_FIRST);
		m->offsets = arena_calloc(&c->arena, (size_t)m->offsets_max, sizeof(*m->offsets));
		if (m->offsets == NULL)
			return UNKNOWN_SERVER_ERROR;
	}
	return call_ask_partition(c, it->addr, &m->msg) ? NONE : NOT_LEADER_OR_FOLLOWER;
}

static enum kafka_error begin_item(struct call *c, struct offsets_item *it,
                                   const struct list_offsets_request_partition *p)
{
	const struct list_offsets_request *r = c->request;
	enum kafka_error error;

	if (!call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, it->topic))
		return TOPIC_AUTHORIZATION_FAILED;
	if (it->is_duplicate)
		return INVALID_REQUEST;
	error = check_time(p->timestamp, c->version);
	if (error != NONE)
		return error;
	if (r->replica_id == REPLICA_CONSUMER && (r->isolation_level < 0 || r->isolation_level > 1))
		return UNKNOWN_SERVER_ERROR;
	error = api_find_partition(c, cluster_topic(call_cluster(c), it->topic), p->partition_index,
	                           &it->addr);
	return error != NONE ? error : ask(c, it, p);
}

/* One item per partition, each with its place in the response. */
static bool lay_out(struct call *c, struct offsets_state *s)
{
	const struct list_offsets_request *r = c->request;
	struct list_offsets_response *out = c->response;
	size_t n = 0;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += (size_t)r->topics[t].partitions_count;
	s->items = arena_calloc(&c->arena, n, sizeof(*s->items));
	out->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*out->topics));
	struct list_offsets_response_partition *parts = arena_calloc(&c->arena, n, sizeof(*parts));
	if (s->items == NULL || out->topics == NULL || parts == NULL)
		return false;
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct list_offsets_request_topic *topic = &r->topics[t];

		out->topics[t] = (struct list_offsets_response_topic){
			.name = topic->name, .partitions = parts + s->count,
			.partitions_count = topic->partitions_count,
		};
		for (int32_t p = 0; p < topic->partitions_count; p++) {
			struct offsets_item *it = &s->items[s->count];

			it->topic = topic->name;
			it->out = &parts[s->count++];
			list_offsets_response_partition_init(it->out);
			it->out->partition_index = topic->partitions[p].partition_index;
		}
	}
	out->topics_count = r->topics_count;
	return mark_duplicates(c, s);
}

static void list_offsets_begin(struct call *c)
{
	const struct list_offsets_request *r = c->request;
	struct offsets_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	struct offsets_item *it;

	c->state = s;
	if (s == NULL || !lay_out(c, s)) {
		c->wants_close = true;
		return;
	}
	it = s->items;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++, it++)
			it->out->error_code =
				(int16_t)begin_item(c, it, &r->topics[t].partitions[p]);
	}
}

/* --- what comes back -------------------------------------------------------------------------- */

/* The error as a client of this version knows it. */
static enum kafka_error error_for_version(enum kafka_error error, int version)
{
	return error == OFFSET_NOT_AVAILABLE && version <= 4 ? LEADER_NOT_AVAILABLE : error;
}

static bool wants_more_room(const struct offsets_item *it)
{
	return it->ask.error == NONE && it->ask.offsets_count == it->ask.offsets_max &&
	       it->ask.offsets_max < it->max_num_offsets;
}

static bool ask_with_more_room(struct call *c, struct offsets_item *it)
{
	struct partition_list_offsets *m = &it->ask;

	m->offsets_max = MIN(m->offsets_max * 4, it->max_num_offsets);
	m->offsets = arena_calloc(&c->arena, (size_t)m->offsets_max, sizeof(*m->offsets));
	return m->offsets != NULL && call_ask_partition(c, it->addr, &m->msg);
}

static void list_offsets_on_answer(struct call *c, struct msg *m)
{
	struct offsets_item *it = CONTAINER_OF(m, struct offsets_item, ask.msg);

	if (wants_more_room(it)) {
		if (ask_with_more_room(c, it))
			return;
		it->ask.error = NOT_LEADER_OR_FOLLOWER;
	}
	it->out->error_code = (int16_t)error_for_version(it->ask.error, c->version);
	if (it->ask.error != NONE)
		return;
	if (it->ask.old_style) {
		it->out->old_style_offsets = it->ask.offsets;
		it->out->old_style_offsets_count = it->ask.offsets_count;
		return;
	}
	it->out->timestamp = it->ask.found.timestamp;
	it->out->offset = it->ask.found.offset;
	/* the field is not ignorable: before, only its default can be encoded */
	if (c->version >= 4)
		it->out->leader_epoch = it->ask.found.leader_epoch;
}

static void list_offsets_end(struct call *c)
{
	struct offsets_state *s = c->state;

	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(list_offsets)

const struct api_row list_offsets_row = {
	.key = 2, .version_min = 0, .version_max = 9, .name = "ListOffsets",
	.operation = ACL_DESCRIBE, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(list_offsets),
	.begin = list_offsets_begin, .on_answer = list_offsets_on_answer, .end = list_offsets_end,
};
