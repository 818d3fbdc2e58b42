/*
 * The active side's insides, shared by the active_*.c files.
 *
 * struct active is what the elected controller believes of the cluster: brokers, topics, partitions, what state each is in. The store is the truth; this is the copy it decides on,
 * and it is written after the store has been, never before. It lives from active_begin to active_end.
 *
 * Everything that changes it is a task of c->active_queue, so nothing here is ever looked at half-way by somebody else. A procedure of many steps is a task whose stages push
 * sub-tasks: the two state machines (active_push_partitions, active_push_replicas) are such. A list handed to a sub-task is borrowed from the task that pushes it.
 *
 * Pointers to topics and partitions are good within one task chain; only the ends of active_deletion.c and active_topics.c (vanished topics) free any. What outlives a task
 * (requests to members, waiting answers) keeps names and ids. Pointers to brokers are good until the chain of active_brokers.c that removes one.
 *
 * Fenced off: a write that found another controller's epoch ends the chain with `return active_moved(c, t)`.
 */
#ifndef SKEIN_CONTROLLER_ACTIVE_PRIV_H
#define SKEIN_CONTROLLER_ACTIVE_PRIV_H

#include "controller/active.h"
#include "wire/gen/leader_and_isr.h"
#include "wire/gen/stop_replica.h"
#include "wire/gen/update_metadata.h"

#define LEADER_NONE          (-1)
#define LEADER_BEING_DELETED (-2)	/* UpdateMetadata only: forget the partition */
#define EPOCH_BEING_DELETED  (-2)	/* StopReplica only: do not look at the epoch */
#define EPOCH_UNKNOWN        (-1)

/* --- partitions and replicas ------------------------------------------------------------------------------------------------------------- */

enum active_partition_state { PARTITION_NON_EXISTENT, PARTITION_NEW, PARTITION_ONLINE, PARTITION_OFFLINE };

enum active_replica_state {
	REPLICA_NON_EXISTENT, REPLICA_NEW, REPLICA_ONLINE, REPLICA_OFFLINE, REPLICA_DELETION_STARTED, REPLICA_DELETION_SUCCESSFUL, REPLICA_DELETION_INELIGIBLE,
};

struct active_replica {
	int32_t broker;
	uint8_t state;			/* enum active_replica_state; never NON_EXISTENT: then there is none */
	bool    is_dir_offline;		/* its broker said that the directory is gone (LeaderAndIsr answered KAFKA_STORAGE_ERROR) */
};

struct active_partition {
	struct active_topic *topic;
	int32_t  id;
	uint8_t  state;			/* enum active_partition_state */
	bool     has_leadership;	/* the fields below are what the state node says (but see controller_epoch) */
	bool     is_recovering;
	bool     is_reassigning;	/* in the set of partitions being reassigned */
	int32_t  leader;		/* LEADER_NONE: none */
	int32_t  leader_epoch;
	int32_t  controller_epoch;	/* of the decision; ours after -> Offline of a replica that was not in the in-sync set, where the node keeps the older */
	int32_t  partition_epoch;	/* version of the state node */
	struct id_list isr;
	struct id_list replicas, adding, removing;	/* RS, AR, RR */
	struct active_replica *states;	/* of replicas, by order of appearance; owned. Also of replicas that are leaving and no longer in `replicas` */
	int32_t  state_count;
};

struct active_topic {
	char       *name;
	struct uuid id;			/* zero: unknown */
	uint32_t    number;		/* grows with each topic made known: requests list topics in this order */
	int32_t     version;		/* of the topic's node */
	int32_t     partition_count;
	struct active_partition **partitions;	/* ids ascending; each its own block */
	bool        is_queued;		/* for deletion */
	bool        is_deletion_started;
	bool        is_ineligible;	/* for deletion, until something changes */
};

/* --- brokers ------------------------------------------------------------------------------------------------------------------------------ */

struct active_channel {			/* active_channel.c */
	struct list             requests;	/* active_request, the first may be in flight */
	bool                    is_busy;	/* the first is */
	bool                    is_waiting;	/* for its time to be tried again: */
	struct controller_timer retry;
	char                    host[256];	/* the address is that of the opening, also when the registration changes */
	uint16_t                port;
};

struct active_broker {			/* registered: live or shutting down */
	struct cluster_broker info;	/* info.epoch: czxid of the registration */
	bool                  is_shutting_down;
	struct active_channel channel;
};

/* --- lists handed around ------------------------------------------------------------------------------------------------------------------ */

struct partition_item {
	struct active_partition *p;
	enum kafka_error         error;	/* of the transition; NONE */
	bool                     is_new;	/* the transition's: it had no leader ever */
};
struct partition_list {			/* zeroes: empty */
	struct partition_item *items;
	int32_t                count, room;
};
void active_partitions_add(struct partition_list *l, struct active_partition *p);
void active_partitions_fini(struct partition_list *l);	/* empty again */

struct replica_item {
	struct active_partition *p;
	int32_t                  broker;
};
struct replica_list {
	struct replica_item *items;
	int32_t              count, room;
};
void active_replicas_add(struct replica_list *l, struct active_partition *p, int32_t broker);
void active_replicas_fini(struct replica_list *l);

/* --- the request batch: active_batch.c ---------------------------------------------------------------------------------------------------- */

/*
 * Collected within one step of a procedure and sent at its end; empty between. Entries name partitions; what the requests say of them is looked up when they are sent, which
 * is when the step is over: the cache says then what the store says. Only the epoch of StopReplica is taken when it is added.
 */
struct batch_entry {
	struct active_partition *p;
	int32_t broker;
	int32_t leader_epoch;		/* StopReplica */
	int32_t order;			/* of adding */
	bool    flag;			/* is_new, or delete: sticky */
};
struct batch_list {
	struct batch_entry *items;
	int32_t             count, room;
};
struct active_batch {
	struct batch_list leader_and_isr, stop, update;	/* update: broker unused */
	bool              update_to_all;
	struct id_list    update_to;		/* beside */
};

/* LeaderAndIsr of p to a broker, and UpdateMetadata of it to all. Nothing for a broker id below 0, or without leadership. */
void active_batch_leader_and_isr(struct active *a, struct active_partition *p, int32_t broker, bool is_new);
void active_batch_update(struct active *a, struct active_partition *p);	/* UpdateMetadata of p to all */
void active_batch_update_all(struct active *a);				/* UpdateMetadata to all, whatever partitions are added: none, perhaps */
void active_batch_update_to(struct active *a, int32_t broker, struct active_partition *p);	/* to one; p may be NULL: brokers only */
void active_batch_stop(struct active *a, struct active_partition *p, int32_t broker, bool with_delete);
bool active_batch_is_empty(const struct active *a);
void active_batch_fini(struct active_batch *b);
/* LeaderAndIsr, UpdateMetadata, StopReplica, each broker in the order of ids; to registered brokers only. Empties the batch. */
void active_batch_send(struct controller *c);

/* A request to a member, from the batch to the event that its answer is. */
struct active_body;			/* counted memory that several requests share: partition states, live brokers */
struct active_request {
	struct list          link;	/* channel->requests, or active->own_requests */
	struct active       *active;	/* NULL: the active side has ended, or the broker is gone: freed as soon as it is home */
	int32_t              broker;
	enum api_key         key;
	int16_t              version;
	union {
		struct leader_and_isr_request  leader_and_isr;
		struct update_metadata_request update_metadata;
		struct stop_replica_request    stop_replica;
	} request;
	const struct stop_replica_request_topic_state *stop_states;	/* StopReplica: of what the request says in the form of its version */
	int32_t              stop_state_count;
	const void          *answer;	/* struct x_response once it is home; valid as long as this */
	struct active_body  *body;
	struct list          merged;	/* requests that it speaks for: active_merge.c */
	bool                 was_sent;	/* the member may have heard of it */
	char                 host[256];
	struct channel_call  call;	/* to another broker */
	struct own_request   own;	/* to ourselves, */
	struct arena         arena;	/* and its answer; to another: what it has of its own once it has merged others */
	union {
		struct leader_and_isr_response  leader_and_isr;
		struct update_metadata_response update_metadata;
		struct stop_replica_response    stop_replica;
	} own_answer;
};
void active_request_free(struct active_request *r);

/* active_merge.c: makes the UpdateMetadata at the head of a queue, which is not empty, one that speaks for those behind it too. */
void active_merge_waiting(struct list *queue);

/* active_channel.c */
void active_channel_open(struct controller *c, struct active_broker *b);
void active_channel_close(struct controller *c, struct active_broker *b);	/* queued requests are discarded */
void active_channel_send(struct controller *c, struct active_broker *b, struct active_request *r);	/* takes r */

/* Answers, as tasks of the active queue; each takes r (active_request_free at its end). */
void active_enqueue_leader_and_isr_answer(struct controller *c, struct active_request *r);	/* active_logdirs.c: section "controller's use of replies" */
void active_enqueue_stop_answer(struct controller *c, struct active_request *r);		/* active_deletion.c */

/* --- the state ------------------------------------------------------------------------------------------------------------------------------ */

struct active {
	struct controller     *c;
	bool                   is_moved;	/* fenced off, or failed: another election decides; nothing is begun any more */
	bool                   is_ready;	/* failover is done */
	struct active_broker **brokers;		/* ids ascending */
	int                    broker_count;
	struct map             topics;		/* by name: active_topic */
	struct map             topic_ids;	/* by id (16 bytes): active_topic; those with an id */
	uint32_t               next_number;	/* of a topic */
	int64_t                replica_count;	/* assigned, of all partitions */
	int32_t                queued_count;	/* topics queued for deletion */
	struct active_batch    batch;
	struct list            waiters;		/* active_waiter */
	struct list            own_requests;	/* active_request: this broker's own member side has them */
	int32_t                elected_count;	/* partitions that the last active_push_online has found leaders for */
	uint64_t               own_sent, own_done;	/* their number since the election */
	struct controller_timer waiter_timer;

	/* second half */
	struct controller_timer balance_timer;	/* active_leaders.c */
	bool                   is_isr_scan_queued, is_dir_scan_queued;	/* a watch has fired, its task waits */
};

/* active.c: looking things up */
struct active_topic *active_topic_by_id(const struct active *a, struct uuid id);	/* NULL: unknown, or the zero id */
struct active_partition *active_partition_get(const struct active_topic *t, int32_t id);	/* NULL: none */
struct active_partition *active_partition_find(const struct controller *c, struct slice topic, int32_t id);
struct active_broker *active_broker_get(const struct active *a, int32_t id);	/* registered: live or shutting down; NULL */
bool active_is_live(const struct active *a, int32_t broker);			/* registered and not shutting down */
bool active_is_replica_online(const struct active *a, const struct active_partition *p, int32_t broker);
/* As above, but a broker that is shutting down counts: for controlled shutdown. */
bool active_is_replica_reachable(const struct active *a, const struct active_partition *p, int32_t broker);
struct active_replica *active_replica_get(const struct active_partition *p, int32_t broker);	/* NULL: NON_EXISTENT */
void active_replica_set(struct active_partition *p, int32_t broker, enum active_replica_state state);
bool active_is_target(const struct active_partition *p, int32_t broker);	/* RS - RR */
/* Takes over RS, AR, RR (copies), keeps the count of replicas. */
void active_set_assignment(struct active *a, struct active_partition *p, const int32_t *replicas, int32_t n, const int32_t *adding, int32_t adding_count,
                           const int32_t *removing, int32_t removing_count);
/* Every partition, in the order of topics and ids. The topics may not change meanwhile. */
struct active_partition *active_next_partition(const struct active *a, uint32_t *topic_at, int32_t *partition_at);	/* start with 0, 0; NULL at the end */
#define ACTIVE_FOREACH_PARTITION(p, a) \
	for (struct { uint32_t t; int32_t i; struct active_partition *p; } it_ = { 0, 0, NULL }; (it_.p = active_next_partition((a), &it_.t, &it_.i)) != NULL; ) \
		for (struct active_partition *p = it_.p; p != NULL; p = NULL)
bool active_has_version(const struct controller *c, int32_t version);	/* inter.broker.protocol.version >= KAFKA_VERSION(...) */

/* --- tasks of requests ----------------------------------------------------------------------------------------------------------------------- */

/* Who asked: a network actor, or the member side of this broker (own != NULL; request is then inside it). */
struct active_ask {
	struct controller_request *request;
	struct own_request        *own;
};
void active_ask_answer(struct controller *c, struct active_ask *ask);	/* once; ask->request becomes NULL */
void active_ask_refuse(struct controller *c, struct active_ask *ask);	/* fills in NOT_CONTROLLER as the request has it, and answers */

/* A task that serves a request. Its end answers; given up: refuses. `fini` of its kind is active_ask_task_fini, or calls it. */
struct active_ask_task {
	struct task       task;
	struct active_ask ask;
};
struct active_ask_task *active_ask_task_create(struct controller *c, const struct task_kind *kind, size_t size, struct active_ask *ask);	/* not enqueued */
void active_ask_task_fini(struct controller *c, struct task *t);

/* One per request of clients and members; each enqueues a task. Second half. */
void active_enqueue_alter_partition(struct controller *c, struct active_ask *ask);		/* active_isr.c */
void active_enqueue_producer_ids(struct controller *c, struct active_ask *ask);			/* active_isr.c */
void active_enqueue_controlled_shutdown(struct controller *c, struct active_ask *ask);		/* active_shutdown.c */
void active_enqueue_alter_reassignments(struct controller *c, struct active_ask *ask);		/* active_reassign.c */
void active_enqueue_list_reassignments(struct controller *c, struct active_ask *ask);
void active_enqueue_elect_leaders(struct controller *c, struct active_ask *ask);			/* active_leaders.c */

/*
 * An answer that waits for what is not ours to do: this broker's member side (until everything sent to it so far is carried out and visible), or time. It is no
 * task, so it holds nothing up. `look` is called after each request to ourselves is done, after each deletion, at the deadline, and at the end: is_over then.
 */
struct active_waiter {
	struct list link;
	uint64_t    own_wanted;		/* not looked at before own_done has reached it, but at the deadline */
	mono_ms     deadline;
	bool      (*look)(struct controller *c, struct active_waiter *w, bool is_over);	/* true: answered, and w freed by it */
};
void active_wait(struct controller *c, struct active_waiter *w);	/* own_wanted is set to what has been sent so far; looks at once */
void active_look_at_waiters(struct controller *c);

/* Another controller has been elected, or we cannot go on: the chain of t ends, an election follows. */
enum task_result active_moved(struct controller *c, struct task *t);
bool active_is_fenced_off(const struct task *t);	/* any call of t */

/* --- procedures: each pushes a sub-task in front of the current task of the active queue ------------------------------------------------------ */

enum election { ELECT_OFFLINE, ELECT_OFFLINE_UNCLEAN /* an admin asks for it */, ELECT_REASSIGN, ELECT_PREFERRED, ELECT_SHUTDOWN };

/* active_partitions.c: transitions of partitions; how: for ONLINE. Writes, caches, sends. Error per item; an item in a state from which there is no way there is left with
 * UNKNOWN_SERVER_ERROR. Elections that find nobody: ELIGIBLE_LEADERS_NOT_AVAILABLE, PREFERRED_LEADER_NOT_AVAILABLE. */
void active_push_partitions(struct controller *c, struct partition_list *l, enum active_partition_state to, enum election how);
/* Elects for all partitions that are Offline or New (topics queued for deletion left out). */
void active_push_online(struct controller *c);
/* As above, of one topic (unclean election was allowed for it), NULL: of all; the name is copied. */
void active_enqueue_online(struct controller *c, const char *topic);

/*
 * active_states.c: rewriting state nodes. Each is read, or as it is cached; `decide` changes it, and it is written if nobody has written it meanwhile; else all over again. What is written is
 * cached, with our controller epoch. Sends nothing.
 */
enum state_verdict {
	STATE_WRITE,		/* decide has changed it; the leader epoch is raised here */
	STATE_KEEP,		/* as it is: cached, under our epoch */
	STATE_FAIL,		/* decide has set the error */
};
struct state_change {
	struct active_partition *p;
	int32_t          leader, leader_epoch, version;	/* as read or cached; decide changes leader, isr, is_recovering */
	struct id_list   isr;
	bool             is_recovering;
	bool             may_be_unclean;	/* the topic's configuration says so; only looked up with wants_unclean, and when nobody of the in-sync set is online */
	bool             was_refused;		/* the node is not what was cached or read */
	bool             is_done;
	enum kafka_error error;			/* NONE, decide's, or UNKNOWN_SERVER_ERROR: no node, not readable, a newer controller's, not writable */
	struct id_list   recipients;		/* decide's: who is to be told */
};
struct state_changes {
	struct state_change *items;
	int32_t              count, room;
	bool                 wants_unclean;
	int32_t              replica;	/* for decide */
	enum election        how;
	enum state_verdict (*decide)(struct controller *c, const struct state_changes *l, struct state_change *s);
};
void state_changes_add(struct state_changes *l, struct active_partition *p);
void state_changes_fini(struct state_changes *l);
void active_push_state_changes(struct controller *c, struct state_changes *l);
enum state_verdict active_bump_epoch(struct controller *c, const struct state_changes *l, struct state_change *s);	/* a decide: the epoch is raised, no more */
/* Reads the state nodes into the cache. A missing node: has_leadership becomes false. */
void active_push_read_states(struct controller *c, struct partition_list *l);
void active_take_state(struct active_partition *p, const struct znode_state *z, int32_t version);

/* active_replicas.c: transitions of replicas. Writes, caches, sends. Replicas in a state from which there is no way there are left as they are. */
void active_push_replicas(struct controller *c, struct replica_list *l, enum active_replica_state to);

/* active_brokers.c: what follows when these replicas have gone offline: steps 1 to 5 of a broker's failure. */
void active_push_replicas_failed(struct controller *c, struct replica_list *l);
void active_enqueue_broker_scan(struct controller *c);		/* /brokers/ids: joins, leaves, bounces */
void active_enqueue_broker_changed(struct controller *c, int32_t broker);
void active_push_load_brokers(struct controller *c);		/* failover: all registrations, no procedures */
struct active_broker *active_broker_add(struct controller *c, const struct cluster_broker *info);	/* and opens its channel */
void active_broker_remove(struct controller *c, struct active_broker *b);	/* and closes it; b is freed */

/* active_start.c */
void active_enqueue_failover(struct controller *c);

/* active_topics.c */
void active_push_load_topics(struct controller *c);		/* failover: all topics; no procedures */
struct active_assignment;
/* As it will be when `changed` has been written with another assignment. */
void active_encode_topic_with(struct controller *c, const struct active_topic *t, const struct active_partition *changed, const struct active_assignment *to);
void active_encode_topic(struct controller *c, const struct active_topic *t);	/* the topic's node as the cache has it, into c->text */
void active_enqueue_topic_scan(struct controller *c);
void active_enqueue_topic_changed(struct controller *c, const char *name);
void active_topic_forget(struct active *a, struct active_topic *t);	/* taken out, and freed */
void active_topic_free(struct active_topic *t);
struct uuid active_new_topic_id(struct controller *c);

/* active_deletion.c */
void active_enqueue_deletion_scan(struct controller *c);
void active_push_load_deletions(struct controller *c);		/* failover: which topics are queued; no procedures */
void active_push_resume_deletions(struct controller *c);	/* goes on where it can */
void active_push_fail_deletions(struct controller *c, struct replica_list *l);	/* these replicas cannot be deleted now; l is copied */
void active_deletion_retry(struct active *a, struct active_topic *t);	/* something changed for it: no longer ineligible */

/* active_elect.c: pure */
struct elect_spec {
	enum election  how;
	const int32_t *replicas, *isr, *online, *shutting_down;	/* replicas: candidates in their order. online: those of replicas and isr that are (ELECT_SHUTDOWN: reachable) */
	int32_t        replica_count, isr_count, online_count, shutting_down_count;
	bool           may_be_unclean;
};
struct elect_result {
	int32_t  leader;
	bool     is_unclean;
	int32_t *isr, *recipients;	/* the caller's room: isr_count + 1, replica_count */
	int32_t  isr_count, recipient_count;
};
bool elect_leader(const struct elect_spec *s, struct elect_result *r);	/* false: nobody */

/* --- active_rules.c: pure functions of what is known of one partition, or one broker ------------------------------------------------------------------ */

struct active_assignment {		/* one block, owned: replicas */
	int32_t *replicas, *adding, *removing;	/* RS, AR, RR */
	int32_t  replica_count, adding_count, removing_count;
};
/* From what p has to `target`; a running reassignment is superseded. target NULL: back to where the running one began. */
void active_assignment_to(struct active_assignment *out, const struct active_partition *p, const int32_t *target, int32_t n);
void active_assignment_copy(struct active_assignment *out, const struct active_partition *p);	/* what p has */
void active_assignment_target(struct active_assignment *out, const struct active_partition *p);	/* as it is when p's reassignment is complete */
void active_assignment_fini(struct active_assignment *a);
bool active_assignment_is_of(const struct active_assignment *a, const struct active_partition *p);
bool active_has_changes(const struct active_partition *p);	/* AR or RR is not empty: "being reassigned", as Kafka derives it */
bool active_covers_target(const struct active_partition *p, const int32_t *isr, int32_t n);	/* every target replica is in sync */
const char *active_target_problem(const int32_t *target, int32_t n);	/* Kafka's words for a list that cannot be a target; NULL: it can */

struct isr_claim {			/* what a leader wants a partition's state to be */
	int32_t        leader, leader_epoch, partition_epoch;
	bool           is_recovering;
	const int32_t *isr;
	int32_t        isr_count;
};
/* Is p what the claim says, whatever the partition epochs? The order of the in-sync set counts. */
bool isr_claim_is_met(const struct isr_claim *claim, const struct active_partition *p);
/* NONE: to be written, or met already. p NULL: unknown. are_live: every member of the claimed set is. */
enum kafka_error isr_claim_check(const struct isr_claim *claim, const struct active_partition *p, bool are_live, int16_t version);
/* Of the partitions that a broker should lead, so many are led elsewhere: more than the percentage? */
bool active_is_imbalanced(int32_t preferred, int32_t elsewhere, int32_t percentage);

/* --- second half: what failover and events call ------------------------------------------------------------------------------------------------ */

void active_push_feature(struct controller *c);			/* active_feature.c: step 1, /feature as the version has it */
void active_push_clear_notifications(struct controller *c);	/* step 3: log directory, then in-sync notifications are deleted; their watches are armed */
void active_take_paths(struct store_call *list, char ***paths, int32_t *n);	/* active_notices.c: of the children listed; owned */
void active_free_paths(char **paths, int32_t n);
void active_enqueue_isr_scan(struct controller *c);		/* active_isr.c: /isr_change_notification */
void active_enqueue_dir_scan(struct controller *c);		/* active_logdirs.c: /log_dir_event_notification */
bool active_is_moving(const struct active_topic *t);		/* a partition of it is being reassigned: it is not deleted before that is done */
void active_push_resume_reassignments(struct controller *c);	/* step 9: active_reassign.c; reads /admin/reassign_partitions, with watch */
void active_enqueue_reassign_node(struct controller *c);	/* /admin/reassign_partitions was created */
/* Protocol versions before 2.7-IV2: was it a state node, watched because its partition is being reassigned? Then that may be complete now. */
bool active_on_state_watch(struct controller *c, const char *path);
/* A broker has started: partitions with it among their targets go on. An in-sync set has grown: those in the list. */
void active_push_reassignments_of_broker(struct controller *c, int32_t broker);
void active_push_reassignments_of(struct controller *c, struct partition_list *l);
void active_push_pending_preferred(struct controller *c);	/* step 11: active_leaders.c; reads /admin/preferred_replica_election, with watch, deletes it */
void active_enqueue_preferred_node(struct controller *c);
void active_leaders_begin(struct controller *c);		/* step 12: the timer of the balance */
void active_leaders_end(struct controller *c);
/* An unclean election is decided: what is lost with it is reported, as far as it is known here. */
void active_report_unclean(struct controller *c, const struct active_partition *p, int32_t leader, const struct id_list *lost_isr, int32_t old_leader_epoch);
void active_refuse_elect_leaders(struct controller *c, struct controller_request *m);	/* NOT_CONTROLLER, as ElectLeaders says it: in each partition */

#endif
