/*
 * Directories of replicas that this broker does not host: left behind by a replica that was moved away, or whose topic was deleted, while this broker was not there to be told;
 * or by an earlier topic of the same name. They are not served and not deleted, but set aside: renamed to "-stray", as Kafka does, because a store that was lost or restored must not
 * take the data with it. Nothing here removes a stray.
 *
 * A lone broker knows from its own store what there is, as soon as its first roles are given.
 *
 * In a cluster the controller names to a broker that has just registered all that it hosts: what it named is taken, or stands in the picture as this broker's. Whatever is left is
 * looked up in the store before it is touched: a topic that the controller could not read is named by nobody, and its replicas are not strays. So it does not matter which request
 * came first, whether one came at all that names a replica here, or whose controller speaks. A node that cannot be read, or not understood, leaves the directory where it is.
 *
 * A role that comes with another topic id than the log has is of another topic, whose replica here begins empty. Not where it is in the in-sync set without being new: then it is
 * counted on to have the records, so either the id or the directory is wrong in some other way, and that is for people to decide.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"

/* --- setting aside ------------------------------------------------------------------------------------------------------------------- */

static enum err set_aside(struct controller *c, struct logdir *dir, const char *name, const char *topic, int32_t partition)
{
	char now[LOGDIR_NAME_MAX + 1];
	enum err e = logdir_set_aside(dir, name, topic, partition, now);

	LOG_WARN(&c->actor.log, replica_stray, KV_STR("dir", logdir_path(dir)), KV_STR("from", name), KV_STR("to", now), KV_ERR(e));
	return e;
}

/* The replica's directory, and the unfinished copy of one that was to be moved. */
static enum err set_replica_aside(struct controller *c, const char *topic, int32_t partition)
{
	char key[REPLICA_KEY_MAX], copy[LOGDIR_NAME_MAX + 1];
	struct logdir *dir;
	enum err e = OK;

	member_replica_key(key, topic, partition);
	if (member_take_copy(c, key, &dir, copy))
		e = set_aside(c, dir, copy, topic, partition);
	struct known_dir *k = member_known_dir(c, key);
	if (k == NULL || e != OK)
		return e;
	e = set_aside(c, c->spec.dirs[k->dir], key, topic, partition);
	if (e == OK)
		member_forget_dir(c, topic, partition);
	return e;
}

/* --- candidates ------------------------------------------------------------------------------------------------------------------------ */

struct stray {
	struct logdir_entry at;		/* topic and partition are what counts */
	struct store_call  *node;	/* of the topic; in a cluster */
};

struct strays_task {
	struct task   task;
	struct stray *strays;
	int32_t       count, room;
};

static void add_candidate(struct strays_task *s, const char *key)
{
	if (s->count == s->room) {
		s->room = MAX(16, s->room * 2);
		s->strays = mem_realloc_array(s->strays, (size_t)s->room, sizeof(*s->strays));
	}
	struct stray *y = &s->strays[s->count];
	y->node = NULL;
	if (logdir_parse_name(key, &y->at) && y->at.kind == LOGDIR_PARTITION)
		s->count++;
}

/* What is in a directory that is offline cannot be renamed, and is not asked about. */
static void add_candidates(struct controller *c, struct strays_task *s)
{
	MAP_FOREACH(e, &c->known_dirs) {
		char key[REPLICA_KEY_MAX];

		snprintf(key, sizeof(key), SLICE_FMT, SLICE_ARG(e->key));
		const struct known_dir *k = member_known_dir(c, key);
		if (!k->is_taken && !logdir_is_offline(c->spec.dirs[k->dir]))
			add_candidate(s, key);
	}
	MAP_FOREACH(e, &c->copies) {
		char key[REPLICA_KEY_MAX];

		snprintf(key, sizeof(key), SLICE_FMT, SLICE_ARG(e->key));
		if (member_known_dir(c, key) == NULL)
			add_candidate(s, key);
	}
}

/* Also a replica that is not started, because its directory is offline, is shown: its unfinished copy elsewhere waits for a better day. */
static bool is_shown_here(const struct controller *c, const struct stray *y)
{
	struct topic_state *t = topic_state_get(c, slice_str(y->at.topic));
	const struct partition_state *p = t != NULL ? topic_state_partition(t, y->at.partition, false) : NULL;

	return p != NULL && (p->local != NULL || (p->is_known && id_list_has(&p->replicas, c->broker_id)));
}

void member_set_strays_aside(struct controller *c)
{
	struct strays_task s = { .count = 0 };

	add_candidates(c, &s);
	for (int32_t i = 0; i < s.count; i++) {
		if (!is_shown_here(c, &s.strays[i]))
			(void)set_replica_aside(c, s.strays[i].at.topic, s.strays[i].at.partition);
	}
	free(s.strays);
	for (int i = 0; i < c->spec.dir_count; i++)
		logdir_forget(c->spec.dirs[i]);
}

/* --- in a cluster ----------------------------------------------------------------------------------------------------------------------- */

enum strays_stage { STRAYS_LOOK, STRAYS_READ };

static int by_topic(const void *a, const void *b)
{
	return strcmp(((const struct stray *)a)->at.topic, ((const struct stray *)b)->at.topic);
}

static enum task_result strays_look(struct controller *c, struct strays_task *s)
{
	int32_t kept = 0;

	if (!c->is_connected || !c->is_registered)
		return TASK_DONE;	/* the next request looks again */
	add_candidates(c, s);
	for (int32_t i = 0; i < s->count; i++) {
		if (!is_shown_here(c, &s->strays[i]))
			s->strays[kept++] = s->strays[i];
	}
	s->count = kept;
	if (kept > 1)
		qsort(s->strays, (size_t)kept, sizeof(*s->strays), by_topic);
	for (int32_t i = 0; i < s->count; i++) {
		bool is_next = i == 0 || strcmp(s->strays[i - 1].at.topic, s->strays[i].at.topic) != 0;

		s->strays[i].node = is_next ? task_get(c, &s->task, false, "/brokers/topics/%s", s->strays[i].at.topic) : s->strays[i - 1].node;
	}
	s->task.stage = STRAYS_READ;
	return task_submit(c, &s->task);
}

/* Does the store say that no replica of the partition is here? */
static bool is_nobodys(const struct controller *c, const struct stray *y)
{
	struct store_call *s = y->node;
	struct znode_topic z;

	if (s->call.result == ERR_NOT_FOUND)
		return true;
	if (s->call.result != OK || !znode_topic_decode(&z, s->ops[0].out, &s->call.arena))
		return false;
	for (int32_t i = 0; i < z.partition_count; i++) {
		const struct znode_partition *p = &z.partitions[i];

		for (int32_t k = 0; p->id == y->at.partition && k < p->replica_count; k++) {
			if (p->replicas[k] == c->broker_id)
				return false;
		}
	}
	return true;
}

static enum task_result strays_run(struct controller *c, struct task *t)
{
	struct strays_task *s = (struct strays_task *)t;

	if (t->stage == STRAYS_LOOK)
		return strays_look(c, s);
	c->has_set_strays_aside = true;
	for (int32_t i = 0; i < s->count; i++) {
		const struct stray *y = &s->strays[i];

		if (is_nobodys(c, y))
			(void)set_replica_aside(c, y->at.topic, y->at.partition);
		else
			c->has_set_strays_aside &= y->node->call.result == OK;
	}
	return TASK_DONE;
}

static void strays_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct strays_task *)t)->strays);
}

static const struct task_kind strays_kind = { .name = "set strays aside", .run = strays_run, .fini = strays_fini, .is_storeless = true };

void member_look_for_strays(struct controller *c)
{
	if (!c->has_set_strays_aside && !c->config->is_alone)
		task_enqueue(task_create(&c->member_queue, &strays_kind, sizeof(struct strays_task), NULL));
}

/* --- logs of another topic ---------------------------------------------------------------------------------------------------------------- */

enum evict_stage { EVICT_HIDE, EVICT_UNFOLLOW, EVICT_STOP, EVICT_STOPPED };

struct evict_item {
	struct topic_state   *topic;
	int32_t               partition;
	struct fetcher_assign assign;
	struct partition_stop stop;
};

struct evict_task {
	struct task        task;
	struct evict_item *items;
	int32_t            count;
};

static struct partition_state *evicted(const struct evict_item *it)
{
	return topic_state_partition(it->topic, it->partition, false);
}

/* No network actor may look it up any more, and its fetcher lets go of it, before it is stopped. */
static enum task_result evict_hide(struct controller *c, struct evict_task *v)
{
	struct topic_state **changed = mem_calloc((size_t)v->count + 1, sizeof(*changed));
	int32_t n = 0;

	for (int32_t i = 0; i < v->count; i++) {
		evicted(&v->items[i])->is_hidden = true;
		if (v->items[i].topic->is_in_picture)
			changed[n++] = v->items[i].topic;
	}
	v->task.stage = EVICT_UNFOLLOW;
	enum task_result result = n > 0 ? member_publish_topics(c, &v->task, changed, n, EVICT_UNFOLLOW) : TASK_AGAIN;
	free(changed);
	return result;
}

static enum task_result evict_unfollow(struct controller *c, struct evict_task *v)
{
	for (int32_t i = 0; i < v->count; i++) {
		struct evict_item *it = &v->items[i];
		struct partition_state *p = evicted(it);

		if (!p->is_following)
			continue;
		msg_init(&it->assign.msg, FETCHER_ASSIGN, &c->actor);
		it->assign.partition = p->local;
		it->assign.is_removed = true;
		p->is_following = false;
		task_ask_actor(c, &v->task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &it->assign.msg);
	}
	v->task.stage = EVICT_STOP;
	return v->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result evict_stop(struct controller *c, struct evict_task *v)
{
	for (int32_t i = 0; i < v->count; i++) {
		struct evict_item *it = &v->items[i];

		msg_init(&it->stop.msg, PARTITION_stop, &c->actor);
		it->stop.how = STOP_CLEAN;
		task_ask(c, &v->task, evicted(it)->local, &it->stop.msg);
	}
	v->task.stage = EVICT_STOPPED;
	return v->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* Where a directory cannot be renamed it is found again, and refused, when the replica is started anew. */
static enum task_result evict_finish(struct controller *c, struct evict_task *v)
{
	for (int32_t i = 0; i < v->count; i++) {
		struct evict_item *it = &v->items[i];
		struct partition_state *p = evicted(it);

		partition_join(p->local);
		partition_addr_unref(&p->local);
		p->is_hidden = false;
		p->role_epoch = -1;
		(void)set_replica_aside(c, it->topic->name, it->partition);
	}
	return TASK_DONE;
}

static enum task_result evict_run(struct controller *c, struct task *t)
{
	struct evict_task *v = (struct evict_task *)t;

	switch ((enum evict_stage)t->stage) {
	case EVICT_HIDE:     return evict_hide(c, v);
	case EVICT_UNFOLLOW: return evict_unfollow(c, v);
	case EVICT_STOP:     return evict_stop(c, v);
	case EVICT_STOPPED:  break;
	}
	return evict_finish(c, v);
}

static void evict_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct evict_task *)t)->items);
}

static const struct task_kind evict_kind = { .name = "evict", .run = evict_run, .fini = evict_fini, .is_storeless = true };

void member_push_evict(struct controller *c, const struct member_evict *wanted, int32_t n)
{
	struct evict_task *v = (struct evict_task *)task_create(&c->member_queue, &evict_kind, sizeof(*v), NULL);

	v->items = mem_calloc((size_t)n, sizeof(*v->items));
	v->count = n;
	for (int32_t i = 0; i < n; i++) {
		v->items[i].topic = wanted[i].topic;
		v->items[i].partition = wanted[i].partition;
	}
	v->task.is_past_store = true;	/* it asks the store for nothing, and is half done in the middle */
	task_push(&v->task);
}
