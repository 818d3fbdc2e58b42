/*
 * Which partition of an internal topic holds the state of a key: a group, or a transactional id. Every broker of a cluster must come to the same answer.
 */
#include "base/utf16.h"
#include "cluster/cluster.h"

int32_t cluster_coordinator_partition(struct slice key, int32_t partition_count)
{
	uint32_t hash = utf16_hash(key);

	ASSERT(partition_count > 0);
	/* the absolute value of a signed number, where the smallest one has none */
	if (hash == 0x80000000u)
		hash = 0;
	else if (hash > 0x80000000u)
		hash = -hash;
	return (int32_t)(hash % (uint32_t)partition_count);
}
