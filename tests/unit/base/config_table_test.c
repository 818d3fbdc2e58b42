#include <check.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/config_table.h"
#include "base/config_value.h"

static const struct config_table *const tables[] = { &config_brokers, &config_topics };

#define FOREACH_DEF(def) \
	for (size_t t_ = 0; t_ < ARRAY_LEN(tables); t_++) \
		for (const struct config_def *def = tables[t_]->defs; def < tables[t_]->defs + tables[t_]->count; def++)

START_TEST(rows_are_sorted_and_found)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (size_t i = 0; i < tables[t]->count; i++) {
			const char *name = tables[t]->defs[i].name;
			if (i > 0)
				ck_assert_msg(strcmp(tables[t]->defs[i - 1].name, name) < 0, "%s is out of order", name);
			ck_assert_ptr_eq(config_find(tables[t], slice_str(name)), &tables[t]->defs[i]);
		}
		ck_assert_ptr_null(config_find(tables[t], SLICE_LIT("no.such.config")));
		ck_assert_ptr_null(config_find(tables[t], SLICE_EMPTY));
	}
}
END_TEST

START_TEST(every_row_is_documented_and_its_default_valid)
{
	struct strbuf why = STRBUF_INIT;
	struct config_value value;

	FOREACH_DEF(def) {
		ck_assert_msg(def->doc != NULL && strlen(def->doc) > 15, "%s has no documentation", def->name);
		ck_assert_msg(def->doc[strlen(def->doc) - 1] == '.', "%s: the text is not a sentence", def->name);
		if (def->fallback == NULL)
			continue;
		ck_assert_msg(config_value_parse(def, slice_str(def->fallback), &value, &why), "%s: %s", def->name, strbuf_cstr(&why));
		struct strbuf text = STRBUF_INIT;
		config_value_print(def, slice_str(def->fallback), &text);
		ck_assert_str_eq(strbuf_cstr(&text), def->fallback);
		strbuf_fini(&text);
	}
	strbuf_fini(&why);
}
END_TEST

static bool is_field_of(const struct config_def *def)
{
	bool is_choice = def->valid.check == CHECK_CHOICE, is_nullable_number = def->fallback == NULL;

	switch (def->type) {
	case CONFIG_BOOLEAN:  return def->field == FIELD_BOOL;
	case CONFIG_SHORT:    return def->field == FIELD_INT16 && !is_nullable_number;
	case CONFIG_INT:      return def->field == FIELD_INT32;
	case CONFIG_LONG:     return def->field == FIELD_INT64;
	case CONFIG_DOUBLE:   return def->field == FIELD_DOUBLE && !is_nullable_number;
	case CONFIG_LIST:     return def->field == (is_choice ? FIELD_UINT32 : FIELD_TEXT);
	case CONFIG_STRING:   return def->field == (is_choice || def->valid.check == CHECK_VERSION ? FIELD_INT32 : FIELD_TEXT);
	case CONFIG_CLASS: case CONFIG_PASSWORD: return def->field == FIELD_TEXT;
	case CONFIG_UNKNOWN: break;
	}
	return false;
}

START_TEST(fields_fit_their_rows)
{
	FOREACH_DEF(def) {
		if (def->field != FIELD_NONE)
			ck_assert_msg(is_field_of(def), "%s does not fit its field", def->name);
		else if (def->kind != CONFIG_KIND_TOPIC)
			ck_assert_msg(def->support != CONFIG_USED, "%s is used but has no field", def->name);
		/* A topic_config is plain data: it is copied, and nobody owns texts in it. */
		if (def->kind == CONFIG_KIND_TOPIC)
			ck_assert_msg(def->field != FIELD_TEXT, "%s", def->name);
	}
}
END_TEST

START_TEST(topics_take_their_defaults_from_brokers)
{
	for (size_t i = 0; i < config_topics.count; i++) {
		const struct config_def *topic = &config_topics.defs[i], *broker;
		if (topic->broker_name == NULL)
			continue;
		broker = config_find(&config_brokers, slice_str(topic->broker_name));
		ck_assert_msg(broker != NULL, "%s", topic->name);
		ck_assert_int_eq(broker->type, topic->type);
		/* Either the same field of the defaults, or one of those that are put together by hand. */
		if (broker->field_at != offsetof(struct broker_config, topic) + topic->field_at)
			ck_assert_msg(broker->fallback == NULL, "%s fills another field than %s", broker->name, topic->name);
	}
}
END_TEST

static void check_parse(const char *name, const char *text, const char *expected)
{
	const struct config_def *def = config_find(&config_topics, slice_str(name));
	struct strbuf out = STRBUF_INIT;
	struct config_value value;

	if (def == NULL)
		def = config_find(&config_brokers, slice_str(name));
	ck_assert_ptr_nonnull(def);
	if (config_value_parse(def, slice_str(text), &value, &out))
		config_value_print(def, slice_str(text), &out);
	ck_assert_str_eq(strbuf_cstr(&out), expected);
	strbuf_fini(&out);
}

START_TEST(values_and_refusals_are_kafkas)
{
	check_parse("retention.ms", " +5 ", "5");
	check_parse("retention.ms", "9223372036854775807", "9223372036854775807");
	check_parse("retention.ms", "9223372036854775808",
		    "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG");
	check_parse("retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG");
	check_parse("retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG");
	check_parse("retention.ms", "-", "Invalid value - for configuration retention.ms: Not a number of type LONG");
	check_parse("retention.ms", "1e3", "Invalid value 1e3 for configuration retention.ms: Not a number of type LONG");
	check_parse("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1");
	check_parse("segment.bytes", "99999999999",
		    "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT");
	check_parse("segment.bytes", "2147483647", "2147483647");
	check_parse("segment.bytes", "-2147483649",
		    "Invalid value -2147483649 for configuration segment.bytes: Not a number of type INT");
	check_parse("segment.bytes", "13", "Invalid value 13 for configuration segment.bytes: Value must be at least 14");
	check_parse("offsets.topic.replication.factor", "32768",
		    "Invalid value 32768 for configuration offsets.topic.replication.factor: Not a number of type SHORT");
	check_parse("compression.lz4.level", "18",
		    "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17");
	check_parse("compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: "
		    "Value must be between 1 and 9 or equal to -1");
	check_parse("compression.gzip.level", "-1", "-1");
	check_parse("preallocate", "TRUE", "true");
	check_parse("preallocate", "maybe",
		    "Invalid value maybe for configuration preallocate: Expected value to be either true or false");
	check_parse("min.cleanable.dirty.ratio", "1e-1", "0.1");
	check_parse("min.cleanable.dirty.ratio", "2",
		    "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1");
	check_parse("min.cleanable.dirty.ratio", "-.5",
		    "Invalid value -0.5 for configuration min.cleanable.dirty.ratio: Value must be at least 0");
	check_parse("min.cleanable.dirty.ratio", "nan",
		    "Invalid value nan for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE");
	check_parse("log.cleaner.io.max.bytes.per.second", "12345678", "1.2345678E7");
	check_parse("log.cleaner.io.max.bytes.per.second", "1e9", "1.0E9");
	check_parse("log.cleaner.io.max.bytes.per.second", "0.0001", "1.0E-4");
	check_parse("log.cleaner.io.max.bytes.per.second", "1234567", "1234567.0");
	check_parse("cleanup.policy", "compact , delete", "compact,delete");
	check_parse("cleanup.policy", "", "");
	check_parse("cleanup.policy", "delete,shred",
		    "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete");
	check_parse("compression.type", " gzip", "gzip");
	check_parse("compression.type", "GZIP", "Invalid value GZIP for configuration compression.type: "
		    "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer");
	check_parse("message.format.version", "2.8", "2.8");
	check_parse("message.format.version", "nonsense",
		    "Invalid value nonsense for configuration message.format.version: Version nonsense is not a valid version");
	check_parse("leader.replication.throttled.replicas", "*", "*");
	check_parse("leader.replication.throttled.replicas", "0:1, 12:3", "0:1,12:3");
	check_parse("leader.replication.throttled.replicas", "a, b", "Invalid value [a, b] for configuration "
		    "leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a "
		    "list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...");
	check_parse("leader.replication.throttled.replicas", "*,1:2", "Invalid value [*, 1:2] for configuration "
		    "leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a "
		    "list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...");
}
END_TEST

START_TEST(replicas_in_a_list)
{
	struct slice list = SLICE_LIT(" 0:1, 12:3,,0:12 ");

	ck_assert(config_names_replica(list, 0, 1));
	ck_assert(config_names_replica(list, 12, 3));
	ck_assert(config_names_replica(list, 0, 12));
	ck_assert(!config_names_replica(list, 1, 0));
	ck_assert(!config_names_replica(list, 2, 3));
	ck_assert(!config_names_replica(SLICE_EMPTY, 0, 0));
	ck_assert(config_names_replica(SLICE_LIT("*"), 7, 8));
}
END_TEST

START_TEST(versions)
{
	static const struct { const char *text; int32_t version; } good[] = {
		{ "3.9-IV0", KAFKA_VERSION(3, 9, 0) }, { "3.9", KAFKA_VERSION(3, 9, 0) }, { "3.9.1", KAFKA_VERSION(3, 9, 0) },
		{ "3.7", KAFKA_VERSION(3, 7, 4) }, { "3.7-IV1", KAFKA_VERSION(3, 7, 1) }, { "0.10.2.1", KAFKA_VERSION(0, 102, 0) },
		{ "0.8.2", KAFKA_VERSION(0, 82, 0) }, { "0.10.0-IV1", KAFKA_VERSION(0, 100, 1) }, { "4.0-IV1", KAFKA_VERSION(4, 0, 1) },
		{ "2.8", KAFKA_VERSION(2, 8, 1) },
	};
	static const char *const bad[] = { "", "3", "3.", "3.9-IV1", "3.9-IV", "3.99", "3.9-IV0x", "0.9.0-IV0", "5.0", "v3.9", "0.8" };
	int32_t version;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(config_version_parse(slice_str(good[i].text), &version), "%s", good[i].text);
		ck_assert_int_eq(version, good[i].version);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!config_version_parse(slice_str(bad[i]), &version), "%s", bad[i]);
	ck_assert_int_lt(KAFKA_VERSION(0, 110, 2), KAFKA_VERSION(1, 0, 0));
	ck_assert_int_lt(KAFKA_VERSION(2, 8, 1), KAFKA_VERSION(3, 0, 0));
}
END_TEST

START_TEST(nearest_names)
{
	ck_assert_str_eq(config_nearest(&config_brokers, SLICE_LIT("log.retention.hour"))->name, "log.retention.hours");
	ck_assert_str_eq(config_nearest(&config_brokers, SLICE_LIT("lgo.dirs"))->name, "log.dirs");
	ck_assert_str_eq(config_nearest(&config_brokers, SLICE_LIT("auto.create.topic.enable"))->name, "auto.create.topics.enable");
	ck_assert_ptr_null(config_nearest(&config_brokers, SLICE_LIT("confluent.license.topic")));
	ck_assert_ptr_null(config_nearest(&config_brokers, SLICE_EMPTY));
}
END_TEST

START_TEST(listener_prefixes)
{
	ck_assert_str_eq(config_find_base(SLICE_LIT("listener.name.x.max.connections"))->name, "max.connections");
	ck_assert_str_eq(config_find_base(SLICE_LIT("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config"))->name,
			 "sasl.jaas.config");
	ck_assert_ptr_null(config_find_base(SLICE_LIT("listener.name.x.")));
	ck_assert_ptr_null(config_find_base(SLICE_LIT("listener.name.")));
	ck_assert_ptr_null(config_find_base(SLICE_LIT("listener.name.x.nothing")));
	ck_assert_str_eq(config_find_base(SLICE_LIT("broker.id"))->name, "broker.id");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_table");
	TCase *t = tcase_create("config_table");

	tcase_add_test(t, rows_are_sorted_and_found);
	tcase_add_test(t, every_row_is_documented_and_its_default_valid);
	tcase_add_test(t, fields_fit_their_rows);
	tcase_add_test(t, topics_take_their_defaults_from_brokers);
	tcase_add_test(t, values_and_refusals_are_kafkas);
	tcase_add_test(t, replicas_in_a_list);
	tcase_add_test(t, versions);
	tcase_add_test(t, nearest_names);
	tcase_add_test(t, listener_prefixes);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
