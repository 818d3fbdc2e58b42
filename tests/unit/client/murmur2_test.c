/* Against hashes that Java's org.apache.kafka.common.utils.Utils.murmur2 made: tests/golden/client/murmur2.txt. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/murmur2.h"

/* "-" is the empty key. */
static size_t read_hex(const char *hex, uint8_t key[128])
{
	size_t len = 0;

	for (const char *p = hex; *p != '-' && *p != '\0'; p += 2) {
		unsigned byte;
		ck_assert_int_eq(sscanf(p, "%2x", &byte), 1);
		key[len++] = (uint8_t)byte;
	}
	return len;
}

START_TEST(same_as_java)
{
	const char *dir = getenv("SKEIN_TEST_DATA");
	char path[1024], hex[256];
	unsigned hash;
	int lines = 0;

	snprintf(path, sizeof(path), "%s/golden/client/murmur2.txt", dir != NULL ? dir : "tests");
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%255s %x", hex, &hash) == 2) {
		uint8_t key[128];
		size_t len = read_hex(hex, key);
		ck_assert_msg(murmur2(slice_of(key, len)) == hash, "%s", hex);
		lines++;
	}
	fclose(f);
	ck_assert_int_gt(lines, 100);
}
END_TEST

/* What Java's BuiltInPartitioner.partitionForKey says of the same keys: lines of "KEY COUNT:PARTITION ...". */
START_TEST(same_partitions_as_java)
{
	const char *dir = getenv("SKEIN_TEST_DATA");
	char path[1024], line[4096], *rest;
	int checked = 0;

	snprintf(path, sizeof(path), "%s/golden/client/partitions.txt", dir != NULL ? dir : "tests");
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		uint8_t key[128];
		const char *hex = strtok_r(line, " \n", &rest);
		size_t len = read_hex(hex, key);

		for (char *pair; (pair = strtok_r(NULL, " \n", &rest)) != NULL; checked++) {
			int count = 0, partition = -1;

			ck_assert_int_eq(sscanf(pair, "%d:%d", &count, &partition), 2);
			ck_assert_msg(murmur2_partition(slice_of(key, len), count) == partition, "%s %s", hex, pair);
		}
	}
	fclose(f);
	ck_assert_int_gt(checked, 1500);
}
END_TEST

START_TEST(partitions)
{
	ck_assert_int_eq(murmur2_partition(SLICE_LIT("a"), 1), 0);
	for (int n = 1; n < 50; n++) {
		int32_t p = murmur2_partition(SLICE_LIT("a"), n);	/* 0xa2d0b27c: the sign bit is set */
		ck_assert_int_eq(p, 0x22d0b27c % n);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("murmur2");
	TCase *tc = tcase_create("murmur2");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_test(tc, same_as_java);
	tcase_add_test(tc, same_partitions_as_java);
	tcase_add_test(tc, partitions);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
