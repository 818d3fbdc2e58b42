/*
 * First every record is looked at, then, if not all stay or a horizon is to be set, the batch is built anew from those that do.
 * So a batch of which all stays, and that is most of a log that has been cleaned before, is never compressed again.
 */
#include "storage/clean_batch.h"

#include <stdlib.h>

void batch_cleaner_init(struct batch_cleaner *c, const struct offset_map *map, int64_t latest_offset, time_ms now, int64_t delete_retention_ms)
{
	*c = (struct batch_cleaner){ .map = map, .latest_offset = latest_offset, .now = now, .decompressor = decompressor_create(), .compressor = compressor_create() };
	if (__builtin_add_overflow(now, delete_retention_ms, &c->horizon))
		c->horizon = INT64_MAX;
}

void batch_cleaner_fini(struct batch_cleaner *c)
{
	if (c->decompressor != NULL)
		decompressor_destroy(&c->decompressor);
	if (c->compressor != NULL)
		compressor_destroy(&c->compressor);
	free(c->kept);
	c->kept = NULL;
}

struct verdict {
	int32_t kept;
	bool    has_tombstone;		/* among the kept */
	bool    is_all;
	bool    is_ordered;		/* offsets ascend within those of the batch: what is built asserts that */
};

static bool has_passed_horizon(const struct batch_cleaner *c, const uint8_t *batch)
{
	return batch_has_delete_horizon(batch) && batch_base_timestamp(batch) <= c->now;
}

/* Records are looked up some at a time: the map's memory is far away, and one wait does for all of them. */
#define LOOKED_UP_AT_ONCE 16

struct asked {
	struct offset_map_key key;
	int64_t offset;
	bool    has_key, is_tombstone;
};

static bool record_stays(const struct batch_cleaner *c, const uint8_t *batch, const struct asked *r)
{
	if (batch_is_control(batch) || r->offset > c->latest_offset)
		return true;
	if (!r->has_key || r->offset < offset_map_get(c->map, &r->key))
		return false;
	return !r->is_tombstone || !has_passed_horizon(c, batch);
}

/* index: the first one's in the batch. */
static void judge_some(struct batch_cleaner *c, const uint8_t *batch, const struct asked *some, size_t count, size_t index, struct verdict *v)
{
	if (index + count > c->kept_room) {
		c->kept_room = MAX(256, c->kept_room * 2);
		c->kept = mem_realloc_array(c->kept, c->kept_room, 1);
	}
	for (size_t i = 0; i < count; i++) {
		bool stays = record_stays(c, batch, &some[i]);

		c->kept[index + i] = stays;
		v->kept += stays;
		v->is_all = v->is_all && stays;
		v->has_tombstone = v->has_tombstone || (stays && some[i].is_tombstone);
	}
}

static enum err judge(struct batch_cleaner *c, const struct clean_question *q, struct verdict *v)
{
	const uint8_t *batch = q->batch.ptr;
	struct asked some[LOOKED_UP_AT_ONCE];
	struct record_iter it;
	struct record r;
	size_t count = 0, index = 0;
	int64_t next = batch_base_offset(batch);

	*v = (struct verdict){ .is_all = true, .is_ordered = true };
	record_iter_init(&it, q->batch, c->decompressor, UINT64_MAX);
	while (record_iter_next(&it, &r)) {
		v->is_ordered = v->is_ordered && r.offset >= next && r.offset <= batch_last_offset(batch);
		next = r.offset + 1;
		some[count] = (struct asked){ .offset = r.offset, .has_key = !slice_is_null(r.key), .is_tombstone = slice_is_null(r.value) };
		if (some[count].has_key)
			offset_map_key(c->map, r.key, &some[count].key);
		if (++count < LOOKED_UP_AT_ONCE)
			continue;
		judge_some(c, batch, some, count, index, v);
		index += count;
		count = 0;
	}
	judge_some(c, batch, some, count, index, v);
	enum err e = it.err;
	record_iter_fini(&it);
	return e;
}

static struct batch_spec spec_of(const uint8_t *b)
{
	return (struct batch_spec){
		.codec = (enum codec)batch_codec(b), .level = batch_codec(b) == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : batch_codec(b) == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4
			: LEVEL_DEFAULT_ZSTD,
		.base_offset = batch_base_offset(b), .leader_epoch = batch_leader_epoch(b),
		.producer_id = batch_producer_id(b), .producer_epoch = batch_producer_epoch(b), .base_sequence = batch_base_sequence(b),
		.is_transactional = batch_is_transactional(b), .is_control = batch_is_control(b), .is_log_append_time = batch_is_log_append_time(b),
		.max_timestamp = batch_max_timestamp(b), .last_offset_delta = batch_last_offset_delta(b),
	};
}

static enum err put_header(const struct clean_question *q, struct strbuf *out)
{
	struct batch_spec spec = spec_of(q->batch.ptr);
	struct batch_builder b;
	struct slice built;

	spec.codec = CODEC_NONE;
	if (!q->is_last_of_producer)
		spec.max_timestamp = NO_TIMESTAMP;
	batch_build_begin(&b, &spec, NULL, out, SIZE_MAX);
	return batch_build_end(&b, &built);
}

static enum err rebuild(struct batch_cleaner *c, const struct clean_question *q, bool sets_horizon, struct strbuf *out)
{
	struct batch_spec spec = spec_of(q->batch.ptr);
	struct batch_builder b;
	struct record_iter it;
	struct record r;
	struct slice built;

	spec.has_delete_horizon = sets_horizon || batch_has_delete_horizon(q->batch.ptr);
	spec.delete_horizon = sets_horizon ? c->horizon : batch_base_timestamp(q->batch.ptr);
	batch_build_begin(&b, &spec, c->compressor, out, out->len + INT32_MAX);
	record_iter_init(&it, q->batch, c->decompressor, UINT64_MAX);
	for (size_t i = 0; record_iter_next(&it, &r); i++) {
		if (c->kept[i])
			batch_build_add_record(&b, &r);
	}
	enum err e = it.err;
	record_iter_fini(&it);
	enum err built_result = batch_build_end(&b, &built);
	return e == OK ? built_result : e;
}

enum err clean_batch(struct batch_cleaner *c, const struct clean_question *q, struct strbuf *out)
{
	const uint8_t *batch = q->batch.ptr;
	bool drops_all = q->may_go && (!batch_is_control(batch) || has_passed_horizon(c, batch));
	struct verdict v = { 0 };
	enum err e;

	if (!batch_check_crc(q->batch))
		return ERR_CORRUPT;
	if (!drops_all && (e = judge(c, q, &v)) != OK)
		return e;
	if (v.kept == 0)
		return q->is_last_of_producer || q->is_last_of_segment ? put_header(q, out) : OK;
	bool sets_horizon = (v.has_tombstone || (batch_is_control(batch) && q->may_go)) && !batch_has_delete_horizon(batch);
	if (v.is_all && !sets_horizon) {
		strbuf_add_slice(out, q->batch);
		return OK;
	}
	return v.is_ordered ? rebuild(c, q, sets_horizon, out) : ERR_CORRUPT;
}

struct key_at {
	struct offset_map_key key;
	int64_t offset;
};

static bool put_some(struct offset_map *map, const struct key_at *some, size_t count, int64_t *latest)
{
	for (size_t i = 0; i < count; i++) {
		if (!offset_map_put(map, &some[i].key, some[i].offset))
			return false;
		*latest = some[i].offset;
	}
	return true;
}

enum err clean_batch_map(struct offset_map *map, struct decompressor *d, struct slice batch, int64_t from_offset, int64_t *latest, bool *is_full)
{
	struct key_at some[LOOKED_UP_AT_ONCE];
	struct record_iter it;
	struct record r;
	size_t count = 0;
	int64_t last = *latest;

	*is_full = false;
	record_iter_init(&it, batch, d, UINT64_MAX);
	while (!*is_full && record_iter_next(&it, &r)) {
		if (slice_is_null(r.key) || r.offset < from_offset)
			continue;
		if (r.offset <= last || r.offset > batch_last_offset(batch.ptr)) {
			record_iter_fini(&it);
			return ERR_CORRUPT;
		}
		last = some[count].offset = r.offset;
		offset_map_key(map, r.key, &some[count].key);
		if (++count < LOOKED_UP_AT_ONCE)
			continue;
		*is_full = !put_some(map, some, count, latest);
		count = 0;
	}
	if (!*is_full)
		*is_full = !put_some(map, some, count, latest);
	enum err e = it.err;
	record_iter_fini(&it);
	return e;
}
