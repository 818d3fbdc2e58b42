/*
 * Leader epochs: the rules, Kafka's files both ways, random histories against a model, and crashes
 * while the file is rewritten.
 */
#include "../os/machine.h"
#include "golden.h"

#include "storage/leader_epochs.h"

static struct leader_epochs e;

static void setup_list(void)
{
	leader_epochs_init(&e);
}

static void teardown_list(void)
{
	leader_epochs_fini(&e);
}

static void expect(const char *text)
{
	char now[1024] = "";
	size_t n = 0;

	for (int i = 0; i < e.count; i++)
		n += (size_t)snprintf(now + n, sizeof(now) - n, "%s%d@%lld", i > 0 ? " " : "",
			e.entries[i].epoch,
			(long long)e.entries[i].start_offset);
	ck_assert_str_eq(now, text);
}

START_TEST(assigning)
{
	ck_assert_int_eq(leader_epochs_latest(&e), -1);
	leader_epochs_assign(&e, 0, 0);
	leader_epochs_assign(&e, 0, 5);			/* the same epoch goes on */
	leader_epochs_assign(&e, 3, 68);
	expect("0@0 3@68");
	ck_assert(e.is_dirty);
	e.is_dirty = false;
	leader_epochs_assign(&e, 3, 90);
	ck_assert(!e.is_dirty);
	leader_epochs_assign(&e, 4, 68);		/* 3 had no record */
	expect("0@0 4@68");
	leader_epochs_assign(&e, 6, 100);
	/* An older leader's history replaces ours */
	leader_epochs_assign(&e, 5, 100);
	expect("0@0 4@68 5@100");
	leader_epochs_assign(&e, 4, 50);
	expect("0@0 4@50");
	leader_epochs_assign(&e, 9, 0);
	expect("9@0");
	/* What came behind an epoch that goes on was of another history: a file from before a truncation */
	leader_epochs_assign(&e, 10, 8);
	leader_epochs_assign(&e, 15, 11);
	leader_epochs_assign(&e, 10, 11);
	expect("9@0 10@8");
}
END_TEST

START_TEST(truncating_and_raising)
{
	for (int i = 0; i < 5; i++)
		leader_epochs_assign(&e, i * 2, i * 10);
	e.is_dirty = false;
	leader_epochs_truncate(&e, 41);
	ck_assert(!e.is_dirty);
	leader_epochs_truncate(&e, 40);
	expect("0@0 2@10 4@20 6@30");
	leader_epochs_raise_start(&e, 5);
	expect("0@5 2@10 4@20 6@30");
	leader_epochs_raise_start(&e, 20);
	expect("4@20 6@30");
	e.is_dirty = false;
	leader_epochs_raise_start(&e, 20);
	leader_epochs_raise_start(&e, 3);		/* before all history */
	ck_assert(!e.is_dirty);
	leader_epochs_raise_start(&e, 99);
	expect("6@99");
	leader_epochs_clear(&e);
	expect("");
	ck_assert(e.is_dirty);
}
END_TEST

static void end_of(int32_t wanted, int32_t epoch, int64_t offset)
{
	int32_t got_epoch;
	int64_t got_offset;

	leader_epochs_end_offset_for(&e, wanted, 77, &got_epoch, &got_offset);
	ck_assert_int_eq(got_epoch, epoch);
	ck_assert_int_eq(got_offset, offset);
}

START_TEST(where_an_epoch_ended)
{
	end_of(0, -1, -1);
	leader_epochs_assign(&e, 2, 10);
	leader_epochs_assign(&e, 5, 30);
	leader_epochs_assign(&e, 8, 60);
	end_of(-1, -1, -1);
	end_of(9, -1, -1);
	end_of(8, 8, 77);
	end_of(7, 5, 60);
	end_of(5, 5, 60);
	end_of(4, 2, 30);
	end_of(2, 2, 30);
	end_of(1, 1, 10);
	end_of(-2, -2, 10);
	ck_assert_int_eq(leader_epochs_at(&e, 9), -1);
	ck_assert_int_eq(leader_epochs_at(&e, 10), 2);
	ck_assert_int_eq(leader_epochs_at(&e, 59), 5);
	ck_assert_int_eq(leader_epochs_at(&e, 1000), 8);
}
END_TEST

START_TEST(kafkas_files)
{
	static const char *const dirs[] = {
		"epochs-truncation/c1-before/epochs-0", "epochs-truncation/c1-after/epochs-0",
			"epochs-truncation/c2-after/epochs-0",
		"log-start/delrec-0", "log-start/delrec-seg-0", "idempotent/idem-0",
	};
	char path[1200];

	machine_up(_i);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		struct slice theirs, ours;

		ck_assert_int_eq(leader_epochs_read(&e, os_real(), golden(dirs[i])), OK);
		ck_assert_int_ge(e.count, 1);
		e.is_dirty = true;
		ck_assert_int_eq(leader_epochs_write(&e, os, dir), OK);
		ck_assert(!e.is_dirty);
		snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", golden(dirs[i]));
		theirs = file_bytes(os_real(), path);
		ours = file_bytes(os, in_dir("leader-epoch-checkpoint"));
		assert_same_bytes(theirs, ours, dirs[i]);
		free((void *)theirs.ptr);
		free((void *)ours.ptr);
	}
	ck_assert_int_eq(leader_epochs_read(&e, os_real(),
		golden("epochs-truncation/c2-after/epochs-0")), OK);
	expect("0@0 1@60 2@64 4@68");
	machine_down();
}
END_TEST

START_TEST(bad_files)
{
	static const char *const bad[] = {
		"1\n0\n", "0\n", "0\n1\n", "0\n1\n3 4\n5 6\n", "0\n2\n3 4\n", "0\n2\n3 4\n2 9\n",
			"0\n2\n3 4\n4 4\n", "0\n1\n-1 4\n", "0\n1\n1 -4\n",
		"0\n1\n1  4\n", "0\n1\n1 4 5\n", "0\n1\n4\n", "0\n1\n99999999999 4\n",
			"0\n1\n1 99999999999999999999\n", "x", "0\n-1\n",
		"0\n4000000000000\n1 4\n", " 0\n1\n1 4\n",
	};

	machine_up(_i);
	ck_assert_int_eq(leader_epochs_read(&e, os, dir), OK);		/* absent */
	ck_assert_int_eq(e.count, 0);
	file_put(os, in_dir("leader-epoch-checkpoint"), "", 0);
	ck_assert_int_eq(leader_epochs_read(&e, os, dir), OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		file_put(os, in_dir("leader-epoch-checkpoint"), bad[i], strlen(bad[i]));
		ck_assert_msg(leader_epochs_read(&e, os, dir) == ERR_CORRUPT, "taken: %s", bad[i]);
		ck_assert_int_eq(e.count, 0);
	}
	machine_down();
}
END_TEST

/* The model: the epoch of every offset, as an array. */
#define OFFSETS 200

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static void compare(const int32_t *of, int64_t start, int64_t end)
{
	for (int64_t o = start; o < end; o++)
		ck_assert_int_eq(leader_epochs_at(&e, o), of[o]);
	for (int k = 1; k < e.count; k++) {
		ck_assert_int_gt(e.entries[k].epoch, e.entries[k - 1].epoch);
		ck_assert_int_gt(e.entries[k].start_offset, e.entries[k - 1].start_offset);
	}
	if (end == start)
		return;

	int32_t wanted = of[start + rnd((uint32_t)(end - start))], got;
	int64_t ended, expected = start;

	leader_epochs_end_offset_for(&e, wanted, end, &got, &ended);
	for (int64_t o = start; o < end; o++)
		expected = of[o] <= wanted ? o + 1 : expected;
	ck_assert_int_eq(got, wanted);
	ck_assert_int_eq(ended, expected);
}

START_TEST(random_histories)
{
	int32_t of[OFFSETS], epoch = 0;
	int64_t end = 0, start = 0;

	seed = (uint64_t)_i;
	for (int i = 0; i < 300; i++) {
		uint32_t what = rnd(10);

		if (what < 7 && end < OFFSETS) {
			epoch += rnd(4) == 0 ? 1 + (int32_t)rnd(2) : 0;
			leader_epochs_assign(&e, epoch, end);
			for (uint32_t n = 1 + rnd(3); n > 0 && end < OFFSETS; n--)
				of[end++] = epoch;
		} else if (what < 8 && end > start) {
			end = start + rnd((uint32_t)(end - start));
			leader_epochs_truncate(&e, end);
			/* A new leader never has an epoch that was given before */
			epoch++;
		} else if (end > start) {
			start += rnd((uint32_t)(end - start));
			leader_epochs_raise_start(&e, start);
		}
		compare(of, start, end);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("leader_epochs");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup_list, teardown_list);
	tcase_add_test(tc, assigning);
	tcase_add_test(tc, truncating_and_raising);
	tcase_add_test(tc, where_an_epoch_ended);
	tcase_add_loop_test(tc, kafkas_files, 0, MACHINES);
	tcase_add_loop_test(tc, bad_files, 0, MACHINES);
	tcase_add_loop_test(tc, random_histories, 1, 50);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
