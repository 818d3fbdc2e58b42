/* A --help read back: what may stand where, and what its options take. */
#include <check.h>
#include <stdlib.h>

#include "help_text.h"

static const char text[] =
	"Usage: skein thing make [OPTION...] TOPIC...\n"
	"       skein thing set topic|group NAME SETTING=VALUE...\n"
	"       skein thing use PROFILE|none\n"
	"       skein thing grow --count N [-f FORM] [TOPIC[:PARTITION]...]\n"
	"       skein thing other ...          (its own help: skein thing other --help)\n"
	"Says, things: of all sorts.\n\n"
	"  -n, --count N            grow: how many; make, set: how many there are, and so on for more than\n"
	"                           one line and yet another\n"
	"  -f, --form FORM          make: text (default), json (one list) or\n"
	"                           ndjson (an object per line)\n"
	"  -a, --acks N             all (default), 1, 0: how many copies; make: of each\n"
	"      --from START         beginning, end (default), an OFFSET, or @TIME: later\n"
	"      --codec-level N      wait so long\n"
	"  -o, --output FORMAT      text (default); wide: with key, value, and more; json (one\n"
	"                           list); or a format as below\n"
	"  -y                       just so\n"
	"      --force\n"
	"\nExamples:\n"
	"  skein thing make x\n";

static struct help_text h;
static struct strbuf found;

static void setup(void) { help_parse(&h, text, "skein thing"); strbuf_reset(&found); }
static void teardown(void) { strbuf_fini(&found); }

static void add(void *arg UNUSED, struct slice word)
{
	strbuf_printf(&found, "%s"SLICE_FMT, found.len > 0 ? " " : "", SLICE_ARG(word));
}

static const char *next(const char *a, const char *b, const char *c)
{
	const char *words[] = { a, b, c };

	strbuf_reset(&found);
	help_next(&h, words, c != NULL ? 3 : b != NULL ? 2 : a != NULL ? 1 : 0, add, NULL);
	return strbuf_cstr(&found);
}

static const char *choices(const char *option)
{
	strbuf_reset(&found);
	help_choices(&h, help_option_of(&h, option), add, NULL);
	return strbuf_cstr(&found);
}

START_TEST(words_behind_words)
{
	ck_assert_str_eq(next(NULL, NULL, NULL), "make set use grow other");
	ck_assert_str_eq(next("make", NULL, NULL), "TOPIC");
	ck_assert_str_eq(next("make", "a", "b"), "TOPIC");
	ck_assert_str_eq(next("set", NULL, NULL), "topic group");
	ck_assert_str_eq(next("set", "topic", NULL), "NAME");
	ck_assert_str_eq(next("set", "queue", NULL), "");
	ck_assert_str_eq(next("set", "group", "x"), "SETTING=VALUE");
	ck_assert_str_eq(next("use", NULL, NULL), "PROFILE none");
	ck_assert_str_eq(next("use", "x", NULL), "");
	ck_assert_str_eq(next("grow", NULL, NULL), "TOPIC[:PARTITION");
	ck_assert_str_eq(next("other", NULL, NULL), "");
	ck_assert_str_eq(next("nothing", NULL, NULL), "");
	ck_assert(help_is_subverb(&h, slice_str("set")) && !help_is_subverb(&h, slice_str("TOPIC")) && !help_is_subverb(&h, slice_str("se")));
}
END_TEST

START_TEST(options_and_their_arguments)
{
	static const struct { const char *word, *name, *argument; } table[] = {
		{ "-n", "count", "N" }, { "--count", "count", "N" }, { "--count=5", "count", "N" }, { "--codec-level", "codec-level", "N" },
		{ "-y", "", "" }, { "--force", "force", "" } };
	static const char *const none[] = { "--cou", "-x", "--", "-", "", "-yy", "--n" };

	ck_assert_int_eq(h.option_count, 8);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct help_option *o = help_option_of(&h, table[i].word);
		ck_assert_ptr_nonnull(o);
		ck_assert(slice_eq_str(o->name, table[i].name) && slice_eq_str(o->argument, table[i].argument));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		ck_assert_ptr_null(help_option_of(&h, none[i]));
}
END_TEST

START_TEST(values_that_are_listed)
{
	ck_assert_str_eq(choices("--form"), "text json ndjson");
	ck_assert_str_eq(choices("--acks"), "all 1 0");
	ck_assert_str_eq(choices("--from"), "beginning end");
	ck_assert_str_eq(choices("--output"), "text wide json");
	ck_assert_str_eq(choices("--codec-level"), "");
	ck_assert_str_eq(choices("--count"), "");
	ck_assert_str_eq(choices("-y"), "");
}
END_TEST

START_TEST(which_word_an_option_goes_with)
{
	const struct help_option *count = help_option_of(&h, "-n");

	ck_assert(help_goes_with(&h, count, slice_str("grow")) && help_goes_with(&h, count, slice_str("make")) && !help_goes_with(&h, count, slice_str("use")));
	ck_assert(!help_goes_with(&h, help_option_of(&h, "-f"), slice_str("set")));
	ck_assert(help_goes_with(&h, help_option_of(&h, "--force"), slice_str("set")) && help_goes_with(&h, help_option_of(&h, "-a"), slice_str("set")));
	help_summary(&h, count, &found);
	ck_assert_str_eq(strbuf_cstr(&found), "how many; make, set: how many there are, and so on for more than ...");
}
END_TEST

START_TEST(words_listed_for_verb)
{
	help_parse(&h, "Usage: skein load VERB [OPTION...]\nLoads.\n\n  produce      write\n  e2e          the same\n\nOf records:\n  -r, --rate N  x\n  late  x\n", "skein load");
	ck_assert_str_eq(next(NULL, NULL, NULL), "produce e2e");
	help_parse(&h, "usage: skein serve [server.properties] [--override key=value]... [--check-config]\n\n  --override key=value   sets\n  --check-config         says\n", "skein serve");
	ck_assert_str_eq(next(NULL, NULL, NULL), "server.properties");
	ck_assert_str_eq(next("x", NULL, NULL), "");
}
END_TEST

/* Nothing here is asserted of a text: any is read, to its end and not beyond. */
START_TEST(any_text_is_read)
{
	for (size_t n = 0; n < sizeof(text); n++) {
		char *part = mem_strndup(text, n);
		help_parse(&h, part, "skein thing");
		next("make", NULL, NULL);
		for (int i = 0; i < h.option_count; i++) {
			help_choices(&h, &h.options[i], add, NULL);
			help_goes_with(&h, &h.options[i], slice_str("make"));
			help_summary(&h, &h.options[i], &found);
		}
		free(part);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("help texts");
	TCase *t = tcase_create("read back");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, words_behind_words);
	tcase_add_test(t, options_and_their_arguments);
	tcase_add_test(t, values_that_are_listed);
	tcase_add_test(t, which_word_an_option_goes_with);
	tcase_add_test(t, words_listed_for_verb);
	tcase_add_test(t, any_text_is_read);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
