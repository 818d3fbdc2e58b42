/*
 * The active controller against a Java one: for a state of the cluster that was captured, and something that happened then, the requests that the Java controller sent to each broker,
 * in their order, and the nodes it left behind.
 *
 * One whole broker runs in simulation and is elected; the other members are sessions of the same tree, and what it tells them is taken down instead of sent. So is what it tells itself. Both
 * sides' requests are brought into one textual form; only broker epochs, which are zxids, are left out.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>

#include "actor/actor_priv.h"
#include "base/strbuf.h"
#include "controller/active_priv.h"
#include "sim/broker_sim.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/controlled_shutdown.h"
#include "wire/header.h"

#define MEMBERS   4
#define STEPS_MAX 200000
#define PARTITIONS_MAX 64

/* --- requests as text ------------------------------------------------------------------------------------------------------------------- */

struct lines {
	char *at[256];
	int   count;
};

static void add_line(struct lines *l, struct strbuf *b)
{
	ck_assert_int_lt(l->count, (int)ARRAY_LEN(l->at));
	l->at[l->count++] = strbuf_steal(b);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join(struct lines *l, struct strbuf *out, const char *what)
{
	strbuf_printf(out, " | %s:", what);
	qsort(l->at, (size_t)l->count, sizeof(l->at[0]), by_text);
	for (int i = 0; i < l->count; i++) {
		strbuf_printf(out, "\n    %s", l->at[i]);
		free(l->at[i]);
	}
	l->count = 0;
}

static void put_ids(struct strbuf *b, const char *name, const int32_t *ids, int32_t n)
{
	strbuf_printf(b, " %s=", name);
	for (int32_t i = 0; i < n; i++)
		strbuf_printf(b, "%s%d", i > 0 ? "," : "", ids[i]);
}

static void put_topic(struct strbuf *b, struct slice name, int32_t partition, struct uuid id)
{
	char text[UUID_TEXT_LEN + 1];

	strbuf_printf(b, SLICE_FMT "-%d %s", SLICE_ARG(name), partition, uuid_to_text(id, text));
}

static void describe_leader_and_isr(struct strbuf *out, const struct leader_and_isr_request *m)
{
	struct lines l = { .count = 0 };
	struct strbuf b = STRBUF_INIT;

	strbuf_printf(out, "controller=%d epoch=%d type=%d", m->controller_id, m->controller_epoch, m->type);
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++) {
			const struct leader_and_isr_request_partition_state *s = &m->topic_states[i].partition_states[k];

			put_topic(&b, m->topic_states[i].topic_name, s->partition_index, m->topic_states[i].topic_id);
			strbuf_printf(&b, " ce=%d leader=%d/%d pe=%d new=%d rec=%d", s->controller_epoch, s->leader, s->leader_epoch, s->partition_epoch, s->is_new,
			              s->leader_recovery_state);
			put_ids(&b, "isr", s->isr, s->isr_count);
			put_ids(&b, "replicas", s->replicas, s->replicas_count);
			put_ids(&b, "adding", s->adding_replicas, s->adding_replicas_count);
			put_ids(&b, "removing", s->removing_replicas, s->removing_replicas_count);
			add_line(&l, &b);
		}
	}
	join(&l, out, "partitions");
	for (int32_t i = 0; i < m->live_leaders_count; i++) {
		strbuf_printf(&b, "%d " SLICE_FMT ":%d", m->live_leaders[i].broker_id, SLICE_ARG(m->live_leaders[i].host_name), m->live_leaders[i].port);
		add_line(&l, &b);
	}
	join(&l, out, "leaders");
}

static void describe_update_metadata(struct strbuf *out, const struct update_metadata_request *m)
{
	struct lines l = { .count = 0 };
	struct strbuf b = STRBUF_INIT;

	strbuf_printf(out, "controller=%d epoch=%d", m->controller_id, m->controller_epoch);
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++) {
			const struct update_metadata_request_partition_state *s = &m->topic_states[i].partition_states[k];

			put_topic(&b, m->topic_states[i].topic_name, s->partition_index, m->topic_states[i].topic_id);
			strbuf_printf(&b, " ce=%d leader=%d/%d pe=%d", s->controller_epoch, s->leader, s->leader_epoch, s->zk_version);
			put_ids(&b, "isr", s->isr, s->isr_count);
			put_ids(&b, "replicas", s->replicas, s->replicas_count);
			put_ids(&b, "offline", s->offline_replicas, s->offline_replicas_count);
			add_line(&l, &b);
		}
	}
	join(&l, out, "partitions");
	for (int32_t i = 0; i < m->live_brokers_count; i++) {
		const struct update_metadata_request_live_broker *s = &m->live_brokers[i];

		strbuf_printf(&b, "%d rack=" SLICE_FMT, s->id, SLICE_ARG(s->rack));
		for (int32_t k = 0; k < s->endpoints_count; k++)
			strbuf_printf(&b, " " SLICE_FMT "://" SLICE_FMT ":%d/%d", SLICE_ARG(s->endpoints[k].listener), SLICE_ARG(s->endpoints[k].host),
			              s->endpoints[k].port, s->endpoints[k].security_protocol);
		add_line(&l, &b);
	}
	join(&l, out, "brokers");
}

static void describe_stop_replica(struct strbuf *out, const struct stop_replica_request *m)
{
	struct lines l = { .count = 0 };
	struct strbuf b = STRBUF_INIT;

	strbuf_printf(out, "controller=%d epoch=%d", m->controller_id, m->controller_epoch);
	for (int32_t i = 0; i < m->ungrouped_partitions_count; i++) {
		strbuf_printf(&b, SLICE_FMT "-%d delete=%d", SLICE_ARG(m->ungrouped_partitions[i].topic_name), m->ungrouped_partitions[i].partition_index,
		              m->delete_partitions);
		add_line(&l, &b);
	}
	for (int32_t i = 0; i < m->topics_count; i++) {
		for (int32_t k = 0; k < m->topics[i].partition_indexes_count; k++) {
			strbuf_printf(&b, SLICE_FMT "-%d delete=%d", SLICE_ARG(m->topics[i].name), m->topics[i].partition_indexes[k], m->delete_partitions);
			add_line(&l, &b);
		}
	}
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++) {
			const struct stop_replica_request_partition_state *s = &m->topic_states[i].partition_states[k];

			strbuf_printf(&b, SLICE_FMT "-%d epoch=%d delete=%d", SLICE_ARG(m->topic_states[i].topic_name), s->partition_index, s->leader_epoch,
			              s->delete_partition);
			add_line(&l, &b);
		}
	}
	join(&l, out, "partitions");
}

static char *describe(int key, int version, const void *request)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_printf(&b, "%s v%d ", key == API_LEADER_AND_ISR ? "LeaderAndIsr" : key == API_UPDATE_METADATA ? "UpdateMetadata" : "StopReplica", version);
	if (key == API_LEADER_AND_ISR)
		describe_leader_and_isr(&b, request);
	else if (key == API_UPDATE_METADATA)
		describe_update_metadata(&b, request);
	else
		describe_stop_replica(&b, request);
	return strbuf_steal(&b);
}

/* --- what is taken down ------------------------------------------------------------------------------------------------------------------- */

static struct lines told[MEMBERS];	/* by broker */
static bool is_member[MEMBERS];
static int takes[MEMBERS];	/* so many requests more, then it is dead, though its session lives on; -1: all */

static void take_down(int32_t broker, int key, int version, const void *request)
{
	struct strbuf b = STRBUF_INIT;
	char *text = describe(key, version, request);

	strbuf_add_str(&b, text);
	free(text);
	add_line(&told[broker], &b);
}

static void forget(struct lines *l)
{
	for (int i = 0; i < l->count; i++)
		free(l->at[i]);
	l->count = 0;
}

/* The recordings say each decision by itself. */
void __wrap_active_merge_waiting(struct list *queue);
void __wrap_active_merge_waiting(struct list *queue UNUSED)
{
}

void __real_member_enqueue_own(struct controller *c, struct own_request *r);
void __wrap_member_enqueue_own(struct controller *c, struct own_request *r);
void __wrap_member_enqueue_own(struct controller *c, struct own_request *r)
{
	take_down(c->broker_id, (int)r->request.key, r->request.version, r->request.request);
	__real_member_enqueue_own(c, r);
}

/* --- the channels: nothing leaves the machine --------------------------------------------------------------------------------------------- */

struct channels {
	struct actor actor;
};

void channel_call_init(struct channel_call *call, struct actor *home)
{
	*call = (struct channel_call){ .broker = -1 };
	msg_init(&call->msg, CHANNEL_CALL, home);
}

void channel_call_fini(struct channel_call *call)
{
	if (call->internal != NULL)
		arena_fini(call->internal);
	free(call->internal);
	call->internal = NULL;
}

static void answer_leader_and_isr(struct leader_and_isr_response *out, const struct leader_and_isr_request *m, struct arena *a)
{
	leader_and_isr_response_init(out);
	out->topics = arena_calloc(a, (size_t)m->topic_states_count + 1, sizeof(*out->topics));
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		struct leader_and_isr_response_topic *t = &out->topics[out->topics_count++];

		t->topic_id = m->topic_states[i].topic_id;
		t->partition_errors = arena_calloc(a, (size_t)m->topic_states[i].partition_states_count + 1, sizeof(*t->partition_errors));
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++)
			t->partition_errors[t->partition_errors_count++].partition_index = m->topic_states[i].partition_states[k].partition_index;
	}
}

static void stopped(struct stop_replica_response *out, struct slice topic, int32_t partition)
{
	struct stop_replica_response_partition_error *e = &out->partition_errors[out->partition_errors_count++];

	ck_assert_int_le(out->partition_errors_count, PARTITIONS_MAX);
	e->topic_name = topic;
	e->partition_index = partition;
}

static void answer_stop_replica(struct stop_replica_response *out, const struct stop_replica_request *m, struct arena *a)
{
	stop_replica_response_init(out);
	out->partition_errors = arena_calloc(a, PARTITIONS_MAX, sizeof(*out->partition_errors));
	for (int32_t i = 0; i < m->ungrouped_partitions_count; i++)
		stopped(out, m->ungrouped_partitions[i].topic_name, m->ungrouped_partitions[i].partition_index);
	for (int32_t i = 0; i < m->topics_count; i++) {
		for (int32_t k = 0; k < m->topics[i].partition_indexes_count; k++)
			stopped(out, m->topics[i].name, m->topics[i].partition_indexes[k]);
	}
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		for (int32_t k = 0; k < m->topic_states[i].partition_states_count; k++)
			stopped(out, m->topic_states[i].topic_name, m->topic_states[i].partition_states[k].partition_index);
	}
}

/* Of Kafka 3.9, as far as it is looked at before a broker joins. */
static void answer_api_versions(struct api_versions_response *out, struct arena *a)
{
	api_versions_response_init(out);
	out->api_keys = arena_calloc(a, 1, sizeof(*out->api_keys));
	out->api_keys[out->api_keys_count++] = (struct api_versions_response_api_key){ .api_key = API_FETCH, .max_version = 17 };
}

static void check_encodable(const struct channel_call *call)
{
	struct writer w;
	bool ok;

	writer_init(&w);
	if (call->key == API_LEADER_AND_ISR)
		ok = leader_and_isr_request_encode(call->request, &w, call->version);
	else if (call->key == API_UPDATE_METADATA)
		ok = update_metadata_request_encode(call->request, &w, call->version);
	else if (call->key == API_API_VERSIONS)
		ok = api_versions_request_encode(call->request, &w, call->version);
	else
		ok = stop_replica_request_encode(call->request, &w, call->version);
	ck_assert(ok);
	writer_fini(&w);
}

/* As a member that does what it is told. */
static void channels_on_question(void *arg, struct msg *m)
{
	struct channels *ch = arg;
	struct channel_call *call = (struct channel_call *)m;

	if (m->kind == CHANNEL_CLOSE) {
		actor_answer(&ch->actor, m);
		return;
	}
	if (call->line != CHANNEL_TO_MEMBER || !is_member[call->broker] || (takes[call->broker] == 0 && call->key != API_API_VERSIONS)) {
		call->result = ERR_REFUSED;
		actor_answer(&ch->actor, m);
		return;
	}
	check_encodable(call);
	if (call->key != API_API_VERSIONS) {
		takes[call->broker] -= takes[call->broker] > 0;
		take_down(call->broker, (int)call->key, call->version, call->request);
	}
	struct arena *a = mem_calloc(1, sizeof(*a));
	arena_init(a, 1 << 20);
	call->internal = a;
	call->result = OK;
	call->response = arena_calloc(a, 1, MAX(MAX(sizeof(struct leader_and_isr_response), sizeof(struct stop_replica_response)), sizeof(struct api_versions_response)));
	if (call->key == API_LEADER_AND_ISR)
		answer_leader_and_isr(call->response, call->request, a);
	else if (call->key == API_STOP_REPLICA)
		answer_stop_replica(call->response, call->request, a);
	else if (call->key == API_API_VERSIONS)
		answer_api_versions(call->response, a);
	actor_answer(&ch->actor, m);
}

static int channels_step(struct actor *a, mono_ms now UNUSED)
{
	a->deadline = MONO_NEVER;
	return actor_drain_questions(a, 16, channels_on_question, CONTAINER_OF(a, struct channels, actor));
}

static const struct actor_ops channels_ops = { .module = "channels", .step = channels_step };

enum err channels_create(struct channels **out, struct sched *s, const char *client_id UNUSED)
{
	*out = mem_calloc(1, sizeof(**out));
	actor_init(&(*out)->actor, s, &channels_ops, LANE_NONE, "channels");
	return actor_start(&(*out)->actor, 0);
}

void channels_destroy(struct channels **c)
{
	actor_stop(&(*c)->actor);
	actor_join(&(*c)->actor);
	actor_fini(&(*c)->actor);
	free(*c);
	*c = NULL;
}

struct actor *channels_actor(struct channels *c)
{
	return &c->actor;
}

/* --- sessions of the others ------------------------------------------------------------------------------------------------------------------ */

struct rig_session {
	struct actor  actor;		/* never started: the test stands in for its thread */
	struct coord *coord;
	int           out;
};

struct world {
	struct broker_sim    b;
	struct rig_session sessions[MEMBERS];	/* 0: who writes nodes */
};

static struct world world;

static int no_step(struct actor *a UNUSED, mono_ms now UNUSED)
{
	return 0;
}

static const struct actor_ops rig_session_ops = { .module = "session", .step = no_step };

static void rig_session_on_home(void *arg, struct msg *m)
{
	struct rig_session *s = arg;

	if (m->kind == COORD_EVENT)
		coord_event_free((struct coord_event *)m);
	else
		s->out--;
}

static void rig_session_pump(struct rig_session *s)
{
	for (int i = 0; s->out > 0 || coord_session_id(s->coord) == 0; i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		actor_set_current(&s->actor);
		actor_flush_wakes(&s->actor);
		if (actor_drain_answers(&s->actor, rig_session_on_home, s) == 0)
			sched_sim_step(world.b.sched);
	}
	actor_set_current(NULL);
}

static void rig_session_open(struct rig_session *s)
{
	actor_init(&s->actor, world.b.sched, &rig_session_ops, LANE_CONTROLLER, "session");
	actor_set_current(&s->actor);
	ck_assert_int_eq(coord_open_tree(&s->coord, &s->actor, world.b.tree, 1000000), OK);
	rig_session_pump(s);
}

static void rig_session_close(struct rig_session *s)
{
	if (s->coord == NULL)
		return;
	actor_set_current(&s->actor);
	actor_drain_answers(&s->actor, rig_session_on_home, s);
	coord_close(&s->coord);
	actor_flush_wakes(&s->actor);
	actor_drain_answers(&s->actor, rig_session_on_home, s);
	actor_set_current(NULL);
	actor_fini(&s->actor);
}

static enum err rig_session_write(struct rig_session *s, enum coord_op_kind kind, const char *path, struct slice data, int flags)
{
	struct coord_op op = { .kind = kind, .path = path, .data = data, .flags = flags, .version = COORD_ANY_VERSION };
	struct coord_call call;

	coord_call_init(&call, &s->actor, &op, 1);
	actor_set_current(&s->actor);
	s->out++;
	coord_submit(s->coord, &call);
	rig_session_pump(s);
	enum err e = call.result;
	coord_call_fini(&call);
	return e;
}

/* --- golden files ----------------------------------------------------------------------------------------------------------------------------- */

static json_t *load(const char *kind, const char *step)
{
	char path[1024];
	json_error_t why;
	const char *top = getenv("SKEIN_TEST_DATA");

	snprintf(path, sizeof(path), "%s/golden/cluster/%s-%s.json", top != NULL ? top : "tests", kind, step);
	json_t *root = json_load_file(path, 0, &why);
	ck_assert_msg(root != NULL, "%s: %s", path, why.text);
	return root;
}

static const char *text_of(json_t *node, const char *key)
{
	return json_string_value(json_object_get(node, key));
}

static json_t *find_node(json_t *tree, const char *path)
{
	size_t i;
	json_t *node;

	json_array_foreach(tree, i, node) {
		if (strcmp(text_of(node, "path"), path) == 0)
			return node;
	}
	return NULL;
}

static struct slice data_of(json_t *node)
{
	const char *text = text_of(node, "data");

	return text != NULL ? slice_str(text) : SLICE_NULL;
}

/* A new controller takes note once more that a leaderless partition's last replica is away: such a state is made as it was one step before, so that then it is what was captured. */
static void undo_last_step(json_t *node)
{
	json_t *state = json_loads(text_of(node, "data"), 0, NULL);

	if (json_integer_value(json_object_get(state, "leader")) == LEADER_NONE) {
		json_object_set_new(state, "leader_epoch", json_integer(json_integer_value(json_object_get(state, "leader_epoch")) - 1));
		char *text = json_dumps(state, JSON_COMPACT);
		json_object_set_new(node, "data", json_string(text));
		json_object_set_new(node, "version", json_integer(json_integer_value(json_object_get(node, "version")) - 1));
		free(text);
	}
	json_decref(state);
}

static void make_node(json_t *node)
{
	const char *path = text_of(node, "path");
	struct rig_session *s = &world.sessions[0];
	size_t len = strlen(path);

	if (strcmp(path, "/") == 0 || json_is_true(json_object_get(node, "ephemeral")))
		return;
	if (len > 6 && strcmp(path + len - 6, "/state") == 0)
		undo_last_step(node);
	json_int_t version = json_integer_value(json_object_get(node, "version"));
	enum err e = rig_session_write(s, COORD_CREATE, path, data_of(node), 0);
	ck_assert_msg(e == OK || e == ERR_EXISTS, "%s: %s", path, err_text(e));
	for (json_int_t i = e == OK ? 0 : version - 1; i < version; i++)
		ck_assert_int_eq(rig_session_write(s, COORD_SET, path, data_of(node), 0), OK);
}

/* The registration as it was, and as one of ours, beside whom we may be controller. */
static void join_member(int32_t id, json_t *tree)
{
	char path[64];

	snprintf(path, sizeof(path), "/brokers/ids/%d", id);
	json_t *node = find_node(tree, path);
	ck_assert_msg(node != NULL, "no %s", path);
	is_member[id] = true;
	takes[id] = -1;
	rig_session_open(&world.sessions[id]);
	ck_assert_int_eq(rig_session_write(&world.sessions[id], COORD_CREATE, path, slice_str(text_of(node, "data")), COORD_EPHEMERAL), OK);
}

static void leave_member(int32_t id)
{
	is_member[id] = false;
	rig_session_close(&world.sessions[id]);
}

/* The next epoch is that of the captured controller. */
static void set_epoch(json_t *tree)
{
	char text[16];
	json_t *node = find_node(tree, "/controller_epoch");

	snprintf(text, sizeof(text), "%d", atoi(text_of(node, "data")) - 1);
	ck_assert_int_eq(rig_session_write(&world.sessions[0], COORD_SET, "/controller_epoch", slice_str(text), 0), OK);
}

static bool is_queue_idle(const struct task_queue *q)
{
	return q->current == NULL && list_empty(&q->tasks);
}

static bool is_idle(const struct controller *c)
{
	if (!is_queue_idle(&c->member_queue) || !is_queue_idle(&c->active_queue) || c->active == NULL)
		return false;
	for (int i = 0; i < c->active->broker_count; i++) {
		if (c->active->brokers[i]->channel.is_busy && takes[c->active->brokers[i]->info.id] != 0)
			return false;
	}
	return true;
}

static void settle(void)
{
	for (int i = 0, rest = 0; rest < 200; i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		broker_sim_run(&world.b, 1);
		rest = is_idle(world.b.parts.controller) ? rest + 1 : 0;
	}
}

static const char *protocol_version = "inter.broker.protocol.version=3.9";

/* A cluster in this state, of which broker 1, ours, is elected controller. What it says at that is not part of the comparison. */
static void begin(const char *step)
{
	const char *const configs[] = {
		protocol_version, "broker.id=1", "log.dirs=/data", "zookeeper.connect=zk:1", "broker.rack=r1", "inter.broker.listener.name=INTERNAL", "auto.leader.rebalance.enable=false",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT", "listeners=PLAINTEXT://127.0.0.1:26011,INTERNAL://127.0.0.1:26021",
		"controller.eligible=true", "replica.lag.time.max.ms=1000000", NULL,
	};
	json_t *tree = step != NULL ? load("znodes", step) : NULL, *node;
	size_t i;

	memset(&world, 0, sizeof(world));
	memset(is_member, 0, sizeof(is_member));
	broker_sim_init(&world.b, 7, configs);
	rig_session_open(&world.sessions[0]);
	if (tree != NULL) {
		json_array_foreach(tree, i, node)
			make_node(node);
		set_epoch(tree);
		for (int32_t id = 2; id < MEMBERS; id++) {
			char path[64];

			snprintf(path, sizeof(path), "/brokers/ids/%d", id);
			if (find_node(tree, path) != NULL)
				join_member(id, tree);
		}
		json_decref(tree);
	}
	ck_assert(broker_sim_start(&world.b));
	if (tree != NULL) {
		settle();
		for (int id = 0; id < MEMBERS; id++)
			forget(&told[id]);
	}
}

static void end(void)
{
	for (int id = 1; id < MEMBERS; id++)
		leave_member(id);
	broker_sim_stop(&world.b);
	rig_session_close(&world.sessions[0]);
	for (int id = 0; id < MEMBERS; id++)
		forget(&told[id]);
	broker_sim_fini(&world.b);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------------------------------ */

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return n;
}

static char *describe_frame(json_t *frame)
{
	const char *hex = text_of(frame, "hex");
	uint8_t *bytes = mem_calloc(1, strlen(hex) / 2 + 1);
	struct reader r = reader_of(slice_of(bytes, from_hex(hex, bytes)));
	struct request_header h;
	struct arena a;
	union {
		struct leader_and_isr_request  leader_and_isr;
		struct update_metadata_request update_metadata;
		struct stop_replica_request    stop_replica;
	} m;
	bool ok = header_decode_request(&h, &r);

	arena_init(&a, 1 << 20);
	if (h.request_api_key == API_LEADER_AND_ISR)
		ok = ok && leader_and_isr_request_decode(&m.leader_and_isr, &r, h.request_api_version, &a);
	else if (h.request_api_key == API_UPDATE_METADATA)
		ok = ok && update_metadata_request_decode(&m.update_metadata, &r, h.request_api_version, &a);
	else
		ok = ok && stop_replica_request_decode(&m.stop_replica, &r, h.request_api_version, &a);
	ck_assert(ok);
	char *text = describe(h.request_api_key, h.request_api_version, &m);
	arena_fini(&a);
	free(bytes);
	return text;
}

static bool is_control(json_t *frame, int broker)
{
	json_int_t key = json_integer_value(json_object_get(frame, "key"));

	return strcmp(text_of(frame, "direction"), "request") == 0 && json_integer_value(json_object_get(frame, "to")) == broker &&
	       (key == API_LEADER_AND_ISR || key == API_UPDATE_METADATA || key == API_STOP_REPLICA);
}

/* What each broker was told: the first `limit[broker]` requests of the capture and no more of ours; limit 0: as many as were captured. */
static void compare(const char *step, const int limit[MEMBERS])
{
	json_t *frames = load("requests", step), *frame;

	for (int broker = 1; broker < MEMBERS; broker++) {
		int n = 0;
		size_t i;

		json_array_foreach(frames, i, frame) {
			if (!is_control(frame, broker) || (limit != NULL && n == limit[broker]))
				continue;
			char *golden = describe_frame(frame);
			ck_assert_msg(n < told[broker].count, "%s: broker %d was not told, as number %d: %s", step, broker, n, golden);
			ck_assert_msg(strcmp(golden, told[broker].at[n]) == 0, "%s: broker %d, request %d:\n%s\nbut Java said:\n%s", step, broker, n,
			              told[broker].at[n], golden);
			free(golden);
			n++;
		}
		ck_assert_msg(n == told[broker].count, "%s: broker %d was told more than %d: %s", step, broker, n, told[broker].at[n]);
		forget(&told[broker]);
	}
	json_decref(frames);
}

/* --- what happened -------------------------------------------------------------------------------------------------------------------------------- */

/* Nodes of a topic as another broker, or a tool, writes them. */
static void write_topic(json_t *tree, const char *topic)
{
	char path[256];

	snprintf(path, sizeof(path), "/brokers/topics/%s", topic);
	json_t *node = find_node(tree, path);
	enum err e = rig_session_write(&world.sessions[0], COORD_CREATE, path, data_of(node), 0);
	if (e == ERR_EXISTS)
		e = rig_session_write(&world.sessions[0], COORD_SET, path, data_of(node), 0);
	ck_assert_int_eq(e, OK);
	settle();
}

START_TEST(brokers_start)
{
	json_t *tree = load("znodes", "02-three-brokers");

	begin(NULL);
	settle();
	compare("01-first-broker", NULL);
	for (int32_t id = 2; id <= 3; id++) {
		join_member(id, tree);
		settle();
	}
	compare("02-three-brokers", NULL);
	json_decref(tree);
	end();
}
END_TEST

START_TEST(topics_are_created)
{
	json_t *tree = load("znodes", "04-auto-create");

	begin("02-three-brokers");
	write_topic(tree, "rf1");
	write_topic(tree, "rf3");
	write_topic(tree, "manual");
	compare("03-create-topics", NULL);
	write_topic(tree, "auto");
	compare("04-auto-create", NULL);
	json_decref(tree);
	end();
}
END_TEST

START_TEST(partitions_are_added)
{
	json_t *tree = load("znodes", "07-add-partitions");

	begin("06-config-removal");
	write_topic(tree, "rf1");
	compare("07-add-partitions", NULL);
	json_decref(tree);
	end();
}
END_TEST

/* Up to where followers have caught up and leaders ask for larger in-sync sets. */
START_TEST(a_broker_returns)
{
	static const int limit_16[] = { 0, 3, 3, 5 }, limit_20[] = { 0, 3, 5, 3 };
	json_t *tree = load("znodes", "16-broker-return");

	begin("15-controlled-shutdown-follower-broker");
	join_member(3, tree);
	settle();
	compare("16-broker-return", limit_16);
	json_decref(tree);
	end();
	tree = load("znodes", "20-restart-after-kill9");
	begin("19-preferred-znode-with-dead-broker");
	join_member(2, tree);
	settle();
	compare("20-restart-after-kill9", limit_20);
	json_decref(tree);
	end();
}
END_TEST

/* A request that a member made of the controller, as it was captured but for the broker's epoch. */
static void feed(json_t *frame)
{
	const char *hex = text_of(frame, "hex");
	uint8_t *bytes = mem_calloc(1, strlen(hex) / 2 + 1);
	struct reader r = reader_of(slice_of(bytes, from_hex(hex, bytes)));
	struct request_header h;
	struct arena a;
	union {
		struct alter_partition_request     alter;
		struct controlled_shutdown_request shutdown;
	} m;
	union {
		struct alter_partition_response     alter;
		struct controlled_shutdown_response shutdown;
	} answer;
	struct rig_session *s = &world.sessions[json_integer_value(json_object_get(frame, "from"))];
	int64_t epoch = active_broker_get(world.b.parts.controller->active, (int32_t)(s - world.sessions))->info.epoch;

	arena_init(&a, 1 << 20);
	ck_assert(header_decode_request(&h, &r));
	if (h.request_api_key == API_ALTER_PARTITION) {
		ck_assert(alter_partition_request_decode(&m.alter, &r, h.request_api_version, &a));
		m.alter.broker_epoch = epoch;
		alter_partition_response_init(&answer.alter);
	} else {
		ck_assert(controlled_shutdown_request_decode(&m.shutdown, &r, h.request_api_version, &a));
		m.shutdown.broker_epoch = epoch;
		controlled_shutdown_response_init(&answer.shutdown);
	}
	struct controller_request request = {
		.key = (enum api_key)h.request_api_key, .version = h.request_api_version, .request = &m, .response = &answer, .arena = &a,
	};
	msg_init(&request.msg, CONTROLLER_request, &s->actor);
	actor_set_current(&s->actor);
	s->out++;
	ck_assert(actor_ask(&s->actor, controller_actor(world.b.parts.controller), &request.msg));
	rig_session_pump(s);
	if (h.request_api_key == API_ALTER_PARTITION)
		ck_assert_int_eq(answer.alter.error_code, NONE);
	else
		ck_assert_int_eq(answer.shutdown.error_code, NONE);
	arena_fini(&a);
	free(bytes);
	settle();
}

static void feed_all(const char *step, int key)
{
	json_t *frames = load("requests", step), *frame;
	size_t i;

	json_array_foreach(frames, i, frame) {
		if (strcmp(text_of(frame, "direction"), "request") == 0 && json_integer_value(json_object_get(frame, "key")) == key)
			feed(frame);
	}
	json_decref(frames);
}

/* The partitions' states in the tree are those that were captured. */
static void compare_states(const char *step)
{
	json_t *tree = load("znodes", step), *node;
	struct rig_session *s = &world.sessions[0];
	size_t i;

	json_array_foreach(tree, i, node) {
		const char *path = text_of(node, "path");
		size_t len = strlen(path);
		struct coord_op op = { .kind = COORD_GET, .path = path };
		struct coord_call call;
		struct znode_state ours, golden;

		if (len < 6 || strcmp(path + len - 6, "/state") != 0)
			continue;
		coord_call_init(&call, &s->actor, &op, 1);
		actor_set_current(&s->actor);
		s->out++;
		coord_submit(s->coord, &call);
		rig_session_pump(s);
		ck_assert_msg(call.result == OK, "%s: %s", step, path);
		ck_assert(znode_state_decode(&ours, op.out, &call.arena) && znode_state_decode(&golden, data_of(node), &call.arena));
		ck_assert_msg(ours.leader == golden.leader && ours.leader_epoch == golden.leader_epoch && ours.controller_epoch == golden.controller_epoch &&
		              ours.isr_count == golden.isr_count && memcmp(ours.isr, golden.isr, (size_t)ours.isr_count * sizeof(*ours.isr)) == 0,
		              "%s: %s: " SLICE_FMT ", Java's: %s", step, path, SLICE_ARG(op.out), text_of(node, "data"));
		ck_assert_int_eq(op.stat.version, json_integer_value(json_object_get(node, "version")));
		coord_call_fini(&call);
	}
	json_decref(tree);
}

START_TEST(a_broker_dies)
{
	begin("17-preferred-election");
	takes[2] = 0;
	feed_all("18-kill9-follower", API_ALTER_PARTITION);
	leave_member(2);
	settle();
	compare("18-kill9-follower", NULL);
	compare_states("18-kill9-follower");
	end();
}
END_TEST

/* With a broker that has left in order, of which one replica remains; it is deleted when the broker is back. */
START_TEST(a_topic_is_deleted_while_a_broker_is_away)
{
	static const int limit_36[] = { 0, 3, 6, 3 };
	json_t *tree = load("znodes", "36-dead-broker-returns-deletion-completes");

	begin("34-delete-topic");
	takes[2] = 3;
	feed_all("35-delete-topic-with-dead-broker", API_CONTROLLED_SHUTDOWN);
	leave_member(2);
	settle();
	ck_assert_int_eq(rig_session_write(&world.sessions[0], COORD_CREATE, "/admin/delete_topics/rf1", SLICE_NULL, 0), OK);
	settle();
	compare("35-delete-topic-with-dead-broker", NULL);
	compare_states("35-delete-topic-with-dead-broker");
	join_member(2, tree);
	settle();
	compare("36-dead-broker-returns-deletion-completes", limit_36);
	ck_assert_int_eq(rig_session_write(&world.sessions[0], COORD_EXISTS, "/brokers/topics/rf1", SLICE_NULL, 0), ERR_NOT_FOUND);
	ck_assert_int_eq(rig_session_write(&world.sessions[0], COORD_EXISTS, "/config/topics/rf1", SLICE_NULL, 0), ERR_NOT_FOUND);
	ck_assert_int_eq(rig_session_write(&world.sessions[0], COORD_EXISTS, "/admin/delete_topics/rf1", SLICE_NULL, 0), ERR_NOT_FOUND);
	json_decref(tree);
	end();
}
END_TEST

/* Somebody has raised the epoch behind our back: what we write is refused, so we contend for the office again, and then do it. */
START_TEST(fenced_off)
{
	struct rig_session *s = &world.sessions[0];
	const struct controller *c;

	begin(NULL);
	c = world.b.parts.controller;
	settle();
	ck_assert_int_eq(c->controller_epoch, 1);
	ck_assert_int_eq(rig_session_write(s, COORD_SET, "/controller_epoch", slice_str("7"), 0), OK);
	ck_assert_int_eq(rig_session_write(s, COORD_CREATE, "/brokers/topics/x", SLICE_LIT("{\"version\":1,\"partitions\":{\"0\":[1]}}"), 0), OK);
	settle();
	ck_assert_int_eq(c->controller_epoch, 8);
	ck_assert(c->is_active && !active_has_moved(c));
	const struct active_partition *p = active_partition_find(c, slice_str("x"), 0);
	ck_assert(p != NULL && p->leader == 1 && p->controller_epoch == 8);
	end();
}
END_TEST

/* Protocol versions of which there is no recording: what is said can be said in them, and has its effect. */
START_TEST(older_protocol_versions)
{
	static const struct { const char *config, *stop[2]; } rows[] = {
		{ "inter.broker.protocol.version=1.0", { "StopReplica v0", "StopReplica v0" } },
		{ "inter.broker.protocol.version=2.2", { "StopReplica v1", "StopReplica v1" } },
		{ "inter.broker.protocol.version=2.5", { "StopReplica v2", "StopReplica v2" } },
		{ "inter.broker.protocol.version=3.0", { "StopReplica v3", "StopReplica v3" } },
	};
	json_t *tree = load("znodes", "02-three-brokers");
	struct rig_session *s = &world.sessions[0];

	protocol_version = rows[_i].config;
	begin(NULL);
	join_member(2, tree);
	settle();
	ck_assert_int_eq(rig_session_write(s, COORD_CREATE, "/brokers/topics/x", SLICE_LIT("{\"version\":1,\"partitions\":{\"0\":[2,1],\"1\":[1,2]}}"), 0), OK);
	settle();
	const struct active_partition *p = active_partition_find(world.b.parts.controller, slice_str("x"), 0);
	ck_assert(p != NULL && p->leader == 2 && p->isr.count == 2);
	ck_assert(uuid_is_zero(p->topic->id) == (_i < 3));
	forget(&told[2]);
	ck_assert_int_eq(rig_session_write(s, COORD_CREATE, "/admin/delete_topics/x", SLICE_NULL, 0), OK);
	settle();
	ck_assert_int_eq(rig_session_write(s, COORD_EXISTS, "/brokers/topics/x", SLICE_NULL, 0), ERR_NOT_FOUND);
	ck_assert_int_eq(told[2].count, 3);	/* it goes; it is stopped; it is deleted */
	for (int i = 0; i < 2; i++) {
		const char *text = told[2].at[1 + i];

		ck_assert_msg(strncmp(text, rows[_i].stop[i], strlen(rows[_i].stop[i])) == 0, "%s", text);
		ck_assert(strstr(text, i == 0 ? "delete=0" : "delete=1") != NULL);
		ck_assert(strstr(text, i == 0 ? "delete=1" : "delete=0") == NULL);
	}
	json_decref(tree);
	end();
	protocol_version = "inter.broker.protocol.version=3.9";
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_members");
	TCase *t = tcase_create("a Java controller");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, brokers_start);
	tcase_add_test(t, topics_are_created);
	tcase_add_test(t, partitions_are_added);
	tcase_add_test(t, a_broker_returns);
	tcase_add_test(t, a_broker_dies);
	tcase_add_test(t, a_topic_is_deleted_while_a_broker_is_away);
	tcase_add_test(t, fenced_off);
	tcase_add_loop_test(t, older_protocol_versions, 0, 4);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
