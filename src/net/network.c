/*
 * The network actor: one turn looks at sockets, then at mail, then at deadlines, and at its end
 * settles every connection that something happened to: one flush for all its answers of the turn.
 *
 * It sleeps in its poller. The poller's wake sticks, so the actor's protocol (announce, look again,
 * wait) holds as with a futex.
 */
#include "net/net_priv.h"

#include <stdlib.h>

#define NETWORK_QUESTIONS 64	/* of one turn */
#define NETWORK_SETTLE_ROUNDS 4	/* of one turn: settling may begin and answer requests */
#define NETWORK_HEAR_ROUNDS 4	/* of one turn: asking again because of what was answered */
#define NETWORK_ASK_RETRY_MS 1	/* a lane empties without telling */
#define NETWORK_SPIN_NS      40000
#define NETWORK_MANY         8	/* connections that had an event within so many milliseconds */
#define NETWORK_MANY_MS      2
#define NETWORK_HELD_NS      10000000	/* so long in the step of another: a device, not the work. Then it runs nothing heavy */
#define NETWORK_SHUNS_NS     1000000000	/* for so long */
#define NETWORK_SPIN_PAUSE_MAX 255	/* sleeps between two looks that are not worth it */

static void refresh_clock(struct network *n)
{
	n->now_ns = os_mono_ns(n->os);
}

void network_add_work(struct connection *c)
{
	if (!list_linked(&c->in_work))
		list_push_back(&c->network->work, &c->in_work);
}

/* --- questions that found their lane full ---------------------------------------------------- */

static bool try_ask(struct network *n, const struct ask *a)
{
	if (a->partition != NULL)
		return partition_ask(&n->actor, a->partition, a->m);
	return actor_ask(&n->actor, a->to, a->m);
}

static bool has_stopped(const struct ask *a)
{
	return a->partition != NULL && !partition_is_open(a->partition);
}

static void ask_delayed(const struct ask *a, int by)
{
	struct call *c = a->m->context;		/* NULL: a seat */

	if (c == NULL || c->connection == NULL)
		return;
	c->connection->asks_waiting += by;
	if (c->connection->asks_waiting == 0)
		network_add_work(c->connection);
}

static void delay_ask(struct network *n, struct ask a)
{
	struct asks *q = &n->asks;

	if (q->count == q->size) {
		q->size = MAX(q->size * 2, 64);
		q->items = mem_realloc_array(q->items, (size_t)q->size, sizeof(*q->items));
	}
	if (a.partition != NULL)
		partition_addr_ref(a.partition);
	q->items[q->count++] = a;
	COUNT(n, asks_delayed, 1);
	ask_delayed(&a, 1);
}

/* Behind what waits already, so that order holds per receiver. */
void network_ask(struct network *n, struct actor *to, struct msg *m)
{
	struct ask a = { .m = m, .to = to };

	if (n->asks.count > 0 || !try_ask(n, &a))
		delay_ask(n, a);
}

bool network_ask_partition(struct network *n, struct partition_addr *to, struct msg *m)
{
	struct ask a = { .m = m, .partition = to };

	ASSERT_OWNER(&n->actor);
	if (n->asks.count == 0 && try_ask(n, &a))
		return true;
	if (has_stopped(&a))
		return false;
	delay_ask(n, a);
	return true;
}

/* The receivers whose lanes were found full in one round of retries: what is behind for them must
 * not overtake. */
struct full_lanes {
	const void *of[16];
	int         count;
};

static bool is_full(const struct full_lanes *f, const void *receiver)
{
	for (int i = 0; i < f->count; i++)
		if (f->of[i] == receiver)
			return true;
	return f->count == ARRAY_LEN(f->of);	/* no room to remember more: all of them wait */
}

static void on_answer(void *arg, struct msg *m);

/* False: it stays in the queue. A question whose partition has stopped is put on *refused. */
static bool retry_ask(struct network *n, struct ask *a, struct full_lanes *full,
                      ck_stack_entry_t ***refused)
{
	const void *receiver = a->partition != NULL ? (const void *)a->partition : a->to;

	if (is_full(full, receiver))
		return false;
	if (try_ask(n, a)) {
		ask_delayed(a, -1);
	} else if (has_stopped(a)) {
		ask_delayed(a, -1);
		partition_refuse(a->m, NOT_LEADER_OR_FOLLOWER);
		a->m->link.next = NULL;
		**refused = &a->m->link;
		*refused = &a->m->link.next;
	} else {
		full->of[full->count++] = receiver;
		return false;
	}
	if (a->partition != NULL)
		partition_addr_unref(&a->partition);
	return true;
}

static int retry_asks(struct network *n)
{
	struct asks *q = &n->asks;
	struct full_lanes full = { .count = 0 };
	ck_stack_entry_t *refused = NULL, **refused_end = &refused, *next;
	int kept = 0, work = 0;

	for (int i = 0; i < q->count; i++) {
		if (retry_ask(n, &q->items[i], &full, &refused_end))
			work++;
		else
			q->items[kept++] = q->items[i];
	}
	q->count = kept;
	/* only now: handlers ask, and the queue moves */
	for (; refused != NULL; refused = next) {
		next = refused->next;
		on_answer(n, CONTAINER_OF(refused, struct msg, link));
	}
	return work;
}

/* --- seats ----------------------------------------------------------------------------------- */

static bool net_has_stopped(const struct network *n)
{
	return __atomic_load_n(&n->net->accepting, __ATOMIC_ACQUIRE) == NET_STOPPED;
}

static void lend_seat(struct network *n, struct connection *c)
{
	n->seats_lent += c->wants_next;
	network_ask(n, &n->net->acceptor.actor, &c->msg);
}

static void lend_new_seats(struct network *n)
{
	while (n->seats_lent < NET_SEATS && !net_has_stopped(n)) {
		struct connection *c = mem_calloc(1, sizeof(*c));

		msg_init(&c->msg, NET_SEAT, &n->actor);
		c->network = n;
		c->fd = -1;
		c->wants_next = true;
		lend_seat(n, c);
	}
}

/* The connection is gone: its seat is lent again, clean but for what the acceptor must know. */
static void return_seat(struct network *n, struct connection *old)
{
	struct connection clean = { .network = n, .peer = old->peer, .fd = -1, .has_left = true };

	clean.wants_next = n->seats_lent < NET_SEATS && !net_has_stopped(n);
	msg_init(&clean.msg, NET_SEAT, &n->actor);
	*old = clean;
	lend_seat(n, old);
}

static void on_seat(struct network *n, struct connection *c)
{
	n->seats_lent -= c->wants_next;
	c->has_left = c->wants_next = false;
	if (c->fd < 0) {
		free(c);
		return;
	}
	if (n->is_stopping) {
		os_close(n->os, &c->fd);
		return_seat(n, c);
		return;
	}
	connection_open(c);
	lend_new_seats(n);
}

static int return_seats(struct network *n)
{
	struct list *e;
	int work = 0;

	if (n->actor.is_on_loan)
		return 0;	/* events that its own thread brings may still name them */

	for (; (e = list_pop_front(&n->closed)) != NULL; work++)
		return_seat(n, LIST_ENTRY(e, struct connection, in_open));
	return work;
}

/* --- mail ------------------------------------------------------------------------------------ */

static void on_answer(void *arg, struct msg *m)
{
	struct network *n = arg;

	if (m->context != NULL)
		call_answered(m->context, m);
	else if (m->kind == NET_SEAT)
		on_seat(n, CONTAINER_OF(m, struct connection, msg));
	else if (m->kind == NET_LOAD)
		output_loaded(m);
	else
		n->net->spec->on_home(n, n->net->spec->app, m);
}

static void on_question(void *arg, struct msg *m)
{
	struct network *n = arg;
	struct cluster_picture *q;

	ASSERT(m->kind == CLUSTER_PICTURE);
	q = CONTAINER_OF(m, struct cluster_picture, msg);
	if (n->cluster != NULL)
		cluster_unref(&n->cluster);
	n->cluster = q->cluster;
	q->cluster = NULL;
	actor_answer(&n->actor, m);
}

/* --- the turn -------------------------------------------------------------------------------- */

static void poll_now(struct network *n, mono_ms timeout_ms)
{
	n->event_count = os_poller_wait(n->os, n->poller, n->events, NET_EVENTS, timeout_ms);
}

/* On loan there is nothing to look at: its own thread waits in the poller, and brings what that says. */
static int look_at_sockets(struct network *n)
{
	int work;

	if (n->actor.is_on_loan)
		return 0;
	if (!n->has_polled)
		poll_now(n, 0);
	for (int i = 0; i < n->event_count; i++)
		connection_on_event(n->events[i].data, n->events[i].events);
	work = n->event_count;
	n->event_count = 0;
	n->has_polled = false;
	return work;
}

static int look_at_deadlines(struct network *n)
{
	mono_ms idle_ms = n->net->spec->max_idle_ms;
	struct timer *t;
	int work = 0;

	for (; (t = timers_pop(&n->parks, n->now)) != NULL; work++)
		call_resume(&CONTAINER_OF(t, struct net_call, park)->call);
	for (; (t = timers_pop(&n->mutes, n->now)) != NULL; work++)
		network_add_work(CONTAINER_OF(t, struct connection, mute));
	for (; idle_ms > 0 && !list_empty(&n->open); work++) {
		struct connection *c = LIST_ENTRY(n->open.next, struct connection, in_open);
		if (n->now - c->last_event < idle_ms)
			break;
		COUNT(n, idle_closed, 1);
		connection_close(c);
	}
	return work;
}

static int wake_resumed(struct network *n)
{
	struct list *e;
	int work = 0;

	for (; work < NET_EVENTS && (e = list_pop_front(&n->resumed)) != NULL; work++)
		call_woken(LIST_ENTRY(e, struct net_call, in_resumed));
	return work;
}

/* Who was asked and sleeps runs now, on this thread, so that its answers leave with this step. They may ask again. */
static int hear_the_asked(struct network *n)
{
	int work = 0;

	for (int i = 0, heard = 1; heard > 0 && i < NETWORK_HEAR_ROUNDS && n->actor.wake_count > 0; i++) {
		mono_ns begin = n->now_ns;

		actor_hear_asked(&n->actor);
		refresh_clock(n);	/* their disk may have held them, and so us */
		if (n->now_ns - begin > NETWORK_HELD_NS)
			n->held_until = n->now_ns + NETWORK_SHUNS_NS;
		heard = actor_drain_answers(&n->actor, on_answer, n);
		work += heard + wake_resumed(n);
	}
	return work;
}

bool network_serves_one(const struct network *n)
{
	return n->busy_connections <= 1 && n->now_ns >= n->held_until;
}

static int wake_stalled(struct network *n)
{
	int room = NET_CALLS - (n->calls_in_use - n->busy_connections), work = 0;
	struct list *e;

	for (; work < room && (e = list_pop_front(&n->stalled)) != NULL; work++)
		network_add_work(LIST_ENTRY(e, struct connection, in_stalled));
	return work;
}

static int settle_connections(struct network *n)
{
	int work = 0;

	if (!list_empty(&n->work))
		refresh_clock(n);
	for (int i = 0; i < NETWORK_SETTLE_ROUNDS && !list_empty(&n->work); i++) {
		struct list round = n->work;
		struct list *e;

		/* the round is what is there now; settling adds anew */
		round.next->prev = round.prev->next = &round;
		list_init(&n->work);
		for (; (e = list_pop_front(&round)) != NULL; work++)
			connection_settle(LIST_ENTRY(e, struct connection, in_work));
	}
	return work;
}

static mono_ms earliest_deadline(const struct network *n)
{
	mono_ms deadline = MIN(timers_next(&n->parks), timers_next(&n->mutes));
	mono_ms idle_ms = n->net->spec->max_idle_ms;

	if (n->asks.count > 0)
		deadline = MIN(deadline, n->now + NETWORK_ASK_RETRY_MS);
	if (idle_ms > 0 && !list_empty(&n->open)) {
		const struct connection *c = LIST_ENTRY(n->open.next, struct connection, in_open);
		deadline = MIN(deadline, c->last_event + idle_ms);
	}
	return deadline;
}

/* The calls that are out end by themselves, now that nobody waits for them; see call_detach and
 * call_park. */
static void begin_stop(struct network *n)
{
	while (!list_empty(&n->open))
		connection_close(LIST_ENTRY(n->open.next, struct connection, in_open));
	__atomic_store_n(&n->is_stopping, true, __ATOMIC_RELEASE);
}

/* Nothing is left to do but for what sockets, mail and the clock bring. */
static bool is_settled(const struct network *n)
{
	return list_empty(&n->work) && list_empty(&n->resumed) && list_empty(&n->stalled) && list_empty(&n->closed)
	    && n->asks.count == 0 && !n->is_stopping && n->actor.deadline > n->now;
}

/* So many connections are busy that others of them send while one is answered: what a sleep costs is shared by all that has come when it ends. */
static bool has_many_busy(const struct network *n)
{
	const struct list *e = n->open.prev;

	for (int i = 1; i < NETWORK_MANY && e != &n->open; i++)
		e = e->prev;
	return e != &n->open && n->now - LIST_ENTRY(e, struct connection, in_open)->last_event <= NETWORK_MANY_MS;
}

static int network_step(struct actor *a, mono_ms now)
{
	struct network *n = CONTAINER_OF(a, struct network, actor);
	int work;

	n->now = now;
	refresh_clock(n);
	lend_new_seats(n);
	if (net_has_stopped(n) && !n->is_stopping)
		begin_stop(n);
	work = look_at_sockets(n);
	if (work > 0)
		refresh_clock(n);
	work += actor_drain_questions(a, NETWORK_QUESTIONS, on_question, n);
	work += actor_drain_answers(a, on_answer, n);
	work += look_at_deadlines(n);
	work += wake_resumed(n);
	work += wake_stalled(n);
	work += hear_the_asked(n);
	work += settle_connections(n);
	work += return_seats(n);
	work += retry_asks(n);
	if (n->is_stopping) {
		__atomic_store_n(&n->is_quiet, n->calls_in_use == 0, __ATOMIC_RELEASE);
		/* not sent yet, so that the scheduler does not know of them */
		work += n->asks.count;
	}
	a->deadline = list_empty(&n->closed) ? earliest_deadline(n) : n->now;
	if (n->net->may_spin && !a->is_on_loan)
		n->serves_many = has_many_busy(n);
	a->is_settled = work > 0 && is_settled(n);
	return work;
}

/*
 * A look may swallow the poller's wake, and whoever finds the actor poked sends no other: so a poke
 * ends the looking as mail does, read after the look. While a turn is on loan the mail is the borrower's.
 */
static bool has_news(const struct actor *a)
{
	uint32_t rest = __atomic_load_n(&a->rest, __ATOMIC_SEQ_CST);

	return rest != ACTOR_ON_LOAN && (rest != ACTOR_ASLEEP || actor_has_new_mail(a));
}

/*
 * Before it sleeps the actor looks a few times more, as long as that has lately been worth it: in a
 * virtual machine a sleep costs 20 us of latency and as much CPU as the looking. Where nothing
 * comes, or the one who would send waits for this very CPU, the looks get rarer by the power of
 * two.
 */
static bool look_again(struct network *n)
{
	mono_ns until;

	if (n->serves_many)
		return false;
	if (n->spin_skip > 0) {
		n->spin_skip--;
		return false;
	}
	until = os_mono_ns(n->os) + NETWORK_SPIN_NS;
	do {
		poll_now(n, 0);
		if (n->event_count > 0 || has_news(&n->actor)) {
			n->spin_pause /= 2;
			return true;
		}
	} while (os_mono_ns(n->os) < until);
	n->spin_pause = MIN(n->spin_pause * 2 + 1, NETWORK_SPIN_PAUSE_MAX);
	n->spin_skip = n->spin_pause;
	return false;
}

static void network_wait(struct actor *a, mono_ms until)
{
	struct network *n = CONTAINER_OF(a, struct network, actor);
	mono_ms ms = until == MONO_NEVER ? -1 : MAX(until - os_mono_ms(n->os), 0);

	n->has_polled = true;
	if (ms == 0 || !n->net->may_spin || !look_again(n))
		poll_now(n, ms);
}

static void network_wake(struct actor *a)
{
	struct network *n = CONTAINER_OF(a, struct network, actor);

	os_poller_wake(n->os, n->poller);
}

static const struct actor_ops network_ops = {
	.module = "net", .lends_to_its_like = true, .step = network_step, .wait = network_wait, .wake = network_wake,
};

/* --- beginning and end ----------------------------------------------------------------------- */

enum err network_init(struct network *n, struct net *net, int index)
{
	struct list *lists[] = {
		&n->open, &n->closed, &n->work, &n->stalled, &n->free_calls, &n->resumed,
	};

	n->net = net;
	n->os = net->os;
	n->index = index;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
	actor_init(&n->actor, net->spec->sched, &network_ops, LANE_NETWORK_FIRST + index,
	           "network/%d", index);
	n->chunk = mem_alloc(NET_CHUNK);
	if (net->spec->measures)
		n->times = mem_calloc((size_t)net->spec->row_count, sizeof(*n->times));
	return os_poller_create(n->os, &n->poller);
}

void network_fini(struct network *n)
{
	ASSERT(list_empty(&n->open) && list_empty(&n->closed) && n->asks.count == 0);
	calls_fini(n);
	frame_pool_fini(&n->frames);
	timers_fini(&n->parks);
	timers_fini(&n->mutes);
	free(n->asks.items);
	free(n->chunk);
	free(n->times);
	if (n->cluster != NULL)
		cluster_unref(&n->cluster);
	if (n->poller != NULL)
		os_poller_destroy(n->os, &n->poller);
	actor_fini(&n->actor);
}

/* --- for handlers ---------------------------------------------------------------------------- */

void *network_slot(struct network *n, int slot)
{
	ASSERT(slot >= 0 && slot < NETWORK_SLOT_COUNT);
	return n->slots[slot];
}

void network_set_slot(struct network *n, int slot, void *value)
{
	ASSERT(slot >= 0 && slot < NETWORK_SLOT_COUNT);
	n->slots[slot] = value;
}

struct actor *network_actor(struct network *n)
{
	return &n->actor;
}

void *network_app(struct network *n)
{
	return n->net->spec->app;
}

int network_index(const struct network *n)
{
	return n->index;
}
