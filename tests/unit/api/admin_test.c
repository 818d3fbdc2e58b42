/*
 * Topics and configs: what is settled here, what is asked of the controller, and how its answers
 * are passed on.
 */
#include <stdlib.h>

#include "api/broker_loggers.h"
#include "api/config_resource.h"
#include "rig.h"
#include "wire/gen/alter_configs.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/incremental_alter_configs.h"

extern const struct api_row alter_configs_row, create_topics_row, delete_topics_row,
	create_partitions_row, describe_configs_row, incremental_alter_configs_row;

static const struct uuid id_a = { { 1 } }, id_none = { { 9 } };

/* --- CreateTopics ----------------------------------------------------------------------------- */

static struct call *create(int16_t version, const char *const *names, int32_t n)
{
	struct call *c = rig_call(&create_topics_row, version);
	struct create_topics_request *r = c->request;

	create_topics_request_init(r);
	r->topics = arena_calloc(&c->arena, (size_t)n, sizeof(*r->topics));
	r->topics_count = n;
	for (int32_t i = 0; i < n; i++) {
		create_topics_request_topic_init(&r->topics[i]);
		r->topics[i].name = slice_str(names[i]);
		r->topics[i].num_partitions = 3;
		r->topics[i].replication_factor = 1;
	}
	return c;
}

START_TEST(creation_is_settled_topic_by_topic)
{
	const char *names[] = { "twice", "good", "__cluster_metadata", "twice", "bad" };

	for (int16_t v = 0; v <= 7; v++) {
		struct call *c = create(v, names, 5);

		rig.asked_count = 0;
		rig_begin(c);
		ck_assert_int_eq(rig.asked_count, 1);
		struct controller_create_topics *m =
			(struct controller_create_topics *)rig.asked[0];
		ck_assert_int_eq(m->topic_count, 2);
		ck_assert_slice_eq(m->topics[0].name, "good");
		m->topics[0].topic_id = id_a;
		m->topics[0].partitions_made = 3;
		m->topics[0].replication_factor_made = 1;
		m->topics[1].error = INVALID_PARTITIONS;
		m->topics[1].message = mem_strdup("why");
		rig_answer(c, 0);
		const struct create_topics_response *out = rig_response(c);
		ck_assert_int_eq(out->topics_count, 5);
		ck_assert_int_eq(out->topics[0].error_code, INVALID_REQUEST);
		ck_assert_int_eq(out->topics[2].error_code, INVALID_REQUEST);
		ck_assert_int_eq(out->topics[3].error_code, INVALID_REQUEST);
		ck_assert_int_eq(out->topics[4].error_code, INVALID_PARTITIONS);
		ck_assert_slice_eq(out->topics[4].error_message, "why");
		ck_assert_int_eq(out->topics[4].configs_count, 0);
		ck_assert_int_eq(out->topics[1].error_code, NONE);
		ck_assert_int_eq(out->topics[1].num_partitions, v >= 5 ? 3 : -1);
		ck_assert_int_eq(out->topics[1].configs_count > 30, v >= 5);
		rig_free(&c);
	}
}
END_TEST

START_TEST(created_configs_are_those_of_the_request)
{
	const char *names[] = { "a" };
	struct call *c = create(7, names, 1);
	struct create_topics_request *r = c->request;
	struct create_topics_request_config configs[] = {
		{ SLICE_LIT("retention.ms"), SLICE_LIT("1") },
			{ SLICE_LIT("retention.ms"), SLICE_LIT(" 5 ") },
	};
	bool is_there = false;

	r->validate_only = true;
	r->topics[0].configs = configs;
	r->topics[0].configs_count = 2;
	rig_begin(c);
	ck_assert(((struct controller_create_topics *)rig.asked[0])->validate_only);
	rig_answer(c, 0);
	const struct create_topics_response *out = rig_response(c);
	for (int32_t i = 0; i < out->topics[0].configs_count; i++) {
		const struct create_topics_response_config *d = &out->topics[0].configs[i];

		if (!slice_eq_str(d->name, "retention.ms"))
			continue;
		is_there = true;
		ck_assert_slice_eq(d->value, "5");
		ck_assert_int_eq(d->config_source, 1);
	}
	ck_assert(is_there);
	rig_free(&c);
}
END_TEST

START_TEST(only_the_controller_changes_topics)
{
	const char *names[] = { "a", "a", "__cluster_metadata" };
	struct create_partitions_request_topic more[] = {
		{ .name = SLICE_LIT("a"), .count = 2 }, { .name = SLICE_LIT("a"), .count = 2 },
	};
	struct delete_topics_request_topic old[] = {
		{ .name = SLICE_LIT("a") }, { .topic_id = id_a },
		{ .name = SLICE_LIT("a"), .topic_id = id_a },
	};
	struct call *c = create(7, names, 3);

	cluster_set_controller(rig.picture, 1);
	rig_add_topic("a", id_a, NULL, 1);
	rig_begin(c);
	const struct create_topics_response *created = rig_response(c);
	ck_assert_int_eq(created->topics_count, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(created->topics[i].error_code, NOT_CONTROLLER);
		ck_assert(slice_is_null(created->topics[i].error_message));
	}
	rig_free(&c);

	c = rig_call(&create_partitions_row, 3);
	((struct create_partitions_request *)c->request)->topics = more;
	((struct create_partitions_request *)c->request)->topics_count = 2;
	rig_begin(c);
	const struct create_partitions_response *grown = rig_response(c);
	ck_assert_int_eq(grown->results_count, 1);
	ck_assert_int_eq(grown->results[0].error_code, NOT_CONTROLLER);
	rig_free(&c);

	c = rig_call(&delete_topics_row, 6);
	((struct delete_topics_request *)c->request)->topics = old;
	((struct delete_topics_request *)c->request)->topics_count = 3;
	rig_begin(c);
	const struct delete_topics_response *deleted = rig_response(c);
	ck_assert_int_eq(deleted->responses_count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(deleted->responses[i].error_code, NOT_CONTROLLER);
	ck_assert(slice_is_null(deleted->responses[1].name));	/* a name is not told for an id */
	rig_free(&c);
	ck_assert_int_eq(rig.asked_count, 0);
}
END_TEST

/* --- DeleteTopics ----------------------------------------------------------------------------- */

START_TEST(deletion_by_name_and_by_id)
{
	struct call *c = rig_call(&delete_topics_row, 6);
	struct delete_topics_request *r = c->request;
	struct delete_topics_request_topic topics[] = {
		{ .name = SLICE_LIT("b") }, { .topic_id = id_a }, { .topic_id = id_none },
			{ .name = SLICE_NULL },
	};

	delete_topics_request_init(r);
	r->topics = topics;
	r->topics_count = 4;
	rig_add_topic("a", id_a, NULL, 1);
	rig_begin(c);
	struct controller_delete_topics *m = (struct controller_delete_topics *)rig.asked[0];
	ck_assert_int_eq(m->topic_count, 4);
	ck_assert_int_eq(m->topics[2].error, UNKNOWN_TOPIC_ID);
	ck_assert_int_eq(m->topics[3].error, TOPIC_AUTHORIZATION_FAILED);
	m->topics[0].error = UNKNOWN_TOPIC_OR_PARTITION;
	cluster_remove_topic(rig.picture, SLICE_LIT("a"));	/* by then it is gone */
	rig_answer(c, 0);
	const struct delete_topics_response *out = rig_response(c);
	ck_assert_int_eq(out->responses[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(out->responses[1].error_code, NONE);
	ck_assert_slice_eq(out->responses[1].name, "a");
	ck_assert(uuid_eq(out->responses[1].topic_id, id_a));
	ck_assert(slice_is_null(out->responses[2].name));
	rig_free(&c);
}
END_TEST

START_TEST(deletion_that_is_switched_off)
{
	struct slice names[] = { SLICE_LIT("a") };

	for (int16_t v = 0; v <= 5; v++) {
		struct call *c = rig_call(&delete_topics_row, v);
		struct delete_topics_request *r = c->request;

		delete_topics_request_init(r);
		r->topic_names = names;
		r->topic_names_count = 1;
		rig.asked_count = 0;
		rig_begin(c);
		((struct controller_delete_topics *)rig.asked[0])->topics[0].error =
			TOPIC_DELETION_DISABLED;
		rig_answer(c, 0);
		const struct delete_topics_response *out = rig_response(c);
		ck_assert_int_eq(out->responses[0].error_code, v < 3 ? INVALID_REQUEST
		                 : TOPIC_DELETION_DISABLED);
		rig_free(&c);
	}
}
END_TEST

START_TEST(name_and_id_in_one_entry_fail_the_request)
{
	struct call *c = rig_call(&delete_topics_row, 6);
	struct delete_topics_request *r = c->request;
	struct delete_topics_request_topic topics[] = {
		{ .name = SLICE_LIT("b") }, { .name = SLICE_LIT("a"), .topic_id = id_a },
	};

	delete_topics_request_init(r);
	r->topics = topics;
	r->topics_count = 2;
	rig_begin(c);
	ck_assert_int_eq(rig.asked_count, 0);
	const struct delete_topics_response *out = rig_response(c);
	ck_assert_int_eq(out->responses[0].error_code, INVALID_REQUEST);
	ck_assert_int_eq(out->responses[1].error_code, INVALID_REQUEST);
	rig_free(&c);
}
END_TEST

/* --- CreatePartitions ------------------------------------------------------------------------- */

static bool may_not_alter_b(enum acl_operation op, enum acl_resource resource, struct slice name)
{
	return op != ACL_ALTER || resource != ACL_TOPIC || !slice_eq_str(name, "b");
}

START_TEST(more_partitions)
{
	struct call *c = rig_call(&create_partitions_row, 3);
	struct create_partitions_request *r = c->request;
	struct create_partitions_request_topic topics[] = {
		{ .name = SLICE_LIT("a"), .count = 5, .assignments_count = -1 },
		{ .name = SLICE_LIT("b"), .count = 5, .assignments_count = -1 },
		{ .name = SLICE_LIT("c"), .count = 5, .assignments_count = -1 },
		{ .name = SLICE_LIT("a"), .count = 6, .assignments_count = -1 },
		{ .name = SLICE_LIT("a"), .count = 7, .assignments_count = -1 },
	};

	create_partitions_request_init(r);
	r->topics = topics;
	r->topics_count = 5;
	rig.authorize = may_not_alter_b;
	rig_begin(c);
	struct controller_create_partitions *m =
		(struct controller_create_partitions *)rig.asked[0];
	ck_assert_int_eq(m->topic_count, 3);
	ck_assert_int_eq(m->topics[2].error, NONE);
	ck_assert_int_eq(m->topics[2].assignment_count, -1);
	rig_answer(c, 0);
	const struct create_partitions_response *out = rig_response(c);
	ck_assert_int_eq(out->results_count, 3);
	ck_assert_int_eq(out->results[0].error_code, INVALID_REQUEST);
	ck_assert_int_eq(out->results[1].error_code, TOPIC_AUTHORIZATION_FAILED);
	ck_assert_int_eq(out->results[2].error_code, NONE);
	rig_free(&c);
}
END_TEST

/* --- configs ---------------------------------------------------------------------------------- */

static const struct describe_configs_response_result *describe(struct call **out, int8_t type,
                                                               const char *name,
                                                               struct slice *keys,
                                                               int32_t keys_count)
{
	struct call *c = rig_call(&describe_configs_row, 4);
	struct describe_configs_request *r = c->request;

	describe_configs_request_init(r);
	r->include_synonyms = true;
	r->resources = arena_calloc(&c->arena, 1, sizeof(*r->resources));
	r->resources_count = 1;
	*r->resources = (struct describe_configs_request_resource){
		.resource_type = type, .resource_name = slice_str(name),
		.configuration_keys = keys, .configuration_keys_count = keys_count,
	};
	rig_begin(c);
	*out = c;
	const struct describe_configs_response *response = rig_response(c);
	ck_assert_int_eq(response->results_count, 1);
	return &response->results[0];
}

static void set_dynamic(const char *name, const char *own, const char *fallback)
{
	const struct cluster_override o = { name, own }, d = { name, fallback };
	struct cluster_overrides *broker = cluster_overrides_create(&o, own != NULL);
	struct cluster_overrides *all = cluster_overrides_create(&d, fallback != NULL);

	cluster_set_broker_configs(rig.picture, all, broker);
	counted_unref(&broker->counted);
	counted_unref(&all->counted);
}

START_TEST(dynamic_values_show_when_the_picture_has_them)
{
	struct slice keys[] = { SLICE_LIT("log.retention.ms") }, topic_keys[] =
		{ SLICE_LIT("retention.ms") };
	static const struct { const char *own, *fallback, *want; int8_t source; } steps[] = {
		{ NULL, "700", "700", 3 }, { "800", "700", "800", 2 }, { "900", NULL, "900", 2 },
	};
	struct call *c;

	rig_add_topic("a", id_a, NULL, 1);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		set_dynamic("log.retention.ms", steps[i].own, steps[i].fallback);
		const struct describe_configs_response_result *r =
			describe(&c, RESOURCE_BROKER, "0", keys, 1);
		ck_assert_int_eq(r->configs_count, 1);
		ck_assert_slice_eq(r->configs[0].value, steps[i].want);
		ck_assert_int_eq(r->configs[0].config_source, steps[i].source);
		rig_free(&c);
		r = describe(&c, RESOURCE_TOPIC, "a", topic_keys, 1);
		ck_assert_slice_eq(r->configs[0].value, steps[i].want);
		rig_free(&c);
		r = describe(&c, RESOURCE_BROKER, "", NULL, -1);
		ck_assert_int_eq(r->configs_count, steps[i].fallback != NULL);
		rig_free(&c);
	}
}
END_TEST

START_TEST(all_configs_fit)
{
	struct call *c;
	const struct describe_configs_response_result *r =
		describe(&c, RESOURCE_BROKER, "0", NULL, -1);

	ck_assert_int_gt(r->configs_count, 200);
	rig_free(&c);
	r = describe(&c, RESOURCE_BROKER_LOGGER, "0", NULL, 0);
	ck_assert_int_eq(r->configs_count, LOGGER_COUNT);
	ck_assert_slice_eq(r->configs[0].name, "root");
	rig_free(&c);
}
END_TEST

static struct call *alter(const struct incremental_alter_configs_request_resource *resources,
                          int32_t n)
{
	struct call *c = rig_call(&incremental_alter_configs_row, 1);
	struct incremental_alter_configs_request *r = c->request;

	incremental_alter_configs_request_init(r);
	r->resources = (struct incremental_alter_configs_request_resource *)(uintptr_t)resources;
	r->resources_count = n;
	return c;
}

START_TEST(alterations_go_to_whom_they_concern)
{
	struct incremental_alter_configs_request_config change = {
		.name = SLICE_LIT("root"), .config_operation = CONFIG_SET,
		.value = SLICE_LIT("WARN"),
	};
	const struct incremental_alter_configs_request_resource resources[] = {
		{ .resource_type = RESOURCE_TOPIC, .resource_name = SLICE_LIT("a"),
			.configs = &change, .configs_count = 1 },
		{ .resource_type = RESOURCE_BROKER, .resource_name = SLICE_EMPTY },
		{ .resource_type = RESOURCE_BROKER, .resource_name = SLICE_LIT("0") },
		{ .resource_type = RESOURCE_BROKER, .resource_name = SLICE_LIT("1") },
		{ .resource_type = RESOURCE_TOPIC, .resource_name = SLICE_LIT("none") },
		{ .resource_type = RESOURCE_TOPIC, .resource_name = SLICE_EMPTY },
		{ .resource_type = 3, .resource_name = SLICE_LIT("x") },
		{ .resource_type = RESOURCE_BROKER_LOGGER, .resource_name = SLICE_LIT("0"),
			.configs = &change, .configs_count = 1 },
		{ .resource_type = 9, .resource_name = SLICE_LIT("0") },
		{ .resource_type = 9, .resource_name = SLICE_LIT("0") },
	};
	static const int16_t want[] = {
		INVALID_CONFIG, NONE, NONE, INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION,
			INVALID_REQUEST, INVALID_REQUEST,
		NONE, INVALID_REQUEST, INVALID_REQUEST,
	};
	struct call *c = alter(resources, ARRAY_LEN(resources));

	rig_add_topic("a", id_a, NULL, 1);
	rig_begin(c);
	struct controller_alter_configs *m = (struct controller_alter_configs *)rig.asked[0];
	ck_assert_int_eq(m->resource_count, 3);
	ck_assert_int_eq(m->resources[0].entity, ENTITY_TOPIC);
	ck_assert_int_eq(m->resources[0].mode, CONFIG_INCREMENT);
	ck_assert_int_eq(m->resources[1].entity, ENTITY_BROKER_DEFAULT);
	ck_assert_int_eq(m->resources[2].entity, ENTITY_BROKER);
	m->resources[0].error = INVALID_CONFIG;
	m->resources[0].message = mem_strdup("why");
	rig_answer(c, 0);
	const struct incremental_alter_configs_response *out = rig_response(c);
	ck_assert_int_eq(out->responses_count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_msg(out->responses[i].error_code == want[i], "%zu: %d", i,
		              out->responses[i].error_code);
	ck_assert_slice_eq(out->responses[0].error_message, "why");
	ck_assert_slice_eq(out->responses[8].error_message,
	                   "Each resource must appear at most once.");
	ck_assert_int_eq(log_logger_level(LOGGER_ROOT), LOG_LEVEL_WARN);
	log_set_level(LOG_LEVEL_INFO);
	rig_free(&c);
}
END_TEST

START_TEST(replacing_a_whole_configuration)
{
	struct alter_configs_request_config change = {
		.name = SLICE_LIT("retention.ms"), .value = SLICE_LIT("1"),
	};
	struct alter_configs_request_resource resources[] = {
		{ .resource_type = RESOURCE_TOPIC, .resource_name = SLICE_LIT("a"),
		  .configs = &change, .configs_count = 1 },
		{ .resource_type = RESOURCE_BROKER_LOGGER, .resource_name = SLICE_LIT("0") },
	};

	rig_add_topic("a", id_a, NULL, 1);
	for (int16_t v = 0; v <= 2; v++) {
		struct call *c = rig_call(&alter_configs_row, v);
		struct alter_configs_request *r = c->request;

		alter_configs_request_init(r);
		r->resources = resources;
		r->resources_count = 2;
		rig.asked_count = 0;
		rig_begin(c);
		struct controller_alter_configs *m =
			(struct controller_alter_configs *)rig.asked[0];
		ck_assert_int_eq(m->resource_count, 1);
		ck_assert_int_eq(m->resources[0].mode, CONFIG_REPLACE);
		ck_assert_slice_eq(m->resources[0].changes[0].name, "retention.ms");
		rig_answer(c, 0);
		const struct alter_configs_response *out = rig_response(c);
		ck_assert_int_eq(out->responses[0].error_code, NONE);
		ck_assert_int_eq(out->responses[1].error_code, INVALID_REQUEST);
		rig_free(&c);
	}
}
END_TEST

/* --- loggers and names ------------------------------------------------------------------------ */

START_TEST(logger_changes_are_all_or_nothing)
{
	const struct config_change good = { SLICE_LIT("net"), CONFIG_SET, SLICE_LIT("TRACE") };
	const struct {
		struct config_change change;
		enum kafka_error     error;
	} bad[] = {
		{ { SLICE_LIT("no.such"), CONFIG_SET, SLICE_LIT("INFO") }, INVALID_CONFIG },
		{ { SLICE_LIT("root"), CONFIG_SET, SLICE_LIT("LOUD") }, INVALID_CONFIG },
		{ { SLICE_LIT("root"), CONFIG_SET, SLICE_NULL }, INVALID_REQUEST },
		{ { SLICE_LIT("root"), CONFIG_DELETE, SLICE_NULL }, INVALID_REQUEST },
		{ { SLICE_LIT("root"), CONFIG_APPEND, SLICE_LIT("INFO") }, INVALID_REQUEST },
		{ { SLICE_LIT("root"), 77, SLICE_LIT("INFO") }, INVALID_REQUEST },
		/* twice */
		{ { SLICE_LIT("net"), CONFIG_SET, SLICE_LIT("INFO") }, INVALID_REQUEST },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct config_change both[] = { good, bad[i].change };
		struct config_refusal refusal = { .text = STRBUF_INIT };

		ck_assert(!broker_loggers_change(both, 2, false, &refusal));
		ck_assert_int_eq(refusal.error, bad[i].error);
		ck_assert_uint_gt(refusal.text.len, 10);
		ck_assert_str_eq(broker_logger_level(LOGGER_net), "INFO");
		strbuf_fini(&refusal.text);
	}
	struct config_refusal refusal = { .text = STRBUF_INIT };
	ck_assert(broker_loggers_change(&good, 1, true, &refusal));
	ck_assert_str_eq(broker_logger_level(LOGGER_net), "INFO");	/* only looked at */
	ck_assert(broker_loggers_change(&good, 1, false, &refusal));
	ck_assert_str_eq(broker_logger_level(LOGGER_net), "DEBUG");
	const struct config_change back = { SLICE_LIT("net"), CONFIG_DELETE, SLICE_NULL };
	ck_assert(broker_loggers_change(&back, 1, false, &refusal));
	ck_assert_str_eq(broker_logger_level(LOGGER_net), "INFO");
}
END_TEST

START_TEST(names_of_brokers)
{
	static const struct { const char *name; bool is_id; int32_t id; } cases[] = {
		{ "0", true, 0 }, { "2147483647", true, INT32_MAX },
			{ "-2147483648", true, INT32_MIN }, { "+7", true, 7 },
		{ "2147483648", false, 0 }, { "", false, 0 }, { "-", false, 0 }, { "1x", false, 0 },
			{ " 1", false, 0 },
		{ "99999999999999999999", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t id = 12345;

		ck_assert_msg(config_resource_id(slice_str(cases[i].name), &id) == cases[i].is_id,
		              "%s", cases[i].name);
		if (cases[i].is_id)
			ck_assert_int_eq(id, cases[i].id);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("admin");
	TCase *tc = tcase_create("admin");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, creation_is_settled_topic_by_topic);
	tcase_add_test(tc, created_configs_are_those_of_the_request);
	tcase_add_test(tc, only_the_controller_changes_topics);
	tcase_add_test(tc, deletion_by_name_and_by_id);
	tcase_add_test(tc, deletion_that_is_switched_off);
	tcase_add_test(tc, name_and_id_in_one_entry_fail_the_request);
	tcase_add_test(tc, more_partitions);
	tcase_add_test(tc, dynamic_values_show_when_the_picture_has_them);
	tcase_add_test(tc, all_configs_fit);
	tcase_add_test(tc, alterations_go_to_whom_they_concern);
	tcase_add_test(tc, replacing_a_whole_configuration);
	tcase_add_test(tc, logger_changes_are_all_or_nothing);
	tcase_add_test(tc, names_of_brokers);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
