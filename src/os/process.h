/*
 * What concerns the process as a whole: signals, limits, the service manager. Real machine only; the main thread.
 */
#ifndef SKEIN_OS_PROCESS_H
#define SKEIN_OS_PROCESS_H

#include "base/err.h"

enum process_signal { PROCESS_TERMINATE, PROCESS_RELOAD, PROCESS_POKED, PROCESS_CHILD_ENDED };

/* Descriptors 0, 1 and 2 become /dev/null where they are closed, so that nothing else gets these numbers. First of all. */
void process_open_standard_files(void);
bool process_has_terminal(void);		/* stderr is one */
/* Before any thread is started: the signals below reach only process_wait. SIGPIPE is ignored. */
void process_block_signals(void);
/* Waits for SIGTERM or SIGINT (TERMINATE), SIGHUP (RELOAD), a poke, or the end of a child (child.h). */
enum process_signal process_wait(void);
bool process_is_asked_to_end(void);		/* TERMINATE is what process_wait would return, which still will: for who waits elsewhere meanwhile */
void process_poke(void);			/* any thread: process_wait returns POKED */
/* From now on SIGTERM and SIGINT end the process at once, as they do by default. */
void process_unblock_signals(void);
/* As many descriptors as the hard limit allows; returns the limit in force. */
uint64_t process_raise_files(void);
/* The lowest bound on the threads of this process, and what to do about it (constant text). 0: none is known. */
uint64_t process_threads_max(const char **remedy);
/* Files and directories made from now on are for this user alone. */
void process_private_files(void);
/* This machine's name, as the kernel knows it; "localhost" when it has none. */
void process_host_name(char *out, size_t size);
/* What the process has used so far: CPU of all its threads; memory that is in RAM now, shared pages included. 0: not known. */
uint64_t process_cpu_ns(void);
uint64_t process_resident_bytes(void);
uint64_t process_open_files(void);
/* Bytes that the device read and wrote for it. Zeros: not known. */
void     process_disk_bytes(uint64_t *read, uint64_t *written);
/* CPU of one thread: its clock is asked for on that thread and read by any, until the thread has ended (0 then). */
int      process_thread_clock(void);
uint64_t process_thread_cpu_ns(int clock);
/* How long syncs of files and directories took, since the process began; any thread. */
#define PROCESS_SYNC_BUCKETS 16
extern const uint32_t process_sync_bounds_us[PROCESS_SYNC_BUCKETS - 1];	/* inclusive, ascending; the last bucket has none */
struct process_syncs {
	uint64_t buckets[PROCESS_SYNC_BUCKETS];
	uint64_t total_us;
};
void     process_syncs(struct process_syncs *out);
/* Tells the service manager ($NOTIFY_SOCKET), when there is one: "READY=1", "STOPPING=1"; several lines are one message. */
bool process_is_managed(void);
void process_notify(const char *state);
/* Within how many milliseconds it wants to hear "WATCHDOG=1" ($WATCHDOG_USEC of this process); 0: it does not. */
int64_t process_watchdog_ms(void);

/*
 * Sockets that the service manager listens on and passes ($LISTEN_FDS): os_listen for the same address and port gives them out instead of binding. ERR_x: what was passed
 * is not only listening TCP sockets, or is too much. has_socket_left: one that nobody wanted, as [address]:port.
 */
enum err process_inherit_sockets(int *count) MUST_CHECK;
bool     process_has_socket_left(char *text, size_t size);

#endif
