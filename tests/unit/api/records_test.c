/*
 * DeleteRecords and DescribeProducers: what is asked of partitions, and what becomes of answers.
 */
#include <stdlib.h>

#include "rig.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/describe_producers.h"

extern const struct api_row delete_records_row, describe_producers_row;

static struct partition_addr *addr;

/* Topic "t": partition 0 is here, and at brokers 1 (alive) and 2 (not); 1 is elsewhere. */
static void setup(void)
{
	static const int32_t replicas[] = { 0, 1, 2 };

	rig_setup();
	rig_add_broker(1, "PLAINTEXT", NULL);
	addr = rig_addr_create();
	const struct cluster_partition_spec specs[] = {
		{ .id = 0, .replicas = replicas, .replica_count = 3, .isr = replicas, .isr_count = 1, .local = &addr->counted },
		{ .id = 1, .replicas = replicas + 1, .replica_count = 1, .isr = replicas + 1, .isr_count = 1 },
	};
	rig_add_topic("t", UUID_ZERO, specs, 2);
}

static void teardown(void)
{
	ck_assert_uint_eq(rig_addr_refs(addr), 2);	/* handlers gave back what they took */
	rig_teardown();
	partition_addr_unref(&addr);
}

static bool nothing_allowed(enum acl_operation op UNUSED, enum acl_resource resource UNUSED, struct slice name UNUSED)
{
	return false;
}

/* --- DeleteRecords -------------------------------------------------------------------------------------------------------------- */

static struct call *ask_delete(int16_t version, const char *topic, int32_t partition, int32_t timeout_ms)
{
	struct call *c = rig_call(&delete_records_row, version);
	struct delete_records_request *r = c->request;

	r->topics = arena_calloc(&c->arena, 1, sizeof(*r->topics));
	r->topics_count = 1;
	r->topics->name = slice_str(topic);
	r->topics->partitions = arena_calloc(&c->arena, 1, sizeof(*r->topics->partitions));
	r->topics->partitions_count = 1;
	r->topics->partitions->partition_index = partition;
	r->topics->partitions->offset = 11;
	r->timeout_ms = timeout_ms;
	rig.asked_count = 0;
	rig_begin(c);
	return c;
}

static struct partition_delete_records *deletion(int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_int_eq(rig.asked[i]->kind, PARTITION_delete_records);
	return (struct partition_delete_records *)rig.asked[i];
}

static void expect_deleted(struct call **c, int16_t error, int64_t low_watermark)
{
	const struct delete_records_response *out = rig_response(*c);

	ck_assert_int_eq(out->topics_count, 1);
	ck_assert_int_eq(out->topics->partitions_count, 1);
	ck_assert_int_eq(out->topics->partitions->error_code, error);
	ck_assert_int_eq(out->topics->partitions->low_watermark, low_watermark);
	rig_free(c);
}

START_TEST(records_are_deleted)
{
	for (int16_t v = 0; v <= 2; v++) {
		struct call *c = ask_delete(v, "t", 0, 5000);

		ck_assert_int_eq(rig.asked_count, 1);
		ck_assert_int_eq(deletion(0)->offset, 11);
		ck_assert_int_eq(deletion(0)->live_count, 2);
		ck_assert_int_eq(deletion(0)->live[0], 0);
		ck_assert_int_eq(deletion(0)->live[1], 1);
		deletion(0)->error = NONE;
		deletion(0)->low_watermark = 12;
		rig_answer(c, 0);
		expect_deleted(&c, NONE, 12);
	}
}
END_TEST

START_TEST(deletions_that_are_not_asked)
{
	struct call *c = ask_delete(2, "t", 1, 0);

	expect_deleted(&c, NOT_LEADER_OR_FOLLOWER, -1);
	c = ask_delete(2, "t", 2, 0);
	expect_deleted(&c, UNKNOWN_TOPIC_OR_PARTITION, -1);
	c = ask_delete(2, "none", 0, 0);
	expect_deleted(&c, UNKNOWN_TOPIC_OR_PARTITION, -1);
	rig_add_topic("__consumer_offsets", UUID_ZERO, NULL, 1);
	c = ask_delete(2, "__consumer_offsets", 0, 0);
	expect_deleted(&c, INVALID_TOPIC_EXCEPTION, -1);
	addr->is_open = false;
	c = ask_delete(2, "t", 0, 0);
	expect_deleted(&c, NOT_LEADER_OR_FOLLOWER, -1);
	rig.authorize = nothing_allowed;
	c = ask_delete(2, "none", 0, 0);
	expect_deleted(&c, TOPIC_AUTHORIZATION_FAILED, -1);
}
END_TEST

START_TEST(refused_by_the_partition)
{
	struct call *c = ask_delete(2, "t", 0, 5000);

	deletion(0)->error = POLICY_VIOLATION;
	deletion(0)->low_watermark = 3;
	rig_answer(c, 0);
	expect_deleted(&c, POLICY_VIOLATION, -1);
}
END_TEST

/* Asked again and again with who is alive by then, for as long as the request may take. */
START_TEST(a_wait_comes_in_pieces)
{
	struct call *c = ask_delete(2, "t", 0, 1200);
	mono_ms until = rig.now + 1200;
	int rounds = 0;

	while (!rig_has_ended(c)) {
		struct partition_delete_records *m = deletion(rounds);

		ck_assert_int_gt(m->timeout_ms, 0);
		ck_assert_int_eq(m->live_count, rounds < 2 ? 2 : 3);
		rig.now += m->timeout_ms;
		m->error = REQUEST_TIMED_OUT;
		if (rounds == 1)
			rig_add_broker(2, "PLAINTEXT", NULL);
		rig_answer(c, rounds++);
		ck_assert_int_lt(rounds, 10);
	}
	ck_assert_int_gt(rounds, 2);
	ck_assert_int_eq(rig.now, until);
	expect_deleted(&c, REQUEST_TIMED_OUT, -1);
}
END_TEST

START_TEST(nobody_waits_for_a_closed_connection)
{
	struct call *c = ask_delete(2, "t", 0, 3600000);

	rig_close(c);
	deletion(0)->error = REQUEST_TIMED_OUT;
	rig_answer(c, 0);
	ck_assert_int_eq(rig.asked_count, 1);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
}
END_TEST

/* --- DescribeProducers ---------------------------------------------------------------------------------------------------------- */

static struct call *ask_describe(const char *topic, int32_t partition)
{
	struct call *c = rig_call(&describe_producers_row, 0);
	struct describe_producers_request *r = c->request;

	r->topics = arena_calloc(&c->arena, 1, sizeof(*r->topics));
	r->topics_count = 1;
	r->topics->name = slice_str(topic);
	r->topics->partition_indexes = arena_calloc(&c->arena, 1, sizeof(*r->topics->partition_indexes));
	r->topics->partition_indexes_count = 1;
	r->topics->partition_indexes[0] = partition;
	rig.asked_count = 0;
	rig_begin(c);
	return c;
}

static const struct describe_producers_response_partition *described(struct call *c)
{
	const struct describe_producers_response *out = rig_response(c);

	ck_assert_int_eq(out->topics_count, 1);
	ck_assert_int_eq(out->topics->partitions_count, 1);
	return out->topics->partitions;
}

static void expect_refused(struct call **c, int16_t error, bool has_text)
{
	ck_assert_int_eq(described(*c)->error_code, error);
	ck_assert_int_eq(described(*c)->error_message.len > 0, has_text);
	ck_assert_int_eq(described(*c)->active_producers_count, 0);
	rig_free(c);
}

/* As a partition with n producers answers. */
static void answer_producers(struct call *c, int i, int32_t n)
{
	struct partition_describe *m = (struct partition_describe *)rig.asked[i];

	ck_assert_int_eq(m->msg.kind, PARTITION_describe);
	m->error = NONE;
	m->producers_count = n;
	for (int32_t k = 0; k < MIN(n, m->producers_max); k++)
		m->producers[k] = (struct log_producer){ .producer_id = 1000 + k, .producer_epoch = 32767, .last_sequence = 7, .last_timestamp = 123,
		                                         .coordinator_epoch = 3, .current_txn_first_offset = -1 };
	rig_answer(c, i);
}

START_TEST(producers_are_described)
{
	struct call *c = ask_describe("t", 0);

	answer_producers(c, 0, 2);
	const struct describe_producers_response_partition *p = described(c);
	ck_assert_int_eq(p->error_code, NONE);
	ck_assert_int_eq(p->active_producers_count, 2);
	ck_assert_int_eq(p->active_producers[1].producer_id, 1001);
	ck_assert_int_eq(p->active_producers[1].producer_epoch, 32767);
	ck_assert_int_eq(p->active_producers[1].last_sequence, 7);
	ck_assert_int_eq(p->active_producers[1].last_timestamp, 123);
	ck_assert_int_eq(p->active_producers[1].coordinator_epoch, 3);
	ck_assert_int_eq(p->active_producers[1].current_txn_start_offset, -1);
	rig_free(&c);
}
END_TEST

START_TEST(many_producers_need_more_room)
{
	struct call *c = ask_describe("t", 0);

	answer_producers(c, 0, 1000);
	ck_assert(!rig_has_ended(c));
	answer_producers(c, 1, 1010);		/* some more have come meanwhile */
	ck_assert_int_eq(described(c)->active_producers_count, 1010);
	ck_assert_int_eq(described(c)->active_producers[1009].producer_id, 2009);
	rig_free(&c);
}
END_TEST

START_TEST(producers_that_are_not_described)
{
	struct call *c = ask_describe("t", 1);

	expect_refused(&c, NOT_LEADER_OR_FOLLOWER, false);
	c = ask_describe("t", 2);
	expect_refused(&c, UNKNOWN_TOPIC_OR_PARTITION, false);
	c = ask_describe("none", 0);
	expect_refused(&c, UNKNOWN_TOPIC_OR_PARTITION, true);
	c = ask_describe("not a name", 0);
	expect_refused(&c, INVALID_TOPIC_EXCEPTION, true);
	c = ask_describe("t", 0);
	((struct partition_describe *)rig.asked[0])->error = KAFKA_STORAGE_ERROR;
	rig_answer(c, 0);
	expect_refused(&c, KAFKA_STORAGE_ERROR, false);
	addr->is_open = false;
	c = ask_describe("t", 0);
	expect_refused(&c, NOT_LEADER_OR_FOLLOWER, false);
	rig.authorize = nothing_allowed;
	c = ask_describe("none", 0);
	expect_refused(&c, TOPIC_AUTHORIZATION_FAILED, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("records");
	TCase *t = tcase_create("handlers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, records_are_deleted);
	tcase_add_test(t, deletions_that_are_not_asked);
	tcase_add_test(t, refused_by_the_partition);
	tcase_add_test(t, a_wait_comes_in_pieces);
	tcase_add_test(t, nobody_waits_for_a_closed_connection);
	tcase_add_test(t, producers_are_described);
	tcase_add_test(t, many_producers_need_more_room);
	tcase_add_test(t, producers_that_are_not_described);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
