/*
 * The replicas this broker hosts: which directory holds them, starting and instructing their actors.
 *
 * A directory whose topic the store does not know, or knows under another id, is not served and not deleted: it becomes a "-stray" directory, as in
 * Kafka, because a store that was lost must not take the data with it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"

#define PARTITION_STACK (128 * 1024)

struct scan {
	struct controller *c;
	int                dir;
};

static void replica_key(char out[LOGDIR_NAME_MAX + 16], const char *topic, int32_t partition)
{
	snprintf(out, LOGDIR_NAME_MAX + 16, "%s-%d", topic, partition);
}

struct known_entry {
	struct known_dir dir;
	size_t           key_len;
	char             key[LOGDIR_NAME_MAX + 16];
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

static void on_directory(void *arg, const struct logdir_entry *e)
{
	struct scan *s = arg;

	if (e->kind == LOGDIR_PARTITION) {
		char key[LOGDIR_NAME_MAX + 16];

		replica_key(key, e->topic, e->partition);
		remember_dir(s->c, key, s->dir);
	}
}

void controller_scan_dirs(struct controller *c)
{
	for (int i = 0; i < c->spec.dir_count; i++) {
		struct scan s = { .c = c, .dir = i };
		char problem[LOGDIR_ERROR_MAX];
		enum err e = logdir_scan(c->spec.dirs[i], on_directory, &s, problem);

		if (e != OK)
			logdir_set_offline(c->spec.dirs[i], e, problem);
	}
}

/* Where it is; else the directory with the fewest replicas that is online. -1: none. */
static int choose_dir(struct controller *c, const char *key)
{
	struct known_entry *k = map_get(&c->known_dirs, slice_str(key));
	int best = -1;

	if (k != NULL) {
		k->dir.is_taken = true;
		return k->dir.dir;
	}
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (!logdir_is_offline(c->spec.dirs[i]) && (best < 0 || c->dir_load[i] < c->dir_load[best]))
			best = i;
	}
	if (best >= 0)
		remember_dir(c, key, best)->dir.is_taken = true;
	return best;
}

bool controller_start_replica(struct controller *c, struct topic_state *t, struct partition_state *p)
{
	char key[LOGDIR_NAME_MAX + 16], path[1024];
	struct logdir_known known;

	replica_key(key, t->name, p->id);
	int dir = choose_dir(c, key);
	if (dir < 0 || logdir_is_offline(c->spec.dirs[dir])) {
		LOG_WARN(&c->actor.log, replica_without_directory, KV_STR("replica", key));
		return false;
	}
	logdir_known(c->spec.dirs[dir], t->name, p->id, &known);
	snprintf(path, sizeof(path), "%s/%s", logdir_path(c->spec.dirs[dir]), key);
	struct partition_spec spec = {
		.sched = c->spec.sched, .workers = c->spec.workers, .dir = c->spec.dirs[dir], .broker_id = c->broker_id,
		.flush_acks = (enum flush_acks)c->config->flush_acks, .stack_bytes = PARTITION_STACK, .controller = &c->actor,
		.replica_lag_time_max_ms = c->config->replica_lag_time_max_ms,
		.log = {
			.os = c->os, .dir = path, .topic = t->name, .partition = p->id, .topic_id = t->id, .config = &t->config,
			.producer_id_expiration_ms = c->config->producer_id_expiration_ms,
			.recovery_point = known.recovery_point, .log_start_offset = known.log_start_offset, .high_watermark = known.high_watermark,
			.had_clean_shutdown = logdir_had_clean_shutdown(c->spec.dirs[dir]), .mark = known.mark, .now = os_time_ms(c->os),
		},
	};
	enum err e = partition_start(&p->local, &spec);
	if (e != OK)
		LOG_ERROR(&c->actor.log, replica_not_started, KV_STR("replica", key), KV_ERR(e));
	return e == OK;
}

static void copy_ids(int32_t *to, int32_t *count, const int32_t *from, int32_t n)
{
	*count = MIN(n, REPLICAS_MAX);
	if (*count > 0)
		memcpy(to, from, (size_t)*count * sizeof(*to));
}

void partition_role_fill(const struct controller *c, const struct topic_state *t, const struct partition_state *p, struct partition_role *m)
{
	msg_init(&m->msg, PARTITION_role, (struct actor *)(uintptr_t)&c->actor);
	m->leader = p->leader;
	m->leader_epoch = p->leader_epoch;
	m->controller_epoch = p->controller_epoch;
	m->partition_epoch = p->partition_epoch;
	m->topic_id = t->id;
	copy_ids(m->replicas, &m->replica_count, p->replicas, p->replica_count);
	copy_ids(m->isr, &m->isr_count, p->isr, p->isr_count);
	copy_ids(m->adding, &m->adding_count, p->adding, p->adding_count);
	copy_ids(m->removing, &m->removing_count, p->removing, p->removing_count);
}

/* After every topic of the store has been loaded: what is left belongs to none. */
void controller_set_strays_aside(struct controller *c)
{
	uint32_t at = 0;
	struct map_entry *e;

	while ((e = map_next(&c->known_dirs, &at)) != NULL) {
		struct known_entry *k = e->value;
		char from[1024], to[1200];
		uint64_t id[2] = { os_random_u64(c->os), os_random_u64(c->os) };

		if (k->dir.is_taken)
			continue;
		snprintf(from, sizeof(from), "%s/%s", logdir_path(c->spec.dirs[k->dir.dir]), k->key);
		snprintf(to, sizeof(to), "%s.%016llx%016llx-stray", from, (unsigned long long)id[0], (unsigned long long)id[1]);
		enum err r = os_rename(c->os, from, to);
		LOG_WARN(&c->actor.log, replica_stray, KV_STR("from", from), KV_STR("to", to), KV_ERR(r));
		k->dir.is_taken = true;
		c->dir_load[k->dir.dir]--;
	}
	for (int i = 0; i < c->spec.dir_count; i++)
		logdir_forget(c->spec.dirs[i]);
}

void controller_forget_dir(struct controller *c, const char *key)
{
	struct known_entry *k = map_remove(&c->known_dirs, slice_str(key));

	if (k != NULL) {
		c->dir_load[k->dir.dir]--;
		free(k);
	}
}
