/*
 * A copy of a log in another log directory, as it takes the log's place.
 *
 * The batches come by log_append_fetched. What batches do not say (watermark, log start, epochs in which nothing was appended, an end behind the last batch) is taken over
 * from the log at the end, when both hold the same batches.
 */
#include "storage/cut_note.h"
#include "storage/log_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define SWAP_NOTE ".skein-swap"

static bool note_path(const char *dir, char out[LOG_PATH_MAX])
{
	return snprintf(out, LOG_PATH_MAX, "%s/" SWAP_NOTE, dir) < LOG_PATH_MAX;
}

enum err log_swap_note_write(struct os *os, const char *dir)
{
	char path[LOG_PATH_MAX];

	return note_path(dir, path) ? os_replace_file(os, path, "", 0) : ERR_INVALID;
}

enum err log_swap_note_remove(struct os *os, const char *dir)
{
	char path[LOG_PATH_MAX];
	enum err e = note_path(dir, path) ? os_unlink(os, path) : ERR_INVALID;

	if (e == ERR_NOT_FOUND)
		return OK;
	return e == OK ? os_fsync_dir(os, dir) : e;
}

bool log_has_swap_note(struct os *os, const char *dir)
{
	char path[LOG_PATH_MAX];
	struct os_stat st;

	return note_path(dir, path) && os_stat(os, path, &st) == OK;
}

enum err log_flush_now(struct log *log)
{
	struct log_flush f;
	enum err e = OK;

	ASSERT(!log->is_flush_out);
	do {
		if (!log_flush_begin(log, &f))
			break;
		log_flush_run(&f);
		e = log_flush_end(log, &f);
	} while (e == OK && f.has_more);
	return e;
}

/* By epochs, as a follower finds out where its log parts from the leader's (KIP-279). */
int64_t log_parting(const struct log *log, const struct log *copy)
{
	int32_t wanted = log_latest_epoch(copy), epoch, copys;
	int64_t to = copy->end_offset, end, copys_end;

	if (copy->start_offset == copy->end_offset)
		return MIN(to, log->end_offset);
	for (int i = 0; wanted >= 0 && i <= copy->epochs.count; i++, wanted = copys) {
		log_end_offset_for_epoch(log, wanted, &epoch, &end);
		if (end < 0)
			return -1;
		to = MIN(to, end);
		if (epoch == wanted)
			return to;
		log_end_offset_for_epoch(copy, epoch, &copys, &copys_end);
		to = MIN(to, copys_end);
	}
	return -1;
}

static void copy_epochs(struct log *to, const struct log *from)
{
	log_epochs_will_change(to);
	leader_epochs_clear(&to->epochs);
	for (int i = 0; i < from->epochs.count; i++)
		leader_epochs_assign(&to->epochs, from->epochs.entries[i].epoch, from->epochs.entries[i].start_offset);
}

/* A checkpoint may still name what is known of the log in its old place, and of one that was in this place before. */
static enum err keep_checkpoint_honest(struct log *to, const struct log *from)
{
	struct cut_note note;
	enum err e;

	to->checkpointed = MAX(to->checkpointed, from->checkpointed);
	if (to->recovery_point >= to->checkpointed)
		return OK;
	note = (struct cut_note){ to->recovery_point, to->checkpointed };
	e = cut_note_write(&note, to->os, to->store.dir);
	to->has_cut_note = e == OK;
	return e;
}

enum err log_take_over(struct log *to, const struct log *from)
{
	ASSERT(to->end_offset <= from->end_offset && to->start_offset <= from->end_offset);
	if (to->is_broken)
		return ERR_IO;
	log_set_topic_id(to, from->topic_id);
	log_set_end(to, from->end_offset);
	to->start_offset = MAX(to->start_offset, from->start_offset);
	to->dirty_offset = from->dirty_offset;
	log_set_high_watermark(to, MAX(to->start_offset, from->high_watermark));
	copy_epochs(to, from);
	log_update_first_unstable(to);
	enum err e = log_flush_now(to);
	return e == OK ? keep_checkpoint_honest(to, from) : e;
}

enum err log_rename(struct log *log, const char *dir)
{
	enum err e = strlen(dir) > LOG_PATH_MAX - 64 ? ERR_INVALID : os_rename(log->os, log->store.dir, dir);

	if (e != OK)
		return e;
	free(log->store.dir);
	log->store.dir = mem_strdup(dir);
	return OK;
}
