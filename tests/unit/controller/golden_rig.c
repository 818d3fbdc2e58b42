#include "golden_rig.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/channel.h"
#include "wire/gen/alter_partition.h"
#include "wire/gen/controlled_shutdown.h"

#define STEPS_MAX 2000000
#define QUIET     400		/* steps without news */

static struct rig *the_rig;	/* of the wrapped functions */

/* --- text of requests ----------------------------------------------------------------------------------------------------------------------- */

struct lines {
	char *items[512];
	int   count;
};

static void add_line(struct lines *l, const char *fmt, ...) PRINTF(2, 3);
static void add_line(struct lines *l, const char *fmt, ...)
{
	va_list ap;

	ck_assert_int_lt(l->count, (int)ARRAY_LEN(l->items));
	va_start(ap, fmt);
	ck_assert_int_gt(vasprintf(&l->items[l->count++], fmt, ap), 0);
	va_end(ap);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In alphabetical order: Java's is that of its hash tables. */
static char *join_lines(struct lines *l, const char *head)
{
	struct strbuf out = STRBUF_INIT;

	qsort(l->items, (size_t)l->count, sizeof(l->items[0]), by_text);
	strbuf_add_str(&out, head);
	for (int i = 0; i < l->count; i++) {
		strbuf_printf(&out, "\n    %s", l->items[i]);
		free(l->items[i]);
	}
	return strbuf_steal(&out);
}

static const char *ids_text(char buf[256], const int32_t *ids, int32_t n)
{
	int at = snprintf(buf, 256, "[");

	for (int32_t i = 0; i < n; i++)
		at += snprintf(buf + at, (size_t)(256 - at), "%s%d", i > 0 ? "," : "", ids[i]);
	snprintf(buf + at, (size_t)(256 - at), "]");
	return buf;
}

static const char *id_text(char buf[UUID_TEXT_LEN + 1], struct uuid id)
{
	return uuid_is_zero(id) ? "-" : uuid_to_text(id, buf);
}

static char *leader_and_isr_text(const struct leader_and_isr_request *m, int version)
{
	struct lines l = { .count = 0 };
	char head[128], isr[256], rs[256], ar[256], rr[256], id[UUID_TEXT_LEN + 1];

	snprintf(head, sizeof(head), "LeaderAndIsr %d: controller %d epoch %d type %d kraft %d", version, m->controller_id, m->controller_epoch, m->type,
	         m->is_kraft_controller);
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		const struct leader_and_isr_request_topic_state *t = &m->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			const struct leader_and_isr_request_partition_state *p = &t->partition_states[k];

			add_line(&l, SLICE_FMT "-%d id %s controller epoch %d leader %d epoch %d isr %s partition epoch %d replicas %s %s %s new %d recovery %d",
			         SLICE_ARG(t->topic_name), p->partition_index, version >= 5 ? id_text(id, t->topic_id) : "-", p->controller_epoch, p->leader,
			         p->leader_epoch, ids_text(isr, p->isr, p->isr_count), p->partition_epoch, ids_text(rs, p->replicas, p->replicas_count),
			         ids_text(ar, p->adding_replicas, p->adding_replicas_count), ids_text(rr, p->removing_replicas, p->removing_replicas_count),
			         p->is_new, version >= 6 ? p->leader_recovery_state : 0);
		}
	}
	for (int32_t i = 0; i < m->live_leaders_count; i++)
		add_line(&l, "~ live leader %d " SLICE_FMT ":%d", m->live_leaders[i].broker_id, SLICE_ARG(m->live_leaders[i].host_name), m->live_leaders[i].port);
	return join_lines(&l, head);
}

static char *update_metadata_text(const struct update_metadata_request *m, int version)
{
	struct lines l = { .count = 0 };
	char head[128], isr[256], rs[256], off[256], id[UUID_TEXT_LEN + 1];

	snprintf(head, sizeof(head), "UpdateMetadata %d: controller %d epoch %d type %d kraft %d", version, m->controller_id, m->controller_epoch, m->type,
	         m->is_kraft_controller);
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		const struct update_metadata_request_topic_state *t = &m->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++) {
			const struct update_metadata_request_partition_state *p = &t->partition_states[k];

			add_line(&l, SLICE_FMT "-%d id %s controller epoch %d leader %d epoch %d isr %s version %d replicas %s offline %s", SLICE_ARG(t->topic_name),
			         p->partition_index, version >= 7 ? id_text(id, t->topic_id) : "-", p->controller_epoch, p->leader, p->leader_epoch,
			         ids_text(isr, p->isr, p->isr_count), p->zk_version, ids_text(rs, p->replicas, p->replicas_count),
			         ids_text(off, p->offline_replicas, p->offline_replicas_count));
		}
	}
	for (int32_t i = 0; i < m->live_brokers_count; i++) {
		const struct update_metadata_request_live_broker *b = &m->live_brokers[i];

		for (int32_t k = 0; k < b->endpoints_count; k++)
			add_line(&l, "~ broker %d rack " SLICE_FMT " " SLICE_FMT "://" SLICE_FMT ":%d protocol %d", b->id, SLICE_ARG(b->rack),
			         SLICE_ARG(b->endpoints[k].listener), SLICE_ARG(b->endpoints[k].host), b->endpoints[k].port, b->endpoints[k].security_protocol);
	}
	return join_lines(&l, head);
}

static char *stop_replica_text(const struct stop_replica_request *m, int version)
{
	struct lines l = { .count = 0 };
	char head[128];

	snprintf(head, sizeof(head), "StopReplica %d: controller %d epoch %d kraft %d", version, m->controller_id, m->controller_epoch, m->is_kraft_controller);
	for (int32_t i = 0; i < m->topic_states_count; i++) {
		const struct stop_replica_request_topic_state *t = &m->topic_states[i];

		for (int32_t k = 0; k < t->partition_states_count; k++)
			add_line(&l, SLICE_FMT "-%d epoch %d delete %d", SLICE_ARG(t->topic_name), t->partition_states[k].partition_index,
			         t->partition_states[k].leader_epoch, t->partition_states[k].delete_partition);
	}
	return join_lines(&l, head);
}

static char *request_text(enum api_key key, int version, const void *request)
{
	if (key == API_LEADER_AND_ISR)
		return leader_and_isr_text(request, version);
	if (key == API_UPDATE_METADATA)
		return update_metadata_text(request, version);
	ck_assert_int_eq(key, API_STOP_REPLICA);
	return stop_replica_text(request, version);
}

static struct rig_request *add_request(struct rig_requests *l, enum api_key key, int16_t version, char *text)
{
	if (l->count == l->room) {
		l->room = MAX(32, l->room * 2);
		l->items = mem_realloc_array(l->items, (size_t)l->room, sizeof(*l->items));
	}
	l->items[l->count] = (struct rig_request){ .key = key, .version = version, .text = text };
	return &l->items[l->count++];
}

static void requests_clear(struct rig_requests *l)
{
	for (int i = 0; i < l->count; i++)
		free(l->items[i].text);
	free(l->items);
	*l = (struct rig_requests){ 0 };
}

/* --- frames ---------------------------------------------------------------------------------------------------------------------------------- */

static struct reader request_body(struct slice frame)
{
	struct reader r = reader_of(frame);

	r.ptr += 8;
	int16_t n = get_i16(&r);
	r.ptr += MAX(n, 0) + 1;		/* client id, no tags: all that is recorded is flexible */
	return r;
}

static struct reader answer_body(struct slice frame)
{
	struct reader r = reader_of(frame);

	r.ptr += 5;
	return r;
}

static void *decode_request(struct rig *r, enum api_key key, int version, struct slice frame)
{
	struct reader in = request_body(frame);
	void *out = NULL;
	bool ok = false;

#define X(KEY, schema) \
	if (key == API_##KEY) { \
		struct schema##_request *m = arena_calloc(&r->arena, 1, sizeof(*m)); \
		ok = m != NULL && schema##_request_decode(m, &in, version, &r->arena); \
		out = m; \
	}
	X(LEADER_AND_ISR, leader_and_isr)
	X(UPDATE_METADATA, update_metadata)
	X(STOP_REPLICA, stop_replica)
	X(ALTER_PARTITION, alter_partition)
	X(CONTROLLED_SHUTDOWN, controlled_shutdown)
#undef X
	ck_assert(ok);
	return out;
}

/* The recorded answer, or one without errors. */
static void *decode_answer(struct rig *r, enum api_key key, int version, struct slice frame)
{
	struct reader in = answer_body(frame);
	void *out = NULL;
	bool ok = false;

#define X(KEY, schema) \
	if (key == API_##KEY) { \
		struct schema##_response *m = arena_calloc(&r->arena, 1, sizeof(*m)); \
		ck_assert_ptr_nonnull(m); \
		schema##_response_init(m); \
		ok = slice_is_null(frame) || schema##_response_decode(m, &in, version, &r->arena); \
		out = m; \
	}
	X(LEADER_AND_ISR, leader_and_isr)
	X(UPDATE_METADATA, update_metadata)
	X(STOP_REPLICA, stop_replica)
	X(ALTER_PARTITION, alter_partition)
	X(CONTROLLED_SHUTDOWN, controlled_shutdown)
#undef X
	ck_assert(ok);
	return out;
}

/* --- the brokers ------------------------------------------------------------------------------------------------------------------------------- */

static void *told(struct rig *r, int32_t broker, enum api_key key, int16_t version, const void *request)
{
	struct rig_requests *l = &r->told[broker], *recorded = &r->recorded[broker];
	int at = l->count;
	struct slice answer = SLICE_NULL;

	add_request(l, key, version, request_text(key, version, request));
	if (getenv("SKEIN_RIG_LOG") != NULL)
		fprintf(stderr, "to %d: %s\n", broker, l->items[at].text);
	if (at < recorded->count && recorded->items[at].key == key && recorded->items[at].version == version)
		answer = recorded->items[at].answer;
	return decode_answer(r, key, version, answer);
}

static void world_on_question(void *arg, struct msg *m)
{
	struct rig *r = arg;

	if (m->kind == CHANNEL_CALL) {
		struct channel_call *call = (struct channel_call *)m;

		call->response = told(r, call->broker, call->key, call->version, call->request);
		call->result = OK;
		call->version_used = call->version;
	}
	actor_answer(&r->world, m);
}

static void world_on_home(void *arg, struct msg *m)
{
	struct rig *r = arg;

	r->is_home |= m != &r->ready.msg;
}

static int world_step(struct actor *a, mono_ms now UNUSED)
{
	struct rig *r = CONTAINER_OF(a, struct rig, world);
	int work = actor_drain_questions(a, 64, world_on_question, r) + actor_drain_answers(a, world_on_home, r);

	if (r->to_send != NULL && actor_ask(a, controller_actor(r->c), r->to_send)) {
		r->to_send = NULL;
		work++;
	}
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops world_ops = { .module = "world", .step = world_step };

struct actor *__wrap_channels_actor(struct channels *c);
struct actor *__wrap_channels_actor(struct channels *c)
{
	return &((struct rig *)(void *)c)->world;
}

/* The recordings say each decision by itself. */
void __wrap_active_merge_waiting(struct list *queue);
void __wrap_active_merge_waiting(struct list *queue UNUSED)
{
}

void __wrap_member_enqueue_own(struct controller *c, struct own_request *o);
void __wrap_member_enqueue_own(struct controller *c, struct own_request *o)
{
	const void *answer = told(the_rig, c->broker_id, o->request.key, o->request.version, o->request.request);

	if (o->request.key == API_LEADER_AND_ISR)
		*(struct leader_and_isr_response *)o->request.response = *(const struct leader_and_isr_response *)answer;
	else if (o->request.key == API_UPDATE_METADATA)
		*(struct update_metadata_response *)o->request.response = *(const struct update_metadata_response *)answer;
	else
		*(struct stop_replica_response *)o->request.response = *(const struct stop_replica_response *)answer;
	o->done(c, o);
}

/* --- the tree, as somebody else ---------------------------------------------------------------------------------------------------------------- */

static enum err apply(struct rig *r, enum coord_op_kind kind, const char *path, struct slice data, struct coord_stat *stat)
{
	struct coord_op op = { .kind = kind, .path = path, .data = data, .version = COORD_ANY_VERSION };
	struct coord_call call;

	coord_call_init(&call, &r->world, &op, 1);
	tree_apply(r->tree, r->outsider, &call, OK);
	ck_assert_int_eq(tree_commit(r->tree), OK);
	if (stat != NULL)
		*stat = op.stat;
	coord_call_fini(&call);
	return call.result;
}

static void make_parents(struct rig *r, const char *path)
{
	char *copy = mem_strdup(path);

	for (char *p = strchr(copy + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = 0;
		(void)apply(r, COORD_CREATE, copy, SLICE_NULL, NULL);
		*p = '/';
	}
	free(copy);
}

void rig_write(struct rig *r, const char *path, const char *data)
{
	make_parents(r, path);
	if (apply(r, COORD_CREATE, path, slice_str(data), NULL) == ERR_EXISTS)
		ck_assert_int_eq(apply(r, COORD_SET, path, slice_str(data), NULL), OK);
}

void rig_delete(struct rig *r, const char *path)
{
	ck_assert_int_eq(apply(r, COORD_DELETE, path, SLICE_NULL, NULL), OK);
}

bool rig_exists(struct rig *r, const char *path)
{
	return apply(r, COORD_EXISTS, path, SLICE_NULL, NULL) == OK;
}

char *rig_read(struct rig *r, const char *path)
{
	struct coord_op op = { .kind = COORD_GET, .path = path };
	struct coord_call call;
	char *out;

	coord_call_init(&call, &r->world, &op, 1);
	tree_apply(r->tree, r->outsider, &call, OK);
	ck_assert_msg(call.result == OK, "%s", path);
	out = mem_strndup((const char *)op.out.ptr, op.out.len);
	coord_call_fini(&call);
	return out;
}

static void write_at_version(struct rig *r, const char *path, const char *data, int32_t version)
{
	rig_write(r, path, data);
	for (int32_t i = 0; i < version; i++)
		ck_assert_int_eq(apply(r, COORD_SET, path, slice_str(data), NULL), OK);
}

static const char *registration_path(char buf[64], int32_t broker)
{
	snprintf(buf, 64, "/brokers/ids/%d", broker);
	return buf;
}

void rig_forget_last_words(struct rig *r, int32_t broker, int64_t t)
{
	struct rig_requests *l = &r->told[broker];
	int n = 0;

	while (n < r->recorded[broker].count && r->recorded[broker].items[n].t < t)
		n++;
	while (l->count > n)
		free(l->items[--l->count].text);
}

void rig_leave(struct rig *r, int32_t broker, int64_t t)
{
	char path[64];

	rig_until(r, t);
	rig_delete(r, registration_path(path, broker));
	rig_settle(r);
	rig_forget_last_words(r, broker, t);
}

void rig_join(struct rig *r, int32_t broker, int64_t t)
{
	char path[64];

	rig_until(r, t);
	rig_write(r, registration_path(path, broker), r->registrations[broker]);
	rig_settle(r);
}

void rig_write_as_after(struct rig *r, const char *path)
{
	for (int i = 0; i < r->after_count; i++) {
		if (strcmp(r->after[i].path, path) == 0) {
			rig_write(r, path, r->after[i].data);
			return;
		}
	}
	ck_abort_msg("not in the recording: %s", path);
}

static int64_t broker_epoch(struct rig *r, int32_t broker)
{
	char path[64];
	struct coord_stat stat = { 0 };

	(void)apply(r, COORD_EXISTS, registration_path(path, broker), SLICE_NULL, &stat);
	return stat.czxid;
}

/* --- the recording -------------------------------------------------------------------------------------------------------------------------------- */

static struct slice from_hex(struct rig *r, const json_t *v)
{
	const char *hex = json_string_value(v);
	size_t n = hex != NULL ? strlen(hex) / 2 : 0;
	uint8_t *out;

	if (hex == NULL)
		return SLICE_NULL;
	out = arena_alloc(&r->arena, n + 1);
	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < n; i++) {
		unsigned byte = 0;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return slice_of(out, n);
}

static void take_request(struct rig *r, const json_t *o)
{
	int32_t to = (int32_t)json_integer_value(json_object_get(o, "to")), from = (int32_t)json_integer_value(json_object_get(o, "from"));
	enum api_key key = (enum api_key)json_integer_value(json_object_get(o, "key"));
	int16_t version = (int16_t)json_integer_value(json_object_get(o, "version"));
	struct slice frame = from_hex(r, json_object_get(o, "hex")), answer = from_hex(r, json_object_get(o, "answer"));

	ck_assert(to > 0 && to < RIG_BROKERS && from > 0 && from < RIG_BROKERS);
	if (key == API_ALTER_PARTITION || key == API_CONTROLLED_SHUTDOWN) {
		r->events = mem_realloc_array(r->events, (size_t)r->event_count + 1, sizeof(*r->events));
		r->events[r->event_count++] = (struct rig_event){
			.t = json_integer_value(json_object_get(o, "t")), .from = from, .key = key, .version = version, .frame = frame, .answer = answer,
		};
		return;
	}
	struct rig_request *q = add_request(&r->recorded[to], key, version, request_text(key, version, decode_request(r, key, version, frame)));
	q->answer = answer;
	q->t = json_integer_value(json_object_get(o, "t"));
}

static void take_line(struct rig *r, const json_t *o)
{
	const char *node = json_string_value(json_object_get(o, "node")), *after = json_string_value(json_object_get(o, "after"));
	const char *data = json_string_value(json_object_get(o, "data"));
	int32_t version = (int32_t)json_integer_value(json_object_get(o, "version"));

	if (json_object_get(o, "controller") != NULL)
		r->controller_id = (int32_t)json_integer_value(json_object_get(o, "controller"));
	if (node != NULL) {
		int32_t id;

		write_at_version(r, node, data, version);
		if (strncmp(node, "/brokers/ids/", 13) == 0 && znode_int_decode(slice_str(node + 13), &id))
			r->registrations[id] = mem_strdup(data);
	} else if (after != NULL) {
		r->after = mem_realloc_array(r->after, (size_t)r->after_count + 1, sizeof(*r->after));
		r->after[r->after_count].path = mem_strdup(after);
		r->after[r->after_count].data = data != NULL ? mem_strdup(data) : NULL;
		r->after[r->after_count++].version = version;
	} else if (json_object_get(o, "mark") != NULL) {
		ck_assert_int_lt(r->mark_count, (int)ARRAY_LEN(r->marks));
		snprintf(r->marks[r->mark_count].name, sizeof(r->marks[0].name), "%s", json_string_value(json_object_get(o, "mark")));
		r->marks[r->mark_count++].t = json_integer_value(json_object_get(o, "t"));
	} else if (json_object_get(o, "hex") != NULL) {
		take_request(r, o);
	}
}

static void load_recording(struct rig *r, const char *name)
{
	char path[1024], *line = NULL;
	size_t room = 0;
	const char *dir = getenv("SKEIN_TEST_DATA");

	snprintf(path, sizeof(path), "%s/golden/cluster/steps/%s.jsonl", dir != NULL ? dir : "tests", name);
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	while (getline(&line, &room, f) > 0) {
		json_t *o = json_loads(line, 0, NULL);

		ck_assert_ptr_nonnull(o);
		take_line(r, o);
		json_decref(o);
	}
	free(line);
	fclose(f);
}

int64_t rig_mark(const struct rig *r, const char *name)
{
	for (int i = 0; i < r->mark_count; i++) {
		if (strcmp(r->marks[i].name, name) == 0)
			return r->marks[i].t;
	}
	ck_abort_msg("no such mark: %s", name);
}

/* --- life ----------------------------------------------------------------------------------------------------------------------------------------- */

static void quiet_sink(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

static void read_config(struct rig *r, const char *config)
{
	const char *lines[] = {
		"broker.id=1", "zookeeper.connect=tree:1", "auto.leader.rebalance.enable=false", "listeners=PLAINTEXT://127.0.0.1:26011,INTERNAL://127.0.0.1:26021",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT", "inter.broker.listener.name=INTERNAL", config,
	};
	struct strbuf why = STRBUF_INIT;
	struct config_env env = { .home = "/root" };

	config_set_init(&r->set);
	for (size_t i = 0; i < ARRAY_LEN(lines) && lines[i] != NULL; i++)
		ck_assert_msg(config_override_parse(&r->set, lines[i], &why), "%s", strbuf_cstr(&why));
	ck_assert_msg(config_preset(&r->set, &env, &why), "%s", strbuf_cstr(&why));
	strbuf_fini(&why);
}

static void learn_epoch(struct rig *r)
{
	struct controller *c = r->c;
	struct coord_op op = { .kind = COORD_GET, .path = "/controller_epoch" };
	struct coord_call call;

	coord_call_init(&call, &r->world, &op, 1);
	tree_apply(r->tree, r->outsider, &call, OK);
	ck_assert(znode_int_decode(op.out, &c->controller_epoch));
	c->fence_version = op.stat.version;
	coord_call_fini(&call);
}

static void take_office(struct rig *r)
{
	struct controller *c = r->c;

	learn_epoch(r);
	snprintf(c->cluster_id, sizeof(c->cluster_id), "golden");
	c->broker_id = c->controller_id = r->controller_id;
	c->broker_epoch = broker_epoch(r, c->broker_id);
	c->has_started = c->is_registered = c->is_active = true;
	active_begin(c);
	ck_assert_int_eq(actor_start(&c->actor, 0), OK);
}

void rig_init(struct rig *r, const char *recording, const char *config)
{
	struct controller_spec spec = { .config = &r->set };
	char problem[256];

	memset(r, 0, sizeof(*r));
	the_rig = r;
	if (getenv("SKEIN_SIM_LOG") == NULL)
		log_set_sink(quiet_sink, NULL);
	arena_init(&r->arena, SIZE_MAX);
	r->net = sim_net_create(1);
	r->machine = sim_create(r->net, "controller", 1);
	r->sched = sched_sim_create(sim_os(r->machine), 1);
	sched_sim_set_clock(r->sched, sim_clock_next_event, sim_clock_advance, r->machine);
	r->tree = coord_tree_create();
	r->outsider = tree_session_open(r->tree, 0, 0);
	actor_init(&r->world, r->sched, &world_ops, LANE_NONE, "world");
	ck_assert_int_eq(actor_start(&r->world, 0), OK);
	read_config(r, config);
	load_recording(r, recording);
	static const char *const queues[] = { "/admin/delete_topics", "/isr_change_notification", "/log_dir_event_notification", "/brokers/topics" };
	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		rig_write(r, queues[i], NULL);
	spec.sched = r->sched;
	spec.tree = r->tree;
	spec.channels = (struct channels *)(void *)r;
	msg_init(&r->ready.msg, CONTROLLER_ready, &r->world);
	ck_assert_msg(controller_create(&r->c, &spec, &r->ready, problem, sizeof(problem)) == OK, "%s", problem);
	take_office(r);
	rig_settle(r);
	for (int i = 0; i < RIG_BROKERS; i++)
		requests_clear(&r->told[i]);
}

static void send(struct rig *r, struct msg *m)
{
	r->is_home = false;
	r->to_send = m;
	actor_wake(&r->world);
	for (int i = 0; !r->is_home; i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		ck_assert(sched_sim_step(r->sched));
	}
}

void rig_fini(struct rig *r)
{
	msg_init(&r->stop.msg, CONTROLLER_stop, &r->world);
	r->stop.is_clean = true;
	send(r, &r->stop.msg);
	controller_join(&r->c);
	actor_stop(&r->world);
	actor_join(&r->world);
	actor_fini(&r->world);
	tree_session_close(r->tree, &r->outsider);
	coord_tree_destroy(&r->tree);
	sched_destroy(&r->sched);
	sim_destroy(&r->machine);
	sim_net_destroy(&r->net);
	config_set_fini(&r->set);
	for (int i = 0; i < RIG_BROKERS; i++) {
		requests_clear(&r->told[i]);
		requests_clear(&r->recorded[i]);
		free(r->registrations[i]);
	}
	for (int i = 0; i < r->after_count; i++) {
		free(r->after[i].path);
		free(r->after[i].data);
	}
	free(r->after);
	free(r->events);
	arena_fini(&r->arena);
}

/* --- time ------------------------------------------------------------------------------------------------------------------------------------------- */

static int total_told(const struct rig *r)
{
	int n = 0;

	for (int i = 0; i < RIG_BROKERS; i++)
		n += r->told[i].count;
	return n;
}

void rig_settle(struct rig *r)
{
	int seen = -1, quiet = 0;

	for (int i = 0; quiet < QUIET; i++) {
		bool is_idle = r->c->active_queue.current == NULL && list_empty(&r->c->active_queue.tasks) && total_told(r) == seen;

		ck_assert_int_lt(i, STEPS_MAX);
		seen = total_told(r);
		quiet = is_idle ? quiet + 1 : 0;
		if (!sched_sim_step(r->sched))
			return;
	}
}

void rig_pass(struct rig *r, mono_ms ms)
{
	mono_ms until = os_mono_ms(sim_os(r->machine)) + ms;

	for (int i = 0; os_mono_ms(sim_os(r->machine)) < until; i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		if (!sched_sim_step(r->sched))
			break;
	}
	rig_settle(r);
}

static void on_end(struct controller *c, struct controller_timer *t UNUSED)
{
	active_end(c);
	c->is_active = false;
}

void rig_end_office(struct rig *r)
{
	struct controller_timer timer = { .fire = on_end };

	controller_timer_set(r->c, &timer, 0);	/* the end is the controller's own step */
	actor_wake(controller_actor(r->c));
	for (int i = 0; r->c->is_active; i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		ck_assert(sched_sim_step(r->sched));
	}
	rig_settle(r);
}

void rig_new_office(struct rig *r)
{
	char epoch[16];

	rig_end_office(r);
	snprintf(epoch, sizeof(epoch), "%d", r->c->controller_epoch + 1);
	rig_write(r, "/controller_epoch", epoch);
	learn_epoch(r);
	r->c->is_active = true;
	active_begin(r->c);
	actor_wake(controller_actor(r->c));
	rig_settle(r);
}

void rig_ask(struct rig *r, enum api_key key, int16_t version, const void *request, void *response)
{
	struct controller_request m = { .key = key, .version = version, .request = request, .response = response, .arena = &r->arena };

	msg_init(&m.msg, CONTROLLER_request, &r->world);
	send(r, &m.msg);
	rig_settle(r);
}

static char *alter_partition_text(const struct alter_partition_response *m)
{
	struct lines l = { .count = 0 };
	char head[64], isr[256], id[UUID_TEXT_LEN + 1];

	snprintf(head, sizeof(head), "AlterPartition answer: error %d", m->error_code);
	for (int32_t i = 0; i < m->topics_count; i++) {
		for (int32_t k = 0; k < m->topics[i].partitions_count; k++) {
			const struct alter_partition_response_partition *p = &m->topics[i].partitions[k];

			add_line(&l, "%s" SLICE_FMT "-%d error %d leader %d epoch %d isr %s recovery %d partition epoch %d", id_text(id, m->topics[i].topic_id),
			         SLICE_ARG(m->topics[i].topic_name), p->partition_index, p->error_code, p->leader_id, p->leader_epoch,
			         ids_text(isr, p->isr, p->isr_count), p->leader_recovery_state, p->partition_epoch);
		}
	}
	return join_lines(&l, head);
}

static char *controlled_shutdown_text(const struct controlled_shutdown_response *m)
{
	struct lines l = { .count = 0 };
	char head[64];

	snprintf(head, sizeof(head), "ControlledShutdown answer: error %d", m->error_code);
	for (int32_t i = 0; i < m->remaining_partitions_count; i++)
		add_line(&l, SLICE_FMT "-%d", SLICE_ARG(m->remaining_partitions[i].topic_name), m->remaining_partitions[i].partition_index);
	return join_lines(&l, head);
}

static void check_answer(const char *what, char *have, char *want)
{
	ck_assert_msg(strcmp(have, want) == 0, "%s\nrecorded: %s\nours:     %s", what, want, have);
	free(have);
	free(want);
}

/* As recorded, but for the sender's epoch, which is another one in this tree. */
static void give_event(struct rig *r, const struct rig_event *e)
{
	void *request = decode_request(r, e->key, e->version, e->frame);
	void *response = decode_answer(r, e->key, e->version, SLICE_NULL);

	if (e->key == API_ALTER_PARTITION)
		((struct alter_partition_request *)request)->broker_epoch = broker_epoch(r, e->from);
	else
		((struct controlled_shutdown_request *)request)->broker_epoch = broker_epoch(r, e->from);
	rig_ask(r, e->key, e->version, request, response);
	if (slice_is_null(e->answer))
		return;
	const void *recorded = decode_answer(r, e->key, e->version, e->answer);
	if (e->key == API_ALTER_PARTITION)
		check_answer("AlterPartition", alter_partition_text(response), alter_partition_text(recorded));
	else
		check_answer("ControlledShutdown", controlled_shutdown_text(response), controlled_shutdown_text(recorded));
}

void rig_until(struct rig *r, int64_t t)
{
	rig_settle(r);
	while (r->event_at < r->event_count && r->events[r->event_at].t < t)
		give_event(r, &r->events[r->event_at++]);
}

/* --- comparing ---------------------------------------------------------------------------------------------------------------------------------------- */

static void compare_requests(const struct rig *r, int broker)
{
	const struct rig_requests *have = &r->told[broker], *want = &r->recorded[broker];

	for (int i = 0; i < MAX(have->count, want->count); i++) {
		const char *ours = i < have->count ? have->items[i].text : "nothing", *theirs = i < want->count ? want->items[i].text : "nothing";

		ck_assert_msg(strcmp(ours, theirs) == 0, "broker %d, request %d\nrecorded: %s\nours:     %s", broker, i, theirs, ours);
	}
}

static void compare_node(struct rig *r, const char *path, const char *data, int32_t version)
{
	struct coord_op op = { .kind = COORD_GET, .path = path };
	struct coord_call call;
	json_t *want = data != NULL ? json_loads(data, 0, NULL) : NULL, *have;

	coord_call_init(&call, &r->world, &op, 1);
	tree_apply(r->tree, r->outsider, &call, OK);
	ck_assert_msg(call.result == OK, "%s is missing", path);
	have = slice_is_null(op.out) ? NULL : json_loadb((const char *)op.out.ptr, op.out.len, 0, NULL);
	ck_assert_msg(op.stat.version == version && ((want == NULL && have == NULL) || json_equal(want, have)),
	              "%s\nrecorded: version %d %s\nours:     version %d " SLICE_FMT, path, version, data != NULL ? data : "null", op.stat.version, SLICE_ARG(op.out));
	json_decref(want);
	json_decref(have);
	coord_call_fini(&call);
}

void rig_compare_requests(struct rig *r)
{
	rig_until(r, INT64_MAX);
	for (int i = 0; i < RIG_BROKERS; i++)
		compare_requests(r, i);
}

void rig_compare_nodes(struct rig *r)
{
	for (int i = 0; i < r->after_count; i++)
		compare_node(r, r->after[i].path, r->after[i].data, r->after[i].version);
}
