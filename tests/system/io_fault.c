/*
 * Loaded in front of a broker with LD_PRELOAD: while the file $IO_FAULT_SWITCH exists, writes and syncs of files below the
 * directory $IO_FAULT_DIR fail with EIO, as those of a broken disk. Reads go on, as they do from the page cache. While $IO_HANG_SWITCH
 * exists, they do not end; while $IO_HANG_SYNC_SWITCH exists, syncs alone do not. While $TRESPASS_SWITCH exists, a write tries what a broker has
 * given up, and says on stderr what came of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_on(const char *lever)
{
	return lever != NULL && access(lever, F_OK) == 0;
}

static bool is_below(int fd, const char *dir)
{
	char link[64], path[4096];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	return n > 0 && (size_t)n > strlen(dir) && strncmp(path, dir, strlen(dir)) == 0;
}

static void trespass(const char *lever)
{
	char *const argv[] = { "true", NULL };
	char path[4096];

	errno = 0;
	execve("/bin/true", argv, NULL);
	const char *of_call = strerrorname_np(errno);
	snprintf(path, sizeof(path), "%s.made", lever);
	int made = open(path, O_WRONLY | O_CREAT, 0600);
	fprintf(stderr, "trespass: execve %s, open %s\n", of_call, made >= 0 ? "OK" : strerrorname_np(errno));
	if (made >= 0)
		close(made);
}

static bool is_broken(int fd)
{
	if (is_on(getenv("TRESPASS_SWITCH")))
		trespass(getenv("TRESPASS_SWITCH"));

	const char *dir = getenv("IO_FAULT_DIR"), *broken = getenv("IO_FAULT_SWITCH"), *hangs = getenv("IO_HANG_SWITCH");

	if (dir == NULL || (!is_on(broken) && !is_on(hangs)) || !is_below(fd, dir))
		return false;
	while (is_on(hangs))
		usleep(10000);
	return is_on(broken);
}

/* A wrapper of one libc function whose first argument is the descriptor. */
#define WRAP(type, name, params, args)                                  \
	type name params;                                               \
	type name params                                                \
	{                                                               \
		static type (*real) params;                             \
		if (is_broken(fd)) {                                    \
			errno = EIO;                                    \
			return -1;                                      \
		}                                                       \
		if (real == NULL)                                       \
			*(void **)&real = dlsym(RTLD_NEXT, #name);      \
		return real args;                                       \
	}

WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t pos), (fd, p, n, pos))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t pos), (fd, p, n, pos))
WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t pos), (fd, v, n, pos))
WRAP(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t pos), (fd, v, n, pos))

static bool is_sync_broken(int fd)
{
	const char *dir = getenv("IO_FAULT_DIR"), *hangs = getenv("IO_HANG_SYNC_SWITCH");

	while (dir != NULL && is_on(hangs) && is_below(fd, dir))
		usleep(10000);
	return is_broken(fd);
}
#define is_broken is_sync_broken
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
#undef is_broken
WRAP(int, ftruncate, (int fd, off_t n), (fd, n))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n))
