#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

bool value_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long v;

	if (*text != '-' && (*text < '0' || *text > '9'))	/* strtoll skips spaces and takes a plus */
		return false;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool value_seconds(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms)
{
	size_t whole = strspn(text, "0123456789"), part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	char digits[24];

	if (whole == 0 || whole > 15 || text[whole + (part > 0 ? part + 1 : 0)] != '\0')
		return false;
	snprintf(digits, sizeof(digits), "%.*s%.*s%.*s", (int)whole, text, (int)MIN(part, 3u), part > 0 ? text + whole + 1 : "", 3 - (int)MIN(part, 3u), "000");
	return value_int(digits, min_ms, max_ms, out_ms);
}

bool value_codec(const char *text, enum codec *out)
{
	static const char *const names[CODEC_COUNT] = { "none", "gzip", "snappy", "lz4", "zstd" };

	for (int i = 0; i < CODEC_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum codec)i;
			return true;
		}
	}
	return false;
}

bool value_acks(const char *text, int16_t *out)
{
	static const struct { const char *text; int16_t acks; } table[] = { { "0", 0 }, { "1", 1 }, { "all", -1 }, { "-1", -1 } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(text, table[i].text) == 0) {
			*out = table[i].acks;
			return true;
		}
	}
	return false;
}

static bool parse_date(const char *text, int64_t *out)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };
	int64_t ms = 0;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		if (end == NULL)
			continue;
		if (i == 2 && *end == '.') {
			int scale = 100;
			for (end++; *end >= '0' && *end <= '9'; end++, scale /= 10)
				ms += (*end - '0') * scale;
		}
		if (*end == 'Z')
			end++;
		if (*end != '\0')
			continue;
		struct tm real = tm;
		time_t seconds = timegm(&real);		/* makes 2 March of 30 February */
		if (real.tm_mday != tm.tm_mday || real.tm_mon != tm.tm_mon || real.tm_sec != tm.tm_sec)
			return false;
		*out = (int64_t)seconds * 1000 + ms;
		return true;
	}
	return false;
}

static bool parse_time(const char *text, int64_t *out)
{
	return value_int(text, 0, INT64_MAX, out) || parse_date(text, out);
}

bool value_duration(const char *text, int64_t *out)
{
	static const struct { const char *unit; int64_t ms; } units[] = {
		{ "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	int64_t sum = 0;
	size_t next = 0;

	while (*text >= '0' && *text <= '9') {
		int64_t n = 0;
		size_t len;
		for (; *text >= '0' && *text <= '9'; text++) {
			if (n > INT32_MAX)
				return false;
			n = n * 10 + (*text - '0');
		}
		for (len = 0; text[len] >= 'a' && text[len] <= 'z'; len++)
			;
		while (next < ARRAY_LEN(units) && (strlen(units[next].unit) != len || strncmp(text, units[next].unit, len) != 0))
			next++;
		if (next == ARRAY_LEN(units))
			return false;
		sum += n * units[next++].ms;
		text += len;
		if (*text == '\0') {
			*out = sum;
			return true;
		}
	}
	return false;
}

#define SINCE_MS_MIN 100000000000	/* March 1973; a smaller number is an age that lacks its unit */

bool value_since(const char *text, int64_t now_ms, int64_t *out)
{
	int64_t ago;

	if (value_duration(text, &ago)) {
		*out = MAX(0, now_ms - ago);
		return true;
	}
	if (text[0] == '@')
		return parse_time(text + 1, out);
	return value_int(text, SINCE_MS_MIN, INT64_MAX, out) || parse_date(text, out);
}

bool value_start(const char *text, struct value_start *out)
{
	*out = (struct value_start){ .at = 0 };
	if (strcmp(text, "beginning") == 0)
		out->kind = START_BEGINNING;
	else if (strcmp(text, "end") == 0)
		out->kind = START_END;
	else if (text[0] == '@')
		out->kind = START_TIME;
	else
		out->kind = START_OFFSET;
	if (out->kind == START_TIME)
		return parse_time(text + 1, &out->at);
	return out->kind != START_OFFSET || value_int(text, 0, INT64_MAX, &out->at);
}

bool value_pair(char *text, char **name, char **value)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || equals == text)
		return false;
	*equals = '\0';
	*name = text;
	*value = equals + 1;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool value_unescape(struct strbuf *out, const char *text)
{
	static const char from[] = "ntr0\\", to[] = "\n\t\r\0\\";

	for (; *text != '\0'; text++) {
		const char *known;
		if (*text != '\\' || text[1] == '\0') {
			strbuf_add_char(out, *text);
		} else if (text[1] == 'x') {
			int high = hex_digit(text[2]), low = high >= 0 ? hex_digit(text[3]) : -1;
			if (low < 0)
				return false;
			strbuf_add_char(out, (char)(high * 16 + low));
			text += 3;
		} else if ((known = strchr(from, text[1])) != NULL) {
			strbuf_add_char(out, to[known - from]);
			text++;
		} else {
			strbuf_add_char(out, *text);
		}
	}
	return true;
}

void value_add_visible(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_visible_at(s.ptr + i, s.len - i);
		uint8_t c = s.ptr[i];

		if (c == '\n' || c == '\t' || c == '\\')
			strbuf_add_str(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\\\");
		else if (n == 0)
			strbuf_printf(out, "\\x%02x", c);
		else
			strbuf_add(out, s.ptr + i, n);
		i += MAX(n, 1u);
	}
}

static bool insert_number(int32_t n, int32_t *out, int max, int *count)
{
	int at = *count;

	while (at > 0 && out[at - 1] >= n) {
		if (out[at - 1] == n)
			return true;
		at--;
	}
	if (*count == max)
		return false;
	memmove(&out[at + 1], &out[at], (size_t)(*count - at) * sizeof(*out));
	out[at] = n;
	(*count)++;
	return true;
}

bool value_numbers(const char *text, int32_t *out, int max, int *count)
{
	*count = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		char part[32], *dash;
		int64_t low, high;
		if (len == 0 || len >= sizeof(part))
			return false;
		memcpy(part, text, len);
		part[len] = '\0';
		dash = strchr(part + 1, '-');
		if (dash != NULL)
			*dash = '\0';
		if (!value_int(part, 0, INT32_MAX, &low))
			return false;
		high = low;
		if (dash != NULL && !value_int(dash + 1, low, INT32_MAX, &high))
			return false;
		for (int64_t n = low; n <= high; n++)
			if (!insert_number((int32_t)n, out, max, count))
				return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}
