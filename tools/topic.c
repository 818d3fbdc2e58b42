/*
 * skein topic: create, alter, grow, delete, and the command line of all its verbs. What shows topics: topic_show.c.
 */
#include "topic.h"

#include <stdio.h>
#include <string.h>

#include "value.h"

static const char help[] =
	"Usage: skein topic create [OPTION...] TOPIC...\n"
	"       skein topic list [OPTION...]\n"
	"       skein topic describe [OPTION...] [TOPIC...]\n"
	"       skein topic watch [OPTION...] [TOPIC...]\n"
	"       skein topic alter [OPTION...] TOPIC\n"
	"       skein topic grow --partitions N [OPTION...] TOPIC\n"
	"       skein topic delete [OPTION...] TOPIC...\n\n"
	"  -p, --partitions N       create: how many (default: the broker's); alter, grow: how many there\n"
	"                           shall be\n"
	"  -r, --replication-factor N  create: copies of each partition (default: the broker's)\n"
	"  -c, --config NAME=VALUE  create, alter: a setting of the topic, as skein config set takes it (retention.ms=7d);\n"
	"                           may be repeated\n"
	"  -u, --unset NAME         alter: back to the default; may be repeated\n"
	"      --if-not-exists      create: an existing topic is no error\n"
	"      --internal           list, describe, watch: also those the brokers keep for themselves\n"
	"  -y, --yes                grow, delete: do not ask\n"
	"      --dry-run            grow, delete: only say what would be done\n"
	"  -i, --interval SECONDS   watch: between two lines (default: 1)\n"
	"  -n, --count N            watch: end after so many intervals (default: at Ctrl-C)\n"
	"  -o, --output FORMAT      list, describe, watch: text, wide (list: also records and rates, for\n"
	"                           which it measures a second), json (an array) or ndjson (an object\n"
	"                           per line). Without it list prints a table to a terminal, and into\n"
	"                           pipes and files the names alone, one per line\n"
	TOOL_BOOTSTRAP_HELP
	"\nSizes are those of the leaders' replicas; records are counted by offsets, so in a compacted topic\n"
	"there may be fewer. What a broker does not tell within 3 seconds is shown as \"-\".\n"
	"watch: records and bytes that came in per second, a line per interval of each topic named, or of\n"
	"all together; what is deleted meanwhile counts for nothing.\n"
	TOOL_CHANGE_HELP
	"\nExamples:\n"
	"  skein topic create orders -p 12 -r 3 -c retention.ms=86400000\n"
	"  skein topic list -o wide\n"
	"  skein topic describe orders\n"
	"  skein topic watch orders --interval 5\n"
	"  skein topic alter orders -u retention.ms\n"
	"  skein topic grow orders --partitions 24\n"
	"  skein topic delete orders --yes\n";

/* ---- create, alter, delete ---- */

static int create(struct topic *x)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		struct client_error error;
		tool_change_begin();
		enum err e = admin_create_topic(x->client, x->names[i], x->partition_count, x->replication_factor, x->configs,
						x->config_count, TOPIC_TIMEOUT_MS, &error);
		tool_change_end();
		if (e == OK || (e == ERR_EXISTS && x->if_not_exists))
			done++;
		else
			code = tool_both(code, tool_fail(&error));
	}
	return tool_sum_up(done, code);
}

static int change(struct topic *x)
{
	struct client_error error;
	const char *name = x->names[0];

	if (x->config_count > 0 &&
	    admin_alter_configs(x->client, ADMIN_TOPIC, name, x->configs, x->config_count, TOPIC_TIMEOUT_MS, &error) != OK)
		return tool_near_topic(x->client, slice_str(name), tool_fail(&error));
	if (x->partition_count != ADMIN_DEFAULT &&
	    admin_grow_topic(x->client, name, x->partition_count, TOPIC_TIMEOUT_MS, &error) != OK)
		return tool_sum_up(x->config_count, tool_near_topic(x->client, slice_str(name), tool_fail(&error)));
	return EXIT_OK;
}

static int alter(struct topic *x)
{
	tool_change_begin();
	int code = change(x);
	tool_change_end();
	return code;
}

static bool is_confirmed(const struct topic *x)
{
	struct strbuf question = STRBUF_INIT;
	bool yes;

	strbuf_add_str(&question, "Delete ");
	for (int i = 0; i < x->name_count; i++)
		strbuf_printf(&question, "%s%s", i > 0 ? ", " : "", x->names[i]);
	strbuf_add_str(&question, " with all records?");
	yes = tool_confirm(x->yes, strbuf_cstr(&question), "deleting a topic deletes its records");
	strbuf_fini(&question);
	return yes;
}

static int show_what_goes(struct topic *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int done = 0, code = EXIT_OK;

	if (admin_describe_topics(x->client, (const char *const *)x->names, x->name_count, TOPIC_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *t = &r->topics[i];
		if (t->error_code != NONE && t->error_code != LEADER_NOT_AVAILABLE)
			code = tool_both(code, tool_near_topic(x->client, t->name, tool_topic_fail(t->name, t->error_code)));
		else
			done += printf("topic "SLICE_FMT" with its %d partitions would be deleted\n", SLICE_ARG(t->name), t->partitions_count) > 0;
	}
	admin_answer_destroy(&answer);
	return tool_sum_up(done, code);
}

static int delete(struct topic *x)
{
	int done = 0, code = EXIT_OK;

	if (x->dry_run)
		return show_what_goes(x);
	for (int i = 0; i < x->name_count; i++) {
		struct client_error error;
		tool_change_begin();
		enum err e = admin_delete_topic(x->client, x->names[i], TOPIC_TIMEOUT_MS, &error);
		tool_change_end();
		if (e == OK)
			done++;
		else
			code = tool_both(code, tool_near_topic(x->client, slice_str(x->names[i]), tool_fail(&error)));
	}
	return tool_sum_up(done, code);
}

/* ---- grow ---- */

static int grow(struct topic *x)
{
	const char *name = x->names[0];
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int32_t now;
	int code;

	if (admin_describe_topics(x->client, (const char *const *)x->names, 1, TOPIC_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	code = r->topics_count != 1 ? EXIT_FAILED : r->topics[0].error_code == NONE ? EXIT_OK  :
	       tool_near_topic(x->client, r->topics[0].name, tool_topic_fail(r->topics[0].name, r->topics[0].error_code));
	now = code == EXIT_OK ? r->topics[0].partitions_count : 0;
	admin_answer_destroy(&answer);
	if (code != EXIT_OK)
		return code;
	if (x->partition_count <= now) {
		tool_say("topic %s has %d partition%s; it can only get more", name, now, now == 1 ? "" : "s");
		return EXIT_FAILED;
	}
	tool_say("topic %s: from %d to %d partitions, and never back. Records stay where they are; most keys go to another partition from now on, so what is read in the"
		 " order of a key begins anew", name, now, x->partition_count);
	if (x->dry_run) {
		tool_say("nothing is changed: --dry-run");
		return EXIT_OK;
	}
	if (!tool_confirm(x->yes, "Do that?", "growing a topic cannot be undone"))
		return EXIT_FAILED;
	tool_change_begin();
	enum err e = admin_grow_topic(x->client, name, x->partition_count, TOPIC_TIMEOUT_MS, &error);
	tool_change_end();
	return e == OK ? EXIT_OK : tool_fail(&error);
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct topic *x);
	int         names_min, names_max;
} verbs[] = {
	{ "create",   create,         1, INT32_MAX },
	{ "list",     topic_list,     0, 0 },
	{ "describe", topic_describe, 0, INT32_MAX },
	{ "watch",    topic_watch,    0, INT32_MAX },
	{ "alter",    alter,          1, 1 },
	{ "grow",     grow,           1, 1 },
	{ "delete",   delete,         1, INT32_MAX },
};

static bool add_config(struct topic *x, char *text, bool is_set)
{
	struct setting *s;

	if (x->config_count == TOPIC_CONFIGS_MAX)
		return false;
	s = &x->settings[x->config_count];
	*s = (struct setting){ .name = text, .op = ADMIN_UNSET };
	if (is_set && (!setting_parse(text, s) || s->op != ADMIN_SET))
		return false;
	setting_resolve(s);
	x->configs[x->config_count++] = (struct admin_config){ s->name, s->value };
	return true;
}

static bool set_number(const char *text, int64_t max, int64_t *out)
{
	return value_int(text, 1, max, out);
}

static const char *wanted_of(int option)
{
	switch (option) {
	case 'p': return "a number from 1";
	case 'r': return "a number from 1 to 32767";
	case 'c': return "NAME=VALUE";
	case 'u': return "the name of a setting";
	case 'i': return "seconds, 0.1 to 3600";
	case 'n': return "a number from 1";
	default:  return SHOW_OUTPUTS;
	}
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct topic *x, int argc, char **argv)
{
	enum { OPT_IF_NOT_EXISTS = 256, OPT_INTERNAL, OPT_DRY_RUN };
	static const struct option options[] = {
		{ "partitions", required_argument, NULL, 'p' },
		{ "replication-factor", required_argument, NULL, 'r' }, { "config", required_argument, NULL, 'c' },
		{ "unset", required_argument, NULL, 'u' }, { "if-not-exists", no_argument, NULL, OPT_IF_NOT_EXISTS },
		{ "internal", no_argument, NULL, OPT_INTERNAL }, { "yes", no_argument, NULL, 'y' }, { "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "interval", required_argument, NULL, 'i' }, { "count", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int64_t number = 0;
	int c;

	while ((c = tool_getopt(argc, argv, "p:r:c:u:yi:n:o:h", options, NULL)) != -1) {
		bool ok = true;
		switch (c) {
		case 'p': ok = set_number(optarg, INT32_MAX, &number); x->partition_count = (int32_t)number; break;
		case 'r': ok = set_number(optarg, INT16_MAX, &number); x->replication_factor = (int16_t)number; break;
		case 'c': ok = add_config(x, optarg, true); break;
		case 'u': ok = add_config(x, optarg, false); break;
		case OPT_IF_NOT_EXISTS: x->if_not_exists = true; break;
		case OPT_INTERNAL: x->with_internal = true; break;
		case 'y': x->yes = true; break;
		case OPT_DRY_RUN: x->dry_run = true; break;
		case 'i': ok = value_seconds(optarg, 100, 3600000, &x->interval_ms); break;
		case 'n': ok = set_number(optarg, INT64_MAX, &x->count); break;
		case 'o': ok = show_output_of(optarg, &x->output); break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("topic");
		}
		if (!ok)
			return tool_bad_value("topic", wanted_of(c));
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

int tool_topic(int argc, char **argv)
{
	struct topic x = { .partition_count = ADMIN_DEFAULT, .replication_factor = ADMIN_DEFAULT, .interval_ms = 1000 };
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return tool_usage("topic", "say what to do: create, list, describe, watch, alter, grow or delete");
	x.verb = x.names[0];
	x.names++;
	x.name_count--;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(x.verb, verbs[i].name) != 0)
			continue;
		if (x.name_count < verbs[i].names_min || x.name_count > verbs[i].names_max)
			return tool_usage("topic", verbs[i].names_max == 0 ? "%s takes no names" : "%s needs a topic's name", x.verb);
		if (verbs[i].run == alter && x.config_count == 0 && x.partition_count == ADMIN_DEFAULT)
			return tool_usage("topic", "alter what? Give --partitions, --config or --unset");
		if (verbs[i].run == grow && x.partition_count == ADMIN_DEFAULT)
			return tool_usage("topic", "grow to how many? Give --partitions");
		if (verbs[i].run == delete && !x.dry_run && !is_confirmed(&x))
			return EXIT_FAILED;
		x.client = tool_connect(&code);
		if (x.client != NULL)
			code = verbs[i].run(&x);
		client_destroy(&x.client);
		if (!tool_flush() && code == EXIT_OK)
			code = EXIT_FAILED;
		return code;
	}
	return tool_usage("topic", "there is no \"%s\"", x.verb);
}
