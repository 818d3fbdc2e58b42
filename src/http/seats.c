#include "http/seats.h"

#include <sys/socket.h>

#define BACKLOG          128
#define RETRY_MS         100	/* when there is no place, or no descriptor */
#define YOUNG_ASKING_MS  1000	/* who is not there for so long does not have to go yet */
#define YOUNG_ANSWER_MS  5000

/* Kept open for nothing, and given up for a connection when there is no other descriptor. */
static void take_reserve(struct seats *s)
{
	if (s->reserve < 0 && os_open(s->os, "/dev/null", OS_RDONLY, &s->reserve) != OK)
		s->reserve = -1;
}

enum err seats_open(struct seats *s, struct os *os, struct os_poller *poller, const struct log_source *log, const char *host, uint16_t port)
{
	*s = (struct seats){ .os = os, .poller = poller, .log = log, .listener = -1, .reserve = -1, .is_polled = true };
	for (int i = 0; i < SEATS_MAX; i++)
		s->seats[i].fd = -1;
	enum err e = os_listen(os, host, port, BACKLOG, &s->listener, &s->port);

	if (e == OK && (e = os_poller_add(os, poller, s->listener, OS_READABLE, s)) != OK)
		os_close(os, &s->listener);
	take_reserve(s);
	return e;
}

void seats_close(struct seats *s)
{
	if (s->os == NULL)
		return;
	if (s->listener >= 0)
		os_poller_remove(s->os, s->poller, s->listener);
	os_close(s->os, &s->listener);
	os_close(s->os, &s->reserve);
}

/* --- who goes --------------------------------------------------------------------------------------------------- */

static void shut(struct seat *seat)
{
	seat->is_shut = true;
	(void)!shutdown(seat->fd, SHUT_RDWR);	/* a descriptor of the library's, like its sockets beyond src/os; if that fails it has ended already */
}

static mono_ms limit_of(const struct seat *seat)
{
	if (seat->is_held)
		return MONO_NEVER;
	return MIN(seat->since + (seat->is_answered ? SEAT_ANSWER_MS : SEAT_ASKING_MS), seat->is_answered ? MONO_NEVER : seat->opened + SEAT_KEEP_MS);
}

static bool may_go(const struct seat *seat, mono_ms now)
{
	if (seat->is_held)
		return false;
	return seat->is_answered ? now - seat->since >= YOUNG_ANSWER_MS : now - seat->opened >= YOUNG_ASKING_MS;
}

static bool is_anybody_going(const struct seats *s)
{
	for (int i = 0; i < SEATS_MAX; i++)
		if (s->seats[i].fd >= 0 && s->seats[i].is_shut)
			return true;
	return false;
}

static void make_room(struct seats *s, mono_ms now)
{
	struct seat *oldest = NULL;

	for (int i = 0; i < SEATS_MAX; i++) {
		struct seat *seat = &s->seats[i];

		if (seat->fd >= 0 && may_go(seat, now) && (oldest == NULL || seat->opened < oldest->opened))
			oldest = seat;
	}
	if (oldest == NULL)
		return;
	LOG_WARN(s->log, http_full, KV_I32("connections", s->taken), KV_I64("age_ms", now - oldest->opened), KV_BOOL("answered", oldest->is_answered));
	shut(oldest);
}

/* --- who comes -------------------------------------------------------------------------------------------------- */

bool seats_have_room(struct seats *s, mono_ms now)
{
	if (s->taken < SEATS_MAX)
		return true;
	if (!is_anybody_going(s))
		make_room(s, now);
	s->retry_at = now + RETRY_MS;	/* or sooner: seats_leave */
	return false;
}

bool seats_accept(struct seats *s, mono_ms now, os_fd *fd, struct os_addr *peer)
{
	if (s->taken == SEATS_MAX || now < s->retry_at)
		return false;
	enum err e = os_accept(s->os, s->listener, fd, peer);

	if (e == ERR_LIMIT && s->reserve >= 0) {
		os_close(s->os, &s->reserve);
		e = os_accept(s->os, s->listener, fd, peer);
	}
	if (e == OK || e == ERR_AGAIN)
		return e == OK;
	LOG_WARN(s->log, net_accept_failed, KV_ERR(e));
	s->retry_at = now + RETRY_MS;
	return false;
}

struct seat *seats_take(struct seats *s, os_fd fd, mono_ms now)
{
	struct seat *seat = s->seats;

	ASSERT(s->taken < SEATS_MAX);
	while (seat->fd >= 0)
		seat++;
	*seat = (struct seat){ .fd = fd, .opened = now, .since = now };
	s->taken++;
	return seat;
}

void seats_leave(struct seats *s, struct seat *seat)
{
	ASSERT(seat->fd >= 0 && s->taken > 0);
	seat->fd = -1;
	s->taken--;
	s->retry_at = 0;
}

void seat_begin(struct seat *seat, mono_ms now)
{
	seat->is_answered = true;
	seat->since = now;
}

void seat_hold(struct seat *seat, bool is_held)
{
	seat->is_held = is_held;
}

void seat_end(struct seat *seat, mono_ms now)
{
	seat->is_answered = false;
	seat->since = now;
}

/* --- what goes on ----------------------------------------------------------------------------------------------- */

mono_ms seats_step(struct seats *s, mono_ms now)
{
	mono_ms next = MONO_NEVER;

	for (int i = 0; i < SEATS_MAX; i++) {
		struct seat *seat = &s->seats[i];

		if (seat->fd < 0 || seat->is_shut)
			continue;
		if (now >= limit_of(seat))
			shut(seat);
		else
			next = MIN(next, limit_of(seat));
	}
	take_reserve(s);
	bool wanted = now >= s->retry_at && s->listener >= 0;
	if (s->is_polled != wanted && s->listener >= 0 && os_poller_change(s->os, s->poller, s->listener, wanted ? OS_READABLE : 0, s) == OK)
		s->is_polled = wanted;
	return wanted ? next : MIN(next, s->retry_at);
}
