/*
 * The screen of skein top: four lines about the whole cluster, the tables of the view, and a last line about keys. Every line fits the width, whatever it is.
 */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "screen.h"

#define HEAD_LINES 4
#define LAST_LINES 1

/* ---- lines made of pieces ---- */

struct line {
	struct strbuf *out;
	int            left;		/* cells */
	bool           has_color, has_unicode;
};

static struct line line_begin(const struct top *t, struct strbuf *out, int columns)
{
	return (struct line){ .out = out, .left = columns, .has_color = t->has_color, .has_unicode = t->has_unicode };
}

static void line_vadd(struct line *l, const char *before, const char *after, const char *fmt, va_list ap) PRINTF(4, 0);
static void line_vadd(struct line *l, const char *before, const char *after, const char *fmt, va_list ap)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_vprintf(&text, fmt, ap);
	if (l->left > 0) {
		strbuf_add_str(l->out, before);
		l->left -= table_add_cut(l->out, strbuf_slice(&text), l->left, l->has_unicode);
		strbuf_add_str(l->out, *before != '\0' ? after : "");
	}
	strbuf_fini(&text);
}

static void PRINTF(2, 3) line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_vadd(l, "", "", fmt, ap);
	va_end(ap);
}

static void PRINTF(3, 4) line_mark(struct line *l, enum table_mark mark, const char *fmt, ...)
{
	static const char *const sequences[] = { [TABLE_PLAIN] = "", [TABLE_BAD] = "\033[1;31m", [TABLE_WARN] = "\033[33m", [TABLE_DIM] = "\033[2m" };
	va_list ap;

	va_start(ap, fmt);
	line_vadd(l, l->has_color ? sequences[mark] : "", "\033[0m", fmt, ap);
	va_end(ap);
}

/* Told apart without colour as well, so it is shown in reverse on every terminal. */
static void PRINTF(2, 3) line_reverse(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_vadd(l, "\033[7m", "\033[0m", fmt, ap);
	va_end(ap);
}

/* ---- sums ---- */

struct top_flow top_flow_of(const struct top *t)
{
	struct top_flow f = { .records = t->before != NULL ? 0 : -1, .bytes = -1, .size = -1, .usable = -1, .total = -1 };

	for (int i = 0; i < t->now->topic_count; i++) {
		const struct look_topic *topic = &t->now->topics[i];
		double bytes = look_bytes_rate(t->now, t->before, topic);

		if (t->before != NULL)
			f.records += MAX(look_records_rate(t->now, t->before, topic), 0);
		f.bytes = bytes >= 0 ? MAX(f.bytes, 0) + bytes : f.bytes;
	}
	for (int i = 0; i < t->now->broker_count; i++) {
		const struct look_broker *b = &t->now->brokers[i];

		f.online += b->is != NULL;
		f.size = look_sum(f.size, b->bytes);
		f.usable = look_sum(f.usable, b->bytes_usable);
		f.total = look_sum(f.total, b->bytes_total);
	}
	return f;
}

/* ---- the head ---- */

static void clock_text(char out[16], time_ms time)
{
	time_t seconds = (time_t)(time / 1000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	snprintf(out, 16, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void draw_title(const struct top *t, const struct top_flow *f, int columns, struct strbuf *out)
{
	struct line l = line_begin(t, out, columns);
	char clock[16];

	clock_text(clock, t->now->time);
	line_reverse(&l, "skein top");
	if (t->is_paused)
		line_mark(&l, TABLE_WARN, "  paused");
	line_add(&l, "  cluster "SLICE_FMT"  ", SLICE_ARG(t->now->cluster_id));
	line_mark(&l, f->online < t->now->broker_count ? TABLE_BAD : TABLE_PLAIN, "%d of %d broker%s", f->online, t->now->broker_count,
			t->now->broker_count == 1 ? "" : "s");
	line_add(&l, "  %s  every %g s", clock, (double)t->interval_ms / 1000);
	strbuf_add_char(out, '\n');
}

static void draw_sums(const struct top *t, int columns, struct strbuf *out)
{
	struct line l = line_begin(t, out, columns);

	line_add(&l, "topics %d  partitions %d  ", t->now->topic_count, t->now->partition_count);
	line_mark(&l, t->now->offline > 0 ? TABLE_BAD : TABLE_PLAIN, "offline %d", t->now->offline);
	line_add(&l, "  ");
	line_mark(&l, t->now->behind > 0 ? TABLE_WARN : TABLE_PLAIN, "under-replicated %d", t->now->behind);
	line_add(&l, "  groups %d", t->now->group_count);
	strbuf_add_char(out, '\n');
}

static void draw_flow(const struct top *t, const struct top_flow *f, int columns, struct strbuf *out)
{
	struct line l = line_begin(t, out, columns);
	char a[SHOW_TEXT_SIZE], b[SHOW_TEXT_SIZE], c[SHOW_TEXT_SIZE];

	line_add(&l, "in %s records/s, %s/s  ", show_rate(a, f->records), show_bytes(b, f->bytes < 0 ? -1 : (int64_t)f->bytes));
	line_add(&l, "size %s  free %s", show_bytes(a, f->size), show_bytes(b, f->usable));
	if (t->has_requests)
		line_add(&l, "  requests %s/s (produce %s, fetch %s)", show_rate(a, t->requests.all), show_rate(b, t->requests.produce),
				show_rate(c, t->requests.fetch));
	strbuf_add_char(out, '\n');
}

static enum top_view tab_of(enum top_view view)
{
	return view == TOP_BROKER ? TOP_BROKERS : view == TOP_TOPIC ? TOP_TOPICS : view == TOP_GROUP ? TOP_GROUPS : view;
}

static void draw_tabs(const struct top *t, int columns, struct strbuf *out)
{
	struct line l = line_begin(t, out, columns);

	for (int i = 0; i < TOP_TABS; i++) {
		int troubles = i == TOP_TROUBLE ? t->now->offline + t->now->behind : 0;

		line_add(&l, "%s", i > 0 ? " " : "");
		if (tab_of(t->view) == (enum top_view)i)
			line_reverse(&l, " %s ", top_view_name((enum top_view)i));
		else if (troubles > 0)
			line_mark(&l, t->now->offline > 0 ? TABLE_BAD : TABLE_WARN, " %s ", top_view_name((enum top_view)i));
		else
			line_add(&l, " %s ", top_view_name((enum top_view)i));
	}
	if (t->view >= TOP_TABS)
		line_add(&l, "  %s", t->inside);
	if (top_sort_name(t, t->view) != NULL)
		line_mark(&l, TABLE_DIM, "  by %s", top_sort_name(t, t->view));
	if (t->filter[0] != '\0' && !t->is_typing)
		line_mark(&l, TABLE_WARN, "  /%s", t->filter);
	strbuf_add_char(out, '\n');
}

/* ---- the middle ---- */

static int count_lines(const struct strbuf *out, size_t from)
{
	int n = 0;

	for (size_t i = from; i < out->len; i++)
		n += out->ptr[i] == '\n';
	return n;
}

static void draw_overview(struct top *t, int rows, const struct table_form *form, struct strbuf *out)
{
	int brokers = MIN(MAX(t->now->broker_count, 1), MAX(rows / 4, 1)), left = rows - brokers - 3;	/* three heads */
	int groups = MIN(MAX(t->now->group_count, 1), MAX(left / 2, 1)), topics = MAX(left - groups, 1);

	(void)top_table(t, TOP_BROKERS, form, brokers, false, out);
	(void)top_table(t, TOP_TOPICS, form, topics, false, out);
	for (int n = MIN(t->now->topic_count, topics); n < topics; n++)
		strbuf_add_char(out, '\n');
	(void)top_table(t, TOP_GROUPS, form, groups, false, out);
}

static const char *empty_text(const struct top *t)
{
	return t->filter[0] != '\0' ? "  nothing whose name holds this" : t->view == TOP_TROUBLE ? "  all replicas of all partitions are in sync" :
	       t->view == TOP_GROUPS ? "  no groups" : t->view == TOP_TOPICS ? "  no topics" : t->view >= TOP_TABS ? "  nothing here, or not any more" : "";
}

static const char *const help_lines[] = {
	"", "  1-5, Tab, left, right   the view: overview, brokers, topics, groups, trouble",
	"  up, down, PgUp, PgDn    the row; Home, End",
	"  Enter                   into it: partitions, a group's lag, a broker's disks",
	"  Esc, Backspace          back", "  s                       another order", "  /                       only names that hold a text; Esc ends it",
	"  space                   pause, and go on", "  + -                     look more, or less, often", "  q                       end", "",
	"  Rates are what came in since the last look; lag time is the age of the first",
	"  record that a group has not consumed. \"-\": a broker has not told in time.", "", "  Any key goes back.",
};

static void draw_help(const struct top *t, int rows, int columns, struct strbuf *out)
{
	for (int i = 0; i < rows && i < (int)ARRAY_LEN(help_lines); i++) {
		struct line l = line_begin(t, out, columns);

		line_add(&l, "%s", help_lines[i]);
		strbuf_add_char(out, '\n');
	}
}

static void draw_middle(struct top *t, int rows, int columns, struct strbuf *out)
{
	struct table_form form = { .width = columns, .has_color = t->has_color, .has_unicode = t->has_unicode };

	if (t->is_help)
		draw_help(t, rows, columns, out);
	else if (t->view == TOP_OVERVIEW)
		draw_overview(t, rows, &form, out);
	else if (top_table(t, t->view, &form, MAX(rows - 1, 1), true, out) == 0 && rows > 1) {
		struct line l = line_begin(t, out, columns);

		line_add(&l, "%s", empty_text(t));
		strbuf_add_char(out, '\n');
	}
}

/* ---- the last line ---- */

static void draw_last(const struct top *t, int columns, struct strbuf *out)
{
	struct line l = line_begin(t, out, columns);
	char clock[16] = "";

	if (t->is_typing) {
		line_add(&l, "/%s", t->filter);
		line_reverse(&l, " ");
	} else if (t->trouble.err != OK) {
		clock_text(clock, t->now != NULL ? t->now->time : 0);
		line_mark(&l, TABLE_BAD, "%s%s%s", t->trouble.text, t->now != NULL ? "; as of " : "", t->now != NULL ? clock : "");
	} else {
		line_mark(&l, TABLE_DIM, "q end  tab view  enter open  s sort  / filter  space pause  +/- pace  h help");
	}
	strbuf_add_char(out, '\n');
}

void top_draw(struct top *t, int rows, int columns, struct strbuf *out)
{
	struct strbuf all = STRBUF_INIT;
	struct top_flow flow;

	if (t->now != NULL) {
		flow = top_flow_of(t);
		draw_title(t, &flow, columns, &all);
		draw_sums(t, columns, &all);
		draw_flow(t, &flow, columns, &all);
		draw_tabs(t, columns, &all);
		draw_middle(t, MAX(rows - HEAD_LINES - LAST_LINES, 1), columns, &all);
	}
	for (int n = count_lines(&all, 0); n < rows - LAST_LINES; n++)
		strbuf_add_char(&all, '\n');
	const char *end = strbuf_cstr(&all);

	for (int n = 0; n < rows - LAST_LINES; n++)	/* of a very small screen what fits */
		end = strchr(end, '\n') + 1;
	strbuf_add(out, strbuf_cstr(&all), (size_t)(end - strbuf_cstr(&all)));
	draw_last(t, columns, out);
	strbuf_fini(&all);
}

/* ---- keys ---- */

static void go_to(struct top *t, enum top_view view)
{
	t->view = view;
	t->inside[0] = '\0';
}

/* Two keys may come before anything is drawn: which row the place is at is found out now. */
static void settle(struct top *t)
{
	struct strbuf unseen = STRBUF_INIT;
	struct table_form form = { .width = 0 };

	if (t->now != NULL && t->view != TOP_OVERVIEW)
		(void)top_table(t, t->view, &form, 1, true, &unseen);
	strbuf_fini(&unseen);
}

static void go_inside(struct top *t)
{
	static const enum top_view inner[TOP_TABS] = { [TOP_BROKERS] = TOP_BROKER, [TOP_TOPICS] = TOP_TOPIC, [TOP_GROUPS] = TOP_GROUP,
			[TOP_TROUBLE] = TOP_TOPIC };
	const struct top_place *place = &t->places[t->view];

	settle(t);
	if (t->view == TOP_OVERVIEW || t->view >= TOP_TABS || place->name[0] == '\0')
		return;
	snprintf(t->inside, sizeof(t->inside), "%s", place->name);
	if (t->view == TOP_TROUBLE)
		*strrchr(t->inside, ':') = '\0';	/* of orders:3 the topic */
	t->view = inner[t->view];
	t->places[t->view] = (struct top_place){ .sort = t->places[t->view].sort };
	t->filter[0] = '\0';
}

static void go_back(struct top *t)
{
	if (t->filter[0] != '\0')
		t->filter[0] = '\0';
	else if (t->view >= TOP_TABS)
		go_to(t, tab_of(t->view));
}

static void move(struct top *t, int by)
{
	struct top_place *place = &t->places[t->view];

	place->picked = by < 0 ? MAX(place->picked + by, 0) : place->picked + MIN(by, INT32_MAX - place->picked);
	place->name[0] = '\0';		/* it is another one now: drawing finds out which */
}

static void type(struct top *t, int key)
{
	size_t len = strlen(t->filter);

	if (key == KEY_ESCAPE)
		t->filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\r' || key == '\n')
		t->is_typing = false;
	else if (key == KEY_BACKSPACE && len > 0)
		t->filter[len - 1] = '\0';
	else if (key >= ' ' && key < KEY_BACKSPACE && len + 1 < sizeof(t->filter))
		snprintf(t->filter + len, sizeof(t->filter) - len, "%c", key);
}

static void change_interval(struct top *t, bool is_longer)
{
	static const int64_t steps[] = { 500, 1000, 2000, 5000, 10000, 30000, 60000 };
	const int n = (int)ARRAY_LEN(steps);

	if (is_longer) {
		for (int i = 0; i < n; i++) {
			if (steps[i] > t->interval_ms) {
				t->interval_ms = steps[i];
				return;
			}
		}
	} else {
		for (int i = n - 1; i >= 0; i--) {
			if (steps[i] < t->interval_ms) {
				t->interval_ms = steps[i];
				return;
			}
		}
	}
}

bool top_key(struct top *t, int key, int rows)
{
	int page = MAX(rows - HEAD_LINES - LAST_LINES - 2, 1);

	if (t->is_typing || t->is_help) {
		if (t->is_typing)
			type(t, key);
		t->is_help = false;
		return true;
	}
	switch (key) {
	case 'q': case 'Q': return false;
	case 'h': case '?': t->is_help = true; break;
	case '\t': case KEY_RIGHT: go_to(t, (tab_of(t->view) + 1) % TOP_TABS); break;
	case KEY_BACK_TAB: case KEY_LEFT: go_to(t, (tab_of(t->view) + TOP_TABS - 1) % TOP_TABS); break;
	case '1': case '2': case '3': case '4': case '5': go_to(t, (enum top_view)(key - '1')); break;
	case KEY_UP: case 'k': move(t, -1); break;
	case KEY_DOWN: case 'j': move(t, 1); break;
	case KEY_PAGE_UP: move(t, -page); break;
	case KEY_PAGE_DOWN: move(t, page); break;
	case KEY_HOME: move(t, -INT32_MAX); break;
	case KEY_END: move(t, INT32_MAX); break;
	case '\r': case '\n': go_inside(t); break;
	case KEY_ESCAPE: case KEY_BACKSPACE: go_back(t); break;
	case 's': t->places[t->view].sort = (t->places[t->view].sort + 1) % MAX(top_sort_count(t->view), 1); break;
	case '/': t->is_typing = true; t->filter[0] = '\0'; break;
	case ' ': t->is_paused = !t->is_paused; break;
	case '+': case '=': change_interval(t, false); break;	/* more often */
	case '-': case '_': change_interval(t, true); break;
	default: break;
	}
	return true;
}
