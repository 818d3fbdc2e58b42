/*
 * When a compacted log is cleaned. Each partition looks at its own log when something may be dirty, but not twice within log.cleaner.backoff.ms, and takes one of
 * the broker's log.cleaner.threads places for a pass. Kafka's cleaners choose the dirtiest of all logs; here a partition that finds no place asks
 * again soon, and who asks is dirty enough.
 *
 * A pass goes from slice to slice: a job at the cleaners' own workers, then a look here (storage/log_clean.h). Between two slices it may wait for
 * log.cleaner.io.max.bytes.per.second, and be ended: by a stop, a move to another directory, a topic that is not compacted any more. What is certain
 * already (log_is_settling) is brought to its end first.
 */
#include "partition/partition_priv.h"

#include <stdlib.h>

#include "partition/partition_checkpoint.h"
#include "storage/log_clean.h"
#include "storage/logdir.h"

#define SLICE_BYTES     (8u << 20)	/* what the end of a pass may have to wait for */
#define SLICE_BYTES_MIN (64u << 10)
#define PLACE_RETRY_MS  1000		/* when all places are taken, and after a pass */
#define BACKOFF_SEEN_MS 15000		/* a lowered log.cleaner.backoff.ms is noticed within that */
#define FULL_RETRY_MS   1000		/* a disk without room for the last names */

struct partition_clean {
	struct job        job;
	bool              is_out;
	struct log_clean *pass;
	mono_ms           begun, due;
};

/* --- the broker's settings ------------------------------------------------------------------------------------------------------- */

#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)

void partition_cleaners_configure(struct partition_cleaners *c, const struct broker_config *config)
{
	double rate = config->cleaner_io_rate;

	SET(c->threads, config->cleaner_threads);
	SET(c->backoff_ms, config->cleaner_backoff_ms);
	SET(c->map_bytes, config->cleaner_dedupe_bytes);
	SET(c->load_permille, (int32_t)(config->cleaner_load_factor * 1000));
	SET(c->io_bytes, config->cleaner_io_bytes);
	throttle_set_limit(&c->throttle, rate >= (double)INT64_MAX ? INT64_MAX : (int64_t)rate);
}

static struct log_clean_limits limits_of(const struct partition_cleaners *c)
{
	int32_t threads = MAX(GET(c->threads), 1), permille = GET(c->load_permille);
	int64_t rate = throttle_limit(&c->throttle);

	return (struct log_clean_limits){
		.map_bytes = (uint64_t)MAX(GET(c->map_bytes) / threads, 0), .load_factor = permille > 0 ? (double)permille / 1000 : 0.001,
		.io_bytes = (uint32_t)(GET(c->io_bytes) / threads / 2),
		.slice_bytes = (uint64_t)MAX(MIN((int64_t)SLICE_BYTES, rate / 4), (int64_t)SLICE_BYTES_MIN),
	};
}

static bool take_place(struct partition_cleaners *c)
{
	if (__atomic_add_fetch(&c->running, 1, __ATOMIC_RELAXED) <= (uint32_t)MAX(GET(c->threads), 0))
		return true;
	__atomic_fetch_sub(&c->running, 1, __ATOMIC_RELAXED);
	return false;
}

/* --- when ------------------------------------------------------------------------------------------------------------------------ */

static bool is_compacted(const struct partition *p)
{
	return p->spec.cleaners != NULL && !p->is_uncleanable && (p->config.cleanup_policy & CLEANUP_COMPACT) != 0;
}

/* Nothing changes what a look finds but a recovery point that moves on or another configuration; unless it is time that does, or a transaction that ends. */
static bool may_be_dirty(const struct partition *p)
{
	int64_t synced = log_recovery_point(p->log);

	if (synced <= MAX(log_dirty_offset(p->log), log_first_segment_base(p->log)))
		return false;
	return synced != p->clean_seen || p->config.min_compaction_lag_ms > 0 || p->config.max_compaction_lag_ms < INT64_MAX || log_last_stable_offset(p->log) < synced;
}

static void look_again(struct partition *p, mono_ms in)
{
	p->clean_due = os_mono_ms(p->spec.log.os) + in;
}

static mono_ms backoff(const struct partition *p)
{
	return MAX(MIN(GET(p->spec.cleaners->backoff_ms), (int64_t)INT32_MAX), 1);
}

void partition_clean_begin(struct partition *p)
{
	p->clean_due = MONO_NEVER;
	p->clean_looked = os_mono_ms(p->spec.log.os);
	p->clean_seen = -1;
}

static void clean_run(struct job *j)
{
	log_clean_run(CONTAINER_OF(j, struct partition_clean, job)->pass);
}

static void submit(struct partition *p, struct partition_clean *n)
{
	n->is_out = true;
	msg_init(&n->job.msg, PARTITION_job, &p->actor);
	n->job.run = clean_run;
	workers_submit(p->spec.cleaners->workers, &p->actor, &n->job);
}

static void look(struct partition *p, mono_ms now)
{
	time_ms time = os_time_ms(p->spec.log.os);
	struct log_dirt d;

	p->clean_due = MONO_NEVER;
	p->clean_looked = now;
	if (!is_compacted(p) || p->stop != NULL || p->copy != NULL)
		return;
	p->clean_seen = log_recovery_point(p->log);
	enum err e = log_dirt(p->log, time, &d);
	if (e != OK && !err_is_passing(e)) {
		partition_storage_failed(p, "compaction", e);
		return;
	}
	if (e != OK || !log_dirt_is_worth_it(p->log, &d))
		return;		/* may_be_dirty says when to look again */
	p->clean_seen = -1;
	if (!take_place(p->spec.cleaners)) {
		look_again(p, MIN(backoff(p), PLACE_RETRY_MS));
		return;
	}
	if (d.was_invalid)
		LOG_INFO(&p->actor.log, dirty_offset_reset, KV_I64("offset", log_dirty_offset(p->log)), KV_I64("start", log_start_offset(p->log)));
	struct log_clean_limits limits = limits_of(p->spec.cleaners);
	p->clean = mem_calloc(1, sizeof(*p->clean));
	p->clean->begun = now;
	p->clean->pass = log_clean_begin(p->log, &d, &limits, time);
	submit(p, p->clean);
}

/* --- the end --------------------------------------------------------------------------------------------------------------------- */

static void end_pass(struct partition *p)
{
	struct partition_clean *n = p->clean;
	bool leaves_files;

	ASSERT(!n->is_out);
	p->clean = NULL;
	log_clean_end(partition_is_usable(p) ? p->log : NULL, &n->pass, &leaves_files);
	free(n);
	__atomic_fetch_sub(&p->spec.cleaners->running, 1, __ATOMIC_RELAXED);
	if (leaves_files)
		partition_purge_later(p);
}

static void tell_cleaned(struct partition *p, const struct partition_clean *n)
{
	struct log_clean_result r;

	log_clean_told(n->pass, &r);
	LOG_INFO(&p->actor.log, log_cleaned, KV_I64("from", r.first_dirty), KV_I64("to", r.end), KV_I64("keys", (int64_t)r.keys), KV_I64("bytes_before", (int64_t)r.bytes_before),
	         KV_I64("bytes_after", (int64_t)r.bytes_after), KV_I32("segments_before", r.segments_before), KV_I32("segments_after", r.segments_after),
	         KV_I64("took_ms", os_mono_ms(p->spec.log.os) - n->begun));
}

/* It is not to go on, for whatever reason that will pass. */
static void give_up(struct partition *p)
{
	end_pass(p);
	look_again(p, backoff(p));
}

static void failed(struct partition *p, enum err e)
{
	if (e == ERR_AGAIN) {
		give_up(p);
	} else if (err_is_passing(e) && log_is_settling(p->log)) {
		p->clean->due = os_mono_ms(p->spec.log.os) + FULL_RETRY_MS;
	} else if (err_is_passing(e)) {
		LOG_WARN(&p->actor.log, clean_disk_full, KV_STR("dir", p->dir), KV_ERR(e));
		give_up(p);
	} else if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED || e == ERR_TOO_LARGE) {
		LOG_ERROR(&p->actor.log, log_uncleanable, KV_STR("dir", p->dir), KV_I64("dirty", log_dirty_offset(p->log)), KV_ERR(e));
		p->is_uncleanable = true;
		end_pass(p);
	} else {
		end_pass(p);
		partition_storage_failed(p, "compaction", e);
	}
}

/* --- step by step ---------------------------------------------------------------------------------------------------------------- */

bool partition_clean_on_home(struct partition *p, struct msg *m)
{
	struct partition_clean *n = p->clean;
	mono_ms now = os_mono_ms(p->spec.log.os);
	bool has_more;

	if (n == NULL || m != &n->job.msg)
		return false;
	n->is_out = false;
	if (!partition_is_usable(p)) {
		end_pass(p);
		return true;
	}
	throttle_record(&p->spec.cleaners->throttle, now, log_clean_take_bytes(n->pass));
	enum err e = log_clean_step(p->log, n->pass, &has_more);
	if (e != OK) {
		failed(p, e);
	} else if (has_more) {
		n->due = log_is_settling(p->log) ? now : now + throttle_wait(&p->spec.cleaners->throttle, now);
	} else {
		tell_cleaned(p, n);
		end_pass(p);
		p->unwritten |= CHECKPOINT_CLEANER;
		look_again(p, MIN(backoff(p), PLACE_RETRY_MS));		/* the map may have been too small for all */
	}
	return true;
}

void partition_clean_upkeep(struct partition *p, mono_ms now)
{
	struct partition_clean *n = p->clean;

	if (n == NULL) {
		if (p->clean_due == MONO_NEVER && is_compacted(p) && p->stop == NULL && p->copy == NULL && may_be_dirty(p))
			p->clean_due = MAX(now, p->clean_looked + backoff(p));
		if (p->clean_due != MONO_NEVER)
			p->clean_due = MIN(p->clean_due, now + backoff(p));	/* it was longer when this wait began */
		if (now >= p->clean_due)
			look(p, now);
	} else if (!n->is_out && !log_is_settling(p->log) && (p->stop != NULL || p->copy != NULL || !is_compacted(p))) {
		give_up(p);
	} else if (!n->is_out && (now >= n->due || p->stop != NULL)) {
		submit(p, n);
	}
}

mono_ms partition_clean_deadline(const struct partition *p)
{
	if (p->clean == NULL)
		return p->stop == NULL && p->copy == NULL && p->clean_due != MONO_NEVER ? MIN(p->clean_due, os_mono_ms(p->spec.log.os) + BACKOFF_SEEN_MS) : MONO_NEVER;
	return p->clean->is_out ? MONO_NEVER : p->clean->due;
}

void partition_clean_drop(struct partition *p)
{
	if (p->clean != NULL && !p->clean->is_out)
		end_pass(p);
}

enum err partition_clean_will_cut(struct partition *p, int64_t to)
{
	if (p->spec.cleaners == NULL || log_dirty_offset(p->log) <= MAX(to, 0))
		return OK;
	log_set_dirty_offset(p->log, to);
	partition_publish(p);
	p->unwritten |= CHECKPOINT_CLEANER;		/* when the old file is gone */
	return p->spec.dir != NULL ? logdir_remove_checkpoint(p->spec.dir, LOGDIR_CLEANER_OFFSETS) : OK;
}

void partition_clean_moved(struct partition *p)
{
	if (p->spec.cleaners != NULL)
		p->unwritten |= CHECKPOINT_CLEANER;
}
