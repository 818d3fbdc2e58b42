/*
 * Three forms of one line. Text and logfmt are cut where the room ends and say so by "..."; JSON stays well-formed: the value at hand is cut, what follows is left out,
 * and "cut":true ends the object.
 */
#include "base/log_line.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_TAIL 20		/* kept free: what closes a line that is cut */

static void put(struct log_line *l, const char *text, size_t len)
{
	size_t end = l->max - LINE_TAIL, room = l->len < end ? end - l->len : 0;

	if (len > room) {
		l->is_cut = true;
		len = 0;		/* pieces are small and whole: an escape is not cut in the middle */
	}
	if (l->is_cut)
		return;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void put_str(struct log_line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* is_json: its escapes, where bytes that are no UTF-8 have none: they are shown as the text form writes them. */
static void put_escaped(struct log_line *l, struct slice s, bool is_json)
{
	for (size_t i = 0; i < s.len;) {
		uint8_t c = s.ptr[i];
		size_t n = utf8_printable_at(s.ptr + i, s.len - i);
		char esc[8];
		if (n != 0 && c != '"' && c != '\\') {
			put(l, (const char *)s.ptr + i, n);
			i += n;
			continue;
		}
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			snprintf(esc, sizeof(esc), "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (is_json && c < 0x80)
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		else
			snprintf(esc, sizeof(esc), is_json ? "\\\\x%02x" : "\\x%02x", c);
		put_str(l, esc);
		i++;
	}
}

static bool wants_quotes(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] == '\\' || s.ptr[i] == 0x7f)
			return true;
	return s.len == 0;
}

static void put_value(struct log_line *l, struct slice s)
{
	if (slice_is_null(s)) {
		put_str(l, "null");
		return;
	}
	const char *quote = wants_quotes(s) ? "\"" : "";
	put_str(l, quote);
	put_escaped(l, s, false);
	put_str(l, quote);
}

static void put_number(struct log_line *l, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, n);
	put_str(l, text);
}

static void put_errno(struct log_line *l, int64_t errnum)
{
	const char *name = strerrorname_np((int)errnum);

	if (name != NULL)
		put_str(l, name);
	else
		put_number(l, errnum);
}

static void put_field(struct log_line *l, const struct log_field *f)
{
	if (l->len > 0)
		put_str(l, " ");
	put_str(l, f->key);
	put_str(l, "=");
	switch (f->kind) {
	case LOG_KIND_STR:   put_value(l, slice_str(f->v.str)); break;
	case LOG_KIND_SLICE: put_value(l, f->v.slice); break;
	case LOG_KIND_ERR:   put_value(l, slice_str(err_text((enum err)f->v.i64))); break;
	case LOG_KIND_BOOL:  put_str(l, f->v.i64 != 0 ? "true" : "false"); break;
	case LOG_KIND_I64:   put_number(l, f->v.i64); break;
	case LOG_KIND_ERRNO: put_errno(l, f->v.i64); break;
	case LOG_KIND_END:   ASSERT(false);
	}
}

static void put_time(struct log_line *l, time_ms now)
{
	char text[16];
	unsigned ms = (unsigned)(now % 86400000);	/* of the day */

	snprintf(text, sizeof(text), "%02u:%02u:%02u.%03u ", ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	put_str(l, text);
}

/* RFC 3339, UTC. */
static void stamp(char out[32], time_ms now)
{
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char day[24];

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 32, "%s.%03dZ", day, (int)(now % 1000));
}

static void write_text(struct log_line *l, const struct log_said *s)
{
	if (s->now >= 0)
		put_time(l, s->now);
	put_str(l, s->level);
	put_str(l, " ");
	put_str(l, s->source->module);
	if (s->source->subject[0] != 0) {
		put_str(l, " ");
		put_escaped(l, slice_str(s->source->subject), false);
	}
	put_str(l, " ");
	put_str(l, s->event);
	for (const struct log_field *f = s->fields; f->kind != LOG_KIND_END; f++)
		put_field(l, f);
	if (s->unprinted != 0)
		put_field(l, &KV_I64("repeated", (int64_t)s->unprinted));
}

/* --- the forms for programs: the same fields in the same order ------------------------------------------------------------- */

static void put_json_string(struct log_line *l, const char *key, struct slice value)
{
	char open[80];

	snprintf(open, sizeof(open), "%s\"%s\":\"", l->len > 0 ? "," : "{", key);
	put_str(l, open);
	if (l->is_cut)
		return;
	put_escaped(l, value, true);
	l->text[l->len++] = '"';	/* from the tail, if need be */
}

static void put_json_word(struct log_line *l, const char *key, const char *word)
{
	char text[112];

	snprintf(text, sizeof(text), "%s\"%s\":%s", l->len > 0 ? "," : "{", key, word);
	put_str(l, text);
}

static void put_json(struct log_line *l, const struct log_field *f)
{
	struct slice s = SLICE_NULL;
	const char *word = NULL;
	char number[24];

	snprintf(number, sizeof(number), "%" PRId64, f->kind == LOG_KIND_I64 || f->kind == LOG_KIND_ERRNO ? f->v.i64 : 0);
	switch (f->kind) {
	case LOG_KIND_STR:   s = slice_str(f->v.str); break;
	case LOG_KIND_SLICE: s = f->v.slice; break;
	case LOG_KIND_ERR:   s = slice_str(err_text((enum err)f->v.i64)); break;
	case LOG_KIND_ERRNO: s = slice_str(strerrorname_np((int)f->v.i64)); word = number; break;
	case LOG_KIND_BOOL:  word = f->v.i64 != 0 ? "true" : "false"; break;
	case LOG_KIND_I64:   word = number; break;
	case LOG_KIND_END:   ASSERT(false);
	}
	if (!slice_is_null(s))
		put_json_string(l, f->key, s);
	else
		put_json_word(l, f->key, word != NULL ? word : "null");
}

static void write_fields(struct log_line *l, const struct log_said *s, void (*field)(struct log_line *l, const struct log_field *f))
{
	char now[32];

	if (s->now >= 0) {
		stamp(now, s->now);
		field(l, &KV_STR("time", now));
	}
	field(l, &KV_STR("level", s->level));
	field(l, &KV_STR("module", s->source->module));
	if (s->source->subject[0] != 0)
		field(l, &KV_STR("subject", s->source->subject));
	field(l, &KV_STR("event", s->event));
	for (const struct log_field *f = s->fields; f->kind != LOG_KIND_END; f++)
		field(l, f);
	if (s->unprinted != 0)
		field(l, &KV_I64("repeated", (int64_t)s->unprinted));
}

/* --- journald ---------------------------------------------------------------------------------------------------------------- */

static void put_upper(struct log_line *l, const char *key)
{
	char name[64];
	size_t n = 0;

	for (; key[n] != 0 && n < sizeof(name) - 1; n++)
		name[n] = (char)(key[n] >= 'a' && key[n] <= 'z' ? key[n] - 'a' + 'A' : key[n]);
	put(l, name, n);
}

/* A field that does not fit is left out as a whole: what is cut would be another name or value. */
static void put_journal(struct log_line *l, const struct log_field *f)
{
	struct log_line value = { .max = sizeof(value.text) };
	size_t before = l->len;

	put_field(&value, f);		/* key=value, quoted where it has to be: no value has a line's end */
	put_str(l, "SKEIN_");
	put_upper(l, f->key);
	put(l, value.text + strlen(f->key), value.len - strlen(f->key));
	put_str(l, "\n");
	if (l->is_cut || value.is_cut)
		l->len = before;
	l->is_cut = false;
}

static void write_journal(struct log_line *l, const struct log_said *s)
{
	static const char *const levels[] = { "DEBUG", "INFO", "WARN", "ERROR" };
	static const char *const priorities[] = { "7", "6", "4", "3" };	/* syslog's */
	struct log_said message = *s;
	struct log_line text = { .max = LOG_LINE_MAX };

	message.now = -1;
	write_text(&text, &message);
	put_str(l, "SYSLOG_IDENTIFIER=skein\nPRIORITY=");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		put_str(l, strcmp(s->level, levels[i]) == 0 ? priorities[i] : "");
	put_str(l, "\nMESSAGE=");
	put(l, text.text, text.len);
	put_str(l, text.is_cut ? "...\n" : "\n");
	put_journal(l, &KV_STR("module", s->source->module));
	if (s->source->subject[0] != 0)
		put_journal(l, &KV_STR("subject", s->source->subject));
	put_journal(l, &KV_STR("event", s->event));
	for (const struct log_field *f = s->fields; f->kind != LOG_KIND_END; f++)
		put_journal(l, f);
	if (s->unprinted != 0)
		put_journal(l, &KV_I64("repeated", (int64_t)s->unprinted));
	l->len--;			/* the last line's end is the caller's */
}

static void close_with(struct log_line *l, const char *end)
{
	memcpy(l->text + l->len, end, strlen(end));
	l->len += strlen(end);
}

void log_line_write(struct log_line *l, enum log_format format, const struct log_said *said)
{
	l->len = 0;
	l->is_cut = false;
	l->max = format == LOG_FORMAT_JOURNAL ? sizeof(l->text) : LOG_LINE_MAX;
	switch (format) {
	case LOG_FORMAT_JOURNAL: write_journal(l, said); return;
	case LOG_FORMAT_TEXT:   write_text(l, said); break;
	case LOG_FORMAT_LOGFMT: write_fields(l, said, put_field); break;
	case LOG_FORMAT_JSON:   write_fields(l, said, put_json); break;
	}
	if (format == LOG_FORMAT_JSON)
		close_with(l, l->is_cut ? ",\"cut\":true}" : "}");
	else if (l->is_cut)
		close_with(l, "...");
}
