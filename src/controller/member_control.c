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
#include "controller/controller_priv.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"

/* NONE: to be carried out. */
enum kafka_error member_control_check(struct controller *c, int32_t controller_id, int32_t controller_epoch, int64_t broker_epoch, bool is_kraft)
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
void member_want_config(struct controller *c, struct task *t, struct topic_state *topic)
{
	bool is_asked_for = !list_empty(&t->calls) && LIST_ENTRY(t->calls.prev, struct store_call, link)->mark == topic;

	if (topic->has_config || is_asked_for)		/* a request lists the partitions of a topic behind each other */
		return;
	task_get(c, t, false, "/config/topics/%s", topic->name)->mark = topic;
}

void member_take_configs(struct controller *c, struct task *t)
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
enum task_result member_publish_topics(struct controller *c, struct task *t, struct topic_state *const *changed, int32_t n, int stage)
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

static int16_t *control_error(const struct controller_request *m)
{
	if (m->key == API_LEADER_AND_ISR)
		return &((struct leader_and_isr_response *)m->response)->error_code;
	if (m->key == API_UPDATE_METADATA)
		return &((struct update_metadata_response *)m->response)->error_code;
	return &((struct stop_replica_response *)m->response)->error_code;
}

/*
 * Given up in the middle, because the session has expired: the registration that follows makes the controller say everything anew, and until then our epoch is what the
 * answer says it is, stale.
 */
void member_control_end(struct controller *c, struct control_task *t)
{
	if (!t->is_done)
		*control_error(t->m) = STALE_BROKER_EPOCH;
	else if (*control_error(t->m) == NONE && t->m->key != API_STOP_REPLICA)
		member_look_for_strays(c);
	if (t->own != NULL)
		t->own->done(c, t->own);
}

/* A refused request must leave no trace. By name: an earlier item of the topic may have been its end. */
void member_drop_if_empty(struct controller *c, struct slice name)
{
	struct topic_state *t = topic_state_get(c, name);

	if (t != NULL)
		topic_state_drop_if_empty(c, t);
}

static void enqueue(struct controller *c, struct controller_request *m, struct own_request *own)
{
	const struct task_kind *kind = m->key == API_LEADER_AND_ISR ? &member_roles_kind : m->key == API_UPDATE_METADATA ? &member_metadata_kind
	                                                                                                                : &member_stop_replica_kind;
	struct control_task *t = (struct control_task *)task_create(&c->member_queue, kind, kind->size, own == NULL ? &m->msg : NULL);

	t->m = m;
	t->own = own;
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
