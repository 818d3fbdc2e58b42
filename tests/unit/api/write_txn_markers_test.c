/*
 * WriteTxnMarkers: the control batches it appends are those a Java broker wrote, byte for byte, and
 * every partition is answered by itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "record/build.h"
#include "rig.h"
#include "wire/gen/write_txn_markers.h"

extern const struct api_row write_txn_markers_row;

static struct partition_addr *addr;
static uint8_t file[1 << 16];

static void setup(void)
{
	static const int32_t replicas[] = { 0, 1 };

	rig_setup();
	addr = rig_addr_create();
	const struct cluster_partition_spec specs[] = {
		{ .id = 0, .leader = 0, .replicas = replicas, .replica_count = 1, .isr = replicas,
		  .isr_count = 1, .local = &addr->counted },
		{ .id = 1, .leader = 1, .replicas = replicas + 1, .replica_count = 1,
		  .isr = replicas + 1, .isr_count = 1 },
	};
	rig_add_topic("t", UUID_ZERO, specs, 2);
}

static void teardown(void)
{
	ck_assert_uint_eq(rig_addr_refs(addr), 2);	/* handlers gave back what they took */
	rig_teardown();
	partition_addr_unref(&addr);
}

static int32_t indexes[] = { 0, 1, 7 };
static struct write_txn_markers_request_topic topics[] = {
	{ .name = SLICE_LIT("t"), .partition_indexes = indexes, .partition_indexes_count = 3 },
	{ .name = SLICE_LIT("unknown"), .partition_indexes = indexes,
	  .partition_indexes_count = 1 },
};

static struct call *write(int16_t version, const struct marker *m, int32_t topic_count)
{
	struct call *c = rig_call(&write_txn_markers_row, version);
	struct write_txn_markers_request *r = c->request;

	r->markers = arena_calloc(&c->arena, 1, sizeof(*r->markers));
	r->markers_count = 1;
	*r->markers = (struct write_txn_markers_request_marker){
		.producer_id = m->producer_id, .producer_epoch = m->producer_epoch,
		.transaction_result = m->type == MARKER_COMMIT, .topics = topics,
		.topics_count = topic_count, .coordinator_epoch = m->coordinator_epoch,
	};
	rig.time = m->timestamp;
	return c;
}

static struct partition_append *question(int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_int_eq(rig.asked[i]->kind, PARTITION_append);
	return (struct partition_append *)rig.asked[i];
}

/* Asks for the marker that Java wrote, and compares what the partition is given. */
static void compare(struct slice golden)
{
	struct marker m;

	ck_assert_int_eq(marker_read(golden, &m), OK);
	struct call *c = write(1, &m, 1);
	rig.asked_count = 0;
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 1);
	struct partition_append *q = question(0);
	batch_set_base_offset(q->append.batch, batch_base_offset(golden.ptr));
	batch_set_leader_epoch(q->append.batch, batch_leader_epoch(golden.ptr));
	ck_assert(slice_eq(slice_of(q->append.batch, q->append.batch_bytes), golden));
	ck_assert(batch_check_crc(slice_of(q->append.batch, q->append.batch_bytes)));
	ck_assert(q->append.is_coordinator);
	ck_assert_int_eq(q->acks, -1);
	ck_assert_int_eq(q->timeout_ms, rig.context.broker->request_timeout_ms);
	rig_answer(c, 0);
	rig_free(&c);
}

START_TEST(markers_are_those_of_a_java_broker)
{
	const char *names[] = { "txn-0/00000000000000000003", "txn2-0/00000000000000000001",
		"txn-open-0/00000000000000000002" };
	const char *data = getenv("SKEIN_TEST_DATA");
	int markers = 0;

	ck_assert_msg(data != NULL, "SKEIN_TEST_DATA names the tests directory");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[1024];

		snprintf(path, sizeof(path), "%s/golden/storage/transactions/%s.log", data,
		         names[i]);
		FILE *f = fopen(path, "rb");
		ck_assert_msg(f != NULL, "%s", path);
		struct slice rest = slice_of(file, fread(file, 1, sizeof(file), f)), batch;
		fclose(f);
		while (batch_next(&rest, &batch) == OK) {
			if (!batch_is_control(batch.ptr))
				continue;
			compare(batch);
			markers++;
		}
	}
	ck_assert_int_ge(markers, 6);
}
END_TEST

START_TEST(partitions_are_answered_one_by_one)
{
	static const struct marker m = { .type = MARKER_ABORT, .producer_id = 12 };
	static const enum kafka_error results[] = {
		NONE, NOT_LEADER_OR_FOLLOWER, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
		NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT,
	};

	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		struct call *c = write(i % 2, &m, 2);

		rig.asked_count = 0;
		rig_begin(c);
		question(0)->error = results[i];
		rig_answer(c, 0);
		const struct write_txn_markers_response *out = rig_response(c);
		ck_assert_int_eq(out->markers_count, 1);
		ck_assert_int_eq(out->markers->producer_id, 12);
		ck_assert_int_eq(out->markers->topics_count, 2);
		ck_assert_slice_eq(out->markers->topics[0].name, "t");
		ck_assert_int_eq(out->markers->topics[0].partitions_count, 3);
		ck_assert_int_eq(out->markers->topics[0].partitions[0].error_code, results[i]);
		for (int k = 1; k < 3; k++) {	/* led elsewhere; not there at all */
			ck_assert_int_eq(out->markers->topics[0].partitions[k].partition_index,
			                 indexes[k]);
			ck_assert_int_eq(out->markers->topics[0].partitions[k].error_code,
			                 UNKNOWN_TOPIC_OR_PARTITION);
		}
		ck_assert_int_eq(out->markers->topics[1].partitions[0].error_code,
		                 UNKNOWN_TOPIC_OR_PARTITION);
		rig_free(&c);
	}
}
END_TEST

static enum acl_operation granted;

static bool grant(enum acl_operation op, enum acl_resource resource UNUSED,
                  struct slice name UNUSED)
{
	return op == granted;
}

START_TEST(brokers_and_administrators_may)
{
	static const struct marker m = { .type = MARKER_COMMIT, .producer_id = 12 };
	static const struct { enum acl_operation op; bool may; } cases[] = {
		{ ACL_CLUSTER_ACTION, true }, { ACL_ALTER, true }, { ACL_WRITE, false },
	};

	rig.authorize = grant;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = write(1, &m, 1);

		granted = cases[i].op;
		rig.asked_count = 0;
		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, cases[i].may);
		if (cases[i].may)
			rig_answer(c, 0);
		const struct write_txn_markers_response *out = rig_response(c);
		for (int k = 0; !cases[i].may && k < 3; k++)
			ck_assert_int_eq(out->markers->topics->partitions[k].error_code,
			                 CLUSTER_AUTHORIZATION_FAILED);
		rig_free(&c);
	}
}
END_TEST

START_TEST(a_partition_that_has_stopped)
{
	static const struct marker m = { .type = MARKER_COMMIT, .producer_id = 12 };
	struct call *c = write(0, &m, 1);

	addr->is_open = false;
	rig_begin(c);
	const struct write_txn_markers_response *out = rig_response(c);
	ck_assert_int_eq(out->markers->topics->partitions->error_code, NOT_LEADER_OR_FOLLOWER);
	rig_free(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("write_txn_markers");
	TCase *tc = tcase_create("write_txn_markers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, markers_are_those_of_a_java_broker);
	tcase_add_test(tc, partitions_are_answered_one_by_one);
	tcase_add_test(tc, brokers_and_administrators_may);
	tcase_add_test(tc, a_partition_that_has_stopped);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
