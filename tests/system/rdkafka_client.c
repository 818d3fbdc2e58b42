/*
 * A producer over librdkafka for the crash tests: numbered records, one line on stdout for each record's fate.
 *
 *   rdkafka_client BROKERS TOPIC PARTITIONS NAME RECORDS_PER_S key=value...     (librdkafka's settings)
 *
 * Record i goes to partition i % PARTITIONS with key NAME and value "NAME i" padded to 100..600 bytes. Lines:
 *   ack PARTITION OFFSET I MICROSECONDS    the broker took it (time of the answer, CLOCK_REALTIME)
 *   lost PARTITION - I MICROSECONDS TEXT   given up: it may or may not be there
 * SIGTERM: stops producing, waits until the fate of all records is known, prints "end COUNT". Exit code 0, or 1 after an
 * error that a producer cannot recover from (which an idempotent one must never meet).
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORD_BYTES_MAX 640
#define FLUSH_MS         60000

static volatile sig_atomic_t is_stopping;
static bool has_failed;

static void on_signal(int sig)
{
	(void)sig;
	is_stopping = 1;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	long long i = (long long)(intptr_t)m->_private;

	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		printf("ack %d %lld %lld %lld\n", m->partition, (long long)m->offset, i, (long long)now_us());
	else
		printf("lost %d - %lld %lld %s\n", m->partition, i, (long long)now_us(), rd_kafka_err2name(m->err));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	(void)opaque;
	if (err != RD_KAFKA_RESP_ERR__FATAL)
		return;
	char text[256];
	rd_kafka_resp_err_t cause = rd_kafka_fatal_error(rk, text, sizeof(text));
	fprintf(stderr, "fatal: %s: %s (%s)\n", rd_kafka_err2name(cause), text, reason);
	has_failed = true;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, key, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "%s\n", why);
		exit(2);
	}
}

static rd_kafka_t *producer(const char *brokers, char **settings, int n)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	set(conf, "bootstrap.servers", brokers);
	set(conf, "reconnect.backoff.ms", "10");
	set(conf, "reconnect.backoff.max.ms", "50");
	set(conf, "linger.ms", "2");
	set(conf, "log.connection.close", "false");
	set(conf, "log_level", "2");
	for (int i = 0; i < n; i++) {
		char *eq = strchr(settings[i], '=');

		if (eq == NULL) {
			fprintf(stderr, "not key=value: %s\n", settings[i]);
			exit(2);
		}
		*eq = '\0';
		set(conf, settings[i], eq + 1);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (rk == NULL) {
		fprintf(stderr, "%s\n", why);
		exit(2);
	}
	return rk;
}

/* Produces record i; waits while the queue is full. */
static void produce(rd_kafka_t *rk, const char *topic, int32_t partition, const char *name, int64_t i)
{
	char value[RECORD_BYTES_MAX];
	int n = snprintf(value, sizeof(value), "%s %lld ", name, (long long)i);
	size_t len = 100 + (size_t)(i * 37 % 500);

	memset(value + n, '.', len - (size_t)n);
	for (;;) {
		rd_kafka_resp_err_t e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
			RD_KAFKA_V_KEY(name, strlen(name)), RD_KAFKA_V_VALUE(value, len),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(intptr_t)i), RD_KAFKA_V_END);
		if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL || has_failed) {
			fprintf(stderr, "produce: %s\n", rd_kafka_err2str(e));
			exit(1);
		}
		rd_kafka_poll(rk, 10);
	}
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: rdkafka_client BROKERS TOPIC PARTITIONS NAME RECORDS_PER_S key=value...\n");
		return 2;
	}
	const char *topic = argv[2], *name = argv[4];
	int32_t partitions = (int32_t)atoi(argv[3]);
	int64_t per_s = atoll(argv[5]), count = 0, start = now_us();
	rd_kafka_t *rk = producer(argv[1], argv + 6, argc - 6);

	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!is_stopping && !has_failed) {
		for (int64_t due = (now_us() - start) * per_s / 1000000; count < due && !is_stopping; count++)
			produce(rk, topic, (int32_t)(count % partitions), name, count);
		rd_kafka_poll(rk, 2);
	}
	rd_kafka_resp_err_t e = rd_kafka_flush(rk, FLUSH_MS);
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		fprintf(stderr, "flush: %s\n", rd_kafka_err2str(e));
	rd_kafka_destroy(rk);
	printf("end %lld\n", (long long)count);
	return e != RD_KAFKA_RESP_ERR_NO_ERROR || has_failed;
}
