/* The simulation: equal seeds give equal runs, other seeds other orders; the clock moves when nobody runs, and now and then when somebody does. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor.h"
#include "os/sim.h"

static struct sim_net *net;
static struct sim_os *machine[2];
static struct sched *sched[2];

static void world_create(uint64_t seed)
{
	net = sim_net_create(seed);
	machine[0] = sim_create(net, "a", seed);
	machine[1] = sim_create(net, "b", seed + 1);
	sched[0] = sched_sim_create(sim_os(machine[0]), seed);
	sched[1] = sched_sim_add_machine(sched[0], sim_os(machine[1]));
	sched_sim_set_clock(sched[0], sim_clock_next_event, sim_clock_advance, machine[0]);	/* the network's */
}

static void world_destroy(void)
{
	sched_destroy(&sched[1]);
	sched_destroy(&sched[0]);
	sim_destroy(&machine[1]);
	sim_destroy(&machine[0]);
	sim_net_destroy(&net);
}

static mono_ms now(void)
{
	return os_mono_ms(sim_os(machine[0]));
}

/* --- a little society: askers, a receiver that parks until a deadline, jobs ------------------- */

enum { ASKERS = 3, EACH = 20 };

struct errand {
	struct job job;
	int        asker;
	mono_ms    due;
	struct errand *next;
};

struct asker {
	struct actor    actor;
	struct errand   errand;
	int             id, left;
	struct workers *workers;
};

static struct actor receiver;
static struct errand *parked;
static int order[ASKERS * EACH], order_count;

static void run_nothing(struct job *j UNUSED)
{
	ck_assert_ptr_null(actor_current());
}

static void on_question(void *arg UNUSED, struct msg *m)
{
	struct errand *e = CONTAINER_OF(m, struct errand, job.msg);

	order[order_count++] = e->asker;
	e->due = os_mono_ms(sched_os(receiver.sched)) + 5;
	e->next = parked;
	parked = e;
}

static int receiver_step(struct actor *a, mono_ms at)
{
	int work = actor_drain_questions(a, 2, on_question, NULL);

	a->deadline = MONO_NEVER;
	for (struct errand **p = &parked; *p != NULL;) {
		struct errand *e = *p;

		if (e->due <= at) {
			*p = e->next;
			actor_answer(a, &e->job.msg);
			work++;
		} else {
			a->deadline = MIN(a->deadline, e->due);
			p = &e->next;
		}
	}
	return work;
}

static void send(struct asker *k)
{
	if (k->left == 0)
		return;
	k->left--;
	if (k->left % 4 == 3)
		workers_submit(k->workers, &k->actor, &k->errand.job);
	else
		ck_assert(actor_ask(&k->actor, &receiver, &k->errand.job.msg));
}

static void on_home(void *arg, struct msg *m UNUSED)
{
	send(arg);
}

static int asker_step(struct actor *a, mono_ms at UNUSED)
{
	struct asker *k = CONTAINER_OF(a, struct asker, actor);
	int work = actor_drain_answers(a, on_home, k);

	if (k->left == EACH)
		send(k);
	return work;
}

static const struct actor_ops asker_ops = { .module = "asker", .step = asker_step };
static const struct actor_ops receiver_ops = { .module = "receiver", .step = receiver_step };

static uint64_t run_society(uint64_t seed)
{
	struct asker k[ASKERS];
	struct workers *w;
	uint64_t hash;
	mono_ms begun;

	world_create(seed);
	begun = now();
	w = workers_create(sched[0], 2);
	order_count = 0;
	actor_init(&receiver, sched[0], &receiver_ops, LANE_NONE, "receiver");
	ck_assert_int_eq(actor_start(&receiver, 0), OK);
	for (int i = 0; i < ASKERS; i++) {
		k[i] = (struct asker){ .id = i, .left = EACH, .workers = w };
		actor_init(&k[i].actor, sched[0], &asker_ops, i, "asker-%d", i);
		msg_init(&k[i].errand.job.msg, MSG_BASE_BROKER, &k[i].actor);
		k[i].errand.job.run = run_nothing;
		k[i].errand.asker = i;
		ck_assert_int_eq(actor_start(&k[i].actor, 0), OK);
	}
	while (sched_sim_step(sched[0]))
		;
	ck_assert_int_eq(order_count, ASKERS * EACH * 3 / 4);
	ck_assert_int_ge(now() - begun, EACH * 3 / 4 * 5);	/* each question takes 5 ms, one after the other */
	for (int i = 0; i < ASKERS; i++) {
		ck_assert_int_eq(k[i].left, 0);
		ck_assert_int_eq(k[i].actor.messages_out, 0);
		actor_stop(&k[i].actor);
		actor_join(&k[i].actor);
		actor_fini(&k[i].actor);
	}
	actor_stop(&receiver);
	actor_join(&receiver);
	actor_fini(&receiver);
	workers_destroy(&w);
	hash = sched_sim_hash(sched[0]);
	world_destroy();
	return hash;
}

START_TEST(equal_seeds_give_equal_runs)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		int first[ASKERS * EACH];
		uint64_t hash = run_society(seed);

		memcpy(first, order, sizeof(first));
		ck_assert_uint_eq(run_society(seed), hash);
		ck_assert_mem_eq(first, order, (size_t)order_count * sizeof(int));
		ck_assert_uint_ne(run_society(seed + 1000), hash);
	}
}
END_TEST

START_TEST(every_order_is_found)
{
	bool seen[ASKERS * ASKERS * ASKERS] = { false };
	int orders = 0;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		run_society(seed);
		seen[(order[0] * ASKERS + order[1]) * ASKERS + order[2]] = true;
	}
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		orders += seen[i];
	ck_assert_int_ge(orders, 6);	/* 0 1 2 in any order; others, when one asker was quick */
}
END_TEST

/* --- the clock -------------------------------------------------------------------------------- */

struct ticker {
	struct actor actor;
	mono_ms      begun, at[10];
	int          ticks;
};

static int ticker_step(struct actor *a, mono_ms at)
{
	struct ticker *t = CONTAINER_OF(a, struct ticker, actor);

	if (t->begun == 0)
		t->begun = at;
	if (at >= a->deadline && t->ticks < (int)ARRAY_LEN(t->at))
		t->at[t->ticks++] = at;
	a->deadline = t->ticks < (int)ARRAY_LEN(t->at) ? t->begun + (t->ticks + 1) * 1000 : MONO_NEVER;
	return 0;
}

static int busy_step(struct actor *a UNUSED, mono_ms at UNUSED)
{
	return !a->stop_wanted;
}

static const struct actor_ops ticker_ops = { .module = "ticker", .step = ticker_step };
static const struct actor_ops busy_ops = { .module = "busy", .step = busy_step };

START_TEST(deadlines_come_without_waiting)
{
	struct ticker t = { .ticks = 0 };

	world_create(3);
	actor_init(&t.actor, sched[1], &ticker_ops, LANE_NONE, "one");
	ck_assert_int_eq(actor_start(&t.actor, 0), OK);
	while (sched_sim_step(sched[0]))
		;
	ck_assert_int_eq(t.ticks, ARRAY_LEN(t.at));
	for (int i = 0; i < t.ticks; i++) {
		ck_assert_int_ge(t.at[i] - t.begun, (i + 1) * 1000);
		ck_assert_int_lt(t.at[i] - t.begun, (i + 1) * 1000 + 100);
	}
	ck_assert(!sched_sim_step(sched[1]));
	actor_stop(&t.actor);
	actor_join(&t.actor);
	actor_fini(&t.actor);
	world_destroy();
}
END_TEST

/* A machine that stands still takes no step, whatever is due, and does not stop the clock of the others; then it goes on where it was. Who observes sees every step, in order. */
static void see_step(void *arg, struct actor *a)
{
	int *seen = arg;

	seen[a->sched == sched[1]]++;
}

START_TEST(a_machine_may_stand_still)
{
	struct ticker here = { .ticks = 0 }, there = { .ticks = 0 };
	int seen[2] = { 0 };

	world_create(5);
	sched_sim_set_observer(sched[0], see_step, seen);
	actor_init(&here.actor, sched[0], &ticker_ops, LANE_NONE, "here");
	actor_init(&there.actor, sched[1], &ticker_ops, LANE_NONE, "there");
	ck_assert_int_eq(actor_start(&here.actor, 0), OK);
	ck_assert_int_eq(actor_start(&there.actor, 0), OK);
	while (there.ticks < 2)
		sched_sim_step(sched[0]);
	int before = seen[1];
	sched_sim_pause(sched[1], true);
	while (sched_sim_step(sched[0]))
		;
	ck_assert_int_eq(here.ticks, ARRAY_LEN(here.at));
	ck_assert_int_eq(there.ticks, 2);
	ck_assert_int_eq(seen[1], before);
	ck_assert_int_ge(seen[0], (int)ARRAY_LEN(here.at));
	sched_sim_pause(sched[1], false);
	while (sched_sim_step(sched[0]))
		;
	ck_assert_int_eq(there.ticks, ARRAY_LEN(there.at));
	ck_assert_int_gt(seen[1], before);
	for (int i = 0; i < 2; i++) {
		struct ticker *t = i == 0 ? &here : &there;

		actor_stop(&t->actor);
		actor_join(&t->actor);
		actor_fini(&t->actor);
	}
	world_destroy();
}
END_TEST

START_TEST(somebody_busy_does_not_stop_the_clock)
{
	struct ticker t = { .ticks = 0 };
	struct actor busy;

	world_create(4);
	actor_init(&t.actor, sched[0], &ticker_ops, LANE_NONE, "one");
	actor_init(&busy, sched[1], &busy_ops, LANE_NONE, "busy");
	ck_assert_int_eq(actor_start(&t.actor, 0), OK);
	ck_assert_int_eq(actor_start(&busy, 0), OK);
	for (int i = 0; i < 10000000 && t.ticks < 3; i++)
		ck_assert(sched_sim_step(sched[0]));
	ck_assert_int_ge(t.ticks, 3);
	actor_stop(&busy);
	actor_join(&busy);
	actor_fini(&busy);
	actor_stop(&t.actor);
	actor_join(&t.actor);
	actor_fini(&t.actor);
	world_destroy();
}
END_TEST

/* --- actors that wait in a poller ------------------------------------------------------------- */

enum { ECHO_BYTES = 5000 };

struct peer {
	struct actor      actor;
	struct os        *os;
	struct os_poller *poller;
	os_fd             listener, fd;
	uint8_t           buf[ECHO_BYTES];
	size_t            received, sent, wants;	/* sent < wants: there is something to write */
	int               waits;
};

static void peer_wait(struct actor *a, mono_ms until UNUSED)
{
	struct peer *p = CONTAINER_OF(a, struct peer, actor);
	struct os_event events[4];

	p->waits++;
	(void)os_poller_wait(p->os, p->poller, events, ARRAY_LEN(events), 0);
}

static void peer_wake(struct actor *a)
{
	struct peer *p = CONTAINER_OF(a, struct peer, actor);

	os_poller_wake(p->os, p->poller);
}

/* Both sides: send what is wanted, receive what comes; the server wants to send what it received. */
static int peer_step(struct actor *a, mono_ms at UNUSED)
{
	struct peer *p = CONTAINER_OF(a, struct peer, actor);
	struct os_addr from;
	size_t n = 0;
	int work = 0;

	a->deadline = MONO_NEVER;
	if (p->fd < 0 && os_accept(p->os, p->listener, &p->fd, &from) == OK) {
		ck_assert_int_eq(os_poller_add(p->os, p->poller, p->fd, OS_READABLE | OS_WRITABLE, p), OK);
		work++;
	}
	if (p->fd < 0)
		return work;
	struct iovec iov = { p->buf + p->sent, p->wants - p->sent };
	if (p->sent < p->wants && os_sendv(p->os, p->fd, &iov, 1, &n) == OK) {
		p->sent += n;
		work += n > 0;
	}
	if (p->received < ECHO_BYTES && os_recv(p->os, p->fd, p->buf + p->received, ECHO_BYTES - p->received, &n) == OK) {
		p->received += n;
		if (p->listener >= 0)
			p->wants = p->received;
		work += n > 0;
	}
	return work;
}

static const struct actor_ops peer_ops = { .module = "peer", .step = peer_step, .wait = peer_wait, .wake = peer_wake };

static void peer_create(struct peer *p, int on)
{
	memset(p, 0, sizeof(*p));
	p->os = sim_os(machine[on]);
	p->listener = p->fd = -1;
	ck_assert_int_eq(os_poller_create(p->os, &p->poller), OK);
	actor_init(&p->actor, sched[on], &peer_ops, LANE_NONE, "peer-%d", on);
}

static void peer_destroy(struct peer *p)
{
	actor_stop(&p->actor);
	actor_join(&p->actor);
	actor_fini(&p->actor);
	os_close(p->os, &p->fd);
	os_close(p->os, &p->listener);
	os_poller_destroy(p->os, &p->poller);
}

START_TEST(machines_talk_through_their_pollers)
{
	static struct peer server, client;
	struct os_addr to;
	uint16_t port;
	int n = 0;
	enum err e;

	world_create((uint64_t)_i);
	peer_create(&server, 0);
	peer_create(&client, 1);
	ck_assert_int_eq(os_listen(server.os, "", 0, 8, &server.listener, &port), OK);
	ck_assert_int_eq(os_poller_add(server.os, server.poller, server.listener, OS_READABLE, &server), OK);
	ck_assert_int_eq(os_resolve(client.os, "a", port, &to, 1, &n), OK);
	e = os_connect(client.os, &to, &client.fd);
	ck_assert(e == OK || e == ERR_AGAIN);
	ck_assert_int_eq(os_poller_add(client.os, client.poller, client.fd, OS_READABLE | OS_WRITABLE, &client), OK);
	client.wants = ECHO_BYTES;
	ck_assert_int_eq(actor_start(&server.actor, 0), OK);
	ck_assert_int_eq(actor_start(&client.actor, 0), OK);
	while (sched_sim_step(sched[0]))
		;
	ck_assert_uint_eq(client.received, ECHO_BYTES);
	ck_assert_uint_eq(server.sent, ECHO_BYTES);
	ck_assert_int_gt(server.waits, 0);
	peer_destroy(&client);
	peer_destroy(&server);
	world_destroy();
}
END_TEST

/* --- a join within a step --------------------------------------------------------------------- */

struct parent {
	struct actor  actor;
	struct ticker child;
	bool          is_done;
};

static int parent_step(struct actor *a, mono_ms at UNUSED)
{
	struct parent *p = CONTAINER_OF(a, struct parent, actor);

	if (p->is_done)
		return 0;
	actor_init(&p->child.actor, a->sched, &ticker_ops, LANE_NONE, "child");
	ck_assert_int_eq(actor_start(&p->child.actor, 0), OK);
	actor_stop(&p->child.actor);
	actor_join(&p->child.actor);
	ASSERT_OWNER(a);
	actor_fini(&p->child.actor);
	p->is_done = true;
	return 1;
}

START_TEST(an_actor_may_join_another)
{
	static const struct actor_ops ops = { .module = "parent", .step = parent_step };
	struct parent p = { .is_done = false };

	world_create(5);
	actor_init(&p.actor, sched[0], &ops, LANE_NONE, "one");
	ck_assert_int_eq(actor_start(&p.actor, 0), OK);
	actor_stop(&p.actor);
	actor_join(&p.actor);
	ck_assert(p.is_done);
	actor_fini(&p.actor);
	world_destroy();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sched_sim");
	TCase *t = tcase_create("sched_sim");
	SRunner *sr = srunner_create(s);

	tcase_set_timeout(t, 60);
	tcase_add_test(t, equal_seeds_give_equal_runs);
	tcase_add_test(t, every_order_is_found);
	tcase_add_test(t, deadlines_come_without_waiting);
	tcase_add_test(t, a_machine_may_stand_still);
	tcase_add_test(t, somebody_busy_does_not_stop_the_clock);
	tcase_add_loop_test(t, machines_talk_through_their_pollers, 0, 30);
	tcase_add_test(t, an_actor_may_join_another);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
