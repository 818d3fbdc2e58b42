/*
 * A leader's turn: which question is next. One is under way at a time, and the next is not asked before everything that the last one brought is home from the partitions: so a
 * Fetch always tells the true log ends, and a Fetch without news is one message in replica.fetch.wait.max.ms.
 *
 * First the replicas whose end is in doubt (to be cut, asking for an epoch, out of range), then one Fetch for all that may be fetched.
 */
#include "replica/fetcher_priv.h"

#include <stdlib.h>

#define NEWCOMERS_WAIT_MS 10

void leader_look(struct leader *l)
{
	l->next_look = 0;
}

/* --- calls ------------------------------------------------------------------------------------------------------------------------ */

struct client_call *leader_call(struct leader *l, enum api_key key, int16_t version, void (*on_done)(struct client_call *))
{
	struct client_call *call = client_call_create(l->fetcher->client, key, on_done, l);

	ASSERT(l->call == NULL && l->answer == NULL && l->out == 0);
	call->version = version;
	call->answer_timeout_ms = l->fetcher->all->config->replica_socket_timeout_ms;
	if (++l->number == 0)
		l->number = 1;
	l->is_waiting = l->has_newcomers = false;
	l->call = call;
	return call;
}

void leader_send(struct leader *l)
{
	struct fetcher *f = l->fetcher;

	fetcher_count(&f->counters.requests, 1);
	l->asked_at = f->now;
	client_call_send(l->call, l->id, f->all->config->replica_socket_timeout_ms);
}

/* The question as a whole has failed: everybody who is pulled from there waits. */
void leader_failed(struct leader *l, const char *problem)
{
	struct fetcher *f = l->fetcher;

	fetcher_count(&f->counters.errors, 1);
	if (l->failures++ == 0)
		LOG_WARN(&f->actor.log, leader_unreachable, KV_I32("leader", l->id), KV_STR("why", problem));
	l->ready_at = fetcher_rested(f);
}

void leader_is_lost(struct leader *l)
{
	uint64_t note = ((uint64_t)l->id + 1) << 32 | (uint32_t)l->fetcher->now;

	__atomic_store_n(&l->fetcher->lost, note, __ATOMIC_RELAXED);
}

void leader_succeeded(struct leader *l)
{
	if (l->failures > 0 && l->fetcher->lost >> 32 == (uint64_t)l->id + 1)
		__atomic_store_n(&l->fetcher->lost, 0, __ATOMIC_RELAXED);
	if (l->failures > 0)
		LOG_INFO(&l->fetcher->actor.log, leader_reachable, KV_I32("leader", l->id));
	l->failures = 0;
}

bool leader_lend(struct pull *p, struct msg *m)
{
	if (!partition_ask(&p->fetcher->actor, p->addr, m)) {
		/* It has stopped: the controller will say so. A lane cannot be full, as there is one message at most. */
		pull_back_off(p);
		return false;
	}
	p->is_out = true;
	p->leader->out++;
	return true;
}

/* --- the turn --------------------------------------------------------------------------------------------------------------------- */

struct look {
	bool    has[PULL_FAILED + 1];	/* somebody is in this state and ready */
	mono_ms next;			/* when the first of the others is */
};

static bool is_ready(struct pull *p, mono_ms *next)
{
	*next = p->ready_at;
	if (p->state == PULL_FAILED) {
		*next = MONO_NEVER;
		return false;
	}
	if (p->ready_at > p->fetcher->now)
		return false;
	return p->state != PULL_FETCHING || pull_is_fetchable(p, next);
}

static struct look look_at_pulls(struct leader *l)
{
	struct look k = { .next = MONO_NEVER };
	mono_ms next;

	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (is_ready(p, &next))
			k.has[p->state] = true;
		else
			k.next = MIN(k.next, next);
	}
	return k;
}

static void cut_all(struct leader *l)
{
	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (p->state == PULL_CUTTING && p->ready_at <= l->fetcher->now)
			pull_cut(p);
	}
}

/*
 * A question that waits for records keeps out those who were assigned since: they might be the only ones whom somebody waits for. After a moment, in which it mostly ends by
 * itself, it is dropped with its connection, which ends it at the leader. At a failover newcomers come in several portions within milliseconds, and writers wait for each; so what must pass before the
 * next is dropped doubles each time, until it is as long as a question waits without records.
 */
static void hurry(struct leader *l)
{
	struct fetcher *f = l->fetcher;
	mono_ms longest = f->all->config->replica_fetch_wait_max_ms;
	mono_ms at = MAX(l->asked_at + NEWCOMERS_WAIT_MS, l->hurried_at + l->hurry_pause);

	if (at > f->now) {
		l->next_look = at;
		return;
	}
	l->hurry_pause = f->now - l->hurried_at > 2 * longest ? NEWCOMERS_WAIT_MS : MIN(2 * l->hurry_pause, longest);
	l->hurried_at = f->now;
	client_call_destroy(&l->call);
	client_node_hang_up(f->client, l->id, 0);
	session_failed(&l->session);
}

int leader_turn(struct leader *l)
{
	struct look k;

	if (l->next_look > l->fetcher->now)
		return 0;
	l->next_look = MONO_NEVER;
	if (l->call != NULL && l->is_waiting && l->has_newcomers)
		hurry(l);
	if (l->call != NULL || l->out > 0)
		return 0;		/* what comes home looks again */
	client_call_destroy(&l->answer);
	if (l->ready_at > l->fetcher->now) {
		l->next_look = l->ready_at;
		return 0;
	}
	k = look_at_pulls(l);
	if (k.has[PULL_CUTTING])
		cut_all(l);
	else if (k.has[PULL_ASKING_EPOCH])
		leader_ask_epochs(l);
	else if (k.has[PULL_ASKING_END])
		leader_ask_offsets(l, PULL_ASKING_END);
	else if (k.has[PULL_ASKING_START])
		leader_ask_offsets(l, PULL_ASKING_START);
	else if (k.has[PULL_FETCHING])
		leader_ask_fetch(l);
	else {
		l->next_look = k.next;
		return 0;
	}
	if (l->call == NULL && l->out == 0)	/* nobody to ask after all: they rest */
		leader_look(l);
	return 1;
}
