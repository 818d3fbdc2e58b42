#include "group_rig.h"

#include <check.h>
#include <stdlib.h>

#include "group/group.h"

_Static_assert(sizeof(struct group_offset_commit) <= sizeof(((struct ask *)NULL)->other) && sizeof(struct group_offset_fetch) <= sizeof(((struct ask *)NULL)->other) &&
               sizeof(struct group_describe) <= sizeof(((struct ask *)NULL)->other), "a question fits");

void group_rig_init(struct group_rig *g, uint64_t seed)
{
	memset(g, 0, sizeof(*g));
	rig_init(&g->rig, seed);
	g->config = mem_calloc(1, sizeof(*g->config));
	g->config->offsets_commit_required_acks = -1;
	g->config->offsets_commit_timeout_ms = 5000;
	g->config->offsets_load_buffer_size = 5 << 20;
	g->config->offsets_retention_check_interval_ms = 600000;
	g->config->offsets_retention_minutes = 10080;
	g->config->offset_metadata_max_bytes = 4096;
	g->config->inter_broker_protocol_version = KAFKA_VERSION(3, 9, 0);
	g->config->group_max_size = INT32_MAX;
	g->context = group_context_create(g->rig.os, g->config);
	g->hook = group_hook(g->context);
	g->hook.topic = "t";
	g->rig.hooks = &g->hook;
	g->rig.hook_count = 1;
}

void group_rig_fini(struct group_rig *g)
{
	group_context_destroy(&g->context);
	rig_fini(&g->rig);
	free(g->config);
}

struct coordinator *group_rig_coordinator(const struct group_rig *g)
{
	return g->rig.addr->hook_state;
}

void group_rig_elect(struct group_rig *g)
{
	rig_lead(&g->rig, ++g->epoch);
	for (int i = 0; group_fetch_error(g, "any") == COORDINATOR_LOAD_IN_PROGRESS; i++) {
		ck_assert_int_lt(i, 1000);
		rig_pass(&g->rig, 10);
	}
}

static void *question(struct ask *a, enum group_msg_kind kind)
{
	memset(a, 0, sizeof(*a));
	msg_init(&a->msg, (uint16_t)kind, NULL);
	return a->other;
}

static enum kafka_error answer_to(struct group_rig *g, struct ask *a)
{
	rig_ask(&g->rig, a);
	rig_wait(&g->rig, a);
	return ((struct coordinator_question *)a->other)->error;
}

struct one_offset *ask_commit(struct one_offset *o, const char *group, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
	struct group_offset_commit *m = question(&o->ask, GROUP_offset_commit);

	o->offset = (struct group_offset){
		.topic = slice_str(topic), .partition = partition, .offset = offset, .leader_epoch = 7, .metadata = slice_str(metadata), .commit_time = -1,
		.error = UNKNOWN_SERVER_ERROR,
	};
	m->caller = (struct group_caller){ .group = slice_str(group), .member_id = SLICE_EMPTY, .instance_id = SLICE_NULL, .generation = -1 };
	m->retention_ms = -1;
	m->offsets = &o->offset;
	m->count = 1;
	return o;
}

enum kafka_error one_error(const struct one_offset *o)
{
	enum kafka_error whole = ((const struct coordinator_question *)o->ask.other)->error;

	return whole != NONE ? whole : o->offset.error;
}

enum kafka_error group_commit(struct group_rig *g, const char *group, const char *topic, int32_t partition, int64_t offset)
{
	struct one_offset o;

	(void)answer_to(g, &ask_commit(&o, group, topic, partition, offset, "m")->ask);
	return one_error(&o);
}

static enum kafka_error fetch(struct group_rig *g, const char *group, struct group_offset *offset)
{
	struct ask a;
	struct group_offset_fetch *m = question(&a, GROUP_offset_fetch);

	m->group = slice_str(group);
	m->offsets = offset;
	m->count = 1;
	arena_init(&m->arena, 1 << 20);
	enum kafka_error error = answer_to(g, &a);
	arena_fini(&m->arena);
	return error != NONE ? error : offset->error;
}

int64_t group_fetch(struct group_rig *g, const char *group, const char *topic, int32_t partition)
{
	struct group_offset o = { .topic = slice_str(topic), .partition = partition };

	ck_assert_int_eq(fetch(g, group, &o), NONE);
	return o.offset;
}

enum kafka_error group_fetch_error(struct group_rig *g, const char *group)
{
	struct group_offset o = { .topic = SLICE_LIT("any") };

	return fetch(g, group, &o);
}

enum kafka_error group_delete(struct group_rig *g, const char *group)
{
	struct ask a;
	struct group_delete *m = question(&a, GROUP_delete);

	m->group = slice_str(group);
	return answer_to(g, &a);
}

enum kafka_error group_delete_offset(struct group_rig *g, const char *group, const char *topic, int32_t partition)
{
	struct ask a;
	struct group_offset_delete *m = question(&a, GROUP_offset_delete);
	struct group_offset o = { .topic = slice_str(topic), .partition = partition };

	m->group = slice_str(group);
	m->offsets = &o;
	m->count = 1;
	enum kafka_error error = answer_to(g, &a);
	return error != NONE ? error : o.error;
}

const char *group_state(struct group_rig *g, const char *group)
{
	struct ask a;
	struct group_describe *m = question(&a, GROUP_describe);

	m->group = slice_str(group);
	arena_init(&m->arena, 1 << 20);
	ck_assert_int_eq(answer_to(g, &a), NONE);
	arena_fini(&m->arena);
	return m->state;		/* a constant */
}
