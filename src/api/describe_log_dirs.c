/*
 * DescribeLogDirs (35): what lies in which log directory, and how far moves between them have come.
 * From what the replicas publish: nobody is asked.
 */
#include <stdlib.h>

#include "api/api.h"
#include "storage/logdir.h"
#include "wire/gen/describe_log_dirs.h"

struct log_item {
	const struct cluster_topic  *topic;
	int32_t                      partition;
	const struct partition_addr *addr;	/* the picture's; it is used until `end` */
};

struct log_items {
	struct call     *call;
	struct log_item *list;
	int32_t          count, room;
	bool             is_full;	/* the arena's limit */
};

static void add_item(struct log_items *s, const struct cluster_topic *t,
                     const struct cluster_partition *p)
{
	if (p == NULL || p->local == NULL || s->is_full)
		return;
	if (s->count == s->room) {
		int32_t room = MAX(64, s->room * 2);
		struct log_item *list = arena_calloc(&s->call->arena, (size_t)room, sizeof(*list));

		s->is_full = list == NULL;
		if (s->is_full)
			return;
		if (s->count > 0)
			memcpy(list, s->list, (size_t)s->count * sizeof(*list));
		s->list = list;
		s->room = room;
	}
	s->list[s->count++] = (struct log_item){
		t, p->id, CONTAINER_OF(p->local, const struct partition_addr, counted),
	};
}

static void add_topic(void *arg, const struct cluster_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		add_item(arg, t, &t->partitions[i]);
}

static int compare_items(const void *left, const void *right)
{
	const struct log_item *a = left, *b = right;
	int by_name = a->topic == b->topic ? 0 : strcmp(a->topic->name, b->topic->name);

	if (by_name != 0)
		return by_name;
	return a->partition < b->partition ? -1 : a->partition > b->partition;
}

/* Those that were asked for and are here, each once, topics together. */
static void collect(struct call *c, struct log_items *s)
{
	const struct describe_log_dirs_request *r = c->request;
	int32_t kept = 0;

	if (r->topics_count < 0)
		cluster_each_topic(call_cluster(c), add_topic, s);
	for (int32_t t = 0; t < r->topics_count; t++) {
		const struct cluster_topic *topic = cluster_topic(call_cluster(c),
		                                                  r->topics[t].topic);

		for (int32_t p = 0; topic != NULL && p < r->topics[t].partitions_count; p++)
			add_item(s, topic, cluster_topic_partition(topic,
			                                           r->topics[t].partitions[p]));
	}
	if (s->count == 0)
		return;
	qsort(s->list, (size_t)s->count, sizeof(*s->list), compare_items);
	for (int32_t i = 0; i < s->count; i++) {
		if (kept == 0 || compare_items(&s->list[kept - 1], &s->list[i]) != 0)
			s->list[kept++] = s->list[i];
	}
	s->count = kept;
}

/* False: this replica has nothing in that directory. */
static bool describe(const struct log_item *it, const struct logdir *dir,
                     struct describe_log_dirs_response_partition *out)
{
	const struct partition_addr *a = it->addr;
	int64_t end = partition_log_end_offset(a);

	describe_log_dirs_response_partition_init(out);
	out->partition_index = it->partition;
	if (partition_dir(a) == dir) {
		out->partition_size = __atomic_load_n(&a->size_bytes, __ATOMIC_RELAXED);
		out->offset_lag = MAX(partition_high_watermark(a) - end, 0);
		return true;
	}
	if (__atomic_load_n(&a->copy_dir, __ATOMIC_ACQUIRE) != dir)
		return false;
	out->is_future_key = true;
	out->partition_size = __atomic_load_n(&a->copy_size_bytes, __ATOMIC_RELAXED);
	out->offset_lag = end - __atomic_load_n(&a->copy_end_offset, __ATOMIC_RELAXED);
	return true;
}

static bool list_dir(struct call *c, const struct log_items *s, const struct logdir *dir,
                     struct describe_log_dirs_response_result *out)
{
	const struct cluster_topic *last = NULL;
	struct describe_log_dirs_response_partition *parts =
		arena_calloc(&c->arena, (size_t)s->count, sizeof(*parts));

	out->topics = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->topics));
	if (out->topics == NULL || parts == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++) {
		const struct log_item *it = &s->list[i];

		if (!describe(it, dir, parts))
			continue;
		if (it->topic != last) {
			last = it->topic;
			out->topics[out->topics_count].name = slice_of(last->name, last->name_len);
			out->topics[out->topics_count++].partitions = parts;
		}
		out->topics[out->topics_count - 1].partitions_count++;
		parts++;
	}
	return true;
}

static bool describe_dir(struct call *c, const struct log_items *s, struct logdir *dir,
                         struct describe_log_dirs_response_result *out)
{
	uint64_t total, usable;

	describe_log_dirs_response_result_init(out);
	out->log_dir = slice_str(logdir_path(dir));
	if (logdir_is_offline(dir)) {
		out->error_code = KAFKA_STORAGE_ERROR;
		return true;
	}
	if (logdir_space(dir, &total, &usable) == OK) {
		out->total_bytes = (int64_t)MIN(total, (uint64_t)INT64_MAX);
		out->usable_bytes = (int64_t)MIN(usable, (uint64_t)INT64_MAX);
	}
	return list_dir(c, s, dir, out);
}

static void describe_log_dirs_begin(struct call *c)
{
	const struct api_context *api = call_api(c);
	struct describe_log_dirs_response *out = c->response;
	struct log_items s = { .call = c };

	if (!call_authorize(c, ACL_DESCRIBE, ACL_CLUSTER, API_CLUSTER_NAME)) {
		out->error_code = CLUSTER_AUTHORIZATION_FAILED;
		return;
	}
	collect(c, &s);
	out->results = arena_calloc(&c->arena, (size_t)api->dir_count, sizeof(*out->results));
	c->wants_close = s.is_full || out->results == NULL;
	for (int i = 0; !c->wants_close && i < api->dir_count; i++)
		c->wants_close = !describe_dir(c, &s, api->dirs[i],
		                               &out->results[out->results_count++]);
}

API_CODEC(describe_log_dirs)

const struct api_row describe_log_dirs_row = {
	.key = 35, .version_min = 0, .version_max = 4, .name = "DescribeLogDirs",
	.operation = ACL_DESCRIBE, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(describe_log_dirs),
	.begin = describe_log_dirs_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
