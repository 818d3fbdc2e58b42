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

/* --- /proc/<pid>/stat ---------------------------------------------------------------------------------------------------------------- */

enum stat_field { STAT_STATE = 3, STAT_THREADS = 20, STAT_STARTED = 22, STAT_ARG_START = 48, STAT_ARG_END = 49 };	/* as proc(5) counts */

/* "pid (name) state ppid ...": the name may hold anything, so fields count from the last parenthesis, which ends the second. NULL: there are not so many. */
static const char *find_field(const char *text, enum stat_field field)
{
	const char *at = strrchr(text, ')');

	for (int i = STAT_STATE; at != NULL && i <= (int)field; i++) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	return at;
}

static bool parse_field(const char *text, enum stat_field field, uint64_t *out)
{
	const char *at = find_field(text, field);
	char *end;

	if (at == NULL)
		return false;
	errno = 0;
	*out = strtoull(at, &end, 10);
	return errno == 0 && end != at && (*end == ' ' || *end == '\n' || *end == '\0');
}

/* text: to be freed. */
static enum err read_stat(int64_t pid, char **text)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	return os_read_file(os_real(), path, STAT_BYTES, text, &len);
}

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

/* What ps shows of us: the arguments, in their place on the stack. Else whoever kills by them would kill us with the parent. */
static void set_title(const char *name)
{
	uint64_t start, end;
	char *text;

	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	if (read_stat(getpid(), &text) != OK)
		return;
	if (parse_field(text, STAT_ARG_START, &start) && parse_field(text, STAT_ARG_END, &end) && start != 0 && end > start + strlen(name)) {
		memset((char *)(uintptr_t)start, 0, end - start);
		memcpy((char *)(uintptr_t)start, name, strlen(name));
	}
	free(text);
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
	set_title(name);
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

/* --- other processes ----------------------------------------------------------------------------------------------------------------- */

enum err process_identify(struct process_identity *out)
{
	char *text;

	*out = (struct process_identity){ .pid = getpid() };
	enum err e = read_stat(out->pid, &text);
	if (e == OK && !parse_field(text, STAT_STARTED, &out->started))
		e = ERR_CORRUPT;
	free(text);
	return e;
}

bool process_is_gone(const struct process_identity *p)
{
	uint64_t threads, started;
	char *text;

	if (p->pid <= 0)
		return false;
	if (kill((pid_t)p->pid, 0) != 0 && errno == ESRCH)
		return true;
	if (read_stat(p->pid, &text) != OK)	/* hidden from us: it may be the one */
		return false;
	bool is_known = parse_field(text, STAT_STARTED, &started) && parse_field(text, STAT_THREADS, &threads);
	char state = is_known ? *find_field(text, STAT_STATE) : '\0';

	free(text);
	bool is_dead = (state == 'Z' || state == 'X') && threads <= 1;	/* of a group's leader that others outlive Z is said, too */
	return is_known && (started != p->started || is_dead);
}
