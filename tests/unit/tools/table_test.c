/*
 * tools/table.c and the numbers of tools/show.c: what stands in the terminal, cell by cell.
 */
#include <check.h>
#include <stdlib.h>

#include "show.h"
#include "table.h"

static const struct table_column columns[] = {
	{ .head = "topic", .width_min = 8 },
	{ .head = "records", .is_number = true, .rank = 1 },
	{ .head = "note", .rank = 2, .width_min = 6 },
	{ .head = "size", .is_number = true, .rank = 3 },
};

static struct table filled(void)
{
	struct table t;

	table_init(&t, columns, (int)ARRAY_LEN(columns));
	table_add(&t, TABLE_PLAIN, "orders");
	table_add(&t, TABLE_PLAIN, "%d", 1200);
	table_add(&t, TABLE_BAD, "out of order");
	table_add(&t, TABLE_PLAIN, "3.4 MB");
	table_add(&t, TABLE_PLAIN, "a-name-of-twenty-one");
	table_add(&t, TABLE_PLAIN, "7");
	table_add(&t, TABLE_PLAIN, "%s", "");
	table_add(&t, TABLE_PLAIN, "%s", "");
	return t;
}

static char *formatted(struct table_form form)
{
	struct table t = filled();
	struct strbuf out = STRBUF_INIT;

	table_format(&t, &form, &out);
	table_fini(&t);
	return strbuf_steal(&out);
}

static void is_shown(struct table_form form, const char *wanted)
{
	char *text = formatted(form);

	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(whole_without_a_limit)
{
	is_shown((struct table_form){ .indent = 2 },
		 "  topic                 records  note            size\n"
		 "  orders                   1200  out of order  3.4 MB\n"
		 "  a-name-of-twenty-one        7\n");
}
END_TEST

START_TEST(the_least_important_is_cut_first)
{
	is_shown((struct table_form){ .width = 46, .has_unicode = true },
		 "topic                 records  note       size\n"
		 "orders                   1200  out of…  3.4 MB\n"
		 "a-name-of-twenty-one        7\n");
	is_shown((struct table_form){ .width = 40 },
		 "topic            records  note      size\n"
		 "orders              1200  out o~  3.4 MB\n"
		 "a-name-of-twen~        7\n");
}
END_TEST

START_TEST(what_cannot_be_cut_is_left_out_and_the_room_given_back)
{
	is_shown((struct table_form){ .width = 30 },
		 "topic          records  note\n"
		 "orders            1200  out o~\n"
		 "a-name-of-tw~        7\n");
	is_shown((struct table_form){ .width = 20 },
		 "topic        records\n"
		 "orders          1200\n"
		 "a-name-of-~        7\n");
	is_shown((struct table_form){ .width = 9 }, "topic\norders\na-name-o~\n");
	is_shown((struct table_form){ .width = 1 }, "~\n~\n~\n");
}
END_TEST

START_TEST(no_line_is_longer_than_the_terminal)
{
	for (int width = 1; width < 90; width++) {
		char *text = formatted((struct table_form){ .width = width, .has_unicode = true }), *line = text;

		for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
			ck_assert_int_le(table_width(slice_of(line, (size_t)(end - line))), width);
		free(text);
	}
}
END_TEST

START_TEST(colour_changes_no_column)
{
	char *text = formatted((struct table_form){ .has_color = true, .has_pick = true, .pick = 1 });

	ck_assert_ptr_nonnull(strstr(text, "\033[1mtopic\033[0m"));
	ck_assert_ptr_nonnull(strstr(text, "  \033[31mout of order\033[0m  3.4 MB\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n\033[7ma-name-of-twenty-one        7                      \033[0m\n"));
	free(text);
}
END_TEST

START_TEST(some_of_the_rows)
{
	is_shown((struct table_form){ .first = 1, .rows = 1, .width = 20 },
		 "topic        records\n"
		 "a-name-of-~        7\n");
	is_shown((struct table_form){ .first = 2, .rows = 5, .width = 20 }, "topic        records\n");
}
END_TEST

START_TEST(width_is_not_length)
{
	struct strbuf out = STRBUF_INIT;

	ck_assert_int_eq(table_width(SLICE_LIT("na\xc3\xafve")), 5);
	ck_assert_int_eq(table_width(SLICE_LIT("e\xcc\x81")), 1);
	ck_assert_int_eq(table_width(SLICE_LIT("\xe6\x97\xa5\xe6\x9c\xac")), 4);
	ck_assert_int_eq(table_add_cut(&out, SLICE_LIT("\xe6\x97\xa5\xe6\x9c\xac"), 3, true), 3);
	ck_assert_str_eq(strbuf_cstr(&out), "\xe6\x97\xa5\xe2\x80\xa6");
	strbuf_reset(&out);
	ck_assert_int_eq(table_add_cut(&out, SLICE_LIT("a\033[2Jb\xff" "c"), 20, true), 8);	/* nobody's terminal obeys a client id */
	ck_assert_str_eq(strbuf_cstr(&out), "a?[2Jb?c");
	strbuf_reset(&out);
	ck_assert_int_eq(table_add_cut(&out, SLICE_LIT("abc"), 0, true), 0);
	ck_assert_uint_eq(out.len, 0);
	strbuf_fini(&out);
}
END_TEST

START_TEST(numbers)
{
	static const struct { int64_t n; const char *text; } bytes[] = {
		{ -1, "-" }, { 0, "0 B" }, { 999, "999 B" }, { 1000, "1.0 KB" }, { 1536, "1.5 KB" }, { 1 << 20, "1.0 MB" }, { INT64_MAX, "8.0 EB" },
	}, ages[] = {
		{ -1, "-" }, { 0, "0 s" }, { 59999, "59 s" }, { 60000, "1m0s" }, { 3599999, "59m59s" }, { 3600000, "1h0m" }, { 90061000, "1d1h" },
	};
	static const struct { double n; const char *text; } rates[] = {
		{ -1, "-" }, { 0, "0" }, { 0.04, "0" }, { 0.5, "0.5" }, { 99.94, "99.9" }, { 99.96, "100" }, { 9999, "9999" }, { 12345, "12.3 k" }, { 999949, "999.9 k" },
		{ 999951, "1.0 M" },
	};
	char text[SHOW_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		ck_assert_str_eq(show_bytes(text, bytes[i].n), bytes[i].text);
	for (size_t i = 0; i < ARRAY_LEN(ages); i++)
		ck_assert_str_eq(show_age(text, ages[i].n), ages[i].text);
	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		ck_assert_str_eq(show_rate(text, rates[i].n), rates[i].text);
}
END_TEST

START_TEST(what_o_says)
{
	enum show_output o = SHOW_DEFAULT;

	ck_assert(show_output_of("wide", &o) && o == SHOW_WIDE && !show_is_json(o));
	ck_assert(show_output_of("json", &o) && o == SHOW_JSON && show_is_json(o));
	ck_assert(!show_output_of("yaml", &o) && !show_output_of("", &o));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *t = tcase_create("table");

	tcase_add_test(t, whole_without_a_limit);
	tcase_add_test(t, the_least_important_is_cut_first);
	tcase_add_test(t, what_cannot_be_cut_is_left_out_and_the_room_given_back);
	tcase_add_test(t, no_line_is_longer_than_the_terminal);
	tcase_add_test(t, colour_changes_no_column);
	tcase_add_test(t, some_of_the_rows);
	tcase_add_test(t, width_is_not_length);
	tcase_add_test(t, numbers);
	tcase_add_test(t, what_o_says);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
