/*
 * The child is a plain fork: an exec would link some fifteen libraries anew, each with pages of its own, where a fork shares what its parent has linked. It is made while the
 * parent has one thread, so every lock is free in it.
 *
 * Two things tell it that the parent is gone, and either is proof. The socket's end: the parent has the only other end, closed by the kernel when the last thread that shares
 * the parent's table of descriptors exits. The pidfd: no thread is left. PR_SET_PDEATHSIG is no use: it speaks of the thread that forked.
 */
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY       65534
#define LEAVE_MS     200
#define STANDARD_FDS 3
#define STAT_BYTES   1024

enum child_fd { CHILD_NEWS = STANDARD_FDS, CHILD_PARENT, CHILD_FDS };

/* --- the child's side ------------------------------------------------------------------------------------------------------------- */

static void ignore_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTSTP };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

/* At or above `from`; where the kernel cannot do it at once, one by one. */
static void close_from(unsigned from)
{
	struct rlimit r;

	if (syscall(SYS_close_range, from, ~0u, 0) == 0 || getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	for (unsigned fd = from; fd < r.rlim_cur; fd++)
		close((int)fd);
}

/* The ends at fixed numbers, /dev/null as the standard ones, nothing else. */
static void keep_only(struct child_ends *ends)
{
	int news = fcntl(ends->news, F_DUPFD_CLOEXEC, CHILD_FDS);
	int parent = ends->parent < 0 ? -1 : fcntl(ends->parent, F_DUPFD_CLOEXEC, CHILD_FDS);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (news < 0)
		_exit(1);
	for (int fd = 0; fd < STANDARD_FDS; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	}
	*ends = (struct child_ends){ .news = dup2(news, CHILD_NEWS), .parent = parent < 0 ? -1 : dup2(parent, CHILD_PARENT) };
	close_from(ends->parent < 0 ? CHILD_PARENT : CHILD_FDS);
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	(void)syscall(SYS_capset, &head, none);
}

/* Whatever of it is not possible here (a user namespace without nobody, say) is left: it is a second line of defence. */
static void drop_privileges(void)
{
	struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() == 0) {
		(void)!setgroups(0, NULL);
		(void)!setresgid(NOBODY, NOBODY, NOBODY);
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
	}
	drop_capabilities();
}

NORETURN static void be_child(os_fd news, pid_t parent, const char *name, int (*run)(const struct child_ends *ends))
{
	struct child_ends ends = { .news = news, .parent = (os_fd)syscall(SYS_pidfd_open, parent, 0) };

	/* Had it died before the pidfd was made, its number might be another's already: then the socket has ended. */
	if (ends.parent >= 0 && getppid() != parent) {
		close(ends.parent);
		ends.parent = -1;
	}
	setsid();
	ignore_signals();
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	keep_only(&ends);
	(void)!chdir("/");
	drop_privileges();
	_exit(run(&ends));
}

/* --- the parent's side ------------------------------------------------------------------------------------------------------------- */

enum err child_start(struct child *c, const char *name, int (*run)(const struct child_ends *ends))
{
	pid_t self = getpid();
	int pair[2];

	*c = (struct child){ .pid = -1, .news = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return err_from_errno(errno);
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_child(pair[1], self, name, run);
	}
	int e = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = e;
		return e == EAGAIN ? ERR_LIMIT : err_from_errno(e);
	}
	*c = (struct child){ .pid = pid, .news = pair[0] };
	return OK;
}

enum err child_tell(struct child *c, const void *message, size_t len)
{
	ssize_t n;

	ASSERT(len > 0 && len <= CHILD_MESSAGE_MAX);
	do {
		n = send(c->news, message, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return OK;
	return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : err_from_errno(errno);
}

void child_leave(struct child *c)
{
	struct os *os = os_real();
	mono_ms until = os_mono_ms(os) + LEAVE_MS;

	os_close(os, &c->news);
	while (waitpid((pid_t)c->pid, NULL, WNOHANG) == 0 && os_mono_ms(os) < until)
		os_sleep_ms(os, 1);
	c->pid = -1;
}

/* --- other processes ---------------------------------------------------------------------------------------------------------------- */

struct process_stat {
	char     state;
	int32_t  threads;
	uint64_t started;
};

static bool is_number_end(char c)
{
	return c == ' ' || c == '\n' || c == '\0';
}

/* proc(5), stat: "pid (name) state ppid ...": the name may hold anything, so fields count from the last parenthesis, which ends the second. */
static bool parse_stat(const char *text, struct process_stat *out)
{
	enum { STATE = 3, THREADS = 20, STARTED = 22 };
	const char *at = strrchr(text, ')');
	char *end;

	for (int field = STATE; at != NULL && field <= STARTED; field++) {
		at = strchr(at, ' ');
		if (at == NULL)
			return false;
		at++;
		if (field == STATE)
			out->state = *at;
		if (field != THREADS && field != STARTED)
			continue;
		errno = 0;
		unsigned long long n = strtoull(at, &end, 10);
		if (errno != 0 || end == at || !is_number_end(*end))
			return false;
		if (field == THREADS)
			out->threads = (int32_t)MIN(n, (unsigned long long)INT32_MAX);
		else
			out->started = n;
	}
	return at != NULL;
}

static enum err read_stat(int64_t pid, struct process_stat *out)
{
	char path[64], *text;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	enum err e = os_read_file(os_real(), path, STAT_BYTES, &text, &len);
	if (e != OK)
		return e;
	e = parse_stat(text, out) ? OK : ERR_CORRUPT;
	free(text);
	return e;
}

enum err process_identify(struct process_identity *out)
{
	struct process_stat s;
	enum err e = read_stat(getpid(), &s);

	*out = (struct process_identity){ .pid = getpid(), .started = e == OK ? s.started : 0 };
	return e;
}

bool process_is_gone(const struct process_identity *p)
{
	struct process_stat s;

	if (p->pid <= 0)
		return false;
	if (kill((pid_t)p->pid, 0) != 0 && errno == ESRCH)
		return true;
	if (read_stat(p->pid, &s) != OK)	/* hidden from us: it may be the one */
		return false;
	bool is_dead = (s.state == 'Z' || s.state == 'X') && s.threads <= 1;	/* of a group's leader that others outlive Z is said, too */
	return s.started != p->started || is_dead;
}
