/*
 * In-sync sets where inter.broker.protocol.version is older than 2.7-IV2: the leader writes the partition's state node itself, conditionally, and tells the controller afterwards
 * by /isr_change_notification, many partitions at a time.
 *
 * A conditional write whose answer was lost meets its own effect as "bad version": the node is read, and what equals the wish is taken for it.
 */
#include <stdlib.h>

#include "controller/controller_priv.h"

#define NOTICE_CHECK_MS   2500
#define NOTICE_REST_MS    5000		/* told when nothing has changed for so long ... */
#define NOTICE_LONGEST_MS 60000		/* ... or this long after the last telling */

struct notice {
	struct list link;
	int32_t     partition;
	char        topic[];
};

struct isr_notices {			/* changes the controller has not been told of */
	struct list             notices;
	struct controller_timer timer;
	mono_ms                 changed, told;
};

/* --- telling the controller --------------------------------------------------------------------------------------------------------------- */

struct notice_task {
	struct task task;
	struct list notices;
};

static enum task_result notice_run(struct controller *c, struct task *t)
{
	struct notice_task *n = (struct notice_task *)t;
	const char *comma = "";

	if (t->stage++ > 0)
		return TASK_DONE;
	strbuf_reset(&c->text);
	strbuf_add_str(&c->text, "{\"version\":1,\"partitions\":[");
	LIST_FOREACH(e, &n->notices) {
		struct notice *x = LIST_ENTRY(e, struct notice, link);

		strbuf_printf(&c->text, "%s{\"topic\":\"%s\",\"partition\":%d}", comma, x->topic, x->partition);
		comma = ",";
	}
	strbuf_add_str(&c->text, "]}");
	task_create_node(c, t, false, true, COORD_SEQUENCE, "/isr_change_notification/isr_change_");
	return task_submit(c, t);
}

static void notice_fini(struct controller *c, struct task *t)
{
	struct list *e;

	(void)c;
	while ((e = list_pop_front(&((struct notice_task *)t)->notices)) != NULL)
		free(LIST_ENTRY(e, struct notice, link));
}

static const struct task_kind notice_kind = { .name = "tell of in-sync sets", .run = notice_run, .fini = notice_fini };

static void notices_on_timer(struct controller *c, struct controller_timer *timer)
{
	struct isr_notices *n = CONTAINER_OF(timer, struct isr_notices, timer);
	mono_ms now = os_mono_ms(c->os);
	struct list *e;

	if (c->is_stopping || list_empty(&n->notices))
		return;
	if (now < n->changed + NOTICE_REST_MS && now < n->told + NOTICE_LONGEST_MS) {
		controller_timer_set(c, timer, now + NOTICE_CHECK_MS);
		return;
	}
	struct notice_task *t = (struct notice_task *)task_create(&c->member_queue, &notice_kind, sizeof(*t), NULL);
	list_init(&t->notices);
	while ((e = list_pop_front(&n->notices)) != NULL)
		list_push_back(&t->notices, e);
	n->told = now;
	task_enqueue(&t->task);
}

static void note(struct controller *c, const struct partition_addr *a)
{
	struct isr_notices *n = c->isr_notices;
	size_t len = strlen(a->topic) + 1;
	struct notice *x = mem_calloc(1, sizeof(*x) + len);

	if (n == NULL) {
		c->isr_notices = n = mem_calloc(1, sizeof(*n));
		list_init(&n->notices);
		n->timer.at = MONO_NEVER;
		n->timer.fire = notices_on_timer;
	}
	x->partition = a->partition;
	memcpy(x->topic, a->topic, len);
	list_push_back(&n->notices, &x->link);
	n->changed = os_mono_ms(c->os);
	if (n->timer.at == MONO_NEVER)
		controller_timer_set(c, &n->timer, n->changed + NOTICE_CHECK_MS);
}

void member_isr_notices_free(struct controller *c)
{
	struct list *e;

	while (c->isr_notices != NULL && (e = list_pop_front(&c->isr_notices->notices)) != NULL)
		free(LIST_ENTRY(e, struct notice, link));
	free(c->isr_notices);
	c->isr_notices = NULL;
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------------- */

enum write_stage { WRITE_SET, WRITE_DONE, WRITE_READ };

struct write_task {
	struct task                  task;
	struct partition_isr_change *m;
	struct znode_state           state;
	bool                         is_done;
};

static enum task_result write_end(struct controller *c, struct write_task *w, enum kafka_error error, int32_t version)
{
	struct partition_isr_change *m = w->m;

	w->is_done = true;
	m->error = error;
	m->leader = c->broker_id;
	m->new_leader_epoch = m->leader_epoch;
	m->new_partition_epoch = version;
	m->new_isr_count = m->isr_count;
	memcpy(m->new_isr, m->isr, (size_t)m->isr_count * sizeof(int32_t));
	if (error == NONE)
		note(c, m->partition);
	return TASK_DONE;
}

static enum task_result write_set(struct controller *c, struct write_task *w)
{
	struct partition_isr_change *m = w->m;
	struct topic_state *t = topic_state_get(c, slice_str(m->partition->topic));
	struct partition_state *p = t != NULL ? topic_state_partition(t, m->partition->partition, false) : NULL;

	if (p == NULL)
		return write_end(c, w, UNKNOWN_TOPIC_OR_PARTITION, -1);
	w->state = (struct znode_state){
		.leader = c->broker_id, .leader_epoch = m->leader_epoch, .controller_epoch = p->controller_epoch, .isr = m->isr, .isr_count = m->isr_count,
	};
	strbuf_reset(&c->text);
	znode_state_encode(&w->state, &c->text);
	task_set_node(c, &w->task, false, m->partition_epoch, "/brokers/topics/%s/partitions/%d/state", m->partition->topic, m->partition->partition);
	w->task.stage = WRITE_DONE;
	return task_submit(c, &w->task);
}

static enum task_result write_done(struct controller *c, struct write_task *w)
{
	struct store_call *s = w->task.last;
	enum err r = s->call.result;
	int32_t version = store_call_op(s)->stat.version;

	task_drop_calls(&w->task);
	if (r == OK)
		return write_end(c, w, NONE, version);
	if (r != ERR_BAD_VERSION)
		return write_end(c, w, INVALID_UPDATE_VERSION, -1);
	task_get(c, &w->task, false, "/brokers/topics/%s/partitions/%d/state", w->m->partition->topic, w->m->partition->partition);
	w->task.stage = WRITE_READ;
	return task_submit(c, &w->task);
}

static enum task_result write_read(struct controller *c, struct write_task *w)
{
	struct store_call *s = w->task.last;
	struct znode_state z;
	bool is_ours = s->call.result == OK && znode_state_decode(&z, s->ops[0].out, &s->call.arena) && z.leader == w->state.leader &&
	               z.leader_epoch == w->state.leader_epoch && z.controller_epoch == w->state.controller_epoch && z.isr_count == w->state.isr_count &&
	               memcmp(z.isr, w->state.isr, (size_t)z.isr_count * sizeof(int32_t)) == 0;

	return write_end(c, w, is_ours ? NONE : INVALID_UPDATE_VERSION, s->ops[0].stat.version);
}

static enum task_result write_run(struct controller *c, struct task *t)
{
	struct write_task *w = (struct write_task *)t;

	switch ((enum write_stage)t->stage) {
	case WRITE_SET:  return write_set(c, w);
	case WRITE_DONE: return write_done(c, w);
	case WRITE_READ: return write_read(c, w);
	}
	return TASK_DONE;
}

static void write_fini(struct controller *c, struct task *t)
{
	struct write_task *w = (struct write_task *)t;

	if (!w->is_done)	/* the session is gone: nobody knows, and a new role will tell */
		w->m->error = INVALID_UPDATE_VERSION;
	actor_answer(&c->actor, &w->m->msg);
}

static const struct task_kind write_kind = { .name = "write in-sync set", .run = write_run, .fini = write_fini };

void member_enqueue_isr_node(struct controller *c, struct partition_isr_change *m)
{
	struct write_task *w = (struct write_task *)task_create(&c->member_queue, &write_kind, sizeof(*w), NULL);

	w->m = m;
	task_enqueue(&w->task);
}
