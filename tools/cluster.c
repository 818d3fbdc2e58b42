/*
 * skein cluster: what is out of order, elections, and the command line. What shows brokers: cluster_show.c, dirs.c; moving replicas: reassign.c.
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "table.h"
#include "tool.h"
#include "value.h"

static const char help[] =
	"Usage: skein cluster [brokers] [OPTION...]\n"
	"       skein cluster describe [OPTION...]\n"
	"       skein cluster state [OPTION...]\n"
	"       skein cluster dirs [OPTION...]\n"
	"       skein cluster elect [OPTION...] [TOPIC[:PARTITION]...]\n"
	"       skein cluster reassign ...          (its own help: skein cluster reassign --help)\n"
	"       skein cluster check-java ...        (the same)\n"
	"       skein cluster adopt ...             (the same)\n\n"
	"Without a verb: the brokers, with how many partitions each leads and holds, the size of its\n"
	"       replicas and what is free where they lie.\n"
	"describe: the same, and how many partitions there are and are out of order; as one object.\n"
	"state: the partitions that are offline, under-replicated or below min.insync.replicas;\n"
	"       exit code 1 when there are any.\n"
	"dirs: the log directories of each broker, and the replicas that move between them;\n"
	"       exit code 1 when one has failed, 6 when a broker has not told: one that has no answer\n"
	"       for 10 seconds, or is offline, is named.\n"
	"elect: gives leadership to each partition's first replica; of all partitions, or of those named.\n"
	"       exit code 6 when some have a leader as wanted; when none has, what all refusals have in\n"
	"       common (3: there is none of that name, 4: not allowed), else 1.\n\n"
	"      --unclean            elect: any replica that is alive may lead a partition without leader;\n"
	"                           what the others had and it has not is lost\n"
	"  -y, --yes                elect --unclean: do not ask\n"
	"  -o, --output FORMAT      text (default), wide, json (an array) or ndjson (an object per line)\n"
	TOOL_BOOTSTRAP_HELP
	"\n" TOOL_CHANGE_HELP
	"\nExamples:\n"
	"  skein cluster\n"
	"  skein cluster describe -o json\n"
	"  skein cluster state && echo all is well\n"
	"  skein cluster elect orders payments:3\n";

struct cluster_verb {
	enum show_output output;
	bool            yes, unclean;
	char          **names;
	int             name_count;
	struct client  *client;
};

/* ---- lists of partitions ---- */

static int compare_items(const struct admin_partition *a, struct slice topic, int32_t partition)
{
	int order = slice_cmp(slice_str(a->topic), topic);

	return order != 0 ? order : (a->partition > partition) - (a->partition < partition);
}

void partition_list_add(struct partition_list *l, struct slice topic, int32_t partition)
{
	int low = 0, high = l->count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (compare_items(&l->items[middle], topic, partition) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < l->count && compare_items(&l->items[low], topic, partition) == 0)
		return;
	if (l->count == l->room) {
		l->room = MAX(2 * l->room, 64);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	memmove(&l->items[low + 1], &l->items[low], (size_t)(l->count - low) * sizeof(*l->items));
	l->items[low] = (struct admin_partition){
		.topic = mem_strndup((const char *)topic.ptr, topic.len), .partition = partition, .replica_count = -1,
	};
	l->count++;
}

void partition_list_fini(struct partition_list *l)
{
	for (int i = 0; i < l->count; i++)
		free((char *)(uintptr_t)l->items[i].topic);
	free(l->items);
	*l = (struct partition_list){ 0 };
}

/* A word that names one partition is taken as it is; of others the cluster is asked. */
static int read_word(struct partition_list *l, struct client *c, const char *word)
{
	const char *colon = strchr(word, ':');
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int64_t number;
	int code = EXIT_OK;

	if (colon != NULL) {
		if (colon == word || !value_int(colon + 1, 0, INT32_MAX, &number)) {
			tool_say("\"%s\" is no TOPIC:PARTITION", word);
			return EXIT_USAGE;
		}
		partition_list_add(l, slice_of(word, (size_t)(colon - word)), (int32_t)number);
		return EXIT_OK;
	}
	if (admin_describe_topics(c, &word, 1, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	for (int32_t t = 0; t < r->topics_count; t++) {
		if (r->topics[t].error_code != NONE && r->topics[t].error_code != LEADER_NOT_AVAILABLE)
			code = tool_near_topic(c, r->topics[t].name, tool_topic_fail(r->topics[t].name, r->topics[t].error_code));
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++)
			partition_list_add(l, r->topics[t].name, r->topics[t].partitions[p].partition_index);
	}
	admin_answer_destroy(&answer);
	return code;
}

int partition_list_read(struct partition_list *l, struct client *c, char **words, int count)
{
	int code = EXIT_OK;

	for (int i = 0; code == EXIT_OK && i < count; i++)
		code = read_word(l, c, words[i]);
	return code;
}

int partition_answer(struct slice topic, int32_t partition, int16_t error, struct slice message)
{
	struct client_error e;
	char subject[300];

	if (error == NONE)
		return EXIT_OK;
	snprintf(subject, sizeof(subject), SLICE_FMT":%d", (int)MIN(topic.len, 250u), topic.ptr, partition);
	client_error_set_kafka(&e, error, subject, message);
	return tool_fail(&e);
}

/* ---- brokers ---- */

static int brokers(struct cluster_verb *x)
{
	return cluster_show(x->client, x->output, false);
}

static int describe(struct cluster_verb *x)
{
	return cluster_show(x->client, x->output, true);
}

/* ---- state ---- */

/* The topic's min.insync.replicas. It matters only where replicas are missing, so only of such topics it is asked. */
static int32_t ask_isr_min(struct cluster_verb *x, const struct metadata_response_topic *t, int *code)
{
	struct client_call *answer;
	const struct describe_configs_response_result *r;
	struct client_error error;
	char *name = mem_strndup((const char *)t->name.ptr, t->name.len);
	int64_t isr_min = SHOW_NO_MIN_ISR;

	if (admin_describe_configs(x->client, ADMIN_TOPIC, name, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK) {
		*code = tool_fail(&error);
		free(name);
		return SHOW_NO_MIN_ISR;
	}
	for (int32_t i = 0; i < r->configs_count; i++) {
		if (slice_eq_str(r->configs[i].name, "min.insync.replicas") && !slice_is_null(r->configs[i].value)) {
			char *text = mem_strndup((const char *)r->configs[i].value.ptr, r->configs[i].value.len);
			if (!value_int(text, 1, INT32_MAX, &isr_min))
				isr_min = SHOW_NO_MIN_ISR;
			free(text);
		}
	}
	admin_answer_destroy(&answer);
	free(name);
	return (int32_t)isr_min;
}

static void show_trouble(struct show_list *list, bool has_color, const struct metadata_response_topic *t, const struct metadata_response_partition *p,
			 int32_t isr_min)
{
	struct strbuf out = STRBUF_INIT, troubles = STRBUF_INIT;

	if (show_is_json(list->output)) {
		strbuf_add_str(&out, "{\"topic\":");
		show_json_string(&out, t->name);
		strbuf_printf(&out, ",\"min_isr\":%d,\"state\":", isr_min);
		show_partition_json(&out, p);
		strbuf_add_char(&out, '}');
		show_object(list, &out);
	} else {
		show_troubles(&troubles, p, isr_min);
		strbuf_printf(&out, SLICE_FMT":%d  ", SLICE_ARG(t->name), p->partition_index);
		table_paint(&out, has_color, p->leader_id < 0 ? TABLE_BAD : TABLE_WARN, strbuf_cstr(&troubles));
		puts(strbuf_cstr(&out));
	}
	strbuf_fini(&troubles);
	strbuf_fini(&out);
}

static int topic_state(struct cluster_verb *x, const struct metadata_response_topic *t, struct show_list *list, bool has_color, int *code)
{
	const void **parts = show_sorted(t->partitions, t->partitions_count, sizeof(*t->partitions), show_by_partition);
	int32_t isr_min = -1;
	int n = 0;

	for (int32_t i = 0; i < t->partitions_count; i++) {
		if (!show_has_trouble(parts[i], SHOW_NO_MIN_ISR))
			continue;
		if (isr_min < 0)
			isr_min = ask_isr_min(x, t, code);
		show_trouble(list, has_color, t, parts[i], isr_min);
		n++;
	}
	free(parts);
	return n;
}

static int state(struct cluster_verb *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	struct show_list list = { .output = x->output };
	bool has_color = table_form_stdout().has_color;
	const void **topics;
	int all = 0, troubles = 0, code = EXIT_OK;

	if (admin_describe_topics(x->client, NULL, 0, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
	for (int32_t i = 0; i < r->topics_count; i++) {
		troubles += topic_state(x, topics[i], &list, has_color, &code);
		all += ((const struct metadata_response_topic *)topics[i])->partitions_count;
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	else if (troubles == 0)
		printf("all replicas of %d partition%s are in sync\n", all, all == 1 ? "" : "s");
	free(topics);
	admin_answer_destroy(&answer);
	return code == EXIT_OK && troubles > 0 ? EXIT_FAILED : code;
}

static int dirs(struct cluster_verb *x)
{
	return cluster_dirs(x->client, x->output);
}

/* ---- elect ---- */

static int show_elections(const struct elect_leaders_response *r)
{
	int done = 0, code = EXIT_OK;

	for (int32_t t = 0; t < r->replica_election_results_count; t++) {
		const struct elect_leaders_response_replica_election_result *topic = &r->replica_election_results[t];
		for (int32_t p = 0; p < topic->partition_result_count; p++) {
			const struct elect_leaders_response_partition_result *one = &topic->partition_result[p];
			bool is_fine = one->error_code == NONE || one->error_code == ELECTION_NOT_NEEDED;
			if (is_fine)
				printf(SLICE_FMT":%d  %s\n", SLICE_ARG(topic->topic), one->partition_id,
				       one->error_code == NONE ? "elected" : "not needed");
			else
				code = tool_both(code, partition_answer(topic->topic, one->partition_id, one->error_code, one->error_message));
			done += is_fine;
		}
	}
	return tool_sum_up(done, code);
}

static int elect(struct cluster_verb *x)
{
	struct client_call *answer;
	const struct elect_leaders_response *r;
	struct client_error error;
	struct partition_list list = { 0 };
	int code = partition_list_read(&list, x->client, x->names, x->name_count);

	if (code == EXIT_OK && x->name_count > 0 && list.count == 0) {
		partition_list_fini(&list);
		return EXIT_OK;
	}
	if (code == EXIT_OK) {
		tool_change_begin();
		enum err e = admin_elect_leaders(x->client, x->unclean ? ADMIN_UNCLEAN : ADMIN_PREFERRED, list.items, list.count, TOOL_CHANGE_MS, &answer, &r,
						 &error);
		tool_change_end();
		if (e == OK) {
			code = show_elections(r);
			admin_answer_destroy(&answer);
		} else {
			code = tool_fail(&error);
		}
	}
	partition_list_fini(&list);
	return code;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct cluster_verb *x);
	bool        takes_names;
} verbs[] = {
	{ "brokers",  brokers,  false },
	{ "describe", describe, false },
	{ "state",    state,    false },
	{ "dirs",     dirs,     false },
	{ "elect",    elect,    true },
};

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct cluster_verb *x, int argc, char **argv)
{
	enum { OPT_UNCLEAN = 256 };
	static const struct option options[] = {
		{ "unclean", no_argument, NULL, OPT_UNCLEAN },
		{ "yes", no_argument, NULL, 'y' }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "yo:h", options, NULL)) != -1) {
		switch (c) {
		case OPT_UNCLEAN: x->unclean = true; break;
		case 'y': x->yes = true; break;
		case 'o':
			if (!show_output_of(optarg, &x->output))
				return tool_bad_value("cluster", SHOW_OUTPUTS);
			break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("cluster");
		}
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

static int run(struct cluster_verb *x, size_t verb)
{
	int code = EXIT_FAILED;

	if (!verbs[verb].takes_names && x->name_count > 0)
		return tool_usage("cluster", "%s takes no names", verbs[verb].name);
	if (x->unclean && !tool_confirm(x->yes, "Elect leaders that may lack records which then are lost?",
					"an unclean election may lose records"))
		return EXIT_FAILED;
	x->client = tool_connect(&code);
	if (x->client != NULL)
		code = verbs[verb].run(x);
	client_destroy(&x->client);
	if (!tool_flush() && code == EXIT_OK)
		code = EXIT_FAILED;
	return code;
}

/* With options of their own. */
static const struct {
	const char *name;
	int       (*run)(int argc, char **argv);
} own_verbs[] = {
	{ "reassign", tool_reassign }, { "check-java", tool_check_java }, { "adopt", tool_adopt },
};

int tool_cluster(int argc, char **argv)
{
	struct cluster_verb x = { 0 };
	int code;

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(own_verbs); i++) {
		static char full[64];

		if (strcmp(argv[1], own_verbs[i].name) != 0)
			continue;
		snprintf(full, sizeof(full), "skein cluster %s", own_verbs[i].name);
		argv[1] = full;
		return own_verbs[i].run(argc - 1, argv + 1);
	}
	code = parse(&x, argc, argv);
	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return x.unclean ? tool_usage("cluster", "--unclean goes with elect") : run(&x, 0);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(x.names[0], verbs[i].name) != 0)
			continue;
		if (x.unclean && verbs[i].run != elect)
			return tool_usage("cluster", "--unclean goes with elect");
		x.names++;
		x.name_count--;
		return run(&x, i);
	}
	return tool_usage("cluster", "there is no \"%s\"", x.names[0]);
}
