/*
 * /feature: which features the cluster has agreed on. None, in a cluster with ZooKeeper; but the node's version says since when that is so, and clients are told it. The controller
 * makes the node, or rewrites it in the format of the protocol version, once when it takes office.
 *
 * Nothing is ever finalized here: a Java broker that does not support what is finalized ends.
 */
#include "controller/active_priv.h"

enum feature_stage { FEATURE_READ, FEATURE_WRITE, FEATURE_WRITTEN };

struct feature_task {
	struct task task;
	bool        is_enabled;
};

static enum task_result feature_end(struct controller *c, struct feature_task *f, int32_t version)
{
	member_set_feature_version(c, f->is_enabled ? version : -1);
	return TASK_DONE;
}

static enum task_result feature_write(struct controller *c, struct feature_task *f)
{
	struct store_call *s = f->task.last;
	struct znode_feature old = { .version = 0 }, wanted;
	bool is_missing = s->call.result == ERR_NOT_FOUND;
	int32_t version = store_call_op(s)->stat.version;

	if (!is_missing && (s->call.result != OK || !znode_feature_decode(&old, store_call_op(s)->out, &s->call.arena))) {
		LOG_ERROR(&c->actor.log, feature_unreadable, KV_ERR(store_call_problem(s)));	/* what another made is not overwritten */
		return TASK_DONE;
	}
	f->is_enabled = active_has_version(c, KAFKA_VERSION(2, 7, 0));
	wanted = (struct znode_feature){ .version = active_has_version(c, KAFKA_VERSION(3, 3, 0)) ? 2 : 1, .is_enabled = f->is_enabled };
	if (f->is_enabled && old.is_enabled) {
		wanted.levels = old.levels;
		wanted.level_count = old.level_count;
	}
	if (!is_missing && old.version == wanted.version && old.is_enabled == wanted.is_enabled && old.level_count == wanted.level_count)
		return feature_end(c, f, version);
	strbuf_reset(&c->text);
	znode_feature_encode(&wanted, &c->text);
	task_drop_calls(&f->task);
	if (is_missing)
		task_create_node(c, &f->task, false, true, 0, "/feature");
	else
		task_set_node(c, &f->task, false, COORD_ANY_VERSION, "/feature");
	f->task.stage = FEATURE_WRITTEN;
	return task_submit(c, &f->task);
}

static enum task_result feature_run(struct controller *c, struct task *t)
{
	struct feature_task *f = (struct feature_task *)t;
	enum err r;

	switch ((enum feature_stage)t->stage) {
	case FEATURE_READ:
		task_get(c, t, false, "/feature");
		t->stage = FEATURE_WRITE;
		return task_submit(c, t);
	case FEATURE_WRITE:
		return feature_write(c, f);
	case FEATURE_WRITTEN:
		r = t->last->call.result;
		if (r == ERR_EXISTS || r == ERR_NOT_FOUND) {	/* our own, its answer lost, or somebody else's: looked at again */
			task_drop_calls(t);
			t->stage = FEATURE_READ;
			return TASK_AGAIN;
		}
		if (r != OK) {
			LOG_ERROR(&c->actor.log, feature_unreadable, KV_ERR(r));
			return TASK_DONE;
		}
		return feature_end(c, f, store_call_op(t->last)->kind == COORD_SET ? store_call_op(t->last)->stat.version : 0);
	}
	return TASK_DONE;
}

static const struct task_kind feature_kind = { .name = "feature", .run = feature_run };

void active_push_feature(struct controller *c)
{
	task_push(task_create(&c->active_queue, &feature_kind, sizeof(struct feature_task), NULL));
}
