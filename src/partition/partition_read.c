/*
 * Reading: ranges for fetches, ends of epochs; and the watches that tell a network actor that asking again is worth it.
 *
 * A read answers with a file and a range, never with bytes. What a consumer may see ends at the high watermark or the last stable offset; a follower sees the
 * log's end, and where its fetch begins is what it acknowledges: partition_isr.c. A read that fails, or is told where histories part, acknowledges nothing.
 */
#include "partition/partition_priv.h"

int64_t partition_read_bound(const struct partition *p, int32_t replica_id, enum isolation isolation)
{
	if (replica_id >= 0)
		return log_end_offset(p->log);
	return isolation == ISOLATION_READ_COMMITTED ? log_last_stable_offset(p->log) : log_high_watermark(p->log);
}

static enum kafka_error read_check(const struct partition *p, const struct partition_read *m)
{
	if (!partition_is_of_topic(p, m->topic_id))
		return INCONSISTENT_TOPIC_ID;
	enum kafka_error error = partition_check_leader(p, m->current_leader_epoch < 0 ? INT32_MIN : m->current_leader_epoch,
	                                                 m->replica_id >= 0 || !m->any_replica);
	if (error != NONE)
		return error;
	if (m->replica_id >= 0 && !partition_isr_has_replica(p, m->replica_id))
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
	if (partition_mutant_for_tests == PARTITION_MUTANT_NO_VALIDATION)
		return false;
	if (epoch < m->last_fetched_epoch || end < m->fetch_offset) {
		m->diverging_epoch = epoch;
		m->diverging_end_offset = end;
		return true;
	}
	return false;
}

/* A device that fails takes the directory offline. Bytes that are damaged are this partition's own trouble, and told once. */
enum kafka_error partition_read_failed(struct partition *p, const char *what, enum err e)
{
	enum kafka_error error = err_to_kafka(e);

	if (error == KAFKA_STORAGE_ERROR) {
		partition_storage_failed(p, what, e);
	} else if (error == CORRUPT_MESSAGE && !p->is_damage_told) {
		p->is_damage_told = true;
		LOG_ERROR(&p->actor.log, log_damaged, KV_STR("dir", p->dir), KV_STR("what", what));
	}
	return error;
}

static void read_range(struct partition *p, struct partition_read *m)
{
	int64_t bound = partition_read_bound(p, m->replica_id, m->isolation);

	if (m->fetch_offset < log_start_offset(p->log) || m->fetch_offset > log_end_offset(p->log)) {
		m->error = OFFSET_OUT_OF_RANGE;
		return;
	}
	enum err e = (m->replica_id < 0 ? log_read_records : log_read)(p->log, m->fetch_offset, bound, m->max_bytes, m->first_whole, &m->range);
	if (e == ERR_LIMIT)	/* no descriptor, perhaps because this very fetch has so many: nothing yet, and its next one goes on here */
		return;
	if (e != OK) {
		m->error = partition_read_failed(p, "read", e);
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
	m->choices_count = 0;
	m->leader_id = p->leader;
	m->leader_epoch = p->leader_epoch;
	m->error = read_check(p, m);
	/* As they are before this read has any effect: a follower hears of a high watermark that its own fetch moves with the next answer. */
	m->high_watermark = log_high_watermark(p->log);
	m->last_stable_offset = log_last_stable_offset(p->log);
	m->log_start_offset = log_start_offset(p->log);
	int64_t end_offset = log_end_offset(p->log);

	if (m->error == NONE && !read_diverges(p, m)) {
		read_range(p, m);
		if (m->error == NONE && m->replica_id >= 0 && m->is_first_look)
			partition_isr_fetched(p, m, end_offset);
		if (m->error == NONE && m->replica_id == REPLICA_CONSUMER)
			partition_isr_choices(p, m);
	}
	if (m->error != NONE)
		m->high_watermark = m->last_stable_offset = m->log_start_offset = -1;
	actor_answer(&p->actor, &m->msg);
}

/* --- watches -------------------------------------------------------------------------------------------------------------------- */

static bool has_moved(int64_t seen, int64_t offset)
{
	return seen != INT64_MIN && seen != offset;
}

static bool watch_has_news(const struct partition *p, const struct partition_watch *w)
{
	return w->seen_leader_epoch != p->leader_epoch || has_moved(w->seen_high_watermark, log_high_watermark(p->log)) ||
	       has_moved(w->seen_last_stable_offset, log_last_stable_offset(p->log)) || has_moved(w->seen_log_end_offset, log_end_offset(p->log));
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

/* --- the rest ------------------------------------------------------------------------------------------------------------------------ */

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
