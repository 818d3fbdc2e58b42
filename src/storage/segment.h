/*
 * A segment is one append-only file of batches, the sparse offset and time index beside it, and the
 * list of aborted transactions whose markers lie in it.
 *
 * Owner:     its log.
 * Memory:    about 200 bytes; the files are opened on demand through the log's cache.
 * Invariant: tail.size bytes of the file are whole batches with ascending offsets; both indexes
 *            speak of those only. Loading:   a segment found at open knows its name and size; its
 *            index counts and last entries are read when first
 *            asked for (segment_load), so that opening a log with a thousand segments reads none of
 *            their indexes.
 */
#ifndef SKEIN_STORAGE_SEGMENT_H
#define SKEIN_STORAGE_SEGMENT_H

#include "base/config.h"
#include "record/batch.h"
#include "storage/log_file.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"
#include "storage/txn_index.h"

#define SEGMENT_BYTES_MAX  INT32_MAX		/* positions are int32 in the offset index */
#define SEGMENT_NAME_MAX   48
#define LOG_PATH_MAX       1024
#define STAGE_BATCHES_MAX  256
#define SEGMENT_AHEAD      (16u << 20)	/* bytes of blocks a large segment has before it needs them */

#define SEGMENT_CLEANED ".cleaned"	/* being written by a compaction */
#define SEGMENT_SWAP    ".swap"	/* whole, and about to take the place of others */

enum segment_part { SEGMENT_LOG, SEGMENT_OFFSETS, SEGMENT_TIMES, SEGMENT_PARTS };
extern const char *const segment_suffix[SEGMENT_PARTS];		/* ".log" ... */

struct segment_store {		/* what all segments of a log share */
	struct os            *os;
	char                 *dir;
	const struct topic_config *config;
	struct file_cache     cache;
	bool                  is_borrowed;	/* a worker's: files are only read, none is made */
};

struct segment_tail {		/* what an append moves: copied to stage it, assigned to make it
				 * true */
	uint32_t          size;
	uint32_t          bytes_since_entry;	/* in the file since the last offset entry, 0 at
						 * open */
	bool              knows_first;
	time_ms           first_timestamp;	/* max timestamp of the first batch; valid when
						 * knows_first */
	struct time_entry largest;		/* timestamp -1: none */
	struct time_entry last_time;		/* of the time index; timestamp -1: empty */
	uint32_t          last_entry_pos;	/* of the offset index; 0: empty */
	int64_t           last_entry_offset;	/* < base: empty */
};

struct segment {
	struct segment_store *store;
	int64_t  base_offset;
	uint64_t inode;				/* of .log */
	time_ms  created;
	int64_t  roll_jitter_ms;
	bool     is_loaded;
	bool     is_sparse;			/* entries are missing that there was no room for: another making gives others */
	bool     is_remade;			/* its .index is made anew, under another name until all indexes are whole */
	const char *extra;			/* behind each file's name while it is not in its place: SEGMENT_CLEANED, SEGMENT_SWAP; "" */
	int64_t  allocated;			/* up to where its .log was given blocks ahead; 0: it was not; INT64_MAX: it cannot be */
	struct segment_tail tail;
	struct index_file   offsets, times;
	struct txn_index    txns;
	struct log_file    *files[SEGMENT_PARTS];	/* NULL: not open */
};

/* --- names and files -------------------------------------------------------------------------- */
void     segment_path(const struct segment_store *store, int64_t base_offset, const char *suffix,
	char out[LOG_PATH_MAX]);
/* Of a file of this segment, wherever it is at the moment. */
void     segment_own_path(const struct segment *s, const char *suffix, char out[LOG_PATH_MAX]);
/* Twenty digits and a suffix; *suffix points into name. */
bool     segment_parse_name(const char *name, int64_t *base_offset, const char **suffix);
/* A new empty one, in memory: segment_make creates its files before anything is written to them. */
struct segment *segment_new(struct segment_store *store, int64_t base_offset, time_ms now);
/* Creates .log and the reserved .timeindex; .index comes with the first append. Leaves no file behind
 * on failure, and may be tried again. */
enum err segment_make(struct segment *s) MUST_CHECK;
/* Both. */
enum err segment_create(struct segment **out, struct segment_store *store, int64_t base_offset,
	time_ms now) MUST_CHECK;
/* One that is there. ERR_CORRUPT: larger than any segment can be. */
enum err segment_attach(struct segment **out, struct segment_store *store, int64_t base_offset,
	time_ms now) MUST_CHECK;
void     segment_detach(struct segment **s);		/* closes files, frees; the files stay */
/* Gives its files another extra; the .log last, whose name counts. An error: some may have it. */
enum err segment_set_extra(struct segment *s, const char *extra) MUST_CHECK;
/* Renames the files to ".deleted", or removes them where not even a name can be changed (readers hold descriptors, and what those show stays right), and detaches. */
enum err segment_retire(struct segment **s) MUST_CHECK;
enum err segment_file(struct segment *s, enum segment_part part, struct log_file **out) MUST_CHECK;
/* Index counts and last entries. A file that does not fit (odd size, not there) counts as an empty
 * index: it costs time, never data. */
enum err segment_load(struct segment *s) MUST_CHECK;

/* --- append ----------------------------------------------------------------------------------- */
struct segment_stage {		/* batches on their way into one segment; on the stack of an
				 * append */
	struct segment_tail tail;	/* as it will be */
	uint32_t     offset_count, time_count;
	int          batch_count;
	struct iovec iov[STAGE_BATCHES_MAX];
	int          iov_count;
	uint8_t      offset_entries[STAGE_BATCHES_MAX * OFFSET_ENTRY_BYTES];
	uint8_t      time_entries[STAGE_BATCHES_MAX * TIME_ENTRY_BYTES];
};

void     segment_stage_begin(const struct segment *s, struct segment_stage *g);
static inline bool segment_stage_is_full(const struct segment_stage *g)
{
	return g->batch_count == STAGE_BATCHES_MAX;
}

/* Index rules for one batch of `size` bytes with this header, behind what is staged. Not when
 * full. */
void     segment_stage_batch(const struct segment *s, struct segment_stage *g,
	const uint8_t *header, uint32_t size);
/* Bytes of the staged batches; neighbouring ones are joined. */
void     segment_stage_bytes(struct segment_stage *g, const uint8_t *bytes, uint32_t len);
/* Writes log and index entries and makes the stage true. On failure the file has its old size again
 * and nothing has changed; *is_broken: it could not even be cut back. */
enum err segment_commit(struct segment *s, struct segment_stage *g, bool *is_broken) MUST_CHECK;
/* Index entries only: recovery, where the batches are in the file already. Entries for which there is
 * no room are left out. */
enum err segment_commit_indexes(struct segment *s, struct segment_stage *g) MUST_CHECK;
/* Would a set of batches make a new segment necessary? Positions and counts are those of the
 * stage. */
bool     segment_must_roll(const struct segment *s, const struct segment_stage *g,
	uint32_t set_bytes, time_ms set_max_timestamp,
			   int64_t set_last_offset, time_ms now);
/* Reads the max timestamp of its first batch, once. */
enum err segment_learn_first_timestamp(struct segment *s) MUST_CHECK;
/* No longer active: final time entry, indexes cut to their length (.index created when it is not
 * there). */
enum err segment_finish(struct segment *s) MUST_CHECK;
/* Those that its .log was given ahead. */
enum err segment_give_back_blocks(struct segment *s) MUST_CHECK;
/* Before its indexes are made anew from nothing, and after: in between there is no .index, so that a crash leaves a segment whose indexes
 * the next open makes again. */
enum err segment_remake_begin(struct segment *s) MUST_CHECK;
enum err segment_remake_end(struct segment *s) MUST_CHECK;
/* Of a segment that could not be finished: removes its .index, which tells the next open to make all
 * indexes anew. What is known of it in memory stays right. */
enum err segment_disown_indexes(struct segment *s) MUST_CHECK;

/* --- look-up ---------------------------------------------------------------------------------- */
struct batch_place {
	uint32_t file_pos, size;
	int64_t  base_offset, last_offset;
};

/* The first batch with last offset >= offset. False in *is_found: none; then place->file_pos is the
 * end. Reads headers only. */
enum err segment_find(struct segment *s, int64_t offset, struct batch_place *place,
	bool *is_found) MUST_CHECK;
struct segment_end {
	int64_t  next_offset;		/* base offset when it is empty */
	uint32_t sound_bytes;		/* of whole batches; less than the size: a cut tail */
	int64_t  last_batch_pos;	/* -1: empty */
	uint32_t last_batch_mark;
};
enum err segment_read_end(struct segment *s, struct segment_end *end) MUST_CHECK;
/* Do the entries of both indexes ascend, and does the last offset entry name the batch that lies there? Also true without any
 * entry. Reads both indexes whole. */
enum err segment_check_indexes(struct segment *s, bool *are_true) MUST_CHECK;
/* Largest timestamp seen in it, -1 none. */
enum err segment_largest_timestamp(struct segment *s, time_ms *out) MUST_CHECK;

/* --- truncation ------------------------------------------------------------------------------- */
/* Cuts the file at file_pos and the indexes to entries below end_offset. */
enum err segment_truncate(struct segment *s, uint32_t file_pos, int64_t end_offset) MUST_CHECK;
/* Cuts both indexes to their first entries, for recovery to go on from there. One that is not there,
 * and for which there is no room, is empty. */
enum err segment_reset_indexes(struct segment *s, uint32_t offset_count,
	uint32_t time_count) MUST_CHECK;
/* The largest timestamp also of the batches behind the last time entry, up to the size. */
enum err segment_rescan_largest(struct segment *s) MUST_CHECK;

#endif
