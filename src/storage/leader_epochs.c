/*
 * The list is short (one entry per election), so it is searched from the end, where the answers
 * are, and rewritten whole.
 */
#include "storage/leader_epochs.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/checkpoint.h"

#define FILE_NAME      "leader-epoch-checkpoint"
#define FILE_BYTES_MAX (64 << 20)
#define PATH_SIZE      1024

void leader_epochs_init(struct leader_epochs *e)
{
	*e = (struct leader_epochs){ 0 };
}

void leader_epochs_fini(struct leader_epochs *e)
{
	free(e->entries);
	leader_epochs_init(e);
}

static void push(struct leader_epochs *e, int32_t epoch, int64_t start_offset)
{
	if (e->count == e->room) {
		e->room = MAX(4, e->room * 2);
		e->entries = mem_realloc_array(e->entries, (size_t)e->room, sizeof(*e->entries));
	}
	e->entries[e->count++] = (struct leader_epoch){ epoch, start_offset };
}

/* --- the file --------------------------------------------------------------------------------- */

static enum err path_of(char out[PATH_SIZE], const char *dir)
{
	int n = snprintf(out, PATH_SIZE, "%s/" FILE_NAME, dir);

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

bool leader_epochs_parse_line(struct slice line, struct leader_epoch *out)
{
	const uint8_t *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	struct slice left, right;
	int64_t epoch, start;

	if (blank == NULL)
		return false;
	left = slice_of(line.ptr, (size_t)(blank - line.ptr));
	right = slice_of(blank + 1, line.len - left.len - 1);
	if (!checkpoint_number(left, &epoch) || !checkpoint_number(right, &start))
		return false;
	*out = (struct leader_epoch){ (int32_t)epoch, start };
	return epoch >= 0 && epoch <= INT32_MAX && start >= 0;
}

static bool take_line(void *arg, struct slice line)
{
	struct leader_epochs *e = arg;
	const struct leader_epoch *last = e->count > 0 ? &e->entries[e->count - 1] : NULL;
	struct leader_epoch next;

	if (!leader_epochs_parse_line(line, &next))
		return false;
	if (last != NULL && (next.epoch <= last->epoch || next.start_offset <= last->start_offset))
		return false;
	push(e, next.epoch, next.start_offset);
	return true;
}

enum err leader_epochs_read(struct leader_epochs *e, struct os *os, const char *dir)
{
	char path[PATH_SIZE], *text;
	size_t len;
	enum err err = path_of(path, dir);

	e->count = 0;
	e->is_dirty = false;
	if (err == OK)
		err = os_read_file(os, path, FILE_BYTES_MAX, &text, &len);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	err = checkpoint_parse(slice_of(text, len), take_line, e);
	free(text);
	if (err != OK) {
		e->count = 0;
		e->is_dirty = true;
	}
	return err;
}

enum err leader_epochs_write(struct leader_epochs *e, struct os *os, const char *dir)
{
	struct strbuf b = STRBUF_INIT;
	char path[PATH_SIZE];
	enum err err = path_of(path, dir);

	if (!e->is_dirty || err != OK)
		return err;
	strbuf_printf(&b, "0\n%d\n", e->count);
	for (int i = 0; i < e->count; i++)
		strbuf_printf(&b, "%d %lld\n", e->entries[i].epoch,
			(long long)e->entries[i].start_offset);
	err = os_replace_file(os, path, strbuf_cstr(&b), b.len);
	strbuf_fini(&b);
	if (err == OK)
		e->is_dirty = false;
	return err;
}

/* --- the list --------------------------------------------------------------------------------- */

void leader_epochs_assign(struct leader_epochs *e, int32_t epoch, int64_t start_offset)
{
	const struct leader_epoch *last = e->count > 0 ? &e->entries[e->count - 1] : NULL;

	ASSERT(epoch >= 0 && start_offset >= 0);
	if (last != NULL && last->epoch == epoch && start_offset >= last->start_offset)
		return;
	for (; e->count > 0; e->count--) {
		last = &e->entries[e->count - 1];
		if (last->epoch <= epoch && last->start_offset < start_offset)
			break;
	}
	e->is_dirty = true;
	/* What came behind it was of another history, as a file from before a truncation has it; the
	 * epoch itself goes on. */
	if (e->count == 0 || e->entries[e->count - 1].epoch != epoch)
		push(e, epoch, start_offset);
}

void leader_epochs_truncate(struct leader_epochs *e, int64_t end_offset)
{
	while (e->count > 0 && e->entries[e->count - 1].start_offset >= end_offset) {
		e->count--;
		e->is_dirty = true;
	}
}

void leader_epochs_raise_start(struct leader_epochs *e, int64_t start_offset)
{
	int below = 0;		/* entries that start at or below it: the newest one covers it */

	while (below < e->count && e->entries[below].start_offset <= start_offset)
		below++;
	if (below == 0 || (below == 1 && e->entries[0].start_offset == start_offset))
		return;
	e->entries[below - 1].start_offset = start_offset;
	e->count -= below - 1;
	memmove(e->entries, e->entries + below - 1, (size_t)e->count * sizeof(*e->entries));
	e->is_dirty = true;
}

void leader_epochs_clear(struct leader_epochs *e)
{
	e->is_dirty = e->is_dirty || e->count > 0;
	e->count = 0;
}

int32_t leader_epochs_latest(const struct leader_epochs *e)
{
	return e->count > 0 ? e->entries[e->count - 1].epoch : -1;
}

int32_t leader_epochs_at(const struct leader_epochs *e, int64_t offset)
{
	for (int i = e->count - 1; i >= 0; i--)
		if (e->entries[i].start_offset <= offset)
			return e->entries[i].epoch;
	return -1;
}

void leader_epochs_end_offset_for(const struct leader_epochs *e, int32_t wanted,
	int64_t log_end_offset, int32_t *epoch, int64_t *end_offset)
{
	int i = e->count - 1;

	*epoch = -1;
	*end_offset = -1;
	if (wanted == -1 || e->count == 0 || wanted > e->entries[i].epoch)
		return;
	if (wanted == e->entries[i].epoch) {
		*epoch = wanted;
		*end_offset = log_end_offset;
		return;
	}
	while (i > 0 && e->entries[i - 1].epoch > wanted)
		i--;
	/* i: the oldest epoch above the wanted one; where it began, the one before it ended. Before
	 * all history: the wanted epoch itself. */
	*epoch = i > 0 ? e->entries[i - 1].epoch : wanted;
	*end_offset = e->entries[i].start_offset;
}
