/*
 * Files of the real machine. EINTR and short transfers end here: above, a read is short only at the
 * end of the file, and a write is whole or an error.
 *
 * Two questions are asked of the page cache: "read, but do not wait" is preadv2 with RWF_NOWAIT;
 * "is it there" is cachestat (Linux 6.5), or one RWF_NOWAIT byte per read-ahead window where the
 * kernel has none. mincore would need a mapping.
 */
#include "base/probe.h"
#include "os/os_priv.h"
#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum err real_open(struct os *os UNUSED, const char *path, int flags, os_fd *out)
{
	int how = O_CLOEXEC | ((flags & OS_RDWR) != 0 ? O_RDWR : O_RDONLY);

	if ((flags & OS_CREATE) != 0)
		how |= O_CREAT;
	if ((flags & OS_EXCL) != 0)
		how |= O_EXCL;
	if ((flags & OS_TRUNC) != 0)
		how |= O_TRUNC;
	if ((flags & OS_DIR) != 0)
		how |= O_DIRECTORY;
	if ((flags & OS_NO_WAIT) != 0)
		how |= O_NONBLOCK;	/* files know no such thing */
	do {
		*out = open(path, how, (flags & OS_PRIVATE) != 0 ? 0600 : 0666);	/* the operator's umask decides, as for a Java broker */
	} while (*out < 0 && errno == EINTR);
	return *out >= 0 ? OK : err_from_errno(errno);
}

static void real_close(struct os *os UNUSED, os_fd fd)
{
	int e = errno;

	close(fd);	/* never again after EINTR: Linux has released the number */
	errno = e;	/* callers close on their error paths, and log errno afterwards */
}

static int real_fd_percent(struct os *os UNUSED, os_fd fd)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == 0)
		return 0;
	return (int)MIN((uint64_t)fd * 100 / r.rlim_cur, 100);
}

static enum err real_pread(struct os *os UNUSED, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	while (*got < len) {
		ssize_t n = pread(fd, (char *)buf + *got, len - *got, pos + (int64_t)*got);
		if (n == 0)
			break;
		if (n > 0)
			*got += (size_t)n;
		else if (errno != EINTR)
			return err_from_errno(errno);
	}
	return OK;
}

static enum err real_pread_cached(struct os *os UNUSED, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	for (;;) {
		struct iovec iov = { buf, len };
		ssize_t n = preadv2(fd, &iov, 1, pos, RWF_NOWAIT);
		if (n >= 0) {
			*got = (size_t)n;
			return OK;
		}
		if (errno == EINTR)
			continue;
		/* A file system that cannot tell: a worker reads. */
		return errno == EOPNOTSUPP || errno == ENOSYS ? ERR_AGAIN : err_from_errno(errno);
	}
}

static enum err real_pwritev(struct os *os UNUSED, os_fd fd, const struct iovec *iov, int n, int64_t pos)
{
	size_t skip = 0;	/* bytes of iov[0] that are written already */

	while (n > 0) {
		ssize_t w = skip == 0 ? pwritev(fd, iov, n, pos)
				      : pwrite(fd, (const char *)iov->iov_base + skip, iov->iov_len - skip, pos);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_from_errno(errno);
		pos += w;
		skip += (size_t)w;
		bool is_empty = w == 0;
		for (; n > 0 && skip >= iov->iov_len; iov++, n--) {
			is_empty = false;
			skip -= iov->iov_len;
		}
		if (is_empty) {		/* no progress and no reason: not something to repeat for ever */
			errno = EIO;
			return ERR_IO;
		}
	}
	return OK;
}

static enum err real_ftruncate(struct os *os UNUSED, os_fd fd, int64_t size)
{
	while (ftruncate(fd, size) != 0)
		if (errno != EINTR)
			return err_from_errno(errno);
	return OK;
}

static enum err real_allocate(struct os *os UNUSED, os_fd fd, int64_t pos, int64_t len)
{
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, pos, len) != 0)
		if (errno != EINTR)
			return err_from_errno(errno);
	return OK;
}

/* --- how long syncs take: any thread counts, so each number is an atomic of its own --- */

const uint32_t process_sync_bounds_us[PROCESS_SYNC_BUCKETS - 1] = {
	50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 5000000,
};
static struct process_syncs syncs;

void process_syncs(struct process_syncs *out)
{
	for (int i = 0; i < PROCESS_SYNC_BUCKETS; i++)
		out->buckets[i] = __atomic_load_n(&syncs.buckets[i], __ATOMIC_RELAXED);
	out->total_us = __atomic_load_n(&syncs.total_us, __ATOMIC_RELAXED);
}

static void count_sync(mono_ns took)
{
	uint64_t us = (uint64_t)MAX(took, 0) / 1000;
	int bucket = 0;

	while (bucket < PROCESS_SYNC_BUCKETS - 1 && us > process_sync_bounds_us[bucket])
		bucket++;
	__atomic_fetch_add(&syncs.buckets[bucket], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&syncs.total_us, us, __ATOMIC_RELAXED);
}

/* Those under way: when each was begun, 0 a free place. More at once than there are places are not told of. */
#define SYNCS_AT_ONCE 64
static int64_t syncs_begun[SYNCS_AT_ONCE];

static int64_t *sync_begin(mono_ns begun)
{
	for (int i = 0; i < SYNCS_AT_ONCE; i++) {
		int64_t none = 0;

		if (__atomic_load_n(&syncs_begun[i], __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&syncs_begun[i], &none, begun, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return &syncs_begun[i];
	}
	return NULL;
}

int64_t process_sync_oldest_ns(int64_t now_ns)
{
	int64_t oldest = 0;

	for (int i = 0; i < SYNCS_AT_ONCE; i++) {
		int64_t begun = __atomic_load_n(&syncs_begun[i], __ATOMIC_RELAXED);

		if (begun != 0)
			oldest = MAX(oldest, now_ns - begun);
	}
	return oldest;
}

static void real_write_out(struct os *os UNUSED, os_fd fd, int64_t pos, int64_t len)
{
	(void)!sync_file_range(fd, pos, len, SYNC_FILE_RANGE_WRITE);
}

static enum err real_sync(struct os *os, os_fd fd, bool data_only)
{
	mono_ns begun = os_mono_ns(os);
	int64_t *place = sync_begin(begun);
	/* No second try, not even after EINTR: what a failed sync did to the dirty pages is not known. */
	enum err e = (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? OK : err_from_errno(errno);

	mono_ns took = os_mono_ns(os) - begun;

	if (place != NULL)
		__atomic_store_n(place, 0, __ATOMIC_RELAXED);
	PROBE(fsync, fd, took, e);
	count_sync(took);
	return e;
}

static void fill_stat(struct os_stat *out, const struct stat *st)
{
	*out = (struct os_stat){
		.size     = (uint64_t)st->st_size,
		.mtime    = (time_ms)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		.inode    = st->st_ino,
		.device   = st->st_dev,
		.is_dir   = S_ISDIR(st->st_mode),
	};
}

static enum err real_fstat(struct os *os UNUSED, os_fd fd, struct os_stat *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_from_errno(errno);
	fill_stat(out, &st);
	return OK;
}

static enum err real_stat(struct os *os UNUSED, const char *path, struct os_stat *out)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_from_errno(errno);
	fill_stat(out, &st);
	return OK;
}

static enum err real_rename(struct os *os UNUSED, const char *from, const char *to)
{
	return rename(from, to) == 0 ? OK : err_from_errno(errno);
}

static enum err real_unlink(struct os *os UNUSED, const char *path)
{
	return unlink(path) == 0 ? OK : err_from_errno(errno);
}

static enum err real_mkdir(struct os *os UNUSED, const char *path)
{
	return mkdir(path, 0777) == 0 ? OK : err_from_errno(errno);
}

static enum err real_rmdir(struct os *os UNUSED, const char *path)
{
	return rmdir(path) == 0 ? OK : err_from_errno(errno);
}

static bool entry_is_dir(DIR *dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN && d->d_type != DT_LNK)
		return d->d_type == DT_DIR;
	return fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static enum err real_list_dir(struct os *os UNUSED, const char *path, os_each_entry *each, void *arg)
{
	struct os_names names = { 0 };
	DIR *dir = opendir(path);

	if (dir == NULL)
		return err_from_errno(errno);
	for (;;) {
		errno = 0;
		struct dirent *d = readdir(dir);
		if (d == NULL)
			break;
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			os_names_add(&names, d->d_name, entry_is_dir(dir, d));
	}
	int e = errno;
	closedir(dir);
	os_names_give(&names, e == 0 ? each : NULL, arg);	/* half a directory is no answer */
	if (e != 0)
		errno = e;
	return err_from_errno(e);
}

/*
 * Open file description locks conflict with the POSIX record locks that Java's FileChannel.lock
 * takes, so a Java broker and this one exclude each other; and with a second open in this process,
 * which POSIX locks would let pass. flock is a world of its own on Linux, and would exclude
 * neither.
 */
static enum err real_lock(struct os *os UNUSED, os_fd fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return OK;
	return errno == EAGAIN || errno == EACCES ? ERR_LOCKED : err_from_errno(errno);
}

static enum err real_is_locked(struct os *os UNUSED, os_fd fd, bool *out)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	*out = false;
	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return err_from_errno(errno);
	*out = lock.l_type != F_UNLCK;
	return OK;
}

static enum err real_space(struct os *os UNUSED, const char *path, uint64_t *total, uint64_t *usable)
{
	struct statvfs st;

	if (statvfs(path, &st) != 0)
		return err_from_errno(errno);
	*total = (uint64_t)st.f_blocks * st.f_frsize;
	*usable = (uint64_t)st.f_bavail * st.f_frsize;
	return OK;
}

#ifndef SYS_cachestat
#define SYS_cachestat 451	/* the same on every architecture */
#endif
#define CACHE_PAGE   4096
#define PROBE_STRIDE (128 * 1024)	/* Linux's default read-ahead: what is cached comes in such pieces */

struct cachestat_range_abi { uint64_t pos, len; };
struct cachestat_abi { uint64_t cached, dirty, writeback, evicted, recently_evicted; };

static bool probe_is_cached(os_fd fd, int64_t pos, size_t len)
{
	for (size_t i = 0;;) {
		char byte;
		struct iovec iov = { &byte, 1 };
		if (preadv2(fd, &iov, 1, pos + (int64_t)i, RWF_NOWAIT) < 0)
			return false;
		if (i == len - 1)
			return true;
		i = MIN(i + PROBE_STRIDE, len - 1);
	}
}

static bool real_is_cached(struct os *os UNUSED, os_fd fd, int64_t pos, size_t len)
{
	struct cachestat_range_abi range = { (uint64_t)pos, len };
	struct cachestat_abi seen;

	if (syscall(SYS_cachestat, fd, &range, &seen, 0) != 0)
		return probe_is_cached(fd, pos, len);
	uint64_t pages = ((uint64_t)pos + len - 1) / CACHE_PAGE - (uint64_t)pos / CACHE_PAGE + 1;
	return seen.cached >= pages;
}

void os_real_file_ops(struct os_ops *ops)
{
	ops->open = real_open;
	ops->close = real_close;
	ops->fd_percent = real_fd_percent;
	ops->pread = real_pread;
	ops->pread_cached = real_pread_cached;
	ops->pwritev = real_pwritev;
	ops->ftruncate = real_ftruncate;
	ops->allocate = real_allocate;
	ops->write_out = real_write_out;
	ops->sync = real_sync;
	ops->fstat = real_fstat;
	ops->stat = real_stat;
	ops->rename = real_rename;
	ops->unlink = real_unlink;
	ops->mkdir = real_mkdir;
	ops->rmdir = real_rmdir;
	ops->list_dir = real_list_dir;
	ops->lock = real_lock;
	ops->is_locked = real_is_locked;
	ops->space = real_space;
	ops->is_cached = real_is_cached;
}
