#include <stdlib.h>

#include "rig.h"
#include "wire/gen/init_producer_id.h"

extern const struct api_row init_producer_id_row;

static struct call *ask(int16_t version)
{
	struct call *c = rig_call(&init_producer_id_row, version);

	init_producer_id_request_init(c->request);
	((struct init_producer_id_request *)c->request)->transactional_id = SLICE_NULL;
	return c;
}

static struct controller_allocate_producer_ids *question(int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_int_eq(rig.asked[i]->kind, CONTROLLER_allocate_producer_ids);
	return (struct controller_allocate_producer_ids *)rig.asked[i];
}

static void expect_id(struct call *c, int64_t id)
{
	const struct init_producer_id_response *out = rig_response(c);

	ck_assert_int_eq(out->error_code, NONE);
	ck_assert_int_eq(out->producer_id, id);
	ck_assert_int_eq(out->producer_epoch, 0);
}

static void expect_error(struct call *c, enum kafka_error error)
{
	const struct init_producer_id_response *out = rig_response(c);

	ck_assert_int_eq(out->error_code, error);
	ck_assert_int_eq(out->producer_id, -1);
	ck_assert_int_eq(out->producer_epoch, -1);
}

static void give_block(struct call *c, int i, int64_t first, int32_t count)
{
	question(i)->first = first;
	question(i)->count = count;
	rig_answer(c, i);
}

START_TEST(one_block_serves_many_calls)
{
	for (int i = 0; i < 6; i++) {
		struct call *c = ask((int16_t)i);

		rig_begin(c);
		if (i % 3 == 0)
			give_block(c, i / 3, 1000 * i, 3);
		expect_id(c, 1000 * (i / 3 * 3) + i % 3);
		rig_free(&c);
	}
	ck_assert_int_eq(rig.asked_count, 2);
}
END_TEST

START_TEST(calls_that_come_meanwhile_wait_for_the_block)
{
	struct call *c[4];

	for (int i = 0; i < 4; i++) {
		c[i] = ask(4);
		rig_begin(c[i]);
	}
	ck_assert_int_eq(rig.asked_count, 1);	/* one question for all */
	rig_close(c[2]);
	ck_assert(rig_has_ended(c[2]) && !rig_has_ended(c[1]));
	give_block(c[0], 0, 50, 2);
	expect_id(c[0], 50);
	expect_id(c[1], 51);			/* the closed one took none */
	ck_assert(!rig_has_ended(c[3]));	/* the block was too small: it asks for the next */
	ck_assert_int_eq(rig.asked_count, 2);
	give_block(c[3], 1, 90, 1000);
	expect_id(c[3], 90);
	for (int i = 0; i < 4; i++)
		rig_free(&c[i]);
}
END_TEST

START_TEST(no_block_to_be_had)
{
	struct call *c[3];

	for (int i = 0; i < 3; i++) {
		c[i] = ask(4);
		rig_begin(c[i]);
	}
	question(0)->error = STALE_BROKER_EPOCH;	/* is none of the client's business */
	rig_answer(c[0], 0);
	expect_error(c[0], COORDINATOR_LOAD_IN_PROGRESS);
	ck_assert(!rig_has_ended(c[1]));	/* tries once for itself */
	ck_assert_int_eq(rig.asked_count, 2);
	/* and nobody waits behind a failure for ever */
	expect_error(c[2], COORDINATOR_LOAD_IN_PROGRESS);
	give_block(c[1], 1, 0, 1000);
	expect_id(c[1], 0);
	for (int i = 0; i < 3; i++)
		rig_free(&c[i]);
}
END_TEST

START_TEST(what_is_refused)
{
	struct call *c = ask(4);

	((struct init_producer_id_request *)c->request)->transactional_id = SLICE_LIT("tx");
	rig_begin(c);
	expect_error(c, INVALID_REQUEST);
	rig_free(&c);
	for (int i = 0; i < 2; i++) {	/* an id without an epoch, and the other way round */
		c = ask(4);
		struct init_producer_id_request *r = c->request;
		if (i == 0)
			r->producer_id = 5;
		else
			r->producer_epoch = 5;
		rig_begin(c);
		expect_error(c, INVALID_REQUEST);
		rig_free(&c);
	}
	ck_assert_int_eq(rig.asked_count, 0);
}
END_TEST

static bool may_write_topic_b(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	return op == ACL_WRITE && resource == ACL_TOPIC && slice_eq_str(name, "b");
}

START_TEST(who_may_have_an_id)
{
	struct call *c = ask(4);

	rig.authorize = may_write_topic_b;
	rig_begin(c);
	expect_error(c, CLUSTER_AUTHORIZATION_FAILED);
	rig_free(&c);
	rig_add_topic("a", UUID_ZERO, NULL, 1);
	rig_add_topic("b", UUID_ZERO, NULL, 1);
	c = ask(4);
	rig_begin(c);
	give_block(c, 0, 7, 1000);
	expect_id(c, 7);
	rig_free(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("producer ids");
	TCase *tc = tcase_create("producer ids");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, one_block_serves_many_calls);
	tcase_add_test(tc, calls_that_come_meanwhile_wait_for_the_block);
	tcase_add_test(tc, no_block_to_be_had);
	tcase_add_test(tc, what_is_refused);
	tcase_add_test(tc, who_may_have_an_id);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
