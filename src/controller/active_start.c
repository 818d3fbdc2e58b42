/*
 * Failover: from "elected" to knowing everything and having told everybody.
 *
 * The order is Kafka's, and matters: members must know the brokers before they can follow any, and who leads before it is asked for another leader. Everything is read from the
 * store; what the last controller left half done shows there, and is gone on with.
 */
#include "controller/active_priv.h"

#include <stdlib.h>

#include "os/os.h"

enum failover_stage {
	FAILOVER_FEATURE, FAILOVER_CLEAR, FAILOVER_BROKERS, FAILOVER_TOPICS, FAILOVER_STATES, FAILOVER_DELETIONS, FAILOVER_TELL, FAILOVER_ONLINE, FAILOVER_OFFLINE,
	FAILOVER_ELECT, FAILOVER_REASSIGN, FAILOVER_DELETE, FAILOVER_PREFERRED, FAILOVER_READY,
};

struct failover_task {
	struct task           task;
	mono_ms               began;
	struct partition_list all;
	struct replica_list   online, offline;
};

static void failover_fini(struct controller *c, struct task *t)
{
	struct failover_task *f = (struct failover_task *)t;

	(void)c;
	active_partitions_fini(&f->all);
	active_replicas_fini(&f->online);
	active_replicas_fini(&f->offline);
}

static void read_states(struct controller *c, struct failover_task *f)
{
	ACTIVE_FOREACH_PARTITION(p, c->active)
		active_partitions_add(&f->all, p);
	active_push_read_states(c, &f->all);
}

/* A replica is where its broker and directory say; that is bookkeeping. What it means for members follows as transitions. */
static void begin_replicas(struct controller *c, struct failover_task *f)
{
	for (int32_t i = 0; i < f->all.count; i++) {
		struct active_partition *p = f->all.items[i].p;

		for (int32_t k = 0; k < p->replicas.count; k++) {
			int32_t broker = p->replicas.ids[k];
			bool is_online = active_is_replica_online(c->active, p, broker);

			active_replica_set(p, broker, is_online ? REPLICA_ONLINE : REPLICA_DELETION_INELIGIBLE);
			active_replicas_add(is_online ? &f->online : &f->offline, p, broker);
		}
	}
}

static void begin_partitions(struct controller *c, struct failover_task *f)
{
	for (int32_t i = 0; i < f->all.count; i++) {
		struct active_partition *p = f->all.items[i].p;

		if (!p->has_leadership)
			p->state = PARTITION_NEW;
		else
			p->state = active_is_replica_online(c->active, p, p->leader) ? PARTITION_ONLINE : PARTITION_OFFLINE;
	}
}

static bool say_ready(struct controller *c, struct active_waiter *w, bool is_over)
{
	if (!is_over)
		controller_say_ready(c);
	free(w);
	return true;
}

/* This broker serves when its own replicas have their roles and its network actors the picture. */
static void ready(struct controller *c)
{
	struct active_waiter *w = mem_calloc(1, sizeof(*w));

	c->active->is_ready = true;
	w->deadline = MONO_NEVER;
	w->look = say_ready;
	active_wait(c, w);
}

static enum task_result failover_run(struct controller *c, struct task *t)
{
	struct failover_task *f = (struct failover_task *)t;

	switch ((enum failover_stage)t->stage++) {
	case FAILOVER_FEATURE:
		active_push_feature(c);
		break;
	case FAILOVER_CLEAR:
		active_push_clear_notifications(c);
		break;
	case FAILOVER_BROKERS:
		active_push_load_brokers(c);
		break;
	case FAILOVER_TOPICS:
		active_push_load_topics(c);
		break;
	case FAILOVER_STATES:
		read_states(c, f);
		break;
	case FAILOVER_DELETIONS:
		active_push_load_deletions(c);
		break;
	case FAILOVER_TELL:
		active_batch_update_all(c->active);
		active_batch_send(c);
		break;
	case FAILOVER_ONLINE:
		begin_replicas(c, f);
		active_push_replicas(c, &f->online, REPLICA_ONLINE);
		break;
	case FAILOVER_OFFLINE:
		active_push_replicas(c, &f->offline, REPLICA_OFFLINE);
		break;
	case FAILOVER_ELECT:
		begin_partitions(c, f);
		active_push_online(c);
		break;
	case FAILOVER_REASSIGN:
		active_push_resume_reassignments(c);
		break;
	case FAILOVER_DELETE:
		active_push_resume_deletions(c);
		break;
	case FAILOVER_PREFERRED:
		active_push_pending_preferred(c);
		break;
	case FAILOVER_READY:
		active_leaders_begin(c);
		LOG_INFO(&c->actor.log, controller_ready, KV_I32("partitions", f->all.count), KV_I64("ms", os_mono_ms(c->os) - f->began));
		ready(c);
		return TASK_DONE;
	}
	return TASK_AGAIN;
}

static const struct task_kind failover_kind = { .name = "failover", .run = failover_run, .fini = failover_fini };

void active_enqueue_failover(struct controller *c)
{
	struct failover_task *f = (struct failover_task *)task_create(&c->active_queue, &failover_kind, sizeof(*f), NULL);

	f->began = os_mono_ms(c->os);
	task_enqueue(&f->task);
}
