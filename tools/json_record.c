#include "json_record.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

/* ---- writing ---- */

/* The length of the UTF-8 character at p, 0 when it is none: overlong forms, surrogates and what lies beyond Unicode are none. */
static size_t utf8_char(const uint8_t *p, size_t left)
{
	static const struct { uint8_t mask, lead; uint32_t min; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (size_t n = 0; n < ARRAY_LEN(forms); n++) {
		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t code = p[0] & (uint8_t)~forms[n].mask;
		if (n == 0)
			return 1;
		if (n >= left)
			return 0;
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (p[i] & 0x3f);
		}
		return code < forms[n].min || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n + 1;
	}
	return 0;
}

static bool is_utf8(struct slice s)
{
	for (size_t i = 0, n; i < s.len; i += n) {
		n = s.ptr[i] < 0x80 ? 1 : utf8_char(s.ptr + i, s.len - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* So many bytes from there on stand for themselves. */
static size_t plain_bytes(struct slice s, size_t from)
{
	size_t i = from;

	while (i < s.len && s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '"' && s.ptr[i] != '\\')
		i++;
	return i - from;
}

void json_write_string(struct strbuf *out, struct slice s)
{
	strbuf_add_char(out, '"');
	for (size_t i = 0, n; i < s.len; i += n) {
		uint8_t c = s.ptr[i];
		n = plain_bytes(s, i);
		if (n > 0) {
			strbuf_add(out, s.ptr + i, n);
			continue;
		}
		n = c < 0x80 ? 1 : utf8_char(s.ptr + i, s.len - i);
		if (n != 1) {
			strbuf_add(out, n > 0 ? (const char *)s.ptr + i : "\\ufffd", n > 0 ? n : 6);
			n = MAX(n, 1u);
		} else if (c == '"' || c == '\\') {
			strbuf_add_char(out, '\\');
			strbuf_add_char(out, (char)c);
		} else if (c == '\n') {
			strbuf_add_str(out, "\\n");
		} else if (c == '\t') {
			strbuf_add_str(out, "\\t");
		} else {
			strbuf_printf(out, "\\u%04x", c);
		}
	}
	strbuf_add_char(out, '"');
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_base64(struct strbuf *out, struct slice s)
{
	strbuf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i += 3) {
		size_t n = MIN(s.len - i, 3u);
		uint32_t bits = (uint32_t)s.ptr[i] << 16 | (n > 1 ? (uint32_t)s.ptr[i + 1] << 8 : 0) | (n > 2 ? s.ptr[i + 2] : 0u);
		for (size_t k = 0; k < 4; k++)
			strbuf_add_char(out, k <= n ? base64_digits[bits >> (18 - 6 * k) & 63] : '=');
	}
	strbuf_add_char(out, '"');
}

void json_write_bytes(struct strbuf *out, const char *name, struct slice s)
{
	if (slice_is_null(s)) {
		strbuf_printf(out, "\"%s\":null", name);
	} else if (is_utf8(s)) {
		strbuf_printf(out, "\"%s\":", name);
		json_write_string(out, s);
	} else {
		strbuf_printf(out, "\"%s_base64\":", name);
		write_base64(out, s);
	}
}

void json_record_write(struct strbuf *out, const struct consumer_event *e)
{
	struct slice rest = e->record.headers;
	struct record_header h;
	const char *comma = "";

	strbuf_add_str(out, "{\"topic\":");
	json_write_string(out, slice_str(e->topic));
	strbuf_printf(out, ",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld,", e->partition, (long long)e->offset,
		      (long long)e->record.timestamp);
	json_write_bytes(out, "key", e->record.key);
	strbuf_add_char(out, ',');
	json_write_bytes(out, "value", e->record.value);
	strbuf_add_str(out, ",\"headers\":[");
	while (record_header_next(&rest, &h)) {
		strbuf_add_str(out, comma);
		strbuf_add_char(out, '{');
		json_write_bytes(out, "key", h.key);
		strbuf_add_char(out, ',');
		json_write_bytes(out, "value", h.value);
		strbuf_add_char(out, '}');
		comma = ",";
	}
	strbuf_add_str(out, "]}");
}

/* ---- reading ---- */

struct parsed {			/* json_record.memory */
	json_t      *root;
	struct arena arena;	/* decoded base64, headers */
};

static bool read_base64(struct parsed *m, const char *text, size_t len, struct slice *out)
{
	uint8_t *to;
	size_t n = 0;
	uint32_t bits = 0, have = 0;

	while (len > 0 && text[len - 1] == '=')
		len--;
	to = arena_alloc(&m->arena, len);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] != '\0' ? strchr(base64_digits, text[i]) : NULL;
		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - base64_digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (uint8_t)(bits >> have);
		}
	}
	*out = slice_of(to, n);
	return true;
}

/* The string or base64 of this name; null when there is neither. */
static bool read_bytes(struct parsed *m, const json_t *object, const char *name, struct slice *out, char error[200])
{
	char base64_name[32];
	const json_t *v = json_object_get(object, name), *coded;

	snprintf(base64_name, sizeof(base64_name), "%s_base64", name);
	coded = json_object_get(object, base64_name);
	*out = SLICE_NULL;
	if (coded != NULL && (!json_is_string(coded) ||
			      !read_base64(m, json_string_value(coded), json_string_length(coded), out))) {
		snprintf(error, 200, "\"%s\" must be a string in base64", base64_name);
		return false;
	}
	if (v == NULL || json_is_null(v))
		return true;
	if (!json_is_string(v)) {
		snprintf(error, 200, "\"%s\" must be a string or null", name);
		return false;
	}
	*out = slice_of(json_string_value(v), json_string_length(v));
	return true;
}

static bool read_number(const json_t *object, const char *name, int64_t max, int64_t *out, char error[200])
{
	const json_t *v = json_object_get(object, name);

	*out = -1;
	if (v == NULL || json_is_null(v))
		return true;
	if (json_is_integer(v) && json_integer_value(v) >= -1 && json_integer_value(v) <= max) {
		*out = json_integer_value(v);
		return true;
	}
	snprintf(error, 200, "\"%s\" must be a whole number up to %lld", name, (long long)max);
	return false;
}

static bool read_headers(struct parsed *m, struct producer_record *r, char error[200])
{
	const json_t *list = json_object_get(m->root, "headers");
	size_t count = json_array_size(list);
	struct record_header *headers;

	if (list == NULL || json_is_null(list))
		return true;
	headers = arena_calloc(&m->arena, count, sizeof(*headers));
	for (size_t i = 0; i < count && headers != NULL; i++) {
		const json_t *h = json_array_get(list, i);
		if (!json_is_object(h) || !read_bytes(m, h, "key", &headers[i].key, error) || slice_is_null(headers[i].key)) {
			headers = NULL;
			break;
		}
		if (!read_bytes(m, h, "value", &headers[i].value, error))
			return false;
	}
	if (!json_is_array(list) || headers == NULL) {
		snprintf(error, 200, "\"headers\" must be a list of {\"key\": string, \"value\": string or null}");
		return false;
	}
	r->headers = headers;
	r->header_count = (int32_t)count;
	return true;
}

/* A name that is none may be meant for another: what is not there is null, and null deletes. */
static bool are_names_known(const json_t *object, char error[200])
{
	static const char *const known[] = { "topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers" };
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)object, name, v) {
		size_t i = 0;

		while (i < ARRAY_LEN(known) && strcmp(name, known[i]) != 0)
			i++;
		if (i == ARRAY_LEN(known)) {
			snprintf(error, 200, "\"%.31s\" is not known: key, key_base64, value, value_base64, headers, partition, timestamp are, topic and offset are not looked at", name);
			return false;
		}
	}
	for (int i = 0; i < 2; i++) {
		const char *plain = i == 0 ? "key" : "value", *coded = i == 0 ? "key_base64" : "value_base64";

		if (json_object_get(object, plain) != NULL && json_object_get(object, coded) != NULL) {
			snprintf(error, 200, "\"%s\" beside \"%s\": which of them?", coded, plain);
			return false;
		}
	}
	return true;
}

/* Behind the quote that ends the string which begins at text[at]. */
static size_t skip_string(struct slice text, size_t at)
{
	for (at++; at < text.len && text.ptr[at] != '"'; at++)
		at += text.ptr[at] == '\\';
	return MIN(at + 1, text.len);
}

/* The column, from 1, where the name stands in the object itself, not in one within it; 0: nowhere. The text is sound JSON. */
static int column_of(struct slice text, const char *name)
{
	int depth = 0;

	for (size_t at = 0, end; at < text.len; at = end) {
		char c = (char)text.ptr[at];
		end = c == '"' ? skip_string(text, at) : at + 1;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (depth != 1 || c != '"' || !slice_eq_str(slice_of(text.ptr + at + 1, end - at - 2), name))
			continue;
		while (end < text.len && (text.ptr[end] == ' ' || text.ptr[end] == '\t'))
			end++;
		if (end < text.len && text.ptr[end] == ':')
			return (int)at + 1;
	}
	return 0;
}

/* What was expected names what it is about; where that stands is put behind it. */
static void add_column(struct slice text, char error[200])
{
	size_t len = strlen(error);
	char name[32] = "";
	int column;

	if (sscanf(error, "\"%31[^\"]\"", name) == 1 && (column = column_of(text, name)) > 0)
		snprintf(error + len, 200 - len, " (column %d)", column);
}

bool json_record_read(struct json_record *r, struct slice text, char error[200])
{
	json_error_t where;
	struct parsed *m = mem_calloc(1, sizeof(*m));
	int64_t partition, timestamp;

	arena_init(&m->arena, 16 * text.len + (1 << 16));
	m->root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
	r->memory = m;
	if (m->root == NULL) {
		static const char file_end[] = "end of file";
		const char *end = strstr(where.text, file_end);
		int before = end != NULL ? (int)(end - where.text) : 0;
		snprintf(error, 200, "column %d: %.*s%s%.100s", where.column, before, where.text, end != NULL ? "the end of the line" : "",
			 end != NULL ? end + sizeof(file_end) - 1 : where.text);
	} else if (!json_is_object(m->root)) {
		snprintf(error, 200, "expected an object, {\"key\": ..., \"value\": ...}");
	} else if (json_object_get(m->root, "control") != NULL) {
		snprintf(error, 200, "a control record, which only the coordinator of a transaction writes");
	} else if (are_names_known(m->root, error) && read_bytes(m, m->root, "key", &r->record.key, error) &&
		   read_bytes(m, m->root, "value", &r->record.value, error) &&
		   read_number(m->root, "partition", INT32_MAX, &partition, error) &&
		   read_number(m->root, "timestamp", INT64_MAX, &timestamp, error) && read_headers(m, &r->record, error)) {
		r->record.partition = (int32_t)partition;
		r->record.timestamp = timestamp;
		return true;
	}
	if (m->root != NULL)
		add_column(text, error);
	json_record_fini(r);
	return false;
}

void json_record_fini(struct json_record *r)
{
	struct parsed *m = r->memory;

	if (m != NULL) {
		json_decref(m->root);
		arena_fini(&m->arena);
		free(m);
	}
	*r = (struct json_record){ .memory = NULL };
}
