#include "histogram.h"

#include <math.h>

/* Below 256 every value has a slot; then each power of two has 128. */
static size_t slot_of(uint64_t value)
{
	if (value < 2u << HISTOGRAM_BITS)
		return (size_t)value;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
	return ((size_t)shift << HISTOGRAM_BITS) + (size_t)(value >> shift);
}

/* The greatest value of a slot. */
static uint64_t end_of(size_t slot)
{
	if (slot < 2u << HISTOGRAM_BITS)
		return slot;
	size_t shift = (slot >> HISTOGRAM_BITS) - 1;
	uint64_t first = slot - (shift << HISTOGRAM_BITS);
	return ((first + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	value = MIN(value, HISTOGRAM_MAX);
	h->slots[slot_of(value)]++;
	h->min = h->count == 0 ? value : MIN(h->min, value);
	h->max = MAX(h->max, value);
	h->sum += value;
	h->count++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	if (from->count == 0)
		return;
	to->min = to->count == 0 ? from->min : MIN(to->min, from->min);
	to->max = MAX(to->max, from->max);
	to->sum += from->sum;
	to->count += from->count;
	for (size_t i = 0; i < HISTOGRAM_SLOTS; i++)
		to->slots[i] += from->slots[i];
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)h->count - 1e-6), seen = 0;

	wanted = MAX(wanted, 1u);
	for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += h->slots[i];
		if (seen >= wanted)
			return MIN(end_of(i), h->max);
	}
	return h->max;
}
