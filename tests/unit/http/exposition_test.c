/* The text formats, and that docs/METRICS.md is what the table of families says. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/exposition.h"
#include "http/metrics.h"
#include "../document.h"

static void write_two(struct strbuf *out, bool is_open_metrics)
{
	struct exposition x = { .out = out, .is_open_metrics = is_open_metrics };

	exposition_family(&x, "hits", METRIC_COUNTER, "What came.");
	sample_begin(&x, "");
	sample_end_u64(&x, UINT64_MAX);
	sample_begin(&x, "");
	sample_label(&x, "dir", "a\"b\\c\nd");
	sample_label_i32(&x, "partition", -7);
	sample_end_u64(&x, 0);
	exposition_family(&x, "took_ms", METRIC_HISTOGRAM, "How long.");
	sample_begin(&x, "_bucket");
	sample_label(&x, "le", "+Inf");
	sample_end_i64(&x, INT64_MIN);
	sample_begin(&x, "_sum");
	sample_end_double(&x, 0.125);
	exposition_end(&x);
}

START_TEST(text_format)
{
	struct strbuf b = STRBUF_INIT;

	write_two(&b, false);
	ck_assert_str_eq(strbuf_cstr(&b),
	                 "# HELP hits_total What came.\n# TYPE hits_total counter\n"
	                 "hits_total 18446744073709551615\n"
	                 "hits_total{dir=\"a\\\"b\\\\c\\nd\",partition=\"-7\"} 0\n"
	                 "# HELP took_ms How long.\n# TYPE took_ms histogram\n"
	                 "took_ms_bucket{le=\"+Inf\"} -9223372036854775808\n"
	                 "took_ms_sum 0.125\n");
	strbuf_fini(&b);
}
END_TEST

START_TEST(bytes_of_a_client_become_text)
{
	struct strbuf b = STRBUF_INIT;
	struct exposition x = { .out = &b };

	exposition_family(&x, "n", METRIC_GAUGE, "N.");
	strbuf_reset(&b);
	sample_begin(&x, "");
	sample_label_bytes(&x, "g", SLICE_LIT("a\"\\\n\0\xff\xc3\xa4"));
	sample_end_u64(&x, 1);
	ck_assert_str_eq(strbuf_cstr(&b), "n{g=\"a\\\"\\\\\\n\\\\x00\\\\xff\xc3\xa4\"} 1\n");
	strbuf_fini(&b);
}
END_TEST

/* Else two groups would be one series, which some scrapers refuse with the whole page. */
START_TEST(no_two_names_become_one_label)
{
	static const struct { const char *bytes, *label; } names[] = {
		{ "dup\n", "dup\\n" }, { "dup\\x0a", "dup\\\\x5cx0a" }, { "dup\\n", "dup\\\\n" }, { "dup\r", "dup\\\\x0d" }, { "dup\\x0d", "dup\\\\x5cx0d" },
		{ "dup\\\\x0d", "dup\\\\\\\\x5cx0d" }, { "dup\\x5cx0d", "dup\\\\x5cx5cx0d" }, { "dup\\", "dup\\\\" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct strbuf b = STRBUF_INIT;
		struct exposition x = { .out = &b };
		char wanted[64];

		exposition_family(&x, "n", METRIC_GAUGE, "N.");
		strbuf_reset(&b);
		sample_begin(&x, "");
		sample_label_bytes(&x, "g", slice_str(names[i].bytes));
		sample_end_u64(&x, 1);
		snprintf(wanted, sizeof(wanted), "n{g=\"%s\"} 1\n", names[i].label);
		ck_assert_str_eq(strbuf_cstr(&b), wanted);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(names[k].label, names[i].label);
		strbuf_fini(&b);
	}
}
END_TEST

START_TEST(open_metrics_differs_in_names_and_end)
{
	struct strbuf b = STRBUF_INIT;

	write_two(&b, true);
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&b), "# TYPE hits counter\nhits_total 18446744073709551615\n"));
	ck_assert_str_eq(strbuf_cstr(&b) + b.len - 6, "# EOF\n");
	strbuf_fini(&b);
}
END_TEST

START_TEST(the_document_is_the_table)
{
	struct strbuf rows = STRBUF_INIT;

	metrics_describe(&rows);
	check_document("METRICS.md", "|---|---|---|---|\n", strbuf_cstr(&rows), "src/http/metrics.c");
	strbuf_fini(&rows);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("exposition");
	TCase *c = tcase_create("text");

	tcase_add_test(c, text_format);
	tcase_add_test(c, bytes_of_a_client_become_text);
	tcase_add_test(c, no_two_names_become_one_label);
	tcase_add_test(c, open_metrics_differs_in_names_and_end);
	tcase_add_test(c, the_document_is_the_table);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
