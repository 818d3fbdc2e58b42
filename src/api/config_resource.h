/*
 * What the APIs about configuration have in common: kinds of resources, and the names of brokers.
 */
#ifndef SKEIN_API_CONFIG_RESOURCE_H
#define SKEIN_API_CONFIG_RESOURCE_H

#include "base/slice.h"

enum config_resource_type {		/* numbers of the wire */
	RESOURCE_TOPIC          = 2,
	RESOURCE_BROKER         = 4,
	RESOURCE_BROKER_LOGGER  = 8,
	RESOURCE_CLIENT_METRICS = 16,
};

#define SOURCE_BROKER_LOGGER 6		/* beside enum config_source */

bool config_resource_is_known(int8_t type);
/* A broker's name is its id in decimal. False: it is none. */
bool config_resource_id(struct slice name, int32_t *id) MUST_CHECK;

#endif
