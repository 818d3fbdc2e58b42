/* `.skein-session`: what is believed, and what is not. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coord/session_file.h"

static struct os *os;
static char dir[64], other[80];
static const struct session session = { .id = (int64_t)0xfedcba9876543210, .password = "\x00\x01passwordsixte\xff" };

static void up(void)
{
	os = os_real();
	snprintf(dir, sizeof(dir), "/tmp/skein-session-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(other, sizeof(other), "%s/other", dir);
	ck_assert_int_eq(os_mkdir(os, other), OK);
}

static void down(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void path_in(const char *where, char out[128])
{
	snprintf(out, 128, "%s/" SESSION_FILE, where);
}

/* As another process would have written it, which is dead now. */
static struct session_note left_by_a_dead_process(const char *where)
{
	struct session_note n;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(session_file_write(os, where, &session) != OK);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(session_file_read(os, where, &n), OK);
	ck_assert_int_eq(n.process.pid, pid);
	return n;
}

START_TEST(what_is_written_is_read)
{
	struct session_note n;
	struct os_stat st;
	char boot_id[40];

	ck_assert_int_eq(session_file_read(os, dir, &n), ERR_NOT_FOUND);
	ck_assert_int_eq(session_file_write(os, dir, &session), OK);
	ck_assert_int_eq(session_file_read(os, dir, &n), OK);
	os_boot_id(os, boot_id);
	ck_assert_int_eq(os_stat(os, dir, &st), OK);
	ck_assert_int_eq(n.session, session.id);
	ck_assert_mem_eq(n.password, session.password, SESSION_PASSWORD_BYTES);
	ck_assert_str_eq(n.boot_id, boot_id);
	ck_assert_int_eq(n.process.pid, getpid());
	ck_assert_uint_eq(n.device, st.device);
	ck_assert_uint_eq(n.inode, st.inode);
	ck_assert_int_eq(session_file_remove(os, dir), OK);
	ck_assert_int_eq(session_file_remove(os, dir), OK);
	ck_assert_int_eq(session_file_read(os, dir, &n), ERR_NOT_FOUND);
}
END_TEST

START_TEST(nobody_else_may_read_it)
{
	struct stat st;
	char path[128], tmp[256];

	umask(0);
	path_in(dir, path);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	ck_assert_int_eq(close(creat(tmp, 0666)), 0);	/* left there by whomever */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(session_file_write(os, dir, &session), OK);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0600);
		ck_assert_int_ne(stat(tmp, &st), 0);
	}
}
END_TEST

START_TEST(the_session_of_a_dead_process_may_be_closed)
{
	struct session_note n = left_by_a_dead_process(dir);

	ck_assert_ptr_null(session_file_objection(os, dir, &n));
}
END_TEST

START_TEST(the_session_of_a_live_process_may_not)
{
	struct session_note n;

	ck_assert_int_eq(session_file_write(os, dir, &session), OK);
	ck_assert_int_eq(session_file_read(os, dir, &n), OK);
	ck_assert_ptr_nonnull(strstr(session_file_objection(os, dir, &n), "process"));
	n.process.started++;	/* that process is gone, and this one has its number */
	ck_assert_ptr_null(session_file_objection(os, dir, &n));
}
END_TEST

START_TEST(nor_one_that_was_copied_here)
{
	struct session_note n;
	char from[128], to[128], command[512];

	left_by_a_dead_process(dir);
	path_in(dir, from);
	path_in(other, to);
	snprintf(command, sizeof(command), "cp -p %s %s", from, to);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(session_file_read(os, other, &n), OK);
	ck_assert_ptr_nonnull(strstr(session_file_objection(os, other, &n), "directory"));
	n = left_by_a_dead_process(dir);
	n.device++;		/* the same inode on another device */
	ck_assert_ptr_nonnull(strstr(session_file_objection(os, dir, &n), "directory"));
}
END_TEST

START_TEST(nor_one_of_another_boot)
{
	struct session_note n = left_by_a_dead_process(dir);

	n.boot_id[0] = n.boot_id[0] == '0' ? '1' : '0';
	ck_assert_ptr_nonnull(strstr(session_file_objection(os, dir, &n), "machine"));
}
END_TEST

static struct session_note example(void)
{
	struct session_note n = { .session = 0x100, .boot_id = "025a0f0b-acf1-4e7a-9252-826f7e6cd7ff", .process = { 4711, 3274815 }, .device = 65024, .inode = 10832866 };

	memcpy(n.password, "password of 16 b", SESSION_PASSWORD_BYTES);
	return n;
}

START_TEST(the_text_is_this)
{
	struct session_note n = example(), back;
	char text[SESSION_FILE_BYTES];
	size_t len = session_note_print(&n, text);
	static const char wanted[] = "skein-session 1\nsession 0000000000000100\npassword 70617373776f7264206f662031362062\nboot 025a0f0b-acf1-4e7a-9252-826f7e6cd7ff\n"
				     "process 4711 3274815\ndirectory 65024 10832866\ncrc ";

	ck_assert_mem_eq(text, wanted, sizeof(wanted) - 1);
	ck_assert_uint_eq(len, sizeof(wanted) - 1 + 9);
	ck_assert(session_note_parse(&back, slice_of(text, len)));
	ck_assert_int_eq(back.session, n.session);
	ck_assert_str_eq(back.boot_id, n.boot_id);
	ck_assert_int_eq(back.process.pid, n.process.pid);
	ck_assert_uint_eq(back.process.started, n.process.started);
	ck_assert_uint_eq(back.device, n.device);
	ck_assert_uint_eq(back.inode, n.inode);
}
END_TEST

START_TEST(the_longest_of_all)
{
	struct session_note n = { .session = -1, .process = { INT32_MAX, UINT64_MAX }, .device = UINT64_MAX, .inode = UINT64_MAX }, back;
	char text[SESSION_FILE_BYTES];

	memset(n.password, 0xff, sizeof(n.password));
	memset(n.boot_id, 'f', sizeof(n.boot_id) - 1);
	ck_assert(session_note_parse(&back, slice_of(text, session_note_print(&n, text))));
	ck_assert_int_eq(back.session, -1);
}
END_TEST

/* Each byte changed to each of some others, and the text cut anywhere, or longer. */
START_TEST(no_damage_is_taken_for_a_note)
{
	static const char bytes[] = { '\0', '0', '9', 'f', 'A', '-', ' ', '\n', '\xff' };
	struct session_note n = example(), back;
	char text[SESSION_FILE_BYTES], bad[SESSION_FILE_BYTES + 2];
	size_t len = session_note_print(&n, text);

	for (size_t i = 0; i < len; i++) {
		ck_assert(!session_note_parse(&back, slice_of(text, i)));
		for (size_t k = 0; k < ARRAY_LEN(bytes); k++) {
			memcpy(bad, text, len);
			bad[i] = bytes[k];
			ck_assert(bad[i] == text[i] || !session_note_parse(&back, slice_of(bad, len)));
		}
		memcpy(bad, text, i);
		bad[i] = ' ';
		memcpy(bad + i + 1, text + i, len - i);
		ck_assert(!session_note_parse(&back, slice_of(bad, len + 1)));
	}
	memcpy(bad, text, len);
	bad[len] = '\n';
	ck_assert(!session_note_parse(&back, slice_of(bad, len + 1)));
	memset(bad, 'x', sizeof(bad));
	ck_assert(!session_note_parse(&back, slice_of(bad, sizeof(bad))));
}
END_TEST

/* With a checksum that is right: a writer of another mind, not a broken disk. */
START_TEST(what_no_process_writes)
{
	struct session_note n = example(), back;
	char text[SESSION_FILE_BYTES];

	n.session = 0;
	ck_assert(!session_note_parse(&back, slice_of(text, session_note_print(&n, text))));
	n = example();
	n.process.pid = 0;
	ck_assert(!session_note_parse(&back, slice_of(text, session_note_print(&n, text))));
	n.process.pid = -5;
	ck_assert(!session_note_parse(&back, slice_of(text, session_note_print(&n, text))));
	n.process.pid = (int64_t)INT32_MAX + 1;
	ck_assert(!session_note_parse(&back, slice_of(text, session_note_print(&n, text))));
}
END_TEST

START_TEST(a_damaged_file_says_so)
{
	struct session_note n;
	char path[128], big[2 * SESSION_FILE_BYTES];
	os_fd fd;

	memset(big, 'x', sizeof(big));
	path_in(dir, path);
	for (size_t len = 0; len <= sizeof(big); len += sizeof(big) / 2) {
		ck_assert_int_eq(os_open(os, path, OS_RDWR | OS_CREATE | OS_TRUNC, &fd), OK);
		ck_assert_int_eq(len > 0 ? os_pwrite(os, fd, big, len, 0) : OK, OK);
		os_close(os, &fd);
		ck_assert_int_eq(session_file_read(os, dir, &n), ERR_CORRUPT);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session_file");
	TCase *c = tcase_create("session_file");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(c, up, down);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_is_written_is_read);
	tcase_add_test(c, nobody_else_may_read_it);
	tcase_add_test(c, the_session_of_a_dead_process_may_be_closed);
	tcase_add_test(c, the_session_of_a_live_process_may_not);
	tcase_add_test(c, nor_one_that_was_copied_here);
	tcase_add_test(c, nor_one_of_another_boot);
	tcase_add_test(c, the_text_is_this);
	tcase_add_test(c, the_longest_of_all);
	tcase_add_test(c, no_damage_is_taken_for_a_note);
	tcase_add_test(c, what_no_process_writes);
	tcase_add_test(c, a_damaged_file_says_so);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
