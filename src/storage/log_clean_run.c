/*
 * The jobs of a pass. Each run reads and writes about a slice and leaves everything where the next can go on.
 *
 * What is read may be renamed away or cut meanwhile. Files that are open stay what they are; one that cannot be opened any more, or is shorter than
 * it was, ends the pass; and the owner looks at the log before
 * anything that was written counts. So bytes are only checked here, as any from a disk.
 */
#include "storage/log_clean_priv.h"

#include <stdlib.h>

#define WRITE_BYTES (1u << 20)	/* gathered before they are written */

int64_t clean_source_end(const struct log_clean *c, int at)
{
	return at + 1 < c->segment_count ? c->segments[at + 1].base_offset : c->first_uncleanable;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void add_aborted(void *arg, const struct aborted_txn *a)
{
	clean_txns_add(arg, a);
}

/* A name that is gone: the log has changed. */
static enum err gone_is_again(enum err e)
{
	return e == ERR_NOT_FOUND ? ERR_AGAIN : e;
}

static enum err begin_source(struct log_clean *c, int at)
{
	int64_t from = c->segments[at].base_offset, to = clean_source_end(c, at);
	bool is_complete = false;
	enum err e = OK;

	c->reader.at = at;
	c->reader.file_pos = c->reader.buf_pos = 0;
	c->reader.buf_len = 0;
	c->reader.next_offset = from;
	for (int i = at; e == OK && !is_complete && i < c->segment_count; i++)
		e = txn_index_query(&c->segments[i].txns, c->store.os, c->store.dir, from, to, add_aborted, &c->txns, &is_complete);
	clean_txns_ready(&c->txns);
	return gone_is_again(e);
}

static enum err refill(struct log_clean *c, size_t want)
{
	struct clean_reader *r = &c->reader;
	struct log_file *f;
	size_t got;
	enum err e = segment_file(&c->segments[r->at], SEGMENT_LOG, &f);

	if (e != OK)
		return gone_is_again(e);
	if (want > r->buf_room) {
		free(r->buf);
		r->buf = mem_alloc(want);
		r->buf_room = want;
	}
	r->buf_len = 0;
	e = os_pread(c->store.os, f->fd, r->buf, want, r->file_pos, &got);
	if (e != OK)
		return e;
	c->bytes += got;
	r->buf_pos = r->file_pos;
	r->buf_len = got;
	return got == want ? OK : ERR_CORRUPT;
}

/* The next batch of the source at hand, in its place. ERR_INCOMPLETE: there is none. */
static enum err next_batch(struct log_clean *c, struct slice *batch)
{
	struct clean_reader *r = &c->reader;
	uint64_t left = c->segments[r->at].tail.size - (uint64_t)r->file_pos, want = MIN(left, MAX(c->limits.io_bytes, BATCH_HEADER_SIZE));
	enum err e;

	if (left == 0)
		return ERR_INCOMPLETE;
	for (;;) {
		struct slice rest = slice_of(r->buf, r->buf_len);

		rest.ptr += r->file_pos - r->buf_pos;
		rest.len -= (size_t)(r->file_pos - r->buf_pos);
		if (rest.len >= BATCH_PREFIX_SIZE)
			want = MAX(want, MIN(left, (uint64_t)load_be32(rest.ptr + BATCH_LENGTH_POS) + BATCH_LOG_OVERHEAD));
		bool is_all = rest.len >= want;
		e = batch_next(&rest, batch);
		if (e != ERR_INCOMPLETE)
			break;
		if (is_all)
			return ERR_CORRUPT;
		if ((e = refill(c, (size_t)want)) != OK)
			return e;
	}
	if (e != OK)
		return e;
	if (batch_base_offset(batch->ptr) < r->next_offset || batch_last_offset_delta(batch->ptr) < 0 || batch_last_offset(batch->ptr) >= clean_source_end(c, r->at))
		return ERR_CORRUPT;
	r->file_pos += (int64_t)batch->len;
	r->next_offset = batch_last_offset(batch->ptr) + 1;
	return OK;
}

/* --- the map ---------------------------------------------------------------------------------- */

static void end_map(struct log_clean *c)
{
	c->end = c->latest + 1;
	while (c->source_count < c->mapped_count && c->segments[c->source_count].base_offset < c->end)
		c->source_count++;
	c->told.end = c->end;
	c->told.keys = offset_map_count(c->map);
	clean_txns_fini(&c->txns);
	batch_cleaner_fini(&c->batches);
	batch_cleaner_init(&c->batches, c->map, c->latest, c->now, c->config.delete_retention_ms);
	c->phase = CLEAN_WRITE;
}

static enum err map_batch(struct log_clean *c, struct slice batch, bool *is_full)
{
	struct aborted_txn aborted;
	bool may_go, ended;
	enum err e = OK;

	*is_full = false;
	if (batch_is_control(batch.ptr))
		e = clean_txns_on_marker(&c->txns, batch, &may_go, &ended, &aborted);
	else if (!clean_txns_on_batch(&c->txns, batch.ptr) && batch_last_offset(batch.ptr) >= c->first_dirty)
		e = batch_check_crc(batch) ? clean_batch_map(c->map, c->batches.decompressor, batch, c->first_dirty, &c->latest, is_full) : ERR_CORRUPT;
	if (e == OK && !*is_full)
		c->latest = MAX(c->latest, batch_last_offset(batch.ptr));
	return e;
}

static enum err map_some(struct log_clean *c, uint64_t until)
{
	struct slice batch;
	bool is_full = false;
	enum err e = OK;

	if (c->map == NULL) {
		double needed = (double)(c->first_uncleanable - c->first_dirty) / c->limits.load_factor + 16;
		uint64_t most = MAX(c->limits.map_bytes / OFFSET_MAP_SLOT_BYTES, 2);

		c->map = offset_map_create(c->store.os, needed < (double)most ? (uint64_t)needed : most, c->limits.load_factor);
		c->batches.decompressor = decompressor_create();
		e = begin_source(c, c->reader.at);
	}
	while (e == OK && c->bytes < until) {
		e = next_batch(c, &batch);
		if (e == OK)
			e = map_batch(c, batch, &is_full);
		if (e == OK && is_full) {
			end_map(c);
			return OK;
		}
		if (e != ERR_INCOMPLETE)
			continue;
		c->latest = MAX(c->latest, clean_source_end(c, c->reader.at) - 1);	/* also where compaction has left a gap */
		if (c->reader.at + 1 == c->mapped_count) {
			end_map(c);
			return OK;
		}
		e = begin_source(c, c->reader.at + 1);
	}
	return e;
}

/* --- a group ---------------------------------------------------------------------------------- */

/* As Kafka groups: no more bytes than a segment may have, nor index entries, nor offsets. */
static enum err choose_group(struct log_clean *c)
{
	const struct segment *first = &c->segments[c->group_at];
	int64_t size = 0, offsets = 0, times = 0;
	enum err e = OK;

	c->group_count = 0;
	c->group_last = -1;
	for (int i = c->group_at; i < c->source_count; i++) {
		struct segment *s = &c->segments[i];

		if ((e = segment_load(s)) != OK)
			return gone_is_again(e);
		size += s->tail.size;
		offsets += (int64_t)s->offsets.count * OFFSET_ENTRY_BYTES;
		times += (int64_t)s->times.count * TIME_ENTRY_BYTES;
		if (i > c->group_at && (size > c->config.segment_bytes || offsets > c->config.segment_index_bytes || times > c->config.segment_index_bytes ||
		    clean_source_end(c, i) - 1 - first->base_offset > INT32_MAX))
			return OK;
		if (s->tail.size > 0)
			c->group_last = i;
		c->group_count++;
	}
	return OK;
}

static enum err begin_group(struct log_clean *c)
{
	enum err e = choose_group(c);

	if (e != OK)
		return e;
	if (c->group_count == 1 && c->group_last < 0) {		/* there is nothing in it */
		c->group_at++;
		c->group_count = 0;
		if (c->group_at == c->source_count)
			c->phase = CLEAN_DONE;
		return OK;
	}
	c->out = segment_new(&c->out_store, c->segments[c->group_at].base_offset, c->now);
	c->out->extra = c->out->txns.extra = SEGMENT_CLEANED;
	if ((e = segment_make(c->out)) != OK)
		return e;
	if (c->stage == NULL)
		c->stage = mem_alloc(sizeof(*c->stage));
	segment_stage_begin(c->out, c->stage);
	strbuf_reset(&c->staged);
	return begin_source(c, c->group_at);
}

static enum err write_staged(struct log_clean *c)
{
	int64_t pos = (int64_t)c->out->tail.size;
	struct log_file *f;
	bool is_broken;

	if (c->staged.len == 0)
		return OK;
	segment_stage_bytes(c->stage, (const uint8_t *)c->staged.ptr, (uint32_t)c->staged.len);
	c->bytes += c->staged.len;
	enum err e = segment_commit(c->out, c->stage, &is_broken);
	/* The device works while the next batches are read. Also, with ext4 a sync of any other file may have to wait for all that is dirty here. */
	if (e == OK && segment_file(c->out, SEGMENT_LOG, &f) == OK)
		os_write_out(c->out_store.os, f->fd, pos, (int64_t)c->staged.len);
	strbuf_reset(&c->staged);
	return e;
}

static int by_id(const void *x, const void *y)
{
	const struct clean_producer *a = x, *b = y;

	return (a->producer_id > b->producer_id) - (a->producer_id < b->producer_id);
}

/* Its producer is remembered, and this is where its newest sequence stands; or its epoch, where it has written nothing but markers. */
static bool is_last_of_producer(const struct log_clean *c, const uint8_t *batch)
{
	struct clean_producer wanted = { .producer_id = batch_producer_id(batch) };

	if (!batch_has_producer(batch) || c->producer_count == 0)
		return false;
	const struct clean_producer *p = bsearch(&wanted, c->producers, (size_t)c->producer_count, sizeof(*p), by_id);

	if (p == NULL)
		return false;
	return p->last_offset >= 0 ? batch_last_offset(batch) == p->last_offset : batch_is_control(batch) && batch_producer_epoch(batch) == p->epoch;
}

/* It tells what the swap replaces, and that nothing is missing between the new segment and the next. */
static bool is_last_word_of_group(const struct log_clean *c)
{
	return c->reader.at == c->group_last && c->reader.file_pos == c->segments[c->reader.at].tail.size;
}

static enum err write_batch(struct log_clean *c, struct slice batch)
{
	struct clean_question q = { .batch = batch };
	struct aborted_txn aborted;
	size_t before = c->staged.len;
	bool ended = false;
	enum err e = OK;

	if (batch_is_control(batch.ptr))
		e = clean_txns_on_marker(&c->txns, batch, &q.may_go, &ended, &aborted);
	else
		q.may_go = clean_txns_on_batch(&c->txns, batch.ptr);
	if (e == OK && ended) {
		aborted.last_offset = batch_last_offset(batch.ptr);
		e = txn_index_append(&c->out->txns, c->store.os, c->store.dir, &aborted);
	}
	q.is_last_of_producer = is_last_of_producer(c, batch.ptr);
	q.is_last_of_segment = is_last_word_of_group(c);
	if (e == OK)
		e = clean_batch(&c->batches, &q, &c->staged);
	size_t size = c->staged.len - before;
	if (e != OK || size == 0)
		return e;
	if (c->stage->tail.size + (uint64_t)size > SEGMENT_BYTES_MAX)
		return ERR_TOO_LARGE;
	segment_stage_batch(c->out, c->stage, (const uint8_t *)c->staged.ptr + before, (uint32_t)size);
	return segment_stage_is_full(c->stage) || c->staged.len >= WRITE_BYTES ? write_staged(c) : OK;
}

static enum err write_some(struct log_clean *c, uint64_t until)
{
	struct slice batch;
	enum err e = OK;

	while (e == OK && c->phase == CLEAN_WRITE && c->bytes < until) {
		if (c->out == NULL) {
			e = begin_group(c);
			continue;
		}
		e = next_batch(c, &batch);
		if (e == OK)
			e = write_batch(c, batch);
		if (e != ERR_INCOMPLETE)
			continue;
		if (c->reader.at + 1 < c->group_at + c->group_count) {
			e = begin_source(c, c->reader.at + 1);
		} else {
			e = write_staged(c);
			c->phase = CLEAN_SYNC;
		}
	}
	return e;
}

/* --- to the device ---------------------------------------------------------------------------- */

/* A sync that failed may have dropped data, whatever the reason. */
static enum err sync_fd(struct log_clean *c, os_fd fd)
{
	return os_fdatasync(c->store.os, fd) == OK ? OK : ERR_IO;
}

static enum err sync_txns(struct log_clean *c)
{
	char path[LOG_PATH_MAX];
	os_fd fd;

	if (c->out->txns.count == 0)
		return OK;
	segment_own_path(c->out, ".txnindex", path);
	enum err e = os_open(c->store.os, path, OS_RDWR, &fd);
	if (e != OK)
		return e;
	e = sync_fd(c, fd);
	os_close(c->store.os, &fd);
	return e;
}

static void close_files(struct log_clean *c)
{
	for (int part = 0; part < SEGMENT_PARTS; part++) {
		for (int i = 0; i < c->segment_count; i++)
			file_cache_drop(&c->store.cache, &c->segments[i].files[part]);
		if (c->out != NULL)
			file_cache_drop(&c->out_store.cache, &c->out->files[part]);
	}
}

static enum err sync_group(struct log_clean *c)
{
	struct log_file *f;
	enum err e = segment_finish(c->out);

	for (int part = 0; e == OK && part < SEGMENT_PARTS; part++) {
		if ((e = segment_file(c->out, (enum segment_part)part, &f)) == OK)
			e = sync_fd(c, f->fd);
	}
	if (e == OK)
		e = sync_txns(c);
	close_files(c);
	return e;
}

static enum err sync_names(struct log_clean *c)
{
	enum err e = os_fsync_dir(c->store.os, c->store.dir);

	return err_is_passing(e) ? ERR_IO : e;
}

void log_clean_run(struct log_clean *c)
{
	uint64_t until = c->bytes + c->limits.slice_bytes;

	c->ran = c->phase;
	switch (c->phase) {
	case CLEAN_MAP:
		c->result = map_some(c, until);
		break;
	case CLEAN_WRITE:
		c->result = write_some(c, until);
		break;
	case CLEAN_SYNC:
		c->result = sync_group(c);
		break;
	case CLEAN_NAME:
		c->result = segment_set_extra(c->out, SEGMENT_SWAP);
		if (c->result == OK)
			c->result = sync_names(c);
		break;
	case CLEAN_SETTLE:
		c->result = sync_names(c);
		break;
	case CLEAN_DONE:
		break;
	}
}
