/*
 * The fetcher actors: assignments, and the turn in which everything moves.
 *
 * What makes it hard is that an assignment may change while something fetched under the former one lies at the partition, borrowing bytes of an answer. Such an assignment is
 * parked until that is home; nothing else ever waits here. What is under way from the leader then is dropped by number: an answer counts for a pull only if it answers the
 * question that asked about it (asked_in).
 */
#include "replica/fetcher_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

#define QUESTIONS_MAX 64	/* of one step */
#define TOPIC_MAX     249
#define KEY_MAX       (TOPIC_MAX + 4)

/* --- pulls ------------------------------------------------------------------------------------------------------------------------ */

static struct slice make_key(uint8_t key[KEY_MAX], struct slice topic, int32_t partition)
{
	ASSERT(topic.len <= TOPIC_MAX);
	memcpy(key, topic.ptr, topic.len);
	store_be32(key + topic.len, (uint32_t)partition);
	return slice_of(key, topic.len + 4);
}

struct pull *fetcher_find(struct fetcher *f, struct slice topic, int32_t partition)
{
	uint8_t key[KEY_MAX];

	return topic.len <= TOPIC_MAX ? map_get(&f->pulls, make_key(key, topic, partition)) : NULL;
}

void pull_back_off(struct pull *p)
{
	fetcher_count(&p->fetcher->counters.errors, 1);
	p->ready_at = fetcher_rested(p->fetcher);
}

/* Two brokers hear of a new role at two moments, so this one may be the first. What costs little is short at first: acks=all waits for us. */
void pull_is_early(struct pull *p)
{
	mono_ms pause = (mono_ms)EARLY_PAUSE_MS << MIN(p->early, 20);

	fetcher_count(&p->fetcher->counters.errors, 1);
	p->early++;
	p->ready_at = MIN(p->fetcher->now + pause, fetcher_rested(p->fetcher));
}

static void give_up(struct pull *p)
{
	fetcher_count(&p->fetcher->counters.failed_partitions, 1);
	p->state = PULL_FAILED;
}

void pull_fail(struct pull *p, const char *why)
{
	LOG_WARN(&p->fetcher->actor.log, replica_given_up, KV_STR("topic", p->addr->topic), KV_I32("partition", p->addr->partition),
		 KV_I32("leader", p->leader->id), KV_I32("leader_epoch", p->leader_epoch), KV_STR("why", why));
	give_up(p);
}

void pull_is_outdated(struct pull *p)
{
	LOG_INFO(&p->fetcher->actor.log, replica_role_outdated, KV_STR("topic", p->addr->topic), KV_I32("partition", p->addr->partition),
		 KV_I32("leader", p->leader->id), KV_I32("leader_epoch", p->leader_epoch));
	give_up(p);
}

void pull_start(struct pull *p)
{
	const struct fetchers *all = p->fetcher->all;

	if (p->last_epoch < 0)
		p->state = PULL_CUTTING;
	else if (all->truncates_on_fetch)
		p->state = PULL_FETCHING;
	else
		p->state = all->epoch_version < 0 ? PULL_CUTTING : PULL_ASKING_EPOCH;
}

/* --- assignments ------------------------------------------------------------------------------------------------------------------ */

static struct leader *find_leader(struct fetcher *f, int32_t id)
{
	LIST_FOREACH(e, &f->leaders) {
		struct leader *l = LIST_ENTRY(e, struct leader, link);
		if (l->id == id)
			return l;
	}
	return NULL;
}

static void on_moved(struct leader *l)
{
	client_call_destroy(&l->call);
	session_reset(&l->session);
	l->failures = 0;
	l->ready_at = 0;
}

/* The latest assignment says where a leader is. One that has moved is another process: it knows nothing of our session. */
static struct leader *put_leader(struct fetcher *f, const struct fetcher_assign *q)
{
	struct leader *l = find_leader(f, q->leader);

	if (l == NULL) {
		l = mem_calloc(1, sizeof(*l));
		l->fetcher = f;
		l->id = q->leader;
		list_init(&l->pulls);
		session_init(&l->session);
		list_push_back(&f->leaders, &l->link);
	}
	if (client_node_put(f->client, q->leader, 0, q->host, q->port, true))
		on_moved(l);
	leader_look(l);
	return l;
}

static struct pull *create_pull(struct fetcher *f, const struct partition_addr *addr)
{
	uint8_t key[KEY_MAX];
	struct slice k = make_key(key, slice_str(addr->topic), addr->partition);
	struct pull *p = mem_calloc(1, sizeof(*p) + k.len);

	p->fetcher = f;
	p->key_len = (uint16_t)k.len;
	memcpy(p->key, k.ptr, k.len);
	list_init(&p->assigns);
	msg_init(&p->replicate.msg, PARTITION_replicate, &f->actor);
	msg_init(&p->truncate.msg, PARTITION_truncate, &f->actor);
	p->replicate.msg.context = p->truncate.msg.context = p;
	map_put(&f->pulls, slice_of(p->key, k.len), p);
	return p;
}

/* Away from its leader; an answer that is under way does not count for it any more. */
static void detach(struct pull *p)
{
	ASSERT(!p->is_out);
	session_leave(p);
	p->asked_in = 0;
	if (p->state == PULL_FAILED)
		fetcher_count(&p->fetcher->counters.failed_partitions, -1);
	if (p->leader != NULL)
		list_remove(&p->link);
	p->leader = NULL;
	if (p->addr != NULL)
		partition_addr_unref(&p->addr);
}

static void destroy_pull(struct pull *p)
{
	detach(p);
	map_remove(&p->fetcher->pulls, slice_of(p->key, p->key_len));
	free(p);
}

static void attach(struct pull *p, struct leader *l, const struct fetcher_assign *q)
{
	p->leader = l;
	list_push_back(&l->pulls, &p->link);
	p->addr = partition_addr_ref(q->partition);
	p->leader_epoch = q->leader_epoch;
	p->fetch_offset = q->log_end_offset;
	p->high_watermark = q->high_watermark;
	p->last_epoch = q->last_epoch;
	p->told_high_watermark = p->told_log_start_offset = -1;
	p->is_in_sync = false;
	p->ready_at = 0;
	p->early = 0;
	l->has_newcomers = true;
	if (l->failures == 0)	/* else it rests because it did not answer */
		l->ready_at = 0;
	pull_start(p);
}

/* The same leader and epoch said again: what was begun goes on. */
static bool is_the_same(const struct pull *p, const struct fetcher_assign *q)
{
	return p->addr == q->partition && p->leader->id == q->leader && p->leader_epoch == q->leader_epoch;
}

static void apply_assign(struct fetcher *f, struct fetcher_assign *q)
{
	struct pull *p = fetcher_find(f, slice_str(q->partition->topic), q->partition->partition);
	struct leader *l;

	ASSERT(p == NULL || !p->is_out);
	if (q->is_removed) {
		if (p != NULL)
			destroy_pull(p);
		return;
	}
	f->broker_epoch = q->broker_epoch;
	l = put_leader(f, q);
	if (p == NULL)
		p = create_pull(f, q->partition);
	if (p->leader == NULL || !is_the_same(p, q)) {
		detach(p);
		attach(p, l, q);
	}
	p->topic_id = q->topic_id;
	p->is_throttled = q->is_throttled;
}

static void on_assign(struct fetcher *f, struct fetcher_assign *q)
{
	struct pull *p = fetcher_find(f, slice_str(q->partition->topic), q->partition->partition);

	if (p != NULL && p->is_out) {
		list_push_back(&p->assigns, &q->wait);
		return;
	}
	apply_assign(f, q);
	actor_answer(&f->actor, &q->msg);
}

/* What was parked while a message was at the partition. */
static void apply_parked(struct pull *p)
{
	struct fetcher *f = p->fetcher;
	struct list parked, *e;

	/* taken off first: the pull may not survive them */
	list_init(&parked);
	while ((e = list_pop_front(&p->assigns)) != NULL)
		list_push_back(&parked, e);
	while ((e = list_pop_front(&parked)) != NULL) {
		struct fetcher_assign *q = LIST_ENTRY(e, struct fetcher_assign, wait);
		apply_assign(f, q);
		actor_answer(&f->actor, &q->msg);
	}
}

/* --- the turn --------------------------------------------------------------------------------------------------------------------- */

static void on_question(void *arg, struct msg *m)
{
	ASSERT(m->kind == FETCHER_ASSIGN);
	on_assign(arg, CONTAINER_OF(m, struct fetcher_assign, msg));
}

static void on_answer(void *arg UNUSED, struct msg *m)
{
	struct pull *p = m->context;
	struct leader *l = p->leader;

	ASSERT(p->is_out);
	p->is_out = false;
	l->out--;
	leader_look(l);
	if (m->kind == PARTITION_replicate)
		pull_on_replicated(p);
	else
		pull_on_truncated(p);
	apply_parked(p);
}

static void destroy_leader(struct leader *l)
{
	struct client *c = l->fetcher->client;
	struct client_error why;

	client_error_set(&why, ERR_CLOSED, "nothing is pulled from it any more");
	client_call_destroy(&l->call);
	client_node_drop(c, l->id, 0, &why);
	client_call_destroy(&l->answer);
	session_fini(&l->session);
	list_remove(&l->link);
	free(l);
}

static int take_turns(struct fetcher *f)
{
	int64_t limit = throttle_limit(&f->all->throttle);
	int work = 0;

	LIST_FOREACH(e, &f->leaders) {
		struct leader *l = LIST_ENTRY(e, struct leader, link);
		if (limit != f->throttle_limit)
			leader_look(l);
		if (list_empty(&l->pulls)) {
			destroy_leader(l);
			work++;
		} else {
			work += leader_turn(l);
		}
	}
	f->throttle_limit = limit;
	return work;
}

static mono_ms next_look(const struct fetcher *f)
{
	mono_ms next = MONO_NEVER;

	LIST_FOREACH(e, &f->leaders)
		next = MIN(next, LIST_ENTRY(e, struct leader, link)->next_look);
	return next;
}

static int fetcher_step(struct actor *a, mono_ms now)
{
	struct fetcher *f = CONTAINER_OF(a, struct fetcher, actor);
	mono_ms next;
	int work;

	f->now = now;
	work = actor_drain_questions(a, QUESTIONS_MAX, on_question, f);
	work += actor_drain_answers(a, on_answer, f);
	work += take_turns(f);
	work += client_turn(f->client, &next);
	a->deadline = MIN(next, next_look(f));
	return work;
}

static void fetcher_wait(struct actor *a, mono_ms until)
{
	client_wait(CONTAINER_OF(a, struct fetcher, actor)->client, until);
}

static void fetcher_wake(struct actor *a)
{
	client_wake(CONTAINER_OF(a, struct fetcher, actor)->client);
}

static const struct actor_ops fetcher_ops = {
	.module = "replica", .step = fetcher_step, .wait = fetcher_wait, .wake = fetcher_wake,
};

/* --- versions --------------------------------------------------------------------------------------------------------------------- */

struct version_since {
	int16_t version;
	int32_t since;		/* inter.broker.protocol.version */
};

static int16_t version_of(int32_t ibp, const struct version_since *table, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ibp >= table[i].since)
			return table[i].version;
	return -1;
}

#define VERSION_OF(ibp, table) version_of(ibp, table, ARRAY_LEN(table))

/* Newest first. The last line of the first two stands for everything before: nothing older is spoken. */
static const struct version_since fetch_versions[] = {
	{ 17, KAFKA_VERSION(3, 9, 0) }, { 16, KAFKA_VERSION(3, 7, 4) }, { 15, KAFKA_VERSION(3, 5, 1) }, { 14, KAFKA_VERSION(3, 5, 0) },
	{ 13, KAFKA_VERSION(3, 1, 0) }, { 12, KAFKA_VERSION(2, 7, 1) }, { 11, KAFKA_VERSION(2, 3, 1) }, { 10, KAFKA_VERSION(2, 1, 2) },
	{ 8, KAFKA_VERSION(2, 0, 1) }, { 7, KAFKA_VERSION(1, 1, 0) }, { 5, KAFKA_VERSION(0, 110, 1) }, { 4, 0 },
};
static const struct version_since list_offsets_versions[] = {
	{ 9, KAFKA_VERSION(3, 9, 0) }, { 8, KAFKA_VERSION(3, 5, 0) }, { 7, KAFKA_VERSION(3, 0, 1) }, { 6, KAFKA_VERSION(2, 8, 0) },
	{ 5, KAFKA_VERSION(2, 2, 1) }, { 4, KAFKA_VERSION(2, 1, 1) }, { 3, KAFKA_VERSION(2, 0, 1) }, { 2, KAFKA_VERSION(0, 110, 0) }, { 1, 0 },
};
static const struct version_since epoch_versions[] = {
	{ 4, KAFKA_VERSION(2, 8, 0) }, { 3, KAFKA_VERSION(2, 3, 1) }, { 2, KAFKA_VERSION(2, 1, 1) }, { 1, KAFKA_VERSION(2, 0, 0) },
	{ 0, KAFKA_VERSION(0, 110, 2) },
};

/* --- life ------------------------------------------------------------------------------------------------------------------------- */

static enum err init_fetcher(struct fetcher *f, struct fetchers *all, int index, struct sched *sched)
{
	struct client_spec spec = CLIENT_SPEC_INIT;
	struct client_error error;
	char client_id[48];
	enum err e;

	snprintf(client_id, sizeof(client_id), "broker-%d-fetcher-%d", all->broker_id, index);
	spec.bootstrap = NULL;
	spec.client_id = client_id;
	spec.connect_timeout_ms = all->config->replica_socket_timeout_ms;
	spec.reconnect_backoff_ms = spec.reconnect_backoff_max_ms = 0;	/* leaders rest: leader_failed */
	f->all = all;
	f->index = index;
	f->broker_epoch = -1;
	f->throttle_limit = INT64_MAX;
	list_init(&f->leaders);
	actor_init(&f->actor, sched, &fetcher_ops, LANE_FETCHER_FIRST + index, "fetcher/%d", index);
	e = client_create(&f->client, sched_os(sched), &spec, &error);
	return e == OK ? actor_start(&f->actor, 0) : e;
}

static void fini_fetcher(struct fetcher *f)
{
	ASSERT(map_count(&f->pulls) == 0 && list_empty(&f->leaders));
	map_fini(&f->pulls);
	client_destroy(&f->client);
	actor_fini(&f->actor);
}

enum err fetchers_create(struct fetchers **out, const struct fetchers_spec *spec)
{
	struct fetchers *all = mem_calloc(1, sizeof(*all));
	int32_t ibp = spec->config->inter_broker_protocol_version;
	int want = MIN(MAX(spec->config->num_replica_fetchers, 1), FETCHERS_MAX);
	enum err e = OK;

	counted_ref(&spec->config->counted);
	all->config = spec->config;
	all->broker_id = spec->broker_id;
	all->fetch_version = VERSION_OF(ibp, fetch_versions);
	all->list_offsets_version = VERSION_OF(ibp, list_offsets_versions);
	all->epoch_version = VERSION_OF(ibp, epoch_versions);
	all->truncates_on_fetch = ibp >= KAFKA_VERSION(2, 7, 1);
	throttle_init(&all->throttle, spec->config->replication_quota_window_num, spec->config->replication_quota_window_size_s * (mono_ms)1000);
	throttle_set_limit(&all->throttle, spec->config->follower_throttled_rate);
	all->fetchers = mem_calloc((size_t)want, sizeof(*all->fetchers));
	for (; all->count < want && e == OK; all->count++)
		e = init_fetcher(&all->fetchers[all->count], all, all->count, spec->sched);
	if (e != OK) {
		fini_fetcher(&all->fetchers[--all->count]);	/* did not start */
		fetchers_destroy(&all);
		return e;
	}
	*out = all;
	return OK;
}

void fetchers_destroy(struct fetchers **allp)
{
	struct fetchers *all = *allp;

	*allp = NULL;
	for (int i = 0; i < all->count; i++)
		actor_stop(&all->fetchers[i].actor);
	for (int i = 0; i < all->count; i++) {
		actor_join(&all->fetchers[i].actor);
		fini_fetcher(&all->fetchers[i]);
	}
	throttle_fini(&all->throttle);
	counted_unref(&all->config->counted);
	free(all->fetchers);
	free(all);
}

bool fetchers_have_lost(const struct fetchers *all, int32_t leader, mono_ms within_ms)
{
	for (int i = 0; i < all->count; i++) {
		const struct fetcher *f = &all->fetchers[i];
		uint64_t lost = __atomic_load_n(&f->lost, __ATOMIC_RELAXED);

		if (lost != 0 && (leader < 0 || lost >> 32 == (uint64_t)leader + 1) && (uint32_t)os_mono_ms(sched_os(f->actor.sched)) - (uint32_t)lost <= within_ms)
			return true;
	}
	return false;
}

/* Java's String.hashCode, of a name that is ASCII. */
static uint32_t java_hash(const char *s)
{
	uint32_t h = 0;

	for (; *s != '\0'; s++)
		h = 31 * h + (uint8_t)*s;
	return h;
}

struct actor *fetchers_actor(struct fetchers *f, const char *topic, int32_t partition)
{
	int32_t h = (int32_t)(31 * java_hash(topic) + (uint32_t)partition);

	h = h == INT32_MIN ? 0 : h < 0 ? -h : h;
	return &f->fetchers[h % f->count].actor;
}

void fetchers_set_throttle(struct fetchers *f, int64_t bytes_per_s)
{
	throttle_set_limit(&f->throttle, bytes_per_s);
	for (int i = 0; i < f->count; i++)
		actor_wake(&f->fetchers[i].actor);
}

void fetchers_counters(const struct fetchers *f, struct fetcher_counters *out)
{
	*out = (struct fetcher_counters){ 0 };
	for (int i = 0; i < f->count; i++) {
		const struct fetcher_counters *c = &f->fetchers[i].counters;
		out->requests += __atomic_load_n(&c->requests, __ATOMIC_RELAXED);
		out->bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
		out->errors += __atomic_load_n(&c->errors, __ATOMIC_RELAXED);
		out->failed_partitions += __atomic_load_n(&c->failed_partitions, __ATOMIC_RELAXED);
	}
}
