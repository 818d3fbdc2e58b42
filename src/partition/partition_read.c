/*
 * Reading: ranges for fetches, offsets by time, ends of epochs; and the watches that tell a network actor that asking again is worth it.
 *
 * A read answers with a file and a range, never with bytes. What a consumer may see ends at the high watermark or the last stable offset; a follower sees the
 * log's end.
 */
#include "partition/partition_priv.h"

static bool is_replica(const struct partition *p, int32_t broker_id)
{
	for (int32_t i = 0; i < p->role.replica_count; i++) {
		if (p->role.replicas[i] == broker_id)
			return true;
	}
	return false;
}

static int64_t read_bound(const struct partition *p, int32_t replica_id, enum isolation isolation)
{
	if (replica_id >= 0)
		return log_end_offset(p->log);
	return isolation == ISOLATION_READ_COMMITTED ? log_last_stable_offset(p->log) : log_high_watermark(p->log);
}

static enum kafka_error read_check(const struct partition *p, const struct partition_read *m)
{
	if (!uuid_is_zero(m->topic_id) && !uuid_is_zero(p->addr->topic_id) && !uuid_eq(m->topic_id, p->addr->topic_id))
		return INCONSISTENT_TOPIC_ID;
	enum kafka_error error = partition_check_leader(p, m->current_leader_epoch < 0 ? INT32_MIN : m->current_leader_epoch,
	                                                 m->replica_id >= 0 || !m->any_replica);
	if (error != NONE)
		return error;
	if (m->replica_id >= 0 && (m->replica_id == p->spec.broker_id || !is_replica(p, m->replica_id)))
		return m->current_leader_epoch >= 0 ? UNKNOWN_LEADER_EPOCH : NOT_LEADER_OR_FOLLOWER;
	return NONE;
}

/* KIP-595: a reader whose log has another history than ours is told where they part. True when it was told, or refused. */
static bool read_diverges(const struct partition *p, struct partition_read *m)
{
	int32_t epoch;
	int64_t end;

	if (m->last_fetched_epoch < 0)
		return false;
	log_end_offset_for_epoch(p->log, m->last_fetched_epoch, &epoch, &end);
	if (epoch < 0 || m->fetch_offset < log_start_offset(p->log)) {
		m->error = OFFSET_OUT_OF_RANGE;
		return true;
	}
	if (epoch < m->last_fetched_epoch || end < m->fetch_offset) {
		m->diverging_epoch = epoch;
		m->diverging_end_offset = end;
		return true;
	}
	return false;
}

static void read_range(struct partition *p, struct partition_read *m)
{
	int64_t bound = read_bound(p, m->replica_id, m->isolation);

	if (m->fetch_offset < log_start_offset(p->log) || m->fetch_offset > log_end_offset(p->log)) {
		m->error = OFFSET_OUT_OF_RANGE;
		return;
	}
	enum err e = log_read(p->log, m->fetch_offset, bound, m->max_bytes, m->first_whole, &m->range);
	if (e != OK) {
		m->error = e == ERR_OUT_OF_RANGE ? OFFSET_OUT_OF_RANGE : KAFKA_STORAGE_ERROR;
		if (e != ERR_OUT_OF_RANGE)
			partition_storage_failed(p, "read", e);
		return;
	}
	m->bytes_to_bound = log_bytes_between(p->log, m->fetch_offset, bound, INT32_MAX);
	if (m->isolation == ISOLATION_READ_COMMITTED && m->replica_id < 0 && m->range.len > 0)
		m->aborted_count = log_aborted_transactions(p->log, m->fetch_offset, m->range.end_offset_hint, m->aborted, m->aborted_max);
}

void partition_on_read(struct partition *p, struct partition_read *m)
{
	m->range = (struct log_range){ 0 };
	m->diverging_epoch = -1;
	m->diverging_end_offset = -1;
	m->aborted_count = 0;
	m->bytes_to_bound = 0;
	m->leader_id = p->role.leader;
	m->leader_epoch = p->role.leader_epoch;
	m->error = read_check(p, m);
	if (m->error == NONE && !read_diverges(p, m))
		read_range(p, m);
	if (m->error == NONE) {
		m->high_watermark = log_high_watermark(p->log);
		m->last_stable_offset = log_last_stable_offset(p->log);
		m->log_start_offset = log_start_offset(p->log);
	} else {
		m->high_watermark = m->last_stable_offset = m->log_start_offset = -1;
	}
	actor_answer(&p->actor, &m->msg);
}

/* --- watches -------------------------------------------------------------------------------------------------------------------- */

static bool watch_has_news(const struct partition *p, const struct partition_watch *w)
{
	return w->seen_high_watermark != log_high_watermark(p->log) || w->seen_last_stable_offset != log_last_stable_offset(p->log) ||
	       w->seen_leader_epoch != p->role.leader_epoch ||
	       (w->seen_log_end_offset != INT64_MIN && w->seen_log_end_offset != log_end_offset(p->log));
}

void partition_on_watch(struct partition *p, struct partition_watch *m)
{
	if (watch_has_news(p, m))
		actor_answer(&p->actor, &m->msg);
	else
		list_push_back(&p->watches, &m->wait);
}

void partition_answer_watches(struct partition *p)
{
	LIST_FOREACH(e, &p->watches) {
		struct partition_watch *w = LIST_ENTRY(e, struct partition_watch, wait);

		if (watch_has_news(p, w)) {
			list_remove(e);
			actor_answer(&p->actor, &w->msg);
		}
	}
}

void partition_drop_watches(struct partition *p)
{
	struct list *e;

	while ((e = list_pop_front(&p->watches)) != NULL)
		actor_answer(&p->actor, &LIST_ENTRY(e, struct partition_watch, wait)->msg);
}

/* --- offsets ---------------------------------------------------------------------------------------------------------------------- */

/* Latest: the bound the asker may see. Earliest: the log start, with the epoch of the history's first entry if that reaches so far back. */
static enum kafka_error list_special(const struct partition *p, struct partition_list_offsets *m, int64_t bound)
{
	int64_t start = log_start_offset(p->log);

	switch (m->timestamp) {
	case LIST_OFFSETS_LATEST:
		m->found = (struct log_time_offset){ -1, bound, p->role.leader_epoch };
		return NONE;
	case LIST_OFFSETS_EARLIEST:
	case LIST_OFFSETS_EARLIEST_LOCAL:
		m->found = (struct log_time_offset){ -1, start, log_epoch_at(p->log, start) };
		return NONE;
	case LIST_OFFSETS_LATEST_TIERED:
		return NONE;
	default:
		return UNSUPPORTED_VERSION;
	}
}

static enum kafka_error list_by_time(struct partition *p, struct partition_list_offsets *m, int64_t bound)
{
	struct log_time_offset found;
	enum err e = m->timestamp == LIST_OFFSETS_MAX_TIMESTAMP ? log_offset_of_max_timestamp(p->log, &found)
	                                                         : log_offset_for_timestamp(p->log, m->timestamp, &found);

	if (e != OK) {
		partition_storage_failed(p, "offset by time", e);
		return KAFKA_STORAGE_ERROR;
	}
	if (found.offset >= 0 && (found.offset < bound || m->timestamp == LIST_OFFSETS_MAX_TIMESTAMP))
		m->found = found;
	return NONE;
}

void partition_on_list_offsets(struct partition *p, struct partition_list_offsets *m)
{
	m->found = (struct log_time_offset){ -1, -1, -1 };
	m->offsets_count = 0;
	m->error = partition_check_leader(p, m->current_leader_epoch == -1 ? INT32_MIN : m->current_leader_epoch, m->replica_id != REPLICA_DEBUG);
	if (m->error == NONE) {
		int64_t bound = m->replica_id == REPLICA_DEBUG ? log_end_offset(p->log) : read_bound(p, m->replica_id, m->isolation);
		/* after an election, until the high watermark has reached the new epoch's start, an answer might go back behind an earlier one */
		bool is_settled = m->replica_id != REPLICA_CONSUMER || log_high_watermark(p->log) >= p->epoch_start_offset;

		if (m->old_style)
			m->offsets_count = log_offsets_before(p->log, m->timestamp, m->replica_id == REPLICA_CONSUMER ? log_high_watermark(p->log) : INT64_MAX,
			                                      m->offsets, MIN(m->max_offsets, m->offsets_max));
		else if (m->timestamp >= 0 || m->timestamp == LIST_OFFSETS_MAX_TIMESTAMP)
			m->error = list_by_time(p, m, bound);
		else
			m->error = list_special(p, m, bound);
		if (m->error == NONE && !is_settled && !m->old_style &&
		    (m->timestamp == LIST_OFFSETS_LATEST || (m->timestamp >= 0 && m->found.offset < 0)))
			m->error = OFFSET_NOT_AVAILABLE;
	}
	actor_answer(&p->actor, &m->msg);
}

void partition_on_epoch_end(struct partition *p, struct partition_epoch_end *m)
{
	m->epoch = -1;
	m->end_offset = -1;
	m->error = partition_check_leader(p, m->current_leader_epoch == -1 ? INT32_MIN : m->current_leader_epoch, true);
	if (m->error == NONE)
		log_end_offset_for_epoch(p->log, m->leader_epoch, &m->epoch, &m->end_offset);
	actor_answer(&p->actor, &m->msg);
}

void partition_on_describe(struct partition *p, struct partition_describe *m)
{
	m->error = NONE;
	m->size_bytes = log_size_bytes(p->log);
	m->log_end_offset = log_end_offset(p->log);
	m->high_watermark = log_high_watermark(p->log);
	m->producers_count = m->producers != NULL ? log_producers(p->log, m->producers, m->producers_max) : 0;
	actor_answer(&p->actor, &m->msg);
}
