/*
 * Reassignment: one partition moves from some replicas to others. What active_reassign.c (wishes, many of them), active_move.c (carrying out one) and active_prune.c (the node that
 * the old tool writes) share.
 *
 * What is wanted is written into the topic's node first, as the union of old and new replicas with those that come and those that go beside it; the node is shortened last. So a crash
 * anywhere is gone on from there. In between, new replicas are started (phase A) and enter the in-sync set by themselves; when all wanted ones are in it the old ones are
 * dropped (phase B). Whatever may complete a move only looks again: the in-sync set in the store decides.
 *
 * A new wish supersedes a running one, cancelling is the wish to be back, and both are the same procedure.
 */
#ifndef SKEIN_CONTROLLER_ACTIVE_REASSIGN_H
#define SKEIN_CONTROLLER_ACTIVE_REASSIGN_H

#include "controller/active_priv.h"

#define REASSIGN_NODE "/admin/reassign_partitions"

/* A sub-task that moves p to what is wanted of it; `to` is taken over. only_to_complete: nothing happens unless the move can be completed. *error is set when it fails, and
 * must live as long as the task that pushes. */
void reassign_push_move(struct controller *c, struct active_partition *p, struct active_assignment *to, bool only_to_complete, enum kafka_error *error);

/* An entry of the node, with copies of topic and replicas; replicas NULL: whatever is wanted of it. */
void reassign_name(struct znode_partition_name *n, const char *topic, int32_t partition, const int32_t *replicas, int32_t replica_count);
/* A sub-task that takes entries out of the node, and the node away when none is left. Takes names, which reassign_name has filled. */
void reassign_push_prune(struct controller *c, struct znode_partition_name *names, int32_t n);

#endif
