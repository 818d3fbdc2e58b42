/*
 * Payloads of znodes: what Kafka wrote is read, and written again it is the same JSON value; anything else is refused without harm.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/znode.h"

static const char *golden_path(const char *name)
{
	static char path[1024];
	const char *dir = getenv("SKEIN_TEST_DATA");

	snprintf(path, sizeof(path), "%s/golden/cluster/%s", dir != NULL ? dir : "tests", name);
	return path;
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *text, const char *suffix)
{
	return strlen(text) >= strlen(suffix) && strcmp(text + strlen(text) - strlen(suffix), suffix) == 0;
}

/* Reads the payload as what its path says and writes it again. False: refused. */
static bool again(const char *path, struct slice data, struct strbuf *out, struct arena *a, const json_t *golden)
{
	const char *timestamp = json_string_value(json_object_get(golden, "timestamp"));
	time_ms written = timestamp != NULL ? atoll(timestamp) : 0;
	char text[512];
	int32_t id, kraft;

	if (begins(path, "/brokers/ids/")) {
		struct cluster_broker b;
		bool is_skein;

		if (!znode_broker_decode(&b, &is_skein, data))
			return false;
		ck_assert(!is_skein);
		znode_broker_encode(&b, written, out);
	} else if (ends(path, "/state")) {
		struct znode_state s;

		if (!znode_state_decode(&s, data, a))
			return false;
		znode_state_encode(&s, out);
	} else if (begins(path, "/brokers/topics/")) {
		struct znode_topic t;

		if (!znode_topic_decode(&t, data, a))
			return false;
		znode_topic_encode(&t, out);
	} else if (begins(path, "/config/changes/")) {
		if (!znode_change_decode(data, text, sizeof(text)))
			return false;
		znode_change_encode(text, out);
	} else if (begins(path, "/config/")) {
		struct cluster_override *pairs;
		int32_t n;

		znode_config_decode(data, &pairs, &n, a);
		znode_config_encode(pairs, n, out);
	} else if (strcmp(path, "/controller") == 0) {
		if (!znode_controller_decode(data, &id, &kraft))
			return false;
		znode_controller_encode(id, written, out);
	} else if (strcmp(path, "/cluster/id") == 0) {
		if (!znode_cluster_id_decode(data, text))
			return false;
		znode_cluster_id_encode(text, out);
	} else if (strcmp(path, "/latest_producer_id_block") == 0) {
		int64_t last;

		if (!znode_producer_block_decode(data, &last))
			return false;
		znode_producer_block_encode((int32_t)json_integer_value(json_object_get(golden, "broker")), last - 999, last, out);
	} else if (strcmp(path, "/feature") == 0) {
		struct znode_feature f;

		if (!znode_feature_decode(&f, data, a))
			return false;
		znode_feature_encode(&f, out);
	} else if (begins(path, "/log_dir_event_notification/")) {
		if (!znode_log_dir_event_decode(data, &id))
			return false;
		znode_log_dir_event_encode(id, out);
	} else if (begins(path, "/isr_change_notification/")) {
		struct znode_partition_name *names;
		int32_t n;

		if (!znode_partitions_decode(data, &names, &n, a))
			return false;
		znode_partitions_encode(names, n, out);
	} else {
		ck_assert_str_eq(path, "/controller_epoch");
		if (!znode_int_decode(data, &id))
			return false;
		strbuf_printf(out, "%d", id);
	}
	return true;
}

/* Older versions lack fields that ours always has; ours names itself. */
static bool is_current(const char *path, const json_t *golden)
{
	json_int_t version = json_integer_value(json_object_get(golden, "version"));

	if (begins(path, "/brokers/ids/"))
		return version == 5 && json_object_get(golden, "features") != NULL;
	if (begins(path, "/brokers/topics/") && !ends(path, "/state"))
		return version == 3;
	if (strcmp(path, "/controller") == 0)
		return version == 2;
	return true;
}

static void compare(const char *path, const char *data, const struct strbuf *ours)
{
	json_t *want = json_loads(data, JSON_DECODE_ANY, NULL), *have = json_loads(strbuf_cstr(ours), JSON_DECODE_ANY, NULL);

	ck_assert_ptr_nonnull(want);
	ck_assert_ptr_nonnull(have);
	if (begins(path, "/brokers/ids/")) {
		ck_assert(json_is_true(json_object_get(have, "skein")));
		json_object_del(have, "skein");
	}
	if (is_current(path, want))
		ck_assert_msg(json_equal(want, have), "%s\n%s\n%s", path, data, strbuf_cstr(ours));
	json_decref(want);
	json_decref(have);
}

static void each_golden(void (*check)(const char *path, const char *data))
{
	FILE *f = fopen(golden_path("znodes.json"), "r");
	char line[8192];
	int n = 0;

	ck_assert_ptr_nonnull(f);
	for (; fgets(line, sizeof(line), f) != NULL; n++) {
		json_t *node = json_loads(line, 0, NULL);

		ck_assert_ptr_nonnull(node);
		check(json_string_value(json_object_get(node, "path")), json_string_value(json_object_get(node, "data")));
		json_decref(node);
	}
	ck_assert_int_gt(n, 100);
	fclose(f);
}

static void check_same(const char *path, const char *data)
{
	struct strbuf out = STRBUF_INIT;
	struct arena a;

	if (data == NULL)
		return;
	json_t *golden = json_loads(data, JSON_DECODE_ANY, NULL);
	arena_init(&a, 1 << 20);
	ck_assert_msg(again(path, slice_str(data), &out, &a, golden), "refused: %s %s", path, data);
	compare(path, data, &out);
	arena_fini(&a);
	strbuf_fini(&out);
	json_decref(golden);
}

START_TEST(kafkas_nodes)
{
	each_golden(check_same);
}
END_TEST

/* Cut at each byte, and with each byte another one: read or refused, and nothing else happens. */
static void check_damaged(const char *path, const char *data)
{
	size_t len = data != NULL ? strlen(data) : 0;
	char *copy = mem_alloc(len + 1);

	for (size_t i = 0; i < 2 * len; i++) {
		struct strbuf out = STRBUF_INIT;
		struct arena a;

		arena_init(&a, 1 << 20);
		memcpy(copy, data, len + 1);
		if (i >= len)
			copy[i - len] = "\"x0-{,"[i % 6];
		bool ok = again(path, slice_of(copy, i < len ? i : len), &out, &a, NULL);
		if (i < len && data[0] == '{' && !begins(path, "/config/"))
			ck_assert(!ok);		/* half an object is none */
		arena_fini(&a);
		strbuf_fini(&out);
	}
	free(copy);
}

START_TEST(damaged_nodes)
{
	each_golden(check_damaged);
}
END_TEST

/* A node without data is not one with an empty text, and neither holds an object. */
START_TEST(no_data)
{
	struct arena a;
	struct znode_topic t;
	struct znode_state s;
	struct cluster_override *pairs;
	int32_t n = 7, id;
	int64_t last;

	arena_init(&a, 1 << 16);
	for (int i = 0; i < 2; i++) {
		struct slice none = i == 0 ? SLICE_NULL : SLICE_LIT("");

		ck_assert(!znode_topic_decode(&t, none, &a));
		ck_assert(!znode_state_decode(&s, none, &a));
		ck_assert(!znode_int_decode(none, &id));
		ck_assert(!znode_producer_block_decode(none, &last));
		znode_config_decode(none, &pairs, &n, &a);
		ck_assert_int_eq(n, 0);
	}
	arena_fini(&a);
}
END_TEST

static const char *const refused_topics[] = {
	"{}", "[]", "{\"version\":3,\"partitions\":[]}", "{\"version\":3,\"partitions\":{\"0\":1}}", "{\"version\":3,\"partitions\":{\"0\":[\"1\"]}}",
	"{\"version\":3,\"partitions\":{\"x\":[1]}}", "{\"version\":3,\"partitions\":{\"-1\":[1]}}", "{\"version\":3,\"partitions\":{\"0\":[99999999999]}}",
	"{\"version\":3,\"partitions\":{\"0\":[1]},\"topic_id\":\"short\"}", "{\"version\":3,\"partitions\":{\"0\":[1]},\"partitions\":{\"0\":[2]}}",
	"{\"version\":3,\"partitions\":{\"0\":[1,1,1]}}", "{\"version\":3,\"partitions\":{\"0\":[1,2],\"1\":[2,1,2]}}", "{\"version\":3,\"partitions\":{\"0\":[]}}",
	"{\"version\":3,\"partitions\":{\"0\":[-1]}}", "{\"version\":3,\"partitions\":{\"0\":[1,-2]}}", "{\"version\":3,\"partitions\":{\"1\":[1],\"01\":[1]}}",
	"{\"version\":3,\"partitions\":{\"0\":[1,2]},\"adding_replicas\":{\"0\":[2,2]}}", "{\"version\":3,\"partitions\":{\"0\":[1,2]},\"removing_replicas\":{\"0\":[-1]}}",
};

static const struct { const char *isr; bool is_read; } in_sync_sets[] = {
	{ "[1]", true }, { "[2,1]", true }, { "[]", true }, { "[1,1]", false }, { "[2,1,2]", false }, { "[-1]", false }, { "1", false },
};

START_TEST(sets_that_are_none)
{
	struct znode_state s;
	struct arena a;
	char json[128];

	arena_init(&a, 1 << 16);
	snprintf(json, sizeof(json), "{\"controller_epoch\":1,\"leader\":1,\"version\":1,\"leader_epoch\":0,\"isr\":%s}", in_sync_sets[_i].isr);
	ck_assert_msg(znode_state_decode(&s, slice_str(json), &a) == in_sync_sets[_i].is_read, "%s", json);
	arena_fini(&a);
}
END_TEST

START_TEST(topics_that_lie)
{
	struct znode_topic t;
	struct arena a;

	arena_init(&a, 1 << 16);
	ck_assert_msg(!znode_topic_decode(&t, slice_str(refused_topics[_i]), &a), "%s", refused_topics[_i]);
	arena_fini(&a);
}
END_TEST

/* What tools write; Kafka's own reader of the first kind refuses keys it does not know, the reader of the second does not. */
static const struct {
	const char *json;
	bool        is_reassignment, is_preferred;	/* read as such */
} lists[] = {
	{ "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":7,\"replicas\":[3,1]},{\"topic\":\"u\",\"partition\":0,\"replicas\":[]}]}", true, true },
	{ "{\"version\":1,\"partitions\":[]}", true, true },
	{ "{\"partitions\":[{\"partition\":1,\"topic\":\"t\"}]}", false, true },
	{ "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":7,\"replicas\":[3],\"log_dirs\":[\"any\"]}]}", false, true },
	{ "{\"version\":1,\"x\":0,\"partitions\":[]}", false, true },
	{ "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":7,\"replicas\":[\"3\"]}]}", false, true },
	{ "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":\"7\",\"replicas\":[3]}]}", false, false },
	{ "{\"version\":1,\"partitions\":[{\"topic\":null,\"partition\":7,\"replicas\":[3]}]}", false, false },
	{ "{\"version\":1,\"partitions\":{}}", false, false },
	{ "{\"version\":1}", false, false },
	{ "[]", false, false },
	{ "", false, false },
};

START_TEST(lists_of_partitions)
{
	struct slice json = slice_str(lists[_i].json);
	struct znode_partition_name *names;
	struct strbuf out = STRBUF_INIT;
	struct arena a;
	int32_t n;

	arena_init(&a, 1 << 16);
	ck_assert_int_eq(znode_partitions_decode(json, &names, &n, &a), lists[_i].is_preferred);
	ck_assert_int_eq(znode_reassign_decode(json, &names, &n, &a), lists[_i].is_reassignment);
	if (lists[_i].is_reassignment) {
		znode_reassign_encode(names, n, &out);
		compare("", lists[_i].json, &out);
	}
	strbuf_fini(&out);
	arena_fini(&a);
}
END_TEST

static const struct {
	const char *json;
	bool        is_read;
} features[] = {
	{ "{\"version\":2,\"status\":1,\"features\":{\"x\":{\"max_version_level\":3}}}", true },
	{ "{\"version\":1,\"status\":0,\"features\":{\"x\":{\"max_version_level\":3,\"min_version_level\":2}}}", true },
	{ "{\"version\":1,\"status\":0,\"features\":{\"x\":{\"max_version_level\":3,\"min_version_level\":4}}}", false },
	{ "{\"version\":1,\"status\":1,\"features\":{\"x\":{\"max_version_level\":3}}}", false },
	{ "{\"version\":2,\"status\":1,\"features\":{\"x\":{\"max_version_level\":0}}}", false },
	{ "{\"version\":2,\"status\":1,\"features\":{\"x\":3}}", false },
	{ "{\"version\":2,\"status\":1,\"features\":[]}", false },
	{ "{\"version\":2,\"status\":2,\"features\":{}}", false },
	{ "{\"version\":3,\"status\":1,\"features\":{}}", false },
	{ "{\"version\":2,\"features\":{}}", false },
	{ "{\"version\":2,\"status\":1}", false },
};

START_TEST(finalized_features)
{
	struct znode_feature f;
	struct strbuf out = STRBUF_INIT;
	struct arena a;

	arena_init(&a, 1 << 16);
	ck_assert_msg(znode_feature_decode(&f, slice_str(features[_i].json), &a) == features[_i].is_read, "%s", features[_i].json);
	if (features[_i].is_read) {
		znode_feature_encode(&f, &out);
		compare("", features[_i].json, &out);
	}
	strbuf_fini(&out);
	arena_fini(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("znode");
	TCase *t = tcase_create("payloads");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, kafkas_nodes);
	tcase_add_test(t, damaged_nodes);
	tcase_add_test(t, no_data);
	tcase_add_loop_test(t, topics_that_lie, 0, (int)ARRAY_LEN(refused_topics));
	tcase_add_loop_test(t, sets_that_are_none, 0, (int)ARRAY_LEN(in_sync_sets));
	tcase_add_loop_test(t, lists_of_partitions, 0, (int)ARRAY_LEN(lists));
	tcase_add_loop_test(t, finalized_features, 0, (int)ARRAY_LEN(features));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
