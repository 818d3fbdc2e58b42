/*
 * The assignors of the consumer protocol: which member of a group gets which partitions. Pure. Members of other makes may lead the same group in another
 * generation, so names, orders and shares are those that all of them use.
 *
 *	range          each topic's partitions in ranges, as even as can be, over the members that subscribe to it
 *	round robin    all partitions in turn over the members
 *	sticky         as even as can be, and everybody keeps what he had as far as that allows
 *	cooperative    the same, but a partition that somebody still holds is given to nobody else: its holder lets go of it first, and the group assigns again
 */
#ifndef SKEIN_CLIENT_ASSIGN_H
#define SKEIN_CLIENT_ASSIGN_H

#include "base/slice.h"

enum assign_strategy { ASSIGN_RANGE, ASSIGN_ROUND_ROBIN, ASSIGN_STICKY, ASSIGN_COOPERATIVE };
#define ASSIGN_STRATEGY_COUNT 4

extern const char *const assign_names[ASSIGN_STRATEGY_COUNT + 1];	/* as they stand in JoinGroup: "range", ...; ends in NULL */

/* The topics of the group, sorted by name; each is known by its place here. */
struct assign_topic {
	struct slice name;
	int32_t      partition_count;	/* 0: it is not there */
	int32_t      first;		/* assign fills it in: the place of its partition 0 among all partitions */
};

struct assign_partition {
	int32_t topic, partition;	/* topic: a place */
};

struct assign_member {
	struct slice             id, instance_id;	/* instance_id: null, none */
	const int32_t           *topics;		/* places of those it subscribes to, ascending */
	int32_t                  topic_count;
	const struct assign_partition *owned;		/* what it says it has; for sticky and cooperative */
	int32_t                  owned_count;
	int32_t                  generation;		/* in which it had them; -1: not known */
};

int64_t assign_partition_count(const struct assign_topic *topics, int32_t topic_count);

/*
 * owner: room for assign_partition_count (at most INT32_MAX) places, topic by topic; afterwards each the place of a member, or -1.
 * Costs for sticky and cooperative partitions times members.
 */
void assign_partitions(enum assign_strategy strategy, struct assign_topic *topics, int32_t topic_count, const struct assign_member *members, int32_t member_count, int32_t *owner);

#endif
