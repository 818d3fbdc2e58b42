/*
 * skein cluster reassign: plans, begins, watches and gives up the moving of replicas between brokers. A plan is the JSON
 * text that Kafka's own tool reads and writes, so that either can carry out what the other has made.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster.h"
#include "controller/assignment.h"
#include "reassign_dirs.h"
#include "show.h"
#include "tool.h"
#include "value.h"

static const char help[] =
	"Usage: skein cluster reassign --topics LIST [--brokers LIST] [-r N]\n"
	"       skein cluster reassign --execute FILE [--throttle BYTES] [--wait]\n"
	"       skein cluster reassign --verify FILE [--wait]\n"
	"       skein cluster reassign --status [--wait]\n"
	"       skein cluster reassign --cancel [TOPIC[:PARTITION]...]\n\n"
	"The first prints a plan: which brokers shall hold which partition. Execute it as it is or edited.\n\n"
	"  -t, --topics LIST        names, separated by commas\n"
	"      --brokers LIST       ids: 1,2,5-7 (default: all that are there)\n"
	"  -r, --replication-factor N  copies of each partition (default: as many as it has)\n"
	"      --execute FILE       begin to move; - reads the plan from stdin\n"
	"      --throttle BYTES     copy no more than so many per second and broker; --verify, or --wait, ends that\n"
	"      --verify FILE        is it as the plan says? What --throttle has set is taken away once it does not move any more\n"
	"      --status             what is moving, and how far it is\n"
	"      --cancel             back to where it was; all that is moving, or what is named\n"
	"      --wait               until nothing moves any more\n"
	"  -o, --output FORMAT      status: text (default) or ndjson (an object per line)\n"
	TOOL_BOOTSTRAP_HELP
	"\nExit code of --execute and --cancel: 0 all of it was accepted, 6 some; each refusal is named, and\n"
	"--wait does not wait then. When nothing was: what all refusals have in common (3: there is none of\n"
	"that name, 4: not allowed), else 1. What a broker moves between its own directories while it does\n"
	"not answer, --cancel cannot stop: 6, or 5 when it stopped nothing else.\n"
	"--verify: 0 all is as planned, 6 some, 1 nothing.\n"
	TOOL_CHANGE_HELP
	"\nExamples:\n"
	"  skein cluster reassign --topics orders --brokers 2,3,4 >plan.json\n"
	"  skein cluster reassign --execute plan.json --throttle 50000000 --wait\n";

#define BROKERS_MAX     1024
#define PLAN_BYTES_MAX  (64 << 20)
#define LOOK_EVERY_MS   500

enum mode { MODE_NONE, MODE_PLAN, MODE_EXECUTE, MODE_VERIFY, MODE_STATUS, MODE_CANCEL };

struct reassign {
	const char    *topics, *brokers, *file;
	enum mode      mode;
	bool           is_mixed;	/* more than one of the modes was given */
	bool           wait, ndjson;
	bool           asks_dirs;	/* moves between log directories matter */
	int64_t        replication_factor;	/* 0: as it is */
	int64_t        throttle;		/* bytes per second; 0: none */
	char         **names;
	int            name_count;
	struct client *client;
};

/* ---- the plan ---- */

static bool is_wanted(const struct reassign *x, int32_t id, const int32_t *ids, int count)
{
	for (int i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return x->brokers == NULL;
}

static int compare_brokers(const void *a, const void *b)
{
	const struct cluster_broker *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* The brokers the plan may use, ids ascending. 0 after saying why. */
static int choose_brokers(const struct reassign *x, const struct metadata_response *r, struct cluster_broker *out)
{
	int32_t ids[BROKERS_MAX];
	int count = 0, n = 0, racks = 0;

	if (x->brokers != NULL && !value_numbers(x->brokers, ids, BROKERS_MAX, &count)) {
		tool_say("\"%s\" is no list of brokers", x->brokers);
		return 0;
	}
	for (int32_t i = 0; i < r->brokers_count && n < BROKERS_MAX; i++) {
		const struct metadata_response_broker *b = &r->brokers[i];

		if (!is_wanted(x, b->node_id, ids, count))
			continue;
		out[n].id = b->node_id;
		out[n].has_rack = !slice_is_null(b->rack);
		snprintf(out[n].rack, sizeof(out[n].rack), SLICE_FMT, (int)MIN(b->rack.len, 255u),
			 out[n].has_rack ? (const char *)b->rack.ptr : "");
		racks += out[n++].has_rack;
	}
	if (n == 0 || n < count) {
		tool_say("not all of these brokers are there: %s (skein cluster lists those that are)",
			 x->brokers != NULL ? x->brokers : "");
		return 0;
	}
	if (racks > 0 && racks < n) {
		tool_say("not every broker says where it stands, so racks are not looked at");
		for (int i = 0; i < n; i++)
			out[i].has_rack = false;
	}
	qsort(out, (size_t)n, sizeof(*out), compare_brokers);
	return n;
}

static void add_plan(struct strbuf *out, const struct metadata_response_topic *t, const int32_t *replicas, int32_t factor)
{
	for (int32_t p = 0; p < t->partitions_count; p++) {
		strbuf_add_str(out, out->len > 0 ? ",\n{\"topic\":" : "{\"topic\":");
		show_json_string(out, t->name);
		strbuf_printf(out, ",\"partition\":%d,\"replicas\":[", p);
		show_ids(out, replicas + p * factor, factor);
		strbuf_add_str(out, "]}");
	}
}

/* start: how many partitions were planned before, so that leaders go on round the brokers from topic to topic. */
static int plan_topic(const struct reassign *x, const struct metadata_response_topic *t, const struct cluster_broker *brokers,
		      int n, uint32_t start, struct strbuf *out)
{
	int32_t factor = x->replication_factor > 0 ? (int32_t)x->replication_factor
		: t->partitions_count > 0 ? t->partitions[0].replica_nodes_count : 1;

	if (t->error_code != NONE && t->error_code != LEADER_NOT_AVAILABLE)
		return tool_topic_fail(t->name, t->error_code);
	if (factor > n || factor < 1) {
		tool_say("topic "SLICE_FMT": %d replicas of each partition need as many brokers, and there are %d",
			 SLICE_ARG(t->name), factor, n);
		return EXIT_FAILED;
	}
	int32_t *replicas = mem_calloc((size_t)t->partitions_count * (size_t)factor + 1, sizeof(*replicas));
	enum err err = assign_replicas(replicas, t->partitions_count, factor, 0, brokers, n, start, start / (uint32_t)n);
	ASSERT(err == OK);	/* racks: all or none */
	add_plan(out, t, replicas, factor);
	free(replicas);
	return EXIT_OK;
}

static int plan_topics(const struct reassign *x, const struct metadata_response *r, struct strbuf *out)
{
	struct cluster_broker *brokers = mem_calloc(BROKERS_MAX, sizeof(*brokers));
	const void **topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
	int n = choose_brokers(x, r, brokers), code = n > 0 ? EXIT_OK : EXIT_NOT_FOUND;
	uint32_t start = 0;

	for (int32_t i = 0; code == EXIT_OK && i < r->topics_count; i++) {
		const struct metadata_response_topic *t = topics[i];

		code = plan_topic(x, t, brokers, n, start, out);
		start += (uint32_t)t->partitions_count;
	}
	free(topics);
	free(brokers);
	return code;
}

static int plan(struct reassign *x)
{
	char *words = mem_strdup(x->topics), *save, *word;
	const char **names = mem_calloc(strlen(words) + 1, sizeof(*names));
	struct client_call *answer = NULL;
	const struct metadata_response *r;
	struct client_error error;
	struct strbuf out = STRBUF_INIT;
	int n = 0, code;

	for (word = strtok_r(words, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save))
		names[n++] = word;
	if (n == 0)
		code = tool_usage("cluster reassign", "--topics names none");
	else if (admin_describe_topics(x->client, names, n, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK)
		code = tool_fail(&error);
	else
		code = plan_topics(x, r, &out);
	if (code == EXIT_OK)
		printf("{\"version\":1,\"partitions\":[\n%s\n]}\n", strbuf_cstr(&out));
	strbuf_fini(&out);
	admin_answer_destroy(&answer);
	free(names);
	free(words);
	return code;
}

/* ---- reading one ---- */

static int bad_plan(const char *file, json_int_t entry, const char *what)
{
	tool_say("%s: entry %lld of \"partitions\" %s", file, (long long)entry + 1, what);
	return EXIT_USAGE;
}

/* Replicas are kept in the list's item, which owns them. */
static int read_entry(struct partition_list *l, const char *file, json_t *entry, size_t index)
{
	const char *topic = json_string_value(json_object_get(entry, "topic"));
	json_t *number = json_object_get(entry, "partition"), *replicas = json_object_get(entry, "replicas"),
		*dirs = json_object_get(entry, "log_dirs"), *dir;
	int before = l->count, at = 0;
	size_t i;

	if (topic == NULL || !json_is_integer(number) || json_integer_value(number) < 0 || json_integer_value(number) > INT32_MAX)
		return bad_plan(file, (json_int_t)index, "needs a \"topic\" and a \"partition\"");
	if (!json_is_array(replicas) || json_array_size(replicas) == 0 || json_array_size(replicas) > BROKERS_MAX)
		return bad_plan(file, (json_int_t)index, "needs \"replicas\", a list of brokers");
	if (dirs != NULL && (!json_is_array(dirs) || json_array_size(dirs) != json_array_size(replicas)))
		return bad_plan(file, (json_int_t)index, "needs as many \"log_dirs\" as replicas");
	json_array_foreach(dirs, i, dir) {
		if (!json_is_string(dir))
			return bad_plan(file, (json_int_t)index, "has log directories that are no paths, nor \"any\"");
	}
	int32_t *ids = mem_calloc(json_array_size(replicas), sizeof(*ids));
	for (i = 0; i < json_array_size(replicas); i++) {
		json_t *id = json_array_get(replicas, i);
		if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX) {
			free(ids);
			return bad_plan(file, (json_int_t)index, "has a replica that is no broker id");
		}
		ids[i] = (int32_t)json_integer_value(id);
	}
	partition_list_add(l, slice_str(topic), (int32_t)json_integer_value(number));
	while (strcmp(l->items[at].topic, topic) != 0 || l->items[at].partition != json_integer_value(number))
		at++;
	if (l->count == before) {
		free(ids);
		return bad_plan(file, (json_int_t)index, "is there twice");
	}
	l->items[at].replicas = ids;
	l->items[at].replica_count = (int32_t)json_array_size(replicas);
	l->items[at].log_dirs = mem_calloc(json_array_size(replicas), sizeof(const char *));
	json_array_foreach(dirs, i, dir) {
		if (strcmp(json_string_value(dir), "any") != 0)
			l->items[at].log_dirs[i] = mem_strdup(json_string_value(dir));
	}
	return EXIT_OK;
}

static int read_plan(struct partition_list *l, const char *file, json_t *root)
{
	json_t *partitions = json_object_get(root, "partitions"), *version = json_object_get(root, "version"), *entry;
	int code = EXIT_OK;
	size_t i;

	if (!json_is_array(partitions) || (version != NULL && json_integer_value(version) != 1)) {
		tool_say("%s: a plan is {\"version\":1,\"partitions\":[...]}", file);
		return EXIT_USAGE;
	}
	json_array_foreach(partitions, i, entry) {
		code = read_entry(l, file, entry, i);
		if (code != EXIT_OK)
			break;
	}
	if (code == EXIT_OK && l->count == 0) {
		tool_say("%s: the plan is empty", file);
		code = EXIT_USAGE;
	}
	return code;
}

static int load_plan(struct partition_list *l, const char *file)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char *text = f != NULL ? mem_alloc(PLAN_BYTES_MAX) : NULL;
	json_error_t error;
	json_t *root;
	int code;

	if (f == NULL) {
		tool_say("%s: %m", file);
		return EXIT_NOT_FOUND;
	}
	size_t len = fread(text, 1, PLAN_BYTES_MAX, f);
	if (f != stdin)
		fclose(f);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	free(text);
	if (root == NULL) {
		tool_say("%s: line %d: %s", file, error.line, error.text);
		return EXIT_USAGE;
	}
	code = read_plan(l, file, root);
	json_decref(root);
	return code;
}

/* ---- carrying it out, and giving it up ---- */

static int show_results(const struct alter_partition_reassignments_response *r)
{
	int done = 0, code = EXIT_OK;

	for (int32_t t = 0; t < r->responses_count; t++) {
		for (int32_t p = 0; p < r->responses[t].partitions_count; p++) {
			const struct alter_partition_reassignments_response_partition *one = &r->responses[t].partitions[p];
			if (one->error_code == NONE)
				done++;
			else
				code = tool_both(code, partition_answer(r->responses[t].name, one->partition_index, one->error_code,
									one->error_message));
		}
	}
	return tool_sum_up(done, code);
}

/* Before the brokers hear of their replicas: one that is made lies where it shall from the start. */
static int place(struct reassign *x, const struct partition_list *l)
{
	struct client_error error;

	for (int i = 0; i < l->count; i++) {
		const struct admin_partition *p = &l->items[i];

		for (int32_t k = 0; k < p->replica_count && p->log_dirs != NULL; k++) {
			if (p->log_dirs[k] == NULL ||
			    admin_place_replica(x->client, p->replicas[k], p->topic, p->partition, p->log_dirs[k], CLUSTER_TIMEOUT_MS, &error) == OK)
				continue;
			tool_say("%s:%d cannot be placed in %s on broker %d", p->topic, p->partition, p->log_dirs[k], p->replicas[k]);
			return tool_fail(&error);
		}
	}
	return EXIT_OK;
}

static int submit(struct reassign *x, const struct partition_list *l)
{
	struct client_call *answer;
	const struct alter_partition_reassignments_response *r;
	struct client_error error;
	int code;

	tool_change_begin();
	enum err e = admin_reassign(x->client, l->items, l->count, TOOL_CHANGE_MS, &answer, &r, &error);
	tool_change_end();
	if (e != OK)
		return tool_fail(&error);
	code = show_results(r);
	admin_answer_destroy(&answer);
	return code;
}

/* ---- how far it is ---- */

struct progress {
	int partitions;		/* that move */
	int added, adding;	/* new replicas: in sync, in all */
	int between;		/* replicas that move between directories of one broker */
	int silent;		/* brokers that do not tell of theirs */
};

/* Or may move, for all that is known. */
static bool moves(const struct progress *p)
{
	return p->partitions > 0 || p->between > 0 || p->silent > 0;
}

static bool is_in(const int32_t *ids, int32_t count, int32_t id)
{
	while (count > 0 && *ids != id) {
		ids++;
		count--;
	}
	return count > 0;
}

/* NULL: the cluster does not know it any more. */
static const struct metadata_response_partition *find(const struct metadata_response *m, struct slice topic, int32_t partition)
{
	for (int32_t t = 0; t < m->topics_count; t++) {
		for (int32_t p = 0; slice_eq(m->topics[t].name, topic) && p < m->topics[t].partitions_count; p++) {
			if (m->topics[t].partitions[p].partition_index == partition)
				return &m->topics[t].partitions[p];
		}
	}
	return NULL;
}

static void add_moving(const struct reassign *x, struct strbuf *out, struct slice topic,
		       const struct list_partition_reassignments_response_partition *p, int in_sync)
{
	const char *words[] = { x->ndjson ? ",\"replicas\":[" : "  replicas ", x->ndjson ? "],\"adding\":[" : "  adding ",
				x->ndjson ? "],\"removing\":[" : "  removing " };

	if (x->ndjson) {
		strbuf_add_str(out, "{\"topic\":");
		show_json_string(out, topic);
		strbuf_printf(out, ",\"partition\":%d", p->partition_index);
	} else {
		strbuf_printf(out, SLICE_FMT":%d", SLICE_ARG(topic), p->partition_index);
	}
	strbuf_add_str(out, words[0]);
	show_ids(out, p->replicas, p->replicas_count);
	strbuf_add_str(out, words[1]);
	show_ids(out, p->adding_replicas, p->adding_replicas_count);
	strbuf_add_str(out, words[2]);
	show_ids(out, p->removing_replicas, p->removing_replicas_count);
	strbuf_printf(out, x->ndjson ? "],\"added_in_sync\":%d}\n" : "  new ones in sync: %d\n", in_sync);
}

/* out: NULL, or a line per partition is added. */
static void count_progress(const struct reassign *x, const struct list_partition_reassignments_response *r,
			   const struct metadata_response *m, struct progress *sum, struct strbuf *out)
{
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t i = 0; i < r->topics[t].partitions_count; i++) {
			const struct list_partition_reassignments_response_partition *p = &r->topics[t].partitions[i];
			const struct metadata_response_partition *now = find(m, r->topics[t].name, p->partition_index);
			int in_sync = 0;

			for (int32_t a = 0; now != NULL && a < p->adding_replicas_count; a++)
				in_sync += is_in(now->isr_nodes, now->isr_nodes_count, p->adding_replicas[a]);
			sum->partitions++;
			sum->adding += p->adding_replicas_count;
			sum->added += in_sync;
			if (out != NULL)
				add_moving(x, out, r->topics[t].name, p, in_sync);
		}
	}
}

/* What the cluster and its brokers say. All zero bytes: nothing yet. */
struct now {
	struct client_call *list, *described;
	const struct list_partition_reassignments_response *moving;
	const struct metadata_response *metadata;
	struct all_dirs     dirs;
};

static int now_ask(struct reassign *x, struct now *n)
{
	struct client_error error;

	*n = (struct now){ 0 };
	if (admin_list_reassignments(x->client, CLUSTER_TIMEOUT_MS, &n->list, &n->moving, &error) != OK ||
	    admin_describe_topics(x->client, NULL, 0, CLUSTER_TIMEOUT_MS, &n->described, &n->metadata, &error) != OK)
		return tool_fail(&error);
	if (x->asks_dirs)
		all_dirs_ask(&n->dirs, x->client, n->metadata);
	return EXIT_OK;
}

static void now_fini(struct now *n)
{
	all_dirs_fini(&n->dirs);
	admin_answer_destroy(&n->described);
	admin_answer_destroy(&n->list);
}

static int look(struct reassign *x, struct progress *sum, struct strbuf *out)
{
	struct now n;
	int code = now_ask(x, &n);

	*sum = (struct progress){ 0 };
	if (code == EXIT_OK) {
		count_progress(x, n.moving, n.metadata, sum, out);
		sum->between = all_dirs_moving(&n.dirs, x->ndjson, out);
		sum->silent = n.dirs.silent_count;
	}
	now_fini(&n);
	return code;
}

static void say_progress(const struct progress *p, const char *before, const char *behind)
{
	fputs(before, stderr);
	if (!moves(p))
		fputs("nothing is moving", stderr);
	if (p->partitions > 0)
		fprintf(stderr, "%d partition%s moving, %d of %d new replicas in sync%s", p->partitions, p->partitions == 1 ? " is" : "s are", p->added,
			p->adding, p->between + p->silent > 0 ? ", and " : "");
	if (p->between > 0)
		fprintf(stderr, "%d replica%s moving between log directories%s", p->between, p->between == 1 ? " is" : "s are", p->silent > 0 ? ", and " : "");
	if (p->silent > 0)
		fprintf(stderr, "%d broker%s not tell", p->silent, p->silent == 1 ? " does" : "s do");
	fputs(behind, stderr);
}

/* The progress line stays one line, and is for terminals only. */
static int wait_until_done(struct reassign *x, struct progress *p)
{
	int code = EXIT_OK;

	tool_catch_signals(x->client);
	while (code == EXIT_OK && moves(p) && !tool_is_stopped()) {
		mono_ms until = os_mono_ms(os_real()) + LOOK_EVERY_MS;

		if (isatty(2))
			say_progress(p, "\r", "   ");
		for (mono_ms now; !tool_is_stopped() && (now = os_mono_ms(os_real())) < until;)
			client_step(x->client, until - now);
		code = look(x, p, NULL);
	}
	if (isatty(2))
		fputs("\r\033[K", stderr);
	say_progress(p, "", "\n");
	tool_catch_signals(NULL);
	return code == EXIT_OK && moves(p) ? EXIT_FAILED : code;
}

static int status(struct reassign *x)
{
	struct strbuf out = STRBUF_INIT;
	struct progress p;

	x->asks_dirs = true;
	int code = look(x, &p, &out);

	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
	if (code != EXIT_OK)
		return code;
	if (x->wait)
		return wait_until_done(x, &p);
	say_progress(&p, "", "\n");
	return EXIT_OK;
}

static bool plan_names_dirs(const struct partition_list *l)
{
	for (int i = 0; i < l->count; i++) {
		for (int32_t k = 0; k < l->items[i].replica_count && l->items[i].log_dirs != NULL; k++) {
			if (l->items[i].log_dirs[k] != NULL)
				return true;
		}
	}
	return false;
}

static void plan_fini(struct partition_list *l)
{
	for (int i = 0; i < l->count; i++) {
		for (int32_t k = 0; k < l->items[i].replica_count && l->items[i].log_dirs != NULL; k++)
			free((char *)(uintptr_t)l->items[i].log_dirs[k]);
		free(l->items[i].log_dirs);
		free((int32_t *)(uintptr_t)l->items[i].replicas);
	}
	partition_list_fini(l);
}

static void say_limit_stays(void)
{
	tool_say("a limit that was set stays until --verify finds that nothing moves any more");
}

/* Looks, and with --wait until nothing moves. The limit goes when nothing does. */
static int follow_up(struct reassign *x, const struct partition_list *l, bool lifts)
{
	struct progress p;
	int code = look(x, &p, NULL);

	if (code == EXIT_OK && x->wait)
		code = wait_until_done(x, &p);
	if (code == EXIT_OK && !moves(&p) && lifts)
		code = reassign_lift(x->client, l);
	else if (moves(&p) && lifts)
		say_limit_stays();
	return code;
}

/* Nothing of a plan was accepted: what it would have limited is not to be left behind. */
static void give_back_limit(struct reassign *x, const struct partition_list *l)
{
	struct progress p;

	if (look(x, &p, NULL) == EXIT_OK && !moves(&p))
		reassign_lift(x->client, l);
	else
		say_limit_stays();
}

static int execute(struct reassign *x)
{
	struct partition_list l = { 0 };
	int code = load_plan(&l, x->file);
	bool is_limited = code == EXIT_OK && x->throttle > 0;

	x->asks_dirs = plan_names_dirs(&l);
	if (is_limited)
		code = reassign_limit(x->client, &l, x->throttle);
	if (code == EXIT_OK)
		code = place(x, &l);
	if (code == EXIT_OK)
		code = submit(x, &l);
	if (is_limited && code != EXIT_OK && code != EXIT_PARTIAL)
		give_back_limit(x, &l);
	else if (code == EXIT_OK && (x->wait || x->throttle > 0))
		code = follow_up(x, &l, x->throttle > 0);
	plan_fini(&l);
	return code;
}

static bool is_as_planned(const struct metadata_response *m, const struct admin_partition *p)
{
	const struct metadata_response_partition *now = find(m, slice_str(p->topic), p->partition);

	return now != NULL && now->replica_nodes_count == p->replica_count &&
		memcmp(now->replica_nodes, p->replicas, (size_t)p->replica_count * sizeof(*p->replicas)) == 0;
}

static bool is_moving(const struct list_partition_reassignments_response *r, const struct admin_partition *p)
{
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t i = 0; slice_eq(r->topics[t].name, slice_str(p->topic)) && i < r->topics[t].partitions_count; i++) {
			if (r->topics[t].partitions[i].partition_index == p->partition)
				return true;
		}
	}
	return false;
}

static int compare_with_plan(struct reassign *x, const struct partition_list *l)
{
	struct now n;
	int done = 0, code = now_ask(x, &n);

	for (int i = 0; code == EXIT_OK && i < l->count; i++) {
		const struct admin_partition *p = &l->items[i];
		bool is_between, is_placed = all_dirs_are_as_planned(&n.dirs, p, &is_between), is_done = is_as_planned(n.metadata, p) && is_placed;

		done += is_done;
		if (!is_done)
			printf("%s:%d is not as planned%s\n", p->topic, p->partition, is_moving(n.moving, p) || is_between ? " yet: it is moving" : "");
	}
	if (code == EXIT_OK)
		printf("%d of %d partition%s as planned\n", done, l->count, l->count == 1 ? " is" : "s are");
	now_fini(&n);
	return code != EXIT_OK ? code : done == l->count ? EXIT_OK : done > 0 ? EXIT_PARTIAL : EXIT_FAILED;
}

static int verify(struct reassign *x)
{
	struct partition_list l = { 0 };
	int code = load_plan(&l, x->file);

	x->asks_dirs = plan_names_dirs(&l);
	if (code == EXIT_OK)
		code = follow_up(x, &l, true);
	if (code == EXIT_OK)
		code = compare_with_plan(x, &l);
	plan_fini(&l);
	return code;
}

/* Those that move between brokers: of what is named, or of all (none is). */
static void list_moving(const struct list_partition_reassignments_response *r, const struct partition_list *named, struct partition_list *l)
{
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; named->count == 0 && p < r->topics[t].partitions_count; p++)
			partition_list_add(l, r->topics[t].name, r->topics[t].partitions[p].partition_index);
	}
	for (int i = 0; i < named->count; i++) {
		if (is_moving(r, &named->items[i]))
			partition_list_add(l, slice_str(named->items[i].topic), named->items[i].partition);
	}
}

/* Of what is named, else of all. What is named and does not move at all the controller names, unless something else did between directories. */
static int cancel(struct reassign *x)
{
	struct partition_list named = { 0 }, moving = { 0 };
	struct now n = { 0 };
	int ended = 0, done = 0, code = x->name_count > 0 ? partition_list_read(&named, x->client, x->names, x->name_count) : EXIT_OK;

	x->asks_dirs = true;
	if (code == EXIT_OK)
		code = now_ask(x, &n);
	if (code == EXIT_OK) {
		list_moving(n.moving, &named, &moving);
		ended = all_dirs_cancel(&n.dirs, x->client, named.items, named.count, &code);
		if (ended > 0)
			fprintf(stderr, "%d replica%s moving between log directories: stopped\n", ended, ended == 1 ? " was" : "s were");
		done = ended;
		if (moving.count > 0 || (named.count > 0 && ended == 0 && code == EXIT_OK)) {
			int submitted = submit(x, named.count > 0 && ended == 0 ? &named : &moving);
			done += submitted == EXIT_OK || submitted == EXIT_PARTIAL;
			code = tool_both(code, submitted);
		} else if (ended == 0 && code == EXIT_OK) {
			fputs("nothing is moving\n", stderr);
		}
	}
	now_fini(&n);
	partition_list_fini(&named);
	partition_list_fini(&moving);
	return tool_sum_up(done, code);
}

/* ---- command line ---- */

static void set_mode(struct reassign *x, enum mode mode)
{
	x->is_mixed |= x->mode != MODE_NONE && x->mode != mode;
	x->mode = mode;
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct reassign *x, int argc, char **argv)
{
	enum { OPT_BROKERS = 256, OPT_EXECUTE, OPT_VERIFY, OPT_THROTTLE, OPT_STATUS, OPT_CANCEL, OPT_WAIT };
	static const struct option options[] = {
		{ "topics", required_argument, NULL, 't' },
		{ "brokers", required_argument, NULL, OPT_BROKERS }, { "replication-factor", required_argument, NULL, 'r' },
		{ "execute", required_argument, NULL, OPT_EXECUTE }, { "verify", required_argument, NULL, OPT_VERIFY },
		{ "throttle", required_argument, NULL, OPT_THROTTLE }, { "status", no_argument, NULL, OPT_STATUS },
		{ "cancel", no_argument, NULL, OPT_CANCEL }, { "wait", no_argument, NULL, OPT_WAIT },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "t:r:o:h", options, NULL)) != -1) {
		bool ok = true;
		switch (c) {
		case 't': x->topics = optarg; set_mode(x, MODE_PLAN); break;
		case OPT_BROKERS: x->brokers = optarg; set_mode(x, MODE_PLAN); break;
		case 'r': ok = value_int(optarg, 1, INT16_MAX, &x->replication_factor); set_mode(x, MODE_PLAN); break;
		case OPT_EXECUTE: x->file = optarg; set_mode(x, MODE_EXECUTE); break;
		case OPT_VERIFY: x->file = optarg; set_mode(x, MODE_VERIFY); break;
		case OPT_THROTTLE: ok = value_int(optarg, 1, INT64_MAX, &x->throttle); break;
		case OPT_STATUS: set_mode(x, MODE_STATUS); break;
		case OPT_CANCEL: set_mode(x, MODE_CANCEL); break;
		case OPT_WAIT: x->wait = true; break;
		case 'o': x->ndjson = strcmp(optarg, "ndjson") == 0; ok = x->ndjson || strcmp(optarg, "text") == 0; break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("cluster reassign");
		}
		if (!ok)
			return tool_bad_value("cluster reassign", c == 'o' ? "text or ndjson" : c == 'r' ? "a number from 1 to 32767" : "bytes a second, from 1");
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

static int check(const struct reassign *x)
{
	if (x->mode == MODE_NONE || x->is_mixed)
		return tool_usage("cluster reassign", "give one of --topics, --execute, --verify, --status and --cancel");
	if (x->mode == MODE_PLAN && x->topics == NULL)
		return tool_usage("cluster reassign", "a plan needs --topics");
	if (x->name_count > 0 && x->mode != MODE_CANCEL)
		return tool_usage("cluster reassign", "names go with --cancel");
	if (x->wait && x->mode != MODE_EXECUTE && x->mode != MODE_VERIFY && x->mode != MODE_STATUS)
		return tool_usage("cluster reassign", "--wait goes with --execute, --verify and --status");
	if (x->throttle > 0 && x->mode != MODE_EXECUTE)
		return tool_usage("cluster reassign", "--throttle goes with --execute");
	return EXIT_OK;
}

int tool_reassign(int argc, char **argv)
{
	static int (*const runs[])(struct reassign *x) = {
		[MODE_PLAN] = plan, [MODE_EXECUTE] = execute, [MODE_VERIFY] = verify, [MODE_STATUS] = status, [MODE_CANCEL] = cancel,
	};
	struct reassign x = { 0 };
	int code = parse(&x, argc, argv);

	if (code == EXIT_OK)
		code = check(&x);
	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	x.client = tool_connect(&code);
	if (x.client != NULL)
		code = runs[x.mode](&x);
	client_destroy(&x.client);
	if (!tool_flush() && code == EXIT_OK)
		code = EXIT_FAILED;
	return code;
}
