/*
 * Produce (0).
 *
 * Everything that needs no log state is checked here, in parallel over connections: the form of the
 * records, the batch itself, the topic's rules. Each accepted batch is lent to its partition as it
 * lies in the frame. A large compressed batch is validated by a worker, and nothing behind it on
 * its connection begins meanwhile: batches of one producer must reach the partition in the order
 * they were sent.
 *
 * acks=0 has no answer: an error closes the connection, which is how such a producer learns of a
 * new leader. Versions 0 to 2 are advertised, because librdkafka takes the advertised minimum as a
 * sign of codecs it may use, and refused.
 */
#include <stdlib.h>

#include "api/api.h"
#include "wire/gen/produce.h"

/* compressed; smaller ones cost less than the two hand-overs */
#define VALIDATE_ON_WORKER_BYTES (256 * 1024)
/* A batch may expand to so many times max.message.bytes: a bomb is refused, a dense one is not. */
#define DECOMPRESSED_MAX_FACTOR  64
#define DECOMPRESSED_MAX_LEAST   (256ull << 20)

struct produce_item {
	struct partition_append append;		/* lent to the partition */
	struct job              job;		/* lent to a worker, with */
	struct api_scratch     *scratch;
	time_ms                 now;
	struct slice            topic;
	int32_t                 partition;
	int32_t                 order;		/* in the request: the last of equals counts */
	struct wire_records     records;
	struct records_form     form;
	struct partition_addr  *addr;		/* a reference; NULL: refused before */
	/* copied: the picture may change while a worker validates */
	struct topic_config     config;
	struct strbuf           rebuilt;
	struct batch_verdict   *verdict;
	enum kafka_error        error;
	const char             *message;
	int64_t                 base_offset, log_append_time, log_start_offset;
	int32_t                 leader_id, leader_epoch;
};

struct produce_state {
	struct produce_item *items;
	int32_t              count;
	int32_t              validating;	/* at workers */
};

enum { PRODUCE_VALIDATED = MSG_BASE_WORKER };

static int by_topic_and_partition(const void *a, const void *b)
{
	const struct produce_item *x = *(struct produce_item *const *)a, *y =
		*(struct produce_item *const *)b;
	int c = slice_cmp(x->topic, y->topic);

	if (c == 0)
		c = (x->partition > y->partition) - (x->partition < y->partition);
	return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

static int32_t count_items(const struct produce_request *r)
{
	int32_t n = 0;

	for (int32_t t = 0; t < r->topic_data_count; t++)
		n += MAX(r->topic_data[t].partition_data_count, 0);
	return n;
}

/*
 * The request as a flat list. A partition that is listed twice counts as its last entry, with one
 * answer.
 */
static bool flatten(struct call *c, struct produce_state *s)
{
	const struct produce_request *r = c->request;
	int32_t n = count_items(r), kept = 0;
	struct produce_item *all = arena_calloc(&c->arena, (size_t)n, sizeof(*all));
	struct produce_item **sorted = arena_alloc(&c->arena, (size_t)n * sizeof(*sorted) + 1);

	if (all == NULL || sorted == NULL)
		return false;
	for (int32_t t = 0; t < r->topic_data_count; t++) {
		for (int32_t p = 0; p < r->topic_data[t].partition_data_count; p++) {
			struct produce_item *i = &all[kept];

			i->topic = r->topic_data[t].name;
			i->partition = r->topic_data[t].partition_data[p].index;
			i->records = r->topic_data[t].partition_data[p].records;
			i->order = kept;
			i->base_offset = i->log_append_time = i->log_start_offset = -1;
			i->leader_id = i->leader_epoch = -1;
			sorted[kept++] = i;
		}
	}
	if (n > 1) {
		qsort(sorted, (size_t)n, sizeof(*sorted), by_topic_and_partition);
		for (int32_t i = 0; i + 1 < n; i++) {
			if (sorted[i]->partition == sorted[i + 1]->partition &&
			    slice_eq(sorted[i]->topic, sorted[i + 1]->topic))
				sorted[i]->order = -1;
		}
	}
	for (int32_t i = 0; i < n; i++) {
		if (all[i].order < 0)
			continue;
		if (s->count != i)
			all[s->count] = all[i];
		s->count++;
	}
	s->items = all;
	return true;
}

static void fail_all(struct produce_state *s, enum kafka_error error, const char *message)
{
	for (int32_t i = 0; i < s->count; i++) {
		s->items[i].error = error;
		s->items[i].message = message;
	}
}

/* One request belongs to one transaction: its transactional batches have one producer. */
static bool has_one_transaction(const struct produce_state *s)
{
	const uint8_t *first = NULL;

	for (int32_t i = 0; i < s->count; i++) {
		const struct records_form *form = &s->items[i].form;

		if (!form->is_transactional || form->error != NONE)
			continue;
		if (first == NULL)
			first = form->batch.ptr;
		if (batch_producer_id(form->batch.ptr) != batch_producer_id(first) ||
		    batch_producer_epoch(form->batch.ptr) != batch_producer_epoch(first))
			return false;
	}
	return true;
}

/* What fails the request as a whole. False: it did. */
static bool check_request(struct call *c, struct produce_state *s)
{
	const struct produce_request *r = c->request;
	bool is_transactional = false;

	for (int32_t i = 0; i < s->count; i++) {
		struct produce_item *it = &s->items[i];

		records_form_check(slice_of(it->records.ptr, it->records.len), c->version,
		                   &it->form);
		if (it->form.request_error != NONE) {
			fail_all(s, it->form.request_error, it->form.message);
			return false;
		}
		is_transactional |= it->form.is_transactional;
	}
	if (is_transactional && (slice_is_null(r->transactional_id) ||
	                         !call_authorize(c, ACL_WRITE, ACL_TRANSACTIONAL_ID,
	                                         r->transactional_id))) {
		fail_all(s, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NULL);
		return false;
	}
	if (!has_one_transaction(s)) {
		fail_all(s, INVALID_PRODUCER_ID_MAPPING,
		         "Transactional records contained more than one producer ID");
		return false;
	}
	return true;
}

/* What fails one partition before its batch is looked at. */
static enum kafka_error check_item(struct call *c, struct produce_item *it)
{
	const struct produce_request *r = c->request;

	if (!call_authorize(c, ACL_WRITE, ACL_TOPIC, it->topic))
		return TOPIC_AUTHORIZATION_FAILED;
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), it->topic);
	if (topic == NULL || cluster_topic_partition(topic, it->partition) == NULL)
		return UNKNOWN_TOPIC_OR_PARTITION;
	if (it->form.error != NONE)
		return it->form.error;
	if (r->acks < -1 || r->acks > 1)
		return INVALID_REQUIRED_ACKS;
	if (topic->is_internal && !slice_eq_str(c->client_id, "__admin_client"))
		return INVALID_TOPIC_EXCEPTION;
	api_current_leader(topic, it->partition, &it->leader_id, &it->leader_epoch);
	enum kafka_error error = api_find_partition(c, topic, it->partition, &it->addr);
	if (error != NONE)
		return error;
	/* otherwise nobody can have begun one; what another kind of broker coordinates is not verified there */
	if (it->form.is_transactional && !api_has_transactions(c)) {
		it->message = "Partition was not added to the transaction";
		return INVALID_TXN_STATE;
	}
	it->config = topic->config;
	return NONE;
}

static void validate_with(struct produce_item *it, struct batch_scratch *scratch, time_ms now)
{
	uint64_t dense = (uint64_t)it->config.max_message_bytes * DECOMPRESSED_MAX_FACTOR;
	struct batch_policy policy = {
		.config = &it->config, .topic = it->topic, .partition = it->partition,
		.decompressed_max = MAX(dense, DECOMPRESSED_MAX_LEAST),
	};

	/*
	 * The frame belongs to this call, and the batch to this item alone: it may be changed in
	 * place.
	 */
	batch_validate((uint8_t *)(uintptr_t)it->form.batch.ptr, it->form.batch.len, &policy, now,
	               scratch, &it->rebuilt, it->verdict);
}

static void validate_on_worker(struct job *j)
{
	struct produce_item *it = CONTAINER_OF(j, struct produce_item, job);

	validate_with(it, &it->scratch->scratch, it->now);
}

static void ask_partition(struct call *c, struct produce_item *it)
{
	const struct produce_request *r = c->request;

	if (it->verdict->error != NONE) {
		it->error = it->verdict->error;
		if (it->verdict->is_log_start_known)
			it->log_start_offset = partition_log_start_offset(it->addr);
		return;
	}
	msg_init(&it->append.msg, PARTITION_append, network_actor(c->network));
	it->append.msg.is_light = it->verdict->batch_bytes <= LIGHT_APPEND_BYTES ||
		(it->verdict->batch_bytes >= LONE_APPEND_BYTES && network_serves_one(c->network));
	it->append.append.batch = it->verdict->batch;
	it->append.append.batch_bytes = (uint32_t)it->verdict->batch_bytes;
	it->append.acks = r->acks;
	it->append.timeout_ms = r->timeout_ms;
	if (!call_ask_partition(c, it->addr, &it->append.msg))
		it->error = NOT_LEADER_OR_FOLLOWER;
}

static bool wants_worker(const struct produce_item *it)
{
	return it->form.batch.len > VALIDATE_ON_WORKER_BYTES &&
		batch_codec(it->form.batch.ptr) != CODEC_NONE;
}

static void begin_item(struct call *c, struct produce_state *s, struct produce_item *it)
{
	it->error = check_item(c, it);
	if (it->error != NONE)
		return;
	it->verdict = arena_alloc(&c->arena, sizeof(*it->verdict));
	if (it->verdict == NULL) {
		it->error = UNKNOWN_SERVER_ERROR;
		return;
	}
	if (wants_worker(it)) {
		msg_init(&it->job.msg, PRODUCE_VALIDATED, network_actor(c->network));
		it->job.msg.context = c;
		it->job.run = validate_on_worker;
		it->scratch = api_scratch_take(api_slot(c));
		it->now = call_time(c);
		s->validating++;
		c->waiting++;
		c->holds_connection = true;
		workers_submit(call_api(c)->workers, network_actor(c->network), &it->job);
		return;
	}
	validate_with(it, &api_slot(c)->scratch, call_time(c));
	ask_partition(c, it);
}

static void produce_begin(struct call *c)
{
	const struct produce_request *r = c->request;
	struct produce_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	c->wants_no_response = r->acks == 0;
	if (s == NULL || !flatten(c, s)) {
		c->wants_close = true;
		return;
	}
	if (c->version < c->api->serve_min) {
		fail_all(s, UNSUPPORTED_VERSION, NULL);
		return;
	}
	if (!check_request(c, s))
		return;
	for (int32_t i = 0; i < s->count; i++)
		begin_item(c, s, &s->items[i]);
	call_book(c, c->frame.len, 0);
}

static void produce_on_answer(struct call *c, struct msg *m)
{
	struct produce_state *s = c->state;

	if (m->kind == PRODUCE_VALIDATED) {
		struct produce_item *it = CONTAINER_OF(m, struct produce_item, job.msg);

		api_scratch_give(api_slot(c), it->scratch);
		s->validating--;
		c->holds_connection = s->validating > 0;
		ask_partition(c, it);
		return;
	}
	struct produce_item *it = CONTAINER_OF(m, struct produce_item, append.msg);
	c->written_at = MAX(c->written_at, it->append.written_at);
	it->error = it->append.error;
	it->base_offset = it->append.base_offset;
	it->log_start_offset = it->append.log_start_offset;
	it->log_append_time = it->append.log_append_time;
	if (it->error == NONE && it->log_append_time < 0)
		it->log_append_time = it->verdict->log_append_time;
	if (it->error == NOT_LEADER_OR_FOLLOWER) {
		it->leader_id = it->append.leader_id;
		it->leader_epoch = it->append.leader_epoch;
	}
}

static bool fill_record_errors(struct call *c, struct produce_item *it,
                               struct produce_response_partition_response *out)
{
	struct batch_policy policy = { .config = &it->config, .topic = it->topic,
		.partition = it->partition };
	const struct batch_verdict *v = it->verdict;

	if (v == NULL || v->error == NONE || v->record_errors_listed == 0)
		return true;
	out->record_errors = arena_calloc(&c->arena, (size_t)v->record_errors_listed,
	                                  sizeof(*out->record_errors));
	if (out->record_errors == NULL)
		return false;
	out->record_errors_count = v->record_errors_listed;
	for (int32_t i = 0; i < v->record_errors_listed; i++) {
		out->record_errors[i].batch_index = v->record_errors[i].batch_index;
		out->record_errors[i].batch_index_error_message =
			record_error_text(v, &policy, i, &c->arena);
	}
	out->error_message = batch_error_text(v, &policy, &c->arena);
	return true;
}

static bool fill_partition(struct call *c, struct produce_item *it,
                           struct produce_response_partition_response *out)
{
	produce_response_partition_response_init(out);
	out->index = it->partition;
	out->error_code = (int16_t)it->error;
	out->base_offset = it->base_offset;
	out->log_append_time_ms = it->log_append_time;
	out->log_start_offset = it->log_start_offset;
	out->error_message = slice_str(it->message);
	if (c->version >= 10 && it->error == NOT_LEADER_OR_FOLLOWER) {
		out->current_leader.leader_id = it->leader_id;
		out->current_leader.leader_epoch = it->leader_epoch;
	}
	return fill_record_errors(c, it, out);
}

/* The leaders that E(6) answers name. */
static void fill_endpoints(struct call *c, const struct produce_state *s,
                           struct produce_response *out)
{
	struct api_leaders leaders = { 0 };

	for (int32_t i = 0; c->version >= 10 && i < s->count; i++) {
		if (s->items[i].error == NOT_LEADER_OR_FOLLOWER)
			api_leaders_add(c, &leaders, s->items[i].leader_id);
	}
	if (leaders.count > 0)
		API_LEADERS_RESPOND(c, &leaders, out, produce_response_node_endpoint);
}

/*
 * Items of one topic stand together after the sort in flatten only when there were several; topics
 * are found by a scan of what is already out.
 */
static bool fill_response(struct call *c, struct produce_state *s)
{
	struct produce_response *out = c->response;
	struct produce_item **sorted = arena_alloc(&c->arena,
	                                           (size_t)s->count * sizeof(*sorted) + 1);
	struct produce_response_partition_response *parts =
		arena_calloc(&c->arena, (size_t)s->count, sizeof(*parts));

	out->responses = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->responses));
	if (sorted == NULL || parts == NULL || out->responses == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++)
		sorted[i] = &s->items[i];
	if (s->count > 1)
		qsort(sorted, (size_t)s->count, sizeof(*sorted), by_topic_and_partition);
	for (int32_t i = 0; i < s->count; i++) {
		if (i == 0 || !slice_eq(sorted[i]->topic, sorted[i - 1]->topic)) {
			struct produce_response_response *t =
				&out->responses[out->responses_count++];

			t->name = sorted[i]->topic;
			t->partition_responses = &parts[i];
		}
		if (!fill_partition(c, sorted[i], &parts[i]))
			return false;
		out->responses[out->responses_count - 1].partition_responses_count++;
	}
	fill_endpoints(c, s, out);
	return true;
}

static void tell_counters(struct call *c, const struct produce_state *s)
{
	uint64_t failed = 0, records = 0, bytes = 0;

	for (int32_t i = 0; i < s->count; i++) {
		const struct produce_item *it = &s->items[i];

		failed += it->error != NONE;
		if (it->error == NONE && it->verdict != NULL && !it->append.append.is_duplicate) {
			records += (uint64_t)it->verdict->record_count;
			bytes += it->verdict->batch_bytes;
		}
	}
	call_count(c, NET_PRODUCE_REQUESTS, (uint64_t)s->count);
	call_count(c, NET_PRODUCE_FAILED, failed);
	call_count(c, NET_MESSAGES_IN, records);
	call_count(c, NET_BYTES_IN, bytes);
}

static void produce_end(struct call *c)
{
	struct produce_state *s = c->state;
	bool failed = false;

	if (s == NULL)
		return;
	tell_counters(c, s);
	if (!c->wants_no_response && !c->wants_close && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; i < s->count; i++) {
		failed |= s->items[i].error != NONE;
		strbuf_fini(&s->items[i].rebuilt);
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
	if (c->wants_no_response && failed)
		c->wants_close = true;
}

API_CODEC(produce)

const struct api_row produce_row = {
	.key = 0, .version_min = 0, .version_max = 11, .serve_min = 3, .name = "Produce",
	.operation = ACL_WRITE, .resource = ACL_TOPIC, .overlaps_itself = true,
	API_CODEC_FIELDS(produce),
	.begin = produce_begin, .on_answer = produce_on_answer, .end = produce_end,
};
