/*
 * Appending, and waiting until an append may be answered.
 *
 * Appends of one step become one log_append: one pwritev for all of them. An acks=1 append is answered when it is written. An acks=all append is parked on
 * p->waiting, in order of the offset it needs, until
 *	high watermark >= need  and  (committed in-sync set >= 2, whatever becomes of a change under way, or  synced >= need)		log.flush.acks=auto
 * which survives any single failure: of the machine's memory (a sync or a second replica), or of a replica. `always` wants the sync from acks=1 too; `never`
 * wants none. The data stays in the log whichever way the wait ends.
 */
#include "base/probe.h"
#include "partition/partition_priv.h"
#include "record/batch.h"

/*
 * How long after a refusal a gap in a producer's sequence is put down to it: longer than the producer's other requests are under way. Who asked a leader before
 * it knew that it was one, or had its followers, comes again at once; a gap that has another reason must not wait for long.
 */
#define FULL_EXCUSES_MS  10000
#define EARLY_EXCUSES_MS 3000

static void append_answer(struct partition *p, struct partition_append *m, enum kafka_error error)
{
	m->error = error;
	if (error == NONE && p->is_elected && p->hook->on_marker != NULL && m->append.is_coordinator && batch_is_control(m->append.batch))
		p->hook->on_marker(p->hook->arg, p->addr, slice_of(m->append.batch, m->append.batch_bytes));
	actor_answer(&p->actor, &m->msg);
}

static void append_refuse(struct partition *p, struct partition_append *m, enum kafka_error error)
{
	m->base_offset = m->log_append_time = m->log_start_offset = -1;
	append_answer(p, m, error);
}

/* From now on a gap is put down to an append that was refused with this error. */
static void append_excuse(struct partition *p, enum kafka_error error, mono_ms until)
{
	p->excuse = error;
	p->excuses_until = until;
}

/* Kafka's order: leadership before the in-sync set, both before a byte is written. */
static enum kafka_error append_check(const struct partition *p, const struct partition_append *m)
{
	if (!partition_is_of_topic(p, m->topic_id))
		return INCONSISTENT_TOPIC_ID;
	if (!partition_leads(p))
		return NOT_LEADER_OR_FOLLOWER;
	if (m->acks == -1 && p->isr_count < partition_isr_min(p))
		return NOT_ENOUGH_REPLICAS;
	return NONE;
}

void partition_on_append(struct partition *p, struct partition_append *m)
{
	/* A hook's may have waited here while the leadership went and came back: what it says was true in the old epoch. */
	bool is_old = m->msg.home == &p->actor && m->leader_epoch != p->leader_epoch;

	m->leader_id = p->has_role ? p->leader : -1;
	m->leader_epoch = p->has_role ? p->leader_epoch : -1;
	enum kafka_error error = is_old ? NOT_LEADER_OR_FOLLOWER : append_check(p, m);
	if ((error == NOT_LEADER_OR_FOLLOWER && !is_old) || error == NOT_ENOUGH_REPLICAS)
		append_excuse(p, error, os_mono_ms(p->spec.log.os) + EARLY_EXCUSES_MS);
	if (error != NONE) {
		append_refuse(p, m, error);
		return;
	}
	p->batch[p->batch_count++] = m;
	if (p->batch_count == LOG_APPEND_MAX)
		partition_write_batch(p, os_mono_ms(p->spec.log.os));
}

/* Has all that this append waits for happened? */
static bool append_is_done(const struct partition *p, const struct partition_append *m)
{
	if (m->acks == -1 && log_high_watermark(p->log) < m->need_offset)
		return false;
	switch (p->spec.flush_acks) {
	case FLUSH_ACKS_NEVER:
		return true;
	case FLUSH_ACKS_AUTO:
		return m->acks != -1 || p->isr_count_sure >= 2 || partition_is_durable(p, m->need_offset);
	case FLUSH_ACKS_ALWAYS:
		return m->acks == 0 || partition_is_durable(p, m->need_offset);
	}
	return true;
}

static void append_park(struct partition *p, struct partition_append *m, mono_ms now)
{
	struct list *at = p->waiting.prev;

	m->written_at = os_mono_ms(p->spec.log.os);
	m->deadline = m->acks == -1 ? now + MAX(m->timeout_ms, 0) : MONO_NEVER;
	while (at != &p->waiting && LIST_ENTRY(at, struct partition_append, wait)->need_offset > m->need_offset)
		at = at->prev;		/* only a duplicate's old offset goes further than one step */
	list_insert_before(at->next, &m->wait);
	if (p->spec.flush_acks != FLUSH_ACKS_NEVER && !partition_is_durable(p, m->need_offset) &&
	    (p->spec.flush_acks == FLUSH_ACKS_ALWAYS || p->isr_count_sure < 2))
		p->flush_wanted = true;
}

/*
 * One append's result, as the log gave it. What a producer has sent behind an append that found no room, or no leader yet (the first was here before the
 * controller's word, the second after it), or too few in sync, leaves a gap. OUT_OF_ORDER_SEQUENCE_NUMBER would make librdkafka begin a new epoch, in which it sends again, under
 * new sequence numbers, what this log or other partitions may have: duplicates. It gets the error of the append that is missing, and comes again behind that.
 */
static void append_written(struct partition *p, struct partition_append *m, mono_ms now)
{
	const struct log_append *a = &m->append;

	if (a->error == OUT_OF_ORDER_SEQUENCE_NUMBER && now < p->excuses_until) {
		append_refuse(p, m, p->excuse);
		return;
	}
	if (a->error != NONE) {
		m->base_offset = m->log_append_time = -1;
		m->log_start_offset = a->error == OUT_OF_ORDER_SEQUENCE_NUMBER || a->error == INVALID_PRODUCER_EPOCH ? log_start_offset(p->log) : -1;
		append_answer(p, m, a->error);
		return;
	}
	m->base_offset = a->base_offset;
	m->log_start_offset = log_start_offset(p->log);
	m->log_append_time = a->is_duplicate ? a->max_timestamp : -1;
	m->need_offset = a->last_offset + 1;
	if (!a->is_duplicate) {
		partition_count(&p->addr->records_in, (uint64_t)(a->last_offset - a->base_offset) + 1);
		partition_count(&p->addr->bytes_in, a->batch_bytes);
		PROBE(append, p->addr->topic, p->addr->partition, a->base_offset, a->batch_bytes);
	}
	if (append_is_done(p, m))
		append_answer(p, m, NONE);
	else
		append_park(p, m, now);
}

void partition_write_batch(struct partition *p, mono_ms now)
{
	struct log_append *appends[LOG_APPEND_MAX];
	int n = p->batch_count;

	if (n == 0)
		return;
	p->batch_count = 0;
	for (int i = 0; i < n; i++)
		appends[i] = &p->batch[i]->append;
	int64_t end_before = log_end_offset(p->log);
	enum err e = log_append(p->log, appends, n, p->leader_epoch, os_time_ms(p->spec.log.os));

	if (err_is_passing(e)) {
		if (!p->is_full)
			LOG_WARN(&p->actor.log, disk_full, KV_STR("dir", p->dir), KV_ERR(e));
		p->is_full = true;
		append_excuse(p, KAFKA_STORAGE_ERROR, now + FULL_EXCUSES_MS);
	} else if (e == OK && p->is_full && log_end_offset(p->log) > end_before) {	/* a refused append shows no room */
		LOG_INFO(&p->actor.log, disk_has_room);
		p->is_full = false;
	} else if (e != OK) {
		for (int i = 0; i < n; i++)
			append_refuse(p, p->batch[i], KAFKA_STORAGE_ERROR);
		partition_storage_failed(p, "append", e);
		return;
	}
	/* On a full disk some may have been written before it was; each carries its own answer. */
	partition_raise_high_watermark(p);
	for (int i = 0; i < n; i++)
		append_written(p, p->batch[i], now);
}

/* The high watermark has passed, but the set, also the one that may be in force, is below the minimum by now: Kafka tells the producer so. */
static enum kafka_error append_outcome(const struct partition *p, const struct partition_append *m)
{
	return m->acks == -1 && p->isr_count_max < partition_isr_min(p) ? NOT_ENOUGH_REPLICAS_AFTER_APPEND : NONE;
}

void partition_answer_waiting(struct partition *p, mono_ms now)
{
	LIST_FOREACH(e, &p->waiting) {
		struct partition_append *m = LIST_ENTRY(e, struct partition_append, wait);

		if (append_is_done(p, m)) {
			list_remove(e);
			append_answer(p, m, append_outcome(p, m));
		} else if (now >= m->deadline) {
			list_remove(e);
			append_answer(p, m, REQUEST_TIMED_OUT);
		}
	}
}

void partition_fail_waiting(struct partition *p, enum kafka_error error)
{
	struct list *e;

	while ((e = list_pop_front(&p->waiting)) != NULL) {
		struct partition_append *m = LIST_ENTRY(e, struct partition_append, wait);

		m->leader_id = p->leader;
		m->leader_epoch = p->leader_epoch;
		append_answer(p, m, error);
	}
}

mono_ms partition_waiting_deadline(const struct partition *p)
{
	mono_ms earliest = MONO_NEVER;

	LIST_FOREACH(e, &p->waiting)
		earliest = MIN(earliest, LIST_ENTRY(e, struct partition_append, wait)->deadline);
	return earliest;
}
