/*
 * What producer.c (accepting records) and producer_send.c (sending batches) share.
 */
#ifndef SKEIN_PRODUCER_PRIV_H
#define SKEIN_PRODUCER_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "client/client_call.h"
#include "client/producer.h"
#include "record/build.h"

enum batch_state {
	BATCH_OPEN,		/* takes records; at most one per partition, its last */
	BATCH_READY,		/* closed; waits for its turn, or for its next attempt */
	BATCH_IN_FLIGHT,
};

struct producer_batch {
	struct list              link;		/* of the partition, oldest first */
	struct producer_partition *partition;
	enum batch_state         state;
	struct batch_builder     builder;	/* OPEN */
	struct strbuf            bytes;		/* the records uncompressed while OPEN, the batch as sent afterwards */
	size_t                   memory;	/* what it counts for in buffer_memory */
	int32_t                  record_count, record_room;
	struct producer_tag { void *tag; time_ms timestamp; } *tags;
	mono_ms                  created_at, retry_at;
	int                      attempts;
	int32_t                  base_sequence;	/* NO_SEQUENCE until it is first sent */
	bool                     maybe_written;	/* an attempt ended without an answer that excludes it */
	struct client_error      error;		/* of the last attempt */
	const struct produce_response_partition_response *refusal;	/* while its records' fates are told: which of them were refused, and why; NULL */
};

struct producer_partition {
	struct producer_topic *topic;
	int32_t                number;
	struct list            waiting;		/* of the topic, from its first batch until a round has found it without any */
	struct list            batches;		/* IN_FLIGHT and READY ones in the order of their sequences, an OPEN one last */
	int32_t                next_sequence;
	int32_t                in_flight;	/* batches */
	bool                   is_begun;	/* the broker has taken a batch of this producer id */
	size_t                 batch_size_max;	/* a larger batch was refused; SIZE_MAX */
};

struct producer_topic {
	char                      *name;
	const struct client_topic *info;
	struct producer_partition **partitions;	/* pointers: batches point at partitions while the array grows */
	int32_t                    partition_count;
	struct list                waiting_topics;	/* of the producer, as long as waiting is not empty */
	struct list                waiting;	/* partitions with batches: of thousands mostly a few */
	int32_t                    sticky;	/* where records without key go now; -1: to be chosen */
	size_t                     sticky_bytes;
};

enum producer_id_state { ID_NONE, ID_ASKED, ID_READY };

struct producer {
	struct client_user     user;
	struct client         *client;
	struct producer_spec   spec;
	struct compressor     *compressor;	/* NULL for CODEC_NONE */
	struct strbuf          scratch;		/* a batch while it is compressed */
	struct map             topics;
	struct list            waiting;		/* struct producer_topic */
	int64_t                pending;		/* records */
	int64_t                memory;
	bool                   is_pushed;	/* no lingering until nothing is pending */
	enum producer_id_state id_state;
	struct client_call    *id_call;
	mono_ms                id_retry_at;
	int                    id_failures;
	int64_t                producer_id;
	int16_t                producer_epoch;
	bool                   needs_new_id;	/* a sequence was lost: drain what is in flight, then begin anew */
	int                    in_flight;	/* requests */
	struct list            requests;	/* struct producer_request */
	struct client_error    fatal;		/* err OK: none */
};

/* Before compression. A larger record has a batch for itself. */
static inline size_t producer_batch_size(const struct producer *p, const struct producer_partition *part)
{
	return MIN((size_t)MIN(p->spec.batch_size, p->spec.request_size_max), part->batch_size_max);
}

/* producer.c */
void producer_batch_close(struct producer *p, struct producer_batch *b);
void producer_batch_free(struct producer_batch *b);
void producer_batch_finish(struct producer *p, struct producer_batch *b, int64_t base_offset, time_ms append_time,
			   const struct client_error *error);

/* producer_send.c */
mono_ms producer_turn(struct client_user *u, mono_ms now);
void    producer_cancel_requests(struct producer *p);

/* producer_split.c: a READY batch becomes several in its place, and is gone. False: it has one record. */
bool producer_batch_split(struct producer *p, struct producer_batch *b);

#endif
