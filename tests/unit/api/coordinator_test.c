#include <stdio.h>
#include <stdlib.h>

#include "rig.h"
#include "wire/gen/find_coordinator.h"

extern const struct api_row find_coordinator_row;

static const struct uuid id = { { 7 } };

/* For one key before version 4, for two from there on. */
static struct call *ask(int16_t version, int8_t type)
{
	struct call *c = rig_call(&find_coordinator_row, version);
	struct find_coordinator_request *r = c->request;

	find_coordinator_request_init(r);
	r->key = SLICE_LIT("test");
	r->key_type = type;
	r->coordinator_keys = arena_calloc(&c->arena, 2, sizeof(*r->coordinator_keys));
	r->coordinator_keys[0] = SLICE_LIT("test");
	r->coordinator_keys[1] = SLICE_LIT("a");
	r->coordinator_keys_count = version >= 4 ? 2 : 0;
	return c;
}

static struct controller_create_topics *creation(void)
{
	ck_assert_int_eq(rig.asked_count, 1);
	ck_assert_int_eq(rig.asked[0]->kind, CONTROLLER_create_topics);
	return (struct controller_create_topics *)rig.asked[0];
}

static void expect(struct call *c, int i, enum kafka_error error, int32_t node)
{
	const struct find_coordinator_response *out = rig_response(c);
	char host[16];

	snprintf(host, sizeof(host), node < 0 ? "" : "host-%d", node);
	if (c->version < 4) {
		ck_assert_int_eq(out->error_code, error);
		ck_assert_int_eq(out->node_id, node);
		ck_assert_slice_eq(out->host, host);
		ck_assert_int_eq(out->port, node < 0 ? -1 : 9000 + node);
		if (error == NONE)
			ck_assert_slice_eq(out->error_message, "NONE");
		return;
	}
	ck_assert_int_eq(out->coordinators_count, 2);
	ck_assert_int_eq(out->coordinators[i].error_code, error);
	ck_assert_int_eq(out->coordinators[i].node_id, node);
	ck_assert_slice_eq(out->coordinators[i].host, host);
	ck_assert_int_eq(out->coordinators[i].port, node < 0 ? -1 : 9000 + node);
}

/* "test" belongs to partition 3 of 5, "a" to 2. */
START_TEST(the_leader_of_the_keys_partition)
{
	static const int32_t replicas[] = { 0, 1, 2 };
	struct cluster_partition_spec specs[5];

	for (int32_t i = 0; i < 5; i++)
		specs[i] = (struct cluster_partition_spec){ .id = i, .leader = i == 3 ? 1 : i == 2 ? 2 : 0, .replicas = replicas, .replica_count = 3 };
	rig_add_broker(1, "PLAINTEXT", NULL);
	rig_add_topic("__consumer_offsets", id, specs, 5);
	for (int16_t v = 0; v <= 6; v++) {
		struct call *c = ask(v, 0);

		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 0);
		expect(c, 0, NONE, 1);
		if (v >= 4)
			expect(c, 1, COORDINATOR_NOT_AVAILABLE, -1);	/* broker 2 is not alive */
		rig_free(&c);
	}
}
END_TEST

START_TEST(the_topic_is_made_with_its_own_settings)
{
	struct call *c = ask(4, 0);

	rig_begin(c);
	struct controller_create_topics *m = creation();
	ck_assert(m->is_automatic && !m->validate_only);
	ck_assert_int_eq(m->topic_count, 1);
	ck_assert_slice_eq(m->topics[0].name, "__consumer_offsets");
	ck_assert_int_eq(m->topics[0].partitions, 50);
	ck_assert_int_eq(m->topics[0].replication_factor, call_api(c)->broker->offsets_topic_replication_factor);
	ck_assert_int_eq(m->topics[0].config_count, 3);
	for (int32_t i = 0; i < 3; i++) {
		const struct controller_config *k = &m->topics[0].configs[i];

		ck_assert_slice_eq(k->value, slice_eq_str(k->name, "cleanup.policy") ? "compact" : slice_eq_str(k->name, "segment.bytes") ? "104857600" : "producer");
	}
	rig_add_topic("__consumer_offsets", id, NULL, 50);
	rig_answer(c, 0);
	expect(c, 0, NONE, 0);
	expect(c, 1, NONE, 0);
	rig_free(&c);
}
END_TEST

/* What was refused is not waited for; clients come again. */
START_TEST(too_few_brokers)
{
	struct call *c = ask(3, 0);

	rig_begin(c);
	creation()->topics[0].error = INVALID_REPLICATION_FACTOR;
	creation()->topics[0].message = mem_strdup("freed, as the sanitizer knows");
	rig_answer(c, 0);
	expect(c, 0, COORDINATOR_NOT_AVAILABLE, -1);
	rig_free(&c);
}
END_TEST

/* Somebody else makes it: it is looked for, but not for ever. */
START_TEST(a_topic_that_is_on_its_way)
{
	static const int32_t nobody[] = { 5 };
	const struct cluster_partition_spec without_leader = { .id = 0, .leader = -1, .replicas = nobody, .replica_count = 1 };
	struct call *c = ask(3, 0);

	rig_begin(c);
	creation()->topics[0].error = TOPIC_ALREADY_EXISTS;
	rig_answer(c, 0);
	for (int i = 0; i < 5; i++) {
		ck_assert(c->is_parked);
		ck_assert_int_gt(rig.parked_until, rig.now);
		rig.now = rig.parked_until;
		if (i == 2)
			rig_add_topic("__consumer_offsets", id, &without_leader, 1);
		if (i == 4)
			rig_add_topic("__consumer_offsets", id, NULL, 1);
		call_resume(c);
		ck_assert_int_eq(rig_has_ended(c), i == 4);
	}
	expect(c, 0, NONE, 0);
	rig_free(&c);

	rig.asked_count = 0;
	rig_add_topic("__consumer_offsets", id, &without_leader, 1);
	c = ask(3, 0);
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	expect(c, 0, COORDINATOR_NOT_AVAILABLE, -1);
	rig_free(&c);
}
END_TEST

static bool allow_group_a(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	ck_assert_int_eq(op, ACL_DESCRIBE);
	return resource == ACL_GROUP && slice_eq_str(name, "a");
}

static bool allow_nothing(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	(void)op;
	(void)resource;
	(void)name;
	return false;
}

/* Who may describe none of the groups does not make the topic. */
START_TEST(permissions_are_asked_per_key)
{
	struct call *c = ask(4, 0);

	rig.authorize = allow_nothing;
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	expect(c, 0, GROUP_AUTHORIZATION_FAILED, -1);
	rig_free(&c);
	rig.authorize = allow_group_a;
	c = ask(4, 0);
	rig_begin(c);
	rig_add_topic("__consumer_offsets", id, NULL, 50);
	rig_answer(c, 0);
	expect(c, 0, GROUP_AUTHORIZATION_FAILED, -1);
	expect(c, 1, NONE, 0);
	rig_free(&c);
	c = ask(2, 1);
	rig_begin(c);
	expect(c, 0, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1);
	rig_free(&c);
}
END_TEST

/* Other brokers may coordinate transactions; this one, 0, does not. */
START_TEST(transactions_are_coordinated_elsewhere)
{
	static const struct { int32_t leader; enum kafka_error error; int32_t node; } cases[] = {
		{ 1, NONE, 1 }, { 0, INVALID_REQUEST, -1 }, { -1, COORDINATOR_NOT_AVAILABLE, -1 },
	};
	static const int32_t replicas[] = { 0, 1, 2 };
	struct cluster_partition_spec specs[5];

	rig_add_broker(1, "PLAINTEXT", NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int32_t p = 0; p < 5; p++)
			specs[p] = (struct cluster_partition_spec){ .id = p, .leader = cases[i].leader, .replicas = replicas, .replica_count = 3 };
		rig_add_topic("__transaction_state", id, specs, 5);
		for (int16_t v = 1; v <= 6; v++) {
			struct call *c = ask(v, 1);

			rig_begin(c);
			ck_assert_int_eq(rig.asked_count, 0);
			expect(c, 0, cases[i].error, cases[i].node);
			rig_free(&c);
		}
	}
}
END_TEST

START_TEST(other_kinds_of_keys)
{
	static const struct { int16_t version; int8_t type; int16_t error; } cases[] = {
		{ 5, 2, INVALID_REQUEST }, { 6, 2, COORDINATOR_NOT_AVAILABLE }, { 3, 9, INVALID_REQUEST }, { 6, 9, INVALID_REQUEST }, { 4, 1, INVALID_REQUEST },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = ask(cases[i].version, cases[i].type);

		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 0);
		expect(c, 0, (enum kafka_error)cases[i].error, -1);
		rig_free(&c);
	}
}
END_TEST

START_TEST(the_partition_that_coordinates)
{
	struct partition_addr *here = rig_addr_create(), *found;
	struct cluster_partition_spec specs[5] = { { .id = 0 }, { .id = 1 }, { .id = 2 }, { .id = 3, .local = (struct counted *)here }, { .id = 4 } };
	struct call *c = ask(4, 0);

	ck_assert_int_eq(api_find_group(c, SLICE_LIT("test"), &found), NOT_COORDINATOR);
	ck_assert_ptr_null(found);
	rig_add_topic("__consumer_offsets", id, specs, 5);
	ck_assert_int_eq(api_find_group(c, SLICE_LIT("a"), &found), NOT_COORDINATOR);
	ck_assert_int_eq(api_find_group(c, SLICE_LIT("test"), &found), NONE);
	ck_assert_ptr_eq(found, here);
	partition_addr_unref(&found);
	partition_addr_unref(&here);
	rig_begin(c);
	(void)rig_response(c);
	rig_free(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coordinator");
	TCase *tc = tcase_create("coordinator");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, the_leader_of_the_keys_partition);
	tcase_add_test(tc, the_topic_is_made_with_its_own_settings);
	tcase_add_test(tc, too_few_brokers);
	tcase_add_test(tc, a_topic_that_is_on_its_way);
	tcase_add_test(tc, permissions_are_asked_per_key);
	tcase_add_test(tc, transactions_are_coordinated_elsewhere);
	tcase_add_test(tc, other_kinds_of_keys);
	tcase_add_test(tc, the_partition_that_coordinates);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
