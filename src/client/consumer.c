/*
 * Handing out records. One partition is read at a time, a chunk to its end, because a compressed batch occupies the one
 * decompressor; then the next partition in the round gets its turn.
 */
#include "client/consumer_priv.h"

#include <stdlib.h>

#include "record/build.h"

void consumer_create(struct consumer **out, struct client *c, const struct consumer_spec *spec)
{
	struct consumer *s = mem_calloc(1, sizeof(*s));

	s->client = c;
	s->spec = *spec;
	if (spec->rack != NULL)
		s->spec.rack = mem_strdup(spec->rack);
	s->stream = decompressor_create();
	list_init(&s->partitions);
	list_init(&s->calls);
	s->user.on_turn = consumer_turn;
	client_user_add(c, &s->user);
	*out = s;
}

static void destroy_chunk(struct consumer *s, struct consumer_chunk *chunk)
{
	s->has_room = true;
	list_remove(&chunk->link);
	consumer_unref(s, chunk->source);
	free(chunk->aborting);
	free(chunk);
}

static void end_batch(struct consumer_partition *p)
{
	if (!p->has_iter)
		return;
	record_iter_fini(&p->iter);
	p->has_iter = false;
}

void consumer_drop(struct consumer_partition *p)
{
	end_batch(p);
	while (!list_empty(&p->chunks)) {
		destroy_chunk(p->consumer, LIST_ENTRY(p->chunks.next, struct consumer_chunk, link));
	}
	if (p->consumer->reading == p)
		p->consumer->reading = NULL;
}

void consumer_destroy(struct consumer **sp)
{
	struct consumer *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	client_user_remove(s->client, &s->user);
	consumer_cancel_calls(s);
	LIST_FOREACH(e, &s->partitions) {
		struct consumer_partition *p = LIST_ENTRY(e, struct consumer_partition, link);
		consumer_drop(p);
		list_remove(&p->link);
		free(p);
	}
	decompressor_destroy(&s->stream);
	free((char *)s->spec.rack);
	free(s);
}

/* ---- which partitions, and where ---- */

static struct consumer_partition *find(const struct consumer *s, const char *topic, int32_t partition)
{
	LIST_FOREACH(e, &s->partitions) {
		struct consumer_partition *p = LIST_ENTRY(e, struct consumer_partition, link);
		if (p->number == partition && strcmp(p->topic->name, topic) == 0)
			return p;
	}
	return NULL;
}

/* From here on as if it had just been assigned. */
static void begin_at(struct consumer_partition *p, int64_t start, bool is_time)
{
	consumer_forget(p);
	consumer_drop(p);
	p->state = start >= 0 && !is_time ? CONSUMER_READING : CONSUMER_SEEKING;
	p->start = start;
	p->is_start_time = is_time;
	p->position = p->fetch_position = p->state == CONSUMER_READING ? start : -1;
	p->position_epoch = p->fetch_epoch = p->read_from = -1;
	p->high_watermark = -1;
	p->is_at_end = p->end_is_told = p->trouble_is_told = false;
	p->error = p->notice = CLIENT_ERROR_NONE;
	p->retry_at = 0;
	p->failures = 0;
}

static void assign(struct consumer *s, const char *topic, int32_t partition, int64_t start, bool is_time)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p == NULL) {
		p = mem_calloc(1, sizeof(*p));
		p->consumer = s;
		p->topic = client_topic(s->client, slice_str(topic));
		p->number = partition;
		list_init(&p->chunks);
		list_push_back(&s->partitions, &p->link);
	}
	begin_at(p, start, is_time);
}

void consumer_assign(struct consumer *s, const char *topic, int32_t partition, int64_t start)
{
	assign(s, topic, partition, start, false);
}

void consumer_assign_time(struct consumer *s, const char *topic, int32_t partition, time_ms start)
{
	assign(s, topic, partition, start, true);
}

bool consumer_seek(struct consumer *s, const char *topic, int32_t partition, int64_t start)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p != NULL)
		begin_at(p, start, false);
	return p != NULL;
}

bool consumer_seek_time(struct consumer *s, const char *topic, int32_t partition, time_ms start)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p != NULL)
		begin_at(p, start, true);
	return p != NULL;
}

bool consumer_set_epoch(struct consumer *s, const char *topic, int32_t partition, int32_t leader_epoch)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p != NULL)
		p->position_epoch = p->fetch_epoch = leader_epoch;
	return p != NULL;
}

bool consumer_fail(struct consumer *s, const char *topic, int32_t partition, const struct client_error *error)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p == NULL)
		return false;
	consumer_forget(p);
	consumer_drop(p);
	p->state = CONSUMER_STOPPED;
	p->error = *error;
	p->trouble_is_told = false;
	return true;
}

bool consumer_unassign(struct consumer *s, const char *topic, int32_t partition)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p == NULL)
		return false;
	consumer_forget(p);
	consumer_drop(p);
	list_remove(&p->link);
	free(p);
	return true;
}

bool consumer_pause(struct consumer *s, const char *topic, int32_t partition, bool is_paused)
{
	struct consumer_partition *p = find(s, topic, partition);

	if (p == NULL)
		return false;
	p->is_paused = is_paused;
	if (is_paused && s->reading == p) {	/* the decompressor is for the others: the batch is begun again, and what was handed out of it left out */
		struct consumer_chunk *chunk = LIST_ENTRY(p->chunks.next, struct consumer_chunk, link);

		if (p->has_iter)
			chunk->rest = slice_of(p->batch, chunk->rest.len + (size_t)(chunk->rest.ptr - p->batch));
		end_batch(p);
		s->reading = NULL;
	}
	return true;
}

static void fill_position(const struct consumer_partition *p, struct consumer_position *out)
{
	*out = (struct consumer_position){ .topic = p->topic->name, .partition = p->number, .offset = p->position, .leader_epoch = p->position_epoch,
					   .high_watermark = p->high_watermark, .is_paused = p->is_paused };
}

bool consumer_position(struct consumer *s, const char *topic, int32_t partition, struct consumer_position *out)
{
	const struct consumer_partition *p = find(s, topic, partition);

	if (p != NULL)
		fill_position(p, out);
	return p != NULL;
}

bool consumer_next_position(const struct consumer *s, const struct consumer_partition **at, struct consumer_position *out)
{
	const struct list *next = *at == NULL ? s->partitions.next : (*at)->link.next;

	if (next == &s->partitions)
		return false;
	*at = LIST_ENTRY(next, struct consumer_partition, link);
	fill_position(*at, out);
	return true;
}

/* ---- reading ---- */

static void stop(struct consumer_partition *p, enum err err, const char *what)
{
	client_error_set(&p->error, err, "%s/%d: %s at offset %lld", p->topic->name, p->number, what, (long long)p->position);
	p->state = CONSUMER_STOPPED;
	consumer_drop(p);
}

static bool is_aborting(const struct consumer_chunk *chunk, int64_t producer_id)
{
	for (int32_t i = 0; i < chunk->aborting_count; i++) {
		if (chunk->aborting[i] == producer_id)
			return true;
	}
	return false;
}

static void end_abort(struct consumer_chunk *chunk, int64_t producer_id)
{
	for (int32_t i = 0; i < chunk->aborting_count; i++) {
		if (chunk->aborting[i] == producer_id)
			chunk->aborting[i--] = chunk->aborting[--chunk->aborting_count];
	}
}

/* Is the batch of a transaction that was aborted? Batches come in order, and so do the list's transactions: each begins to count when its first batch comes. */
static bool is_aborted(struct consumer_chunk *chunk, const uint8_t *batch)
{
	struct marker marker;

	for (; chunk->aborted_next < chunk->aborted_count && chunk->aborted[chunk->aborted_next].first_offset <= batch_last_offset(batch); chunk->aborted_next++) {
		if (chunk->aborting == NULL)
			chunk->aborting = mem_calloc((size_t)chunk->aborted_count, sizeof(*chunk->aborting));
		chunk->aborting[chunk->aborting_count++] = chunk->aborted[chunk->aborted_next].producer_id;
	}
	if (batch_is_control(batch) && marker_read(slice_of(batch, batch_size(batch)), &marker) == OK && marker.type == MARKER_ABORT)
		end_abort(chunk, batch_producer_id(batch));
	return batch_is_transactional(batch) && !batch_is_control(batch) && is_aborting(chunk, batch_producer_id(batch));
}

/* Begins the chunk's next batch that has something for us. False: none is left, or the partition has failed. */
static bool begin_batch(struct consumer_partition *p, struct consumer_chunk *chunk)
{
	struct slice batch;

	for (;;) {
		enum err e = batch_next(&chunk->rest, &batch);
		if (e == ERR_INCOMPLETE)	/* the end, or a batch that was cut off by the size of the answer */
			return false;
		if (e == ERR_UNSUPPORTED)
			stop(p, e, "records of a format older than Kafka 0.11");
		else if (e != OK || !consumer_can_place(batch.ptr) || (!p->consumer->spec.trusts_crc && !batch_check_crc(batch)))
			stop(p, ERR_CORRUPT, "damaged batch");
		if (p->state == CONSUMER_STOPPED)
			return false;
		if (batch_last_offset(batch.ptr) < p->position)
			continue;
		if (is_aborted(chunk, batch.ptr) || (batch_is_control(batch.ptr) && !p->consumer->spec.wants_control)) {
			p->position = batch_last_offset(batch.ptr) + 1;
			continue;
		}
		p->batch = batch.ptr;
		p->batch_epoch = batch_leader_epoch(batch.ptr);
		p->is_append_time = batch_is_log_append_time(batch.ptr);
		record_iter_init(&p->iter, batch, p->consumer->stream, p->consumer->spec.batch_bytes_max);
		p->has_iter = true;
		return true;
	}
}

static bool next_record(struct consumer_partition *p, struct record *r)
{
	while (p->state == CONSUMER_READING && !list_empty(&p->chunks)) {
		struct consumer_chunk *chunk = LIST_ENTRY(p->chunks.next, struct consumer_chunk, link);
		if (!p->has_iter && !begin_batch(p, chunk)) {
			if (p->state == CONSUMER_READING) {
				p->position = MAX(p->position, chunk->end);
				destroy_chunk(p->consumer, chunk);
			}
			p->consumer->reading = NULL;	/* the others' turn */
			return false;
		}
		p->consumer->reading = p;
		while (record_iter_next(&p->iter, r)) {
			if (r->offset < p->position)
				continue;
			p->position = r->offset + 1;
			p->position_epoch = p->batch_epoch;
			return true;
		}
		if (p->iter.err != OK)
			stop(p, p->iter.err, err_text(p->iter.err));
		else
			end_batch(p);
	}
	return false;
}

static bool has_news(const struct consumer_partition *p)
{
	return (p->error.err != OK && !p->trouble_is_told) || p->notice.err != OK;
}

static bool take_event(struct consumer_partition *p, struct consumer_event *out)
{
	*out = (struct consumer_event){ .topic = p->topic->name, .partition = p->number, .offset = p->position, .leader_epoch = -1 };
	if (next_record(p, &out->record)) {
		out->kind = CONSUMER_RECORD;
		out->offset = out->record.offset;
		out->leader_epoch = p->batch_epoch;
		out->is_append_time = p->is_append_time;
		out->is_control = batch_is_control(p->batch);
		out->producer_id = batch_producer_id(p->batch);
		out->producer_epoch = batch_producer_epoch(p->batch);
		p->end_is_told = false;
		return true;
	}
	out->offset = p->position;
	if (p->notice.err != OK) {
		p->error = p->notice;
		p->notice = CLIENT_ERROR_NONE;
		p->trouble_is_told = true;
		out->kind = CONSUMER_TROUBLE;
		out->error = &p->error;
		return true;
	}
	if (has_news(p)) {
		out->kind = p->state == CONSUMER_STOPPED ? CONSUMER_FAILED : CONSUMER_TROUBLE;
		out->error = &p->error;
		p->trouble_is_told = true;
		return true;
	}
	if (p->is_at_end && !p->end_is_told && list_empty(&p->chunks)) {
		out->kind = CONSUMER_END;
		p->end_is_told = true;
		return true;
	}
	return false;
}

bool consumer_next(struct consumer *s, struct consumer_event *out)
{
	if (s->reading != NULL && take_event(s->reading, out))
		return true;
	LIST_FOREACH(e, &s->partitions) {
		struct consumer_partition *p = LIST_ENTRY(e, struct consumer_partition, link);
		if (p->is_paused || (list_empty(&p->chunks) && !has_news(p) && (!p->is_at_end || p->end_is_told)))
			continue;
		list_remove(&p->link);
		list_push_back(&s->partitions, &p->link);
		if (take_event(p, out))
			return true;
	}
	return false;
}

bool consumer_has_room(struct consumer *s)
{
	bool has_room = s->has_room;

	s->has_room = false;
	return has_room;
}
