#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_EVERY_MS 200
#define BAR_MAX       40
#define BAR_MIN       10
#define SMOOTHING     0.2		/* of a new measurement in the rate that is shown */

/* ---- the line ---- */

static void add_rate(struct strbuf *out, double n)
{
	static const char units[] = " kMGT";
	int unit = 0;

	for (; n >= 9999.5 && unit < 4; unit++)
		n /= 1000;
	if (unit == 0)
		strbuf_printf(out, "%.0f/s", n);
	else
		strbuf_printf(out, "%.*f%c/s", n < 99.95 ? 1 : 0, n, units[unit]);
}

static void add_left(struct strbuf *out, const struct progress_state *s)
{
	int64_t seconds = s->per_second > 0 ? (int64_t)((double)(s->total - s->done) / s->per_second + 0.999) : -1;

	if (seconds < 0 || seconds >= 360000)
		strbuf_add_str(out, "--:-- left");
	else if (seconds >= 3600)
		strbuf_printf(out, "%d:%02d:%02d left", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
	else
		strbuf_printf(out, "%d:%02d left", (int)(seconds / 60), (int)(seconds % 60));
}

static void add_bar(struct strbuf *out, const struct progress_state *s, int width)
{
	int full = s->total > 0 ? (int)((double)s->done / (double)s->total * width) : 0;

	strbuf_add_char(out, '[');
	for (int i = 0; i < width; i++)
		strbuf_add_char(out, i < full ? '=' : ' ');
	strbuf_add_str(out, "]  ");
}

/* Names are text, cut between characters of UTF-8; each counts as a column. */
static int text_columns(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void progress_line(struct strbuf *out, const char *name, const struct progress_state *s, int columns)
{
	struct strbuf records = STRBUF_INIT, rate = STRBUF_INIT, left = STRBUF_INIT;
	int percent = s->total > 0 ? (int)((double)s->done / (double)s->total * 100) : 0;
	int room = columns - 3, head = text_columns(name) + 2;

	strbuf_printf(&records, "%lld records  ", (long long)s->records);
	add_rate(&rate, s->records_per_second);
	strbuf_add_str(&rate, "  ");
	add_left(&left, s);
	room -= 4 + 2 + (int)left.len;		/* " 50%" and two spaces; what always is there */
	bool has_name = room >= head;
	room -= has_name ? head : 0;
	bool has_rate = room >= (int)rate.len;
	room -= has_rate ? (int)rate.len : 0;
	bool has_records = has_rate && room >= (int)records.len;
	room -= has_records ? (int)records.len : 0;
	int bar = MIN(room - 4, BAR_MAX);
	if (has_name)
		strbuf_printf(out, "%s  ", name);
	if (bar >= BAR_MIN)
		add_bar(out, s, bar);
	strbuf_printf(out, "%3d%%  ", percent);
	if (has_records)
		strbuf_add_slice(out, strbuf_slice(&records));
	if (has_rate)
		strbuf_add_slice(out, strbuf_slice(&rate));
	strbuf_add_slice(out, strbuf_slice(&left));
	strbuf_fini(&records);
	strbuf_fini(&rate);
	strbuf_fini(&left);
}

/* ---- at the terminal ---- */

static bool is_set(const char *name)
{
	char value[64];

	return os_getenv(os_real(), name, value, sizeof(value)) > 0;
}

static bool can_draw(void)
{
	char term[64] = "";

	return isatty(2) && !is_set("NO_COLOR") && os_getenv(os_real(), "TERM", term, sizeof(term)) > 0 && strcmp(term, "dumb") != 0;
}

void progress_begin(struct progress *p, const char *name, bool is_wanted)
{
	*p = (struct progress){ .name = name, .is_on = is_wanted && can_draw(), .drawn_at = os_mono_ms(os_real()) };
}

void progress_fini(struct progress *p)
{
	progress_clear(p);
	strbuf_fini(&p->line);
	p->is_on = false;
}

void progress_clear(struct progress *p)
{
	if (p->is_shown)
		fputs("\r\033[K", stderr);
	p->is_shown = false;
}

static void measure(double *rate, int64_t n, double seconds)
{
	double now = (double)n / seconds;

	*rate = *rate == 0 ? now : *rate + SMOOTHING * (now - *rate);
}

void progress_tick(struct progress *p, int64_t done, int64_t total, int64_t records)
{
	struct winsize size;
	struct progress_state s = { .total = total, .done = MIN(done, total), .records = records };
	mono_ms now;

	if (!p->is_on)
		return;
	now = os_mono_ms(os_real());
	if (!p->has_begun)
		p->last_done = done;
	p->has_begun = true;
	if (now - p->drawn_at < DRAW_EVERY_MS)
		return;
	measure(&p->per_second, done - p->last_done, (double)(now - p->drawn_at) / 1000);
	measure(&p->records_per_second, records - p->last_records, (double)(now - p->drawn_at) / 1000);
	p->last_done = done;
	p->last_records = records;
	p->drawn_at = now;
	s.per_second = p->per_second;
	s.records_per_second = p->records_per_second;
	strbuf_reset(&p->line);
	progress_line(&p->line, p->name, &s, ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
	fprintf(stderr, "\r%s\033[K", strbuf_cstr(&p->line));
	p->is_shown = true;
}
