/* What the record tests share: reading golden files, and a small generator of batches. */
#ifndef SKEIN_RECORD_TEST_UTIL_H
#define SKEIN_RECORD_TEST_UTIL_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/batch.h"
#include "record/record.h"

#define OUT_MAX ((uint64_t)1 << 30)

static inline const char *test_data(void)
{
	const char *dir = getenv("SKEIN_TEST_DATA");

	return dir != NULL ? dir : "tests";
}

/* The whole file in malloc'd memory of exactly its size, so that a sanitizer sees a read beyond it. */
static inline uint8_t *test_read_path(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");

	ck_assert_msg(f != NULL, "cannot open %s", path);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	*len = (size_t)ftell(f);
	rewind(f);
	uint8_t *p = mem_alloc(*len + (*len == 0));
	ck_assert_uint_eq(fread(p, 1, *len, f), *len);
	fclose(f);
	return p;
}

static inline uint8_t *test_read_golden(const char *name, size_t *len)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/golden/storage/%s", test_data(), name);
	return test_read_path(path, len);
}

/* Batch number n of a golden log, copied into memory of exactly its size. */
static inline uint8_t *test_golden_batch(const char *name, int n, size_t *size)
{
	size_t len;
	uint8_t *file = test_read_golden(name, &len), *copy;
	struct slice rest = slice_of(file, len), batch;

	do
		ck_assert_int_eq(batch_next(&rest, &batch), OK);
	while (n-- > 0);
	copy = mem_alloc(batch.len);
	memcpy(copy, batch.ptr, batch.len);
	*size = batch.len;
	free(file);
	return copy;
}

static inline int test_main(Suite *s)
{
	SRunner *sr = srunner_create(s);

	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
