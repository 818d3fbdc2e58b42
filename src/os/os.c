/*
 * The face of os.h: every call goes to its machine's table; what is built from several primitives
 * is built here, once for all machines. Arguments are asserted here, so that no machine has to.
 */
#include "os/os_priv.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* --- clocks and randomness -------------------------------------------------------------------- */

mono_ns os_mono_ns(struct os *os)
{
	return os->ops->mono_ns(os);
}

mono_ms os_mono_ms(struct os *os)
{
	return os->ops->mono_ns(os) / 1000000;
}

time_ms os_time_ms(struct os *os)
{
	return os->ops->time_ms(os);
}

void os_random(struct os *os, void *buf, size_t len)
{
	os->ops->random(os, buf, len);
}

uint64_t os_random_u64(struct os *os)
{
	uint64_t v;

	os->ops->random(os, &v, sizeof(v));
	return v;
}

void os_boot_id(struct os *os, char out[40])
{
	os->ops->boot_id(os, out);
}

size_t os_getenv(struct os *os, const char *name, char *out, size_t size)
{
	ASSERT(size > 0);
	return os->ops->getenv(os, name, out, size);
}

/* --- files ------------------------------------------------------------------------------------ */

enum err os_open(struct os *os, const char *path, int flags, os_fd *out)
{
	ASSERT((flags & OS_DIR) == 0 || flags == OS_DIR);
	*out = -1;
	return os->ops->open(os, path, flags, out);
}

void os_close(struct os *os, os_fd *fd)
{
	if (*fd < 0)
		return;
	os->ops->close(os, *fd);
	*fd = -1;
}

int os_fd_percent(struct os *os, os_fd fd)
{
	return os->ops->fd_percent(os, fd);
}

enum err os_pread(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	ASSERT(pos >= 0);
	*got = 0;
	return os->ops->pread(os, fd, buf, len, pos, got);
}

enum err os_pread_cached(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	ASSERT(pos >= 0);
	*got = 0;
	return os->ops->pread_cached(os, fd, buf, len, pos, got);
}

enum err os_pwritev(struct os *os, os_fd fd, const struct iovec *iov, int n, int64_t pos)
{
	ASSERT(n >= 0 && n <= OS_IOV_MAX);
	ASSERT(pos >= 0);
	return os->ops->pwritev(os, fd, iov, n, pos);
}

enum err os_pwrite(struct os *os, os_fd fd, const void *buf, size_t len, int64_t pos)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	return os_pwritev(os, fd, &iov, 1, pos);
}

enum err os_ftruncate(struct os *os, os_fd fd, int64_t size)
{
	ASSERT(size >= 0);
	return os->ops->ftruncate(os, fd, size);
}

enum err os_allocate(struct os *os, os_fd fd, int64_t pos, int64_t len)
{
	ASSERT(pos >= 0 && len > 0);
	return os->ops->allocate(os, fd, pos, len);
}

void os_write_out(struct os *os, os_fd fd, int64_t pos, int64_t len)
{
	ASSERT(pos >= 0 && len > 0);
	os->ops->write_out(os, fd, pos, len);
}

enum err os_fdatasync(struct os *os, os_fd fd)
{
	return os->ops->sync(os, fd, true);
}

enum err os_fsync(struct os *os, os_fd fd)
{
	return os->ops->sync(os, fd, false);
}

enum err os_fsync_dir(struct os *os, const char *path)
{
	os_fd fd;
	enum err e = os_open(os, path, OS_DIR, &fd);

	if (e != OK)
		return e;
	e = os_fsync(os, fd);
	os_close(os, &fd);
	return e;
}

enum err os_fstat(struct os *os, os_fd fd, struct os_stat *out)
{
	return os->ops->fstat(os, fd, out);
}

enum err os_stat(struct os *os, const char *path, struct os_stat *out)
{
	return os->ops->stat(os, path, out);
}

enum err os_rename(struct os *os, const char *from, const char *to)
{
	return os->ops->rename(os, from, to);
}

enum err os_unlink(struct os *os, const char *path)
{
	return os->ops->unlink(os, path);
}

enum err os_mkdir(struct os *os, const char *path)
{
	return os->ops->mkdir(os, path);
}

enum err os_parent_path(const char *path, char *out, size_t size)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	int n = len == 0 ? snprintf(out, size, ".") : snprintf(out, size, "%.*s", (int)len, path);
	return n >= 0 && (size_t)n < size ? OK : ERR_INVALID;
}

/* A directory that we could add to but may not open is left to the file system's own time. */
static enum err sync_parent(struct os *os, const char *path)
{
	char dir[PATH_MAX];
	enum err e = os_parent_path(path, dir, sizeof(dir));

	if (e == OK)
		e = os_fsync_dir(os, dir);
	return e == ERR_ACCESS ? OK : e;
}

enum err os_mkdir_all(struct os *os, const char *path)
{
	char part[PATH_MAX];
	struct os_stat st;

	if (strlen(path) >= sizeof(part))
		return ERR_INVALID;
	for (size_t i = 1; path[i - 1] != '\0'; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		enum err e = os_mkdir(os, part);
		if (e == OK && (e = sync_parent(os, part)) != OK)
			return e;
		/* A parent that we may not write to is fine as long as it is there. */
		if (e != OK && os_stat(os, part, &st) != OK)
			return e;
		if (e != OK && !st.is_dir)
			return ERR_EXISTS;
	}
	return OK;
}

enum err os_rmdir(struct os *os, const char *path)
{
	return os->ops->rmdir(os, path);
}

enum err os_list_dir(struct os *os, const char *path, os_each_entry *each, void *arg)
{
	return os->ops->list_dir(os, path, each, arg);
}

enum err os_lock(struct os *os, os_fd fd)
{
	return os->ops->lock(os, fd);
}

enum err os_is_locked(struct os *os, os_fd fd, bool *out)
{
	return os->ops->is_locked(os, fd, out);
}

enum err os_space(struct os *os, const char *path, uint64_t *total, uint64_t *usable)
{
	*total = *usable = 0;
	return os->ops->space(os, path, total, usable);
}

bool os_is_cached(struct os *os, os_fd fd, int64_t pos, size_t len)
{
	ASSERT(pos >= 0);
	return len == 0 || os->ops->is_cached(os, fd, pos, len);
}

/* Reads to the end, which stat need not know: files in /proc say that they are empty. */
static enum err read_to_end(struct os *os, os_fd fd, size_t max, char **out, size_t *len)
{
	struct os_stat st;
	enum err e = os_fstat(os, fd, &st);

	if (e != OK)
		return e;
	if (st.size > max)
		return ERR_TOO_LARGE;
	size_t room = (size_t)st.size + 1, fill = 0;	/* one more than expected, to see the end */
	char *buf = mem_alloc(room + 1);
	for (;;) {
		size_t got;
		e = os_pread(os, fd, buf + fill, room - fill, (int64_t)fill, &got);
		if (e != OK)
			break;
		bool at_end = got < room - fill;
		fill += got;
		if (fill > max) {
			e = ERR_TOO_LARGE;
			break;
		}
		if (at_end)
			break;
		room = MIN(MAX(room * 2, (size_t)4096), max + 1);
		buf = mem_realloc_array(buf, room + 1, 1);
	}
	if (e != OK) {
		free(buf);
		return e;
	}
	buf[fill] = '\0';
	*out = buf;
	*len = fill;
	return OK;
}

enum err os_read_file(struct os *os, const char *path, size_t max, char **out, size_t *len)
{
	os_fd fd;

	*out = NULL;
	*len = 0;
	ASSERT(max < SIZE_MAX / 4);
	enum err e = os_open(os, path, OS_RDONLY | OS_NO_WAIT, &fd);
	if (e != OK)
		return e;
	e = read_to_end(os, fd, max, out, len);
	os_close(os, &fd);
	return e;
}

static enum err write_new_file(struct os *os, const char *path, const void *data, size_t len)
{
	os_fd fd;
	enum err e = os_open(os, path, OS_RDWR | OS_CREATE | OS_TRUNC, &fd);

	if (e != OK)
		return e;
	e = os_pwrite(os, fd, data, len, 0);
	if (e == OK)
		e = os_fsync(os, fd);	/* before the rename: else a power cut may leave the new name with no content */
	os_close(os, &fd);
	return e;
}

enum err os_replace_file(struct os *os, const char *path, const void *data, size_t len)
{
	char tmp[PATH_MAX], dir[PATH_MAX];

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= sizeof(tmp))
		return ERR_INVALID;
	enum err e = os_parent_path(path, dir, sizeof(dir));
	if (e != OK)
		return e;
	e = write_new_file(os, tmp, data, len);
	if (e == OK)
		e = os_rename(os, tmp, path);
	if (e != OK) {
		(void)!os_unlink(os, tmp);	/* a leftover is overwritten by the next attempt: no second error */
		return e;
	}
	return os_fsync_dir(os, dir);
}

void os_names_add(struct os_names *names, const char *name, bool is_dir)
{
	if (names->count == names->capacity) {
		names->capacity = MAX(names->capacity * 2, (size_t)16);
		names->at = mem_realloc_array(names->at, names->capacity, sizeof(*names->at));
	}
	names->at[names->count++] = (struct os_name){ mem_strdup(name), is_dir };
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct os_name *)a)->name, ((const struct os_name *)b)->name);
}

void os_names_give(struct os_names *names, os_each_entry *each, void *arg)
{
	if (names->count != 0)
		qsort(names->at, names->count, sizeof(*names->at), compare_names);
	for (size_t i = 0; i < names->count; i++) {
		if (each != NULL)
			each(arg, names->at[i].name, names->at[i].is_dir);
		free(names->at[i].name);
	}
	free(names->at);
	*names = (struct os_names){ 0 };
}

/* --- sockets ---------------------------------------------------------------------------------- */

static const uint8_t ipv4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Shortest form of RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as "::". */
static void ipv6_text(const uint8_t ip[16], char out[48])
{
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++) {
		int run = 0;
		while (i + run < 8 && ip[2 * (i + run)] == 0 && ip[2 * (i + run) + 1] == 0)
			run++;
		if (run > best_len) {
			best = i;
			best_len = run;
		}
	}
	size_t fill = 0;
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			fill += (size_t)snprintf(out + fill, 48 - fill, "::");
			i += best_len - 1;
			continue;
		}
		const char *colon = i == 0 || i == best + best_len ? "" : ":";
		if (best < 0 && i != 0)
			colon = ":";
		fill += (size_t)snprintf(out + fill, 48 - fill, "%s%x", colon, ip[2 * i] << 8 | ip[2 * i + 1]);
	}
}

void os_addr_text(const struct os_addr *a, char out[64])
{
	char ip[48];

	if (memcmp(a->ip, ipv4_prefix, sizeof(ipv4_prefix)) == 0) {
		snprintf(out, 64, "%d.%d.%d.%d:%u", a->ip[12], a->ip[13], a->ip[14], a->ip[15], a->port);
		return;
	}
	ipv6_text(a->ip, ip);
	snprintf(out, 64, "[%s]:%u", ip, a->port);
}

enum err os_resolve(struct os *os, const char *host, uint16_t port, struct os_addr *out, int max, int *n)
{
	*n = 0;
	ASSERT(max > 0);
	return os->ops->resolve(os, host, port, out, max, n);
}

enum err os_bind(struct os *os, const char *host, uint16_t port, os_fd *out, uint16_t *bound)
{
	*out = -1;
	*bound = 0;
	return os->ops->bind(os, host != NULL ? host : "", port, out, bound);
}

enum err os_listen_now(struct os *os, os_fd bound, int backlog)
{
	return os->ops->listen(os, bound, backlog);
}

enum err os_listen(struct os *os, const char *host, uint16_t port, int backlog, os_fd *out, uint16_t *bound)
{
	enum err e = os_bind(os, host, port, out, bound);

	if (e == OK && (e = os_listen_now(os, *out, backlog)) != OK)
		os_close(os, out);
	return e;
}

enum err os_accept(struct os *os, os_fd listener, os_fd *out, struct os_addr *peer)
{
	*out = -1;
	return os->ops->accept(os, listener, out, peer);
}

enum err os_connect(struct os *os, const struct os_addr *to, os_fd *out)
{
	*out = -1;
	return os->ops->connect(os, to, out);
}

enum err os_connect_result(struct os *os, os_fd fd)
{
	return os->ops->connect_result(os, fd);
}

enum err os_recv(struct os *os, os_fd fd, void *buf, size_t len, size_t *got)
{
	*got = 0;
	ASSERT(len > 0);	/* got == 0 means that the peer has ended its side */
	return os->ops->recv(os, fd, buf, len, got);
}

enum err os_sendv(struct os *os, os_fd fd, const struct iovec *iov, int n, size_t *sent)
{
	*sent = 0;
	ASSERT(n > 0 && n <= OS_IOV_MAX);
	return os->ops->sendv(os, fd, iov, n, sent);
}

enum err os_sendfile(struct os *os, os_fd socket, os_fd file, int64_t pos, size_t len, size_t *sent)
{
	*sent = 0;
	ASSERT(pos >= 0 && len > 0);
	return os->ops->sendfile(os, socket, file, pos, len, sent);
}

enum err os_socket_buffers(struct os *os, os_fd fd, int send_bytes, int recv_bytes)
{
	return os->ops->socket_buffers(os, fd, send_bytes, recv_bytes);
}

enum err os_shutdown_send(struct os *os, os_fd fd)
{
	return os->ops->shutdown_send(os, fd);
}

/* --- waiting on many sockets ------------------------------------------------------------------ */

enum err os_poller_create(struct os *os, struct os_poller **out)
{
	*out = NULL;
	return os->ops->poller_create(os, out);
}

void os_poller_destroy(struct os *os, struct os_poller **p)
{
	if (*p == NULL)
		return;
	os->ops->poller_destroy(os, *p);
	*p = NULL;
}

enum err os_poller_add(struct os *os, struct os_poller *p, os_fd fd, int events, void *data)
{
	return os->ops->poller_set(os, p, fd, events, data, true);
}

enum err os_poller_change(struct os *os, struct os_poller *p, os_fd fd, int events, void *data)
{
	return os->ops->poller_set(os, p, fd, events, data, false);
}

void os_poller_remove(struct os *os, struct os_poller *p, os_fd fd)
{
	os->ops->poller_remove(os, p, fd);
}

int os_poller_wait(struct os *os, struct os_poller *p, struct os_event *out, int max, mono_ms timeout_ms)
{
	ASSERT(max > 0);
	return os->ops->poller_wait(os, p, out, max, timeout_ms);
}

int os_poller_fd(struct os *os, struct os_poller *p)
{
	return os->ops->poller_fd(os, p);
}

void os_poller_wake(struct os *os, struct os_poller *p)
{
	os->ops->poller_wake(os, p);
}

/* --- threads ---------------------------------------------------------------------------------- */

enum err os_thread_start(struct os *os, struct os_thread **out, const char *name, size_t stack_bytes,
			 void (*run)(void *), void *arg)
{
	*out = NULL;
	return os->ops->thread_start(os, out, name, stack_bytes, run, arg);
}

void os_thread_join(struct os *os, struct os_thread **t)
{
	if (*t == NULL)
		return;
	os->ops->thread_join(os, *t);
	*t = NULL;
}

void os_stack_trim(struct os *os)
{
	os->ops->stack_trim(os);
}

void os_sleep_ms(struct os *os, mono_ms ms)
{
	os->ops->sleep_ms(os, ms);
}

void os_futex_wait(struct os *os, uint32_t *word, uint32_t seen, mono_ns deadline)
{
	os->ops->futex_wait(os, word, seen, deadline);
}

void os_futex_wake(struct os *os, uint32_t *word, int threads)
{
	os->ops->futex_wake(os, word, threads);
}

int os_cpu_count(struct os *os)
{
	return os->ops->cpu_count(os);
}
