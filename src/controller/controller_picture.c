/*
 * Publishing: the newest picture goes to every network actor, one on its way to each, the newest wins.
 */
#include "controller/controller_priv.h"

#include <stdlib.h>

struct cluster *controller_next_picture(struct controller *c)
{
	if (c->picture != NULL)
		return cluster_next(c->picture);
	return cluster_create(c->cluster_id, c->broker_id);
}

static void audience_send(struct controller *c, struct audience *a)
{
	if (a->is_out || c->picture == NULL || a->uses == c->picture->generation + 1)
		return;
	msg_init(&a->update.msg, CLUSTER_PICTURE, &c->actor);
	a->update.msg.context = a;
	a->update.cluster = cluster_ref(c->picture);
	bool sent = actor_ask(&c->actor, a->actor, &a->update.msg);
	ASSERT(sent);		/* one at most is on its way */
	a->is_out = true;
	a->uses = c->picture->generation + 1;	/* true when it comes home */
}

void controller_publish(struct controller *c, struct cluster *next)
{
	cluster_set_controller(next, c->controller_id);
	cluster_set_brokers(next, c->brokers, c->broker_count);
	next->has_replicas = c->has_roles;
	next->feature_version = c->feature_version;
	if (c->picture != NULL)
		cluster_unref(&c->picture);
	c->picture = next;
	for (int i = 0; i < c->audience_count; i++)
		audience_send(c, &c->audience[i]);
}

void controller_on_audience_home(struct controller *c, struct msg *m)
{
	struct audience *a = m->context;

	a->is_out = false;
	audience_send(c, a);
}

/* uses is 0 for "none yet"; a picture on its way is not in use. */
bool controller_is_visible(const struct controller *c, uint64_t generation)
{
	for (int i = 0; i < c->audience_count; i++) {
		if (c->audience[i].is_out || c->audience[i].uses < generation + 1)
			return false;
	}
	return true;
}

void controller_wait_visible(struct controller *c, struct task *t)
{
	if (c->picture != NULL && !controller_is_visible(c, c->picture->generation))
		t->wants_generation = c->picture->generation + 1;
}

/* The topic as clients see it. One of which nothing is known (any more) is taken out, and will be read anew should it come back. */
void controller_put_topic(struct controller *c, struct cluster *next, struct topic_state *t)
{
	struct cluster_partition_spec *specs = mem_calloc((size_t)t->partition_count + 1, sizeof(*specs));
	int32_t n = 0;

	(void)c;
	for (int32_t i = 0; i < t->partition_count; i++) {
		struct partition_state *p = &t->partitions[i];

		if (!p->is_known)
			continue;
		specs[n++] = (struct cluster_partition_spec){
			.id = p->id, .leader = p->leader, .leader_epoch = p->leader_epoch, .partition_epoch = p->partition_epoch,
			.controller_epoch = p->controller_epoch, .replicas = p->replicas.ids, .replica_count = p->replicas.count,
			.isr = p->isr.ids, .isr_count = p->isr.count, .offline = p->offline.ids, .offline_count = p->offline.count,
			.local = p->local != NULL && !p->is_hidden ? &p->local->counted : NULL,
		};
	}
	if (n > 0)
		cluster_put_topic(next, cluster_topic_create(t->name, t->id, &t->config, t->overrides, specs, n));
	else
		cluster_remove_topic(next, slice_str(t->name));
	t->is_in_picture = n > 0;
	if (n == 0) {
		t->has_config = false;
		t->id = UUID_ZERO;
	}
	free(specs);
}
