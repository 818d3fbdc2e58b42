/*
 * What lies in a partition directory when a log is opened, and what of it is the log: remains of
 * deletions and of unfinished compactions go, finished compactions are put in place, every .log
 * becomes a segment.
 *
 * Compaction writes new files as .cleaned, renames them to .swap once they are complete, renames
 * the old ones away and then the new ones to their final names. So a .cleaned is never needed; a
 * .swap is, and what it replaces may be half gone.
 */
#include "storage/log_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct found {			/* a file named by an offset */
	int64_t base_offset;
	char    suffix[SEGMENT_NAME_MAX];	/* ".log", ".index.swap" ... */
};

struct listing {
	struct found *files;
	int count, room;
};

static void add_found(void *arg, const char *name, bool is_dir)
{
	struct listing *l = arg;
	const char *suffix;
	int64_t base;

	if (is_dir || !segment_parse_name(name, &base, &suffix) ||
		strlen(suffix) >= SEGMENT_NAME_MAX)
		return;
	if (l->count == l->room) {
		l->room = MAX(16, l->room * 2);
		l->files = mem_realloc_array(l->files, (size_t)l->room, sizeof(*l->files));
	}
	l->files[l->count].base_offset = base;
	snprintf(l->files[l->count].suffix, SEGMENT_NAME_MAX, "%s", suffix);
	l->count++;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static enum err remove_file(struct log *log, struct found *f)
{
	char path[LOG_PATH_MAX];

	segment_path(&log->store, f->base_offset, f->suffix, path);
	f->suffix[0] = '\0';
	enum err e = os_unlink(log->os, path);
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Offset behind the last batch of a .log.swap; an empty one replaces the segment of its own base. */
static enum err swap_end(struct log *log, const struct found *f, int64_t *end)
{
	uint8_t buf[4096];
	char path[LOG_PATH_MAX];
	struct batch_scan scan;
	struct os_stat st;
	const uint8_t *header;
	int64_t at;
	os_fd fd;
	enum err e;

	*end = f->base_offset + 1;
	segment_path(&log->store, f->base_offset, f->suffix, path);
	if ((e = os_open(log->os, path, OS_RDONLY, &fd)) != OK)
		return e;
	if ((e = os_fstat(log->os, fd, &st)) == OK) {
		batch_scan_init(&scan, log->os, fd, 0, (int64_t)MIN(st.size, SEGMENT_BYTES_MAX),
			buf, sizeof(buf));
		while ((e = batch_scan_next(&scan, &header, &at)) == OK)
			*end = MAX(*end, batch_last_offset(header) + 1);
	}
	os_close(log->os, &fd);
	return e == ERR_IO ? e : OK;
}

/*
 * A killed process may have renamed segments away that a power cut would bring back, behind what is appended from now on: it is settled which exist before
 * the .deleted go, for by these alone the next start would know.
 */
static enum err sweep_leftovers(struct log *log, struct listing *l)
{
	int64_t cleaned_min = INT64_MAX;
	bool has_deleted = false;
	enum err e = OK;

	for (int i = 0; i < l->count; i++) {
		if (ends_with(l->files[i].suffix, ".cleaned"))
			cleaned_min = MIN(cleaned_min, l->files[i].base_offset);
		has_deleted = has_deleted || ends_with(l->files[i].suffix, ".deleted");
	}
	if (has_deleted)
		e = os_fsync_dir(log->os, log->store.dir);
	for (int i = 0; e == OK && i < l->count; i++) {
		struct found *f = &l->files[i];
		/* A .swap at or above a .cleaned belongs to a segment that was being split and
		 * never got complete. */
		if (ends_with(f->suffix, ".deleted") || ends_with(f->suffix, ".cleaned") ||
		    (ends_with(f->suffix, ".swap") && f->base_offset >= cleaned_min))
			e = remove_file(log, f);
	}
	return e;
}

static bool has_file(const struct listing *l, int64_t base_offset, const char *suffix)
{
	int low = 0, high = l->count;

	while (low < high) {		/* a listing comes in order of names, and these begin with
					 * twenty digits */
		int mid = (low + high) / 2;
		if (l->files[mid].base_offset < base_offset)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < l->count && l->files[low].base_offset == base_offset; low++) {
		if (strcmp(l->files[low].suffix, suffix) == 0)
			return true;
	}
	return false;
}

/*
 * An index without its .log.swap: the .log is in its place already, or the renaming to .swap had failed and was being taken
 * back. Whichever it was, indexes made anew are right, and a missing .index asks for that.
 */
static enum err drop_lone_swap_indexes(struct log *log, struct listing *l)
{
	bool has_lone = false;
	enum err e = OK;

	for (int i = 0; e == OK && i < l->count; i++) {
		struct found *f = &l->files[i];
		if (!ends_with(f->suffix, SEGMENT_SWAP) || has_file(l, f->base_offset, ".log.swap"))
			continue;
		has_lone = true;
		for (int k = 0; e == OK && k < l->count; k++) {
			if (l->files[k].base_offset == f->base_offset && strcmp(l->files[k].suffix, ".index") == 0)
				e = remove_file(log, &l->files[k]);
		}
	}
	if (e == OK && has_lone)
		e = os_fsync_dir(log->os, log->store.dir);
	for (int i = 0; e == OK && has_lone && i < l->count; i++) {
		if (ends_with(l->files[i].suffix, SEGMENT_SWAP) && !has_file(l, l->files[i].base_offset, ".log.swap"))
			e = remove_file(log, &l->files[i]);
	}
	return e;
}

/*
 * A power cut may keep any part of what is renamed and removed here, so what is replaced is surely gone before a .swap loses its
 * extra, by which alone it is known what it replaces; and the new names are on the device before anything else is done with the
 * directory, for a .cleaned of the recovery beside a .swap would make this one void.
 */
static enum err put_swaps_in_place(struct log *log, struct listing *l)
{
	int64_t low = INT64_MAX, high = INT64_MIN, end;
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];
	bool has_swaps = false;
	enum err e = OK;

	for (int i = 0; e == OK && i < l->count; i++) {
		if (strcmp(l->files[i].suffix, ".log.swap") != 0)
			continue;
		e = swap_end(log, &l->files[i], &end);
		low = MIN(low, l->files[i].base_offset);
		high = MAX(high, end);
		has_swaps = true;
	}
	if (!has_swaps)
		return e;
	for (int i = 0; e == OK && i < l->count; i++) {
		struct found *f = &l->files[i];
		bool is_part = strcmp(f->suffix, ".log") == 0 || strcmp(f->suffix, ".index") == 0 ||
			strcmp(f->suffix, ".timeindex") == 0 ||
			       strcmp(f->suffix, ".txnindex") == 0;
		if (is_part && f->base_offset >= low && f->base_offset < high)
			e = remove_file(log, f);
	}
	if (e == OK)
		e = os_fsync_dir(log->os, log->store.dir);
	for (int round = 0; round < 2; round++) {	/* the .log last: until then its .swap tells of the others */
		for (int i = 0; e == OK && i < l->count; i++) {
			struct found *f = &l->files[i];
			if (!ends_with(f->suffix, SEGMENT_SWAP) || (strcmp(f->suffix, ".log.swap") == 0) != (round == 1))
				continue;
			segment_path(&log->store, f->base_offset, f->suffix, from);
			f->suffix[strlen(f->suffix) - strlen(SEGMENT_SWAP)] = '\0';
			segment_path(&log->store, f->base_offset, f->suffix, to);
			e = os_rename(log->os, from, to);
		}
	}
	return e == OK ? os_fsync_dir(log->os, log->store.dir) : e;
}

/* A missing .index asks for indexes made anew, also of the start after a power cut in the middle of that. */
static enum err ask_for_indexes(struct log *log, int64_t base)
{
	struct found index = { base, ".index" };
	enum err e = remove_file(log, &index);

	return e == OK ? os_fsync_dir(log->os, log->store.dir) : e;
}

/* *damaged_from: base of the first segment whose indexes must be made anew, INT64_MAX none. */
static enum err attach_segments(struct log *log, const struct listing *l, time_ms now,
	int64_t *damaged_from)
{
	struct segment *s;
	enum err e = OK;

	*damaged_from = INT64_MAX;
	for (int i = 0; e == OK && i < l->count; i++) {
		int64_t base = l->files[i].base_offset;
		if (strcmp(l->files[i].suffix, ".log") != 0)
			continue;
		if ((e = segment_attach(&s, &log->store, base, now)) != OK)
			break;
		log_add_segment(log, s);
		if (s->tail.size > 0 && !has_file(l, base, ".index"))
			*damaged_from = MIN(*damaged_from, base);
		if (!has_file(l, base, ".txnindex"))
			continue;
		e = txn_index_open(&s->txns, log->os, log->store.dir, base);
		log->has_aborted = log->has_aborted || s->txns.count > 0;
		if (e == ERR_CORRUPT) {
			*damaged_from = MIN(*damaged_from, base);
			e = ask_for_indexes(log, base);
		}
	}
	return e;
}

static enum err remove_orphan_indexes(struct log *log, struct listing *l)
{
	enum err e = OK;

	for (int i = 0; e == OK && i < l->count; i++) {
		struct found *f = &l->files[i];
		if ((strcmp(f->suffix, ".index") == 0 || strcmp(f->suffix, ".timeindex") == 0 ||
			strcmp(f->suffix, ".txnindex") == 0) &&
		    !has_file(l, f->base_offset, ".log"))
			e = remove_file(log, f);
	}
	return e;
}

static enum err remove_stray_snapshots(struct log *log)
{
	int64_t *bases = mem_calloc((size_t)MAX(log->segment_count, 1), sizeof(*bases));
	enum err e;

	for (int i = 0; i < log->segment_count; i++)
		bases[i] = log->segments[i]->base_offset;
	e = producer_snapshot_remove_strays(log->os, log->store.dir, bases, log->segment_count);
	free(bases);
	return e;
}

enum err log_sweep(struct log *log, time_ms now, int64_t *damaged_from)
{
	struct listing l = { 0 };
	enum err e = os_list_dir(log->os, log->store.dir, add_found, &l);

	if (e == OK)
		e = sweep_leftovers(log, &l);
	if (e == OK)
		e = drop_lone_swap_indexes(log, &l);
	if (e == OK)
		e = put_swaps_in_place(log, &l);
	if (e == OK)
		e = remove_orphan_indexes(log, &l);
	if (e == OK)
		e = attach_segments(log, &l, now, damaged_from);
	if (e == OK)
		e = remove_stray_snapshots(log);
	free(l.files);
	return e;
}
