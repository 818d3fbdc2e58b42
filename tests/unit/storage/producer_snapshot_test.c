/*
 * Snapshots: Kafka's own, read and written back to the same bytes; Kafka's logs, replayed to the
 *            bytes of its snapshots; and ours,
 * with all five batches, through crashes and damage.
 */
#include "../os/machine.h"
#include "golden.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "record/batch.h"
#include "record/build.h"
#include "storage/log.h"
#include "storage/producer_snapshot.h"

/* Golden records are old: nothing expires but in the test of that. */
#define FOREVER INT64_MAX

static struct producer_state *state;

static void setup_state(void)
{
	producer_state_create(&state, FOREVER);
}

static void teardown_state(void)
{
	producer_state_destroy(&state);
}

static void stage(struct producer_append *a)
{
	ck_assert_int_eq(producer_state_stage(state, a), NONE);
	ck_assert(!a->is_duplicate);
	producer_state_commit(state);
}

static void append(int64_t id, int32_t sequence, int64_t offset, int records)
{
	struct producer_append a = {
		.origin = PRODUCER_CLIENT, .producer_id = id, .base_sequence = sequence,
			.last_sequence = sequence + records - 1,
		.base_offset = offset, .last_offset = offset + records - 1,
			.max_timestamp = 5000 + offset, .verified_sequence = -1,
	};

	stage(&a);
}

/* --- Kafka's ---------------------------------------------------------------------------------- */

/* Feeds the batches of a segment below `until` to the state, as recovery does. */
static void replay(struct slice log, int64_t from, int64_t until)
{
	struct slice batch;

	while (batch_next(&log, &batch) == OK && batch_last_offset(batch.ptr) < until) {
		const uint8_t *b = batch.ptr;
		struct producer_append a = {
			.origin = PRODUCER_REPLICATED, .producer_id = batch_producer_id(b),
				.producer_epoch = batch_producer_epoch(b),
			.base_sequence = batch_base_sequence(b),
				.last_sequence = batch_last_sequence(b),
			.base_offset = batch_base_offset(b), .last_offset = batch_last_offset(b),
			.max_timestamp = batch_max_timestamp(b),
				.is_transactional = batch_is_transactional(b),
			.is_control = batch_is_control(b), .verified_sequence = -1,
		};
		struct marker m;

		if (a.base_offset < from)
			continue;
		if (a.is_control && marker_read(batch, &m) == OK) {
			a.marker = m.type == MARKER_COMMIT ? PRODUCER_MARKER_COMMIT :
				PRODUCER_MARKER_ABORT;
			a.coordinator_epoch = m.coordinator_epoch;
		}
		if (a.producer_id >= 0)
			stage(&a);
		producer_state_advance(state, a.last_offset + 1);
	}
}

struct golden_dir {
	const char *path;
	int64_t bases[32], snapshots[32];
	int base_count, snapshot_count, compared;
};

static void see_file(void *arg, const char *name, bool is_dir)
{
	struct golden_dir *g = arg;
	int64_t offset;
	size_t len = strlen(name);

	ck_assert(!is_dir);
	ck_assert_int_lt(g->base_count, 32);
	ck_assert_int_lt(g->snapshot_count, 32);
	if (producer_snapshot_parse_name(name, &offset))
		g->snapshots[g->snapshot_count++] = offset;
	else if (len == 24 && strcmp(name + 20, ".log") == 0)
		g->bases[g->base_count++] = strtoll(name, NULL, 10);
}

static void compare_snapshot(struct golden_dir *g, int64_t offset)
{
	struct strbuf ours = STRBUF_INIT;
	struct slice log, theirs;
	char path[1200];

	producer_state_clear(state, 0);
	for (int i = 0; i < g->base_count && g->bases[i] < offset; i++) {
		snprintf(path, sizeof(path), "%s/%020lld.log", g->path, (long long)g->bases[i]);
		log = file_bytes(os_real(), path);
		replay(log, 0, offset);
		free((void *)log.ptr);
	}
	producer_snapshot_encode(state, &ours);
	snprintf(path, sizeof(path), "%s/%020lld.snapshot", g->path, (long long)offset);
	theirs = file_bytes(os_real(), path);
	assert_same_bytes(theirs, strbuf_slice(&ours), path);
	free((void *)theirs.ptr);
	strbuf_fini(&ours);
	g->compared++;
}

static int replay_dir(const char *path)
{
	struct golden_dir g = { .path = path };

	ck_assert_int_eq(os_list_dir(os_real(), path, see_file, &g), OK);
	/* Without the log from its beginning the state cannot be rebuilt. */
	for (int i = 0; g.base_count > 0 && g.bases[0] == 0 && i < g.snapshot_count; i++)
		compare_snapshot(&g, g.snapshots[i]);
	return g.compared;
}

START_TEST(kafkas_logs_give_kafkas_snapshots)
{
	static const char *const dirs[] = {
		"idempotent/idem-0", "raw-produce/raw-idem-0", "raw-produce/raw-gzip-0",
			"raw-produce/raw-0", "transactions/txn-0",
		"transactions/txn2-0", "transactions/txn-open-0", "segments/segments-0",
			"retention/ret-future-0",
		"consumer-offsets/__consumer_offsets-0", "consumer-offsets/__consumer_offsets-1",
		"consumer-offsets/__consumer_offsets-3", "transaction-state/__transaction_state-0",
		"recovery-after/killed-0", "recovery-after/idem-0",
			"epochs-truncation/c1-after/epochs-0",
	};
	int compared = 0;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		compared += replay_dir(golden(dirs[i]));
	ck_assert_int_eq(compared, 21);
}
END_TEST

/* Every snapshot of every case, found by walking the tree. */
struct tree { char path[1024]; int seen; };

static void see_tree(void *arg, const char *name, bool is_dir)
{
	struct tree *t = arg, below;
	struct strbuf ours = STRBUF_INIT;
	struct slice theirs;
	int64_t offset;

	ck_assert_int_lt(snprintf(below.path, sizeof(below.path), "%s/%s", t->path, name),
		(int)sizeof(below.path));
	below.seen = 0;
	if (is_dir) {
		ck_assert_int_eq(os_list_dir(os_real(), below.path, see_tree, &below), OK);
		t->seen += below.seen;
	} else if (producer_snapshot_parse_name(name, &offset)) {
		theirs = file_bytes(os_real(), below.path);
		ck_assert_msg(producer_snapshot_decode(state, theirs, offset, 0) == OK, "%s",
			below.path);
		producer_snapshot_encode(state, &ours);
		assert_same_bytes(theirs, strbuf_slice(&ours), below.path);
		ck_assert_int_eq(producer_state_end_offset(state), offset);
		free((void *)theirs.ptr);
		t->seen++;
	}
	strbuf_fini(&ours);
}

START_TEST(kafkas_snapshots_are_written_back_the_same)
{
	struct tree t = { .seen = 0 };

	snprintf(t.path, sizeof(t.path), "%s", golden(""));
	ck_assert_int_eq(os_list_dir(os_real(), t.path, see_tree, &t), OK);
	ck_assert_int_ge(t.seen, 100);
}
END_TEST

START_TEST(expired_producers_are_not_loaded)
{
	struct slice bytes = file_bytes(os_real(),
		golden("idempotent/idem-0/00000000000000000023.snapshot"));

	producer_state_set_expiration(state, 86400000);
	ck_assert_int_eq(producer_snapshot_decode(state, bytes, 23, 1700000000000 + 3600000), OK);
	ck_assert_int_eq(producer_state_count(state), 2);
	ck_assert_int_eq(producer_snapshot_decode(state, bytes, 23,
		1700000000000 + 2 * (int64_t)86400000), OK);
	ck_assert_int_eq(producer_state_count(state), 0);
	free((void *)bytes.ptr);
}
END_TEST

/* Ids in the order of Java's table: 16 buckets up to 12 entries, then 32, and within a bucket by
 * age. 3000000000 is 0xb2d05e00, whose halves folded give bucket 0 of 16 and bucket 16 of 32. */
START_TEST(entries_stand_in_javas_order)
{
	static const int64_t in[] = { 17, 1, 33, 0, 16, 5, 3000000000 };
	static const int64_t of_16[] = { 0, 16, 3000000000, 17, 1, 33, 5 };
	static const int64_t of_32[] = { 0, 1, 33, 100, 5, 16, 3000000000, 17 };
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		append(in[i], 0, (int64_t)i, 1);
	producer_snapshot_encode(state, &b);
	for (size_t i = 0; i < ARRAY_LEN(of_16); i++)
		ck_assert_int_eq((int64_t)load_be64(b.ptr + 10 + 46 * i), of_16[i]);
	strbuf_reset(&b);
	for (int i = 0; i < 6; i++)
		/* 13 entries: the table has doubled; all six in bucket 4 */
		append(100 + i * 32, 0, 7 + i, 1);
	producer_snapshot_encode(state, &b);
	for (size_t i = 0, at = 0; i < ARRAY_LEN(of_32); i++, at++) {
		ck_assert_int_eq((int64_t)load_be64(b.ptr + 10 + 46 * at), of_32[i]);
		at += of_32[i] == 100 ? 5 : 0;
	}
	strbuf_fini(&b);
}
END_TEST

/* --- ours ------------------------------------------------------------------------------------- */

static void make_history(void)
{
	for (int i = 0; i < 7; i++)
		append(1, i * 2, i * 3, 2);
	for (int i = 0; i < 3; i++)
		append(2, i, 2 + i * 3, 1);
}

static int batches_of(int64_t id)
{
	int32_t first, last;
	int64_t base, end;
	time_ms time;
	int n = 0;

	while (producer_state_batch(state, id, n, &first, &last, &base, &end, &time))
		n++;
	return n;
}

static void reload(int64_t max_offset)
{
	teardown_state();
	setup_state();
	ck_assert_int_eq(producer_snapshot_load_newest(os, dir, state, 0, max_offset, 0), OK);
}

START_TEST(five_batches_survive)
{
	int64_t offset;

	machine_up(_i);
	make_history();
	ck_assert_int_eq(producer_snapshot_write(os, dir, state, &offset), OK);
	ck_assert_int_eq(offset, 20);
	ck_assert(file_exists(os, in_dir("00000000000000000020.skein-batches")));
	ck_assert_int_eq(producer_snapshot_write(os, dir, state, &offset), OK);
	ck_assert_int_eq(offset, -1);					/* nothing has moved */
	ck_assert_int_eq(producer_snapshot_sync(os, dir, 20), OK);
	ck_assert_int_eq(producer_snapshot_sync(os, dir, 21), OK);	/* gone meanwhile */

	reload(20);
	ck_assert_int_eq(producer_state_end_offset(state), 20);
	ck_assert_int_eq(batches_of(1), 5);
	ck_assert_int_eq(batches_of(2), 3);
	struct producer_append retry = {
		.origin = PRODUCER_CLIENT, .producer_id = 1, .base_sequence = 4, .last_sequence = 5,
			.base_offset = 20, .last_offset = 21,
		.verified_sequence = -1,
	};
	ck_assert_int_eq(producer_state_stage(state, &retry), NONE);
	ck_assert(retry.is_duplicate);
	ck_assert_int_eq(retry.first_base_offset, 6);

	/* A bound below it: as if it were not there */
	reload(19);
	ck_assert_int_eq(producer_state_count(state), 0);
	ck_assert(file_exists(os, in_dir("00000000000000000020.snapshot")));
	machine_down();
}
END_TEST

START_TEST(batches_of_another_snapshot_are_void)
{
	struct slice older;

	machine_up(_i);
	make_history();
	ck_assert_int_eq(producer_snapshot_write(os, dir, state, NULL), OK);
	older = file_bytes(os, in_dir("00000000000000000020.skein-batches"));
	/* Somebody else has written a snapshot of that name. */
	producer_state_clear(state, 0);
	append(1, 500, 18, 2);
	struct strbuf b = STRBUF_INIT;
	producer_snapshot_encode(state, &b);
	file_put(os, in_dir("00000000000000000020.snapshot"), b.ptr, b.len);
	strbuf_fini(&b);
	reload(20);
	ck_assert_int_eq(batches_of(1), 1);
	ck_assert_int_eq(batches_of(2), 0);
	free((void *)older.ptr);
	machine_down();
}
END_TEST

START_TEST(a_damaged_snapshot_gives_way_to_an_older_one)
{
	struct slice bytes;

	machine_up(_i);
	append(1, 0, 0, 2);
	append(1, 2, 2, 2);
	ck_assert_int_eq(producer_snapshot_write(os, dir, state, NULL), OK);
	append(1, 4, 4, 2);
	ck_assert_int_eq(producer_snapshot_write(os, dir, state, NULL), OK);
	bytes = file_bytes(os, in_dir("00000000000000000006.snapshot"));
	((uint8_t *)bytes.ptr)[30] ^= 1;
	file_put(os, in_dir("00000000000000000006.snapshot"), bytes.ptr, bytes.len);
	free((void *)bytes.ptr);

	reload(10);
	ck_assert_int_eq(producer_state_end_offset(state), 4);
	ck_assert_int_eq(batches_of(1), 2);
	ck_assert(!file_exists(os, in_dir("00000000000000000006.snapshot")));
	ck_assert(!file_exists(os, in_dir("00000000000000000006.skein-batches")));
	machine_down();
}
END_TEST

static void put_snapshot(int64_t offset)
{
	char name[64];

	producer_snapshot_name(offset, name);
	file_put(os, in_dir(name), "x", 1);
	snprintf(name, sizeof(name), "%020lld.skein-batches", (long long)offset);
	file_put(os, in_dir(name), "x", 1);
}

static bool has_snapshot(int64_t offset)
{
	char name[64], ours[64];

	producer_snapshot_name(offset, name);
	snprintf(ours, sizeof(ours), "%020lld.skein-batches", (long long)offset);
	ck_assert_int_eq(file_exists(os, in_dir(name)), file_exists(os, in_dir(ours)));
	return file_exists(os, in_dir(name));
}

START_TEST(strays_go)
{
	static const int64_t bases[] = { 10, 20, 30 };

	machine_up(_i);
	for (int64_t i = 5; i <= 45; i += 5)
		put_snapshot(i);
	file_put(os, in_dir("00000000000000000007.log"), "x", 1);
	file_put(os, in_dir("7.snapshot"), "x", 1);
	ck_assert_int_eq(producer_snapshot_remove_strays(os, dir, bases, 3), OK);
	for (int64_t i = 5; i <= 45; i += 5)
		ck_assert_int_eq(has_snapshot(i), i == 10 || i == 20 || i == 30 || i == 45);
	ck_assert(file_exists(os, in_dir("00000000000000000007.log")));
	ck_assert(file_exists(os, in_dir("7.snapshot")));

	ck_assert_int_eq(producer_snapshot_remove_above(os, dir, 20), OK);
	ck_assert(has_snapshot(20) && !has_snapshot(30) && !has_snapshot(45));
	ck_assert_int_eq(producer_snapshot_retire(os, dir, 10), OK);
	ck_assert(file_exists(os, in_dir("00000000000000000010.snapshot.deleted")));
	ck_assert(!has_snapshot(10));
	ck_assert_int_eq(producer_snapshot_retire(os, dir, 10), OK);
	ck_assert_int_eq(producer_snapshot_remove(os, dir, 20), OK);
	ck_assert(!has_snapshot(20));
	machine_down();
}
END_TEST

/* --- damage ----------------------------------------------------------------------------------- */

static void reseal(struct strbuf *b)
{
	/* As a hostile writer would: the CRC is right, the content is not. */
	store_be32(b->ptr + 2, crc32c(0, b->ptr + 6, b->len - 6));
}

START_TEST(damage_is_found)
{
	struct strbuf snapshot = STRBUF_INIT, batches = STRBUF_INIT, b = STRBUF_INIT;

	make_history();
	producer_snapshot_encode(state, &snapshot);
	producer_snapshot_encode_batches(state, 7, &batches);
	for (size_t i = 0; i < snapshot.len; i++) {
		ck_assert_int_eq(producer_snapshot_decode(state, slice_of(snapshot.ptr, i), 20, 0),
			ERR_CORRUPT);
		snapshot.ptr[i] ^= 0x10;
		ck_assert_int_eq(producer_snapshot_decode(state, strbuf_slice(&snapshot), 20, 0),
			ERR_CORRUPT);
		snapshot.ptr[i] ^= 0x10;
	}
	/* A refused one has changed nothing */
	ck_assert_int_eq(batches_of(1), 5);
	for (size_t i = 0; i < batches.len; i++) {
		ck_assert_int_eq(producer_snapshot_decode_batches(state, slice_of(batches.ptr, i),
			7), ERR_CORRUPT);
		batches.ptr[i] ^= 0x10;
		ck_assert_int_eq(producer_snapshot_decode_batches(state, strbuf_slice(&batches), 7),
			ERR_CORRUPT);
		batches.ptr[i] ^= 0x10;
	}
	ck_assert_int_eq(producer_snapshot_decode_batches(state, strbuf_slice(&batches), 8),
		ERR_CORRUPT);
	/* Any byte changed under a right CRC: refused or taken, never more. */
	for (size_t i = 6; i < snapshot.len; i++) {
		strbuf_reset(&b);
		strbuf_add_slice(&b, strbuf_slice(&snapshot));
		b.ptr[i] = (char)(b.ptr[i] ^ 0x80);
		reseal(&b);
		(void)!producer_snapshot_decode(state, strbuf_slice(&b), 20, 0);
		ck_assert_int_le(producer_state_count(state), 2);
	}
	ck_assert_int_eq(producer_snapshot_decode(state, strbuf_slice(&snapshot), 20, 0), OK);
	for (size_t i = 6; i < batches.len; i++) {
		strbuf_reset(&b);
		strbuf_add_slice(&b, strbuf_slice(&batches));
		b.ptr[i] = (char)(b.ptr[i] ^ 0x80);
		reseal(&b);
		(void)!producer_snapshot_decode_batches(state, strbuf_slice(&b), 7);
		ck_assert_int_le(batches_of(1), 5);
	}
	/* An offset beyond the name's cannot be. */
	ck_assert_int_eq(producer_snapshot_decode(state, strbuf_slice(&snapshot), 19, 0),
		ERR_CORRUPT);
	strbuf_fini(&snapshot);
	strbuf_fini(&batches);
	strbuf_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("producer_snapshot");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup_state, teardown_state);
	tcase_add_test(tc, kafkas_logs_give_kafkas_snapshots);
	tcase_add_test(tc, kafkas_snapshots_are_written_back_the_same);
	tcase_add_test(tc, expired_producers_are_not_loaded);
	tcase_add_test(tc, entries_stand_in_javas_order);
	tcase_add_loop_test(tc, five_batches_survive, 0, MACHINES);
	tcase_add_loop_test(tc, batches_of_another_snapshot_are_void, 0, MACHINES);
	tcase_add_loop_test(tc, a_damaged_snapshot_gives_way_to_an_older_one, 0, MACHINES);
	tcase_add_loop_test(tc, strays_go, 0, MACHINES);
	tcase_add_test(tc, damage_is_found);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
