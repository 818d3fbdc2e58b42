#include "setting.h"

#include <stdio.h>
#include <stdlib.h>

#include "value.h"

bool setting_parse(char *text, struct setting *out)
{
	char *name, *value;

	if (!value_pair(text, &name, &value))
		return false;
	*out = (struct setting){ .name = name, .typed = value, .value = value, .op = ADMIN_SET };
	char *last = name + strlen(name) - 1;
	if (*last == '+' || *last == '-') {
		out->op = *last == '+' ? ADMIN_APPEND : ADMIN_SUBTRACT;
		*last = '\0';
	}
	return *name != '\0';
}

bool setting_size(const char *text, int64_t *out)
{
	static const struct { const char *name; int64_t bytes; } units[] = {
		{ "B", 1 }, { "kB", 1000 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 }, { "TB", 1000000000000 },
		{ "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { "TiB", INT64_C(1) << 40 },
	};
	size_t digits = strspn(text, "0123456789");
	char number[24];
	int64_t n;

	if (digits == 0 || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (!value_int(number, 0, INT64_MAX, &n))
		return false;
	if (text[digits] == '\0') {
		*out = n;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text + digits, units[i].name) == 0)
			return !__builtin_mul_overflow(n, units[i].bytes, out);
	}
	return false;
}

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

void setting_resolve(struct setting *s)
{
	int64_t n;
	bool ok;

	if (s->typed == NULL)
		return;
	ok = ends_in(s->name, ".ms") ? value_duration(s->typed, &n) :
	     ends_in(s->name, ".bytes") || ends_in(s->name, ".buffer.size") ? setting_size(s->typed, &n) : false;
	if (!ok)
		return;
	snprintf(s->number, sizeof(s->number), "%lld", (long long)n);
	s->value = s->number;
}
