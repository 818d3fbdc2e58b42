/*
 * Fault points: see fault.h. Counters are atomic because hits come from any thread; which of two
 * simultaneous hits is the nth is then a matter of luck, as it is for real faults.
 */
#include "base/fault.h"

bool fault_is_armed;

static enum fault_point armed_point;
static enum err         armed_error;
static uint64_t         armed_nth;
static bool             has_fired;
static uint64_t         hits[FAULT_COUNT + 1];	/* the last: all together */

static const char *const names[FAULT_COUNT + 1] = {
#define X(name, what) #name,
	FAULT_POINT_TABLE(X)
#undef X
	"any",
};

void fault_arm(enum fault_point p, uint64_t nth, enum err e)
{
	ASSERT(p <= FAULT_COUNT);
	ASSERT(nth == 0 || e != OK);
	armed_point = p;
	armed_nth = nth;
	armed_error = e;
	has_fired = false;
	for (int i = 0; i <= FAULT_COUNT; i++)
		hits[i] = 0;
	fault_is_armed = true;
}

void fault_disarm(void)
{
	fault_is_armed = false;
}

bool fault_has_fired(void)
{
	return __atomic_load_n(&has_fired, __ATOMIC_RELAXED);
}

uint64_t fault_hits(enum fault_point p)
{
	ASSERT(p <= FAULT_COUNT);
	return __atomic_load_n(&hits[p], __ATOMIC_RELAXED);
}

enum err fault_hit(enum fault_point p)
{
	uint64_t own = __atomic_add_fetch(&hits[p], 1, __ATOMIC_RELAXED);
	uint64_t all = __atomic_add_fetch(&hits[FAULT_ANY], 1, __ATOMIC_RELAXED);

	if (armed_nth == 0 || (armed_point == FAULT_ANY ? all : armed_point == p ? own : 0) != armed_nth)
		return OK;
	__atomic_store_n(&has_fired, true, __ATOMIC_RELAXED);
	return armed_error;
}

const char *fault_point_name(enum fault_point p)
{
	ASSERT(p <= FAULT_COUNT);
	return names[p];
}
