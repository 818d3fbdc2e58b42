/*
 * Controlled shutdown: a broker that is about to stop asks that its leaderships go to others, and that it leaves the in-sync sets, before it stops.
 *
 * From the first request on the broker counts as shutting down, until its registration goes or is made anew: it is told what happens, but is elected for nothing and enters no in-sync
 * set. Partitions of one replica are left alone, there is nowhere to go. What is still led by it is said in the answer, and it asks again.
 */
#include "controller/active_priv.h"

#include "wire/gen/controlled_shutdown.h"

enum shutdown_stage { SHUTDOWN_LEADERS, SHUTDOWN_FOLLOWERS, SHUTDOWN_END };

struct shutdown_task {
	struct active_ask_task base;
	struct partition_list  led;
	struct replica_list    followed;
};

static void shutdown_fini(struct controller *c, struct task *t)
{
	struct shutdown_task *st = (struct shutdown_task *)t;

	active_ask_task_fini(c, t);
	active_partitions_fini(&st->led);
	active_replicas_fini(&st->followed);
}

static enum kafka_error check_sender(const struct active_broker *b, const struct controlled_shutdown_request *q)
{
	if (b == NULL)
		return q->broker_epoch != -1 ? UNKNOWN_SERVER_ERROR : BROKER_NOT_AVAILABLE;
	return q->broker_epoch != -1 && q->broker_epoch < b->info.epoch ? STALE_BROKER_EPOCH : NONE;
}

static enum task_result shutdown_leaders(struct controller *c, struct shutdown_task *st)
{
	const struct controlled_shutdown_request *q = st->base.ask.request->request;
	struct controlled_shutdown_response *out = st->base.ask.request->response;
	struct active_broker *b = active_broker_get(c->active, q->broker_id);

	out->error_code = check_sender(b, q);
	if (out->error_code != NONE)
		return TASK_DONE;
	b->is_shutting_down = true;
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (p->replicas.count < 2 || !p->has_leadership || p->topic->is_queued || !id_list_has(&p->replicas, q->broker_id))
			continue;
		if (p->leader == q->broker_id)
			active_partitions_add(&st->led, p);
		else
			active_replicas_add(&st->followed, p, q->broker_id);
	}
	st->base.task.stage = SHUTDOWN_FOLLOWERS;
	active_push_partitions(c, &st->led, PARTITION_ONLINE, ELECT_SHUTDOWN);
	return TASK_AGAIN;
}

/* It stops following first, so that it does not catch up and come back while it is taken out. */
static enum task_result shutdown_followers(struct controller *c, struct shutdown_task *st)
{
	for (int32_t i = 0; i < st->followed.count; i++)
		active_batch_stop(c->active, st->followed.items[i].p, st->followed.items[i].broker, false);
	active_batch_send(c);
	st->base.task.stage = SHUTDOWN_END;
	active_push_replicas(c, &st->followed, REPLICA_OFFLINE);
	return TASK_AGAIN;
}

static bool is_remaining(const struct active_partition *p, int32_t broker)
{
	return p->has_leadership && p->leader == broker && p->replicas.count > 1 && !p->topic->is_queued;
}

static enum task_result shutdown_end(struct controller *c, struct shutdown_task *st)
{
	const struct controlled_shutdown_request *q = st->base.ask.request->request;
	struct controlled_shutdown_response *out = st->base.ask.request->response;
	struct arena *arena = st->base.ask.request->arena;
	size_t n = 0;

	ACTIVE_FOREACH_PARTITION(p, c->active)
		n += is_remaining(p, q->broker_id);
	out->remaining_partitions = arena_calloc(arena, n, sizeof(*out->remaining_partitions));
	ACTIVE_FOREACH_PARTITION(p, c->active) {
		if (out->remaining_partitions == NULL || !is_remaining(p, q->broker_id))
			continue;
		struct controlled_shutdown_response_remaining_partition *r = &out->remaining_partitions[out->remaining_partitions_count++];
		r->topic_name = arena_copy(arena, slice_str(p->topic->name));
		r->partition_index = p->id;
		if (slice_is_null(r->topic_name))
			out->remaining_partitions = NULL;
	}
	if (out->remaining_partitions == NULL) {
		out->remaining_partitions_count = 0;
		out->error_code = UNKNOWN_SERVER_ERROR;
	}
	return TASK_DONE;
}

static enum task_result shutdown_run(struct controller *c, struct task *t)
{
	struct shutdown_task *st = (struct shutdown_task *)t;

	switch ((enum shutdown_stage)t->stage) {
	case SHUTDOWN_LEADERS:   return shutdown_leaders(c, st);
	case SHUTDOWN_FOLLOWERS: return shutdown_followers(c, st);
	case SHUTDOWN_END:       return shutdown_end(c, st);
	}
	return TASK_DONE;
}

static const struct task_kind shutdown_kind = { .name = "controlled shutdown", .run = shutdown_run, .fini = shutdown_fini };

void active_enqueue_controlled_shutdown(struct controller *c, struct active_ask *ask)
{
	task_enqueue(&active_ask_task_create(c, &shutdown_kind, sizeof(struct shutdown_task), ask)->task);
}
