/*
 * Where a replica's log must be cut before it may grow: by the epochs of the leader (OffsetForLeaderEpoch, before inter.broker.protocol.version 2.7-IV1; later the answer to a
 * Fetch tells), and when the leader does not have our offset (ListOffsets).
 *
 * Whatever does not move a log forward or back makes its pull rest, so that a leader that answers nonsense is not asked without end.
 */
#include "replica/fetcher_priv.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"

/* --- asking the partition --------------------------------------------------------------------------------------------------------- */

void pull_truncate(struct pull *p, enum partition_truncate_how how, int32_t epoch, int64_t end_offset)
{
	struct partition_truncate *q = &p->truncate;

	q->leader_epoch = p->leader_epoch;
	q->how = how;
	q->epoch = epoch;
	q->end_offset = end_offset;
	(void)leader_lend(p, &q->msg);
}

void pull_cut(struct pull *p)
{
	pull_truncate(p, TRUNCATE_TO, -1, p->high_watermark);
}

static void on_cut(struct pull *p)
{
	const struct partition_truncate *q = &p->truncate;
	bool has_moved = q->log_end_offset != p->fetch_offset || q->last_epoch != p->last_epoch;

	p->fetch_offset = q->log_end_offset;
	p->last_epoch = q->last_epoch;
	p->told_high_watermark = p->told_log_start_offset = -1;
	p->is_in_sync = false;
	if (p->state == PULL_ASKING_EPOCH && !q->is_complete) {
		pull_start(p);		/* asks again, with the epoch that is the last one now */
		if (!has_moved)
			pull_back_off(p);
		return;
	}
	if (p->state == PULL_FETCHING && !has_moved)
		pull_back_off(p);	/* diverging, and yet nothing to cut */
	p->state = PULL_FETCHING;
}

void pull_on_truncated(struct pull *p)
{
	if (p->truncate.error == NONE)
		on_cut(p);
	else if (p->truncate.error == FENCED_LEADER_EPOCH)
		pull_is_outdated(p);
	else if (p->truncate.error == CORRUPT_MESSAGE)
		pull_back_off(p);	/* no room on the disk for what a cut writes; nothing was cut */
	else
		pull_fail(p, "the replica's log could not be cut");
}

/* --- whom a question asks about --------------------------------------------------------------------------------------------------- */

static bool is_asking(const struct pull *p, enum pull_state state)
{
	return p->state == state && p->ready_at <= p->fetcher->now;
}

static size_t count_asking(const struct leader *l, enum pull_state state)
{
	size_t n = 0;

	LIST_FOREACH(e, &l->pulls)
		n += is_asking(LIST_ENTRY(e, struct pull, link), state);
	return n;
}

/* The pull that the question under way asked about, if it still stands where it did. */
static struct pull *find_asked(struct leader *l, struct slice topic, int32_t partition, enum pull_state state)
{
	struct pull *p = fetcher_find(l->fetcher, topic, partition);

	return p != NULL && p->leader == l && p->asked_in == l->number && p->state == state && !p->is_out ? p : NULL;
}

/* Whoever is not answered, or with an error, rests; an answer takes that back. */
static void rest_all(struct leader *l, enum pull_state state)
{
	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (p->state == state && p->asked_in == l->number)
			p->ready_at = fetcher_rested(l->fetcher);
	}
}

/* False: it has been dealt with. */
static bool is_fine(struct pull *p, int16_t code)
{
	if (code == NONE)
		return true;
	if (code == FENCED_LEADER_EPOCH)
		pull_is_outdated(p);
	else
		pull_back_off(p);
	return false;
}

/* Takes the call off the leader; false: it failed, and that has been dealt with. */
static bool take_answer(struct leader *l, struct client_call *call, enum pull_state state)
{
	l->call = NULL;
	l->answer = call;
	leader_look(l);
	if (call->error.err != OK) {
		leader_failed(l, call->error.text);
		return false;
	}
	leader_succeeded(l);
	rest_all(l, state);
	return true;
}

/* --- by epochs -------------------------------------------------------------------------------------------------------------------- */

static void on_epoch_end(struct pull *p, const struct offset_for_leader_epoch_response_partition *m)
{
	if (!is_fine(p, m->error_code))
		return;
	p->ready_at = 0;
	pull_truncate(p, TRUNCATE_DIVERGING, m->leader_epoch, m->end_offset);
}

static void on_epochs(struct client_call *call)
{
	struct leader *l = call->owner;
	const struct offset_for_leader_epoch_response *m = call->response;

	if (!take_answer(l, call, PULL_ASKING_EPOCH))
		return;
	for (int32_t i = 0; i < m->topics_count; i++) {
		for (int32_t k = 0; k < m->topics[i].partitions_count; k++) {
			const struct offset_for_leader_epoch_response_partition *part = &m->topics[i].partitions[k];
			struct pull *p = find_asked(l, m->topics[i].topic, part->partition, PULL_ASKING_EPOCH);
			if (p != NULL)
				on_epoch_end(p, part);
		}
	}
}

void leader_ask_epochs(struct leader *l)
{
	struct client_call *call = leader_call(l, API_OFFSET_FOR_LEADER_EPOCH, l->fetcher->all->epoch_version, on_epochs);
	struct offset_for_leader_epoch_request *q = call->request;
	size_t n = count_asking(l, PULL_ASKING_EPOCH);
	struct offset_for_leader_epoch_request_partition *part = arena_calloc(&call->arena, n, sizeof(*part));
	struct offset_for_leader_epoch_request_topic *t = NULL;

	q->replica_id = l->fetcher->all->broker_id;
	q->topics = arena_calloc(&call->arena, n, sizeof(*q->topics));
	ASSERT(part != NULL && q->topics != NULL);
	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (!is_asking(p, PULL_ASKING_EPOCH))
			continue;
		if (t == NULL || !slice_eq_str(t->topic, p->addr->topic)) {
			t = &q->topics[q->topics_count++];
			t->topic = arena_copy(&call->arena, slice_str(p->addr->topic));
			t->partitions = part;
		}
		offset_for_leader_epoch_request_partition_init(part);
		part->partition = p->addr->partition;
		part->current_leader_epoch = p->leader_epoch;
		part->leader_epoch = p->last_epoch;
		t->partitions_count++;
		part++;
		p->asked_in = l->number;
	}
	leader_send(l);
}

/* --- out of range ----------------------------------------------------------------------------------------------------------------- */

/* The leader's log is shorter than ours: an unclean election. What lies below its end may differ; nobody can tell here. */
static void on_leader_end(struct pull *p, int64_t end)
{
	if (end < p->fetch_offset) {
		pull_truncate(p, TRUNCATE_TO, -1, end);
		return;
	}
	p->state = PULL_ASKING_START;
}

static void on_leader_start(struct pull *p, int64_t start)
{
	if (start > p->fetch_offset) {
		pull_truncate(p, TRUNCATE_RESTART, -1, start);
		return;
	}
	p->state = PULL_FETCHING;	/* in range now: it may have been a passing state, or the epochs; not at once again */
	pull_back_off(p);
}

static void on_offset(struct pull *p, const struct list_offsets_response_partition *m)
{
	if (!is_fine(p, m->error_code))
		return;
	if (m->offset < 0) {
		pull_back_off(p);
		return;
	}
	p->ready_at = 0;
	if (p->state == PULL_ASKING_END)
		on_leader_end(p, m->offset);
	else
		on_leader_start(p, m->offset);
}

static void on_offsets(struct client_call *call)
{
	struct leader *l = call->owner;
	const struct list_offsets_request *q = call->request;
	const struct list_offsets_response *m = call->response;
	enum pull_state state = q->topics[0].partitions[0].timestamp == LIST_OFFSETS_LATEST ? PULL_ASKING_END : PULL_ASKING_START;

	if (!take_answer(l, call, state))
		return;
	for (int32_t i = 0; i < m->topics_count; i++) {
		for (int32_t k = 0; k < m->topics[i].partitions_count; k++) {
			const struct list_offsets_response_partition *part = &m->topics[i].partitions[k];
			struct pull *p = find_asked(l, m->topics[i].name, part->partition_index, state);
			if (p != NULL)
				on_offset(p, part);
		}
	}
}

void leader_ask_offsets(struct leader *l, enum pull_state state)
{
	struct client_call *call = leader_call(l, API_LIST_OFFSETS, l->fetcher->all->list_offsets_version, on_offsets);
	struct list_offsets_request *q = call->request;
	size_t n = count_asking(l, state);
	struct list_offsets_request_partition *part = arena_calloc(&call->arena, n, sizeof(*part));
	struct list_offsets_request_topic *t = NULL;

	q->replica_id = l->fetcher->all->broker_id;
	q->topics = arena_calloc(&call->arena, n, sizeof(*q->topics));
	ASSERT(part != NULL && q->topics != NULL);
	LIST_FOREACH(e, &l->pulls) {
		struct pull *p = LIST_ENTRY(e, struct pull, link);
		if (!is_asking(p, state))
			continue;
		if (t == NULL || !slice_eq_str(t->name, p->addr->topic)) {
			t = &q->topics[q->topics_count++];
			t->name = arena_copy(&call->arena, slice_str(p->addr->topic));
			t->partitions = part;
		}
		list_offsets_request_partition_init(part);
		part->partition_index = p->addr->partition;
		part->current_leader_epoch = p->leader_epoch;
		part->timestamp = state == PULL_ASKING_END ? LIST_OFFSETS_LATEST : LIST_OFFSETS_EARLIEST;
		t->partitions_count++;
		part++;
		p->asked_in = l->number;
	}
	leader_send(l);
}
