/*
 * What consumer.c (assigning, handing out) and consumer_fetch.c (asking brokers) share.
 */
#ifndef SKEIN_CONSUMER_PRIV_H
#define SKEIN_CONSUMER_PRIV_H

#include "base/list.h"
#include "client/client_call.h"
#include "client/consumer.h"

/* An answer to Fetch, which lives until the last of its chunks has been read. */
struct fetched {
	struct client_call *call;
	int32_t             refs;
};

/* What one answer holds for one partition. */
struct consumer_chunk {
	struct list     link;		/* of the partition */
	struct fetched *source;
	struct slice    rest;		/* batches not begun yet */
	int64_t         end;		/* the offset behind it */
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
	int64_t                    start;
	int64_t                    position;	/* offset of the next record to hand out */
	int64_t                    fetch_position;	/* ... and to fetch */
	int64_t                    high_watermark;	/* of the last answer; -1 */
	bool                       is_at_end;	/* the last answer was empty at the high watermark */
	bool                       end_is_told, trouble_is_told;
	mono_ms                    retry_at;
	int                        failures;
	struct client_error        error;
	struct list                chunks;
	/* the batch being read */
	struct record_iter         iter;
	bool                       has_iter;
	bool                       is_append_time;
};

struct consumer {
	struct client_user    user;
	struct client        *client;
	struct consumer_spec  spec;
	struct list           partitions;
	struct list           calls;		/* struct consumer_call */
	struct decompressor  *stream;		/* of the one batch that is read at a time */
	struct consumer_partition *reading;	/* whose batch that is; NULL: none */
};

/* A call and the partitions it asks about. */
struct consumer_call {
	struct list                 link;
	struct consumer            *consumer;
	struct client_call         *call;
	int32_t                     count;
	struct consumer_partition **partitions;	/* in the call's arena */
};

mono_ms consumer_turn(struct client_user *u, mono_ms now);
void    consumer_cancel_calls(struct consumer *s);
void    consumer_chunk_destroy(struct consumer_chunk **chunk);

#endif
