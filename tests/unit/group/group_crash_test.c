/*
 * Committed offsets, and a machine that dies at any operation on its disk: by a killed process or by a power cut, also while it comes up. What was answered NONE is there
 * afterwards, or something that was committed later; nothing is there that nobody ever sent.
 *
 *	SKEIN_SIM_SEEDS=first-last		other seeds than the usual ones
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "group_rig.h"
#include "sim/seeds.h"

#define SEED_FIRST 1
#define SEED_LAST  300
#define CRASHES    4
#define KEYS       6
#define OUT_MAX    16

struct key {
	char    group[16];
	int64_t sent, acked;		/* offsets ascend; what was sent before acked cannot come back */
};

struct life {
	struct group_rig  g;
	uint64_t          seed, random;
	struct key        keys[KEYS];
	struct one_offset *out[OUT_MAX];
	int               out_key[OUT_MAX];
};

static uint64_t draw(struct life *l, uint64_t n)	/* xorshift64* */
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (l->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

static void collect(struct life *l)
{
	for (int i = 0; i < OUT_MAX; i++) {
		struct one_offset *o = l->out[i];
		struct key *k = &l->keys[l->out_key[i]];

		if (o == NULL || o->ask.order == 0)
			continue;
		if (!o->ask.was_declined && one_error(o) == NONE)
			k->acked = MAX(k->acked, o->offset.offset);
		free(o);
		l->out[i] = NULL;
	}
}

static void commit(struct life *l)
{
	int i = (int)draw(l, OUT_MAX), key = (int)draw(l, KEYS);
	struct key *k = &l->keys[key];

	if (l->out[i] != NULL)
		return;
	l->out[i] = mem_alloc(sizeof(*l->out[i]));
	l->out_key[i] = key;
	rig_ask(&l->g.rig, &ask_commit(l->out[i], k->group, "x", key, ++k->sent, "m")->ask);
}

static void live(struct life *l)
{
	struct ask role;

	for (int i = 0; i < 400 && !sim_is_dead(l->g.rig.sim); i++) {
		commit(l);
		rig_run(&l->g.rig, (int)draw(l, 20));
		collect(l);
		if (draw(l, 60) == 0) {		/* another epoch: sometimes somebody else's first */
			rig_ask(&l->g.rig, ask_role(&role, (int32_t)draw(l, 2), ++l->g.epoch, 1));
			rig_wait(&l->g.rig, &role);
			if (role.role.leader != RIG_BROKER && !sim_is_dead(l->g.rig.sim)) {
				rig_ask(&l->g.rig, ask_role(&role, RIG_BROKER, ++l->g.epoch, 1));
				rig_wait(&l->g.rig, &role);
			}
		}
		if (draw(l, 20) == 0)
			(void)!rig_checkpoint(&l->g.rig);
	}
}

static void verify(struct life *l)
{
	group_rig_elect(&l->g);
	for (int i = 0; i < KEYS; i++) {
		struct key *k = &l->keys[i];
		int64_t found = group_fetch(&l->g, k->group, "x", i);

		ck_assert_msg(found >= k->acked && found <= k->sent, "seed %llu: %s: found %lld, acknowledged %lld, sent %lld", (unsigned long long)l->seed, k->group,
		              (long long)found, (long long)k->acked, (long long)k->sent);
	}
}

static void fall(struct life *l)
{
	rig_down(&l->g.rig, STOP_ABANDON);
	collect(l);
	for (int i = 0; i < OUT_MAX; i++)
		ck_assert_ptr_null(l->out[i]);
	sim_crash(l->g.rig.sim, draw(l, 2) == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER);
}

static void live_one_seed(uint64_t seed)
{
	struct life *l = mem_calloc(1, sizeof(*l));

	l->seed = seed;
	l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	group_rig_init(&l->g, seed);
	l->g.config->offsets_load_buffer_size = 200 + (int32_t)draw(l, 2000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(l->keys[i].group, sizeof(l->keys[i].group), "g%d", i / 2);
		l->keys[i].acked = -1;
	}
	ck_assert_int_eq(rig_up(&l->g.rig), OK);
	for (int i = 0; i < CRASHES; i++) {
		group_rig_elect(&l->g);
		sim_crash_after_ops(l->g.rig.sim, 1 + draw(l, 200));
		live(l);
		fall(l);
		sim_crash_after_ops(l->g.rig.sim, 0);
		ck_assert_int_eq(rig_up(&l->g.rig), OK);
		verify(l);
	}
	rig_down(&l->g.rig, STOP_CLEAN);
	group_rig_fini(&l->g);
	free(l);
}

START_TEST(every_life)
{
	uint64_t first = SEED_FIRST, last = SEED_LAST;

	(void)seeds_choose(&first, &last);
	for (uint64_t seed = first; seed <= last; seed++) {
		seeds_begin(seed);
		live_one_seed(seed);
	}
	seeds_begin(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("group crash");
	TCase *t = tcase_create("lives");

	tcase_add_test(t, every_life);
	tcase_set_timeout(t, 600);
	suite_add_tcase(s, t);
	return seeds_run(s);
}
