/*
 * What the controller of the cluster tells this broker: LeaderAndIsr, UpdateMetadata, StopReplica.
 *
 * Each is a task of the member queue, so they take effect one after the other in the order in which they came, as a controller relies on. A request is answered when its roles
 * are taken, its fetchers assigned, and every network actor uses a picture that shows it.
 *
 * Two fences stand before all else: a request for an earlier incarnation of this broker (its epoch is older than our registration) and one from a deposed controller (its
 * epoch is older than one we have seen) change nothing. A broker epoch that is newer than ours is right: the controller has seen our registration before we have.
 *
 * Kafka has three forms of each list, by version; they are brought into one, an array of items, before anything is done.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "partition/partition_checkpoint.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"

#define LEADER_DURING_DELETE (-2)	/* UpdateMetadata: forget the partition */
#define EPOCH_DURING_DELETE  (-2)	/* StopReplica: whatever epoch the replica has */

struct control_task {
	struct task                task;
	struct controller_request *m;
	struct own_request        *own;		/* from the active side of this broker; NULL: m is a network actor's */
	bool                       is_done;	/* else it was given up, and the response says so */
};

static void control_init(struct control_task *t, struct controller_request *m, struct own_request *own)
{
	t->m = m;
	t->own = own;
}

/* NONE: to be carried out. */
static enum kafka_error control_check(struct controller *c, int32_t controller_id, int32_t controller_epoch, int64_t broker_epoch, bool is_kraft)
{
	if (is_kraft) {		/* a migration to KRaft: we cannot take part in one, and it must not seem so */
		LOG_WARN(&c->actor.log, control_refused, KV_STR("why", "a KRaft controller"), KV_I32("controller", controller_id));
		return INVALID_REQUEST;
	}
	if (broker_epoch != -1 && broker_epoch < c->broker_epoch) {
		LOG_WARN(&c->actor.log, control_refused, KV_STR("why", "for an earlier incarnation of this broker"), KV_I32("controller", controller_id));
		return STALE_BROKER_EPOCH;
	}
	if (controller_epoch < c->seen_controller_epoch) {
		LOG_WARN(&c->actor.log, control_refused, KV_STR("why", "from a controller that has been replaced"), KV_I32("controller", controller_id));
		return STALE_CONTROLLER_EPOCH;
	}
	c->seen_controller_epoch = controller_epoch;
	return NONE;
}

/* Topics whose configuration has not been read yet are read together. */
static void want_config(struct controller *c, struct task *t, struct topic_state *topic)
{
	if (!topic->has_config)
		task_get(c, t, false, "/config/topics/%s", topic->name)->mark = topic;
}

static void take_configs(struct controller *c, struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct topic_state *topic = s->mark;
		struct cluster_override *pairs;
		int32_t n;

		if (topic->has_config)		/* asked for twice in one request */
			continue;
		znode_config_decode(s->call.result == OK ? s->ops[0].out : SLICE_NULL, &pairs, &n, &s->call.arena);
		controller_set_overrides(topic, pairs, n);
		controller_resolve_topic(c, topic);
		topic->has_config = true;
	}
	task_drop_calls(t);
}

/* Some topics changed: the next picture, and waiting until it is used. */
static enum task_result publish_topics(struct controller *c, struct task *t, struct topic_state *const *changed, int32_t n, int stage)
{
	struct cluster *next = controller_next_picture(c);

	for (int32_t i = 0; i < n; i++) {
		if (i == 0 || changed[i] != changed[i - 1])
			controller_put_topic(c, next, changed[i]);
	}
	controller_publish(c, next);
	t->stage = stage;
	controller_wait_visible(c, t);
	return TASK_WAIT;
}

/* --- LeaderAndIsr ---------------------------------------------------------------------------------------------------------------------- */

enum roles_stage { ROLES_CHECK, ROLES_CONFIGS, ROLES_TAKEN, ROLES_FOLLOWED, ROLES_CHECKPOINTED, ROLES_VISIBLE };

struct role_item {
	const struct leader_and_isr_request_partition_state *said;
	struct slice         name;
	struct uuid          topic_id;
	enum kafka_error     error;
	struct topic_state  *topic;		/* lives as long as something of it is hosted or known; NULL: refused before */
	bool                 is_asked;		/* a role was sent */
	struct partition_role role;
};

struct roles_task {
	struct control_task    control;
	struct role_item      *items;
	int32_t                count;
	struct fetcher_assign *assigns;
	int32_t                assign_count;
	struct job             checkpoint;	/* with what it needs: */
	struct controller     *controller;
	struct partition_addr **replicas;
	int32_t                replica_count;
};

static const struct leader_and_isr_request *roles_request(const struct roles_task *r)
{
	return r->control.m->request;
}

static void roles_flatten(struct roles_task *r)
{
	const struct leader_and_isr_request *q = roles_request(r);
	int32_t n = q->ungrouped_partition_states_count;

	for (int32_t i = 0; i < q->topic_states_count; i++)
		n += q->topic_states[i].partition_states_count;
	r->items = mem_calloc((size_t)n + 1, sizeof(*r->items));
	for (int32_t i = 0; i < q->ungrouped_partition_states_count; i++) {
		r->items[r->count].said = &q->ungrouped_partition_states[i];
		r->items[r->count++].name = q->ungrouped_partition_states[i].topic_name;
	}
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		const struct leader_and_isr_request_topic_state *t = &q->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			r->items[r->count].said = &t->partition_states[k];
			r->items[r->count].name = t->topic_name;
			r->items[r->count++].topic_id = t->topic_id;
		}
	}
}

static bool has_id(const int32_t *ids, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

/* Names and counts are the network's: what the rest relies on is checked here. */
static enum kafka_error role_problem(const struct role_item *it)
{
	char text[512];

	if (topic_name_problem(it->name, text, sizeof(text)) != NULL)
		return INVALID_TOPIC_EXCEPTION;
	if (it->said->partition_index < 0 || it->said->replicas_count > REPLICAS_MAX || it->said->isr_count > REPLICAS_MAX ||
	    it->said->adding_replicas_count > REPLICAS_MAX || it->said->removing_replicas_count > REPLICAS_MAX)
		return INVALID_REQUEST;
	return NONE;
}

static enum task_result roles_check(struct controller *c, struct roles_task *r)
{
	const struct leader_and_isr_request *q = roles_request(r);
	struct leader_and_isr_response *out = r->control.m->response;

	roles_flatten(r);
	out->error_code = (int16_t)control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
	r->control.task.stage = ROLES_CONFIGS;
	if (out->error_code != NONE) {
		r->control.task.stage = ROLES_VISIBLE;
		for (int32_t i = 0; i < r->count; i++)
			r->items[i].error = (enum kafka_error)out->error_code;
		return TASK_AGAIN;
	}
	for (int32_t i = 0; i < r->count; i++) {
		struct role_item *it = &r->items[i];

		it->error = role_problem(it);
		if (it->error != NONE)
			continue;
		it->topic = topic_state_make(c, it->name);
		if (uuid_is_zero(it->topic->id))
			it->topic->id = it->topic_id;
		want_config(c, &r->control.task, it->topic);
	}
	return task_submit(c, &r->control.task);
}

static void role_fill(struct controller *c, struct role_item *it)
{
	const struct leader_and_isr_request_partition_state *s = it->said;
	struct partition_role *m = &it->role;

	msg_init(&m->msg, PARTITION_role, &c->actor);
	m->leader = s->leader;
	m->leader_epoch = s->leader_epoch;
	m->controller_epoch = s->controller_epoch;
	m->partition_epoch = s->partition_epoch;
	m->is_new = s->is_new;
	m->is_recovering = s->leader_recovery_state != 0;
	m->topic_id = it->topic_id;
	m->replica_count = s->replicas_count;
	m->isr_count = s->isr_count;
	m->adding_count = s->adding_replicas_count;
	m->removing_count = s->removing_replicas_count;
	memcpy(m->replicas, s->replicas, (size_t)s->replicas_count * sizeof(int32_t));
	memcpy(m->isr, s->isr, (size_t)s->isr_count * sizeof(int32_t));
	memcpy(m->adding, s->adding_replicas, (size_t)s->adding_replicas_count * sizeof(int32_t));
	memcpy(m->removing, s->removing_replicas, (size_t)s->removing_replicas_count * sizeof(int32_t));
}

static const struct cluster_broker *live_broker(const struct controller *c, int32_t id)
{
	for (int i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == id)
			return &c->brokers[i];
	}
	return NULL;
}

static void role_give(struct controller *c, struct roles_task *r, struct role_item *it)
{
	struct partition_state *p = topic_state_partition(it->topic, it->said->partition_index, true);
	bool leads = it->said->leader == c->broker_id;

	if (p->local != NULL && p->local->dir != NULL && logdir_is_offline(p->local->dir)) {
		it->error = KAFKA_STORAGE_ERROR;
		return;
	}
	if (it->said->leader_epoch > p->role_epoch && !has_id(it->said->replicas, it->said->replicas_count, c->broker_id)) {
		it->error = UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	if (p->local == NULL)
		it->error = member_start_replica(c, it->topic, p, it->said->is_new);
	/* A leader that is not there (any more) cannot be followed: the log is opened, its role stays what it was until somebody can lead. */
	if (it->error != NONE || (!leads && live_broker(c, it->said->leader) == NULL && it->said->leader_epoch > p->role_epoch))
		return;
	role_fill(c, it);
	it->is_asked = true;
	task_ask(c, &r->control.task, p->local, &it->role.msg);
}

static enum task_result roles_give(struct controller *c, struct roles_task *r)
{
	take_configs(c, &r->control.task);
	for (int32_t i = 0; i < r->count; i++) {
		if (r->items[i].error == NONE)
			role_give(c, r, &r->items[i]);
	}
	r->control.task.stage = ROLES_TAKEN;
	return r->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* What the request says of a partition whose role was taken is shown to clients from here on; UpdateMetadata will say the same. */
static void role_show(struct role_item *it, struct partition_state *p)
{
	const struct leader_and_isr_request_partition_state *s = it->said;

	p->is_known = true;
	p->leader = s->leader;
	p->leader_epoch = s->leader_epoch;
	p->controller_epoch = s->controller_epoch;
	p->partition_epoch = s->partition_epoch;
	id_list_set(&p->replicas, s->replicas, s->replicas_count);
	id_list_set(&p->isr, s->isr, s->isr_count);
}

static void follow_fill(struct controller *c, struct fetcher_assign *a, const struct role_item *it, const struct partition_state *p)
{
	const struct cluster_broker *leader = live_broker(c, it->role.leader);
	const struct cluster_endpoint *e = leader != NULL ? controller_inter_broker_endpoint(c, leader) : NULL;

	msg_init(&a->msg, FETCHER_ASSIGN, &c->actor);
	a->partition = p->local;
	a->is_removed = it->role.leader == c->broker_id || e == NULL;
	if (a->is_removed)
		return;
	a->leader = it->role.leader;
	snprintf(a->host, sizeof(a->host), "%s", e->host);
	a->port = e->port;
	a->leader_epoch = it->role.leader_epoch;
	a->topic_id = it->topic_id;
	a->log_end_offset = it->role.log_end_offset;
	a->high_watermark = it->role.high_watermark;
	a->last_epoch = it->role.last_epoch;
	a->broker_epoch = c->broker_epoch;
	a->is_throttled = member_is_throttled(it->topic, "follower.replication.throttled.replicas", p->id, c->broker_id);
}

static void role_taken(struct controller *c, struct roles_task *r, struct role_item *it)
{
	struct partition_state *p = topic_state_partition(it->topic, it->said->partition_index, false);
	struct partition_role *m = &it->role;

	if (p == NULL || p->local == NULL || m->msg.to == NULL) {	/* stopped before it could be asked */
		it->error = KAFKA_STORAGE_ERROR;
		return;
	}
	it->error = m->error;
	if (m->error != NONE) {
		/* An epoch that is not newer is what a repeated request brings: nothing to tell. */
		if (m->error != STALE_CONTROLLER_EPOCH)
			LOG_WARN(&c->actor.log, role_refused, KV_STR("error", kafka_error_name((int16_t)m->error)), KV_STR("topic", it->topic->name),
			         KV_I32("partition", p->id));
		return;
	}
	if (!m->is_changed)
		return;
	p->role_epoch = m->leader_epoch;
	role_show(it, p);
	if (c->spec.fetchers == NULL || (!p->is_following && m->leader == c->broker_id))
		return;
	struct fetcher_assign *a = &r->assigns[r->assign_count++];
	follow_fill(c, a, it, p);
	p->is_following = !a->is_removed;
	task_ask_actor(c, &r->control.task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &a->msg);
}

static enum task_result roles_taken(struct controller *c, struct roles_task *r)
{
	int32_t asked = 0;

	for (int32_t i = 0; i < r->count; i++)
		asked += r->items[i].is_asked;
	r->assigns = mem_calloc((size_t)asked + 1, sizeof(*r->assigns));
	for (int32_t i = 0; i < r->count; i++) {
		if (r->items[i].is_asked)
			role_taken(c, r, &r->items[i]);
	}
	r->control.task.stage = ROLES_FOLLOWED;
	return r->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* On a worker. */
static void roles_checkpoint_run(struct job *j)
{
	struct roles_task *r = CONTAINER_OF(j, struct roles_task, checkpoint);
	const struct controller_spec *spec = &r->controller->spec;

	for (int i = 0; i < spec->dir_count; i++) {
		struct logdir *d = spec->dirs[i];

		if (logdir_is_offline(d) || logdir_had_clean_shutdown(d))
			continue;
		enum err e = partition_write_checkpoints(d, r->replicas, r->replica_count, CHECKPOINT_RECOVERY);
		if (e != OK && e != ERR_NO_SPACE)
			logdir_set_offline(d, e, "recovery points");
	}
}

/*
 * After an unclean start, before the first append: a log may have been cut below the recovery point that the directory still names. Were that point believed after
 * the next crash, what is appended from now on up to it would be trusted without having been synced. Nobody can append before the picture shows the replica.
 */
static enum task_result roles_checkpoint(struct controller *c, struct roles_task *r)
{
	bool is_unclean = false;

	for (int i = 0; i < c->spec.dir_count; i++)
		is_unclean |= !logdir_had_clean_shutdown(c->spec.dirs[i]);
	r->control.task.stage = ROLES_CHECKPOINTED;
	if (c->has_roles || !is_unclean || r->count == 0)
		return TASK_AGAIN;
	r->replicas = mem_calloc((size_t)r->count, sizeof(struct partition_addr *));
	for (int32_t i = 0; i < r->count; i++) {
		struct partition_state *p = r->items[i].topic != NULL ? topic_state_partition(r->items[i].topic, r->items[i].said->partition_index, false) : NULL;

		if (p != NULL && p->local != NULL)
			r->replicas[r->replica_count++] = p->local;
	}
	r->controller = c;
	msg_init(&r->checkpoint.msg, CONTROLLER_JOB, &c->actor);
	r->checkpoint.msg.context = &r->control.task;
	r->checkpoint.run = roles_checkpoint_run;
	r->control.task.out++;
	workers_submit(c->spec.workers, &c->actor, &r->checkpoint);
	return TASK_WAIT;
}

static enum task_result roles_publish(struct controller *c, struct roles_task *r)
{
	struct topic_state **changed = mem_calloc((size_t)r->count + 1, sizeof(*changed));
	int32_t n = 0;
	bool is_first = !c->has_roles;

	for (int32_t i = 0; i < r->count; i++) {
		struct partition_state *p = r->items[i].topic != NULL ? topic_state_partition(r->items[i].topic, r->items[i].said->partition_index, false) : NULL;

		if (p != NULL && p->local != NULL && (p->is_known || r->items[i].is_asked))
			changed[n++] = r->items[i].topic;
	}
	c->has_roles = true;
	if (is_first && c->config->is_alone)
		member_set_strays_aside(c);
	if (n == 0 && !is_first) {
		free(changed);
		r->control.task.stage = ROLES_VISIBLE;
		return TASK_AGAIN;
	}
	enum task_result result = publish_topics(c, &r->control.task, changed, n, ROLES_VISIBLE);
	free(changed);
	return result;
}

static bool roles_answer_by_topic(struct roles_task *r)
{
	const struct leader_and_isr_request *q = roles_request(r);
	struct leader_and_isr_response *out = r->control.m->response;
	int32_t at = 0;

	out->topics = arena_calloc(r->control.m->arena, (size_t)q->topic_states_count, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		struct leader_and_isr_response_topic *t = &out->topics[out->topics_count++];

		t->topic_id = q->topic_states[i].topic_id;
		t->partition_errors = arena_calloc(r->control.m->arena, (size_t)q->topic_states[i].partition_states_count, sizeof(*t->partition_errors));
		if (t->partition_errors == NULL)
			return false;
		for (int32_t k = 0; k < q->topic_states[i].partition_states_count; k++, at++) {
			leader_and_isr_response_partition_error_init(&t->partition_errors[k]);
			t->partition_errors[k].partition_index = r->items[at].said->partition_index;
			t->partition_errors[k].error_code = (int16_t)r->items[at].error;
		}
		t->partition_errors_count = q->topic_states[i].partition_states_count;
	}
	return true;
}

static bool roles_answer_flat(struct roles_task *r)
{
	struct leader_and_isr_response *out = r->control.m->response;

	out->partition_errors = arena_calloc(r->control.m->arena, (size_t)r->count, sizeof(*out->partition_errors));
	if (out->partition_errors == NULL)
		return false;
	for (int32_t i = 0; i < r->count; i++) {
		leader_and_isr_response_partition_error_init(&out->partition_errors[i]);
		out->partition_errors[i].topic_name = r->items[i].name;
		out->partition_errors[i].partition_index = r->items[i].said->partition_index;
		out->partition_errors[i].error_code = (int16_t)r->items[i].error;
	}
	out->partition_errors_count = r->count;
	return true;
}

static enum task_result roles_run(struct controller *c, struct task *t)
{
	struct roles_task *r = (struct roles_task *)t;

	switch ((enum roles_stage)t->stage) {
	case ROLES_CHECK:        return roles_check(c, r);
	case ROLES_CONFIGS:      return roles_give(c, r);
	case ROLES_TAKEN:        return roles_taken(c, r);
	case ROLES_FOLLOWED:     return roles_checkpoint(c, r);
	case ROLES_CHECKPOINTED: return roles_publish(c, r);
	case ROLES_VISIBLE:
		r->control.is_done = r->control.m->version >= 5 ? roles_answer_by_topic(r) : roles_answer_flat(r);
		break;
	}
	return TASK_DONE;
}

/* --- UpdateMetadata -------------------------------------------------------------------------------------------------------------------- */

enum metadata_stage { METADATA_CHECK, METADATA_CONFIGS, METADATA_VISIBLE };

struct metadata_item {
	const struct update_metadata_request_partition_state *said;
	struct slice        name;
	struct uuid         topic_id;
	struct topic_state *topic;
};

struct metadata_task {
	struct control_task   control;
	struct metadata_item *items;
	int32_t               count;
};

static void metadata_flatten(struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	int32_t n = q->ungrouped_partition_states_count;

	for (int32_t i = 0; i < q->topic_states_count; i++)
		n += q->topic_states[i].partition_states_count;
	u->items = mem_calloc((size_t)n + 1, sizeof(*u->items));
	for (int32_t i = 0; i < q->ungrouped_partition_states_count; i++) {
		u->items[u->count].said = &q->ungrouped_partition_states[i];
		u->items[u->count++].name = q->ungrouped_partition_states[i].topic_name;
	}
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		const struct update_metadata_request_topic_state *t = &q->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			u->items[u->count].said = &t->partition_states[k];
			u->items[u->count].name = t->topic_name;
			u->items[u->count++].topic_id = t->topic_id;
		}
	}
}

static bool metadata_is_usable(const struct metadata_item *it)
{
	char text[512];

	return topic_name_problem(it->name, text, sizeof(text)) == NULL && it->said->partition_index >= 0 && it->said->replicas_count <= REPLICAS_MAX &&
	       it->said->isr_count <= REPLICAS_MAX && it->said->offline_replicas_count <= REPLICAS_MAX;
}

static enum task_result metadata_check(struct controller *c, struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	struct update_metadata_response *out = u->control.m->response;

	out->error_code = (int16_t)control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
	if (out->error_code != NONE) {
		u->control.task.stage = METADATA_VISIBLE;
		return TASK_AGAIN;
	}
	metadata_flatten(u);
	for (int32_t i = 0; i < u->count; i++) {
		struct metadata_item *it = &u->items[i];

		if (!metadata_is_usable(it))
			continue;
		it->topic = it->said->leader == LEADER_DURING_DELETE ? topic_state_get(c, it->name) : topic_state_make(c, it->name);
		if (it->topic != NULL && it->said->leader != LEADER_DURING_DELETE)
			want_config(c, &u->control.task, it->topic);
	}
	u->control.task.stage = METADATA_CONFIGS;
	return task_submit(c, &u->control.task);
}

static bool same_ids(const struct id_list *l, const int32_t *ids, int32_t n)
{
	return l->count == n && (n == 0 || memcmp(l->ids, ids, (size_t)n * sizeof(*ids)) == 0);
}

/* True: clients see a difference. */
static bool metadata_take(struct metadata_item *it)
{
	const struct update_metadata_request_partition_state *s = it->said;
	struct topic_state *t = it->topic;
	struct partition_state *p = topic_state_partition(t, s->partition_index, s->leader != LEADER_DURING_DELETE);

	if (s->leader == LEADER_DURING_DELETE) {
		bool was_known = p != NULL && p->is_known;

		if (was_known)
			p->is_known = false;
		return was_known;
	}
	bool is_same = p->is_known && p->leader == s->leader && p->leader_epoch == s->leader_epoch && p->controller_epoch == s->controller_epoch &&
	               p->partition_epoch == s->zk_version && same_ids(&p->replicas, s->replicas, s->replicas_count) &&
	               same_ids(&p->isr, s->isr, s->isr_count) && same_ids(&p->offline, s->offline_replicas, s->offline_replicas_count) &&
	               uuid_eq(t->id, it->topic_id);
	if (is_same)
		return false;
	t->id = it->topic_id;
	p->is_known = true;
	p->leader = s->leader;
	p->leader_epoch = s->leader_epoch;
	p->controller_epoch = s->controller_epoch;
	p->partition_epoch = s->zk_version;
	id_list_set(&p->replicas, s->replicas, s->replicas_count);
	id_list_set(&p->isr, s->isr, s->isr_count);
	id_list_set(&p->offline, s->offline_replicas, s->offline_replicas_count);
	return true;
}

static const char *protocol_name(int16_t id)
{
	switch ((enum security_protocol)id) {
	case PROTOCOL_SSL:            return "SSL";
	case PROTOCOL_SASL_PLAINTEXT: return "SASL_PLAINTEXT";
	case PROTOCOL_SASL_SSL:       return "SASL_SSL";
	case PROTOCOL_PLAINTEXT:      break;
	}
	return "PLAINTEXT";
}

static void take_broker(struct cluster_broker *b, const struct update_metadata_request_live_broker *said)
{
	b->id = said->id;
	b->epoch = -1;		/* is not told */
	b->has_rack = !slice_is_null(said->rack);
	snprintf(b->rack, sizeof(b->rack), SLICE_FMT, SLICE_ARG(said->rack));
	for (int32_t i = 0; i < said->endpoints_count && b->endpoint_count < (int)ARRAY_LEN(b->endpoints); i++) {
		const struct update_metadata_request_endpoint *from = &said->endpoints[i];
		struct cluster_endpoint *e = &b->endpoints[b->endpoint_count];

		if (from->port <= 0 || from->port > UINT16_MAX || from->host.len >= sizeof(e->host) || from->listener.len >= sizeof(e->listener))
			continue;
		snprintf(e->protocol, sizeof(e->protocol), "%s", protocol_name(from->security_protocol));
		snprintf(e->host, sizeof(e->host), SLICE_FMT, SLICE_ARG(from->host));
		/* before version 3 a listener was named after its protocol */
		if (slice_is_null(from->listener) || from->listener.len == 0)
			snprintf(e->listener, sizeof(e->listener), "%s", e->protocol);
		else
			snprintf(e->listener, sizeof(e->listener), SLICE_FMT, SLICE_ARG(from->listener));
		e->port = (uint16_t)from->port;
		b->endpoint_count++;
	}
}

static int by_broker_id(const void *a, const void *b)
{
	const struct cluster_broker *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* The list is always whole. True: it differs. */
static bool take_brokers(struct controller *c, const struct update_metadata_request *q)
{
	struct cluster_broker *next = mem_calloc((size_t)q->live_brokers_count + 1, sizeof(*next));
	size_t bytes = (size_t)q->live_brokers_count * sizeof(*next);

	for (int32_t i = 0; i < q->live_brokers_count; i++)
		take_broker(&next[i], &q->live_brokers[i]);
	qsort(next, (size_t)q->live_brokers_count, sizeof(*next), by_broker_id);
	bool is_same = c->broker_count == q->live_brokers_count && memcmp(c->brokers, next, bytes) == 0 && c->controller_id == q->controller_id;
	free(c->brokers);
	c->brokers = next;
	c->broker_count = q->live_brokers_count;
	c->controller_id = q->controller_id;
	return !is_same;
}

static enum task_result metadata_apply(struct controller *c, struct metadata_task *u)
{
	const struct update_metadata_request *q = u->control.m->request;
	struct topic_state **changed = mem_calloc((size_t)u->count + 1, sizeof(*changed));
	int32_t n = 0;

	take_configs(c, &u->control.task);
	bool differs = take_brokers(c, q) || c->picture == NULL;
	for (int32_t i = 0; i < u->count; i++) {
		if (u->items[i].topic != NULL && metadata_take(&u->items[i]))
			changed[n++] = u->items[i].topic;
	}
	enum task_result result = TASK_AGAIN;
	u->control.task.stage = METADATA_VISIBLE;
	if (n > 0 || differs)
		result = publish_topics(c, &u->control.task, changed, n, METADATA_VISIBLE);
	free(changed);
	return result;
}

static enum task_result metadata_run(struct controller *c, struct task *t)
{
	struct metadata_task *u = (struct metadata_task *)t;

	switch ((enum metadata_stage)t->stage) {
	case METADATA_CHECK:   return metadata_check(c, u);
	case METADATA_CONFIGS: return metadata_apply(c, u);
	case METADATA_VISIBLE:
		u->control.is_done = true;
		break;
	}
	return TASK_DONE;
}

/* --- StopReplica ------------------------------------------------------------------------------------------------------------------------- */

enum stop_stage { STOP_CHECK, STOP_HIDDEN, STOP_UNFOLLOWED, STOP_STOPPED };

struct stop_item {
	struct slice          name;
	int32_t               partition, leader_epoch;
	bool                  is_delete, is_stopping;
	enum kafka_error      error;
	struct topic_state   *topic;
	struct fetcher_assign assign;
	struct partition_stop stop;
};

struct stop_task {
	struct control_task control;
	struct stop_item   *items;
	int32_t             count;
};

static void stop_add(struct stop_task *s, struct slice name, int32_t partition, int32_t leader_epoch, bool is_delete)
{
	s->items[s->count++] = (struct stop_item){ .name = name, .partition = partition, .leader_epoch = leader_epoch, .is_delete = is_delete };
}

static void stop_flatten(struct stop_task *s)
{
	const struct stop_replica_request *q = s->control.m->request;
	int32_t n = q->ungrouped_partitions_count;

	for (int32_t i = 0; i < q->topics_count; i++)
		n += q->topics[i].partition_indexes_count;
	for (int32_t i = 0; i < q->topic_states_count; i++)
		n += q->topic_states[i].partition_states_count;
	s->items = mem_calloc((size_t)n + 1, sizeof(*s->items));
	for (int32_t i = 0; i < q->ungrouped_partitions_count; i++)
		stop_add(s, q->ungrouped_partitions[i].topic_name, q->ungrouped_partitions[i].partition_index, -1, q->delete_partitions);
	for (int32_t i = 0; i < q->topics_count; i++) {
		for (int32_t k = 0; k < q->topics[i].partition_indexes_count; k++)
			stop_add(s, q->topics[i].name, q->topics[i].partition_indexes[k], -1, q->delete_partitions);
	}
	for (int32_t i = 0; i < q->topic_states_count; i++) {
		const struct stop_replica_request_topic_state *t = &q->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++)
			stop_add(s, t->topic_name, t->partition_states[k].partition_index, t->partition_states[k].leader_epoch,
			         t->partition_states[k].delete_partition);
	}
}

static struct partition_state *stop_partition(const struct stop_item *it)
{
	return it->topic != NULL ? topic_state_partition(it->topic, it->partition, false) : NULL;
}

/* Which of them are to stop. An equal epoch does: the deletion may follow a decision that changed nothing else. */
static void stop_decide(struct controller *c, struct stop_item *it)
{
	it->topic = topic_state_get(c, it->name);
	struct partition_state *p = stop_partition(it);

	if (p == NULL || p->local == NULL) {
		if (it->is_delete)
			it->error = member_delete_unhosted(c, it->name, it->partition);
		return;
	}
	if (p->local->dir != NULL && logdir_is_offline(p->local->dir))
		it->error = KAFKA_STORAGE_ERROR;
	else if (it->leader_epoch != EPOCH_DURING_DELETE && it->leader_epoch != -1 && it->leader_epoch < p->role_epoch)
		it->error = FENCED_LEADER_EPOCH;
	else
		it->is_stopping = true;
}

static enum task_result stop_check(struct controller *c, struct stop_task *s)
{
	const struct stop_replica_request *q = s->control.m->request;
	struct stop_replica_response *out = s->control.m->response;
	struct topic_state **changed;
	int32_t n = 0;

	out->error_code = (int16_t)control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
	if (out->error_code != NONE) {
		s->control.task.stage = STOP_STOPPED;
		return TASK_AGAIN;
	}
	stop_flatten(s);
	changed = mem_calloc((size_t)s->count + 1, sizeof(*changed));
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];

		stop_decide(c, it);
		if (!it->is_stopping || !it->is_delete)
			continue;
		stop_partition(it)->is_hidden = true;
		if (it->topic->is_in_picture)
			changed[n++] = it->topic;
	}
	s->control.task.stage = STOP_HIDDEN;
	enum task_result result = n > 0 ? publish_topics(c, &s->control.task, changed, n, STOP_HIDDEN) : TASK_AGAIN;
	free(changed);
	return result;
}

/* Nobody can look the replicas up any more: the fetchers let go of them. */
static enum task_result stop_unfollow(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];
		struct partition_state *p = stop_partition(it);

		if (!it->is_stopping || !p->is_following)
			continue;
		msg_init(&it->assign.msg, FETCHER_ASSIGN, &c->actor);
		it->assign.partition = p->local;
		it->assign.is_removed = true;
		p->is_following = false;
		task_ask_actor(c, &s->control.task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &it->assign.msg);
	}
	s->control.task.stage = STOP_UNFOLLOWED;
	return s->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result stop_stop(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];

		if (!it->is_stopping || !it->is_delete)
			continue;
		msg_init(&it->stop.msg, PARTITION_stop, &c->actor);
		it->stop.how = STOP_DELETE;
		task_ask(c, &s->control.task, stop_partition(it)->local, &it->stop.msg);
	}
	s->control.task.stage = STOP_STOPPED;
	return s->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static void stop_finish(struct controller *c, struct stop_task *s)
{
	for (int32_t i = 0; i < s->count; i++) {
		struct stop_item *it = &s->items[i];
		struct partition_state *p = stop_partition(it);

		if (!it->is_stopping || !it->is_delete || p == NULL || p->local == NULL)
			continue;
		partition_join(p->local);
		partition_addr_unref(&p->local);
		p->is_hidden = false;
		p->role_epoch = -1;
		it->error = it->stop.result == OK ? NONE : KAFKA_STORAGE_ERROR;
		member_forget_dir(c, it->topic->name, it->partition);
		LOG_INFO(&c->actor.log, replica_deleted, KV_STR("topic", it->topic->name), KV_I32("partition", it->partition));
	}
}

static bool stop_answer(struct stop_task *s)
{
	struct stop_replica_response *out = s->control.m->response;

	out->partition_errors = arena_calloc(s->control.m->arena, (size_t)s->count, sizeof(*out->partition_errors));
	if (out->partition_errors == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++) {
		stop_replica_response_partition_error_init(&out->partition_errors[i]);
		out->partition_errors[i].topic_name = s->items[i].name;
		out->partition_errors[i].partition_index = s->items[i].partition;
		out->partition_errors[i].error_code = (int16_t)s->items[i].error;
	}
	out->partition_errors_count = s->count;
	return true;
}

static enum task_result stop_run(struct controller *c, struct task *t)
{
	struct stop_task *s = (struct stop_task *)t;

	switch ((enum stop_stage)t->stage) {
	case STOP_CHECK:      return stop_check(c, s);
	case STOP_HIDDEN:     return stop_unfollow(c, s);
	case STOP_UNFOLLOWED: return stop_stop(c, s);
	case STOP_STOPPED:
		stop_finish(c, s);
		s->control.is_done = stop_answer(s);
		break;
	}
	return TASK_DONE;
}

/* --- all three --------------------------------------------------------------------------------------------------------------------------- */

/*
 * Given up in the middle, because the session has expired: the registration that follows makes the controller say everything anew, and until then our epoch is what the
 * answer says it is, stale.
 */
static void control_give_up(struct controller_request *m)
{
	switch (m->key) {
	case API_LEADER_AND_ISR:  ((struct leader_and_isr_response *)m->response)->error_code = STALE_BROKER_EPOCH; break;
	case API_UPDATE_METADATA: ((struct update_metadata_response *)m->response)->error_code = STALE_BROKER_EPOCH; break;
	case API_STOP_REPLICA:    ((struct stop_replica_response *)m->response)->error_code = STALE_BROKER_EPOCH; break;
	default:                  ASSERT(!"not a control request");
	}
}

static void control_end(struct controller *c, struct control_task *t)
{
	if (!t->is_done)
		control_give_up(t->m);
	if (t->own != NULL)
		t->own->done(c, t->own);
}

/* A refused request must leave no trace. By name: an earlier item of the topic may have been its end. */
static void drop_if_empty(struct controller *c, struct slice name)
{
	struct topic_state *t = topic_state_get(c, name);

	if (t != NULL)
		topic_state_drop_if_empty(c, t);
}

static void roles_fini(struct controller *c, struct task *t)
{
	struct roles_task *r = (struct roles_task *)t;

	for (int32_t i = 0; i < r->count; i++)
		drop_if_empty(c, r->items[i].name);
	control_end(c, &r->control);
	free(r->items);
	free(r->assigns);
	free(r->replicas);
}

static void metadata_fini(struct controller *c, struct task *t)
{
	struct metadata_task *u = (struct metadata_task *)t;

	for (int32_t i = 0; i < u->count; i++)
		drop_if_empty(c, u->items[i].name);
	control_end(c, &u->control);
	free(u->items);
}

static void stop_fini(struct controller *c, struct task *t)
{
	struct stop_task *s = (struct stop_task *)t;

	/* A replica that was hidden and not stopped is shown again with the next role it gets. */
	for (int32_t i = 0; i < s->count; i++) {
		struct partition_state *p = topic_state_get(c, s->items[i].name) != NULL ? stop_partition(&s->items[i]) : NULL;

		if (p != NULL)
			p->is_hidden = false;
	}
	for (int32_t i = 0; i < s->count; i++)
		drop_if_empty(c, s->items[i].name);
	control_end(c, &s->control);
	free(s->items);
}

static const struct task_kind roles_kind = { .name = "LeaderAndIsr", .run = roles_run, .fini = roles_fini };
static const struct task_kind metadata_kind = { .name = "UpdateMetadata", .run = metadata_run, .fini = metadata_fini };
static const struct task_kind stop_kind = { .name = "StopReplica", .run = stop_run, .fini = stop_fini };

static void enqueue(struct controller *c, struct controller_request *m, struct own_request *own)
{
	const struct task_kind *kind = m->key == API_LEADER_AND_ISR ? &roles_kind : m->key == API_UPDATE_METADATA ? &metadata_kind : &stop_kind;
	size_t size = m->key == API_LEADER_AND_ISR ? sizeof(struct roles_task) : m->key == API_UPDATE_METADATA ? sizeof(struct metadata_task)
	                                                                                                       : sizeof(struct stop_task);
	struct control_task *t = (struct control_task *)task_create(&c->member_queue, kind, size, own == NULL ? &m->msg : NULL);

	control_init(t, m, own);
	task_enqueue(&t->task);
}

void member_enqueue_request(struct controller *c, struct controller_request *m)
{
	enqueue(c, m, NULL);
}

void member_enqueue_own(struct controller *c, struct own_request *r)
{
	enqueue(c, &r->request, r);
}
