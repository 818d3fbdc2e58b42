/*
 * Log directories: what is described from what replicas publish. And what is answered about
 * transactions and features, of which there are none.
 */
#include <stdlib.h>

#include "os/sim.h"
#include "rig.h"
#include "storage/logdir.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/describe_transactions.h"
#include "wire/gen/list_transactions.h"
#include "wire/gen/update_features.h"

extern const struct api_row describe_log_dirs_row, alter_replica_log_dirs_row,
	list_transactions_row, describe_transactions_row, update_features_row, create_topics_row;

static struct sim_os *sim;
static struct logdir *dirs[2];
static struct partition_addr *addrs[3];

static void quiet(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED,
                  size_t len UNUSED)
{
}

static void setup(void)
{
	static const char *const paths[] = { "/one", "/two" };
	char problem[LOGDIR_ERROR_MAX];
	struct log_source source;

	rig_setup();
	log_set_sink(quiet, NULL);
	log_source_init(&source, "test", "%s", "dirs");
	sim = sim_create(NULL, "host", 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(logdir_open(&dirs[i], sim_os(sim), &source, paths[i], problem),
		                 OK);
	rig.context.dirs = dirs;
	rig.context.dir_count = 2;
	for (int i = 0; i < 3; i++) {
		addrs[i] = rig_addr_create();
		addrs[i]->dir = dirs[i % 2];
		addrs[i]->size_bytes = 1000 + i;
		addrs[i]->log_end_offset = 50;
		addrs[i]->high_watermark = 50 - i;
	}
	/* b-0 and b-1 are here, b-2 is not; a-0 is here, and on its way to the other directory */
	struct cluster_partition_spec b[] = {
		{ .id = 0, .local = &addrs[0]->counted }, { .id = 1, .local = &addrs[1]->counted },
		{ .id = 2 },
	};
	struct cluster_partition_spec a[] = { { .id = 0, .local = &addrs[2]->counted } };

	rig_add_topic("b", (struct uuid){ { 2 } }, b, 3);
	rig_add_topic("a", (struct uuid){ { 1 } }, a, 1);
	addrs[2]->copy_dir = dirs[1];
	addrs[2]->copy_size_bytes = 600;
	addrs[2]->copy_end_offset = 30;
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		counted_unref(&addrs[i]->counted);
	rig_teardown();
	for (int i = 0; i < 2; i++)
		logdir_close(&dirs[i]);
	sim_destroy(&sim);
}

static void check_partition(const struct describe_log_dirs_response_partition *p, int32_t index,
                            int64_t size, int64_t lag, bool is_future)
{
	ck_assert_int_eq(p->partition_index, index);
	ck_assert_int_eq(p->partition_size, size);
	ck_assert_int_eq(p->offset_lag, lag);
	ck_assert_int_eq(p->is_future_key, is_future);
}

static const struct describe_log_dirs_response *describe(struct call **c, int16_t version,
                                                         struct describe_log_dirs_request_topic *t,
                                                         int32_t n)
{
	*c = rig_call(&describe_log_dirs_row, version);
	struct describe_log_dirs_request *r = (*c)->request;

	r->topics = t;
	r->topics_count = n;
	rig_begin(*c);
	return rig_response(*c);
}

START_TEST(all_that_is_here)
{
	for (int16_t v = 0; v <= 4; v++) {
		struct call *c;
		const struct describe_log_dirs_response *out = describe(&c, v, NULL, -1);
		const struct describe_log_dirs_response_result *one = &out->results[0],
			*two = &out->results[1];

		ck_assert_int_eq(out->error_code, NONE);
		ck_assert_int_eq(out->results_count, 2);
		ck_assert_slice_eq(one->log_dir, "/one");
		ck_assert_slice_eq(two->log_dir, "/two");
		ck_assert_int_eq(one->topics_count, 2);
		ck_assert_slice_eq(one->topics[0].name, "a");
		check_partition(&one->topics[0].partitions[0], 0, 1002, 0, false);
		ck_assert_slice_eq(one->topics[1].name, "b");
		ck_assert_int_eq(one->topics[1].partitions_count, 1);
		check_partition(&one->topics[1].partitions[0], 0, 1000, 0, false);
		ck_assert_int_eq(two->topics_count, 2);
		check_partition(&two->topics[0].partitions[0], 0, 600, 20, true);
		check_partition(&two->topics[1].partitions[0], 1, 1001, 0, false);
		ck_assert_int_gt(one->total_bytes, 0);
		ck_assert_int_gt(one->usable_bytes, 0);
		rig_free(&c);
	}
}
END_TEST

START_TEST(only_what_is_asked_for_and_each_once)
{
	int32_t some[] = { 1, 2, 1, 9, -1 }, more[] = { 1 };
	struct describe_log_dirs_request_topic topics[] = {
		{ .topic = SLICE_LIT("b"), .partitions = some, .partitions_count = 5 },
		{ .topic = SLICE_LIT("none"), .partitions = some, .partitions_count = 5 },
		{ .topic = SLICE_LIT("b"), .partitions = more, .partitions_count = 1 },
	};
	struct call *c;
	const struct describe_log_dirs_response *out = describe(&c, 4, topics, 3);

	ck_assert_int_eq(out->results[0].topics_count, 0);
	ck_assert_int_eq(out->results[1].topics_count, 1);
	ck_assert_int_eq(out->results[1].topics[0].partitions_count, 1);
	check_partition(&out->results[1].topics[0].partitions[0], 1, 1001, 0, false);
	rig_free(&c);
	out = describe(&c, 4, topics, 0);	/* an empty list is not all */
	ck_assert_int_eq(out->results_count, 2);
	ck_assert_int_eq(out->results[1].topics_count, 0);
	rig_free(&c);
}
END_TEST

START_TEST(a_directory_that_has_failed)
{
	struct call *c;

	logdir_set_offline(dirs[1], ERR_IO, "test");
	const struct describe_log_dirs_response *out = describe(&c, 4, NULL, -1);

	ck_assert_int_eq(out->results[0].error_code, NONE);
	ck_assert_int_eq(out->results[1].error_code, KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(out->results[1].topics_count, 0);
	ck_assert_int_eq(out->results[1].total_bytes, -1);
	rig_free(&c);
}
END_TEST

static bool deny(enum acl_operation op UNUSED, enum acl_resource resource UNUSED,
                 struct slice name UNUSED)
{
	return false;
}

START_TEST(who_may_not_is_told_nothing)
{
	int32_t some[] = { 1, 2 };
	struct alter_replica_log_dirs_request_topic topic = {
		.name = SLICE_LIT("b"), .partitions = some, .partitions_count = 2,
	};
	struct alter_replica_log_dirs_request_dir to = {
		.path = SLICE_LIT("/two"), .topics = &topic, .topics_count = 1,
	};
	struct call *c;

	rig.authorize = deny;
	const struct describe_log_dirs_response *out = describe(&c, 4, NULL, -1);

	ck_assert_int_eq(out->error_code, CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_int_eq(out->results_count, 0);
	rig_free(&c);
	c = rig_call(&alter_replica_log_dirs_row, 2);
	((struct alter_replica_log_dirs_request *)c->request)->dirs = &to;
	((struct alter_replica_log_dirs_request *)c->request)->dirs_count = 1;
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	const struct alter_replica_log_dirs_response *refused = rig_response(c);
	ck_assert_int_eq(refused->results_count, 1);
	ck_assert_int_eq(refused->results[0].partitions_count, 2);
	ck_assert_int_eq(refused->results[0].partitions[1].partition_index, 2);
	ck_assert_int_eq(refused->results[0].partitions[1].error_code, CLUSTER_AUTHORIZATION_FAILED);
	rig_free(&c);
}
END_TEST

/* --- none ------------------------------------------------------------------------------------- */

START_TEST(transactions_of_which_there_are_none)
{
	struct slice states[] = { SLICE_LIT("Ongoing"), SLICE_LIT("ongoing"), SLICE_LIT("x") };
	struct slice ids[] = { SLICE_LIT("tx"), SLICE_LIT("") };
	struct call *c = rig_call(&list_transactions_row, 1);
	struct list_transactions_request *list = c->request;

	list->state_filters = states;
	list->state_filters_count = 3;
	rig_begin(c);
	const struct list_transactions_response *listed = rig_response(c);
	ck_assert_int_eq(listed->error_code, NONE);
	ck_assert_int_eq(listed->transaction_states_count, 0);
	ck_assert_int_eq(listed->unknown_state_filters_count, 2);
	ck_assert_slice_eq(listed->unknown_state_filters[0], "ongoing");
	rig_free(&c);

	for (int denied = 0; denied < 2; denied++) {
		rig.authorize = denied ? deny : NULL;
		c = rig_call(&describe_transactions_row, 0);
		((struct describe_transactions_request *)c->request)->transactional_ids = ids;
		((struct describe_transactions_request *)c->request)->transactional_ids_count = 2;
		rig_begin(c);
		const struct describe_transactions_response *out = rig_response(c);
		ck_assert_int_eq(out->transaction_states_count, 2);
		ck_assert_slice_eq(out->transaction_states[0].transactional_id, "tx");
		ck_assert_int_eq(out->transaction_states[0].error_code,
		                 denied ? TRANSACTIONAL_ID_AUTHORIZATION_FAILED : NOT_COORDINATOR);
		ck_assert_int_eq(out->transaction_states[1].error_code, INVALID_REQUEST);
		rig_free(&c);
	}
}
END_TEST

static const struct update_features_response *update(struct call **c, int16_t version,
                                                     struct update_features_request_feature_update u)
{
	*c = rig_call(&update_features_row, version);
	struct update_features_request *r = (*c)->request;
	struct update_features_request_feature_update *one = arena_calloc(&(*c)->arena, 1,
	                                                                  sizeof(*one));

	*one = u;
	r->feature_updates = one;
	r->feature_updates_count = 1;
	rig_begin(*c);
	return rig_response(*c);
}

START_TEST(features_of_which_none_is_supported)
{
	static const struct {
		int16_t version;
		struct update_features_request_feature_update asked;
		const char *problem;
	} cases[] = {
		{ 1, { .feature = SLICE_LIT("f"), .max_version_level = 1, .upgrade_type = 1 },
		  "Could not apply finalized feature update because the provided feature is not "
		  "supported." },
		{ 0, { .feature = SLICE_LIT("f"), .max_version_level = 1, .allow_downgrade = true },
		  "Could not apply finalized feature update because the provided feature is not "
		  "supported." },
		{ 1, { .feature = SLICE_LIT(""), .max_version_level = 1, .upgrade_type = 1 },
		  "Feature name can not be empty." },
		{ 1, { .feature = SLICE_LIT("f"), .max_version_level = 1, .upgrade_type = 7 },
		  "Received unknown upgrade type." },
		{ 1, { .feature = SLICE_LIT("f"), .max_version_level = 0, .upgrade_type = 2 },
		  "Can not delete non-existing finalized feature." },
		{ 0, { .feature = SLICE_LIT("f"), .max_version_level = 0, .allow_downgrade = true },
		  "Can not delete non-existing finalized feature." },
		{ 0, { .feature = SLICE_LIT("f"), .max_version_level = 0 },
		  "Can not provide maxVersionLevel: 0 less than 1 without setting the "
		  "allowDowngrade flag to true in the request." },
	};
	struct call *c;

	rig.picture->controller_id = rig.picture->broker_id;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct update_features_response *out = update(&c, cases[i].version,
		                                                    cases[i].asked);

		ck_assert_int_eq(out->error_code, NONE);
		ck_assert(slice_is_null(out->error_message));
		ck_assert_int_eq(out->results[0].error_code, INVALID_REQUEST);
		ck_assert_slice_eq(out->results[0].error_message, cases[i].problem);
		rig_free(&c);
	}
	rig.picture->controller_id = 7;
	ck_assert_int_eq(update(&c, 1, cases[0].asked)->error_code, NOT_CONTROLLER);
	rig_free(&c);
	rig.authorize = deny;
	ck_assert_int_eq(update(&c, 1, cases[0].asked)->error_code, CLUSTER_AUTHORIZATION_FAILED);
	rig_free(&c);
}
END_TEST

/* --- who pays --------------------------------------------------------------------------------- */

START_TEST(the_payer_is_told_how_long_to_wait)
{
	for (int16_t v = 5; v <= 7; v++) {
		struct call *c = rig_call(&create_topics_row, v);
		struct create_topics_request *r = c->request;
		struct create_topics_request_topic topic;

		rig.picture->controller_id = rig.picture->broker_id;
		c->principal = SLICE_LIT("User:me");
		c->client_id = SLICE_LIT("mine");
		create_topics_request_topic_init(&topic);
		topic.name = SLICE_LIT("new");
		topic.num_partitions = topic.replication_factor = 1;
		r->topics = &topic;
		r->topics_count = 1;
		rig.asked_count = 0;
		rig_begin(c);
		struct controller_create_topics *m = (struct controller_create_topics *)rig.asked[0];

		ck_assert_int_eq(m->payer.is_strict, v >= 6);
		ck_assert_slice_eq(m->payer.principal, "User:me");
		ck_assert_slice_eq(m->payer.client_id, "mine");
		m->payer.throttle_ms = 1234;
		m->topics[0].error = THROTTLING_QUOTA_EXCEEDED;
		rig_answer(c, 0);
		const struct create_topics_response *out = rig_response(c);
		ck_assert_int_eq(out->throttle_time_ms, 1234);
		ck_assert_int_eq(c->throttle_ms, 1234);
		ck_assert_int_eq(out->topics[0].error_code, THROTTLING_QUOTA_EXCEEDED);
		rig_free(&c);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log directories");
	TCase *tc = tcase_create("log directories");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_that_is_here);
	tcase_add_test(tc, only_what_is_asked_for_and_each_once);
	tcase_add_test(tc, a_directory_that_has_failed);
	tcase_add_test(tc, who_may_not_is_told_nothing);
	tcase_add_test(tc, transactions_of_which_there_are_none);
	tcase_add_test(tc, features_of_which_none_is_supported);
	tcase_add_test(tc, the_payer_is_told_how_long_to_wait);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
