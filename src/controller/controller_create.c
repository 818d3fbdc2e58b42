/*
 * Creating topics.
 *
 * A topic's configuration is written first and its assignment second: it exists when the second node does. Then the active side (active_topics.c) takes it from there, as if
 * somebody else had written the nodes. A broker that is not the active controller writes the nodes of a topic that somebody asked for, and leaves it at that.
 */
#include <stdlib.h>

#include "controller/assignment.h"
#include "controller/controller_admin.h"

enum known { UNKNOWN, KNOWN, KNOWN_AND_GOING };

static enum known look_up(const struct controller *c, struct slice name)
{
	const struct active_topic *t = active_topic_get(c, name);
	const struct topic_state *seen = topic_state_get(c, name);

	if (admin_is_active(c))
		return t == NULL ? UNKNOWN : t->is_queued ? KNOWN_AND_GOING : KNOWN;
	return seen != NULL && seen->is_in_picture ? KNOWN : UNKNOWN;
}

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
	int32_t                          made_count;
};

static void create_fini(struct controller *c, struct task *t)
{
	struct create_task *ct = (struct create_task *)t;

	(void)c;
	for (int32_t i = 0; admin_is_given_up(t) && i < ct->ask->topic_count; i++) {
		if (ct->ask->topics[i].error == NONE)
			ct->ask->topics[i].error = ct->made == NULL ? NOT_CONTROLLER : REQUEST_TIMED_OUT;
	}
	for (int32_t i = 0; i < ct->made_count; i++) {
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
		return refuse(n, TOPIC_ALREADY_EXISTS, known == KNOWN_AND_GOING ? admin_text("Topic '" SLICE_FMT "' is marked for deletion.", SLICE_ARG(n->name))
		                                                                : admin_text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(n->name)));
	if (c->picture != NULL && (memchr(n->name.ptr, '.', n->name.len) != NULL || memchr(n->name.ptr, '_', n->name.len) != NULL))
		cluster_each_topic(c->picture, look_for_collision, &x);
	if (x.with != NULL)
		return refuse(n, INVALID_TOPIC_EXCEPTION, admin_text("Topic '" SLICE_FMT "' collides with existing topics: %s", SLICE_ARG(n->name), x.with));
	return NONE;
}

static enum kafka_error check_counts(struct controller *c, struct controller_new_topic *n, int32_t *partitions, int32_t *factor)
{
	if ((n->partitions != -1 || n->replication_factor != -1) && n->assignment_count > 0)
		return refuse(n, INVALID_REQUEST, admin_text("Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."));
	if (n->assignment_count > 0)
		return NONE;
	*partitions = n->partitions == -1 ? c->config->num_partitions : n->partitions;
	*factor = n->replication_factor == -1 ? c->config->default_replication_factor : n->replication_factor;
	if (*partitions <= 0)
		return refuse(n, INVALID_PARTITIONS, admin_text("Number of partitions must be larger than 0."));
	if (*factor <= 0)
		return refuse(n, INVALID_REPLICATION_FACTOR, admin_text("Replication factor must be larger than 0."));
	if (*factor > c->broker_count)
		return refuse(n, INVALID_REPLICATION_FACTOR, admin_text("Replication factor: %d larger than available brokers: %d.", *factor, c->broker_count));
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
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, admin_text("A partition can have at most %d replicas", REPLICAS_MAX));
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
					return refuse(n, INVALID_REPLICA_ASSIGNMENT, admin_text("Duplicate replica assignment found: partition %d lists broker %d twice",
					                                                         a->partition, a->brokers[k]));
			}
			*room++ = a->brokers[k];
		}
	}
	qsort(m->partitions, (size_t)m->count, sizeof(*m->partitions), by_id);
	for (int32_t i = 0; i < m->count; i++) {
		if (m->partitions[i].replica_count != m->partitions[0].replica_count)
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, admin_text("All partitions should have the same number of replicas"));
	}
	for (int32_t i = 0; i < m->count; i++) {
		if (m->partitions[i].id != i)
			return refuse(n, INVALID_REPLICA_ASSIGNMENT, admin_text("partitions should be a consecutive 0-based integer sequence"));
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
		return refuse(n, UNKNOWN_SERVER_ERROR, admin_text("Not all brokers have rack information for replica rack aware assignment."));
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
		return refuse(n, TOPIC_ALREADY_EXISTS, admin_text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(n->name)));
	for (int32_t i = 0; i < n->config_count; i++) {
		if (slice_is_null(n->configs[i].value))
			return refuse(n, INVALID_CONFIG, admin_text("Null value not supported for topic configs: " SLICE_FMT, SLICE_ARG(n->configs[i].name)));
	}
	enum kafka_error error = check_counts(c, n, &partitions, &factor);
	if (error == NONE && (int64_t)partitions * factor > *room)
		error = refuse(n, INVALID_PARTITIONS, admin_no_room_text((int64_t)partitions * factor, *room));
	if (error == NONE && n->assignment_count == 0)
		error = make_assignments(c, n, m, partitions, factor);
	if (error == NONE)
		error = check_name(c, n);
	if (error == NONE && n->assignment_count > 0)
		error = take_assignments(n, m);
	int64_t wanted = m->count > 0 ? (int64_t)m->count * m->partitions[0].replica_count : 0;
	if (error == NONE && wanted > *room)
		error = refuse(n, INVALID_PARTITIONS, admin_no_room_text(wanted, *room));
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
	ct->made_count = ct->ask->topic_count;
	for (int32_t i = 0; i < ct->ask->topic_count; i++) {
		struct controller_new_topic *n = &ct->ask->topics[i];
		struct new_topic *m = &ct->made[i];
		struct znode_topic z;

		config_set_init(&m->overrides);
		n->error = admin_is_active(c) || ct->ask->is_automatic ? check_new_topic(c, n, m, &room) : NOT_CONTROLLER;
		if (n->error == NONE && !ct->ask->validate_only && !admin_may_change(c, &ct->ask->payer, m->count))
			n->error = refuse(n, THROTTLING_QUOTA_EXCEEDED, admin_over_quota_text());
		if (n->error != NONE) {
			if (ct->ask->is_automatic && topic_is_internal(n->name) && n->error != TOPIC_ALREADY_EXISTS)
				LOG_WARN(&c->actor.log, internal_topic_refused, KV_SLICE("topic", n->name),
				         KV_STR("reason", n->message != NULL ? n->message : kafka_error_text((int16_t)n->error)));
			continue;
		}
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
			topic->error = refuse(topic, TOPIC_ALREADY_EXISTS, admin_text("Topic '" SLICE_FMT "' already exists.", SLICE_ARG(topic->name)));
		} else if (s->call.result != OK && s->call.result != ERR_EXISTS) {
			topic->error = refuse(topic, err_to_kafka(s->call.result), admin_text("the coordination store: %s", err_text(s->call.result)));
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
	if (n > 0 && admin_is_active(c))
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
		if (admin_is_active(c) && !ct->ask->validate_only)
			active_wait(c, &admin_waiter_create(c, t, ct->ask->timeout_ms, create_look)->waiter);
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
