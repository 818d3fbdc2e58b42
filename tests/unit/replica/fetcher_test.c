/* Fetchers against fake leaders, with real partition actors as followers. */
#include <stdlib.h>

#include "rig.h"

#define SEEDS 20

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

int main(void)
{
	Suite *s = suite_create("fetcher");
	TCase *tc = tcase_create("fetcher");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, follows, 0, SEEDS);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
