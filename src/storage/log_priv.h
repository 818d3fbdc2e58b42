/*
 * Inside of a log: what log_*.c share. Owner: the partition's thread.
 */
#ifndef SKEIN_STORAGE_LOG_PRIV_H
#define SKEIN_STORAGE_LOG_PRIV_H

#include "storage/batch_scan.h"
#include "storage/leader_epochs.h"
#include "storage/log.h"
#include "storage/producer_snapshot.h"
#include "storage/producer_state.h"
#include "storage/segment.h"

#define RECENT_BATCHES         32	/* of the active segment, remembered so that readers at the
					 * end read no index */
#define ABORTED_STAGE_MAX      8	/* abort markers of one write */
#define SNAPSHOT_EVERY_BYTES   (16 << 20)	/* of appends: what a restart replays at most, but
						 * for large states: see snapshot_is_due */
#define SNAPSHOT_EXTRA_KEPT    2

struct log {
	struct os               *os;
	const struct log_source *source;
	char                    *topic;
	int32_t                  partition;
	struct uuid              topic_id;
	struct topic_config      config;
	struct segment_store     store;

	struct segment         **segments;	/* ascending; at least one; the last is the active
						 * one */
	int                      segment_count, segment_room;
	int64_t                  size_bytes;

	int64_t start_offset, end_offset, high_watermark;
	int64_t batches_end;			/* behind the last batch: below end_offset after a
						 * truncation inside a batch */
	int64_t first_unstable_offset;		/* -1: none */
	int64_t synced_offset;			/* batches below are on the device */
	int64_t recovery_point;			/* and so is all that belongs to the segments below:
						 * a segment's base, but after a clean close */
	int64_t  checkpointed;			/* no checkpoint names a higher recovery point */
	bool     has_cut_note;			/* cut_note.h */

	struct leader_epochs     epochs;
	struct producer_state   *producers;
	uint64_t bytes_since_snapshot;
	int64_t  extra_snapshots[SNAPSHOT_EXTRA_KEPT];	/* offsets of those that belong to no
							 * segment, newest first; -1 none */

	struct batch_place recent[RECENT_BATCHES];	/* ring; consecutive batches up to the end
							 * of the active segment */
	uint32_t           recent_count, recent_next;

	int64_t  dirty_offset;			/* log_clean.h; -1 */
	int64_t  settling_end;			/* of the group of a compaction that is about to be in its place; 0: there is none */
	bool     is_broken;			/* a failed append could not be taken back: nothing
						 * more is appended */
	bool     has_aborted;			/* some segment has a transaction index */
	bool     is_dir_dirty;			/* names of segment files have changed since the
						 * directory was synced */
	/* The next flush also syncs the name of the directory, writes partition.metadata. */
	bool     owes_parent, owes_metadata;
	bool     is_new;			/* its directory was made when it was opened, or nobody has come further with it */
	/* What a full disk has put off. Files: those of its one, empty segment, and perhaps the directory,
	 * are made with the first append. */
	bool     owes_files, owes_snapshot;
	uint32_t cuts;				/* segments removed and tails cut off: what was
						 * looked up before one is void */
	uint32_t truncations;
	bool     is_flush_out, is_epoch_write_out;
	int64_t  flush_limit;			/* of the flush that is out: where truncations have
						 * cut meanwhile */
	struct log_progress_mark epoch_mark;	/* progress when the epochs on disk fell behind;
						 * valid while they are */
	int64_t  last_batch_pos;		/* in the active segment, -1: empty; for
						 * log_progress */
	uint32_t last_batch_mark;
};

static inline struct segment *log_active(const struct log *log)
{
	return log->segments[log->segment_count - 1];
}

/* --- log.c ------------------------------------------------------------------------------------ */
/* in its place by base offset */
void     log_add_segment(struct log *log, struct segment *s);
/* out of the array; the segment is the caller's */
void     log_forget_segment(struct log *log, int at);
/* number of the last one with base <= offset; -1 */
int      log_segment_at(const struct log *log, int64_t offset);
void     log_update_first_unstable(struct log *log);
enum err log_parent_dir(const char *dir, char out[LOG_PATH_MAX]) MUST_CHECK;
void     log_set_end(struct log *log, int64_t end_offset);
void     log_forget_recent(struct log *log);
/* After open and truncation: what segment_read_end found in the active segment. */
void     log_set_last_batch(struct log *log, const struct segment_end *end);
void     log_remember_batch(struct log *log, const struct batch_place *place, uint32_t mark);
/* Before the epochs change in memory: from now on until they are on disk, log_progress says no more
 * than it would say now. */
void     log_epochs_will_change(struct log *log);
/* After a truncation: that progress may be beyond the end now. */
void     log_lower_epoch_mark(struct log *log);
/* after log_epochs_will_change, and after the batch is written */
void     log_assign_epoch(struct log *log, int32_t epoch, int64_t offset);

/* The one segment of an empty log. Where there is no room for its files, they are owed. */
enum err log_add_first_segment(struct log *log, int64_t offset, time_ms now) MUST_CHECK;
/* Before anything is appended. ERR_NO_SPACE: later. */
enum err log_make_owed_files(struct log *log) MUST_CHECK;

/* --- log_producers.c -------------------------------------------------------------------------- */
/* Fills the question from a batch of `len` bytes (the whole of a control batch; else the header is
 * enough). */
void     producer_append_from_batch(struct producer_append *a, const uint8_t *batch, size_t len,
	enum producer_origin origin);
/* A fetched or recovered batch: updates the state at once. When txns is not NULL an ended aborted
 * transaction goes there. */
enum err log_feed_producers(struct log *log, const uint8_t *batch, size_t len,
	struct txn_index *txns) MUST_CHECK;
/* The same for the batch that a scan has just passed at `at`; reads the whole of a control
 * batch. */
enum err log_feed_scanned(struct log *log, struct batch_scan *scan, const uint8_t *header,
	int64_t at, struct txn_index *txns) MUST_CHECK;
/* Headers from the state's end to to_offset. Without transaction index entries: those are there. */
enum err log_replay_producers(struct log *log, int64_t to_offset, int64_t *records) MUST_CHECK;
/* State at the end from the newest snapshot and the log; a snapshot there. */
enum err log_reload_producers(struct log *log, time_ms now, int64_t *records) MUST_CHECK;
enum err log_write_snapshot(struct log *log) MUST_CHECK;
/* At open and in a truncation: the same, but one at or below the recovery point is synced, and without space it is owed, as it
 * only shortens a restart. */
enum err log_write_snapshot_or_owe(struct log *log) MUST_CHECK;
/* After appends: an extra snapshot when enough has been written since the last one. No space:
 * later. */
enum err log_snapshot_if_due(struct log *log) MUST_CHECK;

/* --- log_sweep.c ------------------------------------------------------------------------------ */
/* Removes remains, attaches every segment. *damaged_from: base of the first segment whose indexes
 * must be made anew, INT64_MAX none. */
enum err log_sweep(struct log *log, time_ms now, int64_t *damaged_from) MUST_CHECK;

/* --- log_recover.c ---------------------------------------------------------------------------- */
enum err log_load(struct log *log, const struct log_spec *spec,
	struct log_recovery *recovery) MUST_CHECK;

/* --- log_flush.c ------------------------------------------------------------------------------ */
/* Every file of a segment, and the snapshot (-1: none), by name. Any thread. */
enum err log_sync_segment(struct os *os, const char *dir, int64_t base_offset,
	int64_t snapshot_offset) MUST_CHECK;
/* The active segment's indexes too, for a clean close. */
bool     log_flush_begin_closing(struct log *log, struct log_flush *f);

/* --- log_truncate.c --------------------------------------------------------------------------- */
/* renamed to .deleted, with its snapshot when it has one */
enum err log_remove_segment(struct log *log, int at) MUST_CHECK;

/* --- log_append.c ----------------------------------------------------------------------------- */
enum err log_roll_at(struct log *log, int64_t base_offset, time_ms now) MUST_CHECK;

#endif
