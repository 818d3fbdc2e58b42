/*
 * A ring of bytes with many producers and one consumer. A producer claims a range by moving `head`
 * with a compare-and-swap, copies its line, and commits by storing the record's length (release),
 * which the writer thread waits for (acquire). A producer that is preempted between the two delays
 * the lines behind it, but no other producer. The writer zeroes what it has written before it moves
 * `tail` (release), so a claimed range always begins with length 0.
 *
 * No wake is lost: the writer announces its sleep (`sleeping` = 1), then looks at the ring once
 * more; a producer commits, then looks at `sleeping`. A full fence stands between the two accesses
 * on either side, so at least one sees the other.
 *
 * After a crash signal the crashing thread only waits for the writer, which is a thread of its own
 * and still runs. When the writer itself crashes, its handler drains the ring in its place.
 */
#include "os/log_writer.h"

#include <ck_pr.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RECORD_ALIGN 8		/* and the size of a record's header */
#define WRITE_BATCH  64		/* lines per system call */
#define RING_MASK    (LOG_WRITER_BYTES - 1)
_Static_assert((LOG_WRITER_BYTES & RING_MASK) == 0, "positions are masked");

/* A record: this header, then len bytes, padded to RECORD_ALIGN. */
struct record_head {
	uint32_t len;		/* 0: claimed, not committed */
	uint32_t is_padding;	/* 1: the rest of the ring before it wraps */
};
_Static_assert(sizeof(struct record_head) == RECORD_ALIGN, "a header fits wherever a record may end");

struct log_writer {
	struct os        *os;
	struct os_thread *thread;
	struct log_source log;
	os_fd             fd;
	os_fd             journal;		/* a datagram a line; -1: none */
	struct sockaddr_un journal_at;		/* looked up each time: its socket may be another one by then */
	uint64_t          dropped_told;		/* writer only */

	CACHE_ALIGNED uint64_t head;		/* producers: bytes claimed since create */
	uint64_t dropped;
	CACHE_ALIGNED uint64_t tail;		/* writer: bytes written and zeroed */
	uint32_t sleeping;			/* 1: announced; the futex word */
	uint32_t stop;
	CACHE_ALIGNED uint8_t ring[LOG_WRITER_BYTES];
};

static struct log_writer *last_writer;			/* whom the end of the process flushes */
static _Thread_local bool is_writer_thread;

static struct record_head *record_at(struct log_writer *w, uint64_t pos)
{
	return (void *)(w->ring + (pos & RING_MASK));
}

static size_t record_size(size_t len)
{
	return sizeof(struct record_head) + ((len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
}

/* False: the ring is full. A record is contiguous: what is left before the wrap becomes padding. */
static bool claim(struct log_writer *w, size_t size, uint64_t *pos, size_t *padding)
{
	uint64_t head = __atomic_load_n(&w->head, __ATOMIC_RELAXED);

	do {
		size_t to_wrap = LOG_WRITER_BYTES - (size_t)(head & RING_MASK);
		*padding = size > to_wrap ? to_wrap : 0;
		/* acquire: the writer's zeroes lie behind its move of tail */
		uint64_t used = head - __atomic_load_n(&w->tail, __ATOMIC_ACQUIRE);
		if (used + *padding + size > LOG_WRITER_BYTES)
			return false;
	} while (!__atomic_compare_exchange_n(&w->head, &head, head + *padding + size, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	*pos = head;
	return true;
}

static void commit(struct record_head *r, size_t len, bool is_padding)
{
	r->is_padding = is_padding;
	__atomic_store_n(&r->len, (uint32_t)len, __ATOMIC_RELEASE);
}

static void wake_writer(struct log_writer *w)
{
	ck_pr_fence_memory();	/* orders our commit before the read of sleeping; see the top */
	if (__atomic_load_n(&w->sleeping, __ATOMIC_RELAXED) != 0
	    && __atomic_exchange_n(&w->sleeping, 0, __ATOMIC_ACQ_REL) != 0)
		os_futex_wake(w->os, &w->sleeping, 1);
}

/* The writer's own notice of a gap is in hand: when it finds no room either it is no lost line, it is said later. */
static _Thread_local bool *telling;

static void take_line(void *arg, enum log_level level UNUSED, const char *line, size_t len)
{
	struct log_writer *w = arg;
	uint64_t pos;
	size_t padding;

	ASSERT(len > 0 && len <= LOG_RECORD_MAX);
	if (!claim(w, record_size(len), &pos, &padding)) {
		if (telling != NULL)
			*telling = false;
		else
			__atomic_fetch_add(&w->dropped, 1, __ATOMIC_RELAXED);
		return;
	}
	if (padding != 0) {
		commit(record_at(w, pos), padding, true);
		pos += padding;
	}
	struct record_head *r = record_at(w, pos);
	memcpy(r + 1, line, len);
	commit(r, len, false);
	wake_writer(w);
}

/* --- the writer ------------------------------------------------------------------------------- */

static void write_all(os_fd fd, struct iovec *iov, int n)
{
	while (n > 0) {
		ssize_t w = writev(fd, iov, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;		/* nowhere to complain: the log is the place for complaints */
		for (; n > 0 && (size_t)w >= iov->iov_len; iov++, n--)
			w -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + w;
			iov->iov_len -= (size_t)w;
		}
	}
}

/* The record at pos when it is committed. Beyond the last one lies one that is claimed, or zeros. */
static struct record_head *committed_at(struct log_writer *w, uint64_t pos)
{
	struct record_head *r = record_at(w, pos);

	return __atomic_load_n(&r->len, __ATOMIC_ACQUIRE) != 0 ? r : NULL;
}

static bool has_line(struct log_writer *w)
{
	return committed_at(w, w->tail) != NULL;
}

static void give_back(struct log_writer *w, uint64_t end)
{
	while (w->tail < end) {
		struct record_head *r = record_at(w, w->tail);
		size_t size = r->is_padding != 0 ? r->len : record_size(r->len);
		memset(r, 0, size);
		__atomic_store_n(&w->tail, w->tail + size, __ATOMIC_RELEASE);
	}
}

#define MESSAGE "\nMESSAGE="

/* What journald does not take goes where it would have gone without: the message alone, with its line's end. */
static void write_to_journal(struct log_writer *w, struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		ssize_t sent;

		while ((sent = sendto(w->journal, iov[i].iov_base, iov[i].iov_len, MSG_NOSIGNAL, (struct sockaddr *)&w->journal_at,
		                      sizeof(w->journal_at))) < 0 && errno == EINTR)
			;
		char *begin = sent < 0 ? memmem(iov[i].iov_base, iov[i].iov_len, MESSAGE, strlen(MESSAGE)) : NULL;
		if (begin == NULL)
			continue;
		begin += strlen(MESSAGE);
		size_t left = iov[i].iov_len - (size_t)(begin - (char *)iov[i].iov_base);
		char *end = memchr(begin, '\n', left);
		struct iovec text = { begin, end != NULL ? (size_t)(end - begin) + 1 : left };
		write_all(w->fd, &text, 1);
	}
}

/* Writes what is committed, up to WRITE_BATCH lines at once. Returns whether there was anything. */
static bool drain(struct log_writer *w)
{
	bool worked = false;

	while (has_line(w)) {
		struct iovec iov[WRITE_BATCH];
		struct record_head *r;
		uint64_t end = w->tail;
		int n = 0;
		while (n < WRITE_BATCH && end - w->tail < LOG_WRITER_BYTES && (r = committed_at(w, end)) != NULL) {
			if (r->is_padding == 0)
				iov[n++] = (struct iovec){ r + 1, r->len };
			end += r->is_padding != 0 ? r->len : record_size(r->len);
		}
		if (w->journal >= 0)
			write_to_journal(w, iov, n);
		else
			write_all(w->fd, iov, n);
		give_back(w, end);
		worked = true;
	}
	return worked;
}

static void tell_dropped(struct log_writer *w)
{
	uint64_t dropped = __atomic_load_n(&w->dropped, __ATOMIC_RELAXED);

	if (dropped == w->dropped_told)
		return;
	bool told = true;
	telling = &told;
	LOG_WARN(&w->log, log_lines_dropped, KV_I64("lines", (int64_t)(dropped - w->dropped_told)));
	telling = NULL;
	if (told)
		w->dropped_told = dropped;
}

/* The last of what was counted instead of written: here, because this thread is woken by the line before them. */
static mono_ns tell_repeats(struct log_writer *w, bool all)
{
	time_ms next = log_tell_repeats(all);

	return next < 0 ? MONO_NEVER : os_mono_ns(w->os) + next * 1000000;
}

static void sleep_until_woken(struct log_writer *w)
{
	mono_ns until = tell_repeats(w, false);

	__atomic_store_n(&w->sleeping, 1, __ATOMIC_RELAXED);
	ck_pr_fence_memory();	/* orders the announcement before the look at the ring; see the top */
	if (!has_line(w) && __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE) == 0)
		os_futex_wait(w->os, &w->sleeping, 1, until);
	__atomic_store_n(&w->sleeping, 0, __ATOMIC_RELAXED);
}

static void writer_main(void *arg)
{
	struct log_writer *w = arg;

	is_writer_thread = true;
	while (__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE) == 0) {
		if (!drain(w))
			sleep_until_woken(w);
		else
			tell_dropped(w);
	}
	(void)tell_repeats(w, true);
	tell_dropped(w);
	drain(w);
}

/* --- life ------------------------------------------------------------------------------------- */

static time_ms wall_clock(void *arg)
{
	return os_time_ms(arg);
}

enum err log_writer_create(struct os *os, struct log_writer **out, const char *path)
{
	*out = NULL;
	int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640) : STDERR_FILENO;
	if (fd < 0)
		return err_from_errno(errno);
	struct log_writer *w = aligned_alloc(CACHE_LINE, sizeof(*w));
	ASSERT(w != NULL);
	memset(w, 0, sizeof(*w));
	w->os = os;
	w->fd = fd;
	w->journal = -1;
	log_source_init(&w->log, "os", "log");
	log_set_clock(wall_clock, os);	/* the thread reads them */
	log_set_sink(take_line, w);
	enum err e = os_thread_start(os, &w->thread, "log", 128 * 1024, writer_main, w);
	if (e != OK) {
		log_set_sink(NULL, NULL);
		if (fd != STDERR_FILENO)
			close(fd);
		free(w);
		return e;
	}
	*out = w;
	return OK;
}

void log_writer_destroy(struct log_writer **wp)
{
	struct log_writer *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	wake_writer(w);
	os_thread_join(w->os, &w->thread);
	log_set_sink(NULL, NULL);
	if (last_writer == w)
		last_writer = NULL;
	if (w->fd != STDERR_FILENO)
		close(w->fd);
	if (w->journal >= 0) {
		close(w->journal);
		log_set_format(LOG_FORMAT_TEXT);
	}
	free(w);
}

bool log_writer_use_journal(struct log_writer *w, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	os_fd fd = strlen(path) < sizeof(to.sun_path) ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return false;
	strcpy(to.sun_path, path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return false;
	}
	close(fd);		/* it was there */
	w->journal_at = to;
	if ((w->journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return false;
	log_set_format(LOG_FORMAT_JOURNAL);
	return true;
}

bool log_writer_is_read_by_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

uint64_t log_writer_dropped(const struct log_writer *w)
{
	return __atomic_load_n(&w->dropped, __ATOMIC_RELAXED);
}

bool log_writer_flush(struct log_writer *w, mono_ms wait_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t goal = __atomic_load_n(&w->head, __ATOMIC_RELAXED);

	if (is_writer_thread)
		drain(w);
	for (mono_ms waited = 0; __atomic_load_n(&w->tail, __ATOMIC_ACQUIRE) < goal; waited++) {
		if (waited >= wait_ms)
			return false;
		wake_writer(w);
		nanosleep(&pause, NULL);
	}
	return true;
}

#define LAST_WAIT_MS 500	/* for a terminal or a disk that may be what is broken */

static void on_exit_flush(void)
{
	if (last_writer != NULL)
		(void)log_writer_flush(last_writer, LAST_WAIT_MS);
}

static void on_crash(int sig)
{
	on_exit_flush();
	raise(sig);	/* SA_RESETHAND: now with the default action, and its core */
}

void log_writer_flush_at_end(struct log_writer *w)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction sa = { .sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	last_writer = w;
	atexit(on_exit_flush);
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
}
