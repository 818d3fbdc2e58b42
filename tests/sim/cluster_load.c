#include "cluster_load.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "record/build.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"

enum {
	KEY_PRODUCE = 0, KEY_FETCH = 1, KEY_CREATE_TOPICS = 19, KEY_DELETE_TOPICS = 20, KEY_INIT_PRODUCER_ID = 22, KEY_CREATE_PARTITIONS = 37, KEY_ELECT_LEADERS = 43,
	KEY_ALTER_REASSIGNMENTS = 45,
};

#define WRAP(api) \
	static bool encode_##api(const void *m, struct writer *w, int v) { return api##_request_encode(m, w, v); }
WRAP(produce)
WRAP(fetch)
WRAP(create_topics)
WRAP(delete_topics)
WRAP(create_partitions)
WRAP(elect_leaders)
WRAP(alter_partition_reassignments)
WRAP(init_producer_id)

static uint64_t draw(struct load *l, uint64_t n)
{
	return client_draw(&l->random, n);
}

/* --- producers ---------------------------------------------------------------------------------------------------------------------------- */

static void ask_id(struct load_sender *s)
{
	struct init_producer_id_request q;

	init_producer_id_request_init(&q);
	q.transactional_id = SLICE_NULL;
	link_ask(&s->link, KEY_INIT_PRODUCER_ID, 4, encode_init_producer_id, &q, NULL);
	s->is_asking_id = true;
}

static void take_id(struct load *l, struct load_sender *s, struct slice body)
{
	struct init_producer_id_response a;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 16);
	ck_assert(init_producer_id_response_decode(&a, &r, 4, &arena));
	s->is_asking_id = false;
	if (a.error_code == NONE) {
		for (int i = 0; i < LOAD_SENDERS; i++)
			CLUSTER_CHECK(l->c, l->senders[i].producer_id != a.producer_id, "producer id %lld is given twice", (long long)a.producer_id);
		s->producer_id = a.producer_id;
	} else {
		s->link.is_wrong = true;
	}
	arena_fini(&arena);
}

static struct slice build_batch(const struct load_sender *s, const struct load_batch *b, struct strbuf *out)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct slice batch;
	char value[120];

	if (s->kind == SENDER_IDEMPOTENT) {
		spec.producer_id = s->producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = s->sequences[b->number];
	}
	batch_build_begin(&builder, &spec, NULL, out, 4096);
	for (int i = 0; i < b->records; i++) {
		snprintf(value, sizeof(value), "%d/%d/%d %.*s", s->number, b->number, i, (s->number * 7 + b->number * 13) % 60,
		         "............................................................");
		batch_build_add(&builder, 1700000000000 + b->number, SLICE_NULL, slice_str(value), NULL, 0);
	}
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	return batch;
}

static void send_batch(struct load *l, struct load_sender *s, struct load_batch *b)
{
	struct strbuf out = STRBUF_INIT;
	struct slice batch = build_batch(s, b, &out);
	struct produce_request q;
	struct produce_request_topic_data t;
	struct produce_request_partition_data d;

	produce_request_init(&q);
	produce_request_topic_data_init(&t);
	produce_request_partition_data_init(&d);
	q.transactional_id = SLICE_NULL;
	q.acks = s->kind == SENDER_HASTY ? 1 : -1;
	q.timeout_ms = 50 + (int32_t)draw(l, 600);
	q.topic_data = &t;
	q.topic_data_count = 1;
	t.name = SLICE_LIT(LOAD_TOPIC);
	t.partition_data = &d;
	t.partition_data_count = 1;
	d.index = s->partition;
	d.records = (struct wire_records){ .ptr = batch.ptr, .len = (uint32_t)batch.len };
	link_ask(&s->link, KEY_PRODUCE, 9, encode_produce, &q, b);
	b->crc = batch_crc(batch.ptr);
	b->fate = FATE_OUT;
	s->out++;
	strbuf_fini(&out);
}

static struct load_batch *make_batch(struct load *l, struct load_sender *s)
{
	struct load_batch *b = &s->batches[s->made];

	*b = (struct load_batch){ .sender = s, .number = s->made, .records = 1 + (draw(l, 5) == 0 ? (int)draw(l, 3) : 0), .offset = -1 };
	s->sequences[s->made++] = s->sequence;
	s->sequence += b->records;
	return b;
}

/* An answer to acks=all: the records are committed, just where it says. */
static void check_promise(struct load *l, const struct load_sender *s, const struct load_batch *b)
{
	const struct seen_partition *p = cluster_watch_find(l->w, LOAD_TOPIC, s->partition);

	CLUSTER_CHECK(l->c, p != NULL && p->committed_end >= b->offset + b->records, "batch %d of sender %d is acknowledged at %lld, which is not committed: %lld is",
	              b->number, s->number, (long long)b->offset, p == NULL ? -1LL : (long long)p->committed_end);
	CLUSTER_CHECK(l->c, p->committed[b->offset].crc == b->crc, "batch %d of sender %d is acknowledged at %lld, where another batch is", b->number, s->number,
	              (long long)b->offset);
}

static void decide(struct load *l, struct load_sender *s, struct load_batch *b, enum kafka_error error, int64_t offset)
{
	s->out--;
	if (error == NONE) {
		CLUSTER_CHECK(l->c, b->offset < 0 || b->offset == offset, "batch %d of sender %d is acknowledged at %lld and at %lld", b->number, s->number,
		              (long long)b->offset, (long long)offset);
		b->fate = FATE_ACKNOWLEDGED;
		b->offset = offset;
		l->acknowledged++;
		if (s->kind != SENDER_HASTY)
			check_promise(l, s, b);
		return;
	}
	switch ((int)error) {
	case NOT_ENOUGH_REPLICAS:
		l->refused++;
		b->fate = FATE_REFUSED;
		break;
	case NOT_LEADER_OR_FOLLOWER: case UNKNOWN_TOPIC_OR_PARTITION: case KAFKA_STORAGE_ERROR:
		s->link.is_wrong = true;
		b->fate = FATE_UNKNOWN;
		break;
	case REQUEST_TIMED_OUT:		/* perhaps from one who was leader once, and does not know better: now and then a client asks who is */
		s->link.is_wrong = draw(l, 3) == 0;
		b->fate = FATE_UNKNOWN;
		break;
	case NOT_ENOUGH_REPLICAS_AFTER_APPEND: case OUT_OF_ORDER_SEQUENCE_NUMBER:
		b->fate = FATE_UNKNOWN;
		break;
	default:
		cluster_fail(l->c, "produce is answered with %s", kafka_error_name((int16_t)error));
	}
	if (s->kind == SENDER_IDEMPOTENT)
		b->fate = FATE_UNSENT;
}

static void take_produced(struct load *l, struct load_sender *s, struct load_batch *b, struct slice body)
{
	struct produce_response a;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 16);
	ck_assert(produce_response_decode(&a, &r, 9, &arena));
	const struct produce_response_partition_response *x = &a.responses[0].partition_responses[0];
	decide(l, s, b, (enum kafka_error)x->error_code, x->base_offset);
	arena_fini(&arena);
}

static void lose_answers(struct load_sender *s)
{
	s->is_asking_id = false;
	s->out = 0;
	for (int i = s->done; i < s->made; i++) {
		if (s->batches[i].fate == FATE_OUT)
			s->batches[i].fate = s->kind == SENDER_IDEMPOTENT ? FATE_UNSENT : FATE_UNKNOWN;
	}
}

static void settle(struct load_sender *s)
{
	while (s->done < s->made && s->batches[s->done].fate >= FATE_ACKNOWLEDGED)
		s->done++;
}

static bool has_unsent(const struct load_sender *s)
{
	for (int i = s->done; i < s->made; i++) {
		if (s->batches[i].fate == FATE_UNSENT)
			return true;
	}
	return false;
}

/*
 * A log that knows nothing of a producer takes any sequence as its first, as in Kafka: were the first batch refused (NOT_ENOUGH_REPLICAS) and the second one taken, the first could
 * never be written any more. So until one is acknowledged only one is under way.
 */
static int out_max(const struct load_sender *s)
{
	return s->kind == SENDER_IDEMPOTENT && s->done == 0 ? 1 : LOAD_OUT;
}

/* As clients do: what was not acknowledged is sent again in order, when nothing is under way, before anything new. */
static void send_what_there_is(struct load *l, struct load_sender *s)
{
	struct load_batch *unsent[LOAD_OUT];
	int n = 0;

	if (has_unsent(s)) {
		for (int i = s->done; s->out == 0 && i < s->made; i++) {
			if (s->batches[i].fate == FATE_UNSENT)
				unsent[n++] = &s->batches[i];
		}
		for (int i = 0; i < n; i++)
			send_batch(l, s, unsent[i]);
	} else if (!l->is_ending && s->out < out_max(s) && s->made - s->done < out_max(s) && s->made < s->limit && draw(l, 3) == 0) {
		send_batch(l, s, make_batch(l, s));
	}
}

static void produce(struct load *l, struct load_sender *s)
{
	struct slice body;
	bool has_gone;
	void *tag;

	while (link_answer(&s->link, &tag, &body)) {
		if (tag == NULL)
			take_id(l, s, body);
		else
			take_produced(l, s, tag, body);
	}
	bool is_there = link_tend(&s->link, &has_gone);
	if (has_gone)
		lose_answers(s);
	settle(s);
	if (!is_there || s->link.is_wrong || s->is_asking_id)
		return;
	if (s->kind == SENDER_IDEMPOTENT && s->producer_id < 0)
		ask_id(s);
	else
		send_what_there_is(l, s);
}

/* --- consumers ---------------------------------------------------------------------------------------------------------------------------- */

static void check_read(struct load *l, struct load_reader *r, const struct seen_partition *p, struct slice bytes, int64_t high_watermark)
{
	int64_t *next = &r->next[r->partition];
	struct slice batch;

	CLUSTER_CHECK(l->c, high_watermark <= p->committed_end, "broker %d shows consumers a high watermark of %lld, committed is only %lld", r->link.node + 1,
	              (long long)high_watermark, (long long)p->committed_end);
	while (batch_next(&bytes, &batch) == OK) {
		CLUSTER_CHECK(l->c, batch_check_crc(batch), "broker %d sends consumers a damaged batch", r->link.node + 1);
		if (batch_last_offset(batch.ptr) < *next)
			continue;	/* the batch that holds the offset asked for comes whole */
		CLUSTER_CHECK(l->c, batch_last_offset(batch.ptr) < p->committed_end && batch_base_offset(batch.ptr) <= *next,
		              "broker %d sends consumers records %lld to %lld after %lld; committed is %lld", r->link.node + 1, (long long)batch_base_offset(batch.ptr),
		              (long long)batch_last_offset(batch.ptr), (long long)*next, (long long)p->committed_end);
		for (; *next <= batch_last_offset(batch.ptr); ++*next) {
			const struct seen_record *x = &p->committed[*next];

			CLUSTER_CHECK(l->c, x->crc == batch_crc(batch.ptr) && x->epoch == batch_leader_epoch(batch.ptr),
			              "broker %d sends consumers another record at %lld than was committed", r->link.node + 1, (long long)*next);
			l->read++;
		}
	}
}

static void take_fetched(struct load *l, struct load_reader *r, struct slice body)
{
	const struct seen_partition *p = cluster_watch_find(l->w, LOAD_TOPIC, r->partition);
	struct reader in = reader_of(body);
	struct fetch_response a;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	ck_assert(fetch_response_decode(&a, &in, 12, &arena));
	r->is_out = false;
	r->link.is_wrong = a.error_code != NONE || draw(l, 10) == 0;
	if (a.error_code == NONE) {
		ck_assert_int_eq(a.responses_count, 1);
		const struct fetch_response_partition *x = &a.responses[0].partitions[0];

		if (x->error_code != NONE)
			r->link.is_wrong = true;
		else if (x->records.ptr != NULL && p != NULL)
			check_read(l, r, p, slice_of(x->records.ptr, x->records.len), x->high_watermark);
	}
	arena_fini(&arena);
}

static void send_fetch(struct load *l, struct load_reader *r)
{
	struct fetch_request q;
	struct fetch_request_topic t;
	struct fetch_request_partition p;

	r->partition = (int)draw(l, LOAD_PARTITIONS);
	fetch_request_init(&q);
	fetch_request_topic_init(&t);
	fetch_request_partition_init(&p);
	q.max_wait_ms = 50 + (int32_t)draw(l, 100);
	q.min_bytes = 1;
	q.max_bytes = 500 + (int32_t)draw(l, 100000);
	q.session_epoch = -1;
	q.topics = &t;
	q.topics_count = 1;
	t.topic = SLICE_LIT(LOAD_TOPIC);
	t.partitions = &p;
	t.partitions_count = 1;
	p.partition = r->partition;
	p.fetch_offset = r->next[r->partition];
	p.partition_max_bytes = 100 + (int32_t)draw(l, 5000);
	link_ask(&r->link, KEY_FETCH, 12, encode_fetch, &q, r);
	r->is_out = true;
}

static bool has_read_all(struct load *l, const struct load_reader *r)
{
	for (int i = 0; i < LOAD_PARTITIONS; i++) {
		const struct seen_partition *p = cluster_watch_find(l->w, LOAD_TOPIC, i);

		if (p != NULL && r->next[i] < p->committed_end)
			return false;
	}
	return true;
}

static void consume(struct load *l, struct load_reader *r)
{
	struct slice body;
	bool has_gone;
	void *tag;

	while (link_answer(&r->link, &tag, &body))
		take_fetched(l, r, body);
	bool is_there = link_tend(&r->link, &has_gone);
	if (has_gone)
		r->is_out = false;
	if (is_there && !r->link.is_wrong && !r->is_out && !(l->is_ending && has_read_all(l, r)))
		send_fetch(l, r);
}

/* --- the operator ------------------------------------------------------------------------------------------------------------------------- */

static void ask_create(struct load *l, const char *name, int32_t partitions)
{
	struct create_topics_request_topic t;
	struct create_topics_request q;

	create_topics_request_init(&q);
	create_topics_request_topic_init(&t);
	t.name = slice_str(name);
	t.num_partitions = partitions;
	t.replication_factor = 3;
	q.topics = &t;
	q.topics_count = 1;
	q.timeout_ms = 500;
	link_ask(&l->operator.link, KEY_CREATE_TOPICS, 7, encode_create_topics, &q, l);
}

static void ask_delete(struct load *l, const char *name)
{
	struct delete_topics_request_topic t;
	struct delete_topics_request q;

	delete_topics_request_init(&q);
	delete_topics_request_topic_init(&t);
	t.name = slice_str(name);
	q.topics = &t;
	q.topics_count = 1;
	q.timeout_ms = 500;
	link_ask(&l->operator.link, KEY_DELETE_TOPICS, 6, encode_delete_topics, &q, l);
}

static void ask_grow(struct load *l, const char *name, int32_t to)
{
	struct create_partitions_request_topic t;
	struct create_partitions_request q;

	create_partitions_request_init(&q);
	create_partitions_request_topic_init(&t);
	t.name = slice_str(name);
	t.count = to;
	t.assignments = NULL;
	t.assignments_count = -1;
	q.topics = &t;
	q.topics_count = 1;
	q.timeout_ms = 500;
	link_ask(&l->operator.link, KEY_CREATE_PARTITIONS, 3, encode_create_partitions, &q, l);
}

/* count < 0: what is under way is taken back. */
static void ask_move(struct load *l, int partition, const int32_t *replicas, int count)
{
	struct alter_partition_reassignments_request_partition p;
	struct alter_partition_reassignments_request_topic t;
	struct alter_partition_reassignments_request q;

	alter_partition_reassignments_request_init(&q);
	alter_partition_reassignments_request_topic_init(&t);
	alter_partition_reassignments_request_partition_init(&p);
	p.partition_index = partition;
	p.replicas = count < 0 ? NULL : (int32_t *)replicas;
	p.replicas_count = count;
	t.name = SLICE_LIT(LOAD_TOPIC);
	t.partitions = &p;
	t.partitions_count = 1;
	q.topics = &t;
	q.topics_count = 1;
	q.timeout_ms = 500;
	link_ask(&l->operator.link, KEY_ALTER_REASSIGNMENTS, 0, encode_alter_partition_reassignments, &q, l);
}

/* To three replicas, now and then two, in any order. */
static void ask_any_move(struct load *l)
{
	int32_t ids[CLUSTER_NODES_MAX], n = l->c->node_count;

	for (int32_t i = 0; i < n; i++)
		ids[i] = i + 1;
	for (int32_t i = n - 1; i > 0; i--) {
		int32_t k = (int32_t)draw(l, (uint64_t)i + 1), id = ids[i];

		ids[i] = ids[k];
		ids[k] = id;
	}
	int partition = (int)draw(l, LOAD_PARTITIONS);
	ask_move(l, partition, ids, draw(l, 5) == 0 ? -1 : draw(l, 4) == 0 ? 2 : 3);
}

static void ask_elect(struct load *l)
{
	struct elect_leaders_request q;

	elect_leaders_request_init(&q);
	q.topic_partitions = NULL;
	q.topic_partitions_count = -1;
	q.timeout_ms = 500;
	link_ask(&l->operator.link, KEY_ELECT_LEADERS, 2, encode_elect_leaders, &q, l);
}

static void ask_something(struct load *l)
{
	char name[8];

	snprintf(name, sizeof(name), "x%d", (int)draw(l, 2));
	switch (draw(l, 8)) {
	case 0: case 1: ask_create(l, name, 1); break;
	case 2: case 3: ask_delete(l, name); break;
	case 4:         ask_grow(l, name, 2); break;
	case 5: case 6: ask_any_move(l); break;
	default:        ask_elect(l); break;
	}
}

static void take_order(struct load *l, int16_t key, struct slice body)
{
	struct load_operator *o = &l->operator;
	struct alter_partition_reassignments_response moved;
	struct elect_leaders_response elected;
	struct reader r = reader_of(body);
	struct arena arena;

	arena_init(&arena, 1 << 18);
	if (key == KEY_ALTER_REASSIGNMENTS && o->is_move_wanted) {
		ck_assert(alter_partition_reassignments_response_decode(&moved, &r, 0, &arena));
		o->is_move_wanted = o->link.is_wrong = moved.error_code != NONE;
	} else if (key == KEY_ELECT_LEADERS && o->is_election_wanted) {
		ck_assert(elect_leaders_response_decode(&elected, &r, 2, &arena));
		o->is_election_wanted = o->link.is_wrong = elected.error_code != NONE;
	}
	arena_fini(&arena);
}

static void take_operated(struct load *l, int16_t key, struct slice body)
{
	struct load_operator *o = &l->operator;
	struct create_topics_response a;
	struct reader r = reader_of(body);
	struct arena arena;

	o->is_out = false;
	l->altered++;
	o->link.is_wrong = draw(l, 2) == 0;
	take_order(l, key, body);
	if (key != KEY_CREATE_TOPICS || o->has_topic)
		return;
	arena_init(&arena, 1 << 18);
	ck_assert(create_topics_response_decode(&a, &r, 7, &arena));
	o->has_topic = a.topics[0].error_code == NONE || a.topics[0].error_code == TOPIC_ALREADY_EXISTS;
	o->link.is_wrong = !o->has_topic;
	arena_fini(&arena);
}

static void operate(struct load *l)
{
	struct load_operator *o = &l->operator;
	struct slice body;
	bool has_gone;
	void *tag;

	while (link_answer(&o->link, &tag, &body))
		take_operated(l, o->key, body);
	bool is_there = link_tend(&o->link, &has_gone);
	if (has_gone)
		o->is_out = false;
	if (!is_there || o->is_out || o->link.is_wrong ||
	    (o->has_topic && !load_has_orders(l) && (!l->may_alter || l->is_ending || --o->quiet > 0)))
		return;
	o->quiet = 10 + (int)draw(l, 60);
	if (!o->has_topic)
		ask_create(l, LOAD_TOPIC, LOAD_PARTITIONS);
	else if (o->is_move_wanted)
		ask_move(l, o->move_partition, o->move_to, o->move_count);
	else if (o->is_election_wanted)
		ask_elect(l);
	else
		ask_something(l);
	o->key = o->link.client.asked[0].key;
	o->is_out = true;
}

/* --- the actor ---------------------------------------------------------------------------------------------------------------------------- */

static int load_step(struct actor *a, mono_ms now)
{
	struct load *l = CONTAINER_OF(a, struct load, actor);
	uint64_t who = draw(l, LOAD_SENDERS + LOAD_READERS + 1);

	if (who < LOAD_SENDERS && l->operator.has_topic)
		produce(l, &l->senders[who]);
	else if (who >= LOAD_SENDERS && who < LOAD_SENDERS + LOAD_READERS && l->operator.has_topic)
		consume(l, &l->readers[who - LOAD_SENDERS]);
	else
		operate(l);
	a->deadline = a->stop_wanted ? MONO_NEVER : now + 1 + (mono_ms)draw(l, 3);
	return 0;
}

static const struct actor_ops load_ops = { .module = "load", .step = load_step };

void load_init(struct load *l, struct cluster_sim *c, struct cluster_watch *w)
{
	memset(l, 0, sizeof(*l));
	l->c = c;
	l->w = w;
	l->random = c->seed * UINT64_C(0xd1342543de82ef95) + 1;
	for (int i = 0; i < LOAD_SENDERS; i++) {
		struct load_sender *s = &l->senders[i];

		s->number = i;
		s->kind = i < 2 ? SENDER_IDEMPOTENT : i < 3 ? SENDER_PLAIN : SENDER_HASTY;
		s->partition = i % LOAD_PARTITIONS;
		s->producer_id = -1;
		s->limit = 20 + (int)draw(l, LOAD_BATCHES - 20);
		link_init(&s->link, c, &l->random);
	}
	for (int i = 0; i < LOAD_READERS; i++)
		link_init(&l->readers[i].link, c, &l->random);
	link_init(&l->operator.link, c, &l->random);
	actor_init(&l->actor, c->sched, &load_ops, LANE_NONE, "load");
	ck_assert_int_eq(actor_start(&l->actor, 0), OK);
}

void load_fini(struct load *l)
{
	actor_stop(&l->actor);
	actor_join(&l->actor);
	actor_fini(&l->actor);
	for (int i = 0; i < LOAD_SENDERS; i++)
		sim_client_fini(&l->senders[i].link.client);
	for (int i = 0; i < LOAD_READERS; i++)
		sim_client_fini(&l->readers[i].link.client);
	sim_client_fini(&l->operator.link.client);
}

void load_wind_down(struct load *l)
{
	l->is_ending = true;
	l->operator.is_move_wanted = l->operator.is_election_wanted = false;
}

void load_order_move(struct load *l, int partition, const int32_t *replicas, int count)
{
	struct load_operator *o = &l->operator;

	o->is_move_wanted = true;
	o->move_partition = partition;
	o->move_count = count;
	memcpy(o->move_to, replicas, (size_t)count * sizeof(o->move_to[0]));
}

void load_order_election(struct load *l)
{
	l->operator.is_election_wanted = true;
}

bool load_has_orders(const struct load *l)
{
	return l->operator.is_move_wanted || l->operator.is_election_wanted;
}

bool load_is_done(const struct load *l, char why[256])
{
	for (int i = 0; i < LOAD_SENDERS; i++) {
		const struct load_sender *s = &l->senders[i];

		if (s->done < s->made) {
			snprintf(why, 256, "sender %d has %d of %d batches decided", s->number, s->done, s->made);
			return false;
		}
	}
	return true;
}

void load_read_again(struct load *l)
{
	for (int i = 0; i < LOAD_READERS; i++) {
		memset(l->readers[i].next, 0, sizeof(l->readers[i].next));
		l->readers[i].is_out = false;
		link_close(&l->readers[i].link);
	}
}

bool load_has_read(struct load *l, char why[256])
{
	for (int i = 0; i < LOAD_READERS; i++) {
		if (!has_read_all(l, &l->readers[i])) {
			snprintf(why, 256, "consumer %d does not see all there is", i);
			return false;
		}
	}
	return true;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------------------ */

/* How often the batch is among the committed records, and where it was last. */
static int count_batch(const struct seen_partition *p, const struct load_batch *b, int64_t *at)
{
	int n = 0;

	for (int64_t i = 0; i < p->committed_end; i++) {
		if (p->committed[i].crc != b->crc || p->committed[i].producer_id != (b->sender->kind == SENDER_IDEMPOTENT ? b->sender->producer_id : NO_PRODUCER_ID))
			continue;
		n++;
		*at = i;
		i += b->records - 1;
	}
	return n;
}

static void compare_sender(struct load *l, const struct load_sender *s)
{
	const struct seen_partition *p = cluster_watch_find(l->w, LOAD_TOPIC, s->partition);
	int64_t last = -1;

	for (int i = 0; i < s->made; i++) {
		const struct load_batch *b = &s->batches[i];
		int64_t at = -1;
		int n = count_batch(p, b, &at);

		CLUSTER_CHECK(l->c, n <= 1, "batch %d of sender %d is in the log %d times", i, s->number, n);
		if (s->kind == SENDER_HASTY)
			continue;
		CLUSTER_CHECK(l->c, b->fate != FATE_ACKNOWLEDGED || (n == 1 && at == b->offset), "batch %d of sender %d was acknowledged at %lld; it is at %lld", i, s->number,
		              (long long)b->offset, (long long)at);
		CLUSTER_CHECK(l->c, b->fate != FATE_REFUSED || n == 0, "batch %d of sender %d was refused; it is at %lld", i, s->number, (long long)at);
		CLUSTER_CHECK(l->c, s->kind != SENDER_IDEMPOTENT || at > last, "batch %d of sender %d is at %lld, the one before it at %lld", i, s->number, (long long)at,
		              (long long)last);
		last = at;
	}
}

void load_compare(struct load *l)
{
	for (int i = 0; i < LOAD_SENDERS; i++)
		compare_sender(l, &l->senders[i]);
}
