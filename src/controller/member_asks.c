/*
 * What this broker asks of the controller of the cluster: changes of in-sync sets, producer ids, leave to shut down.
 *
 * The controller is whoever /controller names, at the address that UpdateMetadata has told; when that is this broker, the question goes to the active side without a socket.
 * None of it is a task: the answer may need what the member queue does (a controller that moves leaders away tells us so, before it answers).
 *
 * In-sync sets: one request is under way, what is wished meanwhile waits for the next, as in Kafka. A request that nobody answered is sent again: the controller recognises a
 * change that it has made already. So a leader learns the outcome of its change sooner or later, or a new role makes the change meaningless.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/active.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/controlled_shutdown.h"

#define ISR_RETRY_MS     50
#define ASK_ARENA_BYTES  (32u << 20)
#define ISR_CHANGES_MAX  1000		/* of one request; the others take the next */

/* --- asking ------------------------------------------------------------------------------------------------------------------------------ */

const struct cluster_endpoint *controller_inter_broker_endpoint(const struct controller *c, const struct cluster_broker *b)
{
	return cluster_broker_endpoint(b, c->config->inter_broker_listener_name);
}

static const struct cluster_endpoint *active_endpoint(const struct controller *c)
{
	for (int i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == c->controller_id)
			return controller_inter_broker_endpoint(c, &c->brokers[i]);
	}
	return NULL;
}

void controller_close_line(struct controller *c, int32_t broker, enum channel_line line)
{
	struct channel_close *m = mem_calloc(1, sizeof(*m));

	msg_init(&m->msg, CHANNEL_CLOSE, &c->actor);
	m->broker = broker;
	m->line = line;
	bool sent = actor_ask(&c->actor, channels_actor(c->spec.channels), &m->msg);
	ASSERT(sent);		/* as many as calls at most */
}

void controller_ask_active(struct controller *c, struct own_request *r)
{
	const struct cluster_endpoint *e = active_endpoint(c);

	r->result = OK;
	r->maybe_applied = false;
	if (c->is_active) {
		active_enqueue_own(c, r);
		return;
	}
	if (e == NULL || c->spec.channels == NULL || c->is_stopping) {
		r->result = ERR_UNREACHABLE;
		r->done(c, r);
		return;
	}
	channel_call_init(&r->call, &c->actor);
	r->call.msg.context = r;
	r->call.broker = c->controller_id;
	r->call.line = CHANNEL_TO_CONTROLLER;
	c->asked = r->call.broker;
	c->asked_node = c->controller_node;
	snprintf(r->host, sizeof(r->host), "%s", e->host);	/* the picture's may be replaced before the answer */
	r->call.host = r->host;
	r->call.port = e->port;
	r->call.key = r->request.key;
	r->call.version = r->request.version;
	r->call.request = r->request.request;
	r->call.connect_timeout_ms = c->config->controller_socket_timeout_ms;
	r->call.timeout_ms = c->config->request_timeout_ms;
	if (r->limit_ms > 0) {
		r->call.connect_timeout_ms = MIN(r->call.connect_timeout_ms, r->limit_ms);
		r->call.timeout_ms = MIN(r->call.timeout_ms, r->limit_ms);
	}
	bool sent = actor_ask(&c->actor, channels_actor(c->spec.channels), &r->call.msg);
	ASSERT(sent);		/* a few are out: one of each kind, and one per network actor */
}

/*
 * Another broker is controller, or the same one in a later incarnation, or none is known, or the one that was asked is gone: whom nothing comes from any more (it lost its power, its
 * link is cut) would hold a question for as long as request.timeout.ms. What is out to it comes home unanswered, and each asker tries again as after any failure.
 */
void member_asks_controller_changed(struct controller *c)
{
	if (c->asked < 0 || (c->asked == c->controller_id && c->asked_node == c->controller_node && active_endpoint(c) != NULL))
		return;
	controller_close_line(c, c->asked, CHANNEL_TO_CONTROLLER);
	c->asked = -1;
}

/* The answer of another broker: r->request.response is what the call holds until channel_call_fini. */
void member_on_channel_home(struct controller *c, struct msg *m)
{
	struct own_request *r = m->context;

	r->result = r->call.result;
	r->maybe_applied = r->call.maybe_applied;
	if (r->call.result == OK) {
		r->request.response = r->call.response;
		r->request.version = r->call.version_used;
	}
	r->done(c, r);
}

/* --- in-sync sets ------------------------------------------------------------------------------------------------------------------------ */

struct isr_request {
	struct own_request             own;
	struct arena                   arena;
	struct alter_partition_request request;
	struct alter_partition_response response;	/* of our own active side */
	struct partition_isr_change  **changes;
	int32_t                        count;
};

static void isr_send(struct controller *c);

static void isr_request_free(struct isr_request **rp)
{
	struct isr_request *r = *rp;

	*rp = NULL;
	if (r->own.call.internal != NULL)
		channel_call_fini(&r->own.call);
	arena_fini(&r->arena);
	free(r->changes);
	free(r);
}

static void isr_answer(struct controller *c, struct partition_isr_change *m, enum kafka_error error)
{
	m->error = error;
	actor_answer(&c->actor, &m->msg);
}

static void isr_on_timer(struct controller *c, struct controller_timer *t)
{
	(void)t;
	isr_send(c);
}

/* All or some of a request wait again, in front. */
static void isr_put_back(struct controller *c, struct partition_isr_change *m)
{
	if (c->is_stopping || !partition_is_open(m->partition))
		isr_answer(c, m, NOT_CONTROLLER);
	else
		list_push_front(&c->isr_changes, &m->wait);
}

static void isr_retry_soon(struct controller *c)
{
	c->isr_timer.fire = isr_on_timer;
	controller_timer_set(c, &c->isr_timer, os_mono_ms(c->os) + ISR_RETRY_MS);
}

static const struct alter_partition_response_partition *isr_outcome(const struct alter_partition_response *r, const struct partition_isr_change *m,
                                                                    int16_t version)
{
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct alter_partition_response_topic *t = &r->topics[i];

		if (version >= 2 ? !uuid_eq(t->topic_id, m->partition->topic_id) : !slice_eq_str(t->topic_name, m->partition->topic))
			continue;
		for (int32_t k = 0; k < t->partitions_count; k++) {
			if (t->partitions[k].partition_index == m->partition->partition)
				return &t->partitions[k];
		}
	}
	return NULL;
}

/* All others leave the outcome open, or come from a controller that is none any more: the same change once more. */
static bool isr_is_decided(enum kafka_error error)
{
	static const enum kafka_error decided[] = {
		NONE, OPERATION_NOT_ATTEMPTED, INELIGIBLE_REPLICA, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION,
		INVALID_REQUEST, NEW_LEADER_ELECTED,
	};

	for (size_t i = 0; i < ARRAY_LEN(decided); i++) {
		if (decided[i] == error)
			return true;
	}
	return false;
}

/* False: it waits again. */
static bool isr_take_outcome(struct controller *c, struct partition_isr_change *m, const struct alter_partition_response_partition *p)
{
	if (p == NULL || p->isr_count > REPLICAS_MAX || !isr_is_decided((enum kafka_error)p->error_code)) {
		isr_put_back(c, m);
		return false;
	}
	if (p->error_code != NONE)
		LOG_WARN(&c->actor.log, isr_request_refused, KV_STR("topic", m->partition->topic), KV_I32("partition", m->partition->partition),
		         KV_STR("error", kafka_error_name(p->error_code)));
	m->leader = p->leader_id;
	m->new_leader_epoch = p->leader_epoch;
	m->new_partition_epoch = p->partition_epoch;
	m->new_isr_count = p->isr_count;
	if (p->isr_count > 0)
		memcpy(m->new_isr, p->isr, (size_t)p->isr_count * sizeof(int32_t));
	isr_answer(c, m, (enum kafka_error)p->error_code);
	return true;
}

static void isr_done(struct controller *c, struct own_request *own)
{
	struct isr_request *r = CONTAINER_OF(own, struct isr_request, own);
	const struct alter_partition_response *out = own->request.response;
	bool is_answered = own->result == OK && out->error_code == NONE, is_retried = !is_answered;

	if (own->result == ERR_UNSUPPORTED)
		LOG_WARN(&c->actor.log, isr_request_refused, KV_STR("topic", ""), KV_I32("partition", -1), KV_STR("error", own->call.problem));
	if (own->result == OK && out->error_code != NONE)
		LOG_WARN(&c->actor.log, isr_request_refused, KV_STR("topic", ""), KV_I32("partition", -1), KV_STR("error", kafka_error_name(out->error_code)));
	for (int32_t i = r->count - 1; i >= 0; i--) {
		if (!is_answered)
			isr_put_back(c, r->changes[i]);
		else
			is_retried |= !isr_take_outcome(c, r->changes[i], isr_outcome(out, r->changes[i], own->request.version));
	}
	isr_request_free(&c->isr_request);
	if (is_retried)
		isr_retry_soon(c);
	else
		isr_send(c);
}

/*
 * The version is negotiated, but the form of the set must fit it: versions below 3 list ids, 3 lists them with epochs. Every broker of a cluster whose protocol version is 3.5
 * or newer speaks 3; below that the older form is taken, which all speak. Versions 2 and up name topics by id.
 */
static int16_t isr_version(const struct controller *c, bool all_have_ids)
{
	if (!all_have_ids || c->config->inter_broker_protocol_version < KAFKA_VERSION(2, 8, 0))
		return 1;
	return c->config->inter_broker_protocol_version < KAFKA_VERSION(3, 5, 0) ? 2 : 3;
}

static void isr_fill(struct isr_request *r, struct alter_partition_request_partition *p, struct partition_isr_change *m, int16_t version)
{
	alter_partition_request_partition_init(p);
	p->partition_index = m->partition->partition;
	p->leader_epoch = m->leader_epoch;
	p->partition_epoch = m->partition_epoch;
	if (version < 3) {
		p->new_isr = m->isr;
		p->new_isr_count = m->isr_count;
		return;
	}
	p->new_isr_with_epochs = arena_calloc(&r->arena, (size_t)m->isr_count, sizeof(*p->new_isr_with_epochs));
	ASSERT(p->new_isr_with_epochs != NULL);	/* a thousand changes of 64 replicas each fit the arena many times */
	for (int32_t i = 0; i < m->isr_count; i++)
		p->new_isr_with_epochs[i] = (struct alter_partition_request_new_isr_with_epoch){ .broker_id = m->isr[i], .broker_epoch = -1 };
	p->new_isr_with_epochs_count = m->isr_count;
}

static int by_topic(const void *a, const void *b)
{
	const struct partition_isr_change *x = *(struct partition_isr_change *const *)a, *y = *(struct partition_isr_change *const *)b;
	int by_name = strcmp(x->partition->topic, y->partition->topic);

	return by_name != 0 ? by_name : (x->partition->partition > y->partition->partition) - (x->partition->partition < y->partition->partition);
}

/* Grouped by topic. */
static void isr_build(struct isr_request *r, int16_t version)
{
	struct alter_partition_request_partition *partitions = arena_calloc(&r->arena, (size_t)r->count, sizeof(*partitions));

	qsort(r->changes, (size_t)r->count, sizeof(*r->changes), by_topic);
	r->request.topics = arena_calloc(&r->arena, (size_t)r->count, sizeof(*r->request.topics));
	ASSERT(partitions != NULL && r->request.topics != NULL);
	for (int32_t i = 0; i < r->count; i++) {
		const struct partition_addr *a = r->changes[i]->partition;

		if (i == 0 || strcmp(a->topic, r->changes[i - 1]->partition->topic) != 0) {
			struct alter_partition_request_topic *t = &r->request.topics[r->request.topics_count++];

			alter_partition_request_topic_init(t);
			t->topic_name = slice_str(a->topic);
			t->topic_id = a->topic_id;
			t->partitions = &partitions[i];
		}
		r->request.topics[r->request.topics_count - 1].partitions_count++;
		isr_fill(r, &partitions[i], r->changes[i], version);
	}
}

static void isr_send(struct controller *c)
{
	bool all_have_ids = true;

	if (c->isr_request != NULL || list_empty(&c->isr_changes) || c->isr_timer.at != MONO_NEVER)
		return;
	struct isr_request *r = mem_calloc(1, sizeof(*r));
	arena_init(&r->arena, ASK_ARENA_BYTES);
	alter_partition_request_init(&r->request);
	alter_partition_response_init(&r->response);
	r->changes = mem_calloc(ISR_CHANGES_MAX, sizeof(struct partition_isr_change *));
	while (r->count < ISR_CHANGES_MAX && !list_empty(&c->isr_changes)) {
		struct partition_isr_change *m = LIST_ENTRY(list_pop_front(&c->isr_changes), struct partition_isr_change, wait);

		all_have_ids &= !uuid_is_zero(m->partition->topic_id);
		r->changes[r->count++] = m;
	}
	int16_t version = isr_version(c, all_have_ids);
	isr_build(r, version);
	r->request.broker_id = c->broker_id;
	r->request.broker_epoch = c->broker_epoch;
	r->own.request = (struct controller_request){
		.key = API_ALTER_PARTITION, .version = version,
		.request = &r->request, .response = &r->response, .arena = &r->arena,
	};
	r->own.done = isr_done;
	c->isr_request = r;
	controller_ask_active(c, &r->own);
}

void member_on_isr_change(struct controller *c, struct partition_isr_change *m)
{
	if (c->is_stopping) {
		isr_answer(c, m, NOT_CONTROLLER);
		return;
	}
	if (c->config->inter_broker_protocol_version < KAFKA_VERSION(2, 7, 2)) {
		member_enqueue_isr_node(c, m);
		return;
	}
	list_push_back(&c->isr_changes, &m->wait);
	isr_send(c);
}

/* --- producer ids ------------------------------------------------------------------------------------------------------------------------ */

struct ids_request {
	struct own_request                    own;
	struct controller_allocate_producer_ids *ask;
	struct allocate_producer_ids_request  request;
	struct allocate_producer_ids_response response;
};

static void ids_done(struct controller *c, struct own_request *own)
{
	struct ids_request *r = CONTAINER_OF(own, struct ids_request, own);
	const struct allocate_producer_ids_response *out = own->request.response;

	if (own->result == OK && out->error_code == NONE && out->producer_id_start >= 0 && out->producer_id_len > 0) {
		r->ask->error = NONE;
		r->ask->first = out->producer_id_start;
		r->ask->count = out->producer_id_len;
	} else {
		r->ask->error = COORDINATOR_NOT_AVAILABLE;	/* clients try again */
	}
	actor_answer(&c->actor, &r->ask->msg);
	if (own->call.internal != NULL)
		channel_call_fini(&own->call);
	free(r);
}

void member_on_producer_ids(struct controller *c, struct controller_allocate_producer_ids *m)
{
	struct ids_request *r = mem_calloc(1, sizeof(*r));

	r->ask = m;
	allocate_producer_ids_request_init(&r->request);
	allocate_producer_ids_response_init(&r->response);
	r->request.broker_id = c->broker_id;
	r->request.broker_epoch = c->broker_epoch;
	r->own.request = (struct controller_request){ .key = API_ALLOCATE_PRODUCER_IDS, .version = 0, .request = &r->request, .response = &r->response };
	r->own.done = ids_done;
	if (c->config->inter_broker_protocol_version < KAFKA_VERSION(3, 0, 0))
		producer_ids_enqueue(c, &c->member_queue, &r->own.request, &r->own);
	else
		controller_ask_active(c, &r->own);
}

/* --- leave to shut down -------------------------------------------------------------------------------------------------------------------- */

/*
 * A controller that cannot be reached must not keep a broker from stopping: supervisors kill it then, which is worse than leaving without leave. So there is one limit for
 * all tries, as long as the pauses between them add up to. Kafka waits a whole socket timeout in each try. A question to this broker's own active side, which waits for the store, has no
 * limit there: at the deadline it is left to come home when it may.
 */
#define RETIRE_MS       10000		/* at least */
#define RETIRE_BLIND_MS 2000		/* without a connection to the store: a controller that has one answers soon, and one that has none cannot give anything away */

struct retirement {
	struct own_request                   own;
	struct controller_retire            *ask;	/* NULL: answered */
	struct controller_timer              timer;	/* the next try; while one is out, the deadline */
	bool                                 is_out;
	int32_t                              tries;
	mono_ms                              deadline;
	struct arena                         arena;
	struct controlled_shutdown_request   request;
	struct controlled_shutdown_response  response;
};

static void retire_answer(struct controller *c, struct retirement *r)
{
	if (r->ask != NULL)
		actor_answer(&c->actor, &r->ask->msg);
	r->ask = NULL;
}

static void retire_end(struct controller *c, struct retirement *r)
{
	retire_answer(c, r);
	controller_timer_set(c, &r->timer, MONO_NEVER);
	c->retirement = NULL;
	arena_fini(&r->arena);
	free(r);
}

static mono_ms retire_limit(const struct controller *c)
{
	if (!c->is_connected)
		return RETIRE_BLIND_MS;
	return MIN(MAX((int64_t)c->config->controlled_shutdown_retries * c->config->controlled_shutdown_backoff_ms, RETIRE_MS), INT32_MAX);
}

static void retire_try(struct controller *c, struct retirement *r)
{
	r->tries++;
	r->is_out = true;
	controller_timer_set(c, &r->timer, r->deadline);
	r->own.limit_ms = (int32_t)MAX(r->deadline - os_mono_ms(c->os), 1);
	arena_reset(&r->arena);
	controlled_shutdown_request_init(&r->request);
	controlled_shutdown_response_init(&r->response);
	r->request.broker_id = c->broker_id;
	r->request.broker_epoch = c->broker_epoch;
	r->own.request = (struct controller_request){
		.key = API_CONTROLLED_SHUTDOWN, .version = c->config->inter_broker_protocol_version >= KAFKA_VERSION(2, 4, 1) ? 3 : 2, .request = &r->request,
		.response = &r->response, .arena = &r->arena,
	};
	controller_ask_active(c, &r->own);
}

static void retire_on_timer(struct controller *c, struct controller_timer *t)
{
	struct retirement *r = CONTAINER_OF(t, struct retirement, timer);

	if (r->is_out)
		retire_answer(c, r);
	else
		retire_try(c, r);
}

static void retire_done(struct controller *c, struct own_request *own)
{
	struct retirement *r = CONTAINER_OF(own, struct retirement, own);
	const struct controlled_shutdown_response *out = own->request.response;
	bool is_done = own->result == OK && out->error_code == NONE && out->remaining_partitions_count == 0;

	r->is_out = false;
	LOG_INFO(&c->actor.log, controlled_shutdown, KV_I32("remaining", own->result == OK && out->error_code == NONE ? out->remaining_partitions_count : -1),
	         KV_STR("error", own->result != OK ? err_text(own->result) : kafka_error_name(out->error_code)));
	if (own->call.internal != NULL)
		channel_call_fini(&own->call);
	mono_ms next = os_mono_ms(c->os) + c->config->controlled_shutdown_backoff_ms;
	if (is_done || r->ask == NULL || r->tries >= c->config->controlled_shutdown_retries || next >= r->deadline || c->is_stopping) {
		retire_end(c, r);
		return;
	}
	controller_timer_set(c, &r->timer, next);
}

void member_on_retire(struct controller *c, struct controller_retire *m)
{
	bool is_alone = c->broker_count <= 1;

	c->is_retiring = true;
	if (is_alone || !c->is_registered || !c->config->is_controlled_shutdown_enabled) {
		actor_answer(&c->actor, &m->msg);
		return;
	}
	struct retirement *r = c->retirement = mem_calloc(1, sizeof(*r));
	r->ask = m;
	r->own.done = retire_done;
	r->timer.at = MONO_NEVER;
	r->timer.fire = retire_on_timer;
	r->deadline = os_mono_ms(c->os) + retire_limit(c);
	arena_init(&r->arena, ASK_ARENA_BYTES);
	controller_watch_stop(c);
	retire_try(c, r);
}

void member_asks_stop(struct controller *c)
{
	struct list *e;

	controller_timer_set(c, &c->isr_timer, MONO_NEVER);
	while ((e = list_pop_front(&c->isr_changes)) != NULL)
		isr_answer(c, LIST_ENTRY(e, struct partition_isr_change, wait), NOT_CONTROLLER);
	if (c->retirement != NULL && !c->retirement->is_out)
		retire_end(c, c->retirement);	/* else when its request comes home */
}
