/*
 * Signals, limits and the service manager.
 *
 * Signals are blocked in every thread and waited for in one, so no code ever runs in a signal handler. SIGUSR1 from ourselves is the poke.
 */
#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void awaited_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGCHLD);
}

void process_block_signals(void)
{
	sigset_t set;

	awaited_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void process_open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", O_RDWR);	/* the lowest number that is free: this one */
	}
}

bool process_has_terminal(void)
{
	return isatty(STDERR_FILENO) == 1;
}

void process_private_files(void)
{
	umask(S_IRWXG | S_IRWXO);
}

void process_unblock_signals(void)
{
	sigset_t set;

	awaited_signals(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

enum process_signal process_wait(void)
{
	sigset_t set;
	int got = 0;

	awaited_signals(&set);
	while (sigwait(&set, &got) != 0)
		;
	switch (got) {
	case SIGUSR1: return PROCESS_POKED;
	case SIGHUP:  return PROCESS_RELOAD;
	case SIGCHLD:
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		return PROCESS_CHILD_ENDED;
	default:      return PROCESS_TERMINATE;
	}
}

bool process_is_asked_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

void process_poke(void)
{
	kill(getpid(), SIGUSR1);
}

uint64_t process_raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return 0;
	if (r.rlim_cur < r.rlim_max) {
		struct rlimit more = { r.rlim_max, r.rlim_max };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			r = more;
	}
	return r.rlim_cur;
}

/* The number a file of /proc or /sys holds; 0: none ("max"). */
static uint64_t number_in_file(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* What the group that the process was started in allows: TasksMax= of a service. Groups above it may allow less; the service manager knows. */
static uint64_t group_threads_max(void)
{
	char line[512], path[640];
	uint64_t n = 0;
	FILE *f = fopen("/proc/self/cgroup", "re");

	if (f == NULL)
		return 0;
	while (n == 0 && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", line + 3);
		n = number_in_file(path);
	}
	fclose(f);
	return n;
}

uint64_t process_threads_max(const char **remedy)
{
	struct rlimit r = { .rlim_cur = RLIM_INFINITY };
	/* Root is not bound by the first. Each thread's stack and its guard are two mappings. */
	bool is_bound = geteuid() != 0 && getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur != RLIM_INFINITY;
	const struct {
		uint64_t    n;
		const char *remedy;
	} bounds[] = {
		{ is_bound ? r.rlim_cur : 0, "raise LimitNPROC= of the service (ulimit -Hu)" },
		{ group_threads_max(), "raise TasksMax= of the service" },
		{ number_in_file("/proc/sys/kernel/threads-max"), "raise the sysctl kernel.threads-max" },
		{ number_in_file("/proc/sys/kernel/pid_max"), "raise the sysctl kernel.pid_max" },
		{ number_in_file("/proc/sys/vm/max_map_count") / 2, "raise the sysctl vm.max_map_count to twice as much" },
	};
	uint64_t least = 0;

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		if (bounds[i].n == 0 || (least != 0 && bounds[i].n >= least))
			continue;
		least = bounds[i].n;
		*remedy = bounds[i].remedy;
	}
	return least;
}

void process_host_name(char *out, size_t size)
{
	if (gethostname(out, size) != 0 || out[0] == 0)
		strncpy(out, "localhost", size);
	out[size - 1] = 0;
}

bool process_is_managed(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* A whole positive number, or 0. */
static int64_t number_in_env(const char *name)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	return errno == 0 && *end == 0 ? n : 0;
}

int64_t process_watchdog_ms(void)
{
	int64_t pid = number_in_env("WATCHDOG_PID");

	return pid == 0 || pid == getpid() ? number_in_env("WATCHDOG_USEC") / 1000 : 0;
}

void process_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0) {
		/* The service manager went away: it will notice by itself. */
	}
	close(fd);
}

uint64_t process_cpu_ns(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

int process_thread_clock(void)
{
	clockid_t clock;

	return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : 0;
}

uint64_t process_thread_cpu_ns(int clock)
{
	struct timespec t;

	return clock != 0 && clock_gettime(clock, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

/* Since Linux 6.2 the directory's size says it; before, its entries are counted: those of the directory itself, "." and ".." are none. */
uint64_t process_open_files(void)
{
	struct stat st;
	uint64_t n = 0;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	DIR *d = opendir("/proc/self/fd");
	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n > 3 ? n - 3 : 0;
}

void process_disk_bytes(uint64_t *read, uint64_t *written)
{
	unsigned long long n;
	char line[128];
	FILE *f = fopen("/proc/self/io", "re");

	*read = *written = 0;
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "read_bytes: %llu", &n) == 1)
			*read = n;
		else if (sscanf(line, "write_bytes: %llu", &n) == 1)
			*written = n;
	}
	fclose(f);
}

uint64_t process_resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
