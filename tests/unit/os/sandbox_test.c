/*
 * What a process that has given up what a broker does not need can still do, and what not. Each test is a process of its own: there is no way back.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/sandbox.h"

#define NOT_HERE 77

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/skein-sandbox.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Runs f in a process that has entered the sandbox with `dir`/in; true: it was happy. Without a kernel or a build that has a sandbox: true as well. */
static int sandboxed(bool (*f)(const struct sandbox *s))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char in[80];
		const char *writable[] = { in };
		struct sandbox s;

		snprintf(in, sizeof(in), "%s/in", dir);
		if (!sandbox_begin(&s, writable, 1))
			_exit(NOT_HERE);
		_exit(f(&s) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_happy(bool (*f)(const struct sandbox *s))
{
	int status = sandboxed(f);

	ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOT_HERE);
}

#define WANT(x) do { if (!(x)) { fprintf(stderr, "not true: %s (errno %d)\n", #x, errno); return false; } } while (0)

static bool is_refused(long result, const char *name, uint64_t *count)
{
	const char *last;
	int code = errno;
	uint64_t n = sandbox_refused(&last);

	WANT(result == -1 && code == EPERM);
	WANT(n == *count + 1);
	WANT(strcmp(last, name) == 0);
	*count = n;
	return true;
}

static bool calls(const struct sandbox *s)
{
	char *const argv[] = { "true", NULL };
	const char *last;
	uint64_t count = 0;

	WANT(sandbox_refused(&last) == 0 && *last == 0);
	if (!s->has_filter)
		return true;
	WANT(is_refused(execve("/bin/true", argv, NULL), "execve", &count));
	WANT(is_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL), "ptrace", &count));
	WANT(is_refused(unshare(CLONE_NEWUSER), "unshare", &count));
	WANT(is_refused(socket(AF_PACKET, SOCK_RAW, 0), "socket", &count));
	WANT(is_refused(setuid(0), "setuid", &count));
	WANT(is_refused(fork(), "clone", &count));
	WANT(is_refused((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap", &count));
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(page != MAP_FAILED);
	WANT(is_refused(mprotect(page, 4096, PROT_READ | PROT_EXEC), "mprotect", &count));
	WANT(is_refused(syscall(SYS_bpf, 0, NULL, 0), "bpf", &count));
	return true;
}

START_TEST(a_forbidden_call_is_refused_and_counted)
{
	expect_happy(calls);
}
END_TEST

static void *thread(void *arg)
{
	char *const argv[] = { "true", NULL };

	if (execve("/bin/true", argv, NULL) == -1 && errno == EPERM)
		*(int *)arg = 1;
	return arg;
}

/* Threads can be made, are bound, too, and the count is everybody's. With the mask that the broker's threads have. */
static void run_thread(void *arg)
{
	thread(arg);
}

static bool threads(const struct sandbox *s)
{
	struct os_thread *t;
	pthread_t p;
	int is_bound = 0, is_bound_too = 0;
	const char *last;

	WANT(pthread_create(&p, NULL, thread, &is_bound) == 0 && pthread_join(p, NULL) == 0);
	WANT(os_thread_start(os_real(), &t, "one", 0, run_thread, &is_bound_too) == OK);
	os_thread_join(os_real(), &t);
	WANT(!s->has_filter || (is_bound == 1 && is_bound_too == 1 && sandbox_refused(&last) == 2));
	return true;
}

START_TEST(threads_are_bound)
{
	expect_happy(threads);
}
END_TEST

static bool can_make(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool paths(const struct sandbox *s)
{
	char from[160], to[160];

	WANT(can_make("in/file"));
	snprintf(from, sizeof(from), "%s/in/file", dir);
	snprintf(to, sizeof(to), "%s/in/sub", dir);
	WANT(mkdir(to, 0700) == 0);
	snprintf(to, sizeof(to), "%s/in/sub/moved", dir);
	WANT(rename(from, to) == 0 && truncate(to, 100) == 0 && unlink(to) == 0);
	if (s->landlock == 0)
		return true;
	WANT(!can_make("file") && errno == EACCES);
	WANT(!can_make("in/../file") && errno == EACCES);
	WANT(open("/dev/null", O_WRONLY) >= 0);
	snprintf(from, sizeof(from), "%s/there", dir);
	WANT(open(from, O_RDONLY) >= 0 && open(from, O_RDWR) == -1 && errno == EACCES);
	WANT(s->landlock < 3 || (truncate(from, 0) == -1 && errno == EACCES));
	WANT(unlink(from) == -1 && errno == EACCES);
	return true;
}

START_TEST(paths_are_written_below_the_given_directories_only)
{
	char in[80];

	ck_assert(can_make("there"));
	snprintf(in, sizeof(in), "%s/in", dir);
	ck_assert_int_eq(mkdir(in, 0700), 0);
	expect_happy(paths);
}
END_TEST

static bool make_it(const struct sandbox *s UNUSED)
{
	char in[80];

	snprintf(in, sizeof(in), "%s/in", dir);
	WANT(mkdir(in, 0700) == 0 && can_make("in/file"));
	return true;
}

START_TEST(a_directory_that_is_not_there_yet_can_be_made)
{
	expect_happy(make_it);
}
END_TEST

static bool names_and_sockets(const struct sandbox *s UNUSED)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *found;
	os_fd listener = -1;
	uint16_t port;

	WANT(getaddrinfo("localhost", "2181", &hints, &found) == 0);
	freeaddrinfo(found);
	WANT(os_listen(os_real(), "127.0.0.1", 0, 5, &listener, &port) == OK && port != 0);
	WANT(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
	long ring = syscall(SYS_io_uring_setup, 0, NULL);	/* the kernel's own answer to bad arguments: it was asked */
	const char *last;
	WANT(ring == -1 && sandbox_refused(&last) == 0);
	return true;
}

START_TEST(what_a_broker_does_later_still_works)
{
	expect_happy(names_and_sockets);
}
END_TEST

static bool crash(const struct sandbox *s UNUSED)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	(void)setrlimit(RLIMIT_CORE, &all);
	abort();
}

/* The process ends by its signal, with its core where the kernel is told to write one. */
START_TEST(a_crash_is_a_crash)
{
	struct rlimit core;
	char cwd[4096];

	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	ck_assert_int_eq(chdir(dir), 0);
	getrlimit(RLIMIT_CORE, &core);
	core.rlim_cur = core.rlim_max;
	setrlimit(RLIMIT_CORE, &core);
	int status = sandboxed(crash);
	ck_assert_int_eq(chdir(cwd), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
		return;
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	char pattern[64] = "";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
	if (f != NULL) {
		ck_assert_ptr_nonnull(fgets(pattern, sizeof(pattern), f));
		fclose(f);
	}
	if (strcmp(pattern, "core\n") == 0 && core.rlim_max > 0)
		ck_assert(WCOREDUMP(status));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_forbidden_call_is_refused_and_counted);
	tcase_add_test(t, threads_are_bound);
	tcase_add_test(t, paths_are_written_below_the_given_directories_only);
	tcase_add_test(t, a_directory_that_is_not_there_yet_can_be_made);
	tcase_add_test(t, what_a_broker_does_later_still_works);
	tcase_add_test(t, a_crash_is_a_crash);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
