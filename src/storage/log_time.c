/*
 * Finding offsets by time. The time index leads to a place that is not too late, batch headers say
 * whether a batch can hold the record, and one batch is decompressed to find it.
 *
 * All of it may be cold, so a worker does it, on copies of the segments that it opens by name. What
 * it reads below their sizes changes only when the log is cut or a segment goes; both are counted,
 * and an answer from before such a change is thrown away. Until then it is only bytes, checked like
 * any others.
 */
#include "storage/log_priv.h"

#include <stdlib.h>

#include "record/record.h"

struct time_search {
	struct segment_store store;		/* with files of its own */
	int64_t              start_offset, end_offset;
	uint32_t             cuts;		/* of the log when this began */
	int                  segment_count;
	struct segment       segments[];
};

/* First record of the batch with timestamp >= target and offset >= start. */
static enum err search_batch(struct time_search *t, os_fd fd, int64_t at, uint32_t size,
	time_ms target, struct log_time_offset *out)
{
	uint8_t *bytes = mem_alloc(size);
	struct decompressor *stream = decompressor_create();
	struct record_iter it;
	struct record r;
	size_t got;
	enum err e = os_pread(t->store.os, fd, bytes, size, at, &got);

	if (e == OK && got < size)
		e = ERR_CORRUPT;
	if (e == OK) {
		record_iter_init(&it, slice_of(bytes, size), stream, UINT64_MAX);
		while (record_iter_next(&it, &r)) {
			if (r.timestamp < target || r.offset < t->start_offset)
				continue;
			*out = (struct log_time_offset){ r.timestamp, r.offset,
				batch_leader_epoch(bytes) };
			break;
		}
		e = it.err;
		record_iter_fini(&it);
	}
	decompressor_destroy(&stream);
	free(bytes);
	return e;
}

static enum err search_from(struct time_search *t, struct segment *s,
	const struct batch_place *place, time_ms target, struct log_time_offset *out)
{
	uint8_t buf[4096];
	struct batch_scan scan;
	struct log_file *f;
	const uint8_t *header;
	int64_t at;
	enum err e = segment_file(s, SEGMENT_LOG, &f);

	if (e != OK)
		return e;
	batch_scan_init(&scan, t->store.os, f->fd, place->file_pos, s->tail.size, buf, sizeof(buf));
	while (out->offset < 0 && (e = batch_scan_next(&scan, &header, &at)) == OK) {
		if (batch_max_timestamp(header) < target ||
			batch_last_offset(header) < t->start_offset)
			continue;
		if ((e = search_batch(t, f->fd, at, (uint32_t)batch_size(header), target,
			out)) != OK)
			return e;
	}
	return e == ERR_INCOMPLETE && scan.pos == scan.end ? OK : e;
}

static enum err search_segment(struct time_search *t, struct segment *s, time_ms target,
	struct log_time_offset *out)
{
	struct time_entry entry = { -1, s->base_offset };
	struct batch_place place;
	struct log_file *f;
	bool is_found;
	enum err e;

	if (s->times.count > 0) {
		if ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK)
			return e;
		e = time_index_lookup(&s->times, t->store.os, f->fd, s->base_offset, target,
			&entry);
		if (e == ERR_CORRUPT)
			entry.offset = s->base_offset;
		else if (e != OK)
			return e;
	}
	if ((e = segment_find(s, MAX(entry.offset, t->start_offset), &place, &is_found)) != OK ||
		!is_found)
		return e;
	return search_from(t, s, &place, target, out);
}

/* The largest timestamp of all, -1 none. */
static enum err largest_of_all(struct time_search *t, time_ms *max)
{
	time_ms largest;
	enum err e = OK;

	*max = -1;
	for (int i = 0; e == OK && i < t->segment_count; i++) {
		e = segment_largest_timestamp(&t->segments[i], &largest);
		*max = MAX(*max, largest);
	}
	return e;
}

static enum err search_all(struct time_search *t, time_ms target, struct log_time_offset *out)
{
	time_ms largest;
	enum err e = OK;

	for (int i = 0; e == OK && out->offset < 0 && i < t->segment_count; i++) {
		struct segment *s = &t->segments[i];
		e = segment_largest_timestamp(s, &largest);
		if (e == OK && largest >= target && s->tail.size > 0)
			e = search_segment(t, s, target, out);
	}
	return e;
}

/* --- segments by when they were written ------------------------------------------------------- */

/* Modification time of a segment's file; of one that cannot be looked at: never. */
static time_ms modified_at(const struct time_search *t, const struct segment *s)
{
	char path[LOG_PATH_MAX];
	struct os_stat st;

	segment_own_path(s, segment_suffix[SEGMENT_LOG], path);
	return os_stat(t->store.os, path, &st) == OK ? st.mtime : INT64_MAX;
}

static void add_offset(struct log_time_lookup *l, int64_t offset)
{
	if (offset > l->cap) {
		if (l->count > 0 && l->offsets[l->count - 1] == l->cap)
			return;		/* newest first: cap stands for all above it */
		offset = l->cap;
	}
	if (l->count < l->max)
		l->offsets[l->count++] = offset;
}

static void list_segments(const struct time_search *t, struct log_time_lookup *l)
{
	const struct segment *active = &t->segments[t->segment_count - 1];

	if (l->target == -2) {
		add_offset(l, MAX(t->segments[0].base_offset, t->start_offset));
		return;
	}
	if (active->tail.size > 0 && (l->target == -1 || l->target >= os_time_ms(t->store.os)))
		add_offset(l, t->end_offset);
	for (int i = t->segment_count - 1; i >= 0; i--) {
		if (l->target == -1 || modified_at(t, &t->segments[i]) <= l->target)
			add_offset(l, MAX(t->segments[i].base_offset, t->start_offset));
	}
}

/* --- the job ---------------------------------------------------------------------------------- */

void log_time_lookup_begin(struct log *log, struct log_time_lookup *l)
{
	int first = MAX(log_segment_at(log, log->start_offset), 0);
	int count = log->segment_count - first;
	struct time_search *t = mem_calloc(1, sizeof(*t) + (size_t)count * sizeof(t->segments[0]));

	t->store = (struct segment_store){ .os = log->os, .dir = mem_strdup(log->store.dir),
		.is_borrowed = true };
	file_cache_init(&t->store.cache, log->os);
	t->start_offset = log->start_offset;
	t->end_offset = log->end_offset;
	t->cuts = log->cuts;
	t->segment_count = count;
	for (int i = 0; i < count; i++) {
		t->segments[i] = *log->segments[first + i];
		t->segments[i].store = &t->store;
		memset(t->segments[i].files, 0, sizeof(t->segments[i].files));
	}
	l->search = t;
	l->found = (struct log_time_offset){ -1, -1, -1 };
	l->count = 0;
	l->offsets = l->lists_segments ? mem_calloc((size_t)count + 1, sizeof(*l->offsets)) : NULL;
	l->result = OK;
}

void log_time_lookup_run(struct log_time_lookup *l)
{
	struct time_search *t = l->search;
	time_ms target = l->target;

	if (l->lists_segments) {
		list_segments(t, l);
		return;
	}
	if (target == LOG_TIME_LARGEST)
		l->result = largest_of_all(t, &target);
	if (l->result == OK && target >= 0)
		l->result = search_all(t, target, &l->found);
	for (int i = 0; i < t->segment_count; i++) {
		for (int part = 0; part < SEGMENT_PARTS; part++)
			file_cache_drop(&t->store.cache, &t->segments[i].files[part]);
	}
}

enum err log_time_lookup_end(struct log *log, struct log_time_lookup *l)
{
	bool is_stale = log != NULL && (l->search->cuts != log->cuts ||
		(l->found.offset >= 0 && l->found.offset < log->start_offset));

	free(l->offsets);
	free(l->search->store.dir);
	free(l->search);
	l->offsets = NULL;
	l->search = NULL;
	return is_stale ? ERR_AGAIN : l->result;
}
