/*
 * Requests to the active side that no recording has: what a controller refuses, what it makes of answers that were lost, of a controller that took its place, of a wish that changes, and
 * of an office that begins in the middle of a reassignment. Verdicts are those that a Kafka 3.9.1 controller gave to hand-made requests.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "golden_rig.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/list_partition_reassignments.h"

static struct rig rig;

static struct active_partition *partition(const char *topic, int32_t id)
{
	struct active_partition *p = active_partition_find(rig.c, slice_str(topic), id);

	ck_assert_ptr_nonnull(p);
	return p;
}

static bool is(const struct id_list *l, int n, const int32_t *ids)
{
	return l->count == n && memcmp(l->ids, ids, (size_t)n * sizeof(*ids)) == 0;
}
#define IS(list, ...) is(&(list), (int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (int32_t[]){ __VA_ARGS__ })

static int told_total(enum api_key key)
{
	int n = 0;

	for (int b = 0; b < RIG_BROKERS; b++) {
		for (int i = 0; i < rig.told[b].count; i++)
			n += rig.told[b].items[i].key == key;
	}
	return n;
}

/* --- AlterPartition ------------------------------------------------------------------------------------------------------------------------ */

struct alter {			/* of one partition */
	const char *topic;
	int32_t     id;
	int32_t     broker;
	int64_t     broker_epoch;	/* 0: the right one */
	int16_t     version;
	struct uuid topic_id;	/* zero: the right one */
	int32_t     leader_epoch, partition_epoch;	/* beside the right ones */
	int8_t      recovery;
	int32_t     isr[4], isr_count;
};

static struct alter_partition_response alter(const struct alter *a)
{
	const struct active_topic *t = active_topic_get(rig.c, slice_str(a->topic));
	struct active_partition *p = active_partition_get(t, a->id);
	struct alter_partition_request_new_isr_with_epoch members[4];
	struct alter_partition_request_partition q = {
		.partition_index = a->id, .leader_epoch = (p != NULL ? p->leader_epoch : 0) + a->leader_epoch,
		.partition_epoch = (p != NULL ? p->partition_epoch : 0) + a->partition_epoch, .new_isr = (int32_t *)(uintptr_t)a->isr,
		.new_isr_count = a->isr_count, .new_isr_with_epochs = members, .new_isr_with_epochs_count = a->isr_count, .leader_recovery_state = a->recovery,
	};
	struct alter_partition_request_topic topic = {
		.topic_name = slice_str(a->topic), .topic_id = uuid_is_zero(a->topic_id) ? t->id : a->topic_id, .partitions = &q, .partitions_count = 1,
	};
	struct alter_partition_request m = { .broker_id = a->broker, .topics = &topic, .topics_count = 1 };
	struct alter_partition_response out;
	const struct active_broker *b = active_broker_get(rig.c->active, a->broker);

	for (int32_t i = 0; i < a->isr_count; i++)
		members[i] = (struct alter_partition_request_new_isr_with_epoch){ a->isr[i], -1 };
	m.broker_epoch = a->broker_epoch != 0 ? a->broker_epoch : b != NULL ? b->info.epoch : 0;
	alter_partition_response_init(&out);
	rig_ask(&rig, API_ALTER_PARTITION, a->version, &m, &out);
	return out;
}

static enum kafka_error altered(const struct alter *a)
{
	struct alter_partition_response out = alter(a);

	ck_assert_int_eq(out.error_code, NONE);
	ck_assert_int_eq(out.topics_count, 1);
	ck_assert_int_eq(out.topics[0].partitions_count, 1);
	return (enum kafka_error)out.topics[0].partitions[0].error_code;
}

/* rf3-0: replicas 1, 2, 3, all in sync, led by 1. */
START_TEST(alter_partition_verdicts)
{
	const struct active_partition *p;
	struct alter a = { .topic = "rf3", .broker = 1, .version = 3, .isr = { 1, 2 }, .isr_count = 2 };
	struct alter x;
	int32_t before;

	rig_init(&rig, "isr", NULL);
	p = partition("rf3", 0);
	ck_assert(IS(p->isr, 1, 2, 3));
	before = p->partition_epoch;

	x = a, x.broker_epoch = active_broker_get(rig.c->active, 1)->info.epoch - 1;
	ck_assert_int_eq(alter(&x).error_code, STALE_BROKER_EPOCH);
	x.broker_epoch += 2;
	ck_assert_int_eq(alter(&x).error_code, STALE_BROKER_EPOCH);
	x.broker_epoch = -1;
	ck_assert_int_eq(alter(&x).error_code, STALE_BROKER_EPOCH);
	x = a, x.broker = 9;
	ck_assert_int_eq(alter(&x).error_code, STALE_BROKER_EPOCH);
	ck_assert_int_eq(told_total(API_UPDATE_METADATA), 0);

	x = a, x.topic_id.bytes[0] = 1;
	ck_assert_int_eq(altered(&x), UNKNOWN_TOPIC_ID);
	x = a, x.id = 9;
	ck_assert_int_eq(altered(&x), UNKNOWN_TOPIC_OR_PARTITION);
	x = a, x.partition_epoch = 1;
	ck_assert_int_eq(altered(&x), NOT_CONTROLLER);
	x = a, x.leader_epoch = 1;
	ck_assert_int_eq(altered(&x), NOT_CONTROLLER);
	x = a, x.leader_epoch = -1;
	ck_assert_int_eq(altered(&x), FENCED_LEADER_EPOCH);
	x = a, x.partition_epoch = -1;
	ck_assert_int_eq(altered(&x), INVALID_UPDATE_VERSION);
	x = a, x.isr[1] = 9;
	ck_assert_int_eq(altered(&x), INELIGIBLE_REPLICA);
	x.version = 1;
	ck_assert_int_eq(altered(&x), OPERATION_NOT_ATTEMPTED);
	x = a, x.recovery = 1;
	ck_assert_int_eq(altered(&x), INVALID_REQUEST);
	ck_assert_int_eq(p->partition_epoch, before);

	ck_assert_int_eq(altered(&a), NONE);
	ck_assert(IS(p->isr, 1, 2));
	ck_assert_int_eq(p->partition_epoch, before + 1);
	x = a, x.partition_epoch = -1;		/* its first answer was lost, say */
	ck_assert_int_eq(altered(&x), NONE);
	ck_assert_int_eq(p->partition_epoch, before + 1);
	for (int16_t version = 0; version <= 3; version++) {	/* by name, by id, with and without epochs */
		x = a, x.version = version, x.isr[1] = version % 2 == 0 ? 3 : 2;
		ck_assert_int_eq(altered(&x), NONE);
		ck_assert_int_eq(p->partition_epoch, before + 2 + version);
	}
	ck_assert_int_eq(told_total(API_LEADER_AND_ISR), 0);	/* only the leader knows, and UpdateMetadata tells everybody */
	rig_fini(&rig);
}
END_TEST

/* Answers of the store are lost, after or before the call took effect: what is asked is done all the same, and once. */
START_TEST(alter_partition_lost_answers)
{
	struct alter a = { .topic = "rf3", .broker = 1, .version = 3, .isr = { 1, 2 }, .isr_count = 2 };
	struct coord_faults faults = { .seed = (uint64_t)_i + 1, .lose_after = 30000, .lose_before = 10000 };
	const struct active_partition *p;
	int32_t before;

	rig_init(&rig, "isr", NULL);
	p = partition("rf3", 0);
	before = p->partition_epoch;
	coord_set_faults(rig.c->coord, &faults);
	for (int i = 0; i < 6; i++) {
		a.isr[1] = i % 2 == 0 ? 2 : 3;
		ck_assert_int_eq(altered(&a), NONE);
		ck_assert_int_eq(p->partition_epoch, before + 1 + i);
		ck_assert(IS(p->isr, 1, a.isr[1]));
	}
	faults = (struct coord_faults){ .seed = 1 };
	coord_set_faults(rig.c->coord, &faults);
	rig_fini(&rig);
}
END_TEST

/* Somebody wrote the node meanwhile: the leader of an older version, say. It is read, and the next attempt finds what there is. */
START_TEST(alter_partition_conflict)
{
	struct alter a = { .topic = "rf3", .broker = 1, .version = 3, .isr = { 1, 2 }, .isr_count = 2 };
	const struct active_partition *p;
	char state[256];
	int32_t before;

	rig_init(&rig, "isr", NULL);
	p = partition("rf3", 0);
	before = p->partition_epoch;
	snprintf(state, sizeof(state), "{\"version\":1,\"leader\":1,\"leader_epoch\":%d,\"controller_epoch\":%d,\"isr\":[1,3]}", p->leader_epoch, p->controller_epoch);
	rig_write(&rig, "/brokers/topics/rf3/partitions/0/state", state);
	ck_assert_int_eq(altered(&a), INVALID_UPDATE_VERSION);
	ck_assert_int_eq(p->partition_epoch, before + 1);
	ck_assert(IS(p->isr, 1, 3));
	ck_assert_int_eq(altered(&a), NONE);
	ck_assert_int_eq(p->partition_epoch, before + 2);
	rig_fini(&rig);
}
END_TEST

/* Another controller was elected, and this one does not know yet: nothing is written, and the answer says so. */
START_TEST(alter_partition_fenced_off)
{
	struct alter a = { .topic = "rf3", .broker = 1, .version = 3, .isr = { 1, 2 }, .isr_count = 2 };

	rig_init(&rig, "isr", NULL);
	rig_write(&rig, "/controller_epoch", "7");
	ck_assert_int_eq(alter(&a).error_code, NOT_CONTROLLER);
	ck_assert(IS(partition("rf3", 0)->isr, 1, 2, 3));
	ck_assert_int_eq(rig.c->controller_epoch, 8);	/* there is no other controller here: it was elected itself, properly */
	rig_fini(&rig);
}
END_TEST

/* --- AllocateProducerIds, ControlledShutdown ---------------------------------------------------------------------------------------------- */

static struct allocate_producer_ids_response allocate(int32_t broker, int64_t off_by)
{
	const struct active_broker *b = active_broker_get(rig.c->active, broker);
	struct allocate_producer_ids_request m = { .broker_id = broker, .broker_epoch = (b != NULL ? b->info.epoch : 0) + off_by };
	struct allocate_producer_ids_response out;

	allocate_producer_ids_response_init(&out);
	rig_ask(&rig, API_ALLOCATE_PRODUCER_IDS, 0, &m, &out);
	return out;
}

START_TEST(producer_ids)
{
	rig_init(&rig, "isr", NULL);
	rig_write(&rig, "/latest_producer_id_block", NULL);
	ck_assert_int_eq(allocate(9, 0).error_code, BROKER_ID_NOT_REGISTERED);
	ck_assert_int_eq(allocate(2, 1).error_code, STALE_BROKER_EPOCH);
	ck_assert_int_eq(allocate(2, -1).error_code, STALE_BROKER_EPOCH);
	for (int64_t i = 0; i < 3; i++) {
		struct allocate_producer_ids_response out = allocate(2, 0);

		ck_assert_int_eq(out.error_code, NONE);
		ck_assert_int_eq(out.producer_id_start, i * 1000);
		ck_assert_int_eq(out.producer_id_len, 1000);
	}
	rig_fini(&rig);
}
END_TEST

static struct controlled_shutdown_response shut_down(int32_t broker, int64_t epoch)
{
	struct controlled_shutdown_request m = { .broker_id = broker, .broker_epoch = epoch };
	struct controlled_shutdown_response out;

	controlled_shutdown_response_init(&out);
	rig_ask(&rig, API_CONTROLLED_SHUTDOWN, 3, &m, &out);
	return out;
}

START_TEST(controlled_shutdown_verdicts)
{
	struct alter a = { .topic = "rf3", .broker = 1, .version = 3, .isr = { 1, 2, 3 }, .isr_count = 3 };
	int64_t epoch;

	rig_init(&rig, "shutdown", NULL);
	epoch = active_broker_get(rig.c->active, 3)->info.epoch;
	ck_assert_int_eq(shut_down(3, epoch - 1).error_code, STALE_BROKER_EPOCH);
	ck_assert_int_eq(shut_down(9, -1).error_code, BROKER_NOT_AVAILABLE);
	ck_assert_int_eq(shut_down(9, 5).error_code, UNKNOWN_SERVER_ERROR);
	ck_assert(active_is_live(rig.c->active, 3));
	ck_assert_int_eq(told_total(API_LEADER_AND_ISR), 0);
	ck_assert_int_eq(shut_down(3, -1).error_code, NONE);		/* of a version without epochs */
	ck_assert(!active_is_live(rig.c->active, 3));
	ck_assert(IS(partition("rf3", 0)->isr, 1, 2));
	ck_assert_int_eq(altered(&a), INELIGIBLE_REPLICA);		/* it does not come back while it leaves */
	ck_assert_int_eq(shut_down(3, epoch).error_code, NONE);		/* again: there is nothing left to do */
	ck_assert(IS(partition("rf3", 0)->isr, 1, 2));

	struct controlled_shutdown_response left = shut_down(2, -1);
	ck_assert_int_eq(left.error_code, NONE);
	bool has_rf1 = false;
	for (int32_t i = 0; i < left.remaining_partitions_count; i++)	/* nobody else of rf1-0's in-sync set is left */
		has_rf1 |= slice_eq_str(left.remaining_partitions[i].topic_name, "rf1") && left.remaining_partitions[i].partition_index == 0;
	ck_assert(has_rf1);
	rig_fini(&rig);
}
END_TEST

/* --- reassignment --------------------------------------------------------------------------------------------------------------------------------- */

static struct alter_partition_reassignments_response_partition reassign(const char *topic, int32_t id, int32_t *replicas, int32_t n)
{
	struct alter_partition_reassignments_request_partition p = { .partition_index = id, .replicas = replicas, .replicas_count = replicas != NULL ? n : -1 };
	struct alter_partition_reassignments_request_topic t = { .name = slice_str(topic), .partitions = &p, .partitions_count = 1 };
	struct alter_partition_reassignments_request m = { .topics = &t, .topics_count = 1 };
	struct alter_partition_reassignments_response out;

	alter_partition_reassignments_response_init(&out);
	rig_ask(&rig, API_ALTER_PARTITION_REASSIGNMENTS, 0, &m, &out);
	ck_assert_int_eq(out.error_code, NONE);
	return out.responses[0].partitions[0];
}

static void reassign_ok(const char *topic, int32_t id, int32_t *replicas, int32_t n)
{
	struct alter_partition_reassignments_response_partition p = reassign(topic, id, replicas, n);

	ck_assert_msg(p.error_code == NONE && slice_is_null(p.error_message), "%s " SLICE_FMT, kafka_error_name(p.error_code), SLICE_ARG(p.error_message));
}

static void join_isr(const char *topic, int32_t id, int32_t n, const int32_t *isr)
{
	const struct active_partition *p = partition(topic, id);
	struct alter a = { .topic = topic, .id = id, .broker = p->leader, .version = 3, .isr_count = n };

	memcpy(a.isr, isr, (size_t)n * sizeof(*isr));
	ck_assert_int_eq(altered(&a), NONE);
}
#define JOIN_ISR(topic, id, ...) join_isr(topic, id, (int32_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (int32_t[]){ __VA_ARGS__ })

START_TEST(reassignment_refused)
{
	rig_init(&rig, "reassign", NULL);
	ck_assert_int_eq(reassign("manual", 0, (int32_t[]){ 0 }, 0).error_code, INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("manual", 0, (int32_t[]){ 3, 3 }, 2).error_code, INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("manual", 0, (int32_t[]){ 3, -3 }, 2).error_code, INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("manual", 0, (int32_t[]){ 3, 9 }, 2).error_code, INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("manual", 9, (int32_t[]){ 3, 1 }, 2).error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(reassign("nope", 0, (int32_t[]){ 3, 1 }, 2).error_code, UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(reassign("manual", 0, NULL, 0).error_code, NO_REASSIGNMENT_IN_PROGRESS);
	ck_assert_int_eq(reassign("nope", 0, NULL, 0).error_code, NO_REASSIGNMENT_IN_PROGRESS);
	ck_assert_int_eq(told_total(API_LEADER_AND_ISR), 0);
	rig_fini(&rig);
}
END_TEST

/* manual-0 on 1, 2: a wish for 3, 1 is running when another comes, for 2, 3: what the first was adding and the second wants too goes on. Then one for 1 alone: 3 goes at once. */
START_TEST(reassignment_superseded)
{
	const struct active_partition *p;

	rig_init(&rig, "reassign", NULL);
	p = partition("manual", 0);
	ck_assert(IS(p->replicas, 1, 2));
	reassign_ok("manual", 0, (int32_t[]){ 3, 1 }, 2);
	ck_assert(IS(p->replicas, 3, 1, 2) && IS(p->adding, 3) && IS(p->removing, 2) && p->is_reassigning);
	reassign_ok("manual", 0, (int32_t[]){ 2, 3 }, 2);
	ck_assert(IS(p->replicas, 2, 3, 1) && IS(p->adding, 3) && IS(p->removing, 1));
	ck_assert_int_eq(told_total(API_STOP_REPLICA), 0);
	reassign_ok("manual", 0, (int32_t[]){ 1 }, 1);		/* is in sync already: done at once, 2 and 3 are dropped */
	ck_assert(IS(p->replicas, 1) && p->adding.count == 0 && p->removing.count == 0 && !p->is_reassigning);
	ck_assert(IS(p->isr, 1));
	ck_assert_ptr_null(active_replica_get(p, 2));
	ck_assert_ptr_null(active_replica_get(p, 3));
	ck_assert_int_eq(rig.told[3].items[rig.told[3].count - 1].key, API_UPDATE_METADATA);
	ck_assert_int_eq(told_total(API_STOP_REPLICA), 4);	/* twice for 2 and for 3: stop, delete */
	rig_fini(&rig);
}
END_TEST

/* The controller ends in the middle: the next one goes on from what is in the tree, with what is to be added, and with what is in sync already. */
START_TEST(reassignment_resumed)
{
	const struct active_partition *p;
	bool in_sync_before = _i == 1;

	rig_init(&rig, "reassign", NULL);
	reassign_ok("manual", 0, (int32_t[]){ 3, 1 }, 2);
	int32_t epoch = partition("manual", 0)->leader_epoch;
	if (in_sync_before) {	/* the leader's change is written, but the controller did not come to act on it */
		char state[256];

		p = partition("manual", 0);
		snprintf(state, sizeof(state), "{\"version\":1,\"leader\":1,\"leader_epoch\":%d,\"controller_epoch\":%d,\"isr\":[1,2,3]}", epoch, p->controller_epoch);
		rig_write(&rig, "/brokers/topics/manual/partitions/0/state", state);
	}
	rig_new_office(&rig);
	p = partition("manual", 0);
	ck_assert_int_gt(p->leader_epoch, epoch);
	if (!in_sync_before) {
		ck_assert(p->is_reassigning && IS(p->replicas, 3, 1, 2) && IS(p->adding, 3) && IS(p->removing, 2));
		JOIN_ISR("manual", 0, 1, 2, 3);
	}
	ck_assert(!p->is_reassigning && IS(p->replicas, 3, 1) && IS(p->isr, 1, 3));
	ck_assert_int_gt(told_total(API_STOP_REPLICA), 0);
	rig_fini(&rig);
}
END_TEST

/* By node: what cannot be moved is taken out of it, what can stays until it is done; a request for the same partition takes it out, too. */
START_TEST(reassignment_node_entries)
{
	rig_init(&rig, "reassign", NULL);
	rig_write(&rig, "/admin/reassign_partitions", "{\"version\":1,\"partitions\":[{\"topic\":\"manual\",\"partition\":0,\"replicas\":[3,1]},"
	          "{\"topic\":\"nope\",\"partition\":0,\"replicas\":[1]},{\"topic\":\"manual\",\"partition\":1,\"replicas\":[]},"
	          "{\"topic\":\"manual\",\"partition\":2,\"replicas\":[2,1]}]}");
	rig_settle(&rig);
	ck_assert(partition("manual", 0)->is_reassigning && !partition("manual", 1)->is_reassigning && partition("manual", 2)->is_reassigning);
	char *text = rig_read(&rig, "/admin/reassign_partitions");
	ck_assert_str_eq(text, "{\"version\":1,\"partitions\":[{\"topic\":\"manual\",\"partition\":0,\"replicas\":[3,1]},"
	                 "{\"topic\":\"manual\",\"partition\":2,\"replicas\":[2,1]}]}");
	free(text);
	reassign_ok("manual", 2, NULL, 0);
	text = rig_read(&rig, "/admin/reassign_partitions");
	ck_assert_str_eq(text, "{\"version\":1,\"partitions\":[{\"topic\":\"manual\",\"partition\":0,\"replicas\":[3,1]}]}");
	free(text);
	JOIN_ISR("manual", 0, 1, 2, 3);
	ck_assert(!partition("manual", 0)->is_reassigning);
	ck_assert(!rig_exists(&rig, "/admin/reassign_partitions"));

	/* the watch is armed again */
	rig_write(&rig, "/admin/reassign_partitions", "{\"version\":1,\"partitions\":[{\"topic\":\"manual\",\"partition\":0,\"replicas\":[1,3]}]}");
	rig_settle(&rig);
	ck_assert(IS(partition("manual", 0)->replicas, 1, 3));
	ck_assert(!rig_exists(&rig, "/admin/reassign_partitions"));
	rig_fini(&rig);
}
END_TEST

/* A topic that is being moved is not deleted before all of it has arrived. */
START_TEST(deletion_waits_for_reassignment)
{
	rig_init(&rig, "reassign", NULL);
	rig_write(&rig, "/config/topics/manual", "{\"version\":1,\"config\":{}}");
	reassign_ok("manual", 0, (int32_t[]){ 3, 1 }, 2);
	reassign_ok("manual", 1, (int32_t[]){ 3, 1 }, 2);
	rig_write(&rig, "/admin/delete_topics/manual", NULL);
	rig_settle(&rig);
	ck_assert(!active_topic_get(rig.c, SLICE_LIT("manual"))->is_deletion_started);
	ck_assert_int_eq(reassign("manual", 2, (int32_t[]){ 2, 1 }, 2).error_code, UNKNOWN_TOPIC_OR_PARTITION);
	JOIN_ISR("manual", 0, 1, 2, 3);
	ck_assert(!active_topic_get(rig.c, SLICE_LIT("manual"))->is_deletion_started);
	rig_leave(&rig, 1, 0);		/* and a broker's return does not begin it either */
	rig_join(&rig, 1, 0);
	ck_assert(!active_topic_get(rig.c, SLICE_LIT("manual"))->is_deletion_started);
	JOIN_ISR("manual", 1, 2, 3, 1);
	rig_settle(&rig);
	ck_assert(active_topic_get(rig.c, SLICE_LIT("manual"))->is_deletion_started);	/* the rest waits for brokers' answers, which say nothing here */
	rig_fini(&rig);
}
END_TEST

/* An older protocol version: the leader writes the in-sync set itself, and the controller watches the node of a partition that is moving. */
START_TEST(reassignment_watches_the_state)
{
	const struct active_partition *p;
	char state[256];

	rig_init(&rig, "version-2.6", "inter.broker.protocol.version=2.6");
	rig_write(&rig, "/config/topics/x", "{\"version\":1,\"config\":{}}");
	rig_write(&rig, "/brokers/topics/x", "{\"version\":3,\"partitions\":{\"0\":[1]},\"adding_replicas\":{},\"removing_replicas\":{}}");
	rig_settle(&rig);
	reassign_ok("x", 0, (int32_t[]){ 2 }, 1);
	p = partition("x", 0);
	ck_assert(p->is_reassigning && IS(p->replicas, 2, 1) && p->leader == 1);
	for (int i = 0; i < 2; i++) {	/* a change that completes nothing, then one that does: the watch is armed again */
		snprintf(state, sizeof(state), "{\"version\":1,\"leader\":1,\"leader_epoch\":%d,\"controller_epoch\":1,\"isr\":[%s]}", p->leader_epoch, i == 0 ? "1" : "1,2");
		rig_write(&rig, "/brokers/topics/x/partitions/0/state", state);
		rig_settle(&rig);
		ck_assert_int_eq(p->is_reassigning, i == 0);
	}
	ck_assert(IS(p->replicas, 2) && IS(p->isr, 2) && p->leader == 2);
	rig_fini(&rig);
}
END_TEST

/* --- leaders ------------------------------------------------------------------------------------------------------------------------------------------ */

/* Brokers that lead too little get their partitions back by themselves, from time to time; but only those in which they are in sync. */
START_TEST(balance)
{
	bool is_on = _i == 0;

	rig_init(&rig, "shutdown", is_on ? "auto.leader.rebalance.enable=true" : NULL);
	rig_leave(&rig, 3, 200);
	rig_join(&rig, 3, 201);
	ck_assert_int_eq(partition("rf3", 2)->leader, 1);
	JOIN_ISR("rf3", 2, 1, 2, 3);
	rig_pass(&rig, 700000);
	ck_assert_int_eq(partition("rf3", 2)->leader, is_on ? 3 : 1);
	ck_assert_int_eq(partition("manual", 0)->leader, 1);
	ck_assert_int_eq(partition("rf3", 0)->leader, 1);
	rig_fini(&rig);
}
END_TEST

/* Not while anything moves. */
START_TEST(balance_waits)
{
	rig_init(&rig, "shutdown", "auto.leader.rebalance.enable=true");
	rig_leave(&rig, 3, 200);
	rig_join(&rig, 3, 201);
	reassign_ok("rf1", 1, (int32_t[]){ 1 }, 1);
	JOIN_ISR("rf3", 2, 1, 2, 3);
	rig_pass(&rig, 700000);
	ck_assert_int_eq(partition("rf3", 2)->leader, 1);
	reassign_ok("rf1", 1, NULL, 0);
	rig_pass(&rig, 700000);
	ck_assert_int_eq(partition("rf3", 2)->leader, 3);
	rig_fini(&rig);
}
END_TEST

START_TEST(elect_leaders_refused)
{
	struct elect_leaders_request_topic_partition t = { .topic = SLICE_LIT("rf3"), .partitions = (int32_t[]){ 0, 0, 7 }, .partitions_count = 3 };
	struct elect_leaders_request m = { .election_type = 2, .topic_partitions = &t, .topic_partitions_count = 1, .timeout_ms = 1000 };
	struct elect_leaders_response out;

	rig_init(&rig, "isr", NULL);
	elect_leaders_response_init(&out);
	rig_ask(&rig, API_ELECT_LEADERS, 2, &m, &out);
	ck_assert_int_eq(out.error_code, UNKNOWN_SERVER_ERROR);
	ck_assert_int_eq(out.replica_election_results_count, 1);
	ck_assert_int_eq(out.replica_election_results[0].partition_result_count, 3);
	ck_assert_int_eq(out.replica_election_results[0].partition_result[2].error_code, UNKNOWN_SERVER_ERROR);

	m.election_type = 0;
	elect_leaders_response_init(&out);
	rig_ask(&rig, API_ELECT_LEADERS, 2, &m, &out);
	ck_assert_int_eq(out.error_code, NONE);
	ck_assert_int_eq(out.replica_election_results[0].partition_result[0].error_code, ELECTION_NOT_NEEDED);
	ck_assert_int_eq(out.replica_election_results[0].partition_result[1].error_code, ELECTION_NOT_NEEDED);
	ck_assert_int_eq(out.replica_election_results[0].partition_result[2].error_code, UNKNOWN_TOPIC_OR_PARTITION);

	rig_end_office(&rig);	/* each partition says so, not the answer as a whole */
	elect_leaders_response_init(&out);
	rig_ask(&rig, API_ELECT_LEADERS, 2, &m, &out);
	ck_assert_int_eq(out.error_code, NONE);
	ck_assert_int_eq(out.replica_election_results[0].partition_result_count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(out.replica_election_results[0].partition_result[i].error_code, NOT_CONTROLLER);
	rig_fini(&rig);
}
END_TEST

/* --- /feature ------------------------------------------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *config, *before, *after;	/* before NULL: none */
	int32_t     version;			/* that clients are shown */
} features[] = {
	{ NULL, NULL, "{\"features\":{},\"version\":2,\"status\":1}", 0 },
	{ NULL, "{\"features\":{},\"version\":2,\"status\":1}", "{\"features\":{},\"version\":2,\"status\":1}", 0 },
	{ NULL, "{\"features\":{},\"version\":1,\"status\":0}", "{\"features\":{},\"version\":2,\"status\":1}", 1 },
	{ NULL, "{\"features\":{},\"version\":1,\"status\":1}", "{\"features\":{},\"version\":2,\"status\":1}", 1 },
	{ NULL, "{\"features\":{\"x\":{\"max_version_level\":2,\"min_version_level\":2}},\"version\":1,\"status\":1}",
	  "{\"features\":{\"x\":{\"max_version_level\":2}},\"version\":2,\"status\":1}", 1 },
	{ NULL, "{\"features\":{\"x\":{\"max_version_level\":2}},\"version\":2,\"status\":0}", "{\"features\":{},\"version\":2,\"status\":1}", 1 },
	{ NULL, "mine", "mine", -1 },
	{ "inter.broker.protocol.version=3.2", NULL, "{\"features\":{},\"version\":1,\"status\":1}", 0 },
	{ "inter.broker.protocol.version=2.6", NULL, "{\"features\":{},\"version\":1,\"status\":0}", -1 },
	{ "inter.broker.protocol.version=2.6", "{\"features\":{},\"version\":2,\"status\":1}", "{\"features\":{},\"version\":1,\"status\":0}", -1 },
};

START_TEST(feature_node)
{
	rig_init(&rig, "isr", features[_i].config);
	rig_delete(&rig, "/feature");
	rig.c->feature_version = -1;
	if (features[_i].before != NULL)
		rig_write(&rig, "/feature", features[_i].before);
	rig_new_office(&rig);
	char *text = rig_read(&rig, "/feature");
	ck_assert_str_eq(text, features[_i].after);
	free(text);
	ck_assert_int_eq(rig.c->feature_version, features[_i].version);
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_requests");
	TCase *t = tcase_create("rig");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, alter_partition_verdicts);
	tcase_add_loop_test(t, alter_partition_lost_answers, 0, 12);
	tcase_add_test(t, alter_partition_conflict);
	tcase_add_test(t, alter_partition_fenced_off);
	tcase_add_test(t, producer_ids);
	tcase_add_test(t, controlled_shutdown_verdicts);
	tcase_add_test(t, reassignment_refused);
	tcase_add_test(t, reassignment_superseded);
	tcase_add_loop_test(t, reassignment_resumed, 0, 2);
	tcase_add_test(t, reassignment_node_entries);
	tcase_add_test(t, deletion_waits_for_reassignment);
	tcase_add_test(t, reassignment_watches_the_state);
	tcase_add_loop_test(t, balance, 0, 2);
	tcase_add_test(t, balance_waits);
	tcase_add_test(t, elect_leaders_refused);
	tcase_add_loop_test(t, feature_node, 0, (int)ARRAY_LEN(features));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
