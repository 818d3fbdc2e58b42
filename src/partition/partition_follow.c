/*
 * Following: what a fetcher brings is appended as it came, and what the leader never had is cut off.
 *
 * A question carries the leader epoch under which its fetcher worked. What does not fit the role in force is refused without a look at the rest: bytes fetched from one
 * leader must never end in a log that follows another, whose history may part from it below them. The high watermark follows the leader's, also downwards: that of
 * a new leader may lag. An answer that tells where histories part carries no watermark that would be believed (KAFKA-14704): a truncation only lowers it.
 */
#include "partition/partition_priv.h"

enum partition_mutant partition_mutant_for_tests = PARTITION_MUTANT_NONE;

static bool follows(const struct partition *p, int32_t leader_epoch)
{
	return p->has_role && !partition_leads(p) && p->leader_epoch == leader_epoch;
}

/* --- appending -------------------------------------------------------------------------------------------------------------------- */

static enum kafka_error append_fetched(struct partition *p, struct slice batches)
{
	enum err e = log_append_fetched(p->log, batches, os_time_ms(p->spec.log.os));

	if (err_is_passing(e) && !p->is_full)
		LOG_WARN(&p->actor.log, disk_full, KV_STR("dir", p->dir), KV_ERR(e));
	if (e == OK && p->is_full)
		LOG_INFO(&p->actor.log, disk_has_room);
	p->is_full = err_is_passing(e);
	if (e == OK)
		return NONE;
	if (p->is_full)
		return CORRUPT_MESSAGE;		/* the fetcher pauses and comes again */
	if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
		LOG_WARN(&p->actor.log, fetched_refused, KV_ERR(e), KV_I64("end", log_end_offset(p->log)));
		return CORRUPT_MESSAGE;
	}
	partition_storage_failed(p, "append", e);
	return KAFKA_STORAGE_ERROR;
}

static enum kafka_error follow_leader(struct partition *p, const struct partition_replicate *m)
{
	int64_t start = log_start_offset(p->log);

	log_set_high_watermark(p->log, MAX(start, MIN(m->leader_high_watermark, log_end_offset(p->log))));
	if (m->leader_log_start_offset <= start)
		return NONE;
	return err_to_kafka(log_raise_start_offset(p->log, m->leader_log_start_offset));
}

void partition_on_replicate(struct partition *p, struct partition_replicate *m)
{
	m->error = NONE;
	m->log_end_offset = m->log_start_offset = -1;
	m->last_epoch = -1;
	if (!follows(p, m->leader_epoch))
		m->error = FENCED_LEADER_EPOCH;
	else if (m->fetch_offset != log_end_offset(p->log))
		m->error = OFFSET_OUT_OF_RANGE;
	else if (m->batches.len > 0)
		m->error = append_fetched(p, m->batches);
	if (m->error == NONE)
		m->error = follow_leader(p, m);
	if (partition_is_usable(p) && m->error != FENCED_LEADER_EPOCH) {
		m->log_end_offset = log_end_offset(p->log);
		m->log_start_offset = log_start_offset(p->log);
		m->last_epoch = log_latest_epoch(p->log);
	}
	actor_answer(&p->actor, &m->msg);
}

/* --- cutting ---------------------------------------------------------------------------------------------------------------------- */

/*
 * The leader says: of the epoch that was asked about, or the nearest below it that I know, the end is here. Our own history may not have that epoch either (KIP-279);
 * then we cut to where ours leaves the epochs below it, and ask again about what is last there.
 */
static int64_t parting(const struct partition *p, const struct partition_truncate *m, bool *is_complete)
{
	int64_t end = log_end_offset(p->log), our_end;
	int32_t our_epoch;

	*is_complete = true;
	if (m->end_offset < 0)
		return log_high_watermark(p->log);
	if (m->epoch < 0 || partition_mutant_for_tests == PARTITION_MUTANT_IGNORE_RETURNED_EPOCH)
		return MIN(m->end_offset, end);
	log_end_offset_for_epoch(p->log, m->epoch, &our_epoch, &our_end);
	if (our_end < 0)
		return MIN(m->end_offset, end);
	*is_complete = our_epoch == m->epoch;
	return MIN(our_end, *is_complete ? MIN(m->end_offset, end) : end);
}

static enum err cut(struct partition *p, int64_t to)
{
	if (to < log_high_watermark(p->log))
		LOG_WARN(&p->actor.log, truncated_below_high_watermark, KV_I64("to", to), KV_I64("high_watermark", log_high_watermark(p->log)),
		         KV_I64("end", log_end_offset(p->log)));
	else if (to < log_end_offset(p->log))
		LOG_INFO(&p->actor.log, truncated, KV_I64("to", to), KV_I64("end", log_end_offset(p->log)));
	enum err e = partition_clean_will_cut(p, to);
	return e != OK ? e : log_truncate_to(p->log, to);	/* also at the end: it may know of an epoch in which nothing was appended (KAFKA-10706) */
}

static enum err cut_as_asked(struct partition *p, struct partition_truncate *m)
{
	enum err e;

	switch (m->how) {
	case TRUNCATE_DIVERGING: {
		int64_t to = parting(p, m, &m->is_complete);

		return partition_mutant_for_tests == PARTITION_MUTANT_NO_VALIDATION ? OK : cut(p, to);
	}
	case TRUNCATE_TO:
		return cut(p, m->end_offset);
	case TRUNCATE_RESTART:
		LOG_WARN(&p->actor.log, log_restarted, KV_I64("at", m->end_offset), KV_I64("end", log_end_offset(p->log)));
		e = partition_clean_will_cut(p, m->end_offset);
		return e != OK ? e : log_truncate_fully_and_start_at(p->log, m->end_offset);
	}
	return ERR_INTERNAL;
}

void partition_on_truncate(struct partition *p, struct partition_truncate *m)
{
	enum err e = OK;

	m->error = NONE;
	m->is_complete = true;
	m->log_end_offset = m->last_epoch = -1;
	if (!follows(p, m->leader_epoch))
		m->error = FENCED_LEADER_EPOCH;
	else if (m->end_offset < 0 && m->how != TRUNCATE_DIVERGING)
		m->error = OFFSET_OUT_OF_RANGE;
	else
		e = cut_as_asked(p, m);
	if (err_is_passing(e) || e == ERR_AGAIN) {
		if (e != ERR_AGAIN)	/* else a compaction comes to its end first */
			LOG_WARN(&p->actor.log, disk_full, KV_STR("dir", p->dir), KV_ERR(e));
		m->error = CORRUPT_MESSAGE;
		m->is_complete = false;
	} else if (e != OK) {
		m->error = KAFKA_STORAGE_ERROR;
		partition_storage_failed(p, "truncate", e);
	} else if (m->error == NONE) {
		partition_copy_cut(p);
		m->log_end_offset = log_end_offset(p->log);
		m->last_epoch = log_latest_epoch(p->log);
	}
	actor_answer(&p->actor, &m->msg);
}
