/*
 * Fetch on a broker among others: followers, consumers that had better read elsewhere, and what is
 * led elsewhere. What partitions answer is the test's.
 */
#include <stdlib.h>

#include "api/fetch_session.h"
#include "api/fetch_watch.h"
#include "rig.h"
#include "storage/log_file.h"
#include "wire/gen/fetch.h"

extern const struct api_row fetch_row;

static const struct uuid topic_id = { { 1 } };
static struct partition_addr *addr;

/* Partition 0 is led here, 1 by broker 1, 2 by nobody; 0 and 1 have replicas on 0, 1 and 2. */
static void setup(void)
{
	static const int32_t replicas[] = { 0, 1, 2 }, others[] = { 1, 2 };

	rig_setup();
	rig.context.sessions = fetch_sessions_create(os_real(), 4);
	rig_add_broker(1, "PLAINTEXT", "east");
	rig_add_broker(2, "PLAINTEXT", "west");
	rig_add_broker(3, "INTERNAL", "east");
	addr = rig_addr_create();
	addr->is_leader = true;
	addr->leader_epoch = 7;
	addr->high_watermark = addr->last_stable_offset = 4;
	addr->log_end_offset = 5;
	const struct cluster_partition_spec specs[] = {
		{ .id = 0, .leader = 0, .leader_epoch = 7, .replicas = replicas,
		  .replica_count = 3, .isr = replicas, .isr_count = 3, .local = &addr->counted },
		{ .id = 1, .leader = 1, .leader_epoch = 8, .replicas = others, .replica_count = 2,
		  .isr = others, .isr_count = 2 },
		{ .id = 2, .leader = -1, .leader_epoch = 9, .replicas = others, .replica_count = 2,
		  .isr = others, .isr_count = 1 },
	};
	rig_add_topic("t", topic_id, specs, 3);
}

static void teardown(void)
{
	for (int i = 0; i < rig.watch_count; i++) {
		if (rig.watches[i] != NULL)
			rig_watch_home(i);
	}
	ck_assert_uint_eq(rig_addr_refs(addr), 2);	/* handlers gave back what they took */
	fetch_sessions_destroy(&rig.context.sessions);
	rig_teardown();
	partition_addr_unref(&addr);
}

/* Of partitions 0 .. n-1 of topic t, from this offset on, under the epoch of partition 0. */
static struct call *fetch(int16_t version, int32_t replica, int64_t offset, int32_t n)
{
	struct call *c = rig_call(&fetch_row, version);
	struct fetch_request *r = c->request;

	fetch_request_init(r);
	r->replica_id = version < 15 ? replica : -1;
	r->replica_state.replica_id = version < 15 ? -1 : replica;
	r->replica_state.replica_epoch = version < 15 ? -1 : 33;
	r->max_wait_ms = 500;
	r->min_bytes = 1;
	r->max_bytes = 1 << 20;
	r->session_epoch = -1;
	r->rack_id = SLICE_EMPTY;
	r->topics = arena_calloc(&c->arena, 1, sizeof(*r->topics));
	r->topics_count = 1;
	r->topics->topic = version < 13 ? SLICE_LIT("t") : SLICE_EMPTY;
	r->topics->topic_id = version < 13 ? UUID_ZERO : topic_id;
	r->topics->partitions = arena_calloc(&c->arena, (size_t)n, sizeof(*r->topics->partitions));
	r->topics->partitions_count = n;
	for (int32_t i = 0; i < n; i++) {
		struct fetch_request_partition *p = &r->topics->partitions[i];

		fetch_request_partition_init(p);
		p->partition = i;
		p->fetch_offset = offset;
		p->current_leader_epoch = version >= 9 ? 7 : -1;
		p->partition_max_bytes = 1 << 20;
	}
	rig.asked_count = 0;
	c->stage[STAGE_RECEIVED] = 777 * 1000000ll;
	return c;
}

static struct partition_read *question(int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_int_eq(rig.asked[i]->kind, PARTITION_read);
	return (struct partition_read *)rig.asked[i];
}

/* Nothing is there: the watermarks alone. */
static void answer_empty(struct call *c, int i)
{
	struct partition_read *q = question(i);

	q->error = NONE;
	q->range.file = NULL;
	q->bytes_to_bound = 0;
	q->diverging_epoch = -1;
	q->high_watermark = addr->high_watermark;
	q->last_stable_offset = addr->last_stable_offset;
	q->log_start_offset = 0;
	rig_answer(c, i);
}

static const struct fetch_response_partition *partition_of(struct call *c, int32_t index)
{
	const struct fetch_response *out = rig_response(c);

	for (int32_t t = 0; t < out->responses_count; t++) {
		for (int32_t p = 0; p < out->responses[t].partitions_count; p++) {
			if (out->responses[t].partitions[p].partition_index == index)
				return &out->responses[t].partitions[p];
		}
	}
	ck_abort_msg("partition %d is missing", index);
	return NULL;
}

/* --- followers -------------------------------------------------------------------------------- */

START_TEST(what_a_follower_tells_counts_once)
{
	static const int16_t versions[] = { 4, 9, 12, 13, 15, 17 };

	for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
		struct call *c = fetch(versions[v], 2, 5, 1);

		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 1);	/* although nothing is new */
		ck_assert_int_eq(question(0)->replica_id, 2);
		ck_assert_int_eq(question(0)->replica_epoch, versions[v] < 15 ? -1 : 33);
		ck_assert(question(0)->is_first_look);
		ck_assert(question(0)->follower_is_live);
		ck_assert_int_eq(question(0)->received, 777);
		ck_assert_ptr_null(question(0)->choices);
		answer_empty(c, 0);
		ck_assert(!rig_has_ended(c));
		/* something is appended */
		addr->log_end_offset++;
		rig_watch_home(rig.watch_count - 1);
		ck_assert(!rig_has_ended(c));
		ck_assert_int_eq(rig.asked_count, 2);
		ck_assert(!question(1)->is_first_look);
		question(1)->error = NOT_LEADER_OR_FOLLOWER;
		rig_answer(c, 1);
		ck_assert_int_eq(partition_of(c, 0)->error_code, NOT_LEADER_OR_FOLLOWER);
		rig_free(&c);
		addr->log_end_offset--;
	}
}
END_TEST

/* Within a session, which it opens with epoch 0; a fetch with n = 0 says that nothing has changed. Answers at once. */
static struct call *fetch_in_session(int32_t replica, int32_t session, int32_t epoch, int64_t offset, int32_t n)
{
	struct call *c = fetch(15, replica, offset, n);
	struct fetch_request *r = c->request;

	r->session_id = session;
	r->session_epoch = epoch;
	r->max_wait_ms = 0;
	r->topics_count = n > 0;
	rig_begin(c);
	return c;
}

static int32_t session_of(struct call *c)
{
	int32_t id = ((const struct fetch_response *)rig_response(c))->session_id;

	ck_assert_int_gt(id, 0);
	return id;
}

/* The session of a follower that was heard once, at the log's end. */
static int32_t heard(int32_t replica)
{
	struct call *c = fetch_in_session(replica, 0, 0, 5, 1);

	ck_assert_int_eq(rig.asked_count, 1);
	answer_empty(c, 0);
	int32_t id = session_of(c);
	rig_free(&c);
	return id;
}

START_TEST(a_follower_without_news_is_heard_once)
{
	int32_t id = heard(2);
	struct call *c = fetch_in_session(2, id, 1, 5, 0);

	ck_assert_int_eq(rig.asked_count, 0);
	ck_assert_int_eq(((const struct fetch_response *)rig_response(c))->responses_count, 0);
	rig_free(&c);

	c = fetch_in_session(2, id, 2, 5, 1);	/* it speaks of it again: its log's start may have moved */
	answer_empty(c, 0);
	rig_free(&c);

	addr->log_end_offset++;
	c = fetch_in_session(2, id, 3, 5, 0);	/* there is something for it */
	question(0)->error = KAFKA_STORAGE_ERROR;
	rig_answer(c, 0);
	rig_free(&c);
	addr->log_end_offset--;

	c = fetch_in_session(2, id, 4, 5, 0);	/* it was refused: nothing was noted */
	answer_empty(c, 0);
	rig_free(&c);

	addr->leader_epoch++;
	c = fetch_in_session(2, id, 5, 5, 0);	/* another epoch's leader has noted nothing */
	answer_empty(c, 0);
	rig_free(&c);
	addr->leader_epoch--;
}
END_TEST

/* Each of its fetches may let it in. */
START_TEST(a_follower_that_is_not_in_sync_is_heard_always)
{
	int32_t id = heard(3);
	struct call *c = fetch_in_session(3, id, 1, 5, 0);

	answer_empty(c, 0);
	rig_free(&c);
}
END_TEST

START_TEST(a_broker_that_is_gone_is_not_live)
{
	struct call *c = fetch(12, 9, 5, 1);

	rig_begin(c);
	ck_assert_int_eq(question(0)->replica_id, 9);
	ck_assert(!question(0)->follower_is_live);
	question(0)->error = UNKNOWN_LEADER_EPOCH;
	rig_answer(c, 0);
	ck_assert_int_eq(partition_of(c, 0)->error_code, UNKNOWN_LEADER_EPOCH);
	rig_free(&c);
}
END_TEST

START_TEST(the_high_watermark_alone_does_not_end_a_followers_wait)
{
	struct call *c = fetch(12, 1, 5, 1);

	rig_begin(c);
	answer_empty(c, 0);
	ck_assert_int_eq(rig.watch_count, 1);
	ck_assert_int_eq(rig.watches[0]->seen_log_end_offset, 5);
	addr->high_watermark = addr->last_stable_offset = 5;
	rig_watch_home(0);
	ck_assert(!rig_has_ended(c));
	ck_assert_int_eq(rig.asked_count, 1);		/* nobody was asked for it */
	ck_assert_int_eq(rig.watch_count, 2);		/* but it waits again */
	/* the end of the wait brings it */
	rig.now += 500;
	call_resume(c);
	ck_assert(rig_has_ended(c));
	ck_assert_int_eq(partition_of(c, 0)->error_code, NONE);
	ck_assert_int_eq(partition_of(c, 0)->high_watermark, 5);
	ck_assert_int_eq(partition_of(c, 0)->records.len, 0);
	rig_free(&c);
}
END_TEST

START_TEST(followers_and_consumers_wait_for_different_things)
{
	struct call *consumer = fetch(12, REPLICA_CONSUMER, 4, 1), *follower;

	rig_begin(consumer);
	ck_assert_int_eq(rig.asked_count, 0);		/* quiet, by what is published */
	ck_assert(!rig_has_ended(consumer));
	follower = fetch(12, 1, 5, 1);
	rig_begin(follower);
	answer_empty(follower, 0);
	ck_assert_int_eq(rig.watch_count, 2);
	ck_assert(rig.watches[0]->seen_log_end_offset == INT64_MIN);
	ck_assert_int_eq(rig.watches[1]->seen_log_end_offset, 5);
	rig_watch_home(0);
	rig_close(consumer);
	ck_assert(rig_has_ended(consumer));
	rig_close(follower);
	ck_assert(rig_has_ended(follower));
	rig_free(&consumer);
	rig_free(&follower);
}
END_TEST

START_TEST(nobody_sleeps_at_a_watch_that_has_seen_more)
{
	struct call *first = fetch(12, REPLICA_CONSUMER, 4, 1), *second;

	rig_begin(first);
	ck_assert_int_eq(rig.parked_until, rig.now + 500);
	addr->high_watermark = addr->last_stable_offset = 5;
	second = fetch(12, REPLICA_CONSUMER, 5, 1);
	rig_begin(second);
	ck_assert_int_eq(rig.watch_count, 1);		/* the one of the first, who has seen 4 */
	ck_assert_int_le(rig.parked_until, rig.now + 100);	/* so it looks again soon */
	ck_assert(!rig_has_ended(second));
	rig_watch_home(0);				/* resumes the first alone */
	ck_assert(!rig_has_ended(first));
	ck_assert_int_eq(rig.asked_count, 1);
	question(0)->error = OFFSET_OUT_OF_RANGE;
	rig_answer(first, 0);
	ck_assert(rig_has_ended(first));
	rig_close(second);
	ck_assert(rig_has_ended(second));
	rig_free(&first);
	rig_free(&second);
}
END_TEST

static bool readers_only(enum acl_operation op, enum acl_resource resource UNUSED,
                         struct slice name UNUSED)
{
	return op == ACL_READ;
}

START_TEST(a_follower_that_may_not_is_told_for_every_partition)
{
	struct call *c = fetch(17, 1, 5, 3);

	rig.authorize = readers_only;
	rig_begin(c);
	for (int32_t i = 0; i < 3; i++)
		ck_assert_int_eq(partition_of(c, i)->error_code, TOPIC_AUTHORIZATION_FAILED);
	rig_free(&c);
}
END_TEST

/* --- the replication throttle ----------------------------------------------------------------- */

static struct log_file file;		/* what partitions answer with; never closed */

/* Hundred bytes are there. */
static void answer_bytes(struct call *c, int i)
{
	struct partition_read *q = question(i);

	q->error = NONE;
	q->diverging_epoch = -1;
	q->high_watermark = q->last_stable_offset = 4;
	q->log_start_offset = 0;
	file.refs++;
	q->range = (struct log_range){ .file = &file, .len = 100, .first_batch_bytes = 100 };
	q->bytes_to_bound = 100;
	rig_answer(c, i);
}

/* Topic t again, with broker 2 out of sync and these settings: its own, the cluster's rate. */
static void throttle(const char *replicas, const char *rate)
{
	static const int32_t all[] = { 0, 1, 2 };
	const struct cluster_override topic = { "leader.replication.throttled.replicas", replicas };
	const struct cluster_override broker = { "leader.replication.throttled.rate", rate };
	struct cluster_overrides *of_topic = cluster_overrides_create(&topic, 1);
	struct cluster_overrides *of_brokers = cluster_overrides_create(&broker, 1);
	const struct cluster_partition_spec spec = {
		.id = 0, .leader = 0, .leader_epoch = 7, .replicas = all, .replica_count = 3,
		.isr = all, .isr_count = 2, .local = &addr->counted,
	};

	cluster_put_topic(rig.picture,
	                  cluster_topic_create("t", topic_id, &rig.context.broker->topic, of_topic,
	                                       &spec, 1));
	cluster_set_broker_configs(rig.picture, of_brokers, rig.picture->broker_own);
	counted_unref(&of_topic->counted);
	counted_unref(&of_brokers->counted);
	addr->log_end_offset = addr->high_watermark = addr->last_stable_offset = 9;
	file = (struct log_file){ .refs = 1, .fd = -1 };
}

static uint32_t bytes_for(int32_t replica)
{
	struct call *c = fetch(12, replica, 4, 1);
	uint32_t refs = file.refs;

	rig_begin(c);
	answer_bytes(c, 0);
	if (!rig_has_ended(c)) {	/* it got none, and waits */
		ck_assert_uint_eq(file.refs, refs);
		rig.now += 500;
		call_resume(c);
		ck_assert(!rig_has_ended(c));
		answer_bytes(c, 1);
	}
	ck_assert_int_eq(partition_of(c, 0)->error_code, NONE);
	uint32_t len = (uint32_t)partition_of(c, 0)->records.len;
	ck_assert_uint_eq(file.refs, refs + (len > 0));		/* net's now */
	rig_free(&c);
	return len;
}

START_TEST(a_throttled_follower_gets_none_while_too_much_goes)
{
	throttle("1:0,0:0", "1000");
	ck_assert_uint_eq(bytes_for(2), 100);
	throttle_record(&rig.context.leader_throttle, rig.now, 20000);
	ck_assert_uint_eq(bytes_for(2), 0);
	ck_assert_uint_eq(bytes_for(1), 100);		/* it is in sync */
	ck_assert_uint_eq(bytes_for(REPLICA_CONSUMER), 100);
	rig.now += 30000;
	ck_assert_uint_eq(bytes_for(2), 100);
}
END_TEST

START_TEST(all_bytes_of_throttled_replicas_count)
{
	throttle("*", "50");
	for (int i = 0; i < 10; i++)	/* in sync: always served */
		ck_assert_uint_eq(bytes_for(1), 100);
	ck_assert_uint_eq(bytes_for(2), 0);
}
END_TEST

START_TEST(other_replicas_are_not_throttled)
{
	static const char *const lists[] = { "0:1", "1:0", "" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		throttle(lists[i], "1");
		throttle_record(&rig.context.leader_throttle, rig.now, 20000);
		ck_assert_uint_eq(bytes_for(2), 100);
	}
}
END_TEST

/* --- what is led elsewhere -------------------------------------------------------------------- */

START_TEST(the_leader_is_named_with_its_address)
{
	for (int16_t v = 4; v <= 17; v++) {
		struct call *c = fetch(v, REPLICA_CONSUMER, 4, 4);	/* 3 does not exist */

		((struct fetch_request *)c->request)->max_wait_ms = 0;
		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 0);
		ck_assert_int_eq(partition_of(c, 0)->error_code, NONE);
		ck_assert_int_eq(partition_of(c, 1)->error_code, NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_eq(partition_of(c, 1)->high_watermark, -1);
		ck_assert_int_eq(partition_of(c, 1)->current_leader.leader_id, v < 16 ? -1 : 1);
		ck_assert_int_eq(partition_of(c, 1)->current_leader.leader_epoch, v < 16 ? -1 : 8);
		ck_assert_int_eq(partition_of(c, 2)->error_code, NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_eq(partition_of(c, 2)->current_leader.leader_id, -1);
		ck_assert_int_eq(partition_of(c, 2)->current_leader.leader_epoch, v < 16 ? -1 : 9);
		ck_assert_int_eq(partition_of(c, 3)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
		const struct fetch_response *out = rig_response(c);
		ck_assert_int_eq(out->node_endpoints_count, v < 16 ? 0 : 1);
		if (v >= 16) {
			ck_assert_int_eq(out->node_endpoints->node_id, 1);
			ck_assert_slice_eq(out->node_endpoints->host, "host-1");
			ck_assert_int_eq(out->node_endpoints->port, 9001);
		}
		rig_free(&c);
	}
}
END_TEST

/* --- near replicas ---------------------------------------------------------------------------- */

/* What the leader says of its replicas, itself first. */
static void offer(struct partition_read *q, const struct partition_reader_choice *all, int n)
{
	ck_assert_ptr_nonnull(q->choices);
	ck_assert_int_ge(q->choices_max, n);
	for (int i = 0; i < n; i++)
		q->choices[i] = all[i];
	q->choices_count = n;
}

static struct call *fetch_from(int16_t version, const char *rack)
{
	struct call *c = fetch(version, REPLICA_CONSUMER, 4, 1);
	struct fetch_request *r = c->request;

	r->max_wait_ms = 0;
	r->rack_id = slice_str(rack);
	rig_begin(c);
	return c;
}

START_TEST(a_consumer_is_sent_to_a_replica_of_its_rack)
{
	static const struct partition_reader_choice all[] = {
		{ 0, 9, MONO_NEVER }, { 1, 8, 500 }, { 2, 7, 900 },
	};
	static const struct { const char *rack; int32_t replica; } cases[] = {
		{ "east", 1 }, { "west", 2 },
	};

	rig.context.broker->is_selector_rack_aware = true;
	for (int16_t v = 11; v <= 17; v++) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct call *c = fetch_from(v, cases[i].rack);

			ck_assert_int_eq(rig.asked_count, 1);
			offer(question(0), all, 3);
			answer_empty(c, 0);
			ck_assert_int_eq(partition_of(c, 0)->preferred_read_replica,
			                 cases[i].replica);
			ck_assert_int_eq(partition_of(c, 0)->error_code, NONE);
			ck_assert_int_eq(partition_of(c, 0)->high_watermark, 4);
			ck_assert_int_eq(partition_of(c, 0)->records.len, 0);
			rig_free(&c);
		}
	}
}
END_TEST

START_TEST(of_several_near_replicas_the_best)
{
	static const struct {
		struct partition_reader_choice near[2];
		int32_t                        best;
	} cases[] = {
		{ { { 1, 8, 500 }, { 4, 9, 100 } }, 4 },	/* has more */
		{ { { 1, 8, 500 }, { 4, 8, 501 } }, 4 },	/* had all later */
		{ { { 1, 8, 500 }, { 4, 8, 499 } }, 1 },
		{ { { 1, 8, 500 }, { 4, 8, 500 } }, 4 },	/* the higher id */
	};

	rig_add_broker(4, "PLAINTEXT", "east");
	rig.context.broker->is_selector_rack_aware = true;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = fetch_from(11, "east");

		offer(question(0), cases[i].near, 2);
		answer_empty(c, 0);
		ck_assert_int_eq(partition_of(c, 0)->preferred_read_replica, cases[i].best);
		rig_free(&c);
	}
}
END_TEST

START_TEST(consumers_that_stay)
{
	/* of broker 3 the client's listener is not known; broker 2 stands elsewhere */
	static const struct partition_reader_choice far[] = {
		{ 0, 9, MONO_NEVER }, { 2, 9, 500 }, { 3, 9, 500 },
	};
	struct call *c;

	rig.context.broker->is_selector_rack_aware = true;
	c = fetch_from(11, "east");
	offer(question(0), far, 3);
	answer_empty(c, 0);
	ck_assert_int_eq(partition_of(c, 0)->preferred_read_replica, -1);
	rig_free(&c);
	c = fetch_from(11, "east");
	offer(question(0), far, 3);
	question(0)->error = OFFSET_OUT_OF_RANGE;
	question(0)->diverging_epoch = -1;
	rig_answer(c, 0);
	ck_assert_int_eq(partition_of(c, 0)->error_code, OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(partition_of(c, 0)->preferred_read_replica, -1);
	rig_free(&c);
	/* nobody is there, no rack, too old, or not switched on: quiet ones are not even asked */
	static const struct { int16_t version; const char *rack; bool is_on; } cases[] = {
		{ 11, "north", true }, { 11, "", true }, { 10, "east", true }, { 11, "east", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		rig.context.broker->is_selector_rack_aware = cases[i].is_on;
		c = fetch_from(cases[i].version, cases[i].rack);
		ck_assert_int_eq(rig.asked_count, 0);
		ck_assert_int_eq(partition_of(c, 0)->preferred_read_replica, -1);
		rig_free(&c);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fetch");
	TCase *tc = tcase_create("fetch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_a_follower_tells_counts_once);
	tcase_add_test(tc, a_follower_without_news_is_heard_once);
	tcase_add_test(tc, a_follower_that_is_not_in_sync_is_heard_always);
	tcase_add_test(tc, a_broker_that_is_gone_is_not_live);
	tcase_add_test(tc, the_high_watermark_alone_does_not_end_a_followers_wait);
	tcase_add_test(tc, followers_and_consumers_wait_for_different_things);
	tcase_add_test(tc, nobody_sleeps_at_a_watch_that_has_seen_more);
	tcase_add_test(tc, a_follower_that_may_not_is_told_for_every_partition);
	tcase_add_test(tc, a_throttled_follower_gets_none_while_too_much_goes);
	tcase_add_test(tc, all_bytes_of_throttled_replicas_count);
	tcase_add_test(tc, other_replicas_are_not_throttled);
	tcase_add_test(tc, the_leader_is_named_with_its_address);
	tcase_add_test(tc, a_consumer_is_sent_to_a_replica_of_its_rack);
	tcase_add_test(tc, of_several_near_replicas_the_best);
	tcase_add_test(tc, consumers_that_stay);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
