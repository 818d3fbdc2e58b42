/* The ZooKeeper side, against a real server; skipped where there is none. */
#include "config.h"

#include <stdlib.h>
#include <zookeeper/zookeeper.h>

/* So many handles cannot be made, as when the servers' names do not resolve. */
static int unresolved;

static zhandle_t *init_or_fail(const char *host, watcher_fn fn, int timeout, const clientid_t *id, void *context, int flags, log_callback_fn log)
{
	if (__atomic_load_n(&unresolved, __ATOMIC_SEQ_CST) > 0) {
		__atomic_fetch_sub(&unresolved, 1, __ATOMIC_SEQ_CST);
		return NULL;
	}
	return zookeeper_init2(host, fn, timeout, id, context, flags, log);
}

#define zookeeper_init2 init_or_fail
#include "coord/zookeeper.c"

#include "body.h"

#define SESSION_MS 4000

static char dir[] = "/tmp/skein-zookeeper-XXXXXX", tool[512];
static uint16_t port;
static int worlds;
static char where_to[128];

static int run_tool(const char *what)
{
	char command[1024];

	snprintf(command, sizeof(command), "%s %s", tool, what);
	return system(command);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	os_fd fd;
	uint16_t bound = 0;

	if (os_listen(os_real(), "127.0.0.1", 0, 1, &fd, &bound) == OK)
		os_close(os_real(), &fd);
	return bound;
}

static bool server_start(void)
{
	char what[256];

	snprintf(what, sizeof(what), "start %s %u", dir, port);
	return run_tool(what) == 0;
}

static bool server_stop(void)
{
	char what[256];

	snprintf(what, sizeof(what), "stop %s", dir);
	return run_tool(what) == 0;
}

static void world_open(int side UNUSED)
{
	sched_open(false, 0);
	snprintf(where_to, sizeof(where_to), "127.0.0.1:%u/test/%d-%d", port, (int)getpid(), ++worlds);
}

static void owner_open(struct owner *o, int side UNUSED)
{
	char problem[256] = "";
	struct coord_zookeeper_spec spec = { .connect = where_to, .session_timeout_ms = SESSION_MS, .connection_timeout_ms = 10000 };

	owner_init(o);
	actor_set_current(NULL);
	ck_assert_msg(coord_open_zookeeper(&o->coord, &o->actor, &spec, problem, sizeof(problem)) == OK, "%s", problem);
	pump_events(o, COORD_EVENT_CONNECTED, 1);
}

static void world_close(int side UNUSED)
{
	sched_close();
}

static bool has_sessions(int side UNUSED)
{
	return true;
}

static void on_thief_event(zhandle_t *h UNUSED, int type, int state, const char *path UNUSED, void *connected)
{
	if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
		__atomic_store_n((bool *)connected, true, __ATOMIC_RELEASE);
}

/* Somebody with the session's password takes it over and ends it; again, when its owner was quicker in taking it back. */
static void expire(struct owner *o, int side UNUSED)
{
	struct zookeeper *z = zookeeper_of(o->coord);
	int before = o->events[COORD_EVENT_EXPIRED];

	for (int tries = 0; tries < 10 && o->events[COORD_EVENT_EXPIRED] == before; tries++) {
		bool connected = false;
		zhandle_t *thief = zookeeper_init2(where_to, on_thief_event, SESSION_MS, zoo_client_id(z->handle), &connected, ZOO_NO_LOG_CLIENTENV, on_log);

		ck_assert_ptr_nonnull(thief);
		(void)wait_until(os_real(), &connected, os_mono_ms(os_real()) + 2000, NULL);	/* never, if the session is over and its owner has not heard yet */
		zookeeper_close(thief);
		for (int i = 0; i < 1000 && o->events[COORD_EVENT_EXPIRED] == before; i++)
			pump_once(o);
	}
}

/* --- what only a network can do ------------------------------------------------------------------------------------------------ */

/* The server goes and comes back within the session: the call in between is lost, ephemeral nodes and watches live on. */
START_TEST(connection_lost_and_back)
{
	struct call c;

	open_one(_i);
	create(&a, "/w", NULL);
	ck_assert_int_eq(do_op(&a, op_create("/e", SLICE_NULL, COORD_EPHEMERAL)), OK);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/w", true)), OK);
	int64_t id = coord_session_id(a.coord);
	ck_assert(server_stop());
	call_init(&a, &c, 1);
	c.number = 1;
	c.ops[0] = op_set("/w", SLICE_EMPTY, COORD_ANY_VERSION);
	ck_assert_int_eq(ask(&a, &c), ERR_CONN_LOSS);
	pump_events(&a, COORD_EVENT_DISCONNECTED, 1);
	ck_assert(server_start());
	pump_events(&a, COORD_EVENT_CONNECTED, 2);
	seen_is(&a, "disconnected 1 connected ");
	ck_assert_int_eq(coord_session_id(a.coord), id);
	ck_assert_int_eq(ask(&a, &c), OK);
	seen_is(&a, "changed:/w 1 ");
	coord_call_fini(&c.call);
	ck_assert(is_there(&a, "/e"));
	close_all(_i);
}
END_TEST

/* The owner does not wait for the names, and the new session comes when they resolve. */
START_TEST(reopen_while_names_do_not_resolve)
{
	struct call c;

	open_one(_i);
	expire(&a, _i);
	pump_events(&a, COORD_EVENT_EXPIRED, 1);
	pump_home(&a);
	__atomic_store_n(&unresolved, 3, __ATOMIC_SEQ_CST);
	int connected = a.events[COORD_EVENT_CONNECTED];
	mono_ms begun = os_mono_ms(os_real());
	ck_assert_int_eq(coord_reopen(a.coord), OK);
	call_init(&a, &c, 1);
	c.ops[0] = op_read(COORD_EXISTS, "/", false);
	ck_assert_int_eq(ask(&a, &c), ERR_EXPIRED);
	ck_assert_int_gt(__atomic_load_n(&unresolved, __ATOMIC_SEQ_CST), 0);	/* it is still being tried */
	pump_events(&a, COORD_EVENT_CONNECTED, connected + 1);
	ck_assert_int_eq(ask(&a, &c), OK);
	ck_assert_int_ge(os_mono_ms(os_real()) - begun, (1 + 2 + 4) * REOPEN_PAUSE_MS);
	ck_assert_int_eq(__atomic_load_n(&unresolved, __ATOMIC_SEQ_CST), 0);
	/* and one that is closed before there is a session again */
	expire(&a, _i);
	pump_events(&a, COORD_EVENT_EXPIRED, 2);
	pump_home(&a);
	__atomic_store_n(&unresolved, 1000, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(coord_reopen(a.coord), OK);
	coord_call_fini(&c.call);
	close_all(_i);
	__atomic_store_n(&unresolved, 0, __ATOMIC_SEQ_CST);
}
END_TEST

static bool at_once(void)
{
	return true;
}

START_TEST(nobody_there)
{
	struct coord_zookeeper_spec spec = { .session_timeout_ms = 1000, .connection_timeout_ms = 300 };
	char problem[256] = "", where[64];
	struct coord *c;

	sched_open(false, 0);
	owner_init(&a);
	actor_set_current(NULL);
	snprintf(where, sizeof(where), "127.0.0.1:%u", free_port());
	spec.connect = where;
	ck_assert_int_eq(coord_open_zookeeper(&c, &a.actor, &spec, problem, sizeof(problem)), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(problem, where));
	spec.is_given_up = at_once;
	spec.connection_timeout_ms = 60000;
	mono_ms began = os_mono_ms(os_real());
	ck_assert_int_eq(coord_open_zookeeper(&c, &a.actor, &spec, problem, sizeof(problem)), ERR_CLOSED);
	ck_assert_int_lt(os_mono_ms(os_real()) - began, 10000);
	spec.is_given_up = NULL;
	spec.connection_timeout_ms = 300;
	spec.connect = "no-such-host.invalid:2181/x";
	enum err e = coord_open_zookeeper(&c, &a.actor, &spec, problem, sizeof(problem));
	ck_assert(e == ERR_UNREACHABLE || e == ERR_TIMEOUT);
	spec.connect = "127.0.0.1:1/a//b";
	ck_assert_int_eq(coord_open_zookeeper(&c, &a.actor, &spec, problem, sizeof(problem)), ERR_INVALID);
	owner_fini(&a);
	sched_close();
}
END_TEST

/* What is refused here keeps its place among the answers. */
START_TEST(refusals_keep_order)
{
	static struct call c[4];
	size_t large = 5 << 20;
	uint8_t *data = calloc(1, large);

	open_one(_i);
	for (int i = 0; i < 4; i++) {
		call_init(&a, &c[i], 1);
		c[i].number = i + 1;
	}
	c[0].ops[0] = op_create("/x", SLICE_NULL, 0);
	c[1].ops[0] = op_create("//", SLICE_NULL, 0);
	c[2].ops[0] = op_create("/y", slice_of(data, large), 0);
	c[3].ops[0] = op_read(COORD_GET, "/x", false);
	for (int i = 0; i < 4; i++)
		submit(&a, &c[i]);
	pump_home(&a);
	seen_is(&a, "1 2 3 4 ");
	ck_assert_int_eq(c[0].call.result, OK);
	ck_assert_int_eq(c[1].call.result, ERR_INVALID);
	ck_assert_int_eq(c[2].call.result, ERR_TOO_LARGE);
	ck_assert_int_eq(c[3].call.result, OK);
	for (int i = 0; i < 4; i++)
		coord_call_fini(&c[i].call);
	free(data);
	close_all(_i);
}
END_TEST

int main(void)
{
	const char *data = getenv("SKEIN_TEST_DATA");

	snprintf(tool, sizeof(tool), "%s/system/zookeeper", data != NULL ? data : "tests");
	if (run_tool("available") != 0)
		return 77;
	if (mkdtemp(dir) == NULL || (port = free_port()) == 0)
		return EXIT_FAILURE;
	log_set_level(LOG_LEVEL_ERROR);		/* lost connections are the test's intention */
	if (!server_start())
		return EXIT_FAILURE;
	Suite *s = suite_create("coord zookeeper");
	TCase *tc = tcase_create("body");
	tcase_set_timeout(tc, 60);
	add_body(tc, 1);
	suite_add_tcase(s, tc);
	tc = tcase_create("network");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, connection_lost_and_back, 0, 1);
	tcase_add_loop_test(tc, reopen_while_names_do_not_resolve, 0, 1);
	tcase_add_loop_test(tc, nobody_there, 0, 1);
	tcase_add_loop_test(tc, refusals_keep_order, 0, 1);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return server_stop() && system(command) == 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
