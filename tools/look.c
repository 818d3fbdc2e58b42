/*
 * First the cluster is described; then all brokers are asked at once, each about the partitions it leads, its directories and its groups. Answers stay with their calls
 * until the look ends, so that what is said of topics and groups need not be copied.
 */
#include "look_priv.h"

#include <stdlib.h>

#include "show.h"
#include "tool.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/list_offsets.h"

enum { LATEST = -1, EARLIEST = -2 };	/* of ListOffsets */

/* ---- calls ---- */

void *look_alloc(struct look *l, size_t n, size_t size)
{
	void *p = arena_calloc(&l->arena, MAX(n, 1u), size);

	if (p == NULL) {
		tool_say("the cluster is too large to look at: more than %u MiB", LOOK_BYTES_MAX >> 20);
		exit(EXIT_FAILED);
	}
	return p;
}

void *call_alloc(struct client_call *call, size_t n, size_t size)
{
	void *p = arena_calloc(&call->arena, MAX(n, 1u), size);

	ASSERT(p != NULL);	/* smaller than the answer that named them */
	return p;
}

struct client_call *look_call(struct look *l, enum api_key key, void (*on_done)(struct client_call *call))
{
	struct client_call *call = client_call_create(l->client, key, on_done, l);

	if (l->call_count == l->call_room) {
		l->call_room = MAX(2 * l->call_room, 32);
		l->calls = mem_realloc_array(l->calls, (size_t)l->call_room, sizeof(*l->calls));
	}
	l->calls[l->call_count++] = call;
	return call;
}

void look_send(struct look *l, struct client_call *call, int32_t node_id)
{
	l->pending++;
	client_call_send(call, node_id, MAX(l->until - os_mono_ms(client_os(l->client)), 1));
}

bool look_came_home(struct client_call *call)
{
	struct look *l = call->owner;
	struct look_broker *b = look_broker_of(l, call->node_id);

	l->pending--;
	if (call->error.err == OK)
		return true;
	if (b != NULL && b->error.err == OK)
		b->error = call->error;
	return false;
}

/* ---- finding ---- */

struct look_topic *look_topic_of(const struct look *l, struct slice name)
{
	int low = 0, high = l->topic_count;

	while (low < high) {
		int middle = low + (high - low) / 2, order = slice_cmp(l->topics[middle].name, name);

		if (order == 0)
			return &l->topics[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct look_partition *look_partition_of(const struct look_topic *t, int32_t number)
{
	int low = 0, high = t->partition_count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (t->partitions[middle].is->partition_index == number)
			return &t->partitions[middle];
		if (t->partitions[middle].is->partition_index < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct look_broker *look_broker_of(const struct look *l, int32_t id)
{
	for (int i = 0; i < l->broker_count; i++) {
		if (l->brokers[i].id == id)
			return &l->brokers[i];
	}
	return NULL;
}

int64_t look_sum(int64_t sum, int64_t more)
{
	if (more < 0)
		return sum;
	return __builtin_add_overflow(MAX(sum, 0), more, &sum) ? INT64_MAX : sum;
}

bool look_is_known(const struct look_broker *b)
{
	return b->is != NULL && b->error.err == OK;
}

/* ---- where logs begin and end ---- */

static void take_offset(struct look *l, struct slice topic, const struct list_offsets_response_partition *p, bool is_end)
{
	struct look_topic *t = look_topic_of(l, topic);
	struct look_partition *x = t != NULL ? look_partition_of(t, p->partition_index) : NULL;

	if (x == NULL || p->error_code != NONE)
		return;
	if (is_end)
		x->end = MAX(p->offset, -1);
	else
		x->start = MAX(p->offset, -1);
}

static void take_offsets(struct client_call *call, bool is_end)
{
	struct look *l = call->owner;
	const struct list_offsets_response *r = call->response;

	if (!look_came_home(call))
		return;
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++)
			take_offset(l, r->topics[t].name, &r->topics[t].partitions[p], is_end);
	}
	l->at = os_mono_ms(client_os(l->client));
	l->time = os_time_ms(client_os(l->client));
}

static void on_ends(struct client_call *call)
{
	take_offsets(call, true);
}

static void on_starts(struct client_call *call)
{
	take_offsets(call, false);
}

static void ask_offsets(struct look *l, const struct look_broker *b, int64_t timestamp)
{
	struct client_call *call = look_call(l, API_LIST_OFFSETS, timestamp == LATEST ? on_ends : on_starts);
	struct list_offsets_request *m = call->request;
	struct list_offsets_request_partition *parts = call_alloc(call, (size_t)b->leads, sizeof(*parts));
	int n = 0;

	m->replica_id = -1;
	m->topics = call_alloc(call, (size_t)MIN(l->topic_count, b->leads), sizeof(*m->topics));
	for (int t = 0; t < l->topic_count; t++) {
		int first = n;

		for (int32_t p = 0; p < l->topics[t].partition_count; p++) {
			const struct metadata_response_partition *is = l->topics[t].partitions[p].is;

			if (is->leader_id != b->id || (l->is_narrow && !l->topics[t].partitions[p].is_wanted))
				continue;
			list_offsets_request_partition_init(&parts[n]);
			parts[n].partition_index = is->partition_index;
			parts[n++].timestamp = timestamp;
		}
		if (n > first)
			m->topics[m->topics_count++] = (struct list_offsets_request_topic){ .name = l->topics[t].name,
					.partitions = &parts[first], .partitions_count = n - first };
	}
	if (n > 0)
		look_send(l, call, b->id);
}

static void ask_logs(struct look *l)
{
	for (int i = 0; i < l->broker_count; i++) {
		const struct look_broker *b = &l->brokers[i];

		if ((l->parts & LOOK_ENDS) && b->is != NULL && b->leads > 0)
			ask_offsets(l, b, LATEST);
		if ((l->parts & LOOK_STARTS) && b->is != NULL && b->leads > 0)
			ask_offsets(l, b, EARLIEST);
	}
}

/* ---- sizes ---- */

static void take_size(struct look *l, int32_t broker, struct slice topic, const struct describe_log_dirs_response_partition *p)
{
	struct look_topic *t = look_topic_of(l, topic);
	struct look_partition *x = t != NULL && !p->is_future_key ? look_partition_of(t, p->partition_index) : NULL;

	if (x == NULL)
		return;
	if (x->is->leader_id == broker)
		x->bytes = MAX(p->partition_size, -1);
	x->bytes_all = look_sum(x->bytes_all, p->partition_size);
}

static void on_dirs(struct client_call *call)
{
	struct look *l = call->owner;
	struct look_broker *b = look_broker_of(l, call->node_id);
	const struct describe_log_dirs_response *r = call->response;

	if (!look_came_home(call) || b == NULL)
		return;
	if (r->error_code != NONE)
		client_error_set_kafka(&b->error, r->error_code, "list of log directories", SLICE_NULL);
	for (int32_t i = 0; i < r->results_count; i++) {
		const struct describe_log_dirs_response_result *d = &r->results[i];
		struct look_dir dir = { .broker = b->id, .path = d->log_dir, .error = d->error_code, .bytes_total = d->total_bytes,
				.bytes_usable = d->usable_bytes };

		for (int32_t t = 0; t < d->topics_count; t++) {
			for (int32_t p = 0; p < d->topics[t].partitions_count; p++) {
				take_size(l, b->id, d->topics[t].name, &d->topics[t].partitions[p]);
				dir.bytes = look_sum(dir.bytes, d->topics[t].partitions[p].partition_size);
				dir.replicas += !d->topics[t].partitions[p].is_future_key;
			}
		}
		b->dirs++;
		b->dirs_failed += d->error_code != NONE;
		b->bytes = look_sum(b->bytes, dir.bytes);
		b->bytes_total = look_sum(b->bytes_total, dir.bytes_total);
		b->bytes_usable = look_sum(b->bytes_usable, dir.bytes_usable);
		if (l->dir_count == l->dir_room) {
			l->dir_room = MAX(2 * l->dir_room, 8);
			l->dirs = mem_realloc_array(l->dirs, (size_t)l->dir_room, sizeof(*l->dirs));
		}
		l->dirs[l->dir_count++] = dir;
	}
}

static void ask_dirs(struct look *l, const struct look_broker *b)
{
	struct client_call *call = look_call(l, API_DESCRIBE_LOG_DIRS, on_dirs);

	((struct describe_log_dirs_request *)call->request)->topics_count = -1;		/* null: all */
	look_send(l, call, b->id);
}

/* ---- the description ---- */

static struct look_broker *broker_row(struct look *l, int32_t id)
{
	int at = 0;

	while (at < l->broker_count && l->brokers[at].id < id)
		at++;
	if (at < l->broker_count && l->brokers[at].id == id)
		return &l->brokers[at];
	l->brokers = mem_realloc_array(l->brokers, (size_t)l->broker_count + 1, sizeof(*l->brokers));
	memmove(&l->brokers[at + 1], &l->brokers[at], (size_t)(l->broker_count - at) * sizeof(*l->brokers));
	l->broker_count++;
	l->brokers[at] = (struct look_broker){ .id = id, .bytes = -1, .bytes_total = -1, .bytes_usable = -1 };
	return &l->brokers[at];
}

static void take_partition(struct look *l, struct look_topic *t, const struct metadata_response_partition *p)
{
	t->partitions[t->partition_count++] = (struct look_partition){ .is = p, .start = -1, .end = -1, .bytes = -1, .bytes_all = -1 };
	t->offline += p->leader_id < 0;
	t->behind += p->isr_nodes_count < p->replica_nodes_count;
	if (p->leader_id >= 0)
		broker_row(l, p->leader_id)->leads++;
	for (int32_t i = 0; i < p->replica_nodes_count; i++)
		broker_row(l, p->replica_nodes[i])->holds++;
}

static void take_topic(struct look *l, const struct metadata_response_topic *is)
{
	struct look_topic *t = &l->topics[l->topic_count++];
	const void **parts = show_sorted(is->partitions, is->partitions_count, sizeof(*is->partitions), show_by_partition);

	*t = (struct look_topic){ .is = is, .name = is->name, .partitions = look_alloc(l, (size_t)MAX(is->partitions_count, 0), sizeof(*t->partitions)) };
	for (int32_t i = 0; i < is->partitions_count; i++)
		take_partition(l, t, parts[i]);
	free(parts);
	l->partition_count += t->partition_count;
	l->offline += t->offline;
	l->behind += t->behind;
}

/* Where a log begins changes with retention only. A topic that was not there began at 0 not long ago. */
static void carry_starts(struct look *l)
{
	for (int i = 0; i < l->topic_count; i++) {
		struct look_topic *t = &l->topics[i];
		const struct look_topic *was = look_topic_of(l->before, t->name);

		for (int32_t p = 0; p < t->partition_count; p++) {
			const struct look_partition *q = was != NULL ? look_partition_of(was, t->partitions[p].is->partition_index) : NULL;

			t->partitions[p].start = q != NULL ? q->start : 0;
		}
	}
}

static void on_description(struct client_call *call)
{
	struct look *l = call->owner;
	const struct metadata_response *r = call->response;

	if (!look_came_home(call)) {
		l->error = call->error;
		return;
	}
	l->cluster_id = slice_is_null(r->cluster_id) ? SLICE_EMPTY : r->cluster_id;
	l->controller = r->controller_id;
	l->at = os_mono_ms(client_os(l->client));
	l->time = os_time_ms(client_os(l->client));
	for (int32_t i = 0; i < r->brokers_count; i++)
		broker_row(l, r->brokers[i].node_id)->is = &r->brokers[i];
	const void **topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);

	l->topics = look_alloc(l, (size_t)MAX(r->topics_count, 0), sizeof(*l->topics));
	for (int32_t i = 0; i < r->topics_count; i++)
		take_topic(l, topics[i]);
	free(topics);
	if (l->before != NULL && !(l->parts & LOOK_STARTS))
		carry_starts(l);
	if (!l->is_narrow)
		ask_logs(l);
	for (int i = 0; i < l->broker_count; i++) {
		const struct look_broker *b = &l->brokers[i];

		if (b->is == NULL)
			continue;
		if (l->parts & LOOK_DIRS)
			ask_dirs(l, b);
		if (l->parts & LOOK_GROUPS)
			look_ask_groups(l, b->id);
	}
}

/* ---- life ---- */

void look_begin(struct look **out, struct client *c, const struct look_spec *spec)
{
	struct look *l = mem_calloc(1, sizeof(*l));

	l->client = c;
	l->parts = spec->parts;
	l->began = l->at = os_mono_ms(client_os(c));
	l->until = l->began + spec->timeout_ms;
	l->controller = -1;
	l->group_names = spec->groups;
	l->group_name_count = spec->group_count;
	l->is_narrow = spec->is_narrow;
	l->before = spec->before;
	l->age_rounds = (spec->parts & LOOK_AGES) ? spec->age_rounds : 0;
	arena_init(&l->arena, LOOK_BYTES_MAX);
	struct client_call *call = look_call(l, API_METADATA, on_description);

	((struct metadata_request *)call->request)->topics_count = -1;		/* null: all */
	((struct metadata_request *)call->request)->allow_auto_topic_creation = false;
	look_send(l, call, NODE_ANY);
	*out = l;
}

static void sum_up_topic(struct look *l, struct look_topic *t)
{
	t->records = t->ends = 0;
	t->bytes = t->bytes_all = -1;
	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct look_partition *p = &t->partitions[i];

		l->has_gaps |= p->is->leader_id >= 0 && (p->start < 0 || p->end < 0);
		t->ends = t->ends < 0 || p->end < 0 ? -1 : look_sum(t->ends, p->end);
		t->records = t->records < 0 || p->end < 0 || p->start < 0 ? -1 : look_sum(t->records, MAX(p->end - p->start, 0));
		t->bytes = look_sum(t->bytes, p->bytes);
		t->bytes_all = look_sum(t->bytes_all, p->bytes_all);
	}
}

bool look_is_done(struct look *l)
{
	if (l->is_done || l->pending > 0)
		return l->is_done;
	if (l->is_narrow && !l->has_narrowed) {
		l->has_narrowed = true;
		look_want_partitions(l);
		ask_logs(l);
		if (l->pending > 0)
			return false;
	}
	if ((l->parts & LOOK_GROUPS) && look_weigh_groups(l))
		return false;
	l->before = NULL;
	l->is_done = true;
	for (int i = 0; i < l->topic_count; i++)
		sum_up_topic(l, &l->topics[i]);
	return true;
}

void look_wait(struct look *l)
{
	while (!look_is_done(l) && !tool_is_stopped())
		client_step(l->client, 1000);
}

void look_end(struct look **lp)
{
	struct look *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	for (int i = 0; i < l->call_count; i++)
		client_call_destroy(&l->calls[i]);
	free(l->calls);
	free(l->brokers);
	free(l->dirs);
	free(l->groups);
	arena_fini(&l->arena);
	free(l);
}

/* ---- rates ---- */

static double rate(const struct look *now, const struct look *before, int64_t n, int64_t was)
{
	return before == NULL || now->at <= before->at || n < 0 || was < 0 || n < was ? -1 : (double)(n - was) * 1000 / (double)(now->at - before->at);
}

double look_partition_rate(const struct look *now, const struct look *before, const struct look_topic *t, int32_t partition)
{
	const struct look_topic *u = before != NULL ? look_topic_of(before, t->name) : NULL;
	const struct look_partition *p = look_partition_of(t, partition), *q = u != NULL ? look_partition_of(u, partition) : NULL;

	return p != NULL && q != NULL ? rate(now, before, p->end, q->end) : -1;
}

/* Partitions that were not there before began at 0. */
double look_records_rate(const struct look *now, const struct look *before, const struct look_topic *t)
{
	const struct look_topic *u = before != NULL ? look_topic_of(before, t->name) : NULL;
	double sum = 0;

	if (before == NULL || before->error.err != OK)
		return -1;
	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct look_partition *q = u != NULL ? look_partition_of(u, t->partitions[i].is->partition_index) : NULL;
		double one = rate(now, before, t->partitions[i].end, q != NULL ? q->end : 0);

		if (one < 0)
			return -1;
		sum += one;
	}
	return sum;
}

/* What is deleted or compacted meanwhile makes a partition smaller: such partitions count for nothing. */
double look_bytes_rate(const struct look *now, const struct look *before, const struct look_topic *t)
{
	const struct look_topic *u = before != NULL ? look_topic_of(before, t->name) : NULL;
	double sum = -1;

	for (int32_t i = 0; u != NULL && i < t->partition_count; i++) {
		const struct look_partition *q = look_partition_of(u, t->partitions[i].is->partition_index);
		double one = q != NULL ? rate(now, before, t->partitions[i].bytes, q->bytes) : -1;

		if (q != NULL && t->partitions[i].bytes >= 0 && q->bytes >= 0)
			sum = MAX(sum, 0) + MAX(one, 0);
	}
	return sum;
}
