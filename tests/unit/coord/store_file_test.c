/*
 * The embedded side's file: what was answered is there after any end of the process, what could not be written has not happened, and a file that is
 * damaged or not ours is told apart.
 */
#include "harness.h"

#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "coord/store_file.h"

static char dir[] = "/tmp/skein-store-XXXXXX", file[64];
static struct owner a;

static void dir_make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/store", dir);
}

static void dir_remove(void)
{
	unlink(file);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void store_open(void)
{
	char problem[256] = "";

	sched_open(false, 0);
	owner_init(&a);
	ck_assert_msg(coord_open_embedded(&a.coord, &a.actor, file, problem, sizeof(problem)) == OK, "%s", problem);
	pump_events(&a, COORD_EVENT_CONNECTED, 1);
	strbuf_reset(&a.seen);
}

static void store_close(void)
{
	if (has_last_call)
		coord_call_fini(&last_call.call);
	has_last_call = false;
	owner_fini(&a);
	sched_close();
}

static enum err open_error(char *problem, size_t size)
{
	struct coord *c;

	sched_open(false, 0);
	owner_init(&a);
	enum err e = coord_open_embedded(&c, &a.actor, file, problem, size);
	owner_fini(&a);
	sched_close();
	return e;
}

START_TEST(reopen_keeps_everything_but_ephemerals)
{
	dir_make();
	store_open();
	create(&a, "/p", NULL);
	create(&a, "/p/empty", "");
	create(&a, "/p/gone", "x");
	ck_assert_int_eq(do_op(&a, op_set("/p/empty", SLICE_LIT("now full"), 0)), OK);
	ck_assert_int_eq(do_op(&a, op_delete("/p/gone", 0)), OK);
	ck_assert_int_eq(do_op(&a, op_create("/p/e_", SLICE_NULL, COORD_EPHEMERAL | COORD_SEQUENCE)), OK);
	ck_assert(slice_eq_str(result()->out, "/p/e_0000000002"));
	struct coord_stat before = stat_of(&a, "/p/empty"), ephemeral = stat_of(&a, "/p/e_0000000002");
	int64_t session = coord_session_id(a.coord);
	store_close();
	store_open();
	struct coord_stat after = stat_of(&a, "/p/empty");
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/p/empty", false)), OK);
	ck_assert(slice_eq_str(result()->out, "now full"));
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/p", false)), OK);
	ck_assert(slice_is_null(result()->out));
	ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/p", false)), OK);
	ck_assert_int_eq(result()->name_count, 1);
	ck_assert_int_ne(coord_session_id(a.coord), session);
	/* No sequence number and no zxid (a broker's epoch) comes twice. */
	ck_assert_int_eq(do_op(&a, op_create("/p/e_", SLICE_NULL, COORD_EPHEMERAL | COORD_SEQUENCE)), OK);
	ck_assert(slice_eq_str(result()->out, "/p/e_0000000003"));
	ck_assert_int_gt(result()->stat.czxid, ephemeral.czxid);
	store_close();
	dir_remove();
}
END_TEST

/* An ephemeral node waits for no sync, however many there are; and still no zxid comes again after a commit, in whatever run. */
START_TEST(ephemerals_cost_no_sync)
{
	enum { N = 3000 };
	char path[32];

	dir_make();
	store_open();
	create(&a, "/p", NULL);
	for (int run = 0; run < 2; run++) {
		int64_t last = stat_of(&a, "/p").mzxid;

		fault_arm(FAULT_coord_file_commit, 0, OK);
		for (int i = 0; i < N; i++) {
			snprintf(path, sizeof(path), "/p/e%d", i);
			ck_assert_int_eq(do_op(&a, op_create(path, SLICE_NULL, COORD_EPHEMERAL)), OK);
			ck_assert_int_gt(result()->stat.czxid, last);
			last = result()->stat.czxid;
		}
		ck_assert_int_le(fault_hits(FAULT_coord_file_commit), N / 1000);	/* a new bound now and then */
		fault_disarm();
		ck_assert_int_eq(do_op(&a, op_set("/p", SLICE_LIT("x"), run)), OK);
		for (int i = 0; i < N; i++) {	/* behind the last commit */
			snprintf(path, sizeof(path), "/p/late%d", i);
			ck_assert_int_eq(do_op(&a, op_create(path, SLICE_NULL, COORD_EPHEMERAL)), OK);
			last = result()->stat.czxid;
		}
		store_close();
		store_open();
		ck_assert_int_eq(stat_of(&a, "/p").children, 0);
		ck_assert_int_eq(do_op(&a, op_create("/p/next", SLICE_NULL, COORD_EPHEMERAL)), OK);
		ck_assert_int_gt(result()->stat.czxid, last);
	}
	store_close();
	dir_remove();
}
END_TEST

/* The child creates node after node and says so once each is answered; what it said before it was killed must be there. */
static void child_creates(int out)
{
	char path[32];

	store_open();
	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/n%d", i);
		create(&a, path, "some data");
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
	_exit(1);
}

START_TEST(killed_process_keeps_what_it_answered)
{
	int said = -1, next, pipes[2], status;
	char path[32];

	dir_make();
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(pipe(pipes), 0);
		if (round > 0)
			unlink(file);
		pid_t child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0)
			child_creates(pipes[1]);
		close(pipes[1]);
		said = -1;
		while (said < 40 * (round + 1) && read(pipes[0], &next, sizeof(next)) == sizeof(next))
			said = next;
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		while (read(pipes[0], &next, sizeof(next)) == sizeof(next))
			said = next;
		close(pipes[0]);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_ge(said, 40 * (round + 1));
		store_open();
		ck_assert_int_eq(do_op(&a, op_read(COORD_CHILDREN, "/", false)), OK);
		ck_assert_int_ge(result()->name_count, said + 1);
		ck_assert_int_le(result()->name_count, said + 3);	/* one more may have been on its way */
		for (int i = 0; i <= said; i++) {
			snprintf(path, sizeof(path), "/n%d", i);
			ck_assert(is_there(&a, path));
		}
		store_close();
	}
	dir_remove();
}
END_TEST

/* Some thousand topics in one request: one batch, not one wait for the device each. */
START_TEST(many_creates_share_a_sync)
{
	enum { N = 2000 };
	static struct call c[N];
	static char paths[N][64], data[300];

	memset(data, 'x', sizeof(data));
	dir_make();
	store_open();
	create(&a, "/brokers", NULL);
	mono_ns begin = os_mono_ns(os_real());
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(do_op(&a, op_set("/brokers", SLICE_LIT("x"), i)), OK);
	mono_ns single = os_mono_ns(os_real()) - begin;
	for (int i = 0; i < N; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/brokers/topic-%d", i);
		call_init(&a, &c[i], 1);
		c[i].ops[0] = op_create(paths[i], slice_of(data, sizeof(data)), 0);
	}
	begin = os_mono_ns(os_real());
	for (int i = 0; i < N; i++)
		submit(&a, &c[i]);
	pump_home(&a);
	mono_ns all = os_mono_ns(os_real()) - begin;
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(c[i].call.result, OK);
		coord_call_fini(&c[i].call);
	}
	printf("one commit: %.2f ms; %d creates at once: %.1f ms\n", (double)single / 50e6, N, (double)all / 1e6);
	ck_assert_int_lt(all, 1000000000);
	ck_assert_int_eq(stat_of(&a, "/brokers").children, N);
	store_close();
	store_open();
	ck_assert_int_eq(stat_of(&a, "/brokers").children, N);
	store_close();
	dir_remove();
}
END_TEST

/* A batch with a full disk: changes are refused as one, reads in it see what was before, watches stay armed, and then it works again. */
START_TEST(full_disk_refuses_and_recovers)
{
	struct call c[4];

	dir_make();
	store_open();
	create(&a, "/w", "old");
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/w", true)), OK);
	for (int i = 0; i < 4; i++)
		call_init(&a, &c[i], 1);
	c[0].ops[0] = op_set("/w", SLICE_LIT("new"), 0);
	c[1].ops[0] = op_create("/n", SLICE_NULL, 0);
	c[2].ops[0] = op_read(COORD_GET, "/w", false);
	c[3].ops[0] = op_delete("/w", COORD_ANY_VERSION);
	log_set_level(LOG_LEVEL_ERROR);
	fault_arm(_i == 0 ? FAULT_coord_file_commit : FAULT_coord_file_put, 1, ERR_NO_SPACE);
	for (int i = 0; i < 4; i++)
		submit(&a, &c[i]);
	pump_home(&a);
	ck_assert(fault_has_fired());
	fault_disarm();
	ck_assert_int_eq(c[0].call.result, ERR_NO_SPACE);
	ck_assert_int_eq(c[1].call.result, ERR_NO_SPACE);
	ck_assert_int_eq(c[2].call.result, OK);
	ck_assert(slice_eq_str(c[2].ops[0].out, "old"));
	ck_assert_int_eq(c[2].ops[0].stat.version, 0);
	ck_assert_int_eq(c[3].call.result, ERR_NO_SPACE);
	seen_is(&a, "");
	ck_assert_int_eq(ask(&a, &c[0]), OK);
	ck_assert_int_eq(c[0].ops[0].stat.version, 1);
	seen_is(&a, "changed:/w ");
	for (int i = 0; i < 4; i++)
		coord_call_fini(&c[i].call);
	store_close();
	store_open();
	ck_assert(!is_there(&a, "/n"));
	ck_assert_int_eq(stat_of(&a, "/w").version, 1);
	store_close();
	dir_remove();
}
END_TEST

/* What a start on a full disk changes finds room: there are blocks for twice of what is in use, before and after the file has grown. */
START_TEST(room_is_set_aside)
{
	struct stat st;
	MDB_envinfo info;
	MDB_env *env;

	dir_make();
	for (int n = 0; n < 400; n += 200) {
		store_open();
		for (int i = 0; i < n; i++)
			ck_assert_int_eq(do_op(&a, op_create("/filler-", SLICE_LIT("0123456789012345678901234567890123456789"), COORD_SEQUENCE)), OK);
		store_close();
		ck_assert_int_eq(mdb_env_create(&env), 0);
		ck_assert_int_eq(mdb_env_open(env, file, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0600), 0);
		ck_assert_int_eq(mdb_env_info(env, &info), 0);
		mdb_env_close(env);
		ck_assert_int_eq(stat(file, &st), 0);
		ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 2 * 4096 * (info.me_last_pgno + 1));
	}
	dir_remove();
}
END_TEST

/* A device error is for good: a second sync would say OK and mean nothing. Reads are served on. */
START_TEST(device_error_is_for_good)
{
	dir_make();
	store_open();
	create(&a, "/x", "v");
	log_set_level(LOG_LEVEL_ERROR + 1);
	fault_arm(FAULT_coord_file_commit, 1, ERR_IO);
	ck_assert_int_eq(do_op(&a, op_set("/x", SLICE_EMPTY, 0)), ERR_IO);
	fault_disarm();
	ck_assert_int_eq(do_op(&a, op_set("/x", SLICE_EMPTY, 0)), ERR_IO);
	ck_assert_int_eq(do_op(&a, op_read(COORD_GET, "/x", false)), OK);
	ck_assert(slice_eq_str(result()->out, "v"));
	store_close();
	store_open();
	ck_assert_int_eq(do_op(&a, op_set("/x", SLICE_EMPTY, 0)), OK);
	store_close();
	dir_remove();
}
END_TEST

static void write_file(const void *data, size_t len)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static char *read_whole(size_t *len)
{
	char *p;

	ck_assert_int_eq(os_read_file(os_real(), file, (size_t)1 << 26, &p, len), OK);
	return p;
}

START_TEST(foreign_and_damaged_files)
{
	char problem[256] = "";
	size_t len;

	dir_make();
	char *text = calloc(1, 20000);
	memset(text, 'x', 20000);
	write_file(text, 20000);
	free(text);
	ck_assert_int_eq(open_error(problem, sizeof(problem)), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(problem, "not a coordination store"));

	unlink(file);		/* somebody else's LMDB file */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key = { 3, "abc" }, val = { 3, "def" };
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, file, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &val, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	ck_assert_int_eq(open_error(problem, sizeof(problem)), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(problem, "damaged, or is not one of skein"));

	unlink(file);
	store_open();
	create(&a, "/here", "a text that is looked for");
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(do_op(&a, op_create("/filler-", SLICE_LIT("0123456789012345678901234567890123456789"), COORD_SEQUENCE)), OK);
	store_close();
	char *whole = read_whole(&len);
	write_file(whole, 3 * 4096);	/* cut short: the head and a page; half of the file is only set aside */
	ck_assert_int_eq(open_error(problem, sizeof(problem)), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(problem, "cut short"));
	int flipped = 0;
	for (char *p = whole; (p = memmem(p, len - (size_t)(p - whole), "looked for", 10)) != NULL; p++, flipped++)
		*p ^= 1;
	ck_assert_int_gt(flipped, 0);
	write_file(whole, len);
	free(whole);
	ck_assert_int_eq(open_error(problem, sizeof(problem)), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(problem, file));
	dir_remove();
	snprintf(file, sizeof(file), "/nowhere/at/all");
	ck_assert_int_eq(open_error(problem, sizeof(problem)), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coord store file");
	TCase *tc = tcase_create("file");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, reopen_keeps_everything_but_ephemerals);
	tcase_add_test(tc, ephemerals_cost_no_sync);
	tcase_add_test(tc, killed_process_keeps_what_it_answered);
	tcase_add_test(tc, many_creates_share_a_sync);
	tcase_add_loop_test(tc, full_disk_refuses_and_recovers, 0, 2);
	tcase_add_test(tc, room_is_set_aside);
	tcase_add_test(tc, device_error_is_for_good);
	tcase_add_test(tc, foreign_and_damaged_files);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
