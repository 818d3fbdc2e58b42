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
 * Sees:   records of open and of aborted transactions too (read_uncommitted); never transaction markers.
 * Order:  offsets of a partition ascend; between partitions there is no order.
 * Bounds: two answers per partition at most, each at most partition_bytes_max (or one batch that is larger).
 * Owner:  the client's thread. Retriable trouble is retried for ever, and told once as an event.
 */
#ifndef SKEIN_CONSUMER_H
#define SKEIN_CONSUMER_H

#include "client/client.h"
#include "record/record.h"

struct consumer;

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
};

#define CONSUMER_SPEC_INIT { .fetch_bytes_max = 52428800, .partition_bytes_max = 1048576, .fetch_bytes_min = 1, \
			     .fetch_wait_ms = 500, .batch_bytes_max = 1u << 30 }

enum consumer_event_kind {
	CONSUMER_RECORD,
	CONSUMER_END,		/* everything that was there has been handed out; again after more came */
	CONSUMER_TROUBLE,	/* retriable; it goes on by itself */
	CONSUMER_FAILED,	/* this partition is not read any further */
};

struct consumer_event {
	enum consumer_event_kind kind;
	const char              *topic;
	int32_t                  partition;
	int64_t                  offset;	/* END: the next one */
	struct record            record;	/* RECORD; its slices are valid until the next consumer_ call or turn */
	bool                     is_append_time;
	const struct client_error *error;	/* TROUBLE, FAILED */
};

void consumer_create(struct consumer **out, struct client *c, const struct consumer_spec *spec);
void consumer_destroy(struct consumer **s);

/* start: an offset, CONSUMER_EARLIEST or CONSUMER_LATEST. Not twice the same partition. */
void consumer_assign(struct consumer *s, const char *topic, int32_t partition, int64_t start);
/* From the first record whose timestamp is not earlier; the end when there is none. */
void consumer_assign_time(struct consumer *s, const char *topic, int32_t partition, time_ms start);

/* The next event that is there. False: none; turn client_step. */
bool consumer_next(struct consumer *s, struct consumer_event *out);

#endif
