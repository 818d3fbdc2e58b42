/*
 * What of a cluster forbids a broker of skein to join it, with what can be done about it. A broker asks at its start, before it has touched its data, and whoever wants to know beforehand
 * (skein cluster check-java) asks the same.
 *
 * Pure functions of what stands in the coordination store; any thread.
 */
#ifndef SKEIN_CONTROLLER_JOINING_H
#define SKEIN_CONTROLLER_JOINING_H

#include "base/config.h"
#include "base/config_set.h"
#include "base/err.h"
#include "cluster/cluster.h"
#include "wire/gen/api_versions.h"

struct joining_finding {
	char what[768], remedy[384];
};

/* Fixed nodes, to be read each: a missing one is an answer too. */
#define JOINING_NODES 5
extern const char *const joining_nodes[JOINING_NODES];
#define JOINING_ADOPTION_NODE "/skein_adoption"	/* there while skein cluster adopt has not finished */
/* result: of reading joining_nodes[i]; other than OK and ERR_NOT_FOUND: the store did not tell, which forbids nothing here. */
bool joining_node_forbids(int i, enum err result, struct slice data, struct joining_finding *f);

/* The result of any read or write. */
bool joining_access_forbids(enum err result, struct joining_finding *f);

/* What the store says about brokers' configurations, for one or for all: what a file may not say, they may not either. */
bool joining_configs_forbid(const struct config_set *dynamic, struct joining_finding *f);

enum joining_peer { JOINING_PEER_FITS, JOINING_PEER_FORBIDS, JOINING_PEER_UNREADABLE };
/* Another live broker's registration. own: what this broker would advertise. *error: why it is forbidden. */
enum joining_peer joining_judge_peer(const struct broker_config *config, const struct cluster_endpoint *own, int own_count, int32_t id, struct slice registration,
                                     enum err *error, struct joining_finding *f);

/*
 * What a broker of another maker answered ApiVersions with. It tells the release of Kafka that the broker is of, and by that the highest inter.broker.protocol.version that it understands;
 * that of its file stays unknown.
 */
bool joining_release_forbids(const struct broker_config *config, int32_t id, const struct api_versions_response *spoken, struct joining_finding *f);

/* A replica here would be a part of the topic only: another part lies elsewhere, or what Java brokers write into it is not read. */
bool joining_topic_forbids(const struct broker_config *broker, const char *topic, const struct topic_config *config, struct joining_finding *f);

#endif
