/*
 * Which brokers get the replicas of new partitions: Kafka's round robin with a shift, with and without racks. No state.
 */
#ifndef SKEIN_CONTROLLER_ASSIGNMENT_H
#define SKEIN_CONTROLLER_ASSIGNMENT_H

#include "base/err.h"
#include "cluster/cluster.h"

/*
 * Fills replicas[partitions * replication_factor], partition by partition, the first of each its preferred leader, for partitions first_partition ...
 * brokers: live ones, ascending ids, n >= replication_factor > 0. start and shift: random numbers >= 0, or, when partitions are added to a topic, start = position
 * of partition 0's first replica among the brokers, shift = start.
 * ERR_INVALID: some brokers tell a rack and some do not.
 */
enum err assign_replicas(int32_t *replicas, int32_t partitions, int32_t replication_factor, int32_t first_partition,
                         const struct cluster_broker *brokers, int n, uint32_t start, uint32_t shift) MUST_CHECK;

#endif
