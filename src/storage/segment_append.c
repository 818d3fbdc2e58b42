/*
 * How bytes get into a segment, and how they get out again.
 *
 * Batches are staged first: the tail that will be, the index entries, the pieces to write. Nothing
 * that a reader could see changes before every write has succeeded, and a failed one is undone by
 * cutting the file back to the size it had. What a failed append may leave in an index file lies
 * behind its count, where the next append writes over it and a close cuts it off.
 *
 * When entries are made (and Kafka makes the same): for each batch, first the largest timestamp is
 * updated; then, if more than index.interval.bytes lie behind the last entry, the batch gets an
 * offset entry, and a time entry if the largest timestamp has grown since the last one; then its
 * size is counted. The count is 0 at open, so the first batch of a file never has an entry.
 */
#include "storage/segment.h"

#include "storage/batch_scan.h"

void segment_stage_begin(const struct segment *s, struct segment_stage *g)
{
	ASSERT(s->is_loaded);
	g->tail = s->tail;
	g->offset_count = g->time_count = 0;
	g->batch_count = g->iov_count = 0;
}

static void stage_time_entry(const struct segment *s, struct segment_stage *g)
{
	if (g->tail.largest.timestamp <= g->tail.last_time.timestamp)
		return;
	time_entry_encode(g->time_entries + (size_t)g->time_count++ * TIME_ENTRY_BYTES,
		s->base_offset, g->tail.largest);
	g->tail.last_time = g->tail.largest;
}

void segment_stage_batch(const struct segment *s, struct segment_stage *g, const uint8_t *header,
	uint32_t size)
{
	int64_t last_offset = batch_last_offset(header);

	ASSERT(!segment_stage_is_full(g));
	if (g->tail.size == 0) {
		g->tail.first_timestamp = batch_max_timestamp(header);
		g->tail.knows_first = true;
	}
	if (batch_max_timestamp(header) > g->tail.largest.timestamp)
		g->tail.largest = (struct time_entry){ batch_max_timestamp(header), last_offset };
	if (g->tail.bytes_since_entry > (uint32_t)MAX(s->store->config->index_interval_bytes, 0)) {
		struct offset_entry entry = { last_offset, g->tail.size };
		ASSERT(last_offset > g->tail.last_entry_offset);
		offset_entry_encode(g->offset_entries +
			(size_t)g->offset_count++ * OFFSET_ENTRY_BYTES, s->base_offset, entry);
		g->tail.last_entry_offset = last_offset;
		g->tail.last_entry_pos = g->tail.size;
		stage_time_entry(s, g);
		g->tail.bytes_since_entry = 0;
	}
	g->tail.bytes_since_entry += size;
	g->tail.size += size;
	g->batch_count++;
}

void segment_stage_bytes(struct segment_stage *g, const uint8_t *bytes, uint32_t len)
{
	struct iovec *last = g->iov_count > 0 ? &g->iov[g->iov_count - 1] : NULL;

	if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == bytes) {
		last->iov_len += len;
		return;
	}
	ASSERT(g->iov_count < STAGE_BATCHES_MAX);
	g->iov[g->iov_count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes,
		.iov_len = len };
}

/* The file of an index, at its full size as long as the segment takes appends. */
static enum err reserved_index(struct segment *s, enum segment_part part, struct index_file *x,
	struct log_file **f)
{
	enum err e = segment_file(s, part, f);

	if (e == OK && !x->is_reserved)
		e = index_file_reserve(x, s->store->os, (*f)->fd);
	return e;
}

static enum err write_entries(struct segment *s, const struct segment_stage *g)
{
	struct log_file *f;
	enum err e;

	/* Also without an entry: the first append of a segment creates its .index. */
	if (!s->offsets.is_reserved || g->offset_count > 0) {
		if ((e = reserved_index(s, SEGMENT_OFFSETS, &s->offsets, &f)) != OK)
			return e;
		if (g->offset_count > 0 &&
		    (e = index_file_write(&s->offsets, s->store->os, f->fd, g->offset_entries,
		    	g->offset_count)) != OK)
			return e;
	}
	if (g->time_count == 0)
		return OK;
	if ((e = reserved_index(s, SEGMENT_TIMES, &s->times, &f)) != OK)
		return e;
	return index_file_write(&s->times, s->store->os, f->fd, g->time_entries, g->time_count);
}

static void make_true(struct segment *s, struct segment_stage *g)
{
	s->tail = g->tail;
	s->offsets.count += g->offset_count;
	s->times.count += g->time_count;
	segment_stage_begin(s, g);
}

/* An index is a hint, and a sparser one costs time only. */
static void leave_out_entries(const struct segment *s, struct segment_stage *g)
{
	g->offset_count = g->time_count = 0;
	g->tail.last_entry_offset = s->tail.last_entry_offset;
	g->tail.last_entry_pos = s->tail.last_entry_pos;
	g->tail.last_time = s->tail.last_time;
}

enum err segment_commit_indexes(struct segment *s, struct segment_stage *g)
{
	enum err e = write_entries(s, g);

	if (e == ERR_NO_SPACE) {
		s->is_sparse = true;
		leave_out_entries(s, g);
		e = OK;
	}
	if (e == OK)
		make_true(s, g);
	return e;
}

/*
 * Blocks for what comes next in one piece: who looks for one with each page pays a quarter of a large append for it. Only for a segment that is large already, so that small logs take
 * what they need and no more; and never a reason to fail.
 */
static void allocate_ahead(struct segment *s, os_fd fd, uint32_t end)
{
	if (LIKELY(end <= s->allocated) || end < SEGMENT_AHEAD)
		return;
	int64_t from = MAX(s->allocated, (int64_t)s->tail.size);

	s->allocated = os_allocate(s->store->os, fd, from, end - from + SEGMENT_AHEAD) == OK ? (int64_t)end + SEGMENT_AHEAD : INT64_MAX;
}

enum err segment_give_back_blocks(struct segment *s)
{
	struct log_file *f;
	enum err e;

	if (s->allocated == 0)		/* the file's time stays as it is */
		return OK;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) == OK)
		e = os_ftruncate(s->store->os, f->fd, s->tail.size);
	s->allocated = 0;
	return e;
}

enum err segment_commit(struct segment *s, struct segment_stage *g, bool *is_broken)
{
	struct log_file *f, *held;
	enum err e;

	if (g->batch_count == 0)
		return OK;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	held = log_file_ref(f);
	allocate_ahead(s, f->fd, g->tail.size);
	e = os_pwritev(s->store->os, f->fd, g->iov, g->iov_count, s->tail.size);
	if (LIKELY(e == OK))
		e = write_entries(s, g);
	if (LIKELY(e == OK)) {
		make_true(s, g);
	} else {
		s->allocated = 0;
		*is_broken = os_ftruncate(s->store->os, f->fd, s->tail.size) != OK;
	}
	log_file_unref(&held);
	return e;
}

bool segment_must_roll(const struct segment *s, const struct segment_stage *g, uint32_t set_bytes,
	time_ms set_max_timestamp,
		       int64_t set_last_offset, time_ms now)
{
	const struct topic_config *c = s->store->config;
	uint32_t size = g->tail.size;
	int64_t wait_max = c->segment_ms;

	if ((int64_t)size > (int64_t)c->segment_bytes - set_bytes && size > 0)
		return true;
	if (set_last_offset - s->base_offset > INT32_MAX)
		return true;
	if (s->offsets.count + g->offset_count >= s->offsets.count_max ||
		s->times.count + g->time_count + 1 >= s->times.count_max)
		return size > 0;
	if (size == 0)
		return false;
	if ((c->cleanup_policy & CLEANUP_COMPACT) != 0)
		wait_max = MIN(wait_max, c->max_compaction_lag_ms);
	bool has_time = g->tail.knows_first && g->tail.first_timestamp >= 0;
	int64_t waited;
	if (__builtin_sub_overflow(has_time ? set_max_timestamp : now, has_time
		? g->tail.first_timestamp : s->created, &waited))
		waited = INT64_MIN;	/* what is subtracted is not negative: only backwards can be
					 * that far */
	return waited > wait_max - s->roll_jitter_ms;
}

/* The time entry that closes a segment; the room for it is always kept free. */
static enum err write_final_time_entry(struct segment *s)
{
	struct segment_stage g;
	struct log_file *f;
	enum err e;

	segment_stage_begin(s, &g);
	stage_time_entry(s, &g);
	if (g.time_count == 0)
		return OK;
	if ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK ||
	    (e = index_file_write(&s->times, s->store->os, f->fd, g.time_entries, 1)) != OK)
		return e;
	s->tail.last_time = g.tail.last_time;
	s->times.count++;
	return OK;
}

enum err segment_finish(struct segment *s)
{
	struct log_file *f;
	enum err e;

	if ((e = segment_load(s)) != OK || (e = write_final_time_entry(s)) != OK)
		return e;
	if ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK ||
		(e = index_file_trim(&s->times, s->store->os, f->fd)) != OK)
		return e;
	if ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK ||
	    (e = index_file_trim(&s->offsets, s->store->os, f->fd)) != OK)
		return e;
	return segment_give_back_blocks(s);
}

/* The last entries that remain after an index was cut. */
static enum err reread_last_entries(struct segment *s)
{
	uint8_t entry[INDEX_ENTRY_MAX];
	struct log_file *f;
	enum err e;

	s->tail.last_time = (struct time_entry){ -1, s->base_offset };
	s->tail.last_entry_offset = s->base_offset - 1;
	s->tail.last_entry_pos = 0;
	if (s->offsets.count > 0) {
		if ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK ||
		    (e = index_file_read(&s->offsets, s->store->os, f->fd, s->offsets.count - 1,
		    	entry)) != OK)
			return e;
		struct offset_entry last = offset_entry_decode(entry, s->base_offset);
		s->tail.last_entry_offset = last.offset;
		s->tail.last_entry_pos = last.file_pos;
	}
	if (s->times.count > 0) {
		if ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK ||
		    (e = index_file_read(&s->times, s->store->os, f->fd, s->times.count - 1,
		    	entry)) != OK)
			return e;
		s->tail.last_time = time_entry_decode(entry, s->base_offset);
	}
	s->tail.largest = s->tail.last_time;
	return OK;
}

/* The index alone does not know it after a truncation, or where recovery begins within the segment. */
enum err segment_rescan_largest(struct segment *s)
{
	uint8_t buf[4096];
	struct batch_scan scan;
	struct batch_place place;
	struct log_file *f;
	const uint8_t *header;
	bool is_found;
	int64_t at;
	enum err e;

	if ((e = segment_find(s, s->tail.last_time.offset, &place, &is_found)) != OK || !is_found)
		return e;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	batch_scan_init(&scan, s->store->os, f->fd, place.file_pos, s->tail.size, buf, sizeof(buf));
	while ((e = batch_scan_next(&scan, &header, &at)) == OK) {
		if (batch_max_timestamp(header) > s->tail.largest.timestamp)
			s->tail.largest = (struct time_entry){ batch_max_timestamp(header),
				batch_last_offset(header) };
	}
	return e == ERR_INCOMPLETE ? OK : e;
}

enum err segment_truncate(struct segment *s, uint32_t file_pos, int64_t end_offset)
{
	struct log_file *f;
	uint32_t offset_count = 0, time_count = 0;
	enum err e;

	if ((e = segment_load(s)) != OK)
		return e;
	if ((s->offsets.count > 0 && ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK || (e =
		offset_index_count_below(&s->offsets,
			s->store->os, f->fd, s->base_offset, end_offset, &offset_count)) != OK)) ||
	    (s->times.count > 0 && ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK || (e =
	    	time_index_count_below(&s->times,
			s->store->os, f->fd, s->base_offset, end_offset, &time_count)) != OK)))
		return e;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	log_file_bump_generation(f);
	if ((e = os_ftruncate(s->store->os, f->fd, file_pos)) != OK)
		return e;
	s->tail.size = file_pos;
	s->allocated = 0;
	s->tail.bytes_since_entry = 0;
	s->offsets.count = offset_count;
	s->times.count = time_count;
	if (file_pos == 0)
		s->tail.knows_first = false;
	if ((e = reread_last_entries(s)) != OK || (e = segment_rescan_largest(s)) != OK)
		return e;
	return txn_index_truncate(&s->txns, s->store->os, s->store->dir, end_offset);
}

static enum err cut_index(struct segment *s, enum segment_part part, struct index_file *x)
{
	struct log_file *f;
	enum err e = segment_file(s, part, &f);

	if (e == ERR_NO_SPACE) {	/* it is not there */
		x->count = 0;
		x->is_reserved = false;
		s->is_sparse = true;
		return OK;
	}
	return e == OK ? index_file_trim(x, s->store->os, f->fd) : e;
}

enum err segment_reset_indexes(struct segment *s, uint32_t offset_count, uint32_t time_count)
{
	enum err e;

	s->offsets.count = offset_count;
	s->times.count = time_count;
	s->tail.bytes_since_entry = 0;
	s->is_loaded = true;
	if ((e = cut_index(s, SEGMENT_OFFSETS, &s->offsets)) != OK ||
	    (e = cut_index(s, SEGMENT_TIMES, &s->times)) != OK)
		return e;
	return reread_last_entries(s);
}
