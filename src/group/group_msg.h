/*
 * The questions a group coordinator answers: the actor of the partition of __consumer_offsets that holds the group's state. q.error of every answer is that of the
 * whole; a partition that does not lead answers NOT_COORDINATOR, one that is still reading its log COORDINATOR_LOAD_IN_PROGRESS.
 *
 * Slices of a question are borrowed until the answer. What an answer brings lies in the message's own arena, which the asker initialises before and ends after: a
 * coordinator keeps nothing of it, and several questions of one call may be under way at once. An arena that is full is UNKNOWN_SERVER_ERROR.
 */
#ifndef SKEIN_GROUP_MSG_H
#define SKEIN_GROUP_MSG_H

#include "base/arena.h"
#include "base/list.h"
#include "partition/partition_msg.h"

#define GROUP_MSG_TABLE(X) \
	X(join) X(sync) X(heartbeat) X(leave) X(offset_commit) X(offset_fetch) X(offset_delete) X(describe) X(list) X(committed) X(delete)

enum group_msg_kind {
	GROUP_MSG_FIRST = MSG_BASE_GROUP,
#define X(name) GROUP_##name,
	GROUP_MSG_TABLE(X)
#undef X
};

/* Who asks. */
struct group_caller {
	struct slice group, member_id, instance_id;	/* instance_id null: none */
	int32_t      generation;			/* -1: no member */
};

struct group_protocol {
	struct slice name, metadata;
};

/* Another member, as it is told to a leader or a describer. */
struct group_member_info {
	struct slice member_id, instance_id, client_id, client_host, metadata, assignment;
};

/* Parked until the group is complete. The answer to an error names the member, -1 and nothing else. */
struct group_join {
	struct coordinator_question q;
	struct group_caller  caller;		/* generation unused */
	struct slice         client_id, client_host;
	int32_t              session_timeout_ms, rebalance_timeout_ms;
	struct slice         protocol_type;
	const struct group_protocol *protocols;
	int32_t              protocol_count;
	bool                 knows_member_id_required, knows_skip_assignment;
	/* answer */
	struct arena         arena;
	int32_t              generation;
	struct slice         protocol, leader, member_id;	/* protocol null: none; protocol_type is the group's */
	struct slice         group_protocol_type;
	bool                 skips_assignment;
	struct group_member_info *members;	/* for the leader; member_id, instance_id, metadata */
	int32_t              member_count;
};

struct group_assignment {
	struct slice member_id, bytes;
};

/* Parked until the leader has sent its own. */
struct group_sync {
	struct coordinator_question q;
	struct group_caller  caller;
	struct slice         protocol_type, protocol;	/* null: not said */
	const struct group_assignment *assignments;
	int32_t              assignment_count;
	/* answer */
	struct arena         arena;
	struct slice         group_protocol_type, group_protocol, assignment;
};

struct group_heartbeat {
	struct coordinator_question q;
	struct group_caller  caller;
};

struct group_leaver {
	struct slice     member_id, instance_id;
	enum kafka_error error;			/* answer */
};
struct group_leave {
	struct coordinator_question q;
	struct slice         group;
	struct group_leaver *members;
	int32_t              count;
};

/* An offset of one partition. */
struct group_offset {
	struct slice     topic;
	int32_t          partition;
	int64_t          offset;		/* -1: none */
	int32_t          leader_epoch;		/* -1: not known */
	struct slice     metadata;		/* never null */
	time_ms          commit_time;		/* commit: -1 now */
	enum kafka_error error;
};

/* Parked until the offsets are stored. */
struct group_offset_commit {
	struct coordinator_question q;		/* an error of the whole is at each offset, too */
	struct group_caller  caller;
	int64_t              retention_ms;	/* -1: as configured */
	bool                 is_transactional;	/* then they count when the producer's transaction commits */
	int64_t              producer_id;
	int16_t              producer_epoch;
	struct group_offset *offsets;		/* the answer is the error of each */
	int32_t              count;
};

struct group_offset_fetch {
	struct coordinator_question q;
	struct slice         group;
	bool                 wants_all, is_stable_required;
	struct group_offset *offsets;		/* the asker's, with topic and partition; wants_all: the answer's, in arena, those of one topic together */
	int32_t              count;
	struct arena         arena;
};

struct group_offset_delete {
	struct coordinator_question q;
	struct slice         group;
	struct group_offset *offsets;		/* the answer is the error of each */
	int32_t              count;
};

struct group_describe {
	struct coordinator_question q;
	struct slice         group;
	/* answer */
	struct arena         arena;
	const char          *state;		/* as Kafka writes it */
	struct slice         protocol_type, protocol;
	struct group_member_info *members;
	int32_t              member_count;
};

struct group_listing {
	struct slice group, protocol_type;
	const char  *state;
};
/* All groups of one partition. While it is loading: those it knows. */
struct group_list {
	struct coordinator_question q;
	struct arena          arena;
	struct group_listing *groups;
	int32_t               count;
};

/* What all groups of one partition have committed: for metrics. */
struct group_committed_offset {
	struct slice group, topic;
	int32_t      partition;
	int64_t      offset;
};
struct group_committed {
	struct coordinator_question q;
	int32_t      max;			/* entries at most */
	/* answer */
	struct arena arena;
	struct group_committed_offset *offsets;
	int32_t      count, left_out;
};

struct group_delete {
	struct coordinator_question q;
	struct slice         group;
};

#endif
