/*
 * Brokers that come and go: what the children of /brokers/ids say, against what we know.
 *
 * A broker that came back before it was missed has a registration with a larger czxid: it is treated as gone, and then as new. What a new broker hears first is all that it hosts, in
 * one LeaderAndIsr: from it it takes which replicas it has.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "os/os.h"

/* --- the registry ----------------------------------------------------------------------------------------------------------------------- */

struct active_broker *active_broker_add(struct controller *c, const struct cluster_broker *info)
{
	struct active *a = c->active;
	struct active_broker *b = mem_calloc(1, sizeof(*b));
	int at = a->broker_count;

	ASSERT(active_broker_get(a, info->id) == NULL);
	b->info = *info;
	a->brokers = mem_realloc_array(a->brokers, (size_t)a->broker_count + 1, sizeof(*a->brokers));
	for (; at > 0 && a->brokers[at - 1]->info.id > info->id; at--)
		a->brokers[at] = a->brokers[at - 1];
	a->brokers[at] = b;
	a->broker_count++;
	active_channel_open(c, b);
	LOG_INFO(&c->actor.log, active_broker_joined, KV_I32("broker", info->id), KV_I64("epoch", info->epoch));
	return b;
}

void active_broker_remove(struct controller *c, struct active_broker *b)
{
	struct active *a = c->active;
	int at = 0;

	active_channel_close(c, b);
	while (a->brokers[at] != b)
		at++;
	for (a->broker_count--; at < a->broker_count; at++)
		a->brokers[at] = a->brokers[at + 1];
	free(b);
}

struct broker_list {			/* of ids */
	int32_t *ids;
	int32_t  count;
};

static void broker_list_add(struct broker_list *l, int32_t id)
{
	l->ids = mem_realloc_array(l->ids, (size_t)l->count + 1, sizeof(*l->ids));
	l->ids[l->count++] = id;
}

static void broker_list_fini(struct broker_list *l)
{
	free(l->ids);
	*l = (struct broker_list){ 0 };
}

static bool broker_list_has(const struct broker_list *l, int32_t id)
{
	for (int32_t i = 0; i < l->count; i++) {
		if (l->ids[i] == id)
			return true;
	}
	return false;
}

static void collect_replicas(const struct active *a, const struct broker_list *l, struct replica_list *out)
{
	ACTIVE_FOREACH_PARTITION(p, a) {
		for (int32_t i = 0; i < p->replicas.count; i++) {
			if (broker_list_has(l, p->replicas.ids[i]))
				active_replicas_add(out, p, p->replicas.ids[i]);
		}
	}
}

/* What we knew of its directories is about another incarnation. */
static void forget_offline_dirs(const struct active *a, const struct broker_list *l)
{
	ACTIVE_FOREACH_PARTITION(p, a) {
		for (int32_t i = 0; i < p->state_count; i++) {
			if (broker_list_has(l, p->states[i].broker))
				p->states[i].is_dir_offline = false;
		}
	}
}

/* --- replicas that went offline ------------------------------------------------------------------------------------------------------------ */

enum failed_stage { FAILED_LEADERS, FAILED_REPLICAS, FAILED_DELETIONS, FAILED_TELL };

struct failed_task {
	struct task         task;
	struct replica_list going, staying;	/* replicas of topics queued for deletion, and the others */
	mono_ms             began;
	int32_t             elected_count;	/* partitions that have found a leader */
	bool                is_quiet;		/* nothing was changed */
};

static void failed_fini(struct controller *c, struct task *t)
{
	struct failed_task *f = (struct failed_task *)t;

	(void)c;
	active_replicas_fini(&f->going);
	active_replicas_fini(&f->staying);
}

static enum task_result failed_leaders(struct controller *c, struct failed_task *f)
{
	struct partition_list l = { 0 };

	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (p->has_leadership && !p->topic->is_queued && !active_is_replica_online(c->active, p, p->leader))
			active_partitions_add(&l, p);
	}
	active_push_partitions(c, &l, PARTITION_OFFLINE, ELECT_OFFLINE);
	active_partitions_fini(&l);
	f->task.stage = FAILED_REPLICAS;
	active_push_online(c);
	return TASK_WAIT;
}

static enum task_result failed_run(struct controller *c, struct task *t)
{
	struct failed_task *f = (struct failed_task *)t;

	switch ((enum failed_stage)t->stage) {
	case FAILED_LEADERS:
		return failed_leaders(c, f);
	case FAILED_REPLICAS:
		t->stage = FAILED_DELETIONS;
		f->elected_count = c->active->elected_count;
		f->is_quiet = f->elected_count == 0 && f->staying.count == 0;
		active_push_replicas(c, &f->staying, REPLICA_OFFLINE);
		return TASK_WAIT;
	case FAILED_DELETIONS:
		t->stage = FAILED_TELL;
		if (f->going.count == 0)
			return TASK_AGAIN;
		active_push_fail_deletions(c, &f->going);
		return TASK_WAIT;
	case FAILED_TELL:
		if (f->is_quiet) {	/* nobody has been told anything: who is there they shall know */
			active_batch_update_all(c->active);
			active_batch_send(c);
		}
		LOG_INFO(&c->actor.log, leaders_moved, KV_I32("partitions", f->elected_count), KV_I64("ms", os_mono_ms(c->os) - f->began));
		break;
	}
	return TASK_DONE;
}

static const struct task_kind failed_kind = { .name = "replicas failed", .run = failed_run, .fini = failed_fini };

void active_push_replicas_failed(struct controller *c, struct replica_list *l)
{
	struct failed_task *f = (struct failed_task *)task_create(&c->active_queue, &failed_kind, sizeof(*f), NULL);

	f->began = os_mono_ms(c->os);
	for (int32_t i = 0; i < l->count; i++)
		active_replicas_add(l->items[i].p->topic->is_queued ? &f->going : &f->staying, l->items[i].p, l->items[i].broker);
	task_push(&f->task);
}

/* --- a broker's start ---------------------------------------------------------------------------------------------------------------------------- */

enum startup_stage { STARTUP_TELL, STARTUP_ELECT, STARTUP_REASSIGN, STARTUP_DELETE, STARTUP_DONE };

struct startup_task {
	struct task        task;
	struct broker_list brokers;
	int32_t            at;
};

static void startup_fini(struct controller *c, struct task *t)
{
	(void)c;
	broker_list_fini(&((struct startup_task *)t)->brokers);
}

/* To those who were there: who is new. To the new: everything. */
static void startup_updates(struct controller *c, const struct startup_task *s)
{
	struct active *a = c->active;

	for (int i = 0; i < a->broker_count; i++) {
		if (!broker_list_has(&s->brokers, a->brokers[i]->info.id))
			active_batch_update_to(a, a->brokers[i]->info.id, NULL);
	}
	active_batch_send(c);
	for (int32_t i = 0; i < s->brokers.count; i++)
		active_batch_update_to(a, s->brokers.ids[i], NULL);
	ACTIVE_FOREACH_PARTITION(p, a) {
		if (p->has_leadership && !p->topic->is_queued)
			active_batch_update_to(a, s->brokers.ids[0], p);
	}
	active_batch_send(c);
}

static enum task_result startup_tell(struct controller *c, struct startup_task *s)
{
	struct replica_list replicas = { 0 };

	forget_offline_dirs(c->active, &s->brokers);
	startup_updates(c, s);
	collect_replicas(c->active, &s->brokers, &replicas);
	active_push_replicas(c, &replicas, REPLICA_ONLINE);
	active_replicas_fini(&replicas);
	s->task.stage = STARTUP_ELECT;
	return TASK_WAIT;
}

/* Deletions that waited for it. */
static enum task_result startup_delete(struct controller *c, struct startup_task *s)
{
	bool any = false;

	ACTIVE_FOREACH_PARTITION(p, c->active) {
		for (int32_t i = 0; p->topic->is_queued && i < p->replicas.count; i++) {
			if (!broker_list_has(&s->brokers, p->replicas.ids[i]))
				continue;
			active_deletion_retry(c->active, p->topic);
			any = true;
		}
	}
	s->task.stage = STARTUP_DONE;
	if (!any)
		return TASK_DONE;
	active_push_resume_deletions(c);
	return TASK_WAIT;
}

static enum task_result startup_run(struct controller *c, struct task *t)
{
	struct startup_task *s = (struct startup_task *)t;

	switch ((enum startup_stage)t->stage) {
	case STARTUP_TELL:
		return startup_tell(c, s);
	case STARTUP_ELECT:
		t->stage = STARTUP_REASSIGN;
		active_push_online(c);
		return TASK_WAIT;
	case STARTUP_REASSIGN:
		if (s->at == s->brokers.count)
			return startup_delete(c, s);
		active_push_reassignments_of_broker(c, s->brokers.ids[s->at++]);
		return TASK_WAIT;
	case STARTUP_DELETE:
	case STARTUP_DONE:
		break;
	}
	return TASK_DONE;
}

static const struct task_kind startup_kind = { .name = "brokers started", .run = startup_run, .fini = startup_fini };

static void push_startup(struct controller *c, const struct broker_list *l)
{
	struct startup_task *s = (struct startup_task *)task_create(&c->active_queue, &startup_kind, sizeof(*s), NULL);

	for (int32_t i = 0; i < l->count; i++)
		broker_list_add(&s->brokers, l->ids[i]);
	task_push(&s->task);
}

/* They are out of the registry already. */
static void push_failure(struct controller *c, const struct broker_list *l)
{
	struct replica_list replicas = { 0 };

	forget_offline_dirs(c->active, l);
	collect_replicas(c->active, l, &replicas);
	active_push_replicas_failed(c, &replicas);
	active_replicas_fini(&replicas);
}

/* --- reading /brokers/ids --------------------------------------------------------------------------------------------------------------------------- */

enum scan_stage { SCAN_LIST, SCAN_GET, SCAN_DIFF, SCAN_NEW, SCAN_BOUNCED, SCAN_BOUNCED_BACK, SCAN_DEAD, SCAN_DONE };

struct scan_task {
	struct task            task;
	bool                   is_load;		/* failover: into the registry, no more */
	struct cluster_broker *found;
	int32_t                found_count;
	struct broker_list     joined, bounced, dead;
};

static void scan_fini(struct controller *c, struct task *t)
{
	struct scan_task *s = (struct scan_task *)t;

	(void)c;
	free(s->found);
	broker_list_fini(&s->joined);
	broker_list_fini(&s->bounced);
	broker_list_fini(&s->dead);
}

static enum task_result scan_get(struct controller *c, struct scan_task *s)
{
	struct store_call *list = s->task.last;
	struct broker_list ids = { 0 };
	int32_t id;

	if (list->call.result != OK) {	/* the node is there as long as there are brokers: what is known stays */
		LOG_ERROR(&c->actor.log, store_refused, KV_STR("path", list->path), KV_ERR(list->call.result));
		return TASK_DONE;
	}
	for (int32_t i = 0; i < store_call_op(list)->name_count; i++) {
		if (znode_int_decode(store_call_op(list)->names[i], &id))
			broker_list_add(&ids, id);
	}
	task_drop_calls(&s->task);
	for (int32_t i = 0; i < ids.count; i++)
		task_get(c, &s->task, true, "/brokers/ids/%d", ids.ids[i]);
	broker_list_fini(&ids);
	s->task.stage = SCAN_DIFF;
	return task_submit(c, &s->task);
}

static bool take_registration(struct controller *c, struct store_call *call, struct cluster_broker *b)
{
	bool is_skein;

	if (call->call.result != OK)
		return false;
	if (!znode_broker_decode(b, &is_skein, store_call_op(call)->out) || !znode_int_decode(slice_str(strrchr(call->path, '/') + 1), &b->id)) {
		LOG_WARN(&c->actor.log, registration_unreadable, KV_STR("path", call->path));
		return false;
	}
	b->epoch = store_call_op(call)->stat.czxid;
	return true;
}

static const struct cluster_broker *find(const struct scan_task *s, int32_t id)
{
	for (int32_t i = 0; i < s->found_count; i++) {
		if (s->found[i].id == id)
			return &s->found[i];
	}
	return NULL;
}

static enum task_result scan_diff(struct controller *c, struct scan_task *s)
{
	struct active *a = c->active;

	s->found = mem_calloc(1, sizeof(*s->found));
	LIST_FOREACH(e, &s->task.calls) {
		s->found = mem_realloc_array(s->found, (size_t)s->found_count + 1, sizeof(*s->found));
		if (take_registration(c, LIST_ENTRY(e, struct store_call, link), &s->found[s->found_count]))
			s->found_count++;
	}
	for (int32_t i = 0; i < s->found_count; i++) {
		const struct active_broker *known = active_broker_get(a, s->found[i].id);

		if (known == NULL)
			broker_list_add(&s->joined, s->found[i].id);
		else if (s->found[i].epoch > known->info.epoch)
			broker_list_add(&s->bounced, s->found[i].id);
	}
	for (int i = 0; i < a->broker_count; i++) {
		if (find(s, a->brokers[i]->info.id) == NULL)
			broker_list_add(&s->dead, a->brokers[i]->info.id);
	}
	s->task.stage = SCAN_NEW;
	return TASK_AGAIN;
}

static void add_all(struct controller *c, const struct scan_task *s, const struct broker_list *l)
{
	for (int32_t i = 0; i < l->count; i++)
		active_broker_add(c, find(s, l->ids[i]));
}

static void remove_all(struct controller *c, const struct broker_list *l)
{
	for (int32_t i = 0; i < l->count; i++) {
		LOG_INFO(&c->actor.log, active_broker_left, KV_I32("broker", l->ids[i]));
		active_broker_remove(c, active_broker_get(c->active, l->ids[i]));
	}
}

static enum task_result scan_apply(struct controller *c, struct scan_task *s)
{
	struct task *t = &s->task;

	switch ((enum scan_stage)t->stage) {
	case SCAN_NEW:
		t->stage = SCAN_BOUNCED;
		add_all(c, s, &s->joined);
		if (s->is_load)
			return TASK_DONE;
		if (s->joined.count > 0)
			push_startup(c, &s->joined);
		return TASK_WAIT;
	case SCAN_BOUNCED:
		t->stage = SCAN_BOUNCED_BACK;
		remove_all(c, &s->bounced);
		if (s->bounced.count > 0)
			push_failure(c, &s->bounced);
		return TASK_WAIT;
	case SCAN_BOUNCED_BACK:
		t->stage = SCAN_DEAD;
		add_all(c, s, &s->bounced);
		if (s->bounced.count > 0)
			push_startup(c, &s->bounced);
		return TASK_WAIT;
	case SCAN_DEAD:
		t->stage = SCAN_DONE;
		remove_all(c, &s->dead);
		if (s->dead.count > 0)
			push_failure(c, &s->dead);
		return TASK_WAIT;
	case SCAN_LIST:
	case SCAN_GET:
	case SCAN_DIFF:
	case SCAN_DONE:
		break;
	}
	return TASK_DONE;
}

static enum task_result scan_run(struct controller *c, struct task *t)
{
	struct scan_task *s = (struct scan_task *)t;

	switch ((enum scan_stage)t->stage) {
	case SCAN_LIST:
		task_children(c, t, true, "/brokers/ids");
		t->stage = SCAN_GET;
		return task_submit(c, t);
	case SCAN_GET:
		return scan_get(c, s);
	case SCAN_DIFF:
		return scan_diff(c, s);
	case SCAN_NEW:
	case SCAN_BOUNCED:
	case SCAN_BOUNCED_BACK:
	case SCAN_DEAD:
	case SCAN_DONE:
		break;
	}
	return scan_apply(c, s);
}

static const struct task_kind scan_kind = { .name = "brokers changed", .run = scan_run, .fini = scan_fini };

void active_enqueue_broker_scan(struct controller *c)
{
	task_enqueue(task_create(&c->active_queue, &scan_kind, sizeof(struct scan_task), NULL));
}

void active_push_load_brokers(struct controller *c)
{
	struct scan_task *s = (struct scan_task *)task_create(&c->active_queue, &scan_kind, sizeof(*s), NULL);

	s->is_load = true;
	task_push(&s->task);
}

/* --- a registration was rewritten ------------------------------------------------------------------------------------------------------------------------ */

struct changed_task {
	struct task task;
	int32_t     broker;
};

static bool same_endpoints(const struct cluster_broker *a, const struct cluster_broker *b)
{
	if (a->endpoint_count != b->endpoint_count)
		return false;
	for (int i = 0; i < a->endpoint_count; i++) {
		const struct cluster_endpoint *x = &a->endpoints[i], *y = &b->endpoints[i];

		if (x->port != y->port || strcmp(x->host, y->host) != 0 || strcmp(x->listener, y->listener) != 0 || strcmp(x->protocol, y->protocol) != 0)
			return false;
	}
	return true;
}

/* The channel keeps the address it was opened with, as Kafka's does. Another incarnation is the scan's affair: its watch has fired, too. */
static enum task_result changed_run(struct controller *c, struct task *t)
{
	struct changed_task *ct = (struct changed_task *)t;
	struct active_broker *b = active_broker_get(c->active, ct->broker);
	struct cluster_broker next;

	if (b == NULL)
		return TASK_DONE;
	if (t->stage == 0) {
		task_get(c, t, true, "/brokers/ids/%d", ct->broker);
		t->stage = 1;
		return task_submit(c, t);
	}
	if (!take_registration(c, t->last, &next) || next.epoch != b->info.epoch || same_endpoints(&next, &b->info))
		return TASK_DONE;
	b->info = next;
	active_batch_update_all(c->active);
	active_batch_send(c);
	return TASK_DONE;
}

static const struct task_kind changed_kind = { .name = "broker changed", .run = changed_run };

void active_enqueue_broker_changed(struct controller *c, int32_t broker)
{
	struct changed_task *t = (struct changed_task *)task_create(&c->active_queue, &changed_kind, sizeof(*t), NULL);

	t->broker = broker;
	task_enqueue(&t->task);
}
