#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/log_writer.h"

static char path[64];

static void setup(void)
{
	snprintf(path, sizeof(path), "skein-log-test-%016llx", (unsigned long long)os_random_u64(os_real()));
}

static void teardown(void)
{
	ck_assert_int_eq(os_unlink(os_real(), path), OK);
}

static int count_lines(const char *with)
{
	char *text;
	size_t len;
	int n = 0;

	ck_assert_int_eq(os_read_file(os_real(), path, 1 << 28, &text, &len), OK);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		n += strstr(line, with) != NULL;
	free(text);
	return n;
}

#define THREADS 4
#define LINES   5000

static void log_many(void *arg)
{
	struct log_source src;

	for (int i = 0; i < LINES; i++) {
		/* a subject of its own each time: nothing is a repeat */
		log_source_init(&src, "test", "%d/%d", *(int *)arg, i);
		LOG_INFO(&src, broker_started, KV_I32("i", i), KV_STR("filler", "some text, so that lines differ in length" + i % 40));
	}
}

START_TEST(many_threads_lose_nothing_uncounted)
{
	struct log_writer *w;
	struct os_thread *t[THREADS];
	int id[THREADS];

	ck_assert_int_eq(log_writer_create(os_real(), &w, path), OK);
	for (int i = 0; i < THREADS; i++) {
		id[i] = i;
		ck_assert_int_eq(os_thread_start(os_real(), &t[i], "logger", 0, log_many, &id[i]), OK);
	}
	for (int i = 0; i < THREADS; i++)
		os_thread_join(os_real(), &t[i]);
	ck_assert(log_writer_flush(w, 10000));
	uint64_t dropped = log_writer_dropped(w);
	log_writer_destroy(&w);
	ck_assert_int_eq(count_lines(" INFO test ") + (int)dropped, THREADS * LINES);
	ck_assert_int_eq(count_lines("broker_started i="), count_lines(" INFO test "));	/* no line is mixed with another */
	ck_assert((count_lines("WARN os log log_lines_dropped lines=") > 0) == (dropped > 0));
}
END_TEST

/* Nobody wakes the writer for a repeat: it wakes by itself, once. */
START_TEST(the_last_repeats_of_a_series_are_told)
{
	struct log_source src;
	struct log_writer *w;

	ck_assert_int_eq(log_writer_create(os_real(), &w, path), OK);
	log_source_init(&src, "test", "series");
	for (int i = 0; i < 20; i++)
		LOG_INFO(&src, broker_started, KV_I32("i", i));
	for (int i = 0; i < 100 && count_lines("test series broker_started repeated=19") == 0; i++)
		os_sleep_ms(os_real(), 100);
	ck_assert_int_eq(count_lines("test series broker_started repeated=19"), 1);
	ck_assert_int_eq(count_lines("test series"), 2);
	LOG_INFO(&src, broker_stopped);
	LOG_INFO(&src, broker_stopped);
	log_writer_destroy(&w);			/* and at the end at once */
	ck_assert_int_eq(count_lines("test series broker_stopped repeated=1"), 1);
}
END_TEST

START_TEST(a_flush_is_a_promise)
{
	struct log_writer *w;
	struct log_source src;

	ck_assert_int_eq(log_writer_create(os_real(), &w, path), OK);
	for (int i = 1; i <= 200; i++) {
		log_source_init(&src, "test", "%d", i);
		LOG_INFO(&src, broker_started);
		ck_assert(log_writer_flush(w, 10000));
		ck_assert_int_eq(count_lines("broker_started"), i);
	}
	log_writer_destroy(&w);
}
END_TEST

static void crash(void *arg)
{
	ASSERT(arg == NULL);
}

static void child(int how)
{
	struct log_writer *w;
	struct log_source src;

	if (freopen("/dev/null", "w", stderr) == NULL || log_writer_create(os_real(), &w, path) != OK)
		_exit(99);
	log_writer_flush_at_end(w);
	for (int i = 0; i < 500; i++) {
		log_source_init(&src, "test", "%d", i);
		LOG_INFO(&src, broker_started);
	}
	if (how == 0)
		exit(0);
	if (how == SIGABRT)
		crash(w);
	raise(how);
	_exit(98);
}

START_TEST(last_words_are_written)
{
	static const int how[] = { SIGABRT, SIGSEGV, 0 };
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		child(how[_i]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(how[_i] != 0 ? WIFSIGNALED(status) && WTERMSIG(status) == how[_i]
			       : WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(count_lines("broker_started"), 500);
}
END_TEST

/* Each line a datagram; when journald is gone the text goes where it went before. */
START_TEST(lines_go_to_journald_while_it_is_there)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct log_source src;
	struct log_writer *w;
	char got[4096], *text;
	size_t len;

	log_source_init(&src, "broker", "0");
	snprintf(at.sun_path, sizeof(at.sun_path), "%s.journal", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(log_writer_create(os_real(), &w, path), OK);
	ck_assert(!log_writer_use_journal(w, "/no/such/socket"));
	ck_assert(log_writer_use_journal(w, at.sun_path));
	LOG_INFO(&src, broker_started, KV_I32("n", 1));
	LOG_INFO(&src, broker_stopping);
	ck_assert(log_writer_flush(w, 5000));
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
	ck_assert_int_gt(n, 0);
	got[n] = 0;
	ck_assert_str_eq(got, "SYSLOG_IDENTIFIER=skein\nPRIORITY=6\nMESSAGE=INFO broker 0 broker_started n=1\nSKEIN_MODULE=broker\nSKEIN_SUBJECT=0\n"
			 "SKEIN_EVENT=broker_started\nSKEIN_N=1\n");
	ck_assert_int_gt(recv(fd, got, sizeof(got), 0), 0);
	close(fd);
	unlink(at.sun_path);
	LOG_INFO(&src, broker_stopped, KV_I32("n", 2));
	ck_assert(log_writer_flush(w, 5000));
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);		/* and it comes back */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	LOG_INFO(&src, registered);
	ck_assert(log_writer_flush(w, 5000));
	ck_assert_int_gt(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0);
	close(fd);
	unlink(at.sun_path);
	log_writer_destroy(&w);
	ck_assert_int_eq(os_read_file(os_real(), path, 10000, &text, &len), OK);
	ck_assert_str_eq(text, "INFO broker 0 broker_stopped n=2\n");
	free(text);
}
END_TEST

START_TEST(a_place_that_cannot_be_written)
{
	struct log_writer *w;

	ck_assert_int_eq(log_writer_create(os_real(), &w, "no/such/directory/log"), ERR_NOT_FOUND);
	ck_assert_ptr_null(w);
	log_writer_destroy(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log writer");
	TCase *tc = tcase_create("writer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_threads_lose_nothing_uncounted);
	tcase_add_test(tc, the_last_repeats_of_a_series_are_told);
	tcase_add_test(tc, a_flush_is_a_promise);
	tcase_add_test(tc, lines_go_to_journald_while_it_is_there);
	tcase_add_loop_test(tc, last_words_are_written, 0, 3);
	suite_add_tcase(s, tc);
	tc = tcase_create("errors");
	tcase_add_test(tc, a_place_that_cannot_be_written);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
