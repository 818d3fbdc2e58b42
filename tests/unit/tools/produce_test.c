/* What skein produce is made of: the fate of lines, the file to resume from, delimiters, the progress line. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "line_set.h"
#include "progress.h"
#include "resume.h"

enum { LINES = 2000 };

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* ---- line sets: against an array ---- */

/* fates: ' ' open, '+' done, '-' failed; by line. *line goes on to end; a macro of Check for each would take most of the test's time. */
static void check_done(const char *fates, int64_t *line, int64_t end, bool is_done)
{
	for (; *line < end; ++*line) {
		if ((fates[*line] == '+') != is_done)
			ck_abort_msg("line %lld is %s", (long long)*line, is_done ? "left out" : "done");
	}
}

static void check_gaps(const struct line_set *s, const char *fates, int64_t last)
{
	struct line_gaps gaps;
	struct line_range r;
	int64_t line = 1;

	line_gaps_begin(&gaps, s, last);
	while (line_gaps_next(&gaps, &r)) {
		ck_assert_int_le(r.first, r.last);
		ck_assert_int_le(r.last, last);
		ck_assert_msg(r.first > line || line == 1, "ranges touch at %lld", (long long)r.first);
		check_done(fates, &line, r.first, true);
		check_done(fates, &line, r.last + 1, false);
	}
	check_done(fates, &line, last + 1, true);
}

/* Fates come in the order of several queues, as of partitions, each of which goes on at its own pace. */
static void settle_some(struct line_set *s, char *fates, int64_t from, uint32_t *seed)
{
	int queues = 1 + (int)(next(seed) % 9), failing = (int)(next(seed) % 101);
	int64_t at[10];

	for (int q = 0; q < queues; q++)
		at[q] = from + q;
	for (int steps = (int)(next(seed) % (2 * LINES)); steps > 0; steps--) {
		int q = (int)(next(seed) % (uint32_t)queues);
		int64_t line = at[q];
		if (line > LINES)
			continue;
		at[q] += queues;
		if (fates[line] == '+')
			continue;
		if ((int)(next(seed) % 100) < failing) {
			line_set_failed(s, line);
			fates[line] = '-';
		} else {
			line_set_done(s, line);
			fates[line] = '+';
		}
	}
}

START_TEST(line_sets)
{
	uint32_t seed = (uint32_t)_i + 1;

	for (int round = 0; round < 10; round++) {
		struct line_set s = { .base = 0 };
		char fates[LINES + 1];
		memset(fates, ' ', sizeof(fates));
		settle_some(&s, fates, 1, &seed);
		check_gaps(&s, fates, LINES);
		check_gaps(&s, fates, 1 + next(&seed) % LINES);
		check_gaps(&s, fates, 0);
		ck_assert_int_le(s.word_count, 64);
		line_set_fini(&s);
	}
}
END_TEST

/* Written, read, and gone on with, several times. */
START_TEST(resuming)
{
	uint32_t seed = (uint32_t)_i + 1;
	char path[] = "/tmp/skein-resume-XXXXXX", fates[LINES + 1], why[200], name[] = "a \\b\n.txt";
	char *const inputs[] = { name };
	struct strbuf head = STRBUF_INIT;
	struct resume second;
	int64_t read = 0;

	close(mkstemp(path));
	memset(fates, ' ', sizeof(fates));
	resume_head(&head, "t", "text", SLICE_LIT("\r\n"), inputs, 1);
	for (int round = 0; round < 8; round++) {
		struct line_set s = { .base = 0 };
		struct resume r = { .read = 0 };
		enum err e = resume_open(&r, path, strbuf_cstr(&head), why);
		ck_assert_msg(e == (round > 0 ? OK : ERR_NOT_FOUND), "%s", why);
		ck_assert_int_eq(resume_open(&second, path, strbuf_cstr(&head), why), ERR_LOCKED);
		if (round > 0) {
			ck_assert_int_eq(r.read, read);
			for (int64_t line = 1; line <= LINES; line++) {
				if (resume_is_done(&r, line) != (fates[line] == '+'))
					ck_abort_msg("line %lld", (long long)line);
			}
			line_set_begin(&s, r.read, r.missing, r.missing_count);
			check_gaps(&s, fates, r.read);
		}
		settle_some(&s, fates, 1, &seed);
		for (read = LINES; read > 0 && fates[read] == ' '; read--)
			;
		ck_assert(resume_write(&r, path, strbuf_cstr(&head), &s, read));
		ck_assert_int_eq(resume_open(&second, path, strbuf_cstr(&head), why), ERR_LOCKED);	/* the new one is locked too */
		line_set_fini(&s);
		resume_fini(&r);
	}
	unlink(path);
	strbuf_fini(&head);
}
END_TEST

START_TEST(files_that_are_none_to_resume_from)
{
	static const char *const bad[] = { "", "read", "read x\n", "read 5", "missing 1\n", "read 5\nmissing 6\n", "read 5\nmissing 0\n", "read 5\nmissing 3-\n", "read 5\nmissing 3-2\n",
					   "read 5\nmissing 2\nmissing 2\n", "read 5\n\n", "read 5\nread 6\n", "read -1\n", "read 9223372036854775807\n" };
	char path[] = "/tmp/skein-resume-XXXXXX", why[200] = "";
	struct strbuf head = STRBUF_INIT, other = STRBUF_INIT;
	struct resume r;

	close(mkstemp(path));
	resume_head(&head, "t", "json", SLICE_LIT("\n"), NULL, 0);
	resume_head(&other, "t", "text", SLICE_LIT("\n"), NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		FILE *f = fopen(path, "w");
		fprintf(f, "%s%s", strbuf_cstr(&head), bad[i]);
		fclose(f);
		ck_assert_msg(resume_open(&r, path, strbuf_cstr(&head), why) == ERR_INVALID && strstr(why, "damaged") != NULL, "%s", bad[i]);
		ck_assert(resume_open(&r, path, strbuf_cstr(&other), why) == ERR_INVALID && strstr(why, "another command") != NULL);
	}
	unlink(path);
	ck_assert(resume_open(&r, path, strbuf_cstr(&head), why) == ERR_NOT_FOUND);
	ck_assert(!resume_is_done(&r, 1));
	resume_fini(&r);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(resume_open(&r, path, strbuf_cstr(&head), why) == ERR_INVALID && strstr(why, "no plain file") != NULL);
	unlink(path);
	ck_assert(resume_open(&r, "/dev/zero", strbuf_cstr(&head), why) == ERR_INVALID);
	strbuf_fini(&head);
	strbuf_fini(&other);
}
END_TEST

/* ---- delimiters: what comes out, joined again, is what went in ---- */

START_TEST(delimiters)
{
	static const char *const texts[] = { "\n", "ab", "aab", "aba" };
	uint32_t seed = (uint32_t)_i + 1;
	struct slice d = slice_str(texts[_i % 4]);
	struct strbuf text = STRBUF_INIT, back = STRBUF_INIT;
	struct input in;
	struct slice line;
	int ends[2];
	size_t at = 0;
	enum err e;

	for (uint32_t n = next(&seed) % 4000; n > 0; n--)
		strbuf_add_char(&text, "ab\nc"[next(&seed) % 4]);
	ck_assert_int_eq(pipe(ends), 0);
	input_init(&in, ends[0], 1 << 20);
	in.delimiter = d;
	for (;;) {
		e = input_line(&in, &line);
		if (e == OK) {
			ck_assert(memmem(line.ptr, line.len, d.ptr, d.len) == NULL);
			strbuf_add_slice(&back, line);
			strbuf_add_slice(&back, d);
		} else if (e == ERR_AGAIN) {
			size_t drawn = 1 + next(&seed) % 7, some = MIN(text.len - at, drawn);
			if (at < text.len)
				ck_assert_int_eq(write(ends[1], text.ptr + at, some), (ssize_t)some);
			else
				close(ends[1]);
			at += some;
			ck_assert(input_read(&in));
		} else {
			break;
		}
	}
	ck_assert_int_eq(e, ERR_CLOSED);
	ck_assert_int_eq(in.read_bytes, (int64_t)text.len);
	if (back.len == text.len + d.len)	/* the last one had no delimiter */
		strbuf_truncate(&back, text.len);
	ck_assert(slice_eq(strbuf_slice(&back), strbuf_slice(&text)));
	close(ends[0]);
	input_fini(&in);
	strbuf_fini(&text);
	strbuf_fini(&back);
}
END_TEST

/* ---- the progress line ---- */

static void check_line(const char *name, const struct progress_state *s, int columns, const char *expected)
{
	struct strbuf out = STRBUF_INIT;

	progress_line(&out, name, s, columns);
	ck_assert_str_eq(strbuf_cstr(&out), expected);
	strbuf_fini(&out);
}

START_TEST(progress_lines)
{
	struct progress_state s = { .done = 500, .total = 1000, .records = 1234567, .per_second = 50, .records_per_second = 81234 };

	check_line("orders", &s, 80, "orders  [============            ]   50%  1234567 records  81.2k/s  0:10 left");
	check_line("orders", &s, 60, "orders   50%  1234567 records  81.2k/s  0:10 left");
	check_line("orders", &s, 40, "orders   50%  81.2k/s  0:10 left");
	check_line("orders", &s, 30, "orders   50%  0:10 left");
	check_line("orders", &s, 20, " 50%  0:10 left");
	check_line("orders", &s, 3, " 50%  0:10 left");
	s.per_second = 0;
	s.records_per_second = 7;
	check_line("o", &s, 40, "o   50%  7/s  --:-- left");
	s.per_second = 0.1;
	s.records_per_second = 123456789;
	check_line("o", &s, 40, "o   50%  123M/s  1:23:20 left");
	s.done = s.total = 0;
	check_line("o", &s, 40, "o    0%  123M/s  0:00 left");
	for (int columns = 20; columns < 200; columns++) {
		struct strbuf out = STRBUF_INIT;
		s = (struct progress_state){ .done = columns, .total = 200, .records = columns * 1000, .per_second = 1, .records_per_second = 1e6 };
		progress_line(&out, "a-topic", &s, columns);
		ck_assert_int_le(out.len, columns - 3);
		strbuf_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("produce");
	TCase *tc = tcase_create("produce");
	int failed;

	tcase_add_loop_test(tc, line_sets, 0, 50);
	tcase_add_loop_test(tc, resuming, 0, 30);
	tcase_add_test(tc, files_that_are_none_to_resume_from);
	tcase_add_loop_test(tc, delimiters, 0, 40);
	tcase_add_test(tc, progress_lines);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
