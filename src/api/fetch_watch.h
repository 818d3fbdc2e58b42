/*
 * Who waits for which partition, on one network actor: a parked fetch stands at every partition it
 * reads, and each such partition holds at most two watches of this actor, however many fetches stand
 * there and however often it appends: one for consumers, who wait for what is committed, and one for
 * followers, who wait for what is appended.
 *
 * Owner: the network actor. A watch that is lent to a partition stays until it comes home; it
 * always does (news, role change, stop).
 */
#ifndef SKEIN_API_FETCH_WATCH_H
#define SKEIN_API_FETCH_WATCH_H

#include "base/list.h"
#include "net/net.h"
#include "partition/partition.h"

struct fetch_watches;

/* One parked call at one partition: part of the call's memory. */
struct fetch_stand {
	struct list  at_partition;
	struct call *call;
};

/* What the call knew when it decided to wait: a difference ends the wait at once. */
struct fetch_seen {
	int64_t high_watermark, last_stable_offset;
	int64_t log_end_offset;		/* a follower's; INT64_MIN: a consumer */
	int32_t leader_epoch;
};

struct fetch_watches *fetch_watches_create(struct network *n);
void fetch_watches_destroy(struct fetch_watches **w);		/* nothing may stand or be lent */
/*
 * False: the partition has stopped, its lane is full, or the watch there is lent for what others
 * have seen; then the call had better look again soon.
 */
bool fetch_stand_at(struct fetch_watches *w, struct partition_addr *partition,
                    const struct fetch_seen *seen, struct fetch_stand *stand,
                    struct call *call) MUST_CHECK;
/* harmless when it stands nowhere */
void fetch_stand_leave(struct fetch_stand *stand);
/* A watch came home: the standing calls are resumed. True: it was one of ours. */
bool fetch_watches_on_home(struct fetch_watches *w, struct msg *m);

#endif
