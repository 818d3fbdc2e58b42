/*
 * Channels: a broker's calls to other brokers, against peers on simulated machines. What is sent is compared with what Java brokers sent (tests/golden/cluster).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "client/channel.h"
#include "os/sim.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"
#include "wire/header.h"

#define PEER_PORT   9092
#define PEERS       2
#define CONNECTIONS 16
#define CALLS       64
#define SEEDS       20

/* --- a peer --------------------------------------------------------------------------------------------------------------------------- */

struct peer_connection {
	os_fd         fd;
	struct strbuf in, out;
	bool          ends;
};

struct peer {
	struct sim_os *machine;
	struct os     *os;
	os_fd          listener;
	struct peer_connection connections[CONNECTIONS];
	int16_t        alter_partition_max;	/* ApiVersions; -1: not spoken */
	bool           is_mute;
	bool           cuts_midway;		/* half an answer, then the end */
	bool           is_garbage;		/* an answer too short for its content */
	bool           is_out_of_order;		/* another correlation id */
	/* what came */
	int            accepted, versions_asked, requests, unanswered_max;
	int32_t        controller_epochs[CALLS];	/* of UpdateMetadata: the test numbers them */
	int            updates;
	struct strbuf  last;			/* frame */
};

static void put_answer(struct peer *p, struct peer_connection *c, const struct request_header *h, struct writer *w)
{
	size_t len;

	ck_assert(writer_end_frame(w));
	len = w->len;
	if (p->is_out_of_order)
		store_be32(w->buf + 4, (uint32_t)h->correlation_id + 1);
	if (p->is_garbage) {
		len = 9;	/* the header alone, with its tags */
		store_be32(w->buf, 5);
	}
	if (p->cuts_midway) {
		len /= 2;
		c->ends = true;
	}
	strbuf_add(&c->out, w->buf, len);
}

static void answer(struct peer *p, struct peer_connection *c, const struct request_header *h)
{
	static struct api_versions_response_api_key keys[2];
	struct writer w;
	int v = h->request_api_version;

	writer_init(&w);
	writer_begin_frame(&w);
	ck_assert(header_encode_response(h->correlation_id, &w, h->request_api_key, v));
#define EMPTY(KEY, name) \
	case KEY: { \
		struct name##_response m; \
		name##_response_init(&m); \
		ck_assert(name##_response_encode(&m, &w, v)); \
		break; \
	}
	switch (h->request_api_key) {
	EMPTY(API_LEADER_AND_ISR, leader_and_isr)
	EMPTY(API_STOP_REPLICA, stop_replica)
	EMPTY(API_UPDATE_METADATA, update_metadata)
	EMPTY(API_ALTER_PARTITION, alter_partition)
	EMPTY(API_CONTROLLED_SHUTDOWN, controlled_shutdown)
	EMPTY(API_ALLOCATE_PRODUCER_IDS, allocate_producer_ids)
	case API_API_VERSIONS: {
		struct api_versions_response m;

		p->versions_asked++;
		api_versions_response_init(&m);
		keys[0] = (struct api_versions_response_api_key){ API_API_VERSIONS, 0, 4 };
		keys[1] = (struct api_versions_response_api_key){ API_ALTER_PARTITION, 0, p->alter_partition_max };
		m.api_keys = keys;
		m.api_keys_count = p->alter_partition_max >= 0 ? 2 : 1;
		ck_assert(api_versions_response_encode(&m, &w, v));
		break;
	}
	default:
		ck_abort_msg("asked for %d", h->request_api_key);
	}
	put_answer(p, c, h, &w);
	writer_fini(&w);
}

static void on_frame(struct peer *p, struct peer_connection *c, struct slice frame)
{
	struct reader r = reader_of(frame);
	struct request_header h;

	ck_assert(header_decode_request(&h, &r));
	if (h.request_api_key != API_API_VERSIONS) {
		p->requests++;
		strbuf_truncate(&p->last, 0);
		strbuf_add(&p->last, frame.ptr, frame.len);
	}
	if (h.request_api_key == API_UPDATE_METADATA) {
		struct update_metadata_request q;
		struct arena a;
		arena_init(&a, 1 << 20);
		ck_assert(update_metadata_request_decode(&q, &r, h.request_api_version, &a));
		p->controller_epochs[p->updates++ % CALLS] = q.controller_epoch;
		arena_fini(&a);
	}
	if (!p->is_mute || h.request_api_key == API_API_VERSIONS)
		answer(p, c, &h);
}

static void end_connection(struct peer *p, struct peer_connection *c)
{
	os_close(p->os, &c->fd);
	strbuf_fini(&c->in);
	strbuf_fini(&c->out);
	*c = (struct peer_connection){ .fd = -1, .in = STRBUF_INIT, .out = STRBUF_INIT };
}

static bool step_connection(struct peer *p, struct peer_connection *c)
{
	char buf[4096];
	size_t got, frames = 0;
	enum err e;

	while ((e = os_recv(p->os, c->fd, buf, sizeof(buf), &got)) == OK && got > 0)
		strbuf_add(&c->in, buf, got);
	if (e != ERR_AGAIN)
		return false;
	while (c->in.len >= 4 && c->in.len - 4 >= load_be32(c->in.ptr)) {
		size_t size = load_be32(c->in.ptr);
		on_frame(p, c, slice_of(c->in.ptr + 4, size));
		memmove(c->in.ptr, c->in.ptr + 4 + size, c->in.len - 4 - size);
		strbuf_truncate(&c->in, c->in.len - 4 - size);
		frames++;
	}
	p->unanswered_max = MAX(p->unanswered_max, (int)frames);
	while (c->out.len > 0) {
		struct iovec iov = { c->out.ptr, c->out.len };
		e = os_sendv(p->os, c->fd, &iov, 1, &got);
		if (e == ERR_AGAIN)
			return true;
		if (e != OK)
			return false;
		memmove(c->out.ptr, c->out.ptr + got, c->out.len - got);
		strbuf_truncate(&c->out, c->out.len - got);
	}
	return !c->ends;
}

static void peer_step(struct peer *p)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		struct peer_connection *c = &p->connections[i];
		if (c->fd < 0 && p->listener >= 0 && os_accept(p->os, p->listener, &c->fd, NULL) == OK)
			p->accepted++;
		if (c->fd >= 0 && !step_connection(p, c))
			end_connection(p, c);
	}
}

/* --- the rig -------------------------------------------------------------------------------------------------------------------------- */

struct rig {
	struct sim_net      *net;
	struct sim_os       *machine;
	struct sched        *sched;
	struct channels     *channels;
	struct actor         desk;
	struct peer          peers[PEERS];
	struct channel_call  calls[CALLS];
	struct channel_close close;
	struct msg          *queue[CALLS + 1];
	int                  queued, home, order[CALLS];	/* calls in the order of their answers */
	struct update_metadata_request update[CALLS];
	struct alter_partition_request alter;
	mono_ms              until;
};

static struct rig r;

static void on_home(void *arg UNUSED, struct msg *m)
{
	if (m->kind == CHANNEL_CALL)
		r.order[r.home++] = (int)(CONTAINER_OF(m, struct channel_call, msg) - r.calls);
}

static int desk_step(struct actor *a, mono_ms now UNUSED)
{
	int work = actor_drain_answers(a, on_home, NULL) + r.queued;

	for (int i = 0; i < r.queued; i++)
		ck_assert(actor_ask(a, channels_actor(r.channels), r.queue[i]));
	r.queued = 0;
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops desk_ops = { .module = "desk", .step = desk_step };

static mono_ms next_event(void *arg UNUSED)
{
	mono_ms now = os_mono_ms(sim_os(r.machine)), next = sim_next_event_ms(r.machine);

	return r.until > now ? MIN(next, r.until - now) : next;
}

static void advance(void *arg UNUSED, mono_ms by)
{
	sim_advance(r.machine, by);
	for (int i = 0; i < PEERS; i++)
		peer_step(&r.peers[i]);
}

static void pass(mono_ms ms)
{
	r.until = os_mono_ms(sim_os(r.machine)) + ms;
	while (os_mono_ms(sim_os(r.machine)) < r.until)
		if (!sched_sim_step(r.sched))
			advance(NULL, 1);
}

static void rig_init(uint64_t seed, const char *client_id)
{
	static const char *const hosts[PEERS] = { "peer0", "peer1" };
	uint16_t port;

	memset(&r, 0, sizeof(r));
	r.net = sim_net_create(seed);
	r.machine = sim_create(r.net, "here", seed + 1);
	r.sched = sched_sim_create(sim_os(r.machine), seed);
	sched_sim_set_clock(r.sched, next_event, advance, NULL);
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &r.peers[i];
		p->machine = sim_create(r.net, hosts[i], seed + 2 + (uint64_t)i);
		p->os = sim_os(p->machine);
		p->alter_partition_max = 3;
		for (int k = 0; k < CONNECTIONS; k++)
			p->connections[k].fd = -1;
		ck_assert_int_eq(os_listen(p->os, NULL, PEER_PORT, 10, &p->listener, &port), OK);
	}
	actor_init(&r.desk, r.sched, &desk_ops, LANE_CONTROLLER, "desk");
	ck_assert_int_eq(actor_start(&r.desk, 0), OK);
	ck_assert_int_eq(channels_create(&r.channels, r.sched, client_id), OK);
	for (int i = 0; i < CALLS; i++)
		channel_call_init(&r.calls[i], &r.desk);
	msg_init(&r.close.msg, CHANNEL_CLOSE, &r.desk);
	alter_partition_request_init(&r.alter);
}

static void rig_fini(void)
{
	for (int i = 0; i < CALLS; i++)
		channel_call_fini(&r.calls[i]);
	channels_destroy(&r.channels);
	actor_stop(&r.desk);
	actor_join(&r.desk);
	actor_fini(&r.desk);
	for (int i = 0; i < PEERS; i++) {
		for (int k = 0; k < CONNECTIONS; k++)
			if (r.peers[i].connections[k].fd >= 0)
				end_connection(&r.peers[i], &r.peers[i].connections[k]);
		os_close(r.peers[i].os, &r.peers[i].listener);
		strbuf_fini(&r.peers[i].last);
		sim_destroy(&r.peers[i].machine);
	}
	sched_destroy(&r.sched);
	sim_destroy(&r.machine);
	sim_net_destroy(&r.net);
}

static struct channel_call *ask(int i, enum channel_line line, enum api_key key, int16_t version, const void *request)
{
	struct channel_call *q = &r.calls[i];

	q->broker = 5;
	q->line = line;
	q->host = "peer0";
	q->port = PEER_PORT;
	q->key = key;
	q->version = version;
	q->request = request;
	q->connect_timeout_ms = 3000;
	q->timeout_ms = 2000;
	q->result = ERR_INTERNAL;
	r.queue[r.queued++] = &q->msg;
	actor_wake(&r.desk);
	return q;
}

static struct channel_call *ask_update(int i)
{
	update_metadata_request_init(&r.update[i]);
	r.update[i].controller_epoch = i;
	return ask(i, CHANNEL_TO_MEMBER, API_UPDATE_METADATA, 8, &r.update[i]);
}

static void wait_for(int calls)
{
	for (int i = 0; i < 20000 && r.home < calls; i++)
		pass(1);
	ck_assert_int_eq(r.home, calls);
}

/* --- tests ---------------------------------------------------------------------------------------------------------------------------- */

START_TEST(fixed_versions_in_order)
{
	rig_init((uint64_t)_i, "1");
	for (int i = 0; i < 10; i++)
		ask_update(i);
	wait_for(10);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(r.order[i], i);
		ck_assert_int_eq(r.peers[0].controller_epochs[i], i);
		ck_assert_int_eq(r.calls[i].result, OK);
		ck_assert_int_eq(r.calls[i].version_used, 8);
		ck_assert_ptr_nonnull(r.calls[i].response);
	}
	ck_assert_int_eq(r.peers[0].versions_asked, 0);
	ck_assert_int_eq(r.peers[0].accepted, 1);
	ck_assert_int_eq(r.peers[0].unanswered_max, 1);		/* one in flight */
	rig_fini();
}
END_TEST

START_TEST(negotiated_versions)
{
	rig_init((uint64_t)_i, "2");
	r.peers[0].alter_partition_max = (int16_t)(_i % 5 - 1);
	ask(0, CHANNEL_TO_CONTROLLER, API_ALTER_PARTITION, 2, &r.alter);
	wait_for(1);
	ck_assert_int_eq(r.peers[0].versions_asked, 1);
	if (_i % 5 == 0) {
		ck_assert_int_eq(r.calls[0].result, ERR_UNSUPPORTED);
		ck_assert(!r.calls[0].maybe_applied);
		ck_assert_int_eq(r.peers[0].requests, 0);
	} else {
		ck_assert_int_eq(r.calls[0].result, OK);
		ck_assert_int_eq(r.calls[0].version_used, MIN(_i % 5 - 1, 2));
	}
	rig_fini();
}
END_TEST

START_TEST(lines_do_not_wait_for_each_other)
{
	rig_init((uint64_t)_i, "1");
	r.peers[0].is_mute = true;
	ask_update(0);
	pass(100);
	r.peers[0].is_mute = false;
	ask(1, CHANNEL_TO_CONTROLLER, API_ALTER_PARTITION, 3, &r.alter);
	wait_for(1);
	ck_assert_int_eq(r.order[0], 1);
	wait_for(2);
	ck_assert_int_eq(r.calls[0].result, ERR_TIMEOUT);
	rig_fini();
}
END_TEST

START_TEST(a_timeout_brings_home_what_waits_behind)
{
	mono_ms begin;

	rig_init((uint64_t)_i, "1");
	r.peers[0].is_mute = true;
	begin = os_mono_ms(sim_os(r.machine));
	for (int i = 0; i < 3; i++)
		ask_update(i);
	wait_for(3);
	ck_assert_int_ge(os_mono_ms(sim_os(r.machine)) - begin, 2000);
	ck_assert_int_le(os_mono_ms(sim_os(r.machine)) - begin, 2100);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(r.order[i], i);
		ck_assert_int_eq(r.calls[i].result, ERR_TIMEOUT);
		ck_assert_ptr_null(r.calls[i].response);
		ck_assert_int_eq(r.calls[i].maybe_applied, i == 0);
		ck_assert_int_gt(strlen(r.calls[i].problem), 0);
		channel_call_fini(&r.calls[i]);
	}
	ck_assert_int_eq(r.peers[0].updates, 1);
	r.peers[0].is_mute = false;
	for (int i = 0; i < 3; i++)
		ask_update(i);
	wait_for(6);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(r.calls[i].result, OK);
	ck_assert_int_eq(r.peers[0].accepted, 2);
	rig_fini();
}
END_TEST

START_TEST(nobody_there)
{
	mono_ms begin;

	rig_init((uint64_t)_i, "1");
	os_close(r.peers[0].os, &r.peers[0].listener);
	ask_update(0);
	wait_for(1);
	ck_assert_int_eq(r.calls[0].result, ERR_UNREACHABLE);
	ck_assert(!r.calls[0].maybe_applied);
	ask(1, CHANNEL_TO_MEMBER, API_UPDATE_METADATA, 8, &r.update[0])->host = "nowhere";
	wait_for(2);
	ck_assert_int_eq(r.calls[1].result, ERR_UNREACHABLE);
	/* a host that swallows everything */
	sim_net_cut(r.machine, r.peers[1].machine);
	begin = os_mono_ms(sim_os(r.machine));
	ask(2, _i % 2 == 0 ? CHANNEL_TO_MEMBER : CHANNEL_TO_CONTROLLER, _i % 2 == 0 ? API_UPDATE_METADATA : API_ALTER_PARTITION, 1,
	    _i % 2 == 0 ? (const void *)&r.update[0] : &r.alter)->host = "peer1";
	wait_for(3);
	ck_assert_int_ne(r.calls[2].result, OK);
	ck_assert(!r.calls[2].maybe_applied);
	ck_assert_int_ge(os_mono_ms(sim_os(r.machine)) - begin, 3000);
	ck_assert_int_le(os_mono_ms(sim_os(r.machine)) - begin, 3200);
	/* and is there again: the attempt that hung is not waited for */
	sim_net_heal(r.machine, r.peers[1].machine);
	begin = os_mono_ms(sim_os(r.machine));
	update_metadata_request_init(&r.update[3]);
	ask(3, CHANNEL_TO_MEMBER, API_UPDATE_METADATA, 8, &r.update[3])->host = "peer1";
	wait_for(4);
	ck_assert_int_eq(r.calls[3].result, OK);
	ck_assert_int_le(os_mono_ms(sim_os(r.machine)) - begin, 500);
	rig_fini();
}
END_TEST

START_TEST(closing)
{
	rig_init((uint64_t)_i, "1");
	r.peers[0].is_mute = true;
	for (int i = 0; i < 3; i++)
		ask_update(i);
	ask(3, CHANNEL_TO_CONTROLLER, API_ALTER_PARTITION, 3, &r.alter);
	pass(1 + _i * 3);		/* connecting, or under way */
	r.close.broker = _i % 2 == 0 ? 5 : -1;
	r.close.line = CHANNEL_TO_MEMBER;
	r.queue[r.queued++] = &r.close.msg;
	actor_wake(&r.desk);
	for (int i = 0; i < 1000 && (r.queued > 0 || r.close.msg.at != MSG_HOME); i++)
		pass(1);
	ck_assert_int_eq(r.close.msg.at, MSG_HOME);
	ck_assert_int_ge(r.home, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(r.calls[i].msg.at, MSG_HOME);
		ck_assert_int_eq(r.calls[i].result, ERR_CLOSED);
		ck_assert(i == 0 || !r.calls[i].maybe_applied);
		channel_call_fini(&r.calls[i]);
	}
	if (_i % 2 == 0) {
		ck_assert_int_eq(r.home, 3);		/* the other line is not touched */
		r.close.line = CHANNEL_TO_CONTROLLER;
		r.queue[r.queued++] = &r.close.msg;
		actor_wake(&r.desk);
	}
	wait_for(4);
	ck_assert_int_eq(r.calls[3].result, ERR_CLOSED);
	pass(100);
	r.peers[0].is_mute = false;
	ask_update(0);
	wait_for(5);
	ck_assert_int_eq(r.calls[0].result, OK);
	rig_fini();
}
END_TEST

START_TEST(another_address)
{
	rig_init((uint64_t)_i, "1");
	ask_update(0);
	wait_for(1);
	ask_update(1);
	ask_update(2)->host = "peer1";
	ask_update(3)->host = "peer1";
	wait_for(4);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(r.calls[i].result, OK);
	ck_assert_int_eq(r.peers[0].updates, 2);
	ck_assert_int_eq(r.peers[1].updates, 2);
	ck_assert_int_eq(r.peers[1].accepted, 1);
	rig_fini();
}
END_TEST

enum trouble { CUT_MIDWAY, GARBAGE, OUT_OF_ORDER, RESET, TROUBLES };

START_TEST(answers_that_are_none)
{
	static const enum err expected[TROUBLES] = { ERR_CLOSED, ERR_CORRUPT, ERR_CLOSED, ERR_CLOSED };
	enum trouble t = (enum trouble)(_i % TROUBLES);

	rig_init((uint64_t)_i, "1");
	ask_update(0);
	wait_for(1);
	r.peers[0].cuts_midway = t == CUT_MIDWAY;
	r.peers[0].is_garbage = t == GARBAGE;
	r.peers[0].is_out_of_order = t == OUT_OF_ORDER;
	r.peers[0].is_mute = t == RESET;
	ask_update(1);
	ask_update(2);
	if (t == RESET) {
		pass(50);
		sim_net_reset(r.machine, r.peers[0].machine);
	}
	wait_for(3);
	ck_assert_int_eq(r.calls[1].result, expected[t]);
	ck_assert(r.calls[1].maybe_applied);
	ck_assert_int_eq(r.calls[2].result, expected[t]);
	ck_assert(!r.calls[2].maybe_applied);
	r.peers[0].cuts_midway = r.peers[0].is_garbage = r.peers[0].is_out_of_order = r.peers[0].is_mute = false;
	channel_call_fini(&r.calls[1]);
	ask_update(1);
	wait_for(4);
	ck_assert_int_eq(r.calls[1].result, OK);
	rig_fini();
}
END_TEST

START_TEST(at_rest_nothing_is_done)
{
	uint64_t steps;

	rig_init((uint64_t)_i, "1");
	ask_update(0);
	wait_for(1);
	pass(100);
	steps = channels_actor(r.channels)->counters.steps;
	ck_assert_int_eq(channels_actor(r.channels)->deadline, MONO_NEVER);
	pass(60000);
	ck_assert_uint_le(channels_actor(r.channels)->counters.steps - steps, 2);	/* the simulation looks when something else has happened */
	rig_fini();
}
END_TEST

/* --- threads -------------------------------------------------------------------------------------------------------------------------- */

#define THREAD_CALLS 3000

/* One call after the other, from an actor with a thread of its own, to a peer on another: no wake is lost, or this does not end. */
struct caller {
	struct actor        actor;
	struct channels    *channels;
	struct channel_call call;
	struct update_metadata_request request;
	uint16_t            port;
	int                 done, failed;
	uint32_t            is_finished;	/* 1: all done; 2: declined */
};

static void ask_again(struct caller *c)
{
	if (!actor_ask(&c->actor, channels_actor(c->channels), &c->call.msg))
		__atomic_store_n(&c->is_finished, 2, __ATOMIC_RELEASE);
}

static void on_caller_home(void *arg, struct msg *m UNUSED)
{
	struct caller *c = arg;

	c->done++;
	c->failed += c->call.result != OK;
	channel_call_fini(&c->call);
	if (c->done < THREAD_CALLS)
		ask_again(c);
	else
		__atomic_store_n(&c->is_finished, 1, __ATOMIC_RELEASE);
}

static int caller_step(struct actor *a, mono_ms now UNUSED)
{
	struct caller *c = CONTAINER_OF(a, struct caller, actor);
	int work = actor_drain_answers(a, on_caller_home, c);

	if (c->done == 0 && a->messages_out == 0) {
		ask_again(c);
		work++;
	}
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops caller_ops = { .module = "caller", .step = caller_step };

START_TEST(on_threads)
{
	static struct caller c;
	static struct peer p;
	struct sched *s = sched_threads_create(os_real());
	mono_ms until;

	p.os = os_real();
	for (int k = 0; k < CONNECTIONS; k++)
		p.connections[k].fd = -1;
	ck_assert_int_eq(os_listen(p.os, "127.0.0.1", 0, 10, &p.listener, &c.port), OK);
	ck_assert_int_eq(channels_create(&c.channels, s, "1"), OK);
	actor_init(&c.actor, s, &caller_ops, LANE_CONTROLLER, "caller");
	channel_call_init(&c.call, &c.actor);
	update_metadata_request_init(&c.request);
	c.call.broker = 5;
	c.call.line = CHANNEL_TO_MEMBER;
	c.call.host = "127.0.0.1";
	c.call.port = c.port;
	c.call.key = API_UPDATE_METADATA;
	c.call.version = 8;
	c.call.request = &c.request;
	c.call.connect_timeout_ms = c.call.timeout_ms = 10000;
	ck_assert_int_eq(actor_start(&c.actor, 0), OK);
	until = os_mono_ms(p.os) + 40000;
	while (__atomic_load_n(&c.is_finished, __ATOMIC_ACQUIRE) == 0 && os_mono_ms(p.os) < until)
		peer_step(&p);
	actor_stop(&c.actor);
	actor_join(&c.actor);
	ck_assert_uint_eq(c.is_finished, 1);
	ck_assert_int_eq(c.failed, 0);
	ck_assert_int_eq(p.updates, THREAD_CALLS);
	channels_destroy(&c.channels);
	actor_fini(&c.actor);
	sched_destroy(&s);
	for (int k = 0; k < CONNECTIONS; k++)
		if (p.connections[k].fd >= 0)
			end_connection(&p, &p.connections[k]);
	os_close(p.os, &p.listener);
	strbuf_fini(&p.last);
}
END_TEST

/* --- Java's frames -------------------------------------------------------------------------------------------------------------------- */

static union {
	struct leader_and_isr_request leader_and_isr;
	struct update_metadata_request update_metadata;
	struct stop_replica_request stop_replica;
	struct alter_partition_request alter_partition;
	struct controlled_shutdown_request controlled_shutdown;
	struct allocate_producer_ids_request allocate_producer_ids;
} request;

static bool decode_request(int key, struct reader *reader, int v, struct arena *a)
{
#define DECODE(KEY, name) case KEY: return name##_request_decode(&request.name, reader, v, a);
	switch (key) {
	DECODE(API_LEADER_AND_ISR, leader_and_isr)
	DECODE(API_UPDATE_METADATA, update_metadata)
	DECODE(API_STOP_REPLICA, stop_replica)
	DECODE(API_ALTER_PARTITION, alter_partition)
	DECODE(API_CONTROLLED_SHUTDOWN, controlled_shutdown)
	DECODE(API_ALLOCATE_PRODUCER_IDS, allocate_producer_ids)
	default: return false;
	}
}

static void expect_frame(struct slice frame)
{
	struct reader reader = reader_of(frame);
	struct request_header h;
	struct arena a;
	char client_id[32];

	arena_init(&a, 1 << 20);
	ck_assert(header_decode_request(&h, &reader));
	ck_assert(decode_request(h.request_api_key, &reader, h.request_api_version, &a));
	snprintf(client_id, sizeof(client_id), SLICE_FMT, SLICE_ARG(h.client_id));
	rig_init(1, client_id);
	ask(0, CHANNEL_TO_MEMBER, (enum api_key)h.request_api_key, h.request_api_version, &request);
	wait_for(1);
	ck_assert_int_eq(r.calls[0].result, OK);
	ck_assert_uint_eq(r.peers[0].last.len, frame.len);
	memcpy(r.peers[0].last.ptr + 4, frame.ptr + 4, 4);	/* the correlation id */
	ck_assert_mem_eq(r.peers[0].last.ptr, frame.ptr, frame.len);
	rig_fini();
	arena_fini(&a);
}

START_TEST(frames_are_those_of_java_brokers)
{
	static char line[16384];
	static uint8_t frame[8192];
	char path[1024], api[64];
	const char *data = getenv("SKEIN_TEST_DATA");
	int version, at, seen = 0;
	unsigned byte;
	FILE *f;

	snprintf(path, sizeof(path), "%s/golden/cluster/inter-broker-requests.txt", data != NULL ? data : "tests");
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t n = 0;
		ck_assert_int_eq(sscanf(line, "%63s %d %n", api, &version, &at), 2);
		if (strcmp(api, "Fetch") == 0 || strcmp(api, "OffsetForLeaderEpoch") == 0)
			continue;
		for (const char *p = line + at; sscanf(p, "%2x", &byte) == 1; p += 2)
			frame[n++] = (uint8_t)byte;
		expect_frame(slice_of(frame, n));
		seen++;
	}
	fclose(f);
	ck_assert_int_eq(seen, 20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, fixed_versions_in_order, 0, SEEDS);
	tcase_add_loop_test(tc, negotiated_versions, 0, SEEDS);
	tcase_add_loop_test(tc, lines_do_not_wait_for_each_other, 0, 5);
	tcase_add_loop_test(tc, a_timeout_brings_home_what_waits_behind, 0, SEEDS);
	tcase_add_loop_test(tc, nobody_there, 0, 10);
	tcase_add_loop_test(tc, closing, 0, SEEDS);
	tcase_add_loop_test(tc, another_address, 0, SEEDS);
	tcase_add_loop_test(tc, answers_that_are_none, 0, SEEDS);
	tcase_add_loop_test(tc, at_rest_nothing_is_done, 0, 3);
	tcase_add_test(tc, on_threads);
	tcase_add_test(tc, frames_are_those_of_java_brokers);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
