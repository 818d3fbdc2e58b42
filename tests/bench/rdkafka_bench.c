/*
 * The client of tests/bench/compare: librdkafka, the same binary for every broker. One line of JSON.
 *
 *	rdkafka_bench produce BROKERS TOPIC BYTES SECONDS [key=value...]	as fast as it goes; no more than RUN_BYTES
 *	rdkafka_bench consume BROKERS TOPIC BYTES SECONDS [key=value...]	partition 0 from its begin, again and again; BYTES is not looked at
 *	rdkafka_bench e2e BROKERS TOPIC BYTES SECONDS RATE [key=value...]	records of partition 0 at a rate
 *
 * e2e is an open loop: when each record is due is known before the first, stands in its value, and is where its latency counts from. A second is not counted first.
 */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench/noise.h"

#define QUEUE_MS     10
#define FLUSH_MS     60000
#define WARM_UP_NS   1000000000
#define BYTES_MAX    (1 << 20)
#define POOL_BYTES   (1 << 20)	/* of different values: beyond what lz4 and snappy look back */
#define RUN_BYTES    750000000	/* so much memory has its machine, see brokers.recycle_memory */

static struct {
	const char *topic;
	int         bytes;
	double      seconds;
	rd_kafka_t *rk;
	int64_t     acked, failed, arrived, arrived_bytes;	/* acked and failed: the thread that polls; arrived: the one that consumes */
	mono_ns     counted_from;
	uint64_t    id;
	int         is_ending;
	struct histogram ack, end_to_end;
	struct noise noise;
} x;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "rdkafka_bench: %s: %s\n", what, why);
	exit(1);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	mono_ns due = (intptr_t)m->_private;

	(void)rk;
	(void)opaque;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		x.failed++;
		return;
	}
	__atomic_fetch_add(&x.acked, 1, __ATOMIC_RELAXED);
	if (due >= x.counted_from && due > 0)
		histogram_add(&x.ack, (uint64_t)(os_mono_ns(os_real()) - due));
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, key, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		fail(key, why);
}

static rd_kafka_t *create(rd_kafka_type_t type, const char *brokers, char **settings)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256], key[128];

	set(conf, "bootstrap.servers", brokers);
	set(conf, "log_level", "3");
	if (type == RD_KAFKA_CONSUMER) {
		set(conf, "group.id", "rdkafka-bench");
		set(conf, "enable.auto.commit", "false");
	} else {
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	}
	for (; *settings != NULL; settings++) {
		const char *eq = strchr(*settings, '=');
		if (eq == NULL || (size_t)(eq - *settings) >= sizeof(key))
			fail(*settings, "not key=value");
		snprintf(key, sizeof(key), "%.*s", (int)(eq - *settings), *settings);
		/* "consumer:" before a name: for who consumes only */
		const char *name = strncmp(key, "consumer:", 9) == 0 ? key + 9 : key;
		if (type == RD_KAFKA_CONSUMER ? name != key : name == key)
			set(conf, name, eq + 1);
	}
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
	if (rk == NULL)
		fail("rd_kafka_new", why);
	return rk;
}

static void produce_one(rd_kafka_t *rk, const void *value, mono_ns due)
{
	for (;;) {
		rd_kafka_resp_err_t e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(x.topic), RD_KAFKA_V_PARTITION(0),
			RD_KAFKA_V_VALUE((void *)(uintptr_t)value, (size_t)x.bytes), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_OPAQUE((void *)(intptr_t)due), RD_KAFKA_V_END);
		if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			fail("produce", rd_kafka_err2str(e));
		rd_kafka_poll(rk, QUEUE_MS);
	}
}

static void tell_times(const char *name, const struct histogram *h)
{
	static const struct { const char *name; double share; } points[] = {
		{ "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99_9", 0.999 }, { "p99_99", 0.9999 }, { "max", 1 } };

	printf(",\"%s\":{\"count\":%llu", name, (unsigned long long)h->count);
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		printf(",\"%s\":%.1f", points[i].name, (double)histogram_at(h, points[i].share) / 1e3);
	printf("}");
}

static void tell(double seconds)
{
	clock_t cpu = clock();

	noise_end(&x.noise);
	printf("{\"records\":%lld,\"failed\":%lld,\"arrived\":%lld,\"arrived_bytes\":%lld,\"seconds\":%.4f,\"client_cpu_s\":%.4f,\"steal_percent\":%.2f,\"load\":%.2f",
	       (long long)x.acked, (long long)x.failed, (long long)x.arrived, (long long)x.arrived_bytes, seconds, (double)cpu / CLOCKS_PER_SEC,
	       x.noise.steal_percent, x.noise.load);
	tell_times("hiccup_us", &x.noise.hiccups);
	if (x.ack.count > 0)
		tell_times("ack_us", &x.ack);
	if (x.end_to_end.count > 0)
		tell_times("end_to_end_us", &x.end_to_end);
	printf(",\"machine\":\"%s\"}\n", noise_is_quiet(&x.noise) ? "quiet" : "busy");
}

/* Each of its own, so that no codec finds one in another; half of it is easy to compress. */
static uint8_t *make_values(int64_t count)
{
	uint8_t *values = mem_calloc((size_t)count, (size_t)x.bytes);

	for (int64_t i = 0; i < count; i++)
		os_random(os_real(), values + i * x.bytes, (size_t)x.bytes / 2);
	memcpy(values, &x.id, sizeof(x.id));
	return values;
}

static void produce(const char *brokers, char **settings)
{
	rd_kafka_t *rk = create(RD_KAFKA_PRODUCER, brokers, settings);
	int64_t count = POOL_BYTES / x.bytes + 1;
	uint8_t *values = make_values(count);
	mono_ns began = os_mono_ns(os_real()), until = began + (mono_ns)(x.seconds * 1e9);

	for (int64_t sent = 0; os_mono_ns(os_real()) < until && sent + 16 * x.bytes <= RUN_BYTES; sent += 16 * x.bytes) {
		for (int i = 0; i < 16; i++)
			produce_one(rk, values + (sent / x.bytes + i) % count * x.bytes, 0);
		rd_kafka_poll(rk, 0);
	}
	if (rd_kafka_flush(rk, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("flush", "not all were acknowledged");
	tell((double)(os_mono_ns(os_real()) - began) / 1e9);
	rd_kafka_destroy(rk);
	free(values);
}

static void take(const rd_kafka_message_t *m)
{
	uint64_t id;
	mono_ns due;

	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	x.arrived_bytes += (int64_t)m->len;
	if (m->len < sizeof(id) + sizeof(due)) {
		x.arrived++;
		return;
	}
	memcpy(&id, m->payload, sizeof(id));
	memcpy(&due, (const uint8_t *)m->payload + sizeof(id), sizeof(due));
	if (x.id != 0 && id != x.id)
		return;
	__atomic_fetch_add(&x.arrived, 1, __ATOMIC_RELAXED);
	if (x.id != 0 && due >= x.counted_from)
		histogram_add(&x.end_to_end, (uint64_t)(os_mono_ns(os_real()) - due));
}

static rd_kafka_t *consumer(const char *brokers, int64_t from, char **settings)
{
	rd_kafka_t *rk = create(RD_KAFKA_CONSUMER, brokers, settings);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(list, x.topic, 0)->offset = from;
	rd_kafka_resp_err_t e = rd_kafka_assign(rk, list);
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("assign", rd_kafka_err2str(e));
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

static void consume(const char *brokers, char **settings)
{
	rd_kafka_t *rk = consumer(brokers, RD_KAFKA_OFFSET_BEGINNING, settings);
	mono_ns began = 0, until = os_mono_ns(os_real()) + (mono_ns)(x.seconds * 1e9) + 5000000000;
	mono_ns heard = os_mono_ns(os_real());

	/* Until the time is over, or nothing more comes. */
	while (os_mono_ns(os_real()) < until) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, QUEUE_MS);
		mono_ns now = os_mono_ns(os_real());
		if (m != NULL) {
			if (began == 0) {
				began = now;
				until = began + (mono_ns)(x.seconds * 1e9);
			}
			take(m);
			rd_kafka_message_destroy(m);
			heard = now;
		} else if (began != 0 && now - heard > 500000000) {
			break;
		}
	}
	tell(began != 0 ? (double)(heard - began) / 1e9 : 0);
	rd_kafka_destroy(rk);
}

static void *poll_reports(void *rk)
{
	while (!__atomic_load_n(&x.is_ending, __ATOMIC_ACQUIRE))
		rd_kafka_poll(rk, 100);
	return NULL;
}

static void *poll_records(void *rk)
{
	while (!__atomic_load_n(&x.is_ending, __ATOMIC_ACQUIRE)) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		if (m == NULL)
			continue;
		take(m);
		rd_kafka_message_destroy(m);
	}
	return NULL;
}

static void start(pthread_t *t, void *(*run)(void *), void *arg)
{
	int e = pthread_create(t, NULL, run, arg);
	if (e != 0)
		fail("pthread_create", strerror(e));
}

static void end_to_end(const char *brokers, double rate, char **settings)
{
	os_random(os_real(), &x.id, sizeof(x.id));
	x.id |= 1;
	rd_kafka_t *in = create(RD_KAFKA_PRODUCER, brokers, settings), *out = consumer(brokers, RD_KAFKA_OFFSET_END, settings);
	uint8_t *value = make_values(1);
	int64_t total = (int64_t)(rate * (x.seconds + 1)), expected = total + 1;
	pthread_t reports, records;

	start(&reports, poll_reports, in);
	start(&records, poll_records, out);
	/* The consumer is at the end of the topic when it gets one of these. */
	x.counted_from = INT64_MAX;
	for (expected = total; __atomic_load_n(&x.arrived, __ATOMIC_RELAXED) == 0; expected++) {
		produce_one(in, value, 1);
		os_sleep_ms(os_real(), 100);
		if (expected - total > 300)
			fail("e2e", "no record arrives");
	}
	mono_ns zero = os_mono_ns(os_real()) + 50000000;
	x.counted_from = zero + WARM_UP_NS;
	(void)prctl(PR_SET_TIMERSLACK, 1UL);	/* else this thread sends 50 us late, and all of it would be told as latency */
	for (int64_t i = 0; i < total; i++) {
		mono_ns due = zero + (mono_ns)((double)i * 1e9 / rate);
		struct timespec at = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };
		while (os_mono_ns(os_real()) < due && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		memcpy(value + sizeof(x.id), &due, sizeof(due));
		produce_one(in, value, due);
	}
	mono_ns sent = os_mono_ns(os_real());
	while (__atomic_load_n(&x.acked, __ATOMIC_RELAXED) < expected && os_mono_ns(os_real()) - sent < 20000000000)
		os_sleep_ms(os_real(), 10);
	os_sleep_ms(os_real(), 300);
	__atomic_store_n(&x.is_ending, 1, __ATOMIC_RELEASE);
	pthread_join(reports, NULL);
	pthread_join(records, NULL);
	tell((double)(sent - x.counted_from) / 1e9);
	rd_kafka_destroy(in);
	rd_kafka_destroy(out);
	free(value);
}

int main(int argc, char **argv)
{
	if (argc < 6)
		fail("usage", "rdkafka_bench produce|consume|e2e BROKERS TOPIC BYTES SECONDS [RATE] [key=value...]");
	const char *verb = argv[1];
	x.topic = argv[3];
	x.bytes = atoi(argv[4]);
	x.seconds = atof(argv[5]);
	if (x.bytes < 16 || x.bytes > BYTES_MAX || x.seconds <= 0)
		fail("usage", "16 bytes at least, and more than no seconds");
	if (noise_begin(&x.noise) != OK)
		fail("thread", strerror(errno));
	if (strcmp(verb, "produce") == 0)
		produce(argv[2], argv + 6);
	else if (strcmp(verb, "consume") == 0)
		consume(argv[2], argv + 6);
	else if (strcmp(verb, "e2e") == 0 && argc > 6 && atof(argv[6]) > 0)
		end_to_end(argv[2], atof(argv[6]), argv + 7);
	else
		fail(verb, "produce, consume, or e2e with a rate");
	return x.failed > 0;
}
