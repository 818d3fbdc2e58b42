/*
 * Appending. All batches of a call that go into one segment form a group: checked one after the
 * other against producer state (a later one sees the earlier), then written with one pwritev, then
 * made true everywhere at once. Whatever fails before that moment takes the whole group back: the
 * file is cut to its old size, staged producer state is rolled back, transaction index entries are
 * dropped; epochs, end and indexes have not been touched yet.
 *
 * In the order of Kafka's own append, visible where a refused batch has rolled the segment: size of
 * the set, roll, producer check.
 */
#include "storage/log_priv.h"

struct group {			/* on the stack of one append call */
	struct segment_stage stage;
	int64_t              end_offset;	/* of the log once it is committed */
	struct aborted_txn   aborted[ABORTED_STAGE_MAX];
	int                  aborted_count;
	struct batch_place   places[RECENT_BATCHES];	/* ring of the newest staged */
	uint32_t             place_count;
	uint32_t             last_mark;
};

static void group_begin(struct log *log, struct group *g)
{
	segment_stage_begin(log_active(log), &g->stage);
	g->end_offset = log->end_offset;
	g->aborted_count = 0;
	g->place_count = 0;
}

static void group_add(struct log *log, struct group *g, const uint8_t *batch, uint32_t size)
{
	g->places[g->place_count++ % RECENT_BATCHES] =
		(struct batch_place){ g->stage.tail.size, size, batch_base_offset(batch),
			batch_last_offset(batch) };
	g->last_mark = batch_mark(batch);
	segment_stage_batch(log_active(log), &g->stage, batch, size);
	segment_stage_bytes(&g->stage, batch, size);
	g->end_offset = batch_last_offset(batch) + 1;
}

static void group_add_aborted(struct group *g, const struct producer_append *a)
{
	ASSERT(g->aborted_count < ABORTED_STAGE_MAX);
	g->aborted[g->aborted_count++] = (struct aborted_txn){ a->producer_id, a->txn_first_offset,
		a->last_offset, a->txn_last_stable_offset };
}

static enum err write_aborted(struct log *log, const struct group *g)
{
	enum err e = OK;

	for (int i = 0; e == OK && i < g->aborted_count; i++)
		e = txn_index_append(&log_active(log)->txns, log->os, log->store.dir,
			&g->aborted[i]);
	if (g->aborted_count > 0) {
		log->has_aborted = true;
		log->is_dir_dirty = true;	/* the first entry creates the file */
	}
	return e;
}

/* OK: all staged batches are in the log. Otherwise none, and the group is empty again. */
static enum err group_commit(struct log *log, struct group *g)
{
	struct segment *s = log_active(log);
	uint32_t bytes = g->stage.tail.size - s->tail.size;
	bool had_index = s->offsets.is_reserved, is_broken = false;
	enum err e;

	if (g->stage.batch_count == 0)
		return OK;
	if ((e = write_aborted(log, g)) == OK)
		e = segment_commit(s, &g->stage, &is_broken);
	if (UNLIKELY(e != OK)) {
		if (g->aborted_count > 0 && txn_index_truncate(&s->txns, log->os, log->store.dir,
			log->end_offset) != OK)
			is_broken = true;
		log->is_broken = log->is_broken || is_broken;
		producer_state_rollback(log->producers);
		group_begin(log, g);
		return e;
	}
	log->is_dir_dirty = log->is_dir_dirty || !had_index;
	producer_state_commit(log->producers);
	producer_state_advance(log->producers, g->end_offset);
	for (uint32_t n = MIN(g->place_count, RECENT_BATCHES), i = g->place_count - n;
		i < g->place_count; i++)
		log_remember_batch(log, &g->places[i % RECENT_BATCHES], g->last_mark);
	log_set_end(log, g->end_offset);
	log->size_bytes += bytes;
	log->bytes_since_snapshot += bytes;
	log_update_first_unstable(log);
	group_begin(log, g);
	return OK;
}

/* --- roll ------------------------------------------------------------------------------------- */

/*
 * New files first, then the snapshot, and the old segment's final entries last: each step that
 * fails for lack of space is undone by removing what is new, and the old segment goes on as the
 * active one.
 */
enum err log_roll_at(struct log *log, int64_t base_offset, time_ms now)
{
	struct segment *old = log_active(log), *s;
	enum err e;

	ASSERT(base_offset >= log->batches_end);
	if (base_offset == old->base_offset)
		return OK;	/* empty, and begins where the new one would */
	if ((e = segment_create(&s, &log->store, base_offset, now)) != OK)
		return e;
	log->is_dir_dirty = true;
	producer_state_advance(log->producers, MAX(base_offset, log->end_offset));
	if ((e = log_write_snapshot(log)) == OK)
		e = segment_finish(old);
	if (e != OK) {
		(void)!segment_retire(&s);	/* the first error is told; the empty files are
						 * swept with the other .deleted ones */
		return e;
	}
	log_add_segment(log, s);
	log_forget_recent(log);
	log->last_batch_pos = -1;
	return OK;
}

enum err log_roll(struct log *log, time_ms now)
{
	if (log->is_broken)
		return ERR_IO;
	if (log_active(log)->tail.size == 0)
		return OK;
	return log_roll_at(log, log->batches_end, now);
}

/*
 * Kafka begins the new segment at the log end, or at the first offset of a fetched set that leaves
 * a gap. Ours begins where the last batch ends: the same but for such gaps, and so a gap between
 * segments always means that something was lost.
 */
static int64_t roll_base(const struct log *log, int64_t first_offset, int64_t last_offset)
{
	return last_offset - log->batches_end > INT32_MAX ? first_offset : log->batches_end;
}

/* Makes room for a set of batches: commits what is staged and begins a new segment when the rules
 * say so. */
static enum err make_room(struct log *log, struct group *g, uint32_t set_bytes,
	time_ms max_timestamp, int64_t first_offset,
			  int64_t last_offset, time_ms now)
{
	struct segment *s = log_active(log);
	enum err e;

	if (UNLIKELY(g->stage.tail.size > 0 && !g->stage.tail.knows_first)) {
		ASSERT(g->stage.batch_count == 0);
		if ((e = segment_learn_first_timestamp(s)) != OK)
			return e;
		segment_stage_begin(s, &g->stage);
	}
	if (!segment_must_roll(s, &g->stage, set_bytes, max_timestamp, last_offset, now))
		return OK;
	if ((e = group_commit(log, g)) != OK ||
		(e = log_roll_at(log, roll_base(log, first_offset, last_offset), now)) != OK)
		return e;
	group_begin(log, g);
	return OK;
}

/* --- leader ----------------------------------------------------------------------------------- */

/* One batch: refused or found to be a duplicate (answered), or staged. An error is the device's. */
static enum err stage_append(struct log *log, struct group *g, struct log_append *a,
	int32_t leader_epoch, time_ms now)
{
	uint8_t *batch = a->batch;
	int64_t base, last;
	struct producer_append p;
	enum err e;

	a->error = NONE;
	a->is_duplicate = false;
	a->max_timestamp = batch_max_timestamp(batch);
	a->base_offset = a->last_offset = -1;
	if (a->batch_bytes > (uint32_t)log->config.segment_bytes) {
		a->error = RECORD_LIST_TOO_LARGE;
		return OK;
	}
	if ((e = make_room(log, g, a->batch_bytes, a->max_timestamp, g->end_offset,
		g->end_offset + batch_last_offset_delta(batch), now)) != OK)
		return e;
	base = g->end_offset;
	last = base + batch_last_offset_delta(batch);
	batch_set_base_offset(batch, base);
	batch_set_leader_epoch(batch, leader_epoch);
	if (batch_has_producer(batch)) {
		producer_append_from_batch(&p, batch, a->batch_bytes, a->is_coordinator
			? PRODUCER_COORDINATOR : PRODUCER_CLIENT);
		a->error = producer_state_stage(log->producers, &p);
		if (a->error != NONE)
			return OK;
		if (p.is_duplicate) {
			a->is_duplicate = true;
			a->base_offset = p.first_base_offset;
			a->last_offset = p.first_last_offset;
			a->max_timestamp = p.first_timestamp;
			return OK;
		}
		if (p.has_ended && p.marker == PRODUCER_MARKER_ABORT)
			group_add_aborted(g, &p);
	}
	a->base_offset = base;
	a->last_offset = last;
	group_add(log, g, batch, a->batch_bytes);
	return OK;
}

static void fail_appends(struct log_append *const *appends, int from, int to)
{
	for (int i = from; i < to; i++) {
		appends[i]->error = KAFKA_STORAGE_ERROR;
		appends[i]->is_duplicate = false;
		appends[i]->base_offset = appends[i]->last_offset = -1;
	}
}

enum err log_append(struct log *log, struct log_append *const *appends, int n, int32_t leader_epoch,
	time_ms now)
{
	struct group g;
	int64_t first_offset = log->end_offset;
	int done = 0;		/* appends before it are in the log or answered for good */
	enum err e = log->is_broken ? ERR_IO : OK;

	ASSERT(n <= LOG_APPEND_MAX);
	if (UNLIKELY(log->owes_files) && e == OK)
		e = log_make_owed_files(log);
	if (leader_epoch != leader_epochs_latest(&log->epochs))
		log_epochs_will_change(log);
	group_begin(log, &g);
	for (int i = 0; e == OK && i < n; i++) {
		if (segment_stage_is_full(&g.stage) || g.aborted_count == ABORTED_STAGE_MAX) {
			if ((e = group_commit(log, &g)) != OK)
				break;
			done = i;
		}
		int64_t end_before = log->end_offset;
		e = stage_append(log, &g, appends[i], leader_epoch, now);
		if (log->end_offset != end_before)
			done = i;	/* a roll has committed all before this one */
	}
	if (e == OK)
		e = group_commit(log, &g);
	if (e != OK)
		fail_appends(appends, done, n);
	if (log->end_offset > first_offset) {
		log_assign_epoch(log, leader_epoch, first_offset);
		enum err late = log_snapshot_if_due(log);
		if (e == OK)
			e = late;
	}
	return e;
}

/* --- follower --------------------------------------------------------------------------------- */

struct set {			/* whole batches that go into one segment together */
	struct slice bytes;
	int64_t      first_offset, last_offset;
	time_ms      max_timestamp;
};

/* Every batch's form, CRC and place, before anything is written. *whole: without the incomplete
 * tail. */
static enum err check_fetched(struct log *log, struct slice batches, struct slice *whole,
	int64_t *first_offset)
{
	struct slice rest = batches, batch;
	int64_t last = -1;
	enum err e;

	while ((e = batch_next(&rest, &batch)) == OK) {
		const uint8_t *b = batch.ptr;
		if (batch_base_offset(b) < 0 || batch_last_offset_delta(b) < 0 ||
			batch_last_offset(b) < batch_base_offset(b) ||
		    !batch_check_crc(batch))
			return ERR_CORRUPT;
		if (batch_leader_epoch(b) != leader_epochs_latest(&log->epochs))
			log_epochs_will_change(log);
		if (last < 0)
			*first_offset = batch_base_offset(b);
		else if (batch_base_offset(b) <= last)
			return ERR_CORRUPT;
		last = batch_last_offset(b);
	}
	if (e != ERR_INCOMPLETE)
		return e;
	*whole = slice_of(batches.ptr, batches.len - rest.len);
	if (last < 0)
		return OK;
	if (*first_offset >= log->end_offset)
		return OK;
	/* An empty log's start may be in the middle of the leader's first batch. */
	return log->start_offset == log->end_offset && last >= log->end_offset ? ERR_OUT_OF_RANGE
		: ERR_CORRUPT;
}

/* As many batches as one segment takes: all of them, as Kafka would have it, unless they are larger
 * than any segment may be. */
static struct set take_set(const struct log *log, struct slice *rest)
{
	struct set set = { .bytes = { rest->ptr, 0 }, .first_offset = -1, .max_timestamp = -1 };
	uint32_t limit = (uint32_t)MAX(log->config.segment_bytes, 1);
	struct slice next = *rest, batch;

	while (batch_next(&next, &batch) == OK) {
		int64_t last = batch_last_offset(batch.ptr);
		if (set.bytes.len > 0 && (set.bytes.len + batch.len > limit ||
			last - set.first_offset > INT32_MAX))
			break;
		if (set.bytes.len == 0)
			set.first_offset = batch_base_offset(batch.ptr);
		set.bytes.len += batch.len;
		set.last_offset = last;
		set.max_timestamp = MAX(set.max_timestamp, batch_max_timestamp(batch.ptr));
		*rest = next;
	}
	return set;
}

static void assign_epochs(struct log *log, struct slice written)
{
	struct slice batch;

	while (batch_next(&written, &batch) == OK)
		log_assign_epoch(log, batch_leader_epoch(batch.ptr), batch_base_offset(batch.ptr));
}

/* What the leader has accepted is not refused here. */
static void stage_fetched(struct log *log, struct group *g, struct slice batch)
{
	struct producer_append p;

	if (batch_has_producer(batch.ptr)) {
		producer_append_from_batch(&p, batch.ptr, batch.len, PRODUCER_REPLICATED);
		if (producer_state_stage(log->producers, &p) == NONE && p.has_ended &&
			p.marker == PRODUCER_MARKER_ABORT)
			group_add_aborted(g, &p);
	}
	group_add(log, g, batch.ptr, (uint32_t)batch.len);
}

static enum err append_set(struct log *log, struct group *g, struct set set, time_ms now)
{
	struct slice rest = set.bytes, batch, piece = { set.bytes.ptr, 0 };
	enum err e = make_room(log, g, (uint32_t)set.bytes.len, set.max_timestamp, set.first_offset,
		set.last_offset, now);

	while (e == OK && batch_next(&rest, &batch) == OK) {
		stage_fetched(log, g, batch);
		piece.len += batch.len;
		if (rest.len > 0 && !segment_stage_is_full(&g->stage) &&
			g->aborted_count < ABORTED_STAGE_MAX)
			continue;
		if ((e = group_commit(log, g)) == OK)
			assign_epochs(log, piece);
		piece = slice_of(rest.ptr, 0);
	}
	return e;
}

enum err log_append_fetched(struct log *log, struct slice batches, time_ms now)
{
	struct group g;
	struct slice whole;
	int64_t first_offset = -1;
	enum err e;

	if (log->is_broken)
		return ERR_IO;
	e = check_fetched(log, batches, &whole, &first_offset);
	if (e == ERR_OUT_OF_RANGE)
		e = log_truncate_fully_and_start_at(log, first_offset);
	if (e == OK && log->owes_files)
		e = log_make_owed_files(log);
	if (e != OK)
		return e;
	group_begin(log, &g);
	while (e == OK && whole.len > 0)
		e = append_set(log, &g, take_set(log, &whole), now);
	if (e == OK)
		e = log_snapshot_if_due(log);
	return e;
}
