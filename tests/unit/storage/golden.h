/*
 * What the tests of the storage module share: the golden files, and comparing bytes.
 */
#ifndef SKEIN_TESTS_STORAGE_GOLDEN_H
#define SKEIN_TESTS_STORAGE_GOLDEN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"
#include "os/os.h"

#define GOLDEN_FILE_MAX (64 << 20)

static UNUSED const char *golden(const char *name)	/* valid until the fourth next call */
{
	static char path[4][1024];
	static unsigned turn;
	const char *data = getenv("SKEIN_TEST_DATA");

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/golden/storage/%s",
		data != NULL ? data : "tests", name);
	return path[turn];
}

/* malloc'd, of exactly its size, so that a sanitizer sees a read beyond it. */
static UNUSED struct slice file_bytes(struct os *on, const char *path)
{
	char *text;
	uint8_t *exact;
	size_t len;

	ck_assert_msg(os_read_file(on, path, GOLDEN_FILE_MAX, &text, &len) == OK, "cannot read %s",
		path);
	exact = mem_alloc(len + (len == 0));
	memcpy(exact, text, len);
	free(text);
	return slice_of(exact, len);
}

static UNUSED void file_put(struct os *on, const char *path, const void *bytes, size_t len)
{
	os_fd fd;

	ck_assert_int_eq(os_open(on, path, OS_RDWR | OS_CREATE | OS_TRUNC, &fd), OK);
	if (len > 0)
		ck_assert_int_eq(os_pwrite(on, fd, bytes, len, 0), OK);
	os_close(on, &fd);
}

static UNUSED bool file_exists(struct os *on, const char *path)
{
	struct os_stat st;

	return os_stat(on, path, &st) == OK;
}

static UNUSED void assert_same_bytes(struct slice a, struct slice b, const char *what)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
		i++;
	ck_assert_msg(a.len == b.len && i == a.len, "%s: %zu and %zu bytes differ from byte %zu on",
		what, a.len, b.len, i);
}

#endif
