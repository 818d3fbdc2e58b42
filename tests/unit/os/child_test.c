/* A child that outlives its parent, and what is known of other processes. What the child finds it writes into a page that all of them share. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/child.h"

#define WAIT_MS 10000	/* for what must come */
#define CALM_MS 200	/* for what must not */

struct findings {
	int     begun, messages, ended, parent_gone, alien_fds, uid, gid, sid, pid;
	int     sizes[4];
	char    last[CHILD_MESSAGE_MAX], cwd[16], title[16];
};

static struct findings *found;
static struct os *os;

static void up(void)
{
	os = os_real();
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(found, MAP_FAILED);
}

static void down(void)
{
	munmap(found, sizeof(*found));
}

static int get(const int *what)
{
	return __atomic_load_n(what, __ATOMIC_ACQUIRE);
}

static void await(const int *what, int value)
{
	mono_ms until = os_mono_ms(os) + WAIT_MS;

	while (get(what) != value) {
		ck_assert_msg(os_mono_ms(os) < until, "it never came");
		os_sleep_ms(os, 1);
	}
}

/* --- what the child does ------------------------------------------------------------------------------------------------------ */

static void look_around(const struct child_ends *ends)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		int fd = atoi(e->d_name);

		found->alien_fds += fd > 2 && fd != ends->news && fd != ends->parent && fd != dirfd(d);
	}
	if (d != NULL)
		closedir(d);
	found->uid = (int)getuid();
	found->gid = (int)getgid();
	found->sid = (int)getsid(0);
	found->pid = (int)getpid();
	(void)!getcwd(found->cwd, sizeof(found->cwd));
	prctl(PR_GET_NAME, found->title, 0, 0, 0);
}

static int watch(const struct child_ends *ends)
{
	struct os_poller *p;
	struct os_event got;
	size_t len = 1;

	look_around(ends);
	if (os_poller_create(os, &p) != OK || os_poller_add(os, p, ends->news, OS_READABLE, &found->messages) != OK)
		return 1;
	if (ends->parent >= 0 && os_poller_add(os, p, ends->parent, OS_READABLE, &found->parent_gone) != OK)
		return 1;
	__atomic_store_n(&found->begun, 1, __ATOMIC_RELEASE);
	while (!found->ended || (ends->parent >= 0 && !found->parent_gone && found->last[0] != 'q')) {
		os_poller_wait(os, p, &got, 1, -1);
		if (got.data == &found->parent_gone) {
			__atomic_store_n(&found->parent_gone, 1, __ATOMIC_RELEASE);
			os_poller_remove(os, p, ends->parent);
		} else if (os_recv(os, ends->news, found->last, sizeof(found->last), &len) != OK || len == 0) {
			__atomic_store_n(&found->ended, 1, __ATOMIC_RELEASE);
			os_poller_remove(os, p, ends->news);
		} else {
			found->sizes[found->messages % 4] = (int)len;
			__atomic_add_fetch(&found->messages, 1, __ATOMIC_RELEASE);
		}
	}
	return 7;
}

/* --- stories -------------------------------------------------------------------------------------------------------------------- */

START_TEST(messages_come_whole_and_in_order)
{
	struct child c;
	char big[CHILD_MESSAGE_MAX] = "big";
	int status;

	ck_assert_int_eq(child_start(&c, "a-child", watch), OK);
	ck_assert_int_eq(child_tell(&c, "one", 3), OK);
	ck_assert_int_eq(child_tell(&c, big, sizeof(big)), OK);
	ck_assert_int_eq(child_tell(&c, "q", 1), OK);
	await(&found->messages, 3);
	ck_assert_int_eq(found->sizes[0], 3);
	ck_assert_int_eq(found->sizes[1], CHILD_MESSAGE_MAX);
	ck_assert_int_eq(found->sizes[2], 1);
	os_close(os, &c.news);
	ck_assert_int_eq(waitpid((pid_t)c.pid, &status, 0), c.pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_eq(found->parent_gone, 0);
}
END_TEST

START_TEST(it_holds_nothing_of_its_parent)
{
	struct child c;
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = open("/dev/zero", O_RDONLY);	/* without close-on-exec, too */
	ck_assert_int_eq(child_start(&c, "a-child", watch), OK);
	await(&found->begun, 1);
	ck_assert_int_eq(found->alien_fds, 0);
	ck_assert_str_eq(found->cwd, "/");
	ck_assert_str_eq(found->title, "a-child");
	ck_assert_int_eq(found->sid, found->pid);
	ck_assert_int_eq(found->pid, c.pid);
	if (getuid() == 0) {
		ck_assert_int_ne(found->uid, 0);
		ck_assert_int_ne(found->gid, 0);
	}
	ck_assert_int_eq(child_tell(&c, "q", 1), OK);
	child_leave(&c);
	ck_assert_int_eq(found->ended, 1);
	ck_assert_int_eq(c.news, -1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

START_TEST(signals_of_the_group_do_not_end_it)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE };
	struct child c;

	ck_assert_int_eq(child_start(&c, "a-child", watch), OK);
	await(&found->begun, 1);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		ck_assert_int_eq(kill((pid_t)c.pid, signals[i]), 0);
	ck_assert_int_eq(child_tell(&c, "q", 1), OK);
	await(&found->messages, 1);
	child_leave(&c);
	await(&found->ended, 1);
}
END_TEST

START_TEST(one_that_was_killed_is_told_nothing)
{
	struct child c;
	int status;

	ck_assert_int_eq(child_start(&c, "a-child", watch), OK);
	ck_assert_int_eq(kill((pid_t)c.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid((pid_t)c.pid, &status, 0), c.pid);
	ck_assert_int_eq(child_tell(&c, "one", 3), ERR_CLOSED);
	child_leave(&c);
}
END_TEST

/* A process with a child, to be killed. */
static pid_t parent_start(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid != 0)
		return pid;
	struct child c;
	if (child_start(&c, "a-child", watch) != OK || child_tell(&c, "one", 3) != OK)
		_exit(1);
	for (;;)
		pause();
}

START_TEST(the_end_of_the_parent_is_seen)
{
	pid_t parent = parent_start();

	await(&found->messages, 1);
	kill(parent, SIGKILL);
	await(&found->ended, 1);
	waitpid(parent, NULL, 0);
	await(&found->parent_gone, 1);	/* as this kernel knows pidfds: else the system tests say so */
}
END_TEST

START_TEST(a_stopped_parent_is_not_gone)
{
	pid_t parent = parent_start();

	await(&found->messages, 1);
	kill(parent, SIGSTOP);
	os_sleep_ms(os, CALM_MS);
	ck_assert_int_eq(get(&found->ended), 0);
	ck_assert_int_eq(get(&found->parent_gone), 0);
	kill(parent, SIGKILL);
	await(&found->ended, 1);
	waitpid(parent, NULL, 0);
}
END_TEST

START_TEST(who_is_gone)
{
	struct process_identity self, other, later;
	int ready[2];
	char byte;

	ck_assert_int_eq(process_identify(&self), OK);
	ck_assert_int_eq(self.pid, getpid());
	ck_assert_uint_gt(self.started, 0);
	ck_assert(!process_is_gone(&self));
	later = self;
	later.started++;
	ck_assert_msg(process_is_gone(&later), "its number was given to somebody else");
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (process_identify(&other) != OK || write(ready[1], &other, sizeof(other)) != sizeof(other))
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &other, sizeof(other)), sizeof(other));
	ck_assert_int_eq(other.pid, pid);
	ck_assert(!process_is_gone(&other));
	kill(pid, SIGSTOP);
	ck_assert(!process_is_gone(&other));
	kill(pid, SIGKILL);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 0);	/* it has no descriptors any more */
	mono_ms until = os_mono_ms(os) + WAIT_MS;
	while (!process_is_gone(&other))	/* dead, and not waited for */
		ck_assert(os_mono_ms(os) < until);
	waitpid(pid, NULL, 0);
	ck_assert(process_is_gone(&other));
}
END_TEST

START_TEST(numbers_that_no_process_has)
{
	struct process_identity zero = { 0, 0 }, negative = { -1, 0 };

	ck_assert(!process_is_gone(&zero));
	ck_assert(!process_is_gone(&negative));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("child");
	TCase *c = tcase_create("child");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(c, up, down);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, messages_come_whole_and_in_order);
	tcase_add_test(c, it_holds_nothing_of_its_parent);
	tcase_add_test(c, signals_of_the_group_do_not_end_it);
	tcase_add_test(c, one_that_was_killed_is_told_nothing);
	tcase_add_test(c, the_end_of_the_parent_is_seen);
	tcase_add_test(c, a_stopped_parent_is_not_gone);
	tcase_add_test(c, who_is_gone);
	tcase_add_test(c, numbers_that_no_process_has);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
