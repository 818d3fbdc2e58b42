/*
 * A producer gathers records into batches, one queue per partition, and sends them to the leaders.
 *
 * Order:    within a partition records arrive in the order of producer_send, whatever is retried.
 * Once:     with idempotence (the default) a retry is not appended twice: batches carry a producer id and sequence numbers.
 *           Where that can no longer be promised (see producer_send.c) a batch fails rather than risk a second copy.
 * Bounds:   buffer_memory for everything not yet delivered; when it is used up producer_send answers ERR_AGAIN, and the
 *           caller turns client_step until there is room. in_flight_max requests per broker.
 * Owner:    the client's thread. Turns are part of client_step; nothing here waits but producer_flush.
 */
#ifndef SKEIN_PRODUCER_H
#define SKEIN_PRODUCER_H

#include "client/client.h"
#include "record/codec.h"
#include "record/record.h"

struct producer;

#define PRODUCER_ACKS_ALL   (-1)
#define PRODUCER_PARTITION_ANY (-1)	/* by the key's hash, or without a key the one that is being filled */

struct producer_record {
	struct slice                topic;
	int32_t                     partition;
	struct slice                key, value;		/* may be null */
	const struct record_header *headers;
	int32_t                     header_count;
	time_ms                     timestamp;		/* -1: now */
	void                       *tag;		/* comes back with the delivery */
};

/* What became of one record. */
struct producer_delivery {
	void                      *tag;
	const char                *topic;
	int32_t                    partition;
	int64_t                    offset;		/* -1: failed, or acks 0, which nobody answers */
	time_ms                    timestamp;		/* as it is in the log */
	const struct client_error *error;		/* err OK: it is there */
};

/* Start from PRODUCER_SPEC_INIT. Bytes and milliseconds. */
struct producer_spec {
	int16_t    acks;			/* 0, 1, PRODUCER_ACKS_ALL */
	bool       is_idempotent;		/* needs PRODUCER_ACKS_ALL */
	enum codec codec;
	int        level;			/* of the codec; PRODUCER_LEVEL_DEFAULT */
	int32_t    batch_size;			/* before compression; a larger record has a batch for itself */
	int32_t    linger_ms;			/* how long a batch waits for company */
	int32_t    request_size_max;		/* of one batch and of one request */
	int64_t    buffer_memory;
	int32_t    delivery_timeout_ms;		/* from producer_send to a final answer */
	int32_t    in_flight_max;
	void     (*on_delivery)(void *arg, const struct producer_delivery *d);	/* once per accepted record; not to send from; may be NULL */
	void      *arg;
};

#define PRODUCER_LEVEL_DEFAULT INT32_MIN
#define PRODUCER_SPEC_INIT { .acks = PRODUCER_ACKS_ALL, .is_idempotent = true, .codec = CODEC_NONE, \
			     .level = PRODUCER_LEVEL_DEFAULT, .batch_size = 16384, .linger_ms = 5, \
			     .request_size_max = 1048576, .buffer_memory = 33554432, .delivery_timeout_ms = 120000, \
			     .in_flight_max = 5 }

/* ERR_INVALID: a combination that cannot be. */
enum err producer_create(struct producer **out, struct client *c, const struct producer_spec *spec,
			 struct client_error *error) MUST_CHECK;
/* What has not been delivered is reported as failed first (ERR_CLOSED). */
void     producer_destroy(struct producer **p);

/*
 * Accepts a record; its bytes are copied. Only an accepted record is delivered.
 *   ERR_AGAIN      the topic is not known yet, or the memory is used up: turn client_step and try again
 *   ERR_NOT_FOUND  no such topic or partition        ERR_TOO_LARGE  does not fit request_size_max
 *   others         the topic cannot be used; *error says why
 */
enum err producer_send(struct producer *p, const struct producer_record *r, struct client_error *error) MUST_CHECK;

/* Ends all lingering: what is there goes out in the next turns. True: that is news for the next one. */
bool    producer_push(struct producer *p);
int64_t producer_pending(const struct producer *p);	/* accepted records without a final answer */

/* Pushes and turns client_step until nothing is pending. ERR_TIMEOUT when something still is. Not on a simulated machine. */
enum err producer_flush(struct producer *p, mono_ms timeout_ms) MUST_CHECK;

#endif
