/*
 * Compaction against a model, on a simulated disk: random batches (keys, null values and keys, every codec, transactions that commit and abort,
 * several producers), passes of the cleaner in small slices
 * with appends in between, kills and power cuts at any operation.
 *
 * The model is the whole history. What a completed pass leaves is foretold record by record: the newest of each key, tombstones until their horizon,
 * nothing that was aborted. After a crash anywhere in a
 * pass the log is between the two, and what its readers see, the newest value of each key, is what it always was; the next pass is foretold again.
 */
#include "log_kit.h"
#include "seed_range.h"
#include "os/sim.h"
#include "record/record.h"
#include "storage/log_clean.h"

#define SEEDS        1200
#define OPS          150
#define BATCHES_MAX  500
#define RECORDS_MAX  2000
#define PRODUCERS    3
#define KEYS         12
#define RETENTION_MS 1000

struct model_record {
	int64_t offset;
	int     key, batch;		/* key -1: null */
	bool    has_value, is_present;
	time_ms time;
};

struct model_batch {
	int64_t base, last, producer_id, horizon;	/* -1 */
	int32_t sequence;
	bool    is_transactional, is_marker, is_abort, is_aborted, is_open;
};

struct world {
	uint64_t            random;
	struct sim_os      *machine;
	struct kit          k;
	struct model_batch  batches[BATCHES_MAX];
	struct model_record records[RECORDS_MAX];
	int                 batch_count, record_count;
	int32_t             next_sequence[PRODUCERS];
	int64_t             end, synced, cleaned, committed;	/* cleaned: no pass that was ever begun reaches beyond; committed: is not cut */
	struct log_progress_mark mark;
	struct log_clean   *pass;
	time_ms             now, pass_now;
	int64_t             pass_end;
	bool                is_truncating;		/* killed there, a power cut may yet bring back what was cut: a history that the model does not know */
	int                 passes, crashes, crashes_in_pass, dropped;
};

static bool is_traced;
static void tell(struct world *w, const char *what)
{
	if (is_traced)
		fprintf(stderr, "%-10s end %lld synced %lld dirty %lld segments %d%s%s\n", what, (long long)w->end, (long long)w->synced,
			w->k.log != NULL ? (long long)log_dirty_offset(w->k.log) : -9, w->k.log != NULL ? log_segment_count(w->k.log) : 0,
			w->pass != NULL ? ", in a pass" : "", sim_is_dead(w->machine) ? ", dies" : "");
}

static uint64_t draw(struct world *w, uint64_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % n;
}

/* --- the history ------------------------------------------------------------------------------ */

static void key_text(int key, char out[16])
{
	snprintf(out, 16, "key-%d", key);
}

static void value_text(int64_t offset, char out[64])
{
	snprintf(out, 64, "value of %lld %.*s", (long long)offset, (int)(offset % 30), "..............................");
}

static bool is_in_txn(const struct world *w, int64_t producer_id)
{
	for (int i = w->batch_count - 1; i >= 0; i--) {
		if (w->batches[i].producer_id == producer_id)
			return w->batches[i].is_open;
	}
	return false;
}

static struct slice data_batch(struct world *w, struct model_batch *b, struct strbuf *out, struct compressor *compressor)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct slice batch;
	int n = 1 + (int)draw(w, 4);

	*b = (struct model_batch){ .base = w->end, .last = w->end + n - 1, .producer_id = (int64_t)draw(w, PRODUCERS + 1) - 1, .sequence = -1, .horizon = -1 };
	spec.codec = (enum codec)draw(w, CODEC_COUNT);
	spec.level = spec.codec == CODEC_ZSTD ? LEVEL_DEFAULT_ZSTD : spec.codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_GZIP;
	if (b->producer_id >= 0) {
		b->sequence = w->next_sequence[b->producer_id];
		b->is_transactional = b->is_open = is_in_txn(w, b->producer_id) || draw(w, 3) == 0;
		spec.producer_id = b->producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = b->sequence;
		spec.is_transactional = b->is_transactional;
		w->next_sequence[b->producer_id] += n;
	}
	batch_build_begin(&builder, &spec, compressor, out, 1 << 20);
	for (int i = 0; i < n; i++) {
		struct model_record *r = &w->records[w->record_count++];
		char key[16], value[64];

		*r = (struct model_record){ w->end + i, draw(w, 20) == 0 ? -1 : (int)draw(w, KEYS), w->batch_count, draw(w, 4) != 0, true, w->now + (time_ms)draw(w, 50) };
		key_text(r->key, key);
		value_text(r->offset, value);
		batch_build_add(&builder, r->time, r->key < 0 ? SLICE_NULL : slice_str(key), r->has_value ? slice_str(value) : SLICE_NULL, NULL, 0);
	}
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	return batch;
}

static struct slice marker_batch(struct world *w, struct model_batch *b, struct strbuf *out)
{
	struct marker m = { draw(w, 2) == 0 ? MARKER_ABORT : MARKER_COMMIT, (int64_t)draw(w, PRODUCERS), 0, 0, w->now };

	*b = (struct model_batch){ .base = w->end, .last = w->end, .producer_id = m.producer_id, .sequence = -1, .is_transactional = true, .is_marker = true,
		.is_abort = m.type == MARKER_ABORT, .horizon = -1 };
	return marker_build(&m, out);
}

/* The history as it is after what was cut. */
static void settle_txns(struct world *w)
{
	bool open[PRODUCERS] = { false };

	memset(w->next_sequence, 0, sizeof(w->next_sequence));
	for (int i = 0; i < w->batch_count; i++) {
		struct model_batch *b = &w->batches[i];
		if (b->producer_id < 0)
			continue;
		if (!b->is_marker)
			w->next_sequence[b->producer_id] = b->sequence + (int32_t)(b->last - b->base) + 1;
		for (int k = i - 1; b->is_marker && open[b->producer_id] && k >= 0; k--) {
			struct model_batch *of = &w->batches[k];
			if (of->producer_id != b->producer_id)
				continue;
			if (of->is_marker || !of->is_transactional)
				break;
			of->is_aborted = b->is_abort;
		}
		open[b->producer_id] = !b->is_marker && b->is_transactional;
		b->is_open = open[b->producer_id];
	}
}

static void cut_history(struct world *w, int64_t to)
{
	while (w->batch_count > 0 && w->batches[w->batch_count - 1].last >= to)
		w->batch_count--;
	while (w->record_count > 0 && w->records[w->record_count - 1].batch >= w->batch_count)
		w->record_count--;
	w->end = to;
	w->synced = MIN(w->synced, to);
	for (int i = 0; i < w->batch_count; i++)
		w->batches[i].is_aborted = false;
	settle_txns(w);
}

static void do_append(struct world *w)
{
	static struct strbuf out;
	static struct compressor *compressor;
	struct model_batch b;
	bool is_marker = draw(w, 5) == 0;

	if (w->batch_count == BATCHES_MAX || w->record_count + 4 > RECORDS_MAX)
		return;
	if (compressor == NULL)
		compressor = compressor_create();
	strbuf_reset(&out);
	struct slice bytes = is_marker ? marker_batch(w, &b, &out) : data_batch(w, &b, &out, compressor);
	w->batches[w->batch_count++] = b;
	w->end = b.last + 1;
	settle_txns(w);
	struct log_append a = { .batch = (uint8_t *)(uintptr_t)bytes.ptr, .batch_bytes = (uint32_t)bytes.len, .is_coordinator = is_marker }, *list[] = { &a };
	enum err e = log_append(w->k.log, list, 1, 0, w->now);
	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	ck_assert_int_eq(a.error, NONE);
	ck_assert_int_eq(a.base_offset, b.base);
}

/* --- what the log holds ----------------------------------------------------------------------- */

struct seen {				/* walking a log as a consumer does */
	struct log_aborted aborted[BATCHES_MAX];
	int                aborted_count;
	bool               aborting[PRODUCERS];
	int64_t            newest[KEYS];	/* offset of the last committed record of the key that was met; -1 */
	bool               has_value[KEYS];
	bool               present[RECORDS_MAX];	/* by number in the history, in any kind of batch */
	int64_t            horizon[BATCHES_MAX];	/* of batches by number; -2: not there */
	bool               is_empty[BATCHES_MAX];
};

static int record_at(const struct world *w, int64_t offset)
{
	for (int i = 0; i < w->record_count; i++)
		if (w->records[i].offset == offset)
			return i;
	return -1;
}

static int batch_at(const struct world *w, int64_t base)
{
	for (int i = 0; i < w->batch_count; i++)
		if (w->batches[i].base == base)
			return i;
	return -1;
}

static void see_record(struct world *w, struct seen *s, const struct record *r, bool is_aborted, int64_t bound)
{
	int at = record_at(w, r->offset);
	char key[16], value[64];

	ck_assert_msg(at >= 0, "a record at %lld that was never written", (long long)r->offset);
	const struct model_record *m = &w->records[at];
	key_text(m->key, key);
	value_text(m->offset, value);
	ck_assert(m->key < 0 ? slice_is_null(r->key) : slice_eq_str(r->key, key));
	ck_assert(m->has_value ? slice_eq_str(r->value, value) : slice_is_null(r->value));
	ck_assert_int_eq(r->timestamp, m->time);
	s->present[at] = true;
	if (is_aborted || r->offset >= bound || m->key < 0)
		return;
	ck_assert_int_lt(s->newest[m->key], r->offset);
	s->newest[m->key] = r->offset;
	s->has_value[m->key] = m->has_value;
}

static void see_batch(struct world *w, struct seen *s, struct slice batch, int64_t bound)
{
	static struct decompressor *stream;
	const uint8_t *b = batch.ptr;
	int at = batch_at(w, batch_base_offset(b));
	int64_t producer_id = batch_producer_id(b);
	struct record_iter it;
	struct record r;

	if (stream == NULL)
		stream = decompressor_create();
	ck_assert(batch_check_crc(batch));
	ck_assert_msg(at >= 0, "a batch at %lld that was never written", (long long)batch_base_offset(b));
	const struct model_batch *m = &w->batches[at];
	ck_assert_int_eq(batch_last_offset(b), m->last);
	ck_assert_int_eq(producer_id, m->producer_id);
	ck_assert_int_eq(batch_base_sequence(b), m->sequence);
	ck_assert_int_eq(batch_is_transactional(b), m->is_transactional);
	ck_assert_int_eq(batch_is_control(b), m->is_marker);
	s->horizon[at] = batch_has_delete_horizon(b) ? batch_base_timestamp(b) : -1;
	s->is_empty[at] = batch_record_count(b) == 0;
	for (int i = 0; i < s->aborted_count; i++) {
		if (s->aborted[i].first_offset >= 0 && s->aborted[i].first_offset <= batch_last_offset(b)) {
			s->aborting[s->aborted[i].producer_id] = true;
			s->aborted[i].first_offset = -1;
		}
	}
	if (m->is_marker) {
		s->aborting[producer_id] = false;
		return;
	}
	bool is_aborted = m->is_transactional && s->aborting[producer_id];
	/* The log's own lists say of every record that a reader gets whether it counts. */
	if (batch_record_count(b) > 0 && m->last < bound)
		ck_assert_msg(is_aborted == m->is_aborted, "batch %lld: aborted %d", (long long)m->base, is_aborted);
	record_iter_init(&it, batch, stream, UINT64_MAX);
	while (record_iter_next(&it, &r))
		see_record(w, s, &r, is_aborted, bound);
	ck_assert_int_eq(it.err, OK);
	record_iter_fini(&it);
}

static void see_log(struct world *w, struct seen *s)
{
	struct log *log = w->k.log;
	int64_t bound = log_last_stable_offset(log), next = 0;
	struct log_range range;

	memset(s, 0, sizeof(*s));
	for (int k = 0; k < KEYS; k++)
		s->newest[k] = -1;
	for (int i = 0; i < BATCHES_MAX; i++)
		s->horizon[i] = -2;
	s->aborted_count = log_aborted_transactions(log, 0, log_end_offset(log), s->aborted, BATCHES_MAX);
	while (next < log_end_offset(log)) {
		ck_assert_int_eq(log_read(log, next, log_end_offset(log), 1 << 20, true, &range), OK);
		if (range.file == NULL)
			break;
		struct slice bytes = take_range(&w->k, &range), rest = bytes, batch;
		while (batch_next(&rest, &batch) == OK) {
			ck_assert_int_ge(batch_base_offset(batch.ptr), next);
			see_batch(w, s, batch, bound);
			next = batch_last_offset(batch.ptr) + 1;
		}
		ck_assert_uint_eq(rest.len, 0);
		free((void *)(uintptr_t)bytes.ptr);
	}
}

static bool counts(const struct world *w, const struct model_record *r)
{
	return r->key >= 0 && !w->batches[r->batch].is_aborted;
}

/* What a consumer that begins at the start ends with is what the whole history gives. */
static void check_state(struct world *w, const struct seen *s)
{
	int64_t bound = log_last_stable_offset(w->k.log), newest[KEYS];

	for (int k = 0; k < KEYS; k++)
		newest[k] = -1;
	for (int i = 0; i < w->record_count; i++) {
		if (counts(w, &w->records[i]) && w->records[i].offset < bound)
			newest[w->records[i].key] = i;
		if (w->records[i].offset >= w->cleaned)
			ck_assert_msg(s->present[i], "record %lld is lost", (long long)w->records[i].offset);
	}
	for (int k = 0; k < KEYS; k++) {
		const struct model_record *r = newest[k] < 0 ? NULL : &w->records[newest[k]];
		if (r != NULL && r->has_value)
			ck_assert_msg(s->newest[k] == r->offset, "key %d: %lld, should be %lld", k, (long long)s->newest[k], (long long)r->offset);
		else	/* the tombstone may be gone, but then so is what it deleted */
			ck_assert_msg(s->newest[k] < 0 || !s->has_value[k], "key %d is back: %lld, deleted at %lld", k, (long long)s->newest[k],
				r != NULL ? (long long)r->offset : -1);
	}
}

/* A retry of the newest batch of each producer is known. */
static void check_retries(struct world *w)
{
	for (int64_t id = 0; id < PRODUCERS; id++) {
		const struct model_batch *b = NULL;
		for (int i = 0; i < w->batch_count; i++)
			if (w->batches[i].producer_id == id && !w->batches[i].is_marker)
				b = &w->batches[i];
		if (b == NULL)
			continue;
		struct batch_spec spec = BATCH_SPEC_INIT;
		spec.producer_id = id;
		spec.producer_epoch = 0;
		spec.base_sequence = b->sequence;
		spec.is_transactional = b->is_transactional;
		struct slice bytes = make_batch(&spec, (int)(b->last - b->base) + 1, w->now, "x");
		struct log_append a = { .batch = (uint8_t *)(uintptr_t)bytes.ptr, .batch_bytes = (uint32_t)bytes.len }, *list[] = { &a };
		enum err e = log_append(w->k.log, list, 1, 0, w->now);
		if (sim_is_dead(w->machine))
			return;
		ck_assert_int_eq(e, OK);
		ck_assert_msg(a.error == NONE && a.is_duplicate && a.base_offset == b->base, "retry of %lld: error %d, at %lld", (long long)b->base, a.error, (long long)a.base_offset);
	}
}

static void do_flush(struct world *w)
{
	enum err e = log_flush_now(w->k.log);

	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	w->synced = MAX(w->synced, log_synced_offset(w->k.log));
}

/* --- a pass ----------------------------------------------------------------------------------- */

/* As it is in the log: what a pass that was cut short has done. */
static void adopt(struct world *w, const struct seen *s)
{
	for (int i = 0; i < w->record_count; i++)
		w->records[i].is_present = s->present[i];
	for (int i = 0; i < w->batch_count; i++)
		w->batches[i].horizon = s->horizon[i] == -2 ? w->batches[i].horizon : s->horizon[i];
}

static void foretell(struct world *w, int64_t end, time_ms now)
{
	int newest[KEYS];

	for (int k = 0; k < KEYS; k++)
		newest[k] = -1;
	for (int i = 0; i < w->record_count; i++)
		if (counts(w, &w->records[i]) && w->records[i].offset < end)
			newest[w->records[i].key] = i;
	for (int b = 0, i = 0; b < w->batch_count; b++) {
		struct model_batch *batch = &w->batches[b];
		bool keeps_tombstone = false, is_over = batch->horizon >= 0 && batch->horizon <= now;

		for (; i < w->record_count && w->records[i].batch == b; i++) {
			struct model_record *r = &w->records[i];
			if (r->offset >= end)
				continue;
			r->is_present = r->is_present && counts(w, r) && newest[r->key] == i && (r->has_value || !is_over);
			keeps_tombstone = keeps_tombstone || (r->is_present && !r->has_value);
		}
		if (keeps_tombstone && batch->horizon < 0)
			batch->horizon = now + RETENTION_MS;
	}
}

static void check_foretold(struct world *w, const struct seen *s, int64_t end)
{
	for (int i = 0; i < w->record_count; i++)
		/* What was aborted goes from the segment in which a full map has ended, too. */
		ck_assert_msg(s->present[i] == w->records[i].is_present || (w->batches[w->records[i].batch].is_aborted && w->records[i].offset >= end), "record %lld (key %d, %s) %s", (long long)w->records[i].offset, w->records[i].key,
			w->records[i].has_value ? "value" : "tombstone", s->present[i] ? "should be gone" : "is lost");
	for (int b = 0; b < w->batch_count; b++)
		if (!w->batches[b].is_marker && s->horizon[b] != -2 && !s->is_empty[b] && w->batches[b].horizon >= 0)
			ck_assert_int_eq(s->horizon[b], w->batches[b].horizon);
}

static void end_pass(struct world *w)
{
	bool leaves_files;

	log_clean_end(w->k.log, &w->pass, &leaves_files);
	if (leaves_files && !sim_is_dead(w->machine) && draw(w, 2) == 0) {
		enum err e = logdir_purge_files(w->k.os, w->k.dir);
		if (!sim_is_dead(w->machine))
			ck_assert_int_eq(e, OK);
	}
}

static void begin_pass(struct world *w)
{
	struct log_clean_limits limits = { .map_bytes = draw(w, 3) == 0 ? 24 * (2 + draw(w, 8)) : 1 << 20, .load_factor = 0.9, .io_bytes = 100 + (uint32_t)draw(w, 2000),
		.slice_bytes = 200 + draw(w, 3000) };
	struct log_dirt d;
	struct seen s;

	/* What is committed is taken for granted, as in Kafka: the replicas or a sync keep it. */
	do_flush(w);
	if (sim_is_dead(w->machine) || w->synced < log_high_watermark(w->k.log))
		return;
	ck_assert_int_eq(log_dirt(w->k.log, w->now, &d), OK);
	if (!log_dirt_is_worth_it(w->k.log, &d))
		return;
	ck_assert_int_le(d.first_uncleanable, log_last_stable_offset(w->k.log));
	see_log(w, &s);
	adopt(w, &s);
	w->pass_now = w->now;
	w->cleaned = MAX(w->cleaned, d.first_uncleanable);
	w->committed = w->end;	/* a log that was reopened does not know of markers at the high watermark that they hold it back, nor does Kafka's */
	w->pass = log_clean_begin(w->k.log, &d, &limits, w->now);
}

/* One run. Some time after the last the log is as foretold. */
static void go_on(struct world *w)
{
	struct log_clean_result told;
	struct seen s;
	bool has_more;

	log_clean_run(w->pass);
	enum err e = log_clean_step(w->k.log, w->pass, &has_more);
	if (sim_is_dead(w->machine))
		return;
	if (e == ERR_AGAIN) {
		w->dropped++;
		end_pass(w);
		return;
	}
	ck_assert_msg(e == OK, "pass: %s", err_name(e));
	if (has_more)
		return;
	log_clean_told(w->pass, &told);
	ck_assert_int_eq(log_dirty_offset(w->k.log), told.end);
	end_pass(w);
	if (sim_is_dead(w->machine))
		return;
	w->passes++;
	foretell(w, told.end, w->pass_now);
	see_log(w, &s);
	check_foretold(w, &s, told.end);
	check_state(w, &s);
}

/* --- crashes ---------------------------------------------------------------------------------- */

static void checkpoint(struct world *w)
{
	w->k.spec.recovery_point = log_recovery_point(w->k.log);
	w->k.spec.high_watermark = log_high_watermark(w->k.log);
	w->k.spec.cleaner_offset = log_dirty_offset(w->k.log);
}

static void check_log(struct world *w)
{
	struct seen s;

	see_log(w, &s);
	check_state(w, &s);
}

/* With SKEIN_SEED set: the files, before and after a start. */
static void list_one(void *arg, const char *name, bool is_dir)
{
	(void)arg, (void)is_dir;
	fprintf(stderr, " %s", name);
}

static void tell_files(struct world *w, const char *when)
{
	if (!is_traced)
		return;
	fprintf(stderr, "   files %s:", when);
	(void)!os_list_dir(w->k.os, w->k.dir, list_one, NULL);
	fprintf(stderr, "\n");
}

static void reopen(struct world *w, bool is_clean)
{
	tell_files(w, "before");
	w->k.spec.had_clean_shutdown = is_clean;
	w->k.spec.mark = w->mark;
	w->k.spec.now = w->now;
	enum err e = log_open(&w->k.log, &w->k.spec, &w->k.recovery);
	if (sim_is_dead(w->machine))
		return;
	tell_files(w, "after");
	ck_assert_msg(e == OK, "open: %s", err_name(e));
	w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, log_recovery_point(w->k.log));
	log_progress(w->k.log, &w->mark);
	cut_history(w, log_end_offset(w->k.log));
	log_set_high_watermark(w->k.log, MAX(log_high_watermark(w->k.log), MIN(w->committed, w->end)));
}

static void crash(struct world *w, enum sim_crash kind)
{
	bool was_in_pass = w->pass != NULL;
	int64_t synced = w->synced;

	if (was_in_pass) {
		bool leaves_files;
		log_clean_end(NULL, &w->pass, &leaves_files);
	}
	log_close(&w->k.log);
	sim_crash_after_ops(w->machine, 0);
	for (int again = 0; again < 2; again++) {
		sim_crash(w->machine, kind);
		if (kind == SIM_CRASH_POWER)
			w->mark.is_valid = false;
		/* now and then the start itself is cut short too */
		if (again == 0 && !w->is_truncating && draw(w, 2) == 0) {
			sim_crash_after_ops(w->machine, 1 + draw(w, 12));
			reopen(w, false);
			if (!sim_is_dead(w->machine)) {
				sim_crash_after_ops(w->machine, 0);
				break;
			}
			log_close(&w->k.log);
			kind = draw(w, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER;
			continue;
		}
		reopen(w, false);
		break;
	}
	w->crashes++;
	w->crashes_in_pass += was_in_pass;
	tell(w, kind == SIM_CRASH_POWER ? "POWER CUT" : "KILL");
	ck_assert_int_ge(w->end, MAX(synced, w->cleaned));
	check_log(w);
	if (w->is_truncating) {
		w->is_truncating = false;
		ck_assert_int_eq(log_close_clean(w->k.log), OK);
		w->synced = w->end;
		w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, w->end);
		log_close(&w->k.log);
		reopen(w, true);
	}
	check_retries(w);
	ck_assert_int_eq(log_begin_epoch(w->k.log, 0), OK);
}

static void do_clean_restart(struct world *w)
{
	enum err e = log_close_clean(w->k.log);

	if (sim_is_dead(w->machine))
		return;
	ck_assert_int_eq(e, OK);
	w->synced = w->end;
	checkpoint(w);
	log_close(&w->k.log);
	reopen(w, true);
	if (sim_is_dead(w->machine))
		return;
	check_log(w);
	check_retries(w);
}

static void do_truncate(struct world *w)
{
	int64_t to = w->end;

	for (int i = w->batch_count - 1 - (int)draw(w, 3); i >= 0 && i < w->batch_count && w->batches[i].base >= MAX(w->committed, log_high_watermark(w->k.log)); i = w->batch_count)
		to = w->batches[i].base;
	if (to == w->end)
		return;
	w->synced = MIN(w->synced, to);
	w->k.spec.recovery_point = MIN(w->k.spec.recovery_point, to);
	w->is_truncating = true;
	enum err e = log_truncate_to(w->k.log, to);
	if (sim_is_dead(w->machine))
		return;
	w->is_truncating = false;
	ck_assert_int_eq(e, OK);	/* not below what is settling: that lies below the high watermark */
	cut_history(w, to);
	w->mark.is_valid = false;
}

static void step(struct world *w)
{
	static const char *const names[] = { "append", "append", "append", "append", "append", "append", "watermark", "flush", "roll", "clean", "clean", "time", "mark",
		"check", "truncate", "look up" };
	int what = (int)draw(w, ARRAY_LEN(names));

	switch (what) {
	case 0: case 1: case 2: case 3: case 4: case 5: do_append(w); break;
	case 6: log_set_high_watermark(w->k.log, w->end - (int64_t)draw(w, 3) * (w->end - log_high_watermark(w->k.log)) / 4); break;
	case 7: do_flush(w); break;
	case 8:
		if (log_roll(w->k.log, w->now) != OK)
			ck_assert(sim_is_dead(w->machine));
		break;
	case 9: case 10:
		if (w->pass == NULL)
			begin_pass(w);
		break;
	case 11: w->now += (time_ms)draw(w, RETENTION_MS * 2); break;
	case 12:
		log_progress(w->k.log, &w->mark);
		if (draw(w, 2) == 0)
			checkpoint(w);
		break;
	case 13: check_log(w); check_retries(w); break;
	case 14:
		if (draw(w, 4) == 0)
			do_truncate(w);
		break;
	case 15: look_up(w->k.log, w->now); break;
	}
	tell(w, names[what]);
	for (int i = (int)draw(w, 8); i > 0 && w->pass != NULL && !sim_is_dead(w->machine); i--) {
		go_on(w);
		tell(w, "  run");
	}
}

static struct world total;

static void run_seed(uint64_t seed)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.random = seed * 2654435761u + 17;
	w.now = 1700000000000;
	w.machine = sim_create(NULL, "m", seed);
	kit_init(&w.k, sim_os(w.machine), "/data", "t-0");
	ck_assert_int_eq(os_fsync_dir(w.k.os, "/"), OK);
	w.k.config.segment_bytes = 400 + (int32_t)draw(&w, 2000);
	w.k.config.index_interval_bytes = (int32_t)draw(&w, 3) * 150;
	w.k.config.segment_index_bytes = 1200;
	w.k.config.cleanup_policy = CLEANUP_COMPACT;
	w.k.config.min_cleanable_dirty_ratio = 0.1;
	w.k.config.delete_retention_ms = RETENTION_MS;
	w.k.spec.cleaner_offset = -1;
	w.k.spec.recovery_point = 0;
	w.k.spec.was_left_by_us = true;
	kit_open(&w.k);
	log_progress(w.k.log, &w.mark);
	ck_assert_int_eq(log_begin_epoch(w.k.log, 0), OK);
	for (int op = 0; op < OPS; op++) {
		if (draw(&w, w.pass != NULL ? 6 : 25) == 0)
			sim_crash_after_ops(w.machine, 1 + draw(&w, 40));
		if (draw(&w, 30) == 0 && w.pass == NULL)
			do_clean_restart(&w);
		else
			step(&w);
		if (sim_is_dead(w.machine) || draw(&w, 50) == 0)
			crash(&w, draw(&w, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER);
	}
	total.passes += w.passes;
	total.crashes += w.crashes;
	total.crashes_in_pass += w.crashes_in_pass;
	total.dropped += w.dropped;
	if (w.pass != NULL)
		end_pass(&w);
	log_close(&w.k.log);
	sim_destroy(&w.machine);
}

START_TEST(random_logs_and_crashes)
{
	struct seed_range range = seed_range_begin(SEEDS);

	is_traced = range.is_one;
	for (seed_now = range.from; seed_now < range.from + range.count; seed_now++)
		run_seed(seed_now);
	seed_now = 0;
	printf("%llu seeds: %d passes, %d given up, %d crashes, %d of them in a pass\n", (unsigned long long)range.count, total.passes, total.dropped, total.crashes, total.crashes_in_pass);
	ck_assert(!range.is_usual || (total.passes > SEEDS && total.crashes_in_pass > SEEDS / 2));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log_clean");
	TCase *t = tcase_create("log_clean");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, random_logs_and_crashes);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
