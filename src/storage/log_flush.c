/*
 * Bringing the log to the device. A flush takes one segment at a time, the oldest unsynced first.
 *
 * Of the active segment only the batches are synced: recovery after a power cut begins with the segment that holds the recovery
 * point and makes all its indexes anew, so they matter only once the recovery point leaves the segment. Then everything that
 * belongs to it is synced: both indexes, aborted transactions, the producer snapshot at the next segment's base. The recovery
 * point moves when all of it has succeeded, together with the leader epochs, which no recovery below it would find again.
 *
 * A truncation while a flush is out makes part of what is synced void: flush_limit remembers the lowest offset cut to.
 */
#include "storage/log_priv.h"

#include <stdlib.h>

bool log_wants_flush(const struct log *log)
{
	return !log->is_flush_out && !log->is_broken && (log->epochs.is_dirty || log->recovery_point < log_active(log)->base_offset);
}

static struct leader_epochs *copy_epochs(const struct leader_epochs *from)
{
	struct leader_epochs *to = mem_alloc(sizeof(*to));

	*to = *from;
	to->room = MAX(from->count, 1);
	to->entries = mem_calloc((size_t)to->room, sizeof(to->entries[0]));
	if (from->count > 0)
		memcpy(to->entries, from->entries, (size_t)from->count * sizeof(to->entries[0]));
	return to;
}

static bool flush_begin(struct log *log, struct log_flush *f, bool is_closing)
{
	int at = MAX(log_segment_at(log, log->recovery_point), 0);
	bool is_active = at == log->segment_count - 1, has_data = log->recovery_point < log->end_offset || is_closing;
	struct log_file *file;

	ASSERT(!log->is_flush_out);
	if (log->is_broken)
		return false;
	struct segment *s = log->segments[at];
	if (!has_data && !log->epochs.is_dirty && log->recovery_point >= s->base_offset)
		return false;
	*f = (struct log_flush){ .os = log->os, .dir = log->store.dir, .segment_base = -1, .snapshot_offset = -1, .up_to = log->recovery_point };
	if (has_data || !is_active) {
		f->segment_base = s->base_offset;
		f->up_to = is_active ? log->end_offset : log->segments[at + 1]->base_offset;
		f->has_more = !is_active;
		if (!is_active)
			f->snapshot_offset = f->up_to;
		else if (!is_closing && segment_file(s, SEGMENT_LOG, &file) == OK)
			f->file = log_file_ref(file);
	}
	if (log->epochs.is_dirty) {
		f->epochs = copy_epochs(&log->epochs);
		log->epochs.is_dirty = false;
		log->is_epoch_write_out = true;
	}
	f->sync_dir = log->is_dir_dirty;
	log->is_dir_dirty = false;
	log->is_flush_out = true;
	log->flush_limit = INT64_MAX;
	return true;
}

bool log_flush_begin(struct log *log, struct log_flush *f)
{
	return flush_begin(log, f, false);
}

bool log_flush_begin_closing(struct log *log, struct log_flush *f)
{
	return flush_begin(log, f, true);
}

/* A file that is gone belonged to a segment that has been deleted meanwhile. */
static enum err sync_by_name(struct log_flush *f, const char *suffix)
{
	struct segment_store store = { .os = f->os, .dir = (char *)(uintptr_t)f->dir };
	char path[LOG_PATH_MAX];
	os_fd fd;
	enum err e;

	segment_path(&store, f->segment_base, suffix, path);
	if ((e = os_open(f->os, path, OS_RDWR, &fd)) != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	e = os_fdatasync(f->os, fd);
	os_close(f->os, &fd);
	return e;
}

static enum err sync_segment(struct log_flush *f)
{
	enum err e = OK;

	if (f->file != NULL)
		return os_fdatasync(f->os, f->file->fd);
	for (int part = 0; e == OK && part < SEGMENT_PARTS; part++)
		e = sync_by_name(f, segment_suffix[part]);
	if (e == OK)
		e = sync_by_name(f, ".txnindex");
	if (e == OK && f->snapshot_offset >= 0)
		e = producer_snapshot_sync(f->os, f->dir, f->snapshot_offset);
	return e;
}

void log_flush_run(struct log_flush *f)
{
	f->result = OK;
	if (f->segment_base >= 0)
		f->result = sync_segment(f);
	if (f->result == OK && f->epochs != NULL)
		f->result = leader_epochs_write(f->epochs, f->os, f->dir);
	if (f->result == OK && f->sync_dir)
		f->result = os_fsync_dir(f->os, f->dir);
}

enum err log_flush_end(struct log *log, struct log_flush *f)
{
	ASSERT(log->is_flush_out);
	log->is_flush_out = log->is_epoch_write_out = false;
	log_file_unref(&f->file);
	if (f->epochs != NULL) {
		leader_epochs_fini(f->epochs);
		free(f->epochs);
		f->epochs = NULL;
	}
	if (f->result == OK)
		log->recovery_point = MAX(log->recovery_point, MIN(f->up_to, log->flush_limit));
	return f->result;
}
