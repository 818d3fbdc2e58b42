/*
 * Sending batches: who is ready, which broker, what the answer means.
 *
 * Order under retries. The batches of a partition carry consecutive sequence numbers and are sent in that order, several at
 * once. When one comes back to be sent again, the broker refuses those behind it (OUT_OF_ORDER_SEQUENCE_NUMBER), so they
 * come back too, and go out again in order. A broker that appended a batch whose answer got lost recognises it by its
 * sequence and answers with the old offset. It remembers five batches, so nothing goes out behind a batch that is tried again:
 * at most four can have been appended behind it, however often it is tried. Without sequences only one batch of a partition
 * is under way at a time, which keeps the order as well. A broker that knows nothing of a producer takes any first sequence
 * from it, so nothing goes out behind the first batch of a partition until one has been taken: were it refused, those behind it would not be.
 *
 * A sequence lost for good: a batch that failed finally leaves a gap, and nothing behind it would be accepted. Then nothing
 * new is sent until all that is under way has come back, a new producer id is taken, and the rest is numbered anew.
 * A batch that may have been appended under the old id would be appended again under the new one: it fails instead, and its
 * error says that nobody knows.
 */
#include "client/producer_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"

struct producer_request {
	struct list             link;		/* of the producer */
	struct producer        *producer;
	struct client_call     *call;
	int32_t                 batch_count;
	struct producer_batch **batches;	/* in the call's arena, in the order of the request */
};

/* ---- the producer id ---- */

static void restart_sequences(struct producer *p)
{
	struct client_error lost;

	MAP_FOREACH(e, &p->topics) {
		struct producer_topic *t = e->value;
		for (int32_t i = 0; i < t->partition_count; i++) {
			if (t->partitions[i] == NULL)
				continue;
			t->partitions[i]->next_sequence = 0;
			t->partitions[i]->is_begun = false;
			LIST_FOREACH(link, &t->partitions[i]->batches) {
				struct producer_batch *b = LIST_ENTRY(link, struct producer_batch, link);
				b->base_sequence = NO_SEQUENCE;
				if (!b->maybe_written)
					continue;
				ASSERT(b->error.err != OK);	/* or it would be told as delivered */
				client_error_set(&lost, b->error.err, "%.200s; it may have been written", b->error.text);
				producer_batch_finish(p, b, -1, -1, &lost);
			}
		}
	}
}

static void on_id(struct client_call *call)
{
	struct producer *p = call->owner;
	const struct init_producer_id_response *r = call->response;
	struct client_error error = call->error;

	p->id_call = NULL;
	p->id_state = ID_NONE;
	if (error.err == OK && r->error_code != NONE)
		client_error_set_kafka(&error, r->error_code, "a producer id", SLICE_NULL);
	if (error.err == OK) {
		p->producer_id = r->producer_id;
		p->producer_epoch = r->producer_epoch;
		p->id_state = ID_READY;
		p->id_failures = 0;
	} else if (client_error_is_retriable(&error)) {
		p->id_retry_at = os_mono_ms(client_os(p->client)) + client_backoff(p->client, 100, 1000, ++p->id_failures);
	} else {
		p->fatal = error;
	}
	client_call_destroy(&call);
}

/* Is there an id to send with? If not, it is asked for. */
static bool has_id(struct producer *p, mono_ms now, mono_ms *next)
{
	struct init_producer_id_request *q;

	if (!p->spec.is_idempotent || (p->id_state == ID_READY && !p->needs_new_id))
		return true;
	if (p->needs_new_id && p->in_flight > 0)
		return false;
	if (p->needs_new_id) {
		p->needs_new_id = false;
		p->id_state = ID_NONE;
		restart_sequences(p);
	}
	if (p->id_state == ID_ASKED || p->fatal.err != OK)
		return false;
	if (p->id_retry_at > now) {
		*next = MIN(*next, p->id_retry_at);
		return false;
	}
	p->id_state = ID_ASKED;
	p->id_call = client_call_create(p->client, API_INIT_PRODUCER_ID, on_id, p);
	q = p->id_call->request;
	q->transactional_id = SLICE_NULL;
	q->transaction_timeout_ms = INT32_MAX;	/* not looked at without a transactional id */
	client_call_send(p->id_call, NODE_ANY, 0);
	return false;
}

/* ---- what comes back ---- */

static void batch_failed(struct producer *p, struct producer_batch *b, const struct client_error *error)
{
	if (p->spec.is_idempotent && b->base_sequence != NO_SEQUENCE)
		p->needs_new_id = true;
	producer_batch_finish(p, b, -1, -1, error);
}

static bool is_first(const struct producer_batch *b)
{
	return b->partition->batches.next == &b->link;
}

/* Answers after which the batch may be in the log all the same. */
static bool leaves_doubt(const struct client_error *error)
{
	return error->kafka == REQUEST_TIMED_OUT || error->kafka == NOT_ENOUGH_REPLICAS_AFTER_APPEND ||
	       error->kafka == UNKNOWN_SERVER_ERROR;
}

static void batch_retry(struct producer *p, struct producer_batch *b, const struct client_error *error, mono_ms now)
{
	/* The other may have failed for good, and will be followed under a new id. */
	bool is_behind_another = error->kafka == OUT_OF_ORDER_SEQUENCE_NUMBER && (!is_first(b) || p->needs_new_id);

	b->error = *error;
	if (!is_behind_another && !client_error_is_retriable(error)) {
		batch_failed(p, b, error);
		return;
	}
	if (!is_behind_another)		/* those behind it go when it goes */
		b->retry_at = now + client_backoff(p->client, 100, 1000, ++b->attempts);
	client_topic_refresh(p->client);
}

/* Its topic takes no batch so large: it is sent in pieces, or told what would have to change for one record. */
static void batch_too_large(struct producer *p, struct producer_batch *b, const struct client_error *error)
{
	bool is_for_segment = error->kafka == RECORD_LIST_TOO_LARGE;
	struct client_error final;

	if (producer_batch_split(p, b))
		return;
	client_error_set(&final, error->err, "%.200s: a batch of one record has %zu bytes, more than the topic's %s", error->text,
			 b->bytes.len, is_for_segment ? "segment.bytes" : "max.message.bytes");
	final.kafka = error->kafka;
	batch_failed(p, b, &final);
}

static void batch_answered(struct producer *p, struct producer_batch *b,
			   const struct produce_response_partition_response *r, mono_ms now)
{
	struct client_error error = CLIENT_ERROR_NONE;
	char subject[300];

	if (r->error_code == NONE || r->error_code == DUPLICATE_SEQUENCE_NUMBER) {
		b->partition->is_begun = true;
		producer_batch_finish(p, b, r->error_code == NONE ? r->base_offset : -1, r->log_append_time_ms, &error);
		return;
	}
	snprintf(subject, sizeof(subject), "%s/%d", b->partition->topic->name, b->partition->number);
	client_error_set_kafka(&error, r->error_code, subject, r->error_message);
	b->maybe_written = b->maybe_written || leaves_doubt(&error);
	if (r->record_errors_count > 0 && !client_error_is_retriable(&error)) {
		b->refusal = r;
		batch_failed(p, b, &error);
	} else if (error.err == ERR_TOO_LARGE) {
		batch_too_large(p, b, &error);
	} else {
		batch_retry(p, b, &error, now);
	}
}

static struct producer_batch *take_batch(struct producer_request *q, struct slice topic, int32_t number)
{
	for (int32_t i = 0; i < q->batch_count; i++) {
		struct producer_batch *b = q->batches[i];
		if (b != NULL && b->partition->number == number && slice_eq_str(topic, b->partition->topic->name)) {
			q->batches[i] = NULL;
			return b;
		}
	}
	return NULL;
}

static void request_answered(struct producer *p, struct producer_request *q, const struct produce_response *r, mono_ms now)
{
	for (int32_t i = 0; i < r->responses_count; i++) {
		const struct produce_response_response *t = &r->responses[i];
		for (int32_t j = 0; j < t->partition_responses_count; j++) {
			struct producer_batch *b = take_batch(q, t->name, t->partition_responses[j].index);
			if (b != NULL)
				batch_answered(p, b, &t->partition_responses[j], now);
		}
	}
}

/* Whatever the answer did not mention: acks 0 says nothing at all, the rest is asked again. */
static void request_unanswered(struct producer *p, struct producer_request *q, mono_ms now)
{
	const struct client_call *call = q->call;
	struct client_error error = call->error;

	if (error.err == OK && !call->is_one_way)
		client_error_set(&error, ERR_CLOSED, "the broker's answer to Produce leaves out a partition");
	for (int32_t i = 0; i < q->batch_count; i++) {
		struct producer_batch *b = q->batches[i];
		if (b == NULL)
			continue;
		b->maybe_written = b->maybe_written || call->maybe_applied || call->error.err == OK;
		if (error.err == OK)
			producer_batch_finish(p, b, -1, -1, &error);
		else
			batch_retry(p, b, &error, now);
	}
}

static void on_produced(struct client_call *call)
{
	struct producer_request *q = call->owner;
	struct producer *p = q->producer;
	mono_ms now = os_mono_ms(client_os(p->client));

	list_remove(&q->link);
	p->in_flight--;
	for (int32_t i = 0; i < q->batch_count; i++) {
		q->batches[i]->state = BATCH_READY;
		q->batches[i]->partition->in_flight--;
	}
	if (call->response != NULL)
		request_answered(p, q, call->response, now);
	request_unanswered(p, q, now);
	client_call_destroy(&call);
	free(q);
}

void producer_cancel_requests(struct producer *p)
{
	LIST_FOREACH(e, &p->requests) {
		struct producer_request *q = LIST_ENTRY(e, struct producer_request, link);
		client_call_destroy(&q->call);
		list_remove(&q->link);
		free(q);
	}
}

/* ---- who goes next ---- */

static bool is_due(const struct producer *p, const struct producer_batch *b, mono_ms now)
{
	return p->is_pushed || b->builder.plain_bytes >= producer_batch_size(p, b->partition) ||
	       b->created_at + p->spec.linger_ms <= now || p->memory > p->spec.buffer_memory / 2;
}

static void expire(struct producer *p, struct producer_batch *b)
{
	struct client_error late;

	client_error_set(&late, ERR_TIMEOUT, "%s/%d: not delivered within %d ms%s%.150s", b->partition->topic->name,
			 b->partition->number, p->spec.delivery_timeout_ms, b->error.err != OK ? "; " : "", b->error.text);
	batch_failed(p, b, &late);
}

/* The partition's next batch that may be sent now, closed; NULL: none. */
static struct producer_batch *next_batch(struct producer *p, struct producer_partition *part, mono_ms now, mono_ms *next)
{
	LIST_FOREACH(e, &part->batches) {
		struct producer_batch *b = LIST_ENTRY(e, struct producer_batch, link);
		mono_ms deadline = b->created_at + p->spec.delivery_timeout_ms;

		if (b->state == BATCH_IN_FLIGHT) {
			if (!p->spec.is_idempotent || !part->is_begun || b->attempts > 0)
				return NULL;
			continue;
		}
		if (deadline <= now) {
			expire(p, b);
			continue;
		}
		*next = MIN(*next, deadline);
		if (b->retry_at > now) {
			*next = MIN(*next, b->retry_at);
			return NULL;
		}
		if (b->state == BATCH_OPEN) {
			if (!is_due(p, b, now)) {
				*next = MIN(*next, b->created_at + p->spec.linger_ms);
				return NULL;
			}
			producer_batch_close(p, b);
		}
		return b;
	}
	return NULL;
}

/* ---- one request ---- */

static void number_batch(struct producer *p, struct producer_batch *b)
{
	uint8_t *header = (uint8_t *)b->bytes.ptr;

	if (!p->spec.is_idempotent || b->base_sequence != NO_SEQUENCE)
		return;
	b->base_sequence = b->partition->next_sequence;
	b->partition->next_sequence = sequence_add(b->base_sequence, b->record_count);
	store_be64(header + BATCH_PRODUCER_ID_POS, (uint64_t)p->producer_id);
	store_be16(header + BATCH_PRODUCER_EPOCH_POS, (uint16_t)p->producer_epoch);
	store_be32(header + BATCH_BASE_SEQUENCE_POS, (uint32_t)b->base_sequence);
	batch_seal(header, b->bytes.len);
}

/* The batches come topic by topic; the request wants them nested. */
static void fill_request(struct producer_request *q, struct produce_request *m)
{
	struct arena *a = &q->call->arena;
	struct producer_topic *topic = NULL;
	struct produce_request_partition_data *parts;
	size_t count = (size_t)q->batch_count;

	m->topic_data = arena_calloc(a, count, sizeof(*m->topic_data));
	parts = arena_calloc(a, count, sizeof(*parts));
	ASSERT(m->topic_data != NULL && parts != NULL);
	m->topic_data_count = 0;
	for (int32_t i = 0; i < q->batch_count; i++) {
		struct producer_batch *b = q->batches[i];
		if (b->partition->topic != topic) {
			topic = b->partition->topic;
			m->topic_data[m->topic_data_count++] = (struct produce_request_topic_data){
				.name = slice_str(topic->name), .partition_data = &parts[i] };
		}
		m->topic_data[m->topic_data_count - 1].partition_data_count++;
		parts[i].index = b->partition->number;
		parts[i].records = (struct wire_records){ .ptr = (uint8_t *)b->bytes.ptr, .len = (uint32_t)b->bytes.len };
	}
}

static void send_request(struct producer *p, int32_t leader, struct producer_batch *const *batches, int32_t count)
{
	struct producer_request *q = mem_calloc(1, sizeof(*q));
	struct produce_request *m;

	q->producer = p;
	q->call = client_call_create(p->client, API_PRODUCE, on_produced, q);
	q->batch_count = count;
	q->batches = arena_alloc(&q->call->arena, (size_t)count * sizeof(*q->batches));
	ASSERT(q->batches != NULL);
	memcpy(q->batches, batches, (size_t)count * sizeof(*q->batches));
	for (int32_t i = 0; i < count; i++) {
		number_batch(p, q->batches[i]);
		q->batches[i]->state = BATCH_IN_FLIGHT;
		q->batches[i]->partition->in_flight++;
	}
	m = q->call->request;
	m->acks = p->spec.acks;
	m->timeout_ms = 30000;
	fill_request(q, m);
	q->call->is_one_way = p->spec.acks == 0;
	p->in_flight++;
	list_push_back(&p->requests, &q->link);
	client_call_send(q->call, leader, 0);
}

#define REQUEST_BATCHES_MAX 512
#define REQUEST_SHARED_BYTES ((size_t)1 << 20)	/* no batch joins others beyond this: a larger one has a request for itself */

/* Fills one request for this leader with at most one batch of each of its partitions. False: nothing to send. */
static bool send_to(struct producer *p, int32_t leader, mono_ms now, mono_ms *next)
{
	struct producer_batch *batches[REQUEST_BATCHES_MAX];
	int32_t count = 0;
	size_t bytes = 0, shared_max = MIN((size_t)p->spec.request_size_max, REQUEST_SHARED_BYTES);

	LIST_FOREACH(e, &p->waiting) {
		struct producer_topic *t = LIST_ENTRY(e, struct producer_topic, waiting_topics);
		LIST_FOREACH(w, &t->waiting) {
			struct producer_partition *part = LIST_ENTRY(w, struct producer_partition, waiting);
			if (part->number >= t->info->partition_count || t->info->partitions[part->number].leader != leader ||
			    count == REQUEST_BATCHES_MAX)
				continue;
			struct producer_batch *b = next_batch(p, part, now, next);
			if (b == NULL || (count > 0 && bytes + b->bytes.len > shared_max))
				continue;
			bytes += b->bytes.len;
			batches[count++] = b;
		}
	}
	if (count > 0)
		send_request(p, leader, batches, count);
	return count > 0;
}

/*
 * Calls send_to once per leader that has partitions here; partitions without one make us look again. Only this takes partitions from the lists of those that have batches: the lists
 * may be walked by somebody else when a batch ends.
 */
static bool send_round(struct producer *p, mono_ms now, mono_ms *next)
{
	int32_t done[64];
	int done_count = 0;
	bool has_sent = false;

	LIST_FOREACH(e, &p->waiting) {
		struct producer_topic *t = LIST_ENTRY(e, struct producer_topic, waiting_topics);
		LIST_FOREACH(w, &t->waiting) {
			struct producer_partition *part = LIST_ENTRY(w, struct producer_partition, waiting);
			bool is_done = done_count == (int)ARRAY_LEN(done);
			if (list_empty(&part->batches)) {
				list_remove(&part->waiting);
				continue;
			}
			if (part->number >= t->info->partition_count)
				continue;
			int32_t leader = t->info->partitions[part->number].leader;
			if (leader < 0) {
				client_topic_refresh(p->client);
				(void)next_batch(p, part, now, next);	/* for its deadline */
				continue;
			}
			for (int k = 0; k < done_count; k++)
				is_done = is_done || done[k] == leader;
			if (is_done)
				continue;
			done[done_count++] = leader;
			if (client_node_load(p->client, leader) < p->spec.in_flight_max)
				has_sent = send_to(p, leader, now, next) || has_sent;
		}
		if (list_empty(&t->waiting))
			list_remove(&t->waiting_topics);
	}
	return has_sent;
}

static void fail_everything(struct producer *p)
{
	LIST_FOREACH(e, &p->waiting) {
		LIST_FOREACH(w, &LIST_ENTRY(e, struct producer_topic, waiting_topics)->waiting) {
			LIST_FOREACH(link, &LIST_ENTRY(w, struct producer_partition, waiting)->batches) {
				struct producer_batch *b = LIST_ENTRY(link, struct producer_batch, link);
				if (b->state != BATCH_IN_FLIGHT)
					producer_batch_finish(p, b, -1, -1, &p->fatal);
			}
		}
	}
}

/* While no id is to be had nothing is sent, but time goes on for what waits. */
static void expire_waiting(struct producer *p, mono_ms now, mono_ms *next)
{
	LIST_FOREACH(e, &p->waiting) {
		LIST_FOREACH(w, &LIST_ENTRY(e, struct producer_topic, waiting_topics)->waiting) {
			LIST_FOREACH(link, &LIST_ENTRY(w, struct producer_partition, waiting)->batches) {
				struct producer_batch *b = LIST_ENTRY(link, struct producer_batch, link);
				mono_ms deadline = b->created_at + p->spec.delivery_timeout_ms;
				if (b->state != BATCH_IN_FLIGHT && deadline <= now)
					expire(p, b);
				else
					*next = MIN(*next, deadline);
			}
		}
	}
}

mono_ms producer_turn(struct client_user *u, mono_ms now)
{
	struct producer *p = CONTAINER_OF(u, struct producer, user);
	mono_ms next = MONO_NEVER;

	if (p->pending == 0) {
		p->is_pushed = false;
		return MONO_NEVER;
	}
	if (p->fatal.err != OK) {
		fail_everything(p);
		return MONO_NEVER;
	}
	if (!has_id(p, now, &next)) {
		expire_waiting(p, now, &next);
		return next;
	}
	while (!p->needs_new_id && send_round(p, now, &next))
		;
	return next;
}
