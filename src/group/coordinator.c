/*
 * The coordinator of one partition of __consumer_offsets: which groups it has, who is asked what, and how their state gets into the log.
 *
 * What it appends it asks of its own partition like anybody else, so that the in-sync set, the high watermark and log.flush.acks are what they are for producers. A
 * coordinator that has resigned still gets its appends home; they then find another epoch and only give back what they hold. Memory: nothing before the first group.
 */
#include "group/group_priv.h"

#include <stdlib.h>

#define TOMBSTONES_BYTES (256u << 10)	/* of one batch of deletions, about */
#define BATCH_BYTES_MAX (64u << 20)	/* while it is built; then the topic's max.message.bytes decides */

time_ms coordinator_time(const struct coordinator *c)
{
	return os_time_ms(c->context->os);
}

const struct broker_config *coordinator_config(const struct coordinator *c)
{
	return c->context->config;
}

void coordinator_answer(struct coordinator *c, struct coordinator_question *q, enum kafka_error error)
{
	q->error = error;
	actor_answer(c->addr->actor, &q->msg);
}

void coordinator_set_due(struct coordinator *c, mono_ms due)
{
	c->due = MIN(c->due, due);
}

/* --- groups ------------------------------------------------------------------------------------------------------------------------ */

struct group *coordinator_group(const struct coordinator *c, struct slice id)
{
	return map_get(&c->groups, id);
}

struct group *coordinator_make_group(struct coordinator *c, struct slice id)
{
	struct group *g = group_create(c, id);

	map_put(&c->groups, g->id, g);
	return g;
}

void coordinator_remove_group(struct coordinator *c, struct group *g)
{
	map_remove(&c->groups, g->id);
	group_die(g, NOT_COORDINATOR);
	group_unref(g);
}

/* --- into the log ------------------------------------------------------------------------------------------------------------------- */

static const struct { enum codec codec; int level; } codecs[] = {
	{ CODEC_NONE, 0 }, { CODEC_GZIP, LEVEL_DEFAULT_GZIP }, { CODEC_SNAPPY, 0 }, { CODEC_LZ4, LEVEL_DEFAULT_LZ4 }, { CODEC_ZSTD, LEVEL_DEFAULT_ZSTD },
};

static struct store *store_begin(struct coordinator *c, struct batch_spec spec)
{
	struct store *s = mem_calloc(1, sizeof(*s));
	int32_t codec = coordinator_config(c)->offsets_topic_compression_codec;

	if (codec > 0 && codec < (int32_t)ARRAY_LEN(codecs)) {
		spec.codec = codecs[codec].codec;
		spec.level = codecs[codec].level;
		if (c->compressor == NULL)
			c->compressor = compressor_create();
	}
	s->leader_epoch = c->leader_epoch;
	batch_build_begin(&s->builder, &spec, c->compressor, &s->bytes, BATCH_BYTES_MAX);
	return s;
}

struct store *coordinator_store_begin(struct coordinator *c)
{
	return store_begin(c, (struct batch_spec)BATCH_SPEC_INIT);
}

struct store *coordinator_store_begin_in(struct coordinator *c, const struct group_offset_commit *txn)
{
	struct batch_spec spec = BATCH_SPEC_INIT;

	spec.producer_id = txn->producer_id;
	spec.producer_epoch = txn->producer_epoch;
	spec.base_sequence = 0;
	spec.is_transactional = true;
	return store_begin(c, spec);
}

void coordinator_store_add(struct coordinator *c, struct store *s, size_t key_len, bool is_tombstone)
{
	struct slice all = strbuf_slice(&s->scratch);

	batch_build_add(&s->builder, coordinator_time(c), slice_of(all.ptr, key_len), is_tombstone ? SLICE_NULL : slice_of(all.ptr + key_len, all.len - key_len), NULL, 0);
	strbuf_reset(&s->scratch);
}

void coordinator_add_group_tombstone(struct coordinator *c, struct store *s, const struct group *g)
{
	records_group_key(&s->scratch, g->id);
	coordinator_store_add(c, s, s->scratch.len, true);
}

/* No batch may be larger than the topic's max.message.bytes: one that grows goes on its way, and the next takes its place. */
struct store *coordinator_add_offset_tombstone(struct coordinator *c, struct store *s, const struct group *g, const struct stored_offset *o)
{
	if (s != NULL && s->builder.plain_bytes > TOMBSTONES_BYTES) {
		coordinator_store_submit(c, s, 1);
		s = NULL;
	}
	if (s == NULL)
		s = coordinator_store_begin(c);
	records_offset_key(&s->scratch, g->id, o->topic, o->partition);
	coordinator_store_add(c, s, s->scratch.len, true);
	return s;
}

static void store_end(struct coordinator *c, struct store *s, enum kafka_error error);

/* A batch without records is not written: it has succeeded. */
void coordinator_store_submit(struct coordinator *c, struct store *s, int16_t acks)
{
	struct slice batch = SLICE_EMPTY;
	enum err e = s->builder.record_count > 0 ? batch_build_end(&s->builder, &batch) : ERR_NOT_FOUND;

	list_push_back(&c->stores, &s->link);
	s->append.base_offset = -1;
	if (e != OK) {
		store_end(c, s, e == ERR_NOT_FOUND ? NONE : MESSAGE_TOO_LARGE);
		return;
	}
	if (batch.len > partition_hook_batch_max(c->addr)) {
		store_end(c, s, MESSAGE_TOO_LARGE);
		return;
	}
	msg_init(&s->append.msg, PARTITION_append, c->addr->actor);
	s->append.append = (struct log_append){ .batch = (uint8_t *)s->bytes.ptr, .batch_bytes = (uint32_t)batch.len, .is_coordinator = true };
	s->append.acks = acks;
	s->append.timeout_ms = coordinator_config(c)->offsets_commit_timeout_ms;
	partition_hook_append(c->addr, &s->append, c->leader_epoch);
}

static struct store *begin_group_store(struct coordinator *c, const struct group *g)
{
	struct store *s = coordinator_store_begin(c);

	records_group_key(&s->scratch, g->id);
	size_t key_len = s->scratch.len;
	records_group_value(&s->scratch, coordinator_config(c)->inter_broker_protocol_version, g);
	coordinator_store_add(c, s, key_len, false);
	return s;
}

void coordinator_store_group(struct coordinator *c, struct group *g, struct slice comeback)
{
	struct store *s = begin_group_store(c, g);

	s->group = g;
	g->refs++;
	s->generation = g->generation;
	s->is_group = true;
	s->comeback = copy_text(comeback);
	coordinator_store_submit(c, s, coordinator_config(c)->offsets_commit_required_acks);
}

void coordinator_store_empty_group(struct coordinator *c, struct group *g)
{
	coordinator_store_submit(c, begin_group_store(c, g), coordinator_config(c)->offsets_commit_required_acks);
}

static void end_commit(struct coordinator *c, struct store *s, bool is_current, enum kafka_error error)
{
	struct group_offset_commit *m = s->commit;

	if (m->is_transactional && is_current)
		txn_take_store(c, s);
	for (int32_t i = 0; i < s->count; i++) {
		if (s->offsets[i] == NULL)
			continue;
		offsets_end_pending(s->group, s->offsets[i], &s->values[i], s->append.base_offset, error == NONE && !m->is_transactional);
		m->offsets[i].error = error;
	}
}

static void store_end(struct coordinator *c, struct store *s, enum kafka_error error)
{
	bool is_current = c->state == COORDINATOR_ACTIVE && s->leader_epoch == c->leader_epoch;

	list_remove(&s->link);
	if (s->commit != NULL) {
		end_commit(c, s, is_current, group_append_error(error, INVALID_COMMIT_OFFSET_SIZE));
		coordinator_answer(c, &s->commit->q, NONE);
	}
	if (s->question != NULL)
		coordinator_answer(c, s->question, group_append_error(error, INVALID_COMMIT_OFFSET_SIZE));
	if (s->is_group && is_current)
		group_stored(s->group, s->generation, slice_str(s->comeback), error, os_mono_ms(c->context->os));
	for (int32_t i = 0; i < s->count; i++)
		free(s->values[i].metadata);
	if (s->group != NULL)
		group_unref(s->group);
	free(s->comeback);
	free(s->offsets);
	free(s->values);
	strbuf_fini(&s->bytes);
	strbuf_fini(&s->scratch);
	free(s);
}

/* A static member's record is one that brokers before 2.3 cannot read. Its name is kept as text. */
static enum kafka_error check_instance(const struct coordinator *c, const struct group_caller *caller)
{
	if (slice_is_null(caller->instance_id))
		return NONE;
	if (coordinator_config(c)->inter_broker_protocol_version < KAFKA_VERSION(2, 3, 0))
		return UNSUPPORTED_VERSION;
	return memchr(caller->instance_id.ptr, '\0', caller->instance_id.len) != NULL ? INVALID_REQUEST : NONE;
}

/* Who says he is a member; NULL: such a question has none. */
static const struct group_caller *caller_of(const struct msg *m)
{
	switch ((int)m->kind) {
	case GROUP_join:          return &((const struct group_join *)m)->caller;
	case GROUP_sync:          return &((const struct group_sync *)m)->caller;
	case GROUP_heartbeat:     return &((const struct group_heartbeat *)m)->caller;
	case GROUP_offset_commit: return &((const struct group_offset_commit *)m)->caller;
	default:                  return NULL;
	}
}

/* --- questions ----------------------------------------------------------------------------------------------------------------------- */

static void on_join(struct coordinator *c, struct group_join *m, mono_ms now)
{
	const struct broker_config *config = coordinator_config(c);
	struct group *g = coordinator_group(c, m->caller.group);
	enum kafka_error error = NONE;

	if (m->session_timeout_ms < config->group_min_session_timeout_ms || m->session_timeout_ms > config->group_max_session_timeout_ms)
		error = INVALID_SESSION_TIMEOUT;
	else if (g == NULL && m->caller.member_id.len > 0)
		error = UNKNOWN_MEMBER_ID;
	if (error != NONE) {
		m->generation = -1;
		m->member_id = arena_copy(&m->arena, m->caller.member_id);
		coordinator_answer(c, &m->q, error);
		return;
	}
	if (g == NULL)
		g = coordinator_make_group(c, m->caller.group);
	group_on_join(g, m, now);
}

static void on_sync(struct coordinator *c, struct group_sync *m, mono_ms now)
{
	struct group *g = coordinator_group(c, m->caller.group);

	if (g == NULL)
		coordinator_answer(c, &m->q, UNKNOWN_MEMBER_ID);
	else
		group_on_sync(g, m, now);
}

static void on_heartbeat(struct coordinator *c, struct group_heartbeat *m, mono_ms now)
{
	struct group *g = coordinator_group(c, m->caller.group);

	coordinator_answer(c, &m->q, g != NULL ? group_check_heartbeat(g, &m->caller, now) : UNKNOWN_MEMBER_ID);
}

static void on_leave(struct coordinator *c, struct group_leave *m, mono_ms now)
{
	struct group *g = coordinator_group(c, m->group);

	if (g != NULL) {
		group_on_leave(g, m, now);
		return;
	}
	for (int32_t i = 0; i < m->count; i++)
		m->members[i].error = UNKNOWN_MEMBER_ID;
	coordinator_answer(c, &m->q, NONE);
}

static void on_describe(struct coordinator *c, struct group_describe *m)
{
	struct group *g = coordinator_group(c, m->group);
	bool ok = true;

	m->state = group_state_name(g != NULL ? g->state : GROUP_DEAD);
	m->protocol_type = m->protocol = SLICE_EMPTY;
	m->member_count = 0;
	if (g != NULL)
		ok = group_describe_members(g, &m->arena, m);
	coordinator_answer(c, &m->q, ok ? NONE : UNKNOWN_SERVER_ERROR);
}

static void on_list(struct coordinator *c, struct group_list *m)
{
	enum kafka_error error = c->state == COORDINATOR_LOADING ? COORDINATOR_LOAD_IN_PROGRESS : NONE;

	m->count = 0;
	m->groups = arena_calloc(&m->arena, map_count(&c->groups), sizeof(*m->groups));
	if (m->groups == NULL)
		error = UNKNOWN_SERVER_ERROR;
	MAP_FOREACH(e, &c->groups) {
		const struct group *g = e->value;

		if (m->groups == NULL)
			break;
		m->groups[m->count].group = arena_copy(&m->arena, g->id);
		m->groups[m->count].protocol_type = arena_copy(&m->arena, slice_str(g->protocol_type != NULL ? g->protocol_type : ""));
		m->groups[m->count].state = group_state_name(g->state);
		if (slice_is_null(m->groups[m->count].group) || slice_is_null(m->groups[m->count].protocol_type)) {
			error = UNKNOWN_SERVER_ERROR;
			break;
		}
		m->count++;
	}
	coordinator_answer(c, &m->q, error);
}

static int64_t committed_count(const struct coordinator *c)
{
	int64_t n = 0;

	MAP_FOREACH(e, &c->groups) {
		const struct group *g = e->value;

		MAP_FOREACH(o, &g->offsets)
			n += ((const struct stored_offset *)o->value)->has_value;
	}
	return n;
}

/* False: there is no more room for them. The group's name is copied once. */
static bool add_committed(struct group_committed *m, const struct group *g, int64_t room)
{
	struct slice id = arena_copy(&m->arena, g->id);

	MAP_FOREACH(e, &g->offsets) {
		const struct stored_offset *o = e->value;

		if (!o->has_value)
			continue;
		struct group_committed_offset *to = &m->offsets[m->count];
		if (m->count == room || slice_is_null(id) || slice_is_null(to->topic = arena_copy(&m->arena, o->topic)))
			return false;
		to->group = id;
		to->partition = o->partition;
		to->offset = o->offset;
		m->count++;
	}
	return true;
}

static void on_committed(struct coordinator *c, struct group_committed *m)
{
	int64_t total = committed_count(c), room = MIN(total, MAX(m->max, 0));

	m->count = 0;
	m->offsets = arena_calloc(&m->arena, (size_t)room, sizeof(*m->offsets));
	MAP_FOREACH(e, &c->groups) {
		if (m->offsets == NULL || !add_committed(m, e->value, room))
			break;
	}
	m->left_out = (int32_t)MIN(total - m->count, INT32_MAX);
	coordinator_answer(c, &m->q, NONE);
}

static void on_delete(struct coordinator *c, struct group_delete *m)
{
	struct group *g = coordinator_group(c, m->group);
	struct store *s;

	if (g == NULL || g->state != GROUP_EMPTY) {
		coordinator_answer(c, &m->q, g == NULL ? GROUP_ID_NOT_FOUND : NON_EMPTY_GROUP);
		return;
	}
	s = coordinator_store_begin(c);
	MAP_FOREACH(e, &g->offsets)		/* also of commits that are on their way: they come before this in the log */
		s = coordinator_add_offset_tombstone(c, s, g, e->value);
	if (g->generation > 0)
		coordinator_add_group_tombstone(c, s, g);
	coordinator_remove_group(c, g);
	s->question = &m->q;
	coordinator_store_submit(c, s, 1);
}

static enum kafka_error error_while_loading(const struct msg *m)
{
	switch ((int)m->kind) {
	case GROUP_heartbeat: return NONE;			/* members need not worry */
	case GROUP_sync:      return REBALANCE_IN_PROGRESS;	/* it joins again, later */
	default:              return COORDINATOR_LOAD_IN_PROGRESS;
	}
}

static void on_question(void *arg UNUSED, struct partition_addr *p, struct msg *m)
{
	struct coordinator *c = p->hook_state;
	const struct group_caller *caller = caller_of(m);
	enum kafka_error error = caller != NULL ? check_instance(c, caller) : NONE;
	mono_ms now = os_mono_ms(c->context->os);

	if (error != NONE) {
		coordinator_answer(c, (struct coordinator_question *)m, error);
		return;
	}
	if (c->state == COORDINATOR_LOADING && m->kind != GROUP_list) {
		coordinator_answer(c, (struct coordinator_question *)m, error_while_loading(m));
		return;
	}
	switch ((enum group_msg_kind)m->kind) {
	case GROUP_join:          on_join(c, (struct group_join *)m, now); break;
	case GROUP_sync:          on_sync(c, (struct group_sync *)m, now); break;
	case GROUP_heartbeat:     on_heartbeat(c, (struct group_heartbeat *)m, now); break;
	case GROUP_leave:         on_leave(c, (struct group_leave *)m, now); break;
	case GROUP_offset_commit: coordinator_on_offset_commit(c, (struct group_offset_commit *)m, now); break;
	case GROUP_offset_fetch:  coordinator_on_offset_fetch(c, (struct group_offset_fetch *)m); break;
	case GROUP_offset_delete: coordinator_on_offset_delete(c, (struct group_offset_delete *)m); break;
	case GROUP_describe:      on_describe(c, (struct group_describe *)m); break;
	case GROUP_list:          on_list(c, (struct group_list *)m); break;
	case GROUP_committed:     on_committed(c, (struct group_committed *)m); break;
	case GROUP_delete:        on_delete(c, (struct group_delete *)m); break;
	case GROUP_MSG_FIRST:     ASSERT(!"no question");
	}
}

static void on_topics_gone(void *arg UNUSED, struct partition_addr *p, const struct slice *topics, int32_t count)
{
	const struct coordinator *c = p->hook_state;

	for (int32_t i = 0; i < count && c->state == COORDINATOR_ACTIVE; i++)	/* what is still being read expires by its age */
		coordinator_forget_topic(p->hook_state, topics[i]);
}

/* --- the role ------------------------------------------------------------------------------------------------------------------------ */

static void drop_groups(struct coordinator *c)
{
	txn_drop_all(c);
	MAP_FOREACH(e, &c->groups)
		coordinator_remove_group(c, e->value);
	c->due = MONO_NEVER;
}

static void on_elected(void *arg, struct partition_addr *p, int32_t leader_epoch)
{
	struct coordinator *c = p->hook_state;

	if (c == NULL) {
		c = p->hook_state = mem_calloc(1, sizeof(*c));
		c->context = arg;
		c->addr = p;
		c->due = c->expiry_at = MONO_NEVER;
		list_init(&c->stores);
	}
	if (c->state == COORDINATOR_ACTIVE) {	/* it goes on leading: nobody else has written */
		c->leader_epoch = leader_epoch;
		LIST_FOREACH(e, &c->stores)
			LIST_ENTRY(e, struct store, link)->leader_epoch = leader_epoch;
		return;
	}
	load_end(c);
	drop_groups(c);
	c->leader_epoch = leader_epoch;
	c->state = COORDINATOR_LOADING;
	load_begin(c);
}

static void on_resigned(void *arg UNUSED, struct partition_addr *p)
{
	struct coordinator *c = p->hook_state;

	c->state = COORDINATOR_RESIGNED;
	load_end(c);
	drop_groups(c);
}

static void on_stop(void *arg UNUSED, struct partition_addr *p)
{
	struct coordinator *c = p->hook_state;

	if (c == NULL)
		return;
	ASSERT(list_empty(&c->stores) && c->load == NULL);
	map_fini(&c->groups);
	map_fini(&c->txns);
	if (c->compressor != NULL)
		compressor_destroy(&c->compressor);
	free(c);
	p->hook_state = NULL;
}

static void on_home(void *arg UNUSED, struct partition_addr *p, struct msg *m)
{
	struct coordinator *c = p->hook_state;

	if (m->kind == PARTITION_append) {
		struct store *s = CONTAINER_OF((struct partition_append *)m, struct store, append);

		store_end(c, s, s->append.error);
	} else {
		load_on_home(c, m);
	}
}

static void on_marker(void *arg UNUSED, struct partition_addr *p, struct slice batch)
{
	struct coordinator *c = p->hook_state;

	if (c->state == COORDINATOR_LOADING)
		load_extend(c, batch_base_offset(batch.ptr) + 1);
	else if (c->state == COORDINATOR_ACTIVE)
		txn_on_marker(c, batch);
}

static mono_ms on_step(void *arg UNUSED, struct partition_addr *p, mono_ms now)
{
	struct coordinator *c = p->hook_state;
	mono_ms due = c->state == COORDINATOR_LOADING ? load_step(c, now) : MONO_NEVER;

	if (c->state != COORDINATOR_ACTIVE)
		return due;
	if (c->expiry_at == MONO_NEVER)
		c->expiry_at = now + coordinator_config(c)->offsets_retention_check_interval_ms;
	if (now >= c->expiry_at && map_count(&c->groups) > 0) {
		c->expiry_at = now + coordinator_config(c)->offsets_retention_check_interval_ms;
		coordinator_expire_offsets(c, coordinator_time(c));
	}
	if (now >= c->due) {
		c->due = MONO_NEVER;
		MAP_FOREACH(e, &c->groups) {
			struct group *g = e->value;

			group_tick(g, now);
			c->due = MIN(c->due, g->due);
		}
	}
	return map_count(&c->groups) > 0 ? MIN(c->due, c->expiry_at) : MONO_NEVER;
}

struct group_context *group_context_create(struct os *os, const struct broker_config *config)
{
	struct group_context *c = mem_calloc(1, sizeof(*c));

	c->os = os;
	c->config = config;
	return c;
}

void group_context_destroy(struct group_context **c)
{
	free(*c);
	*c = NULL;
}

struct partition_hook group_hook(struct group_context *c)
{
	return (struct partition_hook){
		.topic = "__consumer_offsets", .on_elected = on_elected, .on_resigned = on_resigned, .on_stop = on_stop, .on_question = on_question,
		.on_home = on_home, .on_topics_gone = on_topics_gone, .on_marker = on_marker, .on_step = on_step, .arg = c,
	};
}
