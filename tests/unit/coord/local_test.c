/* The sides without ZooKeeper: the tree in a simulation, the embedded store with a thread of its own. */
#include "body.h"
#include "coord/tree.h"

enum { SIDE_TREE, SIDE_EMBEDDED, SIDES };
#define SESSION_MS 3000

static struct coord_tree *tree;
static char dir[] = "/tmp/skein-coord-XXXXXX", file[64];

static void world_open(int side)
{
	sched_open(side == SIDE_TREE, 7);
	if (side == SIDE_TREE) {
		tree = coord_tree_create();
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/store", dir);
}

static void owner_open(struct owner *o, int side)
{
	char problem[256] = "";

	owner_init(o);
	if (side == SIDE_TREE)
		ck_assert_int_eq(coord_open_tree(&o->coord, &o->actor, tree, SESSION_MS), OK);
	else
		ck_assert_msg(coord_open_embedded(&o->coord, &o->actor, file, problem, sizeof(problem)) == OK, "%s", problem);
	pump_events(o, COORD_EVENT_CONNECTED, 1);
}

static void world_close(int side)
{
	sched_close();
	if (side == SIDE_TREE) {
		coord_tree_destroy(&tree);
		return;
	}
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(dir), 0);	/* one plain file, and no lock beside it */
}

static bool has_sessions(int side)
{
	return side == SIDE_TREE;
}

static void expire(struct owner *o, int side UNUSED)
{
	struct call *c = calloc(1, sizeof(*c));

	coord_set_faults(o->coord, &(struct coord_faults){ .seed = 1, .expire = 65536 });
	call_init(o, c, 1);
	c->ops[0] = op_read(COORD_EXISTS, "/", false);
	ck_assert_int_eq(ask(o, c), ERR_EXPIRED);
	coord_call_fini(&c->call);
	free(c);
}

/* --- sessions by the simulated clock ------------------------------------------------------------------------------------------- */

static mono_ms sim_now(void)
{
	return os_mono_ms(sim_os(sim));
}

/* Who dies is missed when its time is over, not before; who lives stays. */
START_TEST(crashed_session_expires)
{
	open_two(SIDE_TREE);
	create(&a, "/ids", NULL);
	ck_assert_int_eq(do_op(&a, op_create("/ids/1", SLICE_NULL, COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&b, op_create("/ids/2", SLICE_NULL, COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/ids", true)), OK);
	as(&b);
	mono_ms died = sim_now();
	coord_crash(&b.coord);
	ck_assert(is_there(&a, "/ids/2"));
	pump_events(&a, COORD_EVENT_CHILDREN, 1);
	ck_assert_int_ge(sim_now(), died + SESSION_MS - SESSION_MS / 3 - 20);
	ck_assert_int_le(sim_now(), died + SESSION_MS + 20);
	ck_assert(!is_there(&a, "/ids/2"));
	ck_assert(is_there(&a, "/ids/1"));
	ck_assert_int_eq(a.events[COORD_EVENT_EXPIRED], 0);
	owner_fini(&b);
	close_all(SIDE_TREE);
}
END_TEST

/* What a crash interrupts comes home as lost. */
START_TEST(crash_loses_calls)
{
	struct call c;

	open_one(SIDE_TREE);
	call_init(&a, &c, 1);
	c.ops[0] = op_create("/x", SLICE_NULL, 0);
	submit(&a, &c);
	coord_crash(&a.coord);
	pump_home(&a);
	ck_assert_int_eq(c.call.result, ERR_CONN_LOSS);
	coord_call_fini(&c.call);
	owner_open(&b, SIDE_TREE);
	ck_assert(!is_there(&b, "/x"));
	close_all(SIDE_TREE);
}
END_TEST

/* --- the fault switch ---------------------------------------------------------------------------------------------------------- */

struct tally { int ok, lost, exists, expired; uint64_t hash; };

/* A client as careful as the controller: lost calls are sent again when the session is back. Every node must exist in the end. */
static struct tally run_faulty(uint64_t seed)
{
	enum { N = 200 };
	struct tally t = { 0 };
	char path[32];

	sched_open(true, seed);
	tree = coord_tree_create();
	owner_open(&a, SIDE_TREE);
	coord_set_faults(a.coord, &(struct coord_faults){
		.seed = seed, .lose_before = 2000, .lose_after = 2000, .apply_twice = 1000, .expire = 500, .delay_ms_max = 20 });
	for (int i = 0; i < N; ) {
		snprintf(path, sizeof(path), "/n%d", i);
		enum err e = do_op(&a, op_create(path, SLICE_NULL, 0));
		if (e == ERR_CONN_LOSS) {
			t.lost++;
			pump_events(&a, COORD_EVENT_CONNECTED, a.events[COORD_EVENT_DISCONNECTED] + a.events[COORD_EVENT_EXPIRED] + 1);
		} else if (e == ERR_EXPIRED) {
			t.expired++;
			ck_assert_int_eq(coord_reopen(a.coord), OK);
			pump_events(&a, COORD_EVENT_CONNECTED, a.events[COORD_EVENT_DISCONNECTED] + a.events[COORD_EVENT_EXPIRED] + 1);
		} else {
			ck_assert(e == OK || e == ERR_EXISTS);
			t.ok += e == OK;
			t.exists += e == ERR_EXISTS;
			i++;
		}
	}
	coord_set_faults(a.coord, &(struct coord_faults){ 0 });
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/", false)), OK);
	ck_assert_int_eq(result()->name_count, N);
	t.hash = sched_sim_hash(sched);
	close_all(SIDE_TREE);
	return t;
}

START_TEST(faults_are_drawn_from_the_seed)
{
	struct tally sum = { 0 };

	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct tally one = run_faulty(seed), two = run_faulty(seed);

		ck_assert_mem_eq(&one, &two, sizeof(one));
		sum.lost += one.lost;
		sum.exists += one.exists;
		sum.expired += one.expired;
	}
	ck_assert_int_gt(sum.lost, 0);
	ck_assert_int_gt(sum.exists, 0);	/* applied though the answer was lost */
	ck_assert_int_gt(sum.expired, 0);
	ck_assert_int_lt(sum.exists, sum.lost);	/* and some were lost before */
}
END_TEST

/* A watch that fires while the connection is down is told after it is back. */
START_TEST(events_wait_for_the_connection)
{
	struct call c;

	open_two(SIDE_TREE);
	create(&a, "/w", NULL);
	ck_assert_int_eq(do_op(&b, op_read(COORD_GET, "/w", true)), OK);
	coord_set_faults(b.coord, &(struct coord_faults){ .seed = 3, .lose_before = 65536, .delay_ms_max = 1000 });
	call_init(&b, &c, 1);
	c.ops[0] = op_read(COORD_EXISTS, "/w", false);
	c.number = 1;
	ck_assert_int_eq(ask(&b, &c), ERR_CONN_LOSS);
	coord_call_fini(&c.call);
	ck_assert_int_eq(do_op(&a, op_set("/w", SLICE_EMPTY, 0)), OK);
	pump_events(&b, COORD_EVENT_CHANGED, 1);
	seen_is(&b, "disconnected 1 connected changed:/w ");
	close_all(SIDE_TREE);
}
END_TEST

struct observed {
	int reads, writes, refused, events;
};

static void see_call(void *arg, const struct tree_session *s UNUSED, const struct coord_call *call)
{
	struct observed *o = arg;

	if (call->result != OK)
		o->refused++;
	else if (call->ops[0].kind == COORD_GET)
		o->reads++;
	else
		o->writes++;
}

static void see_event(void *arg, const struct tree_session *s UNUSED, enum coord_event_kind kind, const char *path)
{
	struct observed *o = arg;

	ck_assert_int_eq(kind, COORD_EVENT_CHANGED);
	ck_assert_str_eq(path, "/w");
	o->events++;
}

START_TEST(an_observer_sees_calls_and_events)
{
	struct observed seen = { 0 };
	struct tree_observer observer = { .on_call = see_call, .on_event = see_event, .arg = &seen };

	open_two(SIDE_TREE);
	tree_observe(tree, &observer);
	create(&a, "/w", NULL);
	ck_assert_int_eq(do_op(&b, op_read(COORD_GET, "/w", true)), OK);
	ck_assert_int_eq(do_op(&a, op_set("/w", SLICE_EMPTY, 7)), ERR_BAD_VERSION);
	ck_assert_int_eq(seen.events, 0);
	ck_assert_int_eq(do_op(&a, op_set("/w", SLICE_EMPTY, 0)), OK);
	ck_assert_int_eq(do_op(&a, op_set("/w", SLICE_EMPTY, 1)), OK);
	ck_assert_int_eq(seen.events, 1);
	ck_assert_int_eq(seen.reads, 1);
	ck_assert_int_eq(seen.writes, 3);
	ck_assert_int_eq(seen.refused, 1);
	tree_observe(tree, NULL);
	close_all(SIDE_TREE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coord local");
	TCase *tc = tcase_create("body");

	add_body(tc, SIDES);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tc = tcase_create("sessions and faults");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, crashed_session_expires);
	tcase_add_test(tc, crash_loses_calls);
	tcase_add_test(tc, faults_are_drawn_from_the_seed);
	tcase_add_test(tc, events_wait_for_the_connection);
	tcase_add_test(tc, an_observer_sees_calls_and_events);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
