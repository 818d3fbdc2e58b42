/*
 * Which cluster a verb speaks to, and how: what the command line says over what the environment says.
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "value.h"

#define CONNECT_TIMEOUT_MS 15000
#define PROPERTIES_MAX 128
#define OPTIONS_MAX 64

/* The process has one command line, and so one of these. */
static struct target {
	struct { const char *name, *value; } given[PROPERTIES_MAX];	/* as properties, in the order of the command line */
	int  count;
	const char *verb;		/* "skein topic", for complaints */
	bool is_aimed;			/* the command line names a cluster */
} target;

/* Kafka's clients have these, and here they would have no effect. */
static const struct { const char *name, *instead; } elsewhere[] = {
	{ "group.id", "say --group of skein consume" },
	{ "auto.offset.reset", "say --from of skein consume" },
	{ "enable.auto.commit", "skein consume --group commits what it has printed" },
	{ "auto.commit.interval.ms", "skein consume --group commits what it has printed, every second" },
};

/* ---- properties ---- */

static bool is_property(const char *name, const char *value, char *why, size_t size)
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
	if (!is_property(name, value, why, size))
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

	if (os_getenv(os_real(), "SKEIN_BOOTSTRAP", environment, sizeof(environment)) > 0)
		(void)skein_config_set(config, "bootstrap.servers", environment, NULL);
	for (int i = 0; i < target.count; i++)
		(void)skein_config_set(config, target.given[i].name, target.given[i].value, NULL);	/* has been checked */
}

/* ---- options ---- */

static bool take(int c)
{
	char *name, *value;

	if (c == 'b')
		return tool_property("bootstrap.servers", optarg);
	if (value_pair(optarg, &name, &value))
		return tool_property(name, value);
	fprintf(stderr, "%s: -X wants property=value, not \"%s\"\n", target.verb, optarg);
	return false;
}

int tool_getopt(int argc, char **argv, const char *letters, const struct option *options, int *index)
{
	static const struct option ours[] = { { "bootstrap", required_argument, NULL, 'b' }, { "property", required_argument, NULL, 'X' }, { 0 } };
	struct option all[OPTIONS_MAX + ARRAY_LEN(ours)];
	char all_letters[200];
	size_t n = 0;
	int c;

	target.verb = argv[0];
	while (options[n].name != NULL)
		n++;
	ASSERT(n <= OPTIONS_MAX && strlen(letters) < sizeof(all_letters) - 8);
	memcpy(all, options, n * sizeof(*all));		/* the verb's first: *index counts in its table */
	memcpy(all + n, ours, sizeof(ours));
	snprintf(all_letters, sizeof(all_letters), "%sb:X:", letters);
	do
		c = getopt_long(argc, argv, all_letters, all, index);
	while ((c == 'b' || c == 'X') && take(c));
	return c == 'b' || c == 'X' ? '?' : c;
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

const char *tool_bootstrap(void)
{
	return settled()->bootstrap;
}

bool tool_is_aimed(void)
{
	return target.is_aimed;
}

struct client *tool_connect(int *code)
{
	struct client_spec spec = config_client_spec(settled());
	struct client_error error;
	struct client *c = NULL;

	if (client_create(&c, os_real(), &spec, &error) != OK) {
		tool_say("%s", error.text);
		*code = EXIT_USAGE;
		return NULL;
	}
	if (client_connect(c, CONNECT_TIMEOUT_MS, &error) != OK) {
		*code = tool_fail(&error);
		client_destroy(&c);
	}
	return c;
}
