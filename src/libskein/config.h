/*
 * Properties by the names of Kafka's Java clients, parsed into what the modules of client/ are told. One table (config.c) has them all.
 * Owner: whoever holds the struct.
 */
#ifndef SKEIN_LIBSKEIN_CONFIG_H
#define SKEIN_LIBSKEIN_CONFIG_H

#include <skein/skein.h>

#include "client/client.h"
#include "client/consumer.h"
#include "client/group_member.h"
#include "client/producer.h"

/* The strings are the config's own. */
struct skein_config {
	char                *bootstrap, *client_id;
	struct client_spec   client;		/* without its strings */
	struct producer_spec producer;		/* without its callback; level: PRODUCER_LEVEL_DEFAULT, see levels */
	int32_t              levels[CODEC_COUNT];
	char                *group, *instance_id, *rack;	/* NULL: none */
	struct consumer_spec consumer;		/* without its rack; reset: see below */
	struct group_member_spec member;	/* without its strings and topics */
	int32_t              reset;		/* place among latest, earliest, none */
	int32_t              isolation;		/* place among read_uncommitted, read_committed */
	bool                 checks_crc, commits_itself, excludes_internal;
	int32_t              commit_interval_ms;
	int32_t              protocol;		/* there is one only */
	bool                 is_idempotence_set;
};

void config_init(struct skein_config *c);
void config_fini(struct skein_config *c);
void config_copy(struct skein_config *out, const struct skein_config *from);	/* out is not initialised */
struct client_spec   config_client_spec(const struct skein_config *c);		/* its strings are c's */
struct producer_spec config_producer_spec(const struct skein_config *c);
struct consumer_spec config_consumer_spec(const struct skein_config *c);
struct group_member_spec config_member_spec(const struct skein_config *c);	/* without topics */

#endif
