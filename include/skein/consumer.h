/*
 * A consumer reads partitions: those it is told (skein_consumer_assign), or those that its group gives it (skein_consumer_subscribe; property group.id).
 *
 *	skein_consumer_create(&consumer, client, NULL, &error);
 *	skein_consumer_subscribe(consumer, &topic, 1, &error);
 *	while (...)
 *		if (skein_next_wait(consumer, 1000, &event)) ...
 *	skein_consumer_close(&consumer, 5000, &error);
 *
 * Order:     offsets of a partition ascend, but after a seek and after a jump that is told (SKEIN_TROUBLE); between partitions there is no order.
 * Bounds:    two answers per partition lie here unread at most, and nothing is fetched while they are fetch.max.bytes together.
 * Commits:   nothing that was not handed out, nor skipped by a seek of yours, is ever committed. With enable.auto.commit=true a record counts as dealt with when the next event is asked for, so a
 *            program that ends in between reads it again, and misses none.
 * Alive:     a group gives up a member that has not been heard of for session.timeout.ms, and no thread speaks for this one: call skein_next_wait, or skein_step,
 *            more often than that.
 * Threads:   those of the client.
 */
#ifndef SKEIN_CONSUMER_API_H
#define SKEIN_CONSUMER_API_H

#include <skein/skein.h>
#include <skein/producer.h>	/* struct skein_header */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct skein_consumer;

/* Places in a partition besides offsets. */
#define SKEIN_LATEST   (-1)
#define SKEIN_EARLIEST (-2)

struct skein_partition {
	const char *topic;
	int32_t     partition;
	int64_t     offset;		/* what it means is said where it is used */
};

enum skein_event_kind {
	SKEIN_RECORD  = 0,
	SKEIN_END     = 1,	/* all that was there has been handed out; again after more came. offset: of the next record */
	SKEIN_TROUBLE = 2,	/* error says what; it goes on by itself */
	SKEIN_BROKEN  = 3,	/* this partition (topic NULL: the group) is not read any further; error says why */
};

struct skein_event {
	enum skein_event_kind     kind;
	const char               *topic;		/* NULL: of the group as a whole */
	int32_t                   partition;
	int64_t                   offset;
	/* SKEIN_RECORD */
	struct skein_bytes        key, value;
	int64_t                   timestamp;		/* milliseconds since 1970; -1: none */
	bool                      is_append_time;	/* when it was written, rather than what its producer said */
	int32_t                   leader_epoch;		/* of the leader that wrote it; -1: not known */
	const struct skein_header *headers;
	int32_t                   header_count;
	/* SKEIN_TROUBLE, SKEIN_BROKEN */
	const struct skein_error *error;
};

/* SKEIN_INVALID: properties that contradict one another. config is the consumer's own, or NULL: the client's. */
enum skein_code skein_consumer_create(struct skein_consumer **out, struct skein_client *client, const struct skein_config *config, struct skein_error *error);
/* Without a word to the group, which misses the member after session.timeout.ms: skein_consumer_close is the other way. */
void skein_consumer_destroy(struct skein_consumer **consumer);
/*
 * Commits what was handed out, if enable.auto.commit is true, leaves the group (a static member keeps its place), and destroys. Waits for at most timeout_ms.
 * An error is that of the commit; the consumer is gone in any case.
 */
enum skein_code skein_consumer_close(struct skein_consumer **consumer, int64_t timeout_ms, struct skein_error *error);

/* ---- reading ---- */

/*
 * The next event that is there. False: none; call skein_step. What *event points at is valid until the next call of this library with the consumer or its client.
 * Rebalances happen in here.
 */
bool skein_next(struct skein_consumer *consumer, struct skein_event *event);
/* The same, and steps; waits for an event for at most timeout_ms (-1: for ever, or until skein_wake). False: there was none. */
bool skein_next_wait(struct skein_consumer *consumer, int64_t timeout_ms, struct skein_event *event);

/* ---- partitions by hand; a consumer either does this or subscribes ---- */

/* From an offset, SKEIN_EARLIEST or SKEIN_LATEST on. One that is assigned is sought. SKEIN_INVALID: the consumer subscribes; no such place. */
enum skein_code skein_consumer_assign(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t start, struct skein_error *error);
enum skein_code skein_consumer_unassign(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error);

/* ---- groups ---- */

/* Once per consumer. SKEIN_INVALID: no group.id, no topic, or partitions are assigned by hand. */
enum skein_code skein_consumer_subscribe(struct skein_consumer *consumer, const char *const *topics, int32_t topic_count, struct skein_error *error);

/*
 * The same for the topics whose whole names match a POSIX extended regular expression: those there are, and those that come, within metadata.max.age.ms, with a rebalance;
 * topics that are deleted are let go in the same way. Topics that brokers keep for themselves only with exclude.internal.topics=false. SKEIN_INVALID, too: no such expression.
 */
enum skein_code skein_consumer_subscribe_pattern(struct skein_consumer *consumer, const char *expression, struct skein_error *error);

enum skein_rebalance {
	SKEIN_ASSIGNED = 0,	/* these come to what is read; offset: where the group stands, -1 nowhere. skein_consumer_seek may choose another place */
	SKEIN_REVOKED  = 1,	/* these go; offset: of the next record. Last chance to commit for them; with enable.auto.commit that is done afterwards */
	SKEIN_LOST     = 2,	/* these have gone to others already; nothing can be committed for them */
};
/* Called from skein_next, skein_next_wait and skein_consumer_close only. Everything of this header but those and skein_consumer_destroy may be called from it. */
typedef void skein_rebalance_fn(void *arg, enum skein_rebalance what, const struct skein_partition *partitions, int32_t count);
void skein_consumer_on_rebalance(struct skein_consumer *consumer, skein_rebalance_fn *fn, void *arg);

/*
 * Commits all that has been handed out, the last record included: call it when it has been dealt with. Does not wait: the answer comes in a step, and what fails for long is
 * a SKEIN_TROUBLE. SKEIN_AGAIN: a commit is under way, or the group is rebalancing; SKEIN_INVALID: no group.
 */
enum skein_code skein_commit(struct skein_consumer *consumer, struct skein_error *error);
/* Commits, and waits for the answer. */
enum skein_code skein_commit_wait(struct skein_consumer *consumer, int64_t timeout_ms, struct skein_error *error);
/* These only: offset is that of the next record to be read. SKEIN_INVALID: one is not assigned, or lies behind what was handed out. Nothing is committed then. */
enum skein_code skein_commit_offsets_wait(struct skein_consumer *consumer, const struct skein_partition *offsets, int32_t count, int64_t timeout_ms,
					  struct skein_error *error);

/* ---- places. SKEIN_NOT_FOUND in all of these: the partition is not assigned ---- */

/* Goes on at an offset, SKEIN_EARLIEST or SKEIN_LATEST. */
enum skein_code skein_seek(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t to, struct skein_error *error);
/* Goes on with the first record whose time (milliseconds since 1970) is not earlier; at the end when there is none. */
enum skein_code skein_seek_time(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t timestamp, struct skein_error *error);
/* Neither fetched nor handed out until it is resumed. A rebalance forgets it for partitions that go. */
enum skein_code skein_pause(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error);
enum skein_code skein_resume(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error);
/* *offset: of the next record to be handed out, -1 not known yet. *high_watermark, where not NULL: the end as of the last answer, -1 not known yet. */
enum skein_code skein_position(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t *offset, int64_t *high_watermark,
			       struct skein_error *error);
/* What is assigned: at most room partitions into out, offset as in skein_position; topic is valid as long as the client. Returns how many there are. */
int32_t skein_assignment(struct skein_consumer *consumer, struct skein_partition *out, int32_t room);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
