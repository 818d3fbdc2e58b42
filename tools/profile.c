#include "profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/os.h"

#define FILE_MAX (1u << 20)
#define NAME_MAX_LEN 64

/* ---- lines ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	return s;
}

bool profile_next(struct profile_reader *r, struct profile_line *line)
{
	const uint8_t *end = r->text.len > 0 ? memchr(r->text.ptr, '\n', r->text.len) : NULL, *equals;
	size_t len = end != NULL ? (size_t)(end - r->text.ptr) + 1 : r->text.len;

	if (len == 0)
		return false;
	*line = (struct profile_line){ .kind = LINE_WRONG, .number = ++r->number, .whole = slice_of(r->text.ptr, len) };
	r->text = slice_of(r->text.ptr + len, r->text.len - len);
	struct slice s = trimmed(line->whole);
	if (s.len == 0 || s.ptr[0] == '#' || s.ptr[0] == ';') {
		line->kind = LINE_OTHER;
	} else if (s.ptr[0] == '[') {
		line->name = trimmed(slice_of(s.ptr + 1, s.len > 2 ? s.len - 2 : 0));
		if (s.ptr[s.len - 1] == ']' && line->name.len > 0) {
			line->kind = LINE_SECTION;
			r->section = line->name;
		}
	} else if ((equals = memchr(s.ptr, '=', s.len)) != NULL && equals > s.ptr) {
		line->kind = LINE_PROPERTY;
		line->name = trimmed(slice_of(s.ptr, (size_t)(equals - s.ptr)));
		line->value = trimmed(slice_of(equals + 1, (size_t)(s.ptr + s.len - equals) - 1));
	}
	line->section = r->section;
	return true;
}

bool profile_name_is_valid(const char *name)
{
	size_t n = 0;

	while (isalnum((unsigned char)name[n]) || (name[n] != '\0' && strchr("._-", name[n]) != NULL))
		n++;
	return n > 0 && n <= NAME_MAX_LEN && name[n] == '\0' && strcmp(name, PROFILE_NONE) != 0;
}

bool profile_is_there(struct slice text, struct slice name)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		if (line.kind == LINE_SECTION && slice_eq(line.name, name))
			return true;
	}
	return false;
}

static int first_line_of(struct slice text, struct slice section)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		if (line.kind == LINE_SECTION && slice_eq(line.name, section))
			return line.number;
	}
	return 0;
}

bool profile_check(struct slice text, const char *path, struct strbuf *why)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		int first = line.kind == LINE_SECTION ? first_line_of(text, line.name) : line.number;

		if (line.kind == LINE_WRONG)
			strbuf_printf(why, "%s:%d: neither [profile] nor property = value", path, line.number);
		else if (first < line.number)
			strbuf_printf(why, "%s:%d: profile "SLICE_FMT" is in line %d already", path, line.number, SLICE_ARG(line.name), first);
		if (why->len > 0)
			return false;
	}
	return true;
}

static bool is_use(const struct profile_line *line)
{
	return line->kind == LINE_PROPERTY && slice_is_null(line->section) && slice_eq_str(line->name, "use");
}

struct slice profile_in_use(struct slice text)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		if (is_use(&line))
			return slice_eq_str(line.value, PROFILE_NONE) || line.value.len == 0 ? SLICE_NULL : line.value;
	}
	return SLICE_NULL;
}

/* ---- changes ---- */

static void end_line(struct strbuf *out)
{
	if (out->len > 0 && out->ptr[out->len - 1] != '\n')
		strbuf_add_char(out, '\n');
}

static void add_property(struct strbuf *out, struct slice name, struct slice value)
{
	end_line(out);
	strbuf_printf(out, SLICE_FMT" = "SLICE_FMT"\n", SLICE_ARG(name), SLICE_ARG(value));
}

static bool is_of(const struct profile_line *line, struct slice section)
{
	return !slice_is_null(line->section) && slice_eq(line->section, section);
}

void profile_set(struct strbuf *out, struct slice text, struct slice name, struct slice property, struct slice value)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;
	enum { NOWHERE, BEHIND_THE_LAST, WHERE_IT_WAS } place = NOWHERE;
	size_t at = 0;

	while (profile_next(&r, &line)) {
		if (is_of(&line, name) && line.kind == LINE_PROPERTY && slice_eq(line.name, property)) {
			at = place == WHERE_IT_WAS ? at : out->len;
			place = WHERE_IT_WAS;
			continue;
		}
		strbuf_add_slice(out, line.whole);
		if (is_of(&line, name) && line.kind != LINE_OTHER && place != WHERE_IT_WAS) {
			at = out->len;
			place = BEHIND_THE_LAST;
		}
	}
	if (slice_is_null(value))
		return;
	if (place == NOWHERE) {
		end_line(out);
		strbuf_printf(out, "%s["SLICE_FMT"]\n", out->len > 0 ? "\n" : "", SLICE_ARG(name));
		at = out->len;
	}
	char *tail = mem_strndup(strbuf_cstr(out) + at, out->len - at);
	strbuf_truncate(out, at);
	add_property(out, property, value);
	strbuf_add_str(out, tail);
	free(tail);
}

void profile_remove(struct strbuf *out, struct slice text, struct slice name)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;
	struct slice used = profile_in_use(text);
	bool is_used = !slice_is_null(used) && slice_eq(used, name);

	while (profile_next(&r, &line)) {
		if (!is_of(&line, name) && !(is_used && is_use(&line)))
			strbuf_add_slice(out, line.whole);
	}
}

void profile_use(struct strbuf *out, struct slice text, struct slice name)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	if (!slice_is_null(name))
		add_property(out, SLICE_LIT("use"), name);
	while (profile_next(&r, &line)) {
		if (!is_use(&line))
			strbuf_add_slice(out, line.whole);
	}
}

/* ---- the file ---- */

bool profile_path(char out[PROFILE_PATH_MAX])
{
	char base[PROFILE_PATH_MAX - 32], real[PROFILE_PATH_MAX];

	if (os_getenv(os_real(), "XDG_CONFIG_HOME", base, sizeof(base)) > 0)
		snprintf(out, PROFILE_PATH_MAX, "%s/skein/config", base);
	else if (os_getenv(os_real(), "HOME", base, sizeof(base)) > 0)
		snprintf(out, PROFILE_PATH_MAX, "%s/.config/skein/config", base);
	else
		return false;
	if (realpath(out, real) != NULL)	/* a link stays one when the file is replaced */
		snprintf(out, PROFILE_PATH_MAX, "%s", real);
	return true;
}

bool profile_read(const char *path, char **text, struct strbuf *why)
{
	size_t len;
	enum err e = os_read_file(os_real(), path, FILE_MAX, text, &len);

	if (e == OK && memchr(*text, '\0', len) == NULL)
		return true;
	if (e == OK)
		free(*text);
	*text = mem_strdup("");
	if (e == ERR_NOT_FOUND || errno == ENOTDIR)
		return true;
	strbuf_printf(why, "%s: %s", path, e == OK ? "this is no text" : err_text(e));
	return false;
}

static enum err write_private(const char *path, struct slice text)
{
	os_fd fd = -1;
	enum err e = os_open(os_real(), path, OS_RDWR | OS_CREATE | OS_EXCL | OS_PRIVATE, &fd);

	if (e != OK)
		return e;
	e = os_pwrite(os_real(), fd, text.ptr, text.len, 0);
	if (e == OK)
		e = os_fsync(os_real(), fd);
	os_close(os_real(), &fd);
	return e;
}

bool profile_write(const char *path, struct slice text, struct strbuf *why)
{
	char tmp[PROFILE_PATH_MAX + 32], dir[PROFILE_PATH_MAX];
	ssize_t linked;
	enum err e;

	if ((linked = readlink(path, dir, sizeof(dir) - 1)) > 0) {		/* one that leads to a file has been followed */
		strbuf_printf(why, "%s is a link to %.*s, which is not there", path, (int)linked, dir);
		return false;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
	e = os_mkdir_all(os_real(), dir);
	if (e == OK)
		e = write_private(tmp, text);
	if (e == OK)
		e = os_rename(os_real(), tmp, path);
	if (e == OK)
		e = os_fsync_dir(os_real(), dir);
	else if (e != ERR_EXISTS)
		(void)!os_unlink(os_real(), tmp);
	if (e != OK)
		strbuf_printf(why, "%s: %s", path, err_text(e));
	return e == OK;
}
