/*
 * `.skein-progress`, text, so that a person can read it after a crash:
 *
 *	skein-progress 1 <boot id>
 *	<count>
 *	<topic> <partition> <segment base> <file size> <inode>
 *		<last batch position> <its CRC> <offset index entries> <time index entries>
 *	crc <CRC-32C of all before this line>
 *
 * It is written beside its place and renamed, without any sync: only a kernel that still has it in
 * its page cache may believe it.
 */
#include "storage/logdir_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "record/batch.h"

#define MARKS_FILE     ".skein-progress"
#define MARKS_HEAD     "skein-progress 1 "
#define FIELDS         9
#define BATCH_PREFIX   21	/* a batch's header up to and with its CRC */

/* --- writing ---------------------------------------------------------------------------------- */

static void print_marks(const struct logdir *d, struct strbuf *out, const struct logdir_mark *marks,
	int n)
{
	char boot_id[40];
	int count = 0;

	os_boot_id(d->os, boot_id);
	for (int i = 0; i < n; i++)
		count += marks[i].mark.is_valid;
	strbuf_printf(out, MARKS_HEAD "%s\n%d\n", boot_id, count);
	for (int i = 0; i < n; i++) {
		const struct log_progress_mark *m = &marks[i].mark;

		if (!m->is_valid)
			continue;
		strbuf_printf(out, SLICE_FMT " %d %lld %lld %lld %lld %u %u %u\n",
			SLICE_ARG(marks[i].topic), marks[i].partition, (long long)m->segment_base,
			(long long)m->file_size, (long long)m->inode, (long long)m->last_batch_pos,
			m->last_batch_mark, m->offset_entries, m->time_entries);
	}
	strbuf_printf(out, "crc %u\n", crc32c(0, out->ptr, out->len));
}

enum err logdir_write_marks(struct logdir *d, const struct logdir_mark *marks, int n)
{
	char path[LOGDIR_FILE_MAX], tmp[LOGDIR_FILE_MAX];
	struct strbuf b = STRBUF_INIT;
	os_fd fd;
	enum err err;

	logdir_file(d, MARKS_FILE, path);
	logdir_file(d, MARKS_FILE ".tmp", tmp);
	print_marks(d, &b, marks, n);
	err = os_open(d->os, tmp, OS_RDWR | OS_CREATE | OS_TRUNC, &fd);
	if (err == OK) {
		err = os_pwrite(d->os, fd, b.ptr, b.len, 0);
		os_close(d->os, &fd);
	}
	if (err == OK)
		err = os_rename(d->os, tmp, path);
	strbuf_fini(&b);
	return err;
}

enum err logdir_remove_marks(struct logdir *d)
{
	char path[LOGDIR_FILE_MAX];
	enum err err;

	logdir_file(d, MARKS_FILE, path);
	err = os_unlink(d->os, path);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool in_range(int64_t v, int64_t min, int64_t max)
{
	return v >= min && v <= max;
}

/* Splits at single blanks into exactly FIELDS fields; all but the topic are numbers. */
static bool take_mark(struct logdir *d, struct slice line)
{
	struct slice topic = SLICE_NULL;
	struct logdir_known *k;
	int64_t v[FIELDS] = { 0 };

	for (int i = 0; i < FIELDS; i++) {
		const uint8_t *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
		struct slice field = line;

		if ((blank == NULL) != (i == FIELDS - 1))
			return false;
		if (blank != NULL) {
			field.len = (size_t)(blank - line.ptr);
			line = slice_of(blank + 1, line.len - field.len - 1);
		}
		if (i == 0)
			topic = field;
		else if (!checkpoint_number(field, &v[i]))
			return false;
	}
	if (!in_range(v[1], 0, INT32_MAX) || v[2] < 0 || v[3] < 0 || !in_range(v[5], -1, v[3]) ||
	    !in_range(v[6], 0, UINT32_MAX) || !in_range(v[7], 0, UINT32_MAX) ||
	    !in_range(v[8], 0, UINT32_MAX))
		return false;
	k = logdir_known_put(d, topic, (int32_t)v[1]);
	if (k == NULL)
		return false;
	k->mark = (struct log_progress_mark){
		.is_valid = true, .segment_base = v[2], .file_size = v[3], .inode = (uint64_t)v[4],
		.last_batch_pos = v[5], .last_batch_mark = (uint32_t)v[6],
		.offset_entries = (uint32_t)v[7], .time_entries = (uint32_t)v[8],
	};
	return true;
}

static bool take_line_end(struct slice *rest, struct slice *line)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

	if (end == NULL)
		return false;
	*line = slice_of(rest->ptr, (size_t)(end - rest->ptr));
	*rest = slice_of(end + 1, rest->len - line->len - 1);
	return true;
}

/* The last line must hold the CRC of everything before it; takes it off. */
static bool is_whole(struct slice *text)
{
	size_t at = text->len > 0 ? text->len - 1 : 0;		/* of the last line's '\n' */
	struct slice line;
	int64_t crc;

	while (at > 0 && text->ptr[at - 1] != '\n')
		at--;
	line = slice_of(text->ptr + at, text->len - at);
	if (line.len < 6 || memcmp(line.ptr, "crc ", 4) != 0 || line.ptr[line.len - 1] != '\n' ||
	    !checkpoint_number(slice_of(line.ptr + 4, line.len - 5), &crc))
		return false;
	text->len = at;
	return crc == crc32c(0, text->ptr, text->len);
}

static bool is_of_this_kernel(struct logdir *d, struct slice line)
{
	const size_t head = sizeof(MARKS_HEAD) - 1;
	char boot_id[40];

	os_boot_id(d->os, boot_id);
	return line.len > head && memcmp(line.ptr, MARKS_HEAD, head) == 0 &&
		slice_eq_str(slice_of(line.ptr + head, line.len - head), boot_id);
}

enum err logdir_load_marks(struct logdir *d)
{
	char path[LOGDIR_FILE_MAX], *text;
	struct slice rest, line;
	size_t len;
	int64_t count;
	enum err err;

	logdir_file(d, MARKS_FILE, path);
	err = os_read_file(d->os, path, CHECKPOINT_BYTES_MAX, &text, &len);
	if (err != OK)
		return err == ERR_NOT_FOUND || err == ERR_TOO_LARGE ? OK : err;
	d->has_marks = true;
	rest = slice_of(text, len);
	if (is_whole(&rest) && take_line_end(&rest, &line) && is_of_this_kernel(d, line) &&
	    take_line_end(&rest, &line) && checkpoint_number(line, &count)) {
		d->has_page_cache = true;
		while (count-- > 0 && take_line_end(&rest, &line) && take_mark(d, line))
			;
	}
	free(text);
	return OK;
}

enum err logdir_mark_holds(struct os *os, os_fd segment, const struct log_progress_mark *mark,
	bool *holds)
{
	uint8_t p[BATCH_PREFIX];
	struct os_stat st;
	size_t got;
	enum err err;

	*holds = false;
	if (!mark->is_valid)
		return OK;
	err = os_fstat(os, segment, &st);
	if (err != OK || st.inode != mark->inode || st.size < (uint64_t)mark->file_size)
		return err;
	if (mark->last_batch_pos < 0) {
		*holds = mark->file_size == 0;
		return OK;
	}
	err = os_pread(os, segment, p, sizeof(p), mark->last_batch_pos, &got);
	if (err != OK || got != sizeof(p))
		return err;
	*holds = batch_mark(p) == mark->last_batch_mark &&
		mark->last_batch_pos + 12 + (int64_t)(int32_t)load_be32(p + 8) == mark->file_size;
	return OK;
}
