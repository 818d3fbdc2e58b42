/*
 * Topics: reading them from the store, making the states of new partitions, starting and instructing local replicas, publishing; and deleting.
 *
 * One way in: whatever tells of a new topic or of more partitions (a start, a watch, our own CreateTopics) ends in the load task, which reads what the store holds and
 * brings states, replicas and picture to it. So a step that is done twice does nothing the second time.
 *
 * Deleting goes the other way round, and each step leaves something from which the next start goes on: the picture without the topic, the replicas, the
 * topic's nodes, and last /admin/delete_topics/<t>.
 */
#include "controller/controller_priv.h"
#include "partition/partition_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the states in memory ------------------------------------------------------------------------------------------------------------- */

struct topic_state *topic_state_get(const struct controller *c, struct slice name)
{
	return map_get(&c->topics, name);
}

static void partition_state_fini(struct partition_state *p)
{
	free(p->replicas);	/* the block of all three lists */
	if (p->local != NULL)
		partition_addr_unref(&p->local);
}

void topic_state_free(struct topic_state *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		partition_state_fini(&t->partitions[i]);
	free(t->partitions);
	if (t->overrides != NULL)
		counted_unref(&t->overrides->counted);
	free(t->name);
	free(t);
}

static struct topic_state *topic_state_make(struct controller *c, const char *name)
{
	struct topic_state *t = topic_state_get(c, slice_str(name));

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strdup(name);
	map_put(&c->topics, slice_str(t->name), t);
	return t;
}

static void set_assignment(struct partition_state *p, const struct znode_partition *z)
{
	size_t n = (size_t)(z->replica_count + z->adding_count + z->removing_count);

	free(p->replicas);
	p->replicas = mem_calloc(n + 1, sizeof(int32_t));
	p->adding = p->replicas + z->replica_count;
	p->removing = p->adding + z->adding_count;
	p->replica_count = z->replica_count;
	p->adding_count = z->adding_count;
	p->removing_count = z->removing_count;
	for (int32_t i = 0; i < z->replica_count; i++)
		p->replicas[i] = z->replicas[i];
	for (int32_t i = 0; i < z->adding_count; i++)
		p->adding[i] = z->adding[i];
	for (int32_t i = 0; i < z->removing_count; i++)
		p->removing[i] = z->removing[i];
}

/* Partitions that are known keep their state; new ones are added. Ids ascend in both. */
static void take_assignment(struct topic_state *t, const struct znode_topic *z)
{
	struct partition_state *next = mem_calloc((size_t)z->partition_count + 1, sizeof(*next));
	int32_t k = 0;

	for (int32_t i = 0; i < z->partition_count; i++) {
		while (k < t->partition_count && t->partitions[k].id < z->partitions[i].id)
			partition_state_fini(&t->partitions[k++]);
		if (k < t->partition_count && t->partitions[k].id == z->partitions[i].id)
			next[i] = t->partitions[k++];
		else
			next[i].id = z->partitions[i].id;
		set_assignment(&next[i], &z->partitions[i]);
	}
	while (k < t->partition_count)
		partition_state_fini(&t->partitions[k++]);
	free(t->partitions);
	t->partitions = next;
	t->partition_count = z->partition_count;
}

static bool is_here(const struct controller *c, const struct partition_state *p)
{
	for (int32_t i = 0; i < p->replica_count; i++) {
		if (p->replicas[i] == c->broker_id)
			return true;
	}
	return false;
}

static bool is_live(const struct controller *c, int32_t broker)
{
	for (int i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == broker)
			return true;
	}
	return false;
}

/* --- loading --------------------------------------------------------------------------------------------------------------------------- */

enum load_stage { LOAD_NAMES, LOAD_NAMED, LOAD_TOPICS, LOAD_STATES, LOAD_PREPARE, LOAD_MAKE_PARENTS, LOAD_MAKE_STATES, LOAD_REREAD, LOAD_REPLICAS, LOAD_ROLES, LOAD_CHECKPOINTED, LOAD_PUBLISH };

struct load_task {
	struct task            task;
	bool                   is_all;
	char                 **names;
	int32_t                count;
	struct partition_role *roles;
	int32_t                role_count;
	struct job             checkpoint;	/* with what it needs: */
	struct controller     *controller;
	struct partition_addr **replicas;
	int32_t                replica_count;
};

static void load_fini(struct task *t)
{
	struct load_task *l = (struct load_task *)t;

	for (int32_t i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
	free(l->roles);
	free(l->replicas);
}

static struct topic_state *load_topic(struct controller *c, const struct load_task *l, int32_t i)
{
	struct topic_state *t = topic_state_get(c, slice_str(l->names[i]));

	return t != NULL && !t->is_deleting ? t : NULL;
}

static void load_take_names(struct load_task *l, const struct coord_op *op)
{
	l->names = mem_calloc((size_t)op->name_count + 1, sizeof(*l->names));
	for (int32_t i = 0; i < op->name_count; i++)
		l->names[l->count++] = mem_strndup((const char *)op->names[i].ptr, op->names[i].len);
}

static bool is_named(const struct coord_op *op, const char *name)
{
	for (int32_t i = 0; i < op->name_count; i++) {
		if (slice_eq_str(op->names[i], name))
			return true;
	}
	return false;
}

/*
 * Topics that we know and the store does not, any more: somebody else was controller meanwhile, or the session expired when a deletion of ours had
 * deleted the last node. True: a sub-task brings their end about here.
 */
static bool load_remove_gone(struct controller *c, const struct coord_op *op)
{
	char **names = mem_calloc(map_count(&c->topics) + 1, sizeof(*names));
	struct map_entry *e;
	int n = 0;

	for (uint32_t at = 0; (e = map_next(&c->topics, &at)) != NULL; ) {
		struct topic_state *t = e->value;

		if (!is_named(op, t->name))
			names[n++] = t->name;
	}
	if (n > 0)
		controller_push_delete(c, names, n);
	free(names);
	return n > 0;
}

static enum task_result load_read_topics(struct controller *c, struct load_task *l)
{
	task_drop_calls(&l->task);
	for (int32_t i = 0; i < l->count; i++) {
		task_get(c, &l->task, true, "/brokers/topics/%s", l->names[i])->mark = l->names[i];
		task_get(c, &l->task, false, "/config/topics/%s", l->names[i])->mark = l->names[i];
	}
	l->task.stage = LOAD_TOPICS;
	return task_submit(c, &l->task);
}

static void load_take_topic(struct controller *c, struct store_call *node, struct store_call *config)
{
	struct znode_topic z;
	struct cluster_override *pairs;
	int32_t n;
	const char *name = node->mark;

	if (node->call.result != OK)
		return;		/* deleted meanwhile: the watch of the parent tells */
	if (!znode_topic_decode(&z, node->ops[0].out, &node->call.arena)) {
		LOG_ERROR(&c->actor.log, topic_unreadable, KV_STR("topic", name));
		return;
	}
	struct topic_state *t = topic_state_make(c, name);
	t->id = z.id;
	t->version = node->ops[0].stat.version;
	take_assignment(t, &z);
	znode_config_decode(config->call.result == OK ? config->ops[0].out : SLICE_NULL, &pairs, &n, &config->call.arena);
	controller_set_overrides(t, pairs, n);
	controller_resolve_topic(c, t);
}

static enum task_result load_read_states(struct controller *c, struct load_task *l)
{
	for (struct list *e = l->task.calls.next; e != &l->task.calls; e = e->next->next)
		load_take_topic(c, LIST_ENTRY(e, struct store_call, link), LIST_ENTRY(e->next, struct store_call, link));
	task_drop_calls(&l->task);
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			if (!t->partitions[k].has_state)
				task_get(c, &l->task, false, "/brokers/topics/%s/partitions/%d/state", t->name, t->partitions[k].id)->mark = &t->partitions[k];
		}
	}
	l->task.stage = LOAD_STATES;
	return task_submit(c, &l->task);
}

static void take_states(struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct partition_state *p = s->mark;
		struct znode_state z;

		if (p == NULL || s->ops[0].kind != COORD_GET || s->call.result != OK || !znode_state_decode(&z, s->ops[0].out, &s->call.arena))
			continue;
		p->has_state = true;
		p->leader = z.leader;
		p->leader_epoch = z.leader_epoch;
		p->controller_epoch = z.controller_epoch;
		p->partition_epoch = s->ops[0].stat.version;
		p->isr_count = z.isr_count;
		memcpy(p->isr, z.isr, (size_t)z.isr_count * sizeof(z.isr[0]));
	}
}

/* A new partition: the first live replica leads, all live ones are in sync, epoch 0. Needs at least one. */
static bool first_state(const struct controller *c, struct partition_state *p)
{
	p->isr_count = 0;
	for (int32_t i = 0; i < p->replica_count && p->isr_count < REPLICAS_MAX; i++) {
		if (is_live(c, p->replicas[i]))
			p->isr[p->isr_count++] = p->replicas[i];
	}
	if (p->isr_count == 0)
		return false;
	p->leader = p->isr[0];
	p->leader_epoch = 0;
	p->controller_epoch = c->controller_epoch;
	p->partition_epoch = 0;
	return true;
}

/* A leader that is not there any more, while a replica in sync is: it takes over, with the next epoch. */
static bool next_state(const struct controller *c, struct partition_state *p)
{
	if (p->leader >= 0 && is_live(c, p->leader))
		return false;
	for (int32_t i = 0; i < p->isr_count; i++) {
		if (is_live(c, p->isr[i])) {
			p->leader = p->isr[i];
			p->leader_epoch++;
			p->controller_epoch = c->controller_epoch;
			return true;
		}
	}
	return false;
}

static void encode_state(struct controller *c, const struct partition_state *p)
{
	struct znode_state z = {
		.leader = p->leader, .leader_epoch = p->leader_epoch, .controller_epoch = p->controller_epoch, .isr = (int32_t *)(uintptr_t)p->isr,
		.isr_count = p->isr_count,
	};

	strbuf_reset(&c->text);
	znode_state_encode(&z, &c->text);
}

/* Kafka's three rounds, the parents of all before the states of all; one submission, because calls are applied in order. */
static enum task_result load_make_states(struct controller *c, struct load_task *l)
{
	take_states(&l->task);
	task_drop_calls(&l->task);
	l->task.stage = LOAD_REREAD;
	if (!c->is_active)
		return TASK_AGAIN;
	for (int round = 0; round < 3; round++) {
		for (int32_t i = 0; i < l->count; i++) {
			struct topic_state *t = load_topic(c, l, i);
			bool is_first = true;

			for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
				struct partition_state *p = &t->partitions[k];

				if (p->has_state && round == 2 && next_state(c, p)) {
					encode_state(c, p);
					task_set_node(c, &l->task, true, p->partition_epoch, "/brokers/topics/%s/partitions/%d/state", t->name, p->id)->mark = p;
				}
				if (p->has_state || (round == 2 && !first_state(c, p)))
					continue;
				if (round == 0 && is_first)
					task_create_node(c, &l->task, true, false, 0, "/brokers/topics/%s/partitions", t->name);
				if (round == 1)
					task_create_node(c, &l->task, true, false, 0, "/brokers/topics/%s/partitions/%d", t->name, p->id);
				if (round == 2) {
					encode_state(c, p);
					task_create_node(c, &l->task, true, true, 0, "/brokers/topics/%s/partitions/%d/state", t->name, p->id)->mark = p;
				}
				is_first = false;
			}
		}
	}
	return task_submit(c, &l->task);
}

/* What was written is the truth; what could not be (somebody else was first, or an answer was lost and it had been written) is read. */
static enum task_result load_reread(struct controller *c, struct load_task *l)
{
	struct list *done = &l->task.calls;
	bool is_deposed = false;

	LIST_FOREACH(e, done) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct partition_state *p = s->mark;

		is_deposed |= store_call_is_fenced_off(s);
		if (p == NULL)
			continue;
		if (s->call.result == OK) {
			p->has_state = true;
			p->partition_epoch = store_call_op(s)->kind == COORD_SET ? store_call_op(s)->stat.version : 0;
		} else {
			p->has_state = false;
		}
	}
	task_drop_calls(&l->task);
	if (is_deposed)
		controller_enqueue_election(c);
	l->task.stage = LOAD_REPLICAS;
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			if (!t->partitions[k].has_state)
				task_get(c, &l->task, false, "/brokers/topics/%s/partitions/%d/state", t->name, t->partitions[k].id)->mark = &t->partitions[k];
		}
	}
	return task_submit(c, &l->task);
}

static enum task_result load_replicas(struct controller *c, struct load_task *l)
{
	int32_t n = 0;

	take_states(&l->task);
	task_drop_calls(&l->task);
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		n += t != NULL ? t->partition_count : 0;
	}
	l->roles = mem_calloc((size_t)n + 1, sizeof(*l->roles));
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			struct partition_state *p = &t->partitions[k];
			struct partition_role *m = &l->roles[l->role_count];

			if (!is_here(c, p) || !p->has_state || (p->local == NULL && !controller_start_replica(c, t, p)))
				continue;
			partition_role_fill(c, t, p, m);
			l->role_count++;
			task_ask(c, &l->task, p->local, &m->msg);
		}
	}
	l->task.stage = LOAD_ROLES;
	return l->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* On a worker. */
static void load_checkpoint_run(struct job *j)
{
	struct load_task *l = CONTAINER_OF(j, struct load_task, checkpoint);
	const struct controller_spec *spec = &l->controller->spec;

	for (int i = 0; i < spec->dir_count; i++) {
		struct logdir *d = spec->dirs[i];

		if (logdir_is_offline(d) || logdir_had_clean_shutdown(d))
			continue;
		enum err e = partition_write_checkpoints(d, l->replicas, l->replica_count, CHECKPOINT_RECOVERY);
		if (e != OK && e != ERR_NO_SPACE)
			logdir_set_offline(d, e, "recovery points");
	}
}

/*
 * After an unclean start, before the first append: a log may have been cut below the recovery point that the directory still names. Were that point believed after
 * the next crash, what is appended from now on up to it would be trusted without having been synced.
 */
static enum task_result load_checkpoint(struct controller *c, struct load_task *l)
{
	bool is_unclean = false;

	for (int i = 0; i < c->spec.dir_count; i++)
		is_unclean |= !logdir_had_clean_shutdown(c->spec.dirs[i]);
	l->task.stage = LOAD_CHECKPOINTED;
	if (!l->is_all || !is_unclean || l->role_count == 0)
		return TASK_AGAIN;
	l->replicas = mem_calloc((size_t)l->role_count, sizeof(struct partition_addr *));
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			if (t->partitions[k].local != NULL && l->replica_count < l->role_count)
				l->replicas[l->replica_count++] = t->partitions[k].local;
		}
	}
	l->controller = c;
	msg_init(&l->checkpoint.msg, CONTROLLER_JOB, &c->actor);
	l->checkpoint.msg.context = &l->task;
	l->checkpoint.run = load_checkpoint_run;
	l->task.out++;
	workers_submit(c->spec.workers, &c->actor, &l->checkpoint);
	return TASK_WAIT;
}

static enum task_result load_publish(struct controller *c, struct load_task *l)
{
	struct cluster *next = controller_next_picture(c);

	for (int32_t i = 0; i < l->role_count; i++) {
		if (l->roles[i].error != NONE)
			LOG_WARN(&c->actor.log, role_refused, KV_STR("error", kafka_error_name((int16_t)l->roles[i].error)));
	}
	for (int32_t i = 0; i < l->count; i++) {
		struct topic_state *t = load_topic(c, l, i);

		if (t != NULL)
			controller_put_topic(c, next, t);
	}
	controller_publish(c, next);
	if (l->is_all)
		controller_set_strays_aside(c);
	l->task.stage = LOAD_PUBLISH;
	controller_wait_visible(c, &l->task);
	return TASK_WAIT;
}

static enum task_result load_run(struct controller *c, struct task *t)
{
	struct load_task *l = (struct load_task *)t;

	switch ((enum load_stage)t->stage) {
	case LOAD_NAMES:
		t->stage = LOAD_NAMED;
		if (!l->is_all)
			return TASK_AGAIN;
		task_children(c, t, true, "/brokers/topics");
		return task_submit(c, t);
	case LOAD_NAMED:
		if (l->is_all && t->last->call.result == OK && load_remove_gone(c, store_call_op(t->last)))
			return TASK_WAIT;	/* and here again, with none left */
		if (l->is_all && t->last->call.result == OK)
			load_take_names(l, store_call_op(t->last));
		return load_read_topics(c, l);
	case LOAD_TOPICS:       return load_read_states(c, l);
	case LOAD_STATES:
	case LOAD_PREPARE:
	case LOAD_MAKE_PARENTS:
	case LOAD_MAKE_STATES:  return load_make_states(c, l);
	case LOAD_REREAD:       return load_reread(c, l);
	case LOAD_REPLICAS:     return load_replicas(c, l);
	case LOAD_ROLES:        return load_checkpoint(c, l);
	case LOAD_CHECKPOINTED: return load_publish(c, l);
	case LOAD_PUBLISH:      return TASK_DONE;
	}
	return TASK_DONE;
}

static const struct task_kind load_kind = { .name = "load topics", .run = load_run, .fini = load_fini };

void controller_push_load(struct controller *c, char **names, int n)
{
	struct load_task *l = (struct load_task *)task_create(c, &load_kind, sizeof(*l), NULL);

	l->is_all = names == NULL;
	l->names = mem_calloc((size_t)n + 1, sizeof(*l->names));
	for (int i = 0; i < n; i++)
		l->names[l->count++] = mem_strdup(names[i]);
	if (l->is_all) {
		free(l->names);
		l->names = NULL;
	}
	task_push(c, &l->task);
}

/* --- hearing of topics ------------------------------------------------------------------------------------------------------------------- */

enum scan_stage { SCAN_LIST, SCAN_LOOK, SCAN_DONE };

struct scan_task {
	struct task task;
	char       *changed;	/* one topic whose node changed; NULL: look at the whole list */
};

static void scan_fini(struct task *t)
{
	free(((struct scan_task *)t)->changed);
}

static enum task_result scan_look(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	char **names = mem_calloc((size_t)op->name_count + 1, sizeof(*names));
	int n = 0;

	for (int32_t i = 0; t->last->call.result == OK && i < op->name_count; i++) {
		if (topic_state_get(c, op->names[i]) == NULL)
			names[n++] = mem_strndup((const char *)op->names[i].ptr, op->names[i].len);
	}
	t->stage = SCAN_DONE;
	if (n > 0)
		controller_push_load(c, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0 ? TASK_WAIT : TASK_DONE;
}

static enum task_result scan_run(struct controller *c, struct task *t)
{
	struct scan_task *s = (struct scan_task *)t;

	switch ((enum scan_stage)t->stage) {
	case SCAN_LIST:
		if (!c->is_active)
			return TASK_DONE;
		if (s->changed != NULL) {
			t->stage = SCAN_DONE;
			controller_push_load(c, &s->changed, 1);
			return TASK_WAIT;
		}
		task_children(c, t, true, "/brokers/topics");
		t->stage = SCAN_LOOK;
		return task_submit(c, t);
	case SCAN_LOOK:
		return scan_look(c, t);
	case SCAN_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind scan_kind = { .name = "topics changed", .run = scan_run, .fini = scan_fini };

void controller_enqueue_topic_scan(struct controller *c)
{
	task_enqueue(c, task_create(c, &scan_kind, sizeof(struct scan_task), NULL));
}

void controller_enqueue_topic_changed(struct controller *c, const char *name)
{
	struct scan_task *s = (struct scan_task *)task_create(c, &scan_kind, sizeof(*s), NULL);

	s->changed = mem_strdup(name);
	task_enqueue(c, &s->task);
}

/* --- deleting ------------------------------------------------------------------------------------------------------------------------------ */

enum delete_stage { DELETE_HIDE, DELETE_STOP, DELETE_STOPPED, DELETE_NODES, DELETE_GONE };

struct delete_task {
	struct task            task;
	char                 **names;
	int32_t                count;
	struct partition_stop *stops;
	int32_t                stop_count;
};

static void delete_fini(struct task *t)
{
	struct delete_task *d = (struct delete_task *)t;

	for (int32_t i = 0; i < d->count; i++)
		free(d->names[i]);
	free(d->names);
	free(d->stops);
}

static enum task_result delete_hide(struct controller *c, struct delete_task *d)
{
	struct cluster *next = controller_next_picture(c);

	for (int32_t i = 0; i < d->count; i++) {
		struct topic_state *t = topic_state_get(c, slice_str(d->names[i]));

		cluster_remove_topic(next, slice_str(d->names[i]));
		if (t != NULL) {
			t->is_deleting = true;
			t->is_in_picture = false;
		}
	}
	controller_publish(c, next);
	d->task.stage = DELETE_STOP;
	controller_wait_visible(c, &d->task);
	return TASK_WAIT;
}

static enum task_result delete_stop(struct controller *c, struct delete_task *d)
{
	int32_t n = 0;

	for (int32_t i = 0; i < d->count; i++) {
		struct topic_state *t = topic_state_get(c, slice_str(d->names[i]));

		n += t != NULL ? t->partition_count : 0;
	}
	d->stops = mem_calloc((size_t)n + 1, sizeof(*d->stops));
	for (int32_t i = 0; i < d->count; i++) {
		struct topic_state *t = topic_state_get(c, slice_str(d->names[i]));

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			struct partition_stop *m = &d->stops[d->stop_count];

			if (t->partitions[k].local == NULL)
				continue;
			msg_init(&m->msg, PARTITION_stop, &c->actor);
			m->how = STOP_DELETE;
			d->stop_count++;
			task_ask(c, &d->task, t->partitions[k].local, &m->msg);
		}
	}
	d->task.stage = DELETE_STOPPED;
	return d->task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static void delete_nodes_of(struct controller *c, struct delete_task *d, const char *name, const struct topic_state *t)
{
	for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
		task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions/%d/state", name, t->partitions[k].id);
		task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions/%d", name, t->partitions[k].id);
	}
	task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/brokers/topics/%s/partitions", name);
	task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", name);
	task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/config/topics/%s", name);
	task_delete_node(c, &d->task, true, COORD_ANY_VERSION, "/admin/delete_topics/%s", name);
}

static enum task_result delete_nodes(struct controller *c, struct delete_task *d)
{
	for (int32_t i = 0; i < d->count; i++) {
		struct topic_state *t = topic_state_get(c, slice_str(d->names[i]));

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			char key[LOGDIR_NAME_MAX + 16];

			if (t->partitions[k].local != NULL) {
				partition_join(t->partitions[k].local);
				partition_addr_unref(&t->partitions[k].local);	/* this task may be given up, and done again */
			}
			snprintf(key, sizeof(key), "%s-%d", t->name, t->partitions[k].id);
			controller_forget_dir(c, key);
		}
		if (c->is_active)
			delete_nodes_of(c, d, d->names[i], t);
	}
	d->task.stage = DELETE_GONE;
	return task_submit(c, &d->task);
}

static enum task_result delete_run(struct controller *c, struct task *t)
{
	struct delete_task *d = (struct delete_task *)t;

	switch ((enum delete_stage)t->stage) {
	case DELETE_HIDE:    return delete_hide(c, d);
	case DELETE_STOP:    return delete_stop(c, d);
	case DELETE_STOPPED: return delete_nodes(c, d);
	case DELETE_NODES:
	case DELETE_GONE:
		for (int32_t i = 0; i < d->count; i++) {
			struct topic_state *gone = map_remove(&c->topics, slice_str(d->names[i]));

			LOG_INFO(&c->actor.log, topic_deleted, KV_STR("topic", d->names[i]));
			if (gone != NULL)
				topic_state_free(gone);
		}
		return TASK_DONE;
	}
	return TASK_DONE;
}

static const struct task_kind delete_kind = { .name = "delete topics", .run = delete_run, .fini = delete_fini };

void controller_push_delete(struct controller *c, char **names, int n)
{
	struct delete_task *d = (struct delete_task *)task_create(c, &delete_kind, sizeof(*d), NULL);

	d->names = mem_calloc((size_t)n + 1, sizeof(*d->names));
	for (int i = 0; i < n; i++)
		d->names[d->count++] = mem_strdup(names[i]);
	task_push(c, &d->task);
}

static enum task_result deletion_look(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	char **names = mem_calloc((size_t)op->name_count + 1, sizeof(*names));
	int n = 0;

	for (int32_t i = 0; t->last->call.result == OK && i < op->name_count; i++)
		names[n++] = mem_strndup((const char *)op->names[i].ptr, op->names[i].len);
	t->stage = SCAN_DONE;
	if (n > 0)
		controller_push_delete(c, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0 ? TASK_WAIT : TASK_DONE;
}

static enum task_result deletion_run(struct controller *c, struct task *t)
{
	switch ((enum scan_stage)t->stage) {
	case SCAN_LIST:
		if (!c->is_active)
			return TASK_DONE;
		task_children(c, t, true, "/admin/delete_topics");
		t->stage = SCAN_LOOK;
		return task_submit(c, t);
	case SCAN_LOOK:
		return deletion_look(c, t);
	case SCAN_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind deletion_kind = { .name = "deletions wanted", .run = deletion_run };

void controller_enqueue_deletion_scan(struct controller *c)
{
	task_enqueue(c, task_create(c, &deletion_kind, sizeof(struct scan_task), NULL));
}
