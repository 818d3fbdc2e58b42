/*
 * What must hold in a cluster at any moment, checked after every step of every actor: of the store's states, of each replica's log as it lies on its simulated disk, of roles and
 * high watermarks as the partitions have them. The looking changes nothing: it is no operation of any machine.
 *
 *	epochs	leader epoch, partition epoch and controller epoch of a state never go back; nor does a broker's own within a life of its process; one leader per epoch, the
 *		one the store named; an elected leader was in the in-sync set;
 *	logs	where two logs have the same epoch at an offset, they agree up to there; epochs do not descend along a log; nobody cuts below its high watermark;
 *		what a follower appends is what the leader of its own epoch has there, and so is the record before it;
 *	commit	the high watermark is at or below the end of every member of the maximal in-sync set; who joins the set, or is elected, holds all that was ever committed; what
 *		was committed once is what every high watermark shows; within an epoch the leader's does not go back; it does not move below min.insync.replicas;
 *	life	who is elected, or joins an in-sync set, is registered and has not told the controller that it stops, or that was so a moment ago;
 *	disks	a high watermark that is written down for a replica stays written down as long as the replica is there; a replica with records is not made a second time in
 *		another log directory; it is removed only when its topic is, or when the store has dismissed it in the epoch of the role it has, or a later one;
 *		the controller epoch that a broker obeys does not go back.
 */
#ifndef SKEIN_TESTS_CLUSTER_WATCH_H
#define SKEIN_TESTS_CLUSTER_WATCH_H

#include "cluster_sim.h"
#include "partition/partition.h"

struct seen_record {
	int64_t  producer_id;
	int32_t  epoch, sequence;
	uint32_t crc;			/* of its batch */
};

struct seen_log {			/* of one replica, also while its process is away */
	struct partition   *partition;	/* of this life; not to be followed once the process has ended */
	int                 life;	/* 0: never seen */
	struct seen_record *records;	/* by offset: tests remove nothing at the front */
	int64_t             end, room;
	int64_t             segment_base, file_pos;	/* where the next batch is read */
	int64_t             high_watermark;		/* in this life; -1 */
	int64_t             compared;			/* with what is committed, up to here */
	int32_t             leader_epoch, partition_epoch;	/* in this life; -1 */
	int32_t             led_epoch;			/* `records` are what it had as the leader of this epoch; -1: it follows, or was started again since */
	char                dir[96];			/* where it lies; "": never seen */
	bool                has_dir;			/* that was there when the disk was looked at last */
	int32_t             dismissed_epoch;		/* the newest leader epoch in which it was no replica, or was to go; -1: none */
	bool                is_anew;			/* it was no replica for a time, and is not in sync since: what it has next may be another, empty log */
	bool                is_doubtful;		/* its machine lost power: what the disk kept is not known, or was less than it had acknowledged */
};

#define SEEN_EPOCHS_MAX 256

struct seen_partition {
	char        topic[32];
	struct uuid topic_id;
	int32_t     id;
	bool        is_stored;			/* the store has a state of it */
	int64_t     mzxid;			/* of that, when it was read */
	int32_t     leader, leader_epoch, controller_epoch, partition_epoch;
	int32_t     isr[CLUSTER_NODES_MAX], isr_count;
	int32_t     replicas[CLUSTER_NODES_MAX], replica_count;
	int32_t     removing[CLUSTER_NODES_MAX], removing_count;
	bool        is_moving;			/* replicas are being added or removed */
	bool        is_doomed;			/* its topic is to be deleted, or is */
	int32_t     leader_of[SEEN_EPOCHS_MAX];	/* as stored; -2: not known */
	struct seen_record *committed;		/* below the highest high watermark of any leader */
	int64_t     committed_end, committed_room;
	struct seen_log logs[CLUSTER_NODES_MAX];
};

#define SEEN_PARTITIONS_MAX 64
#define SEEN_MARKS_MAX      128

struct seen_mark {			/* a line of replication-offset-checkpoint */
	char     topic[32];
	int      partition;
	uint64_t directory;		/* number of the inode of the replica's; 0: none then */
};

struct seen_dir {			/* a log directory */
	uint64_t         file;		/* number of the inode that was read; 0: none yet */
	struct seen_mark marks[SEEN_MARKS_MAX];
	int              count;
};

struct cluster_watch {
	struct cluster_sim   *c;
	int64_t               zxid;
	struct seen_partition partitions[SEEN_PARTITIONS_MAX];
	int                   count;
	uint64_t              disk_ops[CLUSTER_NODES_MAX];
	struct seen_dir       dirs[CLUSTER_NODES_MAX][CLUSTER_DIRS];
	int32_t               controller_epochs[CLUSTER_NODES_MAX];	/* the newest that the broker has obeyed in this life */
	int                   lives[CLUSTER_NODES_MAX];
	bool                  is_there[CLUSTER_NODES_MAX];	/* when the tree was looked at last: registered, and not stopping as far as the controller knows */
	mono_ms               there_at[CLUSTER_NODES_MAX];	/* if it is not: until when it was */
	struct arena          arena;
	int                   elections, shrinks, expansions, truncations;	/* seen; for the report */
};

void cluster_watch_init(struct cluster_watch *w, struct cluster_sim *c);
void cluster_watch_fini(struct cluster_watch *w);

/* Parts of the watch: cluster_disks.c. */
void cluster_watch_disks(struct cluster_watch *w);
void cluster_watch_place(struct cluster_watch *w, struct seen_partition *p, int node, const char *dir);

/* NULL: the store has no such partition now. */
struct seen_partition *cluster_watch_find(struct cluster_watch *w, const char *topic, int32_t partition);
/* Somebody in an in-sync set may have lost what it had acknowledged: a second failure now is one more than is promised to be survived. */
bool cluster_watch_is_doubtful(const struct cluster_watch *w);
/* Is all as it should be when nothing has gone wrong for a while? Else false, and why. */
bool cluster_watch_is_settled(struct cluster_watch *w, char why[256]);
/* Of one replica: all segments' bytes, one behind the other. */
void cluster_watch_bytes(struct cluster_watch *w, const struct seen_partition *p, int node, struct strbuf *out);
/* Once settled: every replica's files and epoch history, byte by byte. */
void cluster_watch_compare(struct cluster_watch *w);

#endif
