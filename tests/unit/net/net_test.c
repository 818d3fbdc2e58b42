#include "net_rig.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "net/net_priv.h"

static struct rig *r;
static struct rig_client *c;

static void begin(void)
{
	rig_start(r, 0);
	c = client_new(r);
}

static void setup(void)
{
	r = rig_new(0);
	c = NULL;
}

static uint64_t base_seed(void)		/* SKEIN_SEED=1000 ./net_test tries others */
{
	const char *text = getenv("SKEIN_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 0;
}

static void setup_sim_1(void) { r = rig_new(base_seed() + 1); c = NULL; }
static void setup_sim_2(void) { r = rig_new(base_seed() + 2); c = NULL; }
static void setup_sim_3(void) { r = rig_new(base_seed() + 3); c = NULL; }

static void teardown(void)
{
	if (c != NULL)
		client_free(c);
	rig_free(r);
}

static struct net_counters counters(void)
{
	struct net_counters n;

	net_counters(r->net, &n);
	return n;
}

/* --- framing --------------------------------------------------------------------------------- */

START_TEST(a_frame_split_anywhere_is_answered)
{
	uint8_t frame[64];
	size_t len = rig_request(frame, RIG_METADATA, 7, OP_ECHO, 0, "hello");

	begin();
	for (size_t at = 1; at < len; at++) {
		client_send(c, frame, at);
		for (int i = 0; i < 3; i++)
			rig_pump(r);
		client_send(c, frame + at, len - at);
		client_expect(c, 7, "hello");
	}
	for (size_t at = 0; at < len; at++) {
		client_send(c, frame + at, 1);
		rig_pump(r);
	}
	client_expect(c, 7, "hello");
}
END_TEST

START_TEST(many_frames_in_one_write_are_answered_in_order)
{
	enum { N = 1000 };
	uint8_t *all = mem_alloc(N * 64);
	char text[16];
	size_t len = 0;

	begin();
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "request %d", i);
		len += rig_request(all + len, i % 3 == 0 ? RIG_METADATA : RIG_PRODUCE, i,
		                   i % 5 == 0 ? OP_ASK : OP_ECHO, 1, text);
	}
	client_send(c, all, len);
	free(all);
	for (int i = 0; i < N; i++) {
		int32_t begun;

		snprintf(text, sizeof(text), "request %d", i);
		ck_assert(slice_eq_str(client_answer(c, i, &begun), text));
		ck_assert_int_eq(begun, i);
	}
	ck_assert_uint_eq(counters().requests, N);
}
END_TEST

START_TEST(a_frame_larger_than_all_buffers_arrives_whole)
{
	static const size_t sizes[] = {
		511, 512, 513, 32 << 10, (32 << 10) - 22, 300000, 1 << 20, (1 << 20) + 1, 5000000,
	};

	begin();
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		char *text = mem_alloc(sizes[k] + 1);
		uint8_t *frame = mem_alloc(sizes[k] + 64);
		struct slice got;

		for (size_t i = 0; i < sizes[k]; i++)
			text[i] = (char)('a' + i * 7 % 26);
		text[sizes[k]] = '\0';
		client_send(c, frame, rig_request(frame, RIG_METADATA, 1, OP_ECHO, 0, text));
		got = client_answer(c, 1, NULL);
		ck_assert_uint_eq(got.len, sizes[k]);
		ck_assert_mem_eq(got.ptr, text, sizes[k]);
		free(text);
		free(frame);
	}
}
END_TEST

/* What cannot be read closes the connection without an answer, after the answer to what came
 * before. */
static const struct bad_input {
	const char *name;
	uint8_t bytes[40];
	size_t  len;
} bad_inputs[] = {
	{ "size negative",    { 0xff, 0xff, 0xff, 0xff }, 4 },
	{ "size zero",        { 0, 0, 0, 0 }, 4 },
	{ "size too large",   { 0x01, 0, 0, 1 }, 4 },
	{ "key unknown",      { 0, 0, 0, 10, 0x7f, 0xff, 0, 3, 0, 0, 0, 1, 0xff, 0xff }, 14 },
	{ "key negative",     { 0, 0, 0, 10, 0xff, 0xff, 0, 3, 0, 0, 0, 1, 0xff, 0xff }, 14 },
	{ "key not served",   { 0, 0, 0, 10, 0, 1, 0, 3, 0, 0, 0, 1, 0xff, 0xff }, 14 },
	{ "version too high",
	  { 0, 0, 0, 15, 0, 0, 0, 6, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0 }, 19 },
	{ "version too low",
	  { 0, 0, 0, 15, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0 }, 19 },
	{ "version negative",
	  { 0, 0, 0, 15, 0, 0, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0 }, 19 },
	{ "header cut",       { 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0 }, 11 },
	{ "one byte",         { 0, 0, 0, 1, 0 }, 5 },
	{ "client id cut",    { 0, 0, 0, 12, 0, 0, 0, 3, 0, 0, 0, 1, 0, 9, 'a', 'b' }, 16 },
	{ "body cut",         { 0, 0, 0, 13, 0, 0, 0, 3, 0, 0, 0, 1, 0, 3, 'r', 'i', 'g' }, 17 },
	{ "versions header",  { 0, 0, 0, 10, 0, 18, 0, 9, 0, 0, 0, 1, 0xff, 0xff }, 14 },
};

START_TEST(bad_input_closes)
{
	const struct bad_input *bad = &bad_inputs[_i];
	uint8_t all[128];
	size_t len = rig_request(all, RIG_PRODUCE, 5, OP_ASK, 1, "before");

	begin();
	rig_answer_at(r, INT_MAX);
	memcpy(all + len, bad->bytes, bad->len);
	len += bad->len;
	len += rig_request(all + len, RIG_PRODUCE, 6, OP_ECHO, 0, "behind");
	client_send(c, all, len);
	RIG_WAIT(r, rig_read(&r->held_count) == 1);
	for (int i = 0; i < 5; i++)
		rig_pump(r);
	/* what came before is still being worked on */
	ck_assert_uint_eq(counters().connections_closed, 0);
	rig_answer_at(r, 1);
	client_expect(c, 5, "before");
	client_expect_end(c);
	ck_assert_uint_eq(counters().bad_requests, 1);
	ck_assert_int_eq(rig_read(&r->begun), 1);
}
END_TEST

START_TEST(versions_in_an_unknown_version_are_answered_in_the_oldest_form)
{
	static const uint8_t ask[] = { 0, 0, 0, 11, 0, 18, 0, 99, 1, 2, 3, 4, 0xff, 0xff, 0 };
	static const uint8_t ask_negative[] = {
		0, 0, 0, 10, 0, 18, 0xff, 0xfe, 1, 2, 3, 4, 0xff, 0xff,
	};
	static const uint8_t expected[] = {
		0, 0, 0, 16, 1, 2, 3, 4, 0, 35, 0, 0, 0, 1, 0, 18, 0, 3, 0, 5,
	};

	begin();
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			client_send(c, ask, sizeof(ask));
		else
			client_send(c, ask_negative, sizeof(ask_negative));
		while (c->in_len < sizeof(expected) && !c->has_ended)
			if (!client_receive(c))
				rig_pump(r);
		ck_assert_uint_eq(c->in_len, sizeof(expected));
		ck_assert_mem_eq(c->in, expected, sizeof(expected));
		c->in_len = 0;
	}
	client_ask(c, RIG_METADATA, 8, OP_ECHO, 0, "still here");
	client_expect(c, 8, "still here");
}
END_TEST

START_TEST(half_close_answers_what_was_received)
{
	begin();
	rig_answer_at(r, 3);
	for (int i = 0; i < 3; i++)
		client_ask(c, RIG_PRODUCE, i, OP_ASK, 1, "x");
	client_ask(c, RIG_METADATA, 3, OP_ECHO, 0, "last");
	client_send(c, "\0\0\0\5ab", 6);	/* and a piece of one that will never be whole */
	client_shutdown(c);
	for (int i = 0; i < 3; i++)
		client_expect(c, i, "x");
	client_expect(c, 3, "last");
	client_expect_end(c);
	ck_assert_uint_eq(counters().bad_requests, 0);
}
END_TEST

/* --- order ----------------------------------------------------------------------------------- */

START_TEST(overlapping_requests_are_answered_in_order)
{
	char text[8];

	begin();
	rig_answer_at(r, 5);		/* all five are out together, and come home in reverse */
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		client_ask(c, RIG_PRODUCE, i, OP_ASK, 1, text);
	}
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		client_expect(c, i, text);
	}
}
END_TEST

START_TEST(other_requests_wait_for_all_answers_before)
{
	begin();
	rig_answer_at(r, INT_MAX);
	client_ask(c, RIG_PRODUCE, 0, OP_ASK, 2, "a");
	client_ask(c, RIG_METADATA, 1, OP_ASK, 1, "b");
	client_ask(c, RIG_PRODUCE, 2, OP_ASK, 1, "c");
	RIG_WAIT(r, rig_read(&r->held_count) == 2);
	for (int i = 0; i < 10; i++)
		rig_pump(r);
	ck_assert_int_eq(rig_read(&r->begun), 1);
	rig_answer_at(r, 2);
	client_expect(c, 0, "a");
	RIG_WAIT(r, rig_read(&r->held_count) == 1);
	for (int i = 0; i < 10; i++)
		rig_pump(r);
	ck_assert_int_eq(rig_read(&r->begun), 2);
	rig_answer_at(r, 1);
	client_expect(c, 1, "b");
	client_expect(c, 2, "c");
}
END_TEST

START_TEST(a_call_may_hold_its_connection)
{
	begin();
	rig_answer_at(r, INT_MAX);
	client_ask(c, RIG_PRODUCE, 0, OP_HOLD, 0, "a");
	client_ask(c, RIG_PRODUCE, 1, OP_ASK, 1, "b");
	RIG_WAIT(r, rig_read(&r->held_count) == 1);
	for (int i = 0; i < 10; i++)
		rig_pump(r);
	ck_assert_int_eq(rig_read(&r->begun), 1);
	rig_answer_at(r, 1);
	client_expect(c, 0, "a");
	client_expect(c, 1, "b");
}
END_TEST

START_TEST(silent_requests_and_wanted_closes_keep_the_order)
{
	begin();
	rig_answer_at(r, 2);
	client_ask(c, RIG_PRODUCE, 0, OP_ASK, 1, "a");
	client_ask(c, RIG_PRODUCE, 1, OP_SILENT, 0, "");
	client_ask(c, RIG_PRODUCE, 2, OP_ASK, 1, "c");
	client_ask(c, RIG_PRODUCE, 3, OP_CLOSE, 0, "");
	client_ask(c, RIG_PRODUCE, 4, OP_ECHO, 0, "never");
	client_expect(c, 0, "a");
	client_expect(c, 2, "c");
	client_expect_end(c);
}
END_TEST

START_TEST(before_the_first_picture_only_what_needs_none_is_answered)
{
	begin();
	client_ask(c, RIG_METADATA, 0, OP_ECHO, 0, "a");
	client_ask(c, RIG_PICTURE, 1, OP_ECHO, 0, "of what?");
	client_expect(c, 0, "a");
	client_expect_end(c);
}
END_TEST

START_TEST(an_answer_that_cannot_be_encoded_closes)
{
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_ECHO, 0, "a");
	client_ask(c, RIG_PRODUCE, 1, OP_UNENCODABLE, 0, "");
	client_expect(c, 0, "a");
	client_expect_end(c);
}
END_TEST

START_TEST(a_throttled_connection_is_answered_at_once_and_then_mute)
{
	mono_ms before;

	begin();
	before = os_mono_ms(r->os);
	client_ask(c, RIG_PRODUCE, 0, OP_THROTTLE, 200, "now");
	client_ask(c, RIG_PRODUCE, 1, OP_ECHO, 0, "later");
	client_expect(c, 0, "now");
	if (r->sim_net != NULL)		/* on a busy machine "at once" takes as long as it takes */
		ck_assert_int_lt(os_mono_ms(r->os) - before, 150);
	client_expect(c, 1, "later");
	ck_assert_int_ge(os_mono_ms(r->os) - before, 200);
}
END_TEST

/* --- waiting --------------------------------------------------------------------------------- */

START_TEST(a_parked_call_is_woken_at_its_deadline)
{
	mono_ms before;

	begin();
	before = os_mono_ms(r->os);
	client_ask(c, RIG_METADATA, 0, OP_PARK, 50, "");
	client_expect(c, 0, "late");
	ck_assert_int_ge(os_mono_ms(r->os) - before, 50);
	client_ask(c, RIG_METADATA, 1, OP_PARK, 0, "");
	client_expect(c, 1, "late");
}
END_TEST

START_TEST(a_parked_call_ends_with_its_connection)
{
	r->spec.max_idle_ms = 100;
	begin();
	client_ask(c, RIG_METADATA, 0, OP_PARK, 1000000, "");
	RIG_WAIT(r, rig_read(&r->parked) == 1);
	client_expect_end(c);
	RIG_WAIT(r, counters().connections_closed == 1);
	RIG_WAIT(r, rig_read(&r->ended_alone) == 1);
}
END_TEST

START_TEST(a_call_outlives_its_connection)
{
	r->spec.max_idle_ms = 100;
	begin();
	rig_answer_at(r, INT_MAX);
	client_ask(c, RIG_PRODUCE, 0, OP_ASK, 3, "");
	RIG_WAIT(r, rig_read(&r->held_count) == 3);
	client_expect_end(c);
	ck_assert_int_eq(rig_read(&r->ended_alone), 0);
	rig_answer_at(r, 1);
	RIG_WAIT(r, rig_read(&r->ended_alone) == 1);
}
END_TEST

START_TEST(stopping_ends_parked_calls)
{
	struct rig_client *others[8];

	begin();
	for (int i = 0; i < 8; i++) {
		others[i] = client_new(r);
		client_ask(others[i], RIG_METADATA, i, OP_PARK, 1000000, "");
	}
	RIG_WAIT(r, rig_read(&r->parked) == 8);
	net_stop(r->net);
	ck_assert_int_eq(rig_read(&r->ended_alone), 8);
	for (int i = 0; i < 8; i++) {
		client_expect_end(others[i]);
		client_free(others[i]);
	}
}
END_TEST

/* --- bounds ---------------------------------------------------------------------------------- */

START_TEST(a_full_lane_is_waited_for)
{
	struct rig_client *other;

	rig_start(r, 4);		/* three questions fit */
	c = client_new(r);
	other = client_new(r);
	rig_answer_at(r, 500);		/* nothing is answered before it has them all */
	client_ask(c, RIG_PRODUCE, 0, OP_ASK, 400, "many");
	client_ask(c, RIG_PRODUCE, 1, OP_ECHO, 0, "behind");
	client_ask(other, RIG_PRODUCE, 2, OP_ASK_PARTITION, 100, "some");
	client_expect(other, 2, "some");
	client_expect(c, 0, "many");
	client_expect(c, 1, "behind");
	ck_assert_uint_gt(counters().asks_delayed, 0);
	client_free(other);
}
END_TEST

START_TEST(a_partition_that_stops_refuses_what_waits_for_it)
{
	begin();
	__atomic_store_n(&r->partition.is_open, false, __ATOMIC_RELEASE);
	client_ask(c, RIG_PRODUCE, 0, OP_ASK_PARTITION, 3, "");
	client_expect(c, 0, "refused");
	__atomic_store_n(&r->partition.is_open, true, __ATOMIC_RELEASE);
	client_ask(c, RIG_PRODUCE, 1, OP_ASK_PARTITION, 3, "yes");
	client_expect(c, 1, "yes");
}
END_TEST

/* The other connections, and the first call of each, are served whatever one of them does. */
START_TEST(pipelining_is_bounded_per_connection)
{
	struct rig_client *other;

	begin();
	other = client_new(r);
	rig_answer_at(r, INT_MAX);
	for (int i = 0; i < 100; i++)
		client_ask(c, RIG_PRODUCE, i, OP_ASK, 1, "x");
	RIG_WAIT(r, rig_read(&r->held_count) == NET_PIPELINE);
	for (int i = 0; i < 20; i++)
		rig_pump(r);
	ck_assert_int_eq(rig_read(&r->held_count), NET_PIPELINE);
	client_ask(other, RIG_PRODUCE, 0, OP_ECHO, 0, "free");
	client_expect(other, 0, "free");
	rig_answer_at(r, 1);
	for (int i = 0; i < 100; i++)
		client_expect(c, i, "x");
	client_free(other);
}
END_TEST

START_TEST(calls_are_bounded_but_the_first_of_each_connection)
{
	enum { CLIENTS = NET_CALLS / (NET_PIPELINE - 1) + 20 };
	struct rig_client *all[CLIENTS];
	struct rig_client *late;

	begin();
	rig_answer_at(r, INT_MAX);
	for (int i = 0; i < CLIENTS; i++) {
		all[i] = client_new(r);
		for (int k = 0; k < NET_PIPELINE; k++)
			client_ask(all[i], RIG_PRODUCE, k, OP_ASK, 1, "x");
	}
	RIG_WAIT(r, rig_read(&r->held_count) >= NET_CALLS);
	for (int i = 0; i < 20; i++)
		rig_pump(r);
	ck_assert_int_le(rig_read(&r->held_count), NET_CALLS + CLIENTS);
	late = client_new(r);
	client_ask(late, RIG_PRODUCE, 0, OP_ECHO, 0, "first");
	client_expect(late, 0, "first");
	rig_answer_at(r, 1);
	for (int i = 0; i < CLIENTS; i++) {
		for (int k = 0; k < NET_PIPELINE; k++)
			client_expect(all[i], k, "x");
		client_free(all[i]);
	}
	client_ask(late, RIG_PRODUCE, 0, OP_ASK, 1, "late");
	client_expect(late, 0, "late");
	client_free(late);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_read_from)
{
	uint8_t frame[4096];
	char text[4000];
	size_t len, at = 0;
	int stuck = 0;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	len = rig_request(frame, RIG_METADATA, 0, OP_BIG, 500000, text);
	begin();
	for (int i = 0; i < 20000 && stuck < 100; i++) {
		size_t sent = client_try_send(c, frame + at, len - at);

		at = (at + sent) % len;
		if (sent == 0)
			rig_pump(r);
		stuck = sent > 0 ? 0 : stuck + 1;
	}
	ck_assert_int_eq(stuck, 100);
	/* what the two sockets' buffers hold, and one more */
	ck_assert_int_lt(rig_read(&r->begun), 60);
}
END_TEST

START_TEST(idle_connections_are_closed)
{
	struct rig_client *busy;
	mono_ms before;

	r->spec.max_idle_ms = 1500;		/* longer than a busy machine keeps anybody from running */
	begin();
	busy = client_new(r);
	before = os_mono_ms(r->os);
	for (int i = 0; counters().idle_closed == 0 && os_mono_ms(r->os) - before < 30000; i++) {
		client_ask(busy, RIG_METADATA, i, OP_ECHO, 0, "x");
		client_expect(busy, i, "x");
		rig_pump(r);
	}
	client_expect_end(c);
	ck_assert_uint_eq(counters().idle_closed, 1);
	ck_assert_uint_eq(counters().connections_open, 1);
	client_free(busy);
}
END_TEST

START_TEST(connections_of_an_address_are_bounded)
{
	struct rig_client *second;

	r->spec.max_connections_per_ip = 1;
	begin();
	client_ask(c, RIG_METADATA, 0, OP_ECHO, 0, "first");
	client_expect(c, 0, "first");
	second = client_new(r);
	client_expect_end(second);
	client_free(second);
	ck_assert_uint_eq(counters().refused, 1);
	client_free(c);
	RIG_WAIT(r, counters().connections_closed == 1);
	for (int i = 0; i < 5; i++)
		rig_pump(r);
	c = client_new(r);
	client_ask(c, RIG_METADATA, 0, OP_ECHO, 0, "again");
	client_expect(c, 0, "again");
}
END_TEST

START_TEST(at_the_brokers_limit_accepting_waits)
{
	struct rig_client *second;

	r->spec.max_connections = 1;
	begin();
	second = client_new(r);
	client_ask(second, RIG_METADATA, 0, OP_ECHO, 0, "patience");
	client_ask(c, RIG_METADATA, 0, OP_ECHO, 0, "first");
	client_expect(c, 0, "first");
	for (int i = 0; i < 10; i++)
		rig_pump(r);
	ck_assert_uint_eq(counters().connections_accepted, 1);
	client_free(c);
	c = second;
	client_expect(c, 0, "patience");
}
END_TEST

START_TEST(connections_are_dealt_to_the_least_loaded)
{
	struct rig_client *all[30];

	r->spec.network_threads = 3;
	begin();
	for (int i = 0; i < 30; i++) {
		all[i] = client_new(r);
		client_ask(all[i], RIG_METADATA, i, OP_ECHO, 0, "x");
		client_expect(all[i], i, "x");
	}
	for (int i = 0; i < 3; i++) {		/* 31 with the one that begin() made */
		uint64_t n = __atomic_load_n(&r->net->networks[i].counters.connections_accepted, __ATOMIC_RELAXED);

		ck_assert_uint_ge(n, 10);
		ck_assert_uint_le(n, 11);
	}
	for (int i = 0; i < 30; i++)
		client_free(all[i]);
	RIG_WAIT(r, counters().connections_closed == 30);
}
END_TEST

START_TEST(a_taken_address_is_a_named_problem)
{
	struct net_listener_spec listeners[2] = { r->listener, r->listener };
	struct net_spec spec = r->spec;
	char problem[200] = "";
	struct net *other = NULL;
	os_fd fd;
	uint16_t port;

	rig_start(r, 0);
	ck_assert_int_eq(os_listen(r->os, "127.0.0.1", 0, 1, &fd, &port), OK);
	listeners[1].port = port;
	spec.listeners = listeners;
	spec.listener_count = 2;
	ck_assert_int_eq(net_create(&other, &spec, problem, sizeof(problem)), ERR_IN_USE);
	ck_assert_ptr_nonnull(strstr(problem, "PLAINTEXT://127.0.0.1:"));
	os_close(r->os, &fd);
}
END_TEST

/* --- segment files --------------------------------------------------------------------------- */

static void expect_file(int32_t correlation, uint32_t size)
{
	struct slice got = client_answer(c, correlation, NULL);

	ck_assert_uint_eq(got.len, size);
	for (uint32_t i = 0; i < size; i++)
		if (got.ptr[i] != rig_file_byte(i))
			ck_abort_msg("byte %u of %u differs", i, size);
}

START_TEST(files_are_sent_between_other_answers)
{
	rig_make_file(r, 3000000);
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 3000000, "");
	client_ask(c, RIG_PRODUCE, 1, OP_ECHO, 0, "between");
	client_ask(c, RIG_PRODUCE, 2, OP_FILE, 1, "");
	client_ask(c, RIG_PRODUCE, 3, OP_FILE, 2000000, "");
	client_ask(c, RIG_METADATA, 4, OP_ECHO, 0, "last");
	expect_file(0, 3000000);
	client_expect(c, 1, "between");
	expect_file(2, 1);
	expect_file(3, 2000000);
	client_expect(c, 4, "last");
	RIG_WAIT(r, __atomic_load_n(&r->file.refs, __ATOMIC_ACQUIRE) == 0);
}
END_TEST

/* The socket takes a part; then the file changes under the answer. */
START_TEST(a_cut_file_closes_the_connection)
{
	uint64_t sent = 0;

	rig_make_file(r, 16 << 20);
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 16 << 20, "");
	RIG_WAIT(r, counters().bytes_out > 0);
	for (; sent != counters().bytes_out; sent = counters().bytes_out)
		for (int i = 0; i < 20; i++)
			rig_pump(r);
	ck_assert_uint_lt(sent, 16 << 20);
	__atomic_fetch_add(&r->file.generation, 1, __ATOMIC_ACQ_REL);
	for (int i = 0; i < 20000 && !c->has_ended; i++)
		if (!client_receive(c))
			rig_pump(r);
	ck_assert(c->has_ended);
	ck_assert_uint_lt(c->in_len, 16 << 20);
	RIG_WAIT(r, __atomic_load_n(&r->file.refs, __ATOMIC_ACQUIRE) == 0);
}
END_TEST

START_TEST(a_file_that_is_too_short_closes_the_connection)
{
	rig_make_file(r, 100000);
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 100001, "");
	for (int i = 0; i < 20000 && !c->has_ended; i++)
		if (!client_receive(c))
			rig_pump(r);
	ck_assert(c->has_ended);
	ck_assert_uint_le(c->in_len, 16 + 100000);
}
END_TEST

/* More than fit into the room for them at once, with memory between. */
START_TEST(small_pieces_of_files_leave_with_their_answers)
{
	rig_make_file(r, 8192);
	begin();
	for (int i = 0; i < 20; i++)
		client_ask(c, RIG_PRODUCE, i, i % 4 == 3 ? OP_ECHO : OP_FILE, i % 4 == 3 ? 0 : 8192 - i % 3, i % 4 == 3 ? "x" : "");
	for (int i = 0; i < 20; i++) {
		if (i % 4 == 3)
			client_expect(c, i, "x");
		else
			expect_file(i, 8192 - i % 3);
	}
	RIG_WAIT(r, __atomic_load_n(&r->file.refs, __ATOMIC_ACQUIRE) == 0);
}
END_TEST

START_TEST(a_small_file_that_is_too_short_closes_the_connection)
{
	rig_make_file(r, 1000);
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 1001, "");
	for (int i = 0; i < 20000 && !c->has_ended; i++)
		if (!client_receive(c))
			rig_pump(r);
	ck_assert(c->has_ended);
	ck_assert_uint_le(c->in_len, 16 + 1000);
}
END_TEST

START_TEST(a_connection_may_go_in_the_middle_of_a_file)
{
	rig_make_file(r, 8 << 20);
	r->spec.max_idle_ms = 300;
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 8 << 20, "");
	client_ask(c, RIG_PRODUCE, 1, OP_FILE, 8 << 20, "");
	RIG_WAIT(r, counters().bytes_out > 0);
	RIG_WAIT(r, counters().idle_closed == 1);
	RIG_WAIT(r, __atomic_load_n(&r->file.refs, __ATOMIC_ACQUIRE) == 0);
}
END_TEST

/* Simulation only: nothing is in memory, so that every piece is fetched by a worker first. */
START_TEST(cold_files_are_fetched_first)
{
	sim_set_cold(r->sim, 1000000);
	rig_make_file(r, 3000000);
	begin();
	client_ask(c, RIG_PRODUCE, 0, OP_FILE, 3000000, "");
	client_ask(c, RIG_METADATA, 1, OP_ECHO, 0, "x");
	expect_file(0, 3000000);
	client_expect(c, 1, "x");
}
END_TEST

/* --- everything at once ---------------------------------------------------------------------- */

#define CROWD 12

struct member {			/* a client, and what it waits for */
	struct rig_client *client;
	enum rig_op        ops[8];
	int                first, count;	/* correlation of the first; in ops from 0 */
};

static uint64_t dice(void)
{
	return r->sim != NULL ? sched_sim_random(r->sched) : (uint64_t)random();
}

static void member_asks(struct member *m)
{
	static const enum rig_op some[] = {
		OP_ECHO, OP_ASK, OP_ASK_PARTITION, OP_HOLD, OP_BIG, OP_FILE, OP_PARK, OP_SILENT,
		OP_THROTTLE,
	};
	enum rig_op op = some[dice() % ARRAY_LEN(some)];
	int32_t arg_max = op == OP_BIG || op == OP_FILE ? 100000 : 20;
	int32_t arg = (int32_t)(dice() % (uint64_t)arg_max) + 1;
	int key = dice() % 4 == 0 ? RIG_METADATA : RIG_PRODUCE;

	client_ask(m->client, key, m->first + m->count, op, arg, "crowd");
	m->ops[m->count++] = op;
}

static void member_takes_answers(struct member *m)
{
	for (int i = 0; i < m->count; i++) {
		enum rig_op op = m->ops[i];
		struct slice got;

		if (op == OP_SILENT)
			continue;
		got = client_answer(m->client, m->first + i, NULL);
		if (op == OP_ECHO || op == OP_ASK || op == OP_HOLD || op == OP_THROTTLE)
			ck_assert(slice_eq_str(got, "crowd"));
	}
	m->first += m->count;
	m->count = 0;
}

static void member_acts(struct member *m)
{
	switch (dice() % 8) {
	case 0:
		if (m->client != NULL)
			client_free(m->client);
		m->client = NULL;
		break;
	case 1:
		if (m->client != NULL)
			member_takes_answers(m);
		break;
	default:
		if (m->client == NULL)
			*m = (struct member){ .client = client_new(r) };
		if (m->count < (int)ARRAY_LEN(m->ops))
			member_asks(m);
		break;
	}
}

START_TEST(a_crowd_that_comes_and_goes_is_served)
{
	struct member all[CROWD] = { { NULL } };

	/* the first on the real machine */
	r = rig_new(_i == 0 ? 0 : base_seed() * 1000 + (uint64_t)_i);
	c = NULL;
	r->spec.network_threads = 1 + (_i + 2) % 3;
	rig_make_file(r, 100000);
	rig_start(r, _i % 2 == 0 ? 4 : 0);
	for (int i = 0; i < 300; i++) {
		member_acts(&all[dice() % CROWD]);
		for (uint64_t k = dice() % 3; k > 0; k--)
			rig_pump(r);
	}
	for (int i = 0; i < CROWD; i++) {
		if (all[i].client == NULL)
			continue;
		member_takes_answers(&all[i]);
		client_free(all[i].client);
	}
	RIG_WAIT(r, counters().connections_open == 0);
	ck_assert_uint_eq(counters().bad_requests, 0);
	rig_free(r);
}
END_TEST

static void add_tests(TCase *tc, bool is_sim)
{
	tcase_add_test(tc, a_frame_split_anywhere_is_answered);
	tcase_add_test(tc, many_frames_in_one_write_are_answered_in_order);
	tcase_add_test(tc, a_frame_larger_than_all_buffers_arrives_whole);
	tcase_add_loop_test(tc, bad_input_closes, 0, ARRAY_LEN(bad_inputs));
	tcase_add_test(tc, versions_in_an_unknown_version_are_answered_in_the_oldest_form);
	tcase_add_test(tc, half_close_answers_what_was_received);
	tcase_add_test(tc, overlapping_requests_are_answered_in_order);
	tcase_add_test(tc, other_requests_wait_for_all_answers_before);
	tcase_add_test(tc, a_call_may_hold_its_connection);
	tcase_add_test(tc, silent_requests_and_wanted_closes_keep_the_order);
	tcase_add_test(tc, before_the_first_picture_only_what_needs_none_is_answered);
	tcase_add_test(tc, an_answer_that_cannot_be_encoded_closes);
	tcase_add_test(tc, a_throttled_connection_is_answered_at_once_and_then_mute);
	tcase_add_test(tc, a_parked_call_is_woken_at_its_deadline);
	tcase_add_test(tc, a_parked_call_ends_with_its_connection);
	tcase_add_test(tc, a_call_outlives_its_connection);
	tcase_add_test(tc, stopping_ends_parked_calls);
	tcase_add_test(tc, a_full_lane_is_waited_for);
	tcase_add_test(tc, a_partition_that_stops_refuses_what_waits_for_it);
	tcase_add_test(tc, pipelining_is_bounded_per_connection);
	tcase_add_test(tc, calls_are_bounded_but_the_first_of_each_connection);
	tcase_add_test(tc, a_peer_that_does_not_read_is_not_read_from);
	tcase_add_test(tc, idle_connections_are_closed);
	tcase_add_test(tc, connections_of_an_address_are_bounded);
	tcase_add_test(tc, at_the_brokers_limit_accepting_waits);
	tcase_add_test(tc, connections_are_dealt_to_the_least_loaded);
	tcase_add_test(tc, a_taken_address_is_a_named_problem);
	tcase_add_test(tc, files_are_sent_between_other_answers);
	tcase_add_test(tc, a_cut_file_closes_the_connection);
	tcase_add_test(tc, a_file_that_is_too_short_closes_the_connection);
	tcase_add_test(tc, small_pieces_of_files_leave_with_their_answers);
	tcase_add_test(tc, a_small_file_that_is_too_short_closes_the_connection);
	tcase_add_test(tc, a_connection_may_go_in_the_middle_of_a_file);
	if (is_sim)
		tcase_add_test(tc, cold_files_are_fetched_first);
}

static Suite *net_suite(void)
{
	static const struct { const char *name; void (*setup)(void); } machines[] = {
		{ "real", setup }, { "sim-1", setup_sim_1 }, { "sim-2", setup_sim_2 },
		{ "sim-3", setup_sim_3 },
	};
	Suite *s = suite_create("net");
	TCase *crowd = tcase_create("crowd");

	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		TCase *tc = tcase_create(machines[i].name);

		tcase_add_checked_fixture(tc, machines[i].setup, teardown);
		tcase_set_timeout(tc, 60);
		add_tests(tc, i > 0);
		suite_add_tcase(s, tc);
	}
	tcase_set_timeout(crowd, 60);
	tcase_add_loop_test(crowd, a_crowd_that_comes_and_goes_is_served, 0, 40);
	suite_add_tcase(s, crowd);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(net_suite());

	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
