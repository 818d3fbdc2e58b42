/*
 * The owner's side of a pass: whether a log is worth it, what the jobs are given, and how a group takes the place of its sources.
 */
#include "storage/log_clean_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- is it worth it --------------------------------------------------------------------------- */

int64_t log_dirty_offset(const struct log *log)
{
	return log->dirty_offset;
}

void log_set_dirty_offset(struct log *log, int64_t offset)
{
	log->dirty_offset = offset;
}

bool log_is_settling(const struct log *log)
{
	return log->settling_end > 0;
}

/* Segments that are younger than the topic wants them to be, and all behind them. */
static enum err bound_by_lag(struct log *log, int from, time_ms now, int64_t *bound)
{
	time_ms largest;
	enum err e = OK;

	for (int i = from; log->config.min_compaction_lag_ms > 0 && i < log->segment_count - 1 && log->segments[i]->base_offset < *bound; i++) {
		if ((e = segment_largest_timestamp(log->segments[i], &largest)) != OK)
			return e;
		if (largest > now - log->config.min_compaction_lag_ms)
			*bound = log->segments[i]->base_offset;
	}
	return e;
}

static enum err find_overdue(struct log *log, int from, time_ms now, bool *is_overdue)
{
	enum err e = OK;

	*is_overdue = false;
	if (log->config.max_compaction_lag_ms == INT64_MAX)
		return OK;
	for (int i = from; e == OK && !*is_overdue && i < log->segment_count - 1; i++) {
		struct segment *s = log->segments[i];

		e = segment_learn_first_timestamp(s);
		*is_overdue = e == OK && s->tail.knows_first && s->tail.first_timestamp > 0 && s->tail.first_timestamp < now - log->config.max_compaction_lag_ms;
	}
	return e;
}

enum err log_dirt(struct log *log, time_ms now, struct log_dirt *out)
{
	int64_t bound = MIN(MIN(log_last_stable_offset(log), log_active(log)->base_offset), log->recovery_point);
	enum err e;

	*out = (struct log_dirt){ .first_dirty = log->dirty_offset };
	out->was_invalid = log->dirty_offset >= 0 && (log->dirty_offset < log->start_offset || log->dirty_offset > log->end_offset);
	if (out->was_invalid || log->dirty_offset < 0)
		out->first_dirty = log->start_offset;
	int first = MAX(log_segment_at(log, out->first_dirty), 0);
	if ((e = bound_by_lag(log, first, now, &bound)) != OK || (e = find_overdue(log, first, now, &out->is_overdue)) != OK)
		return e;
	int last = MAX(log_segment_at(log, MAX(bound, out->first_dirty)), 0);
	out->first_uncleanable = log->segments[last]->base_offset;
	for (int i = 0; i < log->segment_count; i++) {
		if (log->segments[i]->base_offset < out->first_dirty)
			out->clean_bytes += log->segments[i]->tail.size;
		if (i >= first && i < last)
			out->cleanable_bytes += log->segments[i]->tail.size;
	}
	return OK;
}

bool log_dirt_is_worth_it(const struct log *log, const struct log_dirt *d)
{
	if ((log->config.cleanup_policy & CLEANUP_COMPACT) == 0 || log->is_broken || d->cleanable_bytes == 0)
		return false;
	return d->is_overdue || (double)d->cleanable_bytes / (double)(d->clean_bytes + d->cleanable_bytes) > log->config.min_cleanable_dirty_ratio;
}

/* --- the beginning ---------------------------------------------------------------------------- */

static int by_id(const void *x, const void *y)
{
	const struct clean_producer *a = x, *b = y;

	return (a->producer_id > b->producer_id) - (a->producer_id < b->producer_id);
}

static void copy_producers(struct log_clean *c, const struct log *log)
{
	int count = producer_state_count(log->producers);
	struct producer_info *infos;

	if (count == 0)
		return;
	infos = mem_calloc((size_t)count, sizeof(*infos));
	c->producer_count = MIN(producer_state_list(log->producers, infos, count), count);
	c->producers = mem_calloc((size_t)count, sizeof(*c->producers));
	for (int i = 0; i < c->producer_count; i++)
		c->producers[i] = (struct clean_producer){ infos[i].producer_id, infos[i].last_offset, infos[i].producer_epoch };
	qsort(c->producers, (size_t)c->producer_count, sizeof(*c->producers), by_id);
	free(infos);
}

static void copy_segments(struct log_clean *c, struct log *log)
{
	c->segment_count = log->segment_count;
	c->segments = mem_calloc((size_t)log->segment_count, sizeof(*c->segments));
	for (int i = 0; i < log->segment_count; i++) {
		c->segments[i] = *log->segments[i];
		c->segments[i].store = &c->store;
		memset(c->segments[i].files, 0, sizeof(c->segments[i].files));
		if (c->segments[i].base_offset < c->first_uncleanable)
			c->mapped_count = i + 1;
	}
}

struct log_clean *log_clean_begin(struct log *log, const struct log_dirt *d, const struct log_clean_limits *limits, time_ms now)
{
	struct log_clean *c = mem_calloc(1, sizeof(*c));

	ASSERT(d->cleanable_bytes > 0 && !log_is_settling(log));
	c->config = log->config;
	c->store = (struct segment_store){ .os = log->os, .dir = mem_strdup(log->store.dir), .config = &c->config, .is_borrowed = true };
	file_cache_init(&c->store.cache, log->os);
	c->out_store = (struct segment_store){ .os = log->os, .dir = c->store.dir, .config = &c->config };
	file_cache_init(&c->out_store.cache, log->os);
	c->limits = *limits;
	c->now = now;
	c->first_dirty = c->told.first_dirty = c->told.end = d->first_dirty;
	c->latest = d->first_dirty - 1;
	c->first_uncleanable = d->first_uncleanable;
	c->truncations = log->truncations;
	clean_txns_init(&c->txns);
	copy_segments(c, log);
	copy_producers(c, log);
	c->reader.at = MAX(log_segment_at(log, d->first_dirty), 0);
	ASSERT(c->reader.at < c->mapped_count);
	return c;
}

/* --- a group takes the place of its sources --------------------------------------------------- */

/* Number of the first of them in the log; -1: they are not all there any more, or not what they were. */
static int find_sources(const struct log *log, const struct log_clean *c)
{
	int at = log_segment_at(log, c->segments[c->group_at].base_offset);

	if (at < 0 || at + c->group_count >= log->segment_count)	/* nor is the active one among them */
		return -1;
	for (int i = 0; i < c->group_count; i++) {
		const struct segment *s = log->segments[at + i], *source = &c->segments[c->group_at + i];
		if (s->base_offset != source->base_offset || s->inode != source->inode || s->tail.size != source->tail.size)
			return -1;
	}
	return at;
}

static enum err remove_source(struct log *log, struct segment *s, bool is_first)
{
	int64_t base = s->base_offset;
	enum err e = segment_retire(&s);

	if (e == OK && !is_first)
		e = producer_snapshot_retire(log->os, log->store.dir, base);
	return err_is_passing(e) ? OK : e;	/* a snapshot that stays is a stray of the next start */
}

static enum err take_place(struct log *log, struct log_clean *c)
{
	int at = find_sources(log, c);
	struct segment **old = mem_calloc((size_t)c->group_count, sizeof(struct segment *));
	enum err e = OK;

	ASSERT(at >= 0);	/* nothing removes them while it is settling */
	for (int i = 0; i < c->group_count; i++) {
		old[i] = log->segments[at];
		c->told.bytes_before += old[i]->tail.size;
		log_forget_segment(log, at);
	}
	c->placed = c->out;
	c->out = NULL;
	c->placed->store = &log->store;
	c->told.bytes_after += c->placed->tail.size;
	c->told.segments_before += c->group_count;
	c->told.segments_after++;
	log_add_segment(log, c->placed);
	log->has_aborted = log->has_aborted || c->placed->txns.count > 0;
	log->cuts++;
	log->is_dir_dirty = true;
	c->leaves_files = true;
	for (int i = 0; i < c->group_count; i++) {
		if (e == OK)
			e = remove_source(log, old[i], i == 0);
		else
			segment_detach(&old[i]);
	}
	free(old);
	return e;
}

static void end_group(struct log *log, struct log_clean *c)
{
	log->cuts++;		/* names have changed */
	log->is_dir_dirty = true;
	log->settling_end = 0;
	c->placed = NULL;
	c->group_at += c->group_count;
	c->group_count = 0;
	c->phase = c->group_at < c->source_count ? CLEAN_WRITE : CLEAN_DONE;
}

/* --- step by step ----------------------------------------------------------------------------- */

enum err log_clean_step(struct log *log, struct log_clean *c, bool *has_more)
{
	bool is_certain = c->ran == CLEAN_NAME || c->ran == CLEAN_SETTLE;
	enum err e = c->result;

	*has_more = false;
	if (c->ran == CLEAN_NAME && e != OK)
		log->settling_end = 0;		/* it was not to be */
	if (!is_certain && (c->truncations != log->truncations || log->is_broken))
		return ERR_AGAIN;
	if (e != OK)
		return e;
	switch (c->ran) {
	case CLEAN_MAP:
	case CLEAN_WRITE:
		break;
	case CLEAN_SYNC:
		if (find_sources(log, c) < 0)
			return ERR_AGAIN;
		log->settling_end = clean_source_end(c, c->group_at + c->group_count - 1);
		c->phase = CLEAN_NAME;
		break;
	case CLEAN_NAME:
		if ((e = take_place(log, c)) != OK)
			return e;
		c->phase = CLEAN_SETTLE;
		break;
	case CLEAN_SETTLE:
		if ((e = segment_set_extra(c->placed, "")) != OK)
			return e;
		end_group(log, c);
		break;
	case CLEAN_DONE:
		break;
	}
	if (c->phase == CLEAN_DONE)
		log->dirty_offset = c->end;
	*has_more = c->phase != CLEAN_DONE;
	return OK;
}

uint64_t log_clean_take_bytes(struct log_clean *c)
{
	uint64_t bytes = c->bytes;

	c->bytes = 0;
	return bytes;
}

void log_clean_told(const struct log_clean *c, struct log_clean_result *out)
{
	*out = c->told;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* A renaming that failed has left some of its files under either name. */
static void drop_out(struct log_clean *c)
{
	static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex" };
	static const char *const extras[] = { SEGMENT_CLEANED, SEGMENT_SWAP };
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX + 16], with[SEGMENT_NAME_MAX];

	for (size_t i = 0; i < ARRAY_LEN(suffixes) * ARRAY_LEN(extras); i++) {
		snprintf(with, sizeof(with), "%s%s", suffixes[i / ARRAY_LEN(extras)], extras[i % ARRAY_LEN(extras)]);
		segment_path(&c->out_store, c->out->base_offset, with, from);
		snprintf(to, sizeof(to), "%s.deleted", from);
		enum err e = os_rename(c->store.os, from, to);
		c->leaves_files = c->leaves_files || e == OK;
		if (err_is_passing(e))
			(void)!os_unlink(c->store.os, from);	/* else the next start sweeps it */
	}
}

void log_clean_end(struct log *log, struct log_clean **clean, bool *leaves_files)
{
	struct log_clean *c = *clean;

	*clean = NULL;
	for (int part = 0; part < SEGMENT_PARTS; part++) {
		for (int i = 0; i < c->segment_count; i++)
			file_cache_drop(&c->store.cache, &c->segments[i].files[part]);
	}
	if (log != NULL && c->out != NULL) {
		drop_out(c);
		log->settling_end = 0;
		log->is_dir_dirty = true;
	}
	*leaves_files = c->leaves_files;
	segment_detach(&c->out);
	batch_cleaner_fini(&c->batches);
	clean_txns_fini(&c->txns);
	offset_map_destroy(&c->map);
	strbuf_fini(&c->staged);
	free(c->stage);
	free(c->reader.buf);
	free(c->segments);
	free(c->producers);
	free(c->store.dir);
	free(c);
}
