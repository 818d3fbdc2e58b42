/*
 * skein cluster dirs: what lies in which log directory of each broker, and what moves from one to another.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "show.h"
#include "tool.h"

#define BROKER_TIMEOUT_MS 10000		/* of one of them; the help says so */

static void add_bytes(struct strbuf *out, int64_t bytes)
{
	char text[SHOW_TEXT_SIZE];

	strbuf_printf(out, "  %9s", show_bytes(text, bytes));
}

/* The lines of what is being moved there stand below their directory. */
static void add_text(struct strbuf *out, int32_t broker, const struct describe_log_dirs_response_result *d)
{
	struct strbuf moving = STRBUF_INIT;
	int64_t bytes = 0;
	int replicas = 0;

	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			bytes += p->partition_size;
			replicas += !p->is_future_key;
			if (p->is_future_key)
				strbuf_printf(&moving, "          moves in: " SLICE_FMT ":%d, %" PRId64 " records to go\n", SLICE_ARG(d->topics[t].name), p->partition_index,
					      p->offset_lag);
		}
	}
	strbuf_printf(out, "  %6d  %-30.*s", broker, SLICE_ARG(d->log_dir));
	if (d->error_code != NONE) {
		strbuf_printf(out, "  %s\n", d->error_code == KAFKA_STORAGE_ERROR ? "failed" : kafka_error_name(d->error_code));
	} else {
		strbuf_printf(out, "  %8d", replicas);
		add_bytes(out, bytes);
		add_bytes(out, d->usable_bytes);
		add_bytes(out, d->total_bytes);
		strbuf_add_char(out, '\n');
	}
	strbuf_add(out, moving.ptr, moving.len);
	strbuf_fini(&moving);
}

static void add_json(struct strbuf *out, int32_t broker, const struct describe_log_dirs_response_result *d)
{
	bool is_first = true;

	strbuf_printf(out, "{\"broker\":%d,\"dir\":", broker);
	show_json_string(out, d->log_dir);
	strbuf_printf(out, ",\"error\":\"%s\",\"total_bytes\":%" PRId64 ",\"usable_bytes\":%" PRId64 ",\"replicas\":[", kafka_error_name(d->error_code), d->total_bytes,
		      d->usable_bytes);
	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			strbuf_add_str(out, is_first ? "{\"topic\":" : ",{\"topic\":");
			is_first = false;
			show_json_string(out, d->topics[t].name);
			strbuf_printf(out, ",\"partition\":%d,\"bytes\":%" PRId64 ",\"lag\":%" PRId64 ",\"moves_in\":%s}", p->partition_index, p->partition_size, p->offset_lag,
				      p->is_future_key ? "true" : "false");
		}
	}
	strbuf_add_str(out, "]}\n");
}

static int compare_dirs(const void *a, const void *b)
{
	const struct describe_log_dirs_response_result *x = *(void *const *)a, *y = *(void *const *)b;

	return slice_cmp(x->log_dir, y->log_dir);
}

/* *answered: counts it. */
static int one_broker(struct client *c, int32_t broker, bool ndjson, struct strbuf *out, int *answered)
{
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
		if (ndjson)
			add_json(out, broker, d);
		else
			add_text(out, broker, d);
	}
	free(dirs);
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

int cluster_dirs(struct client *c, bool ndjson)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	struct strbuf out = STRBUF_INIT;
	int failed = EXIT_OK, silent = EXIT_OK, answered = 0;

	if (admin_describe_topics(c, NULL, 0, CLUSTER_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	if (!ndjson)
		strbuf_add_str(&out, "  broker  directory                       replicas       size       free         of\n");
	for (int32_t i = 0; i < r->brokers_count; i++) {
		int before = answered, one = one_broker(c, r->brokers[i].node_id, ndjson, &out, &answered);

		if (answered == before)
			silent = tool_both(silent, one);
		else if (one != EXIT_OK)
			failed = one;
	}
	if (say_who_is_missing(r))
		silent = tool_both(silent, EXIT_UNREACHABLE);
	fwrite(out.ptr, 1, out.len, stdout);
	strbuf_fini(&out);
	admin_answer_destroy(&answer);
	return silent != EXIT_OK ? tool_sum_up(answered, silent) : failed;
}
