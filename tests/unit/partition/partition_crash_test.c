/*
 * A partition and its storage, crashed at random operations on the disk: by a killed process and by a power cut, also while it recovers.
 *
 * Each seed is one life: several producers write with different acks, roles and checkpoints come between, the machine dies at the nth operation that changes
 * the disk, comes up, and what is found is compared with what was said before:
 *	- the log holds whole batches with right CRCs and offsets without gaps, each batch at most once, each producer's in their order;
 *	- a batch that was acknowledged is where the answer said: after a killed process whatever the acks, after a power cut where the answer promised it;
 *	- in every second life it moves from one log directory to another and back meanwhile;
 *	- a retry of any of a producer's last five batches is a duplicate, with the old offset; then writing goes on.
 *
 *	SKEIN_SIM_SEEDS=first-last		other seeds than the usual ones, printing the rate
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rig.h"
#include "sim/seeds.h"

#define SEED_FIRST    1
#define SEED_LAST     2500
#define CRASHES       4		/* per seed */
#define PRODUCERS     3
#define BATCHES_MAX   400	/* of one producer in one life of a seed */
#define IN_FLIGHT_MAX 5
#define KEPT          5		/* batches of a producer by which a retry is recognised */

/* One batch of a producer, whichever attempt. Its sequence is its number: one record each. */
struct sent {
	struct ask *ask;		/* out; NULL */
	int64_t     offset;		/* where it is said or found to be; -1 */
	bool        is_acknowledged;	/* answered NONE */
	bool        is_promised;	/* ... such that a power cut must not take it */
	bool        may_shrink;		/* a set of two was in force while it was out: another replica answers for it */
};

struct life {
	struct rig  rig;
	uint64_t    seed, random;
	struct sent sent[PRODUCERS][BATCHES_MAX];
	int         made[PRODUCERS];	/* batches begun */
	int         done[PRODUCERS];	/* all below are acknowledged or found in the log */
	int32_t     epoch;
	int         isr;
	int64_t     seen_end;		/* while verifying */
	int         found[PRODUCERS];
	uint64_t    crash_points, moves;
};

static uint64_t draw(struct life *l, uint64_t n)	/* xorshift64* */
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (l->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

/* --- before the crash ------------------------------------------------------------------------------------------------------------- */

static bool is_promise(const struct life *l, const struct sent *s)
{
	switch (l->rig.flush_acks) {
	case FLUSH_ACKS_AUTO:   return s->ask->append.acks == -1 && !s->may_shrink;
	case FLUSH_ACKS_ALWAYS: return s->ask->append.acks != 0;
	case FLUSH_ACKS_NEVER:  return false;
	}
	return false;
}

static void take_answer(struct life *l, struct sent *s)
{
	const struct partition_append *a = &s->ask->append;

	if (a->error == NONE && !s->ask->was_declined) {
		if (s->offset >= 0)
			rig_expect(a->base_offset == s->offset);
		s->offset = a->base_offset;
		s->is_acknowledged = true;
		s->is_promised |= is_promise(l, s);
	} else if (!s->ask->was_declined) {
		/* what else can happen: timed out, lost the role, the disk; nothing that says that the sequence was wrong */
		ck_assert_msg(a->error == REQUEST_TIMED_OUT || a->error == NOT_LEADER_OR_FOLLOWER || a->error == KAFKA_STORAGE_ERROR ||
		              a->error == OUT_OF_ORDER_SEQUENCE_NUMBER, "seed %llu: %s", (unsigned long long)l->seed, kafka_error_name((int16_t)a->error));
	}
	free(s->ask);
	s->ask = NULL;
}

static int collect(struct life *l, int p)
{
	int out = 0;

	for (int i = l->done[p]; i < l->made[p]; i++) {
		struct sent *s = &l->sent[p][i];

		if (s->ask != NULL && s->ask->order != 0)
			take_answer(l, s);
		out += s->ask != NULL;
		if (i == l->done[p] && s->is_acknowledged && s->ask == NULL)
			l->done[p]++;
	}
	return out;
}

static void send(struct life *l, int p, int i)
{
	static const int16_t acks[] = { -1, -1, 1, 1, 0 };
	struct sent *s = &l->sent[p][i];

	s->ask = mem_alloc(sizeof(*s->ask));
	s->may_shrink |= l->isr == 2;
	rig_ask(&l->rig, ask_append_as(s->ask, acks[draw(l, ARRAY_LEN(acks))], 50 + (int32_t)draw(l, 500), 1, 100 + p, i));
}

/* As clients do: what was refused is sent again, in order, before anything new. */
static void produce(struct life *l)
{
	int p = (int)draw(l, PRODUCERS), out = collect(l, p);

	if (out > 0 && draw(l, 4) != 0)
		return;
	if (out == 0 && l->done[p] < l->made[p]) {
		for (int i = l->done[p]; i < l->made[p]; i++)
			send(l, p, i);
		return;
	}
	for (uint64_t n = 1 + draw(l, 3); n > 0 && l->made[p] - l->done[p] < IN_FLIGHT_MAX && l->made[p] < BATCHES_MAX; n--)
		send(l, p, l->made[p]++);
}

static void change_role(struct life *l)
{
	struct ask role;
	int isr = draw(l, 3) == 0 ? 2 : 1;

	l->epoch += 1 + (int32_t)draw(l, 2);
	rig_ask(&l->rig, ask_role(&role, RIG_BROKER, l->epoch, isr));
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = l->done[p]; i < l->made[p]; i++)
			l->sent[p][i].may_shrink |= isr == 2 && l->sent[p][i].ask != NULL;
	}
	rig_wait(&l->rig, &role);
	l->isr = isr;
}

/* Also to where it is, or is on its way to. */
static void move(struct life *l)
{
	struct ask a;

	if (!l->rig.has_two_dirs)
		return;
	rig_ask(&l->rig, ask_move(&a, l->rig.dirs[draw(l, RIG_DIRS)]));
	rig_wait(&l->rig, &a);
	ck_assert(a.was_declined || a.move.error == NONE || a.move.error == KAFKA_STORAGE_ERROR);
}

static void live(struct life *l)
{
	struct ask role;

	rig_ask(&l->rig, ask_role(&role, RIG_BROKER, ++l->epoch, 1));
	l->isr = 1;
	rig_wait(&l->rig, &role);
	struct logdir *begun_in = partition_dir(l->rig.addr);

	for (int i = 0; i < 600 && !sim_is_dead(l->rig.sim) && !logdir_is_offline(l->rig.dir); i++) {
		switch (draw(l, 24)) {
		case 0:  change_role(l); break;
		case 1:  (void)!rig_checkpoint(&l->rig); break;
		case 2:  move(l); break;
		case 3:  rig_pass(&l->rig, 1 + (mono_ms)draw(l, 30)); break;
		default: produce(l); break;
		}
		rig_run(&l->rig, 1 + (int)draw(l, 12));
	}
	l->moves += partition_dir(l->rig.addr) != begun_in;
}

/* --- after it --------------------------------------------------------------------------------------------------------------------- */

static void see_batch(void *arg, struct slice batch)
{
	struct life *l = arg;
	int p = (int)(batch_producer_id(batch.ptr) - 100), i = batch_base_sequence(batch.ptr);

	rig_expect(batch_base_offset(batch.ptr) == l->seen_end);
	l->seen_end = batch_last_offset(batch.ptr) + 1;
	rig_expect(p >= 0 && p < PRODUCERS);
	rig_expect(i < l->made[p]);
	rig_expect_msg(i == l->found[p], "seed %llu: producer %d: batch %d where %d belongs", (unsigned long long)l->seed, p, i, l->found[p]);
	l->found[p]++;
	if (l->sent[p][i].is_acknowledged)
		rig_expect(l->sent[p][i].offset == l->seen_end - 1);
	l->sent[p][i].offset = l->seen_end - 1;
}

static void check_found(struct life *l, enum sim_crash kind)
{
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = 0; i < l->made[p]; i++) {
			struct sent *s = &l->sent[p][i];
			bool is_owed = kind == SIM_CRASH_PROCESS ? s->is_acknowledged : s->is_promised;

			rig_expect_msg(i < l->found[p] || !is_owed, "seed %llu: batch %d of producer %d was acknowledged at %lld and is gone after a %s",
			               (unsigned long long)l->seed, i, p, (long long)s->offset, kind == SIM_CRASH_PROCESS ? "crash" : "power cut");
			if (i < l->found[p])
				s->is_acknowledged = true;	/* found: it may not go again in a crash of the process */
			else
				*s = (struct sent){ .offset = -1 };
		}
		l->done[p] = l->found[p];
	}
}

static void check_duplicates(struct life *l)
{
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = MAX(0, l->found[p] - KEPT); i < l->found[p]; i++) {
			struct ask again;

			rig_ask(&l->rig, ask_append_as(&again, 1, 1000, 1, 100 + p, i));
			rig_wait(&l->rig, &again);
			rig_expect_msg(again.append.error == NONE && again.append.base_offset == l->sent[p][i].offset,
			               "seed %llu: a retry of batch %d of producer %d gets %s at %lld, it is at %lld", (unsigned long long)l->seed, i, p,
			               kafka_error_name((int16_t)again.append.error), (long long)again.append.base_offset, (long long)l->sent[p][i].offset);
		}
	}
}

static void verify(struct life *l, enum sim_crash kind)
{
	struct ask role;

	rig_ask(&l->rig, ask_role(&role, RIG_BROKER, ++l->epoch, 1));
	rig_wait(&l->rig, &role);
	ck_assert_int_eq(role.role.error, NONE);
	l->seen_end = 0;
	memset(l->found, 0, sizeof(l->found));
	rig_read_all(&l->rig, 0, see_batch, l);
	check_found(l, kind);
	check_duplicates(l);
}

/* --- one seed --------------------------------------------------------------------------------------------------------------------- */

static void fall(struct life *l, enum sim_crash kind)
{
	rig_down(&l->rig, STOP_ABANDON);
	for (int p = 0; p < PRODUCERS; p++)
		ck_assert_int_eq(collect(l, p), 0);
	sim_crash(l->rig.sim, kind);
	l->crash_points++;
}

static void life_init(struct life *l, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->seed = seed;
	l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	rig_init(&l->rig, seed);
	l->rig.has_two_dirs = draw(l, 2) == 0;
	l->rig.config.segment_bytes = 400 + (int32_t)draw(l, 3000);
	l->rig.config.segment_index_bytes = 1000;
	l->rig.config.index_interval_bytes = 1 + (int32_t)draw(l, 1000);
	l->rig.flush_acks = draw(l, 4) != 0 ? FLUSH_ACKS_AUTO : draw(l, 2) != 0 ? FLUSH_ACKS_ALWAYS : FLUSH_ACKS_NEVER;
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = 0; i < BATCHES_MAX; i++)
			l->sent[p][i].offset = -1;
	}
}

/* After one power cut what only a killed process would have kept is no promise any more, so the worst of a row of crashes counts. */
static enum sim_crash one_crash(struct life *l, enum sim_crash worst)
{
	enum sim_crash kind = draw(l, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER;

	fall(l, kind);
	return worst == SIM_CRASH_POWER ? worst : kind;
}

static uint64_t live_one_seed(uint64_t seed, uint64_t *moves, uint64_t *settled)
{
	struct life *l = mem_alloc(sizeof(*l));
	uint64_t points;

	life_init(l, seed);
	ck_assert_int_eq(rig_up(&l->rig), OK);
	for (int i = 0; i < CRASHES; i++) {
		enum sim_crash kind;

		sim_crash_after_ops(l->rig.sim, 1 + draw(l, 150));
		live(l);
		kind = one_crash(l, SIM_CRASH_PROCESS);
		while (draw(l, 3) == 0) {	/* again, while it comes up */
			sim_crash_after_ops(l->rig.sim, 1 + draw(l, 20));
			if (rig_up(&l->rig) == OK)
				rig_run(&l->rig, 20);
			kind = one_crash(l, kind);
		}
		sim_crash_after_ops(l->rig.sim, 0);
		ck_assert_int_eq(rig_up(&l->rig), OK);
		verify(l, kind);
	}
	rig_down(&l->rig, draw(l, 2) == 0 ? STOP_CLEAN : STOP_ABANDON);
	ck_assert_int_eq(rig_up(&l->rig), OK);
	verify(l, SIM_CRASH_PROCESS);
	rig_down(&l->rig, STOP_CLEAN);
	rig_fini(&l->rig);
	points = l->crash_points;
	*moves += l->moves;
	*settled += (uint64_t)l->rig.swaps_settled;
	free(l);
	return points;
}

START_TEST(every_life)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST, points = 0, moves = 0, settled = 0;
	clock_t begin = clock();

	bool is_chosen = seeds_choose(&first, &last);
	for (uint64_t seed = first; seed <= last; seed++) {
		seeds_begin(seed);
		points += live_one_seed(seed, &moves, &settled);
	}
	seeds_end();
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	printf("%llu seeds, %llu crash points, %llu moves, %llu swaps cut short, %.1f s: %.0f seeds/s\n", (unsigned long long)(last - first + 1), (unsigned long long)points,
	       (unsigned long long)moves, (unsigned long long)settled, seconds,
	       (double)(last - first + 1) / MAX(seconds, 0.001));
	ck_assert_uint_gt(points, 0);
	if (!is_chosen && SEEDS_SLOWNESS == 1)		/* a few lives may happen to see less than their share */
		ck_assert(points >= 10000 && moves >= 400 && settled >= 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition crashes");
	TCase *t = tcase_create("lives");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, every_life);
	suite_add_tcase(s, t);
	return seeds_run(s);
}
