/*
 * Waiting on many sockets: epoll, level-triggered, and one eventfd by which other threads end a
 * wait.
 *
 * A wake costs a system call, so it is sent once per wait: `woken` goes 0 -> 1 with the first
 * os_poller_wake and is cleared by the waiter after it has emptied the eventfd. No wake is lost:
 * whoever finds `woken` already 1 has published its news before that exchange, and the waiter's own
 * exchange back to 0, which comes later in the variable's order, acquires it; the wait in question
 * returns, and its owner looks for news again.
 */
#include "os/os_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct os_poller {
	int      epoll_fd, wake_fd;
	uint32_t woken;		/* 1: the eventfd is, or is about to be, readable */
};

#define POLL_BATCH 256		/* events taken from the kernel at once; more wait for the next call */

static enum err real_poller_create(struct os *os UNUSED, struct os_poller **out)
{
	struct os_poller *p = mem_calloc(1, sizeof(*p));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epoll_fd >= 0 && p->wake_fd >= 0 && epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &ev) == 0) {
		*out = p;
		return OK;
	}
	int e = errno;
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	free(p);
	errno = e;
	return err_from_errno(e);
}

static void real_poller_destroy(struct os *os UNUSED, struct os_poller *p)
{
	close(p->epoll_fd);
	close(p->wake_fd);
	free(p);
}

static enum err real_poller_set(struct os *os UNUSED, struct os_poller *p, os_fd fd, int events, void *data, bool is_new)
{
	struct epoll_event ev = { .data.ptr = data };

	ASSERT(data != p);	/* marks the wake */
	if ((events & OS_READABLE) != 0)
		ev.events |= EPOLLIN;
	if ((events & OS_WRITABLE) != 0)
		ev.events |= EPOLLOUT;
	if (epoll_ctl(p->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev) == 0)
		return OK;
	return errno == ENOSPC ? ERR_LIMIT : err_from_errno(errno);	/* ENOSPC: max_user_watches, not a disk */
}

static void real_poller_remove(struct os *os UNUSED, struct os_poller *p, os_fd fd)
{
	(void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);	/* the only error is that it was not there */
}

static void take_wake(struct os_poller *p)
{
	uint64_t count;

	(void)!read(p->wake_fd, &count, sizeof(count));
	__atomic_exchange_n(&p->woken, 0, __ATOMIC_ACQ_REL);
}

static int events_of(uint32_t mask)
{
	int events = 0;

	if ((mask & EPOLLIN) != 0)
		events |= OS_READABLE;
	if ((mask & EPOLLOUT) != 0)
		events |= OS_WRITABLE;
	if ((mask & (EPOLLERR | EPOLLHUP)) != 0)
		events |= OS_HANGUP;
	return events;
}

static int real_poller_wait(struct os *os UNUSED, struct os_poller *p, struct os_event *out, int max, mono_ms timeout_ms)
{
	struct epoll_event got[POLL_BATCH];
	int timeout = timeout_ms < 0 ? -1 : (int)MIN(timeout_ms, (mono_ms)INT_MAX);
	int n = epoll_wait(p->epoll_fd, got, MIN(max, POLL_BATCH), timeout), fill = 0;

	if (n < 0)
		ASSERT(errno == EINTR);
	for (int i = 0; i < n; i++) {
		if (got[i].data.ptr == p)
			take_wake(p);
		else
			out[fill++] = (struct os_event){ got[i].data.ptr, events_of(got[i].events) };
	}
	return fill;
}

static int real_poller_fd(struct os *os UNUSED, struct os_poller *p)
{
	return p->epoll_fd;
}

static void real_poller_wake(struct os *os UNUSED, struct os_poller *p)
{
	uint64_t one = 1;

	if (__atomic_exchange_n(&p->woken, 1, __ATOMIC_ACQ_REL) == 0)
		(void)!write(p->wake_fd, &one, sizeof(one));	/* cannot fail: the counter is at most 1 */
}

void os_real_poll_ops(struct os_ops *ops)
{
	ops->poller_create = real_poller_create;
	ops->poller_destroy = real_poller_destroy;
	ops->poller_set = real_poller_set;
	ops->poller_remove = real_poller_remove;
	ops->poller_wait = real_poller_wait;
	ops->poller_fd = real_poller_fd;
	ops->poller_wake = real_poller_wake;
}
