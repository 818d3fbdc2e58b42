/*
 * The state nodes of partitions, /brokers/topics/<t>/partitions/<p>/state: read, decided about, and written under the condition that nobody wrote them meanwhile.
 *
 * A leader of an older cluster may write its own in-sync set there, and an answer of ours may be lost; both show as a bad version, and then everything about that partition is decided
 * anew from what the node says. All reads of a round travel together, and all writes. What is cached is not read: it is a failure of a broker that leads thousands that waits for this.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

void state_changes_add(struct state_changes *l, struct active_partition *p)
{
	if (l->count == l->room) {
		l->room = MAX(16, l->room * 2);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	l->items[l->count++] = (struct state_change){ .p = p };
}

void state_changes_fini(struct state_changes *l)
{
	for (int32_t i = 0; i < l->count; i++) {
		free(l->items[i].isr.ids);
		free(l->items[i].recipients.ids);
	}
	free(l->items);
	*l = (struct state_changes){ 0 };
}

enum state_verdict active_bump_epoch(struct controller *c, const struct state_changes *l, struct state_change *s)
{
	(void)c;
	(void)l;
	(void)s;
	return STATE_WRITE;
}

void active_take_state(struct active_partition *p, const struct znode_state *z, int32_t version)
{
	p->has_leadership = true;
	p->leader = z->leader;
	p->leader_epoch = z->leader_epoch;
	p->controller_epoch = z->controller_epoch;
	p->partition_epoch = version;
	p->is_recovering = z->is_recovering;
	id_list_set(&p->isr, z->isr, z->isr_count);
}

static struct store_call *get_state(struct controller *c, struct task *t, const struct active_partition *p)
{
	return task_get(c, t, false, "/brokers/topics/%s/partitions/%d/state", p->topic->name, p->id);
}

/* --- rewriting ------------------------------------------------------------------------------------------------------------------------- */

enum change_stage { CHANGE_READ, CHANGE_UNCLEAN, CHANGE_WRITE, CHANGE_WRITTEN };

struct change_task {
	struct task           task;
	struct state_changes *list;
};

/*
 * Since leaders ask for their in-sync sets (AlterPartition) nobody but the controller writes state nodes, so what is cached is what they hold; were it not, the write would be refused,
 * and the node is read then.
 */
static bool take_cached(const struct controller *c, struct state_change *s)
{
	const struct active_partition *p = s->p;

	if (!p->has_leadership || s->was_refused || !active_has_version(c, KAFKA_VERSION(2, 7, 2)))
		return false;
	s->leader = p->leader;
	s->leader_epoch = p->leader_epoch;
	s->version = p->partition_epoch;
	s->is_recovering = p->is_recovering;
	id_list_set(&s->isr, p->isr.ids, p->isr.count);
	return true;
}

static enum task_result change_read(struct controller *c, struct change_task *ct)
{
	bool is_done = true;

	task_drop_calls(&ct->task);
	for (int32_t i = 0; i < ct->list->count; i++) {
		struct state_change *s = &ct->list->items[i];

		is_done &= s->is_done;
		if (!s->is_done && !take_cached(c, s))
			get_state(c, &ct->task, s->p)->mark = s;
	}
	if (is_done)
		return TASK_DONE;
	ct->task.stage = CHANGE_UNCLEAN;
	return task_submit(c, &ct->task);
}

static void fail(struct state_change *s, enum kafka_error error)
{
	s->is_done = true;
	s->error = error;
}

static void take_read(struct controller *c, struct state_change *s, struct store_call *call)
{
	struct znode_state z;
	const struct coord_op *op = store_call_op(call);
	bool is_readable = call->call.result == OK && znode_state_decode(&z, op->out, &call->call.arena);

	if (!is_readable || z.controller_epoch > c->controller_epoch) {
		if (call->call.result != ERR_NOT_FOUND || !s->p->topic->is_queued)
			LOG_ERROR(&c->actor.log, state_unreadable, KV_STR("path", call->path), KV_ERR(store_call_problem(call)));
		fail(s, UNKNOWN_SERVER_ERROR);
		return;
	}
	s->leader = z.leader;
	s->leader_epoch = z.leader_epoch;
	s->version = op->stat.version;
	s->is_recovering = z.is_recovering;
	id_list_set(&s->isr, z.isr, z.isr_count);
}

static bool needs_unclean(const struct active *a, const struct state_change *s)
{
	for (int32_t i = 0; i < s->isr.count; i++) {
		if (active_is_replica_online(a, s->p, s->isr.ids[i]))
			return false;
	}
	return true;
}

/* For partitions that nobody can lead without a loss: what the configuration of their topics says. */
static enum task_result change_unclean(struct controller *c, struct change_task *ct)
{
	struct state_changes *l = ct->list;
	const struct active_topic *last = NULL;

	LIST_FOREACH(e, &ct->task.calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);

		take_read(c, call->mark, call);
	}
	task_drop_calls(&ct->task);
	for (int32_t i = 0; l->wants_unclean && i < l->count; i++) {
		struct state_change *s = &l->items[i];

		if (s->is_done || s->p->topic == last || !needs_unclean(c->active, s))
			continue;
		last = s->p->topic;
		task_get(c, &ct->task, false, "/config/topics/%s", last->name)->mark = s->p->topic;
	}
	ct->task.stage = CHANGE_WRITE;
	return task_submit(c, &ct->task);
}

static bool config_allows_unclean(struct controller *c, struct store_call *call)
{
	struct cluster_override *pairs;
	struct config_set set;
	struct topic_config config;
	int32_t n;

	config_set_init(&set);
	znode_config_decode(call->call.result == OK ? store_call_op(call)->out : SLICE_NULL, &pairs, &n, &call->call.arena);
	for (int32_t i = 0; i < n; i++)
		config_set_put(&set, slice_str(pairs[i].name), slice_str(pairs[i].value), (struct config_place){ .origin = CONFIG_FROM_STORE });
	topic_config_resolve(&config, &set, c->config, NULL);
	config_set_fini(&set);
	return config.is_unclean_election_allowed;
}

static void take_configs(struct controller *c, struct change_task *ct)
{
	LIST_FOREACH(e, &ct->task.calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);
		bool is_allowed = config_allows_unclean(c, call);

		for (int32_t i = 0; i < ct->list->count; i++) {
			if (ct->list->items[i].p->topic == call->mark)
				ct->list->items[i].may_be_unclean = is_allowed;
		}
	}
	task_drop_calls(&ct->task);
}

static void cache(struct controller *c, struct state_change *s)
{
	struct znode_state z = {
		.leader = s->leader, .leader_epoch = s->leader_epoch, .controller_epoch = c->controller_epoch, .isr = s->isr.ids, .isr_count = s->isr.count,
		.is_recovering = s->is_recovering,
	};

	active_take_state(s->p, &z, s->version);
	s->is_done = true;
}

static void write_state(struct controller *c, struct change_task *ct, struct state_change *s)
{
	s->leader_epoch++;
	struct znode_state z = {
		.leader = s->leader, .leader_epoch = s->leader_epoch, .controller_epoch = c->controller_epoch, .isr = s->isr.ids, .isr_count = s->isr.count,
		.is_recovering = s->is_recovering,
	};

	strbuf_reset(&c->text);
	znode_state_encode(&z, &c->text);
	task_set_node(c, &ct->task, true, s->version, "/brokers/topics/%s/partitions/%d/state", s->p->topic->name, s->p->id)->mark = s;
}

static enum task_result change_write(struct controller *c, struct change_task *ct)
{
	take_configs(c, ct);
	for (int32_t i = 0; i < ct->list->count; i++) {
		struct state_change *s = &ct->list->items[i];

		if (s->is_done)
			continue;
		switch (ct->list->decide(c, ct->list, s)) {
		case STATE_WRITE: write_state(c, ct, s); break;
		case STATE_KEEP:  cache(c, s); break;
		case STATE_FAIL:  s->is_done = true; break;
		}
	}
	ct->task.stage = CHANGE_WRITTEN;
	return task_submit(c, &ct->task);
}

static enum task_result change_written(struct controller *c, struct change_task *ct)
{
	if (active_is_fenced_off(&ct->task))
		return active_moved(c, &ct->task);
	LIST_FOREACH(e, &ct->task.calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);
		struct state_change *s = call->mark;

		if (call->call.result == OK) {
			s->version = store_call_op(call)->stat.version;
			cache(c, s);
		} else if (call->call.result == ERR_BAD_VERSION) {
			s->was_refused = true;
		} else {
			fail(s, UNKNOWN_SERVER_ERROR);
		}
	}
	return change_read(c, ct);	/* those whose version was not what had been read: again */
}

static enum task_result change_run(struct controller *c, struct task *t)
{
	struct change_task *ct = (struct change_task *)t;

	switch ((enum change_stage)t->stage) {
	case CHANGE_READ:    return change_read(c, ct);
	case CHANGE_UNCLEAN: return change_unclean(c, ct);
	case CHANGE_WRITE:   return change_write(c, ct);
	case CHANGE_WRITTEN: return change_written(c, ct);
	}
	return TASK_DONE;
}

static const struct task_kind change_kind = { .name = "change partition states", .run = change_run };

void active_push_state_changes(struct controller *c, struct state_changes *l)
{
	struct change_task *ct = (struct change_task *)task_create(&c->active_queue, &change_kind, sizeof(*ct), NULL);

	ct->list = l;
	task_push(&ct->task);
}

/* --- reading ----------------------------------------------------------------------------------------------------------------------------- */

struct read_task {
	struct task            task;
	struct partition_list *list;
};

static void take_state_node(struct controller *c, struct active_partition *p, struct store_call *call)
{
	struct znode_state z;

	if (call->call.result == OK && znode_state_decode(&z, store_call_op(call)->out, &call->call.arena)) {
		active_take_state(p, &z, store_call_op(call)->stat.version);
		return;
	}
	if (call->call.result != ERR_NOT_FOUND)
		LOG_ERROR(&c->actor.log, state_unreadable, KV_STR("path", call->path), KV_ERR(store_call_problem(call)));
	p->has_leadership = false;
}

static enum task_result read_run(struct controller *c, struct task *t)
{
	struct read_task *r = (struct read_task *)t;

	if (t->stage == 0) {
		for (int32_t i = 0; i < r->list->count; i++)
			get_state(c, t, r->list->items[i].p)->mark = r->list->items[i].p;
		t->stage = 1;
		return task_submit(c, t);
	}
	LIST_FOREACH(e, &t->calls) {
		struct store_call *call = LIST_ENTRY(e, struct store_call, link);

		take_state_node(c, call->mark, call);
	}
	return TASK_DONE;
}

static const struct task_kind read_kind = { .name = "read partition states", .run = read_run };

void active_push_read_states(struct controller *c, struct partition_list *l)
{
	struct read_task *r = (struct read_task *)task_create(&c->active_queue, &read_kind, sizeof(*r), NULL);

	r->list = l;
	task_push(&r->task);
}
