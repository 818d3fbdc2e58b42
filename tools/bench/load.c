/*
 * skein bench produce and e2e: records at a rate that is fixed beforehand, or as fast as they are taken.
 *
 * The schedule is an arithmetic of the record's number, and never moves: what could not be sent in time is sent as soon as it can, with the time at which it was due in its
 * value, and its latency counts from there. So a broker that stands still for 200 ms shows in all records of these 200 ms, not only in the one that happened to be under way.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "peers.h"

#define START_NS     50000000	/* from the decision to begin to the first record */
#define ANSWERS_MS   30000	/* for what is under way when the last record has been sent */
#define READY_MS     30000
#define STEP_MS      100
#define PROGRESS_NS  1000000000
#define PENDING_MAX  1000000	/* as fast as they are taken: records of one connection */
#define STAMP_BYTES  16		/* of a value: the run's number, the time at which it was due */
#define RECORD_BYTES 20		/* around a value, about */
#define VALUES_BYTES ((int64_t)8 << 20)	/* zstd looks back so far at its default level */
#define SEND_AT_ONCE 256	/* records between two turns */
#define IDEMPOTENT_IN_FLIGHT 5	/* for whose sequence numbers a broker remembers so many batches */

struct writer_peer {
	struct load     *load;
	struct peer     *peer;
	struct producer *producer;
};

struct load {
	struct bench     *b;
	struct peers      peers;
	struct writer_peer *writers;
	int               writer_count;
	struct consumer  *consumer;	/* of a client of its own; NULL: nobody reads */
	uint64_t          id;
	uint8_t          *values;	/* one behind the other */
	int64_t           value_count;
	char            (*topics)[300];
	int64_t           pending_max;
	mono_ns           zero, counted_from, ends;	/* of the schedule */
	int64_t           total, sent;	/* total: INT64_MAX as fast as they are taken */
	bool              is_blocked;	/* the next record was not taken; until an answer comes */
	int64_t           answered, failed, arrived;	/* all of them */
	int64_t           acked;	/* those that count */
	mono_ns           last_ack;
	struct histogram  ack, end_to_end, since;	/* since: the last line of progress */
	struct client_error error;
};

static mono_ns now_ns(void) { return os_mono_ns(os_real()); }

/* When record i should be sent. */
static mono_ns due(const struct load *l, int64_t i)
{
	return l->zero + (mono_ns)((double)i * 1e9 / l->b->rate);
}

/* ---- what comes back ---- */

static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct load *l = ((struct writer_peer *)arg)->load;
	mono_ns was_due = (intptr_t)d->tag, now = now_ns();

	l->answered++;
	l->is_blocked = false;
	if (d->error->err != OK) {
		if (l->failed++ == 0)
			l->error = *d->error;
		return;
	}
	if (was_due < l->counted_from)
		return;
	l->acked++;
	l->last_ack = now;
	histogram_add(&l->ack, (uint64_t)MAX(now - was_due, 0));
	histogram_add(&l->since, (uint64_t)MAX(now - was_due, 0));
}

static void read_arrived(struct load *l)
{
	struct consumer_event e;

	while (consumer_next(l->consumer, &e)) {
		if (e.kind == CONSUMER_FAILED) {
			l->error = *e.error;
			l->b->code = tool_fail(e.error);
		}
		if (e.kind != CONSUMER_RECORD || e.record.value.len < STAMP_BYTES || load_be64(e.record.value.ptr) != l->id)
			continue;
		mono_ns was_due = (mono_ns)load_be64(e.record.value.ptr + 8);
		l->arrived++;
		if (was_due >= l->counted_from)
			histogram_add(&l->end_to_end, (uint64_t)MAX(now_ns() - was_due, 0));
	}
}

/* ---- what goes out ---- */

/* False: not now, or not at all (b->code). */
static bool send_one(struct load *l, mono_ns was_due)
{
	struct bench *b = l->b;
	struct writer_peer *p = &l->writers[l->sent % l->writer_count];
	struct client_error error;
	uint8_t *value = l->values + (l->sent % l->value_count) * b->size;
	char key[24];
	struct producer_record r = {
		.topic = slice_str(l->topics[l->sent / l->writer_count % b->topics]), .partition = PRODUCER_PARTITION_ANY, .key = SLICE_NULL,
		.value = slice_of(value, (size_t)b->size), .timestamp = -1, .tag = (void *)(intptr_t)was_due,
	};

	if (b->rate == 0 && producer_pending(p->producer) >= l->pending_max)
		return false;
	store_be64(value + 8, (uint64_t)was_due);
	if (b->keys > 0) {
		snprintf(key, sizeof(key), "key-%010lld", (long long)(l->sent % b->keys));
		r.key = slice_str(key);
	}
	enum err e = producer_send(p->producer, &r, &error);
	if (e == OK) {
		l->sent++;
		p->peer->is_ready = true;
	} else if (e != ERR_AGAIN) {
		b->code = tool_fail(&error);
	}
	return e == OK;
}

static bool is_all_sent(const struct load *l)
{
	if (tool_is_stopped() || l->b->code != EXIT_OK || l->sent >= l->total)
		return true;
	return l->b->rate == 0 && l->ends != MONO_NEVER && now_ns() >= l->ends;
}

/* Sends what is due, as far as it is taken. False: more is due, after a turn. */
static bool send_due(struct load *l)
{
	for (int n = 0; !l->is_blocked && !is_all_sent(l); n++) {
		mono_ns now = now_ns(), was_due = l->b->rate > 0 ? due(l, l->sent) : now;
		if (was_due > now)
			return true;
		if (n == SEND_AT_ONCE)
			return false;
		if (!send_one(l, was_due))
			l->is_blocked = true;
	}
	return true;
}

/* ---- turning ---- */

static void turn(struct load *l, bool may_sleep)
{
	bool waits = l->b->rate > 0 && !l->is_blocked && !is_all_sent(l);

	/* When nothing has happened, time has passed, and a full client may have room again. */
	if (!peers_turn(&l->peers, waits ? due(l, l->sent) : MONO_NEVER, may_sleep))
		l->is_blocked = false;
	if (l->consumer != NULL)
		read_arrived(l);
}

static void say_progress(struct load *l, mono_ns *next)
{
	mono_ns now = now_ns();
	double seconds = (double)(now - l->zero) / 1e9;

	if (now < *next)
		return;
	if (*next - PROGRESS_NS < l->counted_from)
		bench_progress("%5.0f s  warming up, under way %lld", seconds, (long long)(l->sent - l->answered));
	else if (l->since.count == 0)
		bench_progress("%5.0f s  no answers, under way %lld", seconds, (long long)(l->sent - l->answered));
	else
		bench_progress("%5.0f s  %10.0f records/s  p50 %.0f us  p99 %.0f us  max %.0f us  under way %lld", seconds,
			       (double)l->since.count, (double)histogram_at(&l->since, 0.5) / 1e3, (double)histogram_at(&l->since, 0.99) / 1e3,
			       (double)l->since.max / 1e3, (long long)(l->sent - l->answered));
	memset(&l->since, 0, sizeof(l->since));
	*next += PROGRESS_NS;
}

static bool is_all_here(const struct load *l)
{
	return l->answered >= l->sent && (l->consumer == NULL || l->arrived >= l->answered - l->failed);
}

static void run(struct load *l)
{
	struct bench *b = l->b;
	mono_ns progress_at = l->zero + PROGRESS_NS;

	while (!is_all_sent(l)) {
		turn(l, send_due(l));
		say_progress(l, &progress_at);
	}
	for (int i = 0; i < l->writer_count; i++)
		producer_push(l->writers[i].producer);
	mono_ms deadline = os_mono_ms(os_real()) + ANSWERS_MS;
	while (!is_all_here(l) && os_mono_ms(os_real()) < deadline && b->code == EXIT_OK) {
		turn(l, true);
		say_progress(l, &progress_at);
	}
	bench_progress("%s", "");
}

/* ---- beginning ---- */

static bool add_writer(struct load *l, struct writer_peer *p)
{
	struct bench *b = l->b;
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct client_error error;

	p->load = l;
	p->peer = peers_add(&l->peers, &b->code);
	if (p->peer == NULL)
		return false;
	l->writer_count++;
	spec.acks = b->acks;
	spec.is_idempotent = b->acks == PRODUCER_ACKS_ALL;
	spec.codec = b->codec;
	spec.batch_size = b->batch_size;
	spec.linger_ms = b->linger_ms;
	spec.in_flight_max = MIN(b->in_flight_asked, spec.is_idempotent ? IDEMPOTENT_IN_FLIGHT : b->in_flight_asked);
	spec.request_size_max = MAX(spec.request_size_max, b->batch_size + b->size + 4096);
	spec.buffer_memory = MAX(spec.buffer_memory, 8 * (int64_t)spec.request_size_max);
	spec.on_delivery = on_delivery;
	spec.arg = p;
	if (producer_create(&p->producer, p->peer->client, &spec, &error) != OK) {
		b->code = tool_fail(&error);
		return false;
	}
	for (int i = 0; i < b->topics; i++) {
		if (bench_topic(b, p->peer->client, l->topics[i]) == NULL)
			return false;
	}
	return true;
}

/* Reads on from where the topics end now, all of it. */
static bool add_reader(struct load *l)
{
	struct peer *p = peers_add(&l->peers, &l->b->code);
	struct consumer_spec spec = CONSUMER_SPEC_INIT;
	mono_ms deadline = os_mono_ms(os_real()) + READY_MS;
	struct consumer_position at;

	if (p == NULL)
		return false;
	spec.partition_bytes_max = l->b->fetch_bytes;
	consumer_create(&l->consumer, p->client, &spec);
	for (int i = 0; i < l->b->topics; i++) {
		const struct client_topic *t = bench_topic(l->b, p->client, l->topics[i]);
		for (int32_t n = 0; t != NULL && n < t->partition_count; n++)
			consumer_assign(l->consumer, l->topics[i], n, CONSUMER_LATEST);
		if (t == NULL)
			return false;
	}
	for (const struct consumer_partition *c = NULL; consumer_next_position(l->consumer, &c, &at);) {
		while (at.offset < 0) {
			if (tool_is_stopped() || os_mono_ms(os_real()) >= deadline) {
				tool_say("topic %s: where partition %d ends is not known", at.topic, at.partition);
				l->b->code = EXIT_TIMED_OUT;
				return false;
			}
			client_step(p->client, STEP_MS);
			if (!consumer_position(l->consumer, at.topic, at.partition, &at))
				break;
		}
	}
	return true;
}

static bool prepare(struct load *l, bool reads)
{
	struct bench *b = l->b;
	int64_t per_batch = MAX(1, b->batch_size / (b->size + RECORD_BYTES));

	/* By what was asked for, whatever the topic has: figures of before stay comparable. */
	l->pending_max = MIN(PENDING_MAX, per_batch * (b->in_flight_asked + 1) * b->partitions * b->topics);
	if (!bench_connect(b) || !bench_make_topics(b))
		return false;
	l->topics = mem_calloc((size_t)b->topics, sizeof(*l->topics));
	for (int i = 0; i < b->topics; i++)
		bench_topic_name(b, i, l->topics[i]);
	if (peers_init(&l->peers, b->connections + 1) != OK) {
		tool_say("there is nothing to wait with: %m");
		b->code = EXIT_FAILED;
		return false;
	}
	l->writers = mem_calloc((size_t)b->connections, sizeof(*l->writers));
	for (int i = 0; i < b->connections; i++) {
		if (!add_writer(l, &l->writers[i]))
			return false;
	}
	return !reads || add_reader(l);
}

/* Partitions of our topics that this broker leads; no more than max. */
static int32_t count_led(struct load *l, int32_t leader, int32_t max)
{
	int32_t led = 0;

	for (int i = 0; i < l->b->topics && led < max; i++) {
		const struct client_topic *t = client_topic(l->b->client, slice_str(l->topics[i]));
		for (int32_t n = 0; n < t->partition_count && led < max; n++)
			led += t->partitions[n].leader == leader;
	}
	return led;
}

/*
 * How many requests a connection can have under way at one broker, whatever was asked for: with sequence numbers so many as the broker can tell apart; without them one per
 * partition, because a second one might overtake a first that has to be repeated.
 */
static void tell_in_flight(struct load *l)
{
	struct bench *b = l->b;
	int32_t asked = b->in_flight_asked;

	if (b->acks == PRODUCER_ACKS_ALL) {
		b->in_flight = MIN(asked, IDEMPOTENT_IN_FLIGHT);
		if (b->in_flight < asked && b->is_in_flight_typed)
			tool_say("--in-flight %d: there are %d at most, because with --acks all the producer is idempotent", asked, b->in_flight);
		return;
	}
	for (int i = 0; i < b->topics && b->in_flight < asked; i++) {
		const struct client_topic *t = client_topic(b->client, slice_str(l->topics[i]));
		for (int32_t n = 0; n < t->partition_count && b->in_flight < asked; n++)
			b->in_flight = MAX(b->in_flight, count_led(l, t->partitions[n].leader, asked));
	}
	if (b->in_flight < asked && b->is_in_flight_typed)
		tool_say("--in-flight %d: there are %d at most, one per partition, because with --acks %d nothing else keeps records in order", asked, b->in_flight, b->acks);
}

/* Half of each is easy to compress, the other half random; more of them than a codec looks back for, because it would find one value again and again. */
static void fill_values(struct load *l)
{
	size_t size = (size_t)l->b->size;

	os_random(os_real(), &l->id, sizeof(l->id));
	l->value_count = VALUES_BYTES / (int64_t)size + 1;
	l->values = mem_alloc((size_t)l->value_count * size);
	os_random(os_real(), l->values, (size_t)l->value_count * size);
	for (int64_t i = 0; i < l->value_count; i++) {
		uint8_t *value = l->values + (size_t)i * size;

		memset(value + size / 2, '.', size - size / 2);
		store_be64(value, l->id);
	}
}

static void set_schedule(struct load *l)
{
	struct bench *b = l->b;
	int64_t first = (int64_t)(b->warm_up * b->rate + 1 - 1e-6);	/* that counts: rounded up, but not for an error in the last digit */

	l->zero = now_ns() + START_NS;
	l->counted_from = l->zero + (mono_ns)(b->warm_up * 1e9);
	l->ends = b->records > 0 ? MONO_NEVER : l->counted_from + (mono_ns)(b->seconds * 1e9);
	if (b->rate > 0) {
		l->total = first + bench_records_due(b);
		l->counted_from = due(l, first);
	} else {
		l->total = b->records > 0 ? b->records : INT64_MAX;
	}
	if (b->rate == 0 && b->records > 0)
		l->counted_from = l->zero;	/* all of a given number count */
	os_sleep_ms(os_real(), START_NS / 1000000);
}

static int tell(struct load *l, clock_t cpu)
{
	struct bench *b = l->b;
	double seconds = l->acked > 0 ? (double)(l->last_ack - l->counted_from) / 1e9 : 0;

	if (l->failed > 0)
		tool_say("%lld records were not written: %s", (long long)l->failed, l->error.text);
	if (l->sent > l->answered)
		tool_say("%lld records have no answer: all times are only of those that have one", (long long)(l->sent - l->answered));
	if (l->consumer != NULL && l->arrived < l->answered - l->failed)
		tool_say("%lld records did not arrive: times from end to end are only of those that did", (long long)(l->answered - l->failed - l->arrived));
	bench_number(b, "records", (double)l->acked, 0);
	bench_number(b, "failed", (double)l->failed, 0);
	bench_number(b, "unanswered", (double)(l->sent - l->answered), 0);
	bench_number(b, "seconds", seconds, 3);
	bench_number(b, "records_per_s", seconds > 0 ? (double)l->acked / seconds : 0, 1);
	bench_number(b, "mb_per_s", seconds > 0 ? (double)l->acked * b->size / seconds / 1e6 : 0, 3);
	bench_number(b, "client_cpu_s", (double)cpu / CLOCKS_PER_SEC, 3);
	bench_word(b, "latency_from", b->rate > 0 ? "schedule" : "sending");
	bench_word(b, "latency_to", b->acks == 0 ? "sent" : "acknowledged");
	bench_times(b, "ack_us", &l->ack);
	if (l->consumer != NULL) {
		bench_number(b, "not_arrived", (double)(l->answered - l->failed - l->arrived), 0);
		bench_times(b, "end_to_end_us", &l->end_to_end);
	}
	int code = bench_tell(b);
	return code != EXIT_OK ? code : l->failed > 0 || !is_all_here(l) ? EXIT_FAILED : b->code;
}

static void end(struct load *l)
{
	consumer_destroy(&l->consumer);
	for (int i = 0; i < l->writer_count; i++)
		producer_destroy(&l->writers[i].producer);
	peers_fini(&l->peers);
	if (l->b->client != NULL)
		(void)bench_drop_topics(l->b);
	free(l->writers);
	free(l->topics);
	free(l->values);
}

static int load(struct bench *b, bool reads)
{
	static struct load l;	/* static: histograms lie in it */

	l = (struct load){ .b = b, .peers = PEERS_INIT, .error = CLIENT_ERROR_NONE };
	if (prepare(&l, reads)) {
		fill_values(&l);
		tell_in_flight(&l);
		bench_begin(b);
		clock_t before = clock();
		set_schedule(&l);
		run(&l);
		if (l.acked > 0 || b->code == EXIT_OK)
			b->code = tell(&l, clock() - before);
	}
	end(&l);
	return b->code;
}

int bench_produce(struct bench *b) { return load(b, false); }
int bench_e2e(struct bench *b)     { return load(b, true); }
