#include "storage/cut_note.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/checkpoint.h"

#define FILE_BYTES_MAX 1024
#define PATH_SIZE      1024

static enum err path_of(char out[PATH_SIZE], const char *dir)
{
	int n = snprintf(out, PATH_SIZE, "%s/" CUT_NOTE_FILE, dir);

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

static bool take_line(void *arg, struct slice line)
{
	struct cut_note *n = arg;
	const uint8_t *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	size_t left = blank != NULL ? (size_t)(blank - line.ptr) : 0;

	return blank != NULL && checkpoint_number(slice_of(line.ptr, left), &n->recovery_point) &&
		checkpoint_number(slice_of(blank + 1, line.len - left - 1), &n->checkpointed) &&
		n->recovery_point >= 0;
}

enum err cut_note_read(struct cut_note *out, struct os *os, const char *dir)
{
	char path[PATH_SIZE], *text;
	size_t len;
	enum err e = path_of(path, dir);

	*out = (struct cut_note){ INT64_MAX, -1 };
	if (e == OK)
		e = os_read_file(os, path, FILE_BYTES_MAX, &text, &len);
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == OK) {
		e = checkpoint_parse(slice_of(text, len), take_line, out);
		if (e == OK && out->recovery_point == INT64_MAX)
			e = ERR_CORRUPT;	/* no line */
		free(text);
	}
	if (e != ERR_CORRUPT && e != ERR_TOO_LARGE)
		return e;
	*out = (struct cut_note){ 0, -1 };
	return OK;
}

enum err cut_note_write(const struct cut_note *n, struct os *os, const char *dir)
{
	char path[PATH_SIZE], text[64];
	enum err e = path_of(path, dir);
	int len = snprintf(text, sizeof(text), "0\n1\n%lld %lld\n", (long long)n->recovery_point,
		(long long)n->checkpointed);

	return e == OK ? os_replace_file(os, path, text, (size_t)len) : e;
}

void cut_note_remove(struct os *os, const char *dir)
{
	char path[PATH_SIZE];

	if (path_of(path, dir) == OK)
		(void)!os_unlink(os, path);
}
