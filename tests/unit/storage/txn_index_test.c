/*
 * The index of aborted transactions: Kafka's files both ways, queries against a model, damage.
 */
#include "../os/machine.h"
#include "golden.h"

#include "storage/txn_index.h"

#define MANY 300

static struct aborted_txn answers[MANY];
static int answer_count;

static void take(void *arg, const struct aborted_txn *a)
{
	ck_assert_ptr_eq(arg, answers);
	ck_assert_int_lt(answer_count, MANY);
	answers[answer_count++] = *a;
}

static bool ask(const struct txn_index *x, struct os *on, const char *in, int64_t from, int64_t to)
{
	bool is_complete;

	answer_count = 0;
	ck_assert_int_eq(txn_index_query(x, on, in, from, to, take, answers, &is_complete), OK);
	return is_complete;
}

START_TEST(kafkas_file)
{
	const char *theirs_dir = golden("transactions/txn-0");
	struct slice theirs, ours;
	struct txn_index x, y;

	machine_up(_i);
	ck_assert_int_eq(txn_index_open(&x, os_real(), theirs_dir, 3), OK);
	ck_assert_uint_eq(x.count, 3);
	ask(&x, os_real(), theirs_dir, 0, INT64_MAX);
	ck_assert_int_eq(answer_count, 3);

	ck_assert_int_eq(txn_index_open(&y, os, dir, 3), OK);
	ck_assert_uint_eq(y.count, 0);
	ck_assert(!file_exists(os, in_dir("00000000000000000003.txnindex")));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(txn_index_append(&y, os, dir, &answers[i]), OK);
	theirs = file_bytes(os_real(), golden("transactions/txn-0/00000000000000000003.txnindex"));
	ours = file_bytes(os, in_dir("00000000000000000003.txnindex"));
	assert_same_bytes(theirs, ours, "txnindex");
	free((void *)theirs.ptr);
	free((void *)ours.ptr);
	machine_down();
}
END_TEST

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Transactions as a log would have them: any number open at a time; the last stable offset after a
 * marker is the oldest one still open. */
static int make_history(struct aborted_txn *out, int max)
{
	int64_t open[4] = { -1, -1, -1, -1 }, offset = 1000;
	int n = 0;

	while (n < max) {
		int p = (int)rnd(4);

		if (open[p] < 0) {
			open[p] = offset;
			offset += 1 + rnd(5);
			continue;
		}
		struct aborted_txn a = { p, open[p], offset, offset + 1 };
		open[p] = -1;
		for (int i = 0; i < 4; i++)
			if (open[i] >= 0 && open[i] < a.last_stable_offset)
				a.last_stable_offset = open[i];
		offset++;
		if (rnd(3) != 0)			/* the others were committed */
			out[n++] = a;
	}
	return n;
}

START_TEST(queries)
{
	struct aborted_txn all[MANY];
	struct txn_index x;

	machine_up(_i);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 1000), OK);
	make_history(all, MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(txn_index_append(&x, os, dir, &all[i]), OK);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 1000), OK);
	ck_assert_uint_eq(x.count, MANY);
	for (int round = 0; round < 500; round++) {
		int64_t end = all[MANY - 1].last_offset + 20,
			from = 990 + rnd((uint32_t)(end - 990));
		int64_t to = from + 1 + rnd(rnd(2) ? 10 : 2000);
		int expected = 0;
		bool is_complete = ask(&x, os, dir, from, to);

		for (int i = 0; i < MANY; i++) {
			if (all[i].last_offset < from || all[i].first_offset >= to)
				continue;
			ck_assert_int_lt(expected, answer_count);
			ck_assert_int_eq(answers[expected].first_offset, all[i].first_offset);
			ck_assert_int_eq(answers[expected].producer_id, all[i].producer_id);
			expected++;
		}
		ck_assert_int_eq(answer_count, expected);
		/* Complete is only said when the history shows it. */
		if (is_complete)
			ck_assert_int_le(to, all[MANY - 1].last_offset + 1);
	}
	machine_down();
}
END_TEST

START_TEST(truncating)
{
	struct aborted_txn all[MANY];
	struct txn_index x;
	struct os_stat st;

	machine_up(_i);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 1000), OK);
	make_history(all, 100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(txn_index_append(&x, os, dir, &all[i]), OK);
	ck_assert_int_eq(txn_index_truncate(&x, os, dir, all[99].last_offset + 1), OK);
	ck_assert_uint_eq(x.count, 100);
	ck_assert_int_eq(txn_index_truncate(&x, os, dir, all[70].last_offset), OK);
	ck_assert_uint_eq(x.count, 70);
	ck_assert_int_eq(x.newest_last_offset, all[69].last_offset);
	ck_assert_int_eq(txn_index_append(&x, os, dir, &all[70]), OK);
	ck_assert_int_eq(txn_index_truncate(&x, os, dir, 0), OK);
	ck_assert_uint_eq(x.count, 0);
	ck_assert_int_eq(x.newest_last_offset, -1);
	ck_assert_int_eq(os_stat(os, in_dir("00000000000000001000.txnindex"), &st), OK);
	ck_assert_uint_eq(st.size, 0);
	ck_assert_int_eq(txn_index_append(&x, os, dir, &all[0]), OK);
	ck_assert_int_eq(txn_index_reset(&x, os, dir), OK);
	ck_assert_uint_eq(x.count, 0);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 1000), OK);
	ck_assert_uint_eq(x.count, 0);
	x.base_offset = 5;				/* no file: nothing to empty */
	ck_assert_int_eq(txn_index_reset(&x, os, dir), OK);
	machine_down();
}
END_TEST

START_TEST(damage)
{
	struct slice good = file_bytes(os_real(),
		golden("transactions/txn-0/00000000000000000003.txnindex"));
	uint8_t *b = (uint8_t *)good.ptr;
	const char *path;
	struct txn_index x;

	machine_up(_i);
	path = in_dir("00000000000000000003.txnindex");
	file_put(os, path, b, good.len);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 3), OK);
	for (size_t len = 1; len < good.len; len++) {
		file_put(os, path, b, len);
		ck_assert_int_eq(txn_index_open(&x, os, dir, 3),
			len % TXN_INDEX_ENTRY_SIZE == 0 ? OK : ERR_CORRUPT);
	}
	b[TXN_INDEX_ENTRY_SIZE + 1] = 1;		/* a version nobody knows */
	file_put(os, path, b, good.len);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 3), ERR_CORRUPT);
	b[TXN_INDEX_ENTRY_SIZE + 1] = 0;
	memmove(b, b + TXN_INDEX_ENTRY_SIZE, TXN_INDEX_ENTRY_SIZE);	/* the same entry twice */
	file_put(os, path, b, good.len);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 3), ERR_CORRUPT);
	memset(b, 0, good.len);				/* zeros, as a file system may leave them */
	file_put(os, path, b, good.len);
	ck_assert_int_eq(txn_index_open(&x, os, dir, 3), ERR_CORRUPT);
	free(b);
	machine_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_index");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, kafkas_file, 0, MACHINES);
	tcase_add_loop_test(tc, queries, 0, MACHINES);
	tcase_add_loop_test(tc, truncating, 0, MACHINES);
	tcase_add_loop_test(tc, damage, 0, MACHINES);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
