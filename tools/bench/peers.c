#include "peers.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tool.h"

#define STEP_MS 100
#define EVENTS  64

enum err peers_init(struct peers *s, int max)
{
	*s = (struct peers){ .max = max, .timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
	if (s->timer < 0)
		return ERR_LIMIT;
	enum err e = os_poller_create(os_real(), &s->poller);
	if (e != OK)
		return e;
	s->peers = mem_calloc((size_t)max, sizeof(*s->peers));
	return os_poller_add(os_real(), s->poller, s->timer, OS_READABLE, NULL);
}

void peers_fini(struct peers *s)
{
	for (int i = 0; i < s->count; i++)
		client_destroy(&s->peers[i].client);
	if (s->poller != NULL)
		os_poller_destroy(os_real(), &s->poller);
	os_close(os_real(), &s->timer);
	free(s->peers);
	s->peers = NULL;
	s->count = 0;
}

struct peer *peers_add(struct peers *s, int *code)
{
	struct peer *p = &s->peers[s->count];

	ASSERT(s->count < s->max);
	p->client = tool_connect(code);
	if (p->client == NULL)
		return NULL;
	p->is_ready = true;
	s->count++;
	if (os_poller_add(os_real(), s->poller, client_fd(p->client), OS_READABLE, p) == OK)
		return p;
	tool_say("a client cannot be waited for: %m");
	*code = EXIT_FAILED;
	return NULL;
}

/* Returns how long all may sleep. */
static mono_ms turn_ready(struct peers *s)
{
	mono_ms now = os_mono_ms(os_real()), until = now + STEP_MS;

	for (int i = 0; i < s->count; i++) {
		struct peer *p = &s->peers[i];
		if (p->is_ready || p->next <= now)
			p->is_ready = client_turn(p->client, &p->next) > 0;
		until = p->is_ready ? now : MIN(until, p->next);
	}
	return MAX(until - now, 0);
}

bool peers_turn(struct peers *s, mono_ns at, bool may_sleep)
{
	struct itimerspec when = { .it_value = { .tv_sec = 0 } };	/* none */
	struct os_event events[EVENTS];
	mono_ms timeout = turn_ready(s);
	uint64_t expired;

	if (at != MONO_NEVER)
		when.it_value = (struct timespec){ .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
	if (timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL) != 0)
		timeout = 0;	/* without a timer it is looked again and again */
	int n = os_poller_wait(os_real(), s->poller, events, EVENTS, may_sleep ? timeout : 0);
	for (int i = 0; i < n; i++) {
		struct peer *p = events[i].data;
		if (p != NULL)
			p->is_ready = true;
		else if (read(s->timer, &expired, sizeof(expired)) < 0)
			expired = 0;	/* it was set anew meanwhile */
	}
	return n > 0;
}
