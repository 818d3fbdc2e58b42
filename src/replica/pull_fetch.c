/*
 * Fetch: the request for all partitions of a leader that may be fetched, and what its answer means for each.
 *
 * The answer's batches are not copied: each partition borrows its part of the frame, which lives until all are home (leader->answer).
 */
#include "replica/fetcher_priv.h"
#include "wire/gen/fetch.h"

static const struct broker_config *config_of(const struct leader *l)
{
	return l->fetcher->all->config;
}

/* A throttled replica that is in sync is fetched whatever the rate, or throttling would shrink the in-sync set. */
bool pull_is_fetchable(struct pull *p, mono_ms *next)
{
	const struct throttle *t = &p->fetcher->all->throttle;

	*next = p->ready_at;
	if (p->ready_at > p->fetcher->now)
		return false;
	if (!p->is_throttled || p->is_in_sync)
		return true;
	*next = p->fetcher->now + throttle_wait(t, p->fetcher->now);
	return *next == p->fetcher->now;
}

static bool is_wanted(struct pull *p)
{
	mono_ms next;

	return p->state == PULL_FETCHING && pull_is_fetchable(p, &next);
}

/* --- the request ------------------------------------------------------------------------------------------------------------------ */

static int16_t choose_version(struct leader *l)
{
	int16_t version = l->fetcher->all->fetch_version;

	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (is_wanted(p) && uuid_is_zero(p->topic_id))
			return MIN(version, 12);
	}
	return version;
}

static void want(struct pull *p)
{
	struct leader *l = p->leader;
	struct fetch_request_partition told;

	fetch_request_partition_init(&told);
	told.partition = p->addr->partition;
	told.current_leader_epoch = p->leader_epoch;
	told.fetch_offset = p->fetch_offset;
	told.last_fetched_epoch = p->fetcher->all->truncates_on_fetch ? p->last_epoch : -1;
	told.log_start_offset = partition_log_start_offset(p->addr);
	told.partition_max_bytes = config_of(l)->replica_fetch_max_bytes;
	session_want(&l->session, p, p->addr->topic, p->topic_id, &told);
	p->asked_in = l->number;
}

static void on_fetched(struct client_call *call);

void leader_ask_fetch(struct leader *l)
{
	const struct fetchers *all = l->fetcher->all;
	int16_t version = choose_version(l);
	struct client_call *call = leader_call(l, API_FETCH, version, on_fetched);
	struct fetch_request *q = call->request;

	l->is_waiting = true;
	if (version >= 15) {
		q->replica_state.replica_id = all->broker_id;
		q->replica_state.replica_epoch = l->fetcher->broker_epoch;
	} else {
		q->replica_id = all->broker_id;
	}
	q->max_wait_ms = all->config->replica_fetch_wait_max_ms;
	q->min_bytes = all->config->replica_fetch_min_bytes;
	q->max_bytes = all->config->replica_fetch_response_max_bytes;
	session_begin(&l->session, version >= 13);
	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (is_wanted(p))
			want(p);
	}
	if (!session_end(&l->session, q, &call->arena)) {
		session_failed(&l->session);
		leader_failed(l, "too many partitions for one request");
		client_call_destroy(&l->call);
		return;
	}
	leader_send(l);
}

/* --- the answer ------------------------------------------------------------------------------------------------------------------- */

static void on_error(struct pull *p, int16_t code)
{
	if (code == OFFSET_OUT_OF_RANGE) {
		p->state = PULL_ASKING_END;
	} else if (code == FENCED_LEADER_EPOCH) {
		pull_fail(p, "the leader knows a newer epoch");
	} else if (code == UNKNOWN_LEADER_EPOCH || code == NOT_LEADER_OR_FOLLOWER || code == UNKNOWN_TOPIC_OR_PARTITION || code == UNKNOWN_TOPIC_ID) {
		pull_is_early(p);
	} else {
		LOG_DEBUG(&p->fetcher->actor.log, fetch_refused, KV_STR("topic", p->addr->topic), KV_I32("partition", p->addr->partition),
			  KV_I32("leader", p->leader->id), KV_STR("error", kafka_error_name(code)));
		pull_back_off(p);
	}
}

/* A full answer names everybody; who has no news is not woken. */
static bool has_news(const struct pull *p, const struct fetch_response_partition *m)
{
	return m->records.len > 0 || m->high_watermark != p->told_high_watermark || m->log_start_offset != p->told_log_start_offset;
}

static void replicate(struct pull *p, const struct fetch_response_partition *m)
{
	struct partition_replicate *q = &p->replicate;

	q->leader_epoch = p->leader_epoch;
	q->fetch_offset = p->fetch_offset;
	q->batches = slice_of(m->records.ptr, m->records.len);
	q->leader_high_watermark = m->high_watermark;
	q->leader_log_start_offset = MAX(m->log_start_offset, 0);	/* older versions do not tell */
	q->msg.is_light = m->records.len <= LIGHT_APPEND_BYTES;
	if (!leader_lend(p, &q->msg))
		return;
	p->told_high_watermark = m->high_watermark;
	p->told_log_start_offset = m->log_start_offset;
	fetcher_count(&p->fetcher->counters.bytes, m->records.len);
	if (p->is_throttled)
		throttle_record(&p->fetcher->all->throttle, p->fetcher->now, m->records.len);
}

/* False: it says nothing that was not known. */
static bool on_partition(struct pull *p, const struct fetch_response_partition *m)
{
	if (m->error_code != NONE) {
		on_error(p, m->error_code);
	} else if (p->fetcher->all->truncates_on_fetch && m->diverging_epoch.epoch >= 0) {
		pull_truncate(p, TRUNCATE_DIVERGING, m->diverging_epoch.epoch, m->diverging_epoch.end_offset);
	} else if (m->high_watermark < 0) {
		pull_back_off(p);	/* no leader says so */
	} else if (has_news(p, m)) {
		replicate(p, m);
	} else {
		return false;
	}
	return true;
}

static void read_answer(struct leader *l, const struct fetch_response *m)
{
	bool is_news = false;

	for (int32_t i = 0; i < m->responses_count; i++) {
		for (int32_t k = 0; k < m->responses[i].partitions_count; k++) {
			const struct fetch_response_partition *part = &m->responses[i].partitions[k];
			struct session_entry *e = session_find(&l->session, &m->responses[i], part->partition_index);
			if (e->pull == NULL) {	/* gone, moved or assigned anew since: what was fetched is not for this role, but it is why there is an answer */
				is_news = true;
				continue;
			}
			ASSERT(e->pull->asked_in == l->number);
			is_news |= on_partition(e->pull, part);
		}
	}
	if (!is_news && !l->has_newcomers)	/* it should have waited for some: so the next question does, or a leader in error would keep us both busy */
		l->ready_at = l->asked_at + config_of(l)->replica_fetch_wait_max_ms;
}

/* An error of the session alone is answered by a new one at once; a second one in a row is no accident. */
static void on_session_error(struct leader *l, const struct fetch_response *m)
{
	bool is_session_error = m->error_code == FETCH_SESSION_ID_NOT_FOUND || m->error_code == INVALID_FETCH_SESSION_EPOCH;

	if (is_session_error && !l->had_session_error) {
		l->had_session_error = true;
		return;
	}
	leader_failed(l, m->error_code != NONE ? kafka_error_name(m->error_code) : "its answer names other partitions than those asked for");
}

static void on_fetched(struct client_call *call)
{
	struct leader *l = call->owner;
	const struct fetch_response *m = call->response;

	l->call = NULL;
	l->answer = call;
	leader_look(l);
	if (call->error.err != OK) {
		if (call->error.err == ERR_CLOSED)
			leader_is_lost(l);
		session_failed(&l->session);
		leader_failed(l, call->error.text);
	} else if (!session_answered(&l->session, m)) {
		on_session_error(l, m);
	} else {
		leader_succeeded(l);
		l->had_session_error = false;
		read_answer(l, m);
	}
}

/* --- home again ------------------------------------------------------------------------------------------------------------------- */

static void on_appended(struct pull *p)
{
	const struct partition_replicate *q = &p->replicate;
	bool brought = q->batches.len > 0;

	if (brought && q->log_end_offset == p->fetch_offset)
		pull_back_off(p);	/* not one whole batch: asking again at once would bring the same */
	p->fetch_offset = q->log_end_offset;
	p->last_epoch = q->last_epoch;
	p->is_in_sync = q->leader_high_watermark <= q->log_end_offset;
	if (brought) {
		list_remove(&p->link);
		list_push_back(&p->leader->pulls, &p->link);
	}
}

void pull_on_replicated(struct pull *p)
{
	if (p->replicate.error == NONE) {
		on_appended(p);
	} else if (p->replicate.error == FENCED_LEADER_EPOCH) {
		pull_fail(p, "the role has changed");
	} else if (p->replicate.error == KAFKA_STORAGE_ERROR) {
		pull_fail(p, "the replica's log has failed");
	} else {	/* damaged, misplaced or no room: what the partition has by now is what counts */
		if (p->replicate.log_end_offset >= 0) {
			p->fetch_offset = p->replicate.log_end_offset;
			p->last_epoch = p->replicate.last_epoch;
		}
		p->told_high_watermark = -1;
		pull_back_off(p);
	}
}
