#include "fake_broker.h"

#include <check.h>
#include <stdlib.h>

#include "base/arena.h"
#include "record/batch.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/header.h"

struct fake_connection {
	os_fd         fd;
	struct strbuf in;
	struct writer out;
	size_t        sent;
	bool          is_mute;
};

static bool chance(struct fake_broker *b, unsigned per_mille)
{
	return per_mille > 0 && os_random_u64(b->os) % 1000 < per_mille;
}

struct fake_broker *fake_broker_create(struct sim_net *net, const char *host, uint64_t seed)
{
	struct fake_broker *b = mem_calloc(1, sizeof(*b));
	uint16_t port;

	b->machine = sim_create(net, host, seed);
	b->os = sim_os(b->machine);
	b->advertised = host;
	b->api_versions_max = 4;
	b->next_producer_id = 1000;
	for (int i = 0; i < FAKE_PARTITIONS; i++)
		b->partitions[i].producer_id = NO_PRODUCER_ID;
	ck_assert_int_eq(os_listen(b->os, NULL, FAKE_PORT, 10, &b->listener, &port), OK);
	return b;
}

static void end_connection(struct fake_broker *b, int i)
{
	struct fake_connection *c = b->connections[i];

	os_close(b->os, &c->fd);
	strbuf_fini(&c->in);
	writer_fini(&c->out);
	free(c);
	b->connections[i] = NULL;
}

void fake_broker_cut_all(struct fake_broker *b)
{
	for (int i = 0; i < FAKE_CONNECTIONS; i++)
		if (b->connections[i] != NULL)
			end_connection(b, i);
}

void fake_broker_destroy(struct fake_broker **bp)
{
	struct fake_broker *b = *bp;

	*bp = NULL;
	fake_broker_cut_all(b);
	os_close(b->os, &b->listener);
	for (int i = 0; i < FAKE_PARTITIONS; i++)
		strbuf_fini(&b->partitions[i].log);
	sim_destroy(&b->machine);
	free(b);
}

/* ---- the log ---- */

static int16_t check_sequence(struct fake_broker *b, struct fake_partition *p, const uint8_t *batch, int64_t *offset)
{
	int64_t producer_id = batch_producer_id(batch);

	if (producer_id < 0)
		return NONE;
	if (producer_id != p->producer_id) {
		p->producer_id = producer_id;
		p->next_sequence = batch_base_sequence(batch);	/* of a producer that is not known any may be the first */
		p->recent_count = 0;
	}
	for (int i = 0; i < p->recent_count; i++) {
		if (p->recent[i].base_sequence == batch_base_sequence(batch) && p->recent[i].count == batch_record_count(batch)) {
			*offset = p->recent[i].base_offset;
			b->duplicates++;
			return DUPLICATE_SEQUENCE_NUMBER;
		}
	}
	if (batch_base_sequence(batch) == p->next_sequence)
		return NONE;
	b->out_of_order++;
	return OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static int16_t append(struct fake_broker *b, int32_t number, struct wire_records records, int64_t *offset)
{
	struct fake_partition *p = &b->partitions[number];
	struct slice rest = slice_of(records.ptr, records.len), batch;
	int16_t code;

	ck_assert_int_eq(batch_next(&rest, &batch), OK);
	ck_assert(batch_check_crc(batch));
	ck_assert_uint_eq(rest.len, 0);
	code = check_sequence(b, p, batch.ptr, offset);
	if (code == DUPLICATE_SEQUENCE_NUMBER)
		return NONE;
	if (code != NONE)
		return code;
	*offset = p->next_offset;
	strbuf_add(&p->log, batch.ptr, batch.len);
	batch_set_base_offset((uint8_t *)p->log.ptr + p->log.len - batch.len, *offset);
	p->next_offset += batch_record_count(batch.ptr);
	p->next_sequence = sequence_add(batch_base_sequence(batch.ptr), batch_record_count(batch.ptr));
	memmove(&p->recent[1], &p->recent[0], 4 * sizeof(p->recent[0]));
	p->recent[0].base_sequence = batch_base_sequence(batch.ptr);
	p->recent[0].count = batch_record_count(batch.ptr);
	p->recent[0].base_offset = *offset;
	p->recent_count = MIN(p->recent_count + 1, 5);
	return NONE;
}

/* ---- answers; false: the connection is to end ---- */

typedef bool (*answer_fn)(struct fake_broker *b, struct reader *r, int v, struct arena *a, struct writer *w);

static bool answer_api_versions(struct fake_broker *b, struct reader *r UNUSED, int v, struct arena *a, struct writer *w)
{
	static const int16_t keys[][2] = { { API_PRODUCE, 11 }, { API_FETCH, 12 }, { API_LIST_OFFSETS, 7 }, { API_METADATA, 12 },
					   { API_API_VERSIONS, 4 }, { API_INIT_PRODUCER_ID, 4 } };
	struct api_versions_response m;

	api_versions_response_init(&m);
	m.api_keys = arena_calloc(a, ARRAY_LEN(keys), sizeof(*m.api_keys));
	m.api_keys_count = ARRAY_LEN(keys);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		m.api_keys[i] = (struct api_versions_response_api_key){ keys[i][0], 0, keys[i][1] };
	if (v > b->api_versions_max) {
		m.error_code = UNSUPPORTED_VERSION;
		m.api_keys[0] = (struct api_versions_response_api_key){ API_API_VERSIONS, 0, b->api_versions_max };
		m.api_keys_count = 1;
		v = 0;
	}
	return api_versions_response_encode(&m, w, v);
}

static bool answer_metadata(struct fake_broker *b, struct reader *r, int v, struct arena *a, struct writer *w)
{
	struct metadata_request q;
	struct metadata_response m;
	struct metadata_response_broker broker;
	struct metadata_response_partition parts[FAKE_PARTITIONS];
	static int32_t ids[1] = { 1 };

	ck_assert(metadata_request_decode(&q, r, v, a));
	metadata_response_init(&m);
	metadata_response_broker_init(&broker);
	broker.node_id = 1;
	broker.host = slice_str(b->advertised);
	broker.port = FAKE_PORT;
	m.brokers = &broker;
	m.brokers_count = 1;
	m.controller_id = 1;
	m.topics = arena_calloc(a, (size_t)MAX(q.topics_count, 1), sizeof(*m.topics));
	m.topics_count = MAX(q.topics_count, 0);
	for (int i = 0; i < FAKE_PARTITIONS; i++) {
		metadata_response_partition_init(&parts[i]);
		parts[i] = (struct metadata_response_partition){ .partition_index = i, .leader_id = 1, .leader_epoch = 0,
			.replica_nodes = ids, .replica_nodes_count = 1, .isr_nodes = ids, .isr_nodes_count = 1 };
	}
	for (int32_t i = 0; i < m.topics_count; i++) {
		metadata_response_topic_init(&m.topics[i]);
		m.topics[i].name = q.topics[i].name;
		if (!slice_eq_str(q.topics[i].name, FAKE_TOPIC)) {
			m.topics[i].error_code = UNKNOWN_TOPIC_OR_PARTITION;
			continue;
		}
		m.topics[i].partitions = parts;
		m.topics[i].partitions_count = FAKE_PARTITIONS;
	}
	return metadata_response_encode(&m, w, v);
}

static bool answer_init_producer_id(struct fake_broker *b, struct reader *r UNUSED, int v, struct arena *a UNUSED,
				    struct writer *w)
{
	struct init_producer_id_response m;

	init_producer_id_response_init(&m);
	m.producer_id = b->next_producer_id++;
	return init_producer_id_response_encode(&m, w, v);
}

static bool produce_partition(struct fake_broker *b, const struct produce_request_partition_data *q,
			      struct produce_response_partition_response *m)
{
	produce_response_partition_response_init(m);
	m->index = q->index;
	m->base_offset = -1;
	if (chance(b, b->faults.too_large)) {
		m->error_code = MESSAGE_TOO_LARGE;
		return true;
	}
	if (b->batch_bytes_max > 0 && q->records.len > b->batch_bytes_max) {
		b->too_large++;
		m->error_code = MESSAGE_TOO_LARGE;
		return true;
	}
	if (chance(b, b->faults.refuse)) {
		m->error_code = NOT_LEADER_OR_FOLLOWER;
		return true;
	}
	m->error_code = append(b, q->index, q->records, &m->base_offset);
	if (m->error_code == NONE && chance(b, b->faults.doubt)) {
		m->error_code = REQUEST_TIMED_OUT;
		m->base_offset = -1;
	}
	return !chance(b, b->faults.cut_after);
}

static bool answer_produce(struct fake_broker *b, struct reader *r, int v, struct arena *a, struct writer *w)
{
	struct produce_request q;
	struct produce_response m;
	bool goes_on = true;

	ck_assert(produce_request_decode(&q, r, v, a));
	b->produce_count++;
	if (chance(b, b->faults.cut_before))
		return false;
	produce_response_init(&m);
	m.responses = arena_calloc(a, (size_t)q.topic_data_count, sizeof(*m.responses));
	m.responses_count = q.topic_data_count;
	for (int32_t i = 0; i < q.topic_data_count; i++) {
		struct produce_request_topic_data *t = &q.topic_data[i];
		produce_response_response_init(&m.responses[i]);
		m.responses[i].name = t->name;
		m.responses[i].partition_responses = arena_calloc(a, (size_t)t->partition_data_count,
								  sizeof(*m.responses[i].partition_responses));
		m.responses[i].partition_responses_count = t->partition_data_count;
		for (int32_t k = 0; k < t->partition_data_count && goes_on; k++)
			goes_on = produce_partition(b, &t->partition_data[k], &m.responses[i].partition_responses[k]);
	}
	if (goes_on && q.acks == 0) {		/* nobody wants an answer: take its frame back */
		w->len = w->frame_begin - 4;
		return true;
	}
	return goes_on && produce_response_encode(&m, w, v);
}

static bool answer_list_offsets(struct fake_broker *b, struct reader *r, int v, struct arena *a, struct writer *w)
{
	struct list_offsets_request q;
	struct list_offsets_response m;

	ck_assert(list_offsets_request_decode(&q, r, v, a));
	list_offsets_response_init(&m);
	m.topics = arena_calloc(a, (size_t)q.topics_count, sizeof(*m.topics));
	m.topics_count = q.topics_count;
	for (int32_t i = 0; i < q.topics_count; i++) {
		struct list_offsets_response_topic *t = &m.topics[i];
		list_offsets_response_topic_init(t);
		t->name = q.topics[i].name;
		t->partitions_count = q.topics[i].partitions_count;
		t->partitions = arena_calloc(a, (size_t)t->partitions_count, sizeof(*t->partitions));
		for (int32_t k = 0; k < t->partitions_count; k++) {
			const struct list_offsets_request_partition *p = &q.topics[i].partitions[k];
			list_offsets_response_partition_init(&t->partitions[k]);
			t->partitions[k].partition_index = p->partition_index;
			t->partitions[k].offset = p->timestamp == -1 ? b->partitions[p->partition_index].next_offset :
				b->partitions[p->partition_index].log_start_offset;
		}
	}
	return list_offsets_response_encode(&m, w, v);
}

/* The batch that holds the offset, and what follows, up to the limit and cut anywhere, as sendfile does. */
static struct wire_records read_log(const struct fake_partition *p, int64_t offset, int32_t bytes_max)
{
	struct slice rest = strbuf_slice(&p->log), batch, before = rest;

	while (batch_next(&rest, &batch) == OK && batch_last_offset(batch.ptr) < offset)
		before = rest;
	if (offset >= p->next_offset)
		return (struct wire_records){ .ptr = before.ptr, .len = 0 };
	return (struct wire_records){ .ptr = before.ptr, .len = (uint32_t)MIN(before.len, MAX((size_t)bytes_max, batch.len)) };
}

static bool answer_fetch(struct fake_broker *b, struct reader *r, int v, struct arena *a, struct writer *w)
{
	struct fetch_request q;
	struct fetch_response m;

	ck_assert(fetch_request_decode(&q, r, v, a));
	if (chance(b, b->faults.cut_before))
		return false;
	fetch_response_init(&m);
	m.responses = arena_calloc(a, (size_t)q.topics_count, sizeof(*m.responses));
	m.responses_count = q.topics_count;
	for (int32_t i = 0; i < q.topics_count; i++) {
		struct fetch_response_response *t = &m.responses[i];
		fetch_response_response_init(t);
		t->topic = q.topics[i].topic;
		t->partitions_count = q.topics[i].partitions_count;
		t->partitions = arena_calloc(a, (size_t)t->partitions_count, sizeof(*t->partitions));
		for (int32_t k = 0; k < t->partitions_count; k++) {
			const struct fetch_request_partition *p = &q.topics[i].partitions[k];
			const struct fake_partition *log = &b->partitions[p->partition];
			fetch_response_partition_init(&t->partitions[k]);
			t->partitions[k].partition_index = p->partition;
			t->partitions[k].high_watermark = t->partitions[k].last_stable_offset = log->next_offset;
			if (log->preferred_replica > 0 && q.rack_id.len > 0)
				t->partitions[k].preferred_read_replica = log->preferred_replica;
			if (log->aborted_producer > 0 && q.isolation_level == 1) {
				t->partitions[k].aborted_transactions = arena_calloc(a, 1, sizeof(*t->partitions[k].aborted_transactions));
				t->partitions[k].aborted_transactions[0] =
					(struct fetch_response_aborted_transaction){ log->aborted_producer, log->aborted_first };
				t->partitions[k].aborted_transactions_count = 1;
			}
			if (chance(b, b->faults.refuse))
				t->partitions[k].error_code = NOT_LEADER_OR_FOLLOWER;
			else if (log->cut_at > 0 && p->fetch_offset > log->cut_at && p->last_fetched_epoch == 0)
				t->partitions[k].diverging_epoch.end_offset = log->cut_at;
			else if (p->fetch_offset > log->next_offset || p->fetch_offset < log->log_start_offset)
				t->partitions[k].error_code = OFFSET_OUT_OF_RANGE;
			else
				t->partitions[k].records = read_log(log, p->fetch_offset, p->partition_max_bytes);
			if (wire_records_is_null(t->partitions[k].records))
				t->partitions[k].records.ptr = (const uint8_t *)"";
		}
	}
	return fetch_response_encode(&m, w, v);
}

static answer_fn handler(int key)
{
	switch (key) {
	case API_API_VERSIONS:     return answer_api_versions;
	case API_METADATA:         return answer_metadata;
	case API_INIT_PRODUCER_ID: return answer_init_producer_id;
	case API_PRODUCE:          return answer_produce;
	case API_LIST_OFFSETS:     return answer_list_offsets;
	case API_FETCH:            return answer_fetch;
	default:                   return NULL;
	}
}

/* ---- frames ---- */

static bool answer_frame(struct fake_broker *b, struct fake_connection *c, struct slice frame)
{
	struct reader r = reader_of(frame);
	struct request_header h;
	struct arena a;
	bool goes_on;

	ck_assert(header_decode_request(&h, &r));
	ck_assert_ptr_nonnull(handler(h.request_api_key));
	if (b->greeting != NULL) {
		for (const char *p = b->greeting; *p != '\0'; p++)
			put_i8(&c->out, *p);
		return true;
	}
	arena_init(&a, 64 << 20);
	writer_begin_frame(&c->out);
	ck_assert(header_encode_response(h.correlation_id, &c->out, h.request_api_key, h.request_api_version));
	size_t before = c->out.frame_begin;
	goes_on = handler(h.request_api_key)(b, &r, h.request_api_version, &a, &c->out);
	c->is_mute = c->is_mute || (h.request_api_key == API_PRODUCE && chance(b, b->faults.swallow));
	if (c->is_mute && c->out.len >= before)
		c->out.len = before - 4;
	if (goes_on && c->out.len >= before)
		ck_assert(writer_end_frame(&c->out));
	arena_fini(&a);
	return goes_on;
}

static bool take_frames(struct fake_broker *b, struct fake_connection *c)
{
	size_t at = 0;
	bool goes_on = true;

	while (goes_on && c->in.len - at >= 4) {
		size_t size = load_be32(c->in.ptr + at);
		if (c->in.len - at - 4 < size)
			break;
		goes_on = answer_frame(b, c, slice_of(c->in.ptr + at + 4, size));
		at += 4 + size;
	}
	if (at > 0) {
		memmove(c->in.ptr, c->in.ptr + at, c->in.len - at);
		strbuf_truncate(&c->in, c->in.len - at);
	}
	return goes_on;
}

static bool step_connection(struct fake_broker *b, struct fake_connection *c)
{
	char buf[4096];
	size_t got;
	enum err e;

	while ((e = os_recv(b->os, c->fd, buf, sizeof(buf), &got)) == OK && got > 0)
		strbuf_add(&c->in, buf, got);
	if (e != ERR_AGAIN || !take_frames(b, c))
		return false;
	while (c->sent < c->out.len) {
		struct iovec iov = { c->out.buf + c->sent, c->out.len - c->sent };
		e = os_sendv(b->os, c->fd, &iov, 1, &got);
		if (e == ERR_AGAIN)
			return true;
		if (e != OK)
			return false;
		c->sent += got;
	}
	writer_reset(&c->out);
	c->sent = 0;
	return true;
}

void fake_broker_step(struct fake_broker *b)
{
	os_fd fd;

	for (int i = 0; i < FAKE_CONNECTIONS; i++) {
		if (b->connections[i] == NULL && os_accept(b->os, b->listener, &fd, NULL) == OK) {
			b->connections[i] = mem_calloc(1, sizeof(*b->connections[i]));
			b->connections[i]->fd = fd;
			writer_init(&b->connections[i]->out);
		}
		if (b->connections[i] != NULL && !step_connection(b, b->connections[i]))
			end_connection(b, i);
	}
}
