/*
 * What the controller answers by itself: what reaches it, and what is refused in which shape.
 */
#include <stdlib.h>

#include "rig.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"

extern const struct api_row leader_and_isr_row, stop_replica_row, update_metadata_row,
	controlled_shutdown_row, alter_partition_row, allocate_producer_ids_row,
	alter_partition_reassignments_row, list_partition_reassignments_row, elect_leaders_row,
	alter_replica_log_dirs_row;

static const struct {
	const struct api_row *row;
	enum acl_operation    needs;
} rows[] = {
	{ &leader_and_isr_row, ACL_CLUSTER_ACTION }, { &stop_replica_row, ACL_CLUSTER_ACTION },
	{ &update_metadata_row, ACL_CLUSTER_ACTION },
	{ &controlled_shutdown_row, ACL_CLUSTER_ACTION },
	{ &alter_partition_row, ACL_CLUSTER_ACTION },
	{ &allocate_producer_ids_row, ACL_CLUSTER_ACTION },
	{ &alter_partition_reassignments_row, ACL_ALTER },
	{ &list_partition_reassignments_row, ACL_DESCRIBE }, { &elect_leaders_row, ACL_ALTER },
	{ &alter_replica_log_dirs_row, ACL_ALTER },
};

static enum acl_operation asked_for;

static bool note_and_allow(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	ck_assert_int_eq(resource, ACL_CLUSTER);
	ck_assert_slice_eq(name, "kafka-cluster");
	asked_for = op;
	return true;
}

static bool deny(enum acl_operation op UNUSED, enum acl_resource resource UNUSED,
                 struct slice name UNUSED)
{
	return false;
}

START_TEST(every_version_reaches_the_controller)
{
	rig.authorize = note_and_allow;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int16_t v = 0; v <= rows[i].row->version_max; v++) {
			struct call *c = rig_call(rows[i].row, v);

			rig.asked_count = 0;
			asked_for = ACL_NONE;
			rig_begin(c);
			ck_assert_int_eq(asked_for, rows[i].needs);
			ck_assert_int_eq(rig.asked_count, 1);
			ck_assert_int_eq(rig.asked[0]->kind, CONTROLLER_request);
			struct controller_request *m = (struct controller_request *)rig.asked[0];
			ck_assert_int_eq(m->key, rows[i].row->key);
			ck_assert_int_eq(m->version, v);
			ck_assert_ptr_eq(m->request, c->request);
			ck_assert_ptr_eq(m->response, c->response);
			ck_assert_ptr_eq(m->arena, &c->arena);
			ck_assert(!rig_has_ended(c));
			rig_answer(c, 0);
			rig_response(c);
			rig_free(&c);
		}
	}
}
END_TEST

START_TEST(whoever_may_not_reaches_nobody)
{
	rig.authorize = deny;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int16_t v = 0; v <= rows[i].row->version_max; v++) {
			struct call *c = rig_call(rows[i].row, v);

			rig_begin(c);
			ck_assert_int_eq(rig.asked_count, 0);
			rig_response(c);
			rig_free(&c);
		}
	}
}
END_TEST

START_TEST(a_refused_leader_and_isr_names_every_partition)
{
	rig.authorize = deny;
	for (int16_t v = 0; v <= 7; v++) {
		struct call *c = rig_call(&leader_and_isr_row, v);
		struct leader_and_isr_request *r = c->request;
		struct leader_and_isr_request_partition_state states[] = {
			{ .topic_name = SLICE_LIT("a"), .partition_index = 4 },
			{ .topic_name = SLICE_LIT("a"), .partition_index = 5 },
			{ .topic_name = SLICE_LIT("b"), .partition_index = 0 },
		};
		struct leader_and_isr_request_topic_state topics[] = {
			{ .topic_name = SLICE_LIT("a"), .topic_id = { { 1 } },
			  .partition_states = states, .partition_states_count = 2 },
			{ .topic_name = SLICE_LIT("b"), .topic_id = { { 2 } },
			  .partition_states = states + 2, .partition_states_count = 1 },
		};

		r->ungrouped_partition_states = states;
		r->ungrouped_partition_states_count = v < 2 ? 3 : 0;
		r->topic_states = topics;
		r->topic_states_count = v < 2 ? 0 : 2;
		rig_begin(c);
		const struct leader_and_isr_response *out = rig_response(c);
		ck_assert_int_eq(out->error_code, CLUSTER_AUTHORIZATION_FAILED);
		ck_assert_int_eq(out->partition_errors_count, v < 5 ? 3 : 0);
		ck_assert_int_eq(out->topics_count, v < 5 ? 0 : 2);
		for (int i = 0; v < 5 && i < 3; i++) {
			ck_assert(slice_eq(out->partition_errors[i].topic_name,
			                   states[i].topic_name));
			ck_assert_int_eq(out->partition_errors[i].partition_index,
			                 states[i].partition_index);
			ck_assert_int_eq(out->partition_errors[i].error_code,
			                 CLUSTER_AUTHORIZATION_FAILED);
		}
		for (int i = 0; v >= 5 && i < 2; i++) {
			ck_assert(uuid_eq(out->topics[i].topic_id, topics[i].topic_id));
			ck_assert_int_eq(out->topics[i].partition_errors_count, 2 - i);
			ck_assert_int_eq(out->topics[i].partition_errors[0].error_code,
			                 CLUSTER_AUTHORIZATION_FAILED);
		}
		rig_free(&c);
	}
}
END_TEST

START_TEST(a_refused_stop_replica_names_every_partition)
{
	rig.authorize = deny;
	for (int16_t v = 0; v <= 4; v++) {
		struct call *c = rig_call(&stop_replica_row, v);
		struct stop_replica_request *r = c->request;
		struct stop_replica_request_ungrouped_partition one =
			{ .topic_name = SLICE_LIT("a"), .partition_index = 4 };
		int32_t index = 4;
		struct stop_replica_request_topic topic =
			{ .name = SLICE_LIT("a"), .partition_indexes = &index,
			  .partition_indexes_count = 1 };
		struct stop_replica_request_partition_state state = { .partition_index = 4 };
		struct stop_replica_request_topic_state states =
			{ .topic_name = SLICE_LIT("a"), .partition_states = &state,
			  .partition_states_count = 1 };

		r->ungrouped_partitions = &one;
		r->ungrouped_partitions_count = v == 0;
		r->topics = &topic;
		r->topics_count = v == 1 || v == 2;
		r->topic_states = &states;
		r->topic_states_count = v >= 3;
		rig_begin(c);
		const struct stop_replica_response *out = rig_response(c);
		ck_assert_int_eq(out->error_code, CLUSTER_AUTHORIZATION_FAILED);
		ck_assert_int_eq(out->partition_errors_count, 1);
		ck_assert_slice_eq(out->partition_errors->topic_name, "a");
		ck_assert_int_eq(out->partition_errors->partition_index, 4);
		ck_assert_int_eq(out->partition_errors->error_code, CLUSTER_AUTHORIZATION_FAILED);
		rig_free(&c);
	}
}
END_TEST

static struct call *elect(int16_t version, int8_t type, int32_t topics)
{
	static int32_t index = 3;
	static struct elect_leaders_request_topic_partition topic;
	struct call *c = rig_call(&elect_leaders_row, version);
	struct elect_leaders_request *r = c->request;

	topic = (struct elect_leaders_request_topic_partition){
		.topic = SLICE_LIT("t"), .partitions = &index, .partitions_count = 1,
	};
	elect_leaders_request_init(r);
	r->election_type = type;
	r->topic_partitions = &topic;
	r->topic_partitions_count = topics;
	return c;
}

static void check_election(struct call *c, enum kafka_error error, int32_t topics)
{
	const struct elect_leaders_response *out = rig_response(c);

	ck_assert_int_eq(out->error_code, c->version == 0 ? NONE : error);
	ck_assert_int_eq(out->replica_election_results_count, topics);
	if (topics == 0)
		return;
	ck_assert_slice_eq(out->replica_election_results->topic, "t");
	ck_assert_int_eq(out->replica_election_results->partition_result->partition_id, 3);
	ck_assert_int_eq(out->replica_election_results->partition_result->error_code, error);
}

START_TEST(elections_that_are_refused)
{
	for (int16_t v = 0; v <= 2; v++) {
		struct call *c = elect(v, 2, 1);	/* there are 0 and 1 */

		rig.authorize = NULL;
		rig_begin(c);
		check_election(c, UNKNOWN_SERVER_ERROR, 1);
		rig_free(&c);
		rig.authorize = deny;
		for (int32_t topics = -1; topics <= 1; topics++) {
			c = elect(v, 0, topics);
			rig_begin(c);
			check_election(c, CLUSTER_AUTHORIZATION_FAILED, MAX(topics, 0));
			rig_free(&c);
		}
	}
	ck_assert_int_eq(rig.asked_count, 0);
}
END_TEST

START_TEST(reassignments_that_are_refused)
{
	struct call *c = rig_call(&alter_partition_reassignments_row, 0);
	struct alter_partition_reassignments_request *alter = c->request;
	struct alter_partition_reassignments_request_partition part = { .partition_index = 2 };
	struct alter_partition_reassignments_request_topic topic =
		{ .name = SLICE_LIT("t"), .partitions = &part, .partitions_count = 1 };

	rig.authorize = deny;
	alter->topics = &topic;
	alter->topics_count = 1;
	rig_begin(c);
	const struct alter_partition_reassignments_response *altered = rig_response(c);
	ck_assert_int_eq(altered->error_code, CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_int_eq(altered->responses_count, 1);
	ck_assert_int_eq(altered->responses->partitions->partition_index, 2);
	ck_assert_int_eq(altered->responses->partitions->error_code, CLUSTER_AUTHORIZATION_FAILED);
	rig_free(&c);

	c = rig_call(&list_partition_reassignments_row, 0);
	struct list_partition_reassignments_request *list = c->request;
	int32_t index = 2;
	struct list_partition_reassignments_request_topic named =
		{ .name = SLICE_LIT("t"), .partition_indexes = &index,
		  .partition_indexes_count = 1 };
	list->topics = &named;
	list->topics_count = 1;
	rig_begin(c);
	const struct list_partition_reassignments_response *listed = rig_response(c);
	ck_assert_int_eq(listed->error_code, CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_int_eq(listed->topics_count, 1);
	ck_assert_int_eq(listed->topics->partitions->partition_index, 2);
	ck_assert_int_eq(listed->topics->partitions->replicas_count, 0);
	rig_free(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("controller_requests");
	TCase *tc = tcase_create("controller_requests");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, every_version_reaches_the_controller);
	tcase_add_test(tc, whoever_may_not_reaches_nobody);
	tcase_add_test(tc, a_refused_leader_and_isr_names_every_partition);
	tcase_add_test(tc, a_refused_stop_replica_names_every_partition);
	tcase_add_test(tc, elections_that_are_refused);
	tcase_add_test(tc, reassignments_that_are_refused);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
