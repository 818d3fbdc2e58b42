/*
 * What a broker costs, seen from outside: `skein serve` as its users start it, on a fresh
 * directory, with nothing overridden but the port and the directory.
 *
 *	broker_bench [options] SKEIN	SKEIN: the program to measure
 *	  --dir D		directory for data (its parent must exist); default /tmp/broker_bench
 *	  --only A,B		of: produce batched fetch start topics recovery allocations
 *	  --runs N		runs of each figure; default 5
 *	  --seconds S		length of a run of one-record requests; default 2
 *	  --gib N		data of the recovery figures; default 1
 *	  --json FILE		appends one line per figure
 *	  --revision TEXT	what is measured, for the table and the lines
 *
 * CPU is the broker's own, user and system; on loopback part of the client's work is done in the
 * broker's context and the other way round. A wake is a return of one of its threads from sleep.
 * GB are 10^9 bytes of records before compression. See README.md.
 */
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
	struct bench_broker broker;
	struct report       report;
	const char *only;
	int         runs;
	double      seconds;
	double      gib;
};

static const char *const codec_labels[CODEC_COUNT] = {
	[CODEC_NONE] = "none", [CODEC_LZ4] = "lz4", [CODEC_ZSTD] = "zstd",
};

/* A broker that has acknowledged a record. */
static void start_fresh(struct bench *b, const char *topic, const char *environment)
{
	struct bench_batch batch;
	struct writer w;
	int fd;

	broker_start(&b->broker, false, environment);
	fd = client_connect(b->broker.port);
	if (!client_create_topics(fd, topic, 1, 1, 1))
		bench_die("the topic %s was not created", topic);
	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, topic, 0, 1, batch.batch);
	client_produce_until_acked(fd, slice_of(w.buf, w.len));
	writer_fini(&w);
	bench_batch_fini(&batch);
	close(fd);
}

static void end_and_clear(struct bench *b)
{
	broker_stop(&b->broker);
	broker_clear(&b->broker);
}

/* --- one record per request ------------------------------------------------------------------- */

static void measure_produce(struct bench *b, int connections, int in_flight, int acks)
{
	const char *ack = acks < 0 ? "all" : "1";
	struct figure cpu, wakes, rate;
	struct bench_batch batch;
	struct writer w;

	figure_init(&cpu, "us/request", 15, "produce 100 B acks=%s, %d x %d in flight: CPU", ack,
	            connections, in_flight);
	figure_init(&wakes, "wakes/request", 0, "    wakes");
	figure_init(&rate, "requests/s", 0, "    rate");
	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, "bench", 0, acks, batch.batch);
	struct load_spec spec = {
		.broker = &b->broker, .connections = connections, .in_flight = in_flight,
		.frame = slice_of(w.buf, w.len), .seconds = b->seconds,
	};
	start_fresh(b, "bench", NULL);
	for (int i = -1; i < b->runs; i++) {
		struct load_result r = load_produce(&spec);

		if (i < 0)
			continue;	/* warm-up */
		figure_add(&cpu, r.cpu_s * 1e6 / (double)r.requests);
		figure_add(&wakes, (double)r.wakes / (double)r.requests);
		figure_add(&rate, (double)r.requests / r.seconds);
	}
	end_and_clear(b);
	report_figure(&b->report, &cpu);
	report_figure(&b->report, &wakes);
	report_figure(&b->report, &rate);
	writer_fini(&w);
	bench_batch_fini(&batch);
}

static void bench_produce(struct bench *b)
{
	static const int connections[] = { 1, 100 }, depths[] = { 1, 5 }, acks[] = { 1, -1 };

	for (size_t a = 0; a < ARRAY_LEN(acks); a++)
		for (size_t c = 0; c < ARRAY_LEN(connections); c++)
			for (size_t d = 0; d < ARRAY_LEN(depths); d++)
				measure_produce(b, connections[c], depths[d], acks[a]);
}

/* --- batches ---------------------------------------------------------------------------------- */

#define RECORD_BYTES 1024
#define BATCHED_RUN_BYTES 1000000000.0

static void measure_batched(struct bench *b, enum codec codec, int kib)
{
	struct figure cpu, rate;
	struct bench_batch batch;
	struct writer w;

	figure_init(&cpu, "CPU-s/GB", 0.9, "produce 1 KiB records, batches of %d KiB, %s: CPU", kib,
	            codec_labels[codec]);
	figure_init(&rate, "GB/s", 0, "    rate");
	bench_batch_init(&batch, codec, (kib << 10) / (RECORD_BYTES + 20), RECORD_BYTES);
	writer_init(&w);
	client_make_produce(&w, "bench", 0, 1, batch.batch);
	struct load_spec spec = {
		.broker = &b->broker, .connections = 1, .in_flight = 5,
		.frame = slice_of(w.buf, w.len),
		.requests = (uint64_t)(BATCHED_RUN_BYTES / (double)batch.plain_bytes),
	};
	for (int i = 0; i < b->runs; i++) {
		start_fresh(b, "bench", NULL);
		struct load_result r = load_produce(&spec);
		double gb = (double)r.requests * (double)batch.plain_bytes / 1e9;

		figure_add(&cpu, r.cpu_s / gb);
		figure_add(&rate, gb / r.seconds);
		end_and_clear(b);
	}
	report_figure(&b->report, &cpu);
	report_figure(&b->report, &rate);
	writer_fini(&w);
	bench_batch_fini(&batch);
}

static void bench_batched(struct bench *b)
{
	static const int sizes[] = { 64, 256, 1000 };
	static const enum codec codecs[] = { CODEC_NONE, CODEC_LZ4, CODEC_ZSTD };

	for (size_t c = 0; c < ARRAY_LEN(codecs); c++)
		for (size_t s = 0; s < ARRAY_LEN(sizes); s++)
			measure_batched(b, codecs[c], sizes[s]);
}

/* Fills partition 0 of the topic with copies of a batch. */
static void fill(struct bench *b, const char *topic, const struct bench_batch *batch, double bytes,
                 int in_flight)
{
	struct writer w;

	writer_init(&w);
	client_make_produce(&w, topic, 0, 1, batch->batch);
	struct load_spec spec = {
		.broker = &b->broker, .connections = 1, .in_flight = in_flight,
		.frame = slice_of(w.buf, w.len),
		.requests = (uint64_t)(bytes / (double)batch->batch.len) + 1,
	};
	(void)load_produce(&spec);
	writer_fini(&w);
}

/* --- fetch ------------------------------------------------------------------------------------ */

#define HOT_BYTES   (512 << 20)
#define FETCH_RUN_BYTES 2000000000u

static void measure_fetch(struct bench *b, const struct bench_batch *batch, int records, int mib)
{
	struct figure fetch, floor, ratio;
	char file[1100];
	int batches = (mib << 20) / (int)batch->batch.len;
	struct fetch_spec spec = {
		.topic = "bench", .bytes = mib << 20, .step = (int64_t)batches * records,
		.total = FETCH_RUN_BYTES,
		.end = (int64_t)(HOT_BYTES / batch->batch.len - (unsigned)batches) * records,
	};

	figure_init(&fetch, "CPU-s/GB", 0, "hot fetch, %d MiB a request: CPU", mib);
	figure_init(&floor, "CPU-s/GB", 0, "    a bare sendfile loop: CPU");
	figure_init(&ratio, "x", 1.3, "    ratio of the two, run by run");
	snprintf(file, sizeof(file), "%s/bench-0/00000000000000000000.log", b->broker.dir);
	for (int i = -1; i < b->runs; i++) {
		double ours = load_fetch(&b->broker, &spec);
		double bare = load_sendfile(file, spec.bytes, spec.total);

		if (i < 0)
			continue;	/* warm-up */
		figure_add(&fetch, ours);
		figure_add(&floor, bare);
		figure_add(&ratio, ours / bare);
	}
	report_figure(&b->report, &fetch);
	report_figure(&b->report, &floor);
	report_figure(&b->report, &ratio);
}

static void bench_fetch(struct bench *b)
{
	const int records = 60;
	struct bench_batch batch;

	bench_batch_init(&batch, CODEC_NONE, records, RECORD_BYTES);
	start_fresh(b, "warm", NULL);
	int fd = client_connect(b->broker.port);
	if (!client_create_topics(fd, "bench", 1, 1, 1))
		bench_die("the topic bench was not created");
	close(fd);
	fill(b, "bench", &batch, HOT_BYTES, 5);
	measure_fetch(b, &batch, records, 1);
	measure_fetch(b, &batch, records, 10);
	end_and_clear(b);
	bench_batch_fini(&batch);
}

/* --- start and memory ------------------------------------------------------------------------- */

#define SETTLE_SECONDS 2.0	/* until what was asked for in passing is done */

/* From exec on: connects, produces until a record is acknowledged. */
static double start_to_ack(struct bench *b, bool keeps)
{
	struct bench_batch batch;
	struct writer w;

	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, "bench", 0, 1, batch.batch);
	double began = bench_now();
	broker_start(&b->broker, keeps, NULL);
	int fd = client_connect(b->broker.port);
	if (!keeps && !client_create_topics(fd, "bench", 1, 1, 1))
		bench_die("the topic bench was not created");
	client_produce_until_acked(fd, slice_of(w.buf, w.len));
	double ms = (bench_now() - began) * 1e3;
	close(fd);
	writer_fini(&w);
	bench_batch_fini(&batch);
	return ms;
}

static void load_everything(struct bench *b)
{
	struct bench_batch small, large;
	struct writer w;

	bench_batch_init(&large, CODEC_NONE, 900, RECORD_BYTES);
	fill(b, "bench", &large, BATCHED_RUN_BYTES, 5);
	bench_batch_fini(&large);
	bench_batch_init(&small, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, "bench", 0, 1, small.batch);
	struct load_spec spec = {
		.broker = &b->broker, .connections = 100, .in_flight = 5, .seconds = b->seconds,
		.frame = slice_of(w.buf, w.len),
	};
	(void)load_produce(&spec);
	writer_fini(&w);
	bench_batch_fini(&small);
}

static void bench_start(struct bench *b)
{
	struct figure first, again, idle, loaded;

	figure_init(&first, "ms", 20, "exec to first ack, nothing there, topic created");
	figure_init(&again, "ms", 20, "exec to first ack, after a clean stop");
	figure_init(&idle, "MiB PSS", 8, "memory idle");
	figure_init(&loaded, "MiB PSS", 0, "memory after 1 GB batched and 100 connections");
	for (int i = 0; i < b->runs * 2 && i < BENCH_RUNS_MAX; i++) {
		figure_add(&first, start_to_ack(b, false));
		broker_stop(&b->broker);
		figure_add(&again, start_to_ack(b, true));
		end_and_clear(b);
	}
	for (int i = 0; i < b->runs; i++) {
		(void)start_to_ack(b, false);
		bench_sleep(SETTLE_SECONDS);
		figure_add(&idle, process_pss_mib(b->broker.pid));
		load_everything(b);
		bench_sleep(SETTLE_SECONDS);
		figure_add(&loaded, process_pss_mib(b->broker.pid));
		end_and_clear(b);
	}
	report_figure(&b->report, &first);
	report_figure(&b->report, &again);
	report_figure(&b->report, &idle);
	report_figure(&b->report, &loaded);
}

/* --- topics ----------------------------------------------------------------------------------- */

#define MANY 2000

/*
 * Each broker gets a directory of its own, and none is removed before the end: ext4 does not give
 * an inode out again for some seconds, and looks at thousands of them one by one to pass over them,
 * which would be most of what is measured.
 */
static void measure_topics(struct bench *b, int topics, int partitions)
{
	const char *dir = b->broker.dir;
	char dirs[BENCH_RUNS_MAX][1024];
	struct figure time, memory;

	figure_init(&time, "s", 1, "%d topic(s) of %d partition(s): time to answer", topics,
	            partitions);
	figure_init(&memory, "MiB PSS", 64, "    memory added");
	for (int i = 0; i < b->runs; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s.%d-%d", dir, topics, i);
		b->broker.dir = dirs[i];
		start_fresh(b, "bench", NULL);
		bench_sleep(SETTLE_SECONDS);
		double before = process_pss_mib(b->broker.pid);
		int fd = client_connect(b->broker.port);
		double began = bench_now();
		if (!client_create_topics(fd, "many", topics, partitions, 1))
			bench_die("not all topics were created");
		figure_add(&time, bench_now() - began);
		bench_sleep(SETTLE_SECONDS);
		figure_add(&memory, process_pss_mib(b->broker.pid) - before);
		close(fd);
		broker_stop(&b->broker);
	}
	b->broker.dir = dir;
	report_figure(&b->report, &time);
	report_figure(&b->report, &memory);
}

static void clear_topics(const struct bench *b, int topics)
{
	for (int i = 0; i < b->runs; i++) {
		char dir[1024];
		struct bench_broker used = { .dir = dir };

		snprintf(dir, sizeof(dir), "%s.%d-%d", b->broker.dir, topics, i);
		broker_clear(&used);
	}
}

static void bench_topics(struct bench *b)
{
	measure_topics(b, 1, MANY);
	measure_topics(b, MANY, 1);
	clear_topics(b, 1);
	clear_topics(b, MANY);
}

/* --- recovery --------------------------------------------------------------------------------- */

#define RECOVERY_MORE_BYTES (16 << 20)	/* between one start and the next kill */

static void measure_recovery(struct bench *b, int records, size_t value_bytes, double gib)
{
	struct figure time;
	struct bench_batch batch;

	figure_init(&time, "ms", 200, "kill -9 with %.3g GiB in batches of %d: exec to first ack", gib,
	            records);
	bench_batch_init(&batch, CODEC_NONE, records, value_bytes);
	(void)start_to_ack(b, false);
	fill(b, "bench", &batch, gib * (1 << 30), 5);
	for (int i = 0; i < b->runs; i++) {
		fill(b, "bench", &batch, RECOVERY_MORE_BYTES, 5);
		broker_kill(&b->broker);
		figure_add(&time, start_to_ack(b, true));
	}
	end_and_clear(b);
	report_figure(&b->report, &time);
	bench_batch_fini(&batch);
}

static void bench_recovery(struct bench *b)
{
	measure_recovery(b, 900, RECORD_BYTES, b->gib);
	measure_recovery(b, 1, RECORD_BYTES, MIN(b->gib, 2));
}

/* --- allocations ------------------------------------------------------------------------------ */

/* Every call of the allocator counts only without caches. */
#define COUNT_ALLOCATIONS "MALLOC_CONF=tcache:false,stats_print:true,stats_print_opts:Jgdablxeh"

static double allocations_of(struct bench *b, uint64_t requests)
{
	struct bench_batch batch;
	struct writer w;

	bench_batch_init(&batch, CODEC_NONE, 1, 100);
	writer_init(&w);
	client_make_produce(&w, "bench", 0, 1, batch.batch);
	struct load_spec spec = {
		.broker = &b->broker, .connections = 4, .in_flight = 5, .requests = requests,
		.frame = slice_of(w.buf, w.len),
	};
	start_fresh(b, "bench", COUNT_ALLOCATIONS);
	(void)load_produce(&spec);
	broker_stop(&b->broker);
	double count = (double)broker_allocations(&b->broker);
	broker_clear(&b->broker);
	writer_fini(&w);
	bench_batch_fini(&batch);
	return count;
}

static void bench_allocations(struct bench *b)
{
	struct figure few, many;

	figure_init(&few, "allocations", 0, "a broker's life with 50,000 appends");
	figure_init(&many, "allocations", 0, "    with a million more");
	figure_add(&few, allocations_of(b, 50000));
	figure_add(&many, allocations_of(b, 1050000));
	report_figure(&b->report, &few);
	report_figure(&b->report, &many);
}

/* --- which ------------------------------------------------------------------------------------ */

static const struct suite {
	const char *name;
	void      (*run)(struct bench *b);
} suites[] = {
	{ "topics", bench_topics },	/* before anything is removed: see measure_topics */
	{ "produce", bench_produce }, { "batched", bench_batched }, { "fetch", bench_fetch },
	{ "start", bench_start }, { "recovery", bench_recovery },
	{ "allocations", bench_allocations },
};

NORETURN static void usage(void)
{
	bench_die("usage: broker_bench [--dir D] [--only A,B] [--runs N] [--seconds S] [--gib N] "
	          "[--json FILE] [--revision TEXT] SKEIN");
}

static const struct option options[] = {
	{ "dir", required_argument, NULL, 'd' },     { "only", required_argument, NULL, 'o' },
	{ "runs", required_argument, NULL, 'r' },    { "seconds", required_argument, NULL, 's' },
	{ "gib", required_argument, NULL, 'g' },     { "json", required_argument, NULL, 'j' },
	{ "revision", required_argument, NULL, 'v' }, { 0 },
};

int main(int argc, char **argv)
{
	const char *json = NULL, *revision = "?";
	struct bench b = {
		.broker.dir = "/tmp/broker_bench", .runs = 5, .seconds = 2, .gib = 1,
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': b.broker.dir = optarg; break;
		case 'o': b.only = optarg; break;
		case 'r': b.runs = atoi(optarg); break;
		case 's': b.seconds = atof(optarg); break;
		case 'g': b.gib = atof(optarg); break;
		case 'j': json = optarg; break;
		case 'v': revision = optarg; break;
		default:  usage();
		}
	}
	if (optind != argc - 1 || b.runs < 1 || b.runs > BENCH_RUNS_MAX || b.seconds <= 0 || b.gib <= 0)
		usage();
	b.broker.program = argv[optind];
	report_init(&b.report, json, revision);
	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		if (b.only == NULL || report_is_listed(b.only, suites[i].name))
			suites[i].run(&b);
	report_fini(&b.report);
	return 0;
}
