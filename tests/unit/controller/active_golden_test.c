/*
 * What a Java controller told its brokers, and wrote, is what ours tells and writes: reassignment, in-sync changes, controlled shutdown, preferred and unclean elections, a failed
 * directory. Each test is one recording; the times are those of what happened besides the requests of brokers.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "golden_rig.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/list_partition_reassignments.h"

#define STEP(n, ms) ((n) * INT64_C(1000000) + (ms))	/* of a recording with several steps */

static struct rig rig;

/* replicas NULL: cancel */
static void reassign(const char *topic, int32_t partition, int32_t *replicas, int32_t n, enum kafka_error error)
{
	struct alter_partition_reassignments_request_partition p = { .partition_index = partition, .replicas = replicas, .replicas_count = replicas != NULL ? n : -1 };
	struct alter_partition_reassignments_request_topic t = { .name = slice_str(topic), .partitions = &p, .partitions_count = 1 };
	struct alter_partition_reassignments_request m = { .topics = &t, .topics_count = 1 };
	struct alter_partition_reassignments_response a;

	alter_partition_reassignments_response_init(&a);
	rig_ask(&rig, API_ALTER_PARTITION_REASSIGNMENTS, 0, &m, &a);
	ck_assert_int_eq(a.error_code, NONE);
	ck_assert_int_eq(a.responses_count, 1);
	ck_assert_int_eq(a.responses[0].partitions_count, 1);
	ck_assert_msg(a.responses[0].partitions[0].error_code == (int16_t)error, "%s-%d: %s", topic, partition, kafka_error_name(a.responses[0].partitions[0].error_code));
}

/* How many partitions are moving, of all. */
static int moving(void)
{
	struct list_partition_reassignments_request m = { .topics_count = -1 };
	struct list_partition_reassignments_response a;
	int n = 0;

	list_partition_reassignments_response_init(&a);
	rig_ask(&rig, API_LIST_PARTITION_REASSIGNMENTS, 0, &m, &a);
	ck_assert_int_eq(a.error_code, NONE);
	for (int32_t i = 0; i < a.topics_count; i++)
		n += a.topics[i].partitions_count;
	return n;
}

START_TEST(reassignment)
{
	rig_init(&rig, "reassign", NULL);
	reassign("manual", 1, (int32_t[]){ 3, 1 }, 2, NONE);
	reassign("manual", 0, (int32_t[]){ 3, 1 }, 2, NONE);
	ck_assert_int_eq(moving(), 2);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert_int_eq(moving(), 0);
	rig_fini(&rig);
}
END_TEST

START_TEST(reassignment_cancelled)
{
	rig_init(&rig, "cancel", NULL);
	reassign("manual", 2, NULL, 0, NO_REASSIGNMENT_IN_PROGRESS);
	reassign("manual", 2, (int32_t[]){ 2, 1 }, 2, NONE);
	ck_assert_int_eq(moving(), 1);
	rig_until(&rig, 3000);
	reassign("manual", 2, NULL, 0, NONE);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert_int_eq(moving(), 0);
	rig_fini(&rig);
}
END_TEST

START_TEST(reassignment_by_node)
{
	rig_init(&rig, "reassign-node", NULL);
	rig_write(&rig, "/admin/reassign_partitions", "{\"version\":1,\"partitions\":[{\"topic\":\"rf1\",\"partition\":0,\"replicas\":[2,3]}]}");
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert(!rig_exists(&rig, "/admin/reassign_partitions"));
	rig_fini(&rig);
}
END_TEST

START_TEST(in_sync_changes)
{
	rig_init(&rig, "isr", NULL);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	rig_fini(&rig);
}
END_TEST

static struct elect_leaders_response elect(int8_t type, const char *topic, int32_t partition)
{
	struct elect_leaders_request_topic_partition t = { .topic = slice_str(topic), .partitions = &partition, .partitions_count = 1 };
	struct elect_leaders_request m = { .election_type = type, .topic_partitions = topic != NULL ? &t : NULL, .topic_partitions_count = topic != NULL ? 1 : -1, .timeout_ms = 0 };
	struct elect_leaders_response a;

	elect_leaders_response_init(&a);
	rig_ask(&rig, API_ELECT_LEADERS, 2, &m, &a);
	ck_assert_int_eq(a.error_code, NONE);
	return a;
}

/* The broker goes in order, comes back, and leads what it should. */
START_TEST(controlled_shutdown)
{
	rig_init(&rig, "shutdown", NULL);
	rig_leave(&rig, 3, 200);
	rig_join(&rig, 3, STEP(1, 1900));
	rig_until(&rig, STEP(2, 700));
	struct elect_leaders_response a = elect(0, NULL, 0);
	int n = 0;
	for (int32_t i = 0; i < a.replica_election_results_count; i++) {
		for (int32_t k = 0; k < a.replica_election_results[i].partition_result_count; k++, n++)	/* nobody shows them here: there is no member side */
			ck_assert_int_eq(a.replica_election_results[i].partition_result[k].error_code, REQUEST_TIMED_OUT);
	}
	ck_assert_int_eq(n, 4);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	rig_fini(&rig);
}
END_TEST

/* The controller's own broker goes: it moves its own leaderships away first. What it told itself and the others last may not have been recorded any more. */
START_TEST(controlled_shutdown_of_the_controller)
{
	rig_init(&rig, "shutdown-controller", NULL);
	rig_until(&rig, 500);
	for (int32_t i = 1; i <= 3; i++)
		rig_forget_last_words(&rig, i, 500);
	rig_compare_requests(&rig);
	rig_fini(&rig);
}
END_TEST

/* A broker stands still for longer than its session lives, and goes on: it was taken for dead, and comes back without having been away. */
START_TEST(session_expiry)
{
	rig_init(&rig, "expiry", NULL);
	rig_leave(&rig, 1, 6500);
	rig_join(&rig, 1, 8920);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	rig_fini(&rig);
}
END_TEST

/* Every broker is there, and removes its replicas. */
START_TEST(topic_deleted)
{
	rig_init(&rig, "delete", NULL);
	rig_write(&rig, "/admin/delete_topics/auto", NULL);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert(!rig_exists(&rig, "/brokers/topics/auto"));
	ck_assert(!rig_exists(&rig, "/config/topics/auto"));
	ck_assert(!rig_exists(&rig, "/admin/delete_topics/auto"));
	rig_fini(&rig);
}
END_TEST

/*
 * A broker is killed and comes back; in the second recording it was first started too early, and refused as long as the session of the dead one lived. Returns to a controller that took
 * office while the broker was away are not compared: its taking office is no part of a rig's recording, and gives partitions without a leader another epoch.
 */
static const struct {
	const char *recording;
	int64_t     dies, returns;
} deaths[] = { { "killed", 5000, STEP(1, 3080) }, { "killed-twice", 7050, STEP(1, 1970) } };

START_TEST(death_and_return)
{
	rig_init(&rig, deaths[_i].recording, NULL);
	rig_leave(&rig, 2, deaths[_i].dies);
	rig_join(&rig, 2, deaths[_i].returns);
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	rig_fini(&rig);
}
END_TEST

/* Of a broker that was killed: its partition stays where it is, and the node goes all the same. */
START_TEST(preferred_by_node)
{
	rig_init(&rig, "preferred-node", NULL);
	rig_leave(&rig, 2, 5000);
	rig_write(&rig, "/admin/preferred_replica_election", "{\"version\":1,\"partitions\":[{\"topic\":\"rf3\",\"partition\":1}]}");
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert(!rig_exists(&rig, "/admin/preferred_replica_election"));
	rig_fini(&rig);
}
END_TEST

START_TEST(unclean_elections)
{
	rig_init(&rig, "unclean", NULL);
	rig_write_as_after(&rig, "/brokers/topics/unc");
	rig_leave(&rig, 3, 2050);
	rig_leave(&rig, 2, 11700);
	rig_join(&rig, 3, STEP(1, 1850));
	rig_until(&rig, STEP(2, 800));
	ck_assert_int_eq(elect(0, "unc", 0).replica_election_results[0].partition_result[0].error_code, PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(elect(1, "unc", 0).replica_election_results[0].partition_result[0].error_code, REQUEST_TIMED_OUT);
	ck_assert_int_eq(elect(1, "unc", 0).replica_election_results[0].partition_result[0].error_code, ELECTION_NOT_NEEDED);
	ck_assert_int_eq(elect(1, "unc", 9).replica_election_results[0].partition_result[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
	rig_join(&rig, 2, STEP(3, 2490));
	rig_leave(&rig, 3, STEP(4, 380));
	rig_leave(&rig, 2, STEP(4, 9600));
	rig_join(&rig, 3, STEP(4, 11500));
	rig_until(&rig, STEP(4, 13300));
	rig_write(&rig, "/config/topics/unc", "{\"version\":1,\"config\":{\"unclean.leader.election.enable\":\"true\"}}");
	active_on_topic_config(rig.c, "unc");
	actor_wake(controller_actor(rig.c));
	rig_until(&rig, STEP(4, 16450));
	rig_compare_nodes(&rig);
	rig_join(&rig, 2, STEP(4, 16450));
	rig_compare_requests(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(log_directory_failure)
{
	rig_init(&rig, "log-dir", NULL);
	rig_write_as_after(&rig, "/brokers/topics/ld");
	rig_until(&rig, 5200);
	rig_write(&rig, "/log_dir_event_notification/log_dir_event_0000000000", "{\"version\":1,\"broker\":2,\"event\":1}");
	rig_compare_requests(&rig);
	rig_compare_nodes(&rig);
	ck_assert(!rig_exists(&rig, "/log_dir_event_notification/log_dir_event_0000000000"));
	rig_fini(&rig);
}
END_TEST

/* Two brokers at an older protocol version: a topic is created, the second broker leaves in order and returns, the topic is deleted. */
static const struct {
	const char *version;
	bool        by_notice;	/* the leader writes its in-sync set itself, and leaves a notice */
} versions[] = { { "2.6", true }, { "2.7", false }, { "2.8", false }, { "3.0", false }, { "3.1", false }, { "3.2", false }, { "3.3", false }, { "3.4", false },
                 { "3.6", false }, { "3.8", false } };

START_TEST(older_versions)
{
	char recording[32], config[64];

	snprintf(recording, sizeof(recording), "version-%s", versions[_i].version);
	snprintf(config, sizeof(config), "inter.broker.protocol.version=%s", versions[_i].version);
	rig_init(&rig, recording, config);
	rig_write(&rig, "/config/topics/t", "{\"version\":1,\"config\":{}}");
	rig_write_as_after(&rig, "/brokers/topics/t");
	if (!versions[_i].by_notice) {
		rig_until(&rig, rig_mark(&rig, "picture"));
		rig_compare_nodes(&rig);
	}
	rig_leave(&rig, 2, rig_mark(&rig, "leave"));
	rig_join(&rig, 2, rig_mark(&rig, "join"));
	rig_until(&rig, rig_mark(&rig, "grow"));
	if (versions[_i].by_notice) {
		rig_write_as_after(&rig, "/brokers/topics/t/partitions/0/state");
		rig_write_as_after(&rig, "/brokers/topics/t/partitions/1/state");
		rig_write(&rig, "/isr_change_notification/isr_change_0000000000",
		          "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":1},{\"topic\":\"t\",\"partition\":0}]}");
		rig_settle(&rig);
		ck_assert(!rig_exists(&rig, "/isr_change_notification/isr_change_0000000000"));
	}
	if (versions[_i].by_notice) {
		rig_until(&rig, rig_mark(&rig, "picture"));
		rig_compare_nodes(&rig);
	}
	rig_until(&rig, rig_mark(&rig, "delete"));
	rig_write(&rig, "/admin/delete_topics/t", NULL);
	rig_compare_requests(&rig);
	ck_assert(!rig_exists(&rig, "/brokers/topics/t"));
	ck_assert(!rig_exists(&rig, "/config/topics/t"));
	ck_assert(!rig_exists(&rig, "/admin/delete_topics/t"));
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_golden");
	TCase *t = tcase_create("recordings");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, reassignment);
	tcase_add_test(t, reassignment_cancelled);
	tcase_add_test(t, reassignment_by_node);
	tcase_add_test(t, in_sync_changes);
	tcase_add_test(t, controlled_shutdown);
	tcase_add_test(t, controlled_shutdown_of_the_controller);
	tcase_add_test(t, session_expiry);
	tcase_add_test(t, topic_deleted);
	tcase_add_loop_test(t, death_and_return, 0, (int)ARRAY_LEN(deaths));
	tcase_add_test(t, preferred_by_node);
	tcase_add_test(t, unclean_elections);
	tcase_add_test(t, log_directory_failure);
	tcase_add_loop_test(t, older_versions, 0, (int)ARRAY_LEN(versions));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
