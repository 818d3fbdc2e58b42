/*
 * What clients ask of the active controller: creating and deleting topics, adding partitions. Errors and sentences are Kafka's.
 *
 * Creating writes the topic's configuration first and its assignment second: a topic exists when the second node does. Then the active side (active_topics.c)
 * takes it from there, as if somebody else had written the nodes. A broker that is not the active controller writes the nodes of a topic that somebody asked for, and leaves it
 * at that.
 *
 * The answer waits, outside of the queue, until this broker's own member side has carried out and shows what was done.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/active_priv.h"
#include "controller/assignment.h"
#include "os/os.h"

/*
 * A replica is a thread, and a machine has no more than kernel.pid_max of them (32,768 by default) for everybody. Checked before anything is written or
 * allocated: whoever asks for more is told so.
 */
#define REPLICAS_PER_BROKER_MAX 20000

static char *text(const char *fmt, ...) PRINTF(1, 2);
static char *text(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	return out;
}

static bool is_active(const struct controller *c)
{
	return c->active != NULL && !c->active->is_moved;
}

/* Replicas that may still be made: by what the active side knows, or without it the member side. */
int64_t controller_replica_room(const struct controller *c)
{
	int64_t used = is_active(c) ? c->active->replica_count : 0;
	struct map_entry *e;

	for (uint32_t at = 0; !is_active(c) && (e = map_next(&c->topics, &at)) != NULL; ) {
		const struct topic_state *t = e->value;

		for (int32_t i = 0; i < t->partition_count; i++)
			used += t->partitions[i].replicas.count;
	}
	return (int64_t)REPLICAS_PER_BROKER_MAX * (is_active(c) ? c->active->broker_count : c->broker_count) - used;
}

/* False: the asker owes, and is to come again later. */
static bool may_change(struct controller *c, struct controller_payer *p, int32_t partitions)
{
	struct mutation_payer payer = { .user = p->principal, .client_id = p->client_id, .is_strict = p->is_strict };

	if (p->principal.len >= 5 && memcmp(p->principal.ptr, "User:", 5) == 0)
		payer.user = slice_of(p->principal.ptr + 5, p->principal.len - 5);
	return mutation_quotas_charge(&c->quotas, &payer, partitions, os_mono_ms(c->os), &p->throttle_ms);
}

static char *over_quota_text(void)
{
	return mem_strdup("The throttling quota has been exceeded.");
}

enum known { UNKNOWN, KNOWN, KNOWN_AND_GOING };

static enum known look_up(const struct controller *c, struct slice name)
{
	const struct active_topic *t = active_topic_get(c, name);
	const struct topic_state *seen = topic_state_get(c, name);

	if (is_active(c))
		return t == NULL ? UNKNOWN : t->is_queued ? KNOWN_AND_GOING : KNOWN;
	return seen != NULL && seen->is_in_picture ? KNOWN : UNKNOWN;
}

/* --- answers that wait for this broker's own member side ---------------------------------------------------------------------------- */

struct admin_waiter {
	struct active_waiter waiter;
	struct msg          *asker;
	char               **names;	/* of topics that are being deleted */
	int32_t              name_count;
};

static void admin_answer(struct controller *c, struct admin_waiter *w)
{
	for (int32_t i = 0; i < w->name_count; i++)
		free(w->names[i]);
	free(w->names);
	actor_answer(&c->actor, w->asker);
	free(w);
}

static struct admin_waiter *admin_waiter(struct controller *c, struct task *t, int32_t timeout_ms, bool (*look)(struct controller *c, struct active_waiter *w, bool is_over))
{
	struct admin_waiter *w = mem_calloc(1, sizeof(*w));

	w->waiter.deadline = os_mono_ms(c->os) + MAX(timeout_ms, 0);
	w->waiter.look = look;
	w->asker = t->asker;
	t->asker = NULL;
	return w;
}

static char *no_room_text(int64_t wanted, int64_t room)
{
	return text("%lld replicas are more than there is room for: %lld, at %d per broker.", (long long)wanted, (long long)MAX(room, 0),
	            REPLICAS_PER_BROKER_MAX);
}

/* --- creating topics -------------------------------------------------------------------------------------------------------------- */

enum create_stage { CREATE_CHECK, CREATE_WRITTEN, CREATE_UP };

struct new_topic {			/* beside the asker's controller_new_topic */
	struct znode_partition *partitions;
	int32_t                 count;
	int32_t                *ids;	/* memory of all replica lists */
	struct config_set       overrides;
	bool                    is_written;
};

struct create_task {
	struct task                      task;
	struct controller_create_topics *ask;
	struct new_topic                *made;
};

static void create_fini(struct controller *c, struct task *t)
{
	struct create_task *ct = (struct create_task *)t;

	(void)c;
	for (int32_t i = 0; t->is_expired && ct->made == NULL && i < ct->ask->topic_count; i++) {
		if (ct->ask->topics[i].error == NONE)
			ct->ask->topics[i].error = NOT_CONTROLLER;
	}
	for (int32_t i = 0; ct->made != NULL && i < ct->ask->topic_count; i++) {
		if (t->is_expired && ct->ask->topics[i].error == NONE)
			ct->ask->topics[i].error = REQUEST_TIMED_OUT;
		free(ct->made[i].partitions);
		free(ct->made[i].ids);
		config_set_fini(&ct->made[i].overrides);
	}
	free(ct->made);
}

static enum kafka_error refuse(struct controller_new_topic *n, enum kafka_error error, char *message)
{
	n->message = message;
	return error;
}

struct collision {
	struct slice name;
	const char  *with;
};

static void look_for_collision(void *arg, const struct cluster_topic *t)
{
	struct collision *x = arg;

	if (topic_names_collide(x->name, slice_of(t->name, t->name_len)))
		x->with = t->name;
}

static enum kafka_error check_name(struct controller *c, struct controller_new_topic *n)
{
	char problem[512];
	enum known known = look_up(c, n->name);
	struct collision x = { .name = n->name };

	if (topic_name_problem(n->name, problem, sizeof(problem)) != NULL)
		return refuse(n, INVALID_TOPIC_EXCEPTION, mem_strdup(problem));
	if (known != UNKNOWN)
		return refuse(n, TOPIC_ALREADY_EXISTS, known == KNOWN_AND_GOING ? text("Topic '" SLICE_FMT "' is marked for deletion.", SLICE_ARG(n->name))
		                                                          : text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(n->name)));
	if (c->picture != NULL && (memchr(n->name.ptr, '.', n->name.len) != NULL || memchr(n->name.ptr, '_', n->name.len) != NULL))
		cluster_each_topic(c->picture, look_for_collision, &x);
	if (x.with != NULL)
		return refuse(n, INVALID_TOPIC_EXCEPTION, text("Topic '" SLICE_FMT "' collides with existing topics: %s", SLICE_ARG(n->name), x.with));
	return NONE;
}

static enum kafka_error check_counts(struct controller *c, struct controller_new_topic *n, int32_t *partitions, int32_t *factor)
{
	if ((n->partitions != -1 || n->replication_factor != -1) && n->assignment_count > 0)
		return refuse(n, INVALID_REQUEST, text("Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."));
	if (n->assignment_count > 0)
		return NONE;
	*partitions = n->partitions == -1 ? c->config->num_partitions : n->partitions;
	*factor = n->replication_factor == -1 ? c->config->default_replication_factor : n->replication_factor;
	if (*partitions <= 0)
		return refuse(n, INVALID_PARTITIONS, text("Number of partitions must be larger than 0."));
	if (*factor <= 0)
		return refuse(n, INVALID_REPLICATION_FACTOR, text("Replication factor must be larger than 0."));
	if (*factor > c->broker_count)
		return refuse(n, INVALID_REPLICATION_FACTOR, text("Replication factor: %d larger than available brokers: %d.", *factor, c->broker_count));
	return NONE;
}

static int by_id(const void *a, const void *b)
{
	const struct znode_partition *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* As given. A partition listed twice: the last entry counts. */
static enum kafka_error take_assignments(struct controller_new_topic *n, struct new_topic *m)
{
	size_t ids = 0;

	for (int32_t i = 0; i < n->assignment_count; i++) {
		if (n->assignments[i].broker_count > REPLICAS_MAX)
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, text("A partition can have at most %d replicas", REPLICAS_MAX));
		ids += (size_t)n->assignments[i].broker_count;
	}
	m->partitions = mem_calloc((size_t)n->assignment_count, sizeof(*m->partitions));
	m->ids = mem_calloc(ids + 1, sizeof(*m->ids));
	int32_t *room = m->ids;
	for (int32_t i = 0; i < n->assignment_count; i++) {
		const struct controller_assignment *a = &n->assignments[i];
		int32_t at = 0;

		while (at < m->count && m->partitions[at].id != a->partition)
			at++;
		m->count = MAX(m->count, at + 1);
		m->partitions[at] = (struct znode_partition){ .id = a->partition, .replicas = room, .replica_count = a->broker_count };
		for (int32_t k = 0; k < a->broker_count; k++) {
			for (int32_t j = 0; j < k; j++) {
				if (a->brokers[j] == a->brokers[k])
					return refuse(n, INVALID_REPLICA_ASSIGNMENT, text("Duplicate replica assignment found: partition %d lists broker %d twice",
					                                                   a->partition, a->brokers[k]));
			}
			*room++ = a->brokers[k];
		}
	}
	qsort(m->partitions, (size_t)m->count, sizeof(*m->partitions), by_id);
	for (int32_t i = 0; i < m->count; i++) {
		if (m->partitions[i].replica_count != m->partitions[0].replica_count)
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, text("All partitions should have the same number of replicas"));
	}
	for (int32_t i = 0; i < m->count; i++) {
		if (m->partitions[i].id != i)
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, text("partitions should be a consecutive 0-based integer sequence"));
	}
	return NONE;
}

static enum kafka_error make_assignments(struct controller *c, struct controller_new_topic *n, struct new_topic *m, int32_t partitions, int32_t factor)
{
	m->ids = mem_calloc((size_t)partitions * (size_t)factor, sizeof(*m->ids));
	m->partitions = mem_calloc((size_t)partitions, sizeof(*m->partitions));
	m->count = partitions;
	enum err e = assign_replicas(m->ids, partitions, factor, 0, c->brokers, c->broker_count,
	                             (uint32_t)os_random_u64(c->os) % (uint32_t)c->broker_count, (uint32_t)os_random_u64(c->os) % (uint32_t)c->broker_count);
	if (e != OK)
		return refuse(n, UNKNOWN_SERVER_ERROR, text("Not all brokers have rack information for replica rack aware assignment."));
	for (int32_t i = 0; i < partitions; i++)
		m->partitions[i] = (struct znode_partition){ .id = i, .replicas = m->ids + (size_t)i * (size_t)factor, .replica_count = factor };
	return NONE;
}

static enum kafka_error check_configs(struct controller *c, struct controller_new_topic *n, struct new_topic *m)
{
	struct config_refusal refusal = { .text = STRBUF_INIT };
	struct config_change *changes = mem_calloc((size_t)n->config_count + 1, sizeof(*changes));

	for (int32_t i = 0; i < n->config_count; i++)
		changes[i] = (struct config_change){ .name = n->configs[i].name, .value = n->configs[i].value };
	bool ok = config_changes_apply(&config_topics, &m->overrides, changes, n->config_count, CONFIG_CREATE, &refusal) &&
	          config_topic_check(&m->overrides, c->config, SLICE_NULL, &refusal);
	free(changes);
	enum kafka_error error = ok ? NONE : refuse(n, refusal.error, mem_strdup(strbuf_cstr(&refusal.text)));
	strbuf_fini(&refusal.text);
	return error;
}

static enum kafka_error check_new_topic(struct controller *c, struct controller_new_topic *n, struct new_topic *m, int64_t *room)
{
	int32_t partitions = 0, factor = 0;

	if (look_up(c, n->name) == KNOWN)
		return refuse(n, TOPIC_ALREADY_EXISTS, text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(n->name)));
	for (int32_t i = 0; i < n->config_count; i++) {
		if (slice_is_null(n->configs[i].value))
			return refuse(n, INVALID_CONFIG, text("Null value not supported for topic configs: " SLICE_FMT, SLICE_ARG(n->configs[i].name)));
	}
	enum kafka_error error = check_counts(c, n, &partitions, &factor);
	if (error == NONE && (int64_t)partitions * factor > *room)
		error = refuse(n, INVALID_PARTITIONS, no_room_text((int64_t)partitions * factor, *room));
	if (error == NONE && n->assignment_count == 0)
		error = make_assignments(c, n, m, partitions, factor);
	if (error == NONE)
		error = check_name(c, n);
	if (error == NONE && n->assignment_count > 0)
		error = take_assignments(n, m);
	int64_t wanted = m->count > 0 ? (int64_t)m->count * m->partitions[0].replica_count : 0;
	if (error == NONE && wanted > *room)
		error = refuse(n, INVALID_PARTITIONS, no_room_text(wanted, *room));
	if (error == NONE)
		error = check_configs(c, n, m);
	if (error == NONE)
		*room -= wanted;
	return error;
}

static void encode_overrides(struct controller *c, const struct config_set *set)
{
	struct cluster_override *pairs = mem_calloc(map_count(&set->entries) + 1, sizeof(*pairs));
	const struct config_entry *e;
	int32_t n = 0;

	for (uint32_t at = 0; (e = config_set_next(set, &at)) != NULL; )
		pairs[n++] = (struct cluster_override){ (const char *)e->name.ptr, (const char *)e->text.ptr };
	strbuf_reset(&c->text);
	znode_config_encode(pairs, n, &c->text);
	free(pairs);
}

static enum task_result create_check(struct controller *c, struct create_task *ct)
{
	int64_t room = controller_replica_room(c);

	ct->made = mem_calloc((size_t)ct->ask->topic_count + 1, sizeof(*ct->made));
	for (int32_t i = 0; i < ct->ask->topic_count; i++) {
		struct controller_new_topic *n = &ct->ask->topics[i];
		struct new_topic *m = &ct->made[i];
		struct znode_topic z;

		config_set_init(&m->overrides);
		n->error = is_active(c) || ct->ask->is_automatic ? check_new_topic(c, n, m, &room) : NOT_CONTROLLER;
		if (n->error == NONE && !ct->ask->validate_only && !ct->ask->is_automatic && !may_change(c, &ct->ask->payer, m->count))
			n->error = refuse(n, THROTTLING_QUOTA_EXCEEDED, over_quota_text());
		if (n->error != NONE)
			continue;
		n->partitions_made = m->count;
		n->replication_factor_made = m->count > 0 ? (int16_t)m->partitions[0].replica_count : 0;
		if (ct->ask->validate_only)
			continue;
		n->topic_id = active_has_version(c, KAFKA_VERSION(2, 8, 0)) ? active_new_topic_id(c) : UUID_ZERO;
		z = (struct znode_topic){ .id = n->topic_id, .partitions = m->partitions, .partition_count = m->count };
		encode_overrides(c, &m->overrides);
		/* An older topic may have left its node; where there is none, the new one has version 0, as from Kafka. */
		task_set_node(c, &ct->task, false, COORD_ANY_VERSION, "/config/topics/" SLICE_FMT, SLICE_ARG(n->name));
		task_create_node(c, &ct->task, false, true, 0, "/config/topics/" SLICE_FMT, SLICE_ARG(n->name));
		strbuf_reset(&c->text);
		znode_topic_encode(&z, &c->text);
		task_create_node(c, &ct->task, false, true, 0, "/brokers/topics/" SLICE_FMT, SLICE_ARG(n->name))->mark = n;
	}
	ct->task.stage = CREATE_WRITTEN;
	return task_submit(c, &ct->task);
}

static enum task_result create_written(struct controller *c, struct create_task *ct)
{
	char **names = mem_calloc((size_t)ct->ask->topic_count + 1, sizeof(*names));
	int n = 0;

	LIST_FOREACH(e, &ct->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_new_topic *topic = s->mark;

		if (topic == NULL)
			continue;
		if (s->call.result == ERR_EXISTS && !s->was_retried) {
			topic->error = refuse(topic, TOPIC_ALREADY_EXISTS, text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(topic->name)));
		} else if (s->call.result != OK && s->call.result != ERR_EXISTS) {
			topic->error = refuse(topic, err_to_kafka(s->call.result), text("the coordination store: %s", err_text(s->call.result)));
		} else {
			names[n++] = mem_strndup((const char *)topic->name.ptr, topic->name.len);
			ct->made[topic - ct->ask->topics].is_written = true;
			LOG_INFO(&c->actor.log, topic_created, KV_SLICE("topic", topic->name), KV_I32("partitions", topic->partitions_made));
		}
		if (topic->error != NONE)
			topic->topic_id = UUID_ZERO;
	}
	task_drop_calls(&ct->task);
	ct->task.stage = CREATE_UP;
	if (n > 0 && is_active(c))
		active_push_new_topics(c, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* Done when every partition has a leader; else the topic is there, but the client is told that it took too long. */
static void create_finish(struct controller *c, struct controller_create_topics *ask)
{
	for (int32_t i = 0; i < ask->topic_count; i++) {
		struct controller_new_topic *n = &ask->topics[i];
		const struct topic_state *t = topic_state_get(c, n->name);
		bool has_leaders = t != NULL && t->partition_count >= n->partitions_made;

		if (n->error != NONE || ask->validate_only)
			continue;
		for (int32_t k = 0; t != NULL && k < t->partition_count; k++)
			has_leaders &= t->partitions[k].is_known && t->partitions[k].leader >= 0;
		if (t != NULL && !uuid_eq(t->id, n->topic_id))	/* the lost answer was "exists": somebody else's topic */
			n->error = TOPIC_ALREADY_EXISTS;
		else if (!has_leaders || ask->timeout_ms <= 0)
			n->error = REQUEST_TIMED_OUT;
	}
}

static bool create_look(struct controller *c, struct active_waiter *waiter, bool is_over)
{
	struct admin_waiter *w = CONTAINER_OF(waiter, struct admin_waiter, waiter);

	(void)is_over;
	create_finish(c, CONTAINER_OF(w->asker, struct controller_create_topics, msg));
	admin_answer(c, w);
	return true;
}

static enum task_result create_run(struct controller *c, struct task *t)
{
	struct create_task *ct = (struct create_task *)t;

	switch ((enum create_stage)t->stage) {
	case CREATE_CHECK:   return create_check(c, ct);
	case CREATE_WRITTEN: return create_written(c, ct);
	case CREATE_UP:
		if (is_active(c) && !ct->ask->validate_only)
			active_wait(c, &admin_waiter(c, t, ct->ask->timeout_ms, create_look)->waiter);
		else
			create_finish(c, ct->ask);
		break;
	}
	return TASK_DONE;
}

static const struct task_kind create_kind = { .name = "create topics", .run = create_run, .fini = create_fini };

void controller_enqueue_create_topics(struct controller *c, struct controller_create_topics *m)
{
	struct task_queue *q = c->active != NULL ? &c->active_queue : &c->member_queue;
	struct create_task *t = (struct create_task *)task_create(q, &create_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}

/* --- deleting topics ------------------------------------------------------------------------------------------------------------------ */

enum remove_stage { REMOVE_MARK, REMOVE_MARKED, REMOVE_BEGUN };

struct remove_task {
	struct task                      task;
	struct controller_delete_topics *ask;
	char                           **names;		/* marked */
	int32_t                          name_count;
};

static struct active_topic *find_old(struct controller *c, struct controller_old_topic *o)
{
	if (!is_active(c))
		return NULL;
	return slice_is_null(o->name) ? active_topic_by_id(c->active, o->topic_id) : active_topic_get(c, o->name);
}

static enum task_result remove_mark(struct controller *c, struct remove_task *rt)
{
	for (int32_t i = 0; i < rt->ask->topic_count; i++) {
		struct controller_old_topic *o = &rt->ask->topics[i];
		struct active_topic *t = find_old(c, o);

		if (o->error != NONE)
			continue;
		if (!is_active(c))
			o->error = NOT_CONTROLLER;
		else if (!c->config->is_topic_deletion_enabled)
			o->error = TOPIC_DELETION_DISABLED;
		else if (t == NULL || t->is_queued)
			o->error = slice_is_null(o->name) ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
		else if (!may_change(c, &rt->ask->payer, t->partition_count))
			o->error = THROTTLING_QUOTA_EXCEEDED;
		else
			task_create_node(c, &rt->task, false, false, 0, "/admin/delete_topics/%s", t->name)->mark = o;
	}
	rt->task.stage = REMOVE_MARKED;
	return task_submit(c, &rt->task);
}

static enum task_result remove_marked(struct controller *c, struct remove_task *rt)
{
	int32_t n = 0;

	rt->names = mem_calloc((size_t)rt->ask->topic_count + 1, sizeof(*rt->names));
	LIST_FOREACH(e, &rt->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_old_topic *o = s->mark;

		if (s->call.result == OK || s->call.result == ERR_EXISTS)
			rt->names[n++] = mem_strdup(strrchr(s->path, '/') + 1);
		else
			o->error = err_to_kafka(s->call.result);
	}
	rt->name_count = n;
	task_drop_calls(&rt->task);
	rt->task.stage = REMOVE_BEGUN;
	if (n > 0)
		active_push_deletions(c);
	return n > 0 ? TASK_WAIT : TASK_AGAIN;
}

/*
 * A topic is deleted for its client when this broker does not show it any more, as in Kafka, though its replicas elsewhere and its nodes may take longer, or wait for a broker. Where all
 * replicas are here it is worth the little while until the name is free again.
 */
static bool is_gone(const struct controller *c, const char *name)
{
	const struct active_topic *t = active_topic_get(c, slice_str(name));

	if (t == NULL || t->is_ineligible)
		return true;
	for (int32_t i = 0; i < t->partition_count; i++) {
		for (int32_t k = 0; k < t->partitions[i]->replicas.count; k++) {
			if (t->partitions[i]->replicas.ids[k] != c->broker_id)
				return true;
		}
	}
	return false;
}

static void remove_finish(struct controller_delete_topics *ask, bool is_late)
{
	for (int32_t i = 0; i < ask->topic_count; i++) {
		if (ask->topics[i].error == NONE && (is_late || ask->timeout_ms <= 0))
			ask->topics[i].error = REQUEST_TIMED_OUT;
	}
}

static bool remove_look(struct controller *c, struct active_waiter *waiter, bool is_over)
{
	struct admin_waiter *w = CONTAINER_OF(waiter, struct admin_waiter, waiter);
	bool is_done = true;

	for (int32_t i = 0; i < w->name_count && is_done; i++)
		is_done = is_gone(c, w->names[i]);
	if (!is_done && !is_over)
		return false;
	remove_finish(CONTAINER_OF(w->asker, struct controller_delete_topics, msg), !is_done);
	admin_answer(c, w);
	return true;
}

static enum task_result remove_wait(struct controller *c, struct remove_task *rt)
{
	struct admin_waiter *w = admin_waiter(c, &rt->task, rt->ask->timeout_ms, remove_look);

	w->names = rt->names;
	w->name_count = rt->name_count;
	rt->names = NULL;
	rt->name_count = 0;
	active_wait(c, &w->waiter);
	return TASK_DONE;
}

static enum task_result remove_run(struct controller *c, struct task *t)
{
	struct remove_task *rt = (struct remove_task *)t;

	switch ((enum remove_stage)t->stage) {
	case REMOVE_MARK:   return remove_mark(c, rt);
	case REMOVE_MARKED: return remove_marked(c, rt);
	case REMOVE_BEGUN:
		if (is_active(c))
			return remove_wait(c, rt);
		break;
	}
	return TASK_DONE;
}

static void remove_fini(struct controller *c, struct task *t)
{
	struct remove_task *rt = (struct remove_task *)t;

	(void)c;
	for (int32_t i = 0; t->is_expired && i < rt->ask->topic_count; i++) {
		if (rt->ask->topics[i].error == NONE)
			rt->ask->topics[i].error = t->stage == REMOVE_MARK ? NOT_CONTROLLER : REQUEST_TIMED_OUT;
	}
	for (int32_t i = 0; i < rt->name_count; i++)
		free(rt->names[i]);
	free(rt->names);
}

static const struct task_kind remove_kind = { .name = "remove topics", .run = remove_run, .fini = remove_fini };

void controller_enqueue_delete_topics(struct controller *c, struct controller_delete_topics *m)
{
	struct remove_task *t = (struct remove_task *)task_create(&c->active_queue, &remove_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}

/* --- adding partitions -------------------------------------------------------------------------------------------------------------------- */

enum grow_stage { GROW_CHECK, GROW_WRITTEN, GROW_UP };

struct grow_task {
	struct task                          task;
	struct controller_create_partitions *ask;
};

static enum kafka_error grow_refuse(struct controller_more_partitions *m, enum kafka_error error, char *message)
{
	m->message = message;
	return error;
}

static enum kafka_error check_growth(struct controller_more_partitions *m, const struct active_topic *t, int64_t *room)
{
	if (t == NULL)
		return grow_refuse(m, UNKNOWN_TOPIC_OR_PARTITION, text("The topic '" SLICE_FMT "' does not exist.", SLICE_ARG(m->name)));
	if (t->is_queued)
		return grow_refuse(m, INVALID_TOPIC_EXCEPTION, text("The topic '%s' is marked for deletion.", t->name));
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i]->is_reassigning)
			return grow_refuse(m, REASSIGNMENT_IN_PROGRESS, text("A partition reassignment is in progress for the topic '%s'.", t->name));
	}
	if (m->count == t->partition_count)
		return grow_refuse(m, INVALID_PARTITIONS, text("Topic already has %d partitions.", t->partition_count));
	if (m->count < t->partition_count)
		return grow_refuse(m, INVALID_PARTITIONS, text("Topic currently has %d partitions, which is higher than the requested %d.", t->partition_count, m->count));
	if (m->assignment_count >= 0 && m->assignment_count != m->count - t->partition_count)
		return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, text("Increasing the number of partitions by %d but %d assignments provided.",
		                                                       m->count - t->partition_count, m->assignment_count));
	int64_t wanted = (int64_t)(m->count - t->partition_count) * (t->partition_count > 0 ? t->partitions[0]->replicas.count : 1);
	if (wanted > *room)
		return grow_refuse(m, INVALID_PARTITIONS, no_room_text(wanted, *room));
	*room -= wanted;
	return NONE;
}

static enum kafka_error check_new_replicas(struct controller *c, struct controller_more_partitions *m, const struct active_topic *t)
{
	int32_t factor = t->partition_count > 0 ? t->partitions[0]->replicas.count : 1;

	for (int32_t i = 0; i < m->assignment_count; i++) {
		const struct controller_assignment *a = &m->assignments[i];

		if (a->broker_count == 0)
			return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, text("Cannot have replication factor of 0 for partition id %d.", t->partition_count + i));
		for (int32_t k = 0; k < a->broker_count; k++) {
			bool is_known = false;

			for (int b = 0; b < c->broker_count; b++)
				is_known |= c->brokers[b].id == a->brokers[k];
			if (!is_known)
				return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, text("Unknown broker(s) in replica assignment: %d.", a->brokers[k]));
			for (int32_t j = 0; j < k; j++) {
				if (a->brokers[j] == a->brokers[k])
					return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, text("Duplicate brokers not allowed in replica assignment: %d for partition id %d.",
					                                                       a->brokers[k], t->partition_count + i));
			}
		}
		if (a->broker_count != factor)
			return grow_refuse(m, INVALID_REPLICA_ASSIGNMENT, text("Inconsistent replication factor between partitions, partition 0 has %d while partition %d has "
			                                                       "replication factor %d, respectively.", factor, t->partition_count + i, a->broker_count));
	}
	return NONE;
}

/* Where partition 0 began, so that the new partitions continue its round. */
static uint32_t growth_start(const struct controller *c, const struct active_topic *t)
{
	for (int b = 0; b < c->broker_count; b++) {
		if (t->partition_count > 0 && t->partitions[0]->replicas.count > 0 && c->brokers[b].id >= t->partitions[0]->replicas.ids[0])
			return (uint32_t)b;
	}
	return 0;
}

static enum kafka_error grow_write(struct controller *c, struct grow_task *gt, struct controller_more_partitions *m, const struct active_topic *t)
{
	int32_t more = m->count - t->partition_count, factor = MIN(t->partition_count > 0 ? t->partitions[0]->replicas.count : 1, c->broker_count);
	struct znode_partition *all = mem_calloc((size_t)m->count, sizeof(*all));
	int32_t *ids = mem_calloc((size_t)more * (size_t)MAX(factor, 1), sizeof(*ids));
	struct znode_topic z = { .id = t->id, .partitions = all, .partition_count = m->count };
	enum err e = OK;

	if (m->assignment_count < 0)
		e = assign_replicas(ids, more, factor, t->partition_count, c->brokers, c->broker_count, growth_start(c, t), growth_start(c, t));
	for (int32_t i = 0; e == OK && i < m->count; i++) {
		if (i < t->partition_count) {
			const struct active_partition *p = t->partitions[i];

			all[i] = (struct znode_partition){ .id = p->id, .replicas = p->replicas.ids, .replica_count = p->replicas.count };
		} else if (m->assignment_count >= 0) {
			const struct controller_assignment *a = &m->assignments[i - t->partition_count];

			all[i] = (struct znode_partition){ .id = i, .replicas = (int32_t *)(uintptr_t)a->brokers, .replica_count = a->broker_count };
		} else {
			all[i] = (struct znode_partition){ .id = i, .replicas = ids + (size_t)(i - t->partition_count) * (size_t)factor, .replica_count = factor };
		}
	}
	if (e == OK && !gt->ask->validate_only) {
		strbuf_reset(&c->text);
		znode_topic_encode(&z, &c->text);
		task_set_node(c, &gt->task, true, COORD_ANY_VERSION, "/brokers/topics/%s", t->name)->mark = m;
	}
	free(ids);
	free(all);
	return e == OK ? NONE : UNKNOWN_SERVER_ERROR;
}

static enum task_result grow_check(struct controller *c, struct grow_task *gt)
{
	int64_t room = controller_replica_room(c);

	for (int32_t i = 0; i < gt->ask->topic_count; i++) {
		struct controller_more_partitions *m = &gt->ask->topics[i];
		const struct active_topic *t = active_topic_get(c, m->name);

		if (m->error != NONE)
			continue;
		m->error = is_active(c) ? check_growth(m, t, &room) : NOT_CONTROLLER;
		if (m->error == NONE)
			m->error = check_new_replicas(c, m, t);
		if (m->error == NONE && !gt->ask->validate_only && !may_change(c, &gt->ask->payer, m->count - t->partition_count))
			m->error = grow_refuse(m, THROTTLING_QUOTA_EXCEEDED, over_quota_text());
		if (m->error == NONE)
			m->error = grow_write(c, gt, m, t);
	}
	gt->task.stage = GROW_WRITTEN;
	return task_submit(c, &gt->task);
}

static enum task_result grow_written(struct controller *c, struct grow_task *gt)
{
	char **names;
	int n = 0;

	if (active_is_fenced_off(&gt->task))
		return active_moved(c, &gt->task);
	names = mem_calloc((size_t)gt->ask->topic_count + 1, sizeof(*names));
	LIST_FOREACH(e, &gt->task.calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct controller_more_partitions *m = s->mark;

		if (s->call.result != OK)
			m->error = err_to_kafka(s->call.result);
		else
			names[n++] = mem_strndup((const char *)m->name.ptr, m->name.len);
	}
	task_drop_calls(&gt->task);
	gt->task.stage = GROW_UP;
	if (n > 0)
		active_push_new_topics(c, names, n);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 0 ? TASK_WAIT : TASK_AGAIN;
}

static void grow_finish(struct controller *c, struct controller_create_partitions *ask)
{
	for (int32_t i = 0; i < ask->topic_count; i++) {
		struct controller_more_partitions *m = &ask->topics[i];
		const struct topic_state *t = topic_state_get(c, m->name);

		if (m->error == NONE && !ask->validate_only && (ask->timeout_ms <= 0 || t == NULL || t->partition_count < m->count))
			m->error = REQUEST_TIMED_OUT;
	}
}

static bool grow_look(struct controller *c, struct active_waiter *waiter, bool is_over)
{
	struct admin_waiter *w = CONTAINER_OF(waiter, struct admin_waiter, waiter);

	(void)is_over;
	grow_finish(c, CONTAINER_OF(w->asker, struct controller_create_partitions, msg));
	admin_answer(c, w);
	return true;
}

static enum task_result grow_run(struct controller *c, struct task *t)
{
	struct grow_task *gt = (struct grow_task *)t;

	switch ((enum grow_stage)t->stage) {
	case GROW_CHECK:   return grow_check(c, gt);
	case GROW_WRITTEN: return grow_written(c, gt);
	case GROW_UP:
		if (is_active(c) && !gt->ask->validate_only)
			active_wait(c, &admin_waiter(c, t, gt->ask->timeout_ms, grow_look)->waiter);
		break;
	}
	return TASK_DONE;
}

static void grow_fini(struct controller *c, struct task *t)
{
	struct grow_task *gt = (struct grow_task *)t;

	(void)c;
	for (int32_t i = 0; t->is_expired && i < gt->ask->topic_count; i++) {
		if (gt->ask->topics[i].error == NONE)
			gt->ask->topics[i].error = t->stage == GROW_CHECK ? NOT_CONTROLLER : REQUEST_TIMED_OUT;
	}
}

static const struct task_kind grow_kind = { .name = "add partitions", .run = grow_run, .fini = grow_fini };

void controller_enqueue_create_partitions(struct controller *c, struct controller_create_partitions *m)
{
	struct grow_task *t = (struct grow_task *)task_create(&c->active_queue, &grow_kind, sizeof(*t), &m->msg);

	t->ask = m;
	task_enqueue(&t->task);
}
