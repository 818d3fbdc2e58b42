/*
 * The simulated disk answers as the real one does: random operations on both, every result
 * compared. What a simulation finds is worth as much as this agreement.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sim.h"

#define OPEN_MAX 6

struct side {
	struct os *os;
	char       dir[64];
	os_fd      fd[OPEN_MAX];
	char       result[4096];	/* of the last operation, as text */
	size_t     fill;
};

static uint64_t state;

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

static void say(struct side *s, const char *what, uint64_t value)
{
	int n = snprintf(s->result + s->fill, sizeof(s->result) - s->fill, "%s=%llu ", what, (unsigned long long)value);

	ck_assert(n > 0 && (size_t)n < sizeof(s->result) - s->fill);
	s->fill += (size_t)n;
}

static void say_entry(void *arg, const char *name, bool is_dir)
{
	say(arg, name, is_dir);
}

/* Few names, so that operations meet: files, directories, names below both. */
static void pick_path(struct side *s, unsigned which, char out[128])
{
	static const char *const names[] = {
		"a", "b", "c", "d", "a/x", "b/x", "c/x", "a/x/deep", "a/x/other", "no/such", "c//x", "./a", "d/./x",
	};

	snprintf(out, 128, "%s/%s", s->dir, names[which % ARRAY_LEN(names)]);
}

struct op {
	unsigned kind, path, other, slot, flags, pos, len;
};

static void on_names(struct side *s, const struct op *op)
{
	char path[128], other[128];
	struct os_stat st = { 0 };
	enum err e = OK;

	pick_path(s, op->path, path);
	pick_path(s, op->other, other);
	switch (op->kind) {
	case 0: e = os_mkdir(s->os, path); break;
	case 1: e = os_rmdir(s->os, path); break;
	case 2: e = os_unlink(s->os, path); break;
	case 3: e = os_rename(s->os, path, other); break;
	case 4: e = os_mkdir_all(s->os, path); break;
	case 5: e = os_list_dir(s->os, path, say_entry, s); break;
	case 6: e = os_replace_file(s->os, path, "content", op->len % 8); break;
	default:
		e = os_stat(s->os, path, &st);
		say(s, "dir", st.is_dir);
		say(s, "size", st.is_dir ? 0 : st.size);
	}
	say(s, err_name(e), 0);
}

static void on_files(struct side *s, const struct op *op)
{
	static const uint8_t some[5000] = { 1, 2, 3, [700] = 4, [4999] = 5 };
	uint8_t buf[5000];
	char path[128];
	struct os_stat st = { 0 };
	size_t got = 0;
	os_fd *fd = &s->fd[op->slot];
	enum err e = OK;

	if (*fd < 0) {
		pick_path(s, op->path, path);
		say(s, err_name(os_open(s->os, path, (int)op->flags, fd)), 0);
		return;
	}
	switch (op->kind) {
	case 0: case 1: case 2:
		e = os_pwrite(s->os, *fd, some, op->len, op->pos);
		break;
	case 3:
		e = os_ftruncate(s->os, *fd, op->pos);
		break;
	case 4:
		e = os_pread(s->os, *fd, buf, op->len, op->pos, &got);
		for (size_t i = 0; i < got; i++)
			if (buf[i] != 0)
				say(s, "byte", i << 8 | buf[i]);
		break;
	case 5:
		e = os_fstat(s->os, *fd, &st);
		say(s, "size", st.is_dir ? 0 : st.size);
		break;
	case 6:
		e = os_fsync(s->os, *fd);
		break;
	default:
		os_close(s->os, fd);
	}
	say(s, "got", got);
	say(s, err_name(e), 0);
}

static void run(struct side *s, bool is_name, const struct op *op)
{
	s->fill = 0;
	s->result[0] = '\0';
	if (is_name)
		on_names(s, op);
	else
		on_files(s, op);
}

static void remove_tree(void *arg, const char *name, bool is_dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (is_dir) {
		ck_assert_int_eq(os_list_dir(os_real(), path, remove_tree, path), OK);
		ck_assert_int_eq(os_rmdir(os_real(), path), OK);
	} else {
		ck_assert_int_eq(os_unlink(os_real(), path), OK);
	}
}

START_TEST(two_disks_one_answer)
{
	static const unsigned open_flags[] = {
		OS_RDONLY, OS_RDWR, OS_RDWR | OS_CREATE, OS_RDWR | OS_CREATE | OS_EXCL, OS_RDWR | OS_CREATE | OS_TRUNC,
	};
	struct sim_os *sim = sim_create(NULL, "host", (uint64_t)_i);
	struct side real = { .os = os_real() }, fake = { .os = sim_os(sim) };
	char what[64];

	state = (uint64_t)_i;
	snprintf(real.dir, sizeof(real.dir), "skein-agree-%016llx", (unsigned long long)os_random_u64(os_real()));
	snprintf(fake.dir, sizeof(fake.dir), "root");
	for (int i = 0; i < OPEN_MAX; i++)
		real.fd[i] = fake.fd[i] = -1;
	ck_assert_int_eq(os_mkdir(real.os, real.dir), OK);
	ck_assert_int_eq(os_mkdir(fake.os, fake.dir), OK);
	for (int i = 0; i < 1500; i++) {
		struct op op = { rnd(9), rnd(13), rnd(13), rnd(OPEN_MAX), open_flags[rnd(5)], rnd(9000), rnd(5000) };
		bool is_name = rnd(2) == 0;
		run(&real, is_name, &op);
		run(&fake, is_name, &op);
		snprintf(what, sizeof(what), "%s %u on %u, %u", is_name ? "name" : "file", op.kind, op.path, op.other);
		if (strcmp(real.result, fake.result) != 0)
			ck_abort_msg("step %d, %s: real %s, simulated %s", i, what, real.result, fake.result);
	}
	for (int i = 0; i < OPEN_MAX; i++) {
		os_close(real.os, &real.fd[i]);
		os_close(fake.os, &fake.fd[i]);
	}
	remove_tree((void *)(uintptr_t)".", real.dir, true);
	sim_destroy(&sim);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("real and simulated disk");
	TCase *tc = tcase_create("agree");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, two_disks_one_answer, 0, 12);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
