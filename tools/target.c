/*
 * Which cluster a verb speaks to, and how: the command line is over the environment, and that over the profile; a profile that the command line names is over the
 * environment.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "profile.h"
#include "value.h"

#define CONNECT_TIMEOUT_MS 15000
#define PROPERTIES_MAX 128
#define OPTIONS_MAX 64
#define OPT_PROFILE 0x10000	/* no verb's */

/* The process has one command line, and so one of these. */
static struct target {
	struct { const char *name, *value; } given[PROPERTIES_MAX];	/* as properties, in the order of the command line */
	int  count;
	const char *verb;		/* "skein topic", for complaints */
	const char *option;		/* the last one that a verb got, by its long name */
	bool is_aimed;			/* the command line names a cluster */
	char profile[100];		/* which one holds; "": none */
	bool is_profile_told;		/* by the command line: it is over the environment then */
	struct { char *name, *value; } properties[PROPERTIES_MAX];	/* the profile's */
	int  property_count;
} target;

/* Kafka's clients have these, and here they would have no effect. */
static const struct { const char *name, *instead; } elsewhere[] = {
	{ "group.id", "say --group of skein consume" },
	{ "auto.offset.reset", "say --from of skein consume" },
	{ "enable.auto.commit", "skein consume --group commits what it has printed" },
	{ "auto.commit.interval.ms", "skein consume --group commits what it has printed, every second" },
};

/* ---- properties ---- */

bool tool_is_property(const char *name, const char *value, char *why, size_t size)
{
	struct skein_config scratch;
	struct skein_error error;
	enum skein_code code;

	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		if (strcmp(name, elsewhere[i].name) == 0) {
			snprintf(why, size, "%s has no effect here: %s", name, elsewhere[i].instead);
			return false;
		}
	}
	config_init(&scratch);
	code = skein_config_set(&scratch, name, value, &error);
	config_fini(&scratch);
	snprintf(why, size, "%s", code == SKEIN_OK ? "" : error.text);
	return code == SKEIN_OK;
}

static bool give(const char *name, const char *value, char *why, size_t size)
{
	if (!tool_is_property(name, value, why, size))
		return false;
	if (target.count == PROPERTIES_MAX) {
		snprintf(why, size, "at most %d properties can be given", PROPERTIES_MAX);
		return false;
	}
	target.is_aimed |= strcmp(name, "bootstrap.servers") == 0;
	target.given[target.count].name = name;
	target.given[target.count++].value = value;
	return true;
}

bool tool_property(const char *name, const char *value)
{
	char why[400];

	if (give(name, value, why, sizeof(why)))
		return true;
	fprintf(stderr, "%s: %s\n", target.verb, why);
	return false;
}

void tool_properties(struct skein_config *config)
{
	char environment[4096];
	bool has_environment = os_getenv(os_real(), "SKEIN_BOOTSTRAP", environment, sizeof(environment)) > 0;

	for (int i = 0; i < target.property_count; i++)
		(void)skein_config_set(config, target.properties[i].name, target.properties[i].value, NULL);
	if (has_environment && !target.is_profile_told)
		(void)skein_config_set(config, "bootstrap.servers", environment, NULL);
	for (int i = 0; i < target.count; i++)
		(void)skein_config_set(config, target.given[i].name, target.given[i].value, NULL);	/* has been checked */
}

/* ---- the profile ---- */

static bool add_property(const struct profile_line *line, const char *path, struct strbuf *why)
{
	char name[200], value[4096], text[400] = "there are too many";

	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(line->name));
	snprintf(value, sizeof(value), SLICE_FMT, SLICE_ARG(line->value));
	if (target.property_count == PROPERTIES_MAX || !tool_is_property(name, value, text, sizeof(text))) {
		strbuf_printf(why, "%s:%d: %s", path, line->number, text);
		return false;
	}
	target.properties[target.property_count].name = mem_strdup(name);
	target.properties[target.property_count++].value = mem_strdup(value);
	return true;
}

static void choose_profile(struct slice text)
{
	if (target.profile[0] == '\0' && os_getenv(os_real(), "SKEIN_PROFILE", target.profile, sizeof(target.profile)) == 0)
		snprintf(target.profile, sizeof(target.profile), SLICE_FMT, SLICE_ARG(profile_in_use(text)));
	if (strcmp(target.profile, PROFILE_NONE) == 0)
		target.profile[0] = '\0';
}

/* Of the whole file every line must be understood, of the profile every property. */
static bool take_profile(struct slice text, const char *path, struct strbuf *why)
{
	struct profile_reader r = { .text = text };
	struct profile_line line;
	struct nearest near;
	bool is_there = false;

	if (!profile_check(text, path, why))
		return false;
	choose_profile(text);
	nearest_init(&near, slice_str(target.profile));
	while (profile_next(&r, &line)) {
		if (line.kind == LINE_SECTION)
			nearest_offer(&near, line.name);
		if (target.profile[0] == '\0' || slice_is_null(line.section) || !slice_eq_str(line.section, target.profile))
			continue;
		is_there = true;
		if (line.kind == LINE_PROPERTY && !add_property(&line, path, why))
			return false;
	}
	if (target.profile[0] == '\0' || is_there)
		return true;
	strbuf_printf(why, "there is no profile \"%s\" in %s", target.profile, path);
	if (!slice_is_null(near.name))
		strbuf_printf(why, "; the nearest is "SLICE_FMT, SLICE_ARG(near.name));
	return false;
}

static bool load_profile(void)
{
	char path[PROFILE_PATH_MAX] = "";
	struct strbuf why = STRBUF_INIT;
	char *text = NULL;
	bool ok = !profile_path(path) || profile_read(path, &text, &why);

	if (ok)
		ok = take_profile(slice_str(text != NULL ? text : ""), path, &why);
	if (!ok)
		fprintf(stderr, "%s: %s\n", target.verb, strbuf_cstr(&why));
	free(text);
	strbuf_fini(&why);
	return ok;
}

/* ---- options ---- */

static bool take(int c)
{
	char *name, *value;

	if (c == OPT_PROFILE) {
		target.is_aimed = target.is_profile_told = true;
		snprintf(target.profile, sizeof(target.profile), "%s", optarg);
		return true;
	}
	if (c == 'b')
		return tool_property("bootstrap.servers", optarg);
	if (value_pair(optarg, &name, &value))
		return tool_property(name, value);
	fprintf(stderr, "%s: -X wants property=value, not \"%s\"\n", target.verb, optarg);
	return false;
}

int tool_getopt(int argc, char **argv, const char *letters, const struct option *options, int *index)
{
	static const struct option ours[] = { { "bootstrap", required_argument, NULL, 'b' }, { "property", required_argument, NULL, 'X' },
		{ "profile", required_argument, NULL, OPT_PROFILE }, { 0 } };
	struct option all[OPTIONS_MAX + ARRAY_LEN(ours)];
	char all_letters[200];
	size_t n = 0;
	int c, at = -1;

	target.verb = argv[0];
	while (options[n].name != NULL)
		n++;
	ASSERT(n <= OPTIONS_MAX && strlen(letters) < sizeof(all_letters) - 8);
	memcpy(all, options, n * sizeof(*all));		/* the verb's first: *index counts in its table */
	memcpy(all + n, ours, sizeof(ours));
	snprintf(all_letters, sizeof(all_letters), "%sb:X:", letters);
	while ((c = getopt_long(argc, argv, all_letters, all, &at)) == 'b' || c == 'X' || c == OPT_PROFILE) {
		if (!take(c))
			return '?';
	}
	for (size_t i = 0; at < 0 && i < n; i++)
		at = options[i].val == c ? (int)i : -1;
	target.option = at >= 0 ? all[at].name : "";
	if (at >= 0 && index != NULL)
		*index = at;
	return c == -1 && !load_profile() ? '?' : c;
}

int tool_bad_value(const char *verb, const char *wanted)
{
	return tool_usage(verb, "--%s \"%s\": %s", target.option, optarg, wanted);
}

/* ---- connecting ---- */

void tool_config_init(struct skein_config *config)
{
	config_init(config);
	config->client = (struct client_spec)CLIENT_SPEC_INIT;		/* no topic is made by asking for it */
	(void)skein_config_set(config, "client.id", "skein", NULL);
	(void)skein_config_set(config, "auto.offset.reset", "none", NULL);	/* an offset that is not there is told */
}

static struct skein_config *settled(void)
{
	static struct skein_config config;

	if (config.bootstrap == NULL) {
		tool_config_init(&config);
		tool_properties(&config);
	}
	return &config;
}

struct client_spec tool_client_spec(void)
{
	return config_client_spec(settled());
}

const char *tool_bootstrap(void)
{
	return settled()->bootstrap;
}

const char *tool_profile_name(void)
{
	return target.profile;
}

bool tool_is_aimed(void)
{
	return target.is_aimed;
}

/* Nothing that is over the profile has said another address. */
static bool is_bootstrap_of_profile(void)
{
	const char *address = NULL;

	for (int i = 0; i < target.property_count; i++)
		address = strcmp(target.properties[i].name, "bootstrap.servers") == 0 ? target.properties[i].value : address;
	return address != NULL && strcmp(address, tool_bootstrap()) == 0;
}

struct client *tool_connect(int *code)
{
	struct client_spec spec = tool_client_spec();
	struct client_error error;
	struct client *c = NULL;

	if (client_create(&c, os_real(), &spec, &error) != OK) {
		tool_say("%s", error.text);
		*code = EXIT_USAGE;
		return NULL;
	}
	if (client_connect(c, CONNECT_TIMEOUT_MS, &error) != OK) {
		tool_say(is_bootstrap_of_profile() ? "%s (profile %s)" : "%s", error.text, target.profile);
		*code = tool_exit_code(&error);
		client_destroy(&c);
	}
	return c;
}
