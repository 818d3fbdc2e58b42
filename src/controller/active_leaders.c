/*
 * Who leads, when somebody asks for it: the preferred replicas again (by request, by /admin/preferred_replica_election, or from time to time because too many are elsewhere), and leaders
 * for what has none at the price of records (unclean).
 *
 * A request is answered when this broker's own member side shows the new leaders: whoever asks it for metadata next must find them. That is no task, it would hold up what it
 * waits for.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "os/os.h"
#include "wire/gen/elect_leaders.h"

#define BALANCE_FIRST_MS 5000

enum { ELECTION_PREFERRED = 0, ELECTION_UNCLEAN = 1 };	/* of the request */

static bool is_led_by_preferred(const struct active_partition *p)
{
	return p->has_leadership && p->replicas.count > 0 && p->leader == p->replicas.ids[0];
}

static enum kafka_error check_election(const struct active *a, const struct active_partition *p, int8_t type)
{
	if (p == NULL)
		return UNKNOWN_TOPIC_OR_PARTITION;
	if (p->topic->is_queued)
		return INVALID_TOPIC_EXCEPTION;
	if (type == ELECTION_PREFERRED)
		return is_led_by_preferred(p) ? ELECTION_NOT_NEEDED : NONE;
	return p->has_leadership && p->leader != LEADER_NONE && active_is_live(a, p->leader) ? ELECTION_NOT_NEEDED : NONE;
}

/* --- ElectLeaders: the request ----------------------------------------------------------------------------------------------------------- */

struct elect_item {
	struct slice     topic;		/* of the request, or in its arena */
	int32_t          partition;
	enum kafka_error error;
	int32_t          leader;	/* elected: to be seen; LEADER_NONE: not, or seen already */
	struct active_partition *p;	/* while the task runs */
};

struct elect_task {
	struct active_ask_task base;
	struct elect_item     *items;
	int32_t                count, room;
	bool                   is_complete;	/* nothing was left out for lack of room in the arena */
	struct partition_list  elected;
};

struct elect_waiter {
	struct active_waiter waiter;
	struct active_ask    ask;
	struct elect_item   *items;
	int32_t              count;
};

static void add_item(struct elect_task *et, struct slice topic, int32_t partition, struct active_partition *p)
{
	if (et->count == et->room) {
		et->room = MAX(16, et->room * 2);
		et->items = mem_realloc_array(et->items, (size_t)et->room, sizeof(*et->items));
	}
	et->items[et->count++] = (struct elect_item){ .topic = topic, .partition = partition, .leader = LEADER_NONE, .p = p };
}

static void list_wanted(struct controller *c, struct elect_task *et)
{
	const struct elect_leaders_request *q = et->base.ask.request->request;
	const struct active_topic *last = NULL;
	struct slice name = SLICE_NULL;

	et->is_complete = true;
	for (int32_t i = 0; i < q->topic_partitions_count; i++) {
		for (int32_t k = 0; k < q->topic_partitions[i].partitions_count; k++) {
			int32_t id = q->topic_partitions[i].partitions[k];

			add_item(et, q->topic_partitions[i].topic, id, active_partition_find(c, q->topic_partitions[i].topic, id));
		}
	}
	if (q->topic_partitions_count >= 0)
		return;
	ACTIVE_FOREACH_PARTITION(p, c->active) {	/* null: all; topics that are going are known to nobody any more */
		if (p->topic->is_queued || !p->has_leadership)
			continue;
		if (p->topic != last)
			name = arena_copy(et->base.ask.request->arena, slice_str(p->topic->name));
		last = p->topic;
		et->is_complete &= !slice_is_null(name);
		add_item(et, name, p->id, p);
	}
}

static int by_partition(const void *x, const void *y)
{
	const struct active_partition *a = ((const struct partition_item *)x)->p, *b = ((const struct partition_item *)y)->p;

	if (a->topic != b->topic)
		return a->topic->number < b->topic->number ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

/* Each once: a request may name a partition twice, and it is elected for once. */
static void sort_and_merge(struct partition_list *l)
{
	int32_t n = 0;

	if (l->count > 0)
		qsort(l->items, (size_t)l->count, sizeof(*l->items), by_partition);
	for (int32_t i = 0; i < l->count; i++) {
		if (n == 0 || l->items[n - 1].p != l->items[i].p)
			l->items[n++] = l->items[i];
	}
	l->count = n;
}

static enum task_result elect_begin(struct controller *c, struct elect_task *et)
{
	const struct elect_leaders_request *q = et->base.ask.request->request;

	list_wanted(c, et);
	et->base.task.stage = 1;
	for (int32_t i = 0; i < et->count; i++) {
		struct elect_item *item = &et->items[i];

		if (q->election_type != ELECTION_PREFERRED && q->election_type != ELECTION_UNCLEAN)
			item->error = UNKNOWN_SERVER_ERROR;
		else
			item->error = check_election(c->active, item->p, q->election_type);
		if (item->error == NONE)
			active_partitions_add(&et->elected, item->p);
	}
	sort_and_merge(&et->elected);
	active_push_partitions(c, &et->elected, PARTITION_ONLINE, q->election_type == ELECTION_PREFERRED ? ELECT_PREFERRED : ELECT_OFFLINE_UNCLEAN);
	return TASK_AGAIN;
}

/* --- ElectLeaders: the answer --------------------------------------------------------------------------------------------------------------- */

static struct slice error_text(const struct elect_item *item, struct arena *arena)
{
	const char *strategy = item->error == PREFERRED_LEADER_NOT_AVAILABLE ? "PreferredReplicaPartitionLeaderElectionStrategy" : "OfflinePartitionLeaderElectionStrategy(true)";

	if (item->error == NONE || item->error == NOT_CONTROLLER || item->error == REQUEST_TIMED_OUT)
		return SLICE_NULL;
	if (item->error == UNKNOWN_TOPIC_OR_PARTITION)
		return SLICE_LIT("The partition does not exist.");
	if (item->error == INVALID_TOPIC_EXCEPTION)
		return SLICE_LIT("The topic is being deleted");
	if (item->error == PREFERRED_LEADER_NOT_AVAILABLE || item->error == ELIGIBLE_LEADERS_NOT_AVAILABLE)
		return arena_printf(arena, "Failed to elect leader for partition " SLICE_FMT "-%d under strategy %s", SLICE_ARG(item->topic), item->partition, strategy);
	return slice_str(kafka_error_text((int16_t)item->error));
}

static bool fill_results(const struct elect_item *items, int32_t count, bool leave_out, struct elect_leaders_response *out, struct arena *arena)
{
	struct elect_leaders_response_partition_result *all = arena_calloc(arena, (size_t)count, sizeof(*all));
	struct elect_leaders_response_replica_election_result *topic = NULL;

	out->replica_election_results = arena_calloc(arena, (size_t)count, sizeof(*out->replica_election_results));
	if (all == NULL || out->replica_election_results == NULL)
		return false;
	for (int32_t i = 0; i < count; i++) {
		if (leave_out && items[i].error == ELECTION_NOT_NEEDED)
			continue;
		if (topic == NULL || !slice_eq(topic->topic, items[i].topic)) {
			topic = &out->replica_election_results[out->replica_election_results_count++];
			topic->topic = items[i].topic;
			topic->partition_result = &all[i];
		}
		topic->partition_result[topic->partition_result_count++] = (struct elect_leaders_response_partition_result){
			.partition_id = items[i].partition, .error_code = (int16_t)items[i].error, .error_message = error_text(&items[i], arena),
		};
	}
	return true;
}

static void answer_election(struct controller *c, struct active_ask *ask, const struct elect_item *items, int32_t count, bool is_complete)
{
	const struct elect_leaders_request *q = ask->request->request;
	struct elect_leaders_response *out = ask->request->response;

	if (!is_complete || !fill_results(items, count, q->topic_partitions_count < 0, out, ask->request->arena)) {
		out->replica_election_results_count = 0;
		out->error_code = UNKNOWN_SERVER_ERROR;
	} else if (q->election_type != ELECTION_PREFERRED && q->election_type != ELECTION_UNCLEAN) {
		out->error_code = UNKNOWN_SERVER_ERROR;
	}
	active_ask_answer(c, ask);
}

static bool is_seen(struct controller *c, const struct elect_item *item)
{
	struct topic_state *t = topic_state_get(c, item->topic);
	const struct partition_state *p = t != NULL ? topic_state_partition(t, item->partition, false) : NULL;

	return p != NULL && p->leader == item->leader;
}

static bool look_at_election(struct controller *c, struct active_waiter *w, bool is_over)
{
	struct elect_waiter *ew = CONTAINER_OF(w, struct elect_waiter, waiter);
	int32_t missing = 0;

	for (int32_t i = 0; i < ew->count; i++) {
		struct elect_item *item = &ew->items[i];

		if (item->leader == LEADER_NONE)
			continue;
		if (is_seen(c, item))
			item->leader = LEADER_NONE;
		else if (is_over)
			item->error = REQUEST_TIMED_OUT;
		else
			missing++;
	}
	if (missing > 0)
		return false;
	answer_election(c, &ew->ask, ew->items, ew->count, true);
	free(ew->items);
	free(ew);
	return true;
}

static void wait_for_election(struct controller *c, struct elect_task *et)
{
	const struct elect_leaders_request *q = et->base.ask.request->request;
	struct elect_waiter *w = mem_calloc(1, sizeof(*w));

	w->waiter.deadline = os_mono_ms(c->os) + MAX(q->timeout_ms, 0);
	w->waiter.look = look_at_election;
	w->ask = et->base.ask;
	w->items = et->items;
	w->count = et->count;
	et->base.ask.request = NULL;
	et->items = NULL;
	active_wait(c, &w->waiter);
}

static enum task_result elect_end(struct controller *c, struct elect_task *et)
{
	const struct elect_leaders_request *q = et->base.ask.request->request;
	bool waits = false;

	for (int32_t i = 0; i < et->count; i++) {
		struct elect_item *item = &et->items[i];
		const struct partition_item key = { .p = item->p };

		if (item->error != NONE)
			continue;
		const struct partition_item *result = bsearch(&key, et->elected.items, (size_t)et->elected.count, sizeof(key), by_partition);
		item->error = result->error;
		if (q->election_type == ELECTION_PREFERRED && item->error == ELIGIBLE_LEADERS_NOT_AVAILABLE)	/* it never had a leader */
			item->error = PREFERRED_LEADER_NOT_AVAILABLE;
		item->leader = item->error == NONE ? item->p->leader : LEADER_NONE;
		waits |= item->error == NONE;
	}
	if (waits && et->is_complete)
		wait_for_election(c, et);
	else
		answer_election(c, &et->base.ask, et->items, et->count, et->is_complete);
	return TASK_DONE;
}

static enum task_result elect_run(struct controller *c, struct task *t)
{
	struct elect_task *et = (struct elect_task *)t;

	return t->stage == 0 ? elect_begin(c, et) : elect_end(c, et);
}

static void elect_fini(struct controller *c, struct task *t)
{
	struct elect_task *et = (struct elect_task *)t;

	active_ask_task_fini(c, t);
	free(et->items);
	active_partitions_fini(&et->elected);
}

static const struct task_kind elect_kind = { .name = "elect leaders", .run = elect_run, .fini = elect_fini };

void active_enqueue_elect_leaders(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &elect_kind, sizeof(struct elect_task), ask)->task);
}

/* --- ElectLeaders: not the controller ---------------------------------------------------------------------------------------------------------- */

struct refusal {
	struct elect_task *et;
	struct arena      *arena;
};

static void refuse_topic(void *arg, const struct cluster_topic *t)
{
	struct refusal *r = arg;
	struct slice name = arena_copy(r->arena, slice_of(t->name, t->name_len));

	r->et->is_complete &= !slice_is_null(name);
	for (int32_t i = 0; i < t->partition_count; i++)
		add_item(r->et, name, t->partitions[i].id, NULL);
}

/* The request as a whole is no error then, each partition is. */
void active_refuse_elect_leaders(struct controller *c, struct controller_request *m)
{
	const struct elect_leaders_request *q = m->request;
	struct elect_leaders_response *out = m->response;
	struct elect_task et = { .is_complete = true };
	struct refusal r = { &et, m->arena };

	for (int32_t i = 0; i < q->topic_partitions_count; i++) {
		for (int32_t k = 0; k < q->topic_partitions[i].partitions_count; k++)
			add_item(&et, q->topic_partitions[i].topic, q->topic_partitions[i].partitions[k], NULL);
	}
	if (q->topic_partitions_count < 0 && c->picture != NULL)
		cluster_each_topic(c->picture, refuse_topic, &r);
	for (int32_t i = 0; i < et.count; i++)
		et.items[i].error = NOT_CONTROLLER;
	if (!et.is_complete || !fill_results(et.items, et.count, false, out, m->arena)) {
		out->replica_election_results_count = 0;
		out->error_code = NOT_CONTROLLER;
	}
	free(et.items);
}

/* --- /admin/preferred_replica_election ---------------------------------------------------------------------------------------------------- */

#define PREFERRED_PATH "/admin/preferred_replica_election"

enum preferred_stage { PREFERRED_LOOK, PREFERRED_READ, PREFERRED_ELECT, PREFERRED_DELETE, PREFERRED_END };

struct preferred_task {
	struct task           task;
	struct partition_list list;
};

static void preferred_fini(struct controller *c, struct task *t)
{
	(void)c;
	active_partitions_fini(&((struct preferred_task *)t)->list);
}

static enum task_result preferred_elect(struct controller *c, struct preferred_task *pt)
{
	struct store_call *s = pt->task.last;
	struct znode_partition_name *names;
	int32_t n = 0;

	if (s->call.result == OK && !znode_partitions_decode(store_call_op(s)->out, &names, &n, &s->call.arena)) {
		LOG_WARN(&c->actor.log, notice_unreadable, KV_STR("path", s->path), KV_ERR(ERR_INVALID));
		n = 0;
	}
	for (int32_t i = 0; i < n; i++) {
		struct active_partition *p = active_partition_find(c, names[i].topic, names[i].partition);

		if (check_election(c->active, p, ELECTION_PREFERRED) == NONE)
			active_partitions_add(&pt->list, p);
	}
	task_drop_calls(&pt->task);
	sort_and_merge(&pt->list);
	pt->task.stage = PREFERRED_DELETE;
	active_push_partitions(c, &pt->list, PARTITION_ONLINE, ELECT_PREFERRED);
	return TASK_AGAIN;
}

static enum task_result preferred_run(struct controller *c, struct task *t)
{
	struct preferred_task *pt = (struct preferred_task *)t;

	switch ((enum preferred_stage)t->stage) {
	case PREFERRED_LOOK:	/* arms the watch, whether it is there or not */
		task_exists(c, t, true, PREFERRED_PATH);
		t->stage = PREFERRED_READ;
		return task_submit(c, t);
	case PREFERRED_READ:
		if (t->last->call.result != OK)
			return TASK_DONE;
		task_drop_calls(t);
		task_get(c, t, false, PREFERRED_PATH);
		t->stage = PREFERRED_ELECT;
		return task_submit(c, t);
	case PREFERRED_ELECT:
		return preferred_elect(c, pt);
	case PREFERRED_DELETE:
		task_delete_node(c, t, true, COORD_ANY_VERSION, PREFERRED_PATH);
		t->stage = PREFERRED_END;
		return task_submit(c, t);
	case PREFERRED_END:
		if (active_is_fenced_off(t))
			return active_moved(c, t);
		active_enqueue_preferred_node(c);	/* its watch is armed anew, and what was written meanwhile is seen */
		break;
	}
	return TASK_DONE;
}

static const struct task_kind preferred_kind = { .name = "preferred election node", .run = preferred_run, .fini = preferred_fini };

void active_push_pending_preferred(struct controller *c)
{
	task_push(task_create(&c->active_queue, &preferred_kind, sizeof(struct preferred_task), NULL));
}

void active_enqueue_preferred_node(struct controller *c)
{
	task_enqueue(task_create(&c->active_queue, &preferred_kind, sizeof(struct preferred_task), NULL));
}

/* --- balance ------------------------------------------------------------------------------------------------------------------------------------ */

struct preference {
	int32_t broker;
	struct active_partition *p;
};

struct balance_task {
	struct task           task;
	struct preference    *all;	/* by broker */
	int32_t               count, at;
	struct partition_list list;	/* of the broker at hand */
};

static void balance_fini(struct controller *c, struct task *t)
{
	struct balance_task *b = (struct balance_task *)t;

	(void)c;
	free(b->all);
	active_partitions_fini(&b->list);
}

static int by_broker(const void *x, const void *y)
{
	const struct preference *a = x, *b = y;

	if (a->broker != b->broker)
		return a->broker < b->broker ? -1 : 1;
	if (a->p->topic != b->p->topic)
		return a->p->topic->number < b->p->topic->number ? -1 : 1;
	return (a->p->id > b->p->id) - (a->p->id < b->p->id);
}

static void list_preferences(struct controller *c, struct balance_task *b)
{
	int32_t room = 0;

	ACTIVE_FOREACH_PARTITION(p, c->active)
		room += p->replicas.count > 0 && !p->topic->is_queued;
	b->all = mem_calloc((size_t)room + 1, sizeof(*b->all));
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (p->replicas.count > 0 && !p->topic->is_queued)
			b->all[b->count++] = (struct preference){ p->replicas.ids[0], p };
	}
	qsort(b->all, (size_t)b->count, sizeof(*b->all), by_broker);
}

static bool is_anything_reassigning(const struct active *a)
{
	ACTIVE_FOREACH_PARTITION(p, a) {
		if (p->is_reassigning)
			return true;
	}
	return false;
}

static bool may_be_led_by(const struct active *a, const struct active_partition *p, int32_t broker)
{
	return active_is_replica_online(a, p, broker) && id_list_has(&p->isr, broker);
}

/* One batch of elections per broker that leads too little. Not while replicas move: their leaders move by themselves. */
static enum task_result balance_broker(struct controller *c, struct balance_task *b)
{
	int32_t begin = b->at, elsewhere = 0, broker = b->all[begin].broker;

	b->list.count = 0;
	for (; b->at < b->count && b->all[b->at].broker == broker; b->at++) {
		const struct active_partition *p = b->all[b->at].p;

		elsewhere += p->has_leadership && p->leader != broker;
	}
	if (!active_is_imbalanced(b->at - begin, elsewhere, c->config->imbalance_percentage) || is_anything_reassigning(c->active))
		return TASK_AGAIN;
	for (int32_t i = begin; i < b->at; i++) {
		struct active_partition *p = b->all[i].p;

		if (p->has_leadership && p->leader != broker && may_be_led_by(c->active, p, broker))
			active_partitions_add(&b->list, p);
	}
	if (b->list.count > 0)
		active_push_partitions(c, &b->list, PARTITION_ONLINE, ELECT_PREFERRED);
	return TASK_AGAIN;
}

static enum task_result balance_run(struct controller *c, struct task *t)
{
	struct balance_task *b = (struct balance_task *)t;

	if (t->stage++ == 0)
		list_preferences(c, b);
	if (b->at < b->count)
		return balance_broker(c, b);
	controller_timer_set(c, &c->active->balance_timer, os_mono_ms(c->os) + c->config->imbalance_check_interval_s * 1000);
	return TASK_DONE;
}

static const struct task_kind balance_kind = { .name = "balance leaders", .run = balance_run, .fini = balance_fini };

static void on_balance_timer(struct controller *c, struct controller_timer *timer)
{
	(void)timer;
	task_enqueue(task_create(&c->active_queue, &balance_kind, sizeof(struct balance_task), NULL));
}

void active_leaders_begin(struct controller *c)
{
	c->active->balance_timer.fire = on_balance_timer;
	if (c->config->is_auto_rebalance_enabled)
		controller_timer_set(c, &c->active->balance_timer, os_mono_ms(c->os) + BALANCE_FIRST_MS);
}

void active_leaders_end(struct controller *c)
{
	controller_timer_set(c, &c->active->balance_timer, MONO_NEVER);
}

/* --- unclean leaders ------------------------------------------------------------------------------------------------------------------------------- */

void active_on_topic_config(struct controller *c, const char *topic)
{
	const struct topic_state *t = topic != NULL ? topic_state_get(c, slice_str(topic)) : NULL;
	bool may_be_unclean = topic == NULL ? c->config->topic.is_unclean_election_allowed : t == NULL || t->config.is_unclean_election_allowed;

	if (c->active != NULL && !c->active->is_moved && may_be_unclean)
		active_enqueue_online(c, topic);
}

/*
 * Only the replica of this broker can be looked at: how far it goes is the least that was lost or kept. The others say so when they cut their logs. -1: there is none, or
 * it is being opened just now, as after a start; the partition's first role_changed tells then.
 */
static int64_t own_log_end(struct controller *c, const struct active_partition *p)
{
	struct topic_state *t = topic_state_get(c, slice_str(p->topic->name));
	const struct partition_state *s = t != NULL ? topic_state_partition(t, p->id, false) : NULL;

	return s != NULL && s->local != NULL && partition_is_open(s->local) && partition_has_log(s->local) ? partition_log_end_offset(s->local) : -1;
}

void active_report_unclean(struct controller *c, const struct active_partition *p, int32_t leader, const struct id_list *lost_isr, int32_t old_leader_epoch)
{
	struct strbuf ids = STRBUF_INIT;

	for (int32_t i = 0; i < lost_isr->count; i++)
		strbuf_printf(&ids, "%s%d", i > 0 ? "," : "", lost_isr->ids[i]);
	LOG_WARN(&c->actor.log, unclean_election, KV_STR("topic", p->topic->name), KV_I32("partition", p->id), KV_I32("leader", leader),
	         KV_I32("old_leader_epoch", old_leader_epoch), KV_STR("lost_isr", strbuf_cstr(&ids)), KV_I32("looked_at", c->broker_id),
	         KV_I64("log_end_offset", own_log_end(c, p)));
	strbuf_fini(&ids);
}
