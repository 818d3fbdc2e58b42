/*
 * The replicas this broker hosts: which directory holds them, starting their actors, and what happens when a directory fails.
 *
 * A replica that is already in some directory stays there. One that is in none is made, unless it may lie in a directory that is offline: then only if the controller says that
 * it is new, because an empty replica that is elected later would take everybody's records with it.
 *
 * A directory of which no role ever speaks is member_strays.c's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/config_value.h"
#include "controller/controller_priv.h"

#define PARTITION_STACK (128 * 1024)

struct scan {
	struct controller *c;
	int                dir;
};

void member_replica_key(char out[REPLICA_KEY_MAX], const char *topic, int32_t partition)
{
	snprintf(out, REPLICA_KEY_MAX, "%s-%d", topic, partition);
}

struct known_entry {
	struct known_dir dir;
	size_t           key_len;
	char             key[REPLICA_KEY_MAX];
};

static struct known_entry *remember_dir(struct controller *c, const char *key, int dir)
{
	struct known_entry *k = mem_calloc(1, sizeof(*k));

	k->dir.dir = dir;
	snprintf(k->key, sizeof(k->key), "%s", key);
	k->key_len = strlen(k->key);
	struct known_entry *old = map_put(&c->known_dirs, slice_of(k->key, k->key_len), k);
	if (old != NULL) {
		LOG_ERROR(&c->actor.log, replica_twice, KV_STR("replica", key));
		c->dir_load[old->dir.dir]--;
		free(old);
	}
	c->dir_load[dir]++;
	return k;
}

struct known_dir *member_known_dir(const struct controller *c, const char *key)
{
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));

	return k != NULL ? &k->dir : NULL;
}

/* The process ended between the two renames of a swap. True: that was so, and one of them is given up. */
static bool settle_swap(struct controller *c, const char *key, const struct logdir_entry *e, int dir)
{
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));
	int which;

	if (k == NULL)
		return false;
	struct logdir *two[2] = { c->spec.dirs[k->dir.dir], c->spec.dirs[dir] };
	enum err r = logdir_settle_swap(two, e->topic, e->partition, &which);

	if (r == ERR_INVALID)
		return false;
	LOG_WARN(&c->actor.log, replica_swap_settled, KV_STR("replica", key), KV_STR("not_in", logdir_path(two[!which])), KV_ERR(r));
	if (r != OK)
		logdir_set_offline(two[!which], r, key);
	if (which == 1)
		member_replica_is_in(c, e->topic, e->partition, dir);
	return true;
}

static void on_directory(void *arg, const struct logdir_entry *e)
{
	struct scan *s = arg;
	char key[REPLICA_KEY_MAX];

	member_replica_key(key, e->topic, e->partition);
	if (e->kind == LOGDIR_FUTURE)
		member_found_copy(s->c, s->dir, e);
	if (e->kind == LOGDIR_PARTITION && !settle_swap(s->c, key, e, s->dir))
		remember_dir(s->c, key, s->dir);
}

void member_scan_dirs(struct controller *c)
{
	for (int i = 0; i < c->spec.dir_count; i++) {
		struct scan s = { .c = c, .dir = i };
		char problem[LOGDIR_ERROR_MAX];
		enum err e = logdir_scan(c->spec.dirs[i], on_directory, &s, problem);

		if (e != OK)
			logdir_set_offline(c->spec.dirs[i], e, problem);
	}
}

/* The directory with the fewest replicas that is online. -1: none. */
static int roomiest_dir(const struct controller *c)
{
	int best = -1;

	for (int i = 0; i < c->spec.dir_count; i++) {
		if (!logdir_is_offline(c->spec.dirs[i]) && (best < 0 || c->dir_load[i] < c->dir_load[best]))
			best = i;
	}
	return best;
}

bool member_is_any_dir_offline(const struct controller *c)
{
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (logdir_is_offline(c->spec.dirs[i]))
			return true;
	}
	return false;
}

void member_replica_is_in(struct controller *c, const char *topic, int32_t partition, int dir)
{
	char key[REPLICA_KEY_MAX];

	member_replica_key(key, topic, partition);
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));
	if (k == NULL)
		return;
	c->dir_load[k->dir.dir]--;
	c->dir_load[dir]++;
	k->dir.dir = dir;
}

/* What the directory's checkpoints say counts for a replica that was found at start, once: what is made anew later under the same name is another log. */
static struct known_entry *place_replica(struct controller *c, const char *key, bool is_new, bool *was_found)
{
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));
	int wish = member_take_wish(c, key), dir = wish >= 0 ? wish : roomiest_dir(c);

	*was_found = k != NULL && !k->dir.is_taken;
	if (k == NULL && (is_new || !member_is_any_dir_offline(c)) && dir >= 0)
		k = remember_dir(c, key, dir);
	if (k != NULL)
		k->dir.is_taken = true;
	return k;
}

enum kafka_error member_start_replica(struct controller *c, struct topic_state *t, struct partition_state *p, bool is_new, bool is_only)
{
	char key[REPLICA_KEY_MAX], path[1024];
	struct logdir_known known = { .recovery_point = -1, .log_start_offset = -1, .high_watermark = -1, .cleaner_offset = -1 };
	struct logdir *copy_dir;
	char copy_name[LOGDIR_NAME_MAX + 1];
	bool was_found, has_copy = false;

	member_replica_key(key, t->name, p->id);
	bool is_known = member_known_dir(c, key) != NULL;
	struct known_entry *k = place_replica(c, key, is_new, &was_found);
	if (k == NULL || logdir_is_offline(c->spec.dirs[k->dir.dir])) {
		LOG_WARN(&c->actor.log, replica_without_directory, KV_STR("replica", key));
		return KAFKA_STORAGE_ERROR;
	}
	struct logdir *dir = c->spec.dirs[k->dir.dir];
	if (!is_known && !is_new && is_only)
		LOG_WARN(&c->actor.log, replica_missing, KV_STR("replica", key), KV_STR("dir", logdir_path(dir)));
	if (was_found) {
		logdir_known(dir, t->name, p->id, &known);
		has_copy = member_take_copy(c, key, &copy_dir, copy_name) && copy_dir != dir;
	} else {
		member_drop_copy(c, t->name, p->id);
	}
	snprintf(path, sizeof(path), "%s/%s", logdir_path(dir), key);
	struct partition_spec spec = {
		.sched = c->spec.sched, .workers = c->spec.workers, .dir = dir, .broker_id = c->broker_id,
		.flush_acks = (enum flush_acks)c->config->flush_acks, .replica_lag_time_max_ms = c->config->replica_lag_time_max_ms,
		.movers = c->spec.movers, .cleaners = c->spec.cleaners, .writer = c->spec.writer, .flush_turns = c->spec.flush_turns, .copy_dir = has_copy ? copy_dir : NULL, .copy_name = has_copy ? copy_name : NULL,
		.retention_check_interval_ms = c->config->log_retention_check_interval_ms,
		.stack_bytes = PARTITION_STACK, .controller = &c->actor, .hooks = c->spec.hooks, .hook_count = c->spec.hook_count,
		.log = {
			.os = c->os, .dir = path, .topic = t->name, .partition = p->id, .topic_id = t->id, .config = &t->config,
			.producer_id_expiration_ms = c->config->producer_id_expiration_ms,
			.recovery_point = known.recovery_point, .log_start_offset = known.log_start_offset, .high_watermark = known.high_watermark,
			.cleaner_offset = known.cleaner_offset,
			.had_clean_shutdown = logdir_had_clean_shutdown(dir), .was_left_by_us = logdir_was_left_by_us(dir), .mark = known.mark, .now = os_time_ms(c->os),
		},
	};
	enum err e = partition_start(&p->local, &spec);
	if (e != OK)
		LOG_ERROR(&c->actor.log, replica_not_started, KV_STR("replica", key), KV_ERR(e));
	return e == OK ? NONE : KAFKA_STORAGE_ERROR;
}

void member_forget_dir(struct controller *c, const char *topic, int32_t partition)
{
	char key[REPLICA_KEY_MAX];

	member_replica_key(key, topic, partition);
	struct known_entry *k = map_remove(&c->known_dirs, slice_str(key));
	if (k != NULL) {
		c->dir_load[k->dir.dir]--;
		free(k);
	}
}

enum kafka_error member_delete_unhosted(struct controller *c, struct slice topic, int32_t partition)
{
	char name[LOGDIR_NAME_MAX + 1], key[REPLICA_KEY_MAX];

	if (topic.len > LOGDIR_NAME_MAX)
		return NONE;
	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(topic));
	member_replica_key(key, name, partition);
	member_drop_copy(c, name, partition);
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));
	if (k == NULL)
		return NONE;
	struct logdir *dir = c->spec.dirs[k->dir.dir];
	if (logdir_is_offline(dir))
		return KAFKA_STORAGE_ERROR;
	enum err e = logdir_give_up(dir, key, name, partition);
	if (e != OK) {
		logdir_set_offline(dir, e, key);
		return KAFKA_STORAGE_ERROR;
	}
	member_forget_dir(c, name, partition);
	return NONE;
}

bool member_is_throttled(const struct topic_state *t, int32_t partition, int32_t broker)
{
	const char *list = t->overrides != NULL ? cluster_overrides_get(t->overrides, "follower.replication.throttled.replicas") : NULL;

	return list != NULL && config_names_replica(slice_str(list), partition, broker);
}

/* --- a directory fails --------------------------------------------------------------------------------------------------------------------- */

enum failed_stage { FAILED_TELL, FAILED_TOLD, FAILED_ANNOUNCED };

struct failed_task {
	struct task               task;
	struct logdir            *dir;
	struct partition_offline *offline;
	struct fetcher_assign    *assigns;
	int32_t                   count;
};

static void failed_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct failed_task *)t)->offline);
	free(((struct failed_task *)t)->assigns);
}

/* Its replicas are not pulled any more and answer KAFKA_STORAGE_ERROR from here on. */
static enum task_result failed_tell(struct controller *c, struct failed_task *f)
{
	int32_t n = 0;

	MAP_FOREACH(e, &c->topics)
		n += ((struct topic_state *)e->value)->partition_count;
	f->offline = mem_calloc((size_t)n + 1, sizeof(*f->offline));
	f->assigns = mem_calloc((size_t)n + 1, sizeof(*f->assigns));
	MAP_FOREACH(e, &c->topics) {
		struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++) {
			struct partition_state *p = &t->partitions[i];
			struct fetcher_assign *a = &f->assigns[f->count];
			struct partition_offline *o = &f->offline[f->count];

			if (p->local == NULL || partition_dir(p->local) != f->dir)
				continue;
			f->count++;
			if (p->is_following) {
				msg_init(&a->msg, FETCHER_ASSIGN, &c->actor);
				a->partition = p->local;
				a->is_removed = true;
				p->is_following = false;
				task_ask_actor(c, &f->task, fetchers_actor(c->spec.fetchers, t->name, p->id), &a->msg);
			}
			msg_init(&o->msg, PARTITION_offline, &c->actor);
			task_ask(c, &f->task, p->local, &o->msg);
		}
	}
	f->task.stage = FAILED_TOLD;
	return f->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result failed_run(struct controller *c, struct task *t)
{
	struct failed_task *f = (struct failed_task *)t;

	switch ((enum failed_stage)t->stage) {
	case FAILED_TELL: return failed_tell(c, f);
	case FAILED_TOLD:	/* the controller of the cluster then asks which replicas are meant, by a LeaderAndIsr that changes nothing */
		strbuf_reset(&c->text);
		znode_log_dir_event_encode(c->broker_id, &c->text);
		task_create_node(c, t, false, true, COORD_SEQUENCE, "/log_dir_event_notification/log_dir_event_");
		t->stage = FAILED_ANNOUNCED;
		return task_submit(c, t);
	case FAILED_ANNOUNCED:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind failed_kind = { .name = "directory failed", .run = failed_run, .fini = failed_fini };

void member_on_dir_failed(struct controller *c, struct partition_dir_failed *m)
{
	struct logdir *dir = m->dir;

	actor_answer(&c->actor, &m->msg);
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (c->spec.dirs[i] != dir || c->dir_has_failed[i])
			continue;
		c->dir_has_failed[i] = true;
		struct failed_task *f = (struct failed_task *)task_create(&c->member_queue, &failed_kind, sizeof(*f), NULL);
		f->dir = dir;
		task_enqueue(&f->task);
	}
}
