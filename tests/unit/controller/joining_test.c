/*
 * What of a cluster forbids to join it: each rule, and what is next to it and allowed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_file.h"
#include "controller/joining.h"

static struct joining_finding found;

static struct broker_config *config_of(const char *text)
{
	struct config_set set;
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &set } };
	struct broker_config *config;
	struct strbuf why = STRBUF_INIT;

	config_set_init(&set);
	ck_assert(config_file_parse(&set, "f", slice_str("broker.id=1\nnode.id=1\nzookeeper.connect=z:2181\n"), &why));
	ck_assert(config_file_parse(&set, "f", slice_str(text), &why));
	ck_assert_msg(broker_config_create(&config, &layers, &why), "%s", strbuf_cstr(&why));
	config_set_fini(&set);
	strbuf_fini(&why);
	return config;
}

/* said NULL: it may be joined. */
static const struct {
	const char *path, *data;	/* data NULL: the node is not there */
	const char *said, *remedy;
} nodes[] = {
	{ "/migration", NULL, NULL, NULL },
	{ "/migration", "{}", "being moved to KRaft (/migration", "rolled back" },
	{ "/controller", "{\"version\":2,\"brokerid\":1,\"timestamp\":\"1\",\"kraftControllerEpoch\":-1}", NULL, NULL },
	{ "/controller", "{\"version\":1,\"brokerid\":1,\"timestamp\":\"1\"}", NULL, NULL },
	{ "/controller", "{\"version\":2,\"brokerid\":3000,\"timestamp\":\"1\",\"kraftControllerEpoch\":1}", "being moved to KRaft (/controller", "rolled back" },
	{ "/controller", "junk", NULL, NULL },
	{ "/kafka-acl", "", "has an authorizer", "delete /kafka-acl" },
	{ "/kafka-acl-extended", "", "has an authorizer", "delete /kafka-acl" },
	{ "/skein_adoption", "x", "has not ended", "skein cluster adopt --execute" },
	{ "/skein_adoption", NULL, NULL, NULL },
};

START_TEST(fixed_nodes)
{
	int at = 0;

	while (strcmp(joining_nodes[at], nodes[_i].path) != 0)
		at++;
	bool forbids = joining_node_forbids(at, nodes[_i].data != NULL ? OK : ERR_NOT_FOUND, slice_str(nodes[_i].data != NULL ? nodes[_i].data : ""), &found);
	ck_assert_int_eq(forbids, nodes[_i].said != NULL);
	if (!forbids)
		return;
	ck_assert_msg(strstr(found.what, nodes[_i].said) != NULL, "%s", found.what);
	ck_assert_msg(strstr(found.remedy, nodes[_i].remedy) != NULL, "%s", found.remedy);
}
END_TEST

#define REGISTRATION(version, endpoint, map) \
	"{\"version\":" version ",\"host\":null,\"port\":-1,\"jmx_port\":-1,\"timestamp\":\"1\",\"endpoints\":[" endpoint "],\"listener_security_protocol_map\":{" map "},\"features\":{}}"

static const struct {
	const char *config, *registration;
	enum joining_peer verdict;
	enum err    error;
	const char *said;
} peers[] = {
	{ "", REGISTRATION("5", "\"PLAINTEXT://a:9092\"", "\"PLAINTEXT\":\"PLAINTEXT\""), JOINING_PEER_FITS, OK, NULL },
	{ "", REGISTRATION("5", "\"PLAINTEXT://me:9092\"", "\"PLAINTEXT\":\"PLAINTEXT\""), JOINING_PEER_FORBIDS, ERR_IN_USE, "broker 7 of this cluster advertises me:9092 already" },
	{ "", REGISTRATION("5", "\"PLAINTEXT://me:9093\"", "\"PLAINTEXT\":\"PLAINTEXT\""), JOINING_PEER_FITS, OK, NULL },
	{ "", REGISTRATION("5", "\"PLAINTEXT://a:9092\"", "\"PLAINTEXT\":\"SASL_SSL\""), JOINING_PEER_FORBIDS, ERR_UNSUPPORTED, "listener PLAINTEXT of broker 7 speaks SASL_SSL" },
	{ "controller.eligible=false", REGISTRATION("5", "\"PLAINTEXT://a:9092\"", "\"PLAINTEXT\":\"SSL\""), JOINING_PEER_FORBIDS, ERR_UNSUPPORTED, "speaks SSL" },
	{ "", REGISTRATION("5", "\"INSIDE://a:9092\"", "\"INSIDE\":\"PLAINTEXT\""), JOINING_PEER_FORBIDS, ERR_UNSUPPORTED, "has no listener PLAINTEXT" },
	{ "listeners=INSIDE://me:9092\nlistener.security.protocol.map=INSIDE:PLAINTEXT\ninter.broker.listener.name=INSIDE",
	  REGISTRATION("5", "\"INSIDE://a:9092\",\"OUTSIDE://a:9093\"", "\"INSIDE\":\"PLAINTEXT\",\"OUTSIDE\":\"SSL\""), JOINING_PEER_FITS, OK, NULL },
	{ "", REGISTRATION("4", "\"PLAINTEXT://a:9092\"", "\"PLAINTEXT\":\"PLAINTEXT\""), JOINING_PEER_FORBIDS, ERR_UNSUPPORTED, "inter.broker.protocol.version below 2.7" },
	{ "controller.eligible=false", REGISTRATION("4", "\"PLAINTEXT://a:9092\"", "\"PLAINTEXT\":\"PLAINTEXT\""), JOINING_PEER_FITS, OK, NULL },
	{ "", "junk", JOINING_PEER_UNREADABLE, OK, NULL },
};

START_TEST(other_brokers)
{
	static const struct cluster_endpoint own = { .listener = "PLAINTEXT", .protocol = "PLAINTEXT", .host = "me", .port = 9092 };
	struct broker_config *config = config_of(peers[_i].config);
	enum err e = OK;

	ck_assert_int_eq(joining_judge_peer(config, &own, 1, 7, slice_str(peers[_i].registration), &e, &found), peers[_i].verdict);
	if (peers[_i].said != NULL) {
		ck_assert_int_eq(e, peers[_i].error);
		ck_assert_msg(strstr(found.what, peers[_i].said) != NULL && found.remedy[0] != '\0', "%s", found.what);
	}
	broker_config_unref(&config);
}
END_TEST

/* The highest versions that brokers of these releases answer with, of what tells them apart. */
enum { PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, LEADER_AND_ISR = 4, UPDATE_METADATA = 6, FIND_COORDINATOR = 10, ADD_PARTITIONS_TO_TXN = 24, DESCRIBE_LOG_DIRS = 35 };
#define SPOKEN(fetch, offsets, leader, metadata, coordinator, txn, dirs) { { PRODUCE, 0, 3 }, { DESCRIBE_LOG_DIRS, 0, dirs }, { FETCH, 0, fetch }, { LIST_OFFSETS, 0, offsets }, \
	{ LEADER_AND_ISR, 0, leader }, { UPDATE_METADATA, 0, metadata }, { FIND_COORDINATOR, 0, coordinator }, { ADD_PARTITIONS_TO_TXN, 0, txn } }
static const struct {
	const char *release;
	struct api_versions_response_api_key keys[8];
} releases[] = {
	{ NULL, SPOKEN(12, 5, 4, 6, 3, 2, 2) },		/* 2.7 */
	{ "2.8", SPOKEN(12, 6, 5, 7, 3, 3, 2) }, { "3.0", SPOKEN(12, 7, 5, 7, 4, 3, 2) }, { "3.1", SPOKEN(13, 7, 5, 7, 4, 3, 2) }, { "3.2", SPOKEN(13, 7, 6, 7, 4, 3, 3) },
	{ "3.3", SPOKEN(13, 7, 6, 7, 4, 3, 4) }, { "3.4", SPOKEN(13, 7, 7, 8, 4, 3, 4) }, { "3.5", SPOKEN(15, 8, 7, 8, 4, 3, 4) }, { "3.6", SPOKEN(15, 8, 7, 8, 4, 4, 4) },
	{ "3.7", SPOKEN(16, 8, 7, 8, 4, 4, 4) }, { "3.8", SPOKEN(16, 8, 7, 8, 5, 5, 4) }, { "3.9", SPOKEN(17, 9, 7, 8, 6, 5, 4) },
};

/* A broker of release _i beside one of each inter.broker.protocol.version: understood up to its own, and the remedy is its own. */
START_TEST(releases_of_others)
{
	struct api_versions_response spoken = { .api_keys = (struct api_versions_response_api_key *)releases[_i].keys, .api_keys_count = (int32_t)ARRAY_LEN(releases[_i].keys) };

	for (size_t own = 1; own < ARRAY_LEN(releases); own++) {
		char setting[64], wanted[64];
		snprintf(setting, sizeof(setting), "inter.broker.protocol.version=%s", releases[own].release);
		struct broker_config *config = config_of(setting);

		bool forbids = joining_release_forbids(config, 7, &spoken, &found);
		ck_assert_int_eq(forbids, (size_t)_i < own);
		if (forbids && _i > 0) {
			snprintf(wanted, sizeof(wanted), "broker 7 of this cluster is of Kafka %s,", releases[_i].release);
			ck_assert_msg(strstr(found.what, wanted) != NULL && strstr(found.what, releases[own].release) != NULL, "%s", found.what);
			snprintf(wanted, sizeof(wanted), ": inter.broker.protocol.version=%s", releases[_i].release);
			ck_assert_msg(strstr(found.remedy, wanted) != NULL, "%s", found.remedy);
		} else if (forbids) {
			ck_assert_ptr_nonnull(strstr(found.what, "older than Kafka 2.8"));
		}
		broker_config_unref(&config);
	}
}
END_TEST

/* What most files say: nothing. */
START_TEST(unset_beside_an_older_release)
{
	struct broker_config *config = config_of("");
	struct api_versions_response spoken = { .api_keys = (struct api_versions_response_api_key *)releases[6].keys, .api_keys_count = (int32_t)ARRAY_LEN(releases[6].keys) };

	ck_assert(joining_release_forbids(config, 1, &spoken, &found));
	ck_assert_ptr_nonnull(strstr(found.remedy, "inter.broker.protocol.version=3.4"));
	broker_config_unref(&config);
}
END_TEST

/* What the store says of brokers. said NULL: it forbids nothing. */
static const struct {
	const char *name, *text;
	const char *said;
} settings[] = {
	{ "log.retention.ms", "1000", NULL },
	{ "ssl.client.auth", "none", NULL },		/* the default */
	{ "never.heard.of", "1", NULL },
	{ "max.connections", "100", NULL },
	{ "listener.name.x.ssl.keystore.password", "secret", "listener.name.x.ssl.keystore.password for this broker" },
	{ "ssl.never.heard.of", "1", "ssl.never.heard.of for this broker" },
	{ "log.retention.ms", "${file:/etc/secrets:ms}", "log.retention.ms for this broker" },
	{ "listeners", "SSL://me:9093", "listeners=SSL://me:9093 for this broker" },
	{ "advertised.listeners", "PLAINTEXT://other:9092", "advertised.listeners=PLAINTEXT://other:9092" },
	{ "listener.security.protocol.map", "PLAINTEXT:SSL", "listener.security.protocol.map=PLAINTEXT:SSL" },
};

START_TEST(settings_in_the_store)
{
	static const struct config_place place = { .origin = CONFIG_FROM_STORE };
	struct config_set set;

	config_set_init(&set);
	ck_assert(!joining_configs_forbid(&set, &found));
	config_set_put(&set, SLICE_LIT("log.segment.bytes"), SLICE_LIT("1000000"), place);
	config_set_put(&set, slice_str(settings[_i].name), slice_str(settings[_i].text), place);
	bool forbids = joining_configs_forbid(&set, &found);
	ck_assert_int_eq(forbids, settings[_i].said != NULL);
	if (forbids) {
		ck_assert_msg(strstr(found.what, settings[_i].said) != NULL && strstr(found.what, "secret") == NULL, "%s", found.what);
		ck_assert_ptr_nonnull(strstr(found.remedy, settings[_i].name));
	}
	config_set_fini(&set);
}
END_TEST

START_TEST(a_topic_in_remote_storage)
{
	struct broker_config *broker = config_of("");
	struct topic_config config;

	topic_config_init(&config);
	ck_assert(!joining_topic_forbids(broker, "t", &config, &found));
	config.is_remote_storage_enabled = true;
	ck_assert(joining_topic_forbids(broker, "t", &config, &found));
	broker_config_unref(&broker);
	ck_assert_ptr_nonnull(strstr(found.what, "topic t "));
	ck_assert_ptr_nonnull(strstr(found.remedy, "--entity-name t "));
}
END_TEST

/* Java brokers look at message.format.version as long as inter.broker.protocol.version is below 3.0-IV1. */
static const struct {
	const char *ibp, *format;
	bool        forbids;
} formats[] = {
	{ "2.8", "0.10.2", true }, { "3.0-IV0", "0.9.0", true }, { "2.8", "0.11.0-IV0", false }, { "2.8", "2.0", false }, { "3.0-IV1", "0.10.2", false }, { "3.9", "0.9.0", false },
};

START_TEST(a_topic_in_an_old_format)
{
	char text[128];
	struct config_set overrides;
	struct topic_config config;

	snprintf(text, sizeof(text), "inter.broker.protocol.version=%s", formats[_i].ibp);
	struct broker_config *broker = config_of(text);
	config_set_init(&overrides);
	config_set_put(&overrides, SLICE_LIT("message.format.version"), slice_str(formats[_i].format), (struct config_place){ .origin = CONFIG_FROM_STORE });
	ck_assert_int_eq(topic_config_resolve(&config, &overrides, broker, NULL), 0);
	ck_assert_int_eq(joining_topic_forbids(broker, "old", &config, &found), formats[_i].forbids);
	if (formats[_i].forbids)
		ck_assert_msg(strstr(found.what, "topic old has a message.format.version below 0.11") != NULL && strstr(found.remedy, "--entity-name old ") != NULL, "%s", found.what);
	config_set_fini(&overrides);
	broker_config_unref(&broker);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("joining");
	TCase *t = tcase_create("rules");

	tcase_add_loop_test(t, fixed_nodes, 0, (int)ARRAY_LEN(nodes));
	tcase_add_loop_test(t, other_brokers, 0, (int)ARRAY_LEN(peers));
	tcase_add_loop_test(t, releases_of_others, 0, (int)ARRAY_LEN(releases));
	tcase_add_test(t, unset_beside_an_older_release);
	tcase_add_loop_test(t, settings_in_the_store, 0, (int)ARRAY_LEN(settings));
	tcase_add_test(t, a_topic_in_remote_storage);
	tcase_add_loop_test(t, a_topic_in_an_old_format, 0, (int)ARRAY_LEN(formats));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
