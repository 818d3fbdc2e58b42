/*
 * Handing out records. One partition is read at a time, a chunk to its end, because a compressed batch occupies the one
 * decompressor; then the next partition in the round gets its turn.
 */
#include "client/consumer_priv.h"

#include <stdlib.h>

void consumer_create(struct consumer **out, struct client *c, const struct consumer_spec *spec)
{
	struct consumer *s = mem_calloc(1, sizeof(*s));

	s->client = c;
	s->spec = *spec;
	s->stream = decompressor_create();
	list_init(&s->partitions);
	list_init(&s->calls);
	s->user.on_turn = consumer_turn;
	client_user_add(c, &s->user);
	*out = s;
}

void consumer_chunk_destroy(struct consumer_chunk **chunkp)
{
	struct consumer_chunk *chunk = *chunkp;

	*chunkp = NULL;
	list_remove(&chunk->link);
	if (--chunk->source->refs == 0) {
		client_call_destroy(&chunk->source->call);
		free(chunk->source);
	}
	free(chunk);
}

static void end_batch(struct consumer_partition *p)
{
	if (!p->has_iter)
		return;
	record_iter_fini(&p->iter);
	p->has_iter = false;
}

static void drop_chunks(struct consumer_partition *p)
{
	end_batch(p);
	while (!list_empty(&p->chunks)) {
		struct consumer_chunk *chunk = LIST_ENTRY(p->chunks.next, struct consumer_chunk, link);
		consumer_chunk_destroy(&chunk);
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
		drop_chunks(p);
		list_remove(&p->link);
		free(p);
	}
	decompressor_destroy(&s->stream);
	free(s);
}

static struct consumer_partition *assign(struct consumer *s, const char *topic, int32_t partition, int64_t start)
{
	struct consumer_partition *p = mem_calloc(1, sizeof(*p));

	p->consumer = s;
	p->topic = client_topic(s->client, slice_str(topic));
	p->number = partition;
	p->start = start;
	p->high_watermark = -1;
	list_init(&p->chunks);
	list_push_back(&s->partitions, &p->link);
	return p;
}

void consumer_assign(struct consumer *s, const char *topic, int32_t partition, int64_t start)
{
	struct consumer_partition *p = assign(s, topic, partition, start);

	if (start >= 0) {
		p->state = CONSUMER_READING;
		p->position = p->fetch_position = start;
	}
}

void consumer_assign_time(struct consumer *s, const char *topic, int32_t partition, time_ms start)
{
	assign(s, topic, partition, start)->is_start_time = true;
}

/* ---- reading ---- */

static void stop(struct consumer_partition *p, enum err err, const char *what)
{
	client_error_set(&p->error, err, "%s/%d: %s at offset %lld", p->topic->name, p->number, what, (long long)p->position);
	p->state = CONSUMER_STOPPED;
	drop_chunks(p);
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
		else if (e != OK || !batch_check_crc(batch))
			stop(p, ERR_CORRUPT, "damaged batch");
		if (p->state == CONSUMER_STOPPED)
			return false;
		if (batch_last_offset(batch.ptr) < p->position)
			continue;
		if (batch_is_control(batch.ptr)) {	/* transaction markers are nobody's records */
			p->position = batch_last_offset(batch.ptr) + 1;
			continue;
		}
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
				consumer_chunk_destroy(&chunk);
			}
			p->consumer->reading = NULL;	/* the others' turn */
			return false;
		}
		p->consumer->reading = p;
		while (record_iter_next(&p->iter, r)) {
			if (r->offset < p->position)
				continue;
			p->position = r->offset + 1;
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
	return p->error.err != OK && !p->trouble_is_told;
}

static bool take_event(struct consumer_partition *p, struct consumer_event *out)
{
	*out = (struct consumer_event){ .topic = p->topic->name, .partition = p->number, .offset = p->position };
	if (next_record(p, &out->record)) {
		out->kind = CONSUMER_RECORD;
		out->offset = out->record.offset;
		out->is_append_time = p->is_append_time;
		p->end_is_told = false;
		return true;
	}
	out->offset = p->position;
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
		if (list_empty(&p->chunks) && !has_news(p) && (!p->is_at_end || p->end_is_told))
			continue;
		list_remove(&p->link);
		list_push_back(&s->partitions, &p->link);
		if (take_event(p, out))
			return true;
	}
	return false;
}
