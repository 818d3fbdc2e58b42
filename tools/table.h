/*
 * Tables of text for people: what does not fit the terminal is cut, the least important first, or left out; what goes into a pipe or a file is whole.
 *
 * Owner:  whoever holds the struct. Cells are copied; the columns are borrowed.
 * Widths: in cells of a terminal, not in bytes. What a terminal would obey (controls, strays) comes out as "?".
 */
#ifndef SKEIN_TOOL_TABLE_H
#define SKEIN_TOOL_TABLE_H

#include "base/strbuf.h"

/* What a cell is shown as where there is colour. */
enum table_mark { TABLE_PLAIN, TABLE_BAD, TABLE_WARN, TABLE_DIM };

struct table_column {
	const char *head;
	bool        is_number;		/* stands to the right */
	int8_t      rank;		/* 0: is left out only where nothing else is left; else the largest is the first to go */
	int8_t      width_min;		/* may be cut down to that; 0: is not cut */
};

struct table_cell {
	uint32_t at, len;		/* in the text */
	int32_t  width;
	uint8_t  mark;
};

struct table {
	const struct table_column *columns;
	int                        column_count;
	struct strbuf              text;
	struct table_cell         *cells;	/* row after row */
	int                        cell_count, room;
};

#define TABLE_COLUMNS_MAX 16

/* How it is to look. All zero bytes: whole, without colour, in ASCII. */
struct table_form {
	int  width;			/* cells of a line; 0: no limit */
	bool has_color;
	bool has_unicode;		/* what is cut ends with an ellipsis, else with "~" */
	int  indent;			/* blanks before each line */
	int  first, rows;		/* of the rows only these; rows 0: all from the first on */
	bool has_pick;			/* this row is shown as the chosen one */
	int  pick;
};

void table_init(struct table *t, const struct table_column *columns, int column_count);
void table_fini(struct table *t);
void table_reset(struct table *t);	/* no rows */
/* The next cell of the row, or the first of the next one. */
void table_add(struct table *t, enum table_mark mark, const char *fmt, ...) PRINTF(3, 4);
int  table_rows(const struct table *t);

/* Appends a line of heads and a line per row, each ending with a newline. */
void table_format(const struct table *t, const struct table_form *form, struct strbuf *out);

/* As it fits what stdout is: no limit and no colour unless it is a terminal, whose width is taken; no colour with NO_COLOR or TERM=dumb. */
struct table_form table_form_stdout(void);

/* Text between the marks' sequences; without colour as it is. */
void table_paint(struct strbuf *out, bool has_color, enum table_mark mark, const char *text);
/* Appends as much of the text as fits into width cells, made safe for a terminal and ending with the ellipsis when it was cut. How many cells it takes. */
int  table_add_cut(struct strbuf *out, struct slice text, int width, bool has_unicode);
/* Cells that the text takes. */
int  table_width(struct slice text);

#endif
