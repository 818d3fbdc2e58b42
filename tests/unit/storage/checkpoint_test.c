/*
 * The small text files of a log directory: checkpoints, meta.properties, partition.metadata.
 * Kafka's own both ways, and what is refused.
 */
#include "../os/machine.h"
#include "golden.h"

#include "storage/checkpoint.h"
#include "storage/meta_properties.h"
#include "storage/partition_metadata.h"

#define MANY 64

static struct checkpoint_entry seen[MANY];
static char names[MANY][256];
static int seen_count;

static void take(void *arg, const struct checkpoint_entry *e)
{
	ck_assert_ptr_eq(arg, seen);
	ck_assert_int_lt(seen_count, MANY);
	snprintf(names[seen_count], sizeof(names[0]), SLICE_FMT, SLICE_ARG(e->topic));
	seen[seen_count] = *e;
	seen[seen_count].topic = slice_str(names[seen_count]);
	seen_count++;
}

static enum err read_all(struct os *on, const char *path)
{
	seen_count = 0;
	return checkpoint_read(on, path, take, seen);
}

START_TEST(kafkas_checkpoints)
{
	static const struct { const char *name; int count; } files[] = {
		{ "directory-clean/recovery-point-offset-checkpoint", 38 },
			{ "directory-clean/log-start-offset-checkpoint", 3 },
		{ "directory-clean/replication-offset-checkpoint", 38 },
			{ "directory-clean/cleaner-offset-checkpoint", 6 },
		{ "directory-first-start/log-start-offset-checkpoint", 0 },
			{ "directory-kill/replication-offset-checkpoint", 39 },
	};

	machine_up(_i);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct slice theirs = file_bytes(os_real(), golden(files[i].name)), ours;

		ck_assert_int_eq(read_all(os_real(), golden(files[i].name)), OK);
		ck_assert_int_eq(seen_count, files[i].count);
		ck_assert_int_eq(checkpoint_write(os, in_dir("c"), seen, seen_count), OK);
		ours = file_bytes(os, in_dir("c"));
		assert_same_bytes(theirs, ours, files[i].name);
		free((void *)theirs.ptr);
		free((void *)ours.ptr);
	}
	ck_assert_int_eq(read_all(os_real(), golden("directory-clean/log-start-offset-checkpoint")),
		OK);
	ck_assert_str_eq(names[1], "delrec-seg");
	ck_assert_int_eq(seen[1].partition, 0);
	ck_assert_int_eq(seen[1].offset, 9);
	ck_assert_int_eq(read_all(os_real(),
		golden("directory-first-start/cleaner-offset-checkpoint")), OK);
	ck_assert_int_eq(seen_count, 0);
	ck_assert_int_eq(read_all(os, in_dir("absent")), OK);
	machine_down();
}
END_TEST

START_TEST(bad_checkpoints)
{
	static const char *const bad[] = {
		"1\n0\n", "0", "0\n", "\n0\n", "0\nx\n", "0\n-1\n", "0\n1\n", "0\n0\na 0 1\n",
			"0\n1\na 0 1\nb 0 1\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na 0 1 \n",
		"0\n1\na  0 1\n", "0\n1\n 0 1\n", "0\n1\na -1 1\n", "0\n1\na 2147483648 1\n",
			"0\n1\na 0 9223372036854775808\n", "0\n1\na 0 x\n", "0\n1\na 0 \n",
		"0\n1\na 0 1\n\n", "0\n9999999999\na 0 1\n", "+0\n0\n", "0 \n0\n",
			"0\n1\na 0x1 1\n", "0\r\n0\r\n",
	};

	machine_up(_i);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		file_put(os, in_dir("c"), bad[i], strlen(bad[i]));
		ck_assert_msg(read_all(os, in_dir("c")) == ERR_CORRUPT, "taken: %s", bad[i]);
		ck_assert_int_eq(seen_count, 0);		/* found before the first call */
	}
	/* Without the last line end it is still whole. */
	file_put(os, in_dir("c"), "0\n1\na 2147483647 -1", 19);
	ck_assert_int_eq(read_all(os, in_dir("c")), OK);
	ck_assert_int_eq(seen[0].partition, INT32_MAX);
	ck_assert_int_eq(seen[0].offset, -1);
	machine_down();
}
END_TEST

START_TEST(numbers)
{
	static const struct { const char *text; bool ok; int64_t value; } all[] = {
		{ "0", true, 0 }, { "-1", true, -1 }, { "9223372036854775807", true, INT64_MAX },
			{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 }, { "-9223372036854775809", false, 0 }, { "",
			false, 0 }, { "-", false, 0 },
		{ "1 ", false, 0 }, { " 1", false, 0 }, { "+1", false, 0 }, { "1-", false, 0 },
			{ "00012", true, 12 },
		{ "99999999999999999999999999", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int64_t v = 0;

		ck_assert_int_eq(checkpoint_number(slice_str(all[i].text), &v), all[i].ok);
		ck_assert_int_eq(v, all[i].value);
	}
}
END_TEST

/* --- meta.properties -------------------------------------------------------------------------- */

static enum err parse_meta(struct meta_properties *m, const char *text)
{
	return meta_properties_parse(m, slice_str(text));
}

START_TEST(kafkas_meta_properties)
{
	struct meta_properties m;
	struct strbuf b = STRBUF_INIT;
	struct slice theirs = file_bytes(os_real(), golden("directory-clean/meta.properties"));

	machine_up(_i);
	ck_assert_int_eq(meta_properties_read(&m, os_real(), golden("directory-clean")), OK);
	ck_assert_int_eq(m.broker_id, 1);
	ck_assert_str_eq(m.cluster_id, "lYUWZ052Tca8T2qD9paccA");
	ck_assert_str_eq(m.directory_id, "");
	/* Sun Nov 22 17:38:48 UTC 2026 */
	meta_properties_print(&m, 1795369128000, &b);
	assert_same_bytes(theirs, strbuf_slice(&b), "meta.properties");
	ck_assert_int_eq(meta_properties_write(&m, os, dir, 1795369128000), OK);
	memset(&m, 0, sizeof(m));
	ck_assert_int_eq(meta_properties_read(&m, os, dir), OK);
	ck_assert_str_eq(m.cluster_id, "lYUWZ052Tca8T2qD9paccA");
	ck_assert_int_eq(meta_properties_read(&m, os, in_dir("absent")), ERR_NOT_FOUND);
	strbuf_fini(&b);
	free((void *)theirs.ptr);
	machine_down();
}
END_TEST

START_TEST(meta_properties_as_people_write_them)
{
	struct meta_properties m;

	ck_assert_int_eq(parse_meta(&m,
		"! note\r\n\r\n  version = 0\r\nbroker.id:7\ncluster.id\ta\\=b\\:c\\\\ \n"
		"node.id=9\ndirectory.id=x"), OK);
	ck_assert_int_eq(m.broker_id, 7);
	ck_assert_str_eq(m.cluster_id, "a=b:c\\");
	ck_assert_str_eq(m.directory_id, "x");
	ck_assert_int_eq(parse_meta(&m, "version=0\n"), OK);
	ck_assert_int_eq(m.broker_id, -1);
	ck_assert_str_eq(m.cluster_id, "");
}
END_TEST

START_TEST(bad_meta_properties)
{
	static const char *const bad[] = {
		"", "#\n", "broker.id=1\n", "version=x\n", "version=\n",
			"version=0\nbroker.id=-1\n", "version=0\nbroker.id=2147483648\n",
				"version=0\nbroker.id=\n",
		"version=0\ncluster.id=\n", "version=0\ncluster.id=a\\u0041\n",
			"version=0\ncluster.id=a\\",
		"version=0\ncluster.id=01234567890123456789012345678901"
		"23456789012345678901234567890123\n",
	};
	struct meta_properties m;
	char text[1024] = "version=0\nkey=";

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(parse_meta(&m, bad[i]) == ERR_CORRUPT, "taken: %s", bad[i]);
	memset(text + strlen(text), 'v', 600);
	ck_assert_int_eq(parse_meta(&m, text), ERR_CORRUPT);
	ck_assert_int_eq(parse_meta(&m, "version=1\nnode.id=1\ncluster.id=x\n"), ERR_UNSUPPORTED);
	ck_assert_int_eq(meta_properties_parse(&m, slice_of("version=0\ncluster.id=a\0b\n", 25)),
		ERR_CORRUPT);
}
END_TEST

/* --- partition.metadata ----------------------------------------------------------------------- */

START_TEST(kafkas_partition_metadata)
{
	struct slice theirs = file_bytes(os_real(), golden("idempotent/idem-0/partition.metadata")),
		ours;
	struct uuid id, again;

	machine_up(_i);
	ck_assert_uint_eq(theirs.len, PARTITION_METADATA_SIZE);
	ck_assert_int_eq(partition_metadata_read(&id, os_real(), golden("idempotent/idem-0")), OK);
	ck_assert(!uuid_is_zero(id));
	ck_assert_int_eq(partition_metadata_read(&again, os, dir), ERR_NOT_FOUND);
	ck_assert_int_eq(partition_metadata_write(id, os, dir), OK);
	ours = file_bytes(os, in_dir("partition.metadata"));
	assert_same_bytes(theirs, ours, "partition.metadata");
	ck_assert_int_eq(partition_metadata_read(&again, os, dir), OK);
	ck_assert(uuid_eq(id, again));
	free((void *)theirs.ptr);
	free((void *)ours.ptr);
	machine_down();
}
END_TEST

START_TEST(bad_partition_metadata)
{
	static const char *const bad[] = {
		"", "version: 0\n", "version: 1\ntopic_id: fXYszXCQQ7aPIctdo0aspw",
			"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
		"version: 0\ntopic_id: fXYszXCQQ7aPIctdo0asp",
			"version: 0\ntopic_id: fXYszXCQQ7aPIctdo0asp+",
				"version: 0\ntopic_id: fXYszXCQQ7aPIctdo0aspwx",
		"version: 0\ntopic_id: fXYszXCQQ7aPIctdo0aspw\n\n",
	};
	struct uuid id;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(partition_metadata_parse(&id, slice_str(bad[i])) == ERR_CORRUPT,
			"taken: %s", bad[i]);
	ck_assert_int_eq(partition_metadata_parse(&id,
		slice_str("version: 0\ntopic_id: fXYszXCQQ7aPIctdo0aspw\n")), OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, kafkas_checkpoints, 0, MACHINES);
	tcase_add_loop_test(tc, bad_checkpoints, 0, MACHINES);
	tcase_add_test(tc, numbers);
	tcase_add_loop_test(tc, kafkas_meta_properties, 0, MACHINES);
	tcase_add_test(tc, meta_properties_as_people_write_them);
	tcase_add_test(tc, bad_meta_properties);
	tcase_add_loop_test(tc, kafkas_partition_metadata, 0, MACHINES);
	tcase_add_test(tc, bad_partition_metadata);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
