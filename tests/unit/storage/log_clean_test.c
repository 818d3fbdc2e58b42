/*
 * Compaction against a model, on a simulated disk: random batches (keys, null values and keys, every codec, transactions that commit and abort, several producers), passes of the cleaner in small slices
 * with appends in between, kills and power cuts at any operation.
 *
 * The model is the whole history. What a completed pass leaves is foretold record by record: the newest of each key, tombstones until their horizon, nothing that was aborted. After a crash anywhere in a
 * pass the log is between the two, and what its readers see, the newest value of each key, is what it always was; the next pass is foretold again.
 */
#include "log_kit.h"
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

static uint64_t seed_now;

static void tell_seed(void)
{
	if (seed_now != 0)
		fprintf(stderr, "the seed at work: SKEIN_SEED=%llu\n", (unsigned long long)seed_now);
}

static void swallow(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg, (void)level, (void)line, (void)len;
}

START_TEST(random_logs_and_crashes)
{
	const char *one = getenv("SKEIN_SEED"), *many = getenv("SKEIN_SEEDS");
	uint64_t from = one != NULL ? strtoull(one, NULL, 10) : 1, n = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : SEEDS;

	atexit(tell_seed);
	is_traced = one != NULL;
	if (one == NULL)
		log_set_sink(swallow, NULL);
	for (seed_now = from; seed_now < from + n; seed_now++)
		run_seed(seed_now);
	seed_now = 0;
	printf("%llu seeds: %d passes, %d given up, %d crashes, %d of them in a pass\n", (unsigned long long)n, total.passes, total.dropped, total.crashes, total.crashes_in_pass);
	ck_assert(one != NULL || many != NULL || (total.passes > SEEDS && total.crashes_in_pass > SEEDS / 2));
}
END_TEST

/* --- Kafka's own ------------------------------------------------------------------------------ */

static void run_pass(struct kit *k, time_ms now, uint64_t slice_bytes)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 65536, .slice_bytes = slice_bytes };
	struct log_dirt d;
	bool has_more, leaves_files;

	ck_assert_int_eq(log_dirt(k->log, now, &d), OK);
	ck_assert_uint_gt(d.cleanable_bytes, 0);
	struct log_clean *c = log_clean_begin(k->log, &d, &limits, now);
	do {
		log_clean_run(c);
		ck_assert_int_eq(log_clean_step(k->log, c, &has_more), OK);
	} while (has_more);
	log_clean_end(k->log, &c, &leaves_files);
	ck_assert_int_eq(log_dirty_offset(k->log), d.first_uncleanable);
}

static void open_golden(struct kit *k, struct sim_os *machine, const char *name)
{
	kit_init(k, sim_os(machine), "/data", "t-0");
	kit_copy_golden(k, name);
	k->config.segment_bytes = 600;
	k->config.cleanup_policy = CLEANUP_COMPACT;
	k->spec.had_clean_shutdown = true;
	k->spec.cleaner_offset = -1;
	kit_open(k);
	kit_replicate(k);
}

static void all_batches(struct kit *k, struct strbuf *out)
{
	struct log_range range;

	for (int64_t next = log_start_offset(k->log); next < log_end_offset(k->log);) {
		ck_assert_int_eq(log_read(k->log, next, log_end_offset(k->log), 1 << 20, true, &range), OK);
		if (range.file == NULL)
			return;
		struct slice bytes = take_range(k, &range), rest = bytes, batch;
		strbuf_add_slice(out, bytes);
		while (batch_next(&rest, &batch) == OK)
			next = batch_last_offset(batch.ptr) + 1;
		free((void *)(uintptr_t)bytes.ptr);
	}
}

/* Ours may have the last batch of a segment as a header where Kafka has none. */
static void check_same(struct slice ours, struct slice kafkas, int64_t up_to)
{
	struct slice a = SLICE_NULL, b;
	int same = 0;

	while (batch_next(&kafkas, &b) == OK && batch_last_offset(b.ptr) <= up_to) {
		do
			ck_assert_int_eq(batch_next(&ours, &a), OK);
		while (batch_record_count(a.ptr) == 0 && batch_base_offset(a.ptr) < batch_base_offset(b.ptr));
		ck_assert_msg(slice_eq(a, b), "batch %lld: ours at %lld, %zu and %zu bytes", (long long)batch_base_offset(b.ptr), (long long)batch_base_offset(a.ptr), a.len, b.len);
		same++;
	}
	ck_assert_int_gt(same, 3);
}

static void check_golden(const char *from, const char *to, time_ms now, int64_t up_to)
{
	struct sim_os *machine = sim_create(NULL, "m", 1), *other = sim_create(NULL, "n", 1);
	struct strbuf ours = STRBUF_INIT, kafkas = STRBUF_INIT;
	struct kit a, b;

	open_golden(&a, machine, from);
	open_golden(&b, other, to);
	run_pass(&a, now, 100);
	all_batches(&a, &ours);
	all_batches(&b, &kafkas);
	check_same(strbuf_slice(&ours), strbuf_slice(&kafkas), up_to);
	strbuf_fini(&ours);
	strbuf_fini(&kafkas);
	log_close(&a.log);
	log_close(&b.log);
	sim_destroy(&machine);
	sim_destroy(&other);
}

/* What Kafka's cleaner has cleaned, a pass at the same time leaves byte by byte, in every codec. */
START_TEST(what_kafka_has_cleaned_stays_as_it_is)
{
	check_golden("compaction-first-pass/compacted-0", "compaction-first-pass/compacted-0", 1795369137716, 1000);
	check_golden("compaction-first-pass/compacted-appendtime-0", "compaction-first-pass/compacted-appendtime-0", 1795369137509, 1000);
	check_golden("compaction-first-pass/compacted-zstd-0", "compaction-first-pass/compacted-zstd-0", 1795369137509, 1000);
}
END_TEST

/* Markers whose data has gone get a horizon, segments are joined, and the bytes are those of Kafka's second pass. */
START_TEST(a_second_pass_is_kafkas_second_pass)
{
	check_golden("compaction-first-pass/compacted-txn-0", "compaction-second-pass/compacted-txn-0", 1795455716512 - 86400000, 38);
}
END_TEST

/* --- one by one ------------------------------------------------------------------------------- */

static void append_keyed(struct kit *k, const char *key, const char *value)
{
	struct strbuf out = STRBUF_INIT;
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct batch_builder builder;
	struct slice batch;

	batch_build_begin(&builder, &spec, NULL, &out, 1 << 20);
	batch_build_add(&builder, k->spec.now, slice_str(key), value != NULL ? slice_str(value) : SLICE_NULL, NULL, 0);
	ck_assert_int_eq(batch_build_end(&builder, &batch), OK);
	ck_assert_int_eq(append_one(k->log, batch, false, k->spec.now).error, NONE);
	strbuf_fini(&out);
}

static void rolled(struct kit *k)
{
	ck_assert_int_eq(log_roll(k->log, k->spec.now), OK);
	ck_assert_int_eq(log_flush_now(k->log), OK);
	kit_replicate(k);
}

/* Three segments of which nothing stays: a value, its tombstone whose horizon is over, in front of a last one; a kill and a power cut at every operation of the pass that joins them. */
static void cut_a_pass_at(uint64_t op, enum sim_crash kind, bool *was_cut)
{
	struct sim_os *machine = sim_create(NULL, "m", op * 2 + (kind == SIM_CRASH_POWER));
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 100 };
	struct strbuf all = STRBUF_INIT;
	struct log_dirt d;
	struct slice rest, batch;
	struct record_iter it;
	struct record r;
	struct kit k;
	bool has_more = true, leaves_files, is_there = false;
	time_ms now = 1700000000000;

	kit_init(&k, sim_os(machine), "/data", "t-0");
	ck_assert_int_eq(os_fsync_dir(k.os, "/"), OK);
	k.config.cleanup_policy = CLEANUP_COMPACT;
	k.config.segment_bytes = 1000;
	k.config.delete_retention_ms = 1000;
	k.spec.cleaner_offset = -1;
	k.spec.recovery_point = 0;
	kit_open(&k);
	append_keyed(&k, "other", "first");
	append_keyed(&k, "deleted", "value");
	rolled(&k);
	append_keyed(&k, "other", "second");
	rolled(&k);
	append_keyed(&k, "deleted", NULL);
	rolled(&k);
	run_pass(&k, now, 100000);		/* sets the horizon */
	log_set_dirty_offset(k.log, -1);
	append_keyed(&k, "other", "third");
	rolled(&k);
	now += 2000;
	ck_assert_int_eq(log_dirt(k.log, now, &d), OK);
	k.spec.recovery_point = log_recovery_point(k.log);
	k.spec.high_watermark = log_high_watermark(k.log);
	sim_crash_after_ops(machine, op);
	struct log_clean *c = log_clean_begin(k.log, &d, &limits, now);
	while (has_more && !sim_is_dead(machine)) {
		log_clean_run(c);
		(void)!log_clean_step(k.log, c, &has_more);
	}
	*was_cut = sim_is_dead(machine);
	log_clean_end(*was_cut ? NULL : k.log, &c, &leaves_files);
	log_close(&k.log);
	sim_crash_after_ops(machine, 0);
	sim_crash(machine, kind);
	k.spec.had_clean_shutdown = false;
	kit_open(&k);
	ck_assert_int_eq(log_end_offset(k.log), 5);
	all_batches(&k, &all);
	for (rest = strbuf_slice(&all); batch_next(&rest, &batch) == OK;) {
		record_iter_init(&it, batch, NULL, UINT64_MAX);
		while (record_iter_next(&it, &r)) {
			if (slice_eq_str(r.key, "deleted"))
				is_there = !slice_is_null(r.value);
		}
		record_iter_fini(&it);
	}
	ck_assert_msg(!is_there, "operation %llu: the deleted key is back", (unsigned long long)op);
	strbuf_fini(&all);
	log_close(&k.log);
	sim_destroy(&machine);
}

START_TEST(a_deleted_key_does_not_come_back)
{
	bool was_cut = true;

	for (uint64_t op = 1; was_cut; op++) {
		cut_a_pass_at(op, SIM_CRASH_PROCESS, &was_cut);
		cut_a_pass_at(op, SIM_CRASH_POWER, &was_cut);
		ck_assert_uint_lt(op, 500);
	}
}
END_TEST

/* --- what is dirty ---------------------------------------------------------------------------- */

static struct sim_os *plain_machine;
static struct kit plain;

static struct log_dirt dirt_at(time_ms now)
{
	struct log_dirt d;

	ck_assert_int_eq(log_dirt(plain.log, now, &d), OK);
	return d;
}

static void plain_setup(void)
{
	plain_machine = sim_create(NULL, "m", 7);
	kit_init(&plain, sim_os(plain_machine), "/data", "t-0");
	plain.config.cleanup_policy = CLEANUP_COMPACT;
	plain.spec.cleaner_offset = -1;
	kit_open(&plain);
}

static void plain_teardown(void)
{
	log_close(&plain.log);
	sim_destroy(&plain_machine);
}

/* A segment of one record, written at that time. */
static void plain_segment(time_ms at)
{
	plain.spec.now = at;
	append_keyed(&plain, "key", "value");
	rolled(&plain);
}

START_TEST(only_what_is_closed_stable_and_synced_is_cleaned)
{
	struct marker m = { MARKER_COMMIT, 5, 0, 0, 1000 };
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;

	append_keyed(&plain, "key", "value");
	ck_assert_uint_eq(dirt_at(1000).cleanable_bytes, 0);			/* in the active segment */
	ck_assert_int_eq(log_roll(plain.log, 1000), OK);
	kit_replicate(&plain);
	ck_assert_uint_eq(dirt_at(1000).cleanable_bytes, 0);			/* not synced */
	ck_assert_int_eq(log_flush_now(plain.log), OK);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);
	spec.producer_id = 5;
	spec.producer_epoch = 0;
	spec.base_sequence = 0;
	spec.is_transactional = true;
	ck_assert_int_eq(append_one(plain.log, make_batch(&spec, 1, 1000, "x"), false, 1000).error, NONE);
	rolled(&plain);
	append_keyed(&plain, "key", "value");
	rolled(&plain);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);			/* an open transaction */
	ck_assert_int_eq(append_one(plain.log, marker_build(&m, &out), true, 1000).error, NONE);
	strbuf_fini(&out);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 1);			/* its marker is not replicated */
	kit_replicate(&plain);
	ck_assert_int_eq(dirt_at(1000).first_uncleanable, 3);
	ck_assert(log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 51, .clean_bytes = 49 }));
	ck_assert(!log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 50, .clean_bytes = 50 }));
	ck_assert(log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 1, .clean_bytes = 99, .is_overdue = true }));
	ck_assert(!log_dirt_is_worth_it(plain.log, &(struct log_dirt){ .cleanable_bytes = 0, .clean_bytes = 99, .is_overdue = true }));
}
END_TEST

START_TEST(lags_hold_back_and_hurry)
{
	plain_segment(1000);
	plain_segment(2000);
	plain_segment(3000);
	plain.config.min_compaction_lag_ms = 500;
	log_set_config(plain.log, &plain.config);
	ck_assert_int_eq(dirt_at(2400).first_uncleanable, 1);
	ck_assert_int_eq(dirt_at(2600).first_uncleanable, 2);
	ck_assert_int_eq(dirt_at(9000).first_uncleanable, 3);
	ck_assert_uint_eq(dirt_at(1400).cleanable_bytes, 0);
	ck_assert(!dirt_at(9000).is_overdue);
	plain.config.min_compaction_lag_ms = 0;
	plain.config.max_compaction_lag_ms = 4000;
	log_set_config(plain.log, &plain.config);
	ck_assert(!dirt_at(5000).is_overdue);
	ck_assert(dirt_at(5001).is_overdue);
	log_set_dirty_offset(plain.log, 1);
	ck_assert(!dirt_at(5001).is_overdue);
	ck_assert(dirt_at(6001).is_overdue);
}
END_TEST

START_TEST(a_dirty_offset_that_cannot_be_true_begins_at_the_start)
{
	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	log_set_dirty_offset(plain.log, 2);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 2);
	ck_assert(!dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 5);		/* beyond the end */
	ck_assert_int_eq(dirt_at(1000).first_dirty, 0);
	ck_assert(dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 1);
	ck_assert_int_eq(log_raise_start_offset(plain.log, 3), OK);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 3);
	ck_assert(dirt_at(1000).was_invalid);
	log_set_dirty_offset(plain.log, 4);
	ck_assert_int_eq(log_truncate_to(plain.log, 3), OK);
	ck_assert_int_eq(log_dirty_offset(plain.log), 3);
	/* and after a restart that finds less than the checkpoint speaks of */
	plain.spec.cleaner_offset = 4;
	kit_reopen_clean(&plain);
	ck_assert_int_eq(log_dirty_offset(plain.log), 3);
	plain_segment(1000);
	plain_segment(1000);
	ck_assert_int_eq(dirt_at(1000).first_dirty, 3);
}
END_TEST

/* A full disk at each write of a pass: nothing has changed, or the group comes to its end when there is room again. */
START_TEST(a_full_disk_ends_a_pass_or_holds_it_up)
{
	for (uint64_t nth = 1; nth < 60; nth++) {
		struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
		bool has_more = true, leaves_files, has_failed = false;
		enum err e = OK;

		plain_teardown();
		plain_setup();
		for (int i = 0; i < 4; i++)
			plain_segment(1000);
		struct log_dirt d = dirt_at(1000);
		sim_fail(plain_machine, nth % 2 == 0 ? SIM_NAME : SIM_WRITE, NULL, (nth + 1) / 2, ERR_NO_SPACE);
		struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
		while (has_more) {
			log_clean_run(c);
			e = log_clean_step(plain.log, c, &has_more);
			if (e == OK)
				continue;
			ck_assert_int_eq(e, ERR_NO_SPACE);
			has_failed = true;
			has_more = log_is_settling(plain.log);
		}
		log_clean_end(plain.log, &c, &leaves_files);
		sim_fail(plain_machine, SIM_ANY, NULL, 0, OK);
		ck_assert(!log_is_settling(plain.log));
		ck_assert_int_eq(log_dirty_offset(plain.log), e == OK ? 4 : -1);
		ck_assert(e == OK || has_failed);
		if (e != OK)
			run_pass(&plain, 1000, 100);
		ck_assert_int_eq(log_segment_count(plain.log), 2);
		kit_reopen_clean(&plain);
		ck_assert_int_eq(log_end_offset(plain.log), 4);
		ck_assert_int_eq(log_segment_count(plain.log), 2);
	}
}
END_TEST

/* What cannot be read is told, and nothing is changed. */
START_TEST(damage_ends_a_pass_and_is_never_sealed_anew)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
	bool has_more = true, leaves_files;
	char path[600];
	enum err e = OK;
	os_fd fd;

	for (int i = 0; i < 3; i++)
		plain_segment(1000);
	struct log_dirt d = dirt_at(1000);
	snprintf(path, sizeof(path), "%s/00000000000000000001.log", plain.dir);
	ck_assert_int_eq(os_open(plain.os, path, OS_RDWR, &fd), OK);
	ck_assert_int_eq(os_pwrite(plain.os, fd, "!", 1, BATCH_HEADER_SIZE + 9), OK);
	os_close(plain.os, &fd);
	struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
	while (has_more && e == OK) {
		log_clean_run(c);
		e = log_clean_step(plain.log, c, &has_more);
	}
	ck_assert_int_eq(e, ERR_CORRUPT);
	log_clean_end(plain.log, &c, &leaves_files);
	ck_assert_int_eq(log_segment_count(plain.log), 4);
	ck_assert_int_eq(log_dirty_offset(plain.log), -1);
}
END_TEST

/* While a group settles the log is not cut below its end; a cut of anything ends a pass before that. */
START_TEST(a_truncation_waits_for_what_settles)
{
	struct log_clean_limits limits = { .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .slice_bytes = 1 << 20 };
	bool has_more = true, leaves_files, was_settling = false;

	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	struct log_dirt d = dirt_at(1000);
	struct log_clean *c = log_clean_begin(plain.log, &d, &limits, 1000);
	while (has_more) {
		log_clean_run(c);
		ck_assert_int_eq(log_clean_step(plain.log, c, &has_more), OK);
		if (!log_is_settling(plain.log))
			continue;
		was_settling = true;
		ck_assert_int_eq(log_truncate_to(plain.log, 2), ERR_AGAIN);
		ck_assert_int_eq(log_truncate_fully_and_start_at(plain.log, 9), ERR_AGAIN);
		ck_assert_int_eq(log_raise_start_offset(plain.log, 4), OK);
		ck_assert_int_eq(log_remove_segments_below_start(plain.log, NULL), OK);
	}
	ck_assert(was_settling);
	log_clean_end(plain.log, &c, &leaves_files);
	ck_assert(leaves_files);
	for (int i = 0; i < 4; i++)
		plain_segment(1000);
	d = dirt_at(1000);
	c = log_clean_begin(plain.log, &d, &limits, 1000);
	log_clean_run(c);
	ck_assert_int_eq(log_truncate_to(plain.log, 6), OK);
	ck_assert_int_eq(log_clean_step(plain.log, c, &has_more), ERR_AGAIN);
	log_clean_end(plain.log, &c, &leaves_files);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log_clean");
	TCase *t = tcase_create("log_clean");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, what_kafka_has_cleaned_stays_as_it_is);
	tcase_add_test(t, a_second_pass_is_kafkas_second_pass);
	tcase_add_test(t, a_deleted_key_does_not_come_back);
	tcase_add_test(t, random_logs_and_crashes);
	suite_add_tcase(s, t);
	TCase *rules = tcase_create("rules");
	tcase_add_checked_fixture(rules, plain_setup, plain_teardown);
	tcase_add_test(rules, only_what_is_closed_stable_and_synced_is_cleaned);
	tcase_add_test(rules, lags_hold_back_and_hurry);
	tcase_add_test(rules, a_dirty_offset_that_cannot_be_true_begins_at_the_start);
	tcase_add_test(rules, a_full_disk_ends_a_pass_or_holds_it_up);
	tcase_add_test(rules, damage_ends_a_pass_and_is_never_sealed_anew);
	tcase_add_test(rules, a_truncation_waits_for_what_settles);
	suite_add_tcase(s, rules);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
