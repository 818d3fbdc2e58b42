/*
 * skein cluster dirs: what lies in which log directory of each broker, and what moves from one to another.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "look.h"
#include "table.h"
#include "tool.h"

#define BROKER_TIMEOUT_MS 10000		/* of one of them; the help says so */

/* What is being moved there has rows of its own below its directory. */
static void add_rows(struct table *table, int32_t broker, const struct describe_log_dirs_response_result *d)
{
	char size[SHOW_TEXT_SIZE], usable[SHOW_TEXT_SIZE], total[SHOW_TEXT_SIZE];
	bool is_failed = d->error_code != NONE;
	int64_t bytes = 0;
	int replicas = 0;

	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			bytes = look_sum(bytes, d->topics[t].partitions[i].partition_size);
			replicas += !d->topics[t].partitions[i].is_future_key;
		}
	}
	table_add(table, TABLE_PLAIN, "%d", broker);
	table_add(table, is_failed ? TABLE_BAD : TABLE_PLAIN, SLICE_FMT, SLICE_ARG(d->log_dir));
	if (is_failed)
		table_add(table, TABLE_BAD, "%s", d->error_code == KAFKA_STORAGE_ERROR ? "failed" : kafka_error_name(d->error_code));
	else
		table_add(table, TABLE_PLAIN, "%d", replicas);
	table_add(table, TABLE_PLAIN, "%s", is_failed ? "" : show_bytes(size, bytes));
	table_add(table, TABLE_PLAIN, "%s", is_failed ? "" : show_bytes(usable, d->usable_bytes));
	table_add(table, TABLE_PLAIN, "%s", is_failed ? "" : show_bytes(total, d->total_bytes));
}

static void add_moves(struct strbuf *out, const struct describe_log_dirs_response_result *d)
{
	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			if (p->is_future_key)
				strbuf_printf(out, "  moves into " SLICE_FMT ": " SLICE_FMT ":%d, %" PRId64 " records to go\n", SLICE_ARG(d->log_dir),
					      SLICE_ARG(d->topics[t].name), p->partition_index, p->offset_lag);
		}
	}
}

static void add_json(struct strbuf *out, int32_t broker, const struct describe_log_dirs_response_result *d)
{
	bool is_first = true;

	strbuf_printf(out, "{\"broker\":%d,\"dir\":", broker);
	show_json_string(out, d->log_dir);
	strbuf_printf(out, ",\"error\":\"%s\",\"total_bytes\":%" PRId64 ",\"usable_bytes\":%" PRId64 ",\"replicas\":[",
			kafka_error_name(d->error_code), d->total_bytes,
		      d->usable_bytes);
	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			strbuf_add_str(out, is_first ? "{\"topic\":" : ",{\"topic\":");
			is_first = false;
			show_json_string(out, d->topics[t].name);
			strbuf_printf(out, ",\"partition\":%d,\"bytes\":%" PRId64 ",\"lag\":%" PRId64 ",\"moves_in\":%s}",
					p->partition_index, p->partition_size, p->offset_lag,
				      p->is_future_key ? "true" : "false");
		}
	}
	strbuf_add_str(out, "]}");
}

static int compare_dirs(const void *a, const void *b)
{
	const struct describe_log_dirs_response_result *x = *(void *const *)a, *y = *(void *const *)b;

	return slice_cmp(x->log_dir, y->log_dir);
}

/* What is told is collected, or goes out as objects. */
struct shown {
	struct table     table;
	struct strbuf    moves;
	struct show_list list;
};

/* *answered: counts it. */
static int one_broker(struct client *c, int32_t broker, struct shown *s, int *answered)
{
	struct strbuf object = STRBUF_INIT;
	struct client_call *answer;
	const struct describe_log_dirs_response *r;
	struct client_error error;
	int code = EXIT_OK;

	if (admin_describe_log_dirs(c, broker, BROKER_TIMEOUT_MS, &answer, &r, &error) != OK) {
		tool_say("broker %d does not tell: %s", broker, error.text);
		return tool_exit_code(&error);
	}
	*answered += 1;
	const void **dirs = show_sorted(r->results, r->results_count, sizeof(*r->results), compare_dirs);

	for (int32_t i = 0; i < r->results_count; i++) {
		const struct describe_log_dirs_response_result *d = dirs[i];

		code = d->error_code != NONE ? EXIT_FAILED : code;
		strbuf_reset(&object);
		if (show_is_json(s->list.output)) {
			add_json(&object, broker, d);
			show_object(&s->list, &object);
		} else {
			add_rows(&s->table, broker, d);
			add_moves(&s->moves, d);
		}
	}
	free(dirs);
	strbuf_fini(&object);
	admin_answer_destroy(&answer);
	return code;
}

static bool is_there(const struct metadata_response *r, int32_t broker)
{
	for (int32_t i = 0; i < r->brokers_count; i++) {
		if (r->brokers[i].node_id == broker)
			return true;
	}
	return false;
}

/* Who has replicas and is not there cannot be asked: each is named once. True: there are such. */
static bool say_who_is_missing(const struct metadata_response *r)
{
	int32_t said = -1;	/* up to this id */

	while (true) {
		int32_t next = INT32_MAX;

		for (int32_t t = 0; t < r->topics_count; t++) {
			for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
				const struct metadata_response_partition *one = &r->topics[t].partitions[p];

				for (int32_t i = 0; i < one->replica_nodes_count; i++) {
					if (one->replica_nodes[i] > said && one->replica_nodes[i] < next && !is_there(r, one->replica_nodes[i]))
						next = one->replica_nodes[i];
				}
			}
		}
		if (next == INT32_MAX)
			return said >= 0;
		tool_say("broker %d does not tell: it is offline", next);
		said = next;
	}
}

static void print_text(const struct shown *s)
{
	struct table_form form = table_form_stdout();
	struct strbuf out = STRBUF_INIT;

	form.indent = 2;
	form.width = s->list.output == SHOW_WIDE ? 0 : form.width;
	table_format(&s->table, &form, &out);
	strbuf_add(&out, strbuf_cstr(&s->moves), s->moves.len);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
}

int cluster_dirs(struct client *c, enum show_output output)
{
	static const struct table_column columns[] = {
		{ .head = "broker", .is_number = true }, { .head = "directory", .width_min = 20 }, { .head = "replicas", .is_number = true },
		{ .head = "size", .is_number = true, .rank = 2 }, { .head = "free", .is_number = true, .rank = 1 },
		{ .head = "of", .is_number = true, .rank = 3 },
	};
	struct shown s = { .list = { .output = output } };
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int failed = EXIT_OK, silent = EXIT_OK, answered = 0;

	if (admin_describe_topics(c, NULL, 0, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	table_init(&s.table, columns, (int)ARRAY_LEN(columns));
	for (int32_t i = 0; i < r->brokers_count; i++) {
		int before = answered, one = one_broker(c, r->brokers[i].node_id, &s, &answered);

		if (answered == before)
			silent = tool_both(silent, one);
		else if (one != EXIT_OK)
			failed = one;
	}
	if (say_who_is_missing(r))
		silent = tool_both(silent, EXIT_UNREACHABLE);
	if (show_is_json(output))
		show_list_end(&s.list);
	else
		print_text(&s);
	table_fini(&s.table);
	strbuf_fini(&s.moves);
	admin_answer_destroy(&answer);
	return silent != EXIT_OK ? tool_sum_up(answered, silent) : failed;
}
