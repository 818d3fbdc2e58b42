/*
 * A log is the storage of one partition replica: its directory, segments, indexes, producer state
 * and leader epochs, in Kafka's files byte for byte.
 *
 * Owner:     one partition actor. Only what is marked "any thread" may be called elsewhere.
 * Waiting:   log_append, log_read and the look-ups never wait for a device as far as the page cache
 *            allows. Opening, clean closing and truncation do. A flush and a look-up by time are
 *            jobs of three parts: log_x_begin (owner), log_x_run (any thread, touches only the
 *            job), log_x_end (owner).
 * Memory:    append and read allocate nothing. An idle log costs a few KiB and no descriptor;
 *            descriptors are opened on demand and at most LOG_FDS_MAX are kept per log (never one
 *            that a reader holds by a log_file reference).
 * Invariant: log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset;
 *            recovery_point <= synced_offset <= log_end_offset; every byte before the end has
 *            passed its CRC when it was appended or recovered.
 * Failure:   ERR_NO_SPACE: the append left no trace, the log stays usable. ERR_IO: the caller takes
 *            the log directory offline.
 */
#ifndef SKEIN_STORAGE_LOG_H
#define SKEIN_STORAGE_LOG_H

#include "base/config.h"
#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "os/os.h"

#define LOG_FDS_MAX 6

struct log;

/* --- opening ---------------------------------------------------------------------------------- */
struct log_progress_mark {		/* what was known to be sound when it was written; see
					 * logdir.h, "progress marks" */
	bool     is_valid;		/* false: none, or the boot id does not match: normal
					 * recovery */
	int64_t  segment_base, file_size;	/* bytes of the active segment known to be whole
						 * batches */
	uint64_t inode;
	int64_t  last_batch_pos;	/* where the last of those batches begins, -1: file_size is
					 * 0 ... */
	uint32_t last_batch_mark;	/* ... and its batch_mark: together they tell that nobody
					 * has rewritten the file, and nothing was cut since */
	uint32_t offset_entries, time_entries;	/* index entries that speak of those bytes; 0, 0 is
						 * always true, but costs a walk of all headers */
};

struct log_spec {
	struct os                *os;
	const struct log_source  *log;
	const char               *dir;			/* ".../orders-3"; created when absent */
	const char               *topic;
	int32_t                   partition;
	struct uuid               topic_id;		/* zero: not known; else checked with
							 * partition.metadata, and written there */
	const struct topic_config *config;		/* copied */
	int32_t                   producer_id_expiration_ms;
	/* from the log directory's checkpoints: -1 when there is no entry */
	int64_t                   recovery_point, log_start_offset, high_watermark, cleaner_offset;
	bool                      had_clean_shutdown;
	bool                      was_left_by_us;	/* after an unclean end: who compacted last was not Java, whose cleaner leaves gaps between segments */
	struct log_progress_mark  mark;
	time_ms                   now;
};

struct log_recovery {			/* what opening had to do, for the log line and the tests */
	int64_t bytes_scanned, bytes_cut;
	int32_t segments_recovered, segments_deleted;
	int64_t records_replayed;	/* into producer state */
	bool    is_of_another_topic;	/* why it was not opened, with ERR_CORRUPT */
};

/* Sweeps, recovers, checks the topic id (see README). ERR_CORRUPT: the directory cannot be served (foreign
 * magic, topic id of another topic). A full disk is no reason not to open: what finds no room is written
 * later, or left out (an index entry). ERR_NO_SPACE only where recovery could not do without (aborted
 * transactions, which readers must not miss). */
enum err log_open(struct log **out, const struct log_spec *spec,
	struct log_recovery *recovery) MUST_CHECK;
/* The topic id became known after opening (a log that an older broker wrote). */
void     log_set_topic_id(struct log *log, struct uuid topic_id);

/* Closes all descriptors that no reader holds, and gives back blocks that appends would have needed: for
 * upkeep of a log that has been idle for a while. */
void     log_release_files(struct log *log);
/* At the end of each turn: closes those of them that others need more, as descriptors are scarce. True: readers hold some still. */
bool     log_release_spare_files(struct log *log);
/* Clean close: final time index entries, indexes trimmed, producer snapshot, everything synced;
 * then log_close. Waits for the device. */
enum err log_close_clean(struct log *log) MUST_CHECK;
void     log_close(struct log **log);		/* as a crash would leave it; releases memory and
						 * descriptors */

/* --- append ----------------------------------------------------------------------------------- */
struct log_append {
	/* question */
	uint8_t  *batch;		/* one whole batch that record/validate.h accepted; base
					 * offset and leader epoch are written into it */
	uint32_t  batch_bytes;
	bool      is_coordinator;	/* written by a coordinator of ours: no sequence checks,
					 * control batches allowed */
	/* answer */
	enum kafka_error error;		/* NONE; those of producer_state_stage;
					 * RECORD_LIST_TOO_LARGE; KAFKA_STORAGE_ERROR */
	bool      is_duplicate;		/* error NONE, nothing written: the offsets are those of the
					 * first time */
	int64_t   base_offset, last_offset;
	time_ms   max_timestamp;	/* of the stored batch */
};

/* Leader: assigns offsets and writes all accepted batches with one pwritev per segment, updates
 * indexes, epochs, producers. Per-batch refusals are answers; the result is an error only for the
 * device. Then the appends of the write that failed and all after them carry KAFKA_STORAGE_ERROR
 * and left no trace; when the call went over a segment's end, those before may stand, with their
 * answers. n <= LOG_APPEND_MAX. */
#define LOG_APPEND_MAX 256
enum err log_append(struct log *log, struct log_append *const *appends, int n, int32_t leader_epoch,
	time_ms now) MUST_CHECK;
/* Follower: whole batches as fetched, bytes unchanged; an incomplete one at the end is left out. A
 * log that is empty takes a first batch that straddles its end and starts at that batch's base.
 * ERR_CORRUPT: CRC, sizes, offsets that do not ascend or begin before the log end (nothing of the
 * call is in the log). ERR_UNSUPPORTED: an old format. A device error: whole batches before it may
 * be in the log: log_end_offset tells. */
enum err log_append_fetched(struct log *log, struct slice batches, time_ms now) MUST_CHECK;
/* A new leader's epoch begins at the log end, also before any record. */
enum err log_begin_epoch(struct log *log, int32_t leader_epoch) MUST_CHECK;

/* --- read ------------------------------------------------------------------------------------- */
struct log_file;		/* an open segment file, counted; immutable below the high
				 * watermark */
struct log_file *log_file_ref(struct log_file *f);		/* any thread */
void             log_file_unref(struct log_file **f);		/* any thread; the last one closes
								 * it */
os_fd            log_file_fd(const struct log_file *f);
uint32_t         log_file_generation(const struct log_file *f);	/* any thread; moved on by a
								 * truncation: a sender compares and
								 * closes */

struct log_range {
	struct log_file *file;		/* a reference for the caller; NULL when there is nothing */
	int64_t  file_pos;
	uint32_t len;			/* 0: nothing (or the first batch does not fit) */
	uint32_t generation;		/* of the file when this was answered */
	uint32_t first_batch_bytes;
	int64_t  first_batch_offset;	/* base offset of the batch that holds the wanted offset */
	int64_t  end_offset_hint;	/* exclusive bound for
					 * log_aborted_transactions */
	bool     has_next_segment;	/* the offset's segment is not the active one */
};

/* Bytes from the batch that contains `offset` up to `bound_offset` (exclusive), at most max_bytes
 * of one segment; with first_whole the first batch comes whole even if it is larger. The last batch
 * may be cut. ERR_OUT_OF_RANGE: offset < start or > end. offset == end or >= bound: OK, len 0. */
enum err log_read(struct log *log, int64_t offset, int64_t bound_offset, uint32_t max_bytes,
	bool first_whole, struct log_range *out) MUST_CHECK;
/* The same for a reader that wants records, not a copy of the log: the range does not begin with batches that have none, unless there is nothing else up to the
 * bound (or a thousand of them). librdkafka takes some ten answers without a record for a record that is too large. */
enum err log_read_records(struct log *log, int64_t offset, int64_t bound_offset, uint32_t max_bytes,
	bool first_whole, struct log_range *out) MUST_CHECK;
/* Where a reader goes on that can read nothing more of the segment with `offset`: the base of the
 * segment behind it, or the log end. */
int64_t  log_next_segment_base(const struct log *log, int64_t offset);
/* Bytes from `offset` to `bound_offset` over all segments, at most `cap`, for min_bytes of a long
 * poll; cheap estimate allowed upwards by one batch. */
uint64_t log_bytes_between(struct log *log, int64_t offset, int64_t bound_offset, uint64_t cap);

struct log_aborted { int64_t producer_id, first_offset; };
/* Aborted transactions overlapping [from, to), in index order. Writes at most max, returns the
 * whole number. */
int      log_aborted_transactions(struct log *log, int64_t from, int64_t to,
	struct log_aborted *out, int max);

/* --- what is known ---------------------------------------------------------------------------- */
int64_t  log_start_offset(const struct log *log);
int64_t  log_end_offset(const struct log *log);
int64_t  log_first_segment_base(const struct log *log);	/* the lowest base offset of its files */
int64_t  log_high_watermark(const struct log *log);
int64_t  log_last_stable_offset(const struct log *log);
int64_t  log_recovery_point(const struct log *log);		/* for the checkpoint; a segment's
								 * base, at most
								 * log_synced_offset */
int32_t  log_latest_epoch(const struct log *log);		/* -1: none */
int64_t  log_size_bytes(const struct log *log);
int32_t  log_segment_count(const struct log *log);
struct uuid log_topic_id(const struct log *log);
const struct topic_config *log_config(const struct log *log);
/* Where did the wanted epoch end? *epoch and *end are -1 when undefined. */
void     log_end_offset_for_epoch(const struct log *log, int32_t wanted, int32_t *epoch,
	int64_t *end);
int32_t  log_epoch_at(const struct log *log, int64_t offset);	/* epoch of the entry that covers
								 * the offset, -1 */

/* -1, -1, -1: none */
struct log_time_offset { int64_t timestamp, offset; int32_t leader_epoch; };

/* --- by time: a job, for everything that it reads may be cold --------------------------------- */
#define LOG_TIME_LARGEST (-1)
struct time_search;
struct log_time_lookup {
	/* question: first record with timestamp >= target (>= 0) and offset >= log start;
	 * LOG_TIME_LARGEST: the first of those with the largest timestamp */
	time_ms                target;
	/* ListOffsets v0 instead: base offsets of at most max segments last written at or before
	 * `target` (-1 latest: the log end first; -2 earliest: the oldest only), newest first, each
	 * above `cap` (exclusive bound of what the asker may see) replaced once by cap */
	bool                   lists_segments;
	int64_t                cap;
	int                    max;
	/* answer */
	struct log_time_offset found;
	int64_t               *offsets;	/* the job's own, until end */
	int                    count;
	enum err               result;
	struct time_search    *search;	/* the job's own, from begin to end */
};
void     log_time_lookup_begin(struct log *log, struct log_time_lookup *l);
/* Any thread. The log may change meanwhile, and even be closed. */
void     log_time_lookup_run(struct log_time_lookup *l);
/* Once. ERR_AGAIN: the log was cut meanwhile, begin anew. log NULL: nobody wants the answer. */
enum err log_time_lookup_end(struct log *log, struct log_time_lookup *l) MUST_CHECK;


/* --- change ----------------------------------------------------------------------------------- */
/* clamped to [start, end] by assertion: the caller's duty */
void     log_set_high_watermark(struct log *log, int64_t high_watermark);
/* <= high watermark, else ERR_OUT_OF_RANGE */
enum err log_raise_start_offset(struct log *log, int64_t offset) MUST_CHECK;
/* Both: ERR_NO_SPACE: nothing was cut. ERR_AGAIN: nor was it now, a compaction is about to put what lies there in its place (log_is_settling). */
enum err log_truncate_to(struct log *log, int64_t offset) MUST_CHECK;
enum err log_truncate_fully_and_start_at(struct log *log, int64_t offset) MUST_CHECK;
void     log_set_config(struct log *log, const struct topic_config *config);
/* a new active segment at the end, when the active one is not empty */
enum err log_roll(struct log *log, time_ms now) MUST_CHECK;
/* Segments that lie wholly below the log start and the recovery point, not the active one: renamed
 * to .deleted for logdir_purge_files. *removed (may be NULL): how many. */
enum err log_remove_segments_below_start(struct log *log, int *removed) MUST_CHECK;
/* Raises the log start over what is too old or too much for the topic's configuration, then removes as above. What is below the log start and cannot go yet goes in a later
 * call. Reads an index entry or two of segments that have not been looked at since the log was opened. ERR_NO_SPACE: later. */
enum err log_retain(struct log *log, time_ms now, int *removed) MUST_CHECK;
/* Drops producers idle for longer than the expiration; every
 * producer.id.expiration.check.interval. */
void     log_expire_producers(struct log *log, time_ms now);

struct log_producer {		/* for DescribeProducers and tests */
	int64_t producer_id, last_timestamp, current_txn_first_offset;	/* -1 none */
	int32_t last_sequence, coordinator_epoch;
	int16_t producer_epoch;
};
/* returns the whole number */
int      log_producers(struct log *log, struct log_producer *out, int max);

/* --- flush: one fdatasync for all that arrived meanwhile -------------------------------------- */
struct leader_epochs;
struct log_flush {		/* lives in the owner's job; one at a time per log, which must not
				 * be closed meanwhile */
	struct os       *os;
	const char      *dir;
	struct log_file *file;		/* the active .log; NULL: the files of segment_base by name,
					 * indexes too */
	int64_t          segment_base;	/* -1: no data to sync */
	int64_t          snapshot_offset;	/* -1: none */
	bool             is_whole;		/* all that belongs to the segment: the recovery
						 * point leaves it */
	struct leader_epochs *epochs;	/* a copy to write; NULL: the file is up to date */
	struct uuid      topic_id;		/* zero: partition.metadata is there */
	bool             sync_dir, sync_parent;
	bool             has_more;		/* run again from the new recovery point */
	int64_t          up_to;
	enum err         result;
};
/* Is there something a worker should bring to the device soon, whatever log.flush.acks says: the
 * epochs, a segment that was rolled away from? Until it is done, a restart after a crash has more
 * to read. A log that has never held a record owes the device nothing: what was promised about it
 * stands in the coordination store. */
bool     log_wants_flush(const struct log *log);
/* One segment, the oldest first. False when nothing is unsynced. Afterwards end is called exactly
 * once, also when the log was truncated meanwhile. */
bool     log_flush_begin(struct log *log, struct log_flush *f);
void     log_flush_run(struct log_flush *f);				/* any thread */
/* OK: the synced offset is now up_to (or where a truncation put it). ERR_NO_SPACE:
 * the small files that go with a flush found no room; nothing is lost, they are still owed: begin again
 * later. Any other error is final for the log directory. */
enum err log_flush_end(struct log *log, struct log_flush *f) MUST_CHECK;
int64_t  log_synced_offset(const struct log *log);	/* batches below survive a power cut */

/* Progress mark for a fast restart: what log_open may trust after a killed process. */
void     log_progress(const struct log *log, struct log_progress_mark *out);

/* --- a copy in another log directory takes the place of the log ------------------------------- */
/* Both hold the same history up to here, at most the copy's end; -1: it cannot be known. */
int64_t  log_parting(const struct log *log, const struct log *copy);
/* The copy holds every batch of the log: it takes over what they do not say, and is brought to the
 * device whole. Waits for it. */
enum err log_take_over(struct log *copy, const struct log *log) MUST_CHECK;
/* Everything below the end, here and now: as all flushes that a worker would run. */
enum err log_flush_now(struct log *log) MUST_CHECK;
/* The log's directory gets another name, in the same parent, which is the caller's to sync. An error:
 * it has its old one. */
enum err log_rename(struct log *log, const char *dir) MUST_CHECK;
/* A file that says: of two directories with this replica's name, this one counts. It is there from
 * before the copy gets that name until the log has lost it. Both are on the device after OK. */
enum err log_swap_note_write(struct os *os, const char *dir) MUST_CHECK;
enum err log_swap_note_remove(struct os *os, const char *dir) MUST_CHECK;	/* none: OK */
bool     log_has_swap_note(struct os *os, const char *dir);

/* --- deletion --------------------------------------------------------------------------------- */
/* Closes the log and renames its directory to <topic>-<p>.<uuid>-delete; the files go later, by
 * logdir_purge. */
enum err log_delete(struct log **log) MUST_CHECK;

#endif
