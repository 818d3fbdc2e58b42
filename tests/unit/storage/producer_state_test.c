/*
 * The rules one by one, then random histories against a model that keeps everything it ever saw and
 * searches it from end to end.
 */
#include <check.h>
#include <stdlib.h>

#include "storage/log.h"
#include "storage/producer_snapshot.h"
#include "storage/producer_state.h"

#define DAY 86400000

static struct producer_state *state;
static int64_t next_offset;

static void setup(void)
{
	producer_state_create(&state, DAY);
	next_offset = 0;
}

static void teardown(void)
{
	producer_state_destroy(&state);
	ck_assert_ptr_null(state);
}

static struct producer_append batch(int64_t id, int epoch, int32_t base_sequence, int records)
{
	return (struct producer_append){
		.origin = PRODUCER_CLIENT, .producer_id = id, .producer_epoch = (int16_t)epoch,
			.base_sequence = base_sequence,
		.last_sequence = (base_sequence + (int64_t)records - 1) & INT32_MAX,
		.base_offset = next_offset, .last_offset = next_offset + records - 1,
			.max_timestamp = 1000 + next_offset,
		.verified_sequence = -1,
	};
}

static struct producer_append marker(int64_t id, int epoch, enum producer_marker type,
	int32_t coordinator_epoch)
{
	struct producer_append a = batch(id, epoch, -1, 1);

	a.origin = PRODUCER_COORDINATOR;
	a.is_transactional = a.is_control = true;
	a.marker = type;
	a.coordinator_epoch = coordinator_epoch;
	return a;
}

static enum kafka_error put(struct producer_append *a)
{
	enum kafka_error error = producer_state_stage(state, a);

	if (error == NONE && !a->is_duplicate)
		next_offset = a->last_offset + 1;
	producer_state_commit(state);
	return error;
}

static void put_ok(struct producer_append a)
{
	ck_assert_int_eq(put(&a), NONE);
	ck_assert(!a.is_duplicate);
}

static void put_refused(struct producer_append a, enum kafka_error expected)
{
	ck_assert_int_eq(put(&a), expected);
}

START_TEST(five_newest_batches_are_duplicates)
{
	struct producer_append a;

	for (int i = 0; i < 7; i++)
		put_ok(batch(7, 0, i * 10, 10));
	for (int i = 2; i < 7; i++) {
		a = batch(7, 0, i * 10, 10);
		ck_assert_int_eq(put(&a), NONE);
		ck_assert(a.is_duplicate);
		ck_assert_int_eq(a.first_base_offset, i * 10);
		ck_assert_int_eq(a.first_last_offset, i * 10 + 9);
		ck_assert_int_eq(a.first_timestamp, 1000 + i * 10);
	}
	/* The sixth newest */
	put_refused(batch(7, 0, 10, 10), OUT_OF_ORDER_SEQUENCE_NUMBER);
	/* Part of a known one */
	put_refused(batch(7, 0, 60, 5), OUT_OF_ORDER_SEQUENCE_NUMBER);
	put_refused(batch(7, 0, 60, 11), OUT_OF_ORDER_SEQUENCE_NUMBER);
	put_refused(batch(7, 0, 71, 1), OUT_OF_ORDER_SEQUENCE_NUMBER);		/* a gap */
	put_ok(batch(7, 0, 70, 1));
	ck_assert_int_eq(producer_state_end_offset(state), 71);
}
END_TEST

START_TEST(sequences_wrap)
{
	struct producer_append a;

	put_ok(batch(1, 0, INT32_MAX - 2, 3));			/* ends with the last number */
	put_refused(batch(1, 0, 1, 1), OUT_OF_ORDER_SEQUENCE_NUMBER);
	put_ok(batch(1, 0, 0, 4));
	a = batch(1, 0, INT32_MAX - 2, 3);
	ck_assert_int_eq(put(&a), NONE);
	ck_assert(a.is_duplicate);

	/* The wrap lies inside: ends with 2 */
	put_ok(batch(2, 0, INT32_MAX - 1, 5));
	a = batch(2, 0, INT32_MAX - 1, 5);
	ck_assert_int_eq(put(&a), NONE);
	ck_assert(a.is_duplicate);
	put_ok(batch(2, 0, 3, 1));
}
END_TEST

START_TEST(epochs)
{
	struct producer_append a;

	put_ok(batch(1, 3, 500, 1));				/* unknown: may begin anywhere */
	put_refused(batch(1, 2, 501, 1), INVALID_PRODUCER_EPOCH);
	put_refused(batch(1, 4, 501, 1), OUT_OF_ORDER_SEQUENCE_NUMBER);
	put_ok(batch(1, 4, 0, 1));
	/* A batch of the epoch before is no duplicate any more */
	a = batch(1, 3, 500, 1);
	ck_assert_int_eq(put(&a), INVALID_PRODUCER_EPOCH);
	/* A marker that raises the epoch leaves no batch, so the next one begins with 0. */
	put_ok(marker(1, 5, PRODUCER_MARKER_ABORT, 0));
	put_refused(batch(1, 5, 1, 1), OUT_OF_ORDER_SEQUENCE_NUMBER);
	put_ok(batch(1, 5, 0, 1));
	put_ok(marker(1, 5, PRODUCER_MARKER_COMMIT, 0));	/* the same epoch keeps them */
	put_ok(batch(1, 5, 1, 1));
}
END_TEST

START_TEST(markers_are_fenced)
{
	put_ok(marker(1, 2, PRODUCER_MARKER_COMMIT, 7));
	put_refused(marker(1, 1, PRODUCER_MARKER_COMMIT, 7), INVALID_PRODUCER_EPOCH);
	put_refused(marker(1, 2, PRODUCER_MARKER_COMMIT, 6), TRANSACTION_COORDINATOR_FENCED);
	put_ok(marker(1, 2, PRODUCER_MARKER_COMMIT, 8));
	/* A replica takes what its leader has. */
	struct producer_append a = marker(1, 1, PRODUCER_MARKER_ABORT, 3);
	a.origin = PRODUCER_REPLICATED;
	put_ok(a);
}
END_TEST

START_TEST(transactions_hold_the_stable_offset)
{
	struct producer_append a = batch(1, 0, 0, 2);

	ck_assert_int_eq(producer_state_first_unstable_offset(state), -1);
	put_ok(batch(9, 0, 0, 3));
	a = batch(1, 0, 0, 2);
	a.is_transactional = true;
	put_ok(a);						/* 3..4 */
	ck_assert_int_eq(producer_state_first_unstable_offset(state), 3);
	put_refused(batch(1, 0, 2, 1), INVALID_TXN_STATE);
	a = batch(2, 0, 0, 1);
	a.is_transactional = true;
	put_ok(a);						/* 5 */

	a = marker(2, 0, PRODUCER_MARKER_ABORT, 0);		/* 6; the older one is still open */
	ck_assert_int_eq(put(&a), NONE);
	ck_assert(a.has_ended);
	ck_assert_int_eq(a.txn_first_offset, 5);
	ck_assert_int_eq(a.txn_last_stable_offset, 3);
	a = marker(1, 0, PRODUCER_MARKER_COMMIT, 0);		/* 7 */
	ck_assert_int_eq(put(&a), NONE);
	ck_assert_int_eq(a.txn_first_offset, 3);
	ck_assert_int_eq(a.txn_last_stable_offset, 8);
	/* Ended, but not before the high watermark has passed the marker. */
	ck_assert_int_eq(producer_state_first_unstable_offset(state), 3);
	producer_state_set_high_watermark(state, 7);
	ck_assert_int_eq(producer_state_first_unstable_offset(state), 3);
	producer_state_set_high_watermark(state, 8);
	ck_assert_int_eq(producer_state_first_unstable_offset(state), -1);

	a = marker(1, 0, PRODUCER_MARKER_COMMIT, 0);		/* of an empty transaction */
	ck_assert_int_eq(put(&a), NONE);
	ck_assert(!a.has_ended);
	ck_assert_int_eq(producer_state_first_unstable_offset(state), -1);
}
END_TEST

START_TEST(verification_opens_a_transaction)
{
	struct producer_append a = batch(1, 0, 0, 1);

	a.is_transactional = a.lacks_verification = true;
	put_refused(a, INVALID_TXN_STATE);
	a.lacks_verification = false;
	a.verified_sequence = 0;
	put_ok(a);
	a = batch(1, 0, 1, 1);
	/* Its transaction is open: no need any more */
	a.is_transactional = a.lacks_verification = true;
	put_ok(a);
	a = batch(3, 0, 5, 1);
	a.is_transactional = true;
	a.verified_sequence = 4;
	put_refused(a, OUT_OF_ORDER_SEQUENCE_NUMBER);
}
END_TEST

START_TEST(coordinators_skip_sequences)
{
	struct producer_append a = batch(1, 1, 0, 1);

	for (int i = 0; i < 3; i++) {
		a = batch(1, 1, 0, 1);
		a.origin = PRODUCER_COORDINATOR;
		a.is_transactional = true;
		put_ok(a);
	}
	a = batch(1, 0, 0, 1);
	a.origin = PRODUCER_COORDINATOR;
	put_refused(a, INVALID_PRODUCER_EPOCH);
}
END_TEST

START_TEST(an_emptied_control_batch_changes_nothing)
{
	put_ok(marker(1, 4, PRODUCER_MARKER_NONE, 0));
	ck_assert_int_eq(producer_state_count(state), 0);
}
END_TEST

START_TEST(rollback_leaves_no_trace)
{
	struct producer_append a;
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;

	put_ok(batch(1, 0, 0, 1));
	a = batch(2, 0, 0, 1);
	a.is_transactional = true;
	put_ok(a);
	producer_snapshot_encode(state, &before);
	producer_snapshot_encode_batches(state, 0, &before);

	for (int i = 0; i < LOG_APPEND_MAX - 3; i++) {
		a = batch(1, 0, i + 1, 1);
		ck_assert_int_eq(producer_state_stage(state, &a), NONE);
		ck_assert(!a.is_duplicate);
		next_offset++;
	}
	a = batch(1, 0, LOG_APPEND_MAX - 5, 1);			/* a retry within one call */
	ck_assert_int_eq(producer_state_stage(state, &a), NONE);
	ck_assert(a.is_duplicate);
	a = batch(3, 0, 0, 1);
	a.is_transactional = true;
	ck_assert_int_eq(producer_state_stage(state, &a), NONE);
	a = marker(2, 0, PRODUCER_MARKER_COMMIT, 5);
	ck_assert_int_eq(producer_state_stage(state, &a), NONE);
	ck_assert_int_eq(a.txn_last_stable_offset, next_offset);
	a = marker(3, 0, PRODUCER_MARKER_ABORT, 5);
	ck_assert_int_eq(producer_state_stage(state, &a), NONE);
	producer_state_rollback(state);

	producer_snapshot_encode(state, &after);
	producer_snapshot_encode_batches(state, 0, &after);
	ck_assert(slice_eq(strbuf_slice(&before), strbuf_slice(&after)));
	ck_assert_int_eq(producer_state_end_offset(state), 2);
	ck_assert_int_eq(producer_state_first_unstable_offset(state), 1);
	ck_assert_int_eq(producer_state_count(state), 2);
	/* Batches without a producer only move the end, which stays. */
	producer_state_advance(state, 9);
	next_offset = 9;
	a = batch(1, 0, 1, 1);
	ck_assert_int_eq(producer_state_stage(state, &a), NONE);
	producer_state_rollback(state);
	ck_assert_int_eq(producer_state_end_offset(state), 9);
	strbuf_fini(&before);
	strbuf_fini(&after);
}
END_TEST

START_TEST(silent_producers_expire)
{
	struct producer_append a = batch(1, 0, 0, 1);

	put_ok(a);						/* at 1000 */
	a = batch(2, 0, 0, 1);
	a.is_transactional = true;
	put_ok(a);						/* at 1001, open */
	put_ok(batch(3, 0, 0, 1));				/* at 1002 */
	ck_assert_int_eq(producer_state_expire(state, 1000 + DAY - 1), 0);
	ck_assert_int_eq(producer_state_expire(state, 1001 + DAY), 1);
	ck_assert_int_eq(producer_state_count(state), 2);
	put_ok(batch(1, 0, 77, 1));				/* forgotten: anything goes */
	ck_assert_int_eq(producer_state_expire(state, INT64_MAX), 2);
	ck_assert_int_eq(producer_state_first_unstable_offset(state), 1);
}
END_TEST

START_TEST(the_longest_silent_makes_room)
{
	struct producer_append a = batch(0, 0, 0, 1);
	struct producer_info info;

	a.is_transactional = true;
	put_ok(a);						/* the oldest of all, but open */
	for (int64_t id = 1; id < PRODUCERS_MAX; id++)
		put_ok(batch(id, 0, 0, 1));
	put_ok(batch(1, 0, 1, 1));				/* no longer silent */
	ck_assert_int_eq(producer_state_count(state), PRODUCERS_MAX);
	put_ok(batch(PRODUCERS_MAX, 0, 0, 1));
	ck_assert_int_eq(producer_state_count(state), PRODUCERS_MAX);
	ck_assert(producer_state_get(state, 0, &info));
	ck_assert(producer_state_get(state, 1, &info));
	ck_assert(!producer_state_get(state, 2, &info));
	ck_assert(producer_state_get(state, 3, &info));

	/* With nothing but open transactions there is no room. */
	for (int64_t id = 1; id <= PRODUCERS_MAX; id++) {
		if (!producer_state_get(state, id, &info))
			continue;
		a = batch(id, 0, info.last_sequence + 1, 1);
		a.is_transactional = true;
		put_ok(a);
	}
	put_refused(batch(PRODUCERS_MAX + 1, 0, 0, 1), POLICY_VIOLATION);
	put_ok(marker(0, 0, PRODUCER_MARKER_COMMIT, 0));
	put_ok(batch(PRODUCERS_MAX + 1, 0, 0, 1));
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

#define IDS      6
#define HISTORY  4000

struct seen { int32_t first, last; int64_t base, end; time_ms time; };
struct model_producer {
	bool known;
	int epoch, coordinator_epoch, n;
	int64_t open_since, last_time;
	struct seen seen[HISTORY];		/* of the epoch, oldest first */
};
struct ended { int64_t first, at; };
struct model {
	struct model_producer p[IDS];
	struct ended ended[HISTORY];
	int ended_count;
	int64_t high_watermark;
};

static struct model *m, *committed;
static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static int32_t after(int32_t sequence, int n)
{
	int64_t v = (int64_t)sequence + n;

	return (int32_t)(v > INT32_MAX ? v - INT32_MAX - 1 : v);
}

/* What Kafka does, in the words of its description. */
static enum kafka_error model_data(struct producer_append *a, bool *is_duplicate)
{
	struct model_producer *p = &m->p[a->producer_id];
	bool is_client = a->origin == PRODUCER_CLIENT;

	*is_duplicate = false;
	if (is_client && p->known && p->epoch == a->producer_epoch) {
		for (int i = p->n - 1; i >= 0 && i >= p->n - 5; i--) {
			if (p->seen[i].first != a->base_sequence ||
				p->seen[i].last != a->last_sequence)
				continue;
			*is_duplicate = true;
			a->first_base_offset = p->seen[i].base;
			a->first_timestamp = p->seen[i].time;
			return NONE;
		}
	}
	if (a->origin != PRODUCER_REPLICATED) {
		if (p->known && a->producer_epoch < p->epoch)
			return INVALID_PRODUCER_EPOCH;
		if (is_client && p->known) {
			int32_t wanted = p->epoch == a->producer_epoch &&
				p->n > 0 ? after(p->seen[p->n - 1].last, 1) : 0;
			if (a->base_sequence != wanted)
				return OUT_OF_ORDER_SEQUENCE_NUMBER;
		}
		if (p->open_since >= 0 && !a->is_transactional)
			return INVALID_TXN_STATE;
	}
	if (!p->known || p->epoch != a->producer_epoch)
		p->n = 0;
	p->known = true;
	p->epoch = a->producer_epoch;
	p->seen[p->n++] = (struct seen){ a->base_sequence, a->last_sequence, a->base_offset,
		a->last_offset, a->max_timestamp };
	p->last_time = a->max_timestamp;
	if (a->is_transactional && p->open_since < 0)
		p->open_since = a->base_offset;
	return NONE;
}

static int64_t model_oldest_open(int except)
{
	int64_t oldest = -1;

	for (int i = 0; i < IDS; i++)
		if (i != except && m->p[i].open_since >= 0 && (oldest < 0 ||
			m->p[i].open_since < oldest))
			oldest = m->p[i].open_since;
	return oldest;
}

static enum kafka_error model_marker(const struct producer_append *a, bool *has_ended,
	int64_t *stable)
{
	struct model_producer *p = &m->p[a->producer_id];

	*has_ended = false;
	if (a->origin != PRODUCER_REPLICATED && p->known) {
		if (a->producer_epoch < p->epoch)
			return INVALID_PRODUCER_EPOCH;
		if (a->coordinator_epoch < p->coordinator_epoch)
			return TRANSACTION_COORDINATOR_FENCED;
	}
	if (p->open_since >= 0) {
		*has_ended = true;
		*stable = model_oldest_open((int)a->producer_id);
		if (*stable < 0)
			*stable = a->last_offset + 1;
		m->ended[m->ended_count++] = (struct ended){ p->open_since, a->last_offset };
	}
	if (!p->known || p->epoch != a->producer_epoch)
		p->n = 0;
	p->known = true;
	p->epoch = a->producer_epoch;
	p->coordinator_epoch = a->coordinator_epoch;
	p->open_since = -1;
	p->last_time = a->max_timestamp;
	return NONE;
}

static struct producer_append random_append(void)
{
	int id = (int)rnd(IDS), records = 1 + (int)rnd(4);
	struct model_producer *p = &m->p[id];
	int epoch = p->known ? p->epoch : (int)rnd(2);
	int32_t sequence = p->known && p->n > 0 ? after(p->seen[p->n - 1].last,
		1) : rnd(2) ? 0 : INT32_MAX - (int32_t)rnd(6);
	struct producer_append a;

	switch (rnd(10)) {
	case 0:						/* an older batch again */
		if (p->n > 0) {
			int back = (int)rnd(8), i = MAX(0, p->n - 1 - back);

			sequence = p->seen[i].first;
			records = (int)(p->seen[i].end - p->seen[i].base) + 1 + (rnd(8) == 0);
		}
		break;
	case 1:
		sequence = after(sequence, (int)rnd(3));
		break;
	case 2:
		epoch += (int)rnd(3) - 1;
		sequence = rnd(3) == 0 ? sequence : 0;
		break;
	default:
		break;
	}
	if (rnd(5) == 0) {
		a = marker(id, MAX(epoch, 0) + (rnd(6) == 0),
			rnd(2) ? PRODUCER_MARKER_ABORT : PRODUCER_MARKER_COMMIT, (int32_t)rnd(3));
		a.origin = rnd(5) == 0 ? PRODUCER_REPLICATED : PRODUCER_COORDINATOR;
		return a;
	}
	a = batch(id, MAX(epoch, 0), sequence, records);
	a.is_transactional = p->open_since >= 0 ? rnd(8) != 0 : rnd(2) == 0;
	if (rnd(5) == 0)
		a.origin = rnd(2) ? PRODUCER_REPLICATED : PRODUCER_COORDINATOR;
	return a;
}

static void one_append(void)
{
	struct producer_append a = random_append(), expected = a;
	enum kafka_error error = producer_state_stage(state, &a), right;
	bool flag;
	int64_t stable = -1;

	if (a.is_control) {
		right = model_marker(&expected, &flag, &stable);
		ck_assert_int_eq(error, right);
		ck_assert_int_eq(a.has_ended, flag);
		if (flag)
			ck_assert_int_eq(a.txn_last_stable_offset, stable);
	} else {
		right = model_data(&expected, &flag);
		ck_assert_int_eq(error, right);
		ck_assert_int_eq(a.is_duplicate, flag);
		if (flag) {
			ck_assert_int_eq(a.first_base_offset, expected.first_base_offset);
			ck_assert_int_eq(a.first_timestamp, expected.first_timestamp);
		}
	}
	if (error == NONE && !a.is_duplicate)
		next_offset = a.last_offset + 1;
}

static void compare(void)
{
	int64_t unstable = model_oldest_open(-1), last_offset, base_offset;
	int32_t first, last;
	time_ms time;
	int count = 0;

	for (int i = 0; i < m->ended_count; i++)
		if (m->ended[i].at >= m->high_watermark && (unstable < 0 ||
			m->ended[i].first < unstable))
			unstable = m->ended[i].first;
	ck_assert_int_eq(producer_state_first_unstable_offset(state), unstable);
	for (int id = 0; id < IDS; id++) {
		const struct model_producer *p = &m->p[id];
		struct producer_info info;

		ck_assert_int_eq(producer_state_get(state, id, &info), p->known);
		if (!p->known)
			continue;
		count++;
		ck_assert_int_eq(info.producer_epoch, p->epoch);
		ck_assert_int_eq(info.coordinator_epoch, p->coordinator_epoch);
		ck_assert_int_eq(info.current_txn_first_offset, p->open_since);
		ck_assert_int_eq(info.last_timestamp, p->last_time);
		for (int i = 0; i < 6; i++) {
			bool has = producer_state_batch(state, id, i, &first, &last, &base_offset,
				&last_offset, &time);

			ck_assert_int_eq(has, i < 5 && i < p->n);
			if (!has)
				continue;
			ck_assert_int_eq(first, p->seen[p->n - 1 - i].first);
			ck_assert_int_eq(last, p->seen[p->n - 1 - i].last);
			ck_assert_int_eq(base_offset, p->seen[p->n - 1 - i].base);
			ck_assert_int_eq(last_offset, p->seen[p->n - 1 - i].end);
			ck_assert_int_eq(time, p->seen[p->n - 1 - i].time);
		}
	}
	ck_assert_int_eq(producer_state_count(state), count);
}

/* Through both files: all five batches come back; completed transactions do not, as in Kafka. */
static void through_the_disk(void)
{
	struct strbuf snapshot = STRBUF_INIT, batches = STRBUF_INIT;

	producer_snapshot_encode(state, &snapshot);
	producer_snapshot_encode_batches(state, 42, &batches);
	producer_state_destroy(&state);
	producer_state_create(&state, DAY);
	ck_assert_int_eq(producer_snapshot_decode(state, strbuf_slice(&snapshot), next_offset, 0),
		OK);
	if (batches.len > 0)
		ck_assert_int_eq(producer_snapshot_decode_batches(state, strbuf_slice(&batches),
			42), OK);
	producer_state_set_high_watermark(state, m->high_watermark);
	strbuf_fini(&snapshot);
	strbuf_fini(&batches);
	m->ended_count = 0;
	for (int i = 0; i < IDS; i++)
		if (m->p[i].n > 0)		/* Kafka's entry has one timestamp for both */
			m->p[i].seen[m->p[i].n - 1].time = m->p[i].last_time;
}

static void one_step(void)
{
	int64_t end = next_offset;

	for (int n = 1 + (int)rnd(5); n > 0; n--)
		one_append();
	if (rnd(4) == 0) {
		producer_state_rollback(state);
		*m = *committed;
		next_offset = end;
	} else {
		producer_state_commit(state);
	}
	if (rnd(5) == 0) {
		int64_t up_to = next_offset - (int64_t)rnd(20);

		m->high_watermark = MAX(m->high_watermark, up_to);
		producer_state_set_high_watermark(state, m->high_watermark);
	}
	if (rnd(40) == 0)
		through_the_disk();
	if (rnd(100) == 0) {
		time_ms now = 1000 + next_offset + DAY - (int64_t)rnd(100);

		producer_state_expire(state, now);
		for (int i = 0; i < IDS; i++)
			if (m->p[i].open_since < 0 && now - m->p[i].last_time >= DAY)
				m->p[i] = (struct model_producer){ .coordinator_epoch = -1,
					.open_since = -1, .last_time = -1 };
	}
	compare();
	*committed = *m;
}

START_TEST(random_histories)
{
	m = mem_calloc(1, sizeof(*m));
	committed = mem_calloc(1, sizeof(*committed));
	for (uint64_t s = 1; s <= 30; s++) {
		seed = s;
		teardown();
		setup();
		memset(m, 0, sizeof(*m));
		for (int i = 0; i < IDS; i++)
			m->p[i] = (struct model_producer){ .coordinator_epoch = -1,
				.open_since = -1, .last_time = -1 };
		*committed = *m;
		for (int i = 0; i < 400; i++)
			one_step();
	}
	free(m);
	free(committed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("producer_state");
	TCase *tc = tcase_create("rules");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, five_newest_batches_are_duplicates);
	tcase_add_test(tc, sequences_wrap);
	tcase_add_test(tc, epochs);
	tcase_add_test(tc, markers_are_fenced);
	tcase_add_test(tc, transactions_hold_the_stable_offset);
	tcase_add_test(tc, verification_opens_a_transaction);
	tcase_add_test(tc, coordinators_skip_sequences);
	tcase_add_test(tc, an_emptied_control_batch_changes_nothing);
	tcase_add_test(tc, rollback_leaves_no_trace);
	tcase_add_test(tc, silent_producers_expire);
	tcase_add_test(tc, the_longest_silent_makes_room);
	tcase_add_test(tc, random_histories);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
