/*
 * What a broker tells others about where it is.
 */
#ifndef SKEIN_BROKER_LISTENERS_H
#define SKEIN_BROKER_LISTENERS_H

#include "base/config.h"
#include "cluster/cluster.h"

/* The advertised listeners; an empty host becomes host_name, a port 0 stays. The count. */
int listeners_advertised(const struct broker_config *config, const char *host_name, struct cluster_endpoint *out, int max);

#endif
