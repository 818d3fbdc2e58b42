/*
 * WriteTxnMarkers (27): a transaction coordinator ends transactions in the partitions that this
 * broker leads. Each (producer, partition) is one control batch, appended as acks=all would be, and
 * answered by itself; the coordinator asks again where the answer is worth it.
 *
 * Administrators may send it too, to end a transaction whose coordinator has lost it.
 */
#include "api/api.h"
#include "record/build.h"
#include "wire/gen/write_txn_markers.h"

struct marker_item {
	struct partition_append append;		/* lent to the partition */
	struct partition_addr  *addr;		/* a reference; NULL: refused before */
	enum kafka_error        error;
};

struct marker_state {
	struct marker_item *items;		/* in the order of the request */
	int32_t             count;
};

static bool may_write_markers(struct call *c)
{
	return call_authorize(c, ACL_CLUSTER_ACTION, ACL_CLUSTER, API_CLUSTER_NAME) ||
	       call_authorize(c, ACL_ALTER, ACL_CLUSTER, API_CLUSTER_NAME);
}

static int32_t count_items(const struct write_txn_markers_request *r)
{
	int32_t n = 0;

	for (int32_t m = 0; m < r->markers_count; m++) {
		for (int32_t t = 0; t < r->markers[m].topics_count; t++)
			n += r->markers[m].topics[t].partition_indexes_count;
	}
	return n;
}

/* To a coordinator a replica that is not here is a partition that is not known. */
static enum kafka_error find_partition(struct call *c, struct slice topic, int32_t partition,
                                       struct partition_addr **out)
{
	enum kafka_error error = api_find_partition(c, cluster_topic(call_cluster(c), topic),
	                                            partition, out);

	return error == NOT_LEADER_OR_FOLLOWER ? UNKNOWN_TOPIC_OR_PARTITION : error;
}

/* batch: a copy of its own, because the partition writes offset and epoch into it. */
static void ask(struct call *c, struct marker_item *it, struct slice batch)
{
	uint8_t *copy = arena_alloc(&c->arena, batch.len);

	if (copy == NULL) {
		c->wants_close = true;
		return;
	}
	memcpy(copy, batch.ptr, batch.len);
	msg_init(&it->append.msg, PARTITION_append, network_actor(c->network));
	it->append.append.batch = copy;
	it->append.append.batch_bytes = (uint32_t)batch.len;
	it->append.append.is_coordinator = true;
	it->append.acks = -1;
	it->append.timeout_ms = call_api(c)->broker->request_timeout_ms;
	if (!call_ask_partition(c, it->addr, &it->append.msg))
		it->error = NOT_LEADER_OR_FOLLOWER;
}

static void begin_marker(struct call *c, struct marker_state *s,
                         const struct write_txn_markers_request_marker *m, struct strbuf *room)
{
	const struct marker marker = {
		.type = m->transaction_result ? MARKER_COMMIT : MARKER_ABORT,
		.producer_id = m->producer_id, .producer_epoch = m->producer_epoch,
		.coordinator_epoch = m->coordinator_epoch, .timestamp = call_time(c),
	};
	struct slice batch;

	strbuf_reset(room);
	batch = marker_build(&marker, room);
	for (int32_t t = 0; t < m->topics_count; t++) {
		for (int32_t p = 0; p < m->topics[t].partition_indexes_count; p++) {
			struct marker_item *it = &s->items[s->count++];

			it->error = find_partition(c, m->topics[t].name,
			                           m->topics[t].partition_indexes[p], &it->addr);
			if (it->error == NONE && !c->wants_close)
				ask(c, it, batch);
		}
	}
}

static void write_txn_markers_begin(struct call *c)
{
	const struct write_txn_markers_request *r = c->request;
	struct marker_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	struct strbuf room = STRBUF_INIT;

	if (s != NULL)
		s->items = arena_calloc(&c->arena, (size_t)count_items(r), sizeof(*s->items));
	if (s == NULL || s->items == NULL) {
		c->wants_close = true;
		return;
	}
	c->state = s;
	if (!may_write_markers(c)) {
		s->count = count_items(r);
		for (int32_t i = 0; i < s->count; i++)
			s->items[i].error = CLUSTER_AUTHORIZATION_FAILED;
		return;
	}
	for (int32_t m = 0; m < r->markers_count; m++)
		begin_marker(c, s, &r->markers[m], &room);
	strbuf_fini(&room);
}

static void write_txn_markers_on_answer(struct call *c, struct msg *m)
{
	struct marker_item *it = CONTAINER_OF(m, struct marker_item, append.msg);

	(void)c;
	it->error = it->append.error;
}

static bool fill_topic(struct call *c, const struct write_txn_markers_request_topic *asked,
                       const struct marker_item *items,
                       struct write_txn_markers_response_topic *out)
{
	int32_t n = asked->partition_indexes_count;

	out->name = asked->name;
	out->partitions = arena_calloc(&c->arena, (size_t)n, sizeof(*out->partitions));
	if (out->partitions == NULL)
		return false;
	for (; out->partitions_count < n; out->partitions_count++) {
		struct write_txn_markers_response_partition *p =
			&out->partitions[out->partitions_count];

		p->partition_index = asked->partition_indexes[out->partitions_count];
		p->error_code = (int16_t)items[out->partitions_count].error;
	}
	return true;
}

static bool fill_response(struct call *c, const struct marker_state *s)
{
	const struct write_txn_markers_request *r = c->request;
	struct write_txn_markers_response *out = c->response;
	const struct marker_item *items = s->items;

	out->markers = arena_calloc(&c->arena, (size_t)r->markers_count, sizeof(*out->markers));
	if (out->markers == NULL)
		return false;
	for (; out->markers_count < r->markers_count; out->markers_count++) {
		const struct write_txn_markers_request_marker *asked =
			&r->markers[out->markers_count];
		struct write_txn_markers_response_marker *m = &out->markers[out->markers_count];

		m->producer_id = asked->producer_id;
		m->topics = arena_calloc(&c->arena, (size_t)asked->topics_count,
		                         sizeof(*m->topics));
		if (m->topics == NULL)
			return false;
		for (; m->topics_count < asked->topics_count; m->topics_count++) {
			const struct write_txn_markers_request_topic *t =
				&asked->topics[m->topics_count];

			if (!fill_topic(c, t, items, &m->topics[m->topics_count]))
				return false;
			items += t->partition_indexes_count;
		}
	}
	return true;
}

static void write_txn_markers_end(struct call *c)
{
	struct marker_state *s = c->state;

	if (s == NULL)
		return;
	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; i < s->count; i++) {
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(write_txn_markers)

const struct api_row write_txn_markers_row = {
	.key = 27, .version_min = 0, .version_max = 1, .name = "WriteTxnMarkers",
	.operation = ACL_CLUSTER_ACTION, .resource = ACL_CLUSTER, .is_exempt_from_quota = true,
	API_CODEC_FIELDS(write_txn_markers),
	.begin = write_txn_markers_begin, .on_answer = write_txn_markers_on_answer,
	.end = write_txn_markers_end,
};
