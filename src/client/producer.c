/*
 * Accepting records: which partition, which batch; and telling what became of them.
 *
 * An open batch holds its records as they will lie in it, uncompressed; it is compressed when it is closed, by the one
 * compressor that all batches share. So a producer with a thousand open batches does not need a thousand compressors, at
 * the price that batch_size counts bytes before compression.
 */
#include "client/producer_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/murmur2.h"
#include "wire/gen/produce.h"

static bool is_spec_valid(const struct producer_spec *s, struct client_error *error)
{
	const char *what = NULL;

	if (s->acks < -1 || s->acks > 1)
		what = "acks must be 0, 1 or all";
	else if (s->is_idempotent && s->acks != PRODUCER_ACKS_ALL)
		what = "idempotence needs acks=all";
	else if (s->is_idempotent && (s->in_flight_max < 1 || s->in_flight_max > 5))
		what = "idempotence allows 1 to 5 requests in flight: the broker remembers the last five batches";
	else if (s->in_flight_max < 1 || s->batch_size < 0 || s->linger_ms < 0 || s->delivery_timeout_ms < 1)
		what = "negative sizes or times";
	else if (s->codec < CODEC_NONE || s->codec >= CODEC_COUNT)
		what = "unknown codec";
	else if (s->request_size_max < BATCH_HEADER_SIZE + 64 || s->buffer_memory < s->request_size_max)
		what = "buffer_memory must hold at least one batch of request_size_max";
	if (what != NULL)
		client_error_set(error, ERR_INVALID, "%s", what);
	return what == NULL;
}

static int default_level(enum codec codec)
{
	return codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : codec == CODEC_ZSTD ? LEVEL_DEFAULT_ZSTD : LEVEL_DEFAULT_GZIP;
}

enum err producer_create(struct producer **out, struct client *c, const struct producer_spec *spec,
			 struct client_error *error)
{
	struct producer *p;

	if (!is_spec_valid(spec, error))
		return ERR_INVALID;
	p = mem_calloc(1, sizeof(*p));
	p->client = c;
	p->spec = *spec;
	if (p->spec.level == PRODUCER_LEVEL_DEFAULT)
		p->spec.level = default_level(spec->codec);
	if (spec->codec != CODEC_NONE)
		p->compressor = compressor_create();
	p->producer_id = NO_PRODUCER_ID;
	p->producer_epoch = NO_PRODUCER_EPOCH;
	list_init(&p->requests);
	list_init(&p->waiting);
	p->user.on_turn = producer_turn;
	client_user_add(c, &p->user);
	*out = p;
	return OK;
}

/* ---- topics and partitions ---- */

static struct producer_topic *topic_get(struct producer *p, struct slice name)
{
	struct producer_topic *t = map_get(&p->topics, name);

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strndup((const char *)name.ptr, name.len);
	t->info = client_topic(p->client, name);
	t->sticky = -1;
	list_init(&t->waiting);
	map_put(&p->topics, slice_str(t->name), t);
	return t;
}

static struct producer_partition *partition_get(struct producer_topic *t, int32_t number)
{
	if (number >= t->partition_count) {
		t->partitions = mem_realloc_array(t->partitions, (size_t)number + 1, sizeof(*t->partitions));
		for (; t->partition_count <= number; t->partition_count++)
			t->partitions[t->partition_count] = NULL;
	}
	if (t->partitions[number] == NULL) {
		struct producer_partition *part = mem_calloc(1, sizeof(*part));
		part->topic = t;
		part->number = number;
		part->batch_size_max = SIZE_MAX;
		list_init(&part->batches);
		t->partitions[number] = part;
	}
	return t->partitions[number];
}

/* One with a leader, at random; any one when none has. */
static int32_t choose_sticky(struct producer *p, struct producer_topic *t)
{
	uint32_t count = (uint32_t)t->info->partition_count;
	uint32_t first = (uint32_t)(os_random_u64(client_os(p->client)) % count);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = (first + i) % count;
		if (t->info->partitions[number].leader >= 0)
			return (int32_t)number;
	}
	return (int32_t)first;
}

/* Records without a key stay on one partition for a batch's worth of bytes: full batches, and even shares over time. */
static int32_t take_sticky(struct producer *p, struct producer_topic *t, size_t size)
{
	if (t->sticky < 0 || t->sticky >= t->info->partition_count || t->sticky_bytes >= (size_t)p->spec.batch_size) {
		t->sticky = choose_sticky(p, t);
		t->sticky_bytes = 0;
	}
	t->sticky_bytes += size;
	return t->sticky;
}

static enum err check_topic(struct producer *p, struct producer_topic *t, const struct producer_record *r,
			    struct client_error *error)
{
	char subject[300];

	if (!t->info->is_known || t->info->error == LEADER_NOT_AVAILABLE) {
		client_topic_refresh(p->client);
		return ERR_AGAIN;
	}
	if (t->info->error != NONE) {
		snprintf(subject, sizeof(subject), "topic %s", t->name);
		client_error_set_kafka(error, t->info->error, subject, SLICE_NULL);
		client_topic_refresh(p->client);
		return error->err;
	}
	if (r->partition >= t->info->partition_count || r->partition < PRODUCER_PARTITION_ANY) {
		client_error_set(error, ERR_NOT_FOUND, "topic %s has no partition %d: there are %d", t->name, r->partition,
				 t->info->partition_count);
		return ERR_NOT_FOUND;
	}
	return t->info->partition_count > 0 ? OK : ERR_AGAIN;
}

/* ---- batches ---- */

static struct producer_batch *open_batch(struct producer *p, struct producer_partition *part)
{
	static const struct batch_spec spec = BATCH_SPEC_INIT;
	struct producer_batch *b = mem_calloc(1, sizeof(*b));

	b->partition = part;
	b->state = BATCH_OPEN;
	b->base_sequence = NO_SEQUENCE;
	b->created_at = os_mono_ms(client_os(p->client));
	batch_build_begin(&b->builder, &spec, NULL, &b->bytes, (size_t)p->spec.request_size_max);
	list_push_back(&part->batches, &b->link);
	if (!list_linked(&part->waiting))
		list_push_back(&part->topic->waiting, &part->waiting);
	if (!list_linked(&part->topic->waiting_topics))
		list_push_back(&p->waiting, &part->topic->waiting_topics);
	return b;
}

/* The records are squeezed and the header written anew around them; a batch that would grow stays as it is. */
static void compress_batch(struct producer *p, struct producer_batch *b)
{
	struct strbuf *out = &p->scratch;
	uint8_t *header;

	strbuf_reset(out);
	strbuf_add(out, b->bytes.ptr, BATCH_HEADER_SIZE);
	compress_begin(p->compressor, p->spec.codec, p->spec.level, out, b->bytes.len);
	compress_write(p->compressor, b->bytes.ptr + BATCH_HEADER_SIZE, b->bytes.len - BATCH_HEADER_SIZE);
	if (compress_end(p->compressor) != OK)
		return;
	header = (uint8_t *)out->ptr;
	store_be32(header + BATCH_LENGTH_POS, (uint32_t)(out->len - BATCH_LOG_OVERHEAD));
	store_be16(header + BATCH_ATTRIBUTES_POS, (uint16_t)p->spec.codec);
	strbuf_fini(&b->bytes);
	strbuf_add(&b->bytes, out->ptr, out->len);
	batch_seal((uint8_t *)b->bytes.ptr, b->bytes.len);
}

void producer_batch_close(struct producer *p, struct producer_batch *b)
{
	struct slice batch;

	ASSERT(b->state == BATCH_OPEN);
	enum err e = batch_build_end(&b->builder, &batch);
	ASSERT(e == OK);	/* producer_send has seen to it that everything fits */
	b->state = BATCH_READY;
	if (p->spec.codec != CODEC_NONE)
		compress_batch(p, b);
}

void producer_batch_free(struct producer_batch *b)
{
	strbuf_fini(&b->bytes);
	free(b->tags);
	free(b);
}

/* KIP-467: of a batch that is refused for some of its records the answer names these (not all, if they are many). */
static const struct client_error *error_of(const struct producer_batch *b, int32_t record, const struct client_error *error, struct client_error *own)
{
	const struct produce_response_partition_response *r = b->refusal;
	char subject[300];

	if (r == NULL)
		return error;
	snprintf(subject, sizeof(subject), "%s/%d", b->partition->topic->name, b->partition->number);
	for (int32_t i = 0; i < r->record_errors_count; i++) {
		if (r->record_errors[i].batch_index == record) {
			client_error_set_kafka(own, r->error_code, subject, r->record_errors[i].batch_index_error_message);
			return own;
		}
	}
	client_error_set(own, error->err, "%s: not written, for another record of its batch was refused (%s)", subject, kafka_error_name(r->error_code));
	own->kafka = error->kafka;
	return own;
}

/* Tells every record's fate, oldest first, and forgets the batch. */
void producer_batch_finish(struct producer *p, struct producer_batch *b, int64_t base_offset, time_ms append_time,
			   const struct client_error *error)
{
	struct producer_delivery d = { .topic = b->partition->topic->name, .partition = b->partition->number };
	struct client_error own;

	if (base_offset > INT64_MAX - b->record_count)	/* no log is so long: whoever says so does not know */
		base_offset = -1;
	list_remove(&b->link);
	p->memory -= (int64_t)b->memory;
	p->pending -= b->record_count;
	for (int32_t i = 0; i < b->record_count && p->spec.on_delivery != NULL; i++) {
		d.tag = b->tags[i].tag;
		d.error = error_of(b, i, error, &own);
		d.offset = error->err == OK && base_offset >= 0 ? base_offset + i : -1;
		d.timestamp = append_time >= 0 ? append_time : b->tags[i].timestamp;
		p->spec.on_delivery(p->spec.arg, &d);
	}
	producer_batch_free(b);
}

static struct producer_batch *batch_for(struct producer *p, struct producer_partition *part, size_t size)
{
	struct producer_batch *last = NULL;

	if (!list_empty(&part->batches))
		last = LIST_ENTRY(part->batches.prev, struct producer_batch, link);
	if (last != NULL && last->state == BATCH_OPEN) {
		if (last->builder.plain_bytes + size <= producer_batch_size(p, part))
			return last;
		producer_batch_close(p, last);
	}
	return open_batch(p, part);
}

static void remember_tag(struct producer_batch *b, void *tag, time_ms timestamp)
{
	if (b->record_count == b->record_room) {
		b->record_room = MAX(2 * b->record_room, 16);
		b->tags = mem_realloc_array(b->tags, (size_t)b->record_room, sizeof(*b->tags));
	}
	b->tags[b->record_count++] = (struct producer_tag){ tag, timestamp };
}

enum err producer_send(struct producer *p, const struct producer_record *r, struct client_error *error)
{
	struct producer_topic *t = topic_get(p, r->topic);
	size_t size = record_size_max(r->key, r->value, r->headers, r->header_count);
	size_t memory = size + sizeof(struct producer_tag);
	int32_t number = r->partition;

	if (p->fatal.err != OK) {
		*error = p->fatal;
		return error->err;
	}
	enum err e = check_topic(p, t, r, error);
	if (e != OK)
		return e;
	if (size + BATCH_HEADER_SIZE > (size_t)p->spec.request_size_max) {
		client_error_set(error, ERR_TOO_LARGE, "a record of %zu bytes does not fit max.request.size %d", size,
				 p->spec.request_size_max);
		return ERR_TOO_LARGE;
	}
	if (p->memory + (int64_t)memory > p->spec.buffer_memory)
		return ERR_AGAIN;
	if (number == PRODUCER_PARTITION_ANY)
		number = slice_is_null(r->key) ? take_sticky(p, t, size) : murmur2_partition(r->key, t->info->partition_count);

	struct producer_batch *b = batch_for(p, partition_get(t, number), size);
	time_ms timestamp = r->timestamp >= 0 ? r->timestamp : os_time_ms(client_os(p->client));
	batch_build_add(&b->builder, timestamp, r->key, r->value, r->headers, r->header_count);
	remember_tag(b, r->tag, timestamp);
	b->memory += memory;
	p->memory += (int64_t)memory;
	p->pending++;
	return OK;
}

/* ---- the end ---- */

bool producer_push(struct producer *p)
{
	bool was_pushed = p->is_pushed;

	p->is_pushed = p->pending > 0;
	return p->is_pushed && !was_pushed;
}

int64_t producer_pending(const struct producer *p)
{
	return p->pending;
}

enum err producer_flush(struct producer *p, mono_ms timeout_ms)
{
	struct os *os = client_os(p->client);
	mono_ms deadline = os_mono_ms(os) + timeout_ms;

	(void)producer_push(p);
	while (p->pending > 0) {
		mono_ms now = os_mono_ms(os);
		if (now >= deadline)
			return ERR_TIMEOUT;
		client_step(p->client, deadline - now);
	}
	return OK;
}

static void destroy_partition(struct producer *p, struct producer_partition *part)
{
	struct client_error closed;

	if (part == NULL)
		return;
	while (!list_empty(&part->batches)) {
		struct producer_batch *b = LIST_ENTRY(part->batches.next, struct producer_batch, link);
		client_error_set(&closed, ERR_CLOSED, "not acknowledged before the producer was closed%s%.150s",
				 b->error.err != OK ? "; " : "", b->error.text);
		producer_batch_finish(p, b, -1, -1, &closed);
	}
	free(part);
}

void producer_destroy(struct producer **pp)
{
	struct producer *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	client_user_remove(p->client, &p->user);
	client_call_destroy(&p->id_call);
	producer_cancel_requests(p);
	MAP_FOREACH(e, &p->topics) {
		struct producer_topic *t = e->value;
		for (int32_t i = 0; i < t->partition_count; i++)
			destroy_partition(p, t->partitions[i]);
		free(t->partitions);
		free(t->name);
		free(t);
	}
	map_fini(&p->topics);
	strbuf_fini(&p->scratch);
	if (p->compressor != NULL)
		compressor_destroy(&p->compressor);
	free(p);
}
