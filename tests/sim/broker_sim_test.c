/*
 * Whole brokers, from sockets to disk, through produce, fetch, crash and restart; each life drawn from a seed.
 *
 * A life: topics are created; idempotent producers write with acks 1 and all, several requests in flight; consumers read with fetch sessions and long polls; topics
 * come and go; the process is killed or the power is cut at the nth operation on the disk, or at any moment; clients connect again and send again what
 * was not answered. What is checked:
 *	- what was acknowledged survives a killed process, and with acks=all a power cut (log.flush.acks=auto);
 *	- no batch is in the log twice, none of a producer is missing between others, each is where the answer said;
 *	- fetched batches are whole, their CRCs right, offsets without gaps; offsets never go back, nor does ListOffsets, but for what a power cut may take;
 *	- the same seed gives the same life.
 * In every second life the broker has two log directories, and replicas are moved from one to the other.
 *
 *	SKEIN_SIM_SEEDS=first-last	other seeds (or one)
 *	SKEIN_SIM_LOG=1			with the broker's log
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker_sim.h"
#include "record/build.h"
#include "seeds.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/produce.h"

#define SEED_FIRST  1
#define SEED_LAST   60
#define CRASHES     3
#define PARTITIONS  2		/* of the one topic that stays */
#define PRODUCERS   3
#define CONSUMERS   2
#define BATCHES_MAX 300
#define OUT_MAX     3		/* requests of a producer under way; Kafka's clients allow 5 */
#define TOPIC       "orders"

enum { KEY_PRODUCE = 0, KEY_FETCH = 1, KEY_LIST_OFFSETS = 2, KEY_CREATE_TOPICS = 19, KEY_DELETE_TOPICS = 20, KEY_INIT_PRODUCER_ID = 22,
       KEY_ALTER_REPLICA_LOG_DIRS = 34 };

/* A batch of one producer, of one record, to one partition; its sequence is its number. */
struct sent {
	int64_t offset;			/* as answered or found; -1 */
	bool    is_out, is_acknowledged, is_promised;
	int16_t acks;
};

struct producer {
	struct sim_client client;
	int               partition;
	int64_t           id;		/* -1: none yet */
	struct sent       sent[BATCHES_MAX];
	int               made, done;	/* begun; all below are acknowledged */
};

struct consumer {
	struct sim_client client;
	int32_t           session_id, session_epoch;
	int64_t           next[PARTITIONS];
	bool              has_changed[PARTITIONS];	/* must be named in the next request of the session */
	bool              is_out;
};

struct life {
	struct broker_sim b;
	uint64_t          seed, random;
	struct producer   producers[PRODUCERS];
	struct consumer   consumers[CONSUMERS];
	struct sim_client admin;
	int64_t           latest[PARTITIONS];	/* that ListOffsets has told since the start */
	bool              is_verifying;
	int               found[PRODUCERS];
	int               fetches, produced, moved;
	bool              has_two_dirs;
};

static uint64_t draw(struct life *l, uint64_t n)	/* xorshift64* */
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (l->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

#define WRAP(api) \
	static bool encode_##api(const void *m, struct writer *w, int v) { return api##_request_encode(m, w, v); }
WRAP(produce)
WRAP(fetch)
WRAP(list_offsets)
WRAP(create_topics)
WRAP(delete_topics)
WRAP(init_producer_id)
WRAP(alter_replica_log_dirs)

/* --- administration ---------------------------------------------------------------------------------------------------------------- */

static bool create_topic(struct life *l, const char *name, int32_t partitions, int16_t *error)
{
	struct create_topics_request_topic t;
	struct create_topics_request q;
	struct create_topics_response a;
	struct arena arena;
	struct slice body;

	create_topics_request_init(&q);
	create_topics_request_topic_init(&t);
	t.name = slice_str(name);
	t.num_partitions = partitions;
	t.replication_factor = 1;
	q.topics = &t;
	q.topics_count = 1;
	if (!sim_client_call(&l->admin, KEY_CREATE_TOPICS, 7, encode_create_topics, &q, &body))
		return false;
	struct reader r = reader_of(body);
	arena_init(&arena, 1 << 20);
	ck_assert(create_topics_response_decode(&a, &r, 7, &arena));
	ck_assert_int_eq(a.topics_count, 1);
	*error = a.topics[0].error_code;
	arena_fini(&arena);
	return true;
}

static bool delete_topic(struct life *l, const char *name, int16_t *error)
{
	struct delete_topics_request_topic t;
	struct delete_topics_request q;
	struct delete_topics_response a;
	struct arena arena;
	struct slice body;

	delete_topics_request_init(&q);
	delete_topics_request_topic_init(&t);
	t.name = slice_str(name);
	q.topics = &t;
	q.topics_count = 1;
	q.timeout_ms = 30000;
	if (!sim_client_call(&l->admin, KEY_DELETE_TOPICS, 6, encode_delete_topics, &q, &body))
		return false;
	struct reader r = reader_of(body);
	arena_init(&arena, 1 << 20);
	ck_assert(delete_topics_response_decode(&a, &r, 6, &arena));
	*error = a.responses[0].error_code;
	arena_fini(&arena);
	return true;
}

/* Topics come and go beside the one that stays. */
static void administrate(struct life *l)
{
	char name[16];
	int16_t error = NONE;

	if (l->admin.has_ended)
		sim_client_connect(&l->admin);
	snprintf(name, sizeof(name), "extra%d", (int)draw(l, 3));
	if (draw(l, 2) == 0 ? create_topic(l, name, 1 + (int32_t)draw(l, 3), &error) : delete_topic(l, name, &error))
		ck_assert_msg(error == NONE || error == TOPIC_ALREADY_EXISTS || error == UNKNOWN_TOPIC_OR_PARTITION || error == REQUEST_TIMED_OUT ||
		              sim_is_dead(l->b.machine), "seed %llu: %s: %s", (unsigned long long)l->seed, name, kafka_error_name(error));
}

static void move_replica(struct life *l)
{
	int32_t partition = (int32_t)draw(l, PARTITIONS);
	struct alter_replica_log_dirs_request_topic t = { .name = SLICE_LIT(TOPIC), .partitions = &partition, .partitions_count = 1 };
	struct alter_replica_log_dirs_request_dir d = { .path = draw(l, 2) == 0 ? SLICE_LIT("/data") : SLICE_LIT("/data2"), .topics = &t, .topics_count = 1 };
	struct alter_replica_log_dirs_request q;
	struct alter_replica_log_dirs_response a;
	struct arena arena;
	struct slice body;

	if (!l->has_two_dirs)
		return;
	if (l->admin.has_ended)
		sim_client_connect(&l->admin);
	alter_replica_log_dirs_request_init(&q);
	q.dirs = &d;
	q.dirs_count = 1;
	if (!sim_client_call(&l->admin, KEY_ALTER_REPLICA_LOG_DIRS, 2, encode_alter_replica_log_dirs, &q, &body))
		return;
	struct reader r = reader_of(body);
	arena_init(&arena, 1 << 16);
	ck_assert(alter_replica_log_dirs_response_decode(&a, &r, 2, &arena));
	int16_t error = a.results[0].partitions[0].error_code;
	ck_assert_msg(error == NONE || error == KAFKA_STORAGE_ERROR || error == REPLICA_NOT_AVAILABLE, "seed %llu: move: %s", (unsigned long long)l->seed,
	              kafka_error_name(error));
	l->moved += error == NONE;
	arena_fini(&arena);
}

static bool list_latest(struct life *l, int partition, int64_t *offset)
{
	struct list_offsets_request_partition p;
	struct list_offsets_request_topic t;
	struct list_offsets_request q;
	struct list_offsets_response a;
	struct arena arena;
	struct slice body;

	list_offsets_request_init(&q);
	list_offsets_request_topic_init(&t);
	list_offsets_request_partition_init(&p);
	q.replica_id = -1;
	q.topics = &t;
	q.topics_count = 1;
	t.name = SLICE_LIT(TOPIC);
	t.partitions = &p;
	t.partitions_count = 1;
	p.partition_index = partition;
	p.timestamp = -1;
	if (!sim_client_call(&l->admin, KEY_LIST_OFFSETS, 7, encode_list_offsets, &q, &body))
		return false;
	struct reader r = reader_of(body);
	arena_init(&arena, 1 << 20);
	ck_assert(list_offsets_response_decode(&a, &r, 7, &arena));
	int16_t error = a.topics[0].partitions[0].error_code;
	*offset = a.topics[0].partitions[0].offset;
	arena_fini(&arena);
	return error == NONE;
}

static void look_at_the_end(struct life *l)
{
	int p = (int)draw(l, PARTITIONS);
	int64_t offset;

	if (l->admin.has_ended)
		sim_client_connect(&l->admin);
	if (!list_latest(l, p, &offset))
		return;
	ck_assert_int_ge(offset, l->latest[p]);
	l->latest[p] = offset;
}

/* --- producers --------------------------------------------------------------------------------------------------------------------- */

static bool ask_id(struct life *l, struct producer *p)
{
	struct init_producer_id_request q;
	struct init_producer_id_response a;
	struct arena arena;
	struct slice body;

	init_producer_id_request_init(&q);
	q.transactional_id = SLICE_NULL;
	if (!sim_client_call(&p->client, KEY_INIT_PRODUCER_ID, 4, encode_init_producer_id, &q, &body))
		return false;
	struct reader r = reader_of(body);
	arena_init(&arena, 1 << 16);
	ck_assert(init_producer_id_response_decode(&a, &r, 4, &arena));
	if (a.error_code == NONE) {
		for (int i = 0; i < PRODUCERS; i++)
			ck_assert_int_ne(l->producers[i].id, a.producer_id);	/* never given twice */
		p->id = a.producer_id;
	}
	arena_fini(&arena);
	return a.error_code == NONE;
}

static struct slice build_batch(const struct producer *p, int number, struct strbuf *out)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder b;
	struct slice batch;
	char value[32];

	spec.producer_id = p->id;
	spec.producer_epoch = 0;
	spec.base_sequence = number;
	snprintf(value, sizeof(value), "%lld/%d", (long long)p->id, number);
	batch_build_begin(&b, &spec, NULL, out, 4096);
	batch_build_add(&b, 1700000000000 + number, SLICE_NULL, slice_str(value), NULL, 0);
	ck_assert_int_eq(batch_build_end(&b, &batch), OK);
	return batch;
}

static void send_batch(struct life *l, struct producer *p, int number)
{
	struct strbuf out = STRBUF_INIT;
	struct slice batch = build_batch(p, number, &out);
	struct produce_request q;
	struct produce_request_topic_data t;
	struct produce_request_partition_data d;

	produce_request_init(&q);
	produce_request_topic_data_init(&t);
	produce_request_partition_data_init(&d);
	q.transactional_id = SLICE_NULL;
	q.acks = draw(l, 2) == 0 ? -1 : 1;
	q.timeout_ms = 100 + (int32_t)draw(l, 2000);
	q.topic_data = &t;
	q.topic_data_count = 1;
	t.name = SLICE_LIT(TOPIC);
	t.partition_data = &d;
	t.partition_data_count = 1;
	d.index = p->partition;
	d.records = (struct wire_records){ .ptr = batch.ptr, .len = (uint32_t)batch.len };
	bool asked = sim_client_ask(&p->client, KEY_PRODUCE, 9, encode_produce, &q, &p->sent[number]);
	ck_assert(asked);
	p->sent[number].is_out = true;
	p->sent[number].acks = q.acks;
	strbuf_fini(&out);
}

static void take_produced(struct life *l, struct producer *p, struct sent *s, struct slice body)
{
	struct produce_response a;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 16);
	ck_assert(produce_response_decode(&a, &r, 9, &arena));
	const struct produce_response_partition_response *x = &a.responses[0].partition_responses[0];
	s->is_out = false;
	if (x->error_code == NONE) {
		ck_assert_msg(s->offset < 0 || s->offset == x->base_offset, "seed %llu: acknowledged at %lld and at %lld", (unsigned long long)l->seed,
		              (long long)s->offset, (long long)x->base_offset);
		s->offset = x->base_offset;
		s->is_acknowledged = true;
		s->is_promised |= s->acks == -1;
		l->produced++;
	} else {
		ck_assert_msg(x->error_code == REQUEST_TIMED_OUT || x->error_code == OUT_OF_ORDER_SEQUENCE_NUMBER || x->error_code == NOT_LEADER_OR_FOLLOWER ||
		              x->error_code == KAFKA_STORAGE_ERROR || x->error_code == UNKNOWN_TOPIC_OR_PARTITION,
		              "seed %llu: produce: %s", (unsigned long long)l->seed, kafka_error_name(x->error_code));
	}
	arena_fini(&arena);
	while (p->done < p->made && p->sent[p->done].is_acknowledged && !p->sent[p->done].is_out)
		p->done++;
}

static void forget_out(struct producer *p)
{
	for (int i = 0; i < p->made; i++)
		p->sent[i].is_out = false;
}

/* As clients do: what was not acknowledged is sent again in order, when nothing is under way, before anything new. */
static void produce(struct life *l, struct producer *p)
{
	struct slice body;
	int16_t version;
	void *tag;
	int out = 0;

	while (sim_client_answer(&p->client, &tag, &version, &body))
		take_produced(l, p, tag, body);
	if (p->client.has_ended) {
		forget_out(p);
		sim_client_connect(&p->client);
		return;
	}
	if (p->id < 0 && !ask_id(l, p))
		return;
	for (int i = p->done; i < p->made; i++)
		out += p->sent[i].is_out;
	if (out == 0 && p->done < p->made) {
		for (int i = p->done; i < MIN(p->made, p->done + OUT_MAX); i++)	/* a power cut may have taken many */
			send_batch(l, p, i);
	} else if (p->made - p->done < OUT_MAX && p->made < BATCHES_MAX && out == p->made - p->done) {
		send_batch(l, p, p->made++);
	}
}

/* --- consumers --------------------------------------------------------------------------------------------------------------------- */

static void see_found(struct life *l, int producer, int number, int64_t offset)
{
	ck_assert_msg(number == l->found[producer], "seed %llu: producer %d: batch %d at %lld, where %d belongs", (unsigned long long)l->seed, producer,
	              number, (long long)offset, l->found[producer]);
	l->found[producer]++;
	l->producers[producer].sent[number].offset = offset;
}

static int64_t check_batches(struct life *l, int partition, int64_t next, struct slice bytes)
{
	struct slice batch;

	while (batch_next(&bytes, &batch) == OK) {
		ck_assert(batch_check_crc(batch));
		if (batch_last_offset(batch.ptr) < next)
			continue;	/* the batch that holds the offset asked for comes whole */
		ck_assert_int_eq(batch_base_offset(batch.ptr), next);
		next = batch_last_offset(batch.ptr) + 1;
		for (int i = 0; i < PRODUCERS; i++) {
			struct producer *p = &l->producers[i];
			int number = batch_base_sequence(batch.ptr);

			if (p->id != batch_producer_id(batch.ptr))
				continue;
			ck_assert_int_eq(p->partition, partition);
			ck_assert_int_lt(number, p->made);
			if (p->sent[number].is_acknowledged)
				ck_assert_int_eq(p->sent[number].offset, next - 1);
			if (l->is_verifying)
				see_found(l, i, number, next - 1);
		}
	}
	return next;
}

static void take_fetched(struct life *l, struct consumer *c, struct slice body)
{
	struct fetch_response a;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 20);
	ck_assert(fetch_response_decode(&a, &r, 12, &arena));
	c->is_out = false;
	l->fetches++;
	if (a.error_code != NONE) {	/* the session is gone: from the start */
		ck_assert_msg(a.error_code == FETCH_SESSION_ID_NOT_FOUND || a.error_code == INVALID_FETCH_SESSION_EPOCH, "seed %llu: fetch: %s",
		              (unsigned long long)l->seed, kafka_error_name(a.error_code));
		c->session_id = c->session_epoch = 0;
	} else {
		c->session_id = a.session_id;
		c->session_epoch = a.session_id != 0 ? c->session_epoch + 1 : 0;
	}
	for (int32_t t = 0; t < a.responses_count; t++) {
		for (int32_t i = 0; i < a.responses[t].partitions_count; i++) {
			const struct fetch_response_partition *p = &a.responses[t].partitions[i];

			ck_assert(p->partition_index >= 0 && p->partition_index < PARTITIONS);
			if (p->error_code != NONE || p->records.ptr == NULL)
				continue;
			int64_t next = check_batches(l, p->partition_index, c->next[p->partition_index], slice_of(p->records.ptr, p->records.len));
			ck_assert_int_le(next, p->high_watermark);
			c->has_changed[p->partition_index] |= next != c->next[p->partition_index];
			c->next[p->partition_index] = next;
		}
	}
	arena_fini(&arena);
}

static void send_fetch(struct life *l, struct consumer *c)
{
	struct fetch_request q;
	struct fetch_request_topic t;
	struct fetch_request_partition p[PARTITIONS];
	int32_t n = 0;

	fetch_request_init(&q);
	fetch_request_topic_init(&t);
	q.max_wait_ms = (int32_t)draw(l, 3) * 200;
	q.min_bytes = 1 + (int32_t)draw(l, 2) * 200;
	q.max_bytes = 500 + (int32_t)draw(l, 100000);
	q.session_id = c->session_id;
	q.session_epoch = c->session_epoch;
	t.topic = SLICE_LIT(TOPIC);
	for (int32_t i = 0; i < PARTITIONS; i++) {
		if (c->session_epoch > 0 && !c->has_changed[i])
			continue;
		fetch_request_partition_init(&p[n]);
		p[n].partition = i;
		p[n].fetch_offset = c->next[i];
		p[n++].partition_max_bytes = 100 + (int32_t)draw(l, 5000);
		c->has_changed[i] = false;
	}
	t.partitions = p;
	t.partitions_count = n;
	q.topics = &t;
	q.topics_count = n > 0;
	c->is_out = sim_client_ask(&c->client, KEY_FETCH, 12, encode_fetch, &q, c);
	ck_assert(c->is_out);
}

static void consume(struct life *l, struct consumer *c)
{
	struct slice body;
	int16_t version;
	void *tag;

	while (sim_client_answer(&c->client, &tag, &version, &body))
		take_fetched(l, c, body);
	if (c->client.has_ended) {
		c->is_out = false;
		c->session_id = c->session_epoch = 0;
		sim_client_connect(&c->client);
	} else if (!c->is_out) {
		send_fetch(l, c);
	}
}

/* --- a life ------------------------------------------------------------------------------------------------------------------------- */

static void connect_all(struct life *l)
{
	sim_client_connect(&l->admin);
	for (int i = 0; i < PRODUCERS; i++) {
		forget_out(&l->producers[i]);
		sim_client_connect(&l->producers[i].client);
	}
	for (int i = 0; i < CONSUMERS; i++) {
		l->consumers[i].is_out = false;
		l->consumers[i].session_id = l->consumers[i].session_epoch = 0;
		sim_client_connect(&l->consumers[i].client);
	}
}

static void close_all(struct life *l)
{
	sim_client_close(&l->admin);
	for (int i = 0; i < PRODUCERS; i++)
		sim_client_close(&l->producers[i].client);
	for (int i = 0; i < CONSUMERS; i++)
		sim_client_close(&l->consumers[i].client);
}

static void work(struct life *l, int turns)
{
	for (int i = 0; i < turns && !sim_is_dead(l->b.machine); i++) {
		uint64_t what = draw(l, 40);

		if (what < 22)
			produce(l, &l->producers[draw(l, PRODUCERS)]);
		else if (what < 37)
			consume(l, &l->consumers[draw(l, CONSUMERS)]);
		else if (what < 39)
			look_at_the_end(l);
		else if (draw(l, 6) == 0)
			administrate(l);
		else if (draw(l, 2) == 0)
			move_replica(l);
		broker_sim_run(&l->b, 1 + (int)draw(l, 20));
	}
}

static bool read_all(struct life *l)
{
	struct consumer *c = &l->consumers[0];

	memset(c->next, 0, sizeof(c->next));
	for (int32_t p = 0; p < PARTITIONS; p++) {
		int64_t end;

		if (!list_latest(l, p, &end))
			return false;
		l->latest[p] = end;
		c->has_changed[p] = true;
		for (int i = 0; c->next[p] < end; i++) {
			ck_assert_int_lt(i, 200000);
			consume(l, c);
			broker_sim_run(&l->b, 1);
			if (sim_is_dead(l->b.machine))
				return false;
		}
	}
	return true;
}

/* A batch that is in the log, once more: the answer is the old offset. */
static bool retry(struct life *l, struct producer *p, int number)
{
	struct slice body;
	int16_t version;
	void *tag;

	send_batch(l, p, number);
	for (int i = 0; p->sent[number].is_out; i++) {
		ck_assert_int_lt(i, 200000);
		if (sim_client_answer(&p->client, &tag, &version, &body)) {
			bool was = p->sent[number].is_acknowledged;

			p->sent[number].is_acknowledged = false;
			take_produced(l, p, tag, body);
			ck_assert_msg(p->sent[number].is_acknowledged, "seed %llu: a retry of batch %d is no duplicate", (unsigned long long)l->seed, number);
			p->sent[number].is_acknowledged |= was;
		}
		if (p->client.has_ended)
			return false;
		broker_sim_run(&l->b, 1);
	}
	return true;
}

static void compare(struct life *l, enum sim_crash worst)
{
	for (int i = 0; i < PRODUCERS; i++) {
		struct producer *p = &l->producers[i];

		for (int k = 0; k < p->made; k++) {
			struct sent *s = &p->sent[k];
			bool is_owed = worst == SIM_CRASH_PROCESS ? s->is_acknowledged : s->is_promised;

			ck_assert_msg(k < l->found[i] || !is_owed, "seed %llu: batch %d of producer %d was acknowledged at %lld and is gone after a %s",
			              (unsigned long long)l->seed, k, i, (long long)s->offset, worst == SIM_CRASH_PROCESS ? "crash" : "power cut");
			if (k < l->found[i])
				s->is_acknowledged = true;
			else
				*s = (struct sent){ .offset = -1 };
		}
		p->done = l->found[i];
	}
}

/* The broker is up again: is all there that should be? */
static void verify(struct life *l, enum sim_crash worst)
{
	connect_all(l);
	for (int i = 0; i < CONSUMERS; i++)
		memset(l->consumers[i].next, 0, sizeof(l->consumers[i].next));
	memset(l->found, 0, sizeof(l->found));
	l->is_verifying = true;
	ck_assert(read_all(l));
	l->is_verifying = false;
	compare(l, worst);
	for (int i = 0; i < PRODUCERS; i++) {
		for (int k = MAX(0, l->found[i] - 5); k < l->found[i]; k++)
			ck_assert(retry(l, &l->producers[i], k));
	}
}

static void make_topic(struct life *l)
{
	int16_t error;

	sim_client_connect(&l->admin);
	ck_assert(create_topic(l, TOPIC, PARTITIONS, &error));
	ck_assert_int_eq(error, NONE);
}

/* Crashes, perhaps again while it comes up, until it serves. Returns the worst. */
static enum sim_crash crash_and_restart(struct life *l)
{
	enum sim_crash worst = SIM_CRASH_PROCESS;

	while (true) {
		enum sim_crash kind = draw(l, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER;

		close_all(l);
		broker_sim_crash(&l->b, kind);
		worst = kind == SIM_CRASH_POWER ? kind : worst;
		sim_crash_after_ops(l->b.machine, draw(l, 3) == 0 ? 1 + draw(l, 30) : 0);
		if (broker_sim_start(&l->b) && !sim_is_dead(l->b.machine))
			break;
	}
	sim_crash_after_ops(l->b.machine, 0);
	return worst;
}

static const char *configs[] = {
	NULL, "listeners=PLAINTEXT://broker:9092", "num.network.threads=2", "zookeeper.session.timeout.ms=500",
	"log.segment.bytes=1500", "log.index.size.max.bytes=600", "log.index.interval.bytes=200", "log.flush.offset.checkpoint.interval.ms=150",
	"replica.high.watermark.checkpoint.interval.ms=100", "file.delete.delay.ms=100", "log.segment.delete.delay.ms=100", NULL,
};

static void life_init(struct life *l, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->seed = seed;
	l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	l->has_two_dirs = draw(l, 2) == 0;
	configs[0] = l->has_two_dirs ? "log.dirs=/data,/data2" : "log.dirs=/data";
	broker_sim_init(&l->b, seed, configs);
	sim_client_init(&l->admin, &l->b);
	for (int i = 0; i < PRODUCERS; i++) {
		struct producer *p = &l->producers[i];

		sim_client_init(&p->client, &l->b);
		p->id = -1;
		p->partition = i % PARTITIONS;
		for (int k = 0; k < BATCHES_MAX; k++)
			p->sent[k].offset = -1;
	}
	for (int i = 0; i < CONSUMERS; i++)
		sim_client_init(&l->consumers[i].client, &l->b);
}

static void life_fini(struct life *l)
{
	sim_client_fini(&l->admin);
	for (int i = 0; i < PRODUCERS; i++)
		sim_client_fini(&l->producers[i].client);
	for (int i = 0; i < CONSUMERS; i++)
		sim_client_fini(&l->consumers[i].client);
	broker_sim_fini(&l->b);
}

/*
 * Whatever it has been through: a broker that nobody asks does nothing but what its clocks say. With these configurations, which checkpoint ten times a second, that
 * is some 300 steps of all its actors in a second; one that spins takes thousands.
 */
static void rest(struct life *l)
{
	broker_sim_pass(&l->b, 20000);	/* the last connections have gone, what was deleted is purged */
	ck_assert_int_le(broker_sim_pass(&l->b, 10000), 6000);
}

/* Returns the hash of all that happened. */
static uint64_t live(uint64_t seed, int *produced, int *fetches, int *moved)
{
	static struct life l;
	uint64_t hash;

	life_init(&l, seed);
	ck_assert(broker_sim_start(&l.b));
	make_topic(&l);
	connect_all(&l);
	for (int i = 0; i < CRASHES; i++) {
		if (draw(&l, 3) != 0)
			sim_crash_after_ops(l.b.machine, 1 + draw(&l, 400));
		work(&l, 600);
		if (draw(&l, 5) == 0 && !sim_is_dead(l.b.machine)) {	/* a clean stop now and then */
			sim_crash_after_ops(l.b.machine, 0);
			close_all(&l);
			broker_sim_stop(&l.b);
			ck_assert(broker_sim_start(&l.b));
			verify(&l, SIM_CRASH_PROCESS);
		} else {
			verify(&l, crash_and_restart(&l));
		}
	}
	close_all(&l);
	rest(&l);
	broker_sim_stop(&l.b);
	hash = broker_sim_hash(&l.b);
	*produced += l.produced;
	*fetches += l.fetches;
	*moved += l.moved;
	life_fini(&l);
	return hash;
}

START_TEST(lives)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST;
	int produced = 0, fetches = 0, moved = 0;
	clock_t begin = clock();

	seeds_choose(&first, &last);
	for (uint64_t seed = first; seed <= last; seed++) {
		seeds_begin(seed);
		uint64_t hash = live(seed, &produced, &fetches, &moved);
		ck_assert_msg(hash == live(seed, &produced, &fetches, &moved), "seed %llu: two lives of one seed differ", (unsigned long long)seed);
	}
	seeds_end();
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	printf("%llu seeds twice, %d batches acknowledged, %d fetches, %d moves, %.1f s\n", (unsigned long long)(last - first + 1), produced, fetches, moved, seconds);
	ck_assert_int_gt(produced, 0);
	ck_assert_int_gt(fetches, 0);
	ck_assert(last - first < 10 || moved > 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker in simulation");
	TCase *t = tcase_create("lives");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, lives);
	suite_add_tcase(s, t);
	return seeds_run(s);
}
