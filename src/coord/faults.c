/*
 * Equal seeds and equal calls give equal faults. The state is the seed itself (splitmix64).
 */
#include "coord/faults.h"

static uint64_t draw(struct coord_faults *f)
{
	uint64_t x = f->seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t faults_draw_below(struct coord_faults *f, uint64_t n)
{
	return draw(f) % n;
}

mono_ms faults_draw_delay(struct coord_faults *f)
{
	return f->delay_ms_max > 0 ? (mono_ms)(draw(f) % (f->delay_ms_max + 1ull)) : 0;
}

bool faults_are_set(const struct coord_faults *f)
{
	return (f->lose_before | f->lose_after | f->apply_twice | f->expire | f->delay_ms_max) != 0;
}

enum coord_fault faults_draw(struct coord_faults *f)
{
	if (!faults_are_set(f))
		return COORD_FAULT_NONE;
	uint64_t x = draw(f) % 65536;

	if (x < f->lose_before)
		return COORD_FAULT_LOSE_BEFORE;
	x -= f->lose_before;
	if (x < f->lose_after)
		return COORD_FAULT_LOSE_AFTER;
	x -= f->lose_after;
	if (x < f->apply_twice)
		return COORD_FAULT_TWICE;
	x -= f->apply_twice;
	return x < f->expire ? COORD_FAULT_EXPIRE : COORD_FAULT_NONE;
}
