/*
 * skein group reset and delete-offsets: what changes the offsets a group has committed.
 *
 * A new offset is never outside of what the log holds: beyond one end it becomes that end. Nothing is committed before all of it is known.
 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster.h"
#include "table.h"
#include "tool.h"

/* ---- lists ---- */

void group_offsets_add(struct group_offsets *l, struct slice topic, int32_t partition, int64_t offset)
{
	if (l->count == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 64;
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	l->items[l->count++] = (struct admin_offset){ .topic = mem_strndup((const char *)topic.ptr, topic.len), .partition = partition, .offset = offset };
}

static int by_topic_and_partition(const void *a, const void *b)
{
	const struct admin_offset *x = a, *y = b;
	int order = strcmp(x->topic, y->topic);

	return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

void group_offsets_sort(struct group_offsets *l)
{
	if (l->count > 0)
		qsort(l->items, (size_t)l->count, sizeof(*l->items), by_topic_and_partition);
}

void group_offsets_fini(struct group_offsets *l)
{
	for (int i = 0; i < l->count; i++)
		free((char *)(uintptr_t)l->items[i].topic);
	free(l->items);
}

int group_offsets_read(struct group_offsets *l, struct client *c, const char *group)
{
	const struct offset_fetch_response *r;
	struct client_call *answer;
	struct client_error error;

	if (admin_fetch_offsets(c, group, GROUP_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			if (r->topics[t].partitions[p].error_code == NONE)
				group_offsets_add(l, r->topics[t].name, r->topics[t].partitions[p].partition_index,
						  r->topics[t].partitions[p].committed_offset);
		}
	}
	group_offsets_sort(l);
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

/* The partitions that the words name, with what the group has committed for them; -1: nothing. */
static int read_named(struct group_offsets *l, const struct group_offsets *committed, struct client *c, char **words, int count)
{
	struct partition_list named = { .count = 0 };
	int code = partition_list_read(&named, c, words, count);

	for (int i = 0; code == EXIT_OK && i < named.count; i++) {
		struct admin_offset key = { .topic = named.items[i].topic, .partition = named.items[i].partition };
		const struct admin_offset *o = committed->count > 0
			? bsearch(&key, committed->items, (size_t)committed->count, sizeof(key), by_topic_and_partition) : NULL;

		group_offsets_add(l, slice_str(key.topic), key.partition, o != NULL ? o->offset : -1);
	}
	partition_list_fini(&named);
	return code;
}

/* ---- reset ---- */

/* What is known of the partitions of a reset, by place. */
struct reset {
	struct group_offsets now;		/* committed; -1 nothing */
	struct group_offsets first, end, at;	/* ends of the logs; where the time lies */
};

static int look_up(struct group *x, const struct group_offsets *from, int64_t timestamp, struct group_offsets *to)
{
	struct client_error error;
	int code = EXIT_OK;

	for (int i = 0; i < from->count; i++) {
		group_offsets_add(to, slice_str(from->items[i].topic), from->items[i].partition, -1);
		to->items[i].timestamp = timestamp;
	}
	if (admin_list_offsets(x->client, to->items, to->count, GROUP_TIMEOUT_MS, &error) != OK)
		return tool_fail(&error);
	for (int i = 0; i < to->count; i++) {
		if (to->items[i].error != NONE)
			code = partition_answer(slice_str(to->items[i].topic), to->items[i].partition, to->items[i].error, SLICE_NULL);
	}
	return code;
}

/* Says so where the log does not hold what was asked for. */
static int64_t new_offset(const struct group *x, const struct reset *r, int i)
{
	int64_t first = r->first.items[i].offset, end = r->end.items[i].offset, now = r->now.items[i].offset, to = now >= 0 ? now : end;

	if (x->has_to && !x->is_current) {
		switch (x->to.kind) {
		case START_BEGINNING: to = first; break;
		case START_END:       to = end; break;
		case START_OFFSET:    to = x->to.at; break;
		case START_TIME:      to = r->at.items[i].offset >= 0 ? r->at.items[i].offset : end; break;
		}
	}
	if (x->has_shift && __builtin_add_overflow(to, x->shift, &to))
		to = x->shift > 0 ? INT64_MAX : INT64_MIN;
	int64_t held = MAX(MIN(to, end), first);
	if (held != to && (x->has_shift || (x->has_to && !x->is_current)))
		tool_say("%s:%d holds %lld to %lld: not %lld but %lld is taken", r->now.items[i].topic, r->now.items[i].partition, (long long)first, (long long)end, (long long)to,
			 (long long)held);
	return held;
}

static void show_object_of(struct show_list *list, const struct group *x, const struct admin_offset *was, int64_t to)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"group\":");
	show_json_string(&out, slice_str(x->names[0]));
	strbuf_printf(&out, ",\"topic\":\"%s\",\"partition\":%d,\"was\":", was->topic, was->partition);
	show_json_number(&out, was->offset);
	strbuf_printf(&out, ",\"offset\":%lld}", (long long)to);
	show_object(list, &out);
	strbuf_fini(&out);
}

/* What is to be, or, of what was asked for, what has been done. */
static void show_all(const struct group *x, const struct reset *r, const int64_t *to)
{
	static const struct table_column columns[] = {
		{ .head = "topic", .width_min = 16 }, { .head = "partition", .is_number = true }, { .head = "was", .is_number = true }, { .head = "offset", .is_number = true },
	};
	struct table_form form = table_form_stdout();
	struct show_list list = { .output = x->output };
	struct strbuf out = STRBUF_INIT;
	struct table t;
	char text[SHOW_TEXT_SIZE];

	form.indent = 2;
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	for (int i = 0; i < r->now.count; i++) {
		const struct admin_offset *was = &r->now.items[i];

		if (was->error != NONE)
			continue;
		if (show_is_json(x->output)) {
			show_object_of(&list, x, was, to[i]);
			continue;
		}
		table_add(&t, TABLE_PLAIN, "%s", was->topic);
		table_add(&t, TABLE_PLAIN, "%d", was->partition);
		table_add(&t, TABLE_PLAIN, "%s", show_number(text, was->offset));
		table_add(&t, TABLE_PLAIN, "%lld", (long long)to[i]);
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	else if (table_rows(&t) > 0)
		table_format(&t, &form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
	table_fini(&t);
}

static void swap_offsets(struct reset *r, int64_t *to)
{
	for (int i = 0; i < r->now.count; i++) {
		int64_t was = r->now.items[i].offset;

		r->now.items[i].offset = to[i];
		to[i] = was;
	}
}

/* Says what the coordinator said of each; the exit code of all. */
static int sum_up_answers(const struct admin_offset *offsets, int count)
{
	int done = 0, code = EXIT_OK;

	for (int i = 0; i < count; i++) {
		int result = partition_answer(slice_str(offsets[i].topic), offsets[i].partition, offsets[i].error, SLICE_NULL);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	return tool_sum_up(done, code);
}

/* The answers come into r->now, whose offsets are changed for it and back. */
static int commit(struct group *x, struct reset *r, int64_t *to)
{
	struct client_error error;
	enum err e;

	tool_catch_signals(x->client);		/* one does not leave it half done; a second one does */
	swap_offsets(r, to);
	e = admin_commit_offsets(x->client, x->names[0], r->now.items, r->now.count, GROUP_TIMEOUT_MS, &error);
	swap_offsets(r, to);
	tool_catch_signals(NULL);
	if (e == OK && tool_is_stopped())
		tool_say("it was done when the signal came");
	if (e != OK) {
		for (int i = 0; i < r->now.count; i++)
			r->now.items[i].error = UNKNOWN_SERVER_ERROR;
		if (error.kafka == UNKNOWN_MEMBER_ID || error.kafka == ILLEGAL_GENERATION || error.kafka == REBALANCE_IN_PROGRESS) {
			tool_say("group %s has members; offsets can be changed when all have left", x->names[0]);
			return EXIT_FAILED;
		}
		if (error.err == ERR_TIMEOUT || error.err == ERR_CLOSED)
			tool_say("it may have been done all the same: skein group describe %s tells", x->names[0]);
		return tool_fail(&error);
	}
	return sum_up_answers(r->now.items, r->now.count);
}

/* The command line says that it shall be done. */
static bool is_ordered(const struct group *x)
{
	return (x->execute || x->yes) && !x->dry_run;
}

static int reset_all(struct group *x, struct reset *r)
{
	int64_t *to;
	int code = look_up(x, &r->now, ADMIN_EARLIEST, &r->first);

	if (code == EXIT_OK)
		code = look_up(x, &r->now, ADMIN_LATEST, &r->end);
	if (code == EXIT_OK && x->has_to && !x->is_current && x->to.kind == START_TIME)
		code = look_up(x, &r->now, x->to.at, &r->at);
	if (code != EXIT_OK)
		return code;
	to = mem_calloc((size_t)r->now.count, sizeof(*to));
	for (int i = 0; i < r->now.count; i++) {
		to[i] = new_offset(x, r, i);
		r->now.items[i].error = NONE;
	}
	if (!is_ordered(x)) {
		show_all(x, r, to);
		if (x->dry_run || !isatty(0) || !tool_flush()) {
			tool_say("nothing is changed%s", x->dry_run ? ": --dry-run" : " yet; --execute does it");
		} else if (tool_confirm(false, "Commit these offsets?", "")) {
			code = commit(x, r, to);
		} else {
			tool_say("nothing is changed");
			code = EXIT_FAILED;
		}
	} else {
		code = commit(x, r, to);
		show_all(x, r, to);
	}
	free(to);
	return code;
}

int group_reset(struct group *x)
{
	struct group_offsets committed = { .count = 0 };
	struct reset r = { .now.count = 0 };
	int code = group_offsets_read(&committed, x->client, x->names[0]);

	if (code == EXIT_OK && x->name_count > 1) {
		code = read_named(&r.now, &committed, x->client, x->names + 1, x->name_count - 1);
	} else {
		r.now = committed;
		committed = (struct group_offsets){ .count = 0 };
	}
	if (code == EXIT_OK && r.now.count == 0) {
		tool_say("group %s has committed nothing; name the topics", x->names[0]);
		code = EXIT_NOT_FOUND;
	}
	if (code == EXIT_OK)
		code = reset_all(x, &r);
	group_offsets_fini(&committed);
	group_offsets_fini(&r.now);
	group_offsets_fini(&r.first);
	group_offsets_fini(&r.end);
	group_offsets_fini(&r.at);
	return code;
}

/* ---- delete-offsets ---- */

int group_delete_offsets(struct group *x)
{
	struct group_offsets none = { .count = 0 }, named = { .count = 0 };
	struct client_error error;
	int code;

	if (!tool_confirm(x->yes, "Delete what the group has committed for these topics?", "deleting offsets cannot be undone"))
		return EXIT_FAILED;
	code = read_named(&named, &none, x->client, x->names + 1, x->name_count - 1);
	if (code == EXIT_OK) {
		if (admin_delete_offsets(x->client, x->names[0], named.items, named.count, GROUP_TIMEOUT_MS, &error) != OK)
			code = tool_fail(&error);
		else
			code = sum_up_answers(named.items, named.count);
	}
	group_offsets_fini(&named);
	return code;
}
