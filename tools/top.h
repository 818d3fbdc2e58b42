/*
 * What the files of skein top share: what is shown, and what the user has chosen of it. Drawing is pure, so that it can be tested without a terminal.
 */
#ifndef SKEIN_TOOL_TOP_H
#define SKEIN_TOOL_TOP_H

#include "look.h"
#include "show.h"
#include "table.h"

enum top_view {
	TOP_OVERVIEW, TOP_BROKERS, TOP_TOPICS, TOP_GROUPS, TOP_TROUBLE,
	TOP_TABS,				/* what lies inside of a row: */
	TOP_BROKER = TOP_TABS, TOP_TOPIC, TOP_GROUP,
	TOP_VIEWS,
};

#define TOP_NAME_MAX 256

/* Where the user stands in a view: at a row, known by its name wherever it moves. */
struct top_place {
	int  picked, first;		/* first: the row that is shown on top */
	char name[TOP_NAME_MAX];
	int  sort;			/* by which of the view's orders */
};

struct top_requests {
	double all, produce, fetch;	/* per second; negative: not known */
};

struct top {
	const struct look  *now, *before;	/* NULL: there is none yet */
	struct top_requests requests;
	bool                has_requests;	/* a metrics listener is asked */
	struct client_error trouble;		/* of the last look: what is shown is older */
	int64_t             interval_ms;
	bool                is_paused, has_color, has_unicode;
	enum top_view       view;
	char                inside[TOP_NAME_MAX];	/* views from TOP_TABS on: of this broker, topic, group */
	struct top_place    places[TOP_VIEWS];
	char                filter[64];
	bool                is_typing, is_help;
};

/* rows lines of at most `columns` cells, each with its newline. Corrects the places: what was picked may be gone. */
void top_draw(struct top *t, int rows, int columns, struct strbuf *out);
/* A key. False: the user wants to leave. */
bool top_key(struct top *t, int key, int rows) MUST_CHECK;

/* One look without a terminal. */
void top_print(struct top *t, enum show_output output);

/* What both need: sums over the cluster; -1 unknown. */
struct top_flow {
	double  records, bytes;		/* per second */
	int64_t size, usable, total;
	int     online;
};
struct top_flow top_flow_of(const struct top *t);
double top_broker_rate(const struct top *t, const struct look_broker *b);	/* records per second into the partitions it leads; -1 unknown */

/* A view's table: at most rows of it, from `first` on; sorted and filtered. How many rows there are in all; picked: of a row that is shown as chosen, or -1. */
int top_table(struct top *t, enum top_view view, const struct table_form *form, int rows, bool has_pick, struct strbuf *out);
const char *top_view_name(enum top_view view);
const char *top_sort_name(const struct top *t, enum top_view view);	/* NULL: in one order only */
int top_sort_count(enum top_view view);

#endif
