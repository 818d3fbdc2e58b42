/*
 * A producer gathers records into batches, one queue per partition, and sends them to the partitions' leaders.
 *
 * Order:     within a partition records are written in the order of skein_send, whatever is tried again.
 * Once:      with enable.idempotence=true (the default) a retry leaves no second copy. Where that cannot be promised any more, a record fails, and its error says that
 *            it may have been written.
 * Bounds:    buffer.memory for what has no answer yet: when it is used up skein_send says SKEIN_AGAIN. Five requests per broker are under way at most.
 * Time:      a record has its final answer within delivery.timeout.ms of skein_send, as long as skein_step (or a call that waits) is called.
 * Threads:   those of the client.
 */
#ifndef SKEIN_PRODUCER_API_H
#define SKEIN_PRODUCER_API_H

#include <skein/skein.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct skein_producer;

struct skein_header {
	struct skein_bytes name;	/* not null */
	struct skein_bytes value;	/* may be null */
};

#define SKEIN_ANY_PARTITION (-1)	/* by the key, as Java's partitioner does; without a key one partition after the other is filled */
#define SKEIN_NOW           (-1)

/* Start from SKEIN_RECORD_INIT. */
struct skein_record {
	const char                *topic;
	int32_t                    partition;
	struct skein_bytes         key, value;		/* may be null */
	const struct skein_header *headers;
	int32_t                    header_count;
	int64_t                    timestamp;		/* milliseconds since 1970, or SKEIN_NOW */
	void                      *tag;			/* yours; comes back with the delivery */
};
#define SKEIN_RECORD_INIT { NULL, SKEIN_ANY_PARTITION, { NULL, 0 }, { NULL, 0 }, NULL, 0, SKEIN_NOW, NULL }

/* What became of one record. */
struct skein_delivery {
	void                     *tag;
	const char               *topic;
	int32_t                   partition;
	int64_t                   offset;	/* -1: it failed, or nobody knows (acks=0; a retry of what had been written long before) */
	int64_t                   timestamp;	/* as it is in the log */
	const struct skein_error *error;	/* code SKEIN_OK: it is written */
};

/*
 * Called once for each record that was accepted, from skein_step, from a call that waits, or from skein_producer_destroy; what *delivery points at is gone
 * afterwards. It may not call this library. NULL: deliveries are not wanted; skein_flush tells failures then.
 */
typedef void skein_delivery_fn(void *arg, const struct skein_delivery *delivery);

/* SKEIN_INVALID: properties that contradict one another. config is the producer's own, or NULL: the client's. */
enum skein_code skein_producer_create(struct skein_producer **out, struct skein_client *client, const struct skein_config *config,
				      skein_delivery_fn *on_delivery, void *arg, struct skein_error *error);
/* Records without an answer fail (SKEIN_CLOSED): skein_flush first. */
void skein_producer_destroy(struct skein_producer **producer);

/*
 * Accepts a record; never waits. Only an accepted record (SKEIN_OK) is delivered.
 *   SKEIN_AGAIN      the memory is used up, or the topic is not known yet: call skein_step and try again
 *   SKEIN_NOT_FOUND  no such topic, or partition
 *   SKEIN_TOO_LARGE  it does not fit max.request.size
 *   SKEIN_INVALID    no topic, a negative length; others: the topic, or the producer, cannot be used any more
 */
enum skein_code skein_send(struct skein_producer *producer, const struct skein_record *record, struct skein_error *error);
/*
 * The same, and steps at times, and waits instead of SKEIN_AGAIN: SKEIN_TIMED_OUT when it could not be accepted within timeout_ms, with what it was waiting for.
 * A program that stops sending calls skein_flush, or skein_step: nobody else sends what it has left.
 */
enum skein_code skein_send_wait(struct skein_producer *producer, const struct skein_record *record, int64_t timeout_ms, struct skein_error *error);

int64_t skein_pending(const struct skein_producer *producer);	/* accepted records without an answer */
/* Ends all lingering: what has been accepted goes out in the next steps. Never waits. */
void skein_push(struct skein_producer *producer);
/*
 * Pushes, and waits until every accepted record has its answer: SKEIN_TIMED_OUT when some have not. Otherwise the error of the first record that failed
 * since the last flush, or SKEIN_OK: all of them are written.
 */
enum skein_code skein_flush(struct skein_producer *producer, int64_t timeout_ms, struct skein_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
