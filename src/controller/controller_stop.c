/*
 * The end: the active side goes, then nobody can look a partition up any more, the fetchers let go, the partitions end (all at once, each closing its own log), then the session.
 *
 * By now no call begins any more (net_hush). Those that wait, for replicas, for members of a group, are let go by the partitions as they stop: nobody is there who could end the wait otherwise.
 * Until controller_join, what comes is refused.
 */
#include <stdlib.h>

#include "controller/active.h"
#include "partition/partition_checkpoint.h"

enum stop_stage { STOP_HIDE, STOP_FETCHERS, STOP_PARTITIONS, STOP_STOPPED };

struct stop_task {
	struct task             task;
	struct controller_stop *ask;
	struct fetcher_assign  *assigns;
	struct channel_close    close[2];	/* of either line */
	struct partition_stop  *stops;
	int32_t                 count;
};

static void stop_fini(struct controller *c, struct task *t)
{
	(void)c;
	free(((struct stop_task *)t)->assigns);
	free(((struct stop_task *)t)->stops);
}

static enum task_result stop_hide(struct controller *c, struct stop_task *s)
{
	s->task.stage = STOP_FETCHERS;
	if (c->picture == NULL)
		return TASK_AGAIN;
	struct cluster *empty = cluster_create(c->cluster_id, c->broker_id);
	empty->generation = c->picture->generation + 1;
	controller_publish(c, empty);
	controller_wait_visible(c, &s->task);
	return TASK_WAIT;
}

static int32_t partition_total(const struct controller *c)
{
	int32_t n = 0;

	MAP_FOREACH(e, &c->topics)
		n += ((struct topic_state *)e->value)->partition_count;
	return n;
}

/* And the lines to other brokers are closed: what is asked on them comes home now. */
static enum task_result stop_fetchers(struct controller *c, struct stop_task *s)
{
	int32_t n = 0;

	s->assigns = mem_calloc((size_t)partition_total(c) + 1, sizeof(*s->assigns));
	MAP_FOREACH(e, &c->topics) {
		struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++) {
			struct partition_state *p = &t->partitions[i];

			if (!p->is_following)
				continue;
			struct fetcher_assign *a = &s->assigns[n++];
			msg_init(&a->msg, FETCHER_ASSIGN, &c->actor);
			a->partition = p->local;
			a->is_removed = true;
			p->is_following = false;
			task_ask_actor(c, &s->task, fetchers_actor(c->spec.fetchers, t->name, p->id), &a->msg);
		}
	}
	for (int i = 0; c->spec.channels != NULL && i < 2; i++) {
		msg_init(&s->close[i].msg, CHANNEL_CLOSE, &c->actor);
		s->close[i].broker = -1;
		s->close[i].line = i == 0 ? CHANNEL_TO_MEMBER : CHANNEL_TO_CONTROLLER;
		task_ask_actor(c, &s->task, channels_actor(c->spec.channels), &s->close[i].msg);
	}
	s->task.stage = STOP_PARTITIONS;
	return s->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result stop_partitions(struct controller *c, struct stop_task *s)
{
	struct map_entry *e;

	s->stops = mem_calloc((size_t)partition_total(c) + 1, sizeof(*s->stops));
	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; ) {
		struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++) {
			struct partition_stop *m = &s->stops[s->count];

			if (t->partitions[i].local == NULL || !partition_is_open(t->partitions[i].local))
				continue;
			msg_init(&m->msg, PARTITION_stop, &c->actor);
			m->how = s->ask->is_clean ? STOP_CLEAN : STOP_ABANDON;
			s->count++;
			task_ask(c, &s->task, t->partitions[i].local, &m->msg);
		}
	}
	s->task.stage = STOP_STOPPED;
	return s->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* The published values are the last ones: the partitions have ended. */
static bool write_last_checkpoints(struct controller *c)
{
	struct partition_addr **addrs = NULL;
	struct map_entry *e;
	int n = 0;
	bool ok = true;

	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; ) {
		struct topic_state *t = e->value;

		addrs = mem_realloc_array(addrs, (size_t)(n + t->partition_count) + 1, sizeof(*addrs));
		for (int32_t i = 0; i < t->partition_count; i++) {
			if (t->partitions[i].local != NULL)
				addrs[n++] = t->partitions[i].local;
		}
	}
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (!logdir_is_offline(c->spec.dirs[i]))
			ok &= partition_write_checkpoints(c->spec.dirs[i], addrs, n, CHECKPOINT_RECOVERY | CHECKPOINT_WATERMARK | CHECKPOINT_CLEANER) == OK;
	}
	free(addrs);
	return ok;
}

/* Without a replica there is nothing that could be unclean. */
static bool were_clean(const struct controller *c)
{
	if (c->has_started && map_count(&c->known_dirs) == 0)
		return true;
	for (int i = 0; i < c->spec.dir_count; i++) {
		if (!logdir_had_clean_shutdown(c->spec.dirs[i]))
			return false;
	}
	return true;
}

static void stop_finish(struct controller *c, struct stop_task *s)
{
	struct map_entry *e;

	s->ask->is_clean_everywhere = s->ask->is_clean;
	for (int32_t i = 0; i < s->count; i++)
		s->ask->is_clean_everywhere &= s->stops[i].result == OK;
	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; ) {
		struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++) {
			if (t->partitions[i].local != NULL && !partition_is_open(t->partitions[i].local))
				partition_join(t->partitions[i].local);
		}
	}
	/* Before the first roles no replica has been opened: what the files say of them stands, and they are as clean as they were found. */
	if (s->ask->is_clean && !(c->has_roles ? write_last_checkpoints(c) : were_clean(c)))
		s->ask->is_clean_everywhere = false;
	if (c->coord != NULL)
		coord_close(&c->coord);
	controller_timer_set(c, &c->wait_timer, MONO_NEVER);
	c->is_stopped = true;
}

static enum task_result stop_run(struct controller *c, struct task *t)
{
	struct stop_task *s = (struct stop_task *)t;

	switch ((enum stop_stage)t->stage) {
	case STOP_HIDE:       return stop_hide(c, s);
	case STOP_FETCHERS:   return stop_fetchers(c, s);
	case STOP_PARTITIONS: return stop_partitions(c, s);
	case STOP_STOPPED:
		stop_finish(c, s);
		break;
	}
	return TASK_DONE;
}

static const struct task_kind stop_kind = { .name = "stop", .run = stop_run, .fini = stop_fini };

/* --- what takes long -------------------------------------------------------------------------------------------------------------------- */

#define SAY_AFTER_MS 1000
#define SAY_AGAIN_MS 5000

static bool waits_for_store(const struct task *t)
{
	return t != NULL && t->out > 0 && !list_empty(&t->calls);
}

static const char *what_stop_waits_for(const struct controller *c)
{
	if (c->retirement != NULL)
		return "the controller of the cluster, which is to give this broker's partitions to others";
	if (waits_for_store(c->member_queue.current) || waits_for_store(c->active_queue.current))
		return "an answer of the coordination store";
	return c->member_queue.current != NULL && c->member_queue.current->kind == &stop_kind ? "logs that are being closed" : "what is under way";
}

static void say_what_stop_waits_for(struct controller *c, struct controller_timer *t)
{
	bool is_over = c->retirement == NULL && !c->is_stopping;	/* between the two steps of a stop nothing is waited for here */

	if (!is_over)
		LOG_INFO(&c->actor.log, stop_waits, KV_STR("what", what_stop_waits_for(c)), KV_I32("controller", c->controller_id));
	controller_timer_set(c, t, os_mono_ms(c->os) + SAY_AGAIN_MS);
}

void controller_watch_stop(struct controller *c)
{
	c->wait_timer.fire = say_what_stop_waits_for;
	controller_timer_set(c, &c->wait_timer, os_mono_ms(c->os) + SAY_AFTER_MS);
}

/* Goes in front of what waits; whatever runs is brought to its end first, or given up when the store does not answer. */
void controller_enqueue_stop(struct controller *c, struct controller_stop *m)
{
	struct stop_task *t = (struct stop_task *)task_create(&c->member_queue, &stop_kind, sizeof(*t), &m->msg);

	t->ask = m;
	c->is_stopping = true;
	controller_watch_stop(c);
	if (c->active != NULL)
		active_end(c);
	member_asks_stop(c);
	list_push_front(&c->member_queue.tasks, &t->task.link);
	if (!m->is_clean) {	/* nothing reaches the store any more; what is out comes home as lost */
		coord_crash(&c->coord);
		c->is_connected = false;
	}
	controller_give_up_registering(c);
	if (!c->is_connected)
		controller_give_up_unsent(c);
	if (!c->is_connected && c->member_queue.current != NULL)
		c->member_queue.current->is_expired = true;
}
