/*
 * What a leader knows of its followers, the in-sync set that follows from it, and the high watermark that follows from both.
 *
 * Two sets: the committed one is what the coordination store is known to hold; the maximal one also has the replica that a change under way would add, and keeps those
 * that it would remove. The high watermark waits for the maximal set, because each of its members may be elected at any moment; what is promised (min.insync.replicas,
 * the flush rule) counts on the committed one only, and the flush rule not on those about to leave it. When a change comes back without a word on whether it was applied, it stays pending until the next role: the
 * most careful view is the one that cannot be wrong.
 *
 * A partition with one replica has none of this but two numbers.
 */
#include "partition/partition_priv.h"

#include <stdlib.h>

#define ISR_RESEND_MS 50	/* after an error that says nothing about the change itself */
#define SYNC_WAIT_MS  50	/* looks again whether what must be on the disk first is there */

/* --- members ---------------------------------------------------------------------------------------------------------------------- */

static struct partition_member *member_find(const struct partition_isr *isr, int32_t broker_id)
{
	for (int i = 0; isr != NULL && i < isr->count; i++) {
		if (isr->members[i].broker_id == broker_id)
			return (struct partition_member *)(uintptr_t)&isr->members[i];
	}
	return NULL;
}

static struct partition_member *member_add(struct partition_isr *isr, int32_t broker_id)
{
	struct partition_member *e = member_find(isr, broker_id);

	if (e == NULL) {
		e = &isr->members[isr->count++];
		*e = (struct partition_member){ .broker_id = broker_id, .log_end_offset = -1, .log_start_offset = -1, .leader_end_offset = -1,
		                                .fetched = MONO_LONG_AGO, .caught_up = MONO_LONG_AGO };
	}
	return e;
}

static bool is_self(const struct partition *p, const struct partition_member *e)
{
	return e->broker_id == p->spec.broker_id;
}

bool partition_isr_has_replica(const struct partition *p, int32_t broker_id)
{
	const struct partition_member *e = member_find(p->isr, broker_id);

	return e != NULL && e->is_replica && !is_self(p, e);
}

int32_t partition_isr_min(const struct partition *p)
{
	return MIN(p->config.min_insync_replicas, p->replica_count);
}

static bool is_caught_up(const struct partition *p, const struct partition_member *e, mono_ms now)
{
	return e->log_end_offset == log_end_offset(p->log) || now - e->caught_up <= p->spec.replica_lag_time_max_ms;
}

static void count_sets(struct partition *p)
{
	p->isr_count = p->isr_count_max = p->isr_count_sure = 0;
	for (int i = 0; i < p->isr->count; i++) {
		const struct partition_member *e = &p->isr->members[i];

		p->isr_count += e->is_in_sync;
		p->isr_count_max += e->is_in_sync || e->is_joining;
		p->isr_count_sure += e->is_in_sync && !e->is_leaving;
	}
	if (p->isr_count_sure == 1)
		partition_flush_all(p);
}

/* Nothing is asked for: the committed set is the maximal one. */
static void settle(struct partition *p)
{
	struct partition_isr *isr = p->isr;

	isr->state = ISR_COMMITTED;
	isr->resend_due = MONO_NEVER;
	for (int i = 0; i < isr->count; i++)
		isr->members[i].is_joining = isr->members[i].is_leaving = false;
	count_sets(p);
}

static bool is_alone(const struct partition *p, const struct partition_role *role)
{
	return role->replica_count == 1 && role->isr_count == 1 && role->replicas[0] == p->spec.broker_id && role->isr[0] == p->spec.broker_id;
}

static struct partition_isr *isr_create(int members_max)
{
	struct partition_isr *isr = mem_calloc(1, sizeof(*isr) + (size_t)members_max * sizeof(isr->members[0]));

	isr->resend_due = isr->check_due = MONO_NEVER;
	isr->even_end = -1;
	return isr;
}

void partition_isr_begin(struct partition *p, const struct partition_role *role, bool goes_on, mono_ms now)
{
	struct partition_isr *old = p->isr, *isr;

	p->is_change_current = false;
	p->isr = NULL;
	p->replica_count = p->isr_count = p->isr_count_max = p->isr_count_sure = 1;
	if (is_alone(p, role)) {
		partition_flush_all(p);
		free(old);
		return;
	}
	isr = p->isr = isr_create(role->replica_count + role->isr_count);
	for (int32_t i = 0; i < role->replica_count; i++)
		member_add(isr, role->replicas[i])->is_replica = true;
	p->replica_count = isr->count;
	for (int32_t i = 0; i < role->isr_count; i++)
		member_add(isr, role->isr[i])->is_in_sync = true;
	for (int i = 0; i < isr->count; i++) {
		struct partition_member *e = &isr->members[i];
		const struct partition_member *before = goes_on ? member_find(old, e->broker_id) : NULL;

		e->caught_up = e->is_in_sync ? now : MONO_LONG_AGO;
		if (before != NULL) {		/* what it has acknowledged to this leader stays acknowledged */
			e->log_end_offset = before->log_end_offset;
			e->log_start_offset = before->log_start_offset;
			e->leader_end_offset = log_end_offset(p->log);
			e->fetched = e->caught_up;
			e->is_live = before->is_live;
		}
	}
	free(old);
	settle(p);
}

void partition_isr_end(struct partition *p)
{
	free(p->isr);
	p->isr = NULL;
	p->is_change_current = false;
	p->isr_count = p->isr_count_max = p->isr_count_sure = 0;
}

/* --- the high watermark ----------------------------------------------------------------------------------------------------------- */

/* Must the high watermark wait for this one? Who is about to join is waited for, or a leader alone could outrun it for ever; not who is gone (KAFKA-15021). */
static bool holds_back(const struct partition *p, const struct partition_member *e, mono_ms now)
{
	if (is_self(p, e) || !e->is_replica)
		return false;
	return e->is_in_sync || e->is_joining || (e->is_live && is_caught_up(p, e, now));
}

void partition_raise_high_watermark(struct partition *p)
{
	int64_t to;

	if (!partition_leads(p) || p->isr_count < partition_isr_min(p))
		return;
	to = log_end_offset(p->log);
	if (p->isr != NULL) {
		mono_ms now = os_mono_ms(p->spec.log.os);

		for (int i = 0; i < p->isr->count; i++) {
			if (holds_back(p, &p->isr->members[i], now))
				to = MIN(to, p->isr->members[i].log_end_offset);
		}
	}
	if (to > log_high_watermark(p->log))
		log_set_high_watermark(p->log, to);
}

/* --- changes ---------------------------------------------------------------------------------------------------------------------- */

static void change_send(struct partition *p)
{
	struct partition_isr_change *m = p->change;

	ASSERT(!p->is_change_out);
	if (m == NULL)
		m = p->change = mem_calloc(1, sizeof(*m));
	msg_init(&m->msg, PARTITION_ISR_CHANGE, &p->actor);
	m->partition = partition_addr_ref(p->addr);
	m->leader_epoch = p->leader_epoch;
	m->partition_epoch = p->partition_epoch;
	m->isr_count = 0;
	for (int i = 0; i < p->isr->count && m->isr_count < REPLICAS_MAX; i++) {
		const struct partition_member *e = &p->isr->members[i];

		if ((e->is_in_sync && !e->is_leaving) || e->is_joining)
			m->isr[m->isr_count++] = e->broker_id;
	}
	p->isr->resend_due = MONO_NEVER;
	p->is_change_out = p->is_change_current = true;
	bool is_asked = actor_ask(&p->actor, p->spec.controller, &m->msg);

	ASSERT(is_asked);	/* who has no lane is never declined */
}

static void change_begin(struct partition *p)
{
	p->isr->state = ISR_ASKED;
	count_sets(p);
	change_send(p);
}

static bool may_change(const struct partition *p)
{
	return p->isr->state == ISR_COMMITTED && !p->is_change_out && p->spec.controller != NULL && p->stop == NULL;
}

/*
 * A replica may join when it holds all that is committed. Holding up to the high watermark is not enough while that of a new leader still lags behind what its
 * predecessor had committed; the start of its epoch is past all of that (KAFKA-7128).
 */
static void join_if_caught_up(struct partition *p, struct partition_member *e)
{
	if (e->is_in_sync || !e->is_live || !may_change(p) || e->log_end_offset < MAX(log_high_watermark(p->log), p->epoch_start_offset))
		return;
	e->is_joining = true;
	partition_count(&p->addr->isr_expands, 1);
	LOG_INFO(&p->actor.log, isr_expanding, KV_I32("broker", e->broker_id), KV_I64("its_end", e->log_end_offset), KV_I64("end", log_end_offset(p->log)));
	change_begin(p);
}

/* In the set without being a replica: told so by a set older than the assignment (KAFKA-9672). */
static bool is_out_of_sync(const struct partition *p, const struct partition_member *e, mono_ms now)
{
	return e->is_in_sync && !is_self(p, e) && (!e->is_replica || !is_caught_up(p, e, now));
}

/* What a larger set was promised to hold without a sync must be on this disk before this replica is all that is left of the set. */
static bool is_alone_too_early(struct partition *p, int leaving)
{
	if (p->isr_count - leaving > 1 || p->spec.flush_acks == FLUSH_ACKS_NEVER || partition_is_durable(p, log_high_watermark(p->log)))
		return false;
	p->flush_wanted = true;
	return true;
}

static void shrink(struct partition *p, mono_ms now)
{
	bool is_wanted = false;
	int leaving = 0;

	for (int i = 0; i < p->isr->count; i++)
		leaving += is_out_of_sync(p, &p->isr->members[i], now);
	if (leaving > 0 && is_alone_too_early(p, leaving)) {
		p->isr->check_due = now + SYNC_WAIT_MS;
		return;
	}
	for (int i = 0; i < p->isr->count; i++) {
		struct partition_member *e = &p->isr->members[i];

		if (!is_out_of_sync(p, e, now))
			continue;
		if (!is_wanted)
			partition_count(&p->addr->isr_shrinks, 1);
		e->is_leaving = is_wanted = true;
		LOG_INFO(&p->actor.log, isr_shrinking, KV_I32("broker", e->broker_id), KV_I64("its_end", e->log_end_offset),
		         KV_I64("end", log_end_offset(p->log)));
	}
	if (is_wanted)
		change_begin(p);
}

/* Who is at the end of the log stays in sync for as long as nothing is appended: an idle partition needs no clock. */
static bool may_fall_behind(const struct partition *p)
{
	for (int i = 0; i < p->isr->count; i++) {
		const struct partition_member *e = &p->isr->members[i];

		if (e->is_in_sync && !is_self(p, e) && (!e->is_replica || e->log_end_offset != log_end_offset(p->log)))
			return true;
	}
	return false;
}

/*
 * Nobody asks us again while nothing is appended (api/fetch.c spares us followers without news), so when something is, the last fetch of a follower may be long ago. Who was at the end
 * until then was caught up until then.
 */
static void leave_evenness(struct partition_isr *isr, mono_ms now)
{
	for (int i = 0; i < isr->count; i++) {
		struct partition_member *e = &isr->members[i];

		if (e->is_in_sync && e->log_end_offset >= isr->even_end)
			e->caught_up = MAX(e->caught_up, now);
	}
}

void partition_isr_upkeep(struct partition *p, mono_ms now)
{
	struct partition_isr *isr = p->isr;

	if (isr == NULL || p->spec.controller == NULL || p->stop != NULL)
		return;
	bool is_even = !may_fall_behind(p);
	if (!is_even && isr->even_end >= 0)
		leave_evenness(isr, now);
	isr->even_end = is_even ? log_end_offset(p->log) : -1;
	if (isr->state == ISR_ASKED && !p->is_change_out && now >= isr->resend_due)
		change_send(p);
	if (now >= isr->check_due) {
		isr->check_due = MONO_NEVER;
		if (may_change(p))
			shrink(p, now);
	}
	if (isr->check_due == MONO_NEVER && isr->state == ISR_COMMITTED && !is_even)
		isr->check_due = now + MAX(p->spec.replica_lag_time_max_ms / 2, 1);
}

mono_ms partition_isr_deadline(const struct partition *p)
{
	return p->isr == NULL || p->stop != NULL ? MONO_NEVER : MIN(p->isr->check_due, p->isr->resend_due);
}

/* The set that is in force now, as the controller said. */
static void commit(struct partition *p, const struct partition_isr_change *m)
{
	int32_t n = MIN(MAX(m->new_isr_count, 0), REPLICAS_MAX);
	struct partition_isr *isr = isr_create(p->isr->count + n), *old = p->isr;

	isr->check_due = old->check_due;
	isr->even_end = old->even_end;
	for (int i = 0; i < old->count; i++) {
		isr->members[i] = old->members[i];
		isr->members[i].is_in_sync = false;
	}
	isr->count = old->count;
	for (int32_t i = 0; i < n; i++)
		member_add(isr, m->new_isr[i])->is_in_sync = true;
	free(old);
	p->isr = isr;
	p->partition_epoch = m->new_partition_epoch;
	settle(p);
	LOG_INFO(&p->actor.log, isr_changed, KV_I32("isr_count", p->isr_count), KV_I32("replica_count", p->replica_count),
	         KV_I32("partition_epoch", p->partition_epoch));
	partition_raise_high_watermark(p);		/* nobody waits for who has left (KAFKA-13091) */
}

/* It was not applied, and the controller knows that. */
static void take_back(struct partition *p, bool is_refused)
{
	for (int i = 0; i < p->isr->count; i++) {
		if (p->isr->members[i].is_joining && is_refused)
			p->isr->members[i].is_live = false;	/* until it fetches again */
	}
	settle(p);
	partition_raise_high_watermark(p);
}

static bool is_any_of(enum kafka_error error, const enum kafka_error *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == error)
			return true;
	}
	return false;
}

static void take_outcome(struct partition *p, const struct partition_isr_change *m)
{
	static const enum kafka_error not_applied[] = { OPERATION_NOT_ATTEMPTED, INELIGIBLE_REPLICA };
	static const enum kafka_error unsure[] = { UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, INVALID_REQUEST,
	                                           NEW_LEADER_ELECTED };

	if (m->error == NONE && m->new_leader_epoch == p->leader_epoch && m->new_partition_epoch >= p->partition_epoch) {
		commit(p, m);
		return;
	}
	if (is_any_of(m->error, not_applied, ARRAY_LEN(not_applied)))
		take_back(p, m->error == INELIGIBLE_REPLICA);
	else if (m->error == NONE || is_any_of(m->error, unsure, ARRAY_LEN(unsure)))
		p->isr->state = ISR_UNSURE;	/* NONE: the set of another role, which is on its way here */
	else
		p->isr->resend_due = os_mono_ms(p->spec.log.os) + ISR_RESEND_MS;
	LOG_INFO(&p->actor.log, isr_change_refused, KV_STR("reason", kafka_error_name((int16_t)m->error)));
}

void partition_on_isr_change_home(struct partition *p)
{
	struct partition_isr_change *m = p->change;

	p->is_change_out = false;
	partition_addr_unref(&m->partition);
	if (!p->is_change_current || !partition_is_usable(p) || p->stop != NULL)
		return;		/* the role has changed meanwhile, and brought its own set */
	ASSERT(p->isr != NULL && p->isr->state == ISR_ASKED);
	take_outcome(p, m);
}

/* --- what followers and readers ask ----------------------------------------------------------------------------------------------- */

void partition_isr_fetched(struct partition *p, const struct partition_read *m, int64_t leader_end_offset)
{
	struct partition_member *e = member_find(p->isr, m->replica_id);

	ASSERT(e != NULL && m->fetch_offset <= leader_end_offset);
	if (m->fetch_offset >= leader_end_offset)
		e->caught_up = MAX(e->caught_up, m->received);
	else if (m->fetch_offset >= e->leader_end_offset)
		e->caught_up = MAX(e->caught_up, e->fetched);
	e->log_end_offset = m->fetch_offset;
	e->log_start_offset = m->follower_log_start_offset;
	e->leader_end_offset = MAX(e->leader_end_offset, leader_end_offset);
	e->fetched = m->received;
	e->is_live = m->follower_is_live;
	join_if_caught_up(p, e);
	partition_raise_high_watermark(p);
}

static bool names(const int32_t *ids, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

int64_t partition_isr_low_watermark(const struct partition *p, const int32_t *live, int32_t live_count)
{
	int64_t low = log_start_offset(p->log);

	for (int i = 0; p->isr != NULL && i < p->isr->count; i++) {
		const struct partition_member *e = &p->isr->members[i];

		if (!is_self(p, e) && e->is_replica && names(live, live_count, e->broker_id))
			low = MIN(low, e->log_start_offset);
	}
	return low;
}

void partition_isr_choices(const struct partition *p, struct partition_read *m)
{
	if (m->choices == NULL || !partition_leads(p))
		return;
	if (m->choices_max > 0)
		m->choices[m->choices_count++] = (struct partition_reader_choice){ p->spec.broker_id, log_end_offset(p->log), MONO_NEVER };
	for (int i = 0; p->isr != NULL && i < p->isr->count && m->choices_count < m->choices_max; i++) {
		const struct partition_member *e = &p->isr->members[i];

		if (!is_self(p, e) && e->is_replica && e->is_in_sync && e->log_end_offset >= m->fetch_offset && e->log_start_offset <= m->fetch_offset)
			m->choices[m->choices_count++] = (struct partition_reader_choice){ e->broker_id, e->log_end_offset, e->caught_up };
	}
}
