/*
 * Clients of a simulated cluster: producers, consumers and an operator, all one actor on a machine of their own. They find leaders by trying, as brokers say who does not lead.
 *
 *	idempotent	acks=all; what was not acknowledged is sent again, in order: at the end each batch is there once, in the order of sending;
 *	plain		acks=all, sent once: what was acknowledged is there once, what was refused (NOT_ENOUGH_REPLICAS) is not there;
 *	hasty		acks=1, sent once: may be lost; its records are what leaders have and others have not.
 *
 * An answer is held against what the watch has seen committed, when it comes; so is everything that is read.
 */
#ifndef SKEIN_TESTS_CLUSTER_LOAD_H
#define SKEIN_TESTS_CLUSTER_LOAD_H

#include "cluster_link.h"
#include "cluster_watch.h"

#define LOAD_TOPIC      "main"
#define LOAD_PARTITIONS 2
#define LOAD_SENDERS    5
#define LOAD_READERS    2
#define LOAD_BATCHES    120		/* of one sender */
#define LOAD_OUT        3		/* requests of a sender under way */

enum sender_kind { SENDER_IDEMPOTENT, SENDER_PLAIN, SENDER_HASTY };

enum fate { FATE_UNSENT, FATE_OUT, FATE_ACKNOWLEDGED, FATE_REFUSED, FATE_UNKNOWN };

struct load_batch {
	struct load_sender *sender;
	enum fate fate;
	int64_t   offset;		/* of its first record as acknowledged */
	uint32_t  crc;
	int       records, number;
};

struct load_sender {
	struct cluster_link  link;
	enum sender_kind  kind;
	int               number, partition;
	int64_t           producer_id;	/* -1: none yet; idempotent only */
	bool              is_asking_id;
	struct load_batch batches[LOAD_BATCHES];
	int               made, done, out, limit;	/* begun; all below are decided; under way; how many it will make */
	int               sequence;			/* of the next batch that is made */
	int               sequences[LOAD_BATCHES];
};

struct load_reader {
	struct cluster_link link;
	int64_t          next[LOAD_PARTITIONS];
	int              partition;	/* asked for */
	bool             is_out;
};

struct load_operator {
	struct cluster_link link;
	bool             is_out;
	int              quiet;		/* in how many turns it asks again */
	int16_t          key;
	bool             has_topic;	/* LOAD_TOPIC is there */
	/* ordered by the test, asked for until it is accepted */
	bool             is_move_wanted, is_election_wanted;
	int              move_partition, move_count;
	int32_t          move_to[CLUSTER_NODES_MAX];
};

struct load {
	struct actor          actor;
	struct cluster_sim   *c;
	struct cluster_watch *w;
	uint64_t              random;
	struct load_sender    senders[LOAD_SENDERS];
	struct load_reader    readers[LOAD_READERS];
	struct load_operator  operator;
	bool                  may_alter;	/* the operator makes, removes, grows, moves */
	bool                  is_ending;	/* nothing new is begun */
	int                   acknowledged, read, refused, altered;	/* for the report */
};

void load_init(struct load *l, struct cluster_sim *c, struct cluster_watch *w);
void load_fini(struct load *l);
void load_wind_down(struct load *l);				/* what was begun is brought to its end */
void load_order_move(struct load *l, int partition, const int32_t *replicas, int count);
void load_order_election(struct load *l);		/* of the first replica, wherever another leads */
bool load_has_orders(const struct load *l);
bool load_is_done(const struct load *l, char why[256]);
void load_read_again(struct load *l);			/* the readers, from the first record */
bool load_has_read(struct load *l, char why[256]);	/* all that is committed, each of them */
/* At rest, all read: is every batch where it should be? */
void load_compare(struct load *l);

#endif
