/*
 * The active side: what the one elected broker does for the cluster. Its state (struct active, active_priv.h) exists from election to resignation and is nobody else's.
 *
 * Source of the rules: Kafka 3.9 in ZooKeeper mode. The store first, the memory second, the members last: what is sent says what the store holds.
 */
#ifndef SKEIN_CONTROLLER_ACTIVE_H
#define SKEIN_CONTROLLER_ACTIVE_H

#include "controller/controller_priv.h"

/* Elected: c->is_active, controller_epoch and fence_version are set. Everything is read from the store, and every member told (the failover task). When this broker's own
 * member side has done what it was told first, controller_say_ready. */
void active_begin(struct controller *c);
/* Not any more: resigned, the session is gone, or the broker stops. Drops the tasks of active_queue (who waits is told NOT_CONTROLLER), closes the lines to members, forgets all.
 * Sends nothing. What comes home afterwards of what was out is freed and ignored. */
void active_end(struct controller *c);
/* A write of the active side was refused because of /controller_epoch: it begins nothing any more, and has asked for an election. */
bool active_has_moved(const struct controller *c);

/* A watch has fired: true when it was one of the active side's. */
bool active_on_watch(struct controller *c, const struct coord_event *e);
/* AlterPartition, AllocateProducerIds, ControlledShutdown, AlterPartitionReassignments, ListPartitionReassignments, ElectLeaders: from a network actor ... */
void active_enqueue_request(struct controller *c, struct controller_request *m);
/* ... and from this broker's own member side; r->done is called. Also when this broker is not active (any more): answered NOT_CONTROLLER. */
void active_enqueue_own(struct controller *c, struct own_request *r);
/* A channel_call or channel_close of the active side came home (msg.context is the active side's own; also after active_end). */
void active_on_channel_home(struct controller *c, struct msg *m);

/* What was created through clients (controller_create.c, controller_grow.c): reads these topics' nodes and brings them up, as a sub-task of the active queue. When it is done the members are being
 * told; active_wait (active_priv.h) waits for this broker's own. Names that the store does not have are passed over. */
void active_push_new_topics(struct controller *c, char **names, int n);
/* /admin/delete_topics has been written for them: deletion begins, as a sub-task; what follows are events. */
void active_push_deletions(struct controller *c);

/* For what clients ask of topics: what the active side knows. NULL: unknown topic. */
struct active_topic;
struct active_topic *active_topic_get(const struct controller *c, struct slice name);

/* The configuration of a topic has changed, on this broker's member side (NULL: the broker's own). Does nothing unless it is the active one and the topic may now have unclean leaders. */
void active_on_topic_config(struct controller *c, const char *topic);

#endif
