/*
 * A member of a consumer group, by the classic protocol: finds the coordinator, joins, is told its partitions and where to begin, keeps its membership alive, commits,
 * leaves. It reads nothing itself: who made it reads what it is assigned.
 *
 *	group_member_create(&m, client, &spec);
 *	for (;;) {
 *		client_step(client, 100);
 *		while (group_member_next(m, &event)) ...
 *	}
 *
 * Rebalancing: the eager assignors (range, round robin, sticky) take all partitions away first; cooperative-sticky only those that go to somebody else. Either way
 *           GROUP_REVOKED names them, and the member goes on when group_member_release has said how far they were read; until then nobody else is given them (but for
 *           the rebalance timeout), so what was read is not read twice. GROUP_LOST is GROUP_REVOKED when it is too late: the group has given them away.
 * Static:   with an instance id a member that comes back in time finds its partitions as it left them, and leaving does not give them away.
 * Owner:    the client's thread. Trouble is told once, and tried again for ever; what the group will never accept ends in GROUP_FAILED.
 */
#ifndef SKEIN_GROUP_MEMBER_H
#define SKEIN_GROUP_MEMBER_H

#include "client/assign.h"
#include "client/client.h"

struct group_member;

/* Start from GROUP_MEMBER_SPEC_INIT. */
struct group_member_spec {
	const char        *group, *instance_id;		/* instance_id: NULL, a member for this time only */
	const char *const *topics;
	int32_t            topic_count;
	enum assign_strategy strategies[ASSIGN_STRATEGY_COUNT];	/* which it can do, the one it likes best first; cooperative only when it stands alone */
	int32_t            strategy_count;
	int32_t            session_timeout_ms, heartbeat_interval_ms, rebalance_timeout_ms;
	bool               wants_stable;		/* offsets of transactions that have not ended are waited for */
};
#define GROUP_MEMBER_SPEC_INIT { .strategies = { ASSIGN_RANGE }, .strategy_count = 1, .session_timeout_ms = 45000, .heartbeat_interval_ms = 3000, \
				 .rebalance_timeout_ms = 60000 }

struct group_partition {
	const char *topic;		/* that of struct client_topic: lives as long as the client, and equal names are the same pointer */
	int32_t     partition;
	int64_t     offset;		/* assigned: where the group stands, -1: nowhere yet; to be committed: the next one to be read */
	int32_t     leader_epoch;	/* of the record before it, -1: not known */
};

enum group_event_kind {
	GROUP_ASSIGNED,			/* these are to be read now, besides those that were; count 0 possible */
	GROUP_REVOKED,			/* these are not to be read any more: group_member_release */
	GROUP_LOST,			/* the same, and nothing can be committed for them */
	GROUP_TROUBLE,			/* it goes on by itself */
	GROUP_FAILED,			/* the member will not get any further, and has no partitions */
};

struct group_event {
	enum group_event_kind         kind;
	const struct group_partition *partitions;	/* until the next group_ call or turn */
	int32_t                       count;
	const struct client_error    *error;		/* TROUBLE, FAILED; until the next call */
};

/* Copies what the spec points at. */
void group_member_create(struct group_member **out, struct client *c, const struct group_member_spec *spec);
/* From now on it is these topics, each named once; none is possible. What the member holds of others is taken away, and the group assigns anew. Nothing happens when they are the same. */
void group_member_subscribe(struct group_member *m, const char *const *topics, int32_t topic_count);
/* Forgets the group without a word; group_member_leave first, if it can. */
void group_member_destroy(struct group_member **m);

bool group_member_next(struct group_member *m, struct group_event *event);

/* Commits, as long as the partitions are assigned; at most one commit is under way: false, it was not taken, try later. Its failing for long is a GROUP_TROUBLE. */
bool group_member_commit(struct group_member *m, const struct group_partition *offsets, int32_t count);
bool group_member_is_committing(const struct group_member *m);
/* Of the last commit that came home; err OK: it was taken. */
const struct client_error *group_member_commit_error(const struct group_member *m);
/* The answer to GROUP_REVOKED and GROUP_LOST: commits, then goes on. */
void group_member_release(struct group_member *m, const struct group_partition *offsets, int32_t count);
/* Commits, and leaves the group; blocking, for at most timeout_ms. Not OK: the commit was not taken, *error says why. */
enum err group_member_leave(struct group_member *m, const struct group_partition *offsets, int32_t count, mono_ms timeout_ms,
			    struct client_error *error) MUST_CHECK;

#endif
