/*
 * A consumer of partitions that it is told. It fetches ahead, one answer per partition while the one before is read, checks
 * every batch's CRC and hands out one record after the other.
 *
 *	consumer_create(&s, c, &spec);
 *	consumer_assign(s, topic, 0, CONSUMER_EARLIEST);
 *	for (;;) {
 *		client_step(c, 100);
 *		while (consumer_next(s, &event)) ...
 *	}
 *
 * Sees:   records of open and of aborted transactions too, unless is_read_committed; transaction markers only if it wants_control.
 * Order:  offsets of a partition ascend, but for a seek and for a log that was cut off (which is told); between partitions there is no order.
 * Bounds: two answers per partition at most, each at most partition_bytes_max (or one batch that is larger), and nothing is asked for while fetch_bytes_max
 *         lie here unread.
 * Cut:    a leader that has lost what was read already says where its log and ours part (Fetch 12 and up): reading goes on there, with an event.
 * Racks:  with a rack the leader may name a replica to read from.
 * Owner:  the client's thread. Retriable trouble is retried for ever, and told once as an event.
 */
#ifndef SKEIN_CONSUMER_H
#define SKEIN_CONSUMER_H

#include "client/client.h"
#include "record/record.h"

struct consumer;
struct consumer_partition;

/* Where to begin: an offset, or one of these. */
#define CONSUMER_LATEST   (-1)
#define CONSUMER_EARLIEST (-2)

/* Start from CONSUMER_SPEC_INIT. */
struct consumer_spec {
	int32_t  fetch_bytes_max;		/* of one answer */
	int32_t  partition_bytes_max;
	int32_t  fetch_bytes_min;
	int32_t  fetch_wait_ms;			/* how long the broker waits for fetch_bytes_min */
	uint64_t batch_bytes_max;		/* of one batch when decompressed; beyond it the batch counts as damaged */
	int64_t  reset;				/* where to go on when the offset is not there: CONSUMER_EARLIEST, CONSUMER_LATEST; 0: nowhere, the partition fails */
	bool     is_read_committed;
	bool     wants_control;			/* control records (transaction markers) are handed out too */
	bool     trusts_crc;			/* checks none */
	const char *rack;			/* copied; NULL */
};

#define CONSUMER_SPEC_INIT { .fetch_bytes_max = 52428800, .partition_bytes_max = 1048576, .fetch_bytes_min = 1, \
			     .fetch_wait_ms = 500, .batch_bytes_max = 1u << 30 }

enum consumer_event_kind {
	CONSUMER_RECORD,
	CONSUMER_END,		/* everything that was there has been handed out; again after more came */
	CONSUMER_TROUBLE,	/* retriable, or a jump to another offset; it goes on by itself */
	CONSUMER_FAILED,	/* this partition is not read any further */
};

struct consumer_event {
	enum consumer_event_kind kind;
	const char              *topic;
	int32_t                  partition;
	int64_t                  offset;	/* END: the next one */
	int32_t                  leader_epoch;	/* RECORD; -1: not known */
	struct record            record;	/* RECORD; its slices are valid until the next consumer_ call or turn */
	bool                     is_append_time;
	bool                     is_control;	/* RECORD: key and value are those of a control record */
	int64_t                  producer_id;	/* RECORD; -1: without idempotence */
	int16_t                  producer_epoch;
	const struct client_error *error;	/* TROUBLE, FAILED */
};

void consumer_create(struct consumer **out, struct client *c, const struct consumer_spec *spec);
void consumer_destroy(struct consumer **s);

/* start: an offset, CONSUMER_EARLIEST or CONSUMER_LATEST. A partition that is assigned already is sought. */
void consumer_assign(struct consumer *s, const char *topic, int32_t partition, int64_t start);
/* From the first record whose timestamp is not earlier; the end when there is none. */
void consumer_assign_time(struct consumer *s, const char *topic, int32_t partition, time_ms start);

/* False, in all of these: the partition is not assigned. What was fetched for the old place is dropped; one that had failed is read again. */
bool consumer_seek(struct consumer *s, const char *topic, int32_t partition, int64_t start);
bool consumer_seek_time(struct consumer *s, const char *topic, int32_t partition, time_ms start);
bool consumer_unassign(struct consumer *s, const char *topic, int32_t partition);
/* Neither fetched nor handed out while it is; what is here already stays. */
bool consumer_pause(struct consumer *s, const char *topic, int32_t partition, bool is_paused);

/* As if reading had failed so; a seek makes it good. */
bool consumer_fail(struct consumer *s, const char *topic, int32_t partition, const struct client_error *error);

/* How far a partition has been handed out. */
struct consumer_position {
	const char *topic;		/* lives as long as the client */
	int32_t     partition;
	int64_t     offset;		/* of the next record; -1: not known yet */
	int32_t     leader_epoch;	/* of the record before it; -1: not known */
	int64_t     high_watermark;	/* as of the last answer; -1 */
	bool        is_paused;
};
bool consumer_position(struct consumer *s, const char *topic, int32_t partition, struct consumer_position *out);
/* What is known of the record before the place where reading begins, so that a log that was cut off meanwhile is noticed. */
bool consumer_set_epoch(struct consumer *s, const char *topic, int32_t partition, int32_t leader_epoch);
/* The next of all that are assigned, in any order, from *at NULL on; false: there is none. Nothing may be assigned or unassigned meanwhile. */
bool consumer_next_position(const struct consumer *s, const struct consumer_partition **at, struct consumer_position *out);

/* The next event that is there. False: none; turn client_step. */
bool consumer_next(struct consumer *s, struct consumer_event *out);
/* Since the last call something has been used up, so that more may be fetched: in the next turn, if somebody sees to it. */
bool consumer_has_room(struct consumer *s);

#endif
