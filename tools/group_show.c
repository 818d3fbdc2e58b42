/*
 * skein group list, lag, describe: who is there, what they have committed, and how far behind that is, in records and in time.
 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/nearest.h"
#include "client/client_call.h"
#include "look.h"
#include "table.h"
#include "tool.h"
#include "wire/gen/consumer_protocol_assignment.h"

#define LOOK_MS      10000
#define AGE_ROUNDS   16		/* Fetches of which each brings at least one partition of a leader what is missing */
#define NEAR_TIMEOUT_MS 2000	/* nobody waits long for a hint */
#define TRIES        5		/* leaders and coordinators move */

/* ---- looking ---- */

/* All that was asked for is there; is_named: the groups named too. */
static bool is_whole(const struct look *l, char **names, int count)
{
	for (int i = 0; i < l->broker_count; i++) {
		if (l->brokers[i].is != NULL && l->brokers[i].error.err != OK)
			return false;
	}
	for (int i = 0; i < count; i++) {
		const struct look_group *g = look_group_of(l, slice_str(names[i]));

		if (g == NULL || !g->has_offsets)
			return false;
		for (int k = 0; k < g->offset_count; k++) {
			const struct look_topic *t = look_topic_of(l, g->offsets[k].topic);

			if (t != NULL && g->offsets[k].end < 0)
				return false;
		}
	}
	return true;
}

/* EXIT_OK; EXIT_PARTIAL after saying who has not told; or why there is nothing, and *out is NULL. names: none, all groups. */
static int look_at(struct group *x, char **names, int count, struct look **out)
{
	struct look_spec spec = { .parts = LOOK_ENDS | LOOK_STARTS | LOOK_GROUPS | LOOK_MEMBERS | LOOK_AGES, .timeout_ms = LOOK_MS,
				  .groups = (const char *const *)names, .group_count = count, .is_narrow = true, .age_rounds = AGE_ROUNDS };
	int code = EXIT_OK;

	for (int n = 1; ; n++) {
		look_begin(out, x->client, &spec);
		look_wait(*out);
		if (is_whole(*out, names, count) || n == TRIES)
			break;
		look_end(out);
		os_sleep_ms(os_real(), 200);
	}
	if ((*out)->error.err != OK) {
		code = tool_fail(&(*out)->error);
		look_end(out);
		return code;
	}
	for (int i = 0; i < (*out)->broker_count; i++) {
		const struct look_broker *b = &(*out)->brokers[i];

		if (b->is != NULL && b->error.err != OK) {
			tool_say("broker %d does not tell: %s", b->id, b->error.text);
			code = EXIT_PARTIAL;
		}
	}
	return code;
}

static void add_json_seconds(struct strbuf *out, int64_t ms)
{
	if (ms < 0)
		strbuf_add_str(out, "null");
	else
		strbuf_printf(out, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

/* ---- all groups ---- */

static void group_object(struct show_list *list, const struct look_group *g)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"group\":");
	show_json_string(&out, g->id);
	strbuf_add_str(&out, ",\"state\":");
	show_json_string(&out, g->state);
	strbuf_add_str(&out, ",\"protocol_type\":");
	show_json_string(&out, g->protocol_type);
	strbuf_printf(&out, ",\"coordinator\":%d,\"members\":", g->coordinator);
	show_json_number(&out, g->members);
	strbuf_printf(&out, ",\"partitions\":%d,\"lag\":", g->offset_count);
	show_json_number(&out, g->lag);
	strbuf_add_str(&out, ",\"lag_seconds\":");
	add_json_seconds(&out, g->age_ms);
	strbuf_add_char(&out, '}');
	show_object(list, &out);
	strbuf_fini(&out);
}

static void group_row(struct group *x, struct table *t, const struct look_group *g)
{
	char text[SHOW_TEXT_SIZE];

	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(g->id));
	table_add(t, slice_eq_str(g->state, "Stable") || slice_eq_str(g->state, "Empty") ? TABLE_PLAIN : TABLE_WARN, SLICE_FMT, SLICE_ARG(g->state));
	table_add(t, TABLE_PLAIN, "%s", show_number(text, g->members));
	if (x->output == SHOW_WIDE) {
		table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(g->protocol_type));
		table_add(t, TABLE_PLAIN, "%d", g->coordinator);
	}
	table_add(t, TABLE_PLAIN, "%d", g->offset_count);
	table_add(t, g->lag > 0 && g->members == 0 ? TABLE_WARN : TABLE_PLAIN, "%s", show_number(text, g->lag));
	table_add(t, TABLE_PLAIN, "%s", show_age(text, g->age_ms));
}

static int by_lag(const void *a, const void *b)
{
	const struct look_group *const *x = a, *const *y = b;

	return (*x)->lag != (*y)->lag ? ((*x)->lag < (*y)->lag) - ((*x)->lag > (*y)->lag) : slice_cmp((*x)->id, (*y)->id);
}

static void show_groups(struct group *x, const struct look_group *const *groups, int count)
{
	static const struct table_column few[] = {
		{ .head = "group", .width_min = 16 }, { .head = "state", .rank = 3, .width_min = 6 }, { .head = "members", .is_number = true, .rank = 4 },
		{ .head = "partitions", .is_number = true, .rank = 5 }, { .head = "lag", .is_number = true, .rank = 1 }, { .head = "lag time", .is_number = true, .rank = 2 },
	}, wide[] = {
		{ .head = "group" }, { .head = "state" }, { .head = "members", .is_number = true }, { .head = "type" }, { .head = "coordinator", .is_number = true },
		{ .head = "partitions", .is_number = true }, { .head = "lag", .is_number = true }, { .head = "lag time", .is_number = true },
	};
	struct table_form form = table_form_stdout();
	struct show_list list = { .output = x->output };
	struct strbuf out = STRBUF_INIT;
	struct table t;

	form.width = x->output == SHOW_WIDE ? 0 : form.width;
	table_init(&t, x->output == SHOW_WIDE ? wide : few, x->output == SHOW_WIDE ? (int)ARRAY_LEN(wide) : (int)ARRAY_LEN(few));
	for (int i = 0; i < count; i++) {
		if (x->state != NULL && !slice_eq_str(groups[i]->state, x->state))
			continue;
		if (show_is_json(x->output))
			group_object(&list, groups[i]);
		else
			group_row(x, &t, groups[i]);
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	else
		table_format(&t, &form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
	table_fini(&t);
}

/* ---- list ---- */

struct listing {
	char **names;
	int    count, room;
};

static void take_group(void *arg, const struct list_groups_response_group *g)
{
	struct listing *l = arg;

	if (l->count == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 64;
		l->names = mem_realloc_array(l->names, (size_t)l->room, sizeof(*l->names));
	}
	l->names[l->count++] = mem_strndup((const char *)g->group_id.ptr, g->group_id.len);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names alone, as scripts read them: one question to each broker. */
static int list_names(struct group *x)
{
	struct listing l = { .count = 0 };
	struct client_error error;
	int code = EXIT_OK;

	if (admin_list_groups(x->client, x->state, take_group, &l, GROUP_TIMEOUT_MS, &error) != OK)
		code = tool_fail(&error);
	if (l.count > 0)
		qsort(l.names, (size_t)l.count, sizeof(*l.names), by_text);
	for (int i = 0; i < l.count; i++) {
		struct strbuf line = STRBUF_INIT;

		value_add_visible(&line, slice_str(l.names[i]));	/* a name may hold a newline; json has it as it is */
		puts(strbuf_cstr(&line));
		strbuf_fini(&line);
		free(l.names[i]);
	}
	free(l.names);
	return tool_sum_up(l.count, code);
}

int group_list(struct group *x)
{
	struct look *l;
	int code;

	if (x->output == SHOW_DEFAULT && !isatty(STDOUT_FILENO))
		return list_names(x);
	code = look_at(x, NULL, 0, &l);
	if (l != NULL)
		show_groups(x, (const struct look_group *const *)l->groups, l->group_count);
	look_end(&l);
	return code;
}

/* ---- the partitions of a group ---- */

static void offset_object(struct show_list *list, const struct look *l, const struct look_group *g, const struct look_offset *o)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"group\":");
	show_json_string(&out, g->id);
	strbuf_add_str(&out, ",\"topic\":");
	show_json_string(&out, o->topic);
	strbuf_printf(&out, ",\"partition\":%d,\"committed\":", o->partition);
	show_json_number(&out, o->committed);
	strbuf_add_str(&out, ",\"end\":");
	show_json_number(&out, o->end);
	strbuf_add_str(&out, ",\"lag\":");
	show_json_number(&out, o->lag);
	strbuf_add_str(&out, ",\"lag_seconds\":");
	add_json_seconds(&out, look_age(l, o));
	if (o->member != NULL) {
		strbuf_add_str(&out, ",\"member\":");
		show_json_string(&out, o->member->id);
		strbuf_add_str(&out, ",\"host\":");
		show_json_string(&out, o->member->host);
		strbuf_add_str(&out, ",\"client_id\":");
		show_json_string(&out, o->member->client_id);
	}
	strbuf_add_char(&out, '}');
	show_object(list, &out);
	strbuf_fini(&out);
}

static void offset_row(struct table *t, const struct look *l, const struct look_offset *o)
{
	char text[SHOW_TEXT_SIZE];

	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(o->topic));
	table_add(t, TABLE_PLAIN, "%d", o->partition);
	table_add(t, TABLE_PLAIN, "%s", show_number(text, o->committed));
	table_add(t, TABLE_PLAIN, "%s", show_number(text, o->end));
	table_add(t, o->lag > 0 && o->member == NULL ? TABLE_WARN : TABLE_PLAIN, "%s", show_number(text, o->lag));
	table_add(t, TABLE_PLAIN, "%s", show_age(text, look_age(l, o)));
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(o->member != NULL ? o->member->id : SLICE_EMPTY));
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(o->member != NULL ? o->member->host : SLICE_EMPTY));
}

static void show_offsets(struct group *x, struct show_list *list, const struct look *l, const struct look_group *g, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ .head = "topic", .width_min = 16 }, { .head = "partition", .is_number = true }, { .head = "committed", .is_number = true, .rank = 5 },
		{ .head = "end", .is_number = true, .rank = 4 }, { .head = "lag", .is_number = true }, { .head = "lag time", .is_number = true, .rank = 1 },
		{ .head = "member", .rank = 2, .width_min = 12 }, { .head = "host", .rank = 3 },
	};
	struct table_form form = table_form_stdout();
	struct table t;

	form.indent = 2;
	form.width = x->output == SHOW_WIDE ? 0 : form.width;
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	for (int i = 0; i < g->offset_count; i++) {
		if (show_is_json(x->output))
			offset_object(list, l, g, &g->offsets[i]);
		else
			offset_row(&t, l, &g->offsets[i]);
	}
	if (table_rows(&t) > 0)
		table_format(&t, &form, out);
	table_fini(&t);
}

/* ---- lag ---- */

static void show_lag(struct group *x, struct show_list *list, const struct look *l, const struct look_group *g)
{
	struct strbuf out = STRBUF_INIT;
	char lag[SHOW_TEXT_SIZE], age[SHOW_TEXT_SIZE];

	if (!show_is_json(x->output))
		strbuf_printf(&out, SLICE_FMT"  "SLICE_FMT"  %d member%s  lag %s record%s, %s\n", SLICE_ARG(g->id), SLICE_ARG(g->state), MAX(g->members, 0),
			      g->members == 1 ? "" : "s", show_number(lag, g->lag), g->lag == 1 ? "" : "s", show_age(age, g->age_ms));
	show_offsets(x, list, l, g, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
}

/* Where a group is not there: names the one whose name is the nearest. code comes back. */
static int say_nearest(struct group *x, const char *name, int code)
{
	struct listing l = { .count = 0 };
	struct client_error error;
	struct nearest near;

	if (code != EXIT_NOT_FOUND)
		return code;
	nearest_init(&near, slice_str(name));
	if (admin_list_groups(x->client, NULL, take_group, &l, NEAR_TIMEOUT_MS, &error) == OK) {
		for (int i = 0; i < l.count; i++)
			nearest_offer(&near, slice_str(l.names[i]));
	}
	if (!slice_is_null(near.name))
		tool_say("the nearest group is "SLICE_FMT, SLICE_ARG(near.name));
	for (int i = 0; i < l.count; i++)
		free(l.names[i]);
	free(l.names);
	return code;
}

/* A group that was not found by looking: by asking for it, which tells why. */
static int tell_why_it_is_missing(struct group *x, const char *name)
{
	const struct describe_groups_response_group *g;
	struct client_call *answer;
	struct client_error error;

	if (admin_describe_group(x->client, name, GROUP_TIMEOUT_MS, &answer, &g, &error) != OK)
		return say_nearest(x, name, tool_fail(&error));
	admin_answer_destroy(&answer);
	tool_say("group %s: its offsets have not been told; try again", name);
	return EXIT_FAILED;
}

int group_lag(struct group *x)
{
	struct show_list list = { .output = x->output };
	struct look *l;
	int done = 0, code = look_at(x, x->names, x->name_count, &l);

	if (l == NULL)
		return code;
	if (x->name_count == 0) {
		if (l->group_count > 0)
			qsort(l->groups, (size_t)l->group_count, sizeof(struct look_group *), by_lag);
		show_groups(x, (const struct look_group *const *)l->groups, l->group_count);
		look_end(&l);
		return code;
	}
	for (int i = 0; i < x->name_count; i++) {
		const struct look_group *g = look_group_of(l, slice_str(x->names[i]));

		if (g == NULL || !g->has_offsets)
			code = tool_both(code, tell_why_it_is_missing(x, x->names[i]));
		else
			show_lag(x, &list, l, g);
		done += g != NULL && g->has_offsets;
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	look_end(&l);
	return tool_sum_up(done, code);
}

/* ---- describe --members ---- */

static void member_object(struct show_list *list, const struct describe_groups_response_group *g, int32_t i, const struct consumer_protocol_assignment *mine)
{
	const struct describe_groups_response_member *m = &g->members[i];
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"group\":");
	show_json_string(&out, g->group_id);
	strbuf_add_str(&out, ",\"member\":");
	show_json_string(&out, m->member_id);
	strbuf_add_str(&out, ",\"host\":");
	show_json_string(&out, m->client_host);
	strbuf_add_str(&out, ",\"client_id\":");
	show_json_string(&out, m->client_id);
	if (!slice_is_null(m->group_instance_id)) {
		strbuf_add_str(&out, ",\"instance_id\":");
		show_json_string(&out, m->group_instance_id);
	}
	strbuf_add_str(&out, ",\"partitions\":{");
	for (int32_t t = 0; t < mine->assigned_partitions_count; t++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &mine->assigned_partitions[t];

		strbuf_add_str(&out, t > 0 ? "," : "");
		show_json_string(&out, p->topic);
		strbuf_add_str(&out, ":[");
		show_ids(&out, p->partitions, p->partitions_count);
		strbuf_add_char(&out, ']');
	}
	strbuf_add_str(&out, "}}");
	show_object(list, &out);
	strbuf_fini(&out);
}

static void member_row(struct table *t, const struct describe_groups_response_member *m, const struct consumer_protocol_assignment *mine)
{
	struct strbuf reads = STRBUF_INIT;

	for (int32_t i = 0; i < mine->assigned_partitions_count; i++) {
		const struct consumer_protocol_assignment_assigned_partition *p = &mine->assigned_partitions[i];

		strbuf_printf(&reads, "%s"SLICE_FMT":", i > 0 ? " " : "", SLICE_ARG(p->topic));
		show_ids(&reads, p->partitions, p->partitions_count);
	}
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(m->member_id));
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(m->client_host));
	table_add(t, TABLE_PLAIN, "%s", strbuf_cstr(&reads));
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(slice_is_null(m->group_instance_id) ? SLICE_EMPTY : m->group_instance_id));
	strbuf_fini(&reads);
}

/* What a member reads is known only to those that follow the consumer's protocol. */
static void show_members(struct group *x, struct show_list *list, const struct describe_groups_response_group *g, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ .head = "member", .width_min = 16 }, { .head = "host", .rank = 1 }, { .head = "reads", .width_min = 20 }, { .head = "instance", .rank = 2, .width_min = 8 },
	};
	struct table_form form = table_form_stdout();
	struct arena arena;
	struct table t;

	form.indent = 2;
	form.width = x->output == SHOW_WIDE ? 0 : form.width;
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	arena_init(&arena, 64u << 20);
	for (int32_t i = 0; i < g->members_count; i++) {
		struct consumer_protocol_assignment mine = { .assigned_partitions_count = 0 };
		struct reader r = reader_of(g->members[i].member_assignment);
		int16_t version = slice_eq_str(g->protocol_type, "consumer") ? get_i16(&r) : -1;

		if (r.failed || version < 0 || !consumer_protocol_assignment_decode(&mine, &r, MIN(version, 3), &arena))
			mine.assigned_partitions_count = 0;
		if (show_is_json(x->output))
			member_object(list, g, i, &mine);
		else
			member_row(&t, &g->members[i], &mine);
	}
	if (table_rows(&t) > 0)
		table_format(&t, &form, out);
	arena_fini(&arena);
	table_fini(&t);
}

/* ---- describe ---- */

static int describe_one(struct group *x, struct show_list *list, char *name)
{
	const struct describe_groups_response_group *g;
	struct strbuf out = STRBUF_INIT;
	struct look *l = NULL;
	struct client_call *answer;
	struct client_error error;
	int code = EXIT_OK;

	if (admin_describe_group(x->client, name, GROUP_TIMEOUT_MS, &answer, &g, &error) != OK)
		return say_nearest(x, name, tool_fail(&error));
	if (!show_is_json(x->output))
		strbuf_printf(&out, SLICE_FMT"  "SLICE_FMT"  %d member%s%s"SLICE_FMT"  coordinator %d\n", SLICE_ARG(g->group_id), SLICE_ARG(g->group_state),
			      g->members_count, g->members_count == 1 ? "" : "s", g->protocol_data.len > 0 ? "  protocol " : "",
			      SLICE_ARG(g->protocol_data), answer->node_id);
	if (x->members)
		show_members(x, list, g, &out);
	else
		code = look_at(x, &name, 1, &l);
	const struct look_group *seen = l != NULL ? look_group_of(l, slice_str(name)) : NULL;

	if (seen != NULL && seen->has_offsets)
		show_offsets(x, list, l, seen, &out);
	else if (l != NULL)
		code = tool_both(code, tell_why_it_is_missing(x, name));
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
	look_end(&l);
	admin_answer_destroy(&answer);
	return code;
}

int group_describe(struct group *x)
{
	struct show_list list = { .output = x->output };
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < x->name_count; i++) {
		int result = describe_one(x, &list, x->names[i]);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	return tool_sum_up(done, code);
}
