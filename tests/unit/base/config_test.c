#include <check.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/config_file.h"

static struct config_set fixed;
static struct broker_config *broker;
static struct strbuf why;

static bool create(const char *text)
{
	struct config_env env = { .home = "/home/u" };
	struct config_layers layers = { { NULL, NULL, &fixed } };

	config_set_fini(&fixed);
	strbuf_reset(&why);
	return config_file_parse(&fixed, "f", slice_str(text), &why) && config_preset(&fixed, &env, &why) &&
	       broker_config_create(&broker, &layers, &why);
}

static void must(const char *text)
{
	ck_assert_msg(create(text), "%s", strbuf_cstr(&why));
}

static void must_not(const char *text, const char *sentence)
{
	ck_assert_msg(!create(text), "%s", text);
	ck_assert_str_eq(strbuf_cstr(&why), sentence);
}

static void setup(void)
{
	config_set_init(&fixed);
	strbuf_init(&why);
}

static void teardown(void)
{
	config_set_fini(&fixed);
	strbuf_fini(&why);
}

START_TEST(alone_without_a_word)
{
	must("");
	ck_assert(broker->is_alone);
	ck_assert_ptr_null(broker->zookeeper_connect);
	ck_assert_int_eq(broker->broker_id, 0);
	ck_assert_int_eq(broker->log_dirs.count, 1);
	ck_assert_str_eq(broker->log_dirs.items[0], "/home/u/.local/share/skein");
	ck_assert_int_eq(broker->listeners_count, 1);
	ck_assert_str_eq(broker->listeners[0].name, "PLAINTEXT");
	ck_assert_str_eq(broker->listeners[0].host, "127.0.0.1");
	ck_assert_int_eq(broker->listeners[0].port, 9092);
	ck_assert_ptr_eq(broker->advertised, broker->listeners);
	ck_assert_str_eq(broker->inter_broker_listener_name, "PLAINTEXT");
	ck_assert_int_eq(broker->flush_acks, FLUSH_ACKS_AUTO);
	ck_assert(broker->is_controller_eligible);
	ck_assert_int_eq(broker->inter_broker_protocol_version, KAFKA_VERSION(3, 9, 0));
	ck_assert_int_eq(broker->num_network_threads, 3);
	broker_config_unref(&broker);
	ck_assert_ptr_null(broker);
}
END_TEST

START_TEST(topic_defaults_are_kafkas)
{
	struct topic_config plain;

	must("");
	topic_config_init(&plain);
	/* Field by field: padding may differ. */
	ck_assert_int_eq(plain.segment_bytes, 1 << 30);
	ck_assert_int_eq(broker->topic.segment_bytes, plain.segment_bytes);
	ck_assert_int_eq(broker->topic.segment_ms, 604800000);
	ck_assert_int_eq(broker->topic.segment_ms, plain.segment_ms);
	ck_assert_int_eq(broker->topic.segment_jitter_ms, plain.segment_jitter_ms);
	ck_assert_int_eq(broker->topic.retention_ms, plain.retention_ms);
	ck_assert_int_eq(broker->topic.retention_bytes, -1);
	ck_assert_int_eq(broker->topic.flush_ms, INT64_MAX);
	ck_assert_int_eq(broker->topic.flush_ms, plain.flush_ms);
	ck_assert_uint_eq(broker->topic.cleanup_policy, CLEANUP_DELETE);
	ck_assert_int_eq(broker->topic.compression_type, COMPRESSION_PRODUCER);
	ck_assert_int_eq(broker->topic.timestamp_type, TIMESTAMP_CREATE_TIME);
	ck_assert_int_eq(broker->topic.timestamp_before_max_ms, INT64_MAX);
	ck_assert_double_eq(broker->topic.min_cleanable_dirty_ratio, 0.5);
	ck_assert_int_eq(plain.message_format_version, KAFKA_VERSION(3, 0, 1));
	broker_config_unref(&broker);
}
END_TEST

START_TEST(the_first_of_several_names_holds)
{
	must("log.retention.hours=1\nlog.roll.hours=2\nlog.roll.jitter.hours=3\nlog.flush.scheduler.interval.ms=4\n");
	ck_assert_int_eq(broker->topic.retention_ms, 3600000);
	ck_assert_int_eq(broker->topic.segment_ms, 7200000);
	ck_assert_int_eq(broker->topic.segment_jitter_ms, 10800000);
	ck_assert_int_eq(broker->topic.flush_ms, 4);
	broker_config_unref(&broker);
	must("log.retention.hours=1\nlog.retention.minutes=1\nlog.roll.ms=5\nlog.flush.interval.ms=6\n");
	ck_assert_int_eq(broker->topic.retention_ms, 60000);
	ck_assert_int_eq(broker->topic.segment_ms, 5);
	ck_assert_int_eq(broker->topic.flush_ms, 6);
	broker_config_unref(&broker);
	must("log.retention.minutes=1\nlog.retention.ms=-1\nlog.message.timestamp.difference.max.ms=9\n"
	     "log.message.timestamp.after.max.ms=8\n");
	ck_assert_int_eq(broker->topic.retention_ms, -1);
	ck_assert_int_eq(broker->topic.timestamp_before_max_ms, 9);
	ck_assert_int_eq(broker->topic.timestamp_after_max_ms, 8);
	broker_config_unref(&broker);
	must("log.retention.hours=-1\n");
	ck_assert_int_eq(broker->topic.retention_ms, -1);
	broker_config_unref(&broker);
}
END_TEST

START_TEST(lists_and_listeners)
{
	must("zookeeper.connect=a:1,b:2/chroot\nbroker.id=5\nlog.dirs=/a, /b,,/c\n"
	     "listeners=plaintext://:9092,internal://[::1]:9093,V4://127.0.0.1:9093\n"
	     "advertised.listeners=INTERNAL://host-1.example:9093, PLAINTEXT://10.0.0.1:9092\n"
	     "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,Internal:plaintext,V4:PLAINTEXT\n"
	     "inter.broker.listener.name=internal\nzookeeper.session.timeout.ms=7000\n");
	ck_assert(!broker->is_alone);
	ck_assert_int_eq(broker->zookeeper_connection_timeout_ms, 7000);
	ck_assert_int_eq(broker->log_dirs.count, 3);
	ck_assert_str_eq(broker->log_dirs.items[1], "/b");
	ck_assert_int_eq(broker->listeners_count, 3);
	ck_assert_str_eq(broker->listeners[0].name, "PLAINTEXT");
	ck_assert_str_eq(broker->listeners[0].host, "");
	ck_assert_str_eq(broker->listeners[1].name, "INTERNAL");
	ck_assert_str_eq(broker->listeners[1].host, "::1");
	ck_assert_int_eq(broker->advertised_count, 2);
	ck_assert_str_eq(broker->advertised[0].host, "host-1.example");
	ck_assert_str_eq(broker->inter_broker_listener_name, "INTERNAL");
	broker_config_unref(&broker);
}
END_TEST

START_TEST(listeners_that_cannot_be)
{
	must_not("listeners=PLAINTEXT://:9092,PLAINTEXT://:9093",
		 "f:1: listeners=PLAINTEXT://:9092,PLAINTEXT://:9093: listener PLAINTEXT is there twice");
	must_not("listeners=FOO://:1", "f:1: listeners=FOO://:1: listener FOO has no security protocol in "
		 "listener.security.protocol.map");
	must_not("listeners=SSL://:1", "f:1: listeners=SSL://:1: listener SSL needs security protocol SSL, which is not supported "
		 "yet; only PLAINTEXT is");
	must_not("listeners=PLAINTEXT://0.0.0.0:1", "f:1: listeners=PLAINTEXT://0.0.0.0:1: 0.0.0.0 means every interface of this "
		 "host and cannot be advertised by listener PLAINTEXT; set advertised.listeners to an address clients can reach");
	must_not("listeners=", "f:1: listeners=: at least one endpoint is needed, such as PLAINTEXT://:9092");
	must_not("listeners=A://:1,B://:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT",
		 "f:1: listeners=A://:1,B://:1: listeners A and B have the same port 1");
	must_not("listeners=PLAINTEXT://h:1\nadvertised.listeners=X://h:1\nlistener.security.protocol.map=X:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		 "f:2: advertised.listeners=X://h:1: advertised listener X is not in listeners");
	must_not("listeners=PLAINTEXT://h:1\ninter.broker.listener.name=Y",
		 "f:2: inter.broker.listener.name=Y: the inter-broker listener Y must be among the advertised ones");
	static const char *const malformed[] = { "PLAINTEXT", "PLAINTEXT://", "PLAINTEXT://h", "PLAINTEXT://h:", "PLAINTEXT://h:-1",
		"PLAINTEXT://h:65536", "PLAINTEXT://h:x", "://h:1", "PLAINTEXT://::1:9092", "PLAINTEXT://a b:1", "PLAINTEXT://h:1,", ":", ":// " };
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct strbuf text = STRBUF_INIT;
		strbuf_printf(&text, "listeners=%s", malformed[i]);
		ck_assert_msg(!create(strbuf_cstr(&text)), "%s", malformed[i]);
		strbuf_fini(&text);
	}
}
END_TEST

START_TEST(values_that_exclude_each_other)
{
	must_not("\nlog.roll.ms=0", "f:2: log.roll.ms=0: log.roll.ms must be greater than or equal to 1");
	must_not("log.retention.minutes=0", "f:1: log.retention.minutes=0: log.retention.ms must be unlimited (-1) or greater than or "
		 "equal to 1");
	must_not("broker.id=1\nnode.id=2", "f:2: node.id=2: node.id and broker.id are the same thing and must be equal");
	must_not("broker.id=-2", "f:1: broker.id=-2: broker.id is at least -1");
	must_not("broker.id=-1", "f:1: broker.id=-1: broker.id cannot be generated without zookeeper.connect; 0 is usual");
	must_not("zookeeper.connect=z\nbroker.id=1001", "f:2: broker.id=1001: broker.id is above reserved.broker.max.id; such ids are "
		 "generated. Raise reserved.broker.max.id or set broker.id.generation.enable=false");
	must_not("zookeeper.connect=z\nbroker.id.generation.enable=false", "broker.id must be set because broker.id.generation.enable is "
		 "false");
	must_not("log.dirs=/a,/a", "f:1: log.dirs=/a,/a: log directory /a is there twice");
	must_not("log.dirs=/a,/a//", "f:1: log.dirs=/a,/a//: log directory /a is there twice");
	must_not("log.dirs=,", "f:1: log.dirs=,: at least one log directory is needed");
	must_not("queued.max.request.bytes=5", "f:1: queued.max.request.bytes=5: queued.max.request.bytes must be larger or equal to "
		 "socket.request.max.bytes");
	must_not("max.connections.per.ip=0", "f:1: max.connections.per.ip=0: max.connections.per.ip can be set to zero only if "
		 "max.connections.per.ip.overrides property is set.");
	must_not("replica.fetch.wait.max.ms=40000", "f:1: replica.fetch.wait.max.ms=40000: replica.socket.timeout.ms should always be at "
		 "least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts");
	must_not("replica.selector.class=com.example.Nearest", "f:1: replica.selector.class=com.example.Nearest: skein runs no plug-ins; "
		 "replica.selector.class may be org.apache.kafka.common.replica.RackAwareReplicaSelector, or left out");
	must_not("offsets.commit.required.acks=2", "f:1: offsets.commit.required.acks=2: offsets.commit.required.acks must be greater or "
		 "equal -1 and less or equal to offsets.topic.replication.factor");
	must_not("connections.max.idle.ms=50", "connection.failed.authentication.delay.ms must be less than connections.max.idle.ms");
	must_not("group.consumer.session.timeout.ms=1", "f:1: group.consumer.session.timeout.ms=1: group.consumer.session.timeout.ms must "
		 "lie between its min and its max");
	must_not("log.cleaner.threads=200", "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
	must_not("num.partitions=x", "f:1: num.partitions=x: Invalid value x for configuration num.partitions: Not a number of type INT");
}
END_TEST

START_TEST(topics_override)
{
	struct config_place place = { .origin = CONFIG_FROM_STORE };
	struct config_set overrides;
	struct strbuf skipped = STRBUF_INIT;
	struct topic_config t;

	must("log.segment.bytes=1000\nlog.message.timestamp.difference.max.ms=9\n");
	config_set_init(&overrides);
	ck_assert_int_eq(topic_config_resolve(&t, &overrides, broker, &skipped), 0);
	ck_assert_int_eq(t.segment_bytes, 1000);
	ck_assert_int_eq(topic_config_resolve(&t, NULL, broker, NULL), 0);
	config_set_put(&overrides, SLICE_LIT("segment.bytes"), SLICE_LIT(" 2000 "), place);
	config_set_put(&overrides, SLICE_LIT("cleanup.policy"), SLICE_LIT("compact,delete"), place);
	config_set_put(&overrides, SLICE_LIT("compression.type"), SLICE_LIT("zstd"), place);
	config_set_put(&overrides, SLICE_LIT("message.timestamp.type"), SLICE_LIT("LogAppendTime"), place);
	config_set_put(&overrides, SLICE_LIT("message.timestamp.before.max.ms"), SLICE_LIT("5"), place);
	config_set_put(&overrides, SLICE_LIT("retention.ms"), SLICE_LIT("x"), place);
	config_set_put(&overrides, SLICE_LIT("a.b"), SLICE_LIT("x"), place);
	ck_assert_int_eq(topic_config_resolve(&t, &overrides, broker, &skipped), 2);
	ck_assert_str_eq(strbuf_cstr(&skipped), "Invalid value x for configuration retention.ms: Not a number of type LONG; "
			 "Unknown topic config name: a.b");
	ck_assert_int_eq(t.segment_bytes, 2000);
	ck_assert_uint_eq(t.cleanup_policy, CLEANUP_COMPACT | CLEANUP_DELETE);
	ck_assert_int_eq(t.compression_type, COMPRESSION_ZSTD);
	ck_assert_int_eq(t.timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
	ck_assert_int_eq(t.timestamp_before_max_ms, 5);
	ck_assert_int_eq(t.timestamp_after_max_ms, 9);
	ck_assert_int_eq(t.retention_ms, 604800000);
	config_set_fini(&overrides);
	strbuf_fini(&skipped);
	broker_config_unref(&broker);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, alone_without_a_word);
	tcase_add_test(t, topic_defaults_are_kafkas);
	tcase_add_test(t, the_first_of_several_names_holds);
	tcase_add_test(t, lists_and_listeners);
	tcase_add_test(t, listeners_that_cannot_be);
	tcase_add_test(t, values_that_exclude_each_other);
	tcase_add_test(t, topics_override);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
