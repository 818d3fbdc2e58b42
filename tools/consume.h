/*
 * What the parts of skein consume share: partitions and how far they are (consume_places.c), being a member of a group (consume_group.c), what goes
 * out (consume_output.c), and the loop around them (consume.c).
 *
 * Owner: the tool's thread. A record counts as written when the system has taken all its bytes, and only those are committed.
 */
#ifndef SKEIN_TOOL_CONSUME_H
#define SKEIN_TOOL_CONSUME_H

#include "client/consumer.h"
#include "client/group_member.h"
#include "client/topic_pattern.h"
#include "record_filter.h"
#include "record_print.h"
#include "tail.h"
#include "tool.h"
#include "value.h"

#define CONSUME_PLACES_MAX 10000
#define CONSUME_TOPICS_MAX 1000

struct place {			/* a partition that is read */
	const char *topic;	/* lives as long as the client, which has one for each name: pointers can be compared */
	int32_t     partition;
	bool        has_ended;	/* has been at its end, or has failed */
	bool        is_begun_anew;	/* its group stood where there is nothing any more */
	char       *trouble;	/* what it suffers from, told since its last record; NULL */
	bool        is_sought;	/* tail: the place to begin is looked for */
	struct tail tail;
	int64_t     written;	/* the next offset to be written; -1: nothing has been */
	int32_t     written_epoch;
};

struct output_mark {		/* the end of a record in the output */
	size_t        end;
	struct place *place;
	int64_t       next;	/* offset behind the record */
	int32_t       epoch;
	bool          is_record;	/* false: one that was not printed, so that it counts as written as well */
};

struct output {
	struct strbuf       bytes;
	struct output_mark *marks;
	size_t              mark_count, mark_capacity;
	int64_t             written;		/* records, whole */
	bool                is_broken;		/* for ever: nothing more goes out */
	bool                is_cut_off;	/* broken by a signal that came while the reader did not read: no failure */
};

struct consume {
	const char         *group;
	struct skein_config config;		/* what -X says */
	char              **names;		/* topics, or with is_pattern expressions for whole names */
	int                 name_count;
	bool                is_pattern, with_internal;
	struct topic_pattern *pattern;		/* NULL: not is_pattern, or not begun */
	struct value_start  start;
	bool                is_start_told;
	int64_t             tail_count;		/* -1: not asked for */
	bool                exits_at_end, with_control;
	int64_t             count_max;		/* -1: no end */
	int32_t            *numbers;		/* partitions asked for, of each topic */
	int                 number_count;	/* 0: all */
	int64_t             stall_ms;
	struct record_filter filter;
	struct record_print print;
	struct client      *client;
	struct consumer    *consumer;		/* NULL: the group has not said what to read */
	struct group_member *member;		/* NULL: without a group */
	const char         *topics[CONSUME_TOPICS_MAX];
	int                 topic_count;
	struct place       *places;		/* by topic and partition */
	int                 place_count;
	struct place       *last;		/* of the last event; NULL */
	int                 ended_count, trouble_count;	/* places that have ended; and those that have not, and suffer */
	mono_ms             last_progress, commit_at, discover_at;
	struct output       output;
	int64_t             count;		/* printed; some of them may not be written yet */
	bool                has_failed;		/* the group will not have us */
	char               *group_trouble;	/* what it suffers from, told since it last gave us partitions; NULL */
	int                 code;
};

/* ---- consume_places.c ---- */

/* Which topics and partitions there are to be read. False: x->code is set, and why is said. */
bool consume_find_topics(struct consume *x);
bool consume_find_places(struct consume *x);
/* Takes the places (mem_calloc), count of them, and begins to read none of them. */
void consume_set_places(struct consume *x, struct place *places, int count);
void consume_drop_places(struct consume *x);
/* x->topics becomes what the pattern matches. False: it is too much, which is said, and the list is as it was. */
bool consume_take_matching(struct consume *x);
void consume_begin(struct consume *x, struct place *p);		/* as --from and its like say */
bool consume_begin_tails(struct consume *x);			/* all places, as --tail says; false: x->code is set */
/* While following: topics that a pattern matches now, and partitions that there were not before; every few seconds. */
void consume_discover(struct consume *x);
/* NULL: it is not read. Adding and removing moves the others. */
struct place *consume_place(struct consume *x, const char *topic, int32_t partition);
struct place *consume_add_place(struct consume *x, const char *topic, int32_t partition);	/* not assigned yet, if it is new; NULL: no room, or the output is broken */
void consume_remove_place(struct consume *x, const char *topic, int32_t partition);
/* One event. False: the output is broken. */
bool consume_on_event(struct consume *x, const struct consumer_event *e);
/* Nothing has come for so long, and every place that is waited for has said why; or the group, which has given us none. */
bool consume_is_stalled(const struct consume *x);
void consume_give_up(struct consume *x);

/* ---- consume_output.c ---- */

/* False: the output is broken. */
bool consume_print(struct consume *x, struct place *p, const struct consumer_event *e);
/* It was looked at and is not printed. */
void consume_skip(struct consume *x, struct place *p, const struct consumer_event *e);
/* All that there is, for which the client may have turns; what has been written is noted in its place. False after saying why: it could not, from then on for ever. */
bool consume_flush(struct consume *x);
void consume_output_fini(struct output *o);

/* ---- consume_group.c ---- */

void consume_join(struct consume *x);
/* A member subscribes to what its pattern matches now. */
void consume_group_discover(struct consume *x);
bool consume_group_turn(struct consume *x);	/* false: there was nothing to do */
void consume_leave(struct consume *x);
void consume_set_group_trouble(struct consume *x, const char *text);

#endif
