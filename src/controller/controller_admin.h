/*
 * What clients ask of the active controller: creating and deleting topics, adding partitions; what controller_create.c, _delete.c and _grow.c share. Errors and sentences are
 * Kafka's.
 *
 * The answer waits, outside of the queue, until this broker's own member side has carried out and shows what was done.
 */
#ifndef SKEIN_CONTROLLER_ADMIN_H
#define SKEIN_CONTROLLER_ADMIN_H

#include "controller/active_priv.h"

bool  admin_is_active(const struct controller *c);
char *admin_text(const char *fmt, ...) PRINTF(1, 2);		/* the caller's */
char *admin_no_room_text(int64_t wanted, int64_t room);		/* of replicas */

/* Charges a change of so many partitions to who asks for it. False: the asker owes, and is to come again later. */
bool  admin_may_change(struct controller *c, struct controller_payer *p, int32_t partitions);
char *admin_over_quota_text(void);				/* the caller's */

struct admin_waiter {
	struct active_waiter waiter;
	struct msg          *asker;
	char               **names;	/* of topics that are being deleted */
	int32_t              name_count;
};

/* In a task's fini: has it ended before its time, with the question still there to be answered? One that was handed to a waiter may be answered by now, and be somebody else's
 * memory. */
static inline bool admin_is_given_up(const struct task *t)
{
	return t->is_expired && t->asker != NULL;
}

/* Takes the task's asker: the question is not the task's any more. */
struct admin_waiter *admin_waiter_create(struct controller *c, struct task *t, int32_t timeout_ms,
                                         bool (*look)(struct controller *c, struct active_waiter *w, bool is_over));
void admin_answer(struct controller *c, struct admin_waiter *w);	/* and frees it */

#endif
