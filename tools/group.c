/*
 * skein group: list, describe, reset, delete, delete-offsets.
 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/client_call.h"
#include "show.h"
#include "tool.h"
#include "wire/gen/consumer_protocol_assignment.h"

static const char help[] =
	"Usage: skein group list [OPTION...]\n"
	"       skein group describe [OPTION...] GROUP...\n"
	"       skein group reset --to WHERE [OPTION...] GROUP [TOPIC[:PARTITION]...]\n"
	"       skein group delete [OPTION...] GROUP...\n"
	"       skein group delete-offsets [OPTION...] GROUP TOPIC[:PARTITION]...\n\n"
	"  -s, --state STATE        list: only groups that are Stable, Empty, PreparingRebalance,\n"
	"                           CompletingRebalance or Dead\n"
	"  -m, --members            describe: who is in the group and what each reads\n"
	"  -t, --to WHERE           reset: beginning, end, current, an OFFSET, or @TIME: the first record not\n"
	"                           older than 2026-11-22T19:28:07Z, 2026-11-22, or milliseconds since 1970\n"
	"      --shift N            reset: so many records forward, or back (-N); alone or after --to\n"
	"      --execute            reset: do it; without, only what would be done is shown\n"
	"  -y, --yes                delete, delete-offsets: do not ask\n"
	"  -o, --output FORMAT      list, describe, reset: text (default) or ndjson (an object per line)\n"
	TOOL_BOOTSTRAP_HELP
	"\nOffsets can be changed while nobody is in the group. Without topics reset takes all that the group\n"
	"has committed.\n"
	"\nExamples:\n"
	"  skein group describe billing\n"
	"  skein group reset billing orders --to beginning --execute\n"
	"  skein group reset billing orders:0 --shift -100\n"
	"  skein group delete billing --yes\n";

/* ---- list ---- */

struct listing {
	const struct group *x;
	struct strbuf       line;
	char              **lines;
	int                 count, room;
};

static void take_group(void *arg, const struct list_groups_response_group *g)
{
	struct listing *l = arg;

	strbuf_reset(&l->line);
	if (l->x->ndjson) {
		strbuf_add_str(&l->line, "{\"group\":");
		show_json_string(&l->line, g->group_id);
		strbuf_add_str(&l->line, ",\"state\":");
		show_json_string(&l->line, g->group_state);
		strbuf_add_str(&l->line, ",\"protocol_type\":");
		show_json_string(&l->line, g->protocol_type);
		strbuf_add_char(&l->line, '}');
	} else {
		strbuf_add_slice(&l->line, g->group_id);
	}
	if (l->count == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 64;
		l->lines = mem_realloc_array(l->lines, (size_t)l->room, sizeof(*l->lines));
	}
	l->lines[l->count++] = mem_strdup(strbuf_cstr(&l->line));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(struct group *x)
{
	struct listing l = { .x = x, .line = STRBUF_INIT };
	struct client_error error;
	int code = EXIT_OK;

	if (admin_list_groups(x->client, x->state, take_group, &l, GROUP_TIMEOUT_MS, &error) != OK)
		code = tool_fail(&error);
	if (l.count > 0)
		qsort(l.lines, (size_t)l.count, sizeof(*l.lines), by_text);
	for (int i = 0; i < l.count; i++) {
		puts(l.lines[i]);
		free(l.lines[i]);
	}
	free(l.lines);
	strbuf_fini(&l.line);
	return tool_sum_up(l.count, code);
}

/* ---- describe ---- */

/* What the members of a group read, taken from assignments that only they and their leader understand, as long as these follow the consumer's protocol. */
struct assigned {
	struct arena arena;
	struct consumer_protocol_assignment *of;	/* by member; without partitions where it cannot be read */
};

static void read_assignments(struct assigned *a, const struct describe_groups_response_group *g)
{
	arena_init(&a->arena, 64u << 20);
	a->of = arena_calloc(&a->arena, (size_t)MAX(g->members_count, 1), sizeof(*a->of));
	ASSERT(a->of != NULL);		/* far smaller than the answer that has been read */
	for (int32_t i = 0; slice_eq_str(g->protocol_type, "consumer") && i < g->members_count; i++) {
		struct reader r = reader_of(g->members[i].member_assignment);
		int16_t version = get_i16(&r);

		if (r.failed || version < 0 || !consumer_protocol_assignment_decode(&a->of[i], &r, MIN(version, 3), &a->arena))
			a->of[i].assigned_partitions_count = 0;
	}
}

static int32_t member_of(const struct assigned *a, const struct describe_groups_response_group *g, const struct admin_offset *o)
{
	for (int32_t m = 0; m < g->members_count; m++) {
		for (int32_t t = 0; t < a->of[m].assigned_partitions_count; t++) {
			const struct consumer_protocol_assignment_assigned_partition *p = &a->of[m].assigned_partitions[t];

			for (int32_t i = 0; slice_eq_str(p->topic, o->topic) && i < p->partitions_count; i++) {
				if (p->partitions[i] == o->partition)
					return m;
			}
		}
	}
	return -1;
}

/* Partitions that somebody reads and nobody has committed an offset for. */
static void add_uncommitted(struct group_offsets *l, const struct assigned *a, int32_t members)
{
	int committed = l->count;

	for (int32_t m = 0; m < members; m++) {
		for (int32_t t = 0; t < a->of[m].assigned_partitions_count; t++) {
			const struct consumer_protocol_assignment_assigned_partition *p = &a->of[m].assigned_partitions[t];

			for (int32_t i = 0; i < p->partitions_count; i++) {
				bool is_there = false;

				for (int k = 0; !is_there && k < committed; k++)
					is_there = l->items[k].partition == p->partitions[i] && slice_eq_str(p->topic, l->items[k].topic);
				if (!is_there)
					group_offsets_add(l, p->topic, p->partitions[i], -1);
			}
		}
	}
	group_offsets_sort(l);
}

static void add_number(struct strbuf *out, bool is_json, int64_t n, int width)
{
	if (is_json && n < 0)
		strbuf_add_str(out, "null");
	else if (is_json)
		strbuf_printf(out, "%lld", (long long)n);
	else if (n >= 0)
		strbuf_printf(out, "  %*lld", width, (long long)n);
	else
		strbuf_printf(out, "  %*s", width, "-");
}

static void show_offset(const struct group *x, struct strbuf *out, const struct describe_groups_response_group *g, const struct admin_offset *o,
			int64_t committed, int32_t member)
{
	int64_t end = o->error == NONE ? o->offset : -1, lag = end >= 0 && committed >= 0 ? MAX(end - committed, 0) : -1;
	const struct describe_groups_response_member *m = member >= 0 ? &g->members[member] : NULL;

	if (x->ndjson) {
		strbuf_add_str(out, "{\"group\":");
		show_json_string(out, g->group_id);
		strbuf_printf(out, ",\"topic\":\"%s\",\"partition\":%d,\"committed\":", o->topic, o->partition);
		add_number(out, true, committed, 0);
		strbuf_add_str(out, ",\"end\":");
		add_number(out, true, end, 0);
		strbuf_add_str(out, ",\"lag\":");
		add_number(out, true, lag, 0);
		if (m != NULL) {
			strbuf_add_str(out, ",\"member\":");
			show_json_string(out, m->member_id);
			strbuf_add_str(out, ",\"host\":");
			show_json_string(out, m->client_host);
			strbuf_add_str(out, ",\"client_id\":");
			show_json_string(out, m->client_id);
		}
		strbuf_add_str(out, "}\n");
		return;
	}
	strbuf_printf(out, "  %-24s  %9d", o->topic, o->partition);
	add_number(out, false, committed, 10);
	add_number(out, false, end, 10);
	add_number(out, false, lag, 10);
	if (m != NULL)
		strbuf_printf(out, "  "SLICE_FMT"  "SLICE_FMT, SLICE_ARG(m->member_id), SLICE_ARG(m->client_host));
	strbuf_add_char(out, '\n');
}

static int show_offsets(struct group *x, struct strbuf *out, const struct describe_groups_response_group *g, const struct assigned *a, const char *name)
{
	struct group_offsets l = { .count = 0 };
	struct client_error error;
	int code = group_offsets_read(&l, x->client, name);
	int64_t *committed;

	if (code == EXIT_OK) {
		add_uncommitted(&l, a, g->members_count);
		committed = mem_calloc((size_t)l.count + 1, sizeof(*committed));
		for (int i = 0; i < l.count; i++) {
			committed[i] = l.items[i].offset;
			l.items[i].timestamp = ADMIN_LATEST;
		}
		if (admin_list_offsets(x->client, l.items, l.count, GROUP_TIMEOUT_MS, &error) != OK)
			code = tool_fail(&error);
		if (!x->ndjson && l.count > 0)
			strbuf_printf(out, "  %-24s  %9s  %10s  %10s  %10s  %s\n", "topic", "partition", "committed", "end", "lag", "member");
		for (int i = 0; i < l.count; i++)
			show_offset(x, out, g, &l.items[i], committed[i], member_of(a, g, &l.items[i]));
		free(committed);
	}
	group_offsets_fini(&l);
	return code;
}

static void show_member(const struct group *x, struct strbuf *out, const struct describe_groups_response_group *g, int32_t i, const struct assigned *a)
{
	const struct describe_groups_response_member *m = &g->members[i];
	const struct consumer_protocol_assignment *mine = &a->of[i];

	if (x->ndjson) {
		strbuf_add_str(out, "{\"group\":");
		show_json_string(out, g->group_id);
		strbuf_add_str(out, ",\"member\":");
		show_json_string(out, m->member_id);
		strbuf_add_str(out, ",\"host\":");
		show_json_string(out, m->client_host);
		strbuf_add_str(out, ",\"client_id\":");
		show_json_string(out, m->client_id);
		if (!slice_is_null(m->group_instance_id)) {
			strbuf_add_str(out, ",\"instance_id\":");
			show_json_string(out, m->group_instance_id);
		}
		strbuf_add_str(out, ",\"partitions\":{");
	} else {
		strbuf_printf(out, "  "SLICE_FMT"  "SLICE_FMT, SLICE_ARG(m->member_id), SLICE_ARG(m->client_host));
		if (!slice_is_null(m->group_instance_id))
			strbuf_printf(out, "  instance "SLICE_FMT, SLICE_ARG(m->group_instance_id));
		strbuf_add_char(out, ' ');
	}
	for (int32_t t = 0; t < mine->assigned_partitions_count; t++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &mine->assigned_partitions[t];

		if (x->ndjson) {
			strbuf_add_str(out, t > 0 ? "," : "");
			show_json_string(out, p->topic);
			strbuf_add_str(out, ":[");
		} else {
			strbuf_printf(out, " "SLICE_FMT":", SLICE_ARG(p->topic));
		}
		show_ids(out, p->partitions, p->partitions_count);
		strbuf_add_str(out, x->ndjson ? "]" : "");
	}
	strbuf_add_str(out, x->ndjson ? "}}\n" : "\n");
}

static int describe_one(struct group *x, const char *name)
{
	const struct describe_groups_response_group *g;
	struct strbuf out = STRBUF_INIT;
	struct client_call *answer;
	struct client_error error;
	struct assigned a;
	int code = EXIT_OK;

	if (admin_describe_group(x->client, name, GROUP_TIMEOUT_MS, &answer, &g, &error) != OK)
		return tool_fail(&error);
	read_assignments(&a, g);
	if (!x->ndjson)
		strbuf_printf(&out, SLICE_FMT"  "SLICE_FMT"  %d member%s%s"SLICE_FMT"  coordinator %d\n", SLICE_ARG(g->group_id), SLICE_ARG(g->group_state),
			      g->members_count, g->members_count == 1 ? "" : "s", g->protocol_data.len > 0 ? "  protocol " : "",
			      SLICE_ARG(g->protocol_data), answer->node_id);
	if (x->members) {
		for (int32_t i = 0; i < g->members_count; i++)
			show_member(x, &out, g, i, &a);
	} else {
		code = show_offsets(x, &out, g, &a, name);
	}
	fwrite(out.ptr, 1, out.len, stdout);
	strbuf_fini(&out);
	arena_fini(&a.arena);
	admin_answer_destroy(&answer);
	return code;
}

static int describe(struct group *x)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		int result = describe_one(x, x->names[i]);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	return tool_sum_up(done, code);
}

/* ---- delete ---- */

static int delete(struct group *x)
{
	int done = 0, code = EXIT_OK;

	if (!tool_confirm(x->yes, "Delete these groups with all their offsets?", "deleting a group deletes its offsets"))
		return EXIT_FAILED;
	for (int i = 0; i < x->name_count; i++) {
		struct client_error error;

		if (admin_delete_group(x->client, x->names[i], GROUP_TIMEOUT_MS, &error) == OK)
			done++;
		else
			code = tool_both(code, tool_fail(&error));
	}
	return tool_sum_up(done, code);
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int       (*run)(struct group *x);
	int         names_min, names_max;
	const char *wants;
} verbs[] = {
	{ "list",           list,                 0, 0,         "list takes no names" },
	{ "describe",       describe,             1, INT32_MAX, "describe needs a group's name" },
	{ "reset",          group_reset,          1, INT32_MAX, "reset needs a group's name" },
	{ "delete",         delete,               1, INT32_MAX, "delete needs a group's name" },
	{ "delete-offsets", group_delete_offsets, 2, INT32_MAX, "delete-offsets needs a group's name and topics" },
};

static bool set_to(struct group *x, const char *text)
{
	x->has_to = true;
	x->is_current = strcmp(text, "current") == 0;
	return x->is_current || value_start(text, &x->to);
}

static bool set_state(struct group *x, const char *text)
{
	static const char *const states[] = { "Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Dead" };

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strcasecmp(text, states[i]) == 0) {
			x->state = states[i];
			return true;
		}
	}
	return false;
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct group *x, int argc, char **argv)
{
	enum { OPT_SHIFT = 256, OPT_EXECUTE };
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "members", no_argument, NULL, 'm' }, { "to", required_argument, NULL, 't' },
		{ "shift", required_argument, NULL, OPT_SHIFT }, { "execute", no_argument, NULL, OPT_EXECUTE },
		{ "yes", no_argument, NULL, 'y' }, { "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = tool_getopt(argc, argv, "s:mt:yo:h", options, NULL)) != -1) {
		bool ok = true;

		switch (c) {
		case 's': ok = set_state(x, optarg); break;
		case 'm': x->members = true; break;
		case 't': ok = set_to(x, optarg); break;
		case OPT_SHIFT: x->has_shift = true; ok = value_int(optarg, INT64_MIN, INT64_MAX, &x->shift); break;
		case OPT_EXECUTE: x->execute = true; break;
		case 'y': x->yes = true; break;
		case 'o': x->ndjson = strcmp(optarg, "ndjson") == 0; ok = x->ndjson || strcmp(optarg, "text") == 0; break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("group");
		}
		if (!ok)
			return tool_usage("group", "\"%s\" is no value for this option", optarg);
	}
	x->names = argv + optind;
	x->name_count = argc - optind;
	return EXIT_OK;
}

int tool_group(int argc, char **argv)
{
	struct group x = { .verb = NULL };
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.name_count == 0)
		return tool_usage("group", "say what to do: list, describe, reset, delete or delete-offsets");
	x.verb = x.names[0];
	x.names++;
	x.name_count--;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(x.verb, verbs[i].name) != 0)
			continue;
		if (x.name_count < verbs[i].names_min || x.name_count > verbs[i].names_max)
			return tool_usage("group", "%s", verbs[i].wants);
		if (verbs[i].run == group_reset && !x.has_to && !x.has_shift)
			return tool_usage("group", "reset where? Give --to or --shift");
		x.client = tool_connect(&code);
		if (x.client != NULL)
			code = verbs[i].run(&x);
		client_destroy(&x.client);
		if (!tool_flush() && code == EXIT_OK)
			code = EXIT_FAILED;
		return code;
	}
	return tool_usage("group", "there is no \"%s\"", x.verb);
}
