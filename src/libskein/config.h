/*
 * Properties by the names of Kafka's Java clients, parsed into what the modules of client/ are told. One table (config.c) has them all.
 * Owner: whoever holds the struct.
 */
#ifndef SKEIN_LIBSKEIN_CONFIG_H
#define SKEIN_LIBSKEIN_CONFIG_H

#include <skein/skein.h>

#include "client/client.h"
#include "client/producer.h"

/* The strings are the config's own. */
struct skein_config {
	char                *bootstrap, *client_id;
	struct client_spec   client;		/* without its strings */
	struct producer_spec producer;		/* without its callback; level: PRODUCER_LEVEL_DEFAULT, see levels */
	int32_t              levels[CODEC_COUNT];
	int32_t              protocol;		/* there is one only */
	bool                 is_idempotence_set;
};

void config_init(struct skein_config *c);
void config_fini(struct skein_config *c);
void config_copy(struct skein_config *out, const struct skein_config *from);	/* out is not initialised */
struct client_spec   config_client_spec(const struct skein_config *c);		/* its strings are c's */
struct producer_spec config_producer_spec(const struct skein_config *c);

#endif
