/*
 * Reading the log after an election. A worker brings in one slice after the other, the partition's thread takes from it what it says; until the end is reached the
 * coordinator answers that it is loading. What lies above the high watermark counts, for it was this broker's to lead on from there; but nobody is told of it before it is
 * committed, or the next leader might not have what was told.
 *
 * Damage costs what it hit and no more: a batch whose bytes are not those that were written is left out; where it cannot be told where the next one begins, the rest of
 * its segment. An offset that is lost so is an older one, or none, to its group: they may read again. To wait for bytes that nobody will write again helps nobody.
 *
 * Offsets within a transaction are set aside until its marker comes, here or after the load: transactions.c.
 */
#include "group/group_priv.h"

#include <stdlib.h>

#include "wire/gen/group_metadata_key.h"
#include "wire/gen/group_metadata_value.h"
#include "wire/gen/offset_commit_key.h"
#include "wire/gen/offset_commit_value.h"

#define SLICE_BYTES_MAX (1u << 20)	/* at a time, so that a step stays short; a larger batch still comes whole */
#define RECORD_BYTES_MAX (64u << 20)	/* of one batch, decompressed */
#define RETRY_MS        1000
#define VERSION_MAX     4		/* of both values */

struct load {
	struct job           job;
	struct coordinator  *coordinator;	/* NULL: given up */
	struct os           *os;
	bool                 is_out;
	struct log_range     range;
	uint8_t             *bytes;
	size_t               got;
	enum err             result;
	int64_t              next, end;		/* offsets */
	mono_ms              began, retry_at;	/* retry_at MONO_NEVER: nothing has failed */
	bool                 is_read;		/* to the end: what is missing is that all of it is committed */
	struct decompressor *stream;
	struct arena         arena;
	int64_t              records, unknown;
	int64_t              damaged, damaged_at;	/* places, and the first one's offset */
};

static void load_free(struct load *l)
{
	if (l->range.file != NULL)
		log_file_unref(&l->range.file);
	decompressor_destroy(&l->stream);
	arena_fini(&l->arena);
	free(l->bytes);
	free(l);
}

static void count_damage(struct load *l)
{
	if (l->damaged++ == 0)
		l->damaged_at = l->next;
}

/* --- at a worker -------------------------------------------------------------------------------------------------------------------- */

static void load_run(struct job *j)
{
	struct load *l = CONTAINER_OF(j, struct load, job);

	l->bytes = mem_alloc(l->range.len);
	l->result = os_pread(l->os, log_file_fd(l->range.file), l->bytes, l->range.len, l->range.file_pos, &l->got);
}

/* --- records -------------------------------------------------------------------------------------------------------------------------- */

/* The value begins with its version. */
static bool read_offset(struct load *l, struct slice value, struct offset_commit_value *v)
{
	struct reader r = reader_of(value);
	int16_t version = get_i16(&r);

	return !r.failed && version >= 0 && version <= VERSION_MAX && offset_commit_value_decode(v, &r, version, &l->arena);
}

/* In a batch of a transaction, or producer_id NO_PRODUCER_ID. */
static void take_offset(struct load *l, struct reader *key, int16_t kind, struct slice value, int64_t base_offset, int64_t producer_id)
{
	struct coordinator *c = l->coordinator;
	struct offset_commit_key k;
	struct offset_commit_value v;

	if (!offset_commit_key_decode(&k, key, kind, &l->arena)) {
		l->unknown++;
		return;
	}
	struct group *g = coordinator_group(c, k.group);

	if (slice_is_null(value)) {
		struct stored_offset *o = g != NULL ? offsets_find(g, k.topic, k.partition) : NULL;

		if (o != NULL && producer_id != NO_PRODUCER_ID)
			txn_remove(c, producer_id, o);
		else if (o != NULL)
			offsets_drop(g, o);
		return;
	}
	if (k.topic.len > INT16_MAX || !read_offset(l, value, &v)) {
		l->unknown++;
		return;
	}
	if (g == NULL)
		g = coordinator_make_group(c, k.group);
	struct stored_offset *o = offsets_make(g, k.topic, k.partition);
	if (producer_id == NO_PRODUCER_ID) {
		offsets_set(o, base_offset, v.offset, v.leader_epoch, v.metadata, v.commit_timestamp, v.expire_timestamp);
		return;
	}
	struct stored_offset set_aside = { .deletions = o->deletions };
	offsets_set(&set_aside, base_offset, v.offset, v.leader_epoch, v.metadata, v.commit_timestamp, v.expire_timestamp);
	txn_add(c, producer_id, g, o, &set_aside, base_offset);
}

static void forget_members(struct group *g)
{
	while (!list_empty(&g->in_order))
		group_remove_member(g, LIST_ENTRY(g->in_order.next, struct member, link));
	free(g->protocol_type);
	free(g->protocol);
	free(g->leader_id);
	g->protocol_type = g->protocol = g->leader_id = NULL;
	g->generation = 0;
	g->state = GROUP_EMPTY;
}

static void take_member(struct group *g, const struct group_metadata_value_member_metadata *from)
{
	struct group_protocol protocol = { slice_str(g->protocol != NULL ? g->protocol : ""), from->subscription };
	struct group_join as_asked = {
		.caller.instance_id = from->group_instance_id, .client_id = from->client_id, .client_host = from->client_host,
		.session_timeout_ms = from->session_timeout, .rebalance_timeout_ms = from->rebalance_timeout >= 0 ? from->rebalance_timeout : from->session_timeout,
		.protocols = &protocol, .protocol_count = 1,
	};

	if (group_member(g, from->member_id) != NULL)
		return;
	struct member *m = member_create(&as_asked, from->member_id);
	member_set_assignment(m, from->assignment);
	group_add_member(g, m);
}

static void take_group(struct load *l, struct reader *key, int16_t kind, struct slice value)
{
	struct coordinator *c = l->coordinator;
	struct group_metadata_key k;
	struct group_metadata_value v;

	if (!group_metadata_key_decode(&k, key, kind, &l->arena)) {
		l->unknown++;
		return;
	}
	struct group *g = coordinator_group(c, k.group);

	if (slice_is_null(value)) {
		if (g != NULL)
			forget_members(g);
		return;
	}
	struct reader r = reader_of(value);
	int16_t version = get_i16(&r);
	if (r.failed || version < 0 || version > VERSION_MAX || !group_metadata_value_decode(&v, &r, version, &l->arena)) {
		l->unknown++;
		return;
	}
	if (g == NULL)
		g = coordinator_make_group(c, k.group);
	forget_members(g);
	g->protocol_type = v.protocol_type.len > 0 ? copy_text(v.protocol_type) : NULL;
	g->protocol = copy_text(v.protocol);
	g->leader_id = copy_text(v.leader);
	g->generation = v.generation;
	g->state_since = v.current_state_timestamp;
	for (int32_t i = 0; i < v.members_count; i++)
		take_member(g, &v.members[i]);
	g->state = list_empty(&g->in_order) ? GROUP_EMPTY : GROUP_STABLE;
}

static void take_record(struct load *l, const struct record *rec, int64_t base_offset, int64_t producer_id)
{
	struct reader key = reader_of(slice_is_null(rec->key) ? SLICE_EMPTY : rec->key);
	int16_t kind = get_i16(&key);

	l->records++;
	arena_reset(&l->arena);
	if (key.failed || kind < 0)
		l->unknown++;
	else if (kind <= 1)
		take_offset(l, &key, kind, rec->value, base_offset, producer_id);
	else if (kind == 2)
		take_group(l, &key, kind, rec->value);
	else
		l->unknown++;		/* of newer coordinators */
}

static void take_batch(struct load *l, struct slice batch)
{
	int64_t base_offset = batch_base_offset(batch.ptr), producer_id = batch_is_transactional(batch.ptr) ? batch_producer_id(batch.ptr) : NO_PRODUCER_ID;
	struct record_iter it;
	struct record rec;

	record_iter_init(&it, batch, l->stream, RECORD_BYTES_MAX);
	while (record_iter_next(&it, &rec))
		take_record(l, &rec, base_offset, producer_id);
	if (it.err != OK)
		l->unknown++;
	record_iter_fini(&it);
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------------- */

static void drop_nothings(struct coordinator *c)
{
	MAP_FOREACH(e, &c->groups) {
		struct group *g = e->value;

		if (g->protocol_type == NULL && g->generation == 0 && list_empty(&g->in_order) && map_count(&g->offsets) == 0)
			coordinator_remove_group(c, g);
	}
}

static void finish(struct coordinator *c)
{
	struct load *l = c->load;
	mono_ms now = os_mono_ms(c->context->os);
	int32_t max = coordinator_config(c)->group_max_size;

	c->state = COORDINATOR_ACTIVE;
	drop_nothings(c);
	MAP_FOREACH(e, &c->groups) {
		struct group *g = e->value;

		LIST_FOREACH(f, &g->in_order) {
			struct member *m = LIST_ENTRY(f, struct member, link);

			m->session_end = now + m->session_timeout_ms;
			g->due = MIN(g->due, m->session_end);
		}
		if ((int64_t)map_count(&g->members) > max)
			group_rebalance(g, now);
		coordinator_set_due(c, g->due);
	}
	if (l == NULL)
		return;
	if (l->damaged > 0)
		LOG_ERROR(&c->addr->actor->log, groups_damaged, KV_I64("offset", l->damaged_at), KV_I64("places", l->damaged));
	if (l->records > 0)
		LOG_INFO(&c->addr->actor->log, groups_loaded, KV_I64("records", l->records), KV_I64("not_understood", l->unknown), KV_I64("groups", map_count(&c->groups)),
		         KV_I64("ms", now - l->began));
	load_free(l);
	c->load = NULL;
}

/* Nothing more can be told of the segment where it stands. */
static void leave_segment(struct coordinator *c)
{
	struct load *l = c->load;

	count_damage(l);
	l->next = MAX(partition_hook_next_segment(c->addr, l->next), l->next + 1);
}

static void wait_for_better(struct coordinator *c, enum err e)
{
	struct load *l = c->load;

	LOG_WARN(&c->addr->actor->log, groups_not_loaded, KV_I64("offset", l->next), KV_ERR(e));
	l->retry_at = os_mono_ms(c->context->os) + RETRY_MS;
	partition_hook_read_failed(c->addr, e);		/* may end the load */
}

/* The next slice; at the end it is done. */
static void read_on(struct coordinator *c)
{
	struct load *l = c->load;
	uint32_t max = MIN((uint32_t)coordinator_config(c)->offsets_load_buffer_size, SLICE_BYTES_MAX);
	enum err e = OK;

	l->next = MAX(l->next, partition_log_start_offset(c->addr));
	while (l->next < l->end && (e = partition_hook_range(c->addr, l->next, MAX(max, 1u), &l->range)) == ERR_CORRUPT)
		leave_segment(c);
	if (e != OK) {
		wait_for_better(c, e);
		return;
	}
	if (l->next >= l->end || l->range.len == 0) {
		l->is_read = true;
		if (partition_high_watermark(c->addr) >= l->end)
			finish(c);
		return;
	}
	msg_init(&l->job.msg, MSG_BASE_GROUP + 0x80, c->addr->actor);
	l->job.run = load_run;
	l->is_out = true;
	l->job.may_last = true;
	partition_hook_submit(c->addr, &l->job);
}

static void take_whole(struct load *l, struct slice batch)
{
	struct marker marker;

	if (!batch_is_control(batch.ptr))
		take_batch(l, batch);
	else if (marker_read(batch, &marker) == OK)
		txn_end(l->coordinator, &marker);
}

/* Of a batch that cannot be trusted: the one that follows it, where there is one, says where it begins itself. */
static int64_t last_before(const struct load *l, struct slice rest, int64_t last)
{
	int64_t follows = rest.len >= BATCH_LOG_OVERHEAD ? batch_base_offset(rest.ptr) : -1;

	return follows > l->next && follows <= l->end ? follows - 1 : last;
}

/* As far as batches follow one another; l->next is where they no longer do. */
static void take_slice(struct load *l)
{
	struct slice rest = slice_of(l->bytes, l->got), batch;
	enum err e;

	while ((e = batch_next(&rest, &batch)) == OK || e == ERR_UNSUPPORTED) {
		int64_t last = e == OK ? batch_last_offset(batch.ptr) : batch_base_offset(batch.ptr);

		bool is_damaged = e == OK && !batch_check_crc(batch);
		if (is_damaged)
			last = last_before(l, rest, last);
		if (last < l->next)
			continue;
		if (last >= l->end)		/* came later, or its header is damaged */
			break;
		if (is_damaged)
			count_damage(l);
		else if (e == ERR_UNSUPPORTED)
			l->unknown++;
		else
			take_whole(l, batch);
		l->next = last + 1;
	}
}

void load_on_home(struct coordinator *c, struct msg *m)
{
	struct load *l = CONTAINER_OF(m, struct load, job.msg);
	int64_t before = l->next;

	l->is_out = false;
	if (l->coordinator == NULL) {
		load_free(l);
		return;
	}
	log_file_unref(&l->range.file);
	if (l->result == OK)
		take_slice(l);
	free(l->bytes);
	l->bytes = NULL;
	if (l->result != OK) {
		wait_for_better(c, l->result);
		return;
	}
	if (l->next == before)			/* a whole batch was promised */
		leave_segment(c);
	read_on(c);
}

void load_begin(struct coordinator *c)
{
	struct load *l;

	if (partition_log_start_offset(c->addr) >= partition_log_end_offset(c->addr)) {
		finish(c);		/* nothing was ever stored: no memory is needed to know that */
		return;
	}
	l = c->load = mem_calloc(1, sizeof(*l));
	l->coordinator = c;
	l->os = c->context->os;
	l->next = partition_log_start_offset(c->addr);
	l->end = partition_log_end_offset(c->addr);
	l->began = os_mono_ms(l->os);
	l->retry_at = MONO_NEVER;
	l->stream = decompressor_create();
	arena_init(&l->arena, RECORD_BYTES_MAX);
	read_on(c);
}

void load_extend(struct coordinator *c, int64_t end)
{
	struct load *l = c->load;

	if (end <= l->end)
		return;
	l->end = end;
	if (l->is_read) {
		l->is_read = false;
		read_on(c);
	}
}

mono_ms load_step(struct coordinator *c, mono_ms now)
{
	struct load *l = c->load;

	if (l != NULL && l->is_read && partition_high_watermark(c->addr) >= l->end) {
		finish(c);
		return MONO_NEVER;
	}
	if (l == NULL || l->retry_at == MONO_NEVER || now < l->retry_at)
		return l != NULL ? l->retry_at : MONO_NEVER;
	l->retry_at = MONO_NEVER;
	read_on(c);
	return c->load != NULL ? c->load->retry_at : MONO_NEVER;
}

void load_end(struct coordinator *c)
{
	struct load *l = c->load;

	c->load = NULL;
	if (l == NULL)
		return;
	l->coordinator = NULL;
	if (!l->is_out)
		load_free(l);
}
