/*
 * The count is atomic because a network thread that has sent its range gives its reference back on
 * its own. The generation is read by senders before each piece they send: it is written with
 * release before the file changes, so that a sender that sees the old value began before the
 * change, and the short or foreign bytes it may still meet belong to a connection whose next check
 * closes it.
 */
#include "storage/log_file.h"

#include <stdlib.h>

struct log_file *log_file_ref(struct log_file *f)
{
	uint32_t before = __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);

	ASSERT(before > 0);
	return f;
}

void log_file_unref(struct log_file **file)
{
	struct log_file *f = *file;

	*file = NULL;
	/* Release: what this holder did with the descriptor comes before the close; acquire: the
	 * closer sees all of it. */
	if (f == NULL || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	os_close(f->os, &f->fd);
	free(f);
}

os_fd log_file_fd(const struct log_file *f)
{
	return f->fd;
}

uint32_t log_file_generation(const struct log_file *f)
{
	return __atomic_load_n(&f->generation, __ATOMIC_ACQUIRE);
}

void log_file_bump_generation(struct log_file *f)
{
	__atomic_fetch_add(&f->generation, 1, __ATOMIC_RELEASE);
}

void file_cache_init(struct file_cache *c, struct os *os)
{
	c->os = os;
	c->count = 0;
	c->has_spare = false;
	list_init(&c->open);
}

void file_cache_drop(struct file_cache *c, struct log_file **place)
{
	struct log_file *f = *place;

	if (f == NULL)
		return;
	list_remove(&f->link);
	c->count--;
	*place = NULL;
	f->place = NULL;
	log_file_unref(&f);
}

/* Acquire pairs with the last outside unref: nobody but the log can take a new reference. */
static bool is_held(const struct log_file *f)
{
	return __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) > 1;
}

void file_cache_drop_idle(struct file_cache *c, int keep)
{
	struct list *at = c->open.prev;

	while (at != &c->open && c->count > keep) {
		struct log_file *f = LIST_ENTRY(at, struct log_file, link);
		at = at->prev;
		if (!is_held(f))
			file_cache_drop(c, f->place);
	}
}

bool file_cache_drop_spare(struct file_cache *c)
{
	struct list *at = c->open.next;

	if (LIKELY(!c->has_spare))
		return false;
	c->has_spare = false;
	while (at != &c->open) {
		struct log_file *f = LIST_ENTRY(at, struct log_file, link);
		at = at->next;
		if (f->is_spare && is_held(f))
			c->has_spare = true;
		else if (f->is_spare)
			file_cache_drop(c, f->place);
	}
	return c->has_spare;
}

enum err file_cache_get(struct file_cache *c, struct log_file **place, const char *path, int flags, int share_percent)
{
	struct log_file *f = *place;
	os_fd fd;
	enum err e;

	if (LIKELY(f != NULL)) {
		if (c->open.next != &f->link) {
			list_remove(&f->link);
			list_push_front(&c->open, &f->link);
		}
		return OK;
	}
	file_cache_drop_idle(c, LOG_FDS_MAX - 1);
	if ((e = os_open(c->os, path, flags, &fd)) != OK)
		return e;
	f = mem_alloc(sizeof(*f));
	*f = (struct log_file){ .place = place, .os = c->os, .fd = fd, .refs = 1, .generation = 1,
		.is_spare = os_fd_percent(c->os, fd) > share_percent };
	c->has_spare |= f->is_spare;
	list_push_front(&c->open, &f->link);
	c->count++;
	*place = f;
	return OK;
}
