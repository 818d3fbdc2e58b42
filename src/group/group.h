/*
 * The coordinator of consumer groups: a role of the partitions of __consumer_offsets. What it is asked: group_msg.h.
 */
#ifndef SKEIN_GROUP_H
#define SKEIN_GROUP_H

#include "base/config.h"
#include "partition/partition.h"

struct group_context;

/* One per broker; config is frozen and stays. */
struct group_context *group_context_create(struct os *os, const struct broker_config *config);
void                  group_context_destroy(struct group_context **c);	/* after all partitions have ended */

/* For struct partition_spec. */
struct partition_hook group_hook(struct group_context *c);

#endif
