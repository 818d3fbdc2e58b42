/*
 * The fate of every line that skein produce has read. With several partitions in flight the acknowledged lines are no run from the first one on; so each
 * is noted (line_set.h), the lines without an acknowledgement are named, and with --resume a file keeps exactly them for the next attempt.
 */
#include "produce.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FAILURES_TOLD   5		/* one line each; the rest is counted */
#define RANGES_TOLD     8
#define RESUME_EVERY_MS 1000

void produce_say(struct produce *x, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_clear(&x->progress);
	tool_say("%s", text);
}

const char *produce_line_text(const struct produce *x, int64_t line, char out[300])
{
	int i = x->file_at;

	if (x->file_count < 2) {
		snprintf(out, 300, "line %lld", (long long)line);
		return out;
	}
	i = MIN(i, x->file_count - 1);
	while (i > 0 && x->file_begins[i] >= line)
		i--;
	snprintf(out, 300, "line %lld of %.200s", (long long)(line - x->file_begins[i]), x->files[i]);
	return out;
}

/* ---- one line ---- */

void produce_note_left(struct left *l, int64_t line)
{
	if (l->count++ == 0 || line < l->first)
		l->first = line;
}

void produce_line_failed(struct produce *x, int64_t line, int code, const char *why)
{
	char where[300];

	if (x->failed++ == 0 || x->code == EXIT_OK)
		x->code = code;
	line_set_failed(&x->lines, line);
	if (x->failed <= FAILURES_TOLD)
		produce_say(x, "%s: %s", produce_line_text(x, line, where), why);
}

void produce_on_delivery(void *arg, const struct producer_delivery *d)
{
	struct produce *x = arg;
	int64_t line = (intptr_t)d->tag;

	if (d->error->err == OK) {
		x->written++;
		line_set_done(&x->lines, line);
	} else if (x->is_ending) {
		if (x->unanswered.count == 0)
			x->error = *d->error;
		produce_note_left(&x->unanswered, line);
	} else {
		produce_line_failed(x, line, tool_exit_code(d->error), d->error->text);
	}
}

/* ---- between records ---- */

static int64_t bytes_done(const struct produce *x)
{
	int64_t read = x->closed_bytes + x->input.read_bytes - (int64_t)(x->input.bytes.len - x->input.at);
	int64_t pending = producer_pending(x->producer);

	return x->line == 0 ? 0 : MAX(0, read - (int64_t)((double)read / (double)x->line * (double)pending));	/* lines are taken for equally long */
}

/* The last line of which something is known: of a resumed input that may be more than has been read this time. */
static int64_t last_line(const struct produce *x)
{
	return MAX(x->line, x->resume.read);
}

static bool write_resume(struct produce *x)
{
	if (!resume_write(&x->resume, x->resume_path, strbuf_cstr(&x->resume_head), &x->lines, last_line(x)))
		return false;
	x->has_resume_file = true;
	return true;
}

bool produce_begin_resume(struct produce *x)
{
	static const char *const forms[] = { "text", "json", "ndjson" };
	char why[200];

	if (x->resume_path == NULL)
		return true;
	resume_head(&x->resume_head, x->topic, forms[x->form], x->input.delimiter, x->files, x->file_count);
	switch ((int)resume_open(&x->resume, x->resume_path, strbuf_cstr(&x->resume_head), why)) {
	case OK:
		x->has_resume_file = true;
		line_set_begin(&x->lines, x->resume.read, x->resume.missing, x->resume.missing_count);
		tool_say("going on behind what %s says is acknowledged", x->resume_path);
		break;
	case ERR_NOT_FOUND:
		break;
	default:
		tool_say("%s", why);
		x->code = EXIT_USAGE;
		return false;
	}
	if (x->has_resume_file || write_resume(x))	/* now, not when it is needed, is the time to learn that it cannot be written */
		return true;
	tool_say("cannot write %s: %s", x->resume_path, strerror(errno));
	unlink(x->resume_path);		/* nothing is in it */
	x->code = EXIT_USAGE;
	return false;
}

void produce_tick(struct produce *x)
{
	mono_ms now;

	if (x->progress.is_on)
		progress_tick(&x->progress, bytes_done(x), x->total_bytes, x->written);
	if (x->resume_path == NULL)
		return;
	now = os_mono_ms(os_real());
	if (x->resume_at == 0)
		x->resume_at = now + RESUME_EVERY_MS;
	if (now < x->resume_at)
		return;
	x->resume_at = now + RESUME_EVERY_MS;
	if (!write_resume(x) && x->code == EXIT_OK) {
		produce_say(x, "cannot write %s: %s", x->resume_path, strerror(errno));
		x->code = EXIT_FAILED;
	}
}

bool produce_is_out_of_time(struct produce *x)
{
	mono_ms now = os_mono_ms(os_real());

	if (!tool_is_stopped())
		return false;
	if (x->stop_at == 0) {
		x->stop_at = now + PRODUCE_STOP_MS;
		if (producer_pending(x->producer) > 0)
			produce_say(x, "stopped; %lld record%s no answer yet, %d s are left for them; one more signal ends at once",
				    (long long)producer_pending(x->producer), producer_pending(x->producer) == 1 ? " has" : "s have", PRODUCE_STOP_MS / 1000);
	}
	return now >= x->stop_at;
}

/* ---- in the end ---- */

static void say_left(struct produce *x, const struct left *l, const char *what)
{
	char where[300];

	if (l->count == 0)
		return;
	produce_say(x, "%lld record%s in %s: %s", (long long)l->count, l->count == 1 ? "" : "s, the first of them", produce_line_text(x, l->first, where), what);
	if (x->code == EXIT_OK)
		x->code = EXIT_FAILED;
}

/* "lines 3, 7-9", how many they are. */
static int64_t list_gaps(const struct produce *x, struct strbuf *out)
{
	struct line_gaps gaps;
	struct line_range r;
	int64_t lines = 0, ranges = 0;

	line_gaps_begin(&gaps, &x->lines, last_line(x));
	while (line_gaps_next(&gaps, &r)) {
		lines += r.last - r.first + 1;
		if (ranges++ >= RANGES_TOLD)
			continue;
		strbuf_printf(out, "%s%lld", ranges > 1 ? ", " : "", (long long)r.first);
		if (r.last > r.first)
			strbuf_printf(out, "-%lld", (long long)r.last);
	}
	if (ranges > RANGES_TOLD)
		strbuf_printf(out, " and %lld range%s more", (long long)(ranges - RANGES_TOLD), ranges == RANGES_TOLD + 1 ? "" : "s");
	return lines;
}

/* All lines up to which are acknowledged. */
static int64_t line_before_gaps(const struct produce *x)
{
	struct line_gaps gaps;
	struct line_range r;

	line_gaps_begin(&gaps, &x->lines, last_line(x));
	return line_gaps_next(&gaps, &r) ? r.first - 1 : last_line(x);
}

static void say_how_to_go_on(struct produce *x, int64_t missing)
{
	int64_t base = line_before_gaps(x), again = last_line(x) - base - missing;

	if (x->resume_path != NULL) {
		produce_say(x, "to go on with exactly these: the same command; %s keeps them", x->resume_path);
		return;
	}
	if (x->is_over && x->unsent.count == 0 && x->unanswered.count == 0)
		return;		/* refused for good: they are named, and there is nothing behind them */
	if (again == 0)
		produce_say(x, "to go on: the same command with --skip-lines %lld", (long long)base);
	else
		produce_say(x, "to go on: the same command with --skip-lines %lld; it writes %lld lines that are acknowledged a second time, "
			    "which --resume FILE from the beginning avoids",
			    (long long)base, (long long)again);
}

static void say_outcome(struct produce *x)
{
	struct strbuf list = STRBUF_INIT;
	int64_t missing = list_gaps(x, &list);
	bool has_rest = !x->is_over && (x->is_file || x->code != EXIT_OK);
	char where[300];

	if (missing > 0)
		produce_say(x, "%lld record%s acknowledged; not acknowledged: %lld line%s%s, %s%s", (long long)x->written,
			    x->written == 1 ? " is" : "s are", (long long)missing, missing > 1 ? "s" : "",
			    x->file_count > 1 ? ", counted through all files" : "", strbuf_cstr(&list), has_rest ? ", and all behind them" : "");
	else if (!x->is_over)
		produce_say(x, "%lld record%s acknowledged, up to %s%s", (long long)x->written, x->written == 1 ? " is" : "s are",
			    produce_line_text(x, x->line, where), has_rest ? "; nothing behind it" : "");
	if (x->is_over && x->skip_lines > last_line(x))
		produce_say(x, "--skip-lines %lld: the input ends with line %lld", (long long)x->skip_lines, (long long)last_line(x));
	if (missing > 0 || has_rest)
		say_how_to_go_on(x, missing);
	if (has_rest && x->code == EXIT_OK)
		x->code = EXIT_FAILED;
	strbuf_fini(&list);
}

/* It is there as long as something is missing. */
static void end_resume(struct produce *x)
{
	if (x->resume_path == NULL)
		return;
	if (x->code == EXIT_OK && x->is_over && x->failed == 0)
		unlink(x->resume_path);
	else if (!write_resume(x))
		produce_say(x, "cannot write %s, which is as it was: %s", x->resume_path, strerror(errno));
}

int produce_finish(struct produce *x)
{
	x->is_ending = true;
	producer_destroy(&x->producer);		/* reports what is left */
	if (x->failed > FAILURES_TOLD)
		produce_say(x, "%lld lines were not written, %lld were", (long long)x->failed, (long long)x->written);
	say_left(x, &x->unanswered, x->error.text);
	say_left(x, &x->unsent, "read and not written");
	say_outcome(x);
	end_resume(x);
	return x->code != EXIT_OK && x->written > 0 ? EXIT_PARTIAL : x->code;
}
