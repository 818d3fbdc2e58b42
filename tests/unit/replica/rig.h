/*
 * Fetchers, and partition actors that follow, on one simulated machine; fake leaders on others; a desk that speaks as the controller does.
 */
#ifndef SKEIN_TEST_REPLICA_RIG_H
#define SKEIN_TEST_REPLICA_RIG_H

#include <check.h>

#include "base/config.h"
#include "base/config_file.h"
#include "fake_leader.h"
#include "replica/fetcher.h"

#define RIG_BROKER     7
#define RIG_REPLICAS   4
#define RIG_LEADERS    2
#define RIG_QUEUE      16
#define RIG_BROKER_EPOCH 4711

struct rig_replica {
	const char             *topic;
	int32_t                 partition;
	struct uuid             topic_id;
	char                    dir[64];
	struct partition_addr  *addr;
	struct partition_role   role;
	struct fetcher_assign   assign;
	int32_t                 partition_epoch;
};

struct rig_question {
	struct msg            *m;
	struct actor          *to;
	struct partition_addr *partition;	/* instead of to */
};

struct rig {
	struct sim_net      *net;
	struct sim_os       *machine;
	struct os           *os;
	struct sched        *sched;
	struct workers      *workers;
	struct config_set    set;
	struct broker_config *config;
	struct topic_config  topic_config;
	struct log_source    source;
	struct fetchers     *fetchers;
	struct fake_leader  *leaders[RIG_LEADERS];
	struct rig_replica   replicas[RIG_REPLICAS];
	int                  replica_count;
	int32_t              broker_id;
	int64_t              broker_epoch;
	struct actor         desk;
	struct rig_question  queue[RIG_QUEUE];
	int                  queued;
	mono_ms              until;		/* rig_pass: no quiet time goes beyond */
};

/* configs: "name=value", ended by NULL; replicas of the topics "t0", "t1", ... partition 0, with logs for them at both leaders. */
void rig_init(struct rig *r, uint64_t seed, int replicas, const char *const *configs);
/* The same in parts: as this broker, without replicas; and one of them. topic: must last. */
void rig_begin(struct rig *r, uint64_t seed, int32_t broker_id, const char *const *configs);
void rig_add(struct rig *r, const char *topic, int32_t partition, struct uuid topic_id);
void rig_fini(struct rig *r);

/* The role, and when it is taken the assignment; waits for both answers. */
void rig_follow(struct rig *r, int replica, int leader, int32_t epoch);
void rig_take_role(struct rig *r, int replica, int leader, int32_t epoch);
void rig_assign(struct rig *r, int replica, int leader, int32_t epoch);		/* does not wait */
void rig_unassign(struct rig *r, int replica);					/* does not wait */
bool rig_is_home(const struct msg *m);
void rig_wait_home(struct rig *r, const struct msg *m);

void rig_pass(struct rig *r, mono_ms ms);
/* Until the replica's log ends there; fails the test after 20 s. */
void rig_until_end(struct rig *r, int replica, int64_t end);
/* The bytes of the replica's log are those of the leader's. */
void rig_expect_same(struct rig *r, int replica, const struct leader_log *log);
uint64_t rig_steps(const struct rig *r);	/* of the first fetcher */
uint64_t rig_partition_questions(const struct rig *r);	/* that all partitions were asked */
uint64_t rig_requests(const struct rig *r);

#endif
