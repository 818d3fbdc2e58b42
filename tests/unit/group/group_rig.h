/*
 * A coordinator of groups with its log: one partition on a simulated machine, and what it is asked.
 */
#ifndef SKEIN_TESTS_GROUP_RIG_H
#define SKEIN_TESTS_GROUP_RIG_H

#include "group/group_msg.h"
#include "unit/partition/rig.h"

struct group_rig {
	struct rig            rig;
	struct broker_config *config;		/* zeroed, but for what groups need */
	struct group_context *context;
	struct partition_hook hook;
	int32_t               epoch;		/* of the last election */
};

void group_rig_init(struct group_rig *g, uint64_t seed);	/* then rig_up(&g->rig) */
void group_rig_fini(struct group_rig *g);			/* after rig_down */
void group_rig_elect(struct group_rig *g);			/* the next epoch; comes back when the coordinator has read its log */
struct coordinator *group_rig_coordinator(const struct group_rig *g);

/* One offset. The question borrows what stands in it. */
struct one_offset {
	struct ask          ask;
	struct group_offset offset;
};
/* As somebody who is no member. */
struct one_offset *ask_commit(struct one_offset *o, const char *group, const char *topic, int32_t partition, int64_t offset, const char *metadata);
enum kafka_error   one_error(const struct one_offset *o);	/* of the whole, else of the offset */

/* Each waits for its answer. */
enum kafka_error group_commit(struct group_rig *g, const char *group, const char *topic, int32_t partition, int64_t offset);
int64_t          group_fetch(struct group_rig *g, const char *group, const char *topic, int32_t partition);	/* -1: none */
enum kafka_error group_fetch_error(struct group_rig *g, const char *group);
enum kafka_error group_delete(struct group_rig *g, const char *group);
enum kafka_error group_delete_offset(struct group_rig *g, const char *group, const char *topic, int32_t partition);
const char      *group_state(struct group_rig *g, const char *group);	/* as Kafka names it */

#endif
