/*
 * What every side must do alike. The includer defines
 *	static void world_open(int side);			the scheduler, and an empty store
 *	static void owner_open(struct owner *o, int side);	a session on it; CONNECTED has come
 *	static void world_close(int side);
 *	static bool has_sessions(int side);			several sessions on one store
 *	static void expire(struct owner *o, int side);		ends o's session from outside
 */
#ifndef SKEIN_TEST_COORD_BODY_H
#define SKEIN_TEST_COORD_BODY_H

#include "harness.h"

static void world_open(int side);
static void owner_open(struct owner *o, int side);
static void world_close(int side);
static bool has_sessions(int side);
static void expire(struct owner *o, int side);

static struct owner a, b;

static void open_one(int side)
{
	world_open(side);
	owner_open(&a, side);
	strbuf_reset(&a.seen);
}

static void open_two(int side)
{
	open_one(side);
	owner_open(&b, side);
	strbuf_reset(&b.seen);
}

static void close_all(int side)
{
	if (has_last_call)
		coord_call_fini(&last_call.call);
	has_last_call = false;
	if (b.coord != NULL)
		owner_fini(&b);
	owner_fini(&a);
	world_close(side);
}

START_TEST(create_get_set_delete)
{
	open_one(_i);
	ck_assert_int_ne(coord_session_id(a.coord), 0);
	ck_assert_int_eq(do_op(&a, op_create("/x", SLICE_LIT("one"), 0)), OK);
	ck_assert(slice_eq_str(result()->out, "/x"));
	ck_assert_int_eq(result()->stat.version, 0);
	ck_assert_int_gt(result()->stat.czxid, 0);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/x", false)), OK);
	ck_assert(slice_eq_str(result()->out, "one"));
	ck_assert_int_eq(result()->stat.ephemeral_owner, 0);
	ck_assert_int_eq(result()->stat.czxid, result()->stat.mzxid);
	ck_assert_int_eq(do_op(&a, op_set("/x", SLICE_LIT("two"), 0)), OK);
	ck_assert_int_eq(result()->stat.version, 1);
	ck_assert_int_gt(result()->stat.mzxid, result()->stat.czxid);
	ck_assert_int_eq(do_op(&a, op_set("/x", SLICE_LIT("three"), COORD_ANY_VERSION)), OK);
	ck_assert_int_eq(result()->stat.version, 2);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/x", false)), OK);
	ck_assert(slice_eq_str(result()->out, "three"));
	ck_assert_int_eq(do_op(&a, op_delete("/x", 2)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/x", false)), ERR_NOT_FOUND);
	ck_assert_int_eq(do_op(&a, op_read(COORD_EXISTS, "/x", false)), ERR_NOT_FOUND);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/x", false)), ERR_NOT_FOUND);
	close_all(_i);
}
END_TEST

START_TEST(errors)
{
	open_one(_i);
	create(&a, "/x", NULL);
	create(&a, "/x/y", "v");
	ck_assert_int_eq(do_op(&a, op_create("/x", SLICE_NULL, 0)), ERR_EXISTS);
	ck_assert_int_eq(do_op(&a, op_create("/no/y", SLICE_NULL, 0)), ERR_NOT_FOUND);
	ck_assert_int_eq(do_op(&a, op_set("/no", SLICE_EMPTY, COORD_ANY_VERSION)), ERR_NOT_FOUND);
	ck_assert_int_eq(do_op(&a, op_set("/x/y", SLICE_EMPTY, 7)), ERR_BAD_VERSION);
	ck_assert_int_eq(do_op(&a, op_delete("/x/y", 7)), ERR_BAD_VERSION);
	ck_assert_int_eq(do_op(&a, op_delete("/x", COORD_ANY_VERSION)), ERR_NOT_EMPTY);
	ck_assert_int_eq(do_op(&a, op_delete("/no", COORD_ANY_VERSION)), ERR_NOT_FOUND);
	ck_assert_int_eq(do_op(&a, op_create("x", SLICE_NULL, 0)), ERR_INVALID);
	ck_assert_int_eq(do_op(&a, op_create("/x/", SLICE_NULL, 0)), ERR_INVALID);
	ck_assert_int_eq(do_op(&a, op_create("/x//z", SLICE_NULL, 0)), ERR_INVALID);
	ck_assert_int_eq(do_op(&a, op_create("/x/../z", SLICE_NULL, 0)), ERR_INVALID);
	ck_assert_int_eq(do_op(&a, op_create("/x/e", SLICE_NULL, COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&a, op_create("/x/e/z", SLICE_NULL, 0)), ERR_INVALID);
	ck_assert_int_eq(stat_of(&a, "/x/e").ephemeral_owner, coord_session_id(a.coord));
	close_all(_i);
}
END_TEST

/* Null and empty are two things, in both directions: a producer id block of length 0 would be taken for a damaged one. */
START_TEST(null_is_not_empty)
{
	open_one(_i);
	create(&a, "/null", NULL);
	create(&a, "/empty", "");
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/null", false)), OK);
	ck_assert(slice_is_null(result()->out));
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/empty", false)), OK);
	ck_assert(!slice_is_null(result()->out));
	ck_assert_uint_eq(result()->out.len, 0);
	ck_assert_int_eq(do_op(&a, op_set("/null", SLICE_EMPTY, 0)), OK);
	ck_assert_int_eq(do_op(&a, op_set("/empty", SLICE_NULL, 0)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/null", false)), OK);
	ck_assert(!slice_is_null(result()->out));
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/empty", false)), OK);
	ck_assert(slice_is_null(result()->out));
	close_all(_i);
}
END_TEST

START_TEST(children)
{
	open_one(_i);
	create(&a, "/p", NULL);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/p", false)), OK);
	ck_assert_int_eq(result()->name_count, 0);
	ck_assert_int_eq(result()->stat.children_version, 0);
	create(&a, "/p/1", NULL);
	create(&a, "/p/2", NULL);
	create(&a, "/p/2/below", NULL);
	create(&a, "/p/3", NULL);
	ck_assert_int_eq(do_op(&a, op_delete("/p/1", COORD_ANY_VERSION)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/p", false)), OK);
	ck_assert_int_eq(result()->name_count, 2);
	bool has_two = slice_eq_str(result()->names[0], "2") || slice_eq_str(result()->names[1], "2");
	bool has_three = slice_eq_str(result()->names[0], "3") || slice_eq_str(result()->names[1], "3");
	ck_assert(has_two && has_three);
	ck_assert_int_eq(result()->stat.children, 2);
	ck_assert_int_eq(result()->stat.children_version, 4);	/* three made, one deleted */
	ck_assert_int_eq(result()->stat.version, 0);
	close_all(_i);
}
END_TEST

START_TEST(sequence_nodes)
{
	open_one(_i);
	create(&a, "/q", NULL);
	ck_assert_int_eq(do_op(&a, op_create("/q/n_", SLICE_NULL, COORD_SEQUENCE)), OK);
	ck_assert(slice_eq_str(result()->out, "/q/n_0000000000"));
	create(&a, "/q/other", NULL);
	ck_assert_int_eq(do_op(&a, op_delete("/q/other", COORD_ANY_VERSION)), OK);
	/* Creations count, deletions do not. */
	ck_assert_int_eq(do_op(&a, op_create("/q/n_", SLICE_LIT("d"), COORD_SEQUENCE | COORD_EPHEMERAL)), OK);
	ck_assert(slice_eq_str(result()->out, "/q/n_0000000002"));
	ck_assert_int_eq(do_op(&a, op_create("/q/", SLICE_NULL, COORD_SEQUENCE)), OK);
	ck_assert(slice_eq_str(result()->out, "/q/0000000003"));
	ck_assert_int_eq(stat_of(&a, "/q/n_0000000002").ephemeral_owner, coord_session_id(a.coord));
	close_all(_i);
}
END_TEST

START_TEST(multi_all_or_none)
{
	struct call m;

	open_one(_i);
	create(&a, "/epoch", "1");
	call_init(&a, &m, 4);
	m.ops[0] = op_check("/epoch", 0);
	m.ops[1] = op_create("/controller", SLICE_LIT("me"), COORD_EPHEMERAL);
	m.ops[2] = op_set("/epoch", SLICE_LIT("2"), 0);
	m.ops[3] = op_create("/seq", SLICE_NULL, COORD_SEQUENCE);
	ck_assert_int_eq(ask(&a, &m), OK);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(m.ops[i].result, OK);
	ck_assert(slice_eq_str(m.ops[1].out, "/controller"));
	ck_assert_int_eq(m.ops[2].stat.version, 1);
	ck_assert_uint_eq(m.ops[3].out.len, strlen("/seq0000000000"));
	/* One transaction, one zxid: the epoch of a broker is read from a multi of create and set. */
	ck_assert_int_eq(stat_of(&a, "/controller").czxid, m.ops[2].stat.mzxid);
	coord_call_fini(&m.call);

	call_init(&a, &m, 4);
	m.ops[0] = op_create("/new", SLICE_NULL, 0);
	m.ops[1] = op_check("/epoch", 0);
	m.ops[2] = op_set("/epoch", SLICE_LIT("3"), 1);
	m.ops[3] = op_delete("/controller", COORD_ANY_VERSION);
	ck_assert_int_eq(ask(&a, &m), ERR_BAD_VERSION);
	ck_assert_int_eq(m.ops[0].result, OK);
	ck_assert_int_eq(m.ops[1].result, ERR_BAD_VERSION);
	ck_assert_int_eq(m.ops[2].result, ERR_AGAIN);
	ck_assert_int_eq(m.ops[3].result, ERR_AGAIN);
	coord_call_fini(&m.call);
	ck_assert(!is_there(&a, "/new"));
	ck_assert(is_there(&a, "/controller"));
	ck_assert_int_eq(stat_of(&a, "/epoch").version, 1);

	call_init(&a, &m, 1);	/* a multi of one */
	m.call.is_multi = true;
	m.ops[0] = op_check("/epoch", 1);
	ck_assert_int_eq(ask(&a, &m), OK);
	m.ops[0] = op_check("/nowhere", 1);
	ck_assert_int_eq(ask(&a, &m), ERR_NOT_FOUND);
	ck_assert_int_eq(m.ops[0].result, ERR_NOT_FOUND);
	coord_call_fini(&m.call);
	close_all(_i);
}
END_TEST

/* Within a multi a later operation sees what an earlier one did, and a failure takes all of it back. */
START_TEST(multi_sees_itself)
{
	struct call m;

	open_one(_i);
	call_init(&a, &m, 4);
	m.ops[0] = op_create("/p", SLICE_NULL, 0);
	m.ops[1] = op_create("/p/c", SLICE_LIT("1"), 0);
	m.ops[2] = op_set("/p/c", SLICE_LIT("2"), 0);
	m.ops[3] = op_delete("/p/c", 1);
	ck_assert_int_eq(ask(&a, &m), OK);
	ck_assert_int_eq(stat_of(&a, "/p").children, 0);
	m.ops[0] = op_create("/p/c", SLICE_LIT("1"), 0);
	m.ops[1] = op_set("/p/c", SLICE_LIT("2"), 0);
	m.ops[2] = op_delete("/p/c", 1);
	m.ops[3] = op_delete("/p/c", COORD_ANY_VERSION);
	ck_assert_int_eq(ask(&a, &m), ERR_NOT_FOUND);
	ck_assert_int_eq(m.ops[3].result, ERR_NOT_FOUND);
	coord_call_fini(&m.call);
	ck_assert(!is_there(&a, "/p/c"));
	create(&a, "/p/c", NULL);
	close_all(_i);
}
END_TEST

/* Many at once come home in the order in which they were submitted, and were applied in it. */
START_TEST(pipeline_keeps_order)
{
	enum { N = 60 };
	static struct call c[N];
	struct strbuf expected = STRBUF_INIT;

	open_one(_i);
	create(&a, "/n", "0");
	for (int i = 0; i < N; i++) {
		call_init(&a, &c[i], 1);
		c[i].number = i + 1;
		c[i].ops[0] = i % 3 == 0 ? op_set("/n", SLICE_LIT("x"), i / 3) : op_read(i % 3 == 1 ? COORD_GET : COORD_CHILDREN, "/n", false);
		submit(&a, &c[i]);
		strbuf_printf(&expected, "%d ", i + 1);
	}
	pump_home(&a);
	seen_is(&a, strbuf_cstr(&expected));
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(c[i].call.result, OK);
		ck_assert_int_eq(c[i].ops[0].stat.version, i / 3 + 1);
		coord_call_fini(&c[i].call);
	}
	strbuf_fini(&expected);
	close_all(_i);
}
END_TEST

/* An event comes before the answer that shows its change and after the one that set the watch; once. */
START_TEST(watches_are_ordered_and_fire_once)
{
	struct call c[6];

	open_one(_i);
	create(&a, "/w", "0");
	for (int i = 0; i < 6; i++) {
		call_init(&a, &c[i], 1);
		c[i].number = i + 1;
	}
	c[0].ops[0] = op_read(COORD_GET, "/w", true);
	c[1].ops[0] = op_set("/w", SLICE_LIT("1"), COORD_ANY_VERSION);
	c[2].ops[0] = op_set("/w", SLICE_LIT("2"), COORD_ANY_VERSION);
	c[3].ops[0] = op_read(COORD_EXISTS, "/w/child", true);
	c[4].ops[0] = op_read(COORD_CHILDREN, "/w", true);
	c[5].ops[0] = op_create("/w/child", SLICE_NULL, 0);
	for (int i = 0; i < 6; i++)
		submit(&a, &c[i]);
	pump_home(&a);
	seen_is(&a, "1 changed:/w 2 3 4 5 created:/w/child children:/w 6 ");
	for (int i = 0; i < 6; i++)
		coord_call_fini(&c[i].call);
	/* All fired: nothing more comes. */
	ck_assert_int_eq(do_op(&a, op_set("/w", SLICE_LIT("3"), COORD_ANY_VERSION)), OK);
	ck_assert_int_eq(do_op(&a, op_delete("/w/child", COORD_ANY_VERSION)), OK);
	ck_assert_int_eq(do_op(&a, op_delete("/w", COORD_ANY_VERSION)), OK);
	seen_is(&a, "");
	close_all(_i);
}
END_TEST

START_TEST(watches_on_deletion)
{
	open_one(_i);
	create(&a, "/p", NULL);
	create(&a, "/p/d", NULL);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/p/d", true)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/p/d", true)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/p", true)), OK);
	ck_assert_int_eq(do_op(&a, op_delete("/p/d", COORD_ANY_VERSION)), OK);
	seen_is(&a, "deleted:/p/d children:/p ");	/* both watches on /p/d: one event */
	/* A read of what is not there waits for nothing, but exists does. */
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/p/d", true)), ERR_NOT_FOUND);
	create(&a, "/p/d", NULL);
	seen_is(&a, "");
	ck_assert_int_eq(do_op(&a, op_read(COORD_EXISTS, "/p/e", true)), ERR_NOT_FOUND);
	create(&a, "/p/e", NULL);
	seen_is(&a, "created:/p/e ");
	ck_assert_int_eq(do_op(&a, op_read(COORD_EXISTS, "/p/e", true)), OK);
	ck_assert_int_eq(do_op(&a, op_delete("/p/e", COORD_ANY_VERSION)), OK);
	seen_is(&a, "deleted:/p/e ");
	close_all(_i);
}
END_TEST

START_TEST(failed_multi_fires_nothing)
{
	struct call m;

	open_one(_i);
	create(&a, "/w", NULL);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/w", true)), OK);
	call_init(&a, &m, 2);
	m.ops[0] = op_set("/w", SLICE_EMPTY, COORD_ANY_VERSION);
	m.ops[1] = op_check("/w", 9);
	ck_assert_int_eq(ask(&a, &m), ERR_BAD_VERSION);
	seen_is(&a, "");
	m.ops[1] = op_check("/w", 1);
	ck_assert_int_eq(ask(&a, &m), OK);
	seen_is(&a, "changed:/w ");
	coord_call_fini(&m.call);
	close_all(_i);
}
END_TEST

START_TEST(other_sessions_are_told)
{
	if (!has_sessions(_i))
		return;
	open_two(_i);
	create(&a, "/s", "0");
	ck_assert_int_eq(do_op(&b, op_read(COORD_GET, "/s", true)), OK);
	ck_assert_int_eq(do_op(&a, op_set("/s", SLICE_LIT("1"), 0)), OK);
	pump_events(&b, COORD_EVENT_CHANGED, 1);
	ck_assert_int_eq(do_op(&b, op_read(COORD_GET, "/s", false)), OK);
	ck_assert(slice_eq_str(result()->out, "1"));
	seen_is(&b, "changed:/s ");
	close_all(_i);
}
END_TEST

/* A proper end takes the ephemeral nodes along at once. */
START_TEST(close_ends_the_session)
{
	if (!has_sessions(_i))
		return;
	open_two(_i);
	create(&a, "/ids", NULL);
	ck_assert_int_eq(do_op(&b, op_create("/ids/7", SLICE_LIT("x"), COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/ids", true)), OK);
	ck_assert_int_eq(result()->name_count, 1);
	owner_fini(&b);
	pump_events(&a, COORD_EVENT_CHILDREN, 1);
	ck_assert(!is_there(&a, "/ids/7"));
	close_all(_i);
}
END_TEST

START_TEST(expiry_and_reopen)
{
	struct call c;
	int64_t old;

	open_one(_i);
	old = coord_session_id(a.coord);
	create(&a, "/ids", NULL);
	ck_assert_int_eq(do_op(&a, op_create("/ids/1", SLICE_LIT("x"), COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/ids", true)), OK);
	expire(&a, _i);
	pump_events(&a, COORD_EVENT_EXPIRED, 1);
	pump_home(&a);
	call_init(&a, &c, 1);
	c.ops[0] = op_read(COORD_EXISTS, "/ids/1", false);
	ck_assert_int_eq(ask(&a, &c), ERR_EXPIRED);
	ck_assert_int_eq(c.ops[0].result, ERR_EXPIRED);
	coord_set_faults(a.coord, &(struct coord_faults){ 0 });
	int connected = a.events[COORD_EVENT_CONNECTED];
	ck_assert_int_eq(coord_reopen(a.coord), OK);
	pump_events(&a, COORD_EVENT_CONNECTED, connected + 1);
	ck_assert_int_ne(coord_session_id(a.coord), old);
	ck_assert_int_eq(ask(&a, &c), ERR_NOT_FOUND);
	coord_call_fini(&c.call);
	strbuf_reset(&a.seen);
	ck_assert_int_eq(do_op(&a, op_set("/ids", SLICE_EMPTY, COORD_ANY_VERSION)), OK);
	seen_is(&a, "");	/* the watches went with the session */
	close_all(_i);
}
END_TEST

static void add_body(TCase *tc, int sides)
{
	tcase_add_loop_test(tc, create_get_set_delete, 0, sides);
	tcase_add_loop_test(tc, errors, 0, sides);
	tcase_add_loop_test(tc, null_is_not_empty, 0, sides);
	tcase_add_loop_test(tc, children, 0, sides);
	tcase_add_loop_test(tc, sequence_nodes, 0, sides);
	tcase_add_loop_test(tc, multi_all_or_none, 0, sides);
	tcase_add_loop_test(tc, multi_sees_itself, 0, sides);
	tcase_add_loop_test(tc, pipeline_keeps_order, 0, sides);
	tcase_add_loop_test(tc, watches_are_ordered_and_fire_once, 0, sides);
	tcase_add_loop_test(tc, watches_on_deletion, 0, sides);
	tcase_add_loop_test(tc, failed_multi_fires_nothing, 0, sides);
	tcase_add_loop_test(tc, other_sessions_are_told, 0, sides);
	tcase_add_loop_test(tc, close_ends_the_session, 0, sides);
	tcase_add_loop_test(tc, expiry_and_reopen, 0, sides);
}

#endif
