/*
 * What the files of the coordinator share. All of it belongs to the thread of one partition.
 *
 * group.c (the state machine) knows nothing of logs: what is to be stored goes to coordinator_store_group, and group_stored tells how it went. Time is handed in.
 */
#ifndef SKEIN_GROUP_PRIV_H
#define SKEIN_GROUP_PRIV_H

#include "base/map.h"
#include "group/group.h"
#include "group/group_msg.h"
#include "record/build.h"

#define JOIN_PATIENCE_MS 300000		/* how long a member that is new may wait for its first answer: whoever hangs up is noticed then */

#define PROTOCOLS_MAX    64		/* that a member may offer; more fit no group. They are compared with every other member's */

struct coordinator;

struct group_context {
	struct os                  *os;
	const struct broker_config *config;
};

/* --- groups ---------------------------------------------------------------------------------------------------------------------- */

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };

/* A join of a static member that troubles nobody else: it is answered when the member's new id is in the log. */
struct comeback {
	struct group_join *join;
	char              *old_id, *old_leader;
};

struct member {
	struct list  link;		/* of the group, in order of joining */
	char        *id, *instance_id;	/* instance_id NULL: dynamic */
	char        *client_id, *client_host;
	int32_t      session_timeout_ms, rebalance_timeout_ms;
	struct group_protocol *protocols;	/* in one block with what they point to */
	int32_t      protocol_count;
	uint8_t     *assignment;
	size_t       assignment_bytes;
	struct group_join *join;	/* parked; NULL */
	struct comeback   *comeback;	/* a static member's, until the log knows its new id; NULL */
	struct group_sync *sync;	/* parked; NULL */
	bool         is_new;		/* its first join is parked */
	bool         owes_sync;		/* in this generation */
	mono_ms      session_end;	/* does not count while something of it is parked */
};

/* A member id that was handed out and has not joined. */
struct pending_member {
	mono_ms end;
	char    id[];
};

/* A committed offset. */
struct stored_offset {
	struct slice topic;		/* inside */
	int32_t      partition;
	bool         has_value;		/* false: only commits under way */
	int          pending;		/* commits that are written and not yet committed, or not yet their transaction */
	uint32_t     deletions;		/* a commit that began before one of them no longer counts */
	int64_t      log_offset;	/* of the record that says so */
	int64_t      offset;
	int32_t      leader_epoch;
	time_ms      commit_time, expire_time;	/* expire_time -1: as configured */
	char        *metadata;		/* NULL: empty */
	size_t       metadata_len;
	uint8_t      key[];		/* of the map: partition, topic */
};

struct group {
	struct coordinator *coordinator;
	struct slice     id;		/* owned; whatever bytes a client chose, zeros too */
	int              refs;		/* the map's, and stores under way */
	enum group_state state;
	time_ms          state_since;
	char            *protocol_type;	/* NULL: none */
	char            *protocol;	/* selected; NULL */
	char            *leader_id;	/* NULL */
	int32_t          generation;
	struct map       members;	/* by id */
	struct list      in_order;	/* struct member */
	struct map       statics;	/* by instance id: member */
	struct map       pending;	/* by id: struct pending_member */
	int              joining_count;
	int32_t          storing;	/* generation whose assignment is on its way to the log; -1 */
	/* the delayed join */
	mono_ms          join_at;	/* the phase ends; MONO_NEVER: not joining */
	bool             is_initial;	/* the first wait, which never ends early */
	bool             has_newcomer;	/* since it began */
	int32_t          initial_left_ms, initial_wait_ms;
	mono_ms          sync_at;	/* who has not synced by then is out; MONO_NEVER */
	mono_ms          due;		/* nothing of this group is due before */
	struct map       offsets;	/* by key */
};

/* group_answers.c */
#define GROUP_ANSWER_FAILED UNKNOWN_SERVER_ERROR	/* the answer's arena is full */
const char *group_state_name(enum group_state s);
/* Of a failed append, as Kafka tells members and clients; too_large: what a batch that the log does not take is called. */
enum kafka_error group_append_error(enum kafka_error error, enum kafka_error too_large);
bool group_is_leader(const struct group *g, const struct member *m);
void group_refuse_join(struct group *g, struct group_join *m, enum kafka_error error, struct slice member_id);
void group_answer_join(struct group *g, struct group_join *m, const struct member *member, const char *leader, bool with_members);	/* leader: as it is told */
void group_answer_sync(struct group *g, struct group_sync *m, const struct member *member);
/* What the member waits for ends so; no effect where it does not wait. */
void group_end_sync(struct group *g, struct member *m, enum kafka_error error);
void group_end_join(struct group *g, struct member *m, enum kafka_error error, struct slice member_id);
void group_end_comeback(struct group *g, struct member *m, enum kafka_error error, struct slice member_id);
struct group_join *member_take_comeback(struct member *m);	/* the join of a member that came back, taken off it; NULL */
bool group_describe_members(const struct group *g, struct arena *arena, struct group_describe *m);	/* false: the arena's limit */

/* group.c */
struct group *group_create(struct coordinator *c, struct slice id);
void group_unref(struct group *g);
void group_on_join(struct group *g, struct group_join *m, mono_ms now);
void group_on_sync(struct group *g, struct group_sync *m, mono_ms now);
enum kafka_error group_check_heartbeat(struct group *g, const struct group_caller *caller, mono_ms now);
void group_on_leave(struct group *g, struct group_leave *m, mono_ms now);
/* What a commit wants of the group: groups.md section 8. */
enum kafka_error group_check_commit(struct group *g, const struct group_caller *caller, bool is_transactional, mono_ms now);
void group_rebalance(struct group *g, mono_ms now);
void group_tick(struct group *g, mono_ms now);			/* what is due; then g->due is new */
/* What coordinator_store_group was given: in this generation, for the member that came back or, null, for the leader's sync. */
void group_stored(struct group *g, int32_t generation, struct slice comeback, enum kafka_error error, mono_ms now);
void group_die(struct group *g, enum kafka_error error);	/* everybody who waits is told */
bool group_subscribes(const struct group *g, struct slice topic);	/* or it cannot be told */

/* group_members.c */
struct member *group_member(const struct group *g, struct slice id);
struct member *group_static_member(const struct group *g, struct slice instance_id);
struct member *member_create(const struct group_join *m, struct slice id);
void member_destroy(struct member *m);
void member_set_protocols(struct member *m, const struct group_protocol *protocols, int32_t count);
bool member_has_protocols(const struct member *m, const struct group_protocol *protocols, int32_t count);	/* the same, in the same order */
const struct group_protocol *member_protocol(const struct member *m, const char *name);	/* NULL */
void member_set_assignment(struct member *m, struct slice bytes);
void group_add_member(struct group *g, struct member *m);
void group_remove_member(struct group *g, struct member *m);	/* frees it; it must wait for nothing */
bool group_can_read(const struct group_join *m);		/* what a consumer says of itself; of other protocol types nothing is known */
bool group_supports(const struct group *g, const struct group_join *m);	/* one of its protocols, of which there are not too many */
char *group_vote(const struct group *g);			/* the protocol, malloc'd; NULL without members */
struct pending_member *group_pending(const struct group *g, struct slice id);
void group_add_pending(struct group *g, struct slice id, mono_ms end);
void group_remove_pending(struct group *g, struct pending_member *p);
int32_t group_rebalance_timeout(const struct group *g);		/* the largest of the members, at least 1 */
/* NONE, FENCED_INSTANCE_ID, UNKNOWN_MEMBER_ID. */
enum kafka_error group_check_member(const struct group *g, const struct group_caller *caller, struct member **out);
char *copy_text(struct slice s);
bool member_subscribes(const struct member *m, const char *protocol, struct slice topic, bool *is_readable);

/* --- offsets --------------------------------------------------------------------------------------------------------------------- */

/* offsets.c */
struct stored_offset *offsets_find(const struct group *g, struct slice topic, int32_t partition);
struct stored_offset *offsets_make(struct group *g, struct slice topic, int32_t partition);	/* found, or new without a value */
void offsets_set(struct stored_offset *o, int64_t log_offset, int64_t offset, int32_t leader_epoch, struct slice metadata, time_ms commit_time, time_ms expire_time);
/* One that was pending counts from now on, or does not; nor where it was deleted meanwhile, or a newer one is here. */
void offsets_end_pending(struct group *g, struct stored_offset *o, const struct stored_offset *value, int64_t log_offset, bool counts);
void offsets_drop(struct group *g, struct stored_offset *o);	/* the value; all of it when nothing is pending */
void offsets_free_all(struct group *g);
void coordinator_on_offset_commit(struct coordinator *c, struct group_offset_commit *m, mono_ms now);
void coordinator_on_offset_fetch(struct coordinator *c, struct group_offset_fetch *m);
void coordinator_on_offset_delete(struct coordinator *c, struct group_offset_delete *m);
void coordinator_forget_topic(struct coordinator *c, struct slice topic);
void coordinator_expire_offsets(struct coordinator *c, time_ms now);

/* --- transactions ---------------------------------------------------------------------------------------------------------------- */

struct store;

/* transactions.c */
/* This is in the log and pending; the value's metadata is taken. */
void txn_add(struct coordinator *c, int64_t producer_id, struct group *g, struct stored_offset *to, struct stored_offset *value, int64_t log_offset);
void txn_remove(struct coordinator *c, int64_t producer_id, struct stored_offset *to);	/* what this producer has set aside for it */
void txn_end(struct coordinator *c, const struct marker *marker);	/* what the producer has set aside counts, or is forgotten */
void txn_take_store(struct coordinator *c, struct store *s);		/* what a commit has in the log is set aside; once */
void txn_on_marker(struct coordinator *c, struct slice batch);		/* it is committed */
void txn_drop_all(struct coordinator *c);

/* --- records --------------------------------------------------------------------------------------------------------------------- */

/* group_records.c: Kafka's keys and values. They are appended to out. */
void records_offset_key(struct strbuf *out, struct slice group, struct slice topic, int32_t partition);
void records_offset_value(struct strbuf *out, int32_t protocol_version, const struct stored_offset *o);
void records_group_key(struct strbuf *out, struct slice group);
void records_group_value(struct strbuf *out, int32_t protocol_version, const struct group *g);

/* --- the coordinator of one partition --------------------------------------------------------------------------------------------- */

enum coordinator_state { COORDINATOR_RESIGNED, COORDINATOR_LOADING, COORDINATOR_ACTIVE };

/* A batch on its way into the log. */
struct store {
	struct partition_append append;
	struct list             link;		/* of the coordinator: all that are out */
	struct strbuf           bytes;
	struct batch_builder    builder;
	struct strbuf           scratch;	/* key and value of the record being added */
	int32_t                 leader_epoch;	/* of the coordinator that sent it */
	struct group           *group;		/* a reference; NULL */
	int32_t                 generation;	/* of the group, when its members are stored */
	bool                    is_group;	/* group_stored is told */
	char                   *comeback;	/* the id of a member that came back; NULL */
	struct coordinator_question *question;	/* a deletion, answered when it is home; NULL */
	struct group_offset_commit *commit;	/* answered when it is home; NULL */
	struct stored_offset  **offsets;	/* of the commit, by place in the question; NULL: not taken */
	int32_t                 count;
	struct stored_offset   *values;		/* copies with what is to be their value */
	bool                    is_set_aside;	/* of a transaction: what the log has of it was taken; the values are gone */
};

struct load;

struct coordinator {
	struct group_context  *context;
	struct partition_addr *addr;
	enum coordinator_state state;
	int32_t                leader_epoch;
	struct map             groups;		/* by id */
	struct map             txns;		/* by producer id: what is set aside; transactions.c */
	struct list            stores;
	struct load           *load;		/* while it is loading, and until its job is home */
	mono_ms                due;		/* no group is due before */
	mono_ms                expiry_at;
	struct compressor     *compressor;	/* NULL: not used yet, or no codec */
};

/* coordinator.c */
struct group *coordinator_group(const struct coordinator *c, struct slice id);
struct group *coordinator_make_group(struct coordinator *c, struct slice id);
void coordinator_remove_group(struct coordinator *c, struct group *g);		/* from the map, dead */
void coordinator_answer(struct coordinator *c, struct coordinator_question *q, enum kafka_error error);
void coordinator_set_due(struct coordinator *c, mono_ms due);
struct store *coordinator_store_begin(struct coordinator *c);
struct store *coordinator_store_begin_in(struct coordinator *c, const struct group_offset_commit *txn);	/* the transaction that it names */
void coordinator_store_add(struct coordinator *c, struct store *s, size_t key_len, bool is_tombstone);	/* scratch: key, then value */
void coordinator_store_submit(struct coordinator *c, struct store *s, int16_t acks);
/* The group with its members and their assignments of now. Answers group_stored, with the group's generation of now. */
void coordinator_store_group(struct coordinator *c, struct group *g, struct slice comeback);
void coordinator_store_empty_group(struct coordinator *c, struct group *g);	/* nobody waits for it */
void coordinator_add_group_tombstone(struct coordinator *c, struct store *s, const struct group *g);
/* s NULL: begins one. The result takes its place: there may have been no room. */
struct store *coordinator_add_offset_tombstone(struct coordinator *c, struct store *s, const struct group *g, const struct stored_offset *o) MUST_CHECK;
time_ms coordinator_time(const struct coordinator *c);
const struct broker_config *coordinator_config(const struct coordinator *c);

/* coordinator_load.c */
void load_begin(struct coordinator *c);
void load_on_home(struct coordinator *c, struct msg *m);
mono_ms load_step(struct coordinator *c, mono_ms now);
void load_extend(struct coordinator *c, int64_t end);	/* what was committed while it reads is read, too */
void load_end(struct coordinator *c);		/* gives it up; a job that is out frees itself when it is home */

#endif
