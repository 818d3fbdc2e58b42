/*
 * What consumer.c (assigning, handing out) and consumer_fetch.c (asking brokers) share.
 */
#ifndef SKEIN_CONSUMER_PRIV_H
#define SKEIN_CONSUMER_PRIV_H

#include "base/list.h"
#include "client/client_call.h"
#include "client/consumer.h"
#include "wire/gen/fetch.h"

/* An answer to Fetch, which lives until the last of its chunks has been read. */
struct fetched {
	struct client_call *call;
	int32_t             refs;
	int64_t             bytes;	/* of records */
};

/* What one answer holds for one partition. */
struct consumer_chunk {
	struct list     link;		/* of the partition */
	struct fetched *source;
	struct slice    rest;		/* batches not begun yet */
	int64_t         end;		/* the offset behind it */
	/* read_committed: whose transactions were aborted, by first offset; in the answer's memory */
	const struct fetch_response_aborted_transaction *aborted;
	int32_t         aborted_count, aborted_next;
	int64_t        *aborting;	/* producers whose aborted transaction we are in */
	int32_t         aborting_count;
};

enum consumer_state {
	CONSUMER_SEEKING,	/* start is a wish, the offset is not known */
	CONSUMER_READING,
	CONSUMER_STOPPED,	/* failed */
};

struct consumer_partition {
	struct list                link;	/* of the consumer; the one read last goes to the back */
	struct consumer           *consumer;
	const struct client_topic *topic;
	int32_t                    number;
	enum consumer_state        state;
	bool                       is_asked;	/* part of a call under way */
	bool                       is_start_time;
	bool                       is_paused;
	int64_t                    start;
	int64_t                    position;	/* offset of the next record to hand out */
	int64_t                    fetch_position;	/* ... and to fetch */
	int32_t                    position_epoch, fetch_epoch;		/* leader epochs of the records before them; -1 */
	int32_t                    read_from;		/* a replica the leader has named; -1: the leader */
	mono_ms                    read_from_until;
	int64_t                    high_watermark;	/* of the last answer; -1 */
	bool                       is_at_end;	/* the last answer was empty at the high watermark */
	bool                       end_is_told, trouble_is_told;
	mono_ms                    retry_at;
	int                        failures;
	struct client_error        error;
	struct client_error        notice;	/* a jump, until it is told; err OK */
	struct list                chunks;
	/* the batch being read */
	struct record_iter         iter;
	bool                       has_iter;
	const uint8_t             *batch;
	bool                       is_append_time;
	int32_t                    batch_epoch;
};

struct consumer {
	struct client_user    user;
	struct client        *client;
	struct consumer_spec  spec;
	struct list           partitions;
	struct list           calls;		/* struct consumer_call */
	struct decompressor  *stream;		/* of the one batch that is read at a time */
	struct consumer_partition *reading;	/* whose batch that is; NULL: none */
	bool                  has_room;		/* a chunk has gone */
	int64_t               unread_bytes;	/* of records in answers that are not used up */
};

/* A call and the partitions it asks about. */
struct consumer_call {
	struct list                 link;
	struct consumer            *consumer;
	struct client_call         *call;
	int32_t                     count;
	struct consumer_partition **partitions;	/* in the call's arena */
};

/* Offsets that can be: behind each there is room for the next. */
static inline bool consumer_can_place(const uint8_t *batch)
{
	return batch_base_offset(batch) >= 0 && batch_base_offset(batch) < INT64_MAX - 2 * (int64_t)UINT32_MAX && batch_last_offset_delta(batch) >= 0;
}

mono_ms consumer_turn(struct client_user *u, mono_ms now);
void    consumer_cancel_calls(struct consumer *s);
void    consumer_drop(struct consumer_partition *p);		/* what was fetched for it */
void    consumer_forget(struct consumer_partition *p);		/* answers under way are not for it any more */
void    consumer_unref(struct consumer *s, struct fetched *source);

#endif
