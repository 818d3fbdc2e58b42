/*
 * Kafka's checkpoint text: a version line 0, a count, and as many lines `topic partition offset`.
 * Four files of a log directory have it. The leader epochs of a partition have the same frame
 * around lines of two numbers, so the frame is read and written here for both.
 *
 * Threads: any; nothing is kept. Memory: the whole file while it is read (at most
 *          CHECKPOINT_BYTES_MAX).
 * Crash:   written by os_replace_file: old or new content, never torn.
 */
#ifndef SKEIN_STORAGE_CHECKPOINT_H
#define SKEIN_STORAGE_CHECKPOINT_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "os/os.h"

#define CHECKPOINT_BYTES_MAX (256 << 20)	/* a million partitions with the longest names */

struct checkpoint_entry {
	struct slice topic;
	int32_t      partition;
	int64_t      offset;
};

/* Calls each(arg, entry) per line; the topic is borrowed for the call. Absent or empty file: OK, no
 * call. ERR_CORRUPT: wrong version, malformed line, wrong count; found before the first call. */
enum err checkpoint_read(struct os *os, const char *path,
	void (*each)(void *arg, const struct checkpoint_entry *e), void *arg) MUST_CHECK;
/* Atomic and synced: waits for the device. n == 0 writes the frame of an empty list. */
enum err checkpoint_write(struct os *os, const char *path, const struct checkpoint_entry *entries,
	int n) MUST_CHECK;

/* The frame. lines(arg, line) returns false for a malformed line. */
enum err checkpoint_parse(struct slice text, bool (*line)(void *arg, struct slice line),
	void *arg) MUST_CHECK;
/* A line of the four files. */
bool     checkpoint_parse_entry(struct slice line, struct checkpoint_entry *e);
void     checkpoint_print(struct strbuf *out, const struct checkpoint_entry *entries, int n);

/* A decimal number, no sign but '-', no blanks, in range of int64: what such files and names are
 * made of. */
bool     checkpoint_number(struct slice text, int64_t *out);

#endif
