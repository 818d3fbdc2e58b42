/*
 * skein topic: create, list, describe, alter, delete.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin.h"
#include "show.h"
#include "value.h"

static const char help[] =
	"Usage: skein topic create [OPTION...] TOPIC...\n"
	"       skein topic list [OPTION...]\n"
	"       skein topic describe [OPTION...] [TOPIC...]\n"
	"       skein topic alter [OPTION...] TOPIC\n"
	"       skein topic delete [OPTION...] TOPIC...\n\n"
	"  -p, --partitions N       create: how many (default: the broker's); alter: how many there shall be\n"
	"  -r, --replication-factor N  copies of each partition (default: the broker's)\n"
	"  -c, --config NAME=VALUE  create, alter: a setting of the topic; may be repeated\n"
	"  -u, --unset NAME         alter: back to the default; may be repeated\n"
	"      --if-not-exists      create: an existing topic is no error\n"
	"      --internal           list: also those the brokers keep for themselves\n"
	"  -y, --yes                delete: do not ask\n"
	"  -o, --output FORMAT      list, describe: text (default) or ndjson (an object per line)\n"
	TOOL_BOOTSTRAP_HELP
	"\n" TOOL_CHANGE_HELP
	"\nExamples:\n"
	"  skein topic create orders -p 12 -r 3 -c retention.ms=86400000\n"
	"  skein topic list\n"
	"  skein topic describe orders\n"
	"  skein topic alter orders -p 24 -u retention.ms\n"
	"  skein topic delete orders --yes\n";

#define TIMEOUT_MS  TOOL_CHANGE_MS
#define CONFIGS_MAX 128

struct topic {
	const char         *verb;
	int32_t             partition_count;
	int16_t             replication_factor;
	struct admin_config configs[CONFIGS_MAX];
	int                 config_count;
	bool                if_not_exists, with_internal, yes, ndjson;
	char              **names;
	int                 name_count;
	struct client      *client;
};

/* ---- create, alter, delete ---- */

static int create(struct topic *x)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		struct client_error error;
		tool_change_begin();
		enum err e = admin_create_topic(x->client, x->names[i], x->partition_count, x->replication_factor, x->configs,
						x->config_count, TIMEOUT_MS, &error);
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
	    admin_alter_configs(x->client, ADMIN_TOPIC, name, x->configs, x->config_count, TIMEOUT_MS, &error) != OK)
		return tool_fail(&error);
	if (x->partition_count != ADMIN_DEFAULT &&
	    admin_grow_topic(x->client, name, x->partition_count, TIMEOUT_MS, &error) != OK)
		return tool_sum_up(x->config_count, tool_fail(&error));
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

static int delete(struct topic *x)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		struct client_error error;
		tool_change_begin();
		enum err e = admin_delete_topic(x->client, x->names[i], TIMEOUT_MS, &error);
		tool_change_end();
		if (e == OK)
			done++;
		else
			code = tool_both(code, tool_fail(&error));
	}
	return tool_sum_up(done, code);
}

/* ---- list, describe ---- */

static int list(struct topic *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	const void **topics;

	if (admin_describe_topics(x->client, NULL, 0, TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *t = topics[i];
		if (t->is_internal && !x->with_internal)
			continue;
		if (x->ndjson)		/* names of topics need no escapes */
			printf("{\"topic\":\""SLICE_FMT"\",\"partitions\":%d,\"internal\":%s}\n", SLICE_ARG(t->name),
			       t->partitions_count, t->is_internal ? "true" : "false");
		else
			printf(SLICE_FMT"\n", SLICE_ARG(t->name));
	}
	free(topics);
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

enum { SOURCE_TOPIC = 1 };	/* DescribeConfigs: set for this very topic */

/* What is set for the topic itself. */
static int add_configs(struct topic *x, const char *name, struct strbuf *out)
{
	struct client_call *answer;
	const struct describe_configs_response_result *r;
	struct client_error error;
	const char *comma = "";

	if (admin_describe_configs(x->client, ADMIN_TOPIC, name, TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_config *c = &r->configs[i];
		struct slice value = slice_is_null(c->value) ? SLICE_EMPTY : c->value;
		if (c->config_source != SOURCE_TOPIC)
			continue;
		strbuf_add_str(out, comma);
		if (x->ndjson) {
			show_json_string(out, c->name);
			strbuf_add_char(out, ':');
			show_json_string(out, value);
		} else {
			strbuf_printf(out, SLICE_FMT"="SLICE_FMT, SLICE_ARG(c->name), SLICE_ARG(value));
		}
		comma = x->ndjson ? "," : " ";
	}
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

static void add_partition_text(struct strbuf *out, const struct metadata_response_partition *p)
{
	struct strbuf replicas = STRBUF_INIT, isr = STRBUF_INIT;
	char leader[16] = "none";

	show_ids(&replicas, p->replica_nodes, p->replica_nodes_count);
	show_ids(&isr, p->isr_nodes, p->isr_nodes_count);
	if (p->leader_id >= 0)
		snprintf(leader, sizeof(leader), "%d", p->leader_id);
	strbuf_printf(out, "  %9d  %6s  %5d  %-12s %-12s", p->partition_index, leader, p->leader_epoch,
		      strbuf_cstr(&replicas), strbuf_cstr(&isr));
	show_troubles(out, p, SHOW_NO_MIN_ISR);
	while (out->len > 0 && out->ptr[out->len - 1] == ' ')
		strbuf_truncate(out, out->len - 1);
	strbuf_add_char(out, '\n');
	strbuf_fini(&replicas);
	strbuf_fini(&isr);
}

static int describe_one(struct topic *x, const struct metadata_response_topic *t)
{
	struct strbuf out = STRBUF_INIT;
	char id[UUID_TEXT_LEN + 1] = "", *name = mem_strndup((const char *)t->name.ptr, t->name.len);
	const void **parts = show_sorted(t->partitions, t->partitions_count, sizeof(*t->partitions), show_by_partition);
	int32_t replicas = t->partitions_count > 0 ? ((const struct metadata_response_partition *)parts[0])->replica_nodes_count : 0;
	int code;

	if (!uuid_is_zero(t->topic_id))
		uuid_to_text(t->topic_id, id);
	if (x->ndjson)
		strbuf_printf(&out, "{\"topic\":\"%s\",\"id\":\"%s\",\"internal\":%s,\"configs\":{", name, id,
			      t->is_internal ? "true" : "false");
	else
		strbuf_printf(&out, "%s  id %s  %d partition%s, %d replica%s each\n  configs: ", name, *id ? id : "none",
			      t->partitions_count, t->partitions_count == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s");
	size_t before = out.len;
	code = add_configs(x, name, &out);
	if (!x->ndjson && out.len == before)
		strbuf_add_str(&out, "none of its own");
	strbuf_add_str(&out, x->ndjson ? "},\"partitions\":[" : "\n  partition  leader  epoch  replicas     in sync\n");
	for (int32_t i = 0; i < t->partitions_count; i++) {
		if (!x->ndjson)
			add_partition_text(&out, parts[i]);
		else if (i > 0)
			strbuf_add_char(&out, ',');
		if (x->ndjson)
			show_partition_json(&out, parts[i]);
	}
	strbuf_add_str(&out, x->ndjson ? "]}\n" : "");
	fwrite(out.ptr, 1, out.len, stdout);
	strbuf_fini(&out);
	free(parts);
	free(name);
	return code;
}

static int describe(struct topic *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	const void **topics;
	int done = 0, code = EXIT_OK;

	if (admin_describe_topics(x->client, (const char *const *)x->names, x->name_count, TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *t = topics[i];
		if (t->error_code != NONE && t->error_code != LEADER_NOT_AVAILABLE) {
			code = tool_both(code, tool_topic_fail(t->name, t->error_code));
		} else if (!t->is_internal || x->with_internal || x->name_count > 0) {
			int result = describe_one(x, t);
			code = tool_both(code, result);
			done += result == EXIT_OK;
		}
	}
	free(topics);
	admin_answer_destroy(&answer);
	return tool_sum_up(done, code);
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct topic *x);
	int         names_min, names_max;
} verbs[] = {
	{ "create",   create,   1, INT32_MAX },
	{ "list",     list,     0, 0 },
	{ "describe", describe, 0, INT32_MAX },
	{ "alter",    alter,    1, 1 },
	{ "delete",   delete,   1, INT32_MAX },
};

static bool add_config(struct topic *x, char *text, bool is_set)
{
	char *name = text, *value = NULL;

	if (x->config_count == CONFIGS_MAX || (is_set && !value_pair(text, &name, &value)))
		return false;
	x->configs[x->config_count++] = (struct admin_config){ name, value };
	return true;
}

static bool set_number(const char *text, int64_t max, int64_t *out)
{
	return value_int(text, 1, max, out);
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct topic *x, int argc, char **argv)
{
	enum { OPT_IF_NOT_EXISTS = 256, OPT_INTERNAL };
	static const struct option options[] = {
		{ "partitions", required_argument, NULL, 'p' },
		{ "replication-factor", required_argument, NULL, 'r' }, { "config", required_argument, NULL, 'c' },
		{ "unset", required_argument, NULL, 'u' }, { "if-not-exists", no_argument, NULL, OPT_IF_NOT_EXISTS },
		{ "internal", no_argument, NULL, OPT_INTERNAL }, { "yes", no_argument, NULL, 'y' },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int64_t number = 0;
	int c;

	while ((c = tool_getopt(argc, argv, "p:r:c:u:yo:h", options, NULL)) != -1) {
		bool ok = true;
		switch (c) {
		case 'p': ok = set_number(optarg, INT32_MAX, &number); x->partition_count = (int32_t)number; break;
		case 'r': ok = set_number(optarg, INT16_MAX, &number); x->replication_factor = (int16_t)number; break;
		case 'c': ok = add_config(x, optarg, true); break;
		case 'u': ok = add_config(x, optarg, false); break;
		case OPT_IF_NOT_EXISTS: x->if_not_exists = true; break;
		case OPT_INTERNAL: x->with_internal = true; break;
		case 'y': x->yes = true; break;
		case 'o': x->ndjson = strcmp(optarg, "ndjson") == 0; ok = x->ndjson || strcmp(optarg, "text") == 0; break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("topic");
		}
		if (!ok)
			return tool_usage("topic", "\"%s\" is no value for this option", optarg);
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

int tool_topic(int argc, char **argv)
{
	struct topic x = { .partition_count = ADMIN_DEFAULT, .replication_factor = ADMIN_DEFAULT };
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return tool_usage("topic", "say what to do: create, list, describe, alter or delete");
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
		if (verbs[i].run == delete && !is_confirmed(&x))
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
