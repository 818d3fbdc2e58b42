/*
 * Partitions on real threads: several desks append, read, watch and look up at once while a controller changes roles and configs, moves them between two log directories, and stops everything at the
 * end; half of what is asked may be served on the asker's thread. What it is for: ThreadSanitizer. What it checks: every question comes home once, acknowledged offsets are distinct, the logs hold what was said.
 *
 *	SKEIN_STRESS_ROUNDS=n		questions of each desk; 2000 unless told
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

#define PARTITIONS 3
#define DESKS      3
#define IN_FLIGHT  24

struct stress {
	struct os             *os;
	struct sched          *sched;
	struct workers        *workers;
	struct topic_config    config;
	struct partition_addr *addrs[PARTITIONS];
	char                   dir[64];
	struct logdir         *dirs[2];
	struct partition_movers movers;
	int                    rounds;
};

struct desk {
	struct actor   actor;
	struct stress *s;
	struct ask    *asks;		/* IN_FLIGHT of them */
	int            to[IN_FLIGHT];	/* which partition; -1: free */
	uint64_t       random;
	int            left, number;
	int64_t        acknowledged[PARTITIONS], last_offset[PARTITIONS];
	bool           is_done;		/* published to the test */
};

struct chief {				/* the controller's part */
	struct actor   actor;
	struct stress *s;
	struct ask     asks[PARTITIONS];
	bool           is_out[PARTITIONS], has_stopped[PARTITIONS];
	bool           stop_wanted;	/* written by the test */
	bool           is_done;
	int            turns;
};

static uint64_t draw(uint64_t *random, uint64_t n)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*random >> 33) % n;
}

/* --- desks --------------------------------------------------------------------------------------------------------------------------- */

static void desk_on_home(void *arg, struct msg *m)
{
	struct desk *d = arg;
	struct ask *a = m->context;
	int i = (int)(a - d->asks), p = d->to[i];

	d->to[i] = -1;
	if (m->kind == PARTITION_append && a->append.error == NONE) {
		if (a->append.acks == 1) {	/* answered when written: in the order of the questions */
			ck_assert_int_gt(a->append.base_offset, d->last_offset[p]);
			d->last_offset[p] = a->append.base_offset;
		}
		d->acknowledged[p]++;
	}
	if (m->kind == PARTITION_read && a->read.range.file != NULL)
		log_file_unref(&a->read.range.file);
}

static struct ask *desk_question(struct desk *d, struct ask *a, const struct partition_addr *to)
{
	switch (draw(&d->random, 8)) {
	case 0:
		return ask_read(a, draw(&d->random, 2) == 0 ? 0 : partition_high_watermark(to), 4096);
	case 1:
		return ask_list(a, LIST_OFFSETS_LATEST);
	case 2: {
		struct rig seen = { .addr = (struct partition_addr *)(uintptr_t)to };

		return ask_watch(a, &seen);
	}
	default:
		return ask_append(a, draw(&d->random, 3) == 0 ? -1 : 1, 20, 1);
	}
}

static int desk_step(struct actor *actor, mono_ms now UNUSED)
{
	struct desk *d = CONTAINER_OF(actor, struct desk, actor);
	int work = actor_drain_answers(actor, desk_on_home, d), out = 0;

	for (int i = 0; i < IN_FLIGHT; i++) {
		if (d->to[i] < 0 && d->left > 0) {
			int p = (int)draw(&d->random, PARTITIONS);
			struct ask *a = desk_question(d, &d->asks[i], d->s->addrs[p]);

			a->msg.home = actor;
			a->msg.context = a;
			a->msg.is_light = draw(&d->random, 2) == 0;	/* then this desk may run the partition's step */
			__atomic_store_n(&d->left, d->left - 1, __ATOMIC_RELAXED);	/* the test looks at it */
			if (partition_ask(actor, d->s->addrs[p], &a->msg)) {
				d->to[i] = p;
				work++;
			}
		}
		out += d->to[i] >= 0;
	}
	if (out == 0 && d->left == 0)
		__atomic_store_n(&d->is_done, true, __ATOMIC_RELEASE);
	actor->deadline = MONO_NEVER;
	return work;
}

static const struct actor_ops desk_ops = { .module = "desk", .step = desk_step };

/* --- the chief ------------------------------------------------------------------------------------------------------------------------ */

static void chief_on_home(void *arg, struct msg *m)
{
	struct chief *c = arg;
	struct ask *a = m->context;
	int p = (int)(a - c->asks);

	c->is_out[p] = false;
	if (m->kind == PARTITION_role)
		ck_assert_int_eq(a->role.error, NONE);
	if (m->kind == PARTITION_move)
		ck_assert_int_eq(a->move.error, NONE);
	if (m->kind == PARTITION_stop) {
		ck_assert_int_eq(a->stop.result, OK);
		c->has_stopped[p] = true;
	}
}

static struct ask *chief_question(struct chief *c, int p, bool is_end)
{
	struct ask *a = &c->asks[p];

	if (is_end) {
		memset(a, 0, sizeof(*a));
		msg_init(&a->msg, PARTITION_stop, NULL);
		a->stop.how = STOP_CLEAN;
	} else if (c->turns % 5 == 2) {
		ask_move(a, c->s->dirs[c->turns / 10 % 2]);
	} else if (c->turns % 5 == 4) {
		memset(a, 0, sizeof(*a));
		msg_init(&a->msg, PARTITION_config, NULL);
		a->config.config = c->s->config;
	} else {
		ask_role(a, RIG_BROKER, c->turns, 1 + c->turns % 7 / 6);
	}
	return a;
}

static int chief_step(struct actor *actor, mono_ms now)
{
	struct chief *c = CONTAINER_OF(actor, struct chief, actor);
	int work = actor_drain_answers(actor, chief_on_home, c), ended = 0;
	bool is_end = __atomic_load_n(&c->stop_wanted, __ATOMIC_ACQUIRE);

	for (int p = 0; p < PARTITIONS; p++) {
		ended += c->has_stopped[p];
		if (c->is_out[p] || c->has_stopped[p])
			continue;
		struct ask *a = chief_question(c, p, is_end);

		a->msg.home = actor;
		a->msg.context = a;
		c->is_out[p] = partition_ask(actor, c->s->addrs[p], &a->msg);
		ck_assert(c->is_out[p]);
	}
	c->turns++;
	if (ended == PARTITIONS)
		__atomic_store_n(&c->is_done, true, __ATOMIC_RELEASE);
	actor->deadline = ended == PARTITIONS ? MONO_NEVER : now + 2;
	return work;
}

static const struct actor_ops chief_ops = { .module = "chief", .step = chief_step };

/* --- the test -------------------------------------------------------------------------------------------------------------------------- */

static void quiet(void *arg UNUSED, enum log_level level UNUSED, const char *line UNUSED, size_t len UNUSED)
{
}

static void open_partitions(struct stress *s)
{
	for (int p = 0; p < PARTITIONS; p++) {
		char path[128];
		struct partition_spec spec = {
			.sched = s->sched, .workers = s->workers, .dir = s->dirs[0], .movers = &s->movers, .broker_id = RIG_BROKER, .stack_bytes = ACTOR_STACK_DEFAULT,
			.log = {
				.os = s->os, .dir = path, .topic = "t", .partition = p, .config = &s->config, .producer_id_expiration_ms = INT32_MAX,
				.recovery_point = -1, .log_start_offset = -1, .high_watermark = -1, .now = os_time_ms(s->os),
			},
		};

		snprintf(path, sizeof(path), "%s/t-%d", logdir_path(s->dirs[0]), p);
		ck_assert_int_eq(partition_start(&s->addrs[p], &spec), OK);
	}
}

static void desk_start(struct desk *d, struct stress *s, int number)
{
	memset(d, 0, sizeof(*d));
	d->s = s;
	d->number = number;
	d->random = (uint64_t)number + 1;
	d->left = s->rounds;
	d->asks = mem_calloc(IN_FLIGHT, sizeof(*d->asks));
	for (int i = 0; i < IN_FLIGHT; i++)
		d->to[i] = -1;
	for (int p = 0; p < PARTITIONS; p++)
		d->last_offset[p] = -1;
	actor_init(&d->actor, s->sched, &desk_ops, 1 + number, "desk %d", number);
	ck_assert_int_eq(actor_start(&d->actor, 0), OK);
}

static void wait_for(struct stress *s, const bool *flag)
{
	for (int i = 0; !__atomic_load_n(flag, __ATOMIC_ACQUIRE); i++) {
		ck_assert_int_lt(i, 60000);
		os_sleep_ms(s->os, 1);
	}
}

static void end_actor(struct actor *a)
{
	actor_stop(a);
	actor_join(a);
	actor_fini(a);
}

static void close_partitions(struct stress *s, const struct desk *desks)
{
	for (int p = 0; p < PARTITIONS; p++) {
		int64_t acknowledged = 0;

		partition_join(s->addrs[p]);
		for (int i = 0; i < DESKS; i++)
			acknowledged += desks[i].acknowledged[p];
		ck_assert_int_ge(partition_log_end_offset(s->addrs[p]), acknowledged);
		ck_assert_int_gt(acknowledged, 0);
		partition_addr_unref(&s->addrs[p]);
	}
}

static void open_dirs(struct stress *s)
{
	char path[128], problem[LOGDIR_ERROR_MAX];
	static struct log_source source;

	log_source_init(&source, "test", "%s", "dirs");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%d", s->dir, i);
		ck_assert_int_eq(logdir_open(&s->dirs[i], s->os, &source, path, problem), OK);
	}
	s->movers.workers = workers_create(s->sched, 2);
	throttle_init(&s->movers.throttle, 11, 1000);
}

struct emptying {
	struct stress *s;
	struct logdir *dir;
	int            moved;
};

static void empty_one(void *arg, const struct logdir_entry *e)
{
	struct emptying *x = arg;
	char path[512];

	x->moved += e->kind == LOGDIR_DELETED;
	snprintf(path, sizeof(path), "%s/%s", logdir_path(x->dir), e->name);
	ck_assert_int_eq(logdir_purge(x->s->os, path), OK);
}

/* There must have been moves. */
static void close_dirs(struct stress *s)
{
	struct emptying x = { .s = s };
	char path[128], problem[LOGDIR_ERROR_MAX];

	workers_destroy(&s->movers.workers);
	throttle_fini(&s->movers.throttle);
	for (int i = 0; i < 2; i++) {
		x.dir = s->dirs[i];
		ck_assert(!logdir_is_offline(x.dir));
		ck_assert_int_eq(logdir_scan(x.dir, empty_one, &x, problem), OK);
		snprintf(path, sizeof(path), "%s", logdir_path(x.dir));
		logdir_close(&s->dirs[i]);
		ck_assert_int_eq(logdir_purge(s->os, path), OK);
	}
	ck_assert_int_gt(x.moved, 0);
}

START_TEST(stress)
{
	static struct stress s;
	static struct desk desks[DESKS];
	static struct chief chief;
	const char *rounds = getenv("SKEIN_STRESS_ROUNDS");

	log_set_sink(quiet, NULL);
	s.os = os_real();
	s.rounds = rounds != NULL ? atoi(rounds) : 2000;
	snprintf(s.dir, sizeof(s.dir), "/tmp/skein-partition-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s.dir));
	topic_config_init(&s.config);
	s.config.segment_bytes = 20000;
	s.sched = sched_threads_create(s.os);
	s.workers = workers_create(s.sched, 2);
	open_dirs(&s);
	open_partitions(&s);
	chief.s = &s;
	actor_init(&chief.actor, s.sched, &chief_ops, LANE_CONTROLLER, "chief");
	ck_assert_int_eq(actor_start(&chief.actor, 0), OK);
	for (int i = 0; i < DESKS; i++)
		desk_start(&desks[i], &s, i);
	for (int i = 0; i < DESKS; i++) {
		/* a watch that nobody answers any more is answered by the stop */
		for (int k = 0; k < 60000 && __atomic_load_n(&desks[i].left, __ATOMIC_RELAXED) > 0; k++)
			os_sleep_ms(s.os, 1);
	}
	__atomic_store_n(&chief.stop_wanted, true, __ATOMIC_RELEASE);
	actor_wake(&chief.actor);
	wait_for(&s, &chief.is_done);
	for (int i = 0; i < DESKS; i++) {
		wait_for(&s, &desks[i].is_done);
		end_actor(&desks[i].actor);
	}
	end_actor(&chief.actor);
	close_partitions(&s, desks);
	close_dirs(&s);
	for (int i = 0; i < DESKS; i++)
		free(desks[i].asks);
	workers_destroy(&s.workers);
	sched_destroy(&s.sched);
	ck_assert_int_eq(os_rmdir(s.os, s.dir), OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("partition threads");
	TCase *t = tcase_create("stress");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, stress);
	suite_add_tcase(suite, t);

	SRunner *sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
