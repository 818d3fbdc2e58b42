/*
 * Java writes properties as `key=value`, with a backslash before '=', ':', '#', '!' and blanks
 * where needed. What Java writes and what a person types is read; continued lines and \u escapes
 * never occur in these values and are refused rather than misread.
 */
#include "storage/meta_properties.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/checkpoint.h"

#define FILE_NAME      "meta.properties"
#define FILE_BYTES_MAX 65536
#define PATH_SIZE      1024
#define LINE_SIZE      256

struct parsing {
	struct meta_properties m;
	bool    has_version;
	int64_t version;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\r';
}

/* Copies up to the separator (key) or to the end (value), escapes resolved. False: too long, or an
 * escape that does not occur here. */
static bool take_text(struct slice *line, bool is_key, char out[LINE_SIZE])
{
	size_t n = 0;

	while (line->len > 0) {
		uint8_t c = line->ptr[0];
		bool is_escaped = c == '\\';

		if (is_key && (c == '=' || c == ':' || is_blank(c)))
			break;
		if (is_escaped) {
			if (line->len < 2 || strchr("utnrf", line->ptr[1]) != NULL)
				return false;
			c = line->ptr[1];
		}
		if (n == LINE_SIZE - 1 || c == '\0')
			return false;
		out[n++] = (char)c;
		*line = slice_of(line->ptr + 1 + is_escaped, line->len - 1 - is_escaped);
	}
	while (!is_key && n > 0 && is_blank((uint8_t)out[n - 1]))
		n--;
	out[n] = '\0';
	return true;
}

static void skip_blanks(struct slice *line)
{
	while (line->len > 0 && is_blank(line->ptr[0]))
		*line = slice_of(line->ptr + 1, line->len - 1);
}

static bool take_id(char out[META_PROPERTIES_ID_MAX], const char *value)
{
	int n = snprintf(out, META_PROPERTIES_ID_MAX, "%s", value);

	return n > 0 && n < META_PROPERTIES_ID_MAX;
}

static bool take_property(struct parsing *p, const char *key, const char *value)
{
	int64_t number;

	if (strcmp(key, "version") == 0) {
		p->has_version = checkpoint_number(slice_str(value), &p->version);
		return p->has_version;
	}
	if (strcmp(key, "broker.id") == 0) {
		if (!checkpoint_number(slice_str(value), &number) || number < 0 ||
			number > INT32_MAX)
			return false;
		p->m.broker_id = (int32_t)number;
		return true;
	}
	if (strcmp(key, "cluster.id") == 0)
		return take_id(p->m.cluster_id, value);
	if (strcmp(key, "directory.id") == 0)
		return take_id(p->m.directory_id, value);
	return true;
}

static bool take_line(struct parsing *p, struct slice line)
{
	char key[LINE_SIZE], value[LINE_SIZE];

	skip_blanks(&line);
	if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == '!')
		return true;
	if (!take_text(&line, true, key))
		return false;
	skip_blanks(&line);
	if (line.len > 0 && (line.ptr[0] == '=' || line.ptr[0] == ':'))
		line = slice_of(line.ptr + 1, line.len - 1);
	skip_blanks(&line);
	return take_text(&line, false, value) && take_property(p, key, value);
}

enum err meta_properties_parse(struct meta_properties *m, struct slice text)
{
	struct parsing p = { .m = { .broker_id = -1 } };
	const uint8_t *at = text.ptr, *end = text.ptr + text.len;

	while (at < end) {
		const uint8_t *eol = memchr(at, '\n', (size_t)(end - at));

		if (eol == NULL)
			eol = end;
		if (!take_line(&p, slice_of(at, (size_t)(eol - at))))
			return ERR_CORRUPT;
		at = eol + 1;
	}
	if (!p.has_version)
		return ERR_CORRUPT;
	if (p.version != 0)
		return ERR_UNSUPPORTED;
	*m = p.m;
	return OK;
}

void meta_properties_print(const struct meta_properties *m, time_ms now, struct strbuf *out)
{
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char date[64] = "";

	if (gmtime_r(&seconds, &tm) != NULL)
		strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", &tm);
	strbuf_printf(out, "#\n#%s\nbroker.id=%d\nversion=0\ncluster.id=%s\n", date, m->broker_id,
		m->cluster_id);
	if (m->directory_id[0] != '\0')
		strbuf_printf(out, "directory.id=%s\n", m->directory_id);
}

static enum err path_of(char out[PATH_SIZE], const char *dir)
{
	int n = snprintf(out, PATH_SIZE, "%s/" FILE_NAME, dir);

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

enum err meta_properties_read(struct meta_properties *m, struct os *os, const char *dir)
{
	char path[PATH_SIZE], *text;
	size_t len;
	enum err err = path_of(path, dir);

	if (err == OK)
		err = os_read_file(os, path, FILE_BYTES_MAX, &text, &len);
	if (err != OK)
		return err == ERR_TOO_LARGE ? ERR_CORRUPT : err;
	err = meta_properties_parse(m, slice_of(text, len));
	free(text);
	return err;
}

enum err meta_properties_write(const struct meta_properties *m, struct os *os, const char *dir,
	time_ms now)
{
	struct strbuf b = STRBUF_INIT;
	char path[PATH_SIZE];
	enum err err = path_of(path, dir);

	ASSERT(m->broker_id >= 0 && m->cluster_id[0] != '\0');
	if (err != OK)
		return err;
	meta_properties_print(m, now, &b);
	err = os_replace_file(os, path, strbuf_cstr(&b), b.len);
	strbuf_fini(&b);
	return err;
}
