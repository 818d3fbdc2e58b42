/*
 * Messages from hand to hand: lanes, the shared stack, answers, and who must be woken.
 *
 * Guarantee: a message that was sent is seen by a step of its receiver that begins after the
 * sending, and no receiver sleeps for good beside mail. What makes it hard: sender and receiver
 * each write one place and read the other, without a lock.
 *
 * (1) Does a drain miss a question whose bit it has cleared?
 *	asker:    E  enqueue into the lane		receiver: S  pending := 0, take the old bits
 *	          B  pending |= bit				  D  drain the lanes of these bits
 *     E is before B (fetch_or releases), S before D (exchange acquires). If S took the bit, it read
 *     from B, so D sees E. If S did not, B comes after S and the bit is still there for the next
 *     drain. A bit whose lane was not drained to its end stays in `todo`.
 *
 * (2) Does a receiver sleep beside a question or an answer?
 *	sender:   P  publish: B, or push an answer	receiver: A  rest := ASLEEP (announce)
 *	          F1 fence: P before R			          F2 fence: A before C
 *	          R  read rest				          C  look at pending and answers
 *     With a full fence on both sides not both R and C can miss: either R reads ASLEEP and the
 *     sender wakes, or C reads what P wrote and the receiver does not go to sleep. P is an atomic
 *     read-modify-write, so F1 is ck_pr_fence_atomic_load, which costs nothing on x86. F2 is
 *     ck_pr_fence_memory in sched_threads.c. The futex compares rest with ASLEEP again, so a wake
 *     between C and the wait is not lost either; an actor with its own wait has a poller, whose
 *     wake sticks.
 *
 * (3) A wake is sent late, at the end of the sender's step, and only if the receiver is then still
 *     asleep (compare-and-swap): the one of several senders who swaps makes the system call. That
 *     the receiver is still alive then, see actor_join.
 *
 * (4) The turns of an actor that lends them: from ASLEEP one thread swaps to ON_LOAN and is in the
 *     place of the receiver above; it announces (A, from ON_LOAN to ASLEEP), looks (C), and if there
 *     is mail takes the turn again as anybody may. Who finds ON_LOAN in R leaves it at that, as with
 *     AWAKE. Only the swaps of `rest` give the turn from thread to thread, so what one wrote in its
 *     turn the next one sees; and what is looked at after an announcement is what others
 *     write, never the receiver's own (todo, deadline), because a borrower may be at it. From
 *     ON_LOAN who wants its own thread swaps to RECALLED, and that thread, when it comes by itself,
 *     to AWAITED; the borrower then cannot announce, and pokes it.
 */
#include "actor/actor_priv.h"

#include <stdlib.h>
#include <string.h>

#define BORROW_ROUNDS 8	/* at the end of one step; who is to be woken then is woken */
#define LANE_QUANTUM 16		/* questions taken from one lane before the next one's turn */

struct lane {
	ck_ring_t         ring;
	struct actor     *asker;	/* the one producer */
	ck_ring_buffer_t *slots;	/* behind this struct */
};

void msg_init(struct msg *m, uint16_t kind, struct actor *home)
{
	*m = (struct msg){ .kind = kind, .home = home, .at = MSG_HOME };
}

/* --- wakes ------------------------------------------------------------------------------------ */

static void wake_now(struct actor *by, struct actor *a)
{
	if (actor_rest_swap(a, ACTOR_ASLEEP, ACTOR_POKED) != ACTOR_ASLEEP)
		return;		/* it woke by itself, or somebody else was quicker */
	if (by != NULL)
		counter_add(&by->counters.wakes_sent, 1);
	if (a->ops->wake != NULL)
		a->ops->wake(a);
	else
		os_futex_wake(a->sched->os, &a->rest, 1);
}

static bool may_borrow(const struct actor *by, const struct actor *from)
{
	return from->ops->lends_turns || (from->ops->lends_to_its_like && from->ops == by->ops);
}

static void wake_later(struct actor *by, struct actor *a, bool is_light);

/*
 * One look at the list. Wakes first: they run while we borrow. No borrower borrows in a borrowed turn, the stack would have no bound: what such a turn asks for is put
 * on the list of the actor whose thread it is, and has its round there.
 */
static void flush_round(struct actor *a, struct actor *thread_of, bool spares_its_like)
{
	struct actor *list[ARRAY_LEN(a->wake_list)];
	int count = a->wake_count, kept = 0;
	uint32_t heavy = a->wake_heavy;

	memcpy(list, a->wake_list, (size_t)count * sizeof(*list));
	a->wake_count = 0;
	a->wake_heavy = 0;
	for (int i = 0; i < count; i++) {
		struct actor *to = list[i];

		if ((heavy & 1u << i) != 0 || thread_of == NULL || !may_borrow(thread_of, to))
			wake_now(a, to);
		else if (spares_its_like && to->ops->lends_to_its_like)
			wake_later(a, to, true);
		else if (thread_of == a)
			list[kept++] = to;
		else if (thread_of->wake_count < (int)ARRAY_LEN(thread_of->wake_list))
			wake_later(thread_of, to, true);
		else
			wake_now(a, to);
	}
	for (int i = 0; i < kept; i++)
		a->sched->ops->borrow_turns(list[i]);
}

void actor_hear_asked(struct actor *a)
{
	if (a->wake_count > 0)
		flush_round(a, a->is_on_loan ? a->borrower : a, true);
}

void actor_flush_wakes(struct actor *a)
{
	struct actor *thread_of = a->is_on_loan ? a->borrower : a;

	for (int round = 0; a->wake_count > 0; round++)
		flush_round(a, round < BORROW_ROUNDS ? thread_of : NULL, false);
}

static void wake_later(struct actor *by, struct actor *a, bool is_light)
{
	int i = 0;

	while (i < by->wake_count && by->wake_list[i] != a)
		i++;
	if (i == ARRAY_LEN(by->wake_list)) {
		actor_flush_wakes(by);
		i = 0;
	}
	if (i == by->wake_count)
		by->wake_list[by->wake_count++] = a;
	if (!is_light)
		by->wake_heavy |= 1u << i;
}

/* After a message was published to a. by == NULL: not from within a step, on a thread that is there to wait. */
static void wake_for_mail(struct actor *by, struct actor *a, bool is_light)
{
	ck_pr_fence_atomic_load();	/* F1 */
	if (__atomic_load_n(&a->rest, __ATOMIC_SEQ_CST) != ACTOR_ASLEEP)
		return;
	if (by != NULL)
		wake_later(by, a, is_light);
	else if (a->ops->lends_turns)
		a->sched->ops->borrow_turns(a);
	else
		wake_now(NULL, a);
}

void actor_wake(struct actor *a)
{
	/* The caller's news before the read of rest: a step that begins after it sees them. */
	ck_pr_fence_memory();
	uint32_t was = ACTOR_AWAKE;
	while (was == ACTOR_AWAKE || was == ACTOR_ON_LOAN) {	/* until the swap succeeds, or another state needs none */
		uint32_t found = actor_rest_swap(a, was, was == ACTOR_AWAKE ? ACTOR_POKED : ACTOR_RECALLED);

		if (found == was)
			return;
		was = found;
	}
	if (was != ACTOR_ASLEEP)
		return;
	if (actor_current() != NULL)
		wake_later(actor_current(), a, false);
	else
		wake_now(NULL, a);
}

/* --- questions -------------------------------------------------------------------------------- */

/* The lane from `from` into `to`, made when first used. Only `from` publishes this slot. */
static struct lane *lane_of(struct actor *from, struct actor *to)
{
	struct lane *l = to->lanes[from->lane];

	if (UNLIKELY(l == NULL)) {
		l = mem_alloc(sizeof(*l) + to->lane_slots * sizeof(ck_ring_buffer_t));
		l->asker = from;
		l->slots = (ck_ring_buffer_t *)(l + 1);
		ck_ring_init(&l->ring, to->lane_slots);
		__atomic_store_n(&to->lanes[from->lane], l, __ATOMIC_RELEASE);
	}
	ASSERT(l->asker == from);	/* two askers with one lane number */
	return l;
}

bool actor_ask(struct actor *from, struct actor *to, struct msg *m)
{
	int bit = from->lane == LANE_NONE ? LANE_SHARED : from->lane;

	ASSERT_OWNER(from);
	ASSERT(m->home == from);
	ASSERT(m->at == MSG_HOME);
	m->to = to;
	m->at = MSG_TO_RECEIVER;
	if (from->lane == LANE_NONE) {
		msg_push(&to->shared, m);
	} else {
		struct lane *l = lane_of(from, to);

		HANDED_OVER(m);
		if (!ck_ring_enqueue_spsc(&l->ring, l->slots, m)) {
			m->at = MSG_HOME;
			counter_add(&from->counters.lane_full, 1);
			return false;
		}
	}
	from->messages_out++;
	__atomic_fetch_or(&to->pending, UINT64_C(1) << bit, __ATOMIC_SEQ_CST);
	wake_for_mail(from, to, m->is_light);
	return true;
}

static void dispatch_question(struct actor *a, struct msg *m, msg_dispatch *dispatch, void *arg)
{
	ASSERT(m->at == MSG_TO_RECEIVER);
	ASSERT(m->to == a);
	m->at = MSG_AT_RECEIVER;
	a->at_hand = m;
	dispatch(arg, m);
	a->at_hand = NULL;
}

static struct msg *take_shared(struct actor *a)
{
	ck_stack_entry_t *e = a->shared_rest;

	if (e == NULL)
		e = msg_list_reverse(ck_stack_batch_pop_upmc(&a->shared));
	if (e == NULL)
		return NULL;
	a->shared_rest = e->next;
	return msg_of(e);
}

static struct msg *take_lane(struct lane *l)
{
	struct msg *m;

	if (!ck_ring_dequeue_spsc(&l->ring, l->slots, &m))
		return NULL;
	TAKEN_OVER(m);
	return m;
}

static bool lane_is_empty(const struct actor *a, int lane)
{
	if (lane == LANE_SHARED)
		return a->shared_rest == NULL && ck_pr_load_ptr(&a->shared.head) == NULL;
	return ck_ring_size(&a->lanes[lane]->ring) == 0;
}

/* Up to max questions of one lane; clears its bit in todo when the lane is empty. */
static int drain_lane(struct actor *a, int lane, int max, msg_dispatch *dispatch, void *arg)
{
	struct lane *l = NULL;
	int n = 0;

	if (lane != LANE_SHARED)
		l = __atomic_load_n(&a->lanes[lane], __ATOMIC_ACQUIRE);

	for (; n < max; n++) {
		struct msg *m = l == NULL ? take_shared(a) : take_lane(l);

		if (m == NULL)
			break;
		dispatch_question(a, m, dispatch, arg);
	}
	if (lane_is_empty(a, lane))
		a->todo &= ~(UINT64_C(1) << lane);
	return n;
}

/* The first lane behind the one served last, round the circle. There is one. */
static int next_lane(const struct actor *a)
{
	uint64_t behind = a->todo & (~UINT64_C(1) << a->lane_cursor);

	return __builtin_ctzll(behind != 0 ? behind : a->todo);
}

int actor_drain_questions(struct actor *a, int max, msg_dispatch *dispatch, void *arg)
{
	int n = 0;

	ASSERT_OWNER(a);
	if (__atomic_load_n(&a->pending, __ATOMIC_RELAXED) != 0)
		a->todo |= __atomic_exchange_n(&a->pending, 0, __ATOMIC_SEQ_CST);
	if (a->todo & (UINT64_C(1) << LANE_CONTROLLER))
		n = drain_lane(a, LANE_CONTROLLER, max, dispatch, arg);
	while (n < max && a->todo != 0) {
		a->lane_cursor = next_lane(a);
		n += drain_lane(a, a->lane_cursor, MIN(max - n, LANE_QUANTUM), dispatch, arg);
	}
	if (n > 0)
		counter_add(&a->counters.questions, (uint64_t)n);
	return n;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Pushes m home. An outsider (by == NULL) is counted while it touches the home: actor_join waits. */
static void send_home(struct actor *by, struct msg *m)
{
	struct actor *home = m->home;
	struct sched *s = home->sched;

	if (by == NULL)
		__atomic_fetch_add(&s->outsiders, 1, __ATOMIC_SEQ_CST);
	msg_push(&home->answers, m);	/* from here on m is not ours */
	wake_for_mail(by, home, home->ops->lends_to_its_like);
	if (by == NULL)
		__atomic_fetch_sub(&s->outsiders, 1, __ATOMIC_SEQ_CST);
}

void actor_answer(struct actor *from, struct msg *m)
{
	ASSERT(from == NULL || actor_current() == from);
	ASSERT(m->at == MSG_AT_RECEIVER);
	m->at = MSG_TO_HOME;
	send_home(from, m);
}

void actor_lend(struct actor *from, struct msg *m)
{
	ASSERT_OWNER(from);
	ASSERT(m->home == from);
	ASSERT(m->at == MSG_HOME);
	m->to = NULL;
	m->at = MSG_AT_RECEIVER;
	from->messages_out++;
}

void actor_post(struct msg *m)
{
	ASSERT(m->at == MSG_HOME);
	m->at = MSG_POSTED;
	send_home(actor_current(), m);
}

ck_stack_entry_t *msg_list_reverse(ck_stack_entry_t *latest)
{
	ck_stack_entry_t *oldest = NULL;

	while (latest != NULL) {
		ck_stack_entry_t *next;

		TAKEN_OVER(msg_of(latest));
		next = latest->next;
		latest->next = oldest;
		oldest = latest;
		latest = next;
	}
	return oldest;
}

int actor_drain_answers(struct actor *a, msg_dispatch *dispatch, void *arg)
{
	ck_stack_entry_t *e, *next;
	int n = 0;

	ASSERT_OWNER(a);
	if (ck_pr_load_ptr(&a->answers.head) == NULL)
		return 0;
	for (e = msg_list_reverse(ck_stack_batch_pop_upmc(&a->answers)); e != NULL; e = next) {
		struct msg *m = msg_of(e);

		next = e->next;		/* dispatch may send m again or free it */
		ASSERT(m->home == a);
		ASSERT(m->at == MSG_TO_HOME || m->at == MSG_POSTED);
		if (m->at == MSG_TO_HOME)
			a->messages_out--;
		m->at = MSG_HOME;
		a->at_hand = m;
		dispatch(arg, m);
		n++;
	}
	a->at_hand = NULL;
	counter_add(&a->counters.answers, (uint64_t)n);
	return n;
}

int actor_waiting(const struct actor *a)
{
	unsigned n = 0;

	for (int i = 0; i < ACTOR_LANES; i++) {
		const struct lane *l = ck_pr_load_ptr(&a->lanes[i]);

		if (l != NULL)
			n += ck_ring_size(&l->ring);
	}
	return (int)n;
}

bool actor_has_new_mail(const struct actor *a)
{
	return __atomic_load_n(&a->pending, __ATOMIC_SEQ_CST) != 0 || ck_pr_load_ptr(&a->answers.head) != NULL;
}

bool actor_has_mail(const struct actor *a)
{
	return a->todo != 0 || actor_has_new_mail(a);
}

bool actor_may_end(const struct actor *a)
{
	return __atomic_load_n(&a->stop_wanted, __ATOMIC_ACQUIRE)
	    && !actor_has_mail(a) && a->messages_out == 0;
}

void actor_fini(struct actor *a)
{
	ASSERT(!actor_has_mail(a));
	ASSERT(a->messages_out == 0);
	ASSERT(a->wake_count == 0);
	ASSERT(a->sched_slot == NULL);
	for (int i = 0; i < ACTOR_LANES; i++)
		free(a->lanes[i]);
}
