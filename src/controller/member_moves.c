/*
 * AlterReplicaLogDirs: where replicas are to lie in this broker, also those that do not exist yet.
 *
 * The partition does the moving, and tells when it lives elsewhere (partition/README.md). Here is what is known before there is a partition: copies that an earlier process has
 * left unfinished, and wishes for replicas that the controller of the cluster has not placed here yet. Both are for the moment at which the replica is started.
 *
 * As in Kafka, no move begins while any directory is offline: a copy of the replica may lie there, and would be a second one after a restart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "wire/gen/alter_replica_log_dirs.h"

#define WISHES_MAX 10000	/* wishes for replicas that do not exist: beyond, they are answered and not remembered */

/* --- what is to be known when a replica is started ----------------------------------------------------------------------------------- */

struct replica_place {			/* a wish, or an unfinished copy */
	int    dir;
	char   name[LOGDIR_NAME_MAX + 1];	/* of the copy's directory */
	char   key[REPLICA_KEY_MAX];
};

static struct replica_place *place_put(struct map *m, const char *key, int dir, const char *name)
{
	struct replica_place *l = mem_calloc(1, sizeof(*l));

	l->dir = dir;
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->key, sizeof(l->key), "%s", key);
	return map_put(m, slice_str(l->key), l);
}

/* Of two copies one is too many: the first is kept. */
void member_found_copy(struct controller *c, int dir, const struct logdir_entry *e)
{
	char key[REPLICA_KEY_MAX];

	member_replica_key(key, e->topic, e->partition);
	if (map_get(&c->copies, slice_str(key)) == NULL) {
		place_put(&c->copies, key, dir, e->name);
		return;
	}
	enum err r = logdir_give_up(c->spec.dirs[dir], e->name, e->topic, e->partition);
	LOG_WARN(&c->actor.log, replica_copy_unwanted, KV_STR("copy", e->name), KV_ERR(r));
}

bool member_take_copy(struct controller *c, const char *key, struct logdir **dir, char name[LOGDIR_NAME_MAX + 1])
{
	struct replica_place *l = map_remove(&c->copies, slice_str(key));

	if (l == NULL)
		return false;
	*dir = c->spec.dirs[l->dir];
	snprintf(name, LOGDIR_NAME_MAX + 1, "%s", l->name);
	free(l);
	return !logdir_is_offline(*dir);
}

void member_drop_copy(struct controller *c, const char *topic, int32_t partition)
{
	char key[REPLICA_KEY_MAX], name[LOGDIR_NAME_MAX + 1];
	struct logdir *dir;

	member_replica_key(key, topic, partition);
	if (!member_take_copy(c, key, &dir, name))
		return;
	enum err r = logdir_give_up(dir, name, topic, partition);
	LOG_WARN(&c->actor.log, replica_copy_unwanted, KV_STR("copy", name), KV_ERR(r));
}

static bool is_of_a_topic(const struct controller *c, const char *key)
{
	const char *dash = strrchr(key, '-');
	struct topic_state *t = topic_state_get(c, slice_of(key, (size_t)(dash - key)));

	return t != NULL && topic_state_partition(t, atoi(dash + 1), false) != NULL;
}

/* A copy of a replica that is not started, because its directory is offline, waits for a better day. */
void member_set_copies_aside(struct controller *c)
{
	MAP_FOREACH(e, &c->copies) {
		struct replica_place *l = e->value;

		if (is_of_a_topic(c, l->key))
			continue;
		member_set_aside(c, l->dir, l->name, l->key);
		map_remove(&c->copies, slice_str(l->key));
		free(l);
	}
}

int member_take_wish(struct controller *c, const char *key)
{
	struct replica_place *l = map_remove(&c->wishes, slice_str(key));
	int dir = l != NULL && !logdir_is_offline(c->spec.dirs[l->dir]) ? l->dir : -1;

	free(l);
	return dir;
}

void member_moves_free(struct controller *c)
{
	MAP_FOREACH(e, &c->copies)
		free(e->value);
	MAP_FOREACH(w, &c->wishes)
		free(w->value);
	map_fini(&c->copies);
	map_fini(&c->wishes);
}

void member_on_moved(struct controller *c, struct partition_moved *m)
{
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (c->spec.dirs[i] == m->dir)
			member_replica_is_in(c, m->partition->topic, m->partition->partition, i);
	}
	actor_answer(&c->actor, &m->msg);
}

/* --- the request ------------------------------------------------------------------------------------------------------------------------ */

enum moves_stage { MOVES_ASK, MOVES_ANSWER };

struct move_item {
	struct slice          topic, path;
	int32_t               partition, at;	/* at: as it stands in the request */
	enum kafka_error      error;
	bool                  is_asked, is_overridden;
	struct partition_move ask;
};

struct moves_task {
	struct task                task;
	struct controller_request *m;
	struct move_item          *items;
	int32_t                    count;
};

static int compare_items(const void *left, const void *right)
{
	const struct move_item *a = left, *b = right;
	int by_topic = slice_cmp(a->topic, b->topic);

	if (by_topic != 0)
		return by_topic;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static bool is_same_replica(const struct move_item *a, const struct move_item *b)
{
	return a->partition == b->partition && slice_eq(a->topic, b->topic);
}

/* Topics together; of a replica that is named twice the last place counts. */
static void flatten(struct moves_task *s)
{
	const struct alter_replica_log_dirs_request *q = s->m->request;
	size_t n = 0;

	for (int32_t d = 0; d < q->dirs_count; d++) {
		for (int32_t t = 0; t < q->dirs[d].topics_count; t++)
			n += (size_t)q->dirs[d].topics[t].partitions_count;
	}
	s->items = mem_calloc(n + 1, sizeof(*s->items));
	for (int32_t d = 0; d < q->dirs_count; d++) {
		for (int32_t t = 0; t < q->dirs[d].topics_count; t++) {
			const struct alter_replica_log_dirs_request_topic *topic = &q->dirs[d].topics[t];

			for (int32_t p = 0; p < topic->partitions_count; p++, s->count++)
				s->items[s->count] = (struct move_item){
					.topic = topic->name, .path = q->dirs[d].path, .partition = topic->partitions[p], .at = s->count,
				};
		}
	}
	qsort(s->items, (size_t)s->count, sizeof(*s->items), compare_items);
	for (int32_t i = 0; i + 1 < s->count; i++)
		s->items[i].is_overridden = is_same_replica(&s->items[i], &s->items[i + 1]);
}

static int find_dir(const struct controller *c, struct slice path)
{
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (slice_eq_str(path, logdir_path(c->spec.dirs[i])))
			return i;
	}
	return -1;
}

static void remember_wish(struct controller *c, const struct move_item *it, int dir)
{
	char topic[512], key[REPLICA_KEY_MAX];

	if (topic_name_problem(it->topic, topic, sizeof(topic)) != NULL || it->partition < 0 || map_count(&c->wishes) >= WISHES_MAX)
		return;
	snprintf(topic, sizeof(topic), SLICE_FMT, SLICE_ARG(it->topic));
	member_replica_key(key, topic, it->partition);
	free(place_put(&c->wishes, key, dir, ""));
}

/* NONE: the partition is to be asked. Kafka's order. */
static enum kafka_error decide(struct controller *c, const struct move_item *it, struct partition_addr **local, struct logdir **dir)
{
	char digits[16];
	int at = find_dir(c, it->path), suffix = snprintf(digits, sizeof(digits), "-%d", it->partition) + 1 + 32 + (int)strlen("-future");
	struct topic_state *t = topic_state_get(c, it->topic);
	struct partition_state *p = t != NULL ? topic_state_partition(t, it->partition, false) : NULL;

	if (it->topic.len + (size_t)suffix > LOGDIR_NAME_MAX)
		return INVALID_TOPIC_EXCEPTION;
	if (at < 0)
		return LOG_DIR_NOT_FOUND;
	*dir = c->spec.dirs[at];
	if (logdir_is_offline(*dir))
		return KAFKA_STORAGE_ERROR;
	if (p == NULL || p->local == NULL || p->is_hidden) {
		remember_wish(c, it, at);
		return REPLICA_NOT_AVAILABLE;
	}
	*local = p->local;
	if (logdir_is_offline(partition_dir(p->local)) || (partition_dir(p->local) != *dir && member_is_any_dir_offline(c)))
		return KAFKA_STORAGE_ERROR;
	return NONE;
}

static enum task_result moves_ask(struct controller *c, struct moves_task *s)
{
	flatten(s);
	s->task.is_past_store = true;	/* it asks the store for nothing */
	s->task.stage = MOVES_ANSWER;
	for (int32_t i = 0; i < s->count; i++) {
		struct move_item *it = &s->items[i];
		struct partition_addr *local;

		if (it->is_overridden)
			continue;
		it->error = decide(c, it, &local, &it->ask.dir);
		if (it->error != NONE)
			continue;
		msg_init(&it->ask.msg, PARTITION_move, &c->actor);
		it->is_asked = true;
		task_ask(c, &s->task, local, &it->ask.msg);
	}
	return s->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static bool moves_answer(struct moves_task *s)
{
	struct alter_replica_log_dirs_response *out = s->m->response;
	struct alter_replica_log_dirs_response_result *r = NULL;
	struct alter_replica_log_dirs_response_partition *parts = arena_calloc(s->m->arena, (size_t)s->count, sizeof(*parts));

	out->results = arena_calloc(s->m->arena, (size_t)s->count, sizeof(*out->results));
	if (out->results == NULL || parts == NULL)
		return false;
	for (int32_t i = 0, n = 0; i < s->count; i++) {
		const struct move_item *it = &s->items[i];

		if (it->is_overridden)
			continue;
		if (r == NULL || !slice_eq(r->topic_name, it->topic)) {
			r = &out->results[out->results_count++];
			r->topic_name = it->topic;
			r->partitions = &parts[n];
		}
		r->partitions[r->partitions_count++] = (struct alter_replica_log_dirs_response_partition){
			.partition_index = it->partition, .error_code = (int16_t)(it->is_asked ? it->ask.error : it->error),
		};
		n++;
	}
	return true;
}

static enum task_result moves_run(struct controller *c, struct task *t)
{
	struct moves_task *s = (struct moves_task *)t;

	switch ((enum moves_stage)t->stage) {
	case MOVES_ASK:
		return moves_ask(c, s);
	case MOVES_ANSWER:
		if (!moves_answer(s))
			LOG_WARN(&c->actor.log, control_refused, KV_STR("why", "more replicas to move than one request has room for"), KV_I32("controller", c->broker_id));
		break;
	}
	return TASK_DONE;
}

static void moves_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct moves_task *)t)->items);
}

static const struct task_kind moves_kind = { .name = "AlterReplicaLogDirs", .run = moves_run, .fini = moves_fini, .is_storeless = true };

void member_enqueue_moves(struct controller *c, struct controller_request *m)
{
	struct moves_task *s = (struct moves_task *)task_create(&c->member_queue, &moves_kind, sizeof(*s), &m->msg);

	s->m = m;
	task_enqueue(&s->task);
}
