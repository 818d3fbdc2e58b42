/*
 * The history of a partition's leaders: (epoch, start offset) pairs, both ascending, kept in
 * `leader-epoch-checkpoint`.
 *
 * Owner:   the log that opened it.
 * Memory:  16 bytes per epoch; grows when an epoch begins (an election), never with the data.
 * Disk:    every change of the list marks it dirty; leader_epochs_write rewrites the file (new
 *          file, synced, renamed: old or new content, never torn). When a write is late or lost in
 *          a power cut nothing wrong comes of it: entries that the log's batches carry are assigned
 *          again in recovery, entries at or above the end are dropped at open, and an epoch that
 *          never had a batch is assigned again or has been replaced by a later one.
 */
#ifndef SKEIN_STORAGE_LEADER_EPOCHS_H
#define SKEIN_STORAGE_LEADER_EPOCHS_H

#include "base/err.h"
#include "base/slice.h"
#include "os/os.h"

struct leader_epoch { int32_t epoch; int64_t start_offset; };

/* Embedded in the log; zero bytes are an empty history without a file */
struct leader_epochs {
	struct leader_epoch *entries;
	int  count, room;
	bool is_dirty;		/* the file is behind the list */
};

void     leader_epochs_init(struct leader_epochs *e);
void     leader_epochs_fini(struct leader_epochs *e);
/* From the directory's file; absent or empty: no entries. ERR_CORRUPT: not Kafka's format, or not
 * ascending (the list is empty then, and recovery from the log's batches is the cure). */
enum err leader_epochs_read(struct leader_epochs *e, struct os *os, const char *dir) MUST_CHECK;
/* One line of the file; whether it ascends is the list's to say. */
bool     leader_epochs_parse_line(struct slice line, struct leader_epoch *out);
/* Writes when dirty. Waits for the device. */
enum err leader_epochs_write(struct leader_epochs *e, struct os *os, const char *dir) MUST_CHECK;

/* epoch, offset >= 0. The latest epoch again, not before its start: nothing. Otherwise entries with
 * a higher or equal epoch or start give way. */
void     leader_epochs_assign(struct leader_epochs *e, int32_t epoch, int64_t start_offset);
/* Drops entries with start >= end_offset */
void     leader_epochs_truncate(struct leader_epochs *e, int64_t end_offset);
/* The entry that covers it now begins there */
void     leader_epochs_raise_start(struct leader_epochs *e, int64_t start_offset);
void     leader_epochs_clear(struct leader_epochs *e);

/* -1: none */
int32_t  leader_epochs_latest(const struct leader_epochs *e);
/* The epoch that covers the offset, -1 */
int32_t  leader_epochs_at(const struct leader_epochs *e, int64_t offset);
/* Where did the wanted epoch end? *epoch and *end_offset are -1 when undefined. */
void     leader_epochs_end_offset_for(const struct leader_epochs *e, int32_t wanted,
	int64_t log_end_offset, int32_t *epoch, int64_t *end_offset);

#endif
