#include <stdlib.h>

#include "rig.h"
#include "wire/gen/metadata.h"

extern const struct api_row metadata_row;

static const struct uuid id_a = { { 1 } }, id_b = { { 2 } }, id_none = { { 9 } };

/* A request for these names; n -1: all topics. */
static struct call *ask(int16_t version, const char *const *names, int32_t n)
{
	struct call *c = rig_call(&metadata_row, version);
	struct metadata_request *r = c->request;

	metadata_request_init(r);
	r->topics_count = n;
	r->topics = arena_calloc(&c->arena, (size_t)MAX(n, 0), sizeof(*r->topics));
	for (int32_t i = 0; i < n; i++) {
		metadata_request_topic_init(&r->topics[i]);
		r->topics[i].name = slice_str(names[i]);
	}
	return c;
}

static const struct metadata_response_topic *topic_of(struct call *c, int i)
{
	const struct metadata_response *out = rig_response(c);

	ck_assert_int_lt(i, out->topics_count);
	return &out->topics[i];
}

START_TEST(all_topics_and_none)
{
	rig_add_topic("a", id_a, NULL, 2);
	rig_add_topic("b", id_b, NULL, 1);
	for (int16_t v = 0; v <= 12; v++) {
		struct call *all = ask(v, NULL, v == 0 ? 0 : -1), *none = ask(v, NULL, 0);

		rig_begin(all);
		rig_begin(none);
		const struct metadata_response *out = rig_response(all);
		ck_assert_int_eq(out->topics_count, 2);
		ck_assert_int_eq(out->brokers_count, 1);
		ck_assert_int_eq(out->controller_id, 0);
		ck_assert_slice_eq(out->brokers[0].host, "host-0");
		out = rig_response(none);
		ck_assert_int_eq(out->topics_count, v == 0 ? 2 : 0);
		rig_free(&all);
		rig_free(&none);
	}
}
END_TEST

START_TEST(names_are_answered_once_and_in_order)
{
	const char *names[] = { "b", "a", "b", "a" };
	struct call *c = ask(9, names, 4);

	rig_add_topic("a", id_a, NULL, 1);
	rig_add_topic("b", id_b, NULL, 1);
	rig_begin(c);
	ck_assert_int_eq(((const struct metadata_response *)rig_response(c))->topics_count, 2);
	ck_assert_slice_eq(topic_of(c, 0)->name, "b");
	ck_assert_slice_eq(topic_of(c, 1)->name, "a");
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_epoch, 7);
	rig_free(&c);
}
END_TEST

START_TEST(ids_outweigh_names)
{
	const char *names[] = { NULL, "b", NULL };
	struct call *c = ask(12, names, 3);
	struct metadata_request *r = c->request;

	rig_add_topic("a", id_a, NULL, 1);
	rig_add_topic("b", id_b, NULL, 1);
	r->topics[0].topic_id = id_a;
	r->topics[2].topic_id = id_none;
	rig_begin(c);
	ck_assert_int_eq(((const struct metadata_response *)rig_response(c))->topics_count, 2);
	ck_assert_slice_eq(topic_of(c, 0)->name, "a");
	ck_assert_int_eq(topic_of(c, 1)->error_code, UNKNOWN_TOPIC_ID);
	ck_assert(slice_is_null(topic_of(c, 1)->name));
	ck_assert_int_eq(rig.asked_count, 0);
	rig_free(&c);
}
END_TEST

/* What may not be asked in a version fails the request, topic by topic, and tells nothing. */
START_TEST(whole_requests_that_fail)
{
	static const struct {
		int16_t version;
		bool    has_id;
		int16_t error;
	} cases[] = {
		{ 10, false, INVALID_REQUEST }, { 11, true, INVALID_REQUEST },
		{ 12, false, UNKNOWN_SERVER_ERROR },
	};
	const char *names[] = { "a", NULL };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = ask(cases[i].version, names, 2);
		struct metadata_request *r = c->request;

		r->topics[1].topic_id = cases[i].has_id ? id_a : UUID_ZERO;
		rig_begin(c);
		const struct metadata_response *out = rig_response(c);
		ck_assert_int_eq(out->brokers_count, 0);
		ck_assert_int_eq(out->controller_id, -1);
		ck_assert(slice_is_null(out->cluster_id));
		ck_assert_int_eq(out->topics_count, 2);
		ck_assert_int_eq(out->topics[0].error_code, cases[i].error);
		ck_assert_slice_eq(out->topics[1].name, "");
		ck_assert(uuid_eq(out->topics[1].topic_id, r->topics[1].topic_id));
		rig_free(&c);
	}
}
END_TEST

/* Brokers: 0 and 2 here, 1 on another listener, 3 is dead. */
START_TEST(leaders_that_cannot_be_reached)
{
	static const int32_t replicas[] = { 0, 2, 3 };
	const struct cluster_partition_spec specs[] = {
		{ .id = 0, .leader = 0, .leader_epoch = 4, .replicas = replicas, .replica_count = 2,
		  .isr = replicas, .isr_count = 2 },
		{ .id = 1, .leader = 1, .leader_epoch = 5, .replicas = replicas, .replica_count = 3,
		  .isr = replicas, .isr_count = 2, .offline = &replicas[2], .offline_count = 1 },
		{ .id = 2, .leader = 3, .leader_epoch = 6, .replicas = replicas, .replica_count = 3,
		  .isr = replicas, .isr_count = 1 },
		{ .id = 3, .leader = 0, .leader_epoch = 8, .replicas = replicas, .replica_count = 3,
		  .isr = replicas, .isr_count = 3 },
	};
	const char *names[] = { "a" };

	rig_add_broker(1, "INTERNAL", NULL);
	rig_add_broker(2, "PLAINTEXT", NULL);
	rig_add_topic("a", id_a, specs, 4);
	for (int16_t v = 0; v <= 12; v++) {
		struct call *c = ask(v, names, 1);

		rig_begin(c);
		const struct metadata_response *out = rig_response(c);
		const struct metadata_response_partition *p = out->topics[0].partitions;
		ck_assert_int_eq(out->brokers_count, 2);	/* those with this listener */
		ck_assert_int_eq(p[0].error_code, NONE);
		ck_assert_int_eq(p[0].leader_id, 0);
		ck_assert_int_eq(p[1].error_code, v >= 6 ? LISTENER_NOT_FOUND
		                 : LEADER_NOT_AVAILABLE);
		ck_assert_int_eq(p[1].leader_id, -1);
		ck_assert_int_eq(p[1].leader_epoch, 5);		/* still told */
		ck_assert_int_eq(p[1].offline_replicas_count, 1);
		ck_assert_int_eq(p[2].error_code, LEADER_NOT_AVAILABLE);
		ck_assert_int_eq(p[2].leader_id, -1);
		ck_assert_int_eq(p[3].error_code, v == 0 ? REPLICA_NOT_AVAILABLE : NONE);
		ck_assert_int_eq(p[3].replica_nodes_count, v == 0 ? 2 : 3);
		ck_assert_int_eq(p[3].isr_nodes_count, v == 0 ? 2 : 3);
		rig_free(&c);
	}
}
END_TEST

/* --- creation --------------------------------------------------------------------------------- */

static struct controller_create_topics *creation(void)
{
	ck_assert_int_eq(rig.asked_count, 1);
	ck_assert_int_eq(rig.asked[0]->kind, CONTROLLER_create_topics);
	return (struct controller_create_topics *)rig.asked[0];
}

START_TEST(a_missing_topic_is_created_and_shown)
{
	const char *names[] = { "old", "new", "bad name" };
	struct call *c = ask(12, names, 3);

	rig_add_topic("old", id_a, NULL, 1);
	rig_begin(c);
	struct controller_create_topics *ask_controller = creation();
	ck_assert_int_eq(ask_controller->topic_count, 2);
	ck_assert(!ask_controller->validate_only);
	ck_assert(ask_controller->is_automatic);	/* by whichever broker was asked */
	ck_assert_slice_eq(ask_controller->topics[0].name, "new");
	ck_assert_int_eq(ask_controller->topics[0].partitions, -1);
	ck_assert_int_eq(ask_controller->topics[0].replication_factor, -1);
	ask_controller->topics[1].error = INVALID_TOPIC_EXCEPTION;
	ask_controller->topics[1].message = mem_strdup("a reason");
	/* the controller's answer comes after the picture */
	rig_add_topic("new", id_b, NULL, 1);
	rig_answer(c, 0);
	ck_assert_int_eq(topic_of(c, 0)->error_code, NONE);
	ck_assert_int_eq(topic_of(c, 1)->error_code, NONE);
	ck_assert_int_eq(topic_of(c, 1)->partitions_count, 1);
	ck_assert_int_eq(topic_of(c, 2)->error_code, INVALID_TOPIC_EXCEPTION);
	rig_free(&c);
}
END_TEST

START_TEST(what_creation_may_come_to)
{
	static const struct {
		enum kafka_error error;
		int16_t          want;
	} cases[] = {
		{ NONE, LEADER_NOT_AVAILABLE }, { REQUEST_TIMED_OUT, LEADER_NOT_AVAILABLE },
		{ TOPIC_ALREADY_EXISTS, LEADER_NOT_AVAILABLE },
		{ INVALID_REPLICATION_FACTOR, INVALID_REPLICATION_FACTOR },
	};
	const char *names[] = { "new" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = ask(4, names, 1);

		rig.asked_count = 0;
		rig_begin(c);
		creation()->topics[0].error = cases[i].error;
		rig_answer(c, 0);
		ck_assert_int_eq(topic_of(c, 0)->error_code, cases[i].want);
		rig_free(&c);
	}
}
END_TEST

START_TEST(what_is_not_created)
{
	const char *names[] = { "new", "a b", "__transaction_state" };
	struct call *c = ask(9, names, 3), *internal = ask(9, &names[2], 1);

	((struct metadata_request *)c->request)->allow_auto_topic_creation = false;
	rig_begin(c);
	rig_begin(internal);
	ck_assert_int_eq(rig.asked_count, 0);
	ck_assert_int_eq(topic_of(c, 0)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(topic_of(c, 1)->error_code, INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(topic_of(internal, 0)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert(topic_of(internal, 0)->is_internal);
	rig_free(&c);
	rig_free(&internal);
}
END_TEST

START_TEST(a_connection_that_goes_meanwhile)
{
	const char *names[] = { "new" };
	struct call *c = ask(9, names, 1);

	rig_begin(c);
	rig_close(c);
	ck_assert(!rig_has_ended(c));		/* the question is still out */
	creation()->topics[0].message = mem_strdup("freed, as the sanitizer knows");
	rig_answer(c, 0);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
}
END_TEST

/* --- permissions ------------------------------------------------------------------------------ */

static bool hides_a(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	(void)op;
	return resource != ACL_TOPIC || !slice_eq_str(name, "a");
}

static bool may_only_read(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	(void)resource;
	(void)name;
	return op == ACL_DESCRIBE || op == ACL_READ;
}

START_TEST(hidden_topics)
{
	const char *names[] = { "a", "missing" }, *by_id[] = { NULL };
	struct call *all = ask(12, NULL, -1), *named = ask(12, names, 1), *id = ask(12, by_id, 1);

	rig_add_topic("a", id_a, NULL, 1);
	rig_add_topic("b", id_b, NULL, 1);
	rig.authorize = hides_a;
	((struct metadata_request *)id->request)->topics[0].topic_id = id_a;
	rig_begin(all);
	rig_begin(named);
	rig_begin(id);
	ck_assert_int_eq(((const struct metadata_response *)rig_response(all))->topics_count, 1);
	ck_assert_int_eq(topic_of(named, 0)->error_code, TOPIC_AUTHORIZATION_FAILED);
	ck_assert(uuid_is_zero(topic_of(named, 0)->topic_id));	/* whether it exists is not told */
	ck_assert_int_eq(topic_of(id, 0)->error_code, TOPIC_AUTHORIZATION_FAILED);
	ck_assert(slice_is_null(topic_of(id, 0)->name));
	rig_free(&all);
	rig_free(&named);
	rig_free(&id);
}
END_TEST

START_TEST(creation_needs_permission)
{
	const char *names[] = { "new" };
	struct call *c = ask(12, names, 1);

	rig.authorize = may_only_read;
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	ck_assert_int_eq(topic_of(c, 0)->error_code, TOPIC_AUTHORIZATION_FAILED);
	rig_free(&c);
}
END_TEST

START_TEST(operations_as_bits)
{
	const char *names[] = { "a" };

	rig_add_topic("a", id_a, NULL, 1);
	for (int i = 0; i < 2; i++) {
		struct call *c = ask(8, names, 1);
		struct metadata_request *r = c->request;

		rig.authorize = i == 0 ? NULL : may_only_read;
		r->include_cluster_authorized_operations = r->include_topic_authorized_operations =
			true;
		rig_begin(c);
		const struct metadata_response *out = rig_response(c);
		ck_assert_int_eq(out->cluster_authorized_operations, i == 0 ? 0x1fa0
		                 : 1 << ACL_DESCRIBE);
		ck_assert_int_eq(out->topics[0].topic_authorized_operations,
		                 i == 0 ? 0x0df8 : 1 << ACL_DESCRIBE | 1 << ACL_READ);
		rig_free(&c);
	}
}
END_TEST

/* --- a leader that may be dead ----------------------------------------------------------------- */

static void lead(int32_t leader)
{
	static const int32_t replicas[] = { 0, 1 };
	const struct cluster_partition_spec spec = { .id = 0, .leader = leader, .replicas = replicas,
		.replica_count = 2, .isr = replicas, .isr_count = 2 };

	rig_add_topic("a", id_a, &spec, 1);
}

static struct call *ask_in_doubt(int16_t version)
{
	const char *names[] = { "a" };

	rig.context.fetchers = (const struct fetchers *)&rig;	/* the rig's own are asked */
	rig.lost_leader = 1;
	rig.lost_at = rig.now;
	struct call *c = ask(version, names, 1);
	rig_begin(c);
	return c;
}

static void set_up_two(void)
{
	rig_add_broker(1, "PLAINTEXT", NULL);
	rig_add_topic("b", id_b, NULL, 1);
	lead(1);
}

START_TEST(who_asks_for_a_dead_leader_is_told_of_the_next)
{
	set_up_two();
	struct call *c = ask_in_doubt(9);
	for (int i = 0; i < 3; i++) {
		ck_assert(c->is_parked);
		ck_assert_int_gt(rig.parked_until, rig.now);
		rig.now = rig.parked_until;
		if (i == 2)
			lead(0);
		call_resume(c);
		ck_assert_int_eq(rig_has_ended(c), i == 2);
	}
	ck_assert_int_le(rig.now - rig.lost_at, 20);
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, 0);
	rig_free(&c);
}
END_TEST

/* As a new controller tells it: first who is alive, then who leads. */
START_TEST(also_when_the_dead_is_out_of_the_list_already)
{
	lead(1);			/* and there is no broker 1 */
	struct call *c = ask_in_doubt(9);
	ck_assert(c->is_parked);
	rig.now = rig.parked_until;
	lead(0);
	call_resume(c);
	ck_assert(rig_has_ended(c));
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, 0);
	rig_free(&c);
}
END_TEST

/* And in between nobody does. */
START_TEST(also_when_there_is_no_leader_yet)
{
	const char *names[] = { "a" };

	lead(-1);
	struct call *c = ask_in_doubt(9);
	ck_assert(c->is_parked);
	rig.now = rig.parked_until;
	lead(0);
	call_resume(c);
	ck_assert(rig_has_ended(c));
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, 0);
	rig_free(&c);
	lead(-1);
	rig.lost_leader = -1;		/* nobody was lost: it is told */
	c = ask(9, names, 1);
	rig_begin(c);
	ck_assert(rig_has_ended(c));
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, -1);
	rig_free(&c);
}
END_TEST

START_TEST(but_waits_no_longer_than_a_moment)
{
	int looks = 0;

	set_up_two();
	struct call *c = ask_in_doubt(12);
	for (; !rig_has_ended(c); looks++) {
		rig.now = rig.parked_until;
		call_resume(c);
	}
	ck_assert_int_le(looks, 14);
	ck_assert_int_le(rig.now - rig.lost_at, 450);
	ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, 1);
	rig_free(&c);
}
END_TEST

/* His connection to the dead one broke before ours. */
START_TEST(who_asks_again_is_answered_with_what_is_known_a_moment_later)
{
	const char *names[] = { "a" };

	set_up_two();
	rig.context.fetchers = (const struct fetchers *)&rig;
	rig.lost_leader = -1;
	rig.connection_age = 999;	/* one that has just come: there is no reason */
	struct call *c = ask(9, names, 1);
	rig_begin(c);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
	rig.connection_age = 1000;
	for (int learns = 0; learns < 2; learns++) {
		lead(1);
		c = ask(9, names, 1);
		rig_begin(c);
		ck_assert(c->is_parked);
		ck_assert_int_eq(rig.parked_until - rig.now, 10);
		rig.now = rig.parked_until;
		rig.lost_leader = learns ? 1 : -1;
		rig.lost_at = rig.now - 2;
		call_resume(c);
		ck_assert_int_eq(rig_has_ended(c), !learns);
		if (learns) {
			lead(0);
			call_resume(c);
			ck_assert(rig_has_ended(c));
		}
		ck_assert_int_eq(topic_of(c, 0)->partitions[0].leader_id, learns ? 0 : 1);
		rig_free(&c);
	}
	c = ask(9, names, 1);		/* led here: nothing can be learned */
	rig_begin(c);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
}
END_TEST

START_TEST(who_asks_for_others_does_not_wait)
{
	const char *names[] = { "b" };

	set_up_two();
	struct call *c = ask_in_doubt(9);
	ck_assert(!rig_has_ended(c));
	rig_close(c);			/* and nobody waits for a closed connection */
	ck_assert(rig_has_ended(c));
	rig_free(&c);
	c = ask(9, names, 1);
	rig_begin(c);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
	c = ask(9, NULL, -1);		/* all there is */
	rig_begin(c);
	ck_assert(rig_has_ended(c));
	rig_free(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("metadata");
	TCase *tc = tcase_create("metadata");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, all_topics_and_none);
	tcase_add_test(tc, names_are_answered_once_and_in_order);
	tcase_add_test(tc, ids_outweigh_names);
	tcase_add_test(tc, whole_requests_that_fail);
	tcase_add_test(tc, leaders_that_cannot_be_reached);
	tcase_add_test(tc, a_missing_topic_is_created_and_shown);
	tcase_add_test(tc, what_creation_may_come_to);
	tcase_add_test(tc, what_is_not_created);
	tcase_add_test(tc, a_connection_that_goes_meanwhile);
	tcase_add_test(tc, hidden_topics);
	tcase_add_test(tc, creation_needs_permission);
	tcase_add_test(tc, operations_as_bits);
	tcase_add_test(tc, who_asks_for_a_dead_leader_is_told_of_the_next);
	tcase_add_test(tc, also_when_the_dead_is_out_of_the_list_already);
	tcase_add_test(tc, also_when_there_is_no_leader_yet);
	tcase_add_test(tc, but_waits_no_longer_than_a_moment);
	tcase_add_test(tc, who_asks_again_is_answered_with_what_is_known_a_moment_later);
	tcase_add_test(tc, who_asks_for_others_does_not_wait);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
