/*
 * Which seeds a test of random stories lives through, one after the other in one process, and which was at work when it died.
 *
 *	SKEIN_SEED=n	that one, with its log
 *	SKEIN_SEEDS=n	so many
 */
#ifndef SKEIN_TESTS_SEED_RANGE_H
#define SKEIN_TESTS_SEED_RANGE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "../../slowness.h"

struct seed_range {
	uint64_t from, count;
	bool     is_one;	/* SKEIN_SEED */
	bool     is_usual;	/* neither is set: enough for what the test wants to have met */
};

static uint64_t seed_now;	/* 0: none is at work */

/* Check prints a failure at the end of all; the seed must be known even if the process dies. */
static void seed_tell(void)
{
	if (seed_now != 0)
		fprintf(stderr, "the seed at work: SKEIN_SEED=%llu\n", (unsigned long long)seed_now);
}

static void seed_swallow_log(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg, (void)level, (void)line, (void)len;
}

static struct seed_range seed_range_begin(uint64_t usual)
{
	const char *one = getenv("SKEIN_SEED"), *many = getenv("SKEIN_SEEDS");

	atexit(seed_tell);
	if (one == NULL)
		log_set_sink(seed_swallow_log, NULL);
	return (struct seed_range){
		.from = one != NULL ? strtoull(one, NULL, 10) : 1, .count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : usual / SEEDS_SLOWNESS,
		.is_one = one != NULL, .is_usual = one == NULL && many == NULL && SEEDS_SLOWNESS == 1,
	};
}

#endif
