/* What the simulated disk promises: nothing that was synced is ever lost, nothing impossible appears, and the rest is mean. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sim.h"

#define SEEDS 3000

static struct sim_os *sim;
static struct os *os;

static void up(uint64_t seed)
{
	sim = sim_create(NULL, "host", seed);
	os = sim_os(sim);
	sim_set_cold(sim, 0);
}

static void down(void)
{
	sim_destroy(&sim);
}

static os_fd open_file(const char *path, int flags)
{
	os_fd fd;

	ck_assert_int_eq(os_open(os, path, flags, &fd), OK);
	return fd;
}

static void put(const char *path, const char *text)
{
	os_fd fd = open_file(path, OS_RDWR | OS_CREATE);

	ck_assert_int_eq(os_pwrite(os, fd, text, strlen(text), 0), OK);
	os_close(os, &fd);
}

static bool exists(const char *path)
{
	struct os_stat st;
	enum err e = os_stat(os, path, &st);

	ck_assert(e == OK || e == ERR_NOT_FOUND);
	return e == OK;
}

static bool holds(const char *path, const char *want)
{
	char *text;
	size_t len;

	if (os_read_file(os, path, 1 << 20, &text, &len) != OK)
		return false;
	bool is_same = len == strlen(want) && memcmp(text, want, len) == 0;
	free(text);
	return is_same;
}

/* --- content ---------------------------------------------------------------------------------- */

/* A file's states since the last sync. */
#define FILE_MAX  6000
#define STATE_MAX 24
static struct state { uint8_t data[FILE_MAX]; size_t size; } states[STATE_MAX];
static int state_count;

static uint64_t rnd(uint64_t n)		/* chance of the test itself: from a generator the machine does not use for disks */
{
	return os_random_u64(os) % n;
}

static void random_write(os_fd fd)
{
	static uint8_t buf[FILE_MAX];
	struct state *s = &states[state_count], *before = s - 1;

	*s = *before;
	if (rnd(6) == 0) {
		size_t size = (size_t)rnd(FILE_MAX);
		if (size < s->size)
			memset(s->data + size, 0, s->size - size);
		s->size = size;
		ck_assert_int_eq(os_ftruncate(os, fd, (int64_t)size), OK);
	} else {
		size_t len = 1 + (size_t)rnd(1500), pos = rnd(2) == 0 ? s->size : (size_t)rnd(FILE_MAX - 1500);
		pos = MIN(pos, FILE_MAX - len);
		memset(buf, 1 + (int)rnd(255), len);
		memcpy(s->data + pos, buf, len);
		s->size = MAX(s->size, pos + len);
		ck_assert_int_eq(os_pwrite(os, fd, buf, len, (int64_t)pos), OK);
	}
	state_count++;
}

static uint8_t byte_of(const struct state *s, size_t i)
{
	return i < s->size ? s->data[i] : 0;
}

/* Does [begin, end), inside one sector, hold one of the states since the sync, or one that was torn: begun by the next? */
static bool is_known_sector(const uint8_t *data, size_t begin, size_t end)
{
	for (int k = 0; k < state_count; k++) {
		size_t i = begin;
		if (k + 1 < state_count)
			while (i < end && data[i] == byte_of(&states[k + 1], i))
				i++;
		while (i < end && data[i] == byte_of(&states[k], i))
			i++;
		if (i == end)
			return true;
	}
	return false;
}

static void check_after_cut(const uint8_t *data, size_t size)
{
	size_t least = FILE_MAX, most = 0;

	for (int k = 0; k < state_count; k++) {
		least = MIN(least, states[k].size);
		most = MAX(most, states[k].size);
	}
	ck_assert_uint_ge(size, least);
	ck_assert_uint_le(size, most);
	for (size_t i = 0; i < size; i += 512)
		if (!is_known_sector(data, i, MIN(i + 512, size)))	/* an assertion that holds costs a system call in Check */
			ck_abort_msg("the sector at %zu holds what it never held", i);
}

START_TEST(synced_bytes_survive_and_nothing_is_invented)
{
	int as_last = 0, as_synced = 0, others = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		static uint8_t data[FILE_MAX];
		size_t size;
		up(seed);
		os_fd fd = open_file("f", OS_RDWR | OS_CREATE);
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		memset(&states[0], 0, sizeof(states[0]));
		state_count = 1;
		for (uint64_t n = 1 + rnd(STATE_MAX - 2); n > 0; n--) {
			random_write(fd);
			if (rnd(5) == 0) {
				ck_assert_int_eq(rnd(2) != 0 ? os_fsync(os, fd) : os_fdatasync(os, fd), OK);
				states[0] = states[state_count - 1];
				state_count = 1;
			}
		}
		sim_crash(sim, SIM_CRASH_POWER);
		fd = open_file("f", OS_RDWR);
		ck_assert_int_eq(os_pread(os, fd, data, sizeof(data), 0, &size), OK);
		check_after_cut(data, size);
		const struct state *last = &states[state_count - 1];
		if (size == last->size && memcmp(data, last->data, size) == 0)
			as_last++;
		else if (size == states[0].size && memcmp(data, states[0].data, size) == 0)
			as_synced++;
		else
			others++;
		sim_crash(sim, SIM_CRASH_POWER);		/* a second cut finds nothing to lose */
		os_close(os, &fd);
		fd = open_file("f", OS_RDWR);
		static uint8_t again[FILE_MAX];
		size_t size_again;
		ck_assert_int_eq(os_pread(os, fd, again, sizeof(again), 0, &size_again), OK);
		ck_assert_uint_eq(size_again, size);
		ck_assert_mem_eq(again, data, size);
		down();
	}
	ck_assert_int_gt(as_last, SEEDS / 20);		/* and it is mean: all kept, all lost, and everything between */
	ck_assert_int_gt(as_synced, SEEDS / 20);
	ck_assert_int_gt(others, SEEDS / 4);
}
END_TEST

START_TEST(appends_tear_in_every_way)
{
	int cut_inside = 0, zeros = 0, hole_before_data = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		static char block[2000];
		char *text;
		size_t len;
		up(seed);
		os_fd fd = open_file("f", OS_RDWR | OS_CREATE);
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		memset(block, 'x', sizeof(block));
		ck_assert_int_eq(os_pwrite(os, fd, block, 1000, 0), OK);
		ck_assert_int_eq(os_fdatasync(os, fd), OK);
		ck_assert_int_eq(os_pwrite(os, fd, block, 2000, 1000), OK);
		ck_assert_int_eq(os_pwrite(os, fd, block, 2000, 3000), OK);
		sim_crash(sim, SIM_CRASH_POWER);
		ck_assert_int_eq(os_read_file(os, "f", 1 << 20, &text, &len), OK);
		ck_assert(len >= 1000 && len <= 5000);
		ck_assert_mem_eq(text, block, 1000);
		cut_inside += len % 1000 != 0;
		zeros += memchr(text, 0, len) != NULL;
		char *hole = memchr(text, 0, len);
		hole_before_data += hole != NULL && memchr(hole, 'x', (size_t)(text + len - hole)) != NULL;
		free(text);
		down();
	}
	ck_assert_int_gt(cut_inside, SEEDS / 20);
	ck_assert_int_gt(zeros, SEEDS / 20);
	ck_assert_int_gt(hole_before_data, SEEDS / 20);
}
END_TEST

START_TEST(a_failed_sync_is_not_mended_by_the_next)
{
	int lost = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		up(seed);
		put("f", "old bytes");
		os_fd fd = open_file("f", OS_RDWR);
		ck_assert_int_eq(os_fsync(os, fd), OK);
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		ck_assert_int_eq(os_pwrite(os, fd, "new", 3, 0), OK);
		sim_fail(sim, SIM_SYNC, NULL, 1, ERR_IO);
		ck_assert_int_eq(os_fdatasync(os, fd), ERR_IO);
		ck_assert_int_eq(os_fdatasync(os, fd), OK);	/* a lie, as Linux tells it */
		sim_crash(sim, SIM_CRASH_POWER);
		ck_assert(holds("f", "old bytes") || holds("f", "new bytes") || holds("f", "nld bytes") || holds("f", "ned bytes"));
		lost += holds("f", "old bytes");
		down();
	}
	ck_assert_int_gt(lost, 20);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(names_last_as_far_as_their_directory_was_synced)
{
	int seen[11] = { 0 };

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		char path[16];
		int n = 0;
		up(seed);
		ck_assert_int_eq(os_mkdir(os, "d"), OK);
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		for (int i = 0; i < 10; i++) {
			snprintf(path, sizeof(path), "d/%d", i);
			put(path, "x");
			if (i == 2)
				ck_assert_int_eq(os_fsync_dir(os, "d"), OK);
		}
		sim_crash(sim, SIM_CRASH_POWER);
		for (int i = 0; i < 10; i++) {		/* a prefix, of at least three */
			snprintf(path, sizeof(path), "d/%d", i);
			if (exists(path))
				ck_assert_int_eq(n++, i);
		}
		ck_assert_int_ge(n, 3);
		seen[n]++;
		down();
	}
	for (int n = 3; n <= 10; n++)
		ck_assert_int_gt(seen[n], 0);
}
END_TEST

START_TEST(a_rename_is_atomic_also_between_directories)
{
	int moved = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		up(seed);
		ck_assert_int_eq(os_mkdir_all(os, "a/t"), OK);
		ck_assert_int_eq(os_mkdir(os, "b"), OK);
		put("a/t/f", "x");
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		ck_assert_int_eq(os_fsync_dir(os, "a"), OK);
		ck_assert_int_eq(os_fsync_dir(os, "a/t"), OK);
		put("b/earlier", "x");
		ck_assert_int_eq(os_rename(os, "a/t", "b/t"), OK);
		if (seed % 2 == 0)
			ck_assert_int_eq(os_fsync_dir(os, seed % 4 == 0 ? "a" : "b"), OK);	/* either makes both stable */
		sim_crash(sim, SIM_CRASH_POWER);
		ck_assert_int_eq(exists("a/t") + exists("b/t"), 1);
		ck_assert(exists("a/t/f") || exists("b/t/f"));
		ck_assert(exists("b/earlier") || !exists("b/t"));
		if (seed % 2 == 0)
			ck_assert(exists("b/t"));
		else
			moved += exists("b/t");
		down();
	}
	ck_assert(moved > SEEDS / 20 && moved < SEEDS / 2 - SEEDS / 20);
}
END_TEST

START_TEST(what_was_removed_may_come_back_with_its_bytes)
{
	int back = 0;

	for (uint64_t seed = 0; seed < 1000; seed++) {
		up(seed);
		ck_assert_int_eq(os_replace_file(os, "f", "bytes", 5), OK);
		ck_assert_int_eq(os_unlink(os, "f"), OK);
		if (seed % 2 == 0)
			ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		sim_crash(sim, SIM_CRASH_POWER);
		if (exists("f")) {
			ck_assert_uint_eq(seed % 2, 1);
			ck_assert(holds("f", "bytes"));
			back++;
		}
		down();
	}
	ck_assert_int_gt(back, 50);
}
END_TEST

START_TEST(a_replaced_file_is_old_or_new_at_every_crash_point)
{
	bool was_old = false, was_new = false;

	for (uint64_t point = 1; point <= 8; point++) {
		for (uint64_t seed = 0; seed < 300; seed++) {
			up(seed);
			ck_assert_int_eq(os_replace_file(os, "f", "old", 3), OK);
			uint64_t before = sim_disk_ops(sim);
			sim_crash_after_ops(sim, point);
			enum err e = os_replace_file(os, "f", "brand new", 9);
			ck_assert(e == (sim_is_dead(sim) ? ERR_CLOSED : OK));
			ck_assert_int_eq(sim_is_dead(sim), point <= sim_disk_ops(sim) - before);
			sim_crash(sim, SIM_CRASH_POWER);
			ck_assert(!sim_is_dead(sim));
			ck_assert(holds("f", "brand new") || (e != OK && holds("f", "old")));
			was_old |= holds("f", "old");
			was_new |= e != OK && holds("f", "brand new");
			down();
		}
	}
	ck_assert(was_old && was_new);
}
END_TEST

START_TEST(a_rename_without_a_sync_of_the_file_loses_its_bytes)
{
	int empty = 0;

	for (uint64_t seed = 0; seed < 500; seed++) {
		up(seed);
		ck_assert_int_eq(os_replace_file(os, "f", "old", 3), OK);
		put("f.tmp", "new");
		ck_assert_int_eq(os_rename(os, "f.tmp", "f"), OK);
		ck_assert_int_eq(os_fsync_dir(os, "/"), OK);
		sim_crash(sim, SIM_CRASH_POWER);
		ck_assert(exists("f") && !holds("f", "old"));
		empty += holds("f", "");
		down();
	}
	ck_assert_int_gt(empty, 50);
}
END_TEST

/* --- the machine ------------------------------------------------------------------------------ */

START_TEST(a_killed_process_loses_nothing_it_wrote)
{
	char before[40], after[40], byte;
	size_t got;

	up(7);
	os_boot_id(os, before);
	put("f", "written");
	os_fd fd = open_file("f", OS_RDWR), old = fd;
	ck_assert_int_eq(os_lock(os, fd), OK);
	sim_crash(sim, SIM_CRASH_PROCESS);
	os_boot_id(os, after);
	ck_assert_str_eq(before, after);
	ck_assert(holds("f", "written"));
	ck_assert_int_eq(os_pread(os, old, &byte, 1, 0, &got), ERR_CLOSED);	/* a descriptor of the dead */
	os_close(os, &old);
	fd = open_file("f", OS_RDWR);
	ck_assert_int_eq(os_lock(os, fd), OK);
	sim_crash(sim, SIM_CRASH_POWER);
	os_boot_id(os, after);
	ck_assert_str_ne(before, after);
	down();
}
END_TEST

START_TEST(the_dead_do_nothing)
{
	struct os_stat st;
	char *text;
	size_t len;
	os_fd fd, other;
	uint16_t port;
	uint64_t total, usable;

	up(7);
	put("f", "x");
	fd = open_file("f", OS_RDWR);
	sim_crash_after_ops(sim, 1);
	ck_assert_int_eq(os_fstat(os, fd, &st), OK);		/* reads do not count */
	ck_assert_int_eq(os_ftruncate(os, fd, 0), ERR_CLOSED);
	ck_assert(sim_is_dead(sim));
	ck_assert_int_eq(os_fstat(os, fd, &st), ERR_CLOSED);
	ck_assert_int_eq(os_stat(os, "f", &st), ERR_CLOSED);
	ck_assert_int_eq(os_fsync(os, fd), ERR_CLOSED);
	ck_assert_int_eq(os_rename(os, "f", "g"), ERR_CLOSED);
	ck_assert_int_eq(os_mkdir(os, "d"), ERR_CLOSED);
	ck_assert_int_eq(os_open(os, "g", OS_RDWR | OS_CREATE, &other), ERR_CLOSED);
	ck_assert_int_eq(os_read_file(os, "f", 10, &text, &len), ERR_CLOSED);
	ck_assert_int_eq(os_list_dir(os, "/", NULL, NULL), ERR_CLOSED);
	ck_assert_int_eq(os_space(os, "/", &total, &usable), ERR_CLOSED);
	ck_assert_int_eq(os_listen(os, "", 0, 1, &other, &port), ERR_CLOSED);
	ck_assert(!os_is_cached(os, fd, 0, 1));
	os_close(os, &fd);
	sim_crash(sim, SIM_CRASH_PROCESS);
	ck_assert(holds("f", "x"));
	ck_assert(!exists("g") && !exists("d"));
	down();
}
END_TEST

START_TEST(a_dying_write_may_be_half_done)
{
	bool none = false, part = false, all = false;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct os_stat st;
		up(seed);
		os_fd fd = open_file("f", OS_RDWR | OS_CREATE);
		sim_crash_after_ops(sim, 1);
		ck_assert_int_eq(os_pwrite(os, fd, "0123456789", 10, 0), ERR_CLOSED);
		sim_crash(sim, SIM_CRASH_PROCESS);
		ck_assert_int_eq(os_stat(os, "f", &st), OK);
		none |= st.size == 0;
		all |= st.size == 10;
		part |= st.size > 0 && st.size < 10;
		down();
	}
	ck_assert(none && part && all);
}
END_TEST

START_TEST(a_full_disk)
{
	static char block[1000];
	uint64_t total, usable;
	struct os_stat st, root;

	up(7);
	sim_set_capacity(sim, "small", 2500);
	os_fd fd = open_file("small/f", OS_RDWR | OS_CREATE), other = open_file("elsewhere", OS_RDWR | OS_CREATE);
	ck_assert_int_eq(os_pwrite(os, fd, block, 1000, 0), OK);
	ck_assert_int_eq(os_pwrite(os, fd, block, 1000, 1000), OK);
	ck_assert_int_eq(os_space(os, "small/f", &total, &usable), OK);
	ck_assert_uint_eq(total, 2500);
	ck_assert_uint_eq(usable, 500);
	ck_assert_int_eq(os_pwrite(os, fd, block, 1000, 2000), ERR_NO_SPACE);
	ck_assert_int_eq(os_fstat(os, fd, &st), OK);
	ck_assert_uint_eq(st.size, 2500);				/* what fitted */
	ck_assert_int_eq(os_pwrite(os, fd, block, 1000, 0), OK);	/* no growth, no need */
	ck_assert_int_eq(os_ftruncate(os, fd, 3000), ERR_NO_SPACE);
	ck_assert_int_eq(os_pwrite(os, other, block, 1000, 0), OK);	/* another file system */
	ck_assert_int_eq(os_stat(os, "/", &root), OK);
	ck_assert_uint_ne(root.device, st.device);
	ck_assert_int_ne(os_rename(os, "small/f", "f"), OK);
	ck_assert_int_eq(os_ftruncate(os, fd, 100), OK);
	ck_assert_int_eq(os_space(os, "small", &total, &usable), OK);
	ck_assert_uint_eq(usable, 2400);
	ck_assert_int_eq(os_unlink(os, "small/f"), OK);
	ck_assert_int_eq(os_space(os, "small", &total, &usable), OK);
	ck_assert_uint_eq(usable, 2400);				/* still open */
	os_close(os, &fd);
	ck_assert_int_eq(os_space(os, "small", &total, &usable), OK);
	ck_assert_uint_eq(usable, 2500);
	down();
}
END_TEST

START_TEST(faults_by_count_and_by_place)
{
	char byte;
	size_t got;
	os_fd a, b;

	up(7);
	ck_assert_int_eq(os_mkdir(os, "d1"), OK);
	ck_assert_int_eq(os_mkdir(os, "d11"), OK);
	a = open_file("d1/f", OS_RDWR | OS_CREATE);
	b = open_file("d11/f", OS_RDWR | OS_CREATE);
	sim_fail(sim, SIM_WRITE, "/d1", 2, ERR_NO_SPACE);
	ck_assert_int_eq(os_pwrite(os, b, "x", 1, 0), OK);
	ck_assert_int_eq(os_pwrite(os, a, "x", 1, 0), OK);
	ck_assert_int_eq(os_pwrite(os, b, "x", 1, 0), OK);
	ck_assert_int_eq(os_pwrite(os, a, "x", 1, 0), ERR_NO_SPACE);
	ck_assert_int_eq(os_pwrite(os, a, "x", 1, 0), OK);
	sim_fail_often(sim, SIM_ANY, "d11", 1000000, ERR_IO);		/* a dead disk */
	ck_assert_int_eq(os_pread(os, b, &byte, 1, 0, &got), ERR_IO);
	ck_assert_int_eq(os_fsync(os, b), ERR_IO);
	ck_assert_int_eq(os_unlink(os, "d11/f"), ERR_IO);
	ck_assert_int_eq(os_pread(os, a, &byte, 1, 0, &got), OK);
	sim_fail_often(sim, SIM_ANY, NULL, 0, OK);
	ck_assert_int_eq(os_pread(os, b, &byte, 1, 0, &got), OK);
	sim_fail_often(sim, SIM_READ, NULL, 100000, ERR_IO);
	int failed = 0;
	for (int i = 0; i < 1000; i++)
		failed += os_pread(os, a, &byte, 1, 0, &got) != OK;
	ck_assert(failed > 50 && failed < 150);
	down();
}
END_TEST

START_TEST(cold_ranges)
{
	char buf[100];
	int cold = 0, again = 0, shorter = 0;

	up(7);
	put("f", "0123456789");
	os_fd fd = open_file("f", OS_RDONLY);
	ck_assert(os_is_cached(os, fd, 0, 10));
	sim_set_cold(sim, 300000);
	for (int i = 0; i < 1000; i++) {
		size_t got;
		cold += !os_is_cached(os, fd, 0, 10);
		enum err e = os_pread_cached(os, fd, buf, sizeof(buf), 0, &got);
		ck_assert(e == ERR_AGAIN || (e == OK && got > 0));
		again += e == ERR_AGAIN;
		shorter += e == OK && got < 10;
	}
	ck_assert(cold > 200 && cold < 400 && again > 200 && again < 400 && shorter > 50);
	down();
}
END_TEST

static uint64_t busy_hour(uint64_t seed)
{
	char path[32];

	up(seed);
	sim_set_cold(sim, 100000);
	sim_fail_often(sim, SIM_ANY, NULL, 20000, ERR_IO);
	for (int i = 0; i < 300; i++) {
		os_fd fd;
		snprintf(path, sizeof(path), "f%d", (int)rnd(10));
		if (os_open(os, path, OS_RDWR | OS_CREATE, &fd) != OK)
			continue;
		size_t got;
		char buf[64];
		enum err ignored = os_pwrite(os, fd, buf, 0, 0);
		os_random(os, buf, sizeof(buf));
		ignored = os_pwrite(os, fd, buf, (size_t)rnd(64), (int64_t)rnd(1000));
		ignored = rnd(4) == 0 ? os_fsync(os, fd) : os_pread_cached(os, fd, buf, 64, (int64_t)rnd(1000), &got);
		ignored = rnd(9) == 0 ? os_unlink(os, path) : rnd(9) == 0 ? os_fsync_dir(os, "/") : os_rename(os, path, "other");
		(void)ignored;
		if (rnd(2) == 0)
			os_close(os, &fd);
		sim_advance(sim, (mono_ms)rnd(10));
		if (rnd(60) == 0)
			sim_crash(sim, rnd(2) == 0 ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
	}
	uint64_t hash = sim_hash(sim);
	down();
	return hash;
}

START_TEST(equal_seeds_equal_lives)
{
	for (uint64_t seed = 0; seed < 50; seed++) {
		uint64_t hash = busy_hour(seed);
		ck_assert_uint_eq(busy_hour(seed), hash);
		ck_assert_uint_ne(busy_hour(seed + 1000), hash);
	}
}
END_TEST

START_TEST(clocks_move_only_when_told)
{
	up(7);
	mono_ms mono = os_mono_ms(os);
	time_ms wall = os_time_ms(os);
	put("f", "x");
	ck_assert_int_eq(os_mono_ms(os), mono);
	sim_advance(sim, 1234);
	ck_assert_int_eq(os_mono_ms(os), mono + 1234);
	ck_assert_int_eq(os_time_ms(os), wall + 1234);
	sim_step_wall_clock(sim, -5000);
	ck_assert_int_eq(os_mono_ms(os), mono + 1234);
	ck_assert_int_eq(os_time_ms(os), wall - 3766);
	ck_assert_int_eq(sim_next_event_ms(sim), MONO_NEVER);
	down();
}
END_TEST

START_TEST(a_simulation_does_not_wait)
{
	uint32_t word = 0;

	up(7);
	os_futex_wait(os, &word, 0, MONO_NEVER);
}
END_TEST

START_TEST(use_after_close_is_found)
{
	char byte;
	size_t got;

	up(7);
	os_fd fd = open_file("f", OS_RDWR | OS_CREATE), same = fd;
	os_close(os, &fd);
	ck_assert_int_eq(os_pread(os, same, &byte, 1, 0, &got), OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("simulated disk");
	TCase *tc = tcase_create("disk");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, synced_bytes_survive_and_nothing_is_invented);
	tcase_add_test(tc, appends_tear_in_every_way);
	tcase_add_test(tc, a_failed_sync_is_not_mended_by_the_next);
	tcase_add_test(tc, names_last_as_far_as_their_directory_was_synced);
	tcase_add_test(tc, a_rename_is_atomic_also_between_directories);
	tcase_add_test(tc, what_was_removed_may_come_back_with_its_bytes);
	tcase_add_test(tc, a_replaced_file_is_old_or_new_at_every_crash_point);
	tcase_add_test(tc, a_rename_without_a_sync_of_the_file_loses_its_bytes);
	tcase_add_test(tc, a_killed_process_loses_nothing_it_wrote);
	tcase_add_test(tc, the_dead_do_nothing);
	tcase_add_test(tc, a_dying_write_may_be_half_done);
	tcase_add_test(tc, a_full_disk);
	tcase_add_test(tc, faults_by_count_and_by_place);
	tcase_add_test(tc, cold_ranges);
	tcase_add_test(tc, equal_seeds_equal_lives);
	tcase_add_test(tc, clocks_move_only_when_told);
	tcase_add_test_raise_signal(tc, a_simulation_does_not_wait, SIGABRT);
	tcase_add_test_raise_signal(tc, use_after_close_is_found, SIGABRT);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
