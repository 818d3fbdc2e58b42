#include "rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "partition/partition_checkpoint.h"

#define STEPS_MAX 2000000
#define DESK_LANE 1

/* --- the desk --------------------------------------------------------------------------------------------------------------------- */

static void desk_on_home(void *arg, struct msg *m)
{
	struct rig *r = arg;
	struct ask *a = m->context;

	a->order = ++r->answered;
	a->answered_at = os_mono_ms(r->os);
}

static int desk_step(struct actor *actor, mono_ms now)
{
	struct rig *r = CONTAINER_OF(actor, struct rig, desk);
	int work = actor_drain_answers(actor, desk_on_home, r);

	int sent = 0;

	while (sent < r->queued) {
		struct ask *a = r->queue[sent];

		if (!partition_ask(actor, r->addr, &a->msg)) {
			if (partition_is_open(r->addr))
				break;		/* the lane is full: the rest when an answer comes home */
			a->was_declined = true;
			a->order = ++r->answered;
			a->answered_at = now;
		}
		sent++;
	}
	r->queued -= sent;
	memmove(r->queue, r->queue + sent, (size_t)r->queued * sizeof(r->queue[0]));
	actor->deadline = now < r->alarm ? r->alarm : MONO_NEVER;
	return work + sent;
}

static const struct actor_ops desk_ops = { .module = "desk", .step = desk_step };

void rig_ask(struct rig *r, struct ask *a)
{
	rig_expect(r->queued < RIG_QUEUE);
	a->order = 0;
	a->was_declined = false;
	a->msg.context = a;
	a->msg.home = &r->desk;
	r->queue[r->queued++] = a;
	actor_wake(&r->desk);
}

void rig_run(struct rig *r, int steps)
{
	for (int i = 0; i < steps && sched_sim_step(r->sched); i++)
		;
}

void rig_wait(struct rig *r, struct ask *a)
{
	for (int i = 0; a->order == 0; i++) {
		rig_expect(i < STEPS_MAX);
		rig_expect(sched_sim_step(r->sched));
	}
}

void rig_wait_all(struct rig *r)
{
	for (int i = 0; r->queued > 0 || r->desk.messages_out > 0; i++) {
		rig_expect(i < STEPS_MAX);
		rig_expect(sched_sim_step(r->sched));
	}
}

void rig_rests(struct rig *r)
{
	const struct actor *a = r->addr->actor;
	uint64_t before = a->counters.steps;

	rig_pass(r, 3600000);
	ck_assert_uint_le(a->counters.steps - before, 8);
}

void rig_pass(struct rig *r, mono_ms ms)
{
	mono_ms until = os_mono_ms(r->os) + ms;

	r->alarm = until;		/* or the clock would go to the next deadline, however far */
	actor_wake(&r->desk);
	while (os_mono_ms(r->os) < until) {
		if (!sched_sim_step(r->sched))
			sim_advance(r->sim, until - os_mono_ms(r->os));
	}
}

/* A job takes 20 ms at most, and a partition has one at a time. */
void rig_settle(struct rig *r)
{
	rig_pass(r, 200);
}

/* --- up and down -------------------------------------------------------------------------------------------------------------------- */

static void quiet_sink(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

void rig_init_beside(struct rig *r, struct rig *first, int32_t broker_id, uint64_t seed)
{
	char host[16];

	memset(r, 0, sizeof(*r));
	if (getenv("SKEIN_SIM_LOG") == NULL)
		log_set_sink(quiet_sink, NULL);
	snprintf(host, sizeof(host), "host%d", broker_id);
	r->broker_id = broker_id;
	r->lag_ms = 30000;
	r->sim = sim_create(first != NULL ? sim_net_of(first->sim) : NULL, host, seed);
	r->os = sim_os(r->sim);
	sim_set_fd_percent(r->sim, (int)(seed % 3 * 50));	/* all files stay open; indexes are closed after each step; all are */
	r->sched = first != NULL ? sched_sim_add_machine(first->sched, r->os) : sched_sim_create(r->os, seed);
	if (first == NULL)
		sched_sim_set_clock(r->sched, sim_clock_next_event, sim_clock_advance, r->sim);
	r->workers = workers_create(r->sched, 1);
	log_source_init(&r->source, "rig", "%llu", (unsigned long long)seed);
	topic_config_init(&r->config);
	throttle_init(&r->movers.throttle, 11, 1000);
	throttle_init(&r->cleaners.throttle, 10, 100);
	r->topic_id = (struct uuid){ { 7, 1 } };
	actor_init(&r->desk, r->sched, &desk_ops, DESK_LANE, "desk");
	ck_assert_int_eq(actor_start(&r->desk, 0), OK);
}

void rig_init(struct rig *r, uint64_t seed)
{
	rig_init_beside(r, NULL, RIG_BROKER, seed);
}

void rig_fini(struct rig *r)
{
	ck_assert_ptr_null(r->dir);
	actor_stop(&r->desk);
	actor_join(&r->desk);
	actor_fini(&r->desk);
	workers_destroy(&r->workers);
	throttle_fini(&r->movers.throttle);
	throttle_fini(&r->cleaners.throttle);
	sched_destroy(&r->sched);
	sim_destroy(&r->sim);
}

static int dir_count(const struct rig *r)
{
	return r->has_two_dirs ? RIG_DIRS : 1;
}

static void close_dirs(struct rig *r)
{
	for (int i = 0; i < RIG_DIRS; i++)
		logdir_close(&r->dirs[i]);
	r->dir = NULL;
}

static enum err open_dirs(struct rig *r)
{
	static const char *const paths[RIG_DIRS] = { RIG_DIR, RIG_DIR_2 };
	char problem[LOGDIR_ERROR_MAX];
	enum err e = OK;

	for (int i = 0; e == OK && i < dir_count(r); i++) {
		e = logdir_open(&r->dirs[i], r->os, &r->source, paths[i], problem);
		if (e == OK)
			e = logdir_claim(r->dirs[i], r->broker_id, "cluster", problem);
		if (e == OK)
			e = logdir_load(r->dirs[i], problem);
	}
	return e;
}

/* What the controller does: which directory has the replica, which an unfinished copy, and which of two counts after a swap that was cut short. */
struct find {
	struct rig *rig;
	int         at, where, copy_at;
	char        copy[LOGDIR_NAME_MAX + 1];
	enum err    result;
};

static void found_twice(struct find *f)
{
	f->result = logdir_settle_swap(f->rig->dirs, "t", 0, &f->where);
	ck_assert(f->result == OK || sim_is_dead(f->rig->sim));
	f->rig->swaps_settled++;
}

static void on_found(void *arg, const struct logdir_entry *e)
{
	struct find *f = arg;

	if (e->kind == LOGDIR_PARTITION && f->where >= 0) {
		found_twice(f);
	} else if (e->kind == LOGDIR_PARTITION) {
		f->where = f->at;
	} else if (e->kind == LOGDIR_FUTURE && f->copy_at >= 0) {
		f->result = logdir_give_up(f->rig->dirs[f->at], e->name, "t", 0);
	} else if (e->kind == LOGDIR_FUTURE) {
		f->copy_at = f->at;
		snprintf(f->copy, sizeof(f->copy), "%s", e->name);
	}
}

static enum err find_replica(struct find *f)
{
	char problem[LOGDIR_ERROR_MAX];
	enum err e = OK;

	f->where = f->copy_at = -1;
	f->result = OK;
	for (f->at = 0; e == OK && f->at < dir_count(f->rig); f->at++)
		e = logdir_scan(f->rig->dirs[f->at], on_found, f, problem);
	if (e == OK)
		e = f->result;
	if (e == OK && f->copy_at >= 0 && (f->where < 0 || f->where == f->copy_at)) {
		e = logdir_give_up(f->rig->dirs[f->copy_at], f->copy, "t", 0);
		f->copy_at = -1;
	}
	f->where = MAX(f->where, 0);
	return e;
}

enum err rig_up(struct rig *r)
{
	struct logdir_known known;
	struct find found = { .rig = r };
	char path[64];
	enum err e = open_dirs(r);

	if (e == OK)
		e = find_replica(&found);
	if (e != OK) {
		close_dirs(r);
		return e;
	}
	r->dir = r->dirs[found.where];
	logdir_known(r->dir, "t", 0, &known);
	snprintf(path, sizeof(path), "%s/t-0", logdir_path(r->dir));
	r->movers.workers = r->cleaners.workers = r->workers;
	r->flush_turns = (struct partition_flush_turns){ 0 };
	r->writer.actor = &r->desk;
	struct partition_spec spec = {
		.sched = r->sched, .workers = r->workers, .dir = r->dir, .broker_id = r->broker_id, .flush_acks = r->flush_acks,
		.replica_lag_time_max_ms = r->lag_ms, .controller = r->controller, .hooks = r->hooks, .hook_count = r->hook_count,
		.cleaners = r->has_cleaners ? &r->cleaners : NULL, .writer = &r->writer, .movers = &r->movers, .flush_turns = &r->flush_turns, .copy_dir = found.copy_at >= 0 ? r->dirs[found.copy_at] : NULL, .copy_name = found.copy,
		.log = {
			.os = r->os, .dir = path, .topic = "t", .partition = 0, .topic_id = r->topic_id, .config = &r->config,
			.producer_id_expiration_ms = INT32_MAX, .recovery_point = known.recovery_point, .log_start_offset = known.log_start_offset,
			.high_watermark = known.high_watermark, .cleaner_offset = known.cleaner_offset, .had_clean_shutdown = logdir_had_clean_shutdown(r->dir), .was_left_by_us = logdir_was_left_by_us(r->dir), .mark = known.mark,
			.now = os_time_ms(r->os),
		},
	};
	ck_assert_int_eq(partition_start(&r->addr, &spec), OK);
	return OK;
}

enum err rig_checkpoint(struct rig *r)
{
	enum err e = OK;

	for (int i = 0; e == OK && i < dir_count(r); i++)
		e = partition_write_checkpoints(r->dirs[i], &r->addr, 1, CHECKPOINT_RECOVERY | CHECKPOINT_WATERMARK | CHECKPOINT_CLEANER | CHECKPOINT_MARKS);
	return e;
}

void rig_down(struct rig *r, enum partition_stop_how how)
{
	struct ask stop = { .stop = { .how = how } };
	enum err e = OK;

	if (r->dir == NULL)
		return;
	msg_init(&stop.msg, PARTITION_stop, &r->desk);
	rig_ask(r, &stop);
	rig_wait_all(r);
	partition_join(r->addr);
	if (how == STOP_CLEAN && stop.stop.result == OK)
		e = rig_checkpoint(r);
	partition_addr_unref(&r->addr);
	for (int i = 0; i < dir_count(r); i++) {
		if (how == STOP_CLEAN && stop.stop.result == OK && e == OK)
			(void)!logdir_close_clean(&r->dirs[i]);
	}
	close_dirs(r);
}

void rig_lead(struct rig *r, int32_t epoch)
{
	struct ask role;

	rig_ask(r, ask_role(&role, RIG_BROKER, epoch, 1));
	rig_wait(r, &role);
	ck_assert_int_eq(role.role.error, NONE);
	rig_settle(r);
}

/* --- questions ------------------------------------------------------------------------------------------------------------------------ */

static struct ask *ask_init(struct ask *a, enum partition_msg_kind kind)
{
	memset(a, 0, sizeof(*a));
	msg_init(&a->msg, (uint16_t)kind, NULL);
	return a;
}

struct ask *ask_append_as(struct ask *a, int16_t acks, int32_t timeout_ms, int n, int64_t producer_id, int32_t sequence)
{
	struct batch_spec spec = BATCH_SPEC_INIT;
	struct strbuf out = STRBUF_INIT;
	struct batch_builder b;
	struct slice batch;
	char value[32];

	if (producer_id >= 0) {
		spec.producer_id = producer_id;
		spec.producer_epoch = 0;
		spec.base_sequence = sequence;
	}
	batch_build_begin(&b, &spec, NULL, &out, sizeof(a->batch));
	for (int i = 0; i < n; i++) {
		snprintf(value, sizeof(value), "%08lld-%010d", (long long)producer_id, sequence + i);
		batch_build_add(&b, 1700000000000 + sequence, SLICE_NULL, slice_str(value), NULL, 0);
	}
	rig_expect(batch_build_end(&b, &batch) == OK);
	ask_init(a, PARTITION_append);
	memcpy(a->batch, batch.ptr, batch.len);
	a->append.append.batch = a->batch;
	a->append.append.batch_bytes = (uint32_t)batch.len;
	a->append.acks = acks;
	a->append.timeout_ms = timeout_ms;
	strbuf_fini(&out);
	return a;
}

struct ask *ask_append(struct ask *a, int16_t acks, int32_t timeout_ms, int n)
{
	return ask_append_as(a, acks, timeout_ms, n, -1, 0);
}

struct ask *ask_read(struct ask *a, int64_t offset, uint32_t max_bytes)
{
	ask_init(a, PARTITION_read);
	a->read.fetch_offset = offset;
	a->read.replica_id = REPLICA_CONSUMER;
	a->read.replica_epoch = a->read.follower_log_start_offset = -1;
	a->read.current_leader_epoch = a->read.last_fetched_epoch = -1;
	a->read.max_bytes = max_bytes;
	a->read.first_whole = true;
	return a;
}

struct ask *ask_watch(struct ask *a, const struct rig *r)
{
	ask_init(a, PARTITION_watch);
	a->watch.seen_high_watermark = partition_high_watermark(r->addr);
	a->watch.seen_last_stable_offset = partition_last_stable_offset(r->addr);
	a->watch.seen_log_end_offset = INT64_MIN;
	a->watch.seen_leader_epoch = partition_leader_epoch(r->addr);
	return a;
}

struct ask *ask_role(struct ask *a, int32_t leader, int32_t epoch, int32_t isr_count)
{
	ask_init(a, PARTITION_role);
	a->role.leader = leader;
	a->role.leader_epoch = epoch;
	a->role.replica_count = 2;
	a->role.isr_count = isr_count;
	for (int32_t i = 0; i < 2; i++)
		a->role.replicas[i] = a->role.isr[i] = i;
	return a;
}

struct ask *ask_move(struct ask *a, struct logdir *dir)
{
	ask_init(a, PARTITION_move);
	a->move.dir = dir;
	return a;
}

struct ask *ask_list(struct ask *a, int64_t timestamp)
{
	ask_init(a, PARTITION_list_offsets);
	a->list.timestamp = timestamp;
	a->list.replica_id = REPLICA_CONSUMER;
	a->list.current_leader_epoch = -1;
	return a;
}

/* --- reading all -------------------------------------------------------------------------------------------------------------------------- */

static int64_t check_batches(const struct rig *r, struct slice bytes, int64_t next, int *count, void (*each)(void *arg, struct slice batch), void *arg)
{
	struct slice batch;

	while (batch_next(&bytes, &batch) == OK) {
		rig_expect(batch_check_crc(batch));
		rig_expect(r->has_cleaners ? batch_base_offset(batch.ptr) >= next : batch_base_offset(batch.ptr) == next);
		next = batch_last_offset(batch.ptr) + 1;
		(*count)++;
		if (each != NULL)
			each(arg, batch);
	}
	ck_assert_uint_eq(bytes.len, 0);
	return next;
}

int rig_read_all(struct rig *r, int64_t offset, void (*each)(void *arg, struct slice batch), void *arg)
{
	int count = 0;

	while (true) {
		struct ask q;

		rig_ask(r, ask_read(&q, offset, INT32_MAX));
		rig_wait(r, &q);
		ck_assert_int_eq(q.read.error, NONE);
		if (q.read.range.len == 0) {
			ck_assert_int_eq(offset, q.read.high_watermark);
			if (q.read.range.file != NULL)
				log_file_unref(&q.read.range.file);
			return count;
		}
		uint8_t *bytes = mem_alloc(q.read.range.len);
		size_t got;

		ck_assert_int_eq(os_pread(r->os, log_file_fd(q.read.range.file), bytes, q.read.range.len, q.read.range.file_pos, &got), OK);
		ck_assert_uint_eq(got, q.read.range.len);
		offset = check_batches(r, slice_of(bytes, got), offset, &count, each, arg);
		log_file_unref(&q.read.range.file);
		free(bytes);
	}
}
