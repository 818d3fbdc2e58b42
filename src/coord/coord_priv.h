/*
 * What the sides share: the face's table, and the events they make.
 */
#ifndef SKEIN_COORD_PRIV_H
#define SKEIN_COORD_PRIV_H

#include "coord/coord.h"

struct coord_ops {
	void     (*submit)(struct coord *c, struct coord_call *call);
	int64_t  (*session_id)(const struct coord *c);
	enum err (*reopen)(struct coord *c);
	void     (*close)(struct coord *c, bool is_crash);
	void     (*set_faults)(struct coord *c, const struct coord_faults *f);	/* NULL: has none */
};

struct coord {			/* first member of each side's struct */
	const struct coord_ops *ops;
	struct actor           *owner;
};

/* An event for the owner, to be posted. path NULL: none. */
struct coord_event *coord_event_create(struct actor *owner, enum coord_event_kind kind, int64_t session_id, const char *path);

/*
 * Calls on their way from the owner to another thread: a stack linked through `internal`, taken whole and turned round. Any number of
 * them, so that coord_submit never declines; the calls are the owner's own memory, which bounds them.
 */
void coord_stack_push(struct coord_call **top, struct coord_call *call);
struct coord_call *coord_stack_take(struct coord_call **top);	/* oldest first, next in `internal` */

#endif
