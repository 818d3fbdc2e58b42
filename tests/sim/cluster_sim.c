#include "cluster_sim.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/controller_priv.h"
#include "coord/tree_priv.h"

#define START_FAILURES_MAX 50

const char *const cluster_dirs[CLUSTER_DIRS] = { "/data", "/more" };

uint64_t cluster_draw(struct cluster_sim *c, uint64_t n)	/* xorshift64* */
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return (c->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

mono_ms cluster_now(const struct cluster_sim *c)
{
	return os_mono_ms(sim_os(c->elsewhere));
}

void cluster_fail(const struct cluster_sim *c, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "seed %llu, at %lld ms: %s\n", (unsigned long long)c->seed, (long long)cluster_now(c), text);
	ck_abort_msg("seed %llu, at %lld ms: %s", (unsigned long long)c->seed, (long long)cluster_now(c), text);
	abort();
}

/* --- life ----------------------------------------------------------------------------------------------------------------------------- */

/* With the time, and the host whose actor says it. */
static void sink(void *arg, enum log_level level UNUSED, const char *line, size_t len)
{
	const struct cluster_sim *c = arg;
	const struct actor *a = actor_current();
	const char *host = "";

	if (getenv("SKEIN_SIM_LOG") == NULL)
		return;
	for (int i = 0; a != NULL && i < c->node_count; i++) {
		if (a->sched == c->nodes[i].b.sched)
			host = c->nodes[i].b.host;
	}
	fprintf(stderr, "%lld %s %.*s%s", (long long)cluster_now(c), host, (int)len, line, len > 0 && line[len - 1] == '\n' ? "" : "\n");
}

/* Everything is short, so that a life of seconds sees what takes a real cluster minutes. */
static void add_node(struct cluster_sim *c, const struct broker_sim_world *w, int i)
{
	char id[32], listener[64], host[16], session[64];
	const char *const configs[] = {
		id, listener, session, "zookeeper.connect=tree", "log.dirs=/data,/more", "num.network.threads=1", "default.replication.factor=3",
		"min.insync.replicas=2", "auto.create.topics.enable=false", "offsets.topic.replication.factor=3",
		"offsets.topic.num.partitions=2", "offsets.commit.timeout.ms=500", "group.min.session.timeout.ms=100", "group.initial.rebalance.delay.ms=20",
		"replica.lag.time.max.ms=400", "replica.fetch.wait.max.ms=150", "replica.socket.timeout.ms=500", "replica.fetch.backoff.ms=30",
		"controller.socket.timeout.ms=400", "request.timeout.ms=400", "zookeeper.connection.timeout.ms=60000", "controlled.shutdown.retry.backoff.ms=50",
		"leader.imbalance.check.interval.seconds=3",
		"log.segment.bytes=1500", "log.index.size.max.bytes=600", "log.index.interval.bytes=200", "log.flush.offset.checkpoint.interval.ms=300",
		"replica.high.watermark.checkpoint.interval.ms=200", "file.delete.delay.ms=100", "log.segment.delete.delay.ms=100", NULL,
	};

	snprintf(id, sizeof(id), "broker.id=%d", i + 1);
	snprintf(host, sizeof(host), "b%d", i + 1);
	snprintf(listener, sizeof(listener), "listeners=PLAINTEXT://%s:9092", host);
	snprintf(session, sizeof(session), "zookeeper.session.timeout.ms=%d", CLUSTER_SESSION_MS);
	broker_sim_join(&c->nodes[i].b, w, host, c->seed * 16 + (uint64_t)i + 1, configs);
	c->nodes[i].id = i + 1;
	c->nodes[i].back_at = cluster_now(c);
}

/* Who dies at an operation of its disk says nothing more from there on, whoever is stepped before it is cleared away. */
static void on_step(void *arg, struct actor *a)
{
	struct cluster_sim *c = arg;

	c->steps++;
	for (int i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];

		if (n->b.is_up && !n->is_silenced && sim_is_dead(n->b.machine)) {
			n->is_silenced = true;
			broker_sim_silence(&n->b);
		}
	}
	if (c->on_step != NULL)
		c->on_step(c->arg, a);
}

void cluster_sim_init(struct cluster_sim *c, uint64_t seed, int node_count)
{
	memset(c, 0, sizeof(*c));
	c->seed = seed;
	c->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	log_set_sink(sink, c);
	map_seed_set(seed, seed);
	c->net = sim_net_create(seed);
	c->elsewhere = sim_create(c->net, "client", seed * 16);
	c->sched = sched_sim_create(sim_os(c->elsewhere), seed);
	sched_sim_set_clock(c->sched, sim_clock_next_event, sim_clock_advance, c->elsewhere);
	sched_sim_set_observer(c->sched, on_step, c);
	c->tree = coord_tree_create();
	struct broker_sim_world w = { .net = c->net, .elsewhere = c->elsewhere, .sched = c->sched, .tree = c->tree };

	for (c->node_count = 0; c->node_count < node_count; c->node_count++)
		add_node(c, &w, c->node_count);
}

void cluster_sim_fini(struct cluster_sim *c)
{
	for (int i = 0; i < c->node_count; i++) {
		if (c->nodes[i].state != NODE_DOWN)
			cluster_sim_kill(c, i, SIM_CRASH_PROCESS, MONO_NEVER);
		c->nodes[i].back_at = MONO_NEVER;
	}
	c->on_step = NULL;		/* machines go, one after the other */
	for (int i = 0; i < c->node_count; i++)
		broker_sim_fini(&c->nodes[i].b);
	sched_destroy(&c->sched);
	coord_tree_destroy(&c->tree);
	sim_destroy(&c->elsewhere);
	sim_net_destroy(&c->net);
}

uint64_t cluster_sim_hash(const struct cluster_sim *c)
{
	uint64_t hash = sched_sim_hash(c->sched) * 31 + sim_hash(c->elsewhere);

	for (int i = 0; i < c->node_count; i++)
		hash = hash * 7 + sim_hash(c->nodes[i].b.machine);
	return hash;
}

/* --- what follows by itself ------------------------------------------------------------------------------------------------------------- */

static void give_faults(struct cluster_sim *c, struct cluster_node *n)
{
	struct controller *controller = n->b.parts.controller;

	if (controller->coord == NULL)
		return;
	struct coord_faults f = c->faults;
	f.seed = c->random + (uint64_t)n->id;
	coord_set_faults(controller->coord, &f);
}

static void begin(struct cluster_sim *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	n->back_at = MONO_NEVER;
	n->lives++;
	n->is_silenced = false;
	sim_crash_after_ops(n->b.machine, c->may_die_starting && cluster_draw(c, 6) == 0 ? 1 + cluster_draw(c, 30) : 0);
	n->state = NODE_STARTING;
	if (!broker_sim_begin(&n->b))
		return;		/* dead again: seen below */
	give_faults(c, n);
}

static void tend(struct cluster_sim *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	if (n->is_paused) {
		if (cluster_now(c) >= n->back_at)
			cluster_sim_go_on(c, node);
		return;
	}
	if (n->state != NODE_DOWN && sim_is_dead(n->b.machine)) {
		cluster_sim_kill(c, node, n->dies_by, 20);
		return;
	}
	switch (n->state) {
	case NODE_DOWN:
		if (cluster_now(c) >= n->back_at)
			begin(c, node);
		break;
	case NODE_STARTING:
		if (!n->b.is_ready)
			break;
		if (n->b.ready.result != OK) {		/* a process that says why and exits; its supervisor starts it again */
			cluster_sim_kill(c, node, SIM_CRASH_PROCESS, 100);
			CLUSTER_CHECK(c, n->lives < START_FAILURES_MAX, "broker %d does not start: %s", n->id, n->b.ready.problem);
			break;
		}
		assembly_serve(&n->b.parts);
		n->state = NODE_UP;
		break;
	case NODE_UP:
		break;
	case NODE_RETIRING:
		if (!n->b.has_retired)
			break;
		n->state = NODE_DOWN;
		n->back_at = cluster_now(c) + 50;
		sim_crash_after_ops(n->b.machine, 0);
		broker_sim_stop(&n->b);
		break;
	}
}

void cluster_sim_step(struct cluster_sim *c)
{
	bool goes_on = sched_sim_step(c->sched);

	CLUSTER_CHECK(c, goes_on, "nothing will ever happen again");
	for (int i = 0; i < c->node_count; i++)
		tend(c, i);
}

void cluster_sim_pass(struct cluster_sim *c, mono_ms ms)
{
	mono_ms until = cluster_now(c) + ms;

	while (cluster_now(c) < until)
		cluster_sim_step(c);
}

bool cluster_node_serves(const struct cluster_sim *c, int node)
{
	return c->nodes[node].state == NODE_UP && !c->nodes[node].is_paused && !sim_is_dead(c->nodes[node].b.machine);
}

/* --- what goes wrong -------------------------------------------------------------------------------------------------------------------- */

void cluster_sim_kill(struct cluster_sim *c, int node, enum sim_crash kind, mono_ms back_after)
{
	struct cluster_node *n = &c->nodes[node];

	if (n->is_paused)
		cluster_sim_go_on(c, node);
	n->state = NODE_DOWN;
	n->back_at = back_after == MONO_NEVER ? MONO_NEVER : cluster_now(c) + back_after;
	if (c->on_kill != NULL)
		c->on_kill(c->arg, node, kind);
	broker_sim_crash(&n->b, kind);
}

void cluster_sim_stop(struct cluster_sim *c, int node)
{
	ck_assert_int_eq(c->nodes[node].state, NODE_UP);
	c->nodes[node].state = NODE_RETIRING;
	broker_sim_retire(&c->nodes[node].b);
}

void cluster_sim_pause(struct cluster_sim *c, int node, mono_ms ms)
{
	struct cluster_node *n = &c->nodes[node];

	if (n->is_paused || n->state == NODE_DOWN)
		return;
	n->is_paused = true;
	n->back_at = cluster_now(c) + ms;
	sched_sim_pause(n->b.sched, true);
}

void cluster_sim_go_on(struct cluster_sim *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	if (!n->is_paused)
		return;
	n->is_paused = false;
	n->back_at = MONO_NEVER;
	sched_sim_pause(n->b.sched, false);
}

void cluster_sim_expire(struct cluster_sim *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	if (n->state == NODE_DOWN || !n->b.is_up || n->b.parts.controller->coord == NULL)
		return;
	int64_t id = coord_session_id(n->b.parts.controller->coord);
	LIST_FOREACH(link, &c->tree->sessions) {
		struct tree_session *s = LIST_ENTRY(link, struct tree_session, link);

		if (s->id == id)
			s->expires_at = cluster_now(c);
	}
}

void cluster_sim_break_disk(struct cluster_sim *c, int node, enum sim_op op, uint64_t nth)
{
	c->nodes[node].has_bad_disk = c->nodes[node].is_disk_broken = c->nodes[node].b.may_meet_io = true;
	sim_fail(c->nodes[node].b.machine, op, cluster_dirs[cluster_draw(c, CLUSTER_DIRS)], nth, ERR_IO);
}

static void set_full(struct cluster_node *n, unsigned per_million)
{
	sim_fail_often(n->b.machine, SIM_WRITE, NULL, per_million, ERR_NO_SPACE);
	sim_fail_often(n->b.machine, SIM_NAME, NULL, per_million, ERR_NO_SPACE);
}

void cluster_sim_fill_disk(struct cluster_sim *c, int node)
{
	c->nodes[node].has_bad_disk = true;
	set_full(&c->nodes[node], 1000000);
}

void cluster_sim_mend_disk(struct cluster_sim *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	if (!n->has_bad_disk)
		return;
	n->has_bad_disk = false;
	sim_fail(n->b.machine, SIM_ANY, NULL, 0, OK);
	set_full(n, 0);
	if (n->state != NODE_DOWN && n->is_disk_broken)
		cluster_sim_kill(c, node, SIM_CRASH_PROCESS, 20);
	n->is_disk_broken = n->b.may_meet_io = false;
}

void cluster_sim_cut(struct cluster_sim *c, int from, int to)
{
	sim_net_cut(c->nodes[from].b.machine, c->nodes[to].b.machine);
}

void cluster_sim_heal_links(struct cluster_sim *c)
{
	for (int i = 0; i < c->node_count; i++) {
		for (int k = 0; k < c->node_count; k++)
			sim_net_heal(c->nodes[i].b.machine, c->nodes[k].b.machine);
	}
}

void cluster_sim_set_faults(struct cluster_sim *c, const struct coord_faults *f)
{
	c->faults = *f;
	for (int i = 0; i < c->node_count; i++) {
		if (c->nodes[i].state != NODE_DOWN && c->nodes[i].b.is_up)
			give_faults(c, &c->nodes[i]);
	}
}
