/*
 * Seeds of a test that lives one life per seed: which ones, and how to repeat the one that failed.
 *
 *	SKEIN_SIM_SEEDS=first-last, or one
 *	SKEIN_SIM_SHARE=n: only the nth part of the usual ones
 */
#ifndef SKEIN_TESTS_SEEDS_H
#define SKEIN_TESTS_SEEDS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/base.h"
#include "../slowness.h"

/* Check runs a test in a process of its own, which may end anyhow: the seed at work is in memory that its parent sees too. */
static uint64_t *seed_at_work;

static UNUSED void seeds_init(void)		/* in main, before the tests */
{
	seed_at_work = mmap(NULL, sizeof(*seed_at_work), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seed_at_work == MAP_FAILED)
		abort();
}

static UNUSED void seeds_report(void)		/* in main, after them */
{
	if (*seed_at_work != 0)
		printf("to replay: SKEIN_SIM_SEEDS=%llu (SKEIN_SIM_LOG=1 shows the log)\n", (unsigned long long)*seed_at_work);
}

/* The test program's end: its exit code. */
static UNUSED int seeds_run(Suite *s)
{
	SRunner *sr = srunner_create(s);

	seeds_init();
	srunner_run_all(sr, CK_ENV);
	seeds_report();
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* False: the usual ones, which the caller has filled in. */
static UNUSED bool seeds_choose(uint64_t *first, uint64_t *last)
{
	const char *chosen = getenv("SKEIN_SIM_SEEDS"), *share = getenv("SKEIN_SIM_SHARE");
	unsigned long long a, b;
	int n = chosen != NULL ? sscanf(chosen, "%llu-%llu", &a, &b) : 0;

	if (n < 1) {
		*last = *first + (*last - *first) / SEEDS_SLOWNESS / (share != NULL ? strtoul(share, NULL, 10) : 1);
		return share != NULL;
	}
	*first = a;
	*last = n == 2 ? b : a;
	return true;
}

static UNUSED void seeds_begin(uint64_t seed)
{
	*seed_at_work = seed;
}

static UNUSED void seeds_end(void)
{
	*seed_at_work = 0;
}

#endif
