/*
 * The active side: what it knows, what comes in, who waits.
 *
 * Begin and end are the whole life: nothing of the state survives an end, and the next election reads everything again. What was on its way to other actors when the end came (requests to
 * members) is marked as nobody's and freed when it is home.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "os/os.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/list_partition_reassignments.h"

/* --- lists --------------------------------------------------------------------------------------------------------------------------- */

void active_partitions_add(struct partition_list *l, struct active_partition *p)
{
	if (l->count == l->room) {
		l->room = MAX(16, l->room * 2);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	l->items[l->count++] = (struct partition_item){ .p = p };
}

void active_partitions_fini(struct partition_list *l)
{
	free(l->items);
	*l = (struct partition_list){ 0 };
}

void active_replicas_add(struct replica_list *l, struct active_partition *p, int32_t broker)
{
	if (l->count == l->room) {
		l->room = MAX(16, l->room * 2);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	l->items[l->count++] = (struct replica_item){ .p = p, .broker = broker };
}

void active_replicas_fini(struct replica_list *l)
{
	free(l->items);
	*l = (struct replica_list){ 0 };
}

/* --- looking things up ----------------------------------------------------------------------------------------------------------------- */

struct active_topic *active_topic_get(const struct controller *c, struct slice name)
{
	return c->active != NULL ? map_get(&c->active->topics, name) : NULL;
}

struct active_topic *active_topic_by_id(const struct active *a, struct uuid id)
{
	return uuid_is_zero(id) ? NULL : map_get(&a->topic_ids, slice_of(id.bytes, sizeof(id.bytes)));
}

/* Ids are 0 to n - 1 when the store is sound, but need not be. */
struct active_partition *active_partition_get(const struct active_topic *t, int32_t id)
{
	int32_t low = 0, high = t->partition_count;

	while (low < high) {
		int32_t mid = low + (high - low) / 2;

		if (t->partitions[mid]->id == id)
			return t->partitions[mid];
		if (t->partitions[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct active_partition *active_partition_find(const struct controller *c, struct slice topic, int32_t id)
{
	const struct active_topic *t = active_topic_get(c, topic);

	return t != NULL ? active_partition_get(t, id) : NULL;
}

struct active_broker *active_broker_get(const struct active *a, int32_t id)
{
	for (int i = 0; i < a->broker_count; i++) {
		if (a->brokers[i]->info.id == id)
			return a->brokers[i];
	}
	return NULL;
}

bool active_is_live(const struct active *a, int32_t broker)
{
	const struct active_broker *b = active_broker_get(a, broker);

	return b != NULL && !b->is_shutting_down;
}

static bool is_dir_offline(const struct active_partition *p, int32_t broker)
{
	const struct active_replica *r = active_replica_get(p, broker);

	return r != NULL && r->is_dir_offline;
}

bool active_is_replica_online(const struct active *a, const struct active_partition *p, int32_t broker)
{
	return active_is_live(a, broker) && !is_dir_offline(p, broker);
}

bool active_is_replica_reachable(const struct active *a, const struct active_partition *p, int32_t broker)
{
	return active_broker_get(a, broker) != NULL && !is_dir_offline(p, broker);
}

struct active_replica *active_replica_get(const struct active_partition *p, int32_t broker)
{
	for (int32_t i = 0; i < p->state_count; i++) {
		if (p->states[i].broker == broker)
			return &p->states[i];
	}
	return NULL;
}

void active_replica_set(struct active_partition *p, int32_t broker, enum active_replica_state state)
{
	struct active_replica *r = active_replica_get(p, broker);

	if (state == REPLICA_NON_EXISTENT) {
		if (r != NULL)
			*r = p->states[--p->state_count];
		return;
	}
	if (r == NULL) {
		p->states = mem_realloc_array(p->states, (size_t)p->state_count + 1, sizeof(*p->states));
		r = &p->states[p->state_count++];
		*r = (struct active_replica){ .broker = broker };
	}
	r->state = (uint8_t)state;
}

bool active_is_target(const struct active_partition *p, int32_t broker)
{
	return id_list_has(&p->replicas, broker) && !id_list_has(&p->removing, broker);
}

void active_set_assignment(struct active *a, struct active_partition *p, const int32_t *replicas, int32_t n, const int32_t *adding, int32_t adding_count,
                           const int32_t *removing, int32_t removing_count)
{
	a->replica_count += n - p->replicas.count;
	id_list_set(&p->replicas, replicas, n);
	id_list_set(&p->adding, adding, adding_count);
	id_list_set(&p->removing, removing, removing_count);
}

struct active_partition *active_next_partition(const struct active *a, uint32_t *topic_at, int32_t *partition_at)
{
	uint32_t at = *topic_at;
	const struct map_entry *e = map_next(&a->topics, &at);

	while (e != NULL) {
		const struct active_topic *t = e->value;

		if (*partition_at < t->partition_count)
			return t->partitions[(*partition_at)++];
		*topic_at = at;
		*partition_at = 0;
		e = map_next(&a->topics, &at);
	}
	return NULL;
}

bool active_has_version(const struct controller *c, int32_t version)
{
	return c->config->inter_broker_protocol_version >= version;
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------------ */

void active_ask_answer(struct controller *c, struct active_ask *ask)
{
	struct controller_request *r = ask->request;

	if (r == NULL)
		return;
	ask->request = NULL;
	if (ask->own != NULL)
		ask->own->done(c, ask->own);
	else
		actor_answer(&c->actor, &r->msg);
}

/* X(key, schema, how it is refused by who is not the controller, who takes it) */
#define REQUESTS(X) \
	X(ALTER_PARTITION, alter_partition, NOT_CONTROLLER, active_enqueue_alter_partition) \
	X(ALLOCATE_PRODUCER_IDS, allocate_producer_ids, NOT_CONTROLLER, active_enqueue_producer_ids) \
	X(CONTROLLED_SHUTDOWN, controlled_shutdown, STALE_CONTROLLER_EPOCH, active_enqueue_controlled_shutdown) \
	X(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, NOT_CONTROLLER, active_enqueue_alter_reassignments) \
	X(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, NOT_CONTROLLER, active_enqueue_list_reassignments) \
	X(ELECT_LEADERS, elect_leaders, NONE /* in each partition */, active_enqueue_elect_leaders)

void active_ask_refuse(struct controller *c, struct active_ask *ask)
{
	if (ask->request == NULL)
		return;
#define X(name, schema, error, take) \
	if (ask->request->key == API_##name) \
		((struct schema##_response *)ask->request->response)->error_code = error;
	REQUESTS(X)
#undef X
	if (ask->request->key == API_ELECT_LEADERS)
		active_refuse_elect_leaders(c, ask->request);
	active_ask_answer(c, ask);
}

struct active_ask_task *active_ask_task_create(struct controller *c, const struct task_kind *kind, size_t size, struct active_ask *ask)
{
	struct active_ask_task *t = (struct active_ask_task *)task_create(&c->active_queue, kind, size, NULL);

	t->ask = *ask;
	return t;
}

void active_ask_task_fini(struct controller *c, struct task *t)
{
	struct active_ask_task *at = (struct active_ask_task *)t;

	if (t->is_expired)
		active_ask_refuse(c, &at->ask);
	else
		active_ask_answer(c, &at->ask);
}

static void enqueue(struct controller *c, struct active_ask *ask)
{
	if (c->active == NULL || c->active->is_moved) {
		active_ask_refuse(c, ask);
		return;
	}
#define X(name, schema, error, take) \
	if (ask->request->key == API_##name) { \
		take(c, ask); \
		return; \
	}
	REQUESTS(X)
#undef X
	ASSERT(!"a request of the active side");
}

void active_enqueue_request(struct controller *c, struct controller_request *m)
{
	struct active_ask ask = { .request = m };

	enqueue(c, &ask);
}

void active_enqueue_own(struct controller *c, struct own_request *r)
{
	struct active_ask ask = { .request = &r->request, .own = r };

	r->result = OK;
	enqueue(c, &ask);
}

/* --- waiting answers -------------------------------------------------------------------------------------------------------------------------- */

static void set_waiter_timer(struct controller *c)
{
	mono_ms earliest = MONO_NEVER;

	LIST_FOREACH(e, &c->active->waiters)
		earliest = MIN(earliest, LIST_ENTRY(e, struct active_waiter, link)->deadline);
	controller_timer_set(c, &c->active->waiter_timer, earliest);
}

static void look_at_waiters(struct controller *c, bool is_end)
{
	struct active *a = c->active;
	mono_ms now = os_mono_ms(c->os);
	struct list due;

	list_init(&due);
	LIST_FOREACH(e, &a->waiters) {	/* an answer may make another wait: those are not looked at in this round */
		struct active_waiter *w = LIST_ENTRY(e, struct active_waiter, link);

		if (is_end || now >= w->deadline || a->own_done >= w->own_wanted) {
			list_remove(e);
			list_push_back(&due, e);
		}
	}
	for (struct list *e = list_pop_front(&due); e != NULL; e = list_pop_front(&due)) {
		struct active_waiter *w = LIST_ENTRY(e, struct active_waiter, link);

		if (!w->look(c, w, is_end || now >= w->deadline))
			list_push_back(&a->waiters, e);
	}
	set_waiter_timer(c);
}

void active_look_at_waiters(struct controller *c)
{
	if (!list_empty(&c->active->waiters))
		look_at_waiters(c, false);
}

static void on_waiter_timer(struct controller *c, struct controller_timer *t)
{
	(void)t;
	look_at_waiters(c, false);
}

void active_wait(struct controller *c, struct active_waiter *w)
{
	w->own_wanted = c->active->own_sent;
	list_push_back(&c->active->waiters, &w->link);
	look_at_waiters(c, false);
}

/* --- the end of an office ------------------------------------------------------------------------------------------------------------------------ */

bool active_is_fenced_off(const struct task *t)
{
	LIST_FOREACH(e, &t->calls) {
		if (store_call_is_fenced_off(LIST_ENTRY(e, struct store_call, link)))
			return true;
	}
	return false;
}

enum task_result active_moved(struct controller *c, struct task *t)
{
	if (!c->active->is_moved)
		controller_enqueue_election(c);
	c->active->is_moved = true;
	t->is_expired = true;
	return TASK_AGAIN;
}

bool active_has_moved(const struct controller *c)
{
	return c->active != NULL && c->active->is_moved;
}

void active_begin(struct controller *c)
{
	struct active *a;

	active_end(c);		/* elected again without having heard of another's election */
	if (c->is_stopping)	/* the election was under way when the stop came: another broker will win the next */
		return;
	a = mem_calloc(1, sizeof(*a));
	a->c = c;
	map_init(&a->topics);
	map_init(&a->topic_ids);
	list_init(&a->waiters);
	list_init(&a->own_requests);
	a->waiter_timer = (struct controller_timer){ .at = MONO_NEVER, .fire = on_waiter_timer };
	a->balance_timer.at = MONO_NEVER;
	c->active = a;
	active_enqueue_failover(c);
}

void active_end(struct controller *c)
{
	struct active *a = c->active;

	if (a == NULL)
		return;
	a->is_moved = true;
	task_queue_drop(c, &c->active_queue);
	look_at_waiters(c, true);
	ASSERT(list_empty(&a->waiters));
	controller_timer_set(c, &a->waiter_timer, MONO_NEVER);
	active_leaders_end(c);
	while (a->broker_count > 0)
		active_broker_remove(c, a->brokers[a->broker_count - 1]);
	LIST_FOREACH(e, &a->own_requests) {	/* our own member side still has them */
		list_remove(e);
		LIST_ENTRY(e, struct active_request, link)->active = NULL;
	}
	uint32_t at = 0;
	for (struct map_entry *e; (e = map_next(&a->topics, &at)) != NULL; )
		active_topic_free(e->value);
	map_fini(&a->topics);
	map_fini(&a->topic_ids);
	active_batch_fini(&a->batch);
	free(a->brokers);
	free(a);
	c->active = NULL;
}

/* --- watches --------------------------------------------------------------------------------------------------------------------------------------- */

bool active_on_watch(struct controller *c, const struct coord_event *e)
{
	static const char topics[] = "/brokers/topics/", ids[] = "/brokers/ids/";
	int32_t id;

	if (c->active == NULL)
		return false;
	if (strcmp(e->path, "/brokers/ids") == 0)
		active_enqueue_broker_scan(c);
	else if (strncmp(e->path, ids, sizeof(ids) - 1) == 0 && znode_int_decode(slice_str(e->path + sizeof(ids) - 1), &id))
		active_enqueue_broker_changed(c, id);
	else if (strcmp(e->path, "/brokers/topics") == 0)
		active_enqueue_topic_scan(c);
	else if (strncmp(e->path, topics, sizeof(topics) - 1) == 0 && strchr(e->path + sizeof(topics) - 1, '/') == NULL)
		active_enqueue_topic_changed(c, e->path + sizeof(topics) - 1);
	else if (strcmp(e->path, "/admin/delete_topics") == 0)
		active_enqueue_deletion_scan(c);
	else if (strcmp(e->path, "/isr_change_notification") == 0)
		active_enqueue_isr_scan(c);
	else if (strcmp(e->path, "/log_dir_event_notification") == 0)
		active_enqueue_dir_scan(c);
	else if (strcmp(e->path, "/admin/reassign_partitions") == 0 && e->kind != COORD_EVENT_CHANGED)
		active_enqueue_reassign_node(c);
	else if (strcmp(e->path, "/admin/preferred_replica_election") == 0 && e->kind != COORD_EVENT_CHANGED)
		active_enqueue_preferred_node(c);
	else
		return active_on_state_watch(c, e->path);
	return true;
}
