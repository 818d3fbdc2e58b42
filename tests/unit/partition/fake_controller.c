#include "fake_controller.h"

#include <check.h>

static void on_question(void *arg, struct msg *m)
{
	struct fake_controller *c = arg;

	if (m->kind == PARTITION_DIR_FAILED) {
		c->last_failed = ((struct partition_dir_failed *)m)->dir;
		ck_assert(c->rig->has_two_dirs || c->last_failed == c->rig->dir);
		c->dirs_failed++;
		actor_answer(&c->actor, m);
		return;
	}
	if (m->kind == PARTITION_MOVED) {
		c->last_moved_to = ((struct partition_moved *)m)->dir;
		ck_assert_ptr_eq(c->last_moved_to, partition_dir(((struct partition_moved *)m)->partition));
		c->moved++;
		actor_answer(&c->actor, m);
		return;
	}
	ck_assert_int_eq(m->kind, PARTITION_ISR_CHANGE);
	ck_assert_ptr_null(c->held);		/* one at a time */
	c->held = (struct partition_isr_change *)m;
	c->held->error = NETWORK_EXCEPTION;
	c->asked++;
}

static int step(struct actor *a, mono_ms now UNUSED)
{
	struct fake_controller *c = CONTAINER_OF(a, struct fake_controller, actor);
	int work = actor_drain_questions(a, 16, on_question, c);

	if (c->held != NULL && (c->is_answer_due || c->is_away)) {
		struct msg *m = &c->held->msg;

		c->held = NULL;
		c->is_answer_due = false;
		actor_answer(a, m);
		work++;
	}
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops ops = { .module = "controller", .step = step };

void fake_controller_start(struct fake_controller *c, struct rig *r)
{
	*c = (struct fake_controller){ .rig = r };
	actor_init(&c->actor, r->sched, &ops, LANE_NONE, "controller");
	ck_assert_int_eq(actor_start(&c->actor, 0), OK);
	r->controller = &c->actor;
}

void fake_controller_stop(struct fake_controller *c)
{
	actor_stop(&c->actor);
	actor_join(&c->actor);
	actor_fini(&c->actor);
	c->rig->controller = NULL;
}

void fake_controller_answer(struct fake_controller *c, enum kafka_error error)
{
	struct partition_isr_change *m = c->held;

	ck_assert_ptr_nonnull(m);
	m->error = error;
	m->leader = RIG_BROKER;
	m->new_leader_epoch = m->leader_epoch;
	m->new_partition_epoch = m->partition_epoch + 1;
	m->new_isr_count = m->isr_count;
	memcpy(m->new_isr, m->isr, sizeof(m->isr));
	c->is_answer_due = true;
	actor_wake(&c->actor);
	rig_pass(c->rig, 5);
}

bool fake_controller_holds(const struct fake_controller *c, int n, const int32_t *ids)
{
	int found = 0;

	if (c->held == NULL || c->held->isr_count != n)
		return false;
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++)
			found += c->held->isr[i] == ids[k];
	}
	return found == n;
}
