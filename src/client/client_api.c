/*
 * The codecs of the APIs that the client speaks, behind one type. A table of its own, so that a program with a producer
 * does not link sixty codecs.
 */
#include "client/client_priv.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/fetch.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include "wire/gen/produce.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/sync_group.h"
#include "wire/gen/update_metadata.h"

#define X(number, prefix, first, last) \
static void init_##prefix(void *m) { prefix##_request_init(m); } \
static bool encode_##prefix(const void *m, struct writer *w, int v) { return prefix##_request_encode(m, w, v); } \
static bool decode_##prefix(void *m, struct reader *r, int v, struct arena *a) { return prefix##_response_decode(m, r, v, a); }
CLIENT_API_TABLE(X)
CLIENT_API_BETWEEN_BROKERS(X)
#undef X

static const struct client_api table[] = {
#define X(number, prefix, first, last) \
	{ number, first, last, sizeof(struct prefix##_request), sizeof(struct prefix##_response), \
	  init_##prefix, encode_##prefix, decode_##prefix },
	CLIENT_API_TABLE(X)
	CLIENT_API_BETWEEN_BROKERS(X)
#undef X
};

const struct client_api *client_call_api(int key)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].key == key)
			return &table[i];
	ASSERT(!"the API is in CLIENT_API_TABLE");
	return NULL;
}
