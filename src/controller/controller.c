/*
 * The controller actor: its inbox, its life.
 *
 * All that changes the cluster passes here as a task, one after the other (controller_task.c); what comes in is sorted into that queue. So there is one order
 * of events, and it can be replayed.
 */
#include "controller/active.h"

#include <stdio.h>
#include <stdlib.h>

#define CONTROLLER_DRAIN_MAX 256
#define CONTROLLER_STACK     (256 * 1024)

static void controller_on_request(struct controller *c, struct controller_request *m)
{
	if (m->key == API_LEADER_AND_ISR || m->key == API_UPDATE_METADATA || m->key == API_STOP_REPLICA)
		member_enqueue_request(c, m);
	else if (m->key == API_ALTER_REPLICA_LOG_DIRS)
		member_enqueue_moves(c, m);
	else
		active_enqueue_request(c, m);
}

static void controller_on_question(void *arg, struct msg *m)
{
	struct controller *c = arg;

	if (m->kind == PARTITION_ISR_CHANGE) {
		member_on_isr_change(c, (struct partition_isr_change *)m);
		return;
	}
	if (m->kind == PARTITION_DIR_FAILED) {
		member_on_dir_failed(c, (struct partition_dir_failed *)m);
		return;
	}
	if (m->kind == PARTITION_MOVED) {
		member_on_moved(c, (struct partition_moved *)m);
		return;
	}
	switch ((enum controller_msg_kind)m->kind) {
	case CONTROLLER_create_topics:         controller_enqueue_create_topics(c, (struct controller_create_topics *)m); break;
	case CONTROLLER_delete_topics:         controller_enqueue_delete_topics(c, (struct controller_delete_topics *)m); break;
	case CONTROLLER_create_partitions:     controller_enqueue_create_partitions(c, (struct controller_create_partitions *)m); break;
	case CONTROLLER_alter_configs:         controller_enqueue_alter(c, (struct controller_alter_configs *)m); break;
	case CONTROLLER_stored_offsets:        controller_enqueue_stored_offsets(c, (struct controller_stored_offsets *)m); break;
	case CONTROLLER_allocate_producer_ids: member_on_producer_ids(c, (struct controller_allocate_producer_ids *)m); break;
	case CONTROLLER_request:               controller_on_request(c, (struct controller_request *)m); break;
	case CONTROLLER_reload:                controller_enqueue_reload(c, (struct controller_reload *)m); break;
	case CONTROLLER_retire:                member_on_retire(c, (struct controller_retire *)m); break;
	case CONTROLLER_stop:                  controller_enqueue_stop(c, (struct controller_stop *)m); break;
	case CONTROLLER_ready:
	case CONTROLLER_MSG_FIRST:
		ASSERT(!"not a question");
	}
}

/* What it tells members, and the end of their lines. Tasks use channels too: the start asks which versions a peer speaks, the stop closes all lines. */
static bool is_of_active_side(const struct msg *m)
{
	return m->kind == CHANNEL_CALL ? ((const struct channel_call *)m)->key != API_API_VERSIONS : m->kind == CHANNEL_CLOSE && m->context == NULL;
}

static void controller_on_home(void *arg, struct msg *m)
{
	struct controller *c = arg;

	if (m->kind == COORD_EVENT) {
		struct coord_event *e = (struct coord_event *)m;

		controller_on_event(c, e);
		coord_event_free(e);
	} else if (m->kind == COORD_CALL) {
		controller_on_call_home(c, m->context);
	} else if (m->kind == CLUSTER_PICTURE) {
		controller_on_audience_home(c, m);
	} else if (m->kind == CHANNEL_CALL && ((struct channel_call *)m)->line == CHANNEL_TO_CONTROLLER) {
		member_on_channel_home(c, m);
	} else if (is_of_active_side(m)) {
		active_on_channel_home(c, m);
	} else {	/* a partition's, a fetcher's or a job's, the start's or the stop's: the task that waits for it */
		struct task *t = m->context;

		t->out--;
	}
}

static int controller_step(struct actor *a, mono_ms now)
{
	struct controller *c = CONTAINER_OF(a, struct controller, actor);

	ASSERT(c->magic == CONTROLLER_MAGIC);
	int work = actor_drain_answers(a, controller_on_home, c);

	controller_ask_held(c);
	work += actor_drain_questions(a, CONTROLLER_DRAIN_MAX, controller_on_question, c);
	a->deadline = controller_timers_run(c, now);
	controller_run_tasks(c);
	if (!list_empty(&c->timers))	/* a task may have set one */
		a->deadline = LIST_ENTRY(c->timers.next, struct controller_timer, link)->at;
	return work;
}

static void controller_dump(struct actor *a, int fd)
{
	const struct controller *c = CONTAINER_OF(a, struct controller, actor);

	dprintf(fd, "  controller: broker %d, active %d, epoch %d, tasks %s and %s, %u topics\n", c->broker_id, c->is_active, c->controller_epoch,
	        c->member_queue.current != NULL ? c->member_queue.current->kind->name : "none",
	        c->active_queue.current != NULL ? c->active_queue.current->kind->name : "none", map_count(&c->topics));
}

static const struct actor_ops controller_ops = { .module = "controller", .step = controller_step, .dump = controller_dump };

static enum err open_store(struct controller *c, char *problem, size_t size)
{
	if (c->spec.tree != NULL)
		return coord_open_tree(&c->coord, &c->actor, c->spec.tree, c->config->zookeeper_session_timeout_ms);
	if (c->spec.zookeeper != NULL)
		return coord_open_zookeeper(&c->coord, &c->actor, c->spec.zookeeper, problem, size);
	return coord_open_embedded(&c->coord, &c->actor, c->spec.embedded_file, problem, size);
}

enum err controller_create(struct controller **out, const struct controller_spec *spec, struct controller_ready *ready, char *problem, size_t problem_size)
{
	struct controller *c = mem_calloc(1, sizeof(*c));

	c->magic = CONTROLLER_MAGIC;
	c->spec = *spec;
	c->os = sched_os(spec->sched);
	c->ready = ready;
	c->controller_id = c->asked = c->broker_id = c->feature_version = -1;
	c->last_change = -1;
	list_init(&c->member_queue.tasks);
	list_init(&c->active_queue.tasks);
	list_init(&c->unsent);
	list_init(&c->held);
	list_init(&c->timers);
	list_init(&c->isr_changes);
	c->isr_timer.at = MONO_NEVER;
	c->wait_timer.at = MONO_NEVER;
	map_init(&c->topics);
	map_init(&c->known_dirs);
	map_init(&c->copies);
	map_init(&c->wishes);
	c->dir_load = mem_calloc((size_t)spec->dir_count, sizeof(*c->dir_load));
	c->dir_has_failed = mem_calloc((size_t)spec->dir_count, sizeof(*c->dir_has_failed));
	mutation_quotas_init(&c->quotas, 0);
	config_set_init(&c->broker_own);
	config_set_init(&c->broker_default);
	actor_init(&c->actor, spec->sched, &controller_ops, LANE_CONTROLLER, "controller");
	enum err e = controller_resolve_broker(c, &c->text) ? OK : ERR_INVALID;
	if (e != OK)
		snprintf(problem, problem_size, "%s", strbuf_cstr(&c->text));
	if (e == OK)
		c->quotas.burst_s = (double)c->config->controller_quota_window_num * c->config->controller_quota_window_size_s;
	if (e == OK)
		e = open_store(c, problem, problem_size);
	*out = e == OK ? c : NULL;	/* on an error the process ends: what was begun here is not taken apart */
	return e;
}

enum err controller_start(struct controller *c)
{
	controller_enqueue_start(c);
	return actor_start(&c->actor, CONTROLLER_STACK);
}

struct actor *controller_actor(struct controller *c)
{
	return &c->actor;
}

void controller_add_audience(struct controller *c, struct actor *network)
{
	c->audience = mem_realloc_array(c->audience, (size_t)c->audience_count + 1, sizeof(*c->audience));
	c->audience[c->audience_count++] = (struct audience){ .actor = network };
}

void controller_join(struct controller **cp)
{
	struct controller *c = *cp;
	uint32_t at = 0;
	struct map_entry *e;

	actor_stop(&c->actor);
	actor_join(&c->actor);
	while ((e = map_next(&c->topics, &at)) != NULL)
		topic_state_free(e->value);
	map_fini(&c->topics);
	at = 0;
	while ((e = map_next(&c->known_dirs, &at)) != NULL)
		free(e->value);
	map_fini(&c->known_dirs);
	member_moves_free(c);
	if (c->picture != NULL)
		cluster_unref(&c->picture);
	mutation_quotas_fini(&c->quotas);
	config_set_fini(&c->broker_own);
	config_set_fini(&c->broker_default);
	broker_config_unref(&c->config);
	strbuf_fini(&c->text);
	member_isr_notices_free(c);
	free(c->brokers);
	free(c->dir_load);
	free(c->dir_has_failed);
	free(c->audience);
	actor_fini(&c->actor);
	free(c);
	*cp = NULL;
}
