/*
 * What a cluster's events cost in calls to the store and requests between brokers, by number of brokers and partitions: whole brokers with Kafka's defaults, simulated, on
 * one thread. (One of Kafka's three network threads per broker, of which nothing here depends but the time that this program takes.)
 *
 *	scale_sim [--idle SECONDS] [--per-topic K] [--seed S] BROKERS PARTITIONS
 *	scale_sim --bytes			no cluster: what the requests hold per partition, topic, broker, from the encoders
 *
 * One line of JSON per event, to the standard output. The events, each until the cluster is at rest again:
 *
 *	start	the last broker joins, nothing is there yet		return	the broker that had stopped comes back
 *	revive	the one that had died comes back
 *	fill	topics of K partitions in one request, RF 3		elect	the first replica of each partition leads again
 *	create	a topic of 1 partition, one of 4K partitions		death	a broker that is not the controller is killed, its session ends
 *	idle	some seconds of nothing					failover	the controller is killed, its session ends: another loads everything
 *	stop	a broker is told to stop in order			delete	a topic of 4K partitions goes
 *
 * Nobody ever waits for a processor here: time passes only when nobody has anything to do. So `ms` is what waits for the network (1 to 3 ms each way),
 * devices and timers cost, and counts are those of a cluster that is not overloaded. docs/scale.py makes docs/SCALE.md of the lines.
 */
#include <check.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/controller_priv.h"
#include "coord/tree_priv.h"
#include "scale_count.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/metadata.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"
#include "wire/header.h"

#define BROKERS_MAX 128
#define QUIET_MS    1500		/* without a call or a request: at rest. A fetcher that meets a leader that is gone tries again after one second */
#define STEPS_MAX   2000000000LL
#define STALLS      256			/* of so many stalls that the scheduler wants one is let through: see advance */
#define RF          3

struct scale {
	int                   broker_count, partitions, per_topic;
	double                idle_seconds;
	uint64_t              seed;
	struct sim_net       *net;
	struct sim_os        *elsewhere;
	struct sched         *sched;
	struct coord_tree    *tree;
	struct broker_sim     brokers[BROKERS_MAX];
	struct scale_counter  counter;
	struct sim_client     client;
	bool                  is_quiet;		/* nobody can do anything before time passes */
	uint64_t              stalls;
	/* of the event at hand */
	mono_ms               began;
	size_t                heap_before;
	int                   led, hosted;	/* by the broker it is about */
	mono_ms               led_after;	/* until no broker thought any more that it leads; 0: nobody asked */
};

/* --- time ----------------------------------------------------------------------------------------------------------------------------- */

/* The scheduler asks for the next event only when nobody has anything to do. */
static mono_ms next_event(void *arg)
{
	struct scale *x = arg;

	x->is_quiet = true;
	return sim_clock_next_event(x->elsewhere);
}

/* What else it lets pass now and then is to make threads slow, and would be minutes here, with timeouts. A little is left, for whoever is busy until time passes. */
static void advance(void *arg, mono_ms by)
{
	struct scale *x = arg;

	if (x->is_quiet || ++x->stalls % STALLS == 0)
		sim_clock_advance(x->elsewhere, by);
	x->is_quiet = false;
}

static mono_ms now(const struct scale *x)
{
	return os_mono_ms(sim_os(x->elsewhere));
}

static void step(struct scale *x)
{
	if (!sched_sim_step(x->sched))
		ck_abort_msg("nothing will ever happen again");
}

static void pass(struct scale *x, mono_ms ms)
{
	for (mono_ms until = now(x) + ms; now(x) < until;)
		step(x);
}


/* --- the cluster ------------------------------------------------------------------------------------------------------------------------ */

static void quiet_sink(void *arg UNUSED, enum log_level level, const char *line, size_t len)
{
	if (getenv("SKEIN_SIM_LOG") != NULL || level == LOG_LEVEL_ERROR)
		fprintf(stderr, "%.*s\n", (int)len, line);
}

static void add_broker(struct scale *x, int i)
{
	char id[32], listener[64], host[16];
	const char *const configs[] = { id, listener, "zookeeper.connect=tree", "log.dirs=/data", "num.network.threads=1", NULL };
	struct broker_sim_world w = { .net = x->net, .elsewhere = x->elsewhere, .sched = x->sched, .tree = x->tree };

	snprintf(id, sizeof(id), "broker.id=%d", i + 1);
	snprintf(host, sizeof(host), "b%03d", i + 1);
	snprintf(listener, sizeof(listener), "listeners=PLAINTEXT://%s:%d", host, BROKER_SIM_PORT);
	broker_sim_join(&x->brokers[i], &w, host, x->seed * 1000 + (uint64_t)i + 1, configs);
}

static void start(struct scale *x, int i)
{
	struct broker_sim *b = &x->brokers[i];

	if (!broker_sim_begin(b))
		ck_abort_msg("broker %d did not start", i + 1);
	while (!b->is_ready)
		step(x);
	if (b->ready.result != OK)
		ck_abort_msg("broker %d: %s", i + 1, b->ready.problem);
	assembly_serve(&b->parts);
}

static bool is_active(const struct scale *x, int i)
{
	return x->brokers[i].is_up && x->brokers[i].parts.controller->is_active;
}

static int active(const struct scale *x)
{
	for (int i = 0; i < x->broker_count; i++) {
		if (is_active(x, i))
			return i;
	}
	ck_abort_msg("nobody is the controller");
	return -1;
}

static struct tree_session *session_of(struct scale *x, int i)
{
	int64_t id = coord_session_id(x->brokers[i].parts.controller->coord);

	LIST_FOREACH(link, &x->tree->sessions) {
		struct tree_session *s = LIST_ENTRY(link, struct tree_session, link);

		if (s->id == id)
			return s;
	}
	ck_abort_msg("broker %d has no session", i + 1);
	return NULL;
}

/* The guardian ends the session at once. */
static void kill_broker(struct scale *x, int i)
{
	session_of(x, i)->expires_at = now(x);
	broker_sim_crash(&x->brokers[i], SIM_CRASH_PROCESS);
	tree_expire(x->tree, now(x));
}

struct picture {
	int topics, partitions, led, hosted, short_of;	/* all; with this leader, on this broker; with an in-sync set that is not full */
};

/* As the broker `by` sees it. */
static struct picture look(const struct scale *x, int by, int of)
{
	struct picture p = { 0 };

	MAP_FOREACH(e, &x->brokers[by].parts.controller->topics) {
		const struct topic_state *t = e->value;

		p.topics += t->is_in_picture;
		for (int i = 0; i < t->partition_count; i++) {
			const struct partition_state *s = &t->partitions[i];

			if (!s->is_known)
				continue;
			p.partitions++;
			p.led += s->leader == of + 1;
			for (int32_t r = 0; r < s->replicas.count; r++)
				p.hosted += s->replicas.ids[r] == of + 1;
			p.short_of += s->isr.count < s->replicas.count;
		}
	}
	return p;
}

static bool is_led_by(const struct scale *x, int i)
{
	for (int by = 0; by < x->broker_count; by++) {
		if (x->brokers[by].is_up && look(x, by, i).led > 0)
			return true;
	}
	return false;
}

/* gone: the broker whose partitions others are to lead; -1: none. */
static void rest(struct scale *x, int gone)
{
	uint64_t seen = x->counter.changes;
	mono_ms since = now(x), begin = since, looked = since;

	while (now(x) < since + QUIET_MS) {
		step(x);
		if (gone >= 0 && now(x) > looked) {
			looked = now(x);
			if (!is_led_by(x, gone)) {
				x->led_after = looked - begin;
				gone = -1;
			}
		}
		if (x->counter.changes == seen)
			continue;
		seen = x->counter.changes;
		since = now(x);
		if (since > begin + 600000)
			ck_abort_msg("no rest within ten minutes");
	}
	if (gone >= 0)
		ck_abort_msg("broker %d still leads", gone + 1);
}

/* --- the client --------------------------------------------------------------------------------------------------------------------------- */

#define WRAP(api) \
	static bool encode_##api(const void *m, struct writer *w, int v) { return api##_request_encode(m, w, v); }
WRAP(create_topics)
WRAP(delete_topics)
WRAP(elect_leaders)
WRAP(leader_and_isr)
WRAP(metadata)
WRAP(stop_replica)
WRAP(update_metadata)
static bool encode_metadata_answer(const void *m, struct writer *w, int v) { return metadata_response_encode(m, w, v); }

/* The answer's body, valid until the next. */
static struct slice ask(struct scale *x, int broker, int16_t key, int16_t version, sim_encode *encode, const void *request)
{
	struct slice body;
	int16_t answered;
	void *tag;

	x->client.b = &x->brokers[broker];
	sim_client_connect(&x->client);
	x->client.has_ended = false;
	ck_assert(sim_client_ask(&x->client, key, version, encode, request, NULL));
	for (long long i = 0; i < STEPS_MAX; i++) {
		if (i % 16 == 0 && sim_client_answer(&x->client, &tag, &answered, &body))
			return body;
		if (x->client.has_ended)
			break;
		step(x);
	}
	ck_abort_msg("request %d was not answered", key);
	return SLICE_NULL;
}

static void topic_name(char name[32], int i)
{
	snprintf(name, 32, "topic-%06d", i);
}

static void create(struct scale *x, int first, int count, int partitions)
{
	struct create_topics_request_topic *topics = mem_calloc((size_t)count, sizeof(*topics));
	char (*names)[32] = mem_calloc((size_t)count, sizeof(*names));
	struct create_topics_response a;
	struct create_topics_request q;
	struct arena arena;

	create_topics_request_init(&q);
	for (int i = 0; i < count; i++) {
		create_topics_request_topic_init(&topics[i]);
		topic_name(names[i], first + i);
		topics[i].name = slice_str(names[i]);
		topics[i].num_partitions = partitions;
		topics[i].replication_factor = RF;
	}
	q.topics = topics;
	q.topics_count = count;
	struct reader r = reader_of(ask(x, active(x), API_CREATE_TOPICS, 7, encode_create_topics, &q));
	arena_init(&arena, 1 << 24);
	ck_assert(create_topics_response_decode(&a, &r, 7, &arena));
	for (int i = 0; i < a.topics_count; i++) {
		if (a.topics[i].error_code != 0)
			ck_abort_msg("a topic was refused: error %d", a.topics[i].error_code);
	}
	arena_fini(&arena);
	free(names);
	free(topics);
}

static void delete(struct scale *x, int number)
{
	struct delete_topics_request q;
	char name[32];

	topic_name(name, number);
	struct slice names[1] = { slice_str(name) };
	delete_topics_request_init(&q);
	q.topic_names = names;
	q.topic_names_count = 1;
	q.timeout_ms = 60000;
	(void)ask(x, active(x), API_DELETE_TOPICS, 5, encode_delete_topics, &q);
}

static void elect(struct scale *x)
{
	struct elect_leaders_request q;

	elect_leaders_request_init(&q);
	q.topic_partitions = NULL;	/* all */
	q.topic_partitions_count = -1;
	(void)ask(x, active(x), API_ELECT_LEADERS, 2, encode_elect_leaders, &q);
}

static size_t metadata_bytes(struct scale *x, int broker)
{
	struct metadata_request q;

	metadata_request_init(&q);
	q.topics = NULL;		/* all */
	q.topics_count = -1;
	return ask(x, broker, API_METADATA, 12, encode_metadata, &q).len;
}

/* --- events ------------------------------------------------------------------------------------------------------------------------------- */

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void begin(struct scale *x, int of)
{
	struct picture p = look(x, active(x), of);

	x->led = p.led;
	x->hosted = p.hosted;
	x->began = now(x);
	x->led_after = 0;
	scale_counter_reset(&x->counter);
}

/* QUIET_MS of rest are part of what was counted, but not of ms. */
static void end(struct scale *x, const char *event, mono_ms quiet)
{
	struct picture p = look(x, active(x), 0);
	int up = 0;

	for (int i = 0; i < x->broker_count; i++)
		up += x->brokers[i].is_up;
	printf("{\"event\": \"%s\", \"brokers\": %d, \"up\": %d, \"topics\": %d, \"partitions\": %d, \"led\": %d, \"hosted\": %d, \"not_full\": %d, \"ms\": %lld, "
	       "\"led_after_ms\": %lld, \"connections\": %d, ", event, x->broker_count, up, p.topics, p.partitions, x->led, x->hosted, p.short_of, (long long)(now(x) - x->began - quiet),
	       (long long)x->led_after, sim_net_connections(x->net));
	scale_counts_print(&x->counter.now, stdout);
	fputs("}\n", stdout);
	fflush(stdout);
}

static void count_nodes(const struct node *n, uint64_t *nodes, uint64_t *bytes)
{
	struct strbuf path = STRBUF_INIT;

	tree_node_path(n, &path);
	++*nodes;
	*bytes += path.len + n->data_len;
	strbuf_fini(&path);
	if (n->children == NULL)
		return;
	MAP_FOREACH(e, n->children)
		count_nodes(e->value, nodes, bytes);
}

static void print_state(struct scale *x)
{
	struct picture p = look(x, active(x), 0);
	uint64_t nodes = 0, bytes = 0, of_active = 0, of_others = 0;
	size_t metadata = metadata_bytes(x, 0);

	count_nodes(x->tree->root, &nodes, &bytes);
	for (int i = 0; i < x->broker_count; i++) {
		const struct tree_session *s = session_of(x, i);
		uint64_t n = map_count(&s->watches[WATCH_DATA]) + map_count(&s->watches[WATCH_CHILDREN]);

		*(is_active(x, i) ? &of_active : &of_others) += n;
	}
	printf("{\"state\": true, \"brokers\": %d, \"topics\": %d, \"partitions\": %d, \"nodes\": %llu, \"node_bytes\": %llu, \"watches_active\": %llu, \"watches_others\": %llu, "
	       "\"metadata_bytes\": %zu}\n", x->broker_count, p.topics, p.partitions, (unsigned long long)nodes, (unsigned long long)bytes, (unsigned long long)of_active,
	       (unsigned long long)of_others, metadata);
	fflush(stdout);
}

static int not_active(const struct scale *x)
{
	return (active(x) + 1) % x->broker_count;
}

static void come_back(struct scale *x, int i, const char *event)
{
	begin(x, i);
	start(x, i);
	rest(x, -1);
	end(x, event, QUIET_MS);
	begin(x, i);
	elect(x);
	rest(x, -1);
	end(x, "elect", QUIET_MS);
}

static void grow(struct scale *x, int topics)
{
	begin(x, 0);
	create(x, 0, topics, x->per_topic);
	rest(x, -1);
	end(x, "fill", QUIET_MS);
	begin(x, 0);
	create(x, topics, 1, 1);
	rest(x, -1);
	end(x, "create", QUIET_MS);
	begin(x, 0);
	create(x, topics + 1, 1, x->per_topic * 4);
	rest(x, -1);
	end(x, "create", QUIET_MS);
	if (look(x, active(x), 0).short_of > 0)
		ck_abort_msg("not every replica is in sync");
	print_state(x);
}

static void idle(struct scale *x)
{
	begin(x, 0);
	pass(x, (mono_ms)(x->idle_seconds * 1000));
	end(x, "idle", 0);
}

static void lose_brokers(struct scale *x)
{
	int victim = not_active(x);
	struct broker_sim *b = &x->brokers[victim];

	begin(x, victim);
	broker_sim_retire(b);
	while (!b->has_retired)
		step(x);
	broker_sim_stop(b);
	rest(x, -1);
	end(x, "stop", QUIET_MS);
	come_back(x, victim, "return");

	begin(x, victim);
	kill_broker(x, victim);
	rest(x, victim);
	end(x, "death", QUIET_MS);
	come_back(x, victim, "revive");

	victim = active(x);
	begin(x, victim);
	kill_broker(x, victim);
	size_t before = heap();
	rest(x, victim);
	end(x, "failover", QUIET_MS);
	printf("{\"memory\": true, \"brokers\": %d, \"partitions\": %d, \"heap_of_failover\": %lld}\n", x->broker_count, look(x, active(x), 0).partitions,
	       (long long)heap() - (long long)before);
	start(x, victim);
	rest(x, -1);
}

static void live(struct scale *x)
{
	int topics = x->partitions / x->per_topic;

	log_set_sink(quiet_sink, NULL);
	map_seed_set(x->seed, x->seed);
	x->net = sim_net_create(x->seed);
	x->elsewhere = sim_create(x->net, "client", x->seed);
	x->sched = sched_sim_create(sim_os(x->elsewhere), x->seed);
	sched_sim_set_clock(x->sched, next_event, advance, x);
	x->tree = coord_tree_create();
	scale_counter_init(&x->counter, x->tree, x->sched, x->net, x->elsewhere);
	for (int i = 0; i < x->broker_count; i++)
		add_broker(x, i);
	sim_client_init(&x->client, &x->brokers[0]);
	for (int i = 0; i < x->broker_count; i++) {
		if (i == x->broker_count - 1)
			begin(x, i);
		start(x, i);
		rest(x, -1);
	}
	end(x, "start", QUIET_MS);
	grow(x, topics);
	if (x->idle_seconds > 0)
		idle(x);
	lose_brokers(x);
	begin(x, 0);
	delete(x, topics + 1);
	rest(x, -1);
	end(x, "delete", QUIET_MS);
	sim_client_fini(&x->client);
	for (int i = 0; i < x->broker_count; i++) {
		if (x->brokers[i].is_up)
			broker_sim_crash(&x->brokers[i], SIM_CRASH_PROCESS);
	}
	scale_counter_fini(&x->counter);
	for (int i = 0; i < x->broker_count; i++)
		broker_sim_fini(&x->brokers[i]);
	sched_destroy(&x->sched);
	coord_tree_destroy(&x->tree);
	sim_destroy(&x->elsewhere);
	sim_net_destroy(&x->net);
}

/* --- bytes, from the encoders --------------------------------------------------------------------------------------------------------------- */

#define SHAPE_MAX 4

struct shape {
	int topics, partitions, brokers;	/* partitions: of each topic */
};

static int32_t three[RF] = { 100, 101, 102 };

static size_t encoded(sim_encode *encode, const void *m, int version)
{
	struct writer w;

	writer_init(&w);
	ck_assert(encode(m, &w, version));
	size_t n = w.len;
	writer_fini(&w);
	return n;
}

static size_t leader_and_isr_bytes(const struct shape *s, int version)
{
	struct leader_and_isr_request_partition_state p[SHAPE_MAX];
	struct leader_and_isr_request_topic_state t[SHAPE_MAX];
	struct leader_and_isr_request_live_leader l[SHAPE_MAX];
	struct leader_and_isr_request q;

	leader_and_isr_request_init(&q);
	for (int i = 0; i < SHAPE_MAX; i++) {
		leader_and_isr_request_partition_state_init(&p[i]);
		p[i].isr = p[i].replicas = three;
		p[i].isr_count = p[i].replicas_count = RF;
		leader_and_isr_request_topic_state_init(&t[i]);
		t[i].topic_name = SLICE_LIT("topic-000000");
		t[i].partition_states = p;
		t[i].partition_states_count = s->partitions;
		leader_and_isr_request_live_leader_init(&l[i]);
		l[i].host_name = SLICE_LIT("b001");
	}
	q.topic_states = t;
	q.topic_states_count = s->topics;
	q.live_leaders = l;
	q.live_leaders_count = s->brokers;
	return encoded(encode_leader_and_isr, &q, version);
}

static size_t update_metadata_bytes(const struct shape *s, int version)
{
	struct update_metadata_request_partition_state p[SHAPE_MAX];
	struct update_metadata_request_topic_state t[SHAPE_MAX];
	struct update_metadata_request_live_broker b[SHAPE_MAX];
	struct update_metadata_request_endpoint e;
	struct update_metadata_request q;

	update_metadata_request_init(&q);
	update_metadata_request_endpoint_init(&e);
	e.host = SLICE_LIT("b001");
	e.listener = SLICE_LIT("PLAINTEXT");
	for (int i = 0; i < SHAPE_MAX; i++) {
		update_metadata_request_partition_state_init(&p[i]);
		p[i].isr = p[i].replicas = three;
		p[i].isr_count = p[i].replicas_count = RF;
		update_metadata_request_topic_state_init(&t[i]);
		t[i].topic_name = SLICE_LIT("topic-000000");
		t[i].partition_states = p;
		t[i].partition_states_count = s->partitions;
		update_metadata_request_live_broker_init(&b[i]);
		b[i].endpoints = &e;
		b[i].endpoints_count = 1;
	}
	q.topic_states = t;
	q.topic_states_count = s->topics;
	q.live_brokers = b;
	q.live_brokers_count = s->brokers;
	return encoded(encode_update_metadata, &q, version);
}

static size_t stop_replica_bytes(const struct shape *s, int version)
{
	struct stop_replica_request_partition_state p[SHAPE_MAX];
	struct stop_replica_request_topic_state t[SHAPE_MAX];
	struct stop_replica_request q;

	stop_replica_request_init(&q);
	for (int i = 0; i < SHAPE_MAX; i++) {
		stop_replica_request_partition_state_init(&p[i]);
		stop_replica_request_topic_state_init(&t[i]);
		t[i].topic_name = SLICE_LIT("topic-000000");
		t[i].partition_states = p;
		t[i].partition_states_count = s->partitions;
	}
	q.topic_states = t;
	q.topic_states_count = s->topics;
	return encoded(encode_stop_replica, &q, version);
}

static size_t metadata_answer_bytes(const struct shape *s, int version)
{
	struct metadata_response_partition p[SHAPE_MAX];
	struct metadata_response_topic t[SHAPE_MAX];
	struct metadata_response_broker b[SHAPE_MAX];
	struct metadata_response a;

	metadata_response_init(&a);
	a.cluster_id = SLICE_LIT("0123456789012345678901");
	for (int i = 0; i < SHAPE_MAX; i++) {
		metadata_response_partition_init(&p[i]);
		p[i].isr_nodes = p[i].replica_nodes = three;
		p[i].isr_nodes_count = p[i].replica_nodes_count = RF;
		metadata_response_topic_init(&t[i]);
		t[i].name = SLICE_LIT("topic-000000");
		t[i].partitions = p;
		t[i].partitions_count = s->partitions;
		metadata_response_broker_init(&b[i]);
		b[i].host = SLICE_LIT("b001");
	}
	a.topics = t;
	a.topics_count = s->topics;
	a.brokers = b;
	a.brokers_count = s->brokers;
	return encoded(encode_metadata_answer, &a, version);
}

/* What one more of each adds. Counts of arrays and lengths of topics are varints: a few bytes more in a large request. */
static void print_bytes(void)
{
	static const struct {
		const char *name;
		int         version;
		size_t    (*bytes)(const struct shape *s, int version);
	} kinds[] = {
		{ "LeaderAndIsr", 7, leader_and_isr_bytes }, { "UpdateMetadata", 8, update_metadata_bytes }, { "StopReplica", 4, stop_replica_bytes }, { "Metadata", 12, metadata_answer_bytes },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t none = kinds[i].bytes(&(struct shape){ 0, 0, 0 }, kinds[i].version), topic = kinds[i].bytes(&(struct shape){ 1, 0, 0 }, kinds[i].version);

		printf("{\"bytes\": \"%s\", \"version\": %d, \"fixed\": %zu, \"topic\": %zu, \"partition\": %zu, \"broker\": %zu}\n", kinds[i].name, kinds[i].version, none, topic - none,
		       kinds[i].bytes(&(struct shape){ 1, 1, 0 }, kinds[i].version) - topic, kinds[i].bytes(&(struct shape){ 0, 0, 1 }, kinds[i].version) - none);
	}
}

/* --- the program ---------------------------------------------------------------------------------------------------------------------------- */

static struct scale scale = { .per_topic = 10, .idle_seconds = 60, .seed = 1 };
static bool only_bytes;

/* A test, because the simulated brokers state what they expect as tests do. */
START_TEST(scaled)
{
	if (only_bytes)
		print_bytes();
	else
		live(&scale);
}
END_TEST

NORETURN static void usage(void)
{
	fputs("usage: scale_sim [--idle SECONDS] [--per-topic K] [--seed S] BROKERS PARTITIONS | scale_sim --bytes\n", stderr);
	exit(2);
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bytes", no_argument, NULL, 'b' }, { "idle", required_argument, NULL, 'i' }, { "per-topic", required_argument, NULL, 'k' },
		{ "seed", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'b': only_bytes = true; break;
		case 'i': scale.idle_seconds = atof(optarg); break;
		case 'k': scale.per_topic = atoi(optarg); break;
		case 's': scale.seed = strtoull(optarg, NULL, 10); break;
		default: usage();
		}
	}
	if (only_bytes)
		return;
	if (argc - optind != 2)
		usage();
	scale.broker_count = atoi(argv[optind]);
	scale.partitions = atoi(argv[optind + 1]);
	if (scale.broker_count <= RF || scale.broker_count > BROKERS_MAX || scale.per_topic < 1 || scale.partitions < scale.per_topic)
		usage();
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv);
	Suite *s = suite_create("scale");
	TCase *t = tcase_create("scale");
	tcase_add_test(t, scaled);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_SILENT);
	int failed = srunner_ntests_failed(r);
	if (failed != 0)
		srunner_print(r, CK_NORMAL);
	srunner_free(r);
	return failed != 0;
}
