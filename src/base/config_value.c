/*
 * Parsing is as lenient and as strict as Java: blanks around a value do not count, "+5" is a number, "TRUE" a boolean.
 * Only what is not a finite decimal number (NaN, 0x1p3) is refused here though Java takes it.
 */
#include "base/config_value.h"

#include "base/config.h"
#include "base/config_listener.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct slice config_trim(struct slice s)
{
	while (s.len > 0 && s.ptr[0] <= ' ') {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && s.ptr[s.len - 1] <= ' ')
		s.len--;
	return s;
}

bool config_list_next(struct slice *rest, struct slice *item)
{
	if (rest->ptr == NULL || rest->len == 0)
		return false;
	const uint8_t *comma = memchr(rest->ptr, ',', rest->len);
	if (comma == NULL) {
		*item = config_trim(*rest);
		*rest = SLICE_NULL;
		return true;
	}
	*item = config_trim(slice_of(rest->ptr, (size_t)(comma - rest->ptr)));
	rest->len -= (size_t)(comma - rest->ptr) + 1;
	rest->ptr = comma + 1;
	if (rest->len == 0)
		*rest = slice_of(" ", 1);	/* "a," has an empty second member */
	return true;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static bool parse_integer(struct slice s, int64_t min, int64_t max, int64_t *out)
{
	bool is_negative = false;
	uint64_t n = 0, limit;

	if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
		is_negative = s.ptr[0] == '-';
		s.ptr++;
		s.len--;
	}
	if (s.len == 0)
		return false;
	limit = is_negative ? (uint64_t)-(min + 1) + 1 : (uint64_t)max;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)s.ptr[i] - '0';
		if (s.ptr[i] < '0' || s.ptr[i] > '9' || n > (limit - digit) / 10 || limit < digit)
			return false;
		n = n * 10 + digit;
	}
	*out = is_negative ? (int64_t)-n : (int64_t)n;
	return true;
}

static bool parse_double(struct slice s, double *out)
{
	char buf[64], *end;

	if (s.len == 0 || s.len >= sizeof(buf))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (memchr("0123456789+-.eE", s.ptr[i], 15) == NULL)
			return false;
	}
	memcpy(buf, s.ptr, s.len);
	buf[s.len] = '\0';
	*out = strtod(buf, &end);
	return *end == '\0' && isfinite(*out);
}

void config_double_print(double d, struct strbuf *out)
{
	char buf[32];
	int precision = 0;

	/* The fewest digits that give the number back. */
	do {
		snprintf(buf, sizeof(buf), "%.*e", precision, d);
	} while (strtod(buf, NULL) != d && precision++ < 17);
	char *e = strchr(buf, 'e');
	int exponent = atoi(e + 1);
	double size = fabs(d);
	if (d == 0 || (size >= 1e-3 && size < 1e7)) {
		int decimals = MAX(precision - exponent, 1);
		strbuf_printf(out, "%.*f", d == 0 ? 1 : decimals, d);
		return;
	}
	*e = '\0';
	strbuf_printf(out, "%s%sE%d", buf, strchr(buf, '.') != NULL ? "" : ".0", exponent);
}

/* Releases and how many inter-release versions each has; before 0.10.0 there were none. */
bool config_version_parse(struct slice text, int32_t *version)
{
	static const struct { const char *name; int major, minor, iv_count; } releases[] = {
		{ "0.8.0", 0, 80, 0 }, { "0.8.1", 0, 81, 0 }, { "0.8.2", 0, 82, 0 }, { "0.9.0", 0, 90, 0 },
		{ "0.10.0", 0, 100, 2 }, { "0.10.1", 0, 101, 3 }, { "0.10.2", 0, 102, 1 }, { "0.11.0", 0, 110, 3 },
		{ "1.0", 1, 0, 1 }, { "1.1", 1, 1, 1 }, { "2.0", 2, 0, 2 }, { "2.1", 2, 1, 3 }, { "2.2", 2, 2, 2 },
		{ "2.3", 2, 3, 2 }, { "2.4", 2, 4, 2 }, { "2.5", 2, 5, 1 }, { "2.6", 2, 6, 1 }, { "2.7", 2, 7, 3 },
		{ "2.8", 2, 8, 2 }, { "3.0", 3, 0, 2 }, { "3.1", 3, 1, 1 }, { "3.2", 3, 2, 1 }, { "3.3", 3, 3, 4 },
		{ "3.4", 3, 4, 1 }, { "3.5", 3, 5, 3 }, { "3.6", 3, 6, 3 }, { "3.7", 3, 7, 5 }, { "3.8", 3, 8, 1 },
		{ "3.9", 3, 9, 1 }, { "4.0", 4, 0, 2 },
	};
	int dots_wanted = text.len >= 2 && memcmp(text.ptr, "0.", 2) == 0 ? 2 : 1, dots = 0;

	/* "3.9.1" means 3.9: what stands behind the release's own parts is dropped. */
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '.' && dots++ == dots_wanted)
			text.len = i;
	}
	for (size_t i = 0; i < ARRAY_LEN(releases); i++) {
		size_t n = strlen(releases[i].name);
		int iv = releases[i].iv_count - 1;
		if (text.len < n || memcmp(text.ptr, releases[i].name, n) != 0)
			continue;
		if (text.len == n + 4 && memcmp(text.ptr + n, "-IV", 3) == 0) {
			iv = text.ptr[n + 3] - '0';
			if (iv < 0 || iv >= releases[i].iv_count)
				return false;
		} else if (text.len != n) {
			continue;
		}
		*version = KAFKA_VERSION(releases[i].major, releases[i].minor, MAX(iv, 0));
		return true;
	}
	return false;
}

/* --- checks ------------------------------------------------------------------------------------------------------- */

static void refuse(struct strbuf *why, const struct config_def *def, struct slice value)
{
	strbuf_printf(why, "Invalid value "SLICE_FMT" for configuration %s: ", SLICE_ARG(value), def->name);
}

static bool check_choice(const struct config_def *def, struct slice member, int64_t *value, struct strbuf *why)
{
	const struct config_choice *c;

	for (c = def->valid.choices; c->name != NULL; c++) {
		if (slice_eq_str(member, c->name)) {
			*value |= c->value;
			return true;
		}
	}
	refuse(why, def, member);
	strbuf_add_str(why, "String must be one of: ");
	for (c = def->valid.choices; c->name != NULL; c++)
		strbuf_printf(why, "%s%s", c == def->valid.choices ? "" : ", ", c->name);
	return false;
}

static bool is_replica_pair(struct slice s)	/* "12:3"; the empty member is tolerated, as in Kafka */
{
	const uint8_t *colon = memchr(s.ptr, ':', s.len);

	if (s.len == 0)
		return true;
	if (colon == NULL || colon == s.ptr || colon == s.ptr + s.len - 1)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr + i != colon && (s.ptr[i] < '0' || s.ptr[i] > '9'))
			return false;
	}
	return true;
}

bool config_names_replica(struct slice text, int32_t partition, int32_t broker)
{
	struct slice rest = config_trim(text), item;
	char pair[32];

	if (slice_eq_str(rest, "*"))
		return true;
	snprintf(pair, sizeof(pair), "%d:%d", partition, broker);
	while (config_list_next(&rest, &item)) {
		if (slice_eq_str(item, pair))
			return true;
	}
	return false;
}

static bool check_replicas(const struct config_def *def, struct slice list, struct strbuf *why)
{
	struct slice rest = list, item;
	bool is_good = true;

	if (slice_eq_str(list, "*"))
		return true;
	while (config_list_next(&rest, &item))
		is_good = is_good && is_replica_pair(item);
	if (is_good)
		return true;
	strbuf_add_str(why, "Invalid value [");
	for (rest = list; config_list_next(&rest, &item); )
		strbuf_printf(why, "%s"SLICE_FMT, item.ptr == list.ptr ? "" : ", ", SLICE_ARG(item));
	strbuf_printf(why, "] for configuration %s: %s must be the literal '*' or a list of replicas in the following "
		      "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", def->name, def->name);
	return false;
}

static bool check_range(const struct config_def *def, const struct config_value *v, struct strbuf *why)
{
	const struct config_valid *valid = &def->valid;
	bool is_real = def->type == CONFIG_DOUBLE;
	bool is_low = is_real ? v->real < (double)valid->min : v->integer < valid->min;
	bool is_high = valid->max != INT64_MAX && (is_real ? v->real > (double)valid->max : v->integer > valid->max);

	if (!is_low && !is_high)
		return true;
	if (valid->check == CHECK_RANGE_OR_MINUS_ONE && v->integer == -1)
		return true;
	strbuf_add_str(why, "Invalid value ");
	if (is_real)
		config_double_print(v->real, why);
	else
		strbuf_printf(why, "%lld", (long long)v->integer);
	strbuf_printf(why, " for configuration %s: Value must be ", def->name);
	if (valid->check == CHECK_RANGE_OR_MINUS_ONE)
		strbuf_printf(why, "between %lld and %lld or equal to -1", (long long)valid->min, (long long)valid->max);
	else if (is_low)
		strbuf_printf(why, "at least %lld", (long long)valid->min);
	else
		strbuf_printf(why, "no more than %lld", (long long)valid->max);
	return false;
}

static bool check_list(const struct config_def *def, struct config_value *v, struct strbuf *why)
{
	struct slice rest = v->text, item;

	v->integer = 0;
	if (def->valid.check == CHECK_REPLICAS)
		return check_replicas(def, v->text, why);
	while (def->valid.check == CHECK_CHOICE && config_list_next(&rest, &item)) {
		if (!check_choice(def, item, &v->integer, why))
			return false;
	}
	return true;
}

#define ZOOKEEPER_PORT 2181

bool config_zookeeper_server(struct slice text, struct slice *host, uint16_t *port)
{
	const uint8_t *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
	const uint8_t *bracket = text.len > 0 ? memrchr(text.ptr, ']', text.len) : NULL;
	bool has_port = colon != NULL && (bracket == NULL || colon > bracket);
	int32_t n = ZOOKEEPER_PORT;
	bool is_good = has_port ? config_address_parse(text, host, &n) : config_host_parse(text, host);

	*port = (uint16_t)n;
	return is_good && host->len > 0 && n > 0;
}

/* What ZooKeeper takes for a path: no part of it empty, "." or "..", and nothing at its end. "/" alone is the root. */
static bool is_zookeeper_path(struct slice path)
{
	const uint8_t *at = path.ptr, *end = path.ptr + path.len;

	for (const uint8_t *p = at; p < end; p++) {
		if (*p < ' ' || *p == 0x7f)
			return false;
	}
	while (path.len > 1 && at < end) {
		const uint8_t *slash = memchr(at + 1, '/', (size_t)(end - at) - 1);
		struct slice part = slice_of(at + 1, (size_t)((slash != NULL ? slash : end) - at) - 1);
		if (part.len == 0 || slice_eq_str(part, ".") || slice_eq_str(part, ".."))
			return false;
		at = slash != NULL ? slash : end;
	}
	return true;
}

static bool is_zookeeper_connect(struct slice text)
{
	const uint8_t *path = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
	struct slice rest = path == NULL ? text : slice_of(text.ptr, (size_t)(path - text.ptr)), item, host;
	int count = 0;
	uint16_t port;

	while (config_list_next(&rest, &item)) {
		if (item.len > 0 && !config_zookeeper_server(item, &host, &port))
			return false;
		count += item.len > 0;
	}
	return text.len == 0 || (count > 0 && (path == NULL || is_zookeeper_path(slice_of(path, (size_t)(text.ptr + text.len - path)))));
}

static bool check_text(const struct config_def *def, struct config_value *v, struct strbuf *why)
{
	int32_t version;

	v->integer = 0;
	if (def->valid.check == CHECK_CHOICE)
		return check_choice(def, v->text, &v->integer, why);
	if (def->valid.check == CHECK_NOT_EMPTY && v->text.len == 0) {
		refuse(why, def, v->text);
		strbuf_add_str(why, "String must be non-empty");
		return false;
	}
	if (def->valid.check == CHECK_ZOOKEEPER && !is_zookeeper_connect(v->text)) {
		refuse(why, def, v->text);
		strbuf_add_str(why, "Not a list of host:port");
		return false;
	}
	if (def->valid.check == CHECK_LOG_LEVELS && !log_levels_are_valid(v->text)) {
		refuse(why, def, v->text);
		strbuf_add_str(why, "Not a list of levels");
		return false;
	}
	if (def->valid.check == CHECK_VERSION) {
		if (!config_version_parse(v->text, &version)) {
			refuse(why, def, v->text);
			strbuf_printf(why, "Version "SLICE_FMT" is not a valid version", SLICE_ARG(v->text));
			return false;
		}
		v->integer = version;
	}
	return true;
}

static bool parse_number(const struct config_def *def, struct config_value *out)
{
	switch (def->type) {
	case CONFIG_SHORT:  return parse_integer(out->text, INT16_MIN, INT16_MAX, &out->integer);
	case CONFIG_INT:    return parse_integer(out->text, INT32_MIN, INT32_MAX, &out->integer);
	case CONFIG_LONG:   return parse_integer(out->text, INT64_MIN, INT64_MAX, &out->integer);
	case CONFIG_DOUBLE: return parse_double(out->text, &out->real);
	case CONFIG_UNKNOWN: case CONFIG_BOOLEAN: case CONFIG_STRING:
	case CONFIG_LIST: case CONFIG_CLASS: case CONFIG_PASSWORD:
		break;
	}
	return false;
}

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp((const char *)s.ptr, word, s.len) == 0;
}

bool config_value_parse(const struct config_def *def, struct slice text, struct config_value *out, struct strbuf *why)
{
	static const char *const type_names[] = { "", "", "", "INT", "SHORT", "LONG", "DOUBLE", "", "", "" };

	ASSERT(!slice_is_null(text));
	out->text = config_trim(text);
	switch (def->type) {
	case CONFIG_BOOLEAN:
		out->boolean = is_word(out->text, "true");
		if (out->boolean || is_word(out->text, "false"))
			return true;
		refuse(why, def, text);
		strbuf_add_str(why, "Expected value to be either true or false");
		return false;
	case CONFIG_SHORT: case CONFIG_INT: case CONFIG_LONG: case CONFIG_DOUBLE:
		if (!parse_number(def, out)) {
			refuse(why, def, text);
			strbuf_printf(why, "Not a number of type %s", type_names[def->type]);
			return false;
		}
		return def->valid.check == CHECK_ANY || check_range(def, out, why);
	case CONFIG_LIST:
		return check_list(def, out, why);
	case CONFIG_STRING: case CONFIG_CLASS: case CONFIG_PASSWORD: case CONFIG_UNKNOWN:
		return check_text(def, out, why);
	}
	return false;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

void config_value_print(const struct config_def *def, struct slice text, struct strbuf *out)
{
	struct strbuf why = STRBUF_INIT;
	struct config_value v;

	if (!config_value_parse(def, text, &v, &why)) {		/* not ours to judge here: show what is there */
		strbuf_add_slice(out, text);
		strbuf_fini(&why);
		return;
	}
	switch (def->type) {
	case CONFIG_BOOLEAN:
		strbuf_add_str(out, v.boolean ? "true" : "false");
		return;
	case CONFIG_SHORT: case CONFIG_INT: case CONFIG_LONG:
		strbuf_printf(out, "%lld", (long long)v.integer);
		return;
	case CONFIG_DOUBLE:
		config_double_print(v.real, out);
		return;
	case CONFIG_LIST:
		for (struct slice rest = v.text, item; config_list_next(&rest, &item); )
			strbuf_printf(out, "%s"SLICE_FMT, item.ptr == v.text.ptr ? "" : ",", SLICE_ARG(item));
		return;
	case CONFIG_STRING: case CONFIG_CLASS: case CONFIG_PASSWORD: case CONFIG_UNKNOWN:
		strbuf_add_slice(out, v.text);
		return;
	}
}

bool config_value_eq(const struct config_def *def, struct slice a, struct slice b)
{
	struct strbuf ta = STRBUF_INIT, tb = STRBUF_INIT;

	if (slice_is_null(a) || slice_is_null(b))
		return slice_is_null(a) && slice_is_null(b);
	config_value_print(def, a, &ta);
	config_value_print(def, b, &tb);
	bool is_eq = slice_eq(strbuf_slice(&ta), strbuf_slice(&tb));
	strbuf_fini(&ta);
	strbuf_fini(&tb);
	return is_eq;
}

static void allowed_numbers(const struct config_def *def, struct strbuf *out)
{
	const struct config_valid *v = &def->valid;

	strbuf_add_str(out, def->type == CONFIG_DOUBLE ? "a number" : "a whole number");
	if (v->check == CHECK_ANY)
		return;
	if (v->max == INT64_MAX)
		strbuf_printf(out, ", at least %lld", (long long)v->min);
	else
		strbuf_printf(out, " from %lld to %lld", (long long)v->min, (long long)v->max);
	if (v->check == CHECK_RANGE_OR_MINUS_ONE)
		strbuf_add_str(out, ", or -1");
}

void config_value_allowed(const struct config_def *def, struct strbuf *out)
{
	const struct config_valid *v = &def->valid;

	switch (def->type) {
	case CONFIG_BOOLEAN:
		strbuf_add_str(out, "true or false");
		return;
	case CONFIG_SHORT: case CONFIG_INT: case CONFIG_LONG: case CONFIG_DOUBLE:
		allowed_numbers(def, out);
		return;
	case CONFIG_LIST: case CONFIG_STRING: case CONFIG_CLASS: case CONFIG_PASSWORD: case CONFIG_UNKNOWN:
		break;
	}
	if (v->check == CHECK_CHOICE) {
		strbuf_add_str(out, def->type == CONFIG_LIST ? "any of " : "one of ");
		for (const struct config_choice *c = v->choices; c->name != NULL; c++)
			strbuf_printf(out, "%s%s", c == v->choices ? "" : ", ", c->name);
	} else if (v->check == CHECK_VERSION) {
		strbuf_add_str(out, "a version of Kafka from 0.8.0 to 4.0, such as 3.9 or 3.9-IV0");
	} else if (v->check == CHECK_ZOOKEEPER) {
		strbuf_add_str(out, "host:port,host:port,... with at most one /path behind the last (an IPv6 address stands in brackets), or nothing");
	} else if (v->check == CHECK_LOG_LEVELS) {
		strbuf_add_str(out, "LEVEL,module=LEVEL,... with DEBUG, INFO, WARN or ERROR, and modules");
		for (int i = LOGGER_ROOT + 1; i < LOGGER_COUNT; i++)
			strbuf_printf(out, "%s %s", i > LOGGER_ROOT + 1 ? "," : "", log_logger_name(i));
	} else if (v->check == CHECK_REPLICAS) {
		strbuf_add_str(out, "* or partition:broker pairs separated by commas");
	} else {
		strbuf_add_str(out, v->check == CHECK_NOT_EMPTY ? "a text that is not empty" : "a text");
	}
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

bool config_value_store(const struct config_def *def, const struct config_value *value, void *base, struct arena *arena)
{
	void *at = (char *)base + def->field_at;
	int64_t n = value != NULL && def->type != CONFIG_BOOLEAN && def->type != CONFIG_DOUBLE ? value->integer : 0;

	switch (def->field) {
	case FIELD_NONE:
		return true;
	case FIELD_BOOL:
		*(bool *)at = value != NULL && value->boolean;
		return true;
	case FIELD_INT16:
		*(int16_t *)at = (int16_t)n;
		return true;
	case FIELD_INT32:
		*(int32_t *)at = value != NULL ? (int32_t)n : FIELD_UNSET_INT;
		return true;
	case FIELD_UINT32:
		*(uint32_t *)at = (uint32_t)n;
		return true;
	case FIELD_INT64:
		*(int64_t *)at = value != NULL ? n : FIELD_UNSET_LONG;
		return true;
	case FIELD_DOUBLE:
		*(double *)at = value != NULL ? value->real : 0;
		return true;
	case FIELD_TEXT:
		*(const char **)at = NULL;
		if (value == NULL)
			return true;
		*(const char **)at = (const char *)arena_copy(arena, value->text).ptr;
		return *(const char **)at != NULL;
	}
	return false;
}

static void print_choices(const struct config_def *def, int64_t value, struct strbuf *out)
{
	size_t start = out->len;

	for (const struct config_choice *c = def->valid.choices; c->name != NULL; c++) {
		if (def->type == CONFIG_LIST ? (value & c->value) == 0 : value != c->value)
			continue;
		strbuf_printf(out, "%s%s", out->len == start ? "" : ",", c->name);
	}
}

void config_field_print(const struct config_def *def, const void *base, struct strbuf *out)
{
	const void *at = (const char *)base + def->field_at;
	int64_t n;

	switch (def->field) {
	case FIELD_BOOL:   strbuf_add_str(out, *(const bool *)at ? "true" : "false"); return;
	case FIELD_DOUBLE: config_double_print(*(const double *)at, out); return;
	case FIELD_TEXT:   strbuf_add_str(out, *(const char *const *)at); return;
	case FIELD_INT16:  n = *(const int16_t *)at; break;
	case FIELD_INT32:  n = *(const int32_t *)at; break;
	case FIELD_UINT32: n = *(const uint32_t *)at; break;
	case FIELD_INT64:  n = *(const int64_t *)at; break;
	case FIELD_NONE:   default: return;
	}
	if (def->valid.check == CHECK_CHOICE)
		print_choices(def, n, out);
	else
		strbuf_printf(out, "%lld", (long long)n);
}
