/*
 * What a cluster costs, seen from outside: three brokers on this machine over a real ZooKeeper
 * server, with nothing overridden but what makes them one cluster.
 *
 *	cluster_bench [options] SKEIN ZOOKEEPER
 *	  SKEIN			the program to measure
 *	  ZOOKEEPER		the script that starts a server: tests/system/zookeeper
 *	  --dir D		directory for data (its parent must exist); default /tmp/cluster_bench
 *	  --only A,B		of: produce failover idle create
 *	  --runs N		runs of each figure; default 5
 *	  --seconds S		length of a run of the loads; default 2
 *	  --idle S		length of a run of the idle figures; default 30
 *	  --partitions N	of the topic whose leaders fail; default 3000
 *	  --json FILE		appends one line per figure
 *	  --revision TEXT	what is measured, for the table and the lines
 *
 * CPU is that of all three brokers together, unless a figure says otherwise; ZooKeeper's is not in
 * it. The times of failover are the controller's own, from its log: how soon it hears of a failure
 * is ZooKeeper's and the session's timeout, and no figure of ours. See README.md.
 */
#include "bench.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKERS      3
#define WAIT_SECONDS 120.0
#define POLL_SECONDS 0.02

struct bench {
	struct report report;
	const char   *program, *zookeeper;	/* the script */
	const char   *dir, *only;
	int           runs, partitions;
	double        seconds, idle_seconds;

	/* The cluster that is up. */
	uint16_t            zookeeper_port;
	struct bench_broker brokers[BROKERS];	/* ids 1 to BROKERS */
	char                dirs[BROKERS][512];
	char                ids[BROKERS][32], connect[64], timeout[64];
};

/* --- ZooKeeper -------------------------------------------------------------------------------- */

static const struct bench *zookeeper_of;	/* whose server runs; NULL: none */

static int zookeeper_run(const struct bench *b, const char *verb)
{
	char dir[600], port[16];
	int status;

	snprintf(dir, sizeof(dir), "%s/zk", b->dir);
	snprintf(port, sizeof(port), "%d", b->zookeeper_port);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		execl(b->zookeeper, b->zookeeper, verb, dir, port, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bench_die("cannot run %s", b->zookeeper);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Also when the bench dies: the server is in a session of its own. */
static void zookeeper_stop(void)
{
	if (zookeeper_of != NULL)
		(void)zookeeper_run(zookeeper_of, "stop");
	zookeeper_of = NULL;
}

/* The bench does nothing but wait when it comes, nearly always. */
static void on_signal(int signal UNUSED)
{
	exit(1);
}

static void zookeeper_start(struct bench *b)
{
	struct bench_broker old = { .dir = b->dir };

	broker_clear(&old);
	if (mkdir(b->dir, 0755) != 0)
		bench_die("cannot make %s", b->dir);
	b->zookeeper_port = process_free_port();
	if (zookeeper_run(b, "start") != 0)
		bench_die("there is no ZooKeeper server");
	zookeeper_of = b;
}

/* --- the cluster ------------------------------------------------------------------------------ */

static void look(const struct bench *b, int id, const char *topic, struct client_view *v)
{
	double until = bench_now() + WAIT_SECONDS;

	for (bool is_seen = false; !is_seen;) {
		int fd = client_connect(b->brokers[id - 1].port);

		is_seen = client_look(fd, topic, v);
		close(fd);
		if (!is_seen && bench_now() > until)
			bench_die("broker %d answers nobody", id);
		if (!is_seen)
			bench_sleep(POLL_SECONDS);
	}
}

/* Until that broker sees so many brokers and their controller. */
static void wait_members(const struct bench *b, int id, int brokers)
{
	double until = bench_now() + WAIT_SECONDS;
	struct client_view v;

	for (look(b, id, "", &v); v.brokers != brokers || v.controller < 1; look(b, id, "", &v)) {
		if (bench_now() > until)
			bench_die("broker %d sees %d brokers, not %d", id, v.brokers, brokers);
		bench_sleep(POLL_SECONDS);
	}
}

/* Until every replica of the topic is in sync, as that broker sees it. */
static void wait_in_sync(const struct bench *b, int id, const char *topic, int partitions)
{
	double until = bench_now() + WAIT_SECONDS;
	struct client_view v;

	for (look(b, id, topic, &v); v.partitions != partitions || v.in_sync != partitions * BROKERS;
	     look(b, id, topic, &v)) {
		if (bench_now() > until)
			bench_die("%s has %d partitions and %d replicas in sync, not all", topic,
			          v.partitions, v.in_sync);
		bench_sleep(POLL_SECONDS * 10);
	}
}

static void cluster_start(struct bench *b, int session_ms)
{
	zookeeper_start(b);
	snprintf(b->connect, sizeof(b->connect), "zookeeper.connect=127.0.0.1:%d", b->zookeeper_port);
	snprintf(b->timeout, sizeof(b->timeout), "zookeeper.session.timeout.ms=%d", session_ms);
	for (int i = 0; i < BROKERS; i++) {
		snprintf(b->dirs[i], sizeof(b->dirs[i]), "%s/b%d", b->dir, i + 1);
		snprintf(b->ids[i], sizeof(b->ids[i]), "broker.id=%d", i + 1);
		b->brokers[i] = (struct bench_broker){
			.program = b->program, .dir = b->dirs[i],
			.settings = { b->ids[i], b->connect, b->timeout, "auto.leader.rebalance.enable=false" },
		};
		broker_start(&b->brokers[i], false, NULL);
	}
	for (int id = 1; id <= BROKERS; id++)
		wait_members(b, id, BROKERS);
}

static void cluster_stop(struct bench *b)
{
	for (int i = 0; i < BROKERS; i++)
		broker_kill(&b->brokers[i]);
	zookeeper_stop();
}

static int controller_of(const struct bench *b, int id)
{
	struct client_view v;

	look(b, id, "", &v);
	return v.controller;
}

/* Returns the seconds until it was answered. */
static double create(const struct bench *b, const char *name, int topics, int partitions, int replicas)
{
	int fd = client_connect(b->brokers[controller_of(b, 1) - 1].port);
	double began = bench_now();

	if (!client_create_topics(fd, name, topics, partitions, replicas))
		bench_die("not all topics were created");
	close(fd);
	return bench_now() - began;
}

static struct bench_cost cluster_cost(const struct bench *b)
{
	struct bench_cost sum = { 0 };

	for (int i = 0; i < BROKERS; i++) {
		struct bench_cost c = process_cost(b->brokers[i].pid);

		sum.cpu_s += c.cpu_s;
		sum.wakes += c.wakes;
	}
	return sum;
}

/* --- replication ------------------------------------------------------------------------------ */

#define RATIO_AIM      2.5
#define SETTLE_SECONDS 0.3	/* followers may still lack the last records when acks=1 is answered */

struct shape {
	const char *name;
	int         records;		/* per request */
	size_t      value_bytes;
};

/* CPU of the three brokers for a record, in microseconds; *wakes: likewise. */
static double load_topic(const struct bench *b, const char *topic, const struct shape *shape, int acks,
                         double *wakes)
{
	struct bench_batch batch;
	struct client_view v;
	struct writer w;

	look(b, 1, topic, &v);
	if (v.first_leader < 1)
		bench_die("nobody leads %s", topic);
	bench_batch_init(&batch, CODEC_NONE, shape->records, shape->value_bytes);
	writer_init(&w);
	client_make_produce(&w, topic, 0, acks, batch.batch);
	struct load_spec spec = {
		.broker = &b->brokers[v.first_leader - 1], .connections = 1, .in_flight = 5,
		.frame = slice_of(w.buf, w.len), .seconds = b->seconds,
	};
	struct bench_cost before = cluster_cost(b);
	struct load_result r = load_produce(&spec);
	bench_sleep(SETTLE_SECONDS);
	struct bench_cost after = cluster_cost(b);
	double records = (double)r.requests * shape->records;
	*wakes = (double)(after.wakes - before.wakes) / records;
	writer_fini(&w);
	bench_batch_fini(&batch);
	return (after.cpu_s - before.cpu_s) * 1e6 / records;
}

static void measure_replication(struct bench *b, const struct shape *shape, int acks)
{
	struct figure one, three, ratio, one_wakes, three_wakes;
	double wakes;

	figure_init(&one, "us/record", 0, "%s, acks=%s, 1 replica: CPU of all", shape->name,
	            acks < 0 ? "all" : "1");
	figure_init(&one_wakes, "wakes/record", 0, "    wakes");
	figure_init(&three, "us/record", 0, "    3 replicas: CPU of all");
	figure_init(&three_wakes, "wakes/record", 0, "    wakes");
	figure_init(&ratio, "x", RATIO_AIM, "    ratio of the two CPUs, run by run");
	for (int i = -1; i < b->runs; i++) {
		double alone = load_topic(b, "one", shape, acks, &wakes), wakes_alone = wakes;
		double all = load_topic(b, "three", shape, acks, &wakes);

		if (i < 0)
			continue;	/* warm-up */
		figure_add(&one, alone);
		figure_add(&one_wakes, wakes_alone);
		figure_add(&three, all);
		figure_add(&three_wakes, wakes);
		figure_add(&ratio, all / alone);
	}
	report_figure(&b->report, &one);
	report_figure(&b->report, &one_wakes);
	report_figure(&b->report, &three);
	report_figure(&b->report, &three_wakes);
	report_figure(&b->report, &ratio);
}

static void bench_produce(struct bench *b)
{
	static const struct shape shapes[] = {
		{ "100 B a request, 5 in flight", 1, 100 },
		{ "1 KiB records, batches of 64 KiB", 62, 1024 },
	};

	cluster_start(b, 18000);
	(void)create(b, "one", 1, 1, 1);
	(void)create(b, "three", 1, 1, BROKERS);
	wait_in_sync(b, 1, "three", 1);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		measure_replication(b, &shapes[i], 1);
		measure_replication(b, &shapes[i], -1);
	}
	cluster_stop(b);
}

/* --- failover --------------------------------------------------------------------------------- */

#define FAILOVER_AIM_MS 500
#define ELECTION_AIM_MS 300

static double wait_event(const struct bench *b, int id, const char *event, const char *field)
{
	double until = bench_now() + WAIT_SECONDS, value;

	while (!broker_event(&b->brokers[id - 1], event, field, &value)) {
		if (bench_now() > until)
			bench_die("broker %d has not logged %s", id, event);
		bench_sleep(POLL_SECONDS);
	}
	return value;
}

/* Until every partition has a leader that is not `gone`. */
static void wait_led(const struct bench *b, int id, int gone)
{
	double until = bench_now() + WAIT_SECONDS;
	struct client_view v;
	int led = 0;

	do {
		if (bench_now() > until)
			bench_die("%d of %d partitions have another leader", led, b->partitions);
		bench_sleep(POLL_SECONDS);
		look(b, id, "many", &v);
		led = 0;
		for (int i = 1; i <= BROKERS; i++)
			led += i != gone ? v.led[i] : 0;
	} while (led != b->partitions);
}

static int other_than(int a, int b)
{
	for (int id = 1; id <= BROKERS; id++)
		if (id != a && id != b)
			return id;
	return -1;
}

/* Back again, in every in-sync set, and leading what it is the preferred leader of: a third. */
static void bring_back(struct bench *b, int id)
{
	broker_start(&b->brokers[id - 1], true, NULL);
	wait_members(b, id, BROKERS);
	int controller = controller_of(b, id);
	wait_in_sync(b, controller, "many", b->partitions);
	int fd = client_connect(b->brokers[controller - 1].port);
	client_elect_preferred(fd);
	close(fd);
	wait_in_sync(b, controller, "many", b->partitions);
}

/* A broker that is not the controller dies: its partitions get other leaders. */
static void fail_member(struct bench *b, struct figure *moved, struct figure *time, struct figure *cpu)
{
	int controller = controller_of(b, 1), victim = other_than(controller, 0);
	struct bench_cost before, after;

	broker_kill(&b->brokers[victim - 1]);
	before = process_cost(b->brokers[controller - 1].pid);
	figure_add(time, wait_event(b, controller, "leaders_moved", "ms"));
	figure_add(moved, wait_event(b, controller, "leaders_moved", "partitions"));
	wait_led(b, controller, victim);
	after = process_cost(b->brokers[controller - 1].pid);
	figure_add(cpu, (after.cpu_s - before.cpu_s) * 1e3);
	bring_back(b, victim);
}

/* The controller goes, by a clean stop or not: another is elected. */
static void fail_controller(struct bench *b, bool is_clean, struct figure *time)
{
	int victim = controller_of(b, 1), witness = other_than(victim, 0), next;
	double until = bench_now() + WAIT_SECONDS;

	if (is_clean)
		broker_stop(&b->brokers[victim - 1]);
	else
		broker_kill(&b->brokers[victim - 1]);
	while ((next = controller_of(b, witness)) == victim || next < 1) {
		if (bench_now() > until)
			bench_die("no other controller");
		bench_sleep(POLL_SECONDS);
	}
	figure_add(time, wait_event(b, next, "controller_ready", "ms"));
	wait_led(b, next, victim);
	bring_back(b, victim);
}

static void bench_failover(struct bench *b)
{
	struct figure moved, time, cpu, stopped, killed;

	figure_init(&moved, "partitions", 0, "a broker dies: leaders moved");
	figure_init(&time, "ms", FAILOVER_AIM_MS, "    controller's time");
	figure_init(&cpu, "ms", 0, "    CPU of the controller's broker, death to all led");
	figure_init(&stopped, "ms", ELECTION_AIM_MS, "another controller, %d partitions, clean stop: ready",
	            b->partitions);
	figure_init(&killed, "ms", 0, "    the old one and its leaders dead: ready");
	for (int i = 0; i < b->runs; i++) {	/* a fresh cluster each: logs are read from the start */
		cluster_start(b, 9000);
		(void)create(b, "many", 1, b->partitions, BROKERS);
		wait_in_sync(b, 1, "many", b->partitions);
		fail_member(b, &moved, &time, &cpu);
		fail_controller(b, true, &stopped);
		cluster_stop(b);
	}
	for (int i = 0; i < b->runs; i++) {
		cluster_start(b, 9000);
		(void)create(b, "many", 1, b->partitions, BROKERS);
		wait_in_sync(b, 1, "many", b->partitions);
		fail_controller(b, false, &killed);
		cluster_stop(b);
	}
	report_figure(&b->report, &moved);
	report_figure(&b->report, &time);
	report_figure(&b->report, &cpu);
	report_figure(&b->report, &stopped);
	report_figure(&b->report, &killed);
}

/* --- idle ------------------------------------------------------------------------------------- */

#define IDLE_AIM_PERCENT 0.2
#define REST_SECONDS     5.0	/* until what was asked for in passing is done */

static void measure_idle(struct bench *b, int partitions)
{
	struct figure cpu, wakes, memory;

	figure_init(&cpu, "% of a CPU", IDLE_AIM_PERCENT, "idle, %d partitions of 3 replicas: CPU of each",
	            partitions);
	figure_init(&wakes, "wakes/s", 0, "    wakes of each");
	figure_init(&memory, "MiB PSS", 0, "    memory of each");
	bench_sleep(REST_SECONDS);
	for (int i = 0; i < BROKERS; i++)
		figure_add(&memory, process_pss_mib(b->brokers[i].pid));
	struct bench_cost before[BROKERS];
	for (int i = 0; i < BROKERS; i++)
		before[i] = process_cost(b->brokers[i].pid);
	bench_sleep(b->idle_seconds);
	for (int i = 0; i < BROKERS; i++) {
		struct bench_cost after = process_cost(b->brokers[i].pid);

		figure_add(&cpu, (after.cpu_s - before[i].cpu_s) * 100 / b->idle_seconds);
		figure_add(&wakes, (double)(after.wakes - before[i].wakes) / b->idle_seconds);
	}
	report_figure(&b->report, &cpu);
	report_figure(&b->report, &wakes);
	report_figure(&b->report, &memory);
}

static void bench_idle(struct bench *b)
{
	cluster_start(b, 18000);
	measure_idle(b, 0);
	(void)create(b, "quiet", 1, 300, BROKERS);
	wait_in_sync(b, 1, "quiet", 300);
	measure_idle(b, 300);
	cluster_stop(b);
}

/* --- creation --------------------------------------------------------------------------------- */

/* Each cluster has a directory of its own, and none is removed before the end: see measure_topics in broker_bench.c. */
static void measure_creation(struct bench *b, int topics, int partitions)
{
	const char *dir = b->dir;
	char dirs[BENCH_RUNS_MAX][512];
	struct figure time, cpu;

	figure_init(&time, "s", 0, "%d topic(s) of %d partition(s), 3 replicas: answered", topics,
	            partitions);
	figure_init(&cpu, "CPU-s", 0, "    CPU of all, until nothing more is done");
	for (int i = 0; i < b->runs; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s.%d-%d", dir, topics, i);
		b->dir = dirs[i];
		cluster_start(b, 18000);
		struct bench_cost before = cluster_cost(b);
		figure_add(&time, create(b, "many", topics, partitions, BROKERS));
		bench_sleep(REST_SECONDS);
		figure_add(&cpu, cluster_cost(b).cpu_s - before.cpu_s);
		cluster_stop(b);
	}
	b->dir = dir;
	report_figure(&b->report, &time);
	report_figure(&b->report, &cpu);
}

static void clear_creation(const struct bench *b, int topics)
{
	for (int i = 0; i < b->runs; i++) {
		char dir[512];
		struct bench_broker used = { .dir = dir };

		snprintf(dir, sizeof(dir), "%s.%d-%d", b->dir, topics, i);
		broker_clear(&used);
	}
}

static void bench_create(struct bench *b)
{
	measure_creation(b, 1, 1000);
	measure_creation(b, 300, 1);
	clear_creation(b, 1);
	clear_creation(b, 300);
}

/* --- which ------------------------------------------------------------------------------------ */

static const struct suite {
	const char *name;
	void      (*run)(struct bench *b);
} suites[] = {
	{ "create", bench_create },	/* before anything is removed */
	{ "produce", bench_produce }, { "failover", bench_failover }, { "idle", bench_idle },
};

NORETURN static void usage(void)
{
	bench_die("usage: cluster_bench [--dir D] [--only A,B] [--runs N] [--seconds S] [--idle S] "
	          "[--partitions N] [--json FILE] [--revision TEXT] SKEIN ZOOKEEPER");
}

static const struct option options[] = {
	{ "dir", required_argument, NULL, 'd' },        { "only", required_argument, NULL, 'o' },
	{ "runs", required_argument, NULL, 'r' },       { "seconds", required_argument, NULL, 's' },
	{ "idle", required_argument, NULL, 'i' },       { "json", required_argument, NULL, 'j' },
	{ "partitions", required_argument, NULL, 'p' }, { "revision", required_argument, NULL, 'v' },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *json = NULL, *revision = "?";
	struct bench b = {
		.dir = "/tmp/cluster_bench", .runs = 5, .seconds = 2, .idle_seconds = 30, .partitions = 3000,
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': b.dir = optarg; break;
		case 'o': b.only = optarg; break;
		case 'r': b.runs = atoi(optarg); break;
		case 's': b.seconds = atof(optarg); break;
		case 'i': b.idle_seconds = atof(optarg); break;
		case 'p': b.partitions = atoi(optarg); break;
		case 'j': json = optarg; break;
		case 'v': revision = optarg; break;
		default:  usage();
		}
	}
	if (optind != argc - 2 || b.runs < 1 || b.runs > BENCH_RUNS_MAX || b.seconds <= 0
	    || b.idle_seconds <= 0 || b.partitions < 1)
		usage();
	b.program = argv[optind];
	b.zookeeper = argv[optind + 1];
	atexit(zookeeper_stop);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	report_init(&b.report, json, revision);
	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		if (b.only == NULL || report_is_listed(b.only, suites[i].name))
			suites[i].run(&b);
	report_fini(&b.report);
	return 0;
}
