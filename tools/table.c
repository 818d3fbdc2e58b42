/*
 * Columns get the width of their longest cell. When that is too much, those that may be cut are, from the least important one on; when that is not enough,
 * columns are left out; and what is left over in the end is given back to those that were cut, the most important one first. No line is ever longer than the terminal.
 */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"

#define GAP 2		/* blanks between columns */

/* ---- width of text ---- */

static uint32_t code_point(const uint8_t *p, size_t n)
{
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fU);
	return c;
}

/* Of what may be shown. The blocks that terminals draw two cells wide, and those that take none; without asking the locale, which may know of none of them. */
static int cells_of(uint32_t c)
{
	static const struct { uint32_t first, last; int8_t cells; } blocks[] = {
		{ 0x0300, 0x036f, 0 }, { 0x1100, 0x115f, 2 }, { 0x200b, 0x200f, 0 }, { 0x20d0, 0x20ff, 0 }, { 0x2e80, 0x303e, 2 }, { 0x3041, 0xa4cf, 2 },
		{ 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 },
		{ 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		if (c >= blocks[i].first && c <= blocks[i].last)
			return blocks[i].cells;
	}
	return 1;
}

/* Takes the next thing to be shown off the text: how many bytes, and cells. What must not be shown is one byte that takes a cell. */
static size_t next_cells(struct slice text, size_t at, int *cells, bool *is_safe)
{
	size_t n = utf8_visible_at(text.ptr + at, text.len - at);

	*is_safe = n > 0;
	*cells = n > 0 ? cells_of(code_point(text.ptr + at, n)) : 1;
	return MAX(n, 1u);
}

int table_width(struct slice text)
{
	int width = 0, cells;
	bool is_safe;

	for (size_t at = 0; at < text.len; width += cells)
		at += next_cells(text, at, &cells, &is_safe);
	return width;
}

int table_add_cut(struct strbuf *out, struct slice text, int width, bool has_unicode)
{
	int room = table_width(text) > width ? width - 1 : width, used = 0, cells;
	bool is_safe;

	for (size_t at = 0, n; at < text.len; at += n) {
		n = next_cells(text, at, &cells, &is_safe);
		if (used + cells > room) {
			if (used >= width)
				break;
			strbuf_add_str(out, has_unicode ? "\u2026" : "~");
			return used + 1;
		}
		if (is_safe)
			strbuf_add(out, text.ptr + at, n);
		else
			strbuf_add_char(out, '?');
		used += cells;
	}
	return used;
}

/* ---- rows ---- */

void table_init(struct table *t, const struct table_column *columns, int column_count)
{
	ASSERT(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns = columns, .column_count = column_count };
}

void table_fini(struct table *t)
{
	strbuf_fini(&t->text);
	free(t->cells);
	t->cells = NULL;
	t->cell_count = t->room = 0;
}

void table_reset(struct table *t)
{
	strbuf_reset(&t->text);
	t->cell_count = 0;
}

void table_add(struct table *t, enum table_mark mark, const char *fmt, ...)
{
	size_t at = t->text.len;
	va_list ap;

	if (t->cell_count == t->room) {
		t->room = MAX(2 * t->room, 64);
		t->cells = mem_realloc_array(t->cells, (size_t)t->room, sizeof(*t->cells));
	}
	va_start(ap, fmt);
	strbuf_vprintf(&t->text, fmt, ap);
	va_end(ap);
	struct slice text = slice_of(strbuf_cstr(&t->text) + at, t->text.len - at);
	t->cells[t->cell_count++] = (struct table_cell){ .at = (uint32_t)at, .len = (uint32_t)text.len, .width = table_width(text), .mark = (uint8_t)mark };
}

int table_rows(const struct table *t)
{
	return t->cell_count / t->column_count;
}

static struct slice text_of(const struct table *t, const struct table_cell *cell)
{
	return slice_of(strbuf_cstr(&t->text) + cell->at, cell->len);
}

/* ---- widths of columns ---- */

enum { LEFT_OUT = -1 };

static int line_width(const int *widths, int count)
{
	int sum = 0, shown = 0;

	for (int i = 0; i < count; i++) {
		if (widths[i] == LEFT_OUT)
			continue;
		sum += widths[i];
		shown++;
	}
	return sum + GAP * MAX(shown - 1, 0);
}

/* The column with the largest rank for which something can still be done; -1: none. The later of two that are alike. */
static int least_important(const struct table *t, const int *widths, bool by_cutting)
{
	int found = -1;

	for (int i = 0; i < t->column_count; i++) {
		const struct table_column *c = &t->columns[i];
		bool is_able = by_cutting ? c->width_min > 0 && widths[i] > c->width_min : c->rank > 0 && widths[i] != LEFT_OUT;

		if (is_able && (found < 0 || c->rank >= t->columns[found].rank))
			found = i;
	}
	return found;
}

static void give_back(const struct table *t, int *widths, const int *wanted, int left)
{
	for (int rank = 0; left > 0 && rank <= INT8_MAX; rank++) {
		for (int i = 0; i < t->column_count; i++) {
			if (t->columns[i].rank != rank || widths[i] == LEFT_OUT)
				continue;
			int more = MIN(left, wanted[i] - widths[i]);

			widths[i] += more;
			left -= more;
		}
	}
}

static void fit(const struct table *t, int width, int *widths)
{
	int wanted[TABLE_COLUMNS_MAX], n = t->column_count, over, i;

	for (i = 0; i < n; i++)
		widths[i] = table_width(slice_str(t->columns[i].head));
	for (int k = 0; k < t->cell_count; k++)
		widths[k % n] = MAX(widths[k % n], t->cells[k].width);
	memcpy(wanted, widths, (size_t)n * sizeof(*widths));
	if (width <= 0)
		return;
	while ((over = line_width(widths, n) - width) > 0 && (i = least_important(t, widths, true)) >= 0)
		widths[i] = MAX(widths[i] - over, t->columns[i].width_min);
	while (line_width(widths, n) > width && (i = least_important(t, widths, false)) >= 0)
		widths[i] = LEFT_OUT;
	for (i = n - 1; i > 0 && line_width(widths, n) > width; i--)	/* what should never be left out goes all the same where there is no room at all */
		widths[i] = LEFT_OUT;
	if (line_width(widths, n) > width)
		widths[0] = width;
	give_back(t, widths, wanted, width - line_width(widths, n));
}

/* ---- lines ---- */

static const char *const sequences[] = { [TABLE_PLAIN] = "", [TABLE_BAD] = "\033[31m", [TABLE_WARN] = "\033[33m", [TABLE_DIM] = "\033[2m" };

void table_paint(struct strbuf *out, bool has_color, enum table_mark mark, const char *text)
{
	bool is_painted = has_color && mark != TABLE_PLAIN;

	strbuf_add_str(out, is_painted ? sequences[mark] : "");
	strbuf_add_str(out, text);
	strbuf_add_str(out, is_painted ? "\033[0m" : "");
}

static void add_blanks(struct strbuf *out, int n)
{
	if (n > 0)
		strbuf_printf(out, "%*s", n, "");
}

/* text_width: of the whole text. is_last: nothing follows, so nothing is filled up. */
static void add_cell(struct strbuf *out, const struct table_form *form, struct slice text, int text_width, int width, bool is_number,
		bool is_last, const char *sequence)
{
	int fill = MAX(width - text_width, 0);

	add_blanks(out, is_number ? fill : 0);
	strbuf_add_str(out, sequence);
	fill -= is_number ? fill : 0;
	if (text_width > width)
		fill = width - table_add_cut(out, text, width, form->has_unicode);
	else
		(void)table_add_cut(out, text, text_width, form->has_unicode);
	strbuf_add_str(out, *sequence != '\0' ? "\033[0m" : "");
	add_blanks(out, is_last ? 0 : fill);
}

/* cells NULL: the heads. */
static void add_line(const struct table *t, const struct table_form *form, const int *widths, const struct table_cell *cells,
		bool is_picked, struct strbuf *out)
{
	int last = t->column_count - 1;
	bool is_first = true;

	while (last > 0 && widths[last] == LEFT_OUT)
		last--;
	strbuf_add_str(out, is_picked ? "\033[7m" : "");
	add_blanks(out, form->indent);
	size_t begin = out->len;
	for (int i = 0; i <= last; i++) {
		const struct table_column *c = &t->columns[i];
		struct slice text = cells != NULL ? text_of(t, &cells[i]) : slice_str(c->head);
		const char *sequence = !form->has_color || is_picked ? "" : cells != NULL ? sequences[cells[i].mark] : "\033[1m";

		if (widths[i] == LEFT_OUT)
			continue;
		add_blanks(out, is_first ? 0 : GAP);
		add_cell(out, form, text, cells != NULL ? cells[i].width : table_width(text), widths[i], c->is_number,
				i == last && !is_picked, text.len > 0 ? sequence : "");
		is_first = false;
	}
	if (is_picked)
		strbuf_add_str(out, "\033[0m");
	else
		while (out->len > begin && out->ptr[out->len - 1] == ' ')	/* empty cells at the end */
			strbuf_truncate(out, out->len - 1);
	strbuf_add_char(out, '\n');
}

void table_format(const struct table *t, const struct table_form *form, struct strbuf *out)
{
	int widths[TABLE_COLUMNS_MAX], rows = table_rows(t);
	int end = form->rows > 0 ? MIN(rows, form->first + form->rows) : rows;

	ASSERT(t->cell_count % t->column_count == 0);
	fit(t, form->width > 0 ? MAX(form->width - form->indent, 1) : 0, widths);
	add_line(t, form, widths, NULL, false, out);
	for (int i = form->first; i < end; i++)
		add_line(t, form, widths, &t->cells[i * t->column_count], form->has_pick && form->pick == i, out);
}

/* ---- what stdout is ---- */

static bool is_utf8(void)
{
	const char *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && *value != '\0')
			return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
	}
	return false;
}

struct table_form table_form_stdout(void)
{
	struct table_form form = { .width = 0 };
	struct winsize size = { .ws_col = 0 };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	form.has_unicode = is_utf8();
	if (!isatty(STDOUT_FILENO))
		return form;
	form.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
	form.has_color = (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	return form;
}
