/*
 * Cutting the log back, and moving its start.
 *
 * A truncation waits for the device, the one operation of a running log that does: were the removed
 * segments or the cut tail to come back after a power cut, behind batches appended since, the log
 * would be a mixture that no check tells from a real one (batches of the same size end at the same
 * places). It happens once per lost leadership, not per batch. Retention does not wait: an old
 * first segment that comes back is below the log start and goes again.
 */
#include "storage/cut_note.h"
#include "storage/log_priv.h"

enum err log_remove_segment(struct log *log, int at)
{
	struct segment *s = log->segments[at];
	int64_t base = s->base_offset;
	enum err e;

	if (s->files[SEGMENT_LOG] != NULL)
		log_file_bump_generation(s->files[SEGMENT_LOG]);
	log_forget_segment(log, at);
	log->cuts++;
	log->is_dir_dirty = true;
	if ((e = segment_retire(&s)) != OK)
		return e;
	return producer_snapshot_retire(log->os, log->store.dir, base);
}

static enum err lower_recovery_point(struct log *log, int64_t offset)
{
	int at = log_segment_at(log, offset);
	int64_t to = MIN(log->recovery_point, at < 0 ? offset : log->segments[at]->base_offset);

	if (to < log->checkpointed) {
		struct cut_note note = { to, log->checkpointed };
		enum err e = cut_note_write(&note, log->os, log->store.dir);
		if (e != OK)
			return e;
		log->has_cut_note = true;
	}
	log->recovery_point = to;
	log->synced_offset = MIN(log->synced_offset, offset);
	log->flush_limit = MIN(log->flush_limit, offset);
	return OK;
}

static void lower_offsets(struct log *log, int64_t end_offset)
{
	log->end_offset = end_offset;
	log->start_offset = MIN(log->start_offset, end_offset);
	log->high_watermark = MIN(log->high_watermark, end_offset);
	log_forget_recent(log);
}

/* The active segment is now another one, or a shorter one. */
static enum err relearn_active(struct log *log)
{
	struct segment_end end;
	enum err e = segment_load(log_active(log));

	if (e == OK)
		e = segment_read_end(log_active(log), &end);
	if (e == OK)
		log_set_last_batch(log, &end);
	return e;
}

/* Cuts the active segment before the first batch that ends at or behind the offset. */
static enum err cut_active(struct log *log, int64_t offset)
{
	struct segment *s = log_active(log);
	struct batch_place place;
	struct log_file *f;
	bool is_found;
	enum err e;

	if ((e = segment_load(s)) != OK || (e = segment_find(s, offset, &place, &is_found)) != OK ||
		!is_found)
		return e;
	log->size_bytes -= s->tail.size - place.file_pos;
	log->cuts++;
	if ((e = segment_truncate(s, place.file_pos, offset)) != OK ||
		(e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	return os_fdatasync(log->os, f->fd);
}

static enum err cut_to(struct log *log, int64_t offset)
{
	int64_t records = 0;
	bool has_removed = false;
	enum err e = OK;

	/* Newest first, and surely gone before the cut: at no moment could a power cut leave a hole
	 * in the log. */
	for (; e == OK && log_active(log)->base_offset > offset; has_removed = true)
		e = log_remove_segment(log, log->segment_count - 1);
	if (e == OK && has_removed)
		e = os_fsync_dir(log->os, log->store.dir);
	if (e == OK)
		e = cut_active(log, offset);
	if (e != OK)
		return e;
	lower_offsets(log, offset);
	leader_epochs_truncate(&log->epochs, offset);
	if ((e = relearn_active(log)) != OK ||
	    (e = producer_snapshot_remove_above(log->os, log->store.dir, offset)) != OK)
		return e;
	log_lower_epoch_mark(log);
	return log_reload_producers(log, -1, &records);
}

/* Once something is cut, a full device is as bad as a broken one: the log is neither what it was nor what it should be. */
static enum err halfway(enum err e)
{
	return err_is_passing(e) ? ERR_IO : e;
}

static void note_cut(struct log *log, int64_t offset)
{
	log->truncations++;
	log->dirty_offset = MIN(log->dirty_offset, offset);
}

enum err log_truncate_to(struct log *log, int64_t offset)
{
	enum err e;

	if (log->is_broken)
		return ERR_IO;
	if (offset < log->settling_end)
		return ERR_AGAIN;
	if (offset < log->end_offset && offset < log->segments[0]->base_offset)
		return log_truncate_fully_and_start_at(log, offset);
	log_epochs_will_change(log);
	if (offset >= log->end_offset) {
		leader_epochs_truncate(&log->epochs, offset);
		return OK;
	}
	note_cut(log, offset);
	e = lower_recovery_point(log, offset);
	return e == OK ? halfway(cut_to(log, offset)) : e;
}

enum err log_truncate_fully_and_start_at(struct log *log, int64_t offset)
{
	time_ms now = os_time_ms(log->os);
	enum err e = OK;

	if (log->is_broken)
		return ERR_IO;
	if (log->settling_end > 0)
		return ERR_AGAIN;
	log_epochs_will_change(log);
	note_cut(log, offset);
	if ((e = lower_recovery_point(log, offset)) != OK)
		return e;
	while (e == OK && log->segment_count > 0)
		e = log_remove_segment(log, log->segment_count - 1);
	if (e == OK)
		e = producer_snapshot_remove_above(log->os, log->store.dir, -1);
	if (e == OK)
		e = log_add_first_segment(log, offset, now);
	if (e != OK) {
		log->is_broken = true;		/* without a segment: nothing but closing is
						 * possible */
		return halfway(e);
	}
	log_forget_recent(log);
	log->last_batch_pos = -1;
	log->start_offset = log->end_offset = log->batches_end = log->high_watermark = offset;
	leader_epochs_clear(&log->epochs);
	producer_state_clear(log->producers, offset);
	log_update_first_unstable(log);
	log_lower_epoch_mark(log);
	e = os_fsync_dir(log->os, log->store.dir);
	return e == ERR_NOT_FOUND && log->owes_files ? OK : halfway(e);
}

enum err log_remove_segments_below_start(struct log *log, int *removed)
{
	int n = 0, below = 0;
	enum err e = OK;

	if (removed != NULL)
		*removed = 0;
	if (log->settling_end > 0)
		return OK;	/* a later call */

	/* A snapshot must remember the producers of the removed batches: one at the base of what is then the first segment (after a truncation
	 * into a batch, or on a full disk, a base may have none), and not above the recovery point, where it is not on the device yet. */
	for (int i = 1; i < log->segment_count && log->segments[i]->base_offset <= MIN(log->start_offset, log->recovery_point); i++) {
		if (producer_snapshot_is_there(log->os, log->store.dir, log->segments[i]->base_offset))
			below = i;
	}
	for (; e == OK && n < below; n++)
		e = log_remove_segment(log, 0);
	if (removed != NULL)
		*removed = n;
	return e;
}
