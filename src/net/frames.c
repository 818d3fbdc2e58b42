/*
 * Size classes are powers of two. Above the largest class buffers come from the allocator and go
 * back to it: such requests are rare, and keeping one would hold megabytes for the next.
 */
#include "net/frames.h"

#include <stdlib.h>

static uint32_t class_size(int class)
{
	return FRAME_SIZE_MIN << class;
}

static int class_of(uint32_t size)
{
	int class = 0;

	while (class_size(class) < size)
		class++;
	return class;
}

void frame_pool_fini(struct frame_pool *p)
{
	for (int i = 0; i < FRAME_CLASSES; i++)
		while (p->free[i] != NULL) {
			void *buf = p->free[i];

			p->free[i] = *(void **)buf;
			free(buf);
		}
}

void frame_begin(struct frame_pool *p, struct frame *f, uint32_t size)
{
	int class = class_of(MIN(size, FRAME_WHOLE_MAX));

	ASSERT(size > 0 && f->buf == NULL);
	_Static_assert(FRAME_SIZE_MIN << (FRAME_CLASSES - 1) == FRAME_WHOLE_MAX,
	               "the classes end where whole frames end");
	*f = (struct frame){ .buf = p->free[class], .room = class_size(class), .size = size };
	if (f->buf == NULL) {
		f->buf = mem_alloc(f->room);
		return;
	}
	p->free[class] = *(void **)f->buf;
	p->kept[class]--;
}

void frame_end(struct frame_pool *p, struct frame *f)
{
	void *buf = f->buf;

	if (buf == NULL)
		return;
	if (f->room <= FRAME_WHOLE_MAX) {
		int class = class_of(f->room);

		if (p->kept[class] == 0 || (p->kept[class] + 1) * f->room <= FRAMES_KEPT) {
			*(void **)buf = p->free[class];
			p->free[class] = buf;
			p->kept[class]++;
			buf = NULL;
		}
	}
	free(buf);
	*f = (struct frame){ 0 };
}

uint8_t *frame_room(struct frame_pool *p, struct frame *f, size_t *len)
{
	ASSERT(f->filled < f->size);
	if (f->filled == f->room) {
		uint32_t room = f->room <= f->size / 2 ? f->room * 2 : f->size;

		/* it leaves its class: the pool's buffer is not lost */
		if (f->room == FRAME_WHOLE_MAX) {
			struct frame small = *f;

			f->buf = mem_alloc(room);
			memcpy(f->buf, small.buf, small.filled);
			frame_end(p, &small);
		} else {
			f->buf = mem_realloc_array(f->buf, room, 1);
		}
		f->room = room;
	}
	*len = MIN(f->room, f->size) - f->filled;
	return f->buf + f->filled;
}
