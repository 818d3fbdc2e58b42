/*
 * From files to a log that may be served.
 *
 * After a clean shutdown nothing is scanned but the headers behind the last index entry. After a
 * power cut (or with no word on what happened) the segment that holds the recovery point and all
 * later ones are walked batch by batch with their CRC, their indexes made anew, and the log ends
 * where the first damage is: Kafka's recovery.
 *
 * After a killed process the page cache still holds every byte that was ever written, and only the
 * last write can be incomplete. A progress mark says how many bytes were whole batches; if the mark
 * fits the file (same inode, not shorter, the batch it names ends there: see logdir.h), the walk
 * begins at the last index entry the mark vouches for, and checks CRCs from the mark on. Both ways
 * are the same walk (recover_segment) begun at different places. For the indexes the mark alone does
 * not vouch: a Java broker that came between and was killed too has made them anew in place, with other
 * counts, and with zeros or the remains of ours behind its entries. So they must ascend, and what the
 * time index lacks up to there is read in the batches.
 *
 * Two checks go beyond Kafka's, for what a power cut can leave behind without breaking a CRC:
 * leader epochs never descend along a log, and a batch whose epoch the epoch file does not have at
 * its offset corrects the file.
 */
#include "storage/cut_note.h"
#include "storage/log_priv.h"

#include <stdlib.h>

#include "storage/logdir.h"

struct resume {			/* where the walk over a segment begins; all zero: at its start */
	uint32_t checked_bytes;		/* CRCs are checked from here on */
	uint32_t offset_entries, time_entries;
};

struct walk {			/* over one segment */
	struct segment      *s;
	struct batch_scan    scan;
	struct segment_stage stage;
	struct resume        from;
	int64_t              next_offset;	/* the least that the next batch may begin with */
	int64_t              txns_from;		/* transaction index entries below are in the file
						 * already */
	int32_t              epoch;		/* of the batch before, over all segments */
	bool                 is_misfit;		/* the resume point is no batch boundary */
};

struct recovery_plan {
	int           first;		/* number of the segment; segment_count: nothing to
					 * recover */
	struct resume from;		/* for that segment */
	bool          is_resumed;	/* from a mark: only what lies behind it is new */
	bool          was_left_by_us;
	bool          has_page_cache;	/* the process died, not the machine: nothing written is
					 * lost */
	int64_t       recovery_point;	/* as it stands in the checkpoint */
	bool          is_clean;		/* everything up to the end is known to be on the device */
};

/* One batch is sound: what it says goes everywhere. */
static enum err take_batch(struct log *log, struct walk *w, const uint8_t *header, int64_t at,
	struct log_recovery *recovery)
{
	int32_t epoch = batch_leader_epoch(header);
	enum err e = OK;

	if (epoch >= 0 && leader_epochs_at(&log->epochs, batch_base_offset(header)) != epoch)
		leader_epochs_assign(&log->epochs, epoch, batch_base_offset(header));
	if (batch_base_offset(header) >= producer_state_end_offset(log->producers)) {
		struct txn_index *txns = batch_base_offset(header) >= w->txns_from ? &w->s->txns
			: NULL;
		e = log_feed_scanned(log, &w->scan, header, at, txns);
		recovery->records_replayed += batch_record_count(header);
		log->bytes_since_snapshot += batch_size(header);
	}
	if (e == OK && segment_stage_is_full(&w->stage))
		e = segment_commit_indexes(w->s, &w->stage);
	if (e != OK)
		return e;
	segment_stage_batch(w->s, &w->stage, header, (uint32_t)batch_size(header));
	w->next_offset = batch_last_offset(header) + 1;
	w->epoch = MAX(w->epoch, epoch);
	log->batches_end = w->next_offset;
	log->last_batch_pos = at;
	log->last_batch_mark = batch_mark(header);
	return OK;
}

/* Is the batch in its place, and whole? */
static enum err check_batch(struct walk *w, const uint8_t *header, int64_t at, bool *is_sound,
	struct log_recovery *recovery)
{
	uint32_t size = (uint32_t)batch_size(header);

	*is_sound = batch_base_offset(header) >= w->next_offset &&
		batch_last_offset(header) - w->s->base_offset <= INT32_MAX &&
		    (batch_leader_epoch(header) < 0 || batch_leader_epoch(header) >= w->epoch);
	if (at < w->from.checked_bytes) {
		w->is_misfit = !*is_sound || at + size > w->from.checked_bytes;
		*is_sound = !w->is_misfit;
		return OK;
	}
	recovery->bytes_scanned += size;
	return *is_sound ? batch_scan_check_crc(&w->scan, at, size, batch_crc(header), is_sound)
		: OK;
}

/* Walks to the first damage or the end; the indexes speak of all before, w->stage.tail.size is
 * where it stopped. */
static enum err walk_segment(struct log *log, struct walk *w, struct log_recovery *recovery)
{
	uint8_t header[BATCH_HEADER_SIZE];
	const uint8_t *h;
	bool is_sound = true;
	int64_t at;
	enum err e;

	while ((e = batch_scan_next(&w->scan, &h, &at)) == OK) {
		memcpy(header, h, sizeof(header));	/* the checks read on into the same
							 * buffer */
		if ((e = check_batch(w, header, at, &is_sound, recovery)) != OK || !is_sound)
			break;
		if ((e = take_batch(log, w, header, at, recovery)) != OK)
			return e;
	}
	if (e == ERR_UNSUPPORTED && batch_scan_is_old_entry(&w->scan, w->scan.pos))
		return ERR_CORRUPT;
	if (e == ERR_UNSUPPORTED || e == ERR_INCOMPLETE || e == ERR_CORRUPT)
		e = OK;		/* damage, or the end */
	w->is_misfit = w->is_misfit || w->stage.tail.size < w->from.checked_bytes;
	return e == OK && !w->is_misfit ? segment_commit_indexes(w->s, &w->stage) : e;
}

/* Newest first, and before what lies in front of them is cut: at no moment could a crash leave a
 * hole in the log. */
static enum err delete_segments_from(struct log *log, int at, struct log_recovery *recovery)
{
	enum err e = OK;

	while (e == OK && log->segment_count > at) {
		e = log_remove_segment(log, log->segment_count - 1);
		recovery->segments_deleted++;
	}
	return e == OK ? os_fsync_dir(log->os, log->store.dir) : e;
}

static enum err cut_here(struct log *log, int at, os_fd fd, int64_t bytes, int64_t end,
	struct log_recovery *recovery)
{
	struct segment *s = log->segments[at];
	enum err e = OK;

	LOG_WARN(log->source, log_tail_cut, KV_I64("segment", s->base_offset),
		KV_I64("file_pos", s->tail.size), KV_I64("bytes", bytes),
		 KV_I64("end", end), KV_I32("later_segments", log->segment_count - at - 1));
	if (at + 1 < log->segment_count)
		e = delete_segments_from(log, at + 1, recovery);
	if (e == OK)
		e = os_ftruncate(log->os, fd, s->tail.size);
	return e == OK ? os_fdatasync(log->os, fd) : e;
}

static enum err cut_indexes(struct segment *s, struct resume from)
{
	enum err e = from.offset_entries == 0 ? segment_remake_begin(s) : OK;

	return e == OK ? segment_reset_indexes(s, from.offset_entries, from.time_entries) : e;
}

/*
 * The last segment goes on and needs no final entry yet. One before it would be taken for finished by the next start, and its last time entry
 * for its largest timestamp.
 */
static enum err finish_recovered(struct log *log, int at)
{
	struct segment *s = log->segments[at];
	enum err e;

	if (at == log->segment_count - 1)
		s->allocated = s->tail.size;	/* at least: what a killed broker has asked for beyond it goes back */
	e = segment_finish(s);
	if (e == ERR_NO_SPACE && at + 1 < log->segment_count)
		return segment_disown_indexes(s);
	if (e == OK || e == ERR_NO_SPACE)
		e = segment_remake_end(s);
	log->is_dir_dirty = true;
	return e == ERR_NO_SPACE ? segment_disown_indexes(s) : e;
}

/*
 * *next_offset: behind the last batch. *cut: bytes that were cut off. ERR_INVALID: the resume point
 * does not fit; nothing was cut, the caller begins at the start.
 */
static enum err recover_segment(struct log *log, int at, struct resume from, uint8_t *buf,
	int32_t *epoch, int64_t *next_offset,
				int64_t *cut, struct log_recovery *recovery)
{
	struct segment *s = log->segments[at];
	struct walk w = { .s = s, .from = from, .epoch = *epoch };
	uint32_t size = s->tail.size;
	struct log_file *f, *held;
	enum err e;

	if ((e = cut_indexes(s, from)) != OK)
		return e;
	s->tail.size = s->tail.last_entry_pos;
	s->tail.knows_first = false;
	w.next_offset = s->base_offset;
	w.txns_from = MAX(producer_state_end_offset(log->producers), s->base_offset);
	if ((e = segment_rescan_largest(s)) != OK)
		goto out;
	e = w.txns_from == s->base_offset ? txn_index_reset(&s->txns, log->os, log->store.dir)
					  : txn_index_truncate(&s->txns, log->os, log->store.dir,
					  	w.txns_from);
	if (e != OK || (e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		goto out;
	held = log_file_ref(f);
	segment_stage_begin(s, &w.stage);
	batch_scan_init(&w.scan, log->os, f->fd, s->tail.size, size, buf, SCAN_BUFFER_BIG);
	e = walk_segment(log, &w, recovery);
	if (e == OK && w.is_misfit)
		e = ERR_INVALID;
	*cut = (int64_t)size - s->tail.size;
	if (e == OK)		/* a truncation that was killed cuts the file first */
		e = txn_index_truncate(&s->txns, log->os, log->store.dir, w.next_offset);
	if (e == OK && *cut > 0)
		e = cut_here(log, at, f->fd, *cut, w.next_offset, recovery);
	log_file_unref(&held);
out:
	if (e != OK) {
		s->tail.size = size;
		/* Indexes and aborted transactions are half made: the next open must not take them for whole. */
		if (e != ERR_INVALID)
			(void)!segment_disown_indexes(s);
		return e;
	}
	log->size_bytes -= *cut;
	*next_offset = w.next_offset;
	*epoch = w.epoch;
	recovery->bytes_cut += *cut;
	recovery->segments_recovered++;
	return finish_recovered(log, at);
}

/*
 * A segment that begins before its predecessor ends is the remains of a log from before a
 * truncation. One that begins later: the predecessor has lost its last batches whole, so that no
 * damage is to be seen, and as segments are synced in their order, nothing in this one was promised
 * to anybody. Both go. (Compaction leaves gaps of its own; a killed process loses nothing; and a
 * roll leaves none: see roll_base.) Our own compaction keeps a segment's last batch; Java's leaves
 * gaps, below its dirty offset or below what was synced, and above while a pass is under way: where
 * Java's broker was the last, or nobody knows what was synced (a directory that comes from a
 * backup), a gap in a compacted topic is taken for such.
 */
static bool is_out_of_line(const struct log *log, const struct recovery_plan *plan,
	const struct segment *s, int64_t end)
{
	if (s->base_offset <= end)
		return s->base_offset < end;
	if ((log->config.cleanup_policy & CLEANUP_COMPACT) != 0 && (plan->recovery_point < 0 || !plan->was_left_by_us))
		return false;
	return !plan->has_page_cache && s->base_offset > MAX(log->dirty_offset, plan->recovery_point);
}

/* Recovers segments from plan->first on. *end: of the log. */
static enum err recover_from(struct log *log, const struct recovery_plan *plan, int64_t *end,
	struct log_recovery *recovery)
{
	uint8_t *buf = mem_alloc(SCAN_BUFFER_BIG);
	int64_t cut = 0;
	int32_t epoch = -1;
	enum err e = OK;

	log->batches_end = log->segments[plan->first]->base_offset;
	for (int i = plan->first; e == OK && cut == 0 && i < log->segment_count; i++) {
		struct segment *s = log->segments[i];
		struct resume from = i == plan->first ? plan->from : (struct resume){ 0 };
		if (i > plan->first && is_out_of_line(log, plan, s, *end)) {
			LOG_WARN(log->source, log_tail_cut, KV_I64("segment", s->base_offset),
				KV_I64("end", *end),
				 KV_I32("later_segments", log->segment_count - i));
			e = delete_segments_from(log, i, recovery);
			break;
		}
		log->last_batch_pos = -1;
		producer_state_advance(log->producers,
			MAX(s->base_offset, producer_state_end_offset(log->producers)));
		if ((e = recover_segment(log, i, from, buf, &epoch, end, &cut, recovery)) == OK && i + 1 < log->segment_count)
			e = log_write_snapshot_or_owe(log);
		/* No later recovery looks at what lies below the recovery point: its indexes must
		 * be as durable as they were. */
		if (e == OK && i + 1 < log->segment_count &&
			log->segments[i + 1]->base_offset <= plan->recovery_point)
			e = log_sync_segment(log->os, log->store.dir, s->base_offset,
				log->segments[i + 1]->base_offset);
	}
	free(buf);
	return e;
}

/* --- what to recover -------------------------------------------------------------------------- */

static bool mark_fits(struct log *log, const struct log_progress_mark *mark, int *at)
{
	struct log_file *f;
	bool holds = false;

	*at = log_segment_at(log, mark->segment_base);
	if (!mark->is_valid || *at < 0 || log->segments[*at]->base_offset != mark->segment_base ||
	    mark->file_size > log->segments[*at]->tail.size ||
	    	log->segments[*at]->inode != mark->inode ||
	    segment_file(log->segments[*at], SEGMENT_LOG, &f) != OK)
		return false;
	return logdir_mark_holds(log->os, f->fd, mark, &holds) == OK && holds;
}

static struct recovery_plan make_plan(struct log *log, const struct log_spec *spec,
	int64_t damaged_from)
{
	struct recovery_plan plan = { .first = log->segment_count,
		.is_clean = spec->had_clean_shutdown, .was_left_by_us = spec->was_left_by_us, .has_page_cache = spec->mark.is_valid,
		.recovery_point = spec->recovery_point };
	int at;

	if (!spec->had_clean_shutdown && mark_fits(log, &spec->mark, &at)) {
		plan.first = at;
		plan.is_resumed = true;
		plan.from = (struct resume){ (uint32_t)spec->mark.file_size,
			spec->mark.offset_entries, spec->mark.time_entries };
		if (plan.from.offset_entries == 0 && plan.from.time_entries > 0)
			plan.from.time_entries = 0;	/* the walk begins at the start: so does the
							 * time index */
	} else if (!spec->had_clean_shutdown) {
		plan.first = MAX(log_segment_at(log, MAX(spec->recovery_point, 0)), 0);
	}
	if (damaged_from < INT64_MAX) {
		plan.first = MIN(plan.first, log_segment_at(log, damaged_from));
		plan.from = (struct resume){ 0 };
		plan.is_clean = plan.is_resumed = false;
	}
	return plan;
}

/*
 * Producer state up to where the walk begins. Without a mark the page cache may be lost, and with
 * it any snapshot above what is known to be synced: those are made anew.
 */
static enum err load_producers(struct log *log, const struct recovery_plan *plan, int64_t to_offset,
	time_ms now, struct log_recovery *recovery)
{
	int64_t base = log->segments[plan->first]->base_offset;
	enum err e = OK;

	if (!plan->is_resumed)
		e = producer_snapshot_remove_above(log->os, log->store.dir, base);
	if (e == OK)
		e = producer_snapshot_load_newest(log->os, log->store.dir, log->producers,
			log->segments[0]->base_offset - 1, plan->is_resumed ? INT64_MAX : base,
			now);
	return e == OK ? log_replay_producers(log, to_offset, &recovery->records_replayed) : e;
}

static enum err run_plan(struct log *log, const struct recovery_plan *plan, time_ms now,
	struct log_recovery *recovery)
{
	struct segment *s = log->segments[plan->first];
	int64_t end = s->base_offset;
	bool are_true = true;
	/* The walk begins with the batch of the last index entry, which the replay takes in. */
	enum err e = cut_indexes(s, plan->from);

	if (e == OK)
		e = segment_check_indexes(s, &are_true);
	/* An index that was made anew since may have entries elsewhere: one behind the mark speaks of what has not been checked, and what lies between would not be looked at. */
	if (e == OK && (!are_true || (plan->from.offset_entries > 0 && s->tail.last_entry_pos >= plan->from.checked_bytes)))
		e = ERR_INVALID;
	if (e == OK)
		e = load_producers(log, plan, s->tail.last_entry_offset + 1, now, recovery);
	if (e == OK)
		e = recover_from(log, plan, &end, recovery);
	log->end_offset = end;
	return e == ERR_CORRUPT && plan->is_resumed ? ERR_INVALID : e;
}

static enum err recover_as_planned(struct log *log, struct recovery_plan *plan,
	const struct log_spec *spec, struct log_recovery *recovery)
{
	enum err e = run_plan(log, plan, spec->now, recovery);

	if (e != ERR_INVALID)
		return e;
	/* The mark misled: as if there were none. */
	plan->from = (struct resume){ 0 };
	plan->is_resumed = false;
	plan->first = MAX(MIN(log_segment_at(log, MAX(spec->recovery_point, 0)), plan->first), 0);
	return run_plan(log, plan, spec->now, recovery);
}

/* The end of a log that was closed clean. A tail that is not whole, or an index that speaks of what is
 * not there, means that it was not: recovered from the last segment on. */
static enum err read_clean_end(struct log *log, struct recovery_plan *plan, struct segment_end *end)
{
	struct segment *s = log_active(log);
	enum err e = segment_load(s);

	if (e == OK)
		e = segment_read_end(s, end);
	/* What comes next would not lie behind such an entry. */
	bool is_ahead = e == OK && s->tail.last_entry_offset >= MAX(end->next_offset, s->base_offset);
	if (e == OK && (end->sound_bytes < s->tail.size || is_ahead)) {
		plan->first = log->segment_count - 1;
		plan->is_clean = false;
	}
	return e;
}

static enum err start_anew(struct log *log, int64_t offset, time_ms now,
	struct log_recovery *recovery)
{
	enum err e = OK;

	if (log->segment_count > 0)
		e = delete_segments_from(log, 0, recovery);
	if (e == OK)
		e = log_add_first_segment(log, offset, now);
	if (e != OK)
		return e;
	log->is_dir_dirty = true;
	log->end_offset = log->batches_end = offset;
	log->last_batch_pos = -1;
	producer_state_clear(log->producers, offset);
	return OK;
}

/* Kafka starts with an empty state when there is no snapshot after a clean shutdown; ours reads the
 * log, so that nothing is forgotten. */
static enum err load_clean_producers(struct log *log, const struct log_spec *spec,
	struct log_recovery *recovery)
{
	enum err e = log->is_new ? OK : producer_snapshot_load_newest(log->os, log->store.dir, log->producers,
		log->segments[0]->base_offset - 1, log->end_offset, spec->now);

	return e == OK ? log_replay_producers(log, log->end_offset, &recovery->records_replayed)
		: e;
}

/* Segments are known; makes end, epochs and producers agree with them. */
static enum err bring_up(struct log *log, const struct log_spec *spec, struct recovery_plan *plan,
	struct log_recovery *recovery)
{
	struct segment_end end;
	enum err e = OK;

	log->start_offset = MAX(spec->log_start_offset, log->segments[0]->base_offset);
	if (plan->first == log->segment_count) {
		e = read_clean_end(log, plan, &end);
		log->end_offset = end.next_offset;
		log_set_last_batch(log, &end);
	}
	if (e == OK && plan->first < log->segment_count)
		e = recover_as_planned(log, plan, spec, recovery);
	else if (e == OK && log->end_offset >= log->start_offset)
		e = load_clean_producers(log, spec, recovery);
	if (e == OK && log->end_offset < log->start_offset)
		e = start_anew(log, log->start_offset, spec->now, recovery);
	if (e == OK && !log->is_new)	/* of a log that was longer: a truncation did not get to them */
		e = producer_snapshot_remove_above(log->os, log->store.dir, log->end_offset);
	if (e == OK && producer_state_end_offset(log->producers) != log->end_offset)
		e = log_reload_producers(log, spec->now, &recovery->records_replayed);
	/* What little was read does the next start read again, rather than each of a thousand logs make two files now. */
	return e == OK && log->bytes_since_snapshot >= SNAPSHOT_EVERY_BYTES ? log_write_snapshot_or_owe(log) : e;
}

static enum err read_epochs(struct log *log, struct recovery_plan *plan)
{
	enum err e = log->is_new ? OK : leader_epochs_read(&log->epochs, log->os, log->store.dir);

	if (e != ERR_CORRUPT)
		return e;
	LOG_WARN(log->source, leader_epochs_damaged, KV_STR("dir", log->store.dir));
	leader_epochs_clear(&log->epochs);
	plan->first = 0;		/* every batch tells its epoch */
	plan->from = (struct resume){ 0 };
	plan->is_clean = plan->is_resumed = false;
	return OK;
}

static void set_synced(struct log *log, int64_t recovery_point)
{
	/* Beyond the end: the log has been cut since, and the cut need not be on the device. */
	log->synced_offset = recovery_point <= log->end_offset
		? MAX(recovery_point, log->segments[0]->base_offset)	/* below lies nothing */
		: log_active(log)->base_offset;
	log->recovery_point = log->segments[MAX(log_segment_at(log, log->synced_offset),
		0)]->base_offset;
}

/* The recovery point of the checkpoint, unless the log has been cut below it since. */
static enum err bound_recovery_point(struct log *log, struct log_spec *spec)
{
	struct cut_note note = { INT64_MAX, -1 };
	enum err e = log->is_new ? OK : cut_note_read(&note, log->os, log->store.dir);

	log->has_cut_note = e == OK && note.recovery_point != INT64_MAX;
	log->checkpointed = MAX(spec->recovery_point, note.checkpointed);
	spec->recovery_point = MIN(spec->recovery_point, note.recovery_point);
	return e;
}

enum err log_load(struct log *log, const struct log_spec *as_told, struct log_recovery *recovery)
{
	struct log_spec bounded = *as_told, *spec = &bounded;
	int64_t damaged_from = INT64_MAX;
	struct recovery_plan plan;
	bool is_new;
	enum err e;

	/* In a directory that was made a moment ago (log->is_new) nothing is looked for, here and below: that would be most of what a partition costs to make. */
	if ((e = bound_recovery_point(log, spec)) != OK ||
		(!log->is_new && (e = log_sweep(log, spec->now, &damaged_from)) != OK))
		return e;
	log->recovery_point = MAX(spec->recovery_point, 0);	/* as far as is known yet */
	log->dirty_offset = spec->cleaner_offset;
	is_new = log->segment_count == 0;
	if (is_new && (e = start_anew(log, MAX(spec->log_start_offset, 0), spec->now,
		recovery)) != OK)
		return e;
	if ((e = segment_learn_first_timestamp(log->segments[0])) == ERR_UNSUPPORTED)
		return ERR_CORRUPT;	/* formats 0 and 1 are not served, and must not be taken for
					 * damage */
	plan = is_new ? (struct recovery_plan){ .first = 1, .is_clean = true }
		: make_plan(log, spec, damaged_from);
	if ((e = read_epochs(log, &plan)) != OK || (e = bring_up(log, spec, &plan, recovery)) != OK)
		return e;
	/* Names that a killed process has made, or this recovery, go with the next flush. */
	log->is_dir_dirty = log->is_dir_dirty || !spec->had_clean_shutdown || recovery->segments_recovered > 0;
	log_epochs_will_change(log);
	if (log->epochs.is_dirty) {	/* found by the recovery: until they are on disk, another
					 * restart has to find them again */
		const struct segment *s = log->segments[MIN(plan.first, log->segment_count - 1)];
		log->epoch_mark = (struct log_progress_mark){ .is_valid = true,
			.segment_base = s->base_offset, .inode = s->inode, .last_batch_pos = -1 };
	}
	leader_epochs_raise_start(&log->epochs, log->start_offset);
	leader_epochs_truncate(&log->epochs, log->end_offset);
	set_synced(log, plan.is_clean ? log->end_offset : MAX(spec->recovery_point, 0));
	log->checkpointed = MAX(log->checkpointed, log->recovery_point);
	log->high_watermark = MAX(MIN(spec->high_watermark, log->end_offset), log->start_offset);
	if (log->dirty_offset > log->end_offset)	/* before it comes as far again, with other records */
		log->dirty_offset = log->start_offset;
	producer_state_set_high_watermark(log->producers, log->high_watermark);
	log_update_first_unstable(log);
	return segment_load(log_active(log));
}
