#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config_file.h"

static struct config_set set;
static struct strbuf why;
static struct config_findings findings;

static void setup(void)
{
	config_set_init(&set);
	strbuf_init(&why);
	memset(&findings, 0, sizeof(findings));
}

static void teardown(void)
{
	config_set_fini(&set);
	strbuf_fini(&why);
	config_findings_fini(&findings);
}

static void parse(const char *text)
{
	ck_assert_msg(config_file_parse(&set, "f", slice_str(text), &why), "%s", strbuf_cstr(&why));
}

static void expect(const char *name, const char *text, int line)
{
	const struct config_entry *e = config_set_find(&set, slice_str(name));

	ck_assert_msg(e != NULL, "%s is missing", name);
	ck_assert_str_eq((const char *)e->text.ptr, text);
	ck_assert_int_eq(e->place.line, line);
}

START_TEST(separators_comments_and_blanks)
{
	parse("# comment\n"
	      "  ! another \\\n"			/* a comment cannot be continued */
	      "a=1\n"
	      "b:2\r\n"
	      "c 3\r"
	      "\t d \t =  4 \n"			/* blanks at the end of a value stay */
	      "\n"
	      "e\n"
	      "f==x\n"
	      "g=a#b!c\n"
	      "h : = x\n"
	      "i=last line without an end");
	expect("a", "1", 3);
	expect("b", "2", 4);
	expect("c", "3", 5);
	expect("d", "4 ", 6);
	expect("e", "", 8);
	expect("f", "=x", 9);
	expect("g", "a#b!c", 10);
	expect("h", "= x", 11);
	expect("i", "last line without an end", 12);
	ck_assert_uint_eq(map_count(&set.entries), 9);
}
END_TEST

START_TEST(continuations_and_escapes)
{
	parse("listeners=PLAINTEXT://a:1,\\\n"
	      "    PLAIN2://b:2,\\\n"
	      "# not a comment here\n"
	      "odd=x\\\\\\\n"
	      "y\n"
	      "even=x\\\\\n"
	      "k\\=e\\:y\\ 1=v\n"
	      "esc=a\\tb\\nc\\qd\\\"\n"
	      "uni=\\u00e9\\u20AC\\ud83d\\ude00\n"
	      "\\\n"
	      "# a comment after all\n"
	      "gone=x\\");
	expect("listeners", "PLAINTEXT://a:1,PLAIN2://b:2,# not a comment here", 1);
	expect("odd", "x\\y", 4);
	expect("even", "x\\", 6);
	expect("k=e:y 1", "v", 7);
	expect("esc", "a\tb\ncqd\"", 8);
	expect("uni", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
	expect("gone", "x", 12);
}
END_TEST

START_TEST(the_last_one_wins)
{
	parse("a=1\na=2\n");
	expect("a", "2", 2);
	ck_assert(config_override_parse(&set, "a=3=4", &why));
	expect("a", "3=4", 0);
	ck_assert_int_eq(config_set_find(&set, SLICE_LIT("a"))->place.origin, CONFIG_FROM_COMMAND_LINE);
	ck_assert(!config_override_parse(&set, "=4", &why));
	ck_assert(!config_override_parse(&set, "b", &why));
}
END_TEST

START_TEST(bad_escapes_name_their_line)
{
	static const char *const bad[] = { "\\u12", "\\u12g4", "\\u0000", "\\udc00", "\\ud800", "\\ud800\\u0041", "\\u" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct strbuf text = STRBUF_INIT;
		strbuf_printf(&text, "ok=1\nx=%s\n", bad[i]);
		strbuf_reset(&why);
		ck_assert_msg(!config_file_parse(&set, "f", strbuf_slice(&text), &why), "%s", bad[i]);
		ck_assert_msg(strncmp(strbuf_cstr(&why), "f:2: ", 5) == 0, "%s", strbuf_cstr(&why));
		strbuf_fini(&text);
	}
	strbuf_reset(&why);
	ck_assert(!config_file_parse(&set, "f", slice_of("a=\0b", 4), &why));
}
END_TEST

static void check(const char *text, const char *errors, const char *warnings)
{
	teardown();
	setup();
	parse(text);
	config_check(&set, &findings);
	ck_assert_str_eq(strbuf_cstr(&findings.errors), errors);
	ck_assert_str_eq(strbuf_cstr(&findings.warnings), warnings);
	ck_assert_int_eq(findings.error_count != 0, errors[0] != '\0');
	ck_assert_int_eq(findings.warning_count != 0, warnings[0] != '\0');
}

START_TEST(judgements)
{
	check("broker.id=1\nlog.retention.hours=168\nnum.io.threads=99\n", "", "");
	check("\nlog.retention.ms=abc\n",
	      "f:2: log.retention.ms=abc is not valid; allowed is a whole number", "");
	check("compression.type=brotli\n", "f:1: compression.type=brotli is not valid; allowed is one of uncompressed, zstd, "
	      "lz4, snappy, gzip, producer", "");
	check("log.cleaner.min.cleanable.ratio=2", "f:1: log.cleaner.min.cleanable.ratio=2 is not valid; allowed is a number "
	      "from 0 to 1", "");
	check("log.retension.hours=1\n", "", "f:1: log.retension.hours is not known and has no effect; did you mean "
	      "log.retention.hours?");
	check("my.own.plugin.key=1\n", "", "f:1: my.own.plugin.key is not known and has no effect");
	check("quota.window.num=1\nquota.window.num=2\n", "", "f:2: quota.window.num=2 has no effect yet");
	check("listener.name.plaintext.max.connections=5", "", "f:1: listener.name.plaintext.max.connections=5 has no effect yet");
	check("log.dirs=${file:/etc/x:dir}\n", "f:1: log.dirs takes its value from a config provider (${...}), which skein does "
	      "not have: write the value itself", "");
	check("log.dirs=/x/${y}\n", "", "");
}
END_TEST

/* What a broker must not quietly do without. */
START_TEST(unsafe_to_ignore)
{
	static const char *const refused[] = {
		"authorizer.class.name=kafka.security.authorizer.AclAuthorizer", "super.users=User:admin", "authorizer.x=1",
		"ssl.keystore.location=/x", "ssl.client.auth=required", "ssl.keystore.password=secret", "sasl.jaas.config=secret",
		"sasl.enabled.mechanisms=PLAIN", "security.inter.broker.protocol=SASL_SSL", "zookeeper.ssl.client.enable=true",
		"zookeeper.set.acl=true", "create.topic.policy.class.name=a.B", "alter.config.policy.class.name=a.B",
		"other.policy.class.name=a.B", "process.roles=broker,controller", "zookeeper.metadata.migration.enable=true",
		"remote.log.storage.system.enable=true", "listener.name.x.ssl.client.auth=required",
		"listener.name.x.plain.sasl.jaas.config=secret", "principal.builder.class=a.B", "ssl.unheard.of=1",
		"config.providers=file",
	};
	static const char *const harmless[] = {
		"authorizer.class.name=", "ssl.client.auth=none", "security.inter.broker.protocol=PLAINTEXT", "process.roles=",
		"zookeeper.set.acl=false", "zookeeper.set.acl=FALSE", "remote.log.storage.system.enable=false",
		"ssl.enabled.protocols=TLSv1.2 , TLSv1.3", "super.users=",
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		teardown();
		setup();
		parse(refused[i]);
		config_check(&set, &findings);
		ck_assert_msg(findings.error_count == 1, "%s", refused[i]);
		ck_assert_msg(strstr(strbuf_cstr(&findings.errors), "secret") == NULL, "%s", strbuf_cstr(&findings.errors));
	}
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		check(harmless[i], "", "");
}
END_TEST

/* Brokers of these versions are what skein talks with; as a value each is valid. */
START_TEST(protocol_versions)
{
	check("inter.broker.protocol.version=2.8-IV0", "", "");
	check("inter.broker.protocol.version=3.9.1", "", "");
	check("inter.broker.protocol.version=2.7-IV2", "f:1: inter.broker.protocol.version=2.7-IV2 is not spoken by skein, whose versions are 2.8 to 3.9: first bring every broker "
	      "of the cluster to one of these, and this setting with them", "");
	check("inter.broker.protocol.version=4.0", "f:1: inter.broker.protocol.version=4.0 is not spoken by skein, whose versions are 2.8 to 3.9: first bring every broker "
	      "of the cluster to one of these, and this setting with them", "");
}
END_TEST

START_TEST(alone_gets_the_profile)
{
	struct config_env env = { .home = "/home/u" };

	ck_assert(config_preset(&set, &env, &why));
	expect("broker.id", "0", 0);
	expect("node.id", "0", 0);
	expect("log.dirs", "/home/u/.local/share/skein", 0);
	expect("listeners", "PLAINTEXT://127.0.0.1:9092", 0);
	expect("transaction.state.log.min.isr", "1", 0);
	config_check(&set, &findings);
	ck_assert_int_eq(findings.error_count + findings.warning_count, 0);

	teardown();
	setup();
	parse("listeners=PLAINTEXT://:1\nlog.dir=/x\nnode.id=7\ngroup.initial.rebalance.delay.ms=5\n");
	env.xdg_data_home = "/xdg";
	ck_assert(config_preset(&set, &env, &why));
	expect("listeners", "PLAINTEXT://:1", 1);
	expect("broker.id", "7", 3);
	expect("group.initial.rebalance.delay.ms", "5", 4);
	ck_assert_ptr_null(config_set_find(&set, SLICE_LIT("log.dirs")));

	teardown();
	setup();
	ck_assert(config_preset(&set, &env, &why));
	expect("log.dirs", "/xdg/skein", 0);

	teardown();
	setup();
	env = (struct config_env){ .xdg_data_home = "relative" };
	ck_assert(!config_preset(&set, &env, &why));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&why), "log.dirs"));
}
END_TEST

START_TEST(an_empty_zookeeper_connect_is_none)
{
	struct config_env env = { .home = "/home/u" };

	parse("zookeeper.connect= \n");
	ck_assert(config_preset(&set, &env, &why));
	expect("broker.id", "0", 0);
	expect("log.dirs", "/home/u/.local/share/skein", 0);
	config_check(&set, &findings);
	ck_assert_int_eq(findings.error_count + findings.warning_count, 0);
}
END_TEST

START_TEST(a_bad_id_is_told_once_under_its_own_name)
{
	struct config_env env = { .home = "/home/u" };

	parse("broker.id=abc\n");
	ck_assert(config_preset(&set, &env, &why));
	config_check(&set, &findings);
	ck_assert_str_eq(strbuf_cstr(&findings.errors), "f:1: broker.id=abc is not valid; allowed is a whole number");
	teardown();
	setup();
	parse("node.id=abc\n");
	ck_assert(config_preset(&set, &env, &why));
	config_check(&set, &findings);
	ck_assert_str_eq(strbuf_cstr(&findings.errors), "f:1: node.id=abc is not valid; allowed is a whole number");
}
END_TEST

/* Is it taken? */
static const struct connect { const char *text; bool is_good; } connects[] = {
	{ "zk", true }, { "zk:2181", true }, { "a:1,b:2,c:3", true }, { "a:1, b:2 /x/y", true }, { "a:1,,b:2,", true }, { "[::1]:2181/kafka", true },
	{ "[::1]", true }, { "10.0.0.1:65535/", true }, { "a:1/a..b/.c", true },
	{ "nonsense::x", false }, { "a:0", false }, { "a:65536", false }, { "a:", false }, { ":2181", false }, { "::1", false }, { "a b:1", false },
	{ ",", false }, { "/kafka", false }, { "a:1/x/", false }, { "a:1//x", false }, { "a:1/x/../y", false }, { "a:1/.", false },
	{ "zk://a:1", false }, { "a:1;b:2", false }, { "[::1", false }, { "a:1/x,b:2/y/", false },
};

START_TEST(servers_of_zookeeper)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "zookeeper.connect=%s\n", connects[_i].text);
	parse(strbuf_cstr(&text));
	config_check(&set, &findings);
	ck_assert_msg((findings.error_count == 0) == connects[_i].is_good, "%s%s", connects[_i].text, strbuf_cstr(&findings.errors));
	if (!connects[_i].is_good)
		ck_assert_ptr_nonnull(strstr(strbuf_cstr(&findings.errors), "is not valid; allowed is host:port,host:port,... with at most one /path"));
	strbuf_fini(&text);
}
END_TEST

START_TEST(in_a_cluster_nothing_is_preset)
{
	struct config_env env = { .home = "/home/u" };

	parse("zookeeper.connect=zk:2181\nbroker.id=3\n");
	ck_assert(config_preset(&set, &env, &why));
	ck_assert_uint_eq(map_count(&set.entries), 3);
	expect("node.id", "3", 2);
}
END_TEST

/* The sample in etc/: what it shows as default is known and valid, with the comment signs and without them. */
START_TEST(sample_file)
{
	const char *data = getenv("SKEIN_TEST_DATA");
	struct config_env env = { .home = "/home/u" };
	struct strbuf path = STRBUF_INIT, text = STRBUF_INIT;
	char line[512];
	int shown = 0;

	strbuf_printf(&path, "%s/../etc/server.properties", data != NULL ? data : "tests");
	FILE *f = fopen(strbuf_cstr(&path), "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		bool is_shown = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
		strbuf_add_str(&text, line + is_shown);
		shown += is_shown;
	}
	fclose(f);
	ck_assert_int_gt(shown, 20);
	parse(strbuf_cstr(&text));
	ck_assert_uint_eq(map_count(&set.entries), (uint32_t)shown);
	ck_assert(config_preset(&set, &env, &why));
	config_check(&set, &findings);
	ck_assert_str_eq(strbuf_cstr(&findings.errors), "");
	ck_assert_str_eq(strbuf_cstr(&findings.warnings), "");
	strbuf_fini(&path);
	strbuf_fini(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_file");
	TCase *t = tcase_create("config_file");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, separators_comments_and_blanks);
	tcase_add_test(t, continuations_and_escapes);
	tcase_add_test(t, the_last_one_wins);
	tcase_add_test(t, bad_escapes_name_their_line);
	tcase_add_test(t, judgements);
	tcase_add_test(t, unsafe_to_ignore);
	tcase_add_test(t, protocol_versions);
	tcase_add_test(t, alone_gets_the_profile);
	tcase_add_test(t, an_empty_zookeeper_connect_is_none);
	tcase_add_test(t, a_bad_id_is_told_once_under_its_own_name);
	tcase_add_loop_test(t, servers_of_zookeeper, 0, ARRAY_LEN(connects));
	tcase_add_test(t, in_a_cluster_nothing_is_preset);
	tcase_add_test(t, sample_file);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
