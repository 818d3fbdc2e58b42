#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 4000000
#define DIR_ROOT  "/data"

/* --- the desk ---------------------------------------------------------------------------------------------------------------------- */

static void on_home(void *arg UNUSED, struct msg *m UNUSED)
{
}

static int desk_step(struct actor *a, mono_ms now UNUSED)
{
	struct rig *r = CONTAINER_OF(a, struct rig, desk);
	int work = actor_drain_answers(a, on_home, r);

	for (int i = 0; i < r->queued; i++) {
		const struct rig_question *q = &r->queue[i];
		ck_assert(q->partition != NULL ? partition_ask(a, q->partition, q->m) : actor_ask(a, q->to, q->m));
		work++;
	}
	r->queued = 0;
	a->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops desk_ops = { .module = "desk", .step = desk_step };

static void ask(struct rig *r, struct msg *m, struct actor *to, struct partition_addr *partition)
{
	ck_assert_int_lt(r->queued, RIG_QUEUE);
	r->queue[r->queued++] = (struct rig_question){ m, to, partition };
	actor_wake(&r->desk);
}

bool rig_is_home(const struct msg *m)
{
	return m->at == MSG_HOME;
}

static bool is_queued(const struct rig *r, const struct msg *m)
{
	for (int i = 0; i < r->queued; i++)
		if (r->queue[i].m == m)
			return true;
	return false;
}

void rig_wait_home(struct rig *r, const struct msg *m)
{
	for (int i = 0; is_queued(r, m) || !rig_is_home(m); i++) {
		ck_assert_int_lt(i, STEPS_MAX);
		ck_assert(sched_sim_step(r->sched));
	}
}

/* --- the clock --------------------------------------------------------------------------------------------------------------------- */

static mono_ms next_event(void *arg)
{
	struct rig *r = arg;
	mono_ms next = sim_next_event_ms(r->machine), now = os_mono_ms(r->os);

	for (int i = 0; i < RIG_LEADERS; i++) {
		mono_ms at = fake_leader_next(r->leaders[i]);
		if (at != MONO_NEVER)
			next = MIN(next, MAX(at - now, 0));
	}
	if (r->until > now)
		next = MIN(next, r->until - now);	/* the test wants to do something then */
	return next;
}

static void advance(void *arg, mono_ms by)
{
	struct rig *r = arg;

	sim_advance(r->machine, by);
	for (int i = 0; i < RIG_LEADERS; i++)
		fake_leader_step(r->leaders[i]);
}

void rig_pass(struct rig *r, mono_ms ms)
{
	r->until = os_mono_ms(r->os) + ms;
	while (os_mono_ms(r->os) < r->until) {
		for (int i = 0; i < RIG_LEADERS; i++)	/* the test may have changed something */
			fake_leader_step(r->leaders[i]);
		if (!sched_sim_step(r->sched))
			advance(r, 1);
	}
}

void rig_until_end(struct rig *r, int replica, int64_t end)
{
	for (int i = 0; i < 20000 && partition_log_end_offset(r->replicas[replica].addr) != end; i++)
		rig_pass(r, 1);
	ck_assert_int_eq(partition_log_end_offset(r->replicas[replica].addr), end);
}

/* --- up and down ------------------------------------------------------------------------------------------------------------------- */

static void quiet_sink(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

static void read_config(struct rig *r, const char *const *configs)
{
	struct strbuf why = STRBUF_INIT;
	struct config_env env = { .home = "/root" };
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &r->set } };

	config_set_init(&r->set);
	ck_assert(config_override_parse(&r->set, "zookeeper.connect=nowhere", &why));
	for (; configs != NULL && *configs != NULL; configs++)
		ck_assert_msg(config_override_parse(&r->set, *configs, &why), "%s", strbuf_cstr(&why));
	ck_assert_msg(config_preset(&r->set, &env, &why), "%s", strbuf_cstr(&why));
	ck_assert_msg(broker_config_create(&r->config, &layers, &why), "%s", strbuf_cstr(&why));
	strbuf_fini(&why);
}

void rig_add(struct rig *r, const char *topic, int32_t partition, struct uuid topic_id)
{
	struct rig_replica *p = &r->replicas[r->replica_count++];

	p->topic = topic;
	p->partition = partition;
	p->topic_id = topic_id;
	snprintf(p->dir, sizeof(p->dir), DIR_ROOT "/%s-%d", topic, partition);
	struct partition_spec spec = {
		.sched = r->sched, .workers = r->workers, .broker_id = r->broker_id, .replica_lag_time_max_ms = 30000,
		.log = {
			.os = r->os, .dir = p->dir, .topic = topic, .partition = partition, .topic_id = topic_id, .config = &r->topic_config,
			.producer_id_expiration_ms = INT32_MAX, .recovery_point = -1, .log_start_offset = -1, .high_watermark = -1,
			.now = os_time_ms(r->os),
		},
	};
	ck_assert_int_eq(partition_start(&p->addr, &spec), OK);
	msg_init(&p->role.msg, PARTITION_role, &r->desk);
	msg_init(&p->assign.msg, FETCHER_ASSIGN, &r->desk);
	for (int k = 0; k < RIG_LEADERS; k++)
		fake_leader_add(r->leaders[k], topic, topic_id, partition);
}

void rig_begin(struct rig *r, uint64_t seed, int32_t broker_id, const char *const *configs)
{
	static const char *const hosts[RIG_LEADERS] = { "leader0", "leader1" };

	memset(r, 0, sizeof(*r));
	r->broker_id = broker_id;
	r->broker_epoch = RIG_BROKER_EPOCH;
	if (getenv("SKEIN_SIM_LOG") == NULL)
		log_set_sink(quiet_sink, NULL);
	r->net = sim_net_create(seed);
	r->machine = sim_create(r->net, "follower", seed + 1);
	r->os = sim_os(r->machine);
	for (int i = 0; i < RIG_LEADERS; i++)
		r->leaders[i] = fake_leader_create(r->net, hosts[i], seed + 2 + (uint64_t)i);
	r->sched = sched_sim_create(r->os, seed);
	sched_sim_set_clock(r->sched, next_event, advance, r);
	r->workers = workers_create(r->sched, 1);
	log_source_init(&r->source, "rig", "%llu", (unsigned long long)seed);
	topic_config_init(&r->topic_config);
	read_config(r, configs);
	actor_init(&r->desk, r->sched, &desk_ops, LANE_CONTROLLER, "desk");
	ck_assert_int_eq(actor_start(&r->desk, 0), OK);
	struct fetchers_spec spec = { .sched = r->sched, .config = r->config, .broker_id = broker_id };
	ck_assert_int_eq(fetchers_create(&r->fetchers, &spec), OK);
	ck_assert_int_eq(os_mkdir_all(r->os, DIR_ROOT), OK);
}

void rig_init(struct rig *r, uint64_t seed, int replicas, const char *const *configs)
{
	static const char *const topics[RIG_REPLICAS] = { "t0", "t1", "t2", "t3" };

	rig_begin(r, seed, RIG_BROKER, configs);
	for (int i = 0; i < replicas; i++)
		rig_add(r, topics[i], 0, (struct uuid){ { 1, (uint8_t)(i + 1) } });
}

static void stop_replica(struct rig *r, struct rig_replica *p)
{
	struct partition_stop stop = { .how = STOP_CLEAN };

	msg_init(&stop.msg, PARTITION_stop, &r->desk);
	ask(r, &stop.msg, NULL, p->addr);
	rig_wait_home(r, &stop.msg);
	partition_join(p->addr);
	partition_addr_unref(&p->addr);
}

void rig_fini(struct rig *r)
{
	for (int i = 0; i < r->replica_count; i++) {
		rig_wait_home(r, &r->replicas[i].assign.msg);
		rig_unassign(r, i);
		rig_wait_home(r, &r->replicas[i].assign.msg);
	}
	fetchers_destroy(&r->fetchers);
	for (int i = 0; i < r->replica_count; i++)
		stop_replica(r, &r->replicas[i]);
	actor_stop(&r->desk);
	actor_join(&r->desk);
	actor_fini(&r->desk);
	workers_destroy(&r->workers);
	for (int i = 0; i < RIG_LEADERS; i++)
		fake_leader_destroy(&r->leaders[i]);
	sched_destroy(&r->sched);
	sim_destroy(&r->machine);
	sim_net_destroy(&r->net);
	broker_config_unref(&r->config);
	config_set_fini(&r->set);
}

/* --- what a controller says -------------------------------------------------------------------------------------------------------- */

void rig_take_role(struct rig *r, int replica, int leader, int32_t epoch)
{
	struct rig_replica *p = &r->replicas[replica];
	struct partition_role *q = &p->role;

	q->leader = leader;
	q->leader_epoch = epoch;
	q->partition_epoch = ++p->partition_epoch;
	q->topic_id = p->topic_id;
	q->replica_count = q->isr_count = 3;
	for (int i = 0; i < 2; i++)
		q->replicas[i] = q->isr[i] = i;
	q->replicas[2] = q->isr[2] = r->broker_id;
	ask(r, &q->msg, NULL, p->addr);
	rig_wait_home(r, &q->msg);
	ck_assert_int_eq(q->error, NONE);
	ck_assert(q->is_changed);
}

void rig_assign(struct rig *r, int replica, int leader, int32_t epoch)
{
	struct rig_replica *p = &r->replicas[replica];
	struct fetcher_assign *q = &p->assign;

	rig_wait_home(r, &q->msg);
	q->partition = p->addr;
	q->is_removed = false;
	q->leader = leader;
	snprintf(q->host, sizeof(q->host), "%s", r->leaders[leader]->host);
	q->port = LEADER_PORT;
	q->leader_epoch = epoch;
	q->topic_id = p->topic_id;
	q->log_end_offset = p->role.log_end_offset;
	q->high_watermark = p->role.high_watermark;
	q->last_epoch = p->role.last_epoch;
	q->broker_epoch = r->broker_epoch;
	ask(r, &q->msg, fetchers_actor(r->fetchers, p->topic, p->partition), NULL);
}

void rig_unassign(struct rig *r, int replica)
{
	struct rig_replica *p = &r->replicas[replica];

	rig_wait_home(r, &p->assign.msg);
	p->assign.partition = p->addr;
	p->assign.is_removed = true;
	ask(r, &p->assign.msg, fetchers_actor(r->fetchers, p->topic, p->partition), NULL);
}

void rig_follow(struct rig *r, int replica, int leader, int32_t epoch)
{
	rig_take_role(r, replica, leader, epoch);
	rig_assign(r, replica, leader, epoch);
	rig_wait_home(r, &r->replicas[replica].assign.msg);
}

/* --- looking ----------------------------------------------------------------------------------------------------------------------- */

struct log_files {
	struct rig   *rig;
	const char   *dir;
	struct strbuf bytes;
};

static void add_file(void *arg, const char *name, bool is_dir)
{
	struct log_files *f = arg;
	size_t len = strlen(name), size;
	char path[300], *text;

	if (is_dir || len < 4 || strcmp(name + len - 4, ".log") != 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	ck_assert_int_eq(os_read_file(f->rig->os, path, 64 << 20, &text, &size), OK);
	strbuf_add(&f->bytes, text, size);
	free(text);
}

void rig_expect_same(struct rig *r, int replica, const struct leader_log *log)
{
	const struct rig_replica *p = &r->replicas[replica];
	struct log_files f = { .rig = r, .dir = p->dir, .bytes = STRBUF_INIT };
	struct slice want = leader_log_from(log, partition_log_start_offset(p->addr));

	ck_assert_int_eq(os_list_dir(r->os, p->dir, add_file, &f), OK);
	ck_assert_int_eq(partition_log_end_offset(p->addr), log->end);
	ck_assert_uint_ge(f.bytes.len, want.len);	/* what lies before the start may still be there */
	if (want.len > 0)
		ck_assert_mem_eq(f.bytes.ptr + f.bytes.len - want.len, want.ptr, want.len);
	if (partition_log_start_offset(p->addr) == 0)
		ck_assert_uint_eq(f.bytes.len, want.len);
	strbuf_fini(&f.bytes);
}

uint64_t rig_steps(const struct rig *r)
{
	return fetchers_actor(r->fetchers, "t0", 0)->counters.steps;
}

uint64_t rig_partition_questions(const struct rig *r)
{
	uint64_t n = 0;

	for (int i = 0; i < r->replica_count; i++)
		n += r->replicas[i].addr->actor->counters.questions;
	return n;
}

uint64_t rig_requests(const struct rig *r)
{
	struct fetcher_counters c;

	fetchers_counters(r->fetchers, &c);
	return c.requests;
}
