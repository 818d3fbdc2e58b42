/*
 * skein group: deleting, and the command line of all its verbs. What shows groups: group_show.c; what changes offsets: group_offsets.c.
 */
#include "group.h"

#include <stdio.h>

#include "tool.h"

static const char help[] =
	"Usage: skein group list [OPTION...]\n"
	"       skein group lag [OPTION...] [GROUP...]\n"
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
	"      --execute            reset: do it; without, what would be done is shown, and at a terminal\n"
	"                           asked for\n"
	"  -y, --yes                reset: the same as --execute; delete, delete-offsets: do not ask\n"
	"      --dry-run            reset, delete: only show what would be done\n"
	"  -o, --output FORMAT      list, lag, describe, reset: text, wide (more columns), json (an array)\n"
	"                           or ndjson (an object per line). Without it list prints a table to a\n"
	"                           terminal, and into pipes and files the names alone, one per line\n"
	TOOL_BOOTSTRAP_HELP
	"\nLag is told in records, by offsets, and in time: how old the first record is that the group has\n"
	"not consumed, by the record's own timestamp. lag without names tells of all groups, the largest\n"
	"lag first; with names of their partitions.\n"
	"Offsets can be changed while nobody is in the group. Without topics reset takes all that the group\n"
	"has committed.\n"
	"\nExamples:\n"
	"  skein group lag\n"
	"  skein group lag billing -o ndjson\n"
	"  skein group describe billing\n"
	"  skein group reset billing orders --to beginning --execute\n"
	"  skein group reset billing orders:0 --shift -100\n"
	"  skein group delete billing --yes\n";

/* ---- delete ---- */

/* What deleting it would take along; a group with members is not deleted. */
static int show_what_goes(struct group *x, const char *name)
{
	const struct describe_groups_response_group *g;
	struct group_offsets l = { .count = 0 };
	struct client_call *answer;
	struct client_error error;
	int code;

	if (admin_describe_group(x->client, name, GROUP_TIMEOUT_MS, &answer, &g, &error) != OK)
		return tool_fail(&error);
	code = group_offsets_read(&l, x->client, name);
	if (code == EXIT_OK && g->members_count > 0)
		printf("group %s has %d member%s and would not be deleted\n", name, g->members_count, g->members_count == 1 ? "" : "s");
	else if (code == EXIT_OK)
		printf("group %s with its %d committed offset%s would be deleted\n", name, l.count, l.count == 1 ? "" : "s");
	group_offsets_fini(&l);
	admin_answer_destroy(&answer);
	return code;
}

static int dry_delete(struct group *x)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		int result = show_what_goes(x, x->names[i]);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	return tool_sum_up(done, code);
}

static int delete(struct group *x)
{
	int done = 0, code = EXIT_OK;

	if (x->dry_run)
		return dry_delete(x);
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
	{ "list",           group_list,           0, 0,         "list takes no names" },
	{ "lag",            group_lag,            0, INT32_MAX, "" },
	{ "describe",       group_describe,       1, INT32_MAX, "describe needs a group's name" },
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

static const char *wanted_of(int option)
{
	switch (option) {
	case 's': return "Stable, Empty, PreparingRebalance, CompletingRebalance or Dead";
	case 't': return "beginning, end, current, an offset, or @" VALUE_TIMES;
	case 'o': return SHOW_OUTPUTS;
	default:  return "a number of records, with - for back";
	}
}

/* EXIT_OK: go on. -1: help was printed. */
static int parse(struct group *x, int argc, char **argv)
{
	enum { OPT_SHIFT = 256, OPT_EXECUTE, OPT_DRY_RUN };
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "members", no_argument, NULL, 'm' }, { "to", required_argument, NULL, 't' },
		{ "shift", required_argument, NULL, OPT_SHIFT }, { "execute", no_argument, NULL, OPT_EXECUTE },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
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
		case OPT_DRY_RUN: x->dry_run = true; break;
		case 'o': ok = show_output_of(optarg, &x->output); break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("group");
		}
		if (!ok)
			return tool_bad_value("group", wanted_of(c));
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
		return tool_usage("group", "say what to do: list, lag, describe, reset, delete or delete-offsets");
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
