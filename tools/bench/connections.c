/*
 * skein bench connections: how fast a broker takes many, and what one question costs its asker while the others are idle.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "value.h"

#define WAIT_MS     30000
#define AT_A_TIME   40		/* connections that are being made: beyond the listener's backlog, 50 by default, the kernel asks again only after 1 s */
#define ANSWER_MAX  65536
#define EVENTS      64

/* ApiVersions, version 0, of a client without a name. */
static const uint8_t question[] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff };

enum line_state { LINE_NEW, LINE_CONNECTING, LINE_ASKED, LINE_IDLE };

struct line {
	enum line_state state;
	os_fd           fd;
	bool            was_idle;
	mono_ns         since;		/* CONNECTING, ASKED: from when on */
	uint8_t         head[4];
	size_t          head_got, left;	/* of the answer */
};

struct lines {
	struct bench     *b;
	struct os_addr    to;
	struct os_poller *poller;
	struct line      *lines;
	int               begun, under_way;
	struct histogram  connect, answer;
};

static mono_ns now_ns(void) { return os_mono_ns(os_real()); }

static bool fail(struct lines *s, const struct line *l, const char *what, enum err e)
{
	tool_say("connection %d: %s: %s", (int)(l - s->lines) + 1, what, err_text(e));
	s->b->code = EXIT_UNREACHABLE;
	return false;
}

static bool ask(struct lines *s, struct line *l)
{
	struct iovec iov = { (void *)(uintptr_t)question, sizeof(question) };
	size_t sent = 0;
	enum err e = os_sendv(os_real(), l->fd, &iov, 1, &sent);

	l->state = LINE_ASKED;
	l->head_got = 0;
	return e == OK && sent == sizeof(question) ? true : fail(s, l, "it takes no question", e == OK ? ERR_AGAIN : e);
}

static bool begin(struct lines *s, struct line *l)
{
	l->since = now_ns();
	l->state = LINE_CONNECTING;
	s->begun++;
	s->under_way++;
	enum err e = os_connect(os_real(), &s->to, &l->fd);
	if (e != OK && e != ERR_AGAIN)
		return fail(s, l, "cannot connect", e);
	e = os_poller_add(os_real(), s->poller, l->fd, OS_WRITABLE, l);
	return e == OK ? true : fail(s, l, "cannot be waited for", e);
}

/* Reads what there is of the answer. */
static bool read_answer(struct lines *s, struct line *l)
{
	static uint8_t away[ANSWER_MAX];
	size_t got;

	for (;;) {
		bool in_head = l->head_got < sizeof(l->head);
		uint8_t *to = in_head ? l->head + l->head_got : away;
		enum err e = os_recv(os_real(), l->fd, to, in_head ? sizeof(l->head) - l->head_got : MIN(l->left, sizeof(away)), &got);
		if (e == ERR_AGAIN)
			return true;
		if (e != OK || got == 0)
			return fail(s, l, "the broker ended it", e == OK ? ERR_CLOSED : e);
		if (!in_head) {
			l->left -= got;
		} else if ((l->head_got += got) == sizeof(l->head)) {
			l->left = load_be32(l->head);
			if (l->left == 0 || l->left > ANSWER_MAX)
				return fail(s, l, "an answer of a length that cannot be", ERR_CORRUPT);
			continue;
		}
		if (l->head_got == sizeof(l->head) && l->left == 0)
			break;
	}
	l->state = LINE_IDLE;
	return true;
}

static bool on_event(struct lines *s, struct line *l)
{
	enum err e;

	if (l->state == LINE_CONNECTING) {
		if ((e = os_connect_result(os_real(), l->fd)) != OK)
			return fail(s, l, "cannot connect", e);
		if ((e = os_poller_change(os_real(), s->poller, l->fd, OS_READABLE, l)) != OK)
			return fail(s, l, "cannot be waited for", e);
		return ask(s, l);
	}
	if (l->state == LINE_IDLE)
		return fail(s, l, "the broker ended it", ERR_CLOSED);
	return read_answer(s, l);
}

/* Waits for events, and hands them out. */
static bool wait(struct lines *s, mono_ms timeout)
{
	struct os_event events[EVENTS];
	int n = os_poller_wait(os_real(), s->poller, events, EVENTS, timeout);

	for (int i = 0; i < n; i++) {
		struct line *l = events[i].data;
		if (!on_event(s, l))
			return false;
		if (l->state != LINE_IDLE)
			continue;
		histogram_add(l->was_idle ? &s->answer : &s->connect, (uint64_t)(now_ns() - l->since));
		l->was_idle = true;
		s->under_way--;
	}
	return true;
}

static bool connect_all(struct lines *s)
{
	int all = s->b->connections;
	mono_ns began = now_ns();
	mono_ms deadline = os_mono_ms(os_real()) + WAIT_MS;

	while (s->begun < all || s->under_way > 0) {
		while (s->begun < all && s->under_way < AT_A_TIME) {
			if (!begin(s, &s->lines[s->begun]))
				return false;
		}
		if (!wait(s, WAIT_MS))
			return false;
		bench_progress("%d of %d connections", s->begun - s->under_way, all);
		if (tool_is_stopped() || os_mono_ms(os_real()) > deadline + all) {
			tool_say("%d of %d connections were answered", s->begun - s->under_way, all);
			s->b->code = EXIT_TIMED_OUT;
			return false;
		}
	}
	bench_progress("%s", "");
	double seconds = (double)(now_ns() - began) / 1e9;
	bench_number(s->b, "seconds", seconds, 4);
	bench_number(s->b, "connections_per_s", (double)all / seconds, 1);
	bench_times(s->b, "connect_us", &s->connect);
	return true;
}

/* One question after the other, each on another connection. */
static bool ask_around(struct lines *s)
{
	mono_ns until = now_ns() + (mono_ns)(s->b->seconds * 1e9);
	int at = 0;

	while (now_ns() < until && !tool_is_stopped()) {
		struct line *l = &s->lines[at];
		at = (at + 7919) % s->b->connections;
		l->since = now_ns();
		s->under_way++;
		if (!ask(s, l))
			return false;
		while (s->under_way > 0 && !tool_is_stopped()) {
			if (!wait(s, WAIT_MS))
				return false;
			if (now_ns() - l->since > (mono_ns)WAIT_MS * 1000000)
				return fail(s, l, "no answer", ERR_TIMEOUT);
		}
	}
	bench_word(s->b, "latency_from", "sending");
	if (s->answer.count > 0)
		bench_times(s->b, "answer_us", &s->answer);
	return true;
}

static bool find_broker(struct lines *s)
{
	const char *list = tool_bootstrap();
	char host[300];
	int64_t port = 9092;
	int n = 0;

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(list, ","), list);
	char *colon = strrchr(host, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (!value_int(colon + 1, 1, 65535, &port)) {
			s->b->code = tool_usage("bench", "\"%s\" is no port", colon + 1);
			return false;
		}
	}
	enum err e = os_resolve(os_real(), host, (uint16_t)port, &s->to, 1, &n);
	if (e == OK && n == 1)
		return true;
	tool_say("%s: %s", host, err_text(e == OK ? ERR_NOT_FOUND : e));
	s->b->code = EXIT_UNREACHABLE;
	return false;
}

int bench_connections(struct bench *b)
{
	static struct lines s;		/* static: histograms lie in it */
	enum err e;

	s = (struct lines){ .b = b };
	if (!find_broker(&s))
		return b->code;
	if ((e = os_poller_create(os_real(), &s.poller)) != OK) {
		tool_say("there is nothing to wait with: %s", err_text(e));
		return EXIT_FAILED;
	}
	bench_begin(b);
	s.lines = mem_calloc((size_t)b->connections, sizeof(*s.lines));
	for (int i = 0; i < b->connections; i++)
		s.lines[i].fd = -1;
	if (connect_all(&s) && ask_around(&s))
		b->code = bench_tell(b);
	for (int i = 0; i < b->connections; i++)
		os_close(os_real(), &s.lines[i].fd);
	os_poller_destroy(os_real(), &s.poller);
	free(s.lines);
	return b->code;
}
