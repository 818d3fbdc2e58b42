/*
 * ListOffsets: by name at once, by time when a worker has looked.
 *
 * A look-up by time reads indexes and batches that may be as cold as they are old, and version 0 asks when files were written, so the question is parked: first on a list, then
 * with the one job that is out. Role and bounds are looked at again when the answer is there; a stop or a failed directory answers
 * all that is parked, and the job that is still out then comes home to nobody.
 */
#include "partition/partition_priv.h"

/* Latest: the bound the asker may see. Earliest: the log start, with the epoch of the history's first entry if that reaches so far back. */
static enum kafka_error list_special(const struct partition *p, struct partition_list_offsets *m, int64_t bound)
{
	int64_t start = log_start_offset(p->log);

	switch (m->timestamp) {
	case LIST_OFFSETS_LATEST:
		m->found = (struct log_time_offset){ -1, bound, p->leader_epoch };
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

static bool is_by_time(const struct partition_list_offsets *m)
{
	return m->old_style || m->timestamp >= 0 || m->timestamp == LIST_OFFSETS_MAX_TIMESTAMP;
}

static enum kafka_error list_check(const struct partition *p, const struct partition_list_offsets *m)
{
	return partition_check_leader(p, m->current_leader_epoch == -1 ? INT32_MIN : m->current_leader_epoch, m->replica_id != REPLICA_DEBUG);
}

static int64_t list_bound(const struct partition *p, const struct partition_list_offsets *m)
{
	return m->replica_id == REPLICA_DEBUG ? log_end_offset(p->log) : partition_read_bound(p, m->replica_id, m->isolation);
}

/* After an election, until the high watermark has reached the new epoch's start, an answer might go back behind an earlier one. */
static enum kafka_error list_settled(const struct partition *p, const struct partition_list_offsets *m)
{
	bool is_settled = m->replica_id != REPLICA_CONSUMER || log_high_watermark(p->log) >= p->epoch_start_offset;
	bool needs_it = m->timestamp == LIST_OFFSETS_LATEST || (m->timestamp >= 0 && m->found.offset < 0);

	return needs_it && !is_settled && !m->old_style ? OFFSET_NOT_AVAILABLE : NONE;
}

void partition_on_list_offsets(struct partition *p, struct partition_list_offsets *m)
{
	m->found = (struct log_time_offset){ -1, -1, -1 };
	m->offsets_count = 0;
	m->error = list_check(p, m);
	if (m->error == NONE && is_by_time(m)) {
		list_push_back(&p->lookups, &m->wait);
		partition_look_up_next(p);
		return;
	}
	if (m->error == NONE)
		m->error = list_special(p, m, list_bound(p, m));
	if (m->error == NONE)
		m->error = list_settled(p, m);
	actor_answer(&p->actor, &m->msg);
}

/* --- look-ups by time ---------------------------------------------------------------------------------------------------------- */

static void lookup_run(struct job *j)
{
	log_time_lookup_run(&CONTAINER_OF(j, struct partition_lookup_job, job)->lookup);
}

void partition_look_up_next(struct partition *p)
{
	struct partition_lookup_job *l = &p->lookup;

	if (l->is_out || partition_copy_wants_log(p) || list_empty(&p->lookups))
		return;
	l->question = LIST_ENTRY(list_pop_front(&p->lookups), struct partition_list_offsets, wait);
	const struct partition_list_offsets *m = l->question;
	l->lookup.lists_segments = m->old_style;
	l->lookup.cap = m->replica_id == REPLICA_CONSUMER ? log_high_watermark(p->log) : INT64_MAX;
	l->lookup.max = MIN(m->max_offsets, m->offsets_max);
	l->lookup.target = m->timestamp >= 0 || m->old_style ? m->timestamp : LOG_TIME_LARGEST;
	log_time_lookup_begin(p->log, &l->lookup);
	msg_init(&l->job.msg, PARTITION_job, &p->actor);
	l->job.run = lookup_run;
	l->is_out = true;
	workers_submit(p->spec.workers, &p->actor, &l->job);
}

static void lookup_answer(struct partition *p, struct partition_list_offsets *m, const struct log_time_offset *found)
{
	m->error = list_check(p, m);
	if (m->error == NONE && !m->old_style && found->offset >= 0 && (found->offset < list_bound(p, m) || m->timestamp == LIST_OFFSETS_MAX_TIMESTAMP))
		m->found = *found;
	if (m->error == NONE)
		m->error = list_settled(p, m);
	actor_answer(&p->actor, &m->msg);
}

void partition_on_lookup_home(struct partition *p)
{
	struct partition_list_offsets *m = p->lookup.question;

	if (m != NULL && m->old_style) {	/* the offsets are the job's until its end */
		m->offsets_count = p->lookup.lookup.count;
		if (m->offsets_count > 0)
			memcpy(m->offsets, p->lookup.lookup.offsets, (size_t)m->offsets_count * sizeof(*m->offsets));
	}
	enum err e = log_time_lookup_end(m != NULL ? p->log : NULL, &p->lookup.lookup);

	p->lookup.is_out = false;
	p->lookup.question = NULL;
	if (m != NULL && e == ERR_AGAIN) {
		list_push_front(&p->lookups, &m->wait);
	} else if (m != NULL && e == OK) {
		lookup_answer(p, m, &p->lookup.lookup.found);
	} else if (m != NULL) {
		m->error = partition_read_failed(p, "offset by time", e);
		actor_answer(&p->actor, &m->msg);
	}
	if (partition_is_usable(p))
		partition_look_up_next(p);
}

void partition_fail_lookups(struct partition *p, enum kafka_error error)
{
	if (p->lookup.question != NULL)
		list_push_front(&p->lookups, &p->lookup.question->wait);
	p->lookup.question = NULL;
	while (!list_empty(&p->lookups)) {
		struct partition_list_offsets *m = LIST_ENTRY(list_pop_front(&p->lookups), struct partition_list_offsets, wait);

		m->error = error;
		actor_answer(&p->actor, &m->msg);
	}
}
