/*
 * The machines a test body runs on: the loop index of a Check loop test chooses. `dir` is a fresh
 * directory on it.
 */
#ifndef SKEIN_TESTS_MACHINE_H
#define SKEIN_TESTS_MACHINE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sim.h"

enum { MACHINE_REAL, MACHINE_SIM, MACHINES };

static struct os *os;
static struct sim_os *sim;		/* NULL on the real machine */
static char dir[256];

static void machine_remove(void *arg, const char *name, bool is_dir)
{
	char path[1024];

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name), (int)sizeof(path));
	if (is_dir) {
		ck_assert_int_eq(os_list_dir(os, path, machine_remove, path), OK);
		ck_assert_int_eq(os_rmdir(os, path), OK);
	} else {
		ck_assert_int_eq(os_unlink(os, path), OK);
	}
}

static UNUSED void machine_up(int which)
{
	sim = which == MACHINE_SIM ? sim_create(NULL, "host", 42) : NULL;
	os = sim != NULL ? sim_os(sim) : os_real();
	snprintf(dir, sizeof(dir), "skein-os-test-%016llx", (unsigned long long)os_random_u64(os));
	ck_assert_int_eq(os_mkdir(os, dir), OK);
}

static UNUSED void machine_down(void)
{
	ck_assert_int_eq(os_list_dir(os, dir, machine_remove, dir), OK);
	ck_assert_int_eq(os_rmdir(os, dir), OK);
	sim_destroy(&sim);
}

/* Lets a simulated clock move on; the real one does by itself. */
static UNUSED void machine_pass_time(void)
{
	if (sim != NULL)
		sim_advance(sim, 1);
}

static UNUSED const char *in_dir(const char *name)	/* valid until the fourth next call */
{
	static char path[4][512];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

#endif
