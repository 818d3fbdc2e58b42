/*
 * What may go wrong between an owner and its store, drawn from a seed: for the local sides, in tests.
 */
#ifndef SKEIN_COORD_FAULTS_H
#define SKEIN_COORD_FAULTS_H

#include "coord/coord.h"

enum coord_fault {
	COORD_FAULT_NONE,
	COORD_FAULT_LOSE_BEFORE,	/* the connection breaks before the call arrives */
	COORD_FAULT_LOSE_AFTER,	/* ... after it was applied, before its answer arrives */
	COORD_FAULT_TWICE,		/* ... and it is applied twice: what a careless second attempt would do */
	COORD_FAULT_EXPIRE,		/* the session ends instead of the call */
};

enum coord_fault faults_draw(struct coord_faults *f);		/* for the next call; moves the seed on */
mono_ms         faults_draw_delay(struct coord_faults *f);	/* 0 .. delay_ms_max */
uint64_t        faults_draw_below(struct coord_faults *f, uint64_t n);
bool            faults_are_set(const struct coord_faults *f);

#endif
