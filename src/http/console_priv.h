/* What the parts of the console share. */
#ifndef SKEIN_HTTP_CONSOLE_PRIV_H
#define SKEIN_HTTP_CONSOLE_PRIV_H

#include "http/console.h"
#include "http/json.h"

#define INQUIRIES_MAX 16

struct inquiry {
	struct console *console;	/* NULL: a free place */
	const struct metrics_world  *w;		/* during a call */
	const struct console_request *r;	/* until console_ask returns */
	unsigned        status;
	struct strbuf   text;
	int             out;		/* messages */
	bool            is_done;
	void           *waiter;
	/* what goes on when all is home: asks again, or is done */
	void          (*on_home)(struct inquiry *q);
	void          (*free_state)(void *state);
	void           *state;		/* of that */
};

struct console {
	struct console_spec spec;
	struct inquiry      inquiries[INQUIRIES_MAX];
};

/* m, initialised, goes to the partition. False: it is the caller's still. */
bool inquiry_ask(struct inquiry *q, struct partition_addr *to, struct msg *m);
void inquiry_refuse(struct inquiry *q, unsigned status, const char *sentence);	/* done, with {"error": sentence} */

/* Arguments. */
struct slice argument(const struct inquiry *q, const char *name);
/* A whole number, or fallback where none is given. False: refused, as it is no number from min to max. */
bool argument_i64(struct inquiry *q, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *out) MUST_CHECK;
bool console_number(struct slice text, int64_t *out) MUST_CHECK;	/* digits, a sign before them; all of it */
/* The part of a list that is wanted: from, count. */
struct part {
	int64_t from, count;
};
bool argument_part(struct inquiry *q, struct part *out) MUST_CHECK;

struct partition_addr *console_replica(const struct cluster_partition *p);	/* NULL: not here */
/* The topic and, unless NULL, partition that are named. NULL: refused. */
const struct cluster_topic *argument_topic(struct inquiry *q, const struct cluster_partition **partition);

/* One function for each path. */
void console_overview(struct inquiry *q);
void console_brokers(struct inquiry *q);
void console_topics(struct inquiry *q);
void console_topic(struct inquiry *q);
void console_groups(struct inquiry *q);
void console_group(struct inquiry *q);
void console_messages(struct inquiry *q);

#endif
