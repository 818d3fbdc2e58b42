/*
 * A broker for tests of the client, on a simulated machine: one broker, one topic, its log in memory. It checks sequence
 * numbers as Kafka does and misbehaves as often as it is told.
 */
#ifndef SKEIN_TEST_FAKE_BROKER_H
#define SKEIN_TEST_FAKE_BROKER_H

#include "base/strbuf.h"
#include "os/sim.h"

#define FAKE_TOPIC       "orders"
#define FAKE_PARTITIONS  3
#define FAKE_CONNECTIONS 32
#define FAKE_PORT        9092

struct fake_connection;

/* Chances in a thousand; the cuts and swallow per request, the others per partition. */
struct fake_faults {
	unsigned refuse;	/* NOT_LEADER_OR_FOLLOWER, nothing appended */
	unsigned doubt;		/* appended, answered REQUEST_TIMED_OUT */
	unsigned cut_before;	/* the connection ends, nothing appended */
	unsigned cut_after;	/* appended, the connection ends instead of an answer */
	unsigned swallow;	/* appended, and the connection is mute from then on */
	unsigned too_large;	/* MESSAGE_TOO_LARGE, nothing appended: final */
};

struct fake_partition {
	struct strbuf log;		/* batches with their offsets */
	int64_t       next_offset;
	int64_t       producer_id;	/* the one that wrote last; its predecessors are fenced by nobody */
	int32_t       next_sequence;
	struct { int32_t base_sequence, count; int64_t base_offset; } recent[5];
	int           recent_count;
	int64_t       log_start_offset;	/* below: OFFSET_OUT_OF_RANGE */
	int64_t       cut_at;		/* > 0: the log was cut off there; who has read beyond, in epoch 0, is told so */
	int64_t       aborted_producer, aborted_first;	/* a transaction that read_committed leaves out; producer 0: none */
	int32_t       preferred_replica;	/* told to who names a rack; 0: none */
};

struct fake_broker {
	struct sim_os         *machine;
	struct os             *os;
	os_fd                  listener;
	struct fake_connection *connections[FAKE_CONNECTIONS];
	struct fake_partition  partitions[FAKE_PARTITIONS];
	struct fake_faults     faults;
	int64_t                next_producer_id;
	size_t                 batch_bytes_max;		/* > 0: a larger batch gets MESSAGE_TOO_LARGE */
	int16_t                api_versions_max;	/* below the client's: answers UNSUPPORTED_VERSION */
	const char            *greeting;		/* sent instead of any answer, by what is no broker */
	const char            *advertised;
	int                    produce_count;
	int                    duplicates, out_of_order;	/* refused or recognised */
	int                    too_large;		/* refused for batch_bytes_max */
};

struct fake_broker *fake_broker_create(struct sim_net *net, const char *host, uint64_t seed);
void fake_broker_destroy(struct fake_broker **b);
void fake_broker_step(struct fake_broker *b);
void fake_broker_cut_all(struct fake_broker *b);

#endif
