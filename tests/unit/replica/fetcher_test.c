/* Fetchers against fake leaders, with real partition actors as followers. */
#include <stdio.h>
#include <stdlib.h>

#include "../../slowness.h"
#include "record/batch.h"
#include "rig.h"
#include "wire/gen/fetch.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include "wire/header.h"

#define SEEDS (20 / SEEDS_SLOWNESS)

START_TEST(follows)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 3);
	leader_log_append(log, 5);
	leader_log_append(log, 2);
	rig_follow(&r, 0, 0, 3);
	rig_until_end(&r, 0, 7);
	rig_pass(&r, 600);		/* the watermark comes with the answer to the Fetch that follows */
	ck_assert_int_eq(partition_high_watermark(r.replicas[0].addr), 7);
	leader_log_append(log, 1);
	rig_until_end(&r, 0, 8);
	rig_expect_same(&r, 0, log);
	ck_assert_int_eq(r.leaders[0]->fetch_version, 17);
	ck_assert_int_eq(r.leaders[0]->replica_id, RIG_BROKER);
	ck_assert_int_eq(r.leaders[0]->replica_epoch, RIG_BROKER_EPOCH);
	ck_assert_str_eq(r.leaders[0]->client_id, "broker-7-fetcher-0");
	ck_assert_int_eq(r.leaders[0]->full_fetches, 1);
	rig_fini(&r);
}
END_TEST

/* --- at rest ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(at_rest_there_is_one_long_poll)
{
	struct rig r;
	uint64_t requests, steps, asked;

	rig_init(&r, (uint64_t)_i, RIG_REPLICAS, NULL);
	r.leaders[0]->has_sessions = _i % 2 == 0;	/* without, every answer names everybody, who must not be woken for it */
	for (int i = 0; i < RIG_REPLICAS; i++) {
		leader_log_lead(&r.leaders[0]->logs[i], 3);
		leader_log_append(&r.leaders[0]->logs[i], i + 1);
		rig_follow(&r, i, 0, 3);
	}
	for (int i = 0; i < RIG_REPLICAS; i++)
		rig_until_end(&r, i, i + 1);
	rig_pass(&r, 2000);
	requests = rig_requests(&r);
	steps = rig_steps(&r);
	asked = rig_partition_questions(&r);
	rig_pass(&r, 10000);
	ck_assert_uint_ge(rig_requests(&r) - requests, 18);
	ck_assert_uint_le(rig_requests(&r) - requests, 21);
	/* For each: the socket is read, the next question goes out, and the looks of the simulation whenever something moved. */
	ck_assert_uint_le(rig_steps(&r) - steps, 21 * 8);
	ck_assert_uint_eq(rig_partition_questions(&r), asked);
	rig_fini(&r);
}
END_TEST

START_TEST(an_unassigned_fetcher_does_nothing)
{
	struct rig r;
	uint64_t steps;

	rig_init(&r, 1, 2, NULL);
	leader_log_lead(&r.leaders[0]->logs[0], 3);
	rig_follow(&r, 0, 0, 3);
	rig_pass(&r, 1200);
	rig_unassign(&r, 0);
	rig_wait_home(&r, &r.replicas[0].assign.msg);
	rig_pass(&r, 1000);
	steps = rig_steps(&r);
	ck_assert_int_eq(fetchers_actor(r.fetchers, "t0", 0)->deadline, MONO_NEVER);
	rig_pass(&r, 20000);
	ck_assert_uint_le(rig_steps(&r) - steps, 4);	/* the simulation looks when something else has happened */
	ck_assert_int_eq(fake_leader_next(r.leaders[0]), MONO_NEVER);	/* the connection is gone, and the long poll with it */
	rig_fini(&r);
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------------------------------------------- */

START_TEST(only_changes_are_sent)
{
	struct rig r;
	struct fake_leader *l;
	int full;

	rig_init(&r, (uint64_t)_i, RIG_REPLICAS, NULL);
	l = r.leaders[0];
	for (int i = 0; i < RIG_REPLICAS; i++) {
		leader_log_lead(&l->logs[i], 3);
		rig_follow(&r, i, 0, 3);
	}
	rig_pass(&r, 3000);
	full = l->full_fetches;		/* those who came later did not let the first one's question wait */
	ck_assert_int_eq(l->fetched_partitions, 0);
	leader_log_append(&l->logs[2], 4);
	rig_until_end(&r, 2, 4);
	rig_pass(&r, 100);
	ck_assert_int_eq(l->fetched_partitions, 1);
	ck_assert_int_eq(l->full_fetches, full);
	rig_unassign(&r, 1);
	rig_wait_home(&r, &r.replicas[1].assign.msg);
	rig_pass(&r, 1200);
	ck_assert_int_eq(l->forgotten, 1);
	ck_assert(!l->logs[1].is_in_session);
	leader_log_append(&l->logs[1], 1);
	leader_log_append(&l->logs[0], 1);
	rig_until_end(&r, 0, 1);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[1].addr), 0);
	ck_assert_int_eq(l->full_fetches, full);
	rig_follow(&r, 1, 0, 4);
	leader_log_lead(&l->logs[1], 4);
	rig_until_end(&r, 1, 1);
	ck_assert_int_le(l->full_fetches, full + 1);
	rig_fini(&r);
}
END_TEST

START_TEST(a_lost_session_is_begun_anew)
{
	static const int16_t codes[] = { FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR, UNKNOWN_SERVER_ERROR };
	struct rig r;
	struct fake_leader *l;
	mono_ms begin;
	int full;

	rig_init(&r, (uint64_t)_i, 2, NULL);
	l = r.leaders[0];
	for (int i = 0; i < 2; i++) {
		leader_log_lead(&l->logs[i], 3);
		rig_follow(&r, i, 0, 3);
	}
	rig_pass(&r, 1500);
	full = l->full_fetches;
	l->session_error = codes[_i % 4];
	leader_log_append(&l->logs[1], 4);
	begin = os_mono_ms(r.os);
	rig_until_end(&r, 1, 4);
	ck_assert_int_eq(l->full_fetches, full + 1);
	if (_i % 4 < 2)		/* at once */
		ck_assert_int_lt(os_mono_ms(r.os) - begin, 900);
	else
		ck_assert_int_gt(os_mono_ms(r.os) - begin, 900);
	rig_expect_same(&r, 1, &l->logs[1]);
	rig_fini(&r);
}
END_TEST

START_TEST(a_leader_without_room_for_sessions)
{
	struct rig r;
	struct fake_leader *l;

	rig_init(&r, (uint64_t)_i, 3, NULL);
	l = r.leaders[0];
	l->has_sessions = false;
	for (int i = 0; i < 3; i++) {
		leader_log_lead(&l->logs[i], 3);
		rig_follow(&r, i, 0, 3);
		leader_log_append(&l->logs[i], 3 + i);
	}
	for (int i = 0; i < 3; i++)
		rig_until_end(&r, i, 3 + i);
	rig_pass(&r, 1500);
	ck_assert_int_eq(l->full_fetches, l->fetches);
	ck_assert_int_eq(l->fetched_partitions, 3);
	rig_fini(&r);
}
END_TEST

START_TEST(a_session_that_errs_for_good_is_not_asked_without_end)
{
	struct rig r;
	struct fake_leader *l;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 3);
	rig_follow(&r, 0, 0, 3);
	requests = rig_requests(&r);
	for (int i = 0; i < 10000; i++) {
		l->session_error = FETCH_SESSION_ID_NOT_FOUND;
		rig_pass(&r, 1);
	}
	ck_assert_uint_le(rig_requests(&r) - requests, 13);
	l->session_error = NONE;
	leader_log_append(&l->logs[0], 1);
	rig_until_end(&r, 0, 1);
	rig_fini(&r);
}
END_TEST

/* --- topic ids and versions ------------------------------------------------------------------------------------------------------- */

START_TEST(without_a_topic_id_names_are_used)
{
	struct rig r;
	struct fake_leader *l;

	rig_init(&r, (uint64_t)_i, 2, NULL);
	l = r.leaders[0];
	for (int i = 0; i < 2; i++)
		leader_log_lead(&l->logs[i], 3);
	rig_follow(&r, 0, 0, 3);
	rig_pass(&r, 700);
	ck_assert_int_eq(l->fetch_version, 17);
	rig_take_role(&r, 1, 0, 3);
	rig_assign(&r, 1, 0, 3);
	r.replicas[1].assign.topic_id = UUID_ZERO;	/* it has not been read yet: the desk sends in its step */
	rig_wait_home(&r, &r.replicas[1].assign.msg);
	leader_log_append(&l->logs[1], 2);
	rig_until_end(&r, 1, 2);
	ck_assert_int_eq(l->fetch_version, 12);
	ck_assert_int_eq(l->full_fetches, 2);
	rig_assign(&r, 1, 0, 3);			/* the id has become known */
	rig_wait_home(&r, &r.replicas[1].assign.msg);
	rig_pass(&r, 700);
	leader_log_append(&l->logs[1], 2);
	rig_until_end(&r, 1, 4);
	ck_assert_int_eq(l->fetch_version, 17);
	ck_assert_int_eq(l->full_fetches, 3);
	rig_fini(&r);
}
END_TEST

START_TEST(versions_follow_the_protocol_version)
{
	static const struct { const char *ibp; int16_t fetch, epoch, offsets; } table[] = {
		{ "3.9", 17, -1, 9 }, { "3.8", 16, -1, 8 }, { "3.7-IV3", 15, -1, 8 }, { "3.6", 15, -1, 8 }, { "3.5-IV0", 14, -1, 8 },
		{ "3.4", 13, -1, 7 }, { "3.1", 13, -1, 7 }, { "3.0", 12, -1, 7 }, { "3.0-IV0", 12, -1, 6 }, { "2.8", 12, -1, 6 }, { "2.7", 12, -1, 5 },
		{ "2.7-IV0", 11, 3, 5 }, { "2.6", 11, 3, 5 }, { "2.3", 11, 3, 5 }, { "2.2", 10, 2, 5 }, { "2.1", 10, 2, 4 }, { "2.0", 8, 1, 3 },
		{ "1.1", 7, 0, 2 }, { "1.0", 5, 0, 2 },
	};
	char ibp[64];
	const char *configs[] = { ibp, NULL };
	struct rig r;
	struct fake_leader *l;

	snprintf(ibp, sizeof(ibp), "inter.broker.protocol.version=%s", table[_i].ibp);
	rig_init(&r, (uint64_t)_i, 1, configs);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 3);
	leader_log_append(&l->logs[0], 5);
	rig_follow(&r, 0, 0, 3);
	rig_until_end(&r, 0, 5);
	ck_assert_int_eq(l->fetch_version, table[_i].fetch);
	leader_log_lead(&l->logs[0], 4);
	rig_follow(&r, 0, 0, 4);
	leader_log_append(&l->logs[0], 1);
	rig_until_end(&r, 0, 6);
	ck_assert_int_eq(l->epoch_questions, table[_i].epoch >= 0 ? 1 : 0);
	if (table[_i].epoch >= 0)
		ck_assert_int_eq(l->epoch_version, table[_i].epoch);
	leader_log_lead(&l->logs[0], 5);
	leader_log_append(&l->logs[0], 4);
	leader_log_raise_start(&l->logs[0], 6);
	rig_follow(&r, 0, 0, 5);
	rig_until_end(&r, 0, 10);
	rig_pass(&r, 1500);
	l->logs[0].end -= 4;		/* it has forgotten */
	leader_log_cut(&l->logs[0], 6);
	for (int i = 0; i < 3000 && l->offset_questions == 0; i++)
		rig_pass(&r, 1);
	if (l->offset_questions > 0)
		ck_assert_int_eq(l->offset_version, table[_i].offsets);
	ck_assert_int_eq(l->replica_id, RIG_BROKER);
	ck_assert_int_eq(l->replica_epoch, table[_i].fetch >= 15 ? RIG_BROKER_EPOCH : -1);
	rig_fini(&r);
}
END_TEST

/* What Java followers sent, in each version: tests/golden/cluster. The frames are theirs but for the correlation id. */

static size_t hex_bytes(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
		ck_assert_uint_lt(n, max);
		out[n++] = (uint8_t)byte;
	}
	return n;
}

static void expect_frame(struct rig *r, const char *topic, int32_t partition, struct uuid topic_id, int32_t epoch, int64_t offset, int32_t last_epoch,
			 struct slice want)
{
	struct fake_leader *l = r->leaders[0];

	rig_add(r, topic, partition, topic_id);
	leader_log_lead(&l->logs[0], epoch);
	rig_take_role(r, 0, 0, epoch);
	r->replicas[0].role.log_end_offset = offset;
	r->replicas[0].role.last_epoch = last_epoch;
	rig_assign(r, 0, 0, epoch);
	for (int i = 0; i < 1000 && l->last_frame.len == 0; i++)
		rig_pass(r, 1);
	ck_assert_uint_eq(l->last_frame.len, want.len);
	memcpy(l->last_frame.ptr + 4, want.ptr + 4, 4);		/* the correlation id */
	ck_assert_mem_eq(l->last_frame.ptr, want.ptr, want.len);
	rig_fini(r);
}

static void expect_fetch(struct slice frame)
{
	static const struct { int16_t version; const char *ibp; } ibps[] = {
		{ 11, "2.6" }, { 12, "2.7" }, { 13, "3.1" }, { 15, "3.6" }, { 16, "3.8" }, { 17, "3.9" },
	};
	struct reader reader = reader_of(frame);
	char ibp[64] = "", topic[64];
	const char *configs[] = { ibp, NULL };
	struct request_header h;
	struct fetch_request q;
	struct arena a;
	struct rig r;

	arena_init(&a, 1 << 20);
	ck_assert(header_decode_request(&h, &reader) && fetch_request_decode(&q, &reader, h.request_api_version, &a));
	for (size_t i = 0; i < ARRAY_LEN(ibps); i++)
		if (ibps[i].version == h.request_api_version)
			snprintf(ibp, sizeof(ibp), "inter.broker.protocol.version=%s", ibps[i].ibp);
	ck_assert_int_eq(q.topics_count, 1);
	ck_assert_int_eq(q.topics[0].partitions_count, 1);
	const struct fetch_request_partition *p = &q.topics[0].partitions[0];
	snprintf(topic, sizeof(topic), SLICE_FMT, SLICE_ARG(q.topics[0].topic));
	rig_begin(&r, 1, h.request_api_version >= 15 ? q.replica_state.replica_id : q.replica_id, configs);
	r.broker_epoch = q.replica_state.replica_epoch;
	expect_frame(&r, topic[0] != '\0' ? topic : "t", p->partition, q.topics[0].topic_id, p->current_leader_epoch, p->fetch_offset, p->last_fetched_epoch, frame);
	arena_fini(&a);
}

static void expect_epoch_question(struct slice frame)
{
	static const char *const configs[] = { "inter.broker.protocol.version=2.6", NULL };
	struct reader reader = reader_of(frame);
	struct request_header h;
	struct offset_for_leader_epoch_request q;
	struct arena a;
	struct rig r;

	arena_init(&a, 1 << 20);
	ck_assert(header_decode_request(&h, &reader) && offset_for_leader_epoch_request_decode(&q, &reader, h.request_api_version, &a));
	const struct offset_for_leader_epoch_request_partition *p = &q.topics[0].partitions[0];
	rig_begin(&r, 1, q.replica_id, configs);
	expect_frame(&r, "t", p->partition, UUID_ZERO, p->current_leader_epoch, 5, p->leader_epoch, frame);
	arena_fini(&a);
}

START_TEST(frames_are_those_of_java_followers)
{
	static char line[16384];
	static uint8_t frame[8192];
	char path[1024], api[64];
	const char *data = getenv("SKEIN_TEST_DATA");
	int version, at, seen = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/golden/cluster/inter-broker-requests.txt", data != NULL ? data : "tests");
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		ck_assert_int_eq(sscanf(line, "%63s %d %n", api, &version, &at), 2);
		size_t n = hex_bytes(line + at, frame, sizeof(frame));
		if (strcmp(api, "Fetch") == 0)
			expect_fetch(slice_of(frame, n));
		else if (strcmp(api, "OffsetForLeaderEpoch") == 0)
			expect_epoch_question(slice_of(frame, n));
		else
			continue;
		seen++;
	}
	fclose(f);
	ck_assert_int_eq(seen, 7);
}
END_TEST

/* --- truncation ------------------------------------------------------------------------------------------------------------------- */

static const char *const ibp_2_6[] = { "inter.broker.protocol.version=2.6", NULL };

/*
 * KIP-279: two leaders that never saw each other's last epochs. Ours: 1 (0..5), 3 (5..9); the new leader's: 1 (0..4), 2 (4..8), 4 (8..10). Asked about 3 it tells of 2, which we
 * do not have: only the second round, about 1, finds where the histories part.
 */
START_TEST(diverges_in_several_rounds)
{
	struct rig r;
	struct leader_log *old, *new;

	rig_init(&r, (uint64_t)_i, 1, _i % 2 == 0 ? NULL : ibp_2_6);
	old = &r.leaders[0]->logs[0];
	new = &r.leaders[1]->logs[0];
	leader_log_lead(old, 1);
	leader_log_append(old, 4);
	leader_log_copy(new, old);
	leader_log_append(old, 1);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 5);
	leader_log_lead(old, 3);
	leader_log_append(old, 4);
	rig_follow(&r, 0, 0, 3);
	rig_until_end(&r, 0, 9);
	leader_log_lead(new, 2);
	leader_log_append(new, 4);
	leader_log_lead(new, 4);
	leader_log_append(new, 2);
	rig_follow(&r, 0, 1, 4);
	rig_until_end(&r, 0, 10);
	rig_pass(&r, 1200);
	rig_expect_same(&r, 0, new);
	ck_assert_int_eq(r.leaders[1]->epoch_questions, _i % 2 == 0 ? 0 : 2);
	ck_assert_int_eq(partition_high_watermark(r.replicas[0].addr), 10);
	rig_fini(&r);
}
END_TEST

/* Our log: epochs 1, 2, 3 (0..5, 5..9, 9..12); the new leader's: 1, 4 (0..7, 7..9). */
START_TEST(diverges_epochs_apart)
{
	struct rig r;
	struct leader_log *old, *new;

	rig_init(&r, (uint64_t)_i, 1, _i % 2 == 0 ? NULL : ibp_2_6);
	old = &r.leaders[0]->logs[0];
	new = &r.leaders[1]->logs[0];
	leader_log_lead(old, 1);
	leader_log_append(old, 5);
	leader_log_copy(new, old);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 5);
	leader_log_lead(old, 2);
	leader_log_append(old, 4);
	rig_follow(&r, 0, 0, 2);
	rig_until_end(&r, 0, 9);
	leader_log_lead(old, 3);
	leader_log_append(old, 3);
	rig_follow(&r, 0, 0, 3);
	rig_until_end(&r, 0, 12);
	new->leader_epoch = 1;
	leader_log_append(new, 2);
	leader_log_lead(new, 4);
	leader_log_append(new, 2);
	rig_follow(&r, 0, 1, 4);
	rig_until_end(&r, 0, 9);
	rig_pass(&r, 1200);
	rig_expect_same(&r, 0, new);
	ck_assert_int_eq(partition_high_watermark(r.replicas[0].addr), 9);
	rig_fini(&r);
}
END_TEST

START_TEST(an_unknown_history_is_cut_to_the_high_watermark)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, ibp_2_6);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	log->high_watermark = 3;
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 3);
	rig_pass(&r, 1100);
	leader_log_append(log, 3);
	log->high_watermark = 3;
	rig_until_end(&r, 0, 6);
	/* a leader that has lost its history of epochs, and has other records from 3 on */
	leader_log_cut(log, 3);
	log->epoch_count = 0;
	log->epochs[0].epoch = 0;
	log->epoch_count = 1;
	log->leader_epoch = 2;
	leader_log_append(log, 1);
	rig_follow(&r, 0, 0, 2);
	rig_until_end(&r, 0, 4);
	rig_expect_same(&r, 0, log);
	rig_fini(&r);
}
END_TEST

/* A leader that says for ever that histories part, where they do not. */
START_TEST(nonsense_about_divergence_is_not_answered_without_end)
{
	struct rig r;
	struct leader_log *log;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 3);
	log->is_diverging_always = true;
	rig_pass(&r, 1000);
	requests = rig_requests(&r);
	rig_pass(&r, 10000);
	ck_assert_uint_le(rig_requests(&r) - requests, 12);
	log->is_diverging_always = false;
	leader_log_append(log, 1);
	rig_until_end(&r, 0, 4);
	rig_fini(&r);
}
END_TEST

/* --- out of range ----------------------------------------------------------------------------------------------------------------- */

START_TEST(the_leader_begins_behind_our_end)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, _i % 2 == 0 ? NULL : ibp_2_6);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 3);
	rig_unassign(&r, 0);
	leader_log_append(log, 4);
	leader_log_append(log, 2);
	leader_log_raise_start(log, 7);
	rig_follow(&r, 0, 0, 2);
	leader_log_lead(log, 2);
	rig_until_end(&r, 0, 9);
	ck_assert_int_eq(partition_log_start_offset(r.replicas[0].addr), 7);
	ck_assert_int_ge(r.leaders[0]->offset_questions, 2);
	rig_expect_same(&r, 0, log);
	rig_fini(&r);
}
END_TEST

/* An unclean election: the leader's log is shorter, of the same epoch. */
START_TEST(the_leader_ends_before_our_end)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	leader_log_append(log, 4);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 7);
	leader_log_cut(log, 3);
	log->epochs[0].epoch = 0;	/* and it knows nothing of our epoch: out of range, not diverging */
	for (int i = 0; i < 5000 && partition_log_end_offset(r.replicas[0].addr) != 3; i++)
		rig_pass(&r, 1);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), 3);
	ck_assert_int_ge(r.leaders[0]->offset_questions, 1);
	log->epochs[0].epoch = 1;
	leader_log_append(log, 1);
	rig_until_end(&r, 0, 4);
	rig_expect_same(&r, 0, log);
	rig_fini(&r);
}
END_TEST

START_TEST(out_of_range_that_is_not_so_is_not_asked_without_end)
{
	struct rig r;
	struct leader_log *log;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 3);
	log->epochs[0].epoch = 0;	/* "undefined" is answered as out of range, though it is not */
	rig_pass(&r, 1000);
	requests = rig_requests(&r);
	rig_pass(&r, 10000);
	ck_assert_uint_le(rig_requests(&r) - requests, 3 * 12);
	log->epochs[0].epoch = 1;
	leader_log_append(log, 1);
	rig_until_end(&r, 0, 4);
	rig_fini(&r);
}
END_TEST

/* --- errors of one partition ------------------------------------------------------------------------------------------------------ */

START_TEST(a_fenced_epoch_waits_for_the_controller)
{
	struct rig r;
	struct leader_log *log;
	struct fetcher_counters c;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 1, _i % 2 == 0 ? NULL : ibp_2_6);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 5);
	leader_log_append(log, 3);
	rig_follow(&r, 0, 0, 4);
	rig_pass(&r, 1000);
	fetchers_counters(r.fetchers, &c);
	ck_assert_uint_eq(c.failed_partitions, 1);
	requests = rig_requests(&r);
	rig_assign(&r, 0, 0, 4);	/* the same again changes nothing */
	rig_pass(&r, 5000);
	ck_assert_uint_eq(rig_requests(&r), requests);
	rig_follow(&r, 0, 0, 5);
	rig_until_end(&r, 0, 3);
	fetchers_counters(r.fetchers, &c);
	ck_assert_uint_eq(c.failed_partitions, 0);
	rig_fini(&r);
}
END_TEST

START_TEST(other_errors_are_tried_again)
{
	static const int16_t codes[] = { UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID,
					 KAFKA_STORAGE_ERROR, CLUSTER_AUTHORIZATION_FAILED, 999 };
	struct rig r;
	struct fake_leader *l;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 2, _i % 2 == 0 ? NULL : ibp_2_6);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 5);
	leader_log_lead(&l->logs[1], 5);
	leader_log_append(&l->logs[0], 3);
	l->logs[0].error = codes[_i % (int)ARRAY_LEN(codes)];
	rig_follow(&r, 0, 0, 5);
	rig_follow(&r, 1, 0, 5);
	rig_pass(&r, 5000);
	leader_log_append(&l->logs[1], 1);	/* the neighbour is served */
	rig_until_end(&r, 1, 1);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), 0);
	requests = rig_requests(&r);
	rig_pass(&r, 5000);
	ck_assert_uint_le(rig_requests(&r) - requests, 17);
	l->logs[0].error = NONE;
	rig_until_end(&r, 0, 3);
	rig_fini(&r);
}
END_TEST

/* As when both hear of a new leader: the follower first, the leader a moment later. Who waits for acks=all waits for that. */
START_TEST(a_leader_that_hears_of_its_role_a_moment_later)
{
	static const int16_t codes[] = { UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID };
	struct rig r;
	struct leader_log *log;
	mono_ms began;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 5);
	leader_log_append(log, 3);
	log->error = codes[_i % (int)ARRAY_LEN(codes)];
	rig_follow(&r, 0, 0, 5);
	began = os_mono_ms(r.os);
	rig_pass(&r, 40);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), 0);
	log->error = NONE;
	rig_until_end(&r, 0, 3);
	ck_assert_int_lt(os_mono_ms(r.os) - began, 200);
	rig_fini(&r);
}
END_TEST

START_TEST(a_newcomer_does_not_wait_for_a_quiet_neighbour)
{
	struct rig r;
	struct fake_leader *l;
	mono_ms began;

	rig_init(&r, (uint64_t)_i, 2, _i % 2 == 0 ? NULL : ibp_2_6);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 5);
	leader_log_lead(&l->logs[1], 5);
	leader_log_append(&l->logs[1], 3);
	rig_follow(&r, 0, 0, 5);
	rig_pass(&r, 700 + _i * 13);	/* somewhere in a long poll */
	began = os_mono_ms(r.os);
	rig_follow(&r, 1, 0, 5);
	rig_until_end(&r, 1, 3);
	ck_assert_int_lt(os_mono_ms(r.os) - began, 150);
	leader_log_append(&l->logs[0], 2);
	rig_until_end(&r, 0, 2);
	for (int i = 0; i < 2; i++)
		rig_expect_same(&r, i, &l->logs[i]);
	rig_fini(&r);
}
END_TEST

/* As at a failover, where each portion of news brings some of them: nobody waits for the long poll that the one before has begun. */
START_TEST(newcomers_in_portions)
{
	struct rig r;
	struct fake_leader *l;
	mono_ms began;

	rig_init(&r, (uint64_t)_i, 3, NULL);
	l = r.leaders[0];
	for (int i = 0; i < 3; i++)
		leader_log_lead(&l->logs[i], 5);
	rig_follow(&r, 0, 0, 5);
	rig_pass(&r, 1700 + _i * 13);
	rig_follow(&r, 1, 0, 5);
	rig_pass(&r, 15 + _i);		/* the question that takes it along waits already */
	leader_log_append(&l->logs[2], 3);
	began = os_mono_ms(r.os);
	rig_follow(&r, 2, 0, 5);
	rig_until_end(&r, 2, 3);
	ck_assert_int_lt(os_mono_ms(r.os) - began, 150);
	rig_fini(&r);
}
END_TEST

/* However often somebody is assigned: in the long run connections are not ended for it more often than long polls end. */
START_TEST(newcomers_one_after_the_other)
{
	struct rig r;
	struct fake_leader *l;
	int full;

	rig_init(&r, (uint64_t)_i, 2, NULL);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 5);
	rig_follow(&r, 0, 0, 5);
	rig_pass(&r, 700);
	full = l->full_fetches;
	for (int epoch = 5; epoch < 65; epoch++) {	/* 60 of them in 3 s and a little */
		leader_log_lead(&l->logs[1], epoch);
		rig_follow(&r, 1, 0, epoch);
		rig_pass(&r, 50);
	}
	ck_assert_int_ge(l->full_fetches - full, 1);
	ck_assert_int_le(l->full_fetches - full, 13);
	leader_log_append(&l->logs[1], 3);
	rig_until_end(&r, 1, 3);
	rig_fini(&r);
}
END_TEST

START_TEST(an_epoch_the_leader_does_not_know_yet)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, _i % 2 == 0 ? NULL : ibp_2_6);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 5);
	leader_log_append(log, 3);
	rig_follow(&r, 0, 0, 6);
	rig_pass(&r, 2500);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), 0);
	leader_log_lead(log, 6);
	rig_until_end(&r, 0, 3);
	rig_fini(&r);
}
END_TEST

/* --- changes while something is under way ----------------------------------------------------------------------------------------- */

START_TEST(an_epoch_changes_while_a_fetch_is_under_way)
{
	struct rig r;
	struct leader_log *log, *other;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	other = &r.leaders[1]->logs[0];
	leader_log_lead(log, 1);
	leader_log_append(log, 3);
	leader_log_copy(other, log);
	rig_follow(&r, 0, 0, 1);
	rig_until_end(&r, 0, 3);
	rig_pass(&r, 30 + _i % 7);
	/* The old leader appends what the new one never has; its answer is on the way when the role changes. */
	leader_log_append(log, 2);
	fake_leader_step(r.leaders[0]);
	rig_pass(&r, _i % 4);
	leader_log_lead(other, 2);
	leader_log_append(other, 1);
	rig_follow(&r, 0, 1, 2);
	rig_until_end(&r, 0, 4);
	rig_pass(&r, 1500);
	rig_expect_same(&r, 0, other);
	rig_fini(&r);
}
END_TEST

START_TEST(a_removal_waits_until_nothing_is_lent)
{
	struct rig r;
	struct leader_log *log;
	int64_t end;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	rig_follow(&r, 0, 0, 1);
	for (int i = 0; i < 40; i++)
		leader_log_append(log, 3);
	for (int i = 0; i < 20000 && partition_log_end_offset(r.replicas[0].addr) == 0 && r.replicas[0].addr->actor->pending == 0; i++)
		rig_pass(&r, 1);
	rig_unassign(&r, 0);
	rig_wait_home(&r, &r.replicas[0].assign.msg);
	/* From here on nothing comes any more: the partition may stop. */
	ck_assert_uint_eq(r.replicas[0].addr->actor->pending & (UINT64_C(1) << LANE_FETCHER_FIRST), 0);
	end = partition_log_end_offset(r.replicas[0].addr);
	rig_pass(&r, 3000);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), end);
	ck_assert_int_eq(fetchers_actor(r.fetchers, "t0", 0)->messages_out, 0);
	rig_fini(&r);
}
END_TEST

START_TEST(a_leader_moves_to_another_address)
{
	struct rig r;
	struct fake_leader *a, *b;
	mono_ms begin;

	rig_init(&r, (uint64_t)_i, 2, NULL);
	a = r.leaders[0];
	b = r.leaders[1];
	for (int i = 0; i < 2; i++) {
		leader_log_lead(&a->logs[i], 1);
		leader_log_append(&a->logs[i], 2);
		rig_follow(&r, i, 0, 1);
	}
	rig_until_end(&r, 0, 2);
	rig_until_end(&r, 1, 2);
	for (int i = 0; i < 2; i++) {
		leader_log_copy(&b->logs[i], &a->logs[i]);
		leader_log_lead(&b->logs[i], 2);
		leader_log_append(&b->logs[i], 1);
	}
	/* The same broker id, at leader1's address. */
	rig_take_role(&r, 0, 0, 2);
	rig_assign(&r, 0, 0, 2);
	snprintf(r.replicas[0].assign.host, sizeof(r.replicas[0].assign.host), "leader1");
	begin = os_mono_ms(r.os);
	rig_until_end(&r, 0, 3);
	ck_assert_int_lt(os_mono_ms(r.os) - begin, 900);	/* without a pause */
	ck_assert_int_ge(b->full_fetches, 1);
	ck_assert_int_eq(fake_leader_next(a), MONO_NEVER);
	/* The other goes with it: a broker has one address. Its epoch is unknown there until its own role comes. */
	rig_take_role(&r, 1, 0, 2);
	rig_assign(&r, 1, 0, 2);
	snprintf(r.replicas[1].assign.host, sizeof(r.replicas[1].assign.host), "leader1");
	rig_until_end(&r, 1, 3);
	rig_fini(&r);
}
END_TEST

/* --- the network ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_leader_that_closes_its_connection_is_lost_until_it_answers)
{
	struct rig r;
	struct fake_leader *l;
	uint16_t port;

	rig_init(&r, (uint64_t)_i, 1, NULL);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 1);
	rig_follow(&r, 0, 0, 1);
	rig_pass(&r, 700);
	ck_assert(!fetchers_have_lost(r.fetchers, 0, 150));
	fake_leader_cut_all(l);
	os_close(l->os, &l->listener);
	rig_pass(&r, 20);
	ck_assert(fetchers_have_lost(r.fetchers, 0, 150));
	ck_assert(fetchers_have_lost(r.fetchers, -1, 150));
	ck_assert(!fetchers_have_lost(r.fetchers, 1, 150));
	rig_pass(&r, 200);
	ck_assert(!fetchers_have_lost(r.fetchers, 0, 150));
	ck_assert(fetchers_have_lost(r.fetchers, 0, 1000));
	ck_assert_int_eq(os_listen(l->os, NULL, LEADER_PORT, 10, &l->listener, &port), OK);
	leader_log_append(&l->logs[0], 2);
	rig_until_end(&r, 0, 2);
	ck_assert(!fetchers_have_lost(r.fetchers, 0, 100000));
	rig_fini(&r);
}
END_TEST

START_TEST(a_leader_that_is_gone_is_asked_once_a_second)
{
	struct rig r;
	struct fake_leader *l;
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 2, NULL);
	l = r.leaders[0];
	leader_log_lead(&l->logs[0], 1);
	leader_log_lead(&l->logs[1], 1);
	os_close(l->os, &l->listener);
	rig_follow(&r, 0, 0, 1);
	rig_follow(&r, 1, 0, 1);
	rig_pass(&r, 2000);
	requests = rig_requests(&r);
	rig_pass(&r, 10000);
	ck_assert_uint_ge(rig_requests(&r) - requests, 8);
	ck_assert_uint_le(rig_requests(&r) - requests, 11);
	uint16_t port;
	ck_assert_int_eq(os_listen(l->os, NULL, LEADER_PORT, 10, &l->listener, &port), OK);
	leader_log_append(&l->logs[1], 2);
	rig_until_end(&r, 1, 2);
	rig_fini(&r);
}
END_TEST

START_TEST(tricks_of_a_leader)
{
	struct rig r;
	struct fake_leader *l;
	enum leader_trick trick = (enum leader_trick)(_i % TRICK_MUTE + 1);
	uint64_t requests;

	rig_init(&r, (uint64_t)_i, 2, _i % 3 == 0 ? ibp_2_6 : NULL);
	l = r.leaders[0];
	for (int i = 0; i < 2; i++) {
		leader_log_lead(&l->logs[i], 1);
		leader_log_append(&l->logs[i], 3);
		rig_follow(&r, i, 0, 1);
	}
	rig_pass(&r, 20 + _i % 1000);
	l->trick = trick;
	l->tricks_left = 1000;
	leader_log_append(&l->logs[0], 2);
	rig_pass(&r, 3000);
	requests = rig_requests(&r);
	rig_pass(&r, 10000);
	ck_assert_uint_le(rig_requests(&r) - requests, 33);	/* a long poll for one of the two, while the other rests a second and comes again */
	l->tricks_left = 0;
	leader_log_append(&l->logs[1], 2);
	if (trick == TRICK_MUTE)
		rig_pass(&r, 31000);	/* replica.socket.timeout.ms */
	rig_until_end(&r, 0, 5);
	rig_until_end(&r, 1, 5);
	for (int i = 0; i < 2; i++)
		rig_expect_same(&r, i, &l->logs[i]);
	rig_fini(&r);
}
END_TEST

/* --- throttling ------------------------------------------------------------------------------------------------------------------- */

static const char *const small_fetches[] = { "replica.fetch.max.bytes=1000", NULL };

START_TEST(throttled_replicas_stay_below_the_rate)
{
	struct rig r;
	struct fake_leader *l;
	struct fetcher_counters c;

	rig_init(&r, (uint64_t)_i, 2, small_fetches);
	l = r.leaders[0];
	fetchers_set_throttle(r.fetchers, 300);
	for (int i = 0; i < 2; i++)
		leader_log_lead(&l->logs[i], 1);
	for (int i = 0; i < 200; i++)
		leader_log_append(&l->logs[0], 10);
	rig_take_role(&r, 0, 0, 1);
	rig_assign(&r, 0, 0, 1);
	r.replicas[0].assign.is_throttled = true;
	rig_follow(&r, 1, 0, 1);
	rig_pass(&r, 20000);
	fetchers_counters(r.fetchers, &c);
	ck_assert_uint_ge(c.bytes, 300 * 15);
	ck_assert_uint_le(c.bytes, 300 * 31 + 1000);	/* a mean over 10 to 11 s, passed by one answer at most */
	ck_assert_int_lt(partition_log_end_offset(r.replicas[0].addr), 2000);
	leader_log_append(&l->logs[1], 5);
	rig_pass(&r, 1000);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[1].addr), 5);	/* who is not throttled is served */
	fetchers_set_throttle(r.fetchers, INT64_MAX);
	rig_pass(&r, 3000);
	rig_until_end(&r, 0, 2000);
	/* In sync it is served whatever the rate, and counted. */
	fetchers_set_throttle(r.fetchers, 1);
	rig_pass(&r, 1000);
	leader_log_append(&l->logs[0], 1);
	rig_pass(&r, 1000);
	ck_assert_int_eq(partition_log_end_offset(r.replicas[0].addr), 2001);
	rig_expect_same(&r, 0, &l->logs[0]);
	rig_fini(&r);
}
END_TEST

/* Answers cut within a batch, as they come from sendfile. */
START_TEST(small_answers)
{
	struct rig r;
	struct leader_log *log;

	rig_init(&r, (uint64_t)_i, 1, small_fetches);
	log = &r.leaders[0]->logs[0];
	leader_log_lead(log, 1);
	for (int i = 0; i < 50; i++)
		leader_log_append(log, 1 + i % 7);
	leader_log_append(log, 60);	/* larger than the limit: comes whole */
	rig_follow(&r, 0, 0, 1);
	rig_pass(&r, 3000);
	rig_until_end(&r, 0, log->end);
	rig_expect_same(&r, 0, log);
	rig_fini(&r);
}
END_TEST

/* --- all of it -------------------------------------------------------------------------------------------------------------------- */

/* Random trouble; then peace, and every replica is as its leader. */
START_TEST(survives_everything)
{
	struct rig r;
	int32_t epoch[RIG_REPLICAS] = { 1, 1, 1, 1 };
	int leader[RIG_REPLICAS] = { 0 };

	rig_init(&r, (uint64_t)_i, RIG_REPLICAS, _i % 3 == 0 ? ibp_2_6 : NULL);
	for (int i = 0; i < RIG_REPLICAS; i++) {
		leader_log_lead(&r.leaders[0]->logs[i], 1);
		rig_follow(&r, i, 0, 1);
	}
	for (int round = 0; round < 60; round++) {
		uint64_t x = sched_sim_random(r.sched);
		int i = (int)(x % RIG_REPLICAS), k = leader[i];
		struct leader_log *log = &r.leaders[k]->logs[i];

		switch (x / 16 % 10) {
		case 0: case 1: case 2: case 3:
			leader_log_append(log, 1 + (int)(x / 1024 % 5));
			break;
		case 4:		/* another leader, which lacks the last batches */
			if (epoch[i] > 10)
				break;
			leader_log_copy(&r.leaders[1 - k]->logs[i], log);
			leader[i] = 1 - k;
			log = &r.leaders[1 - k]->logs[i];
			if (x / 1024 % 2 == 0 && log->end > log->start) {
				struct slice rest = leader_log_from(log, log->end - 1);
				leader_log_cut(log, MAX(batch_base_offset(rest.ptr), log->start));
			}
			if (log->epoch_count == 0)
				leader_log_lead(log, epoch[i]);
			leader_log_lead(log, ++epoch[i]);
			rig_take_role(&r, i, leader[i], epoch[i]);
			rig_assign(&r, i, leader[i], epoch[i]);
			break;
		case 5:
			sim_net_reset(r.machine, r.leaders[k]->machine);
			break;
		case 6:
			r.leaders[k]->trick = (enum leader_trick)(x / 1024 % TRICK_MUTE);
			r.leaders[k]->tricks_left = 2;
			break;
		case 7:
			r.leaders[k]->session_error = x / 1024 % 2 == 0 ? FETCH_SESSION_ID_NOT_FOUND : INVALID_FETCH_SESSION_EPOCH;
			break;
		case 8:
			rig_unassign(&r, i);
			rig_pass(&r, (mono_ms)(x / 1024 % 5));
			rig_take_role(&r, i, leader[i], ++epoch[i]);
			if (epoch[i] > 14)
				epoch[i] = 14;
			if (log->epoch_count < LEADER_EPOCHS - 1)
				leader_log_lead(log, epoch[i]);
			rig_assign(&r, i, leader[i], epoch[i]);
			break;
		default:
			log->error = log->error == NONE ? NOT_LEADER_OR_FOLLOWER : NONE;
			break;
		}
		rig_pass(&r, (mono_ms)(x / 65536 % 300));
	}
	for (int k = 0; k < RIG_LEADERS; k++) {
		r.leaders[k]->tricks_left = 0;
		for (int i = 0; i < RIG_REPLICAS; i++)
			r.leaders[k]->logs[i].error = NONE;
	}
	rig_pass(&r, 5000);
	for (int i = 0; i < RIG_REPLICAS; i++) {
		const struct leader_log *log = &r.leaders[leader[i]]->logs[i];
		rig_until_end(&r, i, log->end);
		rig_expect_same(&r, i, log);
	}
	rig_fini(&r);
}
END_TEST

/* A case for each, so that CK_RUN_CASE runs one alone. */
#define ADD(suite, test, rounds) do { \
	TCase *tc = tcase_create(#test); \
	tcase_add_loop_test(tc, test, 0, rounds); \
	tcase_set_timeout(tc, 60); \
	suite_add_tcase(suite, tc); \
} while (0)

int main(void)
{
	Suite *s = suite_create("fetcher");
	SRunner *sr = srunner_create(s);
	int failed;

	ADD(s, follows, SEEDS);
	ADD(s, at_rest_there_is_one_long_poll, 6);
	ADD(s, an_unassigned_fetcher_does_nothing, 1);
	ADD(s, only_changes_are_sent, SEEDS);
	ADD(s, a_lost_session_is_begun_anew, 16);
	ADD(s, a_leader_without_room_for_sessions, 4);
	ADD(s, a_session_that_errs_for_good_is_not_asked_without_end, 3);
	ADD(s, without_a_topic_id_names_are_used, 4);
	ADD(s, versions_follow_the_protocol_version, 19);
	ADD(s, frames_are_those_of_java_followers, 1);
	ADD(s, diverges_in_several_rounds, SEEDS);
	ADD(s, diverges_epochs_apart, SEEDS);
	ADD(s, an_unknown_history_is_cut_to_the_high_watermark, 6);
	ADD(s, nonsense_about_divergence_is_not_answered_without_end, 4);
	ADD(s, the_leader_begins_behind_our_end, 8);
	ADD(s, the_leader_ends_before_our_end, 6);
	ADD(s, out_of_range_that_is_not_so_is_not_asked_without_end, 4);
	ADD(s, a_fenced_epoch_waits_for_the_controller, 6);
	ADD(s, other_errors_are_tried_again, 16);
	ADD(s, a_leader_that_hears_of_its_role_a_moment_later, 8);
	ADD(s, a_newcomer_does_not_wait_for_a_quiet_neighbour, 16);
	ADD(s, newcomers_in_portions, 16);
	ADD(s, newcomers_one_after_the_other, 4);
	ADD(s, an_epoch_the_leader_does_not_know_yet, 4);
	ADD(s, an_epoch_changes_while_a_fetch_is_under_way, 60);
	ADD(s, a_removal_waits_until_nothing_is_lent, 40);
	ADD(s, a_leader_moves_to_another_address, 8);
	ADD(s, a_leader_that_closes_its_connection_is_lost_until_it_answers, 4);
	ADD(s, a_leader_that_is_gone_is_asked_once_a_second, 4);
	ADD(s, tricks_of_a_leader, 60);
	ADD(s, throttled_replicas_stay_below_the_rate, 6);
	ADD(s, small_answers, 6);
	ADD(s, survives_everything, 150);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
