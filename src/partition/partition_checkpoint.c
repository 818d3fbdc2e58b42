/*
 * Checkpoints from published offsets. Each value is right by itself; that two of them are from different moments does no harm: a recovery point or a high
 * watermark that is a little old only makes the next start read a little more.
 */
#include "partition/partition_checkpoint.h"

#include <stdlib.h>

static bool read_mark(const struct partition_addr *a, struct log_progress_mark *out)
{
	for (int tries = 0; tries < 100; tries++) {
		uint32_t before = __atomic_load_n(&a->mark_sequence, __ATOMIC_ACQUIRE);

		out->is_valid = __atomic_load_n(&a->mark.is_valid, __ATOMIC_RELAXED);
		out->segment_base = __atomic_load_n(&a->mark.segment_base, __ATOMIC_RELAXED);
		out->file_size = __atomic_load_n(&a->mark.file_size, __ATOMIC_RELAXED);
		out->inode = __atomic_load_n(&a->mark.inode, __ATOMIC_RELAXED);
		out->last_batch_pos = __atomic_load_n(&a->mark.last_batch_pos, __ATOMIC_RELAXED);
		out->last_batch_mark = __atomic_load_n(&a->mark.last_batch_mark, __ATOMIC_RELAXED);
		out->offset_entries = __atomic_load_n(&a->mark.offset_entries, __ATOMIC_RELAXED);
		out->time_entries = __atomic_load_n(&a->mark.time_entries, __ATOMIC_RELAXED);
		ck_pr_fence_load();	/* the loads above before the second look at the sequence */
		if ((before & 1) == 0 && __atomic_load_n(&a->mark_sequence, __ATOMIC_RELAXED) == before)
			return out->is_valid;
	}
	return false;		/* a partition that writes all the time: the next round */
}

static enum err write_kind(struct logdir *dir, struct partition_addr *const *addrs, int n, enum logdir_checkpoint kind)
{
	struct checkpoint_entry *entries = mem_calloc((size_t)n + 1, sizeof(*entries));
	int count = 0;

	for (int i = 0; i < n; i++) {
		const struct partition_addr *a = addrs[i];
		int64_t start = partition_log_start_offset(a), value;

		if (partition_dir(a) != dir || __atomic_load_n(&a->is_offline, __ATOMIC_RELAXED))
			continue;
		switch (kind) {
		case LOGDIR_RECOVERY_POINTS:  value = __atomic_load_n(&a->recovery_point, __ATOMIC_RELAXED); break;
		case LOGDIR_HIGH_WATERMARKS:  value = partition_high_watermark(a); break;
		case LOGDIR_LOG_STARTS:       value = start; break;
		case LOGDIR_CLEANER_OFFSETS:  value = __atomic_load_n(&a->dirty_offset, __ATOMIC_RELAXED); break;
		case LOGDIR_CHECKPOINTS:
		default:                      continue;
		}
		if (kind == LOGDIR_LOG_STARTS && start <= __atomic_load_n(&a->first_segment_base, __ATOMIC_RELAXED))
			continue;	/* the files say it themselves */
		if (kind == LOGDIR_CLEANER_OFFSETS && value <= 0)
			continue;	/* nothing is clean */
		entries[count++] = (struct checkpoint_entry){ .topic = slice_str(a->topic), .partition = a->partition, .offset = value };
	}
	enum err e = logdir_write_checkpoint(dir, kind, entries, count);
	free(entries);
	return e;
}

static enum err write_marks(struct logdir *dir, struct partition_addr *const *addrs, int n)
{
	struct logdir_mark *marks = mem_calloc((size_t)n + 1, sizeof(*marks));
	int count = 0;

	for (int i = 0; i < n; i++) {
		if (partition_dir(addrs[i]) != dir || !read_mark(addrs[i], &marks[count].mark))
			continue;
		marks[count].topic = slice_str(addrs[i]->topic);
		marks[count++].partition = addrs[i]->partition;
	}
	enum err e = logdir_write_marks(dir, marks, count);
	free(marks);
	return e;
}

enum err partition_write_checkpoints(struct logdir *dir, struct partition_addr *const *addrs, int n, unsigned what)
{
	enum err e = OK;

	if (e == OK && (what & CHECKPOINT_RECOVERY) != 0)
		e = write_kind(dir, addrs, n, LOGDIR_RECOVERY_POINTS);
	if (e == OK && (what & (CHECKPOINT_RECOVERY | CHECKPOINT_STARTS)) != 0)
		e = write_kind(dir, addrs, n, LOGDIR_LOG_STARTS);
	if (e == OK && (what & CHECKPOINT_WATERMARK) != 0)
		e = write_kind(dir, addrs, n, LOGDIR_HIGH_WATERMARKS);
	if (e == OK && (what & CHECKPOINT_CLEANER) != 0)
		e = write_kind(dir, addrs, n, LOGDIR_CLEANER_OFFSETS);
	if (e == OK && (what & CHECKPOINT_MARKS) != 0)
		e = write_marks(dir, addrs, n);
	return e;
}

static bool is_recovery_point_untrue(const struct logdir *dir, struct partition_addr *const *addrs, int n)
{
	struct logdir_known known;

	for (int i = 0; i < n; i++) {
		const struct partition_addr *a = addrs[i];

		if (partition_dir(a) != dir || __atomic_load_n(&a->is_offline, __ATOMIC_RELAXED))
			continue;
		logdir_known(dir, a->topic, a->partition, &known);
		if (known.recovery_point > partition_log_end_offset(a))
			return true;
	}
	return false;
}

enum err partition_settle_recovery_points(struct logdir *dir, struct partition_addr *const *addrs, int n)
{
	enum err e = partition_write_checkpoints(dir, addrs, n, CHECKPOINT_RECOVERY);

	if (err_is_passing(e) && is_recovery_point_untrue(dir, addrs, n))
		e = logdir_remove_checkpoint(dir, LOGDIR_RECOVERY_POINTS);
	return e;
}
