/*
 * Documents whose tables are made of the program's own.
 */
#ifndef SKEIN_TESTS_DOCUMENT_H
#define SKEIN_TESTS_DOCUMENT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

/* The rows of docs/NAME, behind the head of their table, are these. SKEIN_WRITE_DOCS=1 writes the file anew: what stands above the table is kept. */
static inline void check_document(const char *name, const char *head, const char *rows, const char *made_of)
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
	const char *table = strstr(strbuf_cstr(&text), head);
	ck_assert_msg(table != NULL, "docs/%s has no table", name);
	table += strlen(head);
	if (getenv("SKEIN_WRITE_DOCS") != NULL) {
		f = fopen(strbuf_cstr(&path), "w");
		ck_assert_ptr_nonnull(f);
		fwrite(text.ptr, 1, (size_t)(table - text.ptr), f);
		fputs(rows, f);
		fclose(f);
	} else {
		ck_assert_msg(strcmp(table, rows) == 0, "docs/%s is not what %s says: SKEIN_WRITE_DOCS=1 writes it anew", name, made_of);
	}
	strbuf_fini(&path);
	strbuf_fini(&text);
}

#endif
