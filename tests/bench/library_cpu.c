/*
 * Processor time per record of a client library: ours and librdkafka, one after the other against the same broker, by the same work.
 *
 *   library_cpu skein|rdkafka produce|consume BOOTSTRAP TOPIC COUNT BYTES
 *
 * produce: COUNT records of BYTES to partition 0, idempotent, acks=all, linger 5 ms, each with its delivery; values repeat every 64 KiB, so that no generator is measured.
 * consume: COUNT records from the beginning of partition 0, one by one. Prints one line: who, what, records, user and system microseconds per record, MB/s, peak resident KiB.
 * Batches are as large for both (BATCH_BYTES), and the memory before back-pressure.
 */
#include <librdkafka/rdkafka.h>
#include <skein/consumer.h>
#include <skein/producer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH_BYTES  "131072"
#define FILL_BYTES   65536
#define TIMEOUT_MS   60000

static char fill[2 * FILL_BYTES];
static long count, size, delivered, failed;
static const char *bootstrap, *topic;

static void die(const char *what)
{
	fprintf(stderr, "library_cpu: %s\n", what);
	exit(1);
}

static const char *value_of(long i)
{
	return fill + i * 31 % FILL_BYTES;
}

/* ---- libskein ---- */

static struct skein_client *skein_client_of(const char *const settings[][2], size_t n)
{
	struct skein_config *config = skein_config_create();
	struct skein_client *client;
	struct skein_error error;

	for (size_t i = 0; i < n; i++) {
		if (skein_config_set(config, settings[i][0], settings[i][1], &error) != SKEIN_OK)
			die(error.text);
	}
	if (skein_config_set(config, "bootstrap.servers", bootstrap, &error) != SKEIN_OK || skein_client_create(&client, config, &error) != SKEIN_OK)
		die(error.text);
	skein_config_destroy(&config);
	return client;
}

static void on_skein_delivery(void *arg, const struct skein_delivery *d)
{
	(void)arg;
	delivered++;
	failed += d->error->code != SKEIN_OK;
}

static void skein_produce(void)
{
	static const char *const settings[][2] = { { "batch.size", BATCH_BYTES }, { "linger.ms", "5" } };
	struct skein_client *client = skein_client_of(settings, 2);
	struct skein_producer *producer;
	struct skein_error error;
	struct skein_record r = SKEIN_RECORD_INIT;

	if (skein_producer_create(&producer, client, NULL, on_skein_delivery, NULL, &error) != SKEIN_OK)
		die(error.text);
	r.topic = topic;
	r.partition = 0;
	for (long i = 0; i < count; i++) {
		r.value = (struct skein_bytes){ value_of(i), (size_t)size };
		if (skein_send_wait(producer, &r, TIMEOUT_MS, &error) != SKEIN_OK)
			die(error.text);
	}
	if (skein_flush(producer, TIMEOUT_MS, &error) != SKEIN_OK)
		die(error.text);
	skein_producer_destroy(&producer);
	skein_client_destroy(&client);
}

static void skein_consume(void)
{
	struct skein_client *client = skein_client_of(NULL, 0);
	struct skein_consumer *consumer;
	struct skein_error error;
	struct skein_event event;

	if (skein_consumer_create(&consumer, client, NULL, &error) != SKEIN_OK || skein_consumer_assign(consumer, topic, 0, SKEIN_EARLIEST, &error) != SKEIN_OK)
		die(error.text);
	while (delivered < count) {
		if (!skein_next_wait(consumer, TIMEOUT_MS, &event) || event.kind == SKEIN_BROKEN)
			die("records are missing");
		delivered += event.kind == SKEIN_RECORD;
	}
	skein_consumer_destroy(&consumer);
	skein_client_destroy(&client);
}

/* ---- librdkafka ---- */

static rd_kafka_t *rdkafka_of(rd_kafka_type_t type, const char *const settings[][2], size_t n, void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[512];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof(text)) != RD_KAFKA_CONF_OK)
		die(text);
	for (size_t i = 0; i < n; i++) {
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text)) != RD_KAFKA_CONF_OK)
			die(text);
	}
	if (on_report != NULL)
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
	if (rk == NULL)
		die(text);
	return rk;
}

static void on_rdkafka_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	delivered++;
	failed += m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void rdkafka_produce(void)
{
	static const char *const settings[][2] = { { "enable.idempotence", "true" }, { "linger.ms", "5" }, { "batch.size", BATCH_BYTES },
						   { "queue.buffering.max.kbytes", "32768" }, { "queue.buffering.max.messages", "10000000" } };
	rd_kafka_t *rk = rdkafka_of(RD_KAFKA_PRODUCER, settings, sizeof(settings) / sizeof(*settings), on_rdkafka_report);
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);

	for (long i = 0; i < count; i++) {
		while (rd_kafka_produce(t, 0, RD_KAFKA_MSG_F_COPY, (void *)value_of(i), (size_t)size, NULL, 0, NULL) != 0) {
			if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
				die(rd_kafka_err2str(rd_kafka_last_error()));
			rd_kafka_poll(rk, 10);
		}
		if (i % 1000 == 0)
			rd_kafka_poll(rk, 0);
	}
	if (rd_kafka_flush(rk, TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("records have no answer");
	rd_kafka_topic_destroy(t);
	rd_kafka_destroy(rk);
}

static void rdkafka_consume(void)
{
	static const char *const settings[][2] = { { "group.id", "library_cpu" }, { "enable.auto.commit", "false" }, { "enable.auto.offset.store", "false" } };
	rd_kafka_t *rk = rdkafka_of(RD_KAFKA_CONSUMER, settings, 3, NULL);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_poll_set_consumer(rk);
	if (rd_kafka_assign(rk, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("cannot assign");
	while (delivered < count) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, TIMEOUT_MS);

		if (m == NULL)
			die("records are missing");
		delivered += m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
		rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

/* ---- measuring ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double us(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage before, after;

	if (argc != 7)
		die("usage: library_cpu skein|rdkafka produce|consume BOOTSTRAP TOPIC COUNT BYTES");
	bool is_ours = strcmp(argv[1], "skein") == 0, produces = strcmp(argv[2], "produce") == 0;
	bootstrap = argv[3];
	topic = argv[4];
	count = atol(argv[5]);
	size = atol(argv[6]);
	if (count < 1 || size < 1 || size > FILL_BYTES)
		die("there must be records, of 1 to 65536 bytes");
	srand(1);
	for (size_t i = 0; i < sizeof(fill); i++)
		fill[i] = (char)rand();
	double start = seconds();
	getrusage(RUSAGE_SELF, &before);
	if (is_ours && produces)
		skein_produce();
	else if (is_ours)
		skein_consume();
	else if (produces)
		rdkafka_produce();
	else
		rdkafka_consume();
	getrusage(RUSAGE_SELF, &after);
	double took = seconds() - start;
	if (failed > 0 || delivered != count)
		die("records have failed");
	printf("%-8s %s %ld records of %ld B: %.3f us user, %.3f us system per record, %.0f MB/s, %ld KiB\n", argv[1], argv[2], count, size,
	       (us(after.ru_utime) - us(before.ru_utime)) / (double)count, (us(after.ru_stime) - us(before.ru_stime)) / (double)count,
	       (double)count * (double)size / took / 1e6, after.ru_maxrss);
	return 0;
}
