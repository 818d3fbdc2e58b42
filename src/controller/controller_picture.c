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

void controller_put_topic(struct controller *c, struct cluster *next, struct topic_state *t)
{
	struct cluster_partition_spec *specs = mem_calloc((size_t)t->partition_count, sizeof(*specs));

	for (int32_t i = 0; i < t->partition_count; i++) {
		struct partition_state *p = &t->partitions[i];

		specs[i] = (struct cluster_partition_spec){
			.id = p->id, .leader = p->has_state ? p->leader : -1, .leader_epoch = p->has_state ? p->leader_epoch : -1,
			.partition_epoch = p->partition_epoch, .controller_epoch = p->controller_epoch,
			.replicas = p->replicas, .replica_count = p->replica_count, .isr = p->isr, .isr_count = p->has_state ? p->isr_count : 0,
			.local = p->local != NULL ? &p->local->counted : NULL,
		};
	}
	(void)c;
	cluster_put_topic(next, cluster_topic_create(t->name, t->id, &t->config, t->overrides, specs, t->partition_count));
	t->is_in_picture = true;
	free(specs);
}
