#include "complete.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <skein/skein.h>

#include "base/address.h"
#include "base/config_table.h"
#include "client/admin.h"
#include "client/admin_group.h"
#include "help_text.h"
#include "profile.h"
#include "tool.h"

#define TIMEOUT_MS 1000
#define WORDS_MAX  256

struct completion {
	const struct verb *verb;
	const char *const *words;		/* behind the verb, without the last */
	int                count;
	const char        *current;		/* the last, as far as it is typed */
	char              *texts[2];		/* of --help: the verb's, the sub-verb's */
	struct help_text   help;
	const char        *plain[WORDS_MAX];	/* the words without options and their arguments */
	int                plain_count;
	const struct help_option *open;		/* the option whose argument is being typed; NULL */
	bool               has_ended_options;	/* behind -- */
	char              *aims[WORDS_MAX];	/* -b, -X, --profile and their arguments */
	int                aim_count;
	const char        *prefix;		/* of what is being typed this stays: "--topics=a," */
	size_t             prefix_len;
	struct client     *client;
};

/* What a shell would take for something else is not offered, wherever it comes from. */
static bool is_safe(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.ptr[i];
		if (c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && (c == '\0' || strchr("._-+:,=/@%", c) == NULL))
			return false;
	}
	return true;
}

static void put_meaning(const char *meaning)
{
	for (; *meaning != '\0'; meaning++)
		putchar((unsigned char)*meaning < 0x20 || *meaning == 0x7f ? '?' : *meaning);
	putchar('\n');
}

static void offer(const struct completion *x, struct slice word, const char *end, const char *meaning)
{
	const char *typed = x->current + x->prefix_len;
	size_t n = strlen(typed);

	if (word.len < n || memcmp(word.ptr, typed, n) != 0 || !is_safe(word))
		return;
	printf("%.*s"SLICE_FMT"%s\t", (int)x->prefix_len, x->prefix, SLICE_ARG(word), end);
	put_meaning(meaning);
}

/* ---- what a verb says of itself ---- */

/* Runs it with --help. free() the text. */
static char *help_of(const struct verb *v, const char *subverb)
{
	char name[64], help[] = "--help", *text = NULL, sub[64];
	char *argv[] = { name, subverb != NULL ? sub : help, subverb != NULL ? help : NULL, NULL };
	FILE *was = stdout;
	size_t len;

	snprintf(name, sizeof(name), "skein %s", v->name);
	snprintf(sub, sizeof(sub), "%s", subverb != NULL ? subverb : "");
	stdout = open_memstream(&text, &len);
	optind = 0;		/* from the start, whoever used it before */
	(void)v->run(subverb != NULL ? 2 + 1 : 2, argv);
	fclose(stdout);
	stdout = was;
	return text;
}

static void take_aim(struct completion *x, const struct help_option *o, const char *word, const char *argument)
{
	static const char *const names[] = { "bootstrap", "property", "profile" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!slice_eq_str(o->name, names[i]) || x->aim_count + 2 > WORDS_MAX)
			continue;
		x->aims[x->aim_count++] = mem_strdup(word);
		if (argument != NULL)
			x->aims[x->aim_count++] = mem_strdup(argument);
	}
}

/* Tells words from options and their arguments. */
static void sort_words(struct completion *x)
{
	x->plain_count = 0;
	x->open = NULL;
	x->has_ended_options = false;
	for (int i = 0; i < x->count; i++) {
		const char *word = x->words[i];
		const struct help_option *o = help_option_of(&x->help, word);
		if (x->has_ended_options || word[0] != '-' || word[1] == '\0') {
			if (x->plain_count < WORDS_MAX)
				x->plain[x->plain_count++] = word;
		} else if (strcmp(word, "--") == 0) {
			x->has_ended_options = true;
		} else if (o != NULL && o->argument.len > 0 && strchr(word, '=') == NULL) {
			if (i + 1 == x->count)
				x->open = o;
			else
				take_aim(x, o, word, x->words[i + 1]);
			i++;
		} else if (o != NULL && o->argument.len > 0) {
			take_aim(x, o, word, NULL);
		}
	}
}

static void read_help(struct completion *x)
{
	char name[64];

	snprintf(name, sizeof(name), "skein %s", x->verb->name);
	x->texts[0] = help_of(x->verb, NULL);
	help_parse(&x->help, x->texts[0], name);
	sort_words(x);
	if (x->plain_count == 0 || !help_is_subverb(&x->help, slice_str(x->plain[0])))
		return;
	x->texts[1] = help_of(x->verb, x->plain[0]);
	if (strcmp(x->texts[0], x->texts[1]) == 0)
		return;
	while (x->aim_count > 0)
		free(x->aims[--x->aim_count]);
	help_parse(&x->help, x->texts[1], name);
	sort_words(x);
}

/* ---- what the cluster knows ---- */

/* Whoever waits for candidates is a person at a keyboard. */
static void give_up(int number UNUSED)
{
	_exit(EXIT_OK);
}

static struct client *connect_soon(struct completion *x)
{
	static const struct option none[] = { { 0 } };
	char *argv[WORDS_MAX + 2] = { (char[]){ "skein" } };
	struct itimerval limit = { .it_value = { .tv_sec = TIMEOUT_MS / 1000 } };
	int code;

	if (x->client != NULL)
		return x->client;
	fflush(stdout);		/* what is known already */
	memcpy(argv + 1, x->aims, (size_t)x->aim_count * sizeof(*argv));
	optind = 0;
	if (tool_getopt(x->aim_count + 1, argv, "", none, NULL) != -1)
		return NULL;
	signal(SIGALRM, give_up);
	setitimer(ITIMER_REAL, &limit, NULL);
	x->client = tool_connect(&code);
	return x->client;
}

static void offer_topics(struct completion *x, const char *end)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;

	if (connect_soon(x) == NULL || admin_describe_topics(x->client, NULL, 0, TIMEOUT_MS, &answer, &r, &error) != OK)
		return;
	for (int32_t i = 0; i < r->topics_count; i++) {
		char meaning[40];
		snprintf(meaning, sizeof(meaning), "%d partition%s", r->topics[i].partitions_count, r->topics[i].partitions_count == 1 ? "" : "s");
		offer(x, r->topics[i].name, end, meaning);
	}
	admin_answer_destroy(&answer);
}

static void offer_brokers(struct completion *x, const char *end)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;

	if (connect_soon(x) == NULL || admin_describe_brokers(x->client, TIMEOUT_MS, &answer, &r, &error) != OK)
		return;
	for (int32_t i = 0; i < r->brokers_count; i++) {
		char id[16], meaning[ADDRESS_TEXT_SIZE];
		snprintf(id, sizeof(id), "%d", r->brokers[i].node_id);
		address_text(meaning, r->brokers[i].host, r->brokers[i].port);
		offer(x, slice_str(id), end, meaning);
	}
	admin_answer_destroy(&answer);
}

static void offer_group(void *arg, const struct list_groups_response_group *g)
{
	char state[40];

	snprintf(state, sizeof(state), SLICE_FMT, SLICE_ARG(g->group_state));
	offer(arg, g->group_id, "", state);
}

static void offer_groups(struct completion *x, const char *end UNUSED)
{
	struct client_error error;

	if (connect_soon(x) != NULL)
		(void)!admin_list_groups(x->client, NULL, offer_group, x, TIMEOUT_MS, &error);
}

static void offer_profiles(struct completion *x, const char *end)
{
	char path[PROFILE_PATH_MAX], *text = NULL;
	struct strbuf why = STRBUF_INIT;
	struct profile_line line;

	if (profile_path(path) && profile_read(path, &text, &why)) {
		struct profile_reader r = { .text = slice_str(text) };
		while (profile_next(&r, &line)) {
			if (line.kind == LINE_SECTION)
				offer(x, line.name, end, "profile");
		}
	}
	free(text);
	strbuf_fini(&why);
}

static void offer_properties(struct completion *x, const char *end)
{
	char why[400];

	for (int i = 0; skein_config_name(i) != NULL; i++) {
		if (!tool_is_property(skein_config_name(i), "", why, sizeof(why)) && strstr(why, "has no effect") != NULL)
			continue;
		offer(x, slice_str(skein_config_name(i)), end, "property");
	}
}

static void offer_files(struct completion *x UNUSED, const char *end UNUSED)
{
	puts(":files");
}

/* ---- settings ---- */

/* Which resource the words before speak of; the name is "" where it is not typed yet. */
static enum admin_resource resource_of(const struct completion *x, const char **name)
{
	bool is_config = strcmp(x->verb->name, "config") == 0;
	const char *kind = is_config && x->plain_count > 1 ? x->plain[1] : "topic";
	int at = is_config ? 2 : 1;

	*name = x->plain_count > at && strcmp(kind, "cluster") != 0 ? x->plain[at] : "";
	return strcmp(kind, "topic") == 0 ? ADMIN_TOPIC : strcmp(kind, "logger") == 0 ? ADMIN_LOGGER : ADMIN_BROKER;
}

static const struct config_table *table_of(enum admin_resource type)
{
	return type == ADMIN_TOPIC ? &config_topics : type == ADMIN_BROKER ? &config_brokers : NULL;
}

/* retention.ms= is followed by a value: those there are. */
static void offer_values(struct completion *x, enum admin_resource type)
{
	const char *equals = strchr(x->current + x->prefix_len, '=');
	struct slice name = slice_of(x->current + x->prefix_len, (size_t)(equals - x->current) - x->prefix_len);

	while (name.len > 0 && (name.ptr[name.len - 1] == '+' || name.ptr[name.len - 1] == '-'))
		name.len--;
	const struct config_def *def = table_of(type) != NULL ? config_find(table_of(type), name) : NULL;
	x->prefix_len = (size_t)(equals - x->current) + 1;
	for (int i = 0; def != NULL && def->valid.choices != NULL && def->valid.choices[i].name != NULL; i++)
		offer(x, slice_str(def->valid.choices[i].name), "", "value");
	if (def != NULL && def->type == CONFIG_BOOLEAN) {
		offer(x, SLICE_LIT("true"), "", "value");
		offer(x, SLICE_LIT("false"), "", "value");
	}
	for (int i = 0; type == ADMIN_LOGGER && i < 4; i++)
		offer(x, slice_str(((const char *const[]){ "ERROR", "WARN", "INFO", "DEBUG" })[i]), "", "level");
}

static void offer_known_here(struct completion *x, enum admin_resource type, const char *end)
{
	const struct config_table *table = table_of(type);

	for (size_t i = 0; table != NULL && i < table->count; i++) {
		if (type == ADMIN_TOPIC || table->defs[i].update != CONFIG_READ_ONLY)
			offer(x, slice_str(table->defs[i].name), end, "setting");
	}
}

/* Those that the cluster says can be changed. Of a topic that is not there yet, and of all brokers, those that are known here. */
static void offer_settings(struct completion *x, const char *end)
{
	const char *name;
	enum admin_resource type = resource_of(x, &name);
	struct client_call *answer;
	const struct describe_configs_response_result *r;
	struct client_error error;

	if (*end != '\0' && strchr(x->current + x->prefix_len, '=') != NULL) {
		offer_values(x, type);
		return;
	}
	if (*name == '\0' || connect_soon(x) == NULL || admin_describe_configs(x->client, type, name, TIMEOUT_MS, &answer, &r, &error) != OK) {
		offer_known_here(x, type, end);
		return;
	}
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_config *c = &r->configs[i];
		char value[61] = "";
		if (!slice_is_null(c->value))
			snprintf(value, sizeof(value), SLICE_FMT, (int)MIN(c->value.len, sizeof(value) - 1), (const char *)c->value.ptr);
		if (!c->read_only)
			offer(x, c->name, end, value);
	}
	admin_answer_destroy(&answer);
}

/* ---- what a word stands for ---- */

static const struct {
	const char *word;		/* as help texts call it: a placeholder, or an option's name */
	void      (*offer)(struct completion *x, const char *end);
	const char *end;
} meanings[] = {
	{ "TOPIC", offer_topics, "" },      { "topic", offer_topics, "" },      { "topics", offer_topics, "" },
	{ "GROUP", offer_groups, "" },      { "group", offer_groups, "" },
	{ "BROKER", offer_brokers, "" },    { "broker", offer_brokers, "" },    { "brokers", offer_brokers, "" },
	{ "PROFILE", offer_profiles, "" },  { "profile", offer_profiles, "" },
	{ "PROPERTY", offer_properties, "" }, { "PROPERTY=VALUE", offer_properties, "=" }, { "property", offer_properties, "=" },
	{ "SETTING", offer_settings, "" },  { "SETTING=VALUE", offer_settings, "=" }, { "config", offer_settings, "=" }, { "unset", offer_settings, "" },
	{ "FILE", offer_files, "" },        { "DIR", offer_files, "" },         { "SERVER.PROPERTIES", offer_files, "" },
	{ "server.properties", offer_files, "" },
};

static bool offer_by(struct completion *x, struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (slice_eq_str(word, meanings[i].word)) {
			meanings[i].offer(x, meanings[i].end);
			return true;
		}
	}
	return false;
}

static void offer_choice(void *arg, struct slice word)
{
	offer(arg, word, "", "");
}

static void offer_argument(struct completion *x, const struct help_option *o)
{
	const char *comma = strrchr(x->current + x->prefix_len, ',');

	if (slice_eq_str(o->argument, "LIST") && comma != NULL)
		x->prefix_len = (size_t)(comma - x->current) + 1;
	if (!offer_by(x, o->argument) && !offer_by(x, o->name))
		help_choices(&x->help, o, offer_choice, x);
}

static void offer_options(struct completion *x)
{
	struct slice subverb = x->plain_count > 0 ? slice_str(x->plain[0]) : SLICE_EMPTY;

	for (int i = 0; i < x->help.option_count; i++) {
		const struct help_option *o = &x->help.options[i];
		struct strbuf word = STRBUF_INIT, meaning = STRBUF_INIT;
		if (o->name.len > 0)
			strbuf_printf(&word, "--"SLICE_FMT, SLICE_ARG(o->name));
		else
			strbuf_printf(&word, "-%c", o->letter);
		help_summary(&x->help, o, &meaning);
		if (help_goes_with(&x->help, o, subverb))
			offer(x, strbuf_slice(&word), "", strbuf_cstr(&meaning));
		strbuf_fini(&word);
		strbuf_fini(&meaning);
	}
}

static void offer_word(void *arg, struct slice word)
{
	struct completion *x = arg;
	struct slice placeholder = word;
	size_t n = 0;

	if (!help_is_placeholder(word)) {
		offer(x, word, "", "");
		return;
	}
	while (n < word.len && word.ptr[n] != '[')	/* TOPIC[:PARTITION] */
		n++;
	placeholder.len = n;
	(void)offer_by(x, placeholder);
}

static void offer_words(struct completion *x)
{
	const char *equals = x->current[0] == '-' && x->current[1] == '-' ? strchr(x->current, '=') : NULL;

	if (x->open != NULL) {
		offer_argument(x, x->open);
	} else if (equals != NULL && !x->has_ended_options) {
		const struct help_option *o = help_option_of(&x->help, x->current);
		x->prefix_len = (size_t)(equals - x->current) + 1;
		if (o != NULL && o->argument.len > 0)
			offer_argument(x, o);
	} else if (x->current[0] == '-' && !x->has_ended_options) {
		offer_options(x);
	} else {
		help_next(&x->help, x->plain, x->plain_count, offer_word, x);
	}
}

/* ---- */

static void offer_verbs(const struct completion *x, const struct verb *verbs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		offer(x, slice_str(verbs[i].name), "", verbs[i].summary);
	if (x->current[0] == '-') {
		offer(x, SLICE_LIT("--help"), "", "what there is");
		offer(x, SLICE_LIT("--version"), "", "its version");
	}
}

int complete(const struct verb *verbs, size_t verb_count, const char *const *words, int count)
{
	static struct completion x;

	if (count < 1 || freopen("/dev/null", "w", stderr) == NULL)
		return EXIT_USAGE;
	x.current = x.prefix = words[count - 1];
	x.words = words + 1;
	x.count = count - 2;
	if (count == 1)
		offer_verbs(&x, verbs, verb_count);
	for (size_t i = 0; count > 1 && i < verb_count; i++) {
		if (strcmp(words[0], verbs[i].name) == 0)
			x.verb = &verbs[i];
	}
	if (x.verb != NULL) {
		read_help(&x);
		offer_words(&x);
	}
	client_destroy(&x.client);
	while (x.aim_count > 0)
		free(x.aims[--x.aim_count]);
	free(x.texts[0]);
	free(x.texts[1]);
	return tool_flush() ? EXIT_OK : EXIT_FAILED;
}
