/*
 * Asking brokers: where a partition begins (ListOffsets), and what it holds (Fetch). Per broker one Fetch at a time, for all
 * partitions it leads that have room; so a slow partition costs the others of its broker at most fetch_wait_ms.
 *
 * Fetch sessions are not used: they save bytes when a consumer reads many partitions, at the price of state on both sides.
 */
#include "client/consumer_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"

#define CHUNKS_MAX      2
#define PARTITIONS_MAX  1000		/* of one call */
#define READ_FROM_MS    300000		/* so long a replica is read from before the leader is asked again */

/* ---- trouble ---- */

static void trouble(struct consumer_partition *p, const struct client_error *error)
{
	struct client *c = p->consumer->client;

	p->error = *error;
	p->read_from = -1;
	p->retry_at = os_mono_ms(client_os(c)) + client_backoff(c, 100, 1000, ++p->failures);
	if (!client_error_is_retriable(error)) {
		p->state = CONSUMER_STOPPED;
		p->trouble_is_told = false;
	} else if (p->failures == 1) {
		p->trouble_is_told = true;	/* leaders move; only what lasts is worth telling */
	} else if (p->failures == 5) {
		p->trouble_is_told = false;
	}
	client_topic_refresh(c);
}

/* Reading goes on somewhere else, which is told: start is an offset, or the wish for one. */
static void jump(struct consumer_partition *p, int64_t start, const char *why)
{
	char to[32];

	snprintf(to, sizeof(to), start == CONSUMER_EARLIEST ? "the first one there is" : start == CONSUMER_LATEST ? "the end" : "%lld", (long long)start);
	client_error_set(&p->notice, ERR_OUT_OF_RANGE, "%s/%d: offset %lld %s; reading goes on from %s", p->topic->name, p->number, (long long)p->fetch_position, why, to);
	consumer_drop(p);
	p->state = start >= 0 ? CONSUMER_READING : CONSUMER_SEEKING;
	p->start = start;
	p->is_start_time = false;
	p->position = p->fetch_position = start >= 0 ? start : -1;
	p->position_epoch = p->fetch_epoch = -1;
	p->is_at_end = p->end_is_told = false;
	p->error = CLIENT_ERROR_NONE;
	p->retry_at = 0;
}

/* What is here was good: it is handed out first, and then the question is asked again. */
static void ask_later(struct consumer_partition *p)
{
	p->retry_at = os_mono_ms(client_os(p->consumer->client)) + 100;
}

static void trouble_kafka(struct consumer_partition *p, int16_t code)
{
	struct client_error error;
	char subject[300];
	int64_t reset = p->consumer->spec.reset;

	if (code == OFFSET_OUT_OF_RANGE && p->read_from >= 0) {		/* the replica may lag, or be ahead; the leader knows */
		p->read_from = -1;
		return;
	}
	if (code == OFFSET_OUT_OF_RANGE && reset != 0 && p->state == CONSUMER_READING) {
		if (list_empty(&p->chunks))
			jump(p, reset, "is not there");
		else
			ask_later(p);
		return;
	}

	if (code == OFFSET_OUT_OF_RANGE)
		snprintf(subject, sizeof(subject), "%s/%d: offset %lld", p->topic->name, p->number,
			 (long long)p->fetch_position);
	else
		snprintf(subject, sizeof(subject), "%s/%d", p->topic->name, p->number);
	client_error_set_kafka(&error, code, subject, SLICE_NULL);
	trouble(p, &error);
}

/* The leader's log is not the one that was read from: its own history of that epoch ends at end. */
static void diverged(struct consumer_partition *p, int64_t end)
{
	struct client_error error;

	if (!list_empty(&p->chunks)) {
		ask_later(p);
		return;
	}
	if (p->consumer->spec.reset != 0) {
		jump(p, MAX(end, 0), "is behind a place where the leader's log was cut off");
		return;
	}
	client_error_set(&error, ERR_OUT_OF_RANGE, "%s/%d: the leader's log was cut off at offset %lld, and we have read up to %lld: what lies between is not there any "
			 "more", p->topic->name, p->number, (long long)end, (long long)p->fetch_position);
	trouble(p, &error);
}

static void healthy(struct consumer_partition *p)
{
	p->failures = 0;
	p->error = CLIENT_ERROR_NONE;
	p->trouble_is_told = false;
}

/* ---- calls for many partitions ---- */

static struct consumer_call *begin_call(struct consumer *s, enum api_key key, void (*on_done)(struct client_call *),
					struct consumer_partition *const *partitions, int32_t count)
{
	struct consumer_call *q = mem_calloc(1, sizeof(*q));

	q->consumer = s;
	q->call = client_call_create(s->client, key, on_done, q);
	q->count = count;
	q->partitions = arena_alloc(&q->call->arena, (size_t)count * sizeof(*q->partitions));
	ASSERT(q->partitions != NULL);
	memcpy(q->partitions, partitions, (size_t)count * sizeof(*q->partitions));
	for (int32_t i = 0; i < count; i++)
		partitions[i]->is_asked = true;
	list_push_back(&s->calls, &q->link);
	return q;
}

/* The partition of this answer, which can be taken once. */
static struct consumer_partition *take_partition(struct consumer_call *q, struct slice topic, int32_t number)
{
	for (int32_t i = 0; i < q->count; i++) {
		struct consumer_partition *p = q->partitions[i];
		if (p != NULL && p->number == number && slice_eq_str(topic, p->topic->name)) {
			q->partitions[i] = NULL;
			p->is_asked = false;
			return p;
		}
	}
	return NULL;
}

/* Those the answer did not mention; and the call is over. Its answer stays with the caller. */
static void end_call(struct consumer_call *q)
{
	struct client_error error = q->call->error;

	if (error.err == OK)
		client_error_set(&error, ERR_CLOSED, "the broker's answer leaves out a partition");
	for (int32_t i = 0; i < q->count; i++) {
		if (q->partitions[i] == NULL)
			continue;
		q->partitions[i]->is_asked = false;
		trouble(q->partitions[i], &error);
	}
	list_remove(&q->link);
	free(q);
}

void consumer_forget(struct consumer_partition *p)
{
	LIST_FOREACH(e, &p->consumer->calls) {
		struct consumer_call *q = LIST_ENTRY(e, struct consumer_call, link);
		for (int32_t i = 0; i < q->count; i++) {
			if (q->partitions[i] == p)
				q->partitions[i] = NULL;
		}
	}
	p->is_asked = false;
}

void consumer_cancel_calls(struct consumer *s)
{
	LIST_FOREACH(e, &s->calls) {
		struct consumer_call *q = LIST_ENTRY(e, struct consumer_call, link);
		client_call_destroy(&q->call);
		list_remove(&q->link);
		free(q);
	}
}

/* ---- ListOffsets ---- */

static void offset_found(struct consumer_partition *p, const struct list_offsets_response_partition *r)
{
	if (r->error_code != NONE) {
		trouble_kafka(p, r->error_code);
		return;
	}
	healthy(p);
	if (r->offset < 0) {		/* no record is so late: from the end, then */
		p->is_start_time = false;
		p->start = CONSUMER_LATEST;
		return;
	}
	p->position = p->fetch_position = r->offset;
	p->state = CONSUMER_READING;
}

static void on_offsets(struct client_call *call)
{
	struct consumer_call *q = call->owner;
	const struct list_offsets_response *r = call->response;

	for (int32_t i = 0; r != NULL && i < r->topics_count; i++)
		for (int32_t j = 0; j < r->topics[i].partitions_count; j++) {
			const struct list_offsets_response_partition *m = &r->topics[i].partitions[j];
			struct consumer_partition *p = take_partition(q, r->topics[i].name, m->partition_index);
			if (p != NULL)
				offset_found(p, m);
		}
	end_call(q);
	client_call_destroy(&call);
}

/* Requests name a topic as often as partitions of it follow one another; brokers read that like any other nesting. */
static void ask_offsets(struct consumer *s, int32_t leader, struct consumer_partition *const *partitions, int32_t count)
{
	struct consumer_call *q = begin_call(s, API_LIST_OFFSETS, on_offsets, partitions, count);
	struct list_offsets_request *m = q->call->request;
	struct list_offsets_request_partition *parts = arena_calloc(&q->call->arena, (size_t)count, sizeof(*parts));
	const struct client_topic *topic = NULL;

	m->replica_id = -1;
	m->isolation_level = s->spec.is_read_committed;
	m->topics = arena_calloc(&q->call->arena, (size_t)count, sizeof(*m->topics));
	ASSERT(parts != NULL && m->topics != NULL);
	for (int32_t i = 0; i < count; i++) {
		struct consumer_partition *p = partitions[i];
		if (p->topic != topic) {
			topic = p->topic;
			m->topics[m->topics_count++] = (struct list_offsets_request_topic){
				.name = slice_str(topic->name), .partitions = &parts[i] };
		}
		m->topics[m->topics_count - 1].partitions_count++;
		list_offsets_request_partition_init(&parts[i]);
		parts[i].partition_index = p->number;
		parts[i].timestamp = p->start;
	}
	client_call_send(q->call, leader, 0);
}

/* ---- Fetch ---- */

/* Behind the last whole batch; fetch_position when there is none. */
static int64_t end_of(struct consumer_partition *p, struct slice rest)
{
	struct slice batch;
	int64_t end = p->fetch_position;

	while (batch_next(&rest, &batch) == OK && consumer_can_place(batch.ptr)) {
		end = MAX(end, batch_last_offset(batch.ptr) + 1);
		p->fetch_epoch = batch_leader_epoch(batch.ptr);
	}
	return end;
}

static void partition_fetched(struct consumer_partition *p, const struct fetch_response_partition *r, struct fetched *source, mono_ms now)
{
	struct consumer *s = p->consumer;
	struct consumer_chunk *chunk;
	int64_t end = s->spec.is_read_committed ? r->last_stable_offset : r->high_watermark;

	if (r->error_code != NONE) {
		trouble_kafka(p, r->error_code);
		return;
	}
	if (r->diverging_epoch.end_offset >= 0 && p->fetch_epoch >= 0) {
		diverged(p, r->diverging_epoch.end_offset);
		return;
	}
	healthy(p);
	if (r->preferred_read_replica >= 0 && p->read_from < 0) {
		p->read_from = r->preferred_read_replica;
		p->read_from_until = now + READ_FROM_MS;
	}
	p->high_watermark = r->high_watermark;
	p->is_at_end = r->records.len == 0 && p->fetch_position >= end;
	if (r->records.len == 0)
		return;
	chunk = mem_calloc(1, sizeof(*chunk));
	chunk->source = source;
	source->refs++;
	source->bytes += r->records.len;
	s->unread_bytes += r->records.len;
	if (s->spec.is_read_committed) {
		chunk->aborted = r->aborted_transactions;
		chunk->aborted_count = MAX(r->aborted_transactions_count, 0);
	}
	chunk->rest = slice_of(r->records.ptr, r->records.len);
	chunk->end = end_of(p, chunk->rest);
	p->fetch_position = chunk->end;
	p->is_at_end = chunk->end >= end;
	list_push_back(&p->chunks, &chunk->link);
}

void consumer_unref(struct consumer *s, struct fetched *source)
{
	if (--source->refs > 0)
		return;
	s->unread_bytes -= source->bytes;
	client_call_destroy(&source->call);
	free(source);
}

static void on_fetched(struct client_call *call)
{
	struct consumer_call *q = call->owner;
	const struct fetch_response *r = call->response;
	struct fetched *source = mem_calloc(1, sizeof(*source));
	struct consumer *s = q->consumer;
	mono_ms now = os_mono_ms(client_os(s->client));

	source->call = call;
	source->refs = 1;
	for (int32_t i = 0; r != NULL && i < r->responses_count; i++)
		for (int32_t j = 0; j < r->responses[i].partitions_count; j++) {
			const struct fetch_response_partition *m = &r->responses[i].partitions[j];
			struct consumer_partition *p = take_partition(q, r->responses[i].topic, m->partition_index);
			if (p != NULL)
				partition_fetched(p, m, source, now);
		}
	end_call(q);
	consumer_unref(s, source);
}

static void ask_records(struct consumer *s, int32_t leader, struct consumer_partition *const *partitions, int32_t count)
{
	struct consumer_call *q = begin_call(s, API_FETCH, on_fetched, partitions, count);
	struct fetch_request *m = q->call->request;
	struct fetch_request_partition *parts = arena_calloc(&q->call->arena, (size_t)count, sizeof(*parts));
	const struct client_topic *topic = NULL;

	m->max_wait_ms = s->spec.fetch_wait_ms;
	m->min_bytes = s->spec.fetch_bytes_min;
	m->max_bytes = s->spec.fetch_bytes_max;
	m->isolation_level = s->spec.is_read_committed;
	m->rack_id = s->spec.rack != NULL ? slice_str(s->spec.rack) : SLICE_EMPTY;
	q->call->line = LINE_FETCH;
	m->topics = arena_calloc(&q->call->arena, (size_t)count, sizeof(*m->topics));
	ASSERT(parts != NULL && m->topics != NULL);
	for (int32_t i = 0; i < count; i++) {
		struct consumer_partition *p = partitions[i];
		if (p->topic != topic) {
			topic = p->topic;
			m->topics[m->topics_count++] = (struct fetch_request_topic){
				.topic = slice_str(topic->name), .partitions = &parts[i] };
		}
		m->topics[m->topics_count - 1].partitions_count++;
		fetch_request_partition_init(&parts[i]);
		parts[i].partition = p->number;
		parts[i].current_leader_epoch = topic->partitions[p->number].leader_epoch;
		parts[i].fetch_offset = p->fetch_position;
		parts[i].last_fetched_epoch = p->fetch_epoch;
		parts[i].partition_max_bytes = s->spec.partition_bytes_max;
	}
	client_call_send(q->call, leader, 0);
}

/* ---- the turn ---- */

static int chunk_count(const struct consumer_partition *p)
{
	int n = 0;

	LIST_FOREACH(e, &p->chunks)
		n++;
	return n;
}

/* The broker to ask about the partition now; -1: nothing to ask, or nobody. */
static int32_t broker_to_ask(struct consumer_partition *p, mono_ms now, mono_ms *next)
{
	int32_t leader;

	if (p->state == CONSUMER_STOPPED || p->is_paused || p->is_asked || chunk_count(p) >= CHUNKS_MAX)
		return -1;
	if (p->retry_at > now) {
		*next = MIN(*next, p->retry_at);
		return -1;
	}
	if (!p->topic->is_known)
		return -1;
	if (p->topic->error != NONE) {
		trouble_kafka(p, p->topic->error);
		return -1;
	}
	if (p->number >= p->topic->partition_count) {
		trouble_kafka(p, UNKNOWN_TOPIC_OR_PARTITION);
		return -1;
	}
	leader = p->topic->partitions[p->number].leader;
	if (leader < 0)
		trouble_kafka(p, LEADER_NOT_AVAILABLE);
	if (p->read_from >= 0 && now >= p->read_from_until)
		p->read_from = -1;
	return p->read_from >= 0 && leader >= 0 && p->state == CONSUMER_READING ? p->read_from : leader;
}

static bool is_asking(const struct consumer *s, int32_t leader, int key)
{
	LIST_FOREACH(e, &s->calls) {
		const struct client_call *call = LIST_ENTRY(e, struct consumer_call, link)->call;
		if (call->node_id == leader && call->api == client_call_api(key))
			return true;
	}
	return false;
}

/* One call for all partitions in this state that this broker leads. */
static void ask(struct consumer *s, int32_t leader, enum consumer_state state, mono_ms now, mono_ms *next)
{
	struct consumer_partition *partitions[PARTITIONS_MAX];
	int32_t count = 0;

	if (is_asking(s, leader, state == CONSUMER_SEEKING ? API_LIST_OFFSETS : API_FETCH))
		return;
	if (state == CONSUMER_READING && s->unread_bytes >= s->spec.fetch_bytes_max)
		return;		/* until the reader has caught up */
	LIST_FOREACH(e, &s->partitions) {
		struct consumer_partition *p = LIST_ENTRY(e, struct consumer_partition, link);
		if (p->state == state && count < PARTITIONS_MAX && broker_to_ask(p, now, next) == leader)
			partitions[count++] = p;
	}
	if (count > 0 && state == CONSUMER_SEEKING)
		ask_offsets(s, leader, partitions, count);
	else if (count > 0)
		ask_records(s, leader, partitions, count);
}

mono_ms consumer_turn(struct client_user *u, mono_ms now)
{
	struct consumer *s = CONTAINER_OF(u, struct consumer, user);
	mono_ms next = MONO_NEVER;

	LIST_FOREACH(e, &s->partitions) {
		struct consumer_partition *p = LIST_ENTRY(e, struct consumer_partition, link);
		int32_t leader = broker_to_ask(p, now, &next);
		if (leader >= 0)
			ask(s, leader, p->state, now, &next);
	}
	return next;
}
