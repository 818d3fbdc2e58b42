/*
 * Pollers of the simulated machine: level-triggered, and they never wait. Closing a descriptor
 * takes it out of every poller, as in epoll. Order is a matter of chance, because the kernel
 * promises none.
 */
#include "os/sim_priv.h"

#include <errno.h>
#include <stdlib.h>

struct os_poller {
	struct list link;		/* on machine->pollers */
	struct list watches;
	size_t      count;
};

struct sim_watch {			/* a descriptor in a poller */
	struct list        link;
	struct sim_socket *socket;
	os_fd              fd;
	int                events;
	void              *data;
};

void sim_poll_forget(struct sim_os *m, os_fd fd)
{
	LIST_FOREACH(p, &m->pollers) {
		struct os_poller *poller = LIST_ENTRY(p, struct os_poller, link);
		LIST_FOREACH(l, &poller->watches) {
			struct sim_watch *w = LIST_ENTRY(l, struct sim_watch, link);
			if (w->fd != fd)
				continue;
			list_remove(&w->link);
			poller->count--;
			free(w);
		}
	}
}

static enum err sim_poller_create(struct os *os, struct os_poller **out)
{
	struct sim_os *m = sim_of(os);
	struct os_poller *p = mem_calloc(1, sizeof(*p));

	list_init(&p->watches);
	list_push_back(&m->pollers, &p->link);
	*out = p;
	return OK;
}

static void sim_poller_destroy(struct os *os UNUSED, struct os_poller *p)
{
	while (!list_empty(&p->watches))
		free(LIST_ENTRY(list_pop_front(&p->watches), struct sim_watch, link));
	list_remove(&p->link);
	free(p);
}

static struct sim_watch *find_watch(struct os_poller *p, os_fd fd)
{
	LIST_FOREACH(l, &p->watches) {
		struct sim_watch *w = LIST_ENTRY(l, struct sim_watch, link);
		if (w->fd == fd)
			return w;
	}
	return NULL;
}

static enum err sim_poller_set(struct os *os, struct os_poller *p, os_fd fd, int events, void *data, bool is_new)
{
	struct sim_socket *s = sim_socket_of(sim_of(os), fd);
	struct sim_watch *w = find_watch(p, fd);

	if (s == NULL)
		return ERR_CLOSED;
	if ((w == NULL) != is_new)
		return sim_errno(is_new ? EEXIST : ENOENT);
	if (is_new) {
		w = mem_calloc(1, sizeof(*w));
		w->socket = s;
		w->fd = fd;
		list_push_back(&p->watches, &w->link);
		p->count++;
	}
	w->events = events;
	w->data = data;
	return OK;
}

static void sim_poller_remove(struct os *os UNUSED, struct os_poller *p, os_fd fd)
{
	struct sim_watch *w = find_watch(p, fd);

	if (w == NULL)
		return;
	list_remove(&w->link);
	p->count--;
	free(w);
}

/* Begins at a watch drawn anew each time: the kernel promises no order either. */
static int sim_poller_wait(struct os *os, struct os_poller *p, struct os_event *out, int max, mono_ms timeout_ms UNUSED)
{
	struct sim_os *m = sim_of(os);
	int fill = 0;

	if (m->is_dead || p->count == 0)
		return 0;
	struct list *at = p->watches.next;
	for (size_t skip = (size_t)sim_rng_below(&m->net->rng, p->count); skip > 0; skip--)
		at = at->next;
	for (size_t i = 0; i < p->count && fill < max; i++, at = at->next) {
		if (at == &p->watches)
			at = at->next;
		struct sim_watch *w = LIST_ENTRY(at, struct sim_watch, link);
		int events = sim_socket_events(w->socket) & (w->events | OS_HANGUP);
		if (events != 0)
			out[fill++] = (struct os_event){ w->data, events };
	}
	(void)!sim_done(m, "poll", (uint64_t)fill, 0, OK);
	return fill;
}

static int sim_poller_fd(struct os *os UNUSED, struct os_poller *p UNUSED)
{
	return -1;
}

static void sim_poller_wake(struct os *os UNUSED, struct os_poller *p UNUSED)
{
	/* Nobody can be waiting: there is one thread, and it is here. */
}

void sim_poll_ops(struct os_ops *ops)
{
	ops->poller_create = sim_poller_create;
	ops->poller_destroy = sim_poller_destroy;
	ops->poller_set = sim_poller_set;
	ops->poller_remove = sim_poller_remove;
	ops->poller_wait = sim_poller_wait;
	ops->poller_fd = sim_poller_fd;
	ops->poller_wake = sim_poller_wake;
}
