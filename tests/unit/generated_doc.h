/*
 * A document of docs/ whose end is written from a table of the program: the test of the table compares the two, and with SKEIN_WRITE_DOCS=1
 * writes the document anew.
 */
#ifndef SKEIN_TESTS_GENERATED_DOC_H
#define SKEIN_TESTS_GENERATED_DOC_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

/* name: METRICS.md. What stands in it up to the end of head is kept, what follows must be rows. */
static inline void generated_doc_check(const char *name, const char *head, const struct strbuf *rows)
{
	const char *tests = getenv("SKEIN_TEST_DATA");
	struct strbuf path = STRBUF_INIT, text = STRBUF_INIT;
	char buf[4096];

	strbuf_printf(&path, "%s/../docs/%s", tests != NULL ? tests : "tests", name);
	FILE *f = fopen(strbuf_cstr(&path), "r");
	ck_assert_msg(f != NULL, "cannot read %s", strbuf_cstr(&path));
	for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0; )
		strbuf_add(&text, buf, n);
	fclose(f);
	const char *at = strstr(strbuf_cstr(&text), head);
	ck_assert_msg(at != NULL, "docs/%s lacks the line: %s", name, head);
	at += strlen(head);
	if (getenv("SKEIN_WRITE_DOCS") != NULL) {
		f = fopen(strbuf_cstr(&path), "w");
		ck_assert_ptr_nonnull(f);
		fwrite(text.ptr, 1, (size_t)(at - text.ptr), f);
		fwrite(rows->ptr, 1, rows->len, f);
		ck_assert_int_eq(fclose(f), 0);
	} else {
		ck_assert_msg(strlen(at) == rows->len && memcmp(at, rows->ptr, rows->len) == 0,
			"docs/%s is not what the program's table says: SKEIN_WRITE_DOCS=1 writes it anew", name);
	}
	strbuf_fini(&path);
	strbuf_fini(&text);
}

#endif
