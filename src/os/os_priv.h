/*
 * What a machine has to provide: the primitives below os.h. os.c dispatches to them and builds the
 * rest (whole files, directory trees) out of them, so that a simulated crash can fall between any
 * two primitives of a composite. An implementation embeds struct os as its first member. Semantics
 * of each entry: its namesake in os.h.
 */
#ifndef SKEIN_OS_PRIV_H
#define SKEIN_OS_PRIV_H

#include "os/os.h"

typedef void os_each_entry(void *arg, const char *name, bool is_dir);

struct os_ops {
	mono_ns (*mono_ns)(struct os *os);
	time_ms (*time_ms)(struct os *os);
	void    (*random)(struct os *os, void *buf, size_t len);
	void    (*boot_id)(struct os *os, char out[40]);
	size_t  (*getenv)(struct os *os, const char *name, char *out, size_t size);

	enum err (*open)(struct os *os, const char *path, int flags, os_fd *out);
	void     (*close)(struct os *os, os_fd fd);
	int      (*fd_percent)(struct os *os, os_fd fd);
	enum err (*pread)(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got);
	enum err (*pread_cached)(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got);
	enum err (*pwritev)(struct os *os, os_fd fd, const struct iovec *iov, int n, int64_t pos);
	enum err (*ftruncate)(struct os *os, os_fd fd, int64_t size);
	enum err (*allocate)(struct os *os, os_fd fd, int64_t pos, int64_t len);
	void     (*write_out)(struct os *os, os_fd fd, int64_t pos, int64_t len);
	enum err (*sync)(struct os *os, os_fd fd, bool data_only);
	enum err (*fstat)(struct os *os, os_fd fd, struct os_stat *out);
	enum err (*stat)(struct os *os, const char *path, struct os_stat *out);
	enum err (*rename)(struct os *os, const char *from, const char *to);
	enum err (*unlink)(struct os *os, const char *path);
	enum err (*mkdir)(struct os *os, const char *path);
	enum err (*rmdir)(struct os *os, const char *path);
	enum err (*list_dir)(struct os *os, const char *path, os_each_entry *each, void *arg);
	enum err (*lock)(struct os *os, os_fd fd);
	enum err (*is_locked)(struct os *os, os_fd fd, bool *out);
	enum err (*space)(struct os *os, const char *path, uint64_t *total, uint64_t *usable);
	bool     (*is_cached)(struct os *os, os_fd fd, int64_t pos, size_t len);

	enum err (*resolve)(struct os *os, const char *host, uint16_t port, struct os_addr *out, int max, int *n);
	enum err (*bind)(struct os *os, const char *host, uint16_t port, os_fd *out, uint16_t *bound);
	enum err (*listen)(struct os *os, os_fd bound, int backlog);
	enum err (*accept)(struct os *os, os_fd listener, os_fd *out, struct os_addr *peer);
	enum err (*connect)(struct os *os, const struct os_addr *to, os_fd *out);
	enum err (*connect_result)(struct os *os, os_fd fd);
	enum err (*recv)(struct os *os, os_fd fd, void *buf, size_t len, size_t *got);
	enum err (*sendv)(struct os *os, os_fd fd, const struct iovec *iov, int n, size_t *sent);
	enum err (*sendfile)(struct os *os, os_fd socket, os_fd file, int64_t pos, size_t len, size_t *sent);
	enum err (*socket_buffers)(struct os *os, os_fd fd, int send_bytes, int recv_bytes);
	enum err (*shutdown_send)(struct os *os, os_fd fd);

	enum err (*poller_create)(struct os *os, struct os_poller **out);
	void     (*poller_destroy)(struct os *os, struct os_poller *p);
	enum err (*poller_set)(struct os *os, struct os_poller *p, os_fd fd, int events, void *data, bool is_new);
	void     (*poller_remove)(struct os *os, struct os_poller *p, os_fd fd);
	int      (*poller_wait)(struct os *os, struct os_poller *p, struct os_event *out, int max, mono_ms timeout_ms);
	int      (*poller_fd)(struct os *os, struct os_poller *p);
	void     (*poller_wake)(struct os *os, struct os_poller *p);

	enum err (*thread_start)(struct os *os, struct os_thread **out, const char *name, size_t stack_bytes,
				 void (*run)(void *), void *arg);
	void     (*thread_join)(struct os *os, struct os_thread *t);
	void     (*stack_trim)(struct os *os);
	void     (*sleep_ms)(struct os *os, mono_ms ms);
	void     (*futex_wait)(struct os *os, uint32_t *word, uint32_t seen, mono_ns deadline);
	void     (*futex_wake)(struct os *os, uint32_t *word, int threads);
	int      (*cpu_count)(struct os *os);
};

struct os {
	const struct os_ops *ops;
};

/* The parent directory of a path: "a/b" gives "a", "a" gives ".", "/a" gives "/". ERR_INVALID when it does not fit. */
enum err os_parent_path(const char *path, char *out, size_t size) MUST_CHECK;

/* Names gathered by a list_dir and given out sorted, so that the callback may change the directory. */
struct os_names {
	struct os_name { char *name; bool is_dir; } *at;
	size_t count, capacity;
};
void os_names_add(struct os_names *names, const char *name, bool is_dir);
void os_names_give(struct os_names *names, os_each_entry *each, void *arg);	/* in byte order; frees them */

/* --- the real machine, in os_real_*.c: each group of entries fills its part of the table ------ */
void os_real_file_ops(struct os_ops *ops);
void os_real_socket_ops(struct os_ops *ops);
void os_real_poll_ops(struct os_ops *ops);
void os_real_thread_ops(struct os_ops *ops);

#endif
