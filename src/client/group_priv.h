/*
 * What group_member.c (being a member) and group_lead.c (what the protocol wraps; assigning as the leader) share.
 */
#ifndef SKEIN_CLIENT_GROUP_PRIV_H
#define SKEIN_CLIENT_GROUP_PRIV_H

#include "client/client_call.h"
#include "client/group_member.h"
#include "wire/gen/consumer_protocol_subscription.h"

/* What this member is willing to assign, as a leader: so it fits a call's arena, and takes no time to speak of, whatever the others say. */
#define GROUP_SUBSCRIPTIONS_MAX (4u << 20)		/* bytes of all members' together */
#define GROUP_TOPICS_MAX        1000
#define GROUP_PARTITIONS_MAX    1000000
#define GROUP_WORK_MAX          200000000		/* partitions times members */

enum group_state { GROUP_STATE_FIND, GROUP_STATE_JOIN, GROUP_STATE_SYNC, GROUP_STATE_FETCH, GROUP_STATE_STABLE, GROUP_STATE_RELEASING, GROUP_STATE_FAILED };

/* Partitions; the topics' names are those of struct client_topic, so equal ones are the same pointer. */
struct group_list {
	struct group_partition *p;
	int32_t                 count, room;
};

struct group_watched {
	const struct client_topic *topic;
	int32_t                    partition_count;
};

struct group_member {
	struct client_user       user;
	struct client           *client;
	struct group_member_spec spec;
	char                    *group, *instance_id;
	const struct client_topic **topics;	/* spec.topic_count */
	bool                    *is_missing_told;	/* of each topic: that there is none */
	bool                     has_resubscribed;	/* since it last joined */
	bool                     is_cooperative;
	enum group_state         state;
	bool                     resumes;	/* FIND leads back to STABLE: the membership was in order */
	int32_t                  coordinator;	/* -1: not known */
	char                    *member_id;	/* never NULL */
	int32_t                  generation;	/* -1: no member */
	enum assign_strategy     strategy;	/* of this generation */
	struct client_call      *step, *heartbeat, *commit;	/* under way; NULL */
	struct client_call      *joined;	/* the leader's answer to JoinGroup, until every topic in it is known; NULL */
	struct consumer_protocol_subscription *subscriptions;	/* of all in it, in its memory; NULL: not read yet */
	struct group_watched    *watched;	/* what the leader has assigned: who grows brings a rebalance */
	int32_t                  watched_count;
	mono_ms                  retry_at;	/* of step; 0: now */
	mono_ms                  heartbeat_at;
	int                      failures;	/* since it was last a member with all it needs */
	int                      commit_failures;	/* since the last commit that was taken */
	struct group_list        held;		/* the member's, told or about to be */
	struct group_list        fetching;	/* the member's as soon as it is known where to begin */
	struct group_list        added;		/* held, to be told */
	struct group_list        taken;		/* not held any more, to be released */
	struct group_list        previous;	/* what it had last, for sticky */
	int32_t                  previous_generation;
	enum group_event_kind    taken_kind;	/* REVOKED, LOST */
	bool                     tells_assigned, tells_taken, tells_trouble, tells_failed, was_told;
	struct client_error      error, commit_error;	/* commit_error: of the last one; err OK */
};

/* Zeroed memory in a call's arena. */
void *group_alloc(struct client_call *call, size_t n, size_t size);

/* group_lead.c */
struct slice group_subscription(struct client_call *call, const struct group_member *m, enum assign_strategy strategy);
/* In the partitions of *out; what the member does not subscribe to is left out. False: cannot be read. */
bool group_read_assignment(struct group_member *m, struct client_call *call, struct slice bytes, struct group_list *out);
enum group_assigning { GROUP_ASSIGNED_ALL, GROUP_NOT_YET, GROUP_TOO_MUCH };
/* From m->joined into the SyncGroup. NOT_YET: some topics are not known. */
enum group_assigning group_assign(struct group_member *m, struct client_call *sync);

void group_list_add(struct group_list *l, struct group_partition p);
struct group_partition *group_list_find(const struct group_list *l, int32_t *at, const char *topic, int32_t partition);	/* looks from *at on, round; NULL */

#endif
