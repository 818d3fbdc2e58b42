/*
 * The range assignor of the consumer protocol: each topic's partitions in ranges, as even as can be, over the members that subscribe to it. Pure. Members of other
 * makes may lead the same group in another generation, so the order of members is the one all of them use.
 */
#ifndef SKEIN_CLIENT_RANGE_ASSIGN_H
#define SKEIN_CLIENT_RANGE_ASSIGN_H

#include "base/slice.h"

/* The members that subscribe to one topic, as places in an array: sorted by instance id (those that have one come first), else by member id. */
struct range_member {
	struct slice instance_id;	/* null: none */
	struct slice member_id;
	int32_t      place;		/* of the caller's */
};
void range_sort(struct range_member *members, int32_t count);

/* What the i-th of count members gets of partition_count partitions. */
struct range {
	int32_t first, count;
};
struct range range_of(int32_t i, int32_t count, int32_t partition_count);

#endif
