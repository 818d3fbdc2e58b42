/*
 * What brokers ask of their store and of each other, counted: an observer of the simulation's tree, network and scheduler. Nobody is influenced by being counted.
 *
 * Requests are recognised in the bytes that cross the network, so what is counted is what would go over a wire, length prefix and headers included. What a broker asks of itself crosses none,
 * and is not counted; nor is what the clients' machine sends or gets.
 */
#ifndef SKEIN_TESTS_SCALE_COUNT_H
#define SKEIN_TESTS_SCALE_COUNT_H

#include <stdio.h>

#include "broker_sim.h"
#include "coord/tree.h"

#define SCALE_APIS 128		/* keys */

struct scale_api {
	uint64_t requests, request_bytes, answer_bytes;
	uint64_t largest;		/* request, bytes */
	int16_t  version;		/* of the last request */
};

struct scale_counts {
	uint64_t         ops[7];	/* by enum coord_op_kind, those within multis too */
	uint64_t         calls, multis, rounds;	/* a round: calls of one session that the store took together, as they were submitted without waiting for each other */
	uint64_t         write_calls;	/* calls that change something: what ZooKeeper must bring to its disks, one transaction each */
	uint64_t         bytes_in, bytes_out;	/* paths and data to the store, data and names from it; no framing */
	uint64_t         events;	/* watch events delivered */
	struct scale_api apis[SCALE_APIS];
	uint64_t         steps;		/* of actors that did something or looked whether they could */
};

struct scale_counter {
	struct scale_counts  now;	/* since scale_counter_reset */
	uint64_t             changes;	/* grows with each call to the store and each request that is no Fetch: who wants to know whether a cluster has come to rest */
	struct coord_tree   *tree;
	struct sched        *sched;
	struct sim_net      *net;
	struct sim_os       *elsewhere;
	struct tree_observer observer;
	struct scale_stream *streams;	/* by connection */
	size_t               stream_room;
	const void          *round_of;	/* the session whose calls were seen in this step */
};

void scale_counter_init(struct scale_counter *k, struct coord_tree *tree, struct sched *sched, struct sim_net *net, struct sim_os *elsewhere);
void scale_counter_fini(struct scale_counter *k);	/* before what it observes */
void scale_counter_reset(struct scale_counter *k);
void scale_counts_print(const struct scale_counts *n, FILE *out);	/* members of a JSON object, no braces */

#endif
