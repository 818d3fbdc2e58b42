/*
 * The real machine: clocks, randomness, identity. Files, sockets, polling and threads are in the
 * os_real_*.c beside this.
 *
 * SIGPIPE is ignored from the first use on: sendfile to a socket whose peer went away raises it,
 * and unlike sendmsg it knows no flag against that. A tool that wants to die quietly at the end of
 * a pipe sees EPIPE from its output instead. The installed library, which sends no files, leaves
 * signals alone.
 */
#include "os/os_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static mono_ns real_mono_ns(struct os *os UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_ns)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static time_ms real_time_ms(struct os *os UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (time_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void real_random(struct os *os UNUSED, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len != 0) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0) {
			ASSERT(errno == EINTR);	/* without a fault in our arguments nothing else is possible */
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

static void real_boot_id(struct os *os UNUSED, char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, 39) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0) {	/* no /proc: never the same twice, so that nobody trusts a page cache that may be gone */
		unsigned long long r[2];
		real_random(NULL, r, sizeof(r));
		snprintf(out, 40, "%016llx%016llx", r[0], r[1]);
		return;
	}
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static size_t real_getenv(struct os *os UNUSED, const char *name, char *out, size_t size)
{
	const char *value = getenv(name);
	size_t len = value != NULL ? MIN(strlen(value), size - 1) : 0;

	if (len != 0)
		memcpy(out, value, len);
	out[len] = '\0';
	return len;
}

static struct os_ops real_ops = {
	.mono_ns = real_mono_ns,
	.time_ms = real_time_ms,
	.random  = real_random,
	.boot_id = real_boot_id,
	.getenv  = real_getenv,
};

static void real_init(void)
{
	os_real_file_ops(&real_ops);
	os_real_socket_ops(&real_ops);
	os_real_poll_ops(&real_ops);
	os_real_thread_ops(&real_ops);
#ifndef SKEIN_INSTALLED		/* a library sends with MSG_NOSIGNAL only, and a program's signals are the program's */
	signal(SIGPIPE, SIG_IGN);
#endif
}

struct os *os_real(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static struct os real = { &real_ops };

	pthread_once(&once, real_init);
	return &real;
}
