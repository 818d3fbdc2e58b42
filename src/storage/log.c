/*
 * Opening, closing, and what is known of a log. What happens at open is in log_recover.c.
 */
#include "storage/log_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/logdir.h"
#include "storage/partition_metadata.h"

void log_add_segment(struct log *log, struct segment *s)
{
	int at = log->segment_count;

	if (log->segment_count == log->segment_room) {
		log->segment_room = MAX(4, log->segment_room * 2);
		log->segments = mem_realloc_array(log->segments, (size_t)log->segment_room,
			sizeof(struct segment *));
	}
	while (at > 0 && log->segments[at - 1]->base_offset > s->base_offset) {
		log->segments[at] = log->segments[at - 1];
		at--;
	}
	ASSERT(at == 0 || log->segments[at - 1]->base_offset < s->base_offset);
	log->segments[at] = s;
	log->segment_count++;
	log->size_bytes += s->tail.size;
}

void log_forget_segment(struct log *log, int at)
{
	log->size_bytes -= log->segments[at]->tail.size;
	log->segment_count--;
	memmove(&log->segments[at], &log->segments[at + 1],
		(size_t)(log->segment_count - at) * sizeof(struct segment *));
}

int log_segment_at(const struct log *log, int64_t offset)
{
	int low = 0, high = log->segment_count;		/* below low: base <= offset */

	if (log->segment_count > 0 && log_active(log)->base_offset <= offset)
		return log->segment_count - 1;
	while (low < high) {
		int mid = (low + high) / 2;
		if (log->segments[mid]->base_offset <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

void log_forget_recent(struct log *log)
{
	log->recent_count = log->recent_next = 0;
}

void log_remember_batch(struct log *log, const struct batch_place *place, uint32_t mark)
{
	log->recent[log->recent_next] = *place;
	log->recent_next = (log->recent_next + 1) % RECENT_BATCHES;
	log->recent_count = MIN(log->recent_count + 1, RECENT_BATCHES);
	log->batches_end = place->last_offset + 1;
	log->last_batch_pos = place->file_pos;
	log->last_batch_mark = mark;
}

void log_set_last_batch(struct log *log, const struct segment_end *end)
{
	log->batches_end = end->next_offset;
	log->last_batch_pos = end->last_batch_pos;
	log->last_batch_mark = end->last_batch_mark;
}

void log_update_first_unstable(struct log *log)
{
	int64_t first = producer_state_first_unstable_offset(log->producers);

	log->first_unstable_offset = first < 0 ? -1 : MAX(first, log->start_offset);
}

void log_set_end(struct log *log, int64_t end_offset)
{
	log->end_offset = end_offset;
	ASSERT(log->start_offset <= log->end_offset);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void log_free(struct log *log)
{
	while (log->segment_count > 0) {
		struct segment *s = log_active(log);
		log_forget_segment(log, log->segment_count - 1);
		segment_detach(&s);
	}
	producer_state_destroy(&log->producers);
	leader_epochs_fini(&log->epochs);
	free(log->segments);
	free(log->store.dir);
	free(log->topic);
	free(log);
}

enum err log_parent_dir(const char *dir, char out[LOG_PATH_MAX])
{
	const char *slash = strrchr(dir, '/');

	if (slash == NULL || slash == dir || (size_t)(slash - dir) >= LOG_PATH_MAX)
		return ERR_INVALID;
	memcpy(out, dir, (size_t)(slash - dir));
	out[slash - dir] = '\0';
	return OK;
}

static enum err create_directory(struct os *os, const char *dir, bool *is_new)
{
	char parent[LOG_PATH_MAX];
	struct os_stat st;
	enum err e = log_parent_dir(dir, parent);

	if (e == OK)
		e = os_mkdir(os, dir);
	*is_new = e == OK;
	if (e == ERR_NO_SPACE && os_stat(os, dir, &st) == OK)
		e = ERR_EXISTS;		/* whichever of the two a file system looks at first */
	return e == ERR_EXISTS ? OK : e;
}

/* Nothing but the two files that a new log has. */
static void look_at_name(void *arg, const char *name, bool is_dir)
{
	bool *is_untouched = arg;
	const char *suffix;
	int64_t base;

	*is_untouched = *is_untouched && !is_dir && segment_parse_name(name, &base, &suffix) && base == 0 &&
		(strcmp(suffix, segment_suffix[SEGMENT_LOG]) == 0 || strcmp(suffix, segment_suffix[SEGMENT_TIMES]) == 0);
}

/* Of a log that was made, and whose first flush, with which partition.metadata comes, has not ended, nothing was promised. If it holds nothing either, it is new still. */
static bool is_untouched(const struct log_spec *spec)
{
	struct segment_store store = { .dir = (char *)(uintptr_t)spec->dir };
	char path[LOG_PATH_MAX];
	struct os_stat st;
	bool is = spec->recovery_point <= 0 && spec->log_start_offset <= 0;

	segment_path(&store, 0, segment_suffix[SEGMENT_LOG], path);
	return is && os_stat(spec->os, path, &st) == OK && st.size == 0 && os_list_dir(spec->os, spec->dir, look_at_name, &is) == OK && is;
}

enum err log_add_first_segment(struct log *log, int64_t offset, time_ms now)
{
	struct segment *s = segment_new(&log->store, offset, now);
	enum err e = log->owes_files ? ERR_NO_SPACE : segment_make(s);

	if (e != OK && !err_is_passing(e)) {
		segment_detach(&s);
		return e;
	}
	log->owes_files = e != OK;
	s->is_loaded = true;
	log_add_segment(log, s);
	return OK;
}

enum err log_make_owed_files(struct log *log)
{
	bool is_new;
	enum err e = create_directory(log->os, log->store.dir, &is_new);

	if (e == OK)
		e = segment_make(log_active(log));
	if (e != OK)
		return e;
	log->owes_files = false;
	log_lower_epoch_mark(log);
	log->is_dir_dirty = log->owes_parent = true;
	return OK;
}

static enum err check_topic_id(struct log *log, const struct log_spec *spec, struct log_recovery *recovery)
{
	struct uuid found;
	enum err e = log->is_new ? ERR_NOT_FOUND : partition_metadata_read(&found, log->os, log->store.dir);

	if (e == OK && !uuid_is_zero(spec->topic_id) && !uuid_eq(found, spec->topic_id)) {
		char its[UUID_TEXT_LEN + 1], wanted[UUID_TEXT_LEN + 1];
		LOG_ERROR(log->source, log_of_another_topic, KV_STR("dir", spec->dir),
			KV_STR("its_topic_id", uuid_to_text(found, its)),
			KV_STR("topic_id", uuid_to_text(spec->topic_id, wanted)));
		recovery->is_of_another_topic = true;
		return ERR_CORRUPT;
	}
	if (e == OK) {
		log->topic_id = found;
		return OK;
	}
	if (e != ERR_NOT_FOUND) {
		LOG_ERROR(log->source, partition_metadata_unreadable, KV_STR("dir", spec->dir), KV_ERR(e));
		return e;
	}
	log_set_topic_id(log, spec->topic_id);
	return OK;
}

enum err log_open(struct log **out, const struct log_spec *spec, struct log_recovery *recovery)
{
	struct log *log;
	bool is_new;
	enum err e;

	*out = NULL;
	*recovery = (struct log_recovery){ 0 };
	if (strlen(spec->dir) > LOG_PATH_MAX - 64)
		return ERR_INVALID;
	e = create_directory(spec->os, spec->dir, &is_new);
	if (e != OK && e != ERR_NO_SPACE)
		return e;
	log = mem_calloc(1, sizeof(*log));
	log->os = spec->os;
	log->source = spec->log;
	log->topic = mem_strdup(spec->topic);
	log->partition = spec->partition;
	log->config = *spec->config;
	log->store = (struct segment_store){ .os = spec->os, .dir = mem_strdup(spec->dir),
		.config = &log->config };
	file_cache_init(&log->store.cache, spec->os);
	leader_epochs_init(&log->epochs);
	producer_state_create(&log->producers, spec->producer_id_expiration_ms);
	for (int i = 0; i < SNAPSHOT_EXTRA_KEPT; i++)
		log->extra_snapshots[i] = -1;
	log->first_unstable_offset = -1;
	log->owes_files = e == ERR_NO_SPACE;
	log->is_new = is_new || log->owes_files || (!spec->had_clean_shutdown && is_untouched(spec));
	/* Also when it was there: a killed process may have made it and not synced its name. */
	log->owes_parent = log->is_new || !spec->had_clean_shutdown;
	if ((e = check_topic_id(log, spec, recovery)) == OK && (e = log_load(log, spec, recovery)) == OK) {
		log_release_files(log);
		*out = log;
		return OK;
	}
	log_free(log);
	return e;
}

void log_close(struct log **log)
{
	if (*log == NULL)
		return;
	ASSERT(!(*log)->is_flush_out);
	log_free(*log);
	*log = NULL;
}

/* Everything below the end goes to the device: segments from the recovery point on, as a flush
 * would, but here and now. */
enum err log_close_clean(struct log *log)
{
	struct log_flush f;
	enum err e;

	ASSERT(!log->is_flush_out);
	if (log->is_broken)
		return ERR_IO;
	if (log->owes_files) {
		e = log_make_owed_files(log);
		if (e != OK)		/* it is empty: nothing is lost with it */
			return err_is_passing(e) ? OK : e;
	}
	for (int i = 0; i < log->segment_count; i++) {
		struct segment *s = log->segments[i];
		if (s->offsets.is_reserved || s->times.is_reserved || i == log->segment_count - 1) {
			if ((e = segment_finish(s)) != OK)
				return e;
		}
	}
	if ((e = log_write_snapshot(log)) != OK)
		return e;
	log->is_dir_dirty = true;
	do {
		if (!log_flush_begin_closing(log, &f))
			break;
		log_flush_run(&f);
		if ((e = log_flush_end(log, &f)) != OK)
			return e;
	} while (f.has_more);
	return producer_snapshot_sync(log->os, log->store.dir, log->end_offset);
}

void log_release_files(struct log *log)
{
	/* Should the device fail here, the next append meets it. */
	(void)!segment_give_back_blocks(log_active(log));
	file_cache_drop_idle(&log->store.cache, 0);
}

bool log_release_spare_files(struct log *log)
{
	return file_cache_drop_spare(&log->store.cache);
}

enum err log_delete(struct log **plog)
{
	struct log *log = *plog;
	char parent[LOG_PATH_MAX], to[LOG_PATH_MAX + LOGDIR_NAME_MAX + 2],
		name[LOGDIR_NAME_MAX + 1];
	struct uuid id;
	enum err e = log_parent_dir(log->store.dir, parent);

	if (e == OK) {
		os_random(log->os, id.bytes, sizeof(id.bytes));
		logdir_deleted_name(log->topic, log->partition, id, name);
		snprintf(to, sizeof(to), "%s/%s", parent, name);
		e = os_rename(log->os, log->store.dir, to);
		if (e == ERR_NOT_FOUND && log->owes_files)
			e = OK;
	}
	log_close(plog);
	return e;
}

/* --- topic id that became known later --------------------------------------------------------- */

void log_set_topic_id(struct log *log, struct uuid topic_id)
{
	if (uuid_is_zero(topic_id) || uuid_eq(log->topic_id, topic_id))
		return;
	log->topic_id = topic_id;
	log->owes_metadata = true;
}

/* --- what is known ---------------------------------------------------------------------------- */

int64_t log_start_offset(const struct log *log)      { return log->start_offset; }
int64_t log_end_offset(const struct log *log)        { return log->end_offset; }
int64_t log_high_watermark(const struct log *log)    { return log->high_watermark; }
int64_t log_recovery_point(const struct log *log)    { return log->recovery_point; }
int64_t log_synced_offset(const struct log *log)     { return log->synced_offset; }
int32_t log_latest_epoch(const struct log *log)      { return leader_epochs_latest(&log->epochs); }
int64_t log_first_segment_base(const struct log *log) { return log->segments[0]->base_offset; }
int64_t log_size_bytes(const struct log *log)        { return log->size_bytes; }
int32_t log_segment_count(const struct log *log)     { return log->segment_count; }
struct uuid log_topic_id(const struct log *log)      { return log->topic_id; }
const struct topic_config *log_config(const struct log *log) { return &log->config; }

int64_t log_last_stable_offset(const struct log *log)
{
	if (log->first_unstable_offset < 0)
		return log->high_watermark;
	return MIN(log->first_unstable_offset, log->high_watermark);
}

void log_end_offset_for_epoch(const struct log *log, int32_t wanted, int32_t *epoch, int64_t *end)
{
	leader_epochs_end_offset_for(&log->epochs, wanted, log->end_offset, epoch, end);
}

int32_t log_epoch_at(const struct log *log, int64_t offset)
{
	return leader_epochs_at(&log->epochs, offset);
}

int log_producers(struct log *log, struct log_producer *out, int max)
{
	struct producer_info *infos = mem_calloc((size_t)MAX(max, 1), sizeof(*infos));
	int total = producer_state_list(log->producers, infos, max);

	for (int i = 0; i < MIN(total, max); i++)
		out[i] = (struct log_producer){
			.producer_id = infos[i].producer_id,
			.last_timestamp = infos[i].last_timestamp,
			.current_txn_first_offset = infos[i].current_txn_first_offset,
			.last_sequence = infos[i].last_sequence,
			.coordinator_epoch = infos[i].coordinator_epoch,
			.producer_epoch = infos[i].producer_epoch,
		};
	free(infos);
	return total;
}

static void progress_now(const struct log *log, struct log_progress_mark *out)
{
	const struct segment *s = log_active(log);

	*out = (struct log_progress_mark){
		.is_valid = true, .segment_base = s->base_offset, .file_size = s->tail.size,
			.inode = s->inode,
		.last_batch_pos = log->last_batch_pos, .last_batch_mark = log->last_batch_mark,
		.offset_entries = s->is_sparse ? 0 : s->offsets.count, .time_entries = s->is_sparse ? 0 : s->times.count,
	};
}

static bool are_epochs_behind(const struct log *log)
{
	return log->epochs.is_dirty || log->is_epoch_write_out;
}

void log_progress(const struct log *log, struct log_progress_mark *out)
{
	*out = (struct log_progress_mark){ 0 };
	if (log->is_broken || log->owes_files)
		return;
	if (are_epochs_behind(log))
		*out = log->epoch_mark;
	else
		progress_now(log, out);
}

/* --- small changes ---------------------------------------------------------------------------- */

void log_epochs_will_change(struct log *log)
{
	if (!are_epochs_behind(log) && !log->is_broken)
		progress_now(log, &log->epoch_mark);
}

void log_lower_epoch_mark(struct log *log)
{
	struct log_progress_mark *mark = &log->epoch_mark;
	int at = log_segment_at(log, mark->segment_base);
	const struct segment *s = at < 0 ? NULL : log->segments[at];

	if (s == NULL || s->inode != mark->inode || s->tail.size < mark->file_size)
		progress_now(log, mark);
}

void log_assign_epoch(struct log *log, int32_t epoch, int64_t offset)
{
	if (epoch >= 0 && leader_epochs_latest(&log->epochs) != epoch)
		leader_epochs_assign(&log->epochs, epoch, offset);
}

enum err log_begin_epoch(struct log *log, int32_t leader_epoch)
{
	if (leader_epoch < 0)
		return ERR_INVALID;
	log_epochs_will_change(log);
	log_assign_epoch(log, leader_epoch, log->end_offset);
	return OK;
}

void log_set_high_watermark(struct log *log, int64_t high_watermark)
{
	ASSERT(high_watermark >= log->start_offset && high_watermark <= log->end_offset);
	log->high_watermark = high_watermark;
	producer_state_set_high_watermark(log->producers, high_watermark);
	log_update_first_unstable(log);
}

enum err log_raise_start_offset(struct log *log, int64_t offset)
{
	if (offset > log->high_watermark)
		return ERR_OUT_OF_RANGE;
	if (offset <= log->start_offset)
		return OK;
	log->start_offset = offset;
	log_epochs_will_change(log);
	leader_epochs_raise_start(&log->epochs, offset);
	log_update_first_unstable(log);
	return OK;
}

void log_set_config(struct log *log, const struct topic_config *config)
{
	log->config = *config;
	for (int i = 0; i < log->segment_count; i++) {
		index_file_set_size_max(&log->segments[i]->offsets, config->segment_index_bytes);
		index_file_set_size_max(&log->segments[i]->times, config->segment_index_bytes);
	}
}

void log_expire_producers(struct log *log, time_ms now)
{
	producer_state_expire(log->producers, now);
}
