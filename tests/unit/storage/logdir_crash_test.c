/*
 * Every file beside the log, crashed at every operation on the disk, by a killed process and by a
 * power cut, over several seeds. Each scenario is a story in steps; the machine dies at the n-th
 * operation of it, comes up again, and what it finds must be one of the states that were promised.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sim.h"
#include "storage/leader_epochs.h"
#include "storage/logdir.h"
#include "storage/partition_metadata.h"
#include "storage/producer_snapshot.h"

#define SEEDS   8
#define OPS_MAX 400

static struct sim_os *sim;
static struct os *os;

struct story {
	void (*prepare)(void);	/* before the crash can happen; may be NULL */
	void (*run)(void);	/* dies somewhere in it, or ends */
	void (*check)(enum sim_crash kind, bool has_ended);
};

/* Dies at operation n of the story; false when the story ended before. */
static bool tell(const struct story *s, enum sim_crash kind, uint64_t seed, uint64_t n)
{
	bool has_ended;

	sim = sim_create(NULL, "host", seed);
	os = sim_os(sim);
	ck_assert_int_eq(os_mkdir(os, "d"), OK);
	ck_assert_int_eq(os_fsync_dir(os, "."), OK);
	if (s->prepare != NULL)
		s->prepare();
	sim_crash_after_ops(sim, n);
	s->run();
	has_ended = !sim_is_dead(sim);
	sim_crash(sim, kind);
	s->check(kind, has_ended);
	sim_destroy(&sim);
	return !has_ended;
}

static void tell_all(const struct story *s)
{
	for (int kind = 0; kind < 2; kind++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			uint64_t n = 1;

			while (tell(s, kind == 0 ? SIM_CRASH_PROCESS : SIM_CRASH_POWER, seed, n))
				ck_assert_uint_lt(n++, OPS_MAX);
			ck_assert_uint_gt(n, 1);
		}
	}
}

/* --- a checkpoint: old or new, never torn ----------------------------------------------------- */

#define ENTRIES 40

static int written;		/* newest generation whose write said OK */

static enum err write_generation(int g)
{
	struct checkpoint_entry e[ENTRIES];
	enum err err;

	for (int i = 0; i < ENTRIES; i++)
		e[i] = (struct checkpoint_entry){ SLICE_LIT("orders"), i, g * 1000 + i };
	err = checkpoint_write(os, "d/c", e, ENTRIES);
	if (err == OK)
		written = g;
	return err;
}

struct generation { int g, count; };

static void see_entry(void *arg, const struct checkpoint_entry *e)
{
	struct generation *seen = arg;

	if (seen->count == 0)
		seen->g = (int)(e->offset / 1000);
	ck_assert_int_eq(e->offset, seen->g * 1000 + seen->count);
	ck_assert_int_eq(e->partition, seen->count++);
}

static void checkpoint_prepare(void)
{
	written = 0;
	ck_assert_int_eq(write_generation(1), OK);
}

static void checkpoint_run(void)
{
	for (int g = 2; g <= 4 && write_generation(g) == OK; g++)
		;
}

static void checkpoint_check(enum sim_crash kind, bool has_ended)
{
	struct generation seen = { 0, 0 };

	(void)kind;
	(void)has_ended;
	ck_assert_int_eq(checkpoint_read(os, "d/c", see_entry, &seen), OK);
	ck_assert_int_eq(seen.count, ENTRIES);
	ck_assert_int_ge(seen.g, written);
	ck_assert_int_le(seen.g, written + 1);
	ck_assert_int_eq(write_generation(9), OK);	/* a leftover does not stand in the way */
}

START_TEST(checkpoints)
{
	tell_all(&(struct story){ checkpoint_prepare, checkpoint_run, checkpoint_check });
}
END_TEST

/* --- leader epochs, topic id ------------------------------------------------------------------ */

static const struct uuid topic = { { 1, 2, 3 } };
static bool is_topic_written;
static int epochs_written;

static void small_run(void)
{
	struct leader_epochs e;

	epochs_written = 0;
	is_topic_written = partition_metadata_write(topic, os, "d") == OK;
	leader_epochs_init(&e);
	for (int i = 0; i < 3; i++) {
		leader_epochs_assign(&e, i, i * 100);
		if (leader_epochs_write(&e, os, "d") != OK)
			break;
		epochs_written = i + 1;
	}
	leader_epochs_fini(&e);
}

static void small_check(enum sim_crash kind, bool has_ended)
{
	struct leader_epochs e;
	struct uuid id;
	enum err err = partition_metadata_read(&id, os, "d");

	(void)kind;
	(void)has_ended;
	ck_assert(err == OK || (err == ERR_NOT_FOUND && !is_topic_written));
	if (err == OK)
		ck_assert(uuid_eq(id, topic));
	leader_epochs_init(&e);
	ck_assert_int_eq(leader_epochs_read(&e, os, "d"), OK);
	ck_assert_int_ge(e.count, epochs_written);
	ck_assert_int_le(e.count, epochs_written + 1);
	leader_epochs_fini(&e);
}

START_TEST(epochs_and_topic_id)
{
	tell_all(&(struct story){ NULL, small_run, small_check });
}
END_TEST

/* --- snapshots -------------------------------------------------------------------------------- */

#define BATCHES 12		/* of one producer, a snapshot after every second one */

static int64_t synced_up_to, written_up_to;

static void put_batches(struct producer_state *s, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++) {
		struct producer_append a = {
			.origin = PRODUCER_CLIENT, .producer_id = 7, .base_sequence = (int32_t)i,
				.last_sequence = (int32_t)i,
			.base_offset = i, .last_offset = i, .verified_sequence = -1,
		};

		ck_assert_int_eq(producer_state_stage(s, &a), NONE);
		ck_assert(!a.is_duplicate);
		producer_state_commit(s);
	}
}

static void snapshot_run(void)
{
	struct producer_state *s;
	int64_t offset;

	producer_state_create(&s, INT64_MAX);
	synced_up_to = written_up_to = 0;
	for (int64_t i = 0; i < BATCHES; i += 2) {
		put_batches(s, i, i + 2);
		if (producer_snapshot_write(os, "d", s, &offset) != OK)
			break;
		written_up_to = offset;
		/* A flush: the recovery point moves only when both files and the directory are
		 * synced. */
		if (i % 4 == 2 && (producer_snapshot_sync(os, "d", offset) != OK || os_fsync_dir(os,
			"d") != OK))
			break;
		if (i % 4 == 2)
			synced_up_to = offset;
	}
	producer_state_destroy(&s);
}

/* A killed process: the newest snapshot that was written, or the one that was being written. A
 * power cut: recovery begins at or below the recovery point. Either way all five batches are known,
 * and replaying the rest makes the state whole. */
static void snapshot_check(enum sim_crash kind, bool has_ended)
{
	struct producer_state *s;
	int64_t promised = kind == SIM_CRASH_PROCESS ? written_up_to : synced_up_to, end;

	(void)has_ended;
	producer_state_create(&s, INT64_MAX);
	ck_assert_int_eq(producer_snapshot_load_newest(os, "d", s, 0,
		kind == SIM_CRASH_PROCESS ? INT64_MAX : synced_up_to, 0), OK);
	end = producer_state_end_offset(s);
	ck_assert_int_ge(end, promised);
	ck_assert_int_le(end, written_up_to + 2);
	for (int replayed = 0; replayed < 2; replayed++) {
		for (int i = 0; i < 5; i++) {
			int32_t first, last;
			int64_t base, newest;
			time_ms time;

			ck_assert_int_eq(producer_state_batch(s, 7, i, &first, &last, &base,
				&newest, &time), end - 1 - i >= 0);
			if (end - 1 - i >= 0)
				ck_assert_int_eq(base, end - 1 - i);
		}
		put_batches(s, end, BATCHES);
		end = BATCHES;
	}
	producer_state_destroy(&s);
}

START_TEST(snapshots)
{
	tell_all(&(struct story){ NULL, snapshot_run, snapshot_check });
}
END_TEST

/* --- the life of a log directory -------------------------------------------------------------- */

static struct log_source source;
static char error[LOGDIR_ERROR_MAX];
static bool was_claimed, was_loaded, is_stopped;
static int marks_written;

static enum err put_marks(struct logdir *d, int n)
{
	struct logdir_mark m = {
		.topic = SLICE_LIT("orders"), .partition = 0,
		.mark = { .is_valid = true, .segment_base = n, .file_size = n * 100, .inode = 5,
			.last_batch_pos = 1 },
	};

	return logdir_write_marks(d, &m, 1);
}

static void life_run(void)
{
	struct checkpoint_entry e = { SLICE_LIT("orders"), 0, 500 };
	struct logdir *d;

	was_claimed = was_loaded = is_stopped = false;
	marks_written = 0;
	if (logdir_open(&d, os, &source, "d", error) != OK)
		return;
	was_claimed = logdir_claim(d, 1, "abc", error) == OK;
	was_loaded = was_claimed && logdir_load(d, error) == OK;
	while (was_loaded && marks_written < 2 && put_marks(d, marks_written + 1) == OK)
		marks_written++;
	if (marks_written < 2 || logdir_write_checkpoint(d, LOGDIR_RECOVERY_POINTS, &e, 1) != OK) {
		logdir_close(&d);
		return;
	}
	is_stopped = logdir_close_clean(&d) == OK;
}

/* A first life that ended well: its marker must not survive the second one's start. */
static void life_prepare(void)
{
	life_run();
	ck_assert(is_stopped);
}

static struct logdir *load_dir(void)
{
	struct logdir *d;

	ck_assert_msg(logdir_open(&d, os, &source, "d", error) == OK, "%s", error);
	ck_assert_msg(logdir_claim(d, 1, "abc", error) == OK, "%s", error);
	ck_assert_msg(logdir_load(d, error) == OK, "%s", error);
	return d;
}

static void life_check(enum sim_crash kind, bool has_ended)
{
	struct logdir_known k;
	struct logdir *d = load_dir();

	(void)has_ended;
	logdir_known(d, "orders", 0, &k);
	/* Clean exactly when it was stopped; while the start or the end of it was under way,
	 * either. */
	if (is_stopped)
		ck_assert(logdir_had_clean_shutdown(d));
	if (marks_written > 0 && marks_written < 2)
		ck_assert(!logdir_had_clean_shutdown(d));
	if (logdir_had_clean_shutdown(d) || kind == SIM_CRASH_POWER)
		ck_assert(!k.mark.is_valid);
	else if (marks_written == 1) {
		ck_assert(k.mark.is_valid);
		ck_assert_int_ge(k.mark.segment_base, 1);
		ck_assert_int_le(k.mark.segment_base, 2);
	}
	if (logdir_had_clean_shutdown(d) && marks_written > 0)
		ck_assert_int_eq(k.recovery_point, 500);
	logdir_close(&d);
}

START_TEST(a_first_life)
{
	tell_all(&(struct story){ NULL, life_run, life_check });
}
END_TEST

START_TEST(a_second_life)
{
	tell_all(&(struct story){ life_prepare, life_run, life_check });
}
END_TEST

/* A start goes by the names that a killed process has left in the page cache: no power cut later may bring back another one. */
START_TEST(a_name_that_was_lost_stays_lost)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct os_stat st;

		sim = sim_create(NULL, "host", seed);
		os = sim_os(sim);
		ck_assert_int_eq(os_mkdir(os, "d"), OK);
		ck_assert_int_eq(os_mkdir(os, "d/t-0"), OK);
		ck_assert_int_eq(os_fsync_dir(os, "."), OK);
		ck_assert_int_eq(os_fsync_dir(os, "d"), OK);
		struct logdir *d = load_dir();
		ck_assert_int_eq(logdir_give_up(d, "t-0", "t", 0), OK);
		logdir_close(&d);
		sim_crash(sim, SIM_CRASH_PROCESS);
		d = load_dir();
		logdir_close(&d);
		sim_crash(sim, SIM_CRASH_POWER);
		ck_assert_int_eq(os_stat(os, "d/t-0", &st), ERR_NOT_FOUND);
		sim_destroy(&sim);
	}
}
END_TEST

/* --- no room, and a broken device ------------------------------------------------------------- */

START_TEST(no_room_leaves_the_old_content)
{
	struct generation seen = { 0, 0 };
	struct producer_state *s;
	int64_t offset;

	sim = sim_create(NULL, "host", 1);
	os = sim_os(sim);
	ck_assert_int_eq(os_mkdir(os, "d"), OK);
	checkpoint_prepare();
	for (uint64_t n = 1; n < 8; n++) {
		seen = (struct generation){ 0, 0 };
		sim_fail(sim, SIM_WRITE, "d", n % 2 + 1, n < 4 ? ERR_NO_SPACE : ERR_IO);
		if (write_generation(2) != OK)
			ck_assert_int_eq(checkpoint_read(os, "d/c", see_entry, &seen), OK);
		sim_fail(sim, SIM_ANY, NULL, 0, OK);
		ck_assert(seen.count == 0 || seen.g == written);
	}

	producer_state_create(&s, INT64_MAX);
	put_batches(s, 0, 3);
	for (uint64_t n = 1; n <= 2; n++) {
		sim_fail(sim, SIM_WRITE, "d", n, ERR_NO_SPACE);
		ck_assert_int_eq(producer_snapshot_write(os, "d", s, &offset), ERR_NO_SPACE);
		ck_assert_int_eq(offset, -1);
		struct os_stat st;
		ck_assert_int_eq(os_stat(os, "d/00000000000000000003.snapshot", &st),
			ERR_NOT_FOUND);
	}
	ck_assert_int_eq(producer_snapshot_write(os, "d", s, &offset), OK);
	ck_assert_int_eq(offset, 3);
	producer_state_destroy(&s);
	sim_destroy(&sim);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("logdir_crash");
	TCase *tc = tcase_create("all");

	log_source_init(&source, "logdir", "d");
	log_set_level(LOG_LEVEL_ERROR);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, checkpoints);
	tcase_add_test(tc, epochs_and_topic_id);
	tcase_add_test(tc, snapshots);
	tcase_add_test(tc, a_first_life);
	tcase_add_test(tc, a_second_life);
	tcase_add_test(tc, a_name_that_was_lost_stays_lost);
	tcase_add_test(tc, no_room_leaves_the_old_content);
	suite_add_tcase(s, tc);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
