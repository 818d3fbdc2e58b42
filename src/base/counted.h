/*
 * Reference counting for what is shared frozen, or asked from several threads. The count starts at 1 for the creator.
 * The object's last holder runs destroy, on its own thread.
 */
#ifndef SKEIN_COUNTED_H
#define SKEIN_COUNTED_H

#include "base/base.h"

struct counted {
	uint32_t refs;
	void   (*destroy)(struct counted *c);
};

static inline void counted_init(struct counted *c, void (*destroy)(struct counted *))
{
	*c = (struct counted){ .refs = 1, .destroy = destroy };
}

static inline void counted_ref(struct counted *c)
{
	uint32_t old = __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);

	ASSERT(old > 0);
}

/* The release half orders the holder's last use before the count; the acquire half orders destroy after all of them. */
static inline void counted_unref(struct counted *c)
{
	uint32_t old = __atomic_fetch_sub(&c->refs, 1, __ATOMIC_ACQ_REL);

	ASSERT(old > 0);
	if (old == 1)
		c->destroy(c);
}

#endif
