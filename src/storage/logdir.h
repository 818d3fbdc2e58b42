/*
 * A log directory: one entry of log.dirs, with its lock, identity, checkpoints, clean-shutdown
 * marker, progress marks and the partition directories below it.
 *
 * Owner:   the log-directory actor, or whoever opened it while the broker starts and stops. "Any
 *          thread" is said where it holds.
 * Waiting: everything but the look-ups waits for the device: start and stop, or a worker.
 * Memory:  what the checkpoints said is kept from logdir_load to logdir_forget, once every log is
 *          open.
 * Failure: an answer of ERR_IO from any file of the directory means logdir_set_offline, by whoever
 *          saw it first.
 *
 * In the order of a broker's life: logdir_open, logdir_claim, logdir_load, logdir_scan, (log_open
 * for each, with logdir_known), logdir_forget, then now and then logdir_write_checkpoint and
 * logdir_write_marks, at the end logdir_close_clean or logdir_close.
 */
#ifndef SKEIN_STORAGE_LOGDIR_H
#define SKEIN_STORAGE_LOGDIR_H

#include "base/err.h"
#include "base/log.h"
#include "base/uuid.h"
#include "os/os.h"
#include "storage/checkpoint.h"
#include "storage/log.h"
#include "storage/meta_properties.h"

#define LOGDIR_ERROR_MAX 1024
#define LOGDIR_LOCK_FILE  ".lock"
#define LOGDIR_CLEAN_FILE ".kafka_cleanshutdown"
#define LOGDIR_NAME_MAX  255		/* of a partition directory, with its suffix */

struct logdir;

/* Creates the directory when absent and takes the lock. One that cannot be used (not to be made, not
 * writable, not readable) is OK and offline from the start, as if its device had failed later: the
 * others serve. On failure, and when it is offline, `error` holds one sentence with the path and
 * the cause:
 *   ERR_LOCKED                    another process has it
 *   ERR_INVALID                   no path a log directory can have
 *   ERR_CORRUPT, ERR_UNSUPPORTED  its meta.properties is none of this mode: it may be somebody else's */
enum err logdir_open(struct logdir **out, struct os *os, const struct log_source *log,
	const char *path, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;
/* As a crash leaves it: releases the lock and the memory, writes nothing. */
void     logdir_close(struct logdir **d);

/* Any thread; as given, without trailing slashes */
const char *logdir_path(const struct logdir *d);
/* What meta.properties said; NULL: a fresh directory. */
const struct meta_properties *logdir_meta(const struct logdir *d);
/* The same of a directory that is not open; ERR_NOT_FOUND: a fresh one. */
enum err logdir_read_meta(struct os *os, const char *path, struct meta_properties *m, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;
/* Whether a broker has it, ours or Java's; false where that cannot be told. */
bool     logdir_is_in_use(struct os *os, const char *path);
/* Whether what it says fits this broker (-1: any) of this cluster (NULL: any). false: a sentence. */
bool     logdir_is_of(const char *path, const struct meta_properties *m, int32_t broker_id, const char *cluster_id, char error[LOGDIR_ERROR_MAX]);
/* The directory belongs to this broker of this cluster: writes meta.properties when fresh, else
 * compares (ERR_INVALID and a sentence; nothing is touched). broker_id >= 0. Offline: OK, nothing
 * is done. */
enum err logdir_claim(struct logdir *d, int32_t broker_id, const char *cluster_id,
	char error[LOGDIR_ERROR_MAX]) MUST_CHECK;

/* --- start ------------------------------------------------------------------------------------ */
/* Reads and removes the clean-shutdown marker, reads checkpoints and progress marks. A malformed
 * checkpoint: ERR_CORRUPT and a sentence (Kafka takes such a directory offline). Marks that cannot
 * be trusted are left aside silently. Offline: OK, nothing is known. */
enum err logdir_load(struct logdir *d, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;
bool     logdir_had_clean_shutdown(const struct logdir *d);
/* After neither a clean stop nor one of the process alone, as far as the progress marks show: what was not synced may be gone. */
bool     logdir_may_have_lost(const struct logdir *d);
/* Not cleanly, and not by a Java broker, as far as the marks show: they go with a clean stop. */
bool     logdir_was_left_by_us(const struct logdir *d);

struct logdir_known {			/* for log_spec; -1: no entry */
	int64_t recovery_point, log_start_offset, high_watermark, cleaner_offset;
	struct log_progress_mark mark;
};
/* Any thread, between load and forget. */
void     logdir_known(const struct logdir *d, const char *topic, int32_t partition,
	struct logdir_known *out);
void     logdir_forget(struct logdir *d);

enum logdir_kind { LOGDIR_PARTITION, LOGDIR_DELETED, LOGDIR_FUTURE, LOGDIR_STRAY };
struct logdir_entry {
	enum logdir_kind kind;
	char    name[LOGDIR_NAME_MAX + 1];	/* of the directory, below logdir_path */
	char    topic[LOGDIR_NAME_MAX + 1];	/* of LOGDIR_DELETED possibly shortened */
	int32_t partition;
};
/* Every partition directory, in byte order of names. A sub-directory that is none: ERR_INVALID and
 * a sentence with its name, before the first call. */
enum err logdir_scan(struct logdir *d, void (*each)(void *arg, const struct logdir_entry *e),
	void *arg, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;
/* The same of a directory that is not open. */
enum err logdir_scan_path(struct os *os, const char *path, void (*each)(void *arg, const struct logdir_entry *e),
	void *arg, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;

/* --- while it runs ---------------------------------------------------------------------------- */
enum logdir_checkpoint { LOGDIR_RECOVERY_POINTS, LOGDIR_LOG_STARTS, LOGDIR_HIGH_WATERMARKS,
	LOGDIR_CLEANER_OFFSETS, LOGDIR_CHECKPOINTS };
const char *logdir_checkpoint_name(enum logdir_checkpoint kind);		/* of its file in the directory */

/* Would logdir_load take the directory offline for this file? Looked at from outside, by any thread. */
enum err logdir_check_checkpoint(struct os *os, const char *dir, enum logdir_checkpoint kind, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;
/* A worker may run it, one at a time per kind. Atomic and synced. */
enum err logdir_write_checkpoint(struct logdir *d, enum logdir_checkpoint kind,
	const struct checkpoint_entry *entries, int n) MUST_CHECK;
/* When it says too much and cannot be written. Synced; absent: OK. */
enum err logdir_remove_checkpoint(struct logdir *d, enum logdir_checkpoint kind) MUST_CHECK;

/*
 * Progress marks: how far each active segment is known to be sound, for a restart after a killed
 * process that reads only what lies behind them. One file, `.skein-progress`, replaced whole and
 * never synced: it means something only while the kernel that holds the page cache lives (boot id),
 * so a power cut may do with it what it likes. Every log's mark is in it; to write 2,000 takes less
 * than a millisecond, so the actor does it together with the high watermarks, every 5 s: after a
 * crash at most 5 s of appends per log are scanned.
 *
 * A mark is trusted if the boot id and the segment's inode are the same, the file is not shorter,
 * and the batch that the mark names as the last one still ends where the mark says (position, CRC;
 * logdir_mark_holds). The last is what the modification time cannot tell, because our own appends
 * after the mark change it too: that nobody else (a Java broker between two starts of ours) has
 * truncated the file and written it anew. Its counts of index entries are trusted if these ascend.
 */
struct logdir_mark {
	struct slice             topic;
	int32_t                  partition;
	/* From log_progress; entries with is_valid false are left out */
	struct log_progress_mark mark;
};
enum err logdir_write_marks(struct logdir *d, const struct logdir_mark *marks, int n) MUST_CHECK;
/* Does the mark describe this open segment file? ERR_IO only when the device fails. */
enum err logdir_mark_holds(struct os *os, os_fd segment, const struct log_progress_mark *mark,
	bool *holds) MUST_CHECK;

/* Any thread */
enum err logdir_space(struct logdir *d, uint64_t *total, uint64_t *usable) MUST_CHECK;
/*
 * Is what lies under its name still this directory? ERR_NOT_FOUND: meta.properties has gone, for somebody has emptied it or taken its file system away. Logs go on in files that
 * nobody will find again, without any error: so the owner asks now and then.
 */
enum err logdir_check_place(struct logdir *d) MUST_CHECK;
/* The space again, kept for those who may not wait: who looks (when the directory is opened, then a worker now and then), and what was seen last. Zeros: nothing yet. */
void     logdir_look_at_space(struct logdir *d);
void     logdir_seen_space(const struct logdir *d, uint64_t *total, uint64_t *usable);	/* any thread */
bool     logdir_is_offline(const struct logdir *d);			/* any thread */
/* Any thread. The first call logs why; there is no way back but a restart. */
void     logdir_set_offline(struct logdir *d, enum err cause, const char *what);

/* --- deletion --------------------------------------------------------------------------------- */
/* "<topic>-<p>.<32 hex>-delete", the topic shortened so that it fits. */
void     logdir_deleted_name(const char *topic, int32_t partition, struct uuid id,
	char out[LOGDIR_NAME_MAX + 1]);
/* "<topic>-<p>.<32 hex>-future": of a copy that is to take a replica's place. False: too long for a
 * name. */
bool     logdir_future_name(const char *topic, int32_t partition, struct uuid id,
	char out[LOGDIR_NAME_MAX + 1]);
/* Is the name that of a partition directory? */
bool     logdir_parse_name(const char *name, struct logdir_entry *out);
/* Renames a partition directory, of whatever kind, to be removed later. Absent: OK. Any thread. */
enum err logdir_give_up(struct logdir *d, const char *name, const char *topic, int32_t partition) MUST_CHECK;
/* The same for one that nobody is known to own: "<topic>-<p>.<32 hex>-stray", which nothing here removes. `now`: its name from here on. */
enum err logdir_set_aside(struct logdir *d, const char *name, const char *topic, int32_t partition, char now[LOGDIR_NAME_MAX + 1]) MUST_CHECK;
/* A replica's directory is in two log directories: a swap was cut short (log.h). *which is the one that counts; the other is given up, and that is on the device. ERR_INVALID: not
 * for that reason, nothing was done. */
enum err logdir_settle_swap(struct logdir *const two[2], const char *topic, int32_t partition, int *which) MUST_CHECK;
/* Removes a partition directory and all files in it; absent: OK. A directory inside: ERR_NOT_EMPTY.
 * A worker. */
enum err logdir_purge(struct os *os, const char *path) MUST_CHECK;
/* Removes the "*.deleted" files of a partition directory. A worker. */
enum err logdir_purge_files(struct os *os, const char *path) MUST_CHECK;

/* --- clean stop ------------------------------------------------------------------------------- */
/* After every log was closed clean and the checkpoints are written: writes the clean-shutdown marker
 * last, and then removes the marks, releases the lock. On an error there is no marker, but for
 * ERR_NO_SPACE the marks, with which the next start is as fast; the directory is closed all the
 * same. */
enum err logdir_close_clean(struct logdir **d) MUST_CHECK;

#endif
