/*
 * Moving to another log directory, while the replica is served: README.md, "Moving to another directory".
 *
 * The copy belongs to its job while that is out, and to the partition else. So there is no lock, and what happens to the log meanwhile (a truncation, a new log start, the end)
 * is noted and dealt with when the job is home. The last job of a move, the swap, has the log too; until it is home the partition takes questions and keeps them.
 */
#include "partition/partition_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/logdir.h"

#define COPY_BYTES        (1 << 20)	/* of one job: how much a cancellation, a throttle or the end may have to wait for */
#define COPY_LAST_BYTES   (1 << 20)	/* what may be left for the swap to copy, while nobody is served; more after each attempt that came too late */
#define COPY_LAST_DOUBLED 6
#define COPY_RETRY_MS     1000		/* after a full disk */
#define COPY_CHANGE_MS    50		/* between looks whether a change of the in-sync set is known */
#define COPY_LOOK_MS      1000		/* between looks at the throttle: its limit may have been lifted */
#define COPY_STRAY_MAX    100		/* ranges that did not fit, one after the other, before a move is given up */

enum copy_cut { CUT_NOTHING = -1 };

struct partition_copy {
	struct job       job;
	bool             is_out;
	bool             is_cancelled;	/* when the job is home, the copy goes */
	struct logdir   *dir;
	char             path[1024];
	char             from[512];	/* where the log is when the move begins */
	struct topic_config config;
	struct log_spec  spec;
	bool             was_there;	/* an earlier process has left it */
	struct log      *log;		/* NULL: not open yet */
	bool             is_begun;	/* ... and no old note is there */

	/* the job's question: done in this order */
	struct os       *os;
	int64_t          cut_to;	/* CUT_NOTHING */
	int64_t          restart_at;	/* CUT_NOTHING; else everything goes */
	struct log_range range;		/* of the log; len 0: nothing to copy */
	bool             wants_flush;
	/* of the swap: the log, lent; where it is, and what the copy is to be called */
	bool             is_swapping;
	struct log      *old;
	struct logdir   *old_dir;
	char             name[512];
	bool             is_renamed;	/* there is no way back: that directory's name is the replica's now */
	/* its answer */
	enum err         result, read_result, old_result;
	/* its own */
	uint8_t         *buf;
	size_t           buf_size;

	bool             is_checked;	/* its history is that of the log */
	int64_t          cut_due;	/* the log was truncated to here while the job was out; INT64_MAX */
	int64_t          end_offset, size_bytes, flushed_end;	/* as the job left it */
	int              doubled;	/* attempts at the swap that found too much left */
	int              strays;
	bool             is_full;
	bool             wants_log;
	mono_ms          due;		/* not before */
};

/* --- the job ---------------------------------------------------------------------------------------------------------------------- */

/* From here on another directory may come to have this name: what the last swap left in the old one is no note of this one. */
static enum err copy_open(struct partition_copy *y)
{
	struct log_recovery recovery;

	y->read_result = y->is_begun ? OK : log_swap_note_remove(y->os, y->from);
	y->is_begun = y->read_result == OK;
	return y->log != NULL ? OK : log_open(&y->log, &y->spec, &recovery);
}

static enum err read_range(struct partition_copy *y)
{
	size_t got = 0;

	if (y->range.len > y->buf_size) {
		y->buf_size = MAX(y->range.len, COPY_BYTES);
		free(y->buf);
		y->buf = mem_alloc(y->buf_size);
	}
	enum err e = os_pread(y->os, log_file_fd(y->range.file), y->buf, y->range.len, y->range.file_pos, &got);

	y->range.len = (uint32_t)got;
	return e;
}

static void copy_run(struct job *j)
{
	struct partition_copy *y = CONTAINER_OF(j, struct partition_copy, job);
	enum err e = OK;

	if (!y->is_begun || y->log == NULL)
		e = copy_open(y);
	if (e == OK && y->restart_at >= 0)
		e = log_truncate_fully_and_start_at(y->log, y->restart_at);
	if (e == OK && y->cut_to >= 0)
		e = log_truncate_to(y->log, y->cut_to);
	if (y->restart_at >= 0 || y->cut_to >= 0) {	/* nobody reads what was cut off, and it may be what fills the directory */
		enum err purged = logdir_purge_files(y->os, y->path);

		e = e != OK ? e : purged;
	}
	if (e == OK && y->read_result == OK && y->range.len > 0)
		y->read_result = read_range(y);
	if (e == OK && y->read_result == OK && y->range.len > 0)
		e = log_append_fetched(y->log, slice_of(y->buf, y->range.len), os_time_ms(y->os));
	if (e == OK && (y->wants_flush || log_wants_flush(y->log)))
		e = log_flush_now(y->log);
	y->result = e;
}

static void copy_submit(struct partition *p, struct partition_copy *y, void (*run)(struct job *j))
{
	y->is_out = true;
	p->copies_out++;
	msg_init(&y->job.msg, PARTITION_job, &p->actor);
	y->job.run = run;
	workers_submit(p->spec.movers->workers, &p->actor, &y->job);
}

/* --- beginning and end ------------------------------------------------------------------------------------------------------------ */

static void copy_free(struct partition_copy *y)
{
	ASSERT(!y->is_out);
	log_close(&y->log);
	free(y->buf);
	free(y);
}

/* Its directory is renamed to be removed later. What cannot be renamed is found at the next start. */
static void copy_remove(struct partition *p, struct partition_copy *y)
{
	enum err e = OK;

	if (y->log != NULL)
		e = log_delete(&y->log);
	else if (y->was_there)
		e = logdir_give_up(y->dir, strrchr(y->path, '/') + 1, p->addr->topic, p->addr->partition);
	if (e != OK)
		LOG_WARN(&p->actor.log, purge_failed, KV_STR("path", y->path), KV_ERR(e));
	copy_free(y);
}

static void copy_cancel(struct partition *p)
{
	struct partition_copy *y = p->copy;

	p->copy = NULL;
	y->is_cancelled = true;
	if (!y->is_out)
		copy_remove(p, y);
}

static void copy_begin(struct partition *p, struct logdir *dir, const char *name, bool was_there)
{
	struct partition_copy *y = mem_calloc(1, sizeof(*y));

	ASSERT(p->copy == NULL && p->spec.movers != NULL);
	y->dir = dir;
	y->os = p->spec.log.os;
	snprintf(y->path, sizeof(y->path), "%s/%s", logdir_path(dir), name);
	snprintf(y->from, sizeof(y->from), "%s", p->dir);
	y->config = p->config;
	y->was_there = was_there;
	y->spec = (struct log_spec){
		.os = y->os, .log = &p->actor.log, .dir = y->path, .topic = p->addr->topic, .partition = p->addr->partition, .topic_id = log_topic_id(p->log),
		.config = &y->config, .producer_id_expiration_ms = p->spec.log.producer_id_expiration_ms,
		/* no recovery point: what a checkpoint says may be about a replica that was here before */
		.recovery_point = -1, .high_watermark = -1, .log_start_offset = log_start_offset(p->log),
		.had_clean_shutdown = was_there && logdir_had_clean_shutdown(dir), .now = os_time_ms(y->os),
	};
	y->cut_to = y->restart_at = CUT_NOTHING;
	y->cut_due = INT64_MAX;
	y->flushed_end = y->end_offset = -1;
	y->is_checked = !was_there;
	p->copy = y;
	LOG_INFO(&p->actor.log, replica_moving, KV_STR("from", p->dir), KV_STR("to", y->path), KV_I64("end", log_end_offset(p->log)));
}

void partition_on_move(struct partition *p, struct partition_move *m)
{
	char name[LOGDIR_NAME_MAX + 1];
	struct uuid id;

	m->error = NONE;
	os_random(p->spec.log.os, id.bytes, sizeof(id.bytes));
	if (p->copy != NULL && m->dir != p->copy->dir) {
		LOG_INFO(&p->actor.log, replica_move_cancelled, KV_STR("to", p->copy->path));
		copy_cancel(p);
	}
	if (m->dir == p->spec.dir || p->copy != NULL)
		;	/* there it is, or on its way */
	else if (logdir_is_offline(m->dir))
		m->error = KAFKA_STORAGE_ERROR;
	else if (!logdir_future_name(p->addr->topic, p->addr->partition, id, name))
		m->error = INVALID_TOPIC_EXCEPTION;
	else
		copy_begin(p, m->dir, name, false);
	actor_answer(&p->actor, &m->msg);
}

void partition_copy_resume(struct partition *p)
{
	if (p->spec.copy_dir != NULL && partition_is_usable(p))
		copy_begin(p, p->spec.copy_dir, p->spec.copy_name, true);
}

void partition_copy_leave(struct partition *p)
{
	struct partition_copy *y = p->copy;

	if (y != NULL && !y->is_out) {
		p->copy = NULL;
		copy_free(y);
	}
}

enum err partition_copy_stop(struct partition *p, enum partition_stop_how how)
{
	struct partition_copy *y = p->copy;
	enum err e = OK;

	ASSERT(p->copies_out == 0 && p->moved_out == 0);
	if (y == NULL)
		return OK;
	p->copy = NULL;
	if (how == STOP_DELETE) {
		copy_remove(p, y);
		return OK;
	}
	if (how == STOP_CLEAN && y->log != NULL)
		e = log_close_clean(y->log);
	copy_free(y);
	return e;
}

/* --- the swap --------------------------------------------------------------------------------------------------------------------- */

/* It cannot go on: the log cannot be read, or has bytes that no log takes; or the other directory has failed. */
static void copy_stopped(struct partition *p, enum err e)
{
	struct partition_copy *y = p->copy;
	enum err read_result = y->read_result;

	LOG_ERROR(&p->actor.log, replica_move_failed, KV_STR("to", y->path), KV_ERR(read_result != OK ? read_result : e));
	if (read_result != OK || e == ERR_CORRUPT || e == ERR_UNSUPPORTED || e == ERR_OFFLINE) {
		copy_cancel(p);
		if (read_result != OK)
			partition_read_failed(p, "move", read_result);
		return;
	}
	p->copy = NULL;
	logdir_set_offline(y->dir, e, y->path);
	partition_tell_dir_failed(p, y->dir);
	copy_free(y);
}

/* What is left of the log: only what came in while the last job was out. */
static enum err copy_rest(struct partition_copy *y)
{
	enum err e = OK;

	while (e == OK) {
		e = log_read(y->old, log_end_offset(y->log), log_end_offset(y->old), COPY_BYTES, true, &y->range);
		if (e == OK && y->range.len == 0)
			break;
		if (e == OK)
			e = read_range(y);
		log_file_unref(&y->range.file);
		if (e != OK) {
			y->read_result = e;
			return e;
		}
		e = log_append_fetched(y->log, slice_of(y->buf, y->range.len), os_time_ms(y->os));
	}
	return e;
}

/*
 * First the copy is whole and on the device. Then it gets its name, with a note in it that makes it count where two directories have that name; then the old one loses its
 * own. A crash leaves at each moment one directory that counts, and it has everything.
 */
static enum err swap_names(struct partition_copy *y)
{
	enum err e = copy_rest(y);

	if (e == OK)
		e = log_take_over(y->log, y->old);
	if (e == OK)
		e = log_swap_note_write(y->os, y->path);
	if (e == OK)
		e = log_rename(y->log, y->name);
	y->is_renamed = e == OK;
	if (e == OK)
		e = os_fsync_dir(y->os, logdir_path(y->dir));
	if (err_is_passing(e) && y->is_renamed)		/* there is a way back after all: as nobody knows of the new name, neither does the device */
		y->is_renamed = log_rename(y->log, y->path) != OK;
	return e;
}

/* A note that stays does no harm: where it is, the replica is. But a name that stays would be a second directory after the next move. */
static enum err leave_old_dir(struct partition_copy *y)
{
	enum err e = log_delete(&y->old);

	if (e != OK)
		return e;
	e = os_fsync_dir(y->os, logdir_path(y->old_dir));
	if (err_is_passing(e) || (e == OK && log_swap_note_remove(y->os, y->name) != OK))
		return OK;
	return e;
}

static void swap_run(struct job *j)
{
	struct partition_copy *y = CONTAINER_OF(j, struct partition_copy, job);

	y->result = swap_names(y);
	y->old_result = y->result == OK ? leave_old_dir(y) : OK;
}

static void copy_swap(struct partition *p, struct partition_copy *y)
{
	int n = snprintf(y->name, sizeof(y->name), "%s/%s-%d", logdir_path(y->dir), p->addr->topic, p->addr->partition);

	if (n >= (int)sizeof(y->name)) {
		copy_stopped(p, ERR_UNSUPPORTED);
		return;
	}
	log_set_config(y->log, &p->config);
	y->is_swapping = true;
	y->old = p->log;
	y->old_dir = p->spec.dir;
	copy_submit(p, y, swap_run);
}

static void tell_moved(struct partition *p)
{
	struct partition_moved *m;

	if (p->spec.controller == NULL)
		return;
	m = mem_calloc(1, sizeof(*m));
	msg_init(&m->msg, PARTITION_MOVED, &p->actor);
	m->partition = p->addr;
	m->dir = p->spec.dir;
	p->moved_out++;
	bool is_asked = actor_ask(&p->actor, p->spec.controller, &m->msg);

	ASSERT(is_asked);	/* who has no lane is never declined */
}

static void live_in_copy(struct partition *p, struct partition_copy *y)
{
	p->copy = NULL;
	p->log = y->log;
	y->log = NULL;
	p->spec.dir = y->dir;
	snprintf(p->dir, sizeof(p->dir), "%s", y->name);
	__atomic_store_n(&p->addr->dir, y->dir, __ATOMIC_RELEASE);
	partition_clean_moved(p);
}

/* Without the old directory's consent: its device is not the one we live on any more. */
static void old_dir_failed(struct partition *p, struct partition_copy *y)
{
	LOG_ERROR(&p->actor.log, replica_move_failed, KV_STR("to", y->name), KV_ERR(y->old_result));
	logdir_set_offline(y->old_dir, y->old_result, "swap");
	partition_tell_dir_failed(p, y->old_dir);
}

/* The log is the partition's again, or the copy is its log now. */
static void swap_is_home(struct partition *p, struct partition_copy *y)
{
	y->is_swapping = y->wants_log = false;
	y->flushed_end = -1;
	y->end_offset = log_end_offset(y->log);
	if (err_is_passing(y->result) && !y->is_renamed) {
		y->due = os_mono_ms(y->os) + COPY_RETRY_MS;
		return;
	}
	if (y->result != OK && !y->is_renamed) {
		copy_stopped(p, y->result);
		return;
	}
	live_in_copy(p, y);
	if (y->result != OK) {
		log_close(&y->old);
		partition_storage_failed(p, "move", y->result);
	} else {
		partition_purge_later(p);	/* what its last cut has left */
		LOG_INFO(&p->actor.log, replica_moved, KV_STR("from", logdir_path(y->old_dir)), KV_STR("to", y->name), KV_I64("end", y->end_offset));
		tell_moved(p);
		if (y->old_result != OK)
			old_dir_failed(p, y);
	}
	copy_free(y);
}

/* --- step by step ------------------------------------------------------------------------------------------------------------------ */

/* What must be cut off the copy before it may grow. True: the job is to do it. */
static bool copy_must_cut(struct partition *p, struct partition_copy *y)
{
	int64_t start = log_start_offset(p->log), end = log_end_offset(p->log), to = MIN(y->cut_due, end);

	y->cut_due = INT64_MAX;
	if (!y->is_checked) {	/* left by an earlier process: the log may have been cut since */
		int64_t parting = log_parting(p->log, y->log);

		y->is_checked = true;
		to = MIN(to, parting);
	}
	if (to < 0 || y->end_offset < start || log_start_offset(y->log) > start)
		y->restart_at = start;
	else if (to < y->end_offset)
		y->cut_to = to;
	return y->restart_at >= 0 || y->cut_to >= 0;
}

/* The next bytes of the log; perhaps there are none. False: not now, or the move has ended. */
static bool copy_next_range(struct partition *p, struct partition_copy *y, mono_ms now)
{
	enum err e = log_read(p->log, y->end_offset, log_end_offset(p->log), COPY_BYTES, true, &y->range);
	if (err_is_passing(e)) {
		y->due = now + COPY_RETRY_MS;
		return false;
	}
	if (e != OK) {
		y->read_result = e;
		copy_stopped(p, e);
		return false;
	}
	if (y->range.len > 0 && y->range.first_batch_offset < y->end_offset && log_start_offset(y->log) < y->end_offset) {
		y->cut_to = y->range.first_batch_offset;	/* a cut went through the middle of this batch: it comes whole */
		y->range.len = 0;
		log_file_unref(&y->range.file);
	}
	throttle_record(&p->spec.movers->throttle, now, y->range.len);
	return true;
}

static void copy_next(struct partition *p, struct partition_copy *y, mono_ms now)
{
	uint64_t allowed = (uint64_t)COPY_LAST_BYTES << y->doubled, left = log_bytes_between(p->log, y->end_offset, log_end_offset(p->log), UINT32_MAX);
	mono_ms wait = throttle_wait(&p->spec.movers->throttle, now);

	if (wait > 0) {
		y->due = now + MIN(wait, COPY_LOOK_MS);
		return;
	}
	if (left <= allowed && y->flushed_end == y->end_offset) {
		y->wants_log = !p->is_change_out;	/* the controller may keep us waiting for that: syncs do not wait with it */
		if (!y->wants_log)
			y->due = now + COPY_CHANGE_MS;
		else if (!partition_has_lent_log(p))
			copy_swap(p, y);
		return;
	}
	if (left > allowed && y->flushed_end == y->end_offset && y->doubled < COPY_LAST_DOUBLED)
		y->doubled++;	/* it was near, and what came in during the sync was too much */
	if (!copy_next_range(p, y, now))
		return;
	y->wants_flush = left <= allowed;
	copy_submit(p, y, copy_run);
}

void partition_copy_upkeep(struct partition *p, mono_ms now)
{
	struct partition_copy *y = p->copy;

	if (y == NULL || y->is_out || now < y->due || p->stop != NULL || p->clean != NULL)	/* a copy of what is cleaned meanwhile may keep a value without the tombstone that deleted it */
		return;
	y->due = MONO_LONG_AGO;
	y->wants_log = false;
	if (logdir_is_offline(y->dir)) {	/* another replica has met that */
		copy_stopped(p, ERR_OFFLINE);
		return;
	}
	y->cut_to = y->restart_at = CUT_NOTHING;
	y->wants_flush = false;
	y->read_result = OK;
	if (!y->is_begun || y->log == NULL || copy_must_cut(p, y))
		copy_submit(p, y, copy_run);
	else
		copy_next(p, y, now);
}

/* What was to be cut still is. */
static void copy_owes_cut(struct partition_copy *y)
{
	if (y->cut_to >= 0)
		y->cut_due = MIN(y->cut_due, y->cut_to);
	if (y->restart_at >= 0)
		y->is_checked = false;
}

/* Bytes that do not fit: the log was cut while they were read, and what is due will be cut of the copy too. Again and again: they are damaged. */
static bool is_only_stray(struct partition_copy *y)
{
	return y->read_result == OK && (y->result == ERR_CORRUPT || y->result == ERR_UNSUPPORTED) && y->log != NULL && ++y->strays < COPY_STRAY_MAX;
}

static void copy_is_home(struct partition *p, struct partition_copy *y)
{
	bool was_full = y->is_full;

	log_file_unref(&y->range.file);
	y->range.len = 0;
	y->is_full = err_is_passing(y->result) || err_is_passing(y->read_result);
	if (y->log != NULL) {
		y->end_offset = log_end_offset(y->log);
		y->size_bytes = log_size_bytes(y->log);
	}
	if (y->result == OK && y->read_result == OK) {
		y->strays = 0;
		y->flushed_end = y->wants_flush ? y->end_offset : -1;
	} else if (y->is_full) {
		copy_owes_cut(y);
		if (!was_full)
			LOG_WARN(&p->actor.log, disk_full, KV_STR("dir", y->path), KV_ERR(y->result != OK ? y->result : y->read_result));
		y->due = os_mono_ms(y->os) + COPY_RETRY_MS;
	} else if (!is_only_stray(y)) {
		copy_stopped(p, y->result);
	}
}

bool partition_copy_on_home(struct partition *p, struct msg *m)
{
	if (m->kind == PARTITION_MOVED) {
		free(m);
		p->moved_out--;
		return true;
	}
	struct job *j = (struct job *)m;

	if (m->kind != PARTITION_job || (j->run != copy_run && j->run != swap_run))
		return false;
	struct partition_copy *y = CONTAINER_OF(j, struct partition_copy, job);

	y->is_out = false;
	p->copies_out--;
	if (y->is_swapping) {
		swap_is_home(p, y);
	} else if (y->is_cancelled) {
		log_file_unref(&y->range.file);
		copy_remove(p, y);
	} else if (!partition_is_usable(p)) {
		log_file_unref(&y->range.file);
		partition_copy_leave(p);
	} else {
		copy_is_home(p, y);
	}
	return true;
}

void partition_copy_cut(struct partition *p)
{
	if (p->copy == NULL)
		return;
	p->copy->cut_due = MIN(p->copy->cut_due, log_end_offset(p->log));
	p->copy->flushed_end = -1;
}

bool partition_copy_has_log(const struct partition *p)
{
	return p->copy != NULL && p->copy->is_swapping;
}

bool partition_copy_wants_log(const struct partition *p)
{
	return p->copy != NULL && p->copy->wants_log;
}

mono_ms partition_copy_deadline(const struct partition *p)
{
	const struct partition_copy *y = p->copy;

	return y == NULL || y->is_out || y->due == MONO_LONG_AGO || p->stop != NULL || p->clean != NULL ? MONO_NEVER : y->due;
}

void partition_copy_publish(struct partition *p)
{
	struct partition_addr *a = p->addr;

	__atomic_store_n(&a->copy_size_bytes, p->copy != NULL ? p->copy->size_bytes : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&a->copy_end_offset, p->copy != NULL ? MAX(p->copy->end_offset, 0) : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&a->copy_dir, p->copy != NULL ? p->copy->dir : NULL, __ATOMIC_RELEASE);
}
