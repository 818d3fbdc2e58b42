/*
 * Random operations on a log over a simulated disk, against a model that is a plain array of
 * batches; crashes at random points, by kill and by power cut, with restarts on a full disk; after each restart the log is a
 * prefix of what was written, holds all that was promised, and everything derived (indexes,
 * producers, epochs, transactions) says what the batches say.
 */
#include "log_kit.h"
#include "os/sim.h"
#include "seed_range.h"

#define SEEDS        1500
#define OPS          60		/* per seed, restarts included */
#define BATCHES_MAX  600
#define PRODUCERS    3

struct model_batch {
	int64_t  base, last;
	time_ms  time;
	uint32_t size, crc;
	int32_t  epoch;
	int64_t  producer_id;		/* -1 */
	int32_t  sequence;
	bool     is_transactional, is_marker, is_abort;
};

struct model_producer {
	int32_t next_sequence;
	bool    in_txn;
};

struct model {
	struct model_batch batches[BATCHES_MAX];
	int     count;
	int64_t start, end;		/* of the log */
	int64_t low;			/* first offset of segments that have not been removed:
					 * batches below may be gone */
	int64_t synced;			/* promised to survive a power cut */
	int64_t high_watermark;
	int32_t epoch;
	struct model_producer producers[PRODUCERS];
};

struct world {
	uint64_t       random;
	struct sim_os *machine;
	struct kit     k;
	struct model   m;
	struct log_progress_mark mark;	/* as the log directory would have written it */
	int64_t        least_end;	/* of the operation that is under way: what a crash in it
					 * leaves at least */
	int            crashes, resumed;
	bool           owes_indexes;		/* the last start had no room for all of them */
	int            full_starts, refused;	/* opened on a full disk; of them, not before there was room */
	bool           has_restarted;		/* or reloaded its producers */
	bool           is_truncating;
	time_ms        now;
};

static bool is_traced;
/* With SKEIN_SEED set: the story of that seed. */
static void tell(struct world *w, const char *what)
{
	if (is_traced)
		fprintf(stderr, "%-14s start %lld end %lld hw %lld synced %lld epoch %d segments %d%s\n", what, (long long)w->m.start,
			(long long)w->m.end, (long long)w->m.high_watermark, (long long)w->m.synced,
				w->m.epoch,
			w->k.log != NULL ? log_segment_count(w->k.log) : 0, sim_is_dead(w->machine)
				? ", dies" : "");
}

static uint64_t draw(struct world *w, uint64_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % n;
}

/* What the producers would go on with, from the batches alone. */
static void rebuild_producers(struct model *m)
{
	memset(m->producers, 0, sizeof(m->producers));
	for (int i = 0; i < m->count; i++) {
		struct model_batch *b = &m->batches[i];
		if (b->producer_id < 0)
			continue;
		struct model_producer *p = &m->producers[b->producer_id];
		if (b->is_marker) {
			p->in_txn = false;
			continue;
		}
		p->next_sequence = b->sequence + (int32_t)(b->last - b->base) + 1;
		p->in_txn = b->is_transactional;
	}
}

/* with_completed: transactions whose marker is not replicated yet hold it back too. */
static int64_t model_stable(const struct model *m, bool with_completed)
{
	int64_t first = INT64_MAX;
	int64_t open[PRODUCERS];

	for (int p = 0; p < PRODUCERS; p++)
		open[p] = -1;
	for (int i = 0; i < m->count; i++) {
		const struct model_batch *b = &m->batches[i];
		if (b->producer_id < 0)
			continue;
		if (b->is_marker) {
			if (with_completed && open[b->producer_id] >= 0 &&
				b->base >= m->high_watermark)
				first = MIN(first, open[b->producer_id]);
			open[b->producer_id] = -1;
		} else if (b->is_transactional && open[b->producer_id] < 0) {
			open[b->producer_id] = b->base;
		}
	}
	for (int p = 0; p < PRODUCERS; p++)
		if (open[p] >= 0)
			first = MIN(first, open[p]);
	return MIN(MAX(first, m->start), m->high_watermark);
}

/* --- operations ------------------------------------------------------------------------------- */

/* A batch that the model would accept next from a random producer, or from none. */
static struct slice random_batch(struct world *w, struct model_batch *b)
{
	static const char text[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789";
	struct batch_spec spec = BATCH_SPEC_INIT;
	int n = 1 + (int)draw(w, 4);

	*b = (struct model_batch){ .producer_id = (int64_t)draw(w, PRODUCERS + 1) - 1,
		.sequence = -1 };
	/* A producer without time would expire at the next restart. */
	b->time = b->producer_id < 0 && draw(w, 5) == 0 ? -1
		: 1700000000000 + (int64_t)draw(w, 2000);
	if (b->producer_id >= 0) {
		struct model_producer *p = &w->m.producers[b->producer_id];
		b->is_transactional = p->in_txn || draw(w, 3) == 0;
		b->sequence = p->next_sequence;
		spec.producer_id = b->producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = b->sequence;
		spec.is_transactional = b->is_transactional;
	}
	struct slice bytes = make_batch(&spec, n, b->time, text + draw(w, sizeof(text) - 1));
	b->size = (uint32_t)bytes.len;
	b->last = n - 1;	/* relative until it is appended */
	return bytes;
}

static struct slice random_marker(struct world *w, struct model_batch *b)
{
	static struct strbuf out;
	int64_t id = (int64_t)draw(w, PRODUCERS);
	struct marker m = { draw(w, 2) == 0 ? MARKER_ABORT : MARKER_COMMIT, id, 0, 0,
		1700000000000 + (int64_t)draw(w, 2000) };

	strbuf_reset(&out);
	struct slice bytes = marker_build(&m, &out);
	*b = (struct model_batch){ .time = m.timestamp, .size = (uint32_t)bytes.len,
		.producer_id = id, .sequence = -1, .is_transactional = true,
				   .is_marker = true, .is_abort = m.type == MARKER_ABORT };
	return bytes;
}

static void model_add(struct world *w, struct model_batch b, const uint8_t *stored)
{
	struct model *m = &w->m;

	ck_assert_int_lt(m->count, BATCHES_MAX);
	b.base = m->end;
	b.last += m->end;
	b.epoch = m->epoch;
	b.crc = batch_crc(stored);
	m->batches[m->count++] = b;
	m->end = b.last + 1;
	if (b.producer_id < 0)
		return;
	if (b.is_marker) {
		m->producers[b.producer_id].in_txn = false;
	} else {
		m->producers[b.producer_id].in_txn = b.is_transactional;
		m->producers[b.producer_id].next_sequence =
			b.sequence + (int32_t)(b.last - b.base) + 1;
	}
}

/* One call with one to three batches; the model has them before the call, so that a crash inside
 * finds them known. */
static void do_append(struct world *w)
{
	struct log_append appends[3], *list[3];
	int n = 1 + (int)draw(w, 3), from = w->m.count;

	w->least_end = w->m.end;
	if (w->m.count + n > BATCHES_MAX)
		return;
	for (int i = 0; i < n; i++) {
		struct model_batch b;
		bool is_marker = draw(w, 5) == 0;
		struct slice bytes = is_marker ? random_marker(w, &b) : random_batch(w, &b);
		static struct strbuf kept[3];
		strbuf_reset(&kept[i]);
		strbuf_add_slice(&kept[i], bytes);
		appends[i] = (struct log_append){ .batch = (uint8_t *)kept[i].ptr,
			.batch_bytes = (uint32_t)bytes.len, .is_coordinator = is_marker };
		list[i] = &appends[i];
		model_add(w, b, bytes.ptr);
	}
	enum err e = log_append(w->k.log, list, n, w->m.epoch, w->now);
	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(appends[i].error, NONE);
		ck_assert(!appends[i].is_duplicate);
		ck_assert_int_eq(appends[i].base_offset, w->m.batches[from + i].base);
	}
}

static void do_fetched(struct world *w)
{
	struct strbuf set = STRBUF_INIT;
	int n = 1 + (int)draw(w, 4);

	w->least_end = w->m.end;
	if (w->m.count + n > BATCHES_MAX)
		return;
	w->m.epoch += draw(w, 4) == 0;
	for (int i = 0; i < n; i++) {
		struct model_batch b;
		struct slice bytes = draw(w, 5) == 0 ? random_marker(w, &b) : random_batch(w, &b);
		uint8_t *p = (uint8_t *)(uintptr_t)bytes.ptr;
		if (draw(w, 8) == 0)
			w->m.end += 1 + (int64_t)draw(w, 3);	/* compaction on the leader */
		batch_set_base_offset(p, w->m.end);
		batch_set_leader_epoch(p, w->m.epoch);
		strbuf_add_slice(&set, bytes);
		model_add(w, b, p);
	}
	enum err e = log_append_fetched(w->k.log, strbuf_slice(&set), w->now);
	strbuf_fini(&set);
	if (!sim_is_dead(w->machine))
		ck_assert_int_eq(e, OK);
}

/* A retry of one of a producer's last five batches is found, at whatever side of a crash. */
static void check_retries(struct world *w)
{
	int seen[PRODUCERS] = { 0 };

	for (int i = w->m.count - 1; i >= 0; i--) {
		struct model_batch *b = &w->m.batches[i];
		if (b->producer_id < 0 || b->is_marker || b->base < w->m.low ||
			++seen[b->producer_id] > 5)
			continue;
		struct batch_spec spec = BATCH_SPEC_INIT;
		spec.producer_id = b->producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = b->sequence;
		spec.is_transactional = b->is_transactional;
		struct slice bytes = make_batch(&spec, (int)(b->last - b->base) + 1, b->time, "x");
		struct log_append a = { .batch = (uint8_t *)(uintptr_t)bytes.ptr,
			.batch_bytes = (uint32_t)bytes.len }, *list[] = { &a };
		enum err e = log_append(w->k.log, list, 1, w->m.epoch, w->now);
		if (sim_is_dead(w->machine))
			return;		/* a duplicate may roll the segment */
		ck_assert_int_eq(e, OK);
		ck_assert_msg(a.error == NONE && a.is_duplicate,
			"retry of %lld (%d newest) is taken: error %d", (long long)b->base,
			      seen[b->producer_id], a.error);
		ck_assert_int_eq(a.base_offset, b->base);
		ck_assert_int_eq(a.last_offset, b->last);
	}
}

static void truncate_model(struct model *m, int64_t to)
{
	while (m->count > 0 && m->batches[m->count - 1].last >= to)
		m->count--;
	m->end = to;
	m->start = MIN(m->start, to);
	m->low = MIN(m->low, to);
	m->synced = MIN(m->synced, to);
	m->high_watermark = MIN(m->high_watermark, to);
	rebuild_producers(m);
}

static void checkpoint(struct world *w)
{
	w->k.spec.recovery_point = log_recovery_point(w->k.log);
	w->k.spec.high_watermark = log_high_watermark(w->k.log);
	w->k.spec.log_start_offset = log_start_offset(w->k.log);
}

static void do_truncate(struct world *w)
{
	int64_t to = w->m.end - (int64_t)draw(w, 12);

	w->least_end = w->m.end;
	if (to < w->m.low || to < w->m.start)
		return;
	w->least_end = MIN(to, w->m.end);
	/* The checkpoint of the recovery point follows before anything is appended; until then the
	 * old one stands. */
	w->m.synced = MIN(w->m.synced, to);
	w->is_truncating = true;
	enum err e = log_truncate_to(w->k.log, to);
	if (sim_is_dead(w->machine))
		return;
	w->is_truncating = false;
	ck_assert_int_eq(e, OK);
	if (to < w->m.end) {
		truncate_model(&w->m, to);
		w->has_restarted = true;
	}
	ck_assert_int_eq(log_end_offset(w->k.log), w->m.end);
	w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, log_recovery_point(w->k.log));
	w->k.spec.high_watermark = MIN(w->k.spec.high_watermark, w->m.high_watermark);
	w->m.epoch++;
	ck_assert_int_eq(log_begin_epoch(w->k.log, w->m.epoch), OK);
}

static void do_flush(struct world *w)
{
	struct log_flush f;

	w->least_end = w->m.end;
	if (!log_flush_begin(w->k.log, &f))
		return;
	if (draw(w, 2) == 0)
		do_append(w);		/* while the worker has it */
	log_flush_run(&f);
	enum err e = log_flush_end(w->k.log, &f);
	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	w->m.synced = MAX(w->m.synced, log_synced_offset(w->k.log));
	ck_assert_int_le(w->m.synced, w->m.end);
}

static void do_start(struct world *w)
{
	w->least_end = w->m.end;
	if (w->m.high_watermark <= w->m.start)
		return;
	int64_t to = w->m.start + (int64_t)draw(w,
		(uint64_t)(w->m.high_watermark - w->m.start) + 1);
	int removed;
	enum err e;
	if (draw(w, 2) == 0) {		/* retention chooses where */
		struct topic_config config = *log_config(w->k.log);

		config.retention_bytes = (int64_t)draw(w, (uint64_t)log_size_bytes(w->k.log) + 1);
		config.retention_ms = -1;
		log_set_config(w->k.log, &config);
		e = log_retain(w->k.log, w->k.spec.now, &removed);
		to = log_start_offset(w->k.log);
	} else {
		ck_assert_int_eq(log_raise_start_offset(w->k.log, to), OK);
		e = log_remove_segments_below_start(w->k.log, &removed);
	}
	w->m.start = to;
	w->k.spec.log_start_offset = to;
	w->m.low = to;
	if (!sim_is_dead(w->machine))
		ck_assert_int_eq(e, OK);
}

/* --- checks ----------------------------------------------------------------------------------- */

static const struct model_batch *model_find(const struct model *m, int64_t offset)
{
	for (int i = 0; i < m->count; i++)
		if (m->batches[i].last >= offset)
			return &m->batches[i];
	return NULL;
}

/* Every batch from the start, one read each. */
static void check_content(struct world *w)
{
	struct log *log = w->k.log;
	struct log_range r;
	int32_t epoch;

	for (int64_t at = w->m.start;;) {
		const struct model_batch *b = model_find(&w->m, at);
		ck_assert_int_eq(log_read(log, at, log_end_offset(log), 1, true, &r), OK);
		if (b == NULL) {
			ck_assert_ptr_null(r.file);
			break;
		}
		ck_assert_msg(r.file != NULL, "batch %lld is lost", (long long)b->base);
		ck_assert_int_eq(r.first_batch_offset, b->base);
		ck_assert_uint_eq(r.first_batch_bytes, b->size);
		epoch = log_epoch_at(log, MAX(b->base, w->m.start));
		ck_assert_msg(epoch == b->epoch, "epoch at %lld: %d, should be %d",
			(long long)b->base, epoch, b->epoch);
		struct slice bytes = take_range(&w->k, &r);
		ck_assert_uint_eq(batch_crc(bytes.ptr), b->crc);
		ck_assert(batch_check_crc(bytes));
		ck_assert_int_eq(batch_leader_epoch(bytes.ptr), b->epoch);
		free((void *)(uintptr_t)bytes.ptr);
		at = b->last + 1;
	}
}

static void check_times(struct world *w)
{
	time_ms target = 1700000000000 + (int64_t)draw(w, 2100), max = -1;
	struct log_time_offset found;
	int64_t want = -1;

	for (int i = 0; i < w->m.count; i++) {
		struct model_batch *b = &w->m.batches[i];
		if (b->last < w->m.start)
			continue;
		if (want < 0 && b->time >= target)
			want = MAX(b->base, w->m.start);
		max = MAX(max, b->time);
	}
	found = look_up(w->k.log, target);
	ck_assert_msg(found.offset == want, "time %lld: offset %lld, should be %lld",
		(long long)target, (long long)found.offset, (long long)want);
	found = look_up(w->k.log, LOG_TIME_LARGEST);
	if (w->m.low == 0)
		ck_assert_int_eq(found.timestamp, max);
}

/* Aborted transactions of the whole log, as the batches tell. */
static void check_aborted(struct world *w)
{
	struct log_aborted found[BATCHES_MAX];
	int64_t open[PRODUCERS];
	int n = log_aborted_transactions(w->k.log, 0, w->m.end, found, BATCHES_MAX), want = 0;

	if (w->m.low > 0)
		return;		/* markers may be gone with their segments */
	for (int p = 0; p < PRODUCERS; p++)
		open[p] = -1;
	for (int i = 0; i < w->m.count; i++) {
		struct model_batch *b = &w->m.batches[i];
		if (b->producer_id < 0)
			continue;
		if (!b->is_marker) {
			if (b->is_transactional && open[b->producer_id] < 0)
				open[b->producer_id] = b->base;
			continue;
		}
		if (b->is_abort && open[b->producer_id] >= 0) {
			ck_assert_int_lt(want, n);
			ck_assert_int_eq(found[want].producer_id, b->producer_id);
			ck_assert_int_eq(found[want].first_offset, open[b->producer_id]);
			want++;
		}
		open[b->producer_id] = -1;
	}
	ck_assert_int_eq(n, want);
}

static void check_all(struct world *w)
{
	check_content(w);
	check_times(w);
	check_aborted(w);
	if (w->m.low > 0)
		return;
	/* As in Kafka, a snapshot does not know of completed transactions: after a restart they may
	 * hold nothing back. */
	ck_assert_int_ge(log_last_stable_offset(w->k.log), model_stable(&w->m, true));
	ck_assert_int_le(log_last_stable_offset(w->k.log), model_stable(&w->m, !w->has_restarted));
}

/* --- restart ---------------------------------------------------------------------------------- */

static void set_room(struct world *w, unsigned lacking_per_million)
{
	sim_fail_often(w->machine, SIM_WRITE, "/data", lacking_per_million, ERR_NO_SPACE);
	sim_fail_often(w->machine, SIM_NAME, "/data", lacking_per_million, ERR_NO_SPACE);
}

/* One in four on a disk that is full, or nearly: until set_room(w, 0). */
static void reopen(struct world *w, bool is_clean)
{
	w->k.spec.had_clean_shutdown = is_clean;
	w->k.spec.mark = w->mark;
	w->k.spec.now = w->now;
	unsigned lacking = draw(w, 4) != 0 ? 0 : draw(w, 2) == 0 ? 1000000 : 300000;
	set_room(w, lacking);
	enum err e = log_open(&w->k.log, &w->k.spec, &w->k.recovery);
	if (e == ERR_NO_SPACE && lacking > 0 && !sim_is_dead(w->machine)) {	/* what it could not do without: nothing is lost by trying */
		int32_t deleted = w->k.recovery.segments_deleted;

		set_room(w, 0);
		e = log_open(&w->k.log, &w->k.spec, &w->k.recovery);
		w->k.recovery.segments_deleted += deleted;	/* the log may have begun anew in the first attempt */
		w->refused++;
	}
	w->full_starts += lacking > 0;
	w->owes_indexes = lacking > 0;
	if (sim_is_dead(w->machine))
		return;
	ck_assert_msg(e == OK, "open: %s", err_name(e));
	/* The checkpoint is written once all logs are open, before anything is appended. */
	w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, log_recovery_point(w->k.log));
	if (!w->mark.is_valid || draw(w, 2) == 0)
		log_progress(w->k.log, &w->mark);	/* else the one from before stands until the
							 * next is due */
	w->has_restarted = true;
}

/* The log decides how much of the model has survived; the model follows it within what is
 * allowed. */
static void adopt_end(struct world *w, int64_t least)
{
	int64_t end = log_end_offset(w->k.log);
	struct model *m = &w->m;
	int keep = 0;

	while (keep < m->count && m->batches[keep].last < end)
		keep++;
	/* What is promised counts in batches: an end behind the last batch need not survive. */
	for (int i = keep; i < m->count; i++)
		ck_assert_msg(m->batches[i].last >= least,
			"batch %lld is lost; the log ends at %lld, should reach %lld",
			(long long)m->batches[i].base,
			      (long long)end, (long long)least);
	ck_assert_int_le(end, m->end);
	/* All that was left lay below the log start, or nothing of it was ever on the device, its
	 * directory included: the log began anew there, and with it its producers. */
	if ((w->k.recovery.segments_deleted > 0 || m->synced == 0) &&
		log_size_bytes(w->k.log) == 0 && log_producers(w->k.log, NULL, 0) == 0)
		keep = 0;
	m->count = keep;
	m->end = end;
	m->start = log_start_offset(w->k.log);
	m->low = MIN(MAX(m->low, m->start), end);
	m->synced = MIN(m->synced, end);
	m->high_watermark = log_high_watermark(w->k.log);
	m->epoch++;
	rebuild_producers(m);
}

static void crash(struct world *w, enum sim_crash kind)
{
	bool was_dead = sim_is_dead(w->machine);
	int64_t least = kind == SIM_CRASH_POWER
		? MIN(w->m.synced, was_dead ? w->least_end : INT64_MAX) : was_dead ? w->least_end
		: w->m.end;

	log_close(&w->k.log);
	sim_crash_after_ops(w->machine, 0);
	sim_crash(w->machine, kind);
	if (kind == SIM_CRASH_POWER)
		w->mark.is_valid = false;	/* another boot id */
	bool has_mark = w->mark.is_valid;
	reopen(w, false);
	w->crashes++;
	w->resumed += has_mark;
	tell(w, kind == SIM_CRASH_POWER ? "POWER CUT" : has_mark ? "KILL, mark" : "KILL");
	adopt_end(w, least);
	check_all(w);
	set_room(w, 0);
	check_retries(w);
	ck_assert_int_eq(log_begin_epoch(w->k.log, w->m.epoch), OK);
	/* A truncation that was killed before its sync: a power cut could still bring back the old
	 * tail, a log that once was. The model knows one history only, so all of this one is made
	 * durable. */
	if (w->is_truncating) {
		ck_assert_int_eq(log_close_clean(w->k.log), OK);
		w->m.synced = w->m.end;
		w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, w->m.end);
		log_close(&w->k.log);
		reopen(w, true);
		set_room(w, 0);
		adopt_end(w, w->m.end);
		ck_assert_int_eq(log_begin_epoch(w->k.log, w->m.epoch), OK);
	}
	w->is_truncating = false;
}

static void do_clean_restart(struct world *w)
{
	bool owes_indexes = w->owes_indexes;

	w->least_end = w->m.end;
	enum err e = log_close_clean(w->k.log);
	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	w->m.synced = w->m.end;
	checkpoint(w);
	log_close(&w->k.log);
	reopen(w, true);
	if (sim_is_dead(w->machine))
		return;
	ck_assert(owes_indexes || w->k.recovery.bytes_scanned == 0);
	tell(w, "clean restart");
	adopt_end(w, w->m.end);
	check_all(w);
	set_room(w, 0);
	ck_assert_int_eq(log_begin_epoch(w->k.log, w->m.epoch), OK);
}

static void step(struct world *w)
{
	static const char *const names[20] = { "append", "append", "append", "append", "append",
		"append", "fetched", "fetched", "fetched", "flush",
		"flush", "watermark", "watermark", "truncate", "mark", "mark", "checkpoint",
			"start", "roll", "check" };
	int what = (int)draw(w, 20);

	w->least_end = w->m.end;
	switch (what) {
	case 0: case 1: case 2: case 3: case 4: case 5:
		do_append(w);
		break;
	case 6: case 7: case 8:
		do_fetched(w);
		break;
	case 9: case 10:
		do_flush(w);
		break;
	case 11: case 12:
		w->m.high_watermark += (int64_t)draw(w,
			(uint64_t)(w->m.end - w->m.high_watermark) + 1);
		log_set_high_watermark(w->k.log, w->m.high_watermark);
		break;
	case 13:
		do_truncate(w);
		break;
	case 14: case 15:
		log_progress(w->k.log, &w->mark);
		break;
	case 16:
		checkpoint(w);
		break;
	case 17:
		if (draw(w, 4) == 0)
			do_start(w);
		break;
	case 18:
		if (log_roll(w->k.log, w->now) != OK)
			ck_assert(sim_is_dead(w->machine));
		break;
	case 19:
		check_all(w);
		check_retries(w);
		break;
	}
	tell(w, names[what]);
}

static int full_starts, refused;

static void run_seed(uint64_t seed, int *crashes, int *resumed)
{
	struct world w = { .random = seed * 2654435761u + 17, .now = 1700000000000 };

	w.machine = sim_create(NULL, "m", seed);
	sim_set_fd_percent(w.machine, (int)(seed % 3 * 50));
	kit_init(&w.k, sim_os(w.machine), "/data", "t-0");
	ck_assert_int_eq(os_fsync_dir(w.k.os, "/"), OK);
	w.k.config.segment_bytes = 400 + (int32_t)draw(&w, 3000);
	w.k.config.index_interval_bytes = (int32_t)draw(&w, 3) * 150;
	w.k.config.segment_index_bytes = draw(&w, 4) == 0 ? 48 : 1200;
	kit_open(&w.k);
	log_progress(w.k.log, &w.mark);
	ck_assert_int_eq(log_begin_epoch(w.k.log, 0), OK);
	for (int op = 0; op < OPS; op++) {
		if (draw(&w, 6) == 0)
			sim_crash_after_ops(w.machine, 1 + draw(&w, 12));
		if (draw(&w, 30) == 0)
			do_clean_restart(&w);
		else
			step(&w);
		if (w.k.log != NULL)
			ck_assert(!log_release_spare_files(w.k.log));
		if (sim_is_dead(w.machine) || draw(&w, 12) == 0)
			crash(&w, draw(&w, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER);
	}
	*crashes += w.crashes;
	*resumed += w.resumed;
	full_starts += w.full_starts;
	refused += w.refused;
	log_close(&w.k.log);
	sim_destroy(&w.machine);
}

START_TEST(random_operations_and_crashes)
{
	struct seed_range range = seed_range_begin(SEEDS);
	int crashes = 0, resumed = 0;
	mono_ms begun = os_mono_ms(os_real());

	is_traced = range.is_one;
	for (seed_now = range.from; seed_now < range.from + range.count; seed_now++)
		run_seed(seed_now, &crashes, &resumed);
	seed_now = 0;
	mono_ms took = os_mono_ms(os_real()) - begun;
	printf("%llu seeds, %d crashes (%d resumed from a mark), %d starts on a full disk (%d had to wait for room), %.1f seeds/s\n",
		(unsigned long long)range.count, crashes, resumed, full_starts, refused,
	       (double)range.count * 1000 / (double)MAX(took, 1));
	ck_assert(!range.is_usual || crashes >= 10000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log_crash");
	TCase *t = tcase_create("log_crash");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, random_operations_and_crashes);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
