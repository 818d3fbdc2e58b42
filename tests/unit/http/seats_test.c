/* Who is connected, for how long, and who has to go when somebody else waits. Sockets are real; the clock is the test's. */
#include <check.h>
#include <stdlib.h>

#include "http/seats.h"

static struct os *os;
static struct os_poller *poller;
static struct log_source source;
static struct seats s;
static os_fd clients[SEATS_MAX + 1];
static struct seat *seats[SEATS_MAX];

static os_fd client(void)
{
	struct os_addr to = { .port = s.port };
	os_fd fd;

	to.ip[10] = to.ip[11] = 0xff;
	to.ip[12] = 127;
	to.ip[15] = 1;
	enum err e = os_connect(os, &to, &fd);
	ck_assert(e == OK || e == ERR_AGAIN);
	return fd;
}

/* Whether the listener's event is there within a second, or is not. */
static bool is_knocked(mono_ms wait_ms)
{
	struct os_event e;

	return os_poller_wait(os, poller, &e, 1, wait_ms) == 1 && e.data == &s;
}

static struct seat *enter(mono_ms now)
{
	struct os_addr peer;
	os_fd fd;

	ck_assert(is_knocked(1000));
	ck_assert(seats_have_room(&s, now));
	ck_assert(seats_accept(&s, now, &fd, &peer));
	return seats_take(&s, fd, now);
}

static void leave(struct seat *seat)
{
	os_fd fd = seat->fd;

	seats_leave(&s, seat);
	os_close(os, &fd);
}

static void set_up(void)
{
	os = os_real();
	log_source_init(&source, "http", "test");
	ck_assert_int_eq(os_poller_create(os, &poller), OK);
	ck_assert_int_eq(seats_open(&s, os, poller, &source, "127.0.0.1", 0), OK);
}

static void tear_down(void)
{
	seats_close(&s);
	os_poller_destroy(os, &poller);
}

/* One each millisecond from 0 on. */
static void fill(void)
{
	for (int i = 0; i < SEATS_MAX; i++) {
		clients[i] = client();
		seats[i] = enter(i);
	}
	clients[SEATS_MAX] = client();
	ck_assert(is_knocked(1000));
}

static void empty(void)
{
	for (int i = 0; i < SEATS_MAX; i++) {
		leave(seats[i]);
		os_close(os, &clients[i]);
	}
	os_close(os, &clients[SEATS_MAX]);
}

START_TEST(the_oldest_goes_when_somebody_waits)
{
	uint64_t before = log_event_count(EV_http_full);

	fill();
	ck_assert(!seats_have_room(&s, 500));			/* all have just come */
	ck_assert_uint_eq(log_event_count(EV_http_full), before);
	seat_begin(seats[0], 900);				/* is being answered */
	seat_begin(seats[1], 900);
	seat_hold(seats[1], true);				/* waits for an actor: nobody would notice that it is to go */
	ck_assert(!seats_have_room(&s, 2000));
	ck_assert(seats[2]->is_shut && !seats[0]->is_shut && !seats[1]->is_shut && !seats[3]->is_shut);
	ck_assert_uint_eq(log_event_count(EV_http_full), before + 1);
	ck_assert(!seats_have_room(&s, 2100));			/* one is on its way */
	ck_assert(!seats[3]->is_shut);
	leave(seats[2]);
	os_close(os, &clients[2]);
	ck_assert(is_knocked(1000));
	clients[2] = clients[SEATS_MAX];
	seats[2] = enter(2200);
	clients[SEATS_MAX] = client();
	ck_assert(is_knocked(1000));
	ck_assert(!seats_have_room(&s, 6000));			/* who takes his answer for five seconds may have to go, too */
	ck_assert(seats[0]->is_shut && !seats[1]->is_shut && !seats[3]->is_shut);
	empty();
}
END_TEST

START_TEST(each_has_its_time)
{
	for (int i = 0; i < 3; i++) {
		clients[i] = client();
		seats[i] = enter(0);
	}
	seat_begin(seats[1], 1000);
	seat_begin(seats[2], 1000);
	seat_hold(seats[2], true);
	ck_assert_int_eq(seats_step(&s, 5000), SEAT_ASKING_MS);
	ck_assert(!seats[0]->is_shut);
	ck_assert_int_eq(seats_step(&s, SEAT_ASKING_MS), 1000 + SEAT_ANSWER_MS);
	ck_assert(seats[0]->is_shut && !seats[1]->is_shut);
	seats_step(&s, 1000 + SEAT_ANSWER_MS);
	ck_assert(seats[1]->is_shut && !seats[2]->is_shut);
	seat_hold(seats[2], false);
	for (mono_ms now = 1000; now < SEAT_KEEP_MS; now += SEAT_ASKING_MS - 1) {	/* asks again in time, over and over */
		seat_begin(seats[2], now);
		seat_end(seats[2], now);
		seats_step(&s, now);
		ck_assert(!seats[2]->is_shut);
	}
	seat_end(seats[2], SEAT_KEEP_MS);
	seats_step(&s, SEAT_KEEP_MS);
	ck_assert(seats[2]->is_shut);
	for (int i = 0; i < 3; i++) {
		leave(seats[i]);
		os_close(os, &clients[i]);
	}
}
END_TEST

/* While there is no place nobody looks at the listener: it would be ready all the time. */
START_TEST(nobody_spins_while_it_is_full)
{
	fill();
	ck_assert(!seats_have_room(&s, 100));
	ck_assert_int_le(seats_step(&s, 100), 300);
	ck_assert(!is_knocked(50));
	seats_step(&s, 400);
	ck_assert(is_knocked(1000));
	ck_assert(!seats_have_room(&s, 400));
	seats_step(&s, 400);
	ck_assert(!is_knocked(50));
	leave(seats[0]);				/* a place: at once */
	seats_step(&s, 401);
	ck_assert(is_knocked(1000));
	seats[0] = enter(401);
	empty();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http places");
	TCase *c = tcase_create("all");

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, the_oldest_goes_when_somebody_waits);
	tcase_add_test(c, each_has_its_time);
	tcase_add_test(c, nobody_spins_while_it_is_full);
	suite_add_tcase(suite, c);
	SRunner *r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
