/*
 * The controller over a store that misbehaves: answers lost before or after the call took effect, calls applied twice, late answers, sessions that expire, brokers
 * that are killed at any moment. Clients create, delete, grow and configure topics meanwhile. Afterwards the store is well again, and must agree with the
 * directories, with the picture, and with what was answered.
 *
 *	SKEIN_SIM_SEEDS=first-last, SKEIN_SIM_LOG=1
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/controller_priv.h"
#include "sim/broker_sim.h"
#include "sim/seeds.h"

#define SEED_FIRST 1
#define SEED_LAST  150
#define TOPICS     4
#define ASKS       4		/* questions under way */

/* --- somebody else with a session on the store: looks at what is there --------------------------------------------------------------- */

struct auditor {
	struct actor      actor;
	struct coord     *coord;
	struct coord_call call;
	struct coord_op   op;
	bool              is_connected, is_wanted, is_home;
};

static void auditor_on_home(void *arg, struct msg *m)
{
	struct auditor *a = arg;

	if (m->kind == COORD_EVENT) {
		struct coord_event *e = (struct coord_event *)m;

		a->is_connected |= e->kind == COORD_EVENT_CONNECTED;
		coord_event_free(e);
	} else {
		a->is_home = true;
	}
}

static int auditor_step(struct actor *actor, mono_ms now UNUSED)
{
	struct auditor *a = CONTAINER_OF(actor, struct auditor, actor);
	int work = actor_drain_answers(actor, auditor_on_home, a);

	if (a->is_wanted) {
		a->is_wanted = false;
		coord_submit(a->coord, &a->call);
		work++;
	}
	actor->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops auditor_ops = { .module = "auditor", .step = auditor_step };

/* --- clients: they ask the controller, as network actors do ------------------------------------------------------------------------------ */

struct request {
	union {
		struct msg                          msg;
		struct controller_create_topics     create;
		struct controller_delete_topics     remove;
		struct controller_create_partitions grow;
		struct controller_alter_configs     alter;
		struct controller_allocate_producer_ids ids;
		struct controller_stored_offsets    stored;
	};
	union {
		struct controller_new_topic        new_topic;
		struct controller_old_topic        old_topic;
		struct controller_more_partitions  more;
		struct controller_altered_resource altered;
		struct controller_stored_offset    offset;
	};
	struct config_change change;
	char                 name[16], value[16];
	bool                 is_out, is_to_send;
};

struct world {
	struct broker_sim b;
	uint64_t          seed, random;
	struct auditor    auditor;
	struct actor      client;
	struct request    requests[ASKS];
	int64_t           last_id;		/* end of the newest block of producer ids */
	int64_t           next_offset, stored_offset;	/* of stored_offsets; -1: not known */
	int               answered, done;
	/* what clients have been told, while nobody else was at it */
	struct { bool is_known, exists; int32_t partitions; char value[16]; } told[TOPICS];
	int               busy[TOPICS];		/* requests about it under way */
};

static uint64_t draw(struct world *w, uint64_t n)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

static int topic_of(const struct request *q)
{
	return q->name[1] - '0';
}

/* Only an answer that came while one request alone was about the topic tells for certain. */
static void learn(struct world *w, struct request *q)
{
	int t = topic_of(q);
	bool alone = w->busy[t] == 1;

	switch ((enum controller_msg_kind)q->msg.kind) {
	case CONTROLLER_create_topics:
		if (q->new_topic.error == NONE || q->new_topic.error == TOPIC_ALREADY_EXISTS) {
			w->told[t].is_known = alone && q->new_topic.error == NONE;
			w->told[t].exists = true;
			w->told[t].partitions = q->new_topic.partitions;
			w->told[t].value[0] = 0;
		} else {
			w->told[t].is_known = false;
		}
		free(q->new_topic.message);
		break;
	case CONTROLLER_delete_topics:
		w->told[t].is_known = alone && q->old_topic.error == NONE;
		w->told[t].exists = false;
		break;
	case CONTROLLER_create_partitions:
		if (q->more.error == NONE)
			w->told[t].partitions = q->more.count;
		if (q->more.error != NONE && q->more.error != INVALID_PARTITIONS && q->more.error != UNKNOWN_TOPIC_OR_PARTITION)
			w->told[t].is_known = false;
		w->told[t].is_known &= alone;
		free(q->more.message);
		break;
	case CONTROLLER_alter_configs:
		if (q->altered.error == NONE)
			snprintf(w->told[t].value, sizeof(w->told[t].value), "%s", q->value);
		else if (q->altered.error != UNKNOWN_TOPIC_OR_PARTITION)
			w->told[t].is_known = false;
		w->told[t].is_known &= alone;
		free(q->altered.message);
		break;
	case CONTROLLER_stored_offsets:		/* asked and answered one after the other */
		if (q->stored.is_commit) {
			w->stored_offset = q->offset.error == NONE ? q->offset.offset : -1;
		} else if (q->offset.error == NONE) {
			ck_assert(w->stored_offset == -1 || w->stored_offset == q->offset.offset);
			w->stored_offset = q->offset.offset;
		} else {
			ck_assert(q->offset.error != UNKNOWN_TOPIC_OR_PARTITION || w->stored_offset == -1);
		}
		return;
	case CONTROLLER_allocate_producer_ids:
		if (q->ids.error == NONE) {
			ck_assert_int_gt(q->ids.first, w->last_id);
			w->last_id = q->ids.first + q->ids.count - 1;
		}
		return;
	case CONTROLLER_request:
	case CONTROLLER_retire:
	case CONTROLLER_reload:
	case CONTROLLER_stop:
	case CONTROLLER_ready:
	case CONTROLLER_MSG_FIRST:
		ck_abort();
	}
	w->busy[t]--;
}

static void client_on_home(void *arg, struct msg *m)
{
	struct world *w = arg;
	struct request *q = (struct request *)m;

	q->is_out = false;
	w->answered++;
	learn(w, q);
}

static int client_step(struct actor *actor, mono_ms now UNUSED)
{
	struct world *w = CONTAINER_OF(actor, struct world, client);
	int work = actor_drain_answers(actor, client_on_home, w);

	for (int i = 0; i < ASKS; i++) {
		struct request *q = &w->requests[i];

		if (!q->is_to_send)
			continue;
		q->is_to_send = false;
		bool sent = actor_ask(actor, controller_actor(w->b.parts.controller), &q->msg);
		ck_assert(sent);
		work++;
	}
	actor->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops client_ops = { .module = "client", .step = client_step };

static void fill_topic_request(struct world *w, struct request *q, uint64_t what)
{
	switch (what) {
	case 0: case 1: case 2:
		msg_init(&q->msg, CONTROLLER_create_topics, &w->client);
		q->new_topic = (struct controller_new_topic){ .name = slice_str(q->name), .partitions = 1 + (int32_t)draw(w, 4), .replication_factor = 1 };
		q->create.topics = &q->new_topic;
		q->create.topic_count = 1;
		q->create.timeout_ms = 30000;
		break;
	case 3: case 4:
		msg_init(&q->msg, CONTROLLER_delete_topics, &w->client);
		q->old_topic = (struct controller_old_topic){ .name = slice_str(q->name) };
		q->remove.topics = &q->old_topic;
		q->remove.topic_count = 1;
		q->remove.timeout_ms = 30000;
		break;
	case 5: case 6:
		msg_init(&q->msg, CONTROLLER_create_partitions, &w->client);
		q->more = (struct controller_more_partitions){ .name = slice_str(q->name), .count = 2 + (int32_t)draw(w, 6), .assignment_count = -1 };
		q->grow.topics = &q->more;
		q->grow.topic_count = 1;
		q->grow.timeout_ms = 30000;
		break;
	default:
		msg_init(&q->msg, CONTROLLER_alter_configs, &w->client);
		snprintf(q->value, sizeof(q->value), "%d", 1000 + (int)draw(w, 1000));
		q->change = (struct config_change){ .name = SLICE_LIT("retention.ms"), .value = slice_str(q->value) };
		q->altered = (struct controller_altered_resource){
			.entity = ENTITY_TOPIC, .name = slice_str(q->name), .mode = CONFIG_INCREMENT, .changes = &q->change, .change_count = 1,
		};
		q->alter.resources = &q->altered;
		q->alter.resource_count = 1;
		break;
	}
}

static void ask_something(struct world *w)
{
	struct request *q = &w->requests[draw(w, ASKS)];
	uint64_t what = draw(w, 10);

	if (q->is_out)
		return;
	memset(q, 0, sizeof(*q));
	snprintf(q->name, sizeof(q->name), "t%d", (int)draw(w, TOPICS));
	if (what == 9 && w->answered % 3 == 0) {
		msg_init(&q->msg, CONTROLLER_allocate_producer_ids, &w->client);
	} else if (what == 9) {
		msg_init(&q->msg, CONTROLLER_stored_offsets, &w->client);
		q->offset = (struct controller_stored_offset){ .topic = SLICE_LIT("t0"), .partition = 3, .offset = -1 };
		q->stored.is_commit = w->answered % 3 == 1;
		if (q->stored.is_commit)
			q->offset.offset = ++w->next_offset;
		q->stored.group = SLICE_LIT("g");
		q->stored.offsets = &q->offset;
		q->stored.count = 1;
	} else {
		fill_topic_request(w, q, what);
		w->busy[topic_of(q)]++;
	}
	q->is_out = q->is_to_send = true;
	actor_wake(&w->client);
}

static bool is_asked(const struct world *w)
{
	for (int i = 0; i < ASKS; i++) {
		if (w->requests[i].is_out)
			return true;
	}
	return false;
}

/* --- agreement --------------------------------------------------------------------------------------------------------------------------- */

static const struct coord_op *audit(struct world *w, enum coord_op_kind kind, const char *path)
{
	struct auditor *a = &w->auditor;

	coord_call_fini(&a->call);
	a->op = (struct coord_op){ .kind = kind, .path = path };
	coord_call_init(&a->call, &a->actor, &a->op, 1);
	a->op = (struct coord_op){ .kind = kind, .path = path };
	a->is_home = false;
	a->is_wanted = true;
	actor_wake(&a->actor);
	for (int i = 0; !a->is_home; i++) {
		ck_assert_int_lt(i, 1000000);
		broker_sim_run(&w->b, 1);
	}
	ck_assert_msg(a->call.result == OK, "seed %llu: %s: %s", (unsigned long long)w->seed, path, err_text(a->call.result));
	return &a->op;
}

struct found {
	int32_t directories[TOPICS], deleted, strays, others;
};

static void see_directory(void *arg, const struct logdir_entry *e)
{
	struct found *f = arg;

	if (e->kind == LOGDIR_PARTITION && e->topic[0] == 't')
		f->directories[e->topic[1] - '0']++;
	else if (e->kind == LOGDIR_PARTITION)
		f->others++;
	f->deleted += e->kind == LOGDIR_DELETED;
	f->strays += e->kind == LOGDIR_STRAY;
}

static void agree_about(struct world *w, int t, const struct found *f, const struct coord_op *node)
{
	struct controller *c = w->b.parts.controller;
	char name[] = { 't', (char)('0' + t), 0 };
	const struct cluster_topic *picture = cluster_topic(c->picture, slice_str(name));
	struct topic_state *state = topic_state_get(c, slice_str(name));
	struct znode_topic z = { .partition_count = 0 };
	struct arena arena;

	arena_init(&arena, 1 << 20);
	if (node != NULL)
		ck_assert(znode_topic_decode(&z, node->out, &arena));
	ck_assert_msg((picture != NULL) == (node != NULL) && (state != NULL) == (node != NULL), "seed %llu: %s: store %d, picture %d, state %d",
	              (unsigned long long)w->seed, name, node != NULL, picture != NULL, state != NULL);
	ck_assert_msg(f->directories[t] == z.partition_count, "seed %llu: %s: %d directories for %d partitions", (unsigned long long)w->seed, name,
	              f->directories[t], z.partition_count);
	if (picture != NULL) {
		ck_assert_int_eq(picture->partition_count, z.partition_count);
		ck_assert(uuid_eq(picture->id, z.id));
		for (int32_t i = 0; i < z.partition_count; i++) {
			ck_assert_int_eq(picture->partitions[i].leader, 0);
			ck_assert_ptr_nonnull(picture->partitions[i].local);
			ck_assert(partition_is_leader(CONTAINER_OF(picture->partitions[i].local, struct partition_addr, counted)));
		}
	}
	if (w->told[t].is_known) {
		ck_assert_msg(w->told[t].exists == (node != NULL), "seed %llu: %s: clients were told %d", (unsigned long long)w->seed, name, w->told[t].exists);
		if (node != NULL)
			ck_assert_int_eq(w->told[t].partitions, z.partition_count);
		if (node != NULL && w->told[t].value[0] != 0)
			ck_assert_int_eq(state->config.retention_ms, atoll(w->told[t].value));
	}
	arena_fini(&arena);
}

static void agree(struct world *w)
{
	struct found f = { .deleted = 0 };
	char problem[LOGDIR_ERROR_MAX], path[64];

	ck_assert_int_eq(audit(w, COORD_CHILDREN, "/admin/delete_topics")->name_count, 0);
	ck_assert_int_eq(logdir_scan(w->b.parts.dirs[0], see_directory, &f, problem), OK);
	ck_assert_int_eq(f.others, 0);
	for (int t = 0; t < TOPICS; t++) {
		const struct coord_op *list = audit(w, COORD_CHILDREN, "/brokers/topics");
		bool exists = false;

		snprintf(path, sizeof(path), "/brokers/topics/t%d", t);
		for (int32_t i = 0; i < list->name_count; i++)
			exists |= slice_eq_str(list->names[i], path + 16);
		agree_about(w, t, &f, exists ? audit(w, COORD_GET, path) : NULL);
	}
}

/* --- a world ------------------------------------------------------------------------------------------------------------------------------- */

static const char *const configs[] = {
	"log.dirs=/data", "listeners=PLAINTEXT://broker:9092", "num.network.threads=1", "log.index.size.max.bytes=600", "zookeeper.session.timeout.ms=500",
	"file.delete.delay.ms=100", "log.segment.delete.delay.ms=100", NULL,
};

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	w->last_id = w->stored_offset = -1;
	broker_sim_init(&w->b, seed, configs);
	actor_init(&w->client, w->b.sched, &client_ops, LANE_NETWORK_FIRST + 20, "client");
	ck_assert_int_eq(actor_start(&w->client, 0), OK);
	actor_init(&w->auditor.actor, w->b.sched, &auditor_ops, LANE_NONE, "auditor");
	ck_assert_int_eq(actor_start(&w->auditor.actor, 0), OK);
	ck_assert_int_eq(coord_open_tree(&w->auditor.coord, &w->auditor.actor, w->b.tree, 3600000), OK);
	coord_call_init(&w->auditor.call, &w->auditor.actor, &w->auditor.op, 1);
}

static void end_actor(struct actor *a)
{
	actor_stop(a);
	actor_join(a);
	actor_fini(a);
}

static void world_fini(struct world *w)
{
	coord_close(&w->auditor.coord);
	coord_call_fini(&w->auditor.call);
	end_actor(&w->client);
	end_actor(&w->auditor.actor);
	broker_sim_fini(&w->b);
}

static void make_ill(struct world *w)
{
	struct coord_faults f = {
		.seed = w->random, .lose_before = (uint32_t)draw(w, 6000), .lose_after = (uint32_t)draw(w, 6000), .apply_twice = (uint32_t)draw(w, 3000),
		.expire = draw(w, 2) == 0 ? (uint32_t)draw(w, 1500) : 0, .delay_ms_max = (uint32_t)draw(w, 30),
	};

	coord_set_faults(w->b.parts.controller->coord, &f);
}

static void make_well(struct world *w)
{
	struct coord_faults none = { .seed = 1 };

	coord_set_faults(w->b.parts.controller->coord, &none);
}

static bool is_queue_idle(const struct task_queue *q)
{
	return q->current == NULL && list_empty(&q->tasks);
}

static const char *running(const struct task_queue *q)
{
	return q->current != NULL ? q->current->kind->name : "none";
}

static bool is_idle(const struct controller *c)
{
	return is_queue_idle(&c->member_queue) && is_queue_idle(&c->active_queue) && c->is_connected && c->is_active && c->is_registered;
}

/* Until everything that was asked is answered and the controller has nothing to do. */
static void settle(struct world *w)
{
	for (int i = 0; is_asked(w) || !is_idle(w->b.parts.controller); i++) {
		ck_assert_msg(i < 3000000, "seed %llu: nothing moves on: tasks %s and %s", (unsigned long long)w->seed,
		              running(&w->b.parts.controller->member_queue), running(&w->b.parts.controller->active_queue));
		broker_sim_run(&w->b, 1);
	}
	broker_sim_pass(&w->b, 1000);
	ck_assert(is_idle(w->b.parts.controller));
}

static void trouble(struct world *w, int turns)
{
	for (int i = 0; i < turns; i++) {
		if (draw(w, 3) == 0)
			ask_something(w);
		broker_sim_run(&w->b, 1 + (int)draw(w, 40));
	}
}

/* The questions under way are answered first, in the end of the network actors' calls; what the controller still does on its own is cut anywhere. */
static void restart(struct world *w)
{
	if (draw(w, 2) == 0) {
		for (int i = 0; is_asked(w); i++) {
			ck_assert_int_lt(i, 3000000);
			broker_sim_run(&w->b, 1);
		}
		broker_sim_run(&w->b, (int)draw(w, 100));
		broker_sim_crash(&w->b, SIM_CRASH_PROCESS);
	} else {
		make_well(w);
		for (int i = 0; is_asked(w); i++)
			broker_sim_run(&w->b, 1);
		broker_sim_stop(&w->b);
	}
	ck_assert(broker_sim_start(&w->b));
}

static void live(uint64_t seed, int *answered)
{
	static struct world w;

	world_init(&w, seed);
	ck_assert(broker_sim_start(&w.b));
	for (int i = 0; i < 4; i++) {
		make_ill(&w);
		trouble(&w, 150);
		if (draw(&w, 2) == 0)
			restart(&w);
		make_well(&w);
		settle(&w);
		agree(&w);
	}
	broker_sim_stop(&w.b);
	*answered += w.answered;
	world_fini(&w);
}

START_TEST(every_world)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST;
	int answered = 0;
	clock_t begin = clock();

	seeds_choose(&first, &last);
	for (uint64_t seed = first; seed <= last; seed++) {
		seeds_begin(seed);
		live(seed, &answered);
	}
	seeds_end();
	printf("%llu seeds, %d requests answered, %.1f s\n", (unsigned long long)(last - first + 1), answered, (double)(clock() - begin) / CLOCKS_PER_SEC);
	ck_assert_int_gt(answered, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("controller in simulation");
	TCase *t = tcase_create("worlds");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, every_world);
	suite_add_tcase(s, t);
	return seeds_run(s);
}
