/*
 * A batch whose CRC is wrong is passed over by its length when something that can be a batch, or the end, stands behind it and no later batch within: then the length is
 * believed. Else the length itself is part of the damage, and the next batch is looked for byte by byte: one whose CRC holds, because bytes that look like a header are
 * found anywhere.
 */
#include "storage/segment_walk.h"

#include <stdlib.h>
#include <string.h>

#define GROWTHS_MAX 8		/* of a file that is written to faster than it is read */

const char *walk_fault_text(enum walk_fault fault)
{
	static const char *const texts[] = {
#define X(name, text) [name] = text,
		WALK_FAULT_TABLE(X)
#undef X
	};

	return texts[fault];
}

enum err segment_walk_open(struct segment_walk *w, struct os *os, const char *path, int64_t base_offset)
{
	struct os_stat st;
	os_fd fd;
	enum err e = os_open(os, path, OS_RDONLY, &fd);

	if (e != OK)
		return e;
	e = os_fstat(os, fd, &st);
	if (e == OK && st.is_dir)
		e = ERR_IS_DIR;
	if (e != OK) {
		os_close(os, &fd);
		return e;
	}
	*w = (struct segment_walk){ .base_offset = base_offset, .fd = fd, .window = mem_alloc(SCAN_BUFFER_BIG) };
	batch_scan_init(&w->scan, os, fd, 0, (int64_t)MIN(st.size, (uint64_t)INT64_MAX), w->window, SCAN_BUFFER_BIG);
	return OK;
}

void segment_walk_close(struct segment_walk *w)
{
	os_close(w->scan.os, &w->fd);
	free(w->window);
	strbuf_fini(&w->bytes);
	w->window = NULL;
}

int64_t segment_walk_size(const struct segment_walk *w)
{
	return w->scan.end;
}

void segment_walk_seek(struct segment_walk *w, int64_t file_pos)
{
	w->scan.pos = file_pos;
}

/* Is a whole batch, or an entry of an old format, at this place, as far as its header tells? The scan stays behind it. */
static enum err try_header(struct segment_walk *w, int64_t at, const uint8_t **header)
{
	int64_t found;

	w->scan.pos = at;
	return batch_scan_next(&w->scan, header, &found);
}

static bool can_follow(struct segment_walk *w, int64_t at)
{
	const uint8_t *header;
	enum err e = at == w->scan.end ? OK : try_header(w, at, &header);

	return e == OK || (e == ERR_UNSUPPORTED && batch_scan_is_old_entry(&w->scan, at));
}

/* What makes the bytes at this place no batch, for people. */
static enum err name_fault(struct segment_walk *w, struct walk_step *step)
{
	int64_t left = w->scan.end - step->file_pos;
	const uint8_t *p;

	step->claimed = -1;
	step->fault = WALK_SHORT;
	if (left < BATCH_PREFIX_SIZE)
		return OK;
	enum err e = batch_scan_bytes(&w->scan, step->file_pos, BATCH_PREFIX_SIZE, &p);
	if (e != OK)
		return e;
	step->claimed = (int64_t)batch_length(p) + BATCH_LOG_OVERHEAD;
	step->fault = batch_length(p) < BATCH_LENGTH_MIN ? WALK_BAD_LENGTH :
		      batch_magic(p) < 0 || batch_magic(p) > BATCH_MAGIC ? WALK_BAD_MAGIC :
		      batch_magic(p) == BATCH_MAGIC && step->claimed < BATCH_HEADER_SIZE ? WALK_BAD_LENGTH :
		      step->claimed > left ? WALK_TORN :
		      batch_magic(p) < BATCH_MAGIC ? WALK_BAD_CRC : WALK_BAD_HEADER;
	return OK;
}

/* Is every byte from here to the end zero? */
static enum err is_zero_tail(struct segment_walk *w, int64_t pos, bool *is_zero)
{
	const uint8_t *p;

	*is_zero = pos < w->scan.end;
	while (*is_zero && pos < w->scan.end) {
		uint32_t n = (uint32_t)MIN(w->scan.end - pos, w->scan.room);
		enum err e = batch_scan_bytes(&w->scan, pos, n, &p);
		if (e != OK)
			return e;
		*is_zero = p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
		pos += n;
	}
	return OK;
}

/* Random bytes are not taken for the header of a large batch, whose CRC would cost much: the offset has to be one of the segment. */
static bool is_plausible(const struct segment_walk *w, const uint8_t *p)
{
	int64_t offset = batch_base_offset(p);

	if ((uint8_t)p[BATCH_MAGIC_POS] > BATCH_MAGIC || offset < 0)
		return false;
	return w->base_offset >= 0 ? offset >= w->base_offset && offset - w->base_offset <= INT32_MAX : offset >> 40 == 0;
}

/* The first place in [pos, end) where a batch begins whose CRC holds; the end if there is none, or if enough was looked at. */
static enum err find_batch(struct segment_walk *w, int64_t pos, int64_t end, int64_t *found)
{
	const uint8_t *header;
	bool is_right = false;
	enum err e = OK;

	for (; pos < end && pos + BATCH_PREFIX_SIZE <= w->scan.end && w->searched < WALK_SEARCH_BYTES; pos++) {
		const uint8_t *p;
		if ((e = batch_scan_bytes(&w->scan, pos, BATCH_PREFIX_SIZE, &p)) != OK)
			return e;
		if (!is_plausible(w, p))
			continue;
		e = try_header(w, pos, &header);
		if (e == ERR_UNSUPPORTED) {
			w->searched += BATCH_LOG_OVERHEAD + batch_length(p);
			is_right = batch_scan_is_old_entry(&w->scan, pos);
		} else if (e == OK) {
			w->searched += (int64_t)batch_size(header);
			if ((e = batch_scan_check_crc(&w->scan, pos, (uint32_t)batch_size(header), batch_crc(header), &is_right)) != OK)
				return e;
		} else if (e != ERR_INCOMPLETE && e != ERR_CORRUPT) {
			return e;
		}
		if (is_right)
			break;
	}
	*found = is_right ? pos : end;
	return OK;
}

/* Does a sound batch of later offsets begin within this one? Then this one's length is wrong. */
static enum err hides_another(struct segment_walk *w, const struct walk_step *step, int64_t end, bool *hides)
{
	const uint8_t *header;
	int64_t found;
	enum err e = find_batch(w, step->file_pos + 1, end, &found);

	*hides = e == OK && found < end && try_header(w, found, &header) == OK && batch_base_offset(header) > batch_base_offset(step->header);
	return e;
}

static enum err take_damage(struct segment_walk *w, struct walk_step *step)
{
	int64_t next = w->scan.end;
	bool is_zero;
	enum err e = name_fault(w, step);

	step->kind = WALK_DAMAGE;
	if (e == OK)
		e = is_zero_tail(w, step->file_pos, &is_zero);
	if (e == OK && is_zero)
		step->fault = WALK_ZEROS;
	else if (e == OK)
		e = find_batch(w, step->file_pos + 1, next, &next);
	step->is_tail = next == w->scan.end;
	step->size = next - step->file_pos;
	w->scan.pos = next;
	return e;
}

static enum err take_batch(struct segment_walk *w, struct walk_step *step, const uint8_t *header)
{
	int64_t end = w->scan.pos;
	bool is_right;

	memcpy(step->header, header, BATCH_HEADER_SIZE);
	step->kind = WALK_BATCH;
	step->size = end - step->file_pos;
	enum err e = batch_scan_check_crc(&w->scan, step->file_pos, (uint32_t)step->size, batch_crc(step->header), &is_right);
	if (e == OK && !is_right) {
		bool hides = false;

		if (can_follow(w, end) && (e = hides_another(w, step, end, &hides)) != OK)
			return e;
		if (hides || !can_follow(w, end)) {
			e = take_damage(w, step);
			step->fault = WALK_BAD_CRC;
			return e;
		}
		step->fault = WALK_BAD_CRC;
	}
	w->scan.pos = end;
	return e;
}

static enum err take_old(struct segment_walk *w, struct walk_step *step)
{
	const uint8_t *p;
	enum err e;

	if (!batch_scan_is_old_entry(&w->scan, step->file_pos))
		return take_damage(w, step);
	if ((e = batch_scan_bytes(&w->scan, step->file_pos, BATCH_PREFIX_SIZE, &p)) != OK)
		return e;
	memcpy(step->header, p, BATCH_PREFIX_SIZE);
	step->kind = WALK_OLD;
	step->size = (int64_t)batch_length(p) + BATCH_LOG_OVERHEAD;
	w->scan.pos = step->file_pos + step->size;
	return OK;
}

static enum err take_step(struct segment_walk *w, struct walk_step *step)
{
	const uint8_t *header;

	*step = (struct walk_step){ .kind = WALK_END, .file_pos = w->scan.pos, .claimed = -1 };
	if (w->scan.pos == w->scan.end)
		return OK;
	enum err e = try_header(w, step->file_pos, &header);
	if (e == OK)
		return take_batch(w, step, header);
	if (e == ERR_UNSUPPORTED)
		return take_old(w, step);
	return e == ERR_INCOMPLETE || e == ERR_CORRUPT ? take_damage(w, step) : e;
}

/* Has somebody written on? Then what is in the window may be old. */
static bool has_grown(struct segment_walk *w)
{
	struct os_stat st;

	if (w->growths == GROWTHS_MAX || os_fstat(w->scan.os, w->fd, &st) != OK || st.size > INT64_MAX || (int64_t)st.size <= w->scan.end)
		return false;
	w->growths++;
	w->scan.end = (int64_t)st.size;
	w->scan.len = 0;
	return true;
}

enum err segment_walk_next(struct segment_walk *w, struct walk_step *step)
{
	enum err e = take_step(w, step);

	while (e == OK && step->kind == WALK_DAMAGE && step->is_tail && has_grown(w)) {
		w->scan.pos = step->file_pos;
		e = take_step(w, step);
	}
	return e;
}

enum err segment_walk_bytes(struct segment_walk *w, const struct walk_step *step, struct slice *bytes)
{
	size_t got;

	strbuf_reset(&w->bytes);
	strbuf_reserve(&w->bytes, (size_t)step->size);
	enum err e = os_pread(w->scan.os, w->fd, w->bytes.ptr, (size_t)step->size, step->file_pos, &got);
	if (e == OK && got < (size_t)step->size)
		e = ERR_INCOMPLETE;
	*bytes = slice_of(w->bytes.ptr, (size_t)step->size);
	return e;
}
