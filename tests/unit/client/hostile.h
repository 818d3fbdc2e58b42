/*
 * A hostile broker on a simulated machine: it answers every question with any message of the right kind, half of them built around what would lead a client further (its
 * topic, its partitions, its groups, itself as leader and coordinator), and at times with bytes changed, cut off, or of another question.
 */
#ifndef SKEIN_TEST_HOSTILE_H
#define SKEIN_TEST_HOSTILE_H

#define codec wire_codec	/* struct codec of the list; record/codec.h has an enum of this name */
#include "unit/wire/codec_list.h"
#undef codec

#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "record/build.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/gen/consumer_protocol_subscription.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/fetch.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/join_group.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/produce.h"
#include "wire/gen/sync_group.h"
#include "wire/header.h"

#define CONNECTIONS 64
#define TOPIC       "orders"

struct hostile {
	struct sim_os *machine;
	struct os     *os;
	os_fd          listener;
	struct { os_fd fd; struct strbuf in; struct writer out; size_t sent; } c[CONNECTIONS];
	struct fill    fill;
	struct arena   arena;
	int            answers;
};

static uint64_t below(struct hostile *h, uint64_t n)
{
	return fill_u64(&h->fill) % n;
}

/* An error that may be, more often none. */
static int16_t some_error(struct hostile *h)
{
	static const int16_t codes[] = { OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION,
					 FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, MEMBER_ID_REQUIRED, COORDINATOR_LOAD_IN_PROGRESS, OUT_OF_ORDER_SEQUENCE_NUMBER,
					 FENCED_INSTANCE_ID, CORRUPT_MESSAGE, 12345, -1 };

	return below(h, 4) > 0 ? NONE : codes[below(h, ARRAY_LEN(codes))];
}

static void *room(struct hostile *h, size_t n, size_t size)
{
	void *p = arena_calloc(&h->arena, MAX(n, 1u), size);

	ck_assert_ptr_nonnull(p);
	return p;
}

/* ---- records: whole batches, with damage at times ---- */

static struct wire_records some_records(struct hostile *h)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct compressor *c = compressor_create();
	struct strbuf out = STRBUF_INIT;
	struct wire_records records = { .len = 0 };

	for (uint64_t n = below(h, 3); n > 0; n--) {
		struct batch_builder builder;
		struct slice batch;

		spec.codec = (enum codec)below(h, CODEC_COUNT);
		spec.level = LEVEL_DEFAULT_ZSTD;
		spec.base_offset = below(h, 3) == 0 ? fill_i64(&h->fill) : (int64_t)below(h, 100);
		spec.leader_epoch = (int32_t)below(h, 5) - 1;
		spec.is_transactional = spec.is_control = false;
		spec.producer_id = (int64_t)below(h, 3);
		spec.producer_epoch = 0;
		spec.base_sequence = 0;
		spec.is_transactional = below(h, 2) == 0;
		batch_build_begin(&builder, &spec, c, &out, out.len + (1 << 20));
		for (uint64_t r = 1 + below(h, 5); r > 0; r--)
			batch_build_add(&builder, (time_ms)below(h, 1000), fill_bytes(&h->fill, true), fill_bytes(&h->fill, true), NULL, 0);
		if (batch_build_end(&builder, &batch) != OK)
			break;
		if (below(h, 4) == 0) {		/* rubbish with a good checksum */
			uint8_t *b = (uint8_t *)out.ptr + out.len - batch.len;
			b[BATCH_HEADER_SIZE + below(h, batch.len - BATCH_HEADER_SIZE)] ^= (uint8_t)(1 + below(h, 255));
			if (below(h, 2) == 0)
				store_be32(b + BATCH_RECORD_COUNT_POS, (uint32_t)fill_i32(&h->fill));
			batch_seal(b, batch.len);
		}
	}
	if (out.len > 0) {
		struct slice bytes = arena_copy(&h->arena, strbuf_slice(&out));
		records = (struct wire_records){ .ptr = bytes.ptr, .len = (uint32_t)(below(h, 5) == 0 ? below(h, bytes.len) : bytes.len) };
	}
	strbuf_fini(&out);
	compressor_destroy(&c);
	return records;
}

/* ---- what leads the client further ---- */

static void lead_metadata(struct hostile *h, struct metadata_response *m)
{
	m->brokers = room(h, 2, sizeof(*m->brokers));
	m->brokers_count = 1 + (int32_t)below(h, 2);
	for (int32_t i = 0; i < m->brokers_count; i++)
		m->brokers[i] = (struct metadata_response_broker){ .node_id = i, .host = SLICE_LIT("broker"), .port = FAKE_PORT };
	m->controller_id = 0;
	m->topics = room(h, 1, sizeof(*m->topics));
	m->topics_count = 1;
	metadata_response_topic_init(&m->topics[0]);
	m->topics[0].name = SLICE_LIT(TOPIC);
	m->topics[0].error_code = below(h, 10) == 0 ? some_error(h) : NONE;
	m->topics[0].partitions_count = below(h, 10) == 0 ? 0 : 1 + (int32_t)below(h, 3);
	m->topics[0].partitions = room(h, 4, sizeof(*m->topics[0].partitions));
	for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
		metadata_response_partition_init(&m->topics[0].partitions[i]);
		m->topics[0].partitions[i].partition_index = below(h, 20) == 0 ? fill_i32(&h->fill) : i;
		m->topics[0].partitions[i].leader_id = (int32_t)below(h, 3) - (below(h, 5) == 0);
	}
}

static void lead_fetch(struct hostile *h, struct fetch_response *m)
{
	m->error_code = below(h, 20) == 0 ? some_error(h) : NONE;
	m->responses = room(h, 1, sizeof(*m->responses));
	m->responses_count = 1;
	m->responses[0] = (struct fetch_response_response){ .topic = SLICE_LIT(TOPIC) };
	m->responses[0].partitions = room(h, 3, sizeof(*m->responses[0].partitions));
	m->responses[0].partitions_count = (int32_t)below(h, 4);
	for (int32_t i = 0; i < m->responses[0].partitions_count; i++) {
		struct fetch_response_partition *p = &m->responses[0].partitions[i];

		fetch_response_partition_init(p);
		p->partition_index = (int32_t)below(h, 3);
		p->error_code = some_error(h);
		p->high_watermark = below(h, 3) == 0 ? fill_i64(&h->fill) : 100;
		p->last_stable_offset = p->high_watermark;
		p->records = some_records(h);
		if (below(h, 6) == 0)
			p->diverging_epoch.end_offset = fill_i64(&h->fill);
		if (below(h, 6) == 0)
			p->preferred_read_replica = (int32_t)below(h, 4);
		p->aborted_transactions = room(h, 3, sizeof(*p->aborted_transactions));
		p->aborted_transactions_count = (int32_t)below(h, 4) - 1;
		for (int32_t t = 0; t < p->aborted_transactions_count; t++)
			p->aborted_transactions[t] = (struct fetch_response_aborted_transaction){ (int64_t)below(h, 3), (int64_t)below(h, 100) };
	}
}

static struct slice encoded(struct hostile *h, bool (*encode)(const void *m, struct writer *w), const void *m)
{
	struct writer w;
	struct slice bytes;

	writer_init(&w);
	put_i16(&w, (int16_t)(below(h, 10) == 0 ? fill_i16(&h->fill) : 1));
	ck_assert(encode(m, &w));
	bytes = arena_copy(&h->arena, slice_of(w.buf, below(h, 8) == 0 ? below(h, w.len) : w.len));
	writer_fini(&w);
	return bytes;
}

static bool encode_subscription(const void *m, struct writer *w) { return consumer_protocol_subscription_encode(m, w, 1); }
static bool encode_assignment(const void *m, struct writer *w) { return consumer_protocol_assignment_encode(m, w, 1); }

static void lead_join(struct hostile *h, struct join_group_response *m)
{
	static const char *const names[] = { "range", "roundrobin", "sticky", "cooperative-sticky", "best" };

	m->error_code = some_error(h);
	m->generation_id = (int32_t)below(h, 100);
	m->protocol_name = slice_str(names[below(h, below(h, 8) == 0 ? 5 : 4)]);
	m->member_id = m->leader = SLICE_LIT("me");
	m->members = room(h, 4, sizeof(*m->members));
	m->members_count = (int32_t)below(h, 5);
	for (int32_t i = 0; i < m->members_count; i++) {
		struct consumer_protocol_subscription s;
		struct slice topics[2] = { SLICE_LIT(TOPIC), fill_string(&h->fill, false) };
		int32_t numbers[4] = { 0, 1, fill_i32(&h->fill), -1 };
		struct consumer_protocol_subscription_owned_partition owned = { .topic = SLICE_LIT(TOPIC), .partitions = numbers, .partitions_count = (int32_t)below(h, 5) };

		consumer_protocol_subscription_init(&s);
		s.topics = topics;
		s.topics_count = (int32_t)below(h, 3);
		s.user_data = fill_bytes(&h->fill, true);
		s.owned_partitions = &owned;
		s.owned_partitions_count = (int32_t)below(h, 2);
		m->members[i] = (struct join_group_response_member){ .member_id = below(h, 3) > 0 ? SLICE_LIT("me") : fill_string(&h->fill, false),
								     .group_instance_id = SLICE_NULL,
								     .metadata = below(h, 6) == 0 ? fill_bytes(&h->fill, false) : encoded(h, encode_subscription, &s) };
	}
}

static struct slice some_assignment(struct hostile *h)
{
	int32_t numbers[5] = { 0, 1, 1, 2, fill_i32(&h->fill) };
	struct consumer_protocol_assignment_assigned_partition p[2] = { { .topic = SLICE_LIT(TOPIC), .partitions = numbers, .partitions_count = (int32_t)below(h, 6) },
									{ .topic = fill_string(&h->fill, false), .partitions = numbers, .partitions_count = 2 } };
	struct consumer_protocol_assignment a = { .assigned_partitions = p, .assigned_partitions_count = (int32_t)below(h, 3), .user_data = SLICE_NULL };

	return encoded(h, encode_assignment, &a);
}

static void lead_sync(struct hostile *h, struct sync_group_response *m)
{
	m->error_code = some_error(h);
	m->protocol_type = m->protocol_name = SLICE_NULL;
	m->assignment = some_assignment(h);
}

static struct slice some_group(struct hostile *h)
{
	static const char *const names[] = { "one", "two", "three" };

	return below(h, 6) == 0 ? fill_string(&h->fill, false) : slice_str(names[below(h, ARRAY_LEN(names))]);
}

static void lead_groups(struct hostile *h, struct describe_groups_response *m)
{
	for (int32_t i = 0; i < m->groups_count; i++) {
		m->groups[i].group_id = some_group(h);
		m->groups[i].error_code = some_error(h);
		m->groups[i].protocol_type = SLICE_LIT("consumer");
		for (int32_t k = 0; k < m->groups[i].members_count; k++)
			m->groups[i].members[k].member_assignment = some_assignment(h);
	}
}

static void lead_dirs(struct hostile *h, struct describe_log_dirs_response *m)
{
	m->error_code = some_error(h);
	for (int32_t i = 0; i < m->results_count; i++) {
		for (int32_t t = 0; t < m->results[i].topics_count; t++) {
			m->results[i].topics[t].name = SLICE_LIT(TOPIC);
			for (int32_t p = 0; p < m->results[i].topics[t].partitions_count; p++)
				m->results[i].topics[t].partitions[p].partition_index = (int32_t)below(h, 3);
		}
	}
}

/* Fields that decide how far the client comes; the rest stays as it was filled. */
static void lead(struct hostile *h, int key, void *m)
{
	switch (key) {
	case API_METADATA:         lead_metadata(h, m); break;
	case API_FETCH:            lead_fetch(h, m); break;
	case API_JOIN_GROUP:       lead_join(h, m); break;
	case API_SYNC_GROUP:       lead_sync(h, m); break;
	case API_DESCRIBE_GROUPS:  lead_groups(h, m); break;
	case API_DESCRIBE_LOG_DIRS: lead_dirs(h, m); break;
	case API_LIST_GROUPS: {
		struct list_groups_response *l = m;
		l->error_code = some_error(h);
		for (int32_t i = 0; i < l->groups_count; i++)
			l->groups[i].group_id = some_group(h);
		break;
	}
	case API_HEARTBEAT:        ((struct heartbeat_response *)m)->error_code = below(h, 4) == 0 ? some_error(h) : NONE; break;
	case API_INIT_PRODUCER_ID: ((struct init_producer_id_response *)m)->error_code = some_error(h); break;
	case API_FIND_COORDINATOR: {
		struct find_coordinator_response *f = m;
		f->error_code = some_error(h);
		f->node_id = (int32_t)below(h, 2);
		break;
	}
	case API_OFFSET_FETCH: {
		struct offset_fetch_response *f = m;
		f->error_code = some_error(h);
		for (int32_t i = 0; i < f->topics_count; i++)
			f->topics[i].name = SLICE_LIT(TOPIC);
		break;
	}
	case API_LIST_OFFSETS: {
		struct list_offsets_response *l = m;
		for (int32_t i = 0; i < l->topics_count; i++) {
			l->topics[i].name = SLICE_LIT(TOPIC);
			for (int32_t p = 0; p < l->topics[i].partitions_count; p++) {
				l->topics[i].partitions[p].partition_index = (int32_t)below(h, 3);
				l->topics[i].partitions[p].error_code = some_error(h);
				l->topics[i].partitions[p].offset = below(h, 10) == 0 ? fill_i64(&h->fill) : (int64_t)below(h, 50);
			}
		}
		break;
	}
	case API_PRODUCE: {
		struct produce_response *p = m;
		for (int32_t i = 0; i < p->responses_count; i++) {
			p->responses[i].name = SLICE_LIT(TOPIC);
			for (int32_t j = 0; j < p->responses[i].partition_responses_count; j++) {
				p->responses[i].partition_responses[j].index = (int32_t)below(h, 3);
				p->responses[i].partition_responses[j].error_code = some_error(h);
			}
		}
		break;
	}
	default: break;
	}
}

static void put_versions(struct writer *w, int v)
{
	struct api_versions_response m;
	struct api_versions_response_api_key keys[API_KEY_COUNT];

	api_versions_response_init(&m);
	m.api_keys = keys;
	m.api_keys_count = 0;
	for (int key = 0; key < API_KEY_COUNT; key++) {
		const struct wire_codec *c = codec_find(CODEC_RESPONSE, key);

		if (c != NULL)
			keys[m.api_keys_count++] = (struct api_versions_response_api_key){ (int16_t)key, (int16_t)c->version_min, (int16_t)c->version_max };
	}
	ck_assert(api_versions_response_encode(&m, w, v));
}

static void answer(struct hostile *h, int i, struct slice frame)
{
	struct reader r = reader_of(frame);
	struct writer *w = &h->c[i].out;
	struct request_header q;
	size_t start = w->len;

	ck_assert(header_decode_request(&q, &r));	/* the client itself is in order */
	const struct wire_codec *c = codec_find(CODEC_RESPONSE, q.request_api_key);
	ck_assert_ptr_nonnull(c);
	writer_begin_frame(w);
	ck_assert(header_encode_response(below(h, 200) == 0 ? 77 : q.correlation_id, w, q.request_api_key, q.request_api_version));
	if (q.request_api_key == API_API_VERSIONS && below(h, 20) > 0) {
		put_versions(w, q.request_api_version);
	} else {
		void *m = room(h, 1, c->size);
		c->fill(&h->fill, q.request_api_version, m);
		if (below(h, q.request_api_key == API_METADATA ? 40 : 8) > 0)
			lead(h, q.request_api_key, m);
		ck_assert(c->encode(m, w, q.request_api_version));
	}
	ck_assert(writer_end_frame(w));
	size_t len = w->len - start;
	if (below(h, 30) == 0)
		w->buf[start + below(h, len)] ^= (uint8_t)(1 + below(h, 255));
	if (below(h, 100) == 0)
		w->len = start + below(h, len);
	arena_reset(&h->arena);
	h->answers++;
}

static void serve(struct hostile *h, int i)
{
	char buf[4096];
	size_t got = 0;
	struct strbuf *in = &h->c[i].in;

	enum err e = os_recv(h->os, h->c[i].fd, buf, sizeof(buf), &got);
	if (e == OK && got > 0)
		strbuf_add(in, buf, got);
	while (in->len >= 4 && in->len - 4 >= load_be32((uint8_t *)in->ptr)) {
		size_t n = 4 + load_be32((uint8_t *)in->ptr);

		answer(h, i, slice_of(in->ptr + 4, n - 4));
		memmove(in->ptr, in->ptr + n, in->len - n);
		strbuf_truncate(in, in->len - n);
	}
	if (h->c[i].sent < h->c[i].out.len) {
		struct iovec iov = { h->c[i].out.buf + h->c[i].sent, h->c[i].out.len - h->c[i].sent };
		size_t sent = 0;
		if (os_sendv(h->os, h->c[i].fd, &iov, 1, &sent) == OK)
			h->c[i].sent += sent;
	}
	if ((e != OK && e != ERR_AGAIN) || (e == OK && got == 0) || below(h, 3000) == 0) {
		os_close(h->os, &h->c[i].fd);
		strbuf_fini(in);
		writer_fini(&h->c[i].out);
		h->c[i].sent = 0;
	}
}

static void hostile_step(struct hostile *h)
{
	struct os_addr peer;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (h->c[i].fd >= 0)
			serve(h, i);
		else if (os_accept(h->os, h->listener, &h->c[i].fd, &peer) == OK)
			writer_init(&h->c[i].out);
	}
	sim_advance(h->machine, 0);
}

static void hostile_begin(struct hostile *h, struct sim_net *net, uint64_t seed)
{
	uint16_t port;

	memset(h, 0, sizeof(*h));
	h->machine = sim_create(net, "broker", seed + 2);
	h->os = sim_os(h->machine);
	arena_init(&h->arena, SIZE_MAX);
	h->fill = (struct fill){ .state = seed * 7919, .arena = &h->arena };
	for (int i = 0; i < CONNECTIONS; i++)
		h->c[i].fd = -1;
	ck_assert_int_eq(os_listen(h->os, NULL, FAKE_PORT, 10, &h->listener, &port), OK);
}

static void hostile_end(struct hostile *h)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		os_close(h->os, &h->c[i].fd);
		strbuf_fini(&h->c[i].in);
		writer_fini(&h->c[i].out);
	}
	os_close(h->os, &h->listener);
	arena_fini(&h->arena);
	sim_destroy(&h->machine);
}

#endif
