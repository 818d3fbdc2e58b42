/*
 * One question to one broker, for the modules of this folder and for brokers among themselves.
 *
 * A call is a round trip: client_call_create makes it and it is yours; client_call_send lends it to the client; on_done
 * brings it home, within some client_step, never from inside client_call_send. Then it is yours again: read it, destroy it.
 * To destroy one that is away is to cancel it: on_done does not come, the answer is dropped.
 * Memory: question and answer live in the call's arena, records inside the answer in its frame.
 */
#ifndef SKEIN_CLIENT_CALL_H
#define SKEIN_CLIENT_CALL_H

#include "base/arena.h"
#include "base/list.h"
#include "client/client.h"
#include "wire/gen/api_table.h"

/*
 * X(key, prefix of the codec, first version, last version): what this client negotiates. It names topics, so it stays below the
 * versions that know only topic ids; a call of a fixed version may use any that the codec knows.
 */
#define CLIENT_API_TABLE(X) \
	X(API_PRODUCE, produce, 3, 11) \
	X(API_FETCH, fetch, 4, 12) \
	X(API_LIST_OFFSETS, list_offsets, 1, 9) \
	X(API_METADATA, metadata, 4, 12) \
	X(API_API_VERSIONS, api_versions, 0, 4) \
	X(API_CREATE_TOPICS, create_topics, 2, 7) \
	X(API_DELETE_TOPICS, delete_topics, 1, 5) \
	X(API_OFFSET_COMMIT, offset_commit, 2, 8) \
	X(API_OFFSET_FETCH, offset_fetch, 2, 7) \
	X(API_FIND_COORDINATOR, find_coordinator, 0, 3) \
	X(API_JOIN_GROUP, join_group, 2, 9) \
	X(API_HEARTBEAT, heartbeat, 0, 4) \
	X(API_LEAVE_GROUP, leave_group, 3, 5) \
	X(API_SYNC_GROUP, sync_group, 0, 5) \
	X(API_DESCRIBE_GROUPS, describe_groups, 0, 5) \
	X(API_LIST_GROUPS, list_groups, 0, 5) \
	X(API_DELETE_GROUPS, delete_groups, 0, 2) \
	X(API_OFFSET_DELETE, offset_delete, 0, 0) \
	X(API_INIT_PRODUCER_ID, init_producer_id, 0, 5) \
	X(API_DESCRIBE_CONFIGS, describe_configs, 1, 4) \
	X(API_CREATE_PARTITIONS, create_partitions, 0, 3) \
	X(API_INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 0, 1) \
	X(API_OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, 0, 4) \
	X(API_DELETE_RECORDS, delete_records, 0, 2) \
	X(API_ELECT_LEADERS, elect_leaders, 1, 2) \
	X(API_ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, 0, 0) \
	X(API_LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, 0, 0) \
	X(API_DESCRIBE_LOG_DIRS, describe_log_dirs, 1, 4) \
	X(API_ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, 1, 2)

/* What only brokers ask of one another; not in the installed library. */
#ifdef SKEIN_INSTALLED
#define CLIENT_API_BETWEEN_BROKERS(X)
#else
#define CLIENT_API_BETWEEN_BROKERS(X) \
	X(API_LEADER_AND_ISR, leader_and_isr, 0, 7) \
	X(API_UPDATE_METADATA, update_metadata, 0, 8) \
	X(API_STOP_REPLICA, stop_replica, 0, 4) \
	X(API_ALTER_PARTITION, alter_partition, 0, 3) \
	X(API_CONTROLLED_SHUTDOWN, controlled_shutdown, 0, 3) \
	X(API_ALLOCATE_PRODUCER_IDS, allocate_producer_ids, 0, 0)
#endif

enum client_call_place { CALL_YOURS, CALL_WAITING, CALL_IN_FLIGHT, CALL_DONE };

enum { NODE_ANY = -1, NODE_CONTROLLER = -2 };	/* instead of a broker id */

struct client_call {
	struct list            link;
	struct client         *client;
	const struct client_api *api;
	enum client_call_place at;
	int32_t                node_id;		/* as it was sent */
	int                    line;		/* of the connections to that broker: enum client_line; between brokers what was told */
	int16_t                version_max;	/* negotiated: not above; INT16_MAX */
	int16_t                version;		/* negotiated, known from sending on; of a line with fixed versions: set before sending */
	mono_ms                answer_timeout_ms;	/* > 0: the time for the answer begins when the question goes out, and the one given to client_call_send is for getting there */
	int32_t                correlation_id;
	mono_ms                deadline;	/* of the answer */
	bool                   is_one_way;	/* Produce with acks 0: done when written */
	bool                   maybe_applied;	/* failed, but the broker may have received it */
	struct arena           arena;
	void                  *request;		/* struct x_request with its defaults; borrows what you put in. May be replaced by one of yours */
	void                  *response;	/* struct x_response; NULL unless error.err is OK, or one-way */
	uint8_t               *frame;		/* what the response's slices point into */
	struct client_error    error;
	void                 (*on_done)(struct client_call *call);
	void                  *owner;
};

/* A broker answers one question of a connection after the other, so what waits there (for records, for the other members of a group) has a connection of its own. */
enum client_line { LINE_MAIN, LINE_GROUP, LINE_FETCH };

struct client_call *client_call_create(struct client *c, enum api_key key, void (*on_done)(struct client_call *),
				       void *owner);
void client_call_destroy(struct client_call **call);
void client_call_discard(struct client_call *call);	/* the on_done of those whose answer nobody wants */

const struct client_api *client_call_api(int key);	/* asserts that it is in the table */

/* node_id may be NODE_ANY or NODE_CONTROLLER. timeout_ms <= 0: request_timeout_ms. */
void client_call_send(struct client_call *call, int32_t node_id, mono_ms timeout_ms);

bool client_knows_broker(struct client *c, int32_t id);	/* as the cluster was described last */

/* Sends and steps until it is done, without retries. The call is yours afterwards. */
enum err client_call_wait(struct client_call *call, int32_t node_id, mono_ms timeout_ms) MUST_CHECK;

/*
 * ---- between brokers ----
 * A client without bootstrap addresses asks for no metadata and knows the nodes that it is told, each by (broker, line); a line is one connection. With fixed versions
 * ApiVersions is not asked and every call says its version. Telling another address ends the connection to the old one, with its calls.
 */
/* True: it was known under another address. */
bool client_node_put(struct client *c, int32_t node_id, int line, const char *host, uint16_t port, bool has_fixed_versions);
/* The connection to it is ended, if there is one, and with it what is under way there: those calls come home in the next turn with ERR_CLOSED. The next call makes another. */
void client_node_hang_up(struct client *c, int32_t node_id, int line);
/* The node is forgotten; its calls come home in the next turn with this error. Nothing when it is not known. */
void client_node_drop(struct client *c, int32_t node_id, int line, const struct client_error *why);

/* How many calls to this broker are under way or waiting for the connection. */
int  client_node_load(struct client *c, int32_t node_id);

/* Failures without a pause between them would be a loop: the nth (from 1) waits so long, give or take a fifth. */
mono_ms client_backoff(struct client *c, mono_ms first, mono_ms max, int nth);

/* A producer or consumer: gets its turn in every client_step. */
struct client_user {
	struct list link;
	mono_ms   (*on_turn)(struct client_user *u, mono_ms now);	/* when it wants the next turn at the latest */
};

void client_user_add(struct client *c, struct client_user *u);
void client_user_remove(struct client *c, struct client_user *u);

#endif
