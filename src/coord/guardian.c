/*
 * The child has no state but the last session it was told, no thread, and no memory of its own beyond its stack and a poller or two. It is told by messages of one form. Only the
 * end of the parent makes it act, and then it acts once.
 */
#include "coord/guardian.h"

#include <stdlib.h>

#include "os/child.h"

#define GUARDIAN_NAME "skein-guardian"

enum guardian_word { GUARD_THIS, REST };

struct guardian_news {
	enum guardian_word word;
	struct zk_session  session;
};

_Static_assert(sizeof(struct guardian_news) <= CHILD_MESSAGE_MAX, "it travels whole");

struct guardian {
	struct child child;
};

/* --- the child ---------------------------------------------------------------------------------------------------------------------- */

struct watch {
	struct os        *os;
	struct zk_session session;
	bool              may_rest;	/* the parent has said that all is well */
	bool              has_ended;	/* nobody is left who could say anything */
};

static void take_news(struct watch *w, os_fd news)
{
	struct guardian_news m;
	size_t got;

	while (!w->may_rest && !w->has_ended) {
		enum err e = os_recv(w->os, news, &m, sizeof(m), &got);

		if (e == ERR_AGAIN)
			return;
		if (e != OK || got != sizeof(m))
			w->has_ended = true;
		else if (m.word == REST)
			w->may_rest = true;
		else
			w->session = m.session;
	}
}

/* What was told before the end is read in any case: it stays in the socket. */
static void wait_for_the_end(struct watch *w, struct os_poller *poller, const struct child_ends *ends)
{
	bool is_gone = false;
	struct os_event got[2];

	while (!is_gone && !w->has_ended && !w->may_rest) {
		int n = os_poller_wait(w->os, poller, got, 2, -1);

		for (int i = 0; i < n; i++)
			is_gone |= got[i].data == &ends->parent;
		take_news(w, ends->news);
	}
}

static int guard(const struct child_ends *ends)
{
	struct watch w = { .os = os_real() };
	struct os_poller *poller;

	if (os_poller_create(w.os, &poller) != OK || os_poller_add(w.os, poller, ends->news, OS_READABLE, (void *)(uintptr_t)&ends->news) != OK)
		return 1;
	if (ends->parent >= 0 && os_poller_add(w.os, poller, ends->parent, OS_READABLE, (void *)(uintptr_t)&ends->parent) != OK)
		return 1;
	wait_for_the_end(&w, poller, ends);
	if (w.may_rest || w.session.id == 0)
		return 0;
	return zk_session_close(w.os, &w.session, os_mono_ms(w.os) + w.session.timeout_ms) == ERR_TIMEOUT;
}

/* --- the parent ---------------------------------------------------------------------------------------------------------------------- */

enum err guardian_start(struct guardian **out)
{
	struct guardian *g = mem_calloc(1, sizeof(*g));
	enum err e = child_start(&g->child, GUARDIAN_NAME, guard);

	if (e != OK) {
		free(g);
		g = NULL;
	}
	*out = g;
	return e;
}

enum err guardian_tell(struct guardian *g, const struct zk_session *s)
{
	struct guardian_news m = { .word = GUARD_THIS, .session = *s };

	return child_tell(&g->child, &m, sizeof(m));
}

void guardian_end(struct guardian **g)
{
	struct guardian_news m = { .word = REST };

	(void)!child_tell(&(*g)->child, &m, sizeof(m));	/* gone already: all the same */
	child_leave(&(*g)->child);
	free(*g);
	*g = NULL;
}
