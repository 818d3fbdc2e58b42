/*
 * The version of /feature, which ApiVersions shows as the epoch of the finalized features: every broker watches the node, from inter.broker.protocol.version 2.7 on.
 */
#include "controller/controller_priv.h"

enum feature_stage { FEATURE_READ, FEATURE_TAKE, FEATURE_WATCHED };

void member_set_feature_version(struct controller *c, int32_t version)
{
	if (c->feature_version == version)
		return;
	c->feature_version = version;
	if (c->picture != NULL)
		controller_publish(c, controller_next_picture(c));
}

static enum task_result feature_take(struct controller *c, struct task *t)
{
	struct store_call *s = t->last;
	struct znode_feature f;

	if (s->call.result == ERR_NOT_FOUND) {	/* a read arms nothing on what is not there */
		task_drop_calls(t);
		task_exists(c, t, true, "/feature");
		t->stage = FEATURE_WATCHED;
		return task_submit(c, t);
	}
	bool is_read = s->call.result == OK && znode_feature_decode(&f, s->ops[0].out, &s->call.arena);
	if (!is_read)
		LOG_ERROR(&c->actor.log, feature_unreadable, KV_ERR(store_call_problem(s)));
	member_set_feature_version(c, is_read && f.is_enabled ? s->ops[0].stat.version : -1);
	return TASK_DONE;
}

static enum task_result feature_run(struct controller *c, struct task *t)
{
	bool is_there;

	switch ((enum feature_stage)t->stage) {
	case FEATURE_READ:
		task_get(c, t, true, "/feature");
		t->stage = FEATURE_TAKE;
		return task_submit(c, t);
	case FEATURE_TAKE:
		return feature_take(c, t);
	case FEATURE_WATCHED:
		is_there = t->last->call.result == OK;
		task_drop_calls(t);
		if (!is_there) {
			member_set_feature_version(c, -1);
			return TASK_DONE;
		}
		t->stage = FEATURE_READ;	/* made meanwhile */
		return TASK_AGAIN;
	}
	return TASK_DONE;
}

static const struct task_kind feature_kind = { .name = "read feature", .run = feature_run };

void member_enqueue_feature(struct controller *c)
{
	if (c->config->inter_broker_protocol_version >= KAFKA_VERSION(2, 7, 0))
		task_enqueue(task_create(&c->member_queue, &feature_kind, sizeof(struct task), NULL));
}
