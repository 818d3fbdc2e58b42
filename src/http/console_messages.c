/*
 * Messages of one partition, as a consumer would be given them: the partition says which range of which file (an offset by time it looks up first), a worker reads and decodes it.
 * Nothing is committed anywhere, and nobody is a member of anything. Off unless the configuration says otherwise.
 *
 * Bounds: READ_BYTES of a segment in one read, READS_MAX reads for one page, DECODED_BYTES out of one batch, COUNT_MAX records, CONTENT_MAX bytes shown of each key, value and
 * header, ANSWER_BYTES of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/console_priv.h"
#include "record/record.h"

#define READ_BYTES    (1u << 20)
#define READS_MAX     8
#define DECODED_BYTES (8u << 20)
#define COUNT_DEFAULT 50
#define COUNT_MAX     200
#define CONTENT_MAX   8192
#define HEADERS_MAX   50
#define ANSWER_BYTES  (2u << 20)

enum { HTTP_READ_MESSAGES = MSG_BASE_HTTP + 2 };

struct messages_state {
	struct inquiry               *q;
	struct partition_addr        *addr;
	struct partition_list_offsets lookup;
	struct partition_read         read;
	struct job                    job;
	struct os                    *os;
	enum { LOOKUP, READING, DECODING } at;
	int                           reads;
	int64_t                       next, until;	/* offset to go on from; the high watermark when it began */
	int64_t                       left;		/* records */
	/* the job's */
	struct strbuf                 records;		/* the list, begun */
	const char                   *problem;		/* constant text; NULL: none */
	bool                          is_full, is_stale;
};

static void messages_free(void *state)
{
	struct messages_state *s = state;

	if (s->read.range.file != NULL)
		log_file_unref(&s->read.range.file);
	partition_addr_unref(&s->addr);
	strbuf_fini(&s->records);
	free(s);
}

static void finish(struct messages_state *s)
{
	struct inquiry *q = s->q;
	struct strbuf *b = &q->text;

	json_open(b, '{');
	json_member_i64(b, "broker", q->w->picture->broker_id);
	json_member_i64(b, "time", q->w->now);
	json_member_i64(b, "start", partition_log_start_offset(s->addr));
	json_member_i64(b, "high_watermark", partition_high_watermark(s->addr));
	json_member_i64(b, "next", s->next);
	json_name(b, "problem");
	json_str(b, s->problem);
	json_name(b, "records");
	strbuf_add_slice(b, strbuf_slice(&s->records));
	json_close(b, ']');
	json_close(b, '}');
	q->is_done = true;
}

/* --- decoding: a worker's ------------------------------------------------------------------------------------------ */

static void write_headers(struct strbuf *b, const struct record *r)
{
	struct slice rest = r->headers;
	struct record_header h;

	json_name(b, "headers");
	json_open(b, '[');
	for (int i = 0; i < HEADERS_MAX && record_header_next(&rest, &h); i++) {
		json_open(b, '{');
		json_name(b, "key");
		json_content(b, h.key, CONTENT_MAX);
		json_name(b, "value");
		json_content(b, h.value, CONTENT_MAX);
		json_close(b, '}');
	}
	json_close(b, ']');
	json_member_i64(b, "header_count", r->header_count);
}

static void write_record(struct strbuf *b, const struct record *r, const uint8_t *batch)
{
	json_open(b, '{');
	json_member_i64(b, "offset", r->offset);
	json_member_i64(b, "timestamp", r->timestamp);
	json_member_bool(b, "append_time", batch_is_log_append_time(batch));
	json_member_bool(b, "transactional", batch_is_transactional(batch));
	json_member_bool(b, "control", batch_is_control(batch));
	json_name(b, "key");
	json_content(b, r->key, CONTENT_MAX);
	json_name(b, "value");
	json_content(b, r->value, CONTENT_MAX);
	write_headers(b, r);
	json_close(b, '}');
}

static void decode_batch(struct messages_state *s, struct slice batch, struct decompressor *d)
{
	struct record_iter it;
	struct record r;

	record_iter_init(&it, batch, d, DECODED_BYTES);
	while (s->left > 0 && s->records.len < ANSWER_BYTES && record_iter_next(&it, &r)) {
		if (r.offset < s->next || r.offset >= s->until)
			continue;
		write_record(&s->records, &r, batch.ptr);
		s->next = r.offset + 1;
		s->left--;
	}
	s->is_full = s->left == 0 || s->records.len >= ANSWER_BYTES;
	if (!s->is_full && it.err != OK)
		s->problem = it.err == ERR_TOO_LARGE ? "a batch holds more than can be shown; it was passed over" : "a batch cannot be read; it was passed over";
	if (!s->is_full)
		s->next = MAX(s->next, batch_last_offset(batch.ptr) + 1);
	record_iter_fini(&it);
}

/* Consumers are sent the file's bytes as they are: who looks here may be the first to read them on this side. */
static void tell_damage(const struct messages_state *s)
{
	const struct logdir *dir = partition_dir(s->addr);
	struct log_source source;

	log_source_init(&source, "partition", "%s-%d", s->addr->topic, s->addr->partition);
	LOG_ERROR(&source, log_damaged, KV_STR("dir", dir != NULL ? logdir_path(dir) : ""), KV_STR("what", "a look by the console"), KV_I64("offset", s->next));
}

static void decode(struct messages_state *s, struct slice bytes, struct decompressor *d)
{
	struct slice batch;
	enum err e = OK;

	while (!s->is_full && (e = batch_next(&bytes, &batch)) != ERR_INCOMPLETE) {
		if (e == ERR_CORRUPT || (e == OK && !batch_check_crc(batch))) {
			s->problem = "the bytes at this offset are damaged";
			tell_damage(s);
			s->is_full = true;
		} else if (e == ERR_UNSUPPORTED) {
			s->problem = "messages of the formats before Kafka 0.11 are not shown";
			s->is_full = true;
		} else if (batch_last_offset(batch.ptr) >= s->next) {
			decode_batch(s, batch, d);
		}
	}
}

static void read_and_decode(struct job *j)
{
	struct messages_state *s = CONTAINER_OF(j, struct messages_state, job);
	uint8_t *bytes = mem_alloc(s->read.range.len);
	struct decompressor *d = decompressor_create();
	size_t got = 0;
	enum err e = os_pread(s->os, log_file_fd(s->read.range.file), bytes, s->read.range.len, s->read.range.file_pos, &got);

	if (e != OK || log_file_generation(s->read.range.file) != s->read.range.generation)
		s->is_stale = true;
	else
		decode(s, slice_of(bytes, got), d);
	decompressor_destroy(&d);
	free(bytes);
}

/* --- asking ---------------------------------------------------------------------------------------------------------- */

static void read_more(struct messages_state *s)
{
	struct inquiry *q = s->q;

	s->at = READING;
	s->reads++;
	memset(&s->read, 0, sizeof(s->read));
	msg_init(&s->read.msg, PARTITION_read, q->console->spec.actor);
	s->read.fetch_offset = s->next;
	s->read.replica_id = REPLICA_CONSUMER;
	s->read.any_replica = true;
	s->read.current_leader_epoch = s->read.last_fetched_epoch = -1;
	s->read.max_bytes = READ_BYTES;
	if (!inquiry_ask(q, s->addr, &s->read.msg))
		inquiry_refuse(q, 503, "the partition does not serve now");
}

static void decode_range(struct messages_state *s)
{
	struct inquiry *q = s->q;

	s->at = DECODING;
	msg_init(&s->job.msg, HTTP_READ_MESSAGES, q->console->spec.actor);
	s->job.msg.context = q;
	s->job.run = read_and_decode;
	q->out++;
	workers_submit(q->console->spec.workers, q->console->spec.actor, &s->job);
}

static void on_range(struct messages_state *s)
{
	if (s->read.error == OFFSET_OUT_OF_RANGE) {
		inquiry_refuse(s->q, 404, "the partition does not have this offset");
	} else if (s->read.error != NONE) {
		inquiry_refuse(s->q, 503, "the partition does not serve now");
	} else if (s->read.range.len > 0) {
		decode_range(s);
	} else {
		if (s->read.range.first_batch_bytes > READ_BYTES)
			s->problem = "the batch at this offset is larger than 1 MiB and is not shown";
		finish(s);
	}
}

static void on_decoded(struct messages_state *s, int64_t before)
{
	log_file_unref(&s->read.range.file);
	if (s->is_stale)
		inquiry_refuse(s->q, 503, "the log has changed meanwhile: try again");
	else if (s->is_full || s->reads == READS_MAX || s->next >= s->until || s->next == before)
		finish(s);
	else
		read_more(s);
}

static void messages_on_home(struct inquiry *q)
{
	struct messages_state *s = q->state;

	switch (s->at) {
	case LOOKUP:
		if (s->lookup.error != NONE) {
			inquiry_refuse(q, 503, "the time cannot be looked up here now");
			return;
		}
		s->next = s->lookup.found.offset >= 0 ? s->lookup.found.offset : s->until;
		if (s->next < s->until)
			read_more(s);
		else
			finish(s);
		break;
	case READING:
		on_range(s);
		break;
	case DECODING:
		on_decoded(s, s->read.fetch_offset);
		break;
	}
}

static void look_up(struct messages_state *s, int64_t time)
{
	s->at = LOOKUP;
	msg_init(&s->lookup.msg, PARTITION_list_offsets, s->q->console->spec.actor);
	s->lookup.timestamp = time;
	s->lookup.replica_id = REPLICA_DEBUG;	/* a follower may tell; beyond the high watermark nothing is shown: until */
	s->lookup.current_leader_epoch = -1;
	if (!inquiry_ask(s->q, s->addr, &s->lookup.msg))
		inquiry_refuse(s->q, 503, "the partition does not serve now");
}

static void begin(struct inquiry *q, struct partition_addr *a, int64_t offset, int64_t time, int64_t count)
{
	struct messages_state *s = mem_calloc(1, sizeof(*s));
	int64_t start = partition_log_start_offset(a);

	s->q = q;
	s->addr = partition_addr_ref(a);
	s->os = sched_os(q->console->spec.actor->sched);
	s->left = count;
	s->until = partition_high_watermark(a);
	s->next = offset >= 0 ? offset : MAX(start, s->until - count);
	json_open(&s->records, '[');
	q->state = s;
	q->free_state = messages_free;
	q->on_home = messages_on_home;
	if (time >= 0)
		look_up(s, time);
	else if (s->next == s->until)
		finish(s);
	else
		read_more(s);
}

void console_messages(struct inquiry *q)
{
	const struct cluster_partition *p;
	int64_t offset, time, count;
	char sentence[96];

	if (!q->console->spec.shows_messages) {
		inquiry_refuse(q, 403, "messages are not shown: console.messages=true in the broker's configuration turns that on");
		return;
	}
	if (argument_topic(q, &p) == NULL || !argument_i64(q, "offset", 0, INT64_MAX, -1, &offset) || !argument_i64(q, "time", 0, INT64_MAX, -1, &time) ||
	    !argument_i64(q, "count", 1, COUNT_MAX, COUNT_DEFAULT, &count))
		return;
	struct partition_addr *a = console_replica(p);
	if (a == NULL || !partition_has_log(a)) {
		snprintf(sentence, sizeof(sentence), "this broker has no replica of the partition: its leader is broker %d", p->leader);
		inquiry_refuse(q, 421, sentence);
		return;
	}
	begin(q, a, offset, time, count);
}
