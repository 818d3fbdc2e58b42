/*
 * The table of what is served: ApiVersions advertises exactly these rows.
 */
#include "api/api.h"

#define API_ROWS(X) \
	X(0, produce) X(1, fetch) X(2, list_offsets) X(3, metadata) X(4, leader_and_isr) \
	X(5, stop_replica) X(6, update_metadata) X(7, controlled_shutdown) \
	X(8, offset_commit) X(9, offset_fetch) X(10, find_coordinator) X(11, join_group) X(12, heartbeat) X(13, leave_group) \
	X(14, sync_group) X(15, describe_groups) X(16, list_groups) X(18, api_versions) X(19, create_topics) X(20, delete_topics) \
	X(21, delete_records) X(22, init_producer_id) X(23, offset_for_leader_epoch) X(27, write_txn_markers) X(28, txn_offset_commit) \
	X(32, describe_configs) X(33, alter_configs) X(34, alter_replica_log_dirs) \
	X(35, describe_log_dirs) X(37, create_partitions) \
	X(42, delete_groups) X(43, elect_leaders) X(44, incremental_alter_configs) \
	X(45, alter_partition_reassignments) X(46, list_partition_reassignments) \
	X(47, offset_delete) X(56, alter_partition) X(57, update_features) X(60, describe_cluster) \
	X(61, describe_producers) X(65, describe_transactions) X(66, list_transactions) X(67, allocate_producer_ids)

#define X(key, name) extern const struct api_row name##_row;
API_ROWS(X)
#undef X

const struct api_row *const api_rows[] = {
#define X(key, name) [key] = &name##_row,
	API_ROWS(X)
#undef X
};
const int api_row_count = ARRAY_LEN(api_rows);
