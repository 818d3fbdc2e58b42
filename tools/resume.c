#include "resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "value.h"

#define LOCK_ATTEMPTS 100	/* each fails only when the file is replaced in that moment */

static const char first_line[] = "skein produce resume 1";

/* Names may have any bytes in them. */
static void add_name(struct strbuf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if ((uint8_t)*name < 0x20 || *name == '\\')
			strbuf_printf(out, "\\x%02x", (uint8_t)*name);
		else
			strbuf_add_char(out, *name);
	}
}

void resume_head(struct strbuf *out, const char *topic, const char *form, struct slice delimiter, char *const *inputs, int input_count)
{
	strbuf_printf(out, "%s\ntopic ", first_line);
	add_name(out, topic);
	strbuf_printf(out, "\nform %s ", form);
	for (size_t i = 0; i < delimiter.len; i++)
		strbuf_printf(out, "%02x", delimiter.ptr[i]);
	strbuf_add_char(out, '\n');
	for (int i = 0; i < input_count; i++) {
		strbuf_add_str(out, "input ");
		add_name(out, inputs[i]);
		strbuf_add_char(out, '\n');
	}
	if (input_count == 0)
		strbuf_add_str(out, "input -\n");
}

/* Whether the file that was locked is the one of this name: it may have been replaced or removed before it was. */
static bool is_in_place(os_fd fd, const char *path)
{
	struct stat locked, named;

	return fstat(fd, &locked) == 0 && stat(path, &named) == 0 && locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

/* ERR_INVALID: no plain file. Others but ERR_LOCKED: errno says why. */
static enum err open_locked(const char *path, os_fd *out)
{
	struct stat st;

	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
			return ERR_INVALID;
		*out = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
		if (*out < 0)
			return ERR_IO;
		enum err e = os_lock(os_real(), *out);
		if (e == OK && is_in_place(*out, path))
			return OK;
		os_close(os_real(), out);
		if (e != OK)
			return e == ERR_LOCKED ? e : ERR_IO;
	}
	return ERR_LOCKED;
}

/* One that begins as no such file does may be large. */
static bool read_whole(int fd, struct strbuf *out)
{
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0) {
		strbuf_add(out, part, (size_t)n);
		if (strncmp(strbuf_cstr(out), first_line, sizeof(first_line) - 1) != 0)
			break;
	}
	return n >= 0;
}

static bool add_missing(struct resume *r, char *text, int64_t *capacity)
{
	char *dash = strchr(text, '-');
	struct line_range range;
	int64_t before = r->missing_count > 0 ? r->missing[r->missing_count - 1].last : 0;

	if (dash != NULL)
		*dash++ = '\0';
	if (!value_int(text, before + 1, r->read, &range.first) || !value_int(dash != NULL ? dash : text, range.first, r->read, &range.last))
		return false;
	if (r->missing_count == *capacity) {
		*capacity = MAX(64, 2 * *capacity);
		r->missing = mem_realloc_array(r->missing, (size_t)*capacity, sizeof(*r->missing));
	}
	r->missing[r->missing_count++] = range;
	return true;
}

/* What follows the head. The number of the line that is wrong, from 1; 0: none. */
static int64_t parse(struct resume *r, char *text)
{
	int64_t number = 1, capacity = 0;
	bool has_read = false;

	for (char *end; *text != '\0'; text = end, number++) {
		end = strchr(text, '\n');
		if (end == NULL)
			return number;
		*end++ = '\0';
		if (!has_read && strncmp(text, "read ", 5) == 0)
			has_read = value_int(text + 5, 0, INT64_MAX - 1, &r->read);
		else if (!has_read || strncmp(text, "missing ", 8) != 0 || !add_missing(r, text + 8, &capacity))
			return number;
		if (!has_read)
			return number;
	}
	return has_read ? 0 : number;
}

/* What is in the file that is open. */
static enum err read_lines(struct resume *r, const char *path, const char *head, char why[200])
{
	struct strbuf text = STRBUF_INIT;
	size_t head_len = strlen(head);
	enum err e = OK;
	int64_t wrong;

	if (!read_whole(r->lock, &text)) {
		e = ERR_IO;
		snprintf(why, 200, "cannot read %.150s: %s", path, strerror(errno));
	} else if (text.len == 0) {
		e = ERR_NOT_FOUND;
	} else if (strncmp(strbuf_cstr(&text), first_line, sizeof(first_line) - 1) != 0) {
		e = ERR_INVALID;
		snprintf(why, 200, "%.100s is no file of skein produce --resume; it is left as it is", path);
	} else if (text.len < head_len || memcmp(text.ptr, head, head_len) != 0) {
		e = ERR_INVALID;
		snprintf(why, 200, "%.100s belongs to another command: another topic, form or input", path);
	} else if ((wrong = parse(r, text.ptr + head_len)) != 0) {
		e = ERR_INVALID;
		snprintf(why, 200, "%.100s is damaged in line %lld behind its inputs", path, (long long)wrong);
	}
	strbuf_fini(&text);
	return e;
}

enum err resume_open(struct resume *r, const char *path, const char *head, char why[200])
{
	*r = (struct resume){ .read = 0 };
	enum err e = open_locked(path, &r->lock);
	if (e == ERR_INVALID)
		snprintf(why, 200, "%.150s is no plain file", path);
	else if (e == ERR_LOCKED)
		snprintf(why, 200, "another skein produce keeps its lines in %.100s now; nothing is written", path);
	else if (e != OK)
		snprintf(why, 200, "cannot write %.150s: %s", path, strerror(errno));
	if (e != OK)
		return e;
	r->is_open = true;
	e = read_lines(r, path, head, why);
	if (e != OK && e != ERR_NOT_FOUND)
		resume_fini(r);
	return e;
}

void resume_fini(struct resume *r)
{
	if (r->is_open)
		os_close(os_real(), &r->lock);
	free(r->missing);
	*r = (struct resume){ .read = 0 };
}

bool resume_is_done(struct resume *r, int64_t line)
{
	if (line > r->read)
		return false;
	while (r->at < r->missing_count && r->missing[r->at].last < line)
		r->at++;
	return r->at == r->missing_count || r->missing[r->at].first > line;
}

bool resume_write(struct resume *r, const char *path, const char *head, const struct line_set *lines, int64_t read)
{
	struct strbuf other = STRBUF_INIT;
	struct line_gaps gaps;
	struct line_range range;
	os_fd lock = -1;
	bool ok;
	FILE *f;
	int why;

	strbuf_printf(&other, "%s.new", path);
	f = fopen(strbuf_cstr(&other), "we");
	ok = f != NULL && fprintf(f, "%sread %lld\n", head, (long long)read) > 0;
	line_gaps_begin(&gaps, lines, read);
	while (ok && line_gaps_next(&gaps, &range)) {
		if (range.first == range.last)
			ok = fprintf(f, "missing %lld\n", (long long)range.first) > 0;
		else
			ok = fprintf(f, "missing %lld-%lld\n", (long long)range.first, (long long)range.last) > 0;
	}
	ok = ok && fflush(f) == 0 && fsync(fileno(f)) == 0;
	if (ok) {
		lock = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
		ok = lock >= 0 && os_lock(os_real(), lock) == OK;
	}
	why = errno;
	if (f != NULL)
		ok = fclose(f) == 0 && ok;
	if (ok)
		ok = rename(strbuf_cstr(&other), path) == 0;
	else if (f != NULL)
		unlink(strbuf_cstr(&other));
	if (ok) {
		os_close(os_real(), &r->lock);
		r->lock = lock;
	} else if (lock >= 0) {
		os_close(os_real(), &lock);
	}
	strbuf_fini(&other);
	if (!ok && why != 0)
		errno = why;
	return ok;
}
