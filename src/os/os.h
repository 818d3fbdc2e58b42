/*
 * The only door to the kernel: clocks, randomness, files, sockets, waiting, threads. Two machines
 * stand behind it: the real one (os_real*.c) and a simulated one (sim*.c, created in sim.h), whose
 * disk loses what was not synced, whose network delays and cuts, and whose clock moves only when it
 * is told to.
 *
 * Threads:  every function may be called from any thread on the real machine; a descriptor has one
 *           owner who says so. The simulated machine is single-threaded by nature.
 * Errors:   enum err; errno is set as well where a system call failed, for the one log line at the
 *           place that decides. ERR_AGAIN from sockets means "would block". EINTR and short
 *           transfers of files are handled inside.
 * Paths:    absolute, or relative to the process's directory. Never NULL.
 */
#ifndef SKEIN_OS_H
#define SKEIN_OS_H

#include <sys/uio.h>

#include "base/err.h"
#include "base/slice.h"

struct os;			/* a machine; every call names it, so that a simulation can hold several */
typedef int32_t os_fd;		/* file, directory or socket; -1 = none */

struct os *os_real(void);

/* --- clocks and randomness -------------------------------------------------------------------- */
mono_ns os_mono_ns(struct os *os);
mono_ms os_mono_ms(struct os *os);
time_ms os_time_ms(struct os *os);
void    os_random(struct os *os, void *buf, size_t len);	/* fit for identifiers and secrets on the real machine */
uint64_t os_random_u64(struct os *os);
/* Identifies the running kernel: data that a killed process wrote is in the page cache as long as this stays the same. */
void    os_boot_id(struct os *os, char out[40]);
/* 0 when the variable is not set; never longer than size - 1. */
size_t  os_getenv(struct os *os, const char *name, char *out, size_t size);

/* --- files ------------------------------------------------------------------------------------ */
enum os_open_flags {
	OS_RDONLY = 0, OS_RDWR = 1,
	OS_CREATE = 2,		/* create when absent */
	OS_EXCL   = 4,		/* ... and fail with ERR_EXISTS when present */
	OS_TRUNC  = 8,
	OS_DIR    = 16,		/* a directory, to sync it */
	OS_PRIVATE = 32,	/* when it is created: nobody else may read or write it, whatever the umask */
	OS_NO_WAIT = 64,	/* what is no file but a pipe is not waited for until its other end comes; it cannot be read either */
};

struct os_stat {
	uint64_t size;		/* bytes */
	time_ms  mtime;
	int64_t  mtime_ns;	/* full precision, since 1970 */
	uint64_t inode, device;
	bool     is_dir;
};

enum err os_open(struct os *os, const char *path, int flags, os_fd *out) MUST_CHECK;
void     os_close(struct os *os, os_fd *fd);		/* takes the descriptor away: *fd becomes -1; -1 is ignored */
/* How much of the descriptors that the process may have is taken, in per cent, told by one that was just opened (the kernel gives out the lowest free number). */
int      os_fd_percent(struct os *os, os_fd fd);
enum err os_pread(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got) MUST_CHECK;	/* *got < len: end of file */
/* Like os_pread, but answers ERR_AGAIN rather than waiting for a device (RWF_NOWAIT); bytes may still be fewer. */
enum err os_pread_cached(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got) MUST_CHECK;
/* All of it, or an error; after an error any part of the range may hold new bytes. n <= OS_IOV_MAX. */
enum err os_pwritev(struct os *os, os_fd fd, const struct iovec *iov, int n, int64_t pos) MUST_CHECK;
enum err os_pwrite(struct os *os, os_fd fd, const void *buf, size_t len, int64_t pos) MUST_CHECK;
enum err os_ftruncate(struct os *os, os_fd fd, int64_t size) MUST_CHECK;
/* Blocks for [pos, pos + len), which may lie behind the end of the file; its size and content stay. They go back with the next os_ftruncate, to the same size, too. */
enum err os_allocate(struct os *os, os_fd fd, int64_t pos, int64_t len) MUST_CHECK;
/* Has the kernel begin to write [pos, pos + len) to the device, so that a sync later on finds less to do. A hint: it promises nothing and does not fail; it may wait for a device that is busy. */
void     os_write_out(struct os *os, os_fd fd, int64_t pos, int64_t len);
enum err os_fdatasync(struct os *os, os_fd fd) MUST_CHECK;	/* waits for the device: workers only. A failed one is never retried */
enum err os_fsync(struct os *os, os_fd fd) MUST_CHECK;
enum err os_fsync_dir(struct os *os, const char *path) MUST_CHECK;
enum err os_fstat(struct os *os, os_fd fd, struct os_stat *out) MUST_CHECK;
enum err os_stat(struct os *os, const char *path, struct os_stat *out) MUST_CHECK;
enum err os_rename(struct os *os, const char *from, const char *to) MUST_CHECK;
enum err os_unlink(struct os *os, const char *path) MUST_CHECK;
enum err os_mkdir(struct os *os, const char *path) MUST_CHECK;	/* ERR_EXISTS when present */
enum err os_mkdir_all(struct os *os, const char *path) MUST_CHECK;	/* parents too; OK when present. What was made survives a power cut */
enum err os_rmdir(struct os *os, const char *path) MUST_CHECK;	/* ERR_NOT_EMPTY; so does a rename onto such a directory */
/* Calls each(arg, name, is_dir) for every entry but "." and "..", in byte order of names. The callback may change the directory. */
enum err os_list_dir(struct os *os, const char *path, void (*each)(void *arg, const char *name, bool is_dir), void *arg) MUST_CHECK;
enum err os_lock(struct os *os, os_fd fd) MUST_CHECK;	/* fd open for writing. Exclusive until closed, also against Java's FileChannel.lock; ERR_LOCKED at once */
/* Whether another has it, without taking it for a moment: a broker that starts meanwhile is not refused. */
enum err os_is_locked(struct os *os, os_fd fd, bool *out) MUST_CHECK;
enum err os_space(struct os *os, const char *path, uint64_t *total, uint64_t *usable) MUST_CHECK;
/* Is [pos, pos + len) of the file in memory, as far as the kernel tells cheaply? Wrong answers cost time only. */
bool     os_is_cached(struct os *os, os_fd fd, int64_t pos, size_t len);
/* Whole small files. read: *out is malloc'd, NUL-terminated behind len; ERR_TOO_LARGE beyond max. */
enum err os_read_file(struct os *os, const char *path, size_t max, char **out, size_t *len) MUST_CHECK;
/* Writes path.tmp, syncs it, renames it to path, syncs the directory: after OK the content survives a power cut. Workers only. */
enum err os_replace_file(struct os *os, const char *path, const void *data, size_t len) MUST_CHECK;

#define OS_IOV_MAX 1024

/* --- sockets (all non-blocking) --------------------------------------------------------------- */
struct os_addr {			/* one IPv4 or IPv6 endpoint */
	uint8_t  ip[16];	/* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
};

enum err os_resolve(struct os *os, const char *host, uint16_t port, struct os_addr *out, int max, int *n) MUST_CHECK;	/* may wait */
void     os_addr_text(const struct os_addr *a, char out[64]);		/* "127.0.0.1:9092", "[::1]:9092" */
/* host "" or NULL: all addresses. port 0: any; *bound is the port in the end. Who connects is refused until os_listen_now; a poller takes it only then. */
enum err os_bind(struct os *os, const char *host, uint16_t port, os_fd *out, uint16_t *bound) MUST_CHECK;
enum err os_listen_now(struct os *os, os_fd bound, int backlog) MUST_CHECK;
/* Both at once. */
enum err os_listen(struct os *os, const char *host, uint16_t port, int backlog, os_fd *out, uint16_t *bound) MUST_CHECK;
enum err os_accept(struct os *os, os_fd listener, os_fd *out, struct os_addr *peer) MUST_CHECK;
enum err os_connect(struct os *os, const struct os_addr *to, os_fd *out) MUST_CHECK;	/* OK or ERR_AGAIN (then wait for writable) */
enum err os_connect_result(struct os *os, os_fd fd) MUST_CHECK;		/* after it became writable */
enum err os_recv(struct os *os, os_fd fd, void *buf, size_t len, size_t *got) MUST_CHECK;	/* OK with *got == 0: peer has ended its side */
enum err os_sendv(struct os *os, os_fd fd, const struct iovec *iov, int n, size_t *sent) MUST_CHECK;
enum err os_sendfile(struct os *os, os_fd socket, os_fd file, int64_t pos, size_t len, size_t *sent) MUST_CHECK;	/* *sent == 0: file too short */
enum err os_socket_buffers(struct os *os, os_fd fd, int send_bytes, int recv_bytes) MUST_CHECK;	/* -1: the kernel's choice */
enum err os_shutdown_send(struct os *os, os_fd fd) MUST_CHECK;

/* --- waiting on many sockets ------------------------------------------------------------------ */
struct os_poller;		/* one owner thread; only os_poller_wake may be called by others */
enum { OS_READABLE = 1, OS_WRITABLE = 2, OS_HANGUP = 4 };
struct os_event { void *data; int events; };

enum err os_poller_create(struct os *os, struct os_poller **out) MUST_CHECK;
void     os_poller_destroy(struct os *os, struct os_poller **p);
enum err os_poller_add(struct os *os, struct os_poller *p, os_fd fd, int events, void *data) MUST_CHECK;
enum err os_poller_change(struct os *os, struct os_poller *p, os_fd fd, int events, void *data) MUST_CHECK;
void     os_poller_remove(struct os *os, struct os_poller *p, os_fd fd);
int      os_poller_wait(struct os *os, struct os_poller *p, struct os_event *out, int max, mono_ms timeout_ms);	/* 0: do not wait, -1: until woken. A simulated one never waits */
int      os_poller_fd(struct os *os, struct os_poller *p);	/* readable when os_poller_wait would find something; for somebody else's poll. -1 on a simulated machine */
void     os_poller_wake(struct os *os, struct os_poller *p);	/* any thread; the next or current wait returns at once */

/* --- threads (real machine only; a simulation has one) ---------------------------------------- */
struct os_thread;
enum err os_thread_start(struct os *os, struct os_thread **out, const char *name, size_t stack_bytes, void (*run)(void *), void *arg) MUST_CHECK;
void     os_thread_join(struct os *os, struct os_thread **t);
void     os_stack_trim(struct os *os);	/* of this thread: what deeper calls have touched goes back to the system; a hint */
void     os_sleep_ms(struct os *os, mono_ms ms);
/* Waits while *word == seen, until woken or the deadline (monotonic ns, MONO_NEVER = none). Spurious returns are allowed. */
void     os_futex_wait(struct os *os, uint32_t *word, uint32_t seen, mono_ns deadline);
void     os_futex_wake(struct os *os, uint32_t *word, int threads);
int      os_cpu_count(struct os *os);

#endif
