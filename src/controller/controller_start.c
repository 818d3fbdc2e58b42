/*
 * Coming up: the tree's fixed nodes, the cluster's and our own identity, registration, election. And what follows from the session's life: a lost connection
 * only delays, an expired session means registering and electing anew, with a new broker epoch.
 *
 * The order of the first writes is Kafka's, so that a Java broker beside us finds what it expects at every moment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/active.h"
#include "controller/joining.h"

static const char *const fixed_paths[] = {	/* Kafka's order; parents are made on the way */
	"/consumers", "/brokers", "/brokers/ids", "/brokers/topics", "/config", "/config/changes", "/admin", "/admin/delete_topics", "/brokers/seqid",
	"/isr_change_notification", "/latest_producer_id_block", "/log_dir_event_notification", "/config/topics", "/config/clients", "/config/users",
	"/config/brokers", "/config/ips",
};

enum start_stage {
	START_PATHS, START_PATHS_DONE, START_CLUSTER_ID, START_CLUSTER_ID_MADE, START_SEQUENCE, START_IDENTITY, START_CONFIGS, START_OTHERS, START_OTHERS_READ,
	START_PEERS_ASKED, START_REGISTER, START_REGISTERED, START_OWNER_READ, START_TOPICS_LEFT, START_ELECT,
};

struct start_task {
	struct task task;
	struct list peers;	/* questions to brokers of another maker */
};

static void answer_ready(struct controller *c, enum err result, const char *problem)
{
	if (c->ready == NULL)
		return;
	c->ready->result = result;
	snprintf(c->ready->problem, sizeof(c->ready->problem), "%s", problem);
	actor_post(&c->ready->msg);
	c->ready = NULL;
}

void controller_waits_for(struct controller *c, const char *sentence)
{
	if (c->spec.waits_for != NULL && c->ready != NULL)
		__atomic_store_n(c->spec.waits_for, sentence, __ATOMIC_RELEASE);
}

void controller_say_ready(struct controller *c)
{
	answer_ready(c, OK, "");
}

static enum task_result start_fail(struct controller *c, enum err e, const char *problem)
{
	answer_ready(c, e != OK ? e : ERR_INVALID, problem);
	return TASK_DONE;
}

static enum task_result start_forbidden(struct controller *c, enum err e, const struct joining_finding *f)
{
	char problem[sizeof(*f) + 2];

	snprintf(problem, sizeof(problem), "%s; %s", f->what, f->remedy);
	return start_fail(c, e, problem);
}

static enum task_result go(struct task *t, int stage)
{
	t->stage = stage;
	return TASK_AGAIN;
}

/* The first broker of a cluster names it: 16 random bytes in base64. */
static void make_cluster_id(struct controller *c, struct task *t)
{
	struct uuid id;
	char text[UUID_TEXT_LEN + 1];
	const struct meta_properties *meta = logdir_meta(c->spec.dirs[0]);

	os_random(c->os, id.bytes, sizeof(id.bytes));
	uuid_to_text(id, text);
	strbuf_reset(&c->text);
	/* A store that has no id yet beside a data directory that has one: the directory came from a cluster whose store is gone or elsewhere. */
	znode_cluster_id_encode(meta != NULL && meta->cluster_id[0] != 0 && c->spec.zookeeper == NULL ? meta->cluster_id : text, &c->text);
	task_create_node(c, t, false, false, 0, "/cluster");
	task_create_node(c, t, false, true, 0, "/cluster/id");
}

static void make_controller_epoch(struct controller *c, struct task *t)
{
	strbuf_reset(&c->text);
	strbuf_add_str(&c->text, "0");
	task_create_node(c, t, false, true, 0, "/controller_epoch");
}

/* Nobody is beside us in an embedded store: all it lacks is made in one submission, which is one commit. */
static enum task_result start_paths(struct controller *c, struct task *t)
{
	for (size_t i = 0; i < ARRAY_LEN(fixed_paths); i++)
		task_create_node(c, t, false, false, 0, "%s", fixed_paths[i]);
	if (c->spec.zookeeper == NULL && c->spec.tree == NULL) {
		make_cluster_id(c, t);
		make_controller_epoch(c, t);
	}
	t->stage = START_PATHS_DONE;
	return task_submit(c, t);
}

static enum task_result start_paths_done(struct controller *c, struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		enum err r = s->call.result;
		struct joining_finding f;

		if (joining_access_forbids(r, &f))
			return start_forbidden(c, r, &f);
		if (r != OK && r != ERR_EXISTS) {
			char problem[256];

			snprintf(problem, sizeof(problem), "cannot create %s in the coordination store: %s", s->path, err_text(r));
			return start_fail(c, r, problem);
		}
	}
	task_drop_calls(t);
	task_get(c, t, false, "/cluster/id");
	t->stage = START_CLUSTER_ID;
	return task_submit(c, t);
}

static enum task_result start_cluster_id(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	enum err r = t->last->call.result;

	if (r == OK) {
		bool ok = znode_cluster_id_decode(op->out, c->cluster_id);

		task_drop_calls(t);
		return ok ? go(t, START_IDENTITY) : start_fail(c, ERR_CORRUPT, "/cluster/id in the coordination store does not hold a cluster id");
	}
	task_drop_calls(t);
	if (r != ERR_NOT_FOUND)
		return start_fail(c, r, "cannot read /cluster/id in the coordination store");
	make_cluster_id(c, t);
	task_get(c, t, false, "/cluster/id");
	t->stage = START_CLUSTER_ID;
	return task_submit(c, t);
}

static int32_t known_broker_id(const struct controller *c)
{
	if (c->config->broker_id >= 0)
		return c->config->broker_id;
	for (int i = 0; i < c->spec.dir_count; i++) {
		const struct meta_properties *meta = logdir_meta(c->spec.dirs[i]);

		if (meta != NULL && meta->broker_id >= 0)
			return meta->broker_id;
	}
	return -1;
}

/* Reads and removes the marker of a clean stop, and reads the checkpoints: only once every directory is known to be this broker's, and the cluster one that it may join. */
static enum err load_dirs(struct controller *c, char problem[LOGDIR_ERROR_MAX])
{
	for (int i = 0; i < c->spec.dir_count; i++) {
		enum err e = logdir_load(c->spec.dirs[i], problem);

		if (e == ERR_CORRUPT || e == ERR_IO)
			logdir_set_offline(c->spec.dirs[i], e, problem);
		else if (e != OK)
			return e;
		c->dir_has_failed[i] = logdir_is_offline(c->spec.dirs[i]);	/* there are no replicas yet: the first roles bring it out */
	}
	return OK;
}

static enum task_result start_identity(struct controller *c, struct task *t)
{
	char problem[LOGDIR_ERROR_MAX];

	if (t->last != NULL && !list_empty(&t->calls) && t->last->call.result == OK)	/* the sequence node's version is the next free number */
		c->broker_id = store_call_op(t->last)->stat.version + c->config->reserved_broker_max_id;
	if (c->broker_id < 0)
		c->broker_id = known_broker_id(c);
	if (c->broker_id < 0 && list_empty(&t->calls)) {
		strbuf_reset(&c->text);
		task_set_node(c, t, false, COORD_ANY_VERSION, "/brokers/seqid");
		return task_submit(c, t);
	}
	task_drop_calls(t);
	if (c->broker_id < 0)
		return start_fail(c, ERR_INVALID, "no broker id: set broker.id, or allow broker.id.generation.enable");
	for (int i = 0; i < c->spec.dir_count; i++) {
		enum err e = logdir_claim(c->spec.dirs[i], c->broker_id, c->cluster_id, problem);

		if (e != OK)
			return start_fail(c, e, problem);
	}
	task_get(c, t, false, "/config/brokers/<default>");
	task_get(c, t, false, "/config/brokers/%d", c->broker_id);
	t->stage = START_CONFIGS;
	return task_submit(c, t);
}

static void read_broker_configs(struct controller *c, struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);
		struct config_set *set = e == t->calls.next ? &c->broker_default : &c->broker_own;
		struct cluster_override *pairs;
		int32_t n;

		config_set_fini(set);
		config_set_init(set);
		znode_config_decode(s->call.result == OK ? s->ops[0].out : SLICE_NULL, &pairs, &n, &s->call.arena);
		for (int32_t i = 0; i < n; i++)
			config_set_put(set, slice_str(pairs[i].name), slice_str(pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
	}
	if (!controller_resolve_broker(c, &c->text))	/* a bad value in the store must not keep the broker down */
		LOG_WARN(&c->actor.log, dynamic_config_ignored, KV_STR("problem", strbuf_cstr(&c->text)));
}

static enum task_result start_configs(struct controller *c, struct task *t)
{
	struct joining_finding f;

	LIST_FOREACH(e, &t->calls) {
		if (joining_access_forbids(LIST_ENTRY(e, struct store_call, link)->call.result, &f))
			return start_forbidden(c, ERR_ACCESS, &f);
	}
	read_broker_configs(c, t);
	task_drop_calls(t);
	if (joining_configs_forbid(&c->broker_default, &f) || joining_configs_forbid(&c->broker_own, &f))
		return start_forbidden(c, ERR_UNSUPPORTED, &f);
	for (int i = 0; i < JOINING_NODES; i++)
		task_get(c, t, false, "%s", joining_nodes[i]);
	task_children(c, t, false, "/brokers/ids");
	t->stage = START_OTHERS;
	return task_submit(c, t);
}

static enum task_result start_others(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	struct store_call *list = t->last;
	struct joining_finding f;
	int i = 0;

	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		if (s != list && joining_node_forbids(i++, s->call.result, s->ops[0].out, &f))
			return start_forbidden(c, ERR_UNSUPPORTED, &f);
	}
	if (list->call.result != OK)
		return start_fail(c, list->call.result, "cannot list /brokers/ids in the coordination store");
	for (i = 0; i < op->name_count; i++)
		task_get(c, t, false, "/brokers/ids/" SLICE_FMT, SLICE_ARG(op->names[i]))->mark = c;
	t->stage = START_OTHERS_READ;
	LIST_FOREACH(e, &t->calls) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		if (s->mark == c)
			task_submit_one(c, t, s);
	}
	return t->out > 0 ? TASK_WAIT : TASK_AGAIN;
}

/* Two brokers with one address, one that cannot be talked to, or one whose controller we could not be: better no start. Java's are asked what they speak. */
static enum task_result start_others_read(struct controller *c, struct start_task *s)
{
	struct task *t = &s->task;
	struct joining_finding f;
	enum err e;

	LIST_FOREACH(item, &t->calls) {
		struct store_call *call = LIST_ENTRY(item, struct store_call, link);
		struct cluster_broker peer;
		bool is_skein;
		int32_t id;

		if (call->mark != c || call->call.result != OK || !znode_int_decode(slice_str(strrchr(call->path, '/') + 1), &id) || id == c->broker_id)
			continue;
		switch (joining_judge_peer(c->config, c->spec.endpoints, c->spec.endpoint_count, id, call->ops[0].out, &e, &f)) {
		case JOINING_PEER_FITS:
			if (znode_broker_decode(&peer, &is_skein, call->ops[0].out) && !is_skein) {
				peer.id = id;
				controller_peers_add(c, &s->peers, &peer);
			}
			break;
		case JOINING_PEER_UNREADABLE:
			LOG_WARN(&c->actor.log, registration_unreadable, KV_STR("path", call->path));
			break;
		case JOINING_PEER_FORBIDS:
			return start_forbidden(c, e, &f);
		}
	}
	task_drop_calls(t);
	controller_peers_ask(c, t, &s->peers);
	t->stage = START_PEERS_ASKED;
	return t->out > 0 ? TASK_WAIT : TASK_AGAIN;
}

static enum task_result start_peers_asked(struct controller *c, struct start_task *s)
{
	struct joining_finding f;
	char problem[LOGDIR_ERROR_MAX];

	if (controller_peers_forbid(c, &s->peers, &f))
		return start_forbidden(c, ERR_UNSUPPORTED, &f);
	controller_peers_end(c, &s->peers);
	enum err e = load_dirs(c, problem);
	if (e != OK)
		return start_fail(c, e, problem);
	controller_push_return(c);
	return go(&s->task, START_REGISTER);
}

void controller_own_registration(const struct controller *c, struct cluster_broker *b)
{
	*b = (struct cluster_broker){ .id = c->broker_id, .epoch = c->broker_epoch, .endpoint_count = c->spec.endpoint_count };
	memcpy(b->endpoints, c->spec.endpoints, (size_t)c->spec.endpoint_count * sizeof(b->endpoints[0]));
	if (c->config->rack != NULL) {
		b->has_rack = true;
		snprintf(b->rack, sizeof(b->rack), "%s", c->config->rack);
	}
}

/* Create and set in one multi, so that the answer carries the node's stat: its czxid is the broker's epoch. */
static enum task_result start_register(struct controller *c, struct task *t)
{
	struct cluster_broker self;

	controller_own_registration(c, &self);
	strbuf_reset(&c->text);
	znode_broker_encode(&self, os_time_ms(c->os), &c->text);
	struct store_call *s = task_set_node(c, t, false, 0, "/brokers/ids/%d", c->broker_id);
	s->ops[1] = s->ops[0];
	s->ops[0] = (struct coord_op){ .kind = COORD_CREATE, .path = s->path, .flags = COORD_EPHEMERAL };
	s->call.op_count = 2;
	s->call.is_multi = true;
	t->stage = START_REGISTERED;
	return task_submit(c, t);
}

static enum task_result registered(struct controller *c, struct task *t, int64_t czxid)
{
	c->broker_epoch = czxid;
	c->registered_session = coord_session_id(c->coord);
	c->is_registered = true;
	controller_waits_for(c, "the broker is starting: it is registered, and opens its logs");
	LOG_INFO(&c->actor.log, registered, KV_I32("broker", c->broker_id), KV_I64("epoch", czxid));
	task_drop_calls(t);
	if (c->spec.on_registered != NULL) {
		char problem[256] = "";
		enum err e = c->spec.on_registered(c->spec.on_registered_arg, problem, sizeof(problem));

		if (e != OK)
			return start_fail(c, e, problem);
	}
	if (map_count(&c->topics) == 0)
		return go(t, START_ELECT);
	task_children(c, t, false, "/admin/delete_topics");
	task_children(c, t, false, "/brokers/topics");
	t->stage = START_TOPICS_LEFT;
	return task_submit(c, t);
}

/* Anew, in a life that has seen topics: that one was deleted, or began to be, while nobody could reach us, will not be said again. */
static enum task_result start_topics_left(struct controller *c, struct task *t)
{
	struct store_call *going = LIST_ENTRY(t->calls.next, struct store_call, link);

	if (going->call.result == OK && t->last->call.result == OK)
		member_forget_gone(c, store_call_op(t->last), store_call_op(going));
	task_drop_calls(t);
	return go(t, START_ELECT);
}

static enum task_result start_registered(struct controller *c, struct task *t)
{
	struct store_call *s = t->last;

	if (s->call.result == OK)
		return registered(c, t, s->ops[1].stat.czxid);
	if (s->call.result != ERR_EXISTS)
		return start_fail(c, s->call.result, "cannot register this broker in the coordination store");
	task_drop_calls(t);
	task_get(c, t, true, "/brokers/ids/%d", c->broker_id);
	c->is_place_free = false;
	t->stage = START_OWNER_READ;
	return task_submit(c, t);
}

/* Ours (an answer was lost), left from our last session (it must go), or somebody else's: then this waits until it is gone. */
static enum task_result start_owner_read(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	enum err r = t->last->call.result;

	if (r == OK && op->stat.ephemeral_owner == coord_session_id(c->coord))
		return registered(c, t, op->stat.czxid);
	if (r == OK && op->stat.ephemeral_owner == c->registered_session && c->registered_session != 0) {
		task_drop_calls(t);
		task_delete_node(c, t, false, COORD_ANY_VERSION, "/brokers/ids/%d", c->broker_id);
		t->stage = START_REGISTER;
		t->out = 1;
		coord_submit(c->coord, &t->last->call);
		return TASK_WAIT;
	}
	task_drop_calls(t);
	if (r == ERR_NOT_FOUND || c->is_place_free)
		return go(t, START_REGISTER);
	if (r != OK)
		return start_fail(c, r, "cannot read this broker's registration in the coordination store");
	LOG_WARN(&c->actor.log, registration_taken, KV_I32("broker", c->broker_id));
	controller_waits_for(c, "the broker is starting: another process is registered under its broker id, and it waits until that is gone");
	t->stage = START_REGISTER;
	t->out = 1;		/* the watch's event counts it down: controller_on_event */
	return TASK_WAIT;
}

static enum task_result start_run(struct controller *c, struct task *t)
{
	switch ((enum start_stage)t->stage) {
	case START_PATHS:           return start_paths(c, t);
	case START_PATHS_DONE:      return start_paths_done(c, t);
	case START_CLUSTER_ID:
	case START_CLUSTER_ID_MADE: return start_cluster_id(c, t);
	case START_SEQUENCE:
	case START_IDENTITY:        return start_identity(c, t);
	case START_CONFIGS:         return start_configs(c, t);
	case START_OTHERS:          return start_others(c, t);
	case START_OTHERS_READ:     return start_others_read(c, (struct start_task *)t);
	case START_PEERS_ASKED:     return start_peers_asked(c, (struct start_task *)t);
	case START_REGISTER:
		task_drop_calls(t);
		return c->is_stopping ? TASK_DONE : start_register(c, t);
	case START_REGISTERED:      return start_registered(c, t);
	case START_OWNER_READ:      return start_owner_read(c, t);
	case START_TOPICS_LEFT:     return start_topics_left(c, t);
	case START_ELECT:
		if (!c->has_started)
			member_scan_dirs(c);
		c->has_started = true;
		controller_enqueue_election(c);
		controller_enqueue_config_changes(c);
		controller_enqueue_quotas(c);
		if (c->spec.zookeeper != NULL || c->spec.tree != NULL)	/* in a store of our own only our own active side writes it */
			member_enqueue_feature(c);
		return TASK_DONE;
	}
	return TASK_DONE;
}

static void start_fini(struct controller *c, struct task *t)
{
	controller_peers_end(c, &((struct start_task *)t)->peers);
}

static const struct task_kind start_kind = { .name = "start", .run = start_run, .fini = start_fini };

static struct task *create_start(struct controller *c, enum start_stage stage)
{
	struct start_task *s = (struct start_task *)task_create(&c->member_queue, &start_kind, sizeof(*s), NULL);

	s->task.stage = stage;
	list_init(&s->peers);
	return &s->task;
}

void controller_enqueue_start(struct controller *c)
{
	task_enqueue(create_start(c, START_PATHS));
}

/* --- election ---------------------------------------------------------------------------------------------------------------------------- */

enum elect_stage { ELECT_LOOK, ELECT_LOOKED, ELECT_EPOCH, ELECT_TRY, ELECT_TRIED, ELECT_CONFIRM, ELECT_LOST, ELECT_DONE };

struct elect_task {
	struct task task;
	int32_t     epoch, version;	/* of /controller_epoch */
};

/* Not the active controller (any more); winner: who is, -1 unknown; node: czxid of his /controller. */
static void resign(struct controller *c, int32_t winner, int64_t node)
{
	c->controller_id = winner;
	c->controller_node = node;
	member_asks_controller_changed(c);
	if (!c->is_active)
		return;
	c->is_active = false;
	LOG_INFO(&c->actor.log, controller_resigned, KV_I32("controller", winner));
	active_end(c);
}

/* There is no picture before the controller of the cluster has told this broker something: one without topics would tell clients that theirs are gone. */
static enum task_result elect_lost(struct controller *c, struct task *t, int32_t winner, int64_t node)
{
	resign(c, winner, node);
	task_drop_calls(t);
	t->stage = ELECT_LOST;
	return TASK_AGAIN;
}

static enum task_result elect_looked(struct controller *c, struct task *t)
{
	struct coord_op *op = store_call_op(t->last);
	int32_t id, kraft;

	if (t->last->call.result == OK && op->kind == COORD_GET && znode_controller_decode(op->out, &id, &kraft)) {
		if (id != c->broker_id || op->stat.ephemeral_owner != coord_session_id(c->coord))
			return elect_lost(c, t, id, op->stat.czxid);
		task_drop_calls(t);
		if (active_has_moved(c)) {	/* our writes are refused though the office is ours by name: it is laid down, and contended for anew */
			resign(c, -1, 0);
			task_delete_node(c, t, false, COORD_ANY_VERSION, "/controller");
			t->stage = ELECT_LOOK;
			return task_submit(c, t);
		}
		return go(t, c->is_active ? ELECT_DONE : ELECT_EPOCH);
	}
	task_drop_calls(t);
	if (!c->config->is_controller_eligible)
		return elect_lost(c, t, -1, 0);
	task_get(c, t, false, "/controller_epoch");
	t->stage = ELECT_EPOCH;
	return task_submit(c, t);
}

static enum task_result elect_epoch(struct controller *c, struct task *t)
{
	struct elect_task *e = (struct elect_task *)t;
	struct coord_op *op = list_empty(&t->calls) ? NULL : store_call_op(t->last);

	if (op != NULL && t->last->call.result == OK && op->kind == COORD_GET && znode_int_decode(op->out, &e->epoch)) {
		e->version = op->stat.version;
		task_drop_calls(t);
		return go(t, ELECT_TRY);
	}
	if (op != NULL && t->last->call.result == ERR_NOT_FOUND) {
		task_drop_calls(t);
		make_controller_epoch(c, t);
	}
	task_get(c, t, false, "/controller_epoch");
	return task_submit(c, t);
}

/* Create /controller and raise the epoch in one multi: who has won knows his epoch and the version that fences his writes. */
static enum task_result elect_try(struct controller *c, struct task *t)
{
	struct elect_task *e = (struct elect_task *)t;

	strbuf_reset(&c->text);
	znode_controller_encode(c->broker_id, os_time_ms(c->os), &c->text);
	struct store_call *s = task_create_node(c, t, false, true, COORD_EPHEMERAL, "/controller");
	s->call.op_count = 2;
	s->call.is_multi = true;
	size_t at = s->data.len;
	strbuf_printf(&s->data, "%d", e->epoch + 1);
	s->ops[0].data = slice_of(s->data.ptr, at);
	s->ops[1] = (struct coord_op){
		.kind = COORD_SET, .path = "/controller_epoch", .version = e->version, .data = slice_of(s->data.ptr + at, s->data.len - at),
	};
	t->stage = ELECT_TRIED;
	return task_submit(c, t);
}

static enum task_result elect_won(struct controller *c, struct task *t, int32_t epoch, int32_t fence)
{
	c->is_active = true;
	c->controller_id = c->broker_id;
	member_asks_controller_changed(c);
	c->controller_epoch = epoch;
	c->fence_version = fence;
	LOG_INFO(&c->actor.log, controller_elected, KV_I32("broker", c->broker_id), KV_I32("epoch", epoch));
	task_drop_calls(t);
	active_begin(c);
	return go(t, ELECT_DONE);
}

static enum task_result elect_tried(struct controller *c, struct task *t)
{
	struct elect_task *e = (struct elect_task *)t;
	struct store_call *s = t->last;

	if (s->call.result == OK)
		return elect_won(c, t, e->epoch + 1, s->ops[1].stat.version);
	if (s->call.result == ERR_NO_SPACE || s->call.result == ERR_IO) {	/* an embedded store that cannot be written: there is nobody else to be elected */
		start_fail(c, s->call.result, s->call.result == ERR_NO_SPACE ? "the coordination store finds no room for this start: make some" :
		           "the coordination store cannot be written");
		return go(t, ELECT_DONE);
	}
	task_drop_calls(t);
	task_get(c, t, true, "/controller");
	task_get(c, t, false, "/controller_epoch");
	t->stage = ELECT_CONFIRM;
	return task_submit(c, t);
}

/* Perhaps we had won and only the answer was lost. */
static enum task_result elect_confirm(struct controller *c, struct task *t)
{
	struct elect_task *e = (struct elect_task *)t;
	struct store_call *epoch = t->last, *who = LIST_ENTRY(t->calls.next, struct store_call, link);
	int32_t id = -1, kraft, now = -1;
	bool ok = who->call.result == OK && znode_controller_decode(who->ops[0].out, &id, &kraft);

	if (ok && id == c->broker_id && who->ops[0].stat.ephemeral_owner == coord_session_id(c->coord) && epoch->call.result == OK &&
	    znode_int_decode(epoch->ops[0].out, &now) && now == e->epoch + 1)
		return elect_won(c, t, now, epoch->ops[0].stat.version);
	if (ok)
		return elect_lost(c, t, id, who->ops[0].stat.czxid);
	task_drop_calls(t);
	return go(t, ELECT_LOOK);
}

static enum task_result elect_run(struct controller *c, struct task *t)
{
	switch ((enum elect_stage)t->stage) {
	case ELECT_LOOK:
		task_drop_calls(t);
		task_exists(c, t, true, "/controller");
		task_get(c, t, true, "/controller");
		t->stage = ELECT_LOOKED;
		return task_submit(c, t);
	case ELECT_LOOKED:  return elect_looked(c, t);
	case ELECT_EPOCH:   return elect_epoch(c, t);
	case ELECT_TRY:     return elect_try(c, t);
	case ELECT_TRIED:   return elect_tried(c, t);
	case ELECT_CONFIRM: return elect_confirm(c, t);
	case ELECT_LOST:    controller_say_ready(c); return go(t, ELECT_DONE);
	case ELECT_DONE:    break;
	}
	return TASK_DONE;
}

static const struct task_kind elect_kind = { .name = "elect", .run = elect_run };

void controller_enqueue_election(struct controller *c)
{
	task_enqueue(task_create(&c->member_queue, &elect_kind, sizeof(struct elect_task), NULL));
}

/* --- the session ------------------------------------------------------------------------------------------------------------------------------ */

/* Calls that wait for a connection are answered by nobody: they count as home. */
void controller_give_up_unsent(struct controller *c)
{
	LIST_FOREACH(e, &c->unsent) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		list_remove(e);
		list_push_back(&s->task->calls, e);
		s->task->out--;
	}
}

/* The start waits until somebody else's registration is gone: nothing of it is out but a watch. */
static bool waits_for_registration(const struct controller *c)
{
	const struct task *t = c->member_queue.current;

	return t != NULL && t->kind == &start_kind && t->stage == START_REGISTER && t->out > 0 && list_empty(&t->calls);
}

void controller_give_up_registering(struct controller *c)
{
	if (!waits_for_registration(c))
		return;
	c->member_queue.current->out--;
	c->member_queue.current->is_expired = true;
}

/* What replicas do is not touched: they lead and follow as they were told, until the controller says otherwise. */
static void session_expired(struct controller *c)
{
	LOG_WARN(&c->actor.log, session_expired, KV_I64("session", c->registered_session));
	c->is_connected = false;
	c->is_registered = false;
	c->has_set_strays_aside = false;
	resign(c, -1, 0);
	if (c->member_queue.current != NULL)
		c->member_queue.current->is_expired = true;
	controller_give_up_unsent(c);
	controller_give_up_registering(c);
	list_push_front(&c->member_queue.tasks, &create_start(c, c->has_started ? START_REGISTER : START_PATHS)->link);
	if (coord_reopen(c->coord) != OK)
		LOG_ERROR(&c->actor.log, session_lost_for_good);
}

static void session_connected(struct controller *c)
{
	struct list *e;

	c->is_connected = true;
	while ((e = list_pop_front(&c->unsent)) != NULL) {
		struct store_call *s = LIST_ENTRY(e, struct store_call, link);

		list_push_back(&s->task->calls, e);
		coord_submit(c->coord, &s->call);
	}
}

/* The registration that was in the way is gone; perhaps before the start has looked at the answer that showed it. */
static void on_place_free(struct controller *c)
{
	c->is_place_free = true;
	if (waits_for_registration(c))
		c->member_queue.current->out--;
}

static void on_watch(struct controller *c, const struct coord_event *e)
{
	if (strcmp(e->path, "/controller") == 0)
		controller_enqueue_election(c);
	else if (strcmp(e->path, "/config/changes") == 0)
		controller_enqueue_config_changes(c);
	else if (strcmp(e->path, "/feature") == 0)
		member_enqueue_feature(c);
	else if (strncmp(e->path, "/brokers/ids/", 13) == 0 && e->kind == COORD_EVENT_DELETED && !c->is_registered)
		on_place_free(c);
	else if (c->active != NULL)
		(void)active_on_watch(c, e);
}

void controller_on_event(struct controller *c, const struct coord_event *e)
{
	if (c->coord == NULL)	/* the last words of a session that this broker has closed */
		return;
	switch (e->kind) {
	case COORD_EVENT_CONNECTED:
		session_connected(c);
		break;
	case COORD_EVENT_DISCONNECTED:
		c->is_connected = false;
		LOG_WARN(&c->actor.log, session_disconnected);
		break;
	case COORD_EVENT_EXPIRED:
		session_expired(c);
		break;
	case COORD_EVENT_AUTH_FAILED:
		LOG_ERROR(&c->actor.log, session_auth_failed);
		break;
	case COORD_EVENT_CREATED:
	case COORD_EVENT_DELETED:
	case COORD_EVENT_CHANGED:
	case COORD_EVENT_CHILDREN:
		on_watch(c, e);
		break;
	}
}
