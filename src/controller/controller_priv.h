/*
 * The controller's insides, shared by its files.
 *
 * It has two sides. The *member* side is what every broker does: it keeps the registration and the session, hosts replicas, does what the controller of the cluster says, and
 * publishes the picture. The *active* side is what the one elected broker does for the cluster: it decides, writes decisions into the store, and tells the members, itself
 * included. The two share no state but identity, session and configuration; the active side tells its own member side what it tells the others (member_enqueue_request),
 * and the member side asks the controller of the cluster the same way wherever it is (controller_ask_active).
 *
 * Kafka's controller handles one event at a time, and so does each side: tasks wait in its queue, one runs. A task is a state machine: `run` looks at its stage,
 * submits calls to the store or messages to actors, and is run again when all of them are home. It may push a sub-task in front of itself. Nothing ever
 * blocks, so the same code runs in simulation. What may have to wait for the other side, or for another broker, is no task: it would hold up its queue.
 */
#ifndef SKEIN_CONTROLLER_PRIV_H
#define SKEIN_CONTROLLER_PRIV_H

#include "base/config_file.h"
#include "base/config_set.h"
#include "base/list.h"
#include "base/map.h"
#include "client/channel.h"
#include "controller/controller.h"
#include "controller/mutation_quota.h"
#include "controller/znode.h"

#define CONTROLLER_MAGIC 0x63747274u
#define CONTROLLER_JOB   (MSG_BASE_WORKER + 0x40)	/* a piece of a task's work that waits for a device */

struct task;
struct topic_state;
struct joining_finding;
struct active;

/* --- calls to the store ------------------------------------------------------------------------------------------------------ */

/* One call of a task. A write may have been applied by an attempt whose answer was lost: was_retried says so, and the task decides what "exists" then means. */
struct store_call {
	struct coord_call  call;
	struct list        link;		/* task->calls, or controller->unsent */
	struct task       *task;
	struct coord_op    ops[3];
	char              *path;		/* owned; ops[op_count - 1].path */
	struct strbuf      data;
	bool               was_retried;
	void              *mark;		/* the task's: what the call is about */
};

/* --- tasks ------------------------------------------------------------------------------------------------------------------------ */

enum task_result { TASK_WAIT, TASK_AGAIN, TASK_DONE };

struct task_kind {
	const char       *name;
	enum task_result (*run)(struct controller *c, struct task *t);
	void            (*fini)(struct controller *c, struct task *t);	/* NULL: nothing */
	size_t            size;			/* of the task; 0: its creator says */
	bool              is_storeless;		/* may begin without a connection to the store: it may not need one */
};

struct task_queue {			/* one runs at a time */
	struct list  tasks;		/* waiting, in order */
	struct task *current;		/* the running one, sub-task first */
};

struct task {
	struct list             link;
	const struct task_kind *kind;
	struct task_queue      *queue;
	struct task            *parent;		/* runs again when this one is done */
	int                     stage;
	int                     out;		/* calls and messages that are not home yet */
	struct list             calls;		/* store_call, all of the last submission */
	struct store_call      *last;		/* the call made last: what task_* functions return */
	struct msg             *asker;		/* to be answered at the end; NULL */
	bool                    is_expired;	/* the session went: give up, unless ... */
	bool                    is_past_store;	/* ... it has what it needed of the store, and has begun what must not be left half done */
	uint64_t                wants_generation;	/* waits until every audience uses this picture: its generation + 1; 0: none */
};

/* --- timers: the actor's deadline is the earliest ------------------------------------------------------------------------------------ */

struct controller_timer {
	struct list link;
	mono_ms     at;			/* MONO_NEVER: not set */
	void      (*fire)(struct controller *c, struct controller_timer *t);	/* once; may set it again */
};

/* --- questions from one side to the other -------------------------------------------------------------------------------------------- */

/* A request of Kafka's protocol that did not come from a client of this broker; the message part is unused. `done` is called once, from controller_run_tasks or a step. */
struct own_request {
	struct controller_request request;
	enum err                  result;	/* of the way to the active controller: not OK means that nobody answered; maybe_applied tells */
	bool                      maybe_applied;
	void                    (*done)(struct controller *c, struct own_request *r);
	struct channel_call       call;		/* controller_ask_active's; call.internal != NULL after an answer of another broker: channel_call_fini */
	char                      host[256];
	int32_t                   limit_ms;	/* of connecting, and of waiting for the answer; 0: as configured */
	void                     *context;
};

/* --- topics, as this broker knows them: from LeaderAndIsr, UpdateMetadata and the configurations --------------------------------------- */

struct id_list {			/* broker ids; one block, owned */
	int32_t *ids;
	int32_t  count;
};

struct partition_state {
	int32_t  id;
	bool     is_known;			/* told by the controller, and not taken back: it is in the picture */
	int32_t  leader, leader_epoch, controller_epoch, partition_epoch;
	struct id_list replicas, isr, offline;
	struct partition_addr *local;		/* a reference; NULL: not hosted here */
	bool     is_hidden;			/* on its way out: no longer in the picture as local */
	bool     is_following, is_throttled;	/* assigned to a fetcher, and as what */
	int32_t  role_epoch;			/* leader epoch of the role it has; -1: none yet */
};

struct topic_state {
	char       *name;
	struct uuid id;				/* zero: unknown */
	int32_t     partition_count;
	struct partition_state *partitions;	/* ids ascending */
	struct cluster_overrides *overrides;	/* NULL until has_config */
	struct topic_config config;
	bool        has_config;			/* read from the store */
	bool        is_in_picture;
};

struct audience {
	struct actor          *actor;
	struct cluster_picture update;
	bool                   is_out;
	uint64_t               uses;		/* generation of the picture it uses */
};

struct known_dir {			/* a partition directory found at start */
	int  dir;				/* index of the log directory */
	bool is_taken;
};

struct controller {
	struct actor           actor;
	uint32_t               magic;
	struct controller_spec spec;
	struct os             *os;
	struct coord          *coord;
	struct controller_ready *ready;		/* until it is answered */

	/* configuration: the static set, what the store overrides, and the two together */
	struct config_set      broker_own, broker_default;
	struct broker_config  *config;

	/* who we are, and who is controller */
	int32_t                broker_id;
	int64_t                broker_epoch;	/* czxid of the registration */
	int64_t                registered_session;
	char                   cluster_id[64];
	bool                   has_started;	/* identity and configuration are known, directories are read */
	bool                   is_connected, is_registered, is_active, is_stopping, is_stopped;
	bool                   is_place_free;	/* another's registration under our id has gone since it was read */
	bool                   is_retiring;	/* controlled shutdown has begun: no replica follows anew */
	int32_t                controller_id;	/* -1 unknown */
	int64_t                controller_node;	/* czxid of /controller as it was read last: tells its incarnations apart; 0 none */
	int32_t                asked;		/* the other broker that was asked last as the controller, and may still owe an answer; -1 none */
	int64_t                asked_node;	/* controller_node at that time */
	int32_t                controller_epoch;
	int32_t                fence_version;	/* of /controller_epoch, by our own election */

	struct task_queue      member_queue, active_queue;
	struct list            unsent;		/* store_call that wait for a connection */
	struct list            held;		/* questions to fetchers and channels that wait for room in a lane */
	struct list            timers;		/* controller_timer that are set, the earliest first */
	struct active         *active;		/* while this broker is the active controller; NULL */

	/* member side */
	struct map             topics;		/* by name: topic_state */
	struct cluster_broker *brokers;		/* live ones as the controller said, ids ascending; owned */
	int                    broker_count;
	int32_t                seen_controller_epoch;	/* highest of any request */
	bool                   has_roles;	/* the first LeaderAndIsr has been carried out */
	bool                   has_set_strays_aside;	/* since the registration */
	struct list            isr_changes;	/* partition_isr_change that wait for the request that is out */
	struct isr_request    *isr_request;	/* under way; NULL */
	struct controller_timer isr_timer;
	struct retirement     *retirement;	/* the controlled shutdown under way; NULL */
	struct controller_timer wait_timer;	/* of a stop: says what it waits for */
	struct isr_notices    *isr_notices;	/* member_isr_node.c; NULL: none yet */
	struct map             known_dirs;	/* "topic-partition": known_dir */
	struct map             copies, wishes;	/* of replicas that are not started yet: member_moves.c */
	int                   *dir_load;	/* partitions per log directory */
	bool                  *dir_has_failed;	/* it was announced */
	struct mutation_quotas quotas;		/* what clients may ask of this broker as the active controller */
	int64_t                last_change;	/* number of the newest config notification handled */

	struct cluster        *picture;		/* the newest; NULL before the first */
	int32_t                feature_version;	/* of /feature, as long as it is enabled; -1 */
	struct audience       *audience;
	int                    audience_count;
	struct strbuf          text;		/* scratch */
};

/* controller_task.c: the machinery */
struct task *task_create(struct task_queue *q, const struct task_kind *kind, size_t size, struct msg *asker);	/* zeroed, `size` bytes with struct task first */
void task_enqueue(struct task *t);
void task_push(struct task *t);			/* runs before the current one of its queue goes on */
void controller_run_tasks(struct controller *c);
void task_drop_calls(struct task *t);
struct store_call *task_call(struct controller *c, struct task *t, const char *fmt, ...) PRINTF(3, 4);	/* a call on this path; fill ops[0] */
struct store_call *task_get(struct controller *c, struct task *t, bool watch, const char *fmt, ...) PRINTF(4, 5);
struct store_call *task_children(struct controller *c, struct task *t, bool watch, const char *fmt, ...) PRINTF(4, 5);
struct store_call *task_exists(struct controller *c, struct task *t, bool watch, const char *fmt, ...) PRINTF(4, 5);
/* data: taken from c->text when has_data, else null. The fenced forms check /controller_epoch in the same multi. */
struct store_call *task_create_node(struct controller *c, struct task *t, bool is_fenced, bool has_data, int flags, const char *fmt, ...) PRINTF(6, 7);
struct store_call *task_set_node(struct controller *c, struct task *t, bool is_fenced, int32_t version, const char *fmt, ...) PRINTF(5, 6);
struct store_call *task_delete_node(struct controller *c, struct task *t, bool is_fenced, int32_t version, const char *fmt, ...) PRINTF(5, 6);
struct coord_op   *store_call_op(struct store_call *s);		/* the op that does the work, behind a fence */
enum err           store_call_problem(const struct store_call *s);	/* of one whose answer is of no use: a node that was read, but not understood, is invalid */
enum task_result   task_submit(struct controller *c, struct task *t);	/* TASK_WAIT, or TASK_AGAIN when there is nothing to wait for */
void task_ask(struct controller *c, struct task *t, struct partition_addr *to, struct msg *m);	/* counts it; a stopped partition: not sent, see m->at */
void controller_on_call_home(struct controller *c, struct store_call *s);
bool store_call_is_fenced_off(const struct store_call *s);	/* another controller has been elected */

void task_queue_drop(struct controller *c, struct task_queue *q);	/* what runs and what waits is given up */
/* Sends one more call of a task that has others at home already; counts it. */
void task_submit_one(struct controller *c, struct task *t, struct store_call *s);
void task_ask_actor(struct controller *c, struct task *t, struct actor *to, struct msg *m);	/* as task_ask, for others than partitions: any number at once */
void controller_ask_held(struct controller *c);		/* answers have come home: there may be room */
mono_ms controller_timers_run(struct controller *c, mono_ms now);	/* fires what is due; when the next one is */
void controller_timer_set(struct controller *c, struct controller_timer *t, mono_ms at);	/* MONO_NEVER: clears it */

/* controller_start.c */
void controller_enqueue_start(struct controller *c);
void controller_enqueue_election(struct controller *c);
void controller_on_event(struct controller *c, const struct coord_event *e);
void controller_give_up_unsent(struct controller *c);	/* the session is gone, or the store does not answer any more */
void controller_give_up_registering(struct controller *c);	/* a start that waits for another's registration to go: its watch is lost, or nobody wants it any more */
void controller_push_return(struct controller *c);	/* controller_return.c: a sub-task, when power may have been lost: waits until nobody counts on what is gone */
/* controller_peers.c: Java brokers are asked which release they are of. t waits for the answers. */
void controller_peers_add(struct controller *c, struct list *questions, const struct cluster_broker *peer);
void controller_peers_ask(struct controller *c, struct task *t, struct list *questions);
bool controller_peers_forbid(struct controller *c, const struct list *questions, struct joining_finding *f);	/* all answers are home */
void controller_peers_end(struct controller *c, struct list *questions);
void controller_waits_for(struct controller *c, const char *sentence);	/* constant; for /readyz, while the start goes on */
void controller_say_ready(struct controller *c);	/* once; what the broker waits for */
void controller_own_registration(const struct controller *c, struct cluster_broker *b);	/* id, epoch, endpoints, rack */

/* --- member side ------------------------------------------------------------------------------------------------------------------------- */

/* member_control.c: LeaderAndIsr, UpdateMetadata, StopReplica. Answers m when it is carried out and visible. */
void member_enqueue_request(struct controller *c, struct controller_request *m);
/* The same, told by the active side of this broker: r->done is called when it is carried out. */
void member_enqueue_own(struct controller *c, struct own_request *r);
/* What member_roles.c, member_metadata.c and member_stop_replica.c share. */
struct control_task {
	struct task                task;
	struct controller_request *m;
	struct own_request        *own;		/* from the active side of this broker; NULL: m is a network actor's */
	bool                       is_done;	/* else it was given up, and the response says so */
};
extern const struct task_kind member_roles_kind, member_metadata_kind, member_stop_replica_kind;
enum kafka_error member_control_check(struct controller *c, int32_t controller_id, int32_t controller_epoch, int64_t broker_epoch, bool is_kraft);	/* NONE: to be carried out */
void member_want_config(struct controller *c, struct task *t, struct topic_state *topic);	/* a call, when it has not been read yet */
void member_take_configs(struct controller *c, struct task *t);				/* all calls of t are of the above */
/* The next picture with these topics as they are now; t goes on at `stage` when it is in use. Repetitions may stand side by side. */
enum task_result member_publish_topics(struct controller *c, struct task *t, struct topic_state *const *changed, int32_t n, int stage);
void member_control_end(struct controller *c, struct control_task *t);
void member_drop_if_empty(struct controller *c, struct slice name);
/* What the fetcher of a hosted replica is to do, by what is known of its leader; offsets are the caller's to add when the role is new. Notes that it was told. */
void member_fill_assign(struct controller *c, struct fetcher_assign *a, struct topic_state *t, struct partition_state *p);
/* Its configuration makes a replica here a part of the topic only, which is said. */
bool member_is_not_whole(const struct controller *c, const struct topic_state *t, int32_t partition);
/* The endpoint of a broker for what brokers say to each other; NULL: not known. */
const struct cluster_endpoint *controller_inter_broker_endpoint(const struct controller *c, const struct cluster_broker *b);

/* member_topics.c: what is known of topics */
struct topic_state *topic_state_get(const struct controller *c, struct slice name);
struct topic_state *topic_state_make(struct controller *c, struct slice name);
struct partition_state *topic_state_partition(struct topic_state *t, int32_t id, bool make);	/* NULL: not there */
void topic_state_drop_if_empty(struct controller *c, struct topic_state *t);	/* nothing known, nothing hosted: freed */
void topic_state_free(struct topic_state *t);
/* Children of /brokers/topics and /admin/delete_topics: known topics that are not among the first, or are among the second, leave the picture. */
void member_forget_gone(struct controller *c, const struct coord_op *topics, const struct coord_op *going);
void id_list_set(struct id_list *l, const int32_t *ids, int32_t n);
bool id_list_has(const struct id_list *l, int32_t id);

/* member_replicas.c: which directory holds which replica, starting them */
#define REPLICA_KEY_MAX (LOGDIR_NAME_MAX + 16)
void member_replica_key(char out[REPLICA_KEY_MAX], const char *topic, int32_t partition);
void member_replica_is_in(struct controller *c, const char *topic, int32_t partition, int dir);	/* it has moved there */
void member_scan_dirs(struct controller *c);
bool member_is_any_dir_offline(const struct controller *c);
/* NONE, or KAFKA_STORAGE_ERROR: no directory is online; or one is offline, might hold the replica, and it is not new. is_only: no other broker has one. */
enum kafka_error member_start_replica(struct controller *c, struct topic_state *t, struct partition_state *p, bool is_new, bool is_only);
struct known_dir *member_known_dir(const struct controller *c, const char *key);	/* NULL: none */
void member_forget_dir(struct controller *c, const char *topic, int32_t partition);	/* the replica was deleted */
/* Deletes the directory of a replica that no role has been given to, if there is one. NONE, KAFKA_STORAGE_ERROR. */
enum kafka_error member_delete_unhosted(struct controller *c, struct slice topic, int32_t partition);
/* Does follower.replication.throttled.replicas of the topic name this replica? */
bool member_is_throttled(const struct topic_state *t, int32_t partition, int32_t broker);
void member_on_dir_failed(struct controller *c, struct partition_dir_failed *m);

/* member_strays.c: directories of no replica of this broker become -stray */
void member_set_strays_aside(struct controller *c);	/* alone: all that no role has taken */
void member_look_for_strays(struct controller *c);	/* in a cluster, after each request that was carried out: the first that can be made sure of is the last that looks */
struct member_evict {
	struct topic_state *topic;
	int32_t             partition;
};
/* A sub-task: these replicas, which are hosted and open, end here, and their directories are set aside. What is not hosted any more afterwards may be started anew. */
void member_push_evict(struct controller *c, const struct member_evict *wanted, int32_t n);

/* member_moves.c: AlterReplicaLogDirs, and what it wants of replicas that are not started yet */
void member_enqueue_moves(struct controller *c, struct controller_request *m);
void member_on_moved(struct controller *c, struct partition_moved *m);
void member_found_copy(struct controller *c, int dir, const struct logdir_entry *e);	/* at start: unfinished */
bool member_take_copy(struct controller *c, const char *key, struct logdir **dir, char name[LOGDIR_NAME_MAX + 1]);	/* false: none that can be used */
void member_drop_copy(struct controller *c, const char *topic, int32_t partition);	/* the replica is made anew, or gone: what was copied is of no use */
int  member_take_wish(struct controller *c, const char *key);				/* the directory; -1: none */
void member_moves_free(struct controller *c);

/* member_asks.c: what this broker asks of the controller of the cluster */
/* request.key, version (the highest to be used), request and response are filled in; the answer comes by r->done. */
void controller_ask_active(struct controller *c, struct own_request *r);
void controller_close_line(struct controller *c, int32_t broker, enum channel_line line);	/* calls on it come home with ERR_CLOSED; active_on_channel_home frees the question */
void member_asks_controller_changed(struct controller *c);	/* who is controller, or who is live, may be another now */
void member_on_isr_change(struct controller *c, struct partition_isr_change *m);
void member_on_retire(struct controller *c, struct controller_retire *m);
void member_on_producer_ids(struct controller *c, struct controller_allocate_producer_ids *m);
void member_on_channel_home(struct controller *c, struct msg *m);
void member_asks_stop(struct controller *c);		/* nothing is asked again; what waits is answered */

/* member_isr_node.c: as above, for protocol versions in which the leader writes the state node itself */
void member_enqueue_isr_node(struct controller *c, struct partition_isr_change *m);
void member_isr_notices_free(struct controller *c);

/* member_feature.c */
void member_enqueue_feature(struct controller *c);	/* reads /feature, with a watch: at the start, for each new session, and when the watch has fired */
void member_set_feature_version(struct controller *c, int32_t version);	/* -1: none; publishes a picture that says so */

/* producer_ids.c: claims the next block from the store for the broker m->request names, and fills m's response in (struct allocate_producer_ids_response). Then own->done is
 * called, or without own m is answered. */
void producer_ids_enqueue(struct controller *c, struct task_queue *q, struct controller_request *m, struct own_request *own);

/* --- active side: active.h --------------------------------------------------------------------------------------------------------------- */

/* controller_picture.c */
struct cluster *controller_next_picture(struct controller *c);	/* change it, then controller_publish */
void controller_put_topic(struct controller *c, struct cluster *next, struct topic_state *t);	/* or takes it out when nothing of it is known */
void controller_publish(struct controller *c, struct cluster *next);
void controller_on_audience_home(struct controller *c, struct msg *m);
bool controller_is_visible(const struct controller *c, uint64_t generation);
void controller_wait_visible(struct controller *c, struct task *t);	/* then return TASK_WAIT or go on if it returns with out == 0 */

/* controller_config.c */
bool controller_resolve_broker(struct controller *c, struct strbuf *why);	/* c->config anew from its layers */
void controller_resolve_topic(struct controller *c, struct topic_state *t);
void controller_set_overrides(struct topic_state *t, const struct cluster_override *pairs, int32_t n);
void controller_enqueue_reload(struct controller *c, struct controller_reload *m);
void controller_enqueue_alter(struct controller *c, struct controller_alter_configs *m);
void controller_enqueue_config_changes(struct controller *c);

/* controller_quotas.c */
void controller_enqueue_quotas(struct controller *c);	/* reads all that stand in the store */
/* entity: "users/u", "clients/c", "users/u/clients/c". */
void controller_set_quotas(struct controller *c, const char *entity, const struct cluster_override *pairs, int32_t n);

/* controller_admin.c: what clients ask; by the active controller, but for topics that are made because somebody asked for them */
void controller_enqueue_create_topics(struct controller *c, struct controller_create_topics *m);
void controller_enqueue_delete_topics(struct controller *c, struct controller_delete_topics *m);
int64_t controller_replica_room(const struct controller *c);	/* so many replicas may still be made in the cluster: each is a thread */
void controller_enqueue_create_partitions(struct controller *c, struct controller_create_partitions *m);

/* stored_offsets.c */
void controller_enqueue_stored_offsets(struct controller *c, struct controller_stored_offsets *m);

/* controller_stop.c */
void controller_watch_stop(struct controller *c);	/* a stop, or what comes before it, has begun: when it takes longer, the log says what for */
void controller_enqueue_stop(struct controller *c, struct controller_stop *m);

#endif
