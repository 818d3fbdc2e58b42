/*
 * skein config: describe, set, unset, diff: settings of topics, brokers, all brokers, and levels of brokers' loggers.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "tool.h"
#include "value.h"

static const char help[] =
	"Usage: skein config describe [OPTION...] topic [TOPIC...]\n"
	"       skein config describe [OPTION...] broker|logger [BROKER...]\n"
	"       skein config describe [OPTION...] cluster\n"
	"       skein config set [OPTION...] topic TOPIC SETTING=VALUE...\n"
	"       skein config set [OPTION...] broker|logger BROKER SETTING=VALUE...\n"
	"       skein config set [OPTION...] cluster SETTING=VALUE...\n"
	"       skein config unset [OPTION...] topic TOPIC SETTING...\n"
	"       skein config unset [OPTION...] broker|logger BROKER SETTING...\n"
	"       skein config unset [OPTION...] cluster SETTING...\n"
	"       skein config diff [OPTION...] topic TOPIC [TOPIC]\n"
	"       skein config diff [OPTION...] broker BROKER [BROKER]\n"
	"Settings of topics, of brokers, of all brokers (cluster), and levels of a broker's loggers.\n\n"
	"  -a, --all                describe: defaults too\n"
	"      --dry-run            set, unset: the brokers check it, and change nothing\n"
	"      --force              set, unset: names too that are not known here\n"
	"  -o, --output FORMAT      " SHOW_OUTPUT_HELP "\n"
	TOOL_BOOTSTRAP_HELP
	"\nWhere a name ends in .ms, 90s, 1h, 7d, 1d12h may be typed, and where it ends in .bytes 512KiB, 1GiB, 10MB;\n"
	"what is sent is shown. SETTING+=VALUE adds to a list, SETTING-=VALUE takes away. All changes are made, or none.\n"
	"diff of one compares with what would hold without its own settings.\n"
	TOOL_CHANGE_HELP
	"\nExamples:\n"
	"  skein config describe topic orders --all\n"
	"  skein config set topic orders retention.ms=7d segment.bytes=256MiB\n"
	"  skein config set topic orders cleanup.policy+=compact --dry-run\n"
	"  skein config unset topic orders retention.ms\n"
	"  skein config set cluster log.cleaner.threads=2\n"
	"  skein config diff topic orders payments\n"
	"  skein config set logger 1 partition=DEBUG\n";

static const struct settings_kind kinds[] = {
	{ "topic", ADMIN_TOPIC, true }, { "broker", ADMIN_BROKER, true }, { "cluster", ADMIN_BROKER, false }, { "logger", ADMIN_LOGGER, true },
};

/* ---- asking ---- */

static int compare(const void *a, const void *b)
{
	const struct describe_configs_response_config *const *x = a, *const *y = b;

	return slice_cmp((*x)->name, (*y)->name);
}

int settings_ask(struct settings *x, const char *name, struct settings_of *out)
{
	const struct describe_configs_response_result *r;
	struct client_error error;

	*out = (struct settings_of){ .name = name };
	if (admin_explain_configs(x->client, x->kind->type, name, SETTINGS_TIMEOUT_MS, &out->answer, &r, &error) != OK) {
		int code = tool_fail(&error);
		return x->kind->type == ADMIN_TOPIC ? tool_near_topic(x->client, slice_str(name), code) : code;
	}
	out->count = r->configs_count;
	out->list = show_sorted(r->configs, r->configs_count, sizeof(*r->configs), compare);
	return EXIT_OK;
}

void settings_fini(struct settings_of *s)
{
	free(s->list);
	admin_answer_destroy(&s->answer);
}

const struct describe_configs_response_config *settings_find(const struct settings_of *s, struct slice name)
{
	for (int32_t i = 0; i < s->count; i++) {
		const struct describe_configs_response_config *c = s->list[i];
		if (slice_eq(c->name, name))
			return c;
	}
	return NULL;
}

const char *settings_source(int8_t source)
{
	static const char *const names[] = { "unknown", "topic", "broker", "cluster", "static", "default", "logger", "metrics", "group" };

	return source >= 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : names[0];
}

struct describe_configs_response_synonym settings_behind(const struct describe_configs_response_config *c, const struct settings_kind *kind)
{
	struct describe_configs_response_synonym none = { .name = SLICE_NULL, .value = SLICE_NULL, .source = 0 };
	int8_t own = kind->type == ADMIN_TOPIC ? 1 : kind->has_names ? 2 : 3;

	for (int32_t i = 0; i < c->synonyms_count; i++) {
		if (c->synonyms[i].source > own)
			return c->synonyms[i];
	}
	return none;
}

const char *settings_subject(const struct settings *x, const char *name, char out[300])
{
	snprintf(out, 300, x->kind->has_names ? "%s %.280s" : "all brokers", x->kind->name, name);
	return out;
}

void settings_json_value(struct strbuf *out, const char *name, struct slice value)
{
	strbuf_printf(out, ",\"%s\":", name);
	if (slice_is_null(value))
		strbuf_add_str(out, "null");
	else
		show_json_string(out, value);
}

/* ---- describe ---- */

struct listing {
	struct settings *x;
	struct table     table;
	struct show_list list;
	bool             has_names;	/* more than one resource: a column says which */
};

static void add_row(struct listing *l, const char *name, const struct describe_configs_response_config *c)
{
	enum table_mark mark = c->config_source == SETTING_FROM_DEFAULT ? TABLE_DIM : TABLE_PLAIN;
	struct strbuf behind = STRBUF_INIT;

	if (l->has_names)
		table_add(&l->table, mark, "%s", name);
	table_add(&l->table, mark, SLICE_FMT, SLICE_ARG(c->name));
	if (slice_is_null(c->value))
		table_add(&l->table, TABLE_DIM, "%s", c->is_sensitive ? "(hidden)" : "-");
	else
		table_add(&l->table, mark, SLICE_FMT, SLICE_ARG(c->value));
	table_add(&l->table, mark, "%s", settings_source(c->config_source));
	table_add(&l->table, mark, "%s", c->read_only ? "read-only" : "");
	for (int32_t i = 0; i < c->synonyms_count; i++) {
		const struct describe_configs_response_synonym *s = &c->synonyms[i];
		strbuf_printf(&behind, "%s%s "SLICE_FMT"=", i > 0 ? ", " : "", settings_source(s->source), SLICE_ARG(s->name));
		strbuf_add_slice(&behind, slice_is_null(s->value) ? SLICE_LIT("-") : s->value);
	}
	if (l->x->output == SHOW_WIDE)
		table_add(&l->table, TABLE_DIM, "%s", strbuf_cstr(&behind));
	strbuf_fini(&behind);
}

static void add_object(struct listing *l, const char *name, const struct describe_configs_response_config *c)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_printf(&out, "{\"kind\":\"%s\",\"name\":", l->x->kind->name);
	show_json_string(&out, slice_str(name));
	settings_json_value(&out, "setting", c->name);
	settings_json_value(&out, "value", c->value);
	strbuf_printf(&out, ",\"source\":\"%s\",\"read_only\":%s,\"sensitive\":%s,\"synonyms\":[", settings_source(c->config_source),
		      c->read_only ? "true" : "false", c->is_sensitive ? "true" : "false");
	for (int32_t i = 0; i < c->synonyms_count; i++) {
		strbuf_printf(&out, "%s{\"source\":\"%s\"", i > 0 ? "," : "", settings_source(c->synonyms[i].source));
		settings_json_value(&out, "name", c->synonyms[i].name);
		settings_json_value(&out, "value", c->synonyms[i].value);
		strbuf_add_char(&out, '}');
	}
	strbuf_add_str(&out, "]}");
	show_object(&l->list, &out);
	strbuf_fini(&out);
}

static int describe_one(struct listing *l, const char *name)
{
	struct settings_of s;
	int code = settings_ask(l->x, name, &s);

	for (int32_t i = 0; i < s.count; i++) {
		const struct describe_configs_response_config *c = s.list[i];
		if (c->config_source == SETTING_FROM_DEFAULT && !l->x->all)
			continue;
		if (show_is_json(l->x->output))
			add_object(l, name, c);
		else
			add_row(l, name, c);
	}
	settings_fini(&s);
	return code;
}

static void add_name(struct strbuf *names, int *count, const char *fmt, struct slice text, int32_t number)
{
	if (slice_is_null(text))
		strbuf_printf(names, fmt, number);
	else
		strbuf_add_slice(names, text);
	strbuf_add_char(names, '\0');
	++*count;
}

/* All that there are of the kind, each with its NUL. */
static int find_names(struct settings *x, struct strbuf *names, int *count)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	enum err e;

	if (x->kind->type == ADMIN_TOPIC)
		e = admin_describe_topics(x->client, NULL, 0, SETTINGS_TIMEOUT_MS, &answer, &r, &error);
	else
		e = admin_describe_brokers(x->client, SETTINGS_TIMEOUT_MS, &answer, &r, &error);
	if (e != OK)
		return tool_fail(&error);
	if (x->kind->type == ADMIN_TOPIC) {
		const void **topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
		for (int32_t i = 0; i < r->topics_count; i++)
			add_name(names, count, NULL, ((const struct metadata_response_topic *)topics[i])->name, 0);
		free(topics);
	} else {
		for (int32_t i = 0; i < r->brokers_count; i++)
			add_name(names, count, "%d", SLICE_NULL, r->brokers[i].node_id);
	}
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

static int describe_list(struct listing *l, const char *names, int count)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < count; i++, names += strlen(names) + 1) {
		int result = describe_one(l, names);
		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	return tool_sum_up(done, code);
}

static void print(struct listing *l)
{
	struct table_form form = table_form_stdout();
	struct strbuf out = STRBUF_INIT;

	if (show_is_json(l->list.output)) {
		show_list_end(&l->list);
	} else if (table_rows(&l->table) > 0) {
		table_format(&l->table, &form, &out);
		fwrite(out.ptr, 1, out.len, stdout);
	} else {
		tool_say("nothing but defaults%s", l->x->all ? "" : "; --all shows them");
	}
	strbuf_fini(&out);
}

int settings_describe(struct settings *x)
{
	static const struct table_column columns[] = {
		{ "name", false, 0, 8 }, { "setting", false, 0, 0 }, { "value", false, 0, 10 }, { "source", false, 1, 0 }, { "", false, 2, 0 },
		{ "from", false, 3, 20 } };
	struct listing l = { .x = x, .list = { .output = x->output }, .has_names = x->name_count != 1 && x->kind->has_names };
	struct strbuf names = STRBUF_INIT;
	int count = 0, code = EXIT_OK;

	if (!x->kind->has_names)
		add_name(&names, &count, NULL, SLICE_EMPTY, 0);
	else if (x->name_count == 0)
		code = find_names(x, &names, &count);
	for (int i = 0; i < x->name_count; i++)
		add_name(&names, &count, NULL, slice_str(x->names[i]), 0);
	table_init(&l.table, l.has_names ? columns : columns + 1, (int)ARRAY_LEN(columns) - !l.has_names - (x->output != SHOW_WIDE));
	if (code == EXIT_OK)
		code = describe_list(&l, strbuf_cstr(&names), count);
	if (code == EXIT_OK || code == EXIT_PARTIAL)
		print(&l);
	table_fini(&l.table);
	strbuf_fini(&names);
	return code;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct settings *x);
	int         names_min, names_max;	/* with the name of what has one */
	const char *wants;
} verbs[] = {
	{ "describe", settings_describe, 0, INT32_MAX, "" },
	{ "set",      settings_set,      2, INT32_MAX, "set needs a name, and SETTING=VALUE" },
	{ "unset",    settings_set,      2, INT32_MAX, "unset needs a name, and names of settings" },
	{ "diff",     settings_diff,     1, 2,         "diff needs one name or two" },
};

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct settings *x, int argc, char **argv)
{
	enum { OPT_DRY_RUN = 256, OPT_FORCE };
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' }, { "dry-run", no_argument, NULL, OPT_DRY_RUN }, { "force", no_argument, NULL, OPT_FORCE },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "ao:h", options, NULL)) != -1) {
		switch (c) {
		case 'a': x->all = true; break;
		case OPT_DRY_RUN: x->dry_run = true; break;
		case OPT_FORCE: x->force = true; break;
		case 'o':
			if (!show_output_of(optarg, &x->output))
				return tool_bad_value("config", SHOW_OUTPUTS);
			break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("config");
		}
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

static bool set_kind(struct settings *x, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(name, kinds[i].name) == 0)
			x->kind = &kinds[i];
	}
	return x->kind != NULL;
}

/* Brokers have numbers. `count` of the names are names of brokers. */
static int check_numbers(const struct settings *x, int count)
{
	int64_t id;

	for (int i = 0; x->kind->has_names && x->kind->type != ADMIN_TOPIC && i < count; i++) {
		if (!value_int(x->names[i], 0, INT32_MAX, &id))
			return tool_usage("config", "\"%s\" is no broker's number", x->names[i]);
	}
	return EXIT_OK;
}

static int run(struct settings *x, size_t verb)
{
	int least = verbs[verb].names_min - !x->kind->has_names, code;

	if (verbs[verb].run == settings_diff && (!x->kind->has_names || x->kind->type == ADMIN_LOGGER))
		return tool_usage("config", "diff compares topics, or brokers");
	if (x->name_count < least || x->name_count > verbs[verb].names_max)
		return tool_usage("config", "%s", verbs[verb].wants);
	if (!x->kind->has_names && verbs[verb].run == settings_describe && x->name_count > 0)
		return tool_usage("config", "there is one cluster only: it has no name here");
	if (x->all && verbs[verb].run != settings_describe)
		return tool_usage("config", "--all goes with describe");
	if ((x->dry_run || x->force) && verbs[verb].run != settings_set)
		return tool_usage("config", "--dry-run and --force go with set and unset");
	code = check_numbers(x, verbs[verb].run == settings_set ? 1 : x->name_count);
	if (code != EXIT_OK)
		return code;
	x->client = tool_connect(&code);
	if (x->client != NULL)
		code = verbs[verb].run(x);
	client_destroy(&x->client);
	if (!tool_flush() && code == EXIT_OK)
		code = EXIT_FAILED;
	return code;
}

int tool_config(int argc, char **argv)
{
	struct settings x = { .kind = NULL };
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return tool_usage("config", "say what to do: describe, set, unset or diff");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		x.verb = verbs[i].name;
		if (strcmp(x.names[0], x.verb) != 0)
			continue;
		if (x.name_count < 2 || !set_kind(&x, x.names[1]))
			return tool_usage("config", "%s what? topic, broker, cluster or logger", x.verb);
		x.names += 2;
		x.name_count -= 2;
		return run(&x, i);
	}
	return tool_usage("config", "there is no \"%s\"", x.names[0]);
}
