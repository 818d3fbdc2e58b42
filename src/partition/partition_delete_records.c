/*
 * DeleteRecords: the log start goes up, and the answer waits until that of every replica which is alive has followed: from then on no election brings the records back.
 *
 * A start is on the disk when the upkeep of the log directories has noted it (log.flush.start.offset.checkpoint.interval.ms): killed before, a leader that comes back as such
 * has the records again, as in Kafka.
 *
 * A copy on its way to another log directory is not waited for, as Kafka waits: it takes over the start when it takes the log's place (log_move.c), so nothing comes back by it.
 *
 * Followers hear of it with their next fetch, and tell with the one after. Whole segments below the start go with the next look for old records (partition_retain.c).
 */
#include "partition/partition_priv.h"

/* Kafka's order. */
static enum kafka_error check(const struct partition *p, const struct partition_delete_records *m)
{
	if (!partition_leads(p))
		return NOT_LEADER_OR_FOLLOWER;
	if ((p->config.cleanup_policy & CLEANUP_DELETE) == 0)
		return POLICY_VIOLATION;
	return m->offset < 0 ? OFFSET_OUT_OF_RANGE : NONE;
}

static void answer(struct partition *p, struct partition_delete_records *m, enum kafka_error error)
{
	m->error = error;
	if (error != NONE)
		m->low_watermark = -1;
	actor_answer(&p->actor, &m->msg);
}

static bool is_done(const struct partition *p, struct partition_delete_records *m)
{
	m->low_watermark = partition_isr_low_watermark(p, m->live, m->live_count);
	return m->low_watermark >= m->offset;
}

void partition_on_delete_records(struct partition *p, struct partition_delete_records *m)
{
	if (m->offset == DELETE_RECORDS_TO_HIGH_WATERMARK)
		m->offset = log_high_watermark(p->log);
	enum kafka_error error = check(p, m);

	if (error == NONE) {
		enum err e = log_raise_start_offset(p->log, m->offset);

		ASSERT(e == OK || e == ERR_OUT_OF_RANGE);
		error = err_to_kafka(e);
	}
	if (error != NONE || is_done(p, m)) {
		answer(p, m, error);
		return;
	}
	m->deadline = os_mono_ms(p->spec.log.os) + MAX(m->timeout_ms, 0);
	list_push_back(&p->deletions, &m->wait);
}

void partition_answer_deletions(struct partition *p, mono_ms now)
{
	LIST_FOREACH(e, &p->deletions) {
		struct partition_delete_records *m = LIST_ENTRY(e, struct partition_delete_records, wait);
		bool done = is_done(p, m);

		if (!done && now < m->deadline)
			continue;
		list_remove(e);
		answer(p, m, done ? NONE : REQUEST_TIMED_OUT);
	}
}

void partition_fail_deletions(struct partition *p, enum kafka_error error)
{
	struct list *e;

	while ((e = list_pop_front(&p->deletions)) != NULL)
		answer(p, LIST_ENTRY(e, struct partition_delete_records, wait), error);
}

mono_ms partition_deletions_deadline(const struct partition *p)
{
	mono_ms earliest = MONO_NEVER;

	LIST_FOREACH(e, &p->deletions)
		earliest = MIN(earliest, LIST_ENTRY(e, struct partition_delete_records, wait)->deadline);
	return earliest;
}
