/* Files: one body per promise of os.h, run on every machine. */
#include "machine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static os_fd open_ok(const char *name, int flags)
{
	os_fd fd;

	ck_assert_int_eq(os_open(os, in_dir(name), flags, &fd), OK);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void write_at(os_fd fd, const char *text, int64_t pos)
{
	ck_assert_int_eq(os_pwrite(os, fd, text, strlen(text), pos), OK);
}

static void expect_bytes(os_fd fd, const char *want, size_t len)
{
	char buf[256];
	size_t got;

	ck_assert_int_eq(os_pread(os, fd, buf, sizeof(buf), 0, &got), OK);
	ck_assert_uint_eq(got, len);
	ck_assert_mem_eq(buf, want, len);
}

static uint64_t size_of(os_fd fd)
{
	struct os_stat st;

	ck_assert_int_eq(os_fstat(os, fd, &st), OK);
	ck_assert(!st.is_dir);
	return st.size;
}

START_TEST(open_flags)
{
	os_fd fd;

	machine_up(_i);
	ck_assert_int_eq(os_open(os, in_dir("none"), OS_RDONLY, &fd), ERR_NOT_FOUND);
	ck_assert_int_eq(fd, -1);
	fd = open_ok("a", OS_RDWR | OS_CREATE | OS_EXCL);
	write_at(fd, "hello", 0);
	os_close(os, &fd);
	ck_assert_int_eq(fd, -1);
	os_close(os, &fd);
	ck_assert_int_eq(os_open(os, in_dir("a"), OS_RDWR | OS_CREATE | OS_EXCL, &fd), ERR_EXISTS);
	fd = open_ok("a", OS_RDONLY);
	expect_bytes(fd, "hello", 5);
	ck_assert_int_ne(os_pwrite(os, fd, "x", 1, 0), OK);	/* read-only */
	os_close(os, &fd);
	fd = open_ok("a", OS_RDWR | OS_CREATE);			/* no truncation by itself */
	ck_assert_uint_eq(size_of(fd), 5);
	os_close(os, &fd);
	fd = open_ok("a", OS_RDWR | OS_TRUNC);
	ck_assert_uint_eq(size_of(fd), 0);
	os_close(os, &fd);
	ck_assert_int_ne(os_open(os, in_dir("a"), OS_DIR, &fd), OK);
	ck_assert_int_eq(os_open(os, dir, OS_DIR, &fd), OK);
	ck_assert_int_eq(os_fsync(os, fd), OK);
	os_close(os, &fd);
	ck_assert_int_eq(os_open(os, in_dir("a/b"), OS_RDWR | OS_CREATE, &fd), ERR_NOT_FOUND);	/* a is no directory */
	ck_assert_int_eq(os_open(os, in_dir("no/b"), OS_RDWR | OS_CREATE, &fd), ERR_NOT_FOUND);
	machine_down();
}
END_TEST

START_TEST(gather_writes_and_holes)
{
	machine_up(_i);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE);
	struct iovec iov[OS_IOV_MAX];
	char text[OS_IOV_MAX];
	for (int i = 0; i < OS_IOV_MAX; i++) {
		text[i] = (char)('a' + i % 26);
		iov[i] = (struct iovec){ text + i, i % 3 == 1 ? 0 : 1 };	/* empty pieces are legal */
	}
	ck_assert_int_eq(os_pwritev(os, fd, iov, OS_IOV_MAX, 3), OK);
	ck_assert_uint_eq(size_of(fd), 3 + OS_IOV_MAX - OS_IOV_MAX / 3);
	char buf[8];
	size_t got;
	ck_assert_int_eq(os_pread(os, fd, buf, 8, 0, &got), OK);
	ck_assert_mem_eq(buf, "\0\0\0acdfg", 8);
	ck_assert_int_eq(os_pread(os, fd, buf, 8, 3 + 682, &got), OK);
	ck_assert_uint_eq(got, 1);			/* short only at the end */
	ck_assert_int_eq(os_pread(os, fd, buf, 8, 100000, &got), OK);
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(os_pwritev(os, fd, iov, 0, 0), OK);
	ck_assert_int_eq(os_pwrite(os, fd, "", 0, 50000), OK);
	ck_assert_uint_eq(size_of(fd), 3 + 683);	/* nothing written, nothing grown */
	os_close(os, &fd);
	machine_down();
}
END_TEST

START_TEST(truncate_both_ways)
{
	machine_up(_i);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE);
	write_at(fd, "0123456789", 0);
	ck_assert_int_eq(os_ftruncate(os, fd, 4), OK);
	ck_assert_int_eq(os_ftruncate(os, fd, 8), OK);
	expect_bytes(fd, "0123\0\0\0\0", 8);		/* what was cut does not come back */
	ck_assert_int_eq(os_fdatasync(os, fd), OK);
	os_close(os, &fd);
	machine_down();
}
END_TEST

/* Blocks beyond the end, which neither size nor content show, and which go back. */
START_TEST(blocks_ahead)
{
	machine_up(_i);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE);
	write_at(fd, "0123456789", 0);
	ck_assert_int_eq(os_allocate(os, fd, 10, 1 << 20), OK);
	ck_assert_uint_eq(size_of(fd), 10);
	struct stat st = { 0 };
	if (_i == MACHINE_REAL) {
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_ge((long long)st.st_blocks * 512, 1 << 20);
	}
	write_at(fd, "abc", 10);
	expect_bytes(fd, "0123456789abc", 13);
	ck_assert_int_eq(os_ftruncate(os, fd, 13), OK);
	expect_bytes(fd, "0123456789abc", 13);
	if (_i == MACHINE_REAL) {
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_le((long long)st.st_blocks * 512, 1 << 16);
	}
	os_close(os, &fd);
	machine_down();
}
END_TEST

START_TEST(stat_and_clocks)
{
	struct os_stat a, b, d;

	machine_up(_i);
	time_ms before = os_time_ms(os);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE);
	write_at(fd, "x", 0);
	ck_assert_int_eq(os_fstat(os, fd, &a), OK);
	ck_assert_int_eq(os_stat(os, in_dir("a"), &b), OK);
	ck_assert_int_eq(os_stat(os, dir, &d), OK);
	ck_assert(d.is_dir && !a.is_dir);
	ck_assert_uint_eq(a.inode, b.inode);
	ck_assert_uint_ne(a.inode, d.inode);
	ck_assert_uint_eq(a.device, b.device);
	ck_assert_int_eq(a.mtime, a.mtime_ns / 1000000);
	ck_assert_int_ge(a.mtime, before - 1000);	/* the file system's clock ticks coarser */
	ck_assert_int_le(a.mtime, os_time_ms(os) + 1000);
	ck_assert_int_eq(os_stat(os, in_dir("b"), &b), ERR_NOT_FOUND);
	os_close(os, &fd);
	machine_down();
}
END_TEST

START_TEST(names)
{
	struct os_stat st, moved;

	machine_up(_i);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE), other = open_ok("b", OS_RDWR | OS_CREATE);
	write_at(fd, "A", 0);
	write_at(other, "B", 0);
	ck_assert_int_eq(os_fstat(os, fd, &st), OK);
	ck_assert_int_eq(os_rename(os, in_dir("a"), in_dir("b")), OK);	/* replaces */
	ck_assert_int_eq(os_stat(os, in_dir("a"), &moved), ERR_NOT_FOUND);
	ck_assert_int_eq(os_stat(os, in_dir("b"), &moved), OK);
	ck_assert_uint_eq(st.inode, moved.inode);
	expect_bytes(other, "B", 1);			/* what is open stays readable */
	write_at(other, "C", 1);
	expect_bytes(other, "BC", 2);
	ck_assert_int_eq(os_rename(os, in_dir("a"), in_dir("c")), ERR_NOT_FOUND);
	ck_assert_int_eq(os_unlink(os, in_dir("b")), OK);
	ck_assert_int_eq(os_unlink(os, in_dir("b")), ERR_NOT_FOUND);
	expect_bytes(fd, "A", 1);
	os_close(os, &fd);
	os_close(os, &other);
	machine_down();
}
END_TEST

START_TEST(directories)
{
	struct os_stat st;

	machine_up(_i);
	ck_assert_int_eq(os_mkdir(os, in_dir("d")), OK);
	ck_assert_int_eq(os_mkdir(os, in_dir("d")), ERR_EXISTS);
	ck_assert_int_eq(os_mkdir(os, in_dir("x/y")), ERR_NOT_FOUND);
	ck_assert_int_eq(os_mkdir_all(os, in_dir("x/y//z/")), OK);
	ck_assert_int_eq(os_mkdir_all(os, in_dir("x/y/z")), OK);
	ck_assert_int_eq(os_stat(os, in_dir("x/y/z"), &st), OK);
	ck_assert(st.is_dir);
	os_fd fd = open_ok("x/y/f", OS_RDWR | OS_CREATE);
	os_close(os, &fd);
	ck_assert_int_eq(os_mkdir_all(os, in_dir("x/y/f")), ERR_EXISTS);
	ck_assert_int_eq(os_rmdir(os, in_dir("x/y")), ERR_NOT_EMPTY);
	ck_assert_int_eq(os_rename(os, in_dir("x/y"), in_dir("d")), OK);	/* onto an empty directory */
	ck_assert_int_eq(os_rename(os, in_dir("x"), in_dir("d")), ERR_NOT_EMPTY);
	ck_assert_int_eq(os_rename(os, in_dir("d"), in_dir("x/in")), OK);
	ck_assert_int_ne(os_rename(os, in_dir("x"), in_dir("x/in/x")), OK);	/* into itself */
	ck_assert_int_ne(os_unlink(os, in_dir("x/in/z")), OK);			/* a directory */
	ck_assert_int_ne(os_rmdir(os, in_dir("x/in/f")), OK);			/* not a directory */
	ck_assert_int_eq(os_stat(os, in_dir("x/in/f"), &st), OK);
	ck_assert_int_eq(os_fsync_dir(os, in_dir("x")), OK);
	ck_assert_int_eq(os_fsync_dir(os, in_dir("nowhere")), ERR_NOT_FOUND);
	machine_down();
}
END_TEST

static char listed[256];

static void note_entry(void *arg, const char *name, bool is_dir)
{
	(void)arg;
	strcat(listed, name);
	strcat(listed, is_dir ? "/ " : " ");
	if (!is_dir)
		ck_assert_int_eq(os_unlink(os, in_dir(name)), OK);	/* allowed while listing */
}

START_TEST(list_in_byte_order)
{
	static const char *const some[] = { "b", "a", "Z", "a.tmp", "a-1", "\xc3\xa4" };

	machine_up(_i);
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		os_fd fd = open_ok(some[i], OS_RDWR | OS_CREATE);
		os_close(os, &fd);
	}
	ck_assert_int_eq(os_mkdir(os, in_dir("ab")), OK);
	listed[0] = '\0';
	ck_assert_int_eq(os_list_dir(os, dir, note_entry, NULL), OK);
	ck_assert_str_eq(listed, "Z a a-1 a.tmp ab/ b \xc3\xa4 ");
	listed[0] = '\0';
	ck_assert_int_eq(os_list_dir(os, dir, note_entry, NULL), OK);
	ck_assert_str_eq(listed, "ab/ ");
	ck_assert_int_eq(os_list_dir(os, in_dir("none"), note_entry, NULL), ERR_NOT_FOUND);
	machine_down();
}
END_TEST

START_TEST(whole_files)
{
	char *text;
	size_t len;
	struct os_stat st;

	machine_up(_i);
	ck_assert_int_eq(os_replace_file(os, in_dir("c"), "one", 3), OK);
	ck_assert_int_eq(os_replace_file(os, in_dir("c"), "fourteen bytes", 14), OK);
	ck_assert_int_eq(os_stat(os, in_dir("c.tmp"), &st), ERR_NOT_FOUND);
	ck_assert_int_eq(os_read_file(os, in_dir("c"), 14, &text, &len), OK);
	ck_assert_uint_eq(len, 14);
	ck_assert_str_eq(text, "fourteen bytes");
	free(text);
	ck_assert_int_eq(os_read_file(os, in_dir("c"), 13, &text, &len), ERR_TOO_LARGE);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(os_read_file(os, in_dir("d"), 13, &text, &len), ERR_NOT_FOUND);
	ck_assert_int_eq(os_replace_file(os, in_dir("e"), "", 0), OK);
	ck_assert_int_eq(os_read_file(os, in_dir("e"), 0, &text, &len), OK);
	ck_assert_uint_eq(len, 0);
	free(text);
	ck_assert_int_eq(os_replace_file(os, in_dir("no/e"), "", 0), ERR_NOT_FOUND);
	machine_down();
}
END_TEST

START_TEST(locks_exclude)
{
	machine_up(_i);
	os_fd a = open_ok(".lock", OS_RDWR | OS_CREATE), b = open_ok(".lock", OS_RDWR);
	bool is_locked = true;
	ck_assert_int_eq(os_is_locked(os, b, &is_locked), OK);
	ck_assert(!is_locked);
	ck_assert_int_eq(os_lock(os, a), OK);
	ck_assert_int_eq(os_lock(os, b), ERR_LOCKED);
	os_fd reader = open_ok(".lock", OS_RDONLY);
	ck_assert_int_eq(os_is_locked(os, reader, &is_locked), OK);
	ck_assert(is_locked);
	ck_assert_int_eq(os_is_locked(os, a, &is_locked), OK);
	ck_assert(!is_locked);		/* its own */
	os_close(os, &a);
	ck_assert_int_eq(os_is_locked(os, reader, &is_locked), OK);
	ck_assert(!is_locked);
	os_close(os, &reader);
	ck_assert_int_eq(os_lock(os, b), OK);
	os_close(os, &b);
	machine_down();
}
END_TEST

START_TEST(cache_questions)
{
	static char block[1 << 16];
	size_t got;

	machine_up(_i);
	if (sim != NULL)
		sim_set_cold(sim, 0);
	os_fd fd = open_ok("a", OS_RDWR | OS_CREATE);
	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(os_pwrite(os, fd, block, sizeof(block), 0), OK);
	ck_assert(os_is_cached(os, fd, 0, sizeof(block)));	/* just written */
	ck_assert(os_is_cached(os, fd, 5000, 10000));
	ck_assert(os_is_cached(os, fd, 0, 0));
	enum err e = os_pread_cached(os, fd, block, sizeof(block), 10, &got);
	ck_assert(e == OK || e == ERR_AGAIN);		/* not every file system can tell */
	if (e == OK)
		ck_assert_uint_le(got, sizeof(block) - 10);
	ck_assert_int_eq(os_pwrite(os, fd, "y", 1, 7), OK);
	os_write_out(os, fd, 0, 4096);			/* changes nothing that a reader sees */
	ck_assert_int_eq(os_pread(os, fd, block, sizeof(block), 0, &got), OK);
	ck_assert_uint_eq(got, sizeof(block));
	ck_assert(block[6] == 'x' && block[7] == 'y' && block[sizeof(block) - 1] == 'x');
	os_close(os, &fd);
	machine_down();
}
END_TEST

START_TEST(space_of_the_disk)
{
	uint64_t total, usable;

	machine_up(_i);
	ck_assert_int_eq(os_space(os, dir, &total, &usable), OK);
	ck_assert_uint_gt(total, 0);
	ck_assert_uint_le(usable, total);
	ck_assert_int_eq(os_space(os, in_dir("none"), &total, &usable), ERR_NOT_FOUND);
	machine_down();
}
END_TEST

START_TEST(identity)
{
	char a[40], b[40], value[8];

	machine_up(_i);
	os_boot_id(os, a);
	os_boot_id(os, b);
	ck_assert_str_eq(a, b);
	ck_assert_uint_ge(strlen(a), 32);
	ck_assert_uint_ne(os_random_u64(os), os_random_u64(os));
	ck_assert_uint_eq(os_getenv(os, "SKEIN_TEST_NOT_SET", value, sizeof(value)), 0);
	ck_assert_str_eq(value, "");
	machine_down();
}
END_TEST

/* What FileChannel.lock does in a Java broker: a POSIX record lock of another process. */
START_TEST(locks_exclude_java)
{
	int ready[2], status;
	char byte;

	machine_up(MACHINE_REAL);
	ck_assert_int_eq(pipe(ready), 0);
	os_fd fd = open_ok(".lock", OS_RDWR | OS_CREATE);
	bool is_locked = false;
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = INT64_MAX };
		int other = open(in_dir(".lock"), O_RDWR);
		_exit(fcntl(other, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1 || pause());
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(os_lock(os, fd), ERR_LOCKED);
	ck_assert_int_eq(os_is_locked(os, fd, &is_locked), OK);
	ck_assert(is_locked);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(os_lock(os, fd), OK);
	os_close(os, &fd);
	machine_down();
}
END_TEST

START_TEST(cut_environment)
{
	char value[4];

	ck_assert_int_eq(setenv("SKEIN_TEST_SET", "12345", 1), 0);
	ck_assert_uint_eq(os_getenv(os_real(), "SKEIN_TEST_SET", value, sizeof(value)), 3);
	ck_assert_str_eq(value, "123");
}
END_TEST

START_TEST(a_file_that_lies_about_its_size)
{
	char *text;
	size_t len;

	ck_assert_int_eq(os_read_file(os_real(), "/proc/self/status", 1 << 20, &text, &len), OK);
	ck_assert_uint_gt(len, 100);
	ck_assert_uint_eq(strlen(text), len);
	free(text);
	ck_assert_int_eq(os_read_file(os_real(), "/proc/self/status", 100, &text, &len), ERR_TOO_LARGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("os files");
	TCase *tc = tcase_create("every machine");

	tcase_add_loop_test(tc, open_flags, 0, MACHINES);
	tcase_add_loop_test(tc, gather_writes_and_holes, 0, MACHINES);
	tcase_add_loop_test(tc, truncate_both_ways, 0, MACHINES);
	tcase_add_loop_test(tc, blocks_ahead, 0, MACHINES);
	tcase_add_loop_test(tc, stat_and_clocks, 0, MACHINES);
	tcase_add_loop_test(tc, names, 0, MACHINES);
	tcase_add_loop_test(tc, directories, 0, MACHINES);
	tcase_add_loop_test(tc, list_in_byte_order, 0, MACHINES);
	tcase_add_loop_test(tc, whole_files, 0, MACHINES);
	tcase_add_loop_test(tc, locks_exclude, 0, MACHINES);
	tcase_add_loop_test(tc, cache_questions, 0, MACHINES);
	tcase_add_loop_test(tc, space_of_the_disk, 0, MACHINES);
	tcase_add_loop_test(tc, identity, 0, MACHINES);
	suite_add_tcase(s, tc);
	tc = tcase_create("real");
	tcase_add_test(tc, locks_exclude_java);
	tcase_add_test(tc, cut_environment);
	tcase_add_test(tc, a_file_that_lies_about_its_size);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
