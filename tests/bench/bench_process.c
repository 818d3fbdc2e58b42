/*
 * The broker as a process: started as its users start it, and looked at only through /proc, its
 * CPU clock and what it leaves behind.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint16_t process_free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0
	    || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		bench_die("no free port");
	close(fd);
	return ntohs(a.sin_port);
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
                        struct FTW *at UNUSED)
{
	return remove(path);
}

void broker_clear(const struct bench_broker *b)
{
	(void)nftw(b->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void output_path(const struct bench_broker *b, char *out, size_t size)
{
	snprintf(out, size, "%s.log", b->dir);
}

NORETURN static void exec_broker(const struct bench_broker *b, char *environment)
{
	char listeners[64], dirs[1024], output[1024];
	const char *argv[2 * ARRAY_LEN(b->settings) + 8] = {
		b->program, "serve", "--override", listeners, "--override", dirs,
	};
	int fd, n = 6;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	output_path(b, output, sizeof(output));
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	snprintf(listeners, sizeof(listeners), "listeners=PLAINTEXT://127.0.0.1:%d", b->port);
	snprintf(dirs, sizeof(dirs), "log.dirs=%s", b->dir);
	if (environment != NULL)
		putenv(environment);
	for (const char *const *s = b->settings; *s != NULL; s++) {
		argv[n++] = "--override";
		argv[n++] = *s;
	}
	execv(b->program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

void broker_start(struct bench_broker *b, bool keeps, const char *environment)
{
	char *variable = environment != NULL ? mem_strdup(environment) : NULL;

	if (!keeps)
		broker_clear(b);
	b->port = process_free_port();
	fflush(NULL);
	b->pid = fork();
	if (b->pid == 0)
		exec_broker(b, variable);
	if (b->pid < 0)
		bench_die("fork");
	free(variable);
}

static void end(struct bench_broker *b, int signal)
{
	int status;

	if (b->pid == 0)
		return;
	kill(b->pid, signal);
	if (waitpid(b->pid, &status, 0) != b->pid)
		bench_die("waitpid");
	b->pid = 0;
	if (signal == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		bench_die("the broker ended with status %#x: see %s.log", status, b->dir);
}

void broker_stop(struct bench_broker *b) { end(b, SIGTERM); }
void broker_kill(struct bench_broker *b) { end(b, SIGKILL); }

/* --- what it costs ---------------------------------------------------------------------------- */

/* The number behind `label` in a file of /proc; 0 when the file or the label is not there. */
static uint64_t proc_number(const char *path, const char *label)
{
	char line[256];
	uint64_t value = 0;
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, label, strlen(label)) == 0) {
			value = strtoull(line + strlen(label), NULL, 10);
			break;
		}
	}
	if (f != NULL)
		fclose(f);
	return value;
}

static uint64_t count_wakes(pid_t pid)
{
	char path[300];
	uint64_t wakes = 0;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, e->d_name);
		wakes += proc_number(path, "voluntary_ctxt_switches:");
	}
	if (d != NULL)
		closedir(d);
	return wakes;
}

struct bench_cost process_cost(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		bench_die("the process %d is gone", pid);
	return (struct bench_cost){ (double)t.tv_sec + (double)t.tv_nsec * 1e-9, count_wakes(pid) };
}

double process_pss_mib(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	return (double)proc_number(path, "Pss:") / 1024;
}

bool broker_event(const struct bench_broker *b, const char *event, const char *field, double *value)
{
	char path[1024], line[1024], name[64], key[64];
	bool is_found = false;
	FILE *f;

	snprintf(name, sizeof(name), " %s ", event);
	snprintf(key, sizeof(key), " %s=", field);
	output_path(b, path, sizeof(path));
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *at = strstr(line, name);

		if (at == NULL || (at = strstr(at, key)) == NULL)
			continue;
		*value = strtod(at + strlen(key), NULL);
		is_found = true;
	}
	if (f != NULL)
		fclose(f);
	return is_found;
}

/* "nmalloc" of the merged statistics: first of small sizes, then of large ones. */
uint64_t broker_allocations(const struct bench_broker *b)
{
	static char text[1 << 20];
	char path[1024];
	uint64_t sum = 0;

	output_path(b, path, sizeof(path));
	FILE *f = fopen(path, "r");
	size_t len = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	text[len] = 0;
	const char *p = strstr(text, "\"merged\"");
	for (int i = 0; i < 2; i++) {
		p = p != NULL ? strstr(p, "\"nmalloc\":") : NULL;
		if (p == NULL)
			bench_die("%s holds no statistics of jemalloc", path);
		p += strlen("\"nmalloc\":");
		sum += strtoull(p, NULL, 10);
	}
	return sum;
}
