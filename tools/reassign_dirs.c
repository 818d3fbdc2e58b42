#include "reassign_dirs.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cluster.h"
#include "tool.h"

#define BROKER_TIMEOUT_MS 10000

static void add_places(struct all_dirs *a, int32_t broker, const struct describe_log_dirs_response_result *d)
{
	for (int32_t t = 0; t < d->topics_count; t++) {
		for (int32_t i = 0; i < d->topics[t].partitions_count; i++) {
			const struct describe_log_dirs_response_partition *p = &d->topics[t].partitions[i];

			if (a->count == a->room) {
				a->room = MAX(2 * a->room, 64);
				a->places = mem_realloc_array(a->places, (size_t)a->room, sizeof(*a->places));
			}
			a->places[a->count++] = (struct replica_place){
				broker, p->partition_index, d->topics[t].name, d->log_dir, p->is_future_key, p->offset_lag,
			};
		}
	}
}

void all_dirs_ask(struct all_dirs *a, struct client *c, const struct metadata_response *m)
{
	*a = (struct all_dirs){ .answers = mem_calloc((size_t)m->brokers_count + 1, sizeof(struct client_call *)) };
	for (int32_t i = 0; i < m->brokers_count; i++) {
		const struct describe_log_dirs_response *r;
		struct client_error error;

		if (admin_describe_log_dirs(c, m->brokers[i].node_id, BROKER_TIMEOUT_MS, &a->answers[a->answer_count], &r, &error) != OK) {
			tool_say("broker %d does not tell what moves between its log directories: %s", m->brokers[i].node_id, error.text);
			a->silent_count++;
			continue;
		}
		a->answer_count++;
		for (int32_t d = 0; d < r->results_count; d++)
			add_places(a, m->brokers[i].node_id, &r->results[d]);
	}
}

void all_dirs_fini(struct all_dirs *a)
{
	for (int i = 0; i < a->answer_count; i++)
		admin_answer_destroy(&a->answers[i]);
	free(a->answers);
	free(a->places);
	*a = (struct all_dirs){ 0 };
}

static void add_move(struct strbuf *out, const struct replica_place *p, bool ndjson)
{
	if (!ndjson) {
		strbuf_printf(out, SLICE_FMT ":%d  on broker %d into " SLICE_FMT "  records to go: %" PRId64 "\n", SLICE_ARG(p->topic), p->partition, p->broker,
			      SLICE_ARG(p->dir), p->lag);
		return;
	}
	strbuf_add_str(out, "{\"topic\":");
	show_json_string(out, p->topic);
	strbuf_printf(out, ",\"partition\":%d,\"broker\":%d,\"into\":", p->partition, p->broker);
	show_json_string(out, p->dir);
	strbuf_printf(out, ",\"records_to_go\":%" PRId64 "}\n", p->lag);
}

int all_dirs_moving(const struct all_dirs *a, bool ndjson, struct strbuf *out)
{
	int n = 0;

	for (int i = 0; i < a->count; i++) {
		if (!a->places[i].is_future)
			continue;
		n++;
		if (out != NULL)
			add_move(out, &a->places[i], ndjson);
	}
	return n;
}

static bool is_of(const struct replica_place *place, const struct admin_partition *p)
{
	return place->partition == p->partition && slice_eq_str(place->topic, p->topic);
}

bool all_dirs_are_as_planned(const struct all_dirs *a, const struct admin_partition *p, bool *moves)
{
	int wanted = 0, placed = 0;

	*moves = false;
	for (int32_t k = 0; k < p->replica_count && p->log_dirs != NULL; k++)
		wanted += p->log_dirs[k] != NULL;
	for (int i = 0; wanted > 0 && i < a->count; i++) {
		const struct replica_place *place = &a->places[i];

		for (int32_t k = 0; is_of(place, p) && k < p->replica_count; k++) {
			bool is_there = place->broker == p->replicas[k] && p->log_dirs[k] != NULL && slice_eq_str(place->dir, p->log_dirs[k]);

			placed += is_there && !place->is_future;
			*moves |= is_there && place->is_future;
		}
	}
	return placed == wanted;
}

static bool is_named(const struct replica_place *place, const struct admin_partition *partitions, int count)
{
	for (int i = 0; i < count; i++) {
		if (is_of(place, &partitions[i]))
			return true;
	}
	return count == 0;
}

/* Where a replica lies now that moves; NULL: its broker has not told. */
static const struct replica_place *lies_at(const struct all_dirs *a, const struct replica_place *moving)
{
	for (int i = 0; i < a->count; i++) {
		const struct replica_place *p = &a->places[i];

		if (!p->is_future && p->broker == moving->broker && p->partition == moving->partition && slice_eq(p->topic, moving->topic))
			return p;
	}
	return NULL;
}

int all_dirs_cancel(const struct all_dirs *a, struct client *c, const struct admin_partition *partitions, int count, int *code)
{
	int n = 0;

	*code = a->silent_count > 0 ? EXIT_UNREACHABLE : EXIT_OK;
	for (int i = 0; i < a->count; i++) {
		const struct replica_place *p = &a->places[i];
		const struct replica_place *now = p->is_future && is_named(p, partitions, count) ? lies_at(a, p) : NULL;
		struct client_error error;

		if (now == NULL)
			continue;
		char *topic = mem_strndup((const char *)p->topic.ptr, p->topic.len), *dir = mem_strndup((const char *)now->dir.ptr, now->dir.len);

		if (admin_place_replica(c, p->broker, topic, p->partition, dir, CLUSTER_TIMEOUT_MS, &error) == OK)
			n++;
		else
			*code = tool_both(*code, tool_fail(&error));
		free(topic);
		free(dir);
	}
	return n;
}
