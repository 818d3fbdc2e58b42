/*
 * Bringing the log to the device. A flush takes one segment at a time, the oldest unsynced first.
 *
 * Of the active segment only the batches are synced, which moves synced_offset. Recovery after a
 * power cut begins with the segment that holds the recovery point and makes all its indexes anew,
 * so what else belongs to a segment matters only once the recovery point leaves it: then both
 * indexes, aborted transactions and the producer snapshot at the next segment's base are synced
 * too. Therefore the recovery point that goes into the checkpoint is never inside or at the end of
 * the active segment (Kafka's is, and a power cut just after a roll there can leave a closed
 * segment with torn indexes that no recovery looks at). Leader epochs go with every flush: no
 * recovery below the recovery point would find them again.
 *
 * A truncation while a flush is out makes part of what is synced void: flush_limit remembers the
 * lowest offset cut to.
 */
#include "storage/cut_note.h"
#include "storage/log_priv.h"

#include <stdlib.h>

#include "storage/partition_metadata.h"

/*
 * Beside the batches. A log that was made by this process and has never held a record owes nothing:
 * after a power cut it is made anew. (One that was there may have lost records in the crash; what
 * was found must not change again.)
 */
static bool owes_more(const struct log *log)
{
	if (log->owes_files || (log->is_new && log->batches_end == 0))
		return false;
	return log->epochs.is_dirty || log->owes_metadata || log->owes_parent;
}

bool log_wants_flush(const struct log *log)
{
	return !log->is_flush_out && !log->is_broken &&
		(owes_more(log) || log->recovery_point < log_active(log)->base_offset);
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
	ASSERT(!log->is_flush_out);
	if (log->is_broken)
		return false;

	int at = MAX(log_segment_at(log, log->recovery_point), 0);
	struct segment *s = log->segments[at];
	bool is_active = at == log->segment_count - 1;
	struct log_file *file;

	*f = (struct log_flush){ .os = log->os, .dir = log->store.dir, .segment_base = -1,
		.snapshot_offset = -1, .up_to = log->synced_offset };
	if (!is_active || is_closing || log->synced_offset < log->end_offset) {
		f->segment_base = s->base_offset;
		f->up_to = is_active ? log->end_offset : log->segments[at + 1]->base_offset;
		f->is_whole = !is_active || is_closing;
		f->has_more = !is_active;
		f->snapshot_offset = f->is_whole ? f->up_to : -1;
		/* A spare one is not held while the job waits for its turn: a worker opens it again. */
		if (!f->is_whole && segment_file(s, SEGMENT_LOG, &file) == OK && !file->is_spare)
			f->file = log_file_ref(file);
	} else if (!owes_more(log)) {
		return false;
	}
	if (log->epochs.is_dirty) {
		f->epochs = copy_epochs(&log->epochs);
		log->epochs.is_dirty = false;
		log->is_epoch_write_out = true;
	}
	if (log->owes_metadata)
		f->topic_id = log->topic_id;
	f->sync_dir = log->is_dir_dirty;
	f->sync_parent = log->owes_parent;
	log->is_dir_dirty = log->owes_metadata = log->owes_parent = false;
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
static enum err sync_by_name(struct os *os, const char *dir, int64_t base_offset,
	const char *suffix)
{
	struct segment_store store = { .os = os, .dir = (char *)(uintptr_t)dir };
	char path[LOG_PATH_MAX];
	os_fd fd;
	enum err e;

	segment_path(&store, base_offset, suffix, path);
	if ((e = os_open(os, path, OS_RDWR, &fd)) != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	e = os_fdatasync(os, fd);
	os_close(os, &fd);
	return err_is_passing(e) ? ERR_IO : e;	/* a sync that failed may have dropped data, whatever the reason */
}

enum err log_sync_segment(struct os *os, const char *dir, int64_t base_offset,
	int64_t snapshot_offset)
{
	enum err e = OK;

	for (int part = 0; e == OK && part < SEGMENT_PARTS; part++)
		e = sync_by_name(os, dir, base_offset, segment_suffix[part]);
	if (e == OK)
		e = sync_by_name(os, dir, base_offset, ".txnindex");
	if (e == OK && snapshot_offset >= 0)
		e = producer_snapshot_sync(os, dir, snapshot_offset);
	return e;
}

static enum err sync_parent(struct log_flush *f)
{
	char parent[LOG_PATH_MAX];
	enum err e = log_parent_dir(f->dir, parent);

	return e == OK ? os_fsync_dir(f->os, parent) : e;
}

void log_flush_run(struct log_flush *f)
{
	f->result = OK;
	if (f->file != NULL && os_fdatasync(f->os, f->file->fd) != OK)
		f->result = ERR_IO;
	else if (f->file == NULL && f->is_whole)
		f->result = log_sync_segment(f->os, f->dir, f->segment_base, f->snapshot_offset);
	else if (f->file == NULL && f->segment_base >= 0)
		f->result = sync_by_name(f->os, f->dir, f->segment_base, segment_suffix[SEGMENT_LOG]);
	if (f->result == OK && f->epochs != NULL)
		f->result = leader_epochs_write(f->epochs, f->os, f->dir);
	if (f->result == OK && !uuid_is_zero(f->topic_id))
		f->result = partition_metadata_write(f->topic_id, f->os, f->dir);
	if (f->result == OK && f->sync_dir)
		f->result = os_fsync_dir(f->os, f->dir);
	if (f->result == OK && f->sync_parent)
		f->result = sync_parent(f);
}

enum err log_flush_end(struct log *log, struct log_flush *f)
{
	ASSERT(log->is_flush_out);
	log->is_flush_out = log->is_epoch_write_out = false;
	log_file_unref(&f->file);
	if (err_is_passing(f->result)) {	/* the small files are written whole or not at all: they are still owed */
		log->epochs.is_dirty |= f->epochs != NULL;
		log->owes_metadata |= !uuid_is_zero(f->topic_id);
		log->is_dir_dirty |= f->sync_dir;
		log->owes_parent |= f->sync_parent;
	}
	if (f->epochs != NULL) {
		leader_epochs_fini(f->epochs);
		free(f->epochs);
		f->epochs = NULL;
	}
	if (f->result != OK)
		return f->result;
	log->synced_offset = MAX(log->synced_offset, MIN(f->up_to, log->flush_limit));
	if (f->is_whole && log->flush_limit >= f->up_to)
		log->recovery_point = MAX(log->recovery_point, f->up_to);
	if (log->has_cut_note && log->recovery_point >= log->checkpointed) {
		cut_note_remove(log->os, log->store.dir);
		log->has_cut_note = false;
	}
	log->checkpointed = MAX(log->checkpointed, log->recovery_point);
	return OK;
}
