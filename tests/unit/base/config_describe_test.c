/*
 * Against Kafka's own answers (tests/golden/config), entry by entry; and topics with overrides, as a running Kafka 3.9.1
 * showed them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config_describe.h"
#include "base/config_file.h"

static struct config_set fixed, cluster, broker_set, overrides;
static struct config_layers layers;
static struct broker_config *broker;
static struct arena arena;
static struct strbuf why;

static struct strbuf read_file(const char *folder, const char *name)
{
	const char *data = getenv("SKEIN_TEST_DATA");
	struct strbuf path = STRBUF_INIT, text = STRBUF_INIT;
	char buf[4096];
	size_t n;

	strbuf_printf(&path, "%s/golden/config/%s/%s", data != NULL ? data : "tests", folder, name);
	FILE *f = fopen(strbuf_cstr(&path), "r");
	while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(&text, buf, n);
	if (f != NULL)
		fclose(f);
	strbuf_fini(&path);
	return text;
}

static void load(struct config_set *set, const char *folder, const char *name)
{
	struct strbuf text = read_file(folder, name);

	config_set_init(set);
	ck_assert_msg(config_file_parse(set, name, strbuf_slice(&text), &why), "%s", strbuf_cstr(&why));
	strbuf_fini(&text);
}

static void setup_case(const char *folder)
{
	struct config_env env = { .home = "/home/u" };

	strbuf_init(&why);
	arena_init(&arena, 1 << 22);
	load(&fixed, folder, "server.properties");
	load(&cluster, folder, "cluster.properties");
	load(&broker_set, folder, "broker.properties");
	load(&overrides, folder, "topic.properties");
	layers = (struct config_layers){ { &broker_set, &cluster, &fixed } };
	ck_assert(config_preset(&fixed, &env, &why));
	ck_assert_msg(broker_config_create(&broker, &layers, &why), "%s", strbuf_cstr(&why));
}

static void teardown_case(void)
{
	broker_config_unref(&broker);
	config_set_fini(&fixed);
	config_set_fini(&cluster);
	config_set_fini(&broker_set);
	config_set_fini(&overrides);
	arena_fini(&arena);
	strbuf_fini(&why);
}

/* --- golden answers ----------------------------------------------------------------------------------------------- */

static void add_column(struct strbuf *line, struct slice s)
{
	strbuf_add_char(line, '\t');
	if (slice_is_null(s))
		strbuf_add_str(line, "\\N");
	else
		strbuf_add_slice(line, s);
}

static void format(struct strbuf *line, const char *resource, const struct config_description *d)
{
	strbuf_add_str(line, resource);
	add_column(line, d->name);
	strbuf_printf(line, "\t%d\t%d\t%s\t%s", d->type, d->source, d->is_read_only ? "read-only" : "dynamic",
		      d->is_sensitive ? "sensitive" : "plain");
	add_column(line, d->value);
	for (int i = 0; i < d->synonyms_count; i++) {
		add_column(line, d->synonyms[i].name);
		strbuf_printf(line, "\t%d", d->synonyms[i].source);
		add_column(line, d->synonyms[i].value);
	}
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t describe_all(struct config_describe *it, const char *resource, char **lines, size_t n)
{
	struct config_description d;

	while (config_describe_next(it, &d)) {
		struct strbuf line = STRBUF_INIT;
		if (d.is_ours)
			continue;
		if (d.type != CONFIG_UNKNOWN)
			ck_assert_msg(d.doc != NULL, SLICE_FMT, SLICE_ARG(d.name));
		format(&line, resource, &d);
		lines[n++] = strbuf_steal(&line);
	}
	ck_assert(!it->is_full);
	return n;
}

/* Defaults that are not Kafka's, with the reason in config_broker.def. */
static const struct { const char *kafka, *ours; } other_defaults[] = {
	{ "broker\tsocket.receive.buffer.bytes\t3\t5\tread-only\tplain\t102400\tsocket.receive.buffer.bytes\t5\t102400",
	  "broker\tsocket.receive.buffer.bytes\t3\t5\tread-only\tplain\t-1\tsocket.receive.buffer.bytes\t5\t-1" },
};

static const char *ours_for(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(other_defaults); i++) {
		if (strcmp(line, other_defaults[i].kafka) == 0)
			return other_defaults[i].ours;
	}
	return line;
}

static void compare_case(const char *folder)
{
	char *lines[1000], *want[1000], *save = NULL;
	size_t n = 0, want_count = 0;
	struct config_describe it;

	setup_case(folder);
	config_describe_broker(&it, &layers, &arena);
	n = describe_all(&it, "broker", lines, n);
	config_describe_cluster(&it, &layers, &arena);
	n = describe_all(&it, "cluster", lines, n);
	config_describe_topic(&it, &layers, broker, &overrides, &arena);
	n = describe_all(&it, "topic", lines, n);

	struct strbuf golden = read_file(folder, "describe.tsv");
	ck_assert_uint_gt(golden.len, 0);
	for (char *l = strtok_r(golden.ptr, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
		want[want_count++] = l;
	qsort(lines, n, sizeof(*lines), compare_lines);
	qsort(want, want_count, sizeof(*want), compare_lines);
	for (size_t i = 0; i < MIN(n, want_count); i++)
		ck_assert_str_eq(lines[i], ours_for(want[i]));
	ck_assert_uint_eq(n, want_count);
	ck_assert_uint_gt(n, 300);
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	strbuf_fini(&golden);
	teardown_case();
}

START_TEST(a_broker_with_defaults)
{
	compare_case("defaults");
}
END_TEST

START_TEST(values_at_several_levels)
{
	compare_case("layers");
}
END_TEST

/* --- topics ------------------------------------------------------------------------------------------------------- */

static void expect_topic(const char *name, const char *line)
{
	struct config_describe it;
	struct config_description d;
	struct strbuf got = STRBUF_INIT;

	config_describe_topic(&it, &layers, broker, &overrides, &arena);
	while (config_describe_next(&it, &d)) {
		if (slice_eq_str(d.name, name))
			format(&got, "topic", &d);
	}
	ck_assert_str_eq(strbuf_cstr(&got), line);
	strbuf_fini(&got);
}

START_TEST(topic_overrides)
{
	struct config_place place = { .origin = CONFIG_FROM_STORE };

	setup_case("layers");
	config_set_put(&overrides, SLICE_LIT("retention.bytes"), SLICE_LIT(" 5 "), place);
	config_set_put(&overrides, SLICE_LIT("cleanup.policy"), SLICE_LIT(""), place);
	config_set_put(&overrides, SLICE_LIT("min.cleanable.dirty.ratio"), SLICE_LIT("1e-1"), place);
	config_set_put(&overrides, SLICE_LIT("retention.ms"), SLICE_LIT("1000"), place);
	config_set_put(&overrides, SLICE_LIT("leader.replication.throttled.replicas"), SLICE_LIT("0:1,0:2"), place);
	expect_topic("retention.bytes", "topic\tretention.bytes\t5\t1\tdynamic\tplain\t5\tretention.bytes\t1\t5\t"
		     "log.retention.bytes\t5\t-1");
	expect_topic("cleanup.policy", "topic\tcleanup.policy\t7\t1\tdynamic\tplain\t\tcleanup.policy\t1\t\t"
		     "log.cleanup.policy\t3\tcompact\tlog.cleanup.policy\t4\tcompact , delete\tlog.cleanup.policy\t5\tdelete");
	expect_topic("min.cleanable.dirty.ratio", "topic\tmin.cleanable.dirty.ratio\t6\t1\tdynamic\tplain\t0.1\t"
		     "min.cleanable.dirty.ratio\t1\t0.1\tlog.cleaner.min.cleanable.ratio\t5\t0.5");
	expect_topic("retention.ms", "topic\tretention.ms\t5\t1\tdynamic\tplain\t1000\tretention.ms\t1\t1000\t"
		     "log.retention.ms\t2\t800000000\tlog.retention.ms\t3\t700000000\tlog.retention.minutes\t4\t2000\t"
		     "log.retention.hours\t4\t24\tlog.retention.hours\t5\t168");
	expect_topic("leader.replication.throttled.replicas", "topic\tleader.replication.throttled.replicas\t7\t1\tdynamic\t"
		     "plain\t0:1,0:2\tleader.replication.throttled.replicas\t1\t0:1,0:2");
	teardown_case();
}
END_TEST

/* skein's own names are listed too, and marked. */
START_TEST(our_own_names)
{
	struct config_describe it;
	struct config_description d;
	int ours = 0;

	setup_case("defaults");
	config_describe_broker(&it, &layers, &arena);
	while (config_describe_next(&it, &d))
		ours += d.is_ours;
	ck_assert_int_eq(ours, 12);
	teardown_case();
}
END_TEST

START_TEST(a_small_arena_is_reported)
{
	struct config_describe it;
	struct config_description d;
	struct arena small;

	setup_case("defaults");
	arena_init(&small, 10000);
	config_describe_broker(&it, &layers, &small);
	while (config_describe_next(&it, &d))
		;
	ck_assert(it.is_full);
	arena_fini(&small);
	teardown_case();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_describe");
	TCase *t = tcase_create("config_describe");

	tcase_add_test(t, a_broker_with_defaults);
	tcase_add_test(t, values_at_several_levels);
	tcase_add_test(t, topic_overrides);
	tcase_add_test(t, our_own_names);
	tcase_add_test(t, a_small_arena_is_reported);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
