/*
 * Compaction of one log: README.md, "Compaction".
 *
 *	log_dirt(log, now, &d);                         owner: is it worth it, and up to where
 *	c = log_clean_begin(log, &d, &limits, now);     owner
 *	do log_clean_run(c);                            any thread, a slice at a time
 *	while ((e = log_clean_step(log, c, &more)) == OK && more);   owner, after each run
 *	log_clean_end(log, &c);                         owner
 *
 * Owner:   the log's, but for log_clean_run, which touches nothing of the log. One pass per log at a time. The log may change between
 *          begin and end, and even be closed (then end is given NULL); while log_is_settling it may neither be renamed nor handed over.
 * Memory:  the offset map, one read and one write buffer, what codecs keep, and copies of the segments' descriptions: from begin to end.
 */
#ifndef SKEIN_STORAGE_LOG_CLEAN_H
#define SKEIN_STORAGE_LOG_CLEAN_H

#include "storage/log.h"

struct log_clean;

struct log_clean_limits {
	uint64_t map_bytes;		/* of the offset map, at most */
	double   load_factor;		/* of it that is used */
	uint32_t io_bytes;		/* of the read buffer; a larger batch makes it larger while the pass lasts */
	uint64_t slice_bytes;		/* read and written by one run, about */
};

struct log_dirt {
	int64_t  first_dirty;		/* the log's dirty offset, or the log start where that cannot be true */
	int64_t  first_uncleanable;	/* a segment's base, >= the base of the segment that holds first_dirty */
	uint64_t clean_bytes, cleanable_bytes;
	bool     is_overdue;		/* max.compaction.lag.ms has passed for something in it */
	bool     was_invalid;		/* the dirty offset was below the start or beyond the end */
};
/* Reads an index entry or a header of segments where the topic has a compaction lag. */
enum err log_dirt(struct log *log, time_ms now, struct log_dirt *out) MUST_CHECK;
/* By the topic's configuration: more dirt than min.cleanable.dirty.ratio, or some that is overdue. */
bool     log_dirt_is_worth_it(const struct log *log, const struct log_dirt *d);

/* The first offset that no pass has mapped; for the checkpoint. -1: nothing was ever cleaned, or known to be. */
int64_t  log_dirty_offset(const struct log *log);
void     log_set_dirty_offset(struct log *log, int64_t offset);

struct log_clean *log_clean_begin(struct log *log, const struct log_dirt *d, const struct log_clean_limits *limits, time_ms now) MUST_CHECK;
void     log_clean_run(struct log_clean *c);
/*
 * What the owner has to do after a run. *has_more: run again. OK without: the pass is complete, the dirty offset moved on.
 *   ERR_AGAIN      the log has changed under it: a later pass
 *   passing errors what was to be written found no room: end it, unless the log is settling: then run and step again, later
 *   ERR_CORRUPT, ERR_UNSUPPORTED, ERR_TOO_LARGE  it cannot be cleaned
 *   others         of the device
 */
enum err log_clean_step(struct log *log, struct log_clean *c, bool *has_more) MUST_CHECK;
/* Since it was last asked. */
uint64_t log_clean_take_bytes(struct log_clean *c);
/* A group is taking the place of others and goes to its end: the log may not be cut below it. */
bool     log_is_settling(const struct log *log);

struct log_clean_result {		/* so far */
	int64_t  first_dirty, end;	/* offsets that were mapped */
	uint64_t keys;
	uint64_t bytes_before, bytes_after;	/* of the groups that were replaced */
	int      segments_before, segments_after;
};
void     log_clean_told(const struct log_clean *c, struct log_clean_result *out);
/* What is left of a group that did not get so far is renamed to .deleted; *leaves_files tells of any, of replaced segments too. log NULL: it is closed. */
void     log_clean_end(struct log *log, struct log_clean **c, bool *leaves_files);

#endif
