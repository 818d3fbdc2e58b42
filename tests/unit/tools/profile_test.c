/* The file of profiles: what is changed is changed, and everything else stays as somebody wrote it. */
#include <check.h>
#include <stdlib.h>

#include "profile.h"

static const char text[] =
	"# mine\n"
	"use = test\n"
	"\n"
	"[prod]\n"
	"# by day\n"
	"bootstrap.servers=a:1,b:2\n"
	"  acks =  all  \n"
	"\n"
	"; the other one\n"
	"[ test ]\r\n"
	"bootstrap.servers = c:3\r\n"
	"client.id = a=b\n"
	"[empty]";

static struct slice whole(void) { return slice_of(text, sizeof(text) - 1); }

static void ck_becomes(struct strbuf *out, const char *wanted)
{
	ck_assert_str_eq(strbuf_cstr(out), wanted);
	strbuf_fini(out);
}

START_TEST(lines_are_read)
{
	static const struct { int kind; const char *name, *value, *section; } wanted[] = {
		{ LINE_OTHER, "", "", "" }, { LINE_PROPERTY, "use", "test", "" }, { LINE_OTHER, "", "", "" }, { LINE_SECTION, "prod", "", "prod" },
		{ LINE_OTHER, "", "", "prod" }, { LINE_PROPERTY, "bootstrap.servers", "a:1,b:2", "prod" }, { LINE_PROPERTY, "acks", "all", "prod" },
		{ LINE_OTHER, "", "", "prod" }, { LINE_OTHER, "", "", "prod" }, { LINE_SECTION, "test", "", "test" },
		{ LINE_PROPERTY, "bootstrap.servers", "c:3", "test" }, { LINE_PROPERTY, "client.id", "a=b", "test" }, { LINE_SECTION, "empty", "", "empty" } };
	struct profile_reader r = { .text = whole() };
	struct profile_line line;
	int n = 0;

	for (; profile_next(&r, &line); n++) {
		ck_assert_int_lt(n, (int)ARRAY_LEN(wanted));
		ck_assert_int_eq(line.kind, wanted[n].kind);
		ck_assert_int_eq(line.number, n + 1);
		ck_assert(slice_eq_str(line.name, wanted[n].name) && slice_eq_str(line.value, wanted[n].value));
		ck_assert(slice_eq_str(line.section, wanted[n].section));
	}
	ck_assert_int_eq(n, (int)ARRAY_LEN(wanted));
	ck_assert(slice_eq_str(profile_in_use(whole()), "test"));
	ck_assert(profile_is_there(whole(), slice_str("empty")) && !profile_is_there(whole(), slice_str("use")));
}
END_TEST

START_TEST(lines_that_say_nothing_are_wrong)
{
	static const char *const wrong[] = { "[", "[]", "[ ]", "[x", "=", "= x", "x", "[x] y" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct profile_reader r = { .text = slice_str(wrong[i]) };
		struct profile_line line;
		ck_assert(profile_next(&r, &line));
		ck_assert_msg(line.kind == LINE_WRONG, "%s", wrong[i]);
		ck_assert(!profile_next(&r, &line));
	}
}
END_TEST

START_TEST(a_property_is_set_where_it_was_or_behind_the_last)
{
	struct strbuf out = STRBUF_INIT;

	profile_set(&out, slice_str("[a]\nx=1\n# c\ny=2\nx=3\n\n[b]\nx=4"), slice_str("a"), slice_str("x"), slice_str("9"));
	ck_becomes(&out, "[a]\nx = 9\n# c\ny=2\n\n[b]\nx=4");
	profile_set(&out, slice_str("[a]\ny=2\n# end\n\n[b]\nx=4"), slice_str("a"), slice_str("x"), slice_str("9"));
	ck_becomes(&out, "[a]\ny=2\nx = 9\n# end\n\n[b]\nx=4");
	profile_set(&out, slice_str("[b]\nx=4"), slice_str("b"), slice_str("y"), slice_str("9"));
	ck_becomes(&out, "[b]\nx=4\ny = 9\n");
	profile_set(&out, slice_str("[b]"), slice_str("b"), slice_str("y"), slice_str("9"));
	ck_becomes(&out, "[b]\ny = 9\n");
	profile_set(&out, slice_str("[b]\nx=4"), slice_str("c"), slice_str("y"), slice_str("9"));
	ck_becomes(&out, "[b]\nx=4\n\n[c]\ny = 9\n");
	profile_set(&out, SLICE_EMPTY, slice_str("c"), slice_str("y"), slice_str("9"));
	ck_becomes(&out, "[c]\ny = 9\n");
	profile_set(&out, slice_str("[a]\nx=1\ny=2\nx=3\n"), slice_str("a"), slice_str("x"), SLICE_NULL);
	ck_becomes(&out, "[a]\ny=2\n");
}
END_TEST

START_TEST(the_rest_stays)
{
	struct strbuf out = STRBUF_INIT;

	profile_set(&out, whole(), slice_str("test"), slice_str("client.id"), slice_str("a=b"));
	ck_becomes(&out, text);
	profile_remove(&out, whole(), slice_str("prod"));
	ck_becomes(&out, "# mine\nuse = test\n\n[ test ]\r\nbootstrap.servers = c:3\r\nclient.id = a=b\n[empty]");
	profile_remove(&out, slice_str("use=a\n[a]\nx=1\n[b]\n"), slice_str("a"));
	ck_becomes(&out, "[b]\n");
	profile_use(&out, slice_str("# c\nuse=a\n[a]\nuse=x\n"), slice_str("b"));
	ck_becomes(&out, "use = b\n# c\n[a]\nuse=x\n");
	profile_use(&out, slice_str("# c\nuse=a\n[a]\nuse=x\n"), SLICE_NULL);
	ck_becomes(&out, "# c\n[a]\nuse=x\n");
	ck_assert(slice_is_null(profile_in_use(slice_str("[a]\nuse=x\n"))));
	ck_assert(slice_is_null(profile_in_use(slice_str("use=none\n"))));
}
END_TEST

/* Nothing here is asserted of a text: any is read and changed, to its end and not beyond. */
START_TEST(any_text_is_read)
{
	for (size_t n = 0; n < sizeof(text); n++) {
		char *part = malloc(n + 1);	/* exactly as long, for a sanitizer to see */
		struct slice s = slice_of(part, n);
		struct strbuf out = STRBUF_INIT;
		memcpy(part, text, n);
		profile_set(&out, s, slice_str("prod"), slice_str("acks"), slice_str("1"));
		ck_assert(profile_is_there(strbuf_slice(&out), slice_str("prod")));
		profile_remove(&out, s, slice_str("prod"));
		profile_use(&out, s, slice_str("prod"));
		profile_in_use(s);
		strbuf_fini(&out);
		free(part);
	}
}
END_TEST

START_TEST(names)
{
	ck_assert(profile_name_is_valid("prod") && profile_name_is_valid("a.b-c_9"));
	ck_assert(!profile_name_is_valid("") && !profile_name_is_valid("none") && !profile_name_is_valid("a b") && !profile_name_is_valid("a]"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("profiles");
	TCase *t = tcase_create("text");
	SRunner *r = srunner_create(s);

	tcase_add_test(t, lines_are_read);
	tcase_add_test(t, lines_that_say_nothing_are_wrong);
	tcase_add_test(t, a_property_is_set_where_it_was_or_behind_the_last);
	tcase_add_test(t, the_rest_stays);
	tcase_add_test(t, any_text_is_read);
	tcase_add_test(t, names);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
