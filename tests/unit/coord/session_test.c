/* A session is closed from the outside: what is said, and what is made of whatever comes back. */
#include "zk_server.h"

#define LONG_MS  20000
#define SHORT_MS 300

static struct os *os;

static enum err close_in(const struct session *s, mono_ms ms)
{
	return session_close(os, s, os_mono_ms(os) + ms);
}

static void up(void)
{
	os = os_real();
}

START_TEST(the_bytes_are_zookeepers)
{
	struct zk_server z = { .scripts = { SCRIPT_OK }, .script_count = 1 };

	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	zk_end(&z);
	ck_assert_uint_eq(z.heard[0].len, sizeof(zk_wanted));
	ck_assert_mem_eq(z.heard[0].bytes, zk_wanted, sizeof(zk_wanted));
}
END_TEST

START_TEST(an_old_server_says_less_in_its_greeting)
{
	uint8_t old[sizeof(zk_granted) - 1];
	struct zk_server z = { .scripts = { SCRIPT_OK }, .script_count = 1 };

	memcpy(old, zk_granted, sizeof(old));	/* without the flag of read-only mode */
	old[3]--;
	z.scripts[0].greeting = old;
	z.scripts[0].greeting_len = sizeof(old);
	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	zk_end(&z);
}
END_TEST

START_TEST(one_that_is_gone_is_not_closed_again)
{
	struct zk_server z = { .scripts = { SCRIPT_REFUSES }, .script_count = 1 };

	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, LONG_MS), ERR_NOT_FOUND);
	zk_end(&z);
	ck_assert_uint_eq(z.heard[0].len, ZK_CONNECT_BYTES);
}
END_TEST

/* A server that answers with another session is not believed, and above all: that one is not closed. */
START_TEST(another_session_is_never_closed)
{
	uint8_t other[sizeof(zk_granted)];
	struct zk_server z = { .scripts = { SCRIPT_OK }, .script_count = 1 };

	memcpy(other, zk_granted, sizeof(other));
	other[19]++;
	z.scripts[0].greeting = other;
	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, SHORT_MS), ERR_TIMEOUT);
	zk_end(&z);
	ck_assert_uint_eq(z.heard[0].len, ZK_CONNECT_BYTES);
}
END_TEST

/* Whatever the first connection brings of an answer before it breaks, the second does it. */
START_TEST(answers_that_are_cut_short)
{
	size_t at = (size_t)_i;
	bool in_greeting = at < sizeof(zk_granted);
	struct zk_server z = { .scripts = { SCRIPT_OK, SCRIPT_OK }, .script_count = 2 };

	if (in_greeting) {
		z.scripts[0].greeting_len = at;
		z.scripts[0].closed = NULL;
	} else {
		z.scripts[0].closed_len = at - sizeof(zk_granted);
	}
	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	zk_end(&z);
	ck_assert_int_eq(z.done, 2);
	ck_assert_uint_eq(z.heard[1].len, sizeof(zk_wanted));
}
END_TEST

static const struct damaged { int at; uint8_t value; bool in_greeting; } damages[] = {
	{ 0, 0x7f, true }, { 0, 0xff, true }, { 2, 0x10, true }, { 3, 3, true },	/* lengths: huge, negative, larger than any, too small */
	{ 0, 0x7f, false }, { 3, 4, false }, { 7, 2, false }, { 19, 1, false },		/* ...; another xid; an error */
};

START_TEST(answers_that_are_damaged)
{
	const struct damaged *d = &damages[_i];
	struct zk_server z = { .scripts = { SCRIPT_OK, SCRIPT_OK }, .script_count = 2 };
	uint8_t bad[64];

	memcpy(bad, d->in_greeting ? zk_granted : zk_closed, d->in_greeting ? sizeof(zk_granted) : sizeof(zk_closed));
	bad[d->at] = d->value;
	if (d->in_greeting)
		z.scripts[0].greeting = bad;
	else
		z.scripts[0].closed = bad;
	zk_listen(&z);
	zk_serve(&z);
	struct session s = zk_session(&z);
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	zk_end(&z);
	ck_assert_int_eq(z.done, 2);
}
END_TEST

START_TEST(every_server_is_tried)
{
	struct zk_server dead = { .listener = -1 }, hangs_up = { .scripts = { SCRIPT_HANGS_UP }, .script_count = 1 }, good = { .scripts = { SCRIPT_OK }, .script_count = 1 };

	zk_listen(&dead);
	close(dead.listener);	/* refuses */
	zk_listen(&hangs_up);
	zk_serve(&hangs_up);
	zk_listen(&good);
	zk_serve(&good);
	struct session s = zk_session(&good);
	s.server_count = 3;
	s.servers[0] = dead.at;
	s.servers[1] = hangs_up.at;
	s.servers[2] = good.at;
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	zk_end(&hangs_up);
	zk_end(&good);
	ck_assert_int_eq(hangs_up.done, 1);
}
END_TEST

START_TEST(a_deaf_server_is_given_up)
{
	struct zk_server deaf = { .scripts = { { .is_deaf = true } }, .script_count = 1 }, good = { .scripts = { SCRIPT_OK }, .script_count = 1 };

	zk_listen(&deaf);
	zk_serve(&deaf);
	zk_listen(&good);
	zk_serve(&good);
	struct session s = zk_session(&good);
	s.server_count = 2;
	s.servers[0] = deaf.at;
	s.servers[1] = good.at;
	mono_ms began = os_mono_ms(os);
	ck_assert_int_eq(close_in(&s, LONG_MS), OK);
	ck_assert_int_ge(os_mono_ms(os) - began, SESSION_ANSWER_MS - 100);
	zk_end(&deaf);
	zk_end(&good);
}
END_TEST

START_TEST(there_is_an_end)
{
	struct zk_server deaf = { .scripts = { { .is_deaf = true } }, .script_count = 1 }, dead = { .listener = -1 };

	zk_listen(&deaf);
	zk_serve(&deaf);
	struct session s = zk_session(&deaf);
	ck_assert_int_eq(close_in(&s, SHORT_MS), ERR_TIMEOUT);
	zk_end(&deaf);
	zk_listen(&dead);
	close(dead.listener);
	s = zk_session(&dead);
	ck_assert_int_eq(close_in(&s, SHORT_MS), ERR_TIMEOUT);
	s.server_count = 0;
	ck_assert_int_eq(close_in(&s, LONG_MS), ERR_TIMEOUT);
}
END_TEST

static const struct place { const char *connect, *servers; } places[] = {
	{ "127.0.0.1:2181", "127.0.0.1:2181" },
	{ "127.0.0.1", "127.0.0.1:2181" },
	{ "127.0.0.1:1,127.0.0.2:2,127.0.0.3:65535/a/chroot:7", "127.0.0.1:1 127.0.0.2:2 127.0.0.3:65535" },
	{ " 127.0.0.1:1 , 127.0.0.2:2 /x", "127.0.0.1:1 127.0.0.2:2" },
	{ "[::1]:99,127.0.0.1:1", "[::1]:99 127.0.0.1:1" },
	{ "[::1]", "[::1]:2181" },
	{ "", "" }, { "/chroot", "" }, { ",,", "" }, { ":2181", "" }, { "127.0.0.1:", "" }, { "127.0.0.1:x", "" }, { "127.0.0.1:0", "" }, { "127.0.0.1:65536", "" },
	{ "127.0.0.1:1x,127.0.0.1:2", "127.0.0.1:2" },
	{ "no.such.host.invalid:1,127.0.0.1:2", "127.0.0.1:2" },
};

START_TEST(servers_of_a_connect_string)
{
	struct session s = { .server_count = 99 };
	char text[64], all[1024] = "";

	session_resolve(os, places[_i].connect, &s);
	for (int32_t i = 0; i < s.server_count; i++) {
		os_addr_text(&s.servers[i], text);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "", text);
	}
	ck_assert_str_eq(all, places[_i].servers);
}
END_TEST

START_TEST(more_servers_than_anybody_has)
{
	char connect[4096] = "";
	struct session s;

	for (int i = 0; i < 2 * SESSION_SERVERS_MAX; i++)
		snprintf(connect + strlen(connect), sizeof(connect) - strlen(connect), "%s127.0.0.1:%d", i > 0 ? "," : "", i + 1);
	session_resolve(os, connect, &s);
	ck_assert_int_eq(s.server_count, SESSION_SERVERS_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *c = tcase_create("session");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(c, up, NULL);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, the_bytes_are_zookeepers);
	tcase_add_test(c, an_old_server_says_less_in_its_greeting);
	tcase_add_test(c, one_that_is_gone_is_not_closed_again);
	tcase_add_test(c, another_session_is_never_closed);
	tcase_add_loop_test(c, answers_that_are_cut_short, 0, (int)(sizeof(zk_granted) + sizeof(zk_closed)));
	tcase_add_loop_test(c, answers_that_are_damaged, 0, (int)ARRAY_LEN(damages));
	tcase_add_test(c, every_server_is_tried);
	tcase_add_test(c, a_deaf_server_is_given_up);
	tcase_add_test(c, there_is_an_end);
	tcase_add_loop_test(c, servers_of_a_connect_string, 0, (int)ARRAY_LEN(places));
	tcase_add_test(c, more_servers_than_anybody_has);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
