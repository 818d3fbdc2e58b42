/* Sockets and pollers: one body per promise of os.h, run on every machine. */
#include "machine.h"

struct pair {
	os_fd listener, client, server;
	struct os_addr addr;
	struct os_poller *poller;
};

/* Waits until fd shows one of the events; the simulated clock moves by itself inside machine_pass_time. */
static int wait_for(struct os_poller *p, void *data, int events)
{
	for (int turn = 0; turn < 1000; turn++) {
		struct os_event ev[8];
		int n = os_poller_wait(os, p, ev, 8, 10);
		for (int i = 0; i < n; i++)
			if (ev[i].data == data && (ev[i].events & (events | OS_HANGUP)) != 0)
				return ev[i].events;
		machine_pass_time();
	}
	ck_abort_msg("the awaited event never came");
}

static void pair_up(struct pair *p)
{
	uint16_t port;
	int n;
	struct os_addr peer;

	ck_assert_int_eq(os_poller_create(os, &p->poller), OK);
	ck_assert_int_eq(os_listen(os, "127.0.0.1", 0, 16, &p->listener, &port), OK);
	ck_assert_uint_ne(port, 0);
	ck_assert_int_eq(os_accept(os, p->listener, &p->server, &peer), ERR_AGAIN);
	ck_assert_int_eq(os_resolve(os, "127.0.0.1", port, &p->addr, 1, &n), OK);
	ck_assert_int_eq(n, 1);
	enum err e = os_connect(os, &p->addr, &p->client);
	ck_assert(e == OK || e == ERR_AGAIN);
	ck_assert_int_eq(os_poller_add(os, p->poller, p->listener, OS_READABLE, &p->listener), OK);
	ck_assert_int_eq(os_poller_add(os, p->poller, p->client, OS_WRITABLE, &p->client), OK);
	wait_for(p->poller, &p->client, OS_WRITABLE);
	ck_assert_int_eq(os_connect_result(os, p->client), OK);
	wait_for(p->poller, &p->listener, OS_READABLE);
	ck_assert_int_eq(os_accept(os, p->listener, &p->server, &peer), OK);
	ck_assert_mem_eq(peer.ip, p->addr.ip, 16);
	ck_assert_uint_ne(peer.port, port);
	ck_assert_int_eq(os_poller_add(os, p->poller, p->server, OS_READABLE, &p->server), OK);
	ck_assert_int_eq(os_poller_change(os, p->poller, p->client, 0, &p->client), OK);
}

static void pair_down(struct pair *p)
{
	os_close(os, &p->client);
	os_close(os, &p->server);
	os_close(os, &p->listener);
	os_poller_destroy(os, &p->poller);
	ck_assert_ptr_null(p->poller);
}

/* Receives exactly len bytes. */
static void recv_all(struct pair *p, os_fd *fd, void *buf, size_t len)
{
	for (size_t fill = 0; fill < len;) {
		size_t got;
		enum err e = os_recv(os, *fd, (char *)buf + fill, len - fill, &got);
		if (e == ERR_AGAIN) {
			wait_for(p->poller, fd, OS_READABLE);
			continue;
		}
		ck_assert_int_eq(e, OK);
		ck_assert_uint_gt(got, 0);
		fill += got;
	}
}

/* Sends all of a short text; it fits, but may go in pieces. */
static void send_text(os_fd fd, const char *text)
{
	while (*text != '\0') {
		struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
		size_t sent;
		ck_assert_int_eq(os_sendv(os, fd, &iov, 1, &sent), OK);
		ck_assert(sent > 0 && sent <= strlen(text));
		text += sent;
	}
}

START_TEST(bytes_arrive_in_order)
{
	struct pair p;
	static char out[1 << 20], in[1 << 20];

	machine_up(_i);
	pair_up(&p);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 2654435761u >> 13);
	ck_assert_int_eq(os_socket_buffers(os, p.client, 65536, -1), OK);
	size_t sent_all = 0, got_all = 0, full = 0;
	while (got_all < sizeof(out)) {
		size_t sent, got, left = sizeof(out) - sent_all;
		struct iovec iov[2] = { { out + sent_all, left / 3 }, { out + sent_all + left / 3, left - left / 3 } };
		enum err e = left != 0 ? os_sendv(os, p.client, iov, 2, &sent) : ERR_AGAIN;
		ck_assert(e == OK || e == ERR_AGAIN);
		full += e == ERR_AGAIN && left != 0;
		sent_all += e == OK ? sent : 0;
		e = os_recv(os, p.server, in + got_all, sizeof(in) - got_all, &got);
		ck_assert(e == OK || e == ERR_AGAIN);
		got_all += e == OK ? got : 0;
		machine_pass_time();
	}
	ck_assert_uint_eq(sent_all, sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(out));
	pair_down(&p);
	machine_down();
}
END_TEST

START_TEST(half_close_then_end)
{
	struct pair p;
	char buf[16];
	size_t n;
	struct iovec iov = { (void *)"x", 1 };

	machine_up(_i);
	pair_up(&p);
	ck_assert_int_eq(os_recv(os, p.server, buf, sizeof(buf), &n), ERR_AGAIN);
	send_text(p.client, "question");
	ck_assert_int_eq(os_shutdown_send(os, p.client), OK);
	recv_all(&p, &p.server, buf, 8);
	ck_assert_mem_eq(buf, "question", 8);
	wait_for(p.poller, &p.server, OS_READABLE);
	ck_assert_int_eq(os_recv(os, p.server, buf, sizeof(buf), &n), OK);
	ck_assert_uint_eq(n, 0);			/* the client's side has ended */
	send_text(p.server, "answer");			/* ours has not */
	ck_assert_int_eq(os_poller_change(os, p.poller, p.client, OS_READABLE, &p.client), OK);
	recv_all(&p, &p.client, buf, 6);
	ck_assert_mem_eq(buf, "answer", 6);
	ck_assert_int_eq(os_sendv(os, p.client, &iov, 1, &n), ERR_CLOSED);
	pair_down(&p);
	machine_down();
}
END_TEST

START_TEST(a_closed_peer)
{
	struct pair p;
	struct iovec iov = { (void *)"x", 1 };
	enum err e = OK;
	size_t n;

	machine_up(_i);
	pair_up(&p);
	os_poller_remove(os, p.poller, p.client);
	os_close(os, &p.client);
	for (int i = 0; i < 1000 && e == OK; i++) {	/* no SIGPIPE, but an error in the end */
		e = os_sendv(os, p.server, &iov, 1, &n);
		machine_pass_time();
	}
	ck_assert_int_eq(e, ERR_CLOSED);
	pair_down(&p);
	machine_down();
}
END_TEST

START_TEST(nobody_listens)
{
	struct os_poller *poller;
	struct os_addr addr;
	os_fd listener, fd;
	uint16_t port;
	int n;

	machine_up(_i);
	ck_assert_int_eq(os_poller_create(os, &poller), OK);
	ck_assert_int_eq(os_listen(os, "127.0.0.1", 0, 1, &listener, &port), OK);
	ck_assert_int_eq(os_resolve(os, "127.0.0.1", port, &addr, 1, &n), OK);
	os_fd other;
	uint16_t bound;
	ck_assert_int_eq(os_listen(os, "127.0.0.1", port, 1, &other, &bound), ERR_IN_USE);
	os_close(os, &listener);
	enum err e = os_connect(os, &addr, &fd);
	if (e == ERR_AGAIN) {
		ck_assert_int_eq(os_poller_add(os, poller, fd, OS_WRITABLE, &fd), OK);
		wait_for(poller, &fd, OS_WRITABLE);
		e = os_connect_result(os, fd);
	}
	ck_assert_int_eq(e, ERR_REFUSED);
	os_close(os, &fd);
	os_poller_destroy(os, &poller);
	machine_down();
}
END_TEST

static enum err try_connect(struct os_poller *poller, const struct os_addr *addr)
{
	os_fd fd;
	enum err e = os_connect(os, addr, &fd);

	if (e == ERR_AGAIN) {
		ck_assert_int_eq(os_poller_add(os, poller, fd, OS_WRITABLE, &fd), OK);
		wait_for(poller, &fd, OS_WRITABLE);
		e = os_connect_result(os, fd);
		os_poller_remove(os, poller, fd);
	}
	os_close(os, &fd);
	return e;
}

/* The address is taken, and who connects is refused until it listens; then he is let in before anybody accepts. */
START_TEST(bound_and_not_listening)
{
	struct os_poller *poller;
	struct os_addr addr;
	os_fd bound;
	uint16_t port;
	int n;

	machine_up(_i);
	ck_assert_int_eq(os_poller_create(os, &poller), OK);
	ck_assert_int_eq(os_bind(os, "127.0.0.1", 0, &bound, &port), OK);
	ck_assert_uint_ne(port, 0);
	ck_assert_int_eq(os_resolve(os, "127.0.0.1", port, &addr, 1, &n), OK);
	ck_assert_int_eq(try_connect(poller, &addr), ERR_REFUSED);
	ck_assert_int_eq(os_listen_now(os, bound, 4), OK);
	ck_assert_int_eq(try_connect(poller, &addr), OK);
	ck_assert_int_eq(os_listen_now(os, bound, 8), OK);
	ck_assert_int_eq(try_connect(poller, &addr), OK);
	os_close(os, &bound);
	os_poller_destroy(os, &poller);
	machine_down();
}
END_TEST

START_TEST(files_to_sockets)
{
	struct pair p;
	os_fd file;
	char buf[8];
	size_t n;

	machine_up(_i);
	pair_up(&p);
	ck_assert_int_eq(os_open(os, in_dir("f"), OS_RDWR | OS_CREATE, &file), OK);
	ck_assert_int_eq(os_pwrite(os, file, "0123456789", 10, 0), OK);
	for (size_t sent = 0; sent < 5; sent += n) {
		ck_assert_int_eq(os_sendfile(os, p.server, file, 3 + (int64_t)sent, 5 - sent, &n), OK);
		ck_assert(n > 0 && n <= 5 - sent);
	}
	ck_assert_int_eq(os_poller_change(os, p.poller, p.client, OS_READABLE, &p.client), OK);
	recv_all(&p, &p.client, buf, 5);
	ck_assert_mem_eq(buf, "34567", 5);
	ck_assert_int_eq(os_sendfile(os, p.server, file, 8, 5, &n), OK);
	ck_assert(n == 2 || (sim != NULL && n == 1));
	ck_assert_int_eq(os_sendfile(os, p.server, file, 10, 5, &n), OK);
	ck_assert_uint_eq(n, 0);			/* the file is too short */
	os_close(os, &file);
	pair_down(&p);
	machine_down();
}
END_TEST

START_TEST(wakes_are_not_lost)
{
	struct os_poller *poller;
	struct os_event ev[4];

	machine_up(_i);
	ck_assert_int_eq(os_poller_create(os, &poller), OK);
	for (int i = 0; i < 3; i++) {
		os_poller_wake(os, poller);
		os_poller_wake(os, poller);		/* twice counts once */
		ck_assert_int_eq(os_poller_wait(os, poller, ev, 4, -1), 0);
		ck_assert_int_eq(os_poller_wait(os, poller, ev, 4, 0), 0);
	}
	os_poller_destroy(os, &poller);
	machine_down();
}
END_TEST

START_TEST(levels_not_edges)
{
	struct pair p;
	struct os_event ev[4];
	char buf[2];

	machine_up(_i);
	pair_up(&p);
	send_text(p.client, "xy");
	wait_for(p.poller, &p.server, OS_READABLE);
	wait_for(p.poller, &p.server, OS_READABLE);	/* still */
	recv_all(&p, &p.server, buf, 2);
	ck_assert_int_eq(os_poller_wait(os, p.poller, ev, 4, 0), 0);
	ck_assert_int_eq(os_poller_change(os, p.poller, p.server, OS_READABLE | OS_WRITABLE, &p.server), OK);
	ck_assert_int_eq(wait_for(p.poller, &p.server, OS_WRITABLE), OS_WRITABLE);
	os_poller_remove(os, p.poller, p.server);
	ck_assert_int_eq(os_poller_wait(os, p.poller, ev, 4, 0), 0);
	pair_down(&p);
	machine_down();
}
END_TEST

START_TEST(every_address)
{
	os_fd fd, client;
	uint16_t port;
	struct os_addr addr;
	int n;

	machine_up(_i);
	ck_assert_int_eq(os_listen(os, NULL, 0, 16, &fd, &port), OK);
	ck_assert_int_eq(os_resolve(os, "127.0.0.1", port, &addr, 1, &n), OK);	/* IPv4 reaches it too */
	enum err e = os_connect(os, &addr, &client);
	ck_assert(e == OK || e == ERR_AGAIN);
	struct os_poller *poller;
	ck_assert_int_eq(os_poller_create(os, &poller), OK);
	ck_assert_int_eq(os_poller_add(os, poller, client, OS_WRITABLE, &client), OK);
	wait_for(poller, &client, OS_WRITABLE);
	ck_assert_int_eq(os_connect_result(os, client), OK);
	os_close(os, &client);
	os_close(os, &fd);
	os_poller_destroy(os, &poller);
	machine_down();
}
END_TEST

static const struct { uint8_t ip[16]; const char *text; } addresses[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 }, "127.0.0.1:9092" },
	{ { 0 }, "[::]:9092" },
	{ { [15] = 1 }, "[::1]:9092" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, "[2001:db8::]:9092" },
	{ { 0xfe, 0x80, [14] = 0xab, [15] = 0xcd }, "[fe80::abcd]:9092" },
	{ { 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, "[1:0:1:1::1]:9092" },
	{ { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 0, 0, 8 }, "[1:2:3:4:5:6:0:8]:9092" },
	{ { 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8 }, "[0:2:3:4:5:6:7:8]:9092" },
};

START_TEST(address_texts)
{
	struct os_addr a = { .port = 9092 };
	char text[64];

	memcpy(a.ip, addresses[_i].ip, 16);
	os_addr_text(&a, text);
	ck_assert_str_eq(text, addresses[_i].text);
}
END_TEST

START_TEST(names_of_hosts)
{
	struct os_addr a[4];
	char text[64];
	int n;

	ck_assert_int_eq(os_resolve(os_real(), "::1", 1, a, 4, &n), OK);
	os_addr_text(&a[0], text);
	ck_assert_str_eq(text, "[::1]:1");
	ck_assert_int_eq(os_resolve(os_real(), "localhost", 80, a, 4, &n), OK);
	ck_assert_int_ge(n, 1);
	ck_assert_uint_eq(a[0].port, 80);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("os sockets");
	TCase *tc = tcase_create("every machine");

	tcase_add_loop_test(tc, bytes_arrive_in_order, 0, MACHINES);
	tcase_add_loop_test(tc, half_close_then_end, 0, MACHINES);
	tcase_add_loop_test(tc, a_closed_peer, 0, MACHINES);
	tcase_add_loop_test(tc, nobody_listens, 0, MACHINES);
	tcase_add_loop_test(tc, bound_and_not_listening, 0, MACHINES);
	tcase_add_loop_test(tc, files_to_sockets, 0, MACHINES);
	tcase_add_loop_test(tc, wakes_are_not_lost, 0, MACHINES);
	tcase_add_loop_test(tc, levels_not_edges, 0, MACHINES);
	tcase_add_loop_test(tc, every_address, 0, MACHINES);
	suite_add_tcase(s, tc);
	tc = tcase_create("real");
	tcase_add_loop_test(tc, address_texts, 0, (int)ARRAY_LEN(addresses));
	tcase_add_test(tc, names_of_hosts);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
