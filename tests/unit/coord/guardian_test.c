/* The guardian of a process that ends in one way or the other, before a server that listens. */
#include <sys/wait.h>

#include "coord/guardian.h"
#include "zk_server.h"

#define WAIT_MS 10000
#define CALM_MS 300

static struct os *os;
static struct zk_server z;

static void await_done(int n)
{
	mono_ms until = os_mono_ms(os) + WAIT_MS;

	while (__atomic_load_n(&z.done, __ATOMIC_ACQUIRE) < n) {
		ck_assert_msg(os_mono_ms(os) < until, "nobody came");
		os_sleep_ms(os, 1);
	}
}

static void stays_calm(void)
{
	os_sleep_ms(os, CALM_MS);
	ck_assert_int_eq(__atomic_load_n(&z.connections, __ATOMIC_ACQUIRE), 0);
}

/* A process with a guardian; it says when it has told what `tell` tells. */
static pid_t guarded(void (*tell)(struct guardian **g))
{
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();	/* before there is a thread */
	if (pid == 0) {
		struct guardian *g;

		if (guardian_start(&g) != OK)
			_exit(1);
		tell(&g);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void tell_one(struct guardian **g)
{
	struct session s = zk_session(&z);

	if (guardian_tell(*g, &s) != OK)
		_exit(1);
}

static void tell_another_first(struct guardian **g)
{
	struct session other = zk_session(&z);

	for (int i = 0; i < 20; i++) {
		other.id = 1000 + i;
		if (guardian_tell(*g, &other) != OK)
			_exit(1);
	}
	tell_one(g);
}

static void tell_nothing(struct guardian **g UNUSED)
{
}

static void tell_none_after_one(struct guardian **g)
{
	struct session none = { 0 };

	tell_one(g);
	if (guardian_tell(*g, &none) != OK)
		_exit(1);
}

static void tell_and_end(struct guardian **g)
{
	tell_one(g);
	guardian_end(g);
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void up(void)
{
	os = os_real();
	z = (struct zk_server){ .scripts = { SCRIPT_OK, SCRIPT_OK }, .script_count = 2 };
	zk_listen(&z);
}

static void down(void)
{
	zk_end(&z);
}

START_TEST(it_closes_the_session_of_a_killed_process)
{
	pid_t pid = guarded(tell_one);

	zk_serve(&z);
	stays_calm();
	end_process(pid);
	await_done(1);
	ck_assert_uint_eq(z.heard[0].len, sizeof(zk_wanted));
	ck_assert_mem_eq(z.heard[0].bytes, zk_wanted, sizeof(zk_wanted));
}
END_TEST

START_TEST(it_closes_the_last_session_it_was_told)
{
	pid_t pid = guarded(tell_another_first);

	zk_serve(&z);
	end_process(pid);
	await_done(1);
	ck_assert_mem_eq(z.heard[0].bytes, zk_wanted, sizeof(zk_wanted));
}
END_TEST

START_TEST(it_tries_again_when_its_first_connection_breaks)
{
	pid_t pid = guarded(tell_one);

	z.scripts[0] = (struct script)SCRIPT_HANGS_UP;
	zk_serve(&z);
	end_process(pid);
	await_done(2);
	ck_assert_mem_eq(z.heard[1].bytes, zk_wanted, sizeof(zk_wanted));
}
END_TEST

START_TEST(a_stopped_process_is_alive)
{
	pid_t pid = guarded(tell_one);

	zk_serve(&z);
	kill(pid, SIGSTOP);
	stays_calm();
	kill(pid, SIGCONT);
	stays_calm();
	end_process(pid);
	await_done(1);
}
END_TEST

static void (*const quiet[])(struct guardian **) = { tell_nothing, tell_none_after_one, tell_and_end };

START_TEST(where_nothing_is_to_be_closed_it_closes_nothing)
{
	pid_t pid = guarded(quiet[_i]);

	zk_serve(&z);
	end_process(pid);
	stays_calm();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guardian");
	TCase *c = tcase_create("guardian");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(c, up, down);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, it_closes_the_session_of_a_killed_process);
	tcase_add_test(c, it_closes_the_last_session_it_was_told);
	tcase_add_test(c, it_tries_again_when_its_first_connection_breaks);
	tcase_add_test(c, a_stopped_process_is_alive);
	tcase_add_loop_test(c, where_nothing_is_to_be_closed_it_closes_nothing, 0, (int)ARRAY_LEN(quiet));
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
