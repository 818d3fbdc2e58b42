/*
 * One load against brokers that run already, whoever made them: what tests/bench/beside_java puts on skein and on Java.
 *
 *	load_one PORT[,PORT...] VERB ...	the ports of brokers 1, 2, ...
 *	  ack TOPIC				creates it, produces until a record is acknowledged
 *	  create TOPIC PARTITIONS REPLICAS	-> seconds until it was answered
 *	  produce TOPIC RECORDS BYTES IN-FLIGHT ACKS SECONDS PID...
 *						to the leader of partition 0, until the replicas in sync have it all
 *						-> requests, seconds of the load, CPU-s of the processes
 *	  fetch TOPIC MIB GB STEP PID		partition 0 from its beginning, as produce has filled it with batches
 *						of STEP records -> CPU-s per GB
 *	  look TOPIC				-> controller, brokers, partitions, in-sync replicas, led by 1, by 2, ...
 *	  cpu PID...				-> CPU-s of the processes since they started
 *	  pss PID				-> MiB
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BROKERS_MAX 8

struct brokers {
	uint16_t ports[BROKERS_MAX];
	int      count;
};

static double cpu_of(char **pids)
{
	double sum = 0;

	for (; *pids != NULL; pids++)
		sum += process_cost(atoi(*pids)).cpu_s;
	return sum;
}

/* The port of who leads partition 0, or of the controller when there is no topic. */
static uint16_t port_of(const struct brokers *b, const char *topic)
{
	struct client_view v;
	int fd = client_connect(b->ports[0]);

	if (!client_look(fd, topic, &v))
		bench_die("the broker answers nobody");
	close(fd);
	int id = topic[0] != '\0' ? v.first_leader : v.controller;
	if (id < 1 || id > b->count)
		bench_die("broker %d is none of ours", id);
	return b->ports[id - 1];
}

static void create(const struct brokers *b, const char *topic, int partitions, int replicas)
{
	int fd = client_connect(port_of(b, ""));
	double began = bench_now();

	if (!client_create_topics(fd, topic, 1, partitions, replicas))
		bench_die("%s was not created", topic);
	printf("%.4f\n", bench_now() - began);
	close(fd);
}

/* A broker that has just come up may not know its controller yet: it is asked until it takes the topic. */
static void first_ack(const struct brokers *b, const char *topic)
{
	int fd = client_connect(b->ports[0]);
	double until = bench_now() + 30;
	struct bench_batch batch;
	struct writer w;

	while (!client_create_topics(fd, topic, 1, 1, 1)) {
		if (bench_now() > until)
			bench_die("%s was not created", topic);
		bench_sleep(0.001);
	}
	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, topic, 0, 1, batch.batch);
	client_produce_until_acked(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	bench_batch_fini(&batch);
	close(fd);
}

/* Followers may lack much when acks=1 is answered: one record with acks=all waits for them. */
static void wait_for_followers(uint16_t leader, const char *topic)
{
	int fd = client_connect(leader);
	struct bench_batch batch;
	struct writer w;

	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, topic, 0, -1, batch.batch);
	client_produce_until_acked(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	bench_batch_fini(&batch);
	close(fd);
}

static void produce(const struct brokers *b, const char *topic, char **argv)
{
	struct bench_broker leader = { .port = port_of(b, topic), .pid = getpid() };
	struct bench_batch batch;
	struct writer w;

	bench_batch_init(&batch, CODEC_NONE, atoi(argv[0]), (size_t)atoi(argv[1]));
	writer_init(&w);
	client_make_produce(&w, topic, 0, atoi(argv[3]), batch.batch);
	struct load_spec spec = {
		.broker = &leader, .connections = 1, .in_flight = atoi(argv[2]),
		.frame = slice_of(w.buf, w.len), .seconds = atof(argv[4]),
	};
	double before = cpu_of(argv + 5);
	struct load_result r = load_produce(&spec);
	wait_for_followers(leader.port, topic);
	printf("%llu %.4f %.6f\n", (unsigned long long)r.requests, r.seconds, cpu_of(argv + 5) - before);
	writer_fini(&w);
	bench_batch_fini(&batch);
}

static void fetch(const struct brokers *b, const char *topic, char **argv)
{
	struct bench_broker leader = { .port = port_of(b, topic), .pid = atoi(argv[3]) };
	struct bench_batch batch;
	int records = atoi(argv[2]), mib = atoi(argv[0]);

	bench_batch_init(&batch, CODEC_NONE, records, 1024);
	int64_t batches = ((int64_t)mib << 20) / (int64_t)batch.batch.len;
	struct fetch_spec spec = {
		.topic = topic, .bytes = mib << 20, .step = batches * records,
		.total = (uint64_t)(atof(argv[1]) * 1e9),
		.end = ((256 << 20) / (int64_t)batch.batch.len - batches) * records,
	};
	printf("%.6f\n", load_fetch(&leader, &spec));
	bench_batch_fini(&batch);
}

static void look(const struct brokers *b, const char *topic)
{
	struct client_view v;
	int fd = client_connect(b->ports[0]);

	if (!client_look(fd, topic, &v))
		bench_die("the broker answers nobody");
	printf("%d %d %d %d", v.controller, v.brokers, v.partitions, v.in_sync);
	for (int id = 1; id < CLIENT_BROKERS_MAX; id++)
		printf(" %d", v.led[id]);
	printf("\n");
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int arguments; } verbs[] = {
		{ "ack", 1 }, { "create", 3 }, { "produce", 7 }, { "fetch", 5 }, { "look", 1 }, { "cpu", 1 }, { "pss", 1 },
	};
	struct brokers b = { .count = 0 };
	size_t verb = 0;

	while (argc > 2 && verb < ARRAY_LEN(verbs) && strcmp(argv[2], verbs[verb].name) != 0)
		verb++;
	if (argc < 4 || verb == ARRAY_LEN(verbs) || argc - 3 < verbs[verb].arguments)
		bench_die("usage: load_one PORT[,PORT...] VERB ARGUMENTS; see load_one.c");
	for (char *at = argv[1]; *at != '\0' && b.count < BROKERS_MAX; at += *at == ',')
		b.ports[b.count++] = (uint16_t)strtoul(at, &at, 10);
	char **a = argv + 3;
	switch (verb) {
	case 0: first_ack(&b, a[0]); break;
	case 1: create(&b, a[0], atoi(a[1]), atoi(a[2])); break;
	case 2: produce(&b, a[0], a + 1); break;
	case 3: fetch(&b, a[0], a + 1); break;
	case 4: look(&b, a[0]); break;
	case 5: printf("%.6f\n", cpu_of(a)); break;
	case 6: printf("%.2f\n", process_pss_mib(atoi(a[0]))); break;
	}
	return 0;
}
