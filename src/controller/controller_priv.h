/*
 * The controller's insides, shared by its files.
 *
 * Kafka's controller handles one event at a time, and so does this one: tasks wait in a queue, one runs. A task is a state machine: `run` looks at its stage,
 * submits calls to the store or messages to actors, and is run again when all of them are home. It may push a sub-task in front of itself. Nothing ever
 * blocks, so the same code runs in simulation.
 */
#ifndef SKEIN_CONTROLLER_PRIV_H
#define SKEIN_CONTROLLER_PRIV_H

#include "base/config_file.h"
#include "base/config_set.h"
#include "base/list.h"
#include "base/map.h"
#include "controller/controller.h"
#include "controller/znode.h"

#define CONTROLLER_MAGIC 0x63747274u
#define CONTROLLER_JOB   (MSG_BASE_WORKER + 0x40)	/* a piece of a task's work that waits for a device */

struct task;
struct topic_state;

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
	void            (*fini)(struct task *t);	/* NULL: nothing */
};

struct task {
	struct list             link;
	const struct task_kind *kind;
	struct task            *parent;		/* runs again when this one is done */
	int                     stage;
	int                     out;		/* calls and messages that are not home yet */
	struct list             calls;		/* store_call, all of the last submission */
	struct store_call      *last;		/* the call made last: what task_* functions return */
	struct msg             *asker;		/* to be answered at the end; NULL */
	bool                    is_expired;	/* the session went: give up */
	uint64_t                wants_generation;	/* waits until every audience uses this picture: its generation + 1; 0: none */
};

/* --- topics ------------------------------------------------------------------------------------------------------------------------ */

struct partition_state {
	int32_t  id;
	int32_t *replicas, *adding, *removing;	/* one block each, owned */
	int32_t  replica_count, adding_count, removing_count;
	bool     has_state;			/* the state node is known */
	int32_t  leader, leader_epoch, controller_epoch, partition_epoch;
	int32_t  isr[REPLICAS_MAX];
	int32_t  isr_count;
	struct partition_addr *local;		/* a reference; NULL: not hosted here */
};

struct topic_state {
	char       *name;
	struct uuid id;
	int32_t     version;			/* of the topic node */
	int32_t     partition_count;
	struct partition_state *partitions;	/* ids ascending */
	struct cluster_overrides *overrides;
	struct topic_config config;
	bool        is_deleting;
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
	int32_t                controller_id;	/* -1 unknown */
	int32_t                controller_epoch;
	int32_t                fence_version;	/* of /controller_epoch, by our own election */

	struct list            tasks;		/* waiting, in order */
	struct task           *current;		/* the running one, sub-task first */
	struct list            unsent;		/* store_call that wait for a connection */

	struct map             topics;		/* by name: topic_state */
	struct cluster_broker  brokers[64];	/* live ones, ids ascending */
	int                    broker_count;
	struct map             known_dirs;	/* "topic-partition": known_dir */
	int                   *dir_load;	/* partitions per log directory */
	int64_t                last_change;	/* number of the newest config notification handled */

	struct cluster        *picture;		/* the newest; NULL before the first */
	struct audience       *audience;
	int                    audience_count;
	struct strbuf          text;		/* scratch */
};

/* controller_task.c: the machinery */
struct task *task_create(struct controller *c, const struct task_kind *kind, size_t size, struct msg *asker);	/* zeroed, `size` bytes with struct task first */
void task_enqueue(struct controller *c, struct task *t);
void task_push(struct controller *c, struct task *t);		/* runs before the current one goes on */
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
enum task_result   task_submit(struct controller *c, struct task *t);	/* TASK_WAIT, or TASK_AGAIN when there is nothing to wait for */
void task_ask(struct controller *c, struct task *t, struct partition_addr *to, struct msg *m);	/* counts it; a stopped partition: not sent, see m->at */
void controller_on_call_home(struct controller *c, struct store_call *s);
bool store_call_is_fenced_off(const struct store_call *s);	/* another controller has been elected */

/* controller_start.c */
void controller_enqueue_start(struct controller *c);
void controller_enqueue_election(struct controller *c);
void controller_on_event(struct controller *c, const struct coord_event *e);

/* controller_topics.c */
struct topic_state *topic_state_get(const struct controller *c, struct slice name);
void topic_state_free(struct topic_state *t);
/* Reads the topics (NULL, 0: all that are in the store), makes missing partition states, starts and instructs local replicas, publishes. As a sub-task. */
void controller_push_load(struct controller *c, char **names, int n);
void controller_enqueue_topic_scan(struct controller *c);
void controller_enqueue_topic_changed(struct controller *c, const char *name);
void controller_enqueue_deletion_scan(struct controller *c);
void controller_push_delete(struct controller *c, char **names, int n);

/* controller_replicas.c */
void controller_scan_dirs(struct controller *c);
bool controller_start_replica(struct controller *c, struct topic_state *t, struct partition_state *p);
/* What no topic of the store owns becomes -stray; called once, when all topics are loaded. */
void controller_set_strays_aside(struct controller *c);
void controller_forget_dir(struct controller *c, const char *key);	/* "topic-partition" was deleted */
void partition_role_fill(const struct controller *c, const struct topic_state *t, const struct partition_state *p, struct partition_role *m);

/* controller_picture.c */
struct cluster *controller_next_picture(struct controller *c);	/* change it, then controller_publish */
void controller_put_topic(struct controller *c, struct cluster *next, struct topic_state *t);
void controller_publish(struct controller *c, struct cluster *next);
void controller_on_audience_home(struct controller *c, struct msg *m);
bool controller_is_visible(const struct controller *c, uint64_t generation);
void controller_wait_visible(struct controller *c, struct task *t);	/* then return TASK_WAIT or go on if it returns with out == 0 */

/* controller_config.c */
bool controller_resolve_broker(struct controller *c, struct strbuf *why);	/* c->config anew from its layers */
void controller_resolve_topic(struct controller *c, struct topic_state *t);
void controller_set_overrides(struct topic_state *t, const struct cluster_override *pairs, int32_t n);
void controller_enqueue_alter(struct controller *c, struct controller_alter_configs *m);
void controller_enqueue_config_changes(struct controller *c);

/* controller_admin.c */
void controller_enqueue_create_topics(struct controller *c, struct controller_create_topics *m);
void controller_enqueue_delete_topics(struct controller *c, struct controller_delete_topics *m);
void controller_enqueue_create_partitions(struct controller *c, struct controller_create_partitions *m);
void controller_enqueue_producer_ids(struct controller *c, struct controller_allocate_producer_ids *m);

/* controller_stop.c */
void controller_enqueue_stop(struct controller *c, struct controller_stop *m);

#endif
