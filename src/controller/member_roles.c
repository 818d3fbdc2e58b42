/*
 * LeaderAndIsr: this broker's replicas take their roles.
 *
 * Order: the configurations of topics not known yet are read; replicas are started and take their roles; fetchers are told whom to follow; after an unclean start the recovery
 * points are written; then the picture shows it. A replica refuses by itself what its epoch forbids, so a request that comes twice changes nothing the second time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "controller/joining.h"
#include "partition/partition_checkpoint.h"
#include "wire/gen/leader_and_isr.h"

enum roles_stage { ROLES_CHECK, ROLES_CONFIGS, ROLES_TAKEN, ROLES_EVICTED, ROLES_FOLLOWED, ROLES_CHECKPOINTED, ROLES_VISIBLE };

struct role_item {
	const struct leader_and_isr_request_partition_state *said;
	struct slice         name;
	struct uuid          topic_id;
	enum kafka_error     error;
	struct topic_state  *topic;		/* lives as long as something of it is hosted or known; NULL: refused before */
	bool                 is_asked;		/* a role was sent */
	bool                 is_evicted;	/* the log that was found is of another topic: it was to make way */
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
	out->error_code = (int16_t)member_control_check(c, q->controller_id, q->controller_epoch, q->broker_epoch, q->is_kraft_controller);
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
		if (!uuid_is_zero(it->topic_id))	/* perhaps a later topic of that name: the controller that says so is not deposed */
			it->topic->id = it->topic_id;
		member_want_config(c, &r->control.task, it->topic);
	}
	return task_submit(c, &r->control.task);
}

/* There may be none, and then no list either. Their number has been checked. */
static int32_t copy_ids(int32_t to[REPLICAS_MAX], const int32_t *ids, int32_t count)
{
	ASSERT(count >= 0 && count <= REPLICAS_MAX);
	for (int32_t i = 0; i < count; i++)
		to[i] = ids[i];
	return count;
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
	m->replica_count = copy_ids(m->replicas, s->replicas, s->replicas_count);
	m->isr_count = copy_ids(m->isr, s->isr, s->isr_count);
	m->adding_count = copy_ids(m->adding, s->adding_replicas, s->adding_replicas_count);
	m->removing_count = copy_ids(m->removing, s->removing_replicas, s->removing_replicas_count);
}

static const struct cluster_broker *live_broker(const struct controller *c, int32_t id)
{
	for (int i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == id)
			return &c->brokers[i];
	}
	return NULL;
}

/* What the request says of a partition is shown to clients from here on; UpdateMetadata will say the same. */
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

/* Refused as if its disk had failed, so that another replica leads. A lone broker's store may hold the setting; there is no remote part then. */
bool member_is_not_whole(const struct controller *c, const struct topic_state *t, int32_t partition)
{
	struct joining_finding f;

	if (c->config->is_alone || !joining_topic_forbids(c->config, t->name, &t->config, &f))
		return false;
	LOG_WARN(&c->actor.log, topic_refused, KV_STR("why", f.what), KV_I32("partition", partition));
	return true;
}

static void role_give(struct controller *c, struct roles_task *r, struct role_item *it)
{
	struct partition_state *p = topic_state_partition(it->topic, it->said->partition_index, true);
	bool leads = it->said->leader == c->broker_id;

	if (member_is_not_whole(c, it->topic, it->said->partition_index)) {
		it->error = KAFKA_STORAGE_ERROR;
		return;
	}
	if (p->local != NULL && partition_dir(p->local) != NULL && logdir_is_offline(partition_dir(p->local))) {
		it->error = KAFKA_STORAGE_ERROR;
		return;
	}
	if (it->said->leader_epoch > p->role_epoch && !has_id(it->said->replicas, it->said->replicas_count, c->broker_id)) {
		it->error = UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	if (p->local == NULL)
		it->error = member_start_replica(c, it->topic, p, it->said->is_new, it->said->replicas_count == 1);
	if (it->error != NONE)
		return;
	/*
	 * A leader that is not there (any more) cannot be followed: the log is opened, its role stays what it was until somebody can lead. Yet the picture must have the
	 * replica: from the first one on, checkpoints hold what it names, and this one's high watermark would be lost by a crash (KAFKA-1647).
	 */
	if (!leads && live_broker(c, it->said->leader) == NULL && it->said->leader_epoch > p->role_epoch) {
		if (!p->is_known)
			role_show(it, p);
		return;
	}
	role_fill(c, it);
	it->is_asked = true;
	task_ask(c, &r->control.task, p->local, &it->role.msg);
}

static enum task_result roles_give(struct controller *c, struct roles_task *r)
{
	member_take_configs(c, &r->control.task);
	r->control.task.is_past_store = true;	/* a role that is taken and not followed up would stay so: said again, it changes nothing */
	for (int32_t i = 0; i < r->count; i++) {
		if (r->items[i].error == NONE)
			role_give(c, r, &r->items[i]);
	}
	r->control.task.stage = ROLES_TAKEN;
	return r->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

void member_fill_assign(struct controller *c, struct fetcher_assign *a, struct topic_state *t, struct partition_state *p)
{
	const struct cluster_broker *leader = live_broker(c, p->leader);
	const struct cluster_endpoint *e = leader != NULL ? controller_inter_broker_endpoint(c, leader) : NULL;

	msg_init(&a->msg, FETCHER_ASSIGN, &c->actor);
	a->partition = p->local;
	a->is_removed = p->leader == c->broker_id || e == NULL;
	p->is_following = !a->is_removed;
	if (a->is_removed)
		return;
	p->is_throttled = member_is_throttled(t, p->id, c->broker_id);
	a->leader = p->leader;
	snprintf(a->host, sizeof(a->host), "%s", e->host);
	a->port = e->port;
	a->leader_epoch = p->role_epoch;
	a->topic_id = t->id;
	a->broker_epoch = c->broker_epoch;
	a->is_throttled = p->is_throttled;
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
	member_fill_assign(c, a, it->topic, p);
	if (c->is_retiring) {	/* one fetch from the new leader, and that would want us back in the in-sync set: producers would wait for us again */
		a->is_removed = true;
		p->is_following = false;
	}
	a->log_end_offset = m->log_end_offset;
	a->high_watermark = m->high_watermark;
	a->last_epoch = m->last_epoch;
	task_ask_actor(c, &r->control.task, fetchers_actor(c->spec.fetchers, it->topic->name, p->id), &a->msg);
}

/* member_strays.c says why not where it is counted on. */
static bool is_in_the_way(const struct controller *c, const struct role_item *it)
{
	const struct leader_and_isr_request_partition_state *s = it->said;
	const struct partition_state *p = it->is_asked ? topic_state_partition(it->topic, s->partition_index, false) : NULL;

	if (p == NULL || p->local == NULL || !partition_is_open(p->local) || it->is_evicted || (!s->is_new && has_id(s->isr, s->isr_count, c->broker_id)))
		return false;
	return it->role.error == INCONSISTENT_TOPIC_ID || partition_is_of_another_topic(p->local);
}

/* True: the sub-task is pushed. */
static bool roles_evict(struct controller *c, struct roles_task *r)
{
	struct member_evict *wanted = mem_calloc((size_t)r->count + 1, sizeof(*wanted));
	int32_t n = 0;

	for (int32_t i = 0; i < r->count; i++) {
		struct role_item *it = &r->items[i];

		if (!is_in_the_way(c, it))
			continue;
		it->is_evicted = true;
		wanted[n++] = (struct member_evict){ .topic = it->topic, .partition = it->said->partition_index };
	}
	if (n > 0)
		member_push_evict(c, wanted, n);
	free(wanted);
	return n > 0;
}

/* Who had to make way has made it: the replica begins empty. */
static enum task_result roles_give_again(struct controller *c, struct roles_task *r)
{
	r->control.task.stage = ROLES_TAKEN;
	for (int32_t i = 0; i < r->count; i++) {
		if (!r->items[i].is_evicted)
			continue;
		r->items[i].is_asked = false;
		role_give(c, r, &r->items[i]);
	}
	return r->control.task.out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result roles_taken(struct controller *c, struct roles_task *r)
{
	int32_t asked = 0;

	if (roles_evict(c, r)) {
		r->control.task.stage = ROLES_EVICTED;
		return TASK_AGAIN;
	}
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
		enum err e = partition_settle_recovery_points(d, r->replicas, r->replica_count);
		if (e != OK && !err_is_passing(e))
			logdir_set_offline(d, e, "recovery points");
	}
}

/* After an unclean start: partition_checkpoint.h says why. Nobody can append before the picture shows the replica. */
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
	enum task_result result = member_publish_topics(c, &r->control.task, changed, n, ROLES_VISIBLE);
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
	case ROLES_EVICTED:      return roles_give_again(c, r);
	case ROLES_FOLLOWED:     return roles_checkpoint(c, r);
	case ROLES_CHECKPOINTED: return roles_publish(c, r);
	case ROLES_VISIBLE:
		r->control.is_done = r->control.m->version >= 5 ? roles_answer_by_topic(r) : roles_answer_flat(r);
		break;
	}
	return TASK_DONE;
}

static void roles_fini(struct controller *c, struct task *t)
{
	struct roles_task *r = (struct roles_task *)t;

	for (int32_t i = 0; i < r->count; i++)
		member_drop_if_empty(c, r->items[i].name);
	member_control_end(c, &r->control);
	free(r->items);
	free(r->assigns);
	free(r->replicas);
}

const struct task_kind member_roles_kind = { .size = sizeof(struct roles_task), .name = "LeaderAndIsr", .run = roles_run, .fini = roles_fini, .is_storeless = true };
