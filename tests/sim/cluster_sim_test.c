/*
 * A cluster of whole brokers and its clients, each life drawn from a seed: processes are killed (at any moment, or at the nth operation on the disk), power is cut, brokers stop in
 * order, stand still for longer than their session, are cut off from each other in one direction or both, lose their sessions; the store loses answers, is late, applies calls
 * twice; topics come and go, grow and move, leaders are elected. What must hold meanwhile: cluster_watch.h; what clients are owed: cluster_load.h. Then all is healed,
 * and it must come to rest: every assigned replica in sync, all logs equal, everybody of one opinion, and no steps that nobody needs.
 *
 * And the simulation must be worth something: mistakes that Kafka once made are built in, each must be found.
 *
 *	SKEIN_SIM_SEEDS=first-last	other seeds (or one)
 *	SKEIN_SIM_LOG=1			with the brokers' logs
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#include "cluster_load.h"
#include "controller/controller_priv.h"
#include "coord/tree_priv.h"
#include "partition/partition_priv.h"
#include "record/build.h"
#include "seeds.h"
#include "storage/partition_metadata.h"

#define SEED_FIRST       1
#define SEED_LAST        1000
#define TWICE            25		/* one seed in so many is lived twice */
#define WORKERS          2		/* processes that share the seeds */
#define PEACE_MS_MAX     60000		/* after the last fault, until all is as it should be */
#define REST_MS          2000
#define REST_STEPS_MAX   20000		/* of all actors in that time; see rest() */
#define MUTANT_SEEDS_MAX 400

/* What may happen in a life. */
struct mood {
	bool kills, power, stops, pauses, cuts, expiries, store, alters, duels, disks;
};

struct life {
	struct cluster_sim   c;
	struct cluster_watch w;
	struct load          l;
	struct mood          mood;
	bool                 has_cut;
};

struct tally {
	int      lives, acknowledged, read, refused, altered, elections, expansions, shrinks, truncations;
	uint64_t steps, rest_steps;
};

static uint64_t draw(struct life *l, uint64_t n)
{
	return cluster_draw(&l->c, n);
}

/* --- what goes wrong -------------------------------------------------------------------------------------------------------------------------- */

/* Two of three are enough for what is promised; a power cut is survived by what is in sync elsewhere. */
static bool is_sound(struct life *l)
{
	for (int i = 0; i < l->c.node_count; i++) {
		if (!cluster_node_serves(&l->c, i) || l->c.nodes[i].has_bad_disk)
			return false;
	}
	for (int i = 0; i < l->w.count; i++) {
		const struct seen_partition *p = &l->w.partitions[i];

		if (p->is_stored && (p->isr_count < 2 || p->isr_count < p->replica_count || p->is_moving))
			return false;
	}
	return !l->has_cut;
}

static void cut_links(struct life *l)
{
	int a = (int)draw(l, (uint64_t)l->c.node_count), how = (int)draw(l, 4);

	l->has_cut = true;
	for (int b = 0; b < l->c.node_count; b++) {
		if (b == a || (how < 2 && b != (a + 1) % l->c.node_count))
			continue;		/* one link, or all of a broker's */
		cluster_sim_cut(&l->c, a, b);
		if (how != 1)
			cluster_sim_cut(&l->c, b, a);
	}
}

static bool has_leader(struct life *l, int partition, int32_t leader)
{
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);

	return p != NULL && p->leader == leader;
}

/*
 * Two leaders of one past: b takes over from a, who is cut off from it and has records that b has not; the third follows b; then b dies, and a, still in sync, leads again. The
 * third has now records of an epoch that a has never seen, at offsets where a has older ones (KIP-279).
 */
static void duel(struct life *l)
{
	int partition = (int)draw(l, LOAD_PARTITIONS);
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);

	if (p == NULL || !is_sound(l) || p->replica_count != 3)
		return;
	int32_t a = p->leader, others[2], n = 0;
	for (int i = 0; i < 3; i++) {
		if (p->replicas[i] != a)
			others[n++] = p->replicas[i];
	}
	int32_t b = others[draw(l, 2)], c = others[0] + others[1] - b;
	load_order_move(&l->l, partition, (const int32_t[]){ b, a, c }, 3);
	for (int i = 0; i < 40 && load_has_orders(&l->l); i++)
		cluster_sim_pass(&l->c, 10);
	l->has_cut = true;
	cluster_sim_cut(&l->c, a - 1, b - 1);
	cluster_sim_cut(&l->c, b - 1, a - 1);
	cluster_sim_pass(&l->c, 10 + (mono_ms)draw(l, 80));
	load_order_election(&l->l);
	for (int i = 0; i < 40 && !has_leader(l, partition, b); i++)
		cluster_sim_pass(&l->c, 10);
	cluster_sim_pass(&l->c, 20 + (mono_ms)draw(l, 120));
	if (l->c.nodes[b - 1].state == NODE_UP)
		cluster_sim_kill(&l->c, b - 1, SIM_CRASH_PROCESS, 900 + (mono_ms)draw(l, 300));
	cluster_sim_pass(&l->c, 500);
}

static void hurt_disk(struct life *l, int node)
{
	static const enum sim_op ops[] = { SIM_OPEN, SIM_READ, SIM_WRITE, SIM_TRUNCATE, SIM_NAME };	/* not SIM_SYNC: it may lose what was acknowledged */

	if (draw(l, 3) == 0)
		cluster_sim_fill_disk(&l->c, node);
	else
		cluster_sim_break_disk(&l->c, node, ops[draw(l, ARRAY_LEN(ops))], 1 + draw(l, 20));
}

static void hurt(struct life *l)
{
	int node = (int)draw(l, (uint64_t)l->c.node_count);
	struct cluster_node *n = &l->c.nodes[node];

	if (l->mood.duels && draw(l, 3) == 0)
		duel(l);
	if (l->mood.disks && draw(l, 2) == 0)
		hurt_disk(l, (int)draw(l, (uint64_t)l->c.node_count));
	switch (draw(l, 10)) {
	case 0: case 1:
		if (l->mood.kills)
			cluster_sim_kill(&l->c, node, SIM_CRASH_PROCESS, 10 + (mono_ms)draw(l, 900));
		break;
	case 2:
		if (l->mood.kills && n->state >= NODE_UP)
			sim_crash_after_ops(n->b.machine, 1 + draw(l, 60));
		break;
	case 3:
		if (l->mood.power && is_sound(l))
			cluster_sim_kill(&l->c, node, SIM_CRASH_POWER, 10 + (mono_ms)draw(l, 900));
		break;
	case 4:
		if (l->mood.stops && n->state == NODE_UP && !n->is_paused)
			cluster_sim_stop(&l->c, node);
		break;
	case 5: case 6:
		if (l->mood.pauses)
			cluster_sim_pause(&l->c, node, 20 + (mono_ms)draw(l, 2 * CLUSTER_SESSION_MS));
		break;
	case 7: case 8:
		if (l->mood.cuts && !l->has_cut)
			cut_links(l);
		break;
	default:
		if (l->mood.expiries)
			cluster_sim_expire(&l->c, node);
		break;
	}
}

static void choose_mood(struct life *l)
{
	struct mood *m = &l->mood;

	m->power = draw(l, 4) == 0;		/* then nothing else takes the replicas away that are needed */
	m->kills = draw(l, 3) != 0 && !m->power;
	m->stops = draw(l, 2) == 0;
	m->pauses = draw(l, 2) == 0 && !m->power;
	m->cuts = draw(l, 2) == 0 && !m->power;
	m->expiries = draw(l, 3) == 0 && !m->power;
	m->store = draw(l, 4) == 0 && !m->power;
	m->duels = draw(l, 4) == 0 && m->kills;
	m->disks = draw(l, 3) == 0 && !m->power;
	m->alters = draw(l, 2) == 0;
	l->c.may_die_starting = m->kills && draw(l, 2) == 0;
	l->l.may_alter = m->alters;
	if (draw(l, 4) == 0)
		sim_net_set_delay(l->c.net, 500, 15000);
	if (m->store) {
		const struct coord_faults f = {
			.lose_before = (uint32_t)draw(l, 1000), .lose_after = (uint32_t)draw(l, 1000), .apply_twice = (uint32_t)draw(l, 500),
			.expire = (uint32_t)draw(l, 150), .delay_ms_max = (uint32_t)draw(l, 20),
		};

		cluster_sim_set_faults(&l->c, &f);
	}
}

/* --- a life ----------------------------------------------------------------------------------------------------------------------------------- */

static void begin(struct life *l, uint64_t seed, int nodes)
{
	*l = (struct life){ 0 };
	cluster_sim_init(&l->c, seed, nodes);
	cluster_watch_init(&l->w, &l->c);
	load_init(&l->l, &l->c, &l->w);
	for (int i = 0; !l->l.operator.has_topic; i++) {
		CLUSTER_CHECK(&l->c, i < 400, "no topic can be made");
		cluster_sim_pass(&l->c, 50);
	}
}

static void suffer(struct life *l)
{
	int hurts = 4 + (int)draw(l, 8);

	for (int i = 0; i < hurts; i++) {
		cluster_sim_pass(&l->c, 20 + (mono_ms)draw(l, 400));
		if (l->has_cut && draw(l, 2) == 0) {
			cluster_sim_heal_links(&l->c);
			l->has_cut = false;
		}
		int mended = (int)draw(l, (uint64_t)l->c.node_count * 2);
		if (mended < l->c.node_count)
			cluster_sim_mend_disk(&l->c, mended);
		if (!cluster_watch_is_doubtful(&l->w))
			hurt(l);
	}
}

static void heal(struct life *l)
{
	const struct coord_faults none = { 0 };

	cluster_sim_heal_links(&l->c);
	cluster_sim_set_faults(&l->c, &none);
	sim_net_set_delay(l->c.net, 500, 2000);
	l->c.may_die_starting = false;
	for (int i = 0; i < l->c.node_count; i++) {
		sim_crash_after_ops(l->c.nodes[i].b.machine, 0);
		cluster_sim_mend_disk(&l->c, i);
		cluster_sim_go_on(&l->c, i);
	}
	load_wind_down(&l->l);
}

static void wait_until_settled(struct life *l)
{
	mono_ms until = cluster_now(&l->c) + PEACE_MS_MAX;
	char why[256] = "";

	while (!load_is_done(&l->l, why) || !cluster_watch_is_settled(&l->w, why)) {
		CLUSTER_CHECK(&l->c, cluster_now(&l->c) < until, "does not come to rest: %s", why);
		cluster_sim_pass(&l->c, 20);
	}
}

static void come_to_rest(struct life *l)
{
	char why[256] = "";

	wait_until_settled(l);
	load_read_again(&l->l);
	for (int i = 0; !load_has_read(&l->l, why); i++) {
		CLUSTER_CHECK(&l->c, i < 300, "at rest %s", why);
		cluster_sim_pass(&l->c, 50);
	}
	wait_until_settled(l);		/* leaders may just be going back to the first replicas */
	cluster_watch_compare(&l->w);
	load_compare(&l->l);
}

/*
 * Where nothing is asked, brokers take steps for long polls, heartbeats and checkpoints only. In simulation every actor with a poller may look whenever anything has happened at
 * all: that is most of what is counted here, and it is bounded by how often something happens. An actor that spins takes a step whenever it is drawn, without end.
 */
static void rest(struct life *l, struct tally *t)
{
	uint64_t before = l->c.steps;

	cluster_sim_pass(&l->c, REST_MS);
	CLUSTER_CHECK(&l->c, l->c.steps - before <= REST_STEPS_MAX, "at rest %llu steps are taken in %d ms", (unsigned long long)(l->c.steps - before), REST_MS);
	t->rest_steps += l->c.steps - before;
}

static void count(struct tally *t, const struct life *l)
{
	t->lives++;
	t->acknowledged += l->l.acknowledged;
	t->read += l->l.read;
	t->refused += l->l.refused;
	t->altered += l->l.altered;
	t->elections += l->w.elections;
	t->expansions += l->w.expansions;
	t->shrinks += l->w.shrinks;
	t->truncations += l->w.truncations;
	t->steps += l->c.steps;
}

/* Returns the hash of all that happened. */
static uint64_t live(uint64_t seed, struct tally *t)
{
	static struct life l;
	uint64_t hash;

	begin(&l, seed, seed % 5 == 0 ? 4 : 3);
	choose_mood(&l);
	suffer(&l);
	heal(&l);
	come_to_rest(&l);
	load_fini(&l.l);
	rest(&l, t);
	count(t, &l);
	hash = cluster_sim_hash(&l.c);
	cluster_sim_fini(&l.c);
	cluster_watch_fini(&l.w);
	return hash;
}

/* --- many ------------------------------------------------------------------------------------------------------------------------------------- */

struct worker {				/* in memory that all processes see */
	uint64_t     seed;		/* being lived; 0: none */
	struct tally tally;
};
static struct worker *workers;

static void live_some(struct worker *w, uint64_t first, uint64_t last, uint64_t step)
{
	struct tally again = { 0 };

	for (uint64_t seed = first; seed <= last; seed += step) {
		w->seed = seed;
		uint64_t hash = live(seed, &w->tally);

		if (seed % TWICE == 0)
			ck_assert_msg(hash == live(seed, &again), "seed %llu: two lives of one seed differ", (unsigned long long)seed);
	}
	w->seed = 0;
}

static void add(struct tally *sum, const struct tally *t)
{
	sum->lives += t->lives;
	sum->acknowledged += t->acknowledged;
	sum->read += t->read;
	sum->refused += t->refused;
	sum->altered += t->altered;
	sum->elections += t->elections;
	sum->expansions += t->expansions;
	sum->shrinks += t->shrinks;
	sum->truncations += t->truncations;
	sum->steps += t->steps;
	sum->rest_steps += t->rest_steps;
}

static void print_replay(uint64_t seed)
{
	printf("to replay: SKEIN_SIM_SEEDS=%llu (SKEIN_SIM_LOG=1 shows the logs)\n", (unsigned long long)seed);
	fflush(stdout);
}

static bool live_in_processes(uint64_t first, uint64_t last)
{
	pid_t pids[WORKERS];
	bool ok = true;

	fflush(stdout);
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0) {
			live_some(&workers[i], first + (uint64_t)i, last, WORKERS);
			_exit(0);
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		int status = -1;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		if (status == 0)
			continue;
		ok = false;
		print_replay(workers[i].seed);
	}
	return ok;
}

START_TEST(lives)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST;
	struct tally sum = { 0 };
	struct timespec begin, end;

	seeds_choose(&first, &last);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (first == last) {
		seeds_begin(first);
		live_some(&workers[0], first, last, 1);
		seeds_end();
	} else {
		ck_assert_msg(live_in_processes(first, last), "a life failed");
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (int i = 0; i < WORKERS; i++)
		add(&sum, &workers[i].tally);
	printf("%d lives: %d batches acknowledged, %d refused, %d records read, %d orders, %d elections, in-sync sets grew %d and shrank %d times, %d logs cut; "
	       "%.0f steps a life, %.0f at rest, %.1f s\n", sum.lives, sum.acknowledged, sum.refused, sum.read, sum.altered, sum.elections, sum.expansions, sum.shrinks,
	       sum.truncations, (double)sum.steps / sum.lives, (double)sum.rest_steps / sum.lives,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	ck_assert_int_gt(sum.acknowledged, 0);
	ck_assert_int_gt(sum.read, 0);
}
END_TEST

static void end(struct life *l)
{
	load_fini(&l->l);
	cluster_sim_fini(&l->c);
	cluster_watch_fini(&l->w);
}

/* --- the end of a broker that is alone with it ----------------------------------------------------------------------------------------------- */

#define LEAVE_MS_MAX 16000	/* three tries with five seconds in between, and what else a stop takes */

static int controller_node(const struct cluster_sim *c)
{
	for (int i = 0; i < c->node_count; i++) {
		if (cluster_node_serves(c, i) && c->nodes[i].b.parts.controller->is_active)
			return i;
	}
	return -1;
}

/* Leave is asked of a controller that does not answer, over a connection that stands: the link is cut. */
START_TEST(stop_without_leave)
{
	static struct life l;

	begin(&l, 1, 3);
	int controller = controller_node(&l.c), node = (controller + 1) % 3;
	ck_assert_int_ge(controller, 0);
	cluster_sim_pass(&l.c, 500);
	struct broker_config *config = l.c.nodes[node].b.parts.controller->config;	/* Kafka's own limits, with which one try may take half a minute */
	config->controller_socket_timeout_ms = config->request_timeout_ms = 30000;
	config->controlled_shutdown_backoff_ms = 5000;
	cluster_sim_cut(&l.c, controller, node);
	cluster_sim_cut(&l.c, node, controller);
	mono_ms begun = cluster_now(&l.c);
	cluster_sim_stop(&l.c, node);
	while (l.c.nodes[node].state == NODE_RETIRING) {
		CLUSTER_CHECK(&l.c, cluster_now(&l.c) - begun < LEAVE_MS_MAX, "a broker that cannot reach the controller does not stop");
		cluster_sim_pass(&l.c, 50);
	}
	heal(&l);
	come_to_rest(&l);
	end(&l);
}
END_TEST

#define DEAF_MS 120000

/* The controller itself, whose store hardly answers any more: it asks itself, and would wait for all of it. */
START_TEST(stop_without_store)
{
	static const struct coord_faults slow = { .seed = 1, .delay_ms_max = DEAF_MS }, none = { .seed = 1 };
	static struct life l;

	begin(&l, 1, 3);
	int controller = controller_node(&l.c);
	ck_assert_int_ge(controller, 0);
	cluster_sim_pass(&l.c, 500);
	cluster_sim_set_faults(&l.c, &slow);
	mono_ms begun = cluster_now(&l.c);
	cluster_sim_stop(&l.c, controller);
	while (l.c.nodes[controller].state == NODE_RETIRING) {
		CLUSTER_CHECK(&l.c, cluster_now(&l.c) - begun < LEAVE_MS_MAX, "a controller that cannot reach the store does not stop");
		cluster_sim_pass(&l.c, 50);
	}
	cluster_sim_set_faults(&l.c, &none);
	cluster_sim_pass(&l.c, DEAF_MS);	/* what is under way */
	heal(&l);
	come_to_rest(&l);
	end(&l);
}
END_TEST

/* --- a question to a controller that is no more ---------------------------------------------------------------------------------------------- */

#define ANEW_MS_MAX 4000	/* a session, an election, the answer of another controller; far below request.timeout.ms */

static int count_asking(struct life *l, int controller)
{
	int n = 0;

	for (int i = 0; i < l->c.node_count; i++)
		n += i != controller && l->c.nodes[i].b.parts.controller->isr_request != NULL;
	return n;
}

/* Those whose question is still out to the incarnation of which /controller was this node. */
static int count_waiting(struct life *l, int64_t node)
{
	int n = 0;

	for (int i = 0; i < l->c.node_count; i++) {
		const struct controller *c = l->c.nodes[i].b.parts.controller;

		n += !c->is_active && c->isr_request != NULL && c->asked_node == node;
	}
	return n;
}

/* The dead one comes back and is elected before the others have seen that it was gone. */
static void elect_again(struct life *l, int controller)
{
	int32_t epoch = l->c.nodes[controller].b.parts.controller->controller_epoch;

	for (int i = 0; i < l->c.node_count; i++) {
		if (i != controller)
			cluster_sim_pause(&l->c, i, CLUSTER_SESSION_MS / 2);
	}
	cluster_sim_expire(&l->c, controller);
	cluster_sim_kill(&l->c, controller, SIM_CRASH_PROCESS, 0);
	for (int i = 0; controller_node(&l->c) != controller || l->c.nodes[controller].b.parts.controller->controller_epoch == epoch; i++) {
		CLUSTER_CHECK(&l->c, i < CLUSTER_SESSION_MS / 2, "it is not elected again");
		cluster_sim_pass(&l->c, 1);
	}
}

/*
 * The link to the controller is cut, and a leader there asks for a smaller in-sync set. Then the controller dies: nothing ever comes over that connection, not even its end. The
 * leader learns from the store who is controller, and must not wait for the answer: what it has to ask next would wait behind it. The next controller is another broker, or (_i 1) the
 * same one once more.
 */
START_TEST(ask_of_the_dead)
{
	static struct life l;

	begin(&l, 1, 3);
	int controller = controller_node(&l.c);
	ck_assert_int_ge(controller, 0);
	cluster_sim_pass(&l.c, 500);
	for (int i = 0; i < 3; i++) {
		struct broker_config *config = l.c.nodes[i].b.parts.controller->config;

		config->controller_socket_timeout_ms = config->request_timeout_ms = 30000;
		if (i == controller)
			continue;
		cluster_sim_cut(&l.c, controller, i);
		cluster_sim_cut(&l.c, i, controller);
	}
	for (int i = 0; count_asking(&l, controller) < 2; i++) {
		CLUSTER_CHECK(&l.c, i < 400, "no leaders ask for a smaller in-sync set");
		cluster_sim_pass(&l.c, 10);
	}
	int64_t node = l.c.nodes[(controller + 1) % 3].b.parts.controller->controller_node;
	ck_assert_int_eq(count_waiting(&l, node), 2);
	if (_i == 1)
		elect_again(&l, controller);
	else
		cluster_sim_kill(&l.c, controller, SIM_CRASH_PROCESS, 2 * ANEW_MS_MAX);
	mono_ms begun = cluster_now(&l.c);
	while (_i == 1 ? count_waiting(&l, node) > 0 : count_asking(&l, controller) > 0) {
		CLUSTER_CHECK(&l.c, cluster_now(&l.c) - begun < ANEW_MS_MAX, "a controller that is gone is still waited for");
		cluster_sim_pass(&l.c, 50);
	}
	heal(&l);
	come_to_rest(&l);
	end(&l);
}
END_TEST

/* --- a replica that was moved away while nobody could reach it ------------------------------------------------------------------------------------ */

static bool hosts_leader(struct life *l, int node, int partition)
{
	struct topic_state *t = topic_state_get(l->c.nodes[node].b.parts.controller, slice_str(LOAD_TOPIC));
	struct partition_state *p = t != NULL ? topic_state_partition(t, partition, false) : NULL;

	return p != NULL && p->local != NULL && partition_is_leader(p->local);
}

/* The partition's replicas are all brokers but `without`, in sync. */
static void move_to_all(struct life *l, int partition, int32_t without)
{
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);
	int32_t to[CLUSTER_NODES_MAX], n = 0;

	for (int i = 0; i < l->c.node_count; i++) {
		if (i + 1 != without)
			to[n++] = i + 1;
	}
	for (int i = 0; load_has_orders(&l->l); i++) {	/* one at a time: an order before this one may not have been answered yet */
		CLUSTER_CHECK(&l->c, i < 500, "an order is not carried out");
		cluster_sim_pass(&l->c, 20);
	}
	load_order_move(&l->l, partition, to, n);
	for (int i = 0; p->is_moving || p->replica_count != n || p->isr_count != n || has_leader(l, partition, without); i++) {
		CLUSTER_CHECK(&l->c, i < 500, "replicas are not moved to all but %d", without);
		cluster_sim_pass(&l->c, 20);
	}
}

/* The controller that moved it is gone before it could say so: the next one does not know that a replica was there, and has nobody to stop. */
START_TEST(moved_unreached)
{
	static struct life l;

	begin(&l, 5, 4);
	cluster_sim_pass(&l.c, 1500);
	int controller = controller_node(&l.c);
	ck_assert_int_ge(controller, 0);
	move_to_all(&l, 0, controller + 1);	/* so another leads, who is then cut off */
	move_to_all(&l, 0, -1);
	int old = cluster_watch_find(&l.w, LOAD_TOPIC, 0)->leader - 1;
	for (int i = 0; i < l.c.node_count; i++) {
		if (i == old)
			continue;
		cluster_sim_cut(&l.c, i, old);
		cluster_sim_cut(&l.c, old, i);
	}
	move_to_all(&l, 0, old + 1);
	CLUSTER_CHECK(&l.c, hosts_leader(&l, old, 0), "who cannot be reached does not lead any more");
	cluster_sim_kill(&l.c, controller, SIM_CRASH_PROCESS, 3000);
	cluster_sim_pass(&l.c, 1500);
	heal(&l);
	come_to_rest(&l);
	CLUSTER_CHECK(&l.c, !hosts_leader(&l, old, 0), "broker %d leads a partition of which it is no replica", old + 1);
	end(&l);
}
END_TEST

/* --- directories that nobody owns ------------------------------------------------------------------------------------------------------------------- */

struct kinds {
	int32_t partition;		/* of LOAD_TOPIC */
	int     live, strays;
};

static void see_kind(void *arg, const struct logdir_entry *e)
{
	struct kinds *k = arg;

	if (strcmp(e->topic, LOAD_TOPIC) != 0 || e->partition != k->partition)
		return;
	k->live += e->kind == LOGDIR_PARTITION;
	k->strays += e->kind == LOGDIR_STRAY;
}

static struct kinds kinds_on(struct life *l, int node, int32_t partition)
{
	struct kinds k = { .partition = partition };
	char problem[LOGDIR_ERROR_MAX];

	for (int i = 0; i < l->c.nodes[node].b.parts.dir_count; i++)
		ck_assert_int_eq(logdir_scan(l->c.nodes[node].b.parts.dirs[i], see_kind, &k, problem), OK);
	return k;
}

static void pass_until_back(struct life *l, int node)
{
	for (int i = 0; l->c.nodes[node].state != NODE_UP || !l->c.nodes[node].b.parts.controller->has_set_strays_aside; i++) {
		CLUSTER_CHECK(&l->c, i < 500, "broker %d does not learn what it hosts", node + 1);
		cluster_sim_pass(&l->c, 20);
	}
}

/* Its replica of partition 0 is moved away while it is dead, and back again later; with the only one it has of that topic (_i 1) it is told of no role at all when it returns. */
START_TEST(moved_while_dead)
{
	static struct life l;

	begin(&l, 7 + (uint64_t)_i, 4);
	cluster_sim_pass(&l.c, 1500);
	int controller = controller_node(&l.c), victim = (controller + 1) % 4;
	ck_assert_int_ge(controller, 0);
	for (int p = 0; p < LOAD_PARTITIONS; p++)
		move_to_all(&l, p, p == 0 || _i == 0 ? -1 : victim + 1);
	cluster_sim_pass(&l.c, 500);		/* what was to be removed is */
	cluster_sim_kill(&l.c, victim, SIM_CRASH_PROCESS, 8000);
	cluster_sim_pass(&l.c, 2 * CLUSTER_SESSION_MS);
	move_to_all(&l, 0, victim + 1);
	pass_until_back(&l, victim);
	struct kinds of_0 = kinds_on(&l, victim, 0), of_1 = kinds_on(&l, victim, 1);
	CLUSTER_CHECK(&l.c, of_0.live == 0 && of_0.strays == 1, "%d directories and %d strays of a replica that was moved away", of_0.live, of_0.strays);
	CLUSTER_CHECK(&l.c, of_1.strays == 0 && of_1.live >= (_i == 0), "%d directories and %d strays of a replica that stays", of_1.live, of_1.strays);
	move_to_all(&l, 0, -1);
	of_0 = kinds_on(&l, victim, 0);
	CLUSTER_CHECK(&l.c, of_0.live == 1 && of_0.strays == 1, "%d directories and %d strays of a replica that came back", of_0.live, of_0.strays);
	heal(&l);
	come_to_rest(&l);
	end(&l);
}
END_TEST

/* The directory of a dead broker's replica gets the id of another topic, as an earlier one of that name leaves it. */
static void give_another_id(struct life *l, int node, int32_t partition)
{
	struct uuid id = { .bytes = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	char dir[64];

	snprintf(dir, sizeof(dir), "/data/" LOAD_TOPIC "-%d", partition);
	ck_assert_int_eq(partition_metadata_write(id, sched_os(l->c.nodes[node].b.sched), dir), OK);
}

static void wait_for_isr(struct life *l, int32_t partition, int count)
{
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);

	for (int i = 0; p->isr_count != count; i++) {
		CLUSTER_CHECK(&l->c, i < 500, "%d are in sync, not %d", p->isr_count, count);
		cluster_sim_pass(&l->c, 20);
	}
}

START_TEST(of_another_topic)
{
	static struct life l;

	begin(&l, 9, 3);
	cluster_sim_pass(&l.c, 1500);
	int victim = (controller_node(&l.c) + 1) % 3;
	wait_for_isr(&l, 0, 3);
	cluster_sim_kill(&l.c, victim, SIM_CRASH_PROCESS, 4000);
	wait_for_isr(&l, 0, 2);
	give_another_id(&l, victim, 0);
	pass_until_back(&l, victim);
	wait_for_isr(&l, 0, 3);
	struct kinds k = kinds_on(&l, victim, 0);
	CLUSTER_CHECK(&l.c, k.live == 1 && k.strays == 1, "%d directories and %d strays of a replica whose place was taken", k.live, k.strays);
	heal(&l);
	come_to_rest(&l);
	end(&l);
}
END_TEST

/* The same with the last one in sync: its records are all there is, and it does not begin empty. */
START_TEST(of_another_topic_and_in_sync)
{
	static struct life l;

	begin(&l, 11, 3);
	cluster_sim_pass(&l.c, 1500);
	wait_for_isr(&l, 0, 3);
	cluster_sim_kill(&l.c, 1, SIM_CRASH_PROCESS, 60000);
	cluster_sim_kill(&l.c, 2, SIM_CRASH_PROCESS, 60000);
	wait_for_isr(&l, 0, 1);
	cluster_sim_kill(&l.c, 0, SIM_CRASH_PROCESS, 2000);
	cluster_sim_pass(&l.c, 20);
	give_another_id(&l, 0, 0);
	l.w.dirs[0][0].count = 0;	/* what was written down is of another topic now */
	pass_until_back(&l, 0);
	cluster_sim_pass(&l.c, 2000);
	struct kinds k = kinds_on(&l, 0, 0);
	CLUSTER_CHECK(&l.c, k.live == 1 && k.strays == 0, "%d directories and %d strays of the last replica in sync", k.live, k.strays);
	CLUSTER_CHECK(&l.c, !hosts_leader(&l, 0, 0), "a log of another topic is led");
	end(&l);
}
END_TEST

/* --- is it worth anything? --------------------------------------------------------------------------------------------------------------------- */

/* In a process of its own, whose dying is the answer; it says nothing. */
static bool is_found(enum partition_mutant mutant, uint64_t seed)
{
	struct tally t = { 0 };
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		for (int fd = 1; fd < 64; fd++)		/* stdout, stderr, and where Check would be told of a failure */
			dup2(nowhere, fd == nowhere ? 0 : fd);
		partition_mutant_for_tests = mutant;
		live(seed, &t);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status != 0;
}

static const char *const mutant_names[] = {
	[PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK] = "followers cut to their high watermark",
	[PARTITION_MUTANT_IGNORE_RETURNED_EPOCH] = "followers ignore the epoch of the leader's answer",
	[PARTITION_MUTANT_NO_VALIDATION] = "followers go on where they were after a change of leader",
};

START_TEST(mutants)
{
	uint64_t seed = 1;

	fflush(stdout);
	while (seed <= MUTANT_SEEDS_MAX && !is_found((enum partition_mutant)_i, seed))
		seed++;
	ck_assert_msg(seed <= MUTANT_SEEDS_MAX, "in %d lives nobody notices that %s", MUTANT_SEEDS_MAX, mutant_names[_i]);
	printf("that %s is noticed in life %llu\n", mutant_names[_i], (unsigned long long)seed);
}
END_TEST

/* What the watch is to notice, done to a cluster that is well. */
enum plant { PLANT_MARK_LOST, PLANT_MADE_TWICE, PLANT_OLD_CONTROLLER, PLANT_ABSENT, PLANT_FOREIGN_RECORD, PLANT_REMOVED, PLANT_COUNT };

static const char *const plant_answers[PLANT_COUNT] = {
	[PLANT_MARK_LOST] = "the high watermark that was written down is gone",
	[PLANT_MADE_TWICE] = "has made its replica in",
	[PLANT_OLD_CONTROLLER] = "obeys controller epoch",
	[PLANT_ABSENT] = "ms is not registered or has been stopping",
	[PLANT_FOREIGN_RECORD] = "what that leader has not",
	[PLANT_REMOVED] = "has removed its replica of epoch",
};

/* The stored in-sync set of a partition has one member more, as though a controller had let it in. */
static void store_member(struct life *l, int32_t partition, int32_t broker)
{
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);
	struct tree_session *s = LIST_ENTRY(l->c.tree->sessions.next, struct tree_session, link);
	int32_t isr[CLUSTER_NODES_MAX + 1];
	struct znode_state state = {
		.leader = p->leader, .leader_epoch = p->leader_epoch, .controller_epoch = p->controller_epoch, .isr = isr, .isr_count = p->isr_count + 1,
	};
	struct strbuf text = STRBUF_INIT;
	char path[64];
	struct coord_op op = { .kind = COORD_SET, .path = path, .version = p->partition_epoch };
	struct coord_call call;

	memcpy(isr, p->isr, sizeof(p->isr));
	isr[p->isr_count] = broker;
	znode_state_encode(&state, &text);
	op.data = strbuf_slice(&text);
	snprintf(path, sizeof(path), "/brokers/topics/" LOAD_TOPIC "/partitions/%d/state", partition);
	coord_call_init(&call, NULL, &op, 1);
	tree_apply(l->c.tree, s, &call, OK);
	ck_assert_int_eq(call.result, OK);
	ck_assert_int_eq(tree_commit(l->c.tree), OK);
	coord_call_fini(&call);
	strbuf_fini(&text);
}

/* A follower's log gets a record of an epoch that its leader does not lead, as though an answer of another leader had been taken. */
static void append_foreign(struct life *l, int32_t partition)
{
	const struct seen_partition *p = cluster_watch_find(&l->w, LOAD_TOPIC, partition);
	struct log *log = p->logs[p->leader % 3].partition->log;	/* the next broker's */
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder builder;
	struct slice batch;

	spec.base_offset = log_end_offset(log);
	spec.leader_epoch = p->leader_epoch + 1;
	batch_build_begin(&builder, &spec, NULL, &out, 4096);
	batch_build_add(&builder, 1700000000000, SLICE_NULL, slice_str("foreign"), NULL, 0);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	ck_assert_int_eq(log_append_fetched(log, batch, 1700000000000), OK);
	strbuf_fini(&out);
}

static void plant(struct life *l, enum plant what)
{
	struct cluster_node *n = &l->c.nodes[0];

	switch (what) {
	case PLANT_MARK_LOST:
		for (int i = 0; i < n->b.parts.dir_count; i++)
			ck_assert_int_eq(logdir_write_checkpoint(n->b.parts.dirs[i], LOGDIR_HIGH_WATERMARKS, NULL, 0), OK);
		break;
	case PLANT_MADE_TWICE:
		for (int i = 0; i < l->w.count; i++)
			snprintf(l->w.partitions[i].logs[0].dir, sizeof(l->w.partitions[i].logs[0].dir), "/elsewhere/main-%d", l->w.partitions[i].id);
		cluster_sim_kill(&l->c, 0, SIM_CRASH_PROCESS, 20);
		break;
	case PLANT_OLD_CONTROLLER:
		l->w.controller_epochs[0]++;	/* as though it had obeyed another in between */
		break;
	case PLANT_ABSENT:
		cluster_sim_kill(&l->c, 1, SIM_CRASH_PROCESS, 20000);
		cluster_sim_pass(&l->c, 4000);
		store_member(l, 0, 2);
		break;
	case PLANT_FOREIGN_RECORD:
		append_foreign(l, 0);
		break;
	case PLANT_REMOVED:
		for (int i = 0; i < n->b.parts.dir_count; i++)	/* it lies in one of them */
			ck_assert_int_eq(logdir_give_up(n->b.parts.dirs[i], LOAD_TOPIC "-0", LOAD_TOPIC, 0), OK);
		break;
	case PLANT_COUNT:
		break;
	}
}

/* In a process of its own, which says what it dies of. */
START_TEST(plants)
{
	static struct life l;
	char said[1024] = "";
	size_t len = 0;
	int ends[2], status = 0;

	fflush(stdout);
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		dup2(ends[1], 2);
		for (int fd = 1; fd < 64; fd++) {	/* stdout, and where Check would be told of a failure */
			if (fd != 2)
				dup2(nowhere, fd);
		}
		begin(&l, 1, 3);
		cluster_sim_pass(&l.c, 500);
		cluster_sim_kill(&l.c, 1, SIM_CRASH_PROCESS, 50);	/* so that every replica has come into an in-sync set under the watch's eyes */
		cluster_sim_kill(&l.c, 0, SIM_CRASH_PROCESS, 900);
		cluster_sim_pass(&l.c, 3000);
		plant(&l, (enum plant)_i);
		cluster_sim_kill(&l.c, 2, SIM_CRASH_PROCESS, 50);
		cluster_sim_pass(&l.c, 3000);
		_exit(0);
	}
	close(ends[1]);
	for (ssize_t n; len < sizeof(said) - 1 && (n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0; )
		len += (size_t)n;
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status != 0 && strstr(said, plant_answers[_i]) != NULL, "nobody notices: %s; status %d, said was: %s", plant_answers[_i], status, said);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cluster in simulation");
	TCase *t = tcase_create("lives");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, lives);
	tcase_add_test(t, stop_without_leave);
	tcase_add_test(t, stop_without_store);
	tcase_add_loop_test(t, ask_of_the_dead, 0, 2);
	tcase_add_test(t, moved_unreached);
	tcase_add_loop_test(t, moved_while_dead, 0, 2);
	tcase_add_test(t, of_another_topic);
	tcase_add_test(t, of_another_topic_and_in_sync);
	tcase_add_loop_test(t, plants, 0, PLANT_COUNT);
	if (getenv("SKEIN_SIM_SEEDS") == NULL)
		tcase_add_loop_test(t, mutants, PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK, (int)ARRAY_LEN(mutant_names));
	suite_add_tcase(s, t);
	workers = mmap(NULL, WORKERS * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED)
		abort();
	return seeds_run(s);
}
