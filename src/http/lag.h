/*
 * How far consumer groups are behind: what they have committed, the records behind it, and for how long the first of these has been waiting. Of the groups that this broker
 * coordinates; the lag of partitions that have a replica here.
 *
 * A round asks the coordinators here, each once, and compares with the offsets that partitions publish. For the time, the partition is asked where the first unread record lies, as by a
 * consumer, and a worker reads its batch's header: a timestamp that was found stays true as long as the commit stands, so a group that does not move costs nothing.
 * Rounds are made while somebody looks: a page shows what the last one found.
 *
 * Bounds: series by the configuration, READS_MAX headers in a round (of the rest the time is not told; the next round has the others already), READS_AT_ONCE under way.
 * Owner: the http actor.
 */
#ifndef SKEIN_HTTP_LAG_H
#define SKEIN_HTTP_LAG_H

#include "cluster/cluster.h"
#include "group/group_msg.h"

struct lag;

struct lag_spec {
	struct actor   *actor;		/* who asks, and passes on what comes home */
	struct workers *workers;
	mono_ms         interval_ms;	/* between rounds */
	int32_t         series_max;	/* offsets of groups in memory and on a page */
};

struct lag *lag_create(const struct lag_spec *spec);
void        lag_destroy(struct lag **l);		/* when nothing of it is out */
void        lag_look(struct lag *l, mono_ms now);	/* somebody looks at it */
/* Begins a round when it is time, goes on with it. When it wants to be called again at the latest. picture: NULL: none yet. */
mono_ms     lag_step(struct lag *l, const struct cluster *picture, mono_ms now);
void        lag_on_home(struct lag *l, struct msg *m);	/* every answer that the actor gets is of it */

struct lag_entry {
	const struct group_committed_offset *committed;
	int64_t records;	/* -1: no replica here */
	time_ms waiting_since;	/* timestamp of the first unread record; -1: none, or not known */
};
typedef void lag_visit(void *arg, const struct lag_entry *e);
void        lag_each(const struct lag *l, lag_visit *visit, void *arg);
int64_t     lag_left_out(const struct lag *l);		/* offsets that there was no room for */

#endif
