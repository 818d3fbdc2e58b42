/* The simulated network: several machines, delays, cuts, resets, crashes of one side. */
#include <check.h>
#include <stdlib.h>

#include "os/sim.h"

static struct sim_net *net;
static struct sim_os *a, *b;
static os_fd listener, client, server;

static void up(uint64_t seed)
{
	net = sim_net_create(seed);
	a = sim_create(net, "a", seed + 1);
	b = sim_create(net, "b", seed + 2);
}

static void down(void)
{
	sim_destroy(&a);
	sim_destroy(&b);
	sim_net_destroy(&net);
}

/* Steps to the next event as a scheduler would; false: nothing is under way. */
static bool step(void)
{
	mono_ms in = sim_next_event_ms(a);

	if (in == MONO_NEVER)
		return false;
	sim_advance(a, in);
	return true;
}

static void settle(void)
{
	while (step())
		;
}

static enum err connect_to(struct sim_os *from, const char *host, uint16_t port, os_fd *out)
{
	struct os_addr addr;
	int n;

	ck_assert_int_eq(os_resolve(sim_os(from), host, port, &addr, 1, &n), OK);
	return os_connect(sim_os(from), &addr, out);
}

static void connect_both(void)
{
	uint16_t port;

	ck_assert_int_eq(os_listen(sim_os(b), NULL, 9092, 10, &listener, &port), OK);
	ck_assert_uint_eq(port, 9092);
	ck_assert_int_eq(connect_to(a, "b", 9092, &client), ERR_AGAIN);
	ck_assert_int_eq(os_connect_result(sim_os(a), client), ERR_AGAIN);
	settle();
	ck_assert_int_eq(os_connect_result(sim_os(a), client), OK);
	ck_assert_int_eq(os_accept(sim_os(b), listener, &server, NULL), OK);
}

static enum err send_some(struct sim_os *m, os_fd fd, const void *data, size_t len, size_t *sent)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };

	return os_sendv(sim_os(m), fd, &iov, 1, sent);
}

static enum err recv_byte(struct sim_os *m, os_fd fd, size_t *got)
{
	char byte;

	return os_recv(sim_os(m), fd, &byte, 1, got);
}

/* A stream of random pieces both ways under random cuts; what arrives is what was sent, in order. */
static uint64_t stream(uint64_t seed)
{
	static uint8_t out[200000], in[200000];
	size_t sent_all = 0, got_all = 0;
	bool is_cut = false;

	up(seed);
	connect_both();
	os_random(sim_os(a), out, sizeof(out));
	for (int turn = 0; got_all < sizeof(out); turn++) {
		uint64_t r = os_random_u64(sim_os(a));
		size_t n, want = MIN((size_t)(r >> 8) % 5000 + 1, sizeof(out) - sent_all);
		if (want != 0 && send_some(a, client, out + sent_all, want, &n) == OK)
			sent_all += n;
		if (r % 16 == 0) {
			if (is_cut)
				sim_net_heal(a, b);
			else
				sim_net_cut(a, b);
			is_cut = !is_cut;
		}
		enum err e = os_recv(sim_os(b), server, in + got_all, MIN(sizeof(in) - got_all, 9000), &n);
		ck_assert(e == OK || e == ERR_AGAIN);
		got_all += n;
		sim_advance(a, 1);
		ck_assert_int_lt(turn, 100000);
	}
	ck_assert_mem_eq(in, out, sizeof(out));
	uint64_t hash = sim_hash(a) ^ sim_hash(b);
	down();
	return hash;
}

START_TEST(streams_keep_their_order)
{
	for (uint64_t seed = 0; seed < 100; seed++)
		ck_assert_uint_eq(stream(seed), stream(seed));
}
END_TEST

static size_t seen_of_client, seen_of_server;
static uint64_t seen_connection;

static void see(void *arg, const struct sim_piece *p)
{
	ck_assert_ptr_eq(arg, net);
	ck_assert_ptr_eq(p->from, p->is_of_client ? a : b);
	ck_assert_ptr_eq(p->to, p->is_of_client ? b : a);
	*(p->is_of_client ? &seen_of_client : &seen_of_server) += p->data.len;
	seen_connection = p->connection;
}

START_TEST(an_observer_sees_what_is_sent)
{
	size_t n, sent = 0;

	up(1);
	sim_net_set_observer(net, see, net);
	ck_assert_int_eq(sim_net_connections(net), 0);
	connect_both();
	ck_assert_int_eq(sim_net_connections(net), 1);
	while (sent < 9) {
		ck_assert_int_eq(send_some(a, client, "123456789" + sent, 9 - sent, &n), OK);
		sent += n;
	}
	ck_assert_int_eq(send_some(b, server, "y", 1, &n), OK);
	ck_assert_uint_eq(seen_of_client, 9);
	ck_assert_uint_eq(seen_of_server, 1);
	ck_assert_uint_eq(seen_connection, 1);
	os_close(sim_os(a), &client);
	ck_assert_int_eq(sim_net_connections(net), 0);
	down();
}
END_TEST

START_TEST(a_cut_holds_and_a_heal_delivers)
{
	size_t n;

	up(1);
	connect_both();
	ck_assert_int_eq(send_some(a, client, "x", 1, &n), OK);
	sim_net_cut(a, b);			/* also what is under way */
	settle();
	sim_advance(a, 60000);
	ck_assert_int_eq(recv_byte(b, server, &n), ERR_AGAIN);
	ck_assert_int_eq(send_some(b, server, "y", 1, &n), OK);
	settle();
	ck_assert_int_eq(recv_byte(a, client, &n), OK);		/* the other direction works */
	ck_assert_int_eq(sim_next_event_ms(a), MONO_NEVER);
	sim_net_heal(a, b);
	ck_assert_int_le(sim_next_event_ms(a), 3);
	settle();
	ck_assert_int_eq(recv_byte(b, server, &n), OK);
	ck_assert_uint_eq(n, 1);
	os_fd late;
	sim_net_cut(b, a);
	ck_assert_int_eq(connect_to(a, "b", 9092, &late), ERR_AGAIN);
	settle();
	ck_assert_int_eq(os_connect_result(sim_os(a), late), ERR_AGAIN);	/* the answer is held */
	sim_net_heal(b, a);
	settle();
	ck_assert_int_eq(os_connect_result(sim_os(a), late), OK);
	down();
}
END_TEST

START_TEST(a_reset_breaks_both_sides)
{
	size_t n;

	up(1);
	connect_both();
	ck_assert_int_eq(send_some(a, client, "x", 1, &n), OK);
	settle();
	ck_assert_int_eq(send_some(a, client, "y", 1, &n), OK);
	sim_net_reset(a, b);
	settle();
	ck_assert_int_eq(recv_byte(b, server, &n), OK);		/* had arrived */
	ck_assert_int_eq(recv_byte(b, server, &n), ERR_CLOSED);	/* had not */
	ck_assert_int_eq(send_some(a, client, "z", 1, &n), ERR_CLOSED);
	down();
}
END_TEST

START_TEST(a_killed_process_is_noticed)
{
	size_t n;

	up(1);
	connect_both();
	sim_crash(b, SIM_CRASH_PROCESS);
	settle();
	ck_assert_int_eq(recv_byte(a, client, &n), OK);
	ck_assert_uint_eq(n, 0);
	os_fd again;
	ck_assert_int_eq(connect_to(a, "b", 9092, &again), ERR_AGAIN);
	settle();
	ck_assert_int_eq(os_connect_result(sim_os(a), again), ERR_REFUSED);
	down();
}
END_TEST

START_TEST(a_power_cut_is_silent_until_one_speaks)
{
	size_t n;

	up(1);
	connect_both();
	sim_crash(b, SIM_CRASH_POWER);
	settle();
	ck_assert_int_eq(recv_byte(a, client, &n), ERR_AGAIN);
	ck_assert_int_eq(send_some(a, client, "hello?", 6, &n), OK);
	settle();
	ck_assert_int_eq(recv_byte(a, client, &n), ERR_CLOSED);
	down();
}
END_TEST

START_TEST(a_full_queue_makes_the_newcomer_wait)
{
	os_fd first, second, fd;
	uint16_t port;

	up(1);
	ck_assert_int_eq(os_listen(sim_os(b), "b", 0, 1, &listener, &port), OK);
	ck_assert_int_eq(connect_to(a, "b", port, &first), ERR_AGAIN);
	sim_advance(a, 10);
	ck_assert_int_eq(connect_to(a, "b", port, &second), ERR_AGAIN);
	sim_advance(a, 100);
	ck_assert_int_eq(os_connect_result(sim_os(a), first), OK);
	ck_assert_int_eq(os_connect_result(sim_os(a), second), ERR_AGAIN);
	ck_assert_int_eq(os_accept(sim_os(b), listener, &fd, NULL), OK);
	sim_advance(a, 2000);
	ck_assert_int_eq(os_connect_result(sim_os(a), second), OK);
	sim_advance(a, 10);
	os_close(sim_os(b), &listener);		/* never accepted */
	settle();
	size_t n;
	ck_assert_int_eq(recv_byte(a, second, &n), ERR_CLOSED);
	ck_assert_int_eq(recv_byte(a, first, &n), ERR_AGAIN);	/* accepted: not concerned */
	down();
}
END_TEST

START_TEST(hosts_and_their_addresses)
{
	struct os_addr addr = { .port = 1 }, peer;
	os_fd fd;
	uint16_t port;
	int n;

	up(1);
	ck_assert_int_eq(os_resolve(sim_os(a), "nobody", 1, &addr, 1, &n), ERR_NOT_FOUND);
	ck_assert_int_eq(os_resolve(sim_os(a), "10.1.2.3", 1, &addr, 1, &n), OK);
	ck_assert_int_eq(os_connect(sim_os(a), &addr, &fd), ERR_UNREACHABLE);
	ck_assert_int_eq(os_listen(sim_os(b), "127.0.0.1", 9092, 10, &listener, &port), OK);
	ck_assert_int_eq(connect_to(a, "b", 9092, &fd), ERR_AGAIN);
	settle();
	ck_assert_int_eq(os_connect_result(sim_os(a), fd), ERR_REFUSED);	/* only for those at home */
	ck_assert_int_ne(os_listen(sim_os(b), "a", 9093, 10, &fd, &port), OK);
	os_close(sim_os(b), &listener);
	connect_both();
	ck_assert_int_eq(connect_to(a, "b", 9092, &fd), ERR_AGAIN);
	settle();
	ck_assert_int_eq(os_accept(sim_os(b), listener, &server, &peer), OK);
	ck_assert_int_eq(os_resolve(sim_os(b), "a", 0, &addr, 1, &n), OK);
	ck_assert_mem_eq(peer.ip, addr.ip, 16);
	down();
}
END_TEST

START_TEST(machines_go_in_any_order)
{
	for (int how = 0; how < 4; how++) {
		size_t n;
		up(1);
		connect_both();
		ck_assert_int_eq(send_some(a, client, "x", 1, &n), OK);
		if ((how & 1) != 0)
			os_close(sim_os(a), &client);
		if ((how & 2) != 0)
			sim_destroy(&b);
		else
			sim_destroy(&a);
		down();
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("simulated network");
	TCase *tc = tcase_create("net");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, streams_keep_their_order);
	tcase_add_test(tc, an_observer_sees_what_is_sent);
	tcase_add_test(tc, a_cut_holds_and_a_heal_delivers);
	tcase_add_test(tc, a_reset_breaks_both_sides);
	tcase_add_test(tc, a_killed_process_is_noticed);
	tcase_add_test(tc, a_power_cut_is_silent_until_one_speaks);
	tcase_add_test(tc, a_full_queue_makes_the_newcomer_wait);
	tcase_add_test(tc, hosts_and_their_addresses);
	tcase_add_test(tc, machines_go_in_any_order);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
