#include "fake_leader.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "record/build.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include "wire/header.h"

struct leader_connection {
	os_fd         fd;
	struct strbuf in;
	struct writer out;
	size_t        sent;
	bool          is_mute, ends;
	/* a Fetch that waits for news */
	bool          is_polling;
	int32_t       correlation_id;
	int16_t       version;
	bool          is_full;
	mono_ms       deadline;
};

/* --- logs ------------------------------------------------------------------------------------------------------------------------- */

struct leader_log *fake_leader_add(struct fake_leader *l, const char *topic, struct uuid topic_id, int32_t partition)
{
	struct leader_log *log = &l->logs[l->log_count++];

	ck_assert_int_le(l->log_count, LEADER_LOGS);
	log->topic = topic;
	log->topic_id = topic_id;
	log->partition = partition;
	log->leader_epoch = -1;
	return log;
}

void leader_log_lead(struct leader_log *log, int32_t epoch)
{
	ck_assert_int_lt(log->epoch_count, LEADER_EPOCHS);
	log->leader_epoch = epoch;
	if (log->epoch_count > 0 && log->epochs[log->epoch_count - 1].start == log->end)
		log->epoch_count--;
	log->epochs[log->epoch_count].epoch = epoch;
	log->epochs[log->epoch_count++].start = log->end;
}

void leader_log_append(struct leader_log *log, int records)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;
	char value[40];

	spec.base_offset = log->end;
	spec.leader_epoch = log->leader_epoch;
	batch_build_begin(&b, &spec, NULL, &log->bytes, log->bytes.len + 65536);
	for (int i = 0; i < records; i++) {
		snprintf(value, sizeof(value), "%s-%d epoch %d offset %lld", log->topic, log->partition, log->leader_epoch, (long long)log->end + i);
		batch_build_add(&b, 1700000000000, SLICE_NULL, slice_str(value), NULL, 0);
	}
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	log->end += records;
	log->high_watermark = log->end;
}

struct slice leader_log_from(const struct leader_log *log, int64_t offset)
{
	struct slice rest = strbuf_slice(&log->bytes), before = rest, batch;

	while (batch_next(&rest, &batch) == OK) {
		if (batch_last_offset(batch.ptr) >= offset)
			return before;
		before = rest;
	}
	return slice_of(log->bytes.ptr, 0);
}

void leader_log_cut(struct leader_log *log, int64_t to)
{
	strbuf_truncate(&log->bytes, log->bytes.len - leader_log_from(log, to).len);
	log->end = to;
	log->high_watermark = MIN(log->high_watermark, to);
	while (log->epoch_count > 0 && log->epochs[log->epoch_count - 1].start >= to)
		log->epoch_count--;
}

void leader_log_raise_start(struct leader_log *log, int64_t to)
{
	struct slice rest = leader_log_from(log, to);
	size_t cut = log->bytes.len - rest.len;

	memmove(log->bytes.ptr, log->bytes.ptr + cut, rest.len);
	strbuf_truncate(&log->bytes, rest.len);
	log->start = to;
}

void leader_log_copy(struct leader_log *to, const struct leader_log *from)
{
	strbuf_truncate(&to->bytes, 0);
	strbuf_add(&to->bytes, from->bytes.ptr, from->bytes.len);
	to->start = from->start;
	to->end = from->end;
	to->high_watermark = from->high_watermark;
	memcpy(to->epochs, from->epochs, sizeof(to->epochs));
	to->epoch_count = from->epoch_count;
}

/* The largest epoch that is not above, and where it ends; -1, -1 when it is unknown here. */
static void epoch_end(const struct leader_log *log, int32_t epoch, int32_t *found, int64_t *end)
{
	*found = -1;
	*end = -1;
	if (log->epoch_count == 0 || epoch > log->epochs[log->epoch_count - 1].epoch)
		return;
	if (epoch < log->epochs[0].epoch) {
		*found = epoch;
		*end = log->epochs[0].start;
		return;
	}
	for (int i = 0; i < log->epoch_count; i++) {
		if (log->epochs[i].epoch > epoch)
			break;
		*found = log->epochs[i].epoch;
		*end = i + 1 < log->epoch_count ? log->epochs[i + 1].start : log->end;
	}
}

static struct leader_log *find(struct fake_leader *l, struct slice topic, struct uuid topic_id, int32_t partition)
{
	for (int i = 0; i < l->log_count; i++) {
		struct leader_log *log = &l->logs[i];
		if (log->partition == partition && (slice_eq_str(topic, log->topic) || (topic.len == 0 && uuid_eq(topic_id, log->topic_id))))
			return log;
	}
	return NULL;
}

static int16_t check(const struct leader_log *log, int32_t epoch)
{
	if (log->error != NONE)
		return log->error;
	if (epoch >= 0 && epoch != log->leader_epoch)
		return epoch < log->leader_epoch ? FENCED_LEADER_EPOCH : UNKNOWN_LEADER_EPOCH;
	return NONE;
}

/* --- Fetch ------------------------------------------------------------------------------------------------------------------------ */

static void diverging(const struct leader_log *log, int32_t *epoch, int64_t *end)
{
	*epoch = -1;
	*end = -1;
	if (log->is_diverging_always) {
		*epoch = log->leader_epoch;
		*end = log->end;
	} else if (log->last_fetched_epoch >= 0) {
		epoch_end(log, log->last_fetched_epoch, epoch, end);
		if (*epoch == log->last_fetched_epoch && *end >= log->fetch_offset)
			*epoch = -1;
	}
}

/* What Kafka checks before it reads. */
static int16_t fetch_error(const struct leader_log *log)
{
	int16_t code = check(log, log->asked_epoch);
	int32_t epoch;
	int64_t end;

	if (code != NONE)
		return code;
	if (log->last_fetched_epoch >= 0) {
		epoch_end(log, log->last_fetched_epoch, &epoch, &end);
		if (epoch < 0)
			return OFFSET_OUT_OF_RANGE;
		if (epoch != log->last_fetched_epoch || end < log->fetch_offset)
			return log->fetch_offset < log->start ? OFFSET_OUT_OF_RANGE : NONE;
	}
	return log->fetch_offset < log->start || log->fetch_offset > log->end ? OFFSET_OUT_OF_RANGE : NONE;
}

static bool has_news(const struct fake_leader *l)
{
	for (int i = 0; i < l->log_count; i++) {
		const struct leader_log *log = &l->logs[i];
		int32_t epoch;
		int64_t end;

		if (!log->is_in_session)
			continue;
		diverging(log, &epoch, &end);
		if (epoch >= 0 || fetch_error(log) != NONE || log->fetch_offset < log->end)
			return true;
	}
	return false;
}

static void fill_partition(struct leader_log *log, struct fetch_response_partition *m, enum leader_trick trick, struct arena *a)
{
	fetch_response_partition_init(m);
	m->partition_index = log->partition;
	m->records = (struct wire_records){ .ptr = (const uint8_t *)"" };
	m->error_code = fetch_error(log);
	m->high_watermark = -1;
	if (m->error_code != NONE) {
		log->told_high_watermark = -1;
		return;
	}
	diverging(log, &m->diverging_epoch.epoch, &m->diverging_epoch.end_offset);
	if (m->diverging_epoch.epoch < 0)
		m->diverging_epoch.end_offset = -1;
	m->high_watermark = log->told_high_watermark = log->high_watermark;
	m->log_start_offset = log->told_start = log->start;
	if (m->diverging_epoch.epoch < 0) {
		struct slice bytes = leader_log_from(log, log->fetch_offset);
		if (log->fetch_offset < log->end)
			m->records = (struct wire_records){ .ptr = bytes.ptr,
				.len = (uint32_t)MIN(bytes.len, MAX((size_t)log->max_bytes, batch_size(bytes.ptr))) };	/* cut anywhere, as sendfile does */
	}
	if (trick == TRICK_NO_HIGH_WATERMARK)
		m->high_watermark = -1;
	if (trick == TRICK_HALF_BATCH)
		m->records.len = MIN(m->records.len, 40);
	if (trick == TRICK_DAMAGED_BATCH && m->records.len > 70) {
		struct slice copy = arena_copy(a, slice_of(m->records.ptr, m->records.len));
		((uint8_t *)copy.ptr)[70] ^= 0x10;
		m->records.ptr = copy.ptr;
	}
}

/* Is it named in an incremental answer? */
static bool is_news(const struct leader_log *log)
{
	int32_t epoch;
	int64_t end;

	diverging(log, &epoch, &end);
	return fetch_error(log) != NONE || epoch >= 0 || log->fetch_offset < log->end || log->told_high_watermark != log->high_watermark ||
	       log->told_start != log->start;
}

static void answer_fetch(struct fake_leader *l, struct leader_connection *c)
{
	enum leader_trick trick = l->tricks_left > 0 ? l->trick : TRICK_NONE;
	struct fetch_response m;
	struct arena a;
	bool skip = trick == TRICK_MISSING_PARTITION;

	c->is_polling = false;
	l->tricks_left -= l->tricks_left > 0;
	if (trick == TRICK_CUT)
		c->ends = true;
	if (trick == TRICK_MUTE)
		c->is_mute = true;
	if (c->ends || c->is_mute)
		return;
	arena_init(&a, 64 << 20);
	fetch_response_init(&m);
	m.error_code = l->session_error;
	l->session_error = NONE;
	m.session_id = m.error_code == NONE && c->version >= 7 ? l->session_id : 0;
	m.responses = arena_calloc(&a, LEADER_LOGS + 2, sizeof(*m.responses));
	for (int i = 0; i < l->log_count && m.error_code == NONE; i++) {
		struct leader_log *log = &l->logs[i];
		struct fetch_response_response *t = &m.responses[m.responses_count];

		if (!log->is_in_session || (!c->is_full && !is_news(log)))
			continue;
		if (skip) {
			skip = false;
			continue;
		}
		m.responses_count++;
		fetch_response_response_init(t);
		t->topic = c->version >= 13 ? SLICE_EMPTY : slice_str(log->topic);
		t->topic_id = c->version >= 13 ? log->topic_id : UUID_ZERO;
		t->partitions_count = 1;
		t->partitions = arena_calloc(&a, 1, sizeof(*t->partitions));
		fill_partition(log, t->partitions, trick, &a);
	}
	if (trick == TRICK_EXTRA_PARTITION) {
		struct fetch_response_response *t = &m.responses[m.responses_count++];
		fetch_response_response_init(t);
		t->topic = c->version >= 13 ? SLICE_EMPTY : SLICE_LIT("strange");
		t->topic_id.bytes[3] = c->version >= 13 ? 99 : 0;
		t->partitions_count = 1;
		t->partitions = arena_calloc(&a, 1, sizeof(*t->partitions));
		fetch_response_partition_init(t->partitions);
		t->partitions->records.ptr = (const uint8_t *)"";
	}
	if (trick == TRICK_TWICE && m.responses_count > 0)
		m.responses[m.responses_count] = m.responses[0], m.responses_count++;
	size_t before = c->out.len;
	writer_begin_frame(&c->out);
	ck_assert(header_encode_response(c->correlation_id, &c->out, API_FETCH, c->version));
	ck_assert(fetch_response_encode(&m, &c->out, c->version));
	ck_assert(writer_end_frame(&c->out));
	if (trick == TRICK_SHORT) {
		c->out.len -= 5;
		store_be32(c->out.buf + before, (uint32_t)(c->out.len - before - 4));
	}
	if (trick == TRICK_CUT_MIDWAY) {
		c->out.len -= (c->out.len - before) / 2;
		c->ends = true;
	}
	arena_fini(&a);
}

static void forget(struct fake_leader *l, const struct fetch_request *q)
{
	for (int32_t i = 0; i < q->forgotten_topics_data_count; i++) {
		for (int32_t k = 0; k < q->forgotten_topics_data[i].partitions_count; k++) {
			const struct fetch_request_forgotten_topics_data *t = &q->forgotten_topics_data[i];
			struct leader_log *log = find(l, t->topic, t->topic_id, t->partitions[k]);
			l->forgotten++;
			if (log != NULL) {
				ck_assert(log->is_in_session);
				log->is_in_session = false;
			}
		}
	}
}

static void remember(struct fake_leader *l, const struct fetch_request *q)
{
	l->fetched_partitions = 0;
	for (int32_t i = 0; i < q->topics_count; i++) {
		for (int32_t k = 0; k < q->topics[i].partitions_count; k++) {
			const struct fetch_request_partition *p = &q->topics[i].partitions[k];
			struct leader_log *log = find(l, q->topics[i].topic, q->topics[i].topic_id, p->partition);
			ck_assert_ptr_nonnull(log);
			l->fetched_partitions++;
			if (!log->is_in_session)
				log->told_high_watermark = log->told_start = -1;
			log->is_in_session = true;
			log->fetch_offset = p->fetch_offset;
			log->asked_epoch = p->current_leader_epoch;
			log->last_fetched_epoch = p->last_fetched_epoch;
			log->max_bytes = p->partition_max_bytes;
		}
	}
	for (int i = 0; i < l->log_count; i++)
		l->logs[i].asked += l->logs[i].is_in_session;
}

static void on_fetch(struct fake_leader *l, struct leader_connection *c, struct reader *r, const struct request_header *h)
{
	struct fetch_request q;
	struct arena a;

	arena_init(&a, 64 << 20);
	ck_assert(fetch_request_decode(&q, r, h->request_api_version, &a));
	l->fetches++;
	l->fetch_version = h->request_api_version;
	l->replica_id = h->request_api_version >= 15 ? q.replica_state.replica_id : q.replica_id;
	l->replica_epoch = q.replica_state.replica_epoch;
	ck_assert_int_eq(q.isolation_level, 0);
	ck_assert_int_eq(q.max_wait_ms, 500);
	ck_assert_int_eq(q.min_bytes, 1);
	c->is_full = q.session_epoch <= 0;
	if (c->is_full) {
		l->full_fetches++;
		for (int i = 0; i < l->log_count; i++)
			l->logs[i].is_in_session = false;
		l->session_id = l->has_sessions ? (l->session_id | 0x1000) + 1 : 0;
		l->session_epoch = 0;
	} else if (l->session_error == NONE) {
		l->session_error = q.session_id != l->session_id ? FETCH_SESSION_ID_NOT_FOUND :
				   q.session_epoch != l->session_epoch + 1 ? INVALID_FETCH_SESSION_EPOCH : NONE;
		l->session_epoch = q.session_epoch;
	}
	forget(l, &q);
	remember(l, &q);
	c->is_polling = true;
	c->correlation_id = h->correlation_id;
	c->version = h->request_api_version;
	c->deadline = os_mono_ms(l->os) + q.max_wait_ms;
	arena_fini(&a);
}

/* --- the other questions ---------------------------------------------------------------------------------------------------------- */

static void on_epochs(struct fake_leader *l, struct leader_connection *c, struct reader *r, const struct request_header *h)
{
	struct offset_for_leader_epoch_request q;
	struct offset_for_leader_epoch_response m;
	struct arena a;

	arena_init(&a, 64 << 20);
	ck_assert(offset_for_leader_epoch_request_decode(&q, r, h->request_api_version, &a));
	l->epoch_questions++;
	l->epoch_version = h->request_api_version;
	offset_for_leader_epoch_response_init(&m);
	m.topics_count = q.topics_count;
	m.topics = arena_calloc(&a, (size_t)q.topics_count, sizeof(*m.topics));
	for (int32_t i = 0; i < q.topics_count; i++) {
		m.topics[i].topic = q.topics[i].topic;
		m.topics[i].partitions_count = q.topics[i].partitions_count;
		m.topics[i].partitions = arena_calloc(&a, (size_t)q.topics[i].partitions_count, sizeof(*m.topics[i].partitions));
		for (int32_t k = 0; k < q.topics[i].partitions_count; k++) {
			const struct offset_for_leader_epoch_request_partition *p = &q.topics[i].partitions[k];
			struct offset_for_leader_epoch_response_partition *o = &m.topics[i].partitions[k];
			const struct leader_log *log = find(l, q.topics[i].topic, UUID_ZERO, p->partition);
			ck_assert_ptr_nonnull(log);
			offset_for_leader_epoch_response_partition_init(o);
			o->partition = p->partition;
			o->error_code = check(log, p->current_leader_epoch);
			if (o->error_code == NONE)
				epoch_end(log, p->leader_epoch, &o->leader_epoch, &o->end_offset);
		}
	}
	writer_begin_frame(&c->out);
	ck_assert(header_encode_response(h->correlation_id, &c->out, h->request_api_key, h->request_api_version));
	ck_assert(offset_for_leader_epoch_response_encode(&m, &c->out, h->request_api_version));
	ck_assert(writer_end_frame(&c->out));
	arena_fini(&a);
}

static void on_offsets(struct fake_leader *l, struct leader_connection *c, struct reader *r, const struct request_header *h)
{
	struct list_offsets_request q;
	struct list_offsets_response m;
	struct arena a;

	arena_init(&a, 64 << 20);
	ck_assert(list_offsets_request_decode(&q, r, h->request_api_version, &a));
	l->offset_questions++;
	l->offset_version = h->request_api_version;
	list_offsets_response_init(&m);
	m.topics_count = q.topics_count;
	m.topics = arena_calloc(&a, (size_t)q.topics_count, sizeof(*m.topics));
	for (int32_t i = 0; i < q.topics_count; i++) {
		m.topics[i].name = q.topics[i].name;
		m.topics[i].partitions_count = q.topics[i].partitions_count;
		m.topics[i].partitions = arena_calloc(&a, (size_t)q.topics[i].partitions_count, sizeof(*m.topics[i].partitions));
		for (int32_t k = 0; k < q.topics[i].partitions_count; k++) {
			const struct list_offsets_request_partition *p = &q.topics[i].partitions[k];
			struct list_offsets_response_partition *o = &m.topics[i].partitions[k];
			const struct leader_log *log = find(l, q.topics[i].name, UUID_ZERO, p->partition_index);
			ck_assert_ptr_nonnull(log);
			list_offsets_response_partition_init(o);
			o->partition_index = p->partition_index;
			o->error_code = check(log, p->current_leader_epoch);
			if (o->error_code == NONE)
				o->offset = p->timestamp == -1 ? log->end : log->start;
		}
	}
	writer_begin_frame(&c->out);
	ck_assert(header_encode_response(h->correlation_id, &c->out, h->request_api_key, h->request_api_version));
	ck_assert(list_offsets_response_encode(&m, &c->out, h->request_api_version));
	ck_assert(writer_end_frame(&c->out));
	arena_fini(&a);
}

/* --- connections ------------------------------------------------------------------------------------------------------------------ */

static void on_frame(struct fake_leader *l, struct leader_connection *c, struct slice frame)
{
	struct reader r = reader_of(frame);
	struct request_header h;

	ck_assert(!c->is_polling);	/* one at a time */
	ck_assert(header_decode_request(&h, &r));
	snprintf(l->client_id, sizeof(l->client_id), SLICE_FMT, SLICE_ARG(h.client_id));
	strbuf_truncate(&l->last_frame, 0);
	strbuf_add(&l->last_frame, frame.ptr, frame.len);
	ck_assert(h.request_api_key == API_FETCH || h.request_api_key == API_OFFSET_FOR_LEADER_EPOCH || h.request_api_key == API_LIST_OFFSETS);
	if (h.request_api_key == API_FETCH)
		on_fetch(l, c, &r, &h);
	else if (h.request_api_key == API_OFFSET_FOR_LEADER_EPOCH)
		on_epochs(l, c, &r, &h);
	else
		on_offsets(l, c, &r, &h);
}

static void take_frames(struct fake_leader *l, struct leader_connection *c)
{
	while (c->in.len >= 4) {
		size_t size = load_be32(c->in.ptr);
		if (c->in.len - 4 < size)
			break;
		on_frame(l, c, slice_of(c->in.ptr + 4, size));
		memmove(c->in.ptr, c->in.ptr + 4 + size, c->in.len - 4 - size);
		strbuf_truncate(&c->in, c->in.len - 4 - size);
	}
}

static bool step_connection(struct fake_leader *l, struct leader_connection *c)
{
	char buf[4096];
	size_t got;
	enum err e;

	while ((e = os_recv(l->os, c->fd, buf, sizeof(buf), &got)) == OK && got > 0)
		strbuf_add(&c->in, buf, got);
	if (e != ERR_AGAIN)
		return false;
	take_frames(l, c);
	if (c->is_polling && (l->session_error != NONE || has_news(l) || c->deadline <= os_mono_ms(l->os)))
		answer_fetch(l, c);
	while (c->sent < c->out.len) {
		struct iovec iov = { c->out.buf + c->sent, c->out.len - c->sent };
		e = os_sendv(l->os, c->fd, &iov, 1, &got);
		if (e == ERR_AGAIN)
			return true;
		if (e != OK)
			return false;
		c->sent += got;
	}
	writer_reset(&c->out);
	c->sent = 0;
	return !c->ends;
}

static void end_connection(struct fake_leader *l, int i)
{
	struct leader_connection *c = l->connections[i];

	os_close(l->os, &c->fd);
	strbuf_fini(&c->in);
	writer_fini(&c->out);
	free(c);
	l->connections[i] = NULL;
}

void fake_leader_cut_all(struct fake_leader *l)
{
	for (int i = 0; i < LEADER_CONNECTIONS; i++)
		if (l->connections[i] != NULL)
			end_connection(l, i);
}

void fake_leader_step(struct fake_leader *l)
{
	os_fd fd;

	for (int i = 0; i < LEADER_CONNECTIONS; i++) {
		if (l->connections[i] == NULL && l->listener >= 0 && os_accept(l->os, l->listener, &fd, NULL) == OK) {
			l->connections[i] = mem_calloc(1, sizeof(*l->connections[i]));
			l->connections[i]->fd = fd;
			writer_init(&l->connections[i]->out);
			l->accepted++;
		}
		if (l->connections[i] != NULL && !step_connection(l, l->connections[i]))
			end_connection(l, i);
	}
}

mono_ms fake_leader_next(const struct fake_leader *l)
{
	mono_ms next = MONO_NEVER;

	for (int i = 0; i < LEADER_CONNECTIONS; i++)
		if (l->connections[i] != NULL && l->connections[i]->is_polling)
			next = MIN(next, l->connections[i]->deadline);
	return next;
}

struct fake_leader *fake_leader_create(struct sim_net *net, const char *host, uint64_t seed)
{
	struct fake_leader *l = mem_calloc(1, sizeof(*l));
	uint16_t port;

	l->machine = sim_create(net, host, seed);
	l->os = sim_os(l->machine);
	l->host = host;
	l->has_sessions = true;
	ck_assert_int_eq(os_listen(l->os, NULL, LEADER_PORT, 10, &l->listener, &port), OK);
	return l;
}

void fake_leader_destroy(struct fake_leader **lp)
{
	struct fake_leader *l = *lp;

	*lp = NULL;
	fake_leader_cut_all(l);
	os_close(l->os, &l->listener);
	for (int i = 0; i < l->log_count; i++)
		strbuf_fini(&l->logs[i].bytes);
	strbuf_fini(&l->last_frame);
	sim_destroy(&l->machine);
	free(l);
}
