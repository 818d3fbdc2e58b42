#include "record_filter.h"

#include <string.h>

/* Goes back only to the last star: what an earlier one took can never have to change. */
bool filter_matches(const char *pattern, struct slice text)
{
	const char *star = NULL;
	size_t at = 0, star_at = 0;

	if (slice_is_null(text))
		return false;
	for (;;) {
		bool escapes = *pattern == '\\' && pattern[1] != '\0';
		char c = escapes ? pattern[1] : *pattern;

		if (*pattern == '*') {
			star = ++pattern;
			star_at = at;
		} else if (at == text.len && c == '\0') {
			return true;
		} else if (at < text.len && c != '\0' && ((c == '?' && !escapes) || (uint8_t)c == text.ptr[at])) {
			pattern += escapes ? 2 : 1;
			at++;
		} else if (star != NULL && star_at < text.len) {
			pattern = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
}

bool record_filter_header(struct record_filter *f, char *text)
{
	char *equals = strchr(text, '=');

	if (f->header_count == FILTER_HEADERS_MAX || *text == '\0' || equals == text)
		return false;
	if (equals != NULL)
		*equals++ = '\0';
	f->headers[f->header_count].name = text;
	f->headers[f->header_count++].value = equals;
	return true;
}

bool record_filter_value(struct record_filter *f, const char *text, char error[100])
{
	int e;

	if (f->has_value)
		regfree(&f->value);
	e = regcomp(&f->value, text, REG_EXTENDED | REG_NOSUB);
	f->has_value = e == 0;
	if (e != 0)
		regerror(e, &f->value, error, 100);
	return e == 0;
}

void record_filter_fini(struct record_filter *f)
{
	if (f->has_value)
		regfree(&f->value);
	*f = (struct record_filter){ .key = NULL };
}

static bool has_header(const struct record *r, const char *name, const char *pattern)
{
	struct slice rest = r->headers;
	struct record_header h;

	while (record_header_next(&rest, &h)) {
		if (slice_eq_str(h.key, name) && (pattern == NULL || filter_matches(pattern, h.value)))
			return true;
	}
	return false;
}

static bool value_has(const regex_t *expression, struct slice value)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)value.len };

	return !slice_is_null(value) && value.len <= INT32_MAX && regexec(expression, (const char *)value.ptr, 1, &range, REG_STARTEND) == 0;
}

bool record_filter_passes(const struct record_filter *f, const struct record *r)
{
	if (f->key != NULL && !filter_matches(f->key, r->key))
		return false;
	for (int i = 0; i < f->header_count; i++) {
		if (!has_header(r, f->headers[i].name, f->headers[i].value))
			return false;
	}
	return !f->has_value || value_has(&f->value, r->value);
}
