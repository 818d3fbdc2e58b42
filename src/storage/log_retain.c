/*
 * Retention: which segments at the head of a log are no longer wanted. Kafka's rules (LogManager, UnifiedLog.deleteOldSegments): whole segments, oldest first, only below the high
 * watermark; one whose newest record has a time in the future stays, and with it all behind it.
 *
 * What is unwanted lies below the log start from then on. Its files go when the recovery point has passed them: log_remove_segments_below_start.
 */
#include "storage/log_priv.h"

static int64_t end_of(const struct log *log, int at)
{
	return at + 1 < log->segment_count ? log->segments[at + 1]->base_offset : log->end_offset;
}

/* Of its records; where none says a time, when it was last written. */
static enum err newest_time(struct log *log, struct segment *s, time_ms *out)
{
	char path[LOG_PATH_MAX];
	struct os_stat st;
	enum err e = segment_largest_timestamp(s, out);

	if (e != OK || *out >= 0)
		return e;
	segment_own_path(s, segment_suffix[SEGMENT_LOG], path);
	if ((e = os_stat(log->os, path, &st)) == OK)
		*out = st.mtime;
	return e;
}

static enum err is_too_old(struct log *log, struct segment *s, time_ms now, bool *out)
{
	time_ms newest;
	enum err e;

	*out = false;
	if (log->config.retention_ms < 0)
		return OK;
	if ((e = newest_time(log, s, &newest)) == OK)
		*out = now - newest > log->config.retention_ms;
	return e;
}

/* How many segments may go, from the oldest on. */
static enum err count_unwanted(struct log *log, time_ms now, int *count)
{
	int64_t excess = log->config.retention_bytes >= 0 ? log->size_bytes - log->config.retention_bytes : INT64_MIN;
	enum err e = OK;

	for (*count = 0; *count < log->segment_count; ++*count) {
		struct segment *s = log->segments[*count];
		bool is_unwanted = excess >= (int64_t)s->tail.size;

		if (end_of(log, *count) > log->high_watermark || (*count == log->segment_count - 1 && s->tail.size == 0))
			break;
		if (!is_unwanted && (e = is_too_old(log, s, now, &is_unwanted)) != OK)
			break;
		if (!is_unwanted)
			break;
		if (excess >= 0)
			excess -= s->tail.size;
	}
	return e;
}

enum err log_retain(struct log *log, time_ms now, int *removed)
{
	int count = 0;
	enum err e = OK;

	*removed = 0;
	if (log->is_broken)
		return ERR_IO;
	if ((log->config.cleanup_policy & CLEANUP_DELETE) != 0)
		e = count_unwanted(log, now, &count);
	if (e == OK && count > 0) {
		int64_t start = end_of(log, count - 1);

		if (count == log->segment_count)
			e = log_roll(log, now);
		if (e == OK)
			e = log_raise_start_offset(log, start);
	}
	return e == OK ? log_remove_segments_below_start(log, removed) : e;
}
