/*
 * The properties format is read as Java reads it (java.util.Properties), so that a file means the same to both brokers.
 * Its corners: a comment line cannot be continued; blanks at the start of a continuation line do not count, blanks at the
 * end of a value do; the key ends at the first unescaped '=', ':' or blank; "key" alone is an empty value. (Compared with
 * Java on random files: equal, but for half surrogate pairs, and the empty key Java makes of a last line that is one backslash.)
 */
#include "base/config_file.h"

#include "base/config.h"
#include "base/config_value.h"

struct lines {
	const char *name;
	struct slice rest;
	int          line;		/* of the natural line read last */
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

/* The next natural line without its end; "\r\n", "\n" and "\r" end one. */
static bool next_natural(struct lines *l, struct slice *line)
{
	size_t n = 0;

	if (l->rest.len == 0)
		return false;
	while (n < l->rest.len && l->rest.ptr[n] != '\n' && l->rest.ptr[n] != '\r')
		n++;
	*line = slice_of(l->rest.ptr, n);
	if (n + 1 < l->rest.len && l->rest.ptr[n] == '\r' && l->rest.ptr[n + 1] == '\n')
		n++;
	if (n < l->rest.len)
		n++;
	l->rest = slice_of(l->rest.ptr + n, l->rest.len - n);
	l->line++;
	return true;
}

static void skip_blanks(struct slice *s)
{
	while (s->len > 0 && is_blank(s->ptr[0])) {
		s->ptr++;
		s->len--;
	}
}

static bool ends_in_backslash(struct slice line)	/* in an odd number of them: one that escapes the line end */
{
	size_t n = 0;

	while (n < line.len && line.ptr[line.len - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

/* The next logical line that is not empty or a comment, joined in out. *first is the number of its first natural line. */
static bool next_logical(struct lines *l, struct strbuf *out, int *first)
{
	struct slice line;

	strbuf_reset(out);
	while (next_natural(l, &line)) {
		skip_blanks(&line);
		if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == '!')
			continue;
		if (line.len == 1 && line.ptr[0] == '\\')	/* joins nothing: what follows begins anew */
			continue;
		*first = l->line;
		while (ends_in_backslash(line)) {
			strbuf_add(out, line.ptr, line.len - 1);
			line = SLICE_EMPTY;
			if (!next_natural(l, &line))
				break;
			skip_blanks(&line);
		}
		strbuf_add_slice(out, line);
		return true;
	}
	return false;
}

static bool hex4(struct slice s, uint32_t *out)
{
	*out = 0;
	if (s.len < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t c = s.ptr[i], low = c | 0x20;
		if (c >= '0' && c <= '9')
			*out = *out * 16 + (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			*out = *out * 16 + (uint32_t)(low - 'a') + 10;
		else
			return false;
	}
	return true;
}

static void add_utf8(struct strbuf *out, uint32_t c)
{
	if (c < 0x80) {
		strbuf_add_char(out, (char)c);
	} else if (c < 0x800) {
		strbuf_add_char(out, (char)(0xc0 | c >> 6));
		strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_add_char(out, (char)(0xe0 | c >> 12));
		strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_add_char(out, (char)(0xf0 | c >> 18));
		strbuf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* s begins behind "\u". Two halves of a surrogate pair become one character. Gives the bytes used, 0 for a bad escape. */
static size_t unescape_unicode(struct slice s, struct strbuf *out)
{
	uint32_t high, low;

	if (!hex4(s, &high) || high == 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	if (high < 0xd800 || high >= 0xe000) {
		add_utf8(out, high);
		return 4;
	}
	if (s.len < 10 || s.ptr[4] != '\\' || s.ptr[5] != 'u' || !hex4(slice_of(s.ptr + 6, s.len - 6), &low) ||
	    low < 0xdc00 || low >= 0xe000)
		return 0;
	add_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
	return 10;
}

static bool unescape(struct slice s, struct strbuf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\\' || i + 1 == s.len) {
			if (s.ptr[i] != '\\')
				strbuf_add_char(out, (char)s.ptr[i]);
			continue;
		}
		uint8_t c = s.ptr[++i];
		if (c == 'u') {
			size_t used = unescape_unicode(slice_of(s.ptr + i + 1, s.len - i - 1), out);
			if (used == 0)
				return false;
			i += used;
			continue;
		}
		strbuf_add_char(out, c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : (char)c);
	}
	return true;
}

/* Cuts a logical line at the end of its key. */
static void split_key(struct slice line, struct slice *key, struct slice *value)
{
	size_t n = 0;

	while (n < line.len && line.ptr[n] != '=' && line.ptr[n] != ':' && !is_blank(line.ptr[n]))
		n += line.ptr[n] == '\\' && n + 1 < line.len ? 2 : 1;
	*key = slice_of(line.ptr, n);
	*value = slice_of(line.ptr + n, line.len - n);
	skip_blanks(value);
	if (value->len > 0 && (value->ptr[0] == '=' || value->ptr[0] == ':')) {
		value->ptr++;
		value->len--;
		skip_blanks(value);
	}
}

bool config_file_parse(struct config_set *set, const char *name, struct slice text, struct strbuf *why)
{
	struct lines lines = { .name = name, .rest = text };
	struct strbuf logical = STRBUF_INIT, key = STRBUF_INIT, value = STRBUF_INIT;
	struct config_place place = { .origin = CONFIG_FROM_FILE, .file = name };
	struct slice raw_key, raw_value;
	bool is_good = true;

	if (text.len > CONFIG_FILE_BYTES_MAX) {
		strbuf_printf(why, "%s: a configuration file has at most %d bytes, this one has %zu", name,
			      CONFIG_FILE_BYTES_MAX, text.len);
		return false;
	}
	while (is_good && next_logical(&lines, &logical, &place.line)) {
		split_key(strbuf_slice(&logical), &raw_key, &raw_value);
		strbuf_reset(&key);
		strbuf_reset(&value);
		if (memchr(logical.ptr, '\0', logical.len) != NULL) {
			strbuf_printf(why, "%s:%d: a byte 0 in a text file", name, place.line);
			is_good = false;
		} else if (!unescape(raw_key, &key) || !unescape(raw_value, &value)) {
			strbuf_printf(why, "%s:%d: \\u needs four hexadecimal digits that make a character: " SLICE_FMT,
				      name, place.line, SLICE_ARG(strbuf_slice(&logical)));
			is_good = false;
		} else {
			config_set_put(set, strbuf_slice(&key), strbuf_slice(&value), place);
		}
	}
	strbuf_fini(&logical);
	strbuf_fini(&key);
	strbuf_fini(&value);
	return is_good;
}

bool config_override_parse(struct config_set *set, const char *text, struct strbuf *why)
{
	const char *equals = strchr(text, '=');
	struct config_place place = { .origin = CONFIG_FROM_COMMAND_LINE };

	if (equals == NULL || equals == text) {
		strbuf_printf(why, "--override takes key=value, not '%s'", text);
		return false;
	}
	config_set_put(set, slice_of(text, (size_t)(equals - text)), slice_str(equals + 1), place);
	return true;
}

/* --- presets ------------------------------------------------------------------------------------------------------ */

static bool is_set(const struct config_set *set, const char *name)
{
	return config_set_find(set, slice_str(name)) != NULL;
}

static void preset(struct config_set *set, const char *name, const char *text)
{
	if (!is_set(set, name))
		config_set_put(set, slice_str(name), slice_str(text), (struct config_place){ .origin = CONFIG_FROM_PROFILE });
}

/* Whether it can be understood; what cannot is judged under the name that somebody wrote, and only there. */
static bool has_value(const struct config_entry *e)
{
	struct strbuf why = STRBUF_INIT;
	struct config_value value;
	bool is_good = config_value_parse(config_find_base(e->name), e->text, &value, &why);

	strbuf_fini(&why);
	return is_good;
}

static void copy_alias(struct config_set *set, const char *from, const char *to)
{
	const struct config_entry *e = config_set_find(set, slice_str(from));

	if (e != NULL && !is_set(set, to) && has_value(e))
		config_set_put(set, slice_str(to), e->text, e->place);
}

static bool preset_data_dir(struct config_set *set, const struct config_env *env, struct strbuf *why)
{
	struct strbuf dir = STRBUF_INIT;

	if (is_set(set, "log.dirs") || is_set(set, "log.dir"))
		return true;
	if (env->xdg_data_home != NULL && env->xdg_data_home[0] == '/')		/* a relative one is to be ignored */
		strbuf_printf(&dir, "%s/skein", env->xdg_data_home);
	else if (env->home != NULL && env->home[0] == '/')
		strbuf_printf(&dir, "%s/.local/share/skein", env->home);
	if (dir.len == 0) {
		strbuf_add_str(why, "log.dirs is not set, and neither is XDG_DATA_HOME or HOME: say where the data shall "
			       "be, for instance --override log.dirs=/var/lib/skein");
		return false;
	}
	preset(set, "log.dirs", strbuf_cstr(&dir));
	strbuf_fini(&dir);
	return true;
}

bool config_preset(struct config_set *set, const struct config_env *env, struct strbuf *why)
{
	static const struct { const char *name, *text; } alone[] = {
		{ "broker.id", "0" },
		{ "listeners", "PLAINTEXT://127.0.0.1:9092" },
		{ "offsets.topic.replication.factor", "1" },
		{ "transaction.state.log.replication.factor", "1" },
		{ "transaction.state.log.min.isr", "1" },
		{ "group.initial.rebalance.delay.ms", "0" },
	};

	copy_alias(set, "node.id", "broker.id");
	if (config_trim(config_set_get(set, SLICE_LIT("zookeeper.connect"))).len == 0) {	/* an empty one is none */
		for (size_t i = 0; i < ARRAY_LEN(alone); i++)
			preset(set, alone[i].name, alone[i].text);
		if (!preset_data_dir(set, env, why))
			return false;
	}
	copy_alias(set, "broker.id", "node.id");
	return true;
}

/* --- judgement ---------------------------------------------------------------------------------------------------- */

static struct strbuf *add_line(struct strbuf *lines, int *count, const struct config_entry *e)
{
	if ((*count)++ > 0)
		strbuf_add_char(lines, '\n');
	config_place_print(&e->place, lines);
	strbuf_add_str(lines, ": ");
	return lines;
}

/* "log.retention.ms=abc", with the value only if it may be seen. */
static void add_setting(struct strbuf *out, const struct config_entry *e, const struct config_def *def)
{
	if (def == NULL || def->type == CONFIG_PASSWORD || def->kind == CONFIG_KIND_PLUGIN)
		strbuf_add_slice(out, e->name);
	else
		strbuf_printf(out, SLICE_FMT "=" SLICE_FMT, SLICE_ARG(e->name), SLICE_ARG(e->text));
}

/* Names nobody knows that would still be about who may do what. */
static bool is_security_name(struct slice name)
{
	static const char *const prefixes[] = { "authorizer.", "ssl.", "sasl.", "zookeeper.ssl." };
	static const char *const suffix = ".policy.class.name";

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (name.len > n && memcmp(name.ptr, prefixes[i], n) == 0)
			return true;
	}
	return name.len > strlen(suffix) && memcmp(name.ptr + name.len - strlen(suffix), suffix, strlen(suffix)) == 0;
}

/* ${file:/etc/secrets:password}: Java's brokers fetch such a value from elsewhere. */
static bool is_indirect(struct slice text)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.ptr[i] != '$' || text.ptr[i + 1] != '{')
			continue;
		const uint8_t *end = memchr(text.ptr + i, '}', text.len - i);
		if (end != NULL && memchr(text.ptr + i, ':', (size_t)(end - text.ptr) - i) != NULL)
			return true;
	}
	return false;
}

static void judge_unknown(const struct config_entry *e, struct config_findings *out)
{
	const struct config_def *near = config_nearest(&config_brokers, e->name);
	struct strbuf *line;

	if (is_security_name(e->name)) {
		line = add_line(&out->errors, &out->error_count, e);
		strbuf_printf(line, SLICE_FMT " is not known, and may not be ignored because it is about security",
			      SLICE_ARG(e->name));
	} else {
		line = add_line(&out->warnings, &out->warning_count, e);
		strbuf_printf(line, SLICE_FMT " is not known and has no effect", SLICE_ARG(e->name));
	}
	if (near != NULL)
		strbuf_printf(line, "; did you mean %s?", near->name);
}

static bool is_default(const struct config_entry *e, const struct config_def *def)	/* nothing is the same as null */
{
	return config_value_eq(def, e->text, slice_str(def->fallback)) || (e->text.len == 0 && def->fallback == NULL);
}

/* Older and newer brokers ask what we do not answer. */
static bool is_foreign_protocol(const struct config_def *def, const struct config_value *value)
{
	return strcmp(def->name, "inter.broker.protocol.version") == 0 && (value->integer < KAFKA_VERSION(2, 8, 0) || value->integer >= KAFKA_VERSION(4, 0, 0));
}

bool config_is_refused(const struct config_entry *e)
{
	const struct config_def *def = config_find_base(e->name);

	if (is_indirect(e->text))
		return true;
	return def == NULL ? is_security_name(e->name) : def->support == CONFIG_REFUSED && !is_default(e, def);
}

static void judge_value(const struct config_entry *e, const struct config_def *def, struct config_findings *out)
{
	struct strbuf why = STRBUF_INIT, *line;
	struct config_value value;
	bool is_good = config_value_parse(def, e->text, &value, &why);

	strbuf_fini(&why);
	if (!is_good) {
		line = add_line(&out->errors, &out->error_count, e);
		add_setting(line, e, def);
		strbuf_add_str(line, " is not valid; allowed is ");
		config_value_allowed(def, line);
	} else if (is_default(e, def)) {
		return;
	} else if (is_foreign_protocol(def, &value)) {
		line = add_line(&out->errors, &out->error_count, e);
		add_setting(line, e, def);
		strbuf_add_str(line, " is not spoken by skein, whose versions are 2.8 to 3.9: first bring every broker of the cluster to one of these, and this setting with them");
	} else if (def->support == CONFIG_REFUSED) {
		line = add_line(&out->errors, &out->error_count, e);
		add_setting(line, e, def);
		strbuf_printf(line, " cannot be ignored safely, and is not supported: %s", def->doc);
	} else if (e->place.origin != CONFIG_FROM_PROFILE &&
		   (def->support == CONFIG_WARNED || config_has_listener_prefix(e->name))) {
		line = add_line(&out->warnings, &out->warning_count, e);
		add_setting(line, e, def);
		strbuf_add_str(line, " has no effect yet");
	}
}

void config_check(const struct config_set *set, struct config_findings *out)
{
	const struct config_entry *e;
	uint32_t at = 0;

	while ((e = config_set_next(set, &at)) != NULL) {
		const struct config_def *def = config_find_base(e->name);
		if (is_indirect(e->text)) {
			struct strbuf *line = add_line(&out->errors, &out->error_count, e);
			strbuf_printf(line, SLICE_FMT " takes its value from a config provider (${...}), which skein does not "
				      "have: write the value itself", SLICE_ARG(e->name));
		} else if (def == NULL) {
			judge_unknown(e, out);
		} else {
			judge_value(e, def, out);
		}
	}
}

void config_findings_fini(struct config_findings *f)
{
	strbuf_fini(&f->errors);
	strbuf_fini(&f->warnings);
	f->error_count = f->warning_count = 0;
}
