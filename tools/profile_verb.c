/*
 * skein profile: add, use, list, show, remove.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "profile.h"
#include "show.h"
#include "value.h"

static const char help[] =
	"Usage: skein profile add [OPTION...] PROFILE [PROPERTY=VALUE...]\n"
	"       skein profile use PROFILE|none\n"
	"       skein profile list [OPTION...]\n"
	"       skein profile show [OPTION...] [PROFILE]\n"
	"       skein profile remove PROFILE [PROPERTY...]\n"
	"A profile is a name for a cluster and how it is spoken to: properties of Kafka's clients, as -X takes them.\n"
	"They lie in ~/.config/skein/config ($XDG_CONFIG_HOME/skein/config), which may be written by hand as well.\n\n"
	"  -b, --bootstrap LIST     add: short for bootstrap.servers=LIST\n"
	"  -o, --output FORMAT      list, show: text (default) or ndjson (an object per line)\n"
	"  -h, --help               this text\n\n"
	"add makes the profile, or sets these properties of one that is there. A verb takes its profile from --profile,\n"
	"else from $SKEIN_PROFILE, else the one in use. What -b and -X say is over the profile; so is $SKEIN_BOOTSTRAP,\n"
	"but not over --profile.\n"
	"\nExamples:\n"
	"  skein profile add prod -b kafka1:9092,kafka2:9092 request.timeout.ms=5000\n"
	"  skein profile use prod\n"
	"  skein topic list\n"
	"  skein topic list --profile test\n"
	"  skein profile remove prod request.timeout.ms\n";

struct profile {
	char        path[PROFILE_PATH_MAX];
	char       *text;
	const char *bootstrap;
	bool        ndjson;
	char      **names;
	int         name_count;
};

/* ---- changes ---- */

static int keep(struct profile *x)
{
	struct strbuf why = STRBUF_INIT;
	bool ok = profile_write(x->path, slice_str(x->text), &why);

	if (!ok)
		tool_say("%s", strbuf_cstr(&why));
	strbuf_fini(&why);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int not_there(struct profile *x, const char *name)
{
	struct profile_reader r = { .text = slice_str(x->text) };
	struct profile_line line;
	struct nearest near;

	nearest_init(&near, slice_str(name));
	while (profile_next(&r, &line)) {
		if (line.kind == LINE_SECTION)
			nearest_offer(&near, line.name);
	}
	if (slice_is_null(near.name))
		tool_say("there is no profile \"%s\" in %s", name, x->path);
	else
		tool_say("there is no profile \"%s\" in %s; the nearest is "SLICE_FMT, name, x->path, SLICE_ARG(near.name));
	return EXIT_NOT_FOUND;
}

/* The text becomes what was made of it. */
static void replace(struct profile *x, struct strbuf *by)
{
	free(x->text);
	x->text = mem_strdup(strbuf_cstr(by));
	strbuf_fini(by);
}

static void set(struct profile *x, const char *property, const char *value)
{
	struct strbuf out = STRBUF_INIT;

	profile_set(&out, slice_str(x->text), slice_str(x->names[0]), slice_str(property), slice_str(value));
	replace(x, &out);
}

static int add(struct profile *x)
{
	const char *name = x->names[0];
	char why[400];

	if (!profile_name_is_valid(name))
		return tool_usage("profile", "\"%s\" cannot be the name of a profile: letters, digits, . _ - are wanted", name);
	if (x->bootstrap == NULL && x->name_count == 1)
		return tool_usage("profile", "add what? Give -b, or properties");
	if (x->bootstrap != NULL)
		set(x, "bootstrap.servers", x->bootstrap);
	for (int i = 1; i < x->name_count; i++) {
		char *property, *value;
		if (!value_pair(x->names[i], &property, &value))
			return tool_usage("profile", "\"%s\" is not property=value", x->names[i]);
		if (!tool_is_property(property, value, why, sizeof(why)))
			return tool_usage("profile", "%s", why);
		set(x, property, value);
	}
	return keep(x);
}

static int use(struct profile *x)
{
	struct slice name = slice_str(x->names[0]);
	struct strbuf out = STRBUF_INIT;

	if (slice_eq_str(name, PROFILE_NONE))
		name = SLICE_NULL;
	else if (!profile_is_there(slice_str(x->text), name))
		return not_there(x, x->names[0]);
	profile_use(&out, slice_str(x->text), name);
	replace(x, &out);
	return keep(x);
}

static bool has_property(struct slice text, struct slice profile, const char *name)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		if (line.kind == LINE_PROPERTY && slice_eq(line.section, profile) && slice_eq_str(line.name, name))
			return true;
	}
	return false;
}

static int remove_it(struct profile *x)
{
	struct strbuf out = STRBUF_INIT;

	if (!profile_is_there(slice_str(x->text), slice_str(x->names[0])))
		return not_there(x, x->names[0]);
	for (int i = 1; i < x->name_count; i++) {
		if (!has_property(slice_str(x->text), slice_str(x->names[0]), x->names[i])) {
			tool_say("profile %s has no property \"%s\"", x->names[0], x->names[i]);
			return EXIT_NOT_FOUND;
		}
		set(x, x->names[i], NULL);
	}
	if (x->name_count > 1)
		return keep(x);
	profile_remove(&out, slice_str(x->text), slice_str(x->names[0]));
	replace(x, &out);
	return keep(x);
}

/* ---- list, show ---- */

static void show_json(struct slice text, struct slice name, bool in_use)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;
	struct strbuf out = STRBUF_INIT;
	const char *comma = "";

	strbuf_add_str(&out, "{\"profile\":");
	show_json_string(&out, name);
	strbuf_printf(&out, ",\"in_use\":%s,\"properties\":{", in_use ? "true" : "false");
	while (profile_next(&r, &line)) {
		if (line.kind != LINE_PROPERTY || slice_is_null(line.section) || !slice_eq(line.section, name))
			continue;
		strbuf_add_str(&out, comma);
		show_json_string(&out, line.name);
		strbuf_add_char(&out, ':');
		show_json_string(&out, line.value);
		comma = ",";
	}
	strbuf_add_str(&out, "}}\n");
	fwrite(out.ptr, 1, out.len, stdout);
	strbuf_fini(&out);
}

static struct slice bootstrap_of(struct slice text, struct slice name)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;
	struct slice found = SLICE_LIT("-");

	while (profile_next(&r, &line)) {
		if (line.kind == LINE_PROPERTY && slice_eq(line.section, name) && slice_eq_str(line.name, "bootstrap.servers"))
			found = line.value;
	}
	return found;
}

static int list(struct profile *x)
{
	struct slice text = slice_str(x->text), used = profile_in_use(text);
	struct profile_reader r = { .text = text };
	struct profile_line line;

	while (profile_next(&r, &line)) {
		bool in_use = line.kind == LINE_SECTION && slice_eq(line.name, used);
		if (line.kind != LINE_SECTION)
			continue;
		struct slice bootstrap = bootstrap_of(text, line.name);
		if (x->ndjson)
			show_json(text, line.name, in_use);
		else
			printf("%c %-15.*s "SLICE_FMT"\n", in_use ? '*' : ' ', SLICE_ARG(line.name), SLICE_ARG(bootstrap));
	}
	return EXIT_OK;
}

static int show(struct profile *x)
{
	struct slice text = slice_str(x->text), used = profile_in_use(text);
	struct slice name = x->name_count > 0 ? slice_str(x->names[0]) : used;
	struct profile_reader r = { .text = text };
	struct profile_line line;

	if (slice_is_null(name)) {
		tool_say("no profile is in use");
		return EXIT_NOT_FOUND;
	}
	if (!profile_is_there(text, name)) {
		char *asked = mem_strndup((const char *)name.ptr, name.len);
		int code = not_there(x, asked);
		free(asked);
		return code;
	}
	if (x->ndjson)
		show_json(text, name, slice_eq(name, used));
	while (!x->ndjson && profile_next(&r, &line)) {
		if (line.kind == LINE_PROPERTY && slice_eq(line.section, name))
			printf(SLICE_FMT"="SLICE_FMT"\n", SLICE_ARG(line.name), SLICE_ARG(line.value));
	}
	return EXIT_OK;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct profile *x);
	int         names_min, names_max;
	const char *wants;
} verbs[] = {
	{ "add",    add,       1, INT32_MAX, "add needs a name" },
	{ "use",    use,       1, 1,         "use needs one name, or none" },
	{ "list",   list,      0, 0,         "list takes no names" },
	{ "show",   show,      0, 1,         "show takes one name" },
	{ "remove", remove_it, 1, INT32_MAX, "remove needs a name" },
};

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct profile *x, int argc, char **argv)
{
	static const struct option options[] = {
		{ "bootstrap", required_argument, NULL, 'b' }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "b:o:h", options, NULL)) != -1) {
		switch (c) {
		case 'b': x->bootstrap = optarg; break;
		case 'o':
			x->ndjson = strcmp(optarg, "ndjson") == 0;
			if (!x->ndjson && strcmp(optarg, "text") != 0)
				return tool_usage("profile", "--output \"%s\": text or ndjson", optarg);
			break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("profile");
		}
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

/* A verb that names no cluster refuses to go by it. */
static void tell_unknown_use(const struct profile *x)
{
	struct slice used = profile_in_use(slice_str(x->text));

	if (!slice_is_null(used) && !profile_is_there(slice_str(x->text), used))
		tool_say("profile "SLICE_FMT" is in use, and is not there: skein profile use tells another, or none", SLICE_ARG(used));
}

static int run(struct profile *x, int (*verb)(struct profile *x))
{
	struct strbuf why = STRBUF_INIT;
	int code = EXIT_FAILED;

	if (!profile_path(x->path))
		strbuf_add_str(&why, "neither $XDG_CONFIG_HOME nor $HOME says where profiles are kept");
	else if (profile_read(x->path, &x->text, &why))
		code = profile_check(slice_str(x->text), x->path, &why) ? verb(x) : EXIT_USAGE;
	if (why.len > 0)
		tool_say("%s", strbuf_cstr(&why));
	if (code == EXIT_OK)
		tell_unknown_use(x);
	free(x->text);
	strbuf_fini(&why);
	if (!tool_flush() && code == EXIT_OK)
		code = EXIT_FAILED;
	return code;
}

int tool_profile(int argc, char **argv)
{
	struct profile x = { .text = NULL };
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return tool_usage("profile", "say what to do: add, use, list, show or remove");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(x.names[0], verbs[i].name) != 0)
			continue;
		x.names++;
		x.name_count--;
		if (x.name_count < verbs[i].names_min || x.name_count > verbs[i].names_max)
			return tool_usage("profile", "%s", verbs[i].wants);
		if (x.bootstrap != NULL && verbs[i].run != add)
			return tool_usage("profile", "--bootstrap goes with add");
		return run(&x, verbs[i].run);
	}
	return tool_usage("profile", "there is no \"%s\"", x.names[0]);
}
