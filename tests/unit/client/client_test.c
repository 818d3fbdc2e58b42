/* Connecting, versions, metadata, errors for people. */
#include "rig.h"

#include "client/client_call.h"

static const struct client_spec rig_spec = RIG_SPEC;

static bool run_until_connected(struct rig *r, int ms)
{
	for (int i = 0; i < ms && !client_is_connected(r->client); i++)
		rig_step(r);
	return client_is_connected(r->client);
}

START_TEST(connects)
{
	struct rig r;

	rig_init(&r, (uint64_t)_i, &rig_spec);
	ck_assert(run_until_connected(&r, 1000));
	ck_assert_int_eq(client_controller_id(r.client), 1);
	const struct client_topic *t = client_topic(r.client, SLICE_LIT(FAKE_TOPIC));
	const struct client_topic *none = client_topic(r.client, SLICE_LIT("nothing"));
	for (int i = 0; i < 1000 && !none->is_known; i++)
		rig_step(&r);
	ck_assert_int_eq(t->error, NONE);
	ck_assert_int_eq(t->partition_count, FAKE_PARTITIONS);
	ck_assert_int_eq(t->partitions[2].leader, 1);
	ck_assert_int_eq(none->error, UNKNOWN_TOPIC_OR_PARTITION);
	rig_fini(&r);
}
END_TEST

START_TEST(steps_down_to_an_older_broker)
{
	struct rig r;

	rig_init(&r, 7, &rig_spec);
	r.broker->api_versions_max = (int16_t)_i;
	ck_assert(run_until_connected(&r, 1000));
	rig_fini(&r);
}
END_TEST

START_TEST(comes_back_after_cuts)
{
	struct rig r;

	rig_init(&r, (uint64_t)_i, &rig_spec);
	const struct client_topic *t = client_topic(r.client, SLICE_LIT(FAKE_TOPIC));
	for (uint32_t seen = 0, cuts = 0; cuts < 5; cuts++) {
		for (int i = 0; i < 5000 && t->version == seen; i++)
			rig_step(&r);
		ck_assert_uint_gt(t->version, seen);
		seen = t->version;
		sim_net_reset(r.machine, r.broker->machine);
		client_topic_refresh(r.client);
	}
	rig_fini(&r);
}
END_TEST

static void expect_error(const struct client_spec *spec, const char *greeting, const char *advertised, const char *text)
{
	struct rig r;

	rig_init(&r, 3, spec);
	r.broker->greeting = greeting;
	if (advertised != NULL)
		r.broker->advertised = advertised;
	for (int i = 0; i < 3000 && strstr(client_last_error(r.client)->text, text) == NULL; i++) {
		rig_step(&r);
		if (client_is_connected(r.client) && client_node_load(r.client, 1) == 0) {
			struct client_call *call = client_call_create(r.client, API_METADATA, client_call_discard, NULL);
			client_call_send(call, 1, 0);
		}
	}
	ck_assert_msg(strstr(client_last_error(r.client)->text, text) != NULL, "\"%s\"", client_last_error(r.client)->text);
	rig_fini(&r);
}

START_TEST(says_what_is_wrong)
{
	struct client_spec spec = RIG_SPEC;

	expect_error(&spec, "HTTP/1.1 400 Bad Request\r\n", NULL, "broker:9092 is a web server");
	expect_error(&spec, "\x15\x03\x03\x02\x02\x46", NULL, "speaks TLS");
	expect_error(&spec, "\x7f\x7f\x7f\x7f", NULL, "impossible size");
	expect_error(&spec, "\x01\x01\x01\x01", NULL, "impossible size");	/* 16 MiB where the versions should be */
	expect_error(&spec, "SSH-2.0-x\r\n", NULL, "impossible size");
	expect_error(&spec, NULL, "elsewhere", "advertised listener elsewhere:9092 of broker 1 does not resolve");
	spec.bootstrap = "broker:1";
	expect_error(&spec, NULL, NULL, "broker:1 at 10.");
	spec.bootstrap = "nobody";
	expect_error(&spec, NULL, NULL, "nobody:9092 does not resolve");
}
END_TEST

START_TEST(bootstrap_lists)
{
	static const char *const good[] = { "a", "a:1", "a,b:65535", "[::1]:9092", "[::1],1.2.3.4" };
	static const char *const bad[] = { "", "a:", "a:0", "a:65536", "a:x", ",", "a,", ":1", "[::1", "[::1]x", "a:1:2", "[]:1" };
	struct sim_os *m = sim_create(NULL, "x", 1);
	struct client_error error;
	struct client *c;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct client_spec spec = { .bootstrap = good[i], .client_id = "t" };
		ck_assert_msg(client_create(&c, sim_os(m), &spec, &error) == OK, "%s", good[i]);
		client_destroy(&c);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct client_spec spec = { .bootstrap = bad[i], .client_id = "t" };
		ck_assert_msg(client_create(&c, sim_os(m), &spec, &error) == ERR_INVALID, "%s", bad[i]);
	}
	sim_destroy(&m);
}
END_TEST

START_TEST(backoff_grows_to_its_limit)
{
	struct rig r;

	rig_init(&r, 1, &rig_spec);
	for (int n = 1; n < 40; n++) {
		mono_ms wait = client_backoff(r.client, 100, 1000, n), middle = n > 4 ? 1000 : 100 << (n - 1);
		ck_assert_int_ge(wait, middle * 4 / 5);
		ck_assert_int_le(wait, middle * 6 / 5);
	}
	rig_fini(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("client");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, connects, 0, 20);
	tcase_add_loop_test(tc, steps_down_to_an_older_broker, 0, 5);
	tcase_add_loop_test(tc, comes_back_after_cuts, 0, 20);
	tcase_add_test(tc, says_what_is_wrong);
	tcase_add_test(tc, bootstrap_lists);
	tcase_add_test(tc, backoff_grows_to_its_limit);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
