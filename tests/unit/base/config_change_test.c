/*
 * Changes and refusals as a running Kafka 3.9.1 answered them.
 */
#include <check.h>
#include <stdlib.h>

#include "base/config_change.h"
#include "base/config_file.h"

static struct config_set fixed, cluster, dynamic, topic;
static struct config_layers layers;
static struct broker_config *broker;
static struct config_refusal refusal;

static void setup(void)
{
	static const char file[] = "zookeeper.connect=zk:1\nbroker.id=0\nlog.cleaner.min.compaction.lag.ms=7\n";
	struct config_env env = { .home = "/home/u" };
	struct strbuf why = STRBUF_INIT;

	config_set_init(&fixed);
	config_set_init(&cluster);
	config_set_init(&dynamic);
	config_set_init(&topic);
	memset(&refusal, 0, sizeof(refusal));
	layers = (struct config_layers){ { &dynamic, &cluster, &fixed } };
	ck_assert(config_file_parse(&fixed, "f", slice_str(file), &why) && config_preset(&fixed, &env, &why));
	ck_assert_msg(broker_config_create(&broker, &layers, &why), "%s", strbuf_cstr(&why));
}

static void teardown(void)
{
	broker_config_unref(&broker);
	config_set_fini(&fixed);
	config_set_fini(&cluster);
	config_set_fini(&dynamic);
	config_set_fini(&topic);
	strbuf_fini(&refusal.text);
}

static struct config_change change(const char *name, int op, const char *value)
{
	return (struct config_change){ slice_str(name), (int8_t)op, slice_str(value) };
}

static void expect_refusal(bool is_good, int error, const char *text)
{
	ck_assert_str_eq(strbuf_cstr(&refusal.text), text);
	ck_assert_int_eq(refusal.error, error);
	ck_assert_int_eq(is_good, error == NONE);
	strbuf_reset(&refusal.text);
	refusal.error = NONE;
}

/* On a copy of the topic's overrides, which it replaces when all is well. */
static bool alter_topic(const struct config_change *changes, int n, enum config_change_mode mode)
{
	struct config_set after;

	config_set_copy(&after, &topic);
	bool is_good = config_changes_apply(&config_topics, &after, changes, n, mode, &refusal) &&
		       config_topic_check(&after, broker, mode == CONFIG_CREATE ? SLICE_NULL : SLICE_LIT("ac"), &refusal);
	if (is_good) {
		config_set_fini(&topic);
		topic = after;
	} else {
		config_set_fini(&after);
	}
	return is_good;
}

static void increment(const char *name, int op, const char *value, int error, const char *text)
{
	struct config_change c = change(name, op, value);

	expect_refusal(alter_topic(&c, 1, CONFIG_INCREMENT), error, text);
}

static void create(const char *name, const char *value, int error, const char *text)
{
	struct config_change c = change(name, 0, value);

	expect_refusal(alter_topic(&c, 1, CONFIG_CREATE), error, text);
	config_set_remove(&topic, slice_str(name));
}

#define RESOURCE "Invalid config value for resource ConfigResource(type=TOPIC, name='ac'): "

START_TEST(creating_topics)
{
	create("no.such.config", "1", 40, "Unknown topic config name: no.such.config");
	create("retention.ms", "abc", 40, "Invalid value abc for configuration retention.ms: Not a number of type LONG");
	create("retention.ms", NULL, 40, "Null value not supported for topic configs: retention.ms");
	create("cleanup.policy", "", 0, "");
	create("retention.bytes", " 5 ", 0, "");
	create("preallocate", "TRUE", 0, "");
	create("remote.storage.enable", "true", 40, "Tiered Storage functionality is disabled in the broker. Topic cannot be "
	       "configured with remote log storage.");
	create("max.compaction.lag.ms", "5", 40,
	       "conflict topic config setting min.compaction.lag.ms (7) > max.compaction.lag.ms (5)");
	struct config_change twice[] = { change("retention.ms", 0, "1"), change("retention.ms", 0, "2") };
	expect_refusal(alter_topic(twice, 2, CONFIG_CREATE), 0, "");
	ck_assert(slice_eq_str(config_set_get(&topic, SLICE_LIT("retention.ms")), "2"));
}
END_TEST

START_TEST(altering_topics)
{
	increment("no.such.config", 0, "1", 40, "Unknown topic config name: no.such.config");
	increment("no.such.config", 1, NULL, 0, "");
	increment("retention.ms", 0, "abc", 40, RESOURCE "Invalid value abc for configuration retention.ms: Not a number of type LONG");
	increment("retention.ms", 0, NULL, 42, "Null value not supported for : retention.ms");
	increment("retention.ms", 2, "1", 40, "Config value append is not allowed for config key: retention.ms");
	increment("retention.ms", 3, "1", 40, "Config value subtract is not allowed for config key: retention.ms");
	increment("no.such.config", 2, "1", 40, "Config value append is not allowed for config key: no.such.config");
	increment("retention.ms", 4, "1", 42, "Unknown operations type 4");
	increment("retention.ms", -1, "1", 42, "Unknown operations type -1");
	increment("cleanup.policy", 2, "shred", 40, RESOURCE "Invalid value shred for configuration cleanup.policy: String must be "
		  "one of: compact, delete");
	increment("remote.log.copy.disable", 0, "true", 40, "It is invalid to set `remote.log.delete.on.disable` or "
		  "`remote.log.copy.disable` under Zookeeper's mode.");
	increment("remote.storage.enable", 0, "true", 40, RESOURCE "Tiered Storage functionality is disabled in the broker. "
		  "Topic cannot be configured with remote log storage.");
	ck_assert_uint_eq(map_count(&topic.entries), 0);

	struct config_change nulls[] = { change("a.b", 0, NULL), change("c.d", 0, NULL) };
	expect_refusal(alter_topic(nulls, 2, CONFIG_INCREMENT), 42, "Null value not supported for : a.b, c.d");
	struct config_change twice[] = { change("retention.ms", 0, NULL), change("retention.ms", 0, "1") };
	expect_refusal(alter_topic(twice, 2, CONFIG_INCREMENT), 42, "Error due to duplicate config keys");
	expect_refusal(alter_topic(twice, 2, CONFIG_REPLACE), 42, "Error due to duplicate config keys");
}
END_TEST

static void expect_list(const char *name, int op, const char *value, const char *result)
{
	increment(name, op, value, 0, "");
	ck_assert_str_eq((const char *)config_set_get(&topic, slice_str(name)).ptr, result);
}

START_TEST(lists_grow_and_shrink)
{
	const char *replicas = "leader.replication.throttled.replicas";

	expect_list("cleanup.policy", 2, "compact", "delete,compact");		/* from the default */
	expect_list("cleanup.policy", 2, "compact", "delete,compact");
	expect_list("cleanup.policy", 3, "delete", "compact");
	expect_list("cleanup.policy", 3, "delete", "compact");
	expect_list("cleanup.policy", 3, "compact", "");
	expect_list("cleanup.policy", 2, "compact", "compact");
	expect_list(replicas, 2, "0:1", "0:1");
	expect_list(replicas, 2, "0:1, 0:2", "0:1,0:2");
	expect_list(replicas, 3, "0:1", "0:2");
}
END_TEST

START_TEST(full_alteration_replaces)
{
	struct config_change first[] = { change("retention.ms", 0, "1"), change("segment.ms", 0, "2") };
	struct config_change second = change("max.message.bytes", 0, "2000000");

	expect_refusal(alter_topic(first, 2, CONFIG_REPLACE), 0, "");
	expect_refusal(alter_topic(&second, 1, CONFIG_REPLACE), 0, "");
	ck_assert_uint_eq(map_count(&topic.entries), 1);
	second = change("max.message.bytes", 0, NULL);
	expect_refusal(alter_topic(&second, 1, CONFIG_REPLACE), 42, "Null value not supported for : max.message.bytes");
	expect_refusal(alter_topic(NULL, 0, CONFIG_REPLACE), 0, "");
	ck_assert_uint_eq(map_count(&topic.entries), 0);
}
END_TEST

static void alter_broker(enum config_level level, const char *name, const char *value, int error, const char *text)
{
	struct config_change c = change(name, 0, value);
	struct config_set after;

	config_set_copy(&after, layers.at[level]);
	bool is_good = config_changes_apply(&config_brokers, &after, &c, 1, CONFIG_INCREMENT, &refusal) &&
		       config_broker_check(&layers, level, &after, &refusal);
	expect_refusal(is_good, error, text);
	config_set_fini(&after);
}

START_TEST(altering_brokers)
{
	enum config_level own = CONFIG_LEVEL_BROKER, all = CONFIG_LEVEL_CLUSTER;

	alter_broker(own, "num.partitions", "3", 42, "Cannot update these configs dynamically: Set(num.partitions)");
	alter_broker(all, "log.retention.hours", "5", 42, "Cannot update these configs dynamically: Set(log.retention.hours)");
	alter_broker(own, "no.such.config", "3", 0, "");
	alter_broker(own, "log.retention.ms", "abc", 42, "Invalid value abc for configuration log.retention.ms: Not a number of type LONG");
	alter_broker(all, "max.connections", "-3", 42, "Invalid value -3 for configuration max.connections: Value must be at least 0");
	alter_broker(all, "listeners", "PLAINTEXT://:1", 42, "Cannot update these configs at default cluster level, broker id must "
		     "be specified: Set(listeners)");
	alter_broker(all, "listener.name.plaintext.ssl.keystore.location", "/x", 42, "Cannot update these configs at default "
		     "cluster level, broker id must be specified: Set(listener.name.plaintext.ssl.keystore.location)");
	alter_broker(all, "listener.name.plaintext.max.connections", "3", 0, "");
	alter_broker(own, "num.io.threads", "100", 42, "Dynamic thread count update validation failed for num.io.threads=100, value "
		     "should not be greater than double the current value 8");
	alter_broker(own, "num.io.threads", "1", 42, "Dynamic thread count update validation failed for num.io.threads=1, value "
		     "should be at least half the current value 8");
	alter_broker(own, "num.io.threads", "16", 0, "");
	alter_broker(own, "leader.replication.throttled.rate", "-1", 42,
		     "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0");
	alter_broker(all, "log.roll.ms", "0", 42, "log.roll.ms must be greater than or equal to 1");
	alter_broker(all, "log.cleaner.dedupe.buffer.size", "5", 42,
		     "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
	alter_broker(own, "log.retention.ms", "700000000", 0, "");
	alter_broker(own, "log.cleanup.policy", "compact", 0, "");
	/* Ours: what is not supported is not accepted quietly. */
	alter_broker(own, "listener.name.plaintext.ssl.keystore.location", "/x", 42,
		     "These configs are not supported yet: Set(listener.name.plaintext.ssl.keystore.location)");
}
END_TEST

START_TEST(bad_dynamic_configs_are_dropped)
{
	struct config_place place = { .origin = CONFIG_FROM_STORE };
	struct strbuf dropped = STRBUF_INIT, why = STRBUF_INIT;
	struct broker_config *next;

	config_set_put(&dynamic, SLICE_LIT("log.retention.ms"), SLICE_LIT("x"), place);
	config_set_put(&dynamic, SLICE_LIT("log.segment.bytes"), SLICE_LIT("20"), place);
	config_set_put(&dynamic, SLICE_LIT("broker.id"), SLICE_LIT("20"), place);
	config_set_put(&dynamic, SLICE_LIT("no.such"), SLICE_LIT("20"), place);
	ck_assert(!broker_config_create(&next, &layers, &why));
	ck_assert_int_eq(config_set_drop_bad(&dynamic, &dropped), 2);
	strbuf_reset(&why);
	ck_assert_msg(broker_config_create(&next, &layers, &why), "%s", strbuf_cstr(&why));
	ck_assert_int_eq(next->topic.segment_bytes, 20);
	ck_assert_int_eq(next->broker_id, 0);
	broker_config_unref(&next);
	strbuf_fini(&dropped);
	strbuf_fini(&why);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_change");
	TCase *t = tcase_create("config_change");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, creating_topics);
	tcase_add_test(t, altering_topics);
	tcase_add_test(t, lists_grow_and_shrink);
	tcase_add_test(t, full_alteration_replaces);
	tcase_add_test(t, altering_brokers);
	tcase_add_test(t, bad_dynamic_configs_are_dropped);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
