/*
 * Buffers for requests: one holds one request, from its first byte to the end of its call. A
 * network actor keeps what was given back, up to a bound per size, so that steady traffic allocates
 * nothing. Owner:  one thread. Bound:  a frame reserves at most what has arrived of it times two,
 * or FRAME_WHOLE_MAX: announcing a large request costs nothing.
 */
#ifndef SKEIN_NET_FRAMES_H
#define SKEIN_NET_FRAMES_H

#include "base/slice.h"

#define FRAME_CLASSES   12		/* 512 bytes, doubling, to FRAME_WHOLE_MAX */
#define FRAME_SIZE_MIN  512u
#define FRAME_WHOLE_MAX (1u << 20)	/* a request up to here gets its room at once */
#define FRAMES_KEPT     (256u << 10)	/* bytes kept per class, and at least one buffer */

struct frame {				/* all zero: none */
	uint8_t *buf;
	uint32_t room;			/* of buf */
	uint32_t size;			/* of the request, as announced */
	uint32_t filled;		/* bytes of it that have arrived */
};

struct frame_pool {			/* all zero: empty */
	void    *free[FRAME_CLASSES];	/* each buffer's first word points to the next */
	uint32_t kept[FRAME_CLASSES];	/* buffers on the list */
};

void frame_pool_fini(struct frame_pool *p);
void frame_begin(struct frame_pool *p, struct frame *f, uint32_t size);	/* size > 0; f is empty */
/* f is empty again; an empty one stays so */
void frame_end(struct frame_pool *p, struct frame *f);
/* Where the next bytes go, and how many at most: fewer than are missing when the room has yet to
 * grow. */
uint8_t *frame_room(struct frame_pool *p, struct frame *f, size_t *len);

static inline bool frame_is_whole(const struct frame *f)
{
	return f->buf != NULL && f->filled == f->size;
}

#endif
