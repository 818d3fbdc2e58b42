/*
 * The log's writer: one thread that takes finished lines from all others and writes them to stderr
 * or a file, so that no actor ever waits for a terminal or a full disk.
 * Threads: any may log; create and destroy belong to main. Real machine only.
 * Bound:   LOG_WRITER_BYTES of waiting lines. Beyond it lines are dropped and counted; the gap is
 *          itself logged as log_lines_dropped when there is room again.
 */
#ifndef SKEIN_LOG_WRITER_H
#define SKEIN_LOG_WRITER_H

#include "base/log.h"
#include "os/os.h"

#define LOG_WRITER_BYTES (256 * 1024)

struct log_writer;

/* path NULL: stderr; else the file is appended to. From here until destroy all log lines go through
 * it. One per process. */
enum err log_writer_create(struct os *os, struct log_writer **out, const char *path) MUST_CHECK;
/* From now on lines go to journald, with fields, at the socket `path`; while it does not take them, to where they went before, as text. False: nobody is there. Before
 * there are threads that log. */
bool     log_writer_use_journal(struct log_writer *w, const char *path) MUST_CHECK;
/* Whether stderr is journald's ($JOURNAL_STREAM): then nobody else reads it. */
bool     log_writer_is_read_by_journal(void);
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
/* Writes what waits and gives logging back to plain stderr. No other thread may log meanwhile. */
void     log_writer_destroy(struct log_writer **w);
/* Waits until all that was logged before is written, at most so long. May be called from a signal
 * handler. */
bool     log_writer_flush(struct log_writer *w, mono_ms wait_ms);
/* From now on exit and SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL flush before the process ends as it
 * would have. */
void     log_writer_flush_at_end(struct log_writer *w);
uint64_t log_writer_dropped(const struct log_writer *w);	/* lines, since create */

#endif
