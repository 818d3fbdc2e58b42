/*
 * A member of a consumer group, by the classic protocol with the range assignor: finds the coordinator, joins, is told its partitions and where to begin, keeps its
 * membership alive, commits, leaves. It reads nothing itself: who made it reads what it is assigned.
 *
 *	group_member_create(&m, client, &spec);
 *	for (;;) {
 *		client_step(client, 100);
 *		while (group_member_next(m, &event)) ...
 *	}
 *
 * Rebalancing: GROUP_REVOKED takes all partitions away. The member joins again when group_member_release has said how far they were read; until then nobody else
 *           is given them (but for the rebalance timeout), so what was read is not read twice.
 * Owner:    the client's thread. Trouble is told once, and tried again for ever; what the group will never accept ends in GROUP_FAILED.
 */
#ifndef SKEIN_GROUP_MEMBER_H
#define SKEIN_GROUP_MEMBER_H

#include "client/client.h"

struct group_member;

/* Start from GROUP_MEMBER_SPEC_INIT. */
struct group_member_spec {
	const char *group;
	const char *topic;
	int32_t     session_timeout_ms, heartbeat_interval_ms, rebalance_timeout_ms;
};
#define GROUP_MEMBER_SPEC_INIT { .session_timeout_ms = 45000, .heartbeat_interval_ms = 3000, .rebalance_timeout_ms = 60000 }

struct group_partition {
	int32_t partition;
	int64_t offset;			/* assigned: where the group stands, -1: nowhere yet; to be committed: the next one to be read */
};

enum group_event_kind {
	GROUP_ASSIGNED,			/* these are to be read now; count 0 possible */
	GROUP_REVOKED,			/* nothing is to be read any more: group_member_release */
	GROUP_TROUBLE,			/* it goes on by itself */
	GROUP_FAILED,			/* the member will not get any further */
};

struct group_event {
	enum group_event_kind         kind;
	const struct group_partition *partitions;	/* ASSIGNED: until the next GROUP_REVOKED */
	int32_t                       count;
	const struct client_error    *error;		/* TROUBLE, FAILED; until the next call */
};

/* Copies the strings of the spec. */
void group_member_create(struct group_member **out, struct client *c, const struct group_member_spec *spec);
/* Forgets the group without a word; group_member_leave first, if it can. */
void group_member_destroy(struct group_member **m);

bool group_member_next(struct group_member *m, struct group_event *event);

/* Commits, as long as the partitions are assigned; at most one commit is under way: false, it was not taken, try later. Its failing is a GROUP_TROUBLE. */
bool group_member_commit(struct group_member *m, const struct group_partition *offsets, int32_t count);
/* The answer to GROUP_REVOKED: commits, then joins again. */
void group_member_release(struct group_member *m, const struct group_partition *offsets, int32_t count);
/* Commits, and leaves the group; blocking, for at most timeout_ms. Not OK: the commit was not taken, *error says why. */
enum err group_member_leave(struct group_member *m, const struct group_partition *offsets, int32_t count, mono_ms timeout_ms,
			    struct client_error *error) MUST_CHECK;

#endif
