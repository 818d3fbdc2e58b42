/*
 * Whom a partition asks for another in-sync set, and tells of a failed directory: holds what is asked until the test says what the answer is.
 */
#ifndef SKEIN_TESTS_FAKE_CONTROLLER_H
#define SKEIN_TESTS_FAKE_CONTROLLER_H

#include "rig.h"

struct fake_controller {
	struct actor actor;
	struct rig  *rig;
	struct partition_isr_change *held;	/* NULL: nothing is asked */
	int          asked, dirs_failed, moved;	/* how many so far */
	struct logdir *last_failed, *last_moved_to;
	bool         is_answer_due;		/* what is held goes home, as it is filled in, with the next step */
	bool         is_away;			/* everything is answered NETWORK_EXCEPTION at once */
};

void fake_controller_start(struct fake_controller *c, struct rig *r);	/* before rig_up; the partition asks it from then on */
void fake_controller_stop(struct fake_controller *c);			/* after rig_down; what is held by then must have been answered */
/* Answers what is held, and lets the partition take it. With NONE: the set that was asked for is in force, the partition epoch one more. */
void fake_controller_answer(struct fake_controller *c, enum kafka_error error);
/* Is this set, in whatever order, what is asked for now? */
bool fake_controller_holds(const struct fake_controller *c, int n, const int32_t *ids);

#endif
