/*
 * What clients do while a cluster is made to fail: producers and consumers over librdkafka, and a history of every operation.
 *
 *   workload run BROKERS TOPIC PARTITIONS SECONDS RATE SEED HISTORY    producers and consumers, until SECONDS or SIGTERM
 *   workload read BROKERS TOPIC PARTITIONS SECONDS HISTORY             the final read: each partition from its start to its end
 *
 * RATE is records per second and producer. HISTORY is appended to, one JSON object per line (README.md has the form). Each value
 * is unique: "PROCESS-NUMBER", padded by a rule of its number so that a reader sees damage. No consumer group, no commits:
 * partitions are read with the simple consumer, whose queue dies with each new assignment, so that nothing of an older one comes.
 *
 * The outcome of a send is "fail" only where the record is certainly not in any log; every doubt is "info". librdkafka's own
 * "not persisted" is not enough: it says so of NOT_LEADER_OR_FOLLOWER, which with acks=all comes also after the append, and sends
 * such a record again even with no retries allowed. What one attempt does is judged by single.py.
 *
 * WORKLOAD_DEBUG in the environment is librdkafka's "debug", whose lines go to standard error: with eos they say why a producer took a new epoch.
 * WORKLOAD_IDEMPOTENT_ONLY: all producers are idempotent, and nobody consumes: more records for what is only about them.
 *
 * Exit code: 0 the history is whole, 1 it is not (deadline passed, file not written), 2 usage.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARTITIONS_MAX    64
#define POLL_MAX          200     /* records in one line of a poll */
#define VALUE_MAX         40000
#define VALUE_LARGE       30000   /* above the topic's max.message.bytes, which the harness sets to 20000 */
#define LARGE_EVERY       20      /* of the sends of a "large" producer */
#define MESSAGE_TIMEOUT_S 10      /* librdkafka gives a record up after it: outcome unknown */
#define FLUSH_S           60      /* at the end, for producers that never give up */
#define NAME_MAX_BYTES    32

enum client_kind { IDEMPOTENT, RETRY, LARGE, LEADER };

/*
 * What each kind of producer promises is the checker's matter; here is how it is configured. An idempotent one never gives a record up:
 * librdkafka would then take a new epoch and send what is behind it again under new sequence numbers, also what the broker may have.
 */
static const struct {
	const char *name;
	const char *acks, *idempotence, *retries;
	int         timeout_s;
} kinds[] = {
	[IDEMPOTENT] = { "idempotent", "all", "true",  "2147483647", 0 },
	[RETRY]      = { "retry",      "all", "false", "2147483647", MESSAGE_TIMEOUT_S },
	[LARGE]      = { "large",      "all", "false", "0",          MESSAGE_TIMEOUT_S },
	[LEADER]     = { "leader",     "1",   "false", "0",          MESSAGE_TIMEOUT_S },
};

static const enum client_kind producers[] = { IDEMPOTENT, IDEMPOTENT, RETRY, LARGE, LEADER };
#define PRODUCERS ((int)(sizeof(producers) / sizeof(producers[0])))
#define CONSUMERS 3

/* One thread's client. Owner: that thread, and librdkafka's callbacks, which run on it. */
struct client {
	pthread_t        thread;
	int              index;
	enum client_kind kind;             /* of producers */
	char             name[NAME_MAX_BYTES];
	int              life;             /* how often it had to begin again after a fatal error */
	rd_kafka_t      *rk;
	int64_t          count;            /* sends of this life */
	bool             is_fatal;
	uint64_t         random;
};

static const char *brokers, *topic, *debug;
static int32_t     partitions;
static int64_t     seconds, rate;
static FILE       *history;
static pthread_mutex_t        history_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t  is_told_to_stop;
static bool                   is_consuming = true;    /* atomic; false ends the consumers */
static bool                   has_failed;             /* the final read */
static bool                   is_idempotent_only;

static void on_signal(int sig)
{
	(void)sig;
	is_told_to_stop = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* One line: the time, the process, and what the caller adds. */
__attribute__((format(printf, 2, 3)))
static void note(const char *process, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&history_lock);
	fprintf(history, "{\"t\":%lld,\"p\":\"%s\",", (long long)now_ns(), process);
	va_start(args, format);
	vfprintf(history, format, args);
	va_end(args);
	fputs("}\n", history);
	pthread_mutex_unlock(&history_lock);
}

static void usage(void)
{
	fprintf(stderr, "usage: workload run BROKERS TOPIC PARTITIONS SECONDS RATE SEED HISTORY\n"
		"       workload read BROKERS TOPIC PARTITIONS SECONDS HISTORY\n");
	exit(2);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "workload: %s: %s\n", what, why);
	exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, key, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		die(key, why);
}

/* Timeouts that suit faults of some seconds: a client notices a dead peer before the fault is over. */
static rd_kafka_conf_t *common_conf(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "bootstrap.servers", brokers);
	set(conf, "reconnect.backoff.ms", "20");
	set(conf, "reconnect.backoff.max.ms", "200");
	set(conf, "socket.timeout.ms", "5000");
	set(conf, "socket.connection.setup.timeout.ms", "2000");
	set(conf, "topic.metadata.refresh.interval.ms", "1000");
	set(conf, "topic.metadata.refresh.fast.interval.ms", "100");
	set(conf, "topic.metadata.propagation.max.ms", "60000");
	set(conf, "log.connection.close", "false");
	if (debug != NULL)                     /* it raises the level of the log */
		set(conf, "debug", debug);
	else
		set(conf, "log_level", "2");
	return conf;
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

	if (rk == NULL)
		die("rd_kafka_new", why);
	return rk;
}

/* ---- values --------------------------------------------------------------------------------------------------------------------*/

/* Fills value[] with the record of that name; returns its length, which the name alone determines. */
static size_t value_make(char value[VALUE_MAX], const char *process, int64_t number)
{
	int n = snprintf(value, VALUE_MAX, "%s-%lld ", process, (long long)number);
	bool is_large = strncmp(process, "large", 5) == 0 && number % LARGE_EVERY == LARGE_EVERY - 1;
	size_t len = is_large ? VALUE_LARGE : 60 + (size_t)(number * 37 % 340);

	memset(value + n, 'a' + (int)(number % 26), len - (size_t)n);
	return len;
}

/* The name in a record that was read, or "damaged" where it is not exactly what value_make makes. */
static void value_name(char out[NAME_MAX_BYTES + 24], const char *bytes, size_t len)
{
	char process[NAME_MAX_BYTES], made[VALUE_MAX], text[NAME_MAX_BYTES + 24];
	long long number;
	const char *space = len > 0 ? memchr(bytes, ' ', len) : NULL;

	strcpy(out, "damaged");
	if (space == NULL || (size_t)(space - bytes) >= sizeof(text))
		return;
	memcpy(text, bytes, (size_t)(space - bytes));
	text[space - bytes] = '\0';
	if (sscanf(text, "%31[a-z0-9.]-%lld", process, &number) != 2 || number < 0)
		return;
	if (value_make(made, process, number) == len && memcmp(made, bytes, len) == 0)
		strcpy(out, text);
}

/* ---- producers -----------------------------------------------------------------------------------------------------------------*/

/*
 * No log has the record, whatever else happens. A large one no broker takes. Of the others only those of "leader": NOT_LEADER_OR_FOLLOWER,
 * which librdkafka sends again without counting it as a retry, comes before the append there; every other error ends the record.
 */
static bool is_certainly_absent(const struct client *c, const rd_kafka_message_t *m)
{
	if (c->kind == LARGE)
		return m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && m->len == VALUE_LARGE;
	return c->kind == LEADER && m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT &&
		rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct client *c = opaque;
	long long number = (long long)(intptr_t)m->_private;

	(void)rk;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		note(c->name, "\"type\":\"%s\",\"f\":\"send\",\"k\":%d,\"v\":\"%s-%lld\",\"err\":\"%s\"",
			is_certainly_absent(c, m) ? "fail" : "info", m->partition, c->name, number, rd_kafka_err2name(m->err));
	else if (m->offset < 0)                /* recognised as a duplicate: taken, at an offset that the broker did not say */
		note(c->name, "\"type\":\"ok\",\"f\":\"send\",\"k\":%d,\"v\":\"%s-%lld\"", m->partition, c->name, number);
	else
		note(c->name, "\"type\":\"ok\",\"f\":\"send\",\"k\":%d,\"v\":\"%s-%lld\",\"off\":%lld", m->partition, c->name, number,
			(long long)m->offset);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct client *c = opaque;
	char text[256];

	(void)reason;
	if (err != RD_KAFKA_RESP_ERR__FATAL || c->is_fatal)
		return;
	rd_kafka_resp_err_t cause = rd_kafka_fatal_error(rk, text, sizeof(text));
	fprintf(stderr, "%s: fatal: %s: %s\n", c->name, rd_kafka_err2name(cause), text);
	note(c->name, "\"type\":\"info\",\"f\":\"fatal\",\"err\":\"%s\"", rd_kafka_err2name(cause));
	c->is_fatal = true;
}

static void producer_open(struct client *c)
{
	rd_kafka_conf_t *conf = common_conf();
	char timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", kinds[c->kind].timeout_s * 1000);
	snprintf(c->name, sizeof(c->name), "%s%d.%d", kinds[c->kind].name, c->index, c->life);
	set(conf, "acks", kinds[c->kind].acks);
	set(conf, "enable.idempotence", kinds[c->kind].idempotence);
	set(conf, "message.send.max.retries", kinds[c->kind].retries);
	set(conf, "retry.backoff.ms", "50");
	set(conf, "request.timeout.ms", "4000");
	set(conf, "message.timeout.ms", timeout);
	set(conf, "queue.buffering.max.messages", "2000");
	set(conf, "linger.ms", "3");
	/* Below the topic's max.message.bytes: a batch that is too large would be refused whole. */
	set(conf, "batch.size", "12000");
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	c->rk = client_new(RD_KAFKA_PRODUCER, conf);
	c->is_fatal = false;
	c->count = 0;
	note(c->name, "\"type\":\"ok\",\"f\":\"open\",\"kind\":\"%s\"", kinds[c->kind].name);
}

static void producer_close(struct client *c)
{
	if (c->is_fatal)
		rd_kafka_purge(c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(c->rk, FLUSH_S * 1000);
	rd_kafka_destroy(c->rk);
	note(c->name, "\"type\":\"ok\",\"f\":\"close\"");
}

/* Sends the next record to a partition drawn. A full queue means that nothing moves: then nothing is invoked. */
static void producer_send(struct client *c)
{
	char value[VALUE_MAX];

	if (rd_kafka_outq_len(c->rk) >= 1500)
		return;
	int64_t number = c->count++;
	size_t len = value_make(value, c->name, number);
	int32_t partition = (int32_t)(draw(&c->random) % (uint64_t)partitions);
	note(c->name, "\"type\":\"invoke\",\"f\":\"send\",\"k\":%d,\"v\":\"%s-%lld\"", partition, c->name, (long long)number);
	rd_kafka_resp_err_t e = rd_kafka_producev(c->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
		RD_KAFKA_V_KEY(c->name, strlen(c->name)), RD_KAFKA_V_VALUE(value, len),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(intptr_t)number), RD_KAFKA_V_END);
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)   /* librdkafka never took it */
		note(c->name, "\"type\":\"fail\",\"f\":\"send\",\"k\":%d,\"v\":\"%s-%lld\",\"err\":\"%s\"", partition, c->name,
			(long long)number, rd_kafka_err2name(e));
}

static void *producer_run(void *arg)
{
	struct client *c = arg;
	int64_t start = now_ns(), end = start + seconds * 1000000000, done = 0;

	producer_open(c);
	for (int64_t now = start; now < end && !is_told_to_stop; now = now_ns()) {
		for (int64_t due = (now - start) * rate / 1000000000; done < due; done++)
			producer_send(c);
		rd_kafka_poll(c->rk, 3);
		if (c->is_fatal) {
			producer_close(c);
			c->life++;
			producer_open(c);
		}
	}
	producer_close(c);
	return NULL;
}

/* ---- consumers -----------------------------------------------------------------------------------------------------------------*/

/* What a consumer reads at a time: all partitions through one queue. next[p] is where partition p goes on, -1 not known yet. */
struct reading {
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	int64_t           next[PARTITIONS_MAX];
};

static rd_kafka_t *consumer_open(const char *name)
{
	rd_kafka_conf_t *conf = common_conf();

	set(conf, "fetch.wait.max.ms", "200");
	set(conf, "fetch.error.backoff.ms", "50");
	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "error");
	set(conf, "isolation.level", "read_uncommitted");
	set(conf, "check.crcs", "true");
	rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, conf);
	note(name, "\"type\":\"ok\",\"f\":\"open\",\"kind\":\"consumer\"");
	return rk;
}

/* Starts all partitions at next[], or at the beginning where it is -1. */
static void reading_start(struct reading *r, rd_kafka_t *rk, const char *name)
{
	char text[PARTITIONS_MAX * 32];
	size_t n = 0;

	r->topic = rd_kafka_topic_new(rk, topic, NULL);
	r->queue = rd_kafka_queue_new(rk);
	for (int32_t p = 0; p < partitions; p++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%d\":%lld", p > 0 ? "," : "", p, (long long)r->next[p]);
	note(name, "\"type\":\"ok\",\"f\":\"assign\",\"v\":{%s}", text);
	for (int32_t p = 0; p < partitions; p++)
		if (rd_kafka_consume_start_queue(r->topic, p, r->next[p] < 0 ? RD_KAFKA_OFFSET_BEGINNING : r->next[p], r->queue) != 0)
			die("consume_start", rd_kafka_err2str(rd_kafka_last_error()));
}

static void reading_stop(struct reading *r)
{
	for (int32_t p = 0; p < partitions; p++)
		rd_kafka_consume_stop(r->topic, p);
	rd_kafka_queue_destroy(r->queue);
	rd_kafka_topic_destroy(r->topic);
}

/*
 * One poll: what comes within wait_ms, up to POLL_MAX records, as one line. An error that ends the reading of a partition (its offset is
 * not there any more) is noted and makes it begin again: returns true.
 */
static bool reading_poll(struct reading *r, const char *name, int wait_ms)
{
	struct { int32_t partition; int64_t offset; char value[NAME_MAX_BYTES + 24]; } got[POLL_MAX];
	char text[POLL_MAX * 100 + PARTITIONS_MAX * 16];
	int64_t begun = now_ns();
	int count = 0;
	size_t n = 0;
	bool must_restart = false;

	while (count < POLL_MAX && !must_restart) {
		rd_kafka_message_t *m = rd_kafka_consume_queue(r->queue, count > 0 ? 0 : wait_ms);
		if (m == NULL)
			break;
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			got[count].partition = m->partition;
			got[count].offset = m->offset;
			value_name(got[count++].value, m->payload, m->len);
			r->next[m->partition] = m->offset + 1;
		} else if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
			m->err == RD_KAFKA_RESP_ERR__BAD_MSG) {
			note(name, "\"type\":\"info\",\"f\":\"poll\",\"k\":%d,\"next\":%lld,\"err\":\"%s\"", m->partition,
				(long long)r->next[m->partition], rd_kafka_err2name(m->err));
			r->next[m->partition] = -1;
			must_restart = true;
		}
		rd_kafka_message_destroy(m);
	}
	for (int32_t p = 0; p < partitions; p++) {
		bool is_first = true;

		for (int i = 0; i < count; i++) {
			if (got[i].partition != p)
				continue;
			if (is_first)
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%d\":[", n > 0 ? "]," : "", p);
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s[%lld,\"%s\"]", is_first ? "" : ",", (long long)got[i].offset,
				got[i].value);
			is_first = false;
		}
	}
	if (count > 0)
		note(name, "\"t0\":%lld,\"type\":\"ok\",\"f\":\"poll\",\"v\":{%s]}", (long long)begun, text);
	return must_restart;
}

/* Consumer 0 reads on and on; the others begin anew every few seconds, from the start or from where they are. */
static void *consumer_run(void *arg)
{
	struct client *c = arg;
	struct reading r;

	snprintf(c->name, sizeof(c->name), "consumer%d", c->index);
	c->rk = consumer_open(c->name);
	memset(r.next, -1, sizeof(r.next));
	reading_start(&r, c->rk, c->name);
	int64_t again = now_ns() + 5000000000;
	while (__atomic_load_n(&is_consuming, __ATOMIC_RELAXED)) {
		bool must_restart = reading_poll(&r, c->name, 100);
		bool is_time = c->index > 0 && now_ns() > again;

		if (!must_restart && !is_time)
			continue;
		reading_stop(&r);
		if (is_time) {
			again = now_ns() + 3000000000 + (int64_t)(draw(&c->random) % 6000) * 1000000;
			if (draw(&c->random) % 2 == 0)
				memset(r.next, -1, sizeof(r.next));
		}
		reading_start(&r, c->rk, c->name);
	}
	reading_stop(&r);
	rd_kafka_destroy(c->rk);
	return NULL;
}

/* ---- the two commands ----------------------------------------------------------------------------------------------------------*/

static void start(struct client *c, void *(*run)(void *))
{
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		die("pthread_create", "no thread to be had");
}

static void run(uint64_t seed)
{
	static struct client p[PRODUCERS], c[CONSUMERS];
	int consumers = is_idempotent_only ? 0 : CONSUMERS;

	signal(SIGTERM, on_signal);
	for (int i = 0; i < PRODUCERS; i++) {
		p[i] = (struct client){ .index = i, .kind = is_idempotent_only ? IDEMPOTENT : producers[i], .random = seed * 100 + (uint64_t)i };
		start(&p[i], producer_run);
	}
	for (int i = 0; i < consumers; i++) {
		c[i] = (struct client){ .index = i, .random = seed * 100 + 50 + (uint64_t)i };
		start(&c[i], consumer_run);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(p[i].thread, NULL);
	__atomic_store_n(&is_consuming, false, __ATOMIC_RELAXED);
	for (int i = 0; i < consumers; i++)
		pthread_join(c[i].thread, NULL);
	note("workload", "\"type\":\"ok\",\"f\":\"end\"");
}

/* Asks for the ends first and reads up to them: nobody writes any more. */
static void read_all(void)
{
	int64_t low[PARTITIONS_MAX], high[PARTITIONS_MAX], deadline = now_ns() + seconds * 1000000000;
	rd_kafka_t *rk = consumer_open("final");
	struct reading r;
	char text[PARTITIONS_MAX * 64];
	size_t n = 0;

	for (int32_t p = 0; p < partitions; p++)
		while (rd_kafka_query_watermark_offsets(rk, topic, p, &low[p], &high[p], 2000) != RD_KAFKA_RESP_ERR_NO_ERROR)
			if (now_ns() > deadline)
				die("final read", "the ends of the partitions cannot be had");
	memset(r.next, -1, sizeof(r.next));
	reading_start(&r, rk, "final");
	for (;;) {
		bool is_complete = true;

		for (int32_t p = 0; p < partitions; p++)
			is_complete = is_complete && (high[p] == low[p] || r.next[p] >= high[p]);
		if (is_complete || now_ns() > deadline) {
			has_failed = !is_complete;
			break;
		}
		if (reading_poll(&r, "final", 100)) {
			reading_stop(&r);
			reading_start(&r, rk, "final");
		}
	}
	reading_stop(&r);
	rd_kafka_destroy(rk);
	for (int32_t p = 0; p < partitions; p++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%d\":[%lld,%lld]", p > 0 ? "," : "", p, (long long)low[p],
			(long long)high[p]);
	note("final", "\"type\":\"%s\",\"f\":\"final\",\"v\":{%s}", has_failed ? "info" : "ok", text);
}

int main(int argc, char **argv)
{
	bool is_run = argc == 9 && strcmp(argv[1], "run") == 0;

	if (!is_run && !(argc == 7 && strcmp(argv[1], "read") == 0))
		usage();
	brokers = argv[2];
	topic = argv[3];
	debug = getenv("WORKLOAD_DEBUG");
	is_idempotent_only = getenv("WORKLOAD_IDEMPOTENT_ONLY") != NULL;
	partitions = (int32_t)atoi(argv[4]);
	seconds = atoll(argv[5]);
	rate = is_run ? atoll(argv[6]) : 0;
	if (partitions < 1 || partitions > PARTITIONS_MAX || seconds < 1 || (is_run && (rate < 1 || rate > 10000)))
		usage();
	history = fopen(argv[argc - 1], "a");
	if (history == NULL)
		die("history", argv[argc - 1]);
	if (is_run)
		run(strtoull(argv[7], NULL, 10));
	else
		read_all();
	if (fclose(history) != 0)
		die("history", "not written");
	return has_failed;
}
