/*
 * Three replicas of one partition on three simulated machines, a model of the controller and of the fetchers between them, and every invariant of replication looked at
 * after every few steps.
 *
 * Real: the partition actors, their logs and disks, workers. Model: the coordination store's state (struct zstate), how it comes to brokers (roles, late, in order), how
 * changes of the in-sync set come back (late, refused, or applied with the answer lost), the fetchers and the network between them (late; answers of an earlier assignment
 * are sometimes handed in all the same, as a confused fetcher would). Each seed kills processes, cuts the power, moves leadership, and slows followers down.
 *
 * A power cut takes what was not synced. So it comes only where a single failure is all that has happened: what was acknowledged must then survive, always; what was
 * committed must survive unless the machine was alone in the in-sync set.
 *
 * Checked: epochs ascend and agree with the epoch cache (I7); logs that agree on an epoch at an offset agree below it (I6); every member of the in-sync set holds all that was
 * ever committed (I8, I10, I13); the same for a set that a change under way may install (I10); who joins holds the start of the epoch (I11); one leader per epoch (I2);
 * partition epochs do not go back (I3); a leader's high watermark ascends within its epoch, and nobody's is above what is committed (I14); it stands while the set
 * is below the minimum (I15); what is acknowledged is committed, and stays (I16); start <= LSO <= high watermark <= end (I17). At the end all faults stop, and all three must
 * become equal and in sync (I21), with all that was acknowledged.
 *
 * The mutants (partition.h) must each be found by one of the seeds.
 *
 *	SKEIN_SIM_SEEDS=first-last		other seeds than the usual ones, without the mutants
 */
#include <check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fake_controller.h"
#include "partition/partition_priv.h"
#include "sim/seeds.h"
#include "storage/log_priv.h"

#define SEED_FIRST     1
#define SEED_LAST      500
#define MUTANT_SEEDS   300
#define BROKERS        3
#define TURNS          1500
#define OFFSETS_MAX    4096
#define OPS_MAX        256
#define ACKED_MAX      2048
#define CALM_MS        500	/* after a crash, before a power cut: what is alone has synced by then */
#define HEAL_MS        30000

struct entry { uint32_t crc; int32_t epoch; };		/* what a log holds at an offset */

struct shadow {			/* what a log was seen to hold */
	struct entry entries[OFFSETS_MAX];
	int64_t end;		/* known below */
	uint32_t cuts;		/* of the log then: another number means that it was cut */
	bool    is_stale;	/* another life of the broker: look again from the start */
};

struct zstate { int32_t leader, leader_epoch, partition_epoch; bool isr[BROKERS]; };

enum fetch_state { FETCH_ASK_EPOCH, FETCH_TO_WATERMARK, FETCH_DATA, FETCH_LATEST, FETCH_EARLIEST };
struct fetcher {
	bool             is_active, is_busy;
	enum fetch_state state;
	uint32_t         generation;	/* of the assignment: an answer of another one is old */
	int32_t          leader, leader_epoch, last_epoch;
	int64_t          end, high_watermark;
	mono_ms          next;
};

struct broker {
	struct rig             rig;
	struct fake_controller controller;
	struct shadow          shadow;
	struct fetcher         fetcher;
	bool     is_up;			/* its process runs; else it comes back at back_at */
	bool     is_registered;		/* as the controller believes */
	bool     is_loss_unknown;	/* crashed, and the controller has not dealt with that yet ... */
	bool     is_cut_unknown;	/* ... and it was a power cut */
	mono_ms  back_at, noticed_at, slow_until;
	uint32_t incarnation, registered_incarnation;	/* the second: which one the controller speaks to; another one does not listen (KAFKA-7235) */
	mono_ms  last_role_due;
	/* of the change of the in-sync set that its partition holds at the controller */
	bool     is_change_seen;
	mono_ms  change_due;
	uint32_t change_incarnations[BROKERS];
	/* as of the last look */
	int32_t  seen_leader_epoch, seen_partition_epoch, seen_isr_count;
	int64_t  seen_high_watermark;
	bool     seen_leading;
};

enum op_kind { OP_PRODUCE, OP_ROLE, OP_ASK_LEADER, OP_HAND_IN };
enum op_stage { STAGE_NONE, STAGE_SEND, STAGE_OUT, STAGE_BACK };	/* waits to be sent at due; asked; on its way back until due */
struct op {
	enum op_kind  kind;
	enum op_stage stage;
	int           at;		/* the broker that is asked */
	uint32_t      incarnation;	/* of it; an op is lost when that has changed */
	int           by;		/* OP_ASK_LEADER, OP_HAND_IN: whose fetcher */
	uint32_t      by_incarnation, generation;
	bool          is_old;		/* handed in though the assignment has changed: the outcome is nobody's */
	mono_ms       due;
	uint8_t      *bytes;		/* fetched */
	size_t        len;
	struct ask    ask;
};

struct acked { int64_t offset; uint32_t crc; };

struct world {
	uint64_t      seed, random;
	struct broker brokers[BROKERS];
	struct zstate z;
	struct op     ops[OPS_MAX];
	struct entry  committed[OFFSETS_MAX];
	int64_t       committed_end;
	int32_t       leader_of_epoch[OFFSETS_MAX];	/* broker + 1 */
	struct acked  acked[ACKED_MAX];
	int           acked_count, sequence;
	bool          has_fetch_validation;	/* Fetch tells where histories part (2.7); else the fetcher asks for the end of its epoch first */
	bool          may_cut_alone, has_lost, is_healing;
	int64_t       isr_min;
	mono_ms       calm_since;
	uint64_t      elections, crashes, cuts, truncations, changes;
	char          problem[400];
	jmp_buf       stop;
};

static uint64_t draw(struct world *w, uint64_t n)	/* xorshift64* */
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

static bool chance(struct world *w, uint64_t percent)
{
	return draw(w, 100) < percent;
}

static mono_ms now_ms(struct world *w)
{
	return os_mono_ms(w->brokers[0].rig.os);
}

static mono_ms later(struct world *w, uint64_t max)
{
	return now_ms(w) + 1 + (mono_ms)draw(w, max);
}

/* A broken invariant ends the seed: a failure, or what a mutant is there for. */
static _Noreturn void PRINTF(2, 3) broken(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->problem, sizeof(w->problem), fmt, ap);
	va_end(ap);
	longjmp(w->stop, 1);
}

#define HOLDS(w, condition, ...) do { if (!(condition)) broken((w), __VA_ARGS__); } while (0)

/* The story of a seed, between the lines of the log. */
static void PRINTF(2, 3) tell(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (getenv("SKEIN_SIM_LOG") == NULL)
		return;
	fprintf(stderr, "%lld: leader %d epoch %d.%d in sync %d%d%d committed %lld: ", (long long)now_ms(w), w->z.leader, w->z.leader_epoch, w->z.partition_epoch, w->z.isr[0],
	        w->z.isr[1], w->z.isr[2], (long long)w->committed_end);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* --- questions under way ---------------------------------------------------------------------------------------------------------- */

static struct op *op_new(struct world *w, enum op_kind kind, int at, mono_ms due)
{
	for (int i = 0; i < OPS_MAX; i++) {
		struct op *o = &w->ops[i];

		if (o->stage != STAGE_NONE)
			continue;
		memset(o, 0, sizeof(*o));
		o->kind = kind;
		o->stage = STAGE_SEND;
		o->at = at;
		o->incarnation = w->brokers[at].incarnation;
		o->due = due;
		return o;
	}
	return NULL;		/* full: whoever wanted it comes again */
}

static void op_end(struct op *o)
{
	free(o->bytes);
	o->bytes = NULL;
	o->stage = STAGE_NONE;
}

/* --- the controller ----------------------------------------------------------------------------------------------------------------- */

static int isr_size(const bool *isr)
{
	int n = 0;

	for (int i = 0; i < BROKERS; i++)
		n += isr[i];
	return n;
}

static void tell_role(struct world *w, int to)
{
	struct broker *b = &w->brokers[to];
	struct op *o;

	b->last_role_due = MAX(b->last_role_due, later(w, 40));
	if (!b->is_registered || (o = op_new(w, OP_ROLE, to, b->last_role_due)) == NULL)
		return;
	o->incarnation = b->registered_incarnation;
	ask_role(&o->ask, w->z.leader, w->z.leader_epoch, 0);
	o->ask.role.partition_epoch = w->z.partition_epoch;
	o->ask.role.replica_count = BROKERS;
	for (int32_t i = 0; i < BROKERS; i++) {
		o->ask.role.replicas[i] = i;
		if (w->z.isr[i])
			o->ask.role.isr[o->ask.role.isr_count++] = i;
	}
}

static void decide(struct world *w, int32_t leader)
{
	w->z.leader = leader;
	w->z.leader_epoch++;
	w->z.partition_epoch++;
	w->elections++;
	tell(w, "decided");
	for (int i = 0; i < BROKERS; i++)
		tell_role(w, i);
}

static int32_t electable(struct world *w)
{
	int first = (int)draw(w, BROKERS);

	for (int i = 0; i < BROKERS; i++) {
		int b = (first + i) % BROKERS;

		if (w->z.isr[b] && w->brokers[b].is_registered)
			return b;
	}
	return -1;
}

/* A broker is gone: also one that is back already, for its registration is another one. */
static void on_broker_failed(struct world *w, int b)
{
	bool was_in_sync = w->z.isr[b];

	w->brokers[b].is_registered = false;
	w->brokers[b].noticed_at = MONO_NEVER;
	w->brokers[b].is_loss_unknown = w->brokers[b].is_cut_unknown = false;
	if (was_in_sync && isr_size(w->z.isr) > 1)
		w->z.isr[b] = false;
	tell(w, "broker %d has failed", b);
	if (w->z.leader == b)
		decide(w, electable(w));
	else if (was_in_sync && isr_size(w->z.isr) >= 1)
		decide(w, w->z.leader);
	w->calm_since = now_ms(w);
}

static void on_broker_registered(struct world *w, int b)
{
	w->brokers[b].is_registered = true;
	w->brokers[b].registered_incarnation = w->brokers[b].incarnation;
	if (w->z.leader < 0 && electable(w) >= 0)
		decide(w, electable(w));
	else
		tell_role(w, b);
}

static enum kafka_error alter_isr(struct world *w, int from, const struct partition_isr_change *m, bool *wanted)
{
	const struct broker *b = &w->brokers[from];
	bool is_same = true;

	memset(wanted, 0, BROKERS * sizeof(*wanted));
	for (int32_t i = 0; i < m->isr_count; i++)
		wanted[m->isr[i]] = true;
	for (int i = 0; i < BROKERS; i++)
		is_same &= wanted[i] == w->z.isr[i];
	if (w->z.leader != from || m->leader_epoch < w->z.leader_epoch)
		return FENCED_LEADER_EPOCH;
	if (is_same)
		return NONE;		/* the answer to the first try was lost */
	if (m->partition_epoch != w->z.partition_epoch)
		return INVALID_UPDATE_VERSION;
	for (int i = 0; i < BROKERS; i++) {
		if (wanted[i] && !w->z.isr[i] && (!w->brokers[i].is_registered || w->brokers[i].incarnation != b->change_incarnations[i]))
			return INELIGIBLE_REPLICA;
	}
	return chance(w, w->is_healing ? 0 : 5) ? OPERATION_NOT_ATTEMPTED : NONE;
}

static void check_joining(struct world *w, int leader, const bool *wanted);

static void answer_change(struct world *w, int from)
{
	struct broker *b = &w->brokers[from];
	struct partition_isr_change *m = b->controller.held;
	bool wanted[BROKERS];

	b->is_change_seen = false;
	m->error = chance(w, w->is_healing ? 0 : 5) ? NOT_CONTROLLER : alter_isr(w, from, m, wanted);
	if (m->error == NONE) {
		if (memcmp(wanted, w->z.isr, sizeof(wanted)) != 0) {
			check_joining(w, from, wanted);
			memcpy(w->z.isr, wanted, sizeof(wanted));
			w->z.partition_epoch++;
			w->changes++;
			tell(w, "changed by broker %d", from);
		}
		m->leader = w->z.leader;
		m->new_leader_epoch = w->z.leader_epoch;
		m->new_partition_epoch = w->z.partition_epoch;
		m->new_isr_count = m->isr_count;
		memcpy(m->new_isr, m->isr, sizeof(m->isr));
		if (chance(w, w->is_healing ? 0 : 5))
			m->error = NETWORK_EXCEPTION;	/* done, and nobody hears of it */
	}
	b->controller.is_answer_due = true;
	actor_wake(&b->controller.actor);
}

static void run_controller(struct world *w)
{
	for (int i = 0; i < BROKERS; i++) {
		struct broker *b = &w->brokers[i];

		if (b->controller.held != NULL && !b->controller.is_answer_due && !b->is_change_seen) {
			b->is_change_seen = true;
			b->change_due = later(w, 60);
			for (int k = 0; k < BROKERS; k++)
				b->change_incarnations[k] = w->brokers[k].is_up ? w->brokers[k].incarnation : UINT32_MAX;
		}
		if (b->is_change_seen && now_ms(w) >= b->change_due)
			answer_change(w, i);
		if (now_ms(w) >= b->noticed_at) {
			on_broker_failed(w, i);
			if (b->is_up)
				on_broker_registered(w, i);
		} else if (b->is_up && !b->is_registered && !b->is_loss_unknown) {
			on_broker_registered(w, i);
		}
	}
}

/* --- fetchers --------------------------------------------------------------------------------------------------------------------- */

static void fetcher_assign(struct world *w, int by, const struct partition_role *role)
{
	struct fetcher *f = &w->brokers[by].fetcher;

	*f = (struct fetcher){ .is_active = role->leader >= 0 && role->leader != by, .generation = f->generation + 1, .leader = role->leader,
	                       .leader_epoch = role->leader_epoch, .last_epoch = role->last_epoch, .end = role->log_end_offset,
	                       .high_watermark = role->high_watermark, .next = now_ms(w) };
	if (f->last_epoch < 0)
		f->state = FETCH_TO_WATERMARK;
	else
		f->state = w->has_fetch_validation ? FETCH_DATA : FETCH_ASK_EPOCH;
}

static void fetcher_rest(struct world *w, struct fetcher *f, uint64_t ms)
{
	f->is_busy = false;
	f->next = later(w, ms);
}

/* A question to its own partition. */
static struct op *hand_in(struct world *w, int by, enum partition_msg_kind kind)
{
	struct broker *b = &w->brokers[by];
	struct op *o = op_new(w, OP_HAND_IN, by, now_ms(w));

	if (o == NULL) {
		fetcher_rest(w, &b->fetcher, 10);
		return NULL;
	}
	o->by = by;
	o->by_incarnation = b->incarnation;
	o->generation = b->fetcher.generation;
	msg_init(&o->ask.msg, (uint16_t)kind, NULL);
	return o;
}

static void ask_truncation(struct world *w, int by, enum partition_truncate_how how, int32_t epoch, int64_t end_offset)
{
	struct op *o = hand_in(w, by, PARTITION_truncate);

	if (o == NULL)
		return;
	o->ask.truncate.leader_epoch = w->brokers[by].fetcher.leader_epoch;
	o->ask.truncate.how = how;
	o->ask.truncate.epoch = epoch;
	o->ask.truncate.end_offset = end_offset;
}

static void fetcher_step(struct world *w, int by)
{
	struct broker *b = &w->brokers[by];
	struct fetcher *f = &b->fetcher;
	struct op *o;

	if (!b->is_up || !f->is_active || f->is_busy || now_ms(w) < f->next || now_ms(w) < b->slow_until)
		return;
	f->is_busy = true;
	if (f->state == FETCH_TO_WATERMARK) {
		ask_truncation(w, by, TRUNCATE_TO, -1, f->high_watermark);
		return;
	}
	if ((o = op_new(w, OP_ASK_LEADER, f->leader, later(w, 8))) == NULL) {
		fetcher_rest(w, f, 10);
		return;
	}
	o->by = by;
	o->by_incarnation = b->incarnation;
	o->generation = f->generation;
	if (f->state == FETCH_ASK_EPOCH) {
		msg_init(&o->ask.msg, PARTITION_epoch_end, NULL);
		o->ask.epoch_end.leader_epoch = f->last_epoch;
		o->ask.epoch_end.current_leader_epoch = f->leader_epoch;
	} else if (f->state == FETCH_DATA) {
		ask_read(&o->ask, f->end, 600);
		o->ask.read.replica_id = by;
		o->ask.read.current_leader_epoch = f->leader_epoch;
		o->ask.read.last_fetched_epoch = w->has_fetch_validation ? f->last_epoch : -1;
		o->ask.read.is_first_look = true;
	} else {
		ask_list(&o->ask, f->state == FETCH_LATEST ? LIST_OFFSETS_LATEST : LIST_OFFSETS_EARLIEST);
		o->ask.list.replica_id = by;
		o->ask.list.current_leader_epoch = f->leader_epoch;
	}
}

/* The leader has answered: take the bytes while the file is what it was. */
static void take_bytes(struct world *w, struct op *o)
{
	struct log_range *range = &o->ask.read.range;

	if (o->ask.msg.kind != PARTITION_read || range->file == NULL)
		return;
	if (log_file_generation(range->file) == range->generation && range->len > 0) {
		o->bytes = mem_alloc(range->len);
		if (os_pread(w->brokers[o->at].rig.os, log_file_fd(range->file), o->bytes, range->len, range->file_pos, &o->len) != OK)
			o->len = 0;
	}
	log_file_unref(&range->file);
}

static void on_fetched(struct world *w, struct op *o)
{
	const struct partition_read *r = &o->ask.read;
	struct fetcher *f = &w->brokers[o->by].fetcher;
	bool is_current = f->is_active && f->generation == o->generation;
	struct op *h;

	if (r->error == OFFSET_OUT_OF_RANGE && is_current) {
		f->state = FETCH_LATEST;
		fetcher_rest(w, f, 1);
		return;
	}
	if (r->error != NONE) {
		if (is_current)
			fetcher_rest(w, f, 30);
		return;
	}
	if (r->diverging_epoch >= 0 || r->diverging_end_offset >= 0) {
		if (is_current)
			ask_truncation(w, o->by, TRUNCATE_DIVERGING, r->diverging_epoch, r->diverging_end_offset);
		return;
	}
	if (!is_current && !chance(w, 50))
		return;
	if ((h = hand_in(w, o->by, PARTITION_replicate)) == NULL)
		return;
	h->is_old = !is_current;
	h->generation = o->generation;
	h->bytes = o->bytes;
	h->len = o->len;
	o->bytes = NULL;
	h->ask.replicate.leader_epoch = r->current_leader_epoch;
	h->ask.replicate.fetch_offset = r->fetch_offset;
	h->ask.replicate.batches = slice_of(h->bytes, h->len);
	h->ask.replicate.leader_high_watermark = r->high_watermark;
	h->ask.replicate.leader_log_start_offset = r->log_start_offset;
}

static void on_listed(struct world *w, struct op *o)
{
	const struct partition_list_offsets *l = &o->ask.list;
	struct fetcher *f = &w->brokers[o->by].fetcher;

	if (!f->is_active || f->generation != o->generation)
		return;
	if (l->error != NONE) {
		fetcher_rest(w, f, 30);
	} else if (f->state == FETCH_LATEST && l->found.offset < f->end) {
		ask_truncation(w, o->by, TRUNCATE_TO, -1, l->found.offset);
	} else if (f->state == FETCH_LATEST) {
		f->state = FETCH_EARLIEST;
		fetcher_rest(w, f, 1);
	} else if (l->found.offset > f->end) {
		ask_truncation(w, o->by, TRUNCATE_RESTART, -1, l->found.offset);
	} else {
		f->state = FETCH_DATA;
		fetcher_rest(w, f, 1);
	}
}

static void on_epoch_told(struct world *w, struct op *o)
{
	const struct partition_epoch_end *e = &o->ask.epoch_end;
	struct fetcher *f = &w->brokers[o->by].fetcher;

	if (!f->is_active || f->generation != o->generation)
		return;
	if (e->error != NONE)
		fetcher_rest(w, f, 30);
	else
		ask_truncation(w, o->by, TRUNCATE_DIVERGING, e->epoch, e->end_offset);
}

static void on_truncated(struct world *w, struct op *o)
{
	const struct partition_truncate *t = &o->ask.truncate;
	struct fetcher *f = &w->brokers[o->by].fetcher;

	w->truncations++;
	if (!f->is_active || f->generation != o->generation)
		return;
	if (t->error != NONE) {
		f->is_active = false;	/* the next role says more */
		return;
	}
	f->end = t->log_end_offset;
	f->last_epoch = t->last_epoch;
	f->state = w->has_fetch_validation || t->is_complete ? FETCH_DATA : FETCH_ASK_EPOCH;
	fetcher_rest(w, f, 3);
}

static void on_replicated(struct world *w, struct op *o)
{
	const struct partition_replicate *r = &o->ask.replicate;
	struct fetcher *f = &w->brokers[o->by].fetcher;

	if (o->is_old || !f->is_active || f->generation != o->generation)
		return;
	if (r->error == FENCED_LEADER_EPOCH || r->error == KAFKA_STORAGE_ERROR) {
		f->is_active = false;
		return;
	}
	f->end = r->log_end_offset;
	f->last_epoch = r->last_epoch;
	fetcher_rest(w, f, o->len > 0 ? 3 : 15);
}

/* --- clients ---------------------------------------------------------------------------------------------------------------------- */

static void produce(struct world *w)
{
	int at = w->z.leader >= 0 && !chance(w, 15) ? w->z.leader : (int)draw(w, BROKERS);
	struct op *o;

	if (!w->brokers[at].is_up || partition_log_end_offset(w->brokers[at].rig.addr) > OFFSETS_MAX - 200 ||
	    (o = op_new(w, OP_PRODUCE, at, now_ms(w))) == NULL)
		return;
	ask_append_as(&o->ask, chance(w, 70) ? -1 : 1, 50 + (int32_t)draw(w, 800), 1 + (int)draw(w, 3), -1, w->sequence);
	w->sequence += 3;
}

static void on_produced(struct world *w, struct op *o)
{
	const struct partition_append *a = &o->ask.append;
	uint32_t crc = batch_crc(o->ask.batch);

	if (a->error != NONE || o->ask.was_declined || a->acks != -1)
		return;
	HOLDS(w, a->base_offset < w->committed_end && w->committed[a->base_offset].crc == crc, "I16: acknowledged at %lld by broker %d, but not committed (%lld)",
	      (long long)a->base_offset, o->at, (long long)w->committed_end);
	if (w->acked_count < ACKED_MAX)
		w->acked[w->acked_count++] = (struct acked){ a->base_offset, crc };
}

/* --- moving questions along --------------------------------------------------------------------------------------------------------- */

static void op_send(struct world *w, struct op *o)
{
	struct broker *b = &w->brokers[o->at];
	bool is_lost = !b->is_up || b->incarnation != o->incarnation;

	if (o->kind == OP_ASK_LEADER) {
		is_lost = !b->is_up || !w->brokers[o->by].is_up || w->brokers[o->by].incarnation != o->by_incarnation;
		if (is_lost && w->brokers[o->by].fetcher.generation == o->generation)
			fetcher_rest(w, &w->brokers[o->by].fetcher, 30);
	}
	if (is_lost) {
		op_end(o);
		return;
	}
	if (o->ask.msg.kind == PARTITION_read) {
		o->ask.read.follower_is_live = w->brokers[o->by].is_registered;
		o->ask.read.received = now_ms(w);
	}
	o->stage = STAGE_OUT;
	rig_ask(&b->rig, &o->ask);
}

static void op_home(struct world *w, struct op *o)
{
	struct broker *b = &w->brokers[o->at];
	bool is_lost = !b->is_up || o->ask.was_declined || (o->kind != OP_ASK_LEADER && b->incarnation != o->incarnation);

	if (o->kind == OP_ASK_LEADER) {
		take_bytes(w, o);
		if (is_lost)
			o->ask.read.error = o->ask.list.error = o->ask.epoch_end.error = NETWORK_EXCEPTION;
		o->stage = STAGE_BACK;
		o->due = later(w, chance(w, 5) ? 100 : 8);
		return;
	}
	if (!is_lost && o->kind == OP_PRODUCE)
		on_produced(w, o);
	if (!is_lost && o->kind == OP_ROLE) {
		if (o->ask.role.error == NONE && o->ask.role.is_changed)
			fetcher_assign(w, o->at, &o->ask.role);
	}
	if (!is_lost && o->kind == OP_HAND_IN) {
		if (o->ask.msg.kind == PARTITION_truncate)
			on_truncated(w, o);
		else
			on_replicated(w, o);
	}
	op_end(o);
}

static void op_back(struct world *w, struct op *o)
{
	struct broker *b = &w->brokers[o->by];

	if (b->is_up && b->incarnation == o->by_incarnation) {
		if (o->ask.msg.kind == PARTITION_read)
			on_fetched(w, o);
		else if (o->ask.msg.kind == PARTITION_list_offsets)
			on_listed(w, o);
		else
			on_epoch_told(w, o);
	}
	op_end(o);
}

static void run_ops(struct world *w)
{
	for (int i = 0; i < OPS_MAX; i++) {
		struct op *o = &w->ops[i];

		if (o->stage == STAGE_OUT && o->ask.order != 0)
			op_home(w, o);
		else if (o->stage == STAGE_BACK && now_ms(w) >= o->due)
			op_back(w, o);
		else if (o->stage == STAGE_SEND && now_ms(w) >= o->due && o->kind != OP_ROLE)
			op_send(w, o);
	}
	/* Roles of one broker in their order: the earliest epoch first. */
	for (int b = 0; b < BROKERS; b++) {
		struct op *next = NULL;

		for (int i = 0; i < OPS_MAX; i++) {
			struct op *o = &w->ops[i];

			if (o->kind != OP_ROLE || o->at != b || o->stage == STAGE_NONE)
				continue;
			if (next == NULL || o->ask.role.leader_epoch < next->ask.role.leader_epoch)
				next = o;
		}
		if (next != NULL && next->stage == STAGE_SEND && now_ms(w) >= next->due)
			op_send(w, next);
	}
}

/* --- invariants ------------------------------------------------------------------------------------------------------------------- */

static struct partition *part(struct world *w, int b)
{
	struct broker *k = &w->brokers[b];

	if (!k->is_up || sim_is_dead(k->rig.sim) || k->rig.addr->owner->log == NULL)
		return NULL;
	return k->rig.addr->owner;
}

static void read_shadow(struct world *w, int b, const struct partition *p)
{
	struct shadow *s = &w->brokers[b].shadow;
	int64_t end = log_end_offset(p->log);

	if (s->is_stale || s->cuts != p->log->cuts || end < s->end)
		s->end = log_start_offset(p->log);
	s->is_stale = false;
	s->cuts = p->log->cuts;
	HOLDS(w, end <= OFFSETS_MAX, "a log of %lld", (long long)end);
	while (s->end < end) {
		struct log_range range;
		struct slice bytes, batch;
		size_t got = 0;

		if (log_read(p->log, s->end, end, INT32_MAX, true, &range) != OK || range.len == 0)
			broken(w, "broker %d: nothing to read at %lld", b, (long long)s->end);
		uint8_t *room = mem_alloc(range.len);

		if (os_pread(w->brokers[b].rig.os, log_file_fd(range.file), room, range.len, range.file_pos, &got) != OK || got != range.len)
			broken(w, "broker %d: cannot read", b);
		log_file_unref(&range.file);
		bytes = slice_of(room, got);
		while (batch_next(&bytes, &batch) == OK) {
			struct entry e = { batch_crc(batch.ptr), batch_leader_epoch(batch.ptr) };

			HOLDS(w, batch_base_offset(batch.ptr) == s->end, "broker %d: a gap at %lld", b, (long long)s->end);
			HOLDS(w, s->end == 0 || s->entries[s->end - 1].epoch <= e.epoch, "I7: broker %d: epoch %d behind %d at %lld", b, e.epoch,
			      s->entries[s->end - 1].epoch, (long long)s->end);
			HOLDS(w, log_epoch_at(p->log, s->end) == e.epoch, "I7: broker %d: epoch %d in the cache, %d in the batch at %lld", b,
			      log_epoch_at(p->log, s->end), e.epoch, (long long)s->end);
			while (s->end <= batch_last_offset(batch.ptr))
				s->entries[s->end++] = e;
		}
		free(room);
	}
}

/* Which broker's log is believed to hold all that is committed, and does not? */
static void check_holds_committed(struct world *w, int b, const char *why)
{
	const struct shadow *s = &w->brokers[b].shadow;

	HOLDS(w, s->end >= w->committed_end, "%s: broker %d ends at %lld, committed is %lld", why, b, (long long)s->end, (long long)w->committed_end);
	for (int64_t o = 0; o < w->committed_end; o++)
		HOLDS(w, s->entries[o].crc == w->committed[o].crc && s->entries[o].epoch == w->committed[o].epoch,
		      "%s: broker %d holds something else at %lld than was committed", why, b, (long long)o);
}

static void check_offsets(struct world *w, int b, const struct partition *p)
{
	struct broker *k = &w->brokers[b];
	int64_t hw = log_high_watermark(p->log);
	bool leads = partition_leads(p);

	HOLDS(w, log_start_offset(p->log) <= log_last_stable_offset(p->log) && log_last_stable_offset(p->log) <= hw && hw <= log_end_offset(p->log),
	      "I17: broker %d: high watermark %lld, end %lld", b, (long long)hw, (long long)log_end_offset(p->log));
	if (!p->has_role)
		return;
	HOLDS(w, p->leader_epoch >= k->seen_leader_epoch && p->partition_epoch >= k->seen_partition_epoch, "I2, I3: broker %d: an epoch went back", b);
	if (leads) {
		int32_t *leader = &w->leader_of_epoch[p->leader_epoch];

		HOLDS(w, *leader == 0 || *leader == b + 1, "I2: brokers %d and %d lead in epoch %d", *leader - 1, b, p->leader_epoch);
		*leader = b + 1;
		if (k->seen_leading && k->seen_leader_epoch == p->leader_epoch) {
			HOLDS(w, hw >= k->seen_high_watermark, "I14: broker %d leads and its high watermark went from %lld to %lld", b,
			      (long long)k->seen_high_watermark, (long long)hw);
			HOLDS(w, hw == k->seen_high_watermark || MAX(p->isr_count, k->seen_isr_count) >= w->isr_min,
			      "I15: broker %d: the high watermark moves with %d in sync", b, p->isr_count);
		}
	}
	k->seen_leading = leads;
	k->seen_leader_epoch = p->leader_epoch;
	k->seen_partition_epoch = p->partition_epoch;
	k->seen_high_watermark = hw;
	k->seen_isr_count = p->isr_count;
}

static void learn_committed(struct world *w, int b, const struct partition *p)
{
	const struct shadow *s = &w->brokers[b].shadow;

	for (int64_t o = w->committed_end; o < log_high_watermark(p->log); o++)
		w->committed[o] = s->entries[o];
	w->committed_end = MAX(w->committed_end, log_high_watermark(p->log));
}

static void check_visible(struct world *w, int b, const struct partition *p)
{
	const struct shadow *s = &w->brokers[b].shadow;

	HOLDS(w, log_high_watermark(p->log) <= w->committed_end, "I14: broker %d shows up to %lld, committed is %lld", b, (long long)log_high_watermark(p->log),
	      (long long)w->committed_end);
	for (int64_t o = 0; o < log_high_watermark(p->log); o++)
		HOLDS(w, s->entries[o].crc == w->committed[o].crc, "I14: broker %d shows at %lld what was not committed", b, (long long)o);
}

/* I6: the last offset where two logs agree on the epoch: below it they agree on everything. */
static void check_matching(struct world *w, int a, int b)
{
	const struct shadow *x = &w->brokers[a].shadow, *y = &w->brokers[b].shadow;
	int64_t o = MIN(x->end, y->end) - 1;

	while (o >= 0 && x->entries[o].epoch != y->entries[o].epoch)
		o--;
	for (; o >= 0; o--)
		HOLDS(w, x->entries[o].crc == y->entries[o].crc && x->entries[o].epoch == y->entries[o].epoch, "I6: brokers %d and %d part at %lld below an agreement",
		      a, b, (long long)o);
}

static bool is_trusted(struct world *w, int b)
{
	return part(w, b) != NULL && !w->brokers[b].is_loss_unknown;
}

static void check_joining(struct world *w, int leader, const bool *wanted)
{
	const struct partition *p = part(w, leader);

	if (p == NULL || p->leader_epoch != w->z.leader_epoch)
		return;
	for (int i = 0; i < BROKERS; i++) {
		if (!wanted[i] || w->z.isr[i] || !is_trusted(w, i))
			continue;
		HOLDS(w, w->brokers[i].shadow.end >= p->epoch_start_offset, "I11: broker %d joins with %lld, the epoch began at %lld", i,
		      (long long)w->brokers[i].shadow.end, (long long)p->epoch_start_offset);
		check_holds_committed(w, i, "I11");
	}
}

static void check(struct world *w)
{
	struct partition *p[BROKERS];
	bool has_led[BROKERS];		/* since the last look: it may have committed, and resigned */

	for (int i = 0; i < BROKERS; i++) {
		p[i] = part(w, i);
		if (p[i] == NULL)
			continue;
		has_led[i] = partition_leads(p[i]) || w->brokers[i].seen_leading;
		read_shadow(w, i, p[i]);
		check_offsets(w, i, p[i]);
	}
	for (int i = 0; i < BROKERS; i++) {
		if (p[i] != NULL && has_led[i])
			learn_committed(w, i, p[i]);
	}
	for (int i = 0; i < BROKERS; i++) {
		const struct partition_isr_change *held = w->brokers[i].controller.held;

		for (int k = 0; k < i; k++) {
			if (p[i] != NULL && p[k] != NULL)
				check_matching(w, i, k);
		}
		if (p[i] != NULL && !w->has_lost)
			check_visible(w, i, p[i]);
		if (w->z.isr[i] && is_trusted(w, i))
			check_holds_committed(w, i, "I8, I10, I13");
		if (held == NULL || held->leader_epoch != w->z.leader_epoch || p[i] == NULL)
			continue;
		for (int32_t k = 0; k < held->isr_count; k++) {
			if (is_trusted(w, held->isr[k]) && w->brokers[held->isr[k]].incarnation == w->brokers[i].change_incarnations[held->isr[k]] &&
			    w->brokers[i].is_change_seen)
				check_holds_committed(w, held->isr[k], "I10, pending");
		}
	}
}

/* --- faults --------------------------------------------------------------------------------------------------------------------------- */

/* Only a single failure, or what is acknowledged could be gone by right. */
static bool may_cut_power(struct world *w, int b)
{
	for (int i = 0; i < BROKERS; i++) {
		if (!w->brokers[i].is_up || !w->brokers[i].is_registered || w->brokers[i].is_loss_unknown)
			return false;
	}
	if (now_ms(w) - w->calm_since < CALM_MS)
		return false;
	return isr_size(w->z.isr) >= 2 || !w->z.isr[b] || w->may_cut_alone;
}

/* Were the last of the set killed before the controller knows of a cut, it would elect the one that has lost something. */
static bool may_kill(struct world *w)
{
	for (int i = 0; i < BROKERS; i++) {
		if (w->brokers[i].is_cut_unknown)
			return false;
	}
	return true;
}

static void crash(struct world *w, int b, enum sim_crash kind)
{
	struct broker *k = &w->brokers[b];
	bool is_alone = w->z.isr[b] && isr_size(w->z.isr) == 1;

	tell(w, "broker %d %s", b, kind == SIM_CRASH_POWER ? "loses power" : "is killed");
	sim_kill(k->rig.sim);
	k->is_up = false;
	k->controller.is_away = true;
	actor_wake(&k->controller.actor);
	rig_down(&k->rig, STOP_ABANDON);
	sim_crash(k->rig.sim, kind);
	k->controller.is_away = k->controller.is_answer_due = k->is_change_seen = false;
	k->is_loss_unknown = true;
	k->is_cut_unknown |= kind == SIM_CRASH_POWER;
	k->fetcher.is_active = false;
	k->fetcher.generation++;
	k->incarnation++;
	k->shadow.is_stale = true;
	k->seen_leading = false;
	k->seen_leader_epoch = k->seen_partition_epoch = -1;
	k->noticed_at = later(w, 150);
	k->back_at = later(w, 400);
	w->calm_since = now_ms(w);
	w->crashes++;
	w->cuts += kind == SIM_CRASH_POWER;
	w->has_lost |= kind == SIM_CRASH_POWER && is_alone;
}

/* What was acknowledged is on the disk of one that was alone; the rest of what it had committed may be gone. */
static void forget_lost(struct world *w, int b)
{
	const struct partition *p = part(w, b);
	const struct shadow *s = &w->brokers[b].shadow;

	if (p == NULL)
		return;
	read_shadow(w, b, p);
	w->committed_end = MIN(w->committed_end, s->end);
	for (int i = 0; i < w->acked_count; i++)
		HOLDS(w, w->acked[i].offset < s->end && s->entries[w->acked[i].offset].crc == w->acked[i].crc, "acknowledged at %lld, and gone with the power of broker %d",
		      (long long)w->acked[i].offset, b);
}

static void come_back(struct world *w, int b)
{
	struct broker *k = &w->brokers[b];

	HOLDS(w, rig_up(&k->rig) == OK, "broker %d does not come up", b);
	k->is_up = true;
	tell(w, "broker %d is back", b);
	for (int i = 0; i < 1000 && k->rig.addr->owner->log == NULL; i++)
		sched_sim_step(k->rig.sched);
	if (w->has_lost && w->z.isr[b] && isr_size(w->z.isr) == 1)
		forget_lost(w, b);
}

static void trouble(struct world *w)
{
	int b = (int)draw(w, BROKERS);
	struct broker *k = &w->brokers[b];

	switch (draw(w, 110)) {
	case 0:
		if (k->is_up && may_kill(w))
			crash(w, b, SIM_CRASH_PROCESS);
		break;
	case 1:
		if (may_cut_power(w, b))
			crash(w, b, SIM_CRASH_POWER);
		break;
	case 2:		/* somebody else of the set leads */
	case 3:
		if (w->z.leader >= 0 && electable(w) >= 0)
			decide(w, electable(w));
		break;
	case 4:
		k->slow_until = later(w, 600);
		break;
	case 5:
		if (k->is_up && rig_checkpoint(&k->rig) != OK)
			broken(w, "no checkpoint");
		break;
	default:
		break;
	}
}

/* --- one life --------------------------------------------------------------------------------------------------------------------------- */

static void turn(struct world *w)
{
	struct rig *first = &w->brokers[0].rig;

	first->alarm = now_ms(w) + 3;		/* beyond it the clock would go to whatever is next */
	actor_wake(&first->desk);
	for (uint64_t n = 2 + draw(w, 10); n > 0 && now_ms(w) < first->alarm; n--)
		sched_sim_step(first->sched);
	check(w);
	run_controller(w);
	run_ops(w);
	for (int i = 0; i < BROKERS; i++) {
		struct broker *k = &w->brokers[i];

		if (!k->is_up && now_ms(w) >= k->back_at)
			come_back(w, i);
		fetcher_step(w, i);
	}
}

static bool is_settled(struct world *w)
{
	for (int i = 0; i < BROKERS; i++) {
		const struct partition *p = part(w, i);

		if (p == NULL || !w->z.isr[i] || !w->brokers[i].is_registered || log_end_offset(p->log) != w->committed_end ||
		    log_high_watermark(p->log) != w->committed_end)
			return false;
	}
	for (int i = 0; i < OPS_MAX; i++) {
		if (w->ops[i].kind == OP_PRODUCE && w->ops[i].stage != STAGE_NONE)
			return false;
	}
	return true;
}

static void heal(struct world *w)
{
	mono_ms until = now_ms(w) + HEAL_MS;

	w->is_healing = true;
	for (int i = 0; i < BROKERS; i++)
		w->brokers[i].slow_until = 0;
	decide(w, w->z.leader >= 0 ? w->z.leader : electable(w));	/* what is unsure stays so until there is another role */
	while (!is_settled(w)) {
		HOLDS(w, now_ms(w) < until, "I21: no agreement: leader %d epoch %d, in sync %d%d%d, ends %lld %lld %lld, committed %lld", w->z.leader, w->z.leader_epoch,
		      w->z.isr[0], w->z.isr[1], w->z.isr[2], (long long)w->brokers[0].shadow.end, (long long)w->brokers[1].shadow.end,
		      (long long)w->brokers[2].shadow.end, (long long)w->committed_end);
		turn(w);
	}
	check(w);
	for (int i = 0; i < BROKERS; i++) {
		check_holds_committed(w, i, "I21");
		for (int k = 0; k < w->acked_count; k++)
			HOLDS(w, w->brokers[i].shadow.entries[w->acked[k].offset].crc == w->acked[k].crc, "acknowledged at %lld, and gone from broker %d",
			      (long long)w->acked[k].offset, i);
	}
}

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	w->has_fetch_validation = chance(w, 50);
	w->may_cut_alone = chance(w, 30);
	w->isr_min = 1 + (int64_t)draw(w, 2);
	for (int i = 0; i < BROKERS; i++) {
		struct broker *k = &w->brokers[i];

		rig_init_beside(&k->rig, i == 0 ? NULL : &w->brokers[0].rig, i, seed * BROKERS + (uint64_t)i);
		k->rig.lag_ms = 100 + (int64_t)draw(w, 200);
		k->rig.config.segment_bytes = 400 + (int32_t)draw(w, 3000);
		k->rig.config.segment_index_bytes = 1000;
		k->rig.config.min_insync_replicas = (int32_t)w->isr_min;
		fake_controller_start(&k->controller, &k->rig);
		k->seen_leader_epoch = k->seen_partition_epoch = -1;
		k->noticed_at = MONO_NEVER;
		k->incarnation = 1;
	}
	w->z = (struct zstate){ .leader = -1, .leader_epoch = -1, .partition_epoch = -1, .isr = { true, true, true } };
}

/* Everything home and down, whatever state it was left in. */
static void world_fini(struct world *w)
{
	for (int i = 0; i < BROKERS; i++) {
		w->brokers[i].controller.is_away = true;
		actor_wake(&w->brokers[i].controller.actor);
		rig_down(&w->brokers[i].rig, STOP_ABANDON);
	}
	for (int i = 0; i < OPS_MAX; i++) {
		struct op *o = &w->ops[i];

		if (o->stage == STAGE_OUT && o->ask.msg.kind == PARTITION_read && o->ask.read.range.file != NULL)
			log_file_unref(&o->ask.read.range.file);
		op_end(o);
	}
	for (int i = BROKERS - 1; i >= 0; i--) {
		fake_controller_stop(&w->brokers[i].controller);
		rig_fini(&w->brokers[i].rig);
	}
}

static void live(struct world *w)
{
	for (int i = 0; i < BROKERS; i++)
		come_back(w, i);
	for (int i = 0; i < BROKERS; i++) {
		w->brokers[i].is_registered = true;
		w->brokers[i].registered_incarnation = w->brokers[i].incarnation;
	}
	decide(w, (int32_t)draw(w, BROKERS));
	for (int i = 0; i < TURNS; i++) {
		if (chance(w, 25))
			produce(w);
		trouble(w);
		turn(w);
	}
	heal(w);
}

/* True: everything held. */
static bool live_one_seed(struct world *w, uint64_t seed)
{
	world_init(w, seed);
	if (setjmp(w->stop) == 0)
		live(w);
	world_fini(w);
	return w->problem[0] == 0;
}

static const char *mutant_name(enum partition_mutant m)
{
	switch (m) {
	case PARTITION_MUTANT_NONE:                       return "none";
	case PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK: return "truncate to the high watermark";
	case PARTITION_MUTANT_IGNORE_RETURNED_EPOCH:      return "ignore the returned epoch";
	case PARTITION_MUTANT_NO_VALIDATION:              return "no validation";
	}
	return "?";
}

START_TEST(every_life)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST, elections = 0, crashes = 0, cuts = 0, truncations = 0, changes = 0, acked = 0;
	struct world *w = mem_alloc(sizeof(*w));
	clock_t begin = clock();

	bool is_chosen = seeds_choose(&first, &last);
	for (uint64_t seed = first; seed <= last; seed++) {
		seeds_begin(seed);
		ck_assert_msg(live_one_seed(w, seed), "seed %llu: %s", (unsigned long long)seed, w->problem);
		elections += w->elections;
		crashes += w->crashes;
		cuts += w->cuts;
		truncations += w->truncations;
		changes += w->changes;
		acked += (uint64_t)w->acked_count;
	}
	seeds_end();
	printf("%llu seeds, %llu batches acknowledged, %llu elections, %llu crashes, %llu of them power cuts, %llu truncations, %llu changes of the set, %.1f s\n",
	       (unsigned long long)(last - first + 1), (unsigned long long)acked, (unsigned long long)elections, (unsigned long long)crashes,
	       (unsigned long long)cuts, (unsigned long long)truncations, (unsigned long long)changes, (double)(clock() - begin) / CLOCKS_PER_SEC);
	free(w);
	if (!is_chosen) {
		ck_assert_uint_gt(cuts, (last - first) / 4);
		ck_assert_uint_gt(truncations, last - first);
		ck_assert_uint_gt(changes, last - first);
		ck_assert_uint_gt(acked, 10 * (last - first));
	}
}
END_TEST

START_TEST(mutants_are_found)
{
	enum partition_mutant mutant = (enum partition_mutant)_i;
	struct world *w = mem_alloc(sizeof(*w));
	uint64_t seed = 1;
	bool is_found = false;

	partition_mutant_for_tests = mutant;
	for (; seed <= MUTANT_SEEDS && !is_found; seed++)
		is_found = !live_one_seed(w, seed);
	partition_mutant_for_tests = PARTITION_MUTANT_NONE;
	if (is_found)
		printf("%s: found by seed %llu: %s\n", mutant_name(mutant), (unsigned long long)seed - 1, w->problem);
	ck_assert_msg(is_found, "%s: not found", mutant_name(mutant));
	free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("replication in simulation");
	TCase *t = tcase_create("lives");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, every_life);
	if (getenv("SKEIN_SIM_SEEDS") == NULL)
		tcase_add_loop_test(t, mutants_are_found, PARTITION_MUTANT_TRUNCATE_TO_HIGH_WATERMARK, PARTITION_MUTANT_NO_VALIDATION + 1);
	suite_add_tcase(s, t);
	return seeds_run(s);
}
